use super::gop_buffer::MAX_BYTES;
use super::testing::{self, FRAME_BYTES, TestRequests, event_names, test_channel};
use super::*;
use std::ops::{Deref, DerefMut};
use std::task::Context;

/// A stream, its hub, and the requests for keyframes.
struct Stream {
    stream: testing::Stream,
    hub: Hub,
    keyframe_requests: Arc<TestRequests>,
}

impl Deref for Stream {
    type Target = testing::Stream;

    fn deref(&self) -> &testing::Stream {
        &self.stream
    }
}

impl DerefMut for Stream {
    fn deref_mut(&mut self) -> &mut testing::Stream {
        &mut self.stream
    }
}

impl Stream {
    fn new() -> Self {
        let (publisher, hub, keyframe_requests) = test_channel();
        Self {
            stream: testing::Stream::new(publisher),
            hub,
            keyframe_requests,
        }
    }

    fn join(&self) -> Subscription {
        let mut viewer = self.hub.subscribe(Delivery::LIVE);
        assert!(matches!(viewer.try_next(), Some(Event::Status(_))));
        viewer
    }
}

fn events(viewer: &mut Subscription) -> String {
    event_names(|| viewer.try_next())
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
    stream.parameters = testing::Stream::video(320);
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
fn uncongested_viewer_gets_all_within_max_lag() {
    let at = |ms: u64| Timestamp::from_nanos(ms * 1_000_000);
    for (lag, expected) in [(690, "p1 K2"), (710, "skipped:1 K2")] {
        let mut stream = Stream::new();
        let mut viewer = stream.join();
        stream.publish_at('K', at(0), at(0));
        assert_eq!(events(&mut viewer), "init:640 K0");
        stream.publish_at('p', at(33), at(33));
        stream.publish_at('K', at(33 + lag), at(33 + lag));
        assert_eq!(events(&mut viewer), expected);
    }
}
