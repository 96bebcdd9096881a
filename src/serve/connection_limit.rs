//! How many viewers may be connected at once.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A number of places. Clones are the same places.
#[derive(Clone)]
pub(crate) struct Seats {
    taken: Arc<AtomicUsize>,
    limit: usize,
    /// Ends a viewer who only takes up a place; false if there is none.
    make_room: Option<Arc<dyn Fn() -> bool + Send + Sync>>,
}

/// A place that is taken until it is dropped.
#[derive(Debug)]
pub(crate) struct Seat(Arc<AtomicUsize>);

impl Seats {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            taken: Arc::new(AtomicUsize::new(0)),
            limit,
            make_room: None,
        }
    }

    /// Calls `make_room` when all places are taken: it ends a viewer who takes nothing, and returns false if there is none.
    pub(crate) fn with_room(
        limit: usize,
        make_room: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Self {
        let make_room: Arc<dyn Fn() -> bool + Send + Sync> = Arc::new(make_room);
        Self {
            make_room: Some(make_room),
            ..Self::new(limit)
        }
    }

    /// A place, if one is free or somebody makes room.
    pub(crate) fn take(&self) -> Option<Seat> {
        if let Some(seat) = self.take_free() {
            return Some(seat);
        }
        if !self.make_room.as_ref()?() {
            return None;
        }
        // Who makes room may need a moment to leave.
        self.taken.fetch_add(1, Ordering::AcqRel);
        Some(Seat(self.taken.clone()))
    }

    fn take_free(&self) -> Option<Seat> {
        let more = |taken| (taken < self.limit).then_some(taken + 1);
        self.taken
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, more)
            .ok()?;
        Some(Seat(self.taken.clone()))
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// How many places are taken.
    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::Acquire)
    }
}

impl fmt::Debug for Seats {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Seats")
            .field("taken", &self.taken())
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_can_be_taken_again_when_it_is_left() {
        let seats = Seats::new(1);
        let seat = seats.take();
        assert!(seat.is_some() && seats.take().is_none());
        drop(seat);
        assert!(seats.take().is_some());
    }

    #[test]
    fn full_seats_are_given_where_room_is_made() {
        let stalled = AtomicUsize::new(1);
        let make_room = move || stalled.swap(0, Ordering::AcqRel) > 0;
        let seats = Seats::with_room(1, make_room);
        let first = seats.take();
        assert!(seats.take().is_some(), "one stalled");
        assert!(seats.take().is_none(), "none stalled any more");
        drop(first);
        assert!(seats.take().is_some());
    }
}
