//! Protected output equals the reference, byte for byte.

use std::cell::RefCell;

use kobling_model::table::{Cell, Statistics};
use kobling_proto::platform::v1::JobState;
use kobling_tests::dice::Dice;
use kobling_tests::reference::{TrueCell, true_cells};
use kobling_tests::registers::{Mix, standard};
use kobling_tests::world::World;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::script;

/// Imports of both owners, population at the first, every variable under a short name.
const SSB_FIRST: &str = "\
import ssb/KJOENN as k
import krg/STED as s
import ssb/BOSTED 2020-01-01 as b
import krg/STADIUM as t
";

const KRG_FIRST: &str = "\
import krg/STED as s
import ssb/KJOENN as k
import krg/STADIUM as t
import ssb/BOSTED 2020-01-01 as b
";

#[test]
fn tables_over_one_owner_or_two_equal_the_reference_whoever_has_the_population() {
    let world = World::seeded(1);
    let check = |rest: &str| world.check(&script(&world, rest));
    let alone = check("import ssb/KJOENN as k\nimport ssb/BOSTED 2020-01-01 as b\ntabulate k b\ntabulate b");
    assert_eq!(alone.tables.len(), 2);
    check("import krg/STED as s\nimport krg/STADIUM as t\ntabulate s t, missing");
    for first in [SSB_FIRST, KRG_FIRST] {
        let both =
            check(&format!("{first}tabulate k s\ntabulate s k, rowpct colpct cellpct freq\ntabulate t k b"));
        assert_eq!(both.tables.len(), 3);
        // Two variables of one owner around one of the other, in every place.
        // A script for each: together they would be more cells than the smaller population's budget has.
        for table in ["k s b", "s k t, missing", "k b s t"] {
            check(&format!("{first}tabulate {table}"));
        }
    }
    check("import fhi/VEKT as v\nimport krg/STADIUM as t\ngenerate tung = v > 80\ntabulate tung t, missing");
}

#[test]
fn filters_on_either_side_or_both_equal_the_reference() {
    let world = World::seeded(2);
    for first in [SSB_FIRST, KRG_FIRST] {
        world.check(&script(
            &world,
            &format!(
                "{first}tabulate k s if b != \"D\"\ntabulate k s if t >= 2\ntabulate s k if t < 4 & b != \"A\" & k == \"1\"\n\
                 tabulate k s if sysmiss(t)\nkeep if b != \"C\"\ntabulate k s\ndrop if t == 4\ntabulate k s if b == \"A\""
            ),
        ));
    }
}

#[test]
fn units_that_the_second_owner_does_not_have_count_where_the_plan_puts_them() {
    let world = World::seeded(3);
    for rest in [
        "tabulate k s, missing",
        "replace s = \"ingen\" if sysmiss(s)\ntabulate k s\ntabulate s b k",
        "generate syk = !sysmiss(s)\ntabulate syk k",
        "recode t (1 2 = 1 tidlig) (3 4 = 2 sen) (missing = 9 ukjent missing)\ntabulate t k\ntabulate k t if t != 2",
        "tabulate k if sysmiss(s)",
        "tabulate k if t != 3",
        "tabulate k b if sysmiss(s), missing",
    ] {
        world.check(&script(&world, &format!("{SSB_FIRST}{rest}")));
    }
}

#[test]
fn made_variables_labels_and_dates_equal_the_reference() {
    let world = World::seeded(4);
    for rest in [
        "import ssb/LONN 2021-05-01 as l\nrecode l (min/300000 = 1 lav) (300001/max = 2 \"ganske høy\")\n\
         import krg/DIAGNOSE as dg\ngenerate kv = quarter(dg)\ntabulate l kv\ntabulate kv l if year(dg) != 2013, missing",
        "import ssb/FODT as f\ngenerate tiår = floor(year(f) / 10)\nrecode tiår (min/196 = 1 før) (197/max = 2 etter)\n\
         import krg/STADIUM as t\ntabulate tiår t if month(f) <= 6 | dow(f) == 7, missing",
        "import ssb/SIVSTAND 2020-06-01 as siv\nimport krg/STED as s\ndefine-labels l 1 ugift 2 gift 3 skilt\n\
         assign-labels siv l\ntabulate siv s\nreplace siv = 2 if siv == 9\ntabulate siv s, nolabels",
        "import ssb/KJOENN as k\nimport fhi/DOSER 2020-06-01 as doser\nreplace doser = 0 if sysmiss(doser)\n\
         tabulate k doser\ntabulate doser k if doser >= 1",
        "import krg/STED as s\nimport fhi/VEKT as v\ngenerate gruppe = round(v, 20)\n\
         recode gruppe (min/60 = 1) (nonmissing = 2) (missing = 3)\ngenerate organ = substr(s, 2, 1)\n\
         replace organ = \"?\" if startswith(s, \"C5\")\ntabulate organ gruppe",
    ] {
        world.check(&script(&world, rest));
    }
}

#[test]
fn sums_and_means_over_one_owner_or_two_equal_the_reference() {
    let world = World::seeded(21);
    let wages = "import ssb/LONN 2021-05-01 as l\n";
    let alone = world.check(&script(
        &world,
        &format!(
            "import ssb/KJOENN as k\n{wages}tabulate k, summarize(l)\ntabulate k, summarize(l) mean std sum freq\n\
             summarize l\nsummarize l if k == \"1\""
        ),
    ));
    assert_eq!(alone.tables.len(), 4);
    let shown = alone.tables.iter().filter_map(|table| table.summary.as_ref());
    assert!(shown.flat_map(|summary| &summary.cells).any(Option::is_some), "a case where all is hidden");
    for first in [SSB_FIRST, KRG_FIRST] {
        let both = world.check(&script(
            &world,
            &format!(
                "{first}{wages}tabulate k s, summarize(l) mean std sum\ntabulate s, summarize(l)\n\
                 tabulate k s, summarize(t) std mean missing\ntabulate k, summarize(t) sum\nsummarize t l"
            ),
        ));
        assert_eq!(both.tables.len(), 6);
        let shown = both.tables.iter().filter_map(|table| table.summary.as_ref());
        assert!(shown.flat_map(|summary| &summary.cells).any(Option::is_some), "a case where all is hidden");
    }
}

#[test]
fn values_made_of_others_and_of_missing_ones_equal_the_reference() {
    let world = World::seeded(22);
    for rest in [
        // Units that the second owner does not have get a value by the plan.
        "replace t = 0 if sysmiss(t)\ntabulate k, summarize(t) mean std sum\nsummarize t",
        "generate syk = !sysmiss(s)\ntabulate k b, summarize(syk) mean sum\ntabulate b if k == \"2\", summarize(syk)",
        "replace t = 7.25 if sysmiss(t)\ntabulate k s, summarize(t) mean std missing",
        // Negative, scaled and fractional values.
        "import ssb/LONN 2021-05-01 as l\ngenerate m = 1000 - l * 3\ntabulate s, summarize(m) mean std sum",
        "import ssb/LONN 2021-05-01 as l\ngenerate q = l / 7\ntabulate k s, summarize(q) mean std sum\nsummarize q",
        "import ssb/FODT as f\ntabulate s, summarize(f) mean std",
        "import krg/DIAGNOSE as dg\ngenerate år = year(dg) - 2000\ntabulate k, summarize(år) std sum",
        // A constant.
        "generate en = 1\ntabulate k s, summarize(en) mean std sum",
    ] {
        world.check(&script(&world, &format!("{SSB_FIRST}{rest}")));
    }
    world.check(&script(
        &world,
        "import fhi/VEKT as v\nimport krg/STADIUM as t\ntabulate t, summarize(v) mean std sum missing\nsummarize v t",
    ));
}

#[test]
fn a_column_in_other_units_or_from_another_zero_has_the_same_noise_and_no_other_column_has() {
    let world = World::seeded(23);
    let columns = ["l", "l * 10", "l * 8 - 100000000", "0 - l", "rowmin(l, 999999)"];
    let made = (1..)
        .zip(columns)
        .map(|(at, column)| format!("generate x{at} = {column}\ntabulate k s, summarize(x{at}) sum\n"));
    let text =
        script(&world, &format!("{SSB_FIRST}import ssb/LONN 2021-05-01 as l\n{}", made.collect::<String>()));
    let ran = world.check(&text);
    let plan = world.plan(&text);
    let (registers, keys) = (world.registers(), world.keys());
    // How far each cell's sum lies from the truth, in widths of the column.
    let errors: Vec<Vec<Option<f64>>> =
        (ran.tables.iter().zip(plan.questions.iter().filter(|of| of.value().is_some())))
            .map(|(table, question)| {
                let coding = question.value().expect("a value").coding;
                let cells = true_cells(question, &registers, &keys.record_key_secret);
                let summary = table.summary.as_ref().expect("a summary");
                let error = |((shown, count), cell): ((&Option<Statistics>, &Cell), &TrueCell)| {
                    // Above the lower bound: what a constant adds is known, with the count that is shown.
                    let Cell::Count(count) = count else { return None };
                    let above = shown.as_ref()?.sum? - coding.from.0 * *count as f64;
                    let truth = cell.sum - i128::from(coding.low) * i128::from(cell.count);
                    Some((above - coding.value(truth as f64)) / coding.value(coding.width() as f64))
                };
                summary.cells.iter().zip(&table.cells).zip(&cells).map(error).collect()
            })
            .collect();
    let [plain, tenfold, moved, negated, clipped] = &errors[..] else { panic!("five tables") };
    let pairs = |of: &[Option<f64>]| {
        plain.iter().zip(of).filter_map(|(a, b)| Some(((*a)?, (*b)?))).collect::<Vec<_>>()
    };
    assert!(pairs(plain).len() >= 6, "a case where all is hidden");
    for same in [tenfold, moved] {
        // But for rounding.
        assert!(pairs(same).iter().all(|(a, b)| (a - b).abs() < 0.001), "{plain:?} {same:?}");
    }
    // Attack 14: were the noise of −x that of x, half their difference would be the true sum, to the noise of the count.
    let size = |of: &[f64]| (of.iter().map(|x| x * x).sum::<f64>() / of.len() as f64).sqrt();
    let all: Vec<f64> = plain.iter().flatten().copied().collect();
    let halves: Vec<f64> = pairs(negated).iter().map(|(a, b)| (a - b) / 2.0).collect();
    assert!(size(&halves) > 0.3 * size(&all), "{} of {}", size(&halves), size(&all));
    let clipped: Vec<f64> = pairs(clipped).iter().map(|(a, b)| a - b).collect();
    assert!(size(&clipped) > 0.3 * size(&all), "{} of {}", size(&clipped), size(&all));
}

#[test]
fn small_cells_are_suppressed_and_tables_of_small_cells_and_small_populations_are_refused() {
    let world = World::seeded(5);
    let rare =
        "import ssb/KJOENN as k\nimport ssb/SJELDEN as sj\nimport krg/STED as s\nimport krg/STADIUM as t\n";
    let shown =
        world.check(&script(&world, &format!("{rare}tabulate sj s, missing\ntabulate k sj t, missing")));
    assert!(
        shown.tables.iter().any(|table| table.cells.contains(&Cell::Suppressed)),
        "a case without small cells"
    );
    let small =
        world.check(&script(&world, &format!("{rare}tabulate k s\nkeep if sj == \"r1\"\ntabulate k s")));
    assert_eq!((small.state(), small.problem().code.as_str()), (JobState::Refused, "population-floor"));
    assert_eq!((small.tables.len(), small.job.line), (1, 10), "what came before the refusal stays");
    // A dozen groups of three people each: with noise, most of them are small and some are shown as nobody.
    let strict = World::of(standard(Mix::of(5)))
        .policy("ssb", "small_cells_percent_max = 50", "small_cells_percent_max = 5")
        .found();
    let refused = strict.check(&script(&strict, &format!("{rare}tabulate sj")));
    assert_eq!((refused.state(), refused.problem().code.as_str()), (JobState::Refused, "small-cells"));
    assert!(refused.tables.is_empty());
}

#[test]
fn where_two_nodes_are_enrolled_the_broker_deals_and_the_tables_are_the_same() {
    let world = World::of_two(6);
    for first in [SSB_FIRST, KRG_FIRST] {
        world
            .check(&script(&world, &format!("{first}tabulate k s, missing\ntabulate t b k if s != \"C18\"")));
    }
    world.check(&script(&world, "import krg/STED as s\ntabulate s"));
}

#[test]
fn of_each_rule_the_strictest_owner_wins() {
    let world = World::of(standard(Mix::of(7)))
        .policy("krg", "small_cell_units_max = 4", "small_cell_units_max = 60")
        .policy("ssb", "small_cells_percent_max = 50", "small_cells_percent_max = 40")
        .found();
    let result = world.check(&script(&world, &format!("{SSB_FIRST}tabulate k s, missing\ntabulate s b t")));
    let cells = || result.tables.iter().flat_map(|table| &table.cells);
    assert!(cells().all(|cell| !matches!(cell, Cell::Count(1..=60))));
    assert!(result.state() == JobState::Refused || cells().any(|cell| *cell == Cell::Suppressed));
}

#[test]
fn the_registers_of_the_demo_equal_the_reference() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = kobling_synth::Config { people: 4000, seed: 11 };
    kobling_synth::write_registers(&config, folder.path()).expect("written");
    let mut founding = World::of(standard(Mix::of(8)));
    for owner in ["ssb", "krg", "fhi"] {
        founding = founding.registers_in(owner, &folder.path().join(owner));
    }
    let world = founding.found();
    world.check(&script(
        &world,
        "import ssb/BEFOLKNING_KJOENN as kjønn\nimport ssb/SIVSTANDFDT_SIVSTAND 2022-01-01 as sivstand\n\
         import krg/KRG_LOKALISASJON as sted\nimport fhi/SYSVAK_COVID19_DOSE 2021-12-31 as dose\n\
         import ssb/NUDB_BU 2021-10-01 as utd\ngenerate nivå = substr(utd, 1, 1)\n\
         generate kreft = !sysmiss(sted)\ntabulate kjønn sivstand\ntabulate kreft kjønn\n\
         tabulate dose kjønn, missing\ntabulate kjønn if kreft & nivå != \"7\", missing",
    ));
}

#[test]
fn the_same_question_has_one_answer_after_restarts_and_for_anybody() {
    let mut world = World::seeded(9);
    let question = script(&world, &format!("{SSB_FIRST}tabulate k s b, missing"));
    let first = world.check(&question).bytes();
    for round in 0..4 {
        match round {
            0 => world.restart_broker(),
            1 => world.restart_node("krg"),
            2 => world.restart_node("ssb"),
            _ => drop(world.new_session()),
        }
        for _ in 0..2 {
            assert_eq!(world.run(&question).bytes(), first, "round {round}");
        }
    }
    let findings = world.reconciled().1;
    assert!(findings.is_empty(), "{findings:?}");
}

#[test]
fn the_same_population_in_other_words_has_the_same_noise() {
    let world = World::seeded(10);
    let ends = [
        "tabulate k s if b != \"D\" & !sysmiss(b)",
        "tabulate k s if inlist(b, \"A\", \"B\", \"C\")",
        "tabulate k s if b == \"C\" | b == \"B\" | b == \"A\"",
        "tabulate k s if b < \"D\"",
        "tabulate k s if b <= \"C\" & substr(b, 1, 1) != \"D\"",
        "keep if b < \"D\"\ntabulate k s",
        "drop if b == \"D\" | sysmiss(b)\ntabulate k s",
        "generate med = b != \"D\" & length(b) == 1\nkeep if med\ntabulate k s",
        "recode b (\"D\" = .)\nkeep if !sysmiss(b)\ntabulate k s",
        // Conditions that always hold.
        "tabulate k s if b < \"D\" & 1 == 1",
        "tabulate k s if b < \"D\" & (k == \"1\" | k != \"1\")",
        "tabulate k s if b < \"D\" & (sysmiss(t) | t * 0 == 0)",
        "tabulate k s if b < \"D\" & (t < 3 | t >= 3 | sysmiss(t))",
        // Another column of the same values.
        "generate k2 = lower(trim(k))\ngenerate s2 = upper(s)\ntabulate k2 s2 if b < \"D\"",
    ];
    let cells: Vec<Vec<Cell>> = (ends.iter())
        .map(|end| {
            let result = world.check(&script(&world, &format!("{SSB_FIRST}{end}")));
            result.tables.last().unwrap_or_else(|| panic!("{end}: {:?}", result.job)).cells.clone()
        })
        .collect();
    for (end, cells_of_end) in ends.iter().zip(&cells) {
        assert_eq!(cells_of_end, &cells[0], "{end}");
    }
}

/// A variable as a random script uses it.
struct Column {
    import: &'static str,
    derive: &'static str,
    table: &'static str,
    conditions: &'static [&'static str],
}

impl Column {
    /// A name to sum, where the column has numbers.
    fn number(&self) -> Option<&'static str> {
        match self.import {
            "ssb/LONN 2021-05-01 as l" => Some("lønn"),
            "ssb/FODT as f" => Some("f"),
            "krg/STADIUM as t" => Some("t"),
            "krg/DIAGNOSE as dg" => Some("dg"),
            "fhi/DOSER 2020-06-01 as doser" => Some("doser"),
            "fhi/VEKT as v" => Some("v"),
            _ => None,
        }
    }
}

const fn column(
    import: &'static str,
    derive: &'static str,
    table: &'static str,
    conditions: &'static [&'static str],
) -> Column {
    Column { import, derive, table, conditions }
}

const COLUMNS: [&[Column]; 3] = [
    &[
        column("ssb/KJOENN as k", "", "k", &["k == \"1\"", "k != \"1\""]),
        column(
            "ssb/BOSTED 2020-01-01 as b",
            "",
            "b",
            &["b == \"A\" | b == \"C\"", "b != \"B\"", "!sysmiss(b)"],
        ),
        column(
            "ssb/BOSTED 2021-01-01 as c",
            "replace c = \"ukjent\" if sysmiss(c)",
            "c",
            &["c > \"A\"", "c != \"ukjent\""],
        ),
        column("ssb/SIVSTAND 2020-06-01 as siv", "", "siv", &["siv >= 2", "inlist(siv, 1, 9)", "siv != 3"]),
        column(
            "ssb/LONN 2021-05-01 as l",
            "generate lønn = l\nrecode l (min/300000 = 1 lav) (300001/max = 2 høy)",
            "l",
            &["l == 2", "l < 2 | sysmiss(l)"],
        ),
        column(
            "ssb/FODT as f",
            "generate ung = year(f) >= 1975",
            "ung",
            &["month(f) <= 6", "f > -5000", "dow(f) != 1"],
        ),
    ],
    &[
        column("krg/STED as s", "", "s", &["s != \"C34\"", "s == \"C50\" | sysmiss(s)"]),
        column(
            "krg/STADIUM as t",
            "recode t (1 2 = 1 tidlig) (missing = 0 ukjent)",
            "t",
            &["t >= 1", "t != 3"],
        ),
        column("krg/DIAGNOSE as dg", "generate kv = quarter(dg)", "kv", &["dg > 16000", "year(dg) != 2013"]),
    ],
    &[
        column(
            "fhi/DOSER 2020-06-01 as doser",
            "replace doser = 0 if sysmiss(doser)",
            "doser",
            &["doser >= 1", "doser != 2"],
        ),
        column("fhi/VEKT as v", "generate tung = v > 80", "tung", &["v < 90", "tung"]),
    ],
];

/// A script over one, two or three owners.
fn random_script(world: &World, dice: &mut Dice) -> String {
    let owners = world.federation.nodes.len();
    let first = dice.below(owners);
    let second = (first + 1 + dice.below(owners - 1)) % owners;
    let mut columns: Vec<&Column> = Vec::new();
    // Where there is a third owner, it takes part as often as not.
    let third = (0..owners).find(|owner| *owner != first && *owner != second);
    let third = third.filter(|_| dice.percent(50)).map(|owner| (owner, 1 + dice.below(2)));
    for (owner, most) in [(first, 3), (second, dice.below(3))].into_iter().chain(third) {
        for _ in 0..most {
            let column = dice.one(COLUMNS[owner]);
            if !columns.iter().any(|known| known.import == column.import) {
                columns.push(column);
            }
        }
    }
    // The first import stays the first; the others come in any order.
    for at in 2..columns.len() {
        columns.swap(at, 1 + dice.below(at));
    }
    let mut rest = String::new();
    for column in &columns {
        rest += &format!("import {}\n", column.import);
    }
    for column in columns.iter().filter(|column| !column.derive.is_empty()) {
        rest += &format!("{}\n", column.derive);
    }
    for _ in 0..2 {
        let mut conditions: Vec<&str> = Vec::new();
        for _ in 0..dice.below(3) {
            let column = dice_column(&columns, dice);
            conditions.push(*dice.one(column.conditions));
        }
        let wrapped: Vec<String> = conditions.iter().map(|condition| format!("({condition})")).collect();
        let variables: Vec<&str> =
            (0..1 + dice.below(3)).map(|_| dice_column(&columns, dice).table).collect();
        let suffix = if wrapped.is_empty() { String::new() } else { format!(" if {}", wrapped.join(" & ")) };
        let mut options = if dice.percent(50) { " missing" } else { "" }.to_owned();
        if let (true, Some(number)) = (dice.percent(60), dice_column(&columns, dice).number()) {
            let shown = *dice.one(&["", " mean std", " sum mean freq", " std sum"]);
            options += &format!(" summarize({number}){shown}");
        }
        let options = if options.is_empty() { options } else { format!(",{options}") };
        rest += &format!("tabulate {}{suffix}{options}\n", variables.join(" "));
        if dice.percent(30) && !wrapped.is_empty() {
            rest += &format!("keep if {}\n", wrapped.join(" & "));
        }
    }
    script(world, &rest)
}

fn dice_column<'a>(columns: &[&'a Column], dice: &mut Dice) -> &'a Column {
    columns[dice.below(columns.len())]
}

/// Worlds that a failing case may be made simpler in.
const SHRINK_STEPS: u32 = 4;

#[test]
fn random_registers_splits_filters_missing_values_and_restarts_equal_the_reference() {
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { Config::default().cases } else { 6 };
    let config =
        Config { cases, max_shrink_iters: SHRINK_STEPS, failure_persistence: None, ..Config::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mixes = (any::<u64>(), 1100..2600_usize, 20..100_usize, 0..900_usize, 0..35_usize, 2..=3_usize);
    let answered = RefCell::new(0);
    let ran = TestRunner::new_with_rng(config, rng).run(
        &mixes,
        |(seed, people, overlap, strangers, missing, owners)| {
            let mut registers = standard(Mix { seed, people, overlap, strangers, missing });
            registers.truncate(owners);
            let mut world = World::of(registers).found();
            let mut dice = Dice::seeded(seed);
            for _ in 0..3 {
                let question = random_script(&world, &mut dice);
                let before = world.check(&question);
                *answered.borrow_mut() += before.tables.len();
                let restarted = dice.below(owners + 1);
                match world.federation.nodes.get(restarted).map(|node| node.id.to_string()) {
                    Some(node) => world.restart_node(&node),
                    None => world.restart_broker(),
                }
                prop_assert_eq!(world.run(&question).bytes(), before.bytes());
            }
            prop_assert_eq!(world.ledger.lock().expect("not poisoned").reuses(), 0);
            prop_assert!(world.reconciled().1.is_empty());
            Ok(())
        },
    );
    if let Err(failure) = ran {
        panic!("(seed, people, overlap, strangers, missing, owners) {failure}");
    }
    assert!(*answered.borrow() > 0, "every case was refused");
}
