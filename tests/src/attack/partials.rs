//! Attacks 19 and 25: partial aggregates that are old, of another question, or malicious.
//!
//! Somebody between a worker and the broker, or a worker, changes the words of a partial aggregate. Tries to break: what the broker checks
//! before it adds two of them. Bound: refused each time, the party named, nothing released.

use std::sync::Arc;

use kobling_proto::platform::v1::JobState;

use super::Measure;
use super::lab::{IMPORTS, Lab};
use super::rate::Bound;
use crate::world::World;

/// 19.
pub(super) fn old(lab: &Lab) -> Vec<Measure> {
    vec![lab.claims("of an earlier attempt, of another question", &[an_old_partial_aggregate_is_refused])]
}

/// 25. What a worker that deviates puts under its masks is not noticed yet.
pub(super) fn malicious(lab: &Lab) -> Vec<Measure> {
    vec![
        lab.claims(
            "wrong shapes, contents and signatures",
            &[partial_aggregates_that_do_not_fit_are_refused_and_nothing_is_released],
        ),
        Measure::missing("2^40 in a one-hot column", Bound::Never),
    ]
}

fn partial_aggregates_that_do_not_fit_are_refused_and_nothing_is_released() {
    let world = World::seeded(46);
    let question = world.script(&format!("{IMPORTS}tabulate k s"));
    type Spoil = fn(&mut kobling_broker::roster::SignedPartial);
    let spoils: [(Spoil, &str); 7] = [
        (|partial| partial.words.truncate(partial.words.len() - 1), "partial-shape"),
        (|partial| partial.words.push(7), "partial-shape"),
        (|partial| partial.words.clear(), "partial-shape"),
        (|partial| partial.words[2] = partial.words[2].wrapping_add(1), "partial-content"),
        (|partial| partial.sent = partial.received, "partial-content"),
        (|partial| partial.signature[3] ^= 1, "partial-signature"),
        (|partial| partial.signature.truncate(63), "partial-signature"),
    ];
    for (at, (spoil, code)) in spoils.into_iter().enumerate() {
        let party = ["ssb", "krg"][at % 2];
        world.tap.on_partial(move |owner, partial| {
            if owner.as_str() == party {
                spoil(partial);
            }
        });
        let result = world.run(&question);
        assert_eq!((result.state(), result.tables.len()), (JobState::Failed, 0), "{:?}", result.job);
        let problem = result.problem();
        assert_eq!((problem.code.as_str(), problem.party.as_str()), (code, party), "{problem:?}");
        assert_eq!(problem.step, "combine");
    }
    world.tap.hands_off();
    world.check(&question);
    let (_, findings) = world.reconciled();
    assert!(findings.iter().all(kobling_audit::Finding::may_be_a_crash), "{findings:?}");
}

fn an_old_partial_aggregate_is_refused() {
    let world = World::seeded(47);
    let question = world.script(&format!("{IMPORTS}tabulate k s"));
    // Of an earlier attempt at the same question, or of another one of the same shape, each with its own signature.
    for earlier in ["tabulate k s", "tabulate k s if b == \"A\""] {
        let kept = Arc::new(std::sync::Mutex::new(None));
        world.tap.on_partial(move |owner, partial| {
            if owner.as_str() == "krg" {
                let mut kept = kept.lock().expect("not poisoned");
                let now = (partial.words.clone(), partial.signature.clone(), partial.sent, partial.received);
                (partial.words, partial.signature, partial.sent, partial.received) =
                    kept.get_or_insert(now).clone();
            }
        });
        world.check(&world.script(&format!("{IMPORTS}{earlier}")));
        let replayed = world.run(&question);
        assert_eq!((replayed.state(), replayed.tables.len()), (JobState::Failed, 0), "{:?}", replayed.job);
        assert_eq!(replayed.problem().code, "partial-content", "{:?}", replayed.job);
        world.tap.hands_off();
    }
    world.check(&question);
    let (_, findings) = world.reconciled();
    assert!(findings.iter().all(kobling_audit::Finding::may_be_a_crash), "{findings:?}");
}
