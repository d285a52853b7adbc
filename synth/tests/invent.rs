//! What is made from metadata alone is right, whatever the seed, the number of people and the period.
//!
//! The metadata set in `metadata/` has every temporality, data type and unit type, pointers, sentinels and codes that come
//! and go. Data is judged here by rules written on their own, on the files as they are.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use kobling_model::identity::{Identity, is_canary};
use kobling_model::unit::Naming;
use kobling_model::{Day, UnitType};
use kobling_synth::invent::{
    Faults, InventError, Period, Range, Ranges, Settings, Variable, invent, read_metadata,
};
use proptest::prelude::*;
use serde_json::Value;

fn metadata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/metadata")
}

fn variables() -> Vec<Variable> {
    read_metadata(&metadata()).expect("the set is good")
}

fn settings(people: u32, seed: u64) -> Settings {
    let period = Period::new(day("2010-01-01"), day("2023-12-31")).expect("a period");
    Settings { people, seed, period, units: BTreeMap::new(), ranges: Ranges::new() }
}

fn day(text: &str) -> Day {
    text.parse().expect("a day")
}

/// A dataset as it lies in a folder.
struct Written {
    name: String,
    json: Value,
    rows: Vec<[String; 5]>,
}

impl Written {
    fn read(folder: &Path, name: &str) -> Self {
        let file = |extension| folder.join(name).join(format!("{name}.{extension}"));
        let json = serde_json::from_slice(&fs::read(file("json")).expect("metadata")).expect("JSON");
        let csv = fs::read_to_string(file("csv")).expect("data");
        let rows = csv.lines().map(|line| {
            let fields: Vec<String> = line.split(';').map(str::to_owned).collect();
            fields.try_into().expect("five fields")
        });
        Self { name: name.to_owned(), json, rows: rows.collect() }
    }

    fn unit_type(&self) -> UnitType {
        self.json["identifierVariables"][0]["unitType"]
            .as_str()
            .expect("a text")
            .parse()
            .expect("a unit type")
    }

    fn measure(&self) -> &Value {
        &self.json["measureVariables"][0]
    }

    fn points_at(&self) -> Option<UnitType> {
        self.measure()["unitType"].as_str().map(|text| text.parse().expect("a unit type"))
    }

    /// Everything that can be judged of one dataset by itself.
    fn judge(&self, period: [Day; 2]) {
        let name = &self.name;
        assert!(!self.rows.is_empty(), "{name} is empty");
        for [id, value, _, _, attribute] in &self.rows {
            judge_identity(self.unit_type(), id);
            if let Some(unit_type) = self.points_at() {
                judge_identity(unit_type, value);
            }
            assert!(!value.is_empty() && attribute.is_empty(), "{name}");
            match self.measure()["dataType"].as_str() {
                Some("LONG") => assert!(value.parse::<i64>().is_ok(), "{name}: {value}"),
                Some("DOUBLE") => assert!(value.parse::<f64>().is_ok_and(f64::is_finite), "{name}: {value}"),
                Some("DATE") => assert!(value.parse::<Day>().is_ok(), "{name}: {value}"),
                _ => {}
            }
        }
        self.judge_dates(period);
        if let Some(codes) = self.measure()["valueDomain"]["codeList"].as_array() {
            self.judge_codes(codes);
        }
    }

    fn judge_dates(&self, [from, to]: [Day; 2]) {
        let name = &self.name;
        let mut units: HashMap<&str, Vec<[Option<Day>; 2]>> = HashMap::new();
        for [id, _, start, stop, _] in &self.rows {
            let date = |text: &str| (!text.is_empty()).then(|| day(text));
            let (start, stop) = (date(start), date(stop));
            for date in [start, stop].into_iter().flatten() {
                assert!((from..=to).contains(&date), "{name}: {date} is outside the period");
            }
            match self.json["temporalityType"].as_str() {
                Some("FIXED") => assert_eq!([start, stop], [None, None], "{name}"),
                Some("STATUS") => assert!(start.is_some() && start == stop, "{name}"),
                Some("ACCUMULATED") => assert!(start.zip(stop).is_some_and(|(a, b)| a < b), "{name}"),
                _ => assert!(start.is_some_and(|a| stop.is_none_or(|b| a <= b)), "{name}"),
            }
            units.entry(id).or_default().push([start, stop]);
        }
        for rows in units.values_mut() {
            rows.sort_unstable();
            for pair in rows.windows(2) {
                let apart = pair[0][1].zip(pair[1][0]).is_some_and(|(stop, start)| stop < start);
                assert!(apart, "{name}: rows of a unit overlap");
            }
        }
        if self.json["temporalityType"] == "EVENT" {
            assert!(self.rows.iter().any(|row| !row[3].is_empty()), "{name}: no spell is over");
        }
    }

    fn judge_codes(&self, codes: &[Value]) {
        let text = |code: &Value| code.as_str().map_or_else(|| code.to_string(), str::to_owned);
        let sentinels: Vec<String> =
            match self.measure()["valueDomain"]["sentinelAndMissingValues"].as_array() {
                Some(list) => list.iter().map(|sentinel| text(&sentinel["code"])).collect(),
                None => Vec::new(),
            };
        let mut valid: HashMap<String, Vec<(Day, Option<Day>)>> = HashMap::new();
        for code in codes {
            let until = code["validUntil"].as_str().map(day);
            let from = day(code["validFrom"].as_str().expect("a day"));
            valid.entry(text(&code["code"])).or_default().push((from, until));
        }
        for [_, value, start, stop, _] in &self.rows {
            if sentinels.contains(value) {
                continue;
            }
            let periods = valid.get(value).unwrap_or_else(|| panic!("{}: {value} is no code", self.name));
            if start.is_empty() {
                continue;
            }
            let fits = periods.iter().any(|(from, until)| {
                let ends = if stop.is_empty() { None } else { Some(day(stop)) };
                let in_time = match (ends, until) {
                    (_, None) => true,
                    (Some(stop), Some(until)) => stop <= *until,
                    (None, Some(_)) => false,
                };
                *from <= day(start) && in_time
            });
            assert!(fits, "{}: {value} is not valid from {start} to {stop}", self.name);
        }
    }
}

/// Of the right form, and nobody's.
fn judge_identity(unit_type: UnitType, text: &str) {
    let identity = Identity::parse(unit_type, text).unwrap_or_else(|error| panic!("{unit_type}: {error}"));
    assert_eq!(identity.canonical(), text.as_bytes());
    match unit_type.naming() {
        Naming::Foedselsnummer => {
            assert!(!is_canary(&identity));
            let month: u32 = text[2..4].parse().expect("digits");
            assert!((81..=92).contains(&month), "a month of the real form");
            assert!(text.as_bytes()[0] < b'4', "a D-number");
        }
        // A real one begins with 8 or 9.
        Naming::OrganisationNumber => assert!(matches!(text.as_bytes()[0], b'2' | b'3')),
        Naming::Free => {}
    }
}

/// Makes what can be made of so few people: variables that nobody can have are left out, and named.
fn make(settings: &Settings, out: &Path) -> (Vec<Variable>, Vec<String>) {
    try_to_make(settings, out).unwrap_or_else(|faults| panic!("{faults}"))
}

fn try_to_make(settings: &Settings, out: &Path) -> Result<(Vec<Variable>, Vec<String>), Faults> {
    let (mut variables, mut without) = (variables(), Vec::new());
    loop {
        match invent(&variables, settings, out, false, &|_| true) {
            Ok(_) => return Ok((variables, without)),
            Err(InventError::Faults(faults)) => return Err(faults),
            Err(InventError::NoRows { dataset }) => {
                variables.retain(|variable| variable.name.as_str() != dataset);
                without.push(dataset);
            }
            Err(error) => panic!("{error}"),
        }
    }
}

fn judge_all(settings: &Settings, period: [Day; 2]) -> Result<Vec<String>, Faults> {
    let out = tempfile::tempdir().expect("a folder");
    let (variables, without) = try_to_make(settings, out.path())?;
    let written: Vec<Written> =
        variables.iter().map(|variable| Written::read(out.path(), variable.name.as_str())).collect();
    let mut units: HashMap<UnitType, HashSet<&str>> = HashMap::new();
    for dataset in &written {
        dataset.judge(period);
        let ids = dataset.rows.iter().map(|row| row[0].as_str());
        units.entry(dataset.unit_type()).or_default().extend(ids);
    }
    for dataset in &written {
        let Some(unit_type) = dataset.points_at() else { continue };
        for row in &dataset.rows {
            assert!(units[&unit_type].contains(row[1].as_str()), "{} points at nobody", dataset.name);
            assert!(
                dataset.unit_type() != unit_type || row[0] != row[1],
                "{} points at oneself",
                dataset.name
            );
        }
    }
    judge_kin(&written);
    Ok(without)
}

/// A mother is an older woman; a case happens to somebody who is born.
fn judge_kin(written: &[Written]) {
    let named = |name: &str| written.iter().find(|dataset| dataset.name == name);
    let values = |name: &str| -> HashMap<&str, &str> {
        let rows = named(name).map_or(&[][..], |dataset| &dataset.rows);
        rows.iter().map(|row| (row[0].as_str(), row[1].as_str())).collect()
    };
    let (sex, born) = (values("BEFOLKNING_KJONN"), values("BEFOLKNING_FODSELS_AAR_MND"));
    let year = |id: &str| born[id][..4].parse::<i32>().expect("a year");
    for (child, mother) in values("BEFOLKNING_MOR") {
        assert!(matches!(sex[mother], "2" | "9"), "a mother is a woman");
        assert!(year(mother) + 16 <= year(child), "a mother is older");
    }
    for (child, father) in values("BEFOLKNING_FAR") {
        assert!(
            matches!(sex[father], "1" | "9") && year(father) + 15 <= year(child),
            "a father is an older man"
        );
    }
    let diagnosed = values("KREFT_DIAGNOSEDATO");
    for (case, person) in values("KREFT_PERSON") {
        let Some(day) = diagnosed.get(case) else { continue };
        assert!(day[..4].parse::<i32>().expect("a year") >= year(person));
    }
}

/// Nobody is missing anywhere, so that everybody who is pointed at is in some file.
fn nothing_missing() -> Ranges {
    let complete = Range { missing: Some(0.0), ..Range::default() };
    variables().iter().map(|variable| (variable.name.to_string(), complete)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_seed_size_and_period_makes_right_data(
        seed: u64,
        people in prop_oneof![1_u32..12, 12_u32..400],
        from in 0_i32..20_000,
        length in 0_i32..9_000,
    ) {
        // From 1960 on, and at the latest to 2058.
        let from = Day::from_days(from - 3_653).expect("a day");
        let to = Day::from_days(from.days() + length).expect("a day").min(day("2058-12-31"));
        let mut settings = settings(people, seed);
        settings.period = Period::new(from, to).expect("a period");
        settings.ranges = nothing_missing();
        match judge_all(&settings, [from, to]) {
            // A day has no total over it, and some codes are of other times.
            Err(faults) => {
                for fault in faults.faults {
                    let field = fault.field.expect("named");
                    prop_assert!(field == "temporalityType" || field.ends_with("codeList"), "{field}");
                }
            }
            Ok(without) => {
                let rare = ["BEFOLKNING_MOR", "BEFOLKNING_FAR", "PERSON_EKTEFELLE", "PERSON_HOVEDJOBB"];
                // The oldest people have no mother in the registers and the youngest no spouse.
                prop_assert!(without.iter().all(|name| people < 40 && rare.contains(&name.as_str())), "{without:?}");
            }
        }
    }
}

#[test]
fn usual_data_is_right_and_complete_and_has_open_spells_and_sentinels() {
    let mut settings = settings(4000, 7);
    settings.ranges = nothing_missing();
    assert_eq!(judge_all(&settings, [day("2010-01-01"), day("2023-12-31")]), Ok(Vec::new()));
    let out = tempfile::tempdir().expect("a folder");
    make(&settings, out.path());
    let status = Written::read(out.path(), "SIVILSTAND");
    let share = |rows: &dyn Fn(&[String; 5]) -> bool| {
        status.rows.iter().filter(|row| rows(row)).count() as f64 / status.rows.len() as f64
    };
    assert!((0.05..0.6).contains(&share(&|row| row[3].is_empty())), "some spells are open");
    assert!((0.005..0.02).contains(&share(&|row| row[1] == "0")), "a sentinel now and then");
    let homes = Written::read(out.path(), "BEFOLKNING_HUSHOLDNING");
    let mut members: HashMap<&str, HashSet<&str>> = HashMap::new();
    for row in &homes.rows {
        members.entry(&row[1]).or_default().insert(&row[0]);
    }
    assert!(members.values().filter(|members| members.len() > 1).count() > members.len() / 2);
}

#[test]
fn numbers_depend_on_who_somebody_is() {
    let out = tempfile::tempdir().expect("a folder");
    make(&settings(6000, 3), out.path());
    let born = Written::read(out.path(), "BEFOLKNING_FODSELS_AAR_MND");
    let born: HashMap<&str, i32> =
        born.rows.iter().map(|row| (row[0].as_str(), row[1][..4].parse().expect("a year"))).collect();
    let mut wages: BTreeMap<bool, (f64, f64)> = BTreeMap::new();
    for [id, value, start, ..] in &Written::read(out.path(), "INNTEKT_LONN").rows {
        let age = start[..4].parse::<i32>().expect("a year") - born[id.as_str()];
        if age < 60 {
            let sum = wages.entry(age >= 35).or_default();
            *sum = (sum.0 + value.parse::<f64>().expect("a number"), sum.1 + 1.0);
        }
    }
    let mean = |older: bool| wages[&older].0 / wages[&older].1;
    assert!(mean(true) > 1.2 * mean(false), "wages rise with age: {} and {}", mean(false), mean(true));
}

fn bytes(out: &Path, name: &str) -> Vec<u8> {
    fs::read(out.join(name).join(format!("{name}.csv"))).expect("data")
}

#[test]
fn equal_seeds_make_equal_bytes_and_other_files_change_nothing() {
    let folders: Vec<_> = (0..4).map(|_| tempfile::tempdir().expect("a folder")).collect();
    make(&settings(500, 11), folders[0].path());
    make(&settings(500, 11), folders[1].path());
    make(&settings(500, 12), folders[2].path());
    for variable in variables() {
        let name = variable.name.as_str();
        assert!(bytes(folders[0].path(), name) == bytes(folders[1].path(), name), "{name}");
    }
    for name in ["INNTEKT_LONN", "EPISODE_PERSON", "SIVILSTAND", "BEFOLKNING_MOR"] {
        let alone: Vec<Variable> = variables().into_iter().filter(|v| v.name.as_str() == name).collect();
        invent(&alone, &settings(500, 11), folders[3].path(), false, &|_| true).expect("made");
        assert!(bytes(folders[0].path(), name) == bytes(folders[3].path(), name), "{name}");
        assert!(bytes(folders[0].path(), name) != bytes(folders[2].path(), name), "{name}");
    }
}

#[test]
fn ranges_and_numbers_of_units_are_kept_to() {
    let out = tempfile::tempdir().expect("a folder");
    let mut settings = settings(1000, 2);
    settings.units = BTreeMap::from([(UnitType::Jobb, 77)]);
    let range = Range { low: Some(100.0), high: Some(110.0), mean: Some(102.0), missing: Some(0.5) };
    settings.ranges = BTreeMap::from([("INNTEKT_LONN".to_owned(), range)]);
    make(&settings, out.path());
    assert_eq!(Written::read(out.path(), "JOBB_PERSON").rows.len(), 77);
    let wages = Written::read(out.path(), "INNTEKT_LONN");
    assert!(wages.rows.iter().all(|row| (100..=110).contains(&row[1].parse::<i64>().expect("a number"))));
    let usual = tempfile::tempdir().expect("a folder");
    settings.ranges.clear();
    make(&settings, usual.path());
    let all = Written::read(usual.path(), "INNTEKT_LONN").rows.len();
    assert!((0.45..0.57).contains(&(wages.rows.len() as f64 / all as f64)));
}

#[test]
fn what_is_there_stays_unless_it_may_go() {
    let out = tempfile::tempdir().expect("a folder");
    let variables: Vec<Variable> = variables().into_iter().take(2).collect();
    let run = |seed, overwrite| invent(&variables, &settings(50, seed), out.path(), overwrite, &|_| true);
    run(1, false).expect("made");
    let name = variables[0].name.as_str();
    let before = bytes(out.path(), name);
    let refused = run(2, false).expect_err("it is there").to_string();
    assert!(refused.contains("is there already, and 1 more; nothing was written"), "{refused}");
    assert!(bytes(out.path(), name) == before);
    fs::write(out.path().join(name).join("notes.txt"), "mine").expect("written");
    run(2, true).expect("told to");
    assert!(bytes(out.path(), name) != before);
    assert!(out.path().join(name).join("notes.txt").exists());
    assert_eq!(fs::read_dir(out.path()).expect("a folder").count(), 2, "nothing else is left behind");
}

#[test]
fn an_interruption_at_any_step_leaves_nothing() {
    let out = tempfile::tempdir().expect("a folder");
    let variables = variables();
    let steps = std::cell::Cell::new(0_u32);
    invent(&variables, &settings(50, 1), &out.path().join("whole"), false, &|_| {
        steps.set(steps.get() + 1);
        true
    })
    .expect("made");
    for stop in 0..steps.get() {
        let (to, left) = (out.path().join("part"), std::cell::Cell::new(stop));
        let go_on = || left.replace(left.get().saturating_sub(1)) > 0;
        let result = invent(&variables, &settings(50, 1), &to, false, &|_| go_on());
        assert!(matches!(result, Err(InventError::Interrupted)));
        assert_eq!(fs::read_dir(&to).expect("a folder").count(), 0);
    }
}

#[test]
#[ignore = "needs microdata-tools"]
fn microdata_tools_accepts_every_dataset() {
    let driver = Path::new(env!("CARGO_MANIFEST_DIR")).join("../node/tests/judge.py");
    for (people, seed) in [(40, 1), (5000, 2)] {
        let out = tempfile::tempdir().expect("a folder");
        let (made, _) = make(&settings(people, seed), out.path());
        let judged = Command::new("python").arg(&driver).arg(out.path()).output().expect("python");
        assert!(judged.status.success(), "{}", String::from_utf8_lossy(&judged.stderr));
        let judged: BTreeMap<String, Vec<String>> = serde_json::from_slice(&judged.stdout).expect("JSON");
        assert_eq!(judged.len(), made.len());
        for (name, errors) in judged {
            assert!(errors.is_empty(), "{name}: {errors:?}");
        }
    }
}
