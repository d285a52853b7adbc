//! The log on disks that fail at each step, and after crashes.

use std::sync::atomic::AtomicUsize;

use tempfile::TempDir;

use super::*;
use crate::fixture::{broker, execution, failed, folder_with, key, opening, peer_accepted, ssb};
use crate::seal::AuditorKey;
use crate::{verify, verify_with};

fn open(folder: &Path) -> AuditLog {
    AuditLog::open(folder, ssb(), key()).expect("opens")
}

/// A log whose disk fails at the `at`th change of a file after the opening, from 0; and how many were made.
fn open_failing(folder: &Path, at: usize) -> (AuditLog, Arc<AtomicUsize>) {
    let made = Arc::new(AtomicUsize::new(0));
    let armed = Arc::new(Mutex::new(None));
    let (count, limit) = (made.clone(), armed.clone());
    let watch = move |_: &str| match *limit.lock().expect("not poisoned") {
        Some(at) if count.fetch_add(1, Ordering::SeqCst) == at => Err(io::ErrorKind::StorageFull.into()),
        _ => Ok(()),
    };
    let log = AuditLog::open_with(folder, ssb(), key(), random_salts(), Box::new(watch)).expect("opens");
    *armed.lock().expect("not poisoned") = Some(at);
    (log, made)
}

fn count(folder: &Path) -> u64 {
    verify(folder).expect("valid").head().count
}

fn records(folder: &Path) -> PathBuf {
    folder.join("records/000.jsonl")
}

#[test]
fn an_entry_can_be_read_from_the_folder_when_append_returns() {
    let folder = TempDir::new().expect("temporary folder");
    let mut log = open(folder.path());
    assert_eq!(count(folder.path()), 0);
    let entry = log.append(peer_accepted("krg"), 7).expect("recorded");
    let verified = verify(folder.path()).expect("valid");
    assert_eq!(verified.entries(), [entry]);
    assert_eq!((verified.head(), verified.party()), (log.head(), &ssb()));
}

#[test]
fn the_record_is_synced_before_the_checkpoint_is_written_and_that_before_append_returns() {
    let (tell, told) = std::sync::mpsc::channel();
    let folder = folder_with(3);
    let watch = move |change: &str| {
        tell.send(change.to_owned()).expect("heard");
        Ok(())
    };
    let mut log =
        AuditLog::open_with(folder.path(), ssb(), key(), random_salts(), Box::new(watch)).expect("opens");
    told.try_iter().for_each(drop);
    log.append(peer_accepted("krg"), 7).expect("recorded");
    let changes: Vec<String> = told.try_iter().collect();
    let bundle_and_tile = ["write", "rename", "write", "rename"];
    let checkpoint = ["write", "sync", "rename", "sync folder"];
    let expected =
        [&["record", "sync record"][..], &bundle_and_tile, &checkpoint, &["remove", "remove"]].concat();
    assert_eq!(changes, expected);
}

#[test]
fn a_log_goes_on_where_it_ended_over_several_bundles() {
    let folder = folder_with(250);
    for size in [250, 256, 257, 511, 512, 520] {
        let mut log = open(folder.path());
        assert!(!log.tail_was_cut());
        while log.head().count < size {
            log.append(peer_accepted("fhi"), 9).expect("recorded");
        }
        assert_eq!(verify(folder.path()).expect("valid").head(), log.head());
    }
    let partials = ["tile/0/000.p", "tile/0/001.p", "tile/entries/001.p"];
    assert!(
        partials.iter().all(|name| !folder.path().join(name).exists()),
        "whole tiles have no other states"
    );
}

#[test]
fn only_one_handle_at_a_time_can_write_a_log() {
    let folder = folder_with(1);
    let log = open(folder.path());
    assert!(matches!(AuditLog::open(folder.path(), ssb(), key()), Err(LogError::InUse { .. })));
    drop(log);
    open(folder.path());
}

#[test]
fn c1_a_crash_before_the_first_checkpoint_leaves_an_empty_log() {
    let folder = TempDir::new().expect("temporary folder");
    for made in [&["lock"][..], &["lock", "key"], &["lock", "key", "checkpoint.new"]] {
        for name in made {
            fs::write(folder.path().join(name), "kobl").expect("written");
        }
        assert_eq!(open(folder.path()).head(), Head::empty());
        for name in ["key", "checkpoint"] {
            fs::remove_file(folder.path().join(name)).expect("removed");
        }
    }
}

#[test]
fn a_failure_at_any_change_of_any_file_neither_loses_nor_doubles_an_entry() {
    // Inside a bundle, at its last entry and at the first of the next.
    for before in [0, 3, 255, 256] {
        let original = folder_with(before);
        for at in 0.. {
            let folder = copy_of(original.path());
            let (mut log, made) = open_failing(folder.path(), at);
            let appended = log.append(peer_accepted("krg"), 8);
            if made.load(Ordering::SeqCst) <= at {
                assert!(appended.is_ok() && at > 6, "no change failed");
                break;
            }
            if appended.is_err() {
                // What an outsider sees meanwhile is a log, with the entry or without it.
                assert!((before..=before + 1).contains(&count(folder.path())));
                assert!(matches!(log.append(peer_accepted("krg"), 8), Err(LogError::Poisoned)));
            }
            drop(log);
            // The process is gone, or opens anew: once the entry may have been signed, it stays.
            let mut log = open(folder.path());
            let there = log.head().count - before;
            assert!(there == 1 || there == 0 && appended.is_err(), "{there} at change {at}");
            log.append(peer_accepted("fhi"), 9).expect("recorded");
            assert_eq!(count(folder.path()), before + there + 1);
        }
    }
}

#[test]
fn c3_a_crash_after_any_part_of_a_record_leaves_the_entries_before_it() {
    let folder = folder_with(2);
    let two = fs::read(records(folder.path())).expect("there");
    let line = {
        let longer = folder_with(3);
        fs::read(records(longer.path())).expect("there")[two.len()..].to_vec()
    };
    for end in 0..line.len() {
        // Also the form in which the file had grown before its content came.
        for tail in [line[..end].to_vec(), vec![0; end]] {
            fs::write(records(folder.path()), [&two[..], &tail].concat()).expect("written");
            let log = open(folder.path());
            assert_eq!((log.tail_was_cut(), log.head().count), (end > 0, 2));
            assert_eq!(fs::read(records(folder.path())).expect("there"), two);
        }
    }
}

#[test]
fn c5_a_record_beyond_the_checkpoint_is_signed_once_and_not_dropped() {
    let (shorter, longer) = (folder_with(2), folder_with(3));
    fs::copy(records(longer.path()), records(shorter.path())).expect("copied");
    for _ in 0..2 {
        let log = open(shorter.path());
        assert_eq!((log.head(), log.tail_was_cut()), (verify(longer.path()).expect("valid").head(), false));
    }
    // As at a crash after the record of the first entry of all, and without any tile.
    let (shorter, longer) = (TempDir::new().expect("temporary folder"), folder_with(1));
    drop(open(shorter.path()));
    fs::create_dir(shorter.path().join("records")).expect("made");
    fs::copy(records(longer.path()), records(shorter.path())).expect("copied");
    assert_eq!(open(shorter.path()).head(), verify(longer.path()).expect("valid").head());
}

#[test]
fn a_tile_that_is_not_whole_is_written_anew_from_the_records() {
    let folder = folder_with(300);
    for name in ["tile/0/001.p/44", "tile/entries/001.p/44", "tile/1/000.p/1"] {
        for damage in [None, Some(&b"damaged"[..])] {
            let place = folder.path().join(name);
            let whole = fs::read(&place).expect("there");
            fs::remove_file(&place).expect("removed");
            if let Some(damage) = damage {
                fs::write(&place, damage).expect("written");
            }
            assert!(verify(folder.path()).is_err(), "an outsider is told");
            drop(open(folder.path()));
            assert_eq!(fs::read(&place).expect("there"), whole);
        }
    }
}

#[test]
fn a_log_that_is_removed_replaced_or_cut_under_its_party_takes_no_more_entries() {
    let replace = |path: &Path| {
        let content = fs::read(path).expect("there");
        fs::remove_file(path).expect("removed");
        fs::write(path, content).expect("written");
    };
    type Disturb<'a> = &'a dyn Fn(&Path);
    let cases: [(&str, Disturb); 6] = [
        ("checkpoint", &|path| fs::remove_file(path).expect("removed")),
        ("checkpoint", &replace),
        ("records/000.jsonl", &|path| fs::remove_file(path).expect("removed")),
        ("records/000.jsonl", &replace),
        ("records/000.jsonl", &|path| {
            File::options().write(true).open(path).expect("there").set_len(10).expect("cut")
        }),
        ("records/000.jsonl", &|path| {
            File::options().append(true).open(path).expect("there").write_all(b"x").expect("written");
        }),
    ];
    for (name, disturb) in cases {
        let folder = folder_with(2);
        let mut log = open(folder.path());
        disturb(&folder.path().join(name));
        assert!(matches!(log.append(peer_accepted("krg"), 8), Err(LogError::Disturbed { .. })), "{name}");
        assert!(matches!(log.append(peer_accepted("krg"), 8), Err(LogError::Poisoned)));
    }
}

#[test]
fn a_record_that_is_too_long_is_refused_and_leaves_the_log_usable() {
    let folder = folder_with(1);
    let mut log = open(folder.path());
    let step = "x".repeat(RECORD_BYTES_MAX);
    assert!(matches!(log.append(failed(&step), 8), Err(LogError::TooLong)));
    log.append(peer_accepted("krg"), 8).expect("recorded");
    assert_eq!(count(folder.path()), 2);
}

#[test]
fn a_damaged_entry_stops_the_opening_is_named_and_left_as_it_is() {
    let folder = folder_with(300);
    let damaged = |name: &str, at: usize| {
        let path = folder.path().join(name);
        let whole = fs::read(&path).expect("there");
        let mut content = whole.clone();
        content[at] ^= 1;
        fs::write(&path, &content).expect("written");
        let opened = AuditLog::open(folder.path(), ssb(), key());
        assert_eq!(fs::read(&path).expect("there"), content, "evidence is left as it is");
        fs::write(&path, &whole).expect("written");
        match opened {
            Err(LogError::Damaged(bad)) => bad.index,
            _ => panic!("a damaged log is not opened"),
        }
    };
    assert_eq!(damaged("tile/0/000", 32 * 7), 7);
    assert_eq!(damaged("checkpoint", 20), 0);
    assert_eq!(damaged("key", 20), 0);
    let lines = fs::read(records(folder.path())).expect("there");
    let third: usize = lines.split_inclusive(|byte| *byte == b'\n').take(3).map(<[u8]>::len).sum();
    assert_eq!(damaged("records/000.jsonl", third + 20), 3);
}

#[test]
fn a_checkpoint_that_is_gone_or_signs_more_than_there_is_stops_the_opening() {
    let (shorter, longer) = (folder_with(2), folder_with(3));
    let signed = shorter.path().join(CHECKPOINT);
    fs::copy(longer.path().join(CHECKPOINT), &signed).expect("copied");
    let is_bad = |index, fault| match AuditLog::open(shorter.path(), ssb(), key()) {
        Err(LogError::Damaged(bad)) => assert_eq!((bad.index, bad.fault), (index, fault)),
        _ => panic!("a damaged log is not opened"),
    };
    is_bad(2, Fault::Missing);
    fs::remove_file(signed).expect("removed");
    is_bad(0, Fault::Missing);
}

#[test]
fn a_party_does_not_go_on_with_the_log_of_another_nor_with_another_key() {
    let folder = folder_with(1);
    match AuditLog::open(folder.path(), broker(), key()) {
        Err(LogError::Damaged(bad)) => {
            assert_eq!(bad.fault, Fault::Checkpoint(CheckpointFault::AnotherParty))
        }
        _ => panic!("another party's log is not opened"),
    }
    let random = SystemRandom::new();
    let other = ring::signature::Ed25519KeyPair::generate_pkcs8(&random).expect("a key");
    let other = LogKey::from_pkcs8(other.as_ref()).expect("a key");
    match AuditLog::open(folder.path(), ssb(), other) {
        Err(LogError::Damaged(bad)) => assert_eq!(bad.fault, Fault::Checkpoint(CheckpointFault::Signature)),
        _ => panic!("a log of another key is not opened"),
    }
}

#[test]
fn an_erased_record_is_gone_the_tree_verifies_and_an_entry_tells_of_it() {
    let folder = folder_with(260);
    let before = verify(folder.path()).expect("valid");
    let mut log = open(folder.path());
    for index in [5, 258] {
        let told = log.erase(index, "expired".into(), 9).expect("erased");
        assert_eq!(told.record.event, Event::Erased { entry: index, reason: "expired".into() });
        assert!(matches!(log.erase(index, "again".into(), 9), Err(LogError::NotErasable { .. })));
        assert!(matches!(log.erase(told.index, "hidden".into(), 9), Err(LogError::NotErasable { .. })));
    }
    assert!(matches!(log.erase(1000, "no".into(), 9), Err(LogError::NotErasable { index: 1000 })));
    log.append(peer_accepted("fhi"), 10).expect("recorded");
    drop(log);
    drop(open(folder.path()));
    let after = verify(folder.path()).expect("valid");
    assert_eq!(after.reaches(&before.head()), Ok(()));
    assert_eq!((after.head().count, after.entries().len()), (263, 261));
    assert!(after.entries().iter().all(|entry| ![5, 258].contains(&entry.index)));
    let salt = before_salt(258);
    for file in ["records/000.jsonl", "records/001.jsonl"] {
        assert!(
            !fs::read_to_string(folder.path().join(file)).expect("there").contains(&salt),
            "the salt is gone too"
        );
    }
}

/// The fixture's salt of an entry.
fn before_salt(index: u64) -> String {
    Hash::of(&(index + 1).to_be_bytes()).to_string()
}

#[test]
fn c8_an_erasure_that_was_told_and_not_done_is_done_at_the_next_opening() {
    let folder = folder_with(4);
    let mut log = open(folder.path());
    log.append(Event::Erased { entry: 2, reason: "expired".into() }, 9).expect("recorded");
    drop(log);
    assert_eq!(verify(folder.path()).expect("valid").entries().len(), 5);
    drop(open(folder.path()));
    let indices: Vec<u64> =
        verify(folder.path()).expect("valid").entries().iter().map(|entry| entry.index).collect();
    assert_eq!(indices, [0, 1, 3, 4]);
}

#[test]
fn entries_of_several_threads_form_one_log_which_is_whole_whenever_it_is_read() {
    let folder = TempDir::new().expect("temporary folder");
    let log = SharedLog::new(open(folder.path()));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let log = log.clone();
            scope.spawn(move || {
                for now_ms in 0..80 {
                    log.append(peer_accepted("krg"), now_ms).expect("recorded");
                }
            });
        }
        let mut seen = Head::empty();
        while seen.count < 320 {
            let read = verify(folder.path()).expect("valid while it grows");
            assert_eq!(read.reaches(&seen), Ok(()));
            seen = read.head();
        }
    });
    assert_eq!(verify(folder.path()).expect("valid").head(), log.head().expect("usable"));
}

fn copy_of(folder: &Path) -> TempDir {
    let copy = TempDir::new().expect("temporary folder");
    copy_into(folder, copy.path());
    copy
}

fn copy_into(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("a folder") {
        let from = entry.expect("an entry").path();
        let to = to.join(from.file_name().expect("a name"));
        if from.is_dir() {
            fs::create_dir(&to).expect("made");
            copy_into(&from, &to);
        } else {
            fs::copy(&from, &to).expect("copied");
        }
    }
}

fn auditor() -> (AuditorKey, Option<Auditors>) {
    let key = AuditorKey::generate();
    let auditors = Auditors::read(&[key.public()]).expect("a key");
    (key, auditors)
}

#[test]
fn records_of_questions_are_sealed_and_those_of_the_operator_are_not() {
    let folder = TempDir::new().expect("temporary folder");
    let (key, auditors) = auditor();
    let mut log = open(folder.path()).sealed_to(auditors);
    let question = execution(1);
    let events =
        [peer_accepted("krg"), opening(&question), failed("share"), Event::Resumed, opening(&execution(2))];
    for (now_ms, event) in (0..).zip(events.clone()) {
        let entry = log.append(event.clone(), now_ms).expect("recorded");
        assert_eq!(entry.record.event, event, "in memory it is as it was");
    }
    let text = fs::read_to_string(folder.path().join("records/000.jsonl")).expect("records");
    for told in ["researcher", "no.ssb.fdb", &question.script.to_string()] {
        assert!(!text.contains(told), "{told} in\n{text}");
    }
    let without = verify(folder.path()).expect("whole");
    assert_eq!((without.entries().len(), without.unread()), (2, 3));
    let with = verify_with(folder.path(), &[key]).expect("whole");
    let read: Vec<Event> = with.entries().iter().map(|entry| entry.record.event.clone()).collect();
    assert_eq!((read, with.unread(), with.head()), (events.to_vec(), 0, log.head()));
}

#[test]
fn a_log_with_sealed_records_goes_on_after_a_restart_and_its_records_can_be_erased() {
    let folder = TempDir::new().expect("temporary folder");
    let (key, auditors) = auditor();
    let mut log = open(folder.path()).sealed_to(auditors.clone());
    for now_ms in 0..300 {
        log.append(opening(&execution(1)), now_ms).expect("recorded");
    }
    let head = log.head();
    drop(log);
    // The last record is there, and the checkpoint that signs it is not.
    fs::write(
        folder.path().join("checkpoint"),
        crate::fixture::key().sign(&ssb(), &head_at(folder.path(), 299)),
    )
    .expect("written");
    let mut log = open(folder.path()).sealed_to(auditors);
    assert_eq!(log.head(), head);
    log.erase(7, "too old".into(), 300).expect("erased");
    let verified = verify_with(folder.path(), &[key]).expect("whole");
    assert_eq!((verified.entries().len(), verified.unread()), (300, 0));
    assert!(verified.entries().iter().all(|entry| entry.index != 7));
    assert!(matches!(log.erase(7, "again".into(), 301), Err(LogError::NotErasable { index: 7 })));
}

/// The head that the log had with so many entries.
fn head_at(folder: &Path, count: u64) -> Head {
    let log = verify(folder).expect("whole");
    let mut tree = Tree::default();
    for index in 0..count {
        tree.push(log.leaf(index).expect("a leaf"));
    }
    tree.head()
}
