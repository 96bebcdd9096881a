//! Whatever a client sends over a connection, to real servers in this process: heads and bodies of HTTP, queries, cookies, upgrades
//! and the messages after them, RTSP by its first line. Nothing panics, each answer begins as one, the servers go on answering, and
//! the one that nobody can log in to shows neither a frame nor the title of its camera.
//!
//! The first byte chooses the server, the second how the bytes are cut. All but the fan-outs' threads is one thread, and all limits
//! but those of a request's size are off: they would end one input for what others did.
#![no_main]

use berrymse::access::{AccessControl, Right, SigningKey, Token, TokenHash};
use berrymse::camera_handle::{self, Endpoint};
use berrymse::cli::{self, Command};
use berrymse::h264::{Assembler, BoundaryMode, ChunkEnd, SampleBuilder};
use berrymse::hub::CameraState;
use berrymse::media::orientation::Orientation;
use berrymse::media::{Description, Frame, FrameHeader, Parameters};
use berrymse::serve::{self, AppState, Camera, Fanout, Limits, Site};
use berrymse::time::Timestamp;
use libfuzzer_sys::fuzz_target;
use std::cell::RefCell;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

const CAMERA: &str = "camera: {name: cam, title: Canary-93x7, source: test}\n";
const TITLE: &[u8] = b"Canary-93x7";
const OPEN: &str = "server: {listen: '127.0.0.1:0', rtsp: '127.0.0.1:0'}\n";
const GUARDED: &str = "server: {listen: '127.0.0.1:0', trustedProxies: 127.0.0.1, hosts: [a.example]}\n\
                       access: {public: viewer, keyFile: /dev/null, revoked: [gone]}\n";
const CLOSED: &str = "server: {listen: '127.0.0.1:0'}\naccess: {public: viewer, keyFile: /dev/null}\n";

/// Some frames of a real stream.
const STREAM: &[u8] = include_bytes!("../../tests/fixtures/streams/Static.264");

/// Index of the server that nobody can log in to.
const CLOSED_SERVER: usize = 3;

/// Bytes of a frame that are nowhere else.
const MARK_BYTES: usize = 24;

/// Silence of a server after which it has nothing more to say.
const QUIET: Duration = Duration::from_millis(2);

/// Executions from one check of the servers' health to the next.
const HEALTH_INTERVAL: u64 = 256;

struct Server {
    runtime: Runtime,
    /// Addresses of the open server, for HTTP and for RTSP alone, of the guarded one and of the closed one.
    addresses: Vec<SocketAddr>,
    cameras: Vec<Endpoint>,
    parameters: Arc<Parameters>,
    frames: Vec<(bool, Vec<Vec<u8>>)>,
    count: u64,
}

thread_local! {
    static SERVER: RefCell<Server> = RefCell::new(Server::start());
}

impl Server {
    fn start() -> Self {
        let (mut assembler, mut samples) = (Assembler::new(BoundaryMode::Inferred), SampleBuilder::new());
        let (mut frames, mut parameters) = (Vec::new(), None);
        let mut push = |unit: berrymse::h264::AccessUnit<'_>| {
            if let Some(sample) = samples.push(unit) {
                frames.push((sample.is_keyframe, sample.nals().map(<[u8]>::to_vec).collect()));
                parameters = Some(Parameters::new(Description::h264(&sample.parameters, Orientation::default())));
            }
        };
        assembler.push(STREAM, Timestamp::default(), ChunkEnd::Open, &mut push);
        assembler.flush(&mut push);
        let mut server = Self {
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap(),
            addresses: Vec::new(),
            cameras: Vec::new(),
            parameters: Arc::new(parameters.expect("the stream has frames")),
            frames,
            count: 0,
        };
        for (config, is_closed) in [(OPEN, false), (GUARDED, false), (CLOSED, true)] {
            server.add(config, is_closed);
        }
        server
    }

    fn add(&mut self, config: &str, is_closed: bool) {
        let folder = std::env::temp_dir().join(format!("berrymse-fuzz-http-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("config.yml"), format!("{CAMERA}{config}")).unwrap();
        let parsed = cli::parse(std::iter::empty(), |_| None, &folder);
        std::fs::remove_dir_all(&folder).unwrap();
        let Ok(Command::Serve(mut config)) = parsed else {
            panic!("the configuration is wrong");
        };
        config.server.limits = Limits::unlimited();
        let room = serve::raise_nofile_limit(100, 256, 1);
        let (endpoint, handle) = camera_handle::channel([]);
        endpoint.publisher.set_status(CameraState::Live, "");
        let (fanout, _) = Fanout::start([handle.hub()].into_iter(), false).unwrap();
        let camera = Camera {
            name: "cam".into(),
            title: Some("Canary-93x7".into()),
            source: "test",
            source_text: "test".to_owned(),
            rtsp_delimiter: None,
            handle,
        };
        let access = config.access.map(|mut access| {
            if is_closed {
                access.is_public = false;
                access.tokens.push(Token {
                    name: "reader".to_owned(),
                    hash: TokenHash::of("a token that no input can know"),
                    right: Right::Viewer,
                });
            }
            AccessControl::new(access, SigningKey::new(b"a key that no input can know, 32 b")).unwrap()
        });
        let listening = serve::listen::bind_configured(&config.server).unwrap();
        let site = Site::new(AppState::new(vec![camera], config.server, access, false, &room, fanout));
        let _guard = self.runtime.enter();
        tokio::spawn(serve::run_maintenance(site.clone()));
        for bound in listening {
            self.addresses.push(bound.listener.local_addr().unwrap());
            tokio::spawn(serve::accept_connections(bound, None, site.clone()));
        }
        self.cameras.push(endpoint);
    }

    /// Publishes the next frame on all cameras: a client that is gone is found by the write.
    fn publish(&mut self) {
        let count = self.count;
        let (is_keyframe, nals) = &self.frames[(count % self.frames.len() as u64) as usize];
        let now = Timestamp::now();
        for camera in &self.cameras {
            let header = FrameHeader {
                parameters: self.parameters.clone(),
                sequence: count as u32,
                decode_time: count * 3000,
                composition_offset: None,
                duration: 3000,
                nominal_duration: 3000,
                captured_at: now,
                is_keyframe: *is_keyframe,
                is_disposable: false,
                recovery: None,
            };
            camera.publisher.publish(Frame::new(header, nals.iter().map(Vec::as_slice)), now);
        }
        self.count += 1;
    }

    fn mark(&self) -> &[u8] {
        let nal = self.frames[0].1.iter().max_by_key(|nal| nal.len()).unwrap();
        &nal[nal.len() / 2..][..MARK_BYTES]
    }
}

async fn read_until_quiet(socket: &mut TcpStream, quiet: Duration, all: &mut Vec<u8>) -> bool {
    let mut chunk = [0; 16384];
    while let Ok(read) = tokio::time::timeout(quiet, socket.read(&mut chunk)).await {
        match read {
            Ok(count @ 1..) => all.extend_from_slice(&chunk[..count]),
            _ => return false,
        }
        if all.len() > 1 << 20 {
            break;
        }
    }
    true
}

fn has(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// Sends all, and reads what comes until the server ends the connection, or says nothing.
async fn talk(address: SocketAddr, bytes: &[u8], form: u8, quiet: Duration) -> Vec<u8> {
    let mut socket = TcpStream::connect(address).await.unwrap();
    // Thousands of connections in a second would use up the ports.
    socket.set_zero_linger().unwrap();
    let cut = (usize::from(form >> 1) * 8).max(bytes.len() / 16 + 1);
    for piece in bytes.chunks(cut) {
        if socket.write_all(piece).await.is_err() {
            break;
        }
        tokio::task::yield_now().await;
    }
    let mut all = Vec::new();
    if form & 1 == 0 || read_until_quiet(&mut socket, quiet, &mut all).await {
        let _ = socket.shutdown().await;
        read_until_quiet(&mut socket, quiet, &mut all).await;
    }
    all
}

fuzz_target!(|data: &[u8]| {
    let [which, form, bytes @ ..] = data else {
        return;
    };
    SERVER.with_borrow_mut(|server| {
        server.publish();
        let which = usize::from(*which) % server.addresses.len();
        let all = server.runtime.block_on(talk(server.addresses[which], bytes, *form, QUIET));
        let begins = [&b"HTTP/1."[..], b"RTSP/1.0 "].iter().any(|begin| all.starts_with(begin));
        assert!(begins || all.is_empty(), "{}", String::from_utf8_lossy(&all));
        if which == CLOSED_SERVER {
            for secret in [TITLE, server.mark()] {
                // What the client has sent itself may come back, such as a path.
                assert!(has(bytes, secret) || !has(&all, secret), "{}", String::from_utf8_lossy(&all));
            }
        }
        if server.count % HEALTH_INTERVAL == 1 {
            for address in [0, 2, CLOSED_SERVER].map(|index| server.addresses[index]) {
                let request = b"GET /healthz HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n";
                let all = server.runtime.block_on(talk(address, request, 255, Duration::from_secs(60)));
                assert!(all.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&all));
            }
        }
    });
});
