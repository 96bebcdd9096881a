//! Bits to bytes: the descriptors u(n), ue(v) and se(v) of ITU-T H.264 and the wrapping of an RBSP
//! into a NAL unit of an Annex B byte stream.

/// A raw byte sequence payload that grows bit by bit.
#[derive(Default)]
pub(super) struct BitWriter {
    bytes: Vec<u8>,
    /// Bits not yet in `bytes`: the lowest `held` bits; never 32 or more between calls.
    hold: u64,
    held: u32,
}

impl BitWriter {
    /// Forgets what was written and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.hold = 0;
        self.held = 0;
    }

    /// The lowest `count` (0 to 32) bits of `value`, highest first: u(n). Higher bits must be 0.
    pub(super) fn put(&mut self, value: u32, count: u32) {
        debug_assert!(count <= 32 && u64::from(value) < 1 << count);
        self.hold = self.hold << count | u64::from(value);
        self.held += count;
        if self.held >= 32 {
            self.held -= 32;
            let word = (self.hold >> self.held) as u32;
            self.bytes.extend_from_slice(&word.to_be_bytes());
        }
    }

    /// One bit.
    pub(super) fn flag(&mut self, value: bool) {
        self.put(u32::from(value), 1);
    }

    /// ue(v), 9.1. `value` must be below 2^32-1.
    pub(super) fn ue(&mut self, value: u32) {
        let code = value.saturating_add(1);
        let length = 32 - code.leading_zeros();
        self.put(0, length - 1);
        self.put(code, length);
    }

    /// se(v), 9.1.1.
    pub(super) fn se(&mut self, value: i32) {
        let magnitude = value.unsigned_abs();
        self.ue(if value > 0 {
            2 * magnitude - 1
        } else {
            2 * magnitude
        });
    }

    /// rbsp_trailing_bits(), 7.3.2.11; then all the bytes.
    pub(super) fn finish(&mut self) -> &[u8] {
        self.put(1, 1);
        self.put(0, (8 - self.held % 8) % 8);
        while self.held > 0 {
            self.held -= 8;
            self.bytes.push((self.hold >> self.held) as u8);
        }
        &self.bytes
    }
}

/// Appends a start code and the NAL unit, with emulation prevention (7.4.1.1).
pub(super) fn append_nal(out: &mut Vec<u8>, header: u8, rbsp: &[u8]) {
    out.reserve(rbsp.len() + rbsp.len() / 64 + 8);
    out.extend_from_slice(&[0, 0, 0, 1, header]);
    let mut zeros = 0;
    for &byte in rbsp {
        if zeros == 2 && byte <= 3 {
            out.push(3);
            zeros = 0;
        }
        out.push(byte);
        zeros = if byte == 0 { zeros + 1 } else { 0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_golomb_codes_match_table_9_2() {
        let mut bits = BitWriter::default();
        for value in 0..5 {
            bits.ue(value); // 1 010 011 00100 00101
        }
        bits.se(1); // 010
        bits.se(-1); // 011
        bits.se(-2); // 00101
        assert_eq!(
            bits.finish(),
            [0b1010_0110, 0b0100_0010, 0b1010_0110, 0b0101_1000]
        );
    }

    #[test]
    fn long_payload_keeps_its_bits() {
        let mut bits = BitWriter::default();
        bits.put(1, 3);
        for byte in 0..100 {
            bits.put(byte, 8);
        }
        let bytes = bits.finish();
        assert_eq!(bytes.len(), 101);
        assert!((0..99).all(|i| (bytes[i] << 3 | bytes[i + 1] >> 5) as usize == i));
    }

    #[test]
    fn emulation_prevention_hides_start_codes() {
        let mut out = Vec::new();
        append_nal(&mut out, 0x67, &[0, 0, 0, 0, 0, 1, 0, 0, 3, 0, 0, 4]);
        assert_eq!(
            out,
            [
                0, 0, 0, 1, 0x67, 0, 0, 3, 0, 0, 3, 0, 1, 0, 0, 3, 3, 0, 0, 4
            ]
        );
    }
}
