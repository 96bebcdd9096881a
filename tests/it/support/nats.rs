//! NATS for tests: Debian's `nats-server`, cameras and edges at it, what their viewers see, and bad lines between.

use super::{PATIENCE, Scratch, Server, Viewer, decode, is_init, is_keyframe};
use berrymse::nats::protocol::{self, Parser, ServerOp};
use rustix::process::Signal;
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Frames older than this must not be shown.
pub const OLD: Duration = Duration::from_secs(1);

pub const CAMERA: [&str; 10] = [
    "--source",
    "test",
    "--width",
    "320",
    "--height",
    "240",
    "--keyframe-interval",
    "60",
    "--fps",
    "30",
];

/// Returns a port that nobody has. It is not from the range of local ports: a client that connects to a closed port could
/// take it.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + (std::process::id() % 9_000) as u16;
    loop {
        let port = first + NEXT.fetch_add(1, Ordering::Relaxed) % 3_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// A `nats-server` of the test's own, on the same port after a restart.
pub struct Nats {
    pub port: u16,
    pub config: String,
    child: Child,
}

impl Nats {
    /// Starts one; `config` is what its file has besides the address.
    pub fn start(scratch: &Scratch, config: &str) -> Self {
        for _ in 0..200 {
            let port = free_port();
            let text = format!("listen: \"127.0.0.1:{port}\"\n{config}\n");
            let path = scratch.file(&format!("{port}.conf"), text);
            let child = spawn(&path);
            let mut server = Self {
                port,
                config: path,
                child,
            };
            if server.wait() {
                return server;
            }
        }
        panic!("nats-server does not start");
    }

    /// Starts three as one cluster.
    pub fn cluster(scratch: &Scratch) -> [Self; 3] {
        let ports: [u16; 3] = std::array::from_fn(|_| free_port());
        let routes = ports
            .map(|port| format!("nats://127.0.0.1:{port}"))
            .join(", ");
        ports.map(|port| {
            let config = format!(
                "server_name: n{port}\ncluster {{ name: test, listen: \"127.0.0.1:{port}\", routes: [{routes}] }}"
            );
            Self::start(scratch, &config)
        })
    }

    /// Waits until it serves; false if it ended.
    pub fn wait(&mut self) -> bool {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return true;
            }
            thread::sleep(Duration::from_millis(20));
        }
        false
    }

    pub fn kill(&mut self) {
        let _ = self.child.kill();
        self.child.wait().unwrap();
    }

    pub fn restart(&mut self) {
        self.child = spawn(&self.config);
        assert!(self.wait());
    }

    pub fn signal(&self, signal: Signal) {
        let process = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(process, signal).unwrap();
    }

    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.kill();
    }
}

pub fn spawn(config: &str) -> Child {
    let quiet = Stdio::null;
    ["nats-server", "/usr/sbin/nats-server"]
        .into_iter()
        .find_map(|name| {
            let mut command = Command::new(name);
            command.args(["-c", config]).stdout(quiet()).stderr(quiet());
            command.spawn().ok()
        })
        .expect("nats-server is needed: apt-get install nats-server")
}

pub fn camera(url: &str) -> Server {
    Server::start(&[&CAMERA[..], &["--publish", url]].concat())
}

pub fn edge(url: &str) -> Server {
    Server::start(&["--source", &format!("{url}/camera")])
}

/// Number of the fragment.
pub fn number(message: &[u8]) -> u32 {
    u32::from_be_bytes(message[20..24].try_into().unwrap())
}

pub fn decode_time(message: &[u8]) -> u64 {
    u64::from_be_bytes(message[64..72].try_into().unwrap())
}

/// Messages of a viewer, and when each was there.
pub type Seen = Vec<(Vec<u8>, Instant)>;

/// Collects the messages of a viewer until told to stop.
pub fn collect(server: &Server, is_over: &Arc<AtomicBool>) -> thread::JoinHandle<Seen> {
    let mut viewer = Viewer::connect(server, "/video_websocket", None);
    let is_over = is_over.clone();
    thread::spawn(move || {
        let mut seen = Seen::new();
        while !is_over.load(Ordering::Relaxed) {
            seen.push((viewer.binary(), Instant::now()));
        }
        seen
    })
}

/// Watches the camera at its own server and at an edge, while `fault` happens. Every frame at the edge must have the bytes
/// that viewers at the camera get, come within [`OLD`] after them, and be a keyframe or follow the one before.
pub fn watch_both(camera: &Server, edge: &Server, fault: impl FnOnce()) -> (Seen, Seen) {
    let is_over = Arc::new(AtomicBool::new(false));
    let at_camera = collect(camera, &is_over);
    let at_edge = collect(edge, &is_over);
    wait_for_frames(edge, 30);
    fault();
    wait_for_frames(edge, 60);
    is_over.store(true, Ordering::Relaxed);
    let (at_camera, at_edge) = (at_camera.join().unwrap(), at_edge.join().unwrap());
    check_frames(&at_camera, &at_edge);
    (at_camera, at_edge)
}

/// Viewers of several servers, until it is over.
pub struct Watching {
    is_over: Arc<AtomicBool>,
    viewers: Vec<thread::JoinHandle<Seen>>,
}

impl Watching {
    /// Watches each of the servers.
    pub fn begin(servers: &[&Server]) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let viewers = servers.iter().map(|server| collect(server, &is_over));
        Self {
            viewers: viewers.collect(),
            is_over,
        }
    }

    /// Returns what the viewers have seen, in the order of the servers.
    pub fn end(self) -> Vec<Seen> {
        self.is_over.store(true, Ordering::Relaxed);
        let seen = self
            .viewers
            .into_iter()
            .map(|viewer| viewer.join().unwrap());
        seen.collect()
    }
}

/// Returns the longest time without a frame after `from`.
pub fn longest_pause(seen: &Seen, from: Instant) -> Duration {
    let times: Vec<Instant> = (seen.iter().filter(|(message, _)| !is_init(message)))
        .map(|(_, at)| *at)
        .collect();
    (times.windows(2))
        .map(|pair| pair[1].saturating_duration_since(pair[0].max(from)))
        .max()
        .unwrap_or(Duration::MAX)
}

/// Decodes what viewers of a camera and of an edge have seen. Every picture at the edge must be one of the camera.
pub fn assert_same_pictures(at_camera: &Seen, at_edge: &Seen) {
    // From a keyframe on that both viewers have, to the last frame of the one that ended first.
    let known: Vec<u32> = (at_camera.iter().filter(|(message, _)| !is_init(message)))
        .map(|(message, _)| number(message))
        .collect();
    let begin = (at_edge.iter())
        .position(|(message, _)| is_keyframe(message) && known.contains(&number(message)))
        .unwrap();
    let common = std::iter::once(&at_edge[0])
        .chain(&at_edge[begin..])
        .filter(|(message, _)| is_init(message) || known.contains(&number(message)));
    let shown = pictures(&common.cloned().collect());
    let original = pictures(at_camera);
    assert!(shown.len() > 30, "{} pictures", shown.len());
    assert!(shown.iter().all(|picture| original.contains(picture)));
}

/// Checks what an edge has shown: every frame has the bytes that viewers at the camera get, and is a keyframe or follows the
/// one before. Returns how much later than at the camera the latest was there, of those that are newer than `since`: whoever joins
/// is sent older ones, which a decoder needs.
pub fn lateness(at_camera: &Seen, at_edge: &Seen, since: Option<Instant>) -> Duration {
    assert!(is_init(&at_edge[0].0));
    assert!(
        at_camera[0].0 == at_edge[0].0,
        "the init segment is another"
    );
    let frames = |seen: &'_ Seen| -> Vec<(Vec<u8>, Instant)> {
        let frames = seen.iter().filter(|(message, _)| !is_init(message));
        frames.cloned().collect()
    };
    let at_camera: HashMap<u32, (Vec<u8>, Instant)> = (frames(at_camera).into_iter())
        .map(|(message, at)| (number(&message), (message, at)))
        .collect();
    let mut before: Option<u32> = None;
    let mut all = Vec::new();
    for (message, seen) in frames(at_edge) {
        let number = number(&message);
        let follows = before.is_none_or(|before| number == before.wrapping_add(1));
        assert!(follows || is_keyframe(&message), "a reference is missing");
        before = Some(number);
        // Either viewer may have begun earlier.
        let Some((original, first_seen)) = at_camera.get(&number) else {
            continue;
        };
        let is_same = original[104..] == message[104..];
        assert!(is_same, "the NAL units of frame {number} are others");
        if since.is_none_or(|since| *first_seen >= since) {
            all.push(seen.saturating_duration_since(*first_seen));
        }
    }
    assert!(all.len() > 30, "{} frames in common", all.len());
    all.into_iter().max().unwrap()
}

/// The same, where no frame may be old.
pub fn check_frames(at_camera: &Seen, at_edge: &Seen) {
    let late = lateness(at_camera, at_edge, None);
    assert!(late < OLD, "a frame is {late:?} late");
}

/// Waits until the server has this many more frames than now.
pub fn wait_for_frames(server: &Server, count: u64) {
    let frames = |camera: &serde_json::Value| camera["frames"].as_u64().unwrap();
    let now = frames(&server.status()["cameras"][0]);
    server.wait_for("frames", |camera| frames(camera) >= now + count);
}

/// Pictures of a viewer's messages; the first is the init segment.
pub fn pictures(seen: &Seen) -> Vec<String> {
    let all: Vec<&[u8]> = seen.iter().map(|(message, _)| &message[..]).collect();
    decode("mp4", &all.concat())
}

/// A relay in front of a NATS server, which can be held. What comes meanwhile is kept and delivered later, as by a line with
/// large buffers.
pub struct Held {
    pub port: u16,
    is_held: Arc<AtomicBool>,
}

impl Held {
    /// A relay to the server at this port, which ends with the test's process.
    pub fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let is_held = Arc::new(AtomicBool::new(false));
        let held = is_held.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let upstream = TcpStream::connect(("127.0.0.1", server)).unwrap();
                carry(&client, &upstream, &held);
                carry(&upstream, &client, &held);
            }
        });
        Self { port, is_held }
    }

    /// Holds the line for this time.
    pub fn hold(&self, time: Duration) {
        self.is_held.store(true, Ordering::Relaxed);
        thread::sleep(time);
        self.is_held.store(false, Ordering::Relaxed);
    }
}

fn carry(from: &TcpStream, to: &TcpStream, is_held: &Arc<AtomicBool>) {
    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
    let is_held = is_held.clone();
    let (sender, pieces) = std::sync::mpsc::channel::<Vec<u8>>();
    thread::spawn(move || {
        let mut piece = [0; 16 << 10];
        while let Ok(read @ 1..) = from.read(&mut piece) {
            sender.send(piece[..read].to_vec()).unwrap();
        }
    });
    thread::spawn(move || {
        to.set_nodelay(true).unwrap();
        for piece in pieces {
            while is_held.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(5));
            }
            // The other side may be gone.
            let _ = to.write_all(&piece);
        }
        let _ = to.shutdown(std::net::Shutdown::Both);
    });
}

/// A relay in front of a NATS server, which drops each `n`th message to the client.
pub fn dropping_relay(server: u16, n: usize) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let mut upstream = TcpStream::connect(("127.0.0.1", server)).unwrap();
            let (mut from, mut to) = (client.try_clone().unwrap(), upstream.try_clone().unwrap());
            thread::spawn(move || std::io::copy(&mut from, &mut to));
            thread::spawn(move || {
                let (mut parser, mut piece, mut count) = (Parser::default(), [0; 4096], 0);
                while let Ok(read @ 1..) = upstream.read(&mut piece) {
                    parser.push(&piece[..read]);
                    let mut out = Vec::new();
                    while let Some(op) = parser.next_op().unwrap() {
                        count += usize::from(matches!(op, ServerOp::Message(_)));
                        let is_kept = count % n != 0;
                        match op {
                            ServerOp::Info(info) => {
                                let text = format!(
                                    "INFO {{\"headers\":true,\"max_payload\":{}}}\r\n",
                                    info.max_payload
                                );
                                out.extend(text.bytes());
                            }
                            ServerOp::Message(message) if is_kept => {
                                out.extend(relayed(&message));
                            }
                            ServerOp::Message(_) => {}
                            ServerOp::Ping => out.extend(b"PING\r\n"),
                            ServerOp::Pong => out.extend(b"PONG\r\n"),
                            ServerOp::Ok | ServerOp::Error(_) => panic!("{op:?}"),
                        }
                    }
                    if client.write_all(&out).is_err() {
                        return;
                    }
                }
            });
        }
    });
    port
}

/// Bytes of a message as the server sends it.
pub fn relayed(message: &protocol::Message) -> Vec<u8> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (subject, reply) = (text(&message.subject), text(&message.reply));
    let size = message.payload.len();
    let mut out = match message.status {
        0 => format!("MSG {subject} {} {reply} {size}\r\n", message.sid),
        status => format!(
            "HMSG {subject} {} {reply} 16 {}\r\nNATS/1.0 {status}\r\n\r\n",
            message.sid,
            size + 16
        ),
    }
    .into_bytes();
    out.extend_from_slice(&message.payload);
    out.extend_from_slice(b"\r\n");
    out
}

/// Publishes with a login of its own, and reads what the server says to it.
pub struct Outsider {
    socket: TcpStream,
}

impl Outsider {
    pub fn new(nats: &Nats) -> Self {
        Self::log_in(nats, "")
    }

    /// Connects with a login in JSON, from its comma on.
    pub fn log_in(nats: &Nats, login: &str) -> Self {
        let socket = TcpStream::connect(("127.0.0.1", nats.port)).unwrap();
        let mut outsider = Self { socket };
        outsider.send(&format!("CONNECT {{\"verbose\":false{login}}}"));
        outsider
    }

    pub fn send(&mut self, line: &str) {
        let line = format!("{line}\r\n");
        self.socket.write_all(line.as_bytes()).unwrap();
    }

    pub fn publish(&mut self, subject: &str, payload: &[u8]) {
        self.ask(subject, "", payload);
    }

    pub fn ask(&mut self, subject: &str, reply: &str, payload: &[u8]) {
        let bytes = protocol::publish(subject, reply, &[payload]);
        self.socket.write_all(&bytes).unwrap();
    }

    /// Waits until the server has taken all so far; returns what it said meanwhile.
    pub fn flush(&mut self) -> String {
        self.send("PING");
        let mut text = Vec::new();
        let mut piece = [0; 4096];
        while !text.windows(4).any(|word| word == b"PONG") {
            let read = self.socket.read(&mut piece).unwrap();
            assert!(read > 0);
            text.extend_from_slice(&piece[..read]);
        }
        String::from_utf8_lossy(&text).into_owned()
    }
}
