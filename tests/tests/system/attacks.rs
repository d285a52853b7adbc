//! Attacks of the catalogue, by their numbers there.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

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
use kobling_broker::roster::ComputeEvent;
use kobling_model::rules::Rules;
use kobling_model::table::Cell;
use kobling_model::{AttemptId, SessionId, UnitType};
use kobling_proto::convert::problem::problem_of as problem_of_status;
use kobling_proto::flight::{self, v1::ticket::Content};
use kobling_proto::node::v1::DescribeRequest;
use kobling_proto::node::v1::node_service_client::NodeServiceClient;
use kobling_proto::platform::v1::catalogue_service_client::CatalogueServiceClient;
use kobling_proto::platform::v1::{JobState, ListDatastoresRequest};
use kobling_proto::transport::{self, CertificateFault, Credentials, DialErrorKind, Traffic};
use kobling_tests::certificates::Authority;
use kobling_tests::reference::true_cells;
use kobling_tests::registers::{Mix, standard};
use kobling_tests::tap::{Rewriter, Said, is_session_link};
use kobling_tests::world::{World, id};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};
use tonic::{Request, Response, Status, Streaming};

use super::rogue::{Rogue, code_of, fresh, problem_of};
use super::script;

const IMPORTS: &str = "import ssb/KJOENN as k\nimport krg/STED as s\nimport ssb/BOSTED 2020-01-01 as b\n";

// 20b: the broker as dealer.

#[test]
fn attack_20b_a_broker_that_deals_learns_nothing_about_suppressed_cells() {
    let world = World::of_two(31);
    let imports = "import ssb/KJOENN as k\nimport ssb/SJELDEN as sj\nimport ssb/BOSTED 2020-01-01 as b\n\
                   import krg/STED as s\nimport krg/STADIUM as t\n";
    let question = script(&world, &format!("{imports}tabulate k b s t"));
    let rare = script(&world, &format!("{imports}tabulate sj s, missing"));
    let mut shares: Vec<BTreeMap<_, Vec<u32>>> = Vec::new();
    let mut suppressed = Vec::new();
    for _ in 0..2 {
        for asked in [&question, &rare] {
            world.tap.forget();
            let result = world.check(asked);
            let table = result.tables.last().expect("a table");
            let mut of_workers = BTreeMap::new();
            for call in world.tap.calls() {
                if let Said::Partial(_, words) = call.said {
                    of_workers.insert(call.node, words);
                }
            }
            let (left, right) = (&of_workers[&id("ssb")], &of_workers[&id("krg")]);
            for (at, cell) in table.cells.iter().enumerate() {
                let word = left[at].wrapping_add(right[at]);
                assert_eq!(Cell::from_word(word), *cell);
                if *cell == Cell::Suppressed {
                    assert_eq!(word, u32::MAX, "a suppressed cell adds up to the public constant");
                }
            }
            // What the broker as dealer saw of the computation: keys, the shape twice, goodbye.
            let heard: BTreeSet<String> = (world.tap.calls().iter())
                .filter_map(|call| match &call.said {
                    Said::DealReceived(header, _) => Some(header.step.to_string()),
                    _ => None,
                })
                .collect();
            let expected = ["attempt/end", "attempt/key", "attempt/shape", "attempt/shape-length"];
            assert_eq!(heard.into_iter().collect::<Vec<_>>(), expected);
            suppressed.push(places(&table.cells));
            shares.push(of_workers);
        }
    }
    assert!(suppressed.iter().any(|places| !places.is_empty()), "a case without suppressed cells");
    assert_eq!((&suppressed[0], &suppressed[1]), (&suppressed[2], &suppressed[3]));
    // The same question again: every share is drawn anew, so none is a function of what is in the cell.
    let mut words: HashSet<u32> = HashSet::new();
    let mut all = 0;
    let mut ones = 0;
    for of_workers in &shares {
        for of_worker in of_workers.values() {
            all += of_worker.len();
            ones += of_worker.iter().map(|word| word.count_ones() as usize).sum::<usize>();
            words.extend(of_worker);
        }
    }
    assert!(all - words.len() <= 2, "shares repeat: {} of {all} are distinct", words.len());
    let bits = 32.0 * all as f64;
    assert!((ones as f64 - bits / 2.0).abs() < 6.0 * (bits / 4.0).sqrt(), "{ones} ones among {bits} bits");
    // Whatever masks the dealer takes off a worker's share, no true count is left bare in it.
    let registers = world.registers();
    let plan = world.plan(&rare);
    let cells =
        true_cells(plan.questions.last().expect("a table"), &registers, &world.keys().record_key_secret);
    for of_workers in &shares {
        for of_worker in of_workers.values() {
            assert!(cells.iter().all(|cell| cell.count == 0 || !of_worker.contains(&(cell.count as u32))));
        }
    }
}

fn places(cells: &[Cell]) -> Vec<usize> {
    let suppressed = cells.iter().enumerate().filter(|(_, cell)| **cell == Cell::Suppressed);
    suppressed.map(|(at, _)| at).collect()
}

#[test]
fn attack_20b_where_three_nodes_are_enrolled_the_broker_cannot_deal() {
    let world = World::seeded(32);
    let rogue = Rogue::open(&world, SessionId(fresh()));
    for node in ["ssb", "krg", "fhi"] {
        let refused = world.wait(world.as_broker(node).link(rogue.session, AttemptId(fresh())));
        assert_eq!(problem_of(refused.map(drop)).code, "not-on-the-roster", "{node}");
    }
    // Nor can a node be made dealer that the roster does not make it.
    let deal = kobling_broker::roster::DealOrder {
        session: rogue.session,
        attempt: AttemptId(fresh()),
        left: id("ssb"),
        right: id("fhi"),
    };
    assert_eq!(problem_of(world.wait(world.as_broker("ssb").deal(&deal))).code, "broken-protocol");
}

// 20c: no mask twice.

#[test]
fn attack_20c_an_attempt_cannot_be_repeated_with_another_filter_nor_after_a_restart() {
    let mut world = World::seeded(33);
    let (session, attempt) = (SessionId(fresh()), AttemptId(fresh()));
    let without = script(&world, &format!("{IMPORTS}tabulate k s"));
    let with = script(&world, &format!("{IMPORTS}tabulate k s if b == \"A\""));
    {
        let rogue = Rogue::open(&world, session);
        let (first, second) = (rogue.offer(&without), rogue.offer(&with));
        let floors = [rogue.ask(&first, AttemptId(fresh()), 0), rogue.ask(&second, AttemptId(fresh()), 0)];
        assert!(floors.iter().flatten().all(|ended| matches!(ended, Ok(ComputeEvent::Passed))), "{floors:?}");
        let ready = rogue.ask(&first, attempt, 1);
        assert!(ready.iter().all(|ended| matches!(ended, Ok(ComputeEvent::Ready { .. }))), "{ready:?}");
        for offered in [&first, &second] {
            for (name, worker) in [("ssb", world.as_broker("ssb")), ("krg", world.as_broker("krg"))] {
                let order = rogue.order(offered, attempt, 1);
                let again = world.wait(super::rogue::work(&*worker, &order));
                assert_eq!(code_of(&again), "broken-protocol", "{name}");
            }
        }
        // The dealer does not deal twice for it either.
        let deal = kobling_broker::roster::DealOrder { session, attempt, left: id("ssb"), right: id("krg") };
        assert_eq!(problem_of(world.wait(world.as_broker("fhi").deal(&deal))).code, "broken-protocol");
        // A partial aggregate is handed out once.
        assert!(world.wait(world.as_broker("ssb").partial(session, attempt)).is_ok());
        let again = world.wait(world.as_broker("ssb").partial(session, attempt));
        assert_eq!(problem_of(again.map(drop)).code, "broken-protocol");
    }
    for node in ["ssb", "krg", "fhi"] {
        world.restart_node(node);
    }
    // The same names after a restart, another filter: fresh keys, so no mask is seen again.
    let rogue = Rogue::open(&world, session);
    let second = rogue.offer(&with);
    let floor = rogue.ask(&second, AttemptId(fresh()), 0);
    assert!(floor.iter().all(|ended| matches!(ended, Ok(ComputeEvent::Passed))), "{floor:?}");
    let ready = rogue.ask(&second, attempt, 1);
    assert!(ready.iter().all(|ended| matches!(ended, Ok(ComputeEvent::Ready { .. }))), "{ready:?}");
    let ledger = world.ledger.lock().expect("not poisoned");
    assert!(ledger.len() > 100, "the ledger saw nothing");
    assert_eq!(ledger.reuses(), 0);
}

#[test]
fn attack_20c_retries_and_failures_use_fresh_masks() {
    let world = World::seeded(34);
    let question = script(&world, &format!("{IMPORTS}tabulate k s, missing"));
    let passed = Arc::new(AtomicUsize::new(0));
    for _ in 0..3 {
        // Each round the product breaks at another block; the question is then asked again. In a new session all columns travel.
        world.new_session();
        let seen = passed.clone();
        let broken_at = 3 + 7 * passed.load(Ordering::Relaxed) % 11;
        seen.store(0, Ordering::Relaxed);
        let counter = seen.clone();
        world.tap.on_frame(move |_, _, _, frame| {
            let step = frame.header.as_ref().map(|header| header.step.clone()).unwrap_or_default();
            if step == "product/left" && counter.fetch_add(1, Ordering::Relaxed) == broken_at {
                let mut body = frame.body.to_vec();
                body[0] ^= 1;
                frame.body = body.into();
            }
        });
        let failed = world.run(&question);
        assert_eq!((failed.state(), failed.tables.len()), (JobState::Failed, 0), "{:?}", failed.job);
        // krg notices that ssb's words changed on the way; ssb, that krg has hung up; fhi, which has dealt by then, that
        // either has. Whoever is heard first is told.
        let problem = failed.problem();
        let told = (problem.code.as_str(), problem.party.as_str());
        let tellings = [("broken-protocol", "ssb"), ("unreachable", "krg"), ("unreachable", "ssb")];
        assert!(tellings.contains(&told), "{problem:?}");
        world.tap.hands_off();
        world.check(&question);
    }
    assert_eq!(world.ledger.lock().expect("not poisoned").reuses(), 0);
}

// 20d: an invented node.

#[test]
fn attack_20d_a_session_with_an_invented_node_is_refused_by_every_node() {
    let world = World::seeded(35);
    let everybody = Rogue::everybody(&world);
    let with = |extra: &str| everybody.iter().cloned().chain([id(extra)]).collect::<Vec<_>>();
    let without_me =
        |me: &str| everybody.iter().filter(|node| node.as_str() != me).cloned().collect::<Vec<_>>();
    for node in ["ssb", "krg", "fhi"] {
        for linking in [with("spy"), with("broker"), with("platform"), with("ssb"), without_me(node)] {
            let offer = Rogue::offer_of(SessionId(fresh()), linking.clone(), Rogue::releases(&world));
            let problem = problem_of(world.wait(world.as_broker(node).open_session(&offer)));
            assert_eq!(
                (problem.code.as_str(), problem.party),
                ("not-on-the-roster", Some(id(node))),
                "{linking:?}"
            );
        }
        assert!(world.node(node).node.sessions.is_empty(), "nothing is left of it at {node}");
    }
}

#[test]
fn attack_20d_a_broker_cannot_ask_for_what_was_not_granted_or_under_looser_rules() {
    let world = World::seeded(36);
    let rogue = Rogue::open(&world, SessionId(fresh()));
    let offered = rogue.offer(&script(&world, &format!("{IMPORTS}tabulate k s\ntabulate b")));
    let ssb = world.as_broker("ssb");
    let ended = |order| code_of(&world.wait(super::rogue::work(&*ssb, &order)));
    // Not offered; no such question; a table before the floor of its population.
    let mut order = rogue.order(&offered, AttemptId(fresh()), 0);
    order.job = kobling_model::JobId(fresh());
    assert_eq!(ended(order), "broken-protocol");
    assert_eq!(ended(rogue.order(&offered, AttemptId(fresh()), 9)), "broken-protocol");
    assert_eq!(ended(rogue.order(&offered, AttemptId(fresh()), 1)), "broken-protocol");
    // Looser rules, each number in turn, and none at all.
    let own = offered.rules[0].clone();
    let looser = [
        Rules { population_units_min: 10, ..own.clone() },
        Rules { small_cell_units_max: 0, ..own.clone() },
        Rules { small_cells_percent_max: 100, ..own.clone() },
    ];
    for rules in looser {
        let mut order = rogue.order(&offered, AttemptId(fresh()), 0);
        order.rules = vec![rules];
        assert_eq!(ended(order), "refused-by-owner");
    }
    let mut order = rogue.order(&offered, AttemptId(fresh()), 0);
    order.rules = Vec::new();
    assert!(["refused-by-owner", "broken-protocol", "invalid-message"].contains(&ended(order).as_str()));
    // Another plan than the script's.
    let text = script(&world, &format!("{IMPORTS}tabulate k"));
    let offer = kobling_broker::roster::JobOffer {
        session: rogue.session,
        job: rogue.admit(&world.sign(&rogue.request(&text))),
        catalogue: Arc::new(world.catalogue()),
        plan: offered.plan.hash(),
    };
    assert_eq!(problem_of(world.wait(ssb.offer(&offer))).code, "plan-differs");
    // A catalogue in which ssb's code list is another one.
    let mut catalogue = world.catalogue();
    let datastore =
        catalogue.datastores.iter_mut().find(|datastore| datastore.owner == id("ssb")).expect("there");
    datastore.variables[0].title.push('!');
    let plan = kobling_script::plan(&text, &catalogue).expect("a plan").hash();
    let job = rogue.admit(&world.sign(&rogue.request(&text)));
    let offer = kobling_broker::roster::JobOffer { job, catalogue: Arc::new(catalogue), plan, ..offer };
    assert_eq!(problem_of(world.wait(ssb.offer(&offer))).code, "plan-differs");
}

// 21: salt or canonical form differs.

#[test]
fn attack_21_a_salt_that_differs_is_an_error_that_says_so_and_never_an_empty_table() {
    let world = World::seeded(37);
    let question = script(&world, &format!("{IMPORTS}tabulate k s, missing"));
    let rewriter = Rewriter::default();
    world.tap.on_frame(move |from, to, link, frame| {
        if *from == id("krg") && *to == id("ssb") && is_session_link(link) {
            rewriter.pass(from, to, frame, |step, body| {
                if step == "session/salt" {
                    body[7] ^= 0x10;
                }
            });
        }
    });
    let session = world.new_session();
    let result = world.run_in(&session, &question);
    assert_misaligned(&world, &session, &result);
    world.tap.hands_off();
    world.new_session();
    world.check(&question);
}

#[test]
fn attack_21_a_canonical_form_that_differs_is_an_error_that_says_so() {
    let world = World::seeded(38);
    let question = script(&world, &format!("{IMPORTS}tabulate k s, missing"));
    // Tokens of another form of the same identities: each is another one, all of krg's.
    world.tap.on_tokens(|owner, tokens| {
        if *owner == id("krg") {
            tokens.iter_mut().for_each(|token| token[15] ^= 0x55);
            tokens.sort_unstable();
        }
    });
    let session = world.new_session();
    let result = world.run_in(&session, &question);
    assert_misaligned(&world, &session, &result);
}

fn assert_misaligned(world: &World, session: &str, result: &kobling_tests::world::JobResult) {
    assert_eq!((result.state(), result.tables.len()), (JobState::Failed, 0), "{:?}", result.job);
    let problem = result.problem();
    assert_eq!((problem.code.as_str(), problem.step.as_str()), ("misaligned", "link"), "{problem:?}");
    assert!(["ssb", "krg", "fhi"].contains(&problem.party.as_str()), "{problem:?}");
    // The session is over, everywhere; nothing of the table was computed.
    let again = world.submit(session, "again", "require no.ssb.fdb:1 as ssb");
    assert_eq!(again.expect_err("over").code(), tonic::Code::FailedPrecondition);
    assert!(!world.tap.messages().iter().any(|message| message.step().starts_with("product/")));
    for node in &world.federation.nodes {
        let closed = || world.node(node.id.as_str()).node.sessions.is_empty();
        assert!(world.soon(closed), "{} still has the session", node.id);
    }
}

#[test]
fn federation_secrets_that_differ_are_noticed_before_a_session_opens() {
    let world = World::seeded(39);
    let rewriters = [Rewriter::default(), Rewriter::default()];
    world.tap.on_frame(move |from, to, link, frame| {
        let pairs = [("krg", "ssb"), ("ssb", "krg")];
        let way = pairs.iter().position(|(of, at)| from.as_str() == *of && to.as_str() == *at);
        if let (Some(way), true) = (way, is_session_link(link)) {
            rewriters[way].pass(from, to, frame, |step, body| {
                if step == "session/secrets" {
                    body[0] ^= 1;
                }
            });
        }
    });
    let refused = world.open_session().expect_err("refused");
    let problem = problem_of_status(&refused, &id("broker"), "open-session");
    assert_eq!(problem.code, "secrets-differ", "{problem:?}");
    assert!(["ssb", "krg"].contains(&problem.party.as_str()), "{problem:?}");
}

// 22: certificates.

#[test]
fn attack_22_a_caller_that_is_not_the_one_it_must_be_is_refused_and_the_party_named() {
    let world = World::seeded(40);
    let stranger = Authority::of("stranger");
    // At a node's port, as somebody who is not the broker. Nodes know no authority of the platform at all.
    for (caller, code) in [("krg", "not-on-the-roster"), ("platform", "certificate")] {
        let credentials = world.authority(caller).issue(caller);
        let problem = problem_of(world.wait(world.as_broker_with("ssb", &credentials).describe()));
        assert_eq!((problem.code.as_str(), problem.party), (code, Some(id("ssb"))), "{caller}");
    }
    // With the broker's name, from krg's authority, expired, from a stranger.
    for credentials in [
        world.authority("krg").issue("broker"),
        world.authority("broker").issue_expired("broker"),
        stranger.issue("broker"),
    ] {
        let problem = problem_of(world.wait(world.as_broker_with("ssb", &credentials).describe()));
        assert_eq!(problem.code, "certificate", "{problem:?}");
        assert!(problem.party.is_some(), "{problem:?}");
    }
    // At the broker's port, as somebody who is not the platform.
    let dial = |credentials: &Credentials| {
        let party = &world.federation.broker;
        world.wait(async {
            let channel = transport::dial(party, credentials, std::time::Duration::from_secs(10)).await?;
            Ok::<_, transport::DialError>(
                CatalogueServiceClient::new(channel)
                    .list_datastores(ListDatastoresRequest {})
                    .await
                    .map(drop),
            )
        })
    };
    assert!(matches!(dial(&world.authority("platform").issue("platform")), Ok(Ok(()))));
    for credentials in [
        world.authority("ssb").issue("ssb"),
        world.authority("ssb").issue("platform"),
        world.authority("platform").issue_expired("platform"),
        stranger.issue("platform"),
        world.authority("platform").issue("somebody"),
    ] {
        match dial(&credentials) {
            Err(error) => {
                let refused = DialErrorKind::CertificateRefused(CertificateFault::OursRefused);
                assert_eq!((error.party, error.kind), (id("broker"), refused));
            }
            Ok(Err(status)) => {
                let expected = [tonic::Code::Unauthenticated, tonic::Code::PermissionDenied];
                assert!(expected.contains(&status.code()), "{status:?}");
            }
            Ok(Ok(())) => panic!("it was let in"),
        }
    }
}

#[test]
fn attack_22_nobody_gets_in_without_a_certificate() {
    let world = World::seeded(41);
    for name in ["ssb", "broker"] {
        let tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(world.authority(name).pem()))
            .domain_name(format!("{name}.kobling"));
        let endpoint = Endpoint::from_shared(format!("https://{}", world.address(name))).expect("an address");
        let endpoint = endpoint.tls_config(tls).expect("settings");
        let answered = world.wait(async {
            let channel = endpoint.connect().await.map_err(|_| ())?;
            let node = NodeServiceClient::new(channel.clone()).describe(DescribeRequest {}).await;
            let broker = CatalogueServiceClient::new(channel).list_datastores(ListDatastoresRequest {}).await;
            if node.is_ok() || broker.is_ok() { Ok(()) } else { Err(()) }
        });
        assert_eq!(answered, Err(()), "{name} answers to nobody");
    }
    world.check(&script(&world, &format!("{IMPORTS}tabulate k s")));
}

#[test]
fn attack_22_a_node_whose_certificate_is_wrong_is_refused_and_named() {
    let mut world = World::of(standard(Mix::of(42))).patience(std::time::Duration::from_secs(6)).found();
    let question = script(&world, &format!("{IMPORTS}tabulate k s"));
    world.check(&question);
    type Make = fn(&World, &str) -> String;
    let wrong: [Make; 2] = [
        |world, request| world.authority("krg").sign_expired(request),
        |world, request| world.authority("ssb").sign(request),
    ];
    for make in wrong {
        world.replace_certificate("krg", make);
        let refused = world.open_session().expect_err("refused");
        let problem = problem_of_status(&refused, &id("broker"), "open-session");
        assert_eq!((problem.code.as_str(), problem.party.as_str()), ("certificate", "krg"), "{problem:?}");
    }
    world.replace_certificate("krg", |world, request| world.authority("krg").sign(request));
    world.restart_broker();
    world.check(&question);
}

// 23: bytes of strangers.

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

#[test]
fn attack_23_forged_bodies_to_a_node_are_refused_before_decoding_and_it_lives() {
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
    world.check(&script(&world, &format!("{IMPORTS}tabulate k s")));
}

#[test]
fn attack_23_the_broker_takes_no_puts_and_no_strange_tickets() {
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
    world.check(&script(&world, &format!("{IMPORTS}tabulate k s")));
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

#[test]
fn attack_23_forged_bodies_from_a_node_are_refused_by_the_broker_and_the_node_named() {
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

// 25: malicious numbers in partial aggregates.

#[test]
fn attack_25_partial_aggregates_that_do_not_fit_are_refused_and_nothing_is_released() {
    let world = World::seeded(46);
    let question = script(&world, &format!("{IMPORTS}tabulate k s"));
    type Spoil = fn(&mut kobling_broker::roster::SignedPartial);
    let spoils: [(Spoil, &str); 7] = [
        (|partial| partial.words.truncate(partial.words.len() - 1), "partial-shape"),
        (|partial| partial.words.push(7), "partial-shape"),
        (|partial| partial.words.clear(), "partial-shape"),
        (|partial| partial.words[2] = partial.words[2].wrapping_add(1), "partial-content"),
        (|partial| partial.sent = partial.received, "partial-content"),
        (|partial| partial.signature[3] ^= 1, "partial-signature"),
        (|partial| partial.signature.truncate(63), "partial-signature"),
    ];
    for (at, (spoil, code)) in spoils.into_iter().enumerate() {
        let party = ["ssb", "krg"][at % 2];
        world.tap.on_partial(move |owner, partial| {
            if owner.as_str() == party {
                spoil(partial);
            }
        });
        let result = world.run(&question);
        assert_eq!((result.state(), result.tables.len()), (JobState::Failed, 0), "{:?}", result.job);
        let problem = result.problem();
        assert_eq!((problem.code.as_str(), problem.party.as_str()), (code, party), "{problem:?}");
        assert_eq!(problem.step, "combine");
    }
    // An old share: that of an earlier attempt at the same question, with its own signature.
    let kept = Arc::new(std::sync::Mutex::new(Vec::new()));
    let keep = kept.clone();
    world.tap.on_partial(move |owner, partial| {
        if owner.as_str() == "krg" {
            let mut kept = keep.lock().expect("not poisoned");
            let now = (partial.words.clone(), partial.signature.clone(), partial.sent, partial.received);
            kept.push(now);
            (partial.words, partial.signature, partial.sent, partial.received) = kept[0].clone();
        }
    });
    world.check(&question);
    let replayed = world.run(&question);
    assert_eq!(replayed.problem().code, "partial-content", "{:?}", replayed.job);
    world.tap.hands_off();
    world.check(&question);
    let (_, findings) = world.reconciled();
    assert!(findings.iter().all(kobling_audit::Finding::may_be_a_crash), "{findings:?}");
}
