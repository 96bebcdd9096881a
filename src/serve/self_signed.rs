//! `tls.selfSigned`: makes a certificate once and keeps it.

use crate::os::procfs;
use crate::serve::config::Config;
use crate::serve::tls::CertPaths;
use ring::digest::{SHA256, digest};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Makes certificate and key for `names`, unless both files are there; returns the certificate's fingerprint.
pub fn ensure(paths: &CertPaths, names: Vec<String>) -> Result<String, String> {
    let (cert, key) = (&paths.cert, &paths.key);
    match (cert.exists(), key.exists()) {
        (true, true) => {}
        (false, false) => make(paths, names)?,
        (true, false) | (false, true) => {
            let [there, missing] = if cert.exists() {
                [cert, key]
            } else {
                [key, cert]
            };
            return Err(format!(
                "{} is there without {}; remove it, and both are made again",
                there.display(),
                missing.display()
            ));
        }
    }
    let der = CertificateDer::from_pem_file(cert)
        .map_err(|error| format!("{} cannot be read: {error}", cert.display()))?;
    let hash = digest(&SHA256, &der);
    let bytes: Vec<String> = hash
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect();
    Ok(bytes.join(":"))
}

fn make(paths: &CertPaths, names: Vec<String>) -> Result<(), String> {
    let made = rcgen::generate_simple_self_signed(names)
        .map_err(|error| format!("cannot make a certificate: {error}"))?;
    let write = |path: &Path, text: String, mode: u32| {
        let file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(path);
        let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
        written.map_err(|error: io::Error| format!("{} cannot be written: {error}", path.display()))
    };
    if let Some(folder) = paths.cert.parent() {
        fs::create_dir_all(folder)
            .map_err(|error| format!("{} cannot be made: {error}", folder.display()))?;
    }
    // Without the certificate a key is of no use to anybody: it comes first.
    write(&paths.key, made.signing_key.serialize_pem(), 0o600)?;
    write(&paths.cert, made.cert.pem(), 0o644)
}
/// Returns the names and addresses by which this machine may be reached.
pub fn own_names(server: &Config) -> Vec<String> {
    let host = procfs::host_name();
    let mut names = vec![
        "localhost".into(),
        "127.0.0.1".into(),
        "::1".into(),
        format!("{host}.local"),
        host,
    ];
    names.extend(server.allowed_hosts.iter().cloned());
    let addresses = (server.listen.iter().chain(&server.rtsp)).map(|address| address.host.as_str());
    let is_one = |host: &&str| !["", "0.0.0.0", "::"].contains(host);
    names.extend(addresses.filter(is_one).map(str::to_owned));
    names.retain(|name| name.is_ascii());
    names.dedup();
    names
}
