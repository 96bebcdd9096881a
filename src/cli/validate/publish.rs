//! Checks the settings of `publish:`.

use super::LayeredSettings;
use crate::cli::options::Setting;
#[cfg(feature = "nats")]
use crate::cli::parsers;
#[cfg(feature = "nats")]
use crate::nats::{Auth, Options, options};
#[cfg(feature = "nats")]
pub use crate::publish::Config;

/// Settings that need a URL.
const OTHERS: [Setting; 7] = [
    Setting::PublishName,
    Setting::PublishUser,
    Setting::PublishPassword,
    Setting::PublishToken,
    Setting::PublishNkey,
    Setting::PublishCredentials,
    Setting::PublishCa,
];

/// Configuration of a build without NATS: nothing to publish.
#[cfg(not(feature = "nats"))]
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Config {}

/// Returns what to publish, `Some(None)` without `publish:`, or `None` after an error.
pub(super) fn config(layers: LayeredSettings<'_>) -> Option<Option<Config>> {
    let urls = layers.all(Setting::PublishUrl);
    let Some(first) = urls.first() else {
        let lone = OTHERS.iter().find_map(|other| layers.all(*other).pop());
        if let Some(raw) = lone {
            let why = "publish.url is missing, such as nats://HOST:4222";
            layers.errors.push(raw.error(why));
            return None;
        }
        return Some(None);
    };
    #[cfg(not(feature = "nats"))]
    {
        let why = "this berrymse was built without NATS (cargo feature nats)";
        layers.errors.push(first.error(why));
        None
    }
    #[cfg(feature = "nats")]
    {
        let mut all: Option<Options> = None;
        for raw in &urls {
            let parsed = Options::parse(&raw.text).and_then(|(options, rest)| match rest {
                "" | "/" => Ok(options),
                _ => Err("the URL ends with the server; publish.name is the camera's name"),
            });
            let mut options = layers.errors.keep(parsed.map_err(|why| raw.error(why)))?;
            match &mut all {
                None => all = Some(options),
                Some(all) if all.is_secure != options.is_secure => {
                    layers
                        .errors
                        .push(raw.error("some servers have TLS, others not"));
                }
                Some(all) => all.servers.append(&mut options.servers),
            }
        }
        let mut options = all?;
        let prefix = layers.parse(Setting::PublishPrefix, |text| {
            match options::is_prefix(text) {
                true => Ok(text.to_owned()),
                false => Err("takes words with dots between, such as home.cameras".to_owned()),
            }
        });
        let name = layers.parse_if_set(Setting::PublishName, parsers::camera_name);
        let auth = auth(layers);
        let ca = layers.all(Setting::PublishCa).pop();
        if let (Some(_), false) = (&ca, options.is_secure) {
            let why = "publish.ca is for TLS; write nats+tls://";
            layers.errors.push(first.error(why));
        }
        match auth? {
            None => {}
            Some(_) if options.auth != Auth::None => {
                let why = "has a login, and publish: has another; leave out one of them";
                layers.errors.push(first.error(why));
            }
            Some(auth) => options.auth = auth,
        }
        options.ca = ca.map(|raw| raw.text.into());
        options.prefix = prefix?;
        Some(Some(Config {
            options,
            name: name?,
        }))
    }
}

/// Returns the login, `Some(None)` without one, or `None` after an error.
#[cfg(feature = "nats")]
fn auth(layers: LayeredSettings<'_>) -> Option<Option<Auth>> {
    let one = |setting| layers.all(setting).pop();
    let (user, password) = (one(Setting::PublishUser), one(Setting::PublishPassword));
    let (token, nkey) = (one(Setting::PublishToken), one(Setting::PublishNkey));
    let credentials = one(Setting::PublishCredentials);
    let given: Vec<_> = [&user, &token, &nkey, &credentials]
        .into_iter()
        .flatten()
        .collect();
    if let [_, second, ..] = given.as_slice() {
        let why = "there is another login already; use one of user, token, nkey and credentials";
        layers.errors.push(second.error(why));
        return None;
    }
    match (user, password) {
        (Some(user), Some(password)) => {
            return Some(Some(Auth::Password(user.text, password.text)));
        }
        (Some(raw), None) => {
            layers.errors.push(raw.error("needs publish.password, too"));
            return None;
        }
        (None, Some(raw)) => {
            layers.errors.push(raw.error("needs publish.user, too"));
            return None;
        }
        (None, None) => {}
    }
    Some(match (nkey, credentials) {
        (Some(raw), _) => Some(Auth::Nkey(raw.text.into())),
        (None, Some(raw)) => Some(Auth::Credentials(raw.text.into())),
        (None, None) => token.map(|raw| Auth::Token(raw.text)),
    })
}
