//! Witnesses before honest logs, before logs with two faces, on disks that fail, and asked by many at once.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::fixture::{Grown, federation, key, key_of, owner, ssb};

const NOW_S: u64 = 1_795_363_200;

fn krg_log(folder: &Path) -> AuditLog {
    AuditLog::open(folder, owner("krg"), key_of("krg")).expect("opens")
}

/// krg as witness.
fn witness(folder: &Path) -> Witness {
    Witness::open(&krg_log(folder), key_of("krg"), &federation(&["ssb", "krg"])).expect("opens")
}

/// What the witness has cosigned by an answer, if it has.
fn cosigned(grown: &Grown, count: usize, answer: &Answer) -> bool {
    let Answer::Cosigned(line) = answer else { return false };
    let note = format!("{}{line}", grown.checkpoint(count));
    let opened = key()
        .public(&ssb())
        .open_cosigned(&key_of("krg").public(&owner("krg")), note.as_bytes())
        .expect("cosigned");
    opened.head == grown.head(count)
}

#[test]
fn a_log_that_grows_is_cosigned_state_by_state_and_again_where_it_has_not_grown() {
    let (folder, log) = (TempDir::new().expect("temporary folder"), Grown::fork(0, "krg", 300));
    let witness = witness(folder.path());
    let mut old = 0;
    for count in [0, 0, 1, 2, 2, 255, 256, 257, 300] {
        let answer = witness.add_checkpoint(log.request(old, count).as_bytes(), NOW_S);
        assert!(cosigned(&log, count, &answer), "{old} to {count}: {answer:?}");
        old = count;
    }
    let kept = fs::read(folder.path().join(witnessed_path(&key().public(&ssb())))).expect("kept");
    let own = key_of("krg").public(&owner("krg"));
    assert_eq!(key().public(&ssb()).open_cosigned(&own, &kept).expect("cosigned").head, log.head(300));
}

#[test]
fn each_request_that_must_not_be_cosigned_has_the_answer_of_the_standard() {
    let (folder, log) = (TempDir::new().expect("temporary folder"), Grown::fork(0, "krg", 30));
    let witness = witness(folder.path());
    let ask = |body: &str| witness.add_checkpoint(body.as_bytes(), NOW_S);
    assert!(cosigned(&log, 20, &ask(&log.request(0, 20))));

    let good = log.request(20, 30);
    for (bad, why) in [
        (String::new(), "nothing"),
        (good.replace("old 20", "old 020"), "a leading zero"),
        (good.replace("old 20", "old +20"), "a sign"),
        (good.replace("old 20", "old 31"), "an old size beyond the new"),
        (good.replace("old 20\n", "old 20\nAAAA\n"), "a hash that is none"),
        (
            good.replace("old 20\n", &format!("old 20\n{}", "A".repeat(43) + "=\n").repeat(64)),
            "too many hashes",
        ),
        (good.trim_end().to_owned(), "no last line feed"),
        (good.replace("\n30\n", "\n030\n"), "a size in another form"),
        (good.clone() + &"x".repeat(REQUEST_BYTES_MAX), "more than a request may be"),
    ] {
        assert_eq!(ask(&bad), Answer::Malformed, "{why}");
    }
    assert_eq!(witness.add_checkpoint(&[0xff; 80], NOW_S), Answer::Malformed);

    // Its own log is not its to cosign, and a log that is nobody's is not either.
    for name in ["krg", "stranger"] {
        let checkpoint = key_of(name).sign(&owner(name), &log.head(30));
        assert_eq!(ask(&request(0, &[], &checkpoint)), Answer::UnknownLog, "{name}");
    }
    assert_eq!(ask(&good.replace("kobling/ssb\n", "example.com/log\n")), Answer::UnknownLog);
    let stranger = key_of("stranger").sign(&ssb(), &log.head(30));
    assert_eq!(ask(&request(20, &[], &stranger)), Answer::UnknownKey);

    assert_eq!(ask(&log.request(0, 30)), Answer::Conflict { size: 20 });
    assert_eq!(ask(&log.request(19, 30)), Answer::Conflict { size: 20 });
    assert_eq!(ask(&log.request(21, 30)), Answer::Conflict { size: 20 });
    assert_eq!(ask(&log.request(10, 10)), Answer::Conflict { size: 20 }, "an earlier state");
    assert_eq!(ask(&request(20, &[], &log.checkpoint(30))), Answer::Unproven);
    let mut lines: Vec<&str> = good.split('\n').collect();
    lines.swap(1, 2);
    assert_eq!(ask(&lines.join("\n")), Answer::Unproven, "hashes in another order");

    // Nothing of that has changed what is cosigned.
    assert!(cosigned(&log, 30, &ask(&good)));
}

#[test]
fn signatures_by_others_and_their_cosignatures_are_not_in_the_way() {
    let (folder, log) = (TempDir::new().expect("temporary folder"), Grown::fork(0, "krg", 3));
    let line = key_of("fhi").cosign(
        &owner("fhi"),
        Note::read(log.checkpoint(3).as_bytes()).expect("a note").text,
        7,
    );
    let body = log.request(0, 3) + &line;
    assert!(cosigned(&log, 3, &witness(folder.path()).add_checkpoint(body.as_bytes(), NOW_S)));
}

/// Attack 31: a party keeps two logs under its key, and shows one to each of two witnesses. The one to whom both are shown cosigns one.
#[test]
fn a_witness_cosigns_one_face_of_a_log_with_two_and_keeps_the_proof_of_the_other() {
    let one = Grown::fork(10, "krg", 40);
    let other = Grown::fork(10, "fhi", 40);
    assert_eq!(one.head(10), other.head(10));
    let folder = TempDir::new().expect("temporary folder");
    let witness = witness(folder.path());
    let ask = |body: String| witness.add_checkpoint(body.as_bytes(), NOW_S);
    assert!(cosigned(&one, 20, &ask(one.request(0, 20))));
    assert_eq!(ask(other.request(0, 15)), Answer::Conflict { size: 20 });
    assert_eq!(ask(other.request(10, 30)), Answer::Conflict { size: 20 });
    assert_eq!(ask(other.request(20, 30)), Answer::Unproven);
    let contradicting = folder.path().join(contradicting_path(&key().public(&ssb())));
    assert!(!contradicting.exists());
    assert_eq!(ask(other.request(20, 20)), Answer::Conflict { size: 20 });
    // Two checkpoints of one size that the party has signed: nobody else can have made them.
    let kept = fs::read(contradicting).expect("kept");
    assert_eq!(key().public(&ssb()).open(&kept), Ok(other.head(20)));
    assert!(cosigned(&one, 40, &ask(one.request(20, 40))));
}

#[test]
fn what_was_cosigned_is_known_after_a_restart_and_a_witness_that_has_forgotten_does_not_open() {
    let one = Grown::fork(5, "krg", 20);
    let other = Grown::fork(5, "fhi", 30);
    let folder = TempDir::new().expect("temporary folder");
    let first = witness(folder.path());
    assert!(cosigned(&one, 20, &first.add_checkpoint(one.request(0, 20).as_bytes(), NOW_S)));
    let again = witness(folder.path());
    let answer = again.add_checkpoint(other.request(0, 30).as_bytes(), NOW_S);
    assert_eq!(answer, Answer::Conflict { size: 20 });
    assert_eq!(again.add_checkpoint(other.request(20, 30).as_bytes(), NOW_S), Answer::Unproven);

    let place = folder.path().join(witnessed_path(&key().public(&ssb())));
    let whole = fs::read(&place).expect("kept");
    let roster = federation(&["ssb", "krg"]);
    // Also what another has cosigned, or the party signed by itself.
    let uncosigned = one.checkpoint(20).into_bytes();
    for damaged in [&whole[..whole.len() - 2], b"", &uncosigned] {
        fs::write(&place, damaged).expect("written");
        let opened = Witness::open(&krg_log(folder.path()), key_of("krg"), &roster);
        assert!(matches!(opened, Err(LogError::Witnessed { path }) if path == place));
    }
}

#[test]
fn a_party_with_another_key_begins_another_log() {
    let folder = TempDir::new().expect("temporary folder");
    let log = Grown::fork(0, "krg", 20);
    let first = witness(folder.path());
    assert!(cosigned(&log, 20, &first.add_checkpoint(log.request(0, 20).as_bytes(), NOW_S)));
    let mut roster = federation(&["ssb", "krg"]);
    let renewed = key_of("renewed");
    roster.nodes[0].signing_key = renewed.public(&ssb()).to_hex();
    let second = Witness::open(&krg_log(folder.path()), key_of("krg"), &roster).expect("opens");
    assert_eq!(second.add_checkpoint(log.request(20, 20).as_bytes(), NOW_S), Answer::UnknownKey);
    let body = request(0, &[], &renewed.sign(&ssb(), &log.head(3)));
    assert!(matches!(second.add_checkpoint(body.as_bytes(), NOW_S), Answer::Cosigned(_)));
}

/// A witness whose disk fails at the `at`th change, from 0; and how many were made.
fn failing(folder: &Path, at: usize) -> (Witness, Arc<AtomicUsize>) {
    let made = Arc::new(AtomicUsize::new(0));
    let count = made.clone();
    let watch = move |_: &str| match count.fetch_add(1, Ordering::SeqCst) == at {
        true => Err(io::ErrorKind::StorageFull.into()),
        false => Ok(()),
    };
    let (log, roster) = (krg_log(folder), federation(&["ssb", "krg"]));
    (Witness::open_with(&log, key_of("krg"), &roster, Box::new(watch)).expect("opens"), made)
}

#[test]
fn no_cosignature_leaves_before_the_checkpoint_is_on_disk() {
    let one = Grown::fork(5, "krg", 20);
    let other = Grown::fork(5, "fhi", 20);
    for at in 0.. {
        let folder = TempDir::new().expect("temporary folder");
        let first = witness(folder.path());
        assert!(cosigned(&one, 10, &first.add_checkpoint(one.request(0, 10).as_bytes(), NOW_S)));
        let (witness_here, made) = failing(folder.path(), at);
        let answer = witness_here.add_checkpoint(one.request(10, 20).as_bytes(), NOW_S);
        if made.load(Ordering::SeqCst) <= at {
            assert!(cosigned(&one, 20, &answer) && at >= 4, "no change failed");
            break;
        }
        assert_eq!(answer, Answer::Failed, "change {at}");
        // What is on disk is unknown until it is read again.
        let after = witness_here.add_checkpoint(one.request(10, 20).as_bytes(), NOW_S);
        assert_eq!(after, Answer::Failed, "change {at}");
        let reopened = witness(folder.path());
        let Answer::Conflict { size } = reopened.add_checkpoint(one.request(0, 20).as_bytes(), NOW_S) else {
            panic!("change {at}: forgotten")
        };
        assert!([10, 20].contains(&size), "change {at}");
        let forked = reopened.add_checkpoint(other.request(size as usize, 20).as_bytes(), NOW_S);
        assert!(matches!(forked, Answer::Unproven | Answer::Conflict { .. }), "change {at}");
        let answer = reopened.add_checkpoint(one.request(size as usize, 20).as_bytes(), NOW_S);
        assert!(cosigned(&one, 20, &answer), "change {at}");
    }
}

/// Many ask at once, for both faces of a log and for states of all sizes: what is cosigned is one log, and its states in order.
#[test]
fn a_race_of_requests_makes_one_log() {
    let folder = TempDir::new().expect("temporary folder");
    let faces = Arc::new([Grown::fork(0, "krg", 24), Grown::fork(0, "fhi", 24)]);
    let witness = Arc::new(witness(folder.path()));
    let askers = (0..8).map(|asker| {
        let (faces, witness) = (faces.clone(), witness.clone());
        thread::spawn(move || {
            let face = asker % 2;
            let (mut old, mut done) = (0, Vec::new());
            for count in 1..=24 {
                match witness.add_checkpoint(faces[face].request(old, count).as_bytes(), NOW_S) {
                    Answer::Cosigned(_) => {
                        done.push((face, old, count));
                        old = count;
                    }
                    Answer::Conflict { size } if size as usize <= count => old = size as usize,
                    Answer::Conflict { .. } | Answer::Unproven => {}
                    other => panic!("{other:?}"),
                }
            }
            done
        })
    });
    let askers: Vec<_> = askers.collect();
    let done: Vec<_> = askers.into_iter().flat_map(|asker| asker.join().expect("asks")).collect();
    let faces_seen: std::collections::BTreeSet<_> = done.iter().map(|(face, ..)| *face).collect();
    assert_eq!(faces_seen.len(), 1, "one face, of {done:?}");
    // Each state but the last was left by one step to a larger one.
    let mut steps: Vec<_> = done.iter().filter(|(_, old, count)| old < count).collect();
    steps.sort_by_key(|(_, old, _)| *old);
    assert!(steps.windows(2).all(|pair| pair[0].2 == pair[1].1), "{steps:?}");
}

/// Two faces of a log that have their first four entries in common.
static FACES: LazyLock<[Grown; 2]> = LazyLock::new(|| [Grown::fork(4, "krg", 20), Grown::fork(4, "fhi", 20)]);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// Whatever is asked in whatever order, heads that are cosigned are of one log and never smaller than before.
    #[test]
    fn what_is_cosigned_is_one_log_that_grows(asked in proptest::collection::vec((0_usize..2, 0_usize..20, 0_usize..20), 1..40)) {
        let faces = &*FACES;
        let folder = TempDir::new().expect("temporary folder");
        let witness = witness(folder.path());
        let mut last: Option<(usize, usize)> = None;
        for (face, old, count) in asked {
            let (old, count) = (old.min(count), count);
            let answer = witness.add_checkpoint(faces[face].request(old, count).as_bytes(), NOW_S);
            if cosigned(&faces[face], count, &answer) {
                if let Some((before, size)) = last {
                    prop_assert!(count >= size && old == size);
                    prop_assert!(before == face || size <= 4, "the other face beyond what both have");
                }
                last = Some((face, count));
            }
        }
    }
}
