//! Certificates that are good, bad, and changed under way.

use super::*;
use std::ops::Deref;

/// A folder of the test's own with the files of one certificate.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("berrymse-tls-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn files(&self) -> CertPaths {
        CertPaths {
            cert: self.0.join("cert.pem"),
            key: self.0.join("key.pem"),
        }
    }

    fn write(&self, (cert, key): &(String, String)) {
        fs::write(self.files().cert, cert).unwrap();
        fs::write(self.files().key, key).unwrap();
    }

    fn load(&self) -> Result<CertifiedKey, String> {
        load(&self.files(), &ring::default_provider())
            .map_err(|error| error.replace(self.0.to_str().unwrap(), "DIR"))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Certificate and key in PEM form.
fn issue() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

fn refresh(store: &Arc<CertStore>, now: Instant) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    runtime.unwrap().block_on(store.refresh(now));
}

#[test]
fn unusable_certificate_error_has_a_hint() {
    let (place, good, other) = (Place::new("bad"), issue(), issue());
    let refusal = |cert: &str, key: &str| {
        place.write(&(cert.to_owned(), key.to_owned()));
        place.load().map(|_| ()).unwrap_err()
    };
    let damaged = good.0.replacen("MII", "M!I", 1);
    let locked =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    for (cert, key, why) in [
        (&*good.1, &*good.0, "mixed up?"),
        ("", &*good.1, "has no certificate"),
        ("hello", &*good.1, "has no certificate"),
        (&*damaged, &*good.1, "tls.cert: DIR/cert.pem is damaged"),
        (&*good.0, "", "has no private key"),
        (&*good.0, locked, "locked with a passphrase"),
        (
            &*good.0,
            &*other.1,
            "DIR/key.pem is not the key of the certificate in DIR/cert.pem",
        ),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            &*good.1,
            "cannot be used",
        ),
    ] {
        let refusal = refusal(cert, key);
        assert!(refusal.contains(why), "{refusal}");
    }
    fs::remove_file(place.files().key).unwrap();
    assert_eq!(
        place.load().map(|_| ()).unwrap_err(),
        "tls.key: DIR/key.pem does not exist."
    );
}

#[test]
fn one_file_may_hold_both() {
    let (place, (cert, key)) = (Place::new("both"), issue());
    let both = format!("{key}{cert}");
    place.write(&(both.clone(), both));
    assert!(place.load().is_ok());
}

#[test]
fn certificate_reload_ignores_partial_files() {
    let (place, old, new) = (Place::new("renewed"), issue(), issue());
    place.write(&old);
    let provider = Arc::new(ring::default_provider());
    let store =
        Arc::new(CertStore::open(place.files(), provider, read_if_changed, PATIENCE).unwrap());
    let der = |seconds| {
        let now = Instant::now() + Duration::from_secs(seconds);
        refresh(&store, now);
        store.loaded().certified.cert[0].deref().to_vec()
    };
    let first = der(2);
    assert_eq!(first, der(4), "unchanged");
    fs::write(place.files().cert, &new.0).unwrap();
    assert_eq!(first, der(6), "the key is still the old one");
    fs::remove_file(place.files().key).unwrap();
    assert_eq!(first, der(8), "there is no key for a moment");
    fs::write(place.files().key, &new.1).unwrap();
    assert_ne!(first, der(10));
}

#[test]
fn non_regular_certificate_file_is_rejected() {
    let (place, made) = (Place::new("fifo"), issue());
    place.write(&made);
    fs::remove_file(place.files().key).unwrap();
    let refusal = || place.load().map(|_| ()).unwrap_err();
    let fifo = rustix::fs::CWD;
    rustix::fs::mkfifoat(fifo, place.files().key, 0o600.into()).unwrap();
    assert!(refusal().starts_with("tls.key: DIR/key.pem is no regular file"));
    fs::remove_file(place.files().cert).unwrap();
    fs::create_dir(place.files().cert).unwrap();
    assert!(refusal().starts_with("tls.cert: DIR/cert.pem is no regular file"));
}

#[test]
fn disk_that_hangs_holds_up_no_handshake() {
    fn hang_after_start(
        files: &CertPaths,
        provider: &CryptoProvider,
        seen: Option<&FileVersions>,
    ) -> Option<(FileVersions, ReadResult)> {
        while seen.is_some() {
            std::thread::park();
        }
        read_if_changed(files, provider, seen)
    }
    fn hang(
        _: &CertPaths,
        _: &CryptoProvider,
        _: Option<&FileVersions>,
    ) -> Option<(FileVersions, ReadResult)> {
        loop {
            std::thread::park();
        }
    }
    let (place, provider) = (Place::new("hang"), Arc::new(ring::default_provider()));
    place.write(&issue());
    let open = |look, timeout| CertStore::open(place.files(), provider.clone(), look, timeout);
    let refusal = open(hang, Duration::from_millis(20)).map(drop).unwrap_err();
    assert!(refusal.contains("the disk did not answer"), "{refusal}");
    let store = Arc::new(open(hang_after_start, PATIENCE).unwrap());
    let certified = store.loaded().certified.clone();
    let now = Instant::now();
    // The second one does not even begin to look.
    for seconds in [2, 4] {
        refresh(&store, now + Duration::from_secs(seconds));
    }
    assert!(Arc::ptr_eq(&certified, &store.loaded().certified));
    assert_eq!(Arc::strong_count(&store), 2, "one thread looks");
}
