//! A broker that listens: its state folder, its services, and an orderly end.

use std::fs::DirBuilder;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_flight::flight_service_server::FlightServiceServer;
use kobling_audit::build;
use kobling_audit::cosigning::{TermsError, Unwitnessed};
use kobling_audit::{AuditLog, Cosigning, LogError, LogKey, PublicKey, SharedLog, Witness};
use kobling_model::record::Event;
use kobling_model::script_request::ScriptRequest;
use kobling_proto::FILE_DESCRIPTOR_SET;
use kobling_proto::observe::Telemetry;
use kobling_proto::observe::export::ExportRefused;
use kobling_proto::observe::log::Line;
use kobling_proto::observe::metrics::Page;
use kobling_proto::observe::port::MetricsPort;
use kobling_proto::observe::vocabulary::Role;
use kobling_proto::platform::v1::catalogue_service_server::CatalogueServiceServer;
use kobling_proto::platform::v1::job_service_server::JobServiceServer;
use kobling_proto::platform::v1::session_service_server::SessionServiceServer;
use kobling_proto::transport::{self, Callers, Traffic, TransportError};
use kobling_proto::witness::{self, Courier};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tonic::service::Routes;

use crate::api::Door;
use crate::api::catalogue::CatalogueApi;
use crate::api::flight::FlightApi;
use crate::api::job::JobApi;
use crate::api::session::SessionApi;
use crate::audit::{CosignedLog, Recorder, now_ms};
use crate::broker::{Broker, Parts};
use crate::config::Config;
use crate::cosigning;
use crate::observe::{ObservedNodes, cause_of_store};
use crate::roster::{GrpcNodes, NodeClients};
use crate::store::{Store, StoreError};

/// How often idle sessions and old results are looked for.
const TIDY_INTERVAL: Duration = Duration::from_secs(10);
/// How long clients are given to take what they are being sent, at shutdown.
const DRAIN: Duration = Duration::from_secs(3);
/// Largest request of a client: a script with room for the rest.
const REQUEST_BYTES_MAX: usize = ScriptRequest::BYTES_MAX + 64 * 1024;

/// What differs between a broker in production and one in a test.
pub struct StartOptions {
    /// Where it listens.
    pub listener: TcpListener,
    /// How it talks to nodes; over gRPC where none.
    pub node_clients: Option<Arc<dyn NodeClients>>,
    /// Counts bytes on sockets; `node_clients`, where given, count in it too.
    pub traffic: Traffic,
}

/// Why a broker does not start. The text is for its operator.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The state folder cannot be made.
    #[error("{path}: the state folder cannot be used")]
    StateDir {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The listening socket cannot be used.
    #[error("the listening socket cannot be used")]
    Listen(#[source] std::io::Error),
    /// Certificates or keys cannot be used.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The signing key cannot be read, or is another than the roster's: nobody could check the log.
    #[error("{} is not the signing key that the federation file has of the broker", path.display())]
    SigningKey {
        /// The file.
        path: PathBuf,
    },
    /// The audit log cannot be opened.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The terms on which it is cosigned.
    #[error("the audit log: {0}")]
    Cosigning(#[from] TermsError),
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The port of metrics cannot be had.
    #[error("metrics cannot be served")]
    Metrics(#[source] std::io::Error),
    /// Spans cannot be sent.
    #[error(transparent)]
    Spans(#[from] ExportRefused),
    /// The descriptors of the services cannot be read.
    #[error("the descriptors built into this program cannot be read")]
    Reflection,
}

/// A broker that serves.
pub struct RunningBroker {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its metrics, where they are served.
    pub metrics: Option<MetricsPort>,
    /// The broker itself.
    pub broker: Arc<Broker>,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
    tidying: JoinHandle<()>,
    /// Who have the log cosigned; each ends where its witness contradicts the log.
    pub(crate) couriers: JoinSet<Option<Unwitnessed>>,
}

/// The broker's signing key, as that of its log.
pub(crate) fn log_key(config: &Config) -> Result<LogKey, StartError> {
    let broker = &config.federation.broker;
    let pinned = PublicKey::of_roster(&broker.id, &broker.signing_key);
    let key = std::fs::read(&config.signing_key).ok().and_then(|bytes| LogKey::from_pkcs8(&bytes).ok());
    let key = key.filter(|key| pinned == Some(key.public(&broker.id)));
    key.ok_or_else(|| StartError::SigningKey { path: config.signing_key.clone() })
}

/// Starts a broker: opens its log and store, settles what an earlier run left, and listens.
///
/// # Errors
/// [`StartError`].
pub async fn start(config: Config, options: StartOptions) -> Result<RunningBroker, StartError> {
    create_private(&config.state_dir)?;
    let settings = config.hash;
    let log = AuditLog::open(
        &config.state_dir.join("audit"),
        config.federation.broker.id.clone(),
        log_key(&config)?,
    )?;
    if log.tail_was_cut() {
        Line::TornLog.entry().party(&config.federation.broker.id).say();
    }
    let witness = Arc::new(Witness::open(&log, log_key(&config)?, &config.federation)?);
    if config.auditors.is_none() {
        Line::RecordsInClear.entry().party(&config.federation.broker.id).say();
    }
    let log = SharedLog::new(log.sealed_to(config.auditors.clone()));
    let cosigning = Arc::new(Cosigning::new(log.clone(), &config.federation, config.cosigning)?);
    let recorder: Arc<dyn Recorder> =
        Arc::new(CosignedLog { log: log.clone(), cosigning: cosigning.clone() });
    let traffic = options.traffic;
    let me = config.federation.broker.id.clone();
    let telemetry = Telemetry::start(&config.telemetry, Role::Broker, &me, traffic.clone())?;
    let clients = options.node_clients.unwrap_or_else(|| {
        let timeout = config.times.peer_timeout;
        Arc::new(GrpcNodes::new(&config.federation, &config.credentials, timeout, &traffic))
    });
    let callers = Arc::new(Callers::new(&config.federation)?);
    // Nodes may connect, to have their logs cosigned and cosign the broker's; every other call of theirs is refused.
    let nodes = config.federation.nodes.iter().map(|party| party.authority.as_str());
    let authorities: Vec<&str> = nodes.chain([config.federation.platform.authority.as_str()]).collect();
    let server = transport::server(&config.credentials, &authorities)?;
    let address = options.listener.local_addr().map_err(StartError::Listen)?;
    let couriers: Vec<Courier> = (config.federation.nodes.iter())
        .map(|node| Courier {
            party: node.clone(),
            credentials: config.credentials.clone(),
            patience: config.times.peer_timeout,
            traffic: traffic.clone(),
        })
        .collect();
    let store = Store::open(&config.state_dir)?;
    let broker = Broker::start(Parts {
        federation: config.federation,
        clients: Arc::new(ObservedNodes { inner: clients, telemetry: telemetry.clone() }),
        store,
        recorder,
        times: config.times,
        limits: config.limits,
        telemetry: telemetry.clone(),
    })
    .await?;
    let metrics = match config.telemetry.metrics {
        None => None,
        Some(at) => {
            let watched = Arc::downgrade(&broker);
            let sessions = move || watched.upgrade().map_or(0, |broker| broker.sessions_open());
            let port = MetricsPort::open(at, Page::new(telemetry, sessions), &config.state_dir).await;
            Some(port.map_err(StartError::Metrics)?)
        }
    };

    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_service_status("", tonic_health::ServingStatus::Serving).await;
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
        .build_v1()
        .map_err(|_| StartError::Reflection)?;
    let door = Door::new(callers.clone());
    let of = || (Arc::clone(&broker), door.clone());
    let (catalogue, session, job, flight) = (of(), of(), of(), of());
    let catalogue = CatalogueApi { broker: catalogue.0, door: catalogue.1 };
    let session = SessionApi { broker: session.0, door: session.1 };
    let job = JobApi { broker: job.0, door: job.1 };
    let flight = FlightApi { broker: flight.0, door: flight.1 };
    let mut server = server;
    let mut routes = Routes::new(health_service)
        .add_service(reflection)
        .add_service(CatalogueServiceServer::new(catalogue).max_decoding_message_size(REQUEST_BYTES_MAX))
        .add_service(SessionServiceServer::new(session).max_decoding_message_size(REQUEST_BYTES_MAX))
        .add_service(JobServiceServer::new(job).max_decoding_message_size(REQUEST_BYTES_MAX))
        .add_service(FlightServiceServer::new(flight).max_decoding_message_size(REQUEST_BYTES_MAX));
    witness::serve(&mut routes, callers, cosigning::answers(witness));
    let router = server.add_routes(routes);

    // Only now that nothing else can keep the broker from answering.
    let software = env!("CARGO_PKG_VERSION").to_owned();
    log.append(Event::Started { software, build: build::running(), settings }, now_ms())?;
    let (stop, stopped) = watch::channel(false);
    let mut carried = JoinSet::new();
    for courier in couriers {
        carried.spawn(cosigning::carried(courier, cosigning.clone()));
    }
    let incoming = transport::incoming(options.listener, &traffic);
    let mut until = stopped.clone();
    let serving = tokio::spawn(async move {
        let until = async move { drop(until.wait_for(|stop| *stop).await) };
        if router.serve_with_incoming_shutdown(incoming, until).await.is_err() {
            Line::BrokerDeaf.say();
        }
    });
    let tidying = tokio::spawn(tidy(Arc::clone(&broker), stopped));
    Ok(RunningBroker { address, metrics, broker, stop, serving, tidying, couriers: carried })
}

async fn tidy(broker: Arc<Broker>, mut stopped: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            _ = stopped.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(TIDY_INTERVAL) => {}
        }
        if let Err(error) = broker.tidy(Instant::now(), now_ms()).await {
            Line::OldResultsKept.entry().cause(cause_of_store(&error)).say();
        }
    }
}

impl RunningBroker {
    /// Ends everything in order: no new calls, jobs aborted at all parties and marked failed, sessions closed at
    /// the nodes, and clients given a moment to hear of it.
    pub async fn shutdown(self) {
        self.stop.send_replace(true);
        self.broker.stop().await;
        let _ = self.tidying.await;
        let abort = self.serving.abort_handle();
        if tokio::time::timeout(DRAIN, self.serving).await.is_err() {
            abort.abort();
        }
        self.broker.journal.ended().await;
        self.broker.telemetry.stop().await;
    }

    /// Returns when the broker no longer listens, which it only does by itself when its socket fails.
    pub async fn failed(&mut self) {
        let _ = (&mut self.serving).await;
    }
}

/// The state folder names researchers and what they ask about, so it is its operator's alone.
fn create_private(path: &Path) -> Result<(), StartError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| StartError::StateDir { path: path.display().to_string(), source })
}
