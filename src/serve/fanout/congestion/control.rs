//! TCP congestion control of viewers' connections.
//!
//! The usual default, cubic, takes each lost packet for congestion and shrinks its window: on Wi-Fi
//! or mobile links, which lose packets at random, it carries a fraction of what the link does. BBR
//! measures the rate of delivery and the round trip instead. Linux lets a process use it if the
//! kernel has it and either `net.ipv4.tcp_allowed_congestion_control` names it or the process has
//! `CAP_NET_ADMIN` (tcp(7), `TCP_CONGESTION`).
//!
//! With `auto` a connection changes to BBR when it loses packets again and again: BBR gains nothing
//! where none is lost, and starves for up to ten seconds where the round trip becomes a hundred
//! times longer, as it trusts the shortest one for that time.

use crate::os::tcp as socket;
use crate::time::Timestamp;
use rustix::io::Errno;
use rustix::net::sockopt::{set_tcp_congestion, tcp_congestion};
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::AsFd;
use std::time::Duration;

/// Bytes that a connection writes between two checks for lost packets.
const CHECK_INTERVAL_BYTES: usize = 64 << 10;

/// Pause between two losses that are taken for two: an outage, or one overflow of a buffer, is one.
const LOSS_INTERVAL: Duration = Duration::from_secs(1);

/// Losses further apart than this say nothing about the link.
const LOSS_WINDOW: Duration = Duration::from_secs(30);

/// Setting `server.congestion`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum CongestionSetting {
    /// BBR on connections that lose packets, where the system has it and allows it; else the
    /// system's default.
    #[default]
    Auto,
    /// BBR on all connections; a warning and the system's default where it cannot be had.
    Bbr,
    /// Cubic, whatever the system's default is.
    Cubic,
    /// The system's default.
    System,
}

impl CongestionSetting {
    /// All settings, in the order of the documentation.
    pub const ALL: [Self; 4] = [Self::Auto, Self::Bbr, Self::Cubic, Self::System];

    /// Algorithm that the setting asks for, by the kernel's name.
    const fn algorithm(self) -> Option<&'static str> {
        match self {
            Self::Auto | Self::Bbr => Some("bbr"),
            Self::Cubic => Some("cubic"),
            Self::System => None,
        }
    }
}

impl fmt::Display for CongestionSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Bbr => "bbr",
            Self::Cubic => "cubic",
            Self::System => "system",
        })
    }
}

/// Congestion control of connections.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CongestionControl {
    /// Set on each socket when it is accepted.
    at_accept: Option<&'static str>,
    /// Set on a socket when the kernel has sent something on it again.
    on_loss: Option<&'static str>,
    /// Kernel's name of the system's default, or of what replaces it at accept.
    initial: String,
}

impl CongestionControl {
    /// Finds out by a socket of its own what the system allows, and logs it once.
    pub(crate) fn detect(setting: CongestionSetting) -> Self {
        let mut control = Self {
            at_accept: None,
            on_loss: None,
            initial: "unknown".to_owned(),
        };
        let probe = match TcpListener::bind((Ipv4Addr::LOCALHOST, 0)) {
            Ok(probe) => probe,
            Err(error) => {
                log::warn!("congestion control: system's default (no socket to try it: {error})");
                return control;
            }
        };
        if let Ok(name) = tcp_congestion(&probe) {
            control.initial = name;
        }
        let Some(wanted) = setting.algorithm() else {
            log::info!("congestion control: {}", control.initial);
            return control;
        };
        match set_tcp_congestion(&probe, wanted) {
            Ok(()) if setting == CongestionSetting::Auto && control.initial != wanted => {
                control.on_loss = Some(wanted);
                let initial = &control.initial;
                log::info!("congestion control: {initial}, {wanted} where packets are lost");
            }
            Ok(()) => {
                control.at_accept = Some(wanted);
                control.initial = wanted.to_owned();
                log::info!("congestion control: {wanted}");
            }
            Err(error) if setting == CongestionSetting::Auto => {
                log::info!("{}", unavailable_message(wanted, &control.initial, error));
            }
            Err(error) => log::warn!("{}", unavailable_message(wanted, &control.initial, error)),
        }
        control
    }

    /// Kernel's names of the algorithms in use: on new connections, and on those that lose packets.
    pub(crate) fn names(&self) -> (&str, &str) {
        (&self.initial, self.on_loss.unwrap_or(&self.initial))
    }

    /// Sets the algorithm of an accepted socket.
    ///
    /// # Errors
    ///
    /// The kernel refuses (rights withdrawn, module gone). The socket goes on with its default.
    pub(crate) fn accept(&self, socket: &impl AsFd) -> io::Result<LossResponse> {
        if let Some(name) = self.at_accept {
            set_tcp_congestion(socket, name)?;
        }
        Ok(self.loss_response())
    }

    /// Returns the response of a connection to lost packets.
    pub(crate) const fn loss_response(&self) -> LossResponse {
        LossResponse {
            algorithm: self.on_loss,
            lost: 0,
            lost_at: None,
            written: 0,
        }
    }
}

/// One connection's change to another algorithm when it loses packets. It happens once.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LossResponse {
    /// Not changed to yet.
    algorithm: Option<&'static str>,
    /// Bytes lost by the last check.
    lost: u64,
    /// First of the losses that count as one.
    lost_at: Option<Timestamp>,
    /// Bytes written since the last check.
    written: usize,
}

impl LossResponse {
    /// Notes that `lost` bytes are lost since the connection was made, and changes the algorithm of
    /// `socket` at the second loss.
    pub(crate) fn react(&mut self, socket: &impl AsFd, lost: u64, now: Timestamp) {
        if self.algorithm.is_none() || lost <= self.lost {
            return;
        }
        self.lost = lost;
        let since = self.lost_at.map(|at| now.since(at));
        if since.is_some_and(|since| since < LOSS_INTERVAL) {
            return;
        }
        self.lost_at = Some(now);
        if since.is_some_and(|since| since < LOSS_WINDOW)
            && let Some(name) = self.algorithm.take()
        {
            // A refusal now is final: rights do not come back.
            let _ = set_tcp_congestion(socket, name);
        }
    }

    /// Counts `bytes` that `socket` has taken, and checks for losses each 64 kB.
    pub(crate) fn count_written(&mut self, socket: &impl AsFd, bytes: usize) {
        if self.algorithm.is_none() {
            return;
        }
        self.written += bytes;
        if self.written >= CHECK_INTERVAL_BYTES {
            self.written = 0;
            if let Some(sample) = socket::sample(socket) {
                self.react(socket, sample.bytes_lost, Timestamp::now());
            }
        }
    }
}

/// Log line for an algorithm that cannot be used.
fn unavailable_message(wanted: &str, system: &str, error: Errno) -> String {
    let (cause, hint) = match error {
        Errno::NOENT => (
            "the kernel has no such module loaded",
            format!("modprobe tcp_{wanted}"),
        ),
        Errno::PERM | Errno::ACCESS => (
            "not allowed",
            format!("sysctl net.ipv4.tcp_allowed_congestion_control=\"reno cubic {wanted}\""),
        ),
        _ => (
            "refused by the kernel",
            format!("server.congestion: {system}"),
        ),
    };
    format!("congestion control: {system} ({wanted}: {cause}); try: {hint}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_nanos((1_000_000 + ms) * 1_000_000)
    }

    fn accepted() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (listener.accept().unwrap().0, peer)
    }

    #[test]
    fn system_setting_leaves_the_socket_alone() {
        let (socket, _peer) = accepted();
        let before = tcp_congestion(&socket).unwrap();
        let control = CongestionControl::detect(CongestionSetting::System);
        let mut response = control.accept(&socket).unwrap();
        for seconds in 1..10 {
            response.react(&socket, seconds, at(1000 * seconds));
        }
        assert_eq!(tcp_congestion(&socket).unwrap(), before);
        assert_eq!(control.names(), (&*before, &*before));
    }

    #[test]
    fn accepted_sockets_use_detected_algorithm() {
        for setting in CongestionSetting::ALL {
            let (socket, _peer) = accepted();
            let control = CongestionControl::detect(setting);
            let (initial, on_loss) = control.names();
            let mut response = control.accept(&socket).unwrap();
            response.count_written(&socket, CHECK_INTERVAL_BYTES);
            assert_eq!(tcp_congestion(&socket).unwrap(), initial, "{setting}");
            // An outage, another one a minute later, and then losses that go on.
            let course = [
                (0, 0),
                (1448, 1000),
                (9000, 1900),
                (9000, 2100),
                (12_000, 61_000),
            ];
            for (lost, ms) in course {
                response.react(&socket, lost, at(ms));
                assert_eq!(tcp_congestion(&socket).unwrap(), initial, "{setting}");
            }
            response.react(&socket, 15_000, at(62_100));
            assert_eq!(tcp_congestion(&socket).unwrap(), on_loss, "{setting}");
        }
    }

    #[test]
    fn refusal_names_the_remedy() {
        let missing = unavailable_message("bbr", "cubic", Errno::NOENT);
        assert!(missing.contains("modprobe tcp_bbr"), "{missing}");
        let forbidden = unavailable_message("bbr", "cubic", Errno::PERM);
        assert!(forbidden.contains("not allowed"), "{forbidden}");
        assert!(
            forbidden.contains("tcp_allowed_congestion_control"),
            "{forbidden}"
        );
    }
}
