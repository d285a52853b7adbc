//! The broker over the wire: real TLS and real messages, with nodes in memory.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use arrow_flight::flight_service_client::FlightServiceClient;
use bytes::Bytes;
use futures::StreamExt;
use kobling_audit::cosigning::Terms;
use kobling_audit::{AuditLog, LogKey, Witness};
use kobling_broker::config::{Limits, Times};
use kobling_broker::roster::NodeClients;
use kobling_broker::{Config, RunningBroker, StartOptions, start};
use kobling_crypto::sign::SigningKey;
use kobling_model::plan::Release;
use kobling_model::script_request::{ScriptRequest, sorted};
use kobling_model::{Hash, JobId, OwnerId, SessionId};
use kobling_proto::common::v1::Problem;
use kobling_proto::convert::problem::problem_of;
use kobling_proto::flight::{self, v1 as ticket};
use kobling_proto::observe::settings::TelemetrySettings;
use kobling_proto::platform::v1 as wire;
use kobling_proto::platform::v1::catalogue_service_client::CatalogueServiceClient;
use kobling_proto::platform::v1::job_service_client::JobServiceClient;
use kobling_proto::platform::v1::session_service_client::SessionServiceClient;
use kobling_proto::transport::{self, Callers, Credentials, Traffic, dial};
use kobling_proto::witness::{self, Answered};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tonic::service::Routes;
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::support::{COUNT, Nodes, PLATFORM, TWO_OWNERS, World, count, owner, signed};

/// A certificate authority.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("signs itself").pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    fn issue(&self, id: &str) -> Credentials {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.subject_alt_names = vec![
            SanType::DnsName(format!("{id}.kobling").as_str().try_into().expect("ASCII")),
            SanType::URI(format!("kobling://{id}").as_str().try_into().expect("ASCII")),
        ];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("signs");
        Credentials { certificate_pem: certificate.pem(), key_pem: key.serialize_pem() }
    }
}

/// What nodes do of which the broker needs something before it answers: they cosign its log.
async fn cosign(
    world: std::sync::Arc<World>,
    node: OwnerId,
    listener: TcpListener,
    credentials: Credentials,
    folder: PathBuf,
) {
    let key = || LogKey::from_pkcs8(world.key(&node).expose_pkcs8()).expect("a key");
    let log = AuditLog::open(&folder, node.clone(), key()).expect("opens");
    let witness = std::sync::Arc::new(Witness::open(&log, key(), &world.federation).expect("opens"));
    let mut routes = Routes::default();
    let callers = std::sync::Arc::new(Callers::new(&world.federation).expect("a roster"));
    witness::serve(&mut routes, callers, move |body| {
        let answer = witness.add_checkpoint(body, 7);
        Answered { status: answer.status(), content_type: answer.content_type(), body: answer.body() }
    });
    let mut server =
        transport::server(&credentials, &[&world.federation.broker.authority]).expect("a server");
    let incoming = transport::incoming(listener, &Traffic::default());
    server.add_routes(routes).serve_with_incoming(incoming).await.expect("serves");
}

/// A running broker, and what a client needs.
struct Served {
    running: RunningBroker,
    world: std::sync::Arc<World>,
    platform: Authority,
    _state: TempDir,
}

impl Served {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens");
        let address = listener.local_addr().expect("an address");
        let nodes: Vec<_> = World::new().federation.nodes.iter().map(|node| node.id.clone()).collect();
        let mut listeners = HashMap::new();
        for node in &nodes {
            listeners.insert(node.clone(), TcpListener::bind("127.0.0.1:0").await.expect("listens"));
        }
        let [broker, node, platform] = ["broker", "node", "platform"].map(Authority::new);
        let signing = SigningKey::generate();
        let world = World::over(|federation| {
            federation.broker.authority.clone_from(&broker.pem);
            federation.broker.signing_key = hex::encode(signing.verifying_key().as_bytes());
            federation.broker.address = address;
            federation.platform.authority.clone_from(&platform.pem);
            for party in &mut federation.nodes {
                party.authority.clone_from(&node.pem);
                party.address = listeners[&party.id].local_addr().expect("an address");
            }
        });
        let state = tempfile::tempdir().expect("a folder");
        for (id, listener) in listeners {
            let credentials = node.issue(id.as_str());
            tokio::spawn(cosign(
                world.clone(),
                id.clone(),
                listener,
                credentials,
                state.path().join(id.as_str()),
            ));
        }
        let signing_key = state.path().join("signing.pk8");
        std::fs::write(&signing_key, signing.expose_pkcs8()).expect("written");
        let config = Config {
            listen: address,
            signing_key,
            federation: world.federation.clone(),
            credentials: broker.issue("broker"),
            state_dir: state.path().join("state"),
            times: Times {
                peer_timeout: Duration::from_secs(5),
                session_idle: Duration::from_secs(900),
                result: Duration::from_secs(3600),
                question: Duration::from_secs(60),
            },
            limits: Limits { questions_at_once: 2, sessions: 8, sessions_per_institution: 8 },
            cosigning: Terms::default(),
            auditors: None,
            hash: Hash::of(b"settings"),
            telemetry: TelemetrySettings::default(),
        };
        let node_clients: std::sync::Arc<dyn NodeClients> = std::sync::Arc::new(Nodes(world.clone()));
        let traffic = Traffic::default();
        let options = StartOptions { listener, node_clients: Some(node_clients), traffic };
        let running = start(config, options).await.expect("starts");
        Self { running, world, platform, _state: state }
    }

    async fn channel(&self, credentials: &Credentials) -> Channel {
        let party = &self.world.federation.broker;
        dial(party, credentials, Duration::from_secs(10)).await.expect("connects")
    }

    async fn platform(&self) -> Channel {
        self.channel(&self.platform.issue("platform")).await
    }
}

fn problem(status: &Status) -> Problem {
    problem_of(status, &owner("broker"), "")
}

fn open(key: &str) -> wire::OpenSessionRequest {
    wire::OpenSessionRequest {
        key: key.into(),
        researcher: "Kari".into(),
        institution: "UiB".into(),
        purpose: "Kreft og utdanning".into(),
        datastores: vec!["no.ssb.fdb:1".into(), "no.krg.kreft:1".into()],
    }
}

fn submit_in(
    session: SessionId,
    nodes: &[OwnerId],
    releases: &[Release],
    script: &str,
) -> wire::SubmitJobRequest {
    let issued_ms = kobling_broker::audit::now_ms();
    let request = ScriptRequest {
        session,
        script: script.to_owned(),
        researcher: "Kari".into(),
        institution: "UiB".into(),
        purpose: "Kreft og utdanning".into(),
        nodes: sorted(nodes),
        releases: sorted(releases),
        nonce: [1; 16],
        issued_ms,
        expires_ms: issued_ms + 60_000,
    };
    let signed = signed(&request, &PLATFORM);
    wire::SubmitJobRequest { session: session.to_string(), key: "j".into(), signed: Some((&signed).into()) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_gets_from_the_catalogue_to_a_table() {
    let served = Served::new().await;
    let channel = served.platform().await;
    let mut catalogue = CatalogueServiceClient::new(channel.clone());
    let listed =
        catalogue.list_datastores(wire::ListDatastoresRequest {}).await.expect("listed").into_inner();
    assert_eq!((listed.datastores.len(), listed.missing.len()), (4, 0));
    let search = |words: &str| wire::SearchVariablesRequest { words: words.into() };
    let found = catalogue.search_variables(search("stad TITLE")).await.expect("found").into_inner();
    assert_eq!(found.datastores.len(), 1);
    assert_eq!(found.datastores[0].variables[0].name, "STADIUM");
    let nothing = catalogue.search_variables(search("stad kommune")).await.expect("none").into_inner();
    assert!(nothing.datastores.is_empty());
    let describe =
        wire::DescribeVariableRequest { datastore: "no.ssb.fdb".into(), major: 0, variable: "KJOENN".into() };
    let described = catalogue.describe_variable(describe).await.expect("described").into_inner();
    assert_eq!(described.datastore.expect("there").version, "1.2.0");

    let mut sessions = SessionServiceClient::new(channel.clone());
    let session = sessions.open_session(open("s")).await.expect("opens").into_inner().session.expect("one");
    assert_eq!(session.state(), wire::SessionState::Open);
    let mut jobs = JobServiceClient::new(channel.clone());
    assert_eq!(session.nodes, ["ssb", "krg", "fhi"], "whom to sign for");
    let id = SessionId::parse(&session.id).expect("an id");
    let releases = session.releases.iter().cloned().map(|it| Release::try_from(it).expect("a release"));
    let nodes = session.nodes.iter().map(|name| owner(name)).collect::<Vec<_>>();
    let releases = releases.collect::<Vec<_>>();
    let submit = submit_in(id, &nodes, &releases, TWO_OWNERS);
    let job = jobs.submit_job(submit).await.expect("accepted").into_inner().job.expect("one");
    let watch = wire::WatchJobRequest { job: job.id.clone(), after: 0 };
    let events: Vec<_> = jobs.watch_job(watch).await.expect("watched").into_inner().collect().await;
    assert!(
        events
            .iter()
            .zip(1..)
            .all(|(event, number)| { event.as_ref().is_ok_and(|event| event.number == number) })
    );
    let get = wire::GetJobRequest { job: job.id.clone() };
    let job = jobs.get_job(get).await.expect("known").into_inner().job.expect("one");
    assert_eq!((job.state(), job.tables), (wire::JobState::Done, 1));

    let mut columns = FlightServiceClient::new(channel.clone());
    let result = |index| {
        let job = Bytes::copy_from_slice(&JobId::parse(&job.id).expect("an id").0);
        flight::ticket(ticket::ticket::Content::Result(ticket::Result { job, table: index }))
    };
    let stream = columns.do_get(result(0)).await.expect("there").into_inner();
    let table = flight::table_from_flight(stream).await.expect("a table");
    assert!(table.cells.iter().all(|cell| count(cell) == Some(u64::from(COUNT))));
    let none = columns.do_get(result(1)).await.expect_err("only one table");
    assert_eq!((none.code(), problem(&none).code.as_str()), (Code::NotFound, "unknown-table"));

    let close = wire::CloseSessionRequest { session: session.id.clone() };
    sessions.close_session(close).await.expect("closed");
    let get = wire::GetSessionRequest { session: session.id };
    let session = sessions.get_session(get).await.expect("known").into_inner().session.expect("one");
    assert_eq!(session.state(), wire::SessionState::Ended);
    served.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_is_not_the_platform_is_refused_by_every_service() {
    let served = Served::new().await;
    // The platform's authority vouches for a name that is a node's: TLS lets it in, the door does not.
    let channel = served.channel(&served.platform.issue("ssb")).await;
    let mut refused = Vec::new();
    let mut catalogue = CatalogueServiceClient::new(channel.clone());
    refused.push(catalogue.list_datastores(wire::ListDatastoresRequest {}).await.err());
    let mut sessions = SessionServiceClient::new(channel.clone());
    refused.push(sessions.open_session(open("s")).await.err());
    let mut jobs = JobServiceClient::new(channel.clone());
    refused.push(jobs.get_job(wire::GetJobRequest { job: "0".repeat(32) }).await.err());
    let mut columns = FlightServiceClient::new(channel);
    refused.push(columns.do_get(arrow_flight::Ticket::new("")).await.err());
    for status in refused {
        let status = status.expect("refused");
        assert_eq!((status.code(), problem(&status).code.as_str()), (Code::Unauthenticated, "certificate"));
    }
    assert!(served.world.happened().is_empty(), "no node was asked anything");
    served.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_are_typed_problems_and_the_broker_lives() {
    let served = Served::new().await;
    let channel = served.platform().await;
    let mut sessions = SessionServiceClient::new(channel.clone());
    let mut jobs = JobServiceClient::new(channel.clone()).max_encoding_message_size(64 << 20);
    let mut code = Vec::new();
    let bad_name = wire::OpenSessionRequest { researcher: "a\u{0}b".into(), ..open("s") };
    let bad_datastore = wire::OpenSessionRequest { datastores: vec!["no.ssb.fdb".into()], ..open("s") };
    let no_purpose = wire::OpenSessionRequest { purpose: " ".into(), ..open("s") };
    for request in [bad_name, bad_datastore, no_purpose, open(""), open(&"k".repeat(65))] {
        code.push(sessions.open_session(request).await.expect_err("refused"));
    }
    for session in ["", "zz", "../../etc/passwd"] {
        let request = wire::GetSessionRequest { session: session.into() };
        code.push(sessions.get_session(request).await.expect_err("refused"));
    }
    for status in code {
        assert_eq!(
            (status.code(), problem(&status).code.as_str()),
            (Code::InvalidArgument, "invalid-request")
        );
    }
    let submit = |script: String| submit_in(SessionId([0; 16]), &[], &[], &script);
    let unsigned = wire::SubmitJobRequest { signed: None, ..submit(String::new()) };
    let unsigned = jobs.submit_job(unsigned).await.expect_err("not signed");
    assert_eq!(problem(&unsigned).code, "invalid-request");
    let unknown = jobs.submit_job(submit(String::new())).await.expect_err("no such session");
    assert_eq!((unknown.code(), problem(&unknown).code.as_str()), (Code::NotFound, "unknown-session"));
    let long = jobs.submit_job(submit("x".repeat((1 << 20) + 1))).await.expect_err("too long");
    assert_eq!(problem(&long).code, "request-malformed");
    // Beyond the size of any message, the transport refuses before anything is decoded.
    let huge = jobs.submit_job(submit("x".repeat(8 << 20))).await.expect_err("too long");
    assert!(matches!(huge.code(), Code::OutOfRange | Code::ResourceExhausted), "{huge:?}");
    assert!(sessions.open_session(open("s")).await.is_ok());
    served.running.shutdown().await;
}
