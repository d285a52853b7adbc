//! The public tool of the dataset format as an independent judge of the validator.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use kobling_crypto::seal::SealKey;
use kobling_model::identity::with_control_digits;
use kobling_model::plan::Release;
use kobling_model::{DatastoreId, OwnerId};
use kobling_node::register::{ImportError, RegisterStore};
use serde_json::{Value, json};

/// One dataset and what both say of it.
struct Case {
    name: String,
    metadata: Value,
    csv: String,
    ours: bool,
    tools: bool,
}

fn text(value: &str) -> Value {
    json!([{"languageCode": "nb", "value": value}])
}

fn metadata(temporality: &str, data_type: &str) -> Value {
    json!({
        "temporalityType": temporality,
        "sensitivityLevel": "PERSON_GENERAL",
        "populationDescription": text("Alle"),
        "spatialCoverageDescription": text("Norge"),
        "subjectFields": [text("Befolkning")],
        "dataRevision": {"description": text("Ny")},
        "identifierVariables": [{"unitType": "PERSON"}],
        "measureVariables": [{
            "name": text("Navn"),
            "description": text("Beskrivelse"),
            "dataType": data_type,
            "valueDomain": {"description": text("Verdier")}
        }]
    })
}

fn code(code: Value, from: &str, until: Option<&str>) -> Value {
    json!({"code": code, "categoryTitle": text("Tittel"), "validFrom": from, "validUntil": until})
}

/// `metadata` with a value at a JSON pointer; null removes the field.
fn with(mut metadata: Value, pointer: &str, value: Value) -> Value {
    let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
    match metadata.pointer_mut(parent).expect("exists") {
        Value::Object(fields) if value.is_null() => drop(fields.remove(name)),
        Value::Object(fields) => drop(fields.insert(name.to_owned(), value)),
        Value::Array(list) => list[name.parse::<usize>().expect("an index")] = value,
        _ => panic!("not a place"),
    }
    metadata
}

fn person(n: u32) -> String {
    let number = |n: u32| with_control_digits([0, 1, 8, 1, 7, 0, n / 100 % 10, n / 10 % 10, n % 10]);
    (0..1000).filter_map(number).nth(n as usize).expect("enough test people")
}

/// Datasets that both judge alike; `right` is what both say.
fn alike(cases: &mut Vec<Case>) {
    let id = person(0);
    let mut add = |right: bool, metadata: Value, csv: String| {
        let name = format!("ALIKE_{}", cases.len());
        cases.push(Case { name, metadata, csv, ours: right, tools: right });
    };
    let fixed = || metadata("FIXED", "LONG");
    let line = || format!("{id};1;;;\n");
    let domain = "/measureVariables/0/valueDomain";
    let codes = |data_type: &str, codes: Value| {
        with(metadata("FIXED", data_type), domain, json!({"codeList": codes}))
    };

    add(true, fixed(), line());
    add(true, fixed(), format!("{id};-0;;;\n{};9223372036854775807;;;\n", person(1)));
    add(true, metadata("FIXED", "DOUBLE"), format!("{id};-0.0;;;\n{};1e300;;;\n", person(1)));
    add(true, metadata("FIXED", "STRING"), format!(" {id} ; a b ;;;\n"));
    add(true, metadata("FIXED", "STRING"), format!("{id};NA;;;\n"));
    add(true, metadata("FIXED", "DATE"), format!("{id};1999-12-31;;;\n"));
    add(
        true,
        metadata("STATUS", "LONG"),
        format!("{id};1;2020-01-01;2020-01-01;\n{id};1;2021-01-01;2021-01-01;\n"),
    );
    add(
        true,
        metadata("ACCUMULATED", "LONG"),
        format!("{id};1;2020-01-01;2020-12-31;\n{id};1;2021-01-01;2021-12-31;\n"),
    );
    add(true, metadata("EVENT", "LONG"), format!("{id};1;2020-01-01;2020-12-31;\n{id};1;2021-01-01;;\n"));
    add(true, codes("LONG", json!([code(json!(1), "1900-01-01", None)])), line());
    let halves =
        json!([code(json!("1"), "1900-01-01", Some("1999-12-31")), code(json!("1"), "2000-01-01", None)]);
    add(true, codes("STRING", halves), line());
    let pointer = json!({"name": text("Mor"), "description": text("Mor"), "unitType": "PERSON"});
    add(true, with(fixed(), "/measureVariables/0", pointer.clone()), format!("{id};{};;;\n", person(1)));

    // Data.
    add(false, fixed(), format!("{id};;;;\n"));
    add(false, fixed(), "  ;1;;;\n".to_owned());
    add(false, fixed(), format!("{id};1.5;;;\n"));
    add(false, fixed(), format!("{id};one;;;\n"));
    add(false, fixed(), format!("{id};9223372036854775808;;;\n"));
    add(false, fixed(), format!("{id};nan;;;\n"));
    add(false, metadata("FIXED", "DOUBLE"), format!("{id};1,5;;;\n"));
    add(false, metadata("FIXED", "DOUBLE"), format!("{id};NaN;;;\n"));
    add(false, metadata("FIXED", "DATE"), format!("{id};2023-02-29;;;\n"));
    add(false, metadata("FIXED", "STRING"), format!("{id}; ;;;\n"));
    add(false, fixed(), format!("{id};1;;\n"));
    add(false, fixed(), format!("{id};1;;;;\n"));
    add(false, fixed(), format!("{id},1,,,\n"));
    add(false, fixed(), format!("{id};1;;;\n{id};2;;;\n"));
    add(false, metadata("STATUS", "LONG"), format!("{id};1;2020-01-01;2020-01-02;\n"));
    add(
        false,
        metadata("STATUS", "LONG"),
        format!("{id};1;2020-01-01;2020-01-01;\n{id};2;2020-01-01;2020-01-01;\n"),
    );
    add(false, metadata("STATUS", "LONG"), format!("{id};1;01.01.2020;2020-01-01;\n"));
    add(false, metadata("ACCUMULATED", "LONG"), format!("{id};1;2020-12-31;2020-01-01;\n"));
    add(
        false,
        metadata("ACCUMULATED", "LONG"),
        format!("{id};1;2020-01-01;2020-12-31;\n{id};1;2020-06-01;2021-05-31;\n"),
    );
    add(false, metadata("EVENT", "LONG"), format!("{id};1;2021-01-01;2020-01-01;\n"));
    add(false, metadata("EVENT", "LONG"), format!("{id};1;;2020-01-01;\n"));
    add(false, metadata("EVENT", "LONG"), format!("{id};1;2020-01-01;;\n{id};1;2021-01-01;2021-12-31;\n"));
    add(false, codes("STRING", json!([code(json!("a"), "1900-01-01", None)])), format!("{id};b;;;\n"));

    // Metadata.
    for (pointer, value) in [
        ("/temporalityType", json!("EVNT")),
        ("/temporalityType", Value::Null),
        ("/sensitivityLevel", json!("SECRET")),
        ("/populationDescription", Value::Null),
        ("/populationDescription", json!([])),
        ("/populationDescription/0/languageCode", json!("de")),
        ("/populationDescription/0/value", json!("")),
        ("/spatialCoverageDescription", json!("Norge")),
        ("/subjectFields", json!([])),
        ("/dataRevision", json!({})),
        ("/dataRevision/descripton", text("x")),
        ("/identifierVariables", json!([])),
        ("/identifierVariables/0/unitType", json!("PERSONN")),
        ("/identifierVariables/0/keyType", json!("PERSON")),
        ("/measureVariables", json!([])),
        ("/measureVariables/0/name", Value::Null),
        ("/measureVariables/0/dataType", json!("INT")),
        ("/measureVariables/0/dataType", Value::Null),
        ("/measureVariables/0/valueDomain", Value::Null),
        ("/measureVariables/0/valueDomain", json!({})),
        ("/measureVariables/0/valueDomain/unit", json!("kr")),
        ("/measureVariables/0/unitType", json!("PERSON")),
        ("/measureVariables/0/valueDomain/sentinelAndMissingValues", json!([])),
        ("/measureVariables/0/valueDomain/codeList", json!([code(json!(1), "1900-01-01", None)])),
    ] {
        // An empty list of sentinels beside a description is wrong to both.
        add(false, with(fixed(), pointer, value), line());
    }
    let twice = json!([code(json!("1"), "1900-01-01", None), code(json!("1"), "2000-01-01", None)]);
    add(false, codes("STRING", twice), line());
    add(false, codes("LONG", json!([code(json!("1"), "1900-01-01", None)])), line());
    add(false, codes("STRING", json!([])), line());
    add(false, codes("STRING", json!([code(json!("1"), "1900-13-01", None)])), line());
    add(false, codes("STRING", json!([code(json!(""), "1900-01-01", None)])), line());
    let sentinels = json!({
        "codeList": [code(json!("1"), "1900-01-01", None)],
        "sentinelAndMissingValues": [{"code": 9, "categoryTitle": text("Ukjent")}]
    });
    add(false, with(metadata("FIXED", "STRING"), domain, sentinels), line());
}

/// Datasets that are judged otherwise, and why ours is right.
fn otherwise(cases: &mut Vec<Case>) {
    let id = person(0);
    let mut add = |name: &str, ours: bool, metadata: Value, csv: String| {
        cases.push(Case { name: name.to_owned(), metadata, csv, ours, tools: !ours });
    };
    let fixed = || metadata("FIXED", "LONG");
    let event = || metadata("EVENT", "LONG");
    let domain = "/measureVariables/0/valueDomain";
    // The tool looks at no identifier: a wrong one would be a person of its own, and nobody's.
    add("CONTROL_DIGITS", false, fixed(), "01817000000;1;;;\n".to_owned());
    // Sums and percentiles of an infinity say nothing.
    add("INFINITE", false, metadata("FIXED", "DOUBLE"), format!("{id};inf;;;\n"));
    // A hexadecimal number is a typing error.
    add("HEXADECIMAL", false, fixed(), format!("{id};0x1F;;;\n"));
    // Unknown fields are errors at every depth of the format; the tool lets some pass.
    add("UNKNOWN_AT_TOP", false, with(fixed(), "/population", json!("x")), format!("{id};1;;;\n"));
    add(
        "UNKNOWN_IN_MEASURE",
        false,
        with(fixed(), "/measureVariables/0/datatype", json!("LONG")),
        format!("{id};1;;;\n"),
    );
    add(
        "UNKNOWN_IN_TEXT",
        false,
        with(fixed(), "/populationDescription/0/language", json!("nb")),
        format!("{id};1;;;\n"),
    );
    // A code is not to be used outside its period: its meaning there is another.
    let ended = json!({"codeList": [
        code(json!(1), "1900-01-01", Some("1999-12-31")), code(json!(2), "1900-01-01", None)
    ]});
    add("CODE_NOT_VALID", false, with(event(), domain, ended), format!("{id};1;2020-01-01;2020-12-31;\n"));
    // A text with an escape sequence does more than it says wherever it is shown.
    add("TEXT_NOT_PLAIN", false, metadata("FIXED", "STRING"), format!("{id};a\u{202e}b;;;\n"));
    // The format ignores dates of a FIXED dataset, with a warning; the tool ignores the stop only.
    add("FIXED_WITH_START", true, fixed(), format!("{id};1;1900-01-01;;\n"));
    // No period of an EVENT need have ended; the tool then has no last date.
    add("EVENT_ALL_OPEN", true, event(), format!("{id};1;2020-01-01;;\n"));
    // Days beyond 16 bits, before 1880 and after 2059, are days.
    add("DAYS_LONG_AGO", true, event(), format!("{id};1;1850-01-01;1900-01-01;\n"));
    // Codes of DOUBLE and DATE have types too; the tool knows texts and whole numbers only.
    let date = json!({"codeList": [code(json!("2020-01-01"), "1900-01-01", None)]});
    add("DATE_CODES", true, with(metadata("FIXED", "DATE"), domain, date), format!("{id};2020-01-01;;;\n"));
}

fn write(folder: &Path, case: &Case) {
    let folder = folder.join(&case.name);
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join(format!("{}.json", case.name)), case.metadata.to_string()).expect("written");
    fs::write(folder.join(format!("{}.csv", case.name)), &case.csv).expect("written");
}

/// What the import finds, in words; nothing where it imports.
fn imported(case: &Case) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let datasets = folder.path().join("datasets");
    write(&datasets, case);
    let state = folder.path().join("state");
    fs::create_dir(&state).expect("a folder");
    let mut store = RegisterStore::open(&state).expect("empty");
    let release = Release {
        datastore: DatastoreId::new("no.test.db").expect("a name"),
        version: "1.0.0".parse().expect("a version"),
        owner: OwnerId::new("test").expect("a name"),
    };
    match store.import(&datasets, &release, &SealKey::from_bytes([1; 32])) {
        Ok(_) => Vec::new(),
        Err(ImportError::Invalid(report)) => {
            report.datasets[0].problems.iter().map(ToString::to_string).collect()
        }
        Err(error) => panic!("{}: {error}", case.name),
    }
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    alike(&mut cases);
    otherwise(&mut cases);
    cases
}

#[test]
fn the_import_judges_the_listed_datasets_as_said() {
    let wrong: Vec<_> = cases()
        .iter()
        .map(|case| (case, imported(case)))
        .filter(|(case, found)| found.is_empty() != case.ours)
        .map(|(case, found)| format!("{} {:?} {found:?} {}", case.name, case.csv, case.metadata))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
#[ignore = "needs microdata-tools"]
fn microdata_tools_judges_the_listed_datasets_as_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let cases = cases();
    assert!(cases.iter().filter(|case| !case.ours && !case.tools).count() >= 25);
    cases.iter().for_each(|case| write(folder.path(), case));
    let driver = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/judge.py");
    let judged = Command::new("python").arg(driver).arg(folder.path()).output().expect("python");
    assert!(judged.status.success(), "{}", String::from_utf8_lossy(&judged.stderr));
    let judged: BTreeMap<String, Vec<String>> = serde_json::from_slice(&judged.stdout).expect("JSON");
    let wrong: Vec<_> = cases
        .iter()
        .filter(|case| judged[&case.name].is_empty() != case.tools)
        .map(|case| format!("{} {:?} {:?} {}", case.name, case.csv, judged[&case.name], case.metadata))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
