//! Single columns: round trips, and everything that is not exactly the column agreed.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, UInt32Array};
use arrow::datatypes::{DataType, Field, Fields, Schema};
use arrow_flight::{FlightData, SchemaAsIpc};
use arrow_ipc::writer::IpcWriteOptions;
use arrow_ipc::{
    BodyCompression, BodyCompressionArgs, Buffer, DictionaryBatchArgs, FieldNode, MessageArgs, MessageHeader,
    MetadataVersion, RecordBatchArgs,
};
use flatbuffers::FlatBufferBuilder;
use futures::executor::block_on;
use futures::{StreamExt, stream};
use kobling_model::OwnerId;
use kobling_proto::flight::{
    FlightError, Partial, decode_fixed16, decode_partial, decode_u32, partial_stream, rows_stream,
    tokens_stream,
};
use proptest::prelude::*;
use tonic::Status;

fn rows(values: Vec<u32>) -> Vec<FlightData> {
    block_on(rows_stream(values).map(|message| message.expect("encodes")).collect())
}

fn read_rows(messages: Vec<FlightData>, max_rows: usize) -> Result<Vec<u32>, FlightError> {
    block_on(decode_u32(stream::iter(messages.into_iter().map(Ok)), max_rows))
}

/// A batch message whose every number can be wrong.
struct Forged {
    version: MetadataVersion,
    header_type: MessageHeader,
    rows: i64,
    nodes: Vec<FieldNode>,
    buffers: Vec<Buffer>,
    compressed: bool,
    variadic: Option<Vec<i64>>,
    body: Vec<u8>,
    body_length: Option<i64>,
}

impl Forged {
    /// Two rows as an honest node would send them.
    fn honest() -> Self {
        Self {
            version: MetadataVersion::V5,
            header_type: MessageHeader::RecordBatch,
            rows: 2,
            nodes: vec![FieldNode::new(2, 0)],
            buffers: vec![Buffer::new(0, 0), Buffer::new(0, 8)],
            compressed: false,
            variadic: None,
            body: [1_u32.to_le_bytes(), 2_u32.to_le_bytes()].concat(),
            body_length: None,
        }
    }

    fn message(self) -> FlightData {
        let mut builder = FlatBufferBuilder::new();
        let nodes = builder.create_vector(&self.nodes);
        let buffers = builder.create_vector(&self.buffers);
        let variadic = self.variadic.map(|counts| builder.create_vector(&counts));
        let compression =
            self.compressed.then(|| BodyCompression::create(&mut builder, &BodyCompressionArgs::default()));
        let batch = arrow_ipc::RecordBatch::create(
            &mut builder,
            &RecordBatchArgs {
                length: self.rows,
                nodes: Some(nodes),
                buffers: Some(buffers),
                compression,
                variadicBufferCounts: variadic,
            },
        );
        let message = arrow_ipc::Message::create(
            &mut builder,
            &MessageArgs {
                version: self.version,
                header_type: self.header_type,
                header: Some(batch.as_union_value()),
                bodyLength: self.body_length.unwrap_or(self.body.len() as i64),
                custom_metadata: None,
            },
        );
        builder.finish(message, None);
        FlightData::new().with_data_header(builder.finished_data().to_vec()).with_data_body(self.body)
    }

    /// What a decoder makes of it after a good schema.
    fn read(self) -> Result<Vec<u32>, FlightError> {
        let schema = rows(Vec::new()).remove(0);
        read_rows(vec![schema, self.message()], 1000)
    }
}

fn schema_message(fields: Vec<Field>) -> FlightData {
    SchemaAsIpc::new(&Schema::new(fields), &IpcWriteOptions::default()).into()
}

#[test]
fn columns_survive_the_way_at_every_size_around_a_batch() {
    for size in [0, 1, 2, 65_535, 65_536, 65_537, 131_072] {
        let tokens: Vec<[u8; 16]> = (0..size as u128).map(u128::to_le_bytes).collect();
        let read = block_on(decode_fixed16(tokens_stream(tokens.clone()), size));
        assert!(read.expect("tokens") == tokens);
    }
    for size in [0, 1, 262_143, 262_144, 262_145] {
        let values: Vec<u32> = (0..size).rev().collect();
        assert!(read_rows(rows(values.clone()), size as usize).expect("rows") == values);
    }
}

#[test]
fn no_message_is_larger_than_a_batch_and_its_header() {
    let tokens = vec![[7; 16]; 200_000];
    for message in block_on(tokens_stream(tokens).collect::<Vec<_>>()) {
        let message = message.expect("encodes");
        assert!(message.data_body.len() <= kobling_proto::limits::FLIGHT_BATCH_BYTES + 64);
        assert!(message.data_header.len() < 1024);
    }
}

#[test]
fn a_partial_aggregate_keeps_its_metadata() {
    let metadata: BTreeMap<_, _> =
        ["signature", "transcript.sent", "transcript.received"].map(|key| (key.into(), "00ff".into())).into();
    let sent = Partial { values: vec![1, u32::MAX], metadata, ..Partial::default() };
    let read = block_on(decode_partial(partial_stream(sent.clone()), 2));
    assert!(read.expect("a partial aggregate") == sent);
}

#[test]
fn sums_and_squares_survive_beside_the_counts_at_every_size_around_a_batch() {
    for size in [1_u32, 29_126, 29_127, 29_128, 52_428, 52_429, 80_000] {
        let wide = |factor: u128| (0..size).map(|at| u128::MAX - factor * u128::from(at)).collect::<Vec<_>>();
        let (values, none) = ((0..size).collect::<Vec<_>>(), Vec::new());
        for (sums, squares) in [(none.clone(), none), (wide(1), Vec::new()), (wide(1), wide(3 << 90))] {
            let sent = Partial { values: values.clone(), sums, squares, ..Partial::default() };
            let messages: Vec<_> = block_on(partial_stream(sent.clone()).collect());
            for message in &messages {
                let body = &message.as_ref().expect("encodes").data_body;
                assert!(body.len() <= kobling_proto::limits::FLIGHT_BATCH_BYTES + 3 * 64);
            }
            let read = block_on(decode_partial(stream::iter(messages), size as usize));
            assert!(read.expect("a partial aggregate") == sent);
        }
    }
}

fn partial_messages(partial: Partial) -> Vec<FlightData> {
    block_on(partial_stream(partial).map(|message| message.expect("encodes")).collect())
}

#[test]
fn a_partial_aggregate_whose_columns_are_not_those_agreed_is_refused() {
    let word = || Field::new("share", DataType::UInt32, false);
    let wide = |name: &str, bytes| Field::new(name, DataType::FixedSizeBinary(bytes), false);
    let read =
        |messages: Vec<FlightData>| block_on(decode_partial(stream::iter(messages.into_iter().map(Ok)), 10));
    for fields in [
        vec![],
        vec![wide("sum", 16)],
        vec![wide("sum", 16), word()],
        vec![word(), wide("square", 16)],
        vec![word(), wide("sum", 8)],
        vec![word(), wide("sum", 16), wide("sum", 16)],
        vec![word(), wide("sum", 16), wide("square", 16), wide("cube", 16)],
        vec![word(), Field::new("sum", DataType::FixedSizeBinary(16), true)],
        vec![word(), Field::new("sum", DataType::Binary, false)],
    ] {
        assert!(matches!(read(vec![schema_message(fields)]), Err(FlightError::Schema { .. })));
    }
    // A batch that has fewer columns, or more, than the schema said.
    let sent = |sums: &[u128]| {
        partial_messages(Partial { values: vec![1, 2], sums: sums.to_vec(), ..Partial::default() })
    };
    let (narrow, broad) = (sent(&[]), sent(&[3, 4]));
    for (schema, batch) in [(&narrow, &broad), (&broad, &narrow)] {
        let refused = read(vec![schema[0].clone(), batch[1].clone()]);
        assert!(matches!(refused, Err(FlightError::Batch { .. })));
    }
    let twice = vec![broad[0].clone(), broad[1].clone(), broad[1].clone()];
    let refused = block_on(decode_partial(stream::iter(twice.into_iter().map(Ok)), 3));
    assert!(matches!(refused, Err(FlightError::TooManyRows)));
}

#[test]
fn a_partial_aggregate_with_more_metadata_than_agreed_is_refused() {
    let metadata: BTreeMap<_, _> = (0..9).map(|key| (key.to_string(), String::new())).collect();
    let sent = Partial { values: vec![1], metadata, ..Partial::default() };
    let refused = block_on(decode_partial(partial_stream(sent), 1));
    assert!(matches!(refused, Err(FlightError::Schema { what: "its metadata" })));
}

#[test]
fn more_rows_than_agreed_are_refused() {
    assert!(matches!(read_rows(rows(vec![1, 2, 3]), 2), Err(FlightError::TooManyRows)));
    let one = rows(vec![1]);
    let twice = vec![one[0].clone(), one[1].clone(), one[1].clone()];
    assert!(matches!(read_rows(twice, 1), Err(FlightError::TooManyRows)));
}

#[test]
fn a_forged_lz4_length_is_refused_before_anything_is_allocated() {
    let mut body = (1_i64 << 40).to_le_bytes().to_vec();
    body.resize(3000, 0x55);
    let forged = Forged {
        rows: 1 << 38,
        nodes: vec![FieldNode::new(1 << 38, 0)],
        buffers: vec![Buffer::new(0, 0), Buffer::new(0, 3000)],
        compressed: true,
        body,
        ..Forged::honest()
    };
    assert!(matches!(forged.read(), Err(FlightError::Compressed)));
    let modest = Forged { compressed: true, ..Forged::honest() };
    assert!(matches!(modest.read(), Err(FlightError::Compressed)));
}

#[test]
fn numbers_that_do_not_fit_the_body_are_refused() {
    assert_eq!(Forged::honest().read().expect("two rows"), [1, 2]);
    let node = |rows, nulls| vec![FieldNode::new(rows, nulls)];
    let buffers = |offset, length| vec![Buffer::new(0, 0), Buffer::new(offset, length)];
    let cases = [
        Forged { rows: 0, nodes: node(0, 0), buffers: buffers(0, 0), ..Forged::honest() },
        Forged { rows: -1, nodes: node(-1, 0), ..Forged::honest() },
        Forged { rows: i64::MAX, nodes: node(i64::MAX, 0), ..Forged::honest() },
        Forged { rows: 1 << 62, nodes: node(1 << 62, 0), ..Forged::honest() },
        Forged { rows: 3, nodes: node(3, 0), ..Forged::honest() },
        Forged { nodes: node(1, 0), ..Forged::honest() },
        Forged { nodes: node(2, 1), ..Forged::honest() },
        Forged { nodes: node(2, -1), ..Forged::honest() },
        Forged { nodes: vec![], ..Forged::honest() },
        Forged { nodes: vec![FieldNode::new(2, 0); 2], ..Forged::honest() },
        Forged { buffers: buffers(-8, 8), ..Forged::honest() },
        Forged { buffers: buffers(0, -1), ..Forged::honest() },
        Forged { buffers: buffers(i64::MAX, i64::MAX), ..Forged::honest() },
        Forged { buffers: buffers(1, 8), ..Forged::honest() },
        Forged { buffers: buffers(0, 4), ..Forged::honest() },
        Forged { buffers: vec![Buffer::new(0, 8)], ..Forged::honest() },
        Forged { buffers: vec![Buffer::new(0, 0); 3], ..Forged::honest() },
        Forged { buffers: vec![Buffer::new(9, 1), Buffer::new(0, 8)], ..Forged::honest() },
        Forged { variadic: Some(vec![1]), ..Forged::honest() },
        Forged { body_length: Some(1 << 40), ..Forged::honest() },
        Forged { body_length: Some(-1), ..Forged::honest() },
        Forged { body: vec![0; 80], buffers: buffers(0, 80), ..Forged::honest() },
    ];
    for (at, case) in cases.into_iter().enumerate() {
        assert!(matches!(case.read(), Err(FlightError::Batch { .. })), "case {at}");
    }
    for case in [
        Forged { version: MetadataVersion::V4, ..Forged::honest() },
        Forged { header_type: MessageHeader::NONE, ..Forged::honest() },
        Forged { header_type: MessageHeader::Tensor, ..Forged::honest() },
        Forged { header_type: MessageHeader::DictionaryBatch, ..Forged::honest() },
        Forged { header_type: MessageHeader::Schema, ..Forged::honest() },
    ] {
        assert!(matches!(case.read(), Err(FlightError::Message { .. })));
    }
}

#[test]
fn a_stream_that_does_not_begin_with_the_schema_agreed_is_refused() {
    let nested = (0..40).fold(DataType::UInt32, |inner, _| {
        DataType::Struct(Fields::from(vec![Field::new("row", inner, false)]))
    });
    let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::UInt32));
    let wide: Vec<Field> = (0..100).map(|at| Field::new(format!("c{at}"), DataType::UInt32, false)).collect();
    let schemas = [
        vec![],
        vec![Field::new("token", DataType::UInt32, false)],
        vec![Field::new("row", DataType::Int32, false)],
        vec![Field::new("row", DataType::UInt64, false)],
        vec![Field::new("row", DataType::UInt32, true)],
        vec![Field::new("row", DataType::FixedSizeBinary(4), false)],
        vec![Field::new("row", nested, false)],
        vec![Field::new("row", dictionary, false)],
        vec![Field::new("row", DataType::UInt32, false), Field::new("row", DataType::UInt32, false)],
        wide,
    ];
    for (at, fields) in schemas.into_iter().enumerate() {
        let refused = read_rows(vec![schema_message(fields)], 1000);
        assert!(matches!(refused, Err(FlightError::Schema { .. })), "schema {at}");
    }
    let batch = Forged::honest().message();
    assert!(matches!(read_rows(vec![batch], 1000), Err(FlightError::Message { .. })));
    assert!(matches!(read_rows(vec![], 1000), Err(FlightError::Ended { .. })));
    assert!(matches!(read_rows(vec![FlightData::new()], 1000), Err(FlightError::Message { .. })));
}

#[test]
fn a_schema_of_a_million_columns_is_refused_by_its_length() {
    let field = Field::new("c", DataType::UInt32, false);
    let message = schema_message(vec![field; 1_000_000]);
    assert!(matches!(read_rows(vec![message], 1000), Err(FlightError::Message { .. })));
}

#[test]
fn dictionaries_and_second_schemas_among_the_batches_are_refused() {
    let schema = rows(Vec::new()).remove(0);
    let again = read_rows(vec![schema.clone(), schema.clone()], 1000);
    assert!(matches!(again, Err(FlightError::Message { .. })));

    let mut builder = FlatBufferBuilder::new();
    let data = arrow_ipc::RecordBatch::create(&mut builder, &RecordBatchArgs::default());
    let dictionary = arrow_ipc::DictionaryBatch::create(
        &mut builder,
        &DictionaryBatchArgs { id: 0, data: Some(data), isDelta: true },
    );
    let message = arrow_ipc::Message::create(
        &mut builder,
        &MessageArgs {
            version: MetadataVersion::V5,
            header_type: MessageHeader::DictionaryBatch,
            header: Some(dictionary.as_union_value()),
            ..MessageArgs::default()
        },
    );
    builder.finish(message, None);
    let dictionary = FlightData::new().with_data_header(builder.finished_data().to_vec());
    assert!(matches!(read_rows(vec![schema, dictionary], 1000), Err(FlightError::Message { .. })));
}

#[test]
fn missing_values_are_refused() {
    let field = Field::new("row", DataType::UInt32, true);
    let array: ArrayRef = Arc::new(UInt32Array::from(vec![Some(1), None]));
    let batch = RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![array]).expect("a batch");
    let messages =
        arrow_flight::utils::batches_to_flight_data(&batch.schema(), vec![batch]).expect("encodes");
    let schema = rows(Vec::new()).remove(0);
    let refused = read_rows(vec![schema, messages[1].clone()], 1000);
    assert!(matches!(refused, Err(FlightError::Batch { what: "a column's missing values" })));
}

#[test]
fn a_broken_stream_is_told_from_broken_bytes() {
    let messages = vec![Ok(rows(vec![1]).remove(0)), Err(Status::unavailable("gone: 10.0.0.7"))];
    let error = block_on(decode_u32(stream::iter(messages), 10)).expect_err("broke");
    let ssb = OwnerId::new("ssb").expect("valid");
    let problem = error.problem(&ssb, "link/tokens");
    assert_eq!((problem.code.as_str(), problem.party.as_str()), ("unreachable", "ssb"));
    assert!(!problem.message.contains("10.0.0.7"));

    let problem = FlightError::Compressed.problem(&ssb, "link/tokens");
    assert_eq!((problem.code.as_str(), problem.step.as_str()), ("broken-message", "link/tokens"));
}

/// Damage to a message: bits flipped, then the end cut off.
#[derive(Clone, Debug)]
struct Damage {
    message: prop::sample::Index,
    header_flips: Vec<(prop::sample::Index, u8)>,
    body_flips: Vec<(prop::sample::Index, u8)>,
    header_cut: usize,
    body_cut: usize,
}

prop_compose! {
    fn damage()(
        message in any::<prop::sample::Index>(),
        header_flips in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..8), 0..6),
        body_flips in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..8), 0..3),
        header_cut in prop_oneof![4 => Just(0_usize), 1 => 1_usize..300],
        body_cut in prop_oneof![4 => Just(0_usize), 1 => 1_usize..300],
    ) -> Damage {
        Damage { message, header_flips, body_flips, header_cut, body_cut }
    }
}

impl Damage {
    fn apply(&self, messages: &mut [FlightData]) {
        let message = &mut messages[self.message.index(messages.len())];
        let damaged = |bytes: &[u8], flips: &[(prop::sample::Index, u8)], cut: usize| {
            let mut bytes = bytes.to_vec();
            for (at, bit) in flips {
                if !bytes.is_empty() {
                    let at = at.index(bytes.len());
                    bytes[at] ^= 1 << bit;
                }
            }
            bytes.truncate(bytes.len().saturating_sub(cut));
            bytes
        };
        message.data_header = damaged(&message.data_header, &self.header_flips, self.header_cut).into();
        message.data_body = damaged(&message.data_body, &self.body_flips, self.body_cut).into();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn damaged_rows_never_panic_and_never_grow(damage in damage(), values in prop::collection::vec(any::<u32>(), 1..40)) {
        let mut messages = rows(values.clone());
        damage.apply(&mut messages);
        if let Ok(read) = read_rows(messages, 1000) {
            prop_assert!(read.len() <= values.len() + 16);
        }
    }

    #[test]
    fn damaged_tokens_never_panic(damage in damage(), tokens in prop::collection::vec(any::<[u8; 16]>(), 1..20)) {
        let mut messages: Vec<_> =
            block_on(tokens_stream(tokens).map(|message| message.expect("encodes")).collect());
        damage.apply(&mut messages);
        let _ = block_on(decode_fixed16(stream::iter(messages.into_iter().map(Ok)), 1000));
    }

    #[test]
    fn damaged_partial_aggregates_never_panic(
        damage in damage(), values in prop::collection::vec(any::<u32>(), 1..20), wide in 0_usize..3,
    ) {
        let metadata = BTreeMap::from([("signature".to_owned(), "ab".repeat(64))]);
        let words = |present: bool| {
            values.iter().filter(|_| present).map(|word| u128::from(*word) << 64).collect::<Vec<_>>()
        };
        let (sums, squares) = (words(wide > 0), words(wide > 1));
        let mut messages = partial_messages(Partial { values, sums, squares, metadata });
        damage.apply(&mut messages);
        let _ = block_on(decode_partial(stream::iter(messages.into_iter().map(Ok)), 1000));
    }

    #[test]
    fn noise_is_refused(header in prop::collection::vec(any::<u8>(), 0..200), body in prop::collection::vec(any::<u8>(), 0..200)) {
        let message = FlightData::new().with_data_header(header).with_data_body(body);
        prop_assert!(read_rows(vec![message.clone()], 1000).is_err());
        let schema = rows(Vec::new()).remove(0);
        prop_assert!(read_rows(vec![schema, message], 1000).is_err());
    }
}
