//! Record before answer: where one party cannot record, nothing is released.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kobling_audit::Finding;
use kobling_model::record::{Event, Outcome};
use kobling_proto::platform::v1::JobState;
use kobling_tests::tap::Said;
use kobling_tests::world::{JobResult, World, id};

use super::script;

const TABLE: &str = "import ssb/KJOENN as k\nimport krg/STED as s\ntabulate k s";

fn assert_nothing_released(result: &JobResult, code: &str, party: &str) {
    assert_eq!((result.state(), result.tables.len()), (JobState::Failed, 0), "{:?}", result.job);
    let problem = result.problem();
    assert_eq!((problem.code.as_str(), problem.party.as_str()), (code, party), "{problem:?}");
    assert_eq!(problem.step, "record", "{problem:?}");
}

#[test]
fn where_a_node_cannot_record_the_opening_nothing_is_computed_and_the_node_is_named() {
    let mut world = World::seeded(51);
    let question = script(&world, TABLE);
    let before = world.check(&question).bytes();
    for name in ["krg", "ssb"] {
        // The log is moved away under the running node, as an operator could by mistake.
        let (log, aside) = (world.log_folder(name), world.log_folder(name).with_extension("aside"));
        fs::rename(&log, &aside).expect("moved");
        world.tap.forget();
        let failed = world.run(&question);
        assert_nothing_released(&failed, "log", name);
        let partials = world.tap.calls().iter().filter(|call| matches!(call.said, Said::Partial(..))).count();
        assert_eq!(partials, 0, "no share has left");
        // The log stays closed while the node runs, also when the file is back.
        fs::rename(&aside, &log).expect("moved back");
        assert_nothing_released(&world.run(&question), "log", name);
        world.restart_node(name);
        assert_eq!(world.check(&question).bytes(), before);
    }
    let (_, findings) = world.reconciled();
    assert!(findings.is_empty(), "{findings:?}");
}

#[test]
fn where_a_node_cannot_record_the_outcome_its_share_does_not_leave() {
    let world = World::seeded(52);
    let question = script(&world, TABLE);
    world.check(&question);
    // The opening of the table is recorded; the log is moved away while the workers say goodbye.
    let (log, aside) = (world.log_folder("krg"), world.log_folder("krg").with_extension("aside"));
    let (from, to) = (log.clone(), aside.clone());
    let product_seen = AtomicBool::new(false);
    let moved = Arc::new(AtomicBool::new(false));
    let done = moved.clone();
    world.tap.on_frame(move |sender, receiver, _, frame| {
        let step = frame.header.as_ref().map_or("", |header| header.step.as_str());
        if step.starts_with("product/") {
            product_seen.store(true, Ordering::SeqCst);
        }
        // krg concludes only once ssb's goodbye has come, and that passes here first.
        let goodbye = step == "attempt/end" && sender.as_str() == "ssb" && receiver.as_str() == "krg";
        if goodbye && product_seen.load(Ordering::SeqCst) && !done.swap(true, Ordering::SeqCst) {
            fs::rename(&from, &to).expect("moved");
        }
    });
    world.tap.forget();
    let failed = world.run(&question);
    world.tap.hands_off();
    assert!(moved.load(Ordering::SeqCst), "the case was not met");
    assert_nothing_released(&failed, "log", "krg");
    let of_krg = |said: &Said| matches!(said, Said::Partial(..));
    assert!(!world.tap.calls().iter().any(|call| call.node == id("krg") && of_krg(&call.said)));
    fs::rename(&aside, &log).expect("moved back");
    let (_, findings) = world.reconciled();
    assert!(findings.iter().all(Finding::may_be_a_crash), "{findings:?}");
}

#[test]
fn where_the_broker_cannot_record_no_node_is_asked_and_nothing_is_released() {
    let mut world = World::seeded(53);
    let question = script(&world, TABLE);
    let before = world.check(&question).bytes();
    let (log, aside) = (world.log_folder("broker"), world.log_folder("broker").with_extension("aside"));
    fs::rename(&log, &aside).expect("moved");
    world.tap.forget();
    let failed = world.run(&question);
    assert_eq!((failed.state(), failed.tables.len()), (JobState::Failed, 0), "{:?}", failed.job);
    let problem = failed.problem();
    assert_eq!((problem.code.as_str(), problem.step.as_str()), ("unrecorded", "record"), "{problem:?}");
    assert!(problem.message.contains("broker"), "{problem:?}");
    let asked = world.tap.calls().iter().filter(|call| matches!(call.said, Said::Reported(..))).count();
    assert_eq!(asked, 0, "record before asking");
    fs::rename(&aside, &log).expect("moved back");
    world.restart_broker();
    assert_eq!(world.check(&question).bytes(), before);
    let (_, findings) = world.reconciled();
    assert!(findings.is_empty(), "{findings:?}");
}

#[test]
fn where_the_broker_cannot_record_the_outcome_the_table_is_gone() {
    let world = World::seeded(54);
    let question = script(&world, TABLE);
    world.check(&question);
    let (log, aside) = (world.log_folder("broker"), world.log_folder("broker").with_extension("aside"));
    let (from, to) = (log.clone(), aside.clone());
    // Both shares have come: the log is moved away before they are added.
    world.tap.on_partial(move |owner, _| {
        if owner.as_str() == "krg" {
            fs::rename(&from, &to).expect("moved");
        }
    });
    let failed = world.run(&question);
    world.tap.hands_off();
    assert_eq!((failed.state(), failed.tables.len()), (JobState::Failed, 0), "{:?}", failed.job);
    assert_eq!(failed.problem().code, "unrecorded");
    assert!(world.fetch(&failed.job.id, 0).is_err());
    fs::rename(&aside, &log).expect("moved back");
    let (_, findings) = world.reconciled();
    assert!(findings.iter().all(Finding::may_be_a_crash), "{findings:?}");
}

#[test]
fn every_log_tells_who_asked_what_of_whom_under_which_rules_and_what_left() {
    let world = World::seeded(55);
    let question = script(&world, TABLE);
    let result = world.check(&question);
    let plan = world.plan(&question);
    let (logs, findings) = world.reconciled();
    assert!(findings.is_empty(), "{findings:?}");
    for (party, log) in &logs {
        let events: Vec<&Event> = log.entries().iter().map(|entry| &entry.record.event).collect();
        let openings: Vec<_> = events
            .iter()
            .filter_map(|event| match event {
                Event::Opening(execution) => Some(execution),
                _ => None,
            })
            .collect();
        // fhi deals and is second worker of nothing here: it opens nothing, and records nothing.
        let expected = if party.as_str() == "fhi" { 0 } else { 2 };
        assert_eq!(openings.len(), expected, "{party}");
        for opening in openings {
            assert_eq!(opening.plan, plan.hash());
            assert!(opening.request.is_some(), "findings would tell if it were not the same everywhere");
            assert_eq!(opening.script, kobling_model::Hash::of(question.as_bytes()));
            assert_eq!(
                (opening.asked_by.researcher.as_str(), opening.asked_by.signed),
                ("Kari Nordmann", true)
            );
            assert_eq!((&opening.rules, opening.session), (&world.strictest_rules(), result.session()));
            assert_eq!(opening.releases, plan.releases);
        }
        let released: Vec<_> = events
            .iter()
            .filter_map(|event| match event {
                Event::Outcome { outcome: Outcome::Released { content }, .. } => Some(*content),
                _ => None,
            })
            .collect();
        assert_eq!(released.len(), expected / 2, "{party}");
        if party.as_str() == "broker" {
            assert_eq!(released[0], kobling_model::Hash::of_json(&result.tables[0]));
        }
    }
}
