//! Attacks 20b and 20c: masks that are seen, and masks that are used twice.
//!
//! 20b: the broker deals, with all masks, and has the workers' output shares; it wants what is in suppressed cells. 20c: a try is
//! repeated under the same names with another filter, or after a restart, so that two messages under one mask give the difference away.
//! Tries to break: the refreshing of shares, and fresh keys for each attempt. Bound: not once.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use kobling_broker::roster::ComputeEvent;
use kobling_model::table::Cell;
use kobling_model::{AttemptId, SessionId};
use kobling_proto::platform::v1::JobState;

use super::Measure;
use super::lab::{IMPORTS, Lab};
use crate::reference::true_cells;
use crate::rogue::{Rogue, code_of, fresh, problem_of};
use crate::tap::Said;
use crate::world::{World, id};

/// 20b.
pub(super) fn dealer(lab: &Lab) -> Vec<Measure> {
    vec![
        lab.claims(
            "suppressed cells, from all masks and shares",
            &[a_broker_that_deals_learns_nothing_about_suppressed_cells],
        ),
        lab.claims(
            "dealing where three nodes are enrolled",
            &[where_three_nodes_are_enrolled_the_broker_cannot_deal],
        ),
    ]
}

/// 20c.
pub(super) fn repeated(lab: &Lab) -> Vec<Measure> {
    vec![
        lab.claims(
            "another filter, a restart",
            &[an_attempt_cannot_be_repeated_with_another_filter_nor_after_a_restart],
        ),
        lab.claims("a break and a retry", &[retries_and_failures_use_fresh_masks]),
    ]
}

fn a_broker_that_deals_learns_nothing_about_suppressed_cells() {
    let world = World::of_two(31);
    let imports = "import ssb/KJOENN as k\nimport ssb/SJELDEN as sj\nimport ssb/BOSTED 2020-01-01 as b\n\
                   import krg/STED as s\nimport krg/STADIUM as t\n";
    let question = world.script(&format!("{imports}tabulate k b s t"));
    let rare = world.script(&format!("{imports}tabulate sj s, missing"));
    let mut shares: Vec<BTreeMap<_, Vec<u32>>> = Vec::new();
    let mut suppressed = Vec::new();
    for _ in 0..2 {
        for asked in [&question, &rare] {
            world.tap.forget();
            let result = world.check(asked);
            let table = result.tables.last().expect("a table");
            let mut of_workers = BTreeMap::new();
            for call in world.tap.calls() {
                if let Said::Partial(_, words) = call.said {
                    of_workers.insert(call.node, words);
                }
            }
            let (left, right) = (&of_workers[&id("ssb")], &of_workers[&id("krg")]);
            for (at, cell) in table.cells.iter().enumerate() {
                let word = left[at].wrapping_add(right[at]);
                assert_eq!(Cell::from_word(word), *cell);
                if *cell == Cell::Suppressed {
                    assert_eq!(word, u32::MAX, "a suppressed cell adds up to the public constant");
                }
            }
            // What the broker as dealer saw of the computation: keys, the shape twice, goodbye.
            let heard: BTreeSet<String> = (world.tap.calls().iter())
                .filter_map(|call| match &call.said {
                    Said::DealReceived(header, _) => Some(header.step.to_string()),
                    _ => None,
                })
                .collect();
            let expected = ["attempt/end", "attempt/key", "attempt/shape", "attempt/shape-length"];
            assert_eq!(heard.into_iter().collect::<Vec<_>>(), expected);
            suppressed.push(places(&table.cells));
            shares.push(of_workers);
        }
    }
    assert!(suppressed.iter().any(|places| !places.is_empty()), "a case without suppressed cells");
    assert_eq!((&suppressed[0], &suppressed[1]), (&suppressed[2], &suppressed[3]));
    // The same question again: every share is drawn anew, so none is a function of what is in the cell.
    let mut words: HashSet<u32> = HashSet::new();
    let mut all = 0;
    let mut ones = 0;
    for of_workers in &shares {
        for of_worker in of_workers.values() {
            all += of_worker.len();
            ones += of_worker.iter().map(|word| word.count_ones() as usize).sum::<usize>();
            words.extend(of_worker);
        }
    }
    assert!(all - words.len() <= 2, "shares repeat: {} of {all} are distinct", words.len());
    let bits = 32.0 * all as f64;
    assert!((ones as f64 - bits / 2.0).abs() < 6.0 * (bits / 4.0).sqrt(), "{ones} ones among {bits} bits");
    // Whatever masks the dealer takes off a worker's share, no true count is left bare in it.
    let registers = world.registers();
    let plan = world.plan(&rare);
    let cells =
        true_cells(plan.questions.last().expect("a table"), &registers, &world.keys().record_key_secret);
    for of_workers in &shares {
        for of_worker in of_workers.values() {
            assert!(cells.iter().all(|cell| cell.count == 0 || !of_worker.contains(&(cell.count as u32))));
        }
    }
}

fn places(cells: &[Cell]) -> Vec<usize> {
    let suppressed = cells.iter().enumerate().filter(|(_, cell)| **cell == Cell::Suppressed);
    suppressed.map(|(at, _)| at).collect()
}

fn where_three_nodes_are_enrolled_the_broker_cannot_deal() {
    let world = World::seeded(32);
    let rogue = Rogue::open(&world, SessionId(fresh()));
    for node in ["ssb", "krg", "fhi"] {
        let refused = world.wait(world.as_broker(node).link(rogue.session, AttemptId(fresh())));
        assert_eq!(problem_of(refused.map(drop)).code, "not-on-the-roster", "{node}");
    }
    // Nor can a node be made dealer that the roster does not make it.
    let deal = kobling_broker::roster::DealOrder {
        session: rogue.session,
        attempt: AttemptId(fresh()),
        left: id("ssb"),
        right: id("fhi"),
    };
    assert_eq!(problem_of(world.wait(world.as_broker("ssb").deal(&deal))).code, "broken-protocol");
}

fn an_attempt_cannot_be_repeated_with_another_filter_nor_after_a_restart() {
    let mut world = World::seeded(33);
    let (session, attempt) = (SessionId(fresh()), AttemptId(fresh()));
    let without = world.script(&format!("{IMPORTS}tabulate k s"));
    let with = world.script(&format!("{IMPORTS}tabulate k s if b == \"A\""));
    {
        let rogue = Rogue::open(&world, session);
        let (first, second) = (rogue.offer(&without), rogue.offer(&with));
        let floors = [rogue.ask(&first, AttemptId(fresh()), 0), rogue.ask(&second, AttemptId(fresh()), 0)];
        assert!(floors.iter().flatten().all(|ended| matches!(ended, Ok(ComputeEvent::Passed))), "{floors:?}");
        let ready = rogue.ask(&first, attempt, 1);
        assert!(ready.iter().all(|ended| matches!(ended, Ok(ComputeEvent::Ready { .. }))), "{ready:?}");
        for offered in [&first, &second] {
            for (name, worker) in [("ssb", world.as_broker("ssb")), ("krg", world.as_broker("krg"))] {
                let order = rogue.order(offered, attempt, 1);
                let again = world.wait(crate::rogue::work(&*worker, &order));
                assert_eq!(code_of(&again), "broken-protocol", "{name}");
            }
        }
        // The dealer does not deal twice for it either.
        let deal = kobling_broker::roster::DealOrder { session, attempt, left: id("ssb"), right: id("krg") };
        assert_eq!(problem_of(world.wait(world.as_broker("fhi").deal(&deal))).code, "broken-protocol");
        // A partial aggregate is handed out once.
        assert!(world.wait(world.as_broker("ssb").partial(session, attempt)).is_ok());
        let again = world.wait(world.as_broker("ssb").partial(session, attempt));
        assert_eq!(problem_of(again.map(drop)).code, "broken-protocol");
    }
    for node in ["ssb", "krg", "fhi"] {
        world.restart_node(node);
    }
    // The same names after a restart, another filter: fresh keys, so no mask is seen again.
    let rogue = Rogue::open(&world, session);
    let second = rogue.offer(&with);
    let floor = rogue.ask(&second, AttemptId(fresh()), 0);
    assert!(floor.iter().all(|ended| matches!(ended, Ok(ComputeEvent::Passed))), "{floor:?}");
    let ready = rogue.ask(&second, attempt, 1);
    assert!(ready.iter().all(|ended| matches!(ended, Ok(ComputeEvent::Ready { .. }))), "{ready:?}");
    let ledger = world.ledger.lock().expect("not poisoned");
    assert!(ledger.len() > 100, "the ledger saw nothing");
    assert_eq!(ledger.reuses(), 0);
}

fn retries_and_failures_use_fresh_masks() {
    let world = World::seeded(34);
    let question = world.script(&format!("{IMPORTS}tabulate k s, missing"));
    let passed = Arc::new(AtomicUsize::new(0));
    for _ in 0..3 {
        // Each round the product breaks at another block; the question is then asked again. In a new session all columns travel.
        world.new_session();
        let seen = passed.clone();
        let broken_at = 3 + 7 * passed.load(Ordering::Relaxed) % 11;
        seen.store(0, Ordering::Relaxed);
        let counter = seen.clone();
        world.tap.on_frame(move |_, _, _, frame| {
            let step = frame.header.as_ref().map(|header| header.step.clone()).unwrap_or_default();
            if step == "product/left" && counter.fetch_add(1, Ordering::Relaxed) == broken_at {
                let mut body = frame.body.to_vec();
                body[0] ^= 1;
                frame.body = body.into();
            }
        });
        let failed = world.run(&question);
        assert_eq!((failed.state(), failed.tables.len()), (JobState::Failed, 0), "{:?}", failed.job);
        // krg notices that ssb's words changed on the way; ssb, that krg has hung up; fhi, which has dealt by then, that
        // either has. Whoever is heard first is told.
        let problem = failed.problem();
        let told = (problem.code.as_str(), problem.party.as_str());
        let tellings = [("broken-protocol", "ssb"), ("unreachable", "krg"), ("unreachable", "ssb")];
        assert!(tellings.contains(&told), "{problem:?}");
        world.tap.hands_off();
        world.check(&question);
    }
    assert_eq!(world.ledger.lock().expect("not poisoned").reuses(), 0);
}
