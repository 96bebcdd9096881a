//! From an HTTP request to a WebSocket viewer (RFC 6455, 4.2).

use super::access::{Access, Client};
use super::metered::Metered;
use super::refusal::Refusal;
use super::seats::Seat;
use super::stream::Content;
use super::viewer::Joining;
use super::wire::Wire;
use super::{Camera, Site, plain};
use crate::logger::CLIENTS;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::upgrade::{Parts, Upgraded};
use hyper::{Method, Request, Response, StatusCode, Version};
use hyper_util::rt::TokioIo;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

/// Our own sub-protocol, with text messages beside the video.
pub(super) const SUBPROTOCOL: &str = "berrymse.v1";

/// Answers the request; the viewer itself begins when the answer is out.
pub(super) fn live(
    site: &Arc<Site>,
    name: Option<&str>,
    peer: SocketAddr,
    request: &mut Request<Incoming>,
) -> Response<Content> {
    let admitted = admit(site, name, peer, request);
    let (camera, key, seat) = match admitted {
        Ok(admitted) => admitted,
        Err(refusal) => return *refusal,
    };
    let headers = request.headers();
    let speaks_v1 = offers(headers, SUBPROTOCOL);
    let mut response = Response::new(Content::Whole(None));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let out = response.headers_mut();
    out.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    out.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = HeaderValue::from_str(&accept(&key)) {
        out.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    if speaks_v1 {
        out.insert(
            header::SEC_WEBSOCKET_PROTOCOL,
            HeaderValue::from_static(SUBPROTOCOL),
        );
    }
    let upgrade = hyper::upgrade::on(request);
    let (site, name, hub) = (site.clone(), camera.name.clone(), camera.hub.clone());
    tokio::spawn(async move {
        let taken = match upgrade.await {
            Ok(upgraded) => take_wire(upgraded),
            Err(error) => Err(io::Error::other(error)),
        };
        match taken {
            Ok((wire, leftover)) => {
                log::info!(target: CLIENTS, "{name}: viewer {peer} joined");
                site.fanout.add(Joining {
                    wire,
                    peer,
                    leftover,
                    report: site.delays.join(name.clone()),
                    camera: name,
                    viewer: hub.subscribe(),
                    speaks_v1,
                    seat,
                    loss_response: site.congestion.loss_response(),
                });
            }
            Err(error) => {
                log::info!(target: CLIENTS, "{name}: viewer {peer} left during the handshake: {error}");
            }
        }
    });
    response
}

/// What is under the HTTP connection, and what was read from it beyond the request.
fn take_wire(upgraded: Upgraded) -> io::Result<(Wire, bytes::Bytes)> {
    let Parts { io, read_buf, .. } = upgraded
        .downcast::<TokioIo<Metered>>()
        .map_err(|_| io::Error::other("the connection is none of ours"))?;
    let (socket, session) = io.into_inner().into_parts()?;
    Ok((Wire::new(socket.into_std()?, session), read_buf))
}

/// Admits a viewer: returns its camera, its key and its place; else the refusal.
///
/// A page that could not connect asks by GET. It is told what would keep it out, if it tried again.
fn admit<'a>(
    site: &'a Site,
    name: Option<&str>,
    peer: SocketAddr,
    request: &Request<Incoming>,
) -> Result<(&'a Camera, String, Seat), Box<Response<Content>>> {
    let headers = request.headers();
    // A proxy drops Upgrade, and passes on the key.
    let is_handshake = headers.contains_key(header::SEC_WEBSOCKET_KEY);
    // RFC 6455, 4.1: GET and HTTP/1.1; hyper does not look.
    let upgrades = request.method() == Method::GET
        && request.version() >= Version::HTTP_11
        && has_token(headers, header::UPGRADE, "websocket")
        && has_token(headers, header::CONNECTION, "upgrade");
    let refuse = |refusal: Refusal| {
        // The handshake before the question has been logged.
        let refusal = if is_handshake {
            refusal.logged(site)
        } else {
            refusal
        };
        Box::new(refusal.json())
    };
    let mut client = Client::new(headers);
    if !is_handshake {
        client = client.or_referer();
    }
    if let Access::Refused(foreign) = site.origins.judge(&client) {
        let listed = site.origins.list();
        return Err(refuse(Refusal::origin(foreign, &client, listed, peer)));
    }
    let Some(camera) = site.camera(name) else {
        return Err(refuse(Refusal::camera(site)));
    };
    // Dropped at once if there is no viewer to take it.
    let Some(seat) = site.seats.take() else {
        return Err(refuse(Refusal::full(site.seats.limit(), peer)));
    };
    if !upgrades {
        return Err(refuse(Refusal::no_upgrade(is_handshake, peer)));
    }
    Ok((camera, key(headers)?, seat))
}

/// The client's key, or the refusal.
fn key(headers: &HeaderMap) -> Result<String, Box<Response<Content>>> {
    if headers
        .get(header::SEC_WEBSOCKET_VERSION)
        .is_none_or(|version| version != "13")
    {
        let mut response = plain(
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
    match key.filter(|key| STANDARD.decode(key).is_ok_and(|key| key.len() == 16)) {
        Some(key) => Ok(key.to_owned()),
        None => Err(Box::new(plain(
            StatusCode::BAD_REQUEST,
            "Sec-WebSocket-Key has to be 16 bytes in base64.\n",
        ))),
    }
}

/// RFC 6455, 4.2.2, item 5.4
fn accept(key: &str) -> String {
    let mut hash = sha1_smol::Sha1::new();
    hash.update(key.as_bytes());
    hash.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    STANDARD.encode(hash.digest().bytes())
}

fn offers(headers: &HeaderMap, protocol: &str) -> bool {
    tokens(headers, header::SEC_WEBSOCKET_PROTOCOL).any(|token| token == protocol)
}

fn has_token(headers: &HeaderMap, name: header::HeaderName, token: &str) -> bool {
    tokens(headers, name).any(|other| other.eq_ignore_ascii_case(token))
}

fn tokens(headers: &HeaderMap, name: header::HeaderName) -> impl Iterator<Item = &str> {
    headers
        .get_all(name)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_accept_key_is_that_of_the_rfc() {
        assert_eq!(
            super::accept("dGhlIHNhbXBsZSBub25jZQ=="),
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
    }
}
