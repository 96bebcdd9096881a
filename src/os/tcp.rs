//! TCP_INFO of a connection, and the one option that no library has, with the `unsafe` that they
//! need.

#![allow(
    unsafe_code,
    reason = "getsockopt, setsockopt and ioctl have no safe form for what is asked here"
)]

use std::ffi::{c_int, c_void};
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

/// Longest retransmission timeout (Linux 6.15; the kernel accepts no less than a second). Without
/// it the timeout doubles, and after an outage of 30 s nothing arrives for up to 20 s more.
const MAX_RTO_MS: c_int = 1000;

/// `TCP_RTO_MAX_MS` of linux/tcp.h.
const TCP_RTO_MAX_MS: c_int = 44;

/// `TCP_CC_INFO` of linux/tcp.h.
const TCP_CC_INFO: c_int = 26;

/// Sample of a connection: what the peer has received, and the round trip.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct TcpSample {
    /// Bytes that the peer has acknowledged since the connection was made.
    pub(crate) bytes_acked: u64,
    /// Acknowledged bytes and those beyond a gap (SACK): grows evenly where a loss lets the former
    /// stand and then jump.
    pub(crate) bytes_delivered: u64,
    /// Bytes that the kernel has taken and the peer has not acknowledged.
    pub(crate) bytes_in_flight: u64,
    /// Bytes of those that the kernel has not sent yet.
    pub(crate) bytes_unsent: u64,
    /// Bytes that the kernel has sent again since the connection was made, without what the peer has
    /// reported to have had already (RFC 2883).
    pub(crate) bytes_lost: u64,
    /// The shortest round trip of the last minutes; zero while none is known.
    pub(crate) min_rtt: Duration,
    /// Smoothed round trip, queues on the path included.
    pub(crate) srtt: Duration,
    /// Nothing is lost as far as the kernel knows.
    pub(crate) is_ca_open: bool,
    /// The kernel's timer has run out, and what it sent again has not come through yet.
    pub(crate) in_rto_backoff: bool,
}

/// Where `tcpi_ca_state` and `tcpi_retransmits` are among the bytes.
const CA_STATE: usize = 1;
const RETRANSMITS: usize = 2;

/// `TCP_CA_Open`.
const OPEN: u8 = 0;

/// Where `tcpi_snd_mss`, `tcpi_sacked` and `tcpi_rtt` are among the words.
const SEGMENT: usize = 2;
const SACKED: usize = 5;
const RTT: usize = 15;

/// `struct tcp_info` of linux/tcp.h as far as it is read here. It only ever grew at its end, and its 64-bit members are
/// aligned on 32-bit machines, too.
#[repr(C)]
#[derive(Default)]
struct TcpInfo {
    bytes: [u8; 8],
    words: [u32; 24],
    pacing_rates: [u64; 2],
    bytes_acked: u64,
    bytes_received: u64,
    segments: [u32; 2],
    notsent_bytes: u32,
    min_rtt: u32,
    data_segments: [u32; 2],
    delivery_rate: u64,
    busy_times: [u64; 3],
    delivered: [u32; 2],
    bytes_sent: u64,
    bytes_retrans: u64,
    duplicates: u32,
    reordered: u32,
}

/// Length of the structure before Linux 5.0.
const MIN_LENGTH: usize = std::mem::offset_of!(TcpInfo, duplicates);

/// Samples a connection; `None` on kernels before 4.19.
pub(crate) fn sample(socket: &impl AsFd) -> Option<TcpSample> {
    let mut info = TcpInfo::default();
    let wanted = size_of::<TcpInfo>();
    let mut length = libc::socklen_t::try_from(wanted).ok()?;
    // SAFETY: the kernel writes at most `length` bytes to `info`, which is plain integers, and lives during the call.
    let result = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut info).cast::<c_void>(),
            &raw mut length,
        )
    };
    if result != 0 || (length as usize) < MIN_LENGTH {
        return None;
    }
    let sent = info.bytes_sent.saturating_sub(info.bytes_retrans);
    let in_flight = sent.saturating_sub(info.bytes_acked);
    let segment = u64::from(info.words[SEGMENT]);
    let beyond = u64::from(info.words[SACKED]) * segment;
    Some(TcpSample {
        bytes_acked: info.bytes_acked,
        bytes_delivered: info.bytes_acked + beyond,
        bytes_in_flight: in_flight + u64::from(info.notsent_bytes),
        bytes_unsent: info.notsent_bytes.into(),
        bytes_lost: info
            .bytes_retrans
            .saturating_sub(u64::from(info.duplicates) * segment),
        // All ones: never measured.
        min_rtt: Some(info.min_rtt)
            .filter(|&micros| micros != u32::MAX)
            .map_or(Duration::ZERO, |micros| {
                Duration::from_micros(micros.into())
            }),
        srtt: Duration::from_micros(info.words[RTT].into()),
        is_ca_open: info.bytes[CA_STATE] == OPEN && info.bytes[RETRANSMITS] == 0,
        in_rto_backoff: info.bytes[RETRANSMITS] > 0,
    })
}

/// Returns BBR's shortest round trip of the last ten seconds, in which it drains the queue on the
/// path now and then; `None` with other algorithms. Unlike [`TcpSample::min_rtt`] it follows within
/// that time when the path becomes longer.
pub(crate) fn bbr_min_rtt(socket: &impl AsFd) -> Option<Duration> {
    // `struct tcp_bbr_info` of linux/inet_diag.h: bandwidth in two halves, round trip, two gains.
    let mut info = [0_u32; 5];
    let mut length = libc::socklen_t::try_from(size_of_val(&info)).ok()?;
    // SAFETY: the kernel writes at most `length` bytes to `info`, which is plain integers, and lives during the call.
    let result = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::IPPROTO_TCP,
            TCP_CC_INFO,
            info.as_mut_ptr().cast::<c_void>(),
            &raw mut length,
        )
    };
    let is_bbr = result == 0 && length as usize == size_of_val(&info);
    // All ones: never measured.
    (is_bbr && info[2] != u32::MAX).then(|| Duration::from_micros(info[2].into()))
}

/// True if the peer has acknowledged everything sent: a small part of the cost of [`sample`], which
/// takes the socket's lock and copies three hundred bytes.
pub(crate) fn is_all_acked(socket: &impl AsFd) -> bool {
    let mut outstanding: c_int = -1;
    // SAFETY: the kernel writes one `int` to `outstanding`, which lives during the call.
    let result = unsafe {
        libc::ioctl(
            socket.as_fd().as_raw_fd(),
            libc::TIOCOUTQ,
            &raw mut outstanding,
        )
    };
    result == 0 && outstanding == 0
}

/// Limits the retransmission timeout to one second. Older kernels go on to double it.
pub(crate) fn set_max_rto(socket: &impl AsFd) {
    let value = MAX_RTO_MS;
    let length = libc::socklen_t::try_from(size_of::<c_int>()).unwrap_or(4);
    // SAFETY: the kernel reads `length` bytes from `value`, which lives during the call. A refusal changes nothing.
    unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::IPPROTO_TCP,
            TCP_RTO_MAX_MS,
            (&raw const value).cast::<c_void>(),
            length,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn unread_bytes_are_in_flight() {
        let started = std::time::Instant::now();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut ours, _) = listener.accept().unwrap();
        set_max_rto(&ours);
        ours.set_nonblocking(true).unwrap();
        let begin = sample(&ours).unwrap();
        assert_eq!(begin.bytes_in_flight, 0);
        assert!(is_all_acked(&ours));
        assert!(begin.is_ca_open && !begin.in_rto_backoff);
        let mut sent = 0;
        while let Ok(count) = ours.write(&[7; 50_000]) {
            sent += count as u64;
        }
        let full = sample(&ours).unwrap();
        let acknowledged = full.bytes_acked - begin.bytes_acked;
        assert_eq!(acknowledged + full.bytes_in_flight, sent);
        assert!(full.bytes_in_flight > 0, "the peer reads nothing");
        assert!(!is_all_acked(&ours));
        std::thread::spawn(move || std::io::copy(&mut peer, &mut std::io::sink()));
        // The last acknowledgement may come a moment later.
        while sample(&ours).unwrap().bytes_in_flight > 0 {
            std::thread::yield_now();
        }
        assert!(is_all_acked(&ours));
        assert!(sample(&ours).unwrap().min_rtt < started.elapsed());
    }
}
