//! Encoder of the scene: frames as H.264 access units. The caller gives the time; it reads no
//! clock.

use super::bits::{BitWriter, append_nal};
use super::layout::Detail;
use super::macroblock::{IntraCoder, Samples};
use super::motion::{Motion, Vector};
use super::parameter_sets::{self, Format, Kind};
use super::rate::Rate;
use super::scene::{Change, Scene};
use super::settings::{Error, Settings};

/// Details to try until the bit rate is kept, best first.
const DETAILS: [Detail; 8] = [
    Detail {
        octave: 3,
        fraction_height: 144,
        is_rich: true,
    },
    Detail {
        octave: 3,
        fraction_height: 72,
        is_rich: true,
    },
    Detail {
        octave: 4,
        fraction_height: 72,
        is_rich: true,
    },
    Detail {
        octave: 4,
        fraction_height: 48,
        is_rich: true,
    },
    Detail {
        octave: 4,
        fraction_height: 24,
        is_rich: true,
    },
    Detail {
        octave: 4,
        fraction_height: 0,
        is_rich: true,
    },
    Detail {
        octave: 4,
        fraction_height: 12,
        is_rich: false,
    },
    Detail {
        octave: 4,
        fraction_height: 0,
        is_rich: false,
    },
];

/// Frames that are encoded to measure the bit rate, IDR included.
const SAMPLE_FRAMES: u64 = 25;
/// Unix time of the sample frames, at which seconds and minutes change.
const SAMPLE_TIME_MS: u64 = 1_600_000_019_900;
/// Tenths of the bit rate that the samples may use: other times have other digits.
const SAMPLE_TENTHS: u64 = 9;

const NAL_IDR: u8 = 0x65;
const NAL_NON_IDR: u8 = 0x61;
/// `nal_ref_idc` 0: no other frame refers to it.
const NAL_DISPOSABLE: u8 = 0x01;
const NAL_SEQUENCE_PARAMETER_SET: u8 = 0x67;
const NAL_PICTURE_PARAMETER_SET: u8 = 0x68;

/// Encoder of frames in Constrained Baseline, one slice each, with parameter sets before each IDR
/// frame. Every second other frame is disposable, so that congested viewers can skip it.
pub struct Encoder {
    format: Format,
    /// Frames from one IDR frame to the next.
    keyframe_interval: u32,
    scene: Scene,
    coder: IntraCoder,
    motion: Motion,
    samples: Samples,
    bits: BitWriter,
    access_unit: Vec<u8>,
    /// Frames since the last IDR frame, that one included; `None` before the first.
    since_idr: Option<u32>,
    idr_count: u32,
    /// How it was chosen, for the next change of the bit rate.
    detail: usize,
    samples_of_detail: [Option<Sample>; DETAILS.len()],
}

/// Sizes of frames with one detail, in bits: they do not depend on the bit rate, and take time to find out.
#[derive(Clone, Copy)]
struct Sample {
    idr: u64,
    others: u64,
}

impl Sample {
    /// Returns mean bits per second, weighted as in a stream with this many pictures from one IDR picture to the next.
    fn bitrate(self, format: Format, interval: u32) -> u64 {
        // The longest interval is a frame number without end.
        let interval = u128::from(interval);
        let others = u128::from(self.others) * (interval - 1) / u128::from(SAMPLE_FRAMES - 1);
        let interval_bits = u128::from(self.idr) + others;
        let (frames, seconds) = format.fps.fraction();
        let bitrate = interval_bits * u128::from(frames) / (interval * u128::from(seconds));
        u64::try_from(bitrate).unwrap_or(u64::MAX)
    }
}

impl Encoder {
    /// Largest frame, in pixels (width, height): 4K of cinemas and the size limit of level 5.
    pub const MAX_SIZE: (u32, u32) = (4096, 2304);
    /// Smallest width and height, in pixels: one macroblock.
    pub const MIN_SIDE: u32 = 16;

    /// An encoder for pictures of the asked size (odd sizes are rounded down to even) and rate, with as
    /// much detail as the asked bit rate allows. Errors if size or rate is out of range.
    pub fn new(settings: &Settings) -> Result<Self, Error> {
        let format = checked_format(settings)?;
        let mut samples = [None; DETAILS.len()];
        let detail = choose_detail(format, settings, &mut samples);
        let mut encoder = Self::with_detail(format, settings.keyframe_interval.get(), detail);
        encoder.samples_of_detail = samples;
        Ok(encoder)
    }

    /// Goes on with another bit rate or keyframe interval. The next picture is an IDR picture if that changes the detail.
    pub fn reconfigure(&mut self, settings: &Settings) {
        let interval = settings.keyframe_interval.get();
        let mut samples = self.samples_of_detail;
        let detail = choose_detail(self.format, settings, &mut samples);
        if detail == self.detail {
            self.keyframe_interval = interval;
        } else {
            // Two IDR pictures in a row must not have the same idr_pic_id (7.4.3).
            let idr_count = self.idr_count;
            *self = Self::with_detail(self.format, interval, detail);
            self.idr_count = idr_count;
        }
        self.samples_of_detail = samples;
    }

    fn with_detail(format: Format, keyframe_interval: u32, number: usize) -> Self {
        let [.., last] = DETAILS;
        let detail = DETAILS.get(number).copied().unwrap_or(last);
        let (columns, rows) = (format.columns() as usize, format.rows() as usize);
        Self {
            format,
            keyframe_interval,
            scene: Scene::new(format, detail),
            coder: IntraCoder::new(columns, detail.octave),
            motion: Motion::new(columns, rows),
            samples: Samples {
                luma: [0; 256],
                chroma: [[0; 64]; 2],
            },
            bits: BitWriter::default(),
            access_unit: Vec::new(),
            since_idr: None,
            idr_count: 0,
            detail: number,
            samples_of_detail: [None; DETAILS.len()],
        }
    }

    /// The next picture, made at `unix_ms` (milliseconds of Unix time): an access unit in Annex B. It is
    /// an IDR picture if it is the first, `keyframe_interval` after the last, or `force_idr`.
    pub fn encode(&mut self, unix_ms: u64, force_idr: bool) -> &[u8] {
        self.scene.update(unix_ms);
        self.access_unit.clear();
        let number = self
            .since_idr
            .filter(|since| !force_idr && *since < self.keyframe_interval);
        match number {
            Some(number) => {
                self.since_idr = Some(number.saturating_add(1));
                self.write_predicted(number);
            }
            None => {
                self.since_idr = Some(1);
                self.write_idr();
            }
        }
        let is_disposable = number.is_some_and(is_disposable);
        if !is_disposable {
            self.scene.keep();
        }
        &self.access_unit
    }

    fn write_idr(&mut self) {
        self.bits.clear();
        parameter_sets::write_sequence(&mut self.bits, self.format);
        append_nal(
            &mut self.access_unit,
            NAL_SEQUENCE_PARAMETER_SET,
            self.bits.finish(),
        );

        self.bits.clear();
        parameter_sets::write_picture(&mut self.bits, self.coder.qp());
        append_nal(
            &mut self.access_unit,
            NAL_PICTURE_PARAMETER_SET,
            self.bits.finish(),
        );

        self.idr_count = self.idr_count.wrapping_add(1);
        self.bits.clear();
        parameter_sets::write_slice_header(
            &mut self.bits,
            Kind::Idr {
                id: self.idr_count % 2,
            },
        );
        self.coder.start_picture(true);
        for index in 0..(self.format.columns() * self.format.rows()) as usize {
            let content = self.scene.content(index, &mut self.samples);
            self.coder.write(&mut self.bits, &content);
        }
        append_nal(&mut self.access_unit, NAL_IDR, self.bits.finish());
    }

    fn write_predicted(&mut self, number: u32) {
        self.bits.clear();
        let is_disposable = is_disposable(number);
        let kind = Kind::Predicted {
            number: number.div_ceil(2),
            is_disposable,
        };
        parameter_sets::write_slice_header(&mut self.bits, kind);
        self.coder.start_picture(false);
        self.motion.clear();
        let mut skipped = 0;
        let columns = self.format.columns() as usize;
        let mut was_still = true;
        for row in 0..self.format.rows() as usize {
            let first = row * columns;
            let is_still = self.scene.is_still(first..first + columns);
            if is_still && was_still {
                // Below macroblocks that stand still, skipped ones do so as well.
                skipped += columns as u32;
                self.coder.pass_row();
                self.motion.push_still_row();
            } else {
                for index in first..first + columns {
                    skipped = self.write_change(index, self.scene.change(index), skipped);
                }
            }
            was_still = is_still;
        }
        if skipped > 0 {
            self.bits.ue(skipped);
        }
        let header = if is_disposable {
            NAL_DISPOSABLE
        } else {
            NAL_NON_IDR
        };
        append_nal(&mut self.access_unit, header, self.bits.finish());
    }

    /// Writes a macroblock unless it is one more to skip; returns how many are to be skipped then.
    fn write_change(&mut self, index: usize, change: Change, skipped: u32) -> u32 {
        let vector = match change {
            Change::Redrawn => {
                let content = self.scene.content(index, &mut self.samples);
                self.bits.ue(skipped);
                self.coder.write(&mut self.bits, &content);
                self.motion.push(None);
                return 0;
            }
            Change::Same => Vector::ZERO,
            Change::Copied(vector) => vector,
        };
        let is_skipped = vector == self.motion.of_skip();
        if !is_skipped {
            self.bits.ue(skipped);
            write_copied(&mut self.bits, vector, self.motion.predicted());
        }
        self.coder.pass();
        self.motion.push(Some(vector));
        if is_skipped { skipped + 1 } else { 0 }
    }

    /// Makes a few pictures and returns their sizes.
    fn sample(mut self) -> Sample {
        let bits_at = |encoder: &mut Self, count: u64| {
            let unix_ms = SAMPLE_TIME_MS + encoder.format.fps.milliseconds_of(count);
            8 * encoder.encode(unix_ms, count == 0).len() as u64
        };
        let idr = bits_at(&mut self, 0);
        self.keyframe_interval = u32::MAX;
        let others = (1..SAMPLE_FRAMES)
            .map(|count| bits_at(&mut self, count))
            .sum();
        Sample { idr, others }
    }
}

/// Returns the number of the best detail that keeps the asked bit rate; fills in what had to be sampled for it.
fn choose_detail(
    format: Format,
    settings: &Settings,
    samples: &mut [Option<Sample>; DETAILS.len()],
) -> usize {
    let interval = settings.keyframe_interval.get();
    let limit = settings
        .bitrate
        .map_or(u64::MAX, |bitrate| u64::from(bitrate) * SAMPLE_TENTHS / 10);
    let last = DETAILS.len() - 1;
    let keeps_limit = |(number, sample): (usize, &mut Option<Sample>)| {
        let sample =
            *sample.get_or_insert_with(|| Encoder::with_detail(format, 1, number).sample());
        (sample.bitrate(format, interval) <= limit).then_some(number)
    };
    let mut better = samples.iter_mut().take(last).enumerate();
    better.find_map(keeps_limit).unwrap_or(last)
}

/// Returns true if no other picture refers to the one of this number after the IDR picture.
fn is_disposable(number: u32) -> bool {
    number % 2 == 1
}

/// A P_L0_16x16 macroblock without residual, 7.3.5.
fn write_copied(bits: &mut BitWriter, vector: Vector, predicted: Vector) {
    bits.ue(0); // mb_type
    bits.se(4 * (vector.x - predicted.x)); // mvd_l0, in quarters of a sample
    bits.se(4 * (vector.y - predicted.y));
    bits.ue(0); // coded_block_pattern 0, Table 9-4 for inter
}

fn checked_format(settings: &Settings) -> Result<Format, Error> {
    let (width, height) = (settings.width / 2 * 2, settings.height / 2 * 2);
    let (max_width, max_height) = Encoder::MAX_SIZE;
    if !(Encoder::MIN_SIDE..=max_width).contains(&width)
        || !(Encoder::MIN_SIDE..=max_height).contains(&height)
    {
        return Err(Error::Size);
    }
    let (frames, seconds) = settings.frame_rate;
    let fps = Rate::new(frames, seconds).ok_or(Error::FrameRate)?;
    Ok(Format { width, height, fps })
}
