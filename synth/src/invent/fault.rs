//! What is wrong with metadata or with a file of ranges, by file and field: all of it, so that it is mended once.

use std::fmt;

use serde::Serialize;

/// So many faults are described; the others are counted.
pub const SHOWN_MAX: usize = 50;

/// One thing to mend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The file, as found in the folder.
    pub file: String,
    /// Line from 1, where the file could not be read as JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Where in the file, such as `measureVariables[0].dataType`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What is wrong.
    #[serde(serialize_with = "as_text")]
    pub kind: FaultKind,
}

fn as_text<S: serde::Serializer>(kind: &FaultKind, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(kind)
}

/// What is wrong. Metadata is public, and still only names of the format are shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)] // The messages say what each is.
pub enum FaultKind {
    #[error("the name is not a variable's: expected {expected}")]
    Name { expected: &'static str },
    #[error("there is another metadata file of this variable in the folder")]
    Twice,
    #[error("the file cannot be read")]
    Unreadable,
    #[error("the file is larger than {limit} bytes")]
    TooLarge { limit: u64 },
    #[error("not UTF-8")]
    NotUtf8,
    #[error("not JSON from column {column} on")]
    NotJson { column: u64 },
    #[error("not TOML")]
    NotToml,
    #[error("there is no field of this name{}", did_you_mean(.near.as_deref()))]
    UnknownField { near: Option<String> },
    #[error("the field stands twice")]
    FieldTwice,
    #[error("the field is missing")]
    Missing,
    #[error("expected {expected}")]
    Expected { expected: &'static str },
    #[error("expected one of {expected}{}", did_you_mean(.near.as_deref()))]
    Word { expected: String, near: Option<String> },
    #[error("the list is empty")]
    ListEmpty,
    #[error("expected exactly one element")]
    NotOne,
    #[error("the text is empty")]
    TextEmpty,
    #[error("the text has control characters, line breaks or marks of writing direction")]
    TextNotPlain,
    #[error("cannot stand together with {with}")]
    Conflict { with: &'static str },
    #[error("expected either a codeList or a description")]
    NoDomain,
    #[error("the code does not fit the dataType: expected {expected}")]
    CodeType { expected: &'static str },
    #[error("the code stands twice in one validity period")]
    CodeTwice,
    #[error("the period ends before it starts")]
    Backwards,
    #[error("no code is valid on a day for which there would be a row")]
    NoCodeValid,
    #[error("there is no metadata file of this variable{}", did_you_mean(.near.as_deref()))]
    NoVariable { near: Option<String> },
    #[error("there is no whole number between low and high")]
    NoWholeNumber,
    #[error("low, mean and high are not in this order")]
    NotInOrder,
}

fn did_you_mean(near: Option<&str>) -> String {
    near.map(|near| format!("; did you mean {near:?}?")).unwrap_or_default()
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ", line {line}")?;
        }
        if let Some(field) = &self.field {
            write!(f, ", at {field}")?;
        }
        write!(f, ": {}", self.kind)
    }
}

/// All faults: the first [`SHOWN_MAX`] in order of files and fields, and how many more there are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Faults {
    /// The first ones.
    pub faults: Vec<Fault>,
    /// The number of the others.
    pub further: u64,
}

impl Faults {
    pub(super) fn add(&mut self, fault: Fault) {
        if self.faults.len() < SHOWN_MAX {
            self.faults.push(fault);
        } else {
            self.further += 1;
        }
    }

    /// How many there are.
    pub fn total(&self) -> u64 {
        self.faults.len() as u64 + self.further
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, fault) in self.faults.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{fault}")?;
        }
        if self.further > 0 {
            write!(f, "\nand {} more", self.further)?;
        }
        Ok(())
    }
}

/// The word that `text` is probably meant to be: at most a third of its letters away, ignoring case.
pub(super) fn nearest<'a>(text: &str, words: impl Iterator<Item = &'a str>) -> Option<String> {
    if text.len() > 64 {
        return None;
    }
    let text = text.to_lowercase();
    let near = words.map(|word| (distance(&text, &word.to_lowercase()), word));
    near.min_by_key(|(distance, _)| *distance)
        .filter(|(distance, word)| *distance <= word.len().div_ceil(3))
        .map(|(_, word)| word.to_owned())
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
    use super::*;

    #[test]
    fn the_first_faults_are_shown_and_the_rest_are_counted() {
        let mut faults = Faults::default();
        for at in 0..SHOWN_MAX + 7 {
            let field = Some(format!("codeList[{at}]"));
            faults.add(Fault { file: "A.json".to_owned(), line: None, field, kind: FaultKind::Missing });
        }
        assert_eq!((faults.faults.len(), faults.further, faults.total()), (50, 7, 57));
        let shown = faults.to_string();
        assert!(shown.starts_with("A.json, at codeList[0]: the field is missing\n"));
        assert!(shown.ends_with("\nand 7 more"));
    }

    #[test]
    fn near_names_are_offered_and_far_ones_are_not() {
        let words = ["dataType", "valueDomain"];
        assert_eq!(nearest("datatyp", words.into_iter()).as_deref(), Some("dataType"));
        assert_eq!(nearest("xyzzy", words.into_iter()), None);
    }
}
