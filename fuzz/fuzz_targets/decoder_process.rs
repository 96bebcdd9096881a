//! What a hostile decoder's process may answer to the server, cut anywhere: no panic, no more memory than a JPEG of the
//! stream may take, and what is taken for a reply is one. The same for the requests to it.
#![no_main]

use berrymse::snapshot::{decoder_replies, decoder_requests};
use libfuzzer_sys::fuzz_target;
use std::io::{self, Read};

/// Bytes before the body of a message: kind, number, length.
const HEAD_BYTES: usize = 13;

/// A socket that delivers at most `most` bytes at a time, each time after a signal.
struct Socket<'a> {
    bytes: &'a [u8],
    most: usize,
    is_interrupted: bool,
}

impl Read for Socket<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.is_interrupted = !self.is_interrupted;
        if self.is_interrupted {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let most = out.len().min(self.most);
        self.bytes.read(&mut out[..most])
    }
}

/// True if no message announces more bytes than are there: the process trusts the server, and allocates up to 32 MB.
fn is_short(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let Some((head, behind)) = rest.split_first_chunk::<HEAD_BYTES>() {
        let [.., a, b, c, d] = *head;
        let length = u32::from_le_bytes([a, b, c, d]) as usize;
        let Some(behind) = behind.get(length..) else {
            return false;
        };
        rest = behind;
    }
    true
}

fuzz_target!(|input: (u8, u8, &[u8])| {
    let (most, max_jpeg, bytes) = input;
    let (most, max_jpeg) = (usize::from(most).max(1), usize::from(max_jpeg) * 4);
    let socket = |bytes| Socket {
        bytes,
        most,
        is_interrupted: false,
    };
    let replies = decoder_replies(bytes, max_jpeg);
    assert_eq!(decoder_replies(socket(bytes), max_jpeg), replies);
    assert!(bytes.starts_with(&replies.concat()));
    for reply in &replies {
        assert!(reply.len() <= HEAD_BYTES + max_jpeg);
        // A picture begins and ends as one.
        let picture = &reply[HEAD_BYTES..];
        let is_picture = picture.starts_with(&[0xff, 0xd8, 0xff]) && picture.ends_with(&[0xff, 0xd9]);
        assert_eq!(is_picture, reply[0] == 4);
    }
    if is_short(bytes) {
        let requests = decoder_requests(bytes);
        assert_eq!(decoder_requests(socket(bytes)), requests);
        assert_eq!(decoder_requests(&*requests.concat()), requests);
    }
});
