//! The player and its page, embedded in the executable.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// One embedded file.
#[derive(Clone, Debug)]
pub(super) struct Asset {
    pub(super) name: &'static str,
    pub(super) kind: &'static str,
    pub(super) content: &'static [u8],
    /// A strong entity tag (RFC 9110, 8.8.3): the hash of the content, in quotes.
    pub(super) etag: String,
}

macro_rules! embedded {
    ($($name:literal)*) => { &[$(($name, include_bytes!(concat!("../../player/", $name)))),*] };
}

#[rustfmt::skip]
const FILES: &[(&str, &[u8])] = embedded!(
    "berryMSE.js" "berrymse.js" "connection.js" "delay.js" "frame-watch.js" "icon.svg" "index.html"
    "live-edge.js" "media.js" "mp4.js" "msevideo.js" "page.css"
    "pace.js" "page.js" "player.js" "wall.js" "watchdog.js" "words.js"
);

/// All files, with their tags.
pub(super) fn assets() -> Vec<Asset> {
    let asset = |&(name, content): &(&'static str, &'static [u8])| {
        let hash = sha1_smol::Sha1::from(content).digest().bytes();
        Asset {
            name,
            kind: kind(name),
            content,
            etag: format!("\"{}\"", URL_SAFE_NO_PAD.encode(hash)),
        }
    };
    FILES.iter().map(asset).collect()
}

fn kind(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("json" | "webmanifest") => "application/json",
        _ => "application/octet-stream",
    }
}
