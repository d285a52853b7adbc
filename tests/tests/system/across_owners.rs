//! Columns and conditions over several owners' values.

use kobling_tests::registers::{Mix, standard};
use kobling_tests::world::World;

use super::script;

/// Imports of all owners under short names; the population at each in turn.
const IMPORTS: [&str; 3] = [
    "import ssb/KJOENN as k\nimport ssb/BOSTED 2020-01-01 as b\nimport ssb/LONN 2021-05-01 as l\nimport ssb/FODT as f\n\
     import krg/STED as s\nimport krg/STADIUM as t\nimport krg/DIAGNOSE as dg\nimport fhi/DOSER 2020-06-01 as d\nimport fhi/VEKT as v\n",
    "import krg/STED as s\nimport krg/STADIUM as t\nimport krg/DIAGNOSE as dg\nimport ssb/KJOENN as k\n\
     import ssb/BOSTED 2020-01-01 as b\nimport ssb/LONN 2021-05-01 as l\nimport ssb/FODT as f\nimport fhi/DOSER 2020-06-01 as d\nimport fhi/VEKT as v\n",
    "import fhi/VEKT as v\nimport fhi/DOSER 2020-06-01 as d\nimport ssb/KJOENN as k\nimport krg/STED as s\nimport krg/STADIUM as t\n\
     import krg/DIAGNOSE as dg\nimport ssb/BOSTED 2020-01-01 as b\nimport ssb/LONN 2021-05-01 as l\nimport ssb/FODT as f\n",
];

#[test]
fn conditions_joined_by_or_and_negated_equal_the_reference() {
    // Enough of everything that no table is refused, whatever the noise.
    let world = World::of(standard(Mix { people: 6000, strangers: 500, missing: 25, ..Mix::of(71) })).found();
    for imports in IMPORTS {
        let ran = world.check(&script(
            &world,
            &format!(
                "{imports}tabulate k if b == \"A\" | t >= 3\ntabulate s if !(k == \"1\" & t < 3), missing\n\
                 tabulate k s if (b == \"B\" & d >= 1) | (v > 80 & t != 2)\n\
                 generate syk_eller_vaksinert = !sysmiss(t) | d > 0\ntabulate syk_eller_vaksinert k\n\
                 keep if k == \"2\" | v < 100\ntabulate b s if sysmiss(v) | sysmiss(t)\ndrop if b == \"D\" & t == 1\ntabulate b"
            ),
        ));
        assert_eq!(ran.tables.len(), 6);
    }
}

#[test]
fn functions_of_few_values_of_several_owners_equal_the_reference() {
    let world = World::seeded(72);
    for imports in IMPORTS {
        let ran = world.check(&script(
            &world,
            &format!(
                "{imports}generate sum = t + d\nrecode sum (min/2 = 1 lav) (3/max = 2 høy)\ntabulate sum k\n\
                 generate likt = t == d\ntabulate likt k, missing\ngenerate produkt = t * d\n\
                 recode produkt (0 = 0) (1/3 = 1) (4/max = 2) (missing = 9)\ntabulate produkt\n\
                 generate mest = rowmax(t, d)\nrecode mest (min/1 = 1) (2/max = 2)\ntabulate mest k\n\
                 generate gruppe = 1 if t >= 3\nreplace gruppe = 2 if d >= 2\nreplace gruppe = 3 if sysmiss(gruppe)\ntabulate gruppe s"
            ),
        ));
        assert_eq!(ran.tables.len(), 5);
    }
}

#[test]
fn classes_of_differences_of_dates_and_numbers_equal_the_reference() {
    let world = World::seeded(73);
    for imports in IMPORTS {
        let ran = world.check(&script(
            &world,
            &format!(
                "{imports}generate alder = floor((dg - f) / 365.25)\n\
                 recode alder (min/19 = 1 ung) (20/39 = 2) (40/59 = 3) (60/max = 4 gammel)\ntabulate alder\ntabulate alder k, missing\n\
                 tabulate k s if dg - f > 15000\ngenerate tung = round(v) > 20 * t + 40\ntabulate tung k\n\
                 generate rik = l > 10000 * round(v) - 300000\ntabulate rik b if dg > f + 12000, missing"
            ),
        ));
        assert_eq!(ran.tables.len(), 5);
    }
}

#[test]
fn a_column_over_several_owners_goes_with_sums_and_means() {
    let world = World::seeded(74);
    for imports in IMPORTS {
        let ran = world.check(&script(
            &world,
            &format!(
                "{imports}generate alder = floor((dg - f) / 365.25)\nrecode alder (min/39 = 1) (40/max = 2)\n\
                 tabulate alder, summarize(l) mean sum\ntabulate alder s, summarize(v) mean std freq\n\
                 summarize t if l > 400000 | d > 1\ntabulate k if dg - f > 10000, summarize(t)"
            ),
        ));
        assert_eq!(ran.tables.len(), 4);
        let shown = ran.tables.iter().filter_map(|table| table.summary.as_ref());
        assert!(shown.flat_map(|summary| &summary.cells).any(Option::is_some), "a case where all is hidden");
    }
}

#[test]
fn the_same_units_in_words_over_several_owners_have_the_same_noise() {
    let world = World::seeded(75);
    let cells = |rest: &str| {
        let ran = world.check(&script(&world, &format!("{}{rest}", IMPORTS[0])));
        ran.tables.last().expect("a table").cells.clone()
    };
    let plain = cells("tabulate k s if t >= 3");
    assert_eq!(cells("tabulate k s if t >= 3 & (k == \"1\" | t > 0)"), plain);
    assert_eq!(cells("tabulate k s if !(t < 3 | sysmiss(t) | (t > 100 & b == \"A\"))"), plain);
    assert_eq!(cells("tabulate k s if t >= 3 & (dg - f > -100000 | sysmiss(dg) | sysmiss(f))"), plain);
}

#[test]
fn where_two_nodes_are_enrolled_the_broker_deals_for_classes_too() {
    let world = World::of_two(76);
    let imports =
        "import ssb/KJOENN as k\nimport ssb/FODT as f\nimport krg/STADIUM as t\nimport krg/DIAGNOSE as dg\n";
    world.check(&script(
        &world,
        &format!("{imports}generate sen = dg - f > 14000\ntabulate sen k\ntabulate t if k == \"1\" | dg - f > 16000"),
    ));
    assert_eq!(world.ledger.lock().expect("not poisoned").reuses(), 0);
}

#[test]
fn sums_and_means_of_several_owners_numbers_equal_the_reference() {
    let world = World::seeded(77);
    for imports in IMPORTS {
        let ran = world.check(&script(
            &world,
            &format!(
                "{imports}generate sum = l + 1000 * v\ntabulate k, summarize(sum) mean std sum freq\n\
                 generate dager = dg - f\ntabulate s b if t < 4, summarize(dager) mean std\nsummarize dager sum\n\
                 generate alle = l / 1000 - v + 20 * t\ntabulate k, summarize(alle) mean std\n\
                 generate noen = l if t >= 2 | d > 1\nsummarize noen\ngenerate rest = v - t if dg - f > 12000\nsummarize rest"
            ),
        ));
        assert_eq!(ran.tables.len(), 7);
        for table in &ran.tables {
            let summary = table.summary.as_ref().expect("a summary");
            assert!(summary.cells.iter().any(Option::is_some), "a case where all is hidden: {}", table.text);
        }
        assert_eq!(world.ledger.lock().expect("not poisoned").reuses(), 0);
    }
}

#[test]
fn a_sum_of_several_owners_numbers_in_other_words_has_the_same_noise_and_no_other_sum_has() {
    let world = World::seeded(78);
    let sums = |made: &str| -> Vec<Option<f64>> {
        let rest = format!("{}generate x = {made}\ntabulate k b, summarize(x) sum", IMPORTS[0]);
        let ran = world.check(&script(&world, &rest));
        let summary = ran.tables[0].summary.clone().expect("a value column");
        summary.cells.iter().map(|cell| cell.and_then(|cell| cell.sum)).collect()
    };
    let plain = sums("l + 50000 * t");
    assert!(plain.iter().flatten().count() >= 6, "a case where all is hidden: {plain:?}");
    let differs = |of: &[Option<f64>], factor: f64| {
        let pairs = plain.iter().zip(of).filter_map(|(a, b)| Some((*a)? - (*b)? / factor));
        pairs.fold(0.0, |most: f64, by| most.max(by.abs()))
    };
    let (doubled, turned) = (sums("2 * (50000 * t + l)"), sums("0 - l - 50000 * t"));
    // Half of what a sum is rounded to.
    assert!(differs(&doubled, 2.0) <= 1.0, "{plain:?} {doubled:?}");
    // Another noise: were it the same, the sum of both would be twice that of every cell, and the truth their difference.
    assert!(differs(&turned, -1.0) > 10_000.0, "{plain:?} {turned:?}");
}
