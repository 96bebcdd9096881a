//! Which NAL unit is the first of an access unit (7.4.1.2.3), and which slices belong to one picture (7.4.1.2.4).

use super::bits::{BitReader, Error};
use super::nal::{Header, UnitType};
use super::parameter_sets::ParameterSets;
use super::slice::SliceHeader;

/// What a NAL unit is to the access unit before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It is the first of a new access unit.
    Starts,
    /// It belongs to the same access unit.
    Continues,
    /// It belongs to the next slice, wherever that belongs (a prefix NAL unit).
    AsNextSlice,
    /// More of its bytes are needed.
    Unknown,
}

/// Judges NAL units one after the other.
#[derive(Debug, Default)]
pub struct Detector {
    sets: ParameterSets,
    has_picture: bool,
    /// Header of a slice of the picture; `None` while no slice could be read.
    slice: Option<SliceHeader>,
    /// Colour planes of the picture whose first macroblock has been seen, as bits.
    planes_begun: u8,
    has_ended: bool,
}

impl Detector {
    /// True if the current access unit holds a slice.
    pub fn has_picture(&self) -> bool {
        self.has_picture
    }

    /// Takes note of a parameter set that is complete.
    pub fn learn(&mut self, nal: &[u8]) {
        self.sets.learn(nal);
    }

    /// Forgets the current access unit; the parameter sets stay.
    pub fn forget_unit(&mut self) {
        self.has_picture = false;
        self.slice = None;
        self.planes_begun = 0;
        self.has_ended = false;
    }

    /// Judges the next NAL unit by its first bytes, `nal`; with all of it (`is_complete`) the verdict is never
    /// [`Verdict::Unknown`]. A longer part of the same NAL unit never gives another verdict.
    pub fn judge(&mut self, nal: &[u8], is_complete: bool) -> Verdict {
        let Some(header) = Header::of(nal) else {
            return Verdict::Unknown;
        };
        let unit_type = header.unit_type();
        if unit_type.has_slice_header() {
            return self.judge_slice(nal, is_complete);
        }
        let starts = match unit_type {
            UnitType::Delimiter
            | UnitType::Sei
            | UnitType::Sps
            | UnitType::Pps
            | UnitType::BeforeSlices => true,
            UnitType::EndOfStream => false,
            _ => self.has_ended,
        };
        if starts && self.has_picture {
            self.forget_unit();
            return Verdict::Starts;
        }
        match unit_type {
            UnitType::Prefix if self.has_picture => Verdict::AsNextSlice,
            UnitType::EndOfSequence => {
                self.has_ended = self.has_picture;
                Verdict::Continues
            }
            _ => Verdict::Continues,
        }
    }

    fn judge_slice(&mut self, nal: &[u8], is_complete: bool) -> Verdict {
        let slice = match SliceHeader::parse(nal, &self.sets) {
            Ok(slice) => Ok(slice),
            Err(Error::Short(_)) if !is_complete => return Verdict::Unknown,
            // Without its parameter sets a slice still tells its place in the picture.
            Err(_) => Err(BitReader::after_header(nal)
                .ue("first_mb_in_slice")
                .unwrap_or(u32::MAX)),
        };
        let starts = self.has_picture && (self.has_ended || self.is_other_picture(&slice));
        if starts {
            self.forget_unit();
        }
        self.has_picture = true;
        if let Ok(slice) = slice {
            self.slice.get_or_insert(slice);
            if slice.first_mb == 0 && slice.redundant_count == 0 {
                self.planes_begun |= 1 << slice.colour_plane;
            }
        }
        if starts {
            Verdict::Starts
        } else {
            Verdict::Continues
        }
    }

    /// `slice` is its header or, where that cannot be read, its `first_mb_in_slice`.
    fn is_other_picture(&self, slice: &Result<SliceHeader, u32>) -> bool {
        match (slice, &self.slice) {
            // Redundant pictures follow their primary picture.
            (Ok(slice), _) if slice.redundant_count > 0 => false,
            // A picture has its first macroblock once. This tells pictures apart that an encoder, against the
            // standard, gives the same numbers (IDR pictures in a row with one idr_pic_id).
            (Ok(slice), Some(known)) => {
                !slice.is_same_picture(known)
                    || (slice.first_mb == 0 && self.planes_begun & 1 << slice.colour_plane != 0)
            }
            (Ok(slice), None) => slice.first_mb == 0,
            (Err(first_mb), _) => *first_mb == 0,
        }
    }
}
