//! A party's log before witnesses that it needs.

use std::fs;
use std::path::Path;

use kobling_model::record::Event;
use tempfile::TempDir;

use super::*;
use crate::fixture::{broker, federation, key, key_of, owner, ssb};
use crate::log::AuditLog;
use crate::verify;
use crate::witness::Witness;

const ALL: Terms = Terms { cosignatures_min: None, age_max: Duration::from_secs(300) };

/// ssb with its log, and krg and the broker as its witnesses, each with a folder of its own.
struct World {
    folder: TempDir,
    log: SharedLog,
    cosigning: Cosigning,
    witnesses: Vec<(OwnerId, Witness, TempDir)>,
    began: Instant,
}

fn shared(folder: &Path) -> SharedLog {
    SharedLog::new(AuditLog::open(folder, ssb(), key()).expect("opens"))
}

impl World {
    fn of(terms: Terms) -> Self {
        let folder = TempDir::new().expect("temporary folder");
        let log = shared(folder.path());
        let witnesses = ["broker", "krg"].map(|name| {
            let folder = TempDir::new().expect("temporary folder");
            let log = AuditLog::open(folder.path(), owner(name), key_of(name)).expect("opens");
            let witness = Witness::open(&log, key_of(name), &roster()).expect("opens");
            (owner(name), witness, folder)
        });
        let cosigning = Cosigning::new(log.clone(), &roster(), terms).expect("of the roster");
        Self { folder, log, cosigning, witnesses: witnesses.into(), began: Instant::now() }
    }

    /// A moment, in seconds from the beginning.
    fn at(&self, seconds: u64) -> Instant {
        self.began + Duration::from_secs(seconds)
    }

    fn record(&self, events: u64) {
        for _ in 0..events {
            self.log.append(Event::Resumed, 1).expect("recorded");
        }
    }

    /// Sends what there is to a witness until it has answered for good; nothing where there was nothing to send.
    fn send(&self, cosigning: &Cosigning, witness: &str, seconds: u64) -> Option<Taken> {
        let id = owner(witness);
        let (_, of, _) = self.witnesses.iter().find(|(name, ..)| *name == id).expect("a witness");
        for _ in 0..3 {
            let request = cosigning.request(&id, self.at(seconds)).expect("read")?;
            let answer = of.add_checkpoint(request.body.as_bytes(), 7);
            let taken = cosigning.take(&id, &request, answer.status(), answer.body().as_bytes());
            if taken != Taken::AskAgain {
                return Some(taken);
            }
        }
        panic!("{witness} has no end of sizes")
    }

    fn send_all(&self, seconds: u64) {
        for (witness, ..) in &self.witnesses {
            assert_eq!(self.send(&self.cosigning, witness.as_str(), seconds), Some(Taken::Cosigned));
        }
    }

    fn check(&self, seconds: u64) -> Result<(), Unwitnessed> {
        self.cosigning.check(self.at(seconds))
    }
}

fn roster() -> Federation {
    federation(&["ssb", "krg"])
}

#[test]
fn a_party_answers_once_all_its_witnesses_have_been_heard() {
    let world = World::of(ALL);
    assert_eq!(world.cosigning.witnesses(), [broker(), owner("krg")]);
    assert_eq!(world.check(0), Err(Unwitnessed::NotYet { witness: broker() }));
    assert_eq!(world.send(&world.cosigning, "broker", 0), Some(Taken::Cosigned), "also of an empty log");
    assert_eq!(world.check(0), Err(Unwitnessed::NotYet { witness: owner("krg") }));
    assert_eq!(world.send(&world.cosigning, "krg", 0), Some(Taken::Cosigned));
    assert_eq!(world.check(0), Ok(()));
}

#[test]
fn what_is_recorded_is_cosigned_in_time_or_the_party_stops_and_an_idle_log_stays_as_it_is() {
    let world = World::of(ALL);
    world.record(3);
    world.send_all(0);
    assert_eq!(world.send(&world.cosigning, "krg", 0), None, "nothing is cosigned twice");
    assert_eq!(world.check(1_000_000), Ok(()), "nothing has been recorded since");

    world.record(2);
    assert_eq!(world.check(1_000_000), Ok(()));
    assert_eq!(world.check(1_000_300), Ok(()));
    assert_eq!(world.check(1_000_301), Err(Unwitnessed::Late { witness: broker() }));
    assert_eq!(world.send(&world.cosigning, "broker", 1_000_301), Some(Taken::Cosigned));
    assert_eq!(world.check(1_000_301), Err(Unwitnessed::Late { witness: owner("krg") }));
    assert_eq!(world.send(&world.cosigning, "krg", 1_000_302), Some(Taken::Cosigned));
    assert_eq!(world.check(1_000_302), Ok(()));
}

#[test]
fn what_is_recorded_while_a_cosignature_is_on_its_way_is_as_old_as_the_request() {
    let world = World::of(ALL);
    world.record(1);
    world.send_all(0);
    world.record(1);
    let (_, witness, _) = &world.witnesses[1];
    let request = world.cosigning.request(&owner("krg"), world.at(10)).expect("read").expect("to send");
    world.record(1);
    let answer = witness.add_checkpoint(request.body.as_bytes(), 7);
    let taken = world.cosigning.take(&owner("krg"), &request, answer.status(), answer.body().as_bytes());
    assert_eq!(taken, Taken::Cosigned);
    world.send(&world.cosigning, "broker", 200);
    assert_eq!(world.check(310), Ok(()));
    assert_eq!(world.check(311), Err(Unwitnessed::Late { witness: owner("krg") }));
}

#[test]
fn fewer_cosignatures_can_be_enough() {
    let world = World::of(Terms { cosignatures_min: Some(1), ..ALL });
    world.record(1);
    assert_eq!(world.check(0), Err(Unwitnessed::NotYet { witness: broker() }));
    assert_eq!(world.send(&world.cosigning, "krg", 0), Some(Taken::Cosigned));
    assert_eq!(world.check(10_000), Ok(()));
    world.record(1);
    assert_eq!(world.check(10_000), Ok(()));
    assert_eq!(world.check(10_301), Err(Unwitnessed::NotYet { witness: broker() }));
}

#[test]
fn terms_that_cannot_be_meant_or_kept_are_refused() {
    assert_eq!(Terms::read(None, 300), Ok(Terms::default()));
    let one = Terms { cosignatures_min: Some(1), age_max: Duration::from_secs(20) };
    assert_eq!(Terms::read(Some(1), 20), Ok(one));
    assert_eq!(Terms::read(Some(0), 300).expect_err("nobody").0, "cosignatures_min");
    assert_eq!(Terms::read(None, 0).expect_err("never").0, "cosignature_age_max_s");
    assert_eq!(Terms::read(None, 86_401).expect_err("long").0, "cosignature_age_max_s");
    let folder = TempDir::new().expect("temporary folder");
    let log = shared(folder.path());
    let three = Terms { cosignatures_min: Some(3), ..ALL };
    assert_eq!(Cosigning::new(log.clone(), &roster(), three).err(), Some(TermsError::TooMany));
    let without = federation(&["krg", "fhi"]);
    assert_eq!(Cosigning::new(log, &without, ALL).err(), Some(TermsError::NotOnTheRoster(ssb())));
}

#[test]
fn a_cosignature_by_a_stranger_of_an_earlier_checkpoint_or_of_another_log_is_none() {
    let world = World::of(ALL);
    world.record(2);
    let krg = owner("krg");
    let first = world.cosigning.request(&krg, world.at(0)).expect("read").expect("to send");
    let (_, witness, _) = &world.witnesses[1];
    let answer = witness.add_checkpoint(first.body.as_bytes(), 7);
    world.record(1);
    let second = world.cosigning.request(&krg, world.at(0)).expect("read").expect("to send");
    let text = |request: &Request| Note::read(request.checkpoint.as_bytes()).expect("a note").text.to_owned();
    for line in [
        answer.body(),
        key_of("stranger").cosign(&krg, &text(&second), 7),
        key_of("broker").cosign(&broker(), &text(&second), 7),
        // The same key, as that of checkpoints.
        key_of("krg").sign(&krg, &second.head).lines().last().expect("a line").to_owned() + "\n",
        String::new(),
        "\n".to_owned(),
    ] {
        assert_eq!(world.cosigning.take(&krg, &second, 200, line.as_bytes()), Taken::Refused, "{line:?}");
    }
    for (status, body) in [(500, ""), (403, ""), (404, ""), (400, ""), (302, ""), (409, "many\n"), (409, "1")]
    {
        assert_eq!(world.cosigning.take(&krg, &second, status, body.as_bytes()), Taken::Refused);
    }
    assert!(!world.folder.path().join(cosigned_path(&krg)).exists());
    let both = format!("{}{}", key_of("stranger").cosign(&krg, &text(&first), 7), answer.body());
    assert_eq!(world.cosigning.take(&krg, &first, 200, both.as_bytes()), Taken::Cosigned);
}

#[test]
fn the_checkpoint_that_a_witness_cosigned_last_lies_beside_the_log_with_both_signatures() {
    let world = World::of(ALL);
    world.record(5);
    world.send_all(0);
    let log = verify(world.folder.path()).expect("valid");
    for name in ["krg", "broker"] {
        let kept = fs::read(world.folder.path().join(cosigned_path(&owner(name)))).expect("kept");
        let cosigned = log.key().open_cosigned(&key_of(name).public(&owner(name)), &kept).expect("cosigned");
        assert_eq!((cosigned.head, cosigned.time_s), (log.head(), 7));
    }
}

/// A copy of the log's files as they are now, opened by a party that starts anew.
fn restored(world: &World, then: impl FnOnce()) -> (TempDir, SharedLog, Cosigning) {
    let backup = TempDir::new().expect("temporary folder");
    copy(world.folder.path(), backup.path());
    then();
    let log = shared(backup.path());
    let cosigning = Cosigning::new(log.clone(), &roster(), ALL).expect("of the roster");
    (backup, log, cosigning)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let place = to.join(entry.file_name());
        match entry.file_type().expect("a type").is_dir() {
            true => copy(&entry.path(), &place),
            false => drop(fs::copy(entry.path(), place).expect("copied")),
        }
    }
}

#[test]
fn a_log_restored_from_a_backup_is_older_than_what_others_have_cosigned() {
    let world = World::of(ALL);
    world.record(10);
    let (_backup, log, cosigning) = restored(&world, || {
        world.record(5);
        world.send_all(0);
    });
    assert_eq!(world.send(&cosigning, "krg", 0), Some(Taken::Contradicted));
    let older = Err(Unwitnessed::Older { witness: owner("krg") });
    assert_eq!(cosigning.check(world.at(0)), older);
    assert!(older.is_err_and(|why| why.is_final()));
    // Another witness that knows no better, or entries that come to it, change nothing.
    log.append(Event::Resumed, 1).expect("recorded");
    assert_eq!(world.send(&cosigning, "krg", 0), None);
    assert_eq!(cosigning.check(world.at(0)), Err(Unwitnessed::Older { witness: owner("krg") }));
}

#[test]
fn a_log_that_went_on_otherwise_from_a_backup_is_another_than_the_one_cosigned() {
    for more in [4, 5, 6, 300] {
        let world = World::of(ALL);
        world.record(10);
        let (_backup, log, cosigning) = restored(&world, || {
            world.record(5);
            world.send_all(0);
        });
        for _ in 0..more {
            log.append(Event::Resumed, 2).expect("recorded");
        }
        assert_eq!(world.send(&cosigning, "broker", 0), Some(Taken::Contradicted));
        let witness = broker();
        let expected =
            if more < 5 { Unwitnessed::Older { witness } } else { Unwitnessed::Another { witness } };
        assert_eq!(cosigning.check(world.at(0)), Err(expected), "{more} entries more");
    }
}

#[test]
fn a_restart_goes_on_where_witnesses_are_and_one_that_lost_its_disk_begins_anew() {
    let mut world = World::of(ALL);
    world.record(10);
    world.send_all(0);
    let again = Cosigning::new(world.log.clone(), &roster(), ALL).expect("of the roster");
    assert_eq!(again.check(world.at(0)), Err(Unwitnessed::NotYet { witness: broker() }));
    assert_eq!(world.send(&again, "broker", 0), Some(Taken::Cosigned));
    assert_eq!(world.send(&again, "krg", 0), Some(Taken::Cosigned));
    assert_eq!(again.check(world.at(0)), Ok(()));

    let folder = TempDir::new().expect("temporary folder");
    let log = AuditLog::open(folder.path(), owner("krg"), key_of("krg")).expect("opens");
    let witness = Witness::open(&log, key_of("krg"), &roster()).expect("opens");
    world.witnesses[1] = (owner("krg"), witness, folder);
    world.record(1);
    assert_eq!(world.send(&again, "krg", 0), Some(Taken::Cosigned));
}

#[test]
fn a_log_that_failed_is_shown_to_nobody() {
    let world = World::of(ALL);
    world.record(2);
    fs::remove_file(world.folder.path().join("checkpoint")).expect("removed");
    world.log.append(Event::Resumed, 1).expect_err("disturbed");
    assert!(matches!(
        world.cosigning.request(&broker(), world.at(0)),
        Err(RequestError::Log(LogError::Poisoned))
    ));
}
