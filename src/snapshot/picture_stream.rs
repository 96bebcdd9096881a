//! One picture of a camera after the other as JPEG, each the newest when the client asks for it.
//!
//! A camera that delivers JPEG sends its own. Of others, the frames are decoded and encoded once for all clients.

use super::queue::Answer;
use super::{JpegOptions, Snapshot, SnapshotError, SnapshotService};
use crate::camera_handle::JpegSubscription;
use crate::hub::ViewerGuard;
use crate::time::Timestamp;
use bytes::Bytes;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Sleep;

/// Time until a failed request is repeated.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Time until the next try where there was no memory for a picture: about that of a frame.
const NO_MEMORY_RETRY_AFTER: Duration = Duration::from_millis(30);

/// Pictures of one camera at one size, quality and rate. It neither counts as a viewer nor keeps the camera open.
#[derive(Debug)]
pub struct PictureStream {
    service: SnapshotService,
    options: JpegOptions,
    interval: Option<Duration>,
    /// The next picture is captured after this.
    after: Timestamp,
    state: State,
    originals: Option<JpegSubscription>,
}

#[derive(Debug)]
enum State {
    Ready,
    Requested(oneshot::Receiver<Answer>),
    Paused(Pin<Box<Sleep>>),
}

impl SnapshotService {
    /// Returns the pictures after `first`, at most one in each `interval`.
    pub fn stream(
        &self,
        options: JpegOptions,
        interval: Option<Duration>,
        first: &Snapshot,
    ) -> PictureStream {
        PictureStream::new(self.clone(), options, interval, first.captured_at)
    }

    /// Counts a client of a stream as a viewer, and keeps the camera open for it.
    pub fn count_viewer(&self) -> ViewerGuard {
        self.camera().hub().count_viewer()
    }

    /// Counts what an output makes of a JPEG as a JPEG, until the last copy of the result is dropped.
    pub fn count_bytes(&self, bytes: Bytes) -> Bytes {
        self.budget().jpegs().count(bytes)
    }
}

impl PictureStream {
    /// Begins after the picture captured at `after`.
    pub(super) fn new(
        service: SnapshotService,
        options: JpegOptions,
        interval: Option<Duration>,
        after: Timestamp,
    ) -> Self {
        let camera = service.camera();
        Self {
            originals: options.is_original().then(|| camera.subscribe_jpegs()),
            service,
            options,
            interval,
            after: interval.map_or(after, |interval| next_due(after, after, interval)),
            state: State::Ready,
        }
    }

    /// Returns the next picture, or wakes the task when there is one.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Snapshot> {
        loop {
            match &mut self.state {
                State::Ready => {
                    let original = self.originals.as_ref();
                    let original = original.map(|it| it.poll_after(Some(self.after), context));
                    match original {
                        None | Some(Poll::Ready(None)) => {
                            let after = Some(self.after);
                            let receiver = self.service.enqueue(self.options, after, true);
                            self.state = State::Requested(receiver);
                        }
                        Some(Poll::Ready(Some(jpeg))) => match self.service.share_original(&jpeg) {
                            Some(picture) => return Poll::Ready(self.deliver(picture)),
                            None => self.pause(NO_MEMORY_RETRY_AFTER),
                        },
                        Some(Poll::Pending) => return Poll::Pending,
                    }
                }
                State::Requested(receiver) => {
                    let answer = ready!(Pin::new(receiver).poll(context));
                    self.state = State::Ready;
                    match answer {
                        Ok(Ok(picture)) => return Poll::Ready(self.deliver(picture)),
                        Ok(Err(SnapshotError::Busy)) => self.pause(NO_MEMORY_RETRY_AFTER),
                        Ok(Err(_)) | Err(_) => self.pause(RETRY_AFTER),
                    }
                }
                State::Paused(sleep) => {
                    ready!(sleep.as_mut().poll(context));
                    self.state = State::Ready;
                }
            }
        }
    }

    fn pause(&mut self, time: Duration) {
        self.state = State::Paused(Box::pin(tokio::time::sleep(time)));
    }

    fn deliver(&mut self, picture: Snapshot) -> Snapshot {
        self.after = match self.interval {
            None => picture.captured_at,
            Some(interval) => next_due(self.after, picture.captured_at, interval),
        };
        picture
    }
}

impl Drop for PictureStream {
    fn drop(&mut self) {
        if self.originals.is_some() {
            self.service.release_original();
        }
    }
}

/// Returns the time after which the next picture is captured, where the last was due after `due`. A picture that is a
/// little late does not move the following ones, so that the mean rate is the wanted one.
fn next_due(due: Timestamp, captured_at: Timestamp, interval: Duration) -> Timestamp {
    let next = due + interval;
    if next > captured_at {
        next
    } else {
        captured_at + interval
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera_handle::{Endpoint, channel};
    use crate::hub::CameraState;
    use crate::snapshot::Budget;
    use std::task::Waker;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_nanos(ms * 1_000_000)
    }

    #[test]
    fn interval_keeps_the_mean_rate() {
        let tenth = Duration::from_millis(100);
        // 30 frames/s, of which ten are wanted.
        let mut due = at(0);
        let mut taken = Vec::new();
        for frame in 0..90 {
            let captured_at = at(frame * 100 / 3);
            if captured_at > due {
                taken.push(frame);
                due = next_due(due, captured_at, tenth);
            }
        }
        assert_eq!(taken.len(), 30, "{taken:?}");
        // After a pause it does not catch up.
        assert_eq!(next_due(at(100), at(5000), tenth), at(5100));
    }

    fn stream(interval: Option<Duration>) -> (Endpoint, PictureStream) {
        let (camera, handle) = channel([]);
        camera.jpegs.set_has_jpegs(true);
        camera.publisher.set_status(CameraState::Live, "");
        let service = SnapshotService::new("camera".into(), handle, Budget::new(64));
        let first = Snapshot {
            jpeg: Bytes::new(),
            captured_at: at(1000),
        };
        let stream = service.stream(JpegOptions::default(), interval, &first);
        (camera, stream)
    }

    fn poll(stream: &mut PictureStream) -> Option<Snapshot> {
        match stream.poll_next(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(picture) => Some(picture),
            Poll::Pending => None,
        }
    }

    #[test]
    fn original_jpegs_are_newest_and_untouched() {
        let (camera, mut stream) = stream(None);
        assert_eq!(poll(&mut stream), None);
        camera.jpegs.publish(|| Some((at(1000), b"first")));
        assert_eq!(poll(&mut stream), None, "it has been sent");
        camera.jpegs.publish(|| Some((at(1001), b"second")));
        camera.jpegs.publish(|| Some((at(1002), b"third")));
        let picture = poll(&mut stream).unwrap();
        assert_eq!(
            (&picture.jpeg[..], picture.captured_at),
            (&b"third"[..], at(1002))
        );
        assert_eq!(poll(&mut stream), None);
    }

    #[test]
    fn interval_passes_over_original_jpegs() {
        let (camera, mut stream) = stream(Some(Duration::from_millis(100)));
        let mut taken = Vec::new();
        for frame in 1..=30 {
            camera
                .jpegs
                .publish(|| Some((at(1000 + frame * 33), b"JPEG")));
            taken.extend(poll(&mut stream).map(|_| frame));
        }
        assert_eq!(taken, [4, 7, 10, 13, 16, 19, 22, 25, 28]);
    }
}
