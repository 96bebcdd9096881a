//! Hashes of passwords: argon2id in the PHC string format.

use super::token::TokenHash;
use argon2::password_hash::{PasswordHash as Phc, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use ring::rand::{SecureRandom, SystemRandom};
use std::fmt;

/// Longest password, so that a request cannot make hashing slow.
pub const MAX_PASSWORD_BYTES: usize = 1024;

/// Cost of a new hash: OWASP's first choice, and 19 MiB fit into the memory of a Pi Zero.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Highest cost of a hash from elsewhere: each attempt to log in pays it.
const MAX_MEMORY_KIB: u32 = 256 * 1024;
const MAX_PASSES: u32 = 10;
const MAX_LANES: u32 = 8;

/// Hash of a password, such as `$argon2id$v=19$m=19456,t=2,p=1$…`.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    text: String,
    /// Changes with the password, but not with the salt.
    version: String,
}

impl PasswordHash {
    /// Hashes a new password, or says why not.
    pub fn of(password: &str) -> Result<Self, String> {
        if password.is_empty() {
            return Err("the password is empty".to_owned());
        }
        if password.len() > MAX_PASSWORD_BYTES {
            return Err(format!(
                "the password is longer than {MAX_PASSWORD_BYTES} bytes"
            ));
        }
        let mut salt = [0; 16];
        let random = SystemRandom::new();
        random
            .fill(&mut salt)
            .map_err(|_| "the system has no random numbers")?;
        let salt = SaltString::encode_b64(&salt).map_err(|error| error.to_string())?;
        let params =
            Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|error| error.to_string())?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let hash = argon2.hash_password(password.as_bytes(), &salt);
        Ok(Self {
            text: hash.map_err(|error| error.to_string())?.to_string(),
            version: TokenHash::of(password).to_string(),
        })
    }

    /// Reads a hash, or says what is wrong with it. The error does not repeat the text, which may be a password.
    pub fn parse(text: &str) -> Result<Self, String> {
        const HINT: &str = "\"berrymse hash-password\" makes one";
        let parsed = Phc::new(text)
            .ok()
            .filter(|hash| hash.hash.is_some() && hash.salt.is_some());
        let Some(parsed) = parsed.filter(|hash| hash.algorithm.as_str() == "argon2id") else {
            return Err(format!("is not an argon2id hash; {HINT}"));
        };
        let params =
            Params::try_from(&parsed).map_err(|_| format!("has unknown parameters; {HINT}"))?;
        if params.m_cost() > MAX_MEMORY_KIB
            || params.t_cost() > MAX_PASSES
            || params.p_cost() > MAX_LANES
        {
            return Err(format!(
                "costs too much: at most m={MAX_MEMORY_KIB}, t={MAX_PASSES}, p={MAX_LANES}; {HINT}"
            ));
        }
        Ok(Self {
            text: text.to_owned(),
            version: text.to_owned(),
        })
    }

    /// Returns true if the hash is that of `password`. Takes tens of milliseconds, on small machines a second.
    pub fn is_of(&self, password: &str) -> bool {
        password.len() <= MAX_PASSWORD_BYTES
            && Phc::new(&self.text).is_ok_and(|hash| {
                let argon2 = Argon2::default();
                argon2.verify_password(password.as_bytes(), &hash).is_ok()
            })
    }

    /// Returns the text for the configuration.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns a secret text that changes with the password. It stays in the process.
    pub(super) fn version(&self) -> &str {
        &self.version
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of "correct horse", with small costs.
    const CHEAP: &str = "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$";

    #[test]
    fn new_hash_verifies_its_password_only() {
        let hash = PasswordHash::of("correct horse").unwrap();
        assert!(hash.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        let read = PasswordHash::parse(hash.as_str()).unwrap();
        assert!(read.is_of("correct horse"));
        assert!(!read.is_of("correct horsf"));
        assert!(!read.is_of(""));
        assert!(!read.is_of(&"x".repeat(MAX_PASSWORD_BYTES + 1)));
        let other = PasswordHash::of("correct horse").unwrap();
        assert_ne!(hash.as_str(), other.as_str(), "no salt");
        assert_eq!(hash.version(), other.version());
        assert_eq!(format!("{hash:?}"), "PasswordHash");
    }

    #[test]
    fn hash_error_never_repeats_the_text() {
        let long = format!("{CHEAP}{}", "A".repeat(43));
        assert!(PasswordHash::parse(&long).is_ok());
        for text in [
            "hunter2-plain",
            "",
            CHEAP,
            "$argon2i$v=19$m=64,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
            "$argon2id$v=19$m=999999,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
            "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW",
        ] {
            let why = PasswordHash::parse(text).unwrap_err();
            assert!(why.contains("berrymse hash-password"), "{why}");
            assert!(text.is_empty() || !why.contains(text), "{why}");
        }
    }
}
