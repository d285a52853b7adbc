//! `clone-dataset`, `clone-units`, `rename-dataset`, `delete-dataset` and `clone-variables`: copies and names.
//!
//! `clone-units` copies which units there are, without their variables. A copy's rows are those of the original as they are then: what
//! happens to one later does not happen to the other.
//!
//! ```text
//! require no.ssb.fdb:54 as db
//! create-dataset alle
//! import db/BEFOLKNING_KJOENN as kjønn
//! clone-variables kjønn -> kopi
//! clone-dataset alle menn
//! clone-units alle tomme
//! rename-dataset tomme kvinner
//! use menn
//! keep if kopi == "1"
//! use kvinner
//! import db/BEFOLKNING_KJOENN as sex
//! keep if sex == "2"
//! delete-dataset alle
//! tabulate sex
//! ```

use super::Options;
use super::group::names_in;
use crate::ast::{CloneVariables, Command, Name, Statement};
use crate::check::{Checker, Column, Dataset};
use crate::diagnostic::Reported;
use crate::lexer::Token;
use crate::parser::{Cursor, Parse};
use crate::problem::{Expected, Problem, Unprepared};

/// Two names of datasets.
pub(super) fn parse_two(cursor: &mut Cursor<'_, '_, '_>) -> Parse<(Name, Name)> {
    let first = cursor.name(Expected::DatasetName)?;
    let second = cursor.name(Expected::DatasetName)?;
    cursor.end()?;
    Ok((first, second))
}

pub(super) fn parse_variables(cursor: &mut Cursor<'_, '_, '_>, options: Options) -> Parse<Command> {
    let mut variables = Vec::new();
    while variables.is_empty() || !matches!(cursor.peek(), None | Some(Token::Comma)) {
        let name = cursor.name(Expected::Variable)?;
        let copy = if cursor.eat(Token::Arrow) { Some(cursor.name(Expected::NewName)?) } else { None };
        variables.push((name, copy));
    }
    let options = cursor.options("clone-variables", options)?;
    Ok(Command::CloneVariables(CloneVariables { variables, options }))
}

fn free(checker: &mut Checker<'_, '_, '_>, name: &Name) -> Result<String, Reported> {
    let text = name.text.clone();
    if checker.datasets.contains_key(&text) {
        return Err(checker.report(name.span, Problem::DatasetTaken { name: text }));
    }
    Ok(text)
}

/// Puts a copy in place; where a name is wrong, an empty dataset, so that later uses are not blamed.
fn copied(
    checker: &mut Checker<'_, '_, '_>,
    [dataset, copy]: [&Name; 2],
    of: impl Fn(&Dataset) -> Dataset,
) -> Result<(), Reported> {
    let (from, to) = (checker.known_dataset(dataset), free(checker, copy));
    if from.is_err() {
        checker.uncertain = true;
        checker.datasets.entry(copy.text.clone()).or_default();
    }
    let (from, to) = (from?, to?);
    let columns = checker.layers(&from).iter().map(|layer| 1 + layer.columns.len()).sum();
    checker.spend(columns, copy.span)?;
    let copy = of(&checker.datasets[&from]);
    checker.datasets.insert(to, copy);
    Ok(())
}

pub(crate) fn check_dataset(
    checker: &mut Checker<'_, '_, '_>,
    dataset: &Name,
    copy: &Name,
) -> Result<(), Reported> {
    copied(checker, [dataset, copy], Clone::clone)
}

pub(crate) fn check_units(
    checker: &mut Checker<'_, '_, '_>,
    dataset: &Name,
    copy: &Name,
    statement: &Statement,
) -> Result<(), Reported> {
    let units = match checker.datasets.contains_key(&dataset.text) && checker.is_panel(&dataset.text) {
        true => {
            let units = checker.units_of_panel(&dataset.text, statement.span);
            Some(units.inspect_err(|_| {
                checker.uncertain = true;
                checker.datasets.entry(copy.text.clone()).or_default();
            })?)
        }
        false => None,
    };
    copied(checker, [dataset, copy], |of| units.clone().unwrap_or_else(|| of.rows_only()))
}

pub(crate) fn check_rename(
    checker: &mut Checker<'_, '_, '_>,
    old: &Name,
    new: &Name,
) -> Result<(), Reported> {
    copied(checker, [old, new], Clone::clone)?;
    checker.datasets.remove(&old.text);
    if checker.active.as_deref() == Some(&old.text) {
        checker.active = Some(new.text.clone());
    }
    Ok(())
}

pub(crate) fn check_delete(checker: &mut Checker<'_, '_, '_>, name: &Name) -> Result<(), Reported> {
    let text = checker.known_dataset(name)?;
    checker.datasets.remove(&text);
    if checker.active == Some(text) {
        checker.active = None;
    }
    Ok(())
}

pub(crate) fn check_variables(
    checker: &mut Checker<'_, '_, '_>,
    clone: &CloneVariables,
    statement: &Statement,
) -> Result<(), Reported> {
    let active = checker.active(statement.span)?;
    let (mut prefix, mut suffix) = (String::new(), String::new());
    for option in &clone.options {
        let names = names_in(checker, option)?;
        let part = names.first().map(|name| name.text.clone()).unwrap_or_default();
        *(if option.name == "prefix" { &mut prefix } else { &mut suffix }) = part;
    }
    let mut result = Ok(());
    for (name, copy) in &clone.variables {
        let made = cloned(checker, &active, name, copy.as_ref(), [&prefix, &suffix], statement);
        if made.is_err() {
            let text =
                copy.as_ref().map_or(format!("{prefix}{}{suffix}", name.text), |copy| copy.text.clone());
            checker.fail_column(&text);
        }
        result = result.and(made);
    }
    result
}

fn cloned(
    checker: &mut Checker<'_, '_, '_>,
    active: &str,
    name: &Name,
    copy: Option<&Name>,
    [prefix, suffix]: [&str; 2],
    statement: &Statement,
) -> Result<(), Reported> {
    let known = checker.known_name(active, name)?;
    let copy = match copy {
        Some(copy) => copy.clone(),
        None if prefix.is_empty() && suffix.is_empty() => {
            let problem = Problem::Unprepared(Unprepared::NeedsNewName { name: known });
            return Err(checker.report(name.span, problem));
        }
        None => Name { text: format!("{prefix}{}{suffix}", name.text), ..name.clone() },
    };
    let free = checker.new_name(active, &copy)?;
    match checker.datasets[active].columns[&known].clone() {
        Column::Value(value) => checker.put(active, free, (*value).clone(), statement.span),
        other => {
            checker.dataset(active).columns.insert(free, other);
            Ok(())
        }
    }
}
