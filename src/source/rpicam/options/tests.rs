use super::*;

fn checked(name: &str, value: &str) -> Result<String, String> {
    setting(name, value, "here").map(|option| option.to_string())
}

fn parsed(words: &[&str]) -> Result<Vec<String>, String> {
    let words: Vec<Argument> = words
        .iter()
        .map(|text| Argument {
            text: (*text).to_owned(),
            place: "--rpicam-arg".to_owned(),
        })
        .collect();
    let (options, errors) = arguments(&words);
    match errors.first() {
        Some((index, why)) => Err(format!("{index}: {why}")),
        None => Ok(options.iter().map(ToString::to_string).collect()),
    }
}

#[test]
fn right_values_are_passed_on() {
    for (name, value, expected) in [
        (
            "autofocus-mode",
            "continuous",
            "--autofocus-mode=continuous",
        ),
        ("autofocusRange", "Macro", "--autofocus-range=macro"),
        (
            "autofocus_window",
            "0.25, 0.25, 0.5, 0.5",
            "--autofocus-window=0.25,0.25,0.5,0.5",
        ),
        ("lens-position", "default", "--lens-position=default"),
        ("lens-position", "2.5", "--lens-position=2.5"),
        ("hdr", "off", "--hdr=off"),
        ("roi", "0,0,1,1", "--roi=0,0,1,1"),
        ("shutter", "10ms", "--shutter=10000"),
        ("shutter", "0.5 s", "--shutter=500000"),
        ("shutter", "8333", "--shutter=8333"),
        ("flicker-period", "10000us", "--flicker-period=10000"),
        ("ev", "-0.5", "--ev=-0.5"),
        ("gain", "4", "--gain=4"),
        ("awbgains", "1.5,2.1", "--awbgains=1.5,2.1"),
        ("denoise", "cdn_off", "--denoise=cdn_off"),
        ("brightness", "-0.2", "--brightness=-0.2"),
        ("mode", "2304:1296:10:P", "--mode=2304:1296:10:P"),
        ("mode", "1536:864", "--mode=1536:864"),
        ("buffer-count", "4", "--buffer-count=4"),
        ("no-raw", "true", "--no-raw"),
        (
            "tuning-file",
            "/etc/a b.json",
            "--tuning-file=/etc/a b.json",
        ),
    ] {
        assert_eq!(
            checked(name, value),
            Ok(expected.to_owned()),
            "{name}: {value}"
        );
    }
}

#[test]
fn wrong_values_are_explained() {
    for (name, value, part) in [
        ("autofocus-mdoe", "auto", "did you mean autofocus-mode?"),
        ("zoom", "2", "the keys are autofocus-mode"),
        (
            "width",
            "640",
            "--width is not passed on: write camera.width (--width)",
        ),
        ("codec", "mjpeg", "H.264 alone"),
        ("autofocus-mode", "contiuous", "did you mean continuous?"),
        ("metering", "center", "did you mean centre?"),
        ("roi", "0.5,0.5,0.6,0.5", "parts of the frame"),
        ("roi", "0,0,0,0", "parts of the frame"),
        ("autofocus-window", "1,2,3", "parts of the frame"),
        ("shutter", "1/100", "takes a time in microseconds"),
        ("shutter", "-5", "takes a time in microseconds"),
        ("shutter", "9e99", "takes a time in microseconds"),
        ("gain", "NaN", "is not a number"),
        ("gain", "inf", "is not a number"),
        ("ev", "11", "11 is out of range: -10 to 10"),
        ("contrast", "16", "out of range"),
        ("brightness", "dark", "'dark' is not a number, -1 to 1"),
        ("awbgains", "1.5", "gains of red and blue"),
        ("lens-position", "far", "0 is infinity"),
        ("mode", "big", "--list-cameras"),
        ("mode", "640:480:10:X", "--list-cameras"),
        ("buffer-count", "0", "is not a whole number, 1 to 64"),
        ("no-raw", "false", "is either true or not there"),
        ("x264-preset", "ultrafst", "did you mean ultrafast?"),
        ("x264-slices", "99", "1 to 16"),
        ("libav-video-codec-opts", "preset", "between semicolons"),
        ("tuning-file", "", "takes the name of a file"),
    ] {
        let why = checked(name, value).unwrap_err();
        assert!(why.contains(part), "{name}: {value}: {why}");
    }
}

#[test]
fn arguments_take_their_values_behind_equals() {
    assert_eq!(
        parsed(&[
            "--hdr",
            "sensor",
            "--ev",
            "-0.5",
            "--sync=client",
            "--no-raw",
            "--new-option",
            "7"
        ]),
        Ok(vec![
            "--hdr=sensor".into(),
            "--ev=-0.5".into(),
            "--sync=client".into(),
            "--no-raw".into(),
            "--new-option=7".into()
        ])
    );
    assert_eq!(parsed(&["--hdr"]), Ok(vec!["--hdr=auto".into()]));
    for (words, part) in [
        (
            &["auto"][..],
            "0: 'auto' is no option; options begin with --",
        ),
        (&["--hdr", "auto", "-g", "30"], "2: '-g' is a short option"),
        (
            &["--hdr=best"],
            "--hdr: 'best' is none of off, auto, sensor, single-exp",
        ),
        (&["--gain"], "--gain: needs a value"),
        (
            &["--outp", "x"],
            "--output is not passed on: BerryMSE reads the output",
        ),
        (&["--inline"], "--inline is not passed on"),
        (&["--metadata", "-"], "name a file"),
        (&["--Gain=1"], "is no option of rpicam-vid"),
        (&["--"], "is no option of rpicam-vid"),
        (&["--x264-preset=fast"], "write camera.rpicam.x264-preset"),
    ] {
        let why = parsed(words).unwrap_err();
        assert!(why.contains(part), "{words:?}: {why}");
    }
    assert_eq!(
        parsed(&["--metadata", "/tmp/x.json"]),
        Ok(vec!["--metadata=/tmp/x.json".into()])
    );
}

#[test]
fn option_given_twice_is_an_error() {
    let one = setting("hdr", "auto", "camera.rpicam.hdr").unwrap();
    let other = RpicamOption {
        place: "--rpicam-arg".into(),
        ..one.clone()
    };
    let why = RpicamOptions::new(vec![one, other]).unwrap_err();
    assert_eq!(
        why,
        (
            "--rpicam-arg".into(),
            "--hdr is given twice, also by camera.rpicam.hdr".into()
        )
    );
}

#[test]
fn x264_settings_are_joined() {
    let options = |settings: &[(&str, &str)]| {
        let all = settings
            .iter()
            .map(|(name, value)| setting(name, value, "").unwrap());
        RpicamOptions::new(all.collect()).unwrap()
    };
    let all = options(&[
        ("libav-video-codec-opts", "intra-refresh=1;"),
        ("x264-slices", "2"),
        ("x264-preset", "superfast"),
        ("gain", "2"),
    ]);
    assert_eq!(
        all.codec_options(""),
        "preset=superfast;slices=2;intra-refresh=1"
    );
    assert_eq!(
        all.codec_options("a=b"),
        "a=b;preset=superfast;slices=2;intra-refresh=1"
    );
    assert_eq!(all.arguments().collect::<Vec<_>>(), ["--gain=2"]);
    assert_eq!(RpicamOptions::default().codec_options(""), "");
}

#[test]
fn documents_have_every_key() {
    for path in ["docs/reference/rpicam.md"] {
        let text =
            std::fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        for (name, values, since) in documented() {
            let row = text
                .lines()
                .find(|line| line.starts_with(&format!("| `{name}` |")))
                .unwrap_or_else(|| panic!("{path} has no {name}"));
            assert!(row.contains(&values), "{row}: {values}");
            assert!(
                row.trim_end_matches([' ', '|']).ends_with(since),
                "{row}: {since}"
            );
        }
    }
}
