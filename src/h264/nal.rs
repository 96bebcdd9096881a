//! NAL unit header (7.3.1): type and reference flag.

/// `nal_unit_type` (Table 7-1), as far as this program treats types differently.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NalUnitType {
    /// 1: a slice of a picture that is not IDR.
    Slice,
    /// 2: partition A of a slice; it holds the slice header.
    PartitionA,
    /// 3 and 4: the rest of a partitioned slice.
    PartitionBc,
    /// 5: a slice of an IDR picture.
    IdrSlice,
    /// 6: supplemental enhancement information.
    Sei,
    /// 7: sequence parameter set.
    Sps,
    /// 8: picture parameter set.
    Pps,
    /// 9: access unit delimiter.
    Delimiter,
    /// 10: end of sequence.
    EndOfSequence,
    /// 11: end of stream.
    EndOfStream,
    /// 12: filler data.
    Filler,
    /// 14: prefix of a slice, for scalable and multiview streams.
    Prefix,
    /// 15 to 18: subset and depth parameter sets and reserved types that come before the slices.
    ParameterSetExtension,
    /// 19: slice of an auxiliary picture.
    AuxiliarySlice,
    /// 20 and 21: slice of another layer or view.
    SliceExtension,
    /// 0, 13, 22 and more: unused here; part of the access unit in which it stands.
    Other,
}

/// First byte of a NAL unit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NalHeader(u8);

impl NalHeader {
    /// Returns the header of `nal`; `None` if it is empty.
    pub fn of(nal: &[u8]) -> Option<Self> {
        nal.first().copied().map(Self)
    }

    /// Returns the type.
    pub fn unit_type(self) -> NalUnitType {
        match self.0 & 0x1f {
            1 => NalUnitType::Slice,
            2 => NalUnitType::PartitionA,
            3 | 4 => NalUnitType::PartitionBc,
            5 => NalUnitType::IdrSlice,
            6 => NalUnitType::Sei,
            7 => NalUnitType::Sps,
            8 => NalUnitType::Pps,
            9 => NalUnitType::Delimiter,
            10 => NalUnitType::EndOfSequence,
            11 => NalUnitType::EndOfStream,
            12 => NalUnitType::Filler,
            14 => NalUnitType::Prefix,
            15..=18 => NalUnitType::ParameterSetExtension,
            19 => NalUnitType::AuxiliarySlice,
            20 | 21 => NalUnitType::SliceExtension,
            _ => NalUnitType::Other,
        }
    }

    /// Returns `nal_ref_idc`, 0 to 3: 0 means that no other picture refers to this one.
    pub(crate) fn ref_idc(self) -> u8 {
        self.0 >> 5 & 3
    }
}

impl NalUnitType {
    /// Returns true for types that begin with a slice header of the primary picture.
    pub fn has_slice_header(self) -> bool {
        matches!(self, Self::Slice | Self::PartitionA | Self::IdrSlice)
    }
}
