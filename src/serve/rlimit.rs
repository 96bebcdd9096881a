//! Raises the limit of file descriptors: each connection takes one, and programs are started with
//! 1024.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Descriptors that the program itself keeps: standard streams, listeners, timers, TLS files, looks into `/proc`.
const RESERVED_FDS: u64 = 32;

/// Descriptors that a camera keeps: device or pipes, exported buffers of an encoder, what a program needs to start.
const FDS_PER_CAMERA: u64 = 24;

/// Descriptors requested in addition, where the system has them.
const EXTRA_FDS: u64 = 72;

/// Connections that the descriptors of this process allow.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConnectionBudget {
    /// Most viewers at once.
    pub viewers: usize,
    /// Connections in addition to those of viewers.
    pub other: usize,
    /// Hint for more viewers, if not all fit.
    pub note: Option<String>,
}

/// Raises the limit of descriptors for `viewers`, `other` connections and `cameras` as far as this process may, and returns
/// what fits.
pub fn raise_nofile_limit(viewers: usize, other: usize, cameras: usize) -> ConnectionBudget {
    let reserve = RESERVED_FDS + FDS_PER_CAMERA * cameras as u64;
    let wanted = (viewers + other) as u64 + reserve + EXTRA_FDS;
    let mut limit = getrlimit(Resource::Nofile);
    // None: without limit
    if let Some(current) = limit.current.filter(|current| *current < wanted) {
        let raised = limit.maximum.map_or(wanted, |maximum| maximum.min(wanted));
        limit.current = Some(raised.max(current));
        // A refusal leaves the limit as it was.
        let _ = setrlimit(Resource::Nofile, limit);
    }
    divide_fds(getrlimit(Resource::Nofile).current, viewers, other, reserve)
}

/// Divides `limit` descriptors, of which `reserve` are no connection's.
fn divide_fds(limit: Option<u64>, viewers: usize, other: usize, reserve: u64) -> ConnectionBudget {
    let all = ConnectionBudget {
        viewers,
        other,
        note: None,
    };
    let Some(limit) = limit else { return all };
    let room = usize::try_from(limit.saturating_sub(reserve)).unwrap_or(usize::MAX);
    if room >= viewers.saturating_add(other) {
        return all;
    }
    // Pages and status are reached however many watch.
    let least_plain = (room / 4).clamp(2, other.max(2));
    let fitting = room.saturating_sub(least_plain).max(1).min(viewers);
    let plain = room
        .saturating_sub(fitting)
        .clamp(least_plain, other.max(least_plain));
    let note = format!(
        "server.maxViewers: {fitting} instead of {viewers} (this process may have {limit} files and connections open, \
         {reserve} of them are kept for cameras and files); \"ulimit -Hn\" or systemd's LimitNOFILE= allows more"
    );
    ConnectionBudget {
        viewers: fitting,
        other: plain,
        note: (fitting < viewers).then_some(note),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_for_all_is_divided_as_asked_for() {
        for limit in [None, Some(2312), Some(1 << 20)] {
            let room = divide_fds(limit, 2000, 256, 56);
            assert_eq!((room.viewers, room.other), (2000, 256), "{limit:?}");
            assert_eq!(room.note, None);
        }
    }

    #[test]
    fn connections_never_reach_the_reserve() {
        for limit in [64, 100, 128, 256, 1024, 2311] {
            let room = divide_fds(Some(limit), 2000, 256, 56);
            let used = (room.viewers + room.other) as u64 + 56;
            assert!(used <= limit, "{room:?} of {limit}");
            let note = room.note.unwrap();
            assert!(note.contains("LimitNOFILE") && note.contains(&limit.to_string()));
        }
    }

    #[test]
    fn few_viewers_leave_their_room_to_pages() {
        let room = divide_fds(Some(128), 10, 256, 56);
        assert_eq!((room.viewers, room.other, room.note), (10, 62, None));
    }

    #[test]
    fn one_viewer_fits_however_low_the_limit() {
        let room = divide_fds(Some(20), 2000, 256, 56);
        assert_eq!((room.viewers, room.other), (1, 2));
    }

    #[test]
    fn sufficient_fd_limit_is_unchanged() {
        let before = getrlimit(Resource::Nofile);
        assert_eq!(raise_nofile_limit(0, 0, 0).note, None);
        assert_eq!(getrlimit(Resource::Nofile).current, before.current);
    }
}
