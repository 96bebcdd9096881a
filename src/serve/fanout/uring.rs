//! One system call for the sends of many viewers (io_uring).
//!
//! The caller (`connection`) decides what is sent and handles results. Here a send is queued, and
//! after [`UringBatch::submit`] its result is there, the same that `send()` would have had. Nothing
//! is in flight in between, so sockets and bytes have no lifetimes to be kept in mind. Opening
//! fails on kernels without io_uring and in containers that forbid it.

#![allow(
    unsafe_code,
    reason = "the kernel reads the queued bytes while we do not borrow them"
)]

use bytes::Bytes;
use io_uring::{IoUring, Probe, opcode, types};
use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// Most sends of one system call: 150 kB of memory, most of which stays untouched with few viewers.
const MAX_BATCH: u32 = 1024;

pub(crate) struct UringBatch {
    uring: IoUring,
    /// Sends queued since the last [`UringBatch::submit`], in this order. The kernel may read the
    /// bytes of those that are still there.
    queued: Vec<Option<PendingSend>>,
}

struct PendingSend {
    /// Slot of the viewer.
    slot: usize,
    /// Kept for the kernel.
    _bytes: Bytes,
}

impl UringBatch {
    /// Fails where the kernel has no io_uring, or none that can send (before 5.18), and where it is forbidden.
    pub(crate) fn open() -> io::Result<Self> {
        let uring = IoUring::builder().setup_submit_all().build(MAX_BATCH)?;
        let mut probe = Probe::new();
        uring.submitter().register_probe(&mut probe)?;
        if !probe.is_supported(opcode::Send::CODE) {
            return Err(io::ErrorKind::Unsupported.into());
        }
        Ok(Self {
            uring,
            queued: Vec::with_capacity(MAX_BATCH as usize),
        })
    }

    /// True if nothing more can be queued before the next [`UringBatch::submit`].
    pub(crate) fn is_full(&self) -> bool {
        self.queued.len() >= MAX_BATCH as usize
    }

    /// Queues a send that does not wait for room. Returns false if the batch is full. The socket
    /// must stay open until it is submitted, or the bytes go to another socket with its number.
    pub(crate) fn queue(&mut self, slot: usize, socket: &impl AsFd, bytes: Bytes) -> bool {
        if self.is_full() {
            return false;
        }
        let socket = types::Fd(socket.as_fd().as_raw_fd());
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let send = opcode::Send::new(socket, bytes.as_ptr(), length)
            .flags(libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL)
            .build()
            .user_data(self.queued.len() as u64);
        // SAFETY: `bytes` are at least `length` long, do not move, and are kept in `queued` until the kernel is done with
        // them: until its completion was seen, or for ever.
        let is_queued = unsafe { self.uring.submission().push(&send) }.is_ok();
        if is_queued {
            self.queued.push(Some(PendingSend {
                slot,
                _bytes: bytes,
            }));
        }
        is_queued
    }

    /// Sends everything queued, and reports each result: the bytes that the socket took, or an
    /// error. After an error of its own the ring is of no use any more; sends that it did not reach
    /// are reported as zero bytes.
    pub(crate) fn submit(
        &mut self,
        mut sent: impl FnMut(usize, io::Result<usize>),
    ) -> io::Result<()> {
        let mut left = self.queued.len();
        let result = loop {
            if left == 0 {
                break Ok(());
            }
            // None of them waits, so they are all done when it returns, unless a signal came.
            match self.uring.submit_and_wait(left) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => break Err(error),
                _ => {}
            }
            for done in self.uring.completion() {
                let index = usize::try_from(done.user_data()).unwrap_or(usize::MAX);
                let queued = self.queued.get_mut(index).and_then(Option::take);
                if let Some(PendingSend { slot, .. }) = queued {
                    left -= 1;
                    let taken = usize::try_from(done.result());
                    sent(
                        slot,
                        taken.map_err(|_| io::Error::from_raw_os_error(-done.result())),
                    );
                }
            }
        };
        if result.is_ok() {
            self.queued.clear();
            return result;
        }
        // The last ones have not been seen by the kernel. Whether the others were sent cannot be known.
        let begun = self.queued.len() - self.uring.submission().len().min(self.queued.len());
        for (index, queued) in self.queued.iter_mut().enumerate() {
            if index >= begun {
                if let Some(PendingSend { slot, .. }) = queued.take() {
                    sent(slot, Ok(0));
                }
            } else if let Some(PendingSend { slot, .. }) = queued {
                sent(*slot, Err(io::Error::other("the kernel lost a picture")));
            }
        }
        result
    }
}

impl Drop for UringBatch {
    fn drop(&mut self) {
        // The kernel may still read these, after a failure.
        self.queued.drain(..).for_each(std::mem::forget);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::RawFd;

    /// Our ends, which never block, and those of the peers.
    fn pairs(count: usize) -> (Vec<TcpStream>, Vec<TcpStream>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let pair = || {
            let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (ours, _) = listener.accept().unwrap();
            ours.set_nonblocking(true).unwrap();
            (ours, peer)
        };
        (0..count).map(|_| pair()).unzip()
    }

    /// Results of the sends, in words, by their slots.
    fn submit(uring: &mut UringBatch) -> (Vec<String>, io::Result<()>) {
        let mut all = Vec::new();
        let result = uring.submit(|slot, result| {
            let words = result.map_or_else(|e| e.kind().to_string(), |count| count.to_string());
            all.push((slot, words));
        });
        all.sort();
        (all.into_iter().map(|(_, words)| words).collect(), result)
    }

    /// Kernels and containers without io_uring have nothing to be tested here.
    fn uring() -> Option<UringBatch> {
        UringBatch::open().ok()
    }

    #[test]
    fn uring_sends_on_submit_only() {
        let Some(mut uring) = uring() else { return };
        let (ours, mut peers) = pairs(3);
        for round in 0..1000 {
            let bytes: Vec<Bytes> = (0..3)
                .map(|i| Bytes::from(vec![round as u8; 10 + i]))
                .collect();
            for (slot, (socket, bytes)) in ours.iter().zip(&bytes).enumerate() {
                assert!(uring.queue(slot, socket, bytes.clone()));
            }
            if round == 0 {
                peers[0].set_nonblocking(true).unwrap();
                assert!(peers[0].read(&mut [0]).is_err());
                peers[0].set_nonblocking(false).unwrap();
            }
            let (results, result) = submit(&mut uring);
            assert!(result.is_ok());
            assert_eq!(results, ["10", "11", "12"]);
            for (peer, bytes) in peers.iter_mut().zip(&bytes) {
                let mut got = vec![0; bytes.len()];
                peer.read_exact(&mut got).unwrap();
                assert_eq!(got[..], bytes[..]);
            }
            assert!(
                bytes.into_iter().all(|bytes| bytes.try_into_mut().is_ok()),
                "let go of"
            );
        }
        assert!(submit(&mut uring).0.is_empty());
    }

    #[test]
    fn send_error_of_one_viewer_does_not_affect_others() {
        let Some(mut uring) = uring() else { return };
        let (ours, mut peers) = pairs(3);
        let much = Bytes::from(vec![7; 1 << 20]);
        let mut room = true;
        while room {
            assert!(uring.queue(0, &ours[0], much.clone()));
            room = submit(&mut uring).0 != [io::ErrorKind::WouldBlock.to_string()];
        }
        ours[1].shutdown(std::net::Shutdown::Write).unwrap();
        for (slot, socket) in ours.iter().enumerate() {
            assert!(uring.queue(slot, socket, Bytes::from_static(b"abc")));
        }
        let expected =
            [io::ErrorKind::WouldBlock, io::ErrorKind::BrokenPipe].map(|e| e.to_string());
        let (results, result) = submit(&mut uring);
        assert!(result.is_ok());
        assert_eq!(results, [&expected[0], &expected[1], "3"]);
        let mut got = [0; 3];
        peers[2].read_exact(&mut got).unwrap();
        assert_eq!(&got, b"abc");
    }

    #[test]
    fn uring_batch_is_bounded_and_reusable() {
        let Some(mut uring) = uring() else { return };
        let (ours, _peers) = pairs(1);
        for _ in 0..3 {
            for slot in 0..MAX_BATCH as usize {
                assert!(!uring.is_full() && uring.queue(slot, &ours[0], Bytes::from_static(b"x")));
            }
            assert!(uring.is_full() && !uring.queue(0, &ours[0], Bytes::from_static(b"x")));
            let (results, result) = submit(&mut uring);
            assert!(result.is_ok());
            assert_eq!(results, vec!["1"; MAX_BATCH as usize]);
        }
    }

    #[test]
    fn broken_uring_reports_unsent_messages() {
        let Some(mut uring) = uring() else { return };
        let (ours, _peers) = pairs(2);
        let null = std::fs::File::open("/dev/null").unwrap();
        let descriptor: RawFd = uring.uring.as_raw_fd();
        // SAFETY: the ring's descriptor becomes one of something else, which its drop closes as it would the ring's.
        unsafe { libc::dup2(null.as_raw_fd(), descriptor) };
        for (slot, socket) in ours.iter().enumerate() {
            assert!(uring.queue(slot, socket, Bytes::from_static(b"abc")));
        }
        let (results, result) = submit(&mut uring);
        assert!(result.is_err());
        assert_eq!(results, ["0", "0"]);
    }

    #[test]
    fn forbidden_uring_fails_to_open() {
        // As containers do it; for this thread alone.
        std::thread::spawn(|| {
            let [load, equal, give] = [0x20, 0x15, 0x06];
            let code = |code, k, jt, jf| libc::sock_filter { code, jt, jf, k };
            let mut filter = [
                code(load, 0, 0, 0),
                code(equal, libc::SYS_io_uring_setup as u32, 0, 1),
                code(give, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32, 0, 0),
                code(give, libc::SECCOMP_RET_ALLOW, 0, 0),
            ];
            let program = libc::sock_fprog {
                len: 4,
                filter: filter.as_mut_ptr(),
            };
            // SAFETY: the kernel reads the program, which lives during the call.
            let done = unsafe {
                libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
                    && libc::prctl(
                        libc::PR_SET_SECCOMP,
                        libc::SECCOMP_MODE_FILTER,
                        &raw const program,
                    ) == 0
            };
            assert!(done);
            let error = UringBatch::open().err().unwrap();
            assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        })
        .join()
        .unwrap();
    }
}
