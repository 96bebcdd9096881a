//! The server's certificate: read at the start, and again whenever its files have changed on disk, since certificates are
//! renewed every few weeks and no viewer is to lose the picture for it. Handshakes are tokio-rustls', on the HTTP
//! thread; what follows the upgrade to a WebSocket is in `wire`.

use super::transport::Transport;
use super::wire::RECORD_BYTES;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{Error as TlsError, InconsistentKeys, ServerConfig};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

/// The files are looked at no more often than this, however many viewers come.
const LOOK_EACH: Duration = Duration::from_secs(1);

/// Content type of the first record (RFC 8446, 5.1); no method of HTTP begins so.
const HANDSHAKE: u8 = 22;

/// Chains are a few kilobytes; keeps a wrong path from filling the memory.
const MAX_BYTES: u64 = 1 << 20;

/// Where the certificate and its key are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TlsFiles {
    /// The certificate and those that lead to its issuer, in PEM form.
    pub cert: PathBuf,
    /// Its private key, in PEM form; may be the same file.
    pub key: PathBuf,
}

/// Accepts TLS connections with the certificate as it is on disk.
#[derive(Clone)]
pub struct Tls(TlsAcceptor);

impl Tls {
    /// Reads the files; the error is a reason not to start.
    pub fn open(files: TlsFiles) -> Result<Self, String> {
        let provider = Arc::new(ring::default_provider());
        let store = Store::open(files, provider.clone())?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("cannot set up TLS: {error}"))?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(store));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(Arc::new(config).into()))
    }

    /// The TLS handshake; a client that does not begin one gets its plain socket back, to be told so.
    pub(super) async fn accept(&self, socket: TcpStream) -> io::Result<Transport> {
        let mut first = [0];
        if socket.peek(&mut first).await? == 1 && first != [HANDSHAKE] {
            return Ok(Transport::Plain(socket));
        }
        let stream = self
            .0
            .accept_with(socket, |session| {
                session.set_buffer_limit(Some(RECORD_BYTES));
            })
            .await?;
        Ok(Transport::Tls(Box::new(stream)))
    }
}

/// The certificate in use and the files that it is from.
#[derive(Debug)]
struct Store {
    files: TlsFiles,
    provider: Arc<CryptoProvider>,
    current: Mutex<Current>,
}

#[derive(Debug)]
struct Current {
    certified: Arc<CertifiedKey>,
    seen: [Option<Version>; 2],
    looked_at: Instant,
}

/// What changes when a file is written or replaced: device, inode, size, time of writing.
type Version = (u64, u64, u64, i64, i64);

impl Store {
    fn open(files: TlsFiles, provider: Arc<CryptoProvider>) -> Result<Self, String> {
        let seen = files.versions();
        let certified = load(&files, &provider)?.into();
        let current = Current {
            certified,
            seen,
            looked_at: Instant::now(),
        };
        Ok(Self {
            files,
            provider,
            current: Mutex::new(current),
        })
    }

    fn current(&self, now: Instant) -> Arc<CertifiedKey> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(current.looked_at) >= LOOK_EACH {
            current.looked_at = now;
            let versions = self.files.versions();
            if versions != current.seen {
                // Noted also when they cannot be used: that is said once, and tried again when they change again, as
                // when the certificate was there before its key.
                current.seen = versions;
                match load(&self.files, &self.provider) {
                    Ok(certified) => {
                        current.certified = certified.into();
                        log::info!("new certificate: {}", self.files.cert.display());
                    }
                    Err(error) => log::warn!("{error} Going on with the certificate in use."),
                }
            }
        }
        current.certified.clone()
    }
}

impl ResolvesServerCert for Store {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current(Instant::now()))
    }
}

impl TlsFiles {
    fn versions(&self) -> [Option<Version>; 2] {
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

/// Certificate and key, which belong together; or why not, and what to do.
fn load(files: &TlsFiles, provider: &CryptoProvider) -> Result<CertifiedKey, String> {
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
    let file = File::open(path).map_err(why)?;
    file.take(MAX_BYTES).read_to_end(&mut bytes).map_err(why)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
