//! URLs of other camera servers that name resource or camera in the query: rewritten to paths before routing and guard.

use hyper::Uri;
use std::borrow::Cow;

/// Returns the path by which a request is routed, or the text of the refusal.
///
/// mjpg-streamer, uStreamer and camera-streamer have `/?action=stream` and `/?action=snapshot`; go2rtc has
/// `/api/ws?src=NAME` and `/api/streams?src=NAME`.
pub(crate) fn path(uri: &Uri) -> Result<Cow<'_, str>, &'static str> {
    let path = uri.path();
    let query = uri.query().unwrap_or_default();
    let value = |key: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(name, _)| *name == key).map(|(_, value)| value)
    };
    let camera = value("src").filter(|camera| !camera.is_empty());
    if let ("/api/ws" | "/api/streams", Some(camera)) = (path, camera) {
        return Ok(format!("{path}/{camera}").into());
    }
    let Some(action) = value("action").filter(|_| path == "/") else {
        return Ok(path.into());
    };
    let (stem, suffix) = match action {
        "stream" => ("/stream", ".mjpg"),
        "snapshot" => ("/snapshot", ".jpg"),
        _ => return Err("action: unknown; it is stream or snapshot, as in /?action=stream\n"),
    };
    Ok(match value("camera") {
        None | Some("") => format!("{stem}{suffix}"),
        Some(camera) => format!("{stem}/{camera}{suffix}"),
    }
    .into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn action_becomes_path() {
        for (target, expected) in [
            ("/?action=stream", Some("/stream.mjpg")),
            ("/?action=snapshot", Some("/snapshot.jpg")),
            ("/?t=1&action=snapshot&n=2", Some("/snapshot.jpg")),
            ("/?action=stream&camera=front", Some("/stream/front.mjpg")),
            ("/?camera=a.b&action=snapshot", Some("/snapshot/a.b.jpg")),
            ("/?action=stream&camera=", Some("/stream.mjpg")),
            ("/?action=stream&camera=a/b", Some("/stream/a/b.mjpg")),
            ("/api/ws?src=front", Some("/api/ws/front")),
            ("/api/ws?src=", Some("/api/ws")),
            ("/api/ws", Some("/api/ws")),
            ("/api/streams?src=a.b&x", Some("/api/streams/a.b")),
            ("/api/status?src=a", Some("/api/status")),
            ("/?action=command", None),
            ("/?action=", None),
            ("/?action", Some("/")),
            ("/?camera=front", Some("/")),
            ("/snapshot.jpg?action=stream", Some("/snapshot.jpg")),
            ("/", Some("/")),
        ] {
            let uri = target.parse().unwrap();
            let found = path(&uri);
            match expected {
                Some(expected) => assert_eq!(found.unwrap(), expected, "{target}"),
                None => {
                    let words = found.unwrap_err();
                    assert!(words.contains("stream") && words.contains("snapshot"));
                }
            }
        }
    }
}
