//! Starting a node: everything is checked before it listens, and it runs until it is told to stop.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow_flight::flight_service_server::FlightServiceServer;
use kobling_audit::build;
use kobling_audit::cosigning::{TermsError, Unwitnessed};
use kobling_audit::log::{AuditLog, LogError, SharedLog};
use kobling_audit::{Cosigning, Witness};
use kobling_crypto::pseudonym::RecordKeySecret;
use kobling_crypto::seal::SealKey;
use kobling_crypto::seeds::Ledger;
use kobling_crypto::sign::SigningKey;
use kobling_model::federation::{Federation, InvalidFederation};
use kobling_model::record::Event;
use kobling_model::{Hash, UnitType};
use kobling_proto::node::v1::node_service_server::{NodeServiceServer, SERVICE_NAME};
use kobling_proto::observe::Telemetry;
use kobling_proto::observe::export::ExportRefused;
use kobling_proto::observe::log::Line;
use kobling_proto::observe::metrics::Page;
use kobling_proto::observe::port::MetricsPort;
use kobling_proto::observe::vocabulary::{Cause, Role};
use kobling_proto::peer::v1::peer_service_server::PeerServiceServer;
use kobling_proto::transport::{self, Callers, CertificateFault, Credentials, Traffic, TransportError};
use kobling_proto::witness::{self, Courier};
use kobling_proto::{FILE_DESCRIPTOR_SET, limits};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use zeroize::Zeroizing;

use crate::budget::{Budget, BudgetError};
use crate::config::{Config, ConfigError, read_text};
use crate::cosigning;
use crate::error::NodeError;
use crate::extract::Extractor;
use crate::flight::Columns;
use crate::founding::Founding;
use crate::identity_map::IdentityMapError;
use crate::keep::Keep;
use crate::memory::{Memory, MemoryError};
use crate::node::{Node, Units, now_ms};
use crate::observe::ObservedConnector;
use crate::operate::log_key;
use crate::operator::{acts, socket};
use crate::peer::grpc::{GrpcConnector, PeerEndpoint};
use crate::peer::{Connector, Lobby};
use crate::random;
use crate::register::{RegisterStore, StoreError};
use crate::replay::ReplayStore;
use crate::service::Control;
use crate::session::Sessions;
use crate::standing::{Against, InForce, Standing};
use crate::state::{self, StateDir, StateError};
use crate::switch::Switch;

/// Why a node does not start. Texts are for its operator.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The state folder.
    #[error(transparent)]
    State(#[from] StateError),
    /// The pinned federation file.
    #[error(transparent)]
    Federation(#[from] InvalidFederation),
    /// The node is not on its own roster.
    #[error("the pinned federation file does not name {0}")]
    NotOnTheRoster(kobling_model::OwnerId),
    /// A key file.
    #[error("{0} is not a key of the kind expected")]
    Key(std::path::PathBuf),
    /// The signing key is another than the roster's: nobody would take what the node signs, nor could check its log.
    #[error("{0} is not the signing key that the pinned federation file has of this node")]
    AnotherSigningKey(std::path::PathBuf),
    /// The node's certificate.
    #[error("the certificate of this node cannot be used: {0}")]
    Certificate(CertificateFault),
    /// The node's certificate names somebody else.
    #[error("the certificate of this node carries the name {found}, but the roster says {expected}")]
    WrongName {
        /// In the certificate.
        found: String,
        /// In the roster.
        expected: String,
    },
    /// TLS.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The log.
    #[error("the audit log: {0}")]
    Log(#[from] LogError),
    /// The terms on which it is cosigned.
    #[error("the audit log: {0}")]
    Cosigning(#[from] TermsError),
    /// Registers.
    #[error(transparent)]
    Registers(#[from] StoreError),
    /// Identity maps.
    #[error(transparent)]
    IdentityMap(#[from] IdentityMapError),
    /// What the node remembers of earlier questions.
    #[error("the memory of earlier questions: {0}")]
    Memory(#[from] MemoryError),
    /// What populations have been cut into.
    #[error("the budget of splits: {0}")]
    Budget(#[from] BudgetError),
    /// The address.
    #[error("cannot listen: {0}")]
    Listen(#[from] std::io::Error),
    /// The port of metrics.
    #[error("metrics cannot be served: {0}")]
    Metrics(std::io::Error),
    /// The collector of spans.
    #[error(transparent)]
    Spans(#[from] ExportRefused),
}

/// Puts something between a node and its links.
pub type WrapConnector = Box<dyn FnOnce(Arc<dyn Connector>) -> Arc<dyn Connector> + Send>;

/// What a caller of [`start`] may replace.
#[derive(Default)]
pub struct StartOptions {
    /// A socket that listens already; else the configured address is taken.
    pub listener: Option<TcpListener>,
    /// Puts something between the node and its links; tests record there.
    pub wrap_connector: Option<WrapConnector>,
    /// Watches masks in tests.
    pub ledger: Option<Arc<Mutex<Ledger>>>,
}

/// A node that answers.
pub struct RunningNode {
    /// The node.
    pub node: Arc<Node>,
    /// Where it listens.
    pub address: SocketAddr,
    /// Its metrics, where they are served.
    pub metrics: Option<MetricsPort>,
    stop: CancellationToken,
    server: tokio::task::JoinHandle<Result<(), tonic::transport::Error>>,
    /// Who have the log cosigned; each ends where its witness contradicts the log.
    pub(crate) couriers: JoinSet<Option<Unwitnessed>>,
}

impl RunningNode {
    /// Ends all sessions and stops answering.
    pub async fn stop(self) {
        self.node.sessions.close_all();
        self.stop.cancel();
        let _ = tokio::time::timeout(Duration::from_secs(5), self.server).await;
        // Nothing depends on it: without it the next start shows that this one did not end in order.
        let _ = self.node.record(Event::Ended).await;
        self.node.telemetry.stop().await;
    }
}

/// Reads the seal key that a configuration names.
///
/// # Errors
/// [`StartError::State`], [`StartError::Key`].
pub fn seal_key(config: &Config) -> Result<SealKey, StartError> {
    let wrong = || StartError::Key(config.seal_key.clone());
    let bytes = Zeroizing::new(state::read(&config.seal_key)?.ok_or_else(wrong)?);
    let bytes: [u8; 32] = bytes.as_slice().try_into().map_err(|_| wrong())?;
    Ok(SealKey::from_bytes(bytes))
}

/// Reads the roster that a node has pinned, and finds the node on it.
///
/// # Errors
/// [`StartError`].
pub fn pinned_federation(config: &Config, state: &StateDir) -> Result<Federation, StartError> {
    let bytes = state::read(&state.federation())?
        .ok_or(StateError::NotReady { missing: "the node is not enrolled: run `enrol FEDERATION.toml`" })?;
    let damaged = || StateError::Damaged { path: state.federation() };
    let federation = Federation::from_toml(&String::from_utf8(bytes).map_err(|_| damaged())?)?;
    if federation.node(&config.owner).is_none() {
        return Err(StartError::NotOnTheRoster(config.owner.clone()));
    }
    Ok(federation)
}

/// Reads the node's certificate and key, and checks that they are this node's.
///
/// # Errors
/// [`StartError`].
pub fn credentials(config: &Config, federation: &Federation) -> Result<Credentials, StartError> {
    let credentials =
        Credentials { certificate_pem: read_text(&config.certificate)?, key_pem: read_text(&config.key)? };
    let info = transport::certificate_info(&credentials.certificate_pem).map_err(StartError::Certificate)?;
    let expected = federation.node(&config.owner).map(|party| party.uri.clone()).unwrap_or_default();
    if info.uri != expected {
        return Err(StartError::WrongName { found: info.uri, expected });
    }
    Ok(credentials)
}

/// Starts a node. It answers when this returns.
///
/// # Errors
/// [`StartError`] says what the operator must mend; nothing was changed then.
pub async fn start(
    config: Config,
    state: StateDir,
    options: StartOptions,
) -> Result<RunningNode, StartError> {
    // What is wrong with the policy by itself is said before anything that takes long.
    Standing::read(&config.policy, &Against::language())?;
    let federation = Arc::new(pinned_federation(&config, &state)?);
    let credentials = credentials(&config, &federation)?;
    let key_file = state::read(&config.signing_key)?;
    let signing_key = key_file.and_then(|bytes| SigningKey::from_pkcs8(&bytes).ok());
    let signing_key = signing_key.ok_or_else(|| StartError::Key(config.signing_key.clone()))?;
    let me = config.owner.clone();
    let pinned = federation.node(&me).and_then(|node| Hash::parse(&node.signing_key).ok());
    if pinned.is_none_or(|pinned| pinned.0 != *signing_key.verifying_key().as_bytes()) {
        return Err(StartError::AnotherSigningKey(config.signing_key.clone()));
    }
    let founding =
        Arc::new(Founding::load(me.clone(), federation.clone(), state.clone(), seal_key(&config)?)?);
    let log = AuditLog::open(&state.audit(), me.clone(), log_key(&config)?)?;
    if log.tail_was_cut() {
        Line::TornLog.entry().party(&me).say();
    }
    let witness = Arc::new(Witness::open(&log, log_key(&config)?, &federation)?);
    if config.auditors.is_none() {
        Line::RecordsInClear.entry().party(&me).say();
    }
    let log = SharedLog::new(log.sealed_to(config.auditors.clone()));
    let cosigning = Arc::new(Cosigning::new(log.clone(), &federation, config.cosigning)?);
    let store = Arc::new(RegisterStore::open(state.root())?);
    let datastores = store.catalogue();
    let against = Against::node(&datastores, Some(&federation));
    let policy = InForce::start(config.policy.clone(), against)?;
    let switch = Arc::new(Switch::new(me.clone(), &state));
    let mut units = BTreeMap::new();
    let key = seal_key(&config)?;
    for unit_type in UnitType::ALL {
        let map = store.identity_map(unit_type, &key)?;
        if !map.is_empty() {
            units.insert(unit_type, Arc::new(Units::new(map)));
        }
    }
    let traffic = Traffic::default();
    let telemetry = Telemetry::start(&config.telemetry, Role::Node, &me, traffic.clone())?;
    let lobby = Lobby::default();
    let patience = config.peer_timeout;
    let dialler = Arc::new(GrpcConnector {
        me: me.clone(),
        federation: federation.clone(),
        credentials: credentials.clone(),
        lobby: lobby.clone(),
        founding: founding.clone(),
        patience,
        traffic: traffic.clone(),
    });
    let connector: Arc<dyn Connector> = match options.wrap_connector {
        Some(wrap) => wrap(dialler.clone()),
        None => dialler.clone(),
    };
    let broker_deals = federation.nodes.len() == 2;
    let replay = ReplayStore::open(state.replay(), now_ms())?;
    let memory = Memory::open(state.memory(), key.clone())?;
    let budget = Budget::open(&state.budget(), key)?;
    let keep = Keep::open(config.sessions_memory, state.kept())?;
    let node = Arc::new(Node {
        me: me.clone(),
        federation: federation.clone(),
        policy,
        switch: switch.clone(),
        state: state.clone(),
        acts: tokio::sync::Mutex::default(),
        founding: founding.clone(),
        datastores,
        extractor: Extractor::new(store),
        units,
        log,
        cosigning: cosigning.clone(),
        sessions: Sessions::default(),
        replay,
        keep,
        memory,
        budget,
        connector: Arc::new(ObservedConnector { inner: connector, telemetry: telemetry.clone() }),
        signing_key,
        patience,
        incarnation: random::bytes(),
        telemetry: telemetry.clone(),
        ledger: options.ledger,
    });
    let listener = match options.listener {
        Some(listener) => listener,
        None => TcpListener::bind(config.listen).await?,
    };
    let address = listener.local_addr()?;
    let callers = Arc::new(Callers::new(&federation)?);
    let authorities: Vec<&str> = federation.parties().map(|party| party.authority.as_str()).collect();
    let endpoint = PeerEndpoint {
        callers: callers.clone(),
        lobby,
        founding: founding.clone(),
        patience,
        broker_deals,
        broker: federation.broker.id.clone(),
        me: me.clone(),
        telemetry: telemetry.clone(),
        switch: switch.clone(),
    };
    let (health_reporter, health) = tonic_health::server::health_reporter();
    health_reporter.set_service_status(SERVICE_NAME, tonic_health::ServingStatus::Serving).await;
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
        .build_v1()
        .expect("the generated descriptor set is valid");
    let control = NodeServiceServer::new(Control { node: node.clone(), callers: callers.clone() })
        .max_decoding_message_size(limits::MAX_CONTROL_MESSAGE)
        .max_encoding_message_size(limits::MAX_CONTROL_MESSAGE);
    let peers = PeerServiceServer::new(endpoint)
        .max_decoding_message_size(limits::MAX_PEER_MESSAGE)
        .max_encoding_message_size(limits::MAX_PEER_MESSAGE);
    let columns = FlightServiceServer::new(Columns { node: node.clone(), callers: callers.clone() })
        .max_decoding_message_size(limits::MAX_FLIGHT_MESSAGE)
        .max_encoding_message_size(limits::MAX_FLIGHT_MESSAGE);
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    let mut routes = Routes::new(health)
        .add_service(reflection)
        .add_service(control)
        .add_service(peers)
        .add_service(columns);
    witness::serve(&mut routes, callers, cosigning::answers(witness));
    let router = transport::server(&credentials, &authorities)?.add_routes(routes);
    let metrics = match config.telemetry.metrics {
        None => None,
        Some(at) => {
            let watched = Arc::downgrade(&node);
            let sessions = move || watched.upgrade().map_or(0, |node| node.sessions.len());
            let page = Page::new(telemetry, sessions);
            Some(MetricsPort::open(at, page, state.root()).await.map_err(StartError::Metrics)?)
        }
    };
    // Only now that nothing else can keep the node from answering.
    node.log.append(started(config.hash), now_ms())?;
    record_operators_doing(&node)?;
    if switch.check().is_err() {
        Line::OwnerStops.entry().party(&me).say();
    }
    match socket::listen(&state.operator()) {
        Ok(listener) => drop(tokio::spawn(socket::serve(node.clone(), listener, stop.clone()))),
        // The switch works without it, since it is looked at on disk.
        Err(error) => Line::OperatorDeaf.entry().party(&me).cause(Cause::of_io(error.kind())).say(),
    }
    tokio::spawn(node.clone().watch_switch(stop.clone()));
    let mut couriers = JoinSet::new();
    for party in federation.parties().filter(|party| party.id != me) {
        let courier = Courier {
            party: party.clone(),
            credentials: credentials.clone(),
            patience,
            traffic: traffic.clone(),
        };
        couriers.spawn(cosigning::carried(courier, cosigning.clone()));
    }
    let server = tokio::spawn(async move {
        let stopped = stopped.cancelled_owned();
        router.serve_with_incoming_shutdown(transport::incoming(listener, &traffic), stopped).await
    });
    tokio::spawn(get_ready(node.clone(), dialler, stop.clone()));
    tokio::spawn(tend(node.clone(), config.session_idle, stop.clone()));
    Line::NodeAnswers.entry().party(&me).say();
    Ok(RunningNode { node, address, metrics, stop, server, couriers })
}

fn started(settings: Hash) -> Event {
    let software = env!("CARGO_PKG_VERSION").to_owned();
    Event::Started { software, build: build::running(), settings }
}

/// Records what the operator did while the node did not serve, and no command could record: another policy, and a stop.
fn record_operators_doing(node: &Node) -> Result<(), StartError> {
    let (policy, before) = (node.policy.now().hash, acts::recorded_policy(&node.state)?);
    if before != Some(policy) {
        node.log.append(Event::PolicyInForce { policy, before }, now_ms())?;
        acts::note_recorded_policy(&node.state, policy)?;
    }
    if let Some(stop) = node.switch.stop()?.filter(|stop| !stop.recorded) {
        node.log.append(Event::Stopped { reason: stop.reason.clone() }, now_ms())?;
        node.switch.note_record(&stop)?;
    }
    Ok(())
}

/// Fetches missing federation secrets, then computes what depends on them and on no question.
async fn get_ready(node: Arc<Node>, dialler: Arc<GrpcConnector>, stop: CancellationToken) {
    found(node.founding.clone(), dialler, stop).await;
    let Some(secret) = node.founding.secrets().record_key() else { return };
    let secret = RecordKeySecret::from_bytes(secret);
    // A question that comes first waits for this, or computes it itself.
    tokio::task::spawn_blocking(move || {
        for (unit_type, units) in &node.units {
            units.record_keys(*unit_type, &secret);
        }
    });
}

/// Fetches missing federation secrets until all are there.
async fn found(founding: Arc<Founding>, dialler: Arc<GrpcConnector>, stop: CancellationToken) {
    let mut said: Option<NodeError> = None;
    let mut pause = Duration::from_millis(100);
    loop {
        match founding.fetch_missing(&dialler).await {
            Ok(true) => return,
            Ok(false) => {}
            Err(error) => {
                if said.as_ref() != Some(&error) {
                    Line::SecretsMissing.entry().party(&dialler.me).code(error.code()).say();
                    said = Some(error);
                }
            }
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(Duration::from_secs(5)),
            () = stop.cancelled() => return,
        }
    }
}

/// Ends idle sessions.
async fn tend(node: Arc<Node>, idle: Duration, stop: CancellationToken) {
    let mut clock = tokio::time::interval((idle / 4).max(Duration::from_millis(50)));
    loop {
        tokio::select! {
            _ = clock.tick() => node.sessions.close_idle(idle),
            () = stop.cancelled() => return,
        }
    }
}
