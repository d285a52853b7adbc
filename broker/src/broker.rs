//! The broker as one thing: what all its services and jobs share.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use futures::future::join_all;
use kobling_model::federation::Federation;
use kobling_model::{Hash, JobId, OwnerId, SessionId};
use kobling_proto::observe::Telemetry;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::audit::{Journal, Recorder, now_ms};
use crate::config::{Limits, Times};
use crate::job::LiveJob;
use crate::problem::{Problem, RunError};
use crate::roster::{Description, NodeClient, NodeClients};
use crate::session::Session;
use crate::store::{JobEnd, JobState, SessionKey, Store, StoreError};
use crate::turns::Turns;

/// How long what nodes say of themselves is shown to people without asking again. Sessions always ask.
const DESCRIPTIONS_KEPT: Duration = Duration::from_secs(10);

/// What a broker is made of.
pub struct Parts {
    /// The pinned roster.
    pub federation: Federation,
    /// How to talk to nodes.
    pub clients: Arc<dyn NodeClients>,
    /// What it keeps.
    pub store: Store,
    /// Its audit log.
    pub recorder: Arc<dyn Recorder>,
    /// Bounds in time.
    pub times: Times,
    /// Bounds in number.
    pub limits: Limits,
    /// Counts steps and bytes, for those who watch.
    pub telemetry: Telemetry,
}

/// The broker, shared by its services and jobs.
pub struct Broker {
    pub(crate) federation: Federation,
    pub(crate) federation_hash: Hash,
    pub(crate) clients: Arc<dyn NodeClients>,
    pub(crate) store: Store,
    pub(crate) journal: Journal,
    pub(crate) times: Times,
    pub(crate) limits: Limits,
    pub(crate) turns: Turns,
    pub(crate) telemetry: Telemetry,
    /// Sessions in which scripts can be submitted.
    pub(crate) sessions: Mutex<HashMap<SessionId, Arc<Session>>>,
    /// Institutions of sessions that are being opened.
    pub(crate) places: Mutex<Vec<String>>,
    /// One lock for each request to open a session that is being worked on, so that a repeat waits for it.
    pub(crate) opening: Mutex<HashMap<SessionKey, Arc<tokio::sync::Mutex<()>>>>,
    /// Jobs that have not ended.
    pub(crate) jobs: Mutex<HashMap<JobId, Arc<LiveJob>>>,
    described: tokio::sync::Mutex<Option<(Instant, Arc<Descriptions>)>>,
    /// Sessions' workers and farewells, awaited at shutdown.
    tasks: Mutex<JoinSet<()>>,
    stopping: watch::Sender<bool>,
}

/// What each node said of itself, in roster order.
pub type Descriptions = Vec<(OwnerId, Result<Description, RunError>)>;

/// Locks what cannot be left half changed: all critical sections are single inserts, removals and reads.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Broker {
    /// Puts a broker together and settles what an earlier run has left: its open jobs have failed, its
    /// sessions have ended, and nodes are told so in the background.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn start(parts: Parts) -> Result<Arc<Self>, StoreError> {
        let problem = RunError::Interrupted.problem();
        let end = JobEnd { state: JobState::Failed, problem: Some(problem.clone()), line: 0 };
        let left_over = parts.store.recover(end, session_interrupted(), now_ms()).await?;
        let broker = Arc::new(Self {
            federation_hash: parts.federation.hash(),
            federation: parts.federation,
            clients: parts.clients,
            store: parts.store,
            journal: Journal::new(parts.recorder),
            times: parts.times,
            limits: parts.limits,
            turns: Turns::new(parts.limits.questions_at_once),
            telemetry: parts.telemetry,
            sessions: Mutex::default(),
            places: Mutex::default(),
            opening: Mutex::default(),
            jobs: Mutex::default(),
            described: tokio::sync::Mutex::default(),
            tasks: Mutex::default(),
            stopping: watch::Sender::new(false),
        });
        for (session, parties) in left_over {
            let clients = broker.nodes(&parties);
            let patience = broker.farewell_patience();
            broker.spawn(async move { close_everywhere(&clients, session, patience).await });
        }
        Ok(broker)
    }

    /// The roster.
    pub fn federation(&self) -> &Federation {
        &self.federation
    }

    /// How many sessions are open.
    pub fn sessions_open(&self) -> usize {
        lock(&self.sessions).len()
    }

    /// Clients of these nodes, in their order; names that are on no roster are left out.
    pub(crate) fn nodes(&self, ids: &[OwnerId]) -> Vec<Arc<dyn NodeClient>> {
        ids.iter().filter_map(|id| self.clients.node(id)).collect()
    }

    /// The client of a node that a plan names.
    pub(crate) fn node(&self, id: &OwnerId) -> Result<Arc<dyn NodeClient>, RunError> {
        self.clients.node(id).ok_or(RunError::Internal { step: "roster" })
    }

    /// Asks all nodes of the roster who they are.
    pub async fn describe_all(&self) -> Arc<Descriptions> {
        let asked = self.federation.nodes.iter().map(|party| async move {
            let description = match self.clients.node(&party.id) {
                Some(node) => node.describe().await,
                None => Err(RunError::Internal { step: "roster" }),
            };
            (party.id.clone(), description)
        });
        let descriptions = Arc::new(join_all(asked).await);
        *self.described.lock().await = Some((Instant::now(), Arc::clone(&descriptions)));
        descriptions
    }

    /// As [`Self::describe_all`], but what was heard a moment ago will do.
    pub async fn describe_for_people(&self) -> Arc<Descriptions> {
        let kept = self.described.lock().await.clone();
        match kept {
            Some((at, descriptions)) if at.elapsed() < DESCRIPTIONS_KEPT => descriptions,
            _ => self.describe_all().await,
        }
    }

    /// Runs something that shutdown waits for.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = lock(&self.tasks);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }

    /// Whether the broker is stopping.
    pub(crate) fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// How long nodes are given to hear that something has ended.
    pub(crate) fn farewell_patience(&self) -> Duration {
        self.times.peer_timeout.min(Duration::from_secs(5))
    }

    /// Ends everything in order: jobs are aborted at all parties and marked failed, sessions closed.
    pub async fn stop(&self) {
        self.stopping.send_replace(true);
        let sessions: Vec<_> = lock(&self.sessions).values().cloned().collect();
        for session in sessions {
            self.end_session(&session, crate::session::End::Interrupted).await;
        }
        loop {
            let mut tasks = std::mem::take(&mut *lock(&self.tasks));
            if tasks.is_empty() {
                break;
            }
            while tasks.join_next().await.is_some() {}
        }
    }

    /// Housekeeping, due about every ten seconds: ends idle sessions and forgets old jobs.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn tidy(&self, now: Instant, now_ms: u64) -> Result<(), StoreError> {
        let idle: Vec<_> = (lock(&self.sessions).values())
            .filter(|session| session.is_idle(now, self.times.session_idle))
            .cloned()
            .collect();
        for session in idle {
            self.end_session(&session, crate::session::End::Idle).await;
        }
        let kept = u64::try_from(self.times.result.as_millis()).unwrap_or(u64::MAX);
        self.store.forget_before(now_ms.saturating_sub(kept)).await
    }
}

/// What a session that the broker lost at a restart is told to have ended of.
pub(crate) fn session_interrupted() -> Problem {
    Problem::of_request("interrupted", "the broker was stopped, and the session with it; open a new session")
}

/// Tells nodes that a session has ended. Those that do not hear it forget the session by themselves.
pub(crate) async fn close_everywhere(nodes: &[Arc<dyn NodeClient>], session: SessionId, patience: Duration) {
    let calls = nodes.iter().map(|node| tokio::time::timeout(patience, node.close_session(session)));
    join_all(calls).await;
}
