//! Streams without further keyframes: the last one is kept, and recovery points are where viewers begin.
#![allow(clippy::unwrap_used)]

use super::testing::{TestRequests, test_channel};
use super::*;
use crate::h264::tests::synthetic::pps;
use crate::media::fmp4::Sample;
use crate::media::fmp4::read::sample_of;
use crate::media::{Description, FrameHeader, Parameters, Recovery};

/// 30 frames per second. `K` is a keyframe, `r` a recovery point complete after 10 frames, `R` one that is complete at
/// once, `i` an unmarked I frame.
struct Stream {
    publisher: Publisher,
    hub: Hub,
    keyframe_requests: Arc<TestRequests>,
    parameters: Arc<Parameters>,
    next: u64,
    size: usize,
    /// Composition offsets in frames: B frames 0, others this.
    reorder: Option<i32>,
}

const TICKS: u64 = 3000;

impl Stream {
    fn new() -> Self {
        let (publisher, hub, keyframe_requests) = test_channel();
        publisher.set_status(CameraState::Live, "");
        Self {
            publisher,
            hub,
            keyframe_requests,
            parameters: Arc::new(Parameters::new(Description::default())),
            next: 0,
            size: 10,
            reorder: None,
        }
    }

    /// Returns whether viewers can begin after the last of `frames`.
    fn publish(&mut self, frames: &str) -> bool {
        self.publish_after(&[], frames)
    }

    /// The same with a picture parameter set in each.
    fn publish_with_set(&mut self, frames: &str) {
        let qp = i32::try_from(self.next % 20).unwrap();
        self.publish_after(&[pps(0, 0, qp)], frames);
    }

    fn publish_after(&mut self, sets: &[Vec<u8>], frames: &str) -> bool {
        let mut has_entry = true;
        for kind in frames.chars() {
            let nal = vec![kind as u8; self.size];
            let number = self.next;
            let at = Timestamp::from_nanos(1_000_000_000 + number * 33_333_333);
            self.next += 1;
            let recovery = match kind {
                'r' => Some((10, true)),
                'R' => Some((0, true)),
                'i' => Some((0, false)),
                _ => None,
            };
            let composition_offset = self.reorder.map(|reorder| {
                let frames = match kind {
                    'K' => 1,
                    'b' => reorder - 3,
                    _ => reorder,
                };
                frames * TICKS as i32
            });
            let header = FrameHeader {
                parameters: self.parameters.clone(),
                sequence: number as u32 + 1,
                decode_time: number * TICKS,
                composition_offset,
                duration: TICKS as u32,
                nominal_duration: TICKS as u32,
                captured_at: at,
                is_keyframe: kind == 'K',
                is_disposable: false,
                recovery: recovery.map(|(frames, is_marked)| Recovery { frames, is_marked }),
            };
            let frame = Frame::new(header, sets.iter().map(Vec::as_slice).chain([&nal[..]]));
            has_entry = self.publisher.publish(frame, at);
        }
        has_entry
    }

    fn join(&self) -> Subscription {
        let mut viewer = self.hub.subscribe(Delivery::LIVE);
        assert!(matches!(viewer.try_next(), Some(Event::Status(_))));
        viewer
    }
}

/// The name of a frame, and its times as in the bytes: `K@239:238` is a keyframe at the time of frame 239.
fn name(frame: &Frame) -> String {
    let payload = frame.fmp4();
    let Sample {
        sequence,
        decode_time,
        composition_offset,
        ..
    } = sample_of(&payload).unwrap();
    assert_eq!(decode_time, frame.decode_time);
    assert_eq!(composition_offset, frame.composition_offset);
    let number = decode_time / TICKS;
    assert_eq!(u64::from(sequence), number + 1);
    assert_eq!(payload[92], if frame.is_keyframe { 2 } else { 1 });
    format!("{}{number}", char::from(payload[payload.len() - 1]))
}

fn events(viewer: &mut Subscription, most: usize) -> String {
    let mut out = Vec::new();
    while out.len() < most
        && let Some(event) = viewer.try_next()
    {
        match event {
            Event::Status(condition) => out.push(condition.state.as_str().to_owned()),
            Event::Skipped(count) => out.push(format!("skipped:{count}")),
            Event::Parameters(_) => {}
            Event::Frame(frame) => out.push(name(&frame)),
        }
    }
    out.join(" ")
}

/// A keyframe, then 240 frames with recovery points at 30, 60, … 240, which are the last but one.
fn refreshed(point: char) -> Stream {
    let mut stream = Stream::new();
    stream.publish("K");
    for n in 1..242 {
        let kind = if n % 30 == 0 { point } else { 'p' };
        stream.publish(&kind.to_string());
    }
    stream
}

#[test]
fn late_viewer_gets_keyframe_then_recovery_point() {
    let stream = refreshed('r');
    assert_eq!(events(&mut stream.join(), 9), "K239 r240 p241");
    let lead = |stream: &Stream| {
        let mut inner = stream.hub.0.lock();
        inner.buffer.lead_in(240).unwrap().frames[0].fmp4().as_ptr()
    };
    assert_eq!(lead(&stream), lead(&stream), "one copy is shared");
}

/// As after an order count that jumped back without an IDR frame.
#[test]
fn kept_keyframe_of_early_shown_frames_is_first() {
    let mut stream = Stream::new();
    stream.reorder = Some(-23);
    stream.publish(&format!("K{}rp", "p".repeat(239)));
    let mut viewer = stream.join();
    let mut shown = Vec::new();
    while let Some(event) = viewer.try_next() {
        if let Event::Frame(frame) = event {
            let offset = frame.composition_offset.unwrap_or(0);
            shown.push(frame.decode_time as i64 / TICKS as i64 + i64::from(offset) / TICKS as i64);
        }
    }
    assert_eq!(shown, [216, 217, 218]);
}

#[test]
fn early_viewer_gets_all_since_the_keyframe() {
    let mut stream = Stream::new();
    stream.publish("KpprpRp");
    assert_eq!(events(&mut stream.join(), 9), "K0 p1 p2 r3 p4 R5 p6");
}

#[test]
fn unmarked_i_frames_count_after_ten_seconds() {
    let mut stream = Stream::new();
    stream.publish(&format!("K{}ip", "p".repeat(100)));
    assert!(events(&mut stream.join(), 2).starts_with("K0 p1"));
    stream.publish(&format!("{}ip", "p".repeat(200)));
    assert_eq!(events(&mut stream.join(), 9), "K302 i303 p304");
}

#[test]
fn viewer_far_behind_goes_on_at_a_recovery_point() {
    let mut stream = refreshed('R');
    let mut viewer = stream.join();
    assert_eq!(events(&mut viewer, 9), "K239 R240 p241");
    stream.publish(&format!("{}Rp", "p".repeat(58)));
    assert_eq!(events(&mut viewer, 9), "skipped:58 K299 R300 p301");
}

#[test]
fn snapshot_begins_where_the_refresh_is_complete() {
    let stream = refreshed('r');
    let names = |recent: ReplayFrames| {
        let names: Vec<_> = recent.frames.iter().map(name).collect();
        (recent.first, names[..2].join(" "), recent.frames.len())
    };
    // The point at 240 needs ten more frames.
    let recent = stream.hub.replay_frames(None);
    assert_eq!(names(recent), (209, "K209 r210".to_owned(), 33));
    let recent = stream.hub.replay_frames(Some(239));
    assert_eq!(names(recent), (240, "r240 p241".to_owned(), 2));
}

#[test]
fn buffer_is_pruned_at_recovery_points() {
    let mut stream = refreshed('r');
    for _ in 0..20 {
        stream.publish(&format!("r{}", "p".repeat(29)));
    }
    let kept = stream.hub.0.lock().buffer.from(0).count();
    assert!(kept <= 61, "{kept}");
}

#[test]
fn endless_gop_has_no_entry_point() {
    let mut stream = Stream::new();
    stream.size = 1 << 20;
    let mut early = stream.join();
    assert!(stream.publish("Kpp"));
    assert_eq!(events(&mut early, 9), "K0 p1 p2");
    assert!(!stream.publisher.is_keyframe_missing());
    assert!(!stream.publish(&"p".repeat(10)));
    assert!(!stream.publisher.is_keyframe_missing(), "nobody waits");
    let mut late = stream.join();
    assert_eq!(events(&mut late, 9), "");
    assert!(stream.publisher.is_keyframe_missing());
    stream.publisher.allow_start_anywhere();
    assert!(!stream.publisher.is_keyframe_missing());
    assert_eq!(events(&mut late, 9), "K6 p7 p8 p9 p10 p11 p12");
    assert!(!stream.publish("p"), "it still has no entry");
    assert!(stream.publish("K"));
    assert_eq!(events(&mut stream.join(), 9), "K14");
}

#[test]
fn closed_camera_keeps_no_keyframe() {
    let mut stream = refreshed('R');
    assert!(stream.publisher.enter_idle());
    let mut viewer = stream.join();
    assert_eq!(events(&mut viewer, 9), "");
    stream.publish("Kp");
    assert_eq!(events(&mut viewer, 9), "K242 p243");
}

#[test]
fn next_keyframe_is_awaited_until_start_now() {
    let mut stream = Stream::new();
    stream.publish("Kpp");
    stream.keyframe_requests.take();
    let mut viewer = stream
        .hub
        .subscribe(Delivery::Live(StartPosition::NextKeyframe));
    viewer.try_next();
    assert!(stream.keyframe_requests.take());
    assert_eq!(events(&mut viewer, 9), "");
    viewer.start_now();
    assert_eq!(events(&mut viewer, 9), "K0 p1 p2");
    let mut viewer = stream
        .hub
        .subscribe(Delivery::Live(StartPosition::NextKeyframe));
    viewer.try_next();
    stream.publish("pK");
    assert_eq!(events(&mut viewer, 9), "K4");
}

#[test]
fn leading_frames_are_skipped_and_leave_no_gap() {
    let mut stream = Stream::new();
    stream.reorder = Some(3);
    stream.publish(&format!("K{}", "pbb".repeat(30)));
    stream.publish("R");
    assert!(
        events(&mut stream.join(), 2).starts_with("K0 p1"),
        "frames before it may come"
    );
    stream.publish("bbpbbp");
    let mut viewer = stream.join();
    let mut shown = Vec::new();
    while let Some(event) = viewer.try_next() {
        if let Event::Frame(frame) = event {
            let offset = frame.composition_offset.unwrap_or(0);
            shown.push((
                name(&frame),
                frame.decode_time / TICKS + offset as u64 / TICKS,
            ));
        }
    }
    let shown: Vec<_> = shown.iter().map(|(name, at)| (&name[..], *at)).collect();
    let expected = [
        ("K92", 93),
        ("R93", 94),
        ("p94", 97),
        ("b95", 95),
        ("b96", 96),
        ("p97", 100),
    ];
    assert_eq!(shown, expected);
    assert_eq!(stream.hub.replay_frames(None).first, 92);
}

/// Frames are shown before their time, as after an order count that once jumped back.
#[test]
fn leading_frames_that_are_shown_early_are_skipped() {
    let mut stream = Stream::new();
    stream.reorder = Some(-20);
    stream.publish(&format!("K{}Rbbpbbp", "pbb".repeat(30)));
    let seen = events(&mut stream.join(), 9);
    assert_eq!(seen, "K92 R93 p94 b95 b96 p97");
}

/// Types of NAL units that viewers get.
fn nal_types(viewer: &mut Subscription) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    while let Some(event) = viewer.try_next() {
        if let Event::Frame(frame) = event {
            out.push(frame.nals().map(|nal| nal[0] & 31).collect());
        }
    }
    out
}

#[test]
fn sets_that_changed_come_before_the_recovery_point() {
    let mut stream = Stream::new();
    stream.publish(&format!("K{}", "p".repeat(50)));
    stream.publish_with_set("p");
    stream.publish(&format!("{}rp", "p".repeat(50)));
    let late = nal_types(&mut stream.join());
    assert_eq!(late, [vec![11], vec![8, 18], vec![16]]);
    // The point has its own, and who joins at a later one has both in one.
    stream.publish_with_set("r");
    stream.publish("p");
    let late = nal_types(&mut stream.join());
    assert_eq!(late, [vec![11], vec![8, 8, 18], vec![16]]);
    stream.publish("K");
    assert_eq!(
        nal_types(&mut stream.join()),
        [[11]],
        "its init segment has them"
    );
}

#[test]
fn sets_of_skipped_frames_come_before_the_next() {
    let mut stream = Stream::new();
    stream.reorder = Some(3);
    stream.publish(&format!("K{}R", "pbb".repeat(30)));
    stream.publish_with_set("b");
    stream.publish("bp");
    let late = nal_types(&mut stream.join());
    assert_eq!(late, [vec![11], vec![18], vec![8, 16]]);
}
