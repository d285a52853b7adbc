//! Metadata files of the dataset format, as far as data can be made from them: every fault, each with its field.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use kobling_model::catalogue::{DataType, Temporality};
use kobling_model::{Day, UnitType, VariableName};

use super::fault::{Fault, FaultKind, Faults};
use super::json::Json;
use super::shape::{METADATA, Place};

/// No metadata file is larger.
const BYTES_MAX: u64 = 64 << 20;

/// A variable to make data for.
#[derive(Clone, Debug)]
pub struct Variable {
    /// Its name.
    pub name: VariableName,
    /// The file that describes it, as found in the folder.
    pub(super) file: String,
    /// What that file says, byte for byte but for a byte order mark.
    pub(super) json: Vec<u8>,
    /// What its rows are about.
    pub unit_type: UnitType,
    /// When its values hold.
    pub temporality: Temporality,
    /// Which values it has.
    pub(super) domain: Domain,
}

/// Which values a variable has.
#[derive(Clone, Debug)]
pub(super) enum Domain {
    /// One of a list of codes, or now and then a sentinel.
    Codes { codes: Vec<Code>, sentinels: Vec<String> },
    /// Anything of a type, and what is said about it.
    Described { data_type: DataType, words: Words },
    /// Another unit, with the words that say in what relation it stands.
    Pointer { unit_type: UnitType, words: Words },
}

/// A code, and on which days there may be rows with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Code {
    pub(super) code: String,
    /// All titles, lower case.
    pub(super) title: String,
    pub(super) from: Day,
    pub(super) until: Option<Day>,
}

/// What is said about the values of a variable, from the most telling to the least, lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Words {
    pub(super) format: String,
    pub(super) unit: String,
    pub(super) measurement: String,
    pub(super) name: String,
    pub(super) description: String,
}

/// Why a folder of metadata cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MetadataError {
    /// The folder itself.
    #[error("{} cannot be read", folder.display())]
    Folder {
        /// Which.
        folder: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// There is nothing in it.
    #[error("{} has no metadata files NAME.json or NAME/NAME.json", .0.display())]
    Nothing(PathBuf),
    /// The files have faults.
    #[error("{0}")]
    Faults(Faults),
}

/// Reads all metadata files of a folder, `NAME.json` or `NAME/NAME.json`, in order of names.
///
/// # Errors
/// [`MetadataError`]; all faults of all files at once.
pub fn read_metadata(folder: &Path) -> Result<Vec<Variable>, MetadataError> {
    let unreadable = |source| MetadataError::Folder { folder: folder.to_owned(), source };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if path.is_dir() {
            let file = format!("{name}/{name}.json");
            if path.join(format!("{name}.json")).exists() {
                files.push((name.to_owned(), file));
            }
        } else if let Some(stem) = name.strip_suffix(".json").filter(|stem| !stem.is_empty()) {
            files.push((stem.to_owned(), name.to_owned()));
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(MetadataError::Nothing(folder.to_owned()));
    }
    let mut faults = Faults::default();
    let mut variables: BTreeMap<String, Option<Variable>> = BTreeMap::new();
    for (stem, file) in files {
        if variables.contains_key(&stem) {
            faults.add(Fault { file, line: None, field: None, kind: FaultKind::Twice });
            continue;
        }
        let variable = read_file(folder, &stem, &file, &mut faults);
        variables.insert(stem, variable);
    }
    if faults.total() > 0 {
        return Err(MetadataError::Faults(faults));
    }
    Ok(variables.into_values().flatten().collect())
}

fn read_file(folder: &Path, stem: &str, file: &str, faults: &mut Faults) -> Option<Variable> {
    let mut whole = |kind| faults.add(Fault { file: file.to_owned(), line: None, field: None, kind });
    let mut bytes = Vec::new();
    let read =
        File::open(folder.join(file)).and_then(|file| file.take(BYTES_MAX + 1).read_to_end(&mut bytes));
    match read {
        Err(_) => {
            whole(FaultKind::Unreadable);
            return None;
        }
        Ok(length) if length as u64 > BYTES_MAX => {
            whole(FaultKind::TooLarge { limit: BYTES_MAX });
            return None;
        }
        Ok(_) => {}
    }
    let name =
        VariableName::new(stem).map_err(|invalid| whole(FaultKind::Name { expected: invalid.expected }));
    let bytes = match bytes.strip_prefix("\u{feff}".as_bytes()) {
        Some(rest) => rest.to_vec(),
        None => bytes,
    };
    read_variable(name.ok(), file, bytes, faults)
}

/// The variable that a metadata file describes; none where it has a fault, or has no name.
pub(super) fn read_variable(
    name: Option<VariableName>,
    file: &str,
    bytes: Vec<u8>,
    faults: &mut Faults,
) -> Option<Variable> {
    let before = faults.total();
    let json = parse(file, &bytes, faults)?;
    let mut place = Place::new(file, faults);
    place.check(&json, &METADATA);
    let words = Words::of(name.as_ref(), &json);
    let domain =
        json.field("measureVariables").and_then(|measures| measures.elements().first()).and_then(|measure| {
            place.at("measureVariables", |place| place.index(0, |place| domain(measure, words, place)))
        });
    let unit_type = json
        .field("identifierVariables")
        .and_then(|identifiers| identifiers.elements().first()?.field("unitType")?.text()?.parse().ok());
    let temporality = json.field("temporalityType").and_then(Json::text).and_then(temporality);
    if faults.total() > before {
        return None;
    }
    Some(Variable {
        name: name?,
        file: file.to_owned(),
        json: bytes,
        unit_type: unit_type?,
        temporality: temporality?,
        domain: domain?,
    })
}

pub(super) fn parse(file: &str, bytes: &[u8], faults: &mut Faults) -> Option<Json> {
    let mut at_line = |line: usize, kind| {
        faults.add(Fault { file: file.to_owned(), line: Some(line as u64), field: None, kind });
    };
    match std::str::from_utf8(bytes) {
        Err(error) => {
            let line = 1 + bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count();
            at_line(line, FaultKind::NotUtf8);
            None
        }
        Ok(text) => match serde_json::from_str(text) {
            Ok(json) => Some(json),
            Err(error) => {
                at_line(error.line(), FaultKind::NotJson { column: error.column() as u64 });
                None
            }
        },
    }
}

fn temporality(text: &str) -> Option<Temporality> {
    Some(match text {
        "FIXED" => Temporality::Fixed,
        "STATUS" => Temporality::Status,
        "ACCUMULATED" => Temporality::Accumulated,
        "EVENT" => Temporality::Event,
        _ => return None,
    })
}

fn data_type(text: &str) -> Option<DataType> {
    Some(match text {
        "STRING" => DataType::String,
        "LONG" => DataType::Long,
        "DOUBLE" => DataType::Double,
        "DATE" => DataType::Date,
        _ => return None,
    })
}

/// What several fields of a measure say together.
fn domain(measure: &Json, words: Words, place: &mut Place<'_>) -> Option<Domain> {
    let exclude = |json: &Json, names: &[&str], with: &'static str, place: &mut Place<'_>| {
        for name in names.iter().filter(|name| json.field(name).is_some()) {
            place.fault_at(name, FaultKind::Conflict { with });
        }
    };
    if let Some(unit_type) = measure.field("unitType") {
        exclude(measure, &["dataType", "valueDomain"], "unitType", place);
        let unit_type = unit_type.text()?.parse().ok()?;
        return Some(Domain::Pointer { unit_type, words });
    }
    for name in ["dataType", "valueDomain"] {
        if measure.field(name).is_none() {
            place.fault_at(name, FaultKind::Missing);
        }
    }
    let data_type = measure.field("dataType").and_then(Json::text).and_then(data_type);
    let values = measure.field("valueDomain")?;
    place.at("valueDomain", |place| {
        if let Some(list) = values.field("codeList") {
            let others = ["description", "measurementType", "measurementUnitDescription"];
            exclude(values, &others, "codeList", place);
            let codes = place.at("codeList", |place| codes(list, data_type, place));
            let sentinels = values.field("sentinelAndMissingValues").map_or(&[][..], Json::elements);
            let sentinels = place.at("sentinelAndMissingValues", |place| {
                let numbered = sentinels.iter().enumerate();
                let each =
                    numbered.filter_map(|(at, json)| place.index(at, |place| code(json, data_type, place)));
                each.collect()
            });
            Some(Domain::Codes { codes, sentinels })
        } else if values.field("description").is_some() {
            exclude(values, &["sentinelAndMissingValues"], "description", place);
            Some(Domain::Described { data_type: data_type?, words })
        } else {
            if matches!(values, Json::Object(_)) {
                place.fault(FaultKind::NoDomain);
            }
            None
        }
    })
}

fn codes(list: &Json, data_type: Option<DataType>, place: &mut Place<'_>) -> Vec<Code> {
    let mut codes: Vec<(usize, Code)> = Vec::new();
    for (at, json) in list.elements().iter().enumerate() {
        place.index(at, |place| {
            let day = |name| json.field(name).and_then(Json::text).and_then(|text| text.parse::<Day>().ok());
            let (from, until) = (day("validFrom"), day("validUntil"));
            if from.zip(until).is_some_and(|(from, until)| until < from) {
                place.fault_at("validUntil", FaultKind::Backwards);
            }
            let title = json.field("categoryTitle").map(all_texts).unwrap_or_default();
            if let (Some(code), Some(from)) = (code(json, data_type, place), from) {
                codes.push((at, Code { code, title, from, until }));
            }
        });
    }
    let mut order: Vec<&(usize, Code)> = codes.iter().collect();
    order.sort_by_key(|(at, code)| (&code.code, code.from, *at));
    let mut reached: Option<(&str, Option<Day>)> = None;
    for (at, code) in order {
        let same = reached.filter(|(text, _)| *text == code.code);
        if same.is_some_and(|(_, until)| until.is_none_or(|until| until >= code.from)) {
            place.index(*at, |place| place.fault_at("code", FaultKind::CodeTwice));
        }
        let until = same.map_or(code.until, |(_, until)| until.zip(code.until).map(|(a, b)| a.max(b)));
        reached = Some((&code.code, until));
    }
    codes.into_iter().map(|(_, code)| code).collect()
}

/// A code as it is written in the data.
fn code(json: &Json, data_type: Option<DataType>, place: &mut Place<'_>) -> Option<String> {
    let json = json.field("code")?;
    place.at("code", |place| {
        let wrong = |place: &mut Place<'_>, kind| {
            place.fault(kind);
            None
        };
        let expected = match (data_type?, json) {
            (DataType::String, Json::Text(text)) => {
                let text = text.trim();
                return match text {
                    "" => wrong(place, FaultKind::TextEmpty),
                    _ if !is_plain(text) => wrong(place, FaultKind::TextNotPlain),
                    _ => Some(text.to_owned()),
                };
            }
            (DataType::Long | DataType::Double, Json::Integer(number)) => return Some(number.to_string()),
            (DataType::Double, Json::Number(number)) => return Some(number.to_string()),
            (DataType::Date, Json::Text(text)) if text.parse::<Day>().is_ok() => return Some(text.clone()),
            // Anything else than a text or a number is named by its shape.
            (_, Json::Text(_) | Json::Integer(_) | Json::Number(_)) => match data_type? {
                DataType::String => "a text",
                DataType::Long => "a whole number, not a text",
                DataType::Double => "a number, not a text",
                DataType::Date => "a day as a text YYYY-MM-DD",
            },
            _ => return None,
        };
        wrong(place, FaultKind::CodeType { expected })
    })
}

/// Whether a text shows as what it is: no control characters, no marks that turn or hide what follows.
fn is_plain(text: &str) -> bool {
    !text.chars().any(|c| {
        c.is_control()
            || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
            || matches!(c, '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
    })
}

impl Words {
    fn of(name: Option<&VariableName>, json: &Json) -> Self {
        let Some(measure) = json.field("measureVariables").and_then(|list| list.elements().first()) else {
            return Self::default();
        };
        let domain = measure.field("valueDomain");
        let in_domain = |name: &str| domain.and_then(|domain| domain.field(name));
        let texts = |json: Option<&Json>| json.map(all_texts).unwrap_or_default();
        let name = name.map(|name| name.as_str().to_lowercase()).unwrap_or_default();
        Self {
            format: measure.field("format").and_then(Json::text).unwrap_or_default().to_lowercase(),
            unit: texts(in_domain("measurementUnitDescription")),
            measurement: in_domain("measurementType").and_then(Json::text).unwrap_or_default().to_lowercase(),
            name: format!("{name} {}", texts(measure.field("name"))),
            description: format!(
                "{} {}",
                texts(in_domain("description")),
                texts(measure.field("description"))
            ),
        }
    }
}

/// A text in all its languages, lower case.
fn all_texts(json: &Json) -> String {
    let texts = json.elements().iter().filter_map(|text| text.field("value")?.text());
    texts.collect::<Vec<_>>().join(" ").to_lowercase()
}

#[cfg(test)]
pub(super) mod tests {
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
            (
                format!("{measure}/valueDomain"),
                None,
                "at measureVariables[0].valueDomain: the field is missing",
            ),
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
            (
                format!("{domain}/codeList/0/validUntil"),
                Some(json!("1899-01-01")),
                "validUntil: the period ends",
            ),
            (
                format!("{domain}/codeList/0/validFrom"),
                Some(json!("1900-02-29")),
                "validFrom: expected a day",
            ),
            (
                format!("{domain}/codeList/0/code"),
                Some(json!("1\u{2067}")),
                "the text has control characters",
            ),
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
}
