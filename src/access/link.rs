//! Signed links: a token that names its holder, one camera, a right and the end of its life.

use super::config::Right;
use super::key::SigningKey;
use super::signed::{self, Signed};
use std::time::{Duration, SystemTime};

/// Prefix of the token of a link.
const PURPOSE: &str = "link";

/// Longest life of a link: ten years.
pub const MAX_LIFETIME: Duration = Duration::from_secs(10 * 365 * 86_400);

/// Grant of a link.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Link {
    /// Name, for the log and for `access.revoked`.
    pub name: String,
    /// The only camera.
    pub camera: String,
    /// Right to that camera.
    pub right: Right,
    /// End, in seconds of Unix time.
    pub expires_at: u64,
}

impl Link {
    /// Makes the token of the link.
    pub fn token(&self, key: &SigningKey) -> String {
        let expires_at = self.expires_at.to_string();
        let lines = [&self.name, &self.camera, self.right.word(), &expires_at];
        signed::sign(key, PURPOSE, &lines, "")
    }

    /// Reads a token that `key` signed. Its end is not checked.
    pub(super) fn parse(token: &str, key: &SigningKey) -> Option<Self> {
        let signed = Signed::parse(token, PURPOSE)?;
        if !signed.is_by(key, "") {
            return None;
        }
        let [name, camera, right, expires_at] = signed.lines()?;
        Some(Self {
            name: name.to_owned(),
            camera: camera.to_owned(),
            right: Right::parse(right)?,
            expires_at: expires_at.parse().ok()?,
        })
    }

    pub(super) fn is_expired(&self, now: SystemTime) -> bool {
        unix_seconds(now) >= self.expires_at
    }
}

/// Returns the seconds of Unix time.
pub(super) fn unix_seconds(at: SystemTime) -> u64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_is_read_back_with_its_key_only() {
        let key = SigningKey::new(&[7; 32]);
        let link = Link {
            name: "garden".into(),
            camera: "front".into(),
            right: Right::Viewer,
            expires_at: 1_000,
        };
        let token = link.token(&key);
        assert_eq!(Link::parse(&token, &key), Some(link.clone()));
        assert_eq!(Link::parse(&token, &SigningKey::new(&[8; 32])), None);
        let is_header_token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        assert!(token.chars().all(is_header_token), "{token}");
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        assert!(!link.is_expired(at(999)));
        assert!(link.is_expired(at(1_000)));
    }
}
