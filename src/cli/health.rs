//! `berrymse health`: asks a running server whether it is live.

use crate::serve::{self, Address};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};
use std::fmt;
use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Timeout for the connection, and for each part of the answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Limit of the answer's first line.
const MAX_LINE_BYTES: usize = 4096;
/// Path that is asked below a URL that ends with a slash.
const PATH: &str = "healthz";

/// The URL of a server's liveness check.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Url {
    address: Address,
    path: String,
}

impl Url {
    /// Parses `http://HOST[:PORT][/PATH]`, also with `https`. A path that ends with a slash goes on with `healthz`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let no_url = || format!("'{text}' is not a URL; write it like http://localhost:2020/");
        let (scheme, rest) = text.split_once("://").ok_or_else(no_url)?;
        let default_port = match scheme {
            "http" => 80,
            "https" => 443,
            _ => return Err(no_url()),
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let has_port = authority
            .rsplit_once(':')
            .is_some_and(|(_, port)| !port.contains(']'));
        let with_port = match has_port {
            true => authority.to_owned(),
            false => format!("{authority}:{default_port}"),
        };
        let is_printable = text.bytes().all(|byte| byte.is_ascii_graphic());
        let address = Address::parse(&with_port).map_err(|_| no_url())?;
        if address.host.is_empty() || address.port == 0 || !is_printable {
            return Err(no_url());
        }
        let path = match path {
            "" => format!("/{PATH}"),
            path if path.ends_with('/') => format!("{path}{PATH}"),
            path => path.to_owned(),
        };
        Ok(Self {
            address: Address {
                is_secure: scheme == "https",
                ..address
            },
            path,
        })
    }

    /// Returns the URL of the first address of a server on this machine.
    pub(super) fn of_server(config: &serve::Config) -> Result<Self, String> {
        let first = config.listen.first();
        Self::of(first.ok_or("health: the server has no address")?)
    }

    fn of(address: &Address) -> Result<Self, String> {
        if address.port == 0 {
            return Err(format!(
                "health: {address} is any free port; name the URL, such as berrymse health http://localhost:2020/"
            ));
        }
        let host = match address.host.as_str() {
            "" | "0.0.0.0" => "127.0.0.1",
            "::" => "::1",
            host => host,
        };
        Ok(Self {
            address: Address {
                host: host.to_owned(),
                ..address.clone()
            },
            path: format!("/{PATH}"),
        })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.address.to_string();
        let address = address.trim_start_matches("https://");
        // A query may hold a token.
        let path = self.path.split('?').next().unwrap_or_default();
        write!(out, "{}://{address}{path}", self.address.scheme())
    }
}

/// Asks the server at `url`. Returns the line for people, or the reason why it is not live.
pub fn check(url: &Url) -> Result<String, String> {
    let answer = ask(url).map_err(|why| {
        format!("health: {url} does not answer ({why}); is berrymse running, and on this address?")
    })?;
    match status_code(&answer) {
        Some("200") => Ok(format!("{url}: live\n")),
        Some(code) => Err(format!("health: {url} answers {code}, not 200")),
        None => Err(format!("health: {url} does not speak HTTP")),
    }
}

/// Returns the status code of an answer of HTTP/1.
pub fn status_code(answer: &str) -> Option<&str> {
    let rest = answer.strip_prefix("HTTP/1.")?;
    rest.split([' ', '\r', '\n']).nth(1)
}

/// Returns the beginning of the answer.
fn ask(url: &Url) -> Result<String, String> {
    let stream = connect(&url.address)?;
    if !url.address.is_secure {
        return request(url, stream);
    }
    let name = ServerName::try_from(url.address.host.clone()).map_err(|why| why.to_string())?;
    let session = ClientConnection::new(tls_config()?, name).map_err(|why| why.to_string())?;
    request(url, StreamOwned::new(session, stream))
}

fn connect(address: &Address) -> Result<TcpStream, String> {
    let found = (address.host.as_str(), address.port).to_socket_addrs();
    let mut reason = "the name has no address".to_owned();
    for address in found.map_err(|why| why.to_string())? {
        match TcpStream::connect_timeout(&address, TIMEOUT) {
            Ok(stream) => {
                let timeout = Some(TIMEOUT);
                let is_set = stream
                    .set_read_timeout(timeout)
                    .and(stream.set_write_timeout(timeout));
                return is_set.map(|()| stream).map_err(|why| why.to_string());
            }
            Err(why) => reason = why.to_string(),
        }
    }
    Err(reason)
}

fn request(url: &Url, mut stream: impl Read + Write) -> Result<String, String> {
    let host = url.address.to_string();
    let host = host.trim_start_matches("https://");
    let path = &url.path;
    let head = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream
        .write_all(head.as_bytes())
        .map_err(|why| why.to_string())?;
    // The first line is enough.
    let (mut answer, start) = (Vec::new(), Instant::now());
    while !answer.contains(&b'\n') && answer.len() < MAX_LINE_BYTES {
        let mut part = [0; 1024];
        match stream.read(&mut part).map_err(|why| why.to_string())? {
            0 => break,
            count => answer.extend_from_slice(part.get(..count).unwrap_or_default()),
        }
        if start.elapsed() > TIMEOUT {
            return Err("timed out".to_owned());
        }
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn tls_config() -> Result<Arc<ClientConfig>, String> {
    let provider = Arc::new(ring::default_provider());
    let verifier = Arc::new(AnyCertificate(provider.clone()));
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|why| why.to_string())?;
    let config = builder
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Accepts every certificate: the question is whether the server lives, and the request has no secrets.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_without_path_asks_healthz() {
        for (text, asked) in [
            ("http://localhost:2020", "http://localhost:2020/healthz"),
            ("http://pi.local/cam/", "http://pi.local:80/cam/healthz"),
            ("https://[::1]/x", "https://[::1]:443/x"),
        ] {
            assert_eq!(Url::parse(text).unwrap().to_string(), asked);
        }
        for text in [
            "localhost:2020",
            "ftp://a/",
            "http://",
            "http://a b/",
            "http://a:0/",
            "http://a:x/",
        ] {
            assert!(Url::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn address_of_the_configuration_is_asked_on_this_machine() {
        for (address, asked) in [
            (":80", "http://127.0.0.1:80/healthz"),
            ("https://[::]:8443", "https://[::1]:8443/healthz"),
            ("pi.local:2020", "http://pi.local:2020/healthz"),
        ] {
            let url = Url::of(&Address::parse(address).unwrap()).unwrap();
            assert_eq!(url.to_string(), asked);
        }
        assert!(Url::of(&Address::parse(":0").unwrap()).is_err());
    }
}
