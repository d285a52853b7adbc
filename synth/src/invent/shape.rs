//! The form of a metadata file, as a table, and the walk that holds a document against it.
//!
//! The walk sees each field by itself. What depends on several fields (a code and its data type, a code list and a
//! description) is judged in [`super::metadata`], which takes from a wrong document what it can use.

use kobling_model::{Day, UnitType};

use super::fault::{Fault, FaultKind, Faults, nearest};
use super::json::Json;

/// What may stand at a place.
pub(super) enum Shape {
    /// A text with content.
    Text,
    /// A text, which is not used.
    AnyText,
    /// A day.
    Day,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A unit type.
    UnitType,
    /// A code: a text or a number, judged with its data type.
    Code,
    /// At least one element of a shape.
    List(&'static Shape),
    /// Elements of a shape, or none.
    Elements(&'static Shape),
    /// A list of exactly one element.
    One(&'static Shape),
    /// An object with these fields and no other.
    Object(&'static [Field]),
}

/// A field of an object.
pub(super) struct Field {
    name: &'static str,
    needed: bool,
    shape: Shape,
}

const fn needed(name: &'static str, shape: Shape) -> Field {
    Field { name, needed: true, shape }
}

const fn optional(name: &'static str, shape: Shape) -> Field {
    Field { name, needed: false, shape }
}

const TEXTS: Shape = Shape::List(&Shape::Object(&[
    needed("languageCode", Shape::Word(&["no", "nb", "nn", "en"])),
    needed("value", Shape::Text),
]));

/// A metadata file.
pub(super) const METADATA: Shape = Shape::Object(&[
    needed("temporalityType", Shape::Word(&["FIXED", "STATUS", "ACCUMULATED", "EVENT"])),
    needed("sensitivityLevel", Shape::Word(&["PERSON_GENERAL", "PERSON_SPECIAL", "PUBLIC", "NONPUBLIC"])),
    needed("populationDescription", TEXTS),
    optional("spatialCoverageDescription", TEXTS),
    needed("subjectFields", Shape::List(&TEXTS)),
    needed(
        "dataRevision",
        Shape::Object(&[
            needed("description", TEXTS),
            optional(
                "temporalEnd",
                Shape::Object(&[
                    needed("description", TEXTS),
                    optional("successors", Shape::List(&Shape::Text)),
                ]),
            ),
        ]),
    ),
    needed("identifierVariables", Shape::One(&Shape::Object(&[needed("unitType", Shape::UnitType)]))),
    needed(
        "measureVariables",
        Shape::One(&Shape::Object(&[
            optional("unitType", Shape::UnitType),
            needed("name", TEXTS),
            needed("description", TEXTS),
            optional("dataType", Shape::Word(&["STRING", "LONG", "DOUBLE", "DATE"])),
            optional("format", Shape::AnyText),
            optional("uriDefinition", Shape::Elements(&Shape::AnyText)),
            optional(
                "valueDomain",
                Shape::Object(&[
                    optional("description", TEXTS),
                    optional("measurementType", Shape::AnyText),
                    optional("measurementUnitDescription", TEXTS),
                    optional("uriDefinition", Shape::Elements(&Shape::AnyText)),
                    optional(
                        "codeList",
                        Shape::List(&Shape::Object(&[
                            needed("code", Shape::Code),
                            needed("categoryTitle", TEXTS),
                            needed("validFrom", Shape::Day),
                            optional("validUntil", Shape::Day),
                        ])),
                    ),
                    optional(
                        "sentinelAndMissingValues",
                        Shape::Elements(&Shape::Object(&[
                            needed("code", Shape::Code),
                            needed("categoryTitle", TEXTS),
                        ])),
                    ),
                ]),
            ),
        ])),
    ),
]);

/// Where in which file a reader is, and what it has found.
pub(super) struct Place<'a> {
    file: &'a str,
    path: String,
    faults: &'a mut Faults,
}

impl<'a> Place<'a> {
    pub(super) fn new(file: &'a str, faults: &'a mut Faults) -> Self {
        Self { file, path: String::new(), faults }
    }

    pub(super) fn fault(&mut self, kind: FaultKind) {
        let field = if self.path.is_empty() { "the top".to_owned() } else { self.path.clone() };
        self.faults.add(Fault { file: self.file.to_owned(), line: None, field: Some(field), kind });
    }

    /// Does `work` at a field below.
    pub(super) fn at<T>(&mut self, field: &str, work: impl FnOnce(&mut Self) -> T) -> T {
        let dot = if self.path.is_empty() { "" } else { "." };
        self.below(&format!("{dot}{field}"), work)
    }

    /// Does `work` at an element.
    pub(super) fn index<T>(&mut self, index: usize, work: impl FnOnce(&mut Self) -> T) -> T {
        self.below(&format!("[{index}]"), work)
    }

    fn below<T>(&mut self, step: &str, work: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.path.len();
        self.path.push_str(step);
        let result = work(self);
        self.path.truncate(length);
        result
    }

    pub(super) fn fault_at(&mut self, field: &str, kind: FaultKind) {
        self.at(field, |place| place.fault(kind));
    }

    /// Holds a value against a shape and names every difference.
    pub(super) fn check(&mut self, json: &Json, shape: &Shape) {
        match shape {
            Shape::Object(fields) => self.object(json, fields),
            Shape::List(element) | Shape::Elements(element) | Shape::One(element) => {
                let Json::List(elements) = json else {
                    return self.fault(FaultKind::Expected { expected: "a list" });
                };
                match shape {
                    Shape::One(_) if elements.len() != 1 => self.fault(FaultKind::NotOne),
                    Shape::List(_) if elements.is_empty() => self.fault(FaultKind::ListEmpty),
                    _ => {}
                }
                for (index, json) in elements.iter().enumerate() {
                    self.index(index, |place| place.check(json, element));
                }
            }
            Shape::Code => {
                if !matches!(json, Json::Text(_) | Json::Integer(_) | Json::Number(_)) {
                    self.fault(FaultKind::Expected { expected: "a text or a number" });
                }
            }
            Shape::Text | Shape::AnyText | Shape::Day | Shape::Word(_) | Shape::UnitType => {
                let Json::Text(text) = json else {
                    return self.fault(FaultKind::Expected { expected: "a text" });
                };
                self.text(text, shape);
            }
        }
    }

    fn text(&mut self, text: &str, shape: &Shape) {
        match shape {
            Shape::AnyText => {}
            _ if text.trim().is_empty() => self.fault(FaultKind::TextEmpty),
            Shape::Day if text.parse::<Day>().is_err() => {
                self.fault(FaultKind::Expected { expected: "a day of the calendar, written YYYY-MM-DD" });
            }
            Shape::Word(words) => self.word(text, words),
            Shape::UnitType => self.word(text, &UnitType::ALL.map(UnitType::as_str)),
            _ => {}
        }
    }

    fn word(&mut self, text: &str, words: &[&str]) {
        if !words.contains(&text) {
            let near = nearest(text, words.iter().copied());
            self.fault(FaultKind::Word { expected: words.join(", "), near });
        }
    }

    fn object(&mut self, json: &Json, fields: &[Field]) {
        let Json::Object(present) = json else {
            return self.fault(FaultKind::Expected { expected: "an object" });
        };
        for (at, (name, value)) in present.iter().enumerate() {
            let Some(field) = fields.iter().find(|field| field.name == name) else {
                let near = nearest(name, fields.iter().map(|field| field.name));
                let shown: String = name.chars().take(40).flat_map(char::escape_debug).collect();
                self.fault_at(&shown, FaultKind::UnknownField { near });
                continue;
            };
            if present[..at].iter().any(|(earlier, _)| earlier == name) {
                self.fault_at(name, FaultKind::FieldTwice);
            } else if !matches!(value, Json::Null) {
                self.at(name, |place| place.check(value, &field.shape));
            }
        }
        for field in fields.iter().filter(|field| field.needed) {
            if json.field(field.name).is_none() {
                self.fault_at(field.name, FaultKind::Missing);
            }
        }
    }
}
