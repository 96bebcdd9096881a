//! openh264, in the program itself: constrained baseline, one reference picture, nothing held back. Works in
//! [`Encoder::submit`], on the caller's thread.

#[cfg(feature = "software-encoder")]
mod assembler;

use super::{EncoderFactory, Error};

/// Returns the version and build of the encoder, for `--version`; `None` without the feature `software-encoder`.
pub fn software_encoder() -> Option<String> {
    #[cfg(feature = "software-encoder")]
    return Some(assembler::software_encoder());
    #[cfg(not(feature = "software-encoder"))]
    return None;
}

/// The encoder in software.
#[cfg(feature = "software-encoder")]
pub(super) fn factory() -> Result<Box<dyn EncoderFactory>, Error> {
    Ok(Box::new(openh264::OpenH264Factory))
}

/// Returns the reason for having no encoder.
#[cfg(not(feature = "software-encoder"))]
pub(super) fn factory() -> Result<Box<dyn EncoderFactory>, Error> {
    Err(Error(
        "this build has no encoder in software (it was made without the feature software-encoder)"
            .into(),
    ))
}

#[cfg(feature = "software-encoder")]
mod openh264 {
    use super::super::pixel_layout::conversion_cost;
    use super::super::{
        Bitrate, Config, Encoder, EncoderFactory, Error, FrameMemory, I420, PixelLayout, RawFrame,
        RawVideoFormat, pixel_layout, to_i420,
    };
    use super::assembler;
    use crate::time::Timestamp;
    use openh264::OpenH264API;
    use openh264::encoder::{
        BitRate, Complexity, EncoderConfig, FrameRate, FrameType, IntraFramePeriod, Profile,
        QpRange, RateControlMode, UsageType, VuiConfig,
    };
    use openh264::formats::YUVSource;
    use v4l2::FourCc;

    /// Default bit rate, in bits per pixel and frame that look well.
    const BITS_PER_PIXEL: f64 = 0.08;

    /// Range as on the command line.
    const BITRATES: std::ops::RangeInclusive<u32> = 25_000..=200_000_000;

    #[derive(Debug)]
    pub(super) struct OpenH264Factory;

    impl EncoderFactory for OpenH264Factory {
        fn name(&self) -> String {
            "openh264 in software".into()
        }

        fn cost(&self, fourcc: FourCc) -> Option<u32> {
            conversion_cost(fourcc)
        }

        fn max_size(&self) -> (u32, u32) {
            (3840, 2160)
        }

        fn open(
            &self,
            format: &RawVideoFormat,
            settings: &Config,
        ) -> Result<Box<dyn Encoder>, Error> {
            if pixel_layout(format.fourcc).is_none() {
                return Err(Error(format!(
                    "pictures in the format {} cannot be converted",
                    format.fourcc
                )));
            }
            log_build();
            let bitrate = settings
                .bitrate
                .unwrap_or_else(|| default_bitrate(format, settings));
            Ok(Box::new(SoftwareEncoder {
                format: *format,
                settings: *settings,
                bitrate,
                encoder: encoder(format, settings, bitrate)?,
                picture: I420::default(),
                unit: Vec::new(),
                ready: None,
                dropped: 0,
            }))
        }
    }

    /// Logs the build of the encoder: without its assembler it costs more than twice as much.
    fn log_build() {
        let build = assembler::software_encoder();
        if assembler::has_assembler() {
            log::debug!("{build}");
        } else if cfg!(any(target_arch = "x86", target_arch = "x86_64")) {
            log::warn!(
                "{build}: encoding takes more than twice the CPU time (nasm was missing at build time); install nasm, run \
                 `cargo clean -p openh264-sys2` and build again"
            );
        } else {
            log::warn!("{build}: encoding takes more than twice the CPU time (no NEON found)");
        }
    }

    fn default_bitrate(format: &RawVideoFormat, settings: &Config) -> u32 {
        let pixels = f64::from(format.width) * f64::from(format.height) * settings.fps;
        (pixels * BITS_PER_PIXEL).clamp(100_000.0, 50_000_000.0) as u32
    }

    fn encoder(
        format: &RawVideoFormat,
        settings: &Config,
        bitrate: u32,
    ) -> Result<openh264::encoder::Encoder, Error> {
        let is_rgb = matches!(pixel_layout(format.fourcc), Some(PixelLayout::Rgb { .. }));
        let colours = if format.colour.is_bt709() && !is_rgb {
            VuiConfig::bt709()
        } else {
            VuiConfig::bt601()
        };
        let config = EncoderConfig::new()
            .profile(Profile::Baseline)
            .bitrate(BitRate::from_bps(bitrate))
            .max_frame_rate(FrameRate::from_hz(settings.fps as f32))
            .rate_control_mode(RateControlMode::Bitrate)
            // A skipped frame would be a delay for viewers; coarser frames hold the rate.
            .skip_frames(false)
            .qp(QpRange::new(10, 51))
            .usage_type(UsageType::CameraVideoRealTime)
            .complexity(Complexity::Low)
            .intra_frame_period(IntraFramePeriod::from_num_frames(
                settings.keyframe_interval.get(),
            ))
            // A keyframe for each cut costs more than it gains.
            .scene_change_detect(false)
            // A frame is one slice, which one thread encodes.
            .num_threads(1)
            .vui(colours.full_range(format.colour.is_full_range() && !is_rgb));
        openh264::encoder::Encoder::with_api_config(OpenH264API::from_source(), config)
            .map_err(failed)
    }

    fn failed(error: openh264::Error) -> Error {
        Error(format!("openh264: {error}"))
    }

    struct SoftwareEncoder {
        format: RawVideoFormat,
        settings: Config,
        bitrate: u32,
        encoder: openh264::encoder::Encoder,
        picture: I420,
        /// The access unit that is ready, if `ready` says so.
        unit: Vec<u8>,
        ready: Option<Timestamp>,
        dropped: u64,
    }

    impl Encoder for SoftwareEncoder {
        fn name(&self) -> String {
            "openh264 in software".into()
        }

        fn has_room(&self) -> bool {
            self.ready.is_none()
        }

        fn submit(&mut self, picture: RawFrame, keyframe: bool) -> Result<(), Error> {
            if self.ready.is_some() || !self.convert(picture.memory) {
                self.dropped += 1;
                return Ok(());
            }
            if keyframe {
                self.encoder.force_intra_frame();
            }
            let at = openh264::Timestamp::from_millis(picture.captured_at.as_nanos() / 1_000_000);
            let stream = self
                .encoder
                .encode_at(&Source(&self.picture), at)
                .map_err(failed)?;
            self.unit.clear();
            stream.write_vec(&mut self.unit);
            if stream.frame_type() == FrameType::Skip || self.unit.is_empty() {
                self.dropped += 1;
            } else {
                self.ready = Some(picture.captured_at);
            }
            Ok(())
        }

        fn reclaim(&mut self) -> Vec<u8> {
            std::mem::take(&mut self.picture).into_bytes()
        }

        fn take_access_unit(&mut self, annexb: &mut Vec<u8>) -> Result<Option<Timestamp>, Error> {
            annexb.clear();
            if self.ready.is_some() {
                std::mem::swap(annexb, &mut self.unit);
            }
            Ok(self.ready.take())
        }

        fn bitrate(&self) -> Option<Bitrate> {
            Some(Bitrate {
                now: self.bitrate,
                range: BITRATES,
            })
        }

        fn set_bitrate(&mut self, bits_per_second: u32) -> Result<(), Error> {
            // The crate has no safe way to change a running encoder; a new one begins with a keyframe.
            self.encoder = encoder(&self.format, &self.settings, bits_per_second)?;
            self.bitrate = bits_per_second;
            Ok(())
        }

        fn dropped(&self) -> u64 {
            self.dropped
        }
    }

    impl SoftwareEncoder {
        /// Converts it to `self.picture`; returns false if it is not whole. Its memory is free
        /// afterwards.
        fn convert(&mut self, pixels: FrameMemory) -> bool {
            let (width, height) = (self.format.width, self.format.height);
            match pixels {
                // Already I420 without gaps (from the JPEG decoder).
                FrameMemory::Owned([bytes, ..])
                    if self.format.fourcc == FourCc::I420
                        && self.format.strides == [0; 3]
                        && (width | height) & 1 == 0 =>
                {
                    let is_whole = bytes.len() >= (width * height / 2 * 3) as usize;
                    self.picture = I420::new(width, height, bytes);
                    is_whole
                }
                pixels => {
                    let memory = std::mem::take(&mut self.picture).into_bytes();
                    self.picture = I420::new(width, height, memory);
                    to_i420(&pixels, &self.format, &mut self.picture)
                }
            }
        }
    }

    struct Source<'a>(&'a I420);

    impl YUVSource for Source<'_> {
        fn dimensions(&self) -> (usize, usize) {
            self.0.size()
        }

        fn strides(&self) -> (usize, usize, usize) {
            let (width, _) = self.0.size();
            (width, width / 2, width / 2)
        }

        fn y(&self) -> &[u8] {
            self.0.planes()[0]
        }

        fn u(&self) -> &[u8] {
            self.0.planes()[1]
        }

        fn v(&self) -> &[u8] {
            self.0.planes()[2]
        }
    }
}

#[cfg(all(test, feature = "software-encoder"))]
mod tests;
