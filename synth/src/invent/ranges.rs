//! The ranges that an operator gives for variables, as TOML or JSON: one table a variable.
//!
//! ```toml
//! [INNTEKT_WLONN]
//! low = 0
//! high = 3000000
//! mean = 450000
//! missing = 0.2
//! ```

use std::collections::BTreeMap;
use std::path::Path;

use super::fault::{Fault, FaultKind, Faults, nearest};
use super::json::Json;
use super::metadata::{Domain, Variable, parse};

/// What is said about one variable; what is not said is as without the file.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Range {
    /// Smallest value.
    pub low: Option<f64>,
    /// Largest value.
    pub high: Option<f64>,
    /// Mean value, roughly.
    pub mean: Option<f64>,
    /// The share of units, or of a unit's days and years, without a row.
    pub missing: Option<f64>,
}

/// Ranges by the variable's name.
pub type Ranges = BTreeMap<String, Range>;

/// Whole numbers of this size and more are not all told apart by a double.
const LARGEST: f64 = 9_007_199_254_740_992.0;

const FIELDS: [&str; 4] = ["low", "high", "mean", "missing"];

/// Reads a file of ranges and holds it against the variables that there are. The file is JSON if its name ends so.
///
/// # Errors
/// All faults.
pub fn read_ranges(path: &Path, variables: &[Variable]) -> Result<Ranges, Faults> {
    let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut faults = Faults::default();
    let Ok(bytes) = std::fs::read(path) else {
        faults.add(Fault { file, line: None, field: None, kind: FaultKind::Unreadable });
        return Err(faults);
    };
    let is_json = path.extension().is_some_and(|extension| extension == "json");
    let json =
        if is_json { parse(&file, &bytes, &mut faults) } else { from_toml(&file, &bytes, &mut faults) };
    let ranges = json.map(|json| Reader { file: &file, faults: &mut faults }.ranges(&json, variables));
    ranges.filter(|_| faults.total() == 0).ok_or(faults)
}

fn from_toml(file: &str, bytes: &[u8], faults: &mut Faults) -> Option<Json> {
    let mut fault = |line, kind| faults.add(Fault { file: file.to_owned(), line, field: None, kind });
    let Ok(text) = std::str::from_utf8(bytes) else {
        fault(None, FaultKind::NotUtf8);
        return None;
    };
    toml::from_str::<Json>(text)
        .map_err(|error| {
            let line = error.span().map(|span| 1 + text[..span.start].matches('\n').count() as u64);
            fault(line, FaultKind::NotToml);
        })
        .ok()
}

struct Reader<'a> {
    file: &'a str,
    faults: &'a mut Faults,
}

impl Reader<'_> {
    fn fault(&mut self, field: String, kind: FaultKind) {
        self.faults.add(Fault { file: self.file.to_owned(), line: None, field: Some(field), kind });
    }

    fn ranges(&mut self, json: &Json, variables: &[Variable]) -> Ranges {
        let mut ranges = Ranges::new();
        let Json::Object(tables) = json else {
            self.fault("the top".to_owned(), FaultKind::Expected { expected: "an object" });
            return ranges;
        };
        for (name, table) in tables {
            let shown: String = name.chars().take(40).flat_map(char::escape_debug).collect();
            let Some(variable) = variables.iter().find(|variable| variable.name.as_str() == name) else {
                let near = nearest(name, variables.iter().map(|variable| variable.name.as_str()));
                self.fault(shown, FaultKind::NoVariable { near });
                continue;
            };
            let range = self.range(&shown, table);
            self.judge(&shown, &range, variable);
            if ranges.insert(name.clone(), range).is_some() {
                self.fault(shown, FaultKind::FieldTwice);
            }
        }
        ranges
    }

    fn range(&mut self, name: &str, table: &Json) -> Range {
        let mut range = Range::default();
        let Json::Object(fields) = table else {
            self.fault(name.to_owned(), FaultKind::Expected { expected: "an object" });
            return range;
        };
        for (field, value) in fields {
            let shown: String = field.chars().take(40).flat_map(char::escape_debug).collect();
            let path = format!("{name}.{shown}");
            let number = match value {
                Json::Integer(number) => Some(*number as f64),
                Json::Number(number) => Some(*number),
                _ => None,
            };
            let place = match field.as_str() {
                "low" => &mut range.low,
                "high" => &mut range.high,
                "mean" => &mut range.mean,
                "missing" => &mut range.missing,
                _ => {
                    self.fault(path, FaultKind::UnknownField { near: nearest(field, FIELDS.into_iter()) });
                    continue;
                }
            };
            let expected = if field == "missing" {
                "a share from 0 to 1"
            } else {
                "a number within 9 007 199 254 740 991"
            };
            let fits = |number: &f64| {
                if field == "missing" { (0.0..=1.0).contains(number) } else { number.abs() < LARGEST }
            };
            match number.filter(fits) {
                None => self.fault(path, FaultKind::Expected { expected }),
                Some(number) => {
                    if place.replace(number).is_some() {
                        self.fault(path, FaultKind::FieldTwice);
                    }
                }
            }
        }
        range
    }

    /// Only numbers have bounds, and these must be in order.
    fn judge(&mut self, name: &str, range: &Range, variable: &Variable) {
        let with = match &variable.domain {
            Domain::Codes { .. } => Some("a codeList"),
            Domain::Pointer { .. } => Some("a pointer"),
            Domain::Described { data_type, .. } => match data_type {
                kobling_model::catalogue::DataType::String => Some("the data type STRING"),
                kobling_model::catalogue::DataType::Date => Some("the data type DATE"),
                _ => None,
            },
        };
        let bounds = [("low", range.low), ("mean", range.mean), ("high", range.high)];
        if let Some(with) = with {
            for (field, _) in bounds.into_iter().filter(|(_, bound)| bound.is_some()) {
                self.fault(format!("{name}.{field}"), FaultKind::Conflict { with });
            }
        } else if !bounds.into_iter().filter_map(|(_, bound)| bound).is_sorted() {
            self.fault(name.to_owned(), FaultKind::NotInOrder);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invent::metadata::tests::{described, variable};

    fn read(file: &str, text: &str) -> Result<Ranges, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(file);
        std::fs::write(&path, text).expect("written");
        let variables = [
            variable("INCOME", "ACCUMULATED", &described("LONG")),
            variable("TEXT", "FIXED", &described("STRING")),
        ];
        read_ranges(&path, &variables).map_err(|faults| faults.to_string())
    }

    #[test]
    fn ranges_are_read_from_toml_and_json() {
        let expected = Range { low: Some(0.0), high: Some(10.5), mean: None, missing: Some(0.25) };
        let toml = read("r.toml", "[INCOME]\nlow = 0\nhigh = 10.5\nmissing = 0.25\n").expect("good");
        let json = read("r.json", r#"{"INCOME": {"low": 0, "high": 10.5, "missing": 0.25}}"#).expect("good");
        assert_eq!(toml["INCOME"], expected);
        assert_eq!(json, toml);
    }

    #[test]
    fn every_fault_of_a_file_of_ranges_is_named() {
        let text = "[INCOM]\nlow = 1\n[INCOME]\nlow = 5\nhigh = 1\nmising = 0.5\nmean = 'x'\n[TEXT]\nlow = 1\nmissing = 2\n";
        let faults = read("r.toml", text).expect_err("faults");
        let expected = "\
r.toml, at INCOM: there is no metadata file of this variable; did you mean \"INCOME\"?
r.toml, at INCOME.mising: there is no field of this name; did you mean \"missing\"?
r.toml, at INCOME.mean: expected a number within 9 007 199 254 740 991
r.toml, at INCOME: low, mean and high are not in this order
r.toml, at TEXT.missing: expected a share from 0 to 1
r.toml, at TEXT.low: cannot stand together with the data type STRING";
        let mut found: Vec<&str> = faults.lines().collect();
        let mut expected: Vec<&str> = expected.lines().collect();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected);
        assert_eq!(read("r.toml", "[A\n").expect_err("not TOML"), "r.toml, line 1: not TOML");
        assert_eq!(read("r.json", "[]").expect_err("no object"), "r.json, at the top: expected an object");
    }
}
