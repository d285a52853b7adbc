//! Metadata files, good and bad.

use serde_json::{Value, json};

use super::*;

fn text(value: &str) -> Value {
    json!([{"languageCode": "no", "value": value}])
}

/// A measure that is described.
pub(crate) fn described(data_type: &str) -> Value {
    json!({"name": text("X"), "description": text("X"), "dataType": data_type, "valueDomain": {"description": text("X")}})
}

fn listed() -> Value {
    json!({
        "name": text("Sivilstand"),
        "description": text("Sivilstand"),
        "dataType": "STRING",
        "format": "x",
        "uriDefinition": ["https://example.org"],
        "valueDomain": {
            "codeList": [
                {"code": "1", "categoryTitle": text("Ugift"), "validFrom": "1900-01-01", "validUntil": "1999-12-31"},
                {"code": "1", "categoryTitle": text("Ugift"), "validFrom": "2000-01-01"},
                {"code": "2", "categoryTitle": text("Gift"), "validFrom": "1900-01-01", "validUntil": null}
            ],
            "sentinelAndMissingValues": [{"code": "9", "categoryTitle": text("Ukjent")}]
        }
    })
}

fn file(temporality: &str, measure: &Value) -> Value {
    json!({
        "temporalityType": temporality,
        "sensitivityLevel": "PERSON_GENERAL",
        "populationDescription": text("Alle"),
        "subjectFields": [text("Befolkning")],
        "dataRevision": {"description": text("Ny"), "temporalEnd": {"description": text("Slutt"), "successors": ["X"]}},
        "identifierVariables": [{"unitType": "PERSON"}],
        "measureVariables": [measure]
    })
}

/// A variable over people.
pub(crate) fn variable(name: &str, temporality: &str, measure: &Value) -> Variable {
    let mut faults = Faults::default();
    let bytes = file(temporality, measure).to_string().into_bytes();
    let variable = read_variable(VariableName::new(name).ok(), "X.json", bytes, &mut faults);
    variable.unwrap_or_else(|| panic!("{faults}"))
}

fn faults(bytes: &[u8]) -> Vec<String> {
    let mut faults = Faults::default();
    let read = read_variable(VariableName::new("X").ok(), "X.json", bytes.to_vec(), &mut faults);
    assert_eq!(read.is_none(), faults.total() > 0);
    faults.faults.iter().map(ToString::to_string).collect()
}

#[test]
fn a_good_file_is_read() {
    let read = variable("X", "EVENT", &listed());
    assert_eq!((read.temporality, read.unit_type), (Temporality::Event, UnitType::Person));
    let Domain::Codes { codes, sentinels } = read.domain else { panic!("codes") };
    assert_eq!((codes.len(), sentinels), (3, vec!["9".to_owned()]));
}

#[test]
fn each_wrong_field_is_named_by_its_path() {
    let measure = "/measureVariables/0";
    let domain = "/measureVariables/0/valueDomain";
    let cases: Vec<(String, Option<Value>, &str)> = vec![
        ("/temporalityType".into(), None, "at temporalityType: the field is missing"),
        ("/temporalityType".into(), Some(json!("EVNT")), "did you mean \"EVENT\"?"),
        ("/temporalityType".into(), Some(json!(3)), "at temporalityType: expected a text"),
        ("/subjectFields".into(), Some(json!([[]])), "at subjectFields[0]: the list is empty"),
        ("/identifierVariables".into(), Some(json!([])), "at identifierVariables: expected exactly one"),
        ("/identifierVariables/0/unitType".into(), Some(json!("PERSONN")), "did you mean \"PERSON\"?"),
        ("/measureVariable".into(), Some(json!([])), "did you mean \"measureVariables\"?"),
        (
            format!("{measure}/dataTyp"),
            Some(json!("LONG")),
            "at measureVariables[0].dataTyp: there is no field",
        ),
        (format!("{measure}/dataType"), None, "at measureVariables[0].dataType: the field is missing"),
        (format!("{measure}/valueDomain"), None, "at measureVariables[0].valueDomain: the field is missing"),
        (
            format!("{measure}/unitType"),
            Some(json!("PERSON")),
            "dataType: cannot stand together with unitType",
        ),
        (
            format!("{measure}/dataType"),
            Some(json!("LONG")),
            "codeList[0].code: the code does not fit the dataType",
        ),
        (
            format!("{domain}/description"),
            Some(text("x")),
            "description: cannot stand together with codeList",
        ),
        (format!("{domain}/codeList"), None, "valueDomain: expected either a codeList or a description"),
        (format!("{domain}/codeList"), Some(json!([])), "codeList: the list is empty"),
        (
            format!("{domain}/codeList/1/validFrom"),
            Some(json!("1999-12-31")),
            "codeList[1].code: the code stands twice",
        ),
        (format!("{domain}/codeList/0/validUntil"), Some(json!("1899-01-01")), "validUntil: the period ends"),
        (format!("{domain}/codeList/0/validFrom"), Some(json!("1900-02-29")), "validFrom: expected a day"),
        (format!("{domain}/codeList/0/code"), Some(json!("1\u{2067}")), "the text has control characters"),
        (
            format!("{domain}/sentinelAndMissingValues/0/code"),
            Some(json!(9)),
            "sentinelAndMissingValues[0].code: the code",
        ),
    ];
    for (pointer, value, expected) in cases {
        let mut json = file("EVENT", &listed());
        let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
        match (json.pointer_mut(parent).expect("exists"), value) {
            (Value::Object(object), Some(value)) => drop(object.insert(name.to_owned(), value)),
            (Value::Object(object), None) => drop(object.remove(name)),
            _ => panic!("not a place"),
        }
        let found = faults(json.to_string().as_bytes());
        assert!(found.iter().any(|fault| fault.contains(expected)), "{pointer}: {found:?}");
    }
}

#[test]
fn all_faults_are_found_at_once() {
    let mut measure = listed();
    measure["dataType"] = json!("INT");
    measure["valueDomain"]["codeList"][2]["validFrom"] = json!(7);
    let mut json = file("EVNT", &measure);
    json["sensitivityLevel"] = json!(false);
    assert_eq!(faults(json.to_string().as_bytes()).len(), 4);
}

#[test]
fn what_is_not_json_is_named_by_line() {
    assert_eq!(faults(b"{\n\"a\": 1,\n}"), ["X.json, line 3: not JSON from column 1 on"]);
    assert_eq!(faults(b"{\n\"\xff\": 1}"), ["X.json, line 2: not UTF-8"]);
    assert_eq!(faults(b"[]"), ["X.json, at the top: expected an object"]);
    let twice = br#"{"temporalityType": "FIXED", "temporalityType": "EVENT"}"#;
    assert_eq!(faults(twice)[0], "X.json, at temporalityType: the field stands twice");
    assert!(faults("[".repeat(100_000).as_bytes())[0].contains("not JSON"));
}

#[test]
fn files_are_found_beside_each_other_and_in_folders_and_all_their_faults_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let good = file("FIXED", &described("LONG")).to_string();
    fs::write(folder.path().join("ONE.json"), format!("\u{feff}{good}")).expect("written");
    fs::create_dir(folder.path().join("TWO")).expect("a folder");
    fs::write(folder.path().join("TWO/TWO.json"), &good).expect("written");
    fs::write(folder.path().join("README.md"), "x").expect("written");
    let read = read_metadata(folder.path()).expect("good");
    assert_eq!(read.iter().map(|variable| variable.name.as_str()).collect::<Vec<_>>(), ["ONE", "TWO"]);
    assert_eq!(read[0].json, good.as_bytes(), "without the byte order mark");
    fs::write(folder.path().join("TWO.json"), &good).expect("written");
    fs::write(folder.path().join("small.json"), "{}").expect("written");
    let Err(MetadataError::Faults(faults)) = read_metadata(folder.path()) else { panic!("faults") };
    let shown = faults.to_string();
    assert!(shown.contains("TWO/TWO.json: there is another metadata file of this variable"), "{shown}");
    assert!(shown.contains("small.json: the name is not a variable's"), "{shown}");
    assert!(shown.contains("small.json, at temporalityType: the field is missing"), "{shown}");
    let empty = tempfile::tempdir().expect("a folder");
    assert!(matches!(read_metadata(empty.path()), Err(MetadataError::Nothing(_))));
}
