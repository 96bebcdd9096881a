//! Rewrites spellings that clap does not support: long options in any case, `-h` with and without a height, and values behind
//! options that are true alone.

use super::command::COMMANDS;
use super::options::{OPTIONS, OptionSpec};
use super::parsers;
use clap::{Arg, Command};

/// Returns the command line in spellings that `parser` supports.
pub(super) fn rewrite(words: Vec<String>, parser: &Command) -> Vec<String> {
    let mut rewritten = Vec::with_capacity(words.len());
    let mut rest = words.into_iter().peekable();
    while let Some(word) = rest.next() {
        if word == "--" {
            rewritten.push(word);
            break;
        }
        let word = with_known_case(word, parser);
        if is_help(&word, rest.peek().map(String::as_str)) {
            rewritten.push("--help".to_owned());
        } else if let Some(option) = ends_in_option(&word) {
            if !option.setting.is_true_alone() {
                rewritten.push(word);
                rewritten.extend(rest.next());
            } else if let Some(value) = rest.next_if(|next| parsers::parse_bool(next).is_ok()) {
                rewritten.push(format!("{word}={value}"));
            } else {
                rewritten.push(word);
            }
        } else {
            rewritten.push(word);
        }
    }
    rewritten.extend(rest);
    rewritten
}

/// Returns a long option in the case of its declaration. The 2022 program took any.
fn with_known_case(word: String, parser: &Command) -> String {
    let Some(option) = word.strip_prefix("--") else {
        return word;
    };
    let (name, value) = option.split_at(option.find('=').unwrap_or(option.len()));
    let mut known = parser.get_arguments().filter_map(Arg::get_long);
    match known.find(|known| known.eq_ignore_ascii_case(name)) {
        Some(known) => format!("--{known}{value}"),
        None => word,
    }
}

/// Returns true for `-h` without a height, alone or behind `-v`.
fn is_help(word: &str, next: Option<&str>) -> bool {
    let is_short = word.starts_with('-') && !word.starts_with("--");
    is_short && word[1..].trim_start_matches('v') == "h" && !next.is_some_and(could_be_a_height)
}

/// Returns true if the argument after `-h` is meant as its value, right or wrong.
fn could_be_a_height(next: &str) -> bool {
    let is_option = next.starts_with('-') && !next[1..].starts_with(|c: char| c.is_ascii_digit());
    !is_option && !COMMANDS.contains(&next)
}

/// Returns the option that has its value, if any, in the next word.
fn ends_in_option(word: &str) -> Option<&'static OptionSpec> {
    if let Some(name) = word.strip_prefix("--") {
        return OPTIONS.iter().find(|option| option.long.contains(&name));
    }
    let mut letters = word.strip_prefix('-')?.trim_start_matches('v').chars();
    let (letter, attached) = (letters.next(), letters.next());
    OPTIONS
        .iter()
        .find(|option| attached.is_none() && letter.is_some() && option.short == letter)
}
