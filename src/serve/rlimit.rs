//! Room for many connections: each takes a file descriptor, and programs are started with 1024.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Connections beside those of viewers: pages, scripts, status.
pub const PLAIN_CONNECTIONS: usize = 256;

/// Descriptors that the program itself keeps: standard streams, listeners, timers, TLS files, looks into `/proc`.
const OWN: u64 = 32;

/// Descriptors that a camera keeps: device or pipes, exported buffers of an encoder, what a program needs to start.
const PER_CAMERA: u64 = 24;

/// More that is asked for, where the system has it.
const SPARE: u64 = 72;

/// How many connections the descriptors of this process allow.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Room {
    /// Most viewers at once.
    pub viewers: usize,
    /// Connections beside those of viewers.
    pub plain: usize,
    /// What to do for the viewers that do not fit.
    pub note: Option<String>,
}

/// Raises the limit of descriptors for `viewers` and `cameras` as far as this process may, and returns what fits.
pub fn make_room(viewers: usize, cameras: usize) -> Room {
    let reserve = OWN + PER_CAMERA * cameras as u64;
    let wanted = (viewers + PLAIN_CONNECTIONS) as u64 + reserve + SPARE;
    let mut limit = getrlimit(Resource::Nofile);
    // None: without limit
    if let Some(current) = limit.current.filter(|current| *current < wanted) {
        let raised = limit.maximum.map_or(wanted, |maximum| maximum.min(wanted));
        limit.current = Some(raised.max(current));
        // A refusal leaves the limit as it was.
        let _ = setrlimit(Resource::Nofile, limit);
    }
    divide(getrlimit(Resource::Nofile).current, viewers, reserve)
}

/// Divides `limit` descriptors, of which `reserve` are no connection's.
fn divide(limit: Option<u64>, viewers: usize, reserve: u64) -> Room {
    let all = Room {
        viewers,
        plain: PLAIN_CONNECTIONS,
        note: None,
    };
    let Some(limit) = limit else { return all };
    let room = usize::try_from(limit.saturating_sub(reserve)).unwrap_or(usize::MAX);
    if room >= viewers.saturating_add(PLAIN_CONNECTIONS) {
        return all;
    }
    // Pages and status are reached however many watch.
    let least_plain = (room / 4).clamp(2, PLAIN_CONNECTIONS);
    let fitting = room.saturating_sub(least_plain).max(1).min(viewers);
    let plain = room
        .saturating_sub(fitting)
        .clamp(least_plain, PLAIN_CONNECTIONS);
    let note = format!(
        "server.maxViewers: {fitting} instead of {viewers} (this process may have {limit} files and connections open, \
         {reserve} of them are kept for cameras and files); \"ulimit -Hn\" or systemd's LimitNOFILE= allows more"
    );
    Room {
        viewers: fitting,
        plain,
        note: (fitting < viewers).then_some(note),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_for_all_is_divided_as_asked_for() {
        for limit in [None, Some(2312), Some(1 << 20)] {
            let room = divide(limit, 2000, 56);
            assert_eq!((room.viewers, room.plain), (2000, 256), "{limit:?}");
            assert_eq!(room.note, None);
        }
    }

    #[test]
    fn connections_never_reach_the_reserve() {
        for limit in [64, 100, 128, 256, 1024, 2311] {
            let room = divide(Some(limit), 2000, 56);
            let used = (room.viewers + room.plain) as u64 + 56;
            assert!(used <= limit, "{room:?} of {limit}");
            let note = room.note.unwrap();
            assert!(note.contains("LimitNOFILE") && note.contains(&limit.to_string()));
        }
    }

    #[test]
    fn few_viewers_leave_their_room_to_pages() {
        let room = divide(Some(128), 10, 56);
        assert_eq!((room.viewers, room.plain, room.note), (10, 62, None));
    }

    #[test]
    fn one_viewer_fits_however_low_the_limit() {
        let room = divide(Some(20), 2000, 56);
        assert_eq!((room.viewers, room.plain), (1, 2));
    }

    #[test]
    fn what_is_there_already_needs_no_change() {
        let before = getrlimit(Resource::Nofile);
        assert_eq!(make_room(0, 0).note, None);
        assert_eq!(getrlimit(Resource::Nofile).current, before.current);
    }
}
