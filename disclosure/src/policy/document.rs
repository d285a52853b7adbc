//! The text of a policy as TOML, read setting by setting: what is wrong is gathered with its line, and what nobody has taken is unknown.

use std::collections::BTreeSet;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fault::{Fault, PolicyError};

/// A text of the file and the line it stands on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    /// The text.
    pub text: String,
    /// Its line, from 1.
    pub line: usize,
}

/// A list of names, or everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Names {
    /// `["*"]`.
    All,
    /// These.
    Only(Vec<Named>),
}

/// A table of the file: the file itself, or an entry of a list of tables.
pub(super) struct Section<'t> {
    /// Settings that have not been taken yet.
    table: DeTable<'t>,
    /// Line where it begins.
    pub line: usize,
}

/// The file's text, and what has been found wrong with it.
pub(super) struct Document<'t> {
    text: &'t str,
    /// What is wrong.
    pub faults: Vec<Fault>,
}

/// Longer than any policy that a person has written.
const BYTES_MAX: usize = 1 << 20;

const LIST: &str = "a list of texts, such as [\"*\"]";

impl<'t> Document<'t> {
    /// Reads the text. Where it is not TOML the section is empty, and the faults say why.
    pub fn read(text: &'t str) -> (Self, Option<Section<'t>>) {
        let mut document = Self { text, faults: Vec::new() };
        if text.len() > BYTES_MAX {
            document.fault(None, PolicyError::Unreadable("a policy has at most 1 MiB".to_owned()));
            return (document, None);
        }
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            let line = error.span().map(|span| document.line(span.start));
            // The message alone: toml's full text repeats the line of the file.
            document.fault(line, PolicyError::Unreadable(error.message().to_owned()));
        }
        let section = errors.is_empty().then(|| Section { table: table.into_inner(), line: 1 });
        (document, section)
    }

    /// Adds a fault.
    pub fn fault(&mut self, line: Option<usize>, error: PolicyError) {
        self.faults.push(Fault { line, error });
    }

    /// Adds a contradiction.
    pub fn contradiction(&mut self, line: usize, place: &'static str, why: impl Into<String>) {
        self.fault(Some(line), PolicyError::Contradiction { place, why: why.into() });
    }

    fn line(&self, offset: usize) -> usize {
        let before = &self.text.as_bytes()[..offset.min(self.text.len())];
        1 + before.iter().filter(|byte| **byte == b'\n').count()
    }

    /// Takes a setting that must be there.
    fn required(&mut self, section: &mut Section<'t>, setting: &'static str) -> Option<(DeValue<'t>, usize)> {
        let value = self.optional(section, setting);
        if value.is_none() {
            self.fault(None, PolicyError::Missing { setting });
        }
        value
    }

    fn optional(&mut self, section: &mut Section<'t>, setting: &'static str) -> Option<(DeValue<'t>, usize)> {
        let value = section.table.remove(setting)?;
        let line = self.line(value.span().start);
        Some((value.into_inner(), line))
    }

    /// Takes a whole number from 0.
    pub fn number(&mut self, section: &mut Section<'t>, setting: &'static str) -> Option<(u32, usize)> {
        let (value, line) = self.required(section, setting)?;
        let number = value.as_integer().and_then(|number| {
            let digits = number.as_str();
            u32::from_str_radix(digits, number.radix()).ok()
        });
        if number.is_none() {
            self.fault(Some(line), PolicyError::Form { setting, expected: "a whole number" });
        }
        number.map(|number| (number, line))
    }

    /// Takes a yes or no.
    pub fn flag(&mut self, section: &mut Section<'t>, setting: &'static str) -> Option<bool> {
        let (value, line) = self.required(section, setting)?;
        let flag = value.as_bool();
        if flag.is_none() {
            self.fault(Some(line), PolicyError::Form { setting, expected: "true or false" });
        }
        flag
    }

    /// Takes a text.
    pub fn text(&mut self, section: &mut Section<'t>, setting: &'static str) -> Option<Named> {
        let (value, line) = self.required(section, setting)?;
        let text = value.as_str().map(|text| Named { text: text.to_owned(), line });
        if text.is_none() {
            self.fault(Some(line), PolicyError::Form { setting, expected: "a text in quotes" });
        }
        text
    }

    /// Takes a list of different names, or `["*"]`. An empty list is refused: what it would mean has a plainer form.
    pub fn names(&mut self, section: &mut Section<'t>, setting: &'static str) -> Option<(Names, usize)> {
        let (value, line) = match self.optional(section, setting) {
            Some(taken) => taken,
            None => {
                let line = Some(section.line).filter(|line| *line > 1);
                self.fault(line, PolicyError::Missing { setting });
                return None;
            }
        };
        let names = self.list(setting, value, line)?;
        if names.is_empty() {
            let why = "the list is empty, so that nothing would be allowed at all; write [\"*\"] for everything, or use `stop` to answer nothing";
            self.contradiction(line, setting, why);
            return None;
        }
        let all = names.iter().find(|name| name.text == "*");
        match all {
            Some(_) if names.len() == 1 => Some((Names::All, line)),
            Some(all) => {
                let why = "\"*\" is everything, so the names beside it would say nothing; write either";
                let line = all.line;
                self.contradiction(line, setting, why);
                None
            }
            None => Some((Names::Only(names), line)),
        }
    }

    /// Takes a list of different texts from a value.
    fn list(&mut self, setting: &'static str, value: DeValue<'t>, line: usize) -> Option<Vec<Named>> {
        let DeValue::Array(array) = value else {
            self.fault(Some(line), PolicyError::Form { setting, expected: LIST });
            return None;
        };
        let (mut names, mut known) = (Vec::new(), BTreeSet::new());
        for entry in array {
            let line = self.line(entry.span().start);
            let Some(text) = entry.get_ref().as_str().filter(|text| !text.is_empty()) else {
                self.fault(Some(line), PolicyError::Form { setting, expected: LIST });
                return None;
            };
            if !known.insert(text.to_owned()) {
                self.contradiction(line, setting, format!("{text:?} stands twice; leave it out once"));
            }
            names.push(Named { text: text.to_owned(), line });
        }
        Some(names)
    }

    /// Takes a list of different texts that must be there.
    pub fn texts(&mut self, section: &mut Section<'t>, setting: &'static str) -> Option<Vec<Named>> {
        let (value, line) = self.required(section, setting)?;
        self.list(setting, value, line)
    }

    /// Takes the entries of a list of tables, `[[setting]]`; none where there is none.
    pub fn entries(&mut self, section: &mut Section<'t>, setting: &'static str) -> Vec<Section<'t>> {
        let Some((value, line)) = self.optional(section, setting) else { return Vec::new() };
        let form = PolicyError::Form { setting, expected: "entries of their own, each under [[name]]" };
        let DeValue::Array(array) = value else {
            self.fault(Some(line), form);
            return Vec::new();
        };
        let mut sections = Vec::new();
        for entry in array {
            let line = self.line(entry.span().start);
            match entry.into_inner() {
                DeValue::Table(table) => sections.push(Section { table, line }),
                _ => self.fault(Some(line), form.clone()),
            }
        }
        sections
    }

    /// Takes a table of lists by name; empty where there is none.
    pub fn lists(&mut self, section: &mut Section<'t>, setting: &'static str) -> Vec<(Named, Vec<Named>)> {
        let Some((value, line)) = self.optional(section, setting) else { return Vec::new() };
        let DeValue::Table(table) = value else {
            self.fault(Some(line), PolicyError::Form { setting, expected: "a table, under [name]" });
            return Vec::new();
        };
        let mut lists = Vec::new();
        for (name, value) in table {
            let line = self.line(name.span().start);
            let name = Named { text: name.into_inner().into_owned(), line };
            if let Some(list) = self.list(setting, value.into_inner(), line) {
                lists.push((name, list));
            }
        }
        lists
    }

    /// What nobody has taken is no setting.
    pub fn finish(&mut self, section: Section<'t>, place: &'static str, known: &[&str]) {
        let rest: Vec<Spanned<_>> = section.table.into_iter().map(|(name, _)| name).collect();
        for name in rest {
            let line = self.line(name.span().start);
            let what = format!("no setting here; there are {}", known.join(", "));
            let name = name.into_inner().into_owned();
            self.fault(Some(line), PolicyError::Unknown { place, name, what });
        }
    }
}

/// The lines of an entry that says nothing new beside one before it, or makes one say nothing new, and of that other; `contains` tells
/// whether one entry says all that another does.
pub fn contained<T>(
    taken: &[(usize, T)],
    (line, entry): (usize, &T),
    contains: fn(&T, &T) -> bool,
) -> Option<(usize, usize)> {
    taken.iter().find_map(|(other, before)| match () {
        () if contains(before, entry) => Some((line, *other)),
        () if contains(entry, before) => Some((*other, line)),
        () => None,
    })
}
