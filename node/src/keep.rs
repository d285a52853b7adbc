//! What sessions keep between questions, within a bound for the whole node: alignments, record keys by row, own columns, own sides of
//! populations, and masked blocks of others' ([`crate::once`]).
//!
//! Reading and reordering a nation's columns takes as long as computing with them, so what a session's questions have needed is kept until
//! the session ends. All sessions together have the bytes of memory that the configuration gives; beyond them, what was used least recently
//! goes to a file below the state folder, sealed under a key that is drawn at start and is nowhere else. A file that a crash leaves can
//! be read by nobody; the next start removes it. What a question has in hand stays in memory until it is done with it, and is not counted.
//!
//! Sizes of files follow from the number of rows and the plan, as those of messages do. Files are written and read under the one lock: whoever waits for
//! it waits for a disk.

use std::collections::HashMap;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use kobling_crypto::protocol::shared_constants::ColumnConstants;
use kobling_crypto::seal::{self, SealKey};
use kobling_disclosure::memory::spent::Name;
use kobling_model::{Hash, SessionId};
use zeroize::Zeroizing;

use crate::columns::{OwnColumns, RecordKeys};
use crate::linkage::Alignment;
use crate::side::OwnSide;

/// How many times the memory files may take before others' blocks are no longer kept.
const FILES: u64 = 16;

/// Something that is kept.
#[derive(Clone)]
pub enum Kept {
    /// Row numbers of a unit type.
    Alignment(Arc<Alignment>),
    /// Record keys by row of a unit type.
    Keys(RecordKeys),
    /// Own columns of a fragment.
    Columns(Arc<OwnColumns>),
    /// The own side of a population.
    Side(OwnSide),
    /// Masked blocks of another party's columns.
    Blocks(Arc<Vec<Bytes>>),
}

/// What all sessions of a node keep.
pub struct Keep {
    bound: usize,
    folder: PathBuf,
    key: SealKey,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    items: HashMap<(SessionId, Hash), Item>,
    /// Bytes in memory.
    bytes: usize,
    /// Bytes in files.
    away: u64,
    /// Counts uses.
    clock: u64,
    /// Counts files.
    files: u64,
}

enum Item {
    Here { kept: Kept, bytes: usize, used: u64 },
    Away { file: PathBuf, bytes: u64 },
}

/// One session's part. What it keeps is forgotten when it is dropped.
pub struct Shelf {
    keep: Arc<Keep>,
    session: SessionId,
}

impl Keep {
    /// An empty keep of so many bytes of memory, with a folder for the rest. What an earlier run has left in the folder is removed.
    ///
    /// # Errors
    /// From the file system.
    pub fn open(bound: usize, folder: PathBuf) -> io::Result<Arc<Self>> {
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => DirBuilder::new().recursive(true).mode(0o700).create(&folder)?,
        }
        Ok(Arc::new(Self { bound, folder, key: SealKey::generate(), state: Mutex::default() }))
    }

    /// A session's part.
    pub fn shelf(self: &Arc<Self>, session: SessionId) -> Shelf {
        Shelf { keep: self.clone(), session }
    }

    /// Bytes that are kept in memory.
    pub fn bytes(&self) -> usize {
        self.state().bytes
    }

    /// Files that are kept on disk.
    pub fn files(&self) -> usize {
        self.state().items.values().filter(|item| matches!(item, Item::Away { .. })).count()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends away what was used least recently, until the rest is within the bound.
    fn settle(&self, state: &mut State) {
        while state.bytes > self.bound {
            let here = state.items.iter().filter_map(|(name, item)| match item {
                Item::Here { used, .. } => Some((*used, *name)),
                Item::Away { .. } => None,
            });
            let Some((_, name)) = here.min() else { return };
            let Some(Item::Here { kept, bytes, .. }) = state.items.remove(&name) else { return };
            state.bytes -= bytes;
            match self.send_away(state, &name, &kept) {
                Some((file, bytes)) => {
                    state.away += bytes;
                    state.items.insert(name, Item::Away { file, bytes });
                }
                // Columns can be made again, and blocks can be sent again; an alignment or keys stay, whatever the bound.
                None if matches!(kept, Kept::Columns(_) | Kept::Blocks(_)) => {}
                None => {
                    state.items.insert(name, Item::Here { kept, bytes: 0, used: u64::MAX });
                }
            }
        }
    }

    fn send_away(&self, state: &mut State, name: &(SessionId, Hash), kept: &Kept) -> Option<(PathBuf, u64)> {
        let plain = Zeroizing::new(kept.to_bytes()?);
        state.files += 1;
        let file = self.folder.join(format!("{}.sealed", state.files));
        let sealed = seal::seal(&self.key, &context(name), &plain);
        let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file);
        match written.and_then(|mut written| written.write_all(&sealed)) {
            Ok(()) => Some((file, sealed.len() as u64)),
            Err(_) => {
                let _ = fs::remove_file(&file);
                None
            }
        }
    }

    fn fetch(&self, name: &(SessionId, Hash), file: &PathBuf) -> Option<Kept> {
        let sealed = fs::read(file).ok();
        let _ = fs::remove_file(file);
        let plain = seal::open(&self.key, &context(name), &sealed?).ok()?;
        Kept::from_bytes(&plain)
    }
}

/// Removes a file; the bytes that it had.
fn discarded(file: &PathBuf, bytes: u64) -> u64 {
    let _ = fs::remove_file(file);
    bytes
}

fn context((session, name): &(SessionId, Hash)) -> String {
    format!("kept {session} {name}")
}

impl Shelf {
    /// What is kept under a name; none where there is nothing, or its file cannot be read any more. Blocking.
    pub fn get(&self, name: &Hash) -> Option<Kept> {
        let name = (self.session, *name);
        let mut state = self.keep.state();
        state.clock += 1;
        let clock = state.clock;
        match state.items.get_mut(&name)? {
            Item::Here { kept, used, .. } => {
                *used = (*used).max(clock);
                Some(kept.clone())
            }
            Item::Away { file, bytes } => {
                let (file, bytes) = (file.clone(), *bytes);
                state.items.remove(&name);
                state.away -= bytes;
                let kept = self.keep.fetch(&name, &file)?;
                self.enter(&mut state, name, kept.clone());
                Some(kept)
            }
        }
    }

    /// Keeps something under a name, in place of what there was. Blocking.
    pub fn put(&self, name: Hash, kept: Kept) {
        let mut state = self.keep.state();
        self.enter(&mut state, (self.session, name), kept);
    }

    /// Forgets what is kept under a name.
    pub fn remove(&self, name: &Hash) {
        let mut state = self.keep.state();
        match state.items.remove(&(self.session, *name)) {
            Some(Item::Here { bytes, .. }) => state.bytes -= bytes,
            Some(Item::Away { file, bytes }) => state.away -= discarded(&file, bytes),
            None => {}
        }
    }

    /// Whether there is room for more that could also be sent again: files take no more than [`FILES`] times the memory.
    pub fn has_room(&self) -> bool {
        let state = self.keep.state();
        state.away <= FILES * self.keep.bound.max(64 << 20) as u64
    }

    fn enter(&self, state: &mut State, name: (SessionId, Hash), kept: Kept) {
        state.clock += 1;
        let (bytes, used) = (kept.bytes(), state.clock);
        match state.items.insert(name, Item::Here { kept, bytes, used }) {
            Some(Item::Here { bytes, .. }) => state.bytes -= bytes,
            Some(Item::Away { file, bytes }) => state.away -= discarded(&file, bytes),
            None => {}
        }
        state.bytes += bytes;
        self.keep.settle(state);
    }
}

impl Drop for Shelf {
    fn drop(&mut self) {
        let mut state = self.keep.state();
        let (mut freed, mut discards) = (0, 0);
        state.items.retain(|(session, _), item| {
            let own = *session == self.session;
            match item {
                Item::Here { bytes, .. } if own => freed += *bytes,
                Item::Away { file, bytes } if own => discards += discarded(file, *bytes),
                _ => {}
            }
            !own
        });
        state.bytes -= freed;
        state.away -= discards;
    }
}

impl Kept {
    /// Memory that it takes.
    fn bytes(&self) -> usize {
        match self {
            Self::Alignment(alignment) => 4 * alignment.unit_of_row.len(),
            Self::Keys(keys) => 6 * keys.len(),
            Self::Columns(columns) => columns.bytes(),
            Self::Side(_) => size_of::<OwnSide>(),
            Self::Blocks(blocks) => blocks.iter().map(Bytes::len).sum(),
        }
    }

    /// The form on disk; none for what is not worth a file: totals, which have no columns.
    fn to_bytes(&self) -> Option<Vec<u8>> {
        let mut out = Writer(Vec::with_capacity(self.bytes() + 256));
        match self {
            Self::Alignment(alignment) => {
                out.number(0);
                out.number(alignment.rows);
                alignment.canary_rows.iter().for_each(|row| out.number(u64::from(*row)));
                out.words(&alignment.unit_of_row);
            }
            Self::Keys(keys) => {
                out.number(1);
                out.number(keys.len() as u64);
                out.0.extend(keys.iter().flatten().flat_map(|limb| limb.to_le_bytes()));
            }
            Self::Columns(columns) => {
                if columns.totals.is_some() {
                    return None;
                }
                let ColumnConstants { fingerprint, mean, width, square_mean, square_width } =
                    columns.constants;
                out.number(2);
                let fingerprint = u64::from_le_bytes(fingerprint);
                [columns.rows as u64, fingerprint, mean as u64, width, square_mean, square_width]
                    .into_iter()
                    .for_each(|number| out.number(number));
                out.words(&columns.categories);
                out.number(columns.limbs.len() as u64);
                for limbs in &columns.limbs {
                    out.number(limbs.len() as u64);
                    out.0.extend_from_slice(limbs);
                }
                out.number(columns.numbers.len() as u64);
                columns.numbers.iter().for_each(|numbers| out.words(numbers));
            }
            Self::Side(OwnSide { name, size }) => {
                out.number(4);
                out.0.extend(name.to_bytes());
                out.number(u64::from(*size));
            }
            Self::Blocks(blocks) => {
                out.number(3);
                out.number(blocks.len() as u64);
                for block in blocks.iter() {
                    out.number(block.len() as u64);
                    out.0.extend_from_slice(block);
                }
            }
        }
        Some(out.0)
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut from = Reader(bytes);
        let kept = match from.number()? {
            0 => {
                let rows = from.number()?;
                let mut canary_rows = [0; crate::linkage::CANARIES];
                for row in &mut canary_rows {
                    *row = u32::try_from(from.number()?).ok()?;
                }
                Self::Alignment(Arc::new(Alignment { rows, canary_rows, unit_of_row: from.words()? }))
            }
            1 => {
                let length = from.length()?;
                let limbs = from.take(length.checked_mul(6)?)?.chunks_exact(6);
                let limb = |key: &[u8], at: usize| u16::from_le_bytes([key[2 * at], key[2 * at + 1]]);
                Self::Keys(Arc::new(limbs.map(|key| [limb(key, 0), limb(key, 1), limb(key, 2)]).collect()))
            }
            2 => {
                let rows = from.length()?;
                let fingerprint = from.number()?.to_le_bytes();
                let (mean, width) = (from.number()? as i64, from.number()?);
                let (square_mean, square_width) = (from.number()?, from.number()?);
                let categories = from.words()?;
                let limbs = (0..from.length()?).map(|_| {
                    let length = from.length()?;
                    from.take(length).map(<[u8]>::to_vec)
                });
                let limbs = limbs.collect::<Option<_>>()?;
                let numbers = (0..from.length()?).map(|_| from.words()).collect::<Option<_>>()?;
                let constants = ColumnConstants { fingerprint, mean, width, square_mean, square_width };
                let columns = OwnColumns { categories, limbs, numbers, constants, rows, totals: None };
                Self::Columns(Arc::new(columns))
            }
            4 => {
                let name = Name::from_bytes(from.take(Name::BYTES)?.try_into().ok()?);
                Self::Side(OwnSide { name, size: u32::try_from(from.number()?).ok()? })
            }
            3 => {
                let blocks = (0..from.length()?).map(|_| {
                    let length = from.length()?;
                    from.take(length).map(Bytes::copy_from_slice)
                });
                Self::Blocks(Arc::new(blocks.collect::<Option<_>>()?))
            }
            _ => return None,
        };
        from.0.is_empty().then_some(kept)
    }
}

/// Writes numbers of eight bytes, and lists with their length before them.
struct Writer(Vec<u8>);

impl Writer {
    fn number(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    fn words(&mut self, words: &[u32]) {
        self.number(words.len() as u64);
        self.0.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    fn length(&mut self) -> Option<usize> {
        usize::try_from(self.number()?).ok()
    }

    fn words(&mut self) -> Option<Vec<u32>> {
        let length = self.length()?;
        let bytes = self.take(length.checked_mul(4)?)?;
        Some(
            bytes.chunks_exact(4).map(|word| u32::from_le_bytes(word.try_into().expect("4 bytes"))).collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: usize = 1000;

    fn columns(first: u32) -> Kept {
        let constants =
            ColumnConstants { mean: -5, width: 7, fingerprint: [3; 8], ..ColumnConstants::default() };
        Kept::Columns(Arc::new(OwnColumns {
            categories: (first..first + ROWS as u32).collect(),
            limbs: vec![vec![9; ROWS], vec![8; ROWS]],
            numbers: vec![vec![first; ROWS]],
            constants,
            rows: ROWS,
            totals: None,
        }))
    }

    fn first(kept: &Kept) -> u32 {
        match kept {
            Kept::Columns(columns) => {
                assert_eq!((columns.limbs.len(), columns.numbers[0].len(), columns.rows), (2, ROWS, ROWS));
                assert_eq!((columns.constants.mean, columns.constants.fingerprint), (-5, [3; 8]));
                columns.categories[0]
            }
            _ => panic!("columns"),
        }
    }

    fn name(text: &str) -> Hash {
        Hash::of(text.as_bytes())
    }

    #[test]
    fn what_was_used_least_goes_to_disk_sealed_and_comes_back_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let size = columns(0).bytes();
        let keep = Keep::open(2 * size + 10, folder.path().join("kept")).expect("opened");
        let shelf = keep.shelf(SessionId([1; 16]));
        for at in 0..3_u32 {
            shelf.put(name(&at.to_string()), columns(1000 * at));
        }
        assert_eq!((keep.bytes(), keep.files()), (2 * size, 1));
        let file = fs::read_dir(folder.path().join("kept")).expect("a folder").next().expect("a file");
        let sealed = fs::read(file.expect("an entry").path()).expect("read");
        let run: Vec<u8> = (0..8_u32).flat_map(u32::to_le_bytes).collect();
        assert!(!sealed.windows(run.len()).any(|window| window == run), "a column lies on disk in clear");
        // The one that is away comes back, and another goes.
        for at in [0, 2, 1, 0] {
            assert_eq!(shelf.get(&name(&at.to_string())).map(|kept| first(&kept)), Some(1000 * at));
            assert_eq!((keep.bytes(), keep.files()), (2 * size, 1));
        }
        assert!(shelf.get(&name("never")).is_none());
        drop(shelf);
        assert_eq!((keep.bytes(), keep.files()), (0, 0));
        assert_eq!(fs::read_dir(folder.path().join("kept")).expect("a folder").count(), 0);
    }

    #[test]
    fn sessions_share_the_bound_and_one_that_ends_takes_only_its_own() {
        let folder = tempfile::tempdir().expect("a folder");
        let size = columns(0).bytes();
        let keep = Keep::open(size, folder.path().join("kept")).expect("opened");
        let (one, other) = (keep.shelf(SessionId([1; 16])), keep.shelf(SessionId([2; 16])));
        one.put(name("a"), columns(1));
        other.put(name("a"), columns(2));
        assert_eq!((keep.bytes(), keep.files()), (size, 1));
        drop(other);
        assert_eq!(one.get(&name("a")).map(|kept| first(&kept)), Some(1));
        assert_eq!((keep.bytes(), keep.files()), (size, 0));
    }

    #[test]
    fn a_file_that_was_touched_is_no_column_and_what_cannot_be_made_again_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let kept_in = folder.path().join("kept");
        let keep = Keep::open(10, kept_in.clone()).expect("opened");
        let shelf = keep.shelf(SessionId([1; 16]));
        shelf.put(name("a"), columns(1));
        let file =
            fs::read_dir(&kept_in).expect("a folder").next().expect("a file").expect("an entry").path();
        let mut sealed = fs::read(&file).expect("read");
        sealed[100] ^= 1;
        fs::write(&file, sealed).expect("written");
        assert!(shelf.get(&name("a")).is_none());
        // No disk to write to: columns are forgotten, an alignment stays.
        fs::remove_dir_all(&kept_in).expect("removed");
        shelf.put(name("b"), columns(1));
        let alignment = Alignment { rows: 5, unit_of_row: vec![1; 5], canary_rows: [1, 2, 3] };
        shelf.put(name("c"), Kept::Alignment(Arc::new(alignment)));
        assert!(shelf.get(&name("b")).is_none());
        assert!(matches!(shelf.get(&name("c")), Some(Kept::Alignment(_))));
    }

    #[test]
    fn every_kind_survives_its_form_on_disk_and_nothing_else_is_read_as_one() {
        let alignment = Alignment { rows: 65_536, unit_of_row: vec![7, 8, u32::MAX], canary_rows: [1, 2, 3] };
        let kinds = [
            Kept::Alignment(Arc::new(alignment)),
            Kept::Keys(Arc::new(vec![[1, 2, 65_535], [4, 5, 6]])),
            columns(3),
            Kept::Blocks(Arc::new(vec![Bytes::from_static(b"a block"), Bytes::from_static(b"another")])),
        ];
        for kept in kinds {
            let bytes = kept.to_bytes().expect("a form");
            let again = Kept::from_bytes(&bytes).expect("read");
            assert_eq!(again.to_bytes().expect("a form"), bytes);
            for cut in [0, 7, 8, bytes.len() - 1] {
                assert!(Kept::from_bytes(&bytes[..cut]).is_none());
            }
            assert!(Kept::from_bytes(&[bytes, vec![0]].concat()).is_none());
        }
    }
}
