//! Single columns: tokens, row numbers and partial aggregates.

use std::collections::BTreeMap;
use std::ops::Range;
use std::pin::pin;
use std::sync::Arc;

use arrow::array::{ArrayRef, FixedSizeBinaryArray, RecordBatch, UInt32Array};
use arrow::buffer::Buffer;
use arrow::datatypes::{DataType, Field as ArrowField, Schema, SchemaRef};
use arrow_flight::{FlightData, SchemaAsIpc};
use arrow_ipc::writer::{DictionaryTracker, IpcDataGenerator, IpcWriteOptions};
use futures::{Stream, stream};
use tonic::Status;

use super::strict::{self, Column, Field, Kind};
use super::{FlightError, descriptor, v1};
use crate::limits::{FLIGHT_BATCH_BYTES, MAX_COLUMN_HEADER};

const TOKEN: &str = "token";
const ROW: &str = "row";
const SHARE: &str = "share";
const SUM: &str = "sum";
const SQUARE: &str = "square";

/// Most entries of a partial aggregate's metadata.
const MAX_METADATA: usize = 8;

/// A node's tokens, in the order given.
pub fn tokens_stream(
    tokens: Vec<[u8; 16]>,
) -> impl Stream<Item = Result<FlightData, Status>> + Send + Unpin + 'static {
    let count = tokens.len();
    let arrays = move |range: Range<usize>| -> Vec<ArrayRef> {
        let bytes = Buffer::from(tokens[range].as_flattened());
        vec![Arc::new(FixedSizeBinaryArray::new(16, bytes, None))]
    };
    let field = ArrowField::new(TOKEN, DataType::FixedSizeBinary(16), false);
    stream::iter(messages(Schema::new(vec![field]), count, 16, arrays).map(Ok))
}

/// Row numbers, in the order given.
pub fn rows_stream(
    rows: Vec<u32>,
) -> impl Stream<Item = Result<FlightData, Status>> + Send + Unpin + 'static {
    stream::iter(row_messages(rows).map(Ok))
}

/// Row numbers for DoPut: the first message says what they are.
pub fn put_rows(
    content: v1::ticket::Content,
    rows: Vec<u32>,
) -> impl Stream<Item = FlightData> + Send + Unpin + 'static {
    let mut say = Some(descriptor(content));
    let say = move |message: FlightData| FlightData { flight_descriptor: say.take(), ..message };
    stream::iter(row_messages(rows).map(say))
}

/// A partial aggregate with what proves it, such as `signature`: sums and squares are columns of their own exactly
/// where there are any.
///
/// # Panics
/// Where there is neither no sum nor one for each cell, likewise for squares, or there are squares without sums.
pub fn partial_stream(
    partial: Partial,
) -> impl Stream<Item = Result<FlightData, Status>> + Send + Unpin + 'static {
    let Partial { values, sums, squares, metadata } = partial;
    let (cells, wide) = (values.len(), [sums, squares]);
    for wide in &wide {
        assert!(wide.is_empty() || wide.len() == cells, "a sum for each cell or none");
    }
    assert!(wide[1].is_empty() || !wide[0].is_empty(), "squares come with sums");
    let fields: Vec<_> = partial_fields()
        .into_iter()
        .take(1 + wide.iter().filter(|wide| !wide.is_empty()).count())
        .map(|field| ArrowField::new(field.name, field.kind.data_type(), field.nullable))
        .collect();
    let bytes_a_cell = 4 + 16 * (fields.len() - 1);
    let schema = Schema::new_with_metadata(fields, metadata.into_iter().collect());
    let arrays = move |range: Range<usize>| {
        let mut arrays: Vec<ArrayRef> = vec![Arc::new(UInt32Array::from(values[range.clone()].to_vec()))];
        for wide in wide.iter().filter(|wide| !wide.is_empty()) {
            let bytes: Vec<u8> = wide[range.clone()].iter().flat_map(|word| word.to_le_bytes()).collect();
            arrays.push(Arc::new(FixedSizeBinaryArray::new(16, Buffer::from(bytes), None)));
        }
        arrays
    };
    stream::iter(messages(schema, cells, bytes_a_cell, arrays).map(Ok))
}

/// The columns of a partial aggregate: the first alone, the first two, or all.
fn partial_fields() -> [Field; 3] {
    [(SHARE, Kind::UInt32), (SUM, Kind::Fixed16), (SQUARE, Kind::Fixed16)].map(|(name, kind)| Field {
        name: name.into(),
        kind,
        nullable: false,
    })
}

/// A partial aggregate as it came: nothing about it has been verified but its form.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Partial {
    /// One share for each cell.
    pub values: Vec<u32>,
    /// One share of the sum for each cell, or none.
    pub sums: Vec<u128>,
    /// One share of the sum of squares for each cell, or none; none without sums.
    pub squares: Vec<u128>,
    /// What is said about them.
    pub metadata: BTreeMap<String, String>,
}

/// Shares are not shown.
impl std::fmt::Debug for Partial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Partial").field("metadata", &self.metadata).finish_non_exhaustive()
    }
}

/// Reads one column `token` of FixedSizeBinary(16), at most `max_rows` long.
///
/// # Errors
/// [`FlightError`], at the first message that is not exactly that.
pub async fn decode_fixed16<S>(stream: S, max_rows: usize) -> Result<Vec<[u8; 16]>, FlightError>
where
    S: Stream<Item = Result<FlightData, Status>>,
{
    let fields = [Field { name: TOKEN.into(), kind: Kind::Fixed16, nullable: false }];
    let mut tokens = Vec::new();
    let take = |columns: &[Column<'_>]| tokens.extend(columns[0].plain::<16>());
    read(stream, &fields, max_rows, take).await?;
    Ok(tokens)
}

/// Reads one column `row` of UInt32, at most `max_rows` long.
///
/// # Errors
/// [`FlightError`], at the first message that is not exactly that.
pub async fn decode_u32<S>(stream: S, max_rows: usize) -> Result<Vec<u32>, FlightError>
where
    S: Stream<Item = Result<FlightData, Status>>,
{
    let fields = [Field { name: ROW.into(), kind: Kind::UInt32, nullable: false }];
    let mut rows = Vec::new();
    let take = |columns: &[Column<'_>]| rows.extend(columns[0].plain().map(u32::from_le_bytes));
    read(stream, &fields, max_rows, take).await?;
    Ok(rows)
}

/// Reads a column `share` of UInt32, at most `max_rows` long, with columns `sum` and `square` of FixedSizeBinary(16) beside it
/// where the sender has them, and the schema's metadata.
///
/// # Errors
/// [`FlightError`], at the first message that is not exactly that.
pub async fn decode_partial<S>(stream: S, max_rows: usize) -> Result<Partial, FlightError>
where
    S: Stream<Item = Result<FlightData, Status>>,
{
    let mut partial = Partial::default();
    let take = |columns: &[Column<'_>]| {
        partial.values.extend(columns[0].plain().map(u32::from_le_bytes));
        for (column, wide) in columns[1..].iter().zip([&mut partial.sums, &mut partial.squares]) {
            wide.extend(column.plain().map(u128::from_le_bytes));
        }
    };
    partial.metadata = read(stream, &partial_fields(), max_rows, take).await?;
    Ok(partial)
}

fn row_messages(rows: Vec<u32>) -> impl Iterator<Item = FlightData> + Send + 'static {
    let count = rows.len();
    let arrays = move |range: Range<usize>| -> Vec<ArrayRef> {
        vec![Arc::new(UInt32Array::from(rows[range].to_vec()))]
    };
    let field = ArrowField::new(ROW, DataType::UInt32, false);
    messages(Schema::new(vec![field]), count, size_of::<u32>(), arrays)
}

/// The schema, then batches made as they are asked for.
fn messages(
    schema: Schema,
    rows: usize,
    bytes_a_row: usize,
    arrays: impl Fn(Range<usize>) -> Vec<ArrayRef> + Send + 'static,
) -> impl Iterator<Item = FlightData> + Send + 'static {
    let first = schema_message(&schema);
    let schema: SchemaRef = Arc::new(schema);
    let in_a_batch = FLIGHT_BATCH_BYTES / bytes_a_row;
    let batches = (0..rows).step_by(in_a_batch).map(move |start| {
        let batch = RecordBatch::try_new(schema.clone(), arrays(start..rows.min(start + in_a_batch)));
        batch_message(&batch.expect("the arrays have the schema's types"))
    });
    std::iter::once(first).chain(batches)
}

pub(super) fn schema_message(schema: &Schema) -> FlightData {
    SchemaAsIpc::new(schema, &IpcWriteOptions::default()).into()
}

pub(super) fn batch_message(batch: &RecordBatch) -> FlightData {
    let (_, encoded) = IpcDataGenerator::default()
        .encode(
            batch,
            &mut DictionaryTracker::new(false),
            &IpcWriteOptions::default(),
            &mut Default::default(),
        )
        .expect("plain columns without dictionaries or compression always encode");
    encoded.into()
}

/// Reads batches of as many of these columns as the schema has, at least the first. Returns the schema's metadata.
async fn read<S>(
    stream: S,
    fields: &[Field],
    max_rows: usize,
    mut take: impl FnMut(&[Column<'_>]),
) -> Result<BTreeMap<String, String>, FlightError>
where
    S: Stream<Item = Result<FlightData, Status>>,
{
    let mut stream = pin!(stream);
    let first = strict::next(&mut stream).await?.ok_or(FlightError::Ended { expected: "its schema" })?;
    let schema = strict::schema(&first, MAX_COLUMN_HEADER)?;
    let present = schema.fields().map_or(0, |fields| fields.len());
    let fields = &fields[..present.clamp(1, fields.len())];
    strict::check_fields(&schema, fields)?;
    let metadata = strict::metadata(&schema, MAX_METADATA)?
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    let mut rows = 0;
    while let Some(message) = strict::next(&mut stream).await? {
        let batch = strict::batch(&message, fields)?;
        if batch.rows > max_rows - rows {
            return Err(FlightError::TooManyRows);
        }
        rows += batch.rows;
        take(&batch.columns);
    }
    Ok(metadata)
}
