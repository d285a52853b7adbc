//! The whole system in one process: nodes and broker on loopback, with real mutual TLS, their state in a folder that
//! goes with the world.
//!
//! A world is founded as operators found a federation (`init`, certificates, `enrol`, `accept`, `import`), through the
//! functions that the command line calls. What is put between the parties is recorders ([`crate::tap`]) and a ledger of
//! masks; nothing of the product is replaced.

use std::collections::BTreeMap;
use std::fs;
use std::future::Future;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use arrow_flight::flight_service_client::FlightServiceClient;
use kobling_audit::cosigning::Terms;
use kobling_audit::{Finding, VerifiedLog, reconcile, verify};
use kobling_broker::config::{Limits, Times};
use kobling_broker::roster::{GrpcNodes, NodeClient, NodeClients};
use kobling_broker::{Config as BrokerConfig, RunningBroker, StartOptions as BrokerOptions};
use kobling_crypto::seeds::Ledger;
use kobling_crypto::sign::SigningKey;
use kobling_model::catalogue::Catalogue;
use kobling_model::federation::{Federation, Party, Platform};
use kobling_model::plan::{Plan, Release};
use kobling_model::rules::{Refusal, Rules};
use kobling_model::script_request::{ScriptRequest, SignedRequest, sorted};
use kobling_model::table::Table;
use kobling_model::{DatastoreId, Hash, JobId, OwnerId, SessionId, UnitType};
use kobling_node::config::Config as NodeConfig;
use kobling_node::identity_map::IdentityMap;
use kobling_node::node::now_ms;
use kobling_node::operate;
use kobling_node::operator::{Answer, Order, ask};
use kobling_node::peer::Connector;
use kobling_node::state::StateDir;
use kobling_node::{RunningNode, StartOptions as NodeOptions};
use kobling_proto::common::v1::Problem;
use kobling_proto::flight::{self, table_from_flight, v1::ticket::Content};
use kobling_proto::observe::port::ADDRESS_FILE;
use kobling_proto::observe::settings::{TelemetryFile, TelemetrySettings};
use kobling_proto::platform::v1 as wire;
use kobling_proto::platform::v1::job_service_client::JobServiceClient;
use kobling_proto::platform::v1::session_service_client::SessionServiceClient;
use kobling_proto::transport::{self, Credentials, Traffic};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tonic::Status;
use tonic::transport::Channel;

use crate::certificates::Authority;
use crate::reference::{self, Book, Keys, Memory, Outcome, Registers};
use crate::registers::{Mix, Owner, REQUIRE_ALL, standard};
use crate::tap::{Tap, TappedConnector, TappedNodes};

const BROKER: &str = "broker";

/// File of the broker's signing key.
const BROKER_KEY: &str = "broker-signing.pk8";
const PLATFORM: &str = "platform";

/// A party's name, where the test knows that it is one.
pub fn id(name: &str) -> OwnerId {
    OwnerId::new(name).expect("a party's name")
}

/// What a world is founded with.
pub struct Founding {
    owners: Vec<Owner>,
    folders: BTreeMap<String, PathBuf>,
    policies: BTreeMap<String, (String, String)>,
    patience: Duration,
    watched: bool,
    collector: Option<String>,
    sessions_memory: Option<usize>,
    cosigning: Terms,
}

/// The whole system.
pub struct World {
    /// The roster.
    pub federation: Federation,
    /// What passes between the parties.
    pub tap: Arc<Tap>,
    /// Every use of every mask at nodes.
    pub ledger: Arc<Mutex<Ledger>>,
    folder: TempDir,
    owners: Vec<(OwnerId, DatastoreId, PathBuf)>,
    authorities: BTreeMap<String, Authority>,
    listeners: BTreeMap<String, TcpListener>,
    patience: Duration,
    watched: bool,
    collector: Option<String>,
    sessions_memory: Option<usize>,
    cosigning: Terms,
    nodes: RwLock<BTreeMap<OwnerId, RunningNode>>,
    broker: Option<RunningBroker>,
    broker_credentials: Credentials,
    platform_credentials: Credentials,
    platform_key: SigningKey,
    channel: Mutex<Option<Channel>>,
    session: Mutex<Option<String>>,
    asked: Mutex<Asked>,
    next_key: AtomicU64,
    // Last, so that everything above ends while it runs.
    runtime: Runtime,
}

/// A node while it runs.
pub struct Running<'w> {
    nodes: RwLockReadGuard<'w, BTreeMap<OwnerId, RunningNode>>,
    name: OwnerId,
}

impl Deref for Running<'_> {
    type Target = RunningNode;

    fn deref(&self) -> &RunningNode {
        &self.nodes[&self.name]
    }
}

/// What the reference has to know of the questions before one.
#[derive(Default)]
struct Asked {
    /// What owners remember of the scripts that the reference has been told.
    memory: Memory,
    /// Scripts that it has not been told yet, in order.
    since: Vec<String>,
    /// What owners will remember once this script has been asked, if it is the next.
    foreseen: Option<(String, Memory)>,
}

/// How a job ended, as the platform sees it.
#[derive(Clone, Debug)]
pub struct JobResult {
    /// The job as the broker tells of it.
    pub job: wire::Job,
    /// All tables that could be fetched.
    pub tables: Vec<Table>,
    /// Progress, in order.
    pub events: Vec<wire::WatchJobResponse>,
}

impl JobResult {
    /// How it ended.
    pub fn state(&self) -> wire::JobState {
        self.job.state()
    }

    /// Why it was refused or failed; empty where it was not.
    pub fn problem(&self) -> Problem {
        self.job.problem.clone().unwrap_or_default()
    }

    /// The session it ran in.
    pub fn session(&self) -> SessionId {
        SessionId::parse(&self.job.session).expect("a session's id")
    }

    /// Its tables in their JSON form: what "the same, byte for byte" is said of.
    pub fn bytes(&self) -> String {
        serde_json::to_string(&self.tables).expect("tables have a JSON form")
    }
}

/// What a job must come to.
#[derive(Clone, Debug)]
pub struct Expected {
    /// The plan that broker and nodes must derive at first.
    pub plan: Plan,
    /// Lines of edits that are not carried out.
    pub not_carried_out: Vec<u32>,
    /// Tables, in order, up to the question that is refused.
    pub tables: Vec<Table>,
    /// The rule that refuses, if one does.
    pub refused: Option<Refusal>,
}

impl World {
    /// Three nodes with the standard registers of this seed.
    pub fn seeded(seed: u64) -> Self {
        Self::of(standard(Mix::of(seed))).found()
    }

    /// Two nodes, so that the broker deals, with the standard registers of this seed.
    pub fn of_two(seed: u64) -> Self {
        let mut owners = standard(Mix::of(seed));
        owners.truncate(2);
        Self::of(owners).found()
    }

    /// A world of these owners, to be founded.
    pub fn of(owners: Vec<Owner>) -> Founding {
        Founding {
            owners,
            folders: BTreeMap::new(),
            policies: BTreeMap::new(),
            patience: Duration::from_secs(20),
            watched: false,
            collector: None,
            sessions_memory: None,
            cosigning: Terms::default(),
        }
    }
}

impl Founding {
    /// The owner's registers are those in `folder`, in place of its own.
    pub fn registers_in(mut self, owner: &str, folder: &Path) -> Self {
        self.folders.insert(owner.to_owned(), folder.to_owned());
        self
    }

    /// Replaces a line of the policy that `init` writes for an owner.
    pub fn policy(mut self, owner: &str, line: &str, with: &str) -> Self {
        self.policies.insert(owner.to_owned(), (line.to_owned(), with.to_owned()));
        self
    }

    /// How long parties wait for one message.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// All parties serve metrics.
    pub fn watched(mut self) -> Self {
        self.watched = true;
        self
    }

    /// Bytes of memory that nodes have for what sessions keep, in place of what is configured.
    pub fn sessions_memory(mut self, bytes: usize) -> Self {
        self.sessions_memory = Some(bytes);
        self
    }

    /// When parties stop answering for want of cosignatures of their logs.
    pub fn cosigning(mut self, terms: Terms) -> Self {
        self.cosigning = terms;
        self
    }

    /// All parties send spans to a collector.
    pub fn collected_at(mut self, uri: &str) -> Self {
        self.collector = Some(uri.to_owned());
        self
    }

    /// Founds the federation and starts everybody.
    pub fn found(self) -> World {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let folder = tempfile::tempdir().expect("a folder");
        let names: Vec<&str> = self.owners.iter().map(|owner| owner.id).collect();
        let mut listeners = BTreeMap::new();
        let mut authorities = BTreeMap::new();
        for name in names.iter().copied().chain([BROKER, PLATFORM]) {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
            listeners.insert(name.to_owned(), listener);
            authorities.insert(name.to_owned(), Authority::of(name));
        }
        let address = |name: &str| listeners[name].local_addr().expect("bound");
        let place = |name: &str| Place::of(folder.path(), name);
        let party = |name: &str, signing_key: String| Party {
            id: id(name),
            uri: format!("kobling://{name}"),
            address: address(name),
            authority: authorities[name].pem().to_owned(),
            signing_key,
        };
        let init = |name: &str| {
            let made = operate::init(&place(name).config, &place(name).state, &id(name), address(name));
            let made = made.expect("a new node");
            let request = fs::read_to_string(&made.certificate_request).expect("a request");
            fs::write(&made.certificate, authorities[name].sign(&request)).expect("written");
            party(name, made.signing_key)
        };
        let nodes: Vec<Party> = names.iter().map(|name| init(name)).collect();
        let broker_key = SigningKey::generate();
        fs::write(folder.path().join(BROKER_KEY), broker_key.expose_pkcs8()).expect("written");
        let broker_key = hex::encode(broker_key.verifying_key().as_bytes());
        let platform_key = SigningKey::generate();
        let federation = Federation {
            name: "test".into(),
            broker: party(BROKER, broker_key),
            platform: Platform {
                uri: format!("kobling://{PLATFORM}"),
                authority: authorities[PLATFORM].pem().to_owned(),
                signing_key: hex::encode(platform_key.verifying_key().as_bytes()),
            },
            nodes,
        };
        let roster = folder.path().join("federation.toml");
        fs::write(&roster, federation.to_toml()).expect("written");
        for (owner, (line, with)) in &self.policies {
            let path = place(owner).config.with_file_name("policy.toml");
            let text = fs::read_to_string(&path).expect("a policy");
            assert!(text.contains(line), "the policy has no line {line}");
            fs::write(&path, text.replace(line, with)).expect("written");
        }
        let mut owners = Vec::new();
        for owner in &self.owners {
            let registers = self.folders.get(owner.id).cloned();
            let registers = registers.unwrap_or_else(|| {
                let registers = folder.path().join("registers").join(owner.id);
                owner.write(&registers);
                registers
            });
            let Place { config, state } = place(owner.id);
            let config = NodeConfig::load(&config).expect("a configuration");
            operate::enrol(&config, &state, &roster).expect("enrolled");
            for peer in names.iter().filter(|peer| **peer != owner.id) {
                operate::accept(&config, &state, &id(peer)).expect("accepted");
            }
            let datastore = DatastoreId::new(owner.datastore).expect("a datastore");
            let version = "1.0.0".parse().expect("a version");
            let release = Release { datastore: datastore.clone(), version, owner: id(owner.id) };
            if let Err(error) = operate::import(&config, &state, &registers, &release) {
                panic!("{}: {error:#?}", owner.id);
            }
            owners.push((id(owner.id), datastore, registers));
        }
        let mut world = World {
            federation,
            tap: Arc::default(),
            ledger: Ledger::shared(),
            folder,
            owners,
            broker_credentials: authorities[BROKER].issue(BROKER),
            platform_credentials: authorities[PLATFORM].issue(PLATFORM),
            platform_key,
            authorities,
            listeners,
            patience: self.patience,
            watched: self.watched,
            collector: self.collector,
            sessions_memory: self.sessions_memory,
            cosigning: self.cosigning,
            nodes: RwLock::default(),
            broker: None,
            channel: Mutex::default(),
            session: Mutex::default(),
            asked: Mutex::default(),
            next_key: AtomicU64::new(0),
            runtime,
        };
        for name in names {
            world.start_node(name);
        }
        world.await_secrets();
        world.start_broker();
        world
    }
}

/// Where a node's files are.
struct Place {
    config: PathBuf,
    state: StateDir,
}

impl Place {
    fn of(folder: &Path, name: &str) -> Self {
        let folder = folder.join(name);
        Self { config: folder.join("node.toml"), state: StateDir::new(folder.join("state")) }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

// Starting and stopping.
impl World {
    /// Runs something on the world's runtime.
    pub fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Whether something comes true before long.
    pub fn soon(&self, holds: impl Fn() -> bool) -> bool {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !holds() {
            if Instant::now() > deadline {
                return false;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        true
    }

    /// A handle of a listening socket. The world keeps its own, so that the port stays taken while a party restarts.
    fn listener(&self, name: &str) -> tokio::net::TcpListener {
        let listener = self.listeners[name].try_clone().expect("a socket can be shared");
        listener.set_nonblocking(true).expect("a socket");
        let _guard = self.runtime.enter();
        tokio::net::TcpListener::from_std(listener).expect("a socket")
    }

    fn telemetry(&self) -> TelemetrySettings {
        let metrics = self.watched.then_some("127.0.0.1:0");
        let file = serde_json::json!({ "metrics": metrics, "otlp": self.collector });
        let file: TelemetryFile = serde_json::from_value(file).expect("a table");
        file.check().expect("settings that can be meant")
    }

    fn start_node(&self, name: &str) {
        let Place { config, state } = Place::of(self.folder.path(), name);
        let deadline = Instant::now() + Duration::from_secs(10);
        let node = loop {
            let mut config = NodeConfig::load(&config).expect("a configuration");
            config.peer_timeout = self.patience;
            config.telemetry = self.telemetry();
            config.cosigning = self.cosigning;
            config.sessions_memory = self.sessions_memory.unwrap_or(config.sessions_memory);
            let (me, tap) = (id(name), self.tap.clone());
            let wrap = move |inner: Arc<dyn Connector>| -> Arc<dyn Connector> {
                Arc::new(TappedConnector { me, inner, tap })
            };
            let options = NodeOptions {
                listener: Some(self.listener(name)),
                wrap_connector: Some(Box::new(wrap)),
                ledger: Some(self.ledger.clone()),
            };
            match self.runtime.block_on(kobling_node::start(config, state.clone(), options)) {
                Ok(node) => break node,
                // Threads of the node before may still hold the log.
                Err(error) if Instant::now() < deadline && error.to_string().contains("another process") => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                Err(error) => panic!("{name} does not start: {error}"),
            }
        };
        self.nodes.write().unwrap_or_else(PoisonError::into_inner).insert(id(name), node);
    }

    fn running(&self) -> RwLockReadGuard<'_, BTreeMap<OwnerId, RunningNode>> {
        self.nodes.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn stop(&self, name: &str) {
        let node = self.nodes.write().unwrap_or_else(PoisonError::into_inner).remove(&id(name));
        self.runtime.block_on(node.expect("it runs").stop());
    }

    fn await_secrets(&self) {
        let deadline = Instant::now() + Duration::from_secs(30);
        for node in self.running().values() {
            while !node.node.founding.missing().is_empty() {
                assert!(Instant::now() < deadline, "{} gets no federation secrets", node.node.me);
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }

    fn start_broker(&mut self) {
        let config = BrokerConfig {
            listen: self.federation.broker.address,
            federation: self.federation.clone(),
            credentials: self.broker_credentials.clone(),
            signing_key: self.folder.path().join(BROKER_KEY),
            state_dir: self.folder.path().join(BROKER),
            times: Times {
                peer_timeout: self.patience,
                session_idle: Duration::from_secs(900),
                result: Duration::from_secs(3600),
                question: Duration::from_secs(300),
            },
            limits: Limits { questions_at_once: 2, sessions: 200, sessions_per_institution: 200 },
            cosigning: self.cosigning,
            auditors: None,
            hash: Hash::of(b"settings"),
            telemetry: self.telemetry(),
        };
        let deadline = Instant::now() + Duration::from_secs(10);
        self.broker = Some(loop {
            let traffic = Traffic::default();
            let inner = Arc::new(self.nodes_as_broker(&traffic));
            let clients: Arc<dyn NodeClients> = Arc::new(TappedNodes { inner, tap: self.tap.clone() });
            let listener = self.listener(BROKER);
            let options = BrokerOptions { listener, node_clients: Some(clients), traffic };
            match self.runtime.block_on(kobling_broker::start(config.clone(), options)) {
                Ok(broker) => break broker,
                Err(error) if Instant::now() < deadline && error.to_string().contains("another process") => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                Err(error) => panic!("the broker does not start: {error}"),
            }
        });
        *lock(&self.channel) = None;
    }

    /// Stops a node in order.
    pub fn stop_node(&mut self, name: &str) {
        self.stop(name);
    }

    /// Lets all owners forget what populations have been cut into, as if each had a disk that lost it: for tests of other things than rule 14, which
    /// ask of one small population more than any researchers may.
    fn forget_budgets(&self) {
        let names: Vec<OwnerId> = self.federation.nodes.iter().map(|node| node.id.clone()).collect();
        for name in &names {
            self.stop(name.as_str());
            fs::remove_dir_all(self.state_folder(name.as_str()).join("budget")).expect("a budget");
            self.start_node(name.as_str());
        }
        self.await_secrets();
        *lock(&self.session) = None;
    }

    /// Starts a node that was stopped, on the same state.
    pub fn start_stopped(&mut self, name: &str) {
        self.start_node(name);
        self.await_secrets();
        *lock(&self.session) = None;
    }

    /// What a node's operator does while the node is stopped.
    pub fn operate<T>(&self, name: &str, act: impl FnOnce(&NodeConfig, &StateDir) -> T) -> T {
        let Place { config, state } = Place::of(self.folder.path(), name);
        act(&NodeConfig::load(&config).expect("a configuration"), &state)
    }

    /// Stops a node and starts it again, on the same state.
    pub fn restart_node(&mut self, name: &str) {
        self.stop_node(name);
        self.start_stopped(name);
    }

    /// Stops the broker and starts it again, on the same state.
    pub fn restart_broker(&mut self) {
        self.stop_broker();
        self.start_stopped_broker();
    }

    /// Stops the broker in order.
    pub fn stop_broker(&mut self) {
        let broker = self.broker.take().expect("it runs");
        self.runtime.block_on(broker.shutdown());
    }

    /// Starts the broker that was stopped, on the same state.
    pub fn start_stopped_broker(&mut self) {
        self.start_broker();
        *lock(&self.session) = None;
    }

    /// Puts another certificate in a node's place, and restarts it.
    pub fn replace_certificate(&mut self, name: &str, certificate: impl FnOnce(&Self, &str) -> String) {
        let keys = Place::of(self.folder.path(), name).state.keys();
        let request = fs::read_to_string(keys.join("tls.csr")).expect("a request");
        fs::write(keys.join("tls.pem"), certificate(self, &request)).expect("written");
        self.stop_node(name);
        self.start_node(name);
        *lock(&self.session) = None;
    }
}

// What operators do while everybody runs.
impl World {
    /// Changes an owner's policy file.
    pub fn rewrite_policy(&self, owner: &str, change: impl FnOnce(&str) -> String) {
        let path = Place::of(self.folder.path(), owner).config.with_file_name("policy.toml");
        let text = fs::read_to_string(&path).expect("a policy");
        fs::write(&path, change(&text)).expect("written");
    }

    /// Gives an order to a node over its operator's socket.
    pub fn order(&self, owner: &str, order: &Order) -> Answer {
        let socket = Place::of(self.folder.path(), owner).state.operator();
        self.wait(ask(&socket, order)).expect("the node answers its operator")
    }
}

// What the test may know.
impl World {
    /// The authority of a party, the broker or the platform.
    pub fn authority(&self, name: &str) -> &Authority {
        &self.authorities[name]
    }

    /// A party's address.
    pub fn address(&self, name: &str) -> SocketAddr {
        self.listeners[name].local_addr().expect("bound")
    }

    /// A socket for somebody who takes a stopped party's place.
    pub fn place_of(&self, name: &str) -> tokio::net::TcpListener {
        self.listener(name)
    }

    /// A running node.
    pub fn node(&self, name: &str) -> Running<'_> {
        Running { nodes: self.running(), name: id(name) }
    }

    /// The folder of a party's log.
    pub fn log_folder(&self, name: &str) -> PathBuf {
        match name {
            BROKER => self.folder.path().join(BROKER).join("audit"),
            name => Place::of(self.folder.path(), name).state.audit(),
        }
    }

    /// Everything that a party keeps.
    pub fn state_folder(&self, name: &str) -> PathBuf {
        match name {
            BROKER => self.folder.path().join(BROKER),
            name => Place::of(self.folder.path(), name).state.root().to_owned(),
        }
    }

    /// A party's metrics, read as Prometheus reads them: found by the file in its state folder, over plain HTTP.
    pub fn metrics(&self, name: &str) -> String {
        let file = self.state_folder(name).join(ADDRESS_FILE);
        let address = fs::read_to_string(file).expect("a party that is watched says where its metrics are");
        let mut stream = TcpStream::connect(address.trim()).expect("metrics are served");
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("asked");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answered");
        let (head, page) = answer.split_once("\r\n\r\n").expect("a head and a page");
        assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
        page.to_owned()
    }

    /// All logs, verified, and what does not fit between them.
    pub fn reconciled(&self) -> (BTreeMap<OwnerId, VerifiedLog>, Vec<Finding>) {
        let mut logs = BTreeMap::new();
        for party in self.federation.parties() {
            let log = verify(&self.log_folder(party.id.as_str())).expect("an unbroken log");
            assert!(log.is_signed_as_in(&self.federation), "by the key of {}", party.id);
            logs.insert(party.id.clone(), log);
        }
        let findings = reconcile(&self.federation.broker.id, &logs);
        (logs, findings)
    }

    /// The secrets of the federation, from the nodes' own stores: what no party has.
    pub fn keys(&self) -> Keys {
        let secrets: Vec<_> = self.running().values().map(|node| node.node.founding.secrets()).collect();
        let record_key_secret = secrets[0].record_key().expect("every node has it");
        let mut noise_key = [0; 16];
        for party in &self.federation.nodes {
            let part = secrets.iter().find_map(|secrets| secrets.part(&party.id));
            let part = part.expect("all nodes but one have each part");
            noise_key.iter_mut().zip(part).for_each(|(byte, part)| *byte ^= part);
        }
        Keys { record_key_secret, noise_key }
    }

    /// All releases of all nodes.
    pub fn catalogue(&self) -> Catalogue {
        let mut datastores: Vec<_> =
            self.running().values().flat_map(|node| node.node.catalogue().to_vec()).collect();
        datastores.sort_by(|a, b| (&a.id, a.version).cmp(&(&b.id, b.version)));
        Catalogue { datastores }
    }

    /// All clear registers, pooled.
    pub fn registers(&self) -> Registers {
        let mut registers = Registers::default();
        for (_, datastore, folder) in &self.owners {
            registers.add(datastore, folder);
        }
        registers
    }

    /// Every identity number that an owner's files have.
    pub fn identities(&self) -> Vec<String> {
        let mut all = std::collections::BTreeSet::new();
        for (_, _, folder) in &self.owners {
            for dataset in fs::read_dir(folder).expect("a folder") {
                let path = dataset.expect("an entry").path();
                let name = path.file_name().expect("a name").to_string_lossy().into_owned();
                let csv = fs::read_to_string(path.join(format!("{name}.csv"))).expect("a file");
                all.extend(csv.lines().filter_map(|line| line.split(';').next()).map(str::to_owned));
            }
        }
        all.into_iter().collect()
    }

    /// The values of an owner's variable, in the order of its file.
    pub fn column(&self, owner: &str, variable: &str) -> Vec<String> {
        self.field(owner, variable, 1)
    }

    /// The identities in an owner's variable, in the order of its file.
    pub fn column_of_identities(&self, owner: &str, variable: &str) -> Vec<String> {
        self.field(owner, variable, 0)
    }

    fn field(&self, owner: &str, variable: &str, at: usize) -> Vec<String> {
        let (_, _, folder) = self.owners.iter().find(|(of, ..)| of.as_str() == owner).expect("an owner");
        let path = folder.join(variable).join(format!("{variable}.csv"));
        let csv = fs::read_to_string(path).expect("a file");
        csv.lines().filter_map(|line| line.split(';').nth(at)).map(str::to_owned).collect()
    }

    /// Of each rule's numbers the strictest of all owners.
    pub fn strictest_rules(&self) -> Rules {
        let mut rules = reference::loosest_rules();
        for node in self.running().values() {
            let own = &node.node.policy.now().policy.rules;
            rules.population_units_min = rules.population_units_min.max(own.population_units_min);
            rules.small_cell_units_max = rules.small_cell_units_max.max(own.small_cell_units_max);
            rules.small_cells_percent_max = rules.small_cells_percent_max.min(own.small_cells_percent_max);
            rules.edit_units_min = rules.edit_units_min.max(own.edit_units_min);
            rules.statistic_units_min = rules.statistic_units_min.max(own.statistic_units_min);
            rules.two_largest_percent_max = rules.two_largest_percent_max.min(own.two_largest_percent_max);
            rules.others_percent_of_largest_min =
                rules.others_percent_of_largest_min.max(own.others_percent_of_largest_min);
        }
        rules
    }

    /// The plan of a script, over all releases.
    pub fn plan(&self, script: &str) -> Plan {
        match kobling_script::plan(script, &self.catalogue()) {
            Ok(plan) => plan,
            Err(diagnostics) => {
                let language = kobling_script::Language::English;
                panic!("{}", kobling_script::render(&diagnostics, script, "script", language, false))
            }
        }
    }

    /// A script over all three owners' datastores, or over the two that there are.
    pub fn script(&self, rest: &str) -> String {
        let known = |line: &&str| {
            let owner = line.rsplit(' ').next().expect("an alias");
            self.federation.nodes.iter().any(|node| node.id.as_str() == owner)
        };
        let requires: Vec<&str> = REQUIRE_ALL.lines().filter(known).collect();
        format!("{}\ncreate-dataset d\n{rest}\n", requires.join("\n"))
    }

    /// What a script must come to, by the reference.
    pub fn reference(&self, script: &str) -> Expected {
        let (registers, keys, rules) = (self.registers(), self.keys(), self.strictest_rules());
        let catalogue = self.catalogue();
        // The script is one that plans: what is wrong with it is shown.
        self.plan(script);
        let come_to = |memory: &Memory, script: &str| {
            let mut after = Memory::default();
            let expected = expect(script, &catalogue, |plan| {
                after = memory.clone();
                reference::answer(plan, &registers, &keys, &rules, &mut after)
            });
            (expected, after)
        };
        let mut asked = lock(&self.asked);
        let asked = &mut *asked;
        self.enter_books(&mut asked.memory);
        for before in std::mem::take(&mut asked.since) {
            asked.memory = match asked.foreseen.take() {
                Some((foreseen, after)) if foreseen == before => after,
                _ => come_to(&asked.memory, &before).1,
            };
        }
        let (expected, after) = come_to(&asked.memory, script);
        asked.foreseen = Some((script.to_owned(), after));
        expected
    }

    /// What rule 13 rests on at each node: from the nodes' own stores, which no party has all of.
    fn enter_books(&self, memory: &mut Memory) {
        for (owner, running) in self.running().iter() {
            let (secrets, policy) = (running.node.founding.secrets(), running.node.policy.now());
            for unit_type in UnitType::ALL {
                let map = self.operate(owner.as_str(), |config, state| {
                    let key = kobling_node::serve::seal_key(config).expect("a seal key");
                    IdentityMap::load(state.root(), unit_type, &key).expect("an identity map")
                });
                let mut identities = vec![String::new(); map.len() as usize];
                map.fill(&mut identities, |_, identity| String::from_utf8_lossy(identity).into_owned());
                let book = Book {
                    numbers: identities.into_iter().zip(0..).collect(),
                    secret: secrets.own().to_vec(),
                    units_min: policy.policy.rules.population_units_min,
                    near_max: policy.policy.near_population_units_max,
                };
                memory.enter(owner, unit_type, book);
            }
        }
    }
}

/// What a script must come to, by how the questions of a plan end.
///
/// # Panics
/// Where the script has no plan.
pub fn expect(
    script: &str,
    catalogue: &Catalogue,
    mut answer: impl FnMut(&Plan) -> Vec<Outcome>,
) -> Expected {
    let mut plan = kobling_script::plan(script, catalogue).expect("a script that plans");
    let mut expected =
        Expected { plan: plan.clone(), not_carried_out: Vec::new(), tables: Vec::new(), refused: None };
    // Each edit that is not carried out gives another plan, and nothing before it changes.
    let outcomes = loop {
        let outcomes = answer(&plan);
        let last = outcomes.len().saturating_sub(1);
        let surprise = plan.edits().find(|(at, carried_out)| *at == last && *carried_out);
        if surprise.is_none() || outcomes[last] != Outcome::NotCarriedOut {
            break outcomes;
        }
        let known = plan.edits().take_while(|(at, _)| *at < last).map(|(_, carried_out)| carried_out);
        let edits: Vec<bool> = known.chain([false]).collect();
        plan = kobling_script::plan_after(script, catalogue, &edits).expect("no outcome is a fault");
    };
    for (outcome, question) in outcomes.into_iter().zip(&plan.questions) {
        match outcome {
            Outcome::Passed => {}
            Outcome::NotCarriedOut => expected.not_carried_out.push(question.line),
            Outcome::Table(table) => expected.tables.push(table),
            Outcome::Refused(refusal) => expected.refused = Some(refusal),
        }
    }
    expected
}

// What the broker can do.
impl World {
    fn nodes_as_broker(&self, traffic: &Traffic) -> GrpcNodes {
        GrpcNodes::new(&self.federation, &self.broker_credentials, self.patience, traffic)
    }

    /// A client of a node, with the broker's certificate: what a broker that deviates would use.
    pub fn as_broker(&self, node: &str) -> Arc<dyn NodeClient> {
        self.as_broker_with(node, &self.broker_credentials)
    }

    /// A client of a node with other credentials.
    pub fn as_broker_with(&self, node: &str, credentials: &Credentials) -> Arc<dyn NodeClient> {
        let nodes = GrpcNodes::new(&self.federation, credentials, self.patience, &Traffic::default());
        nodes.node(&id(node)).expect("on the roster")
    }

    /// A connection with a party, as the broker.
    pub fn dial_as_broker(&self, name: &str) -> Channel {
        let party = self.federation.party(&id(name)).expect("on the roster");
        let dialled = self.wait(transport::dial(party, &self.broker_credentials, self.patience));
        dialled.expect("the broker is let in")
    }
}

// What the platform can do.
impl World {
    /// Who asks: researcher, institution and purpose.
    pub const ASKER: [&str; 3] = ["Kari Nordmann", "A university", "Tests of the whole system"];

    /// A connection with the broker, as the platform.
    pub fn platform(&self) -> Channel {
        let mut channel = lock(&self.channel);
        if let Some(channel) = &*channel {
            return channel.clone();
        }
        let dialled =
            self.wait(transport::dial(&self.federation.broker, &self.platform_credentials, self.patience));
        let dialled = dialled.expect("the platform is let in");
        *channel = Some(dialled.clone());
        dialled
    }

    /// A key that no request has used.
    pub fn fresh_key(&self) -> String {
        format!("key-{}", self.next_key.fetch_add(1, Ordering::Relaxed))
    }

    /// What the platform signs for a script in a session, as the broker tells of it.
    pub fn request(&self, session: &str, script: &str) -> ScriptRequest {
        self.request_as(Self::ASKER, session, script)
    }

    fn request_as(&self, asker: [&str; 3], session: &str, script: &str) -> ScriptRequest {
        let mut client = SessionServiceClient::new(self.platform());
        let asked = wire::GetSessionRequest { session: session.to_owned() };
        // A session that nobody knows has no nodes and no data.
        let told = self.wait(client.get_session(asked)).ok().and_then(|told| told.into_inner().session);
        let told = told.unwrap_or_default();
        let nodes: Vec<_> = told.nodes.iter().map(|name| id(name)).collect();
        let releases = told.releases.into_iter().map(|release| release.try_into().expect("a release"));
        let session = SessionId::parse(session).expect("a session's id");
        self.request_for(session, asker, &nodes, &releases.collect::<Vec<_>>(), script)
    }

    /// What the platform signs for a script of this asker (researcher, institution, purpose) in such a session.
    pub fn request_for(
        &self,
        session: SessionId,
        asker: [&str; 3],
        nodes: &[OwnerId],
        releases: &[Release],
        script: &str,
    ) -> ScriptRequest {
        let nonce = Hash::of(format!("nonce {}", self.next_key.fetch_add(1, Ordering::Relaxed)).as_bytes());
        let issued_ms = now_ms();
        let [researcher, institution, purpose] = asker.map(str::to_owned);
        ScriptRequest {
            session,
            script: script.to_owned(),
            researcher,
            institution,
            purpose,
            nodes: sorted(nodes),
            releases: sorted(releases),
            nonce: nonce.0[..16].try_into().expect("16 bytes"),
            issued_ms,
            expires_ms: issued_ms + 3_600_000,
        }
    }

    /// A request, signed by the platform.
    pub fn sign(&self, request: &ScriptRequest) -> SignedRequest {
        let bytes = request.bytes();
        SignedRequest { signature: self.platform_key.sign(&bytes).to_vec(), bytes }
    }

    /// Opens a session over all datastores.
    pub fn open_session(&self) -> Result<String, Status> {
        self.open_session_as(Self::ASKER)
    }

    /// Opens a session of this asker over all datastores.
    pub fn open_session_as(&self, asker: [&str; 3]) -> Result<String, Status> {
        let datastores: Vec<String> =
            self.owners.iter().map(|(_, datastore, _)| format!("{datastore}:1")).collect();
        let datastores: Vec<&str> = datastores.iter().map(String::as_str).collect();
        self.open_session_over(asker, &datastores)
    }

    /// Opens a session of this asker over some datastores, each with its version.
    pub fn open_session_over(&self, asker: [&str; 3], datastores: &[&str]) -> Result<String, Status> {
        let [researcher, institution, purpose] = asker.map(str::to_owned);
        let datastores = datastores.iter().map(ToString::to_string).collect();
        let key = self.fresh_key();
        let request = wire::OpenSessionRequest { key, researcher, institution, purpose, datastores };
        let mut client = SessionServiceClient::new(self.platform());
        let opened = self.wait(client.open_session(request))?.into_inner();
        Ok(opened.session.expect("a session").id)
    }

    /// Closes a session.
    pub fn close_session(&self, session: &str) {
        let mut client = SessionServiceClient::new(self.platform());
        self.wait(client.close_session(wire::CloseSessionRequest { session: session.to_owned() }))
            .expect("known");
    }

    /// The session that [`Self::run`] runs in, if it has been opened.
    pub fn current_session(&self) -> Option<String> {
        self.session.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Signs a script and submits it.
    pub fn submit(&self, session: &str, key: &str, script: &str) -> Result<wire::Job, Status> {
        self.submit_signed(session, key, &self.sign(&self.request(session, script)))
    }

    /// Submits what has been signed, or not.
    pub fn submit_signed(
        &self,
        session: &str,
        key: &str,
        signed: &SignedRequest,
    ) -> Result<wire::Job, Status> {
        let request =
            wire::SubmitJobRequest { session: session.into(), key: key.into(), signed: Some(signed.into()) };
        let mut client = JobServiceClient::new(self.platform());
        let job = self.wait(client.submit_job(request))?.into_inner().job.expect("a job");
        self.note_asked(&signed.bytes);
        Ok(job)
    }

    /// Notes down that a script may reach nodes, which then remember it. One that has no plan does not.
    fn note_asked(&self, request: &[u8]) {
        if let Ok(request) = ScriptRequest::parse(request)
            && kobling_script::plan(&request.script, &self.catalogue()).is_ok()
        {
            lock(&self.asked).since.push(request.script);
        }
    }

    /// Cancels a job.
    pub fn cancel(&self, job: &str) {
        let mut client = JobServiceClient::new(self.platform());
        self.wait(client.cancel_job(wire::CancelJobRequest { job: job.to_owned() })).expect("known");
    }

    /// Follows a job to its end and fetches all its tables.
    pub fn follow(&self, job: &wire::Job) -> JobResult {
        let mut client = JobServiceClient::new(self.platform());
        let events = self.wait(async {
            let request = wire::WatchJobRequest { job: job.id.clone(), after: 0 };
            let mut stream = client.watch_job(request).await.expect("watched").into_inner();
            let mut events = Vec::new();
            while let Some(event) = stream.message().await.expect("an event") {
                events.push(event);
            }
            events
        });
        let request = wire::GetJobRequest { job: job.id.clone() };
        let job = self.wait(client.get_job(request)).expect("the job").into_inner().job.expect("a job");
        let tables = (0..job.tables).map(|index| self.fetch(&job.id, index).expect("a table")).collect();
        JobResult { job, tables, events }
    }

    /// Fetches a table over Flight.
    pub fn fetch(&self, job: &str, index: u32) -> Result<Table, Status> {
        let job = JobId::parse(job).expect("a job's id");
        let ticket =
            flight::ticket(Content::Result(flight::v1::Result { job: job.0.to_vec().into(), table: index }));
        let mut client = FlightServiceClient::new(self.platform());
        self.wait(async {
            let stream = client.do_get(ticket).await?.into_inner();
            Ok(table_from_flight(stream).await.expect("a table as agreed"))
        })
    }

    /// Runs a script in the world's session, which is opened when needed.
    pub fn run(&self, script: &str) -> JobResult {
        let open = lock(&self.session).clone();
        let session = open.unwrap_or_else(|| self.new_session());
        self.run_in(&session, script)
    }

    /// Opens a session and makes it the world's.
    pub fn new_session(&self) -> String {
        let session = self.open_session().expect("a session opens");
        *lock(&self.session) = Some(session.clone());
        session
    }

    /// Runs a script in a session.
    pub fn run_in(&self, session: &str, script: &str) -> JobResult {
        let job = self.submit(session, &self.fresh_key(), script).expect("submitted");
        self.follow(&job)
    }

    /// Runs a script of this asker in a session of its own.
    pub fn run_in_as(&self, asker: [&str; 3], session: &str, script: &str) -> JobResult {
        let signed = self.sign(&self.request_as(asker, session, script));
        let job = self.submit_signed(session, &self.fresh_key(), &signed).expect("submitted");
        self.follow(&job)
    }

    /// Runs a script and holds it against the reference, whatever was asked before.
    pub fn check(&self, script: &str) -> JobResult {
        let expected = self.reference(script);
        let mut result = self.run(script);
        // The reference has no budgets.
        if result.problem().code == Refusal::SplitsSpent.code() {
            self.forget_budgets();
            result = self.run(script);
        }
        let told = format!("{:?} {:?}\n{script}", result.state(), result.job);
        assert_eq!(result.job.plan, expected.plan.hash().to_string(), "another plan: {told}");
        match expected.refused {
            None => assert_eq!(result.state(), wire::JobState::Done, "{told}"),
            Some(refusal) => {
                assert_eq!(result.state(), wire::JobState::Refused, "{told}");
                assert_eq!(result.problem().code, refusal.code(), "{told}");
            }
        }
        let warned: Vec<u32> = result.job.warnings.iter().map(|warning| warning.line).collect();
        assert_eq!(warned, expected.not_carried_out, "{told}");
        let wanted = serde_json::to_string(&expected.tables).expect("JSON");
        assert_eq!(result.bytes(), wanted, "{told}");
        result
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(broker) = self.broker.take() {
            self.runtime.block_on(broker.shutdown());
        }
        let nodes = self.nodes.get_mut().unwrap_or_else(PoisonError::into_inner);
        for (_, node) in std::mem::take(nodes) {
            self.runtime.block_on(node.stop());
        }
    }
}
