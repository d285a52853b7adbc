//! `import-event alias/NAME day to day [as name]` makes a dataset with a row for each spell that has a day in the period.
//!
//! The variable must be one of spells (EVENT), and the dataset's first. `START@name` and `STOP@name` are a spell's first and last day, in days
//! since 1970-01-01; a spell that still holds has no last one. Later imports give each row the values of its unit. What is shown is about
//! units, so `collapse` comes before a table.
//!
//! ```text
//! require no.ssb.fdb:54 as db
//! create-dataset perioder
//! import-event db/NUDB_BU 2015-01-01 to 2020-12-31 as utdanning
//! generate høyere = startswith(utdanning, "6") | startswith(utdanning, "7")
//! generate lengde = STOP@utdanning - START@utdanning
//! collapse (max) høyere (count) utdanning -> perioder, by(PERSONID_1)
//! recode perioder (1 = 1) (2/max = 2 "to eller flere")
//! tabulate høyere perioder
//! ```

use std::sync::Arc;

use kobling_model::Day;
use kobling_model::catalogue::Temporality;
use kobling_model::expression::ValueType;
use kobling_model::interval::Interval;
use kobling_model::preparation::{Column as Source, Rows, SpellPart};

use super::Options;
use super::import::{known, source, variable};
use crate::ast::{Command, ImportEvent, Statement};
use crate::check::{Checker, Column, ColumnValue, RowsAre};
use crate::diagnostic::Reported;
use crate::domain::{Domain, constants};
use crate::joint::Known;
use crate::locality::Population;
use crate::lower::Lowered;
use crate::parser::{Cursor, Parse};
use crate::problem::{Expected, Feature, Problem, Unprepared};

pub(super) fn parse(cursor: &mut Cursor<'_, '_, '_>, options: Options) -> Parse<Command> {
    let register = cursor.register_name()?;
    let first = cursor.date()?;
    cursor.need_word("to", Expected::To)?;
    let last = cursor.date()?;
    let name = if cursor.eat_word("as") { Some(cursor.name(Expected::NewName)?) } else { None };
    let options = cursor.options("import-event", options)?;
    Ok(Command::ImportEvent(ImportEvent { register, period: [first, last], name, options }))
}

pub(crate) fn check(
    checker: &mut Checker<'_, '_, '_>,
    import: &ImportEvent,
    statement: &Statement,
) -> Result<(), Reported> {
    let active = checker.active(statement.span)?;
    let target = import.name.as_ref().unwrap_or(&import.register.variable).clone();
    imported(checker, &active, &target.text, import, statement).inspect_err(|_| {
        for name in names(&target.text) {
            checker.fail_column(&name);
        }
    })
}

/// The columns that it makes.
fn names(name: &str) -> [String; 3] {
    [name.to_owned(), format!("START@{name}"), format!("STOP@{name}")]
}

fn imported(
    checker: &mut Checker<'_, '_, '_>,
    active: &str,
    name: &str,
    import: &ImportEvent,
    statement: &Statement,
) -> Result<(), Reported> {
    let mut result = Ok(());
    for option in &import.options {
        let feature = Feature::Option { command: "import-event".into(), option: option.name.clone() };
        result = Err(checker.report(option.span, Problem::NotYet { feature }));
    }
    let target = import.name.as_ref().unwrap_or(&import.register.variable);
    let free = checker.new_name(active, target);
    let (datastore, variable) = variable(checker, &import.register)?;
    free?;
    result?;
    let [(first, first_span), (last, last_span)] = import.period;
    if last < first {
        let span = first_span.to(last_span);
        return Err(checker.report(span, Problem::Unprepared(Unprepared::PeriodBackwards)));
    }
    if !checker.datasets[active].columns.is_empty() || checker.datasets[active].population.is_some() {
        return Err(checker.report(statement.span, Problem::Unprepared(Unprepared::SecondSpells)));
    }
    if variable.temporality != Temporality::Event || variable.data_type().is_none() {
        let variable = variable.name.to_string();
        let problem = Problem::Unprepared(Unprepared::NoSpells { variable });
        return Err(checker.report(import.register.variable.span, problem));
    }
    let of = source(datastore, variable, None);
    let owner = datastore.owner.clone();
    let unit_type = variable.unit_type;
    let mut places = Vec::new();
    for (part, name) in [SpellPart::Value, SpellPart::Start, SpellPart::Stop].into_iter().zip(names(name)) {
        let (known, constants, domain) = match part {
            SpellPart::Value => {
                let constants = constants(variable);
                let known = known(owner.clone(), variable, constants.map(|(bounds, _)| bounds));
                (known, constants, Domain::of_codes(&variable.domain, None).map(Arc::new))
            }
            SpellPart::Start | SpellPart::Stop => {
                let known = Known {
                    owner: owner.clone(),
                    codes: None,
                    text: false,
                    bounds: days(),
                    of_any_size: false,
                };
                (known, None, None)
            }
        };
        let column = Source::Spell { variable: of.clone(), part };
        let value_type = column.value_type();
        let place = checker.source(column, known, constants);
        places.push(place);
        let lowered = Lowered::source(place, value_type, owner.clone(), name.clone(), domain);
        debug_assert!(part == SpellPart::Value || value_type == ValueType::Number);
        checker
            .dataset(active)
            .columns
            .insert(name, Column::Value(Arc::new(ColumnValue::new(lowered, None))));
    }
    let dataset = checker.dataset(active);
    dataset.unit_type = Some(unit_type);
    dataset.rows = RowsAre::Spells(Rows::Spells { variable: of, unit_type, first, last });
    dataset.population = Some(Population { owner, source: places[0] });
    checker.ask_population(active, statement)
}

/// All days that a date counts as.
fn days() -> Option<Interval> {
    let day = |year, month, day| Day::from_civil(year, month, day).map_or(0.0, |day| f64::from(day.days()));
    Interval::new(day(1800, 1, 1), day(2199, 12, 31), true)
}
