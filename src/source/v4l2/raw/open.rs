//! Opening of a camera that needs an encoder: selects encoder and mode, and starts both.

use super::super::apply_settings::{self, UnsupportedSettings};
use super::super::controls::V4l2Controls;
use super::super::explain::SetupStep;
use super::super::{OpenError, stall};
use super::capture::CaptureThread;
use super::mjpeg::MjpegStage;
use super::mode_select::{self, CaptureMode, FormatCaps, ModeRequest};
use super::{Camera, DropReporter, cost, is_jpeg};
use crate::encode::{self, Encoder, EncoderFactory, RawVideoFormat};
use crate::media::orientation::Orientation;
use crate::source::{Input, SourceContext};
use crate::time::Timestamp;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use v4l2::{
    BufferGuard, Colorimetry, Device, DeviceError, FourCc, NegotiatedFormat, PlaneApi, Stream,
};

/// Number of buffers: one is the latest, one is encoded, two are filled, one is for a late wake-up.
const BUFFER_COUNT: u32 = 5;
/// Time after which an idle encoder counts as hung, unless five frames take longer.
const ENCODER_STALL_TIMEOUT: Duration = Duration::from_secs(2);

/// Returns all formats, sizes and rates of a camera.
fn enumerate_formats(device: &Device, capture: PlaneApi) -> Vec<FormatCaps> {
    let formats = device.formats(capture).into_iter();
    formats
        .map(|format| {
            let sizes = device.sizes(format.fourcc).into_iter();
            let with_rates = sizes.map(|size| (size, device.rates_of(format.fourcc, size)));
            (format.fourcc, with_rates.collect())
        })
        .collect()
}

pub(super) fn formats(offers: &[FormatCaps]) -> String {
    let formats: Vec<String> = offers.iter().map(|(it, _)| it.to_string()).collect();
    formats.join(", ")
}

/// Selects an encoder and a mode, and starts the camera.
pub(in crate::source::v4l2) fn start(
    device: Device,
    capture: PlaneApi,
    path: &Path,
    context: &SourceContext,
) -> Result<Box<dyn Input>, OpenError> {
    let useless = |error: encode::Error| {
        OpenError::Unusable(format!(
            "this camera gives no H.264, and there is no encoder for it: {error}"
        ))
    };
    let found = encode::available_encoders(context.encoder).map_err(useless)?;
    let mut report = UnsupportedSettings::default();
    let orientation = apply_settings::apply_orientation(&device, &context.settings, &mut report);
    let mut offers = enumerate_formats(&device, capture);
    if let Some(format) = context.pixel_format {
        let formats = formats(&offers);
        offers.retain(|(fourcc, _)| *fourcc == format);
        if offers.is_empty() {
            return Err(OpenError::Unusable(format!(
                "this camera does not give {format} (--pixel-format), but {formats}"
            )));
        }
    }
    let mut reasons: Vec<String> = found.unavailable_reason.into_iter().collect();
    let candidates = by_reliability(found.factories, context, &mut reasons);
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
            Err(SetupError::Camera(failure, step)) => {
                return Err(OpenError::Syscall(
                    failure,
                    step,
                    Some(device.identity().clone()),
                ));
            }
            Err(SetupError::Encoder(reason)) => {
                reasons.push(format!("{}: {reason}", candidate.name()));
            }
        }
    }
    Err(useless(encode::Error(reasons.join(", and "))))
}

/// Sorts encoders that failed with this camera to the end, and adds the reasons.
fn by_reliability(
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

/// Reason why an encoder does not fit a camera.
enum SetupError {
    /// The camera failed.
    Camera(DeviceError, SetupStep),
    /// The encoder failed; another one may work.
    Encoder(String),
}

/// Camera that is set up, and its encoder.
struct Setup {
    mode: CaptureMode,
    agreed: NegotiatedFormat,
    /// Frame rate by the driver.
    rate: Option<f64>,
    encoder: Box<dyn Encoder>,
}

fn setup(
    device: &Device,
    capture: PlaneApi,
    candidate: &dyn EncoderFactory,
    offers: &[FormatCaps],
    context: &SourceContext,
) -> Result<Setup, SetupError> {
    let wanted = ModeRequest {
        width: context.settings.width,
        height: context.settings.height,
        fps: context.settings.fps.hertz(),
    };
    let cost = |fourcc| cost(candidate, fourcc);
    let Some(mode) = mode_select::select_mode(offers, &wanted, candidate.max_size(), cost) else {
        let reason = format!(
            "it takes none of the camera's formats ({})",
            formats(offers)
        );
        return Err(SetupError::Encoder(reason));
    };
    let agreed = device
        .set_format(capture, mode.fourcc, mode.width, mode.height)
        .map_err(|failure| SetupError::Camera(failure, SetupStep::Format))?;
    if cost(agreed.fourcc).is_none() {
        return Err(SetupError::Encoder(format!(
            "asked for {} the camera gives {}",
            mode.fourcc, agreed.fourcc
        )));
    }
    // The lowest sufficient rate is the configured one, or the camera's next.
    let rate = device.set_rate(capture, context.settings.fps.fraction());
    let settings = encode::Config {
        fps: rate.or(mode.rate).unwrap_or(wanted.fps).clamp(1.0, 240.0),
        bitrate: context.settings.bitrate,
        keyframe_interval: context.settings.keyframe_interval,
    };
    let encoder = candidate
        .open(&encoder_input(&agreed), &settings)
        .map_err(|error| SetupError::Encoder(error.0))?;
    Ok(Setup {
        mode,
        agreed,
        rate,
        encoder,
    })
}

/// Returns the input format of the encoder.
fn encoder_input(agreed: &NegotiatedFormat) -> RawVideoFormat {
    if is_jpeg(agreed.fourcc) {
        // As the JPEG decoder outputs it.
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
) -> Result<Box<dyn Input>, OpenError> {
    let identity = device.identity().clone();
    let stream = Stream::start(device, capture, BUFFER_COUNT)
        .map_err(|failure| OpenError::Syscall(failure, SetupStep::Start, Some(identity)))?;
    let stream = Arc::new(stream);
    let Setup {
        agreed,
        rate,
        encoder,
        ..
    } = setup;
    let is_whole = move |held: &BufferGuard| {
        is_jpeg(agreed.fourcc)
            || encode::is_whole(&|plane| held.plane_len(plane), &encoder_input(&agreed))
    };
    let capturing = CaptureThread::start(&context.name, stream.clone(), is_whole)
        .map_err(|error| OpenError::Unusable(format!("cannot start its thread: {error}")))?;
    let bitrate = encoder.bitrate().map(|bitrate| bitrate.now);
    let fps = rate.unwrap_or_else(|| context.settings.fps.hertz());
    let silence = stall::silence_limit(fps, context);
    Ok(Box::new(Camera {
        path: path.to_owned(),
        context: context.clone(),
        configured_bitrate: bitrate,
        healthy_since: None,
        is_confirmed: false,
        encoder,
        mjpeg: is_jpeg(agreed.fourcc).then(|| MjpegStage::new(&agreed)),
        capture: capturing,
        stream,
        unit: Vec::new(),
        wants_keyframe: false,
        arrived_at: Timestamp::now(),
        progress_at: Timestamp::now(),
        silence,
        encoder_stall: ENCODER_STALL_TIMEOUT
            .max(Duration::try_from_secs_f64(5.0 / fps).unwrap_or_default()),
        dropping: DropReporter::default(),
        orientation,
    }))
}
