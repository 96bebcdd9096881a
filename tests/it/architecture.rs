//! The rules of ARCHITECTURE.md, held to be true.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Packages of the workspace besides the program. They depend on nothing of it.
const CRATES: [&str; 2] = ["testsrc", "v4l2"];

/// Which modules and crates a module may use.
const MAY_USE: &[(&str, &[&str])] = &[
    ("access", &[]),
    ("build_info", &["encode", "os"]),
    (
        "cli",
        &[
            "access",
            "build_info",
            "camera",
            "encode",
            "frame_rate",
            "nats",
            "os",
            "publish",
            "suggest",
            "controls",
            "serve",
            "source",
            "v4l2",
            "camera_handle",
            "heartbeat",
            "hub",
            "redact",
            "shutdown",
            "snapshot",
        ],
    ),
    ("encode", &["jpeg", "shutdown", "time", "v4l2"]),
    ("h264", &["time"]),
    (
        "fleet",
        &[
            "camera",
            "camera_handle",
            "heartbeat",
            "logger",
            "nats",
            "redact",
            "serve",
            "shutdown",
            "source",
            "time",
        ],
    ),
    ("frame_rate", &[]),
    ("jpeg", &[]),
    ("heartbeat", &["time"]),
    ("hub", &["media", "time"]),
    ("logger", &["redact", "time"]),
    ("redact", &[]),
    ("message", &[]),
    ("nats", &["time"]),
    (
        "publish",
        &["camera_handle", "hub", "media", "nats", "time"],
    ),
    ("suggest", &[]),
    ("media", &["frame_rate", "h264", "message", "time"]),
    ("controls", &["suggest", "time"]),
    ("camera_handle", &["controls", "hub", "time"]),
    (
        "camera",
        &[
            "camera_handle",
            "encode",
            "frame_rate",
            "h264",
            "heartbeat",
            "hub",
            "logger",
            "media",
            "controls",
            "shutdown",
            "source",
            "time",
            "v4l2",
        ],
    ),
    ("os", &[]),
    (
        "serve",
        &[
            "access",
            "build_info",
            "heartbeat",
            "os",
            "camera_handle",
            "hub",
            "logger",
            "message",
            "controls",
            "snapshot",
            "time",
            "media",
        ],
    ),
    (
        "snapshot",
        &[
            "camera_handle",
            "h264",
            "hub",
            "logger",
            "media",
            "os",
            "time",
        ],
    ),
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
            "nats",
            "shutdown",
            "suggest",
            "testsrc",
            "time",
            "v4l2",
        ],
    ),
    ("shutdown", &["time"]),
    ("time", &[]),
    (
        "main",
        &[
            "access",
            "camera",
            "camera_handle",
            "cli",
            "fleet",
            "heartbeat",
            "logger",
            "os",
            "publish",
            "redact",
            "serve",
            "shutdown",
            "snapshot",
            "source",
            "time",
        ],
    ),
];

/// The only files with unsafe code.
const UNSAFE: [&str; 8] = [
    "crates/v4l2/src/sys/ioctl.rs",
    "crates/v4l2/src/sys/mapping.rs",
    "src/encode/software/assembler.rs",
    "src/os/heap.rs",
    "src/os/sandbox.rs",
    "src/os/tcp.rs",
    "src/serve/fanout/uring.rs",
    "src/source/process/spawn.rs",
];

/// Circles of modules inside a room that are still to be ended: room, and one module of the circle.
const KNOWN_CIRCLES: &[(&str, &str)] = &[];

/// Files of more than 500 lines, and the reason for each.
const LONG_FILES: &[(&str, &str)] = &[];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Directories with the sources of the program and of the crates.
fn source_directories() -> Vec<PathBuf> {
    let crates = CRATES.iter().map(|name| root().join("crates").join(name));
    std::iter::once(root().to_owned())
        .chain(crates)
        .map(|package| package.join("src"))
        .collect()
}

/// All source files of the program and of the crates.
fn source_files() -> Vec<PathBuf> {
    let directories = source_directories();
    directories.iter().flat_map(|it| files(it, "rs")).collect()
}

/// Modules that exist in tests only.
fn is_test(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "tests")
        || ["tests.rs", "testing.rs"]
            .iter()
            .any(|end| path.to_str().is_some_and(|path| path.ends_with(end)))
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

/// True if the code has a path that begins with this crate.
fn uses_crate(code: &str, name: &str) -> bool {
    code.match_indices(&format!("{name}::")).any(|(at, _)| {
        let before = &code[..at];
        let before = before.strip_suffix("::").unwrap_or(before);
        !before.ends_with(|c: char| c.is_alphanumeric() || c == '_')
    })
}

#[test]
fn crates_are_all_known() {
    let found: BTreeSet<String> = fs::read_dir(root().join("crates"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(found, CRATES.map(str::to_owned).into());
    assert!(uses_crate("use v4l2::Device;", "v4l2") && uses_crate("x(::v4l2::Y)", "v4l2"));
    assert!(!uses_crate("source::v4l2::open; my_v4l2::f", "v4l2"));
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
            .chain(CRATES.into_iter().filter(|name| uses_crate(&code, name)))
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
    let found: Vec<String> = source_files()
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
    for directory in ["src/h264", "src/jpeg", "src/media", "crates/testsrc/src"] {
        for path in files(&root().join(directory), "rs")
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

/// A path of modules, without `crate`.
type Module = Vec<String>;

/// Resolves the paths that begin with `crate` or `super` in the code of `module` to known modules.
fn used_modules(module: &Module, code: &str, known: &BTreeSet<Module>) -> BTreeSet<Module> {
    let mut used = BTreeSet::new();
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    for (start, first) in ["crate::", "super::"]
        .iter()
        .flat_map(|word| code.match_indices(word))
    {
        let before = &code[..start];
        // `pub(in crate::…)` and the second `super` of a path are parts of another path.
        if before.ends_with("::") || before.ends_with(is_word) {
            continue;
        }
        let mut rest = &code[start + first.len()..];
        let mut path = if first == "crate::" {
            Module::new()
        } else {
            module[..module.len() - 1].to_vec()
        };
        while let Some(further) = rest.strip_prefix("super::") {
            path.pop();
            rest = further;
        }
        let mut ends = vec![path];
        loop {
            if let Some(list) = rest.strip_prefix('{') {
                let list = list.split('}').next().unwrap_or_default();
                let path = ends.pop().unwrap_or_default();
                ends.extend(list.split(|c| !is_word(c)).map(|word| {
                    let mut path = path.clone();
                    path.push(word.to_owned());
                    path
                }));
                break;
            }
            let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            if let Some(path) = ends.last_mut() {
                path.push(rest[..length].to_owned());
            }
            match rest[length..].strip_prefix("::") {
                Some(further) => rest = further,
                None => break,
            }
        }
        for mut path in ends {
            while !path.is_empty() && !known.contains(&path) {
                path.pop();
            }
            if !path.is_empty() {
                used.insert(path);
            }
        }
    }
    used
}

/// Which modules of each room use which, with all that is below them.
fn uses_in_rooms(source: &Path) -> BTreeMap<Module, BTreeMap<String, BTreeSet<String>>> {
    let modules: BTreeMap<Module, PathBuf> = files(source, "rs")
        .into_iter()
        .filter(|path| !is_test(path))
        .filter_map(|path| {
            let inside = path.strip_prefix(source).unwrap().with_extension("");
            let mut module: Module = inside
                .iter()
                .map(|part| part.to_str().unwrap().to_owned())
                .collect();
            module.pop_if(|last| last == "mod");
            let is_root = module == ["lib"] || module == ["main"];
            (!is_root).then_some((module, path))
        })
        .collect();
    let known: BTreeSet<Module> = modules.keys().cloned().collect();
    let mut rooms: BTreeMap<Module, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
    for (module, path) in &modules {
        for used in used_modules(module, &code(path), &known) {
            let common = module.iter().zip(&used).take_while(|(a, b)| a == b).count();
            if let (Some(from), Some(to)) = (module.get(common), used.get(common)) {
                let room = rooms.entry(module[..common].to_vec()).or_default();
                room.entry(from.clone()).or_default().insert(to.clone());
            }
        }
    }
    rooms
}

#[test]
fn modules_of_a_room_have_no_circles() {
    let mut circles = Vec::new();
    let rooms: Vec<_> = source_directories()
        .iter()
        .flat_map(|source| uses_in_rooms(source))
        .collect();
    assert!(rooms.len() > 10, "rooms are found: {rooms:?}");
    for (room, uses) in &rooms {
        for start in uses.keys() {
            let mut reached = BTreeSet::new();
            let mut ahead = vec![start];
            while let Some(next) = ahead.pop() {
                let new = uses.get(next).into_iter().flatten();
                ahead.extend(new.filter(|used| reached.insert(*used)));
            }
            if reached.contains(start) {
                circles.push((room.join("::"), start.clone()));
            }
        }
    }
    let expected: Vec<(String, String)> = KNOWN_CIRCLES
        .iter()
        .map(|(room, module)| ((*room).to_owned(), (*module).to_owned()))
        .collect();
    assert_eq!(circles, expected);
}

#[test]
fn files_of_more_than_500_lines_are_listed() {
    for path in source_files() {
        let name = path.strip_prefix(root()).unwrap().to_str().unwrap();
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        let is_listed = LONG_FILES.iter().any(|(listed, _)| *listed == name);
        assert!(
            lines <= 500 || is_listed,
            "{name}: {lines} lines, not in LONG_FILES"
        );
    }
}
