//! A server of MJPEG without a device, for `bench/mjpeg`.
//!
//!     mjpeg_server serve|floor JPEG FPS
//!
//! `serve`: a camera that delivers this JPEG at this rate, served as `berrymse` serves any. `floor`: the same bytes by one `sendmsg` for
//! each client and picture, and nothing else. Both print `Listening on URL`.

#![allow(clippy::print_stdout, reason = "a program for benchmarks")]

use berrymse::camera_handle::{self, Command, Endpoint, Jpeg};
use berrymse::cli;
use berrymse::hub::CameraState;
use berrymse::serve::{self, AppState, Fanout, Site};
use berrymse::time::Timestamp;
use bytes::Bytes;
use std::error::Error;
use std::io::{IoSlice, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

/// Interval at which the camera looks for requests.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [mode, path, fps] = words.as_slice() else {
        return Err("usage: mjpeg_server serve|floor JPEG FPS".into());
    };
    let jpeg = Bytes::from(std::fs::read(path)?);
    let interval = Duration::from_secs_f64(fps.parse::<f64>()?.recip());
    match mode.as_str() {
        "serve" => serve(jpeg, interval),
        "floor" => floor(&jpeg, interval),
        _ => Err(format!("{mode}: serve or floor").into()),
    }
}

/// Calls `picture` in each interval, and `between` while it waits; without drift.
fn run_camera(interval: Duration, mut picture: impl FnMut(), mut between: impl FnMut()) {
    let begin = Instant::now();
    for number in 1.. {
        let due = begin + interval * number;
        while let Some(rest) = due.checked_duration_since(Instant::now()) {
            sleep(rest.min(POLL_INTERVAL));
            between();
        }
        picture();
    }
}

/// Delivers the JPEG at the rate of the camera, and the newest one to those who ask.
fn deliver(endpoint: &Endpoint, jpeg: &Bytes, interval: Duration) {
    let newest = std::cell::Cell::new(Timestamp::now());
    let picture = || {
        newest.set(Timestamp::now());
        endpoint.jpegs.publish(|| Some((newest.get(), &jpeg[..])));
    };
    let answer = || {
        for command in endpoint.commands.take() {
            if let Command::Jpeg(requester) = command {
                let _ = requester.send(Jpeg {
                    bytes: jpeg.clone(),
                    captured_at: newest.get(),
                });
            }
        }
    };
    run_camera(interval, picture, answer);
}

fn serve(jpeg: Bytes, interval: Duration) -> Result<(), Box<dyn Error>> {
    berrymse::os::heap::set_up();
    let words = ["--source", "test", "--listen", "127.0.0.1:0"];
    let parsed = cli::parse(
        words.iter().map(Into::into),
        |_| None,
        Path::new("/nonexistent"),
    )?;
    let cli::Command::Serve(config) = parsed else {
        return Err("no configuration".into());
    };
    let room = serve::raise_nofile_limit(config.server.max_viewers, 64, 1);
    let (endpoint, handle) = camera_handle::channel([]);
    endpoint.publisher.set_status(CameraState::Live, "");
    endpoint.commands.open(true);
    endpoint.jpegs.set_has_jpegs(true);
    let camera = serve::Camera {
        name: "camera".into(),
        title: None,
        source: "jpeg",
        source_text: String::new(),
        rtsp_delimiter: None,
        handle,
    };
    spawn(move || deliver(&endpoint, &jpeg, interval));
    let (fanout, _thread) = Fanout::start(std::iter::once(camera.handle.hub()), false)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let _within = runtime.enter();
    let mut listening = serve::listen::bind_configured(&config.server)?;
    let app = AppState::new(vec![camera], config.server, None, false, &room, fanout);
    let site = Site::new(app);
    let bound = listening.pop().ok_or("no address")?;
    println!("Listening on {}", bound.url);
    runtime.block_on(async {
        tokio::spawn(serve::run_maintenance(site.clone()));
        serve::accept_connections(bound, None, site).await?;
        Ok(())
    })
}

/// Reads a request up to its end, and answers.
fn admit(mut client: TcpStream, clients: &Mutex<Vec<TcpStream>>) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut piece = [0; 1024];
        let count = client.read(&mut piece)?;
        if count == 0 {
            return Ok(());
        }
        request.extend_from_slice(piece.get(..count).unwrap_or_default());
    }
    client.write_all(b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace;boundary=boundarydonotcross\r\n\r\n--boundarydonotcross\r\n")?;
    client.set_nodelay(true)?;
    let mut clients = clients.lock().unwrap_or_else(PoisonError::into_inner);
    clients.push(client);
    Ok(())
}

fn floor(jpeg: &Bytes, interval: Duration) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("Listening on http://{}/", listener.local_addr()?);
    let clients = Arc::new(Mutex::new(Vec::new()));
    let joined = clients.clone();
    spawn(move || {
        for client in listener.incoming().flatten() {
            // One that fails is gone.
            let _ = admit(client, &joined);
        }
    });
    let head = format!(
        "Content-Type: image/jpeg\r\nContent-Length: {}\r\nX-Timestamp: 1796000000.000000\r\n\r\n",
        jpeg.len()
    );
    let tail: &[u8] = b"\r\n--boundarydonotcross\r\n";
    let picture = || {
        let mut clients = clients.lock().unwrap_or_else(PoisonError::into_inner);
        clients.retain_mut(|client| {
            let mut pieces = [head.as_bytes(), &jpeg[..], tail].map(IoSlice::new);
            let mut rest = &mut pieces[..];
            while !rest.is_empty() {
                match client.write_vectored(rest) {
                    Ok(count) if count > 0 => IoSlice::advance_slices(&mut rest, count),
                    _ => return false,
                }
            }
            true
        });
    };
    run_camera(interval, picture, || {});
    Ok(())
}
