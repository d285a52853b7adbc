//! A dataset's rows as a Parquet file: unit number, value, start and stop, sorted by unit, then start.
//!
//! The rows stand in row groups with statistics, so that a range of units is read without the rest. Each file carries
//! a random salt: its hash is published with the catalogue, and without a salt whoever knows all rows but
//! one could test guesses of that one.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::types::{Date32Type, Float64Type, Int64Type};
use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, RecordBatch, StringDictionaryBuilder};
use arrow::array::{
    Date32Array, DictionaryArray, Float64Array, Int32Array, Int64Array, StringArray, UInt32Array,
};
use arrow::datatypes::{DataType, Field, Int32Type, Schema};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::{ArrowWriter, ProjectionMask};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};

use super::dataset::{Column, NO_DAY};
use super::sort::Row;

const ROW_GROUP_ROWS: usize = 128 * 1024;
/// Up to so many distinct texts, all row groups share one dictionary.
const SHARED_TEXTS_MAX: usize = 1 << 16;

/// A data file that is being written.
pub(super) struct Writer<'a> {
    file: ArrowWriter<File>,
    schema: Arc<Schema>,
    column: &'a Column,
    /// All texts, where they are few.
    texts: Option<Arc<StringArray>>,
    rows: Vec<Row>,
}

impl<'a> Writer<'a> {
    /// Creates a file that must not be there yet.
    pub(super) fn create(path: &Path, column: &'a Column, salt: &[u8; 32]) -> Result<Self, ParquetError> {
        let schema = Arc::new(Schema::new(vec![
            Field::new("unit", DataType::UInt32, false),
            Field::new("value", value_type(column), false),
            Field::new("start", DataType::Date32, true),
            Field::new("stop", DataType::Date32, true),
        ]));
        let salt = KeyValue::new("kobling.salt".to_owned(), hex::encode(salt));
        let properties = WriterProperties::builder()
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
            .set_statistics_enabled(EnabledStatistics::Chunk)
            // Units ascend: their steps take few bits, and no two of a FIXED dataset are equal.
            .set_column_dictionary_enabled("unit".into(), false)
            .set_column_encoding("unit".into(), Encoding::DELTA_BINARY_PACKED)
            // A column of many values is soon seen not to gain by a dictionary.
            .set_dictionary_page_size_limit(128 * 1024)
            .set_created_by("kobling".to_owned())
            .set_key_value_metadata(Some(vec![salt]))
            .build();
        let file = ArrowWriter::try_new(File::create_new(path)?, schema.clone(), Some(properties))?;
        let texts = match column {
            Column::Text(texts) if texts.len() <= SHARED_TEXTS_MAX => Some(Arc::new(
                StringArray::from_iter_values((0..texts.len() as u32).map(|at| texts.text(at))),
            )),
            _ => None,
        };
        Ok(Self { file, schema, column, texts, rows: Vec::new() })
    }

    /// Rows come in order.
    pub(super) fn push(&mut self, row: Row) -> Result<(), ParquetError> {
        self.rows.push(row);
        if self.rows.len() == ROW_GROUP_ROWS { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> Result<(), ParquetError> {
        let units = self.rows.iter().map(|row| row.unit);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(UInt32Array::from_iter_values(units)),
            self.values(),
            days(&self.rows, |row| row.start),
            days(&self.rows, |row| row.stop),
        ];
        self.file.write(&RecordBatch::try_new(self.schema.clone(), columns)?)?;
        self.rows.clear();
        Ok(())
    }

    fn values(&self) -> ArrayRef {
        let values = self.rows.iter().map(|row| row.value);
        match self.column {
            Column::Text(texts) => match &self.texts {
                Some(shared) => {
                    let keys = Int32Array::from_iter_values(values.map(|value| value as i32));
                    Arc::new(DictionaryArray::new(keys, shared.clone()))
                }
                None => {
                    let mut column = StringDictionaryBuilder::<Int32Type>::new();
                    values.for_each(|value| column.append_value(texts.text(value as u32)));
                    Arc::new(column.finish())
                }
            },
            Column::Long => Arc::new(Int64Array::from_iter_values(values.map(|value| value as i64))),
            Column::Double => Arc::new(Float64Array::from_iter_values(values.map(f64::from_bits))),
            Column::Date => Arc::new(Date32Array::from_iter_values(values.map(|value| value as i32))),
            Column::Unit(_) => Arc::new(UInt32Array::from_iter_values(values.map(|value| value as u32))),
        }
    }

    /// Writes what is left and syncs the file.
    pub(super) fn finish(mut self) -> Result<(), ParquetError> {
        if !self.rows.is_empty() {
            self.write()?;
        }
        self.file.into_inner()?.sync_all()?;
        Ok(())
    }
}

fn value_type(column: &Column) -> DataType {
    match column {
        Column::Text(_) => DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
        Column::Long => DataType::Int64,
        Column::Double => DataType::Float64,
        Column::Date => DataType::Date32,
        Column::Unit(_) => DataType::UInt32,
    }
}

fn days(rows: &[Row], of: impl Fn(&Row) -> i32) -> ArrayRef {
    Arc::new(Date32Array::from_iter(rows.iter().map(|row| Some(of(row)).filter(|days| *days != NO_DAY))))
}

/// Shows the numbers of a data file, in order and in pieces.
pub(super) fn numbers(path: &Path, show: &mut dyn FnMut(&[f64])) -> Result<(), ParquetError> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?;
    let value = ProjectionMask::columns(reader.parquet_schema(), ["value"]);
    let mut numbers = Vec::new();
    for batch in reader.with_projection(value).with_batch_size(1 << 14).build()? {
        let batch = batch?;
        let column = batch.column(0);
        numbers.clear();
        match column.data_type() {
            DataType::Int64 => extend::<Int64Type>(&mut numbers, column, |value| value as f64),
            DataType::Float64 => extend::<Float64Type>(&mut numbers, column, |value| value),
            DataType::Date32 => extend::<Date32Type>(&mut numbers, column, f64::from),
            _ => return Err(ParquetError::General("a column without numbers".to_owned())),
        }
        show(&numbers);
    }
    Ok(())
}

fn extend<T: ArrowPrimitiveType>(
    numbers: &mut Vec<f64>,
    column: &dyn Array,
    number: impl Fn(T::Native) -> f64,
) {
    numbers.extend(column.as_primitive::<T>().values().iter().map(|value| number(*value)));
}
