//! From registers to categories: what an owner computes in clear, before anything is shared.
//!
//! A fragment of a plan names register values at dates, filters, and dimensions. [`Extractor::evaluate`]
//! reads the values through **DataFusion** and evaluates the expressions with it; this module and the ones
//! below it are the only ones that know DataFusion, so that another engine for its plans (Ballista) fits behind the
//! same two functions.
//!
//! # Order of work
//! Units are taken in ranges of [`RANGE_UNITS`]. For each range, each source is read in turn, with the range and the
//! date as filters and two columns as projection, and scattered into a dense column of one value a unit.
//! Then filters and dimensions run over batches of [`BATCH_UNITS`]; those that depend on one source alone that has few values
//! (texts, or whole numbers that lie close), over these instead. Memory is sources × one range, never
//! sources × units.
//!
//! # Containment
//! A data file is checked against its manifest before it is read, if it was touched. Reading and evaluating happen on
//! a thread of their own, with a stack that deep expressions fit on: a panic inside a decoder ends that
//! thread, not the node, and becomes [`ExtractError::Failed`]. When the caller gives up, the thread stops at the next
//! batch. Errors never carry the engine's messages: those may quote values.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use datafusion::arrow::array::{Array, Float64Array, RecordBatch, StringArray};
use kobling_disclosure::memory::{Partition, partition};
use kobling_model::catalogue::{AvailableDates, DataType, Temporality, ValueDomain};
use kobling_model::expression::{Value, ValueType};
use kobling_model::interval::Interval;
use kobling_model::plan::{Dimension, Fragment, Source};
use kobling_model::preparation::Column;
use kobling_model::value::PartForm;
use kobling_model::{Day, UnitType, VariableName};
use tokio::sync::oneshot;

use crate::register::{RegisterStore, StoreError};
use crate::values::Values;

mod blur;
mod column;
mod columns;
mod expression;
mod functions;
mod prepare;
mod take;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_of_few;
#[cfg(test)]
mod tests_of_preparation;

use self::column::Column as ValueColumn;
use self::columns::{Dense, Few, Reader};
use self::expression::{Compiled, Program};
use self::prepare::{Draft, Table};
use self::take::{Stretch, Takes};
use kobling_disclosure::memory::partition::OUTSIDE;

/// Units that are read at once.
const RANGE_UNITS: u32 = 1 << 20;
/// Units that are evaluated at once.
const BATCH_UNITS: usize = 1 << 16;
/// Stack of the evaluating thread. Address space only; see [`expression::DEPTH_MAX`].
const STACK_BYTES: usize = 64 << 20;

pub use kobling_disclosure::memory::partition::NO_CELL;

/// A whole number that is missing; others are above its lower bound.
pub const MISSING: u32 = u32::MAX;

/// What a unit that an owner does not have counts as: a row in which everything is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Absent {
    /// The owner's composite category, or [`NO_CELL`].
    pub category: u32,
    /// The code of the fragment's value column, if it has one.
    pub code: Option<i64>,
    /// Each of its whole numbers, above its lower bound.
    pub numbers: Vec<u32>,
}

/// What the evaluation needs to know of a node's units.
pub trait UnitBook: Send + Sync {
    /// Units of a type: one more than the last unit number.
    fn count(&self, unit_type: UnitType) -> u32;

    /// Record keys of the units of a type, by unit number.
    fn keys(&self, unit_type: UnitType) -> Arc<Vec<[u16; 3]>>;
}

/// Evaluates fragments over a node's registers.
#[derive(Clone, Debug)]
pub struct Extractor {
    store: Arc<RegisterStore>,
}

/// What a fragment says about each unit.
pub struct Extracted {
    /// By unit number: the category of each dimension, and whether it counts.
    pub partition: Partition,
    /// The value column, if the fragment has one.
    pub values: Option<Values>,
    /// Each of the fragment's whole numbers by unit number, above its lower bound, or [`MISSING`].
    pub numbers: Vec<Vec<u32>>,
}

/// Why a fragment cannot be evaluated. Names variables, never values.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExtractError {
    /// The plan names a variable or release that this node does not have.
    #[error("this node has no {variable} in the release that the plan names")]
    NoSuchVariable {
        /// Which.
        variable: VariableName,
    },
    /// The plan was made from other data than this node has under that version.
    #[error("the data of {variable} is not what the plan was made from")]
    OtherData {
        /// Which.
        variable: VariableName,
    },
    /// The date does not fit the variable's temporality or has no values.
    #[error("the date of {variable} is not one that it has")]
    Date {
        /// Which.
        variable: VariableName,
    },
    /// Another unit as a value (rule 15), or a value type that the variable does not have.
    #[error("{variable} cannot be used in this way")]
    ValueType {
        /// Which.
        variable: VariableName,
    },
    /// Two variables about different kinds of units.
    #[error("{variable} is about another kind of unit than the first variable")]
    UnitType {
        /// Which.
        variable: VariableName,
    },
    /// The population's fragment has no first import.
    #[error("the plan names no population")]
    NoPopulation,
    /// An expression that no checked script leads to.
    #[error("the plan has an expression that cannot be evaluated: {what}")]
    Expression {
        /// What is wrong with it.
        what: &'static str,
    },
    /// More composite categories than a table can have.
    #[error("the plan has too many categories")]
    TooManyCategories,
    /// A panel with more rows than can be grouped in memory.
    #[error(
        "the panel has too many rows to be grouped: ask about fewer dates or units, or by the unit itself"
    )]
    TooLarge,
    /// The data file is damaged, or the identity map is not the one it was imported with.
    #[error("the register of {variable} is damaged")]
    Damaged {
        /// Which.
        variable: VariableName,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The evaluation failed or panicked.
    #[error("the registers could not be evaluated")]
    Failed,
}

impl Extractor {
    /// Takes the registers to read.
    pub fn new(store: Arc<RegisterStore>) -> Self {
        Self { store }
    }

    /// The categories of each unit of a type.
    ///
    /// With `population`, units without a value in the first source do not count: the population is the
    /// first import. Without, every unit is evaluated, with missing values where it has no row.
    /// `form` is that of the fragment's value, given exactly where it has one.
    ///
    /// # Errors
    /// [`ExtractError`]; never because of one unit's values.
    pub async fn evaluate(
        &self,
        fragment: &Fragment,
        population: bool,
        unit_type: UnitType,
        book: Arc<dyn UnitBook>,
        form: Option<PartForm>,
    ) -> Result<Extracted, ExtractError> {
        if population && fragment.sources.is_empty() {
            return Err(ExtractError::NoPopulation);
        }
        let (store, fragment) = (self.store.clone(), fragment.clone());
        on_own_thread(move |stop| {
            let work = Work::prepare(&store, fragment, unit_type, form)?;
            work.run(population, &*book, stop)
        })
        .await
    }

    /// The composite category of a unit that has no row in any source, the code of its value and its whole numbers.
    ///
    /// An owner's fragment puts all units of the population that it does not have there. It depends on the plan only.
    ///
    /// # Errors
    /// [`ExtractError`] for a plan that no checked script leads to.
    pub async fn absent_unit(
        &self,
        fragment: &Fragment,
        form: Option<PartForm>,
    ) -> Result<Absent, ExtractError> {
        let fragment = fragment.clone();
        on_own_thread(move |_| {
            let types: Vec<_> = fragment.sources.iter().map(Column::value_type).collect();
            let program = Program::compile(&fragment, &types)?;
            let missing: Vec<_> = types.iter().map(|value_type| Dense::missing(*value_type, 1)).collect();
            let (mut category, mut value) = ([NO_CELL], [f64::NAN]);
            let by_value = program.by_value(&missing)?;
            let mut numbers = vec![Vec::new(); fragment.numbers.len()];
            program.run(&missing, &by_value, 0, &mut category, &mut value, &mut numbers)?;
            let category = program.partition(category.to_vec()).into_cells();
            let everything = Interval { low: f64::MIN, high: f64::MAX, whole: false };
            let code =
                form.filter(|_| !value[0].is_nan()).map(|form| form.coding.code(value[0], &everything));
            Ok(Absent { category: category[0], code, numbers: numbers.concat() })
        })
        .await
    }
}

/// A fragment bound to this node's files, ready to run.
struct Work {
    registers: PathBuf,
    unit_type: UnitType,
    drafts: Vec<Draft>,
    takes: Takes,
    program: Program,
    /// The value's form and secret bounds.
    value: Option<(PartForm, Interval)>,
}

/// How one source is read.
struct Read {
    variable: VariableName,
    kind: Kind,
    /// Below the registers folder.
    file: String,
    moment: Moment,
}

/// What is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Number,
    Text,
    Unit,
}

impl Kind {
    fn of(value_type: ValueType) -> Self {
        match value_type {
            ValueType::Number => Self::Number,
            ValueType::Text => Self::Text,
        }
    }
}

/// Which rows of a unit hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    /// FIXED: the one row.
    Always,
    /// STATUS: the row of that day.
    OnDay(Day),
    /// ACCUMULATED and EVENT: the row whose period has that day; an open period goes on.
    Within(Day),
    /// EVENT: all rows whose period has a day between these.
    Touches(Day, Day),
}

impl Work {
    fn prepare(
        store: &RegisterStore,
        fragment: Fragment,
        unit_type: UnitType,
        form: Option<PartForm>,
    ) -> Result<Self, ExtractError> {
        let (mut drafts, mut made, mut bounds) = (Vec::new(), Vec::new(), Vec::new());
        for preparation in &fragment.preparations {
            let draft = Draft::prepare(store, preparation, &made, &bounds)?;
            made.push(draft.known(preparation));
            bounds.push(draft.bounds());
            drafts.push(draft);
        }
        let takes = Takes::prepare(store, unit_type, &fragment.sources, &made)?;
        let program = Program::compile(&fragment, &takes.types)?;
        let value = match (&fragment.value, form) {
            (None, None) => None,
            (Some(expression), Some(form)) => {
                let bounds = Takes::bounds(store, &fragment.sources, &bounds);
                let bounds = Interval::of(expression, &bounds);
                Some((form, bounds.ok_or(ExtractError::Expression { what: "a value without bounds" })?))
            }
            _ => return Err(ExtractError::Expression { what: "a value without its form" }),
        };
        Ok(Self { registers: store.registers_folder(), unit_type, drafts, takes, program, value })
    }

    fn run(
        &self,
        population: bool,
        book: &dyn UnitBook,
        stop: &AtomicBool,
    ) -> Result<Extracted, ExtractError> {
        let units = book.count(self.unit_type);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|_| ExtractError::Failed)?;
        let reader = Reader::open(&self.registers)?;
        let mut tables: Vec<Table> = Vec::with_capacity(self.drafts.len());
        for draft in &self.drafts {
            tables.push(runtime.block_on(draft.make(&reader, &tables, book, stop))?);
        }
        let mut codes = vec![NO_CELL; units as usize];
        let mut column = self.value.map(|(form, bounds)| ValueColumn::new(form, bounds, units as usize));
        let mut numbers = vec![Vec::with_capacity(units as usize); self.program.numbers.len()];
        let mut values = Vec::new();
        for (range, categories) in codes.chunks_mut(RANGE_UNITS as usize).enumerate() {
            let first = range as u32 * RANGE_UNITS;
            let (count, tables) = (categories.len(), tables.as_slice());
            let stretch = Stretch { first, count, units, spells: None, tables, reader: &reader, stop };
            let columns = runtime.block_on(self.takes.read(&stretch))?;
            let by_value = self.program.by_value(&columns)?;
            for (batch, categories) in categories.chunks_mut(BATCH_UNITS).enumerate() {
                proceed(stop)?;
                let from = batch * BATCH_UNITS;
                values.clear();
                values.resize(categories.len(), f64::NAN);
                self.program.run(&columns, &by_value, from, categories, &mut values, &mut numbers)?;
                if let Some(column) = &mut column {
                    column.add(&values);
                }
                if population {
                    for (at, category) in categories.iter_mut().enumerate() {
                        if columns[0].is_missing(from + at) {
                            *category |= OUTSIDE;
                        }
                    }
                }
            }
        }
        let partition = self.program.partition(codes);
        Ok(Extracted { partition, values: column.map(ValueColumn::finish), numbers })
    }
}

fn wrong(what: &'static str) -> ExtractError {
    ExtractError::Expression { what }
}

/// What a variable's values are in expressions; none for a pointer.
fn value_type(domain: &ValueDomain) -> Option<ValueType> {
    match domain {
        ValueDomain::Codes { data_type, .. } | ValueDomain::Described { data_type, .. } => {
            Some(match data_type {
                DataType::String => ValueType::Text,
                DataType::Long | DataType::Double | DataType::Date => ValueType::Number,
            })
        }
        ValueDomain::Pointer { .. } => None,
    }
}

/// Which rows a source means; none where its date does not fit.
fn moment(temporality: Temporality, dates: &AvailableDates, source: &Source) -> Option<Moment> {
    match (temporality, dates, source.date) {
        (Temporality::Fixed, AvailableDates::None, None) => Some(Moment::Always),
        (Temporality::Status, AvailableDates::Days { days }, Some(day)) => {
            days.binary_search(&day).ok().map(|_| Moment::OnDay(day))
        }
        (Temporality::Accumulated, AvailableDates::Periods { periods }, Some(day)) => {
            let within = periods.iter().any(|(start, stop)| (*start..=*stop).contains(&day));
            within.then_some(Moment::Within(day))
        }
        (Temporality::Event, AvailableDates::Range { first, last }, Some(day)) => {
            (*first..=*last).contains(&day).then_some(Moment::Within(day))
        }
        _ => None,
    }
}

/// Runs `work` on a thread of its own and waits for it without holding up others.
///
/// If this future is dropped, `work` sees the flag it is given and ends.
async fn on_own_thread<T: Send + 'static>(
    work: impl FnOnce(&AtomicBool) -> Result<T, ExtractError> + Send + 'static,
) -> Result<T, ExtractError> {
    struct StopWhenDropped(Arc<AtomicBool>);
    impl Drop for StopWhenDropped {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    let stop = Arc::new(AtomicBool::new(false));
    let _guard = StopWhenDropped(stop.clone());
    let (answer, waiting) = oneshot::channel();
    thread::Builder::new()
        .name("extract".to_owned())
        .stack_size(STACK_BYTES)
        .spawn(move || {
            // Nobody may be waiting any more.
            let _ = answer.send(work(&stop));
        })
        .map_err(|_| ExtractError::Failed)?;
    // A panic drops the sender.
    waiting.await.unwrap_or(Err(ExtractError::Failed))
}

/// Ends the work where nobody waits for it.
fn proceed(stop: &AtomicBool) -> Result<(), ExtractError> {
    if stop.load(Ordering::Relaxed) { Err(ExtractError::Failed) } else { Ok(()) }
}

impl Program {
    /// Compiles a fragment's filters and dimensions for sources of these types.
    fn compile(fragment: &Fragment, types: &[ValueType]) -> Result<Self, ExtractError> {
        let compiler = expression::Compiler::new(types)?;
        let filters = fragment.filters.iter().map(|filter| {
            let (compiled, value_type) = compiler.compile(filter)?;
            match value_type {
                ValueType::Number => Ok(compiled),
                ValueType::Text => Err(ExtractError::Expression { what: "a text as a condition" }),
            }
        });
        let filters = filters.collect::<Result<_, _>>()?;
        let mut dimensions = Vec::with_capacity(fragment.dimensions.len());
        for dimension in &fragment.dimensions {
            let (compiled, value_type) = compiler.compile(&dimension.expression)?;
            let lookup = CategoryLookup::new(dimension, value_type)?;
            dimensions.push((compiled, lookup));
        }
        partition::codes(dimensions.iter().map(|(_, lookup): &(_, CategoryLookup)| lookup.categories))
            .ok_or(ExtractError::TooManyCategories)?;
        let number = |expression| match compiler.compile(expression)? {
            (compiled, ValueType::Number) => Ok(compiled),
            (_, ValueType::Text) => Err(ExtractError::Expression { what: "a text as a value" }),
        };
        let value = fragment.value.as_ref().map(number).transpose()?;
        let numbers = fragment.numbers.iter().map(|of| Ok((number(&of.expression)?, of.low, of.high)));
        let numbers = numbers.collect::<Result<_, ExtractError>>()?;
        Ok(Self { schema: compiler.schema(), filters, dimensions, value, numbers })
    }

    /// Evaluates what depends on one source of few values alone, once for each of these.
    fn by_value(&self, columns: &[Dense]) -> Result<ByFewValues, ExtractError> {
        let mut by_value = ByFewValues {
            few: (0..columns.len()).map(|_| None).collect(),
            filters: Vec::new(),
            dimensions: Vec::new(),
            sources: Vec::new(),
        };
        let alone = self.filters.iter().chain(self.dimensions.iter().map(|(of, _)| of));
        for source in alone.filter_map(Compiled::alone) {
            let few = by_value.few.get_mut(source).ok_or(wrong("there is no such source"))?;
            if few.is_none() {
                *few = columns[source].few();
            }
        }
        let batch = |compiled: &Compiled| match compiled.alone() {
            Some(source) => {
                let few = by_value.few[source].as_ref();
                let batch = few.map(|few| columns::few_batch(&self.schema, columns, source, few));
                Ok::<_, ExtractError>(batch.transpose()?.map(|batch| (source, batch)))
            }
            None => Ok(None),
        };
        let mut rest: Vec<&Compiled> =
            self.value.iter().chain(self.numbers.iter().map(|(of, ..)| of)).collect();
        for filter in &self.filters {
            let passes = match batch(filter)? {
                None => {
                    rest.push(filter);
                    None
                }
                Some((source, batch)) => Some((source, passes(&filter.numbers(&batch)?).collect())),
            };
            by_value.filters.push(passes);
        }
        for (compiled, lookup) in &self.dimensions {
            let found = match batch(compiled)? {
                None => {
                    rest.push(compiled);
                    None
                }
                Some((source, batch)) => Some((source, lookup.find(compiled, &batch)?)),
            };
            by_value.dimensions.push(found);
        }
        by_value.sources = rest.into_iter().flat_map(|compiled| compiled.sources.clone()).collect();
        Ok(by_value)
    }

    /// Units by code, of these dimensions.
    fn partition(&self, codes: Vec<u32>) -> Partition {
        Partition::new(self.dimensions.iter().map(|(_, lookup)| lookup.categories).collect(), codes)
    }

    /// Evaluates the units from `from` on, as many as there are `codes`.
    ///
    /// Codes are those of a [`Partition`]; a unit without a value, where there is a value column, has none. `values` become those of the
    /// value column, not a number where there is none or it is missing; whole numbers are appended to `numbers`.
    fn run(
        &self,
        columns: &[Dense],
        by_value: &ByFewValues,
        from: usize,
        codes: &mut [u32],
        values: &mut [f64],
        numbers: &mut [Vec<u32>],
    ) -> Result<(), ExtractError> {
        let units = codes.len();
        let batch = columns::batch(&self.schema, columns, &by_value.sources, from, units)?;
        let mut places = Vec::with_capacity(units);
        codes.fill(0);
        for ((compiled, lookup), by_few) in self.dimensions.iter().zip(&by_value.dimensions) {
            let none = lookup.categories;
            let enter = |(code, found): (&mut u32, Option<u32>)| {
                *code = *code * (none + 1) + found.unwrap_or(none);
            };
            match by_few {
                Some((source, found)) => {
                    by_value.places(columns, *source, from, units, &mut places);
                    let found = places.iter().map(|place| found[*place as usize]);
                    codes.iter_mut().zip(found).for_each(enter);
                }
                None => codes.iter_mut().zip(lookup.find(compiled, &batch)?).for_each(enter),
            }
        }
        for (filter, by_few) in self.filters.iter().zip(&by_value.filters) {
            let drop_out = |(code, passes): (&mut u32, bool)| {
                if !passes {
                    *code |= OUTSIDE;
                }
            };
            match by_few {
                Some((source, passes)) => {
                    by_value.places(columns, *source, from, units, &mut places);
                    let passes = places.iter().map(|place| passes[*place as usize]);
                    codes.iter_mut().zip(passes).for_each(drop_out);
                }
                None => codes.iter_mut().zip(passes(&filter.numbers(&batch)?)).for_each(drop_out),
            }
        }
        if let Some(value) = &self.value {
            let found = value.numbers(&batch)?;
            for (unit, (code, value)) in codes.iter_mut().zip(values).enumerate() {
                match found.is_null(unit) {
                    true => *code = NO_CELL,
                    false => *value = found.value(unit),
                }
            }
        }
        for ((number, low, high), above) in self.numbers.iter().zip(numbers) {
            let within = |value: f64| (value.clamp(*low as f64, *high as f64) as i64).abs_diff(*low) as u32;
            above.extend(number.numbers(&batch)?.iter().map(|value| value.map_or(MISSING, within)));
        }
        Ok(())
    }
}

/// What each value of a source comes to, and last a missing one: for the filters and dimensions that depend on one source alone
/// that has few values. Units are many.
struct ByFewValues {
    /// Of each source that is looked up so.
    few: Vec<Option<Few>>,
    filters: Vec<Option<(usize, Vec<bool>)>>,
    dimensions: Vec<Option<(usize, Vec<Option<u32>>)>>,
    /// What the rest reads.
    sources: Vec<usize>,
}

impl ByFewValues {
    /// The place of each unit's value among the few of a source.
    fn places(&self, columns: &[Dense], source: usize, from: usize, units: usize, places: &mut Vec<u32>) {
        if let Some(few) = &self.few[source] {
            columns[source].places(few, from, units, places);
        }
    }
}

/// Whether each unit passes a filter; missing is no.
fn passes(found: &Float64Array) -> impl Iterator<Item = bool> + '_ {
    found.iter().map(|value| value.is_some_and(|value| value != 0.0))
}

/// Finds a dimension's category by value.
struct CategoryLookup {
    categories: u32,
    missing: Option<u32>,
    values: ByValue,
}

enum ByValue {
    /// By the bits of a number with one zero only.
    Number(HashMap<u64, u32>),
    Text(HashMap<String, u32>),
}

impl CategoryLookup {
    /// Where a value stands twice, the first place counts.
    fn new(dimension: &Dimension, value_type: ValueType) -> Result<Self, ExtractError> {
        let categories = u32::try_from(dimension.categories.len()).ok();
        let categories = categories.ok_or(ExtractError::TooManyCategories)?;
        let mut missing = None;
        let mut values = match value_type {
            ValueType::Number => ByValue::Number(HashMap::new()),
            ValueType::Text => ByValue::Text(HashMap::new()),
        };
        for (index, category) in (0..).zip(&dimension.categories) {
            match (&mut values, &category.value) {
                (_, None) => {
                    missing.get_or_insert(index);
                }
                (ByValue::Number(values), Some(Value::Number(number))) => {
                    values.entry(bits(*number)).or_insert(index);
                }
                (ByValue::Text(values), Some(Value::Text(text))) => {
                    values.entry(text.clone()).or_insert(index);
                }
                _ => return Err(ExtractError::Expression { what: "a category of another type" }),
            }
        }
        Ok(Self { categories, missing, values })
    }

    /// The category of each row of a batch.
    fn find(&self, compiled: &Compiled, batch: &RecordBatch) -> Result<Vec<Option<u32>>, ExtractError> {
        Ok(match self.values {
            ByValue::Number(_) => self.numbers(&compiled.numbers(batch)?),
            ByValue::Text(_) => self.texts(&compiled.texts(batch)?),
        })
    }

    fn numbers(&self, column: &Float64Array) -> Vec<Option<u32>> {
        let ByValue::Number(values) = &self.values else { return vec![None; column.len()] };
        let find = |value: Option<f64>| match value {
            Some(number) => values.get(&bits(number)).copied(),
            None => self.missing,
        };
        column.iter().map(find).collect()
    }

    fn texts(&self, column: &StringArray) -> Vec<Option<u32>> {
        let ByValue::Text(values) = &self.values else { return vec![None; column.len()] };
        let find = |value: Option<&str>| match value {
            Some(text) => values.get(text).copied(),
            None => self.missing,
        };
        column.iter().map(find).collect()
    }
}

fn bits(number: f64) -> u64 {
    // Minus zero is zero.
    (number + 0.0).to_bits()
}
