//! Turns command line, environment and configuration file into one checked [`Config`]. Only this room has defaults.
//! [`parse`] never acts and never prints; it reads the configuration file and nothing else.
//!
//! `options` has every setting once, with its names, its default and its help; `command` makes clap's command of it.
//!
//! Two stages: first `arguments`, `file` and the environment (here) yield `RawSetting`s: a setting, its text and its
//! place. Then `validate` picks the effective text of each setting (flag beats environment beats file beats default)
//! and parses it (`parsers`).

mod arguments;
mod command;
pub mod credentials;
mod documents;
mod errors;
mod file;
pub mod first_start;
pub mod health;
mod help;
mod limits;
pub mod list_cameras;
mod options;
mod parsers;
mod raw_setting;
mod setting;
pub mod setup;
mod spellings;
pub mod try_cameras;
mod validate;
mod yaml;

use crate::access;
use crate::camera;
use crate::serve;
use crate::suggest::closest_match;
use arguments::{LinkArgs, ParsedArgs};
use credentials::LinkRequest;
use errors::Errors;
use log::LevelFilter;
use options::{OPTIONS, Setting};
use raw_setting::{RawSetting, SettingSource};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use validate::publish::Config as PublishConfig;

/// Prefix of all environment variables.
const PREFIX: &str = "BERRYMSE_";

/// The task of the program.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::large_enum_variant, reason = "there is one, at the start")]
pub enum Command {
    /// Serve cameras until told to stop.
    Serve(Config),
    /// Report all errors of the settings, or the configuration without errors.
    CheckConfig(Result<Config, Vec<Error>>),
    /// Ask a running server at this URL whether it is live.
    Health(health::Url),
    /// List the cameras of this machine.
    Cameras {
        /// As JSON instead of a table.
        json: bool,
        /// Save a JPEG of each usable one, and wait this long for it.
        try_for: Option<Duration>,
        /// Log level; warnings by default.
        log: LevelFilter,
    },
    /// Ask questions and write this configuration file.
    Setup {
        /// The file; it need not exist.
        path: PathBuf,
    },
    /// Print the hash of a password that standard input has.
    HashPassword {
        /// Print what Digest needs for the user of this name, too.
        digest_name: Option<String>,
    },
    /// Print a new token and its line for the configuration.
    Token {
        /// Name of the token.
        name: String,
    },
    /// Print a signed link.
    Link(LinkRequest),
    /// Print this text (help, version, completions, manual page) to standard output; ends with a newline.
    Print(String),
}

/// All settings, checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// At least one; the first is the one that `/video_websocket` and `/stream.mp4` show. Names are unique.
    pub cameras: Vec<camera::Config>,
    /// The serving side.
    pub server: serve::Config,
    /// Users, tokens and links; `None` if the configuration has no block for them.
    pub access: Option<access::Config>,
    /// Where to publish the cameras, if anywhere.
    pub publish: Option<PublishConfig>,
    /// Log level.
    pub log: LevelFilter,
    /// The configuration file that was read.
    pub file: Option<PathBuf>,
    /// Nothing was configured: perhaps a first start.
    pub is_bare: bool,
    /// Print the address as a QR code.
    pub has_qr: bool,
    /// Warnings for the log at start-up, about settings that are allowed but surprise.
    pub notes: Vec<String>,
}

impl Config {
    /// Returns the keys that differ in `new` and are read at the start only, such as `server.listen` or `camera front`.
    pub fn keys_for_restart(&self, new: &Self) -> Vec<String> {
        let mut keys: Vec<String> = self
            .server
            .keys_for_restart(&new.server)
            .into_iter()
            .map(str::to_owned)
            .collect();
        if self.publish != new.publish {
            keys.push("publish".to_owned());
        }
        let cameras = |config: &Self| config.cameras.clone();
        let (old, new) = (cameras(self), cameras(new));
        for camera in old.iter().chain(&new) {
            let is_same = old.contains(camera) && new.contains(camera);
            let key = format!("camera {}", camera.name);
            if !is_same && !keys.contains(&key) {
                keys.push(key);
            }
        }
        keys
    }
}

/// Error of the settings, on one line: what, where, why and what to try.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Error(String);

impl Error {
    /// Exit code for errors of the settings.
    pub const EXIT_CODE: u8 = 2;
}

/// Reads the command line (`args` without the program's own name), the environment and the
/// configuration file. Relative paths are taken from `cwd`.
pub fn parse(
    args: impl Iterator<Item = OsString>,
    env: impl Fn(&str) -> Option<OsString>,
    cwd: &Path,
) -> Result<Command, Error> {
    let errors = Errors::default();
    let environment = environment(&env, &errors);
    let parsed = arguments::parse(args);
    let is_check = matches!(parsed, Ok(ParsedArgs::Serve { check: true, .. }));
    if let (Some(first), false) = (errors.first(), is_check) {
        return Err(first);
    }
    let (settings, verbose, qr) = match parsed? {
        ParsedArgs::Help => return Ok(Command::Print(documents::text())),
        ParsedArgs::Version => return Ok(Command::Print(documents::version())),
        ParsedArgs::Completions { shell } => {
            return Ok(Command::Print(documents::completions(&shell)));
        }
        ParsedArgs::Man => return Ok(Command::Print(documents::manual_page())),
        ParsedArgs::Cameras {
            json,
            try_for,
            verbose,
        } => {
            let level = environment
                .iter()
                .find(|raw| raw.setting == Setting::LogLevel)
                .map(|raw| parsers::log_level(&raw.text).map_err(|why| raw.error(why)))
                .transpose()?;
            let log = raised(level.unwrap_or(LevelFilter::Warn), verbose);
            let seconds = try_for.as_deref().map(parsers::try_seconds);
            let try_for = seconds
                .transpose()
                .map_err(|why| Error(format!("--try: {why}")))?;
            return Ok(Command::Cameras { json, try_for, log });
        }
        ParsedArgs::Setup { file } => {
            let path = PathBuf::from(file.unwrap_or_else(|| "config.yml".to_owned()));
            return Ok(Command::Setup { path });
        }
        ParsedArgs::HashPassword { digest_name } => {
            digest_name.as_deref().map_or(Ok(()), check_name)?;
            return Ok(Command::HashPassword { digest_name });
        }
        ParsedArgs::Token { name } => {
            check_name(&name)?;
            return Ok(Command::Token { name });
        }
        ParsedArgs::Link(link) => {
            let config = config(&link.settings, &environment, &env, cwd, 0, &errors);
            let config = config.ok_or_else(|| errors.into_first())?;
            return link_request(link, config).map(Command::Link);
        }
        ParsedArgs::Health { url: Some(url), .. } => {
            let url = health::Url::parse(&url).map_err(Error)?;
            return Ok(Command::Health(url));
        }
        ParsedArgs::Health { settings, .. } => {
            let config = config(&settings, &environment, &env, cwd, 0, &errors);
            let config = config.ok_or_else(|| errors.into_first())?;
            let url = health::Url::of_server(&config.server).map_err(Error)?;
            return Ok(Command::Health(url));
        }
        ParsedArgs::Serve {
            settings,
            verbose,
            qr,
            ..
        } => (settings, verbose, qr),
    };
    let mut config = config(&settings, &environment, &env, cwd, verbose, &errors);
    if let Some(config) = &mut config {
        config.has_qr = qr;
        let is_set = environment
            .iter()
            .any(|raw| raw.setting != Setting::LogLevel);
        config.is_bare = settings.is_empty() && !is_set && config.file.is_none();
    }
    match is_check {
        true => Ok(Command::CheckConfig(
            config.ok_or_else(|| errors.into_all()),
        )),
        false => config
            .map(Command::Serve)
            .ok_or_else(|| errors.into_first()),
    }
}

/// Returns the checked configuration of all three places, or `None` after an error.
fn config(
    settings: &[RawSetting],
    environment: &[RawSetting],
    env: &impl Fn(&str) -> Option<OsString>,
    cwd: &Path,
    verbose: usize,
    errors: &Errors,
) -> Option<Config> {
    let named = settings
        .iter()
        .rev()
        .chain(environment)
        .find(|raw| raw.setting == Setting::Config);
    let file = file::read(named, cwd, errors);
    let mut config = validate::config(settings, environment, file, verbose, errors)?;
    if let Some(access) = &mut config.access
        && access.key_file.is_none()
    {
        access.key_file = credentials::default_key_file(env, config.file.as_deref());
    }
    if config.server.is_self_signed
        && let Some(paths) = &mut config.server.tls
    {
        let folder = credentials::state_folder(env, config.file.as_deref()).ok_or_else(|| {
            let why = "there is no folder for the certificate; set STATE_DIRECTORY, or name tls.cert and tls.key";
            Error(format!("tls.selfSigned: {why}"))
        });
        let folder = errors.keep(folder)?;
        paths.cert = folder.join(&paths.cert);
        paths.key = folder.join(&paths.key);
    }
    Some(config)
}

/// Returns the checked request for a link.
fn link_request(link: LinkArgs, config: Config) -> Result<LinkRequest, Error> {
    check_name(&link.name)?;
    let cameras: Vec<&str> = config
        .cameras
        .iter()
        .map(|camera| camera.name.as_str())
        .collect();
    if !cameras.contains(&link.camera.as_str()) {
        let near = closest_match(&link.camera, cameras.iter().copied());
        let near = near.map_or_else(String::new, |near| format!("; did you mean {near}?"));
        let all = cameras.join(", ");
        return Err(Error(format!(
            "there is no camera '{}' ({all}){near}",
            link.camera
        )));
    }
    let Some(access) = config.access else {
        let why = "the configuration has no access:, so everybody may watch without a link; add access: {users: ...} with \
                   \"berrymse setup\" or docs/guide/access.md, or public: none for links alone";
        return Err(Error(why.to_owned()));
    };
    if access.revoked.contains(&link.name) {
        let why = format!(
            "--name: '{}' is in access.revoked; choose another name",
            link.name
        );
        return Err(Error(why));
    }
    let right = link
        .right
        .as_deref()
        .unwrap_or(access::Right::Viewer.word());
    let wrong_right = || Error(format!("--right: '{right}' is none of viewer, operator"));
    Ok(LinkRequest {
        right: access::Right::parse(right).ok_or_else(wrong_right)?,
        lifetime: parsers::lifetime(&link.lifetime)
            .map_err(|why| Error(format!("--for: {why}")))?,
        key_file: access.key_file,
        page: credentials::page_url(&config.server),
        camera: link.camera,
        name: link.name,
    })
}

/// Checks the name of a token or link.
fn check_name(name: &str) -> Result<(), Error> {
    let why = "is no name: 1 to 64 letters, digits, '.', '-', '_' and '@'";
    let shown: String = name.chars().take(access::MAX_NAME_CHARS).collect();
    access::is_name(name)
        .then_some(())
        .ok_or_else(|| Error(format!("'{shown}' {why}")))
}

/// Returns the settings in the environment. An empty variable counts as none: container and service managers pass it for
/// "not set".
fn environment(env: &impl Fn(&str) -> Option<OsString>, errors: &Errors) -> Vec<RawSetting> {
    let mut all = Vec::new();
    for option in OPTIONS {
        let Some(name) = option.env else { continue };
        let Some(value) = env(name).filter(|value| !value.is_empty()) else {
            continue;
        };
        let text = value
            .into_string()
            .map_err(|_| Error(format!("{name} is not UTF-8 text")));
        let Some(text) = errors.keep(text) else {
            continue;
        };
        all.push(RawSetting {
            setting: option.setting,
            text,
            from: SettingSource::Environment(name),
        });
    }
    all
}

/// Returns warnings for the log about variables that look like settings and are none. They are no error: container managers
/// make such names of a service's, as `BERRYMSE_SERVICE_HOST`.
pub fn unknown_variables(names: impl Iterator<Item = OsString>) -> Vec<String> {
    let is_known = |name: &str| OPTIONS.iter().any(|option| option.env == Some(name));
    let mut notes: Vec<String> = names
        .filter_map(|name| name.into_string().ok())
        .filter(|name| name.starts_with(PREFIX) && !is_known(name))
        .map(|name| {
            let hint = meant_variable(name.trim_start_matches(PREFIX))
                .map_or_else(String::new, |near| format!("; did you mean {near}?"));
            format!("{name} is no setting and is ignored{hint}")
        })
        .collect();
    notes.sort();
    notes
}

/// Returns the variable that `typed`, without the prefix, may stand for, by any name of the setting.
fn meant_variable(typed: &str) -> Option<&'static str> {
    let mut all_names = OPTIONS.iter().flat_map(|option| {
        let in_file = option.file.map_or(&[][..], |(_, keys)| keys);
        let names = option.long.iter().chain(in_file);
        names.filter_map(|name| Some((*name, option.env?)))
    });
    let near = closest_match(
        &typed.replace('_', "-"),
        all_names.clone().map(|(name, _)| name),
    )?;
    all_names
        .find(|(name, _)| *name == near)
        .map(|(_, variable)| variable)
}

/// Returns `level`, a step higher for each `--verbose`.
fn raised(level: LevelFilter, verbose: usize) -> LevelFilter {
    (0..verbose).fold(level, |level, _| level.increment_severity())
}
