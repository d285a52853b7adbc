//! Arrow messages of strangers, checked before a value is read.
//!
//! - The flatbuffer is verified, and only its fixed parts are looked at: names and types of the columns
//!   agreed, lengths, null counts, buffers.
//! - Everything that a plain column does not need is refused: dictionaries, nested types, compression,
//!   other byte orders, custom layouts.
//! - Every slice of the body is taken with checked arithmetic. Memory grows with bytes received, never with a
//!   number that a message claims.

use arrow_flight::FlightData;
use arrow_ipc::{
    Buffer, Endianness, Message, MessageHeader, MetadataVersion, RecordBatch, Schema, Type, root_as_message,
};
use futures::{Stream, StreamExt};
use tonic::Status;

use super::FlightError;
use crate::limits::MAX_COLUMN_HEADER;

/// A column that must be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub name: String,
    pub kind: Kind,
    pub nullable: bool,
}

/// How a column's values are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// 16 bytes each.
    Fixed16,
    UInt32,
    UInt64,
    Float64,
    Boolean,
    Utf8,
}

/// A checked record batch.
pub(super) struct Batch<'a> {
    pub rows: usize,
    /// One for each field.
    pub columns: Vec<Column<'a>>,
}

/// A column of a checked record batch: all values that `rows` claims are there.
pub(super) struct Column<'a> {
    rows: usize,
    /// One bit for each row, 1 where there is a value; none: all are there.
    validity: Option<&'a [u8]>,
    /// Offsets of texts; empty for other kinds.
    offsets: &'a [u8],
    values: &'a [u8],
}

/// The next message, or none at the end.
pub(super) async fn next<S>(stream: &mut S) -> Result<Option<FlightData>, FlightError>
where
    S: Stream<Item = Result<FlightData, Status>> + Unpin,
{
    stream.next().await.transpose().map_err(|status| FlightError::Stream(Box::new(status)))
}

/// The first message's schema.
pub(super) fn schema(message: &FlightData, max_header_bytes: usize) -> Result<Schema<'_>, FlightError> {
    let expected = FlightError::Message { expected: "a schema" };
    let header = header(message, max_header_bytes, "a schema")?;
    if header.header_type() != MessageHeader::Schema || !message.data_body.is_empty() {
        return Err(expected);
    }
    let schema = header.header_as_schema().ok_or(expected)?;
    if schema.endianness() != Endianness::Little {
        return Err(FlightError::Schema { what: "its byte order" });
    }
    Ok(schema)
}

/// Whether a schema has exactly these columns.
pub(super) fn check_fields(schema: &Schema<'_>, expected: &[Field]) -> Result<(), FlightError> {
    let wrong = |what| Err(FlightError::Schema { what });
    let fields = schema.fields().ok_or(FlightError::Schema { what: "it has no columns" })?;
    if fields.len() != expected.len() {
        return wrong("its number of columns");
    }
    for (field, expected) in fields.iter().zip(expected) {
        if field.name() != Some(expected.name.as_str()) {
            return wrong("a column's name");
        }
        if field.dictionary().is_some() || field.children().is_some_and(|children| !children.is_empty()) {
            return wrong("a column is nested or has a dictionary");
        }
        let integer =
            |bits| field.type_as_int().is_some_and(|int| int.bitWidth() == bits && !int.is_signed());
        let matches = match expected.kind {
            Kind::Fixed16 => field.type_as_fixed_size_binary().is_some_and(|binary| binary.byteWidth() == 16),
            Kind::UInt32 => integer(32),
            Kind::UInt64 => integer(64),
            Kind::Float64 => field
                .type_as_floating_point()
                .is_some_and(|float| float.precision() == arrow_ipc::Precision::DOUBLE),
            Kind::Boolean => field.type_type() == Type::Bool,
            Kind::Utf8 => field.type_type() == Type::Utf8,
        };
        if !matches || field.nullable() != expected.nullable {
            return wrong("a column's type");
        }
    }
    Ok(())
}

/// The schema's metadata, each key once.
pub(super) fn metadata<'a>(
    schema: &Schema<'a>,
    entries_max: usize,
) -> Result<Vec<(&'a str, &'a str)>, FlightError> {
    let wrong = FlightError::Schema { what: "its metadata" };
    let Some(pairs) = schema.custom_metadata() else { return Ok(Vec::new()) };
    if pairs.len() > entries_max {
        return Err(wrong);
    }
    let mut found: Vec<(&str, &str)> = Vec::with_capacity(pairs.len());
    for pair in pairs {
        match (pair.key(), pair.value()) {
            (Some(key), Some(value)) if found.iter().all(|(other, _)| *other != key) => {
                found.push((key, value));
            }
            _ => return Err(wrong),
        }
    }
    Ok(found)
}

/// A later message's record batch, with exactly the columns agreed and at least one row.
pub(super) fn batch<'a>(message: &'a FlightData, fields: &[Field]) -> Result<Batch<'a>, FlightError> {
    let wrong = |what| FlightError::Batch { what };
    let header = header(message, MAX_COLUMN_HEADER, "a record batch")?;
    let batch = header.header_as_record_batch().ok_or(FlightError::Message { expected: "a record batch" })?;
    refuse_compression(&batch)?;
    let body = &message.data_body[..];
    if usize::try_from(header.bodyLength()) != Ok(body.len()) {
        return Err(wrong("the length of its body"));
    }
    // An empty batch would let a stream go on for ever.
    let rows =
        usize::try_from(batch.length()).ok().filter(|rows| *rows > 0).ok_or(wrong("its number of rows"))?;
    if batch.variadicBufferCounts().is_some_and(|counts| !counts.is_empty()) {
        return Err(wrong("its number of buffers"));
    }
    let nodes =
        batch.nodes().filter(|nodes| nodes.len() == fields.len()).ok_or(wrong("its number of columns"))?;
    let buffers_expected: usize = fields.iter().map(|field| field.kind.buffers()).sum();
    let buffers = batch
        .buffers()
        .filter(|buffers| buffers.len() == buffers_expected)
        .ok_or(wrong("its number of buffers"))?;
    let mut buffers = buffers.iter().map(|buffer| slice(body, buffer));
    let mut take = || buffers.next().unwrap_or(Err(wrong("its number of buffers")));
    let mut columns = Vec::with_capacity(fields.len());
    for (field, node) in fields.iter().zip(nodes) {
        if usize::try_from(node.length()) != Ok(rows) {
            return Err(wrong("a column's length"));
        }
        let nulls = usize::try_from(node.null_count())
            .ok()
            .filter(|nulls| *nulls <= rows && (field.nullable || *nulls == 0))
            .ok_or(wrong("a column's missing values"))?;
        let validity = take()?;
        let validity = if nulls == 0 { None } else { Some(exact(validity, Some(rows.div_ceil(8)))?) };
        if validity.is_some_and(|bits| (0..rows).filter(|row| !bit(bits, *row)).count() != nulls) {
            return Err(wrong("a column's missing values"));
        }
        let column = match field.kind {
            Kind::Utf8 => {
                let offsets = exact(take()?, rows.checked_add(1).and_then(|offsets| offsets.checked_mul(4)))?;
                Column { rows, validity, offsets, values: take()? }
            }
            kind => Column { rows, validity, offsets: &[], values: exact(take()?, kind.bytes(rows))? },
        };
        columns.push(column);
    }
    Ok(Batch { rows, columns })
}

/// Compressed buffers start with a length that the sender claims; Arrow's decoder allocates it.
fn refuse_compression(batch: &RecordBatch<'_>) -> Result<(), FlightError> {
    if batch.compression().is_some() { Err(FlightError::Compressed) } else { Ok(()) }
}

fn header<'a>(
    message: &'a FlightData,
    max_bytes: usize,
    expected: &'static str,
) -> Result<Message<'a>, FlightError> {
    let bytes = &message.data_header[..];
    if bytes.len() > max_bytes {
        return Err(FlightError::Message { expected });
    }
    let header = root_as_message(bytes).map_err(|_| FlightError::Message { expected })?;
    if header.version() == MetadataVersion::V5 { Ok(header) } else { Err(FlightError::Message { expected }) }
}

fn slice<'a>(body: &'a [u8], buffer: &Buffer) -> Result<&'a [u8], FlightError> {
    let range = || {
        let start = usize::try_from(buffer.offset()).ok()?;
        let end = start.checked_add(usize::try_from(buffer.length()).ok()?)?;
        body.get(start..end)
    };
    range().ok_or(FlightError::Batch { what: "a buffer lies outside the body" })
}

/// The first `needed` bytes; a buffer may be padded to 64 bytes and no further.
fn exact(buffer: &[u8], needed: Option<usize>) -> Result<&[u8], FlightError> {
    needed
        .filter(|needed| buffer.len() < needed.saturating_add(64))
        .and_then(|needed| buffer.get(..needed))
        .ok_or(FlightError::Batch { what: "a buffer's length" })
}

fn bit(bits: &[u8], at: usize) -> bool {
    bits[at / 8] >> (at % 8) & 1 == 1
}

impl Kind {
    /// Validity and values; texts have offsets between.
    fn buffers(self) -> usize {
        if self == Self::Utf8 { 3 } else { 2 }
    }

    fn bytes(self, rows: usize) -> Option<usize> {
        match self {
            Self::Fixed16 => rows.checked_mul(16),
            Self::UInt32 => rows.checked_mul(4),
            Self::UInt64 | Self::Float64 => rows.checked_mul(8),
            Self::Boolean | Self::Utf8 => Some(rows.div_ceil(8)),
        }
    }
}

impl<'a> Column<'a> {
    /// All values of `N` bytes, in order, also where the validity says that there is none.
    pub(super) fn plain<const N: usize>(&self) -> impl Iterator<Item = [u8; N]> + 'a {
        self.values.chunks_exact(N).map(|value| value.try_into().expect("chunks have this length"))
    }

    /// All values of `N` bytes, none where missing.
    pub(super) fn optional<const N: usize>(&self) -> impl Iterator<Item = Option<[u8; N]>> + 'a {
        let validity = self.validity;
        self.plain()
            .enumerate()
            .map(move |(row, value)| validity.is_none_or(|bits| bit(bits, row)).then_some(value))
    }

    /// All truth values.
    pub(super) fn flags(&self) -> impl Iterator<Item = bool> + 'a {
        let values = self.values;
        (0..self.rows).map(move |row| bit(values, row))
    }

    /// Bytes of the text in a row, none where missing; an error where its offsets are not in the buffer.
    pub(super) fn text(&self, row: usize) -> Result<Option<&'a [u8]>, FlightError> {
        let offset = |at: usize| {
            let bytes = self.offsets.get(at * 4..at * 4 + 4)?;
            usize::try_from(i32::from_le_bytes(bytes.try_into().ok()?)).ok()
        };
        if self.validity.is_some_and(|bits| !bit(bits, row)) {
            return Ok(None);
        }
        let text = || self.values.get(offset(row)?..offset(row + 1)?);
        text().map(Some).ok_or(FlightError::Batch { what: "a text lies outside its buffer" })
    }
}
