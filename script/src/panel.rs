//! Panels: datasets with a row for each unit and date, made by `import-panel` and `reshape-to-panel`.
//!
//! A panel is kept as a dataset of units for each of its dates. What makes or changes columns or rows is carried out at each date by itself,
//! where `date@panel` is a constant; conditions on it are therefore decided here, and a date of which nothing is left is no longer
//! there. What brings rows together, as `collapse` does, groups the rows of all dates as one table at their owner.
//!
//! Each date has its own population: what rules 1 and 6 ask of an edit, they ask at each.

use std::collections::BTreeSet;
use std::sync::Arc;

use kobling_model::Day;
use kobling_model::expression::Value;
use kobling_model::preparation::Column as Source;

use crate::ast::{Command, Selection, Statement};
use crate::check::{Checker, Column, ColumnValue, Dataset, RowsAre};
use crate::diagnostic::{Reported, Span};
use crate::domain::{Domain, Entry};
use crate::fold;
use crate::joint::Known;
use crate::locality::{Filter, Population};
use crate::lower::Lowered;
use crate::problem::{Problem, Unprepared};

/// The system variable that says which date a row is of.
pub(crate) const DATE: &str = "date@panel";

/// The rows of a panel at one date.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    pub(crate) level: Level,
    /// Of units.
    pub(crate) dataset: Dataset,
    /// Rows may have gone here, which an outcome decides.
    edited: bool,
}

/// Which date.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Level {
    /// Of an import.
    Day(Day),
    /// The digits after a prefix, and their number.
    Digits(String, f64),
}

impl Level {
    /// `date@panel` of its rows: a number, shown as it was written.
    fn column(&self) -> ColumnValue {
        let (number, label) = match self {
            Self::Day(day) => (f64::from(day.days()), day.to_string()),
            Self::Digits(digits, number) => (*number, digits.clone()),
        };
        let value = Value::Number(number);
        let entry = Entry { value: value.clone(), label: Some(label), sentinel: false };
        let lowered = Lowered::constant(value).with_domain(Some(Arc::new(Domain::new([entry]))));
        ColumnValue::new(lowered, None)
    }
}

/// A panel of these dates, in the order given.
pub(crate) fn panel(layers: Vec<(Level, Dataset)>) -> Dataset {
    let layer = |(level, mut dataset): (Level, Dataset)| {
        dataset.columns.insert(DATE.to_owned(), Column::Value(Arc::new(level.column())));
        Layer { level, dataset, edited: false }
    };
    of_layers(layers.into_iter().map(layer).collect())
}

fn of_layers(layers: Vec<Layer>) -> Dataset {
    let first = layers.first().map(|layer| layer.dataset.clone()).unwrap_or_default();
    Dataset { rows: RowsAre::Panel(layers), filters: Vec::new(), ..first }
}

/// Whether a condition holds of nobody, whatever the data are.
fn never(filter: &Filter) -> bool {
    fold::constant(&filter.expression).is_some_and(|value| !fold::is_true(value.as_ref()))
}

fn same(these: &[Filter], those: &[Filter]) -> bool {
    these.len() == those.len()
        && these.iter().zip(those).all(|(this, that)| this.expression == that.expression)
}

impl Dataset {
    /// Whether the rows are the same, by population and conditions.
    pub(crate) fn has_rows_of(&self, other: &Self) -> bool {
        let population = |of: &Self| of.population.as_ref().map(|population| population.source);
        population(self) == population(other) && same(&self.filters, &other.filters)
    }
}

impl Checker<'_, '_, '_> {
    /// The dates of a panel, or the dataset itself.
    pub(crate) fn layers(&self, dataset: &str) -> Vec<&Dataset> {
        let dataset = &self.datasets[dataset];
        match &dataset.rows {
            RowsAre::Panel(layers) => layers.iter().map(|layer| &layer.dataset).collect(),
            _ => vec![dataset],
        }
    }

    pub(crate) fn is_panel(&self, dataset: &str) -> bool {
        matches!(self.datasets[dataset].rows, RowsAre::Panel(_))
    }

    /// Does something at each date of a panel, under its name, or with the dataset itself; after a fault, at no further date.
    pub(crate) fn each_layer<T>(
        &mut self,
        dataset: &str,
        mut work: impl FnMut(&mut Self, usize) -> Result<T, Reported>,
    ) -> Result<Vec<T>, Reported> {
        if !self.is_panel(dataset) {
            return Ok(vec![work(self, 0)?]);
        }
        let RowsAre::Panel(mut layers) = std::mem::take(&mut self.dataset(dataset).rows) else {
            unreachable!("it is a panel");
        };
        let within = std::mem::replace(&mut self.in_layer, true);
        let (mut done, mut failed) = (Vec::with_capacity(layers.len()), None);
        for (at, layer) in layers.iter_mut().enumerate() {
            self.datasets.insert(dataset.to_owned(), std::mem::take(&mut layer.dataset));
            let result = work(self, at);
            layer.dataset = std::mem::take(self.dataset(dataset));
            match result {
                Ok(made) => done.push(made),
                Err(reported) => {
                    failed = Some((at, reported));
                    break;
                }
            }
        }
        self.in_layer = within;
        if let Some((at, _)) = failed {
            // Later statements find the same names at all dates.
            let names: BTreeSet<String> = layers[at].dataset.names().map(str::to_owned).collect();
            for layer in &mut layers {
                let columns = &mut layer.dataset.columns;
                columns.retain(|name, _| names.contains(name));
                for name in &names {
                    columns.entry(name.clone()).or_insert(Column::Failed);
                }
            }
        }
        self.datasets.insert(dataset.to_owned(), of_layers(layers));
        failed.map_or(Ok(done), |(_, reported)| Err(reported))
    }

    /// Carries out a statement on the active dataset date by date, if that is a panel and the statement is about its rows one by one.
    pub(crate) fn of_panel(&mut self, statement: &Statement) -> Option<Result<(), Reported>> {
        let active = self.active.clone()?;
        if !self.datasets.contains_key(&active) || !self.is_panel(&active) {
            return None;
        }
        let work = self.layers(&active).len() + self.datasets[&active].columns.len() / 4;
        if let Err(reported) = self.spend(work, statement.span) {
            return Some(Err(reported));
        }
        match &statement.command {
            Command::Import(_)
            | Command::Generate(_)
            | Command::Replace(_)
            | Command::Recode(_)
            | Command::Rename { .. }
            | Command::AssignLabels { .. }
            | Command::CloneVariables(_)
            | Command::Destring(_)
            | Command::Keep(Selection::Variables(_))
            | Command::Drop(Selection::Variables(_)) => {
                Some(self.each_layer(&active, |checker, _| checker.carry_out(statement)).map(drop))
            }
            Command::Keep(_) | Command::Drop(_) => Some(self.narrowed(&active, statement)),
            Command::Tabulate(tabulate) => Some(self.at_one_date(&active, statement, &tabulate.condition)),
            Command::Summarize(summarize) => Some(self.at_one_date(&active, statement, &summarize.condition)),
            _ => None,
        }
    }

    /// `keep if`, `drop if` and `sample`: dates of which nothing is left go.
    fn narrowed(&mut self, active: &str, statement: &Statement) -> Result<(), Reported> {
        self.narrow_each(active, statement, |checker| checker.carry_out(statement))
    }

    /// Leaves out rows at each date.
    pub(crate) fn narrow_each(
        &mut self,
        active: &str,
        statement: &Statement,
        mut narrow: impl FnMut(&mut Self) -> Result<(), Reported>,
    ) -> Result<(), Reported> {
        let edited = self.each_layer(active, |checker, _| {
            let before = checker.edits.asked();
            narrow(checker)?;
            Ok(checker.edits.asked() > before)
        })?;
        if self.layers(active).iter().all(|layer| layer.filters.iter().any(never)) {
            self.each_layer(active, |checker, _| {
                checker.dataset(active).filters.retain(|filter| !never(filter));
                Ok(())
            })?;
            return Err(self.report(statement.span, Problem::Unprepared(Unprepared::NoDateLeft)));
        }
        let RowsAre::Panel(mut layers) = std::mem::take(&mut self.dataset(active).rows) else {
            unreachable!("it is a panel");
        };
        layers.iter_mut().zip(edited).for_each(|(layer, edited)| layer.edited |= edited);
        layers.retain(|layer| !layer.dataset.filters.iter().any(never));
        self.datasets.insert(active.to_owned(), of_layers(layers));
        Ok(())
    }

    /// A statistic about units, where its condition leaves one date.
    fn at_one_date(
        &mut self,
        active: &str,
        statement: &Statement,
        condition: &Option<crate::ast::Expr>,
    ) -> Result<(), Reported> {
        let open = self.each_layer(active, |checker, _| match condition {
            Some(condition) => checker.filters(active, condition).map(|filters| !filters.iter().any(never)),
            None => Ok(true),
        })?;
        let mut open = (0..open.len()).filter(|at| open[*at]);
        let problem = match (open.next(), open.next()) {
            (Some(only), None) => {
                let work = |checker: &mut Self, at| match at == only {
                    true => checker.carry_out(statement),
                    false => Ok(()),
                };
                return self.each_layer(active, work).map(drop);
            }
            (None, _) => Unprepared::NoDateLeft,
            (Some(_), Some(_)) => {
                let command = statement.text.split_whitespace().next().unwrap_or_default().to_owned();
                Unprepared::OfPanel { command }
            }
        };
        Err(self.report(statement.span, Problem::Unprepared(problem)))
    }

    /// The units that have a row at any date of a panel.
    pub(crate) fn units_of_panel(&mut self, dataset: &str, span: Span) -> Result<Dataset, Reported> {
        let first = self.layers(dataset)[0].rows_only();
        // Whether an edit was carried out must not decide what is faulty.
        let edited = match &self.datasets[dataset].rows {
            RowsAre::Panel(layers) => layers.iter().any(|layer| layer.edited),
            _ => false,
        };
        if edited || !self.layers(dataset).iter().all(|layer| same(&layer.filters, &first.filters)) {
            return self.units_left(dataset, "panel", span);
        }
        let populations: Vec<Population> =
            self.layers(dataset).iter().filter_map(|layer| layer.population.clone()).collect();
        let population = self.any_of(&populations).or(first.population);
        Ok(Dataset { population, ..first })
    }

    /// Units of any of these populations of one owner; none where there are none.
    pub(crate) fn any_of(&mut self, populations: &[Population]) -> Option<Population> {
        let first = populations.first()?;
        if populations.iter().all(|population| population.source == first.source) {
            return Some(first.clone());
        }
        let mut of: Vec<Source> = Vec::new();
        for population in populations {
            let columns = match &self.made.sources[population.source].1 {
                Source::Either(of) => of.clone(),
                column => vec![column.clone()],
            };
            for column in columns {
                if !of.contains(&column) {
                    of.push(column);
                }
            }
        }
        let owner = first.owner.clone();
        let source = self.source(Source::Either(of), Known::unbounded(owner.clone()), None);
        Some(Population { owner, source })
    }
}
