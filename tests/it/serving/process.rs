//! The process: what it needs to start, what it prints, and how it ends.

use super::live;
use crate::support::{Server, TEST};
use rustix::process::Signal;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;
use tungstenite::Message;
use tungstenite::protocol::frame::coding::CloseCode;

#[test]
fn several_addresses_are_served_and_printed() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_berrymse"))
        .args(["--source", "test", "-l", "127.0.0.1:0", "-l", "[::1]:0"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for start in ["http://127.0.0.1:", "http://[::1]:"] {
        let line = lines.next().unwrap().unwrap();
        let url = line.strip_prefix("Listening on ").unwrap();
        assert!(url.starts_with(start) && url.ends_with('/'), "{line}");
        let address = url.trim_start_matches("http://").trim_end_matches('/');
        let mut socket = TcpStream::connect(address).unwrap();
        write!(socket, "GET /healthz HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        assert!(answer.ends_with("ok\n"), "{answer}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn wildcard_listener_prints_url_from_elsewhere_and_qr_code() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_berrymse"))
        .args(["--source", "test", "-l", "0.0.0.0:0", "--qr"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let own = lines.next().unwrap().unwrap();
    let port = own.strip_prefix("Listening on http://0.0.0.0:").unwrap();
    // The last line is the URL of the QR code, as text.
    let rest: Vec<String> = lines
        .map(Result::unwrap)
        .take_while(|line| !line.starts_with("http://"))
        .collect();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(rest.iter().any(|line| line.contains('█')), "{rest:?}");
    for address in berrymse::os::interfaces::addresses() {
        let line = format!("From elsewhere: http://{address}:{port}");
        assert_eq!(rest.contains(&line), address.is_ipv4(), "{line} {rest:?}");
    }
}

#[test]
fn port_in_use_error_names_the_process() {
    let server = live();
    let output = Command::new(env!("CARGO_BIN_EXE_berrymse"))
        .args(["--source", "test", "--listen", server.address()])
        .output()
        .unwrap();
    let words = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{words}");
    assert!(words.contains("in use by berrymse (process"), "{words}");
    assert!(words.contains("--listen"), "{words}");
}

#[test]
fn nohup_survives_hangup() {
    let mut child = Command::new("env")
        .arg("--ignore-signal=HUP")
        .args([env!("CARGO_BIN_EXE_berrymse"), "--source", "test"])
        .args(["--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().starts_with("Listening on"));
    let process = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(process, Signal::HUP).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    rustix::process::kill_process(process, Signal::TERM).unwrap();
    let output = child.wait_with_output().unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{log}");
    assert!(log.contains("stopping: SIGTERM"), "{log}");
}

#[test]
fn covered_address_is_rejected() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let (all, one) = (format!(":{port}"), format!("127.0.0.1:{port}"));
    let output = Command::new(env!("CARGO_BIN_EXE_berrymse"))
        .args(["--source", "test", "-l", &all, "-l", &one])
        .output()
        .unwrap();
    let words = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{words}");
    assert!(
        words.contains("another of the given addresses has it"),
        "{words}"
    );
}

#[test]
fn there_is_room_for_all_viewers() {
    let script = format!(
        "ulimit -Sn 300 && ulimit -Hn && exec {} -d test -l 127.0.0.1:0",
        env!("CARGO_BIN_EXE_berrymse")
    );
    let mut child = Command::new("sh")
        .args(["-c", &script])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let hard = lines.next().unwrap().unwrap();
    lines.next().unwrap().unwrap(); // it listens
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
    let files = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let soft: u64 = files
        .unwrap()
        .split_whitespace()
        .nth(3)
        .unwrap()
        .parse()
        .unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    // 2000 viewers, pages, and the rest
    let wanted = 2000 + 256 + 128;
    assert_eq!(
        soft,
        hard.parse().map_or(wanted, |hard: u64| hard.min(wanted))
    );
}

#[test]
fn unread_log_does_not_block_frames() {
    let (_reader, mut log) = std::io::pipe().unwrap();
    let capacity = rustix::pipe::fcntl_getpipe_size(&log).unwrap();
    log.write_all(&vec![b' '; capacity]).unwrap();
    let mut server = Server::start_with(&TEST, |command| {
        command.args(["--listen", "127.0.0.1:0"]).stderr(log);
    });
    let mut viewer = server.watch("/video_websocket");
    viewer.collect(10);
    server.signal(Signal::TERM);
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
}

#[test]
fn closed_stdout_does_not_panic() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .unwrap();
    for (stdout, code, words) in [
        (Stdio::from(writer), 0, ""),
        (
            Stdio::from(full),
            1,
            "berrymse: cannot write the answer: No space left",
        ),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_berrymse"))
            .arg("--help")
            .stdout(stdout)
            .output()
            .unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{stderr}");
        assert!(stderr.starts_with(words), "{stderr}");
        assert!(!stderr.contains("panicked"), "{stderr}");
    }
}

#[test]
fn it_stops_when_asked_and_says_goodbye() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut server = live();
        let mut viewer = server.watch("/video_websocket");
        viewer.binary();
        server.signal(signal);
        // It waits for no viewer: this one takes part in nothing until later.
        let status = server.child.wait().unwrap();
        assert_eq!(status.code(), Some(0));
        let code = loop {
            match viewer.socket.read() {
                Ok(Message::Close(frame)) => break frame.unwrap().code,
                Ok(_) => {}
                Err(error) => panic!("{error}"),
            }
        };
        assert_eq!(code, CloseCode::Away);
    }
}
