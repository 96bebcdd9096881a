//! What holds of panels, whatever the camera.

use super::*;

/// A camera with some controls; `stuck` is refused by the "driver".
struct FakeCamera {
    controls: Vec<Control>,
    sets: Vec<(String, i64)>,
}

fn control(name: &str, kind: ControlType) -> Control {
    Control {
        name: name.into(),
        label: name.into(),
        control_type: kind,
        minimum: 0,
        maximum: 255,
        step: 1,
        default: 128,
        value: (kind != ControlType::Button).then_some(128),
        items: Vec::new(),
        flags: Flags::default(),
    }
}

fn fake_camera() -> FakeCamera {
    let mut auto = control("white_balance_automatic", ControlType::Boolean);
    (auto.value, auto.flags.changes_others) = (Some(1), true);
    let mut menu = control("power_line_frequency", ControlType::Menu);
    menu.items = [(0, "Disabled"), (2, "60 Hz")]
        .map(|(value, label)| MenuItem {
            value,
            label: label.into(),
        })
        .into();
    let mut read_only = control("gain", ControlType::Integer);
    read_only.flags.read_only = true;
    let mut bitrate = control("video_bitrate", ControlType::Integer);
    (bitrate.minimum, bitrate.maximum, bitrate.step) = (25_000, 25_000_000, 25_000);
    FakeCamera {
        controls: vec![
            control("brightness", ControlType::Integer),
            auto,
            menu,
            read_only,
            bitrate,
            control("stuck", ControlType::Integer),
            control("force_key_frame", ControlType::Button),
        ],
        sets: Vec::new(),
    }
}

impl ControlBackend for FakeCamera {
    fn controls(&mut self) -> Vec<Control> {
        self.controls.clone()
    }

    fn set(&mut self, name: &str, value: i64) -> Result<(), String> {
        if name == "stuck" {
            return Err("it is stuck".into());
        }
        self.sets.push((name.to_owned(), value));
        let control = self.controls.iter_mut().find(|c| c.name == name).unwrap();
        if control.control_type != ControlType::Button {
            control.value = Some(value);
        }
        Ok(())
    }
}

type Answer = oneshot::Receiver<Result<(), ControlError>>;

fn request(wanted: &[(&str, ControlValue)]) -> (Request, Answer) {
    let wanted = wanted
        .iter()
        .map(|(name, wanted)| ((*name).to_owned(), wanted.clone()))
        .collect();
    let (sender, receiver) = oneshot::channel();
    (Request::Set(wanted, sender), receiver)
}

/// Sets values on the camera's thread.
fn set(
    server: &Server,
    camera: &mut FakeCamera,
    wanted: &[(&str, ControlValue)],
) -> Result<(), ControlError> {
    let (request, mut answer) = request(wanted);
    server.process_requests(vec![request], Some(camera));
    answer.try_recv().unwrap()
}

fn value(view: &ControlsSnapshot, name: &str) -> Option<i64> {
    view.controls.iter().find(|c| c.name == name).unwrap().value
}

#[test]
fn set_value_is_reported_and_reapplied_on_reopen() {
    let (server, view) = channel([]);
    let mut camera = fake_camera();
    assert_eq!(server.on_camera_opened(Some(&mut camera)), None);
    let wanted = [("brightness", ControlValue::Integer(200))];
    set(&server, &mut camera, &wanted).unwrap();
    assert_eq!(value(&view.snapshot(), "brightness"), Some(200));
    server.on_camera_closed();
    let mut again = fake_camera();
    server.on_camera_opened(Some(&mut again));
    assert_eq!(again.sets, [("brightness".to_owned(), 200)]);
    assert_eq!(value(&view.snapshot(), "brightness"), Some(200));
}

#[test]
fn bad_configured_values_are_logged_once() {
    let (server, view) = channel([
        ("brightness".to_owned(), ControlValue::from("9")),
        ("brightnes".to_owned(), ControlValue::from("9")),
        ("video_bitrate".to_owned(), ControlValue::from("1")),
    ]);
    let mut camera = fake_camera();
    let refused = server.on_camera_opened(Some(&mut camera)).unwrap();
    assert_eq!(
        *refused,
        [
            "video_bitrate cannot be 1: it takes 25000 to 25000000 in steps of 25000",
            "there is no control \"brightnes\"; did you mean brightness?",
        ]
    );
    assert_eq!(camera.sets, [("brightness".to_owned(), 9)]);
    server.on_camera_closed();
    assert_eq!(
        server.on_camera_opened(Some(&mut fake_camera())),
        None,
        "it is known"
    );
    assert_eq!(*view.snapshot().rejected, *refused);
}

#[test]
fn camera_without_controls_is_reported() {
    let (server, view) = channel([("brightness".to_owned(), ControlValue::Integer(1))]);
    let refused = server.on_camera_opened(None).unwrap();
    assert_eq!(
        *refused,
        ["there is no control \"brightness\"; this camera has no controls"]
    );
    assert!(view.snapshot().controls.is_empty());
}

#[test]
fn set_is_all_or_nothing() {
    let (server, view) = channel([]);
    let mut camera = fake_camera();
    server.on_camera_opened(Some(&mut camera));
    let one = |name, value| (name, ControlValue::Integer(value));
    let error = set(
        &server,
        &mut camera,
        &[one("brightness", 1), one("brightness", 300)],
    );
    assert_eq!(error.unwrap_err().kind, ErrorKind::OutOfRange);
    assert!(camera.sets.is_empty(), "nothing was tried");
    let error = set(
        &server,
        &mut camera,
        &[one("brightness", 1), one("stuck", 1)],
    );
    assert_eq!(
        error.unwrap_err(),
        ControlError::new(
            ErrorKind::Refused,
            "the camera refuses 1 for stuck: it is stuck"
        )
    );
    assert_eq!(value(&view.snapshot(), "brightness"), Some(128), "set back");
    server.on_camera_closed();
    let mut again = fake_camera();
    server.on_camera_opened(Some(&mut again));
    assert!(again.sets.is_empty(), "and not kept");
}

#[test]
fn controls_that_change_others_are_set_first() {
    let (server, _) = channel([]);
    let mut camera = fake_camera();
    server.on_camera_opened(Some(&mut camera));
    let wanted = [
        ("brightness", ControlValue::Integer(1)),
        ("white_balance_automatic", ControlValue::Bool(false)),
    ];
    set(&server, &mut camera, &wanted).unwrap();
    let names: Vec<&str> = camera.sets.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["white_balance_automatic", "brightness"]);
}

/// Processes requests that wait at the same time; returns whether each was carried out.
fn set_concurrently(
    server: &Server,
    camera: &mut FakeCamera,
    requests: &[(&str, i64)],
) -> Vec<bool> {
    let of = |(name, value): &(&str, i64)| request(&[(*name, ControlValue::Integer(*value))]);
    let (requests, answers): (Vec<_>, Vec<_>) = requests.iter().map(of).unzip();
    server.process_requests(requests, Some(camera));
    let is_done = |mut answer: Answer| answer.try_recv().unwrap().is_ok();
    answers.into_iter().map(is_done).collect()
}

#[test]
fn unchanged_value_is_not_set_again() {
    let (server, _) = channel([]);
    let mut camera = fake_camera();
    server.on_camera_opened(Some(&mut camera));
    for _ in 0..3 {
        let wanted = ("video_bitrate", ControlValue::Integer(500_000));
        set(&server, &mut camera, &[wanted]).unwrap();
    }
    assert_eq!(camera.sets, [("video_bitrate".to_owned(), 500_000)]);
    // The automatic may have changed what it decides over.
    let auto = ("white_balance_automatic", ControlValue::Bool(false));
    let same = ("brightness", ControlValue::Integer(128));
    set(&server, &mut camera, &[same, auto]).unwrap();
    assert_eq!(camera.sets[1..].len(), 2);
}

#[test]
fn pending_requests_are_merged_latest_wins() {
    let (server, view) = channel([]);
    let mut camera = fake_camera();
    server.on_camera_opened(Some(&mut camera));
    let bitrates: Vec<_> = (2..12).map(|n| ("video_bitrate", n * 25_000)).collect();
    let done = set_concurrently(&server, &mut camera, &bitrates);
    assert_eq!(done, [true; 10]);
    assert_eq!(camera.sets, [("video_bitrate".to_owned(), 275_000)]);
    assert_eq!(value(&view.snapshot(), "video_bitrate"), Some(275_000));
}

#[test]
fn rejected_request_does_not_affect_others() {
    let (server, view) = channel([]);
    let mut camera = fake_camera();
    server.on_camera_opened(Some(&mut camera));
    let requests = [
        ("brightness", 1),
        ("stuck", 2),
        ("gain", 3),
        ("brightness", 4),
    ];
    let done = set_concurrently(&server, &mut camera, &requests);
    assert_eq!(done, [true, false, false, true]);
    assert_eq!(value(&view.snapshot(), "brightness"), Some(4));
}

#[test]
fn button_is_pressed_and_not_persisted() {
    let (server, _) = channel([]);
    let mut camera = fake_camera();
    server.on_camera_opened(Some(&mut camera));
    let press = [("force_key_frame", ControlValue::Bool(true))];
    set(&server, &mut camera, &press).unwrap();
    assert_eq!(camera.sets.len(), 1);
    server.on_camera_closed();
    let mut again = fake_camera();
    server.on_camera_opened(Some(&mut again));
    assert!(again.sets.is_empty());
}

#[test]
fn abandoned_requests_are_not_executed() {
    let (server, _) = channel([]);
    let mut camera = fake_camera();
    server.on_camera_opened(Some(&mut camera));
    let (request, answer) = request(&[("brightness", ControlValue::Integer(1))]);
    drop(answer);
    server.process_requests(vec![request], Some(&mut camera));
    assert!(camera.sets.is_empty());
}

#[test]
fn invalid_values_are_rejected_with_message() {
    let camera = fake_camera();
    let error = |name: &str, wanted: ControlValue| {
        let error = find(&camera.controls, name)
            .and_then(|control| control.validate(&wanted))
            .unwrap_err();
        (error.kind, error.message)
    };
    let text = |text: &str| ControlValue::Text(text.into());
    for (name, wanted, why, words) in [
        (
            "Brightness",
            ControlValue::Integer(1),
            ErrorKind::Unknown,
            "there is no control \"Brightness\"; did you mean brightness?",
        ),
        (
            "bitrate",
            ControlValue::Integer(1),
            ErrorKind::Unknown,
            "there is no control \"bitrate\"; did you mean video_bitrate?",
        ),
        (
            "x\u{1b}y",
            ControlValue::Integer(1),
            ErrorKind::Unknown,
            "there is no control \"x\\u{1b}y\"; GET lists those that there are",
        ),
        (
            "brightness",
            ControlValue::Integer(256),
            ErrorKind::OutOfRange,
            "brightness cannot be 256: it takes 0 to 255",
        ),
        (
            "brightness",
            ControlValue::Integer(-1),
            ErrorKind::OutOfRange,
            "brightness cannot be -1: it takes 0 to 255",
        ),
        (
            "brightness",
            text("high"),
            ErrorKind::WrongType,
            "brightness cannot be \"high\": it takes 0 to 255",
        ),
        (
            "brightness",
            ControlValue::Bool(true),
            ErrorKind::WrongType,
            "brightness cannot be true: it takes 0 to 255",
        ),
        (
            "gain",
            ControlValue::Integer(1),
            ErrorKind::ReadOnly,
            "gain can be read only",
        ),
        (
            "power_line_frequency",
            ControlValue::Integer(1),
            ErrorKind::OutOfRange,
            "power_line_frequency cannot be 1: it takes 0 (Disabled), 2 (60 Hz)",
        ),
        (
            "power_line_frequency",
            text("50 Hz"),
            ErrorKind::OutOfRange,
            "power_line_frequency cannot be \"50 Hz\": it takes 0 (Disabled), 2 (60 Hz)",
        ),
        (
            "white_balance_automatic",
            ControlValue::Integer(2),
            ErrorKind::OutOfRange,
            "white_balance_automatic cannot be 2: it takes true or false",
        ),
        (
            "force_key_frame",
            ControlValue::Bool(false),
            ErrorKind::WrongType,
            "force_key_frame cannot be false: it takes true, which presses it",
        ),
    ] {
        assert_eq!(error(name, wanted), (why, words.to_owned()));
    }
}

#[test]
fn valid_values_are_converted() {
    let camera = fake_camera();
    for (name, wanted, value) in [
        ("brightness", "7", 7),
        ("white_balance_automatic", "true", 1),
        ("white_balance_automatic", "0", 0),
        ("power_line_frequency", "60 hz", 2),
        ("power_line_frequency", "2", 2),
        ("video_bitrate", "1510000", 1_500_000),
        ("force_key_frame", "true", 1),
    ] {
        let control = find(&camera.controls, name).unwrap();
        assert_eq!(
            control.validate(&ControlValue::from(wanted)),
            Ok(value),
            "{name}"
        );
    }
}

#[test]
fn driver_ranges_do_not_overflow() {
    for (minimum, maximum, step) in [
        (i64::MIN, i64::MAX, u64::MAX),
        (i64::MIN, i64::MAX, 1),
        (5, -5, 0),
    ] {
        for wanted in [i64::MIN, -1, 0, i64::MAX] {
            let wild = Control {
                minimum,
                maximum,
                step,
                ..control("wild", ControlType::Integer)
            };
            if let Ok(value) = wild.validate(&ControlValue::Integer(wanted)) {
                assert!((minimum..=maximum).contains(&value));
            }
        }
    }
}
