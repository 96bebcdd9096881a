//! The header `Transport` (RFC 2326, 12.39): of all that a client offers, RTP interleaved on the connection is taken.

/// Channels of the interleaved packets of one stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Channels {
    pub(crate) rtp: u8,
    pub(crate) rtcp: u8,
}

impl Channels {
    /// Returns the channels of the first offer that can be taken.
    pub(crate) fn choose(header: &str) -> Option<Self> {
        header.split(',').find_map(Self::of_offer)
    }

    fn of_offer(offer: &str) -> Option<Self> {
        let mut parts = offer.split(';').map(str::trim);
        if !parts.next()?.eq_ignore_ascii_case("RTP/AVP/TCP") {
            return None;
        }
        let mut channels = Self { rtp: 0, rtcp: 1 };
        for part in parts {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            if name.eq_ignore_ascii_case("multicast") {
                return None;
            }
            if name.eq_ignore_ascii_case("mode") && !value.to_ascii_uppercase().contains("PLAY") {
                return None;
            }
            if name.eq_ignore_ascii_case("interleaved") {
                let (rtp, rtcp) = value.split_once('-').unwrap_or((value, ""));
                channels.rtp = rtp.trim().parse().ok()?;
                channels.rtcp = match rtcp.trim() {
                    "" => channels.rtp.checked_add(1)?,
                    rtcp => rtcp.parse().ok()?,
                };
            }
        }
        (channels.rtp != channels.rtcp).then_some(channels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interleaved_transport_is_found_among_offers() {
        for (header, expected) in [
            ("RTP/AVP/TCP;unicast;interleaved=0-1", Some((0, 1))),
            ("rtp/avp/tcp; interleaved=2-3 ;mode=\"PLAY\"", Some((2, 3))),
            ("RTP/AVP/TCP;unicast", Some((0, 1))),
            ("RTP/AVP/TCP;interleaved=254", Some((254, 255))),
            (
                "RTP/AVP;unicast;client_port=1-2,RTP/AVP/TCP;interleaved=4-5",
                Some((4, 5)),
            ),
            ("RTP/AVP;unicast;client_port=5000-5001", None),
            ("RTP/AVP/UDP;unicast;client_port=5000-5001", None),
            ("RTP/AVP/TCP;multicast", None),
            ("RTP/AVP/TCP;interleaved=255", None),
            ("RTP/AVP/TCP;interleaved=1-1", None),
            ("RTP/AVP/TCP;interleaved=300-301", None),
            ("RTP/AVP/TCP;interleaved=0-1;mode=record", None),
            ("RTP/SAVP/TCP;interleaved=0-1", None),
            ("", None),
        ] {
            let found = Channels::choose(header).map(|it| (it.rtp, it.rtcp));
            assert_eq!(found, expected, "{header}");
        }
    }
}
