//! Single columns: tokens, row numbers and partial aggregates.

use std::collections::BTreeMap;
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

/// Most entries of a partial aggregate's metadata.
const MAX_METADATA: usize = 8;

/// A node's tokens, in the order given.
pub fn tokens_stream(
    tokens: Vec<[u8; 16]>,
) -> impl Stream<Item = Result<FlightData, Status>> + Send + Unpin + 'static {
    let array = |chunk: &[[u8; 16]]| -> ArrayRef {
        let bytes = Buffer::from(chunk.as_flattened());
        Arc::new(FixedSizeBinaryArray::new(16, bytes, None))
    };
    let field = ArrowField::new(TOKEN, DataType::FixedSizeBinary(16), false);
    stream::iter(messages(Schema::new(vec![field]), tokens, array).map(Ok))
}

/// Row numbers, in the order given.
pub fn rows_stream(
    rows: Vec<u32>,
) -> impl Stream<Item = Result<FlightData, Status>> + Send + Unpin + 'static {
    stream::iter(words(ROW, rows, BTreeMap::new()).map(Ok))
}

/// Row numbers for DoPut: the first message says what they are.
pub fn put_rows(
    content: v1::ticket::Content,
    rows: Vec<u32>,
) -> impl Stream<Item = FlightData> + Send + Unpin + 'static {
    let mut say = Some(descriptor(content));
    let say = move |message: FlightData| FlightData { flight_descriptor: say.take(), ..message };
    stream::iter(words(ROW, rows, BTreeMap::new()).map(say))
}

/// A partial aggregate with what proves it, such as `signature`.
pub fn partial_stream(
    values: Vec<u32>,
    metadata: BTreeMap<String, String>,
) -> impl Stream<Item = Result<FlightData, Status>> + Send + Unpin + 'static {
    stream::iter(words(SHARE, values, metadata).map(Ok))
}

/// A partial aggregate as it came: nothing about it has been verified but its form.
#[derive(Clone, PartialEq, Eq)]
pub struct Partial {
    /// One share for each cell.
    pub values: Vec<u32>,
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
    let field = Field { name: TOKEN.into(), kind: Kind::Fixed16, nullable: false };
    let column = read(stream, field, max_rows, |column, out| out.extend(column.plain::<16>())).await?;
    Ok(column.values)
}

/// Reads one column `row` of UInt32, at most `max_rows` long.
///
/// # Errors
/// [`FlightError`], at the first message that is not exactly that.
pub async fn decode_u32<S>(stream: S, max_rows: usize) -> Result<Vec<u32>, FlightError>
where
    S: Stream<Item = Result<FlightData, Status>>,
{
    Ok(read_words(stream, ROW, max_rows).await?.values)
}

/// Reads one column `share` of UInt32, at most `max_rows` long, and the schema's metadata.
///
/// # Errors
/// [`FlightError`], at the first message that is not exactly that.
pub async fn decode_partial<S>(stream: S, max_rows: usize) -> Result<Partial, FlightError>
where
    S: Stream<Item = Result<FlightData, Status>>,
{
    let ReadColumn { values, metadata } = read_words(stream, SHARE, max_rows).await?;
    Ok(Partial { values, metadata })
}

fn words(
    name: &str,
    values: Vec<u32>,
    metadata: BTreeMap<String, String>,
) -> impl Iterator<Item = FlightData> + Send + 'static {
    let array = |chunk: &[u32]| -> ArrayRef { Arc::new(UInt32Array::from(chunk.to_vec())) };
    let field = ArrowField::new(name, DataType::UInt32, false);
    messages(Schema::new_with_metadata(vec![field], metadata.into_iter().collect()), values, array)
}

/// The schema, then batches made as they are asked for.
fn messages<T: Send + 'static>(
    schema: Schema,
    values: Vec<T>,
    array: impl Fn(&[T]) -> ArrayRef + Send + 'static,
) -> impl Iterator<Item = FlightData> + Send + 'static {
    let first = schema_message(&schema);
    let schema: SchemaRef = Arc::new(schema);
    let rows = FLIGHT_BATCH_BYTES / size_of::<T>();
    let batches = (0..values.len()).step_by(rows).map(move |start| {
        let chunk = &values[start..values.len().min(start + rows)];
        let batch = RecordBatch::try_new(schema.clone(), vec![array(chunk)]);
        batch_message(&batch.expect("the array has the schema's type"))
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

struct ReadColumn<T> {
    values: Vec<T>,
    metadata: BTreeMap<String, String>,
}

async fn read_words<S>(stream: S, name: &str, max_rows: usize) -> Result<ReadColumn<u32>, FlightError>
where
    S: Stream<Item = Result<FlightData, Status>>,
{
    let field = Field { name: name.into(), kind: Kind::UInt32, nullable: false };
    read(stream, field, max_rows, |column, out| out.extend(column.plain().map(u32::from_le_bytes))).await
}

async fn read<S, T>(
    stream: S,
    field: Field,
    max_rows: usize,
    copy: impl Fn(&Column<'_>, &mut Vec<T>),
) -> Result<ReadColumn<T>, FlightError>
where
    S: Stream<Item = Result<FlightData, Status>>,
{
    let mut stream = pin!(stream);
    let fields = [field];
    let first = strict::next(&mut stream).await?.ok_or(FlightError::Ended { expected: "its schema" })?;
    let schema = strict::schema(&first, MAX_COLUMN_HEADER)?;
    strict::check_fields(&schema, &fields)?;
    let metadata = strict::metadata(&schema, MAX_METADATA)?
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    let mut values = Vec::new();
    while let Some(message) = strict::next(&mut stream).await? {
        let batch = strict::batch(&message, &fields)?;
        if batch.rows > max_rows - values.len() {
            return Err(FlightError::TooManyRows);
        }
        for column in &batch.columns {
            copy(column, &mut values);
        }
    }
    Ok(ReadColumn { values, metadata })
}
