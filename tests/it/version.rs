//! `build.rs` in a small package: which commit it finds, and when cargo builds again.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A package with this package's `build.rs` that prints the commit.
struct Package(PathBuf);

impl Package {
    fn new(name: &str) -> Self {
        let directory = format!("berrymse-version-{}-{name}", std::process::id());
        let package = Self(std::env::temp_dir().join(directory));
        // A workspace of its own: cargo does not look for one around it.
        let manifest =
            "[package]\nname = \"small\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n";
        package.write("Cargo.toml", manifest);
        let build_script = Path::new(env!("CARGO_MANIFEST_DIR")).join("build.rs");
        package.write("build.rs", &fs::read_to_string(build_script).unwrap());
        package.write(".gitignore", "/target\n/Cargo.lock\n");
        let main = "fn main() { println!(\"{}\", env!(\"BERRYMSE_COMMIT\")); }\n";
        package.write("src/main.rs", main);
        package
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Output {
        let output = Command::new(program)
            .args(arguments)
            .current_dir(&self.0)
            .env("CARGO_TARGET_DIR", self.0.join("target"))
            .env("GIT_CEILING_DIRECTORIES", std::env::temp_dir())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "{program} {arguments:?} failed: {text}"
        );
        output
    }

    fn git(&self, arguments: &[&str]) -> String {
        let user = ["-c", "user.name=test", "-c", "user.email=test@localhost"];
        let output = self.run("git", &[&user, arguments].concat());
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Returns the first digits of the commit that is checked out.
    fn head(&self) -> String {
        self.git(&["rev-parse", "--short=12", "HEAD"])
    }

    /// Builds and runs the package: the commit that it prints, and whether cargo compiled anything.
    fn build(&self) -> (String, bool) {
        let built = self.run(env!("CARGO"), &["build", "--offline", "--verbose"]);
        let log = String::from_utf8_lossy(&built.stderr).into_owned();
        let has_compiled = log.contains("Compiling small");
        assert!(has_compiled || log.contains("Fresh small"), "{log}");
        let printed = self.run("target/debug/small", &[]).stdout;
        let commit = String::from_utf8(printed).unwrap().trim().to_owned();
        (commit, has_compiled)
    }
}

impl Drop for Package {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn commit_is_rebuilt_when_head_moves_only() {
    let package = Package::new("moves");
    package.git(&["init", "--quiet"]);
    package.git(&["add", "--all"]);
    package.git(&["commit", "--quiet", "--message", "one"]);
    assert_eq!(package.build(), (package.head(), true));
    assert_eq!(package.build(), (package.head(), false));
    package.git(&["commit", "--quiet", "--allow-empty", "--message", "two"]);
    assert_eq!(package.build(), (package.head(), true));
    package.git(&["pack-refs", "--all"]);
    assert_eq!(package.build(), (package.head(), false));
    package.git(&["reset", "--quiet", "--hard", "HEAD~1"]);
    assert_eq!(package.build(), (package.head(), true));
    let main = fs::read_to_string(package.0.join("src/main.rs")).unwrap();
    package.write("src/main.rs", &format!("// Changed.\n{main}"));
    assert_eq!(
        package.build(),
        (format!("{}-modified", package.head()), true)
    );
}

#[test]
fn commit_follows_head_without_reflog() {
    let package = Package::new("no-log");
    package.git(&["init", "--quiet"]);
    package.git(&["config", "core.logAllRefUpdates", "false"]);
    package.git(&["add", "--all"]);
    package.git(&["commit", "--quiet", "--message", "one"]);
    assert_eq!(package.build(), (package.head(), true));
    assert_eq!(package.build(), (package.head(), false));
    package.git(&["commit", "--quiet", "--allow-empty", "--message", "two"]);
    assert_eq!(package.build(), (package.head(), true));
}

#[test]
fn commit_is_known_in_linked_worktree() {
    let package = Package::new("main");
    package.git(&["init", "--quiet"]);
    package.git(&["add", "--all"]);
    package.git(&["commit", "--quiet", "--message", "one"]);
    let linked = Package(package.0.with_extension("linked"));
    let path = linked.0.to_str().unwrap();
    package.git(&["worktree", "add", "--quiet", "--detach", path]);
    assert_eq!(linked.build(), (linked.head(), true));
    linked.git(&["commit", "--quiet", "--allow-empty", "--message", "two"]);
    assert_ne!(linked.head(), package.head());
    assert_eq!(linked.build(), (linked.head(), true));
    assert_eq!(linked.build(), (linked.head(), false));
}

#[test]
fn commit_without_own_repository_is_the_packages_or_unknown() {
    let package = Package::new("outer");
    assert_eq!(package.build().0, "unknown");
    // A repository around the package is not the package's.
    let inner = Package(package.0.join("vendor/small"));
    for name in ["Cargo.toml", "build.rs", "src/main.rs"] {
        inner.write(name, &fs::read_to_string(package.0.join(name)).unwrap());
    }
    package.git(&["init", "--quiet"]);
    package.git(&["add", "--all"]);
    package.git(&["commit", "--quiet", "--message", "one"]);
    assert_eq!(inner.build().0, "unknown");
    let info = |dirty: &str| {
        format!(
            "{{\n  \"git\": {{\n    \"sha1\": \"0123456789abcdef0123456789abcdef01234567\"{dirty}\n  }},\n  \
             \"path_in_vcs\": \"\"\n}}"
        )
    };
    inner.write(".cargo_vcs_info.json", &info(""));
    inner.write(
        "build.rs",
        &format!(
            "{}\n",
            fs::read_to_string(inner.0.join("build.rs")).unwrap()
        ),
    );
    assert_eq!(inner.build().0, "0123456789ab");
    inner.write(".cargo_vcs_info.json", &info(",\n    \"dirty\": true"));
    assert_eq!(inner.build(), ("0123456789ab-modified".to_owned(), true));
    inner.write(".cargo_vcs_info.json", "broken");
    assert_eq!(inner.build().0, "unknown");
}
