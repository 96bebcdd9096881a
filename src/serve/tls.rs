//! Loads the server's certificate at the start, and again whenever its files change on disk, since
//! certificates are renewed every few weeks without a restart. A thread of its own reads them, as a
//! disk in the network may not answer. Handshakes are tokio-rustls', on the HTTP thread;
//! `ws::stream` has the session after the upgrade to a WebSocket.

pub(crate) mod stream;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{Error as TlsError, InconsistentKeys, ServerConfig};
use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use stream::MaybeTlsStream;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

/// Most bytes that are encrypted at once: a TLS record (RFC 8446, 5.1).
pub(crate) const RECORD_BYTES: usize = 16 << 10;

/// Interval of checks of the files, however many viewers come.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Time for the disk to answer: a handshake waits no longer, nor does the start.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);
const START_TIMEOUT: Duration = Duration::from_secs(10);

/// Content type of the first record (RFC 8446, 5.1); no method of HTTP begins so.
const HANDSHAKE_RECORD: u8 = 22;

/// Chains are a few kilobytes; keeps a wrong path from filling the memory.
const MAX_PEM_BYTES: u64 = 1 << 20;

/// Paths of the certificate and its key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CertPaths {
    /// The certificate and those that lead to its issuer, in PEM form.
    pub cert: PathBuf,
    /// Its private key, in PEM form; may be the same file.
    pub key: PathBuf,
}

/// Accepts TLS connections with the certificate as it is on disk.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    store: Arc<CertStore>,
}

impl Tls {
    /// Reads the files; the error is a reason not to start.
    pub fn open(files: CertPaths) -> Result<Self, String> {
        let provider = Arc::new(ring::default_provider());
        let store = Arc::new(CertStore::open(
            files,
            provider.clone(),
            read_if_changed,
            START_TIMEOUT,
        )?);
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("cannot set up TLS: {error}"))?
            .with_no_client_auth()
            .with_cert_resolver(store.clone());
        // Clients of HTTP/1.0 that name it, such as `curl --http1.0`, would be refused.
        config.alpn_protocols = [&b"http/1.1"[..], b"http/1.0"].map(<[u8]>::to_vec).into();
        Ok(Self {
            acceptor: Arc::new(config).into(),
            store,
        })
    }

    /// Performs the TLS handshake; returns the plain socket of a client that does not begin one,
    /// for a redirect.
    pub(crate) async fn accept(&self, socket: TcpStream) -> io::Result<MaybeTlsStream> {
        let mut first = [0];
        if socket.peek(&mut first).await? == 1 && first != [HANDSHAKE_RECORD] {
            return Ok(MaybeTlsStream::Plain(socket));
        }
        self.store.refresh(Instant::now()).await;
        let stream = self
            .acceptor
            .accept_with(socket, |session| {
                session.set_buffer_limit(Some(RECORD_BYTES));
            })
            .await?;
        Ok(MaybeTlsStream::Tls(Box::new(stream)))
    }
}

/// Reads the files if their versions differ; returns the versions and the certificate. May block
/// for as long as the disk does.
type ReadIfChanged =
    fn(&CertPaths, &CryptoProvider, Option<&FileVersions>) -> Option<(FileVersions, ReadResult)>;
type ReadResult = Result<CertifiedKey, String>;
type FileVersions = [Option<FileVersion>; 2];

fn read_if_changed(
    files: &CertPaths,
    provider: &CryptoProvider,
    seen: Option<&FileVersions>,
) -> Option<(FileVersions, ReadResult)> {
    let versions = files.versions();
    (seen != Some(&versions)).then(|| (versions, load(files, provider)))
}

/// The certificate in use and the files that it is from.
struct CertStore {
    paths: CertPaths,
    provider: Arc<CryptoProvider>,
    read_if_changed: ReadIfChanged,
    loaded: Mutex<LoadedCert>,
}

struct LoadedCert {
    certified: Arc<CertifiedKey>,
    versions: FileVersions,
    checked_at: Instant,
    /// A thread reads the files.
    is_checking: bool,
}

/// Identity of a file's content: device, inode, size, time of writing.
type FileVersion = (u64, u64, u64, i64, i64);

impl CertStore {
    fn open(
        files: CertPaths,
        provider: Arc<CryptoProvider>,
        look: ReadIfChanged,
        timeout: Duration,
    ) -> Result<Self, String> {
        let (sender, receiver) = std::sync::mpsc::channel();
        let (to_read, with) = (files.clone(), provider.clone());
        in_background(move || {
            let _ = sender.send(look(&to_read, &with, None));
        })
        .map_err(|error| format!("cannot read the certificate: {error}"))?;
        let Ok(Some((seen, read))) = receiver.recv_timeout(timeout) else {
            return Err(format!(
                "tls.cert, tls.key: {} and {} cannot be read (the disk did not answer for {} s); is it mounted?",
                files.cert.display(),
                files.key.display(),
                timeout.as_secs()
            ));
        };
        let current = LoadedCert {
            certified: read?.into(),
            versions: seen,
            checked_at: Instant::now(),
            is_checking: false,
        };
        Ok(Self {
            paths: files,
            provider,
            read_if_changed: look,
            loaded: Mutex::new(current),
        })
    }

    fn loaded(&self) -> MutexGuard<'_, LoadedCert> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reloads the certificate if its files changed, at most once a second. Waits for the disk up
    /// to [`CHECK_TIMEOUT`]; then the certificate in use serves on.
    async fn refresh(self: &Arc<Self>, now: Instant) {
        {
            let mut current = self.loaded();
            let is_due = now.saturating_duration_since(current.checked_at) >= CHECK_INTERVAL;
            if !is_due || current.is_checking {
                return;
            }
            (current.checked_at, current.is_checking) = (now, true);
        }
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let store = self.clone();
        // No thread of the runtime, which would wait for it when the program ends.
        let begun = in_background(move || {
            store.reload_if_changed();
            let _ = sender.send(());
        });
        if let Err(error) = begun {
            self.loaded().is_checking = false;
            log::warn!("tls: certificate not checked ({error})");
        } else if tokio::time::timeout(CHECK_TIMEOUT, receiver).await.is_err() {
            log::warn!(
                "tls: certificate not checked (the disk of {} does not answer); going on with the certificate in use",
                self.paths.cert.display()
            );
        }
    }

    /// Loads changed files. Blocks.
    fn reload_if_changed(&self) {
        let seen = self.loaded().versions;
        let found = (self.read_if_changed)(&self.paths, &self.provider, Some(&seen));
        let mut current = self.loaded();
        current.is_checking = false;
        let Some((seen, read)) = found else { return };
        // Noted also for unusable files: that is logged once, and tried again when they change
        // again, as when the certificate was there before its key.
        current.versions = seen;
        match read {
            Ok(certified) => {
                current.certified = certified.into();
                log::info!(
                    "tls: new certificate loaded ({})",
                    self.paths.cert.display()
                );
            }
            Err(error) => log::warn!("{error} The certificate in use stays."),
        }
    }
}

impl fmt::Debug for CertStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("files", &self.paths)
            .finish_non_exhaustive()
    }
}

impl ResolvesServerCert for CertStore {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.loaded().certified.clone())
    }
}

/// Starts a thread for work that may block for ever; the process does not wait for it at its end.
fn in_background(work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let thread = std::thread::Builder::new().name("certificate".to_owned());
    thread.spawn(work).map(drop)
}

impl CertPaths {
    fn versions(&self) -> [Option<FileVersion>; 2] {
        [&self.cert, &self.key].map(|path| {
            let file = fs::metadata(path).ok()?;
            Some((
                file.dev(),
                file.ino(),
                file.size(),
                file.mtime(),
                file.mtime_nsec(),
            ))
        })
    }
}

/// Loads certificate and key, which belong together; the error names a remedy.
fn load(files: &CertPaths, provider: &CryptoProvider) -> Result<CertifiedKey, String> {
    let (cert, key) = (files.cert.display(), files.key.display());
    let cert_pem = read(&files.cert).map_err(|why| format!("tls.cert: {cert} {why}"))?;
    let key_pem = read(&files.key).map_err(|why| format!("tls.key: {key} {why}"))?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&cert_pem)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("tls.cert: {cert} is damaged: {error}."))?;
    if chain.is_empty() {
        let hint = match PrivateKeyDer::from_pem_slice(&cert_pem) {
            Ok(_) => "it is a private key; are tls.cert and tls.key mixed up?",
            Err(_) => "that begins with -----BEGIN CERTIFICATE-----.",
        };
        return Err(format!("tls.cert: {cert} has no certificate: {hint}"));
    }
    let private = PrivateKeyDer::from_pem_slice(&key_pem).map_err(|error| match error {
        PemError::NoItemsFound if has(&key_pem, "BEGIN ENCRYPTED PRIVATE KEY") => format!(
            "tls.key: {key} is locked with a passphrase; \"openssl pkey -in {key} -out NEW\" writes it without."
        ),
        PemError::NoItemsFound => {
            format!("tls.key: {key} has no private key: that begins with -----BEGIN PRIVATE KEY-----.")
        }
        error => format!("tls.key: {key} is damaged: {error}."),
    })?;
    CertifiedKey::from_der(chain, private, provider).map_err(|error| match error {
        TlsError::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            format!("tls.key: {key} is not the key of the certificate in {cert}.")
        }
        TlsError::InvalidCertificate(why) => {
            format!("tls.cert: the certificate in {cert} cannot be used: {why}.")
        }
        error => format!(
            "tls.key: {key} cannot be used: {error}. ECDSA (P-256, P-384), Ed25519 and RSA (2048 bits and more) can."
        ),
    })
}

fn has(text: &[u8], word: &str) -> bool {
    memchr::memmem::find(text, word.as_bytes()).is_some()
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let why = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => "does not exist.".to_owned(),
        io::ErrorKind::PermissionDenied => {
            "may not be read by the user that berrymse runs as.".to_owned()
        }
        _ => format!("cannot be read: {error}."),
    };
    let mut bytes = Vec::new();
    // The open of a FIFO would wait for its writer.
    let flags = rustix::fs::OFlags::NONBLOCK.bits();
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.cast_signed())
        .open(path)
        .map_err(why)?;
    if !file.metadata().map_err(why)?.is_file() {
        return Err(
            "is no regular file (a directory, FIFO or device); copy the PEM into a file.".into(),
        );
    }
    file.take(MAX_PEM_BYTES)
        .read_to_end(&mut bytes)
        .map_err(why)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
