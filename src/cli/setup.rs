//! `berrymse setup`: four questions to a configuration with a login.

use super::parsers;
use crate::access::{NewToken, PasswordHash, is_name};
use crate::os::{procfs, terminal};
use std::fs::{OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, fchown};
use std::path::Path;

/// File of the unit for systemd, and the group that has to read it.
const SERVICE_CONFIG: &str = "/etc/berrymse/config.yml";
const SERVICE_GROUP: &str = "_berrymse";

/// Port of the written address.
const PORT: u16 = 2020;

/// Characters of a password that is made here: 96 random bits.
const MADE_PASSWORD_CHARS: usize = 16;

/// Asks, writes the file `path`, which must not exist, and returns what to do next.
pub fn run(path: &Path) -> Result<String, String> {
    let shown = path.display();
    if path.exists() {
        return Err(format!(
            "{shown} exists already; name another file with --config, or move it away"
        ));
    }
    let source = ask(
        "Camera (auto, /dev/video0, rpicam, test, ...) [auto]: ",
        "auto",
        |text| parsers::source(text).map(drop),
    )?;
    let network = ask(
        "Who may reach it: machine (only this one) or network [network]: ",
        "network",
        |text| match text {
            "machine" | "network" => Ok(()),
            _ => Err(format!("'{text}' is neither machine nor network")),
        },
    )?;
    let user = ask("Name to log in with [owner]: ", "owner", |text| {
        let why = "a name is made of 1 to 64 letters, digits, '.', '-', '_' and '@'";
        is_name(text).then_some(()).ok_or_else(|| why.to_owned())
    })?;
    let typed = password()?;
    let made = match typed {
        Some(_) => None,
        None => Some(new_password()?),
    };
    let hash = PasswordHash::of(typed.as_deref().or(made.as_deref()).unwrap_or_default())?;
    let is_local = network == "machine";
    let text = config(&source, is_local, &user, hash.as_str());
    let write = || -> io::Result<()> {
        let mut options = OpenOptions::new();
        // It holds a hash of the password.
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        file.write_all(text.as_bytes())?;
        if path == Path::new(SERVICE_CONFIG)
            && let Some(group) = procfs::group_id(SERVICE_GROUP)
        {
            fchown(&file, None, Some(group))?;
            file.set_permissions(Permissions::from_mode(0o640))?;
        }
        Ok(())
    };
    write().map_err(|error| format!("{shown} cannot be written: {error}"))?;
    let host = if is_local {
        "localhost".to_owned()
    } else {
        procfs::host_name()
    };
    let password = made.map_or_else(String::new, |made| {
        format!("The password of {user} is {made}\n")
    });
    Ok(format!(
        "{shown} is written. {password}Start berrymse -c {shown}, then open http://{host}:{PORT}/\n"
    ))
}

/// Asks until the answer is right. A program that answers has one try.
fn ask(
    prompt: &str,
    default: &str,
    check: impl Fn(&str) -> Result<(), String>,
) -> Result<String, String> {
    loop {
        let line = terminal::read_line(prompt).map_err(no_answer)?;
        let answer = match line.trim() {
            "" => default,
            answer => answer,
        };
        match check(answer) {
            Ok(()) => return Ok(answer.to_owned()),
            Err(why) if terminal::is_interactive() => terminal::tell(&why),
            Err(why) => return Err(why),
        }
    }
}

/// Asks for a password; `None` if setup makes one.
fn password() -> Result<Option<String>, String> {
    loop {
        let prompt = "Password (empty: one is made): ";
        let typed = terminal::read_secret(prompt).map_err(no_answer)?;
        if typed.is_empty() {
            return Ok(None);
        }
        if !terminal::is_interactive()
            || terminal::read_secret("The same again: ").map_err(no_answer)? == typed
        {
            return Ok(Some(typed));
        }
        terminal::tell("the passwords differ");
    }
}

fn no_answer(error: io::Error) -> String {
    format!("cannot read an answer: {error}")
}

/// Returns a random password without characters that keyboards hide.
fn new_password() -> Result<String, String> {
    let random = NewToken::generate()?.token;
    let letters = random.chars().rev().filter(char::is_ascii_alphanumeric);
    Ok(letters.take(MADE_PASSWORD_CHARS).collect())
}

/// Returns the text of the file.
fn config(source: &str, is_local: bool, user: &str, hash: &str) -> String {
    // JSON's strings are YAML's, too.
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let listen = if is_local {
        format!("localhost:{PORT}")
    } else {
        format!(":{PORT}")
    };
    format!(
        "# Made by berrymse setup. All keys: docs/reference/options.md\n\
         camera:\n\
         \x20 source: {source}\n\
         \x20 # name: front            # in URLs: /live/front\n\
         \x20 # width: 1280\n\
         \x20 # height: 720\n\
         server:\n\
         \x20 listen: \"{listen}\"\n\
         \x20 # hosts: [cam.example.org]       # names by which people log in, in addition to addresses and local names\n\
         \x20 # trustedProxies: [127.0.0.1]    # a reverse proxy on this machine\n\
         access:\n\
         \x20 # public: viewer                 # everybody may watch, without a login\n\
         \x20 users:\n\
         \x20   # viewer watches, operator changes cameras, too; berrymse hash-password makes the hash\n\
         \x20   - {{name: {user}, password: {hash}, right: operator}}\n",
        source = quoted(source),
        user = quoted(user),
        hash = quoted(hash),
    )
}
