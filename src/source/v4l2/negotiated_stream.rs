//! Format, rate and orientation as the driver negotiated them.

use super::apply_settings;
use super::stall;
use crate::media::orientation::Orientation;
use crate::source::SourceContext;
use crate::source::silence::SilenceLimit;
use std::path::Path;
use v4l2::uvc_h264_xu::H264Carriage;
use v4l2::{DeviceInfo, NegotiatedFormat};

/// Result of the negotiation with the driver.
pub(super) struct NegotiatedStream {
    pub(super) identity: DeviceInfo,
    pub(super) format: NegotiatedFormat,
    pub(super) rate: Option<f64>,
    /// Orientation that the camera applies.
    pub(super) orientation: Orientation,
    pub(super) unsupported: apply_settings::UnsupportedSettings,
    /// Carriage of the H.264.
    pub(super) carriage: H264Carriage,
}

impl NegotiatedStream {
    pub(super) fn log(&self, path: &Path, context: &SourceContext) {
        let (name, wanted, agreed) = (&context.name, &context.settings, &self.format);
        let (path, card, driver) = (path.display(), &self.identity.card, &self.identity.driver);
        let (width, height) = (agreed.width, agreed.height);
        let rate = self.rate.map_or_else(
            || "its own rate".into(),
            |rate| format!("{} pictures/s", (rate * 100.0).round() / 100.0),
        );
        if self.carriage == H264Carriage::InMjpeg {
            log::info!("{name}: {path} ({card}, {driver}): H.264 inside of MJPEG, {rate}");
        } else {
            log::info!("{name}: {path} ({card}, {driver}): H.264, {width}x{height}, {rate}");
        }
        if self.carriage == H264Carriage::Native && (width, height) != (wanted.width, wanted.height)
        {
            let (width, height) = (wanted.width, wanted.height);
            log::info!("{name}: it was asked for {width}x{height}; what is in the stream counts");
        }
        let fps = wanted.fps.hertz();
        // Tolerance: half a frame per second, or a tenth of a slow rate.
        if self
            .rate
            .is_some_and(|rate| (rate - fps).abs() > (fps / 10.0).min(0.5))
        {
            log::info!("{name}: it was asked for {} pictures/s", wanted.fps);
        }
        self.unsupported.log(name);
    }

    /// Returns the silence limit. A driver that does not tell its rate is taken to deliver the
    /// requested one.
    pub(super) fn silence(&self, context: &SourceContext) -> SilenceLimit {
        let rate = self.rate.unwrap_or_else(|| context.settings.fps.hertz());
        stall::silence_limit(rate, context)
    }
}
