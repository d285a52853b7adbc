//! What each party sees where three owners meet and where classes of sums are computed: as in [`super::views`], for each new operator.

use std::collections::{BTreeMap, BTreeSet};

use kobling_model::OwnerId;
use kobling_node::peer::Purpose;
use kobling_tests::tap::Message;
use kobling_tests::world::{World, id};

use super::script;
use super::views::{Shape, assert_uniform, masked, nothing_in_clear, shapes};

/// Population at ssb; krg and fhi have the rest.
const IMPORTS: &str = "import ssb/KJOENN as k\nimport ssb/BOSTED 2020-01-01 as b\nimport ssb/FODT as f\nimport krg/STED as s\n\
                       import krg/STADIUM as t\nimport krg/DIAGNOSE as dg\nimport fhi/DOSER 2020-06-01 as d\nimport fhi/VEKT as v\n";

/// A question for each operator: columns of a third owner, its value, a class of two owners' numbers, one of three, both at once,
/// and sums of what two owners' numbers add up to, the workers' and another's.
const QUESTIONS: [&str; 7] = [
    "tabulate k s d",
    "tabulate k s, summarize(v) mean std",
    "generate sen = dg - f > 14000\ntabulate sen b",
    "generate tung = round(v) + 10 * t > 70 + round(f / 1000)\ntabulate tung k",
    "generate sen = dg - f > 14000\ntabulate sen d s, missing",
    "generate dager = dg - f\ntabulate k, summarize(dager) mean std",
    "generate sum = v + 10 * t\ntabulate k, summarize(sum) mean",
];

/// In a session of its own, in which all columns travel.
fn ask(world: &World, rest: &str) -> Vec<Message> {
    world.new_session();
    world.tap.forget();
    world.check(&script(world, &format!("{IMPORTS}{rest}")));
    world.tap.messages()
}

#[test]
fn everything_that_travels_for_each_operator_is_uniform_even_where_nobody_is() {
    let world = World::seeded(81);
    for question in QUESTIONS {
        // As it stands, and with a filter that leaves nobody.
        let nobody = question.replacen("tabulate", "generate ingen = k == \"9\"\ntabulate", 1);
        let nobody = match nobody.split_once(", ") {
            Some((table, options)) => format!("{table} if ingen, {options}"),
            None => format!("{nobody} if ingen"),
        };
        for rest in [question, &nobody] {
            let bodies = masked(&ask(&world, rest));
            let mut judged = BTreeSet::new();
            for ((from, to, step), bytes) in bodies {
                if bytes.len() >= 4096 {
                    assert_uniform(&format!("{step} from {from} to {to} for {rest}"), &bytes);
                    judged.insert(step);
                }
            }
            assert!(judged.len() >= 3, "{rest}: {judged:?}");
        }
    }
    assert_eq!(world.ledger.lock().expect("not poisoned").reuses(), 0);
}

#[test]
fn names_and_sizes_for_each_operator_are_the_same_whatever_the_data_and_the_filter() {
    for question in QUESTIONS {
        let mut seen: Vec<Vec<Shape>> = Vec::new();
        for seed in [82, 83] {
            let world = World::seeded(seed);
            for filter in ["b != \"A\"", "b == \"X\"", "k == \"1\" & f > 0"] {
                let filtered = match question.split_once(", ") {
                    Some((table, options)) => format!("{table} if {filter}, {options}"),
                    None => format!("{question} if {filter}"),
                };
                let of_table = shapes(&ask(&world, &filtered)).pop().expect("a table");
                seen.push(vec![of_table]);
            }
        }
        assert!(seen.iter().all(|shapes| *shapes == seen[0]), "{question}");
    }
}

#[test]
fn an_owner_that_shares_and_deals_hears_keys_digests_offers_shapes_and_goodbye() {
    let heard = |seed: u64, filter: &str| -> BTreeMap<(OwnerId, String, String), Vec<u8>> {
        let world = World::seeded(seed);
        // fhi has a condition, so columns to share, and a number in a sum.
        let rest =
            format!("generate tung = round(v) > 20 * t + 40\ntabulate tung s if d >= 1 & {filter}, missing");
        let messages = ask(&world, &rest);
        let last = messages.iter().rev().find(|message| message.link.purpose == Purpose::Share(1));
        let attempt = last.expect("two items are shared").link.attempt;
        let to_fhi =
            messages.iter().filter(|message| message.link.attempt == attempt && message.to == id("fhi"));
        let mut steps = BTreeSet::new();
        let mut content = BTreeMap::new();
        for message in to_fhi {
            steps.insert(message.step().to_owned());
            // Keys are fresh, the digest is of a plan that has another filter, and names of sides are keyed hashes.
            if message.step() == "attempt/sides" {
                assert_eq!(message.body().len(), 3 * 16);
            } else if !["attempt/key", "attempt/agree"].contains(&message.step()) {
                let key = (message.from.clone(), message.link.purpose.to_wire(), message.step().to_owned());
                content.insert(key, message.body().to_vec());
            }
        }
        let expected = [
            "attempt/agree",
            "attempt/all-fit",
            "attempt/end",
            "attempt/key",
            "attempt/offer",
            "attempt/shape",
            "attempt/shape-length",
            "attempt/sides",
        ];
        assert_eq!(steps.into_iter().collect::<Vec<_>>(), expected);
        content
    };
    assert_eq!(heard(84, "b != \"A\""), heard(85, "k == \"9\""));
}

#[test]
fn no_message_of_any_operator_has_an_identity_number_a_column_or_an_unprotected_cell() {
    let world = World::seeded(86);
    let rest = format!(
        "{IMPORTS}import ssb/LONN 2020-05-01 as l\ntabulate k s d, missing\ngenerate sen = dg - f > 14000\ntabulate sen k s, missing\n\
         tabulate sen d, summarize(l)"
    );
    nothing_in_clear(&world, &rest);
}
