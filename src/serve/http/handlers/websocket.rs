//! From an HTTP request to a WebSocket viewer (RFC 6455, 4.2).

use crate::hub::Delivery;
use crate::logger::CLIENT_TARGET;
use crate::media::Frame;
use crate::serve::config::Camera;
use crate::serve::fanout::connection::{MseSession, NewViewer};
use crate::serve::http::guard::Admitted;
use crate::serve::http::metered_stream::MeteredStream;
use crate::serve::http::refusal::Refusal;
use crate::serve::http::response::{ResponseBody, text_response};
use crate::serve::viewers::Reservation;
use crate::serve::ws::handshake::{
    accept_key, has_token, is_handshake, is_key, offers_subprotocol,
};
use crate::serve::ws::stream::ViewerStream;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::upgrade::{Parts, Upgraded};
use hyper::{Method, Response, StatusCode, Version};
use hyper_util::rt::TokioIo;
use std::io;

/// Sub-protocol with text messages in addition to the video.
pub(crate) const SUBPROTOCOL: &str = "berrymse.v1";

/// Messages of a WebSocket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Messages {
    /// MP4, and `berrymse.v1` for those who speak it.
    Mp4,
    /// Annex B, and the same.
    AnnexB,
    /// Those of go2rtc.
    Go2rtc,
}

impl Messages {
    /// Returns the kind of output for the list of viewers.
    const fn output(self) -> &'static str {
        match self {
            Self::Mp4 => "websocket",
            Self::AnnexB => "websocket h264",
            Self::Go2rtc => "websocket mse",
        }
    }
}

/// Answers the request; the viewer itself begins when the answer is out.
pub(crate) fn upgrade(
    mut request: Admitted,
    camera: &Camera,
    messages: Messages,
) -> Response<ResponseBody> {
    let (key, place) = match reserve(&request) {
        Ok(reserved) => reserved,
        Err(refusal) => return *refusal,
    };
    let (app, peer) = (request.app().clone(), request.peer());
    let headers = request.headers();
    let is_go2rtc = messages == Messages::Go2rtc;
    let speaks_v1 = !is_go2rtc && offers_subprotocol(headers, SUBPROTOCOL);
    let mut response = Response::new(ResponseBody::Full(None));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let out = response.headers_mut();
    out.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    out.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = HeaderValue::from_str(&accept_key(&key)) {
        out.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    if speaks_v1 {
        out.insert(
            header::SEC_WEBSOCKET_PROTOCOL,
            HeaderValue::from_static(SUBPROTOCOL),
        );
    }
    let identity = request.identity().clone();
    let upgrade = request.upgrade();
    let camera = camera.clone();
    let (name, handle) = (camera.name.clone(), camera.handle.clone());
    let annexb = (messages == Messages::AnnexB).then(|| app.annexb(&name));
    tokio::spawn(async move {
        let taken = match upgrade.await {
            Ok(upgraded) => into_viewer_stream(upgraded),
            Err(error) => Err(io::Error::other(error)),
        };
        match taken {
            Ok((stream, leftover)) => {
                match &identity.name {
                    Some(viewer) => {
                        log::info!(target: CLIENT_TARGET, "{name}: viewer {peer} joined ({viewer})");
                    }
                    None => log::info!(target: CLIENT_TARGET, "{name}: viewer {peer} joined"),
                }
                let ticket = app.join(place, &identity, peer, &camera, messages.output());
                let mut subscription = handle.hub().subscribe(Delivery::LIVE);
                if annexb.is_some() {
                    subscription.set_bytes_of(Frame::annexb_message_len);
                }
                app.fanout.add(NewViewer {
                    stream,
                    leftover,
                    latency: app.latency_stats.join(name),
                    subscription: subscription.into(),
                    link: handle.add_link(),
                    annexb,
                    speaks_v1,
                    mse: is_go2rtc.then(|| Box::new(MseSession::new())),
                    rtsp: None,
                    ticket,
                    loss_response: app.congestion_control.loss_response(),
                });
            }
            Err(error) => {
                log::info!(target: CLIENT_TARGET, "{name}: viewer {peer} left during the handshake: {error}");
            }
        }
    });
    response
}

/// Returns the stream under the HTTP connection, and bytes read from it beyond the request.
fn into_viewer_stream(upgraded: Upgraded) -> io::Result<(ViewerStream, bytes::Bytes)> {
    let Parts { io, read_buf, .. } = upgraded
        .downcast::<TokioIo<MeteredStream>>()
        .map_err(|_| io::Error::other("the connection is none of ours"))?;
    let (socket, session) = io.into_inner().into_parts()?;
    Ok((ViewerStream::new(socket.into_std()?, session), read_buf))
}

/// Returns the key of a handshake and a place for its viewer, or the refusal.
fn reserve(request: &Admitted) -> Result<(String, Reservation), Box<Response<ResponseBody>>> {
    let (app, peer, headers) = (request.app(), request.peer(), request.headers());
    let is_handshake = is_handshake(headers);
    // RFC 6455, 4.1: GET and HTTP/1.1; hyper does not look.
    let upgrades = request.method() == Method::GET
        && request.version() >= Version::HTTP_11
        && has_token(headers, header::UPGRADE, "websocket")
        && has_token(headers, header::CONNECTION, "upgrade");
    let refuse = |refusal: Refusal| {
        // The handshake before the question has been logged.
        let refusal = if is_handshake {
            refusal.log_throttled(app)
        } else {
            refusal
        };
        Box::new(refusal.json())
    };
    // Dropped at once if there is no viewer to take it.
    let place = app
        .reserve_viewer(request.client())
        .map_err(|why| refuse(Refusal::no_place(app, why, peer)))?;
    if !upgrades {
        return Err(refuse(Refusal::no_upgrade(is_handshake, peer)));
    }
    Ok((client_key(headers)?, place))
}

/// Returns the client's key, or the refusal.
fn client_key(headers: &HeaderMap) -> Result<String, Box<Response<ResponseBody>>> {
    if headers
        .get(header::SEC_WEBSOCKET_VERSION)
        .is_none_or(|version| version != "13")
    {
        let mut response = text_response(
            StatusCode::UPGRADE_REQUIRED,
            "Only version 13 of WebSocket is spoken here.\n",
        );
        response.headers_mut().insert(
            header::SEC_WEBSOCKET_VERSION,
            HeaderValue::from_static("13"),
        );
        return Err(Box::new(response));
    }
    let key = headers
        .get(header::SEC_WEBSOCKET_KEY)
        .and_then(|key| key.to_str().ok())
        .map(str::trim);
    match key.filter(|key| is_key(key)) {
        Some(key) => Ok(key.to_owned()),
        None => Err(Box::new(text_response(
            StatusCode::BAD_REQUEST,
            "Sec-WebSocket-Key has to be 16 bytes in base64.\n",
        ))),
    }
}
