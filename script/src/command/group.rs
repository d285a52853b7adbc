//! `collapse (statistic) variable [-> name] …, by(key)` makes a dataset of groups of the rows of this one; `aggregate` writes what is
//! measured of a group back to each of its rows.
//!
//! What `by` names becomes the unit: a pointer names other units, so that cases become persons; the dataset's own unit makes one row of
//! several; of variables, equal values are a group. Everything is done at the owner of the rows, who must know all of it.
//!
//! ```text
//! require no.krg.kreft:2 as kreft
//! create-dataset tilfeller
//! import kreft/KRG_TILFELLE_LOKALISASJON as lokalisasjon
//! import kreft/KRG_TILFELLE_PERSON as person
//! generate lunge = startswith(lokalisasjon, "C34")
//! collapse (count) lokalisasjon -> antall (max) lunge, by(person)
//! recode antall (1 = 1) (2 = 2) (3/max = 3 "tre eller flere")
//! tabulate antall lunge
//! ```

use kobling_model::expression::Expression;
use kobling_model::preparation::{By, Key};

use super::Options;
use crate::ast::{Command, GroupMeasure, Grouping, Name, OptionUse, Statement};
use crate::check::{Checker, Column, ColumnValue, Dataset, Groups, RowsAre};
use crate::diagnostic::{Reported, Span};
use crate::lexer::Token;
use crate::locality::Population;
use crate::lower::Owners;
use crate::near::nearest;
use crate::parser::{Cursor, Parse};
use crate::prepare::{Measured, STATISTICS, WORDS, everybody};
use crate::problem::{Expected, Problem, Unprepared};

pub(super) fn parse(cursor: &mut Cursor<'_, '_, '_>, word: &str, options: Options) -> Parse<Grouping> {
    let mut measures = Vec::new();
    let mut statistic = None;
    while measures.is_empty() || !matches!(cursor.peek(), None | Some(Token::Comma)) {
        if cursor.eat(Token::Open) {
            let span = cursor.here();
            if cursor.peek() != Some(Token::Name) {
                return Err(cursor.expected(Expected::Statistic(WORDS)));
            }
            cursor.next();
            statistic = Some((cursor.text(span).to_owned(), span));
            cursor.need(Token::Close, Expected::Close)?;
        }
        let Some((statistic, statistic_span)) = statistic.clone() else {
            return Err(cursor.expected(Expected::Statistic(WORDS)));
        };
        let variable = cursor.name(Expected::Variable)?;
        let name = if cursor.eat(Token::Arrow) { Some(cursor.name(Expected::NewName)?) } else { None };
        measures.push(GroupMeasure { statistic, statistic_span, variable, name });
    }
    let options = cursor.options(word, options)?;
    Ok(Grouping { measures, options })
}

pub(super) fn parse_collapse(cursor: &mut Cursor<'_, '_, '_>, options: Options) -> Parse<Command> {
    parse(cursor, "collapse", options).map(Command::Collapse)
}

pub(super) fn parse_aggregate(cursor: &mut Cursor<'_, '_, '_>, options: Options) -> Parse<Command> {
    parse(cursor, "aggregate", options).map(Command::Aggregate)
}

/// What rows are grouped by.
struct Grouped {
    by: By,
    owners: Owners,
    /// By what a row of the dataset finds its group.
    key: Key,
    /// Names of the variables whose values make groups, with what they are.
    values: Vec<(String, ColumnValue)>,
}

pub(crate) fn check_collapse(
    checker: &mut Checker<'_, '_, '_>,
    grouping: &Grouping,
    statement: &Statement,
) -> Result<(), Reported> {
    let active = checker.active(statement.span)?;
    collapsed(checker, &active, grouping, statement).inspect_err(|_| {
        // What it would have made is not blamed later, and what it would have replaced is gone.
        for measure in &grouping.measures {
            checker.fail_column(&measure.name.as_ref().unwrap_or(&measure.variable).text);
        }
    })
}

fn collapsed(
    checker: &mut Checker<'_, '_, '_>,
    active: &str,
    grouping: &Grouping,
    statement: &Statement,
) -> Result<(), Reported> {
    let grouped = by(checker, active, "collapse", &grouping.options, statement.span);
    let measured = measures(checker, active, &grouping.measures);
    let (grouped, mut measured) = (grouped?, measured?);
    let Some(Grouped { by, owners, values, .. }) = grouped else {
        let command = "collapse".to_owned();
        return Err(checker.report(statement.span, Problem::Unprepared(Unprepared::NoKey { command })));
    };
    let mut names = Vec::with_capacity(grouping.measures.len());
    for measure in &grouping.measures {
        let name = measure.name.as_ref().unwrap_or(&measure.variable);
        if names.contains(&name.text) || values.iter().any(|(by, _)| *by == name.text) {
            return Err(checker.report(name.span, Problem::NameTaken { name: name.text.clone() }));
        }
        names.push(name.text.clone());
    }
    measured.push(Measured::rows());
    let unit_type = match &by {
        By::Unit | By::Values(_) => checker.datasets[active].unit_type,
        By::Pointer { unit_type, .. } => Some(*unit_type),
    };
    let (rows, key) = match &by {
        By::Unit | By::Pointer { .. } => (RowsAre::Units, Key::Unit),
        By::Values(exprs) => {
            let owner = owners.keys().next().cloned();
            let owner = owner
                .unwrap_or_else(|| checker.datasets[active].population.as_ref().expect("rows").owner.clone());
            let by = values.iter().map(|(name, _)| name.clone()).collect();
            let types = values.iter().map(|(_, column)| column.lowered.value_type).collect();
            let groups = Groups { owner, by, values: exprs.clone(), types };
            (RowsAre::Groups(groups), Key::Values(exprs.clone()))
        }
    };
    let table = checker.prepare(active, by, owners, &measured, "collapse", statement.span)?;
    let mut dataset = Dataset { unit_type, rows, ..Dataset::default() };
    let column = |checker: &mut Checker<'_, '_, '_>, at: usize, name: &str| {
        checker.prepared(&table, at, &measured[at], key.clone(), name)
    };
    for (at, name) in names.into_iter().enumerate() {
        let lowered = column(checker, at, &name);
        dataset.columns.insert(name, Column::Value(Box::new(ColumnValue::new(lowered, None))));
    }
    let presence = column(checker, measured.len() - 1, "");
    for (name, of) in values {
        dataset.columns.insert(name, Column::Value(Box::new(of)));
    }
    let Expression::Source(source) = presence.expression else { unreachable!("a column is a source") };
    dataset.population = Some(Population { owner: table.owner, source });
    checker.datasets.insert(active.to_owned(), dataset);
    checker.ask_population(active, statement)
}

pub(crate) fn check_aggregate(
    checker: &mut Checker<'_, '_, '_>,
    grouping: &Grouping,
    statement: &Statement,
) -> Result<(), Reported> {
    let active = checker.active(statement.span)?;
    aggregated(checker, &active, grouping, statement).inspect_err(|_| {
        for measure in &grouping.measures {
            checker.fail_column(&measure.name.as_ref().unwrap_or(&measure.variable).text);
        }
    })
}

fn aggregated(
    checker: &mut Checker<'_, '_, '_>,
    active: &str,
    grouping: &Grouping,
    statement: &Statement,
) -> Result<(), Reported> {
    let grouped = by(checker, active, "aggregate", &grouping.options, statement.span);
    let measured = measures(checker, active, &grouping.measures);
    let mut names: Vec<String> = Vec::with_capacity(grouping.measures.len());
    for measure in &grouping.measures {
        let Some(name) = &measure.name else {
            let name = measure.variable.text.clone();
            let problem = Problem::Unprepared(Unprepared::NeedsNewName { name });
            return Err(checker.report(measure.variable.span, problem));
        };
        let new = checker.new_name(active, name)?;
        if names.contains(&new) {
            return Err(checker.report(name.span, Problem::NameTaken { name: new }));
        }
        names.push(new);
    }
    // Without a key, all rows are one group.
    let everybody = || Grouped {
        by: By::Values(vec![everybody()]),
        owners: Owners::new(),
        key: Key::Values(vec![everybody()]),
        values: Vec::new(),
    };
    let (Grouped { by, owners, key, .. }, measured) = (grouped?.unwrap_or_else(everybody), measured?);
    let table = checker.prepare(active, by, owners, &measured, "aggregate", statement.span)?;
    for (at, name) in names.into_iter().enumerate() {
        let lowered = checker.prepared(&table, at, &measured[at], key.clone(), &name);
        checker.put(active, name, ColumnValue::new(lowered, None), statement.span)?;
    }
    Ok(())
}

/// What is measured of each group.
fn measures(
    checker: &mut Checker<'_, '_, '_>,
    active: &str,
    measures: &[GroupMeasure],
) -> Result<Vec<Measured>, Reported> {
    let each: Vec<_> = measures.iter().map(|of| measure(checker, active, of)).collect();
    each.into_iter().collect()
}

fn measure(
    checker: &mut Checker<'_, '_, '_>,
    active: &str,
    measure: &GroupMeasure,
) -> Result<Measured, Reported> {
    let statistic = STATISTICS.iter().find(|(word, _)| *word == measure.statistic).map(|(_, of)| *of);
    let column = checker.value_column(active, &measure.variable, |name| Problem::KeyInExpression { name });
    let Some(statistic) = statistic else {
        let near = nearest(&measure.statistic, STATISTICS.iter().map(|(word, _)| *word));
        let word = measure.statistic.clone();
        let problem = Problem::Unprepared(Unprepared::UnknownStatistic { word, near });
        return Err(checker.report(measure.statistic_span, problem));
    };
    let (name, column) = column?;
    if column.lowered.is_text() && !statistic.is_of_texts() {
        let statistic = measure.statistic.clone();
        let problem = Problem::Unprepared(Unprepared::StatisticOfText { statistic, name });
        return Err(checker.report(measure.variable.span, problem));
    }
    Ok(Measured { statistic, value: column.lowered })
}

/// What `by()` says; none where it is not there.
fn by(
    checker: &mut Checker<'_, '_, '_>,
    active: &str,
    command: &str,
    options: &[OptionUse],
    span: Span,
) -> Result<Option<Grouped>, Reported> {
    checker.populated(active, span)?;
    let Some(option) = options.iter().find(|option| option.name == "by") else { return Ok(None) };
    let names = names_in(checker, option)?;
    let unit = unit_name(&checker.datasets[active]);
    let mut values = Vec::with_capacity(names.len());
    for name in &names {
        let text = name.text.clone();
        let units = match checker.datasets[active].column(&text) {
            None if Some(&text) == unit.as_ref() => Some((By::Unit, Owners::new(), Key::Unit)),
            Some(Column::Key(pointer)) => {
                let (source, unit_type) = (pointer.source.clone(), pointer.unit_type);
                let owners = Owners::from([(pointer.owner.clone(), text.clone())]);
                Some((By::Pointer { pointer: source.clone(), unit_type }, owners, Key::Pointer(source)))
            }
            _ => None,
        };
        match units {
            Some(_) if names.len() > 1 => {
                let problem = Problem::Unprepared(Unprepared::SeveralKeys { name: text });
                return Err(checker.report(name.span, problem));
            }
            Some((by, owners, key)) => return Ok(Some(Grouped { by, owners, key, values: Vec::new() })),
            None => {
                let (text, column) =
                    checker.value_column(active, name, |name| Problem::KeyInExpression { name })?;
                values.push((text, column));
            }
        }
    }
    if values.is_empty() {
        let command = command.to_owned();
        return Err(checker.report(option.span, Problem::Unprepared(Unprepared::NoKey { command })));
    }
    let owners = values.iter().flat_map(|(_, column)| column.lowered.owners.clone()).collect();
    let exprs: Vec<_> = values.iter().map(|(_, column)| column.lowered.expression.clone()).collect();
    Ok(Some(Grouped { by: By::Values(exprs.clone()), owners, key: Key::Values(exprs), values }))
}

/// The name by which a dataset's own unit goes in `by()` and `on`: `PERSONID_1` and the like.
pub(crate) fn unit_name(dataset: &Dataset) -> Option<String> {
    dataset.unit_type.map(|unit_type| format!("{}ID_1", unit_type.as_str()))
}

/// The names in an option's parentheses.
pub(crate) fn names_in(checker: &mut Checker<'_, '_, '_>, option: &OptionUse) -> Result<Vec<Name>, Reported> {
    let words = option.arguments.as_deref().unwrap_or_default();
    let mut names = Vec::with_capacity(words.len());
    for word in words {
        match word.token {
            Token::Name => {
                let text = checker.reporter.text(word.span).to_owned();
                names.push(Name { text, span: word.span });
            }
            Token::Comma => {}
            _ => {
                let found = Some(checker.reporter.text(word.span).to_owned());
                return Err(checker.report(word.span, Problem::Expected { what: Expected::Variable, found }));
            }
        }
    }
    Ok(names)
}
