//! Tables that one owner prepares: rows of a dataset, grouped, and columns taken from the groups.
//!
//! Whoever groups rows must know all that decides them: the population, its conditions, the key and the values. All must therefore be
//! one owner's; where they are not, [`Unprepared::NotLocal`] says whose they are.

use std::sync::Arc;

use kobling_model::OwnerId;
use kobling_model::expression::{BinaryOperator, Expression, Value, ValueType};
use kobling_model::interval::Interval;
use kobling_model::preparation::{By, Column as Source, Key, Measure, Preparation, Rows, Statistic};
use kobling_model::value::bounds_and_centre;

use crate::check::{Checker, Dataset, RowsAre};
use crate::diagnostic::{Reported, Span};
use crate::joint::Known;
use crate::limits::PREPARATION_DEPTH_MAX;
use crate::locality::columns;
use crate::lower::{Lowered, Owners};
use crate::problem::{Problem, Unprepared};

/// Something measured of each group.
pub(crate) struct Measured {
    pub(crate) statistic: Statistic,
    pub(crate) value: Lowered,
}

/// A table that an owner prepares.
pub(crate) struct Table {
    pub(crate) owner: OwnerId,
    pub(crate) place: usize,
}

impl Measured {
    /// How many rows a group has.
    pub(crate) fn rows() -> Self {
        Self { statistic: Statistic::Count, value: Lowered::truth(true) }
    }

    /// Whether its result is one of a public list.
    fn of_codes(&self) -> bool {
        matches!(self.statistic, Statistic::Min | Statistic::Max) && self.value.domain.is_some()
    }

    fn value_type(&self) -> ValueType {
        match self.statistic {
            Statistic::Value | Statistic::Min | Statistic::Max => self.value.value_type,
            _ => ValueType::Number,
        }
    }
}

impl Checker<'_, '_, '_> {
    /// The rows of a dataset with its conditions, grouped; `used` are owners of what they are grouped by.
    pub(crate) fn prepare(
        &mut self,
        dataset: &str,
        by: By,
        used: Owners,
        measured: &[Measured],
        command: &str,
        span: Span,
    ) -> Result<Table, Reported> {
        let rows = self.datasets[dataset].rows_only();
        self.prepare_of(dataset, &rows, by, used, measured, command, span)
    }

    /// The same of rows that need not be those of a dataset of the script; `name` stands for them in messages.
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn prepare_of(
        &mut self,
        name: &str,
        of: &Dataset,
        by: By,
        used: Owners,
        measured: &[Measured],
        command: &str,
        span: Span,
    ) -> Result<Table, Reported> {
        let Some(population) = of.population.clone() else {
            return Err(self.report(span, Problem::NoPopulation));
        };
        let rows = match &of.rows {
            RowsAre::Units => Rows::Units(of.unit_type.expect("a population has a unit type")),
            RowsAre::Spells(rows) => rows.clone(),
            RowsAre::Groups(_) => {
                let command = command.to_owned();
                return Err(self.report(span, Problem::Unprepared(Unprepared::OfGroups { command })));
            }
        };
        let mut owners = used;
        owners.entry(population.owner.clone()).or_insert_with(|| name.to_owned());
        let mut size = 1;
        for (of_filter, filter) in of.filters.iter().map(|filter| (&filter.owners, filter.size)) {
            owners.extend(of_filter.clone());
            size += filter;
        }
        for measured in measured {
            owners.extend(measured.value.owners.clone());
            size += measured.value.size();
        }
        if owners.len() > 1 {
            let (command, columns) = (command.to_owned(), columns(&owners));
            return Err(self.report(span, Problem::Unprepared(Unprepared::NotLocal { command, columns })));
        }
        let filters = of.filters.iter().map(|filter| filter.expression.clone()).collect();
        let measure = |measured: &Measured| Measure {
            statistic: measured.statistic,
            value: measured.value.expression.clone(),
            value_type: measured.value_type(),
            of_codes: measured.of_codes(),
        };
        let measures = measured.iter().map(measure).collect();
        let preparation = Preparation { rows, sources: Vec::new(), filters, by, measures };
        if self.made.depth(population.source, &preparation) > PREPARATION_DEPTH_MAX {
            return Err(self.report(span, Problem::PlanTooLarge));
        }
        let place = self.made.preparation(&population.owner, population.source, preparation);
        self.spend(size, span)?;
        Ok(Table { owner: population.owner, place })
    }

    /// A column of a table, found by a key, with what is public about it.
    pub(crate) fn prepared(
        &mut self,
        table: &Table,
        measure: usize,
        measured: &Measured,
        key: Key,
        name: &str,
    ) -> Lowered {
        let Measured { statistic, value } = measured;
        let value_type = measured.value_type();
        let column = Source::Prepared { preparation: table.place, measure, key, value_type };
        // Its values are some of those that it is made of; of large groups, others have means of several.
        let same = *statistic == Statistic::Value || measured.of_codes();
        let known: Vec<_> = self.known.iter().map(|known| known.bounds).collect();
        let codes = match value.expression {
            Expression::Source(source) if same => self.known[source].codes.clone(),
            _ => None,
        };
        let bounds = match value_type {
            ValueType::Number => {
                let bounds = statistic.bounds(Interval::of(&value.expression, &known));
                let whole = same || !matches!(statistic, Statistic::Min | Statistic::Max);
                bounds.map(|bounds| Interval { whole: bounds.whole && whole, ..bounds })
            }
            ValueType::Text => None,
        };
        let constants = bounds_and_centre(&value.expression, &self.constants);
        let constants = statistic.bounds(constants.map(|(bounds, _)| bounds)).map(|bounds| {
            let centre =
                constants.map_or(bounds.low + (bounds.high - bounds.low) / 2.0, |(_, centre)| centre);
            (bounds, bounds.clamp(centre))
        });
        let of_any_size = statistic.is_of_any_size();
        let owner = table.owner.clone();
        let text = value_type == ValueType::Text;
        let known = Known { owner: owner.clone(), codes, text, bounds, of_any_size };
        let constants = constants.filter(|_| !text);
        let place = self.source(column, known, constants);
        let domain = match statistic {
            Statistic::Quantile { parts } => {
                Some(Arc::new(crate::domain::Domain::range(0, parts.saturating_sub(1))))
            }
            Statistic::Drawn { .. } => Some(Arc::new(crate::domain::Domain::range(0, 1))),
            _ if same => value.domain.clone(),
            _ => None,
        };
        Lowered::source(place, value_type, owner, name.to_owned(), domain)
    }

    /// The place of a column that a unit of the dataset has exactly where a row of it is left; the dataset's conditions have then been
    /// applied, all of one owner.
    pub(crate) fn presence(
        &mut self,
        dataset: &str,
        command: &str,
        span: Span,
    ) -> Result<(OwnerId, usize), Reported> {
        let table = self.prepare(dataset, By::Unit, Owners::new(), &[Measured::rows()], command, span)?;
        let lowered = self.prepared(&table, 0, &Measured::rows(), Key::Unit, "");
        let Expression::Source(place) = lowered.expression else { unreachable!("a column is a source") };
        Ok((table.owner, place))
    }

    /// Whether a unit is in the dataset: it is in the population, and each condition holds.
    pub(crate) fn membership(&mut self, dataset: &str, span: Span) -> Result<Lowered, Reported> {
        let population = self.populated(dataset, span)?;
        let name = dataset.to_owned();
        let place = population.source;
        let value_type = self.made.sources[place].1.value_type();
        let there = Lowered::source(place, value_type, population.owner, name, None).sysmiss().not();
        let conditions = self.datasets[dataset].filters.iter().map(Lowered::of_filter).collect::<Vec<_>>();
        let all = std::iter::once(there).chain(conditions).collect();
        let all = Lowered::all(BinaryOperator::And, all).unwrap_or_else(|| Lowered::truth(true));
        all.bounded(span, self.reporter)
    }
}

/// The statistics of `collapse`, `aggregate` and `barchart`, as written.
pub(crate) const STATISTICS: &[(&str, Statistic)] = &[
    ("mean", Statistic::Mean),
    ("min", Statistic::Min),
    ("max", Statistic::Max),
    ("median", Statistic::Median),
    ("count", Statistic::Count),
    ("sum", Statistic::Sum),
    ("semean", Statistic::StandardErrorOfMean),
    ("sebinomial", Statistic::StandardErrorOfShare),
    ("sd", Statistic::StandardDeviation),
    ("percent", Statistic::Percent),
    ("iqr", Statistic::InterquartileRange),
    ("gini", Statistic::Gini),
];

/// Their words.
pub(crate) const WORDS: &[&str] = &{
    let mut words = [""; STATISTICS.len()];
    let mut at = 0;
    while at < words.len() {
        words[at] = STATISTICS[at].0;
        at += 1;
    }
    words
};

/// A constant for all rows: they are one group.
pub(crate) fn everybody() -> Expression {
    Expression::Constant(Value::Number(1.0))
}
