//! Makes frames of assembled pictures: the media clock, the parameters, the one copy of the bytes.

use super::assemble::Assembled;
use super::passed_on::PassedOn;
use crate::frame_rate::FrameRate;
use crate::h264::nal::{NalHeader, NalUnitType};
use crate::h264::{CodedPicture, VideoParameters};
use crate::media::orientation::Orientation;
use crate::media::timeline::Timeline;
use crate::media::{Description, Frame, FrameHeader, LengthPrefixed, Parameters, Recovery};
use crate::source::ReadyFrame;
use crate::time::Timestamp;
use std::sync::Arc;

/// Makes the messages of one camera. It outlives the camera's restarts, so that the viewers' media time goes on.
pub(super) struct Muxer {
    timeline: Timeline,
    sequence: u32,
    passed_on: PassedOn,
    orientation: Orientation,
    /// There are pictures that may be left out.
    has_disposable: bool,
    /// The present parameters and what they were made of.
    current: Option<(Basis, Orientation, Arc<Parameters>)>,
    /// The video is not what it was at first. Programs that follow the MP4 (ffmpeg, VLC) take only the first init
    /// segment, so from now on keyframes carry their parameter sets, too.
    has_changed: bool,
}

/// Basis of parameters.
#[derive(Clone)]
enum Basis {
    Video(Arc<VideoParameters>),
    Description(Arc<Description>),
}

impl PartialEq for Basis {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Video(a), Self::Video(b)) => Arc::ptr_eq(a, b) || a == b,
            (Self::Description(a), Self::Description(b)) => Arc::ptr_eq(a, b) || a == b,
            _ => false,
        }
    }
}

impl Muxer {
    pub(super) fn new(fps: FrameRate) -> Self {
        Self {
            timeline: Timeline::new(fps),
            sequence: 0,
            passed_on: PassedOn::default(),
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

    /// Returns the frame of what was assembled.
    pub(super) fn frame(&mut self, assembled: &Assembled<'_>) -> Frame {
        match assembled {
            Assembled::Picture(picture) => self.of_picture(picture),
            Assembled::Ready(ready) => self.of_ready(ready),
        }
    }

    fn of_picture(&mut self, picture: &CodedPicture<'_>) -> Frame {
        let format = &picture.parameters;
        let is_reordered = format.reorder > 0 || picture.display_shift != 0;
        let mut header = self.header(
            Basis::Video(format.clone()),
            is_reordered,
            !picture.is_reference,
            picture.captured_at,
        );
        header.composition_offset = is_reordered.then(|| {
            let nominal = i32::try_from(header.nominal_duration).unwrap_or(i32::MAX);
            picture.display_shift.saturating_mul(nominal)
        });
        header.is_keyframe = picture.is_keyframe;
        header.recovery = picture.recovery.map(|point| Recovery {
            frames: point.frames,
            is_marked: point.is_marked,
        });
        self.written(header, picture.nals())
    }

    fn of_ready(&mut self, ready: &ReadyFrame<'_>) -> Frame {
        let basis = Basis::Description(ready.description.clone());
        let mut header = match &ready.timing {
            Some(timing) => {
                let parameters = self.parameters(&basis);
                self.passed_on.header(parameters, timing, ready)
            }
            None => self.header(
                basis,
                ready.composition_offset.is_some(),
                ready.is_disposable,
                ready.captured_at,
            ),
        };
        header.composition_offset = ready.composition_offset;
        header.is_keyframe = ready.is_keyframe;
        header.recovery = ready.recovery.filter(|_| !ready.is_keyframe);
        self.written(header, LengthPrefixed(ready.nals))
    }

    /// Returns a header with the parameters and times of the next frame.
    fn header(
        &mut self,
        basis: Basis,
        is_reordered: bool,
        is_disposable: bool,
        captured_at: Timestamp,
    ) -> FrameHeader {
        let parameters = self.parameters(&basis);
        self.has_disposable |= is_disposable;
        let is_steady = is_reordered || self.has_disposable;
        let timing = self.timeline.timestamp(captured_at, is_steady);
        self.sequence = self.sequence.wrapping_add(1);
        FrameHeader {
            parameters,
            sequence: self.sequence,
            decode_time: timing.decode_time,
            composition_offset: None,
            duration: timing.duration,
            nominal_duration: timing.nominal_duration,
            captured_at,
            is_keyframe: false,
            is_disposable,
            recovery: None,
        }
    }

    fn written<'a>(
        &self,
        header: FrameHeader,
        nals: impl Iterator<Item = &'a [u8]> + Clone,
    ) -> Frame {
        let parameters = header.parameters.clone();
        let first = nals.clone().next().and_then(NalHeader::of);
        let has_sets = first.is_some_and(|nal| nal.unit_type() == NalUnitType::Sps);
        let sets: &[Vec<u8>] = if self.has_changed && header.is_keyframe && !has_sets {
            &parameters.parameter_sets
        } else {
            &[]
        };
        // Lives as long as the sets.
        let nals = nals.map(|nal| -> &[u8] { nal });
        Frame::new(header, sets.iter().map(Vec::as_slice).chain(nals))
    }

    /// Returns the parameters of `basis` as it lies: the same as long as nothing has changed, also after a restart.
    fn parameters(&mut self, basis: &Basis) -> Arc<Parameters> {
        match &mut self.current {
            Some((known, orientation, parameters))
                if *orientation == self.orientation && known == basis =>
            {
                *known = basis.clone();
                parameters.clone()
            }
            _ => {
                let description = match basis {
                    Basis::Video(format) => Description::h264(format, self.orientation),
                    Basis::Description(ready) => ready.turned(self.orientation),
                };
                let parameters = Arc::new(Parameters::new(description));
                self.has_changed = self.current.is_some();
                self.has_disposable = false;
                self.current = Some((basis.clone(), self.orientation, parameters.clone()));
                parameters
            }
        }
    }
}
