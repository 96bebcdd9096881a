//! What viewers on congested links receive, and the keyframes that they request.

use crate::camera_handle::{Command, Commands, CongestedLink, Handle, Link, Links, channel};
use crate::hub::testing::{self, FRAME_BYTES, event_names};
use crate::hub::{Delivery, Event, Subscription};
use std::ops::{Deref, DerefMut};
use std::time::Duration;

/// A stream, and the camera's ends.
struct Stream {
    stream: testing::Stream,
    handle: Handle,
    commands: Commands,
    links: Links,
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
        let (endpoint, handle) = channel([]);
        Self {
            stream: testing::Stream::new(endpoint.publisher),
            handle,
            commands: endpoint.commands,
            links: endpoint.links,
        }
    }

    fn join(&self) -> Viewer {
        let mut viewer = Viewer {
            subscription: self.handle.hub().subscribe(Delivery::LIVE),
            link: self.handle.add_link(),
        };
        assert!(matches!(viewer.try_next(), Some(Event::Status(_))));
        viewer
    }

    /// True once after a request.
    fn take_keyframe_request(&self) -> bool {
        let commands = self.commands.take();
        (commands.iter()).any(|command| matches!(command, Command::Keyframe))
    }
}

struct Viewer {
    subscription: Subscription,
    link: Link,
}

impl Viewer {
    fn try_next(&mut self) -> Option<Event> {
        self.subscription.try_next_on(self.link.policy())
    }

    fn events(&mut self) -> String {
        event_names(|| self.try_next())
    }
}

fn slow_line(capacity: u32) -> Option<CongestedLink> {
    Some(CongestedLink {
        bandwidth_bps: capacity,
        queue_delay: Duration::ZERO,
    })
}

#[test]
fn congested_viewer_seeks_to_new_keyframe() {
    let mut stream = Stream::new();
    let (mut slow, mut good) = (stream.join(), stream.join());
    stream.publish("K");
    slow.events();
    good.events();
    slow.link.set_congested(slow_line(500_000));
    stream.publish("pppppKp");
    assert_eq!(slow.events(), "skipped:5 K6 p7");
    assert_eq!(good.events(), "p1 p2 p3 p4 p5 K6 p7");
    slow.link.set_congested(None);
    stream.publish("pppppKp");
    assert_eq!(slow.events(), "p8 p9 p10 p11 p12 K13 p14");
}

#[test]
fn congested_viewer_skips_single_disposable_frames() {
    let mut stream = Stream::new();
    let (mut slow, mut good) = (stream.join(), stream.join());
    stream.publish("K");
    slow.events();
    good.events();
    slow.link.set_congested(slow_line(500_000));
    stream.publish("pbpbbpbpbpb");
    assert_eq!(
        slow.events(),
        "p1 p3 b5 p6 p8 b9 p10 b11",
        "the newest ones are in time"
    );
    assert_eq!(stream.handle.hub().stats().frames_skipped, 3);
    assert!(good.events().ends_with("b7 p8 b9 p10 b11"));
}

#[test]
fn congested_viewer_waits_for_due_keyframe() {
    let mut stream = Stream::new();
    let mut viewer = stream.join();
    stream.publish("KppppppppKppp");
    viewer.events();
    viewer.link.set_congested(slow_line(500_000));
    stream.publish("ppppp");
    assert_eq!(
        viewer.try_next().map(|_| ()),
        None,
        "the next one is late, and a keyframe is due"
    );
    stream.publish("Kp");
    assert_eq!(viewer.events(), "skipped:5 K18 p19");
}

#[test]
fn congested_viewer_waits_for_requested_keyframe() {
    let mut stream = Stream::new();
    stream.links.set_makes_keyframes_on_request(true);
    let mut viewer = stream.join();
    stream.publish("K");
    viewer.events();
    stream.take_keyframe_request();
    viewer.link.set_congested(slow_line(500_000));
    stream.publish(&"p".repeat(40));
    assert_eq!(viewer.events(), "");
    assert!(stream.take_keyframe_request());
    stream.publish("p");
    assert_eq!(viewer.events(), "");
    stream.publish("K");
    assert_eq!(viewer.events(), "skipped:41 K42");
    // The next one has to wait, and the pictures go on meanwhile.
    stream.publish(&"p".repeat(35));
    assert!(viewer.events().starts_with("p43 p44"));
    assert!(!stream.take_keyframe_request());
}

#[test]
fn requests_keyframe_after_outage_if_gop_outweighs_it() {
    for (pictures, is_asked) in [(1, false), (2, true)] {
        let mut stream = Stream::new();
        stream.links.set_makes_keyframes_on_request(true);
        let mut viewer = stream.join();
        stream.publish("Kp");
        viewer.events();
        viewer.link.set_congested(slow_line(500_000));
        stream.publish(&format!("{}K{}", "p".repeat(60), "p".repeat(pictures)));
        stream.take_keyframe_request();
        assert_eq!(viewer.events().contains("K62 p63"), !is_asked);
        assert_eq!(stream.take_keyframe_request(), is_asked);
    }
}

#[test]
fn unanswered_keyframe_request_times_out() {
    let mut stream = Stream::new();
    stream.links.set_makes_keyframes_on_request(true);
    let mut viewer = stream.join();
    stream.publish("K");
    viewer.events();
    viewer.link.set_congested(slow_line(500_000));
    stream.publish(&"p".repeat(40));
    assert_eq!(viewer.events(), "");
    stream.publish(&"p".repeat(20));
    assert!(viewer.events().starts_with("p1 p2"));
}

#[test]
fn congested_links_are_those_of_present_viewers() {
    let stream = Stream::new();
    let (mut a, mut b, _c) = (stream.join(), stream.join(), stream.join());
    a.link.set_congested(slow_line(700_000));
    b.link.set_congested(slow_line(300_000));
    assert_eq!(stream.publisher.viewers(), 3);
    assert_eq!(stream.links.congested(), [(700_000, 1), (300_000, 1)]);
    drop(a);
    b.link.set_congested(None);
    assert_eq!(stream.publisher.viewers(), 2);
    assert!(stream.links.congested().is_empty());
}

#[test]
fn delay_counts_from_last_seen_frame_after_seek() {
    let mut stream = Stream::new();
    let mut viewer = stream.join();
    stream.publish("K");
    viewer.events();
    viewer.link.set_congested(slow_line(500_000));
    stream.publish("pppppKp");
    assert_eq!(viewer.events(), "skipped:5 K6 p7");
    let seen = |outstanding| {
        let standing = viewer.subscription.delivery_state(outstanding).unwrap();
        standing.captured_at.as_nanos() / 33_000_000
    };
    assert_eq!(seen(2 * FRAME_BYTES), 0, "the keyframe is missing");
    assert_eq!(seen(FRAME_BYTES), 7, "it is there");
    assert_eq!(
        (viewer
            .subscription
            .delivery_state(2 * FRAME_BYTES)
            .unwrap()
            .published_at)
            .as_nanos()
            / 33_000_000,
        6,
        "it is not late for what it was not given"
    );
}

#[test]
fn skipped_flag_is_set_once_for_disposable_frames() {
    let mut stream = Stream::new();
    let mut viewer = stream.join();
    stream.publish("K");
    viewer.events();
    viewer.link.set_congested(slow_line(500_000));
    stream.publish("pppppK");
    assert_eq!(viewer.events(), "skipped:5 K6");
    assert!(!viewer.subscription.take_skipped_flag());
    stream.publish("bpbpbp");
    assert!(viewer.events().starts_with("p8"));
    assert!(viewer.subscription.take_skipped_flag());
    assert!(!viewer.subscription.take_skipped_flag());
}
