//! Sessions that were ended before they expired, and the file that keeps them over a restart.

use super::link::unix_seconds;
use super::session::SessionFields;
use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Most sessions that are remembered as ended. Who logs out more often pushes out the one that would expire first.
const MAX_ENDED: usize = 4096;

/// Longest file that is read.
const MAX_BYTES: u64 = 1 << 18;

/// Characters of an id.
const ID_CHARS: usize = 16;

/// Sessions that were ended before they expired, until then: their end, and their id.
#[derive(Debug, Default)]
pub(super) struct EndedSessions {
    all: BTreeSet<(u64, String)>,
    file: Option<PathBuf>,
}

impl EndedSessions {
    /// Reads the sessions in `file`, and keeps later ones there.
    pub(super) fn keep_in(&mut self, file: PathBuf, now: SystemTime) -> io::Result<()> {
        let kept = read(&file);
        self.file = Some(file);
        self.all.extend(kept?);
        self.prune(now);
        Ok(())
    }

    /// Ends a session. An error says that the file does not have it; it is ended nevertheless.
    pub(super) fn end(&mut self, session: &SessionFields<'_>, now: SystemTime) -> io::Result<()> {
        self.all.insert((session.expires_at, session.id.to_owned()));
        if let Some(file) = self.file.clone() {
            // Another program with the same key may have ended some.
            self.all.extend(read(&file).unwrap_or_default());
            self.prune(now);
            return write(&file, &self.all);
        }
        self.prune(now);
        Ok(())
    }

    pub(super) fn has(&self, session: &SessionFields<'_>) -> bool {
        self.all
            .contains(&(session.expires_at, session.id.to_owned()))
    }

    /// Returns true if a session with this id has ended.
    pub(super) fn has_id(&self, id: &str) -> bool {
        self.all.iter().any(|(_, ended)| ended == id)
    }

    fn prune(&mut self, now: SystemTime) {
        let now = unix_seconds(now);
        self.all.retain(|(expires_at, _)| *expires_at > now);
        while self.all.len() > MAX_ENDED {
            self.all.pop_first();
        }
    }
}

/// Returns the lines `END ID` of a file; others are passed over.
pub fn parse_ended_sessions(text: &str) -> impl Iterator<Item = (u64, String)> {
    let is_id = |id: &&str| id.len() == ID_CHARS && id.bytes().all(|b| b.is_ascii_hexdigit());
    text.lines()
        .filter_map(|line| line.split_once(' '))
        .filter_map(move |(end, id)| Some((end.parse().ok()?, Some(id).filter(is_id)?.to_owned())))
}

fn read(file: &Path) -> io::Result<Vec<(u64, String)>> {
    let opened = match fs::File::open(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        opened => opened?,
    };
    let mut bytes = Vec::new();
    opened.take(MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(parse_ended_sessions(&String::from_utf8_lossy(&bytes)).collect())
}

/// Writes the file as a whole: after a crash there is the old one or the new one.
fn write(file: &Path, all: &BTreeSet<(u64, String)>) -> io::Result<()> {
    let mut new = file.as_os_str().to_owned();
    new.push(".new");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut opened = options.open(&new)?;
    let lines: String = all
        .iter()
        .map(|(end, id)| format!("{end} {id}\n"))
        .collect();
    opened.write_all(lines.as_bytes())?;
    opened.sync_data()?;
    fs::rename(&new, file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::time::Duration;

    fn session(id: &str, expires_at: u64) -> SessionFields<'_> {
        SessionFields {
            user: "owner",
            expires_at,
            id,
        }
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn ended_sessions_are_kept_for_their_owner_until_they_expire() {
        let name = format!("berrymse-ended-{}", std::process::id());
        let file = std::env::temp_dir().join(name);
        let mut first = EndedSessions::default();
        first.keep_in(file.clone(), at(1)).unwrap();
        first.end(&session("00000000000000aa", 50), at(1)).unwrap();
        first.end(&session("00000000000000bb", 100), at(1)).unwrap();
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let mut second = EndedSessions::default();
        second.keep_in(file.clone(), at(60)).unwrap();
        assert!(!second.has_id("00000000000000aa"));
        assert!(second.has(&session("00000000000000bb", 100)));
        // Both write, and none loses the other's.
        second
            .end(&session("00000000000000cc", 100), at(60))
            .unwrap();
        first
            .end(&session("00000000000000dd", 100), at(60))
            .unwrap();
        let text = fs::read_to_string(&file).unwrap();
        assert_eq!(parse_ended_sessions(&text).count(), 3, "{text}");
        fs::write(
            &file,
            "damaged\n\n100 x\n100 00000000000000ee\n18446744073709551616 a",
        )
        .unwrap();
        let mut third = EndedSessions::default();
        third.keep_in(file.clone(), at(60)).unwrap();
        assert!(third.has_id("00000000000000ee"));
        let _ = fs::remove_file(&file);
        let nowhere = PathBuf::from("/proc/no/file");
        third.file = Some(nowhere);
        assert!(
            third
                .end(&session("00000000000000ff", 100), at(60))
                .is_err()
        );
        assert!(third.has_id("00000000000000ff"));
    }

    #[test]
    fn memory_of_ended_sessions_is_bounded() {
        let mut ended = EndedSessions::default();
        for number in 0..2 * MAX_ENDED as u64 {
            let id = format!("{number:016x}");
            ended.end(&session(&id, 1_000_000 + number), at(1)).unwrap();
        }
        assert_eq!(ended.all.len(), MAX_ENDED);
    }
}
