//! The files of a log, as a party writes them and as an outsider reads them.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::leaf::RECORD_BYTES_MAX;
use crate::tile::{Kind, Tile};
use crate::tree::TILE_WIDTH;

/// The signed head.
pub(crate) const CHECKPOINT: &str = "checkpoint";

/// The public key that the log says is its party's.
pub(crate) const KEY: &str = "key";

/// Longest file that is read, in bytes: the records of a bundle.
const FILE_BYTES_MAX: u64 = (TILE_WIDTH * RECORD_BYTES_MAX) as u64;

/// Where a log is read from: its folder, or memory.
pub trait Source {
    /// A file's bytes, by its path in the log's folder.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] where there is no such file.
    fn read(&self, path: &str) -> io::Result<Vec<u8>>;

    /// The widths of the states of a tile that are there, by the folder of its states that are not whole.
    ///
    /// # Errors
    /// Where they cannot be listed. A folder that is not there holds none.
    fn widths(&self, folder: &str) -> io::Result<Vec<usize>>;
}

impl Source for Path {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(self.join(path))?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > FILE_BYTES_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(bytes)
    }

    fn widths(&self, folder: &str) -> io::Result<Vec<usize>> {
        let listed = match fs::read_dir(self.join(folder)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            listed => listed?,
        };
        let names = listed.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>()?;
        Ok(names.iter().filter_map(|name| name.to_str()?.parse().ok()).collect())
    }
}

/// A log in memory: its files by their paths.
impl Source for BTreeMap<String, Vec<u8>> {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        self.get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn widths(&self, folder: &str) -> io::Result<Vec<usize>> {
        let below = self.keys().filter_map(|path| path.strip_prefix(folder)?.strip_prefix('/')?.parse().ok());
        Ok(below.collect())
    }
}

/// How often a state of a tile is looked for while its party replaces it by wider ones.
const LOOKS: usize = 100;

/// A tile's bytes, and whether they are of exactly this width.
///
/// A party that goes on writing has replaced the state by a wider one, which begins with it.
pub(crate) fn read_tile(source: &(impl Source + ?Sized), tile: Tile) -> io::Result<(Vec<u8>, bool)> {
    for _ in 0..LOOKS {
        match source.read(&tile.path()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            read => return Ok((read?, true)),
        }
        let listed = source.widths(&tile.partial_folder())?;
        let wider = listed.into_iter().filter(|width| (tile.width + 1..TILE_WIDTH).contains(width));
        let wider = wider.max().unwrap_or(TILE_WIDTH);
        match source.read(&Tile { width: wider, ..tile }.path()) {
            // Nothing wider was there, and nothing whole is.
            Err(error) if error.kind() == io::ErrorKind::NotFound && wider == TILE_WIDTH => {
                return Err(error);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            read => {
                let mut bytes = read?;
                if matches!(tile.kind, Kind::Hashes(_)) {
                    bytes.truncate(32 * tile.width);
                }
                return Ok((bytes, false));
            }
        }
    }
    Err(io::ErrorKind::NotFound.into())
}

/// Asked before each change of a file, by the name of the change. The tests' disks fail there.
pub(crate) type Watch = Box<dyn FnMut(&str) -> io::Result<()> + Send>;

/// A log's folder, written to by its party alone.
pub(crate) struct Folder {
    pub path: PathBuf,
    pub watch: Watch,
}

impl Folder {
    /// Puts a file in its place, whole or not at all for those who read meanwhile. After a loss of power it may be either, or
    /// damaged.
    pub fn put(&mut self, path: &str, bytes: &[u8]) -> io::Result<()> {
        self.replace(path, bytes, false)
    }

    /// Puts a file in its place, whole or not at all also after a loss of power.
    pub fn put_whole(&mut self, path: &str, bytes: &[u8]) -> io::Result<()> {
        self.replace(path, bytes, true)
    }

    /// Puts a file in its place and returns once that is durable.
    pub fn put_durably(&mut self, path: &str, bytes: &[u8]) -> io::Result<()> {
        self.replace(path, bytes, true)?;
        (self.watch)("sync folder")?;
        self.sync_folders(path)
    }

    fn replace(&mut self, path: &str, bytes: &[u8], durably: bool) -> io::Result<()> {
        let (place, new) = (self.path.join(path), self.path.join(format!("{path}.new")));
        (self.watch)("write")?;
        let mut file = self.create(&new)?;
        file.write_all(bytes)?;
        if durably {
            (self.watch)("sync")?;
            file.sync_all()?;
        }
        (self.watch)("rename")?;
        fs::rename(new, place)
    }

    /// Makes the names of a file and of the folders above it durable, up to the log's own.
    pub fn sync_folders(&self, path: &str) -> io::Result<()> {
        let above = self.path.join(path);
        for folder in above.ancestors().skip(1) {
            File::open(folder)?.sync_all()?;
            if folder == self.path {
                break;
            }
        }
        Ok(())
    }

    /// Opens the records of a bundle, which are made where they are missing.
    pub fn open_records(&self, path: &str) -> io::Result<File> {
        let place = self.path.join(path);
        self.make_folder_of(&place)?;
        // Records name researchers and what they ask about: nobody but the party's account reads them in place.
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        options.open(place)
    }

    fn create(&self, path: &Path) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        match options.open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.make_folder_of(path)?;
                options.open(path)
            }
            opened => opened,
        }
    }

    /// Makes the folders above a file, but not the log's own: one that somebody has moved away is not begun anew.
    fn make_folder_of(&self, path: &Path) -> io::Result<()> {
        if !self.path.is_dir() {
            return Err(io::ErrorKind::NotFound.into());
        }
        path.parent().map_or(Ok(()), fs::create_dir_all)
    }

    /// Removes what is of no use any more. That it cannot be removed harms nobody.
    pub fn tidy(&mut self, path: &str) {
        if (self.watch)("remove").is_err() {
            return;
        }
        let place = self.path.join(path);
        let _ = if place.is_dir() { fs::remove_dir_all(place) } else { fs::remove_file(place) };
    }
}
