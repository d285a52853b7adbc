//! Checks a log as an outsider does: from a copy, without changing anything.
//!
//! Checked: that the checkpoint is signed by the key, that the tiles are the tree over the leaves and its root is the one
//! signed, and that every record is the one its leaf commits to or is told to be erased. The first bad index is named. Not
//! found from the log alone: that the party cut off entries at the end, put an older copy back, or wrote another log and signed
//! it. These show against a [`Head`] or checkpoint that somebody else noted earlier: [`VerifiedLog::reaches`].
//!
//! What stands in the folder beyond the checkpoint is not part of the log and is not looked at: a party that is writing, or
//! that was stopped while it did, leaves such.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use kobling_model::federation::Federation;
use kobling_model::record::Record;
use kobling_model::{Hash, OwnerId};
use serde::Serialize;

use crate::checkpoint::{CHECKPOINT_BYTES_MAX, CheckpointFault, PublicKey};
pub use crate::files::Source;
use crate::files::{CHECKPOINT, KEY};
use crate::leaf::{AnotherRecord, Kept, Leaf, Line, OPENING};
use crate::log::erasure;
use crate::seal::AuditorKey;
use crate::tree::{Head, Tree, leaf_hash};
use crate::walk::{BadEntry, Fault, LastBundle, WalkError, walk};

/// How often a log is read that has another checkpoint each time, and something wrong under each.
const READINGS_MAX: u32 = 16;

/// An entry whose record is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Place in the log, from 0.
    pub index: u64,
    /// Hash of its leaf.
    pub hash: Hash,
    /// What was recorded.
    pub record: Record,
}

/// A log whose every entry has been checked.
#[derive(Clone, Debug)]
pub struct VerifiedLog {
    key: PublicKey,
    leaves: Vec<Hash>,
    entries: Vec<Entry>,
    unread: usize,
    last_opened_ms: Option<u64>,
    head: Head,
}

/// Why a log is not verified.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// It cannot be read.
    #[error("{}: the log cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Its checkpoint was another each time that it was read, with something wrong under each.
    #[error("{}: the log changes faster than it can be checked; check a copy of it", path.display())]
    Changing {
        /// The folder.
        path: PathBuf,
    },
    /// An entry is wrong.
    #[error(transparent)]
    Bad(#[from] BadEntry),
}

/// Why a log is not a later state of the one whose head was noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadMismatch {
    /// Entries that were there are gone: it was cut at the end, or an older copy was put back.
    #[error("the log is shorter than when its head was noted: entries are gone")]
    Shorter,
    /// Other entries stand where the noted ones stood: the log has been rewritten, or has two faces.
    #[error("the log has other entries than when its head was noted")]
    Differs,
}

/// Checks every entry of the log in a folder, with the key that lies in it: whether that is the party's key is for the caller to
/// compare with the roster, by [`VerifiedLog::key`].
///
/// The party may be writing meanwhile: what is checked is the state of one of its checkpoints. Memory: all entries.
///
/// # Errors
/// [`VerifyError::Bad`] names the first bad entry.
pub fn verify(folder: &Path) -> Result<VerifiedLog, VerifyError> {
    verify_with(folder, &[])
}

/// [`verify`], by somebody with auditors' keys, which open records that are sealed: each of these must be what its leaf commits to.
///
/// # Errors
/// As [`verify`].
pub fn verify_with(folder: &Path, keys: &[AuditorKey]) -> Result<VerifiedLog, VerifyError> {
    verify_reading(folder, folder, keys)
}

/// [`verify`], of a log that is read from elsewhere. `path` is what errors call it.
///
/// # Errors
/// As [`verify`].
pub fn verify_from(source: &(impl Source + ?Sized), path: &Path) -> Result<VerifiedLog, VerifyError> {
    verify_reading(source, path, &[])
}

fn verify_reading(
    source: &(impl Source + ?Sized),
    path: &Path,
    keys: &[AuditorKey],
) -> Result<VerifiedLog, VerifyError> {
    for _ in 0..READINGS_MAX {
        let checkpoint = read(source, path, CHECKPOINT)?;
        match verify_at(source, path, &checkpoint, keys) {
            // An erasure is told in one checkpoint and can be seen from the next on: look again, where there is a next.
            Err(VerifyError::Bad(_)) if read(source, path, CHECKPOINT)? != checkpoint => {}
            checked => return checked,
        }
    }
    Err(VerifyError::Changing { path: path.to_owned() })
}

fn read(source: &(impl Source + ?Sized), path: &Path, name: &str) -> Result<Vec<u8>, VerifyError> {
    source.read(name).map_err(|source| VerifyError::Unreadable { path: path.join(name), source })
}

fn verify_at(
    source: &(impl Source + ?Sized),
    path: &Path,
    checkpoint: &[u8],
    keys: &[AuditorKey],
) -> Result<VerifiedLog, VerifyError> {
    let bad = |index, fault| VerifyError::Bad(BadEntry { path: path.to_owned(), index, fault });
    let unsigned = |fault| bad(0, Fault::Checkpoint(fault));
    let key = String::from_utf8(read(source, path, KEY)?).map_err(|_| unsigned(CheckpointFault::Key))?;
    let key = PublicKey::read(&key).map_err(unsigned)?;
    if checkpoint.len() > CHECKPOINT_BYTES_MAX {
        return Err(unsigned(CheckpointFault::Malformed));
    }
    let head = key.open(checkpoint).map_err(unsigned)?;
    let (mut leaves, mut entries) = (Vec::new(), Vec::new());
    let (mut erased, mut told) = (BTreeSet::new(), BTreeSet::new());
    let (mut unread, mut another, mut last_opened_ms) = (0, None, None);
    let visit = |index, leaf: Leaf, line| {
        let hash = leaf_hash(&leaf.bytes());
        leaves.push(hash);
        if leaf.event == OPENING {
            last_opened_ms = Some(leaf.written_ms);
        }
        match line {
            Line::Erased(_) => {
                erased.insert(index);
            }
            Line::Kept(kept) => {
                told.extend(erasure(index, &kept));
                let record = kept.record;
                entries.push(Entry { index, hash, record });
            }
            Line::Sealed(sealed) => match sealed.open(keys) {
                Ok(Some(Kept { record, .. })) => entries.push(Entry { index, hash, record }),
                Ok(None) => unread += 1,
                Err(AnotherRecord) => drop(another.get_or_insert(index)),
            },
        }
    };
    walk(source, path, key.party(), &head, LastBundle::FromTree, visit).map_err(|error| match error {
        WalkError::Read(path, source) => VerifyError::Unreadable { path, source },
        WalkError::Bad(bad) => VerifyError::Bad(bad),
    })?;
    if let Some(index) = another {
        return Err(bad(index, Fault::AnotherRecord));
    }
    if let Some(index) = erased.difference(&told).next() {
        return Err(bad(*index, Fault::NotToldErased));
    }
    Ok(VerifiedLog { key, leaves, entries, unread, last_opened_ms, head })
}

impl VerifiedLog {
    /// Whose log.
    pub fn party(&self) -> &OwnerId {
        self.key.party()
    }

    /// The key that signed its checkpoint: that of the party, if the roster says so.
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// Whether the key that signed it is the one that the roster has of its party.
    pub fn is_signed_as_in(&self, roster: &Federation) -> bool {
        let pinned = roster.party(self.party());
        let pinned = pinned.and_then(|party| PublicKey::of_roster(&party.id, &party.signing_key));
        pinned.is_some_and(|pinned| pinned == self.key)
    }

    /// How many records are sealed and opened by none of the keys: what they say is not among the entries.
    pub fn unread(&self) -> usize {
        self.unread
    }

    /// When the last question was opened, in milliseconds since 1970-01-01 UTC, whether or not its record can be read.
    pub fn last_opened_ms(&self) -> Option<u64> {
        self.last_opened_ms
    }

    /// All entries whose record is there and can be read, in order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Hash of the leaf at a place, from 0, whether or not its record is there.
    pub fn leaf(&self, index: u64) -> Option<Hash> {
        self.leaves.get(usize::try_from(index).ok()?).copied()
    }

    /// How far it reaches: what to note down, and to compare next time.
    pub fn head(&self) -> Head {
        self.head
    }

    /// Checks that this log is the one whose head was noted, perhaps with more entries after it.
    ///
    /// # Errors
    /// [`HeadMismatch`].
    pub fn reaches(&self, noted: &Head) -> Result<(), HeadMismatch> {
        let then = usize::try_from(noted.count).ok().and_then(|count| self.leaves.get(..count));
        let mut tree = Tree::default();
        for leaf in then.ok_or(HeadMismatch::Shorter)? {
            tree.push(*leaf);
        }
        if tree.head() == *noted { Ok(()) } else { Err(HeadMismatch::Differs) }
    }
}

#[cfg(test)]
mod tests;
