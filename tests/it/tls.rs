//! HTTPS and WSS as browsers and programs meet them: certificates, both kinds of addresses side by side, limits.

use crate::support::{PATIENCE, Scratch, Server, fixture, is_init, is_keyframe};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tungstenite::client::IntoClientRequest;
use tungstenite::{Message, WebSocket};

type Stream = StreamOwned<ClientConnection, TcpStream>;

/// A certificate of the test's own, and a program that serves with it.
struct Site {
    place: Scratch,
    server: Server,
}

impl Site {
    /// `name` is the test's; `source` what it shows.
    fn start(name: &str, source: &str) -> Self {
        let place = Scratch::new(name);
        issue(&place);
        let server = Server::start_with(&["--source", source], |command| {
            command
                .args(["--width", "320", "--height", "240"])
                .args(["--listen", "https://127.0.0.1:0"])
                .arg("--tls-cert")
                .arg(place.join("cert.pem"))
                .arg("--tls-key")
                .arg(place.join("key.pem"));
        });
        Self { place, server }
    }

    fn address(&self) -> &str {
        let url = self.server.url.strip_prefix("https://").unwrap();
        url.trim_end_matches('/')
    }

    fn tcp(&self) -> TcpStream {
        let socket = TcpStream::connect(self.address()).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_nodelay(true).unwrap();
        socket
    }

    /// A connection of a client that trusts nobody but this server's certificate.
    fn tls(&self) -> Stream {
        let mut roots = RootCertStore::empty();
        let cert = CertificateDer::from_pem_file(self.place.join("cert.pem")).unwrap();
        roots.add(cert).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let session = ClientConnection::new(Arc::new(config), name).unwrap();
        StreamOwned::new(session, self.tcp())
    }

    fn watch(&self) -> WebSocket<Stream> {
        let request = format!("wss://{}/video_websocket", self.address());
        let request = request.into_client_request().unwrap();
        tungstenite::client(request, self.tls()).unwrap().0
    }

    fn get(&self, path: &str) -> String {
        let mut stream = self.tls();
        let host = self.address();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        // An error here would be a connection cut off without a word.
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

fn issue(place: &Scratch) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    place.file("cert.pem", made.cert.pem());
    place.file("key.pem", made.signing_key.serialize_pem());
}

fn binary(viewer: &mut WebSocket<Stream>) -> Vec<u8> {
    loop {
        if let Message::Binary(bytes) = viewer.read().unwrap() {
            return bytes.to_vec();
        }
    }
}

#[test]
fn wss_stream_equals_ws_stream() {
    let site = Site::start("wss", "test");
    assert!(site.get("/healthz").ends_with("ok\n"));
    let mut viewer = site.watch();
    assert!(is_init(&binary(&mut viewer)));
    assert!(is_keyframe(&binary(&mut viewer)));
    for _ in 0..40 {
        assert_eq!(&binary(&mut viewer)[76..80], b"trun");
    }
    viewer.send(Message::Ping("is it you".into())).unwrap();
    while viewer.read().unwrap() != Message::Pong("is it you".into()) {}
}

/// What a client says behind its request, in the same record or the next, is heard though no event tells of it.
#[test]
fn data_sent_with_the_request_is_answered() {
    let site = Site::start("leftover", "test");
    for split in [false, true] {
        let mut stream = site.tls();
        let request = format!(
            "GET /video_websocket HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            site.address()
        );
        let ping = [0x89, 0x83, 0, 0, 0, 0, b'h', b'e', b'y'];
        let mut both = request.into_bytes();
        if split {
            // Two records, given to the socket at once.
            stream.conn.complete_io(&mut stream.sock).unwrap();
            stream.conn.writer().write_all(&both).unwrap();
            stream.conn.writer().write_all(&ping).unwrap();
            stream.flush().unwrap();
        } else {
            both.extend_from_slice(&ping);
            stream.write_all(&both).unwrap();
        }
        let (mut seen, mut buffer) = (Vec::new(), [0; 4096]);
        while !seen.windows(5).any(|bytes| bytes == b"\x8a\x03hey") {
            let count = stream.read(&mut buffer).unwrap();
            assert!(count > 0, "split: {split}");
            seen.extend_from_slice(&buffer[..count]);
        }
    }
}

#[test]
fn curl_accepts_tls() {
    let site = Site::start("curl", "test");
    let curl = |arguments: &[&str]| {
        let output = Command::new("curl")
            .args(["--silent", "--show-error", "--max-time", "20", "--cacert"])
            .arg(site.place.join("cert.pem"))
            .args(arguments)
            .output()
            .expect("curl is needed: apt-get install curl");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let url = format!("https://{}/healthz", site.address());
    assert_eq!(curl(&[&url]), "ok\n");
    assert_eq!(curl(&["--tls-max", "1.2", &url]), "ok\n");
    assert_eq!(curl(&["--http1.0", &url]), "ok\n");
    // Plain HTTP at the same port is led to where it should be.
    let plain = format!("http://{}/healthz?a=b", site.address());
    assert_eq!(curl(&["--location", &plain]), "ok\n");
    assert!(
        curl(&["--include", &plain]).contains(&format!("https://{}/healthz?a=b", site.address()))
    );
}

/// The connection and its TLS session go from HTTP to the fan-out.
#[cfg(feature = "software-encoder")]
#[test]
fn mjpeg_over_tls_is_whole() {
    use std::io::{BufRead, BufReader};

    let site = Site::start("mjpeg", "test");
    let mut stream = BufReader::new(site.tls());
    write!(
        stream.get_mut(),
        "GET /stream.mjpg HTTP/1.1\r\nHost: {}\r\n\r\n",
        site.address()
    )
    .unwrap();
    let mut line = String::new();
    for _ in 0..10 {
        let mut length = None;
        while length.is_none() || line != "\r\n" {
            line.clear();
            assert!(stream.read_line(&mut line).unwrap() > 0, "it has ended");
            if let Some(text) = line.strip_prefix("Content-Length: ") {
                length = Some(text.trim().parse().unwrap());
            }
        }
        let mut jpeg = vec![0; length.unwrap()];
        stream.read_exact(&mut jpeg).unwrap();
        assert!(jpeg.starts_with(&[0xFF, 0xD8]) && jpeg.ends_with(&[0xFF, 0xD9]));
        line.clear();
        stream.read_line(&mut line).unwrap();
        assert_eq!(line, "\r\n");
        line.clear();
        stream.read_line(&mut line).unwrap();
        assert_eq!(line, "--boundarydonotcross\r\n");
    }
}

#[test]
fn large_frame_over_tls_arrives_whole() {
    // Its keyframes are larger than a record and than what the kernel takes at once.
    let stream = fixture("VID_1280x720_cabac_temporal_direct.264");
    let site = Site::start("large", &format!("file:{}", stream.display()));
    let mut viewer = site.watch();
    assert!(is_init(&binary(&mut viewer)));
    let sizes: Vec<usize> = (0..30)
        .map(|_| {
            let message = binary(&mut viewer);
            let size = |at| u32::from_be_bytes(message[at..at + 4].try_into().unwrap()) as usize;
            let moof = size(0);
            assert_eq!(moof + size(moof), message.len());
            assert_eq!(&message[moof + 4..moof + 8], b"mdat");
            message.len()
        })
        .collect();
    assert!(sizes.iter().any(|size| *size > 20_000), "{sizes:?}");
}

#[test]
fn stalled_tls_viewer_catches_up() {
    let site = Site::start("stall", "test");
    let mut viewer = site.watch();
    let mut other = site.watch();
    binary(&mut viewer);
    binary(&mut other);
    let end = Instant::now() + Duration::from_secs(6);
    while Instant::now() < end {
        binary(&mut other);
    }
    let decode_time = |message: &[u8]| u64::from_be_bytes(message[64..72].try_into().unwrap());
    let newest = AtomicU64::new(decode_time(&binary(&mut other)));
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                newest.store(decode_time(&binary(&mut other)), Ordering::Relaxed);
            }
        });
        let end = Instant::now() + PATIENCE;
        let is_past = |time| time + 90_000 <= newest.load(Ordering::Relaxed);
        while is_past(decode_time(&binary(&mut viewer))) && Instant::now() < end {}
        is_over.store(true, Ordering::Relaxed);
        assert!(Instant::now() < end, "it stays in the past");
    });
}

#[test]
fn plain_http_is_led_to_known_names_only() {
    let place = Scratch::new("redirect");
    issue(&place);
    let config = format!(
        "camera: {{source: test}}\nserver: {{listen: 'https://127.0.0.1:0', hosts: cam.example.org}}\ntls: {{cert: \
         {0}/cert.pem, key: {0}/key.pem}}\n",
        place.path().display()
    );
    let config = place.file("config.yml", config);
    let server = Server::start_with(&["--config", &config], |_| {});
    let address = server.url.strip_prefix("https://").unwrap();
    let address = address.trim_end_matches('/');
    for (host, status, location) in [
        ("cam.example.org", "307", "https://cam.example.org/a?b"),
        ("evil.example", "421", ""),
        ("cam.example.org@evil.example", "421", ""),
    ] {
        let mut socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(
            socket,
            "GET /a?b HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        assert!(answer.contains(&format!(" {status} ")), "{answer}");
        assert_eq!(answer.contains("location:"), !location.is_empty());
        assert!(answer.contains(location), "{answer}");
    }
}

#[test]
fn plain_and_tls_addresses_are_both_served() {
    let place = Scratch::new("beside");
    issue(&place);
    let content = format!(
        "camera:\n  source: test\nserver:\n  listen: [\"127.0.0.1:0\", \"https://127.0.0.1:0\"]\ntls:\n  cert: {0}/cert.pem\n  key: {0}/key.pem\n",
        place.path().display()
    );
    let file = place.file("config.yml", content);
    let mut child = Command::new(env!("CARGO_BIN_EXE_berrymse"))
        .arg("--config")
        .arg(&file)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let (mut printed, mut buffer) = (String::new(), [0; 256]);
    while printed.lines().count() < 2 {
        let count = stdout.read(&mut buffer).unwrap();
        assert!(count > 0, "{printed}");
        printed.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
    }
    let answers: Vec<bool> = printed
        .lines()
        .map(|line| {
            let url = line.strip_prefix("Listening on ").unwrap();
            let output = Command::new("curl")
                .args(["--silent", "--insecure", "--max-time", "20"])
                .arg(format!("{url}healthz"))
                .output()
                .unwrap();
            output.stdout == b"ok\n" && output.status.success()
        })
        .collect();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(
        printed.contains("http://127.0.0.1:") && printed.contains("https://127.0.0.1:"),
        "{printed}"
    );
    assert_eq!(answers, [true, true]);
}

#[test]
fn renewed_certificate_needs_no_restart() {
    let site = Site::start("renewal", "test");
    let mut viewer = site.watch();
    // The certificate is looked at once a second.
    std::thread::sleep(Duration::from_millis(1100));
    issue(&site.place);
    // This client trusts only the new one.
    assert!(site.get("/healthz").ends_with("ok\n"));
    for _ in 0..10 {
        binary(&mut viewer);
    }
    site.server.wait_for_log("new certificate");
}

#[test]
fn endless_handshake_times_out() {
    let site = Site::start("slow", "test");
    let mut silent = site.tcp();
    let mut slow = site.tcp();
    // The beginning of a record that would hold a client's hello.
    slow.write_all(&[22, 3, 1, 2, 0, 1]).unwrap();
    let mut noise = site.tcp();
    noise.write_all(&[22, 3, 3, 0, 5, 200, 0, 0, 1, 0]).unwrap();
    let is_ended = |socket: &mut TcpStream| match socket.read(&mut [0; 16]) {
        Ok(count) => count == 0,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    };
    let _ = noise.read_to_end(&mut Vec::new());
    // Noise is ended at once, while the others have time.
    silent.set_nonblocking(true).unwrap();
    assert!(!is_ended(&mut silent));
    silent.set_nonblocking(false).unwrap();
    for socket in [&mut silent, &mut slow] {
        assert!(is_ended(socket));
    }
    assert!(site.get("/healthz").ends_with("ok\n"));
}

#[test]
fn stop_closes_tls_viewers_with_1001() {
    let site = Site::start("goodbye", "test");
    let mut viewer = site.watch();
    binary(&mut viewer);
    site.server.signal(rustix::process::Signal::TERM);
    loop {
        if let Message::Close(Some(frame)) = viewer.read().unwrap() {
            assert_eq!(u16::from(frame.code), 1001);
            break;
        }
    }
}

#[test]
fn unusable_certificate_prevents_start() {
    let place = Scratch::new("refused");
    issue(&place);
    let start = |cert: &str, key: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_berrymse"))
            .args(["--source", "test", "--listen", "https://127.0.0.1:0"])
            .arg("--tls-cert")
            .arg(place.join(cert))
            .arg("--tls-key")
            .arg(place.join(key))
            .output()
            .unwrap();
        let words = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{words}");
        words
    };
    assert!(start("cert.pem", "none.pem").contains("none.pem does not exist"));
    assert!(start("key.pem", "cert.pem").contains("mixed up"));
    let fifo = place.join("fifo.pem");
    rustix::fs::mkfifoat(rustix::fs::CWD, fifo, 0o600.into()).unwrap();
    assert!(start("cert.pem", "fifo.pem").contains("fifo.pem is no regular file"));
    assert!(start("fifo.pem", "key.pem").contains("fifo.pem is no regular file"));
}

#[test]
fn key_that_becomes_a_fifo_stops_nothing() {
    let mut site = Site::start("fifo", "test");
    let mut viewer = site.watch();
    std::thread::sleep(Duration::from_millis(1100));
    let key = site.place.join("key.pem");
    std::fs::remove_file(&key).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, &key, 0o600.into()).unwrap();
    assert!(site.get("/healthz").ends_with("ok\n"));
    site.server.wait_for_log("key.pem is no regular file");
    for _ in 0..10 {
        binary(&mut viewer);
    }
    site.server.signal(rustix::process::Signal::TERM);
    assert!(site.server.child.wait().unwrap().success());
}

#[test]
fn self_signed_certificate_is_made_once() {
    let place = Scratch::new("tls-self-signed");
    let config = place.file(
        "config.yml",
        "camera: {source: test, width: 320, height: 240}\nserver: {listen: 'https://127.0.0.1:0'}\ntls: {selfSigned: true}\n",
    );
    let start = || {
        Server::start_with(&["--config", &config], |command| {
            command.env("STATE_DIRECTORY", place.join("state"));
        })
    };
    let fingerprint = |server: &Server| {
        server.wait_for_log("tls: self-signed certificate (SHA-256 ");
        let log = server.log();
        let line = log
            .lines()
            .find(|line| line.contains("self-signed"))
            .unwrap();
        line.rsplit(' ').next().unwrap().to_owned()
    };
    let first = fingerprint(&start());
    assert_eq!(first.len(), 32 * 3);
    let key = std::fs::metadata(place.join("state/tls.key")).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::mode(&key.permissions());
    assert_eq!(mode & 0o777, 0o600);
    let server = start();
    assert_eq!(fingerprint(&server), first);
    std::fs::copy(place.join("state/tls.crt"), place.join("cert.pem")).unwrap();
    let site = Site { place, server };
    assert!(site.get("/healthz").ends_with("ok\n"));
    let Site { place, server } = site;
    drop(server);
    std::fs::remove_file(place.join("state/tls.crt")).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_berrymse"))
        .args(["--config", place.join("config.yml").to_str().unwrap()])
        .env("STATE_DIRECTORY", place.join("state"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("tls.key is there without"), "{text}");
}

#[test]
fn health_accepts_the_servers_own_certificate() {
    let site = Site::start("health", "test");
    let output = Command::new(env!("CARGO_BIN_EXE_berrymse"))
        .args(["health", &site.server.url])
        .output()
        .unwrap();
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(out.ends_with("/healthz: live\n"), "{output:?}");
}
