//! TLS to a server of NATS, with the certificates of the machine or of a file.

use super::options::Options;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::net::IpAddr;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Performs the handshake with the server `host`. Servers that a server named are often only addresses: for them the
/// name of the configured one counts.
pub(super) async fn connect(
    options: &Options,
    host: &str,
    socket: TcpStream,
) -> Result<TlsStream<TcpStream>, String> {
    let mut name = host;
    let is_configured = options.servers.iter().any(|server| server.host == host);
    if !is_configured && host.parse::<IpAddr>().is_ok() {
        name = options.servers.first().map_or(host, |server| &server.host);
    }
    let name = ServerName::try_from(name.to_owned())
        .map_err(|_| format!("{name} is no name of a server"))?;
    let connector = TlsConnector::from(Arc::new(config(options)?));
    connector.connect(name, socket).await.map_err(|error| {
        format!(
            "TLS failed ({error}); is its certificate of an authority that this machine trusts? ca: FILE names another"
        )
    })
}

fn config(options: &Options) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    match &options.ca {
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        Some(path) => {
            let cannot = |why: &dyn std::fmt::Display| {
                format!("cannot read certificates in {}: {why}", path.display())
            };
            let found = CertificateDer::pem_file_iter(path).map_err(|error| cannot(&error))?;
            for certificate in found {
                let certificate = certificate.map_err(|error| cannot(&error))?;
                roots.add(certificate).map_err(|error| cannot(&error))?;
            }
            if roots.is_empty() {
                return Err(cannot(&"there is none"));
            }
        }
    }
    Ok(
        ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("cannot set up TLS: {error}"))?
            .with_root_certificates(roots)
            .with_no_client_auth(),
    )
}
