//! The whole configuration: any text as the file, as the command line and as variables of the environment. Nothing panics, `--check-config`
//! agrees with a start, and each error is in words.
#![no_main]

use berrymse::cli::{self, Command};
use libfuzzer_sys::fuzz_target;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::LazyLock;

/// A folder in memory with the configuration.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = PathBuf::from(format!("/dev/shm/berrymse-fuzz-config-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
});

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    // Files that a configuration names are read, so the fuzzer names none.
    let lower = text.to_ascii_lowercase();
    if lower.contains("file") || lower.contains("config") || lower.contains("-c") {
        return;
    }
    let mut parts = text.splitn(3, '\x01');
    let (file, words, value) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    std::fs::write(FOLDER.join("config.yml"), file).unwrap();
    let line = || words.split_whitespace().map(OsString::from);
    let env = |name: &str| (name != "BERRYMSE_CONFIG").then(|| OsString::from(value));
    let run = |line: Vec<OsString>| cli::parse(line.into_iter(), env, &FOLDER);
    let started = run(line().collect());
    if let Err(error) = &started {
        assert!(!error.to_string().is_empty());
    }
    let checked = run(line().chain([OsString::from("--check-config")]).collect());
    if let Ok(Command::CheckConfig(result)) = checked {
        match (result, started) {
            (Ok(_), Err(error)) => panic!("only the start refuses: {error}"),
            (Err(errors), Ok(Command::Serve(_))) => panic!("only the check refuses: {errors:?}"),
            _ => {}
        }
    }
    // Of a file alone, as most have it.
    let _ = cli::parse(std::iter::empty(), |_| None, &FOLDER);
});
