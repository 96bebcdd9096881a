//! What is said of mistakes: which option, variable or line it was, what is wrong, and what may be meant. Settings that need or
//! limit each other are here with what they mean when they fit.

use super::Place;
use berrymse::cli::{parse, unknown_variables};
use proptest::prelude::*;
use std::ffi::OsString;

#[test]
fn bad_command_line_is_rejected_with_reason() {
    let place = Place::new("cameras: [{name: a}, {name: b}]\n");
    let help = " (berrymse --help lists the options)";
    for (line, why) in [
        ("--widht 3", format!("there is no option --widht; did you mean --width?{help}")),
        ("--frobnicate", format!("there is no option --frobnicate{help}")),
        ("-x", format!("there is no option -x{help}")),
        ("-w", format!("-w needs a value: -w PX{help}")),
        ("--width=", format!("--width needs a value: --width PX{help}")),
        ("--help=1", format!("--help takes no value{help}")),
        ("camera", format!("'camera' is not an option; did you mean 'berrymse cameras'?{help}")),
        ("/dev/video0", format!("'/dev/video0' is not an option; did you mean --source '/dev/video0'?{help}")),
        ("-- test", format!("'test' is not an option; did you mean --source 'test'?{help}")),
        ("--json", format!("--json belongs to 'berrymse cameras'{help}")),
        ("cameras all", format!("'all' has no meaning with 'cameras', which looks at every camera{help}")),
        ("cameras -w 3", format!("-w has no meaning with 'cameras', which looks at every camera{help}")),
        ("-w 8", "-w: 8 is out of range: 16 to 8192 pixels".to_owned()),
        ("--Camera.Width -1", "--Camera.Width: -1 is out of range: 16 to 8192 pixels".to_owned()),
        ("-h 48O", "-h: '48O' is not a whole number of pixels (16 to 8192)".to_owned()),
        (
            "-f 29,97",
            "-f: '29,97' is not a number of frames per second (0.001 to 240); did you mean 29.97?".to_owned(),
        ),
        ("-f 0", "-f: 0 is out of range: 0.001 to 240 frames per second".to_owned()),
        (
            "--stall-after 1.5",
            "--stall-after: '1.5' is not a whole number of seconds (1 to 86400); 0 means never".to_owned(),
        ),
        ("-r 45", "-r: '45' is not 0, 90, 180 or 270 degrees; -1 leaves the camera's own".to_owned()),
        ("-g 0", "-g: 0 is out of range: 1 to 100000 pictures".to_owned()),
        (
            "-b 1500",
            "-b: 1500 is out of range: 25000 to 200000000 bits per second; did you mean 1500000?".to_owned(),
        ),
        ("-l localhost", "-l: 'localhost' has no port; write HOST:PORT, such as localhost:2020".to_owned()),
        ("-l :1 -l :1", "-l: :1 is given twice".to_owned()),
        ("-s live", "-s: '/live' is taken by the server itself; choose another name".to_owned()),
        ("-s a/b", "-s: 'a/b' is not one segment of a path, such as video_websocket (letters, digits, '.', '-', '_', '~')".to_owned()),
        (
            "-d test",
            "-d: the configuration file has 2 cameras; change their sources there, or name another file with --config"
                .to_owned(),
        ),
        ("-c missing.yml", "-c: missing.yml does not exist".to_owned()),
        ("-c missing/", "-c: missing/config.yml does not exist".to_owned()),
    ] {
        assert_eq!(place.run(line, &[]).unwrap_err().to_string(), why, "{line}");
    }
}

#[test]
fn commands_reject_foreign_options() {
    let place = Place::new("");
    let help = " (berrymse --help lists the options)";
    for (line, why) in [
        (
            "completions",
            "'completions' needs a shell: bash, zsh, fish",
        ),
        ("completions tcsh", "'tcsh' is none of bash, zsh, fish"),
        (
            "completions bash zsh",
            "'zsh' has no meaning with 'completions'",
        ),
        (
            "completions bash --listen :1",
            "--listen has no meaning with 'completions'",
        ),
        ("-w 640 man", "-w has no meaning with 'man'"),
        ("man 1", "'1' has no meaning with 'man'"),
        ("man --json", "--json belongs to 'berrymse cameras'"),
        (
            "man --widht",
            "there is no option --widht; did you mean --width?",
        ),
        (
            "cameras --HFLIP",
            "--hflip has no meaning with 'cameras', which looks at every camera",
        ),
        (
            "completion",
            "'completion' is not an option; did you mean 'berrymse completions'?",
        ),
    ] {
        let refusal = place.run(line, &[]).unwrap_err().to_string();
        assert_eq!(refusal, format!("{why}{help}"), "{line}");
    }
}

#[test]
fn bad_environment_value_names_the_variable() {
    let place = Place::new("");
    for (name, value, why) in [
        (
            "BERRYMSE_WIDTH",
            "x",
            "BERRYMSE_WIDTH: 'x' is not a whole number of pixels (16 to 8192)",
        ),
        (
            "BERRYMSE_LOG",
            "loud",
            "BERRYMSE_LOG: 'loud' is none of off, error, warn, info, debug, trace",
        ),
        (
            "BERRYMSE_CONFIG",
            "gone.yml",
            "BERRYMSE_CONFIG: gone.yml does not exist",
        ),
    ] {
        assert_eq!(
            place.run("", &[(name, value)]).unwrap_err().to_string(),
            why
        );
    }
}

#[test]
fn unknown_variables_get_a_suggestion() {
    for (name, hint) in [
        ("BERRYMSE_WIDHT", "; did you mean BERRYMSE_WIDTH?"),
        ("BERRYMSE_width", "; did you mean BERRYMSE_WIDTH?"),
        ("BERRYMSE_DEVICE", "; did you mean BERRYMSE_SOURCE?"),
        ("BERRYMSE_SOURCEFD", "; did you mean BERRYMSE_SOURCE?"),
        ("BERRYMSE_URL", "; did you mean BERRYMSE_LISTEN?"),
        (
            "BERRYMSE_KEYFRAMEINTERVAL",
            "; did you mean BERRYMSE_KEYFRAME_INTERVAL?",
        ),
        ("BERRYMSE_CAMERA_WIDTH", "; did you mean BERRYMSE_WIDTH?"),
        ("BERRYMSE_SERVICE_HOST", ""),
    ] {
        assert_eq!(
            unknown_variables([OsString::from(name)].into_iter()),
            [format!("{name} is no setting and is ignored{hint}")]
        );
    }
    let known = [
        "PATH",
        "BERRYMSE_WIDTH",
        "BERRYMSE_LOG",
        "BERRYMSE_CONFIG",
        "BERRYMSE_TLS_KEY",
    ];
    assert!(unknown_variables(known.into_iter().map(OsString::from)).is_empty());
}

#[test]
fn bad_file_error_has_line_key_and_suggestion() {
    for (text, why) in [
        (
            "server:\n  listen: :1\ncamera:\n  widht: 640\n",
            "c.yml:4: unknown key camera.widht; did you mean width?",
        ),
        (
            "camera:\n  colour: red\n",
            "c.yml:2: unknown key camera.colour; the keys here are source, sourceFD, width, height, bitrate, adaptive, \
             minBitrate, rotation, hflip, vflip, fps, keyframeInterval, onDemand, stallAfter, encoder, pixelFormat, rtspAccessUnitDelimiter, rpicam, name, title, controls",
        ),
        (
            "camera:\n  controls:\n    Zoom: 1\n    zoom: 2\n",
            "c.yml:4: camera.controls.zoom: is there already (line 3)",
        ),
        (
            "camera:\n  controls: {zoom: [1]}\n",
            "c.yml:2: camera.controls.zoom: takes one value",
        ),
        (
            "camera:\n  controls: 3\n",
            "c.yml:2: camera.controls must be made of lines 'key: value'",
        ),
        (
            "camera:\n  controls:\n    white balance: 1\n",
            "c.yml:3: camera.controls.white balance: 'white balance' is no name of a control: those are made of small letters, \
             digits and underscores, as in white_balance_automatic",
        ),
        (
            "server: {controls: maybe}\n",
            "c.yml:1: server.controls: 'maybe' is neither true nor false",
        ),
        (
            "camra:\n  width: 640\n",
            "c.yml:1: unknown key camra; did you mean camera?",
        ),
        (
            "width: 640\n",
            "c.yml:1: unknown key width; 'width:' belongs below 'camera:', indented",
        ),
        (
            "server.url: :80\n",
            "c.yml:1: unknown key server.url; 'url:' belongs below 'server:', indented",
        ),
        (
            "x: 1\n",
            "c.yml:1: unknown key x; the blocks are camera, cameras, server, tls, access and publish",
        ),
        (
            "camera:\n  width: wide\n",
            "c.yml:2: camera.width: 'wide' is not a whole number of pixels (16 to 8192)",
        ),
        (
            "camera:\n  width:\n  height: 480\n",
            "c.yml:2: camera.width: has no value",
        ),
        (
            "camera:\n  width: [1]\n",
            "c.yml:2: camera.width: takes one value, not a list",
        ),
        (
            "camera:\n  width: {a: 1}\n",
            "c.yml:2: camera.width: takes a value, not a block",
        ),
        (
            "camera: 1\n",
            "c.yml:1: camera must be made of lines 'key: value'",
        ),
        (
            "- 1\n",
            "c.yml:1: the file must be made of lines 'key: value'",
        ),
        (
            "camera:\n  width: 1\n  Width: 1\n",
            "c.yml:3: camera.width: is there already (line 2)",
        ),
        (
            "camera:\n  source: test\n\n  sourceFD: /dev/video0\n",
            "c.yml:4: camera.sourceFD: is camera.source too, and differs (line 2)",
        ),
        (
            "camera: {}\ncamera: {}\n",
            "c.yml:2: there is a 'camera:' at line 1 already",
        ),
        (
            "camera: {}\ncameras: [{name: a}]\n",
            "c.yml:2: 'camera:' and 'cameras:' (line 1) exclude each other; put all into 'cameras:'",
        ),
        (
            "cameras:\n",
            "c.yml:1: cameras: is not a list; each camera begins with '- name: …'",
        ),
        ("cameras: []\n", "c.yml:1: cameras: is empty"),
        (
            "cameras:\n  - source: test\n",
            "c.yml:2: cameras[0]: this camera needs a name",
        ),
        (
            "cameras:\n  - name: a\n  - name: a\n",
            "c.yml:3: cameras[1]: there is a camera named 'a' already",
        ),
        (
            "cameras:\n  - name: a\n    fsp: 3\n",
            "c.yml:3: unknown key cameras[0].fsp; did you mean fps?",
        ),
        (
            "cameras:\n  - {name: a, source: '-'}\n  - {name: b, source: '-'}\n",
            "c.yml:3: cameras[1]: only one camera can read standard input (-)",
        ),
        (
            "camera: {name: a/b}\n",
            "c.yml:1: camera.name: 'a/b' is not a name; a name is made of letters, digits, '.', '-' and '_'",
        ),
        (
            "camera: {name: ..}\n",
            "c.yml:1: camera.name: '..' is not a name; a name is made of letters, digits, '.', '-' and '_'",
        ),
        (
            "server: {listen: []}\n",
            "c.yml:1: server.listen: is empty; there is no address to serve on",
        ),
        (
            "server:\n  listen:\n    - :1\n    - x\n",
            "c.yml:4: server.listen: 'x' has no port; write HOST:PORT, such as x:2020",
        ),
        (
            "server: {maxViewers: 0}\n",
            "c.yml:1: server.maxViewers: 0 is out of range: 1 to 100000 viewers",
        ),
        (
            "server: {decodeMemory: 4}\n",
            "c.yml:1: server.decodeMemory: 4 is out of range: 8 to 4096 megabytes",
        ),
        (
            "server: {allowedOrigins: example.com}\n",
            "c.yml:1: server.allowedOrigins: 'example.com' is not an origin; write it with its scheme: https://example.com",
        ),
        (
            "server:\n  hosts: [pi, 'cam.example.org:443']\n",
            "c.yml:2: server.hosts: 'cam.example.org:443' is not a host name; write it without scheme and port, such as \
            camera.example.com",
        ),
        (
            "server: {hosts: []}\n",
            "c.yml:1: server.hosts: is empty; for IP addresses and localhost alone write localhost",
        ),
        (
            "camera: *x\n",
            "c.yml:1: this is not YAML: while parsing node, found unknown anchor; indent with spaces, and put values \
            with special characters (- * : @ [) in quotes",
        ),
    ] {
        let place = Place::new("");
        place.file("c.yml", text);
        assert_eq!(
            place.run("-c c.yml", &[]).unwrap_err().to_string(),
            why,
            "{text}"
        );
    }
}

#[test]
fn default_file_error_says_why_it_is_read() {
    let place = Place::new("version: '3'\n");
    assert_eq!(
        place.run("", &[]).unwrap_err().to_string(),
        "config.yml:1: unknown key version; the blocks are camera, cameras, server, tls, access and publish (config.yml is read unless --config \
         names another file)"
    );
}

#[test]
fn certificate_and_https_address_need_each_other() {
    let place = Place::new("tls:\n  cert: a.pem\n  key: b.pem\nserver:\n  listen: https://:8443\n");
    let tls = place.config("", &[]).server.tls.unwrap();
    assert_eq!(
        (tls.cert.to_str(), tls.key.to_str()),
        (Some("a.pem"), Some("b.pem"))
    );
    let environment = [
        ("BERRYMSE_TLS_CERT", "c.pem"),
        ("BERRYMSE_TLS_KEY", "d.pem"),
    ];
    let tls = place.config("--tls-key e.pem", &environment);
    let tls = tls.server.tls.unwrap();
    assert_eq!(
        (tls.cert.to_str(), tls.key.to_str()),
        (Some("c.pem"), Some("e.pem"))
    );
    let place = Place::new("");
    for (line, why) in [
        (
            "-l https://:1",
            "https://:1 needs a certificate and its key: --tls-cert FILE --tls-key FILE, or tls.cert and tls.key in the file",
        ),
        (
            "-l https://:1 --tls-cert a",
            "--tls-cert: its private key is needed too: --tls-key FILE, or tls.key in the file",
        ),
        (
            "-l https://:1 --tls-key a",
            "--tls-key: its certificate is needed too: --tls-cert FILE, or tls.cert in the file",
        ),
        (
            "-l :1 --tls-cert a --tls-key b",
            "--tls-cert: no address has TLS; write --listen https://:1 for one that has",
        ),
    ] {
        let refusal = place.run(line, &[]).unwrap_err().to_string();
        assert_eq!(refusal, why, "{line}");
    }
}

#[test]
fn adaptive_range_lies_between_two_limits() {
    let adaptive = |line: &str| {
        Place::new("").config(line, &[]).cameras[0]
            .adaptive_bitrate
            .clone()
    };
    assert_eq!(adaptive(""), None);
    assert_eq!(adaptive("--adaptive true"), Some(300_000..=1_500_000));
    assert_eq!(
        adaptive("--adaptive true -b 200000"),
        Some(200_000..=200_000)
    );
    assert_eq!(
        adaptive("--adaptive true -b 2000000 --min-bitrate 500000"),
        Some(500_000..=2_000_000)
    );
    let place = Place::new("camera: {adaptive: true, bitrate: 500000, minBitrate: 600000}");
    assert_eq!(
        place.run("", &[]).unwrap_err().to_string(),
        "config.yml:1: camera.minBitrate: 600000 is more than the bit rate, 500000"
    );
    let place = Place::new("camera: {adaptive: true, bitrate: -1}");
    assert_eq!(
        place.run("", &[]).unwrap_err().to_string(),
        "config.yml:1: camera.adaptive: needs to know the most that is wanted; give a bit rate"
    );
}

#[test]
fn standard_input_cannot_be_on_demand() {
    let wrong = |text: &str| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_berrymse"))
            .args(["-d", "-", "--on-demand", text])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(wrong("true").contains("cannot be closed and opened again"));
    assert!(wrong("perhaps").contains("'perhaps' is neither true nor false"));
}

proptest! {
    #[test]
    fn no_command_line_makes_it_panic(words in prop::collection::vec("(-{0,2}[a-z=é]{0,3}|-[cdwhbrfglsvV]|[-0-9:\\[\\].,'a]{0,6}|cameras|--json|\\PC{0,8})", 0..6)) {
        let place = Place::new("");
        let _ = parse(words.into_iter().map(OsString::from), |_| None, &place.0);
    }

    #[test]
    fn no_file_makes_it_panic(
        lines in prop::collection::vec("( {0,4}|- |  - )(camera|cameras|server|name|width|listen|url|bitrate|source)?: ?([-0-9a:*\\[\\]{},'\"]{0,6})", 0..8)
    ) {
        let place = Place::new(&lines.join("\n"));
        let _ = place.run("", &[]);
    }
}
