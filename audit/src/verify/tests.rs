//! Logs that were changed, by an outsider or by their own party.

use std::collections::BTreeMap;
use std::fs;

use tempfile::TempDir;

use super::*;
use crate::fixture::{folder_with, golden_folder, key, log_of, owner, peer_accepted, ssb};
use crate::tile::bundled;
use crate::walk::Fault;

type Files = BTreeMap<String, Vec<u8>>;

/// A log's files, without the lock.
fn files(folder: &Path) -> Files {
    fn add(folder: &Path, at: &str, files: &mut Files) {
        for entry in fs::read_dir(folder.join(at)).expect("a folder") {
            let name = entry.expect("an entry").file_name().into_string().expect("text");
            let path = if at.is_empty() { name } else { format!("{at}/{name}") };
            if folder.join(&path).is_dir() {
                add(folder, &path, files);
            } else if path != "lock" {
                files.insert(path.clone(), fs::read(folder.join(&path)).expect("there"));
            }
        }
    }
    let mut all = Files::new();
    add(folder, "", &mut all);
    all
}

fn log(count: u64) -> Files {
    files(folder_with(count).path())
}

fn check(files: &Files) -> Result<VerifiedLog, VerifyError> {
    verify_from(files, Path::new("copy"))
}

fn first_bad(files: &Files) -> (u64, Fault) {
    match check(files) {
        Err(VerifyError::Bad(bad)) => (bad.index, bad.fault),
        other => panic!("expected a bad entry, got {other:?}"),
    }
}

fn lines(bytes: &[u8]) -> Vec<Vec<u8>> {
    bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
}

/// The first entry that a byte of a file is about.
fn about(files: &Files, name: &str, at: usize) -> u64 {
    let bytes = &files[name];
    if name == "key" || name == "checkpoint" {
        return 0;
    }
    if name.starts_with("records/") {
        let first = if name.contains("001") { 256 } else { 0 };
        return first + bytes[..at].iter().filter(|byte| **byte == b'\n').count() as u64;
    }
    let first = if name.contains("/001") { 256 } else { 0 };
    if name.starts_with("tile/entries/") {
        let (mut index, mut end) = (first, 0);
        loop {
            end += 2 + usize::from(u16::from_be_bytes([bytes[end], bytes[end + 1]]));
            if at < end {
                return index;
            }
            index += 1;
        }
    }
    let place = (at / 32) as u64;
    if name.starts_with("tile/1/") { 256 * place } else { first + place }
}

#[test]
fn a_flipped_bit_in_every_byte_of_every_file_is_found_and_its_entry_named() {
    let whole = log(3);
    for name in whole.keys() {
        for at in 0..whole[name].len() {
            let mut flipped = whole.clone();
            // In letters this is the step from small to capital: hexadecimal digits read the same afterwards.
            flipped.get_mut(name).expect("there")[at] ^= 0x20;
            assert_eq!(first_bad(&flipped).0, about(&whole, name, at), "{name} {at}");
        }
    }
}

#[test]
fn a_changed_byte_in_any_file_of_a_log_of_several_tiles_is_found_and_its_entry_named() {
    let whole = log(259);
    assert!(whole.contains_key("tile/1/000.p/1") && whole.contains_key("tile/0/001.p/3"));
    for name in whole.keys() {
        let bytes = whole[name].len();
        for at in (0..bytes).step_by(bytes.div_ceil(23)).chain([bytes - 1]) {
            let mut changed = whole.clone();
            changed.get_mut(name).expect("there")[at] ^= 1 + (at % 255) as u8;
            assert_eq!(first_bad(&changed).0, about(&whole, name, at), "{name} {at}");
        }
    }
}

#[test]
fn a_file_that_is_missing_is_found() {
    let whole = log(259);
    for name in whole.keys() {
        let mut without = whole.clone();
        without.remove(name);
        if name == "key" || name == "checkpoint" {
            assert!(matches!(check(&without), Err(VerifyError::Unreadable { .. })));
        } else {
            let first = if name.contains("/001") { 256 } else { 0 };
            assert_eq!(first_bad(&without), (first, Fault::Missing), "{name}");
        }
    }
}

#[test]
fn deleted_inserted_and_moved_records_are_found_at_the_first_place_that_is_another() {
    let whole = log(5);
    let name = "records/000.jsonl";
    let changed = |change: &dyn Fn(&mut Vec<Vec<u8>>)| {
        let mut files = whole.clone();
        let mut records = lines(&files[name]);
        change(&mut records);
        files.insert(name.to_owned(), records.concat());
        first_bad(&files)
    };
    assert_eq!(changed(&|records| drop(records.remove(2))), (2, Fault::AnotherRecord));
    assert_eq!(changed(&|records| records.insert(3, records[2].clone())), (3, Fault::AnotherRecord));
    assert_eq!(changed(&|records| records.swap(1, 3)), (1, Fault::AnotherRecord));
    assert_eq!(changed(&|records| drop(records.pop())), (4, Fault::Missing));
    assert_eq!(changed(&|records| records[4].truncate(20)), (4, Fault::Malformed));
}

#[test]
fn deleted_inserted_and_moved_leaves_are_found_also_with_their_records() {
    let whole = log(5);
    let changed = |change: &dyn Fn(&mut Vec<Line>)| {
        let mut files = whole.clone();
        let mut all: Vec<Line> =
            lines(&files["records/000.jsonl"]).iter().map(|line| Line::read(line).expect("a line")).collect();
        change(&mut all);
        let leaves: Vec<u8> = all.iter().flat_map(|line| bundled(&line.leaf().bytes())).collect();
        files.insert("tile/entries/000.p/5".to_owned(), leaves);
        files.insert("records/000.jsonl".to_owned(), all.iter().flat_map(Line::bytes).collect());
        first_bad(&files)
    };
    assert_eq!(changed(&|all| drop(all.remove(2))), (2, Fault::AnotherHash));
    assert_eq!(changed(&|all| all.insert(3, all[2].clone())), (3, Fault::AnotherHash));
    assert_eq!(changed(&|all| all.swap(1, 3)), (1, Fault::AnotherHash));
    assert_eq!(changed(&|all| drop(all.pop())), (4, Fault::Missing));
}

#[test]
fn a_record_changed_together_with_its_leaf_and_tile_is_not_what_is_signed() {
    let whole = log(5);
    let mut files = log_files(vec![peer_accepted("mallory"); 5]);
    files.insert("checkpoint".to_owned(), whole["checkpoint"].clone());
    assert_eq!(first_bad(&files), (5, Fault::NotSigned));
    // In a bundle that is whole, the tile above tells where.
    let whole = log(257);
    let mut files = log_files(vec![peer_accepted("mallory"); 257]);
    for name in ["checkpoint", "tile/1/000.p/1"] {
        files.insert(name.to_owned(), whole[name].clone());
    }
    assert_eq!(first_bad(&files), (0, Fault::AnotherHash));
}

fn log_files(events: Vec<kobling_model::record::Event>) -> Files {
    files(crate::fixture::write(ssb(), events).path())
}

#[test]
fn what_follows_a_whole_bundle_and_is_not_of_it_is_found() {
    let whole = log(257);
    for name in ["records/000.jsonl", "tile/entries/000", "tile/0/000"] {
        let mut files = whole.clone();
        let last = files[name].clone();
        files.get_mut(name).expect("there").extend_from_slice(&last[..100]);
        assert_eq!(first_bad(&files).1, Fault::Surplus, "{name}");
    }
}

#[test]
fn what_stands_beyond_the_checkpoint_is_not_part_of_the_log() {
    let (shorter, longer) = (log(3), log(5));
    let mut files = longer.clone();
    files.insert("checkpoint".to_owned(), shorter["checkpoint"].clone());
    let read = check(&files).expect("a log with more behind it");
    assert_eq!((read.head(), read.entries().len()), (check(&shorter).expect("valid").head(), 3));
}

#[test]
fn a_record_that_is_gone_without_an_entry_that_tells_of_it_is_found() {
    let mut files = log(5);
    let mut records = lines(&files["records/000.jsonl"]);
    let leaf = Line::read(&records[2]).expect("a line").leaf();
    records[2] = Line::Erased(crate::leaf::Erased { erased: leaf }).bytes();
    files.insert("records/000.jsonl".to_owned(), records.concat());
    assert_eq!(first_bad(&files), (2, Fault::NotToldErased));
}

#[test]
fn a_log_signed_by_another_key_or_for_another_party_is_refused() {
    let mut files = log(2);
    let of_krg = key().public(&owner("krg"));
    files.insert("key".to_owned(), of_krg.to_string().into_bytes());
    assert_eq!(first_bad(&files), (0, Fault::Checkpoint(CheckpointFault::AnotherParty)));
    // Signed again as another's, the entries are still the first party's.
    let head = check(&log(2)).expect("valid").head();
    files.insert("checkpoint".to_owned(), key().sign(&owner("krg"), &head).into_bytes());
    assert_eq!(first_bad(&files), (0, Fault::AnotherParty));
}

#[test]
fn a_cut_a_rollback_and_a_fork_show_against_a_noted_head() {
    let noted = check(&log(5)).expect("valid").head();
    let older = check(&log(4)).expect("an older copy is a valid log");
    assert_eq!(older.reaches(&noted), Err(HeadMismatch::Shorter));
    let other = log_of(ssb(), (0..6).map(|_| peer_accepted("mallory")).collect());
    assert_eq!(other.reaches(&noted), Err(HeadMismatch::Differs));
    let longer = check(&log(300)).expect("valid");
    assert_eq!(longer.reaches(&noted), Ok(()));
    assert_eq!(longer.reaches(&Head::empty()), Ok(()));
    let foreign = Head { count: 0, hash: noted.hash };
    assert_eq!(longer.reaches(&foreign), Err(HeadMismatch::Differs));
    assert_eq!(longer.reaches(&Head { count: u64::MAX, hash: noted.hash }), Err(HeadMismatch::Shorter));
}

#[test]
fn a_missing_log_is_not_an_empty_one() {
    let folder = TempDir::new().expect("temporary folder");
    assert!(matches!(verify(folder.path()), Err(VerifyError::Unreadable { .. })));
}

#[test]
fn the_format_is_the_published_one() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/log");
    let written = files(golden_folder().path());
    if std::env::var_os("KOBLING_WRITE_GOLDEN").is_some() {
        for (name, bytes) in &written {
            let place = golden.join(name);
            fs::create_dir_all(place.parent().expect("a folder")).expect("made");
            fs::write(place, bytes).expect("written");
        }
    }
    let published = files(&golden);
    assert_eq!(written.keys().collect::<Vec<_>>(), published.keys().collect::<Vec<_>>());
    for (name, bytes) in &written {
        assert_eq!(bytes, &published[name], "{name}");
    }
    assert_eq!(check(&published).expect("valid").head().count, 17);
}

/// A log whose first record is wrong, with another checkpoint each time that it is read.
struct Changing {
    files: Files,
    other: Vec<u8>,
    readings: std::cell::Cell<u32>,
}

impl Source for Changing {
    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        if name != CHECKPOINT {
            return self.files.read(name);
        }
        self.readings.set(self.readings.get() + 1);
        Ok(if self.readings.get().is_multiple_of(2) {
            self.other.clone()
        } else {
            self.files[CHECKPOINT].clone()
        })
    }

    fn widths(&self, folder: &str) -> io::Result<Vec<usize>> {
        self.files.widths(folder)
    }
}

#[test]
fn a_log_that_changes_whenever_it_is_read_is_given_up_after_some_readings() {
    let mut files = log(3);
    let other = log(2)[CHECKPOINT].clone();
    let record = files.get_mut("records/000.jsonl").expect("records");
    record[0] ^= 1;
    let changing = Changing { files, other, readings: std::cell::Cell::new(0) };
    let checked = verify_from(&changing, Path::new("copy"));
    assert!(matches!(checked, Err(VerifyError::Changing { .. })), "{checked:?}");
    assert_eq!(changing.readings.get(), 2 * READINGS_MAX);
}
