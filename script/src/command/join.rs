//! The options of `import`: which units a dataset has afterwards, and which values count.
//!
//! - `inner_join` keeps the units that have a value; `outer_join` adds those that have one and were not there. Without either, a dataset keeps
//!   its units. Adding units needs the population and the variable at one owner: nobody may know who is at either of two.
//! - `values(a b …)` takes these values only: at the first import other units are not in the population, later others are missing.
//! - `values_from(dataset)` at the first import of a pointer: rows that point to a unit of that dataset.
//!
//! ```text
//! require no.ssb.fdb:54 as db
//! create-dataset d
//! import db/BEFOLKNING_KOMMNR_FORMELL 2023-01-01 as kommune, values("0301" "4601")
//! import db/SIVSTANDFDT_SIVSTAND 2023-01-01 as sivstand, values(1 2)
//! import db/INNTEKT_WLONN 2022-06-30 as lønn, inner_join
//! import db/BEFOLKNING_KJOENN as kjønn, outer_join
//! tabulate kommune sivstand, missing
//! ```

use kobling_model::expression::{BinaryOperator, Expression, Value, ValueType};
use kobling_model::preparation::{By, Column as Source, Key};

use super::group::names_in;
use crate::ast::{Name, OptionUse, Statement};
use crate::check::{Checker, Column, ColumnValue};
use crate::diagnostic::{Reported, Span};
use crate::domain::{Domain, number_of_text};
use crate::joint::Known;
use crate::lexer::Token;
use crate::locality::{Filter, Population, columns};
use crate::lower::{Lowered, Owners};
use crate::prepare::Measured;
use crate::problem::{Problem, Unprepared};

/// What the options say.
#[derive(Default)]
pub(super) struct Joining {
    outer: Option<Span>,
    inner: bool,
    values: Vec<(String, bool, Span)>,
    from: Option<Name>,
}

pub(super) fn of(checker: &mut Checker<'_, '_, '_>, options: &[OptionUse]) -> Result<Joining, Reported> {
    let mut joining = Joining::default();
    for option in options {
        match option.name.as_str() {
            "outer_join" => joining.outer = Some(option.span),
            "inner_join" => joining.inner = true,
            "values" => joining.values = values(checker, option),
            _ => joining.from = names_in(checker, option)?.into_iter().next(),
        }
    }
    match joining.outer {
        Some(span) if joining.inner || !joining.values.is_empty() => {
            Err(checker.report(span, Problem::Unprepared(Unprepared::JoinsMixed)))
        }
        _ => Ok(joining),
    }
}

/// The values in an option's parentheses, whether they stand in quotes, and where.
fn values(checker: &mut Checker<'_, '_, '_>, option: &OptionUse) -> Vec<(String, bool, Span)> {
    let words = option.arguments.iter().flatten().filter(|word| word.token != Token::Comma);
    let value = |word: &crate::lexer::Lexeme| {
        let text = checker.reporter.text(word.span);
        match word.token {
            Token::Text => (text[1..text.len() - 1].to_owned(), true, word.span),
            _ => (text.to_owned(), false, word.span),
        }
    };
    words.map(value).collect()
}

/// Carries the options out after the column has been made; says whether the population is another one.
pub(super) fn apply(
    checker: &mut Checker<'_, '_, '_>,
    active: &str,
    name: &str,
    first: bool,
    joining: &Joining,
    statement: &Statement,
) -> Result<bool, Reported> {
    if let Some(dataset) = &joining.from {
        from(checker, active, name, first, dataset)?;
    }
    if !joining.values.is_empty() {
        only(checker, active, name, first, &joining.values, statement)?;
    }
    if first {
        return Ok(true);
    }
    if joining.inner {
        let there = present(checker, active, name);
        checker.dataset(active).filters.push(there);
        return Ok(true);
    }
    match joining.outer {
        Some(span) => outer(checker, active, name, span, statement).map(|()| true),
        None => Ok(false),
    }
}

/// That a row has a value.
fn present(checker: &mut Checker<'_, '_, '_>, active: &str, name: &str) -> Filter {
    let lowered = match &checker.datasets[active].columns[name] {
        Column::Value(column) => column.lowered.clone(),
        Column::Key(pointer) => {
            let (owner, source) = (pointer.owner.clone(), pointer.source.clone());
            let known = Known::unbounded(owner.clone());
            let place = checker.source(Source::Pointer(source), known, None);
            Lowered::source(place, ValueType::Number, owner, name.to_owned(), None)
        }
        Column::Failed => Lowered::truth(false),
    };
    lowered.sysmiss().not().into_filter()
}

/// `values(…)`
fn only(
    checker: &mut Checker<'_, '_, '_>,
    active: &str,
    name: &str,
    first: bool,
    values: &[(String, bool, Span)],
    statement: &Statement,
) -> Result<(), Reported> {
    let Column::Value(column) = checker.datasets[active].columns[name].clone() else {
        let problem = Problem::Unprepared(Unprepared::ValuesOfPointer { name: name.to_owned() });
        return Err(checker.report(statement.span, problem));
    };
    let mut chosen = Vec::with_capacity(values.len());
    for (text, quoted, span) in values {
        chosen.push(match column.lowered.is_text() {
            true => Value::Text(text.clone()),
            false => match number_of_text(text).filter(|_| !quoted) {
                Some(number) => Value::Number(number),
                None => {
                    let (name, value) = (name.to_owned(), text.clone());
                    return Err(checker.report(*span, Problem::LabelType { name, value }));
                }
            },
        });
    }
    let is = |value: &Value| {
        Lowered::binary(BinaryOperator::Equal, column.lowered.clone(), Lowered::constant(value.clone()))
    };
    let any = Lowered::all(BinaryOperator::Or, chosen.iter().map(is).collect());
    let any = any.unwrap_or_else(|| Lowered::truth(false)).bounded(statement.span, checker.reporter)?;
    if first {
        checker.dataset(active).filters.push(any.into_filter());
        return Ok(());
    }
    let domain = column.lowered.domain.as_ref().map(|domain| {
        let entries = domain.entries.iter().filter(|entry| chosen.contains(&entry.value)).cloned();
        std::sync::Arc::new(Domain::new(entries))
    });
    let missing = Lowered::missing(column.lowered.value_type);
    let lowered = Lowered::case(true, vec![(any, column.lowered.clone())], missing, domain);
    checker.put(active, name.to_owned(), ColumnValue::new(lowered, column.labels.clone()), statement.span)
}

/// `values_from(dataset)`
fn from(
    checker: &mut Checker<'_, '_, '_>,
    active: &str,
    name: &str,
    first: bool,
    dataset: &Name,
) -> Result<(), Reported> {
    let text = dataset.text.clone();
    let wrong = Problem::Unprepared(Unprepared::ValuesOfAnother { name: text.clone() });
    let pointer = match &checker.datasets[active].columns[name] {
        Column::Key(pointer) if first => pointer.clone(),
        _ => return Err(checker.report(dataset.span, wrong)),
    };
    let of = checker.known_dataset(dataset).map(|of| &checker.datasets[&of])?;
    if of.unit_type != Some(pointer.unit_type) || !of.rows.are_units() {
        return Err(checker.report(dataset.span, wrong));
    }
    let used = Owners::from([(pointer.owner.clone(), name.to_owned())]);
    let measured = [Measured::rows()];
    let table = checker.prepare(&text, &[By::Unit], used, &measured, "values_from", dataset.span)?;
    let key = Key::Pointer(pointer.source);
    let there = checker.prepared(&table, 0, &measured[0], key, name).sysmiss().not();
    checker.dataset(active).filters.push(there.into_filter());
    Ok(())
}

/// `outer_join`
fn outer(
    checker: &mut Checker<'_, '_, '_>,
    active: &str,
    name: &str,
    span: Span,
    statement: &Statement,
) -> Result<(), Reported> {
    if checker.in_layer {
        let command = "outer_join".to_owned();
        return Err(checker.report(span, Problem::Unprepared(Unprepared::OfPanel { command })));
    }
    if !checker.datasets[active].rows.are_units() {
        let command = "outer_join".to_owned();
        return Err(checker.report(span, Problem::Unprepared(Unprepared::OfSpells { command })));
    }
    let new = present(checker, active, name);
    let population = checker.populated(active, span)?;
    let mut owners = new.owners.clone();
    owners.entry(population.owner.clone()).or_insert_with(|| active.to_owned());
    for filter in &checker.datasets[active].filters {
        owners.extend(filter.owners.clone());
    }
    if owners.len() > 1 {
        let columns = columns(&owners);
        return Err(checker.report(span, Problem::Unprepared(Unprepared::OuterJoinAcross { columns })));
    }
    // Who was there before, conditions included, and who has a value.
    let before = match checker.datasets[active].filters.is_empty() {
        true => population.source,
        false => checker.presence(active, "outer_join", span)?.1,
    };
    let of_new = new.expression.sources().into_iter().next().unwrap_or(population.source);
    let mut of = Vec::new();
    for place in [before, of_new] {
        match checker.made.sources[place].1.clone() {
            Source::Either(before) => of.extend(before),
            column => of.push(column),
        }
    }
    let known = Known::unbounded(population.owner.clone());
    let either = checker.source(Source::Either(of), known, None);
    // Those who come in anew have no values from before.
    let was = Lowered::source(before, ValueType::Number, population.owner.clone(), active.to_owned(), None);
    let was = was.sysmiss().not();
    let names: Vec<String> = checker.datasets[active].names().map(str::to_owned).collect();
    for other in names.into_iter().filter(|other| other != name) {
        if let Column::Value(column) = checker.datasets[active].columns[&other].clone() {
            let (domain, missing) =
                (column.lowered.domain.clone(), Lowered::missing(column.lowered.value_type));
            let lowered = Lowered::case(true, vec![(was.clone(), column.lowered.clone())], missing, domain);
            checker.put(active, other, ColumnValue::new(lowered, column.labels.clone()), statement.span)?;
        }
    }
    let dataset = checker.dataset(active);
    dataset.filters.clear();
    dataset.population = Some(Population { owner: population.owner, source: either });
    debug_assert!(matches!(new.expression, Expression::Not(_) | Expression::Constant(_)));
    Ok(())
}
