//! What a command line means: options in all their spellings, commands, the help.

use super::{Place, short};
use berrymse::cli::Command;
use log::LevelFilter;

#[test]
fn options_accept_all_spellings() {
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
            "-f 0.001",
            "camera=auto 1280x720@0.001 1500000b r0 g60, default",
        ),
        (
            "--fps 30000/1001",
            "camera=auto 1280x720@29.97003 1500000b r0 g60, default",
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
fn words_after_options_are_their_values() {
    let place = Place::new("");
    for (line, expected) in [
        (
            "-s cameras",
            "camera=auto 1280x720@30 1500000b r0 g60, on localhost:2020, /cameras",
        ),
        (
            "-s man --WIDTH 640 --Vflip=no",
            "camera=auto 640x720@30 1500000b r0 g60, vflip false, on localhost:2020, /man",
        ),
        (
            "-vvh480 -vw=640",
            "camera=auto 640x480@30 1500000b r0 g60, default",
        ),
        (
            "-vh 480 --hflip --width 640",
            "camera=auto 640x480@30 1500000b r0 g60, hflip true, default",
        ),
        (
            "-w 640 --Camera.Width 800 --width 320 -w 1024",
            "camera=auto 1024x720@30 1500000b r0 g60, default",
        ),
    ] {
        assert_eq!(short(&place.config(line, &[])), expected, "{line}");
    }
    for (line, why) in [
        (
            "-w -h",
            "-w: '-h' is not a whole number of pixels (16 to 8192)",
        ),
        (
            "--width --HELP",
            "--width: '--HELP' is not a whole number of pixels (16 to 8192)",
        ),
        (
            "--width --",
            "--width: '--' is not a whole number of pixels (16 to 8192)",
        ),
        ("-h -1", "-h: -1 is out of range: 16 to 8192 pixels"),
    ] {
        assert_eq!(place.run(line, &[]).unwrap_err().to_string(), why, "{line}");
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
        let Ok(Command::Print(text)) = place.run(line, &[]) else {
            panic!("{line}")
        };
        let (version, commit) = (env!("CARGO_PKG_VERSION"), env!("BERRYMSE_COMMIT"));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], format!("berrymse {version} (commit {commit})"));
        let encoder = berrymse::encode::software_encoder();
        let encoder = encoder.unwrap_or("none".to_owned());
        assert_eq!(lines[1], format!("software_encoder: {encoder}"));
        assert!(lines[2].starts_with("io_uring: ") && lines[3].starts_with("tls: "));
        assert!(lines[4].starts_with("snapshot_decoder: "));
        assert!(lines.len() == 5 && text.ends_with('\n'), "{text}");
    }
    let (warn, info) = (LevelFilter::Warn, LevelFilter::Info);
    for (line, expected) in [
        (
            "cameras",
            Command::Cameras {
                json: false,
                try_for: None,
                log: warn,
            },
        ),
        (
            "cameras --json",
            Command::Cameras {
                json: true,
                try_for: None,
                log: warn,
            },
        ),
        (
            "--json cameras -v",
            Command::Cameras {
                json: true,
                try_for: None,
                log: info,
            },
        ),
    ] {
        assert_eq!(place.run(line, &[]), Ok(expected), "{line}");
    }
}

#[test]
fn help_fits_a_terminal_and_lists_every_option() {
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
        "--stall-after",
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
        "decodeMemory",
        "allowedOrigins",
        "hosts",
        "/etc/berrymse/config.yml",
        "localhost:2020",
        "1500000",
    ] {
        assert!(text.contains(word), "{word}");
    }
}

#[test]
fn flip_options_default_to_true() {
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
fn log_level_is_raised_by_the_option() {
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
    place.file("config.yml", "server: {logLevel: warn}");
    for (line, env, level) in [
        ("", "", LevelFilter::Warn),
        ("-v", "", LevelFilter::Info),
        ("", "trace", LevelFilter::Trace),
    ] {
        let config = place.config(line, &[("BERRYMSE_LOG", env)]);
        assert_eq!(config.log, level, "{line} {env}");
    }
}
