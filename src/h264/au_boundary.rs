//! Detection of the first NAL unit of an access unit (7.4.1.2.3) and of the slices of one picture
//! (7.4.1.2.4).

use super::bits::{BitReader, Error};
use super::nal::{NalHeader, NalUnitType};
use super::parameter_sets::ParameterSets;
use super::slice::SliceHeader;

/// Relation of a NAL unit to the access unit before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Boundary {
    /// First of a new access unit.
    NewUnit,
    /// Part of the same access unit.
    SameUnit,
    /// Part of the unit of the next slice (a prefix NAL unit).
    FollowsNextSlice,
    /// More of its bytes are needed.
    NeedMoreData,
}

/// Detector that classifies NAL units one after the other.
#[derive(Debug, Default)]
pub(crate) struct BoundaryDetector {
    sets: ParameterSets,
    has_picture: bool,
    /// Header of a slice of the picture; `None` while no slice could be read.
    slice: Option<SliceHeader>,
    /// Colour planes whose first macroblock has been seen, as bits.
    planes_begun: u8,
    sequence_ended: bool,
}

impl BoundaryDetector {
    /// Returns true if the current access unit holds a slice.
    pub(crate) fn has_picture(&self) -> bool {
        self.has_picture
    }

    /// Adds a complete parameter set.
    pub(crate) fn add_parameter_set(&mut self, nal: &[u8]) {
        self.sets.add(nal);
    }

    /// Forgets the current access unit, but not the parameter sets.
    pub(crate) fn reset_unit(&mut self) {
        self.has_picture = false;
        self.slice = None;
        self.planes_begun = 0;
        self.sequence_ended = false;
    }

    /// Classifies the next NAL unit by its first bytes, `nal`. With all bytes (`is_complete`) the
    /// result is never [`Boundary::NeedMoreData`]. More bytes of the same NAL unit never change the
    /// result.
    pub(crate) fn classify(&mut self, nal: &[u8], is_complete: bool) -> Boundary {
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
            // Without its parameter sets a slice still has its position in the picture.
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

    /// Returns true for another picture. `slice` is its header or, if unreadable, its
    /// `first_mb_in_slice`.
    fn starts_new_picture(&self, slice: &Result<SliceHeader, u32>) -> bool {
        match (slice, &self.slice) {
            // Redundant pictures follow their primary picture.
            (Ok(slice), _) if slice.redundant_count > 0 => false,
            // A picture has its first macroblock once. This separates pictures to which an encoder,
            // against the standard, gives equal numbers (IDR pictures in a row with one
            // idr_pic_id).
            (Ok(slice), Some(known)) => {
                !slice.is_same_picture(known)
                    || (slice.first_mb == 0 && self.planes_begun & 1 << slice.colour_plane != 0)
            }
            (Ok(slice), None) => slice.first_mb == 0,
            (Err(first_mb), _) => *first_mb == 0,
        }
    }
}
