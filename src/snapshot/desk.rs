//! Who asks for a camera's newest picture, and the thread that answers all who wait together: never more than one decodes.

use super::budget::{Budget, Reservation};
use super::newest::Newest;
use super::{Refusal, Snapshot};
use crate::heap;
use crate::hub::Hub;
use crate::time::Timestamp;
use std::future::Future;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// The decoder stays where it is for so long after the last who asked: for one who asks each second it need not begin at
/// the keyframe again.
const WARM: Duration = Duration::from_secs(5);

/// A camera that is being opened has so long to give a picture.
const PATIENCE: Duration = Duration::from_secs(10);

/// The camera's thread looks for orders several times a second; one that is late leaves it to the decoder.
const ORDER: Duration = Duration::from_secs(1);

/// Meanwhile a picture is looked for this often.
const LOOK: Duration = Duration::from_millis(10);

/// Timeout for a decoder's turn, while those of other cameras have the memory.
const TURN_TIMEOUT: Duration = Duration::from_secs(30);

/// A request that waits for its turn is checked for whether somebody still waits for it this often.
const TURN_POLL: Duration = Duration::from_millis(50);

/// Most who wait for one camera's picture.
const WAITING: usize = 64;

/// Behind the cameras, the fan-out and HTTP, where there are not enough cores for all.
const NICENESS: i32 = 10;

type Answer = Result<Snapshot, Refusal>;

/// One camera's place to ask. Clones are the same place.
#[derive(Clone, Debug)]
pub struct Desk(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    name: Arc<str>,
    hub: Hub,
    budget: Budget,
    queue: Arc<Queue>,
}

#[derive(Default, Debug)]
struct Queue {
    inner: Mutex<Inner>,
    news: Condvar,
}

#[derive(Default, Debug)]
struct Inner {
    waiting: Vec<Request>,
    has_thread: bool,
}

#[derive(Debug)]
struct Request {
    width: Option<u32>,
    since: Timestamp,
    answer: oneshot::Sender<Answer>,
}

/// A decoder and the memory that is reserved for it.
struct Decoding {
    newest: Newest,
    reserved: Option<Reservation>,
}

impl Decoding {
    /// Frees the decoder, returns its memory to the system, then lets others have it.
    fn release(&mut self) {
        self.newest = Newest::default();
        if self.reserved.is_some() {
            heap::trim();
            self.reserved = None;
        }
    }
}

impl Drop for Decoding {
    fn drop(&mut self) {
        self.release();
    }
}

/// What has become of the camera's own JPEG.
enum Own {
    Picture(Snapshot),
    /// It has some, but did not give one in time.
    Late,
    /// It has none, or nobody wants it.
    Missing,
}

impl Desk {
    /// The place for the camera `name`, whose decoder is within `budget`.
    pub fn new(name: Arc<str>, hub: Hub, budget: Budget) -> Self {
        Self(Arc::new(Shared {
            name,
            hub,
            budget,
            queue: Arc::default(),
        }))
    }

    /// The newest picture, `width` pixels wide if that is less than it has. A camera that is being opened, or is closed until
    /// somebody watches, has ten seconds to give one. Whoever no longer wants it drops the future.
    pub fn ask(&self, width: Option<u32>) -> impl Future<Output = Answer> + use<> {
        let (sender, receiver) = oneshot::channel();
        self.put(width, sender);
        async {
            let gone = |_| Refusal::NoPicture("no snapshot can be made now".to_owned());
            receiver.await.map_err(gone).and_then(|answer| answer)
        }
    }

    fn put(&self, width: Option<u32>, answer: oneshot::Sender<Answer>) {
        let mut inner = self.0.queue.lock();
        if inner.waiting.len() >= WAITING {
            drop(inner);
            let _ = answer.send(Err(Refusal::Busy));
            return;
        }
        inner.waiting.push(Request {
            width,
            since: Timestamp::now(),
            answer,
        });
        if inner.has_thread {
            self.0.queue.news.notify_one();
            return;
        }
        let shared = self.0.clone();
        let thread = std::thread::Builder::new().name(format!("{} snapshot", shared.name));
        inner.has_thread = thread.spawn(move || shared.work()).is_ok();
        if !inner.has_thread {
            // Their senders are dropped with them, which is answer enough.
            inner.waiting.clear();
        }
    }
}

impl Queue {
    /// Nothing panics while the lock is held; if it did, the list would still be whole.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A thread that works. One that panics (a decoder met something new) makes room for the next, and refuses those who wait.
struct Presence<'a>(&'a Queue);

impl Drop for Presence<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut inner = self.0.lock();
            inner.has_thread = false;
            inner.waiting.clear();
        }
    }
}

impl Shared {
    /// Answers until nobody has asked for a while.
    fn work(&self) {
        // Where it may not be changed it is right as it is.
        let _ = rustix::process::setpriority_process(None, NICENESS);
        let _hold = self.hub.keep_open();
        let _presence = Presence(&self.queue);
        let mut decoding = Decoding {
            newest: Newest::default(),
            reserved: None,
        };
        loop {
            let mut inner = self.queue.lock();
            if inner.waiting.is_empty() {
                let nobody =
                    |inner: &mut Inner| inner.waiting.is_empty() && !self.budget.is_short();
                inner = match self.queue.news.wait_timeout_while(inner, WARM, nobody) {
                    Ok((inner, _)) => inner,
                    Err(poisoned) => poisoned.into_inner().0,
                };
            }
            if inner.waiting.is_empty() {
                inner.has_thread = false;
                return;
            }
            drop(inner);
            if self.budget.is_short() {
                // Others were first, however often this camera is asked for.
                decoding.release();
            }
            self.answer(&mut decoding);
        }
    }

    /// Waits for this camera's turn to have a decoder of so many bytes. False if there is nobody left to wait for.
    fn wait_for_turn(&self, decoding: &mut Decoding, bytes: u64) -> bool {
        if decoding
            .reserved
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
                queue.news.notify_all();
            }
        });
        while !reservation.wait(TURN_POLL) {
            let mut inner = self.queue.lock();
            inner.waiting.retain(|request| !request.answer.is_closed());
            let now = Timestamp::now();
            let (late, patient): (Vec<_>, Vec<_>) = std::mem::take(&mut inner.waiting)
                .into_iter()
                .partition(|request| now.since(request.since) > TURN_TIMEOUT);
            inner.waiting = patient;
            let is_left = !inner.waiting.is_empty();
            drop(inner);
            refuse(late, &Refusal::Busy);
            if !is_left {
                return false;
            }
        }
        decoding.reserved = Some(reservation);
        true
    }

    /// Decodes what has come, when it is this camera's turn. True if there is a picture then; `None` if nobody waits any more.
    fn decode(&self, decoding: &mut Decoding) -> Option<Result<bool, Refusal>> {
        let bytes = match decoding.newest.bytes_needed(&self.hub) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Some(Ok(false)),
            Err(refusal) => return Some(Err(refusal)),
        };
        if bytes > self.budget.allowed() {
            return Some(Err(Refusal::TooLarge {
                needed: bytes,
                allowed: self.budget.allowed(),
            }));
        }
        if !self.wait_for_turn(decoding, bytes) {
            return None;
        }
        let found = decoding
            .newest
            .catch_up(&self.hub, bytes, &|| self.budget.is_short());
        Some(found)
    }

    /// The picture as the camera itself has encoded it, if somebody wants it whole and there is one.
    fn own_jpeg(&self) -> Own {
        let mut inner = self.queue.lock();
        inner.waiting.retain(|request| !request.answer.is_closed());
        let wants_whole = inner.waiting.iter().any(|request| request.width.is_none());
        drop(inner);
        let order = wants_whole.then(|| self.hub.request_jpeg()).flatten();
        match order.map(|order| order.recv_timeout(ORDER)) {
            Some(Ok(jpeg)) => Own::Picture(Snapshot {
                jpeg: jpeg.bytes,
                captured_at: jpeg.captured_at,
            }),
            Some(Err(RecvTimeoutError::Timeout)) => Own::Late,
            // The camera was closed meanwhile.
            None | Some(Err(RecvTimeoutError::Disconnected)) => Own::Missing,
        }
    }

    /// Gives the camera's own picture to all who want it whole; true if nobody is left.
    fn answer_whole(&self, snapshot: &Snapshot) -> bool {
        let mut inner = self.queue.lock();
        // Those who came meanwhile are served as well.
        let (whole, smaller) = of_whole(std::mem::take(&mut inner.waiting));
        let is_done = smaller.is_empty();
        inner.waiting = smaller;
        drop(inner);
        for request in whole {
            let _ = request.answer.send(Ok(snapshot.clone()));
        }
        is_done
    }

    /// Answers those who wait, or leaves them waiting if there is no picture yet.
    fn answer(&self, decoding: &mut Decoding) {
        let own = self.own_jpeg();
        if let Own::Picture(snapshot) = &own
            && self.answer_whole(snapshot)
        {
            return;
        }
        let Some(found) = self.decode(decoding) else {
            return;
        };
        let newest = &mut decoding.newest;
        let waiting = std::mem::take(&mut self.queue.lock().waiting);
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
                    wanted.partition(|request| now.since(request.since) > PATIENCE);
                let words = format!("no picture within {} seconds", PATIENCE.as_secs());
                refuse(late, &Refusal::NoPicture(words));
                self.queue.lock().waiting.extend(patient);
                std::thread::sleep(LOOK);
            }
            // The next time its own is there, which needs no decoder.
            Err(refusal @ (Refusal::Unsupported(_) | Refusal::TooLarge { .. }))
                if matches!(own, Own::Late) =>
            {
                let (whole, smaller) = of_whole(wanted);
                let words = "the camera is too busy to give one".to_owned();
                refuse(whole, &Refusal::NoPicture(words));
                refuse(smaller, &refusal);
            }
            Err(refusal) => refuse(wanted, &refusal),
        }
    }
}

/// Those who want the picture as large as it is, and the others.
fn of_whole(requests: impl IntoIterator<Item = Request>) -> (Vec<Request>, Vec<Request>) {
    requests.into_iter().partition(|one| one.width.is_none())
}

fn refuse(requests: impl IntoIterator<Item = Request>, refusal: &Refusal) {
    for request in requests {
        let _ = request.answer.send(Err(refusal.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::{CameraState, Fragment, Init, Jpeg, channel};
    use crate::message::Message;
    use crate::orientation::Orientation;
    use bytes::Bytes;

    #[tokio::test]
    async fn a_camera_that_gives_jpegs_is_asked_for_its_own() {
        let (publisher, hub) = channel();
        let desk = Desk::new("camera".into(), hub, Budget::new(64));
        let first = desk.ask(None);
        let second = desk.ask(None);
        // It is being opened meanwhile.
        publisher.set_has_jpegs(true);
        publisher.set_status(CameraState::Live, "");
        let jpeg = Jpeg {
            bytes: Bytes::from_static(b"JPEG"),
            captured_at: Timestamp::from_nanos(1),
        };
        let answer = async {
            loop {
                publisher.fulfil_jpeg_request(|| Some(jpeg.clone()));
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
    async fn a_camera_too_busy_for_its_own_jpeg_has_one_later_also_without_a_decoder() {
        let (publisher, hub) = channel();
        publisher.set_status(CameraState::Live, "");
        publisher.set_has_jpegs(true);
        // A video that no decoder takes is to one with a decoder what any is to one without.
        let init = Arc::new(Init {
            message: Message::build(0, |_| {}),
            codec: String::new(),
            width: 640,
            height: 480,
            orientation: Orientation::default(),
            hidden: (0, 0),
            parameter_sets: vec![vec![0x67]],
        });
        let fragment = Fragment {
            init,
            message: Message::build(0, |_| {}),
            decode_time: 0,
            frame_ticks: 3000,
            captured_at: Timestamp::from_nanos(0),
            is_keyframe: true,
            recovery: None,
            is_reference: true,
        };
        publisher.publish(fragment, Timestamp::from_nanos(0));
        let desk = Desk::new("camera".into(), hub, Budget::new(64));
        let (whole, smaller) = (desk.ask(None), desk.ask(Some(16)));
        let words = "the camera is too busy to give one".to_owned();
        assert_eq!(whole.await, Err(Refusal::NoPicture(words)));
        assert!(matches!(smaller.await, Err(Refusal::Unsupported(_))));
    }

    #[tokio::test]
    async fn without_a_camera_it_is_said_why() {
        let (publisher, hub) = channel();
        publisher.set_status(CameraState::Lost, "it was unplugged");
        publisher.set_has_jpegs(true);
        let refusal = Refusal::NoPicture("it was unplugged".into());
        assert_eq!(
            Desk::new("camera".into(), hub, Budget::new(64))
                .ask(None)
                .await,
            Err(refusal)
        );
    }
}
