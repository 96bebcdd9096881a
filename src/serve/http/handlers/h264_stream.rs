//! Annex B over plain HTTP, for programs that take H.264 without a container.

use crate::hub::Event;
use crate::serve::annexb_cache::AnnexB;
use crate::serve::config::Camera;
use crate::serve::http::guard::Admitted;
use crate::serve::http::handlers::endless::{self, Client};
use crate::serve::http::response::{Pieces, PollBytes, ResponseBody};
use hyper::Response;
use std::task::{Context, Poll};

/// The body of one client.
struct H264 {
    client: Client,
    annexb: AnnexB,
}

/// Answers with access units, as long as the client takes them.
pub(crate) async fn respond(request: &Admitted, camera: &Camera) -> Response<ResponseBody> {
    endless::respond(request, camera, "h264", "video/h264", |client, query| {
        if query.is_capture_clock {
            return Err("clock=capture: Annex B has no times; /stream.mp4 has\n".to_owned());
        }
        let annexb = request.app().annexb(&camera.name);
        Ok(Box::new(H264 { client, annexb }))
    })
    .await
}

impl PollBytes for H264 {
    fn poll_bytes(&mut self, context: &mut Context<'_>) -> Poll<Pieces> {
        loop {
            // Parameter sets are in the keyframes.
            if let Event::Frame(frame) = std::task::ready!(self.client.poll_event(context)) {
                return Poll::Ready(self.annexb.message(&frame).payload().into());
            }
        }
    }
}
