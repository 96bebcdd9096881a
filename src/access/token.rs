//! Tokens of programs. The configuration has their hashes only.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use std::fmt;

/// Beginning of a token, by which people and scanners of secrets know it.
const PREFIX: &str = "bmse_";

/// Beginning of a hash in the configuration.
const HASH_PREFIX: &str = "sha256:";

/// SHA-256 of a token. Tokens are random, so a fast hash is enough.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash([u8; 32]);

/// A new token, which is shown once, and its hash.
#[derive(Debug)]
pub struct NewToken {
    /// The token; all its characters may stand in URLs and in the name of a sub-protocol.
    pub token: String,
    /// Its hash.
    pub hash: TokenHash,
}

impl NewToken {
    /// Makes a token of 256 random bits.
    pub fn generate() -> Result<Self, String> {
        let mut bytes = [0; 32];
        let random = SystemRandom::new();
        random
            .fill(&mut bytes)
            .map_err(|_| "the system has no random numbers")?;
        let token = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes));
        let hash = TokenHash::of(&token);
        Ok(Self { token, hash })
    }
}

impl TokenHash {
    /// Hashes a token.
    pub fn of(token: &str) -> Self {
        let hash = digest(&SHA256, token.as_bytes());
        let mut bytes = [0; 32];
        bytes
            .iter_mut()
            .zip(hash.as_ref())
            .for_each(|(to, from)| *to = *from);
        Self(bytes)
    }

    /// Reads `sha256:` and 64 hexadecimal digits. The error does not repeat the text, which may be a token.
    pub fn parse(text: &str) -> Result<Self, String> {
        let hint = "\"berrymse token NAME\" makes a token and prints its line";
        let digits = text.strip_prefix(HASH_PREFIX).map(str::as_bytes);
        let Some(digits) = digits.filter(|digits| digits.len() == 64) else {
            return Err(format!(
                "is not {HASH_PREFIX} and 64 hexadecimal digits; {hint}"
            ));
        };
        let value = |digit: &u8| char::from(*digit).to_digit(16);
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let [high, low] = pair else { continue };
            let (Some(high), Some(low)) = (value(high), value(low)) else {
                return Err(format!(
                    "has a character that is no hexadecimal digit; {hint}"
                ));
            };
            *byte = (high * 16 + low) as u8;
        }
        Ok(Self(bytes))
    }

    /// Returns true if the hash is that of `token`. The time does not depend on the bytes that agree.
    pub fn is_of(&self, token: &str) -> bool {
        let other = Self::of(token);
        let difference = self.0.iter().zip(other.0);
        difference.fold(0, |all, (own, other)| all | (own ^ other)) == 0
    }
}

impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HASH_PREFIX)?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_hash_is_plain_sha256() {
        let hash = TokenHash::of("abc");
        let text = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hash.to_string(), text);
        assert_eq!(TokenHash::parse(text), Ok(hash));
        assert_eq!(TokenHash::parse(&text.replace("ba", "BA")), Ok(hash));
        assert!(hash.is_of("abc"));
        assert!(!hash.is_of("abd"));
        for wrong in [
            "",
            "sha256:",
            "abc",
            &text[..70],
            &text.replace("ba", "xy"),
            &text.replace("ba", "é"),
        ] {
            let why = TokenHash::parse(wrong).unwrap_err();
            assert!(why.contains("berrymse token"), "{why}");
        }
    }

    #[test]
    fn new_tokens_differ_and_fit_into_headers() {
        let (one, two) = (NewToken::generate().unwrap(), NewToken::generate().unwrap());
        assert_ne!(one.token, two.token);
        assert!(one.hash.is_of(&one.token));
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        assert!(one.token.chars().all(fits), "{}", one.token);
    }
}
