//! `generate name = expression [if condition]` makes a column; `replace` gives an existing one new values.
//!
//! Where the condition does not hold, a generated column is missing and a replaced one keeps its value. Value,
//! condition and, for `replace`, the column itself may belong to several owners: the result then belongs to nobody.
//! With a condition it is an edit, and rule 6 decides whether it is carried out: see [`crate::edit`].
//!
//! ```text
//! require no.ssb.fdb:54 as db
//! create-dataset d
//! import db/BEFOLKNING_KJOENN as kjønn
//! import db/INNTEKT_WLONN 2022-06-30 as lønn
//! generate gruppe = 1 if lønn < 300000
//! replace gruppe = 2 if lønn >= 300000 & lønn < 700000
//! replace gruppe = 3 if lønn >= 700000
//! generate kvinne = kjønn == "2"
//! tabulate gruppe kvinne
//! ```

use std::sync::Arc;

use kobling_model::expression::ValueType;
use kobling_model::plan::Rest;
use kobling_model::preparation::{By, Key, Statistic};

use crate::ast::{Assignment, Expr, ExprKind, Statement};
use crate::check::{Checker, ColumnValue};
use crate::diagnostic::Reported;
use crate::edit::Touched;
use crate::lexer::Token;
use crate::lower::{Lowered, Owners};
use crate::parser::{Cursor, Parse};
use crate::prepare::Measured;
use crate::problem::{Expected, Problem, Unprepared};

pub(super) fn parse(cursor: &mut Cursor<'_, '_, '_>) -> Parse<Assignment> {
    let target = cursor.name(Expected::NewName)?;
    cursor.need(Token::Assign, Expected::Assign)?;
    let value = cursor.expression()?;
    let condition = cursor.condition()?;
    cursor.end()?;
    Ok(Assignment { target, value, condition })
}

pub(crate) fn check_generate(
    checker: &mut Checker<'_, '_, '_>,
    assignment: &Assignment,
    statement: &Statement,
) -> Result<(), Reported> {
    let active = checker.active(statement.span)?;
    let made = checker.populated(&active, statement.span);
    let name = checker.new_name(&active, &assignment.target);
    let value = value(checker, &active, &assignment.value, ValueType::Number);
    let condition = condition(checker, &active, assignment.condition.as_ref());
    let made = made.and_then(|_| Ok((name?, value?, condition?)));
    let (name, value, condition) = match made {
        Ok(made) => made,
        Err(reported) => {
            checker.fail_column(&assignment.target.text);
            return Err(reported);
        }
    };
    let lowered = match condition {
        Some(condition) => {
            let carried_out = carried_out(checker, &active, &condition, statement)
                .inspect_err(|_| checker.fail_column(&name))?;
            let (domain, missing) = (value.domain.clone(), Lowered::missing(value.value_type));
            given(carried_out, condition, value, missing, domain)
        }
        None => value,
    };
    checker.put(&active, name, ColumnValue::new(lowered, None), statement.span)
}

pub(crate) fn check_replace(
    checker: &mut Checker<'_, '_, '_>,
    assignment: &Assignment,
    statement: &Statement,
) -> Result<(), Reported> {
    let active = checker.active(statement.span)?;
    replaced(checker, &active, assignment, statement).inspect_err(|_| {
        checker.spoil_column(&active, &assignment.target.text);
    })
}

fn replaced(
    checker: &mut Checker<'_, '_, '_>,
    active: &str,
    assignment: &Assignment,
    statement: &Statement,
) -> Result<(), Reported> {
    let key = |name| Problem::KeyInExpression { name };
    let target = checker.value_column(active, &assignment.target, key);
    let wanted = target.as_ref().map_or(ValueType::Number, |(_, column)| column.lowered.value_type);
    let value = value(checker, active, &assignment.value, wanted);
    let condition = condition(checker, active, assignment.condition.as_ref());
    let ((name, column), value, condition) = (target?, value?, condition?);
    if value.value_type != wanted {
        let is_text = wanted == ValueType::Text;
        return Err(checker.report(assignment.value.span, Problem::TypeChanges { name, is_text }));
    }
    let lowered = match condition {
        Some(condition) => {
            let carried_out = carried_out(checker, active, &condition, statement)?;
            let domain = match (&column.lowered.domain, &value.domain) {
                (Some(old), Some(new)) => Some(Arc::new(old.union(new))),
                _ => None,
            };
            given(carried_out, condition, value, column.lowered, domain)
        }
        None => value,
    };
    checker.put(active, name, ColumnValue::new(lowered, column.labels), statement.span)
}

/// A value where a condition holds; an outcome decides, unless the condition is constant.
fn given(
    carried_out: bool,
    condition: Lowered,
    value: Lowered,
    otherwise: Lowered,
    domain: Option<Arc<crate::domain::Domain>>,
) -> Lowered {
    let asked = Touched::by(&condition).is_some();
    let made = Lowered::case(carried_out, vec![(condition, value)], otherwise, domain);
    if asked { made.by_outcome() } else { made }
}

/// Asks whether a value is given on a condition.
fn carried_out(
    checker: &mut Checker<'_, '_, '_>,
    active: &str,
    condition: &Lowered,
    statement: &Statement,
) -> Result<bool, Reported> {
    match Touched::by(condition) {
        Some(touched) => checker.ask_edit(active, touched, Rest::NotFew, statement),
        None => Ok(true),
    }
}

/// What is given to a variable. `quantile(x, k)`, which needs all units, may be all of it.
fn value(
    checker: &mut Checker<'_, '_, '_>,
    active: &str,
    expr: &Expr,
    wanted: ValueType,
) -> Result<Lowered, Reported> {
    match &expr.kind {
        ExprKind::Call { function, arguments, .. } if function == "quantile" => {
            quantile(checker, active, expr, arguments)
        }
        _ => checker.lowering(active).lower_value(expr, wanted),
    }
}

/// `quantile(x, k)`: in which of k parts of equal size a unit is among all of the dataset.
fn quantile(
    checker: &mut Checker<'_, '_, '_>,
    active: &str,
    expr: &Expr,
    arguments: &[Expr],
) -> Result<Lowered, Reported> {
    let [x, parts] = arguments else {
        let (function, given) = ("quantile".to_owned(), arguments.len());
        return Err(
            checker.report(expr.span, Problem::ArgumentCount { function, fewest: 2, most: Some(2), given })
        );
    };
    let value = checker.lowering(active).lower(x)?;
    if value.is_text() {
        let function = "quantile".to_owned();
        return Err(checker.report(x.span, Problem::ArgumentType { function, wants_text: false }));
    }
    let parts = match parts.kind {
        ExprKind::Number(parts) if parts.fract() == 0.0 && (2.0..=100.0).contains(&parts) => parts as u32,
        _ => {
            let text = checker.reporter.text(parts.span).to_owned();
            return Err(checker.report(parts.span, Problem::Unprepared(Unprepared::QuantileParts { text })));
        }
    };
    let command = "quantile".to_owned();
    if checker.in_layer {
        return Err(checker.report(expr.span, Problem::Unprepared(Unprepared::OfPanel { command })));
    }
    if !checker.datasets[active].rows.are_units() {
        let problem = Unprepared::OfSpells { command };
        return Err(checker.report(expr.span, Problem::Unprepared(problem)));
    }
    let measured = [Measured::new(Statistic::Quantile { parts }, value)];
    let table = checker.prepare(active, &[By::Unit], Owners::new(), &measured, "quantile", expr.span)?;
    Ok(checker.prepared(&table, 0, &measured[0], Key::Unit, "quantile"))
}

/// The condition that a value is given on.
pub(super) fn condition(
    checker: &mut Checker<'_, '_, '_>,
    active: &str,
    condition: Option<&Expr>,
) -> Result<Option<Lowered>, Reported> {
    condition.map(|condition| checker.lowering(active).lower_condition(condition)).transpose()
}
