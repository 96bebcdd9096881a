//! MJPEG over HTTP (`multipart/x-mixed-replace`), for front ends that show it in `<img>`, and for programs.

use crate::serve::config::Camera;
use crate::serve::http::guard::Admitted;
use crate::serve::http::handlers::endless;
use crate::serve::http::handlers::live_wait::wait_until_live;
use crate::serve::http::handlers::snapshot::{error_response, parse_jpeg_options};
use crate::serve::http::refusal::Refusal;
use crate::serve::http::response::{Pieces, PollBytes, ResponseBody, text_response};
use crate::snapshot::{PictureStream, Snapshot};
use crate::time::unix_at_zero;
use bytes::Bytes;
use hyper::header::{self, HeaderMap};
use hyper::{Method, Response, StatusCode, Version};
use std::ops::RangeInclusive;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// Unquoted, as Fluidd searches it so; the boundary of mjpg-streamer, which some clients take for granted.
const MEDIA_TYPE: &str = "multipart/x-mixed-replace;boundary=boundarydonotcross";

/// Pictures per second that can be asked for.
const FPS_RANGE: RangeInclusive<f64> = 0.01..=240.0;

/// Form of the parts: clients differ in what tells them that a picture is complete.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum PartForm {
    /// The header of the next part follows each picture at once, so it cannot have a length. Chromium (156) draws a
    /// picture when the header of the next part ends, Firefox when it begins.
    EarlyHeader,
    /// Each part has its length, and the boundary follows it at once. The parsers of Mainsail and Fluidd draw a picture
    /// when they have the length and one more byte, or the boundary. Programs such as go2rtc need the length.
    Length,
}

impl PartForm {
    /// Returns the form for a client, by what it accepts and is.
    fn of(headers: &HeaderMap) -> Self {
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

    /// Returns what precedes a picture, which is the first or not.
    fn head(self, picture: &Snapshot, is_first: bool) -> Bytes {
        let boundary = if is_first {
            "--boundarydonotcross\r\n"
        } else {
            ""
        };
        match self {
            Self::EarlyHeader if is_first => {
                Bytes::from_static(b"--boundarydonotcross\r\nContent-Type: image/jpeg\r\n\r\n")
            }
            Self::EarlyHeader => Bytes::new(),
            Self::Length => {
                let captured_at =
                    unix_at_zero() + Duration::from_nanos(picture.captured_at.as_nanos());
                format!(
                    "{boundary}Content-Type: image/jpeg\r\nContent-Length: {}\r\nX-Timestamp: {}.{:06}\r\n\r\n",
                    picture.jpeg.len(),
                    captured_at.as_secs(),
                    captured_at.subsec_micros()
                )
                .into()
            }
        }
    }

    /// Returns what follows a picture at once.
    const fn tail(self) -> Bytes {
        Bytes::from_static(match self {
            Self::EarlyHeader => b"\r\n--boundarydonotcross\r\nContent-Type: image/jpeg\r\n\r\n",
            Self::Length => b"\r\n--boundarydonotcross\r\n",
        })
    }
}

/// The body of one client.
struct Mjpeg {
    first: Option<Snapshot>,
    pictures: PictureStream,
    form: PartForm,
}

/// Answers with pictures, as long as the client takes them.
pub(crate) async fn respond(request: &Admitted, camera: &Camera) -> Response<ResponseBody> {
    let app = request.app();
    let Some(service) = app.snapshot_service(&camera.name) else {
        return Refusal::camera(app, request.identity()).text();
    };
    let query = request.query();
    let (options, interval) =
        match parse_jpeg_options(query).and_then(|options| Ok((options, parse_interval(query)?))) {
            Ok(parsed) => parsed,
            Err(words) => return text_response(StatusCode::BAD_REQUEST, words),
        };
    // Held open until the client counts as a viewer.
    let _hold = match wait_until_live(camera, query).await {
        Ok(hold) => hold,
        Err(answer) => return *answer,
    };
    let first = match service.request_first(options).await {
        Ok(first) => first,
        Err(error) => return error_response(&error),
    };
    let content = if request.method() == Method::HEAD {
        ResponseBody::Full(None)
    } else {
        let place = match endless::reserve(request) {
            Ok(place) => place,
            Err(answer) => return *answer,
        };
        let body = Mjpeg {
            pictures: service.stream(options, interval, &first),
            first: Some(first),
            form: PartForm::of(request.headers()),
        };
        let (identity, peer) = (request.identity(), request.peer());
        let ticket = app.join(place, identity, peer, camera, "mjpeg");
        ResponseBody::of_viewer(Box::new(body), ticket)
    };
    let mut response = endless::response(request, MEDIA_TYPE, content);
    // Not in chunks, which simple clients take for parts of the pictures; mjpg-streamer does the same.
    *response.version_mut() = Version::HTTP_10;
    response
}

impl PollBytes for Mjpeg {
    fn poll_bytes(&mut self, context: &mut Context<'_>) -> Poll<Pieces> {
        let first = self.first.take();
        let is_first = first.is_some();
        let picture = match first {
            Some(first) => first,
            None => ready!(self.pictures.poll_next(context)),
        };
        let head = self.form.head(&picture, is_first);
        Poll::Ready(Pieces([head, picture.jpeg, self.form.tail()]))
    }

    fn is_newest_only(&self) -> bool {
        true
    }
}

/// Reads `fps` from a query; returns the time from one picture to the next.
fn parse_interval(query: &str) -> Result<Option<Duration>, String> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let Some((_, text)) = pairs.find(|(key, _)| *key == "fps") else {
        return Ok(None);
    };
    let fps = text.parse().ok().filter(|fps| FPS_RANGE.contains(fps));
    let interval = fps.map(|fps: f64| Some(Duration::from_secs_f64(fps.recip())));
    interval.ok_or_else(|| {
        let (least, most) = FPS_RANGE.into_inner();
        format!("fps is a number of pictures per second from {least} to {most}, such as fps=5\n")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
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
    fn fps_is_validated() {
        for (query, expected) in [
            ("", Some(None)),
            ("t=1", Some(None)),
            ("fps=5", Some(Some(200))),
            ("width=16&fps=0.5", Some(Some(2000))),
            ("fps=0", None),
            ("fps=-1", None),
            ("fps=241", None),
            ("fps=nan", None),
            ("fps=", None),
        ] {
            let expected = expected.map(|interval| interval.map(Duration::from_millis));
            assert_eq!(parse_interval(query).ok(), expected, "{query}");
        }
    }
}
