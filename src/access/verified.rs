//! Passwords that were right a short time ago, so that a poller does not cost a hash each time.

use super::failures::network;
use super::key::SigningKey;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Time for which a right password is remembered.
const LIFETIME: Duration = Duration::from_secs(600);

/// Most passwords that are remembered. Only right ones are, so users bound them, too.
const MAX_ENTRIES: usize = 256;

/// Passwords that were right, as HMAC under a key of the process.
#[derive(Debug)]
pub(super) struct VerifiedPasswords {
    key: SigningKey,
    until: BTreeMap<[u8; 32], Instant>,
}

impl VerifiedPasswords {
    /// `key` is of this process alone.
    pub(super) fn new(key: SigningKey) -> Self {
        Self {
            key,
            until: BTreeMap::new(),
        }
    }

    /// Returns true if this password of `user` was right in the last ten minutes, from the same network: to others the
    /// limits of guessing apply.
    pub(super) fn has(
        &self,
        user: &str,
        password: &str,
        address: Option<IpAddr>,
        now: Instant,
    ) -> bool {
        let entry = self.until.get(&self.entry(user, password, address));
        entry.is_some_and(|until| now < *until)
    }

    pub(super) fn add(
        &mut self,
        user: &str,
        password: &str,
        address: Option<IpAddr>,
        now: Instant,
    ) {
        self.until.retain(|_, until| now < *until);
        if self.until.len() < MAX_ENTRIES {
            self.until
                .insert(self.entry(user, password, address), now + LIFETIME);
        }
    }

    fn entry(&self, user: &str, password: &str, address: Option<IpAddr>) -> [u8; 32] {
        let network = address.map_or_else(String::new, |address| network(address).to_string());
        self.key
            .sign(&[user.as_bytes(), password.as_bytes(), network.as_bytes()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verified_password_is_forgotten_after_ten_minutes() {
        let mut verified = VerifiedPasswords::new(SigningKey::new(&[1; 32]));
        let now = Instant::now();
        verified.add("a", "bc", None, now);
        let later = now + LIFETIME;
        assert!(verified.has("a", "bc", None, later - Duration::from_secs(1)));
        assert!(!verified.has("a", "bc", None, later));
        assert!(!verified.has("ab", "c", None, now));
        assert!(!verified.has("a", "bd", None, now));
        let elsewhere = Some(IpAddr::from([192, 0, 2, 1]));
        assert!(!verified.has("a", "bc", elsewhere, now));
        for number in 0..2 * MAX_ENTRIES {
            verified.add("a", &number.to_string(), None, now);
        }
        assert_eq!(verified.until.len(), MAX_ENTRIES);
    }
}
