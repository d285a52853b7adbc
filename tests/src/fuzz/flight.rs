//! Flight: tickets, columns, partial aggregates and tables.
//!
//! A stream is written as its messages one after the other, each with its length before it, as protobuf does.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use arrow_flight::{FlightData, FlightDescriptor, Ticket};
use futures::executor::block_on;
use futures::stream::{self, Stream, StreamExt};
use kobling_broker::combine::{CombineError, Expected, Received, combine};
use kobling_broker::roster::SignedPartial;
use kobling_crypto::sign::SigningKey;
use kobling_model::federation::Party;
use kobling_model::federation::Worker;
use kobling_model::partial::PartialAggregate;
use kobling_model::plan::{Question, QuestionKind, Show};
use kobling_model::rules::Rules;
use kobling_model::table::{Cell, Statistics, Summary, Table, axes, layout};
use kobling_model::{AttemptId, Hash, OwnerId, SessionId};
use kobling_proto::flight::{self, Partial, v1};
use kobling_proto::limits::{MAX_PARTIAL_WORDS, MAX_TOKENS};
use prost::Message;
use tonic::Status;

use super::text::plans;
use crate::reference::loosest_rules;

/// The messages of a stream, and a broken stream where the bytes are no further message.
fn received(mut input: &[u8]) -> impl Stream<Item = Result<FlightData, Status>> + Unpin + use<> {
    let mut messages = Vec::new();
    while !input.is_empty() {
        match FlightData::decode_length_delimited(&mut input) {
            Ok(message) => messages.push(Ok(message)),
            Err(_) => {
                messages.push(Err(Status::internal("no message")));
                break;
            }
        }
    }
    stream::iter(messages)
}

fn written(messages: impl Stream<Item = FlightData>) -> Vec<u8> {
    let messages: Vec<FlightData> = block_on(messages.collect());
    messages.iter().flat_map(Message::encode_length_delimited_to_vec).collect()
}

fn sent(messages: impl Stream<Item = Result<FlightData, Status>>) -> Vec<u8> {
    written(messages.map(|message| message.expect("an encoder does not fail")))
}

/// A ticket, and a descriptor that carries one.
pub fn ticket(input: &[u8]) -> bool {
    let read = flight::read_ticket(&Ticket::new(input.to_vec()));
    if let Ok(content) = &read {
        assert_eq!(flight::read_ticket(&flight::ticket(content.clone())).ok().as_ref(), Some(content));
        assert_eq!(
            flight::read_descriptor(&flight::descriptor(content.clone())).ok().as_ref(),
            Some(content)
        );
    }
    let described =
        FlightDescriptor::decode(input).ok().and_then(|described| flight::read_descriptor(&described).ok());
    let put = block_on(async {
        let (content, rest) = flight::read_put(received(input)).await.ok()?;
        let rest: Vec<_> = rest.collect().await;
        assert!(!rest.is_empty(), "the first message is kept");
        Some(content)
    });
    read.is_ok() || described.is_some() || put.is_some()
}

/// Tokens or row numbers.
pub fn columns(input: &[u8]) -> bool {
    let tokens = block_on(flight::decode_fixed16(received(input), MAX_TOKENS));
    if let Ok(tokens) = &tokens {
        assert!(tokens.len() * 16 <= input.len(), "memory grows with what came");
        let again = sent(flight::tokens_stream(tokens.clone()));
        let again = block_on(flight::decode_fixed16(received(&again), tokens.len()));
        assert_eq!(again.ok().as_ref(), Some(tokens));
    }
    let rows = block_on(flight::decode_u32(received(input), MAX_TOKENS));
    if let Ok(rows) = &rows {
        assert!(rows.len() * 4 <= input.len(), "memory grows with what came");
        let again = sent(flight::rows_stream(rows.clone()));
        assert_eq!(block_on(flight::decode_u32(received(&again), rows.len())).ok().as_ref(), Some(rows));
    }
    tokens.is_ok() || rows.is_ok()
}

/// The question whose shares come, and all that a broker knows of it.
struct Asked {
    plan: Hash,
    index: u32,
    question: Question,
    rules: Rules,
    key: SigningKey,
}

/// One question for each form of a partial aggregate: counts alone, with sums, with squares.
static ASKED: LazyLock<Vec<Asked>> = LazyLock::new(|| {
    let rules = loosest_rules();
    let mut asked = BTreeMap::new();
    for plan in plans() {
        for (index, question) in (0..).zip(&plan.questions) {
            let QuestionKind::Table(_) = question.kind else { continue };
            let form = question.value().map(|column| column.squares);
            asked.entry(form).or_insert_with(|| Asked {
                plan: plan.hash(),
                index,
                question: question.clone(),
                rules: rules.clone(),
                key: SigningKey::generate(),
            });
        }
    }
    asked.into_values().collect()
});

impl Asked {
    fn party(&self, id: &str, port: u16) -> Party {
        Party {
            id: OwnerId::new(id).expect("a party's name"),
            uri: format!("kobling://{id}"),
            address: ([127, 0, 0, 1], port).into(),
            authority: String::new(),
            signing_key: hex::encode(self.key.verifying_key().as_bytes()),
        }
    }

    fn cells(&self) -> usize {
        layout(&self.question).map_or(1, |layout| layout.cells())
    }

    /// What comes of this share and one of nothing but zeros, both announced, and signed where `signed`.
    fn combine(&self, partial: &Partial, signed: bool) -> Option<Result<Table, CombineError>> {
        let left = SignedPartial::read(partial.clone()).ok()?;
        let right = SignedPartial {
            words: vec![0; left.words.len()],
            sums: vec![0; left.sums.len()],
            squares: vec![0; left.squares.len()],
            signature: Vec::new(),
            sent: left.received,
            received: left.sent,
        };
        let parties = [self.party("ssb", 1), self.party("krg", 2)];
        let (session, attempt) = (SessionId([1; 16]), AttemptId([2; 16]));
        let received = |party, worker, mut partial: SignedPartial| {
            let aggregate = PartialAggregate {
                session,
                attempt,
                request: Hash::of(b"request"),
                plan: self.plan,
                question: self.index,
                party: Party::clone(party).id,
                worker,
                sent: partial.sent,
                received: partial.received,
                shares: partial.words.clone(),
                sums: partial.sums.clone(),
                squares: partial.squares.clone(),
            };
            if signed {
                partial.signature = self.key.sign(&aggregate.message()).to_vec();
            }
            Received { worker, party, announced: aggregate.content(), partial }
        };
        let expected = Expected {
            session,
            attempt,
            request: Hash::of(b"request"),
            plan: self.plan,
            index: self.index,
            question: &self.question,
            rules: &self.rules,
            units_max: 10_000_000,
        };
        let [ssb, krg] = &parties;
        Some(combine(&expected, received(ssb, Worker::Left, left), received(krg, Worker::Right, right)))
    }
}

/// A partial aggregate, and the table that a broker makes of it with a worker that signs whatever it likes.
pub fn partial(input: &[u8]) -> bool {
    let Ok(partial) = block_on(flight::decode_partial(received(input), MAX_PARTIAL_WORDS)) else {
        return false;
    };
    assert!(partial.values.len() * 4 <= input.len(), "memory grows with what came");
    for wide in [&partial.sums, &partial.squares] {
        assert!(wide.is_empty() || wide.len() == partial.values.len(), "a sum for each cell or none");
    }
    let metadata: usize = partial.metadata.iter().map(|(key, value)| key.len() + value.len()).sum();
    // One text may stand for several in what came, and not in what is written.
    if metadata < 4096 {
        let again = sent(flight::partial_stream(partial.clone()));
        let again = block_on(flight::decode_partial(received(&again), partial.values.len()));
        assert_eq!(again.ok().as_ref(), Some(&partial), "the same shares");
    }
    let mut combined = false;
    for asked in ASKED.iter() {
        match asked.combine(&partial, false) {
            None | Some(Err(CombineError::Shape { .. } | CombineError::Signature { .. })) => {}
            Some(other) => panic!("only a signature can be wrong: {:?}", other.map(drop)),
        }
        match asked.combine(&partial, true) {
            Some(Ok(table)) => {
                assert_eq!(table.cells.len(), asked.cells());
                same(&table);
                combined = true;
            }
            None | Some(Err(CombineError::Shape { .. } | CombineError::Impossible { .. })) => {}
            Some(Err(other)) => panic!("nothing else can be wrong: {other}"),
        }
    }
    combined
}

/// A protected table.
pub fn table(input: &[u8]) -> bool {
    let Ok(table) = block_on(flight::table_from_flight(received(input))) else { return false };
    same(&table);
    true
}

/// A table that is sent and received again is the same.
fn same(table: &Table) {
    let again = written(stream::iter(flight::table_batches(table)));
    let again = block_on(flight::table_from_flight(received(&again)));
    assert_eq!(again.ok().as_ref(), Some(table), "the same table");
}

pub(super) fn ticket_seeds() -> Vec<Vec<u8>> {
    let bytes = |n: u8| vec![n; 16].into();
    let unit_type = || "PERSON".to_owned();
    let contents = [
        v1::ticket::Content::Tokens(v1::Tokens { session: bytes(1), unit_type: unit_type() }),
        v1::ticket::Content::RowNumbers(v1::RowNumbers {
            session: bytes(1),
            unit_type: unit_type(),
            rows: 65_536,
        }),
        v1::ticket::Content::Partial(v1::Partial { session: bytes(1), attempt: bytes(2) }),
        v1::ticket::Content::Result(v1::Result { job: bytes(3), table: 4 }),
    ];
    let mut seeds = Vec::new();
    for content in contents {
        seeds.push(flight::ticket(content.clone()).ticket.to_vec());
        seeds.push(flight::descriptor(content.clone()).encode_to_vec());
        seeds.push(written(flight::put_rows(content, vec![3, 1, 2])));
    }
    seeds
}

pub(super) fn column_seeds() -> Vec<Vec<u8>> {
    vec![
        sent(flight::tokens_stream(vec![[1; 16], [2; 16], [3; 16]])),
        sent(flight::rows_stream(vec![3, 1, 2])),
        sent(flight::tokens_stream(Vec::new())),
    ]
}

pub(super) fn partial_seeds() -> Vec<Vec<u8>> {
    let seed = |asked: &Asked| {
        let column = asked.question.value();
        let wide = |wanted: bool| {
            if wanted { (1..=asked.cells() as u128).map(|n| n << 20).collect() } else { Vec::new() }
        };
        let hash = Hash::of(b"conversation").to_string();
        let metadata = [
            ("signature", "00".repeat(64)),
            ("transcript.sent", hash.clone()),
            ("transcript.received", hash),
        ];
        sent(flight::partial_stream(Partial {
            values: (0..asked.cells() as u32).map(|n| 100 + n).collect(),
            sums: wide(column.is_some()),
            squares: wide(column.is_some_and(|column| column.squares)),
            metadata: metadata.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
        }))
    };
    ASKED.iter().map(seed).collect()
}

pub(super) fn table_seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for question in plans().iter().flat_map(|plan| &plan.questions) {
        let (QuestionKind::Table(shape), Some(layout)) = (&question.kind, layout(question)) else { continue };
        let cells: Vec<Cell> = (0..layout.cells() as u64)
            .map(|n| if n % 5 == 3 { Cell::Suppressed } else { Cell::Count(100 + n) })
            .collect();
        let statistics = |cell: &Cell| {
            let shown = |show, value| shape.shows.contains(&show).then_some(value);
            let statistics = Statistics {
                mean: shown(Show::Mean, 420_000.0),
                standard_deviation: shown(Show::StandardDeviation, 1.5),
                sum: shown(Show::Sum, 1e9),
            };
            (*cell != Cell::Suppressed).then_some(statistics)
        };
        let summary = shape.value.as_ref().map(|column| Summary {
            variable: column.name.clone(),
            cells: cells.iter().map(statistics).collect(),
        });
        let table = Table {
            line: question.line,
            text: question.text.clone(),
            axes: axes(question, shape),
            shows: shape.shows.clone(),
            cells,
            summary,
        };
        seeds.push(written(stream::iter(flight::table_batches(&table))));
    }
    seeds
}
