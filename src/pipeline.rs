//! The media half of one camera: source to pictures to fragments to hub, on the camera's own thread, for ever.
//!
//! Whatever happens to the source (absent, busy, unplugged, frozen, garbage, another size), it is opened anew, with
//! growing pauses up to half a minute; the reason is in the log, in the status and with the viewers, who stay.

mod adaptation;
mod keyframes;
mod muxer;
mod signs;

use crate::controls::Server;
use crate::h264::nal::Header;
use crate::h264::{AccessUnit, Assembler, Ends, Pictures};
use crate::hub::{CameraState, Jpeg, Publisher};
use crate::logger::{self, Folded};
use crate::orientation::Orientation;
use crate::source::{self, Cause, Error, Source, Spec};
use crate::time::Timestamp;
use adaptation::Adaptation;
use bytes::Bytes;
use keyframes::{KeyframeRequests, KeyframeWatch, NO_KEYFRAMES, Remedy};
use log::Level;
use muxer::Muxer;
use signs::Signs;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

/// Pause before a source is opened again: it doubles with each failure.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
/// Longest pause before a device or a file is opened again: a camera that is plugged in is soon found.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// The same for Raspberry Pi cameras, whose program takes a small machine seconds to start.
const LONGEST_RPICAM_PAUSE: Duration = Duration::from_secs(10);
/// The same for other programs.
const LONGEST_PROGRAM_PAUSE: Duration = Duration::from_secs(30);

/// Complaints about a camera that are logged at once, and the time after which there may be one more.
const COMPLAINTS: u32 = 10;
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(3600);

/// A camera that has been live for so long works: the next trouble is news.
const WORKS_AFTER: Duration = Duration::from_secs(60);

/// A camera that is opened on demand is closed when nobody has watched for so long: a page that is loaded anew, or a line
/// that breaks for a moment, finds it open.
const UNWATCHED: Duration = Duration::from_secs(10);

/// While nobody watches, the word "stop" is looked for this often.
const NAP: Duration = Duration::from_millis(100);

/// When a camera is open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Opening {
    /// From the start to the end.
    Always,
    /// While somebody watches, and ten seconds longer.
    OnDemand,
}

/// What a camera does beside giving pictures.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Habits {
    /// When it is open.
    pub opening: Opening,
    /// Its bit rate follows the viewers' lines within this range (bits per second), where its encoder can.
    pub bitrates: Option<RangeInclusive<u32>>,
}

/// Runs a camera until the program stops.
pub fn run(spec: &Spec, context: &source::Context, habits: &Habits, publisher: &Publisher) {
    if habits.opening == Opening::OnDemand {
        logger::count_notes_as_clients();
    }
    let mut camera = Camera::new(context, habits, publisher);
    let mut pause = SHORTEST_PAUSE;
    while !context.shutdown.is_triggered() {
        if camera.idle_timer.opening == Opening::OnDemand && !camera.wait_for_viewer(context) {
            break;
        }
        let pictures_before = camera.publisher.frames();
        let end = match source::open(spec, context) {
            Ok(mut source) => {
                camera.refused(
                    context
                        .controls
                        .on_camera_opened(source.controls())
                        .as_deref(),
                );
                let wanted = context.settings.orientation();
                let left = wanted.left_after(source.applied_orientation());
                camera.muxer.orient(left);
                // In a JPEG there is no word on how it is to be laid.
                let is_upright = left == Orientation::default();
                publisher.set_has_jpegs(is_upright && source.gives_jpegs());
                let end = camera.play(source, spec, &context.controls);
                publisher.set_has_jpegs(false);
                context.controls.on_camera_closed();
                end
            }
            Err(error) => Err(error),
        };
        let Err(error) = end else {
            pause = SHORTEST_PAUSE;
            continue;
        };
        if matches!(error.kind(), Error::Stopped) {
            break;
        }
        camera.complain(&error, context);
        // Standard input cannot be opened again.
        let is_final = *spec == Spec::Stdin && matches!(error.kind(), Error::NotH264 { .. });
        if is_final || matches!(error.kind(), Error::Ended(_)) {
            break;
        }
        if camera.publisher.frames() > pictures_before {
            pause = SHORTEST_PAUSE;
            camera.publisher.count_restart();
        }
        camera.rest(pause, context);
        pause = (pause * 2).min(longest_pause(spec));
    }
}

fn longest_pause(spec: &Spec) -> Duration {
    match spec {
        Spec::Exec(_) => LONGEST_PROGRAM_PAUSE,
        Spec::Rpicam(_) => LONGEST_RPICAM_PAUSE,
        _ => LONGEST_PAUSE,
    }
}

/// Publishes what an open source gives until it fails; its pieces are access units, or say where those end. For sources that
/// are made up (measurements, tests).
pub fn play(
    source: Box<dyn Source>,
    context: &source::Context,
    habits: &Habits,
    publisher: &Publisher,
) -> Result<(), Error> {
    let as_device = Spec::V4l2(PathBuf::new());
    Camera::new(context, habits, publisher).play(source, &as_device, &context.controls)
}

/// Sources that are programs: started again, they begin with a keyframe.
fn can_restart(spec: &Spec) -> bool {
    matches!(spec, Spec::Auto | Spec::Rpicam(_) | Spec::Exec(_))
}

/// Which sources say where an access unit ends.
fn ends(spec: &Spec) -> Ends {
    match spec {
        Spec::V4l2(_) | Spec::File(_) | Spec::Test => Ends::FromDevice,
        // Of the devices none ever pauses within a picture.
        Spec::Auto | Spec::Rpicam(_) | Spec::Exec(_) | Spec::Stdin => Ends::Learned,
    }
}

struct Camera<'a> {
    name: &'a str,
    publisher: &'a Publisher,
    muxer: Muxer,
    has_worked: bool,
    complaints: Folded,
    /// A complaint stands in the log that is not answered by the word "live".
    has_complained: bool,
    live_since: Option<Timestamp>,
    idle_timer: Watch,
    keyframes: KeyframeWatch,
    /// Whoever joins now can begin.
    has_entry: bool,
    bitrates: Option<RangeInclusive<u32>>,
}

impl<'a> Camera<'a> {
    fn new(context: &'a source::Context, habits: &Habits, publisher: &'a Publisher) -> Self {
        Self {
            name: &context.name,
            publisher,
            muxer: Muxer::new(context.settings.fps),
            has_worked: false,
            complaints: Folded::new(COMPLAINTS, COMPLAINT_INTERVAL),
            has_complained: false,
            live_since: None,
            idle_timer: Watch::new(habits.opening, Timestamp::now()),
            keyframes: KeyframeWatch::default(),
            has_entry: true,
            bitrates: habits.bitrates.clone(),
        }
    }

    /// Says that the camera is closed, and returns when somebody watches; false if the program stops.
    fn wait_for_viewer(&mut self, context: &source::Context) -> bool {
        if self.publisher.enter_idle() {
            log::info!("{}: closed until somebody watches", self.name);
            while !self.publisher.wait_for_demand(NAP) {
                if context.shutdown.is_triggered() {
                    return false;
                }
            }
            self.publisher.set_status(CameraState::Starting, "");
        }
        self.idle_timer.watched_at = Timestamp::now();
        true
    }

    /// Publishes what `source` gives until it fails, or until nobody wants it any more.
    fn play(
        &mut self,
        mut source: Box<dyn Source>,
        spec: &Spec,
        server: &Server,
    ) -> Result<(), Error> {
        let mut assembler = Assembler::new(ends(spec));
        let mut pictures = Pictures::new();
        let mut signs = Signs::new(Timestamp::now());
        let mut has_keyframe = false;
        self.has_entry = true;
        let mut keyframes = KeyframeRequests::default();
        let mut dropped = 0;
        self.publisher
            .set_makes_keyframes_on_request(source.can_make_keyframes());
        let mut adaptation = self.adaptation(source.as_ref());
        loop {
            server.process_requests(source.controls());
            if let Some(chunk) = source.read()? {
                if !chunk.annexb.is_empty() {
                    signs.data(Timestamp::now());
                }
                assembler.push(chunk.annexb, chunk.captured_at, chunk.end, &mut |unit| {
                    if has_slices(&unit) {
                        signs.slices();
                    }
                    // The first one is a keyframe.
                    if let Some(picture) = pictures.push(unit) {
                        signs.picture(Timestamp::now());
                        has_keyframe = true;
                        self.publish(&picture);
                    }
                });
                if assembler.has_given_all() {
                    source.spare_pause();
                }
            }
            if let Some(oversize) = assembler.take_oversize() {
                signs.oversize(oversize);
                self.publisher.count_dropped(1);
                self.log(&format!("frame dropped: {oversize}"));
            }
            self.publisher.fulfil_jpeg_request(|| {
                let (captured_at, jpeg) = source.newest_jpeg()?;
                let bytes = Bytes::copy_from_slice(jpeg);
                Some(Jpeg { bytes, captured_at })
            });
            let lost = source.dropped();
            if lost > dropped {
                self.publisher.count_dropped(lost - dropped);
                dropped = lost;
            }
            let now = Timestamp::now();
            if let Some(words) = source.trouble() {
                self.note(&Error::Lost(words).because(Cause::ENCODER));
            } else if let Some(finding) = signs.look(now, source.silence_limit()) {
                // Standard input cannot be opened anew, and what was learned from it would be lost.
                if finding.is_final() && *spec != Spec::Stdin {
                    return Err(finding.error());
                }
                self.note(&finding.error());
            }
            if self.idle_timer.is_over(now, || self.publisher.has_demand()) {
                return Ok(());
            }
            if source.can_make_keyframes()
                && keyframes.are_due(self.publisher.take_keyframe_request() || !has_keyframe, now)
            {
                source.request_keyframe();
            }
            self.help_to_begin(spec, now)?;
            if let Some(adaptation) = &mut adaptation
                && adaptation.is_due(now)
                && let Some(wanted) = adaptation.advise(&self.publisher.link_summary(), now)
            {
                let taken = source.set_bitrate(wanted);
                log::debug!("{}: bit rate {wanted} for the lines: {taken:?}", self.name);
            }
        }
    }

    /// Does what can be done for viewers who cannot begin for want of a keyframe.
    fn help_to_begin(&mut self, spec: &Spec, now: Timestamp) -> Result<(), Error> {
        let is_missed = !self.has_entry && self.publisher.is_keyframe_missing();
        match self.keyframes.check(is_missed, can_restart(spec), now) {
            None => {}
            Some(Remedy::Restart) => {
                let words = format!("{NO_KEYFRAMES}. It is started again for one");
                return Err(Error::Lost(words).because(Cause::NO_KEYFRAME));
            }
            Some(Remedy::BeginAnywhere) => self.publisher.allow_start_anywhere(),
        }
        Ok(())
    }

    /// What keeps the bit rate to what the viewers' lines carry, if that is wanted and possible.
    fn adaptation(&mut self, source: &dyn Source) -> Option<Adaptation> {
        let range = self.bitrates.clone()?;
        if !source.can_set_bitrate() {
            self.log("adaptive: this source cannot change its bit rate while it runs");
            return None;
        }
        Some(Adaptation::new(range))
    }

    fn publish(&mut self, picture: &crate::h264::Picture<'_>) {
        let fragment = self.muxer.fragment(picture);
        let init = fragment.init.clone();
        // First the word, then the picture: a viewer is told in this order.
        self.has_entry |= fragment.is_keyframe;
        if !self.has_entry {
            if self.publisher.set_status(CameraState::Live, NO_KEYFRAMES) {
                self.log(NO_KEYFRAMES);
            }
        } else if self.publisher.set_status(CameraState::Live, "") {
            let (name, width, height) = (self.name, init.width, init.height);
            // A camera that comes and goes again and again is told as often as its troubles.
            let is_news = self.has_complained || !self.has_worked;
            let level = if is_news { Level::Info } else { Level::Debug };
            log::log!(level, "{name}: live, {width}x{height}, {}", init.codec);
            (self.has_worked, self.has_complained) = (true, false);
            self.live_since = Some(Timestamp::now());
        }
        self.has_entry = self.publisher.publish(fragment, Timestamp::now());
    }

    /// Waits before the source is opened again. The first viewer ends a long wait.
    fn rest(&self, pause: Duration, context: &source::Context) {
        let end = Timestamp::now() + pause;
        let is_watched = self.publisher.has_demand();
        loop {
            let left = end.since(Timestamp::now());
            let is_new = pause > LONGEST_PAUSE && !is_watched && self.publisher.has_demand();
            if left.is_zero() || is_new || context.shutdown.sleep(left.min(NAP)) {
                return;
            }
        }
    }

    /// The source has failed.
    fn complain(&mut self, error: &Error, context: &source::Context) {
        let now = Timestamp::now();
        let has_worked = |since: Timestamp| now.since(since) >= WORKS_AFTER;
        if self.live_since.take().is_some_and(has_worked) {
            self.complaints.clear();
            context.renew_log();
        }
        self.tell(error);
        self.log(&error.to_string());
    }

    /// The camera does not take some of the controls that are wished for.
    fn refused(&mut self, news: Option<&[String]>) {
        for words in news.unwrap_or_default() {
            log::warn!("{}: controls: {words}", self.name);
        }
    }

    /// The source is open, but something is the matter: said once.
    fn note(&mut self, error: &Error) {
        if self.tell(error) {
            self.log(&error.to_string());
        }
    }

    /// Tells viewers the public cause; returns true if anything about the error is news.
    fn tell(&self, error: &Error) -> bool {
        let reason = error.cause().to_string();
        self.publisher
            .set_failure(self.without_pictures(), &reason, &error.to_string())
    }

    fn without_pictures(&self) -> CameraState {
        if self.has_worked {
            CameraState::Lost
        } else {
            CameraState::Waiting
        }
    }

    fn log(&mut self, text: &str) {
        match self.complaints.note(text, Timestamp::now()) {
            Some(line) => {
                log::warn!("{}: {line}", self.name);
                self.has_complained = true;
            }
            None => log::debug!("{}: {text}", self.name),
        }
    }
}

fn has_slices(unit: &AccessUnit<'_>) -> bool {
    let mut headers = unit.nals.iter().filter_map(Header::of);
    headers.any(|header| header.unit_type().has_slice_header())
}

/// Whether anybody has watched of late.
struct Watch {
    opening: Opening,
    watched_at: Timestamp,
}

impl Watch {
    fn new(opening: Opening, now: Timestamp) -> Self {
        Self {
            opening,
            watched_at: now,
        }
    }

    /// True if the camera may be closed.
    fn is_over(&mut self, now: Timestamp, is_watched: impl FnOnce() -> bool) -> bool {
        if self.opening == Opening::Always {
            return false;
        }
        if is_watched() {
            self.watched_at = now;
        }
        now.since(self.watched_at) >= UNWATCHED
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_camera_on_demand_is_closed_some_seconds_after_the_last_viewer() {
        let at = |seconds: u64| Timestamp::from_nanos(seconds * 1_000_000_000);
        let mut watch = Watch::new(Opening::OnDemand, at(0));
        assert!(!watch.is_over(at(9), || false));
        assert!(!watch.is_over(at(15), || true), "a new viewer just in time");
        assert!(!watch.is_over(at(24), || false));
        assert!(watch.is_over(at(25), || false));
        assert!(!Watch::new(Opening::Always, at(0)).is_over(at(99), || false));
    }
}
