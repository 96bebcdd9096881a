//! The endless MP4 over plain HTTP, for programs: VLC, ffmpeg, curl, recorders.

use crate::hub::{ClientClock, ClientTimeline, Event};
use crate::serve::config::Camera;
use crate::serve::http::guard::Admitted;
use crate::serve::http::handlers::endless::{self, Client};
use crate::serve::http::response::{Pieces, PollBytes, ResponseBody};
use crate::time::unix_at_zero;
use bytes::Bytes;
use hyper::Response;
use std::task::{Context, Poll};

/// The body of one client.
struct Mp4 {
    client: Client,
    timeline: ClientTimeline,
}

/// Answers with init segment and frames, as long as the client takes them.
pub(crate) async fn respond(request: &Admitted, camera: &Camera) -> Response<ResponseBody> {
    endless::respond(request, camera, "mp4", "video/mp4", |client, query| {
        let clock = if query.is_capture_clock {
            let at_zero = unix_at_zero();
            ClientClock::Unix { at_zero }
        } else {
            ClientClock::Zero
        };
        Ok(Box::new(Mp4 {
            client,
            timeline: ClientTimeline::new(clock),
        }))
    })
    .await
}

impl PollBytes for Mp4 {
    fn poll_bytes(&mut self, context: &mut Context<'_>) -> Poll<Pieces> {
        loop {
            match std::task::ready!(self.client.poll_event(context)) {
                Event::Parameters(parameters) => {
                    return Poll::Ready(parameters.init().payload().into());
                }
                Event::Frame(frame) => {
                    let (head, rest) = self.timeline.retime(&frame);
                    return Poll::Ready(Pieces([head, rest, Bytes::new()]));
                }
                // An MP4 has no place for these.
                Event::Status(_) | Event::Skipped(_) => {}
            }
        }
    }
}
