//! Supervisor of one camera: source to frames to hub, on the camera's own thread, until shutdown.
//!
//! After any failure of the source (absent, busy, unplugged, frozen, garbage, another size) it is
//! re-opened with exponential back-off. The reason is in the log, in the status and with the
//! viewers, who stay.

mod adaptive_bitrate;
mod assemble;
mod commands;
mod idle_timer;
mod keyframes;
mod liveness;
mod muxer;
mod passed_on;

use crate::camera_handle::Endpoint;
use crate::controls::{ControlValue, Server};
use crate::encode::EncoderPreference;
use crate::heartbeat::Heartbeat;
use crate::hub::{CameraState, Publisher};
use crate::logger::{self, LogRateLimit};
use crate::media::orientation::Orientation;
use crate::shutdown::ShutdownToken;
use crate::source::rpicam::options::RpicamOptions;
use crate::source::{self, Cause, Error, Input, SourceContext, SourceSpec};
use crate::time::Timestamp;
use adaptive_bitrate::BitrateController;
use assemble::{Assemble, Assembled};
use commands::PendingCommands;
use idle_timer::IdleTimer;
use keyframes::{KeyframeMonitor, KeyframeRequests, NO_KEYFRAMES, Remedy};
use liveness::LivenessMonitor;
use log::Level;
use muxer::Muxer;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;
use v4l2::FourCc;

/// First back-off before a source is re-opened; doubles with each failure.
const BACKOFF_MIN: Duration = Duration::from_millis(100);
/// Longest back-off for devices and files: a camera that is plugged in is soon found.
const BACKOFF_MAX: Duration = Duration::from_secs(2);
/// Longest back-off for cameras over NATS, whose connection is kept meanwhile.
#[cfg(feature = "nats")]
const NATS_BACKOFF_MAX: Duration = Duration::from_millis(500);
/// Longest back-off for Raspberry Pi cameras, whose program takes seconds to start.
const RPICAM_BACKOFF_MAX: Duration = Duration::from_secs(10);
/// Longest back-off for other programs.
const PROGRAM_BACKOFF_MAX: Duration = Duration::from_secs(30);

/// Errors of a camera that are logged at once, and the time after which one more may be.
const ERROR_LOG_BURST: u32 = 10;
const ERROR_LOG_INTERVAL: Duration = Duration::from_secs(3600);

/// Time live after which a camera counts as healthy: its next error is new.
const HEALTHY_AFTER: Duration = Duration::from_secs(60);

/// Interval of reports of the viewers to the source.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// Interval of shutdown checks without viewers.
const SHUTDOWN_POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Activation of a camera.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Activation {
    /// Open from start to shutdown.
    Always,
    /// Open while viewers watch, and ten seconds longer.
    OnDemand,
}

/// Configuration of a camera.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// Name in URLs: letters, digits, dot, dash and underscore.
    pub name: String,
    /// Name for people.
    pub title: Option<String>,
    /// Source of the frames.
    pub source: SourceSpec,
    /// The source as the user wrote it.
    pub source_text: String,
    /// Settings that are requested from the source.
    pub settings: source::Settings,
    /// Encoders that may be used, if the camera needs one.
    pub encoder: EncoderPreference,
    /// Format to take from the camera and encode; `None` takes the cheapest.
    pub pixel_format: Option<FourCc>,
    /// Options for rpicam-vid, if that is the source.
    pub rpicam: RpicamOptions,
    /// Activation of the camera.
    pub activation: Activation,
    /// Time without data after which the source is re-opened; zero means never, `None` means a learned time.
    pub stall_after: Option<Duration>,
    /// Values of controls, by name. Whether the camera has them shows when it is opened.
    pub controls: Vec<(String, ControlValue)>,
    /// Range of an adaptive bit rate, in bits per second, where the encoder can change it.
    pub adaptive_bitrate: Option<RangeInclusive<u32>>,
    /// RTSP frames end with an access unit delimiter; `None` decides for each client. It is the server's.
    pub rtsp_delimiter: Option<bool>,
}

impl Config {
    /// Returns the configuration of a camera that is always open, without settings beyond `settings`.
    pub fn new(name: &str, source: SourceSpec, settings: source::Settings) -> Self {
        Self {
            name: name.to_owned(),
            title: None,
            source,
            source_text: String::new(),
            settings,
            encoder: EncoderPreference::Auto,
            pixel_format: None,
            rpicam: RpicamOptions::default(),
            activation: Activation::Always,
            stall_after: None,
            controls: Vec::new(),
            adaptive_bitrate: None,
            rtsp_delimiter: None,
        }
    }

    /// Returns the context in which the source is opened. It outlives all restarts of the source.
    fn source_context(&self, shutdown: ShutdownToken, controls: Server) -> SourceContext {
        let mut context = SourceContext::new(&self.name, self.settings.clone(), shutdown);
        context.controls = controls;
        context.encoder = self.encoder;
        context.pixel_format = self.pixel_format;
        context.rpicam = self.rpicam.clone();
        context.stall_after = self.stall_after;
        context
    }
}

/// Runs a camera until shutdown. Each round beats `heartbeat`, with and without frames.
pub fn run(config: &Config, shutdown: ShutdownToken, endpoint: &Endpoint, heartbeat: &Heartbeat) {
    let spec = &config.source;
    if config.activation == Activation::OnDemand {
        logger::count_info_as_client();
    }
    let context = &config.source_context(shutdown, endpoint.controls.clone());
    let _standby = source::stand_by(spec);
    let mut camera = Camera::new(config, endpoint, heartbeat);
    let mut pause = BACKOFF_MIN;
    while !context.shutdown.is_triggered() {
        heartbeat.beat();
        if config.activation == Activation::OnDemand && !camera.wait_for_demand(context) {
            break;
        }
        let pictures_before = camera.publisher.frames();
        let end = match source::open(spec, context) {
            Ok(mut source) => {
                let rejected = endpoint.controls.on_camera_opened(source.controls());
                camera.log_rejected_controls(rejected.as_deref());
                let wanted = context.settings.orientation();
                let left = wanted.remaining_after(source.applied_orientation());
                camera.muxer.set_orientation(left);
                // A JPEG carries no orientation.
                let is_upright = left == Orientation::default();
                let has_jpegs = is_upright && source.has_jpeg();
                endpoint.commands.open(has_jpegs);
                endpoint.jpegs.set_has_jpegs(has_jpegs);
                let end = camera.play(source, spec);
                endpoint.controls.on_camera_closed();
                endpoint.commands.close();
                endpoint.jpegs.set_has_jpegs(false);
                end
            }
            Err(error) => Err(error),
        };
        let Err(error) = end else {
            pause = BACKOFF_MIN;
            continue;
        };
        if matches!(error.kind(), Error::Stopped) {
            break;
        }
        camera.report_failure(&error, context);
        // Standard input cannot be re-opened.
        let is_final = *spec == SourceSpec::Stdin && matches!(error.kind(), Error::NotH264 { .. });
        if is_final || matches!(error.kind(), Error::Ended(_)) {
            break;
        }
        if camera.publisher.frames() > pictures_before {
            pause = BACKOFF_MIN;
            camera.publisher.count_restart();
        }
        camera.back_off(pause, context);
        pause = (pause * 2).min(backoff_max(spec));
    }
    heartbeat.finish();
}

fn backoff_max(spec: &SourceSpec) -> Duration {
    match spec {
        SourceSpec::Exec(_) => PROGRAM_BACKOFF_MAX,
        SourceSpec::Rpicam(_) => RPICAM_BACKOFF_MAX,
        #[cfg(feature = "nats")]
        SourceSpec::Nats(_) => NATS_BACKOFF_MAX,
        _ => BACKOFF_MAX,
    }
}

/// Publishes the frames of an open source until it fails. Its chunks must be or mark access units.
/// For synthetic sources (measurements, tests).
pub fn play(source: Box<dyn Input>, config: &Config, endpoint: &Endpoint) -> Result<(), Error> {
    let as_device = SourceSpec::V4l2(PathBuf::new());
    Camera::new(config, endpoint, &Heartbeat::default()).play(source, &as_device)
}

/// Returns true for sources that begin with a keyframe when re-opened: programs and other servers.
fn can_restart(spec: &SourceSpec) -> bool {
    matches!(
        spec,
        SourceSpec::Auto | SourceSpec::Rpicam(_) | SourceSpec::Exec(_) | SourceSpec::Http(_)
    )
}

struct Camera<'a> {
    name: &'a str,
    endpoint: &'a Endpoint,
    heartbeat: &'a Heartbeat,
    publisher: &'a Publisher,
    muxer: Muxer,
    was_live: bool,
    error_log: LogRateLimit,
    /// True if the log has an error that no "live" line has followed.
    has_logged_error: bool,
    live_since: Option<Timestamp>,
    idle_timer: IdleTimer,
    keyframes: KeyframeMonitor,
    /// True if viewers who join now can start.
    can_join: bool,
    adaptive_bitrate: Option<RangeInclusive<u32>>,
}

impl<'a> Camera<'a> {
    fn new(config: &'a Config, endpoint: &'a Endpoint, heartbeat: &'a Heartbeat) -> Self {
        Self {
            name: &config.name,
            endpoint,
            heartbeat,
            publisher: &endpoint.publisher,
            muxer: Muxer::new(config.settings.fps),
            was_live: false,
            error_log: LogRateLimit::new(ERROR_LOG_BURST, ERROR_LOG_INTERVAL),
            has_logged_error: false,
            live_since: None,
            idle_timer: IdleTimer::new(config.activation == Activation::OnDemand, Timestamp::now()),
            keyframes: KeyframeMonitor::default(),
            can_join: true,
            adaptive_bitrate: config.adaptive_bitrate.clone(),
        }
    }

    /// Reports the camera as closed and waits for viewers; returns false on shutdown.
    fn wait_for_demand(&mut self, context: &SourceContext) -> bool {
        if self.publisher.enter_idle() {
            log::info!("{}: closed until somebody watches", self.name);
            while !self.publisher.wait_for_demand(SHUTDOWN_POLL_INTERVAL) {
                self.heartbeat.beat();
                if context.shutdown.is_triggered() {
                    return false;
                }
            }
            self.publisher.set_status(CameraState::Starting, "");
        }
        self.idle_timer.last_demand_at = Timestamp::now();
        true
    }

    /// Publishes the frames of `source` until it fails, or until the viewers are gone.
    fn play(&mut self, mut source: Box<dyn Input>, spec: &SourceSpec) -> Result<(), Error> {
        let mut commands = PendingCommands::default();
        let mut assemble = Assemble::new();
        let mut liveness = LivenessMonitor::new(Timestamp::now());
        let mut has_keyframe = false;
        self.can_join = true;
        let mut keyframes = KeyframeRequests::default();
        let mut dropped = 0;
        let makes_keyframes = source.can_make_keyframes();
        (self.endpoint.links).set_makes_keyframes_on_request(makes_keyframes);
        let mut controller = self.bitrate_controller(source.as_ref());
        let mut reported_at = Timestamp::default();
        loop {
            self.heartbeat.beat();
            if let Some(item) = source.read()? {
                assemble.push(item, &mut liveness, &mut |assembled| {
                    has_keyframe = true;
                    self.publish(&assembled);
                });
                if assemble.has_given_all() {
                    source.skip_next_pause();
                }
            }
            if let Some(oversize) = assemble.take_oversize() {
                liveness.on_oversize(oversize);
                self.publisher.count_dropped(1);
                self.log_throttled(&format!("frame dropped: {oversize}"));
            }
            commands.take(&self.endpoint.commands);
            commands.serve(&mut *source, &self.endpoint.controls);
            self.endpoint.jpegs.publish(|| source.latest_jpeg());
            let lost = source.dropped();
            if lost > dropped {
                self.publisher.count_dropped(lost - dropped);
                dropped = lost;
            }
            let now = Timestamp::now();
            if let Some(words) = source.stall_reason() {
                self.report_fault(&Error::Lost(words).because(Cause::ENCODER));
            } else if let Some(fault) = liveness.check(now, source.silence_limit()) {
                // Standard input cannot be re-opened, and what was learned from it would be lost.
                if fault.is_final() && *spec != SourceSpec::Stdin {
                    return Err(fault.error());
                }
                self.report_fault(&fault.error());
            }
            if self
                .idle_timer
                .should_close(now, || self.publisher.has_demand())
            {
                return Ok(());
            }
            if commands.wants_restart() {
                self.publisher.set_status(CameraState::Starting, "");
                self.publisher.count_restart();
                return Ok(());
            }
            if source.can_make_keyframes()
                && keyframes.is_due(commands.take_keyframe() || !has_keyframe, now)
            {
                source.request_keyframe();
            }
            self.recover_missing_keyframe(spec, now)?;
            if now.since(reported_at) >= REPORT_INTERVAL {
                reported_at = now;
                let congested = self.endpoint.links.congested();
                source.report_viewers(self.publisher.all_viewers(), &congested);
            }
            if let Some(controller) = &mut controller
                && controller.is_due(now)
                && let Some(wanted) = controller.next_bitrate(
                    self.publisher.all_viewers(),
                    self.endpoint.links.congested(),
                    now,
                )
            {
                let taken = source.set_bitrate(wanted);
                log::debug!("{}: bit rate {wanted} for the lines: {taken:?}", self.name);
            }
        }
    }

    /// Applies the remedy for viewers who cannot start without a keyframe.
    fn recover_missing_keyframe(&mut self, spec: &SourceSpec, now: Timestamp) -> Result<(), Error> {
        let is_missed = !self.can_join && self.publisher.is_keyframe_missing();
        match self.keyframes.check(is_missed, can_restart(spec), now) {
            None => {}
            Some(Remedy::Restart) => {
                let words = format!("{NO_KEYFRAMES}. It is started again for one");
                return Err(Error::Lost(words).because(Cause::NO_KEYFRAME));
            }
            Some(Remedy::StartAnywhere) => self.publisher.allow_start_anywhere(),
        }
        Ok(())
    }

    /// Returns the controller of the adaptive bit rate, if configured and possible.
    fn bitrate_controller(&mut self, source: &dyn Input) -> Option<BitrateController> {
        let range = self.adaptive_bitrate.clone()?;
        if !source.can_set_bitrate() {
            self.log_throttled("adaptive: this source cannot change its bit rate while it runs");
            return None;
        }
        Some(BitrateController::new(range))
    }

    fn publish(&mut self, assembled: &Assembled<'_>) {
        let frame = self.muxer.frame(assembled);
        let parameters = frame.parameters.clone();
        // The status comes before the frame, as viewers get them in this order.
        self.can_join |= frame.is_keyframe;
        if !self.can_join {
            if self.publisher.set_status(CameraState::Live, NO_KEYFRAMES) {
                self.log_throttled(NO_KEYFRAMES);
            }
        } else if self.publisher.set_status(CameraState::Live, "") {
            let (name, width, height) = (self.name, parameters.width, parameters.height);
            // A camera that comes and goes is logged as often as its errors.
            let is_news = self.has_logged_error || !self.was_live;
            let level = if is_news { Level::Info } else { Level::Debug };
            let codec = &parameters.rfc6381;
            log::log!(level, "{name}: live, {width}x{height}, {codec}");
            (self.was_live, self.has_logged_error) = (true, false);
            self.live_since = Some(Timestamp::now());
        }
        self.can_join = self.publisher.publish(frame, Timestamp::now());
    }

    /// Waits before the source is re-opened. The first viewer ends a long wait.
    fn back_off(&self, pause: Duration, context: &SourceContext) {
        let end = Timestamp::now() + pause;
        let is_watched = self.publisher.has_demand();
        loop {
            self.heartbeat.beat();
            let left = end.since(Timestamp::now());
            let is_new = (pause > BACKOFF_MAX && !is_watched && self.publisher.has_demand())
                || self.endpoint.commands.take_restart();
            if left.is_zero() || is_new || context.shutdown.sleep(left.min(SHUTDOWN_POLL_INTERVAL))
            {
                return;
            }
        }
    }

    /// Reports a failure of the source.
    fn report_failure(&mut self, error: &Error, context: &SourceContext) {
        let now = Timestamp::now();
        let has_worked = |since: Timestamp| now.since(since) >= HEALTHY_AFTER;
        if self.live_since.take().is_some_and(has_worked) {
            self.error_log.clear();
            context.reset_log_quota();
        }
        self.set_failure_status(error);
        self.log_throttled(&error.to_string());
    }

    /// Logs the configured controls that the camera rejected.
    fn log_rejected_controls(&mut self, news: Option<&[String]>) {
        for words in news.unwrap_or_default() {
            log::warn!("{}: controls: {words}", self.name);
        }
    }

    /// Reports a fault of an open source once.
    fn report_fault(&mut self, error: &Error) {
        if self.set_failure_status(error) {
            self.log_throttled(&error.to_string());
        }
    }

    /// Sets the public cause in the status; returns true if the error is new.
    fn set_failure_status(&self, error: &Error) -> bool {
        let reason = error.cause().to_string();
        self.publisher
            .set_failure(self.offline_state(), &reason, &error.to_string())
    }

    fn offline_state(&self) -> CameraState {
        if self.was_live {
            CameraState::Lost
        } else {
            CameraState::Waiting
        }
    }

    fn log_throttled(&mut self, text: &str) {
        match self.error_log.note(text, Timestamp::now()) {
            Some(line) => {
                log::warn!("{}: {line}", self.name);
                self.has_logged_error = true;
            }
            None => log::debug!("{}: {text}", self.name),
        }
    }
}
