//! A party's own log: append, sync, and only then go on.
//!
//! **Record before answer.** Whatever is about to leave a party is appended here first. [`AuditLog::append`]
//! returns once the entry and the checkpoint that signs it are durable; on any error the caller lets nothing out.
//!
//! What is durable when: the records (`records/…`) before anything is derived from them; whole tiles and bundles before the
//! checkpoint that needs them; the checkpoint before `append` returns. Tiles and bundles that are not whole are written and not
//! synced: they follow from the records, also from erased ones, whose lines keep the leaves. Each but the records is put in its place under a
//! temporary name first, so that somebody who copies the folder meanwhile sees it whole.
//!
//! The commit sequence, and what a crash leaves behind at each point. "Acknowledged" means that `append`
//! has returned, so that something may have left.
//!
//! | point | folder after a crash | next opening |
//! | --- | --- | --- |
//! | C1 key and first checkpoint not yet durable | no checkpoint, and no records | an empty log |
//! | C2 before the record is written | unchanged | unchanged |
//! | C3 in the middle of the write | the signed records, then a part of a line (or anything, where the file had grown first) | the part is cut off: it was never signed |
//! | C4 record written, not yet synced | as C2, C3 or C5: the disk decides | as there |
//! | C5 record synced, tiles and checkpoint old or half new | one record beyond the checkpoint | it is brought into the tree and signed. It is never dropped: somebody may have seen a checkpoint that signs it, and it must not sign another |
//! | C6 checkpoint renamed, folder not yet synced | the old checkpoint or the new one | as C5, or whole |
//! | C7 durable, `append` not yet returned | whole | it stays: the log then tells of something that did not leave, never the other way round |
//! | C8 erasure told, line not yet replaced | the record is there | the line is replaced |
//!
//! A write or sync that *fails* while the party lives on poisons the log: what is on disk is unknown, so
//! every later append fails until the log has been opened anew, which verifies all of it.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use kobling_model::record::{Event, Record};
use kobling_model::{Hash, OwnerId};
use ring::rand::{SecureRandom, SystemRandom};

use crate::checkpoint::{CheckpointFault, LogKey, PublicKey};
use crate::files::{CHECKPOINT, Folder, KEY, Source, Watch};
use crate::leaf::{Erased, Kept, Line, RECORD_BYTES_MAX, Sealed, is_sealed};
use crate::seal::Auditors;
use crate::tile::{Kind, Tile, bundled, hash_bytes, records_path};
use crate::tree::{Head, TILE_WIDTH, Tree, leaf_hash};
use crate::verify::Entry;
use crate::walk::{BadEntry, Fault, LastBundle, WalkError, walk};

/// Why an entry was not recorded, or a log not opened. In every case: nothing may leave.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// Another process, or another handle of this one, writes this log.
    #[error("{}: another process is writing this log", path.display())]
    InUse {
        /// The log.
        path: PathBuf,
    },
    /// The folder or file cannot be made, read or synced. The operator mends the disk or the permissions.
    #[error("{}: the audit log cannot be used", path.display())]
    Unusable {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What this party has cosigned of another party's log is not as it was kept.
    #[error("{}: what was cosigned of another party's log is damaged; without it another log could be cosigned", path.display())]
    Witnessed {
        /// The file.
        path: PathBuf,
    },
    /// An entry is wrong. The log is evidence: nothing is mended, and the party does not start.
    #[error("the audit log is damaged")]
    Damaged(#[from] BadEntry),
    /// The record is longer than an entry may be. Nothing was written, and the log remains usable.
    #[error("the record is longer than an entry of the audit log may be")]
    TooLong,
    /// There is no such record, it is erased already, or it tells of an erasure. Nothing was written.
    #[error("entry {index} of the audit log has no record that can be erased")]
    NotErasable {
        /// Which.
        index: u64,
    },
    /// The folder was moved, replaced, cut or written to by somebody else while this party had it open.
    #[error("{}: the audit log was changed by somebody else while in use", path.display())]
    Disturbed {
        /// The log.
        path: PathBuf,
    },
    /// The disk did not take the entry, or did not confirm it. It may be there after the next opening, or not.
    #[error("{}: the entry could not be written", path.display())]
    Write {
        /// The log.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// An earlier append failed. The party has to open the log anew, which verifies it.
    #[error("an earlier entry could not be recorded; the audit log must be opened anew")]
    Poisoned,
}

/// Where salts come from: the operating system, or a test that wants the same log twice.
type Salts = Box<dyn FnMut() -> io::Result<Hash> + Send>;

fn random_salts() -> Salts {
    let random = SystemRandom::new();
    Box::new(move || {
        let mut salt = [0; 32];
        random.fill(&mut salt).map_err(|_| io::Error::other("the operating system gives no random bytes"))?;
        Ok(Hash(salt))
    })
}

/// A party's log, opened for writing by it alone.
pub struct AuditLog {
    party: OwnerId,
    key: LogKey,
    folder: Folder,
    salts: Salts,
    auditors: Option<Auditors>,
    tree: Tree,
    /// The leaves of the last bundle, as they stand in it.
    bundle: Vec<u8>,
    records: Option<Records>,
    /// The checkpoint that was written last, held open so that another file of its name shows.
    checkpoint: Option<File>,
    tail_was_cut: bool,
    poisoned: bool,
    _lock: File,
}

/// The records of the last bundle, positioned at the end.
struct Records {
    file: File,
    path: String,
    bytes: u64,
}

impl AuditLog {
    /// Opens the log in `folder`, or begins one, and verifies all of it.
    ///
    /// 1. The folder is made if it is missing, and locked. A new log gets its key and a checkpoint over nothing (C1).
    /// 2. All that the checkpoint signs is verified, one bundle in memory at a time.
    /// 3. What follows is cut off (C3), except a whole record (C5).
    /// 4. The last record is written once more, in place; tiles that are not whole are written where they differ, the record
    ///    of C5 is brought into the tree, and a checkpoint is signed. All is synced.
    /// 5. Records whose erasure is told are erased (C8).
    ///
    /// The lock ends with the returned value, or with the process.
    ///
    /// # Errors
    /// [`LogError::InUse`], [`LogError::Unusable`], [`LogError::Damaged`].
    pub fn open(folder: &Path, party: OwnerId, key: LogKey) -> Result<Self, LogError> {
        Self::open_with(folder, party, key, random_salts(), Box::new(|_| Ok(())))
    }

    pub(crate) fn open_with(
        path: &Path,
        party: OwnerId,
        key: LogKey,
        salts: Salts,
        watch: Watch,
    ) -> Result<Self, LogError> {
        let unusable = |source| LogError::Unusable { path: path.to_owned(), source };
        create_folder(path).map_err(unusable)?;
        let lock = lock(path)?;
        let mut folder = Folder { path: path.to_owned(), watch };
        let public = key.public(&party);
        begin(&mut folder, &key, &public).map_err(unusable)?;
        let head = signed_head(path, &public)?;

        let (mut erased, mut told) = (BTreeSet::new(), BTreeSet::new());
        let visit = |index, _, line| match line {
            Line::Erased(_) => {
                erased.insert(index);
            }
            Line::Kept(kept) => told.extend(erasure(index, &kept)),
            Line::Sealed(_) => {}
        };
        let walked = walk(path, path, &party, &head, LastBundle::FromRecords, visit);
        let walked = walked.map_err(|error| match error {
            WalkError::Read(path, source) => LogError::Unusable { path, source },
            WalkError::Bad(bad) => LogError::Damaged(bad),
        })?;
        if let Some(index) = erased.difference(&told).next() {
            let (path, index) = (path.to_owned(), *index);
            return Err(BadEntry { path, index, fault: Fault::NotToldErased }.into());
        }

        let mut log = Self {
            party,
            key,
            folder,
            salts,
            auditors: None,
            tree: walked.tree,
            bundle: walked.bundle,
            records: None,
            checkpoint: None,
            tail_was_cut: false,
            poisoned: false,
            _lock: lock,
        };
        let pending = log.settle_records(walked.records_bytes, &walked.last_line).map_err(unusable)?;
        log.settle_tiles().map_err(unusable)?;
        if let Some(Line::Kept(kept)) = &pending {
            told.extend(erasure(log.tree.size(), kept));
        }
        match pending {
            Some(line) => log.commit(&line.leaf().bytes()).map_err(unusable)?,
            None => log.sign().map_err(unusable)?,
        }
        for index in told.difference(&erased) {
            log.replace_line(*index).map_err(unusable)?;
        }
        Ok(log)
    }

    /// Seals records of questions and requests to auditors from here on; where there are none they lie in clear.
    #[must_use]
    pub fn sealed_to(mut self, auditors: Option<Auditors>) -> Self {
        self.auditors = auditors;
        self
    }

    /// Cuts off what follows the signed records, but for one whole record, which is returned (C3, C5).
    fn settle_records(&mut self, signed_bytes: usize, last_line: &[u8]) -> io::Result<Option<Line>> {
        let path = records_path(self.tree.size() / TILE_WIDTH as u64);
        let bytes = match Source::read(self.folder.path.as_path(), &path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read?,
        };
        let after = bytes.get(signed_bytes..).unwrap_or_default();
        let next = after.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default();
        let own = |line: &Line| match line {
            Line::Kept(Kept { record, .. }) => record.party == self.party,
            Line::Sealed(sealed) => sealed.leaf.party == self.party,
            Line::Erased(_) => false,
        };
        let pending = Line::read(next).filter(own);
        let whole = if pending.is_some() { signed_bytes + next.len() } else { signed_bytes };
        let last_line = if pending.is_some() { next } else { last_line };
        self.tail_was_cut = whole < bytes.len();

        let mut file = self.folder.open_records(&path)?;
        // Cutting twice is the same as once.
        file.set_len(whole as u64)?;
        // After a failed sync the kernel may show a record as clean that never reached the disk, and a
        // second sync would report success without writing it. Only the last record can be in that state,
        // since a failed sync stops the log. Writing the same bytes again makes the kernel write them.
        file.seek(SeekFrom::Start((whole - last_line.len()) as u64))?;
        file.write_all(last_line)?;
        file.sync_all()?;
        self.folder.sync_folders(&path)?;
        self.records = Some(Records { file, path, bytes: whole as u64 });
        Ok(pending)
    }

    /// Writes the tiles that are not whole where they are not as they follow from the records.
    fn settle_tiles(&mut self) -> io::Result<()> {
        let levels = (0..self.tree.levels()).map(|level| self.last_tile(level)).collect::<Vec<_>>();
        let bundle = self.last_bundle();
        for (tile, bytes) in levels.into_iter().chain([bundle]) {
            if tile.width == 0 || tile.width == TILE_WIDTH {
                continue;
            }
            let path = tile.path();
            if !Source::read(self.folder.path.as_path(), &path).is_ok_and(|there| there == bytes) {
                self.folder.put(&path, &bytes)?;
            }
        }
        Ok(())
    }

    /// Records `event` and returns once it is durable.
    ///
    /// Blocks on the disk. `now_ms` is the party's clock, in milliseconds since 1970-01-01 UTC.
    ///
    /// # Errors
    /// On every error nothing may leave. After all but [`LogError::TooLong`] the log takes no more entries
    /// until it is opened anew.
    pub fn append(&mut self, event: Event, now_ms: u64) -> Result<Entry, LogError> {
        if self.poisoned {
            return Err(LogError::Poisoned);
        }
        let failed = |source| LogError::Write { path: self.folder.path.clone(), source };
        let salt = (self.salts)().map_err(failed)?;
        let record = Record { party: self.party.clone(), written_ms: now_ms, event };
        let kept = Kept { salt, record };
        let line = match &self.auditors {
            Some(auditors) if is_sealed(&kept.record.event) => {
                Line::Sealed(Sealed::of(&kept, auditors).map_err(failed)?)
            }
            _ => Line::Kept(kept.clone()),
        };
        let bytes = line.bytes();
        if bytes.len() > RECORD_BYTES_MAX {
            return Err(LogError::TooLong);
        }

        // From here on, only the last lines of this function make the log usable again. A return, a panic
        // or a crash on the way leaves it closed.
        self.poisoned = true;

        // A folder that somebody has moved away, replaced or cut would take the entry to where no auditor looks.
        match self.is_undisturbed() {
            Ok(true) => {}
            Ok(false) => return Err(LogError::Disturbed { path: self.folder.path.clone() }),
            Err(source) => return Err(LogError::Unusable { path: self.folder.path.clone(), source }),
        }
        let leaf = line.leaf().bytes();
        let index = self.tree.size();
        // C2: nothing has changed yet.
        let written = self.write_record(&bytes).and_then(|()| self.commit(&leaf));
        written.map_err(|source| LogError::Write { path: self.folder.path.clone(), source })?;
        // C7: durable. Only now may the caller hear of it.

        self.poisoned = false;
        Ok(Entry { index, hash: leaf_hash(&leaf), record: kept.record })
    }

    /// C3 to C5: the record is durable when this returns.
    fn write_record(&mut self, line: &[u8]) -> io::Result<()> {
        let path = records_path(self.tree.size() / TILE_WIDTH as u64);
        if self.records.as_ref().is_none_or(|records| records.path != path) {
            (self.folder.watch)("records")?;
            let mut file = self.folder.open_records(&path)?;
            // Nothing of it is signed.
            file.set_len(0)?;
            file.rewind()?;
            file.sync_all()?;
            self.folder.sync_folders(&path)?;
            self.records = Some(Records { file, path, bytes: 0 });
        }
        let records = self.records.as_mut().expect("opened above");
        (self.folder.watch)("record")?;
        records.file.write_all(line)?;
        (self.folder.watch)("sync record")?;
        // Also makes the new length durable: without it the record could not be read back.
        records.file.sync_data()?;
        records.bytes += line.len() as u64;
        Ok(())
    }

    /// C5 to C6: brings a leaf whose record is durable into the tree, and signs.
    fn commit(&mut self, leaf: &[u8]) -> io::Result<()> {
        if self.tree.size().is_multiple_of(TILE_WIDTH as u64) {
            self.bundle.clear();
        }
        self.bundle.extend(bundled(leaf));
        let gained = self.tree.push(leaf_hash(leaf));
        let mut changed = vec![self.last_bundle()];
        changed.extend(gained.iter().map(|gained| self.last_tile(gained.level)));
        for (tile, bytes) in &changed {
            match tile.width {
                // Whole ones stay for ever and are not derived again.
                TILE_WIDTH => self.folder.put_durably(&tile.path(), bytes)?,
                _ => self.folder.put(&tile.path(), bytes)?,
            }
        }
        self.sign()?;
        // Only now: whoever reads by the old checkpoint finds the old state or a wider one.
        for (tile, _) in changed {
            match tile.width {
                TILE_WIDTH => self.folder.tidy(&tile.partial_folder()),
                1 => {}
                width => self.folder.tidy(&Tile { width: width - 1, ..tile }.path()),
            }
        }
        Ok(())
    }

    /// Signs the head, durably.
    fn sign(&mut self) -> io::Result<()> {
        let checkpoint = self.key.sign(&self.party, &self.tree.head());
        self.folder.put_durably(CHECKPOINT, checkpoint.as_bytes())?;
        self.checkpoint = Some(File::open(self.folder.path.join(CHECKPOINT))?);
        Ok(())
    }

    fn last_tile(&self, level: usize) -> (Tile, Vec<u8>) {
        let hashes = self.tree.last_tile(level);
        let in_level = self.tree.size() >> (8 * level);
        let index = in_level.saturating_sub(1) / TILE_WIDTH as u64;
        (Tile { kind: Kind::Hashes(level), index, width: hashes.len() }, hash_bytes(hashes))
    }

    fn last_bundle(&self) -> (Tile, Vec<u8>) {
        let (tile, _) = self.last_tile(0);
        (Tile { kind: Kind::Leaves, ..tile }, self.bundle.clone())
    }

    /// Whether checkpoint and records are still the files of their names, and the records as long as they were left.
    fn is_undisturbed(&self) -> io::Result<bool> {
        let Some(checkpoint) = &self.checkpoint else { return Ok(false) };
        let same = self.is_named(checkpoint, CHECKPOINT)?;
        let Some(records) = &self.records else { return Ok(same) };
        let as_long = records.file.metadata()?.len() == records.bytes;
        Ok(same && as_long && self.is_named(&records.file, &records.path)?)
    }

    /// Whether an open file is the one of this name.
    fn is_named(&self, file: &File, path: &str) -> io::Result<bool> {
        let open = file.metadata()?;
        match fs::metadata(self.folder.path.join(path)) {
            Ok(named) => Ok((named.dev(), named.ino()) == (open.dev(), open.ino())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Erases the record at `index`: first an entry tells of it and why, then the record is replaced by its leaf. What the disk
    /// keeps of a file that was replaced is not overwritten.
    ///
    /// # Errors
    /// As [`Self::append`], and [`LogError::NotErasable`].
    pub fn erase(&mut self, index: u64, reason: String, now_ms: u64) -> Result<Entry, LogError> {
        if self.poisoned {
            return Err(LogError::Poisoned);
        }
        let unusable = |source| LogError::Unusable { path: self.folder.path.clone(), source };
        let line = if index < self.tree.size() { self.line(index).map_err(unusable)? } else { None };
        match line {
            Some(Line::Kept(kept)) if !matches!(kept.record.event, Event::Erased { .. }) => {}
            Some(Line::Sealed(_)) => {}
            _ => return Err(LogError::NotErasable { index }),
        }
        let told = self.append(Event::Erased { entry: index, reason }, now_ms)?;
        // C8.
        self.poisoned = true;
        self.replace_line(index)
            .map_err(|source| LogError::Write { path: self.folder.path.clone(), source })?;
        self.poisoned = false;
        Ok(told)
    }

    fn line(&self, index: u64) -> io::Result<Option<Line>> {
        let bytes = Source::read(self.folder.path.as_path(), &records_path(index / TILE_WIDTH as u64))?;
        let place = (index % TILE_WIDTH as u64) as usize;
        Ok(bytes.split_inclusive(|byte| *byte == b'\n').nth(place).and_then(Line::read))
    }

    /// Replaces a record by its leaf, durably.
    fn replace_line(&mut self, index: u64) -> io::Result<()> {
        let path = records_path(index / TILE_WIDTH as u64);
        let bytes = Source::read(self.folder.path.as_path(), &path)?;
        let mut lines: Vec<Vec<u8>> =
            bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        let line = lines.get_mut((index % TILE_WIDTH as u64) as usize);
        let Some((line, read)) = line.and_then(|line| Line::read(line).map(|read| (line, read))) else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        *line = Line::Erased(Erased { erased: read.leaf() }).bytes();
        let bytes = lines.concat();
        self.folder.put_durably(&path, &bytes)?;
        if self.records.as_ref().is_some_and(|records| records.path == path) {
            let mut file = self.folder.open_records(&path)?;
            file.seek(SeekFrom::End(0))?;
            self.records = Some(Records { file, path, bytes: bytes.len() as u64 });
        }
        Ok(())
    }

    /// How far the log reaches.
    pub fn head(&self) -> Head {
        self.tree.head()
    }

    /// Whose log it is.
    pub fn party(&self) -> &OwnerId {
        &self.party
    }

    /// Its folder.
    pub(crate) fn path(&self) -> &Path {
        &self.folder.path
    }

    /// The head and the checkpoint that signs it, as it is on disk.
    ///
    /// # Errors
    /// [`LogError::Poisoned`]: what is on disk is unknown, and nobody else may hear of it.
    pub(crate) fn checkpoint(&self) -> Result<(Head, String), LogError> {
        if self.poisoned {
            return Err(LogError::Poisoned);
        }
        let head = self.tree.head();
        // The same each time: signatures of this kind have no randomness.
        Ok((head, self.key.sign(&self.party, &head)))
    }

    /// Whether opening cut off what followed the signed records. The operator should hear of it: a crash leaves that, but
    /// so does somebody who writes into the file.
    pub fn tail_was_cut(&self) -> bool {
        self.tail_was_cut
    }
}

/// Locks a log for this process: its file stays, the lock ends with the process.
fn lock(path: &Path) -> Result<File, LogError> {
    let place = path.join("lock");
    let unusable = |source| LogError::Unusable { path: place.clone(), source };
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    let file = options.open(&place).map_err(unusable)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(LogError::InUse { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => Err(unusable(source)),
    }
}

/// Begins a log where there is none: the key, then a checkpoint over nothing. Where records or tiles are, a missing
/// checkpoint is a damage, and nothing is begun.
fn begin(folder: &mut Folder, key: &LogKey, public: &PublicKey) -> io::Result<()> {
    let there = |name: &str| folder.path.join(name).try_exists();
    if there(CHECKPOINT)? || there("records")? || there("tile")? {
        return Ok(());
    }
    folder.put_durably(KEY, format!("{public}\n").as_bytes())?;
    folder.put_durably(CHECKPOINT, key.sign(public.party(), &Head::empty()).as_bytes())
}

/// The head that this party has signed, with the key that it has.
fn signed_head(path: &Path, public: &PublicKey) -> Result<Head, LogError> {
    let read = |name: &str| match Source::read(path, name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some).map_err(|source| LogError::Unusable { path: path.join(name), source }),
    };
    let bad = |fault| LogError::Damaged(BadEntry { path: path.to_owned(), index: 0, fault });
    let checkpoint = read(CHECKPOINT)?.ok_or_else(|| bad(Fault::Missing))?;
    let head = public.open(&checkpoint).map_err(|fault| bad(Fault::Checkpoint(fault)))?;
    match read(KEY)? {
        Some(key) if key == format!("{public}\n").into_bytes() => Ok(head),
        _ => Err(bad(Fault::Checkpoint(CheckpointFault::Key))),
    }
}

/// The entry that a record, the `index`th of its log, tells the erasure of.
pub(crate) fn erasure(index: u64, kept: &Kept) -> Option<u64> {
    match kept.record.event {
        Event::Erased { entry, .. } if entry < index => Some(entry),
        _ => None,
    }
}

/// A party's log, shared by the tasks of one process.
///
/// [`Self::append`] blocks on the disk: async code calls it on a blocking thread and awaits that. Entries
/// are in the order in which calls reach the log.
#[derive(Clone)]
pub struct SharedLog {
    log: Arc<Mutex<AuditLog>>,
    party: OwnerId,
    path: PathBuf,
    /// How many entries there are: known without waiting for the disk.
    size: Arc<AtomicU64>,
}

impl SharedLog {
    /// Shares `log`.
    pub fn new(log: AuditLog) -> Self {
        let (party, path) = (log.party().clone(), log.path().to_owned());
        let size = Arc::new(AtomicU64::new(log.head().count));
        Self { log: Arc::new(Mutex::new(log)), party, path, size }
    }

    /// See [`AuditLog::append`].
    ///
    /// # Errors
    /// As there; [`LogError::Poisoned`] also after a panic inside an earlier append.
    pub fn append(&self, event: Event, now_ms: u64) -> Result<Entry, LogError> {
        let mut log = self.log.lock().map_err(|_| LogError::Poisoned)?;
        let entry = log.append(event, now_ms)?;
        self.size.store(entry.index + 1, Ordering::SeqCst);
        Ok(entry)
    }

    /// How many entries there are. Waits for nobody.
    pub(crate) fn size(&self) -> u64 {
        self.size.load(Ordering::SeqCst)
    }

    /// Whose log it is.
    pub(crate) fn party(&self) -> &OwnerId {
        &self.party
    }

    /// Its folder.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// See [`AuditLog::checkpoint`].
    ///
    /// # Errors
    /// As there.
    pub(crate) fn checkpoint(&self) -> Result<(Head, String), LogError> {
        self.log.lock().map_err(|_| LogError::Poisoned)?.checkpoint()
    }

    /// See [`AuditLog::erase`].
    ///
    /// # Errors
    /// As there, and as [`Self::append`].
    pub fn erase(&self, index: u64, reason: String, now_ms: u64) -> Result<Entry, LogError> {
        let mut log = self.log.lock().map_err(|_| LogError::Poisoned)?;
        let entry = log.erase(index, reason, now_ms)?;
        self.size.store(entry.index + 1, Ordering::SeqCst);
        Ok(entry)
    }

    /// How far the log reaches.
    ///
    /// # Errors
    /// [`LogError::Poisoned`] after a panic inside an earlier append.
    pub fn head(&self) -> Result<Head, LogError> {
        Ok(self.log.lock().map_err(|_| LogError::Poisoned)?.head())
    }
}

/// Makes the folder if it is missing, and its name durable in the folder above.
fn create_folder(folder: &Path) -> io::Result<()> {
    match fs::create_dir(folder) {
        Ok(()) => match folder.parent() {
            Some(above) if !above.as_os_str().is_empty() => File::open(above)?.sync_all(),
            _ => File::open(".")?.sync_all(),
        },
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
