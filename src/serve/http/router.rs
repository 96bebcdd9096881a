//! Maps paths to routes. Pure, so that the whole address space of the server is one table.

/// Resource behind a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Route<'a> {
    /// A file of the player, by name; the page itself is `index.html`.
    Asset(&'a str),
    /// The WebSocket of a camera; `None` is the first one.
    Live(Option<&'a str>),
    /// The WebSocket of Annex B of a camera; `None` is the first one.
    Raw(Option<&'a str>),
    /// The endless MP4 of a camera; `None` is the first one.
    Stream(Option<&'a str>),
    /// The endless Annex B of a camera; `None` is the first one.
    StreamH264(Option<&'a str>),
    /// The newest frame of a camera as JPEG; `None` is the first one.
    Snapshot(Option<&'a str>),
    /// `/api/status`
    Status,
    /// `/api/cameras/NAME/controls`
    Controls(&'a str),
    /// `/api/cameras/NAME/restart`
    Restart(&'a str),
    /// `/healthz`
    Health,
    /// `/metrics`
    Metrics,
}

/// Returns the route of `path`; `websocket` is the name of the first camera's WebSocket. Any other
/// name is looked for among the player's files.
pub fn route<'a>(path: &'a str, websocket: &str) -> Option<Route<'a>> {
    let path = path.strip_prefix('/')?;
    if path == websocket {
        return Some(Route::Live(None));
    }
    Some(match path {
        "" => Route::Asset("index.html"),
        "raw" => Route::Raw(None),
        "stream.mp4" => Route::Stream(None),
        "stream.h264" => Route::StreamH264(None),
        "snapshot.jpg" => Route::Snapshot(None),
        "api/status" => Route::Status,
        "healthz" => Route::Health,
        "metrics" => Route::Metrics,
        _ => match path.split_once('/') {
            Some(("api", rest)) => match rest.strip_prefix("cameras/")?.split_once('/')? {
                (name, "controls") if is_name(name) => Route::Controls(name),
                (name, "restart") if is_name(name) => Route::Restart(name),
                _ => return None,
            },
            Some(("live", name)) if is_name(name) => Route::Live(Some(name)),
            Some(("raw", name)) if is_name(name) => Route::Raw(Some(name)),
            Some(("stream", file)) => match file.rsplit_once('.')? {
                (name, "mp4") if is_name(name) => Route::Stream(Some(name)),
                (name, "h264") if is_name(name) => Route::StreamH264(Some(name)),
                _ => return None,
            },
            Some(("snapshot", file)) => Route::Snapshot(Some(
                file.strip_suffix(".jpg").filter(|name| is_name(name))?,
            )),
            Some(_) => return None,
            None => Route::Asset(path),
        },
    })
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn router_maps_every_interface_path() {
        for (path, expected) in [
            ("/", Some(Route::Asset("index.html"))),
            ("/berrymse.js", Some(Route::Asset("berrymse.js"))),
            ("/berryMSE.js", Some(Route::Asset("berryMSE.js"))),
            ("/video_websocket", Some(Route::Live(None))),
            ("/live/front", Some(Route::Live(Some("front")))),
            ("/stream.mp4", Some(Route::Stream(None))),
            ("/stream/front.mp4", Some(Route::Stream(Some("front")))),
            ("/stream.h264", Some(Route::StreamH264(None))),
            ("/stream/a.b.h264", Some(Route::StreamH264(Some("a.b")))),
            ("/stream/.h264", None),
            ("/stream/front.ts", None),
            ("/raw", Some(Route::Raw(None))),
            ("/raw/front", Some(Route::Raw(Some("front")))),
            ("/raw/", None),
            ("/snapshot.jpg", Some(Route::Snapshot(None))),
            ("/snapshot/front.jpg", Some(Route::Snapshot(Some("front")))),
            ("/snapshot/front.png", None),
            ("/snapshot/.jpg", None),
            ("/api/status", Some(Route::Status)),
            (
                "/api/cameras/front/controls",
                Some(Route::Controls("front")),
            ),
            ("/api/cameras/front/restart", Some(Route::Restart("front"))),
            ("/api/cameras//restart", None),
            ("/api/cameras//controls", None),
            ("/api/cameras/controls", None),
            ("/api/cameras/a/b/controls", None),
            ("/api/cameras/a/controls/b", None),
            ("/healthz", Some(Route::Health)),
            ("/metrics", Some(Route::Metrics)),
            ("/live/", None),
            ("/live/a/b", None),
            ("/stream/.mp4", None),
            ("/stream/front", None),
            ("/api/other", None),
            ("", None),
        ] {
            assert_eq!(route(path, "video_websocket"), expected, "{path}");
        }
    }

    #[test]
    fn router_uses_configured_websocket_name() {
        assert_eq!(route("/websocket", "websocket"), Some(Route::Live(None)));
        assert_eq!(
            route("/video_websocket", "websocket"),
            Some(Route::Asset("video_websocket"))
        );
    }
}
