//! Small logs for the tests of this crate.

use std::net::SocketAddr;
use std::path::Path;

use kobling_model::federation::{Federation, Party, Platform};
use kobling_model::plan::Release;
use kobling_model::record::{Asker, Event, Execution, Outcome, RegisterVariable};
use kobling_model::rules::{Refusal, Rules};
use kobling_model::{AttemptId, DatastoreId, Hash, JobId, OwnerId, SessionId, VariableName, Version};
use tempfile::TempDir;

use crate::checkpoint::LogKey;
use crate::log::AuditLog;
use crate::proof::prove_continuation;
use crate::tree::{Head, Tree};
use crate::verify::{VerifiedLog, verify};
use crate::witness::request;

/// A key that every test has: PKCS#8 of a seed of ones (made with OpenSSL), version 2.
pub fn key() -> LogKey {
    LogKey::from_pkcs8(include_bytes!("../golden/test-key.pk8")).expect("a key")
}

/// A key that nobody has but whoever goes by this name in a test.
pub fn key_of(name: &str) -> LogKey {
    LogKey::of_seed(&Hash::of(name.as_bytes()).0)
}

/// A federation of the broker and these nodes, with the keys of their names; but ssb has the key that every test has.
pub fn federation(nodes: &[&str]) -> Federation {
    let party = |id: &str, port| {
        let key = if id == "ssb" { key() } else { key_of(id) };
        Party {
            id: owner(id),
            uri: format!("kobling://{id}"),
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            authority: String::new(),
            signing_key: key.public(&owner(id)).to_hex(),
        }
    };
    Federation {
        name: "test".into(),
        broker: party("broker", 1),
        platform: Platform {
            uri: "kobling://platform".into(),
            authority: String::new(),
            signing_key: Hash::of(b"platform").to_string(),
        },
        nodes: nodes.iter().zip(2..).map(|(id, port)| party(id, port)).collect(),
    }
}

pub fn owner(id: &str) -> OwnerId {
    OwnerId::new(id).expect("valid")
}

pub fn ssb() -> OwnerId {
    owner("ssb")
}

pub fn broker() -> OwnerId {
    owner("broker")
}

pub fn peer_accepted(peer: &str) -> Event {
    Event::PeerAccepted { peer: owner(peer) }
}

pub fn attempt(number: u8) -> AttemptId {
    AttemptId([number; 16])
}

pub fn release(id: &str, owner_id: &str) -> Release {
    let datastore = DatastoreId::new(id).expect("valid");
    Release { datastore, version: Version { major: 54, minor: 0, patch: 1 }, owner: owner(owner_id) }
}

pub fn variable(datastore: &str, name: &str) -> RegisterVariable {
    let datastore = DatastoreId::new(datastore).expect("valid");
    RegisterVariable { datastore, variable: VariableName::new(name).expect("valid") }
}

/// A question over ssb and krg; the attempt is all that sets two of them apart.
pub fn execution(number: u8) -> Execution {
    Execution {
        session: SessionId([0xa0; 16]),
        job: JobId([0xb0; 16]),
        attempt: attempt(number),
        asked_by: Asker {
            platform_certificate: Hash::of(b"certificate"),
            researcher: "Åse \"Æ\" Øy\u{7}\u{7f}\u{2028}".into(),
            institution: "Universitetet i Bergen".into(),
            // A record of before purposes were told.
            purpose: String::new(),
            signed: false,
        },
        // Before requests were signed.
        request: None,
        script: Hash::of(b"script"),
        plan: Hash::of(b"plan"),
        question: 1,
        owners: vec![owner("ssb"), owner("krg")],
        sharing: vec![],
        releases: vec![release("no.ssb.fdb", "ssb"), release("no.krg", "krg")],
        // Before variables were named.
        variables: vec![],
        rules: Rules {
            population_units_min: 1000,
            perturbation_table: Hash::of(b"table"),
            small_cell_units_max: 4,
            small_cells_percent_max: 50,
            // A record of before rules 6, 7 and 10: the golden log has stayed as it was first published.
            edit_units_min: 0,
            statistic_units_min: 0,
            two_largest_percent_max: 0,
            others_percent_of_largest_min: 0,
        },
    }
}

pub fn opening(execution: &Execution) -> Event {
    Event::Opening(Box::new(execution.clone()))
}

pub fn outcome(execution: &Execution, outcome: Outcome) -> Event {
    Event::Outcome {
        session: execution.session,
        attempt: execution.attempt,
        plan: execution.plan,
        question: execution.question,
        outcome,
        receipts: vec![],
    }
}

pub fn failed(step: &str) -> Event {
    outcome(&execution(1), Outcome::Failed { party: owner("krg"), step: step.into() })
}

/// A log that has grown, whose every earlier state can be signed and proven.
pub struct Grown {
    folder: TempDir,
    heads: Vec<Head>,
}

impl Grown {
    /// ssb's log of these events.
    pub fn of(events: Vec<Event>) -> Self {
        let folder = write(ssb(), events);
        let mut tree = Tree::default();
        let mut heads = vec![tree.head()];
        for entry in verify(folder.path()).expect("valid").entries() {
            tree.push(entry.hash);
            heads.push(tree.head());
        }
        Self { folder, heads }
    }

    /// ssb's log with this many entries, the first `same` of which are the same in all.
    pub fn fork(same: usize, then: &str, count: usize) -> Self {
        let peer = |at| if at < same { "krg" } else { then };
        Self::of((0..count).map(|at| peer_accepted(peer(at))).collect())
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Its head when it had this many entries.
    pub fn head(&self, count: usize) -> Head {
        self.heads[count]
    }

    /// Its checkpoint when it had this many entries.
    pub fn checkpoint(&self, count: usize) -> String {
        key().sign(&ssb(), &self.heads[count])
    }

    /// The request for a cosignature on its state of `count` entries, as continuing the one of `old`.
    pub fn request(&self, old: usize, count: usize) -> String {
        let proof = prove_continuation(self.folder.path(), old as u64, count as u64).expect("proven");
        request(old as u64, &proof, &self.checkpoint(count))
    }
}

pub fn write(party: OwnerId, events: Vec<Event>) -> TempDir {
    let folder = TempDir::new().expect("temporary folder");
    let mut number = 0_u64;
    let salts = Box::new(move || {
        number += 1;
        Ok(Hash::of(&number.to_be_bytes()))
    });
    let mut log =
        AuditLog::open_with(folder.path(), party, key(), salts, Box::new(|_| Ok(()))).expect("opens");
    for (event, minute) in events.into_iter().zip(0..) {
        log.append(event, 1_795_363_200_000 + minute * 60_000).expect("recorded");
    }
    folder
}

/// A log with these events, written and verified.
pub fn log_of(party: OwnerId, events: Vec<Event>) -> VerifiedLog {
    verify(write(party, events).path()).expect("valid")
}

/// ssb's log with this many entries.
pub fn folder_with(count: u64) -> TempDir {
    write(ssb(), (0..count).map(|_| peer_accepted("krg")).collect())
}

/// One event of each kind.
pub fn golden_events() -> Vec<Event> {
    let all = |number, ending| {
        let execution = execution(number);
        [opening(&execution), outcome(&execution, ending)]
    };
    let mut events = vec![
        Event::Enrolled { federation: Hash::of(b"federation") },
        peer_accepted("krg"),
        Event::Imported { release: release("no.ssb.fdb", "ssb"), manifest: Hash::of(b"manifest") },
    ];
    events.extend(all(1, Outcome::Passed));
    events.extend(all(2, Outcome::Released { content: Hash::of(b"share") }));
    events.extend(all(3, Outcome::Refused { rule: Refusal::SmallCells }));
    events.extend(all(4, Outcome::Failed { party: owner("krg"), step: "share".into() }));
    events.extend([
        Event::PolicyInForce { policy: Hash::of(b"policy"), before: None },
        Event::Stopped { reason: "a leak".into() },
        Event::Resumed,
        Event::ClockTrusted { shown_ms: 1 },
        Event::RequestRefused {
            session: SessionId([0xa0; 16]),
            job: JobId([0xb0; 16]),
            request: Hash::of(b"request"),
            fault: "request-signature".into(),
        },
        Event::Erased { entry: 1_000_000, reason: "expired".into() },
    ]);
    events
}

/// A log with one event of each kind, the same each time.
pub fn golden_folder() -> TempDir {
    write(ssb(), golden_events())
}
