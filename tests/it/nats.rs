//! A camera's server and edges, with Debian's `nats-server` between them.

use crate::support::{PATIENCE, Scratch, Server, Viewer, decode, is_init, is_keyframe};
use berrymse::nats::protocol::{self, Parser, ServerOp};
use rustix::process::Signal;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Frames older than this must not be shown.
const OLD: Duration = Duration::from_secs(1);

const CAMERA: [&str; 10] = [
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

/// A `nats-server` of the test's own, on the same port after a restart.
struct Nats {
    port: u16,
    config: String,
    child: Child,
}

impl Nats {
    /// Starts one; `config` is what its file has besides the address.
    fn start(scratch: &Scratch, config: &str) -> Self {
        // Not from the range of local ports: a client that connects to a closed port could take it.
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let first = 20_000 + (std::process::id() % 9_000) as u16;
        for _ in 0..200 {
            let port = first + NEXT.fetch_add(1, Ordering::Relaxed);
            if TcpListener::bind(("127.0.0.1", port)).is_err() {
                continue;
            }
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

    /// Waits until it serves; false if it ended.
    fn wait(&mut self) -> bool {
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

    fn kill(&mut self) {
        let _ = self.child.kill();
        self.child.wait().unwrap();
    }

    fn restart(&mut self) {
        self.child = spawn(&self.config);
        assert!(self.wait());
    }

    fn signal(&self, signal: Signal) {
        let process = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(process, signal).unwrap();
    }

    fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.kill();
    }
}

fn spawn(config: &str) -> Child {
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

fn camera(url: &str) -> Server {
    Server::start(&[&CAMERA[..], &["--publish", url]].concat())
}

fn edge(url: &str) -> Server {
    Server::start(&["--source", &format!("{url}/camera")])
}

/// Number of the fragment.
fn number(message: &[u8]) -> u32 {
    u32::from_be_bytes(message[20..24].try_into().unwrap())
}

fn decode_time(message: &[u8]) -> u64 {
    u64::from_be_bytes(message[64..72].try_into().unwrap())
}

/// Messages of a viewer, and when each was there.
type Seen = Vec<(Vec<u8>, Instant)>;

/// Collects the messages of a viewer until told to stop.
fn collect(server: &Server, is_over: &Arc<AtomicBool>) -> thread::JoinHandle<Seen> {
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
fn watch_both(camera: &Server, edge: &Server, fault: impl FnOnce()) -> (Seen, Seen) {
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

fn check_frames(at_camera: &Seen, at_edge: &Seen) {
    assert!(is_init(&at_edge[0].0));
    assert_eq!(at_camera[0].0, at_edge[0].0, "the init segment");
    let frames = || at_edge.iter().filter(|(message, _)| !is_init(message));
    let mut before: Option<u32> = None;
    let mut matched = 0;
    for (message, seen) in frames() {
        let follows = before.is_none_or(|before| number(message) == before.wrapping_add(1));
        assert!(follows || is_keyframe(message), "a reference is missing");
        before = Some(number(message));
        let same =
            |(other, _): &&(Vec<u8>, Instant)| !is_init(other) && number(other) == number(message);
        // Either viewer may have begun earlier.
        let Some((original, first_seen)) = at_camera.iter().find(same) else {
            continue;
        };
        let nals = |message: &[u8]| message[104..].to_vec();
        assert_eq!(nals(original), nals(message));
        let late = seen.saturating_duration_since(*first_seen);
        assert!(late < OLD, "frame {} is {late:?} late", number(message));
        matched += 1;
    }
    assert!(matched > 30, "{matched} frames in common");
}

/// Waits until the server has this many more frames than now.
fn wait_for_frames(server: &Server, count: u64) {
    let frames = |camera: &serde_json::Value| camera["frames"].as_u64().unwrap();
    let now = frames(&server.status()["cameras"][0]);
    server.wait_for("frames", |camera| frames(camera) >= now + count);
}

/// Pictures of a viewer's messages; the first is the init segment.
fn pictures(seen: &Seen) -> Vec<String> {
    let all: Vec<&[u8]> = seen.iter().map(|(message, _)| &message[..]).collect();
    decode("mp4", &all.concat())
}

#[test]
fn edge_sends_the_bytes_of_the_camera() {
    let scratch = Scratch::new("nats-same");
    // Every frame has to be cut.
    let nats = Nats::start(&scratch, "max_payload: 1024");
    let camera = camera(&nats.url());
    let edge = edge(&nats.url());
    let (at_camera, at_edge) = watch_both(&camera, &edge, || ());
    let all = |seen: &Seen| {
        seen.iter()
            .map(|(message, _)| message.clone())
            .collect::<Vec<_>>()
    };
    let (at_camera, at_edge) = (all(&at_camera), all(&at_edge));
    let common = at_edge.iter().filter(|message| at_camera.contains(message));
    assert!(common.count() > 60, "also headers and times are the same");
    let status = edge.status()["cameras"][0].clone();
    assert_eq!(status["source"], "nats");
    assert_eq!(status["frames_dropped"], 0);
}

#[test]
fn camera_on_demand_follows_viewers_of_edges() {
    let scratch = Scratch::new("nats-demand");
    let nats = Nats::start(&scratch, "");
    let url = nats.url();
    let camera =
        Server::start(&[&CAMERA[..], &["--on-demand", "true", "--publish", &url]].concat());
    let edge = edge(&url);
    camera.wait_for("idle", |camera| camera["state"] == "idle");
    let mut viewer = edge.watch("/video_websocket");
    assert!(is_init(&viewer.binary()) && is_keyframe(&viewer.binary()));
    camera.wait_for("live", |camera| camera["state"] == "live");
    // The viewer counts at the camera, too.
    camera.wait_for("remote viewer", |camera| camera["viewers_elsewhere"] == 1);
    drop(viewer);
    edge.wait_for("idle", |camera| camera["state"] == "idle");
    camera.wait_for_log("no longer watched over NATS");
    camera.wait_for("nobody", |camera| camera["viewers_elsewhere"] == 0);
}

#[test]
fn restarted_nats_server_is_found_again() {
    let scratch = Scratch::new("nats-restart");
    let mut nats = Nats::start(&scratch, "");
    let (camera, edge) = (camera(&nats.url()), edge(&nats.url()));
    let (_, at_edge) = watch_both(&camera, &edge, || {
        nats.kill();
        thread::sleep(Duration::from_secs(1));
        // It takes smaller messages now.
        let config = std::fs::read_to_string(&nats.config).unwrap();
        std::fs::write(&nats.config, config + "max_payload: 2048\n").unwrap();
        nats.restart();
    });
    let times: Vec<u64> = (at_edge.iter().filter(|(message, _)| !is_init(message)))
        .map(|(message, _)| decode_time(message))
        .collect();
    assert!(times.is_sorted());
}

#[test]
fn stopped_nats_server_brings_nothing_old() {
    let scratch = Scratch::new("nats-stopped");
    let nats = Nats::start(&scratch, "");
    let (camera, edge) = (camera(&nats.url()), edge(&nats.url()));
    watch_both(&camera, &edge, || {
        nats.signal(Signal::STOP);
        thread::sleep(Duration::from_secs(4));
        nats.signal(Signal::CONT);
    });
}

#[test]
fn restarted_camera_is_another_epoch() {
    let scratch = Scratch::new("nats-epoch");
    let nats = Nats::start(&scratch, "");
    let first = camera(&nats.url());
    let edge = edge(&nats.url());
    let is_over = Arc::new(AtomicBool::new(false));
    let at_edge = collect(&edge, &is_over);
    wait_for_frames(&edge, 30);
    drop(first);
    let second = camera(&nats.url());
    second.wait_for_log("watched over NATS");
    wait_for_frames(&edge, 60);
    is_over.store(true, Ordering::Relaxed);
    let seen = at_edge.join().unwrap();
    let frames: Vec<&[u8]> = (seen.iter().map(|(message, _)| &message[..]))
        .filter(|message| !is_init(message))
        .collect();
    let follows =
        |pair: &[&[u8]]| is_keyframe(pair[1]) || number(pair[1]) == number(pair[0]).wrapping_add(1);
    assert!(frames.windows(2).all(follows));
    assert!(
        frames
            .windows(2)
            .all(|pair| decode_time(pair[0]) < decode_time(pair[1]))
    );
    assert!(
        frames
            .windows(2)
            .any(|pair| number(pair[1]) < number(pair[0]))
    );
}

/// A relay in front of a NATS server, which drops each `n`th message to the client.
fn dropping_relay(server: u16, n: usize) -> u16 {
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
fn relayed(message: &protocol::Message) -> Vec<u8> {
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

#[test]
fn dropped_messages_leave_no_broken_picture() {
    let scratch = Scratch::new("nats-drops");
    let nats = Nats::start(&scratch, "");
    let camera = camera(&nats.url());
    // 5 % of the messages.
    let port = dropping_relay(nats.port, 20);
    let edge = edge(&format!("nats://127.0.0.1:{port}"));
    let (at_camera, at_edge) = watch_both(&camera, &edge, || wait_for_frames(&edge, 60));
    // From a keyframe on that both viewers have, to the last frame of the one that ended first.
    let known: Vec<u32> = (at_camera[1..].iter())
        .map(|(message, _)| number(message))
        .collect();
    let begin = (at_edge.iter())
        .position(|(message, _)| is_keyframe(message) && known.contains(&number(message)))
        .unwrap();
    let common = std::iter::once(&at_edge[0])
        .chain(&at_edge[begin..])
        .filter(|(message, _)| is_init(message) || known.contains(&number(message)));
    let shown = pictures(&common.cloned().collect());
    let original = pictures(&at_camera);
    assert!(shown.len() > 60);
    assert!(shown.iter().all(|picture| original.contains(picture)));
}

/// Publishes with a login of its own, and reads what the server says to it.
struct Outsider {
    socket: TcpStream,
}

impl Outsider {
    fn new(nats: &Nats) -> Self {
        Self::log_in(nats, "")
    }

    /// Connects with a login in JSON, from its comma on.
    fn log_in(nats: &Nats, login: &str) -> Self {
        let socket = TcpStream::connect(("127.0.0.1", nats.port)).unwrap();
        let mut outsider = Self { socket };
        outsider.send(&format!("CONNECT {{\"verbose\":false{login}}}"));
        outsider
    }

    fn send(&mut self, line: &str) {
        let line = format!("{line}\r\n");
        self.socket.write_all(line.as_bytes()).unwrap();
    }

    fn publish(&mut self, subject: &str, payload: &[u8]) {
        self.ask(subject, "", payload);
    }

    fn ask(&mut self, subject: &str, reply: &str, payload: &[u8]) {
        let bytes = protocol::publish(subject, reply, &[payload]);
        self.socket.write_all(&bytes).unwrap();
    }

    /// Waits until the server has taken all so far; returns what it said meanwhile.
    fn flush(&mut self) -> String {
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

fn names(server: &Server) -> Vec<String> {
    let status = server.status();
    let cameras = status["cameras"].as_array().unwrap();
    (cameras.iter())
        .map(|camera| camera["name"].as_str().unwrap().to_owned())
        .collect()
}

fn wait_for_names(server: &Server, wanted: &[&str]) {
    let end = Instant::now() + PATIENCE;
    while names(server) != wanted {
        let found = names(server);
        assert!(Instant::now() < end, "{found:?} instead of {wanted:?}");
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn cameras_of_a_fleet_come_and_go() {
    let scratch = Scratch::new("nats-fleet");
    let nats = Nats::start(&scratch, "");
    let url = nats.url();
    let config = scratch.file(
        "edge.yml",
        format!(
            "cameras:\n  - {{name: own, source: test, width: 320, height: 240}}\n  - {{name: all, source: \"{url}/*\"}}\n"
        ),
    );
    let edge = Server::start(&["-c", &config]);
    wait_for_names(&edge, &["own"]);
    let publish = |name: &str| {
        let config = format!("publish: {{url: \"{url}\", name: {name}}}\n");
        let config = scratch.file(&format!("{name}.yml"), config);
        Server::start(&[&["-c", &config], &CAMERA[..]].concat())
    };
    // A name from elsewhere is never that of a camera here.
    let (garden, _shadow) = (publish("garden"), publish("own"));
    wait_for_names(&edge, &["own", "garden"]);
    let mut viewer = edge.watch("/live/garden");
    assert!(is_init(&viewer.binary()) && is_keyframe(&viewer.binary()));
    let (_, metrics) = edge.get("/metrics");
    assert!(metrics.contains("camera=\"garden\""));
    assert_eq!(edge.status()["cameras"][0]["source"], "test");
    garden.signal(Signal::TERM);
    wait_for_names(&edge, &["own"]);
    let _again = publish("garden");
    wait_for_names(&edge, &["own", "garden"]);
    // The viewer has waited.
    while !is_keyframe(&viewer.binary()) {}
}

#[test]
fn thousand_announced_cameras_stay_bounded() {
    let scratch = Scratch::new("nats-thousand");
    let nats = Nats::start(&scratch, "");
    let edge = Server::start(&["--source", &format!("{}/*", nats.url())]);
    wait_for_names(&edge, &[]);
    edge.wait_for_log("nats: connected");
    let mut outsider = Outsider::new(&nats);
    let end = Instant::now() + PATIENCE;
    while names(&edge).len() < 1024 {
        assert!(Instant::now() < end, "{} cameras", names(&edge).len());
        for number in 0..1100 {
            outsider.publish(&format!("berrymse.c{number}.announce"), b"\x01\x04\0");
        }
        // Names that are none.
        outsider.publish("berrymse.<b>.announce", b"\x01\x04\0");
        outsider.publish("berrymse.%2E.announce", b"\x01\x04\0");
        outsider.flush();
    }
    assert_eq!(names(&edge).len(), 1024);
    assert_eq!(edge.get("/").0, 200);
    assert_eq!(edge.get("/live/c1").0, 426);
    // What nobody watched makes room as soon as it is gone.
    let end = Instant::now() + PATIENCE;
    while !names(&edge).contains(&"late".to_owned()) {
        assert!(Instant::now() < end);
        for number in 0..1100 {
            outsider.publish(&format!("berrymse.c{number}.announce"), b"\x01\x04\x01");
        }
        outsider.publish("berrymse.late.announce", b"\x01\x04\0");
        outsider.flush();
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn camera_that_comes_and_goes_at_will_changes_once_a_second() {
    let scratch = Scratch::new("nats-flap");
    let nats = Nats::start(&scratch, "");
    let edge = Server::start(&["--source", &format!("{}/*", nats.url())]);
    edge.wait_for_log("nats: connected");
    let mut outsider = Outsider::new(&nats);
    let began = Instant::now();
    for _ in 0..100 {
        for _ in 0..50 {
            outsider.publish("berrymse.flap.announce", b"\x01\x04\0");
            outsider.publish("berrymse.flap.announce", b"\x01\x04\x01");
        }
        outsider.flush();
        thread::sleep(Duration::from_millis(10));
    }
    // The last word counts, even if it came too early.
    outsider.publish("berrymse.flap.announce", b"\x01\x04\0");
    outsider.flush();
    wait_for_names(&edge, &["flap"]);
    let lines = edge.log().matches("flap: ").count() as u64;
    let limit = 2 + began.elapsed().as_secs();
    assert!(lines <= limit, "{lines} lines, limit {limit}");
}

#[test]
fn camera_answers_only_to_inboxes() {
    let scratch = Scratch::new("nats-reply");
    let nats = Nats::start(&scratch, "");
    let camera = camera(&nats.url());
    camera.wait_for("frames", |camera| camera["frames"].as_u64() > Some(30));
    let mut outsider = Outsider::new(&nats);
    outsider.send("SUB berrymse.back.frames 1");
    outsider.send("SUB _INBOX_edge.> 2");
    let join = [1, 5, 0, 0, 0, 0, 0, 0, 0, 1];
    let end = Instant::now() + PATIENCE;
    let mut said = String::new();
    while !said.contains("MSG _INBOX_edge.1 2 ") {
        assert!(Instant::now() < end);
        outsider.ask("berrymse.camera.ask", "berrymse.back.frames", &join);
        outsider.ask("berrymse.camera.ask", "_INBOX_edge.1", &join);
        said += &outsider.flush();
        thread::sleep(Duration::from_millis(50));
    }
    assert!(!said.contains("berrymse.back.frames"));
}

#[test]
fn hostile_publisher_disturbs_only_its_camera() {
    let scratch = Scratch::new("nats-hostile");
    let nats = Nats::start(&scratch, "");
    let camera = camera(&nats.url());
    let edge = edge(&nats.url());
    watch_both(&camera, &edge, || {
        let mut outsider = Outsider::new(&nats);
        // Of an earlier start, so that the camera stays the one that counts.
        let header = |number: u32, chunk: u16, chunks: u16| {
            let mut bytes = vec![1, 1, 1, 0];
            bytes.extend(chunk.to_be_bytes());
            bytes.extend(chunks.to_be_bytes());
            bytes.extend(1u64.to_be_bytes());
            bytes.extend(number.to_be_bytes());
            bytes.extend([0xff; 20]);
            bytes
        };
        for number in 0..2000u32 {
            let mut bytes = header(number, (number % 7) as u16, 9);
            bytes.extend([number as u8; 600]);
            outsider.publish("berrymse.camera.frames", &bytes);
            outsider.publish("berrymse.camera.ask", &bytes);
            outsider.publish("berrymse.camera.ask", &[1, (number % 12) as u8, 0xff, 0xff]);
            outsider.publish("berrymse.camera.frames", &[1, (number % 12) as u8]);
        }
        outsider.flush();
    });
}

const PERMISSIONS: &str = r#"
authorization { users: [
  { user: garden, password: cameraPassword, permissions: {
    publish: ["berrymse.camera.frames", "berrymse.camera.announce",
              "_INBOX_garden.>", "_INBOX_edge.>",
              "_INBOX_UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4.>"]
    subscribe: ["berrymse.camera.ask", "_INBOX_garden.>"] } }
  { user: edge, password: edgePassword, permissions: {
    publish: ["berrymse.*.ask"]
    subscribe: ["berrymse.*.frames", "berrymse.*.announce", "_INBOX_edge.>"] } }
  { user: back, password: backPassword, permissions: {
    publish: ["berrymse.back.frames", "berrymse.back.announce",
              "_INBOX_back.>", "_INBOX_edge.>"]
    subscribe: ["berrymse.back.ask", "_INBOX_back.>"] } }
  { user: other, password: otherPassword, permissions: {
    publish: ["other.>"], subscribe: ["other.>"] } }
  { nkey: UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4 }
] }"#;

#[test]
fn permissions_of_the_server_are_enough() {
    let scratch = Scratch::new("nats-permissions");
    let nats = Nats::start(&scratch, PERMISSIONS);
    let host = format!("127.0.0.1:{}", nats.port);
    let camera = camera(&format!("nats://garden:cameraPassword@{host}"));
    let by_password = edge(&format!("nats://edge:edgePassword@{host}"));
    // Of the documentation of NATS.
    let seed = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY\n";
    let seed = scratch.file("seed.nk", seed);
    let by_key = Server::start(&["--source", &format!("nats://{host}/camera?nkey={seed}")]);
    for edge in [&by_password, &by_key] {
        let mut viewer = edge.watch("/video_websocket");
        assert!(is_init(&viewer.binary()) && is_keyframe(&viewer.binary()));
    }
    for server in [&camera, &by_password] {
        assert!(!server.log().contains("Permissions Violation"));
    }
    // The password of another camera reads no answers and sends no frames for this one.
    let login = r#","user":"back","pass":"backPassword""#;
    let mut back = Outsider::log_in(&nats, login);
    for subject in ["_INBOX.>", "_INBOX_edge.>", "_INBOX_garden.>", ">"] {
        back.send(&format!("SUB {subject} 1"));
        assert!(back.flush().contains("Permissions Violation"), "{subject}");
    }
    for subject in [
        "berrymse.camera.frames",
        "berrymse.camera.ask",
        "_INBOX_garden.1",
    ] {
        back.publish(subject, b"");
        assert!(back.flush().contains("Permissions Violation"), "{subject}");
    }
    // Forbidden and refused: the log says so, without the password.
    let forbidden = Server::start(&[
        "--source",
        &format!("nats://other:otherPassword@{host}/camera"),
    ]);
    drop(forbidden.request("GET", "/stream.mp4?wait=1", ""));
    forbidden.wait_for_log("Permissions Violation");
    let wrong = Server::start(&[
        "--source",
        &format!("nats://edge:wrongPassword@{host}/camera"),
    ]);
    wrong.wait_for_log("Authorization Violation");
    drop(wrong.request("GET", "/stream.mp4?wait=1", ""));
    for server in [&camera, &by_password, &forbidden, &wrong] {
        let (log, status) = (server.log(), server.status().to_string());
        for text in [log, status] {
            assert!(!text.contains("Password"), "{text}");
        }
    }
}

#[test]
fn tls_with_an_authority_of_its_own_is_trusted() {
    let scratch = Scratch::new("nats-tls");
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let cert = scratch.file("cert.pem", made.cert.pem());
    let key = scratch.file("key.pem", made.signing_key.serialize_pem());
    let nats = Nats::start(
        &scratch,
        &format!("tls {{ cert_file: \"{cert}\", key_file: \"{key}\" }}"),
    );
    let url = format!("nats+tls://127.0.0.1:{}", nats.port);
    let config = format!("publish: {{url: \"{url}\", ca: \"{cert}\"}}\n");
    let config = scratch.file("camera.yml", config);
    let _camera = Server::start(&[&["-c", &config], &CAMERA[..]].concat());
    let edge = Server::start(&["--source", &format!("{url}/camera?ca={cert}")]);
    let mut viewer = edge.watch("/video_websocket");
    assert!(is_init(&viewer.binary()) && is_keyframe(&viewer.binary()));
    let stranger = Server::start(&["--source", &format!("{url}/camera")]);
    stranger.wait_for_log("TLS failed");
}
