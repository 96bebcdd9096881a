//! The rules of ARCHITECTURE.md, held to be true.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Which modules a module may use.
const MAY_USE: &[(&str, &[&str])] = &[
    ("build_info", &["encode"]),
    (
        "cli",
        &[
            "build_info",
            "encode",
            "frame_rate",
            "os",
            "suggest",
            "controls",
            "serve",
            "source",
            "v4l2",
        ],
    ),
    ("encode", &["jpeg", "shutdown", "time", "v4l2"]),
    ("fmp4", &["media", "time"]),
    ("h264", &["time"]),
    ("frame_rate", &[]),
    ("jpeg", &[]),
    ("hub", &["fmp4", "h264", "message", "media", "time"]),
    ("logger", &["redact", "time"]),
    ("redact", &[]),
    ("message", &[]),
    ("suggest", &[]),
    ("media", &["frame_rate", "time"]),
    ("controls", &["suggest", "time"]),
    (
        "camera",
        &[
            "fmp4",
            "frame_rate",
            "h264",
            "hub",
            "logger",
            "message",
            "media",
            "controls",
            "source",
            "time",
        ],
    ),
    ("os", &[]),
    (
        "serve",
        &[
            "build_info",
            "os",
            "hub",
            "logger",
            "message",
            "controls",
            "snapshot",
            "time",
        ],
    ),
    ("snapshot", &["fmp4", "h264", "os", "hub", "media", "time"]),
    (
        "source",
        &[
            "encode",
            "frame_rate",
            "h264",
            "os",
            "jpeg",
            "logger",
            "media",
            "controls",
            "shutdown",
            "time",
            "v4l2",
        ],
    ),
    ("shutdown", &["time"]),
    ("time", &[]),
    ("v4l2", &["os", "shutdown", "time"]),
    (
        "main",
        &[
            "cli", "os", "hub", "logger", "controls", "camera", "redact", "serve", "source",
            "shutdown",
        ],
    ),
];

/// The only files with unsafe code.
const UNSAFE: [&str; 7] = [
    "src/encode/software/assembler.rs",
    "src/os/heap.rs",
    "src/os/tcp.rs",
    "src/serve/fanout/uring.rs",
    "src/source/process/spawn.rs",
    "src/v4l2/sys/ioctl.rs",
    "src/v4l2/sys/mapping.rs",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Modules that exist in tests only.
fn is_test(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "tests")
        || ["tests.rs", "testing.rs"]
            .iter()
            .any(|name| path.ends_with(name))
}

fn files(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for entry in fs::read_dir(directory).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            out.extend(files(&path, extension));
        } else if path.extension().is_some_and(|it| it == extension) {
            out.push(path);
        }
    }
    out
}

/// The code of a file, without comments and without the tests at its end.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    code.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

fn module_of(path: &Path) -> String {
    let inside = path.strip_prefix(root().join("src")).unwrap();
    let first = inside
        .components()
        .next()
        .unwrap()
        .as_os_str()
        .to_str()
        .unwrap();
    first.trim_end_matches(".rs").to_owned()
}

#[test]
fn modules_use_only_what_the_table_allows() {
    let mut wrong = Vec::new();
    for path in files(&root().join("src"), "rs") {
        let module = module_of(&path);
        if module == "lib" || is_test(&path) {
            continue;
        }
        let (_, allowed) = MAY_USE
            .iter()
            .find(|(name, _)| *name == module)
            .expect("every module is in the table");
        let code = code(&path)
            .replace("crate::{", "crate::")
            .replace("berrymse::{", "berrymse::");
        let prefix = if module == "main" {
            "berrymse::"
        } else {
            "crate::"
        };
        let used: BTreeSet<&str> = code
            .match_indices(prefix)
            .map(|(at, _)| {
                let rest = &code[at + prefix.len()..];
                &rest[..rest
                    .find(|c: char| !c.is_alphanumeric() && c != '_')
                    .unwrap_or(rest.len())]
            })
            .filter(|used| MAY_USE.iter().any(|(name, _)| name == used))
            .collect();
        wrong.extend(
            used.into_iter()
                .filter(|used| *used != module && !allowed.contains(used))
                .map(|used| format!("{} uses {used}", path.display())),
        );
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn unsafe_code_is_where_the_documents_say() {
    let found: Vec<String> = files(&root().join("src"), "rs")
        .into_iter()
        .filter(|path| code(path).contains("unsafe {") || code(path).contains("unsafe fn"))
        .map(|path| {
            path.strip_prefix(root())
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    let mut found = found;
    found.sort();
    assert_eq!(found, UNSAFE);
}

#[test]
fn what_is_pure_reads_no_clock_and_does_no_io() {
    for module in ["h264", "jpeg", "fmp4", "media"] {
        for path in files(&root().join("src").join(module), "rs")
            .iter()
            .filter(|path| !is_test(path))
        {
            let code = code(path);
            for word in [
                "::now()", "std::fs", "std::io", "std::net", "log::", "rustix",
            ] {
                assert!(!code.contains(word), "{} has {word}", path.display());
            }
        }
    }
}
