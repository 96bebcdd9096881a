//! Two programs, one behind the other: the second shows the camera of the first (`--source http://HOST/stream.mp4`).

use crate::support::{PATIENCE, Scratch, Server, TEST, Viewer, in_one_of, is_init, is_keyframe};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Instant;

fn behind(first: &Server) -> Server {
    let url = format!("{}stream.mp4", first.url);
    let second = Server::start(&["--source", &url]);
    second.wait_for("live", |camera| camera["state"] == "live");
    second
}

/// The NAL units of a message with a frame.
fn sample(message: &[u8]) -> &[u8] {
    let moof = u32::from_be_bytes(message[..4].try_into().unwrap()) as usize;
    &message[moof + 8..]
}

fn decode_time(message: &[u8]) -> u64 {
    u64::from_be_bytes(message[64..72].try_into().unwrap())
}

/// The next `count` messages, and when each was there.
fn collect(server: &Server, count: usize) -> Vec<(Vec<u8>, Instant)> {
    let mut viewer = server.watch("/video_websocket");
    (0..count)
        .map(|_| (viewer.binary(), Instant::now()))
        .collect()
}

#[test]
fn frames_of_another_server_are_the_same_bytes() {
    let first = Server::start(&TEST);
    first.wait_for("live", |camera| camera["state"] == "live");
    let second = behind(&first);
    let (before, behind) = thread::scope(|scope| {
        let before = scope.spawn(|| collect(&first, 100));
        let behind = scope.spawn(|| collect(&second, 100));
        (before.join().unwrap(), behind.join().unwrap())
    });
    assert!(is_init(&before[0].0));
    assert_eq!(before[0].0, behind[0].0, "the init segment");
    let mut delays = Vec::new();
    let mut matched = behind[1..].iter().filter_map(|(message, seen)| {
        let same =
            |(other, _): &&(Vec<u8>, Instant)| !is_init(other) && sample(other) == sample(message);
        let (original, first_seen) = before.iter().find(same)?;
        assert_eq!(is_keyframe(original), is_keyframe(message));
        // Flags and size, too: all but number and times.
        assert_eq!(original[88..96], message[88..96]);
        delays.push(seen.saturating_duration_since(*first_seen));
        Some(())
    });
    let count = matched.by_ref().count();
    assert!(count > 50, "{count} frames in common");
    delays.sort();
    println!(
        "added delay of {count} frames: median {:.2?}, longest {:.2?}",
        delays[delays.len() / 2],
        delays[delays.len() - 1]
    );
    let camera = second.status()["cameras"][0].clone();
    assert_eq!(camera["source"], "http");
    assert_eq!(
        (camera["width"].as_u64(), camera["height"].as_u64()),
        (Some(320), Some(240))
    );
    assert_eq!(
        second.request("GET", "/snapshot.jpg", "").0,
        200,
        "it is decoded here"
    );
}

#[test]
fn capture_times_are_those_of_the_first_camera() {
    // One GOP, which is seconds old when the second server begins with it.
    let [options @ .., _] = TEST;
    let first = Server::start(&[&options[..], &["6000"]].concat());
    first.wait_for("frames", |camera| camera["frames"].as_u64() > Some(90));
    let second = behind(&first);
    // When the frame of the first message was taken, on the clock that both have.
    let captured = |server: &Server| {
        let mut viewer = Viewer::connect(server, "/video_websocket", Some("berrymse.v1"));
        let timing = loop {
            let message = viewer.text();
            if message["type"] == "timing" {
                break message;
            }
        };
        let mut frames = Vec::new();
        while frames.len() < 90 {
            let message = viewer.binary();
            if !is_init(&message) {
                frames.push(message);
            }
        }
        let (media, taken) = (
            timing["media"].as_u64().unwrap(),
            timing["captured_us"].as_u64().unwrap(),
        );
        let at = move |message: &[u8]| taken + (decode_time(message) - media) * 100 / 9;
        frames
            .into_iter()
            .map(|frame| (sample(&frame).to_vec(), at(&frame)))
            .collect::<Vec<_>>()
    };
    // A busy machine may stop one of the programs between two looks at its clocks.
    in_one_of(3, || {
        let (before, behind) = thread::scope(|scope| {
            let before = scope.spawn(|| captured(&first));
            let behind = scope.spawn(|| captured(&second));
            (before.join().unwrap(), behind.join().unwrap())
        });
        let mut differences: Vec<u64> = behind
            .iter()
            .filter_map(|(frame, at)| {
                let (_, original) = before.iter().find(|(other, _)| other == frame)?;
                Some(original.abs_diff(*at))
            })
            .collect();
        differences.sort_unstable();
        // Media time, which is all that goes from one server to the other, may be 250 ms off where the first one is late. An age
        // that was not known would be that of the GOP.
        match differences.get(differences.len() / 2) {
            Some(..500_000) => Ok(()),
            _ => Err(format!("capture times differ by (µs) {differences:?}")),
        }
    });
}

#[test]
fn lost_server_is_waited_for_and_media_time_goes_on() {
    let mut first = Server::start(&TEST);
    first.wait_for("live", |camera| camera["state"] == "live");
    let address = first.address().to_owned();
    let second = behind(&first);
    let mut viewer = second.watch("/video_websocket");
    let before = viewer.collect(20);
    first.child.kill().unwrap();
    first.child.wait().unwrap();
    let camera = second.wait_for("lost", |camera| camera["state"] == "lost");
    let words = camera["error"].as_str().unwrap();
    assert!(words.contains("other server"), "{words}");
    let listen = ["--listen", &address];
    let again = Server::start_with(&TEST, |command| {
        command.args(listen);
    });
    second.wait_for("live again", |camera| camera["state"] == "live");
    let mut last = decode_time(&before[19]);
    let mut has_keyframe = false;
    for _ in 0..40 {
        let message = viewer.binary();
        if is_init(&message) {
            continue;
        }
        let time = decode_time(&message);
        // A busy machine skips frames of the test pattern. The outage took longer than half a second.
        assert!(time > last && time < last + 45_000, "{last} {time}");
        last = time;
        has_keyframe |= is_keyframe(&message);
    }
    assert!(has_keyframe);
    assert!(second.status()["cameras"][0]["restarts"].as_u64() > Some(0));
    drop(again);
}

#[test]
fn keyframe_is_asked_of_the_first_camera() {
    let first = Server::start(&["--source", "test", "--keyframe-interval", "100000"]);
    first.wait_for("live", |camera| camera["state"] == "live");
    let second = behind(&first);
    let mut viewer = second.watch("/video_websocket");
    assert!(is_keyframe(&viewer.collect(40)[1]));
    // Who joins has one made, for everybody.
    let _other = second.watch("/video_websocket");
    while !is_keyframe(&viewer.binary()) {}
}

#[test]
fn source_that_is_no_stream_says_why_and_no_password() {
    let first = Server::start(&TEST);
    first.wait_for("live", |camera| camera["state"] == "live");
    let url = format!(
        "http://me:geheim@{}/stream/other.mp4?token=geheim2",
        first.address()
    );
    let second = Server::start(&["--source", &url]);
    let camera = second.wait_for("waiting", |camera| camera["state"] == "waiting");
    assert_eq!(camera["error"], "the other server has no such stream");
    second.wait_for_log("answers 404");
    assert!(!second.log().contains("geheim"), "{}", second.log());
    assert!(!camera.to_string().contains("geheim"), "{camera}");
    let error = camera["error"].to_string();
    assert!(!error.contains(first.address()), "{error}");
}

/// Writes a certificate for 127.0.0.1, signed by itself, and its key; returns their paths.
fn issue(scratch: &Scratch, name: &str, is_authority: bool) -> [PathBuf; 2] {
    let mut params = rcgen::CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    if is_authority {
        // As `openssl req -x509` makes them.
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    }
    let key = rcgen::KeyPair::generate().unwrap();
    let cert = params.self_signed(&key).unwrap();
    [("cert", cert.pem()), ("key", key.serialize_pem())]
        .map(|(part, text)| scratch.file(&format!("{name}-{part}.pem"), text).into())
}

/// The first program, on a TLS address.
fn secure([cert, key]: &[PathBuf; 2]) -> Server {
    Server::start_with(&TEST, |command| {
        command.args(["--listen", "https://127.0.0.1:0"]);
        command.arg("--tls-cert").arg(cert);
        command.arg("--tls-key").arg(key);
    })
}

/// A program behind `url` that trusts the certificate in `trusted`.
fn behind_secure(url: &str, trusted: &Path) -> Server {
    let source = format!("{url}stream.mp4");
    Server::start_with(&["--source", &source], |command| {
        command.args(["--listen", "127.0.0.1:0"]);
        command.env("SSL_CERT_FILE", trusted);
        command.env_remove("SSL_CERT_DIR");
    })
}

#[test]
fn https_source_is_shown_if_its_certificate_is_trusted() {
    let scratch = Scratch::new("https-source");
    for (name, is_authority) in [("leaf", false), ("authority", true)] {
        let files = issue(&scratch, name, is_authority);
        let first = secure(&files);
        let second = behind_secure(&first.url, &files[0]);
        second.wait_for("live", |camera| camera["state"] == "live");
        let mut viewer = second.watch("/video_websocket");
        assert!(is_keyframe(&viewer.collect(20)[1]), "{name}");
    }
}

#[test]
fn untrusted_certificate_is_told_with_a_remedy() {
    let scratch = Scratch::new("https-untrusted");
    let other = issue(&scratch, "other", false);
    for (name, is_authority) in [("leaf", false), ("authority", true)] {
        let first = secure(&issue(&scratch, name, is_authority));
        let second = behind_secure(&first.url, &other[0]);
        let camera = second.wait_for("waiting", |camera| camera["state"] == "waiting");
        let error = "the other server's certificate is not trusted";
        assert_eq!(camera["error"], error, "{name}");
        second.wait_for_log("SSL_CERT_FILE=");
        assert!(second.log().contains("signed by itself"), "{name}");
    }
    let first = secure(&issue(&scratch, "named", false));
    let named = scratch.join("named-cert.pem");
    let url = first.url.replace("127.0.0.1", "localhost");
    let second = behind_secure(&url, &named);
    second.wait_for("waiting", |camera| camera["state"] == "waiting");
    second.wait_for_log("not valid for name");
}

#[test]
fn wrong_scheme_is_told() {
    let scratch = Scratch::new("https-scheme");
    let files = issue(&scratch, "scheme", false);
    let (plain, secure) = (Server::start(&TEST), secure(&files));
    let no_tls = behind_secure(&plain.url.replace("http:", "https:"), &files[0]);
    no_tls.wait_for_log("is it http://?");
    let moved = behind_secure(&secure.url.replace("https:", "http:"), &files[0]);
    let words = format!("has moved to {}stream.mp4", secure.url);
    moved.wait_for_log(&words);
}

/// A proxy in front of the server at `to` that wants a password of user `me`; returns its address.
/// Its threads end with the test.
fn proxy_with_password(to: &str, password: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let to = to.to_owned();
    let serve = move |mut client: TcpStream, to: &str| {
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") && client.read(&mut byte).is_ok_and(|count| count > 0) {
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        let expected = format!("authorization: Basic {password}\r\n");
        if !head.contains(&expected) {
            let refusal = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 10\r\n\r\nWho is it?";
            let _ = client.write_all(refusal);
            return;
        }
        let mut server = TcpStream::connect(to).unwrap();
        let head = head.replace(&client.local_addr().unwrap().to_string(), to);
        server.write_all(head.as_bytes()).unwrap();
        let _ = std::io::copy(&mut server, &mut client);
    };
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let to = to.clone();
            thread::spawn(move || serve(client, &to));
        }
    });
    address
}

#[test]
fn password_of_the_url_opens_a_proxy_and_is_never_shown() {
    let first = Server::start(&TEST);
    first.wait_for("live", |camera| camera["state"] == "live");
    // me:ge:heim, in base64 as RFC 7617 has it
    let proxy = proxy_with_password(first.address(), "bWU6Z2U6aGVpbQ==");
    for (password, state) in [("ge%3Aheim", "live"), ("geheim2", "waiting")] {
        let url = format!("http://me:{password}@{proxy}/stream.mp4");
        let second = Server::start(&["--source", &url, "--verbose"]);
        let camera = second.wait_for(state, |camera| camera["state"] == state);
        if state == "waiting" {
            assert_eq!(camera["error"], "permission denied");
            second.wait_for_log("answers 401: Who is it?");
        }
        let pages = ["/", "/api/status", "/metrics"].map(|path| second.get(path).1);
        let shown = format!("{}{}", pages.concat(), second.log());
        for secret in ["heim", "bWU6"] {
            assert!(!shown.contains(secret), "{secret} in {shown}");
        }
    }
}
