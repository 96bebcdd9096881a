//! Texts with a signature: `PREFIX.PAYLOAD.SIGNATURE`, both in base64 for URLs.

use super::key::{SigningKey, is_equal};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Longest text that is looked at.
const MAX_BYTES: usize = 1024;

/// Signs lines of text for a purpose, which is the prefix.
pub(super) fn sign(key: &SigningKey, purpose: &str, lines: &[&str], context: &str) -> String {
    let payload = URL_SAFE_NO_PAD.encode(lines.join("\n"));
    let signature = signature(key, purpose, &payload, context);
    format!("{purpose}.{payload}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn signature(key: &SigningKey, purpose: &str, payload: &str, context: &str) -> [u8; 32] {
    key.sign(&[purpose.as_bytes(), payload.as_bytes(), context.as_bytes()])
}

/// A signed text whose signature is not yet checked.
pub(super) struct Signed<'a> {
    purpose: &'a str,
    payload: &'a str,
    signature: Vec<u8>,
    text: String,
}

impl<'a> Signed<'a> {
    /// Reads a text with the prefix `purpose`.
    pub(super) fn parse(text: &'a str, purpose: &'a str) -> Option<Self> {
        if text.len() > MAX_BYTES {
            return None;
        }
        let rest = text.strip_prefix(purpose)?.strip_prefix('.')?;
        let (payload, signature) = rest.split_once('.')?;
        Some(Self {
            purpose,
            payload,
            signature: URL_SAFE_NO_PAD.decode(signature).ok()?,
            text: String::from_utf8(URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?,
        })
    }

    /// Returns the lines, if there are as many as wanted.
    pub(super) fn lines<const N: usize>(&self) -> Option<[&str; N]> {
        let lines: Vec<&str> = self.text.split('\n').collect();
        lines.try_into().ok()
    }

    /// Returns true if `key` made the signature in this context.
    pub(super) fn is_by(&self, key: &SigningKey, context: &str) -> bool {
        let expected = signature(key, self.purpose, self.payload, context);
        is_equal(&expected, &self.signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn signature_covers_purpose_payload_and_context() {
        let (key, other) = (SigningKey::new(&[1; 32]), SigningKey::new(&[2; 32]));
        let text = sign(&key, "a", &["one", "two"], "ctx");
        let parsed = Signed::parse(&text, "a").unwrap();
        assert_eq!(parsed.lines(), Some(["one", "two"]));
        assert_eq!(parsed.lines::<3>(), None);
        assert!(parsed.is_by(&key, "ctx"));
        assert!(!parsed.is_by(&key, "other"));
        assert!(!parsed.is_by(&other, "ctx"));
        let moved = text.replacen('a', "b", 1);
        assert!(!Signed::parse(&moved, "b").unwrap().is_by(&key, "ctx"));
        for wrong in [
            "",
            "a",
            "a.",
            "a..",
            "a.b",
            "b.b25l.b25l",
            "a.=.=",
            "a./w.AA",
        ] {
            let forged = Signed::parse(wrong, "a").is_some_and(|signed| signed.is_by(&key, "ctx"));
            assert!(!forged, "{wrong}");
        }
        assert!(Signed::parse(&"a".repeat(MAX_BYTES + 1), "a").is_none());
    }

    proptest! {
        #[test]
        fn changed_text_is_never_accepted(at in 0_usize..200, byte in 32_u8..127) {
            let key = SigningKey::new(&[1; 32]);
            let text = sign(&key, "a", &["one", "two"], "");
            let mut bytes = text.clone().into_bytes();
            let at = at % bytes.len();
            bytes[at] = byte;
            let changed = String::from_utf8(bytes).unwrap();
            let accepted = Signed::parse(&changed, "a").is_some_and(|signed| signed.is_by(&key, ""));
            prop_assert!(!accepted || changed == text);
        }
    }
}
