//! Tables that one owner prepares: rows of a dataset, grouped, and columns taken from the groups.
//!
//! Whoever groups rows must know all that decides them: the population, its conditions, the key and the values. All must therefore be
//! one owner's; where they are not, [`Unprepared::NotLocal`] says whose they are.

use std::sync::Arc;

use kobling_model::OwnerId;
use kobling_model::expression::{BinaryOperator, Expression, Value, ValueType};
use kobling_model::interval::Interval;
use kobling_model::preparation::{By, Column as Source, Key, Layer, Measure, Preparation, Rows, Statistic};
use kobling_model::value::bounds_and_centre;

use crate::check::{Checker, Dataset, RowsAre};
use crate::diagnostic::{Reported, Span};
use crate::domain::Domain;
use crate::joint::Known;
use crate::limits::PREPARATION_DEPTH_MAX;
use crate::locality::{Population, columns};
use crate::lower::{Lowered, Owners};
use crate::problem::{Problem, Unprepared};

/// Something measured of each group.
pub(crate) struct Measured {
    pub(crate) statistic: Statistic,
    pub(crate) value: Lowered,
    /// The same at a panel's further dates.
    pub(crate) further: Vec<Lowered>,
}

/// What is public about a measure, whatever it is measured of.
#[derive(Clone)]
pub(crate) struct Described {
    value_type: ValueType,
    codes: Option<Arc<Domain>>,
    bounds: Option<Interval>,
    constants: Option<(Interval, f64)>,
    of_any_size: bool,
    domain: Option<Arc<Domain>>,
}

/// A table that an owner prepares.
pub(crate) struct Table {
    pub(crate) owner: OwnerId,
    pub(crate) place: usize,
}

impl Measured {
    pub(crate) fn new(statistic: Statistic, value: Lowered) -> Self {
        Self { statistic, value, further: Vec::new() }
    }

    /// How many rows a group has.
    pub(crate) fn rows() -> Self {
        Self::new(Statistic::Count, Lowered::truth(true))
    }

    /// What is measured at each date; at dates beyond those given, the same as at the first.
    fn values(&self) -> impl Iterator<Item = &Lowered> {
        std::iter::once(&self.value).chain(&self.further)
    }

    fn at(&self, layer: usize) -> &Lowered {
        self.values().nth(layer).unwrap_or(&self.value)
    }

    /// The values of all dates, where those of each are public.
    fn domain(&self) -> Option<Arc<Domain>> {
        let mut all = self.value.domain.clone()?;
        for value in &self.further {
            let more = value.domain.as_ref()?;
            if *more != all {
                all = Arc::new(all.union(more));
            }
        }
        Some(all)
    }

    /// Whether its result is one of a public list.
    fn of_codes(&self) -> bool {
        matches!(self.statistic, Statistic::Min | Statistic::Max)
            && self.values().all(|value| value.domain.is_some())
    }

    fn value_type(&self) -> ValueType {
        match self.statistic {
            Statistic::Value | Statistic::Min | Statistic::Max => self.value.value_type,
            _ => ValueType::Number,
        }
    }
}

impl Checker<'_, '_, '_> {
    /// The rows of a dataset with its conditions, grouped; `used` are owners of what they are grouped by. A panel's rows are grouped by
    /// what stands for each of its dates, or by the same at all.
    pub(crate) fn prepare(
        &mut self,
        dataset: &str,
        by: &[By],
        used: Owners,
        measured: &[Measured],
        command: &str,
        span: Span,
    ) -> Result<Table, Reported> {
        let rows = self.layers(dataset).iter().map(|layer| layer.rows_only()).collect::<Vec<_>>();
        self.prepare_of(dataset, &rows, by, used, measured, command, span)
    }

    /// The same of rows that need not be those of a dataset of the script; `name` stands for them in messages.
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn prepare_of(
        &mut self,
        name: &str,
        layers: &[Dataset],
        by: &[By],
        used: Owners,
        measured: &[Measured],
        command: &str,
        span: Span,
    ) -> Result<Table, Reported> {
        let Some((of, population)) = layers.first().and_then(|of| Some((of, of.population.clone()?))) else {
            return Err(self.report(span, Problem::NoPopulation));
        };
        let rows = match &of.rows {
            RowsAre::Units => Rows::Units(of.unit_type.expect("a population has a unit type")),
            RowsAre::Spells(rows) => rows.clone(),
            RowsAre::Groups(_) => {
                let command = command.to_owned();
                return Err(self.report(span, Problem::Unprepared(Unprepared::OfGroups { command })));
            }
            RowsAre::Panel(_) => unreachable!("a date of a panel has rows of units"),
        };
        let mut owners = used;
        let mut size = 1;
        for of in layers {
            let population = of.population.as_ref().map(|population| population.owner.clone());
            owners.entry(population.expect("each date has one")).or_insert_with(|| name.to_owned());
            for (of_filter, filter) in of.filters.iter().map(|filter| (&filter.owners, filter.size)) {
                owners.extend(of_filter.clone());
                size += filter;
            }
        }
        for value in measured.iter().flat_map(Measured::values) {
            owners.extend(value.owners.clone());
            size += value.size();
        }
        if owners.len() > 1 {
            let (command, columns) = (command.to_owned(), columns(&owners));
            return Err(self.report(span, Problem::Unprepared(Unprepared::NotLocal { command, columns })));
        }
        let filters = |of: &Dataset| of.filters.iter().map(|filter| filter.expression.clone()).collect();
        let by_at = |layer: usize| by.get(layer).unwrap_or(&by[0]).clone();
        let measure = |measured: &Measured| Measure {
            statistic: measured.statistic,
            value: measured.value.expression.clone(),
            value_type: measured.value_type(),
            of_codes: measured.of_codes(),
        };
        let measures = measured.iter().map(measure).collect();
        let layer = |(at, of): (usize, &Dataset)| Layer {
            presence: of.population.as_ref().expect("each date has one").source,
            filters: filters(of),
            by: by_at(at),
            values: measured.iter().map(|measured| measured.at(at).expression.clone()).collect(),
        };
        let further = layers.iter().enumerate().skip(1).map(layer).collect();
        let (filters, by) = (filters(of), by_at(0));
        let preparation = Preparation { rows, sources: Vec::new(), filters, by, measures, layers: further };
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
        let described = self.described(measured);
        self.prepared_as(table, measure, &described, key, name)
    }

    /// The same of a measure that has been described.
    pub(crate) fn prepared_as(
        &mut self,
        table: &Table,
        measure: usize,
        described: &Described,
        key: Key,
        name: &str,
    ) -> Lowered {
        let Described { value_type, codes, bounds, constants, of_any_size, domain } = described.clone();
        let column = Source::Prepared { preparation: table.place, measure, key, value_type };
        let owner = table.owner.clone();
        let text = value_type == ValueType::Text;
        let known = Known { owner: owner.clone(), codes, text, bounds, of_any_size };
        let place = self.source(column, known, constants);
        Lowered::source(place, value_type, owner, name.to_owned(), domain)
    }

    /// What is public about a measure of any table.
    pub(crate) fn described(&self, measured: &Measured) -> Described {
        let statistic = &measured.statistic;
        let value_type = measured.value_type();
        // Its values are some of those that it is made of; of large groups, others have means of several.
        let same = *statistic == Statistic::Value || measured.of_codes();
        let known: Vec<_> = self.known.iter().map(|known| known.bounds).collect();
        let codes = |value: &Lowered| match value.expression {
            Expression::Source(source) if same => self.known[source].codes.clone(),
            _ => None,
        };
        let codes = codes(&measured.value)
            .filter(|of| measured.further.iter().all(|value| codes(value).as_ref() == Some(of)));
        let values = || measured.values().map(|value| &value.expression);
        let bounds = match value_type {
            ValueType::Number => {
                let bounds = statistic.bounds(Interval::of_all(values(), &known));
                let whole = same || !matches!(statistic, Statistic::Min | Statistic::Max);
                bounds.map(|bounds| Interval { whole: bounds.whole && whole, ..bounds })
            }
            ValueType::Text => None,
        };
        let constants = |expression: &Expression| bounds_and_centre(expression, &self.constants);
        let centre = constants(&measured.value.expression).map(|(_, centre)| centre);
        let within: Vec<_> = self.constants.iter().map(|of| of.map(|(bounds, _)| bounds)).collect();
        let within = Interval::of_all(values(), &within);
        let constants = statistic.bounds(within).map(|bounds| {
            let centre =
                centre.filter(|_| within.is_some()).unwrap_or(bounds.low + (bounds.high - bounds.low) / 2.0);
            (bounds, bounds.clamp(centre))
        });
        let of_any_size = statistic.is_of_any_size();
        let constants = constants.filter(|_| value_type == ValueType::Number);
        let domain = match statistic {
            Statistic::Quantile { parts } => Some(Arc::new(Domain::range(0, parts.saturating_sub(1)))),
            Statistic::Drawn { .. } => Some(Arc::new(Domain::range(0, 1))),
            _ if same => measured.domain(),
            _ => None,
        };
        Described { value_type, codes, bounds, constants, of_any_size, domain }
    }

    /// The place of a column that a unit of the dataset has exactly where a row of it is left; the dataset's conditions have then been
    /// applied, all of one owner.
    pub(crate) fn presence(
        &mut self,
        dataset: &str,
        command: &str,
        span: Span,
    ) -> Result<(OwnerId, usize), Reported> {
        let table = self.prepare(dataset, &[By::Unit], Owners::new(), &[Measured::rows()], command, span)?;
        let lowered = self.prepared(&table, 0, &Measured::rows(), Key::Unit, "");
        let Expression::Source(place) = lowered.expression else { unreachable!("a column is a source") };
        Ok((table.owner, place))
    }

    /// The units of which a row of the dataset is left, as a dataset of their own without columns.
    pub(crate) fn units_left(
        &mut self,
        dataset: &str,
        command: &str,
        span: Span,
    ) -> Result<Dataset, Reported> {
        let (owner, source) = self.presence(dataset, command, span)?;
        let unit_type = self.datasets[dataset].unit_type;
        Ok(Dataset { unit_type, population: Some(Population { owner, source }), ..Dataset::default() })
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
