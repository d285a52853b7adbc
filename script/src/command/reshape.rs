//! `reshape-to-panel prefix …` makes a row for each unit and date of columns that are named by prefix and number; `reshape-from-panel` makes
//! columns of dates again.
//!
//! Of `lønn2020 lønn2021 kjønn`, `reshape-to-panel lønn` makes `lønn`, `kjønn` and `date@panel`, which is 2020 in one row of each unit and 2021 in
//! the other. A date that a prefix has no column for is missing there. Back again, a column that is the same at all dates stays one; others
//! are named by the digits that they came from, and after `import-panel` by the year, or by year, month and day where two dates
//! share a year.
//!
//! ```text
//! require no.ssb.fdb:54 as db
//! create-dataset d
//! import db/BEFOLKNING_KJOENN as kjønn
//! import db/INNTEKT_WLONN 2021-06-30 as lønn2021
//! import db/INNTEKT_WLONN 2022-06-30 as lønn2022
//! reshape-to-panel lønn
//! generate høy = lønn > 600000
//! reshape-from-panel
//! tabulate høy2021 høy2022
//! ```

use std::sync::Arc;

use std::collections::{BTreeMap, BTreeSet};

use kobling_model::expression::ValueType;

use crate::ast::{Name, Statement};
use crate::check::{Checker, Column, ColumnValue, Dataset, RowsAre};
use crate::diagnostic::{Reported, Span};
use crate::limits::PANEL_DATES_MAX;
use crate::lower::Lowered;
use crate::panel::{DATE, Level, panel};
use crate::parser::{Cursor, Parse};
use crate::problem::{Expected, Problem, Unprepared};

/// Digits that a number holds exactly.
const DIGITS_MAX: usize = 15;

pub(super) fn parse_to(cursor: &mut Cursor<'_, '_, '_>) -> Parse<Vec<Name>> {
    let prefixes = cursor.names(Expected::Variable)?;
    cursor.end()?;
    Ok(prefixes)
}

/// Columns by the digits after a prefix.
type Levels = BTreeMap<String, String>;

pub(crate) fn check_to(
    checker: &mut Checker<'_, '_, '_>,
    prefixes: &[Name],
    statement: &Statement,
) -> Result<(), Reported> {
    let active = checker.active(statement.span)?;
    to_panel(checker, &active, prefixes, statement).inspect_err(|_| {
        for prefix in prefixes {
            checker.fail_column(&prefix.text);
        }
        checker.fail_column(DATE);
    })
}

fn to_panel(
    checker: &mut Checker<'_, '_, '_>,
    active: &str,
    prefixes: &[Name],
    statement: &Statement,
) -> Result<(), Reported> {
    checker.populated(active, statement.span)?;
    units_only(checker, active, "reshape-to-panel", statement.span)?;
    let mut found: Vec<Levels> = prefixes.iter().map(|_| Levels::new()).collect();
    for name in checker.datasets[active].names() {
        let digits = |prefix: &Name| digits_after(name, &prefix.text);
        let matching = prefixes.iter().enumerate().filter_map(|(at, prefix)| Some((at, digits(prefix)?)));
        // Of two prefixes the longer one.
        if let Some((at, digits)) = matching.min_by_key(|(_, digits)| digits.len()) {
            found[at].insert(digits.to_owned(), name.to_owned());
        }
    }
    for (prefix, levels) in prefixes.iter().zip(&found) {
        if levels.is_empty() {
            if checker.uncertain {
                return Err(checker.reporter.earlier());
            }
            let prefix_of = prefix.text.clone();
            let problem = Unprepared::NoPanelNames { prefix: prefix_of };
            return Err(checker.report(prefix.span, Problem::Unprepared(problem)));
        }
        checker.new_name(active, prefix)?;
    }
    let mut levels: BTreeMap<u64, BTreeSet<&String>> = BTreeMap::new();
    for digits in found.iter().flat_map(Levels::keys) {
        levels.entry(digits.parse().unwrap_or(u64::MAX)).or_default().insert(digits);
    }
    if let Some(twice) = levels.values().find(|digits| digits.len() > 1) {
        let name = twice.iter().map(|digits| digits.as_str()).collect::<Vec<_>>().join(" ");
        return Err(checker.report(statement.span, Problem::NameTaken { name }));
    }
    if levels.len() > PANEL_DATES_MAX {
        return Err(checker.report(statement.span, Problem::PlanTooLarge));
    }
    let mut columns = Vec::with_capacity(prefixes.len());
    for (prefix, of) in prefixes.iter().zip(&found) {
        columns.push(of_prefix(checker, active, prefix, of)?);
    }
    let gone: BTreeSet<&String> = found.iter().flat_map(Levels::values).collect();
    let mut rest = checker.datasets[active].clone();
    rest.columns.retain(|name, _| !gone.contains(name));
    checker.spend(levels.len() * (1 + rest.columns.len() + prefixes.len()), statement.span)?;
    let at_level = |(number, digits): (&u64, &BTreeSet<&String>)| {
        let digits = (*digits.first().expect("each has digits")).clone();
        let mut dataset = rest.clone();
        for (prefix, (value_type, of)) in prefixes.iter().zip(&columns) {
            let missing = || ColumnValue::new(Lowered::missing(*value_type), None);
            let value = of.get(&digits).cloned().unwrap_or_else(missing);
            dataset.columns.insert(prefix.text.clone(), Column::Value(Arc::new(value)));
        }
        (Level::Digits(digits, *number as f64), dataset)
    };
    let layers = levels.iter().map(at_level).collect();
    checker.datasets.insert(active.to_owned(), panel(layers));
    Ok(())
}

/// The columns of a prefix by their digits, and what they all are.
fn of_prefix(
    checker: &mut Checker<'_, '_, '_>,
    active: &str,
    prefix: &Name,
    levels: &Levels,
) -> Result<(ValueType, BTreeMap<String, ColumnValue>), Reported> {
    let mut columns = BTreeMap::new();
    let mut value_type = None;
    for (digits, name) in levels {
        let name = Name { text: name.clone(), span: prefix.span };
        let (name, column) = checker.value_column(active, &name, |name| Problem::KeyInExpression { name })?;
        let of = column.lowered.value_type;
        if *value_type.get_or_insert(of) != of {
            let is_text = value_type == Some(ValueType::Text);
            return Err(checker.report(prefix.span, Problem::TypeChanges { name, is_text }));
        }
        columns.insert(digits.clone(), column);
    }
    Ok((value_type.expect("a prefix has columns"), columns))
}

/// What follows a prefix, where that is a number.
fn digits_after<'a>(name: &'a str, prefix: &str) -> Option<&'a str> {
    let digits = name.strip_prefix(prefix)?;
    let number =
        !digits.is_empty() && digits.len() <= DIGITS_MAX && digits.bytes().all(|b| b.is_ascii_digit());
    number.then_some(digits)
}

/// Says what is wrong where a dataset has other rows than units.
pub(super) fn units_only(
    checker: &mut Checker<'_, '_, '_>,
    dataset: &str,
    command: &str,
    span: Span,
) -> Result<(), Reported> {
    let command = command.to_owned();
    let problem = match &checker.datasets[dataset].rows {
        RowsAre::Units => return Ok(()),
        RowsAre::Spells(_) => Unprepared::OfSpells { command },
        RowsAre::Groups(_) => Unprepared::OfGroups { command },
        RowsAre::Panel(_) => Unprepared::OfPanel { command },
    };
    Err(checker.report(span, Problem::Unprepared(problem)))
}

pub(crate) fn check_from(checker: &mut Checker<'_, '_, '_>, statement: &Statement) -> Result<(), Reported> {
    let active = checker.active(statement.span)?;
    from_panel(checker, &active, statement).inspect_err(|_| checker.uncertain = true)
}

fn from_panel(
    checker: &mut Checker<'_, '_, '_>,
    active: &str,
    statement: &Statement,
) -> Result<(), Reported> {
    checker.populated(active, statement.span)?;
    let RowsAre::Panel(layers) = checker.datasets[active].rows.clone() else {
        return Err(checker.report(statement.span, Problem::Unprepared(Unprepared::NoPanel)));
    };
    let units = checker.units_of_panel(active, statement.span)?;
    // Whether a unit of the dataset has a row at a date; said only where some have none.
    let members =
        checker.each_layer(active, |checker, _| match checker.datasets[active].has_rows_of(&units) {
            true => Ok(Lowered::truth(true)),
            false => checker.membership(active, statement.span),
        })?;
    let suffixes = suffixes(layers.iter().map(|layer| &layer.level));
    let mut wide = Dataset { columns: BTreeMap::new(), ..units };
    let mut made: Vec<(String, ColumnValue)> = Vec::new();
    let names: Vec<String> =
        layers[0].dataset.names().filter(|name| *name != DATE).map(str::to_owned).collect();
    for name in names {
        let at = |layer: &crate::panel::Layer| layer.dataset.columns.get(&name).cloned();
        let columns: Vec<Column> = layers.iter().filter_map(at).collect();
        let mut values = Vec::with_capacity(columns.len());
        for column in &columns {
            match column {
                Column::Value(value) => values.push(&**value),
                Column::Failed => return Err(checker.reporter.earlier()),
                Column::Key(_) => {}
            }
        }
        if values.is_empty() {
            let same = columns.iter().all(|column| match (column, &columns[0]) {
                (Column::Key(one), Column::Key(other)) => one == other,
                _ => false,
            });
            for (column, suffix) in columns.into_iter().zip(&suffixes) {
                let name = if same { name.clone() } else { format!("{name}{suffix}") };
                if !same && wide.columns.contains_key(&name) {
                    return Err(checker.report(statement.span, Problem::NameTaken { name }));
                }
                wide.columns.insert(name, column);
            }
            continue;
        }
        // What an edit may have made different at some date is not said to be the same after its outcome.
        let alike = |value: &&ColumnValue| {
            value.lowered.expression == values[0].lowered.expression && !value.lowered.is_of_outcome()
        };
        if values.iter().all(alike) {
            made.push((name, values[0].clone()));
            continue;
        }
        for ((value, suffix), member) in values.into_iter().zip(&suffixes).zip(&members) {
            let (lowered, domain) = (value.lowered.clone(), value.lowered.domain.clone());
            let missing = Lowered::missing(lowered.value_type);
            let lowered = Lowered::case(true, vec![(member.clone(), lowered)], missing, domain);
            made.push((format!("{name}{suffix}"), ColumnValue::new(lowered, value.labels.clone())));
        }
    }
    checker.datasets.insert(active.to_owned(), wide);
    for (name, value) in made {
        if checker.datasets[active].columns.contains_key(&name) {
            return Err(checker.report(statement.span, Problem::NameTaken { name }));
        }
        checker.put(active, name, value, statement.span)?;
    }
    Ok(())
}

/// What names of columns end with at each date.
fn suffixes<'a>(levels: impl Iterator<Item = &'a Level> + Clone) -> Vec<String> {
    let year = |level: &Level| match level {
        Level::Day(day) => Some(day.civil().0),
        Level::Digits(..) => None,
    };
    let years: Vec<i32> = levels.clone().filter_map(year).collect();
    let apart = years.iter().collect::<BTreeSet<_>>().len() == years.len();
    let suffix = |level: &Level| match level {
        Level::Digits(digits, _) => digits.clone(),
        Level::Day(day) if apart => format!("{:04}", day.civil().0),
        Level::Day(day) => {
            let (year, month, day) = day.civil();
            format!("{year:04}{month:02}{day:02}")
        }
    };
    levels.map(suffix).collect()
}
