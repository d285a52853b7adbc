//! `summarize var-list [if condition]` asks for number, mean and standard deviation of each variable.
//!
//! Each variable is a question of its own over the whole dataset; a unit where it is missing does not count.
//!
//! ```text
//! require no.krg.kreft:2 as kreft
//! require no.ssb.fdb:54 as db
//! create-dataset d
//! import kreft/KRG_LOKALISASJON as lokalisasjon
//! import kreft/KRG_STADIUM as stadium
//! import db/INNTEKT_WLONN 2022-06-30 as lønn
//! generate tusen = lønn / 1000
//! summarize tusen stadium if lokalisasjon == "C34"
//! ```

use kobling_model::plan::{QuestionKind, Show, TableShape};

use super::Options;
use crate::ast::{Command, Statement, Summarize};
use crate::check::Checker;
use crate::diagnostic::Reported;
use crate::locality::{Asked, Sides};
use crate::parser::{Cursor, Parse};
use crate::problem::{Expected, Feature, Problem};
use crate::value::Number;

pub(super) fn parse(cursor: &mut Cursor<'_, '_, '_>, options: Options) -> Parse<Command> {
    let variables = cursor.names(Expected::Variable)?;
    let condition = cursor.condition()?;
    let options = cursor.options("summarize", options)?;
    Ok(Command::Summarize(Summarize { variables, condition, options }))
}

pub(crate) fn check(
    checker: &mut Checker<'_, '_, '_>,
    summarize: &Summarize,
    statement: &Statement,
) -> Result<(), Reported> {
    let active = checker.active(statement.span)?;
    let mut result = Ok(());
    for option in &summarize.options {
        let feature = Feature::Option { command: "summarize".into(), option: option.name.clone() };
        result = Err(checker.report(option.span, Problem::NotYet { feature }));
    }
    let populated = checker.populated(&active, statement.span);
    let numbers: Vec<_> = summarize.variables.iter().map(|name| Number::of(checker, &active, name)).collect();
    let filters =
        summarize.condition.as_ref().map_or(Ok(Vec::new()), |condition| checker.filters(&active, condition));
    result?;
    populated?;
    let filters = filters?;
    for number in numbers.into_iter().collect::<Result<Vec<_>, _>>()? {
        let asked = Asked { dimensions: Vec::new(), value: number.asked() };
        let filters = number.filters(&filters);
        let shape = |sides: &Sides| {
            let shows = vec![Show::Frequency, Show::Mean, Show::StandardDeviation];
            let value = Some(number.column(&sides.value, &shows));
            QuestionKind::Table(TableShape { variables: Vec::new(), shows, value, missing: false })
        };
        checker.ask(&active, &filters, asked, shape, statement)?;
    }
    Ok(())
}
