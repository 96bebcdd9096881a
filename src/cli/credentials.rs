//! `berrymse hash-password`, `berrymse token` and `berrymse link`: makes what proves a right.

use crate::access::{DigestSecret, Link, NewToken, PasswordHash, Right, SigningKey};
use crate::os::{procfs, terminal};
use crate::serve;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Name of the key's file in its folder.
const KEY_FILE: &str = "access.key";

/// Folder of the unit for systemd, which reads the file below.
const SERVICE_STATE: &str = "/var/lib/berrymse";
const SERVICE_CONFIG: &str = "/etc/berrymse/config.yml";

/// A signed link to be made, checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LinkRequest {
    /// Name of the link.
    pub name: String,
    /// Name of the camera.
    pub camera: String,
    /// Right to the camera.
    pub right: Right,
    /// Time until the link ends.
    pub lifetime: Duration,
    /// The key's file.
    pub key_file: Option<PathBuf>,
    /// URL of the page, as far as the configuration tells it.
    pub page: String,
}

/// Reads a password from standard input, at a terminal twice and without echo; returns its hash, and on a
/// second line what Digest needs for the user `digest_name`.
pub fn hash_password(digest_name: Option<&str>) -> Result<String, String> {
    let read = |prompt| {
        terminal::read_secret(prompt)
            .map_err(|error| format!("the password cannot be read ({error})"))
    };
    let password = read("Password: ")?;
    if terminal::is_interactive() && read("The same again: ")? != password {
        return Err("the passwords differ; nothing was hashed".to_owned());
    }
    let hash = PasswordHash::of(&password)?;
    let digest = digest_name.map(|name| format!("{}\n", DigestSecret::of(name, &password)));
    Ok(format!("{}\n{}", hash.as_str(), digest.unwrap_or_default()))
}

/// Returns a new token, and the line for `access.tokens`.
pub fn token(name: &str) -> Result<String, String> {
    let NewToken { token, hash } = NewToken::generate()?;
    Ok(format!(
        "{token}\n- {{name: \"{name}\", hash: \"{hash}\", right: viewer}}\n"
    ))
}

/// Returns the URL of a signed link.
pub fn link(request: LinkRequest, now: SystemTime) -> Result<String, String> {
    let Some(path) = &request.key_file else {
        return Err(
            "there is no folder for the key that signs links; name a file in access.keyFile"
                .to_owned(),
        );
    };
    let key = SigningKey::load_or_create(path)?;
    let ends = now
        .checked_add(request.lifetime)
        .ok_or("--for: is too long")?;
    let expires_at = ends
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let link = Link {
        name: request.name,
        camera: request.camera,
        right: request.right,
        expires_at,
    };
    Ok(format!("{}?token={}\n", request.page, link.token(&key)))
}

/// Returns the place of the key if the configuration names none.
pub(super) fn default_key_file(
    env: &impl Fn(&str) -> Option<OsString>,
    config: Option<&Path>,
) -> Option<PathBuf> {
    Some(state_folder(env, config)?.join(KEY_FILE))
}

/// Returns the folder for what the program keeps.
pub(super) fn state_folder(
    env: &impl Fn(&str) -> Option<OsString>,
    config: Option<&Path>,
) -> Option<PathBuf> {
    let folder = |name: &str| {
        env(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    Some(
        if let Some(state) = env("STATE_DIRECTORY").filter(|value| !value.is_empty()) {
            // A list of several is separated by colons.
            PathBuf::from(
                state
                    .to_string_lossy()
                    .split(':')
                    .next()
                    .unwrap_or_default(),
            )
        } else if config == Some(Path::new(SERVICE_CONFIG)) && Path::new(SERVICE_STATE).exists() {
            SERVICE_STATE.into()
        } else if let Some(state) = folder("XDG_STATE_HOME") {
            state.join("berrymse")
        } else {
            folder("HOME")?.join(".local/state/berrymse")
        },
    )
}

/// Returns the URL of the page, with a name by which others may reach this machine.
pub(super) fn page_url(server: &serve::Config) -> String {
    let is_local = |host: &str| host == "localhost" || host.starts_with("127.") || host == "::1";
    let addresses = &server.listen;
    let address = addresses
        .iter()
        .find(|address| address.is_secure)
        .or_else(|| addresses.iter().find(|address| !is_local(&address.host)))
        .or_else(|| addresses.first());
    let Some(address) = address else {
        return "http://localhost:2020/".to_owned();
    };
    let host = match (server.allowed_hosts.first(), address.host.as_str()) {
        (Some(name), _) => name.clone(),
        (None, "" | "0.0.0.0" | "::") => procfs::host_name(),
        (None, host) if host.contains(':') => format!("[{host}]"),
        (None, host) => host.to_owned(),
    };
    format!("{}://{host}:{}/", address.scheme(), address.port)
}
