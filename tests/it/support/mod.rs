//! What the tests of the whole program share: the real binary, a real WebSocket client, ffmpeg as the judge.
#![allow(unreachable_pub, reason = "for all modules of the tests")]

pub mod line;
#[cfg(feature = "nats")]
pub mod nats;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tungstenite::client::IntoClientRequest;
use tungstenite::{Message, WebSocket};

/// Longer than anything takes on a busy machine; a test that waits longer has failed.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Arguments for a small test pattern.
pub const TEST: [&str; 8] = [
    "--source",
    "test",
    "--width",
    "320",
    "--height",
    "240",
    "--keyframe-interval",
    "30",
];

/// Measures until a result is good, at most `attempts` times: a busy machine spoils some of them, a fault all.
pub fn in_one_of<T>(attempts: usize, mut measure: impl FnMut() -> Result<T, String>) -> T {
    let mut failures = Vec::new();
    for _ in 0..attempts {
        match measure() {
            Ok(result) => return result,
            Err(failure) => failures.push(failure),
        }
    }
    panic!("not in {attempts} attempts:\n{}", failures.join("\n"));
}

/// The running program. Killed when dropped.
pub struct Server {
    pub child: Child,
    /// As printed, such as `http://127.0.0.1:34567/`.
    pub url: String,
    log: Arc<Mutex<String>>,
}

impl Server {
    /// Starts it with a free port of 127.0.0.1 and waits until it serves.
    pub fn start(arguments: &[&str]) -> Self {
        Self::start_with(arguments, |command| {
            command.args(["--listen", "127.0.0.1:0"]);
        })
    }

    /// Starts it as `change` says.
    pub fn start_with(arguments: &[&str], change: impl FnOnce(&mut Command)) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_berrymse"));
        command.args(arguments);
        Self::start_command(command, change)
    }

    /// Starts it by a command of the test's own, which ends with the program in its place.
    pub fn start_command(mut command: Command, change: impl FnOnce(&mut Command)) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        change(&mut command);
        let mut child = command.spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        // A test may have led it elsewhere.
        if let Some(stderr) = child.stderr.take() {
            let (log, mut stderr) = (log.clone(), BufReader::new(stderr));
            std::thread::spawn(move || {
                let mut line = String::new();
                while stderr.read_line(&mut line).is_ok_and(|count| count > 0) {
                    eprint!("  | {line}");
                    log.lock().unwrap().push_str(&std::mem::take(&mut line));
                }
            });
        }
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let url = line
            .trim()
            .strip_prefix("Listening on ")
            .unwrap_or_else(|| panic!("printed {line:?}"));
        let url = url.to_owned();
        // The pipe stays open: some tests look at what else is printed.
        std::thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()));
        Self { child, url, log }
    }

    /// Everything logged so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Waits until `text` is in the log, which comes here by a thread of its own.
    pub fn wait_for_log(&self, text: &str) {
        let end = Instant::now() + PATIENCE;
        while !self.log().contains(text) {
            assert!(Instant::now() < end, "no {text:?} in {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Host and port.
    pub fn address(&self) -> &str {
        self.url.trim_start_matches("http://").trim_end_matches('/')
    }

    /// Status code, head and body of a request without a body.
    pub fn request(&self, method: &str, path: &str, headers: &str) -> (u16, String, Vec<u8>) {
        self.request_with(method, path, headers, b"")
    }

    /// Status code, head and body of a request; the headers say how long the body is.
    pub fn request_with(
        &self,
        method: &str,
        path: &str,
        headers: &str,
        body: &[u8],
    ) -> (u16, String, Vec<u8>) {
        let mut socket = TcpStream::connect(self.address()).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let address = self.address();
        // The server may refuse and close before it has read all.
        let _ = write!(
            socket,
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}\r\n"
        );
        let _ = socket.write_all(body);
        let mut response = Vec::new();
        let _ = socket.read_to_end(&mut response);
        let end = response
            .windows(4)
            .position(|w| w == b"\r\n\r\n")
            .unwrap_or(response.len());
        let head = String::from_utf8_lossy(&response[..end]).into_owned();
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok())
            .unwrap_or(0);
        (
            status,
            head,
            response.get(end + 4..).unwrap_or_default().to_vec(),
        )
    }

    pub fn get(&self, path: &str) -> (u16, String) {
        let (status, _, body) = self.request("GET", path, "");
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    /// `/api/status`
    pub fn status(&self) -> serde_json::Value {
        serde_json::from_str(&self.get("/api/status").1).unwrap()
    }

    /// Waits until the first camera's status is as wanted.
    pub fn wait_for(
        &self,
        what: &str,
        is_it: impl Fn(&serde_json::Value) -> bool,
    ) -> serde_json::Value {
        let end = Instant::now() + PATIENCE;
        loop {
            let camera = self.status()["cameras"][0].clone();
            if is_it(&camera) {
                return camera;
            }
            assert!(Instant::now() < end, "not {what}: {camera:#}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn watch(&self, path: &str) -> Viewer {
        Viewer::connect(self, path, None)
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let process = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(process, signal).unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A directory of one test's own, gone with it.
pub struct Scratch(PathBuf);

impl Scratch {
    /// `name` is for the eye: no two have the same path.
    pub fn new(name: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("berrymse-{name}-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The path of a file in it.
    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file in it; returns its path, for an argument.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A viewer that is no browser.
pub struct Viewer {
    pub socket: WebSocket<TcpStream>,
}

impl Viewer {
    pub fn connect(server: &Server, path: &str, protocol: Option<&str>) -> Self {
        Self::connect_to(server.address(), path, protocol)
    }

    /// Through something else.
    pub fn connect_to(address: &str, path: &str, protocol: Option<&str>) -> Self {
        let mut request = format!("ws://{address}{path}")
            .into_client_request()
            .unwrap();
        if let Some(protocol) = protocol {
            request
                .headers_mut()
                .insert("Sec-WebSocket-Protocol", protocol.parse().unwrap());
        }
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let (socket, _) = tungstenite::client(request, stream).unwrap();
        Self { socket }
    }

    /// The next binary message.
    pub fn binary(&mut self) -> Vec<u8> {
        loop {
            if let Message::Binary(bytes) = self.socket.read().unwrap() {
                return bytes.to_vec();
            }
        }
    }

    /// The next text message, as JSON.
    pub fn text(&mut self) -> serde_json::Value {
        loop {
            if let Message::Text(text) = self.socket.read().unwrap() {
                return serde_json::from_str(&text).unwrap();
            }
        }
    }

    /// The next `count` binary messages, one after the other.
    pub fn collect(&mut self, count: usize) -> Vec<Vec<u8>> {
        (0..count).map(|_| self.binary()).collect()
    }
}

pub fn is_init(message: &[u8]) -> bool {
    message.get(4..8) == Some(b"ftyp")
}

pub fn is_keyframe(message: &[u8]) -> bool {
    message.get(76..80) == Some(b"trun") && message.get(92) == Some(&2)
}

pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/streams")
        .join(name)
}

/// Hashes of the pictures that ffmpeg decodes from `data`, in the order in which they are shown.
pub fn decode(format: &str, data: &[u8]) -> Vec<String> {
    decode_with(&[], format, data, &[])
}

/// The same with options of ffmpeg for its input and its output.
pub fn decode_with(
    input_options: &[&str],
    format: &str,
    data: &[u8],
    output_options: &[&str],
) -> Vec<String> {
    let mut child = Command::new("ffmpeg")
        .args(["-v", "error"])
        .args(input_options)
        .args(["-f", format, "-i", "pipe:0"])
        .args(output_options)
        .args([
            "-fps_mode",
            "passthrough",
            // each picture in its own size
            "-autoscale",
            "0",
            "-f",
            "framemd5",
            "-",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("ffmpeg is needed: apt-get install ffmpeg");
    let mut stdin = child.stdin.take().unwrap();
    let data = data.to_vec();
    let feeder = std::thread::spawn(move || stdin.write_all(&data));
    let output = child.wait_with_output().unwrap();
    let _ = feeder.join().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.rsplit(',').next().unwrap().trim().to_owned())
        .collect()
}
