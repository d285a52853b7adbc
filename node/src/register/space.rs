//! Whether the disk has room for an import, asked before and noticed on the way.

use std::error::Error;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::ImportError;
use super::sort::{CHUNK_ROWS, Row};

/// The shortest line that a row can have: an organisation number or shorter identifier, a value, and four semicolons.
const LINE_BYTES_MIN: u64 = 7;
/// What catalogue, manifest and folders take.
const SMALL_FILES: u64 = 4 << 20;

/// About how many bytes importing these dataset folders takes.
///
/// Registers are smaller than half of their data files: a row's unit, dates and codes take a few bits each, and its numbers at most
/// eight bytes. Of the one dataset that is read, rows beyond a chunk lie beside it until they are merged. The identity maps are
/// written beside the old ones, and take 8 bytes for each new unit.
pub(super) fn needed(folders: &[(String, PathBuf)], maps: u64) -> u64 {
    let csv = |(name, folder): &(String, PathBuf)| {
        fs::metadata(folder.join(format!("{name}.csv"))).map_or(0, |file| file.len())
    };
    let (mut all, mut largest) = (0u64, 0u64);
    for bytes in folders.iter().map(csv) {
        all = all.saturating_add(bytes);
        largest = largest.max(bytes);
    }
    // A line of a person's identity number and a value has 17 bytes; most have more.
    let runs =
        if largest / LINE_BYTES_MIN > CHUNK_ROWS as u64 { largest / 17 * Row::BYTES as u64 } else { 0 };
    (all / 2).saturating_add(runs).saturating_add(maps).saturating_add(SMALL_FILES)
}

/// Compares with what is free where `folder` is.
pub(super) fn check(folder: &Path, needed_bytes: u64) -> Result<(), ImportError> {
    let disk = rustix::fs::statvfs(folder).map_err(io::Error::from)?;
    let free_bytes = disk.f_bavail.saturating_mul(disk.f_frsize);
    if needed_bytes > free_bytes { Err(ImportError::DiskSpace { needed_bytes, free_bytes }) } else { Ok(()) }
}

/// Whether an error, or what it comes from, is that the disk or the quota is full.
pub(super) fn is_full(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            let full = matches!(
                error.kind(),
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
            );
            if full || error.get_ref().is_some_and(|inner| is_full(inner)) {
                return true;
            }
        }
        next = error.source();
    }
    false
}
