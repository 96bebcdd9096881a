//! Requests for a camera's newest frame, and the thread that answers all of them together: never
//! more than one decodes.

use super::budget::{Budget, Reservation};
use super::frame_decoder::FrameDecoder;
use super::queue::{Answer, Inner, Queue, Request};
use super::{JpegOptions, Snapshot, SnapshotError};
use crate::camera_handle::{Handle, Jpeg};
use crate::logger::LogThrottle;
use crate::time::Timestamp;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;
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

/// Behind the cameras, the fan-out and HTTP, where there are not enough cores for all. Not for streams, which have
/// viewers like any other.
const SNAPSHOT_NICENESS: i32 = 10;

/// Snapshot service of one camera. Clones share it.
#[derive(Clone, Debug)]
pub struct SnapshotService(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    name: Arc<str>,
    camera: Handle,
    budget: Budget,
    queue: Arc<Queue>,
    /// Newest JPEG of a camera that delivers JPEG, while streams take them.
    original: Mutex<Option<Snapshot>>,
    /// Failures of the decoder's process.
    failures: AtomicU64,
    failure_log: Mutex<LogThrottle>,
}

/// A decoder and the memory that is reserved for it.
struct DecoderState {
    decoder: FrameDecoder,
    reservation: Option<Reservation>,
}

impl DecoderState {
    /// Ends the decoder's process, which returns its memory to the system, then lets others have it.
    fn release(&mut self) {
        self.decoder = FrameDecoder::default();
        self.reservation = None;
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
        let queue = Arc::new(Queue::default());
        camera.hub().subscribe_wakeups(Waker::from(queue.clone()));
        Self(Arc::new(Shared {
            name,
            camera,
            budget,
            queue,
            original: Mutex::default(),
            failures: AtomicU64::new(0),
            failure_log: Mutex::default(),
        }))
    }

    /// Returns the newest frame. A camera that is being opened, or is closed for lack of viewers, has ten seconds to
    /// deliver one. Dropping the future cancels the request.
    pub fn request(&self, options: JpegOptions) -> impl Future<Output = Answer> + use<> {
        Self::answer_of(self.enqueue(options, None, false))
    }

    /// Returns the newest frame as the first of a stream, else as [`request`](Self::request).
    pub fn request_first(&self, options: JpegOptions) -> impl Future<Output = Answer> + use<> {
        Self::answer_of(self.enqueue(options, None, true))
    }

    async fn answer_of(receiver: oneshot::Receiver<Answer>) -> Answer {
        let gone = |_| SnapshotError::NoFrame("no snapshot can be made now".to_owned());
        receiver.await.map_err(gone).and_then(|answer| answer)
    }

    /// Returns how often the decoder's process failed, after each of which the next request starts another.
    pub fn decoder_restarts(&self) -> u64 {
        self.0.failures.load(Ordering::Relaxed)
    }

    pub(super) fn camera(&self) -> &Handle {
        &self.0.camera
    }

    pub(super) fn budget(&self) -> &Budget {
        &self.0.budget
    }

    /// Requests a picture captured later than `after`, or the newest. The thread that it may start has the priority of
    /// streams or of snapshots.
    pub(super) fn enqueue(
        &self,
        options: JpegOptions,
        after: Option<Timestamp>,
        is_stream: bool,
    ) -> oneshot::Receiver<Answer> {
        let (answer, receiver) = oneshot::channel();
        let mut inner = self.0.queue.lock();
        let added = inner.add(Request {
            options,
            after,
            since: Timestamp::now(),
            answer,
        });
        if let Err(request) = added {
            drop(inner);
            reject([request], &SnapshotError::Busy);
            return receiver;
        }
        if inner.has_worker {
            self.0.queue.changed.notify_all();
            return receiver;
        }
        let shared = self.0.clone();
        let thread = std::thread::Builder::new().name(format!("{} snapshot", shared.name));
        let niceness = (!is_stream).then_some(SNAPSHOT_NICENESS);
        inner.has_worker = thread.spawn(move || shared.run(niceness)).is_ok();
        if !inner.has_worker {
            // Their senders are dropped with them, which is answer enough.
            inner.pending.clear();
        }
        receiver
    }

    /// Returns the camera's JPEG `jpeg` as all streams share it; `None` if there is no memory for it.
    pub(super) fn share_original(&self, jpeg: &Jpeg) -> Option<Snapshot> {
        let mut newest = (self.0.original.lock()).unwrap_or_else(PoisonError::into_inner);
        let is_same = |known: &&Snapshot| known.captured_at == jpeg.captured_at;
        if let Some(known) = newest.as_ref().filter(is_same) {
            return Some(known.clone());
        }
        *newest = None;
        let quota = self.0.budget.jpegs();
        *newest = quota.has_room().then(|| Snapshot {
            jpeg: quota.count(jpeg.bytes.clone()),
            captured_at: jpeg.captured_at,
        });
        newest.clone()
    }

    /// Releases what [`share_original`](Self::share_original) keeps. A stream that goes on takes the next.
    pub(super) fn release_original(&self) {
        let mut newest = (self.0.original.lock()).unwrap_or_else(PoisonError::into_inner);
        let before = newest.take();
        drop(newest);
        drop(before);
    }
}

/// Guard of the working thread. A thread that panics (a decoder met something new) makes room for
/// the next, and its requests fail.
struct WorkerGuard<'a>(&'a Queue);

impl Drop for WorkerGuard<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut inner = self.0.lock();
            inner.end_worker();
            inner.pending.clear();
        }
    }
}

impl Shared {
    /// Answers requests until there was none for [`DECODER_IDLE_TIMEOUT`].
    fn run(&self, niceness: Option<i32>) {
        if let Some(niceness) = niceness {
            // Where it may not be changed it is right as it is.
            let _ = rustix::process::setpriority_process(None, niceness);
        }
        let mut hold = Some(self.camera.hub().keep_open());
        let _guard = WorkerGuard(&self.queue);
        let mut decoding = DecoderState {
            decoder: FrameDecoder::default(),
            reservation: None,
        };
        let mut asked_at = Timestamp::now();
        loop {
            let has_due = self.wait_for_work(&decoding);
            let mut inner = self.queue.lock();
            inner.pending.retain(|request| !request.answer.is_closed());
            if inner.pending.is_empty() {
                if !self.follows(&decoding, asked_at) {
                    inner.end_worker();
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
            if !has_due {
                // Streams wait for frames, and the memory is of no use until then. They keep the camera open.
                self.forget_decoded();
                decoding.release();
                hold = None;
                continue;
            }
            hold.get_or_insert_with(|| self.camera.hub().keep_open());
            if !decoding.decoder.has_begun() && FrameDecoder::is_costly(self.camera.hub()) {
                // A camera that makes one on request spares the decoder the rest.
                self.camera.request_keyframe();
            }
            if self.budget.is_contended() {
                // Others were first, however often this camera is asked for.
                self.forget_decoded();
                decoding.release();
            }
            self.reply(&mut decoding);
        }
    }

    /// Waits for a request that can be worked on, a decoder that is behind, or others that wait for memory; at most for
    /// [`DECODER_IDLE_TIMEOUT`]. Returns true if a request can be worked on.
    fn wait_for_work(&self, decoding: &DecoderState) -> bool {
        let is_held = decoding.reservation.is_some();
        let time = if decoding.decoder.is_behind() {
            Duration::ZERO
        } else {
            DECODER_IDLE_TIMEOUT
        };
        self.queue.set_waits_for_frames(true);
        let nothing = |inner: &mut Inner| {
            let is_idle = inner.pending.is_empty();
            !inner.has_due(self.camera.hub().newest_captured_at())
                && !((is_held || is_idle) && self.budget.is_contended())
        };
        let waited = (self.queue.changed).wait_timeout_while(self.queue.lock(), time, nothing);
        let inner = match waited {
            Ok((inner, _)) => inner,
            Err(poisoned) => poisoned.into_inner().0,
        };
        self.queue.set_waits_for_frames(false);
        inner.has_due(self.camera.hub().newest_captured_at())
    }

    /// Forgets which frame was decoded, as the decoder is released.
    fn forget_decoded(&self) {
        let mut inner = self.queue.lock();
        (inner.tried_at, inner.decoded_at) = (None, None);
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
                queue.changed.notify_all();
            }
        });
        while !reservation.wait(TURN_POLL_INTERVAL) {
            let mut inner = self.queue.lock();
            inner.pending.retain(|request| !request.answer.is_closed());
            let now = Timestamp::now();
            let (late, patient): (Vec<_>, Vec<_>) = std::mem::take(&mut inner.pending)
                .into_iter()
                .partition(|request| {
                    request.after.is_none() && now.since(request.since) > TURN_TIMEOUT
                });
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
        self.note_failure(found.as_ref().err());
        Some(found)
    }

    /// Counts and logs a failure of the decoder's process.
    fn note_failure(&self, error: Option<&SnapshotError>) {
        let Some(SnapshotError::DecoderFailed(reason)) = error else {
            return;
        };
        self.failures.fetch_add(1, Ordering::Relaxed);
        let mut throttle = (self.failure_log.lock()).unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = throttle.note(reason, Timestamp::now()) {
            log::warn!(
                "camera {}: decoder failed ({line}); the next snapshot starts it again",
                self.name
            );
        }
    }

    /// Requests the camera's own JPEG, if a request wants full size.
    fn camera_jpeg(&self) -> CameraJpeg {
        let mut inner = self.queue.lock();
        inner.pending.retain(|request| !request.answer.is_closed());
        let wants_whole = inner.pending.iter().any(Request::wants_original);
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
        let newest = self.camera.hub().newest_captured_at();
        let Some(found) = self.decode(decoding) else {
            return;
        };
        let decoder = &mut decoding.decoder;
        let mut inner = self.queue.lock();
        inner.tried_at = newest.filter(|_| !decoder.is_behind());
        inner.decoded_at = decoder.captured_at().filter(|_| found == Ok(true));
        let wanted = if found.is_ok() {
            inner.take_due(None)
        } else {
            std::mem::take(&mut inner.pending)
        };
        drop(inner);
        match found {
            Ok(true) => {
                for request in wanted {
                    let answer = decoder.snapshot(request.options, &self.budget);
                    self.note_failure(answer.as_ref().err());
                    let _ = request.answer.send(answer);
                }
            }
            Ok(false) => {
                let now = Timestamp::now();
                let (late, patient): (Vec<_>, Vec<_>) = (wanted.into_iter())
                    .partition(|request| now.since(request.since) > FIRST_FRAME_TIMEOUT);
                let words = if decoder.is_behind() {
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
                if !decoder.is_behind() {
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
    requests.into_iter().partition(Request::wants_original)
}

fn reject(requests: impl IntoIterator<Item = Request>, error: &SnapshotError) {
    for request in requests {
        let _ = request.answer.send(Err(error.clone()));
    }
}

#[cfg(test)]
mod tests;
