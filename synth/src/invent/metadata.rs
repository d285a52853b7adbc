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
pub(super) mod tests;
