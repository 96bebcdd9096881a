//! Who has a node open, from `/proc`.

use std::fmt;
use std::fs;
use std::path::Path;

/// A process that has a node open.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Holder {
    /// Its process id.
    pub pid: u32,
    /// Its name, at most 15 bytes of it.
    pub name: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pid == std::process::id() {
            f.write_str("this program itself, for another camera")
        } else {
            write!(f, "{} (process {})", self.name, self.pid)
        }
    }
}

/// The processes that have `node` open, as far as we may look: those of other users are seen by root only.
pub fn holders(node: &Path) -> Vec<Holder> {
    let Ok(node) = fs::canonicalize(node) else {
        return Vec::new();
    };
    let Ok(processes) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let mut found: Vec<Holder> = processes
        .flatten()
        .filter_map(|process| process.file_name().to_str()?.parse().ok())
        .filter(|&pid| holds(pid, &node))
        .map(|pid| Holder {
            pid,
            name: name(pid),
        })
        .collect();
    found.sort_by_key(|holder| holder.pid);
    found
}

fn holds(pid: u32, node: &Path) -> bool {
    fs::read_dir(format!("/proc/{pid}/fd"))
        .into_iter()
        .flatten()
        .flatten()
        .any(|fd| fs::read_link(fd.path()).is_ok_and(|target| target == node))
}

fn name(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm"))
        .unwrap_or_default()
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_file_has_us_as_its_holder() {
        let path = std::env::temp_dir().join(format!("berrymse-holder-{}", std::process::id()));
        let file = fs::File::create(&path).unwrap();
        let found = holders(&path);
        assert!(
            found.iter().any(|holder| holder.pid == std::process::id()),
            "{found:?}"
        );
        drop(file);
        assert_eq!(holders(&path), []);
        fs::remove_file(&path).unwrap();
        assert_eq!(holders(&path), []);
    }
}
