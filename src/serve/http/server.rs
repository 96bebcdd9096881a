//! A client's connection while it speaks HTTP: taking it, limits of time and size, and the hand-over to [`answer`].

use crate::logger::{self, Repeated};
use crate::os::heap;
use crate::os::tcp as socket;
use crate::serve::fanout::congestion::LossResponse;
use crate::serve::heap_trim::Tide;
use crate::serve::http::activity::Pace;
use crate::serve::http::connections::Place;
use crate::serve::http::dispatch::answer;
use crate::serve::http::loss_aware_stream::Watched;
use crate::serve::http::metered_stream::Metered;
use crate::serve::http::response::Content;
use crate::serve::http::response::plain;
use crate::serve::http::state::Site;
use crate::serve::tls::Tls;
use crate::serve::tls::stream::Transport;
use crate::time::Timestamp;
use hyper::body::{Body, Bytes, Frame, SizeHint};
use hyper::header::{self, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};

/// A request's head has to be there within this time, and a TLS handshake be done.
const HEAD_TIME: Duration = Duration::from_secs(10);

/// How often [`tend`] looks.
const TICK: Duration = Duration::from_secs(1);

/// Largest request head, and most bytes that wait for a slow reader of `/stream.mp4` in user space.
const BUFFER_BYTES: usize = 32 << 10;

/// Most header lines in a request.
const HEADERS: usize = 64;

/// How many unsent bytes of a connection the kernel takes. Without a limit it takes megabytes, and a viewer who
/// comes back after a stall is shown seconds of the past. This is 85 ms at 1.5 Mbit/s.
const UNSENT_BYTES: u32 = 16 << 10;

/// Silence after which the kernel asks whether the peer is still there, and how often it asks.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(60);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);

/// Does for ever what has to be done once a second: ends clients that are too slow, gives back the memory of many who have
/// gone, lets the log count what it left out.
pub async fn tend(site: Arc<Site>) {
    let mut ticks = tokio::time::interval(TICK);
    let mut tide = Tide::default();
    loop {
        ticks.tick().await;
        log::logger().flush();
        site.connections.judge(Instant::now());
        if tide.goes_out(site.connections.len()) {
            heap::trim();
        }
    }
}

/// Takes connections of `listener` for ever; `tls` if they speak that.
pub async fn run(
    listener: std::net::TcpListener,
    tls: Option<Tls>,
    site: Arc<Site>,
) -> io::Result<Infallible> {
    let listener = TcpListener::from_std(listener)?;
    let mut complaints = Repeated::new();
    loop {
        match listener.accept().await {
            Ok((socket, peer)) => {
                let is_full = |limit| {
                    site.complain(&format!(
                        "connections: {limit} are open, which are all that fit; those idle longest make room"
                    ));
                };
                let place = site.connections.enter(&site.seats, is_full).await;
                accept(socket, peer, tls.clone(), &site, place);
            }
            Err(error) => {
                // Out of descriptors, or the peer is gone already: nothing that ends the server.
                let words = format!("cannot take a connection: {error}");
                if let Some(line) = complaints.note(&words, Timestamp::now()) {
                    log::warn!(target: logger::CLIENTS, "{line}");
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

fn accept(
    socket: TcpStream,
    peer: SocketAddr,
    tls: Option<Tls>,
    site: &Arc<Site>,
    place: Arc<Place>,
) {
    // A socket that refuses an option still works.
    let _ = socket.set_nodelay(true);
    let options = socket2::SockRef::from(&socket);
    let _ = options.set_tcp_notsent_lowat(UNSENT_BYTES);
    let keepalive = socket2::TcpKeepalive::new()
        .with_time(KEEPALIVE_AFTER)
        .with_interval(KEEPALIVE_INTERVAL)
        .with_retries(3);
    let _ = options.set_tcp_keepalive(&keepalive);
    socket::retry_soon(&socket);
    let loss_response = site.congestion.accept(&socket).unwrap_or_else(|error| {
        site.complain(&format!("congestion control: system's default ({error})"));
        LossResponse::default()
    });
    let site = site.clone();
    tokio::spawn(async move {
        let pace = place.pace().clone();
        let result = tokio::select! {
            biased;
            result = converse(socket, peer, tls, site, place, loss_response) => result,
            reason = pace.wait_for_end() => Err(reason.into()),
        };
        if let Err(error) = result {
            log::debug!(target: logger::CLIENTS, "{peer}: {error}");
        }
    });
}

/// Speaks HTTP with `peer` until it has gone, or become a viewer.
async fn converse(
    socket: TcpStream,
    peer: SocketAddr,
    tls: Option<Tls>,
    site: Arc<Site>,
    place: Arc<Place>,
    loss_response: LossResponse,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let wants_tls = tls.is_some();
    let transport = match tls {
        Some(tls) => tokio::time::timeout(HEAD_TIME, tls.accept(socket)).await??,
        None => Transport::Plain(socket),
    };
    let is_lost = wants_tls && matches!(transport, Transport::Plain(_));
    let pace = place.pace().clone();
    let service = service_fn(move |request| {
        let (site, pace) = (site.clone(), pace.clone());
        async move {
            pace.begin_request(Instant::now());
            let mut response = if is_lost {
                to_https(&request)
            } else {
                answer(&site, peer, request).await
            };
            response.headers_mut().insert(
                header::X_CONTENT_TYPE_OPTIONS,
                HeaderValue::from_static("nosniff"),
            );
            let is_stream = response.body().size_hint().exact().is_none();
            pace.begin_answer(is_stream, Instant::now());
            Ok::<_, Infallible>(response.map(|content| Paced { content, pace }))
        }
    });
    hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(BUFFER_BYTES)
        .max_header_size(BUFFER_BYTES)
        .max_headers(HEADERS)
        .half_close(false)
        .serve_connection(
            TokioIo::new(Metered::new(Watched::new(transport, loss_response), place)),
            service,
        )
        .with_upgrades()
        .await?;
    Ok(())
}

/// The body of a response; notes each frame that is to be sent.
struct Paced {
    content: Content,
    pace: Arc<Pace>,
}

impl Body for Paced {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = Pin::new(&mut self.content).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &frame
            && let Some(bytes) = frame.data_ref()
        {
            self.pace.queue_frame(bytes.len());
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.content.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.content.size_hint()
    }
}

/// The answer to plain HTTP at an address that speaks TLS.
fn to_https<T>(request: &Request<T>) -> Response<Content> {
    let words = "This address speaks TLS: its URL begins with https:// (wss:// for a WebSocket).\n";
    let host = request.headers().get(header::HOST);
    let place = host.and_then(|host| host.to_str().ok()).and_then(|host| {
        let path = request.uri().path_and_query()?;
        HeaderValue::from_str(&format!("https://{host}{path}")).ok()
    });
    let Some(place) = place else {
        return plain(StatusCode::BAD_REQUEST, words);
    };
    // Not a permanent one, which browsers would remember when the address is a plain one again.
    let mut response = plain(StatusCode::TEMPORARY_REDIRECT, words);
    response.headers_mut().insert(header::LOCATION, place);
    response
}
