//! What holds of the two ends, whatever the camera.

mod links;

use super::queue::MAX_CONTROL_REQUESTS;
use super::*;
use crate::controls::ErrorKind;
use crate::hub::{Delivery, KeyframeRequests};
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

fn jpeg(ms: u64) -> Jpeg {
    Jpeg {
        bytes: Bytes::from_static(b"JPEG"),
        captured_at: Timestamp::from_nanos(ms * 1_000_000),
    }
}

/// Both ends of a camera that is open and live.
fn live(has_jpegs: bool) -> (Endpoint, Handle) {
    let (endpoint, handle) = channel([]);
    endpoint.commands.open(has_jpegs);
    endpoint.publisher.set_status(CameraState::Live, "");
    (endpoint, handle)
}

/// Names of the commands that wait.
fn names(endpoint: &Endpoint) -> Vec<&'static str> {
    let name = |command: Command| match command {
        Command::Keyframe => "keyframe",
        Command::Jpeg(_) => "jpeg",
        Command::Controls(_) => "controls",
        Command::Restart => "restart",
    };
    endpoint.commands.take().into_iter().map(name).collect()
}

fn poll<T>(future: Pin<&mut impl Future<Output = T>>) -> Poll<T> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

fn brightness() -> Vec<(String, ControlValue)> {
    vec![("brightness".to_owned(), ControlValue::Integer(1))]
}

#[test]
fn equal_commands_are_merged() {
    let (endpoint, handle) = live(true);
    handle.request_restart().unwrap();
    for _ in 0..3 {
        handle.request_keyframe();
        assert!(handle.request_jpeg().is_some());
        assert!(handle.request_restart().is_err());
    }
    assert_eq!(names(&endpoint), ["restart", "keyframe", "jpeg"]);
    assert!(names(&endpoint).is_empty());
}

#[test]
fn keyframe_fulfils_earlier_requests_only() {
    let (endpoint, handle) = live(false);
    handle.request_keyframe();
    handle.queue.clear();
    assert!(names(&endpoint).is_empty());
    handle.request_keyframe();
    assert_eq!(names(&endpoint), ["keyframe"]);
}

#[test]
fn first_viewer_of_the_hub_requests_a_keyframe() {
    let (endpoint, handle) = live(false);
    let _viewer = handle.hub().subscribe(Delivery::LIVE);
    assert_eq!(names(&endpoint), ["keyframe"]);
}

#[test]
fn newest_jpeg_request_replaces_the_earlier_one() {
    let (endpoint, handle) = live(true);
    let earlier = handle.request_jpeg().unwrap();
    let newest = handle.request_jpeg().unwrap();
    assert!(earlier.recv().is_err(), "who waits is told");
    match endpoint.commands.take().pop_front() {
        Some(Command::Jpeg(sender)) => sender.send(jpeg(1)).unwrap(),
        other => panic!("{other:?}"),
    }
    assert_eq!(newest.recv(), Ok(jpeg(1)));
}

#[test]
fn no_jpeg_unless_live_mjpeg_camera() {
    let (endpoint, handle) = live(false);
    assert!(handle.request_jpeg().is_none());
    endpoint.commands.open(true);
    let order = handle.request_jpeg().unwrap();
    endpoint.commands.close();
    assert!(order.recv().is_err(), "who waits is told");
    assert!(handle.request_jpeg().is_none());
    endpoint.commands.open(true);
    endpoint
        .publisher
        .set_status(CameraState::Lost, "unplugged");
    assert!(handle.request_jpeg().is_none());
}

#[test]
fn closed_camera_rejects_requests_for_controls() {
    let (endpoint, handle) = channel([]);
    let closed = |poll| match poll {
        Poll::Ready(Err::<_, ControlError>(error)) => error.kind == ErrorKind::Closed,
        _ => false,
    };
    assert!(closed(poll(pin!(handle.set_controls(brightness())))));
    endpoint.commands.open(false);
    let mut request = pin!(handle.set_controls(brightness()));
    assert!(poll(request.as_mut()).is_pending());
    endpoint.commands.close();
    assert!(closed(poll(request)));
    assert!(!poll(pin!(handle.refresh_controls())).is_pending());
}

#[test]
fn requests_for_controls_are_bounded() {
    let (endpoint, handle) = live(false);
    for _ in 0..100 {
        let abandoned = pin!(handle.set_controls(brightness()));
        assert!(poll(abandoned).is_pending());
    }
    let request = || Box::pin(handle.set_controls(brightness()));
    let mut waiting: Vec<_> = (0..MAX_CONTROL_REQUESTS).map(|_| request()).collect();
    for request in &mut waiting {
        assert!(poll(request.as_mut()).is_pending());
    }
    let Poll::Ready(Err(error)) = poll(request().as_mut()) else {
        panic!("let in");
    };
    assert_eq!(error.kind, ErrorKind::Busy);
    handle.request_keyframe();
    assert_eq!(names(&endpoint).len(), MAX_CONTROL_REQUESTS + 1);
}

#[test]
fn restart_before_the_opening_is_fulfilled_by_it() {
    let (endpoint, handle) = channel([]);
    handle.request_keyframe();
    handle.request_restart().unwrap();
    assert!(endpoint.commands.take_restart());
    assert!(!endpoint.commands.take_restart());
    endpoint.commands.open(false);
    assert_eq!(names(&endpoint), ["keyframe"]);
    let (endpoint, handle) = channel([]);
    handle.request_restart().unwrap();
    endpoint.commands.open(false);
    assert!(names(&endpoint).is_empty());
}
