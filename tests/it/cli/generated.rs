//! Completions in the shells that they are for, the manual page in the program that shows it, and the help at the width of a
//! terminal. `./test` installs the programs; a test without its program says so.

use super::Place;
use berrymse::cli::Command as CliCommand;
use std::io::ErrorKind;
use std::process::{Command, Output};

/// The program that is tested.
const BERRYMSE: &str = env!("CARGO_BIN_EXE_berrymse");

/// Runs a program for at most a minute; `None` if the machine does not have it.
#[allow(clippy::print_stderr, reason = "the test's own output")]
fn run(program: &str, arguments: &[&str]) -> Option<Output> {
    match Command::new(program).arg("--version").output() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            eprintln!("not tested: there is no {program}");
            return None;
        }
        started => started.unwrap(),
    };
    let output = Command::new("timeout")
        .args(["60", program])
        .args(arguments)
        .env("BERRYMSE", BERRYMSE)
        .env("TERM", "dumb")
        .output()
        .unwrap();
    Some(output)
}

/// Runs a shell's script and returns its output.
fn script(shell: &str, arguments: &[&str], text: &str) -> Option<String> {
    let output = run(shell, &[arguments, &["-c", text]].concat())?;
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{shell}: {errors}");
    Some(String::from_utf8(output.stdout).unwrap())
}

/// Returns what a command prints.
fn printed(line: &str) -> String {
    match Place::new("").run(line, &[]) {
        Ok(CliCommand::Print(text)) => text,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn bash_completes_options_values_and_commands() {
    let text = r#"
        source <("$BERRYMSE" completions bash)
        complete -p berrymse >/dev/null || exit 1
        try() {
            COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
            _berrymse berrymse "${@: -1}" "${@: -2:1}" 2>/dev/null
            echo "${COMPREPLY[*]}"
        }
        try berrymse --enc
        try berrymse --encoder ha
        try berrymse --vfl
        try berrymse --config /etc/host
        try berrymse ca
        try berrymse cameras --j
        try berrymse completions f
        try berrymse --Camera
    "#;
    let Some(out) = script("bash", &["--norc", "--noprofile"], text) else {
        return;
    };
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[..3], ["--encoder", "hardware", "--vflip"], "{out}");
    assert!(lines[3].contains("/etc/hosts"), "{out}");
    assert_eq!(lines[4..], ["cameras", "--json", "fish", ""], "{out}");
}

#[test]
fn zsh_completes_options_values_and_commands() {
    // A terminal of its own, in which words are typed and completed. The program's place is taken by one that prints them.
    let text = r#"
        zmodload zsh/zpty
        zpty shell zsh -f -i
        type() { zpty -w -n shell "$1"; }
        type 'autoload -U compinit; compinit -D -u; berrymse() { print -r -- "=$#:$*="; }'$'\n'
        type 'source =($BERRYMSE completions zsh)'$'\n'
        try() {
            type "$1"$'\n'
            local out
            zpty -r shell out "*$2*" && print -r -- "$2"
        }
        try $'berrymse --enc\thard\t' '=1:--encoder=hardware='
        try $'berrymse -w 640 --vfl\tf\t' '=3:-w 640 --vflip=false='
        try $'berrymse --li\t:80' '=1:--listen=:80='
        try $'berrymse cam\t--j\t' '=2:cameras --json='
        try $'berrymse comp\tfi\t' '=2:completions fish='
    "#;
    let Some(out) = script("zsh", &["-f"], text) else {
        return;
    };
    let expected = [
        "=1:--encoder=hardware=",
        "=3:-w 640 --vflip=false=",
        "=1:--listen=:80=",
        "=2:cameras --json=",
        "=2:completions fish=",
    ];
    assert_eq!(out.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn fish_completes_options_values_and_commands() {
    let text = r#"
        $BERRYMSE completions fish | source
        for line in 'berrymse --enc' 'berrymse --encoder ha' 'berrymse --config /etc/host' \
            'berrymse ca' 'berrymse cameras --j' 'berrymse completions f'
            echo (complete -C "$line" | string split -f1 \t)
        end
    "#;
    let Some(out) = script("fish", &["--no-config"], text) else {
        return;
    };
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[..2], ["--encoder", "hardware"], "{out}");
    assert!(lines[2].contains("/etc/hosts"), "{out}");
    assert_eq!(lines[3..], ["cameras", "--json", "fish"], "{out}");
}

#[test]
fn manual_page_has_every_setting_and_no_warning() {
    let page = printed("man");
    let place = Place::new("");
    place.file("berrymse.1", &page);
    let path = place.0.join("berrymse.1");
    let arguments = ["-man", "-ww", "-Tutf8", "-P-c", path.to_str().unwrap()];
    let Some(output) = run("groff", &arguments) else {
        return;
    };
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let text = String::from_utf8(output.stdout).unwrap();
    let plain = without_overstrikes(&text);
    for word in [
        "NAME",
        "show a camera in any browser",
        "--keyframe-interval <FRAMES> [default: 60]",
        "BERRYMSE_WIDTH",
        "camera.width",
        "server.maxViewers",
        "exec:COMMAND",
        "berrymse -d test -l :8080",
        "/etc/berrymse/config.yml",
    ] {
        assert!(plain.contains(word), "{word} is not in {plain}");
    }
    assert!(!plain.contains("Camera.Width"));
    let help = printed("--help");
    let options: Vec<&str> = help
        .split(|c: char| c.is_whitespace() || ",=[]".contains(c))
        .map(|word| word.trim_end_matches('.'))
        .filter(|word| word.starts_with("--") && word.len() > 3 && *word != "--device")
        .collect();
    assert!(options.len() > 20, "{options:?}");
    for option in options {
        assert!(plain.contains(option), "{option} is not in {plain}");
    }
}

/// Returns the text without the backspaces by which grotty makes letters bold or underlined.
fn without_overstrikes(text: &str) -> String {
    let mut plain = String::new();
    for letter in text.chars() {
        match letter {
            '\u{8}' => drop(plain.pop()),
            letter => plain.push(letter),
        }
    }
    plain
}

#[test]
fn help_is_wrapped_at_the_terminals_width() {
    for (columns, widest) in [("40", 45), ("72", 72), ("300", 100)] {
        let output = Command::new(BERRYMSE)
            .arg("--help")
            .env("COLUMNS", columns)
            .stderr(std::process::Stdio::piped())
            .stdin(std::process::Stdio::null())
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let longest = text.lines().max_by_key(|line| line.chars().count());
        let width = longest.unwrap_or_default().chars().count();
        assert!(width <= widest, "{columns}: {longest:?}");
        assert!(width + 30 > widest, "{columns}: {longest:?}");
    }
}
