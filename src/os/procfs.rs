//! Which program holds a device or a port, from `/proc`; as far as we may look: what belongs to other users is seen by
//! root only.

use std::fmt;
use std::fs;
use std::path::Path;

/// A process that has something open.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProcessInfo {
    /// Its process id.
    pub pid: u32,
    /// Its name, at most 15 bytes of it.
    pub name: String,
}

impl ProcessInfo {
    /// True if it is this program itself.
    pub fn is_self(&self) -> bool {
        self.pid == std::process::id()
    }
}

impl fmt::Display for ProcessInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_self() {
            f.write_str("this program itself, for another camera")
        } else {
            write!(f, "{} (process {})", self.name, self.pid)
        }
    }
}

/// The processes that have the file or device `path` open.
pub fn processes_with_open(path: &Path) -> Vec<ProcessInfo> {
    fs::canonicalize(path).map_or_else(|_| Vec::new(), |path| find_open(|target| target == path))
}

/// The process that listens on TCP `port`.
pub fn listening_process(port: u16) -> Option<ProcessInfo> {
    let sockets: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .into_iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| listening_inodes(&table, port))
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    let is_it = |target: &Path| {
        target
            .to_str()
            .is_some_and(|target| sockets.iter().any(|socket| socket == target))
    };
    find_open(is_it).into_iter().next()
}

/// The process that has locked a file whose path begins with `prefix` (libcamera locks the media devices of its camera).
pub fn lock_owner(prefix: &str) -> Option<ProcessInfo> {
    let (folder, start) = prefix.rsplit_once('/')?;
    let inodes: Vec<u64> = fs::read_dir(folder)
        .ok()?
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(start))
        .filter_map(|entry| Some(std::os::unix::fs::MetadataExt::ino(&entry.metadata().ok()?)))
        .collect();
    let table = fs::read_to_string("/proc/locks").ok()?;
    let pid = locking_process(&table, &inodes)?;
    Some(ProcessInfo {
        pid,
        name: process_name(pid),
    })
}

/// From `/proc/locks`: lines such as `1: POSIX  ADVISORY  WRITE 3568 fd:00:2531452 0 EOF`.
fn locking_process(table: &str, inodes: &[u64]) -> Option<u32> {
    let holder = |line: &str| {
        let mut fields = line
            .split_whitespace()
            .skip_while(|field| !matches!(*field, "READ" | "WRITE"));
        let pid: u32 = fields.nth(1)?.parse().ok()?;
        let inode: u64 = fields.next()?.rsplit_once(':')?.1.parse().ok()?;
        inodes.contains(&inode).then_some(pid)
    };
    table
        .lines()
        .filter(|line| !line.contains("->"))
        .find_map(holder)
}

fn find_open(is_it: impl Fn(&Path) -> bool) -> Vec<ProcessInfo> {
    let Ok(processes) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let mut found: Vec<ProcessInfo> = processes
        .flatten()
        .filter_map(|process| process.file_name().to_str()?.parse().ok())
        .filter(|&pid| has_open(pid, &is_it))
        .map(|pid| ProcessInfo {
            pid,
            name: process_name(pid),
        })
        .collect();
    found.sort_by_key(|holder| holder.pid);
    found
}

fn has_open(pid: u32, is_it: impl Fn(&Path) -> bool) -> bool {
    fs::read_dir(format!("/proc/{pid}/fd"))
        .into_iter()
        .flatten()
        .flatten()
        .any(|fd| fs::read_link(fd.path()).is_ok_and(|target| is_it(&target)))
}

fn process_name(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm"))
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// Inodes of the sockets in a `/proc/net/tcp` table that listen (state 0A) on `port`.
fn listening_inodes(table: &str, port: u16) -> Vec<String> {
    let inode = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let local_port = u16::from_str_radix(fields.get(1)?.rsplit_once(':')?.1, 16).ok()?;
        (local_port == port && *fields.get(3)? == "0A")
            .then(|| fields.get(9).map(|&inode| inode.to_owned()))?
    };
    table.lines().filter_map(inode).collect()
}

/// Returns whether the process `pid` computes, or waits for a processor or a disk (`R` and `D` of proc(5)).
pub fn is_running(pid: u32) -> bool {
    let line = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = (line.rsplit_once(") ")).and_then(|(_, rest)| rest.chars().next());
    matches!(state, Some('R' | 'D'))
}

/// Returns the number of a group in `/etc/group` (group(5)).
pub fn group_id(name: &str) -> Option<u32> {
    let groups = fs::read_to_string("/etc/group").ok()?;
    let mut lines = groups.lines().map(|line| line.split(':'));
    lines.find_map(|mut fields| {
        let is_it = fields.next()? == name;
        fields.nth(1).filter(|_| is_it)?.parse().ok()
    })
}

/// Returns the name of this machine.
pub fn host_name() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "localhost".to_owned(),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_file_lists_own_process() {
        let path = std::env::temp_dir().join(format!("berrymse-holder-{}", std::process::id()));
        let file = fs::File::create(&path).unwrap();
        let found = processes_with_open(&path);
        assert!(
            found.iter().any(|holder| holder.pid == std::process::id()),
            "{found:?}"
        );
        drop(file);
        assert_eq!(processes_with_open(&path), []);
        fs::remove_file(&path).unwrap();
        assert_eq!(processes_with_open(&path), []);
    }

    #[test]
    fn running_process_is_told_from_one_that_sleeps() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let has_stopped_running = (0..1000).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(5));
            !is_running(child.id())
        });
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(has_stopped_running && !is_running(child.id()));
    }

    #[test]
    fn lock_owner_is_read_from_proc_locks() {
        let table = "1: POSIX  ADVISORY  WRITE 3568 00:05:2531 0 EOF\n1: -> POSIX  ADVISORY  WRITE 99 00:05:77 0 EOF\n\
            2: FLOCK  ADVISORY  READ 3517 00:05:77 0 EOF\nnonsense WRITE\n";
        assert_eq!(locking_process(table, &[77]), Some(3517));
        assert_eq!(locking_process(table, &[1, 2531]), Some(3568));
        assert_eq!(locking_process(table, &[1]), None);
        assert_eq!(lock_owner("/nonexistent/media"), None);
    }

    #[test]
    fn listener_inode_is_read_from_proc_net_tcp() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             0: 0100007F:07E4 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0\n\
             1: 0100007F:07E4 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 20 4 0 10 -1\n";
        assert_eq!(listening_inodes(table, 2020), ["4711"]);
        assert!(listening_inodes(table, 80).is_empty());
        assert!(listening_inodes("nonsense\n\n: : : :", 0).is_empty());
    }
}
