//! Supplemental enhancement information (7.3.2.3.1): recovery points (D.1.8), at which decoding can begin in a stream
//! without further IDR pictures.

use super::bits::{BitReader, BitWriter, Error};

/// `payloadType` of a recovery point.
const RECOVERY_POINT: u32 = 6;

/// Header byte of an SEI NAL unit.
const SEI_HEADER: u8 = 6;

/// Recovery point SEI message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RecoveryPoint {
    /// `recovery_frame_cnt`: reference frames until all pictures are right, 0 to 65535.
    pub frames: u32,
    /// True if the NAL unit holds no other message.
    pub is_alone: bool,
}

/// Returns the recovery point of an SEI NAL unit; `None` without one, or if the messages are
/// unreadable.
pub fn recovery_point(nal: &[u8]) -> Option<RecoveryPoint> {
    let mut reader = BitReader::after_header(nal);
    let (mut frames, mut messages) = (None, 0_u32);
    while !reader.is_at_end() {
        let (kind, bytes) = message_header(&mut reader).ok()?;
        messages += 1;
        if kind == RECOVERY_POINT {
            frames = Some(reader.clone().ue_to(65_535, "recovery_frame_cnt").ok()?);
            if messages > 1 {
                break;
            }
        }
        for _ in 0..bytes {
            reader.bits(8, "sei_payload").ok()?;
        }
    }
    frames.map(|frames| RecoveryPoint {
        frames,
        is_alone: messages == 1,
    })
}

/// Returns the SEI NAL unit without recovery points; `None` if nothing is left, or the messages are
/// unreadable.
pub fn without_recovery_point(nal: &[u8]) -> Option<Vec<u8>> {
    let mut reader = BitReader::after_header(nal);
    let mut writer = BitWriter::default();
    let mut is_empty = true;
    while !reader.is_at_end() {
        let (kind, bytes) = message_header(&mut reader).ok()?;
        let is_kept = kind != RECOVERY_POINT;
        if is_kept {
            is_empty = false;
            write_number(&mut writer, kind);
            write_number(&mut writer, bytes);
        }
        for _ in 0..bytes {
            let byte = reader.bits(8, "sei_payload").ok()?;
            if is_kept {
                writer.bits(8, byte);
            }
        }
    }
    (!is_empty).then(|| writer.into_nal(SEI_HEADER))
}

/// `payloadType` and `payloadSize`.
fn message_header(reader: &mut BitReader<'_>) -> Result<(u32, u32), Error> {
    Ok((read_number(reader)?, read_number(reader)?))
}

fn read_number(reader: &mut BitReader<'_>) -> Result<u32, Error> {
    let mut sum = 0_u32;
    loop {
        let byte = reader.bits(8, "sei_message")?;
        sum = sum.saturating_add(byte);
        if byte != 255 {
            return Ok(sum);
        }
    }
}

fn write_number(writer: &mut BitWriter, number: u32) {
    for _ in 0..number / 255 {
        writer.bits(8, 255);
    }
    writer.bits(8, number % 255);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `recovery_frame_cnt` needs the last byte in the first, and is 0 in the second (libx264, open GOP).
    const CUT_SHORT: [u8; 5] = [6, 6, 1, 0x0f, 0x80];
    const OF_0: [u8; 5] = [6, 6, 1, 0xc4, 0x80];

    fn sei(messages: &[(u32, &[u8])]) -> Vec<u8> {
        let mut writer = BitWriter::default();
        for (kind, payload) in messages {
            write_number(&mut writer, *kind);
            write_number(&mut writer, payload.len() as u32);
            payload
                .iter()
                .for_each(|byte| writer.bits(8, u32::from(*byte)));
        }
        writer.into_nal(SEI_HEADER)
    }

    #[test]
    fn recovery_point_among_messages_is_found() {
        let point = |frames, is_alone| Some(RecoveryPoint { frames, is_alone });
        assert_eq!(recovery_point(&OF_0), point(0, true));
        assert_eq!(recovery_point(&sei(&[(6, &[0x0f, 0x80])])), point(30, true));
        let long = [7; 300];
        let mixed = sei(&[(5, &long), (6, &[0xc4]), (300, &[0, 0, 1])]);
        assert_eq!(recovery_point(&mixed), point(0, false));
        assert_eq!(recovery_point(&sei(&[(5, &long)])), None);
        for cut in 0..CUT_SHORT.len() - 1 {
            assert_eq!(recovery_point(&CUT_SHORT[..cut]), None, "{cut}");
        }
    }

    #[test]
    fn recovery_point_taken_out_leaves_the_others() {
        assert_eq!(without_recovery_point(&OF_0), None);
        let mixed = sei(&[(5, &[7; 300]), (6, &[0xc4]), (300, &[0, 0, 1])]);
        let rest = sei(&[(5, &[7; 300]), (300, &[0, 0, 1])]);
        assert_eq!(without_recovery_point(&mixed), Some(rest));
    }

    /// Each of these messages is looked at once: not for each, all that follows it.
    #[test]
    fn messages_of_no_bytes_are_read_in_linear_time() {
        let empty: &[u8] = &[];
        let nal = sei(&vec![(0, empty); 200_000]);
        assert_eq!(recovery_point(&nal), None);
        assert_eq!(without_recovery_point(&nal), Some(nal));
    }

    proptest! {
        #[test]
        fn any_bytes_parse_without_panic(nal in prop::collection::vec(any::<u8>(), 0..64)) {
            let found = recovery_point(&nal);
            if let Some(rest) = without_recovery_point(&nal) {
                prop_assert_eq!(recovery_point(&rest), None);
                prop_assert!(found.is_none_or(|found| !found.is_alone));
            }
        }
    }
}
