//! A hub without a camera, and a made-up stream, for tests.

use super::{CameraState, Event, Hub, KeyframeRequests, Publisher, channel};
use crate::media::{Description, Frame, FrameHeader, Parameters};
use crate::time::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Requests for keyframes, without a camera.
#[derive(Debug, Default)]
pub(super) struct TestRequests(AtomicBool);

impl TestRequests {
    /// True once after a request.
    pub(super) fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

impl KeyframeRequests for TestRequests {
    fn request(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn clear(&self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// A hub, and its requests for keyframes.
pub(super) fn test_channel() -> (Publisher, Hub, Arc<TestRequests>) {
    let requests = Arc::new(TestRequests::default());
    let (publisher, hub) = channel(requests.clone());
    (publisher, hub, requests)
}

/// One picture each 33 ms; `K` is a keyframe, to `b` no other picture refers. An event is written as in `"live init K0 p1 skipped:3"`.
pub(crate) struct Stream {
    pub(crate) publisher: Publisher,
    pub(crate) parameters: Arc<Parameters>,
    next: u64,
    pub(crate) size: usize,
}

/// A message with a NAL unit of ten bytes: header, `moof`, `mdat` header, length.
pub(crate) const FRAME_BYTES: u64 = 4 + 104 + 8 + 4 + 10;

impl Stream {
    /// A camera that is live.
    pub(crate) fn new(publisher: Publisher) -> Self {
        publisher.set_status(CameraState::Live, "");
        Self {
            publisher,
            parameters: Self::video(640),
            next: 0,
            size: 10,
        }
    }

    pub(crate) fn video(width: u32) -> Arc<Parameters> {
        Arc::new(Parameters::new(Description {
            width,
            height: 480,
            ..Description::default()
        }))
    }

    pub(crate) fn publish(&mut self, pictures: &str) {
        for kind in pictures.chars() {
            let now = Timestamp::from_nanos(self.next * 33_000_000);
            self.publish_at(kind, now, now);
        }
    }

    pub(crate) fn publish_at(&mut self, kind: char, captured_at: Timestamp, now: Timestamp) {
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
}

/// Names of the events until there is none.
pub(crate) fn event_names(next: impl FnMut() -> Option<Event>) -> String {
    let mut out = Vec::new();
    for event in std::iter::from_fn(next) {
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
