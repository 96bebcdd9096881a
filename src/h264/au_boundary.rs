//! Which NAL unit is the first of an access unit (7.4.1.2.3), and which slices belong to one picture (7.4.1.2.4).

use super::bits::{BitReader, Error};
use super::nal::{NalHeader, NalUnitType};
use super::parameter_sets::ParameterSets;
use super::slice::SliceHeader;

/// What a NAL unit is to the access unit before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Boundary {
    /// It is the first of a new access unit.
    NewUnit,
    /// It belongs to the same access unit.
    SameUnit,
    /// It belongs to the next slice, wherever that belongs (a prefix NAL unit).
    FollowsNextSlice,
    /// More of its bytes are needed.
    NeedMoreData,
}

/// Judges NAL units one after the other.
#[derive(Debug, Default)]
pub struct BoundaryDetector {
    sets: ParameterSets,
    has_picture: bool,
    /// Header of a slice of the picture; `None` while no slice could be read.
    slice: Option<SliceHeader>,
    /// Colour planes of the picture whose first macroblock has been seen, as bits.
    planes_begun: u8,
    sequence_ended: bool,
}

impl BoundaryDetector {
    /// True if the current access unit holds a slice.
    pub fn has_picture(&self) -> bool {
        self.has_picture
    }

    /// Takes note of a parameter set that is complete.
    pub fn add_parameter_set(&mut self, nal: &[u8]) {
        self.sets.add(nal);
    }

    /// Forgets the current access unit; the parameter sets stay.
    pub fn reset_unit(&mut self) {
        self.has_picture = false;
        self.slice = None;
        self.planes_begun = 0;
        self.sequence_ended = false;
    }

    /// Judges the next NAL unit by its first bytes, `nal`; with all of it (`is_complete`) the verdict is never
    /// [`Boundary::NeedMoreData`]. A longer part of the same NAL unit never gives another verdict.
    pub fn classify(&mut self, nal: &[u8], is_complete: bool) -> Boundary {
        let Some(header) = NalHeader::of(nal) else {
            return Boundary::NeedMoreData;
        };
        let unit_type = header.unit_type();
        if unit_type.has_slice_header() {
            return self.classify_slice(nal, is_complete);
        }
        let starts = match unit_type {
            NalUnitType::Delimiter
            | NalUnitType::Sei
            | NalUnitType::Sps
            | NalUnitType::Pps
            | NalUnitType::ParameterSetExtension => true,
            NalUnitType::EndOfStream => false,
            _ => self.sequence_ended,
        };
        if starts && self.has_picture {
            self.reset_unit();
            return Boundary::NewUnit;
        }
        match unit_type {
            NalUnitType::Prefix if self.has_picture => Boundary::FollowsNextSlice,
            NalUnitType::EndOfSequence => {
                self.sequence_ended = self.has_picture;
                Boundary::SameUnit
            }
            _ => Boundary::SameUnit,
        }
    }

    fn classify_slice(&mut self, nal: &[u8], is_complete: bool) -> Boundary {
        let slice = match SliceHeader::parse(nal, &self.sets) {
            Ok(slice) => Ok(slice),
            Err(Error::Short(_)) if !is_complete => return Boundary::NeedMoreData,
            // Without its parameter sets a slice still tells its place in the picture.
            Err(_) => Err(BitReader::after_header(nal)
                .ue("first_mb_in_slice")
                .unwrap_or(u32::MAX)),
        };
        let starts = self.has_picture && (self.sequence_ended || self.starts_new_picture(&slice));
        if starts {
            self.reset_unit();
        }
        self.has_picture = true;
        if let Ok(slice) = slice {
            self.slice.get_or_insert(slice);
            if slice.first_mb == 0 && slice.redundant_count == 0 {
                self.planes_begun |= 1 << slice.colour_plane;
            }
        }
        if starts {
            Boundary::NewUnit
        } else {
            Boundary::SameUnit
        }
    }

    /// `slice` is its header or, where that cannot be read, its `first_mb_in_slice`.
    fn starts_new_picture(&self, slice: &Result<SliceHeader, u32>) -> bool {
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
