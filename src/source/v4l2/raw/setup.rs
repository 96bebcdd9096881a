//! Opens a camera whose pictures are to be encoded: which encoder, which of the camera's modes, and the start of both.

use super::super::controls::V4l2Controls;
use super::super::settings::{self, Report};
use super::super::{Refusal, stall};
use super::capture::Capturing;
use super::choice::{self, Mode, Offer, Wanted};
use super::decoding::Decoding;
use super::{Camera, Dropping, is_jpeg, work};
use crate::encode::{self, Encoder, EncoderFactory, RawVideoFormat};
use crate::media::orientation::Orientation;
use crate::source::{Source, SourceContext};
use crate::time::Timestamp;
use crate::v4l2::{
    BufferGuard, Colorimetry, Device, DeviceError, FourCc, NegotiatedFormat, PlaneApi, SetupStep,
    Stream,
};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// One is the newest, one is being encoded, two are being filled, and one is for a late wake-up.
const BUFFERS: u32 = 5;
/// An encoder that does nothing for longer hangs, unless five pictures take longer.
const ENCODER_STALL: Duration = Duration::from_secs(2);

/// All formats, sizes and rates of a camera.
fn offers(device: &Device, capture: PlaneApi) -> Vec<Offer> {
    let formats = device.formats(capture).into_iter();
    formats
        .map(|format| {
            let sizes = device.sizes(format.fourcc).into_iter();
            let with_rates = sizes.map(|size| (size, device.rates_of(format.fourcc, size)));
            (format.fourcc, with_rates.collect())
        })
        .collect()
}

pub(super) fn formats(offers: &[Offer]) -> String {
    let formats: Vec<String> = offers.iter().map(|(it, _)| it.to_string()).collect();
    formats.join(", ")
}

/// Chooses an encoder and a mode, and starts the camera.
pub(in crate::source::v4l2) fn start(
    device: Device,
    capture: PlaneApi,
    path: &Path,
    context: &SourceContext,
) -> Result<Box<dyn Source>, Refusal> {
    let useless = |error: encode::Error| {
        Refusal::Useless(format!(
            "this camera gives no H.264, and there is no encoder for it: {error}"
        ))
    };
    let found = encode::available_encoders(context.encoder).map_err(useless)?;
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
    let mut reasons: Vec<String> = found.unavailable_reason.into_iter().collect();
    let candidates = in_order(found.factories, context, &mut reasons);
    for candidate in &candidates {
        match setup(&device, capture, candidate.as_ref(), &offers, context) {
            Ok(setup) => {
                context
                    .controls
                    .apply_configured(Some(&mut V4l2Controls::new(&device)));
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
    candidates: Vec<Box<dyn EncoderFactory>>,
    context: &SourceContext,
    reasons: &mut Vec<String>,
) -> Vec<Box<dyn EncoderFactory>> {
    let now = Timestamp::now();
    let doubt =
        |one: &dyn EncoderFactory| context.encoder_failures.cooldown_reason(&one.name(), now);
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
    Camera(DeviceError, SetupStep),
    /// Another encoder may do better.
    Encoder(String),
}

/// A camera that is set up, and the encoder for it.
struct Setup {
    mode: Mode,
    agreed: NegotiatedFormat,
    /// What the driver says of the rate.
    rate: Option<f64>,
    encoder: Box<dyn Encoder>,
}

fn setup(
    device: &Device,
    capture: PlaneApi,
    candidate: &dyn EncoderFactory,
    offers: &[Offer],
    context: &SourceContext,
) -> Result<Setup, Trouble> {
    let wanted = Wanted {
        width: context.settings.width,
        height: context.settings.height,
        fps: context.settings.fps.hertz(),
    };
    let work = |fourcc| work(candidate, fourcc);
    let Some(mode) = choice::choose(offers, &wanted, candidate.max_size(), work) else {
        let reason = format!(
            "it takes none of the camera's formats ({})",
            formats(offers)
        );
        return Err(Trouble::Encoder(reason));
    };
    let agreed = device
        .set_format(capture, mode.fourcc, mode.width, mode.height)
        .map_err(|failure| Trouble::Camera(failure, SetupStep::Format))?;
    if work(agreed.fourcc).is_none() {
        return Err(Trouble::Encoder(format!(
            "asked for {} the camera gives {}",
            mode.fourcc, agreed.fourcc
        )));
    }
    // The lowest rate that is enough is what the user asked for, or the camera's next one.
    let rate = device.set_rate(capture, context.settings.fps.fraction());
    let settings = encode::Config {
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
fn shape(agreed: &NegotiatedFormat) -> RawVideoFormat {
    if is_jpeg(agreed.fourcc) {
        // As the decoder leaves it.
        return RawVideoFormat {
            fourcc: FourCc::I420,
            width: agreed.width & !1,
            height: agreed.height & !1,
            strides: [0; 3],
            colour: Colorimetry::default(),
        };
    }
    RawVideoFormat {
        fourcc: agreed.fourcc,
        width: agreed.width,
        height: agreed.height,
        strides: agreed.strides,
        colour: agreed.colorimetry,
    }
}

impl Setup {
    fn log(&self, device: &Device, path: &Path, context: &SourceContext, reasons: &[String]) {
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
        let is_slow = |rate: f64| rate < wanted.fps.hertz() * 0.99;
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
    capture: PlaneApi,
    setup: Setup,
    path: &Path,
    context: &SourceContext,
    orientation: Orientation,
) -> Result<Box<dyn Source>, Refusal> {
    let identity = device.identity().clone();
    let stream = Stream::start(device, capture, BUFFERS)
        .map_err(|failure| Refusal::Failed(failure, SetupStep::Start, Some(identity)))?;
    let stream = Arc::new(stream);
    let Setup {
        agreed,
        rate,
        encoder,
        ..
    } = setup;
    let is_whole = move |held: &BufferGuard| {
        is_jpeg(agreed.fourcc) || encode::is_whole(&|plane| held.plane_len(plane), &shape(&agreed))
    };
    let capturing = Capturing::start(&context.name, stream.clone(), is_whole)
        .map_err(|error| Refusal::Useless(format!("cannot start its thread: {error}")))?;
    let bitrate = encoder.bitrate().map(|bitrate| bitrate.now);
    let fps = rate.unwrap_or_else(|| context.settings.fps.hertz());
    let silence = stall::silence_limit(fps, context);
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
        silence,
        encoder_stall: ENCODER_STALL
            .max(Duration::try_from_secs_f64(5.0 / fps).unwrap_or_default()),
        dropping: Dropping::default(),
        orientation,
    }))
}
