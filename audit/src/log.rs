//! A party's own log: append, sync, and only then go on.
//!
//! **Record before answer.** Whatever is about to leave a party is appended here first. [`AuditLog::append`]
//! returns once the entry is durable; on any error the caller lets nothing out.
//!
//! The commit sequence, and what a crash leaves behind at each point. "Acknowledged" means that `append`
//! has returned, so that something may have left.
//!
//! | point | file after a crash | next opening |
//! | --- | --- | --- |
//! | C1 folder and file created, folder not yet synced | no file, or an empty one | an empty log |
//! | C2 before the line is written | unchanged | unchanged |
//! | C3 in the middle of the write | whole entries, then a part without a line break (or zeros, where the file system had grown the file first) | the part is cut off: it was never acknowledged |
//! | C4 line written, not yet synced | as C2, C3 or C5: the disk decides | as there |
//! | C5 synced, `append` not yet returned | the entry is there | it stays: the log then tells of something that did not leave, never the other way round |
//! | C6 opening: torn part cut off, cut not yet synced | the part is back or gone | as C3 or C2 |
//!
//! A write or sync that *fails* while the party lives on poisons the log: what is on disk is unknown, so
//! every later append fails until the log has been opened anew, which verifies all of it.
//!
//! Not covered: a file system that, after a loss of power, shows the end of a line and not its beginning.
//! That looks like tampering with the last entry and stops the start, with an error that names the entry.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufReader, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use kobling_model::OwnerId;
use kobling_model::record::{Event, Record};

use crate::chain::{BadEntry, ENTRY_BYTES_MAX, Entry, FILE_NAME, Head, WalkError, walk};

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
    /// An entry is wrong. The log is evidence: nothing is mended, and the party does not start.
    #[error("the audit log is damaged")]
    Damaged(#[from] BadEntry),
    /// The record is longer than an entry may be. Nothing was written, and the log remains usable.
    #[error("the record is longer than an entry of the audit log may be")]
    TooLong,
    /// The file was moved, replaced, cut or written to by somebody else while this party had it open.
    #[error("{}: the audit log was changed by somebody else while in use", path.display())]
    Disturbed {
        /// The log.
        path: PathBuf,
    },
    /// The disk did not take the entry.
    #[error("{}: the entry could not be written", path.display())]
    Write {
        /// The log.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The disk did not confirm the entry. It may be there after the next opening, or not.
    #[error("{}: the entry could not be synced", path.display())]
    Sync {
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

/// A party's log, opened for writing by it alone.
pub struct AuditLog {
    path: PathBuf,
    party: OwnerId,
    storage: Box<dyn Storage>,
    head: Head,
    file_bytes: u64,
    tail_was_cut: bool,
    poisoned: bool,
}

impl AuditLog {
    /// Opens the log in `folder`, or begins one, and verifies all of it.
    ///
    /// 1. Folder and file are made if they are missing, and the file is locked.
    /// 2. The chain is verified from the first entry, one line in memory at a time.
    /// 3. A torn last line is cut off (C3).
    /// 4. The last entry is written once more, in place, and all is synced.
    ///
    /// The lock ends with the returned value, or with the process.
    ///
    /// # Errors
    /// [`LogError::InUse`], [`LogError::Unusable`], [`LogError::Damaged`].
    pub fn open(folder: &Path, party: OwnerId) -> Result<Self, LogError> {
        Self::open_through(folder, party, |file| Box::new(file))
    }

    fn open_through(
        folder: &Path,
        party: OwnerId,
        storage: impl FnOnce(LogFile) -> Box<dyn Storage>,
    ) -> Result<Self, LogError> {
        let path = folder.join(FILE_NAME);
        let unusable = |source| LogError::Unusable { path: path.clone(), source };

        create_folder(folder).map_err(|source| LogError::Unusable { path: folder.to_owned(), source })?;
        // Not in append mode: the last line is written again in place below. The log names researchers and
        // what they ask about, so nobody but its party's account reads it in place.
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(&path).map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(LogError::InUse { path }),
            Err(TryLockError::Error(source)) => return Err(unusable(source)),
        }

        let walked =
            walk(BufReader::new(&file), &path, Some(party.clone()), |_| ()).map_err(|error| match error {
                WalkError::Read(source) => unusable(source),
                WalkError::Bad(bad) => LogError::Damaged(bad),
            })?;

        let settle = |file: &mut File| {
            // C6. Cutting twice is the same as once.
            file.set_len(walked.whole_bytes)?;
            // After a failed sync the kernel may show an entry as clean that never reached the disk, and a
            // second sync would report success without writing it. Only the last entry can be in that state,
            // since a failed sync stops the log. Writing the same bytes again makes the kernel write them.
            file.seek(SeekFrom::Start(walked.whole_bytes - walked.last_line.len() as u64))?;
            file.write_all(&walked.last_line)?;
            file.sync_all()?;
            // C1. Before this, a crash could lose the file's name with all that is in it.
            File::open(folder)?.sync_all()
        };
        settle(&mut file).map_err(unusable)?;

        Ok(Self {
            storage: storage(LogFile { file, path: path.clone() }),
            path,
            party,
            head: walked.head,
            file_bytes: walked.whole_bytes,
            tail_was_cut: walked.torn,
            poisoned: false,
        })
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
        let record = Record { party: self.party.clone(), written_ms: now_ms, event };
        let entry = Entry::after(&self.head, record);
        let line = entry.line();
        if line.len() > ENTRY_BYTES_MAX {
            return Err(LogError::TooLong);
        }

        // From here on, only the last line of this function makes the log usable again. A return, a panic
        // or a crash on the way leaves it closed.
        self.poisoned = true;

        // A file that somebody has moved away, replaced or cut would take the entry to where no auditor looks.
        match self.storage.is_undisturbed(self.file_bytes) {
            Ok(true) => {}
            Ok(false) => return Err(LogError::Disturbed { path: self.path.clone() }),
            Err(source) => return Err(LogError::Unusable { path: self.path.clone(), source }),
        }

        // C2: nothing has changed yet.
        let path = || self.path.clone();
        self.storage.write(&line).map_err(|source| LogError::Write { path: path(), source })?;
        // C3 inside the write, C4 after it: the entry is in memory of the kernel, perhaps in part on disk.
        self.storage.sync().map_err(|source| LogError::Sync { path: path(), source })?;
        // C5: durable. Only now may the caller hear of it.

        self.head = Head { count: entry.index + 1, hash: entry.hash };
        self.file_bytes += line.len() as u64;
        self.poisoned = false;
        Ok(entry)
    }

    /// How far the log reaches.
    pub fn head(&self) -> Head {
        self.head
    }

    /// Whose log it is.
    pub fn party(&self) -> &OwnerId {
        &self.party
    }

    /// Whether opening cut off a torn last line. The operator should hear of it: a crash leaves that, but
    /// so does somebody who shortens the file.
    pub fn tail_was_cut(&self) -> bool {
        self.tail_was_cut
    }
}

/// A party's log, shared by the tasks of one process.
///
/// [`Self::append`] blocks on the disk: async code calls it on a blocking thread and awaits that. Entries
/// are in the order in which calls reach the log.
#[derive(Clone)]
pub struct SharedLog(Arc<Mutex<AuditLog>>);

impl SharedLog {
    /// Shares `log`.
    pub fn new(log: AuditLog) -> Self {
        Self(Arc::new(Mutex::new(log)))
    }

    /// See [`AuditLog::append`].
    ///
    /// # Errors
    /// As there; [`LogError::Poisoned`] also after a panic inside an earlier append.
    pub fn append(&self, event: Event, now_ms: u64) -> Result<Entry, LogError> {
        self.0.lock().map_err(|_| LogError::Poisoned)?.append(event, now_ms)
    }

    /// How far the log reaches.
    ///
    /// # Errors
    /// [`LogError::Poisoned`] after a panic inside an earlier append.
    pub fn head(&self) -> Result<Head, LogError> {
        Ok(self.0.lock().map_err(|_| LogError::Poisoned)?.head())
    }
}

/// What an append does to the disk. The second implementation is the tests' failing disk.
trait Storage: Send {
    /// Whether the log is still the file of its name and has this length.
    fn is_undisturbed(&self, file_bytes: u64) -> io::Result<bool>;

    /// Writes all of `line` at the end.
    fn write(&mut self, line: &[u8]) -> io::Result<()>;

    /// Returns once everything written is durable.
    fn sync(&mut self) -> io::Result<()>;
}

/// The locked file, positioned at its end.
struct LogFile {
    file: File,
    path: PathBuf,
}

impl Storage for LogFile {
    fn is_undisturbed(&self, file_bytes: u64) -> io::Result<bool> {
        let open = self.file.metadata()?;
        let named = match fs::metadata(&self.path) {
            Ok(named) => named,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        let same = (open.dev(), open.ino()) == (named.dev(), named.ino());
        Ok(same && open.len() == file_bytes)
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        self.file.write_all(line)
    }

    fn sync(&mut self) -> io::Result<()> {
        // Also makes the new length durable: without it the data could not be read back.
        self.file.sync_data()
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
mod tests {
    use std::sync::mpsc;

    use tempfile::TempDir;

    use super::*;
    use crate::chain::Fault;
    use crate::fixture::{broker, folder_with, peer_accepted, ssb};
    use crate::verify;

    /// What the failing disk does at the next append.
    #[derive(Clone, Copy)]
    enum Failure {
        /// Takes this many bytes, then reports that it is full.
        WriteAfter(usize),
        /// Takes all, then does not confirm.
        Sync,
    }

    struct FailingDisk {
        file: LogFile,
        failure: Failure,
    }

    impl Storage for FailingDisk {
        fn is_undisturbed(&self, file_bytes: u64) -> io::Result<bool> {
            self.file.is_undisturbed(file_bytes)
        }

        fn write(&mut self, line: &[u8]) -> io::Result<()> {
            match self.failure {
                Failure::WriteAfter(bytes) => {
                    self.file.write(&line[..bytes])?;
                    Err(io::ErrorKind::StorageFull.into())
                }
                Failure::Sync => self.file.write(line),
            }
        }

        fn sync(&mut self) -> io::Result<()> {
            match self.failure {
                Failure::WriteAfter(_) => self.file.sync(),
                Failure::Sync => Err(io::Error::other("injected")),
            }
        }
    }

    fn open_failing(folder: &Path, failure: Failure) -> AuditLog {
        AuditLog::open_through(folder, ssb(), |file| Box::new(FailingDisk { file, failure })).expect("opens")
    }

    fn open(folder: &Path) -> AuditLog {
        AuditLog::open(folder, ssb()).expect("opens")
    }

    fn bytes(folder: &Path) -> Vec<u8> {
        fs::read(folder.join(FILE_NAME)).expect("there")
    }

    #[test]
    fn an_entry_can_be_read_from_the_file_when_append_returns() {
        let folder = TempDir::new().expect("temporary folder");
        let mut log = open(folder.path());
        let entry = log.append(peer_accepted("krg"), 7).expect("recorded");
        let verified = verify(folder.path()).expect("valid");
        assert_eq!(verified.entries(), [entry]);
        assert_eq!(verified.head(), log.head());
    }

    #[test]
    fn append_writes_then_syncs_then_returns() {
        struct Told(LogFile, mpsc::Sender<&'static str>);
        impl Storage for Told {
            fn is_undisturbed(&self, file_bytes: u64) -> io::Result<bool> {
                self.0.is_undisturbed(file_bytes)
            }
            fn write(&mut self, line: &[u8]) -> io::Result<()> {
                self.1.send("write").expect("heard");
                self.0.write(line)
            }
            fn sync(&mut self) -> io::Result<()> {
                self.1.send("sync").expect("heard");
                self.0.sync()
            }
        }
        let (tell, told) = mpsc::channel();
        let folder = TempDir::new().expect("temporary folder");
        let told_file = tell.clone();
        let mut log = AuditLog::open_through(folder.path(), ssb(), |file| Box::new(Told(file, told_file)))
            .expect("opens");
        log.append(peer_accepted("krg"), 7).expect("recorded");
        tell.send("returned").expect("heard");
        assert_eq!(told.try_iter().collect::<Vec<_>>(), ["write", "sync", "returned"]);
    }

    #[test]
    fn a_log_goes_on_where_it_ended_when_it_is_opened_again() {
        let folder = folder_with(3);
        let before = verify(folder.path()).expect("valid").head();
        let mut log = open(folder.path());
        assert_eq!(log.head(), before);
        assert!(!log.tail_was_cut());
        assert_eq!(log.append(peer_accepted("fhi"), 9).expect("recorded").index, 3);
        assert_eq!(verify(folder.path()).expect("valid").head(), log.head());
    }

    #[test]
    fn only_one_handle_at_a_time_can_write_a_log() {
        let folder = folder_with(1);
        let log = open(folder.path());
        assert!(matches!(AuditLog::open(folder.path(), ssb()), Err(LogError::InUse { .. })));
        drop(log);
        open(folder.path());
    }

    #[test]
    fn c1_a_crash_after_creating_the_file_leaves_an_empty_log() {
        let folder = TempDir::new().expect("temporary folder");
        let inner = folder.path().join("audit");
        fs::create_dir(&inner).expect("made");
        assert_eq!(open(&inner).head(), Head::empty());
        File::create(inner.join(FILE_NAME)).expect("made");
        assert_eq!(open(&inner).head(), Head::empty());
    }

    #[test]
    fn c2_to_c4_a_crash_after_any_part_of_a_line_leaves_the_entries_before_it() {
        let folder = folder_with(3);
        let whole = bytes(folder.path());
        let before: usize = whole.split_inclusive(|byte| *byte == b'\n').take(2).map(<[u8]>::len).sum();
        for end in before..whole.len() {
            // Also the form in which the file had grown before its content came.
            for tail in [whole[before..end].to_vec(), vec![0; end - before]] {
                let crashed = TempDir::new().expect("temporary folder");
                fs::write(crashed.path().join(FILE_NAME), [&whole[..before], &tail].concat())
                    .expect("written");
                let mut log = open(crashed.path());
                assert_eq!(log.tail_was_cut(), end > before);
                assert_eq!(log.head().count, 2);
                assert_eq!(bytes(crashed.path()), whole[..before]);
                if end % 50 == 0 {
                    log.append(peer_accepted("krg"), 8).expect("recorded");
                    assert_eq!(verify(crashed.path()).expect("valid").head().count, 3);
                }
            }
        }
    }

    #[test]
    fn c5_a_crash_after_the_sync_leaves_the_entry_once() {
        let folder = folder_with(2);
        // The process ends without having heard that its entry is durable: nothing but the file remains.
        let head = verify(folder.path()).expect("valid").head();
        let mut log = open(folder.path());
        assert_eq!((log.head(), log.tail_was_cut()), (head, false));
        log.append(peer_accepted("krg"), 8).expect("recorded");
        assert_eq!(verify(folder.path()).expect("valid").head().count, 3);
    }

    #[test]
    fn c6_cutting_a_torn_line_twice_is_the_same_as_once() {
        let folder = folder_with(2);
        let path = folder.path().join(FILE_NAME);
        let whole = bytes(folder.path());
        for _ in 0..2 {
            fs::write(&path, [&whole[..], b"{\"index\":2,\"pre"].concat()).expect("written");
            assert!(open(folder.path()).tail_was_cut());
            assert_eq!(bytes(folder.path()), whole);
        }
        assert!(!open(folder.path()).tail_was_cut());
    }

    #[test]
    fn after_a_failed_write_nothing_is_recorded_until_the_log_is_opened_anew() {
        for bytes_taken in [0, 1, 100] {
            let folder = folder_with(2);
            let mut log = open_failing(folder.path(), Failure::WriteAfter(bytes_taken));
            assert!(matches!(log.append(peer_accepted("krg"), 8), Err(LogError::Write { .. })));
            for _ in 0..2 {
                assert!(matches!(log.append(peer_accepted("krg"), 8), Err(LogError::Poisoned)));
            }
            drop(log);
            let mut log = open(folder.path());
            assert_eq!((log.head().count, log.tail_was_cut()), (2, bytes_taken > 0));
            log.append(peer_accepted("krg"), 8).expect("recorded");
            assert_eq!(verify(folder.path()).expect("valid").head().count, 3);
        }
    }

    #[test]
    fn after_a_failed_sync_nothing_is_recorded_until_the_log_is_opened_anew() {
        let folder = folder_with(2);
        let mut log = open_failing(folder.path(), Failure::Sync);
        assert!(matches!(log.append(peer_accepted("krg"), 8), Err(LogError::Sync { .. })));
        assert!(matches!(log.append(peer_accepted("krg"), 8), Err(LogError::Poisoned)));
        assert_eq!(log.head().count, 2);
        drop(log);
        // The kernel had taken the whole line: it is there once, in its place.
        let mut log = open(folder.path());
        assert_eq!(log.head().count, 3);
        log.append(peer_accepted("fhi"), 9).expect("recorded");
        assert_eq!(verify(folder.path()).expect("valid").head().count, 4);
    }

    #[test]
    fn a_log_that_is_removed_replaced_or_cut_under_its_party_takes_no_more_entries() {
        let remove = |path: &Path| fs::remove_file(path).expect("removed");
        let replace = |path: &Path| {
            let content = fs::read(path).expect("there");
            fs::remove_file(path).expect("removed");
            fs::write(path, content).expect("written");
        };
        let cut =
            |path: &Path| File::options().write(true).open(path).expect("there").set_len(10).expect("cut");
        let lengthen = |path: &Path| {
            File::options().append(true).open(path).expect("there").write_all(b"x").expect("written");
        };
        for disturb in [&remove as &dyn Fn(&Path), &replace, &cut, &lengthen] {
            let folder = folder_with(2);
            let mut log = open(folder.path());
            disturb(&folder.path().join(FILE_NAME));
            assert!(matches!(log.append(peer_accepted("krg"), 8), Err(LogError::Disturbed { .. })));
            assert!(matches!(log.append(peer_accepted("krg"), 8), Err(LogError::Poisoned)));
        }
    }

    #[test]
    fn a_record_that_is_too_long_is_refused_and_leaves_the_log_usable() {
        let folder = folder_with(1);
        let mut log = open(folder.path());
        let step = "x".repeat(ENTRY_BYTES_MAX);
        assert!(matches!(log.append(crate::fixture::failed(&step), 8), Err(LogError::TooLong)));
        log.append(peer_accepted("krg"), 8).expect("recorded");
        assert_eq!(verify(folder.path()).expect("valid").head().count, 2);
    }

    #[test]
    fn a_damaged_entry_stops_the_opening_and_is_named() {
        let folder = folder_with(3);
        let path = folder.path().join(FILE_NAME);
        let mut content = bytes(folder.path());
        let at = content.iter().position(|byte| *byte == b'\n').expect("lines") + 20;
        content[at] ^= 1;
        fs::write(&path, &content).expect("written");
        match AuditLog::open(folder.path(), ssb()) {
            Err(LogError::Damaged(bad)) => assert_eq!((bad.index, bad.path), (1, path)),
            _ => panic!("a damaged log is not opened"),
        }
        assert_eq!(bytes(folder.path()), content, "evidence is left as it is");
    }

    #[test]
    fn a_party_does_not_go_on_with_the_log_of_another() {
        let folder = folder_with(1);
        match AuditLog::open(folder.path(), broker()) {
            Err(LogError::Damaged(bad)) => assert_eq!((bad.index, bad.fault), (0, Fault::AnotherParty)),
            _ => panic!("another party's log is not opened"),
        }
    }

    #[test]
    fn entries_of_several_threads_form_one_chain() {
        let folder = TempDir::new().expect("temporary folder");
        let log = SharedLog::new(open(folder.path()));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                let log = log.clone();
                scope.spawn(move || {
                    for now_ms in 0..10 {
                        log.append(peer_accepted("krg"), now_ms).expect("recorded");
                    }
                });
            }
        });
        let verified = verify(folder.path()).expect("valid");
        assert_eq!(verified.head(), log.head().expect("usable"));
        assert_eq!(verified.head().count, 40);
    }
}
