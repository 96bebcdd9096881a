//! MJPEG: the parts as each kind of client reads them, the URLs of other camera servers, and what a client costs.

use super::live;
use crate::support::line::Line;
use crate::support::{PATIENCE, Server, in_one_of};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const CHROME: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36";
const IMAGE: &str = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8";
const BOUNDARY: &[u8] = b"--boundarydonotcross";
/// First bytes of a JPEG.
const START: &[u8] = &[0xff, 0xd8];

/// An answer without an end, and what has come of its body.
struct Client {
    socket: TcpStream,
    head: String,
    body: Vec<u8>,
}

impl Client {
    fn get(address: &str, path: &str, accept: &str) -> Self {
        let mut socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let headers = format!("User-Agent: {CHROME}\r\nAccept: {accept}\r\n");
        write!(
            socket,
            "GET {path} HTTP/1.1\r\nHost: {address}\r\n{headers}\r\n"
        )
        .unwrap();
        let mut client = Self {
            socket,
            head: String::new(),
            body: Vec::new(),
        };
        let end = client.read_until(|bytes| find(bytes, b"\r\n\r\n"));
        let body = client.body.split_off(end + 4);
        client.head = String::from_utf8(std::mem::replace(&mut client.body, body)).unwrap();
        client
    }

    /// Reads until `is_enough` finds something.
    fn read_until(&mut self, is_enough: impl Fn(&[u8]) -> Option<usize>) -> usize {
        loop {
            if let Some(found) = is_enough(&self.body) {
                return found;
            }
            let mut piece = [0; 16 << 10];
            let count = self.socket.read(&mut piece).unwrap();
            assert!(count > 0, "closed: {}", self.head);
            self.body.extend_from_slice(&piece[..count]);
        }
    }

    /// The next picture as `rule` finds it: start, end, and what of the bytes is used up. With it comes whether nothing
    /// of the next picture had to arrive for that.
    fn picture(&mut self, rule: fn(&[u8]) -> Option<[usize; 3]>) -> (Vec<u8>, bool) {
        self.read_until(|bytes| rule(bytes).map(|_| 0));
        let [start, end, used] = rule(&self.body).unwrap();
        let jpeg = self.body[start..end].to_vec();
        let is_in_time = find(&self.body[end..], START).is_none();
        self.body.drain(..used);
        (jpeg, is_in_time)
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

/// As Mainsail parses: the header is all before the first bytes of a JPEG, and one byte has to follow the picture.
fn by_length(bytes: &[u8]) -> Option<[usize; 3]> {
    let start = find(bytes, START)?;
    let header = String::from_utf8(bytes[..start].to_vec()).unwrap();
    let mut lengths = header
        .lines()
        .filter_map(|line| line.strip_prefix("Content-Length: "));
    let length: usize = lengths.next_back().unwrap().parse().unwrap();
    let end = start + length;
    (bytes.len() > end).then_some([start, end, end + 1])
}

/// As Fluidd parses, and as Firefox draws: at the next boundary.
fn by_boundary(bytes: &[u8]) -> Option<[usize; 3]> {
    let from = find(bytes, BOUNDARY)? + BOUNDARY.len();
    let start = from + find(&bytes[from..], b"\r\n\r\n")? + 4;
    let next = start + find(&bytes[start..], BOUNDARY)?;
    Some([start, next - 2, next])
}

/// As Chromium draws: when the next part's header has ended.
fn by_next_header(bytes: &[u8]) -> Option<[usize; 3]> {
    let [start, end, next] = by_boundary(bytes)?;
    let header = next + find(&bytes[next..], b"\r\n\r\n")?;
    assert!(find(&bytes[next..header], START).is_none());
    Some([start, end, next])
}

fn assert_jpeg(jpeg: &[u8]) {
    let is_jpeg = jpeg.starts_with(START) && jpeg.ends_with(&[0xff, 0xd9]);
    assert!(is_jpeg, "{:?}", &jpeg[..jpeg.len().min(40)]);
}

#[test]
fn mjpeg_parts_are_complete_without_the_next_frame() {
    let server = Server::start(&["-d", "test", "-w", "320", "-h", "240", "--fps", "2"]);
    type Rule = fn(&[u8]) -> Option<[usize; 3]>;
    let rules: [(&str, &str, Rule); 4] = [
        ("Mainsail", "*/*", by_length),
        ("Fluidd", "*/*", by_boundary),
        ("Firefox", IMAGE, by_boundary),
        ("Chromium", IMAGE, by_next_header),
    ];
    for (name, accept, rule) in rules {
        let mut client = Client::get(server.address(), "/stream.mjpg", accept);
        let media_type = "content-type: multipart/x-mixed-replace;boundary=boundarydonotcross\r\n";
        assert!(client.head.contains(media_type), "{name}: {}", client.head);
        // A machine that is busy for half a second has the next frame, too.
        in_one_of(10, || {
            let (jpeg, is_in_time) = client.picture(rule);
            assert_jpeg(&jpeg);
            is_in_time.then_some(()).ok_or(format!("{name}: late"))
        });
    }
}

#[test]
fn mjpeg_urls_of_other_servers_work() {
    let server = live();
    for path in [
        "/stream.mjpg",
        "/stream/camera.mjpg",
        "/stream",
        "/?action=stream",
        "/?camera=camera&action=stream",
    ] {
        let mut client = Client::get(server.address(), path, "*/*");
        assert!(
            client.head.starts_with("HTTP/1.0 200 "),
            "{path}: {}",
            client.head
        );
        assert!(
            client
                .head
                .contains("cross-origin-resource-policy: same-site")
        );
        assert_jpeg(&client.picture(by_length).0);
    }
    for path in [
        "/snapshot",
        "/?action=snapshot",
        "/?action=snapshot&camera=camera&t=1",
    ] {
        let (status, head, body) = server.request("GET", path, "");
        assert_eq!(status, 200, "{path}: {head}");
        assert_jpeg(&body);
    }
    for (path, media_type) in [
        ("/video", "mp4"),
        ("/video.mp4", "mp4"),
        ("/video.h264", "h264"),
    ] {
        let (status, head, _) = server.request("HEAD", path, "");
        assert_eq!(status, 200, "{path}: {head}");
        assert!(
            head.contains(&format!("content-type: video/{media_type}")),
            "{head}"
        );
    }
    let (status, words) = server.get("/?action=command&dest=0");
    assert_eq!(status, 400);
    assert!(
        words.contains("stream") && words.contains("snapshot"),
        "{words}"
    );
    for (path, expected) in [
        ("/?action=stream&camera=other", 404),
        ("/stream/other.mjpg", 404),
        ("/stream.mjpg?fps=0", 400),
        ("/stream.mjpg?width=8", 400),
        ("/stream.mjpg?quality=0", 400),
    ] {
        assert_eq!(server.get(path).0, expected, "{path}");
    }
    for method in ["GET", "POST"] {
        let (status, _, words) = server.request(method, "/webrtc", "");
        let words = String::from_utf8(words).unwrap();
        assert_eq!(status, 501, "{words}");
        assert!(words.contains("/stream.mjpg"), "{words}");
    }
    let (status, head, body) = server.request("HEAD", "/?action=stream", "");
    assert_eq!((status, body.len()), (200, 0), "{head}");
}

/// Width of a baseline JPEG.
fn width(jpeg: &[u8]) -> u16 {
    let at = find(jpeg, &[0xff, 0xc0]).unwrap();
    u16::from_be_bytes([jpeg[at + 7], jpeg[at + 8]])
}

#[test]
fn mjpeg_width_quality_and_fps_are_as_asked() {
    let server = live();
    let mut small = Client::get(server.address(), "/stream.mjpg?width=160&quality=20", "*/*");
    let mut large = Client::get(server.address(), "/stream.mjpg?quality=95", "*/*");
    let (a, b) = (small.picture(by_length).0, large.picture(by_length).0);
    assert_eq!((width(&a), width(&b)), (160, 320));
    assert!(a.len() * 4 < b.len(), "{} and {}", a.len(), b.len());
    // Five of thirty at most; the times are those of the capture.
    let mut few = Client::get(server.address(), "/stream.mjpg?fps=5", "*/*");
    let times: Vec<f64> = (0..8).map(|_| timestamp(&mut few)).collect();
    let mean = (times[7] - times[0]) / 7.0;
    assert!(mean > 0.19, "{times:?}");
}

/// Capture time of the next picture, in seconds of Unix time.
fn timestamp(client: &mut Client) -> f64 {
    client.read_until(|bytes| by_length(bytes).map(|_| 0));
    let start = find(&client.body, START).unwrap();
    let header = String::from_utf8(client.body[..start].to_vec()).unwrap();
    let time = header
        .lines()
        .filter_map(|line| line.strip_prefix("X-Timestamp: "))
        .next_back();
    client.picture(by_length);
    time.unwrap().parse().unwrap()
}

fn unix_time() -> f64 {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    time.as_secs_f64()
}

#[test]
fn mjpeg_client_on_a_slow_link_gets_no_old_frame() {
    let server = Server::start(&["-d", "test", "-w", "640", "-h", "480", "--fps", "30"]);
    let line = Line::to(server.address());
    // Some three pictures in a second, of thirty.
    let mut client = Client::get(&line.address, "/stream.mjpg?quality=85", "*/*");
    let size = client.picture(by_length).0.len();
    line.set(size as u64 * 3);
    let end = Instant::now() + Duration::from_secs(6);
    while Instant::now() < end {
        timestamp(&mut client);
    }
    // After six seconds a queue would be five seconds old.
    in_one_of(10, || {
        let age = unix_time() - timestamp(&mut client);
        (age < 2.0).then_some(()).ok_or(format!("{age} s old"))
    });
}

#[test]
fn nothing_is_decoded_while_nobody_asks() {
    let server = live();
    let decodes = || {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", server.child.id())).unwrap();
        tasks.flatten().any(|task| {
            let name = std::fs::read_to_string(task.path().join("comm"));
            name.is_ok_and(|name| name.contains("snapshot"))
        })
    };
    assert!(!decodes());
    let viewers = |count: u64| move |camera: &serde_json::Value| camera["viewers"] == count;
    let mut clients: Vec<Client> = (0..3)
        .map(|_| Client::get(server.address(), "/stream.mjpg", "*/*"))
        .collect();
    clients
        .iter_mut()
        .for_each(|client| assert_jpeg(&client.picture(by_length).0));
    assert!(decodes());
    server.wait_for("three viewers", viewers(3));
    drop(clients);
    server.wait_for("none", viewers(0));
    let end = Instant::now() + PATIENCE;
    while decodes() {
        assert!(Instant::now() < end, "it goes on");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Niceness of the threads whose name has `part`.
fn niceness(server: &Server, part: &str) -> Vec<i32> {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", server.child.id())).unwrap();
    let read = |path: std::path::PathBuf| std::fs::read_to_string(path).unwrap_or_default();
    let of_name = tasks
        .flatten()
        .filter(|task| read(task.path().join("comm")).contains(part));
    // The fields after the name, which is in parentheses, begin with the third.
    let field = |stat: String| {
        let rest = stat.rsplit_once(')').unwrap().1.to_owned();
        rest.split_whitespace().nth(16).unwrap().parse().unwrap()
    };
    of_name
        .map(|task| field(read(task.path().join("stat"))))
        .collect()
}

#[test]
fn mjpeg_is_decoded_at_the_priority_of_viewers() {
    let server = live();
    let own = niceness(&server, "berrymse")[0];
    let mut client = Client::get(server.address(), "/stream.mjpg", "*/*");
    client.picture(by_length);
    assert_eq!(niceness(&server, "snapshot"), [own]);
    let other = live();
    assert_eq!(other.get("/snapshot.jpg?width=160").0, 200);
    assert_eq!(niceness(&other, "snapshot"), [10]);
}

#[test]
fn on_demand_camera_is_opened_for_mjpeg() {
    let server = Server::start(&[
        "-d",
        "test",
        "-w",
        "320",
        "-h",
        "240",
        "--on-demand",
        "true",
    ]);
    server.wait_for("idle", |camera| camera["state"] == "idle");
    let mut client = Client::get(server.address(), "/?action=stream", "*/*");
    for _ in 0..3 {
        assert_jpeg(&client.picture(by_length).0);
    }
}
