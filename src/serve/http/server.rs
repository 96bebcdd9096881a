//! Accepts connections and serves HTTP on them, with limits of time and size. Those that begin with a line of RTSP get that.

use crate::logger::{self, LogThrottle};
use crate::os::heap;
use crate::os::tcp as socket;
use crate::serve::fanout::congestion::LossResponse;
use crate::serve::heap_trim::TrimPolicy;
use crate::serve::http::activity::{ConnectionActivity, TOO_SLOW};
use crate::serve::http::connections::ConnectionSlot;
use crate::serve::http::dispatch::handle_request;
use crate::serve::http::forwarded::Connection;
use crate::serve::http::guard::reject_unknown_host;
use crate::serve::http::hand_over::HandOverSlot;
use crate::serve::http::loss_aware_stream::LossAwareStream;
use crate::serve::http::metered_stream::MeteredStream;
use crate::serve::http::response::{Pieces, ResponseBody, text_response};
use crate::serve::http::rtsp::connection as rtsp;
use crate::serve::http::state::{AppState, Site};
use crate::serve::limits::Limit;
use crate::serve::listen::BoundListener;
use crate::serve::rtsp::first_line::{self, Protocol};
use crate::serve::tls::Tls;
use crate::serve::tls::stream::MaybeTlsStream;
use crate::serve::viewers::Ticket;
use crate::time::Timestamp;
use bytes::{Buf, BytesMut};
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{self, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant, SystemTime};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

/// Interval of [`run_maintenance`].
const MAINTENANCE_INTERVAL: Duration = Duration::from_secs(1);

/// Most header lines in a request.
const MAX_HEADERS: usize = 64;

/// Most unsent bytes of a connection in the kernel. Without a limit it takes megabytes, and a
/// viewer that comes back after a stall sees seconds of the past. This is 85 ms at 1.5 Mbit/s.
const NOTSENT_LOWAT_BYTES: u32 = 16 << 10;

/// Silence after which the kernel asks whether the peer is still there, and how often it asks.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(60);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);

/// Runs maintenance once a second for ever: ends clients that are too slow, trims the heap after
/// many left, flushes the log's counts.
pub async fn run_maintenance(site: Site) {
    let mut ticks = tokio::time::interval(MAINTENANCE_INTERVAL);
    let mut trim_policy = TrimPolicy::default();
    loop {
        ticks.tick().await;
        log::logger().flush();
        let app = site.current();
        app.connections.close_slow_clients(Instant::now());
        app.end_expired_viewers(SystemTime::now());
        if trim_policy.should_trim(app.connections.len()) {
            heap::trim();
        }
    }
}

/// Accepts connections of `bound` for ever; `tls` if they speak that.
pub async fn accept_connections(
    bound: BoundListener,
    tls: Option<Tls>,
    site: Site,
) -> io::Result<Infallible> {
    let listener = TcpListener::from_std(bound.listener)?;
    let is_rtsp_only = bound.is_rtsp;
    let is_on_loopback = listener.local_addr()?.ip().to_canonical().is_loopback();
    let mut throttle = LogThrottle::new();
    loop {
        match listener.accept().await {
            Ok((socket, peer)) => {
                let app = site.current();
                let is_full = |limit| {
                    app.limit_counters.count(Limit::Connections);
                    app.warn_throttled(&format!(
                        "connections: {limit} are open, which are all that fit; those idle longest make room"
                    ));
                };
                let network = app.limited_peer(peer.ip());
                let slot = app.connections.acquire(network, &app.viewer_limit, is_full);
                let Some(slot) = slot.await else {
                    refuse_connection(&app, &socket, peer, tls.is_some());
                    continue;
                };
                let connection = Connection {
                    peer,
                    is_tls: tls.is_some(),
                    is_on_loopback,
                };
                let protocols = Protocols {
                    tls: tls.clone(),
                    is_rtsp_only,
                };
                spawn_connection(socket, connection, protocols, &site, slot);
            }
            Err(error) => {
                // Out of descriptors, or the peer is gone already: nothing that ends the server.
                let words = format!("cannot take a connection: {error}");
                if let Some(line) = throttle.note(&words, Timestamp::now()) {
                    log::warn!(target: logger::CLIENT_TARGET, "{line}");
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Refuses a connection of an address that has all that it may have. One that speaks TLS is closed without a word.
fn refuse_connection(app: &AppState, socket: &TcpStream, peer: SocketAddr, is_tls: bool) {
    app.limit_counters.count(Limit::ConnectionsPerAddress);
    let limit = app.limits.connections_per_address;
    app.warn_throttled(&format!(
        "connection refused ({limit} of one address are at work, peer {}); if it is a proxy, name it in server.trustedProxies; \
         to allow more, write below server: limits: {{connectionsPerAddress: {}}}",
        peer.ip(),
        limit.saturating_mul(2)
    ));
    if is_tls {
        return;
    }
    let body = "{\"code\":\"limit\",\"message\":\"Too many connections come from your address. Try again later.\"}\n";
    let answer = format!(
        "HTTP/1.1 429 Too Many Requests\r\nContent-Type: application/json\r\nContent-Length: {}\r\nRetry-After: 5\r\n\
         X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    // A client that is gone reads nothing.
    let _ = socket.try_write(answer.as_bytes());
}

/// Protocols of an address.
struct Protocols {
    tls: Option<Tls>,
    is_rtsp_only: bool,
}

fn spawn_connection(
    socket: TcpStream,
    connection: Connection,
    protocols: Protocols,
    site: &Site,
    slot: Arc<ConnectionSlot>,
) {
    // A socket that refuses an option still works.
    let _ = socket.set_nodelay(true);
    let options = socket2::SockRef::from(&socket);
    let _ = options.set_tcp_notsent_lowat(NOTSENT_LOWAT_BYTES);
    let keepalive = socket2::TcpKeepalive::new()
        .with_time(KEEPALIVE_AFTER)
        .with_interval(KEEPALIVE_INTERVAL)
        .with_retries(3);
    let _ = options.set_tcp_keepalive(&keepalive);
    socket::set_max_rto(&socket);
    let app = site.current();
    let loss_response = app
        .congestion_control
        .accept(&socket)
        .unwrap_or_else(|error| {
            app.warn_throttled(&format!("congestion control: system's default ({error})"));
            LossResponse::default()
        });
    let site = site.clone();
    tokio::spawn(async move {
        let activity = slot.activity().clone();
        let counters = app.limit_counters.clone();
        let result = tokio::select! {
            biased;
            result = serve_connection(socket, connection, protocols, site, slot, loss_response) => result,
            reason = activity.wait_for_end() => Err(reason.into()),
        };
        if let Err(error) = result {
            if activity.close_reason() == Some(TOO_SLOW) {
                counters.count(Limit::Slow);
            } else if is_head_limit(&*error) {
                counters.count(Limit::Head);
            }
            log::debug!(target: logger::CLIENT_TARGET, "{}: {error}", connection.peer);
        }
    });
}

/// True if a request's head, or a TLS handshake, was too large or too slow.
fn is_head_limit(error: &(dyn std::error::Error + 'static)) -> bool {
    let http = error.downcast_ref::<hyper::Error>();
    http.is_some_and(|error| error.is_timeout() || error.is_parse_too_large())
        || error.is::<tokio::time::error::Elapsed>()
}

/// Serves HTTP or RTSP on `connection` until the peer is gone, or a viewer.
async fn serve_connection(
    socket: TcpStream,
    connection: Connection,
    Protocols { tls, is_rtsp_only }: Protocols,
    site: Site,
    slot: Arc<ConnectionSlot>,
    loss_response: LossResponse,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let wants_tls = tls.is_some();
    let limits = site.current().limits.clone();
    let mut transport = match tls {
        Some(tls) => tokio::time::timeout(limits.request_timeout, tls.accept(socket)).await??,
        None => MaybeTlsStream::Plain(socket),
    };
    let is_lost = wants_tls && matches!(transport, MaybeTlsStream::Plain(_));
    let first = read_first_line(&mut transport);
    let first = tokio::time::timeout(limits.request_timeout, first).await??;
    match first_line::protocol(&first) {
        Some(Protocol::Rtsp) => {
            return Ok(rtsp::serve(transport, &first, connection, site, slot, is_lost).await?);
        }
        _ if is_rtsp_only => return Ok(rtsp::refuse_other(transport).await?),
        _ => {}
    }
    let activity = slot.activity().clone();
    let handed_over = HandOverSlot::default();
    let hand_over = handed_over.clone();
    let service = service_fn(move |request| {
        let (app, activity) = (site.current(), activity.clone());
        let hand_over = hand_over.clone();
        async move {
            activity.on_request(Instant::now());
            let mut response = if is_lost {
                redirect_to_https(&app, connection.peer, &request)
            } else {
                handle_request(&app, connection, request).await
            };
            response.headers_mut().insert(
                header::X_CONTENT_TYPE_OPTIONS,
                HeaderValue::from_static("nosniff"),
            );
            // No other site learns a token that is in a URL.
            let policy = HeaderValue::from_static("same-origin");
            response
                .headers_mut()
                .entry(header::REFERRER_POLICY)
                .or_insert(policy);
            let is_stream = response.body().size_hint().exact().is_none();
            activity.on_response(is_stream, Instant::now());
            if let Some(ticket) = response.body().ticket() {
                let activity = activity.clone();
                // A client that takes nothing would not see the end of the body.
                ticket.on_end(move || activity.close_if_waiting("the server ended it"));
            }
            if let Some(taker) = response.body_mut().take_hand_over() {
                hand_over.set(taker);
            }
            Ok::<_, Infallible>(response.map(|content| TrackedBody { content, activity }))
        }
    });
    hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.request_timeout)
        // Also the most bytes that wait for a slow reader of a stream in user space.
        .max_buf_size(limits.head_bytes)
        .max_header_size(limits.head_bytes)
        .max_headers(MAX_HEADERS)
        .half_close(false)
        .serve_connection(
            TokioIo::new(MeteredStream::new(
                LossAwareStream::new(transport, loss_response),
                first.freeze(),
                slot,
                handed_over,
            )),
            service,
        )
        .with_upgrades()
        .await?;
    Ok(())
}

/// Reads until the protocol is known, or the client has nothing more to say.
async fn read_first_line(stream: &mut MaybeTlsStream) -> io::Result<BytesMut> {
    let mut first = BytesMut::new();
    loop {
        first.reserve(first_line::MAX_BYTES);
        let count = stream.read_buf(&mut first).await?;
        if count == 0 || first_line::protocol(&first).is_some() {
            return Ok(first);
        }
    }
}

/// The body of a response; notes each frame that is to be sent.
struct TrackedBody {
    content: ResponseBody,
    activity: Arc<ConnectionActivity>,
}

impl Body for TrackedBody {
    type Data = Pieces;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Pieces>, Infallible>>> {
        let has_ended = |ticket: &Ticket| ticket.end_reason().is_some();
        if self.content.is_newest_only() && !self.content.ticket().is_some_and(has_ended) {
            ready!(self.activity.poll_taken(context));
        }
        let frame = Pin::new(&mut self.content).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &frame
            && let Some(bytes) = frame.data_ref()
        {
            self.activity.queue_frame(bytes.remaining());
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

/// Redirects plain HTTP at an address that speaks TLS. The rules for `Host` hold here, too.
fn redirect_to_https<T>(
    app: &AppState,
    peer: SocketAddr,
    request: &Request<T>,
) -> Response<ResponseBody> {
    if let Some(refusal) = reject_unknown_host(app, peer, request.headers()) {
        return refusal.text();
    }
    let words = "This address speaks TLS: its URL begins with https:// (wss:// for a WebSocket).\n";
    let is_host = |host: &&str| {
        host.bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b))
    };
    let host = request.headers().get(header::HOST);
    let host = host.and_then(|host| host.to_str().ok()).filter(is_host);
    let slot = host.and_then(|host| {
        let path = request.uri().path_and_query()?;
        HeaderValue::from_str(&format!("https://{host}{path}")).ok()
    });
    let Some(slot) = slot else {
        return text_response(StatusCode::BAD_REQUEST, words);
    };
    // Not a permanent one, which browsers would remember when the address is a plain one again.
    let mut response = text_response(StatusCode::TEMPORARY_REDIRECT, words);
    response.headers_mut().insert(header::LOCATION, slot);
    response
}
