//! Rule 14: how many cells a population may be cut into, over all questions of all users.

use std::collections::BTreeSet;
use std::fs;

use kobling_audit::verify;
use kobling_disclosure::memory::asked;
use kobling_disclosure::memory::spent::NameKey;
use kobling_model::record::{Event, Outcome};
use kobling_model::rules::Refusal;
use kobling_node::operator::{Answer, Order};
use kobling_proto::platform::v1::JobState;
use kobling_tests::registers::{Mix, standard};
use kobling_tests::world::{JobResult, World, id};

use super::script;

/// Everybody of ssb is a population of 2400: 240 cells, but for its noise.
fn world(seed: u64) -> World {
    World::of(standard(Mix { people: 2400, ..Mix::of(seed) })).found()
}

const IMPORTS: &str = "import ssb/KJOENN as k\nimport ssb/LONN 2021-05-01 as l\nimport ssb/SJELDEN as g\n";

/// A question that no other is like: everybody in two halves.
fn halves(world: &World, number: usize) -> String {
    script(world, &format!("{IMPORTS}generate x = l > {}\ntabulate x", 1000 * number + 50_000))
}

fn is_spent(result: &JobResult) -> bool {
    let problem = result.problem();
    let spent = result.state() == JobState::Refused && problem.code == "splits-spent";
    assert!(spent || result.state() == JobState::Done, "{problem:?}");
    assert!(!spent || (result.tables.is_empty() && problem.party.is_empty()), "{problem:?}");
    spent
}

/// Asks until the budget is spent; the first question that is refused, with the number of those that were not.
fn until_spent(world: &World, text: impl Fn(usize) -> String) -> usize {
    (0..100).find(|number| is_spent(&world.run(&text(*number)))).expect("spent at last")
}

fn outcomes(world: &World, node: &str) -> Vec<Outcome> {
    let log = verify(&world.log_folder(node)).expect("an unbroken log");
    let outcome = |event: &Event| match event {
        Event::Outcome { outcome, .. } => Some(outcome.clone()),
        _ => None,
    };
    log.entries().iter().filter_map(|entry| outcome(&entry.record.event)).collect()
}

#[test]
fn a_population_is_cut_until_its_budget_is_spent_by_whoever_asks_in_whatever_words_and_after_restarts() {
    let mut world = world(141);
    let first = world.run(&halves(&world, 0));
    assert!(!is_spent(&first));
    // One bit for the population, once; ten cells and a bit for each table.
    let answered = until_spent(&world, |number| halves(&world, number));
    assert!((21..=22).contains(&answered), "{answered}");
    let refused = [
        halves(&world, 90),
        // The same people in other words, or without two: rule 13 makes them the same.
        script(
            &world,
            &format!("{IMPORTS}keep if k == \"1\" | k == \"2\"\ngenerate x = l > 11000\ntabulate x"),
        ),
        script(&world, &format!("{IMPORTS}generate x = l > 12000\ntabulate x if g != \"r1\"")),
        // In a sample they are a part of the same, whatever its seed.
        script(&world, &format!("{IMPORTS}sample 0.9 17\ntabulate k")),
        // A value column is a split of its own, also one that some have no value in; so are those whom a condition leaves, however few.
        script(&world, &format!("{IMPORTS}generate y = 2 * (l > 50000)\nsummarize y")),
        script(&world, &format!("{IMPORTS}summarize l")),
        script(&world, &format!("{IMPORTS}tabulate k if l > 1000000000")),
    ];
    let not_refused = [
        halves(&world, 0),
        // Other people: two thirds.
        script(&world, &format!("{IMPORTS}keep if k == \"1\"\ngenerate x = l > 11000\ntabulate x")),
    ];
    let other = ["Ola Nordmann", "Another university", "Something else"];
    for restart in [false, true] {
        if restart {
            ["ssb", "krg", "fhi"].iter().for_each(|name| world.restart_node(name));
            world.restart_broker();
        }
        let session = world.open_session_as(other).expect("a session");
        for text in &refused {
            assert!(is_spent(&world.run_in_as(other, &session, text)), "{text}");
        }
        for text in &not_refused {
            assert!(!is_spent(&world.run_in_as(other, &session, text)), "{text}");
        }
        let again = world.run_in_as(other, &session, &halves(&world, 0));
        assert_eq!(again.bytes(), first.bytes());
    }
    // Both workers and the broker have it on record, and their logs agree.
    let spent = Outcome::Refused { rule: Refusal::SplitsSpent };
    let refusals = |name: &str| outcomes(&world, name).iter().filter(|outcome| **outcome == spent).count();
    assert!(refusals("ssb") > 10 && refusals("ssb") == refusals("krg"));
    let (_, findings) = world.reconciled();
    assert!(findings.is_empty(), "{findings:?}");
}

#[test]
fn the_owner_with_the_smallest_side_decides_also_where_it_only_shares() {
    let world = World::of(standard(Mix { people: 7200, ..Mix::of(142) })).found();
    // fhi has a part of the people, and a smaller budget: twenty cells and more for each table and its margins, and a bit.
    let text = |number: usize| {
        let imports = "import ssb/KJOENN as k\nimport ssb/LONN 2021-05-01 as l\nimport krg/STED as s\n\
                       import fhi/DOSER 2020-05-01 as d\n";
        script(
            &world,
            &format!("{imports}keep if d >= 2\ngenerate x = l > {}\ntabulate x s", 1000 * number + 50_000),
        )
    };
    let plan = world.plan(&text(0));
    assert_eq!(plan.questions.last().expect("a table").sharing().collect::<Vec<_>>(), [&id("fhi")]);
    let answered = until_spent(&world, text);
    assert!((2..25).contains(&answered), "{answered}");
    let spent = Outcome::Refused { rule: Refusal::SplitsSpent };
    for node in ["ssb", "krg", "fhi"] {
        assert_eq!(outcomes(&world, node).last(), Some(&spent), "{node}");
    }
    let (_, findings) = world.reconciled();
    assert!(findings.is_empty(), "{findings:?}");
    // Of everybody there is enough left.
    assert!(!is_spent(&world.run(&script(&world, &format!("{IMPORTS}tabulate k g")))));
}

#[test]
fn a_stricter_owner_gives_again_what_it_gave_and_nothing_new() {
    let world = world(143);
    let first = world.run(&halves(&world, 0));
    assert!(!is_spent(&first));
    world.rewrite_policy("ssb", |policy| {
        policy.replace("units_per_cell_min = 10", "units_per_cell_min = 1000000")
    });
    let answer = world.order("ssb", &Order::Reload);
    assert!(matches!(answer, Answer::Reloaded { .. }), "{answer:?}");
    let session = world.new_session();
    assert_eq!(world.run_in(&session, &halves(&world, 0)).bytes(), first.bytes());
    assert!(is_spent(&world.run_in(&session, &halves(&world, 1))));
}

#[test]
fn a_ledger_that_cannot_be_written_has_nothing_answered() {
    let mut world = world(144);
    assert!(!is_spent(&world.run(&halves(&world, 0))));
    world.stop_node("ssb");
    let file = world.state_folder("ssb").join("budget").join("PERSON.splits");
    let whole = fs::read(&file).expect("the ledger");
    // What a crash cut off is charged for again.
    fs::write(&file, &whole[..whole.len() - 1]).expect("written");
    world.start_stopped("ssb");
    assert!(fs::read(&file).expect("the ledger").len() < whole.len());
    assert!(!is_spent(&world.run(&halves(&world, 0))));
    assert_eq!(fs::read(&file).expect("the ledger").len(), whole.len());
}

#[test]
fn splits_are_named_by_what_is_asked_and_not_by_names_orders_or_labels() {
    let world = world(145);
    let key = NameKey::new([7; 32]);
    let splits = |rest: &str| -> BTreeSet<(Vec<u8>, u32)> {
        let plan = world.plan(&script(&world, rest));
        let table = plan.questions.last().expect("a table");
        asked::splits(&key, table, 1000)
            .iter()
            .map(|split| (split.name.to_bytes().to_vec(), split.cells))
            .collect()
    };
    let plain = "import ssb/KJOENN as k\nimport ssb/BOSTED 2020-01-01 as b\ntabulate k b";
    let same = [
        "import ssb/KJOENN as kjønn\nimport ssb/BOSTED 2020-01-01 as bo\ntabulate bo kjønn",
        "import ssb/KJOENN as k\nimport ssb/LONN 2021-05-01 as l\nimport ssb/BOSTED 2020-01-01 as b\ntabulate k b, rowpct",
        "import ssb/KJOENN as k\nimport ssb/BOSTED 2020-01-01 as b\ngenerate c = b\ntabulate k c",
        "define-labels l \"1\" en \"2\" to\nimport ssb/KJOENN as k\nassign-labels k l\nimport ssb/BOSTED 2020-01-01 as b\ntabulate k b",
    ];
    for text in same {
        assert_eq!(splits(text), splits(plain), "{text}");
    }
    // Each margin and the cells, ten at least, and the bit of rule 5.
    let cells: Vec<u32> = {
        let mut cells: Vec<u32> = splits(plain).into_iter().map(|(_, cells)| cells).collect();
        cells.sort_unstable();
        cells
    };
    assert_eq!(cells, [1, 10, 10, 10]);
    let none_in_common = [
        "import ssb/KJOENN as k\nimport ssb/BOSTED 2021-01-01 as b\ngenerate m = k == \"1\"\ntabulate m b",
        "import ssb/KJOENN as k\nimport ssb/BOSTED 2020-01-01 as b\nsample 0.5 1\ntabulate k b",
        "import ssb/KJOENN as k\nimport ssb/BOSTED 2020-01-01 as b\ngenerate x = 1 if k == \"1\"",
    ];
    for text in none_in_common {
        assert!(splits(text).is_disjoint(&splits(plain)), "{text}");
    }
    // A condition of the question's leaves a part of the population, however it is put; how many that is counts too.
    let part =
        splits("import ssb/KJOENN as k\nimport ssb/BOSTED 2020-01-01 as b\ntabulate k b if k == \"1\"");
    assert!(part.is_disjoint(&splits(plain)) && part.len() == splits(plain).len() + 1);
    let kept = "import ssb/KJOENN as k\nimport ssb/BOSTED 2020-01-01 as b\nkeep if k == \"1\"\ntabulate k b";
    assert_eq!(splits(kept), splits(plain));
    let [one, other] =
        ["1", "2"].map(|seed| splits(&format!("import ssb/KJOENN as k\nsample 0.5 {seed}\ntabulate k")));
    assert!(one.is_disjoint(&other));
    let summed = splits("import ssb/KJOENN as k\nimport ssb/LONN 2021-05-01 as l\ntabulate k, summarize(l)");
    let counted = splits("import ssb/KJOENN as k\ntabulate k");
    assert!(counted.is_subset(&summed) && summed.len() == counted.len() + 2);
}
