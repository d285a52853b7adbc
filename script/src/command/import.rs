//! `import alias/NAME [date] [as name]` brings a register variable into the dataset.
//!
//! The first import decides the population: the units that have a value in it at its date. Later imports
//! join to it and change no one's presence. FIXED variables take no date, all others exactly one.
//!
//! ```text
//! require no.ssb.fdb:54 as db
//! create-dataset d
//! import db/BEFOLKNING_KOMMNR_FORMELL 2023-01-01 as kommune
//! import db/BEFOLKNING_KJOENN as kjønn
//! import db/INNTEKT_WLONN 2022-06-30
//! tabulate kommune kjønn
//! ```

use std::sync::Arc;

use kobling_model::catalogue::{AvailableDates, DataType, Datastore, Temporality, ValueDomain, Variable};
use kobling_model::expression::ValueType;
use kobling_model::interval::Interval;
use kobling_model::plan::Source;
use kobling_model::preparation as register;
use kobling_model::{Day, OwnerId};

use super::{Options, join};
use crate::ast::{Command, Import, RegisterName, Statement};
use crate::check::{Checker, Column, ColumnValue, Pointer};
use crate::diagnostic::{Reported, Span};
use crate::domain::{Domain, code_bounds, constants, value_type};
use crate::joint::Known;
use crate::lexer::Token;
use crate::locality::Population;
use crate::lower::Lowered;
use crate::near::nearest;
use crate::parser::{Cursor, Parse};
use crate::problem::{Expected, Problem};

pub(super) fn parse(cursor: &mut Cursor<'_, '_, '_>, options: Options) -> Parse<Command> {
    let register = cursor.register_name()?;
    let date = match cursor.peek() {
        None | Some(Token::Comma) => None,
        _ if cursor.at_word("as") => None,
        _ => Some(cursor.date()?),
    };
    let name = if cursor.eat_word("as") { Some(cursor.name(Expected::NewName)?) } else { None };
    let options = cursor.options("import", options)?;
    Ok(Command::Import(Import { register, date, name, options }))
}

pub(crate) fn check(
    checker: &mut Checker<'_, '_, '_>,
    import: &Import,
    statement: &Statement,
) -> Result<(), Reported> {
    let active = checker.active(statement.span)?;
    let target = import.name.as_ref().unwrap_or(&import.register.variable);
    let name = checker.new_name(&active, target);
    let imported = variable(checker, &import.register).and_then(|(datastore, variable)| {
        let date = date(checker, variable, import.register.variable.span, import.date)?;
        join(checker, &active, datastore, variable, date, import, target.text.clone())
    });
    let joining = join::of(checker, &import.options);
    let (name, first) = match (name, imported) {
        (Ok(name), Ok((column, first))) => {
            checker.dataset(&active).columns.insert(name.clone(), column);
            (name, first)
        }
        (Err(reported), _) | (_, Err(reported)) => {
            checker.fail_column(&target.text);
            return Err(reported);
        }
    };
    if !first {
        spend_column(checker, &active, name.clone(), statement)?;
    }
    let changed = join::apply(checker, &active, &name, first, &joining?, statement)?;
    if first || changed { checker.ask_population(&active, statement) } else { Ok(()) }
}

/// Accounts for the code list that came with a column.
fn spend_column(
    checker: &mut Checker<'_, '_, '_>,
    active: &str,
    name: String,
    statement: &Statement,
) -> Result<(), Reported> {
    match checker.dataset(active).columns.remove(&name) {
        Some(Column::Value(value)) => checker.put(active, name, (*value).clone(), statement.span),
        Some(other) => {
            checker.dataset(active).columns.insert(name, other);
            Ok(())
        }
        None => Ok(()),
    }
}

/// The variable of the catalogue that `alias/NAME` means.
pub(super) fn variable<'a>(
    checker: &mut Checker<'a, '_, '_>,
    register: &RegisterName,
) -> Result<(&'a Datastore, &'a Variable), Reported> {
    let alias = register.alias.text.clone();
    let name = register.variable.text.clone();
    let datastore = match checker.connected.get(&alias) {
        Some(Some(datastore)) => *datastore,
        Some(None) => return Err(checker.reporter.earlier()),
        None if checker.uncertain => return Err(checker.reporter.earlier()),
        None => {
            let known = checker.connected.keys().cloned().collect();
            return Err(checker.report(register.alias.span, Problem::UnknownAlias { name: alias, known }));
        }
    };
    match datastore.variables.iter().find(|variable| variable.name.as_str() == name) {
        Some(variable) => Ok((datastore, variable)),
        None => {
            let near = nearest(&name, datastore.variables.iter().map(|variable| variable.name.as_str()));
            Err(checker.report(register.variable.span, Problem::UnknownVariable { alias, name, near }))
        }
    }
}

/// The date, which must be one that the variable has.
pub(super) fn date(
    checker: &mut Checker<'_, '_, '_>,
    variable: &Variable,
    span: Span,
    date: Option<(Day, Span)>,
) -> Result<Option<Day>, Reported> {
    let name = variable.name.to_string();
    match date {
        None if is_timeless(variable) => Ok(None),
        Some((_, span)) if is_timeless(variable) => {
            Err(checker.report(span, Problem::DateGiven { variable: name }))
        }
        None => {
            Err(checker
                .report(span, Problem::DateNeeded { variable: name, examples: latest(&variable.dates) }))
        }
        Some((date, _)) if is_valid(&variable.dates, date) => Ok(Some(date)),
        Some((date, span)) => {
            let nearest = nearest_dates(&variable.dates, date);
            Err(checker.report(span, Problem::WrongDate { variable: name, date, nearest }))
        }
    }
}

/// Whether a variable is imported without a date.
pub(super) fn is_timeless(variable: &Variable) -> bool {
    variable.temporality == Temporality::Fixed || variable.dates == AvailableDates::None
}

fn is_valid(dates: &AvailableDates, date: Day) -> bool {
    match dates {
        AvailableDates::None => false,
        AvailableDates::Days { days } => days.contains(&date),
        AvailableDates::Periods { periods } => {
            periods.iter().any(|(first, last)| *first <= date && date <= *last)
        }
        AvailableDates::Range { first, last } => *first <= date && date <= *last,
    }
}

/// Days at which a run of valid days begins or ends.
fn ends(dates: &AvailableDates) -> Vec<Day> {
    match dates {
        AvailableDates::None => Vec::new(),
        AvailableDates::Days { days } => days.clone(),
        AvailableDates::Periods { periods } => {
            periods.iter().flat_map(|(first, last)| [*first, *last]).collect()
        }
        AvailableDates::Range { first, last } => vec![*first, *last],
    }
}

/// The last valid day before and the first after.
fn nearest_dates(dates: &AvailableDates, date: Day) -> Vec<Day> {
    let ends = ends(dates);
    let before = ends.iter().filter(|end| **end < date).max().copied();
    let after = ends.iter().filter(|end| **end > date).min().copied();
    before.into_iter().chain(after).collect()
}

/// A few late valid days.
fn latest(dates: &AvailableDates) -> Vec<Day> {
    let mut ends = ends(dates);
    ends.sort_unstable();
    ends.dedup();
    ends.split_off(ends.len().saturating_sub(2))
}

/// Makes the column, and the population where it is the dataset's first; says whether it is.
fn join(
    checker: &mut Checker<'_, '_, '_>,
    active: &str,
    datastore: &Datastore,
    variable: &Variable,
    date: Option<Day>,
    import: &Import,
    name: String,
) -> Result<(Column, bool), Reported> {
    let span: Span = import.register.variable.span;
    if let Some(dataset) = checker.datasets[active].unit_type.filter(|dataset| *dataset != variable.unit_type)
    {
        let (variable, unit_type) = (variable.name.to_string(), variable.unit_type);
        return Err(checker.report(span, Problem::UnitTypeDiffers { variable, unit_type, dataset }));
    }
    let owner = datastore.owner.clone();
    let (index, column) = column(checker, datastore, variable, date, name);
    let dataset = checker.dataset(active);
    let first = dataset.population.is_none();
    if first {
        dataset.unit_type = Some(variable.unit_type);
        dataset.population = Some(Population { owner, source: index });
    }
    Ok((column, first))
}

/// The column that a variable is at a date, and its place.
pub(super) fn column(
    checker: &mut Checker<'_, '_, '_>,
    datastore: &Datastore,
    variable: &Variable,
    date: Option<Day>,
    name: String,
) -> (usize, Column) {
    let owner = datastore.owner.clone();
    let source = source(datastore, variable, date);
    if let ValueDomain::Pointer { unit_type } = variable.domain {
        let pointer = Pointer { owner: owner.clone(), source: source.clone(), unit_type };
        let known = Known::unbounded(owner);
        return (checker.source(register::Column::Pointer(source), known, None), Column::Key(pointer));
    }
    let constants = constants(variable);
    let known = known(owner.clone(), variable, constants.map(|(bounds, _)| bounds));
    let value_type = source.value_type;
    let index = checker.source(register::Column::Register(source), known, constants);
    let domain = Domain::of_codes(&variable.domain, date).map(Arc::new);
    let lowered = Lowered::source(index, value_type, owner, name, domain);
    (index, Column::Value(Arc::new(ColumnValue::new(lowered, None))))
}

/// A variable as a plan names it; of a pointer, the value type says nothing.
pub(super) fn source(datastore: &Datastore, variable: &Variable, date: Option<Day>) -> Source {
    Source {
        datastore: datastore.id.clone(),
        version: datastore.version,
        variable: variable.name.clone(),
        data: variable.data,
        date,
        value_type: variable.data_type().map_or(ValueType::Number, value_type),
    }
}

/// First and last day that a date counts as where it is compared with another owner's.
const FIRST_DAY: (i32, u32, u32) = (1800, 1, 1);
const LAST_DAY: (i32, u32, u32) = (2199, 12, 31);

/// What is public about a variable's values where they meet other owners'.
pub(super) fn known(owner: OwnerId, variable: &Variable, bounds: Option<Interval>) -> Known {
    let day = |(year, month, day)| Day::from_civil(year, month, day).map_or(0.0, |day| f64::from(day.days()));
    // Published bounds are those of the middle; codes and dates have others that hold for everybody.
    let bounds = match variable.data_type() {
        Some(DataType::Date) => Interval::new(day(FIRST_DAY), day(LAST_DAY), true),
        _ => code_bounds(variable).or(bounds),
    };
    let text = variable.data_type().is_none_or(|data_type| value_type(data_type) == ValueType::Text);
    let codes = Domain::of_codes(&variable.domain, None).map(Arc::new);
    Known { owner, codes, text, bounds, of_any_size: false }
}
