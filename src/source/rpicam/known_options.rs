//! Options that the installed rpicam-vid knows, by its `--help`.

use super::options::RpicamOptions;
use super::printed::printed;
use crate::source::{Cause, Error};
use crate::suggest::closest_match;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// Number of options below which a text is no help. The first version had 60.
const MIN_OPTIONS: usize = 20;
/// Most blanks in front of an option. Lines of descriptions have 40.
const MAX_INDENT: usize = 8;

/// Cause for viewers.
const UNKNOWN_OPTION: Cause = Cause::Text("the camera's program does not know an option");
const NO_FILE: Cause = Cause::Text("a file of the camera's settings is missing");

/// Names of the options that a program knows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct KnownOptions(BTreeSet<String>);

/// Program, its time of change, and its options.
type Cached = (PathBuf, Option<SystemTime>, Arc<KnownOptions>);

/// Options of the programs that were asked. A program that is replaced is asked again.
static CACHE: Mutex<Vec<Cached>> = Mutex::new(Vec::new());

impl KnownOptions {
    /// Returns the options of a program. It is asked once, and `None` means that its answer is no help.
    pub(super) fn of(program: &Path) -> Option<Arc<Self>> {
        let changed = program.metadata().and_then(|file| file.modified()).ok();
        let mut cache = CACHE.lock().unwrap_or_else(PoisonError::into_inner);
        cache.retain(|(path, time, _)| path != program || *time == changed);
        if let Some((.., known)) = cache.iter().find(|(path, ..)| path == program) {
            return Some(Arc::clone(known));
        }
        let known = Arc::new(Self::parse(&printed(program, "--help").ok()?)?);
        cache.push((program.to_owned(), changed, Arc::clone(&known)));
        Some(known)
    }

    /// Parses a help, whose lines begin as `  --gain arg` or `  -t [ --timeout ] arg (=5sec)`.
    fn parse(text: &str) -> Option<Self> {
        let names: BTreeSet<String> = text.lines().filter_map(option_name).collect();
        (names.len() >= MIN_OPTIONS).then_some(Self(names))
    }

    /// Returns options of these names.
    #[cfg(test)]
    pub(super) fn from_names(names: &[&str]) -> Self {
        Self(names.iter().map(|&name| name.to_owned()).collect())
    }

    /// Returns true if the program knows the option.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains(name)
    }

    /// Returns an error for the first option that the program does not know.
    pub(super) fn check(&self, options: &RpicamOptions, program: &Path) -> Result<(), Error> {
        let mut needed = options.needed();
        let Some((option, name, since)) = needed.find(|(_, name, _)| !self.has(name)) else {
            return Ok(());
        };
        let program_name = program.file_name().unwrap_or_default().to_string_lossy();
        let version = version(program).map_or_else(String::new, |version| format!(" ({version})"));
        let hint = match (
            since,
            closest_match(name, self.0.iter().map(String::as_str)),
        ) {
            (Some(since), _) => format!(
                "rpicam-apps {since} or later has it: sudo apt update && sudo apt full-upgrade, or leave it out{}",
                if name.starts_with("libav") {
                    "; rpicam-apps-lite has no encoder in software"
                } else {
                    ""
                }
            ),
            (None, Some(near)) => format!("did you mean --{near}?"),
            (None, None) => format!("{program_name} --help lists its options"),
        };
        let text = format!(
            "{}: {program_name}{version} knows no --{name}; {hint}",
            option.place
        );
        Err(Error::Unavailable(text).because(UNKNOWN_OPTION))
    }
}

/// Returns the names of the options in a help of rpicam-vid; `None` if the text is none. For tests of any bytes.
pub fn option_names(help: &str) -> Option<Vec<String>> {
    KnownOptions::parse(help).map(|known| known.0.into_iter().collect())
}

/// Returns an error for the first file of the options that does not exist.
pub(super) fn check_files(options: &RpicamOptions) -> Result<(), Error> {
    for option in options.files() {
        let path = Path::new(option.value.as_deref().unwrap_or_default());
        let why = match path.metadata() {
            Ok(file) if file.is_file() => continue,
            Ok(_) => "is no file".to_owned(),
            Err(why) => format!("cannot be read: {why}"),
        };
        let text = format!("{}: {} {why}", option.place, path.display());
        return Err(Error::Unavailable(text).because(NO_FILE));
    }
    Ok(())
}

fn option_name(line: &str) -> Option<String> {
    let text = line.trim_start_matches(' ');
    let indent = line.len() - text.len();
    if !(1..=MAX_INDENT).contains(&indent) {
        return None;
    }
    let long = match text.strip_prefix("--") {
        Some(long) => long,
        None => text.strip_prefix('-')?.split_once("[ --")?.1,
    };
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let name = long.split(|c| !is_name(c)).next()?;
    (!name.is_empty()).then(|| name.to_owned())
}

/// Returns the program's version, as `v1.5.0`.
fn version(program: &Path) -> Option<String> {
    let text = printed(program, "--version").ok()?;
    let (_, rest) = text.lines().next()?.split_once("build: ")?;
    let word = rest.split_whitespace().next()?;
    let shown: String = word
        .chars()
        .take(24)
        .filter(char::is_ascii_graphic)
        .collect();
    (!shown.is_empty()).then_some(shown)
}

#[cfg(test)]
mod tests {
    use super::super::options::setting;
    use super::*;

    const HELP: &str = include_str!("../../../tests/fixtures/rpicam/help-form.txt");

    #[test]
    fn names_are_at_the_beginning_of_lines() {
        let mut names: Vec<String> = HELP.lines().filter_map(option_name).collect();
        assert!(!names.is_empty());
        names.dedup();
        assert_eq!(
            names,
            [
                "help",
                "camera",
                "verbose",
                "info-text",
                "timeout",
                "hdr",
                "no-raw",
                "autofocus-mode",
                "metadata"
            ]
        );
        assert_eq!(KnownOptions::parse(HELP), None, "too short");
        assert_eq!(KnownOptions::parse("ERROR: *** x ***"), None);
    }

    #[test]
    fn missing_options_and_files_are_named() {
        let known = KnownOptions::from_names(&["hdr", "roi"]);
        let program = Path::new("/nonexistent/rpicam-vid");
        let check = |name: &str, value: &str| {
            let option = setting(name, value, &format!("config.yml:3: camera.rpicam.{name}"));
            let options = RpicamOptions::new(vec![option.unwrap()]).unwrap();
            (
                known.check(&options, program).map_err(|e| e.to_string()),
                check_files(&options).map_err(|e| e.to_string()),
            )
        };
        assert_eq!(check("hdr", "auto"), (Ok(()), Ok(())));
        assert_eq!(
            check("autofocus-mode", "auto").0.unwrap_err(),
            "config.yml:3: camera.rpicam.autofocus-mode: rpicam-vid knows no --autofocus-mode; rpicam-apps 1.1 or later has \
             it: sudo apt update && sudo apt full-upgrade, or leave it out"
        );
        let preset = check("x264-preset", "superfast").0.unwrap_err();
        assert!(
            preset.contains("x264-preset: rpicam-vid knows no --libav-video-codec-opts"),
            "{preset}"
        );
        assert!(
            preset.ends_with("rpicam-apps-lite has no encoder in software"),
            "{preset}"
        );
        let file = check("tuning-file", "/nonexistent/x.json").1.unwrap_err();
        assert!(
            file.contains("camera.rpicam.tuning-file: /nonexistent/x.json cannot be read"),
            "{file}"
        );
        assert!(
            check("tuning-file", "/")
                .1
                .unwrap_err()
                .ends_with("/ is no file")
        );
    }
}
