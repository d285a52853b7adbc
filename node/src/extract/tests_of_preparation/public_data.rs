//! Preparation and functions over public data, as real columns are: with gaps, texts that nobody has cleaned, ties and long tails.
//!
//! The program in Python writes the registers and says of each script what its column must be, from the same data, by pandas.

use std::collections::BTreeMap;

use kobling_model::catalogue::Catalogue;
use serde_json::Value;

use super::HEAD;
use super::oracle::{Found, difference};
use crate::register::testing::World;

/// As many as the largest data set has rows.
const UNITS: u32 = 6366;

/// A script, and what a column of it must be.
#[derive(serde::Deserialize)]
struct Case {
    name: String,
    script: String,
    column: String,
    unit: String,
    values: BTreeMap<u32, Value>,
    /// Where given: only these units are looked at.
    among: Option<Vec<u32>>,
    /// Where given: some of the units are there, from so many to so many.
    drawn: Option<(usize, usize)>,
}

impl Case {
    fn wanted(&self) -> BTreeMap<u32, Found> {
        let found = |value: &Value| match value {
            Value::String(text) => Found::Text(text.clone()),
            number => Found::Number(number.as_f64().expect("a number")),
        };
        self.values.iter().map(|(unit, value)| (*unit, found(value))).collect()
    }

    /// What differs, if something does. The world's units may stand in another order: `numbers` has those of the program in Python.
    fn difference(&self, world: &World, numbers: &BTreeMap<String, BTreeMap<u32, u32>>) -> Option<String> {
        let mut wanted = self.wanted();
        let catalogue = Catalogue { datastores: world.store.catalogue().to_vec() };
        if let Err(refused) = kobling_script::plan(&format!("{HEAD}{}", self.script), &catalogue) {
            return Some(format!("{refused:?}\n{}", self.script));
        }
        let is_text = wanted.values().any(|value| matches!(value, Found::Text(_)));
        let found = world.column(UNITS, &self.script, &self.column, is_text);
        let mut found: BTreeMap<u32, Found> =
            found.into_iter().map(|(unit, value)| (numbers[&self.unit][&unit], value)).collect();
        if let Some(among) = &self.among {
            found.retain(|unit, _| among.contains(unit));
        }
        if let Some((least, most)) = self.drawn {
            if !(least..=most).contains(&found.len()) {
                return Some(format!("{} units are drawn", found.len()));
            }
            wanted.retain(|unit, _| found.contains_key(unit));
        }
        difference(&found, &wanted)
    }
}

#[test]
#[ignore = "needs Python with pandas and public data sets"]
fn public_data_are_prepared_as_a_program_in_python_says() {
    let mut world = World::new();
    let folder = world.folder_of("A_NUMBER").parent().expect("a folder").to_owned();
    let program = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/public_data.py");
    let answered = std::process::Command::new("python").arg(program).arg(folder).output().expect("python");
    assert!(answered.status.success(), "{}", String::from_utf8_lossy(&answered.stderr));
    let cases: Vec<Case> = serde_json::from_slice(&answered.stdout).expect("JSON");
    world.import("1.0.0").expect("imported");
    let numbers = |name: &str| -> BTreeMap<u32, u32> {
        let found = world.column(UNITS, &format!("create-dataset n\nimport db/{name} as n\n"), "n", false);
        let number = |found| if let Found::Number(number) = found { number as u32 } else { u32::MAX };
        found.into_iter().map(|(unit, found)| (unit, number(found))).collect()
    };
    let numbers = BTreeMap::from(
        [("PERSON", "A_NUMBER"), ("KRG_KREFTTILFELLE", "A_NUMBER_OF_CASES")]
            .map(|(unit, name)| (unit.to_owned(), numbers(name))),
    );
    assert_eq!(numbers["PERSON"].len() as u32, UNITS);
    let differing: Vec<String> = (cases.iter())
        .filter_map(|case| Some(format!("{}: {}", case.name, case.difference(&world, &numbers)?)))
        .collect();
    assert!(differing.is_empty(), "of {} cases:\n{}", cases.len(), differing.join("\n"));
    assert!(cases.len() > 150, "{} cases", cases.len());
}
