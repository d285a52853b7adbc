//! Checks a log as an outsider does: from a copy, without keys, without changing anything.
//!
//! Found, with the first bad index: a flipped byte, a deleted, inserted or moved entry, an entry of another
//! party, a torn end. Not found from the log alone: entries cut off at the end, an older copy put back, or
//! all entries from some point on written anew with fresh hashes. These show against a [`Head`] that
//! somebody else noted earlier: [`VerifiedLog::reaches`].

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use kobling_model::OwnerId;

use crate::chain::{BadEntry, Entry, FILE_NAME, Fault, Head, WalkError, walk};

/// A log whose every entry has been checked.
#[derive(Clone, Debug)]
pub struct VerifiedLog {
    party: Option<OwnerId>,
    entries: Vec<Entry>,
    head: Head,
}

/// Why a log is not verified.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// It cannot be read.
    #[error("{}: the log cannot be read", path.display())]
    Unreadable {
        /// The log.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
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

/// Checks every entry of the log at `path`, which is the file or the folder it lies in.
///
/// Memory: all entries, for the questions asked of them afterwards.
///
/// # Errors
/// [`VerifyError::Bad`] names the first bad entry.
pub fn verify(path: &Path) -> Result<VerifiedLog, VerifyError> {
    let path = if path.is_dir() { path.join(FILE_NAME) } else { path.to_owned() };
    let unreadable = |source| VerifyError::Unreadable { path: path.clone(), source };
    let file = File::open(&path).map_err(unreadable)?;
    verify_from(BufReader::new(file), &path)
}

/// [`verify`], of a log that is read from anywhere: a pipe, an archive, memory. `path` is what errors call it.
///
/// # Errors
/// As [`verify`].
pub fn verify_from(reader: impl BufRead, path: &Path) -> Result<VerifiedLog, VerifyError> {
    let mut entries = Vec::new();
    let walked = walk(reader, path, None, |entry| entries.push(entry)).map_err(|error| match error {
        WalkError::Read(source) => VerifyError::Unreadable { path: path.to_owned(), source },
        WalkError::Bad(bad) => VerifyError::Bad(bad),
    })?;
    if walked.torn {
        // Its own party would cut this off. An outsider cannot tell a crash from a cut, so does not say "ok".
        let (index, path) = (walked.head.count, path.to_owned());
        return Err(BadEntry { path, index, fault: Fault::Torn }.into());
    }
    Ok(VerifiedLog { party: walked.party, entries, head: walked.head })
}

impl VerifiedLog {
    /// Whose log; none if it has no entries.
    pub fn party(&self) -> Option<&OwnerId> {
        self.party.as_ref()
    }

    /// All entries, in order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
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
        if noted.count > self.head.count {
            return Err(HeadMismatch::Shorter);
        }
        let then = match noted.count.checked_sub(1) {
            None => Head::empty().hash,
            Some(last) => self.entries[last as usize].hash,
        };
        if then == noted.hash { Ok(()) } else { Err(HeadMismatch::Differs) }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use proptest::prelude::*;
    use tempfile::TempDir;

    use super::*;
    use crate::fixture::{folder_with, golden_folder, log_of, peer_accepted, ssb};

    /// The golden log, as the format stood when it was first published: see `docs/AUDITING.md`.
    const GOLDEN: &str = include_str!("../golden/audit.jsonl");

    fn lines(log: &[u8]) -> Vec<Vec<u8>> {
        log.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
    }

    fn verify_bytes(bytes: &[u8]) -> Result<VerifiedLog, VerifyError> {
        let folder = TempDir::new().expect("temporary folder");
        let path = folder.path().join("copy.jsonl");
        fs::write(&path, bytes).expect("written");
        verify(&path)
    }

    fn first_bad(bytes: &[u8]) -> (u64, Fault) {
        match verify_bytes(bytes) {
            Err(VerifyError::Bad(bad)) => (bad.index, bad.fault),
            other => panic!("expected a bad entry, got {other:?}"),
        }
    }

    fn log_bytes(count: u64) -> Vec<u8> {
        fs::read(folder_with(count).path().join(FILE_NAME)).expect("there")
    }

    proptest! {
        #[test]
        fn a_changed_byte_anywhere_is_found_at_or_before_its_entry(place in any::<prop::sample::Index>(), change in 1u8..) {
            let mut bytes = GOLDEN.as_bytes().to_vec();
            let at = place.index(bytes.len());
            let entry = bytes[..at].iter().filter(|byte| **byte == b'\n').count() as u64;
            bytes[at] ^= change;
            prop_assert_eq!(first_bad(&bytes).0, entry);
        }
    }

    #[test]
    fn a_flipped_bit_in_every_byte_is_found_and_its_entry_named() {
        let bytes = GOLDEN.as_bytes();
        for at in 0..bytes.len() {
            let mut flipped = bytes.to_vec();
            // In letters this is the step from small to capital: hexadecimal digits read the same afterwards.
            flipped[at] ^= 0x20;
            let entry = bytes[..at].iter().filter(|byte| **byte == b'\n').count() as u64;
            assert_eq!(first_bad(&flipped).0, entry);
        }
    }

    #[test]
    fn a_deleted_entry_is_found_where_it_stood() {
        let mut lines = lines(&log_bytes(5));
        lines.remove(2);
        assert_eq!(first_bad(&lines.concat()), (2, Fault::OutOfPlace));
    }

    #[test]
    fn an_inserted_or_repeated_entry_is_found_where_it_stands() {
        let mut lines = lines(&log_bytes(5));
        lines.insert(3, lines[2].clone());
        assert_eq!(first_bad(&lines.concat()), (3, Fault::OutOfPlace));
    }

    #[test]
    fn moved_entries_are_found_at_the_first_of_them() {
        let mut lines = lines(&log_bytes(5));
        lines.swap(1, 3);
        assert_eq!(first_bad(&lines.concat()), (1, Fault::OutOfPlace));
    }

    #[test]
    fn an_entry_with_a_fresh_hash_and_number_does_not_fit_its_neighbours() {
        let log = verify_bytes(&log_bytes(5)).expect("valid");
        let mut forged: Vec<Entry> = log.entries().to_vec();
        forged[2] = Entry::after(
            &Head { count: 2, hash: forged[1].hash },
            kobling_model::record::Record { party: ssb(), written_ms: 1, event: peer_accepted("mallory") },
        );
        let bytes: Vec<u8> = forged.iter().flat_map(Entry::line).collect();
        assert_eq!(first_bad(&bytes), (3, Fault::BrokenChain));
        // A deletion with the rest renumbered.
        let mut forged: Vec<Entry> = log.entries().to_vec();
        forged.remove(2);
        for (entry, index) in forged.iter_mut().zip(0..) {
            entry.index = index;
        }
        let bytes: Vec<u8> = forged.iter().flat_map(Entry::line).collect();
        assert_eq!(first_bad(&bytes), (2, Fault::BrokenChain));
    }

    #[test]
    fn the_same_entry_in_other_bytes_is_refused() {
        let mut lines = lines(&log_bytes(3));
        let text = String::from_utf8(lines[1].clone()).expect("text");
        for other in [
            text.replacen(':', ": ", 1),
            text.replacen("{\"index\":1,", "{\"index\":1,\"index\":1,", 1),
            text.replacen("\"record\":{", "\"record\":{\"note\":1,", 1),
            text.replace('\n', "\r\n"),
            format!("\n{text}"),
        ] {
            lines[1] = other.into_bytes();
            assert_eq!(first_bad(&lines.concat()), (1, Fault::Malformed));
        }
    }

    #[test]
    fn a_line_without_end_is_refused_without_being_read_whole() {
        let mut bytes = log_bytes(2);
        bytes.resize(bytes.len() + 3 * crate::chain::ENTRY_BYTES_MAX, b' ');
        assert_eq!(first_bad(&bytes), (2, Fault::Malformed));
    }

    #[test]
    fn an_outsider_is_told_of_a_torn_end() {
        let bytes = log_bytes(3);
        assert_eq!(first_bad(&bytes[..bytes.len() - 1]), (2, Fault::Torn));
    }

    #[test]
    fn a_log_of_two_parties_is_refused() {
        let first = verify_bytes(&log_bytes(1)).expect("valid");
        let krg = OwnerId::new("krg").expect("valid");
        let foreign = Entry::after(
            &first.head(),
            kobling_model::record::Record { party: krg, written_ms: 1, event: peer_accepted("ssb") },
        );
        let bytes = [first.entries()[0].line(), foreign.line()].concat();
        assert_eq!(first_bad(&bytes), (1, Fault::AnotherParty));
    }

    #[test]
    fn a_cut_a_rollback_and_a_fork_show_against_a_noted_head() {
        let bytes = log_bytes(5);
        let noted = verify_bytes(&bytes).expect("valid").head();
        let cut = verify_bytes(&lines(&bytes)[..4].concat()).expect("a cut log is a valid log");
        assert_eq!(cut.reaches(&noted), Err(HeadMismatch::Shorter));
        let other = log_of(ssb(), (0..6).map(|_| peer_accepted("mallory")).collect());
        assert_eq!(other.reaches(&noted), Err(HeadMismatch::Differs));
        let longer = verify_bytes(&log_bytes(7)).expect("valid");
        assert_eq!(longer.reaches(&noted), Ok(()));
        assert_eq!(longer.reaches(&Head::empty()), Ok(()));
        let foreign = Head { count: 0, hash: noted.hash };
        assert_eq!(longer.reaches(&foreign), Err(HeadMismatch::Differs));
    }

    #[test]
    fn a_missing_log_is_not_an_empty_one() {
        let folder = TempDir::new().expect("temporary folder");
        assert!(matches!(verify(folder.path()), Err(VerifyError::Unreadable { .. })));
    }

    #[test]
    fn the_format_is_the_published_one() {
        let folder = golden_folder();
        let written = fs::read_to_string(folder.path().join(FILE_NAME)).expect("there");
        assert_eq!(written, GOLDEN);
        // Computed by the Python program of docs/AUDITING.md.
        assert_eq!(verify(folder.path()).expect("valid").head().to_string(), GOLDEN_HEAD);
    }

    const GOLDEN_HEAD: &str = "11 d99d2da53e66fa7a4ff43484f20de9e1e481d2f20900ed5aa3feb2aa2b6a85cd";

    #[test]
    fn the_python_program_of_the_documentation_agrees_where_python_is_installed() {
        if Command::new("python3").arg("--version").output().is_err() {
            eprintln!("skipped: there is no python3 here");
            return;
        }
        let documentation = include_str!("../../docs/AUDITING.md");
        let program = documentation.split("```python\n").nth(1).expect("there is a Python program");
        let program = program.split("```").next().expect("it ends");
        let folder = golden_folder();
        let log = folder.path().join(FILE_NAME);
        let run = |log: &Path| {
            let output = Command::new("python3").arg("-c").arg(program).arg(log).output().expect("runs");
            (output.status.success(), String::from_utf8(output.stdout).expect("text").trim().to_owned())
        };
        assert_eq!(run(&log), (true, format!("ok: {GOLDEN_HEAD}")));

        let lines = lines(GOLDEN.as_bytes());
        let flipped = GOLDEN.replacen("krg", "krh", 1).into_bytes();
        let deleted = [lines[..2].concat(), lines[3..].concat()].concat();
        let torn = GOLDEN.as_bytes()[..GOLDEN.len() - 1].to_vec();
        for tampered in [flipped, deleted, torn] {
            fs::write(&log, &tampered).expect("written");
            let (index, _) = first_bad(&tampered);
            let (success, said) = run(&log);
            assert!(!success && said.contains(&format!("entry {index} ")), "said {said:?}");
        }
    }
}
