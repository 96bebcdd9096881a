use super::*;

/// A secret that no text has by chance.
const CANARY: &str = "Canary-7x";

fn shown(text: &str) -> String {
    mask_with(text, &[]).into_owned()
}

#[test]
fn user_part_of_a_url_is_masked_everywhere() {
    for (text, masked) in [
        ("rtsp://user:Canary-7x@host/s", "rtsp://***@host/s"),
        ("rtsp://user@host/s", "rtsp://***@host/s"),
        (
            "a=rtsp://u:Canary-7x@host:554/s;b",
            "a=rtsp://***@host:554/s;b",
        ),
        (
            "'rtsp://u:Canary-7x@[fd00::5]/s'",
            "'rtsp://***@[fd00::5]/s'",
        ),
        (
            "x rtsp://u:p@Canary-7x/?#@host/s y",
            "x rtsp://***@host/s y",
        ),
        ("rtsp://us%40er:Canary%2D7x@host", "rtsp://***@host"),
        (
            "url=rtsp%3A%2F%2Fu%3ACanary-7x%40host%2Fs",
            "url=rtsp%3A%2F%2F***%40host%2Fs",
        ),
        ("rtsp:\\/\\/u:Canary-7x@host", "rtsp:\\/\\/***@host"),
        ("u:Canary-7x@host failed", "***@host failed"),
        ("rtsp://u:Canary-7x", "rtsp://***"),
        (
            "rtsp://u:Canary-7x more@host/s failed",
            "rtsp://***@host/s failed",
        ),
        (
            "?a=x%3A%2F%2Fh&b=rtsp%3A%2F%2Fu:Canary-7x%40h",
            "?a=x%3A%2F%2Fh&b=rtsp%3A%2F%2F***%40h",
        ),
        (
            "tee:rtsp://u:Canary-7x@a|rtsp://u:Canary-7x@b",
            "tee:rtsp://***@b",
        ),
    ] {
        assert_eq!(shown(text), masked, "{text}");
    }
}

#[test]
fn own_help_is_not_masked() {
    for text in [
        "https://:1 needs a certificate and its key: --tls-cert FILE --tls-key FILE, or tls.cert and tls.key in the file",
        "--tls-key needs a value: --tls-key FILE (berrymse --help lists the options)",
        "its private key is needed too: --tls-key FILE, or tls.key in the file",
        "the password cannot be read (unexpected end of file)",
        "config.yml:3: access.users[0].password: is not an argon2id hash; \"berrymse hash-password\" makes one",
        "access.users[0] needs password (a hash) or passwordFile, one of them",
        "config.yml:3: access.users[0].digest: is not for the realm BerryMSE",
        "      users: [{name: owner, passwordFile: owner.hash, right: operator}]",
    ] {
        assert_eq!(shown(text), text);
    }
    assert_eq!(shown("--key Canary-7x"), "--key ***");
}

#[test]
fn values_with_a_telling_name_are_masked() {
    for (text, masked) in [
        (
            "http://h/s?token=Canary-7x&w=640",
            "http://h/s?token=***&w=640",
        ),
        (
            "http://h/s?w=640&api_key=Canary-7x",
            "http://h/s?w=640&api_key=***",
        ),
        ("?accessToken=Canary-7x#a", "?accessToken=***"),
        ("a%3Fpassword%3DCanary-7x%26b", "a%3Fpassword%3D***%26b"),
        ("PASSWORD=Canary-7x", "PASSWORD=***"),
        ("password: Canary-7x", "password: ***"),
        (
            "{\"token\":\"Canary-7x y\",\"w\":1}",
            "{\"token\":\"***\",\"w\":1}",
        ),
        ("{\"key\": \"Canary-7x y\"}", "{\"key\": \"***\"}"),
        ("pwd='Canary-7x y' z", "pwd='***' z"),
        ("--password Canary-7x -v", "--password *** -v"),
        ("--password=Canary-7x -v", "--password=*** -v"),
        ("-p Canary-7x -v", "-p *** -v"),
        ("sshpass -pCanary-7x ssh", "sshpass -p*** ssh"),
        ("curl -u admin:Canary-7x h", "curl -u *** h"),
        ("-rtsp_password 'Canary-7x y' h", "-rtsp_password '***' h"),
    ] {
        assert_eq!(shown(text), masked, "{text}");
    }
}

#[test]
fn credentials_of_http_are_masked() {
    for text in [
        "Authorization: Bearer Canary-7x",
        "authorization: Basic Q2FuYXJ5LTd4 Canary-7x",
        "-headers \"Authorization: Digest response=\\\"Canary-7x\\\"",
        "-H 'X-Auth-Token: Canary-7x'",
        "Cookie: a=b; session=Canary-7x",
        "got Bearer Canary-7x there",
    ] {
        assert!(!shown(text).contains(CANARY), "{}", shown(text));
    }
    assert_eq!(
        shown("-H 'Authorization: Basic dTpwYXNz' http://h/s"),
        "-H 'Authorization:***' http://h/s"
    );
    assert_eq!(shown("Basic dTpDYW5hcnktN3g="), "Basic ***");
}

#[test]
fn long_random_strings_are_masked() {
    for (text, masked) in [
        ("id 0123456789abcdef0123456789abcdef.", "id ***."),
        ("id 01234567-89ab-cdef-0123-456789abcdef", "id ***"),
        ("rtsps://h:7441/Pgz1K5aQ8dR2xY7b?e", "rtsps://h:7441/***?e"),
        ("is qV2/x8Lk+0aZr4Tn9Bw3Jd6Yc1Hs5Uf7 ok", "is *** ok"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "***"),
    ] {
        assert_eq!(shown(text), masked, "{text}");
    }
}

#[test]
fn text_without_secrets_is_unchanged() {
    for text in [
        "",
        "camera front: live, 1280x720, avc1.42C01F",
        "camera front: ffmpeg ended with exit status 1 before it sent a byte; its last words: [h264 @ 0x55d0c8a3e2c0] no frame!",
        "tls.key: /etc/ssl/private/key.pem does not exist.",
        "Listening on http://[::1]:2020/",
        "rtsp://host:554/live: Connection refused",
        "[tcp @ 0x5581c6b2f8c0] Connection to tcp://192.168.1.5:554?timeout=0 failed: Connection refused",
        "/dev/v4l/by-id/usb-046d_HD_Pro_Webcam_C920_8B2C1F6F-video-index0: busy",
        "no camera found by libcamera. \"rpicam-hello --list-cameras\" lists them",
        "-p 8080 --keyframe-interval 60 keyint=250 -preset ultrafast -pix_fmt yuv420p",
        "a viewer of 192.168.1.20:51234 joined at 2026-11-22T15:04:05.123Z",
        "key frames: 3; public key: missing; basic settings; a bearer of news",
        "Stream #0:0: Video: h264 (Constrained Baseline), yuv420p(progressive), 640x480, 30 fps",
        "page refused (origin not allowed, peer 127.0.0.1:5); below server: allowedOrigins: [\"http://shop.example:8080\"]",
        "in nginx write proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade;",
        "'webcam' is not a source (a source is auto, /dev/videoN, v4l2:PATH, rpicam, rpicam:N, exec:COMMAND, file:PATH, - or test)",
    ] {
        assert!(
            matches!(mask_with(text, &[]), Cow::Borrowed(_)),
            "{}",
            shown(text)
        );
    }
}

#[test]
fn secrets_of_the_configuration_are_masked_bare() {
    let known = secrets(&[
        "ffmpeg",
        "-i",
        "rtsp://admin:my p%40ss/word@10.0.0.5/live",
        "--token",
        "tok+en 99",
        "-headers",
        "X-Api-Key: 12345-abcde",
        "http://h/?key=abcdef77&w=640",
    ]);
    for text in [
        "401 for my p@ss/word",
        "401 for my p%40ss/word",
        "sent tok+en 99",
        "key 12345-abcde",
        "abcdef77",
    ] {
        let masked = mask_with(text, &known).into_owned();
        assert!(masked.contains(MASK), "{text}: {known:?}");
    }
    let text = "ffmpeg of admin at 10.0.0.5/live, 640 wide";
    assert_eq!(mask_with(text, &known), text, "{known:?}");
}

#[test]
fn every_mixture_hides_the_canary_and_masks_once() {
    let before = [
        "",
        " ",
        "x",
        "'",
        "\"",
        "(",
        "a=",
        "é",
        "/",
        "https://h/?u=",
        "…",
        "\\",
    ];
    let shapes = [
        "rtsp://u:#@h/s",
        "RTSP://#@h",
        "rtsp://u:a/#@h",
        "rtsp%3a%2f%2fu:#%40h",
        "u:#@h",
        "?token=#&a=b",
        "x_secret=#",
        "password: #",
        "--password #",
        "Authorization: Bearer #",
        "\"apiKey\": \"#\"",
        "Proxy-Authorization:Basic #",
    ];
    let after = [
        "",
        " ",
        "x",
        " é",
        "'",
        "\"",
        ")",
        "\n",
        "…",
        " rtsp://h/",
        " a@b",
        "&c=d",
    ];
    for start in before {
        for shape in shapes {
            for end in after {
                let text = format!("{start}{}{end}", shape.replace('#', CANARY));
                let masked = shown(&text);
                assert!(!masked.contains(CANARY), "{text} -> {masked}");
                assert_eq!(shown(&masked), masked, "{text}");
            }
        }
    }
}

#[test]
fn long_line_is_masked_in_time() {
    // A square of these would take minutes.
    for piece in [
        "a=",
        "token:",
        "eyJ",
        "%3a%2f%2f",
        "//",
        "x@",
        "\"",
        "cookie:",
        "--key ",
    ] {
        let text = piece.repeat(100_000 / piece.len());
        assert!(mask_with(&text, &[]).len() <= text.len() + 3 * text.len());
    }
}
