//! What was typed, the environment and the file to one checked [`Config`]: the outside that people
//! rely on, and the only place with defaults. It never acts and never prints; it reads the
//! configuration file and nothing else.
//!
//! `options` has every setting once, with its names, its default and its help; `command` makes clap's command of it.
//!
//! Two stages. First everything that somebody wrote becomes a `RawSetting`: a setting, its text
//! and the place where it stands (`arguments`, `file`, the environment here). Then `validate` picks
//! for each setting the text that counts (flag beats environment beats file beats default) and
//! parses it (`parsers`).

mod arguments;
mod command;
mod file;
mod help;
pub mod list_cameras;
mod options;
mod parsers;
mod raw_setting;
mod spellings;
mod validate;
mod yaml;

use crate::encode;
use crate::panel::Wish;
use crate::serve::{Address, CongestionSetting, TlsFiles};
use crate::source;
use crate::suggest::closest_match;
use crate::v4l2::FourCc;
use arguments::ParsedArgs;
use log::LevelFilter;
use options::{OPTIONS, Setting};
use raw_setting::{RawSetting, SettingSource};
use std::ffi::OsString;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What the names of all settings in the environment begin with.
const PREFIX: &str = "BERRYMSE_";

/// How much to log; the only variable that is no option.
const LOG: &str = "BERRYMSE_LOG";

/// What the program is asked to do.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::large_enum_variant, reason = "there is one, at the start")]
pub enum Command {
    /// Serve cameras until told to stop.
    Serve(Config),
    /// Tell which cameras this machine has.
    Cameras {
        /// As JSON instead of a table.
        json: bool,
        /// How much to log meanwhile; warnings unless more was asked for.
        log: LevelFilter,
    },
    /// Print this text (help, version, completions, manual page) to standard output; ends with a newline.
    Print(String),
}

/// Everything that can be set, checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// At least one; the first is the one that `/video_websocket` and `/stream.mp4` show. Names are unique.
    pub cameras: Vec<Camera>,
    /// The serving side.
    pub server: Server,
    /// How much to log.
    pub log: LevelFilter,
    /// The configuration file that was read.
    pub file: Option<PathBuf>,
    /// What is allowed but will surprise, in words; for the log at start-up.
    pub notes: Vec<String>,
}

/// One camera.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Camera {
    /// Its place in URLs: letters, digits, dot, dash and underscore.
    pub name: String,
    /// Where the pictures come from.
    pub source: source::Spec,
    /// The source as the user wrote it.
    pub source_text: String,
    /// What is asked of it.
    pub settings: source::Settings,
    /// Which encoders may be used, if it needs one.
    pub encoder: encode::EncoderPreference,
    /// The format to take from it to be encoded; `None` is whatever is the least work.
    pub pixel_format: Option<FourCc>,
    /// It is open only while somebody watches.
    pub on_demand: bool,
    /// Silence after which it is opened again; zero means never, `None` leaves it to what is learned.
    pub stall_after: Option<Duration>,
    /// What its controls are to be set to, by name; whether it has them is seen when it is opened.
    pub controls: Vec<(String, Wish)>,
    /// The bit rate follows the viewers' lines within this range, in bits per second.
    pub adaptive: Option<RangeInclusive<u32>>,
}

/// The serving side.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Server {
    /// At least one; unresolved.
    pub listen: Vec<Address>,
    /// There if an address has TLS; not yet read.
    pub tls: Option<TlsFiles>,
    /// Path of the first camera's live stream, without the slash; one segment of URL-safe characters.
    pub websocket: String,
    /// Origins besides the server's own whose pages may connect, as browsers write them
    /// (`https://example.com:8443`); `*` stands for all.
    pub allowed_origins: Vec<String>,
    /// The only names, in lower case, that the server answers to beside `localhost` and IP addresses; all if there are none.
    pub hosts: Vec<String>,
    /// How many viewers are let in at once, over all cameras.
    pub max_viewers: usize,
    /// Memory for the decoders of snapshots, of all cameras together, in megabytes.
    pub decode_memory: u32,
    /// Viewers may set controls of the cameras.
    pub controls: bool,
    /// Pictures go to many viewers by io_uring where the system has it.
    pub io_uring: bool,
    /// TCP congestion control to ask the system for.
    pub congestion: CongestionSetting,
}

/// Why the program will not start with its settings: what, where, why and what to try, on one line.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Error(String);

impl Error {
    /// The exit code for a wrong use of the program.
    pub const EXIT_CODE: u8 = 2;
}

/// Reads the command line (`args` without the program's own name), the environment and the
/// configuration file. Relative paths are taken from `cwd`.
pub fn parse(
    args: impl Iterator<Item = OsString>,
    env: impl Fn(&str) -> Option<OsString>,
    cwd: &Path,
) -> Result<Command, Error> {
    let environment = environment(&env)?;
    let (settings, verbose) = match arguments::parse(args)? {
        ParsedArgs::Help => return Ok(Command::Print(help::text())),
        ParsedArgs::Version => return Ok(Command::Print(help::version())),
        ParsedArgs::Completions { shell } => {
            return Ok(Command::Print(help::completions(&shell)));
        }
        ParsedArgs::Man => return Ok(Command::Print(help::manual_page())),
        ParsedArgs::Cameras { json, verbose } => {
            let log = log_level(&env, LevelFilter::Warn, verbose)?;
            return Ok(Command::Cameras { json, log });
        }
        ParsedArgs::Serve { settings, verbose } => (settings, verbose),
    };
    let log = log_level(&env, LevelFilter::Info, verbose)?;
    let named = settings
        .iter()
        .rev()
        .chain(&environment)
        .find(|raw| raw.setting == Setting::Config);
    let file = file::read(named, cwd)?;
    validate::config(&settings, &environment, file, log).map(Command::Serve)
}

/// The settings in the environment. An empty variable counts as none, as container and service
/// managers pass it for "not set".
fn environment(env: &impl Fn(&str) -> Option<OsString>) -> Result<Vec<RawSetting>, Error> {
    let mut all = Vec::new();
    for option in OPTIONS {
        let Some(name) = option.env else { continue };
        let Some(value) = env(name).filter(|value| !value.is_empty()) else {
            continue;
        };
        let text = value
            .into_string()
            .map_err(|_| Error(format!("{name} is not UTF-8 text")))?;
        all.push(RawSetting {
            setting: option.setting,
            text,
            from: SettingSource::Environment(name),
        });
    }
    Ok(all)
}

/// Variables (their names) that look like settings and are none, in words for the log. They are no reason not to start:
/// managers of containers make such names of a service's, as `BERRYMSE_SERVICE_HOST`.
pub fn unknown_variables(names: impl Iterator<Item = OsString>) -> Vec<String> {
    let is_known =
        |name: &str| name == LOG || OPTIONS.iter().any(|option| option.env == Some(name));
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

/// The variable that `typed`, without the prefix, may stand for: by any name that the setting has.
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

/// The level that `BERRYMSE_LOG` names, or else `default`; each `--verbose` raises it a step.
fn log_level(
    env: &impl Fn(&str) -> Option<OsString>,
    default: LevelFilter,
    verbose: usize,
) -> Result<LevelFilter, Error> {
    let level = match env(LOG).filter(|value| !value.is_empty()) {
        None => default,
        Some(value) => value
            .to_str()
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| {
                Error(format!(
                    "{LOG}: '{}' is none of off, error, warn, info, debug, trace",
                    value.to_string_lossy()
                ))
            })?,
    };
    Ok((0..verbose).fold(level, |level, _| level.increment_severity()))
}
