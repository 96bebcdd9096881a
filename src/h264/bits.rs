//! Bits of a NAL unit: reading with emulation prevention bytes left out (7.3.1) and exp-Golomb
//! codes (9.1), and writing the same.

/// Reason why a field of a parameter set or slice header is unreadable.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    /// The NAL unit ends before the field.
    #[error("{0}: the NAL unit ends before it")]
    Short(&'static str),
    /// The value is forbidden by the standard or unsupported.
    #[error("{0}: value out of range")]
    Range(&'static str),
    /// The NAL unit refers to a missing parameter set.
    #[error("{0}: no such parameter set")]
    Missing(&'static str),
}

/// Reads the payload of a NAL unit, most significant bit first.
#[derive(Clone, Debug)]
pub struct BitReader<'a> {
    nal: &'a [u8],
    next: usize,
    zeros: u8,
    /// Bits that were taken from `nal` and not read so far, the first one on top; zeros below them.
    cache: u64,
    cached: u32,
    position: usize,
}

impl<'a> BitReader<'a> {
    /// Begins after the header byte of `nal`.
    pub(crate) fn after_header(nal: &'a [u8]) -> Self {
        Self {
            nal,
            next: 1,
            zeros: 0,
            cache: 0,
            cached: 0,
            position: 0,
        }
    }

    /// Bits read so far, emulation prevention not counted.
    pub fn position(&self) -> usize {
        self.position
    }

    fn next_byte(&mut self) -> Option<u8> {
        let mut byte = *self.nal.get(self.next)?;
        self.next += 1;
        if self.zeros >= 2 && byte == 3 {
            byte = *self.nal.get(self.next)?;
            self.next += 1;
            self.zeros = 0;
        }
        self.zeros = if byte == 0 {
            self.zeros.saturating_add(1)
        } else {
            0
        };
        Some(byte)
    }

    /// Adds four bytes to the cache, or one of the last or near an emulation prevention byte. There
    /// is room: at most 32 bits are wanted at once, and fewer are cached.
    fn fill_cache(&mut self) -> Option<()> {
        let four = self.nal.get(self.next..).and_then(<[u8]>::first_chunk);
        if let Some(word) = four.map(|four| u32::from_be_bytes(*four))
            && !has_byte_3(word)
        {
            self.cache |= u64::from(word) << (32 - self.cached);
            self.cached += 32;
            self.next += 4;
            let zeros = (word.trailing_zeros() / 8) as u8;
            let before = if word == 0 { self.zeros } else { 0 };
            self.zeros = before.saturating_add(zeros);
            return Some(());
        }
        let byte = self.next_byte()?;
        self.cache |= u64::from(byte) << (56 - self.cached);
        self.cached += 8;
        Some(())
    }

    /// Removes bits from the cache, which has them.
    fn consume(&mut self, count: u32) {
        self.cache <<= count;
        self.cached -= count;
        self.position += count as usize;
    }

    /// Reads one bit.
    pub fn flag(&mut self, field: &'static str) -> Result<bool, Error> {
        Ok(self.bits(1, field)? == 1)
    }

    /// `count` bits, at most 32, as an unsigned number: u(n).
    pub fn bits(&mut self, count: u32, field: &'static str) -> Result<u32, Error> {
        debug_assert!(count <= 32);
        let count = count.min(32);
        while self.cached < count {
            self.fill_cache().ok_or(Error::Short(field))?;
        }
        let value = self.cache >> 32 >> (32 - count);
        self.consume(count);
        Ok(value as u32)
    }

    /// Reads an unsigned exp-Golomb code, 0 to 2^32 - 2: ue(v).
    pub fn ue(&mut self, field: &'static str) -> Result<u32, Error> {
        while self.cache == 0 && self.cached < 32 {
            self.fill_cache().ok_or(Error::Short(field))?;
        }
        let zeros = self.cache.leading_zeros();
        if zeros > 31 {
            return Err(Error::Range(field));
        }
        self.consume(zeros + 1);
        let rest = self.bits(zeros, field)?;
        Ok(((1_u64 << zeros) - 1 + u64::from(rest)) as u32)
    }

    /// Reads an unsigned exp-Golomb code up to `limit`.
    pub(crate) fn ue_to(&mut self, limit: u32, field: &'static str) -> Result<u32, Error> {
        match self.ue(field)? {
            value if value <= limit => Ok(value),
            _ => Err(Error::Range(field)),
        }
    }

    /// Reads a signed exp-Golomb code: se(v).
    pub fn se(&mut self, field: &'static str) -> Result<i32, Error> {
        let code = i64::from(self.ue(field)?);
        let magnitude = (code + 1) / 2;
        let value = if code % 2 == 1 { magnitude } else { -magnitude };
        i32::try_from(value).map_err(|_| Error::Range(field))
    }
}

/// Returns true if one of the four bytes is 3: only such a word can hold an emulation prevention byte.
const fn has_byte_3(word: u32) -> bool {
    let zero_if_3 = word ^ 0x0303_0303;
    zero_if_3.wrapping_sub(0x0101_0101) & !zero_if_3 & 0x8080_8080 != 0
}

impl BitReader<'_> {
    /// Position of the stop bit (7.3.2.11): of the last bit that is 1; the present one if there is none.
    pub(crate) fn payload_bits(&self) -> usize {
        let mut rest = self.clone();
        let mut end = rest.position();
        while let Ok(bit) = rest.flag("rbsp_data") {
            if bit {
                end = rest.position() - 1;
            }
        }
        end
    }

    /// Returns true if only the stop bit and zeros are left (7.3.2.11).
    pub(crate) fn is_at_end(&self) -> bool {
        let mut rest = self.clone();
        if rest.flag("rbsp_stop_one_bit") != Ok(true) {
            return false;
        }
        while let Ok(bit) = rest.flag("rbsp_alignment_zero_bit") {
            if bit {
                return false;
            }
        }
        true
    }
}

/// Writes the payload of a NAL unit, most significant bit first.
#[derive(Clone, Debug, Default)]
pub struct BitWriter {
    rbsp: Vec<u8>,
    bits: usize,
}

impl BitWriter {
    /// Adds the lowest `count` bits of `value`: u(n), n up to 32.
    pub fn bits(&mut self, count: u32, value: u32) {
        for shift in (0..count.min(32)).rev() {
            if self.bits.is_multiple_of(8) {
                self.rbsp.push(0);
            }
            if let Some(last) = self.rbsp.last_mut() {
                *last |= ((value >> shift & 1) as u8) << (7 - self.bits % 8);
            }
            self.bits += 1;
        }
    }

    /// Adds one bit.
    pub fn flag(&mut self, value: bool) {
        self.bits(1, u32::from(value));
    }

    /// Adds an unsigned exp-Golomb code: ue(v).
    pub fn ue(&mut self, value: u32) {
        let code = u64::from(value) + 1;
        let length = code.ilog2();
        self.bits(length, 0);
        self.flag(true);
        self.bits(length, (code - (1 << length)) as u32);
    }

    /// Adds a signed exp-Golomb code: se(v).
    pub fn se(&mut self, value: i32) {
        let magnitude = value.unsigned_abs();
        self.ue(if value > 0 {
            magnitude.wrapping_mul(2).wrapping_sub(1)
        } else {
            magnitude.wrapping_mul(2)
        });
    }

    /// Returns the NAL unit with this header byte: payload, stop bit (7.3.2.11), emulation
    /// prevention bytes.
    pub fn into_nal(mut self, header: u8) -> Vec<u8> {
        self.flag(true);
        self.into_nal_with(header, std::iter::empty())
    }

    /// The NAL unit with this header byte: whole bytes of payload, then `rest`, which ends with the stop bit;
    /// emulation prevention bytes are added.
    pub(crate) fn into_nal_with(self, header: u8, rest: impl Iterator<Item = u8>) -> Vec<u8> {
        let mut nal = Vec::with_capacity(self.rbsp.len() + self.rbsp.len() / 32 + 2);
        nal.push(header);
        let mut zeros = 0;
        for byte in self.rbsp.into_iter().chain(rest) {
            if zeros == 2 && byte <= 3 {
                nal.push(3);
                zeros = 0;
            }
            zeros = if byte == 0 { zeros + 1 } else { 0 };
            nal.push(byte);
        }
        nal
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn exp_golomb_codes_of_table_9_2_are_read() {
        let mut reader = BitReader::after_header(&[0, 0b1010_0110, 0b0100_0010, 0b1000_0000]);
        assert_eq!(
            (0..5).map(|_| reader.ue("x").unwrap()).collect::<Vec<_>>(),
            [0, 1, 2, 3, 4]
        );
        assert_eq!(reader.position(), 17);
    }

    #[test]
    fn emulation_prevention_bytes_are_skipped() {
        let mut reader = BitReader::after_header(&[0x67, 0, 0, 3, 1, 0, 0, 3, 0, 0, 3, 3]);
        assert_eq!(reader.bits(32, "x").unwrap(), 0x0000_0100);
        assert_eq!(reader.bits(32, "x").unwrap(), 0x0000_0003);
        assert_eq!(reader.flag("the end"), Err(Error::Short("the end")));
    }

    #[test]
    fn code_longer_than_32_bits_is_rejected() {
        let mut reader = BitReader::after_header(&[0, 0, 0, 3, 0, 0, 3, 0, 0x80]);
        assert_eq!(reader.ue("x"), Err(Error::Range("x")));
    }

    #[derive(Clone, Debug)]
    enum Item {
        Bits(u32, u32),
        Ue(u32),
        Se(i32),
    }

    fn item() -> impl Strategy<Value = Item> {
        prop_oneof![
            (1_u32..=32, any::<u32>())
                .prop_map(|(n, v)| Item::Bits(n, (u64::from(v) & ((1_u64 << n) - 1)) as u32)),
            (1_u32..=32).prop_map(|n| Item::Bits(n, 0)),
            (0..u32::MAX).prop_map(Item::Ue),
            (0_u32..9).prop_map(Item::Ue),
            (-i32::MAX..=i32::MAX).prop_map(Item::Se),
        ]
    }

    proptest! {
        #[test]
        fn written_bits_read_back_without_start_codes(items in prop::collection::vec(item(), 0..60)) {
            let mut writer = BitWriter::default();
            for item in &items {
                match *item {
                    Item::Bits(n, v) => writer.bits(n, v),
                    Item::Ue(v) => writer.ue(v),
                    Item::Se(v) => writer.se(v),
                }
            }
            let nal = writer.into_nal(0x67);
            prop_assert!(nal.windows(3).all(|w| w[0] != 0 || w[1] != 0 || w[2] > 2));
            prop_assert!(nal.last() != Some(&0));
            let mut reader = BitReader::after_header(&nal);
            for item in &items {
                match *item {
                    Item::Bits(n, v) => prop_assert_eq!(reader.bits(n, "x").unwrap(), v),
                    Item::Ue(v) => prop_assert_eq!(reader.ue("x").unwrap(), v),
                    Item::Se(v) => prop_assert_eq!(reader.se("x").unwrap(), v),
                }
            }
            prop_assert!(reader.flag("stop bit").unwrap());
        }
    }
}
