//! Keys of NATS (nkeys) and the files that carry them: a seed, or a `.creds` file with a token and a seed.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{Ed25519KeyPair, KeyPair};

/// Alphabet of base32 (RFC 4648, 6).
const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// First bytes of a seed and of a user's public key, in the upper five bits.
const SEED: u8 = 18 << 3;
const USER: u8 = 20 << 3;

/// Key of a user, which signs the challenges of a server.
#[derive(Debug)]
pub struct UserKey {
    pair: Ed25519KeyPair,
}

impl UserKey {
    /// Reads a seed, such as `SUAM…`. The error says nothing of its characters.
    pub fn parse(seed: &str) -> Result<Self, &'static str> {
        let bytes = decode(seed.trim()).ok_or("it is no seed (58 letters and digits, SU first)")?;
        let [first, second, secret @ ..] = bytes.as_slice() else {
            return Err("it is too short for a seed");
        };
        let Some((secret, check)) = secret.split_last_chunk::<2>() else {
            return Err("it is too short for a seed");
        };
        let kind = (first & 7) << 5 | second >> 3;
        if first & 0xf8 != SEED || kind != USER || secret.len() != 32 {
            return Err("it is no seed of a user (SU first)");
        }
        let checked = bytes.get(..bytes.len() - 2).unwrap_or_default();
        if crc16(checked) != u16::from_le_bytes(*check) {
            return Err("its check digits are wrong: a character is missing or changed");
        }
        let pair = Ed25519KeyPair::from_seed_unchecked(secret);
        let pair = pair.map_err(|_| "it is no seed of a user (SU first)")?;
        Ok(Self { pair })
    }

    /// Returns the public key as NATS writes it, such as `UDXU…`.
    pub fn public(&self) -> String {
        let mut bytes = vec![USER];
        bytes.extend_from_slice(self.pair.public_key().as_ref());
        let check = crc16(&bytes);
        bytes.extend_from_slice(&check.to_le_bytes());
        encode(&bytes)
    }

    /// Returns the signature of a challenge.
    pub fn sign(&self, nonce: &str) -> String {
        URL_SAFE_NO_PAD.encode(self.pair.sign(nonce.as_bytes()))
    }
}

/// Returns the token and the seed in a `.creds` file.
pub fn parse_creds(text: &str) -> Result<(String, UserKey), &'static str> {
    let token = block(text, "NATS USER JWT").ok_or("it has no block NATS USER JWT")?;
    let seed = block(text, "USER NKEY SEED").ok_or("it has no block USER NKEY SEED")?;
    let is_token = |b: u8| b.is_ascii_alphanumeric() || b"-_.=".contains(&b);
    if !token.bytes().all(is_token) {
        return Err("its token has impossible characters");
    }
    Ok((token.to_owned(), UserKey::parse(seed)?))
}

/// Line after the one that begins the block `name`. The dashes around differ between tools.
fn block<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let begin = format!("BEGIN {name}");
    let mut lines = text.lines().map(str::trim);
    lines.find(|line| line.starts_with('-') && line.trim_matches('-') == begin)?;
    lines.find(|line| !line.is_empty())
}

fn decode(text: &str) -> Option<Vec<u8>> {
    if text.len() > 128 {
        return None;
    }
    let (mut bits, mut count, mut out) = (0u32, 0, Vec::new());
    for byte in text.bytes() {
        let value = ALPHABET.iter().position(|letter| *letter == byte)?;
        bits = bits << 5 | u32::try_from(value).ok()?;
        count += 5;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count & 0xff) as u8);
        }
    }
    Some(out)
}

fn encode(bytes: &[u8]) -> String {
    let (mut bits, mut count, mut out) = (0u32, 0, String::new());
    let mut put = |value: u32| {
        let letter = ALPHABET.get((value & 31) as usize).copied();
        out.push(letter.unwrap_or(b'A') as char);
    };
    for byte in bytes {
        bits = bits << 8 | u32::from(*byte);
        count += 8;
        while count >= 5 {
            count -= 5;
            put(bits >> count);
        }
    }
    if count > 0 {
        put(bits << (5 - count));
    }
    out
}

/// CRC-16 with polynomial 0x1021 from 0 (XMODEM).
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| {
            let carry = if crc & 0x8000 == 0 { 0 } else { 0x1021 };
            crc << 1 ^ carry
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // Of the documentation of NATS.
    const SEED_TEXT: &str = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";
    const PUBLIC_TEXT: &str = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4";

    #[test]
    fn seed_has_its_public_key() {
        let key = UserKey::parse(SEED_TEXT).unwrap();
        assert_eq!(key.public(), PUBLIC_TEXT);
        assert_eq!(key.sign("abc").len(), 86);
    }

    #[test]
    fn wrong_seed_is_refused() {
        for text in [
            "",
            "SU",
            "hello",
            PUBLIC_TEXT,
            &SEED_TEXT.replace("3VY", "3WY"),
            &SEED_TEXT.to_lowercase(),
            &"S".repeat(500),
        ] {
            assert!(UserKey::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn creds_have_token_and_seed() {
        let text = format!(
            "-----BEGIN NATS USER JWT-----\neyJ0.eyJq.c2ln\n------END NATS USER JWT------\n\n\
             *** IMPORTANT ***\n\n-----BEGIN USER NKEY SEED-----\n{SEED_TEXT}\n------END USER NKEY SEED------\n"
        );
        let (token, key) = parse_creds(&text).unwrap();
        assert_eq!(token, "eyJ0.eyJq.c2ln");
        assert_eq!(key.public(), PUBLIC_TEXT);
        assert!(parse_creds("nothing").is_err());
        assert!(parse_creds(&text.replace("eyJ0", "\"},{")).is_err());
    }
}
