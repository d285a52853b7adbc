//! The format of a log: entries, the hash chain over them, and the walk that checks both.
//!
//! A log is the file [`FILE_NAME`] in a folder: JSON Lines, one entry a line, each line ended by `\n`:
//!
//! ```text
//! {"index":N,"previous":"<64 hex>","hash":"<64 hex>","record":{…}}
//! ```
//!
//! - `index` counts from 0 without gaps.
//! - `previous` is the `hash` of the line before; on the first line [`genesis`].
//! - `hash` is SHA-256(0x00 ‖ previous as 32 raw bytes ‖ the bytes of `record` exactly as they stand in
//!   the line). See [`leaf_hash`].
//!
//! There is one way to write an entry: fields in this order, no blanks, lower-case hexadecimal, characters
//! beyond ASCII unescaped. A line that says the same in other bytes is refused, so that every byte counts.

use std::fmt;
use std::io::{self, BufRead, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use kobling_model::record::Record;
use kobling_model::{Hash, OwnerId};
use serde::{Deserialize, Serialize};

/// Name of the log in a party's audit folder.
pub const FILE_NAME: &str = "audit.jsonl";

/// Longest line that is written or read, in bytes, the line break included.
///
/// It bounds what a checker holds in memory however the file was tampered with.
pub const ENTRY_BYTES_MAX: usize = 1 << 20;

/// One line of a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Place in the log, from 0.
    pub index: u64,
    /// Hash of the entry before, or [`genesis`].
    pub previous: Hash,
    /// Hash of this entry.
    pub hash: Hash,
    /// What was recorded.
    pub record: Record,
}

impl Entry {
    /// The entry that comes after `head`.
    pub(crate) fn after(head: &Head, record: Record) -> Self {
        let hash = leaf_hash(&head.hash, &canonical(&record));
        Self { index: head.count, previous: head.hash, hash, record }
    }

    /// The line, with its line break.
    pub(crate) fn line(&self) -> Vec<u8> {
        let mut line = canonical(self);
        line.push(b'\n');
        line
    }
}

/// `previous` of the first entry: SHA-256 of the ASCII text `kobling audit log v1`.
///
/// It names the format: a log of another version fails at index 0.
pub fn genesis() -> Hash {
    Hash::of(b"kobling audit log v1")
}

/// Hash of an entry: SHA-256 of the byte 0x00, the previous entry's hash and the record's bytes.
///
/// The prefix is that of a leaf in RFC 6962, section 2.1, over the leaf input `previous ‖ record`. So the
/// very same hashes can become the leaves of a Merkle tree, whose inner nodes begin with 0x01, without
/// rewriting a log.
pub fn leaf_hash(previous: &Hash, record: &[u8]) -> Hash {
    Hash::of(&[&[0x00], previous.0.as_slice(), record].concat())
}

fn canonical<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("records have string keys and no floating-point numbers")
}

/// How far a log reaches: what an auditor notes down to recognise the log later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// How many entries there are.
    pub count: u64,
    /// Hash of the last entry; [`genesis`] if there is none.
    pub hash: Hash,
}

impl Head {
    /// Head of a log without entries.
    pub fn empty() -> Self {
        Self { count: 0, hash: genesis() }
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.count, self.hash)
    }
}

/// The text is not a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a log's head: the number of entries, a blank, 64 hexadecimal digits")]
pub struct NotAHead;

impl FromStr for Head {
    type Err = NotAHead;

    fn from_str(text: &str) -> Result<Self, NotAHead> {
        let (count, hash) = text.trim().split_once(' ').ok_or(NotAHead)?;
        let plain = count.bytes().all(|byte| byte.is_ascii_digit());
        let count = plain.then(|| count.parse().ok()).flatten().ok_or(NotAHead)?;
        Ok(Self { count, hash: Hash::parse(hash).map_err(|_| NotAHead)? })
    }
}

/// What is wrong with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Not an entry, or not in the one form in which an entry is written.
    #[error("is not an entry in the form in which entries are written")]
    Malformed,
    /// Another entry should stand here: one was deleted, inserted or moved.
    #[error("has another entry's number")]
    OutOfPlace,
    /// It does not continue the entry before it.
    #[error("does not continue the entry before it")]
    BrokenChain,
    /// Its hash is not that of its content.
    #[error("has a hash that is not that of its content")]
    WrongHash,
    /// It is from the log of another party.
    #[error("belongs to the log of another party")]
    AnotherParty,
    /// The file ends in the middle of it. A crash leaves that, and so does somebody who cuts the file; it is
    /// mended when its party opens the log, because such an entry was never acknowledged.
    #[error("is cut off by the end of the file")]
    Torn,
}

/// The first entry of a log that is wrong. Everything before it was checked.
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

/// Why a walk ended before the end of the file.
pub(crate) enum WalkError {
    Read(io::Error),
    Bad(BadEntry),
}

/// A file that is a log, except perhaps for a torn tail.
pub(crate) struct Walked {
    /// Over all whole entries.
    pub head: Head,
    /// Whose log; none if it is empty and nobody said so.
    pub party: Option<OwnerId>,
    /// Length in bytes of all whole entries.
    pub whole_bytes: u64,
    /// The last whole line, with its line break; empty if there is none.
    pub last_line: Vec<u8>,
    /// Whether bytes without a line break follow.
    pub torn: bool,
}

/// Reads a log line by line, checks each and the chain over all, and hands on each entry.
///
/// Memory: one line. `party` is whose log it has to be; without it, the first record says so.
pub(crate) fn walk(
    mut reader: impl BufRead,
    path: &Path,
    mut party: Option<OwnerId>,
    mut visit: impl FnMut(Entry),
) -> Result<Walked, WalkError> {
    let mut head = Head::empty();
    let mut whole_bytes = 0;
    let mut last_line = Vec::new();
    let mut line = Vec::new();
    loop {
        let bad = |fault| WalkError::Bad(BadEntry { path: path.to_owned(), index: head.count, fault });
        line.clear();
        let mut bounded = (&mut reader).take(ENTRY_BYTES_MAX as u64);
        bounded.read_until(b'\n', &mut line).map_err(WalkError::Read)?;
        if !line.ends_with(b"\n") {
            // No writer leaves a part that is as long as the longest entry: that is not a torn write.
            if line.len() == ENTRY_BYTES_MAX {
                return Err(bad(Fault::Malformed));
            }
            return Ok(Walked { head, party, whole_bytes, last_line, torn: !line.is_empty() });
        }
        let entry = check(&line, &head, party.as_ref()).map_err(bad)?;
        head = Head { count: head.count + 1, hash: entry.hash };
        whole_bytes += line.len() as u64;
        party.get_or_insert_with(|| entry.record.party.clone());
        std::mem::swap(&mut last_line, &mut line);
        visit(entry);
    }
}

/// Checks one line as the one that comes after `head`.
fn check(line: &[u8], head: &Head, party: Option<&OwnerId>) -> Result<Entry, Fault> {
    let entry: Entry = serde_json::from_slice(line).map_err(|_| Fault::Malformed)?;
    // Blanks, another order, a doubled or unknown key, capital hexadecimal digits: all read as the same
    // entry, and none of them is what was written.
    if entry.line() != line {
        return Err(Fault::Malformed);
    }
    if entry.index != head.count {
        return Err(Fault::OutOfPlace);
    }
    if entry.previous != head.hash {
        return Err(Fault::BrokenChain);
    }
    if entry.hash != leaf_hash(&entry.previous, &canonical(&entry.record)) {
        return Err(Fault::WrongHash);
    }
    if party.is_some_and(|party| *party != entry.record.party) {
        return Err(Fault::AnotherParty);
    }
    Ok(entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_as_it_is_written() {
        let head = Head { count: 17, hash: Hash::of(b"x") };
        assert_eq!(head.to_string().parse(), Ok(head));
        for bad in ["", "17", "+17 00", "x 00", &format!("+1 {}", head.hash), &format!("1  {}", head.hash)] {
            assert_eq!(bad.parse::<Head>(), Err(NotAHead));
        }
    }
}
