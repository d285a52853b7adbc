//! `import-panel alias/NAME … date … [as name …]` makes a dataset with a row for each unit and date.
//!
//! It stands in an empty dataset, or in one that has units and no variables yet, as `clone-units` makes it. In an empty one, the rows are those units
//! and dates at which one of the variables of the first one's owner has a value; in the other, all its units at every date. Variables that
//! are imported without a date are the same at all. `date@panel` is the date, in days since 1970-01-01.
//!
//! ```text
//! require no.ssb.fdb:54 as db
//! create-dataset d
//! import-panel db/INNTEKT_WLONN db/BEFOLKNING_KJOENN 2021-06-30 2022-06-30 as lønn kjønn
//! generate år = year(date@panel)
//! replace lønn = lønn * 1.058 if år == 2021
//! collapse (mean) lønn (max) kjønn, by(PERSONID_1)
//! generate høy = lønn > 600000
//! tabulate høy kjønn
//! ```

use std::collections::BTreeSet;

use kobling_model::catalogue::{Datastore, Variable};

use super::import::{column, date, is_timeless, variable};
use crate::ast::{Command, ImportPanel, Name, Statement};
use crate::check::{Checker, Column, Dataset};
use crate::diagnostic::Reported;
use crate::lexer::Token;
use crate::limits::PANEL_DATES_MAX;
use crate::locality::Population;
use crate::panel::{DATE, Level, panel};
use crate::parser::{Cursor, Parse};
use crate::problem::{Expected, Problem, Unprepared};

pub(super) fn parse(cursor: &mut Cursor<'_, '_, '_>) -> Parse<Command> {
    let mut registers = vec![cursor.register_name()?];
    while !matches!(cursor.peek(), None | Some(Token::Date | Token::Number)) {
        registers.push(cursor.register_name()?);
    }
    let mut dates = vec![cursor.date()?];
    while cursor.peek().is_some() && !cursor.at_word("as") {
        dates.push(cursor.date()?);
    }
    let names = if cursor.eat_word("as") { cursor.names(Expected::NewName)? } else { Vec::new() };
    cursor.end()?;
    Ok(Command::ImportPanel(ImportPanel { registers, dates, names }))
}

pub(crate) fn check(
    checker: &mut Checker<'_, '_, '_>,
    import: &ImportPanel,
    statement: &Statement,
) -> Result<(), Reported> {
    let active = checker.active(statement.span)?;
    imported(checker, &active, import, statement).inspect_err(|_| {
        for name in targets(import) {
            checker.fail_column(&name.text);
        }
        checker.fail_column(DATE);
    })
}

/// The names of the columns that it makes.
fn targets(import: &ImportPanel) -> Vec<Name> {
    let own = import.registers.iter().map(|register| &register.variable);
    let given = import.names.iter().map(Some).chain(std::iter::repeat(None));
    own.zip(given).map(|(own, given)| given.unwrap_or(own).clone()).collect()
}

fn imported(
    checker: &mut Checker<'_, '_, '_>,
    active: &str,
    import: &ImportPanel,
    statement: &Statement,
) -> Result<(), Reported> {
    let before = &checker.datasets[active];
    if !before.columns.is_empty() || !before.rows.are_units() {
        return Err(checker.report(statement.span, Problem::Unprepared(Unprepared::PanelNotFirst)));
    }
    let before = before.rows_only();
    if !import.names.is_empty() && import.names.len() != import.registers.len() {
        let problem = Unprepared::NewNames { variables: import.registers.len(), given: import.names.len() };
        return Err(checker.report(statement.span, Problem::Unprepared(problem)));
    }
    let names = targets(import);
    let mut days: Vec<_> = import.dates.iter().map(|(day, _)| *day).collect();
    days.sort_unstable();
    days.dedup();
    checker.spend(days.len().saturating_mul(names.len()), statement.span)?;
    if days.len() > PANEL_DATES_MAX {
        return Err(checker.report(statement.span, Problem::PlanTooLarge));
    }
    let mut seen = BTreeSet::new();
    for name in &names {
        if !seen.insert(&name.text) || name.text == DATE {
            return Err(checker.report(name.span, Problem::NameTaken { name: name.text.clone() }));
        }
    }
    let variables: Vec<_> = import.registers.iter().map(|register| variable(checker, register)).collect();
    let variables = variables.into_iter().collect::<Result<Vec<_>, _>>()?;
    let unit_type = before.unit_type.unwrap_or(variables[0].1.unit_type);
    for (register, (_, of)) in import.registers.iter().zip(&variables) {
        if of.unit_type != unit_type {
            let (variable, unit_type_of) = (of.name.to_string(), of.unit_type);
            let problem = Problem::UnitTypeDiffers { variable, unit_type: unit_type_of, dataset: unit_type };
            return Err(checker.report(register.variable.span, problem));
        }
    }
    // Every date that a variable does not have is said at once.
    let mut dates = import.dates.clone();
    dates.sort_unstable_by_key(|(day, span)| (*day, span.start));
    dates.dedup_by_key(|(day, _)| *day);
    dates.sort_unstable_by_key(|(_, span)| span.start);
    let mut result = Ok(());
    for (register, (_, of)) in import.registers.iter().zip(&variables) {
        for day in dates.iter().filter(|_| !is_timeless(of)) {
            result = date(checker, of, register.variable.span, Some(*day)).map(drop).and(result);
        }
    }
    result?;
    let mut layers = Vec::with_capacity(days.len());
    for day in days {
        let mut dataset = Dataset { unit_type: Some(unit_type), ..before.clone() };
        let mut populations = Vec::new();
        for (name, (datastore, of)) in names.iter().zip(&variables) {
            let at = (!is_timeless(of)).then_some(day);
            let (source, made) = column(checker, datastore, of, at, name.text.clone());
            if decides(&variables, datastore, of) {
                populations.push(Population { owner: datastore.owner.clone(), source });
            }
            if let Column::Value(value) = &made {
                let codes = value.lowered.domain.as_ref().map_or(0, |domain| domain.entries.len());
                checker.spend(value.lowered.size() + codes, statement.span)?;
            }
            dataset.columns.insert(name.text.clone(), made);
        }
        if dataset.population.is_none() {
            dataset.population = checker.any_of(&populations);
        }
        layers.push((Level::Day(day), dataset));
    }
    checker.datasets.insert(active.to_owned(), panel(layers));
    checker.ask_population(active, statement)
}

/// Whether a variable's values decide which rows there are: those of the first one's owner, at a date where there are such.
fn decides(variables: &[(&Datastore, &Variable)], datastore: &Datastore, of: &Variable) -> bool {
    let owner = &variables[0].0.owner;
    let dated = variables.iter().any(|(of, variable)| of.owner == *owner && !is_timeless(variable));
    datastore.owner == *owner && !(dated && is_timeless(of))
}
