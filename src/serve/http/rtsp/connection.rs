//! One RTSP connection up to PLAY.

use super::negotiation::{Answer, Negotiation, Playing};
use crate::logger::CLIENT_TARGET;
use crate::serve::fanout::connection::NewViewer;
use crate::serve::http::connections::ConnectionSlot;
use crate::serve::http::forwarded::{Client, Connection};
use crate::serve::http::state::{AppState, Site};
use crate::serve::limits::MAX_DRAIN_BYTES;
use crate::serve::rtsp::SESSION_TIMEOUT;
use crate::serve::rtsp::request::{Incoming, RequestReader};
use crate::serve::rtsp::stream::RtspStream;
use crate::serve::tls::stream::MaybeTlsStream;
use crate::serve::ws::stream::ViewerStream;
use bytes::Bytes;
use hyper::header::HeaderMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

/// Timeout for an answer that the client does not take.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// Most interleaved packets before PLAY: nothing is received yet that could be reported.
const MAX_EARLY_PACKETS: usize = 16;

/// Time in which the client's end of a connection that we have closed is waited for.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

/// Serves a connection that began with `first`, a line of RTSP. With `is_misdirected` it should have begun with TLS.
pub(crate) async fn serve(
    mut stream: MaybeTlsStream,
    first: &[u8],
    connection: Connection,
    site: Site,
    slot: Arc<ConnectionSlot>,
    is_misdirected: bool,
) -> io::Result<()> {
    // Proxies of HTTP, which name the client in headers, do not speak RTSP.
    let client = Client::of(connection, &[], &HeaderMap::new());
    let mut negotiation =
        Negotiation::new(site.clone(), client, is_misdirected).map_err(io::Error::other)?;
    let mut reader = RequestReader::default();
    reader.feed(first);
    let activity = slot.activity().clone();
    let mut buffer = [0; 4096];
    // Single bytes are no sign of life before there is a session: they would hold the connection for ever.
    let mut deadline = tokio::time::Instant::now() + SESSION_TIMEOUT;
    let mut early_packets = 0;
    loop {
        while let Some(incoming) = reader.next() {
            if !matches!(incoming, Incoming::Packet) {
                activity.on_request(Instant::now());
                deadline = tokio::time::Instant::now() + SESSION_TIMEOUT;
            }
            let (answer, playing, is_last) = match incoming {
                // No sign of life: the connection stays idle, and can be evicted.
                Incoming::Packet if early_packets < MAX_EARLY_PACKETS => {
                    early_packets += 1;
                    continue;
                }
                Incoming::Packet => return Err(io::Error::other("RTSP: packets before PLAY")),
                Incoming::Wrong(refused) => {
                    let answer = refused.response.to_bytes(refused.cseq.as_deref());
                    (answer, None, refused.is_fatal)
                }
                Incoming::Request(request) => match negotiation.answer(&request).await {
                    Answer::Reply(response) => {
                        (response.to_bytes(Some(&request.cseq)), None, false)
                    }
                    Answer::Play(response, playing) => {
                        let answer = response.to_bytes(Some(&request.cseq));
                        (answer, Some(playing), false)
                    }
                },
            };
            activity.on_response(false, Instant::now());
            write(&mut stream, &answer).await?;
            activity.on_flushed(Instant::now());
            if let Some(playing) = playing {
                return hand_over(stream, reader, *playing, connection, &site.current());
            }
            if is_last {
                return close(stream).await;
            }
        }
        let read = tokio::time::timeout_at(deadline, stream.read(&mut buffer)).await;
        let count = read.map_err(|_| io::Error::other("RTSP: no request in 60 s"))??;
        if count == 0 {
            return Ok(());
        }
        reader.feed(buffer.get(..count).unwrap_or_default());
    }
}

async fn write(stream: &mut MaybeTlsStream, bytes: &Bytes) -> io::Result<()> {
    let written = async {
        stream.write_all(bytes).await?;
        stream.flush().await
    };
    let written = timeout(WRITE_TIMEOUT, written).await;
    written.map_err(|_| io::Error::other("RTSP: it did not take an answer in 10 s"))?
}

/// Closes after the last answer. With unread bytes a close would be a reset, and hide it.
async fn close(mut stream: MaybeTlsStream) -> io::Result<()> {
    let drain = async {
        stream.shutdown().await?;
        let (mut buffer, mut total) = ([0; 4096], 0);
        while total < MAX_DRAIN_BYTES {
            match stream.read(&mut buffer).await? {
                0 => break,
                count => total += count,
            }
        }
        Ok(())
    };
    timeout(DRAIN_TIMEOUT, drain).await.unwrap_or(Ok(()))
}

/// Answers a connection that speaks something else at an address for RTSP.
pub(crate) async fn refuse_other(mut stream: MaybeTlsStream) -> io::Result<()> {
    const WORDS: &str = "This address speaks RTSP only: rtsp://HOST:PORT/live\n";
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\
         X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n{WORDS}",
        WORDS.len()
    );
    write(&mut stream, &answer.into()).await?;
    close(stream).await
}

/// Gives the connection to the fan-out.
fn hand_over(
    stream: MaybeTlsStream,
    reader: RequestReader,
    playing: Playing,
    connection: Connection,
    app: &AppState,
) -> io::Result<()> {
    let Playing {
        camera,
        output,
        session,
        known,
        identity,
        place,
        recorder,
    } = playing;
    let (socket, tls) = stream.into_parts();
    let (name, peer) = (&camera.name, connection.peer);
    match &identity.name {
        Some(viewer) => {
            log::info!(target: CLIENT_TARGET, "{name}: viewer {peer} joined by RTSP ({viewer})");
        }
        None => log::info!(target: CLIENT_TARGET, "{name}: viewer {peer} joined by RTSP"),
    }
    let rtsp = RtspStream::new(
        reader,
        session,
        camera.handle.hub(),
        &output,
        known,
        recorder,
    );
    let ticket = app.join(place, &identity, connection.peer, &camera, "rtsp");
    app.fanout.add(NewViewer {
        stream: ViewerStream::new(socket.into_std()?, tls),
        ticket,
        leftover: Bytes::new(),
        latency: app.latency_stats.join(camera.name.clone()),
        subscription: rtsp.subscribe().into(),
        link: camera.handle.add_link(),
        annexb: None,
        speaks_v1: false,
        mse: None,
        rtsp: Some(Box::new(rtsp)),
        loss_response: app.congestion_control.loss_response(),
    });
    Ok(())
}
