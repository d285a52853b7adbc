//! What there is to name: by the catalogue, and by what the script has made.

use std::sync::Arc;

use kobling_model::Day;
use kobling_model::catalogue::{AvailableDates, Catalogue, Datastore, Variable};
use kobling_model::expression::Value;

use super::Candidate;
use super::place::Place;
use crate::check::{Checker, Column};
use crate::diagnostic::Reporter;
use crate::domain::{Domain, shown};
use crate::lexer::{Token, lex};

/// Years of which the first day is offered where every day is valid.
const YEARS_MAX: i32 = 30;

/// What there is to name.
pub(super) struct Known<'k, 'a, 'r, 's> {
    pub(super) checker: &'k Checker<'a, 'r, 's>,
    pub(super) catalogue: &'a Catalogue,
    pub(super) source: &'k str,
}

impl Known<'_, '_, '_, '_> {
    /// Datastores with their major version, newest last.
    pub(super) fn datastores(&self) -> Vec<Candidate> {
        let named = |datastore: &Datastore| {
            let text = format!("{}:{}", datastore.id, datastore.version.major);
            Candidate::new(text, datastore.owner.to_string())
        };
        let mut datastores: Vec<_> = self.catalogue.datastores.iter().map(named).collect();
        datastores.sort();
        datastores.dedup();
        datastores
    }

    pub(super) fn datasets(&self) -> Vec<Candidate> {
        // One that has no name was made up where a script forgot to create it.
        self.checker.datasets.keys().filter(|name| !name.is_empty()).map(Candidate::bare).collect()
    }

    /// Columns of the active dataset.
    pub(super) fn columns(&self, pointers: bool) -> Vec<Candidate> {
        self.checker.active.as_ref().map_or(Vec::new(), |active| self.columns_of(active, pointers))
    }

    pub(super) fn columns_of(&self, dataset: &str, pointers: bool) -> Vec<Candidate> {
        let Some(dataset) = self.checker.datasets.get(dataset) else { return Vec::new() };
        let usable = |column: &Column| match column {
            Column::Value(_) => true,
            Column::Key(_) => pointers,
            Column::Failed => false,
        };
        let usable = dataset.columns.iter().filter(|(_, column)| usable(column));
        usable.map(|(name, _)| Candidate::bare(name)).collect()
    }

    /// Names of code lists.
    pub(super) fn lists(&self) -> Vec<Candidate> {
        self.checker.code_lists.keys().map(Candidate::bare).collect()
    }

    /// Names of bindings and iterators, each once.
    pub(super) fn bindings(&self) -> Vec<Candidate> {
        let lines = lex(self.source, &mut Reporter::new(self.source));
        let mut names = Vec::new();
        for line in &lines {
            let word = |at: usize| {
                let lexeme = line.tokens.get(at).filter(|lexeme| lexeme.token == Token::Name)?;
                self.source.get(lexeme.span.start..lexeme.span.end)
            };
            match word(0) {
                Some("let") => names.extend(word(1)),
                Some("for") => {
                    let heads = (1..line.tokens.len()).take_while(|at| word(*at) != Some("in"));
                    names.extend(heads.filter_map(word));
                }
                _ => {}
            }
        }
        names.sort_unstable();
        names.dedup();
        names.into_iter().map(Candidate::bare).collect()
    }

    /// The script's names of datastores, with the slash that follows them.
    pub(super) fn aliases(&self) -> Vec<Candidate> {
        let named = |(alias, datastore): (&String, &Option<&Datastore>)| {
            Candidate::new(format!("{alias}/"), datastore.map_or(String::new(), |found| found.id.to_string()))
        };
        self.checker.connected.iter().map(named).collect()
    }

    pub(super) fn variables(&self, alias: &str) -> Vec<Candidate> {
        let Some(Some(datastore)) = self.checker.connected.get(alias) else { return Vec::new() };
        let named = |variable: &Variable| Candidate::new(variable.name.to_string(), &variable.title);
        datastore.variables.iter().map(named).collect()
    }

    fn variable(&self, alias: &str, name: &str) -> Option<&Variable> {
        let datastore = self.checker.connected.get(alias).copied().flatten()?;
        datastore.variables.iter().find(|variable| variable.name.as_str() == name)
    }

    /// Days that a variable may be imported at.
    pub(super) fn dates(&self, alias: &str, name: &str) -> Vec<Candidate> {
        let day = |day: &Day| Candidate::bare(day.to_string());
        match self.variable(alias, name).map(|variable| &variable.dates) {
            None | Some(AvailableDates::None) => Vec::new(),
            Some(AvailableDates::Days { days }) => days.iter().map(day).collect(),
            Some(AvailableDates::Periods { periods }) => (periods.iter())
                .map(|(first, last)| Candidate::new(last.to_string(), format!("{first} – {last}")))
                .collect(),
            Some(AvailableDates::Range { first, last }) => {
                let year = |day: &Day| day.to_string().get(..4).and_then(|year| year.parse::<i32>().ok());
                let (Some(from), Some(to)) = (year(first), year(last)) else { return Vec::new() };
                let from = from.max(to - YEARS_MAX);
                let mut days: Vec<Day> =
                    (from..=to).filter_map(|year| format!("{year:04}-01-01").parse().ok()).collect();
                days.retain(|day| first <= day && day <= last);
                days.push(*last);
                days.dedup();
                days.iter().map(day).collect()
            }
        }
    }

    /// The codes of a register variable, on a day if one is given.
    pub(super) fn domain(&self, alias: &str, name: &str, date: Option<&str>) -> Option<Arc<Domain>> {
        let variable = self.variable(alias, name)?;
        Domain::of_codes(&variable.domain, date.and_then(|date| date.parse().ok())).map(Arc::new)
    }

    /// The values of a column of the active dataset, with labels.
    pub(super) fn categories(&self, column: &str) -> Option<Arc<Domain>> {
        let dataset = self.checker.datasets.get(self.checker.active.as_ref()?)?;
        match dataset.column(column)? {
            Column::Value(value) => value.categories.clone(),
            Column::Key(_) | Column::Failed => None,
        }
    }

    /// Values as they are written, and where they begin: texts in quotation marks.
    pub(super) fn codes(&self, place: &Place<'_>, values: Option<Arc<Domain>>) -> (usize, Vec<Candidate>) {
        let written = |value: &Value, label: &Option<String>| {
            let text = match (value, place.quote) {
                (Value::Number(_), Some(_)) => return None,
                (Value::Number(_), None) => shown(value),
                (Value::Text(text), quote) => quoted(text, quote)?,
            };
            Some(Candidate::new(text, label.clone().unwrap_or_default()))
        };
        let domain = values.unwrap_or_default();
        let codes = domain.entries.iter().filter_map(|entry| written(&entry.value, &entry.label));
        (place.name, codes.collect())
    }

    /// Labels in quotation marks, each once.
    pub(super) fn labels(&self, place: &Place<'_>, values: Option<Arc<Domain>>) -> (usize, Vec<Candidate>) {
        let domain = values.unwrap_or_default();
        let labels = domain.entries.iter().filter_map(|entry| quoted(entry.label.as_ref()?, place.quote));
        let mut labels: Vec<_> = labels.map(Candidate::bare).collect();
        labels.dedup();
        (place.name, labels)
    }
}

/// A text in quotation marks, or behind one that stands already; none where it holds such a mark itself.
fn quoted(text: &str, open: Option<char>) -> Option<String> {
    let mark = open.unwrap_or(if text.contains('\'') { '"' } else { '\'' });
    let first = if open.is_some() { String::new() } else { mark.to_string() };
    (!text.contains([mark, '\n'])).then(|| format!("{first}{text}{mark}"))
}
