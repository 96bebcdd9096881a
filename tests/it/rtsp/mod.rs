//! RTSP as clients meet it: raw sockets for every byte, ffmpeg as the judge of the pictures.

mod access;
pub(crate) mod client;

use crate::support::{PATIENCE, Scratch, Server, decode_with, fixture};
use client::{Client, Packet, Received, connect};
use socket2::{Domain, Socket, Type};
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const SMALL: [&str; 6] = ["--source", "test", "--width", "320", "--height", "240"];
const TCP: &str = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n";
const UDP: &str = "Transport: RTP/AVP;unicast;client_port=5000-5001\r\n";

/// Small pictures, live.
fn live() -> Server {
    let server = Server::start(&SMALL);
    server.wait_for("live", |camera| camera["state"] == "live");
    server
}

fn url(server: &Server, path: &str) -> String {
    format!("rtsp://{}{path}", server.address())
}

/// Hashes of the first pictures that ffmpeg decodes from a URL.
fn ffmpeg(url: &str, options: &[&str], pictures: usize) -> Vec<String> {
    let output = Command::new("ffmpeg")
        .args(["-v", "error"])
        .args(options)
        .args(["-i", url, "-frames:v", &pictures.to_string()])
        .args(["-fps_mode", "passthrough", "-f", "framemd5", "-"])
        .stdin(Stdio::null())
        .output()
        .expect("ffmpeg is needed: apt-get install ffmpeg");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| line.rsplit(',').next().unwrap().trim().to_owned())
        .collect()
}

/// Plays a file by RTSP and compares the pictures with those of the file, repeated.
fn comes_back_whole(name: &str, options: &[&str]) {
    let path = fixture(name);
    let once = std::fs::read(&path).unwrap();
    let expected = decode_with(&[], "h264", &once.repeat(3), &["-autoscale", "0"]);
    let source = format!("file:{}", path.display());
    let server = Server::start(&["--source", &source, "--fps", "60"]);
    server.wait_for("live", |camera| camera["state"] == "live");
    let found = ffmpeg(&url(&server, "/live"), options, 40);
    assert_eq!(found.len(), 40, "{name}");
    let is_here = expected.windows(found.len()).any(|window| window == found);
    assert!(is_here, "{name}: not the pictures of the file");
}

#[test]
fn pictures_are_those_of_the_file() {
    comes_back_whole("MIDR_MW_D.264", &[]);
    comes_back_whole("SVA_NL1_B.264", &["-rtsp_transport", "tcp"]);
}

#[test]
fn each_refusal_has_its_status() {
    let server = live();
    let live = url(&server, "/live");
    let mut client = connect(server.address());
    let options = client.ask("OPTIONS", &live, "");
    assert_eq!(options.status, 200);
    assert!(options.header("Public").contains("GET_PARAMETER"));
    assert_eq!(client.status("OPTIONS", "*", ""), 200);
    let required = "Require: www.onvif.org/ver20/backchannel\r\n";
    let refused = client.ask("DESCRIBE", &live, required);
    assert_eq!(refused.status, 551);
    assert_eq!(
        refused.header("Unsupported"),
        "www.onvif.org/ver20/backchannel"
    );
    for (method, path, headers, status) in [
        ("DESCRIBE", "/live/nobody", "", 404),
        ("DESCRIBE", "/", "", 404),
        ("DESCRIBE", "/live/camera/trackID=1", "", 404),
        ("SETUP", "/live/camera/trackID=1", TCP, 404),
        ("SETUP", "/trackID=0", TCP, 404),
        ("SETUP", "/live", UDP, 461),
        ("SETUP", "/live", "Transport: RTP/AVP;multicast\r\n", 461),
        ("PLAY", "/live", "", 455),
        ("PLAY", "/live", "Session: 1234\r\n", 454),
        ("PAUSE", "/live", "", 455),
        ("GET_PARAMETER", "/live", "Session: 1234\r\n", 454),
        ("TEARDOWN", "/live", "Session: 1234\r\n", 454),
        ("TEARDOWN", "/live", "", 200),
        ("RECORD", "/live", "", 405),
        ("PRAY", "/live", "", 501),
        ("GET_PARAMETER", "/live", "", 200),
        ("SET_PARAMETER", "/live", "Content-Length: 3\r\n\r\na", 200),
    ] {
        let found = client.ask(method, &url(&server, path), headers);
        assert_eq!(found.status, status, "{method} {path}: {}", found.body);
        let is_told = status < 400 || found.body.contains(char::is_alphabetic);
        assert!(is_told, "{}", found.head);
    }
    // Nothing of that ended the connection.
    let description = client.ask("DESCRIBE", &url(&server, "/live/camera/"), "");
    assert_eq!(description.header("Content-Type"), "application/sdp");
    assert_eq!(
        description.header("Content-Base"),
        url(&server, "/live/camera/")
    );
    assert!(description.body.contains("sprop-parameter-sets="));
    let setup = client.ask("SETUP", &url(&server, "/trackID=0"), TCP);
    assert_eq!(setup.status, 200, "of the camera that was described");
    let session = format!(
        "Session: {}\r\n",
        setup.header("Session").replace(";timeout=60", "")
    );
    assert_eq!(client.status("PAUSE", &live, &session), 455);
    assert_eq!(client.status("PLAY", &live, ""), 454);
    assert_eq!(client.status("PLAY", &live, &session), 200);
    assert_eq!(
        client.status("SETUP", &live, &format!("{session}{TCP}")),
        455
    );
    let end = client.ask("TEARDOWN", &live, &session);
    assert_eq!(end.status, 200);
    while client.next() != Received::End {}
}

#[test]
fn wrong_requests_stop_nothing() {
    let server = live();
    let mut client = connect(server.address());
    for (text, status) in [
        ("OPTIONS * RTSP/1.0\r\n\r\n", 400),
        ("OPTIONS * RTSP/2.0\r\nCSeq: 1\r\n\r\n", 505),
        ("OPTIONS http://h/live RTSP/1.0\r\nCSeq: 1\r\n\r\n", 400),
        ("nonsense\r\n\r\n", 400),
        (
            "\r\n$\x01\x00\x02abOPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n",
            200,
        ),
    ] {
        client.stream.write_all(text.as_bytes()).unwrap();
        assert_eq!(client.response().status, status, "{text}");
    }
    let mut long = connect(server.address());
    let line = format!("OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nX: {}", "y".repeat(20_000));
    long.stream.write_all(line.as_bytes()).unwrap();
    assert_eq!(long.response().status, 413);
    assert_eq!(long.next(), Received::End);
    assert_eq!(server.get("/healthz").0, 200);
}

#[test]
fn session_cut_into_bytes_plays_from_a_keyframe() {
    let server = live();
    let mut client = connect(server.address());
    let base = url(&server, "/live/");
    let setup = format!("SETUP {base}trackID=0 RTSP/1.0\r\nCSeq: 1\r\n{TCP}\r\n");
    for byte in setup.bytes() {
        client.stream.write_all(&[byte]).unwrap();
    }
    let id = client
        .response()
        .header("Session")
        .replace(";timeout=60", "");
    // PLAY, a receiver report and a sign of life in one piece.
    let play = format!("PLAY {base} RTSP/1.0\r\nCSeq: 2\r\nSession: {id}\r\n\r\n");
    let alive = format!("GET_PARAMETER {base} RTSP/1.0\r\nCSeq: 3\r\nSession: {id}\r\n\r\n");
    let together = format!("{play}$\x01\x00\x08\r\n\r\nabcd{alive}");
    client.stream.write_all(together.as_bytes()).unwrap();
    assert_eq!(client.response().header("CSeq"), "2");
    let mut first: Vec<Packet> = Vec::new();
    let mut is_answered = false;
    while !is_answered || !first.last().is_some_and(|packet| packet.has_marker) {
        match client.next() {
            Received::Response(response) => {
                is_answered = response.header("CSeq") == "3";
            }
            Received::Rtp(packet) if !first.last().is_some_and(|it| it.has_marker) => {
                first.push(packet);
            }
            Received::Rtp(_) | Received::Rtcp(..) => {}
            Received::End => panic!("ended"),
        }
    }
    assert_eq!(first[0].kind(), 24, "parameter sets");
    assert!(
        first[1..]
            .iter()
            .all(|packet| packet.kind() == 5 || packet.kind() == 6)
    );
    for byte in alive.replace("CSeq: 3", "CSeq: 4").bytes() {
        client.stream.write_all(&[byte]).unwrap();
    }
    assert_eq!(client.response().header("CSeq"), "4");
}

#[test]
fn numbers_and_times_have_no_gap_over_a_pause() {
    let server = live();
    let mut client = connect(server.address());
    let (session, _) = client.play(&url(&server, "/live"), "");
    let mut frames: Vec<Vec<Packet>> = (0..8).map(|_| client.frame()).collect();
    client.send("PAUSE", &url(&server, "/live"), &session);
    // Frames that were on their way come before the answer.
    loop {
        match client.next() {
            Received::Rtp(packet) => {
                let last = frames.last_mut().unwrap();
                match last.last().unwrap().has_marker {
                    true => frames.push(vec![packet]),
                    false => last.push(packet),
                }
            }
            Received::Rtcp(..) => {}
            Received::Response(response) => break assert_eq!(response.status, 200),
            Received::End => panic!("ended"),
        }
    }
    std::thread::sleep(Duration::from_secs(2));
    let resumed = frames.len();
    client.send("PLAY", &url(&server, "/live"), &session);
    match client.next() {
        Received::Response(response) => assert_eq!(response.status, 200),
        // A sender report may have waited.
        Received::Rtcp(..) => assert_eq!(client.response().status, 200),
        other => panic!("sent in a pause: {other:?}"),
    }
    frames.extend((0..8).map(|_| client.frame()));
    assert_eq!(frames[resumed][0].kind(), 24, "from a keyframe on");
    let all: Vec<&Packet> = frames.iter().flatten().collect();
    for pair in all.windows(2) {
        assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1));
        let step = pair[1].timestamp.wrapping_sub(pair[0].timestamp);
        // The pause was of 180,000; a busy machine takes a frame late.
        assert!(step <= 90_000, "{step}");
    }
}

#[test]
fn packets_before_play_end_the_connection() {
    let server = live();
    let mut client = connect(server.address());
    assert_eq!(client.status("OPTIONS", "*", ""), 200);
    client
        .stream
        .write_all(&b"$\x01\x00\x00".repeat(16))
        .unwrap();
    assert_eq!(client.status("OPTIONS", "*", ""), 200);
    client.stream.write_all(b"$\x01\x00\x00").unwrap();
    assert!(matches!(client.next(), Received::End));
}

#[test]
fn slow_client_skips_to_a_keyframe_and_loses_no_packet() {
    let server = live();
    // A small window: what waits, waits in the server.
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let address: std::net::SocketAddr = server.address().parse().unwrap();
    socket.connect(&address.into()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut client = Client::over(std::net::TcpStream::from(socket));
    client.play(&url(&server, "/live"), "");
    let mut before = client.frame();
    server.wait_for("slow", |camera| camera["lines"]["slow"]["viewers"] == 1);
    // The default interval of keyframes is 60 frames.
    let frames = server.status()["cameras"][0]["frames"].as_u64();
    let has_keyframe =
        |camera: &serde_json::Value| camera["frames"].as_u64() > frames.map(|n| n + 130);
    server.wait_for("a keyframe further", has_keyframe);
    loop {
        let frame = client.frame();
        let (last, first) = (before.last().unwrap(), &frame[0]);
        assert_eq!(first.sequence, last.sequence.wrapping_add(1));
        let step = first.timestamp.wrapping_sub(last.timestamp);
        assert!(step < 1 << 31, "times never go back");
        if step > 4 * 3000 {
            assert_eq!(first.kind(), 24, "a keyframe");
            break;
        }
        before = frame;
    }
}

#[test]
fn sender_reports_tell_the_camera_clock_and_the_end() {
    let mut server = live();
    let mut client = connect(server.address());
    client.play(&url(&server, "/live"), "");
    let (mut newest, mut report) = (None, None);
    while report.is_none() {
        match client.next() {
            Received::Rtp(packet) => newest = Some(packet.timestamp),
            Received::Rtcp(200, packet) => report = Some(packet),
            _ => {}
        }
    }
    let (report, unix) = (report.unwrap(), std::time::SystemTime::now());
    let word = |at: usize| u32::from_be_bytes(report[at..at + 4].try_into().unwrap());
    let unix = unix
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    assert!((u64::from(word(8)) - 2_208_988_800).abs_diff(unix) < 20);
    let ahead = word(16).wrapping_sub(newest.unwrap());
    assert!(ahead < 20 * 90_000, "{ahead}");
    let viewers = |count: u64| move |camera: &serde_json::Value| camera["rtsp_viewers"] == count;
    let camera = server.wait_for("a viewer", viewers(1));
    assert_eq!(camera["viewers"], 1);
    let metrics = server.get("/metrics").1;
    assert!(metrics.contains("berrymse_rtsp_viewers{camera=\"camera\"} 1\n"));
    server.signal(rustix::process::Signal::TERM);
    let mut goodbye = false;
    loop {
        match client.next() {
            Received::Rtcp(_, packet) => goodbye |= packet[packet.len() - 7] == 203,
            Received::End => break,
            _ => {}
        }
    }
    assert!(goodbye, "an end in order");
    assert!(server.child.wait().unwrap().success());
}

#[test]
fn delimiter_is_sent_to_ffmpeg_or_as_configured() {
    let scratch = Scratch::new("rtsp-delimiter");
    let config = "cameras:\n  - {name: a, source: test, width: 320, height: 240}\n  - {name: t, source: test, width: 320, \
                  height: 240, rtspAccessUnitDelimiter: true}\n  - {name: f, source: test, width: 320, height: 240, \
                  rtspAccessUnitDelimiter: false}\n";
    let config = scratch.file("config.yml", config);
    let server = Server::start(&["--config", &config]);
    for (camera, agent, expected) in [
        ("a", "Lavf60.1", true),
        ("a", "GStreamer/1.22.0", false),
        ("t", "GStreamer/1.22.0", true),
        ("f", "Lavf60.1", false),
    ] {
        let mut client = connect(server.address());
        let agent = format!("User-Agent: {agent}\r\n");
        client.play(&url(&server, &format!("/live/{camera}")), &agent);
        let last = client.frame().pop().unwrap();
        assert_eq!(last.payload == [9, 0xf0], expected, "{camera} {agent}");
    }
}

#[test]
fn flooding_client_is_closed_alone() {
    let server = live();
    let mut good = connect(server.address());
    good.play(&url(&server, "/live"), "");
    for flood in ["\r\n".repeat(2048), "$\x01\0\0".repeat(1024)] {
        let mut bad = connect(server.address());
        bad.play(&url(&server, "/live"), "");
        let mut reader = bad.stream.try_clone().unwrap();
        let writer = std::thread::spawn(
            move || {
                while bad.stream.write_all(flood.as_bytes()).is_ok() {}
            },
        );
        // The last answer may be cut off.
        let mut chunk = [0; 4096];
        while reader.read(&mut chunk).is_ok_and(|count| count > 0) {}
        writer.join().unwrap();
    }
    good.frame();
    server.wait_for_log("it sends too much");
}

#[test]
fn address_for_rtsp_speaks_nothing_else() {
    let scratch = Scratch::new("rtsp-only");
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let config = format!(
        "camera: {{source: test, width: 320, height: 240}}\nserver: {{rtsp: '127.0.0.1:{port}'}}\n"
    );
    let server = Server::start(&["--config", &scratch.file("config.yml", config)]);
    let address = format!("127.0.0.1:{port}");
    assert_eq!(ffmpeg(&format!("rtsp://{address}/live"), &[], 2).len(), 2);
    let mut socket = std::net::TcpStream::connect(&address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(
        socket,
        "GET /api/status HTTP/1.1\r\nHost: {address}\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 400 ") && answer.contains("RTSP only"),
        "{answer}"
    );
    assert_eq!(server.get("/healthz").0, 200);
}

#[test]
fn camera_on_demand_is_opened_and_a_lost_one_refused() {
    let scratch = Scratch::new("rtsp-demand");
    let config = "cameras:\n  - {name: later, source: test, width: 320, height: 240, onDemand: true}\n  - {name: lost, \
                  source: /dev/video-none}\n";
    let server = Server::start(&["--config", &scratch.file("config.yml", config)]);
    let idle = |camera: &serde_json::Value| camera["state"] == "idle";
    server.wait_for("idle", idle);
    let mut client = connect(server.address());
    let (session, _) = client.play(&url(&server, "/live/later"), "");
    client.frame();
    assert_eq!(
        client.status("TEARDOWN", &url(&server, "/live/later"), &session),
        200
    );
    let end = Instant::now() + PATIENCE;
    loop {
        let mut client = connect(server.address());
        let refused = client.ask("DESCRIBE", &url(&server, "/live/lost"), "");
        assert_eq!(refused.status, 503, "{}", refused.head);
        assert!(refused.body.starts_with("No video: ") && refused.header("Retry-After") == "2");
        // It may still be starting at first.
        if !refused.body.contains("no frame within") || Instant::now() > end {
            break;
        }
    }
}
