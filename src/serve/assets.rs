//! The player and its page, embedded in the executable.

use super::squeeze::squeeze;
use super::strip::{join, strip};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;

/// One embedded file.
#[derive(Clone, Debug)]
pub(super) struct Asset {
    pub(super) name: &'static str,
    pub(super) kind: &'static str,
    /// As it is sent: scripts are stripped of their comments.
    pub(super) content: Bytes,
    /// A strong entity tag (RFC 9110, 8.8.3): the hash of the content, in quotes.
    pub(super) etag: String,
}

macro_rules! embedded {
    ($($name:literal)*) => { &[$(($name, include_str!(concat!("../../player/", $name)))),*] };
}

#[rustfmt::skip]
const FILES: &[(&str, &str)] = embedded!(
    "berrymse.js" "connection.js" "controls.js" "crop.js" "decode-worker.js" "decode.js" "delay.js" "either.js" "endless.js" "exact.js" "frame-watch.js" "icon.svg" "icons.js"
    "index.html" "legacy.js" "live-edge.js" "media.js" "mp4.js" "msevideo.js" "page.css"
    "pace.js" "page.js" "panel.js" "past.js" "player.js" "refusal.js" "snapshot.js" "wall.js" "webcodecs.js" "words.js"
);

/// What a page with `<berry-video>` needs at once, each after what it imports.
const AT_ONCE: &[&str] = &[
    "mp4.js",
    "delay.js",
    "live-edge.js",
    "connection.js",
    "frame-watch.js",
    "media.js",
    "player.js",
    "words.js",
    "berrymse.js",
];

/// What is sent as one file, under the name of its last: a browser finds out about the next import only when it has read
/// the last. What only some need is imported when they do.
const TOGETHER: [&[&str]; 3] = [
    AT_ONCE,
    &["exact.js", "webcodecs.js", "past.js", "either.js"],
    &["decode.js", "decode-worker.js"],
];

/// Files that are served under another name. `berryMSE.js` is the 2022 program's, and in a folder that knows no case it
/// would be `berrymse.js`.
const RENAMED: &[(&str, &str)] = &[("legacy.js", "berryMSE.js")];

/// All files, with their tags.
pub(super) fn assets() -> Vec<Asset> {
    FILES
        .iter()
        .map(|&(name, source)| asset(name, source))
        .collect()
}

fn asset(name: &'static str, source: &'static str) -> Asset {
    let content = match kind(name) {
        SCRIPT => match TOGETHER.iter().find(|names| names.last() == Some(&name)) {
            Some(names) => Bytes::from(squeeze(&join(&sources(names)))),
            None => Bytes::from(strip(source)),
        },
        _ => Bytes::from_static(source.as_bytes()),
    };
    let hash = sha1_smol::Sha1::from(&content).digest().bytes();
    let renamed = RENAMED.iter().find(|(file, _)| *file == name);
    Asset {
        name: renamed.map_or(name, |(_, served)| served),
        kind: kind(name),
        content,
        etag: format!("\"{}\"", URL_SAFE_NO_PAD.encode(hash)),
    }
}

fn sources(names: &[&str]) -> Vec<(&'static str, &'static str)> {
    let named = |name: &&str| FILES.iter().find(|(file, _)| file == name).copied();
    names.iter().filter_map(named).collect()
}

const SCRIPT: &str = "text/javascript; charset=utf-8";

fn kind(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => SCRIPT,
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("json" | "webmanifest") => "application/json",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `text` without the type casts in it.
    fn without_casts(text: &str) -> String {
        let mut parts = text.split("/** @type {");
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |code, part| {
            code + part.split_once("*/ ").map_or(part, |(_, rest)| rest)
        })
    }

    #[test]
    fn scripts_lose_nothing_but_white_space_types_and_whole_comments() {
        for (name, source) in FILES.iter().filter(|(name, _)| kind(name) == SCRIPT) {
            let served = strip(source);
            assert_eq!(served.lines().count(), source.lines().count(), "{name}");
            for (kept, line) in served.lines().zip(source.lines()) {
                let text = line.trim();
                let is_comment = ["//", "/*", "*"].iter().any(|mark| text.starts_with(mark));
                assert!(
                    kept.trim() == without_casts(text) || (kept.is_empty() && is_comment),
                    "{name}: {line}"
                );
            }
            // A backtick that is no edge of a template would leave the comments after it.
            assert_eq!(
                strip(&format!("{source}// end")),
                format!("{served}\n"),
                "{name}"
            );
        }
    }

    #[test]
    fn what_is_sent_as_one_file_goes_together() {
        for names in TOGETHER {
            let modules = sources(names);
            assert_eq!(modules.len(), names.len());
            let mut top_level = std::collections::BTreeSet::new();
            for (number, (module, source)) in modules.iter().enumerate() {
                let lines = strip(source);
                for line in lines.lines().filter(|line| line.starts_with("import ")) {
                    let is_of = |name: &&str| line.ends_with(&format!("}} from \"./{name}\";"));
                    let is_before = names[..number].iter().any(is_of);
                    // Else it is a file of its own.
                    let is_sent = |group: &&[&str]| group.last().is_some_and(is_of);
                    assert!(
                        is_before || TOGETHER.iter().any(is_sent),
                        "{module}: {line}"
                    );
                    assert!(!line.contains(" as "), "{module}: {line}");
                }
                for name in source.lines().filter_map(declared) {
                    assert!(
                        top_level.insert(name),
                        "{module}: {name} is in another module, too"
                    );
                }
            }
        }
    }

    /// The name that a line declares at top level: only what is not indented is.
    fn declared(line: &str) -> Option<&str> {
        let words = line.strip_prefix("export ").unwrap_or(line);
        let words = words.strip_prefix("async ").unwrap_or(words);
        let rest = ["const ", "let ", "function ", "class "]
            .iter()
            .find_map(|word| words.strip_prefix(word))?;
        rest.split(|c: char| !c.is_alphanumeric() && c != '_')
            .next()
    }
}
