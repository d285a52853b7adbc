//! Sources as dense columns: one value a unit, in order of unit number.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, RecordBatch, RecordBatchOptions, StringArray,
};
use datafusion::arrow::buffer::{BooleanBuffer, NullBuffer};
use datafusion::arrow::datatypes::{
    DataType, Date32Type, Float64Type, Int32Type, Int64Type, SchemaRef, UInt32Type,
};
use datafusion::datasource::object_store::ObjectStoreUrl;
use datafusion::object_store::local::LocalFileSystem;
use datafusion::prelude::{DataFrame, Expr, ParquetReadOptions, SessionConfig, SessionContext, col, lit};
use datafusion::scalar::ScalarValue;
use futures::StreamExt;
use kobling_model::expression::ValueType;

use super::take::Spells;
use super::{ExtractError, Kind, Moment, Read, proceed};

/// Where DataFusion sees the registers folder. It sees no other folder.
const REGISTERS: &str = "kobling://registers/";

const NO_TEXT: u32 = u32::MAX;
/// Up to so many whole numbers are few.
const FEW_NUMBERS_MAX: usize = 1 << 16;
/// No unit is pointed at.
pub(super) const NO_UNIT: u32 = u32::MAX;

/// Values of a range of units, or of other rows.
#[derive(Clone)]
pub(super) enum Dense {
    /// Not a number where missing; what is read is finite.
    Numbers(Vec<f64>),
    /// Indices of distinct texts, [`NO_TEXT`] where missing.
    Texts { indices: Vec<u32>, distinct: Vec<Box<str>> },
    /// Unit numbers of what pointers point to, [`NO_UNIT`] where missing.
    Units(Vec<u32>),
}

/// The values that a column can have, and last a missing one.
pub(super) struct Few {
    /// Of numbers, the lowest.
    low: f64,
    values: ArrayRef,
}

impl Few {
    /// Values, the missing one too.
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }
}

impl Dense {
    /// All missing.
    pub(super) fn none(kind: Kind, units: usize) -> Self {
        match kind {
            Kind::Number => Self::missing(ValueType::Number, units),
            Kind::Text => Self::missing(ValueType::Text, units),
            Kind::Unit => Self::Units(vec![NO_UNIT; units]),
        }
    }

    pub(super) fn missing(value_type: ValueType, units: usize) -> Self {
        match value_type {
            ValueType::Number => Self::Numbers(vec![f64::NAN; units]),
            ValueType::Text => Self::Texts { indices: vec![NO_TEXT; units], distinct: Vec::new() },
        }
    }

    pub(super) fn is_missing(&self, at: usize) -> bool {
        match self {
            Self::Numbers(numbers) => numbers[at].is_nan(),
            Self::Texts { indices, .. } => indices[at] == NO_TEXT,
            Self::Units(units) => units[at] == NO_UNIT,
        }
    }

    /// The values that there can be, where those are fewer than the rows: distinct texts, or the whole numbers from the lowest to
    /// the highest.
    pub(super) fn few(&self) -> Option<Few> {
        match self {
            Self::Units(_) => None,
            Self::Texts { distinct, .. } => {
                let texts = distinct.iter().map(Some).chain([None]);
                Some(Few { low: 0.0, values: Arc::new(StringArray::from_iter(texts)) })
            }
            Self::Numbers(numbers) => {
                let (mut low, mut high, mut whole) = (f64::INFINITY, f64::NEG_INFINITY, true);
                for number in numbers {
                    // What is missing is neither less nor more than anything, and is no obstacle.
                    low = low.min(*number);
                    high = high.max(*number);
                    whole &= number.is_nan() || f64::from(*number as i32) == *number;
                }
                let few = FEW_NUMBERS_MAX.min(numbers.len()) as f64;
                if !whole || low > high || high - low >= few {
                    return None;
                }
                let count = (high - low) as u32 + 1;
                let values = (0..count).map(|step| Some(low + f64::from(step))).chain([None]);
                Some(Few { low, values: Arc::new(Float64Array::from_iter(values)) })
            }
        }
    }

    /// The values of arrays of numbers or texts, one after the other.
    pub(super) fn of_arrays(arrays: &[&ArrayRef], texts: bool) -> Self {
        if !texts {
            let numbers = arrays.iter().filter_map(|array| array.as_primitive_opt::<Float64Type>());
            return Self::Numbers(
                numbers.flat_map(|numbers| numbers.iter()).map(|number| number.unwrap_or(f64::NAN)).collect(),
            );
        }
        let (mut indices, mut distinct, mut places) =
            (Vec::new(), Vec::new(), HashMap::<Box<str>, u32>::new());
        for text in
            arrays.iter().filter_map(|array| array.as_string_opt::<i32>()).flat_map(|texts| texts.iter())
        {
            indices.push(text.map_or(NO_TEXT, |text| match places.get(text) {
                Some(place) => *place,
                None => {
                    let place = distinct.len() as u32;
                    distinct.push(Box::from(text));
                    places.insert(text.into(), place);
                    place
                }
            }));
        }
        Self::Texts { indices, distinct }
    }

    /// So many more rows, all missing.
    fn grow(&mut self, rows: usize) {
        match self {
            Self::Numbers(numbers) => numbers.resize(numbers.len() + rows, f64::NAN),
            Self::Texts { indices, .. } => indices.resize(indices.len() + rows, NO_TEXT),
            Self::Units(units) => units.resize(units.len() + rows, NO_UNIT),
        }
    }

    /// The values in these places; missing where there is none.
    pub(super) fn gather(&self, places: impl Iterator<Item = Option<usize>>) -> Self {
        fn pick<T: Copy>(from: &[T], places: impl Iterator<Item = Option<usize>>, none: T) -> Vec<T> {
            places.map(|place| place.and_then(|place| from.get(place).copied()).unwrap_or(none)).collect()
        }
        match self {
            Self::Numbers(numbers) => Self::Numbers(pick(numbers, places, f64::NAN)),
            Self::Texts { indices, distinct } => {
                Self::Texts { indices: pick(indices, places, NO_TEXT), distinct: distinct.clone() }
            }
            Self::Units(units) => Self::Units(pick(units, places, NO_UNIT)),
        }
    }

    /// 1 where there is a value.
    pub(super) fn presence(&self) -> Self {
        let rows = match self {
            Self::Numbers(numbers) => numbers.len(),
            Self::Texts { indices, .. } => indices.len(),
            Self::Units(units) => units.len(),
        };
        Self::Numbers((0..rows).map(|row| if self.is_missing(row) { f64::NAN } else { 1.0 }).collect())
    }

    /// For each of some units: the place of its value among few, of which the last is the missing one.
    pub(super) fn places(&self, few: &Few, from: usize, units: usize, places: &mut Vec<u32>) {
        let missing = (few.len() - 1) as u32;
        places.clear();
        match self {
            Self::Units(_) => places.resize(units, missing),
            Self::Texts { indices, .. } => {
                places.extend(indices[from..from + units].iter().map(|index| (*index).min(missing)));
            }
            Self::Numbers(numbers) => {
                let place = |number: &f64| match number.is_nan() {
                    true => missing,
                    false => (*number - few.low) as u32,
                };
                places.extend(numbers[from..from + units].iter().map(place));
            }
        }
    }

    fn missing_array(&self, units: usize) -> ArrayRef {
        match self {
            Self::Numbers(_) | Self::Units(_) => Arc::new(Float64Array::new_null(units)),
            Self::Texts { .. } => Arc::new(StringArray::new_null(units)),
        }
    }

    fn array(&self, from: usize, units: usize) -> ArrayRef {
        match self {
            Self::Numbers(numbers) => {
                let numbers = &numbers[from..from + units];
                let there = NullBuffer::new(BooleanBuffer::collect_bool(units, |at| !numbers[at].is_nan()));
                let values = numbers.iter().map(|number| if number.is_nan() { 0.0 } else { *number });
                let there = Some(there).filter(|there| there.null_count() > 0);
                Arc::new(Float64Array::new(values.collect::<Vec<_>>().into(), there))
            }
            Self::Texts { indices, distinct } => {
                let texts = indices[from..from + units].iter();
                Arc::new(StringArray::from_iter(texts.map(|index| distinct.get(*index as usize))))
            }
            // What a pointer points to is in no expression.
            Self::Units(_) => self.missing_array(units),
        }
    }
}

/// The units from `from` on, as the input of expressions over these sources; others are missing.
pub(super) fn batch(
    schema: &SchemaRef,
    columns: &[Dense],
    sources: &[usize],
    from: usize,
    units: usize,
) -> Result<RecordBatch, ExtractError> {
    let column = |(at, column): (usize, &Dense)| match sources.contains(&at) {
        true => column.array(from, units),
        false => column.missing_array(units),
    };
    record_batch(schema, columns.iter().enumerate().map(column).collect(), units)
}

/// Each of the few values of one source, then a missing one, as the input of expressions over that source alone.
pub(super) fn few_batch(
    schema: &SchemaRef,
    columns: &[Dense],
    source: usize,
    few: &Few,
) -> Result<RecordBatch, ExtractError> {
    let rows = few.len();
    let column = |(at, column): (usize, &Dense)| match at == source {
        true => few.values.clone(),
        false => column.missing_array(rows),
    };
    record_batch(schema, columns.iter().enumerate().map(column).collect(), rows)
}

fn record_batch(
    schema: &SchemaRef,
    columns: Vec<ArrayRef>,
    units: usize,
) -> Result<RecordBatch, ExtractError> {
    let options = RecordBatchOptions::new().with_row_count(Some(units));
    RecordBatch::try_new_with_options(schema.clone(), columns, &options).map_err(|_| ExtractError::Failed)
}

/// Reads sources through DataFusion.
pub(super) struct Reader {
    context: SessionContext,
}

impl Reader {
    pub(super) fn open(registers: &Path) -> Result<Self, ExtractError> {
        // One partition keeps the rows in file order and the memory small. The columns that a node shares with
        // its peers take far longer than reading.
        let config = SessionConfig::new()
            .with_target_partitions(1)
            .with_repartition_file_scans(false)
            .with_collect_statistics(false);
        let context = SessionContext::new_with_config(config);
        let files = LocalFileSystem::new_with_prefix(registers).map_err(|_| ExtractError::Failed)?;
        let url = ObjectStoreUrl::parse(REGISTERS).map_err(|_| ExtractError::Failed)?;
        context.register_object_store(url.as_ref(), Arc::new(files));
        Ok(Self { context })
    }

    /// The values of `count` units from `first` on.
    ///
    /// Every unit number of the file must be below `units`, and a unit has at most one value at the moment:
    /// anything else means that file, manifest and identity map do not belong together.
    pub(super) async fn read(
        &self,
        read: &Read,
        first: u32,
        count: usize,
        units: u32,
        stop: &AtomicBool,
    ) -> Result<Dense, ExtractError> {
        let damaged = || ExtractError::Damaged { variable: read.variable.clone() };
        let frame = self.rows(read, range(first, count, units), &["unit", "value"]).await;
        let mut rows = frame.map_err(|_| damaged())?.execute_stream().await.map_err(|_| damaged())?;
        let mut column = Scatter::new(read.kind, first, count);
        while let Some(batch) = rows.next().await {
            proceed(stop)?;
            column.add(&batch.map_err(|_| damaged())?).ok_or_else(damaged)?;
        }
        Ok(column.dense)
    }

    /// The spells of `count` units from `first` on, in order of unit, then of their first day.
    pub(super) async fn spells(
        &self,
        read: &Read,
        first: u32,
        count: usize,
        units: u32,
        stop: &AtomicBool,
    ) -> Result<Spells, ExtractError> {
        let damaged = || ExtractError::Damaged { variable: read.variable.clone() };
        let frame = self.rows(read, range(first, count, units), &["unit", "value", "start", "stop"]).await;
        let mut rows = frame.map_err(|_| damaged())?.execute_stream().await.map_err(|_| damaged())?;
        let mut column = Scatter::new(read.kind, 0, 0);
        let (mut of_units, mut start, mut stopped) = (Vec::new(), Vec::new(), Vec::new());
        while let Some(batch) = rows.next().await {
            proceed(stop)?;
            let batch = batch.map_err(|_| damaged())?;
            let places = of_units.len()..of_units.len() + batch.num_rows();
            let units = batch.column(0).as_primitive_opt::<UInt32Type>().ok_or_else(damaged)?;
            of_units.extend_from_slice(units.values());
            for (days, at) in [(&mut start, 2), (&mut stopped, 3)] {
                let column = batch.column(at).as_primitive_opt::<Date32Type>().ok_or_else(damaged)?;
                days.extend(column.iter().map(|day| day.map_or(f64::NAN, f64::from)));
            }
            column.dense.grow(batch.num_rows());
            column.put(batch.column(1), places.map(Some)).ok_or_else(damaged)?;
        }
        if of_units.iter().any(|unit| unit.wrapping_sub(first) as usize >= count) {
            return Err(damaged());
        }
        let (start, stop) = (Dense::Numbers(start), Dense::Numbers(stopped));
        Ok(Spells { units: of_units, value: column.dense, start, stop })
    }

    async fn rows(&self, read: &Read, range: Expr, columns: &[&str]) -> datafusion::error::Result<DataFrame> {
        let url = format!("{REGISTERS}{}", read.file);
        let frame = self.context.read_parquet(url, ParquetReadOptions::default()).await?;
        let filter = match at(read.moment) {
            Some(holds) => range.and(holds),
            None => range,
        };
        frame.filter(filter)?.select(columns.iter().map(|name| col(*name)).collect::<Vec<_>>())
    }

    /// The engine, for tables that are in memory.
    pub(super) fn engine(&self) -> &SessionContext {
        &self.context
    }
}

/// Rows of `count` units from `first` on; the last stretch also takes what lies beyond the identity map, to see that nothing does.
fn range(first: u32, count: usize, units: u32) -> Expr {
    let last = first.saturating_add(count as u32);
    match last >= units {
        true => col("unit").gt_eq(lit(first)),
        false => col("unit").gt_eq(lit(first)).and(col("unit").lt(lit(last))),
    }
}

/// Whether a row holds at the moment.
fn at(moment: Moment) -> Option<Expr> {
    let date = |day: kobling_model::Day| lit(ScalarValue::Date32(Some(day.days())));
    match moment {
        Moment::Always => None,
        Moment::Touches(first, last) => {
            let goes_on = col("stop").is_null().or(col("stop").gt_eq(date(first)));
            Some(col("start").lt_eq(date(last)).and(goes_on))
        }
        Moment::OnDay(day) => Some(col("start").eq(date(day))),
        Moment::Within(day) => {
            let goes_on = col("stop").is_null().or(col("stop").gt_eq(date(day)));
            Some(col("start").lt_eq(date(day)).and(goes_on))
        }
    }
}

/// A dense column while rows come in.
struct Scatter {
    first: u32,
    dense: Dense,
    numbers: HashMap<Box<str>, u32>,
}

impl Scatter {
    fn new(kind: Kind, first: u32, count: usize) -> Self {
        Self { first, dense: Dense::none(kind, count), numbers: HashMap::new() }
    }

    /// Puts each row's value in its unit's place. None where the rows are not those of a register.
    fn add(&mut self, batch: &RecordBatch) -> Option<()> {
        let units = batch.column(0).as_primitive_opt::<UInt32Type>()?;
        if units.null_count() > 0 {
            return None;
        }
        let first = self.first;
        let places = units.values().iter().map(|unit| unit.checked_sub(first).map(|at| at as usize));
        self.put(batch.column(1), places)
    }

    /// Puts each value in its place, which must be free.
    fn put(&mut self, values: &ArrayRef, places: impl Iterator<Item = Option<usize>>) -> Option<()> {
        if values.null_count() > 0 {
            return None;
        }
        match &mut self.dense {
            Dense::Numbers(numbers) => {
                let put = |(place, value): (Option<usize>, f64)| {
                    let slot = numbers.get_mut(place?)?;
                    // Adding zero makes one zero of both.
                    (slot.is_nan() && value.is_finite()).then(|| *slot = value + 0.0)
                };
                match values.data_type() {
                    DataType::Int64 => {
                        let values = values.as_primitive::<Int64Type>().values().iter();
                        places.zip(values.map(|value| *value as f64)).try_for_each(put)
                    }
                    DataType::Float64 => {
                        let values = values.as_primitive::<Float64Type>().values().iter();
                        places.zip(values.copied()).try_for_each(put)
                    }
                    DataType::Date32 => {
                        let values = values.as_primitive::<Date32Type>().values().iter();
                        places.zip(values.map(|value| f64::from(*value))).try_for_each(put)
                    }
                    _ => None,
                }
            }
            Dense::Units(pointed) => {
                let values = values.as_primitive_opt::<UInt32Type>()?.values().iter();
                places.zip(values).try_for_each(|(place, value)| {
                    let slot = pointed.get_mut(place?)?;
                    (*slot == NO_UNIT).then(|| *slot = *value)
                })
            }
            Dense::Texts { indices, distinct } => {
                let values = values.as_dictionary_opt::<Int32Type>()?;
                let texts = values.values().as_string_opt::<i32>()?;
                // Each batch has a dictionary of its own: from its keys to ours.
                let mut ours = Vec::with_capacity(texts.len());
                for text in texts.iter() {
                    let text = text?;
                    let number = self.numbers.get(text).copied().unwrap_or_else(|| {
                        let number = distinct.len() as u32;
                        distinct.push(text.into());
                        self.numbers.insert(text.into(), number);
                        number
                    });
                    ours.push(number);
                }
                places.zip(values.keys().values()).try_for_each(|(place, key)| {
                    let slot = indices.get_mut(place?)?;
                    let number = *ours.get(usize::try_from(*key).ok()?)?;
                    (*slot == NO_TEXT).then(|| *slot = number)
                })
            }
        }
    }
}
