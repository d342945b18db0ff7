//! A power cut, as the files see it: what was not brought to the disk is gone.
//!
//! The node notes each `fdatasync` and `fsync` with the length of its file. Data files of the database only grow, have
//! numbers that do not come back, and are never renamed, so what a cut leaves of each is its beginning, up to the length
//! noted last. Names in the directory are taken to be on the disk, as a file system with a journal has it for files that
//! were synced.

use std::{
    collections::HashMap,
    fs::{self, OpenOptions},
    io,
    path::{Path, PathBuf},
};

/// Bytes that a cut took away.
pub(crate) fn cut(data_dir: &Path, notes: &Path) -> io::Result<u64> {
    let synced = synced(&fs::read_to_string(notes).unwrap_or_default());
    let mut lost = 0;
    for entry in fs::read_dir(data_dir)? {
        let path = entry?.path();
        if !is_data(&path) {
            continue;
        }
        let len = fs::metadata(&path)?.len();
        let kept = synced.get(&path.canonicalize()?).copied().unwrap_or_default().min(len);
        OpenOptions::new().write(true).open(&path)?.set_len(kept)?;
        lost += len - kept;
    }
    Ok(lost)
}

/// Returns the length of each file that was noted last.
fn synced(notes: &str) -> HashMap<PathBuf, u64> {
    let line = |line: &str| {
        let (len, path) = line.split_once(' ')?;
        Some((PathBuf::from(path), len.parse().ok()?))
    };
    notes.lines().filter_map(line).collect()
}

/// Returns whether a file is a log, a table or a manifest, of which nothing but its end can be missing.
fn is_data(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    ["log", "sst", "blob"].iter().any(|end| path.extension().is_some_and(|found| found == *end))
        || name.starts_with("MANIFEST-")
}
