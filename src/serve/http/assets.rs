//! The player and its page, embedded in the executable as `player/build.mjs` made them.

use crate::serve::http::coding::{Coding, preferred};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use hyper::HeaderMap;

/// One embedded file.
#[derive(Clone, Debug)]
pub(crate) struct Asset {
    pub(crate) name: &'static str,
    pub(crate) content_type: &'static str,
    /// One for each of `Coding::ALL`, in that order.
    representations: [Representation; 3],
}

/// A file in one content coding.
#[derive(Clone, Debug)]
pub(crate) struct Representation {
    pub(crate) coding: Coding,
    pub(crate) content: Bytes,
    /// A strong entity tag (RFC 9110, 8.8.3): the hash of the coded content, in quotes.
    pub(crate) etag: String,
}

macro_rules! embedded {
    ($($name:literal)*) => { &[$(($name, [
        include_bytes!(concat!("../../../player/dist/", $name, ".br")),
        include_bytes!(concat!("../../../player/dist/", $name, ".gz")),
        include_bytes!(concat!("../../../player/dist/", $name)),
    ])),*] };
}

#[rustfmt::skip]
const FILES: &[(&str, [&[u8]; 3])] = embedded!(
    "berry-camera-card.js" "berrymse.js" "camera-settings.js" "controls.js" "crop.js" "decode-worker.js" "frame-stats.js" "http-socket.js" "icon.svg" "index.html" "keyframe-marker.js"
    "latency-controller.js" "legacy.js" "login.html" "manifest.webmanifest" "media-element.js" "msevideo.js" "overlay.js" "page.css" "page.js" "picture-in-picture.js" "refusal.js" "renderer-switch.js" "snapshot.js" "token.js"
    "video-decoder.js" "viewers.js"
);

/// Files that are served under another name. `berryMSE.js` is the 2022 program's, and in a folder that knows no case it
/// would be `berrymse.js`.
const RENAMED: &[(&str, &str)] = &[("legacy.js", "berryMSE.js")];

/// Returns all files, with their tags.
pub(crate) fn assets() -> Vec<Asset> {
    FILES
        .iter()
        .map(|&(name, contents)| asset(name, contents))
        .collect()
}

fn asset(name: &'static str, [brotli, gzip, identity]: [&'static [u8]; 3]) -> Asset {
    let renamed = RENAMED.iter().find(|(file, _)| *file == name);
    Asset {
        name: renamed.map_or(name, |(_, served)| served),
        content_type: content_type(name),
        representations: [
            representation(Coding::Brotli, brotli),
            representation(Coding::Gzip, gzip),
            representation(Coding::Identity, identity),
        ],
    }
}

fn representation(coding: Coding, content: &'static [u8]) -> Representation {
    let hash = sha1_smol::Sha1::from(content).digest().bytes();
    Representation {
        coding,
        content: Bytes::from_static(content),
        etag: format!("\"{}\"", URL_SAFE_NO_PAD.encode(hash)),
    }
}

impl Asset {
    /// Returns the content in no coding.
    pub(crate) fn uncoded(&self) -> &[u8] {
        let [.., identity] = &self.representations;
        &identity.content
    }

    /// Returns the representation that a request prefers.
    pub(crate) fn representation(&self, headers: &HeaderMap) -> &Representation {
        let coding = preferred(headers);
        let [.., identity] = &self.representations;
        self.representations
            .iter()
            .find(|one| one.coding == coding)
            .unwrap_or(identity)
    }
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("webmanifest") => "application/manifest+json",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn all_built_files_are_embedded() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/player/dist");
        let built: BTreeSet<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| !name.ends_with(".br") && !name.ends_with(".gz"))
            .collect();
        let embedded: BTreeSet<String> = FILES.iter().map(|(name, _)| (*name).into()).collect();
        assert_eq!(embedded, built);
    }

    #[test]
    fn every_representation_has_its_own_tag() {
        let assets = assets();
        let tags: BTreeSet<&str> = assets
            .iter()
            .flat_map(|asset| &asset.representations)
            .map(|one| one.etag.as_str())
            .collect();
        assert_eq!(tags.len(), 3 * FILES.len());
    }
}
