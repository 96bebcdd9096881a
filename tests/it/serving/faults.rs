//! Peers and servers that fail: kills, masses of connections, garbage at each stage, heads that never end.

use super::live;
use crate::support::{PATIENCE, Scratch, Server, TEST, Viewer};
use rustix::process::Signal;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

const HANDSHAKE: &str = "GET /video_websocket HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

fn connect(address: &str) -> TcpStream {
    let socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// Reads until the server ends the connection, in order or not.
fn read_to_end(socket: &mut TcpStream) -> Vec<u8> {
    let (mut all, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        match socket.read(&mut chunk) {
            Ok(count @ 1..) => all.extend_from_slice(&chunk[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("still open"),
            _ => return all,
        }
    }
}

/// Bytes that look drawn by lot, the same for each `seed`.
fn garbage(seed: u32, count: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    let mut byte = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 8) as u8
    };
    (0..count).map(|_| byte()).collect()
}

#[test]
fn killed_server_serves_a_hundred_viewers_again() {
    let mut server = live();
    let address = server.address().to_owned();
    for _ in 0..2 {
        let watch = |_| Viewer::connect(&server, "/video_websocket", Some("berrymse.v1"));
        let mut viewers: Vec<Viewer> = (0..100).map(watch).collect();
        for viewer in &mut viewers {
            viewer.binary();
        }
        server.signal(Signal::KILL);
        for viewer in &mut viewers {
            while viewer.socket.read().is_ok() {}
        }
        drop(viewers);
        server.child.wait().unwrap();
        server = Server::start_with(&TEST, |command| {
            command.args(["--listen", &address]);
        });
        assert_eq!(server.address(), address);
    }
    server.watch("/video_websocket").binary();
}

#[test]
fn ten_thousand_connections_leave_nothing_behind() {
    let server = live();
    let open = || {
        let files = format!("/proc/{}/fd", server.child.id());
        let threads = format!("/proc/{}/task", server.child.id());
        [files, threads].map(|path| std::fs::read_dir(path).unwrap().count())
    };
    server.watch("/video_websocket").binary();
    server.wait_for("empty", |camera| camera["viewers"] == 0);
    let [files, threads] = open();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for number in 0..2500 {
                    let mut socket = connect(server.address());
                    match number % 5 {
                        0 => {
                            socket.write_all(HANDSHAKE.as_bytes()).unwrap();
                            socket.read_exact(&mut [0; 12]).unwrap();
                        }
                        1 => {
                            let head = "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
                            socket.write_all(head.as_bytes()).unwrap();
                            socket.read_exact(&mut [0; 12]).unwrap();
                        }
                        2 => drop(socket.write_all(b"GET / HT")),
                        _ => {}
                    }
                }
            });
        }
    });
    server.wait_for("empty", |camera| camera["viewers"] == 0);
    let end = Instant::now() + PATIENCE;
    loop {
        let now = open();
        // Some connections of status requests may be on their way out.
        if now[0] <= files + 3 && now[1] <= threads + 2 {
            break;
        }
        assert!(
            Instant::now() < end,
            "{now:?} of {files} files, {threads} threads"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

#[test]
fn garbage_at_each_stage_ends_its_sender_alone() {
    let scratch = Scratch::new("garbage");
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let cert = scratch.file("cert.pem", made.cert.pem());
    let key = scratch.file("key.pem", made.signing_key.serialize_pem());
    let config = scratch.file("config.yml", "server: {limits: {requestTimeout: 2}}\n");
    let start = |listen: &str, more: &[&str]| {
        Server::start_with(&TEST, |command| {
            command
                .args(["--listen", listen, "--config", &config])
                .args(more);
        })
    };
    let plain = start("127.0.0.1:0", &[]);
    let tls = start(
        "https://127.0.0.1:0",
        &["--tls-cert", &cert, "--tls-key", &key],
    );
    let tls_address = tls.url.trim_start_matches("https://").trim_end_matches('/');
    // A handshake record that promises more than comes, and the beginning of a hello of the client.
    let hello = [&[22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3][..], &garbage(7, 64)].concat();
    let mut other = plain.watch("/video_websocket");
    let mut senders: Vec<(TcpStream, Vec<u8>)> = Vec::new();
    for seed in 0..20 {
        let noise = garbage(seed, 4096);
        senders.push((connect(plain.address()), noise.clone()));
        senders.push((connect(tls_address), noise.clone()));
        senders.push((connect(tls_address), hello.clone()));
        senders.push((connect(tls_address), [&hello[..], &noise].concat()));
        let half = HANDSHAKE.as_bytes()[..60].to_vec();
        senders.push((connect(plain.address()), [&half[..], &noise].concat()));
        senders.push((connect(plain.address()), half));
        let whole = HANDSHAKE.as_bytes();
        senders.push((connect(plain.address()), [whole, &noise].concat()));
        // Reserved bits and opcodes, lengths of all kinds, without a mask.
        let frame = [0x80 | (seed as u8), 0x7f & noise[0], noise[1]];
        senders.push((connect(plain.address()), [whole, &frame, &noise].concat()));
    }
    for (socket, bytes) in &mut senders {
        // The server may have refused the first part already.
        let _ = socket.write_all(bytes);
    }
    for (socket, _) in &mut senders {
        read_to_end(socket);
    }
    other.collect(10);
    assert_eq!(plain.get("/healthz"), (200, "ok\n".into()));
    for server in [&plain, &tls] {
        assert!(!server.log().contains("panicked"), "{}", server.log());
    }
}

/// A client that has done its handshake, and trusts this certificate alone.
fn connect_tls(address: &str, cert: &str) -> StreamOwned<ClientConnection, TcpStream> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(cert).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let session = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = StreamOwned::new(session, connect(address));
    stream.flush().unwrap();
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock).unwrap();
    }
    stream
}

#[test]
fn garbage_over_tls_and_rtsp_ends_its_sender_alone() {
    let scratch = Scratch::new("garbage-2");
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let cert = scratch.file("cert.pem", made.cert.pem());
    let key = scratch.file("key.pem", made.signing_key.serialize_pem());
    // It is free a moment later, too.
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let rtsp = free.local_addr().unwrap().to_string();
    drop(free);
    let config = format!("server: {{rtsp: '{rtsp}', limits: {{requestTimeout: 2}}}}\n");
    let config = scratch.file("config.yml", config);
    let server = Server::start_with(&TEST, |command| {
        command
            .args(["--listen", "https://127.0.0.1:0", "--config", &config])
            .args(["--tls-cert", &cert, "--tls-key", &key]);
    });
    let address = server.url.trim_start_matches("https://");
    let address = address.trim_end_matches('/');
    let setup = format!(
        "SETUP rtsp://{rtsp}/live/camera RTSP/1.0\r\nCSeq: 1\r\nTransport: RTP/AVP/TCP;interleaved=0-1\r\n\r\n"
    );
    let options = "OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n";
    let mut senders: Vec<(TcpStream, Vec<u8>)> = Vec::new();
    let mut over_tls = Vec::new();
    for seed in 0..8 {
        let noise = garbage(seed, 4096);
        for begin in ["", "OPT", options, &format!("{options}\r\n"), &setup] {
            let bytes = [begin.as_bytes(), &noise].concat();
            let mut plain = connect(&rtsp);
            let mut stream = connect_tls(address, &cert);
            let _ = (plain.write_all(&bytes), stream.write_all(&bytes));
            // RTSP clients have 60 s for a request: these go before.
            if begin.contains("RTSP/1.0") {
                let _ = plain.shutdown(Shutdown::Write);
                let _ = stream.sock.shutdown(Shutdown::Write);
            }
            senders.push((plain, Vec::new()));
            over_tls.push(stream);
        }
        senders.push((connect(&rtsp), HANDSHAKE.into()));
        senders.push((connect(&rtsp), vec![22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]));
        let mut stream = connect_tls(address, &cert);
        let _ = stream.write_all(&[HANDSHAKE.as_bytes(), &noise].concat());
        over_tls.push(stream);
        // Records of a session, replaced by noise; and one that promises more than comes.
        let stream = connect_tls(address, &cert);
        senders.push((stream.sock, noise.clone()));
        let stream = connect_tls(address, &cert);
        senders.push((stream.sock, [&[23, 3, 3, 0x40, 0][..], &noise].concat()));
    }
    for (socket, bytes) in &mut senders {
        let _ = socket.write_all(bytes);
    }
    for (socket, _) in &mut senders {
        read_to_end(socket);
    }
    for stream in &mut over_tls {
        read_to_end(&mut stream.sock);
    }
    let mut stream = connect_tls(address, &cert);
    let head = format!("GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

#[test]
fn dribbled_head_ends_with_its_time() {
    let scratch = Scratch::new("dribble");
    let config = scratch.file("config.yml", "server: {limits: {requestTimeout: 1}}\n");
    let server = Server::start_with(&TEST, |command| {
        command.args(["--listen", "127.0.0.1:0", "--config", &config]);
    });
    let mut socket = connect(server.address());
    let end = Instant::now() + PATIENCE;
    let mut head = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ".to_vec();
    head.resize(4000, b'x');
    for byte in head {
        assert!(Instant::now() < end, "it may dribble for ever");
        if socket.write_all(&[byte]).is_err() {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    read_to_end(&mut socket);
    assert_eq!(server.get("/healthz"), (200, "ok\n".into()));
}
