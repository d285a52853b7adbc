//! Attacks 23, 24, 26 and 27: bytes that nobody chose.
//!
//! Somebody with a certificate, or who delivers data, sends what no honest party sends: forged bodies, floods, names with control
//! characters, damaged files. Tries to break: decoders, limits, and what is made of names. Bound: refused each time, the process lives, and
//! the next honest question is answered right.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use arrow_flight::flight_service_client::FlightServiceClient;
use arrow_flight::flight_service_server::{FlightService, FlightServiceServer};
use arrow_flight::{
    Action, ActionType, Criteria, Empty, FlightData, FlightDescriptor, FlightInfo, HandshakeRequest,
    HandshakeResponse, PollInfo, PutResult, SchemaResult, Ticket,
};
use arrow_ipc::{
    BodyCompression, BodyCompressionArgs, Buffer, FieldNode, MessageArgs, MessageHeader, MetadataVersion,
    RecordBatchArgs,
};
use flatbuffers::FlatBufferBuilder;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use kobling_crypto::seal::SealKey;
use kobling_model::plan::Release;
use kobling_model::{AttemptId, DatastoreId, OwnerId, SessionId, UnitType, VariableName};
use kobling_node::register::{RegisterStore, check_dataset};
use kobling_proto::flight::{self, v1::ticket::Content};
use kobling_proto::node::v1::DescribeRequest;
use kobling_proto::node::v1::node_service_client::NodeServiceClient;
use kobling_proto::transport::{self, Traffic};
use tonic::{Request, Response, Status, Streaming};

use super::Measure;
use super::lab::{IMPORTS, Lab};
use super::rate::{Bound, Rate};
use crate::fuzz::TARGETS;
use crate::registers::{Mix, standard};
use crate::rogue::{Rogue, fresh, problem_of};
use crate::world::{World, id};

/// 23.
pub(super) fn bodies(lab: &Lab) -> Vec<Measure> {
    vec![
        lab.claims("to a node", &[forged_bodies_to_a_node_are_refused_before_decoding_and_it_lives]),
        lab.claims("to the broker", &[the_broker_takes_no_puts_and_no_strange_tickets]),
        lab.claims("from a node", &[forged_bodies_from_a_node_are_refused_by_the_broker_and_the_node_named]),
        decoders(lab, "to every decoder", |name| !["csv", "metadata"].contains(&name)),
    ]
}

/// Kept inputs of the fuzzers and real inputs, each with bytes changed, to the decoders. A decoder that panics is broken.
fn decoders(lab: &Lab, what: &str, which: fn(&str) -> bool) -> Measure {
    let mut dice = lab.dice(what);
    let (mut right, mut trials, mut note) = (0, 0, String::new());
    for target in TARGETS.iter().filter(|target| which(target.name)) {
        let kept =
            fs::read_dir(target.corpus()).expect("a corpus").map(|file| file.expect("an entry").path());
        let mut kept: Vec<_> = kept.collect();
        kept.sort();
        let kept = kept.into_iter().map(|file| fs::read(file).expect("readable"));
        let inputs: Vec<Vec<u8>> = kept.chain((target.seeds)()).collect();
        for at in 0..lab.of(100, 20_000) {
            if lab.is_stopped() {
                break;
            }
            let mut input = inputs[at % inputs.len()].clone();
            for _ in 0..dice.below(4) {
                if input.is_empty() {
                    break;
                }
                let place = dice.below(input.len());
                match dice.below(3) {
                    0 => input[place] ^= 1 << dice.below(8),
                    1 => input.truncate(place),
                    _ => input.insert(place, dice.draw() as u8),
                }
            }
            trials += 1;
            let survived = catch_unwind(|| (target.body)(&input));
            if let Err(panic) = survived {
                right += 1;
                note = format!("{}: {}", target.name, super::message_of(&*panic));
            }
        }
    }
    Measure::new(what, Rate::Counted { right, trials }, Bound::Never).noted(note)
}

/// 24.
pub(super) fn floods(lab: &Lab) -> Vec<Measure> {
    vec![lab.claims("compressed, large, many, abandoned", &[a_node_that_is_flooded_refuses_and_lives])]
}

fn a_node_that_is_flooded_refuses_and_lives() {
    let world = World::seeded(48);
    let client = || NodeServiceClient::new(world.dial_as_broker("ssb"));
    // A message that says it is compressed: four kilobytes that would be four gigabytes must never be unpacked.
    let mut request = Request::new(DescribeRequest {});
    request.metadata_mut().insert("grpc-encoding", "gzip".parse().expect("a header"));
    let compressed = world.wait(client().describe(request));
    assert!(compressed.is_err(), "a message that says it is compressed is taken");
    // Headers of a megabyte.
    let mut request = Request::new(DescribeRequest {});
    for at in 0..1000 {
        let name: tonic::metadata::MetadataKey<tonic::metadata::Ascii> =
            format!("x-{at}").parse().expect("a header");
        request.metadata_mut().insert(name, "y".repeat(1000).parse().expect("a value"));
    }
    assert!(world.wait(client().describe(request)).is_err(), "headers of a megabyte are taken");
    // A thousand calls of which nobody waits for an answer: each is reset as soon as it is sent.
    let mut client = client();
    world.wait(async {
        for _ in 0..1000 {
            let call = client.describe(DescribeRequest {});
            tokio::select! { biased; _ = call => {}, () = tokio::task::yield_now() => {} }
        }
    });
    // Many messages of nothing, on one stream.
    let mut client = FlightServiceClient::new(world.dial_as_broker("ssb"));
    let refused = world.wait(async {
        let mut answers =
            client.do_put(stream::iter((0..5000).map(|_| FlightData::new()))).await?.into_inner();
        while answers.message().await?.is_some() {}
        Ok::<_, Status>(())
    });
    assert!(refused.is_err(), "a stream of nothing is taken");
    world.check(&world.script(&format!("{IMPORTS}tabulate k s")));
}

/// 26.
pub(super) fn names(lab: &Lab) -> Vec<Measure> {
    let refused = lab.rate(BAD_NAMES.len() as u64 * 3, {
        let mut names = BAD_NAMES.iter().flat_map(|name| (0..3).map(move |kind| (*name, kind)));
        move || match names.next() {
            Some((name, 0)) => OwnerId::new(name).is_ok(),
            Some((name, 1)) => DatastoreId::new(name).is_ok(),
            Some((name, _)) => VariableName::new(name).is_ok(),
            None => false,
        }
    });
    vec![
        Measure::new("as names of parties, datastores, variables", refused, Bound::Never),
        lab.claims("as names of people, keys and texts", &[what_a_researcher_is_called_changes_nothing]),
    ]
}

/// Names that no honest owner gives anything.
const BAD_NAMES: [&str; 12] = [
    "'; DROP TABLE jobs; --",
    "../../etc/passwd",
    "a/b",
    "a\nb",
    "a\r\nx: y",
    "a\0b",
    "\u{202e}bss",
    "a\u{200b}b",
    "",
    ".",
    "..",
    "a b",
];

fn what_a_researcher_is_called_changes_nothing() {
    let world = World::seeded(49);
    let session = world.new_session();
    let imports = format!("{IMPORTS}tabulate k s");
    let honest = world.check(&world.script(&imports)).bytes();
    for name in BAD_NAMES {
        // As the key of a request: the same key is the same job, another is another.
        if let Ok(job) = world.submit(&session, name, &world.script(&imports)) {
            assert_eq!(world.follow(&job).bytes(), honest, "a key changes a table");
        }
        // As a literal: compared with values, and nothing else. Neither half breaks a line of a log.
        let literal: String = name.chars().filter(|letter| !letter.is_control()).collect();
        let end = format!("tabulate k s if b != \"{literal}\"");
        let script = world.script(&format!("{IMPORTS}{end}"));
        if kobling_script::plan(&script, &world.catalogue()).is_ok() {
            world.check(&script);
        }
    }
    // Every log is one record a line still, and they fit.
    let (_, findings) = world.reconciled();
    assert!(findings.iter().all(kobling_audit::Finding::may_be_a_crash), "{findings:?}");
}

/// 27.
pub(super) fn files(lab: &Lab) -> Vec<Measure> {
    vec![
        decoders(lab, "delivered datasets, by the fuzzers' bodies", |name| {
            ["csv", "metadata"].contains(&name)
        }),
        damaged_datasets(lab),
        damaged_store(lab),
    ]
}

/// Delivered datasets that break off within an identity number, or have a bit of one flipped so that it is no digit. One that is taken, or
/// at which the check panics, breaks the bound.
fn damaged_datasets(lab: &Lab) -> Measure {
    let folder = tempfile::tempdir().expect("a folder");
    let mut owners = standard(Mix { people: 60, strangers: 10, ..Mix::of(27) });
    owners.truncate(1);
    owners[0].write(folder.path());
    let [metadata, data] = ["json", "csv"].map(|ending| {
        fs::read(folder.path().join("KJOENN").join(format!("KJOENN.{ending}"))).expect("readable")
    });
    let is_taken = |data: &[u8]| {
        let (report, described) =
            check_dataset("KJOENN", &metadata, data, folder.path()).expect("few rows need no folder");
        report.problems.is_empty() && described.is_some()
    };
    assert!(is_taken(&data), "the undamaged dataset is taken");
    let starts: Vec<usize> =
        data.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1).collect();
    let mut dice = lab.dice("27: datasets");
    let rate = lab.rate(lab.of(200, 5000), || {
        // The last line end begins no row.
        let place = starts[dice.below(starts.len() - 1)] + dice.below(11);
        let mut damaged = data.clone();
        match dice.percent(50) {
            true => damaged.truncate(place + 1),
            false => damaged[place] ^= 0x40,
        }
        catch_unwind(AssertUnwindSafe(|| is_taken(&damaged))).unwrap_or(true)
    });
    Measure::new("delivered datasets, cut or flipped", rate, Bound::Never)
}

/// A node's own registers, one file of which breaks off or has a bit flipped. Registers that open, or panic, break the bound.
fn damaged_store(lab: &Lab) -> Measure {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, state) = (folder.path().join("data"), folder.path().join("state"));
    let owner = standard(Mix { people: 60, strangers: 10, ..Mix::of(28) }).swap_remove(0);
    owner.write(&data);
    fs::create_dir(&state).expect("a folder");
    let release = Release {
        datastore: DatastoreId::new(owner.datastore).expect("a datastore"),
        version: "1.0.0".parse().expect("a version"),
        owner: id(owner.id),
    };
    let mut store = RegisterStore::open(&state).expect("a new store");
    store.import(&data, &release, &SealKey::from_bytes([7; 32])).expect("right registers");
    drop(store);
    let files = parquet_files(&state);
    assert!(files.len() >= 4, "registers are Parquet files");
    let mut dice = lab.dice("27: store");
    let rate = lab.rate(lab.of(100, 2000), || {
        let file = dice.one(&files);
        let whole = fs::read(file).expect("readable");
        let mut damaged = whole.clone();
        let place = dice.below(whole.len());
        match dice.percent(50) {
            true => damaged.truncate(place),
            false => damaged[place] ^= 1 << dice.below(8),
        }
        fs::write(file, &damaged).expect("written");
        let opened = catch_unwind(|| RegisterStore::open(&state).is_ok()).unwrap_or(true);
        fs::write(file, &whole).expect("written");
        opened
    });
    assert!(RegisterStore::open(&state).is_ok(), "the undamaged registers open");
    Measure::new("a node's Parquet, cut or flipped", rate, Bound::Never)
}

fn parquet_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(parquet_files(&path));
        } else if path.extension().is_some_and(|ending| ending == "parquet") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// A record batch of 3 kB that says it is LZ4 and 2⁴⁰ bytes long.
fn forged_batch() -> FlightData {
    let mut body = (1_i64 << 40).to_le_bytes().to_vec();
    body.resize(3000, 0x55);
    let mut builder = FlatBufferBuilder::new();
    let nodes = builder.create_vector(&[FieldNode::new(1 << 38, 0)]);
    let buffers = builder.create_vector(&[Buffer::new(0, 0), Buffer::new(0, 3000)]);
    let compression = BodyCompression::create(&mut builder, &BodyCompressionArgs::default());
    let batch = arrow_ipc::RecordBatch::create(
        &mut builder,
        &RecordBatchArgs {
            length: 1 << 38,
            nodes: Some(nodes),
            buffers: Some(buffers),
            compression: Some(compression),
            variadicBufferCounts: None,
        },
    );
    let message = arrow_ipc::Message::create(
        &mut builder,
        &MessageArgs {
            version: MetadataVersion::V5,
            header_type: MessageHeader::RecordBatch,
            header: Some(batch.as_union_value()),
            bodyLength: body.len() as i64,
            custom_metadata: None,
        },
    );
    builder.finish(message, None);
    FlightData::new().with_data_header(builder.finished_data().to_vec()).with_data_body(body)
}

fn forged_bodies_to_a_node_are_refused_before_decoding_and_it_lives() {
    let world = World::seeded(43);
    let rogue = Rogue::open(&world, SessionId(fresh()));
    let content = || {
        Content::RowNumbers(flight::v1::RowNumbers {
            session: rogue.session.0.to_vec().into(),
            unit_type: UnitType::Person.to_string(),
            rows: 65_536,
        })
    };
    let honest = |numbers: Vec<u32>| world.wait(flight::put_rows(content(), numbers).collect::<Vec<_>>());
    let first = honest(vec![1]).remove(0);
    let noise = FlightData::new().with_data_header(vec![0xff; 300]).with_data_body(vec![0xff; 300]);
    let nameless = {
        let mut message = first.clone();
        message.flight_descriptor = Some(FlightDescriptor::new_path(vec!["../../identity".into()]));
        message
    };
    let streams: [Vec<FlightData>; 6] = [
        vec![first.clone(), forged_batch()],
        vec![first.clone(), noise.clone()],
        vec![first.clone(), first.clone()],
        vec![nameless],
        vec![noise],
        vec![],
    ];
    for (at, messages) in streams.into_iter().enumerate() {
        let mut client = FlightServiceClient::new(world.dial_as_broker("ssb"));
        let refused = world.wait(async {
            let mut answers = client.do_put(stream::iter(messages)).await?.into_inner();
            while answers.message().await?.is_some() {}
            Ok::<_, Status>(())
        });
        let status = refused.expect_err("refused");
        assert_eq!(status.code(), tonic::Code::InvalidArgument, "stream {at}: {status:?}");
    }
    // Tickets that are none.
    for ticket in [Ticket::new(vec![0xff; 40]), Ticket::new(""), Ticket::new(vec![0; 5000])] {
        let mut client = FlightServiceClient::new(world.dial_as_broker("ssb"));
        let refused = world.wait(client.do_get(ticket)).expect_err("refused");
        assert_eq!(refused.code(), tonic::Code::InvalidArgument);
    }
    // A message that is too large by far.
    let mut client =
        FlightServiceClient::new(world.dial_as_broker("ssb")).max_encoding_message_size(64 << 20);
    let large = first.with_data_body(vec![0; 8 << 20]);
    let refused = world.wait(async {
        let mut answers = client.do_put(stream::iter(vec![large])).await?.into_inner();
        while answers.message().await?.is_some() {}
        Ok::<_, Status>(())
    });
    assert!(refused.is_err());
    world.check(&world.script(&format!("{IMPORTS}tabulate k s")));
}

fn the_broker_takes_no_puts_and_no_strange_tickets() {
    let world = World::seeded(44);
    let mut client = FlightServiceClient::new(world.platform());
    let refused = world.wait(async {
        let mut answers = client.do_put(stream::iter(vec![forged_batch()])).await?.into_inner();
        while answers.message().await?.is_some() {}
        Ok::<_, Status>(())
    });
    assert_eq!(refused.expect_err("refused").code(), tonic::Code::Unimplemented);
    let strange = [
        Ticket::new(vec![0xff; 40]),
        Ticket::new(""),
        flight::ticket(Content::Tokens(flight::v1::Tokens {
            session: vec![0; 16].into(),
            unit_type: "PERSON".into(),
        })),
        flight::ticket(Content::Result(flight::v1::Result { job: vec![0; 3].into(), table: 0 })),
    ];
    for ticket in strange {
        let refused = world.wait(client.do_get(ticket)).expect_err("refused");
        assert_eq!(refused.code(), tonic::Code::InvalidArgument, "{refused:?}");
    }
    let unknown = world.fetch(&"00".repeat(16), 0).expect_err("refused");
    assert_eq!(unknown.code(), tonic::Code::NotFound);
    world.check(&world.script(&format!("{IMPORTS}tabulate k s")));
}

/// Somebody in a node's place, with its certificate, who answers every DoGet with the same messages.
struct Impostor(Vec<FlightData>);

fn not_offered<T>() -> Result<T, Status> {
    Err(Status::unimplemented(""))
}

type Answers<T> = BoxStream<'static, Result<T, Status>>;

#[tonic::async_trait]
impl FlightService for Impostor {
    type HandshakeStream = Answers<HandshakeResponse>;
    type ListFlightsStream = Answers<FlightInfo>;
    type DoGetStream = Answers<FlightData>;
    type DoPutStream = Answers<PutResult>;
    type DoActionStream = Answers<arrow_flight::Result>;
    type ListActionsStream = Answers<ActionType>;
    type DoExchangeStream = Answers<FlightData>;

    async fn do_get(&self, _: Request<Ticket>) -> Result<Response<Self::DoGetStream>, Status> {
        Ok(Response::new(stream::iter(self.0.clone().into_iter().map(Ok)).boxed()))
    }

    async fn do_put(&self, _: Request<Streaming<FlightData>>) -> Result<Response<Self::DoPutStream>, Status> {
        not_offered()
    }

    async fn handshake(
        &self,
        _: Request<Streaming<HandshakeRequest>>,
    ) -> Result<Response<Self::HandshakeStream>, Status> {
        not_offered()
    }

    async fn list_flights(&self, _: Request<Criteria>) -> Result<Response<Self::ListFlightsStream>, Status> {
        not_offered()
    }

    async fn get_flight_info(&self, _: Request<FlightDescriptor>) -> Result<Response<FlightInfo>, Status> {
        not_offered()
    }

    async fn poll_flight_info(&self, _: Request<FlightDescriptor>) -> Result<Response<PollInfo>, Status> {
        not_offered()
    }

    async fn get_schema(&self, _: Request<FlightDescriptor>) -> Result<Response<SchemaResult>, Status> {
        not_offered()
    }

    async fn do_action(&self, _: Request<Action>) -> Result<Response<Self::DoActionStream>, Status> {
        not_offered()
    }

    async fn list_actions(&self, _: Request<Empty>) -> Result<Response<Self::ListActionsStream>, Status> {
        not_offered()
    }

    async fn do_exchange(
        &self,
        _: Request<Streaming<FlightData>>,
    ) -> Result<Response<Self::DoExchangeStream>, Status> {
        not_offered()
    }
}

fn forged_bodies_from_a_node_are_refused_by_the_broker_and_the_node_named() {
    let mut world = World::seeded(45);
    world.stop_node("krg");
    let credentials = world.authority("krg").issue("krg");
    let broker_authority = world.authority("broker").pem().to_owned();
    let schema = world.wait(flight::tokens_stream(vec![]).next()).expect("a schema").expect("encodes");
    let server = {
        let listener = world.place_of("krg");
        let mut server = transport::server(&credentials, &[&broker_authority]).expect("a server");
        let router = server.add_service(FlightServiceServer::new(Impostor(vec![schema, forged_batch()])));
        let serve = router.serve_with_incoming(transport::incoming(listener, &Traffic::default()));
        world.wait(async { Some(tokio::spawn(serve)) }).expect("spawned")
    };
    let session = SessionId(fresh());
    let krg = world.as_broker("krg");
    let problem = problem_of(world.wait(krg.tokens(session, UnitType::Person)));
    assert_eq!(
        (problem.code.as_str(), problem.party.clone()),
        ("misbehaved", Some(id("krg"))),
        "{problem:?}"
    );
    let problem = problem_of(world.wait(krg.partial(session, AttemptId(fresh()))).map(drop));
    assert_eq!((problem.code.as_str(), problem.party), ("misbehaved", Some(id("krg"))));
    server.abort();
}
