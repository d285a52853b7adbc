//! Attacks 14d and 16: what sizes, stages and n say to whoever sees them and not the content.
//!
//! 14d: somebody counts rows, tokens, stages and bytes over many sessions. 16: an owner inserts people it has chosen, and looks whether they
//! hit, at what its node gets. Tries to break: that shapes follow from plan and n, and that n is blurred and rounded. Bound: nothing
//! differs. What an insertion shows through tables is attack 14c's: a version of a register against the next.
//!
//! An owner that inserts 999 people moves n by as many at most, and n is rounded up to a multiple of 65 536 after decoys: it sees a
//! change only where the union is that near to a multiple. The broker sees overlaps blurred with ε and δ
//! (`crypto/src/decoys.rs`), which for 999 people together is no protection, and it does not know who was inserted.

use std::collections::{BTreeMap, BTreeSet};

use kobling_proto::platform::v1::watch_job_response::Event;

use super::Measure;
use super::differences::{PERSON, one_pair};
use super::lab::{Lab, Size};
use super::rate::{Bound, Rate};
use crate::registers::{Mix, Owner, people, standard};
use crate::tap::Said;
use crate::world::{JobResult, World, id};

/// 14d.
pub(super) fn sessions(lab: &Lab) -> Vec<Measure> {
    let claim = match lab.size {
        Size::Small => || progress_blocks_and_n_say_the_same(12),
        Size::Full => || progress_blocks_and_n_say_the_same(1000),
    };
    vec![lab.claims("n, tokens, stages and bytes, and with one person fewer", &[claim])]
}

/// 16.
pub(super) fn insertions(lab: &Lab) -> Vec<Measure> {
    let numbers: &[usize] = lab.of(&[1, 5], &[1, 5, 999]);
    let mut measures = Vec::new();
    for inserted in numbers {
        // What the owner sees that inserted people who hit, and people who do not.
        let [hits, misses] = [true, false].map(|hit| inserter_sees(*inserted, hit));
        let rate = Rate::Counted { right: u64::from(hits != misses), trials: 1 };
        measures.push(Measure::new(
            format!("{inserted} inserted, by what its node gets"),
            rate,
            Bound::Never,
        ));
    }
    let rate = one_pair(lab, lab.of(4000, 40_000));
    measures.push(Measure::new("1 inserted, two tables", rate, PERSON));
    measures
}

/// What krg sees of a session and a question after it has inserted so many people, whom ssb has, or nobody.
fn inserter_sees(inserted: usize, hit: bool) -> (BTreeSet<u64>, BTreeMap<(String, String), usize>) {
    let mut owners = standard(Mix { missing: 0, ..Mix::of(82) });
    let theirs: BTreeSet<String> = owners[1].dataset("STED").rows.iter().map(|row| row[0].clone()).collect();
    let at_ssb: Vec<String> = owners[0].dataset("KJOENN").rows.iter().map(|row| row[0].clone()).collect();
    let chosen: Vec<String> = match hit {
        true => at_ssb.into_iter().filter(|person| !theirs.contains(person)).take(inserted).collect(),
        false => {
            people(4711, 5000).into_iter().filter(|person| !at_ssb.contains(person)).take(inserted).collect()
        }
    };
    assert_eq!(chosen.len(), inserted, "not enough people to insert");
    insert(&mut owners[1], &chosen);
    let world = World::of(owners).found();
    world.tap.forget();
    world.run(&world.script("import krg/STED as s\nimport ssb/KJOENN as k\ntabulate s k, missing"));
    let rows = world.tap.calls().into_iter().filter(|call| call.node == id("krg"));
    let rows = rows.filter_map(|call| match call.said {
        Said::Rows(_, rows) => Some(rows),
        _ => None,
    });
    let mut messages = BTreeMap::new();
    for message in world.tap.messages().iter().filter(|message| message.to == id("krg")) {
        *messages.entry((message.from.to_string(), message.step().to_owned())).or_default() +=
            message.body().len();
    }
    (rows.collect(), messages)
}

fn insert(owner: &mut Owner, chosen: &[String]) {
    for dataset in &mut owner.datasets {
        let like = dataset.rows[0].clone();
        dataset.rows.extend(chosen.iter().map(|person| {
            let mut row = like.clone();
            row[0].clone_from(person);
            row
        }));
    }
}

/// The stages that each party told of, in order.
pub(super) fn stages(ran: &JobResult) -> BTreeMap<String, Vec<String>> {
    let mut stages: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for event in &ran.events {
        if let Some(Event::Stage(stage)) = &event.event {
            stages.entry(stage.party.clone()).or_default().push(stage.name.clone());
        }
    }
    stages
}

/// Bytes of each step between nodes, by sender and receiver.
pub(super) fn messages(world: &World) -> BTreeMap<(String, String, String), usize> {
    let mut messages = BTreeMap::new();
    for message in world.tap.messages() {
        let link = (message.from.to_string(), message.to.to_string(), message.step().to_owned());
        *messages.entry(link).or_default() += message.body().len();
    }
    messages
}
/// What can be seen of a session from outside: row numbers, sizes of tokens, stages of each party in order, shapes of messages.
#[derive(Debug, PartialEq)]
struct Outside {
    rows: BTreeSet<u64>,
    tokens: BTreeMap<String, usize>,
    stages: BTreeMap<String, Vec<String>>,
    messages: BTreeMap<(String, String, String), usize>,
}

fn session(world: &World, question: &str) -> Outside {
    world.new_session();
    world.tap.forget();
    let ran = world.run(question);
    let mut outside = Outside {
        rows: BTreeSet::new(),
        tokens: BTreeMap::new(),
        stages: stages(&ran),
        messages: messages(world),
    };
    for call in world.tap.calls() {
        match &call.said {
            Said::Rows(_, rows) => drop(outside.rows.insert(*rows)),
            Said::Tokens(tokens) => drop(outside.tokens.insert(call.node.to_string(), tokens.len())),
            _ => {}
        }
    }
    outside
}

fn progress_blocks_and_n_say_the_same(sessions: usize) {
    let question = "import ssb/KJOENN as k\nimport ssb/FODT as f\nimport krg/STED as s\nimport krg/DIAGNOSE as dg\nimport fhi/VEKT as v\n\
                    generate sen = dg - f > 14000\ntabulate sen s if v > 70 | k == \"1\", missing";
    let mut owners = standard(Mix::of(92));
    let world = World::of(owners.clone()).found();
    let question = world.script(question);
    let first = session(&world, &question);
    for _ in 1..sessions {
        assert_eq!(session(&world, &question), first, "a session says something that another does not");
    }
    // One person fewer at the registry, whom ssb knows: everything but the blurred number of tokens is as before.
    let person = owners[1].dataset("STED").rows[0][0].clone();
    for name in ["STED", "STADIUM", "DIAGNOSE"] {
        owners[1].dataset(name).rows.retain(|row| row[0] != person);
    }
    let without = session(&World::of(owners).found(), &question);
    let seen = |outside: &Outside| {
        let mut messages = outside.messages.clone();
        messages.retain(|(_, _, step), _| step.starts_with("product/") || step.starts_with("protect/"));
        (outside.rows.clone(), outside.stages.clone(), messages)
    };
    assert_eq!(seen(&without), seen(&first));
}
