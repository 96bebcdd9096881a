//! What holds of panels, whatever the camera.

use super::*;

/// A camera with some controls; `stuck` is refused by the "driver".
struct Toy {
    controls: Vec<Control>,
    sets: Vec<(String, i64)>,
}

fn control(name: &str, kind: Kind) -> Control {
    Control {
        name: name.into(),
        label: name.into(),
        kind,
        minimum: 0,
        maximum: 255,
        step: 1,
        default: 128,
        value: (kind != Kind::Button).then_some(128),
        items: Vec::new(),
        flags: Flags::default(),
    }
}

fn toy() -> Toy {
    let mut auto = control("white_balance_automatic", Kind::Boolean);
    (auto.value, auto.flags.changes_others) = (Some(1), true);
    let mut menu = control("power_line_frequency", Kind::Menu);
    menu.items = [(0, "Disabled"), (2, "60 Hz")]
        .map(|(value, label)| Item {
            value,
            label: label.into(),
        })
        .into();
    let mut read_only = control("gain", Kind::Integer);
    read_only.flags.read_only = true;
    let mut bitrate = control("video_bitrate", Kind::Integer);
    (bitrate.minimum, bitrate.maximum, bitrate.step) = (25_000, 25_000_000, 25_000);
    Toy {
        controls: vec![
            control("brightness", Kind::Integer),
            auto,
            menu,
            read_only,
            bitrate,
            control("stuck", Kind::Integer),
            control("force_key_frame", Kind::Button),
        ],
        sets: Vec::new(),
    }
}

impl Board for Toy {
    fn controls(&mut self) -> Vec<Control> {
        self.controls.clone()
    }

    fn set(&mut self, name: &str, value: i64) -> Result<(), String> {
        if name == "stuck" {
            return Err("it is stuck".into());
        }
        self.sets.push((name.to_owned(), value));
        let control = self.controls.iter_mut().find(|c| c.name == name).unwrap();
        if control.kind != Kind::Button {
            control.value = Some(value);
        }
        Ok(())
    }
}

/// Gives an order as serving does, and lets the camera's thread come by.
fn set(
    panel: &Panel,
    remote: &Remote,
    toy: &mut Toy,
    wishes: &[(&str, Wish)],
) -> Result<View, Refusal> {
    let wishes = wishes
        .iter()
        .map(|(name, wish)| ((*name).to_owned(), wish.clone()))
        .collect();
    let mut order = std::pin::pin!(remote.set(wishes));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    for _ in 0..2 {
        if let std::task::Poll::Ready(result) = order.as_mut().poll(&mut context) {
            return result;
        }
        panel.tend(Some(&mut *toy));
    }
    panic!("no answer");
}

fn value(view: &View, name: &str) -> Option<i64> {
    view.controls.iter().find(|c| c.name == name).unwrap().value
}

#[test]
fn what_is_set_is_seen_and_holds_for_the_next_opening() {
    let (panel, remote) = panel([]);
    let mut camera = toy();
    assert_eq!(panel.opened(Some(&mut camera)), None);
    let view = set(
        &panel,
        &remote,
        &mut camera,
        &[("brightness", Wish::Number(200))],
    )
    .unwrap();
    assert_eq!(value(&view, "brightness"), Some(200));
    panel.closed();
    let mut again = toy();
    panel.opened(Some(&mut again));
    assert_eq!(again.sets, [("brightness".to_owned(), 200)]);
    assert_eq!(value(&remote.view(), "brightness"), Some(200));
}

#[test]
fn the_configuration_is_applied_and_what_is_wrong_in_it_is_said_once() {
    let (panel, remote) = panel([
        ("brightness".to_owned(), Wish::from("9")),
        ("brightnes".to_owned(), Wish::from("9")),
        ("video_bitrate".to_owned(), Wish::from("1")),
    ]);
    let mut camera = toy();
    let refused = panel.opened(Some(&mut camera)).unwrap();
    assert_eq!(
        *refused,
        [
            "video_bitrate cannot be 1: it takes 25000 to 25000000 in steps of 25000",
            "there is no control \"brightnes\"; did you mean brightness?",
        ]
    );
    assert_eq!(camera.sets, [("brightness".to_owned(), 9)]);
    panel.closed();
    assert_eq!(panel.opened(Some(&mut toy())), None, "it is known");
    assert_eq!(*remote.view().refused, *refused);
}

#[test]
fn a_camera_without_controls_says_so() {
    let (panel, remote) = panel([("brightness".to_owned(), Wish::Number(1))]);
    let refused = panel.opened(None).unwrap();
    assert_eq!(
        *refused,
        ["there is no control \"brightness\"; this camera has no controls"]
    );
    assert!(remote.view().controls.is_empty());
}

#[test]
fn all_or_nothing() {
    let (panel, remote) = panel([]);
    let mut camera = toy();
    panel.opened(Some(&mut camera));
    let one = |name, value| (name, Wish::Number(value));
    let refusal = set(
        &panel,
        &remote,
        &mut camera,
        &[one("brightness", 1), one("brightness", 300)],
    );
    assert_eq!(refusal.unwrap_err().why, Why::OutOfRange);
    assert!(camera.sets.is_empty(), "nothing was tried");
    let refusal = set(
        &panel,
        &remote,
        &mut camera,
        &[one("brightness", 1), one("stuck", 1)],
    );
    assert_eq!(
        refusal.unwrap_err(),
        Refusal::new(Why::Refused, "the camera refuses 1 for stuck: it is stuck")
    );
    assert_eq!(value(&remote.view(), "brightness"), Some(128), "set back");
    panel.closed();
    let mut again = toy();
    panel.opened(Some(&mut again));
    assert!(again.sets.is_empty(), "and not kept");
}

#[test]
fn what_decides_over_others_is_set_first() {
    let (panel, remote) = panel([]);
    let mut camera = toy();
    panel.opened(Some(&mut camera));
    let wishes = [
        ("brightness", Wish::Number(1)),
        ("white_balance_automatic", Wish::Switch(false)),
    ];
    set(&panel, &remote, &mut camera, &wishes).unwrap();
    let names: Vec<&str> = camera.sets.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["white_balance_automatic", "brightness"]);
}

/// Gives orders that wait at the same time; returns whether each was carried out.
fn set_at_once(panel: &Panel, remote: &Remote, toy: &mut Toy, orders: &[(&str, i64)]) -> Vec<bool> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let mut waiting: Vec<_> = orders
        .iter()
        .map(|(name, value)| Box::pin(remote.set(vec![((*name).to_owned(), Wish::Number(*value))])))
        .collect();
    for order in &mut waiting {
        assert!(order.as_mut().poll(&mut context).is_pending());
    }
    panel.tend(Some(toy));
    let answers = waiting
        .iter_mut()
        .map(|order| order.as_mut().poll(&mut context));
    answers
        .map(|answer| matches!(answer, std::task::Poll::Ready(Ok(_))))
        .collect()
}

#[test]
fn value_that_a_control_has_is_not_set_again() {
    let (panel, remote) = panel([]);
    let mut camera = toy();
    panel.opened(Some(&mut camera));
    for _ in 0..3 {
        let wish = ("video_bitrate", Wish::Number(500_000));
        set(&panel, &remote, &mut camera, &[wish]).unwrap();
    }
    assert_eq!(camera.sets, [("video_bitrate".to_owned(), 500_000)]);
    // The automatic may have changed what it decides over.
    let auto = ("white_balance_automatic", Wish::Switch(false));
    let same = ("brightness", Wish::Number(128));
    set(&panel, &remote, &mut camera, &[same, auto]).unwrap();
    assert_eq!(camera.sets[1..].len(), 2);
}

#[test]
fn orders_that_wait_together_are_merged_latest_wins() {
    let (panel, remote) = panel([]);
    let mut camera = toy();
    panel.opened(Some(&mut camera));
    let bitrates: Vec<_> = (2..12).map(|n| ("video_bitrate", n * 25_000)).collect();
    let done = set_at_once(&panel, &remote, &mut camera, &bitrates);
    assert_eq!(done, [true; 10]);
    assert_eq!(camera.sets, [("video_bitrate".to_owned(), 275_000)]);
    assert_eq!(value(&remote.view(), "video_bitrate"), Some(275_000));
}

#[test]
fn refused_order_spoils_none_that_waits_with_it() {
    let (panel, remote) = panel([]);
    let mut camera = toy();
    panel.opened(Some(&mut camera));
    let orders = [
        ("brightness", 1),
        ("stuck", 2),
        ("gain", 3),
        ("brightness", 4),
    ];
    let done = set_at_once(&panel, &remote, &mut camera, &orders);
    assert_eq!(done, [true, false, false, true]);
    assert_eq!(value(&remote.view(), "brightness"), Some(4));
}

#[test]
fn a_button_is_pressed_and_not_kept() {
    let (panel, remote) = panel([]);
    let mut camera = toy();
    panel.opened(Some(&mut camera));
    let press = [("force_key_frame", Wish::Switch(true))];
    set(&panel, &remote, &mut camera, &press).unwrap();
    assert_eq!(camera.sets.len(), 1);
    panel.closed();
    let mut again = toy();
    panel.opened(Some(&mut again));
    assert!(again.sets.is_empty());
}

#[test]
fn a_closed_camera_takes_no_orders_and_leaves_nobody_waiting() {
    let (panel, remote) = panel([]);
    let mut camera = toy();
    let wish = [("brightness", Wish::Number(1))];
    let refusal = set(&panel, &remote, &mut camera, &wish).unwrap_err();
    assert_eq!(refusal.why, Why::Closed);
    panel.opened(Some(&mut camera));
    let order = remote.set(vec![("brightness".to_owned(), Wish::Number(1))]);
    let mut order = std::pin::pin!(order);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(order.as_mut().poll(&mut context).is_pending());
    panel.closed();
    let std::task::Poll::Ready(Err(refusal)) = order.as_mut().poll(&mut context) else {
        panic!("still waiting");
    };
    assert_eq!(refusal.why, Why::Closed);
}

#[test]
fn orders_that_nobody_waits_for_are_not_carried_out() {
    let (panel, remote) = panel([]);
    let mut camera = toy();
    panel.opened(Some(&mut camera));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    for _ in 0..100 {
        let order = remote.set(vec![("brightness".to_owned(), Wish::Number(1))]);
        assert!(std::pin::pin!(order).poll(&mut context).is_pending());
    }
    assert!(lock(&panel.0).waiting.len() <= MAX_WAITING);
    panel.tend(Some(&mut camera));
    assert!(camera.sets.is_empty());
}

#[test]
fn more_orders_than_anybody_needs_are_refused() {
    let (panel, remote) = panel([]);
    panel.opened(Some(&mut toy()));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let order = || Box::pin(remote.set(vec![("brightness".to_owned(), Wish::Number(1))]));
    let mut waiting: Vec<_> = (0..MAX_WAITING).map(|_| order()).collect();
    for order in &mut waiting {
        assert!(order.as_mut().poll(&mut context).is_pending());
    }
    let std::task::Poll::Ready(Err(refusal)) = order().as_mut().poll(&mut context) else {
        panic!("let in");
    };
    assert_eq!(refusal.why, Why::Busy);
}

#[test]
fn every_wrong_wish_is_refused_in_words() {
    let toy = toy();
    let refusal = |name: &str, wish: Wish| {
        let refusal = find(&toy.controls, name)
            .and_then(|control| control.resolve(&wish))
            .unwrap_err();
        (refusal.why, refusal.words)
    };
    let text = |text: &str| Wish::Text(text.into());
    for (name, wish, why, words) in [
        (
            "Brightness",
            Wish::Number(1),
            Why::Unknown,
            "there is no control \"Brightness\"; did you mean brightness?",
        ),
        (
            "bitrate",
            Wish::Number(1),
            Why::Unknown,
            "there is no control \"bitrate\"; did you mean video_bitrate?",
        ),
        (
            "x\u{1b}y",
            Wish::Number(1),
            Why::Unknown,
            "there is no control \"x\\u{1b}y\"; GET lists those that there are",
        ),
        (
            "brightness",
            Wish::Number(256),
            Why::OutOfRange,
            "brightness cannot be 256: it takes 0 to 255",
        ),
        (
            "brightness",
            Wish::Number(-1),
            Why::OutOfRange,
            "brightness cannot be -1: it takes 0 to 255",
        ),
        (
            "brightness",
            text("high"),
            Why::WrongType,
            "brightness cannot be \"high\": it takes 0 to 255",
        ),
        (
            "brightness",
            Wish::Switch(true),
            Why::WrongType,
            "brightness cannot be true: it takes 0 to 255",
        ),
        (
            "gain",
            Wish::Number(1),
            Why::ReadOnly,
            "gain can be read only",
        ),
        (
            "power_line_frequency",
            Wish::Number(1),
            Why::OutOfRange,
            "power_line_frequency cannot be 1: it takes 0 (Disabled), 2 (60 Hz)",
        ),
        (
            "power_line_frequency",
            text("50 Hz"),
            Why::OutOfRange,
            "power_line_frequency cannot be \"50 Hz\": it takes 0 (Disabled), 2 (60 Hz)",
        ),
        (
            "white_balance_automatic",
            Wish::Number(2),
            Why::OutOfRange,
            "white_balance_automatic cannot be 2: it takes true or false",
        ),
        (
            "force_key_frame",
            Wish::Switch(false),
            Why::WrongType,
            "force_key_frame cannot be false: it takes true, which presses it",
        ),
    ] {
        assert_eq!(refusal(name, wish), (why, words.to_owned()));
    }
}

#[test]
fn right_wishes_become_values() {
    let toy = toy();
    for (name, wish, value) in [
        ("brightness", "7", 7),
        ("white_balance_automatic", "true", 1),
        ("white_balance_automatic", "0", 0),
        ("power_line_frequency", "60 hz", 2),
        ("power_line_frequency", "2", 2),
        ("video_bitrate", "1510000", 1_500_000),
        ("force_key_frame", "true", 1),
    ] {
        let control = find(&toy.controls, name).unwrap();
        assert_eq!(control.resolve(&Wish::from(wish)), Ok(value), "{name}");
    }
}

#[test]
fn no_range_of_a_driver_overflows() {
    for (minimum, maximum, step) in [
        (i64::MIN, i64::MAX, u64::MAX),
        (i64::MIN, i64::MAX, 1),
        (5, -5, 0),
    ] {
        for wish in [i64::MIN, -1, 0, i64::MAX] {
            let wild = Control {
                minimum,
                maximum,
                step,
                ..control("wild", Kind::Integer)
            };
            if let Ok(value) = wild.resolve(&Wish::Number(wish)) {
                assert!((minimum..=maximum).contains(&value));
            }
        }
    }
}
