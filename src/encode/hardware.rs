//! Hardware encoders that V4L2 knows (memory-to-memory devices).
//!
//! An encoder that swallows frames, fails at them, stops, reports an error or vanishes is opened
//! again with growing pauses, while the camera stays open. One that does not recover in some
//! seconds is given up, with the reason.

mod messages;

use super::pixel_layout::conversion_cost;
use super::{
    Bitrate, Config, Encoder, EncoderFactory, Error, FrameMemory, HEALTHY_AFTER, RawFrame,
    RawVideoFormat, pixel_layout,
};
use crate::time::Timestamp;
use messages::{message, no_encoder_message};
use rustix::fd::BorrowedFd;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;
use v4l2::controls::{flag, id};
use v4l2::m2m::{
    self, EncoderConfig, EncoderNode, EncoderOutput, InputFrame, NegotiationError, RateControl,
    RawFormat,
};
use v4l2::{Device, DeviceError, FourCc};

/// Default bit rate, in bits per pixel and frame that look well. Drivers' own default (ten megabits
/// on a Raspberry Pi, for every size) is more than most links carry.
const BITS_PER_PIXEL: f64 = 0.1;
/// Longest silence of a working encoder while it has frames, or five frame durations.
const STALL_TIMEOUT: Duration = Duration::from_secs(1);
/// Pause before an encoder is opened again: it doubles with each failure.
const BACKOFF_MIN: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(1);
/// Failures, with some frames in between, after which an encoder is given up.
const MAX_FAILURES: u32 = 20;
/// Time without a frame after which another encoder may do better.
const GIVE_UP_AFTER: Duration = Duration::from_secs(5);
/// Damaged frames in a row that are no exception any more.
const MAX_CONSECUTIVE_DAMAGED: u32 = 10;
/// Largest parameter sets.
const MAX_HEADER_BYTES: usize = 64 * 1024;

/// Returns the factories of the hardware encoders, by the number of their node; at least one.
pub(super) fn factories() -> Result<Vec<Box<dyn EncoderFactory>>, Error> {
    let (found, unknown) = m2m::find(FourCc::H264);
    if found.is_empty() {
        return Err(Error(no_encoder_message(&unknown)));
    }
    Ok(found
        .into_iter()
        .map(|found| Box::new(HardwareFactory(found)) as Box<dyn EncoderFactory>)
        .collect())
}

#[derive(Debug)]
struct HardwareFactory(EncoderNode);

impl HardwareFactory {
    fn title(&self) -> String {
        let EncoderNode { path, identity, .. } = &self.0;
        format!("hardware {} ({})", path.display(), identity.card)
    }
}

impl EncoderFactory for HardwareFactory {
    fn name(&self) -> String {
        self.title()
    }

    fn cost(&self, fourcc: FourCc) -> Option<u32> {
        self.0
            .raw_formats
            .contains(&fourcc)
            .then(|| conversion_cost(fourcc))?
    }

    fn max_size(&self) -> (u32, u32) {
        self.0.max_size.unwrap_or((1920, 1920))
    }

    fn open(&self, format: &RawVideoFormat, settings: &Config) -> Result<Box<dyn Encoder>, Error> {
        if pixel_layout(format.fourcc).is_none() {
            let fourcc = format.fourcc;
            return Err(Error(format!(
                "it is not known how {fourcc} lies in memory"
            )));
        }
        let mut encoder = RestartingEncoder::new(self, format, settings);
        encoder.open().map_err(Error)?;
        Ok(Box::new(encoder))
    }
}

/// An encoder, or the wait for it.
#[derive(Debug)]
enum State {
    Open(Box<m2m::Encoder>),
    Closed { until: Timestamp },
}

/// Encoder that is opened again whenever it fails.
#[derive(Debug)]
struct RestartingEncoder {
    title: String,
    card: String,
    path: PathBuf,
    config: EncoderConfig,
    /// Longest silence while it has frames.
    stall_timeout: Duration,
    state: State,
    /// Range of its bit rate control; `None` if it has none.
    bitrates: Option<RangeInclusive<u32>>,
    backoff: Duration,
    /// Failures since it last worked for [`HEALTHY_AFTER`].
    failures: u32,
    opened_at: Timestamp,
    /// Time of the last frame out, or of the first frame in.
    progress_at: Timestamp,
    /// Reason for its silence, and since when.
    stall: Option<(String, Timestamp)>,
    consecutive_damaged: u32,
    wants_keyframe: bool,
    /// Parameter sets that came without a frame.
    headers: Vec<u8>,
    dropped: u64,
}

impl RestartingEncoder {
    fn new(hardware: &HardwareFactory, format: &RawVideoFormat, settings: &Config) -> Self {
        let fps = settings.fps.round().clamp(1.0, 1000.0) as u32;
        // Frames of the JPEG decoder are in our memory, and so are never imported.
        let is_ours = format.strides == [0; 3];
        Self {
            title: hardware.title(),
            card: hardware.0.identity.card.clone(),
            path: hardware.0.path.clone(),
            config: EncoderConfig {
                coded: FourCc::H264,
                raw: RawFormat {
                    fourcc: format.fourcc,
                    width: format.width,
                    height: format.height,
                    strides: format.strides,
                },
                rate: RateControl {
                    fps,
                    bitrate: Some(
                        settings
                            .bitrate
                            .unwrap_or_else(|| default_bitrate(format, fps)),
                    ),
                    keyframe_interval: settings.keyframe_interval.get(),
                },
                import: !is_ours,
            },
            stall_timeout: STALL_TIMEOUT.max(Duration::from_secs(5) / fps),
            state: State::Closed {
                until: Timestamp::default(),
            },
            bitrates: None,
            backoff: BACKOFF_MIN,
            failures: 0,
            opened_at: Timestamp::default(),
            progress_at: Timestamp::default(),
            stall: None,
            consecutive_damaged: 0,
            wants_keyframe: false,
            headers: Vec::new(),
            dropped: 0,
        }
    }

    fn open(&mut self) -> Result<(), String> {
        // Many drivers have room for one user only.
        self.state = State::Closed {
            until: Timestamp::default(),
        };
        let mut notes = Vec::new();
        let mut start = |wanted: &EncoderConfig| {
            notes.clear();
            let device = Device::open(&self.path)
                .map_err(|failure| NegotiationError::Syscall("opening it", failure))?;
            m2m::Encoder::start(device, wanted, &mut notes)
        };
        let mut encoder = start(&self.config);
        if let Err(NegotiationError::Import(why)) = &encoder {
            self.config.import = false;
            log::debug!("{}: frames are copied to it ({why})", self.title);
            encoder = start(&self.config);
        }
        let encoder = encoder.map_err(|refusal| match refusal {
            NegotiationError::Syscall(what, failure) => {
                format!("{} while {what}", message(failure))
            }
            other => other.to_string(),
        })?;
        if self.opened_at == Timestamp::default() {
            for note in notes {
                log::info!("{}: {note}", self.title);
            }
        }
        let now = Timestamp::now();
        self.bitrates = bitrates(encoder.device());
        self.state = State::Open(Box::new(encoder));
        (self.opened_at, self.progress_at) = (now, now);
        self.consecutive_damaged = 0;
        self.headers.clear();
        Ok(())
    }

    /// Closes the encoder until the backoff is over.
    fn close_with_backoff(&mut self, why: String) {
        let now = Timestamp::now();
        if let State::Open(encoder) = &self.state {
            // Whoever is in it does not come out any more.
            self.dropped += encoder.in_flight();
            if self.stall.is_none() && now.since(self.opened_at) >= HEALTHY_AFTER {
                (self.backoff, self.failures) = (BACKOFF_MIN, 0);
            }
            self.failures += 1;
        }
        self.state = State::Closed {
            until: now + self.backoff,
        };
        self.backoff = (self.backoff * 2).min(BACKOFF_MAX);
        match &mut self.stall {
            Some((known, _)) if *known == why => {}
            Some((known, _)) => {
                log::debug!("{}: {why}", self.title);
                *known = why;
            }
            None => {
                log::debug!("{}: {why}; opening it again", self.title);
                self.stall = Some((why, now));
            }
        }
    }

    /// Finds the node of a driver that was reloaded.
    fn rediscover_node(&mut self) {
        if !self.path.exists() {
            let (found, _) = m2m::find(FourCc::H264);
            let same = found.into_iter().find(|it| it.identity.card == self.card);
            if let Some(found) = same {
                self.path = found.path;
            }
        }
    }

    /// Opens it again when that is due; an error ends it.
    fn reopen_if_due(&mut self) -> Result<(), Error> {
        let State::Closed { until } = self.state else {
            return Ok(());
        };
        let now = Timestamp::now();
        if now >= until {
            self.rediscover_node();
            if let Err(why) = self.open() {
                self.close_with_backoff(why);
            }
        }
        match &self.stall {
            Some((why, since))
                if now.since(*since) >= GIVE_UP_AFTER || self.failures >= MAX_FAILURES =>
            {
                Err(Error(format!("{}: {why}", self.title)))
            }
            _ => Ok(()),
        }
    }

    /// Queues a frame; the caller handles a failure.
    fn queue_frame(&mut self, picture: RawFrame, keyframe: bool) -> Result<(), DeviceError> {
        let State::Open(encoder) = &mut self.state else {
            return Err(DeviceError::WouldBlock);
        };
        if encoder.in_flight() == 0 {
            self.progress_at = Timestamp::now();
        }
        if keyframe || self.wants_keyframe {
            // One that cannot makes them by itself now and then.
            encoder.force_keyframe()?;
            self.wants_keyframe = false;
        }
        let captured_at = picture.captured_at.into();
        match picture.memory {
            FrameMemory::Driver(held) => encoder.queue_input(InputFrame::Import(held), captured_at),
            FrameMemory::Owned(pieces) => {
                let [a, b, c] = &pieces;
                encoder.queue_input(InputFrame::Copy([a, b, c]), captured_at)
            }
        }
    }

    /// Returns the next access unit.
    fn next_access_unit(&mut self, annexb: &mut Vec<u8>) -> Result<Option<Timestamp>, String> {
        let State::Open(encoder) = &mut self.state else {
            return Ok(None);
        };
        let failed = encoder.collect_inputs().map_err(message)?;
        if failed > 0 {
            log::debug!("{}: {failed} frames failed", self.title);
            self.wants_keyframe = true;
        }
        loop {
            annexb.append(&mut self.headers);
            let ahead = annexb.len();
            match encoder.dequeue_output(annexb) {
                Ok(EncoderOutput::Frame {
                    captured_at,
                    dropped,
                    ..
                }) => {
                    if dropped > 0 {
                        log::debug!("{}: {dropped} frames dropped", self.title);
                    }
                    self.dropped += u64::from(dropped);
                    self.consecutive_damaged = 0;
                    return Ok(Some(captured_at.into()));
                }
                Ok(EncoderOutput::Continuation { captured_at }) => {
                    return Ok(Some(captured_at.into()));
                }
                Ok(EncoderOutput::ParameterSets) => {}
                Ok(EncoderOutput::Empty) => annexb.truncate(ahead),
                Ok(EncoderOutput::Error) => {
                    annexb.truncate(ahead);
                    self.dropped += 1;
                    self.consecutive_damaged += 1;
                    // Later frames may refer to it.
                    self.wants_keyframe = true;
                    if self.consecutive_damaged >= MAX_CONSECUTIVE_DAMAGED {
                        return Err("it fails at every picture".into());
                    }
                }
                Ok(EncoderOutput::LastBuffer) => return Err("it has stopped by itself".into()),
                Ok(EncoderOutput::SourceChange) => return Err("it must be set up again".into()),
                Err(DeviceError::WouldBlock) => {
                    self.headers.append(annexb);
                    return Ok(None);
                }
                Err(failure) => return Err(message(failure)),
            }
            if annexb.len() > MAX_HEADER_BYTES {
                annexb.clear();
            }
            self.headers.append(annexb);
        }
    }

    fn is_stalled(&self, now: Timestamp) -> bool {
        match &self.state {
            State::Open(encoder) => {
                encoder.in_flight() > 0 && now.since(self.progress_at) > self.stall_timeout
            }
            State::Closed { .. } => false,
        }
    }
}

impl Encoder for RestartingEncoder {
    fn name(&self) -> String {
        self.title.clone()
    }

    fn has_room(&self) -> bool {
        match &self.state {
            State::Open(encoder) => encoder.has_room(),
            // Pictures are lost meanwhile, and counted.
            State::Closed { .. } => true,
        }
    }

    fn submit(&mut self, picture: RawFrame, keyframe: bool) -> Result<(), Error> {
        self.reopen_if_due()?;
        let done = self.queue_frame(picture, keyframe);
        if done.is_err() {
            self.dropped += 1;
            self.wants_keyframe = true;
        }
        match done {
            Ok(()) | Err(DeviceError::WouldBlock) => {}
            // Buffers of one driver that another cannot read are refused only when the first one comes.
            Err(failure) if self.config.import && failure != DeviceError::NoDevice => {
                log::info!(
                    "{}: it cannot read the camera's buffers ({failure}); frames are copied to it",
                    self.title
                );
                self.config.import = false;
                if let Err(why) = self.open() {
                    self.close_with_backoff(why);
                }
            }
            Err(failure) => self.close_with_backoff(message(failure)),
        }
        Ok(())
    }

    fn take_access_unit(&mut self, annexb: &mut Vec<u8>) -> Result<Option<Timestamp>, Error> {
        annexb.clear();
        match self.next_access_unit(annexb) {
            Ok(Some(captured_at)) => {
                self.progress_at = Timestamp::now();
                if self.stall.take().is_some() {
                    log::debug!("{}: it works again", self.title);
                }
                return Ok(Some(captured_at));
            }
            Ok(None) if self.is_stalled(Timestamp::now()) => {
                self.close_with_backoff("it takes pictures and gives none".into());
            }
            Ok(None) => {}
            Err(why) => self.close_with_backoff(why),
        }
        annexb.clear();
        Ok(None)
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        match &self.state {
            State::Open(encoder) => Some(encoder.fd()),
            State::Closed { .. } => None,
        }
    }

    fn bitrate(&self) -> Option<Bitrate> {
        let range = self.bitrates.clone()?;
        // A driver takes the nearest that it has.
        let now = self
            .config
            .rate
            .bitrate?
            .clamp(*range.start(), *range.end());
        Some(Bitrate { now, range })
    }

    fn set_bitrate(&mut self, bits_per_second: u32) -> Result<(), Error> {
        self.config.rate.bitrate = Some(bits_per_second);
        let State::Open(encoder) = &self.state else {
            return Ok(());
        };
        match encoder.set_bitrate(bits_per_second) {
            Some(Ok(taken)) => {
                self.config.rate.bitrate = u32::try_from(taken).ok().or(self.config.rate.bitrate);
                Ok(())
            }
            // Not while it runs; a new one begins with a keyframe.
            Some(Err(DeviceError::Busy)) => self.open().map_err(Error),
            Some(Err(failure)) => Err(Error(format!("{}: {}", self.title, message(failure)))),
            None => Err(Error(format!("{}: it has no control for that", self.title))),
        }
    }

    fn dropped(&self) -> u64 {
        self.dropped
    }

    fn stall_reason(&self) -> Option<String> {
        let (why, _) = self.stall.as_ref()?;
        Some(format!("the encoder ({}): {why}", self.title))
    }
}

/// Returns the range of the driver's bit rate control.
fn bitrates(device: &Device) -> Option<RangeInclusive<u32>> {
    let mut controls = device.controls().into_iter();
    let control =
        controls.find(|control| control.id == id::BITRATE && !control.has(flag::READ_ONLY))?;
    let of = |value: i64| u32::try_from(value.max(1)).unwrap_or(u32::MAX);
    (control.minimum <= control.maximum).then(|| of(control.minimum)..=of(control.maximum))
}

fn default_bitrate(format: &RawVideoFormat, fps: u32) -> u32 {
    let pixels = f64::from(format.width) * f64::from(format.height) * f64::from(fps);
    (pixels * BITS_PER_PIXEL).clamp(200_000.0, 25_000_000.0) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_bit_rate_it_goes_by_the_size() {
        let format = RawVideoFormat {
            fourcc: FourCc::I420,
            width: 1280,
            height: 720,
            strides: [0; 3],
            colour: v4l2::Colorimetry::default(),
        };
        assert_eq!(default_bitrate(&format, 30), 2_764_800);
    }
}
