//! Sessions: signed cookies of users who logged in. The server keeps none but those that were ended early.

use super::key::{SigningKey, random_bytes};
use super::link::unix_seconds;
use super::signed::{self, Signed};
use std::time::{Duration, SystemTime};

/// Life of a session.
pub const SESSION_LIFETIME: Duration = Duration::from_secs(14 * 86_400);

/// Prefix of a session.
const PURPOSE: &str = "session";

/// A session whose signature is not yet checked.
pub(super) struct Session<'a> {
    signed: Signed<'a>,
}

/// Contents of a session.
pub(super) struct SessionFields<'a> {
    pub(super) user: &'a str,
    pub(super) expires_at: u64,
    pub(super) id: &'a str,
}

/// Makes a session of `user`. It ends when `password_hash` changes.
pub(super) fn start(
    key: &SigningKey,
    user: &str,
    password_hash: &str,
    now: SystemTime,
) -> Result<String, String> {
    let id: String = random_bytes()?
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let expires_at = (unix_seconds(now) + SESSION_LIFETIME.as_secs()).to_string();
    Ok(signed::sign(
        key,
        PURPOSE,
        &[user, &expires_at, &id],
        password_hash,
    ))
}

impl<'a> Session<'a> {
    pub(super) fn parse(cookie: &'a str) -> Option<Self> {
        let signed = Signed::parse(cookie, PURPOSE)?;
        Some(Self { signed })
    }

    pub(super) fn fields(&self) -> Option<SessionFields<'_>> {
        let [user, expires_at, id] = self.signed.lines()?;
        let expires_at = expires_at.parse().ok()?;
        Some(SessionFields {
            user,
            expires_at,
            id,
        })
    }

    pub(super) fn is_by(&self, key: &SigningKey, password_hash: &str) -> bool {
        self.signed.is_by(key, password_hash)
    }
}
