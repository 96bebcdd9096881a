//! HA1, the hash of name, realm and password that Digest authentication needs (RFC 7616).
//!
//! RTSP cameras and recorders ask for it. HA1 is as good as the password for Digest, so it is opt-in, and a secret.

use super::key::is_equal;
use md5::{Digest as _, Md5};
use ring::digest::{SHA256, digest};
use std::fmt;

/// Realm of the challenge, which the secret is bound to.
pub const DIGEST_REALM: &str = "BerryMSE";

/// Algorithm of a challenge. MD5 is for clients that know no other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DigestAlgorithm {
    /// RFC 2617.
    Md5,
    /// RFC 7616.
    Sha256,
}

impl DigestAlgorithm {
    /// Returns the name in a challenge.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
        }
    }

    /// Returns the hash of `text` as hexadecimal digits.
    pub fn hash(self, text: &str) -> String {
        match self {
            Self::Md5 => hex(&Md5::digest(text.as_bytes())),
            Self::Sha256 => hex(digest(&SHA256, text.as_bytes()).as_ref()),
        }
    }
}

/// HA1 of a user in both algorithms. Its text is `NAME:REALM:MD5:SHA-256`.
#[derive(Clone, PartialEq, Eq)]
pub struct DigestSecret {
    user: String,
    md5: String,
    sha256: String,
}

impl DigestSecret {
    /// Makes the secret of a user with a password.
    pub fn of(user: &str, password: &str) -> Self {
        let text = format!("{user}:{DIGEST_REALM}:{password}");
        Self {
            user: user.to_owned(),
            md5: DigestAlgorithm::Md5.hash(&text),
            sha256: DigestAlgorithm::Sha256.hash(&text),
        }
    }

    /// Reads the secret of `user`, or says what is wrong with it. The error does not repeat the text.
    pub fn parse(text: &str, user: &str) -> Result<Self, String> {
        const HINT: &str = "\"berrymse hash-password --digest --name NAME\" makes one";
        let parts: Vec<&str> = text.split(':').collect();
        let [name, realm, md5, sha256] = *parts else {
            return Err(format!("is not NAME:{DIGEST_REALM}:MD5:SHA-256; {HINT}"));
        };
        let is_hex = |text: &str, length| {
            text.len() == length && text.bytes().all(|b| b.is_ascii_hexdigit())
        };
        if !is_hex(md5, 32) || !is_hex(sha256, 64) {
            return Err(format!(
                "needs 32 and 64 hexadecimal digits at its end; {HINT}"
            ));
        }
        if realm != DIGEST_REALM {
            return Err(format!("is not for the realm {DIGEST_REALM}; {HINT}"));
        }
        if name != user {
            return Err(format!(
                "was made for another name than {user}, which is part of the hash; {HINT}"
            ));
        }
        Ok(Self {
            user: user.to_owned(),
            md5: md5.to_ascii_lowercase(),
            sha256: sha256.to_ascii_lowercase(),
        })
    }

    /// Returns true if `response` is that of the password. `rest` is what stands behind HA1 in the hash of the response:
    /// `NONCE:NC:CNONCE:QOP:HA2`, or `NONCE:HA2` without `qop`.
    pub fn is_response(&self, algorithm: DigestAlgorithm, rest: &str, response: &str) -> bool {
        let ha1 = match algorithm {
            DigestAlgorithm::Md5 => &self.md5,
            DigestAlgorithm::Sha256 => &self.sha256,
        };
        let expected = algorithm.hash(&format!("{ha1}:{rest}"));
        is_equal(
            expected.as_bytes(),
            response.to_ascii_lowercase().as_bytes(),
        )
    }
}

/// The text for the configuration.
impl fmt::Display for DigestSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user, md5, sha256 } = self;
        write!(f, "{user}:{DIGEST_REALM}:{md5}:{sha256}")
    }
}

impl fmt::Debug for DigestSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DigestSecret")
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_the_standard() {
        // RFC 7616, 3.9.1: HA2 of both algorithms.
        assert_eq!(
            DigestAlgorithm::Md5.hash("GET:/dir/index.html"),
            "39aff3a2bab6126f332b942af96d3366"
        );
        assert_eq!(
            DigestAlgorithm::Sha256.hash("GET:/dir/index.html"),
            "9a3fdae9a622fe8de177c24fa9c070f2b181ec85e15dcbdc32e10c82ad450b04"
        );
    }

    #[test]
    fn secret_is_read_back_for_its_user_only() {
        let secret = DigestSecret::of("owner", "correct horse");
        let text = secret.to_string();
        assert_eq!(DigestSecret::parse(&text, "owner"), Ok(secret.clone()));
        for (wrong, user, words) in [
            (text.as_str(), "guest", "another name than guest"),
            ("", "owner", "is not NAME:BerryMSE"),
            ("owner:BerryMSE:00:00", "owner", "hexadecimal"),
            (
                &text.replace("BerryMSE", "Other"),
                "owner",
                "realm BerryMSE",
            ),
        ] {
            let why = DigestSecret::parse(wrong, user).unwrap_err();
            assert!(
                why.contains(words) && why.contains("hash-password"),
                "{why}"
            );
            assert!(wrong.is_empty() || !why.contains(wrong), "{why}");
        }
        assert_eq!(format!("{secret:?}"), "DigestSecret");
    }

    #[test]
    fn response_needs_the_password_and_its_algorithm() {
        let secret = DigestSecret::of("owner", "correct horse");
        for algorithm in [DigestAlgorithm::Md5, DigestAlgorithm::Sha256] {
            let ha1 = algorithm.hash("owner:BerryMSE:correct horse");
            let response = algorithm.hash(&format!("{ha1}:nonce:ha2"));
            assert!(secret.is_response(algorithm, "nonce:ha2", &response));
            assert!(secret.is_response(algorithm, "nonce:ha2", &response.to_uppercase()));
            assert!(!secret.is_response(algorithm, "other:ha2", &response));
            assert!(!secret.is_response(algorithm, "nonce:ha2", ""));
            let other = DigestSecret::of("owner", "wrong");
            assert!(!other.is_response(algorithm, "nonce:ha2", &response));
        }
    }
}
