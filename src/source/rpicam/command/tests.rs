use super::super::options::setting;
use super::*;
use crate::source::Flips;
use std::num::NonZeroU32;

fn settings() -> Settings {
    Settings {
        width: 1280,
        height: 720,
        fps: crate::frame_rate::FrameRate::whole(30),
        bitrate: Some(1_500_000),
        rotation: Some(0),
        flips: Flips::default(),
        keyframe_interval: NonZeroU32::new(60).unwrap(),
    }
}

fn line(number: u32, settings: &Settings, encoder: Encoder) -> String {
    Command::new(number, settings, encoder, &RpicamOptions::default())
        .arguments(Some(7))
        .join(" ")
}

#[test]
fn encoder_depends_on_the_machine() {
    use Encoder::{Libav, Own};
    for (model, nodes, encoder) in [
        (
            "Raspberry Pi 4 Model B Rev 1.4\0",
            &["bcm2835-codec-decode\n", "unicam-image\n"][..],
            Own,
        ),
        (
            "Raspberry Pi 5 Model B Rev 1.0\0",
            &["rp1-cfe-csi2_ch0\n", "pispbe-input\n"],
            Libav,
        ),
        ("Raspberry Pi 5 Model B Rev 1.0\0", &[], Libav),
        ("Raspberry Pi Compute Module 5 Rev 1.0\0", &[], Libav),
        ("Raspberry Pi Compute Module 4 Rev 1.0\0", &[], Own),
        ("Raspberry Pi 500 Rev 1.0\0", &[], Libav),
        ("Raspberry Pi 400 Rev 1.0\0", &[], Own),
        ("Raspberry Pi Zero 2 W Rev 1.0\0", &[], Own),
        ("Raspberry Pi Model B Plus Rev 1.2\0", &[], Own),
        ("Raspberry Pi 6 Model B\0", &["pispbe-input\n"], Libav),
        ("", &["pispbe-input\n"], Libav),
        ("", &["HD USB Camera\n"], Own),
        ("", &[], Own),
    ] {
        let nodes: Vec<String> = nodes.iter().map(|&name| name.to_owned()).collect();
        assert_eq!(Encoder::of(model, &nodes), encoder, "{model} {nodes:?}");
    }
}

#[test]
fn settings_become_arguments() {
    let common = "-t 0 -n --inline --codec h264 -o - --width 1280 --height 720 --framerate 30 --intra 60 --bitrate 1500000";
    assert_eq!(
        line(0, &settings(), Encoder::Own),
        format!("{common} --save-pts /dev/fd/7 --flush")
    );
    assert_eq!(
        line(1, &settings(), Encoder::Libav),
        format!("{common} --libav-format h264 --camera 1 --flush --low-latency")
    );
    let turned = Settings {
        rotation: Some(180),
        bitrate: None,
        ..settings()
    };
    let turned = line(0, &turned, Encoder::Own);
    assert!(
        turned.contains("--rotation 180") && !turned.contains("--bitrate"),
        "{turned}"
    );
    for rotation in [None, Some(0), Some(90), Some(270)] {
        let other = Settings {
            rotation,
            ..settings()
        };
        assert!(
            !line(0, &other, Encoder::Own).contains("--rotation"),
            "{rotation:?}"
        );
    }
}

#[test]
fn flips_are_arguments_unless_quarter_turned() {
    for (rotation, [horizontal, vertical], expected) in [
        (0, [true, false], "--hflip"),
        (0, [false, true], "--vflip"),
        (0, [true, true], "--rotation 180"),
        (180, [true, false], "--vflip"),
        (180, [true, true], ""),
        (90, [true, false], ""),
    ] {
        let settings = Settings {
            rotation: Some(rotation),
            flips: Flips {
                horizontal: Some(horizontal),
                vertical: Some(vertical),
            },
            ..settings()
        };
        let line = line(0, &settings, Encoder::Own);
        for option in ["--hflip", "--vflip", "--rotation 180"] {
            let has = line.contains(option);
            assert_eq!(has, option == expected, "{rotation} {line}");
        }
    }
}

#[test]
fn high_rates_get_a_higher_level() {
    let full_hd = |fps| Settings {
        width: 1920,
        height: 1080,
        fps: crate::frame_rate::FrameRate::whole(fps),
        ..settings()
    };
    assert!(!line(0, &full_hd(30), Encoder::Own).contains("--level"));
    assert!(line(0, &full_hd(50), Encoder::Own).contains("--level 4.2"));
    assert!(!line(0, &full_hd(50), Encoder::Libav).contains("--level"));
}

#[test]
fn rejected_arguments_are_dropped() {
    let new = |number| Command::new(number, &settings(), Encoder::Own, &RpicamOptions::default());
    let mut own = new(0);
    assert!(own.drop_rejected("ERROR: *** unrecognised option '--save-pts' ***"));
    assert!(!own.arguments(Some(7)).join(" ").contains("save-pts"));
    assert!(!own.drop_rejected("ERROR: *** unrecognised option '--save-pts' ***"));
    assert!(own.drop_rejected("ERROR: *** unrecognised option '--flush' ***"));
    assert!(!own.drop_rejected("ERROR: *** no cameras available ***"));
    assert!(own.drop_rejected(
        "ERROR: *** libav: cannot allocate output context, try setting with --libav-format ***"
    ));
    assert!(own.arguments(None).contains(&"--libav-format".to_owned()));
    let mut other = new(1);
    assert!(!other.drop_rejected("ERROR: *** unrecognised option '--camera' ***"));
    assert!(other.drop_rejected("ERROR: *** Failed to open timestamp file /dev/fd/7 ***"));
}

#[test]
fn options_follow_the_settings() {
    let option = |name: &str, value: &str| setting(name, value, "").unwrap();
    let options = vec![option("hdr", "sensor"), option("x264-preset", "superfast")];
    let options = RpicamOptions::new(options).unwrap();
    let command = |encoder| Command::new(0, &settings(), encoder, &options);
    let own = command(Encoder::Own);
    assert!(
        own.arguments(None)
            .ends_with(&["--flush".to_owned(), "--hdr=sensor".to_owned()])
    );
    assert_eq!(own.without_effect(), ["x264-preset"]);
    let libav = command(Encoder::Libav);
    assert!(
        libav.arguments(None).join(" ").ends_with(
            "--flush --low-latency --hdr=sensor --libav-video-codec-opts=preset=superfast"
        )
    );
    assert!(libav.without_effect().is_empty());
}

#[test]
fn low_latency_of_old_versions_is_made_of_settings() {
    let known = |names: &[&str]| KnownOptions::from_names(names);
    let new = || Command::new(0, &settings(), Encoder::Libav, &RpicamOptions::default());
    let mut old = new();
    assert_eq!(
        old.drop_unknown(&known(&["flush", "libav-video-codec-opts"])),
        ["low-latency"]
    );
    let line = old.arguments(None).join(" ");
    assert!(
        line.contains(&format!("--libav-video-codec-opts={LOW_LATENCY}")),
        "{line}"
    );
    let mut older = new();
    assert_eq!(older.drop_unknown(&known(&[])), ["low-latency", "flush"]);
    assert!(!older.arguments(None).join(" ").contains("codec-opts"));
    let mut present = new();
    let all = ["flush", "low-latency", "libav-video-codec-opts"];
    assert!(present.drop_unknown(&known(&all)).is_empty());
    assert!(!present.arguments(None).join(" ").contains("codec-opts"));
}
