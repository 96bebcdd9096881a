//! Memory limit of all cameras together: decoders reserve it in the order of request.

use super::jpeg_quota::JpegQuota;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Bytes in a megabyte of `server.decodeMemory`.
const MEGABYTE: u64 = 1 << 20;

/// The limit and what is reserved of it. Clones are the same.
#[derive(Clone, Debug)]
pub struct Budget(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    allowed: u64,
    queue: Mutex<Queue>,
    granted: Condvar,
    jpegs: JpegQuota,
}

#[derive(Default, Debug)]
struct Queue {
    reserved: u64,
    next_id: u64,
    /// Waiting reservations, in the order of request.
    waiting: VecDeque<(u64, u64)>,
    /// Granted reservations.
    holders: BTreeMap<u64, ContentionCallback>,
}

#[derive(Clone)]
struct ContentionCallback(Arc<dyn Fn() + Send + Sync>);

impl std::fmt::Debug for ContentionCallback {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Holder")
    }
}

/// Position in the queue, later the memory itself. Dropping it releases either.
#[derive(Debug)]
pub(super) struct Reservation {
    shared: Arc<Shared>,
    id: u64,
    bytes: u64,
    /// Told when others wait for memory.
    on_contention: ContentionCallback,
}

impl Budget {
    /// A limit in megabytes (2^20 bytes).
    pub fn new(megabytes: u32) -> Self {
        let allowed = u64::from(megabytes) * MEGABYTE;
        Self(Arc::new(Shared {
            allowed,
            queue: Mutex::default(),
            granted: Condvar::new(),
            jpegs: JpegQuota::beside(allowed),
        }))
    }

    /// The limit in bytes.
    pub(super) fn allowed(&self) -> u64 {
        self.0.allowed
    }

    /// Joins the queue for `bytes`, which is within the limit. `pressed` is called, on any thread,
    /// when others wait for the caller's memory.
    pub(super) fn reserve(
        &self,
        bytes: u64,
        pressed: impl Fn() + Send + Sync + 'static,
    ) -> Reservation {
        let mut queue = self.0.lock();
        let id = queue.next_id;
        queue.next_id += 1;
        queue.waiting.push_back((id, bytes));
        let reservation = Reservation {
            shared: self.0.clone(),
            id,
            bytes,
            on_contention: ContentionCallback(Arc::new(pressed)),
        };
        // `wait` grants it, on the thread that waits. Meanwhile decoders that do not need their
        // memory release it.
        let holders = queue.callbacks_to_run(self.0.allowed);
        drop(queue);
        holders.iter().for_each(|holder| (holder.0)());
        reservation
    }

    /// Returns whether a decoder waits for memory.
    pub(super) fn is_contended(&self) -> bool {
        self.0.lock().is_contended(self.0.allowed)
    }

    /// Memory of finished JPEGs.
    pub(super) fn jpegs(&self) -> &JpegQuota {
        &self.0.jpegs
    }
}

impl Queue {
    fn is_contended(&self, allowed: u64) -> bool {
        let first = self.waiting.front();
        first.is_some_and(|(_, bytes)| self.reserved + bytes > allowed)
    }

    /// Returns the callbacks to run if a decoder waits.
    fn callbacks_to_run(&self, allowed: u64) -> Vec<ContentionCallback> {
        if self.is_contended(allowed) {
            self.holders.values().cloned().collect()
        } else {
            Vec::new()
        }
    }
}

impl Shared {
    /// Nothing panics while the lock is held; if it did, the queue would still be whole.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reservation {
    /// The bytes that were asked for.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Waits up to `time` for the memory; returns whether it is there.
    pub(super) fn wait(&self, time: Duration) -> bool {
        let allowed = self.shared.allowed;
        let is_turn = |queue: &Queue| {
            queue.holders.contains_key(&self.id)
                || queue
                    .waiting
                    .front()
                    .is_some_and(|(id, bytes)| *id == self.id && queue.reserved + bytes <= allowed)
        };
        let granted = &self.shared.granted;
        let waited = granted.wait_timeout_while(self.shared.lock(), time, |queue| !is_turn(queue));
        let mut queue = match waited {
            Ok((queue, _)) => queue,
            Err(poisoned) => poisoned.into_inner().0,
        };
        if !is_turn(&queue) {
            return false;
        }
        if !queue.holders.contains_key(&self.id) {
            queue.waiting.pop_front();
            queue.reserved += self.bytes;
            queue.holders.insert(self.id, self.on_contention.clone());
            // There may be room for the next one, too; if not, idle decoders release theirs.
            let holders = queue.callbacks_to_run(self.shared.allowed);
            drop(queue);
            granted.notify_all();
            holders.iter().for_each(|holder| (holder.0)());
        }
        true
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut queue = self.shared.lock();
        if queue.holders.remove(&self.id).is_some() {
            queue.reserved -= self.bytes;
        } else {
            queue.waiting.retain(|(id, _)| *id != self.id);
        }
        drop(queue);
        self.shared.granted.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    const MB: u64 = MEGABYTE;
    const NOW: Duration = Duration::ZERO;

    fn reserve(budget: &Budget, bytes: u64) -> Reservation {
        budget.reserve(bytes, || {})
    }

    #[test]
    fn memory_is_reserved_in_request_order() {
        let budget = Budget::new(10);
        let first = reserve(&budget, 6 * MB);
        assert!(first.wait(NOW) && first.wait(NOW));
        let large = reserve(&budget, 9 * MB);
        let small = reserve(&budget, MB);
        assert!(!large.wait(NOW) && budget.is_contended());
        assert!(!small.wait(NOW), "a small one does not overtake");
        drop(first);
        assert!(!small.wait(NOW) && large.wait(NOW) && small.wait(NOW));
        assert!(!budget.is_contended());
    }

    #[test]
    fn dropped_reservation_admits_the_next() {
        let budget = Budget::new(10);
        let first = reserve(&budget, 10 * MB);
        assert!(first.wait(NOW));
        let second = reserve(&budget, 5 * MB);
        let third = reserve(&budget, 5 * MB);
        drop(second);
        drop(first);
        assert!(third.wait(NOW));
        drop(third);
        assert_eq!(budget.0.lock().reserved, 0);
    }

    #[test]
    fn holders_are_notified_of_contention() {
        let budget = Budget::new(10);
        let (told, hears) = channel();
        let first = budget.reserve(6 * MB, move || told.send(()).unwrap());
        assert!(first.wait(NOW));
        let second = reserve(&budget, 4 * MB);
        assert!(second.wait(NOW) && hears.try_recv().is_err());
        let third = reserve(&budget, 4 * MB);
        assert!(!third.wait(NOW) && hears.try_recv().is_ok());
    }

    #[test]
    fn waiting_threads_all_get_their_turn() {
        let budget = Budget::new(10);
        std::thread::scope(|scope| {
            for i in 0..20 {
                let reservation = reserve(&budget, (1 + i % 10) * MB);
                scope.spawn(move || assert!(reservation.wait(Duration::from_secs(60))));
            }
        });
        assert_eq!(budget.0.lock().reserved, 0);
    }
}
