//! State that the RTSP clients of one camera share.

use super::packet_cache::PacketCache;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// RTSP output of one camera. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    ssrc: u32,
    /// Packets without and with a delimiter at the end of each frame.
    caches: [PacketCache; 2],
    viewers: Arc<AtomicUsize>,
    /// `camera.rtspAccessUnitDelimiter`; `None` is `auto`.
    has_delimiter: Option<bool>,
}

/// Counts as a client that plays, while it lives.
#[derive(Debug)]
pub(super) struct CountedViewer(Arc<AtomicUsize>);

impl Output {
    /// `random` makes numbers and times hard to guess (RFC 3550, 5.1).
    pub(crate) fn new(random: [u32; 2], has_delimiter: Option<bool>) -> Self {
        let [ssrc, time_offset] = random;
        let cache = |has_delimiter| PacketCache::new(has_delimiter, ssrc, time_offset);
        Self {
            ssrc,
            caches: [cache(false), cache(true)],
            viewers: Arc::default(),
            has_delimiter,
        }
    }

    /// Returns the identity of the stream in its packets.
    pub(crate) fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// Returns the number of clients that play.
    pub(crate) fn viewers(&self) -> usize {
        self.viewers.load(Ordering::Acquire)
    }

    /// Returns true if frames for a client with this `User-Agent` end with a delimiter.
    ///
    /// FFmpeg's parser holds each frame until the next one begins, a frame of delay. A delimiter belongs before the next
    /// frame (ITU-T H.264, 7.4.1.2.3), so others get none.
    pub(super) fn has_delimiter(&self, user_agent: Option<&str>) -> bool {
        let is_ffmpeg = user_agent.is_some_and(|agent| {
            let begins = |word: &str| {
                agent
                    .get(..word.len())
                    .is_some_and(|start| start.eq_ignore_ascii_case(word))
            };
            begins("Lavf") || begins("libmpv") || begins("mpv")
        });
        self.has_delimiter.unwrap_or(is_ffmpeg)
    }

    /// Returns the packets with or without delimiters.
    pub(super) fn cache(&self, has_delimiter: bool) -> PacketCache {
        self.caches[usize::from(has_delimiter)].clone()
    }

    pub(super) fn count_viewer(&self) -> CountedViewer {
        self.viewers.fetch_add(1, Ordering::AcqRel);
        CountedViewer(self.viewers.clone())
    }
}

impl Drop for CountedViewer {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delimiter_is_for_ffmpeg_unless_configured() {
        for (agent, setting, expected) in [
            (Some("Lavf59.27.100"), None, true),
            (Some("libmpv"), None, true),
            (Some("GStreamer/1.22.0"), None, false),
            (Some("go2rtc/1.9.14"), None, false),
            (Some("retina_0.4.21"), None, false),
            (Some(""), None, false),
            (None, None, false),
            (Some("Lavf59.27.100"), Some(false), false),
            (None, Some(true), true),
        ] {
            let output = Output::new([1, 2], setting);
            assert_eq!(
                output.has_delimiter(agent),
                expected,
                "{agent:?} {setting:?}"
            );
        }
    }
}
