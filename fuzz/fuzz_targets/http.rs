//! Whatever a client sends over a connection, to a real server in this process: heads and bodies of HTTP, queries, cookies, upgrades
//! and the messages after them, RTSP by its first line. Nothing panics, and the server goes on answering.
//!
//! The first byte chooses the server: one where everybody on this machine is an operator, one with `access:`, one for RTSP alone.
#![no_main]

use berrymse::access::{AccessControl, SigningKey};
use berrymse::camera_handle;
use berrymse::cli::{self, Command};
use berrymse::heartbeat::Heartbeat;
use berrymse::serve::{self, AppState, Camera, Fanout, Site};
use berrymse::shutdown::ShutdownToken;
use libfuzzer_sys::fuzz_target;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const PICTURES: &str = "camera: {name: cam, source: test, width: 224, height: 96, fps: 2}\n";
const OPEN: &str = "server: {listen: '127.0.0.1:0', rtsp: '127.0.0.1:0'}\n";
const GUARDED: &str = "server: {listen: '127.0.0.1:0', trustedProxies: 127.0.0.1, hosts: [a.example], limits: {requestsPerSecond: 100000}}\n\
                       access: {public: viewer, keyFile: /dev/null, revoked: [gone]}\n";

/// Addresses of the servers: open, for RTSP alone, guarded.
static SERVERS: LazyLock<Vec<SocketAddr>> =
    LazyLock::new(|| [OPEN, GUARDED].into_iter().flat_map(start).collect());

fn start(config: &str) -> Vec<SocketAddr> {
    let folder = std::env::temp_dir().join(format!("berrymse-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("config.yml"), format!("{PICTURES}{config}")).unwrap();
    let Ok(Command::Serve(mut config)) = cli::parse(std::iter::empty(), |_| None, &folder) else {
        panic!("the configuration");
    };
    std::fs::remove_dir_all(&folder).unwrap();
    let room = serve::raise_nofile_limit(100, 256, 1);
    let listening = serve::listen::bind_configured(&config.server).unwrap();
    let addresses = listening.iter().map(|bound| bound.listener.local_addr().unwrap()).collect();
    let camera = config.cameras.remove(0);
    let (endpoint, handle) = camera_handle::channel([]);
    let (fanout, _) = Fanout::start([handle.hub()], false).unwrap();
    let served = Camera {
        name: camera.name.as_str().into(),
        title: None,
        source: camera.source.kind(),
        source_text: "test".to_owned(),
        rtsp_delimiter: None,
        handle,
    };
    std::thread::spawn(move || {
        berrymse::camera::run(&camera, ShutdownToken::new().unwrap(), &endpoint, &Heartbeat::default());
    });
    let key = SigningKey::new(b"a key that no input can know, 32 b");
    let access = config.access.map(|access| AccessControl::new(access, key).unwrap());
    let site = Site::new(AppState::new(vec![served], config.server, access, false, &room, fanout));
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            tokio::spawn(serve::run_maintenance(site.clone()));
            let accepting = listening.into_iter().map(|bound| tokio::spawn(serve::accept_connections(bound, None, site.clone())));
            for task in accepting.collect::<Vec<_>>() {
                task.await.unwrap().unwrap();
            }
        });
    });
    addresses
}

/// Sends all, and reads what comes until the server ends the connection, or nothing comes for the time.
fn answer(address: SocketAddr, bytes: &[u8], patience: Duration) -> Vec<u8> {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(patience)).unwrap();
    let _ = socket.write_all(bytes);
    let _ = socket.shutdown(Shutdown::Write);
    let (mut all, mut chunk) = (Vec::new(), [0; 65536]);
    while let Ok(count @ 1..) = socket.read(&mut chunk) {
        all.extend_from_slice(&chunk[..count]);
        if all.len() > 1 << 20 {
            break;
        }
    }
    all
}

fuzz_target!(|data: &[u8]| {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let Some((first, bytes)) = data.split_first() else {
        return;
    };
    let address = SERVERS[usize::from(*first) % SERVERS.len()];
    answer(address, bytes, Duration::from_millis(200));
    if COUNT.fetch_add(1, Ordering::Relaxed) % 500 == 0 {
        let request = b"GET /healthz HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n";
        let all = answer(SERVERS[0], request, Duration::from_secs(60));
        assert!(all.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&all));
    }
});
