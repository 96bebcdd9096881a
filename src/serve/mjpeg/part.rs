//! A picture as a part of `multipart/x-mixed-replace`, in the form that a client needs.

use crate::snapshot::{Snapshot, SnapshotService};
use crate::time::{Timestamp, unix_at_zero};
use bytes::Bytes;
use hyper::header::{self, HeaderMap};
use std::time::Duration;

/// Begin of the body.
const OPENING: &[u8] = b"--boundarydonotcross\r\n";

/// Boundary after a picture.
const BOUNDARY: &[u8] = b"\r\n--boundarydonotcross\r\n";

/// Header of a part without a length.
const PLAIN_HEADER: &[u8] = b"Content-Type: image/jpeg\r\n\r\n";

/// Form of the parts: clients differ in what tells them that a picture is complete.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum PartForm {
    /// The header of the next part follows each picture at once, so it cannot have a length. Chromium (156) draws a
    /// picture when the header of the next part ends, Firefox when it begins.
    EarlyHeader,
    /// Each part has its length, and the boundary follows it at once. The parsers of Mainsail and Fluidd draw a picture
    /// when they have the length and one more byte, or the boundary. Programs such as go2rtc need the length.
    Length,
}

impl PartForm {
    /// Returns the form for a client, by what it accepts and is.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let accept = text(header::ACCEPT).unwrap_or_default();
        let agent = text(header::USER_AGENT).unwrap_or_default();
        // Images and pages of browsers. Home Assistant passes the parts on to images as they are.
        let is_image = accept.contains("image/") || accept.contains("text/html");
        if is_image || agent.contains("HomeAssistant") {
            Self::EarlyHeader
        } else {
            Self::Length
        }
    }

    /// Returns what precedes the first part.
    pub(super) fn opening(self) -> Bytes {
        match self {
            Self::EarlyHeader => [OPENING, PLAIN_HEADER].concat().into(),
            Self::Length => Bytes::from_static(OPENING),
        }
    }
}

/// A picture with what precedes and follows it. Both forms are views of one allocation:
///
/// ```text
/// | header with length | JPEG | boundary | header without length |
/// |<------------- Length -------------->|
///                      |<------------ EarlyHeader ------------->|
/// ```
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) captured_at: Timestamp,
    bytes: Bytes,
    /// Start of the JPEG.
    jpeg_at: usize,
}

impl Part {
    /// Builds the part of a picture. Its bytes count as those of the JPEG do.
    pub(super) fn new(picture: &Snapshot, service: &SnapshotService) -> Self {
        let captured_at = unix_at_zero() + Duration::from_nanos(picture.captured_at.as_nanos());
        let head = format!(
            "Content-Type: image/jpeg\r\nContent-Length: {}\r\nX-Timestamp: {}.{:06}\r\n\r\n",
            picture.jpeg.len(),
            captured_at.as_secs(),
            captured_at.subsec_micros()
        );
        let bytes = [head.as_bytes(), &picture.jpeg, BOUNDARY, PLAIN_HEADER].concat();
        Self {
            captured_at: picture.captured_at,
            bytes: service.count_bytes(bytes.into()),
            jpeg_at: head.len(),
        }
    }

    /// Returns the bytes for a client, from the end of the last part's on.
    pub(super) fn view(&self, form: PartForm) -> Bytes {
        match form {
            PartForm::EarlyHeader => self.bytes.slice(self.jpeg_at..),
            PartForm::Length => {
                let end = self.bytes.len() - PLAIN_HEADER.len();
                self.bytes.slice(..end)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera_handle::channel;
    use crate::snapshot::Budget;
    use hyper::header::HeaderValue;

    #[test]
    fn part_form_follows_the_client() {
        const CHROME: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36";
        const IMAGE: &str = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8";
        for (accept, agent, form) in [
            (IMAGE, CHROME, PartForm::EarlyHeader),
            ("text/html,*/*;q=0.8", CHROME, PartForm::EarlyHeader),
            ("*/*", CHROME, PartForm::Length),
            (
                "*/*",
                "HomeAssistant/2026.11.0 aiohttp/3.12",
                PartForm::EarlyHeader,
            ),
            ("*/*", "Lavf/61.7.100", PartForm::Length),
            ("*/*", "curl/8.14.1", PartForm::Length),
            ("", "", PartForm::Length),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            headers.insert(header::USER_AGENT, HeaderValue::from_static(agent));
            assert_eq!(PartForm::of(&headers), form, "{accept} {agent}");
        }
        assert_eq!(PartForm::of(&HeaderMap::new()), PartForm::Length);
    }

    #[test]
    fn both_forms_share_their_bytes() {
        let (_camera, handle) = channel([]);
        let service = SnapshotService::new("camera".into(), handle, Budget::new(64));
        let picture = Snapshot {
            jpeg: Bytes::from_static(b"JPEG"),
            captured_at: Timestamp::from_nanos(1),
        };
        let part = Part::new(&picture, &service);
        let early = part.view(PartForm::EarlyHeader);
        let end = "\r\n--boundarydonotcross\r\n";
        let expected = format!("JPEG{end}Content-Type: image/jpeg\r\n\r\n");
        assert_eq!(early, expected.as_bytes());
        let length = String::from_utf8(part.view(PartForm::Length).to_vec()).unwrap();
        assert!(
            length.starts_with("Content-Type: image/jpeg\r\nContent-Length: 4\r\nX-Timestamp: ")
        );
        assert!(length.ends_with(&format!("\r\n\r\nJPEG{end}")), "{length}");
        let opening = PartForm::EarlyHeader.opening();
        assert_eq!(opening, [OPENING, PLAIN_HEADER].concat());
        assert_eq!(PartForm::Length.opening(), OPENING);
    }
}
