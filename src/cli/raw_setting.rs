//! The first stage's result: one setting, as somebody wrote it, with the place where it stands.

use super::Error;
use super::options::Setting;
use std::fmt;

/// One setting as it was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct RawSetting {
    /// Which setting.
    pub(super) setting: Setting,
    /// The value's text, not yet read.
    pub(super) text: String,
    /// Where it stands.
    pub(super) from: SettingSource,
}

/// Where a setting stands; its `Display` is how an error names the place.
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
    /// Nobody wrote it: [`super::options`].
    Default,
}

impl RawSetting {
    /// The refusal of this setting for the reason `why`.
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
