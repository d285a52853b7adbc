//! What each party sees of the others says nothing: masked where it should be, the same sizes whatever the data.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use kobling_model::plan::Side;
use kobling_model::{AttemptId, OwnerId};
use kobling_node::peer::Purpose;
use kobling_tests::reference::true_cells;
use kobling_tests::tap::{Message, Said};
use kobling_tests::world::{World, id};

use super::script;

/// How far, in standard deviations, a statistic of uniform bytes may be off. Beyond 6 is one in a billion.
const DEVIATIONS: f64 = 6.0;

/// Panics where bytes are visibly not uniform: bits, and bytes by chi-square.
pub(super) fn assert_uniform(what: &str, bytes: &[u8]) {
    assert!(bytes.len() >= 4096, "{what}: too few bytes ({}) to say anything", bytes.len());
    let bits = 8.0 * bytes.len() as f64;
    let ones: u64 = bytes.iter().map(|byte| u64::from(byte.count_ones())).sum();
    let off = (ones as f64 - bits / 2.0) / (bits / 4.0).sqrt();
    assert!(off.abs() < DEVIATIONS, "{what}: {ones} ones among {bits} bits, {off:.1} deviations off");
    let mut counts = [0_u32; 256];
    for byte in bytes {
        counts[usize::from(*byte)] += 1;
    }
    let expected = bytes.len() as f64 / 256.0;
    let square: f64 = counts.iter().map(|count| (f64::from(*count) - expected).powi(2) / expected).sum();
    let off = (square - 255.0) / (2.0_f64 * 255.0).sqrt();
    assert!(off.abs() < DEVIATIONS, "{what}: chi-square {square:.0}, {off:.1} deviations off");
}

/// Bodies of each masked step, joined, by sender, receiver and step. The opened bit is not masked and left out.
pub(super) fn masked(messages: &[Message]) -> BTreeMap<(OwnerId, OwnerId, String), Vec<u8>> {
    let mut bodies: BTreeMap<_, Vec<u8>> = BTreeMap::new();
    for (at, message) in messages.iter().enumerate() {
        let step = message.step();
        let same = |later: &&Message| {
            later.step() == step
                && later.from == message.from
                && later.to == message.to
                && later.link == message.link
        };
        let is_last = !messages[at + 1..].iter().any(|later| same(&later));
        let opened_bit = step == "protect/open" && is_last;
        if (step.starts_with("product/") || step.starts_with("protect/")) && !opened_bit {
            let key = (message.from.clone(), message.to.clone(), step.to_owned());
            bodies.entry(key).or_default().extend(message.body());
        }
    }
    bodies
}

/// Whether a step of a product has a few numbers for each cell, and none for each row: too few bytes to judge alone.
fn is_by_cell(step: &str) -> bool {
    step.starts_with("product/dealer") || step.starts_with("product/lift")
}

#[test]
fn everything_that_passes_between_workers_and_from_the_dealer_is_uniform() {
    let world = World::seeded(21);
    let imports = "import ssb/KJOENN as k\nimport ssb/BOSTED 2020-01-01 as b\nimport krg/STED as s\nimport krg/STADIUM as t\n";
    world.check(&script(&world, &format!("{imports}tabulate k b s t")));
    let bodies = masked(&world.tap.messages());
    let steps: BTreeSet<&str> = bodies.keys().map(|(_, _, step)| step.as_str()).collect();
    let all =
        ["product/left", "product/right", "product/lift/left", "product/lift/right", "product/lift/dealer"];
    assert!(all.iter().all(|step| steps.contains(step)), "{steps:?}");
    let all = ["product/dealer", "product/dealer/keys", "protect/deal", "protect/open"];
    assert!(all.iter().all(|step| steps.contains(step)), "{steps:?}");
    for ((from, to, step), bytes) in bodies {
        if !is_by_cell(&step) {
            assert_uniform(&format!("{step} from {from} to {to}"), &bytes);
        }
    }
    let corrections: Vec<u8> = (world.tap.messages().iter())
        .filter(|message| is_by_cell(message.step()))
        .flat_map(|message| message.body().to_vec())
        .collect();
    let distinct: HashSet<&[u8]> = corrections.chunks_exact(4).collect();
    assert!(distinct.len() * 100 > corrections.len() / 4 * 95, "corrections repeat");
}

#[test]
fn a_row_without_a_category_looks_like_any_other() {
    // The whole column of one side is empty: nothing of it may show at the other.
    let world = World::seeded(22);
    let imports = "import ssb/KJOENN as k\nimport krg/STED as s\n";
    world.check(&script(&world, &format!("{imports}tabulate k s if k == \"9\" & s == \"C99\"")));
    for ((from, to, step), bytes) in masked(&world.tap.messages()) {
        if step.starts_with("product/") && !is_by_cell(&step) {
            assert_uniform(&format!("{step} from {from} to {to}"), &bytes);
        }
    }
}

/// What can be seen of one attempt without reading bodies: who sent what to whom under which name and shape.
pub(super) type Shape = BTreeMap<(OwnerId, OwnerId, String), Vec<(String, u64, Vec<u64>)>>;

pub(super) fn shapes(messages: &[Message]) -> Vec<Shape> {
    let of_attempt = |purpose| matches!(purpose, Purpose::Attempt | Purpose::Share(_));
    let mut in_order: Vec<AttemptId> = Vec::new();
    let mut shapes: BTreeMap<AttemptId, Shape> = BTreeMap::new();
    for message in messages.iter().filter(|message| of_attempt(message.link.purpose)) {
        if !in_order.contains(&message.link.attempt) {
            in_order.push(message.link.attempt);
        }
        let (index, shape) = message.shape();
        let link = (message.from.clone(), message.to.clone(), message.link.purpose.to_wire());
        let of_attempt = shapes.entry(message.link.attempt).or_default();
        of_attempt.entry(link).or_default().push((message.step().to_owned(), index, shape));
    }
    in_order.into_iter().map(|attempt| shapes.remove(&attempt).expect("seen")).collect()
}

#[test]
fn sizes_and_names_of_messages_are_the_same_whatever_the_data_and_the_filter() {
    let ends = [
        "tabulate k s",
        "tabulate k s if b == \"A\"",
        "tabulate k s if b == \"A\" | b == \"B\" | k != \"7\"",
        "tabulate k s if s == \"C50\" & k == \"1\"",
        "tabulate k s if k == \"9\"",
    ];
    let mut seen: Vec<(String, Vec<Shape>)> = Vec::new();
    for seed in [23, 24] {
        let world = World::seeded(seed);
        let imports = "import ssb/KJOENN as k\nimport krg/STED as s\nimport ssb/BOSTED 2020-01-01 as b\n";
        for end in ends {
            // In a session of its own: what is asked again travels once.
            world.new_session();
            world.tap.forget();
            world.check(&script(&world, &format!("{imports}{end}")));
            seen.push((format!("{seed}: {end}"), shapes(&world.tap.messages())));
        }
    }
    let (first, expected) = &seen[0];
    assert_eq!(expected.len(), 2, "a population and a table");
    for (other, shapes) in &seen[1..] {
        assert!(shapes == expected, "{other} looks different from {first}");
    }
}

#[test]
fn sums_look_alike_whatever_the_filter_and_whoever_has_the_value() {
    let world = World::seeded(26);
    let imports = "import ssb/KJOENN as k\nimport ssb/LONN 2021-05-01 as l\nimport krg/STED as s\nimport krg/STADIUM as t\n";
    for value in ["l", "t"] {
        let of = |condition: &str| {
            world.new_session();
            world.tap.forget();
            let end = format!("tabulate k s {condition}, summarize({value}) std");
            world.check(&script(&world, &format!("{imports}{end}")));
            for ((from, to, step), bytes) in masked(&world.tap.messages()) {
                if step.starts_with("product/") && !is_by_cell(&step) {
                    assert_uniform(&format!("{step} from {from} to {to}"), &bytes);
                }
            }
            shapes(&world.tap.messages())
        };
        let all = of("");
        assert_eq!(all.len(), 2, "a population and a table");
        for condition in ["if k == \"9\"", "if s == \"C50\" & l > 400000", "if sysmiss(t)"] {
            assert!(of(condition) == all, "{condition} looks different");
        }
    }
}

#[test]
fn traffic_is_what_rows_and_categories_say() {
    let world = World::seeded(25);
    let imports = "import ssb/KJOENN as k\nimport ssb/BOSTED 2020-01-01 as b\nimport krg/STED as s\n";
    let rest = format!("{imports}tabulate k b s, missing");
    world.check(&script(&world, &rest));
    let plan = world.plan(&script(&world, &rest));
    let table = plan.questions.last().expect("a table");
    let left = table.left.categories();
    let right = table.fragment(Side::Right).expect("two owners").categories();
    let rows = 65_536;
    let bytes = |from: &str, to: &str, prefix: &str| -> usize {
        let messages = world.tap.messages();
        let of = messages.iter().filter(|message| {
            message.from == id(from) && message.to == id(to) && message.step().starts_with(prefix)
        });
        of.map(|message| message.body().len()).sum()
    };
    assert_eq!(bytes("ssb", "krg", "product/left"), rows * left * 4 * 2);
    assert_eq!(bytes("krg", "ssb", "product/right"), rows * right * 2);
    // Counts are lifted after every 16 384 rows, their wraps once.
    let (cells, stretches) = (left * right, rows / 16_384);
    assert_eq!(bytes("fhi", "krg", "product/dealer"), cells * (stretches * 2 + 3 * 2));
    assert_eq!(bytes("ssb", "krg", "product/lift"), cells * (stretches * 2 + 16));
    assert_eq!(bytes("krg", "ssb", "product/lift"), cells * (stretches * 2 + 16));
    assert_eq!(bytes("fhi", "krg", "product/lift"), cells * (2 + 16));
    assert_eq!(bytes("fhi", "ssb", "product"), 0, "nothing for a row goes to or from the dealer");
    assert_eq!(bytes("ssb", "krg", "protect/open"), bytes("krg", "ssb", "protect/open"));
    // All that was recorded is what these steps, and the small ones around them, add up to.
    let total: usize = world.tap.messages().iter().map(|message| message.body().len()).sum();
    let known: usize = ["product/", "protect/", "attempt/", "session/", "link/"]
        .iter()
        .flat_map(|prefix| {
            ["ssb", "krg", "fhi"]
                .map(|from| ["ssb", "krg", "fhi"].map(|to| bytes(from, to, prefix)).iter().sum::<usize>())
        })
        .sum();
    assert_eq!(total, known);
}

#[test]
fn a_dealer_is_told_keys_shapes_and_goodbye_and_the_shape_is_that_of_the_plan() {
    let heard = |seed: u64, end: &str| {
        let world = World::seeded(seed);
        let imports = "import ssb/KJOENN as k\nimport krg/STED as s\nimport ssb/BOSTED 2020-01-01 as b\n";
        world.check(&script(&world, &format!("{imports}tabulate k s{end}")));
        let messages = world.tap.messages();
        let table =
            messages.iter().rev().find(|message| message.step() == "product/right").expect("a product");
        let attempt = table.link.attempt;
        let to_dealer = messages.into_iter().filter(move |message| {
            message.link.attempt == attempt
                && message.to == id("fhi")
                && message.link.purpose == Purpose::Attempt
        });
        to_dealer.collect::<Vec<_>>()
    };
    let (one, other) = (heard(26, ""), heard(27, " if b != \"A\" & s != \"C18\""));
    let content = |messages: &[Message]| -> BTreeMap<(OwnerId, String), Vec<u8>> {
        let said = messages.iter().filter(|message| message.step() != "attempt/key");
        said.map(|message| ((message.from.clone(), message.step().to_owned()), message.body().to_vec()))
            .collect()
    };
    let steps: BTreeSet<&str> = one.iter().map(Message::step).collect();
    let expected = ["attempt/end", "attempt/key", "attempt/shape", "attempt/shape-length"];
    assert_eq!(steps.into_iter().collect::<Vec<_>>(), expected);
    assert_eq!(content(&one), content(&other), "what the dealer hears does not depend on data or filters");
    let keys = |messages: &[Message]| -> HashSet<Vec<u8>> {
        let keys = messages.iter().filter(|message| message.step() == "attempt/key");
        keys.map(|message| message.body().to_vec()).collect()
    };
    assert!(keys(&one).is_disjoint(&keys(&other)) && keys(&one).len() == 2, "keys are fresh");
}

#[test]
fn no_message_has_an_identity_number_a_column_or_an_unprotected_cell() {
    let imports = "import ssb/KJOENN as k\nimport krg/STED as s\nimport ssb/LONN 2020-05-01 as l\nimport krg/STADIUM as t\n";
    let rest = format!(
        "{imports}recode l (min/300000 = 1) (300001/max = 2)\ntabulate k s, missing\ntabulate l t k, missing"
    );
    nothing_in_clear(&World::seeded(28), &rest);
}

/// Runs a script and searches everything that passed between any two parties.
pub(super) fn nothing_in_clear(world: &World, rest: &str) {
    world.check(&script(world, rest));
    let mut streams: Vec<(String, Vec<u8>)> = (world.tap.messages().iter())
        .map(|message| {
            let what = format!("{} from {} to {}", message.step(), message.from, message.to);
            (what, message.body().to_vec())
        })
        .collect();
    for call in world.tap.calls() {
        streams.push((format!("a call with {}", call.node), call.said.bytes()));
    }
    assert!(streams.len() > 100, "nothing was recorded");

    let identities = world.identities();
    let texts: HashSet<&[u8]> = identities.iter().map(|identity| identity.as_bytes()).collect();
    let numbers: HashSet<u64> = identities.iter().map(|identity| identity.parse().expect("digits")).collect();
    let registers = world.registers();
    let plan = world.plan(&script(world, rest));
    let keys = world.keys();
    let mut true_counts: HashSet<u32> = HashSet::new();
    let mut needles: Vec<Vec<u8>> = Vec::new();
    for question in &plan.questions {
        let counts: Vec<u64> =
            true_cells(question, &registers, &keys.record_key_secret).iter().map(|cell| cell.count).collect();
        true_counts.extend(counts.iter().filter(|count| **count > 0).map(|count| *count as u32));
        // A row of the table, in any width and order of bytes.
        for row in counts.windows(3).filter(|row| row.iter().all(|count| *count > 0)) {
            needles.push(row.iter().flat_map(|count| (*count as u16).to_le_bytes()).collect());
            needles.push(row.iter().flat_map(|count| (*count as u32).to_le_bytes()).collect());
            needles.push(row.iter().flat_map(|count| (*count as u32).to_be_bytes()).collect());
            needles.push(row.iter().flat_map(|count| count.to_le_bytes()).collect());
        }
    }
    // A stretch of an attribute, in the order of the register.
    let wages: Vec<i64> =
        world.column("ssb", "LONN").iter().map(|wage| wage.parse().expect("a number")).collect();
    for stretch in wages.chunks_exact(4).take(100).filter(|stretch| stretch.iter().all(|wage| *wage > 0)) {
        needles.push(stretch.iter().flat_map(|wage| wage.to_le_bytes()).collect());
        needles.push(stretch.iter().flat_map(|wage| (*wage as f64).to_le_bytes()).collect());
        needles.push(stretch.iter().flat_map(|wage| (*wage as u32).to_le_bytes()).collect());
    }
    let short: HashSet<[u8; 6]> =
        needles.iter().map(|needle| needle[..6].try_into().expect("6 bytes")).collect();

    // Few random windows get past these, so that millions of them are looked at quickly.
    let most = numbers.iter().copied().max().expect("somebody");
    let mut begins = vec![false; 1 << 16];
    for needle in &short {
        begins[usize::from(u16::from_le_bytes([needle[0], needle[1]]))] = true;
    }
    for (what, bytes) in &streams {
        for window in bytes.windows(11).filter(|window| window.iter().all(u8::is_ascii_digit)) {
            assert!(!texts.contains(window), "{what} has an identity number as text");
        }
        for window in bytes.windows(8) {
            let window: [u8; 8] = window.try_into().expect("8 bytes");
            let found = [u64::from_le_bytes(window), u64::from_be_bytes(window)];
            let found = found.iter().any(|number| *number <= most && numbers.contains(number));
            assert!(!found, "{what} has an identity number");
        }
        for (at, window) in bytes.windows(6).enumerate() {
            if !begins[usize::from(u16::from_le_bytes([window[0], window[1]]))] {
                continue;
            }
            let window: [u8; 6] = window.try_into().expect("6 bytes");
            if short.contains(&window) {
                let here = &bytes[at..];
                assert!(!needles.iter().any(|needle| here.starts_with(needle)), "{what} has clear values");
            }
        }
    }
    // A share is uniform in 2³²: that one of a few dozen equals one of a few dozen counts has a chance of 10⁻⁶.
    for call in world.tap.calls() {
        if let Said::Partial(_, words) = &call.said {
            assert!(
                !words.iter().any(|word| true_counts.contains(word)),
                "a partial aggregate has a true count"
            );
        }
    }
}

#[test]
fn no_token_of_one_session_comes_again_in_another() {
    let mut world = World::seeded(29);
    let question = script(&world, "import ssb/KJOENN as k\nimport krg/STED as s\ntabulate k s");
    let mut sessions: BTreeMap<_, Vec<HashSet<[u8; 16]>>> = BTreeMap::new();
    for round in 0..3 {
        if round == 2 {
            world.restart_node("ssb");
        }
        world.new_session();
        world.run(&question);
    }
    for call in world.tap.calls() {
        if let (Some(session), Said::Tokens(tokens)) = (call.session, &call.said) {
            assert!(tokens.is_sorted(), "their order must say nothing");
            sessions.entry(session).or_default().push(tokens.iter().copied().collect());
        }
    }
    assert_eq!(sessions.len(), 3);
    let mut seen: HashSet<[u8; 16]> = HashSet::new();
    for (session, of_nodes) in &sessions {
        assert_eq!(of_nodes.len(), 3, "three linking nodes in {session}");
        // Every owner has more tokens than units, and owners share more than the people they share.
        assert!(of_nodes[0].intersection(&of_nodes[1]).count() > 500);
        let tokens: HashSet<[u8; 16]> = of_nodes.iter().flatten().copied().collect();
        assert!(seen.is_disjoint(&tokens), "a token of {session} is known from another session");
        seen.extend(tokens);
    }
}

#[test]
fn row_numbers_are_a_fresh_injection_into_whole_blocks() {
    let world = World::seeded(30);
    let question = script(&world, "import ssb/KJOENN as k\nimport krg/STED as s\ntabulate k s");
    for _ in 0..2 {
        world.new_session();
        world.run(&question);
    }
    let mut of_ssb = Vec::new();
    for call in world.tap.calls() {
        if let Said::Rows(numbers, rows) = &call.said {
            let distinct: HashSet<u32> = numbers.iter().copied().collect();
            assert_eq!((distinct.len(), rows % 65_536), (numbers.len(), 0));
            assert!(numbers.iter().all(|number| u64::from(*number) < *rows));
            // Spread over all rows: the mean of uniform numbers is within six deviations.
            let mean = numbers.iter().map(|number| f64::from(*number)).sum::<f64>() / numbers.len() as f64;
            let deviation = *rows as f64 / 12_f64.sqrt() / (numbers.len() as f64).sqrt();
            assert!((mean - *rows as f64 / 2.0).abs() < DEVIATIONS * deviation);
            if call.node == id("ssb") {
                of_ssb.push(numbers.clone());
            }
        }
    }
    assert_eq!(of_ssb.len(), 2);
    assert_ne!(of_ssb[0], of_ssb[1]);
}
