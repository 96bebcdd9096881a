//! MJPEG over HTTP (`multipart/x-mixed-replace`), for front ends that show it in `<img>`, and for programs.

use crate::serve::config::Camera;
use crate::serve::fanout::connection::{NewViewer, ViewerSubscription};
use crate::serve::http::guard::Admitted;
use crate::serve::http::hand_over::HandOver;
use crate::serve::http::handlers::endless;
use crate::serve::http::handlers::live_wait::wait_until_live;
use crate::serve::http::handlers::snapshot::{error_response, parse_jpeg_options};
use crate::serve::http::refusal::Refusal;
use crate::serve::http::response::{ResponseBody, text_response};
use crate::serve::mjpeg::{PartForm, PictureSubscription, Settings};
use crate::serve::viewers::Reservation;
use bytes::Bytes;
use hyper::{Method, Response, StatusCode, Version};
use std::ops::RangeInclusive;
use std::time::Duration;

/// Unquoted, as Fluidd searches it so; the boundary of mjpg-streamer, which some clients take for granted.
const MEDIA_TYPE: &str = "multipart/x-mixed-replace;boundary=boundarydonotcross";

/// Pictures per second that can be asked for.
const FPS_RANGE: RangeInclusive<f64> = 0.01..=240.0;

/// Answers with pictures, as long as the client takes them.
pub(crate) async fn respond(request: &Admitted, camera: &Camera) -> Response<ResponseBody> {
    let app = request.app();
    let no_camera = || Refusal::camera(app, request.identity()).text();
    let Some(service) = app.snapshot_service(&camera.name) else {
        return no_camera();
    };
    let settings = match parse_settings(request.query()) {
        Ok(settings) => settings,
        Err(words) => return text_response(StatusCode::BAD_REQUEST, words),
    };
    // Held open until the client counts as a viewer.
    let _hold = match wait_until_live(camera, request.query()).await {
        Ok(hold) => hold,
        Err(answer) => return *answer,
    };
    let first = match service.request_first(settings.options).await {
        Ok(first) => first,
        Err(error) => return error_response(&error),
    };
    let content = if request.method() == Method::HEAD {
        ResponseBody::Full(None)
    } else {
        let place = match endless::reserve(request) {
            Ok(place) => place,
            Err(answer) => return *answer,
        };
        let Some(output) = app.mjpeg_output(&camera.name) else {
            return no_camera();
        };
        let form = PartForm::of(request.headers());
        let waker = app.fanout.waker();
        let pictures = output.subscribe(settings, form, &first, &service, waker);
        ResponseBody::HandedOver(Some(hand_over(request, camera, pictures, place)))
    };
    let mut response = endless::response(request, MEDIA_TYPE, content);
    // Not in chunks, which simple clients take for parts of the pictures; mjpg-streamer does the same.
    *response.version_mut() = Version::HTTP_10;
    response
}

/// Returns what gives the connection to the fan-out.
fn hand_over(
    request: &Admitted,
    camera: &Camera,
    pictures: PictureSubscription,
    place: Reservation,
) -> HandOver {
    let (app, camera) = (request.app().clone(), camera.clone());
    let (identity, peer) = (request.identity().clone(), request.peer());
    HandOver::new(move |stream| {
        app.fanout.add(NewViewer {
            stream,
            ticket: app.join(place, &identity, peer, &camera, "mjpeg"),
            leftover: Bytes::new(),
            subscription: ViewerSubscription::Pictures(pictures),
            link: camera.handle.add_link(),
            annexb: None,
            speaks_v1: false,
            mse: None,
            rtsp: None,
            latency: app.latency_stats.join(camera.name.clone()),
            loss_response: app.congestion_control.loss_response(),
        });
    })
}

/// Reads size, quality and rate from a query.
fn parse_settings(query: &str) -> Result<Settings, String> {
    Ok(Settings {
        options: parse_jpeg_options(query)?,
        interval: parse_interval(query)?,
    })
}

/// Reads `fps` from a query; returns the time from one picture to the next.
fn parse_interval(query: &str) -> Result<Option<Duration>, String> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let Some((_, text)) = pairs.find(|(key, _)| *key == "fps") else {
        return Ok(None);
    };
    let fps = text.parse().ok().filter(|fps| FPS_RANGE.contains(fps));
    let interval = fps.map(|fps: f64| Some(Duration::from_secs_f64(fps.recip())));
    interval.ok_or_else(|| {
        let (least, most) = FPS_RANGE.into_inner();
        format!("fps is a number of pictures per second from {least} to {most}, such as fps=5\n")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fps_is_validated() {
        for (query, expected) in [
            ("", Some(None)),
            ("t=1", Some(None)),
            ("fps=5", Some(Some(200))),
            ("width=16&fps=0.5", Some(Some(2000))),
            ("fps=0", None),
            ("fps=-1", None),
            ("fps=241", None),
            ("fps=nan", None),
            ("fps=", None),
        ] {
            let expected = expected.map(|interval| interval.map(Duration::from_millis));
            assert_eq!(parse_interval(query).ok(), expected, "{query}");
        }
    }
}
