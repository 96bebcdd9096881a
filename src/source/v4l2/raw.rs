//! A camera that gives raw pictures or JPEGs, through an encoder of ours ([`crate::encode`]).
//!
//! A thread takes pictures from the camera and keeps the newest ([`capture`]); the camera's own thread encodes that one whenever
//! the encoder has room. Nothing else waits anywhere, so that delay is bounded by one picture whatever the machine carries.

pub mod capture;
pub mod choice;
mod decoding;
mod knobs;

use super::knobs::Knobs;
use super::settings::{self, Report};
use super::{FIRST_PICTURE, Refusal, SLICE, STALL};
use crate::encode::{self, Candidate, Encoder, Picture, Pixels, Shape};
use crate::h264::End;
use crate::orientation::Orientation;
use crate::panel::Board;
use crate::source::{Chunk, Context, Error, Source};
use crate::stop::Woken;
use crate::time::Timestamp;
use crate::v4l2::{self, Agreed, Capture, Colour, Device, Failure, FourCc, Held, Step, Stream};
use capture::{Capturing, Frame};
use choice::{Mode, Offer, Wanted};
use decoding::Decoding;
use rustix::event::PollFlags;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// One is the newest, one is being encoded, two are being filled, and one is for a late wake-up.
const BUFFERS: u32 = 5;
/// Pictures that nobody had time for are told this often at most.
const TELL_PAUSE: Duration = Duration::from_secs(60);
/// More than any raw format: a camera that has the choice has it because its cable does not carry raw pictures so large.
const JPEG_WORK: u32 = 100;

/// How much work a pixel of a format is for an encoder; JPEGs are decoded for it.
pub fn work(encoder: &dyn Candidate, fourcc: FourCc) -> Option<u32> {
    if is_jpeg(fourcc) {
        encoder.work(FourCc::I420).map(|work| work + JPEG_WORK)
    } else {
        encoder.work(fourcc)
    }
}

fn is_jpeg(fourcc: FourCc) -> bool {
    [FourCc::MJPG, FourCc::JPEG].contains(&fourcc)
}

/// For the list of cameras: the encoder that a camera with these offers would be encoded by, and the mode that would be taken of
/// it; else why there is none.
pub fn plan(offers: &[Offer], wanted: &Wanted) -> Result<(String, Mode), String> {
    let found = encode::candidates(encode::Choice::Auto).map_err(|error| error.0)?;
    found
        .candidates
        .iter()
        .find_map(|candidate| {
            let work = |fourcc| work(candidate.as_ref(), fourcc);
            let mode = choice::choose(offers, wanted, candidate.largest(), work)?;
            Some((candidate.name(), mode))
        })
        .ok_or_else(|| format!("no encoder takes its formats ({})", formats(offers)))
}

/// All formats, sizes and rates of a camera.
fn offers(device: &Device, capture: Capture) -> Vec<Offer> {
    let formats = device.formats(capture).into_iter();
    formats
        .map(|format| {
            let sizes = device.sizes(format.fourcc).into_iter();
            let with_rates = sizes.map(|size| (size, device.rates_of(format.fourcc, size)));
            (format.fourcc, with_rates.collect())
        })
        .collect()
}

fn formats(offers: &[Offer]) -> String {
    let formats: Vec<String> = offers.iter().map(|(it, _)| it.to_string()).collect();
    formats.join(", ")
}

/// Chooses an encoder and a mode, and starts the camera.
pub(super) fn start(
    device: Device,
    capture: Capture,
    path: &Path,
    context: &Context,
) -> Result<Box<dyn Source>, Refusal> {
    let useless = |error: encode::Error| {
        Refusal::Useless(format!(
            "this camera gives no H.264, and there is no encoder for it: {error}"
        ))
    };
    let found = encode::candidates(context.encoder).map_err(useless)?;
    let mut report = Report::default();
    let orientation = settings::orient(&device, &context.settings, &mut report);
    let mut offers = offers(&device, capture);
    if let Some(format) = context.pixel_format {
        let formats = formats(&offers);
        offers.retain(|(fourcc, _)| *fourcc == format);
        if offers.is_empty() {
            return Err(Refusal::Useless(format!(
                "this camera does not give {format} (--pixel-format), but {formats}"
            )));
        }
    }
    let mut reasons: Vec<String> = found.missing.into_iter().collect();
    let candidates = in_order(found.candidates, context, &mut reasons);
    for candidate in &candidates {
        match setup(&device, capture, candidate.as_ref(), &offers, context) {
            Ok(setup) => {
                context.panel.apply(Some(&mut Knobs::new(&device)));
                setup.log(&device, path, context, &reasons);
                report.log(&context.name);
                return run(device, capture, setup, path, context, orientation);
            }
            Err(Trouble::Camera(failure, step)) => {
                return Err(Refusal::Failed(
                    failure,
                    step,
                    Some(device.identity().clone()),
                ));
            }
            Err(Trouble::Encoder(reason)) => {
                reasons.push(format!("{}: {reason}", candidate.name()));
            }
        }
    }
    Err(useless(encode::Error(reasons.join(", and "))))
}

/// Those that have come to nothing with this camera behind the others, and the reasons for that.
fn in_order(
    candidates: Vec<Box<dyn Candidate>>,
    context: &Context,
    reasons: &mut Vec<String>,
) -> Vec<Box<dyn Candidate>> {
    let now = Timestamp::now();
    let doubt = |one: &dyn Candidate| context.encoder_trials.doubt(&one.name(), now);
    let (mut ordered, doubted): (Vec<_>, Vec<_>) = candidates
        .into_iter()
        .partition(|one| doubt(one.as_ref()).is_none());
    if !ordered.is_empty() {
        reasons.extend(doubted.iter().filter_map(|one| doubt(one.as_ref())));
    }
    ordered.extend(doubted);
    ordered
}

/// Why an encoder does not go with a camera.
enum Trouble {
    /// The camera refuses.
    Camera(Failure, Step),
    /// Another encoder may do better.
    Encoder(String),
}

/// A camera that is set up, and the encoder for it.
struct Setup {
    mode: Mode,
    agreed: Agreed,
    /// What the driver says of the rate.
    rate: Option<f64>,
    encoder: Box<dyn Encoder>,
}

fn setup(
    device: &Device,
    capture: Capture,
    candidate: &dyn Candidate,
    offers: &[Offer],
    context: &Context,
) -> Result<Setup, Trouble> {
    let wanted = Wanted {
        width: context.settings.width,
        height: context.settings.height,
        fps: context.settings.fps.get().into(),
    };
    let work = |fourcc| work(candidate, fourcc);
    let Some(mode) = choice::choose(offers, &wanted, candidate.largest(), work) else {
        let formats: Vec<String> = offers.iter().map(|(it, _)| it.to_string()).collect();
        let reason = format!(
            "it takes none of the camera's formats ({})",
            formats.join(", ")
        );
        return Err(Trouble::Encoder(reason));
    };
    let agreed = device
        .set_format(capture, mode.fourcc, mode.width, mode.height)
        .map_err(|failure| Trouble::Camera(failure, Step::Format))?;
    if work(agreed.fourcc).is_none() {
        return Err(Trouble::Encoder(format!(
            "asked for {} the camera gives {}",
            mode.fourcc, agreed.fourcc
        )));
    }
    // The lowest rate that is enough is what the user asked for, or the camera's next one.
    let rate = device.set_rate(capture, context.settings.fps.get());
    let settings = encode::Settings {
        fps: rate.or(mode.rate).unwrap_or(wanted.fps).clamp(1.0, 240.0),
        bitrate: context.settings.bitrate,
        keyframe_interval: context.settings.keyframe_interval,
    };
    let encoder = candidate
        .open(&shape(&agreed), &settings)
        .map_err(|error| Trouble::Encoder(error.0))?;
    Ok(Setup {
        mode,
        agreed,
        rate,
        encoder,
    })
}

/// What the encoder is given.
fn shape(agreed: &Agreed) -> Shape {
    if is_jpeg(agreed.fourcc) {
        // As the decoder leaves it.
        return Shape {
            fourcc: FourCc::I420,
            width: agreed.width & !1,
            height: agreed.height & !1,
            strides: [0; 3],
            colour: Colour::default(),
        };
    }
    Shape {
        fourcc: agreed.fourcc,
        width: agreed.width,
        height: agreed.height,
        strides: agreed.strides,
        colour: agreed.colour,
    }
}

impl Setup {
    fn log(&self, device: &Device, path: &Path, context: &Context, reasons: &[String]) {
        let (name, wanted, agreed) = (&context.name, &context.settings, &self.agreed);
        let (card, driver) = (&device.identity().card, &device.identity().driver);
        let (width, height) = (agreed.width, agreed.height);
        let rate = self.rate.map_or_else(
            || "its own rate".into(),
            |rate| format!("{} pictures/s", (rate * 100.0).round() / 100.0),
        );
        log::info!(
            "{name}: {} ({card}, {driver}): {}, {width}x{height}, {rate}; encoded by {}",
            path.display(),
            agreed.fourcc,
            self.encoder.name()
        );
        if !reasons.is_empty() {
            log::info!("{name}: no other encoder, because: {}", reasons.join("; "));
        }
        let is_slow = |rate: f64| rate < f64::from(wanted.fps.get()) * 0.99;
        let is_other = (width, height) != (wanted.width, wanted.height);
        if is_other || self.rate.or(self.mode.rate).is_some_and(is_slow) {
            log::info!(
                "{name}: it was asked for {}x{} at {}/s, which it does not have in a format that can be encoded; this is the \
                 nearest (`berrymse cameras` lists all)",
                wanted.width,
                wanted.height,
                wanted.fps
            );
        }
    }
}

fn run(
    device: Device,
    capture: Capture,
    setup: Setup,
    path: &Path,
    context: &Context,
    orientation: Orientation,
) -> Result<Box<dyn Source>, Refusal> {
    let identity = device.identity().clone();
    let stream = Stream::start(device, capture, BUFFERS)
        .map_err(|failure| Refusal::Failed(failure, Step::Start, Some(identity)))?;
    let stream = Arc::new(stream);
    let Setup {
        agreed,
        rate,
        encoder,
        ..
    } = setup;
    let is_whole = move |held: &Held| {
        is_jpeg(agreed.fourcc) || encode::is_whole(&|plane| held.plane_len(plane), &shape(&agreed))
    };
    let capturing = Capturing::start(&context.name, stream.clone(), is_whole)
        .map_err(|error| Refusal::Useless(format!("cannot start its thread: {error}")))?;
    let bitrate = encoder.bitrate().map(|bitrate| bitrate.now);
    let fps = rate.unwrap_or_else(|| context.settings.fps.get().into());
    Ok(Box::new(Camera {
        path: path.to_owned(),
        context: context.clone(),
        configured_bitrate: bitrate,
        works_since: None,
        has_proved: false,
        encoder,
        decoding: is_jpeg(agreed.fourcc).then(|| Decoding::new(&agreed)),
        capturing,
        stream,
        unit: Vec::new(),
        wants_keyframe: false,
        arrived_at: Timestamp::now(),
        progress_at: Timestamp::now(),
        has_pictures: false,
        stall: STALL.max(Duration::try_from_secs_f64(5.0 / fps).unwrap_or(STALL)),
        dropping: Dropping::default(),
        orientation,
    }))
}

/// A raw V4L2 camera that streams, and its encoder. Dropped in this order: the encoder may hold buffers of the stream.
struct Camera {
    path: PathBuf,
    context: Context,
    /// With which the encoder was opened.
    configured_bitrate: Option<u32>,
    encoder: Box<dyn Encoder>,
    /// Since when the encoder gives pictures.
    works_since: Option<Timestamp>,
    /// It has, for long enough.
    has_proved: bool,
    decoding: Option<Decoding>,
    capturing: Capturing,
    stream: Arc<Stream>,
    unit: Vec<u8>,
    wants_keyframe: bool,
    /// When the last picture came from the driver; at first, when streaming began.
    arrived_at: Timestamp,
    /// When the encoder last took a picture or gave one.
    progress_at: Timestamp,
    has_pictures: bool,
    stall: Duration,
    dropping: Dropping,
    orientation: Orientation,
}

impl Camera {
    /// Gives the newest picture to the encoder, if there is one.
    fn encode_newest(&mut self) -> Result<(), Error> {
        let frame = self
            .capturing
            .take()
            .map_err(|failure| self.lost(failure))?;
        let Some(Frame {
            held,
            captured_at,
            arrived_at,
        }) = frame
        else {
            return Ok(());
        };
        (self.arrived_at, self.has_pictures) = (arrived_at, true);
        let pixels = match &mut self.decoding {
            None => Pixels::Camera(held),
            Some(decoding) => match decoding.decode(held, captured_at) {
                Some(pixels) => pixels,
                None => return Ok(()),
            },
        };
        let picture = Picture {
            captured_at,
            pixels,
        };
        let keyframe = std::mem::take(&mut self.wants_keyframe);
        self.encoder
            .submit(picture, keyframe)
            .map_err(|error| self.failed(&error))?;
        self.progress_at = Timestamp::now();
        Ok(())
    }

    fn take_unit(&mut self) -> Result<Option<Timestamp>, Error> {
        let taken = self.encoder.take(&mut self.unit);
        let taken = taken.map_err(|error| self.failed(&error))?;
        if taken.is_some() {
            self.progress_at = Timestamp::now();
            self.prove();
        }
        Ok(taken)
    }

    /// The encoder has given a picture.
    fn prove(&mut self) {
        let since = *self.works_since.get_or_insert(self.progress_at);
        if !self.has_proved && self.progress_at.since(since) >= encode::WORKS {
            self.has_proved = true;
            self.context.encoder_trials.works(&self.encoder.name());
        }
    }

    /// Waits for what there is to do next.
    fn wait(&self) -> Woken {
        let has_room = self.encoder.has_room();
        let picture = has_room.then(|| (self.capturing.fd(), PollFlags::IN));
        // An encoder that swallows a picture has nothing to be read, but room again.
        let any = PollFlags::IN | PollFlags::OUT | PollFlags::PRI;
        let encoder = self.encoder.fd().map(|fd| (fd, any));
        self.context.stop.wait_any(&[picture, encoder], SLICE)
    }

    fn check_stall(&self) -> Result<(), Error> {
        let now = Timestamp::now();
        if !self.encoder.has_room() {
            let silence = now.since(self.progress_at);
            return if silence > self.stall {
                let words = format!("the encoder ({}) hangs", self.encoder.name());
                Err(self.failed(&encode::Error(words)))
            } else {
                Ok(())
            };
        }
        let patience = if self.has_pictures {
            self.stall
        } else {
            self.stall.max(FIRST_PICTURE)
        };
        let silence = now.since(self.arrived_at);
        if silence > patience {
            Err(Error::Stalled(silence))
        } else {
            Ok(())
        }
    }

    fn lost(&self, failure: Failure) -> Error {
        let identity = self.stream.device().identity();
        let words = v4l2::explain(failure, Step::Capture, &self.path, Some(identity));
        Error::Lost(format!("{}: {words}", self.path.display()))
    }

    /// The encoder has come to its end.
    fn failed(&self, error: &encode::Error) -> Error {
        let (name, trials) = (self.encoder.name(), &self.context.encoder_trials);
        let is_enough = trials.failed(&name, &error.0, Timestamp::now());
        let outlook = match self.context.encoder {
            encode::Choice::Auto if is_enough => {
                ", again: another encoder is taken if there is one (--encoder auto)"
            }
            encode::Choice::Hardware if is_enough => {
                ", again and again; it is opened anew (--encoder hardware wants no other)"
            }
            _ => "",
        };
        Error::Lost(format!("{}: {error}{outlook}", self.path.display()))
    }

    fn next_unit(&mut self) -> Result<Option<Timestamp>, Error> {
        // An encoder that works elsewhere may have one.
        if let Some(captured_at) = self.take_unit()? {
            return Ok(Some(captured_at));
        }
        match self.wait() {
            Woken::Stopped => return Err(Error::Stopped),
            Woken::TimedOut => self.check_stall()?,
            Woken::Ready => {
                if self.encoder.has_room() {
                    self.encode_newest()?;
                }
            }
        }
        let now = Timestamp::now();
        let passed_over = self.capturing.passed_over();
        self.dropping.log(&self.context.name, passed_over, now);
        self.take_unit()
    }
}

impl Source for Camera {
    fn read(&mut self) -> Result<Option<Chunk<'_>>, Error> {
        let captured_at = self.next_unit()?;
        Ok(captured_at.map(|captured_at| Chunk {
            annexb: &self.unit,
            captured_at,
            end: End::Complete,
        }))
    }

    fn request_keyframe(&mut self) {
        self.wants_keyframe = true;
    }

    fn can_make_keyframes(&self) -> bool {
        true
    }

    fn set_bitrate(&mut self, bits_per_second: u32) -> Option<u32> {
        let range = self.encoder.bitrate()?.range;
        let nearest = bits_per_second.clamp(*range.start(), *range.end());
        match self.encoder.set_bitrate(nearest) {
            Ok(()) => self.encoder.bitrate().map(|bitrate| bitrate.now),
            Err(error) => {
                log::warn!("{}: {error}", self.context.name);
                None
            }
        }
    }

    fn can_set_bitrate(&self) -> bool {
        self.encoder.bitrate().is_some()
    }

    fn board(&mut self) -> Option<&mut dyn Board> {
        Some(self)
    }

    fn applied_orientation(&self) -> Orientation {
        self.orientation
    }

    fn dropped(&self) -> u64 {
        let damaged = self.decoding.as_ref().map_or(0, |it| it.damaged);
        self.capturing.dropped() + self.encoder.dropped() + damaged
    }

    fn trouble(&self) -> Option<String> {
        let words = self.encoder.trouble()?;
        Some(format!("{}: {words}", self.path.display()))
    }

    fn gives_jpegs(&self) -> bool {
        self.decoding.is_some()
    }

    fn newest_jpeg(&self) -> Option<(Timestamp, &[u8])> {
        self.decoding.as_ref()?.newest()
    }
}

/// Says now and then that pictures are left out.
#[derive(Default)]
struct Dropping {
    told: u64,
    told_at: Option<Timestamp>,
}

impl Dropping {
    fn log(&mut self, camera: &str, passed_over: u64, now: Timestamp) {
        let rested = self.told_at.is_none_or(|at| now.since(at) >= TELL_PAUSE);
        // One now and then is no trouble of anybody's.
        if rested && passed_over >= self.told + 10 {
            log::warn!(
                "{camera}: the encoder does not keep up with the camera: {} pictures left out so far; try a smaller --width and \
                 --height, or a lower --fps",
                passed_over
            );
            (self.told, self.told_at) = (passed_over, Some(now));
        }
    }
}
