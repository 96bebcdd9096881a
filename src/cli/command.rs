//! Builds two clap commands from the option table: one for help, completions and manual page, one that parses.

use super::help;
use super::options::{OPTIONS, OptionSpec, Setting};
use crate::build_info::VERSION;
use clap::builder::{NonEmptyStringValueParser, PossibleValue};
use clap::{Arg, ArgAction, Command, ValueHint};

/// Name of the program.
pub(super) const PROGRAM: &str = "berrymse";
/// Name of the command that lists cameras.
pub(super) const CAMERAS: &str = "cameras";
/// Name of the command that prints shell completions.
pub(super) const COMPLETIONS: &str = "completions";
/// Name of the command that asks whether a server is live.
pub(super) const HEALTH: &str = "health";
/// Name of the command that prints the manual page.
pub(super) const MAN: &str = "man";
/// Name of the command that hashes a password.
pub(super) const HASH_PASSWORD: &str = "hash-password";
/// Name of the command that makes a token.
pub(super) const TOKEN: &str = "token";
/// Name of the command that makes a signed link.
pub(super) const LINK: &str = "link";
/// Name of the command that asks for a configuration.
pub(super) const SETUP: &str = "setup";
/// All commands.
pub(super) const COMMANDS: [&str; 8] = [
    CAMERAS,
    SETUP,
    HEALTH,
    HASH_PASSWORD,
    TOKEN,
    LINK,
    COMPLETIONS,
    MAN,
];
/// Shells with completions.
pub(super) const SHELLS: [&str; 3] = ["bash", "zsh", "fish"];

/// Id of the flag `--check-config`.
pub(super) const CHECK_CONFIG: &str = "check-config";
/// Id of the flag `--json`.
pub(super) const JSON: &str = "json";
/// Id of the flag `--digest`.
pub(super) const DIGEST: &str = "digest";
/// Id of the option `--try` of the camera list.
pub(super) const TRY: &str = "try";
/// Id of the flag `--qr`.
pub(super) const QR: &str = "qr";
/// Id of the option `--name` of a link.
pub(super) const NAME: &str = "name";
/// Id of the option `--for` of a link.
pub(super) const FOR: &str = "for";
/// Id of the option `--right` of a link.
pub(super) const RIGHT: &str = "right";
/// Id of the flag `--verbose`.
pub(super) const VERBOSE: &str = "verbose";
/// Id of the arguments that are neither options nor commands.
pub(super) const WORDS: &str = "words";

/// Name of the user for whom `hash-password --digest` hashes, the one that `setup` offers.
pub(super) const DEFAULT_USER: &str = "owner";

/// Limit of the help's width: longer lines are hard to read.
const MAX_WIDTH: usize = 100;

/// Returns the command for help, completions and manual page.
pub(super) fn documented() -> Command {
    let options = OPTIONS
        .iter()
        .filter_map(|option| Some((option, option.name()?)));
    bare(PROGRAM)
        .about("BerryMSE shows a camera in any browser with the least delay there is")
        .override_usage(help::USAGE)
        .max_term_width(MAX_WIDTH)
        .args(options.map(|(option, name)| documented_option(option, name)))
        .args([check_config(), qr(), verbose(), help_flag(), version_flag()])
        .subcommand(
            bare(CAMERAS)
                .about("list the cameras and encoders of this machine, with the --source for each")
                .args([json(), try_cameras(), verbose(), help_flag()]),
        )
        .subcommand(
            bare(SETUP)
                .about("ask four questions and write a config.yml with a login")
                .args([config(), help_flag()]),
        )
        .subcommand(
            bare(HEALTH)
                .about("exit 0 if the server answers, by default the one of the configuration")
                .arg(Arg::new("URL").value_hint(ValueHint::Url))
                .args(health_options())
                .arg(help_flag()),
        )
        .subcommand(
            bare(HASH_PASSWORD)
                .about("read a password and print its hash for access.users")
                .args([digest(), digest_name(), help_flag()]),
        )
        .subcommand(
            bare(TOKEN)
                .about("print a new token for a program, and its line for access.tokens")
                .args([word("NAME", "name of the token in the log"), help_flag()]),
        )
        .subcommand(
            bare(LINK)
                .about("print a signed link to one camera, which ends by itself")
                .arg(word("CAMERA", "name of the camera"))
                .args(link_options())
                .args([config(), help_flag()]),
        )
        .subcommand(
            bare(COMPLETIONS)
                .about("print the completions for bash, zsh or fish")
                .subcommands(SHELLS.map(bare))
                .arg(help_flag()),
        )
        .subcommand(bare(MAN).about("print the manual page").arg(help_flag()))
        .after_help(help::sections())
}

/// Returns the command that parses. Each spelling of an option is an argument of its own, whose id is the spelling: errors then
/// name an option as it was typed. Commands accept all options, so that an error can say which does not belong there.
pub(super) fn parser() -> Command {
    let documented = documented();
    let mut arguments: Vec<Arg> = documented.get_arguments().flat_map(spellings).collect();
    arguments.extend([json(), digest()]);
    let of_commands = link_options().into_iter().chain([try_cameras()]);
    arguments.extend(of_commands.map(|option| {
        // As those of the table: the last one counts, and whatever stands next is the value.
        let option = option.action(ArgAction::Append).default_value(None::<&str>);
        option
            .value_parser(NonEmptyStringValueParser::new())
            .allow_hyphen_values(true)
    }));
    let words = Arg::new(WORDS).num_args(0..).action(ArgAction::Append);
    arguments.push(words);
    let parsing = |name| bare(name).args_override_self(true).args(&arguments);
    parsing(PROGRAM)
        .no_binary_name(true)
        .subcommands(COMMANDS.map(parsing))
}

/// Returns a command without clap's own arguments.
fn bare(name: &'static str) -> Command {
    Command::new(name)
        .version(VERSION)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .disable_help_subcommand(true)
}

fn documented_option(option: &OptionSpec, name: &'static str) -> Arg {
    let mut arg = Arg::new(name)
        .long(name)
        .help(option.help)
        .value_name(option.value)
        .hide_possible_values(true)
        .action(if option.setting.is_repeatable() {
            ArgAction::Append
        } else {
            ArgAction::Set
        });
    if let Some(letter) = option.short {
        arg = arg.short(letter);
    }
    if let Some(default) = option.default {
        arg = arg.default_value(default);
    }
    for alias in option.long.iter().skip(1) {
        // A dot is in the 2022 program's spellings, which no help shows.
        arg = if alias.contains('.') {
            arg.alias(*alias)
        } else {
            arg.visible_alias(*alias)
        };
    }
    if option.setting.is_true_alone() {
        arg = arg
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true");
    }
    let places: Vec<String> = [option.env.map(str::to_owned), option.file_key()]
        .into_iter()
        .flatten()
        .collect();
    arg = arg.long_help(format!("{} ({})", option.help, places.join(", ")));
    match option.setting {
        Setting::Source => arg.value_hint(ValueHint::AnyPath),
        Setting::Encoder => choices(arg, &["auto", "hardware", "software"]),
        Setting::Rotation => choices(arg, &["0", "90", "180", "270", "-1"]),
        _ if option.value == "FILE" => arg.value_hint(ValueHint::FilePath),
        _ if option.value.contains('|') => {
            choices(arg, &option.value.split('|').collect::<Vec<_>>())
        }
        _ => arg.value_hint(ValueHint::Other),
    }
}

/// Offers values to completions.
fn choices(arg: Arg, values: &[&'static str]) -> Arg {
    arg.value_parser(values.iter().map(PossibleValue::new).collect::<Vec<_>>())
}

/// Returns the options that say where the server listens.
fn health_options() -> impl Iterator<Item = Arg> {
    OPTIONS
        .iter()
        .filter(|option| matches!(option.setting, Setting::Config | Setting::Listen))
        .filter_map(|option| Some(documented_option(option, option.name()?)))
}

fn check_config() -> Arg {
    Arg::new(CHECK_CONFIG)
        .long(CHECK_CONFIG)
        .action(ArgAction::SetTrue)
        .help("print every error of the configuration, and exit")
}

fn verbose() -> Arg {
    Arg::new(VERBOSE)
        .short('v')
        .long("verbose")
        .action(ArgAction::Count)
        .help("log more; twice for still more")
}

fn help_flag() -> Arg {
    Arg::new("help")
        .long("help")
        .action(ArgAction::HelpShort)
        .help("print this help")
}

fn version_flag() -> Arg {
    Arg::new("version")
        .short('V')
        .long("version")
        .action(ArgAction::Version)
        .help("print version, commit and what is built in")
}

fn json() -> Arg {
    Arg::new(JSON)
        .long("json")
        .action(ArgAction::SetTrue)
        .help("print JSON")
}

fn digest() -> Arg {
    Arg::new(DIGEST)
        .long(DIGEST)
        .action(ArgAction::SetTrue)
        .help("print what RTSP's Digest needs, too")
}

/// Returns the option that names the user of a digest.
fn digest_name() -> Arg {
    Arg::new(NAME)
        .long(NAME)
        .value_name("NAME")
        .default_value(DEFAULT_USER)
        .help("name of the user, which is part of the digest")
}

fn qr() -> Arg {
    Arg::new(QR)
        .long(QR)
        .action(ArgAction::SetTrue)
        .help("print the address for phones as a QR code")
}

fn try_cameras() -> Arg {
    Arg::new(TRY)
        .long(TRY)
        .value_name("SECONDS")
        .help("save a JPEG of each usable camera here; each has so many seconds for it")
}

/// Returns the options of the command that makes a link.
fn link_options() -> [Arg; 3] {
    let option = |id, value, help| Arg::new(id).long(id).value_name(value).help(help);
    [
        option(
            NAME,
            "NAME",
            "name of the link, in the log and for access.revoked",
        ),
        option(FOR, "TIME", "life of the link, such as 12h, 7d or 4w"),
        choices(
            option(RIGHT, "viewer|operator", "right to the camera").default_value("viewer"),
            &["viewer", "operator"],
        )
        .hide_possible_values(true),
    ]
}

/// Returns the option that names the configuration file.
fn config() -> Arg {
    let option = Arg::new("config")
        .short('c')
        .long("config")
        .value_name("FILE");
    option
        .value_hint(ValueHint::FilePath)
        .help("configuration file")
}

/// Returns an argument without a dash, for the help.
fn word(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).help(help).value_hint(ValueHint::Other)
}

/// Returns an argument for each spelling of an option that takes a value; flags stay as they are.
fn spellings(documented: &Arg) -> Vec<Arg> {
    if !documented.get_action().takes_values() {
        return vec![documented.clone()];
    }
    let value = documented
        .clone()
        .short(None)
        .long(None::<&str>)
        .alias(None::<&str>)
        .visible_alias(None::<&str>)
        .default_value(None::<&str>)
        .value_parser(NonEmptyStringValueParser::new())
        // Whatever stands next is the value, `-1` too.
        .allow_hyphen_values(true)
        .action(ArgAction::Append);
    let short = documented
        .get_short()
        .map(|letter| value.clone().id(format!("-{letter}")).short(letter));
    let long_names = documented.get_long().into_iter();
    let aliases = documented.get_all_aliases().unwrap_or_default();
    let long = long_names
        .chain(aliases)
        .map(|name| value.clone().id(format!("--{name}")).long(name.to_owned()));
    short.into_iter().chain(long).collect()
}
