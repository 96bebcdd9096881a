//! Requests for a camera's newest frame, and the thread that answers all of them together: never
//! more than one decodes.

use super::budget::{Budget, Reservation};
use super::frame_decoder::FrameDecoder;
use super::{Snapshot, SnapshotError};
use crate::camera_handle::Handle;
use crate::os::heap;
use crate::time::Timestamp;
use std::future::Future;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// The decoder stays where it is for so long after the last who asked: for one who asks each second it need not begin at
/// the keyframe again.
const DECODER_IDLE_TIMEOUT: Duration = Duration::from_secs(5);

/// Time after the last request for which a decoder follows the stream, where a new one would have
/// much to decode.
const FOLLOW_WINDOW: Duration = Duration::from_secs(600);

/// Timeout for the first frame of a camera that is being opened.
const FIRST_FRAME_TIMEOUT: Duration = Duration::from_secs(10);

/// The camera's thread looks for orders several times a second; one that is late leaves it to the decoder.
const CAMERA_JPEG_TIMEOUT: Duration = Duration::from_secs(1);

/// Interval of polls for that frame.
const FRAME_POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Timeout for a decoder's turn, while those of other cameras have the memory.
const TURN_TIMEOUT: Duration = Duration::from_secs(30);

/// Interval at which a request that waits for its turn is checked for being abandoned.
const TURN_POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Most requests that wait for one camera's frame.
const MAX_PENDING: usize = 64;

/// Behind the cameras, the fan-out and HTTP, where there are not enough cores for all.
const NICENESS: i32 = 10;

type Answer = Result<Snapshot, SnapshotError>;

/// Snapshot service of one camera. Clones share it.
#[derive(Clone, Debug)]
pub struct SnapshotService(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    name: Arc<str>,
    camera: Handle,
    budget: Budget,
    queue: Arc<Queue>,
}

#[derive(Default, Debug)]
struct Queue {
    inner: Mutex<Inner>,
    request_added: Condvar,
}

#[derive(Default, Debug)]
struct Inner {
    pending: Vec<Request>,
    has_worker: bool,
}

#[derive(Debug)]
struct Request {
    width: Option<u32>,
    since: Timestamp,
    answer: oneshot::Sender<Answer>,
}

/// A decoder and the memory that is reserved for it.
struct DecoderState {
    decoder: FrameDecoder,
    reservation: Option<Reservation>,
}

impl DecoderState {
    /// Frees the decoder, returns its memory to the system, then lets others have it.
    fn release(&mut self) {
        self.decoder = FrameDecoder::default();
        if self.reservation.is_some() {
            heap::trim();
            self.reservation = None;
        }
    }
}

impl Drop for DecoderState {
    fn drop(&mut self) {
        self.release();
    }
}

/// Outcome of a request for the camera's own JPEG.
enum CameraJpeg {
    Ready(Snapshot),
    /// It has some, but did not deliver one in time.
    TimedOut,
    /// It has none, or no request needs it.
    Unavailable,
}

impl SnapshotService {
    /// Creates the service for the camera `name`, whose decoder is within `budget`.
    pub fn new(name: Arc<str>, camera: Handle, budget: Budget) -> Self {
        Self(Arc::new(Shared {
            name,
            camera,
            budget,
            queue: Arc::default(),
        }))
    }

    /// Returns the newest frame, `width` pixels wide if that is less than it has. A camera that is
    /// being opened, or is closed for lack of viewers, has ten seconds to deliver one. Dropping the
    /// future cancels the request.
    pub fn request(&self, width: Option<u32>) -> impl Future<Output = Answer> + use<> {
        let (sender, receiver) = oneshot::channel();
        self.enqueue(width, sender);
        async {
            let gone = |_| SnapshotError::NoFrame("no snapshot can be made now".to_owned());
            receiver.await.map_err(gone).and_then(|answer| answer)
        }
    }

    fn enqueue(&self, width: Option<u32>, answer: oneshot::Sender<Answer>) {
        let mut inner = self.0.queue.lock();
        if inner.pending.len() >= MAX_PENDING {
            drop(inner);
            let _ = answer.send(Err(SnapshotError::Busy));
            return;
        }
        inner.pending.push(Request {
            width,
            since: Timestamp::now(),
            answer,
        });
        if inner.has_worker {
            self.0.queue.request_added.notify_one();
            return;
        }
        let shared = self.0.clone();
        let thread = std::thread::Builder::new().name(format!("{} snapshot", shared.name));
        inner.has_worker = thread.spawn(move || shared.run()).is_ok();
        if !inner.has_worker {
            // Their senders are dropped with them, which is answer enough.
            inner.pending.clear();
        }
    }
}

impl Queue {
    /// Nothing panics while the lock is held; if it did, the list would still be whole.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Guard of the working thread. A thread that panics (a decoder met something new) makes room for
/// the next, and its requests fail.
struct WorkerGuard<'a>(&'a Queue);

impl Drop for WorkerGuard<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut inner = self.0.lock();
            inner.has_worker = false;
            inner.pending.clear();
        }
    }
}

impl Shared {
    /// Answers requests until there was none for [`DECODER_IDLE_TIMEOUT`].
    fn run(&self) {
        // Where it may not be changed it is right as it is.
        let _ = rustix::process::setpriority_process(None, NICENESS);
        let mut hold = Some(self.camera.hub().keep_open());
        let _guard = WorkerGuard(&self.queue);
        let mut decoding = DecoderState {
            decoder: FrameDecoder::default(),
            reservation: None,
        };
        let mut asked_at = Timestamp::now();
        loop {
            let mut inner = self.queue.lock();
            if inner.pending.is_empty() {
                let nobody =
                    |inner: &mut Inner| inner.pending.is_empty() && !self.budget.is_contended();
                let time = if decoding.decoder.is_behind() {
                    Duration::ZERO
                } else {
                    DECODER_IDLE_TIMEOUT
                };
                inner = match self
                    .queue
                    .request_added
                    .wait_timeout_while(inner, time, nobody)
                {
                    Ok((inner, _)) => inner,
                    Err(poisoned) => poisoned.into_inner().0,
                };
            }
            if inner.pending.is_empty() {
                if !self.follows(&decoding, asked_at) {
                    inner.has_worker = false;
                    return;
                }
                drop(inner);
                // It keeps no camera open without a viewer.
                hold = None;
                if !matches!(self.decode(&mut decoding), Some(Ok(_))) {
                    decoding.release();
                }
                continue;
            }
            drop(inner);
            asked_at = Timestamp::now();
            hold.get_or_insert_with(|| self.camera.hub().keep_open());
            if !decoding.decoder.has_begun() && FrameDecoder::is_costly(self.camera.hub()) {
                // A camera that makes one on request spares the decoder the rest.
                self.camera.request_keyframe();
            }
            if self.budget.is_contended() {
                // Others were first, however often this camera is asked for.
                decoding.release();
            }
            self.reply(&mut decoding);
        }
    }

    /// Returns whether the decoder goes on while nobody asks: it is still catching up, or the next one would have to.
    fn follows(&self, decoding: &DecoderState, asked_at: Timestamp) -> bool {
        decoding.decoder.has_begun()
            && !self.budget.is_contended()
            && Timestamp::now().since(asked_at) < FOLLOW_WINDOW
            && (decoding.decoder.is_behind() || FrameDecoder::is_costly(self.camera.hub()))
    }

    /// Waits for this camera's turn to have a decoder of `bytes`. Returns false if no request is
    /// left.
    fn wait_for_turn(&self, decoding: &mut DecoderState, bytes: u64) -> bool {
        if decoding
            .reservation
            .as_ref()
            .is_some_and(|it| it.bytes() >= bytes)
        {
            return true;
        }
        decoding.release();
        let queue = Arc::downgrade(&self.queue);
        let reservation = self.budget.reserve(bytes, move || {
            if let Some(queue) = queue.upgrade() {
                drop(queue.lock());
                queue.request_added.notify_all();
            }
        });
        while !reservation.wait(TURN_POLL_INTERVAL) {
            let mut inner = self.queue.lock();
            inner.pending.retain(|request| !request.answer.is_closed());
            let now = Timestamp::now();
            let (late, patient): (Vec<_>, Vec<_>) = std::mem::take(&mut inner.pending)
                .into_iter()
                .partition(|request| now.since(request.since) > TURN_TIMEOUT);
            inner.pending = patient;
            let is_left = !inner.pending.is_empty();
            drop(inner);
            reject(late, &SnapshotError::Busy);
            if !is_left {
                return false;
            }
        }
        decoding.reservation = Some(reservation);
        true
    }

    /// Decodes the frames that arrived, when it is this camera's turn. True if there is a frame
    /// then; `None` if no request is left.
    fn decode(&self, decoding: &mut DecoderState) -> Option<Result<bool, SnapshotError>> {
        let bytes = match decoding.decoder.bytes_needed(self.camera.hub()) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Some(Ok(false)),
            Err(error) => return Some(Err(error)),
        };
        if bytes > self.budget.allowed() {
            return Some(Err(SnapshotError::TooLarge {
                needed: bytes,
                allowed: self.budget.allowed(),
            }));
        }
        if !self.wait_for_turn(decoding, bytes) {
            return None;
        }
        let found = decoding
            .decoder
            .advance(self.camera.hub(), bytes, &|| self.budget.is_contended());
        Some(found)
    }

    /// Requests the camera's own JPEG, if a request wants full size.
    fn camera_jpeg(&self) -> CameraJpeg {
        let mut inner = self.queue.lock();
        inner.pending.retain(|request| !request.answer.is_closed());
        let wants_whole = inner.pending.iter().any(|request| request.width.is_none());
        drop(inner);
        let order = wants_whole.then(|| self.camera.request_jpeg()).flatten();
        match order.map(|order| order.recv_timeout(CAMERA_JPEG_TIMEOUT)) {
            Some(Ok(jpeg)) => CameraJpeg::Ready(Snapshot {
                jpeg: jpeg.bytes,
                captured_at: jpeg.captured_at,
            }),
            Some(Err(RecvTimeoutError::Timeout)) => CameraJpeg::TimedOut,
            // The camera was closed meanwhile.
            None | Some(Err(RecvTimeoutError::Disconnected)) => CameraJpeg::Unavailable,
        }
    }

    /// Sends the camera's own JPEG to all full-size requests; returns true if no request is left.
    fn reply_full_size(&self, snapshot: &Snapshot) -> bool {
        let mut inner = self.queue.lock();
        // Requests that came meanwhile are served as well.
        let (whole, smaller) = split_full_size(std::mem::take(&mut inner.pending));
        let is_done = smaller.is_empty();
        inner.pending = smaller;
        drop(inner);
        for request in whole {
            let _ = request.answer.send(Ok(snapshot.clone()));
        }
        is_done
    }

    /// Answers the pending requests, or leaves them pending if there is no frame yet.
    fn reply(&self, decoding: &mut DecoderState) {
        let own = self.camera_jpeg();
        if let CameraJpeg::Ready(snapshot) = &own
            && self.reply_full_size(snapshot)
        {
            return;
        }
        let Some(found) = self.decode(decoding) else {
            return;
        };
        let newest = &mut decoding.decoder;
        let waiting = std::mem::take(&mut self.queue.lock().pending);
        let wanted = waiting.into_iter().filter(|one| !one.answer.is_closed());
        match found {
            Ok(true) => {
                let mut made: Vec<(Option<u32>, Snapshot)> = Vec::new();
                for request in wanted {
                    let known = made.iter().find(|(width, _)| *width == request.width);
                    let answer = match known {
                        Some((_, snapshot)) => Ok(snapshot.clone()),
                        None => newest.snapshot(request.width, &self.budget),
                    };
                    if let (None, Ok(snapshot)) = (known, &answer) {
                        made.push((request.width, snapshot.clone()));
                    }
                    let _ = request.answer.send(answer);
                }
            }
            Ok(false) => {
                let now = Timestamp::now();
                let (late, patient): (Vec<_>, Vec<_>) =
                    wanted.partition(|request| now.since(request.since) > FIRST_FRAME_TIMEOUT);
                let words = if decoding.decoder.is_behind() {
                    "the last keyframe is so long ago that decoding all since then takes more than 10 seconds; \
                     it goes on, so try again, or let the camera send keyframes"
                        .to_owned()
                } else {
                    format!(
                        "no picture within {} seconds",
                        FIRST_FRAME_TIMEOUT.as_secs()
                    )
                };
                reject(late, &SnapshotError::NoFrame(words));
                self.queue.lock().pending.extend(patient);
                if !decoding.decoder.is_behind() {
                    std::thread::sleep(FRAME_POLL_INTERVAL);
                }
            }
            // The next time its own is there, which needs no decoder.
            Err(error @ (SnapshotError::Unsupported(_) | SnapshotError::TooLarge { .. }))
                if matches!(own, CameraJpeg::TimedOut) =>
            {
                let (whole, smaller) = split_full_size(wanted);
                let words = "the camera is too busy to give one".to_owned();
                reject(whole, &SnapshotError::NoFrame(words));
                reject(smaller, &error);
            }
            Err(error) => reject(wanted, &error),
        }
    }
}

/// Splits requests into those for full size and the others.
fn split_full_size(requests: impl IntoIterator<Item = Request>) -> (Vec<Request>, Vec<Request>) {
    requests.into_iter().partition(|one| one.width.is_none())
}

fn reject(requests: impl IntoIterator<Item = Request>, error: &SnapshotError) {
    for request in requests {
        let _ = request.answer.send(Err(error.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera_handle::{Command, Jpeg, channel};
    use crate::hub::CameraState;
    use crate::media::{Description, Frame, FrameHeader, Parameters};
    use bytes::Bytes;

    #[tokio::test]
    async fn snapshot_prefers_camera_jpeg() {
        let (camera, handle) = channel([]);
        let service = SnapshotService::new("camera".into(), handle, Budget::new(64));
        let first = service.request(None);
        let second = service.request(None);
        // It is being opened meanwhile.
        camera.commands.open(true);
        camera.publisher.set_status(CameraState::Live, "");
        let jpeg = Jpeg {
            bytes: Bytes::from_static(b"JPEG"),
            captured_at: Timestamp::from_nanos(1),
        };
        let answer = async {
            loop {
                for command in camera.commands.take() {
                    if let Command::Jpeg(requester) = command {
                        requester.send(jpeg.clone()).unwrap();
                    }
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let both = async { (first.await, second.await) };
        let both = tokio::select! { both = both => both, () = answer => unreachable!() };
        let snapshot = Snapshot {
            jpeg: jpeg.bytes.clone(),
            captured_at: jpeg.captured_at,
        };
        assert_eq!(both, (Ok(snapshot.clone()), Ok(snapshot)));
    }

    #[tokio::test]
    async fn late_camera_jpeg_is_a_temporary_error() {
        let (camera, handle) = channel([]);
        camera.publisher.set_status(CameraState::Live, "");
        camera.commands.open(true);
        // A video that no decoder takes is to one with a decoder what any is to one without.
        let parameters = Arc::new(Parameters::new(Description {
            parameter_sets: vec![vec![0x67]],
            ..Description::default()
        }));
        let header = FrameHeader {
            parameters,
            sequence: 1,
            decode_time: 0,
            composition_offset: None,
            duration: 3000,
            nominal_duration: 3000,
            captured_at: Timestamp::from_nanos(0),
            is_keyframe: true,
            is_disposable: false,
            recovery: None,
        };
        let frame = Frame::new(header, std::iter::empty());
        camera.publisher.publish(frame, Timestamp::from_nanos(0));
        let service = SnapshotService::new("camera".into(), handle, Budget::new(64));
        let (whole, smaller) = (service.request(None), service.request(Some(16)));
        let words = "the camera is too busy to give one".to_owned();
        assert_eq!(whole.await, Err(SnapshotError::NoFrame(words)));
        assert!(matches!(smaller.await, Err(SnapshotError::Unsupported(_))));
    }

    #[tokio::test]
    async fn lost_camera_error_has_its_reason() {
        let (camera, handle) = channel([]);
        camera
            .publisher
            .set_status(CameraState::Lost, "it was unplugged");
        camera.commands.open(true);
        let error = SnapshotError::NoFrame("it was unplugged".into());
        assert_eq!(
            SnapshotService::new("camera".into(), handle, Budget::new(64))
                .request(None)
                .await,
            Err(error)
        );
    }
}
