//! A dataset's rows as a Parquet file: unit number, value, start and stop, sorted by unit, then start.
//!
//! The rows stand in row groups with statistics, so that a range of units is read without the rest. Each file carries
//! a random salt: its hash is published with the catalogue, and without a salt whoever knows all rows but
//! one could test guesses of that one.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::UInt32Array;
use arrow::array::{ArrayRef, Date32Array, Float64Array, Int64Array, RecordBatch, StringDictionaryBuilder};
use arrow::datatypes::{DataType, Field, Int32Type, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};

use super::dataset::{NO_DAY, Rows, Values};

const ROW_GROUP_ROWS: usize = 128 * 1024;

/// Writes `rows` to a new file and syncs it.
pub(super) fn write(path: &Path, rows: &Rows, salt: &[u8; 32]) -> Result<(), ParquetError> {
    let schema = Arc::new(Schema::new(vec![
        Field::new("unit", DataType::UInt32, false),
        Field::new("value", value_type(&rows.values), false),
        Field::new("start", DataType::Date32, true),
        Field::new("stop", DataType::Date32, true),
    ]));
    let salt = KeyValue::new("kobling.salt".to_owned(), hex::encode(salt));
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_created_by("kobling".to_owned())
        .set_key_value_metadata(Some(vec![salt]))
        .build();
    let file = File::create_new(path)?;
    let mut writer = ArrowWriter::try_new(file, schema.clone(), Some(properties))?;
    for order in rows.order.chunks(ROW_GROUP_ROWS) {
        let units = order.iter().map(|row| rows.units[*row as usize]);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(UInt32Array::from_iter_values(units)),
            values(&rows.values, order),
            days(&rows.starts, order),
            days(&rows.stops, order),
        ];
        writer.write(&RecordBatch::try_new(schema.clone(), columns)?)?;
    }
    writer.into_inner()?.sync_all()?;
    Ok(())
}

fn value_type(values: &Values) -> DataType {
    match values {
        Values::Text(..) => DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
        Values::Long(_) => DataType::Int64,
        Values::Double(_) => DataType::Float64,
        Values::Date(_) => DataType::Date32,
        Values::Unit(..) => DataType::UInt32,
    }
}

fn values(values: &Values, order: &[u32]) -> ArrayRef {
    let rows = order.iter().map(|row| *row as usize);
    match values {
        Values::Text(numbers, texts) => {
            let mut column = StringDictionaryBuilder::<Int32Type>::new();
            rows.for_each(|row| column.append_value(&texts.texts[numbers[row] as usize]));
            Arc::new(column.finish())
        }
        Values::Long(column) => Arc::new(Int64Array::from_iter_values(rows.map(|row| column[row]))),
        Values::Double(column) => Arc::new(Float64Array::from_iter_values(rows.map(|row| column[row]))),
        Values::Date(column) => Arc::new(Date32Array::from_iter_values(rows.map(|row| column[row]))),
        Values::Unit(_, column) => Arc::new(UInt32Array::from_iter_values(rows.map(|row| column[row]))),
    }
}

fn days(column: &[i32], order: &[u32]) -> ArrayRef {
    let days = order.iter().map(|row| Some(column[*row as usize]).filter(|days| *days != NO_DAY));
    Arc::new(Date32Array::from_iter(days))
}
