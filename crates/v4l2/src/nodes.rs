//! Lists the video nodes of a directory.

use std::fs;
use std::path::{Path, PathBuf};

/// Returns the `videoN` entries of a directory, by number.
pub(super) fn nodes(dir: &Path) -> Vec<PathBuf> {
    let number = |path: &Path| {
        path.file_name()?
            .to_str()?
            .strip_prefix("video")?
            .parse::<u32>()
            .ok()
    };
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut found: Vec<(u32, PathBuf)> = entries
        .map(|entry| entry.path())
        .filter_map(|path| Some((number(&path)?, path)))
        .collect();
    found.sort();
    found.into_iter().map(|(_, path)| path).collect()
}
