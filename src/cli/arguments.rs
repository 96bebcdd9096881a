//! Parses the command line into raw settings and a command. clap parses after [`spellings`]. Errors have this program's texts.
//!
//! The grammar is that of the 2022 program (Go's pflag): `--name value`, `--name=value`, `-n value`, `-nvalue`, `-n=value`; an option
//! that takes a value takes the next word. The last of several counts, unless they add up.

use super::command::{
    self, CAMERAS, CHECK_CONFIG, COMMANDS, COMPLETIONS, DEFAULT_USER, DIGEST, FOR, HASH_PASSWORD,
    HEALTH, JSON, LINK, NAME, PROGRAM, QR, RIGHT, SETUP, SHELLS, TOKEN, TRY, VERBOSE, WORDS,
};
use super::options::{OPTIONS, OptionSpec, Setting};
use super::raw_setting::{RawSetting, SettingSource};
use super::{Error, spellings};
use crate::suggest::closest_match;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgMatches, Command};
use std::ffi::OsString;

/// The parsed command line.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum ParsedArgs {
    /// Print the help.
    Help,
    /// Print the version.
    Version,
    /// List the cameras.
    Cameras {
        json: bool,
        /// Seconds that each has for a JPEG, unchecked.
        try_for: Option<String>,
        verbose: usize,
    },
    /// Print the completions for a shell, one of [`SHELLS`].
    Completions { shell: String },
    /// Print the manual page.
    Man,
    /// Ask for a configuration; the file, if it is named.
    Setup { file: Option<String> },
    /// Print the hash of a password, and what Digest needs for the user of this name.
    HashPassword { digest_name: Option<String> },
    /// Print a new token.
    Token { name: String },
    /// Print a signed link.
    Link(LinkArgs),
    /// Ask a server whether it is live: the one at `url`, else the one of these settings.
    Health {
        url: Option<String>,
        settings: Vec<RawSetting>,
    },
    /// Serve, with these settings, or only check them.
    Serve {
        settings: Vec<RawSetting>,
        verbose: usize,
        check: bool,
        qr: bool,
    },
}

/// Arguments of the command that makes a link, unchecked.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct LinkArgs {
    pub(super) camera: String,
    pub(super) name: String,
    pub(super) lifetime: String,
    pub(super) right: Option<String>,
    /// Only the configuration file.
    pub(super) settings: Vec<RawSetting>,
}

/// Parses the arguments (without the program's name).
pub(super) fn parse(args: impl Iterator<Item = OsString>) -> Result<ParsedArgs, Error> {
    let words: Vec<String> = args
        .map(|arg| {
            arg.into_string()
                .map_err(|arg| usage(&format!("'{}' is not UTF-8 text", arg.to_string_lossy())))
        })
        .collect::<Result<_, _>>()?;
    let mut parser = command::parser();
    let words = spellings::rewrite(words, &parser);
    match parser.try_get_matches_from_mut(words) {
        Ok(matches) => interpret(&matches),
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp => Ok(ParsedArgs::Help),
            ErrorKind::DisplayVersion => Ok(ParsedArgs::Version),
            kind => Err(usage(&describe(&error, kind, &parser))),
        },
    }
}

/// Returns the parsed command line, or an error for the first argument that does not belong to its command.
fn interpret(matches: &ArgMatches) -> Result<ParsedArgs, Error> {
    let command = matches.subcommand();
    let levels = [Some(matches), command.map(|(_, matches)| matches)];
    let levels = || levels.into_iter().flatten();
    let settings: Vec<RawSetting> = levels().flat_map(settings).collect();
    let verbose = levels()
        .map(|level| usize::from(level.get_count(VERBOSE)))
        .sum();
    let json = levels().any(|level| level.get_flag(JSON));
    if let Some(word) = words(matches).next() {
        return Err(unknown_word(word));
    }
    let name = command.map(|(name, _)| name);
    let flag = |id| levels().any(|level| level.get_flag(id));
    let option = |id| {
        let mut found = levels().filter_map(|level| level.get_many::<String>(id));
        let mut texts = found.next_back()?;
        texts.next_back().map(String::as_str)
    };
    let digest = flag(DIGEST);
    for (id, is_given, owner) in [
        (DIGEST, digest, HASH_PASSWORD),
        (NAME, !digest && option(NAME).is_some(), LINK),
        (FOR, option(FOR).is_some(), LINK),
        (RIGHT, option(RIGHT).is_some(), LINK),
        (TRY, option(TRY).is_some(), CAMERAS),
    ] {
        if is_given && name != Some(owner) {
            return Err(usage(&format!("--{id} belongs to '{PROGRAM} {owner}'")));
        }
    }
    let (check, qr) = (flag(CHECK_CONFIG), flag(QR));
    let Some((name, matches)) = command else {
        return match json {
            true => Err(only_for_cameras()),
            false => Ok(ParsedArgs::Serve {
                settings,
                verbose,
                check,
                qr,
            }),
        };
    };
    for (id, is_given) in [(CHECK_CONFIG, check), (QR, qr)] {
        if is_given {
            return Err(out_of_place(&format!("--{id}"), name));
        }
    }
    let belongs = |raw: &&RawSetting| match name {
        LINK | SETUP => raw.setting == Setting::Config,
        // The configuration says where the server listens.
        HEALTH => matches!(raw.setting, Setting::Config | Setting::Listen),
        _ => false,
    };
    if let Some(first) = settings.iter().find(|raw| !belongs(raw)) {
        return Err(out_of_place(&first.from.to_string(), name));
    }
    let mut words = words(matches);
    let parsed = match name {
        CAMERAS => ParsedArgs::Cameras {
            json,
            try_for: option(TRY).map(str::to_owned),
            verbose,
        },
        _ if json => return Err(only_for_cameras()),
        COMPLETIONS => ParsedArgs::Completions {
            shell: shell(words.next())?,
        },
        SETUP => ParsedArgs::Setup {
            file: settings.into_iter().next_back().map(|raw| raw.text),
        },
        HASH_PASSWORD => ParsedArgs::HashPassword {
            digest_name: digest.then(|| option(NAME).unwrap_or(DEFAULT_USER).to_owned()),
        },
        TOKEN => ParsedArgs::Token {
            name: needed(words.next(), TOKEN, "a name, such as kiosk")?,
        },
        LINK => ParsedArgs::Link(LinkArgs {
            camera: needed(words.next(), LINK, "the name of a camera")?,
            name: needed(
                option(NAME),
                LINK,
                "--name NAME, by which it can be revoked",
            )?,
            lifetime: needed(option(FOR), LINK, "--for TIME, such as --for 7d")?,
            right: option(RIGHT).map(str::to_owned),
            settings,
        }),
        HEALTH => ParsedArgs::Health {
            url: words.next().map(str::to_owned),
            settings,
        },
        _ => ParsedArgs::Man,
    };
    match words.next() {
        Some(word) => Err(out_of_place(&format!("'{word}'"), name)),
        None => Ok(parsed),
    }
}

/// Returns the settings in the order in which they were typed.
fn settings(matches: &ArgMatches) -> Vec<RawSetting> {
    let mut found: Vec<(usize, RawSetting)> = Vec::new();
    for id in matches.ids() {
        let Some(option) = option_of(id.as_str()) else {
            continue;
        };
        let texts = matches
            .get_many::<String>(id.as_str())
            .into_iter()
            .flatten();
        let indices = matches.indices_of(id.as_str()).into_iter().flatten();
        found.extend(indices.zip(texts).map(|(index, text)| {
            let raw = RawSetting {
                setting: option.setting,
                text: text.clone(),
                from: SettingSource::Flag(id.to_string()),
            };
            (index, raw)
        }));
    }
    found.sort_by_key(|(index, _)| *index);
    found.into_iter().map(|(_, raw)| raw).collect()
}

/// Returns the option that has the spelling, such as `-w` or `--Camera.Width`.
fn option_of(spelling: &str) -> Option<&'static OptionSpec> {
    OPTIONS
        .iter()
        .find(|option| match spelling.strip_prefix("--") {
            Some(name) => option.long.contains(&name),
            None => spelling.starts_with('-') && option.short == spelling.chars().nth(1),
        })
}

/// Returns the arguments that are neither options nor commands.
fn words(matches: &ArgMatches) -> impl Iterator<Item = &str> {
    let words = matches.get_many::<String>(WORDS).into_iter().flatten();
    words.map(String::as_str)
}

fn shell(word: Option<&str>) -> Result<String, Error> {
    let shells = SHELLS.join(", ");
    match word {
        Some(word) if SHELLS.contains(&word) => Ok(word.to_owned()),
        Some(word) => Err(usage(&format!("'{word}' is none of {shells}"))),
        None => Err(usage(&format!("'{COMPLETIONS}' needs a shell: {shells}"))),
    }
}

fn needed(word: Option<&str>, command: &str, what: &str) -> Result<String, Error> {
    let missing = || usage(&format!("'{command}' needs {what}"));
    word.map(str::to_owned).ok_or_else(missing)
}

/// Describes an error of clap.
fn describe(error: &clap::Error, kind: ErrorKind, parser: &Command) -> String {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.as_str(),
        _ => "",
    };
    // clap adds the placeholder of the value.
    let shown = context(ContextKind::InvalidArg);
    let spelling = shown.split([' ', '[']).next().unwrap_or_default();
    match (kind, option_of(spelling)) {
        (ErrorKind::UnknownArgument, _) => unknown_option(shown, parser),
        (ErrorKind::TooManyValues, _) => format!("{spelling} takes no value"),
        (ErrorKind::InvalidValue, Some(option)) => {
            format!("{spelling} needs a value: {spelling} {}", option.value)
        }
        _ => {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default();
            first.trim_start_matches("error: ").to_owned()
        }
    }
}

fn unknown_option(spelling: &str, parser: &Command) -> String {
    let known = parser.get_arguments().filter_map(Arg::get_long);
    let near = spelling
        .strip_prefix("--")
        .and_then(|name| closest_match(name, known));
    match near {
        Some(near) => format!("there is no option {spelling}; did you mean --{near}?"),
        None => format!("there is no option {spelling}"),
    }
}

fn unknown_word(word: &str) -> Error {
    let hint = match closest_match(word, COMMANDS) {
        Some(near) => format!("did you mean '{PROGRAM} {near}'?"),
        None => format!("did you mean --source '{word}'?"),
    };
    usage(&format!("'{word}' is not an option; {hint}"))
}

fn out_of_place(argument: &str, command: &str) -> Error {
    let reason = match command {
        CAMERAS => ", which looks at every camera",
        _ => "",
    };
    usage(&format!(
        "{argument} has no meaning with '{command}'{reason}"
    ))
}

fn only_for_cameras() -> Error {
    usage(&format!("--json belongs to '{PROGRAM} {CAMERAS}'"))
}

/// Returns an error of the command line with the hint to the help.
fn usage(what: &str) -> Error {
    Error(format!("{what} ({PROGRAM} --help lists the options)"))
}
