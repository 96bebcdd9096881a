//! Keeps the connection of a client: connects, reads, writes, pings.

use super::connection::{self, Connection, Failure};
use super::protocol::{self, ServerOp};
use super::shared::Shared;
use crate::time::Timestamp;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};

/// Interval of pings, and the number without anything from the server after which it counts as gone.
const PING_INTERVAL: Duration = Duration::from_millis(350);
const SILENT_PINGS: u32 = 3;

/// Back-off between attempts to connect, and after a refused login.
const RETRY_MIN: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(1);
const REFUSED_RETRY: Duration = Duration::from_secs(5);

/// Time to send what waits when the client ends.
pub(super) const CLOSE_TIMEOUT: Duration = Duration::from_millis(200);

/// Keeps a connection until the client ends.
pub(super) async fn run(shared: &Shared) {
    let shown = shared.options.shown();
    let mut pause = RETRY_MIN;
    let mut attempt = 0usize;
    while !shared.is_ended() {
        let servers = shared.servers();
        let Some(server) = servers.get(attempt % servers.len().max(1)) else {
            return;
        };
        let wait = match connection::connect(&shared.options, server).await {
            Ok(connection) => {
                shared.begin(&connection);
                log::info!("nats: connected to {server}");
                let began_at = Timestamp::now();
                let end = session(shared, connection).await;
                if shared.is_ended() {
                    return;
                }
                shared.fail(&format!("{server}: {end}"));
                log::warn!("nats: connection to {server} lost ({end}); connecting again");
                if Timestamp::now().since(began_at) > RETRY_MAX {
                    pause = RETRY_MIN;
                }
                pause
            }
            Err(Failure { text, is_refused }) => {
                if shared.fail(&format!("{server}: {text}")) {
                    log::warn!("nats: not connected ({server}: {text}); trying {shown} again");
                }
                if is_refused { REFUSED_RETRY } else { pause }
            }
        };
        attempt = attempt.wrapping_add(1);
        // A pause after each round of all servers; before the next one of a round there is none.
        let wait = if attempt.is_multiple_of(servers.len().max(1)) {
            pause = (pause * 2).min(RETRY_MAX);
            wait
        } else {
            Duration::ZERO
        };
        let ended = async {
            while !shared.is_ended() {
                shared.changed.notified().await;
            }
        };
        // A dropped handle ends the wait.
        let _ = tokio::time::timeout(wait, ended).await;
    }
}

/// Uses a connection until it fails; returns the reason.
async fn session(shared: &Shared, connection: Connection) -> String {
    let (reader, writer) = tokio::io::split(connection.stream);
    let has_received = AtomicBool::new(true);
    tokio::select! {
        end = read(shared, reader, connection.parser, &has_received) => end,
        end = write(shared, writer) => end,
        end = check(shared, &has_received) => end,
        () = shared.reset.notified() => "what came over it was late".to_owned(),
    }
}

async fn read(
    shared: &Shared,
    mut reader: ReadHalf<Box<dyn connection::Stream>>,
    mut parser: protocol::Parser,
    has_received: &AtomicBool,
) -> String {
    let mut logged_error_at = None;
    loop {
        loop {
            let op = match parser.next_op() {
                Ok(Some(op)) => op,
                Ok(None) => break,
                Err(error) => return error.to_string(),
            };
            let mut inner = shared.lock();
            match op {
                ServerOp::Message(message) => {
                    if let Some(subscriber) = inner.subscribers.get_mut(&message.sid) {
                        (subscriber.sink)(message);
                    }
                }
                ServerOp::Ping => {
                    inner.push_first(b"PONG\r\n");
                    drop(inner);
                    shared.changed.notify_one();
                }
                ServerOp::Info(info) => {
                    inner.max_payload = info.max_payload;
                    inner.learn(&info.other_servers);
                    if info.is_stopping {
                        return "it is about to stop".to_owned();
                    }
                }
                ServerOp::Error(text) => {
                    drop(inner);
                    let now = Timestamp::now();
                    let is_due = |at: Timestamp| now.since(at) > Duration::from_secs(60);
                    if logged_error_at.is_none_or(is_due) {
                        logged_error_at = Some(now);
                        log::warn!("nats: {}: {text}{}", shared.options.shown(), hint(&text));
                    }
                    if !text.starts_with("Permissions Violation") {
                        return text;
                    }
                }
                ServerOp::Pong | ServerOp::Ok => {}
            }
        }
        match reader.read_buf(parser.buffer()).await {
            Ok(0) => return "closed by the server".to_owned(),
            Ok(_) => has_received.store(true, Ordering::Relaxed),
            Err(error) => return error.to_string(),
        }
    }
}

fn hint(error: &str) -> &'static str {
    match error.starts_with("Permissions Violation") {
        true => "; the server's permissions must allow it: see docs/guide/scale.md",
        false => "",
    }
}

async fn write(shared: &Shared, mut writer: WriteHalf<Box<dyn connection::Stream>>) -> String {
    loop {
        let batch = shared.lock().take_batch();
        let sent = match batch {
            Some(batch) => writer.write_all(&batch).await,
            None if shared.is_ended() => {
                let _ = writer.shutdown().await;
                // The socket throws away what is not sent when it is closed.
                tokio::time::sleep(CLOSE_TIMEOUT / 4).await;
                return "ended".to_owned();
            }
            None => {
                if let Err(error) = writer.flush().await {
                    return error.to_string();
                }
                shared.changed.notified().await;
                Ok(())
            }
        };
        if let Err(error) = sent {
            return error.to_string();
        }
    }
}

/// Pings; returns when the server is silent.
async fn check(shared: &Shared, has_received: &AtomicBool) -> String {
    let mut ticks = tokio::time::interval(PING_INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut silent = 0;
    loop {
        ticks.tick().await;
        if has_received.swap(false, Ordering::Relaxed) {
            silent = 0;
        } else {
            silent += 1;
        }
        if silent >= SILENT_PINGS {
            return "it is silent".to_owned();
        }
        let mut inner = shared.lock();
        // One that could not be sent so far is enough.
        if inner
            .queue
            .front()
            .is_none_or(|first| &first[..] != b"PING\r\n")
        {
            inner.push_first(b"PING\r\n");
        }
        drop(inner);
        shared.changed.notify_one();
    }
}
