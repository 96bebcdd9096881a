//! The program as a service: reports to the service manager, the watchdog, addresses that come late.

use crate::support::{PATIENCE, Scratch, Server};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A service manager that notes reports.
struct Manager {
    place: Scratch,
    socket: UnixDatagram,
}

impl Manager {
    fn new(name: &str) -> Self {
        let place = Scratch::new(name);
        let socket = UnixDatagram::bind(place.join("notify")).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { place, socket }
    }

    /// Starts the program with a watchdog of this time.
    fn start(&self, source: &str, watchdog: Duration) -> Server {
        let watchdog = watchdog.as_micros().to_string();
        Server::start_with(&["--source", source], |command| {
            command
                .args(["--listen", "127.0.0.1:0"])
                .env("NOTIFY_SOCKET", self.place.join("notify"))
                .env("WATCHDOG_USEC", watchdog);
        })
    }

    fn report(&self) -> String {
        let mut bytes = [0; 256];
        let count = self.socket.recv(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..count]).into_owned()
    }

    fn wait_for(&self, report: &str) {
        let end = Instant::now() + PATIENCE;
        while self.report() != report {
            assert!(Instant::now() < end, "no {report}");
        }
    }
}

#[test]
fn manager_hears_ready_life_and_stopping() {
    let manager = Manager::new("notify");
    // Without a camera: frames are no sign of life.
    let mut server = manager.start("/dev/nowhere", Duration::from_secs(60));
    manager.wait_for("READY=1\nSTATUS=serving");
    manager.wait_for("WATCHDOG=1");
    server.signal(rustix::process::Signal::TERM);
    manager.wait_for("STOPPING=1");
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
}

/// Holds a lease on a file until its standard input ends: whoever opens the file waits that long, at most 45 s.
const LEASE: &str = "
import fcntl, os, signal, sys
signal.signal(signal.SIGIO, signal.SIG_IGN)
file = os.open(sys.argv[1], os.O_RDWR)
fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
print('held', flush=True)
sys.stdin.read()
";

#[test]
fn stuck_camera_starves_the_watchdog_until_it_moves() {
    let manager = Manager::new("watchdog");
    let video = manager.place.join("video.h264");
    std::fs::write(&video, "").unwrap();
    let lease = Command::new("python3")
        .args(["-c", LEASE])
        .arg(&video)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let Ok(mut lease) = lease else {
        eprintln!("not tested: there is no python3");
        return;
    };
    let mut line = String::new();
    let mut printed = BufReader::new(lease.stdout.take().unwrap());
    printed.read_line(&mut line).unwrap();
    if line != "held\n" {
        eprintln!("not tested: no leases here");
        return;
    }
    let source = format!("file:{}", video.display());
    let server = manager.start(&source, Duration::from_secs(2));
    server.wait_for_log("camera: stuck (no round for 2s)");
    // HTTP is alive, and yet no report comes once those of before are read.
    let second = Some(Duration::from_secs(1));
    manager.socket.set_read_timeout(second).unwrap();
    while manager.socket.recv(&mut [0; 256]).is_ok() {}
    assert_eq!(server.get("/healthz").0, 200);
    manager.socket.set_read_timeout(Some(PATIENCE)).unwrap();
    drop(lease.stdin.take());
    lease.wait().unwrap();
    manager.wait_for("WATCHDOG=1");
}

#[test]
fn missing_address_prevents_the_start_unless_waited_for() {
    let refused = |arguments: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_berrymse"))
            .args(["--source", "test", "--listen"])
            .args(arguments)
            .output()
            .unwrap()
    };
    assert_eq!(refused(&["192.0.2.1:0"]).status.code(), Some(1));
    // A port in use does not become free by waiting.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = refused(&[&address, "--wait-for-address", "true"]);
    assert_eq!(output.status.code(), Some(1));

    let manager = Manager::new("address");
    let mut child = Command::new(env!("CARGO_BIN_EXE_berrymse"))
        .args(["--source", "test", "--listen", "192.0.2.1:0"])
        .args(["--wait-for-address", "true"])
        .env("NOTIFY_SOCKET", manager.place.join("notify"))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    manager.wait_for("READY=1\nSTATUS=waiting for an address");
    manager.wait_for("WATCHDOG=1");
    manager.wait_for("WATCHDOG=1");
    let process = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(process, rustix::process::Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let mut log = String::new();
    let mut stderr = child.stderr.take().unwrap();
    stderr.read_to_string(&mut log).unwrap();
    let waiting = |line: &str| line.contains("192.0.2.1") && line.contains("; waiting for it");
    assert_eq!(log.lines().filter(|line| waiting(line)).count(), 1, "{log}");
}
