//! `define-labels list value label …` makes a code list; `assign-labels variable list` shows it.
//!
//! A column without categories of its own gets those of the code list. Code lists belong to the script and
//! serve all its datasets; defining one again changes it for later `assign-labels`.
//!
//! ```text
//! require no.ssb.fdb:54 as db
//! create-dataset d
//! import db/INNTEKT_WLONN 2022-06-30 as lønn
//! generate trinn = floor(lønn / 500000)
//! define-labels trinnliste 0 Lav 1 'Middels lønn' 2 "Høy"
//! assign-labels trinn trinnliste
//! tabulate trinn
//! ```

use std::sync::Arc;

use kobling_model::expression::Value;
use kobling_model::plan::Listing;

use crate::ast::{Command, DefineLabels, ListLabels, Name, Statement};
use crate::check::{Checker, Column, ColumnValue};
use crate::diagnostic::Reported;
use crate::domain::{Domain, Entry, number_of_text, shown};
use crate::lexer::Token;
use crate::near::nearest;
use crate::parser::{Cursor, Parse};
use crate::problem::{Expected, Problem};

pub(super) fn parse_define(cursor: &mut Cursor<'_, '_, '_>) -> Parse<Command> {
    let name = cursor.name(Expected::LabelsName)?;
    let mut labels = Vec::new();
    while labels.is_empty() || cursor.peek().is_some() {
        let (value, span) = value(cursor)?;
        labels.push((value, span, label(cursor)?));
    }
    Ok(Command::DefineLabels(DefineLabels { name, labels }))
}

pub(super) fn parse_assign(cursor: &mut Cursor<'_, '_, '_>) -> Parse<Command> {
    let variable = cursor.name(Expected::Variable)?;
    let labels = cursor.name(Expected::LabelsName)?;
    cursor.end()?;
    Ok(Command::AssignLabels { variable, labels })
}

pub(super) fn parse_drop(cursor: &mut Cursor<'_, '_, '_>) -> Parse<Command> {
    let lists = cursor.names(Expected::LabelsName)?;
    cursor.end()?;
    Ok(Command::DropLabels(lists))
}

pub(super) fn parse_list(cursor: &mut Cursor<'_, '_, '_>) -> Parse<Command> {
    if cursor.peek_second() != Some(Token::Slash) {
        let list = cursor.name(Expected::LabelsName)?;
        cursor.end()?;
        return Ok(Command::ListLabels(ListLabels::List(list)));
    }
    let register = cursor.register_name()?;
    let date = if cursor.peek().is_some() { Some(cursor.date()?) } else { None };
    cursor.end()?;
    Ok(Command::ListLabels(ListLabels::Register { register, date }))
}

/// Takes the labels into the plan, for the script's reader: they are public.
pub(crate) fn check_list(
    checker: &mut Checker<'_, '_, '_>,
    list: &ListLabels,
    statement: &Statement,
) -> Result<(), Reported> {
    let (name, labels) = match list {
        ListLabels::List(list) => {
            let labels = code_list(checker, list)?;
            (list.text.clone(), labels.as_ref().clone())
        }
        ListLabels::Register { register, date } => {
            let (_, of) = super::import::variable(checker, register)?;
            if date.is_some() {
                super::import::date(checker, of, register.variable.span, *date)?;
            }
            let name = format!("{}/{}", register.alias.text, register.variable.text);
            let Some(domain) = Domain::of_codes(&of.domain, date.map(|(day, _)| day)) else {
                let name = of.name.to_string();
                return Err(checker.report(register.variable.span, Problem::NoCodes { name }));
            };
            let label = |entry: Entry| (shown(&entry.value), entry.label.unwrap_or_default());
            (name, domain.entries.into_iter().map(label).collect())
        }
    };
    let bytes: usize = labels.iter().map(|(value, label)| value.len() + label.len()).sum();
    checker.spend(1 + labels.len() + bytes / 8, statement.span)?;
    checker.listings.push(Listing { line: statement.line, name, labels });
    Ok(())
}

/// Forgets code lists; variables that have one already keep it.
pub(crate) fn check_drop(checker: &mut Checker<'_, '_, '_>, lists: &[Name]) -> Result<(), Reported> {
    let known: Vec<_> = lists.iter().map(|list| code_list(checker, list)).collect();
    for (list, known) in lists.iter().zip(known) {
        known?;
        checker.code_lists.remove(&list.text);
    }
    Ok(())
}

/// A code as written: whether it is a number or a text is decided by the variable it is assigned to.
fn value(cursor: &mut Cursor<'_, '_, '_>) -> Parse<(String, crate::diagnostic::Span)> {
    match cursor.peek() {
        Some(Token::Text) => {
            let span = cursor.here();
            cursor.next();
            Ok((cursor.unquoted(span), span))
        }
        Some(Token::Number | Token::Minus | Token::Name | Token::Date) => {
            let span = cursor.run(Expected::Value)?;
            Ok((cursor.text(span).to_owned(), span))
        }
        _ => Err(cursor.expected(Expected::Value)),
    }
}

/// A text in quotes, or a bare word.
pub(super) fn label(cursor: &mut Cursor<'_, '_, '_>) -> Parse<String> {
    if cursor.peek() == Some(Token::Text) {
        let span = cursor.here();
        cursor.next();
        return Ok(cursor.unquoted(span));
    }
    let span = cursor.run(Expected::Label)?;
    Ok(cursor.text(span).to_owned())
}

pub(crate) fn check_define(checker: &mut Checker<'_, '_, '_>, define: &DefineLabels) -> Result<(), Reported> {
    let name = define.name.text.clone();
    let labels = define.labels.iter().map(|(value, _, label)| (value.clone(), label.clone())).collect();
    checker.code_lists.insert(name, Arc::new(labels));
    Ok(())
}

pub(crate) fn check_assign(
    checker: &mut Checker<'_, '_, '_>,
    variable: &Name,
    labels: &Name,
) -> Result<(), Reported> {
    let active = checker.active(variable.span)?;
    let column = checker.value_column(&active, variable, |name| Problem::KeyInExpression { name });
    let list = code_list(checker, labels);
    let ((name, column), list) = (column?, list?);
    let mut entries = Vec::with_capacity(list.len());
    for (value, label) in list.iter() {
        let value = if column.lowered.is_text() {
            Value::Text(value.clone())
        } else {
            match number_of_text(value) {
                Some(number) => Value::Number(number),
                None => {
                    let value = value.clone();
                    return Err(checker.report(labels.span, Problem::LabelType { name, value }));
                }
            }
        };
        entries.push(Entry { value, label: Some(label.clone()), sentinel: false });
    }
    let column = ColumnValue::new(column.lowered, Some(Arc::new(Domain::new(entries))));
    checker.dataset(&active).columns.insert(name, Column::Value(Arc::new(column)));
    Ok(())
}

fn code_list(
    checker: &mut Checker<'_, '_, '_>,
    labels: &Name,
) -> Result<Arc<Vec<(String, String)>>, Reported> {
    let name = labels.text.clone();
    match checker.code_lists.get(&name) {
        Some(list) => Ok(list.clone()),
        None if checker.uncertain => Err(checker.reporter.earlier()),
        None => {
            let near = nearest(&name, checker.code_lists.keys().map(String::as_str));
            Err(checker.report(labels.span, Problem::UnknownLabels { name, near }))
        }
    }
}
