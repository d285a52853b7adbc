//! `keep` and `drop`: with names, which columns the dataset has; with `if`, which units.
//!
//! `keep if a & b` is split at `&`, `drop if a | b` at `|`; parts over several owners' columns are computed on shares. Rule 6
//! decides by the number of units that go whether it is carried out ([`crate::edit`]). What then remains is a new population
//! and must pass the floor.
//!
//! ```text
//! require no.ssb.fdb:54 as db
//! require no.krg.kreft:2 as kreft
//! create-dataset d
//! import db/BEFOLKNING_KJOENN as kjønn
//! import kreft/KRG_LOKALISASJON as lokalisasjon
//! import kreft/KRG_DIAGNOSEDATO as dato
//! keep if kjønn == "2" & startswith(lokalisasjon, "C5")
//! drop if dato < date(2000, 1, 1)
//! drop dato
//! tabulate lokalisasjon
//! ```

use std::collections::BTreeSet;

use kobling_model::plan::Rest;

use crate::ast::{Expr, Selection, Statement};
use crate::check::{Checker, RowsAre};
use crate::diagnostic::Reported;
use crate::edit::Touched;
use crate::fold;
use crate::locality::{Filter, disjunction};
use crate::panel::DATE;
use crate::parser::{Cursor, Parse};
use crate::problem::Expected;

pub(super) fn parse(cursor: &mut Cursor<'_, '_, '_>) -> Parse<Selection> {
    let selection = match cursor.condition()? {
        Some(condition) => Selection::Units(condition),
        None => Selection::Variables(cursor.names(Expected::Variable)?),
    };
    cursor.end()?;
    Ok(selection)
}

pub(crate) fn check_keep(
    checker: &mut Checker<'_, '_, '_>,
    selection: &Selection,
    statement: &Statement,
) -> Result<(), Reported> {
    let active = checker.active(statement.span)?;
    match selection {
        Selection::Units(condition) => {
            let filters = checker.filters(&active, condition)?;
            narrow(checker, &active, filters, statement)
        }
        Selection::Variables(names) => {
            let known: Vec<_> = names.iter().map(|name| checker.known_name(&active, name)).collect();
            let mut known = known.into_iter().collect::<Result<BTreeSet<_>, _>>()?;
            if checker.in_layer {
                known.insert(DATE.to_owned());
            }
            checker.dataset(&active).columns.retain(|name, _| known.contains(name));
            Ok(())
        }
    }
}

pub(crate) fn check_drop(
    checker: &mut Checker<'_, '_, '_>,
    selection: &Selection,
    statement: &Statement,
) -> Result<(), Reported> {
    let active = checker.active(statement.span)?;
    match selection {
        Selection::Units(condition) => {
            let parts = disjunction(condition);
            let drop = |part: &Expr| checker.filter(&active, part, true);
            let filters: Vec<_> = parts.into_iter().map(drop).collect();
            let filters = filters.into_iter().collect::<Result<Vec<_>, _>>()?;
            narrow(checker, &active, filters, statement)
        }
        Selection::Variables(names) => {
            let known: Vec<_> = names.iter().map(|name| checker.known_name(&active, name)).collect();
            for name in known {
                let name = name?;
                checker.dataset(&active).columns.remove(&name);
            }
            Ok(())
        }
    }
}

/// Takes the filters into the dataset, unless it then involved too many owners, or the plan is made without the edit.
pub(super) fn narrow(
    checker: &mut Checker<'_, '_, '_>,
    active: &str,
    filters: Vec<Filter>,
    statement: &Statement,
) -> Result<(), Reported> {
    // Conditions that hold of everybody, or of nobody, whatever the data are say nothing of anybody: nothing is to
    // be judged but what remains.
    let known =
        |filter: &Filter| fold::constant(&filter.expression).map(|value| fold::is_true(value.as_ref()));
    let groups = matches!(checker.datasets[active].rows, RowsAre::Groups(_));
    let nobody = filters.iter().any(|filter| known(filter) == Some(false));
    if nobody && checker.in_layer {
        // Of a panel this date goes, and others may be left.
        checker.dataset(active).filters.extend(filters);
        return Ok(());
    }
    if groups || nobody {
        let before = checker.datasets[active].filters.len();
        checker.dataset(active).filters.extend(filters);
        return checker.ask_population(active, statement).inspect_err(|_| {
            checker.dataset(active).filters.truncate(before);
        });
    }
    let filters: Vec<_> = filters.into_iter().filter(|filter| known(filter).is_none()).collect();
    if filters.is_empty() {
        return checker.populated(active, statement.span).map(|_| ());
    }
    if checker.ask_edit(active, Touched::going(&filters), Rest::Population, statement)? {
        checker.dataset(active).filters.extend(filters);
    }
    // Of events, units may be left that the edit touches.
    match checker.datasets[active].rows {
        RowsAre::Spells(_) => checker.ask_population(active, statement),
        _ => Ok(()),
    }
}
