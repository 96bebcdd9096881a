//! From an HTTP request to a WebSocket viewer (RFC 6455, 4.2).

use crate::logger::CLIENTS;
use crate::serve::config::Camera;
use crate::serve::connection_limit::Seat;
use crate::serve::fanout::connection::Joining;
use crate::serve::http::metered_stream::Metered;
use crate::serve::http::origin::{Access, Client};
use crate::serve::http::refusal::Refusal;
use crate::serve::http::response::Content;
use crate::serve::http::response::plain;
use crate::serve::http::state::Site;
use crate::serve::ws::handshake::{accept_key, has_token, is_key, offers};
use crate::serve::ws::stream::Wire;
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::upgrade::{Parts, Upgraded};
use hyper::{Method, Request, Response, StatusCode, Version};
use hyper_util::rt::TokioIo;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

/// Our own sub-protocol, with text messages beside the video.
pub(crate) const SUBPROTOCOL: &str = "berrymse.v1";

/// Answers the request; the viewer itself begins when the answer is out.
pub(crate) fn live(
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
    if let Ok(accept) = HeaderValue::from_str(&accept_key(&key)) {
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
    match key.filter(|key| is_key(key)) {
        Some(key) => Ok(key.to_owned()),
        None => Err(Box::new(plain(
            StatusCode::BAD_REQUEST,
            "Sec-WebSocket-Key has to be 16 bytes in base64.\n",
        ))),
    }
}
