//! RTCP of a sender (RFC 3550, 6.4.1, 6.5, 6.6): which time of the camera's clock an RTP time is.

use std::time::Duration;

/// Seconds from 1900, where NTP begins, to 1970.
const NTP_TO_UNIX_SECONDS: u64 = 2_208_988_800;

/// `PT`s of RTCP packets (RFC 3550, 12.1).
const SENDER_REPORT: u8 = 200;
const SOURCE_DESCRIPTION: u8 = 202;
const BYE: u8 = 203;

/// Canonical name of the source; it has no address of the machine in it.
const CNAME: &[u8] = b"berrymse";

/// Report of a sender.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Report {
    pub(super) ssrc: u32,
    /// Unix time at `timestamp`.
    pub(super) unix_time: Duration,
    pub(super) timestamp: u32,
    /// Packets and bytes of payload sent so far.
    pub(super) packets: u32,
    pub(super) bytes: u32,
}

impl Report {
    /// Writes the report and the source's name as one interleaved packet; with `is_last`, that nothing follows.
    pub(super) fn to_bytes(self, channel: u8, is_last: bool) -> Vec<u8> {
        let mut out = vec![b'$', channel, 0, 0];
        // Lengths are in words of four bytes, without the first.
        out.extend_from_slice(&[0x80, SENDER_REPORT, 0, 6]);
        out.extend_from_slice(&self.ssrc.to_be_bytes());
        let seconds = self.unix_time.as_secs().wrapping_add(NTP_TO_UNIX_SECONDS) as u32;
        let fraction = (u64::from(self.unix_time.subsec_nanos()) << 32) / 1_000_000_000;
        for word in [
            seconds,
            fraction as u32,
            self.timestamp,
            self.packets,
            self.bytes,
        ] {
            out.extend_from_slice(&word.to_be_bytes());
        }
        // One item and its end, filled up to a whole word.
        let item_bytes = 2 + CNAME.len() + 1;
        let words = item_bytes.div_ceil(4);
        out.extend_from_slice(&[0x81, SOURCE_DESCRIPTION, 0, words as u8 + 1]);
        out.extend_from_slice(&self.ssrc.to_be_bytes());
        out.extend_from_slice(&[1, CNAME.len() as u8]);
        out.extend_from_slice(CNAME);
        out.resize(out.len() + words * 4 - item_bytes + 1, 0);
        if is_last {
            out.extend_from_slice(&[0x81, BYE, 0, 1]);
            out.extend_from_slice(&self.ssrc.to_be_bytes());
        }
        let length = (out.len() - 4) as u16;
        out[2..4].copy_from_slice(&length.to_be_bytes());
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtcp_types::{Compound, Packet};

    #[test]
    fn report_is_read_by_an_independent_reader() {
        let report = Report {
            ssrc: 7,
            unix_time: Duration::new(1_796_000_000, 500_000_000),
            timestamp: 90_000,
            packets: 3,
            bytes: 4000,
        };
        for is_last in [false, true] {
            let bytes = report.to_bytes(5, is_last);
            assert_eq!(bytes[..2], [b'$', 5]);
            let length = usize::from(u16::from_be_bytes([bytes[2], bytes[3]]));
            assert_eq!(length, bytes.len() - 4);
            let packets: Vec<Packet> = Compound::parse(&bytes[4..])
                .unwrap()
                .collect::<Result<_, _>>()
                .unwrap();
            let [Packet::Sr(sent), Packet::Sdes(names), rest @ ..] = &packets[..] else {
                panic!("{packets:?}");
            };
            let ntp = ((1_796_000_000 + NTP_TO_UNIX_SECONDS) << 32) | 1 << 31;
            assert_eq!((sent.ssrc(), sent.ntp_timestamp()), (7, ntp));
            assert_eq!(sent.rtp_timestamp(), 90_000);
            assert_eq!((sent.packet_count(), sent.octet_count()), (3, 4000));
            let chunk = names.chunks().next().unwrap();
            assert_eq!(chunk.items().next().unwrap().value(), CNAME);
            assert_eq!(matches!(rest, [Packet::Bye(_)]), is_last, "{rest:?}");
        }
    }
}
