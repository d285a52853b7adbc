//! The walk over a log, leaf by leaf, that checks everything a signed head vouches for.

use std::io;
use std::path::{Path, PathBuf};

use kobling_model::OwnerId;

use crate::checkpoint::CheckpointFault;
use crate::files::{Source, read_tile};
use crate::leaf::{Leaf, Line, RECORD_BYTES_MAX};
use crate::tile::{Kind, Tile, bundled, next_leaf, records_path};
use crate::tree::{Head, TILE_WIDTH, TileHash, Tree, leaf_hash};

/// What is wrong with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Its leaf or record is not in the one form in which it is written.
    #[error("is not in the form in which entries are written")]
    Malformed,
    /// A file that should hold it, or that vouches for it, is missing or ends before it.
    #[error("is missing, or a tile over it is")]
    Missing,
    /// Its record is not what its leaf commits to: it was changed, or another stands in its place.
    #[error("has a record that is not what the tree commits to")]
    AnotherRecord,
    /// A tile has another hash for it, or for the subtree that begins with it.
    #[error("has another hash in a tile of the tree")]
    AnotherHash,
    /// It is from the log of another party.
    #[error("belongs to the log of another party")]
    AnotherParty,
    /// Its record is erased, and no later entry tells of that.
    #[error("has no record, and no later entry tells that it was erased")]
    NotToldErased,
    /// More stands behind it than was signed when its tile or bundle was complete.
    #[error("is followed by what does not belong there")]
    Surplus,
    /// All before it fits together, and is not what the checkpoint signs.
    #[error("is where the log ends, and what is before it is not what its checkpoint signs")]
    NotSigned,
    /// The checkpoint, or the key that the log comes with.
    #[error("is not vouched for: the log {0}")]
    Checkpoint(CheckpointFault),
}

/// The first entry of a log that is wrong. Everything before it was checked, except under [`Fault::NotSigned`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: entry {index} {fault}", path.display())]
pub struct BadEntry {
    /// The log.
    pub path: PathBuf,
    /// Place of the first bad entry, from 0.
    pub index: u64,
    /// What is wrong.
    pub fault: Fault,
}

/// Why a walk ended before the end of the log.
pub(crate) enum WalkError {
    Read(PathBuf, io::Error),
    Bad(BadEntry),
}

/// Where the leaves of the last bundle come from, if it is not whole.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum LastBundle {
    /// From the tree, as an outsider checks them.
    FromTree,
    /// From the records: tiles that are not whole are not durable, and their party writes them anew.
    FromRecords,
}

/// What has been walked.
pub(crate) struct Walked {
    pub tree: Tree,
    /// The leaves of the last bundle as they stand in it; empty if it is whole.
    pub bundle: Vec<u8>,
    /// Length in bytes of the last bundle's records, up to the head; 0 if it is whole.
    pub records_bytes: usize,
    /// The last line of them.
    pub last_line: Vec<u8>,
}

/// Walks the `head.count` first entries of a log. `path` is what errors call it.
pub(crate) fn walk(
    source: &(impl Source + ?Sized),
    path: &Path,
    party: &OwnerId,
    head: &Head,
    last: LastBundle,
    mut visit: impl FnMut(u64, Leaf, Line),
) -> Result<Walked, WalkError> {
    let mut walk = Walk { source, path, party, head, last, tree: Tree::default(), tiles: Vec::new() };
    let mut walked = (Vec::new(), 0, Vec::new());
    while walk.tree.size() < head.count {
        walked = walk.bundle(&mut visit)?;
    }
    if walk.tree.head() != *head {
        return Err(walk.bad(head.count, Fault::NotSigned));
    }
    if head.count.is_multiple_of(TILE_WIDTH as u64) {
        walked = (Vec::new(), 0, Vec::new());
    }
    let (bundle, records_bytes, last_line) = walked;
    Ok(Walked { tree: walk.tree, bundle, records_bytes, last_line })
}

struct Walk<'a, S: ?Sized> {
    source: &'a S,
    path: &'a Path,
    party: &'a OwnerId,
    head: &'a Head,
    last: LastBundle,
    tree: Tree,
    /// Of each level the tile read last.
    tiles: Vec<Option<(u64, Vec<u8>)>>,
}

impl<S: Source + ?Sized> Walk<'_, S> {
    fn bad(&self, index: u64, fault: Fault) -> WalkError {
        WalkError::Bad(BadEntry { path: self.path.to_owned(), index, fault })
    }

    /// A file that is missing is a fault of the log; one that cannot be read says nothing about it.
    fn unread(&self, index: u64, name: &str, error: io::Error) -> WalkError {
        match error.kind() {
            io::ErrorKind::NotFound => self.bad(index, Fault::Missing),
            io::ErrorKind::FileTooLarge => self.bad(index, Fault::Malformed),
            _ => WalkError::Read(self.path.join(name), error),
        }
    }

    /// The entries of the next bundle: its leaves, the length of its records, and the last of their lines.
    fn bundle(
        &mut self,
        visit: &mut impl FnMut(u64, Leaf, Line),
    ) -> Result<(Vec<u8>, usize, Vec<u8>), WalkError> {
        let first = self.tree.size();
        let number = first / TILE_WIDTH as u64;
        let width = usize::try_from(self.head.count - first).unwrap_or(usize::MAX).min(TILE_WIDTH);
        let tile = Tile { kind: Kind::Leaves, index: number, width };
        let in_tree = match width < TILE_WIDTH && self.last == LastBundle::FromRecords {
            true => None,
            false => {
                Some(read_tile(self.source, tile).map_err(|error| self.unread(first, &tile.path(), error))?)
            }
        };
        let name = records_path(number);
        let records = self.source.read(&name).map_err(|error| self.unread(first, &name, error))?;
        let mut lines = records.split_inclusive(|byte| *byte == b'\n');
        let mut rest = in_tree.as_ref().map(|(bytes, _)| bytes.as_slice());
        let (mut bundle, mut records_bytes, mut last_line) = (Vec::new(), 0, &[][..]);
        for index in first..first + width as u64 {
            let bad = |fault| self.bad(index, fault);
            let in_bundle = match rest {
                None => None,
                Some([]) => return Err(bad(Fault::Missing)),
                Some(bytes) => {
                    let (leaf, after) = next_leaf(bytes).ok_or_else(|| bad(Fault::Malformed))?;
                    rest = Some(after);
                    Some(Leaf::read(leaf).ok_or_else(|| bad(Fault::Malformed))?)
                }
            };
            let text = lines.next().ok_or_else(|| bad(Fault::Missing))?;
            let line = (text.len() <= RECORD_BYTES_MAX).then(|| Line::read(text)).flatten();
            let line = line.ok_or_else(|| bad(Fault::Malformed))?;
            let leaf = line.leaf();
            if in_bundle.is_some_and(|in_bundle| in_bundle != leaf) {
                return Err(bad(Fault::AnotherRecord));
            }
            if leaf.party != *self.party {
                return Err(bad(Fault::AnotherParty));
            }
            let bytes = leaf.bytes();
            bundle.extend(bundled(&bytes));
            for gained in self.tree.push(leaf_hash(&bytes)) {
                self.compare(gained)?;
            }
            (records_bytes, last_line) = (records_bytes + text.len(), text);
            visit(index, leaf, line);
        }
        // A party that goes on writing adds to what is not whole, and never to what is.
        let exact = in_tree.as_ref().is_some_and(|(_, exact)| *exact);
        let surplus = exact && rest.is_some_and(|rest| !rest.is_empty());
        if surplus || width == TILE_WIDTH && lines.next().is_some() {
            return Err(self.bad(first + width as u64 - 1, Fault::Surplus));
        }
        Ok((bundle, records_bytes, last_line.to_vec()))
    }

    /// Compares a hash with the tile that has it.
    fn compare(&mut self, gained: TileHash) -> Result<(), WalkError> {
        let number = gained.index / TILE_WIDTH as u64;
        let in_level = self.head.count.unbounded_shr(8 * u32::try_from(gained.level).unwrap_or(u32::MAX));
        let left = in_level - number * TILE_WIDTH as u64;
        let width = usize::try_from(left).unwrap_or(usize::MAX).min(TILE_WIDTH);
        if width < TILE_WIDTH && self.last == LastBundle::FromRecords {
            return Ok(());
        }
        if self.tiles.len() <= gained.level {
            self.tiles.resize(gained.level + 1, None);
        }
        let first = gained.first_leaf();
        if !matches!(&self.tiles[gained.level], Some((read, _)) if *read == number) {
            let tile = Tile { kind: Kind::Hashes(gained.level), index: number, width };
            let read = read_tile(self.source, tile);
            let (bytes, _) = read.map_err(|error| self.unread(first, &tile.path(), error))?;
            if bytes.len() > 32 * width {
                return Err(self.bad(first, Fault::Surplus));
            }
            self.tiles[gained.level] = Some((number, bytes));
        }
        let (_, bytes) = self.tiles[gained.level].as_ref().expect("just read");
        let at = 32 * (gained.index % TILE_WIDTH as u64) as usize;
        match bytes.get(at..at + 32) {
            None => Err(self.bad(first, Fault::Missing)),
            Some(hash) if hash == gained.hash.0 => Ok(()),
            Some(_) => Err(self.bad(first, Fault::AnotherHash)),
        }
    }
}
