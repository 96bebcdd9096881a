//! TLS for the viewers: rustls' state machine over a non-blocking socket. Trusts every certificate, since it measures.
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{ring, CryptoProvider};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme};
use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;

/// A descriptor that somebody else closes.
struct Fd(i32);

impl Read for Fd {
    fn read(&mut self, b: &mut [u8]) -> io::Result<usize> {
        // SAFETY: b is valid for its length.
        let r = unsafe { libc::recv(self.0, b.as_mut_ptr().cast(), b.len(), libc::MSG_DONTWAIT) };
        usize::try_from(r).map_err(|_| io::Error::last_os_error())
    }
}

impl Write for Fd {
    fn write(&mut self, b: &[u8]) -> io::Result<usize> {
        // SAFETY: b is valid for its length.
        let r = unsafe { libc::send(self.0, b.as_ptr().cast(), b.len(), libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT) };
        usize::try_from(r).map_err(|_| io::Error::last_os_error())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One connection's TLS.
pub struct Tls(ClientConnection);

/// The ciphers in the order of browsers on machines with AES instructions.
pub fn config() -> Arc<ClientConfig> {
    let mut provider = ring::default_provider();
    provider.cipher_suites.sort_by_key(|s| s.suite() != rustls::CipherSuite::TLS13_AES_128_GCM_SHA256);
    let provider = Arc::new(provider);
    let config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .expect("ring has TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
        .with_no_client_auth();
    Arc::new(config)
}

impl Tls {
    pub fn new(config: &Arc<ClientConfig>) -> Self {
        let name = ServerName::try_from("localhost").expect("is a name");
        Self(ClientConnection::new(config.clone(), name).expect("the configuration is complete"))
    }

    /// Sends what is due; `b` goes out as soon as the handshake is done. False if the connection is of no use any more.
    pub fn send(&mut self, fd: i32, b: &[u8]) -> bool {
        self.0.writer().write_all(b).is_ok() && self.flush(fd)
    }

    fn flush(&mut self, fd: i32) -> bool {
        while self.0.wants_write() {
            if self.0.write_tls(&mut Fd(fd)).is_err() {
                return false;
            }
        }
        true
    }

    /// Like recv(): fills `b` with all that is there; 0 at the end, -1 if nothing is there yet, -2 after an error.
    pub fn recv(&mut self, fd: i32, b: &mut [u8]) -> isize {
        let mut n = 0;
        loop {
            match self.0.reader().read(&mut b[n..]) {
                Ok(0) if n == b.len() => return n as isize,
                Ok(0) => return n as isize,
                Ok(k) => {
                    n += k;
                    continue;
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                Err(_) => return n as isize,
            }
            match self.0.read_tls(&mut Fd(fd)) {
                Ok(_) => {
                    if self.0.process_new_packets().is_err() || !self.flush(fd) {
                        return -2;
                    }
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => return if n > 0 { n as isize } else { -1 },
                Err(_) => return -2,
            }
        }
    }
}

#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(&self, m: &[u8], c: &CertificateDer<'_>, d: &DigitallySignedStruct) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(m, c, d, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(&self, m: &[u8], c: &CertificateDer<'_>, d: &DigitallySignedStruct) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(m, c, d, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
