//! `merge var-list into dataset [on key]` writes columns of the active dataset into another one, which keeps its rows.
//!
//! Where both are about the same units, a unit gets its own values. With `on`, a unit gets those of the unit that its pointer names, or
//! of the group that its values are in. Units without any are missing there.
//!
//! ```text
//! require no.ssb.fdb:54 as db
//! create-dataset alle
//! import db/INNTEKT_WLONN 2022-06-30 as lønn
//! import db/BEFOLKNING_KOMMNR_FORMELL 2022-01-01 as kommune
//! collapse (mean) lønn -> snittlønn, by(kommune)
//! create-dataset kvinner
//! import db/BEFOLKNING_KJOENN as kjønn
//! import db/BEFOLKNING_KOMMNR_FORMELL 2022-01-01 as bosted
//! keep if kjønn == "2"
//! use alle
//! merge snittlønn into kvinner on bosted
//! use kvinner
//! generate rik = snittlønn > 400000
//! tabulate rik
//! ```

use kobling_model::expression::{Expression, ValueType};
use kobling_model::preparation::{By, Column as Source, Key, Statistic};

use super::group::unit_name;
use crate::ast::{Command, Merge, Name, Statement};
use crate::check::{Checker, Column, ColumnValue, Groups, RowsAre};
use crate::diagnostic::Reported;
use crate::locality::columns;
use crate::lower::{Lowered, Owners};
use crate::parser::{Cursor, Parse};
use crate::prepare::Measured;
use crate::problem::{Expected, Problem, Unprepared};

pub(super) fn parse(cursor: &mut Cursor<'_, '_, '_>) -> Parse<Command> {
    let mut variables = vec![cursor.name(Expected::Variable)?];
    while !cursor.at_word("into") && cursor.peek().is_some() {
        variables.push(cursor.name(Expected::Variable)?);
    }
    cursor.need_word("into", Expected::Into)?;
    let dataset = cursor.name(Expected::DatasetName)?;
    let mut on = Vec::new();
    if cursor.eat_word("on") {
        on.push(cursor.name(Expected::Variable)?);
        while cursor.peek().is_some() {
            on.push(cursor.name(Expected::Variable)?);
        }
    }
    cursor.end()?;
    Ok(Command::Merge(Merge { variables, dataset, on }))
}

pub(crate) fn check(
    checker: &mut Checker<'_, '_, '_>,
    merge: &Merge,
    statement: &Statement,
) -> Result<(), Reported> {
    let active = checker.active(statement.span)?;
    let target = target(checker, &merge.dataset)?;
    let at = |checker: &mut Checker<'_, '_, '_>| {
        merged(checker, &active, &target, merge, statement).inspect_err(|_| {
            let dataset = checker.dataset(&target);
            for name in &merge.variables {
                dataset.columns.entry(name.text.clone()).or_insert(Column::Failed);
            }
        })
    };
    checker.each_layer(&target, |checker, _| at(checker)).map(drop)
}

fn target(checker: &mut Checker<'_, '_, '_>, name: &Name) -> Result<String, Reported> {
    let text = name.text.clone();
    if checker.active.as_ref() == Some(&text) {
        return Err(checker.report(name.span, Problem::Unprepared(Unprepared::SameDataset { name: text })));
    }
    checker.known_dataset(name)
}

fn merged(
    checker: &mut Checker<'_, '_, '_>,
    active: &str,
    target: &str,
    merge: &Merge,
    statement: &Statement,
) -> Result<(), Reported> {
    checker.populated(active, statement.span)?;
    checker.populated(target, merge.dataset.span)?;
    let columns: Vec<_> =
        merge.variables.iter().map(|name| variable(checker, active, target, name)).collect();
    let columns = columns.into_iter().collect::<Result<Vec<_>, _>>()?;
    let command = "merge".to_owned();
    if matches!(checker.datasets[target].rows, RowsAre::Groups(_)) {
        let problem = Problem::Unprepared(Unprepared::OfGroups { command });
        return Err(checker.report(merge.dataset.span, problem));
    }
    let made = match checker.datasets[active].rows.clone() {
        RowsAre::Spells(_) => {
            Err(checker.report(statement.span, Problem::Unprepared(Unprepared::OfSpells { command })))
        }
        RowsAre::Panel(_) => {
            Err(checker.report(statement.span, Problem::Unprepared(Unprepared::OfPanel { command })))
        }
        RowsAre::Groups(groups) => of_groups(checker, active, target, &groups, &columns, merge),
        RowsAre::Units => of_units(checker, active, target, &columns, merge, statement),
    }?;
    for ((name, column), lowered) in columns.into_iter().zip(made) {
        checker.put(target, name, ColumnValue::new(lowered, column.labels), statement.span)?;
    }
    Ok(())
}

/// A column of the active dataset, whose name the target does not have yet.
fn variable(
    checker: &mut Checker<'_, '_, '_>,
    active: &str,
    target: &str,
    name: &Name,
) -> Result<(String, ColumnValue), Reported> {
    let column = checker.value_column(active, name, |name| Problem::KeyInExpression { name });
    checker.new_name(target, name)?;
    column
}

type Columns = [(String, ColumnValue)];

/// Columns of units: a unit's own, or those of the unit that a pointer names.
fn of_units(
    checker: &mut Checker<'_, '_, '_>,
    active: &str,
    target: &str,
    merged: &Columns,
    merge: &Merge,
    statement: &Statement,
) -> Result<Vec<Lowered>, Reported> {
    let source_type = checker.datasets[active].unit_type.expect("it has units");
    let target_type = checker.datasets[target].unit_type.expect("it has units");
    let own = unit_name(&checker.datasets[target]);
    let pointer = match merge.on.as_slice() {
        [] => None,
        [name] if Some(&name.text) == own.as_ref() => None,
        [name] => {
            let text = checker.known_name(target, name)?;
            match &checker.datasets[target].columns[&text] {
                Column::Key(pointer) if pointer.unit_type == source_type => Some((text, pointer.clone())),
                Column::Failed => return Err(checker.reporter.earlier()),
                _ => {
                    let problem = Unprepared::NotAPointer { name: text, unit_type: source_type };
                    return Err(checker.report(name.span, Problem::Unprepared(problem)));
                }
            }
        }
        [_, second, ..] => {
            let problem = Unprepared::SeveralKeys { name: second.text.clone() };
            return Err(checker.report(second.span, Problem::Unprepared(problem)));
        }
    };
    let Some((name, pointer)) = pointer else {
        if source_type != target_type {
            let problem = Unprepared::OtherUnits { source: source_type, target: target_type };
            return Err(checker.report(merge.dataset.span, Problem::Unprepared(problem)));
        }
        let member = checker.membership(active, statement.span)?;
        let own = |(_, column): &(String, ColumnValue)| {
            let (value, domain) = (column.lowered.clone(), column.lowered.domain.clone());
            let missing = Lowered::missing(value.value_type);
            Lowered::case(true, vec![(member.clone(), value)], missing, domain)
        };
        return Ok(merged.iter().map(own).collect());
    };
    let value = |(_, column): &(String, ColumnValue)| Measured::new(Statistic::Value, column.lowered.clone());
    let measured: Vec<_> = merged.iter().map(value).collect();
    let used = Owners::from([(pointer.owner, name)]);
    let table = checker.prepare(active, &[By::Unit], used, &measured, "merge", statement.span)?;
    let column = |(at, (name, _)): (usize, &(String, ColumnValue))| {
        checker.prepared(&table, at, &measured[at], Key::Pointer(pointer.source.clone()), name)
    };
    Ok(merged.iter().enumerate().map(column).collect())
}

/// Columns of groups: those of the group that a row's values are in.
fn of_groups(
    checker: &mut Checker<'_, '_, '_>,
    active: &str,
    target: &str,
    groups: &Groups,
    merged: &Columns,
    merge: &Merge,
) -> Result<Vec<Lowered>, Reported> {
    let missing = Problem::Unprepared(Unprepared::NoSuchKey { keys: groups.by.clone() });
    let span = merge.on.first().map_or(merge.dataset.span, |name| name.span);
    let names: Vec<Name> = match merge.on.as_slice() {
        [] => groups.by.iter().map(|text| Name { text: text.clone(), span }).collect(),
        names => names.to_vec(),
    };
    let unknown = |name: &Name| checker.datasets[target].column(&name.text).is_none();
    if names.len() != groups.by.len() || merge.on.is_empty() && names.iter().any(unknown) {
        return Err(checker.report(span, missing));
    }
    let (mut owners, mut values) = (Owners::from([(groups.owner.clone(), groups.by.join(" "))]), Vec::new());
    let mut of_outcome = false;
    for (at, name) in names.iter().enumerate() {
        let (text, column) = checker.value_column(target, name, |name| Problem::KeyInExpression { name })?;
        if (groups.types[at] == ValueType::Text) != column.lowered.is_text() {
            let is_text = column.lowered.is_text();
            return Err(checker.report(name.span, Problem::TypeChanges { name: text, is_text }));
        }
        owners.extend(column.lowered.owners.clone());
        of_outcome |= column.lowered.is_of_outcome();
        values.push(column.lowered.expression);
    }
    if owners.len() > 1 {
        let (command, columns) = ("merge".to_owned(), columns(&owners));
        return Err(checker.report(span, Problem::Unprepared(Unprepared::NotLocal { command, columns })));
    }
    let filters: Vec<_> = checker.datasets[active].filters.iter().map(Lowered::of_filter).collect();
    let filters: Vec<_> =
        filters.into_iter().map(|filter| looked_up(checker, groups, &values, filter)).collect();
    let mut made = Vec::with_capacity(merged.len());
    for (_, column) in merged {
        let value = looked_up(checker, groups, &values, column.lowered.clone());
        let all = Lowered::all(kobling_model::expression::BinaryOperator::And, filters.clone());
        let value = match all {
            None => value,
            Some(condition) => {
                let (domain, missing) = (value.domain.clone(), Lowered::missing(value.value_type));
                Lowered::case(true, vec![(condition, value)], missing, domain)
            }
        };
        made.push(if of_outcome { value.by_outcome() } else { value });
    }
    Ok(made)
}

/// The same over the groups that these values are in.
fn looked_up(
    checker: &mut Checker<'_, '_, '_>,
    groups: &Groups,
    values: &[Expression],
    lowered: Lowered,
) -> Lowered {
    let mut places = std::collections::BTreeMap::new();
    for index in lowered.expression.sources() {
        let (_, column) = &checker.made.sources[index];
        let Source::Prepared { preparation, measure, key: Key::Values(of_group), value_type } = column else {
            continue;
        };
        if *of_group == groups.values {
            let (preparation, measure, value_type) = (*preparation, *measure, *value_type);
            let key = Key::Values(values.to_vec());
            let (known, constants) = (checker.known[index].clone(), checker.constants[index]);
            let column = Source::Prepared { preparation, measure, key, value_type };
            places.insert(index, checker.source(column, known, constants));
        }
    }
    let looked_up = lowered.with_sources(&places);
    // A constant of groups stands for itself, wherever else the same one is written.
    let stands_for = |of: &Expression| !of.sources().is_empty();
    let of_groups = groups.values.iter().zip(values).filter(|(of, _)| stands_for(of));
    let expression = of_groups.fold(looked_up.expression.clone(), |made, (of, to)| made.with_part(of, to));
    looked_up.with_expression(expression)
}
