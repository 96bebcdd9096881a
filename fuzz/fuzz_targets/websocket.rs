//! WebSocket messages of clients, as frames that are right but for a bit or two: the reader finds what RFC 6455 says, wherever
//! the bytes are cut. What go2rtc's clients say in them makes nothing panic.
//!
//! `requests` has frames of any bytes, most of which are wrong at their first.
#![no_main]

use berrymse::serve::{ClientFrame, FrameReader, ProtocolError, go2rtc_replies};
use libfuzzer_sys::fuzz_target;

/// First byte, form of the length, mask, payload.
type Frame = (u8, u8, [u8; 4], Vec<u8>);

/// The form of a frame without a mask.
const UNMASKED: u8 = 7;

/// The bit of a form whose payload is there this many times.
const REPEATED: u8 = 8;
const REPETITIONS: usize = 9;

/// Frames of the input: first byte, form, mask, length and payload of each.
fn frames(mut bytes: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    while let Some(([first, form, a, b, c, d, length], rest)) = bytes.split_first_chunk() {
        let (payload, rest) = rest.split_at(rest.len().min(usize::from(*length)));
        let times = if form & REPEATED == 0 { 1 } else { REPETITIONS };
        frames.push((*first, form % REPEATED, [*a, *b, *c, *d], payload.repeat(times)));
        bytes = rest;
    }
    frames
}

fn encode((first, form, mask, payload): &Frame, out: &mut Vec<u8>) {
    let length = payload.len();
    let masked = if *form == UNMASKED { 0 } else { 0x80 };
    out.push(*first);
    match (form % 3, length) {
        (0, 0..=125) => out.push(masked | length as u8),
        (0 | 1, 0..=0xffff) => {
            out.push(masked | 126);
            out.extend((length as u16).to_be_bytes());
        }
        _ => {
            out.push(masked | 127);
            out.extend((length as u64).to_be_bytes());
        }
    }
    if masked != 0 {
        out.extend(mask);
    }
    out.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
}

fn close((code, reason): (u16, &[u8])) -> Result<ClientFrame, ProtocolError> {
    let is_sent = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
    match (is_sent, std::str::from_utf8(reason)) {
        (false, _) => Err(ProtocolError::Protocol),
        (_, Err(_)) => Err(ProtocolError::NotUtf8),
        _ => Ok(ClientFrame::Close(Some(code))),
    }
}

/// True if no bytes after `text` could make it UTF-8.
fn is_wrong_text(text: &[u8], is_whole: bool) -> bool {
    (std::str::from_utf8(text)).is_err_and(|error| is_whole || error.error_len().is_some())
}

/// What the standard says of one frame. `message` is the beginning of a message in parts, and whether it is text.
fn expected(
    (first, form, _, payload): &Frame,
    limit: usize,
    message: &mut Option<(bool, Vec<u8>)>,
) -> Result<ClientFrame, ProtocolError> {
    let (is_last, opcode) = (first & 0x80 != 0, first & 0x0f);
    if first & 0x70 != 0 || *form == UNMASKED {
        return Err(ProtocolError::Protocol);
    }
    if payload.len() > limit {
        return Err(ProtocolError::TooBig);
    }
    if opcode >= 8 && (payload.len() > 125 || !is_last) {
        return Err(ProtocolError::Protocol);
    }
    // Control frames may be between the parts of a message.
    match opcode {
        8 if payload.is_empty() => return Ok(ClientFrame::Close(None)),
        8 => {
            let (code, reason) = payload.split_first_chunk().ok_or(ProtocolError::Protocol)?;
            return close((u16::from_be_bytes(*code), reason));
        }
        9 => return Ok(ClientFrame::Ping(payload.clone())),
        10 => return Ok(ClientFrame::Pong),
        _ => {}
    }
    let (is_text, whole) = match (opcode, message.take()) {
        (0, Some((is_text, mut so_far))) => {
            so_far.extend(payload);
            (is_text, so_far)
        }
        (1 | 2, None) => (opcode == 1, payload.clone()),
        _ => return Err(ProtocolError::Protocol),
    };
    if whole.len() > limit {
        return Err(ProtocolError::TooBig);
    }
    if is_text && is_wrong_text(&whole, is_last) {
        return Err(ProtocolError::NotUtf8);
    }
    Ok(match (is_last, is_text) {
        (false, _) => {
            *message = Some((is_text, whole));
            ClientFrame::Partial
        }
        (true, true) => ClientFrame::Text(whole),
        (true, false) => ClientFrame::Binary,
    })
}

fn read(pieces: std::slice::Chunks<'_, u8>, limit: usize) -> (Vec<ClientFrame>, Option<ProtocolError>) {
    let (mut reader, mut all) = (FrameReader::with_limit(limit), Vec::new());
    for piece in pieces {
        if let Err(error) = reader.push(piece, |frame| all.push(frame)) {
            return (all, Some(error));
        }
    }
    (all, None)
}

fuzz_target!(|input: (u8, u8, &[u8])| {
    let (limit, cut, input) = input;
    let (limit, frames) = (usize::from(limit) * 4, frames(input));
    let (mut bytes, mut all, mut error, mut message) = (Vec::new(), Vec::new(), None, None);
    for frame in &frames {
        encode(frame, &mut bytes);
        if error.is_none() {
            match expected(frame, limit, &mut message) {
                Ok(frame) => all.push(frame),
                Err(found) => error = Some(found),
            }
        }
    }
    assert_eq!(read(bytes.chunks(bytes.len().max(1)), limit), (all, error));
    let whole = read(bytes.chunks(bytes.len().max(1)), limit);
    assert_eq!(read(bytes.chunks(1), limit), whole);
    assert_eq!(read(bytes.chunks(usize::from(cut).max(1)), limit), whole);
    let texts: Vec<&[u8]> = frames.iter().map(|(.., payload)| &**payload).collect();
    let (_, replies) = go2rtc_replies(&texts);
    assert!(replies.len() <= texts.len());
});
