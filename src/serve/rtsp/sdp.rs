//! The description of a camera's stream (RFC 8866, RFC 6184, 8.2.1).

use super::packetizer::PAYLOAD_TYPE;
use super::target::TRACK;
use crate::media::Parameters;
use crate::time::TIMESCALE;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// `nal_unit_type` of a sequence parameter set.
const SPS: u8 = 7;

/// Returns the description of the camera `name`. `id` is a number of the stream.
pub(crate) fn describe(name: &str, id: u32, parameters: &Parameters) -> String {
    let sets = &parameters.parameter_sets;
    let encoded: Vec<String> = sets.iter().map(|set| STANDARD.encode(set)).collect();
    let sps = sets
        .iter()
        .find(|set| set.first().is_some_and(|b| b & 0x1f == SPS));
    let profile = match sps.and_then(|sps| sps.get(1..4)) {
        Some([profile, constraints, level]) => {
            format!("profile-level-id={profile:02X}{constraints:02X}{level:02X}; ")
        }
        _ => String::new(),
    };
    let lines = [
        "v=0".to_owned(),
        format!("o=- {id} 1 IN IP4 0.0.0.0"),
        format!("s={name}"),
        "c=IN IP4 0.0.0.0".to_owned(),
        "t=0 0".to_owned(),
        format!("a=tool:BerryMSE {}", env!("CARGO_PKG_VERSION")),
        "a=type:broadcast".to_owned(),
        "a=control:*".to_owned(),
        "a=range:npt=now-".to_owned(),
        format!("m=video 0 RTP/AVP {PAYLOAD_TYPE}"),
        format!("a=rtpmap:{PAYLOAD_TYPE} H264/{TIMESCALE}"),
        format!(
            "a=fmtp:{PAYLOAD_TYPE} packetization-mode=1; {profile}sprop-parameter-sets={}",
            encoded.join(",")
        ),
        format!("a=control:{TRACK}"),
        String::new(),
    ];
    lines.join("\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::Description;

    #[test]
    fn description_is_read_by_an_independent_reader() {
        let parameters = Parameters::new(Description {
            parameter_sets: vec![vec![0x67, 0x64, 0, 0x1f, 9], vec![0x68, 1]],
            ..Description::default()
        });
        let text = describe("front", 7, &parameters);
        let session = sdp_types::Session::parse(text.as_bytes()).unwrap();
        assert_eq!(session.session_name, "front");
        assert_eq!(session.origin.sess_id, "7");
        let [media] = &session.medias[..] else {
            panic!("{session:?}")
        };
        assert_eq!((media.media.as_str(), media.fmt.as_str()), ("video", "96"));
        let attribute = |name| media.get_first_attribute_value(name).unwrap().unwrap();
        assert_eq!(attribute("rtpmap"), "96 H264/90000");
        assert_eq!(attribute("control"), "trackID=0");
        assert_eq!(
            attribute("fmtp"),
            "96 packetization-mode=1; profile-level-id=64001F; sprop-parameter-sets=Z2QAHwk=,aAE="
        );
    }
}
