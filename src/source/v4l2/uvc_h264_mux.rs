//! Selection of cameras with H.264 inside MJPEG, and of their JPEG size.

use crate::source::{Settings, SourceContext};
use std::sync::atomic::Ordering;
use v4l2::uvc_h264_xu::H264Carriage;
use v4l2::{Device, FourCc, FrameSize, PlaneApi};

/// Smallest MJPEG size that all such cameras have.
const SMALL_JPEG: (u32, u32) = (640, 480);

/// Returns the carriage of a camera's H.264; `None` if other frames are to be encoded.
pub(super) fn choose_carriage(
    device: &Device,
    capture: PlaneApi,
    context: &SourceContext,
) -> Option<H264Carriage> {
    if context.pixel_format.is_some_and(|it| it != FourCc::H264) {
        None
    } else if device.has_format(capture, FourCc::H264) {
        Some(H264Carriage::Native)
    } else {
        let is_plain = context.has_plain_mjpeg.load(Ordering::Relaxed);
        (!is_plain).then_some(H264Carriage::InMjpeg)
    }
}

/// Returns the size of the JPEGs around the H.264: a small one, because they are discarded.
pub(super) fn jpeg_size(device: &Device, settings: &Settings) -> (u32, u32) {
    let (width, height) = SMALL_JPEG;
    let sizes = device.sizes(FourCc::MJPG);
    if sizes.contains(&FrameSize::Discrete(width, height)) {
        SMALL_JPEG
    } else {
        (settings.width, settings.height)
    }
}
