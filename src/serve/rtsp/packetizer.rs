//! Frames to RTP packets (RFC 6184), each with the interleaved header before it (RFC 2326, 10.12). Pure.
//!
//! NAL units are sent as they are (single NAL unit packets), those that are too large in parts (FU-A), and parameter sets
//! with their like together (STAP-A). The last packet of a frame has the marker bit: go2rtc shows nothing without it.

use crate::media::Frame;

/// Payload type of the video, of those that the description assigns (RFC 3551, 6).
pub(crate) const PAYLOAD_TYPE: u8 = 96;

/// Size of the header of an interleaved packet.
pub(super) const INTERLEAVED_BYTES: usize = 4;

/// Size of an RTP header without contributing sources (RFC 3550, 5.1).
pub(super) const RTP_BYTES: usize = 12;

/// Both headers of a packet.
const HEADER_BYTES: usize = INTERLEAVED_BYTES + RTP_BYTES;

/// Largest payload. On TCP any would do; programs that send the packets on by UDP take no larger ones.
const MAX_PAYLOAD_BYTES: usize = 1440;

/// `nal_unit_type`s (ITU-T H.264, table 7-1; RFC 6184, 5.2).
const SEI: u8 = 6;
const PPS: u8 = 8;
const DELIMITER: u8 = 9;
const FILLER: u8 = 12;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;

/// An access unit delimiter for any kind of frame (ITU-T H.264, 7.3.2.4).
const ANY_DELIMITER: [u8; 2] = [DELIMITER, 0xf0];

/// Identity of the packets of one stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Numbers {
    pub(super) ssrc: u32,
    /// Number of the first packet.
    pub(super) sequence: u16,
    pub(super) timestamp: u32,
}

/// Payload of one packet.
#[derive(Clone, Debug)]
enum Payload<'a> {
    Single(&'a [u8]),
    /// This many of the NAL units, in a STAP-A.
    Aggregate(Vec<&'a [u8]>),
    /// Part of a NAL unit, after the indicator and the header of its FU-A.
    Fragment([u8; 2], &'a [u8]),
}

impl Payload<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Single(nal) => nal.len(),
            Self::Aggregate(nals) => 1 + nals.iter().map(|nal| 2 + nal.len()).sum::<usize>(),
            Self::Fragment(_, part) => 2 + part.len(),
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Single(nal) => out.extend_from_slice(nal),
            Self::Aggregate(nals) => {
                // The importance is that of the most important one (RFC 6184, 5.7.1).
                let importance = nals.iter().filter_map(|nal| nal.first()).map(|b| b & 0x60);
                out.push(STAP_A | importance.max().unwrap_or(0));
                for nal in nals {
                    out.extend_from_slice(&(nal.len() as u16).to_be_bytes());
                    out.extend_from_slice(nal);
                }
            }
            Self::Fragment(head, part) => {
                out.extend_from_slice(head);
                out.extend_from_slice(part);
            }
        }
    }
}

/// Calls `take` for each payload of these NAL units.
fn for_each_payload<'a>(
    nals: impl Iterator<Item = &'a [u8]>,
    has_delimiter: bool,
    mut take: impl FnMut(Payload<'a>),
) {
    let mut together: Vec<&[u8]> = Vec::new();
    let mut together_bytes = 1;
    let flush = |together: &mut Vec<&'a [u8]>, take: &mut dyn FnMut(Payload<'a>)| match (
        together.pop(),
        together.is_empty(),
    ) {
        (Some(single), true) => take(Payload::Single(single)),
        (Some(last), false) => {
            together.push(last);
            take(Payload::Aggregate(std::mem::take(together)));
        }
        (None, _) => {}
    };
    for nal in nals {
        let Some(header) = nal.first() else { continue };
        let kind = header & 0x1f;
        if matches!(kind, DELIMITER | FILLER) {
            continue;
        }
        let is_small = (SEI..=PPS).contains(&kind) && 3 + nal.len() <= MAX_PAYLOAD_BYTES;
        if !is_small || together_bytes + 2 + nal.len() > MAX_PAYLOAD_BYTES {
            flush(&mut together, &mut take);
            together_bytes = 1;
        }
        if is_small {
            together.push(nal);
            together_bytes += 2 + nal.len();
        } else if nal.len() <= MAX_PAYLOAD_BYTES {
            take(Payload::Single(nal));
        } else {
            fragments(nal, &mut take);
        }
    }
    flush(&mut together, &mut take);
    if has_delimiter {
        take(Payload::Single(&ANY_DELIMITER));
    }
}

/// Calls `take` for each part of a NAL unit that is too large (RFC 6184, 5.8).
fn fragments<'a>(nal: &'a [u8], take: &mut impl FnMut(Payload<'a>)) {
    let Some((header, rest)) = nal.split_first() else {
        return;
    };
    let parts = rest.chunks(MAX_PAYLOAD_BYTES - 2);
    let last = parts.len().saturating_sub(1);
    for (index, part) in parts.enumerate() {
        let start = if index == 0 { 0x80 } else { 0 };
        let end = if index == last { 0x40 } else { 0 };
        let head = [header & 0xe0 | FU_A, start | end | header & 0x1f];
        take(Payload::Fragment(head, part));
    }
}

/// Returns the number of packets of a frame, and their bytes with all headers.
pub(super) fn measure(frame: &Frame, has_delimiter: bool) -> (usize, usize) {
    let (mut packets, mut bytes) = (0, 0);
    for_each_payload(frame.access_unit(), has_delimiter, |payload| {
        packets += 1;
        bytes += HEADER_BYTES + payload.len();
    });
    (packets, bytes)
}

/// Writes the packets of a frame, on channel 0.
pub(super) fn packets(frame: &Frame, has_delimiter: bool, numbers: Numbers) -> Vec<u8> {
    let (count, bytes) = measure(frame, has_delimiter);
    let mut out = Vec::with_capacity(bytes);
    let mut index = 0;
    for_each_payload(frame.access_unit(), has_delimiter, |payload| {
        index += 1;
        write_packet(&mut out, &payload, numbers, index - 1, index == count);
    });
    out
}

/// Writes one packet of parameter sets that belong to the frame after it, on channel 0.
pub(super) fn parameter_sets(sets: &[Vec<u8>], numbers: Numbers) -> (usize, Vec<u8>) {
    let (mut out, mut index) = (Vec::new(), 0);
    for_each_payload(sets.iter().map(Vec::as_slice), false, |payload| {
        write_packet(&mut out, &payload, numbers, index, false);
        index += 1;
    });
    (index, out)
}

fn write_packet(
    out: &mut Vec<u8>,
    payload: &Payload<'_>,
    numbers: Numbers,
    index: usize,
    is_last: bool,
) {
    // At most `MAX_PAYLOAD_BYTES` and a header.
    let bytes = (RTP_BYTES + payload.len()) as u16;
    let marker = if is_last { 0x80 } else { 0 };
    out.extend_from_slice(&[b'$', 0]);
    out.extend_from_slice(&bytes.to_be_bytes());
    out.extend_from_slice(&[0x80, marker | PAYLOAD_TYPE]);
    let sequence = numbers.sequence.wrapping_add(index as u16);
    out.extend_from_slice(&sequence.to_be_bytes());
    out.extend_from_slice(&numbers.timestamp.to_be_bytes());
    out.extend_from_slice(&numbers.ssrc.to_be_bytes());
    payload.write(out);
}

/// Changes channel, numbers and times of packets in `bytes`, which are a client's own copy.
pub(super) fn renumber(bytes: &mut [u8], channel: u8, sequence: u16, timestamp: u32) {
    let (mut rest, mut sequence) = (bytes, sequence);
    while let Some((head, after)) = rest.split_first_chunk_mut::<HEADER_BYTES>() {
        let payload = usize::from(u16::from_be_bytes([head[2], head[3]])) - RTP_BYTES;
        head[1] = channel;
        head[6..8].copy_from_slice(&sequence.to_be_bytes());
        head[8..12].copy_from_slice(&timestamp.to_be_bytes());
        sequence = sequence.wrapping_add(1);
        rest = after.get_mut(payload..).unwrap_or_default();
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::media::{Description, FrameHeader, Parameters};
    use crate::time::Timestamp;
    use std::sync::{Arc, LazyLock};

    /// The same for all frames, as of one camera.
    static PARAMETERS: LazyLock<Arc<Parameters>> = LazyLock::new(|| {
        Arc::new(Parameters::new(Description {
            parameter_sets: vec![vec![0x67, 1, 2], vec![0x68, 3]],
            ..Description::default()
        }))
    });

    pub(crate) fn frame(sequence: u32, is_keyframe: bool, nals: &[Vec<u8>]) -> Frame {
        let header = FrameHeader {
            parameters: PARAMETERS.clone(),
            sequence,
            decode_time: u64::from(sequence) * 3000,
            composition_offset: None,
            duration: 3000,
            nominal_duration: 3000,
            captured_at: Timestamp::from_nanos(u64::from(sequence) * 33_333_333),
            is_keyframe,
            is_disposable: false,
            recovery: None,
        };
        Frame::new(header, nals.iter().map(Vec::as_slice))
    }

    const NUMBERS: Numbers = Numbers {
        ssrc: 0x01020304,
        sequence: 65535,
        timestamp: 90_000,
    };

    /// Packets as an independent reader sees them: channel, marker, number, timestamp, payload.
    pub(crate) fn read(mut bytes: &[u8]) -> Vec<(u8, bool, u16, u32, Vec<u8>)> {
        let mut all = Vec::new();
        while !bytes.is_empty() {
            assert_eq!(bytes[0], b'$');
            let (packet, rest) =
                bytes[4..].split_at(usize::from(u16::from_be_bytes([bytes[2], bytes[3]])));
            let parsed = rtp_types::RtpPacket::parse(packet).unwrap();
            assert_eq!(parsed.payload_type(), PAYLOAD_TYPE);
            assert_eq!(parsed.ssrc(), 0x01020304);
            all.push((
                bytes[1],
                parsed.marker_bit(),
                parsed.sequence_number(),
                parsed.timestamp(),
                parsed.payload().to_vec(),
            ));
            bytes = rest;
        }
        all
    }

    #[test]
    fn keyframe_has_aggregated_parameter_sets_and_fragments() {
        let mut idr = vec![0x65];
        idr.extend((0..3000_u32).map(|n| n as u8));
        let frame = frame(1, true, &[vec![9, 16], vec![6, 7], idr.clone()]);
        let bytes = packets(&frame, false, NUMBERS);
        let packets = read(&bytes);
        assert_eq!(measure(&frame, false), (packets.len(), bytes.len()));
        assert_eq!(
            packets[0].4,
            [0x78, 0, 3, 0x67, 1, 2, 0, 2, 0x68, 3, 0, 2, 6, 7]
        );
        let fragments = &packets[1..];
        assert_eq!(fragments.len(), 3);
        let heads: Vec<&[u8]> = fragments.iter().map(|packet| &packet.4[..2]).collect();
        assert_eq!(heads, [[0x7c, 0x85], [0x7c, 5], [0x7c, 0x45]]);
        let mut again = vec![0x65];
        again.extend(fragments.iter().flat_map(|packet| &packet.4[2..]));
        assert_eq!(again, idr);
        let marks: Vec<bool> = packets.iter().map(|packet| packet.1).collect();
        assert_eq!(marks, [false, false, false, true]);
        let numbers: Vec<u16> = packets.iter().map(|packet| packet.2).collect();
        assert_eq!(numbers, [65535, 0, 1, 2]);
        assert!(
            packets
                .iter()
                .all(|it| it.3 == 90_000 && it.4.len() <= MAX_PAYLOAD_BYTES)
        );
    }

    #[test]
    fn delimiter_is_last_packet_and_takes_the_marker() {
        let frame = frame(2, false, &[vec![0x41, 1], vec![0x41, 2]]);
        for (has_delimiter, expected) in [
            (false, &[(false, vec![0x41, 1]), (true, vec![0x41, 2])][..]),
            (
                true,
                &[
                    (false, vec![0x41, 1]),
                    (false, vec![0x41, 2]),
                    (true, vec![9, 0xf0]),
                ],
            ),
        ] {
            let bytes = packets(&frame, has_delimiter, NUMBERS);
            let found: Vec<(bool, Vec<u8>)> =
                read(&bytes).into_iter().map(|it| (it.1, it.4)).collect();
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn payloads_at_the_limit_are_single() {
        for (length, count) in [
            (MAX_PAYLOAD_BYTES, 1),
            (MAX_PAYLOAD_BYTES + 1, 2),
            (2 * (MAX_PAYLOAD_BYTES - 2) + 1, 2),
            (2 * (MAX_PAYLOAD_BYTES - 2) + 2, 3),
            (1, 1),
        ] {
            let mut nal = vec![0x41];
            nal.resize(length, 7);
            assert_eq!(
                measure(&frame(1, false, &[nal]), false).0,
                count,
                "{length}"
            );
        }
        let sets: Vec<Vec<u8>> = vec![vec![6; 900], vec![6; 900], vec![6; 2000]];
        let packets = read(&packets(&frame(1, false, &sets), false, NUMBERS));
        assert_eq!(packets.len(), 4, "two that do not fit together, two parts");
    }

    #[test]
    fn renumbered_copy_differs_in_channel_number_and_time_only() {
        let frame = frame(1, true, &[vec![0x65; 4000], vec![0x65; 10]]);
        let before = packets(&frame, true, NUMBERS);
        let mut after = before.clone();
        renumber(&mut after, 6, 100, 5);
        let (before, after) = (read(&before), read(&after));
        for (index, (before, after)) in before.iter().zip(&after).enumerate() {
            assert_eq!((after.0, after.2, after.3), (6, 100 + index as u16, 5));
            assert_eq!((before.1, &before.4), (after.1, &after.4));
        }
    }
}
