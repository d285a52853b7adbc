//! `sample count¦fraction seed` keeps some of the units, drawn at random: the same seed and size always draw the same.
//!
//! The owner of the population draws. A fraction draws each unit by itself, and may follow conditions over several owners' values; a count
//! needs the population at one owner. What a draw follows from is a secret of the nodes, so that a seed cannot be chosen to hit or miss anyone.
//!
//! ```text
//! require no.ssb.fdb:54 as db
//! create-dataset d
//! import db/BEFOLKNING_KJOENN as kjønn
//! sample 0.5 4711
//! sample 20000 12
//! tabulate kjønn
//! ```

use kobling_model::preparation::{By, Key, SampleSize, Statistic};

use crate::ast::{Command, Literal, Sample, Statement};
use crate::check::{Checker, Dataset, RowsAre};
use crate::diagnostic::{Reported, Span};
use crate::lower::{Lowered, Owners};
use crate::parser::{Cursor, Parse};
use crate::prepare::Measured;
use crate::problem::{Expected, Problem, Unprepared};

/// Fewest units that can be drawn by number, and one more.
const UNITS_MIN: f64 = 1000.0;

pub(super) fn parse(cursor: &mut Cursor<'_, '_, '_>) -> Parse<Command> {
    let (size, seed) = (cursor.literal(Expected::Value)?, cursor.literal(Expected::Value)?);
    cursor.end()?;
    Ok(Command::Sample(Sample { size, seed }))
}

pub(crate) fn check(
    checker: &mut Checker<'_, '_, '_>,
    sample: &Sample,
    statement: &Statement,
) -> Result<(), Reported> {
    let active = checker.active(statement.span)?;
    let size = size(checker, &sample.size);
    let seed = seed(checker, &sample.seed);
    let statistic = Statistic::Drawn { size: size?, seed: seed? };
    checker.populated(&active, statement.span)?;
    let by_chance = matches!(statistic, Statistic::Drawn { size: SampleSize::Chance(_), .. });
    // A chance is the same at all dates of a panel; a number is drawn of all its units.
    let whole = match checker.is_panel(&active) && !by_chance {
        true => Some(checker.units_of_panel(&active, statement.span)?),
        false => None,
    };
    let narrow = |checker: &mut Checker<'_, '_, '_>| {
        let drawn = drawn(checker, &active, whole.clone(), statistic, statement)?;
        super::select::narrow(checker, &active, vec![drawn.into_filter()], statement)
    };
    if checker.is_panel(&active) {
        return checker.narrow_each(&active, statement, narrow);
    }
    narrow(checker)
}

/// Whether a unit is drawn; of `whole` instead of the dataset, where it is given.
fn drawn(
    checker: &mut Checker<'_, '_, '_>,
    active: &str,
    whole: Option<Dataset>,
    statistic: Statistic,
    statement: &Statement,
) -> Result<Lowered, Reported> {
    let measured = [Measured::new(statistic, Lowered::truth(true))];
    let mut units = match checker.datasets[active].rows {
        _ if whole.is_some() => whole.unwrap_or_default(),
        // All rows of a unit, or none.
        RowsAre::Spells(_) => checker.units_left(active, "sample", statement.span)?,
        RowsAre::Units | RowsAre::Groups(_) | RowsAre::Panel(_) => checker.datasets[active].rows_only(),
    };
    // A chance is each unit's own, whoever else is there.
    if matches!(statistic, Statistic::Drawn { size: SampleSize::Chance(_), .. }) {
        units.filters.clear();
    }
    let (units, by, owners) = ([units], [By::Unit], Owners::new());
    let table = checker.prepare_of(active, &units, &by, owners, &measured, "sample", statement.span)?;
    Ok(checker.prepared(&table, 0, &measured[0], Key::Unit, "sample"))
}

fn number((literal, _): &(Literal, Span)) -> Option<f64> {
    match literal {
        Literal::Number(number) => Some(*number),
        Literal::Text(_) => None,
    }
}

fn size(checker: &mut Checker<'_, '_, '_>, size: &(Literal, Span)) -> Result<SampleSize, Reported> {
    match number(size) {
        Some(part) if part > 0.0 && part < 1.0 => Ok(SampleSize::Chance(
            (part * (f64::from(u32::MAX) + 1.0)).round().min(f64::from(u32::MAX)) as u32,
        )),
        Some(units) if units > UNITS_MIN && units.fract() == 0.0 && units <= f64::from(u32::MAX) => {
            Ok(SampleSize::Units(units as u32))
        }
        _ => {
            let text = checker.reporter.text(size.1).to_owned();
            Err(checker.report(size.1, Problem::Unprepared(Unprepared::SampleSize { text })))
        }
    }
}

fn seed(checker: &mut Checker<'_, '_, '_>, seed: &(Literal, Span)) -> Result<u64, Reported> {
    match number(seed) {
        Some(seed) if seed.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&seed) => Ok(seed as u64),
        _ => {
            let text = checker.reporter.text(seed.1).to_owned();
            Err(checker.report(seed.1, Problem::Unprepared(Unprepared::Seed { text })))
        }
    }
}
