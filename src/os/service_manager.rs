//! Reports to the service manager that started the program (sd_notify(3)).

use rustix::time::{ClockId, clock_gettime};
use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// Timeout of a report. A service manager that reads nothing must not stop the server.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Connection to the service manager, if one wants reports.
#[derive(Debug)]
pub struct ServiceManager(Option<UnixDatagram>);

impl ServiceManager {
    /// Connects to `socket`, the value of `NOTIFY_SOCKET`.
    pub fn connect(socket: Option<&OsStr>) -> Self {
        let socket = socket.filter(|name| !name.is_empty());
        Self(socket.and_then(|name| match open(name) {
            Ok(socket) => Some(socket),
            Err(why) => {
                log::warn!("service manager: not reached ({why}); NOTIFY_SOCKET is ignored");
                None
            }
        }))
    }

    /// Reports `state`: lines of `NAME=value`.
    pub fn notify(&self, state: &str) {
        if let Some(socket) = &self.0
            && let Err(why) = socket.send(state.as_bytes())
        {
            log::debug!("service manager: report not sent ({why})");
        }
    }

    /// Reports that the configuration is being read again. `READY=1` ends it.
    pub fn notify_reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let microseconds = now.tv_sec * 1_000_000 + now.tv_nsec / 1000;
        self.notify(&format!("RELOADING=1\nMONOTONIC_USEC={microseconds}"));
    }
}

fn open(name: &OsStr) -> io::Result<UnixDatagram> {
    let address = match name.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    socket.set_write_timeout(Some(TIMEOUT))?;
    Ok(socket)
}

/// Returns the time within which the service manager wants signs of life, from `WATCHDOG_USEC` and `WATCHDOG_PID`.
pub fn watchdog_timeout(microseconds: Option<&OsStr>, process: Option<&OsStr>) -> Option<Duration> {
    let number = |text: &OsStr| text.to_str()?.parse::<u64>().ok();
    let is_other = |text| number(text) != Some(u64::from(std::process::id()));
    if process.is_some_and(is_other) {
        return None;
    }
    let timeout = Duration::from_micros(number(microseconds?)?);
    Some(timeout).filter(|timeout| !timeout.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_reach_abstract_sockets() {
        let name = format!("berrymse-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let receiver = UnixDatagram::bind_addr(&address).unwrap();
        let manager = ServiceManager::connect(Some(OsStr::new(&format!("@{name}"))));
        manager.notify("READY=1");
        let mut report = [0; 64];
        let count = receiver.recv(&mut report).unwrap();
        assert_eq!(&report[..count], b"READY=1");
        ServiceManager::connect(None).notify("READY=1");
    }

    #[test]
    fn watchdog_of_another_process_is_ignored() {
        let own = std::process::id().to_string();
        let timeout = |text: &str, process: Option<&str>| {
            watchdog_timeout(Some(OsStr::new(text)), process.map(OsStr::new))
        };
        let second = Some(Duration::from_secs(1));
        assert_eq!(timeout("1000000", None), second);
        assert_eq!(timeout("1000000", Some(&own)), second);
        for (text, process) in [("1000000", Some("1")), ("0", None), ("x", None)] {
            assert_eq!(timeout(text, process), None, "{text}");
        }
        assert_eq!(watchdog_timeout(None, None), None);
    }
}
