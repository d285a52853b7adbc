//! Tables that an owner prepares: rows grouped by a key, with statistics of each group.
//!
//! Rows are read a stretch of units at a time, filtered and reduced to key and values; DataFusion groups them. A table holds one value a group
//! and measure, and finds a group by unit number or by values. It stays in memory while the fragment that needs it is evaluated.
//!
//! # Who learns what
//! Nobody but the owner sees a table. Yet what it says of a group is a value of every unit of the group afterwards, so that tables of
//! such values would tell the exact maximum or sum of a large group bit by bit. What is said of a large group of several units is therefore
//! blurred at its owner, as a shown statistic is: see [`super::blur`].

use std::collections::HashMap;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, ListArray, RecordBatch, StringArray, UInt32Array,
    UInt64Array,
};
use datafusion::arrow::compute::filter_record_batch;
use datafusion::arrow::datatypes::{DataType, Field, Float64Type, Int64Type, Schema, UInt32Type, UInt64Type};
use datafusion::functions_aggregate::expr_fn::{array_agg, avg, count, max, min, stddev, sum};
use datafusion::prelude::{Expr, col};
use kobling_model::UnitType;
use kobling_model::expression::{Expression, ValueType};
use kobling_model::interval::Interval;
use kobling_model::preparation::{By, Column, Preparation, Rows, Statistic};
use std::sync::Arc;

use super::blur::{self, Group};
use super::columns::{self, Dense, NO_UNIT, Reader};
use super::expression::{Compiled, Compiler};
use super::take::{Spells, Stretch, Takes, pointer, spells};
use super::{BATCH_UNITS, ExtractError, RANGE_UNITS, Read, UnitBook, proceed, wrong};
use crate::register::RegisterStore;

/// Values of a panel's rows that may be held before they are grouped: those of twelve dates of everybody with two measures, some gigabytes.
const KEPT_MAX: usize = 200_000_000;

/// A prepared table: a value for each group and measure.
pub(super) struct Table {
    index: Index,
    pub(super) columns: Vec<Dense>,
}

/// Where a group is.
enum Index {
    /// By unit number; [`NO_UNIT`] for none.
    Units(Vec<u32>),
    /// By the bytes of its values.
    Values(HashMap<Box<[u8]>, u32>),
}

impl Table {
    /// The row of a unit.
    pub(super) fn of_unit(&self, unit: u32) -> Option<usize> {
        match &self.index {
            Index::Units(rows) => {
                rows.get(unit as usize).filter(|row| **row != NO_UNIT).map(|row| *row as usize)
            }
            Index::Values(_) => None,
        }
    }

    /// The row of some values.
    pub(super) fn of_values(&self, keys: &Keys, row: usize) -> Option<usize> {
        match &self.index {
            Index::Units(_) => None,
            Index::Values(rows) => rows.get(keys.of_row(row)?.as_slice()).map(|row| *row as usize),
        }
    }
}

/// Values that a group is found by.
pub(super) struct Keys(Vec<ArrayRef>);

impl Keys {
    pub(super) fn of(values: &[Compiled], batch: &RecordBatch) -> Result<Self, ExtractError> {
        values.iter().map(|value| value.array(batch)).collect::<Result<_, _>>().map(Self)
    }

    /// A row's values, one after the other; none where one is missing.
    fn of_row(&self, row: usize) -> Option<Vec<u8>> {
        let mut bytes = Vec::with_capacity(9 * self.0.len());
        for array in &self.0 {
            if array.is_null(row) {
                return None;
            }
            match array.data_type() {
                // Numbers have one zero.
                DataType::Float64 => {
                    bytes.push(0);
                    bytes.extend(
                        (array.as_primitive::<Float64Type>().value(row) + 0.0).to_bits().to_le_bytes(),
                    );
                }
                _ => {
                    let text = array.as_string_opt::<i32>()?.value(row);
                    bytes.push(1);
                    bytes.extend((text.len() as u64).to_le_bytes());
                    bytes.extend(text.as_bytes());
                }
            }
        }
        Some(bytes)
    }
}

/// What is known of a table before it is made.
pub(super) struct Known {
    /// Of its measures.
    pub(super) types: Vec<ValueType>,
    /// Number of values that a group is found by.
    pub(super) keys: usize,
    /// Whether what it says is of several units.
    pub(super) of_several: bool,
}

/// A table that is to be made.
pub(super) struct Draft {
    unit_type: UnitType,
    spells: Option<Read>,
    takes: Takes,
    /// Rows have values that are of several units already.
    nested: bool,
    measures: Vec<DraftMeasure>,
    /// Rows of a panel at each date; else one.
    layers: Vec<DraftLayer>,
}

/// Rows that are filtered, grouped and measured in the same way.
struct DraftLayer {
    /// The column in which a unit's row has a value.
    presence: usize,
    filters: Vec<Compiled>,
    by: DraftBy,
    /// What is measured, for each measure.
    values: Vec<Compiled>,
}

enum DraftBy {
    Unit,
    Pointer(Read, UnitType),
    Values(Vec<Compiled>),
}

impl DraftBy {
    /// Whether rows of both can be in one group.
    fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Unit, Self::Unit) => true,
            (Self::Pointer(_, one), Self::Pointer(_, other)) => one == other,
            (Self::Values(one), Self::Values(other)) => one.len() == other.len(),
            _ => false,
        }
    }
}

struct DraftMeasure {
    statistic: Statistic,
    /// What values are, not what the statistic is.
    of_texts: bool,
    /// Of public codes.
    of_codes: bool,
    /// Secret bounds of the values.
    bounds: Option<Interval>,
}

impl Draft {
    /// Binds a plan's table to this node's files; `made` are the tables before, `bounds` those of their measures.
    pub(super) fn prepare(
        store: &RegisterStore,
        preparation: &Preparation,
        made: &[Known],
        bounds: &[Vec<Option<Interval>>],
    ) -> Result<Self, ExtractError> {
        let unit_type = preparation.rows.unit_type();
        let spells = match &preparation.rows {
            Rows::Units(_) => None,
            Rows::Spells { variable, first, last, .. } => {
                Some(spells(store, variable, unit_type, *first, *last)?)
            }
        };
        if spells.is_none() && preparation.sources.is_empty() {
            return Err(ExtractError::NoPopulation);
        }
        let takes = Takes::prepare(store, unit_type, &preparation.sources, made)?;
        let source_bounds = Takes::bounds(store, &preparation.sources, bounds);
        let compiler = Compiler::new(&takes.types)?;
        let condition = |filter: &Expression| match compiler.compile(filter)? {
            (compiled, ValueType::Number) => Ok(compiled),
            (_, ValueType::Text) => Err(wrong("a text as a condition")),
        };
        let conditions =
            |filters: &[Expression]| filters.iter().map(condition).collect::<Result<_, ExtractError>>();
        let key = |by: &By| match by {
            By::Unit => Ok(DraftBy::Unit),
            By::Pointer { pointer: of, unit_type: to } => {
                Ok(DraftBy::Pointer(pointer(store, of, unit_type, Some(*to))?, *to))
            }
            By::Values(values) if values.is_empty() => Err(wrong("groups without a key")),
            By::Values(values) => {
                let values = values.iter().map(|value| Ok(compiler.compile(value)?.0));
                Ok(DraftBy::Values(values.collect::<Result<_, ExtractError>>()?))
            }
        };
        let first = DraftLayer {
            presence: 0,
            filters: conditions(&preparation.filters)?,
            by: key(&preparation.by)?,
            values: preparation
                .measures
                .iter()
                .map(|measure| Ok(compiler.compile(&measure.value)?.0))
                .collect::<Result<_, ExtractError>>()?,
        };
        let mut layers = vec![first];
        for layer in &preparation.layers {
            let types = preparation.measures.iter().map(|measure| &measure.value).zip(&layer.values);
            let mut values = Vec::with_capacity(layer.values.len());
            for (of_first, value) in types {
                let (value, value_type) = compiler.compile(value)?;
                if value_type != compiler.compile(of_first)?.1 {
                    return Err(wrong("a panel's values differ in type"));
                }
                values.push(value);
            }
            let layer = DraftLayer {
                presence: layer.presence,
                filters: conditions(&layer.filters)?,
                by: key(&layer.by)?,
                values,
            };
            let fits = spells.is_none()
                && layer.values.len() == preparation.measures.len()
                && layer.presence < preparation.sources.len()
                && layer.by.is_like(&layers[0].by);
            if !fits {
                return Err(wrong("a panel's dates do not fit each other"));
            }
            layers.push(layer);
        }
        let measure = |(at, measure): (usize, &kobling_model::preparation::Measure)| {
            let (_, value_type) = compiler.compile(&measure.value)?;
            let of_texts = value_type == ValueType::Text;
            let yields = match measure.statistic {
                Statistic::Value | Statistic::Min | Statistic::Max => value_type,
                _ => ValueType::Number,
            };
            if yields != measure.value_type || of_texts && !measure.statistic.is_of_texts() {
                return Err(wrong("a statistic of values of another type"));
            }
            let further = preparation.layers.iter().map(|layer| &layer.values[at]);
            let bounds = Interval::of_all(std::iter::once(&measure.value).chain(further), &source_bounds);
            let (statistic, of_codes) = (measure.statistic, measure.of_codes);
            Ok(DraftMeasure { statistic, of_texts, of_codes, bounds })
        };
        let measures = preparation.measures.iter().enumerate().map(measure);
        let measures = measures.collect::<Result<Vec<_>, ExtractError>>()?;
        let by_unit = matches!(layers[0].by, DraftBy::Unit) && spells.is_none() && layers.len() == 1;
        let of_rows = |measure: &DraftMeasure| {
            matches!(
                measure.statistic,
                Statistic::Value | Statistic::Quantile { .. } | Statistic::Drawn { .. }
            )
        };
        // A row's own value is that of its unit, of which there is one row.
        if !by_unit && measures.iter().any(of_rows) {
            return Err(wrong("a row's own value of a group of rows"));
        }
        let of_several = |column: &Column| match column {
            Column::Prepared { preparation, .. } => {
                made.get(*preparation).is_some_and(|table| table.of_several)
            }
            _ => false,
        };
        let nested = preparation.sources.iter().any(of_several);
        Ok(Self { unit_type, spells, takes, nested, measures, layers })
    }

    /// What rows of all dates are grouped by, in kind.
    fn by(&self) -> &DraftBy {
        &self.layers[0].by
    }

    /// What others need to know of the table.
    pub(super) fn known(&self, preparation: &Preparation) -> Known {
        let types = preparation.measures.iter().map(|measure| measure.value_type).collect();
        let of_several = self.nested || !matches!(self.by(), DraftBy::Unit);
        Known { types, keys: self.keys(), of_several }
    }

    /// Secret bounds of each measure.
    pub(super) fn bounds(&self) -> Vec<Option<Interval>> {
        self.measures.iter().map(|measure| measure.statistic.bounds(measure.bounds)).collect()
    }

    /// Number of values that a group is found by.
    fn keys(&self) -> usize {
        match self.by() {
            DraftBy::Values(values) => values.len(),
            DraftBy::Unit | DraftBy::Pointer(..) => 0,
        }
    }

    /// Values that a panel's rows may have at most, of so many units: a key and the measures for each date. How many rows pass is a
    /// count of people, so what is refused must not follow from it; of the units, only how many batches they take.
    fn may_keep(&self, units: u32) -> usize {
        let units = (units as usize).div_ceil(BATCH_UNITS).saturating_mul(BATCH_UNITS);
        units.saturating_mul(self.layers.len()).saturating_mul(1 + self.measures.len())
    }

    /// Reads the rows and makes the table.
    pub(super) async fn make(
        &self,
        reader: &Reader,
        tables: &[Table],
        book: &dyn UnitBook,
        stop: &std::sync::atomic::AtomicBool,
    ) -> Result<Table, ExtractError> {
        let units = book.count(self.unit_type);
        // Record keys are for groups of several units.
        let keys = match self.by() {
            DraftBy::Unit => None,
            _ => Some(book.keys(self.unit_type)),
        };
        // Of its own unit, a unit's rows are all in one stretch.
        let by_unit = matches!(self.by(), DraftBy::Unit);
        if !by_unit && self.layers.len() > 1 && self.may_keep(units) > KEPT_MAX {
            return Err(ExtractError::TooLarge);
        }
        let one_each = by_unit && self.spells.is_none() && self.layers.len() == 1;
        let (mut batches, mut groups) = (Vec::new(), Vec::new());
        let all: Vec<usize> = (0..self.takes.types.len()).collect();
        let mut first = 0;
        while first < units {
            let count = RANGE_UNITS.min(units - first) as usize;
            let spells: Option<Spells> = match &self.spells {
                None => None,
                Some(read) => Some(reader.spells(read, first, count, units, stop).await?),
            };
            let stretch = Stretch { first, count, units, spells: spells.as_ref(), tables, reader, stop };
            let columns = self.takes.read(&stretch).await?;
            let mut pointed = Vec::with_capacity(self.layers.len());
            for layer in &self.layers {
                pointed.push(match &layer.by {
                    DraftBy::Pointer(read, _) => Some(stretch.pointed(read).await?),
                    _ => None,
                });
            }
            for from in (0..stretch.rows()).step_by(BATCH_UNITS) {
                let rows = from..(from + BATCH_UNITS).min(stretch.rows());
                let batch = columns::batch(&self.takes.schema, &columns, &all, rows.start, rows.len())?;
                let keys = keys.as_ref().map(|keys| keys.as_slice());
                for (layer, pointed) in self.layers.iter().zip(&pointed) {
                    proceed(stop)?;
                    let pointed = pointed.as_deref();
                    let (rows, batch) = (rows.clone(), &batch);
                    batches.push(self.reduced(layer, &stretch, (&columns, batch), pointed, keys, rows)?);
                }
            }
            if by_unit && !one_each {
                groups.extend(self.groups(reader, std::mem::take(&mut batches)).await?);
            }
            first += count as u32;
        }
        if one_each {
            return self.of_units(&batches, units, book);
        }
        if !by_unit {
            groups = self.groups(reader, batches).await?;
        }
        let several = !by_unit;
        let index = self.index(&groups, book)?;
        let column = |at: usize| self.column(&groups, at, several);
        let columns = (0..self.measures.len()).map(column).collect::<Result<_, _>>()?;
        Ok(Table { index, columns })
    }

    /// Key, values and record key of the rows that count.
    fn reduced(
        &self,
        layer: &DraftLayer,
        stretch: &Stretch<'_>,
        (columns, batch): (&[Dense], &RecordBatch),
        pointed: Option<&[u32]>,
        record_keys: Option<&[[u16; 3]]>,
        rows: std::ops::Range<usize>,
    ) -> Result<RecordBatch, ExtractError> {
        let count = rows.len();
        let mut counts = vec![true; count];
        if self.spells.is_none() {
            let presence = &columns[layer.presence];
            counts.iter_mut().zip(rows.clone()).for_each(|(counts, row)| *counts = !presence.is_missing(row));
        }
        for filter in &layer.filters {
            let passes = super::passes(&filter.numbers(batch)?).collect::<Vec<_>>();
            counts.iter_mut().zip(passes).for_each(|(counts, passes)| *counts &= passes);
        }
        let mut named: Vec<(String, ArrayRef)> = Vec::new();
        match &layer.by {
            DraftBy::Unit => {
                let units = UInt32Array::from_iter_values(rows.clone().map(|row| stretch.unit(row)));
                named.push(("k0".to_owned(), Arc::new(units)));
            }
            DraftBy::Pointer(..) => {
                let pointed = &pointed.ok_or(wrong("a key is no pointer"))?[rows.clone()];
                counts.iter_mut().zip(pointed).for_each(|(counts, unit)| *counts &= *unit != NO_UNIT);
                named.push((
                    "k0".to_owned(),
                    Arc::new(UInt32Array::from_iter_values(pointed.iter().copied())),
                ));
            }
            DraftBy::Values(values) => {
                for (at, array) in Keys::of(values, batch)?.0.into_iter().enumerate() {
                    counts.iter_mut().enumerate().for_each(|(row, counts)| *counts &= !array.is_null(row));
                    named.push((format!("k{at}"), array));
                }
            }
        }
        for (at, value) in layer.values.iter().enumerate() {
            named.push((format!("m{at}"), value.array(batch)?));
        }
        if let Some(record_keys) = record_keys {
            for (at, measure) in self.measures.iter().enumerate() {
                let values =
                    named.iter().find(|(name, _)| *name == format!("m{at}")).map(|(_, array)| array.clone());
                let values = values.ok_or(ExtractError::Failed)?;
                let numbers = values.as_primitive_opt::<Float64Type>();
                let value = |row: usize| match numbers {
                    _ if values.is_null(row) => None,
                    Some(numbers) => Some(numbers.value(row)),
                    None => Some(0.0),
                };
                let mark = |row: usize| {
                    let key = record_keys.get(stretch.unit(rows.start + row) as usize).copied();
                    blur::mark(key.unwrap_or_default(), value(row), measure.bounds.as_ref())
                };
                let marks: Vec<[u32; 2]> = (0..count).map(mark).collect();
                for of in 0..2 {
                    let marks = UInt64Array::from_iter_values(marks.iter().map(|mark| u64::from(mark[of])));
                    named.push((format!("f{of}_{at}"), Arc::new(marks)));
                }
                if let (Some(numbers), Some(bounds)) = (numbers, &measure.bounds) {
                    let within = numbers.iter().map(|value| value.map(|value| bounds.clamp(value)));
                    named.push((format!("b{at}"), Arc::new(within.collect::<Float64Array>())));
                }
            }
        }
        let fields: Vec<_> =
            named.iter().map(|(name, array)| Field::new(name, array.data_type().clone(), true)).collect();
        let arrays = named.into_iter().map(|(_, array)| array).collect();
        let batch =
            RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).map_err(|_| ExtractError::Failed)?;
        filter_record_batch(&batch, &BooleanArray::from(counts)).map_err(|_| ExtractError::Failed)
    }

    /// A table of rows that are units: one row a group.
    fn of_units(
        &self,
        batches: &[RecordBatch],
        units: u32,
        book: &dyn UnitBook,
    ) -> Result<Table, ExtractError> {
        let mut rows = vec![NO_UNIT; units as usize];
        let mut of_row = Vec::new();
        for batch in batches {
            for unit in batch.column(0).as_primitive::<UInt32Type>().values() {
                let place = rows.get_mut(*unit as usize).ok_or(ExtractError::Failed)?;
                *place = of_row.len() as u32;
                of_row.push(*unit);
            }
        }
        let mut columns = Vec::with_capacity(self.measures.len());
        for (at, measure) in self.measures.iter().enumerate() {
            let name = format!("m{at}");
            let arrays: Vec<&ArrayRef> = batches
                .iter()
                .map(|batch| batch.column_by_name(&name).ok_or(ExtractError::Failed))
                .collect::<Result<_, _>>()?;
            columns.push(match measure.statistic {
                Statistic::Value | Statistic::Min | Statistic::Max => {
                    Dense::of_arrays(&arrays, measure.of_texts)
                }
                Statistic::Count => {
                    let there = |array: &&ArrayRef| {
                        (0..array.len())
                            .map(|row| f64::from(u8::from(!array.is_null(row))))
                            .collect::<Vec<_>>()
                    };
                    Dense::Numbers(arrays.iter().flat_map(there).collect())
                }
                Statistic::Mean | Statistic::Median | Statistic::Sum => {
                    let Dense::Numbers(mut numbers) = Dense::of_arrays(&arrays, false) else {
                        return Err(ExtractError::Failed);
                    };
                    if measure.statistic == Statistic::Sum {
                        numbers.iter_mut().filter(|number| number.is_nan()).for_each(|number| *number = 0.0);
                    }
                    Dense::Numbers(numbers)
                }
                Statistic::Quantile { parts } => {
                    let Dense::Numbers(numbers) = Dense::of_arrays(&arrays, false) else {
                        return Err(ExtractError::Failed);
                    };
                    Dense::Numbers(blur::quantiles(&numbers, parts))
                }
                Statistic::Drawn { size, seed } => {
                    let keys = book.keys(self.unit_type);
                    Dense::Numbers(blur::drawn(&of_row, &keys, size, seed))
                }
                statistic => {
                    let Dense::Numbers(numbers) = Dense::of_arrays(&arrays, false) else {
                        return Err(ExtractError::Failed);
                    };
                    let all = numbers.iter().filter(|number| !number.is_nan()).count() as f64;
                    let one = |number: &f64| match (statistic, number.is_nan()) {
                        (Statistic::Percent, missing) => 100.0 * f64::from(u8::from(!missing)) / all.max(1.0),
                        (_, true) => f64::NAN,
                        (statistic, false) => blur::statistic(statistic, &[*number]).unwrap_or(f64::NAN),
                    };
                    Dense::Numbers(numbers.iter().map(one).collect())
                }
            });
        }
        Ok(Table { index: Index::Units(rows), columns })
    }

    /// What the engine says of groups of rows.
    async fn groups(
        &self,
        reader: &Reader,
        batches: Vec<RecordBatch>,
    ) -> Result<Vec<RecordBatch>, ExtractError> {
        let failed = |_| ExtractError::Failed;
        let keys = self.keys().max(1);
        let by: Vec<Expr> = (0..keys).map(|at| col(format!("k{at}"))).collect();
        let mut wanted = vec![count(col("k0")).alias("n")];
        for (at, measure) in self.measures.iter().enumerate() {
            wanted.extend(self.wanted(at, measure));
        }
        if batches.is_empty() {
            return Ok(Vec::new());
        }
        let frame = reader.engine().read_batches(batches).map_err(failed)?;
        frame.aggregate(by, wanted).map_err(failed)?.collect().await.map_err(failed)
    }

    /// What the engine computes of a measure: `c` the number of values, `v` the statistic or all values, `u` the same of values within their bounds;
    /// of several units also fingerprints, and how far values reach where they have no bounds.
    fn wanted(&self, at: usize, measure: &DraftMeasure) -> Vec<Expr> {
        let several = !matches!(self.by(), DraftBy::Unit);
        let value = || col(format!("m{at}"));
        let within = || col(format!("b{at}"));
        let named = |name: &str, expr: Expr| expr.alias(format!("{name}{at}"));
        let both = |of: &dyn Fn(Expr) -> Expr| {
            let mut both = vec![named("v", of(value()))];
            if several && measure.bounds.is_some() && !measure.of_texts {
                both.push(named("u", of(within())));
            }
            both
        };
        let mut wanted = match measure.statistic {
            Statistic::Count | Statistic::Percent => Vec::new(),
            Statistic::Sum => both(&sum),
            Statistic::Mean | Statistic::StandardErrorOfShare => both(&avg),
            Statistic::StandardDeviation | Statistic::StandardErrorOfMean => both(&stddev),
            Statistic::Min if !several || measure.of_texts => vec![named("v", min(value()))],
            Statistic::Max if !several || measure.of_texts => vec![named("v", max(value()))],
            _ => vec![named("v", array_agg(value()))],
        };
        wanted.push(named("c", count(value())));
        if several {
            wanted.push(sum(col(format!("f0_{at}"))).alias(format!("f0_{at}")));
            wanted.push(sum(col(format!("f1_{at}"))).alias(format!("f1_{at}")));
            if measure.bounds.is_none() && !measure.of_texts {
                wanted.push(named("lo", min(value())));
                wanted.push(named("hi", max(value())));
            }
        }
        wanted
    }

    fn index(&self, groups: &[RecordBatch], book: &dyn UnitBook) -> Result<Index, ExtractError> {
        let mut next = 0..;
        let mut row = || next.next().expect("endless");
        let of = match self.by() {
            DraftBy::Unit => Some(self.unit_type),
            DraftBy::Pointer(_, unit_type) => Some(*unit_type),
            DraftBy::Values(_) => None,
        };
        let Some(unit_type) = of else {
            let mut rows = HashMap::new();
            for group in groups {
                let keys = Keys((0..self.keys()).map(|at| group.column(at).clone()).collect());
                for at in 0..group.num_rows() {
                    let key = keys.of_row(at).ok_or(ExtractError::Failed)?;
                    rows.insert(key.into_boxed_slice(), row());
                }
            }
            return Ok(Index::Values(rows));
        };
        let mut rows = vec![NO_UNIT; book.count(unit_type) as usize];
        for group in groups {
            for unit in group.column(0).as_primitive::<UInt32Type>().values() {
                *rows.get_mut(*unit as usize).ok_or(ExtractError::Failed)? = row();
            }
        }
        Ok(Index::Units(rows))
    }

    /// A measure of all groups.
    fn column(&self, groups: &[RecordBatch], at: usize, several: bool) -> Result<Dense, ExtractError> {
        let measure = &self.measures[at];
        let of = |group: &RecordBatch, name: &str| {
            group.column_by_name(&format!("{name}{at}")).cloned().ok_or(ExtractError::Failed)
        };
        let of_texts = measure.of_texts && matches!(measure.statistic, Statistic::Min | Statistic::Max);
        if of_texts && !several {
            let arrays = groups.iter().map(|group| of(group, "v")).collect::<Result<Vec<_>, _>>()?;
            return Ok(Dense::of_arrays(&arrays.iter().collect::<Vec<_>>(), true));
        }
        let width = match (&measure.bounds, several && !measure.of_texts) {
            (Some(bounds), true) => bounds.high - bounds.low,
            (None, true) => reach(groups, at),
            (_, false) => 0.0,
        };
        let (mut values, mut texts, mut counts) = (Vec::new(), Vec::new(), Vec::new());
        for group in groups {
            let rows = group.column_by_name("n").ok_or(ExtractError::Failed)?;
            let of_group = Of { group, at, bounds: measure.bounds, dates: self.layers.len() };
            for row in 0..group.num_rows() {
                let mark = |of: usize| {
                    group.column_by_name(&format!("f{of}_{at}")).map_or(0, |marks| whole(marks, row))
                };
                let rows = number(rows, row);
                let (nested, dates) = (self.nested, self.layers.len() as f64);
                let of_several = Group { rows, nested, set: mark(0), values: mark(1), width, dates };
                let large = several && of_several.is_large();
                let counted = number(&of(group, "c")?, row);
                counts.push(if large { of_several.count(counted) } else { counted });
                if of_texts {
                    let texts_of = of(group, "v")?;
                    let text = texts_of.as_string_opt::<i32>().filter(|texts| !texts.is_null(row) && !large);
                    texts.push(text.map(|text| text.value(row).to_owned()));
                    continue;
                }
                let found = of_group.found(measure, row, counted, large).filter(|found| found.is_finite());
                let blurred = match large {
                    true => found
                        .map(|found| of_several.blurred(measure.statistic, measure.of_codes, counted, found)),
                    false => found,
                };
                values.push(blurred.map_or(f64::NAN, |value| value + 0.0));
            }
        }
        if of_texts {
            let texts: ArrayRef = Arc::new(StringArray::from(texts));
            return Ok(Dense::of_arrays(&[&texts], true));
        }
        if measure.statistic == Statistic::Percent {
            let all: f64 = counts.iter().sum();
            values = counts.iter().map(|count| 100.0 * count / all.max(1.0)).collect();
        }
        Ok(Dense::Numbers(values))
    }
}

/// What the engine said of a group.
struct Of<'a> {
    group: &'a RecordBatch,
    at: usize,
    /// Rows that a unit may have of a panel.
    dates: usize,
    bounds: Option<Interval>,
}

impl Of<'_> {
    /// A statistic before it is blurred; of a large group, of values within their bounds.
    fn found(&self, measure: &DraftMeasure, row: usize, counted: f64, large: bool) -> Option<f64> {
        let column = |name: &str| self.group.column_by_name(&format!("{name}{}", self.at));
        let single = || {
            let within = column("u").filter(|_| large);
            within.or(column("v")).map(|values| number(values, row))
        };
        match measure.statistic {
            Statistic::Count | Statistic::Percent => Some(counted),
            Statistic::Sum => single().map(|sum| if sum.is_nan() { 0.0 } else { sum }),
            Statistic::Mean | Statistic::StandardDeviation => single(),
            Statistic::StandardErrorOfMean => single().map(|deviation| deviation / counted.sqrt()),
            Statistic::StandardErrorOfShare => single().map(|share| (share * (1.0 - share) / counted).sqrt()),
            statistic => {
                let values = column("v")?;
                let Some(list) = values.as_list_opt::<i32>() else { return Some(number(values, row)) };
                let values = self.values(list, row, large);
                if large {
                    blur::smooth(statistic, measure.of_codes, self.dates, &values)
                } else {
                    blur::statistic(statistic, &values)
                }
            }
        }
    }

    /// All values of a group, ascending.
    fn values(&self, list: &ListArray, row: usize, large: bool) -> Vec<f64> {
        let list = (!list.is_null(row)).then(|| list.value(row));
        let numbers = list.as_ref().and_then(|list| list.as_primitive_opt::<Float64Type>());
        let within = |value: f64| self.bounds.filter(|_| large).map_or(value, |bounds| bounds.clamp(value));
        let mut values: Vec<f64> =
            numbers.into_iter().flat_map(|numbers| numbers.iter().flatten()).map(within).collect();
        values.sort_by(f64::total_cmp);
        values
    }
}

/// How far the values of all groups reach.
fn reach(groups: &[RecordBatch], at: usize) -> f64 {
    let ends = |name: &str, first: f64, fold: fn(f64, f64) -> f64| {
        let columns = groups.iter().filter_map(|group| group.column_by_name(&format!("{name}{at}")));
        let values = columns.flat_map(|column| (0..column.len()).map(|row| number(column, row)));
        values.filter(|value| !value.is_nan()).fold(first, fold)
    };
    (ends("hi", f64::NEG_INFINITY, f64::max) - ends("lo", f64::INFINITY, f64::min)).max(0.0)
}

/// A number in a column of numbers of any kind; not a number where it is missing.
fn number(array: &ArrayRef, row: usize) -> f64 {
    if array.is_null(row) {
        return f64::NAN;
    }
    match array.data_type() {
        DataType::Float64 => array.as_primitive::<Float64Type>().value(row),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row) as f64,
        DataType::UInt64 => array.as_primitive::<UInt64Type>().value(row) as f64,
        _ => f64::NAN,
    }
}

/// The same of a sum of marks, exactly.
fn whole(array: &ArrayRef, row: usize) -> u64 {
    let sums = array.as_primitive_opt::<UInt64Type>().filter(|sums| !sums.is_null(row));
    sums.map_or(0, |sums| sums.value(row))
}
