//! What is wrong with a dataset, by file, line and field: never the content of an identifier or a value.
//!
//! All problems are found, so that an owner mends a dataset once. The first [`SHOWN_MAX`] in file order are
//! kept and the rest are counted: a file of a nation whose every line is wrong must not fill the memory.

use std::collections::BTreeMap;
use std::fmt;

use kobling_model::identity::InvalidIdentity;
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

/// So many problems of a dataset are described; the others are counted.
pub const SHOWN_MAX: usize = 50;

/// Where in a dataset a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DatasetFile {
    /// The folder itself.
    Folder,
    /// The metadata.
    Json,
    /// The data.
    Csv,
}

/// One thing to mend in a dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The dataset's folder name.
    pub dataset: String,
    /// In which of its files.
    pub file: DatasetFile,
    /// Line from 1, where the file has lines that matter.
    pub line: Option<u64>,
    /// Where in the metadata, such as `measureVariables[0].dataType`.
    pub path: Option<String>,
    /// Which of the five fields of a line.
    pub field: Option<&'static str>,
    /// What is wrong.
    pub kind: ProblemKind,
}

/// What is wrong. Names of metadata fields are public and may be shown; contents never are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ProblemKind {
    /// The folder's name is not a variable's name.
    #[error("expected {expected}")]
    DatasetName {
        /// The form that would be valid.
        expected: &'static str,
    },
    /// A file is not there.
    #[error("the file is missing")]
    FileMissing,
    /// A file is there and cannot be read.
    #[error("the file cannot be read")]
    FileUnreadable,
    /// A file is larger than any file of its kind.
    #[error("the file is larger than {limit} bytes")]
    FileTooLarge {
        /// Largest size.
        limit: u64,
    },
    /// Bytes that are not UTF-8.
    #[error("not UTF-8")]
    NotUtf8,
    /// Not JSON from this column on.
    #[error("not JSON from column {column} on")]
    Json {
        /// Column from 1.
        column: u64,
    },
    /// A field that the dataset format does not have.
    #[error("there is no field of this name{}", did_you_mean(*.near))]
    UnknownField {
        /// The closest name that exists here.
        near: Option<&'static str>,
    },
    /// A field stands twice in one object.
    #[error("the field stands twice")]
    FieldTwice,
    /// A field that must be there is not.
    #[error("the field is missing")]
    FieldMissing,
    /// A value of another JSON type.
    #[error("expected {expected}")]
    Type {
        /// The type expected.
        expected: &'static str,
    },
    /// A word that is not one of a list.
    #[error("expected one of {expected}{}", did_you_mean(*.near))]
    Word {
        /// The list.
        expected: &'static str,
        /// The closest word of it.
        near: Option<&'static str>,
    },
    /// A list without elements.
    #[error("the list is empty")]
    ListEmpty,
    /// A list that must have exactly one element.
    #[error("expected exactly one element")]
    NotOne,
    /// A text without content.
    #[error("the text is empty")]
    TextEmpty,
    /// Two fields that exclude each other.
    #[error("cannot stand together with {with}")]
    Conflict {
        /// The other field.
        with: &'static str,
    },
    /// A value domain with neither code list nor description.
    #[error("expected either a codeList or a description")]
    NoDomain,
    /// A code whose JSON type is not that of the data type.
    #[error("the code does not fit the dataType: expected {expected}")]
    CodeType {
        /// How codes of that data type are written.
        expected: &'static str,
    },
    /// A code stands twice in one validity period.
    #[error("the code stands twice in one validity period")]
    CodeTwice,
    /// A period that ends before it starts.
    #[error("the period ends before it starts")]
    PeriodBackwards,
    /// Not a day.
    #[error("expected a day of the calendar, written YYYY-MM-DD")]
    Day,
    /// Not five fields.
    #[error("expected five fields, found {found}")]
    FieldCount {
        /// How many there are.
        found: usize,
    },
    /// A line that no dataset has.
    #[error("the line is longer than {limit} bytes")]
    LineTooLong {
        /// Longest length.
        limit: usize,
    },
    /// More lines than a dataset can have.
    #[error("the file has more rows than a dataset can have")]
    TooManyRows,
    /// A data file without rows.
    #[error("the file has no rows")]
    NoRows,
    /// A quoted field that is not closed, or goes on after its quote.
    #[error("the quotation marks do not fit")]
    Quotes,
    /// Not an identifier of the unit type.
    #[error("{reason}")]
    Identifier {
        /// What does not fit.
        reason: String,
    },
    /// An identifier from the range kept for canaries, which no person has.
    #[error("the identifier is in the range that is kept for checks of the linkage")]
    Canary,
    /// No value.
    #[error("the value is empty")]
    ValueEmpty,
    /// Not a value of the data type.
    #[error("expected {expected}")]
    ValueType {
        /// What the data type asks for.
        expected: &'static str,
    },
    /// NaN or an infinity, by word or as a number beyond a double.
    #[error("the number is not finite, or beyond what a double holds")]
    NotFinite,
    /// A whole number beyond 64 bits.
    #[error("the whole number is beyond 64 bits")]
    BeyondLong,
    /// A text with control characters, line breaks or marks that turn the direction of writing: where it is shown, it
    /// would be taken for something else.
    #[error("the text has control characters, line breaks or marks of writing direction")]
    TextNotPlain,
    /// More distinct texts than a dataset can have.
    #[error("the file has more distinct texts than a dataset can have")]
    TooManyTexts,
    /// A dataset without a data file changes texts only, and something else is another than in the release.
    #[error("without a data file only texts can change, and this is another than in the release")]
    NotTextsOnly,
    /// A dataset without a data file says what the release says.
    #[error("without a data file, and no text is another than in the release")]
    NothingChanged,
    /// A value that the code list does not have.
    #[error("the value is not in the code list")]
    NotInCodeList,
    /// A code that is not valid on the row's date.
    #[error("the code is not valid at the start date")]
    CodeNotValid,
    /// A date that must be set is empty.
    #[error("the date is missing")]
    DateMissing,
    /// STATUS: two dates.
    #[error("start and stop are not the same day")]
    StartNotStop,
    /// ACCUMULATED: a period of a day or less.
    #[error("the start is not before the stop")]
    StartNotBeforeStop,
    /// EVENT: a period that ends before it starts.
    #[error("the stop is before the start")]
    StopBeforeStart,
    /// FIXED: a second row for a unit.
    #[error("the unit has another row, in line {other}")]
    SecondRow {
        /// The line of the other row.
        other: u64,
    },
    /// STATUS: a second row for a unit and day.
    #[error("the unit has another row for this date, in line {other}")]
    SecondRowOnDay {
        /// The line of the other row.
        other: u64,
    },
    /// ACCUMULATED and EVENT: two periods of a unit share a day.
    #[error("the period overlaps another period of the unit, in line {other}")]
    Overlap {
        /// The line of the other row.
        other: u64,
    },
    /// Warning: FIXED takes no dates.
    #[error("dates of a FIXED dataset are ignored")]
    DatesIgnored,
    /// Warning: the fifth field is not used.
    #[error("the fifth field is ignored")]
    AttributeIgnored,
}

fn did_you_mean(near: Option<&'static str>) -> String {
    near.map_or_else(String::new, |near| format!("; did you mean {near:?}?"))
}

impl From<InvalidIdentity> for ProblemKind {
    fn from(reason: InvalidIdentity) -> Self {
        Self::Identifier { reason: reason.to_string() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.dataset)?;
        f.write_str(match self.file {
            DatasetFile::Folder => "",
            DatasetFile::Json => ".json",
            DatasetFile::Csv => ".csv",
        })?;
        if let Some(line) = self.line {
            write!(f, ", line {line}")?;
        }
        if let Some(path) = &self.path {
            write!(f, ", at {path}")?;
        }
        if let Some(field) = self.field {
            write!(f, ", {field}")?;
        }
        write!(f, ": {}", self.kind)
    }
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut problem = serializer.serialize_struct("Problem", 7)?;
        problem.serialize_field("dataset", &self.dataset)?;
        problem.serialize_field("file", &self.file)?;
        problem.serialize_field("line", &self.line)?;
        problem.serialize_field("path", &self.path)?;
        problem.serialize_field("field", &self.field)?;
        problem.serialize_field("problem", &self.kind)?;
        problem.serialize_field("message", &self.kind.to_string())?;
        problem.end()
    }
}

/// The problems, or the warnings, of one dataset while it is read.
#[derive(Debug)]
pub(crate) struct Findings {
    dataset: String,
    /// The first in file order; the last part of the key keeps those of one line in the order found.
    first: BTreeMap<(DatasetFile, u64, u64), Problem>,
    total: u64,
}

impl Findings {
    pub(crate) fn new(dataset: &str) -> Self {
        Self { dataset: dataset.to_owned(), first: BTreeMap::new(), total: 0 }
    }

    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    pub(crate) fn folder(&mut self, kind: ProblemKind) {
        self.add(DatasetFile::Folder, None, None, None, kind);
    }

    pub(crate) fn json(&mut self, line: Option<u64>, path: Option<&str>, kind: ProblemKind) {
        self.add(DatasetFile::Json, line, path, None, kind);
    }

    pub(crate) fn csv(&mut self, line: Option<u64>, field: Option<&'static str>, kind: ProblemKind) {
        self.add(DatasetFile::Csv, line, None, field, kind);
    }

    fn add(
        &mut self,
        file: DatasetFile,
        line: Option<u64>,
        path: Option<&str>,
        field: Option<&'static str>,
        kind: ProblemKind,
    ) {
        let key = (file, line.unwrap_or(0), self.total);
        self.total += 1;
        if self.first.len() == SHOWN_MAX {
            // Later than everything shown: most problems of a file that is wrong throughout end here.
            if self.first.last_key_value().is_some_and(|(last, _)| *last < key) {
                return;
            }
            self.first.pop_last();
        }
        let path = path.map(str::to_owned);
        self.first.insert(key, Problem { dataset: self.dataset.clone(), file, line, path, field, kind });
    }

    /// The first in file order, and how many there are besides.
    pub(crate) fn finish(self) -> (Vec<Problem>, u64) {
        let further = self.total - self.first.len() as u64;
        (self.first.into_values().collect(), further)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_fifty_in_file_order_are_kept_whatever_the_order_they_are_found_in() {
        let mut findings = Findings::new("X");
        for line in (1..=200).rev() {
            findings.csv(Some(line), None, ProblemKind::ValueEmpty);
        }
        findings.json(None, Some("a"), ProblemKind::FieldMissing);
        let (shown, further) = findings.finish();
        assert_eq!((shown.len(), further), (SHOWN_MAX, 151));
        assert_eq!(shown[0].to_string(), "X.json, at a: the field is missing");
        let lines: Vec<_> = shown[1..].iter().filter_map(|problem| problem.line).collect();
        assert_eq!(lines, (1..=49).collect::<Vec<_>>());
    }
}
