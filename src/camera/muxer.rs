//! Pictures to ready-made messages: the media clock, the init segment, the fragment.

use crate::fmp4::{self, Sample, VideoDescription};
use crate::frame_rate::FrameRate;
use crate::h264::{CodedPicture, VideoParameters};
use crate::hub::{Fragment, Init, Recovery};
use crate::media::orientation::Orientation;
use crate::media::timeline::Timeline;
use crate::message::Message;
use std::sync::Arc;

/// Makes the messages of one camera. It outlives the camera's restarts, so that the viewers' media time goes on.
pub(super) struct Muxer {
    timeline: Timeline,
    sequence: u32,
    orientation: Orientation,
    /// There are pictures that may be left out.
    has_disposable: bool,
    /// What the present init segment was made for.
    current: Option<(Arc<VideoParameters>, Orientation, Arc<Init>)>,
    /// The video is not what it was at first. Programs that follow the MP4 (ffmpeg, VLC) take only the first init
    /// segment, so from now on keyframes carry their parameter sets, too.
    has_changed: bool,
}

impl Muxer {
    pub(super) fn new(fps: FrameRate) -> Self {
        Self {
            timeline: Timeline::new(fps),
            sequence: 0,
            orientation: Orientation::default(),
            has_disposable: false,
            current: None,
            has_changed: false,
        }
    }

    /// How displays are to lay the pictures from the next one on.
    pub(super) fn set_orientation(&mut self, orientation: Orientation) {
        self.orientation = orientation;
    }

    /// The message for `picture`.
    pub(super) fn fragment(&mut self, picture: &CodedPicture<'_>) -> Fragment {
        let init = self.init(&picture.parameters);
        let is_reordered = picture.parameters.reorder > 0 || picture.display_shift != 0;
        self.has_disposable |= !picture.is_reference;
        let is_steady = is_reordered || self.has_disposable;
        let timing = self.timeline.timestamp(picture.captured_at, is_steady);
        self.sequence = self.sequence.wrapping_add(1);
        let sample = Sample {
            sequence: self.sequence,
            decode_time: timing.decode_time,
            duration: timing.duration,
            composition_offset: is_reordered.then(|| {
                picture
                    .display_shift
                    .saturating_mul(i32::try_from(timing.nominal_duration).unwrap_or(i32::MAX))
            }),
            is_keyframe: picture.is_keyframe,
            is_reference: picture.is_reference,
        };
        let sets: [&[Vec<u8>]; 2] = if self.has_changed && picture.is_keyframe {
            [&picture.parameters.sps, &picture.parameters.pps]
        } else {
            [&[], &[]]
        };
        let sets = sets.into_iter().flatten().map(Vec::as_slice);
        let nals = sets.chain(picture.nals());
        let message = Message::build(fmp4::fragment_bytes(&sample, nals.clone()), |out| {
            fmp4::write_fragment(out, &sample, nals);
        });
        Fragment {
            init,
            message,
            decode_time: timing.decode_time,
            frame_ticks: timing.nominal_duration,
            captured_at: picture.captured_at,
            is_keyframe: picture.is_keyframe,
            recovery: picture.recovery.map(|point| Recovery {
                frames: point.frames,
                is_marked: point.is_marked,
            }),
            is_reference: picture.is_reference,
        }
    }

    /// The init segment for `format` as it lies: the same one as long as nothing has changed, also after a restart.
    fn init(&mut self, parameters: &Arc<VideoParameters>) -> Arc<Init> {
        match &mut self.current {
            Some((known, orientation, init))
                if *orientation == self.orientation
                    && (Arc::ptr_eq(known, parameters) || **known == **parameters) =>
            {
                *known = parameters.clone();
                init.clone()
            }
            _ => {
                let init = Arc::new(init(parameters, self.orientation));
                self.has_changed = self.current.is_some();
                self.has_disposable = false;
                self.current = Some((parameters.clone(), self.orientation, init.clone()));
                init
            }
        }
    }
}

fn init(parameters: &VideoParameters, orientation: Orientation) -> Init {
    let video = VideoDescription {
        sps: &parameters.sps,
        pps: &parameters.pps,
        width: parameters.width,
        height: parameters.height,
        hidden: parameters.hidden,
        sample_aspect: parameters.sample_aspect,
        chroma_format: parameters.chroma_format,
        luma_bits: parameters.luma_bits,
        chroma_bits: parameters.chroma_bits,
        orientation,
    };
    let (mut width, mut height) = (parameters.width, parameters.height);
    if orientation.swaps_axes() {
        (width, height) = (height, width);
    }
    Init {
        message: Message::build(1024, |out| fmp4::write_init_segment(out, &video)),
        codec: parameters.codec.clone(),
        width,
        height,
        orientation,
        hidden: parameters.hidden,
        parameter_sets: parameters
            .sps
            .iter()
            .chain(&parameters.pps)
            .cloned()
            .collect(),
    }
}
