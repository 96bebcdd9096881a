//! Limits the number of simultaneous viewers, or of a kind of them.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Limit of simultaneous viewers. Clones share it.
#[derive(Clone)]
pub(crate) struct ConnectionLimit {
    in_use: Arc<AtomicUsize>,
    limit: usize,
    /// Ends a viewer that makes no progress; returns false if there is none.
    evict: Option<Arc<dyn Fn() -> bool + Send + Sync>>,
}

/// Permit for one viewer, held until it is dropped.
#[derive(Debug)]
pub(crate) struct Permit(Arc<AtomicUsize>);

impl ConnectionLimit {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            in_use: Arc::new(AtomicUsize::new(0)),
            limit,
            evict: None,
        }
    }

    /// Creates a limit that calls `evict` when it is reached.
    pub(crate) fn with_eviction(
        limit: usize,
        make_room: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Self {
        let make_room: Arc<dyn Fn() -> bool + Send + Sync> = Arc::new(make_room);
        Self {
            evict: Some(make_room),
            ..Self::new(limit)
        }
    }

    /// Returns a permit, if one is free or a viewer is evicted.
    pub(crate) fn acquire(&self) -> Option<Permit> {
        if let Some(permit) = self.try_acquire() {
            return Some(permit);
        }
        if !self.evict.as_ref()?() {
            return None;
        }
        // The evicted viewer may still hold its permit.
        self.in_use.fetch_add(1, Ordering::AcqRel);
        Some(Permit(self.in_use.clone()))
    }

    fn try_acquire(&self) -> Option<Permit> {
        let more = |taken| (taken < self.limit).then_some(taken + 1);
        self.in_use
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, more)
            .ok()?;
        Some(Permit(self.in_use.clone()))
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Returns the number of permits in use.
    pub(crate) fn in_use(&self) -> usize {
        self.in_use.load(Ordering::Acquire)
    }
}

impl fmt::Debug for ConnectionLimit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("ConnectionLimit")
            .field("in_use", &self.in_use())
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropped_permit_is_available_again() {
        let limit = ConnectionLimit::new(1);
        let permit = limit.acquire();
        assert!(permit.is_some() && limit.acquire().is_none());
        drop(permit);
        assert!(limit.acquire().is_some());
    }

    #[test]
    fn full_limit_evicts_stalled_viewer() {
        let stalled = AtomicUsize::new(1);
        let make_room = move || stalled.swap(0, Ordering::AcqRel) > 0;
        let limit = ConnectionLimit::with_eviction(1, make_room);
        let first = limit.acquire();
        assert!(limit.acquire().is_some(), "one stalled");
        assert!(limit.acquire().is_none(), "none stalled any more");
        drop(first);
        assert!(limit.acquire().is_some());
    }
}
