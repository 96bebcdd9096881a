//! Which other program holds something, found in `/proc`; as far as we may look.

use std::fs;
use std::path::Path;

/// The program that listens on TCP `port`, as `nginx (PID 123)`; `None` when it belongs to another user.
pub fn listener_on(port: u16) -> Option<String> {
    let sockets: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .into_iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| listening_inodes(&table, port))
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    holder(|link| {
        link.to_str()
            .is_some_and(|link| sockets.iter().any(|socket| socket == link))
    })
}

/// The program that has `path` open, as `ffmpeg (PID 123)`; other than this one.
pub fn holder_of(path: &Path) -> Option<String> {
    let path = fs::canonicalize(path).ok()?;
    holder(|link| link == path)
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

fn holder(is_it: impl Fn(&Path) -> bool) -> Option<String> {
    let own = std::process::id().to_string();
    fs::read_dir("/proc").ok()?.flatten().find_map(|process| {
        let id = process.file_name().into_string().ok()?;
        if !id.bytes().all(|byte| byte.is_ascii_digit()) || id == own {
            return None;
        }
        let mut open = fs::read_dir(process.path().join("fd")).ok()?.flatten();
        open.any(|fd| fs::read_link(fd.path()).is_ok_and(|link| is_it(&link)))
            .then(|| {
                let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
                format!("{} (PID {id})", name.trim())
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_are_read_from_the_kernels_table() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             0: 0100007F:07E4 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0\n\
             1: 0100007F:07E4 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 20 4 0 10 -1\n";
        assert_eq!(listening_inodes(table, 2020), ["4711"]);
        assert!(listening_inodes(table, 80).is_empty());
        assert!(listening_inodes("nonsense\n\n: : : :", 0).is_empty());
    }
}
