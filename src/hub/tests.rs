use super::gop_buffer::MAX_BYTES;
use super::testing::{TestRequests, test_channel};
use super::*;
use crate::media::{Description, FrameHeader, Parameters};
use std::task::Context;

/// One picture each 33 ms; `K` is a keyframe, to `b` no other picture refers. An event is written as in `"live init K0 p1 skipped:3"`.
struct Stream {
    publisher: Publisher,
    hub: Hub,
    keyframe_requests: Arc<TestRequests>,
    parameters: Arc<Parameters>,
    next: u64,
    size: usize,
}

/// A message with a NAL unit of ten bytes: header, `moof`, `mdat` header, length.
const FRAME_BYTES: u64 = 4 + 104 + 8 + 4 + 10;

fn slow_line(capacity: u32) -> Option<CongestedLink> {
    Some(CongestedLink {
        bandwidth_bps: capacity,
        queue_delay: Duration::ZERO,
    })
}

impl Stream {
    fn new() -> Self {
        let (publisher, hub, keyframe_requests) = test_channel();
        publisher.set_status(CameraState::Live, "");
        Self {
            publisher,
            hub,
            keyframe_requests,
            parameters: Self::video(640),
            next: 0,
            size: 10,
        }
    }

    fn video(width: u32) -> Arc<Parameters> {
        Arc::new(Parameters::new(Description {
            width,
            height: 480,
            ..Description::default()
        }))
    }

    fn publish(&mut self, pictures: &str) {
        for kind in pictures.chars() {
            let now = Timestamp::from_nanos(self.next * 33_000_000);
            self.publish_at(kind, now, now);
        }
    }

    fn publish_at(&mut self, kind: char, captured_at: Timestamp, now: Timestamp) {
        let nal = vec![0; self.size];
        let header = FrameHeader {
            parameters: self.parameters.clone(),
            sequence: 0,
            decode_time: self.next,
            composition_offset: None,
            duration: 1,
            nominal_duration: 1,
            captured_at,
            is_keyframe: kind == 'K',
            is_disposable: kind == 'b',
            recovery: None,
        };
        let frame = Frame::new(header, [&nal[..]].into_iter());
        self.next += 1;
        self.publisher.publish(frame, now);
    }

    fn join(&self) -> Subscription {
        let mut viewer = self.hub.subscribe(Delivery::LIVE);
        assert!(matches!(viewer.try_next(), Some(Event::Status(_))));
        viewer
    }
}

fn events(viewer: &mut Subscription) -> String {
    let mut out = Vec::new();
    while let Some(event) = viewer.try_next() {
        out.push(match event {
            Event::Status(condition) => condition.state.as_str().to_owned(),
            Event::Skipped(count) => format!("skipped:{count}"),
            Event::Parameters(parameters) => format!("init:{}", parameters.width),
            Event::Frame(f) => {
                let kind = match (f.is_keyframe, f.is_disposable) {
                    (true, _) => 'K',
                    (false, false) => 'p',
                    (false, true) => 'b',
                };
                format!("{kind}{}", f.decode_time)
            }
        });
    }
    out.join(" ")
}

#[test]
fn first_viewer_receives_every_frame() {
    let mut stream = Stream::new();
    let mut viewer = stream.join();
    assert_eq!(events(&mut viewer), "");
    stream.publish("Kpp");
    assert_eq!(events(&mut viewer), "init:640 K0 p1 p2");
    stream.publish("pK");
    assert_eq!(events(&mut viewer), "p3 K4");
}

#[test]
fn late_viewer_starts_at_newest_keyframe() {
    let mut stream = Stream::new();
    stream.publish("KppKpp");
    assert_eq!(events(&mut stream.join()), "init:640 K3 p4 p5");
}

#[test]
fn viewer_before_first_keyframe_waits() {
    let mut stream = Stream::new();
    stream.publish("pp");
    let mut viewer = stream.join();
    stream.publish("p");
    assert_eq!(events(&mut viewer), "");
    stream.publish("Kp");
    assert_eq!(events(&mut viewer), "init:640 K3 p4");
}

#[test]
fn viewer_one_frame_behind_skips_nothing() {
    let mut stream = Stream::new();
    let mut viewer = stream.join();
    stream.publish("Kp");
    events(&mut viewer);
    stream.publish("pKp");
    assert_eq!(events(&mut viewer), "p2 K3 p4");
}

#[test]
fn lagging_viewer_seeks_to_keyframe_with_count() {
    let mut stream = Stream::new();
    let mut viewer = stream.join();
    stream.publish("K");
    events(&mut viewer);
    stream.publish(&"p".repeat(59));
    stream.publish("K");
    stream.publish(&"p".repeat(59));
    stream.publish("Kp");
    assert_eq!(events(&mut viewer), "skipped:119 K120 p121");
    assert_eq!(stream.hub.stats().frames_skipped, 119);
}

#[test]
fn burst_of_frames_skips_nothing() {
    let mut stream = Stream::new();
    let mut viewer = stream.join();
    let at = |ms: u64| Timestamp::from_nanos(ms * 1_000_000);
    stream.publish_at('K', at(0), at(0));
    assert_eq!(events(&mut viewer), "init:640 K0");
    // The first of these began to come with the last ones, and could not be told to be complete.
    stream.publish_at('p', at(0), at(1000));
    stream.publish_at('p', at(1000), at(1000));
    stream.publish_at('K', at(1000), at(1000));
    assert_eq!(events(&mut viewer), "p1 p2 K3");
}

#[test]
fn dropped_waiters_leave_no_wakers() {
    struct Nobody;
    impl std::task::Wake for Nobody {
        fn wake(self: Arc<Self>) {}
    }
    let stream = Stream::new();
    let nobody = Arc::new(Nobody);
    let waker = Waker::from(nobody.clone());
    let mut viewer = stream.join();
    for _ in 0..100 {
        assert!(viewer.poll_next(&Context::from_waker(&waker)).is_pending());
    }
    assert_eq!(
        Arc::strong_count(&nobody),
        3,
        "ours, the waker's, the publisher's"
    );
    drop(viewer);
    assert_eq!(Arc::strong_count(&nobody), 2);
}

#[test]
fn lagging_viewer_without_keyframe_gets_all() {
    let mut stream = Stream::new();
    let mut viewer = stream.join();
    stream.publish("K");
    events(&mut viewer);
    stream.publish(&"p".repeat(100));
    assert!(events(&mut viewer).starts_with("p1 p2 "));
}

#[test]
fn changed_video_sends_init_first() {
    let mut stream = Stream::new();
    let mut viewer = stream.join();
    stream.publish("Kp");
    assert_eq!(events(&mut viewer), "init:640 K0 p1");
    stream.parameters = Stream::video(320);
    stream.publish("Kp");
    assert_eq!(events(&mut viewer), "init:320 K2 p3");
}

#[test]
fn endless_gop_is_bounded_and_joiners_wait() {
    let mut stream = Stream::new();
    stream.size = 1 << 20;
    let mut early = stream.join();
    stream.publish("K");
    events(&mut early);
    stream.publish(&"p".repeat(20));
    let bytes: usize = {
        let inner = stream.hub.0.lock();
        inner.buffer.from(0).map(|kept| kept.len()).sum()
    };
    assert!(bytes <= MAX_BYTES);
    assert_eq!(events(&mut early), "skipped:20");
    let mut late = stream.join();
    assert_eq!(events(&mut late), "");
    stream.publish("K");
    assert_eq!(events(&mut late), "init:640 K21");
    assert_eq!(events(&mut early), "K21");
}

#[test]
fn buffer_keeps_last_second_only() {
    let mut stream = Stream::new();
    for _ in 0..100 {
        stream.publish("Kpppp");
    }
    let kept = stream.hub.0.lock().buffer.from(0).count();
    assert!((30..=32).contains(&kept), "{kept}");
}

#[test]
fn status_changes_arrive_once_and_in_order() {
    let mut stream = Stream::new();
    let mut viewer = stream.join();
    stream.publish("K");
    events(&mut viewer);
    stream.publisher.set_status(CameraState::Lost, "unplugged");
    stream.publisher.set_status(CameraState::Lost, "unplugged");
    assert_eq!(events(&mut viewer), "lost");
    stream.publisher.set_status(CameraState::Live, "");
    stream.publish("K");
    assert_eq!(events(&mut viewer), "live K1");
}

#[test]
fn join_requests_keyframe_when_gop_is_large() {
    let mut stream = Stream::new();
    let (a, b) = (stream.join(), stream.join());
    assert_eq!(stream.hub.stats().viewers, 2);
    assert!(stream.keyframe_requests.take());
    assert!(!stream.keyframe_requests.take());
    drop(a);
    drop(b);
    assert_eq!(stream.hub.stats().viewers, 0);
    stream.publish("Kp");
    stream.join();
    assert!(!stream.keyframe_requests.take());
    stream.publish("p");
    stream.join();
    assert!(stream.keyframe_requests.take());
}

#[test]
fn join_requests_keyframe_when_gop_is_long() {
    for (pictures, is_asked) in [(5, false), (6, true)] {
        let mut stream = Stream::new();
        stream.size = 1000;
        stream.publish("K");
        stream.size = 10;
        stream.publish(&"p".repeat(pictures));
        stream.join();
        assert_eq!(stream.keyframe_requests.take(), is_asked);
    }
}

#[test]
fn rates_are_measured() {
    let mut stream = Stream::new();
    stream.size = 1000;
    for _ in 0..10 {
        stream.publish(&format!("K{}", "p".repeat(29)));
    }
    let status = stream.hub.stats();
    assert!((status.fps - 30.3).abs() < 0.1, "{}", status.fps);
    assert!(
        status.bitrate.abs_diff(30 * 1120 * 8 * 101 / 100) < 2000,
        "{}",
        status.bitrate
    );
    assert_eq!(status.keyframe_interval, 30);
}

#[test]
fn replay_frames_continue_or_restart_at_keyframe() {
    let mut stream = Stream::new();
    let recent = |stream: &Stream, after| {
        let recent = stream.hub.replay_frames(after);
        let (first, end) = (recent.first, recent.first + recent.frames.len() as u64);
        assert!(recent.frames.iter().map(|f| f.decode_time).eq(first..end));
        (first, end)
    };
    assert_eq!(recent(&stream, None), (0, 0));
    assert!(stream.keyframe_requests.take(), "nothing can be decoded");
    stream.publish("KppKp");
    assert_eq!(recent(&stream, None), (3, 5), "from the newest keyframe on");
    assert_eq!(recent(&stream, Some(1)), (3, 5), "no need for the rest");
    assert_eq!(recent(&stream, Some(3)), (4, 5));
    assert_eq!(recent(&stream, Some(4)), (5, 5), "nothing new");
    assert_eq!(recent(&stream, Some(9)), (3, 5), "of another time");
    stream.publisher.enter_idle();
    assert_eq!(
        recent(&stream, None),
        (5, 5),
        "nothing from before it was closed"
    );
    assert!(stream.keyframe_requests.take());
}

#[test]
fn demand_guard_keeps_camera_open_uncounted() {
    let stream = Stream::new();
    assert!(!stream.publisher.has_demand());
    let hold = stream.hub.keep_open();
    assert!(stream.publisher.has_demand() && !stream.publisher.enter_idle());
    assert!(stream.publisher.wait_for_demand(Duration::ZERO));
    assert!(!stream.keyframe_requests.take());
    assert_eq!(stream.hub.stats().viewers, 0);
    drop(hold);
    assert!(stream.publisher.enter_idle());
}

#[test]
fn congested_viewer_seeks_to_new_keyframe() {
    let mut stream = Stream::new();
    let (mut slow, mut good) = (stream.join(), stream.join());
    stream.publish("K");
    events(&mut slow);
    events(&mut good);
    slow.set_congested(slow_line(500_000));
    stream.publish("pppppKp");
    assert_eq!(events(&mut slow), "skipped:5 K6 p7");
    assert_eq!(events(&mut good), "p1 p2 p3 p4 p5 K6 p7");
    slow.set_congested(None);
    stream.publish("pppppKp");
    assert_eq!(events(&mut slow), "p8 p9 p10 p11 p12 K13 p14");
}

#[test]
fn congested_viewer_skips_single_disposable_frames() {
    let mut stream = Stream::new();
    let (mut slow, mut good) = (stream.join(), stream.join());
    stream.publish("K");
    events(&mut slow);
    events(&mut good);
    slow.set_congested(slow_line(500_000));
    stream.publish("pbpbbpbpbpb");
    assert_eq!(
        events(&mut slow),
        "p1 p3 b5 p6 p8 b9 p10 b11",
        "the newest ones are in time"
    );
    assert_eq!(stream.hub.stats().frames_skipped, 3);
    assert!(events(&mut good).ends_with("b7 p8 b9 p10 b11"));
}

#[test]
fn congested_viewer_waits_for_due_keyframe() {
    let mut stream = Stream::new();
    let mut viewer = stream.join();
    stream.publish("KppppppppKppp");
    events(&mut viewer);
    viewer.set_congested(slow_line(500_000));
    stream.publish("ppppp");
    assert_eq!(
        viewer.try_next().map(|_| ()),
        None,
        "the next one is late, and a keyframe is due"
    );
    stream.publish("Kp");
    assert_eq!(events(&mut viewer), "skipped:5 K18 p19");
}

#[test]
fn congested_viewer_waits_for_requested_keyframe() {
    let mut stream = Stream::new();
    stream.publisher.set_makes_keyframes_on_request(true);
    let mut viewer = stream.join();
    stream.publish("K");
    events(&mut viewer);
    stream.keyframe_requests.take();
    viewer.set_congested(slow_line(500_000));
    stream.publish(&"p".repeat(40));
    assert_eq!(events(&mut viewer), "");
    assert!(stream.keyframe_requests.take());
    stream.publish("p");
    assert_eq!(events(&mut viewer), "");
    stream.publish("K");
    assert_eq!(events(&mut viewer), "skipped:41 K42");
    // The next one has to wait, and the pictures go on meanwhile.
    stream.publish(&"p".repeat(35));
    assert!(events(&mut viewer).starts_with("p43 p44"));
    assert!(!stream.keyframe_requests.take());
}

#[test]
fn requests_keyframe_after_outage_if_gop_outweighs_it() {
    for (pictures, is_asked) in [(1, false), (2, true)] {
        let mut stream = Stream::new();
        stream.publisher.set_makes_keyframes_on_request(true);
        let mut viewer = stream.join();
        stream.publish("Kp");
        events(&mut viewer);
        viewer.set_congested(slow_line(500_000));
        stream.publish(&format!("{}K{}", "p".repeat(60), "p".repeat(pictures)));
        stream.keyframe_requests.take();
        assert_eq!(events(&mut viewer).contains("K62 p63"), !is_asked);
        assert_eq!(stream.keyframe_requests.take(), is_asked);
    }
}

#[test]
fn unanswered_keyframe_request_times_out() {
    let mut stream = Stream::new();
    stream.publisher.set_makes_keyframes_on_request(true);
    let mut viewer = stream.join();
    stream.publish("K");
    events(&mut viewer);
    viewer.set_congested(slow_line(500_000));
    stream.publish(&"p".repeat(40));
    assert_eq!(events(&mut viewer), "");
    stream.publish(&"p".repeat(20));
    assert!(events(&mut viewer).starts_with("p1 p2"));
}

#[test]
fn delivery_state_follows_bytes_in_flight() {
    let mut stream = Stream::new();
    let mut viewer = stream.join();
    assert_eq!(viewer.delivery_state(0), None);
    stream.publish("Kpp");
    events(&mut viewer);
    let standing = |number: u64, is_received| {
        let at = Timestamp::from_nanos(number * 33_000_000);
        Some(DeliveryState {
            published_at: at,
            captured_at: at,
            is_received,
        })
    };
    assert_eq!(viewer.delivery_state(0), standing(2, true));
    assert_eq!(viewer.delivery_state(1), standing(2, false));
    assert_eq!(viewer.delivery_state(FRAME_BYTES + 1), standing(1, false));
    assert_eq!(viewer.delivery_state(u64::MAX), standing(0, false));
    stream.publish("p");
    assert_eq!(viewer.delivery_state(0), standing(3, false));
    // What is not kept any more is not there for that reason: the oldest that is kept has not been got either.
    stream.publish(&format!("K{}", "p".repeat(40)));
    assert_eq!(viewer.delivery_state(0), standing(4, false));
}

#[test]
fn link_summary_covers_present_viewers() {
    let stream = Stream::new();
    let (a, b, _c) = (stream.join(), stream.join(), stream.join());
    a.set_congested(slow_line(700_000));
    b.set_congested(slow_line(300_000));
    let lines = |viewers, slow: &[u32]| LinkSummary {
        viewers,
        congested_bps: slow.to_vec(),
    };
    assert_eq!(
        stream.publisher.link_summary(),
        lines(3, &[700_000, 300_000])
    );
    drop(a);
    b.set_congested(None);
    assert_eq!(stream.publisher.link_summary(), lines(2, &[]));
}

#[test]
fn delay_counts_from_last_seen_frame_after_seek() {
    let mut stream = Stream::new();
    let mut viewer = stream.join();
    stream.publish("K");
    events(&mut viewer);
    viewer.set_congested(slow_line(500_000));
    stream.publish("pppppKp");
    assert_eq!(events(&mut viewer), "skipped:5 K6 p7");
    let seen = |outstanding| {
        let standing = viewer.delivery_state(outstanding).unwrap();
        standing.captured_at.as_nanos() / 33_000_000
    };
    assert_eq!(seen(2 * FRAME_BYTES), 0, "the keyframe is missing");
    assert_eq!(seen(FRAME_BYTES), 7, "it is there");
    assert_eq!(
        (viewer.delivery_state(2 * FRAME_BYTES).unwrap().published_at).as_nanos() / 33_000_000,
        6,
        "it is not late for what it was not given"
    );
}

#[test]
fn skipped_flag_is_set_once_for_disposable_frames() {
    let mut stream = Stream::new();
    let mut viewer = stream.join();
    stream.publish("K");
    events(&mut viewer);
    viewer.set_congested(slow_line(500_000));
    stream.publish("pppppK");
    assert_eq!(events(&mut viewer), "skipped:5 K6");
    assert!(!viewer.take_skipped_flag());
    stream.publish("bpbpbp");
    assert!(events(&mut viewer).starts_with("p8"));
    assert!(viewer.take_skipped_flag());
    assert!(!viewer.take_skipped_flag());
}
