//! Takes pictures from a camera on a thread of its own and keeps the newest: who encodes gets that one, however long the last
//! one took, and what nobody had time for goes back to the driver at once and is counted.

use super::super::buffers::{Buffers, Verdict};
use crate::shutdown::{ShutdownToken, WaitResult};
use crate::time::Timestamp;
use crate::v4l2::{BufferGuard, DeviceError, Stream};
use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often the thread looks after its log lines while no picture comes.
const SLICE: Duration = Duration::from_millis(500);

/// A picture and the buffer that it is in.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) held: BufferGuard,
    pub(super) captured_at: Timestamp,
    /// When it was taken from the driver.
    pub(super) arrived_at: Timestamp,
}

/// What the thread and the encoder's side share: place for one picture.
///
/// Of any kind, so that the same place serves cameras that are not V4L2 devices (tests, measurements).
#[derive(Debug)]
pub struct Newest<T> {
    place: Mutex<Place<T>>,
    news: OwnedFd,
}

#[derive(Debug)]
struct Place<T> {
    picture: Option<T>,
    passed_over: u64,
}

impl<T> Newest<T> {
    /// An empty place. Errors when the process has no descriptors left.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            place: Mutex::new(Place {
                picture: None,
                passed_over: 0,
            }),
            news: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Place<T>> {
        // Nothing in here can be half done.
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a picture there; one that nobody has taken is passed over.
    pub fn put(&self, picture: T) {
        let mut place = self.lock();
        // To be dropped without the lock: it goes back to a driver.
        let old = place.picture.replace(picture);
        place.passed_over += u64::from(old.is_some());
        drop(place);
        self.wake();
    }

    /// Takes the picture, if there is one.
    pub fn take(&self) -> Option<T> {
        let mut place = self.lock();
        // Before the place is empty for others: what is put in afterwards wakes anew.
        let _ = rustix::io::read(&self.news, &mut [0; 8]);
        place.picture.take()
    }

    /// How many pictures nobody had time for.
    pub fn passed_over(&self) -> u64 {
        self.lock().passed_over
    }

    /// Wakes who waits for [`Newest::fd`].
    fn wake(&self) {
        // An eventfd takes 2^64-2 such words before a write would block.
        let _ = rustix::io::write(&self.news, &1u64.to_ne_bytes());
    }

    /// Readable when there is a picture.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.news.as_fd()
    }
}

/// What else the two sides tell each other.
#[derive(Default, Debug)]
struct Report {
    /// Why the thread has ended.
    end: Option<DeviceError>,
    /// Pictures that the camera or its driver lost or damaged.
    lost: u64,
}

/// The thread. Ends with this value, which waits for it.
#[derive(Debug)]
pub(super) struct Capturing {
    newest: Arc<Newest<Frame>>,
    report: Arc<Mutex<Report>>,
    shutdown: ShutdownToken,
    thread: Option<JoinHandle<()>>,
}

impl Capturing {
    /// Begins to take pictures. `is_whole` looks at how much is in a buffer.
    pub(super) fn start(
        camera: &str,
        stream: Arc<Stream>,
        is_whole: impl Fn(&BufferGuard) -> bool + Send + 'static,
    ) -> io::Result<Self> {
        let mut capturing = Self {
            newest: Arc::new(Newest::new()?),
            report: Arc::default(),
            shutdown: ShutdownToken::new()?,
            thread: None,
        };
        let worker = Worker {
            name: camera.to_owned(),
            stream,
            newest: capturing.newest.clone(),
            report: capturing.report.clone(),
            shutdown: capturing.shutdown.clone(),
            buffers: Buffers::default(),
        };
        let thread = std::thread::Builder::new()
            .name(format!("{camera} capture"))
            .spawn(move || worker.run(is_whole))?;
        capturing.thread = Some(thread);
        Ok(capturing)
    }

    /// The newest picture that nobody has taken yet. An error is the end.
    pub(super) fn take(&self) -> Result<Option<Frame>, DeviceError> {
        match self.newest.take() {
            Some(frame) => Ok(Some(frame)),
            None => match self.report().end {
                Some(failure) => Err(failure),
                None => Ok(None),
            },
        }
    }

    /// Readable when there is a picture, or the end.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.newest.fd()
    }

    /// Pictures that were lost: by the camera, by its driver, and those that nobody had time for.
    pub(super) fn dropped(&self) -> u64 {
        self.newest.passed_over() + self.report().lost
    }

    /// Pictures that nobody had time for.
    pub(super) fn passed_over(&self) -> u64 {
        self.newest.passed_over()
    }

    fn report(&self) -> MutexGuard<'_, Report> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Capturing {
    fn drop(&mut self) {
        self.shutdown.trigger();
        if let Some(thread) = self.thread.take() {
            // The device is closed when this source is gone, not some time later.
            let _ = thread.join();
        }
    }
}

struct Worker {
    name: String,
    stream: Arc<Stream>,
    newest: Arc<Newest<Frame>>,
    report: Arc<Mutex<Report>>,
    shutdown: ShutdownToken,
    buffers: Buffers,
}

impl Worker {
    fn run(mut self, is_whole: impl Fn(&BufferGuard) -> bool) {
        loop {
            match self.shutdown.wait_readable(self.stream.fd(), SLICE) {
                WaitResult::Shutdown => return,
                WaitResult::TimedOut => {}
                WaitResult::Ready => match self.stream.dequeue() {
                    Ok(filled) => self.judge(filled, &is_whole),
                    // Woken for something that is no picture: not again at once.
                    Err(DeviceError::WouldBlock) => {
                        let _ = self.shutdown.sleep(Duration::from_millis(5));
                    }
                    Err(failure) => {
                        self.tell(|report| report.end = Some(failure));
                        self.newest.wake();
                        return;
                    }
                },
            }
            self.buffers.log(&self.name, Timestamp::now());
        }
    }

    fn judge(
        &mut self,
        filled: crate::v4l2::DequeuedBuffer,
        is_whole: impl Fn(&BufferGuard) -> bool,
    ) {
        let arrived_at = Timestamp::now();
        let (sequence, stamp, is_damaged) = (filled.sequence, filled.timestamp, filled.is_damaged);
        let held = BufferGuard::new(self.stream.clone(), filled);
        // What v4l2loopback gives first is of an earlier feeder.
        let is_stale = sequence == 0 && self.stream.device().identity().is_loopback();
        let verdict = if is_damaged {
            Verdict::Damaged
        } else if is_stale || held.plane_len(0) == 0 {
            Verdict::Empty
        } else if !is_whole(&held) {
            Verdict::Short
        } else {
            Verdict::Picture
        };
        let before = self.buffers.lost();
        self.buffers.count(sequence, verdict);
        let lost = self.buffers.lost() - before;
        self.tell(|report| report.lost += lost);
        if verdict == Verdict::Picture {
            self.newest.put(Frame {
                held,
                captured_at: super::super::captured_at(stamp, arrived_at),
                arrived_at,
            });
        }
    }

    fn tell(&self, change: impl FnOnce(&mut Report)) {
        change(&mut self.report.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_picture_wins_and_the_others_are_counted() {
        let newest = Newest::new().unwrap();
        assert_eq!(newest.take(), None::<u32>);
        newest.put(1);
        assert_eq!(newest.take(), Some(1));
        for picture in 2..=5 {
            newest.put(picture);
        }
        assert_eq!((newest.take(), newest.passed_over()), (Some(5), 3));
        assert_eq!(newest.take(), None);
    }

    #[test]
    fn who_waits_is_woken_by_each_picture_and_by_none_that_was_taken() {
        let (shutdown, newest) = (ShutdownToken::new().unwrap(), Newest::new().unwrap());
        let wait = |newest: &Newest<u32>| shutdown.wait_readable(newest.fd(), Duration::ZERO);
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
