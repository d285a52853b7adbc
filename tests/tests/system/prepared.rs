//! What owners prepare of their registers equals the reference: groups, spells, draws, parts of equal size and copies.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use kobling_model::table::{Cell, Table};
use kobling_proto::platform::v1::JobState;
use kobling_tests::registers::{Mix, standard};
use kobling_tests::world::{JobResult, World};
use serde_json::json;
use tempfile::TempDir;

use super::script;

/// Cases of the second owner's people, some of whom have one and some many.
const CASES: usize = 5000;

/// The standard registers, with mothers at the first owner and cases at the second.
fn world(seed: u64) -> (World, TempDir) {
    world_of(Mix::of(seed))
}

/// The same of this mix.
pub(super) fn world_of(mix: Mix) -> (World, TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut owners = standard(mix);
    let [ssb, krg] = ["ssb", "krg"].map(|owner| folder.path().join(owner));
    let identities = |rows: &[[String; 4]]| rows.iter().map(|row| row[0].clone()).collect::<Vec<_>>();
    let people = identities(&owners[0].dataset("KJOENN").rows);
    let patients = identities(&owners[1].dataset("STED").rows);
    owners[0].write(&ssb);
    owners[1].write(&krg);
    // A tenth of the rows name a fiftieth of the people.
    let drawn = |of: usize, among: &[String]| match of % 10 {
        0 => among[of % (among.len() / 50)].clone(),
        _ => among[of * 7919 % among.len()].clone(),
    };
    let mothers = people.iter().enumerate().map(|(at, child)| (child.clone(), drawn(at, &people)));
    write(&ssb, "MOR", "PERSON", Measure::Pointer, mothers.filter(|(child, _)| !child.ends_with('3')));
    let case = |case: usize| format!("tilfelle-{case:05}");
    let of_person = (0..CASES).map(|of| (case(of), drawn(of, &patients)));
    write(&krg, "TILFELLE_PERSON", "KRG_KREFTTILFELLE", Measure::Pointer, of_person);
    let size = (0..CASES).filter(|of| of % 13 != 0).map(|of| (case(of), (of * of % 97).to_string()));
    write(&krg, "TILFELLE_STORRELSE", "KRG_KREFTTILFELLE", Measure::Numbers, size);
    let grade = (0..CASES).map(|of| (case(of), (1 + of * of % 7).to_string()));
    write(&krg, "TILFELLE_GRAD", "KRG_KREFTTILFELLE", Measure::Codes(7), grade);
    (World::of(owners).registers_in("ssb", &ssb).registers_in("krg", &krg).found(), folder)
}

enum Measure {
    /// To persons.
    Pointer,
    Numbers,
    /// From 1 to this one.
    Codes(u32),
}

/// Writes a FIXED dataset that the standard registers do not have.
fn write(
    folder: &Path,
    name: &str,
    unit_type: &str,
    measure: Measure,
    rows: impl Iterator<Item = (String, String)>,
) {
    let text = json!([{ "languageCode": "nb", "value": name }]);
    let mut of = json!({ "name": text, "description": text });
    match measure {
        Measure::Pointer => of["unitType"] = "PERSON".into(),
        Measure::Numbers => {
            of["dataType"] = "LONG".into();
            of["valueDomain"] = json!({ "description": text });
        }
        Measure::Codes(last) => {
            let code = |code: u32| json!({ "code": code, "categoryTitle": text, "validFrom": "1900-01-01" });
            of["dataType"] = "LONG".into();
            of["valueDomain"] = json!({ "codeList": (1..=last).map(code).collect::<Vec<_>>() });
        }
    }
    let metadata = json!({
        "temporalityType": "FIXED",
        "sensitivityLevel": "PERSON_GENERAL",
        "populationDescription": text,
        "subjectFields": [text],
        "dataRevision": { "description": text },
        "identifierVariables": [{ "unitType": unit_type }],
        "measureVariables": [of],
    });
    let mut csv = String::new();
    for (identity, value) in rows {
        writeln!(csv, "{identity};{value};;;").expect("memory");
    }
    let at = folder.join(name);
    fs::create_dir_all(&at).expect("a folder");
    fs::write(at.join(format!("{name}.json")), metadata.to_string()).expect("written");
    fs::write(at.join(format!("{name}.csv")), csv).expect("written");
}

/// Runs a script, which is not refused and shows so many tables, in none of which everything is hidden or in one cell.
fn check(world: &World, rest: &str, tables: usize) -> JobResult {
    let ran = world.check(&script(world, rest));
    assert_eq!((ran.state(), ran.tables.len()), (JobState::Done, tables), "{rest}\n{:?}", ran.job);
    for table in &ran.tables {
        assert!(tells_apart(table), "a case where nothing is told apart: {}", table.text);
    }
    ran
}

/// Whether not everything is hidden or in one cell.
pub(super) fn tells_apart(table: &Table) -> bool {
    let shown = table.cells.iter().filter(|cell| matches!(cell, Cell::Count(1..))).count();
    shown >= 2 || table.summary.is_some()
}

#[test]
fn what_is_measured_of_a_group_goes_to_its_rows_or_into_another_dataset() {
    let (world, _registers) = world(91);
    // Each row against its town's mean, and all other statistics; towns are large, groups of three are not.
    check(
        &world,
        "import ssb/LONN 2021-05-01 as l\nimport ssb/BOSTED 2020-01-01 as b\nimport ssb/SJELDEN as g\n\
         aggregate (mean) l -> snitt (sum) l -> alt (count) l -> antall (median) l -> midt (sd) l -> spredt \
         (iqr) l -> midtre (semean) l -> feil (min) l -> lavest (max) l -> mest (gini) l -> ulikt (percent) l -> del, by(b)\n\
         aggregate (mean) l -> nær (max) b -> sist, by(g)\n\
         import krg/STED as s\ngenerate over = l > snitt\ntabulate over s\n\
         generate høy = l > nær & l > midt\ntabulate høy s\ntabulate sist s, missing\n\
         tabulate s b, summarize(snitt) mean\n\
         generate anslag = rowmin(alt / rowmax(antall, 1), 1000000)\ntabulate b, summarize(anslag) mean\n\
         summarize midt spredt midtre feil lavest mest ulikt del",
        13,
    );
    // Towns of one year, to people by their town of another.
    check(
        &world,
        "import ssb/LONN 2021-05-01 as l\nimport ssb/BOSTED 2021-01-01 as b\ncollapse (mean) l -> snitt (gini) l -> ulikt, by(b)\n\
         create-dataset folk\nimport ssb/KJOENN as k\nimport ssb/BOSTED 2020-01-01 as bodde\nimport krg/STADIUM as t\n\
         use d\nmerge snitt ulikt into folk on bodde\nuse folk\ntabulate t k, summarize(snitt)\ntabulate k, summarize(ulikt)\n\
         generate før = snitt > 451000\ntabulate før t, missing",
        3,
    );
}

#[test]
fn spells_and_cases_become_people_and_mothers_lend_what_is_theirs() {
    let (world, _registers) = world(92);
    check(
        &world,
        "import-event ssb/SIVSTAND 2014-01-01 to 2019-06-30 as siv\ngenerate dager = STOP@siv - START@siv\n\
         drop if siv == 9\naggregate (mean) dager -> vanlig, by(siv)\ngenerate lang = dager > vanlig\n\
         collapse (count) siv -> antall (max) siv -> høyest (max) lang (sum) dager -> alle, by(PERSONID_1)\n\
         recode antall (1 = 1) (2/max = 2)\nimport krg/STED as s\ntabulate antall s\ntabulate høyest s, missing\n\
         generate lenge = alle > 500\ntabulate lenge s\ntabulate lang s, missing",
        4,
    );
    // Those with five cases and more are a large group of their own; the mean of persons' numbers is of groups of groups.
    check(
        &world,
        "import krg/TILFELLE_GRAD as grad\nimport krg/TILFELLE_STORRELSE as cm\nimport krg/TILFELLE_PERSON as person\n\
         collapse (count) cm -> antall (max) grad -> verst (min) grad (median) cm -> midt (sum) cm -> alt, by(person)\n\
         import krg/STED as sted\nimport ssb/KJOENN as k\ngenerate flere = rowmin(antall, 9)\n\
         aggregate (mean) flere -> vanlig, by(sted)\ngenerate mange = antall > vanlig\n\
         tabulate mange k\ntabulate verst k, missing\ntabulate grad k, missing\ntabulate k sted, summarize(midt)\n\
         recode alt (min/100 = 1) (101/200 = 2) (nonmissing = 3)\ntabulate alt k",
        5,
    );
    // Of wages there are so many that few people have the same: groups of two to four, of what was a group of children.
    check(
        &world,
        "import ssb/LONN 2021-05-01 as morslønn\ncreate-dataset barn\nimport ssb/KJOENN as k\nimport ssb/MOR as mor\n\
         use d\nmerge morslønn into barn on mor\nuse barn\nimport krg/STED as s\ngenerate rik = morslønn > 400000\n\
         tabulate rik s, missing\n\
         create-dataset mødre\nimport ssb/MOR as m\nimport ssb/LONN 2021-05-01 as l\n\
         collapse (count) l -> barn (mean) l -> snitt, by(m)\nimport ssb/LONN 2020-05-01 as før\nimport krg/STED as s\n\
         aggregate (mean) snitt -> nær, by(før)\ngenerate over = snitt > nær\ntabulate over s, missing\n\
         generate flere = barn > 1\ntabulate flere s",
        3,
    );
}

#[test]
fn samples_parts_of_equal_size_copies_and_merged_datasets_equal_the_reference() {
    let (world, _registers) = world(93);
    check(
        &world,
        "import ssb/KJOENN as k\nimport ssb/LONN 2021-05-01 as l\nimport krg/STED as s\ngenerate kvartil = quantile(l, 4)\n\
         tabulate kvartil s\nsample 0.5 7\ntabulate k s\nsample 1100 8\ntabulate k s",
        3,
    );
    // A copy goes its own way; what was made of it, and of the other owner's people, comes back.
    check(
        &world,
        "import ssb/KJOENN as k\nimport ssb/LONN 2021-05-01 as l\nclone-dataset d rike\nuse rike\nkeep if l > 300000\n\
         generate femdel = quantile(l, 5)\nmerge femdel into d\n\
         create-dataset syke\nimport krg/STADIUM as t\nimport krg/STED as s\ngenerate sen = t >= 3\nkeep sen\nmerge sen into d\n\
         use d\ntabulate femdel sen, missing\ntabulate k sen\nuse rike\ntabulate k",
        3,
    );
}

#[test]
fn panels_become_people_again_whatever_way() {
    let (world, _registers) = world(94);
    // By person, of rows that were compared with those of their town and year.
    check(
        &world,
        "import-panel ssb/LONN ssb/BOSTED 2020-01-01 2021-01-01 as l b\naggregate (mean) l -> snitt, by(b date@panel)\n\
         generate over = l > snitt\nreplace l = 0 if l < 200000 & date@panel == date(2021, 1, 1)\n\
         tabulate b if date@panel == date(2020, 1, 1)\n\
         collapse (sum) over (mean) l (count) l -> år (max) b -> sist, by(PERSONID_1)\n\
         recode over år (0 = 0) (1 = 1) (2 = 2)\nimport krg/STED as s\ntabulate over s, missing\ntabulate år sist\n\
         tabulate s, summarize(l)",
        4,
    );
    // There and back, with rows that went, and another owner's variables on the way.
    check(
        &world,
        "import ssb/KJOENN as k\nimport ssb/LONN 2020-05-01 as l2020\nimport ssb/LONN 2021-05-01 as l2021\n\
         reshape-to-panel l\nkeep if l > 250000\nimport krg/STADIUM as t\ngenerate tung = t * (1 + (date@panel == 2021))\n\
         recode tung (1/3 = 1) (4/max = 2)\nreshape-from-panel\ngenerate opp = l2021 > l2020\n\
         tabulate opp k, missing\ntabulate tung2021 k\nimport krg/STED as s\ntabulate opp s",
        3,
    );
}
