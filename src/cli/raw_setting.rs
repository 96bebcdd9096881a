//! Result of the first stage: a setting as it was written, with its place.

use super::Error;
use super::options::Setting;
use std::fmt;

/// A setting as it was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct RawSetting {
    /// The setting.
    pub(super) setting: Setting,
    /// The text of the value, not yet parsed.
    pub(super) text: String,
    /// The place.
    pub(super) from: SettingSource,
}

/// Place of a setting. Errors name it by its `Display`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum SettingSource {
    /// The command line; the option as it was typed.
    Flag(String),
    /// A variable of the environment.
    Environment(&'static str),
    /// The configuration file.
    File {
        /// The file, as it was named.
        file: String,
        /// Line of the value, from 1.
        line: usize,
        /// The key with its section (`camera.width`).
        key: String,
    },
    /// The default in [`super::options`].
    Default,
}

impl RawSetting {
    /// Returns the error of this setting for the reason `why`.
    pub(super) fn error(&self, why: impl fmt::Display) -> Error {
        Error(format!("{}: {why}", self.from))
    }
}

impl fmt::Display for SettingSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(option) => f.write_str(option),
            Self::Environment(name) => f.write_str(name),
            Self::File { file, line, key } => write!(f, "{file}:{line}: {key}"),
            Self::Default => f.write_str("default"),
        }
    }
}
