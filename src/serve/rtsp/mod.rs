//! RTSP 1.0 over TCP (RFC 2326), without sockets: requests, the state of a session, packets.
//!
//! `http/rtsp` serves a connection up to PLAY. Then the fan-out sends the frames, as to any viewer.
//!
//! | file | job |
//! |---|---|
//! | `first_line` | tells RTSP from HTTP by the first line |
//! | `request`, `response` | requests cut anywhere, responses |
//! | `target` | URLs: the camera and the track that they name |
//! | `transport` | the header `Transport` |
//! | `session` | the state machine of one client |
//! | `sdp` | the description of a camera's stream |
//! | `packetizer` | frames to RTP packets (RFC 6184) |
//! | `packet_cache` | packets that all clients of a camera share |
//! | `sender_report` | RTCP |
//! | `output` | what the clients of one camera share |
//! | `stream` | one client that plays |

pub(crate) mod first_line;
pub(crate) mod output;
mod packet_cache;
mod packetizer;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod sdp;
mod sender_report;
pub(crate) mod session;
pub(crate) mod stream;
pub(crate) mod target;
mod transport;

use crate::hub::Hub;
use output::Output;
use request::{Incoming, RequestReader};
use response::Status;
use session::{Method, Session, Step};
use stream::RtspStream;
use target::Target;

/// Silence of a client after which its session ends.
pub(crate) const SESSION_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(60);

/// Returns the status codes of the answers to all that one client sends, in pieces of `piece` bytes, as far as they need no
/// socket: to a camera `cam` that plays from PLAY on. For tests of any bytes.
pub fn rtsp_statuses(bytes: &[u8], piece: usize, hub: &Hub) -> Vec<u16> {
    let output = Output::new([1, 2], None);
    let (mut reader, mut session) = (RequestReader::default(), Session::new("id".to_owned()));
    let mut statuses = Vec::new();
    let mut pieces = bytes.chunks(piece.max(1));
    for piece in pieces.by_ref() {
        reader.feed(piece);
        while let Some(incoming) = reader.next() {
            let request = match incoming {
                Incoming::Packet => continue,
                Incoming::Wrong(refused) => {
                    statuses.push(refused.response.status.code);
                    continue;
                }
                Incoming::Request(request) => request,
            };
            let _ = Target::parse(&request.target).map(|it| (it.content_base(), it.secure()));
            let camera = "cam".into();
            let step = Method::of(&request)
                .and_then(|method| session.step(method, &request, Some((&camera, output.ssrc()))));
            let status = match &step {
                Ok(Step::Describe) => Status::OK,
                Ok(
                    Step::Reply(response)
                    | Step::Play(response)
                    | Step::Pause(response)
                    | Step::Teardown(response),
                )
                | Err(response) => {
                    response.to_bytes(Some(&request.cseq));
                    response.status
                }
            };
            statuses.push(status.code);
            if matches!(step, Ok(Step::Play(_))) {
                let mut stream = RtspStream::new(reader, session, hub, &output, None, None);
                stream.feed(&[]);
                drain(&mut stream, &mut statuses);
                for piece in pieces {
                    stream.feed(piece);
                    drain(&mut stream, &mut statuses);
                }
                return statuses;
            }
        }
    }
    statuses
}

/// Takes all answers of a client that plays.
fn drain(stream: &mut RtspStream, statuses: &mut Vec<u16>) {
    while let Some((answer, _)) = stream.next_reply() {
        let code = answer.as_deref().and_then(|it| it.get(9..12));
        let code = code.and_then(|code| std::str::from_utf8(code).ok());
        statuses.extend(code.and_then(|code| code.parse::<u16>().ok()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera_handle;
    use proptest::prelude::*;

    const SESSION: &str = "OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\nDESCRIBE rtsp://h/live RTSP/1.0\r\nCSeq: 2\r\n\r\n\
                           SETUP rtsp://h/live/cam/trackID=0 RTSP/1.0\r\nCSeq: 3\r\nTransport: RTP/AVP/TCP;interleaved=0-1\r\n\r\n\
                           PLAY rtsp://h/live/cam/ RTSP/1.0\r\nCSeq: 4\r\nSession: id\r\n\r\n$\x01\x00\x02ab\
                           PAUSE rtsp://h/live/cam RTSP/1.0\r\nCSeq: 5\r\nSession: id\r\nContent-Length: 2\r\n\r\nab\
                           nonsense\r\n\r\nTEARDOWN rtsp://h/live/cam RTSP/1.0\r\nCSeq: 6\r\n\r\n";

    proptest! {
        #[test]
        fn no_bytes_make_a_session_panic(
            at in 0..SESSION.len(),
            with in proptest::collection::vec(any::<u8>(), 0..12),
            piece in 1..100usize,
        ) {
            let (_camera, handle) = camera_handle::channel([]);
            let mut bytes = SESSION.as_bytes().to_vec();
            let end = bytes.len().min(at + with.len());
            bytes.splice(at..end, with);
            let whole = rtsp_statuses(&bytes, bytes.len(), handle.hub());
            prop_assert_eq!(rtsp_statuses(&bytes, piece, handle.hub()), whole);
        }
    }

    #[test]
    fn whole_session_is_answered() {
        let (_camera, handle) = camera_handle::channel([]);
        let statuses = rtsp_statuses(SESSION.as_bytes(), 1, handle.hub());
        assert_eq!(statuses, [200, 200, 200, 200, 200, 400, 200]);
    }
}
