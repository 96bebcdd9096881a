//! Programs and standard input as sources, with real children: what arrives and when, how errors read, and that
//! nobody stays behind. Times are upper bounds for a busy machine; the delay itself is measured elsewhere.

use berrymse::h264::ChunkEnd;
use berrymse::shutdown::ShutdownToken;
use berrymse::source::pipe_reader::open_stdin;
use berrymse::source::process::open_exec;
use berrymse::source::{Error, Input, Item, Settings, SourceContext};
use std::io::{self, BufRead, BufReader, Write};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Tells a copy of this test program what to be.
const ROLE: &str = "BERRYMSE_TEST_ROLE";

fn context() -> SourceContext {
    let settings = Settings {
        width: 1280,
        height: 720,
        fps: berrymse::frame_rate::FrameRate::whole(30),
        bitrate: None,
        rotation: None,
        flips: berrymse::source::Flips::default(),
        keyframe_interval: NonZeroU32::new(60).unwrap(),
    };
    SourceContext::new("test", settings, ShutdownToken::new().unwrap())
}

fn shell(script: &str) -> Box<dyn Input> {
    open_exec(
        &["sh".to_owned(), "-c".to_owned(), script.to_owned()],
        &context(),
    )
    .unwrap()
}

/// Reads up to the next pause.
fn unit(source: &mut dyn Input) -> Vec<u8> {
    let mut all = Vec::new();
    for _ in 0..10_000 {
        if let Some(chunk) = source.read().unwrap().and_then(Item::into_chunk) {
            all.extend_from_slice(chunk.annexb);
            if chunk.end == ChunkEnd::Pause {
                return all;
            }
        }
    }
    panic!("no pause after {} bytes", all.len());
}

/// The numbers that a script has written.
fn numbers(source: &mut dyn Input, count: usize) -> Vec<u32> {
    let mut text = String::new();
    while text.lines().count() < count {
        text += &String::from_utf8(unit(source)).unwrap();
    }
    text.lines().map(|line| line.parse().unwrap()).collect()
}

/// Reads until the source ends.
fn error(source: &mut dyn Input) -> Error {
    let end = Instant::now() + Duration::from_secs(30);
    while Instant::now() < end {
        if let Err(e) = source.read() {
            return e;
        }
    }
    panic!("it does not end");
}

fn state(process: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    stat.rsplit_once(')')?.1.trim_start().chars().next()
}

fn becomes(is_true: impl Fn() -> bool) -> bool {
    let end = Instant::now() + Duration::from_secs(10);
    while !is_true() && Instant::now() < end {
        thread::sleep(Duration::from_millis(5));
    }
    is_true()
}

/// Gone, or dead and left to somebody else to reap.
fn is_dead(process: u32) -> bool {
    matches!(state(process), None | Some('Z' | 'X'))
}

#[test]
fn program_gets_the_default_descriptor_limit() {
    let mut us = copy_of_us("limit").stdin(Stdio::null()).spawn().unwrap();
    let limit: u32 = line_from(&mut us, "limit ").parse().unwrap();
    us.wait().unwrap();
    assert!(limit <= 1024, "{limit}");
}

#[test]
fn each_write_is_data_then_a_pause() {
    let mut source = shell("printf abc; sleep 0.3; printf de; exec sleep 1000");
    assert_eq!(unit(&mut *source), b"abc");
    assert_eq!(unit(&mut *source), b"de");
    assert!(source.read().unwrap().is_none());
}

#[test]
fn write_larger_than_the_pipe_arrives_whole() {
    let mut source = shell("dd if=/dev/zero bs=3000001 count=1 2>/dev/null; exec sleep 1000");
    let mut length = 0;
    while length < 3_000_001 {
        length += (source.read().unwrap().and_then(Item::into_chunk))
            .map_or(0, |chunk| chunk.annexb.len());
    }
    assert_eq!(unit(&mut *source), b"");
    assert_eq!(length, 3_000_001);
}

#[test]
fn exit_error_has_status_and_last_lines() {
    for (script, text) in [
        (
            "printf x; echo one >&2; echo two >&2; exit 255",
            "sh ended with exit status 255; its last words: one | two",
        ),
        (
            "exit 0",
            "sh ended with exit status 0 before it sent a byte",
        ),
        ("printf x; kill -9 $$", "sh was killed by signal 9"),
        (
            "exec >&-; exec sleep 1000",
            "sh has closed its output before it sent a byte",
        ),
        ("sleep 1000 & printf x", "sh ended with exit status 0"),
        (
            "i=0; while [ $i -lt 99 ]; do i=$((i+1)); echo $i >&2; done; exit 1",
            "sh ended with exit status 1 before it \
            sent a byte; its last words: 97 | 98 | 99",
        ),
    ] {
        assert_eq!(
            error(&mut *shell(script)).kind(),
            &Error::Lost(text.to_owned()),
            "{script}"
        );
    }
}

#[test]
fn start_errors_are_explained() {
    for (program, why) in [
        (
            "no-such-program",
            "exec: 'no-such-program' is not installed or not in PATH",
        ),
        (
            "/no/such/program",
            "exec: '/no/such/program' does not exist, or the interpreter that its first line names does not",
        ),
        (
            "/etc/passwd",
            "exec: '/etc/passwd' is not a program that this user may run",
        ),
    ] {
        let error = open_exec(&[program.to_owned()], &context()).err();
        let expected = Error::Unavailable(why.to_owned());
        assert_eq!(error.as_ref().map(Error::kind), Some(&expected));
    }
    assert!(open_exec(&[], &context()).is_err());
}

#[test]
fn dropped_source_leaves_no_process() {
    let mut source = shell("sleep 1000 & echo $!; echo $$; wait");
    let processes = numbers(&mut *source, 2);
    assert!(processes.iter().all(|&process| !is_dead(process)));
    drop(source);
    assert!(becomes(|| is_dead(processes[0])));
    assert_eq!(state(processes[1]), None, "our own child is reaped");
}

#[test]
fn program_that_ignores_signals_is_killed() {
    let mut source = shell("trap '' INT TERM; echo $$; while :; do sleep 1; done");
    let processes = numbers(&mut *source, 1);
    drop(source);
    assert_eq!(state(processes[0]), None);
}

#[test]
fn program_gets_time_to_exit() {
    let file = scratch("in-order");
    let script = format!(
        // `wait` hears the signal at once, however busy the machine: no command has to start or end first.
        "trap 'echo bye > {}; exit' INT; sleep 1000 & echo $$; wait",
        file.display()
    );
    let mut source = shell(&script);
    numbers(&mut *source, 1);
    drop(source);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "bye\n");
    std::fs::remove_file(file).unwrap();
}

#[test]
fn program_does_not_inherit_ignored_signals() {
    let file = scratch("ignored");
    let source = format!(
        "exec:sh -c 'grep SigIgn /proc/$$/status >{0}.new; mv {0}.new {0}; exec sleep 1000'",
        file.display()
    );
    let mut us = Command::new("sh")
        .args(["-c", r#"trap '' INT QUIT TERM HUP; exec "$@""#, "sh"])
        .args([env!("CARGO_BIN_EXE_berrymse"), "--source", &source])
        .args(["--listen", "127.0.0.1:0"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let is_told = becomes(|| file.exists());
    us.kill().unwrap();
    us.wait().unwrap();
    assert!(is_told);
    let line = std::fs::read_to_string(&file).unwrap();
    let ignored = u64::from_str_radix(line.trim_start_matches("SigIgn:").trim(), 16).unwrap();
    let endings = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 14; // SIGHUP, SIGINT, SIGQUIT, SIGTERM
    assert_eq!(ignored & endings, 0, "{line}");
    std::fs::remove_file(file).unwrap();
}

#[test]
fn hangup_ends_programs_and_their_children() {
    let file = std::env::temp_dir().join(format!("berrymse-hangup-{}", std::process::id()));
    let source = format!(
        "exec:sh -c 'sleep 1000 & echo $! >{0}.new; mv {0}.new {0}; wait'",
        file.display()
    );
    // `script` is the terminal; its end closes it.
    let line = format!(
        "exec env --default-signal=HUP {} --source \"$SOURCE\" --listen 127.0.0.1:0",
        env!("CARGO_BIN_EXE_berrymse")
    );
    let mut terminal = Command::new("script")
        .args(["-qec", &line, "/dev/null"])
        .env("SOURCE", source)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    assert!(becomes(|| file.exists()));
    let started = std::fs::read_to_string(&file).unwrap();
    terminal.kill().unwrap();
    terminal.wait().unwrap();
    let started = started.trim().parse().unwrap();
    assert!(becomes(|| is_dead(started)));
    std::fs::remove_file(file).unwrap();
}

#[test]
fn stderr_flood_does_not_block() {
    let mut source = shell("yes message | head -c 3000000 >&2; printf ok; exec sleep 1000");
    assert_eq!(unit(&mut *source), b"ok");
}

#[test]
fn shutdown_ends_a_read_at_once() {
    let context = context();
    let mut source = open_exec(&["sleep".to_owned(), "1000".to_owned()], &context).unwrap();
    context.shutdown.trigger();
    assert_eq!(error(&mut *source), Error::Stopped);
}

#[test]
fn program_dies_when_the_server_is_killed() {
    let mut us = copy_of_us("killed").stdin(Stdio::null()).spawn().unwrap();
    let process: u32 = line_from(&mut us, "process ").parse().unwrap();
    assert!(!is_dead(process));
    us.kill().unwrap();
    us.wait().unwrap();
    assert!(becomes(|| is_dead(process)));
}

#[test]
fn standard_input_is_read_from_a_pipe_to_its_end() {
    let mut us = copy_of_us("stdin").stdin(Stdio::piped()).spawn().unwrap();
    us.stdin.take().unwrap().write_all(b"abc").unwrap();
    assert_eq!(
        line_from(&mut us, "read "),
        "[97, 98, 99] then standard input has ended"
    );
    us.wait().unwrap();
    let mut us = copy_of_us("stdin").stdin(Stdio::null()).spawn().unwrap();
    assert_eq!(
        line_from(&mut us, "read "),
        "[] then standard input is empty"
    );
    us.wait().unwrap();
}

/// Not a test by itself: what the copies of this program do.
#[test]
fn as_another_process() {
    let mut out = io::stdout();
    match std::env::var(ROLE).as_deref() {
        Ok("killed") => {
            let mut source = shell("echo $$; exec sleep 1000");
            let process = numbers(&mut *source, 1)[0];
            writeln!(out, "\nprocess {process}").unwrap();
            thread::sleep(Duration::from_secs(60));
        }
        Ok("limit") => {
            use rustix::process::{Resource, getrlimit, setrlimit};
            let mut files = getrlimit(Resource::Nofile);
            files.current = files.maximum;
            setrlimit(Resource::Nofile, files).unwrap();
            let limit = numbers(&mut *shell("ulimit -Sn"), 1)[0];
            writeln!(out, "\nlimit {limit}").unwrap();
        }
        Ok("stdin") => {
            let mut source = open_stdin(&context()).unwrap();
            let mut all = Vec::new();
            let end = loop {
                match source.read() {
                    Ok(item) => {
                        let chunk = item.and_then(Item::into_chunk);
                        all.extend_from_slice(chunk.map_or(&[][..], |chunk| chunk.annexb));
                    }
                    Err(e) => break e,
                }
            };
            writeln!(out, "\nread {all:?} then {end}").unwrap();
        }
        _ => {}
    }
}

fn copy_of_us(role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([
            "--exact",
            "process_source::as_another_process",
            "--nocapture",
        ])
        .env(ROLE, role)
        .stdout(Stdio::piped());
    command
}

/// The rest of the line that begins with `start`.
fn line_from(child: &mut Child, start: &str) -> String {
    let lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    lines
        .map(Result::unwrap)
        .find_map(|line| line.strip_prefix(start).map(str::to_owned))
        .unwrap()
}

fn scratch(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("berrymse-process-{}-{name}", std::process::id()))
}
