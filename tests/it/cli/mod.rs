//! The outside of the command line, the environment and the configuration file, as tables. Without a process:
//! what the program does with a configuration is tested elsewhere.
//!
//! Here is what the tables share; they are in `options` (what a command line means), `file` (what a file means, and whose word
//! counts) and `refusals` (what is said of mistakes). `terminal` alone
//! starts the program: only a terminal has an echo.

mod access;
mod check;
mod file;
mod generated;
mod options;
mod refusals;
mod terminal;

use berrymse::cli::{Command, Config, Error, parse};
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

/// A directory of its own with a `config.yml`, which keeps the machine's own settings out of the test.
struct Place(PathBuf);

impl Place {
    fn new(config: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "berrymse-cli-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let place = Self(std::env::temp_dir().join(name));
        fs::create_dir_all(&place.0).unwrap();
        place.file("config.yml", config);
        place
    }

    fn file(&self, name: &str, text: &str) {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Parses a line of words and `NAME=value` pairs.
    fn run(&self, line: &str, env: &[(&str, &str)]) -> Result<Command, Error> {
        let words: Vec<OsString> = shlex::split(line)
            .unwrap()
            .into_iter()
            .map(OsString::from)
            .collect();
        let variable = |name: &str| {
            env.iter()
                .find(|(n, _)| *n == name)
                .map(|(_, value)| OsString::from(value))
        };
        parse(words.into_iter(), variable, &self.0)
    }

    fn config(&self, line: &str, env: &[(&str, &str)]) -> Config {
        match self.run(line, env) {
            Ok(Command::Serve(config)) => config,
            other => panic!("{line}: {other:?}"),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A configuration on one line, without what is as by default.
fn short(config: &Config) -> String {
    let mut out = Vec::new();
    for camera in &config.cameras {
        let s = &camera.settings;
        let number = |n: Option<u32>| n.map_or_else(|| "own".to_owned(), |n| n.to_string());
        out.push(format!(
            "{}={} {}x{}@{} {}b r{} g{}",
            camera.name,
            camera.source,
            s.width,
            s.height,
            s.fps,
            number(s.bitrate),
            number(s.rotation.map(u32::from)),
            s.keyframe_interval
        ));
        for (name, flip) in [("hflip", s.flips.horizontal), ("vflip", s.flips.vertical)] {
            out.extend(flip.map(|flip| format!("{name} {flip}")));
        }
    }
    let listen: Vec<String> = config
        .server
        .listen
        .iter()
        .map(ToString::to_string)
        .collect();
    out.push(format!("on {}", listen.join(" ")));
    out.push(format!("/{}", config.server.websocket_name));
    if !config.server.allowed_origins.is_empty() {
        out.push(config.server.allowed_origins.join(" "));
    }
    if !config.server.allowed_hosts.is_empty() {
        out.push(format!("only {}", config.server.allowed_hosts.join(" ")));
    }
    if config.server.max_viewers != 2000 {
        out.push(format!("{} viewers", config.server.max_viewers));
    }
    out.join(", ")
        .replace("on localhost:2020, /video_websocket", "default")
}
