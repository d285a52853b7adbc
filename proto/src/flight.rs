//! Columns and tables as Arrow Flight messages: tickets, encoders, and decoders for bytes of strangers.
//!
//! What comes in never reaches Arrow's own decoder: a compressed body of a few bytes can make it ask for
//! 2⁴⁰ bytes, which ends the process. The decoders here check each message's frame and copy values
//! themselves. What goes out is written by Arrow's encoder, uncompressed.
//!
//! Each stream is one schema message and then record batches of about 1 MiB:
//!
//! | what | encoder | decoder | columns |
//! | --- | --- | --- | --- |
//! | tokens | [`tokens_stream`] | [`decode_fixed16`] | `token` FixedSizeBinary(16) |
//! | row numbers | [`rows_stream`], [`put_rows`] | [`decode_u32`] | `row` UInt32 |
//! | partial aggregate | [`partial_stream`] | [`decode_partial`] | `share` UInt32; `sum`, `square` FixedSizeBinary(16); metadata |
//! | protected table | [`table_batches`] | [`table_from_flight`] | see [`table_batches`] |

mod column;
mod strict;
mod table;

use arrow_flight::{FlightData, FlightDescriptor};
use futures::{Stream, StreamExt, stream};
use kobling_model::OwnerId;
use prost::Message;
use tonic::Status;

pub use column::{
    Partial, decode_fixed16, decode_partial, decode_u32, partial_stream, put_rows, rows_stream, tokens_stream,
};
pub use table::{TABLE_METADATA, percent_shown, table_batches, table_from_flight};

use crate::common::v1::Problem;
use crate::convert::problem::{self, code, problem_of};
use crate::limits::MAX_TICKET_BYTES;

/// Generated: what a ticket or descriptor of ours says.
#[allow(missing_docs, clippy::all)]
pub mod v1 {
    tonic::include_proto!("kobling.flight.v1");
}

/// Why a stream of Flight messages, or a ticket, is refused. Says what is wrong with the frame, never
/// what was in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FlightError {
    /// The stream broke.
    #[error("the stream broke before its end")]
    Stream(#[source] Box<Status>),
    /// The stream ended, or had not begun, where a message must be.
    #[error("the stream ended before {expected}")]
    Ended {
        /// What was missing.
        expected: &'static str,
    },
    /// Not an Arrow message, or one of a kind that does not belong there.
    #[error("expected an Arrow message with {expected}")]
    Message {
        /// What must be there.
        expected: &'static str,
    },
    /// The schema is not the one agreed.
    #[error("the schema is not the one agreed: {what}")]
    Schema {
        /// What differs.
        what: &'static str,
    },
    /// A compressed body. Nobody in a federation sends one.
    #[error("a record batch is compressed")]
    Compressed,
    /// A record batch whose parts do not fit together.
    #[error("a record batch is malformed: {what}")]
    Batch {
        /// What does not fit.
        what: &'static str,
    },
    /// More rows than agreed.
    #[error("there are more rows than agreed")]
    TooManyRows,
    /// A table that contradicts itself.
    #[error("the table is malformed: {what}")]
    Table {
        /// What does not fit.
        what: &'static str,
    },
    /// Not a ticket or descriptor of ours.
    #[error("the ticket is malformed")]
    Ticket,
}

impl FlightError {
    /// The problem that this error stands for, where the bytes came from `party`.
    pub fn problem(&self, party: &OwnerId, step: &str) -> Problem {
        match self {
            Self::Stream(status) => problem_of(status, party, step),
            _ => problem::problem(
                code::BROKEN_MESSAGE,
                party,
                step,
                format!("{party} sent what an honest party does not send: {self}"),
            ),
        }
    }
}

/// A ticket for DoGet.
pub fn ticket(content: v1::ticket::Content) -> arrow_flight::Ticket {
    arrow_flight::Ticket::new(encode(content))
}

/// A descriptor for DoPut.
pub fn descriptor(content: v1::ticket::Content) -> FlightDescriptor {
    FlightDescriptor::new_cmd(encode(content))
}

/// What a ticket says.
///
/// # Errors
/// [`FlightError::Ticket`].
pub fn read_ticket(ticket: &arrow_flight::Ticket) -> Result<v1::ticket::Content, FlightError> {
    decode(&ticket.ticket)
}

/// What a descriptor says.
///
/// # Errors
/// [`FlightError::Ticket`] for anything but a command with a ticket of ours.
pub fn read_descriptor(descriptor: &FlightDescriptor) -> Result<v1::ticket::Content, FlightError> {
    use arrow_flight::flight_descriptor::DescriptorType;
    if descriptor.r#type() != DescriptorType::Cmd || !descriptor.path.is_empty() {
        return Err(FlightError::Ticket);
    }
    decode(&descriptor.cmd)
}

/// What a DoPut stream is for, from its first message, and the whole stream for a decoder.
///
/// # Errors
/// [`FlightError::Ended`] for an empty stream, [`FlightError::Ticket`] for one that does not say what it is.
pub async fn read_put<S>(
    stream: S,
) -> Result<(v1::ticket::Content, impl Stream<Item = Result<FlightData, Status>>), FlightError>
where
    S: Stream<Item = Result<FlightData, Status>> + Unpin,
{
    let mut stream = stream;
    let first = match stream.next().await {
        None => return Err(FlightError::Ended { expected: "its descriptor" }),
        Some(Err(status)) => return Err(FlightError::Stream(Box::new(status))),
        Some(Ok(first)) => first,
    };
    let content = read_descriptor(first.flight_descriptor.as_ref().ok_or(FlightError::Ticket)?)?;
    Ok((content, stream::once(async { Ok(first) }).chain(stream)))
}

fn encode(content: v1::ticket::Content) -> Vec<u8> {
    v1::Ticket { content: Some(content) }.encode_to_vec()
}

fn decode(bytes: &[u8]) -> Result<v1::ticket::Content, FlightError> {
    if bytes.len() > MAX_TICKET_BYTES {
        return Err(FlightError::Ticket);
    }
    let ticket = v1::Ticket::decode(bytes).map_err(|_| FlightError::Ticket)?;
    ticket.content.ok_or(FlightError::Ticket)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content() -> v1::ticket::Content {
        v1::ticket::Content::RowNumbers(v1::RowNumbers {
            session: vec![7; 16].into(),
            unit_type: "PERSON".into(),
            rows: 65_536,
        })
    }

    #[test]
    fn a_ticket_and_a_descriptor_say_what_was_put_in() {
        assert_eq!(read_ticket(&ticket(content())).ok(), Some(content()));
        assert_eq!(read_descriptor(&descriptor(content())).ok(), Some(content()));
    }

    #[test]
    fn a_ticket_that_is_empty_or_large_or_a_path_is_refused() {
        let refused = |result| matches!(result, Err(FlightError::Ticket));
        assert!(refused(read_ticket(&arrow_flight::Ticket::new(""))));
        assert!(refused(read_ticket(&arrow_flight::Ticket::new(vec![0xff; 40]))));
        let large = v1::RowNumbers { unit_type: "x".repeat(MAX_TICKET_BYTES), ..Default::default() };
        assert!(refused(read_ticket(&ticket(v1::ticket::Content::RowNumbers(large)))));
        assert!(refused(read_descriptor(&FlightDescriptor::new_path(vec!["../x".into()]))));
    }

    #[tokio::test]
    async fn a_put_keeps_its_first_message() {
        let sent: Vec<_> = put_rows(content(), vec![3, 1, 2]).map(Ok).collect().await;
        let (read, stream) = read_put(stream::iter(sent)).await.expect("says what it is");
        assert_eq!(read, content());
        assert_eq!(decode_u32(stream, 3).await.expect("rows"), [3, 1, 2]);
    }

    #[tokio::test]
    async fn a_put_that_does_not_say_what_it_is_is_refused() {
        let sent: Vec<_> = rows_stream(vec![1]).collect().await;
        assert!(matches!(read_put(stream::iter(sent)).await.err(), Some(FlightError::Ticket)));
        assert!(matches!(read_put(stream::empty()).await.err(), Some(FlightError::Ended { .. })));
    }
}
