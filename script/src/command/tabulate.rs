//! `tabulate var-list [if condition] [, options]` asks for a table of counts with margins.
//!
//! The first variable gives rows, the others together columns. Variables of several owners may stand in one table.
//! Options: `freq rowpct colpct cellpct` say what to show (counts where nothing is said), `missing` gives missing
//! values a category of their own, `nolabels` shows values in place of labels. `summarize(x)` says of a number in each
//! cell what `mean std sum` name, its mean where nothing is named; a unit where it is missing is in no cell.
//!
//! ```text
//! require no.ssb.fdb:54 as db
//! require no.krg.kreft:2 as kreft
//! create-dataset d
//! import db/BEFOLKNING_KJOENN as kjønn
//! import db/NUDB_BU 2022-10-01 as bu
//! import kreft/KRG_LOKALISASJON as lokalisasjon
//! generate nivå = substr(bu, 1, 1)
//! import db/INNTEKT_WLONN 2022-06-30 as lønn
//! tabulate lokalisasjon nivå if kjønn == "2", freq rowpct missing
//! tabulate lokalisasjon, freq summarize(lønn) mean std
//! ```

use std::collections::BTreeMap;

use kobling_model::OwnerId;
use kobling_model::expression::Value;
use kobling_model::plan::{Category, Dimension, Place, QuestionKind, Show, TableShape, TableVariable};

use super::Options;
use crate::ast::{Command, Name, OptionUse, Statement, Tabulate};
use crate::check::Checker;
use crate::diagnostic::{Reported, Span};
use crate::domain::shown;
use crate::lexer::Token;
use crate::limits::{SIDE_CATEGORIES_MAX, TABLE_CELLS_MAX};
use crate::locality::{Asked, Sides};
use crate::lower::{Lowered, Owners};
use crate::parser::{Cursor, Parse};
use crate::problem::{Expected, Feature, Problem};
use crate::value::Number;

pub(super) fn parse(cursor: &mut Cursor<'_, '_, '_>, options: Options) -> Parse<Command> {
    let variables = cursor.names(Expected::Variable)?;
    let condition = cursor.condition()?;
    let options = cursor.options("tabulate", options)?;
    Ok(Command::Tabulate(Tabulate { variables, condition, options }))
}

/// What the options say.
struct Settings {
    shows: Vec<Show>,
    missing: bool,
    labels: bool,
}

pub(crate) fn check(
    checker: &mut Checker<'_, '_, '_>,
    tabulate: &Tabulate,
    statement: &Statement,
) -> Result<(), Reported> {
    let active = checker.active(statement.span)?;
    let settings = settings(checker, tabulate);
    let populated = checker.populated(&active, statement.span);
    let mut dimensions = Vec::with_capacity(tabulate.variables.len());
    for name in &tabulate.variables {
        let settings = settings.as_ref().map_err(|reported| *reported);
        dimensions.push(dimension(checker, &active, name, settings));
    }
    let value = value(checker, &active, tabulate);
    let filters =
        tabulate.condition.as_ref().map_or(Ok(Vec::new()), |condition| checker.filters(&active, condition));
    let (population, settings) = (populated?, settings?);
    let dimensions = dimensions.into_iter().collect::<Result<Vec<_>, _>>()?;
    let (value, filters) = (value?, filters?);
    bounded(checker, &dimensions, &population.owner, statement)?;
    let names = dimensions.iter().map(|(_, dimension)| dimension.name.clone()).collect::<Vec<_>>();
    let filters = value.as_ref().map_or_else(|| filters.clone(), |number| number.filters(&filters));
    let asked = Asked { dimensions, value: value.as_ref().map_or_else(Vec::new, Number::asked) };
    let shape = |sides: &Sides| {
        let place = |(name, place): (String, &Place)| TableVariable { name, place: *place };
        let variables = names.into_iter().zip(&sides.places).map(place).collect();
        let value = value.map(|number| number.column(&sides.value, &settings.shows));
        QuestionKind::Table(TableShape { variables, shows: settings.shows, value, missing: settings.missing })
    };
    checker.ask(&active, &filters, asked, shape, statement)
}

fn settings(checker: &mut Checker<'_, '_, '_>, tabulate: &Tabulate) -> Result<Settings, Reported> {
    let mut settings = Settings { shows: Vec::new(), missing: false, labels: true };
    // Where among the shows `summarize()` stands, and the first statistic.
    let (mut summarized, mut statistic): (Option<usize>, Option<(&str, Span)>) = (None, None);
    let mut result = Ok(());
    for option in &tabulate.options {
        let show = match option.name.as_str() {
            "freq" => Show::Frequency,
            "rowpct" => Show::RowPercent,
            "colpct" => Show::ColumnPercent,
            "cellpct" => Show::CellPercent,
            "mean" => Show::Mean,
            "std" => Show::StandardDeviation,
            "sum" => Show::Sum,
            "summarize" => {
                summarized = Some(settings.shows.len());
                continue;
            }
            "missing" => {
                settings.missing = true;
                continue;
            }
            "nolabels" => {
                settings.labels = false;
                continue;
            }
            _ => {
                let feature = Feature::Option { command: "tabulate".into(), option: option.name.clone() };
                result = Err(checker.report(option.span, Problem::NotYet { feature }));
                continue;
            }
        };
        if show.is_of_value() && statistic.is_none() {
            statistic = Some((&option.name, option.span));
        }
        if !settings.shows.contains(&show) {
            settings.shows.push(show);
        }
    }
    match (summarized, statistic) {
        (Some(at), None) => settings.shows.insert(at, Show::Mean),
        (None, Some((option, span))) => {
            let option = option.to_owned();
            result = Err(checker.report(span, Problem::StatisticOfNothing { option }));
        }
        _ => {}
    }
    if settings.shows.is_empty() {
        settings.shows.push(Show::Frequency);
    }
    result.map(|()| settings)
}

/// The number that `summarize()` names.
fn value(
    checker: &mut Checker<'_, '_, '_>,
    active: &str,
    tabulate: &Tabulate,
) -> Result<Option<Number>, Reported> {
    let mut named = tabulate.options.iter().filter(|option| option.name == "summarize");
    let Some(option) = named.next() else { return Ok(None) };
    if let Some(again) = named.next() {
        return Err(checker.report(again.span, Problem::TooManyVariables { option: "summarize()" }));
    }
    let name = single_name(checker, option)?;
    Number::of(checker, active, &name).map(Some)
}

/// The one name in an option's parentheses.
fn single_name(checker: &mut Checker<'_, '_, '_>, option: &OptionUse) -> Result<Name, Reported> {
    let words = option.arguments.as_deref().unwrap_or_default();
    let problem = match words {
        [word] if word.token == Token::Name => {
            let text = checker.reporter.text(word.span).to_owned();
            return Ok(Name { text, span: word.span });
        }
        [_, _, ..] if words.iter().all(|word| word.token == Token::Name) => {
            Problem::TooManyVariables { option: "summarize()" }
        }
        _ => Problem::Expected { what: Expected::Variable, found: None },
    };
    Err(checker.report(option.span, problem))
}

/// A variable of the table, with its public categories.
fn dimension(
    checker: &mut Checker<'_, '_, '_>,
    active: &str,
    name: &Name,
    settings: Result<&Settings, Reported>,
) -> Result<(Owners, Dimension), Reported> {
    let (text, column) = checker.value_column(active, name, |name| Problem::KeyInTable { name })?;
    let Some(domain) = column.categories else {
        return Err(checker.report(name.span, Problem::NeedsCategories { name: text }));
    };
    let settings = settings?;
    let of_value = |value: &Value, label: &Option<String>| {
        let label = label.clone().filter(|_| settings.labels).unwrap_or_else(|| shown(value));
        Category { value: Some(value.clone()), label }
    };
    let mut categories: Vec<_> =
        domain.entries.iter().map(|entry| of_value(&entry.value, &entry.label)).collect();
    if settings.missing {
        categories.push(Category { value: None, label: "missing".to_owned() });
    }
    if categories.is_empty() {
        return Err(checker.report(name.span, Problem::NoCategories { name: text }));
    }
    let Lowered { owners, expression, .. } = column.lowered;
    // The name that the script uses now is the one to name in messages.
    let owners = owners.into_keys().map(|owner| (owner, text.clone())).collect();
    Ok((owners, Dimension { name: text, expression, categories }))
}

/// Keeps tables and each side of them within what can be computed on shares.
fn bounded(
    checker: &mut Checker<'_, '_, '_>,
    dimensions: &[(Owners, Dimension)],
    population_owner: &OwnerId,
    statement: &Statement,
) -> Result<(), Reported> {
    let sizes = dimensions.iter().map(|(_, dimension)| dimension.categories.len());
    let cells = sizes.fold(1usize, usize::saturating_mul);
    if cells > TABLE_CELLS_MAX {
        return Err(checker.report(statement.span, Problem::TooManyCells { cells }));
    }
    let mut sides: BTreeMap<&OwnerId, usize> = BTreeMap::new();
    for (owners, dimension) in dimensions.iter().filter(|(owners, _)| owners.len() <= 1) {
        let categories = sides.entry(owners.keys().next().unwrap_or(population_owner)).or_insert(1);
        *categories = categories.saturating_mul(dimension.categories.len());
    }
    for (owner, categories) in sides {
        if categories > SIDE_CATEGORIES_MAX {
            let owner = owner.clone();
            return Err(checker.report(statement.span, Problem::TooManyCategories { owner, categories }));
        }
    }
    Ok(())
}
