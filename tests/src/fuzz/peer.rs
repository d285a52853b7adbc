//! What comes over a link between workers and dealer.

use std::sync::LazyLock;
use std::time::Duration;

use kobling_crypto::attempt::{Computation, Product, Sharing};
use kobling_crypto::channel::{
    Channel, ChannelError, FramedChannel, Header, StepName, Transcript, Transport, TransportError,
};
use kobling_crypto::protocol::classes::ClassShape;
use kobling_crypto::protocol::kept::KeptId;
use kobling_crypto::protocol::lookup::PerturbationTable;
use kobling_crypto::protocol::narrow_product::{Cross, OwnerShape, ProductShape};
use kobling_crypto::protocol::protect::{Program, ProtectShape};
use kobling_crypto::protocol::protect_sums::ValueShape;
use kobling_node::peer::{Link, LinkTransport};
use kobling_proto::peer::v1 as wire;
use prost::Message;
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

/// Blocks on what is there already, so that no thread of it runs.
static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_time().build().expect("a runtime"));

/// A frame, as a link delivers it and a channel takes it.
pub fn frame(input: &[u8]) -> bool {
    let Ok(frame) = wire::Frame::decode(input) else { return false };
    let deliver = |frame: wire::Frame| {
        let (link, carried, to_deliver) = Link::new();
        to_deliver.try_send(frame).expect("there is room");
        let ended = CancellationToken::new();
        (LinkTransport::new(link, RUNTIME.handle().clone(), Duration::from_secs(60), ended), carried)
    };
    let (mut transport, mut carried) = deliver(frame.clone());
    let (header, body) = match transport.receive() {
        Ok(received) => received,
        Err(error) => {
            assert_eq!(error, TransportError::Malformed);
            return false;
        }
    };
    transport.send(header.clone(), body.to_vec()).expect("there is room");
    let sent = carried.try_recv().expect("what was sent");
    assert_eq!(Some(sent), Some(frame.clone()), "a frame is sent on as it came");

    // A channel that waits for exactly this message, first as the sender hashed it, then as it should have.
    let Header { session, attempt, step, index, sender, shape, .. } = header.clone();
    let transcript = Transcript::start(&session, &attempt, &sender, "krg").after(&header, &body).hash();
    let right =
        wire::Header { transcript: transcript.to_vec().into(), ..frame.header.clone().expect("it has one") };
    let right = wire::Frame { header: Some(right), ..frame.clone() };
    let bytes = shape.iter().try_fold(1_u64, |bytes, dimension| bytes.checked_mul(*dimension));
    let fits = bytes == Some(body.len() as u64);
    for (frame, hashed) in [(frame, header.transcript == transcript), (right, true)] {
        let (transport, _carried) = deliver(frame);
        let mut channel = FramedChannel::new(transport, session, attempt, "krg", &sender);
        match channel.receive(&step, index, &shape) {
            Ok(received) => assert!(fits && hashed && received == body),
            Err(ChannelError::Unexpected { .. }) => assert!(!fits),
            Err(ChannelError::Transcript { .. }) => assert!(fits && !hashed),
            Err(error) => panic!("nothing else can be wrong: {error}"),
        }
    }
    fits
}

/// The shape of a computation, as a worker tells it to the dealer.
pub fn computation(input: &[u8]) -> bool {
    let Some(computation) = Computation::from_bytes(input) else { return false };
    assert_eq!(computation.to_bytes(), input, "there is one encoding");
    true
}

pub(super) fn frame_seeds() -> Vec<Vec<u8>> {
    let seed = |step: &str, shape: &[u64], body: Vec<u8>| {
        let header = Header {
            session: [1; 16],
            attempt: [2; 16],
            step: StepName::new(step).expect("a step's name"),
            index: 3,
            sender: "ssb".to_owned(),
            shape: shape.to_vec(),
            transcript: [0; 32],
        };
        let transcript =
            Transcript::start(&header.session, &header.attempt, "ssb", "krg").after(&header, &body);
        let header = wire::Header {
            session: header.session.to_vec().into(),
            attempt: header.attempt.to_vec().into(),
            step: header.step.as_str().to_owned(),
            index: header.index,
            sender: header.sender,
            shape: header.shape,
            transcript: transcript.hash().to_vec().into(),
        };
        wire::Frame { header: Some(header), body: body.into() }.encode_to_vec()
    };
    vec![
        seed("attempt/key", &[1, 32], vec![7; 32]),
        seed("product/left", &[2, 5, 2], vec![7; 20]),
        seed("attempt/end", &[0, 1], Vec::new()),
    ]
}

pub(super) fn computation_seeds() -> Vec<Vec<u8>> {
    let rows = vec![vec![0, 0, 256, 256], vec![0, 100, 200, 256]];
    let table = PerturbationTable::new(rows, 2).expect("usable");
    let protect = |cells, program| ProtectShape {
        cells,
        table: table.clone(),
        column_id: ProtectShape::COUNT_COLUMN,
        program,
    };
    let values = ValueShape {
        squares: true,
        sum_bits: 21,
        square_bits: 40,
        units_min: 15,
        dominance_percent_max: 90,
        evidence: vec![1, 8],
    };
    let table_program = Program::Table {
        small_max: 4,
        small_percent_max: 50,
        counted: vec![0, 1, 2, 5],
        values: Some(values),
    };
    let travelling = |product, protect| {
        let (of_left, of_right) = (Sharing::Travel, Sharing::Travel);
        Computation { product, of_left, of_right, protect }
    };
    let owner = |categories, values: &[u8]| OwnerShape { categories, values: values.to_vec() };
    let product = ProductShape::new(
        65_536,
        owner(3, &[7, 7, 6]),
        owner(4, &[1]),
        vec![owner(2, &[]), owner(5, &[8, 8])],
    );
    let classes = ClassShape::new(65_536, 1, 17, vec![30, 60, 90], vec![1, 3], 1);
    let joined = Product::new(
        65_536,
        owner(3, &[4]),
        owner(1, &[]),
        true,
        vec![owner(4, &[4])],
        vec![classes],
        vec![Cross { first: (0, 0), second: (2, 0) }],
    );
    [
        travelling(Some(Product::Narrow(product)), protect(20, table_program.clone())),
        Computation {
            of_left: Sharing::Keep(KeptId([3; 32])),
            of_right: Sharing::Travel,
            ..travelling(Some(joined), protect(20, table_program))
        },
        travelling(None, protect(1, Program::Population { floor: 1000 })),
        travelling(None, protect(2, Program::Edit { units_min: 15, rest_min: 0, floor: 1000 })),
    ]
    .map(|computation| computation.to_bytes())
    .to_vec()
}
