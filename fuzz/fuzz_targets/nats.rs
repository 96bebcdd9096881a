//! What a server of NATS and a hostile publisher send: the protocol cut anywhere, messages, chunks, the order of frames, the
//! clock, keys and URLs. No panic, and what waits is bounded.
#![no_main]

use berrymse::nats::assembly::Assembly;
use berrymse::nats::nkey::{UserKey, parse_creds};
use berrymse::nats::options::{Options, Server};
use berrymse::nats::order::Order;
use berrymse::nats::protocol::{Parser, ServerOp};
use berrymse::nats::remote_clock::RemoteClock;
use berrymse::nats::wire::{Ask, FromCamera, Subjects};
use berrymse::nats::Url;
use berrymse::publish::reported_viewers;
use berrymse::time::Timestamp;
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

/// Messages as they come over a connection, and as they are without it.
fn messages(bytes: &[u8], cut: usize) -> Vec<Bytes> {
    let mut parser = Parser::default();
    let mut all = Vec::new();
    'connection: for piece in bytes.chunks(cut + 1) {
        parser.push(piece);
        loop {
            match parser.next_op() {
                Ok(Some(ServerOp::Message(message))) => {
                    Subjects::camera("berrymse", &message.subject);
                    all.push(message.payload);
                }
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => break 'connection,
            }
        }
    }
    // Without the protocol the fuzzer finds the messages sooner.
    all.extend(bytes.chunks(2 * (cut + 1)).map(Bytes::copy_from_slice));
    all
}

fuzz_target!(|input: (u8, &[u8])| {
    let (cut, bytes) = input;
    let (mut assembly, mut order, mut clock) =
        (Assembly::default(), Order::default(), RemoteClock::default());
    let mut reports = Vec::new();
    for (at, message) in (1u64..).zip(messages(bytes, cut.into())) {
        let now = Timestamp::from_nanos(at << (cut % 56));
        if let Some(ask) = Ask::decode(&message) {
            assert_eq!(Ask::decode(&ask.encode()).as_ref(), Some(&ask));
            if let Ask::Report { edge, viewers, congested } = ask {
                reports.push((edge, viewers, congested));
            }
        }
        match FromCamera::decode(&message) {
            Some(FromCamera::Frame(header, bytes)) => {
                clock.lateness(header.sent_at, now);
                assert!(clock.local(header.captured_at, now) <= now);
                if let Some(frame) = assembly.push(header, bytes) {
                    order.push(frame);
                }
            }
            Some(FromCamera::Welcome(welcome)) => clock.round(welcome.asked_at, welcome.now, now),
            _ => {}
        }
        let mut before = None;
        while let Some(frame) = order.pop(now) {
            let number = frame.header.number;
            let follows = before.is_none_or(|before: u32| before.wrapping_add(1) == number);
            assert!(follows || frame.header.is_entry);
            before = Some(number);
        }
        order.request(now);
    }
    let (viewers, links) = reported_viewers(&reports);
    assert!(links.iter().map(|(_, count)| u64::from(*count)).sum::<u64>() <= viewers);
    let text = String::from_utf8_lossy(bytes);
    let _ = UserKey::parse(&text);
    let _ = parse_creds(&text);
    let _ = Server::parse(&text);
    let _ = Options::parse(&text);
    if let Ok(url) = Url::parse(&text) {
        // What is shown is a URL again, without the login.
        assert!(Url::parse(&url.to_string()).is_ok(), "{url}");
    }
});
