//! Timestamp code: 48 flat blocks with the time of the frame, to be read from a video element, a
//! canvas or a screen.
//!
//! In reading order: sync 1010, 32 bits of milliseconds (most significant first), CRC-8 of those
//! four bytes, sync 0101. White is 1. A block is one macroblock, so that none shares a transform
//! with anything else and every decoder outputs the exact levels.

/// Blocks in a row.
pub const COLUMNS: u32 = 12;
/// Rows of blocks.
pub const ROWS: u32 = 4;
/// Width and height of a block, in pixels; also the distance from the left and top edges.
const BLOCK_PIXELS: u32 = 16;
/// Smallest frame that carries the code, in pixels (width, height): the code and a block around it.
pub const MIN_SIZE: (u32, u32) = ((COLUMNS + 2) * BLOCK_PIXELS, (ROWS + 2) * BLOCK_PIXELS);

const SYNC_FRONT: u64 = 0b1010;
const SYNC_BACK: u64 = 0b0101;

/// Returns the 48 blocks for a time: bit 47 is the first block.
///
/// `unix_ms` is milliseconds of Unix time, of which the lower 32 bits are kept (49.7 days).
pub fn encode(unix_ms: u64) -> u64 {
    let value = unix_ms as u32;
    SYNC_FRONT << 44
        | u64::from(value) << 12
        | u64::from(crc8(value.to_be_bytes())) << 4
        | SYNC_BACK
}

/// Returns the milliseconds of 48 blocks (as from [`encode`]); `None` for an invalid code.
pub fn decode(blocks: u64) -> Option<u32> {
    let value = (blocks >> 12) as u32;
    (encode(u64::from(value)) == blocks).then_some(value)
}

/// Returns the CRC-8 with polynomial x^8+x^2+x+1, start value 0, not reflected.
fn crc8(bytes: [u8; 4]) -> u8 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ byte, |crc, _| {
            if crc & 0x80 == 0 {
                crc << 1
            } else {
                crc << 1 ^ 7
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc8_matches_its_check_value() {
        // The check value of CRC-8/SMBUS is for "123456789"; these were worked out with the same
        // polynomial over four bytes.
        assert_eq!(crc8([0, 0, 0, 0]), 0);
        assert_eq!(crc8([0, 0, 0, 1]), 0x07);
        assert_eq!(crc8([0, 0, 0, 0x80]), 0x89);
        assert_eq!(crc8(*b"1234"), 0xc2);
    }

    #[test]
    fn code_layout_is_as_documented() {
        let blocks = encode(0xffff_1234_0000_0001);
        assert_eq!(blocks >> 44, 0b1010);
        assert_eq!(blocks >> 12 & 0xffff_ffff, 1);
        assert_eq!(blocks >> 4 & 0xff, 7);
        assert_eq!(blocks & 0xf, 0b0101);
    }

    #[test]
    fn damaged_code_yields_no_time() {
        let blocks = encode(1_790_000_000_123);
        assert_eq!(decode(blocks), Some(1_790_000_000_123_u64 as u32));
        for bit in 0..48 {
            assert_eq!(decode(blocks ^ 1 << bit), None, "bit {bit}");
        }
    }
}
