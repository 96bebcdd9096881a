//! A bad line for tests: a relay that takes bytes from the server no faster than the line carries them.
//!
//! Real TCP on both sides, and no permission needed. What the relay has not taken stays in the server's kernel, as with a
//! narrow place right behind the server; its own buffer is as small as the kernel lets it be. `bench/lines` shapes packets.

use socket2::{Domain, Socket, Type};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// One packet.
const PIECE: usize = 1400;

/// Listens for viewers and connects each to the server; ends with the test's process.
pub struct Line {
    pub address: String,
    bytes_per_second: Arc<AtomicU64>,
    held: Arc<AtomicU64>,
}

impl Line {
    /// A line to `server` (host and port), which carries everything until told otherwise.
    pub fn to(server: &str) -> Self {
        let server: SocketAddr = server.parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let bytes_per_second = Arc::new(AtomicU64::new(u64::MAX));
        let rate = bytes_per_second.clone();
        let held = Arc::new(AtomicU64::new(0));
        let holds = held.clone();
        thread::spawn(move || {
            for viewer in listener.incoming().flatten() {
                let upstream = connect(server);
                let (mut from, mut to) =
                    (viewer.try_clone().unwrap(), upstream.try_clone().unwrap());
                thread::spawn(move || std::io::copy(&mut from, &mut to));
                let rate = rate.clone();
                let holds = holds.clone();
                thread::spawn(move || carry(upstream, viewer, &rate, &holds));
            }
        });
        Self {
            address,
            bytes_per_second,
            held,
        }
    }

    /// Bytes that have been acknowledged to the server and wait in the relay.
    pub fn held(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }

    /// What it carries from now on; 0 is a hole.
    pub fn set(&self, bytes_per_second: u64) {
        self.bytes_per_second
            .store(bytes_per_second, Ordering::Relaxed);
    }
}

fn connect(server: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(8 << 10).unwrap();
    socket.set_tcp_mss(PIECE as u32).unwrap();
    socket.connect(&server.into()).unwrap();
    socket.into()
}

/// Until one side is gone. What the line could have carried while there was nothing is lost.
fn carry(mut from: TcpStream, mut to: TcpStream, rate: &AtomicU64, held: &AtomicU64) {
    to.set_nodelay(true).unwrap();
    let mut piece = [0; PIECE];
    let mut free_at = Instant::now();
    loop {
        let bytes_per_second = rate.load(Ordering::Relaxed);
        if bytes_per_second == 0 {
            thread::sleep(Duration::from_millis(5));
            continue;
        }
        thread::sleep(free_at.saturating_duration_since(Instant::now()));
        held.store(
            rustix::io::ioctl_fionread(&from).unwrap_or(0),
            Ordering::Relaxed,
        );
        match from.read(&mut piece) {
            Ok(count) if count > 0 => {
                if to.write_all(&piece[..count]).is_err() {
                    break;
                }
                let time = Duration::from_secs_f64(count as f64 / bytes_per_second as f64);
                free_at = free_at.max(Instant::now() - Duration::from_millis(20)) + time;
            }
            _ => break,
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
