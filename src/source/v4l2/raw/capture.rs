//! Capture thread that keeps the latest frame. The encoder gets that one, however long the last one
//! took. Overwritten frames go back to the driver at once and are counted.

use super::super::buffer_check::{BufferClassifier, BufferKind};
use crate::shutdown::{ShutdownToken, WaitResult};
use crate::time::Timestamp;
use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use v4l2::{BufferGuard, DeviceError, Stream};

/// Interval of log checks while no frame comes.
const LOG_POLL_INTERVAL: Duration = Duration::from_millis(500);

/// Frame in its buffer.
#[derive(Debug)]
pub(super) struct CapturedFrame {
    pub(super) held: BufferGuard,
    pub(super) captured_at: Timestamp,
    /// Time of dequeuing.
    pub(super) arrived_at: Timestamp,
}

/// Slot for one frame, shared by the capture thread and the encoder's side.
///
/// Generic, so that tests and measurements can use it without a V4L2 device.
#[derive(Debug)]
pub struct LatestFrame<T> {
    slot: Mutex<Slot<T>>,
    ready: OwnedFd,
}

#[derive(Debug)]
struct Slot<T> {
    picture: Option<T>,
    overwritten: u64,
}

impl<T> LatestFrame<T> {
    /// Creates an empty slot. Fails if the process has no descriptors left.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            slot: Mutex::new(Slot {
                picture: None,
                overwritten: 0,
            }),
            ready: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Slot<T>> {
        // No operation leaves it half done.
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores a frame; one that was not taken is overwritten.
    pub fn put(&self, picture: T) {
        let mut place = self.lock();
        // Dropped without the lock: it goes back to a driver.
        let old = place.picture.replace(picture);
        place.overwritten += u64::from(old.is_some());
        drop(place);
        self.wake();
    }

    /// Takes the frame, if there is one.
    pub fn take(&self) -> Option<T> {
        let mut place = self.lock();
        // Before the slot is empty for others: a later frame signals again.
        let _ = rustix::io::read(&self.ready, &mut [0; 8]);
        place.picture.take()
    }

    /// Returns the number of overwritten frames.
    pub fn overwritten(&self) -> u64 {
        self.lock().overwritten
    }

    /// Signals [`LatestFrame::fd`].
    fn wake(&self) {
        // An eventfd takes 2^64-2 such writes before one would block.
        let _ = rustix::io::write(&self.ready, &1u64.to_ne_bytes());
    }

    /// Returns the descriptor, which is readable while a frame waits.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.ready.as_fd()
    }
}

/// Other state shared by the two sides.
#[derive(Default, Debug)]
struct CaptureReport {
    /// Error that ended the thread.
    end: Option<DeviceError>,
    /// Frames that the camera or its driver lost or damaged.
    lost: u64,
}

/// Handle of the thread, which ends on drop.
#[derive(Debug)]
pub(super) struct CaptureThread {
    newest: Arc<LatestFrame<CapturedFrame>>,
    report: Arc<Mutex<CaptureReport>>,
    shutdown: ShutdownToken,
    thread: Option<JoinHandle<()>>,
}

impl CaptureThread {
    /// Starts capturing. `is_whole` checks the amount of data in a buffer.
    pub(super) fn start(
        camera: &str,
        stream: Arc<Stream>,
        is_whole: impl Fn(&BufferGuard) -> bool + Send + 'static,
    ) -> io::Result<Self> {
        let mut capturing = Self {
            newest: Arc::new(LatestFrame::new()?),
            report: Arc::default(),
            shutdown: ShutdownToken::new()?,
            thread: None,
        };
        let worker = CaptureWorker {
            name: camera.to_owned(),
            stream,
            newest: capturing.newest.clone(),
            report: capturing.report.clone(),
            shutdown: capturing.shutdown.clone(),
            buffers: BufferClassifier::default(),
        };
        let thread = std::thread::Builder::new()
            .name(format!("{camera} capture"))
            .spawn(move || worker.run(is_whole))?;
        capturing.thread = Some(thread);
        Ok(capturing)
    }

    /// Takes the latest frame. An error is final.
    pub(super) fn take(&self) -> Result<Option<CapturedFrame>, DeviceError> {
        match self.newest.take() {
            Some(frame) => Ok(Some(frame)),
            None => match self.report().end {
                Some(failure) => Err(failure),
                None => Ok(None),
            },
        }
    }

    /// Returns the descriptor, which is readable on a frame or the end.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.newest.fd()
    }

    /// Returns the number of lost frames: by the camera, by its driver, and overwritten.
    pub(super) fn dropped(&self) -> u64 {
        self.newest.overwritten() + self.report().lost
    }

    /// Returns the number of overwritten frames.
    pub(super) fn overwritten(&self) -> u64 {
        self.newest.overwritten()
    }

    fn report(&self) -> MutexGuard<'_, CaptureReport> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for CaptureThread {
    fn drop(&mut self) {
        self.shutdown.trigger();
        if let Some(thread) = self.thread.take() {
            // Closes the device together with this source, not later.
            let _ = thread.join();
        }
    }
}

struct CaptureWorker {
    name: String,
    stream: Arc<Stream>,
    newest: Arc<LatestFrame<CapturedFrame>>,
    report: Arc<Mutex<CaptureReport>>,
    shutdown: ShutdownToken,
    buffers: BufferClassifier,
}

impl CaptureWorker {
    fn run(mut self, is_whole: impl Fn(&BufferGuard) -> bool) {
        loop {
            match self
                .shutdown
                .wait_readable(self.stream.fd(), LOG_POLL_INTERVAL)
            {
                WaitResult::Shutdown => return,
                WaitResult::TimedOut => {}
                WaitResult::Ready => match self.stream.dequeue() {
                    Ok(filled) => self.classify(filled, &is_whole),
                    // Woken without a frame: wait before the next attempt.
                    Err(DeviceError::WouldBlock) => {
                        let _ = self.shutdown.sleep(Duration::from_millis(5));
                    }
                    Err(failure) => {
                        self.update_report(|report| report.end = Some(failure));
                        self.newest.wake();
                        return;
                    }
                },
            }
            self.buffers.log(&self.name, Timestamp::now());
        }
    }

    fn classify(&mut self, filled: v4l2::DequeuedBuffer, is_whole: impl Fn(&BufferGuard) -> bool) {
        let arrived_at = Timestamp::now();
        let (sequence, is_damaged) = (filled.sequence, filled.is_damaged);
        let stamp = filled.timestamp.map(Timestamp::from);
        let held = BufferGuard::new(self.stream.clone(), filled);
        // The first buffer of v4l2loopback is of an earlier feeder.
        let is_stale = sequence == 0 && self.stream.device().identity().is_loopback();
        let kind = if is_damaged {
            BufferKind::Damaged
        } else if is_stale || held.plane_len(0) == 0 {
            BufferKind::Empty
        } else if !is_whole(&held) {
            BufferKind::Short
        } else {
            BufferKind::Frame
        };
        let before = self.buffers.lost();
        self.buffers.record(sequence, kind);
        let lost = self.buffers.lost() - before;
        self.update_report(|report| report.lost += lost);
        if kind == BufferKind::Frame {
            self.newest.put(CapturedFrame {
                held,
                captured_at: super::super::captured_at(stamp, arrived_at),
                arrived_at,
            });
        }
    }

    fn update_report(&self, change: impl FnOnce(&mut CaptureReport)) {
        change(&mut self.report.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latest_frame_wins_and_overwritten_are_counted() {
        let newest = LatestFrame::new().unwrap();
        assert_eq!(newest.take(), None::<u32>);
        newest.put(1);
        assert_eq!(newest.take(), Some(1));
        for picture in 2..=5 {
            newest.put(picture);
        }
        assert_eq!((newest.take(), newest.overwritten()), (Some(5), 3));
        assert_eq!(newest.take(), None);
    }

    #[test]
    fn fd_is_readable_only_while_a_frame_waits() {
        let (shutdown, newest) = (ShutdownToken::new().unwrap(), LatestFrame::new().unwrap());
        let wait = |newest: &LatestFrame<u32>| shutdown.wait_readable(newest.fd(), Duration::ZERO);
        assert_eq!(wait(&newest), WaitResult::TimedOut);
        newest.put(1);
        newest.put(2);
        assert_eq!(wait(&newest), WaitResult::Ready);
        newest.take();
        assert_eq!(wait(&newest), WaitResult::TimedOut);
        newest.put(3);
        assert_eq!(wait(&newest), WaitResult::Ready);
    }
}
