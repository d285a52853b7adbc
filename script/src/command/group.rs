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

use std::sync::Arc;

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
    let Asked { by, owners, values, mut measured, .. } =
        asked(checker, active, grouping, "collapse", statement.span)?;
    let Some(first) = by.first() else {
        let command = "collapse".to_owned();
        return Err(checker.report(statement.span, Problem::Unprepared(Unprepared::NoKey { command })));
    };
    // Groups are told by what they are of a unit, which a constant is not.
    let no_source = |by: &By| match by {
        By::Values(values) => values.iter().any(|value| value.sources().is_empty()),
        By::Unit | By::Pointer { .. } => false,
    };
    if checker.is_panel(active) && by.iter().any(no_source) {
        return Err(checker.report(statement.span, Problem::Unprepared(Unprepared::DateOfGroups)));
    }
    let mut names = Vec::with_capacity(grouping.measures.len());
    for measure in &grouping.measures {
        let name = measure.name.as_ref().unwrap_or(&measure.variable);
        if names.contains(&name.text) || values.iter().any(|(by, _)| *by == name.text) {
            return Err(checker.report(name.span, Problem::NameTaken { name: name.text.clone() }));
        }
        names.push(name.text.clone());
    }
    measured.push(Measured::rows());
    let unit_type = match first {
        By::Unit | By::Values(_) => checker.datasets[active].unit_type,
        By::Pointer { unit_type, .. } => Some(*unit_type),
    };
    let (rows, key) = match first {
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
    let table = checker.prepare(active, &by, owners, &measured, "collapse", statement.span)?;
    let mut dataset = Dataset { unit_type, rows, ..Dataset::default() };
    let column = |checker: &mut Checker<'_, '_, '_>, at: usize, name: &str| {
        checker.prepared(&table, at, &measured[at], key.clone(), name)
    };
    for (at, name) in names.into_iter().enumerate() {
        let lowered = column(checker, at, &name);
        dataset.columns.insert(name, Column::Value(Arc::new(ColumnValue::new(lowered, None))));
    }
    let presence = column(checker, measured.len() - 1, "");
    for (name, of) in values {
        dataset.columns.insert(name, Column::Value(Arc::new(of)));
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
    let asked = asked(checker, active, grouping, "aggregate", statement.span);
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
    let Asked { mut by, mut keys, owners, measured, of_outcome, .. } = asked?;
    if by.is_empty() {
        // Without a key, all rows are one group.
        by = vec![By::Values(vec![everybody()])];
        keys = vec![Key::Values(vec![everybody()])];
    }
    let table = checker.prepare(active, &by, owners, &measured, "aggregate", statement.span)?;
    let described: Vec<_> = measured.iter().map(|measured| checker.described(measured)).collect();
    let written = checker.each_layer(active, |checker, layer| {
        let key = keys.get(layer).unwrap_or(&keys[0]);
        for (at, name) in names.iter().enumerate() {
            let lowered = checker.prepared_as(&table, at, &described[at], key.clone(), name);
            let lowered = if of_outcome { lowered.by_outcome() } else { lowered };
            checker.put(active, name.clone(), ColumnValue::new(lowered, None), statement.span)?;
        }
        Ok(())
    });
    written.map(drop)
}

/// What rows are grouped by and what is measured of each group, at each date of a panel.
struct Asked {
    /// One for each date; none where nothing is said.
    by: Vec<By>,
    keys: Vec<Key>,
    owners: Owners,
    /// At the first date.
    values: Vec<(String, ColumnValue)>,
    measured: Vec<Measured>,
    /// An outcome has decided what some of them are grouped by.
    of_outcome: bool,
}

fn asked(
    checker: &mut Checker<'_, '_, '_>,
    active: &str,
    grouping: &Grouping,
    command: &str,
    span: Span,
) -> Result<Asked, Reported> {
    let each = checker.each_layer(active, |checker, _| {
        let grouped = by(checker, active, command, &grouping.options, span);
        let measured = measures(checker, active, &grouping.measures);
        Ok((grouped?, measured?))
    })?;
    let mut asked = Asked {
        by: Vec::new(),
        keys: Vec::new(),
        owners: Owners::new(),
        values: Vec::new(),
        measured: Vec::new(),
        of_outcome: false,
    };
    for (at, (grouped, measured)) in each.into_iter().enumerate() {
        if let Some(grouped) = grouped {
            asked.by.push(grouped.by);
            asked.keys.push(grouped.key);
            asked.owners.extend(grouped.owners);
            asked.of_outcome |= grouped.values.iter().any(|(_, column)| column.lowered.is_of_outcome());
            let later = match at {
                0 => {
                    asked.values = grouped.values;
                    Vec::new()
                }
                _ => grouped.values,
            };
            // Codes of later dates are values of groups too.
            for ((_, first), (_, later)) in asked.values.iter_mut().zip(later) {
                let domain = match (&first.lowered.domain, &later.lowered.domain) {
                    (Some(all), Some(more)) if all == more => Some(all.clone()),
                    (Some(all), Some(more)) => Some(Arc::new(all.union(more))),
                    _ => None,
                };
                *first = ColumnValue::new(first.lowered.clone().with_domain(domain), first.labels.clone());
            }
        }
        if at == 0 {
            asked.measured = measured;
            continue;
        }
        for (first, further) in asked.measured.iter_mut().zip(measured) {
            first.further.push(further.value);
        }
    }
    Ok(asked)
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
    checker.spend(column.lowered.size() + 1, measure.variable.span)?;
    if column.lowered.is_text() && !statistic.is_of_texts() {
        let statistic = measure.statistic.clone();
        let problem = Problem::Unprepared(Unprepared::StatisticOfText { statistic, name });
        return Err(checker.report(measure.variable.span, problem));
    }
    Ok(Measured::new(statistic, column.lowered))
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
