//! Room for many connections: each takes a file descriptor, and programs are started with 1024.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Descriptors beside those of connections: standard streams, listeners, cameras with their buffers, pipes to programs.
const OTHERS: u64 = 128;

/// Sees to it that `connections` fit, as far as this process may; says what to do if they do not.
pub fn make_room(connections: usize) -> Result<(), String> {
    let wanted = connections as u64 + OTHERS;
    let mut limit = getrlimit(Resource::Nofile);
    // None: without limit
    if limit.current.is_none_or(|current| current >= wanted) {
        return Ok(());
    }
    limit.current = Some(limit.maximum.map_or(wanted, |maximum| maximum.min(wanted)));
    let raised = setrlimit(Resource::Nofile, limit);
    let available = limit.current.unwrap_or(wanted);
    if raised.is_ok() && available >= wanted {
        return Ok(());
    }
    Err(format!(
        "this process may have {available} files and connections open at once, not the {wanted} that server.maxViewers \
         stands for; \"ulimit -Hn\" or systemd's LimitNOFILE= allows more"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_already_needs_no_change() {
        let before = getrlimit(Resource::Nofile);
        assert_eq!(make_room(0), Ok(()));
        assert_eq!(getrlimit(Resource::Nofile).current, before.current);
    }

    #[test]
    fn what_cannot_be_had_is_said() {
        let more_than_any = u32::MAX as usize;
        if getrlimit(Resource::Nofile).maximum.is_some() {
            assert!(
                make_room(more_than_any)
                    .unwrap_err()
                    .contains("LimitNOFILE")
            );
        }
    }
}
