//! The outside of the command line, the environment and the configuration file, as tables. Without a process:
//! what the program does with a configuration is tested elsewhere.

#![allow(clippy::unwrap_used)]

use berrymse::cli::{Command, Config, Error, parse};
use berrymse::panel::Wish;
use log::LevelFilter;
use proptest::prelude::*;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

/// A directory of its own with a `config.yml`, which keeps the machine's own settings out of the test.
struct Place(PathBuf);

impl Place {
    fn new(config: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "berrymse-cli-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let place = Self(std::env::temp_dir().join(name));
        fs::create_dir_all(&place.0).unwrap();
        place.file("config.yml", config);
        place
    }

    fn file(&self, name: &str, text: &str) {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Parses a line of words and `NAME=value` pairs.
    fn run(&self, line: &str, env: &[(&str, &str)]) -> Result<Command, Error> {
        let words: Vec<OsString> = shlex::split(line)
            .unwrap()
            .into_iter()
            .map(OsString::from)
            .collect();
        let variable = |name: &str| {
            env.iter()
                .find(|(n, _)| *n == name)
                .map(|(_, value)| OsString::from(value))
        };
        parse(words.into_iter(), variable, &self.0)
    }

    fn config(&self, line: &str, env: &[(&str, &str)]) -> Config {
        match self.run(line, env) {
            Ok(Command::Serve(config)) => config,
            other => panic!("{line}: {other:?}"),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A configuration on one line, without what is as by default.
fn short(config: &Config) -> String {
    let mut out = Vec::new();
    for camera in &config.cameras {
        let s = &camera.settings;
        let number = |n: Option<u32>| n.map_or_else(|| "own".to_owned(), |n| n.to_string());
        out.push(format!(
            "{}={} {}x{}@{} {}b r{} g{}",
            camera.name,
            camera.source,
            s.width,
            s.height,
            s.fps,
            number(s.bitrate),
            number(s.rotation.map(u32::from)),
            s.keyframe_interval
        ));
        for (name, flip) in [("hflip", s.flips.horizontal), ("vflip", s.flips.vertical)] {
            out.extend(flip.map(|flip| format!("{name} {flip}")));
        }
    }
    let listen: Vec<String> = config
        .server
        .listen
        .iter()
        .map(ToString::to_string)
        .collect();
    out.push(format!("on {}", listen.join(" ")));
    out.push(format!("/{}", config.server.websocket));
    if !config.server.allowed_origins.is_empty() {
        out.push(config.server.allowed_origins.join(" "));
    }
    if config.server.max_viewers != 2000 {
        out.push(format!("{} viewers", config.server.max_viewers));
    }
    out.join(", ")
        .replace("on localhost:2020, /video_websocket", "default")
}

#[test]
fn options_are_understood_in_all_their_spellings() {
    let place = Place::new("");
    for (line, expected) in [
        ("", "camera=auto 1280x720@30 1500000b r0 g60, default"),
        (
            "-d test",
            "camera=test 1280x720@30 1500000b r0 g60, default",
        ),
        (
            "--device /dev/video2",
            "camera=/dev/video2 1280x720@30 1500000b r0 g60, default",
        ),
        (
            "--source -",
            "camera=- 1280x720@30 1500000b r0 g60, default",
        ),
        ("-d=-", "camera=- 1280x720@30 1500000b r0 g60, default"),
        (
            "-w640 -h480",
            "camera=auto 640x480@30 1500000b r0 g60, default",
        ),
        (
            "-w 640 -h 480",
            "camera=auto 640x480@30 1500000b r0 g60, default",
        ),
        (
            "-w=640 -h=480",
            "camera=auto 640x480@30 1500000b r0 g60, default",
        ),
        (
            "--width=640 --height 480",
            "camera=auto 640x480@30 1500000b r0 g60, default",
        ),
        (
            "-b -1 -r -1",
            "camera=auto 1280x720@30 ownb rown g60, default",
        ),
        (
            "-b=-1 -r-1",
            "camera=auto 1280x720@30 ownb rown g60, default",
        ),
        (
            "--bitrate=-1 --rotation 270",
            "camera=auto 1280x720@30 ownb r270 g60, default",
        ),
        (
            "-f 25 -g 50",
            "camera=auto 1280x720@25 1500000b r0 g50, default",
        ),
        (
            "--fps=25 --keyframe-interval=50",
            "camera=auto 1280x720@25 1500000b r0 g50, default",
        ),
        (
            "-w 640 -w 800",
            "camera=auto 800x720@30 1500000b r0 g60, default",
        ),
        (
            "-l :80 --listen '[::1]:8080' -l 9000,host:1 -s /ws",
            "camera=auto 1280x720@30 1500000b r0 g60, on :80 [::1]:8080 localhost:9000 host:1, /ws",
        ),
        (
            "-d 'exec:cat \"a b\"'",
            "camera=exec:cat 'a b' 1280x720@30 1500000b r0 g60, default",
        ),
        ("-vw 640", "camera=auto 640x720@30 1500000b r0 g60, default"),
    ] {
        assert_eq!(short(&place.config(line, &[])), expected, "{line}");
    }
}

#[test]
fn command_lines_of_2022_run_unchanged() {
    let place = Place::new("");
    let expected = "camera=/dev/video1 640x480@30 1000000b r90 g60, on 0.0.0.0:80, /ws";
    for line in [
        "-d /dev/video1 -w 640 -h 480 -b 1000000 -r 90 -l 0.0.0.0:80 -s ws",
        "--Camera.SourceFD /dev/video1 --Camera.Width 640 --Camera.Height 480 --Camera.Bitrate 1000000 \
         --Camera.Rotation 90 --Server.URL 0.0.0.0:80 --Server.WebSocket ws",
        "--camera.sourcefd=/dev/video1 --CAMERA.WIDTH=640 --camera.height=480 --camera.bitrate=1000000 \
         --camera.rotation=90 --server.url=0.0.0.0:80 --server.websocket=ws",
    ] {
        assert_eq!(short(&place.config(line, &[])), expected, "{line}");
    }
    let place = Place::new(
        "camera:\n  sourceFD: \"/dev/video1\"\n  width: 640\n  height: 480\n  bitrate: 1000000\n  rotation: 90\n\n\
         server:\n  url: \"0.0.0.0:80\"\n  webSocket: \"ws\"",
    );
    assert_eq!(short(&place.config("", &[])), expected);
    place.file(
        "other/config.yml",
        "CAMERA:\n  SOURCEFD: /dev/video3\n  bitrate: -1\n  rotation: -1\n",
    );
    for line in [
        "-c other/",
        "-c other",
        "-c other/config.yml",
        "--config=other/config.yml",
    ] {
        assert_eq!(
            short(&place.config(line, &[])),
            "camera=/dev/video3 1280x720@30 ownb rown g60, default",
            "{line}"
        );
    }
}

#[test]
fn help_version_and_cameras_are_commands() {
    let place = Place::new("");
    for line in [
        "-h",
        "--help",
        "--HELP",
        "-h -w 640",
        "-w 640 -h",
        "cameras -h",
        "-h cameras",
        "cameras --help",
        "-vh",
    ] {
        let Ok(Command::Print(text)) = place.run(line, &[]) else {
            panic!("{line}")
        };
        assert!(
            text.starts_with("BerryMSE") && text.ends_with('\n'),
            "{line}"
        );
    }
    for line in ["-V", "--version", "cameras --version"] {
        let version = format!("berrymse {}\n", env!("CARGO_PKG_VERSION"));
        assert_eq!(place.run(line, &[]), Ok(Command::Print(version)), "{line}");
    }
    let (warn, info) = (LevelFilter::Warn, LevelFilter::Info);
    for (line, expected) in [
        (
            "cameras",
            Command::Cameras {
                json: false,
                log: warn,
            },
        ),
        (
            "cameras --json",
            Command::Cameras {
                json: true,
                log: warn,
            },
        ),
        (
            "--json cameras -v",
            Command::Cameras {
                json: true,
                log: info,
            },
        ),
    ] {
        assert_eq!(place.run(line, &[]), Ok(expected), "{line}");
    }
}

#[test]
fn the_help_fits_a_terminal_and_names_every_option() {
    let Ok(Command::Print(text)) = Place::new("").run("--help", &[]) else {
        panic!()
    };
    for line in text.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
    for word in [
        "--config",
        "--source",
        "--width",
        "--height",
        "--bitrate",
        "--rotation",
        "--fps",
        "--keyframe-interval",
        "--listen",
        "--websocket",
        "--verbose",
        "--help",
        "--version",
        "cameras [--json]",
        "exec:",
        "rpicam",
        "BERRYMSE_",
        "maxViewers",
        "allowedOrigins",
        "/etc/berrymse/config.yml",
        "localhost:2020",
        "1500000",
    ] {
        assert!(text.contains(word), "{word}");
    }
}

#[test]
fn option_beats_environment_beats_file_beats_default() {
    let place = Place::new("camera: {width: 640, height: 480, fps: 10}\nserver: {listen: ':1'}\n");
    let env = [
        ("BERRYMSE_WIDTH", "800"),
        ("BERRYMSE_FPS", "15"),
        ("BERRYMSE_LISTEN", ":2,:3"),
        ("BERRYMSE_BITRATE", ""),
    ];
    assert_eq!(
        short(&place.config("", &[])),
        "camera=auto 640x480@10 1500000b r0 g60, on :1, /video_websocket"
    );
    assert_eq!(
        short(&place.config("", &env)),
        "camera=auto 800x480@15 1500000b r0 g60, on :2 :3, /video_websocket"
    );
    assert_eq!(
        short(&place.config("-w 1024 -l :4", &env)),
        "camera=auto 1024x480@15 1500000b r0 g60, on :4, /video_websocket"
    );
    let all = [
        ("BERRYMSE_SOURCE", "test"),
        ("BERRYMSE_HEIGHT", "600"),
        ("BERRYMSE_BITRATE", "-1"),
        ("BERRYMSE_ROTATION", "180"),
        ("BERRYMSE_KEYFRAME_INTERVAL", "10"),
        ("BERRYMSE_WEBSOCKET", "ws"),
    ];
    assert_eq!(
        short(&place.config("", &all)),
        "camera=test 640x600@10 ownb r180 g10, on :1, /ws"
    );
}

#[test]
fn the_file_is_the_named_one_or_else_that_of_the_directory() {
    let place = Place::new("camera: {name: here}\n");
    place.file("named.yml", "camera: {name: named}\n");
    let env = [("BERRYMSE_CONFIG", "named.yml")];
    assert_eq!(place.config("", &[]).cameras[0].name, "here");
    assert_eq!(place.config("", &env).cameras[0].name, "named");
    assert_eq!(place.config("-c config.yml", &env).cameras[0].name, "here");
    assert_eq!(place.config("", &env).file, Some(place.0.join("named.yml")));
}

#[test]
fn several_cameras_are_a_list_of_blocks_with_names() {
    let place = Place::new(
        "cameras:\n  - name: front\n    source: /dev/video0\n  - name: test-2\n    source: test\n    width: 320\n\
         server:\n  listen: [localhost:1, ':2']\n  allowedOrigins: ['https://A.example/', '*']\n  maxViewers: 5\n",
    );
    let server = "on localhost:1 :2, /video_websocket, https://a.example *, 5 viewers";
    assert_eq!(
        short(&place.config("", &[])),
        format!(
            "front=/dev/video0 1280x720@30 1500000b r0 g60, test-2=test 320x720@30 1500000b r0 g60, {server}"
        )
    );
    assert_eq!(
        short(&place.config("-w 640 -f 5", &[])),
        format!(
            "front=/dev/video0 640x720@5 1500000b r0 g60, test-2=test 640x720@5 1500000b r0 g60, {server}"
        )
    );
    let one = Place::new("cameras: [{name: front, source: /dev/video0}]\n");
    assert_eq!(
        short(&one.config("-d test", &[])),
        "front=test 1280x720@30 1500000b r0 g60, default"
    );
}

#[test]
fn controls_of_a_camera_are_names_and_values() {
    let place = Place::new(
        "camera:\n  controls:\n    Brightness: 130\n    white_balance_automatic: false\n    power_line_frequency: 50 Hz\n\
         server: {controls: no}\n",
    );
    let config = place.config("", &[]);
    let wishes = [
        ("brightness", Wish::Number(130)),
        ("white_balance_automatic", Wish::Switch(false)),
        ("power_line_frequency", Wish::Text("50 Hz".to_owned())),
    ];
    let wishes = wishes.map(|(name, wish)| (name.to_owned(), wish));
    assert_eq!(config.cameras[0].controls, wishes);
    assert!(!config.server.controls);
    assert!(Place::new("").config("", &[]).server.controls);
}

#[test]
fn a_wrong_command_line_is_refused_in_words() {
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
        ("cameras -w 3", format!("-w has no meaning with 'cameras', which looks at every camera{help}")),
        ("-w 8", "-w: 8 is out of range: 16 to 8192 pixels".to_owned()),
        ("--Camera.Width -1", "--Camera.Width: -1 is out of range: 16 to 8192 pixels".to_owned()),
        ("-h 48O", "-h: '48O' is not a whole number of pixels (16 to 8192)".to_owned()),
        ("-f 29.97", "-f: '29.97' is not a whole number of pictures per second (1 to 240)".to_owned()),
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
fn a_wrong_environment_is_refused_with_the_name_of_the_variable() {
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
fn flips_are_true_by_themselves_or_say_what_they_are() {
    let place = Place::new("camera: {hflip: false, vflip: yes}\n");
    let common = "camera=auto 1280x720@30 1500000b r0 g60";
    for (line, expected) in [
        ("", "hflip false, vflip true"),
        ("--hflip", "hflip true, vflip true"),
        ("--hflip --vflip", "hflip true, vflip true"),
        ("--hflip --vflip=false", "hflip true, vflip false"),
        ("--vflip no --hflip true", "hflip true, vflip false"),
        ("--vflip off -d auto", "hflip false, vflip false"),
    ] {
        assert_eq!(
            short(&place.config(line, &[])),
            format!("{common}, {expected}, default"),
            "{line}"
        );
    }
    let error = place.run("--hflip sideways", &[]).unwrap_err();
    assert!(error.to_string().starts_with("'sideways' is not an option"));
    let error = place.run("--hflip=maybe", &[]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "--hflip: 'maybe' is neither true nor false"
    );
}

#[test]
fn a_wrong_file_is_refused_with_line_key_and_the_nearest_key() {
    for (text, why) in [
        (
            "server:\n  listen: :1\ncamera:\n  widht: 640\n",
            "c.yml:4: unknown key camera.widht; did you mean width?",
        ),
        (
            "camera:\n  colour: red\n",
            "c.yml:2: unknown key camera.colour; the keys here are source, sourceFD, width, height, bitrate, adaptive, \
             minBitrate, rotation, hflip, vflip, fps, keyframeInterval, onDemand, encoder, pixelFormat, name, controls",
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
            "c.yml:1: unknown key x; the blocks are camera, cameras, server and tls",
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
            "server: {allowedOrigins: example.com}\n",
            "c.yml:1: server.allowedOrigins: 'example.com' is not an origin; write it with its scheme: https://example.com",
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
fn a_file_that_nobody_named_is_refused_with_the_reason_why_it_is_read() {
    let place = Place::new("version: '3'\n");
    assert_eq!(
        place.run("", &[]).unwrap_err().to_string(),
        "config.yml:1: unknown key version; the blocks are camera, cameras, server and tls (config.yml is read unless --config \
         names another file)"
    );
}

#[test]
fn both_names_of_a_setting_may_stand_in_one_file_if_they_agree() {
    let place =
        Place::new("camera:\n  source: test\n  sourceFD: test\nserver:\n  url: :1\n  listen: :1\n");
    assert_eq!(
        short(&place.config("", &[])),
        "camera=test 1280x720@30 1500000b r0 g60, on :1, /video_websocket"
    );
}

#[test]
fn empty_blocks_are_as_good_as_none() {
    let place = Place::new("camera:\n  # width: 640\nserver:\n");
    assert_eq!(
        short(&place.config("", &[])),
        "camera=auto 1280x720@30 1500000b r0 g60, default"
    );
}

#[test]
fn odd_sizes_are_accepted_with_a_note() {
    let config = Place::new("").config("-w 641", &[]);
    assert_eq!(config.cameras[0].settings.width, 641);
    assert_eq!(
        config.notes,
        [
            "camera camera: 641x720 is odd; nearly all cameras give even sizes only and will choose another"
        ]
    );
}

#[test]
fn the_log_level_comes_from_the_environment_and_is_raised_by_the_option() {
    let place = Place::new("");
    for (line, env, level) in [
        ("", "", LevelFilter::Info),
        ("-v", "", LevelFilter::Debug),
        ("-vv", "", LevelFilter::Trace),
        ("-vvvv --verbose", "", LevelFilter::Trace),
        ("", "error", LevelFilter::Error),
        ("-v", "WARN", LevelFilter::Info),
    ] {
        assert_eq!(
            place.config(line, &[("BERRYMSE_LOG", env)]).log,
            level,
            "{line} {env}"
        );
    }
}

#[test]
fn a_certificate_and_an_address_for_it_need_each_other() {
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

#[test]
fn the_bit_rate_follows_the_lines_between_two_limits() {
    let adaptive = |line: &str| Place::new("").config(line, &[]).cameras[0].adaptive.clone();
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
