//! The marks at the start of containers, files and other codecs.

use super::Format;

/// Packets of MPEG-TS in a row, each with its sync byte, that are no accident.
const TS_PACKETS: usize = 5;
/// Packets alone, with a time stamp before each, with a checksum behind each.
const TS_STRIDES: [usize; 3] = [188, 192, 204];
const TS_SYNC: u8 = 0x47;

/// RTP packets in a row that are no accident.
const RTP_PACKETS: u16 = 3;

/// Files that are known by their first bytes.
const PREFIXES: [(&[u8], Format); 19] = [
    (&[0, 0, 1, 0xba], Format::MpegPs),
    (&[0, 0, 1, 0xb3], Format::Mpeg2Video),
    (&[0, 0, 1, 0xb0], Format::Mpeg4Video),
    (&[0, 0, 1, 0xb6], Format::Mpeg4Video),
    (b"FLV\x01", Format::Flv),
    (b"YUV4MPEG2 ", Format::Y4m),
    (b"OggS\0", Format::Ogg),
    (b"#!rtpplay1.0 ", Format::RtpDump),
    (&[0xd4, 0xc3, 0xb2, 0xa1, 2, 0], Format::Pcap),
    (&[0xa1, 0xb2, 0xc3, 0xd4, 0, 2], Format::Pcap),
    (&[0x4d, 0x3c, 0xb2, 0xa1, 2, 0], Format::Pcap),
    (&[0x0a, 0x0d, 0x0d, 0x0a, 0], Format::Pcap),
    (&[0x89, b'P', b'N', b'G', 0x0d, 0x0a], Format::Png),
    (&[0xfd, b'7', b'z', b'X', b'Z', 0], Format::Compressed("xz")),
    (&[0x28, 0xb5, 0x2f, 0xfd], Format::Compressed("zstd")),
    (b"BZh91AY&SY", Format::Compressed("bzip2")),
    (b"PK\x03\x04", Format::Compressed("zip")),
    (&[0x30, 0x26, 0xb2, 0x75, 0x8e, 0x66], Format::Asf),
    (b"GIF89a", Format::Gif),
];

/// Returns what begins with `head`, the first bytes of a stream, if it is known.
pub(super) fn known(head: &[u8]) -> Option<Format> {
    let by_prefix = PREFIXES
        .iter()
        .find(|(prefix, _)| head.starts_with(prefix))
        .map(|(_, format)| format.clone());
    by_prefix
        .or_else(|| ivf(head))
        .or_else(|| riff(head))
        .or_else(|| is_matroska(head).then_some(Format::Matroska))
        .or_else(|| is_mp4(head).then_some(Format::Mp4))
        .or_else(|| is_gzip(head).then_some(Format::Compressed("gzip")))
        .or_else(|| is_jpeg(head).then_some(Format::Mjpeg))
        .or_else(|| is_av1(head).then_some(Format::Av1))
        .or_else(|| is_length_prefixed(head).then_some(Format::LengthPrefixed))
        .or_else(|| multipart(head))
        .or_else(|| is_mpeg_ts(head).then_some(Format::MpegTs))
        .or_else(|| is_rtp(head).then_some(Format::Rtp))
}

/// Returns the first line if `head` is text throughout.
pub(super) fn text(head: &[u8]) -> Option<Format> {
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        // The last character is cut.
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(head.get(..error.valid_up_to())?).ok()?
        }
        Err(_) => return None,
    };
    let is_text = |c: char| !c.is_control() || matches!(c, '\t' | '\n' | '\r' | '\x1b');
    if text.trim().is_empty() || !text.chars().all(is_text) {
        return None;
    }
    let lower = text.trim_start().to_ascii_lowercase();
    if lower.starts_with("<!doctype html") || lower.starts_with("<html") {
        return Some(Format::Html);
    }
    let line = text.lines().find(|line| !line.trim().is_empty());
    let line: String = line.unwrap_or_default().trim().chars().take(80).collect();
    if line.starts_with("HTTP/1.") || line.starts_with("RTSP/1.") {
        Some(Format::Answer(line))
    } else {
        Some(Format::Text(line))
    }
}

fn ivf(head: &[u8]) -> Option<Format> {
    let code = head.strip_prefix(b"DKIF\0\0 \0")?.get(..4)?;
    Some(match code {
        b"VP80" => Format::Ivf("VP8"),
        b"VP90" => Format::Ivf("VP9"),
        b"AV01" => Format::Ivf("AV1"),
        b"H264" => Format::Ivf("H.264"),
        _ => Format::Ivf("video"),
    })
}

fn riff(head: &[u8]) -> Option<Format> {
    let is_riff = head.starts_with(b"RIFF");
    let kind = head.get(8..12).filter(|_| is_riff)?;
    match kind {
        b"AVI " => Some(Format::Avi),
        b"WAVE" => Some(Format::Sound),
        _ => None,
    }
}

/// An EBML header that names its document type (RFC 8794, 11.2.4).
fn is_matroska(head: &[u8]) -> bool {
    let near = head.get(..64).unwrap_or(head);
    let names = |name: &[u8]| near.windows(name.len()).any(|part| part == name);
    head.starts_with(&[0x1a, 0x45, 0xdf, 0xa3]) && (names(b"matroska") || names(b"webm"))
}

/// A box at the start whose type files and fragments begin with (ISO/IEC 14496-12), with a size that is possible.
fn is_mp4(head: &[u8]) -> bool {
    let Some([size @ .., a, b, c, d]) = head.first_chunk::<8>() else {
        return false;
    };
    let size = u32::from_be_bytes([size[0], size[1], size[2], size[3]]);
    match &[*a, *b, *c, *d] {
        b"ftyp" | b"styp" => {
            (16..=1024).contains(&size)
                && head
                    .get(8..12)
                    .is_some_and(|brand| brand.iter().all(|b| b.is_ascii_graphic() || *b == b' '))
        }
        b"moov" | b"moof" | b"sidx" => (16..=64 << 20).contains(&size),
        _ => false,
    }
}

/// RFC 1952, 2.3: deflate, no reserved flag, an operating system that there is.
fn is_gzip(head: &[u8]) -> bool {
    matches!(
        head.get(..10),
        Some([0x1f, 0x8b, 8, 0..=0x1f, _, _, _, _, 0 | 2 | 4, 0..=13 | 255])
    )
}

/// The start of a JPEG picture and a first segment that another follows.
fn is_jpeg(head: &[u8]) -> bool {
    let Some([0xff, 0xd8, 0xff, marker, high, low]) = head.first_chunk::<6>() else {
        return false;
    };
    if !matches!(marker, 0xc0..=0xfe) {
        return false;
    }
    let is_named = [b"JFIF", b"Exif", b"AVI1"]
        .iter()
        .any(|name| head.get(6..10) == Some(&name[..]));
    let next = 4 + usize::from(u16::from_be_bytes([*high, *low]));
    is_named || matches!(head.get(next..next + 2), Some([0xff, 0xc0..=0xfe]))
}

/// Low-overhead AV1 (5.2 of its specification): an empty temporal delimiter, a sequence header, and another OBU of a kind that may
/// follow.
fn is_av1(head: &[u8]) -> bool {
    let Some([0x12, 0x00, 0x0a, size, profile]) = head.first_chunk::<5>() else {
        return false;
    };
    let next = head.get(4 + usize::from(*size));
    let may_follow = |header: &u8| header & 0x87 == 0x02 && matches!(header >> 3, 3..=7);
    (4..=127).contains(size) && profile >> 5 <= 2 && next.is_some_and(may_follow)
}

/// H.264 with four bytes of length before each NAL unit (ISO/IEC 14496-15): a sequence and a picture parameter set.
fn is_length_prefixed(head: &[u8]) -> bool {
    let nal = |at: usize| {
        let length = head.get(at..at + 4)?.first_chunk::<4>()?;
        let header = *head.get(at + 4)?;
        Some((u32::from_be_bytes(*length) as usize, header & 0x9f))
    };
    let Some((length, 7)) = nal(0).filter(|(length, _)| (4..=1024).contains(length)) else {
        return false;
    };
    matches!(nal(4 + length), Some((2..=1024, 8)))
}

/// MJPEG as cameras send it to browsers: `multipart/x-mixed-replace`, each part with its headers.
fn multipart(head: &[u8]) -> Option<Format> {
    let near = head.get(..256).unwrap_or(head).to_ascii_lowercase();
    let has = |words: &[u8]| near.windows(words.len()).any(|part| part == words);
    let is_part = near.trim_ascii_start().starts_with(b"--") || near.starts_with(b"http/1.");
    (is_part && (has(b"image/jpeg") || has(b"multipart/x-mixed-replace")))
        .then_some(Format::Multipart)
}

/// Packets from any place on: the stream may have been joined in the middle of one.
fn is_mpeg_ts(head: &[u8]) -> bool {
    let is_packet = |at: usize| {
        // transport_error_indicator 0, adaptation_field_control not the reserved 0
        matches!(head.get(at..at + 4), Some([TS_SYNC, 0..=0x7f, _, control]) if control & 0x30 != 0)
    };
    TS_STRIDES.iter().any(|&stride| {
        (0..stride).any(|first| (0..TS_PACKETS).all(|n| is_packet(first + n * stride)))
    })
}

/// Packets of one source whose numbers follow each other (RFC 3550, 5.1), one right behind the other.
fn is_rtp(head: &[u8]) -> bool {
    let header = |at: usize| head.get(at..at + 12)?.first_chunk::<12>();
    let Some(first) = header(0).filter(|header| header[0] & 0xcf == 0x80) else {
        return false;
    };
    let kind = first[1] & 0x7f;
    if !matches!(kind, 26 | 32..=34 | 96..=127) {
        return false;
    }
    let number = u16::from_be_bytes([first[2], first[3]]);
    let is_next = |at: usize, step: u16| {
        header(at).is_some_and(|next| {
            next[0] & 0xcf == 0x80
                && next[1] & 0x7f == kind
                && next[2..4] == number.wrapping_add(step).to_be_bytes()
                && next[8..] == first[8..]
        })
    };
    let mut at = 12;
    (1..RTP_PACKETS).all(
        |step| match (at..head.len()).find(|&at| is_next(at, step)) {
            Some(found) => {
                at = found + 12;
                true
            }
            None => false,
        },
    )
}
