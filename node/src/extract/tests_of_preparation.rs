//! What scripts make of one owner's registers: groups, lookups, spells, draws and copies, against sums done by hand.

use std::collections::BTreeMap;

use kobling_model::catalogue::Catalogue;
use kobling_model::plan::{Question, QuestionKind};

use super::tests::SoMany;
use super::*;
use crate::register::testing::{World, person};

mod oracle;
mod public_data;

const PEOPLE: u32 = 60;
const CASES: u32 = 90;
const UNITS: u32 = 200;

const HEAD: &str = "require no.test.db:1 as db\n";

/// People with a wage, a town, a mother and jobs; cases with a stage and a person.
fn world() -> World {
    let mut world = World::new();
    let text = |value: u32| value.to_string();
    let rows = |values: &[(u32, String, &'static str, &'static str)],
                world: &mut World,
                name: &str,
                of: (UnitType, &str, &str)| {
        let rows: Vec<_> =
            values.iter().map(|(unit, value, start, stop)| (*unit, value.as_str(), *start, *stop)).collect();
        world.dataset_of(of.0, name, of.1, of.2, &rows);
    };
    let each = |value: &dyn Fn(u32) -> String, start: &'static str, stop: &'static str| -> Vec<_> {
        (0..PEOPLE).map(|unit| (unit, value(unit), start, stop)).collect()
    };
    let people = |temporality, data_type| (UnitType::Person, temporality, data_type);
    rows(&each(&|unit| text(1940 + unit), "", ""), &mut world, "BORN", people("FIXED", "LONG"));
    rows(
        &each(&|unit| text(wage(unit)), "2020-01-01", "2020-12-31"),
        &mut world,
        "WAGE",
        people("ACCUMULATED", "LONG"),
    );
    rows(
        &each(&|unit| format!("{:02}", unit % 7), "2020-01-01", "2020-01-01"),
        &mut world,
        "TOWN",
        people("STATUS", "STRING"),
    );
    // The mother of 20 and up is 20 lower.
    let mothers: Vec<_> = (20..PEOPLE).map(|unit| (unit, person(unit - 20), "", "")).collect();
    rows(&mothers, &mut world, "MOTHER", people("FIXED", "-> PERSON"));
    let jobs: Vec<_> = (0..PEOPLE)
        .flat_map(|unit| {
            let first = (unit, text(unit % 3), "2010-01-01", if unit % 2 == 0 { "2012-06-30" } else { "" });
            let second = (unit, text(9), "2015-01-01", "");
            [Some(first), (unit % 2 == 0).then_some(second)].into_iter().flatten()
        })
        .collect();
    rows(&jobs, &mut world, "JOB", people("EVENT", "LONG"));
    let cases: Vec<_> = (0..CASES).map(|case| (case, person(case % 40), "", "")).collect();
    rows(&cases, &mut world, "CASE", (UnitType::KrgKrefttilfelle, "FIXED", "-> PERSON"));
    let stages: Vec<_> =
        (0..CASES).filter(|case| case % 5 != 4).map(|case| (case, text(case % 5), "", "")).collect();
    rows(&stages, &mut world, "STAGE", (UnitType::KrgKrefttilfelle, "FIXED", "LONG"));
    world.import("1.0.0").expect("imported");
    world
}

fn wage(unit: u32) -> u32 {
    1000 * (unit + 1)
}

fn questions(world: &World, script: &str) -> Vec<Question> {
    let catalogue = Catalogue { datastores: world.store.catalogue().to_vec() };
    let plan = kobling_script::plan(&format!("{HEAD}{script}"), &catalogue);
    plan.unwrap_or_else(|diagnostics| panic!("{script}\n{diagnostics:#?}")).questions
}

impl World {
    /// The units of the active dataset of which something holds after a script, and those of which it does not.
    fn holds(&self, script: &str, what: &str) -> [Vec<u32>; 2] {
        let script = format!("{script}\ngenerate treff = {what}\ntabulate treff\n");
        let question = questions(self, &script).pop().expect("asked");
        assert!(matches!(question.kind, QuestionKind::Table(_)) && question.right.is_none());
        let store = RegisterStore::open(self.state()).expect("opened");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let extractor = Extractor::new(Arc::new(store));
        let book = Arc::new(SoMany(UNITS));
        let found =
            runtime.block_on(extractor.evaluate(&question.left, true, question.unit_type, book, None));
        let found = found.expect("evaluated").partition.into_cells();
        [1, 0].map(|category| {
            (0..).zip(&found).filter(|(_, found)| **found == category).map(|(unit, _)| unit).collect()
        })
    }

    /// The value of a column for each unit of the active dataset, one of `0..limit`.
    fn each(&self, script: &str, column: &str, limit: u32) -> BTreeMap<u32, u32> {
        let mut values = BTreeMap::new();
        for value in 0..limit {
            for unit in &self.holds(script, &format!("{column} == {value}"))[0] {
                assert_eq!(values.insert(*unit, value), None);
            }
        }
        values
    }
}

const CASES_OF_PEOPLE: &str = "create-dataset d\nimport db/STAGE as stage\nimport db/CASE as person\n";

#[test]
fn cases_become_people_with_what_their_cases_have() {
    let world = world();
    let script = format!(
        "{CASES_OF_PEOPLE}collapse (count) stage -> n (max) stage -> worst (sum) stage -> all, by(person)"
    );
    let (mut n, mut worst, mut all) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for case in (0..CASES).filter(|case| case % 5 != 4) {
        *n.entry(case % 40).or_insert(0) += 1;
        let worst = worst.entry(case % 40).or_insert(0);
        *worst = (*worst).max(case % 5);
        *all.entry(case % 40).or_insert(0) += case % 5;
    }
    assert_eq!(world.each(&script, "n", 5), n);
    assert_eq!(world.each(&script, "worst", 5), worst);
    assert_eq!(world.each(&script, "all", 12), all);
    // Whoever has no case with a stage is not there.
    let [some, none] = world.holds(&script, "n > 0");
    assert!(none.is_empty() && some.len() == n.len());
}

#[test]
fn conditions_and_other_variables_count_before_rows_are_grouped() {
    let world = world();
    let script = format!(
        "{CASES_OF_PEOPLE}generate late = stage >= 2\nkeep if late == 1\ncollapse (count) stage -> n, by(person)"
    );
    let mut n = BTreeMap::new();
    (0..CASES)
        .filter(|case| (2..4).contains(&(case % 5)))
        .for_each(|case| *n.entry(case % 40).or_insert(0) += 1);
    assert_eq!(world.each(&script, "n", 5), n);
}

#[test]
fn what_is_collapsed_joins_to_people_and_they_to_it() {
    let world = world();
    let cases = format!("{CASES_OF_PEOPLE}collapse (max) stage -> worst, by(person)\n");
    // Later imports join to the people who have cases.
    let joined = format!("{cases}import db/BORN as born\n");
    let [late, early] = world.holds(&joined, "born >= 1960");
    assert_eq!(late, (20..40).filter(|unit| unit % 5 != 4).collect::<Vec<_>>());
    assert!(early.iter().all(|unit| *unit < 20));
    // And the cases merge into all people.
    let merged =
        format!("{cases}create-dataset p\nimport db/BORN as born\nuse d\nmerge worst into p\nuse p\n");
    let [without, with] = world.holds(&merged, "sysmiss(worst)");
    assert_eq!(without.len() + with.len(), PEOPLE as usize);
    assert!(
        without.iter().all(|unit| *unit >= 40 || !(0..CASES).any(|case| case % 40 == *unit && case % 5 != 4))
    );
}

#[test]
fn a_pointer_leads_to_another_units_values() {
    let world = world();
    let script = "create-dataset m\nimport db/WAGE 2020-06-30 as wage\nkeep if wage <= 30000\n\
                  create-dataset p\nimport db/BORN as born\nimport db/MOTHER as mor\nuse m\nmerge wage into p on mor\nuse p\n";
    // The mothers of 20..50 are 0..30, who have at most 30 000.
    let [with, without] = world.holds(script, "!sysmiss(wage)");
    assert_eq!(with, (20..50).collect::<Vec<_>>());
    assert_eq!(without.len(), 30);
    let [rich, _] = world.holds(script, "wage > 20000");
    assert_eq!(rich, (40..50).collect::<Vec<_>>());
}

#[test]
fn groups_of_equal_values_lead_to_their_statistics_blurred_where_they_are_large() {
    let world = world();
    let groups = "create-dataset g\nimport db/WAGE 2020-06-30 as wage\nimport db/TOWN 2020-01-01 as town\n\
                  collapse (mean) wage -> snitt (count) wage -> n, by(town)\n";
    let target = "create-dataset p\nimport db/BORN as born\nimport db/TOWN 2020-01-01 as sted\nuse g\nmerge snitt n into p on sted\nuse p\n";
    let script = format!("{groups}{target}");
    for town in 0..7 {
        let of: Vec<u32> = (0..PEOPLE).filter(|unit| unit % 7 == town).collect();
        let mean = f64::from(of.iter().map(|unit| wage(*unit)).sum::<u32>()) / of.len() as f64;
        // Six times the width over the number of rows.
        let reach = 6.0 * 60_000.0 / of.len() as f64;
        let what = format!("snitt >= {} & snitt <= {}", mean - reach, mean + reach);
        let [near, _] = world.holds(&script, &what);
        assert!(of.iter().all(|unit| near.contains(unit)), "{town}");
        let [counted, _] = world.holds(&script, &format!("n >= {} & n <= {}", of.len() - 6, of.len() + 6));
        assert!(of.iter().all(|unit| counted.contains(unit)), "{town}");
    }
    // Small groups are exact: two people to a year of birth's half.
    let pairs = "create-dataset p\nimport db/BORN as born\nimport db/WAGE 2020-06-30 as wage\ngenerate par = floor(born / 2)\n\
                 aggregate (sum) wage -> samlet (max) wage -> mest, by(par)\n";
    assert_eq!(
        world.holds(pairs, "mest == wage")[0],
        (0..PEOPLE).filter(|unit| unit % 2 == 1).collect::<Vec<_>>()
    );
    assert_eq!(
        world.holds(pairs, "samlet - wage < wage")[0],
        (0..PEOPLE).filter(|unit| unit % 2 == 1).collect::<Vec<_>>()
    );
}

#[test]
fn spells_are_rows_until_they_are_collapsed() {
    let world = world();
    let script = "create-dataset j\nimport-event db/JOB 2011-01-01 to 2014-12-31 as jobb\nimport db/BORN as born\n\
                  generate dager = STOP@jobb - START@jobb\ngenerate gammel = born < 1970\nkeep if gammel\n\
                  collapse (count) jobb -> n (max) jobb -> kode (max) dager, by(PERSONID_1)\n";
    // Only the first job has a day in the period; it has ended for even people.
    let all: Vec<u32> = (0..30).collect();
    assert_eq!(world.holds(script, "n == 1")[0], all);
    assert_eq!(world.each(script, "kode", 3), all.iter().map(|unit| (*unit, unit % 3)).collect());
    let [ended, open] = world.holds(script, "dager == 911");
    assert_eq!(ended, (0..30).filter(|unit| unit % 2 == 0).collect::<Vec<_>>());
    assert_eq!(open.len(), 15);
    let later = "create-dataset j\nimport-event db/JOB 2012-06-30 to 2015-01-01 as jobb\ncollapse (count) jobb -> n, by(PERSONID_1)\n";
    assert_eq!(world.each(later, "n", 4), (0..PEOPLE).map(|unit| (unit, 2 - unit % 2)).collect());
}

#[test]
fn a_draw_is_the_same_for_the_same_seed_and_size_and_another_for_others() {
    let world = world();
    let drawn = |sample: &str| {
        world.holds(&format!("create-dataset d\nimport db/BORN as born\nsample {sample}\n"), "born > 0")[0]
            .clone()
    };
    let half = drawn("0.5 1");
    assert_eq!(half, drawn("0.5 1"));
    assert_ne!(half, drawn("0.5 2"));
    assert!((15..=45).contains(&half.len()), "{}", half.len());
    // There are not so many.
    assert_eq!(drawn("1001 3").len(), PEOPLE as usize);
}

#[test]
fn copies_go_their_own_ways() {
    let world = world();
    let script = "create-dataset a\nimport db/BORN as born\nkeep if born < 1960\nclone-variables born -> fødd\nclone-dataset a b\n\
                  clone-units a c\nrename-dataset c e\nuse b\nkeep if fødd >= 1950\n";
    assert_eq!(world.holds(script, "born > 0")[0], (10..20).collect::<Vec<_>>());
    assert_eq!(world.holds(&format!("{script}use a\n"), "born > 0")[0], (0..20).collect::<Vec<_>>());
    assert_eq!(
        world.holds(&format!("{script}use e\nimport db/WAGE 2020-06-30 as w\n"), "w > 10000")[0],
        (10..20).collect::<Vec<_>>()
    );
}

#[test]
fn texts_become_numbers() {
    let world = world();
    let script = "create-dataset d\nimport db/TOWN 2020-01-01 as by\ndestring by, prefix(n_)\n";
    assert_eq!(world.each(script, "n_by", 7), (0..PEOPLE).map(|unit| (unit, unit % 7)).collect());
}

#[test]
fn options_of_an_import_decide_who_is_there() {
    let world = world();
    let late = "create-dataset d\nimport db/WAGE 2020-06-30 as wage, ";
    let three = format!("{late}values(3000 5000 7000)\nimport db/BORN as born\n");
    assert_eq!(world.holds(&three, "born > 0")[0], [2, 4, 6]);
    // The mothers are 0 to 39, so that their children are 20 and up.
    let inner = "create-dataset d\nimport db/BORN as born\nimport db/MOTHER as mor, inner_join\n";
    assert_eq!(world.holds(inner, "born > 0")[0], (20..PEOPLE).collect::<Vec<_>>());
    // Those who come in anew have nothing from before.
    let outer = format!("{three}import db/TOWN 2020-01-01 as town, outer_join\n");
    let [before, others] = world.holds(&outer, "!sysmiss(born)");
    assert_eq!((before, others.len()), (vec![2, 4, 6], PEOPLE as usize - 3));
    let from = "create-dataset m\nimport db/BORN as born\nkeep if born < 1945\n\
                create-dataset d\nimport db/MOTHER as mor, values_from(m)\nimport db/BORN as born\n";
    assert_eq!(world.holds(from, "born > 0")[0], (20..25).collect::<Vec<_>>());
}

#[test]
fn parts_of_equal_size_are_among_the_units_of_the_dataset() {
    let world = world();
    let script = "create-dataset d\nimport db/WAGE 2020-06-30 as wage\nkeep if wage <= 40000\ngenerate q = quantile(wage, 4)\n";
    let parts = world.each(script, "q", 4);
    for part in 0..4 {
        let of: Vec<u32> = parts.iter().filter(|(_, of)| **of == part).map(|(unit, _)| *unit).collect();
        assert!((9..=11).contains(&of.len()), "{part}: {of:?}");
        assert!(of.windows(2).all(|pair| pair[1] == pair[0] + 1));
    }
}

#[test]
fn a_panel_is_too_large_by_its_dates_and_measures_whoever_is_in_it() {
    let world = world();
    let wide: String = (0..100).map(|at| format!("generate x{at} = born + {at}\n")).collect();
    let refused = |keep: &str, measures: usize| {
        let measured: String = (0..measures).map(|at| format!(" (mean) x -> m{at}")).collect();
        let script = format!(
            "create-dataset d\nimport db/BORN as born\n{wide}reshape-to-panel x\n{keep}\n\
             aggregate{measured}, by(born)\ngenerate treff = m0 > 0\ntabulate treff if date@panel == 7\n"
        );
        let question = questions(&world, &script).pop().expect("asked");
        let store = RegisterStore::open(world.state()).expect("opened");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let extractor = Extractor::new(Arc::new(store));
        let book = Arc::new(SoMany(UNITS));
        let found =
            runtime.block_on(extractor.evaluate(&question.left, true, question.unit_type, book, None));
        matches!(found, Err(ExtractError::TooLarge))
    };
    for keep in ["", "keep if born > 1990", "keep if born > 5000"] {
        assert!(!refused(keep, 1) && refused(keep, 40), "{keep}");
    }
}
