//! Links the C++ library into the executable and records the commit for `--version`.
//!
//! The software encoder needs the C++ library. Linked in, the executable runs where there is none. `.cargo/config.toml` keeps
//! the encoder's crate from asking for the shared one. `BERRYMSE_CXX_LIBRARY` names another one (`c++` for `packaging/build`).

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// Files that decide what is in the executable, as git's path patterns.
const SOURCES: [&str; 7] = [
    ".cargo",
    "Cargo.lock",
    "Cargo.toml",
    "build.rs",
    "crates",
    "player/dist",
    "src",
];
/// Digits of a commit: unique in far larger repositories, and git accepts them everywhere.
const COMMIT_DIGITS: usize = 12;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let is_linux = env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux");
    if env::var_os("CARGO_FEATURE_SOFTWARE_ENCODER").is_some() && is_linux {
        println!("cargo:rerun-if-env-changed=BERRYMSE_CXX_LIBRARY");
        let library =
            env::var("BERRYMSE_CXX_LIBRARY").unwrap_or_else(|_| ":libstdc++.a".to_owned());
        println!("cargo:rustc-link-arg=-l{library}");
        // Debian's library for aarch64 calls the atomics of libgcc, which stand before it on the linker's command line.
        if env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "aarch64") {
            println!("cargo:rustc-link-arg=-lgcc");
        }
    }
    let root = env::var_os("CARGO_MANIFEST_DIR").map_or_else(PathBuf::new, PathBuf::from);
    let (commit, date) = packaged_commit(&root)
        .map(|commit| (commit, String::new()))
        .or_else(|| Git::open(&root)?.commit())
        .unwrap_or_else(|| ("unknown".to_owned(), String::new()));
    println!("cargo:rustc-env=BERRYMSE_COMMIT={commit}");
    println!("cargo:rustc-env=BERRYMSE_COMMIT_DATE={date}");
}

/// Returns the commit that `cargo package` wrote into the package. A package may lie inside of another repository, so it is asked
/// first.
fn packaged_commit(root: &Path) -> Option<String> {
    let path = root.join(".cargo_vcs_info.json");
    let text = fs::read_to_string(&path).ok()?;
    watch(&path);
    let (_, rest) = text.split_once("\"sha1\"")?;
    let hash = rest.split('"').nth(1)?;
    let is_modified = text.contains("\"dirty\": true") || text.contains("\"dirty\":true");
    describe(hash, is_modified)
}

/// Rebuilds when the file changes. Cargo rebuilds every time for a file that does not exist.
fn watch(path: &Path) {
    if path.exists() {
        println!("cargo:rerun-if-changed={}", path.display());
    }
}

fn describe(hash: &str, is_modified: bool) -> Option<String> {
    let is_hash = hash.len() >= COMMIT_DIGITS && hash.bytes().all(|b| b.is_ascii_hexdigit());
    let suffix = if is_modified { "-modified" } else { "" };
    is_hash.then(|| format!("{}{suffix}", &hash[..COMMIT_DIGITS]))
}

/// The repository whose root is the package.
struct Git<'a> {
    root: &'a Path,
}

impl<'a> Git<'a> {
    /// Returns `None` without git, without a repository, and in a directory of another repository.
    fn open(root: &'a Path) -> Option<Self> {
        let git = Self { root };
        let top = git.run(&["rev-parse", "--show-toplevel"])?;
        let is_own = fs::canonicalize(top).ok()? == fs::canonicalize(root).ok()?;
        is_own.then_some(git)
    }

    /// Returns the commit and its date.
    fn commit(&self) -> Option<(String, String)> {
        self.watch_head();
        let sources = self.run_on_sources(&["ls-files"])?;
        sources
            .lines()
            .for_each(|path| watch(&self.root.join(path)));
        let changes = self.run_on_sources(&["--no-optional-locks", "status", "--porcelain"])?;
        let hash = self.run(&["rev-parse", "HEAD"])?;
        let date = self.run(&["-c", "log.showSignature=false", "log", "-1", "--format=%cs"])?;
        Some((describe(&hash, !changes.is_empty())?, date))
    }

    /// Rebuilds when HEAD moves. Its log grows with each move. Without a log, the files that may hold the hash are watched.
    fn watch_head(&self) {
        let branch = self.run(&["symbolic-ref", "--quiet", "HEAD"]);
        let log = self.path_of("logs/HEAD").filter(|log| log.exists());
        let files = match log {
            Some(log) => vec![log],
            None => [Some("HEAD"), branch.as_deref(), Some("packed-refs")]
                .into_iter()
                .filter_map(|file| self.path_of(file?))
                .collect(),
        };
        files.iter().for_each(|file| watch(file));
    }

    /// Returns the path of a file of the repository, which a linked worktree has elsewhere.
    fn path_of(&self, file: &str) -> Option<PathBuf> {
        let path = self.run(&["rev-parse", "--git-path", file])?;
        Some(self.root.join(path))
    }

    fn run_on_sources(&self, arguments: &[&str]) -> Option<String> {
        self.run(&[arguments, &["--"], &SOURCES].concat())
    }

    /// Returns what git prints, without the last line's end.
    fn run(&self, arguments: &[&str]) -> Option<String> {
        let output = Command::new("git")
            .arg("-C")
            .arg(self.root)
            .args(arguments)
            .output()
            .ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim_end().to_owned())
    }
}
