//! Waiting for a camera before an endless answer begins: a client that gets 200 expects frames.

use crate::hub::{CameraState, DemandGuard, HubStats};
use crate::media::Parameters;
use crate::serve::config::Camera;
use crate::serve::http::response::{ResponseBody, text_response};
use hyper::header::{self, HeaderValue};
use hyper::{Response, StatusCode};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Timeout for the first frame of a camera that is being opened, as for a snapshot.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest time that a client may ask to wait.
const MAX_WAIT: Duration = Duration::from_secs(600);

/// Interval of polls of the camera's state.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Seconds after which a client may try again.
const RETRY_AFTER: &str = "2";

/// Waits until `camera` has frames, and keeps it open until the returned value is dropped; else returns the answer.
///
/// Without `wait` in the query a camera that is being opened has ten seconds, and one that fails none.
pub(crate) async fn wait_until_live(
    camera: &Camera,
    query: &str,
) -> Result<DemandGuard, Box<Response<ResponseBody>>> {
    let wait = match parse_wait(query) {
        Ok(wait) => wait,
        Err(words) => return Err(Box::new(text_response(StatusCode::BAD_REQUEST, words))),
    };
    let waited = wait_for(camera, wait, |_| Some(())).await;
    let (demand, ()) = waited.map_err(|reason| Box::new(unavailable(&reason)))?;
    Ok(demand)
}

/// Waits until `camera` has frames, and keeps it open until the guard is dropped; returns what a decoder needs for them,
/// else the reason.
pub(crate) async fn wait_for_parameters(
    camera: &Camera,
) -> Result<(DemandGuard, Arc<Parameters>), String> {
    wait_for(camera, None, |status| status.parameters).await
}

async fn wait_for<T>(
    camera: &Camera,
    wait: Option<Duration>,
    found: impl Fn(HubStats) -> Option<T>,
) -> Result<(DemandGuard, T), String> {
    let demand = camera.handle.hub().keep_open();
    let begin = Instant::now();
    loop {
        let stats = camera.handle.hub().stats();
        let status = stats.status.clone();
        let timeout = match status.state {
            CameraState::Live => match found(stats) {
                Some(found) => return Ok((demand, found)),
                None => wait.unwrap_or(OPEN_TIMEOUT),
            },
            CameraState::Starting | CameraState::Idle => wait.unwrap_or(OPEN_TIMEOUT),
            CameraState::Waiting | CameraState::Lost => wait.unwrap_or_default(),
        };
        if begin.elapsed() >= timeout {
            return Err(match &*status.reason {
                "" => format!("no frame within {} s", timeout.as_secs_f32()),
                reason => reason.to_owned(),
            });
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

fn unavailable(reason: &str) -> Response<ResponseBody> {
    let mut response = text_response(
        StatusCode::SERVICE_UNAVAILABLE,
        format!("No video: {reason}.\n"),
    );
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
    response
}

/// Reads `wait` (seconds) from a query; other keys are passed over.
fn parse_wait(query: &str) -> Result<Option<Duration>, String> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let Some((_, text)) = pairs.find(|(key, _)| *key == "wait") else {
        return Ok(None);
    };
    let seconds = text.parse::<f64>().ok();
    seconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .filter(|wait| *wait <= MAX_WAIT)
        .map(Some)
        .ok_or_else(|| {
            format!(
                "wait is a number of seconds from 0 to {}, such as ?wait=30\n",
                MAX_WAIT.as_secs()
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wait_is_a_number_of_seconds() {
        for (query, expected) in [
            ("", Some(None)),
            ("t=1&a", Some(None)),
            ("wait=30", Some(Some(30_000))),
            ("start=next&wait=0.5", Some(Some(500))),
            ("wait=0", Some(Some(0))),
            ("wait=600", Some(Some(600_000))),
            ("wait=601", None),
            ("wait=-1", None),
            ("wait=nan", None),
            ("wait=1e99", None),
            ("wait=", None),
            ("wait=long", None),
        ] {
            let expected = expected.map(|wait| wait.map(Duration::from_millis));
            assert_eq!(parse_wait(query).ok(), expected, "{query}");
        }
    }
}
