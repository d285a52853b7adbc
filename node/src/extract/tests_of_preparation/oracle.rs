//! The same held against a program in Python that knows the words of the language and pandas, and nothing of this program.

use std::collections::BTreeMap;

use kobling_model::expression::Expression;

use super::super::tests::SoMany;
use super::super::*;
use super::questions;
use crate::register::testing::{World, person};

/// Numbers that look drawn, the same every time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % u64::from(end)) as u32
    }
}

/// A drawn world: rows of each variable as they are imported, and as numbers for a program that knows no registers.
struct Drawn {
    world: World,
    registers: serde_json::Map<String, serde_json::Value>,
}

impl Drawn {
    const PEOPLE: u32 = 160;
    const YEARS: [(&str, &str); 3] =
        [("2018-01-01", "2018-12-31"), ("2019-01-01", "2019-12-31"), ("2020-01-01", "2020-12-31")];
    const DAYS: [&str; 4] = ["2011-03-01", "2013-07-15", "2016-01-31", "2019-12-24"];

    fn new() -> Self {
        let mut drawn = Self { world: World::new(), registers: serde_json::Map::new() };
        let mut dice = Dice(20_261_123);
        let people = Self::PEOPLE;
        let plain = |unit: u32, value: u32| (unit, value.to_string(), value, "", "");
        drawn.add(
            UnitType::Person,
            "BORN",
            "FIXED",
            "LONG",
            (0..people).map(|unit| plain(unit, 1800 + unit)),
        );
        let wages: Vec<_> =
            (0..people).filter(|unit| unit % 7 != 3).map(|unit| (unit, 100 * (1 + dice.below(5)))).collect();
        let wage = |(unit, wage): (u32, u32)| (unit, wage.to_string(), wage, "2020-01-01", "2020-12-31");
        drawn.add(UnitType::Person, "WAGE", "ACCUMULATED", "LONG", wages.into_iter().map(wage));
        let mut pay = Vec::new();
        for (start, stop) in Self::YEARS {
            let there: Vec<u32> = (0..people).filter(|_| dice.below(6) > 0).collect();
            for unit in there {
                let value = 10 * (1 + dice.below(60));
                pay.push((unit, value.to_string(), value, start, stop));
            }
        }
        drawn.add(UnitType::Person, "PAY", "ACCUMULATED", "LONG", pay);
        let mothers: Vec<_> = (12..people)
            .filter(|_| dice.below(4) > 0)
            .map(|unit| (unit, (unit * 7 + 3) % (unit / 2 + 5)))
            .collect();
        let mother = |(unit, mother): (u32, u32)| (unit, person(mother), mother, "", "");
        drawn.add(UnitType::Person, "MOTHER", "FIXED", "-> PERSON", mothers.into_iter().map(mother));
        // Four to a family at most, so that nothing is blurred.
        let families = (0..people)
            .filter(|unit| unit % 11 != 5)
            .map(|unit| (unit, person(1000 + unit / 4), unit / 4, "", ""));
        drawn.add(UnitType::Person, "FAMILY", "FIXED", "-> FAMILIE", families.collect::<Vec<_>>());
        let mut jobs = Vec::new();
        for unit in 0..people {
            for spell in 0..dice.below(4) {
                let ends = if spell == 2 && dice.below(2) == 0 {
                    ""
                } else {
                    ["2013-06-30", "2015-12-01", "2019-11-30"][spell as usize]
                };
                let code = dice.below(6);
                jobs.push((unit, code.to_string(), code, Self::DAYS[spell as usize], ends));
            }
        }
        drawn.add(UnitType::Person, "JOB", "EVENT", "LONG", jobs);
        let cases = 3 * people;
        let case = UnitType::KrgKrefttilfelle;
        // Four to a person at most.
        drawn.add(
            case,
            "CASE",
            "FIXED",
            "-> PERSON",
            (0..cases).map(|at| (at, person(at * 3 / 8), at * 3 / 8, "", "")),
        );
        let sizes: Vec<_> = (0..cases).filter(|at| at % 6 != 1).map(|at| plain(at, dice.below(40))).collect();
        drawn.add(case, "SIZE", "FIXED", "LONG", sizes);
        let late: Vec<_> = (0..cases).map(|at| plain(at, dice.below(2))).collect();
        drawn.add(case, "LATE", "FIXED", "LONG", late);
        drawn.world.import("1.0.0").expect("imported");
        drawn
    }

    /// Unit, value as written and as a number, first and last day.
    fn add(
        &mut self,
        unit_type: UnitType,
        name: &str,
        temporality: &str,
        data_type: &str,
        rows: impl IntoIterator<Item = (u32, String, u32, &'static str, &'static str)>,
    ) {
        let rows: Vec<_> = rows.into_iter().collect();
        let written: Vec<_> =
            rows.iter().map(|(unit, value, _, start, stop)| (*unit, value.as_str(), *start, *stop)).collect();
        self.world.dataset_of(unit_type, name, temporality, data_type, &written);
        let days = |day: &str| day.parse::<Day>().ok().map(Day::days);
        let numbers = rows
            .iter()
            .map(|(unit, _, value, start, stop)| serde_json::json!([unit, value, days(start), days(stop)]));
        self.registers.insert(name.to_owned(), numbers.collect());
    }
}

/// What a column holds at a unit.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Found {
    Number(f64),
    Text(String),
}

impl World {
    /// A column's value at each unit of the active dataset that has one; a world has so many units.
    pub(super) fn column(&self, units: u32, script: &str, name: &str, is_text: bool) -> BTreeMap<u32, Found> {
        let test = if is_text { "== \"\"" } else { "> 0" };
        let script = format!("{script}generate treff = {name} {test}\ntabulate treff\n");
        let question = questions(self, &script).pop().expect("asked");
        let left = question.left;
        let Expression::Binary(_, value, _) = &left.dimensions[0].expression else { panic!("a comparison") };
        let (units, stop) = (SoMany(units), AtomicBool::new(false));
        let work = Work::prepare(&self.store, left.clone(), question.unit_type, None).expect("prepared");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let reader = Reader::open(&work.registers).expect("opened");
        let mut tables = Vec::new();
        for draft in &work.drafts {
            tables.push(runtime.block_on(draft.make(&reader, &tables, &units, &stop)).expect("made"));
        }
        let count = units.0 as usize;
        let stretch = Stretch {
            first: 0,
            count,
            units: units.0,
            spells: None,
            tables: &tables,
            reader: &reader,
            stop: &stop,
        };
        let columns = runtime.block_on(work.takes.read(&stretch)).expect("read");
        let compiler = expression::Compiler::new(&work.takes.types).expect("a schema");
        let all: Vec<usize> = (0..columns.len()).collect();
        let batch = columns::batch(&work.takes.schema, &columns, &all, 0, count).expect("a batch");
        let compiled = |of: &Expression| compiler.compile(of).expect("compiled").0;
        let filters: Vec<_> =
            left.filters.iter().map(|filter| compiled(filter).numbers(&batch).expect("numbers")).collect();
        let holds =
            |unit: usize| filters.iter().all(|filter| filter.is_valid(unit) && filter.value(unit) != 0.0);
        let value = compiled(value);
        let found: Vec<Option<Found>> = match is_text {
            true => {
                let texts = value.texts(&batch).expect("texts");
                texts.iter().map(|text| text.map(|text| Found::Text(text.to_owned()))).collect()
            }
            false => {
                value.numbers(&batch).expect("numbers").iter().map(|one| one.map(Found::Number)).collect()
            }
        };
        let there = |unit: &usize| !columns[0].is_missing(*unit) && holds(*unit);
        let found = found.into_iter().enumerate().filter(|(unit, _)| there(unit));
        found.filter_map(|(unit, value)| value.map(|value| (unit as u32, value))).collect()
    }
}

/// Where a column differs from what is wanted of it: other units, or values that are not equal up to rounding.
pub(super) fn difference(found: &BTreeMap<u32, Found>, wanted: &BTreeMap<u32, Found>) -> Option<String> {
    let near = |one: &Found, other: &Found| match (one, other) {
        (Found::Number(one), Found::Number(other)) => (one - other).abs() <= 1e-9 * one.abs().max(1.0),
        (one, other) => one == other,
    };
    let units: std::collections::BTreeSet<&u32> = found.keys().chain(wanted.keys()).collect();
    let differs = |unit: &&&u32| !matches!((found.get(unit), wanted.get(unit)), (Some(one), Some(other)) if near(one, other));
    let differing: Vec<_> = units.iter().filter(differs).collect();
    let first = differing.first()?;
    let shown =
        |of: &BTreeMap<u32, Found>| of.get(first).map_or("missing".to_owned(), |found| format!("{found:?}"));
    Some(format!(
        "{} of {} units differ; unit {first} is {}, not {}",
        differing.len(),
        units.len(),
        shown(found),
        shown(wanted)
    ))
}

#[test]
#[ignore = "needs Python with pandas"]
fn datasets_from_others_are_what_a_program_in_python_says() {
    let drawn = Drawn::new();
    let cases =
        "create-dataset c\nimport db/SIZE as size\nimport db/LATE as late\nimport db/CASE as person\n";
    let people = "create-dataset p\nimport db/BORN as born\nimport db/WAGE 2020-06-30 as wage\nimport db/MOTHER as mother\nimport db/FAMILY as family\n";
    let mut asked: Vec<(String, String, &str)> = Vec::new();
    let statistics =
        ["mean", "min", "max", "median", "count", "sum", "semean", "sebinomial", "sd", "iqr", "gini"];
    for statistic in statistics {
        let of = if statistic == "sebinomial" { "late" } else { "size" };
        asked.push((
            format!("cases {statistic}"),
            format!("{cases}collapse ({statistic}) {of} -> x, by(person)\n"),
            "x",
        ));
        if statistic != "sebinomial" {
            asked.push((
                format!("family {statistic}"),
                format!("{people}aggregate ({statistic}) wage -> x, by(family)\n"),
                "x",
            ));
        }
    }
    asked.push(("percent".into(), format!("{cases}collapse (percent) size -> x, by(person)\n"), "x"));
    for statistic in ["mean", "count"] {
        let script = format!("{cases}keep if late == 1\ncollapse ({statistic}) size -> x, by(person)\n");
        asked.push((format!("late {statistic}"), script, "x"));
    }
    for statistic in ["mean", "sum", "median"] {
        let script =
            format!("{people}generate half = floor(born / 3)\naggregate ({statistic}) wage -> x, by(half)\n");
        asked.push((format!("halves {statistic}"), script, "x"));
    }
    let rich = "create-dataset r\nimport db/WAGE 2020-06-30 as x\nkeep if x > 250\n";
    asked.push(("mothers".into(), format!("{rich}{people}use r\nmerge x into p on mother\nuse p\n"), "x"));
    let grand = "create-dataset a\nimport db/WAGE 2020-06-30 as x\ncreate-dataset b\nimport db/MOTHER as mor\nuse a\nmerge x into b on mor\nuse b\n";
    asked.push((
        "grandmothers".into(),
        format!("{grand}{people}use b\nmerge x into p on mother\nuse p\n"),
        "x",
    ));
    let spells = "create-dataset j\nimport-event db/JOB 2012-01-01 to 2016-06-30 as jobb\ngenerate dager = STOP@jobb - START@jobb\ngenerate fra = START@jobb\n";
    for (what, statistic, of) in [
        ("count", "count", "jobb"),
        ("longest", "max", "dager"),
        ("first", "min", "fra"),
        ("sd", "sd", "jobb"),
    ] {
        let script = format!("{spells}collapse ({statistic}) {of} -> x, by(PERSONID_1)\n");
        asked.push((format!("spells {what}"), script, "x"));
    }
    let outer = "create-dataset o\nimport db/WAGE 2020-06-30 as wage, values(100 200 300)\nimport db/FAMILY as family, outer_join\n\
                 generate x = 1\nreplace x = 2 if !sysmiss(wage)\n";
    asked.push(("outer".into(), outer.into(), "x"));

    let panel =
        "create-dataset l\nimport-panel db/PAY db/FAMILY 2018-06-30 2019-06-30 2020-06-30 as pay family\n";
    for statistic in statistics {
        let of = if statistic == "sebinomial" { "(pay > 300)" } else { "pay" };
        let script = format!("{panel}generate of = {of}\ncollapse ({statistic}) of -> x, by(PERSONID_1)\n");
        asked.push((format!("panel {statistic}"), script, "x"));
    }
    let kept = "keep if pay > 150 & date@panel >= date(2019, 1, 1)\n";
    let late = format!("{panel}{kept}collapse (mean) pay -> x, by(PERSONID_1)\n");
    asked.push(("panel kept".into(), late, "x"));
    let rises = "reshape-from-panel\ngenerate x = pay2020 - pay2018\n";
    asked.push(("panel rises".into(), format!("{panel}{rises}"), "x"));
    let left = format!("{panel}{kept}reshape-from-panel\ngenerate x = rowtotal(pay2019, pay2020)\n");
    asked.push(("panel left".into(), left, "x"));
    let homes = "import db/BORN as born\ngenerate home = floor(born / 3)\naggregate (mean) pay -> mean, by(home date@panel)\n";
    asked.push((
        "panel homes".into(),
        format!("{panel}{homes}collapse (max) mean -> x, by(PERSONID_1)\n"),
        "x",
    ));
    let years = "keep if date@panel < date(2020, 1, 1)\nimport db/BORN as born\ngenerate pair = floor(born / 2)\naggregate (sum) pay -> home, by(pair)\n";
    asked.push(("panel years".into(), format!("{panel}{years}reshape-from-panel\ngenerate x = home\n"), "x"));
    let wide = "create-dataset w\nimport db/BORN as born\nimport db/PAY 2018-06-30 as pay1\nimport db/PAY 2020-06-30 as pay3\n\
                reshape-to-panel pay\ngenerate much = pay * date@panel\ncollapse (sum) much -> x, by(PERSONID_1)\n";
    asked.push(("panel wide".into(), wide.into(), "x"));
    let units = "create-dataset b\nimport db/BORN as born\nkeep if born < 1900\nclone-units b u\nuse u\n\
                 import-panel db/PAY 2018-06-30 2019-06-30 as pay\ngenerate none = sysmiss(pay)\ncollapse (sum) none -> x, by(PERSONID_1)\n";
    asked.push(("panel units".into(), units.into(), "x"));

    let day = |text: &str| text.parse::<Day>().expect("a day").days();
    let names: Vec<&str> = asked.iter().map(|(name, ..)| name.as_str()).collect();
    let years = ["2018-06-30", "2019-06-30", "2020-06-30"].map(day);
    let question = serde_json::json!({
        "registers": drawn.registers, "cases": names, "day": day("2020-06-30"), "first": day("2012-01-01"), "last": day("2016-06-30"),
        "years": years,
    });
    let driver = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/preparation.py");
    let mut python = std::process::Command::new("python");
    let (stdin, stdout) = (std::process::Stdio::piped(), std::process::Stdio::piped());
    let mut python = python.arg(driver).stdin(stdin).stdout(stdout).spawn().expect("python");
    let mut input = python.stdin.take().expect("piped");
    std::io::Write::write_all(&mut input, question.to_string().as_bytes()).expect("written");
    drop(input);
    let answered = python.wait_with_output().expect("it ends");
    assert!(answered.status.success(), "the program failed");
    let answers: BTreeMap<String, BTreeMap<u32, f64>> =
        serde_json::from_slice(&answered.stdout).expect("JSON");
    for (name, script, column) in &asked {
        let wanted: BTreeMap<_, _> =
            answers[name].iter().map(|(unit, value)| (*unit, Found::Number(*value))).collect();
        assert!(wanted.len() > 20, "{name}: {}", wanted.len());
        let found = drawn.world.column(3 * Drawn::PEOPLE, script, column, false);
        assert_eq!(difference(&found, &wanted), None, "{name}");
    }
}
