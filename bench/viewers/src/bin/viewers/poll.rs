//! epoll(7): which sockets have something to say.

use crate::connect::Socket;
use crate::options::die;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// What is waited for.
#[derive(Clone, Copy)]
pub enum Interest {
    /// That it is connected.
    Connected,
    /// Something to read.
    Read,
    /// Only that the server closes it: who stalls reads nothing.
    End,
}

/// One thing that happened.
#[derive(Clone, Copy)]
pub struct Event {
    pub id: usize,
    /// The server has closed it, or it is broken.
    pub is_end: bool,
}

/// The sockets that are watched, each under the id of its viewer; closed ones go by themselves.
pub struct Poll {
    epoll: OwnedFd,
    events: Vec<libc::epoll_event>,
}

impl Poll {
    pub fn new() -> Self {
        // SAFETY: no pointers.
        let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if fd < 0 {
            die(&format!("epoll: {}", io::Error::last_os_error()));
        }
        Self {
            // SAFETY: the descriptor is open, and nobody else's.
            epoll: unsafe { OwnedFd::from_raw_fd(fd) },
            events: vec![libc::epoll_event { events: 0, u64: 0 }; 1024],
        }
    }

    pub fn add(&self, socket: &Socket, id: usize, interest: Interest) {
        self.control(libc::EPOLL_CTL_ADD, socket, id, interest);
    }

    pub fn change(&self, socket: &Socket, id: usize, interest: Interest) {
        self.control(libc::EPOLL_CTL_MOD, socket, id, interest);
    }

    fn control(&self, operation: i32, socket: &Socket, id: usize, interest: Interest) {
        let events = match interest {
            Interest::Connected => libc::EPOLLOUT,
            Interest::Read => libc::EPOLLIN | libc::EPOLLRDHUP,
            Interest::End => libc::EPOLLRDHUP,
        };
        let mut event = libc::epoll_event {
            events: events as u32,
            u64: id as u64,
        };
        // SAFETY: the event is valid for the call.
        unsafe { libc::epoll_ctl(self.epoll.as_raw_fd(), operation, socket.fd(), &mut event) };
    }

    /// Returns what has happened, after at most this many milliseconds.
    pub fn wait(&mut self, timeout_ms: i32) -> Vec<Event> {
        let (events, most) = (self.events.as_mut_ptr(), self.events.len() as i32);
        // SAFETY: there is room for the count given.
        let count = unsafe { libc::epoll_wait(self.epoll.as_raw_fd(), events, most, timeout_ms) };
        let end = (libc::EPOLLRDHUP | libc::EPOLLHUP | libc::EPOLLERR) as u32;
        let happened = self.events.iter().take(usize::try_from(count).unwrap_or(0));
        happened
            .map(|event| Event {
                id: event.u64 as usize,
                is_end: event.events & end != 0,
            })
            .collect()
    }
}
