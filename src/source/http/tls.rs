//! TLS to another server. It has to have a certificate that this machine trusts.
//!
//! The trusted certificates are those of the system, or of the file in `SSL_CERT_FILE`. They are read
//! again at each opening, so that a certificate that was added is found.

use crate::source::Cause;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error as TlsError, InvalidMessage,
    RootCertStore, SignatureScheme,
};
use std::io;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Hint for a certificate that is not trusted.
const TRUST_HINT: &str = "add it to the certificates of this system (/usr/local/share/ca-certificates, then \
    update-ca-certificates), or start berrymse with SSL_CERT_FILE=CERT.pem";

/// Client that checks certificates. Clones share it.
#[derive(Clone)]
pub(super) struct TlsClient(TlsConnector);

impl TlsClient {
    /// Reads the trusted certificates.
    pub(super) fn open() -> Result<Self, String> {
        let set_up = |error: &dyn std::fmt::Display| format!("cannot set up TLS: {error}");
        let provider = Arc::new(ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(trusted());
        let chain = WebPkiServerVerifier::builder_with_provider(roots.into(), provider.clone())
            .build()
            .map_err(|_| {
                "this machine trusts no certificates: install ca-certificates, or start berrymse with \
                 SSL_CERT_FILE=CERT.pem"
                    .to_owned()
            })?;
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| set_up(&error))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Verifier(chain)))
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(Arc::new(config).into()))
    }

    /// Performs the handshake with the server `host`.
    pub(super) async fn connect(
        &self,
        host: &str,
        socket: TcpStream,
    ) -> Result<TlsStream<TcpStream>, (String, Cause)> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| (format!("{host} is no name of a server"), Cause::NO_SERVER))?;
        let stream = self.0.connect(name, socket).await;
        stream.map_err(|error| explain(&error))
    }
}

/// Returns the certificates that this machine trusts, without those that cannot be read.
fn trusted() -> Vec<CertificateDer<'static>> {
    rustls_native_certs::load_native_certs().certs
}

/// Returns why a handshake failed, and what to do.
fn explain(error: &io::Error) -> (String, Cause) {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    match inner {
        // Of two certificates with the same subject, as before and after a renewal, the signature
        // of one is bad to who trusts the other.
        Some(TlsError::InvalidCertificate(
            CertificateError::UnknownIssuer
            | CertificateError::BadSignature
            | CertificateError::Other(_),
        )) => (
            format!(
                "its certificate is not trusted here (signed by itself, or by an unknown issuer); {TRUST_HINT}"
            ),
            Cause::NOT_TRUSTED,
        ),
        Some(TlsError::InvalidCertificate(
            why @ (CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. }),
        )) => (
            format!("{why}; is the clock of this machine right?"),
            Cause::NOT_TRUSTED,
        ),
        Some(TlsError::InvalidCertificate(why)) => (why.to_string(), Cause::NOT_TRUSTED),
        Some(TlsError::InvalidMessage(InvalidMessage::InvalidContentType)) => (
            "no TLS is spoken there; is it http://?".to_owned(),
            Cause::NO_SERVER,
        ),
        _ => (error.to_string(), Cause::NO_SERVER),
    }
}

/// Verifier of certificates: by their chain, or as one that is trusted by itself.
///
/// `openssl req -x509` marks a certificate as that of an authority, which webpki takes from no server,
/// even if exactly this certificate is trusted.
#[derive(Debug)]
struct Verifier(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let verified =
            self.0
                .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match verified {
            // Its time has been checked before.
            Err(TlsError::InvalidCertificate(CertificateError::Other(_)))
                if trusted().iter().any(|trusted| trusted == end_entity) =>
            {
                let certificate = ParsedCertificate::try_from(end_entity)?;
                rustls::client::verify_server_name(&certificate, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.0.verify_tls12_signature(message, cert, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.0.verify_tls13_signature(message, cert, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
