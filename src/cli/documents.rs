//! Renders help, version, completions and manual page.

use super::command::{self, PROGRAM};
use super::help::{EXAMPLE_FILE, EXAMPLES, EXIT_STATUS, FILES, PLACES, SOURCES, file_only};
use crate::build_info::{self, COMMIT, COMMIT_DATE, VERSION};
use clap::Arg;
use clap_complete::aot::{Bash, Fish, Generator, Zsh};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use std::fmt::Write;
use std::io;

/// Purpose of the program, as whatis(1) lists it.
const PURPOSE: &str = "show a camera in any browser with the least delay there is";

/// Returns the text of `--version`.
pub(super) fn version() -> String {
    let mut out = format!("{PROGRAM} {VERSION} (commit {COMMIT})\n");
    for (name, description) in build_info::parts() {
        let _ = writeln!(out, "{name}: {description}");
    }
    out
}

/// Returns the text of `--help`, wrapped at the terminal's width.
pub(super) fn text() -> String {
    let help = command::documented().render_help().to_string();
    format!("{}\n", help.trim_end())
}

/// Line of clap_complete's script for fish that fails while the last option lacks its value. fish then offers files.
const FISH_PARSE: &str = "    argparse -s (__fish_berrymse_global_optspecs) -- $cmd 2>/dev/null\n";
/// The line, and a second try with a value for that option.
const FISH_PARSE_WITH_VALUE: &str =
    "    argparse -s (__fish_berrymse_global_optspecs) -- $cmd 2>/dev/null
    or argparse -s (__fish_berrymse_global_optspecs) -- $cmd value 2>/dev/null\n";

/// Returns the completions for a shell, one of [`command::SHELLS`].
pub(super) fn completions(shell: &str) -> String {
    let mut command = command::documented();
    if shell == "zsh" {
        command = command.mut_args(with_escaped_value_name);
    }
    command.set_bin_name(PROGRAM);
    command.build();
    let script = printed(|out| match shell {
        "bash" => Bash.try_generate(&command, out),
        "zsh" => Zsh.try_generate(&command, out),
        _ => Fish.try_generate(&command, out),
    });
    match shell {
        "fish" => script.replace(FISH_PARSE, FISH_PARSE_WITH_VALUE),
        _ => script,
    }
}

/// Escapes the colon of `HOST:PORT`, which ends a message in zsh's `_arguments`. clap_complete does not.
fn with_escaped_value_name(arg: Arg) -> Arg {
    let names = arg.get_value_names().unwrap_or_default();
    let names: Vec<String> = names.iter().map(|name| name.replace(':', "\\:")).collect();
    match names.is_empty() {
        true => arg,
        false => arg.value_names(names),
    }
}

/// Returns the manual page in the form that man(1) reads.
pub(super) fn manual_page() -> String {
    let man = Man::new(command::documented());
    let mut end = Roff::default();
    end.control("SH", ["COMMANDS"]);
    for command in command::documented().get_subcommands() {
        let about = command.get_about().map(ToString::to_string);
        item(&mut end, command.get_name(), &about.unwrap_or_default());
    }
    end.control("SH", ["SOURCES"]);
    items(&mut end, SOURCES);
    end.control("SH", ["CONFIGURATION"]);
    for place in PLACES {
        end.text([roman(*place)]);
        end.control("PP", []);
    }
    end.control("nf", []);
    for line in EXAMPLE_FILE.lines() {
        end.text([roman(line)]);
    }
    end.control("fi", []);
    end.control("PP", []);
    end.text([roman("Only in the file:")]);
    for (key, help) in file_only() {
        item(&mut end, &key, &help);
    }
    for (title, entries) in [
        ("FILES", FILES),
        ("EXIT STATUS", EXIT_STATUS),
        ("EXAMPLES", EXAMPLES),
    ] {
        end.control("SH", [title]);
        items(&mut end, entries);
    }
    printed(|out| {
        // clap_mangen leaves an unknown date out, which moves the fields after it.
        writeln!(
            out,
            ".TH BERRYMSE 1 \"{COMMIT_DATE}\" \"{PROGRAM} {VERSION}\" \"User Commands\""
        )?;
        writeln!(out, ".SH NAME\n{PROGRAM} \\- {PURPOSE}")?;
        man.render_synopsis_section(out)?;
        man.render_options_section(out)?;
        end.to_writer(out)
    })
}

fn items(page: &mut Roff, entries: &[(&str, &str)]) {
    for (term, description) in entries {
        item(page, term, description);
    }
}

fn item(page: &mut Roff, term: &str, description: &str) {
    page.control("TP", []);
    page.text([bold(term)]);
    page.text([roman(description)]);
}

/// Returns the text that `print` writes. Writing to memory cannot fail.
fn printed(print: impl FnOnce(&mut dyn io::Write) -> io::Result<()>) -> String {
    let mut out = Vec::new();
    let _ = print(&mut out);
    String::from_utf8_lossy(&out).into_owned()
}
