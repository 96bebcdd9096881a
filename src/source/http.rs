//! The endless MP4 of another BerryMSE, over HTTP or HTTPS. Its frames are ready: nothing is parsed as H.264 again.
//!
//! The camera's thread runs hyper on a small runtime of its own, which also makes the requests for keyframes.

mod capture_clock;
mod tls;
mod url;

pub use capture_clock::capture_times;
pub use url::Url;

use super::track::describe;
use super::{Cause, Error, Input, Item, ReadyFrame, SILENCE_LIMIT, SourceContext};
use crate::media::Description;
use crate::media::fmp4::Sample;
use crate::media::fmp4::read::{Reader, Segment, TrackDescription};
use crate::shutdown::ShutdownToken;
use crate::time::{TIMESCALE, Timestamp};
use bytes::Bytes;
use capture_clock::CaptureClock;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{Request, Response, StatusCode, header, rt};
use hyper_util::rt::TokioIo;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tls::TlsClient;
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};

/// Timeout for the connection and the head of the answer. The other server may open its camera meanwhile.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

/// Longest wait in one [`Input::read`].
const READ_TIMEOUT: Duration = Duration::from_millis(100);

/// Timeout for a request that only asks for a keyframe.
const KEYFRAME_TIMEOUT: Duration = Duration::from_secs(3);

/// Most bytes of a refusal that are read.
const REFUSAL_BYTES: usize = 4096;

/// Opens the stream at `url`.
pub(super) fn open(url: &Url, context: &SourceContext) -> Result<Box<dyn Input>, Error> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::Unavailable(format!("cannot read from {url}: {error}")))?;
    let server = Server {
        url: url.clone(),
        tls: url
            .is_secure()
            .then(TlsClient::open)
            .transpose()
            .map_err(|text| {
                Error::Unavailable(format!("{url}: {text}")).because(Cause::NOT_TRUSTED)
            })?,
    };
    // After a loss the frames since the newest keyframe are known already.
    let is_again = context.has_http_frames.load(Ordering::Relaxed);
    let asked = server.clone().ask(is_again);
    let answered = wait(&runtime, &context.shutdown, ANSWER_TIMEOUT, asked);
    let failed = |text, cause| Err(Error::Unavailable(text).because(cause));
    let result = match answered {
        Waited::Stopped => Err(Error::Stopped),
        Waited::TimedOut => {
            let seconds = ANSWER_TIMEOUT.as_secs();
            let text = format!("{url} does not answer within {seconds} s");
            failed(text, Cause::NO_SERVER)
        }
        Waited::Done(Err((text, cause))) => {
            let hint = match cause {
                Cause::NO_SERVER => ". Does BerryMSE run there?",
                _ => "",
            };
            failed(format!("{url}: {text}{hint}"), cause)
        }
        Waited::Done(Ok(response)) => accept(&runtime, url, response),
    };
    let body = match result {
        Ok(body) => body,
        Err(error) => {
            runtime.shutdown_background();
            return Err(error);
        }
    };
    Ok(Box::new(HttpInput {
        server,
        runtime: Some(runtime),
        shutdown: context.shutdown.clone(),
        body,
        reader: Reader::default(),
        description: None,
        timescale: TIMESCALE,
        clock: CaptureClock::default(),
        has_frames: context.has_http_frames.clone(),
        silence_limit: match context.stall_after {
            Some(Duration::ZERO) => Duration::MAX,
            Some(limit) => limit,
            None => SILENCE_LIMIT.max(context.settings.fps.interval() * 2),
        },
    }))
}

enum Waited<T> {
    Stopped,
    TimedOut,
    Done(T),
}

/// Runs `future` up to `timeout`, or until the program stops.
fn wait<T>(
    runtime: &Runtime,
    shutdown: &ShutdownToken,
    timeout: Duration,
    future: impl Future<Output = T>,
) -> Waited<T> {
    let end = Timestamp::now() + timeout;
    let mut future = std::pin::pin!(future);
    loop {
        if shutdown.is_triggered() {
            return Waited::Stopped;
        }
        let left = end.since(Timestamp::now());
        if left.is_zero() {
            return Waited::TimedOut;
        }
        let slice = async { tokio::time::timeout(left.min(READ_TIMEOUT), &mut future).await };
        if let Ok(done) = runtime.block_on(slice) {
            return Waited::Done(done);
        }
    }
}

/// Another server, and how to connect to it.
#[derive(Clone)]
struct Server {
    url: Url,
    tls: Option<TlsClient>,
}

/// Text and public cause of a failed connection.
type Failure = (String, Cause);

impl Server {
    /// Asks for the stream, from a keyframe on that is made now if `is_next`. Returns the answer's
    /// head and a body that is still coming.
    async fn ask(self, is_next: bool) -> Result<Response<Incoming>, Failure> {
        let address = (self.url.host(), self.url.port());
        let socket = TcpStream::connect(address).await.map_err(no_server)?;
        match &self.tls {
            None => self.send(TokioIo::new(socket), is_next).await,
            Some(tls) => {
                let stream = tls.connect(self.url.host(), socket).await?;
                self.send(TokioIo::new(stream), is_next).await
            }
        }
    }

    async fn send(
        &self,
        io: impl rt::Read + rt::Write + Unpin + Send + 'static,
        is_next: bool,
    ) -> Result<Response<Incoming>, Failure> {
        let handshake = http1::handshake::<_, Empty<Bytes>>(io).await;
        let (mut sender, connection) = handshake.map_err(no_server)?;
        // Ends with the sender and the body.
        tokio::spawn(connection);
        let mut request = Request::get(self.url.target(is_next))
            .header(header::HOST, self.url.authority())
            .header(
                header::USER_AGENT,
                concat!("BerryMSE/", env!("CARGO_PKG_VERSION")),
            );
        if let Some(authorization) = self.url.authorization() {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let request = request.body(Empty::new()).map_err(no_server)?;
        sender.send_request(request).await.map_err(no_server)
    }
}

fn no_server(error: impl std::fmt::Display) -> Failure {
    (error.to_string(), Cause::NO_SERVER)
}

/// Returns the body of an answer that is a stream, else the reason why not.
fn accept(runtime: &Runtime, url: &Url, response: Response<Incoming>) -> Result<Incoming, Error> {
    let status = response.status();
    let kind = response.headers().get(header::CONTENT_TYPE);
    let is_mp4 = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"video/mp4"));
    if status == StatusCode::OK && is_mp4 {
        return Ok(response.into_body());
    }
    if status == StatusCode::OK {
        let text = format!("{url} is no MP4 of a BerryMSE; the path ends with stream.mp4");
        return Err(Error::Unavailable(text).because(Cause::NO_STREAM));
    }
    if let Some(location) = response.headers().get(header::LOCATION) {
        let location = String::from_utf8_lossy(location.as_bytes()).into_owned();
        let text = format!("{url} has moved to {location}; use that URL");
        return Err(Error::Unavailable(text).because(Cause::NO_STREAM));
    }
    let body = Limited::new(response.into_body(), REFUSAL_BYTES).collect();
    let body = runtime.block_on(async { tokio::time::timeout(READ_TIMEOUT, body).await });
    let body = body.ok().and_then(Result::ok);
    let body = body.map(|body| body.to_bytes()).unwrap_or_default();
    let said = String::from_utf8_lossy(&body);
    let said = said.lines().next().unwrap_or_default();
    let cause = match status {
        StatusCode::SERVICE_UNAVAILABLE => Cause::NO_FRAMES_THERE,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Cause::NOT_PERMITTED,
        _ => Cause::NO_STREAM,
    };
    let text = format!("{url} answers {}: {said}", status.as_u16());
    Err(Error::Unavailable(text).because(cause))
}

struct HttpInput {
    server: Server,
    /// `None` only while it is dropped.
    runtime: Option<Runtime>,
    shutdown: ShutdownToken,
    body: Incoming,
    reader: Reader,
    description: Option<Arc<Description>>,
    timescale: u32,
    clock: CaptureClock,
    /// Frames of this camera have come, in this or an earlier opening.
    has_frames: Arc<AtomicBool>,
    silence_limit: Duration,
}

impl Drop for HttpInput {
    fn drop(&mut self) {
        // A name that is being looked up would be waited for.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Input for HttpInput {
    fn read(&mut self) -> Result<Option<Item<'_>>, Error> {
        let sample = loop {
            let segment = self.reader.next_segment().map_err(|error| {
                Error::Lost(format!("{}: {error}", self.server.url)).because(Cause::NO_STREAM)
            })?;
            match segment {
                Some(Segment::Init(track)) => self.describe(&track)?,
                Some(Segment::Fragment(sample)) => break sample,
                None => {
                    if !self.receive()? {
                        return Ok(None);
                    }
                }
            }
        };
        let Some(description) = &self.description else {
            let text = format!("{} begins without an init segment", self.server.url);
            return Err(Error::Lost(text).because(Cause::NO_STREAM));
        };
        self.has_frames.store(true, Ordering::Relaxed);
        let media = nanos(sample.decode_time, self.timescale);
        Ok(Some(Item::Frame(ReadyFrame {
            description,
            captured_at: self.clock.capture_time(media, Timestamp::now()),
            is_keyframe: sample.is_keyframe,
            is_disposable: !sample.is_reference,
            composition_offset: offset(&sample, self.timescale),
            recovery: sample.recovery,
            timing: None,
            nals: self.reader.data(),
        })))
    }

    fn silence_limit(&self) -> Duration {
        self.silence_limit
    }

    /// Each client who joins has the camera asked for a keyframe.
    fn request_keyframe(&mut self) {
        let asked = self.server.clone().ask(true);
        if let Some(runtime) = &self.runtime {
            runtime.spawn(async { drop(tokio::time::timeout(KEYFRAME_TIMEOUT, asked).await) });
        }
    }

    fn can_make_keyframes(&self) -> bool {
        true
    }
}

impl HttpInput {
    /// Takes in what has come; false if that is nothing for a tenth of a second.
    fn receive(&mut self) -> Result<bool, Error> {
        let Some(runtime) = &self.runtime else {
            return Err(Error::Stopped);
        };
        let body = &mut self.body;
        let next =
            runtime.block_on(async { tokio::time::timeout(READ_TIMEOUT, body.frame()).await });
        if self.shutdown.is_triggered() {
            return Err(Error::Stopped);
        }
        let lost = |text: String| Error::Lost(text).because(Cause::SERVER_LOST);
        match next {
            Err(_) => Ok(false),
            Ok(Some(Ok(frame))) => {
                if let Ok(data) = frame.into_data() {
                    self.reader.push(&data);
                }
                Ok(true)
            }
            Ok(Some(Err(error))) => Err(lost(format!("{} was lost: {error}", self.server.url))),
            Ok(None) => Err(lost(format!("{} has ended the stream", self.server.url))),
        }
    }

    fn describe(&mut self, track: &TrackDescription) -> Result<(), Error> {
        let Some(description) = describe(track) else {
            let text = format!("{} is not H.264 as a BerryMSE sends it", self.server.url);
            return Err(Error::Lost(text).because(Cause::NO_STREAM));
        };
        self.timescale = track.timescale;
        self.description = Some(Arc::new(description));
        Ok(())
    }
}

/// Nanoseconds of this many ticks.
fn nanos(ticks: u64, timescale: u32) -> u64 {
    let nanos = u128::from(ticks) * 1_000_000_000 / u128::from(timescale.max(1));
    u64::try_from(nanos).unwrap_or(u64::MAX)
}

/// The composition offset in our own ticks.
fn offset(sample: &Sample, timescale: u32) -> Option<i32> {
    let offset = i64::from(sample.composition_offset?);
    let scaled = offset * i64::from(TIMESCALE) / i64::from(timescale.max(1));
    i32::try_from(scaled).ok()
}
