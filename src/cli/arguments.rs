//! The command line to what was typed; values are not looked at, but for `-h`, which is help when no
//! height follows.
//!
//! The grammar is that of the 2022 program (Go's pflag): `--name value`, `--name=value`, `-n value`,
//! `-nvalue`, `-n=value`; an option that takes a value takes whatever stands next, `-1` too; given
//! twice, the last counts (except addresses, which add up). The flips can do without a value, as those of rpicam-vid.

use super::Error;
use super::options::{OPTIONS, OptionSpec, Setting};
use super::parsers;
use super::raw_setting::{RawSetting, SettingSource};
use crate::suggest::closest_match;
use std::ffi::OsString;
use std::iter::Peekable;

/// Long options that take no value.
const SWITCHES: [&str; 4] = ["help", "version", "verbose", "json"];
/// The one sub-command.
const CAMERAS: &str = "cameras";

/// What the command line says.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Arguments {
    /// Show the help.
    Help,
    /// Show the version.
    Version,
    /// The sub-command `cameras`.
    Cameras { json: bool, verbose: usize },
    /// Serve, with these settings.
    Serve {
        settings: Vec<RawSetting>,
        verbose: usize,
    },
}

/// What has been seen so far.
#[derive(Default)]
struct Seen {
    settings: Vec<RawSetting>,
    verbose: usize,
    json: bool,
    cameras: bool,
    /// Help or version: wins over all else, and nothing behind it is looked at.
    answer: Option<Arguments>,
}

/// Reads the arguments (without the program's name).
pub(super) fn read(args: impl Iterator<Item = OsString>) -> Result<Arguments, Error> {
    let texts: Vec<String> = args
        .map(|arg| {
            arg.into_string()
                .map_err(|arg| usage(&format!("'{}' is not UTF-8 text", arg.to_string_lossy())))
        })
        .collect::<Result<_, _>>()?;
    let mut rest = texts.into_iter().peekable();
    let mut seen = Seen::default();
    while let Some(arg) = rest.next() {
        if arg == "--" {
            rest.by_ref().try_for_each(|word| seen.word(&word))?;
        } else if let Some(long) = arg.strip_prefix("--") {
            seen.long(long, &mut rest)?;
        } else if let Some(short) = arg.strip_prefix('-').filter(|short| !short.is_empty()) {
            seen.short(short, &mut rest)?;
        } else {
            seen.word(&arg)?;
        }
        if let Some(answer) = seen.answer {
            return Ok(answer);
        }
    }
    seen.finish()
}

impl Seen {
    fn long(
        &mut self,
        option: &str,
        rest: &mut Peekable<impl Iterator<Item = String>>,
    ) -> Result<(), Error> {
        let (name, value) = match option.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (option, None),
        };
        if let Some(switch) = SWITCHES
            .iter()
            .find(|switch| switch.eq_ignore_ascii_case(name))
        {
            if value.is_some() {
                return Err(usage(&format!("--{switch} takes no value")));
            }
            match *switch {
                "help" => self.answer = Some(Arguments::Help),
                "version" => self.answer = Some(Arguments::Version),
                "verbose" => self.verbose += 1,
                _ => self.json = true,
            }
            return Ok(());
        }
        let spec = OPTIONS
            .iter()
            .find(|spec| spec.long.iter().any(|long| long.eq_ignore_ascii_case(name)));
        let spec = spec.ok_or_else(|| unknown_option(name))?;
        let value = value.or_else(|| {
            if can_do_without_value(spec.setting) {
                let value = rest.next_if(|next| parsers::parse_bool(next).is_ok());
                Some(value.unwrap_or_else(|| "true".to_owned()))
            } else {
                rest.next()
            }
        });
        self.take(spec, &format!("--{name}"), value)
    }

    /// A group of letters: switches, then perhaps an option with its value.
    fn short(
        &mut self,
        group: &str,
        rest: &mut Peekable<impl Iterator<Item = String>>,
    ) -> Result<(), Error> {
        let mut letters = group.chars();
        while let Some(letter) = letters.next() {
            let attached = letters.as_str();
            match letter {
                'v' => self.verbose += 1,
                'V' => self.answer = Some(Arguments::Version),
                'h' if attached.is_empty()
                    && !rest.peek().is_some_and(|next| could_be_a_height(next)) =>
                {
                    self.answer = Some(Arguments::Help);
                }
                _ => {
                    let spec = OPTIONS
                        .iter()
                        .find(|spec| spec.short == Some(letter))
                        .ok_or_else(|| usage(&format!("there is no option -{letter}")))?;
                    let value = match attached.strip_prefix('=') {
                        Some(value) => Some(value.to_owned()),
                        None if attached.is_empty() => rest.next(),
                        None => Some(attached.to_owned()),
                    };
                    return self.take(spec, &format!("-{letter}"), value);
                }
            }
        }
        Ok(())
    }

    fn take(
        &mut self,
        spec: &OptionSpec,
        option: &str,
        value: Option<String>,
    ) -> Result<(), Error> {
        let text = value
            .filter(|value| !value.is_empty())
            .ok_or_else(|| usage(&format!("{option} needs a value: {option} {}", spec.value)))?;
        self.settings.push(RawSetting {
            setting: spec.setting,
            text,
            from: SettingSource::Flag(option.to_owned()),
        });
        Ok(())
    }

    /// An argument that is no option.
    fn word(&mut self, word: &str) -> Result<(), Error> {
        if word == CAMERAS && !self.cameras {
            self.cameras = true;
            return Ok(());
        }
        if self.cameras {
            return Err(usage(&format!(
                "'{word}' has no meaning with '{CAMERAS}', which looks at every camera"
            )));
        }
        let hint = match closest_match(word, [CAMERAS]) {
            Some(near) => format!("did you mean 'berrymse {near}'?"),
            None => format!("did you mean --source '{word}'?"),
        };
        Err(usage(&format!("'{word}' is not an option; {hint}")))
    }

    fn finish(self) -> Result<Arguments, Error> {
        let Self {
            settings,
            verbose,
            json,
            cameras,
            answer: _,
        } = self;
        match (cameras, settings.first()) {
            (true, None) => Ok(Arguments::Cameras { json, verbose }),
            (true, Some(first)) => Err(usage(&format!(
                "{} has no meaning with '{CAMERAS}', which looks at every camera",
                first.from
            ))),
            (false, _) if json => Err(usage(&format!("--json belongs to 'berrymse {CAMERAS}'"))),
            (false, _) => Ok(Arguments::Serve { settings, verbose }),
        }
    }
}

/// Whether the argument after `-h` is meant as its value, right or wrong, and not something by itself.
fn could_be_a_height(next: &str) -> bool {
    let is_option = next.starts_with('-') && !next[1..].starts_with(|c: char| c.is_ascii_digit());
    !is_option && next != CAMERAS
}

fn unknown_option(name: &str) -> Error {
    let known = SWITCHES
        .into_iter()
        .chain(OPTIONS.iter().flat_map(|spec| spec.long.iter().copied()));
    match closest_match(name, known) {
        Some(near) => usage(&format!(
            "there is no option --{name}; did you mean --{near}?"
        )),
        None => usage(&format!("there is no option --{name}")),
    }
}

/// An error of the command line itself, with the way to the help.
fn usage(what: &str) -> Error {
    Error(format!("{what} (berrymse --help lists the options)"))
}

/// True for the options that mean "true" by themselves.
const fn can_do_without_value(setting: Setting) -> bool {
    matches!(setting, Setting::Hflip | Setting::Vflip)
}

/// True for the settings that add up when settings more than once.
pub(super) const fn is_repeatable(setting: Setting) -> bool {
    matches!(
        setting,
        Setting::Listen | Setting::AllowedOrigins | Setting::Hosts | Setting::Controls
    )
}
