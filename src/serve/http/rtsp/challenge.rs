//! Challenges to RTSP clients, and their answers to Digest. Pure.
//!
//! FFmpeg takes the last line of Digest and knows no SHA-256; go2rtc takes the first line, and retina SHA-256 only with
//! `qop`. So SHA-256 is the first, MD5 the last, both have `qop`, and answers without it are taken.

use crate::access::{DIGEST_REALM, DigestAlgorithm, DigestSecret};
use crate::serve::rtsp::response::{Response, Status};

/// Schemes that the configuration can check.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Offers {
    pub(super) has_digest: bool,
    pub(super) has_users: bool,
}

impl Offers {
    /// Returns the answer to a client that has to log in. `nonce` lives as long as the connection.
    pub(super) fn challenge(self, nonce: &str, is_stale: bool, words: &str) -> Response {
        let mut response = Response::text(Status::UNAUTHORIZED, format!("{words}\n"));
        if self.has_digest {
            let stale = if is_stale { ", stale=true" } else { "" };
            for algorithm in [DigestAlgorithm::Sha256, DigestAlgorithm::Md5] {
                let name = algorithm.name();
                response = response.with(
                    "WWW-Authenticate",
                    format!(
                        "Digest realm=\"{DIGEST_REALM}\", nonce=\"{nonce}\", algorithm={name}, qop=\"auth\"{stale}"
                    ),
                );
            }
        }
        let other = match self.has_users {
            true => "Basic",
            false => "Bearer",
        };
        response.with(
            "WWW-Authenticate",
            format!("{other} realm=\"{DIGEST_REALM}\""),
        )
    }
}

/// Answer of a client to a challenge of Digest (RFC 7616, 3.4).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct DigestAnswer {
    pub(super) user: String,
    pub(super) nonce: String,
    uri: String,
    response: String,
    is_sha256: bool,
    qop: Option<String>,
    nc: String,
    cnonce: String,
}

impl DigestAnswer {
    /// Reads the header `Authorization`, if it is of Digest and complete.
    pub(super) fn parse(header: &str) -> Option<Self> {
        let (scheme, rest) = header.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("Digest") {
            return None;
        }
        let mut answer = Self::default();
        for (name, value) in parameters(rest) {
            match name.to_ascii_lowercase().as_str() {
                "username" => answer.user = value,
                "nonce" => answer.nonce = value,
                "uri" => answer.uri = value,
                "response" => answer.response = value,
                "algorithm" if value.eq_ignore_ascii_case("MD5") => {}
                "algorithm" if value.eq_ignore_ascii_case("SHA-256") => answer.is_sha256 = true,
                "realm" if value == DIGEST_REALM => {}
                "algorithm" | "realm" => return None,
                "qop" => answer.qop = Some(value),
                "nc" => answer.nc = value,
                "cnonce" => answer.cnonce = value,
                _ => {}
            }
        }
        let is_complete = !answer.user.is_empty() && !answer.response.is_empty();
        let has_known_qop = answer.qop.as_deref().is_none_or(|qop| qop == "auth");
        (is_complete && has_known_qop).then_some(answer)
    }

    /// Returns true if the answer, to a request of this method, is that of the secret's password.
    pub(super) fn is_by(&self, secret: &DigestSecret, method: &str) -> bool {
        let algorithm = match self.is_sha256 {
            true => DigestAlgorithm::Sha256,
            false => DigestAlgorithm::Md5,
        };
        let Self {
            nonce,
            uri,
            nc,
            cnonce,
            ..
        } = self;
        let ha2 = algorithm.hash(&format!("{method}:{uri}"));
        let rest = match &self.qop {
            Some(qop) => format!("{nonce}:{nc}:{cnonce}:{qop}:{ha2}"),
            None => format!("{nonce}:{ha2}"),
        };
        secret.is_response(algorithm, &rest, &self.response)
    }
}

/// Returns true if the header `Authorization` answers a challenge of Digest by the password of `secret`, for a request of this
/// method. For tests of any bytes.
pub fn is_digest_answer(header: &str, secret: &DigestSecret, method: &str) -> bool {
    DigestAnswer::parse(header).is_some_and(|answer| answer.is_by(secret, method))
}

/// Returns the parameters of a header: names and values, which may be quoted (RFC 9110, 11.2).
fn parameters(text: &str) -> Vec<(&str, String)> {
    let mut all = Vec::new();
    let mut rest = text;
    while let Some((name, after)) = rest.split_once('=') {
        let name = name.trim_matches([' ', '\t', ',']);
        let after = after.trim_start();
        let mut value = String::new();
        rest = match after.strip_prefix('"') {
            Some(quoted) => {
                let mut chars = quoted.char_indices();
                let mut end = quoted.len();
                while let Some((index, char)) = chars.next() {
                    match char {
                        '"' => {
                            end = index + 1;
                            break;
                        }
                        '\\' => value.extend(chars.next().map(|(_, char)| char)),
                        char => value.push(char),
                    }
                }
                quoted.get(end..).unwrap_or_default()
            }
            None => {
                let (plain, after) = after.split_once(',').unwrap_or((after, ""));
                value.push_str(plain.trim());
                after
            }
        };
        all.push((name, value));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offers_are_in_the_order_that_all_clients_take() {
        let lines = |has_digest, has_users| {
            let offers = Offers {
                has_digest,
                has_users,
            };
            let text = offers.challenge("abc", false, "log in").to_bytes(None);
            let text = String::from_utf8(text.to_vec()).unwrap();
            let found = text
                .lines()
                .filter_map(|it| it.strip_prefix("WWW-Authenticate: "));
            found.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(
            lines(true, true),
            [
                "Digest realm=\"BerryMSE\", nonce=\"abc\", algorithm=SHA-256, qop=\"auth\"",
                "Digest realm=\"BerryMSE\", nonce=\"abc\", algorithm=MD5, qop=\"auth\"",
                "Basic realm=\"BerryMSE\""
            ]
        );
        assert_eq!(lines(false, true), ["Basic realm=\"BerryMSE\""]);
        assert_eq!(lines(false, false), ["Bearer realm=\"BerryMSE\""]);
    }

    /// The answer of a client, as FFmpeg or go2rtc compute it.
    fn answer(algorithm: DigestAlgorithm, qop: &str, password: &str) -> String {
        let ha1 = algorithm.hash(&format!("owner:BerryMSE:{password}"));
        let ha2 = algorithm.hash("DESCRIBE:rtsp://h/live");
        let rest = match qop {
            "" => format!("abc:{ha2}"),
            qop => format!("abc:00000001:c n:{qop}:{ha2}"),
        };
        let response = algorithm.hash(&format!("{ha1}:{rest}"));
        let qop = match qop {
            "" => String::new(),
            qop => format!(", qop={qop}, nc=00000001, cnonce=\"c n\""),
        };
        format!(
            "Digest username=\"owner\",realm=\"BerryMSE\", nonce=\"abc\", uri=\"rtsp://h/live\", response=\"{response}\", algorithm={}{qop}",
            algorithm.name()
        )
    }

    #[test]
    fn answers_with_and_without_qop_are_checked() {
        let secret = DigestSecret::of("owner", "pass");
        for algorithm in [DigestAlgorithm::Md5, DigestAlgorithm::Sha256] {
            for qop in ["", "auth"] {
                let right = DigestAnswer::parse(&answer(algorithm, qop, "pass")).unwrap();
                assert_eq!(
                    (right.user.as_str(), right.nonce.as_str()),
                    ("owner", "abc")
                );
                assert!(right.is_by(&secret, "DESCRIBE"), "{algorithm:?} {qop}");
                assert!(!right.is_by(&secret, "SETUP"));
                let wrong = DigestAnswer::parse(&answer(algorithm, qop, "other")).unwrap();
                assert!(!wrong.is_by(&secret, "DESCRIBE"));
            }
        }
        let none = answer(DigestAlgorithm::Md5, "", "pass").replace(", algorithm=MD5", "");
        assert!(
            DigestAnswer::parse(&none)
                .unwrap()
                .is_by(&secret, "DESCRIBE")
        );
    }

    #[test]
    fn odd_answers_are_refused() {
        for header in [
            "Basic abc",
            "Digest",
            "Digest ",
            "Digest username=\"owner",
            "Digest username=owner, response=",
            "Digest username=a, response=b, qop=auth-int",
            "Digest username=a, response=b, algorithm=MD5-sess",
            "Digest username=a, response=b, realm=\"Other\"",
            "Digest ====\"\\",
        ] {
            assert_eq!(DigestAnswer::parse(header), None, "{header}");
        }
        let quoted = DigestAnswer::parse("digest  username=\"a\\\"b,c\" , response = d").unwrap();
        assert_eq!(
            (quoted.user.as_str(), quoted.response.as_str()),
            ("a\"b,c", "d")
        );
    }
}
