//! The key that signs links and sessions, and its file.

use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use std::fmt;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Shortest key: as long as its HMAC.
const MIN_BYTES: usize = 32;
/// Longest file that is read.
const MAX_BYTES: u64 = 4096;

/// Key of HMAC-SHA256.
#[derive(Clone)]
pub struct SigningKey(hmac::Key);

impl SigningKey {
    /// Makes a key that ends with the process.
    pub fn temporary() -> Result<Self, String> {
        Ok(Self::new(&random_bytes()?))
    }

    /// Makes a key of at least 32 secret bytes.
    pub fn new(bytes: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// Reads the key in `path`; makes it if there is no such file.
    pub fn load_or_create(path: &Path) -> Result<Self, String> {
        match Self::load(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => create(path)
                .and_then(|()| Self::load(path))
                .map_err(|error| format!("{} cannot be made: {error}", path.display())),
            loaded => loaded.map_err(|error| format!("{} cannot be used: {error}", path.display())),
        }
    }

    fn load(path: &Path) -> io::Result<Self> {
        let refuse = |why: &str| Err(io::Error::other(why.to_owned()));
        let file = fs::File::open(path)?;
        let is_for_others = file.metadata()?.permissions().mode() & 0o077 & !0o040 != 0;
        let mut bytes = Vec::new();
        file.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
        if is_for_others {
            return refuse("other users may read it; run chmod 600 on it");
        }
        let bytes = bytes.trim_ascii();
        if bytes.len() < MIN_BYTES || bytes.len() as u64 > MAX_BYTES {
            return refuse("it must have 32 to 4096 bytes; remove it, and a new one is made");
        }
        Ok(Self::new(bytes))
    }

    /// Signs `parts`. The lengths count, so that no two lists have the same signature.
    pub(super) fn sign(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut out = [0; 32];
        let tag = context.sign();
        out.iter_mut()
            .zip(tag.as_ref())
            .for_each(|(to, from)| *to = *from);
        out
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey")
    }
}

/// Returns true if both are equal. The time does not depend on the bytes that agree.
pub(super) fn is_equal(one: &[u8], other: &[u8]) -> bool {
    let difference = one.iter().zip(other);
    one.len() == other.len() && difference.fold(0, |all, (a, b)| all | (a ^ b)) == 0
}

pub(super) fn random_bytes() -> Result<[u8; 32], String> {
    let mut bytes = [0; 32];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| "the system has no random numbers".to_owned())?;
    Ok(bytes)
}

/// Writes a new key. A file that somebody else made meanwhile stays.
fn create(path: &Path) -> io::Result<()> {
    let hex: String = random_bytes()
        .map_err(io::Error::other)?
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut options = fs::OpenOptions::new();
    match options.write(true).create_new(true).mode(0o600).open(path) {
        Ok(mut file) => writeln!(file, "{hex}"),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(std::path::PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("berrymse-{name}-{}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn key_file_is_made_once_for_its_owner() {
        let folder = Folder::new("key");
        let path = folder.0.join("state/access.key");
        let first = SigningKey::load_or_create(&path).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let second = SigningKey::load_or_create(&path).unwrap();
        assert_eq!(first.sign(&[b"a"]), second.sign(&[b"a"]));
        assert_ne!(first.sign(&[b"ab", b"c"]), first.sign(&[b"a", b"bc"]));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let why = SigningKey::load_or_create(&path).unwrap_err();
        assert!(why.contains("chmod 600"), "{why}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "short\n").unwrap();
        let why = SigningKey::load_or_create(&path).unwrap_err();
        assert!(why.contains("32 to 4096"), "{why}");
        let why = SigningKey::load_or_create(Path::new("/proc/no/key")).unwrap_err();
        assert!(why.contains("/proc/no/key cannot be made"), "{why}");
    }

    #[test]
    fn equality_needs_the_same_bytes() {
        assert!(is_equal(b"ab", b"ab"));
        assert!(!is_equal(b"ab", b"ac"));
        assert!(!is_equal(b"ab", b"a"));
    }
}
