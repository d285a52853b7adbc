//! The metadata file of a dataset, checked against the dataset format: every problem, each with its path.
//!
//! Each `read_…` function reports what it finds and yields a value where one can be made, so that one wrong
//! field does not hide the next.

use std::collections::HashMap;

use kobling_model::catalogue::{Code, DataType, Sensitivity, Sentinel, Temporality, ValueDomain};
use kobling_model::{Day, UnitType};

use super::json::Json;
use super::problem::{Findings, ProblemKind};

/// What a metadata file says, as far as Kobling uses it.
#[derive(Clone, Debug, PartialEq)]
pub struct Metadata {
    /// Name of the measure, in the best language present.
    pub title: String,
    /// Description of the measure.
    pub description: String,
    /// What each row is about.
    pub unit_type: UnitType,
    /// When its values hold.
    pub temporality: Temporality,
    /// How sensitive the owner says it is.
    pub sensitivity: Sensitivity,
    /// Which values there are.
    pub domain: ValueDomain,
}

/// What could be read of a metadata file, right or not: enough to judge the data file by, so that one wrong field does not
/// hide the problems of the data.
#[derive(Clone, Debug, Default)]
pub(super) struct Form {
    pub(super) unit_type: Option<UnitType>,
    pub(super) temporality: Option<Temporality>,
    pub(super) domain: Option<ValueDomain>,
}

/// Languages in order of preference.
const LANGUAGES: [&str; 4] = ["nb", "no", "nn", "en"];

const TEMPORALITIES: Words<Temporality> = Words {
    all: "FIXED, STATUS, ACCUMULATED, EVENT",
    words: &[
        ("FIXED", Temporality::Fixed),
        ("STATUS", Temporality::Status),
        ("ACCUMULATED", Temporality::Accumulated),
        ("EVENT", Temporality::Event),
    ],
};

const SENSITIVITIES: Words<Sensitivity> = Words {
    all: "PERSON_GENERAL, PERSON_SPECIAL, PUBLIC, NONPUBLIC",
    words: &[
        ("PERSON_GENERAL", Sensitivity::PersonGeneral),
        ("PERSON_SPECIAL", Sensitivity::PersonSpecial),
        ("PUBLIC", Sensitivity::Public),
        ("NONPUBLIC", Sensitivity::Nonpublic),
    ],
};

const DATA_TYPES: Words<DataType> = Words {
    all: "STRING, LONG, DOUBLE, DATE",
    words: &[
        ("STRING", DataType::String),
        ("LONG", DataType::Long),
        ("DOUBLE", DataType::Double),
        ("DATE", DataType::Date),
    ],
};

/// A closed list of words and what they mean.
struct Words<T: 'static> {
    all: &'static str,
    words: &'static [(&'static str, T)],
}

/// Reads and checks a metadata file. No metadata where something is wrong; then `findings` says what.
pub(super) fn read(bytes: &[u8], findings: &mut Findings) -> (Option<Metadata>, Form) {
    let before = findings.total();
    let Some(json) = parse(bytes, findings) else { return (None, Form::default()) };
    let mut reader = Reader { path: String::new(), findings, form: Form::default() };
    let metadata = reader.metadata(json);
    let form = reader.form;
    (metadata.filter(|_| findings.total() == before), form)
}

fn parse(bytes: &[u8], findings: &mut Findings) -> Option<Json> {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let line = 1 + bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count();
            findings.json(Some(line as u64), None, ProblemKind::NotUtf8);
            return None;
        }
    };
    match serde_json::from_str(text) {
        Ok(json) => Some(json),
        Err(error) => {
            let kind = ProblemKind::Json { column: error.column() as u64 };
            findings.json(Some(error.line() as u64), None, kind);
            None
        }
    }
}

/// Fields of one object, taken one by one.
struct Fields {
    /// Present ones, by name.
    present: HashMap<&'static str, Json>,
}

impl Fields {
    /// Takes a field; a null is the same as none.
    fn take(&mut self, name: &'static str) -> Option<Json> {
        self.present.remove(name).filter(|value| !matches!(value, Json::Null))
    }

    fn has(&self, name: &'static str) -> bool {
        self.present.get(name).is_some_and(|value| !matches!(value, Json::Null))
    }
}

/// Walks the document; `path` is where it is.
struct Reader<'a> {
    path: String,
    findings: &'a mut Findings,
    form: Form,
}

impl Reader<'_> {
    fn problem(&mut self, kind: ProblemKind) {
        let path = if self.path.is_empty() { "the top" } else { &self.path };
        self.findings.json(None, Some(path), kind);
    }

    fn problem_at(&mut self, field: &str, kind: ProblemKind) {
        self.at(field, |reader| reader.problem(kind));
    }

    /// Does `work` one step further down.
    fn at<T>(&mut self, field: &str, work: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.path.len();
        if length > 0 {
            self.path.push('.');
        }
        self.path.push_str(field);
        let result = work(self);
        self.path.truncate(length);
        result
    }

    fn at_index<T>(&mut self, index: usize, work: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.path.len();
        self.path.push_str(&format!("[{index}]"));
        let result = work(self);
        self.path.truncate(length);
        result
    }

    fn object(&mut self, json: Json, known: &'static [&'static str]) -> Option<Fields> {
        let Json::Object(fields) = json else {
            self.problem(ProblemKind::Type { expected: "an object" });
            return None;
        };
        let mut present = HashMap::new();
        for (name, value) in fields {
            match known.iter().find(|known| **known == name) {
                None => {
                    let near = nearest(&name, known.iter().copied());
                    self.problem_at(&shown_name(&name), ProblemKind::UnknownField { near });
                }
                Some(known) => {
                    if present.insert(*known, value).is_some() {
                        self.problem_at(known, ProblemKind::FieldTwice);
                    }
                }
            }
        }
        Some(Fields { present })
    }

    /// A field that must be there.
    fn required<T>(
        &mut self,
        fields: &mut Fields,
        name: &'static str,
        read: impl FnOnce(&mut Self, Json) -> Option<T>,
    ) -> Option<T> {
        match fields.take(name) {
            Some(json) => self.at(name, |reader| read(reader, json)),
            None => {
                self.problem_at(name, ProblemKind::FieldMissing);
                None
            }
        }
    }

    /// A field that may be there.
    fn optional<T>(
        &mut self,
        fields: &mut Fields,
        name: &'static str,
        read: impl FnOnce(&mut Self, Json) -> Option<T>,
    ) -> Option<T> {
        let json = fields.take(name)?;
        self.at(name, |reader| read(reader, json))
    }

    fn list<T>(&mut self, json: Json, mut read: impl FnMut(&mut Self, Json) -> Option<T>) -> Option<Vec<T>> {
        let Json::List(elements) = json else {
            self.problem(ProblemKind::Type { expected: "a list" });
            return None;
        };
        if elements.is_empty() {
            self.problem(ProblemKind::ListEmpty);
            return None;
        }
        let count = elements.len();
        let numbered = elements.into_iter().enumerate();
        let read: Vec<_> = numbered
            .filter_map(|(index, element)| self.at_index(index, |reader| read(reader, element)))
            .collect();
        (read.len() == count).then_some(read)
    }

    /// A list of exactly one element.
    fn single<T>(&mut self, json: Json, read: impl FnMut(&mut Self, Json) -> Option<T>) -> Option<T> {
        if matches!(&json, Json::List(elements) if elements.len() != 1) {
            self.problem(ProblemKind::NotOne);
            return None;
        }
        self.list(json, read)?.pop()
    }

    fn text(&mut self, json: Json) -> Option<String> {
        match json {
            Json::Text(text) if text.trim().is_empty() => {
                self.problem(ProblemKind::TextEmpty);
                None
            }
            Json::Text(text) => Some(text),
            _ => {
                self.problem(ProblemKind::Type { expected: "a text" });
                None
            }
        }
    }

    fn texts(&mut self, json: Json) -> Option<Vec<String>> {
        self.list(json, Self::text)
    }

    /// A field that is not used and only has to be of its type.
    fn any_text(&mut self, json: Json) -> Option<()> {
        let right = matches!(json, Json::Text(_));
        if !right {
            self.problem(ProblemKind::Type { expected: "a text" });
        }
        right.then_some(())
    }

    /// A list that is not used; it may be empty.
    fn any_texts(&mut self, json: Json) -> Option<()> {
        if matches!(&json, Json::List(elements) if elements.is_empty()) {
            return Some(());
        }
        self.list(json, Self::any_text).map(|_| ())
    }

    fn word<T: Copy>(&mut self, json: Json, list: &Words<T>) -> Option<T> {
        let text = self.text(json)?;
        let found = list.words.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            let near = nearest(&text, list.words.iter().map(|(word, _)| *word));
            self.problem(ProblemKind::Word { expected: list.all, near });
        }
        found.map(|(_, meaning)| *meaning)
    }

    fn unit_type(&mut self, json: Json) -> Option<UnitType> {
        let text = self.text(json)?;
        let unit_type = text.parse().ok();
        if unit_type.is_none() {
            let near = nearest(&text, UnitType::ALL.into_iter().map(UnitType::as_str));
            self.problem(ProblemKind::Word { expected: "the unit types of the dataset format", near });
        }
        unit_type
    }

    fn day(&mut self, json: Json) -> Option<Day> {
        let day = self.text(json)?.parse().ok();
        if day.is_none() {
            self.problem(ProblemKind::Day);
        }
        day
    }

    /// A text in one or several languages: the best one present.
    fn multilingual(&mut self, json: Json) -> Option<String> {
        let texts = self.list(json, Self::text_in_language)?;
        texts.into_iter().min_by_key(|(rank, _)| *rank).map(|(_, text)| text)
    }

    fn text_in_language(&mut self, json: Json) -> Option<(usize, String)> {
        let mut fields = self.object(json, &["languageCode", "value"])?;
        let rank = self.required(&mut fields, "languageCode", |reader, json| {
            let code = reader.text(json)?;
            let rank = LANGUAGES.iter().position(|language| *language == code);
            if rank.is_none() {
                let near = nearest(&code, LANGUAGES.into_iter());
                reader.problem(ProblemKind::Word { expected: "no, nb, nn, en", near });
            }
            rank
        });
        let text = self.required(&mut fields, "value", Self::text);
        Some((rank?, inert(&text?)))
    }

    fn metadata(&mut self, json: Json) -> Option<Metadata> {
        let mut fields = self.object(
            json,
            &[
                "temporalityType",
                "sensitivityLevel",
                "populationDescription",
                "spatialCoverageDescription",
                "subjectFields",
                "dataRevision",
                "identifierVariables",
                "measureVariables",
            ],
        )?;
        let temporality =
            self.required(&mut fields, "temporalityType", |reader, json| reader.word(json, &TEMPORALITIES));
        let sensitivity =
            self.required(&mut fields, "sensitivityLevel", |reader, json| reader.word(json, &SENSITIVITIES));
        self.required(&mut fields, "populationDescription", Self::multilingual);
        self.optional(&mut fields, "spatialCoverageDescription", Self::multilingual);
        self.required(&mut fields, "subjectFields", |reader, json| reader.list(json, Self::multilingual));
        self.required(&mut fields, "dataRevision", Self::data_revision);
        let unit_type = self.required(&mut fields, "identifierVariables", |reader, json| {
            reader.single(json, |reader, json| {
                let mut fields = reader.object(json, &["unitType"])?;
                reader.required(&mut fields, "unitType", Self::unit_type)
            })
        });
        let measure =
            self.required(&mut fields, "measureVariables", |reader, json| reader.single(json, Self::measure));
        self.form.unit_type = unit_type;
        self.form.temporality = temporality;
        let (title, description, domain) = measure?;
        Some(Metadata {
            title,
            description,
            unit_type: unit_type?,
            temporality: temporality?,
            sensitivity: sensitivity?,
            domain,
        })
    }

    fn data_revision(&mut self, json: Json) -> Option<()> {
        let mut fields = self.object(json, &["description", "temporalEnd"])?;
        self.required(&mut fields, "description", Self::multilingual);
        self.optional(&mut fields, "temporalEnd", |reader, json| {
            let mut fields = reader.object(json, &["description", "successors"])?;
            reader.required(&mut fields, "description", Self::multilingual);
            reader.optional(&mut fields, "successors", Self::texts)
        });
        Some(())
    }

    fn measure(&mut self, json: Json) -> Option<(String, String, ValueDomain)> {
        let mut fields = self.object(
            json,
            &["unitType", "name", "description", "dataType", "format", "uriDefinition", "valueDomain"],
        )?;
        let title = self.required(&mut fields, "name", Self::multilingual);
        let description = self.required(&mut fields, "description", Self::multilingual);
        self.optional(&mut fields, "format", Self::any_text);
        self.optional(&mut fields, "uriDefinition", Self::any_texts);
        let domain = if fields.has("unitType") {
            for name in ["dataType", "valueDomain"] {
                if fields.has(name) {
                    self.problem_at(name, ProblemKind::Conflict { with: "unitType" });
                }
            }
            self.required(&mut fields, "unitType", Self::unit_type)
                .map(|unit_type| ValueDomain::Pointer { unit_type })
        } else {
            let data_type =
                self.required(&mut fields, "dataType", |reader, json| reader.word(json, &DATA_TYPES));
            self.required(&mut fields, "valueDomain", |reader, json| reader.value_domain(json, data_type))
        };
        if domain.is_some() {
            self.form.domain.clone_from(&domain);
        }
        Some((title?, description?, domain?))
    }

    /// `data_type` is none where it is itself wrong; the rest is checked all the same.
    fn value_domain(&mut self, json: Json, data_type: Option<DataType>) -> Option<ValueDomain> {
        let mut fields = self.object(
            json,
            &[
                "description",
                "measurementType",
                "measurementUnitDescription",
                "uriDefinition",
                "codeList",
                "sentinelAndMissingValues",
            ],
        )?;
        self.optional(&mut fields, "uriDefinition", Self::any_texts);
        if fields.has("codeList") {
            for name in ["description", "measurementType", "measurementUnitDescription"] {
                if fields.has(name) {
                    self.problem_at(name, ProblemKind::Conflict { with: "codeList" });
                }
            }
            let codes = self.required(&mut fields, "codeList", |reader, json| {
                let codes = reader.list(json, |reader, json| reader.code(json, data_type));
                reader.check_codes(codes.as_deref().unwrap_or_default());
                codes
            });
            let sentinels = match fields.take("sentinelAndMissingValues") {
                None => Some(Vec::new()),
                Some(Json::List(elements)) if elements.is_empty() => Some(Vec::new()),
                Some(json) => self.at("sentinelAndMissingValues", |reader| {
                    reader.list(json, |reader, json| reader.sentinel(json, data_type))
                }),
            };
            Some(ValueDomain::Codes { data_type: data_type?, codes: codes?, sentinels: sentinels? })
        } else if fields.has("description") {
            if fields.has("sentinelAndMissingValues") {
                let kind = ProblemKind::Conflict { with: "description" };
                self.problem_at("sentinelAndMissingValues", kind);
            }
            let description = self.required(&mut fields, "description", Self::multilingual);
            self.optional(&mut fields, "measurementType", Self::any_text);
            let unit = self.optional(&mut fields, "measurementUnitDescription", Self::multilingual);
            // The data can be judged by the type alone.
            self.form.domain = data_type.map(|data_type| ValueDomain::Described {
                data_type,
                description: String::new(),
                unit: String::new(),
            });
            Some(ValueDomain::Described {
                data_type: data_type?,
                description: description?,
                unit: unit.unwrap_or_default(),
            })
        } else {
            self.problem(ProblemKind::NoDomain);
            None
        }
    }

    fn code(&mut self, json: Json, data_type: Option<DataType>) -> Option<Code> {
        let mut fields = self.object(json, &["code", "categoryTitle", "validFrom", "validUntil"])?;
        let code = self.required(&mut fields, "code", |reader, json| reader.code_text(json, data_type));
        let title = self.required(&mut fields, "categoryTitle", Self::multilingual);
        let valid_from = self.required(&mut fields, "validFrom", Self::day);
        let open = !fields.has("validUntil");
        let valid_until = self.optional(&mut fields, "validUntil", Self::day);
        let valid_from = valid_from?;
        if !open && valid_until? < valid_from {
            self.problem_at("validUntil", ProblemKind::PeriodBackwards);
        }
        Some(Code { code: code?, title: title?, valid_from, valid_until })
    }

    fn sentinel(&mut self, json: Json, data_type: Option<DataType>) -> Option<Sentinel> {
        let mut fields = self.object(json, &["code", "categoryTitle"])?;
        let code = self.required(&mut fields, "code", |reader, json| reader.code_text(json, data_type));
        let title = self.required(&mut fields, "categoryTitle", Self::multilingual);
        Some(Sentinel { code: code?, title: title? })
    }

    /// A code as it is written in the data.
    fn code_text(&mut self, json: Json, data_type: Option<DataType>) -> Option<String> {
        let (code, expected) = match (data_type, json) {
            (None, _) => return None,
            (Some(DataType::String), Json::Text(text)) => {
                let text = text.trim();
                if text.is_empty() {
                    self.problem(ProblemKind::TextEmpty);
                    return None;
                }
                if !is_plain(text) {
                    self.problem(ProblemKind::TextNotPlain);
                    return None;
                }
                (Some(text.to_owned()), "")
            }
            (Some(DataType::String), _) => (None, "a text"),
            (Some(DataType::Long), Json::Integer(number)) => (Some(number.to_string()), ""),
            (Some(DataType::Long), _) => (None, "a whole number, not a text"),
            (Some(DataType::Double), Json::Integer(number)) => (Some(number.to_string()), ""),
            (Some(DataType::Double), Json::Number(number)) => (Some(number.to_string()), ""),
            (Some(DataType::Double), _) => (None, "a number, not a text"),
            (Some(DataType::Date), Json::Text(text)) => {
                (text.parse::<Day>().is_ok().then_some(text), "a day as a text YYYY-MM-DD")
            }
            (Some(DataType::Date), _) => (None, "a day as a text YYYY-MM-DD"),
        };
        if code.is_none() {
            self.problem(ProblemKind::CodeType { expected });
        }
        code
    }

    /// No code twice on any one day.
    fn check_codes(&mut self, codes: &[Code]) {
        let mut order: Vec<usize> = (0..codes.len()).collect();
        order.sort_by_key(|at| (&codes[*at].code, codes[*at].valid_from));
        let mut reached: Option<(&str, Option<Day>)> = None;
        for at in order {
            let code = &codes[at];
            match reached {
                Some((text, until)) if text == code.code => {
                    if until.is_none_or(|until| until >= code.valid_from) {
                        self.at_index(at, |reader| reader.problem_at("code", ProblemKind::CodeTwice));
                    }
                    let until = until.zip(code.valid_until).map(|(one, other)| one.max(other));
                    reached = Some((text, until));
                }
                _ => reached = Some((&code.code, code.valid_until)),
            }
        }
    }
}

/// Whether a text shows as what it is: no control characters, no line breaks, no marks that turn or hide what follows.
pub(super) fn is_plain(text: &str) -> bool {
    text.is_ascii() && !text.bytes().any(|byte| byte.is_ascii_control()) || !text.chars().any(is_active)
}

/// A text of the metadata as it may be shown anywhere: on one line, in its own direction.
fn inert(text: &str) -> String {
    let plain = text.trim().chars().filter_map(|c| match c {
        _ if c.is_whitespace() => Some(' '),
        _ if is_active(c) => None,
        _ => Some(c),
    });
    plain.collect()
}

fn is_active(c: char) -> bool {
    let direction =
        matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}');
    c.is_control()
        || direction
        || matches!(c, '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// An unknown field's name, kept short and printable.
fn shown_name(name: &str) -> String {
    name.chars().take(40).flat_map(char::escape_debug).collect()
}

/// The word that `text` is probably meant to be: at most a third of its letters away, ignoring case.
fn nearest(text: &str, words: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    if text.len() > 64 {
        return None;
    }
    let text = text.to_lowercase();
    let near = words.map(|word| (distance(&text, &word.to_lowercase()), word));
    near.min_by_key(|(distance, _)| *distance)
        .filter(|(distance, word)| *distance <= word.len().div_ceil(3))
        .map(|(_, word)| word)
}

/// Letters to insert, drop or exchange to make one text the other (V. I. Levenshtein, 1966).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (above, letter) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = above + 1;
        for (at, candidate) in other.iter().enumerate() {
            let exchanged = diagonal + usize::from(letter != *candidate);
            diagonal = row[at + 1];
            row[at + 1] = exchanged.min(row[at] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn text(value: &str) -> Value {
        json!([{"languageCode": "no", "value": value}])
    }

    fn good() -> Value {
        json!({
            "temporalityType": "EVENT",
            "sensitivityLevel": "PERSON_GENERAL",
            "populationDescription": text("Alle"),
            "spatialCoverageDescription": text("Norge"),
            "subjectFields": [text("Befolkning")],
            "dataRevision": {
                "description": text("Ny"),
                "temporalEnd": {"description": text("Slutt"), "successors": ["X"]}
            },
            "identifierVariables": [{"unitType": "PERSON"}],
            "measureVariables": [{
                "name": [{"languageCode": "en", "value": "Status"}, {"languageCode": "nb", "value": "Sivilstand"}],
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
            }]
        })
    }

    fn problems(json: &Value) -> Vec<String> {
        let mut findings = Findings::new("X");
        let (read, _) = read(json.to_string().as_bytes(), &mut findings);
        let (problems, _) = findings.finish();
        assert_eq!(read.is_none(), !problems.is_empty());
        problems.iter().map(|problem| problem.to_string()).collect()
    }

    /// Puts `value` at a JSON pointer; `None` removes the field.
    fn with(pointer: &str, value: Option<Value>) -> Value {
        let mut json = good();
        let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
        match (json.pointer_mut(parent).expect("exists"), value) {
            (Value::Object(object), Some(value)) => {
                object.insert(name.to_owned(), value);
            }
            (Value::Object(object), None) => {
                object.remove(name);
            }
            (Value::Array(list), Some(value)) => list[name.parse::<usize>().expect("index")] = value,
            _ => panic!("not a place"),
        }
        json
    }

    #[test]
    fn a_good_file_is_read_in_the_best_language_present() {
        assert_eq!(problems(&good()), Vec::<String>::new());
        let mut findings = Findings::new("X");
        let metadata = read(good().to_string().as_bytes(), &mut findings).0.expect("good");
        assert_eq!(metadata.title, "Sivilstand");
        assert_eq!(metadata.temporality, Temporality::Event);
        let ValueDomain::Codes { codes, sentinels, .. } = metadata.domain else { panic!("codes") };
        assert_eq!((codes.len(), sentinels.len()), (3, 1));
    }

    #[test]
    fn each_wrong_field_is_named_by_its_path() {
        let measure = "/measureVariables/0";
        let domain = "/measureVariables/0/valueDomain";
        let cases: Vec<(String, Option<Value>, &str)> = vec![
            ("/temporalityType".into(), None, "temporalityType: the field is missing"),
            ("/temporalityType".into(), Some(json!("EVNT")), "did you mean \"EVENT\"?"),
            ("/temporalityType".into(), Some(json!(3)), "temporalityType: expected a text"),
            ("/sensitivityLevel".into(), Some(json!("SECRET")), "expected one of PERSON_GENERAL"),
            ("/populationDescription".into(), Some(json!("x")), "populationDescription: expected a list"),
            ("/populationDescription".into(), Some(json!([])), "populationDescription: the list is empty"),
            (
                "/populationDescription/0".into(),
                Some(json!({"languageCode": "de", "value": "x"})),
                "populationDescription[0].languageCode: expected one of no, nb, nn, en",
            ),
            (
                "/populationDescription/0".into(),
                Some(json!({"languageCode": "no", "value": ""})),
                "populationDescription[0].value: the text is empty",
            ),
            ("/subjectFields".into(), Some(json!([[]])), "subjectFields[0]: the list is empty"),
            ("/dataRevision".into(), Some(json!({})), "dataRevision.description: the field is missing"),
            (
                "/dataRevision/temporalEnd".into(),
                Some(json!([])),
                "dataRevision.temporalEnd: expected an object",
            ),
            ("/identifierVariables".into(), Some(json!([])), "identifierVariables: expected exactly one"),
            (
                "/identifierVariables/0/unitType".into(),
                Some(json!("PERSONN")),
                "identifierVariables[0].unitType: expected one of the unit types of the dataset format; did you mean \"PERSON\"?",
            ),
            (
                "/measureVariable".into(),
                Some(json!([])),
                "measureVariable: there is no field of this name; did you mean \"measureVariables\"?",
            ),
            (
                format!("{measure}/dataTyp"),
                Some(json!("LONG")),
                "measureVariables[0].dataTyp: there is no field",
            ),
            (format!("{measure}/dataType"), None, "measureVariables[0].dataType: the field is missing"),
            (format!("{measure}/valueDomain"), None, "measureVariables[0].valueDomain: the field is missing"),
            (
                format!("{measure}/unitType"),
                Some(json!("PERSON")),
                "measureVariables[0].dataType: cannot stand together with unitType",
            ),
            (
                format!("{measure}/dataType"),
                Some(json!("LONG")),
                "codeList[0].code: the code does not fit the dataType",
            ),
            (
                format!("{domain}/description"),
                Some(text("x")),
                "valueDomain.description: cannot stand together with codeList",
            ),
            (format!("{domain}/codeList"), None, "valueDomain: expected either a codeList or a description"),
            (format!("{domain}/codeList"), Some(json!([])), "valueDomain.codeList: the list is empty"),
            (
                format!("{domain}/codeList/1/validFrom"),
                Some(json!("1999-12-31")),
                "codeList[1].code: the code stands twice",
            ),
            (
                format!("{domain}/codeList/0/validUntil"),
                Some(json!("1899-01-01")),
                "codeList[0].validUntil: the period ends",
            ),
            (
                format!("{domain}/codeList/0/validFrom"),
                Some(json!("1900-02-29")),
                "codeList[0].validFrom: expected a day",
            ),
            (format!("{domain}/codeList/0/code"), Some(json!(1)), "codeList[0].code: the code does not fit"),
            (format!("{domain}/codeList/0/code"), Some(json!(" ")), "codeList[0].code: the text is empty"),
            (
                format!("{domain}/sentinelAndMissingValues/0/code"),
                Some(json!(9)),
                "sentinelAndMissingValues[0].code: the code",
            ),
        ];
        for (pointer, value, expected) in cases {
            let found = problems(&with(&pointer, value));
            assert!(found.iter().any(|problem| problem.contains(expected)), "{pointer}: {found:?}");
        }
    }

    #[test]
    fn all_problems_are_found_at_once() {
        let mut json = with("/temporalityType", None);
        json["sensitivityLevel"] = json!(false);
        json["measureVariables"][0]["dataType"] = json!("INT");
        json["measureVariables"][0]["valueDomain"]["codeList"][2]["validFrom"] = json!(7);
        assert_eq!(problems(&json).len(), 4);
    }

    #[test]
    fn a_pointer_has_a_unit_type_and_nothing_else() {
        let mut json = good();
        json["measureVariables"][0] =
            json!({"name": text("Mor"), "description": text("Mor"), "unitType": "PERSON"});
        assert_eq!(problems(&json), Vec::<String>::new());
    }

    #[test]
    fn what_is_not_json_is_named_by_line() {
        let found = |bytes: &[u8]| {
            let mut findings = Findings::new("X");
            assert_eq!(read(bytes, &mut findings).0, None);
            findings.finish().0[0].to_string()
        };
        assert_eq!(found(b"{\n\"a\": 1,\n}"), "X.json, line 3: not JSON from column 1 on");
        assert_eq!(found(b"{\n\"\xff\": 1}"), "X.json, line 2: not UTF-8");
        assert_eq!(found(b"[]"), "X.json, at the top: expected an object");
        let twice = found(br#"{"temporalityType": "FIXED", "temporalityType": "EVENT"}"#);
        assert_eq!(twice, "X.json, at temporalityType: the field stands twice");
        // Nested deeper than any reader's stack.
        assert!(found("[".repeat(100_000).as_bytes()).contains("not JSON"));
    }

    #[test]
    fn a_byte_order_mark_is_tolerated() {
        let mut findings = Findings::new("X");
        assert!(read(format!("\u{feff}{}", good()).as_bytes(), &mut findings).0.is_some());
    }

    #[test]
    fn texts_are_shown_on_one_line_in_their_own_direction() {
        let mut json = good();
        json["measureVariables"][0]["name"] = text("\u{202e}Drop\r\ntable;\u{1b}[2J -- ../x\u{200b}");
        let mut findings = Findings::new("X");
        let (metadata, _) = read(json.to_string().as_bytes(), &mut findings);
        assert_eq!(metadata.expect("good").title, "Drop  table;[2J -- ../x");
        let code = "/measureVariables/0/valueDomain/codeList/0/code";
        assert!(
            problems(&with(code, Some(json!("1\u{2067}"))))[0].contains("the text has control characters")
        );
    }

    #[test]
    fn unknown_fields_are_named_at_every_depth() {
        let measure = "/measureVariables/0";
        for parent in [
            "".to_owned(),
            "/populationDescription/0".to_owned(),
            "/spatialCoverageDescription/0".to_owned(),
            "/subjectFields/0/0".to_owned(),
            "/dataRevision".to_owned(),
            "/dataRevision/description/0".to_owned(),
            "/dataRevision/temporalEnd".to_owned(),
            "/identifierVariables/0".to_owned(),
            measure.to_owned(),
            format!("{measure}/name/0"),
            format!("{measure}/valueDomain"),
            format!("{measure}/valueDomain/codeList/0"),
            format!("{measure}/valueDomain/codeList/0/categoryTitle/0"),
            format!("{measure}/valueDomain/sentinelAndMissingValues/0"),
        ] {
            let found = problems(&with(&format!("{parent}/xyzzy"), Some(json!(1))));
            assert_eq!(found.len(), 1, "{parent}: {found:?}");
            assert!(found[0].contains("xyzzy: there is no field of this name"), "{found:?}");
        }
    }

    #[test]
    fn a_value_of_a_wrong_type_is_a_problem_wherever_it_stands() {
        let paths = |json: &Value| {
            fn walk(json: &Value, path: String, all: &mut Vec<String>) {
                match json {
                    Value::Object(fields) => {
                        fields.iter().for_each(|(name, value)| walk(value, format!("{path}/{name}"), all))
                    }
                    Value::Array(list) => {
                        list.iter().zip(0..).for_each(|(value, at)| walk(value, format!("{path}/{at}"), all))
                    }
                    _ => {}
                }
                all.push(path);
            }
            let mut all = Vec::new();
            walk(json, String::new(), &mut all);
            all
        };
        for path in paths(&good()).into_iter().filter(|path| !path.is_empty()) {
            for wrong in [json!(true), json!(1.5), json!({"a": 1}), json!([[[]]])] {
                assert!(!problems(&with(&path, Some(wrong.clone()))).is_empty(), "{path} = {wrong}");
            }
        }
    }
}
