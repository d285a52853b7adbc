//! A researcher's session: pinned versions, one salt among the nodes, one alignment for each unit type.
//!
//! Opening, in order:
//!
//! 1. The request is checked, and a repeat under the same key returns the same session. Other parties must have cosigned the
//!    broker's log.
//! 2. All nodes say who they are. Each datastore asked for is pinned at its newest release of the major
//!    version, and its owner becomes a linking node.
//! 3. Every node that a question over these owners may need, linking or not, must have pinned the broker's roster and
//!    hold its federation secrets. Who that is follows from the roster alone.
//! 4. The session is kept as being opened, so that nodes can be told of its end after a crash.
//! 5. All these nodes are told at the same time, since the linking ones agree on a salt among themselves.
//!    *The broker learns nothing of the salt.*
//!
//! Units are linked later, when the first question crosses owners ([`Session::rows`]). A session ends on close, when idle,
//! when a node has restarted, when linking fails, and with the broker.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::future::try_join_all;
use kobling_crypto::protocol::kept::MaskShelf;
use kobling_model::catalogue::{Catalogue, Datastore};
use kobling_model::plan::Release;
use kobling_model::record::Asker;
use kobling_model::{DatastoreId, OwnerId, SessionId, UnitType};
use kobling_proto::observe::Step;
use kobling_proto::observe::log::Line;
use tokio::sync::{mpsc, watch};

use crate::audit::now_ms;
use crate::broker::{Broker, Descriptions, close_everywhere, lock};
use crate::job::QueuedJob;
use crate::linkage;
use crate::observe::cause_of_store;
use crate::problem::{Problem, RunError};
use crate::request::{RequestError, asserted, client_key, random_id};
use crate::roster::{Incarnation, SessionOffer};
use crate::store::{SessionKey, SessionRow, SessionState};

/// Jobs that may wait in one session.
pub const QUEUE_MAX: usize = 64;
/// Datastores of one session.
pub const DATASTORES_MAX: usize = 32;

/// A request to open a session, as it came.
#[derive(Clone, Debug)]
pub struct OpenRequest {
    /// Chosen by the client.
    pub key: String,
    /// Who asks: the certificate is proven, the names are the platform's word.
    pub asker: Asker,
    /// Datastores as `id:major`.
    pub datastores: Vec<String>,
}

/// A session in which scripts can be submitted.
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Who asks.
    pub asker: Asker,
    /// The pinned releases, in order of id.
    pub catalogue: Arc<Catalogue>,
    /// Nodes that link, in roster order.
    pub linking: Vec<OwnerId>,
    /// All nodes that were told of the session, in roster order.
    pub parties: Vec<OwnerId>,
    incarnations: BTreeMap<OwnerId, Incarnation>,
    /// Where the broker deals: stream keys of columns that travel once.
    pub(crate) masks: Arc<Mutex<MaskShelf>>,
    alignments: tokio::sync::Mutex<BTreeMap<UnitType, u64>>,
    pub(crate) queue: mpsc::Sender<QueuedJob>,
    activity: Mutex<Activity>,
    end: watch::Sender<Option<End>>,
    gone: watch::Sender<bool>,
}

/// The place of a session that is being opened. Afterwards it is among the open ones.
struct OpeningPlace<'a> {
    places: &'a Mutex<Vec<String>>,
    institution: String,
}

impl Drop for OpeningPlace<'_> {
    fn drop(&mut self) {
        let mut places = lock(self.places);
        if let Some(at) = places.iter().position(|other| *other == self.institution) {
            places.swap_remove(at);
        }
    }
}

struct Activity {
    last: Instant,
    jobs: usize,
}

/// Why a session has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The client closed it.
    Closed,
    /// No job for too long.
    Idle,
    /// The broker is stopping.
    Interrupted,
    /// What its nodes share is lost or in doubt.
    Failed(Problem),
}

impl End {
    fn problem(&self) -> Option<Problem> {
        match self {
            Self::Closed => None,
            Self::Idle => Some(Problem::of_request(
                "idle",
                "the session ended because nothing was asked for some time; open a new one",
            )),
            Self::Interrupted => Some(crate::broker::session_interrupted()),
            Self::Failed(problem) => Some(problem.clone()),
        }
    }

    /// What this does to a job of the session.
    pub(crate) fn job_error(&self) -> RunError {
        match self {
            Self::Closed | Self::Idle => RunError::Cancelled,
            Self::Interrupted => RunError::Interrupted,
            Self::Failed(problem) => RunError::SessionEnded(problem.clone()),
        }
    }
}

impl Session {
    /// Number of rows that units of this type are aligned in; links them if that has not been done. Returns
    /// whether it was done just now, too.
    ///
    /// Not to be dropped half way: the nodes could be left with half an alignment.
    ///
    /// # Errors
    /// Any error ends the session.
    pub(crate) async fn rows(&self, broker: &Broker, unit_type: UnitType) -> Result<u64, RunError> {
        let mut alignments = self.alignments.lock().await;
        if let Some(rows) = alignments.get(&unit_type) {
            return Ok(*rows);
        }
        let nodes = broker.nodes(&self.linking);
        let linked = linkage::link(&nodes, self.id, unit_type);
        let rows = broker.telemetry.step(Step::Link).of(self.id).watch(linked).await?;
        alignments.insert(unit_type, rows);
        Ok(rows)
    }

    /// Whether units of this type have been linked.
    pub(crate) async fn is_linked(&self, unit_type: UnitType) -> bool {
        self.alignments.lock().await.contains_key(&unit_type)
    }

    /// Checks that all nodes of the session are there, and are those that it was opened with.
    ///
    /// # Errors
    /// [`RunError::Restarted`] and [`RunError::OtherRoster`] where a node is another one now.
    pub(crate) async fn check_parties(&self, broker: &Broker) -> Result<(), RunError> {
        let nodes = broker.nodes(&self.parties);
        let descriptions = try_join_all(nodes.iter().map(|node| node.describe())).await?;
        for description in descriptions {
            let party = description.owner;
            if self.incarnations.get(&party) != Some(&description.incarnation) {
                return Err(RunError::Restarted { party });
            }
            if description.federation != broker.federation_hash {
                return Err(RunError::OtherRoster { party });
            }
        }
        Ok(())
    }

    /// Exact versions pinned.
    pub fn releases(&self) -> Vec<Release> {
        releases(&self.catalogue)
    }

    /// Whether nothing waits or runs, and nothing has since `longest` ago.
    pub fn is_idle(&self, now: Instant, longest: Duration) -> bool {
        let activity = lock(&self.activity);
        activity.jobs == 0 && now.saturating_duration_since(activity.last) >= longest
    }

    pub(crate) fn job_came(&self) {
        let mut activity = lock(&self.activity);
        activity.jobs += 1;
        activity.last = Instant::now();
    }

    pub(crate) fn job_went(&self) {
        let mut activity = lock(&self.activity);
        activity.jobs = activity.jobs.saturating_sub(1);
        activity.last = Instant::now();
    }

    /// Tells when and why the session ends.
    pub(crate) fn ending(&self) -> watch::Receiver<Option<End>> {
        self.end.subscribe()
    }
}

fn releases(catalogue: &Catalogue) -> Vec<Release> {
    let release = |datastore: &Datastore| Release {
        datastore: datastore.id.clone(),
        version: datastore.version,
        owner: datastore.owner.clone(),
    };
    catalogue.datastores.iter().map(release).collect()
}

impl Broker {
    /// Opens a session, or returns the one opened under the same key.
    ///
    /// # Errors
    /// [`RequestError`]; nothing of the session is left at any node.
    pub async fn open_session(self: &Arc<Self>, request: OpenRequest) -> Result<SessionRow, RequestError> {
        // 1.
        let key = SessionKey {
            key: client_key(&request.key)?,
            researcher: asserted("researcher", &request.asker.researcher)?,
            institution: asserted("institution", &request.asker.institution)?,
        };
        let mut request = request;
        request.asker.researcher.clone_from(&key.researcher);
        request.asker.institution.clone_from(&key.institution);
        request.asker.purpose = asserted("purpose", &request.asker.purpose)?;
        let wanted = wanted(&request.datastores)?;

        let turn = Arc::clone(lock(&self.opening).entry(key.clone()).or_default());
        let opened = {
            let _turn = turn.lock().await;
            let opening = self.open_in_turn(&key, request, &wanted);
            self.telemetry.step(Step::SessionOpen).watch(opening).await
        };
        // The last one out removes the lock, so that keys do not pile up.
        let mut opening = lock(&self.opening);
        if opening.get(&key).is_some_and(|kept| Arc::strong_count(kept) <= 2) {
            opening.remove(&key);
        }
        opened
    }

    async fn open_in_turn(
        self: &Arc<Self>,
        key: &SessionKey,
        request: OpenRequest,
        wanted: &BTreeSet<(DatastoreId, u32)>,
    ) -> Result<SessionRow, RequestError> {
        if let Some(existing) = self.store.session_by_key(key.clone()).await? {
            return if existing.datastores == texts(wanted) && existing.purpose == request.asker.purpose {
                Ok(existing)
            } else {
                Err(RequestError::conflict(
                    "key-reused",
                    "this key has opened a session over other datastores, or for another purpose",
                ))
            };
        }
        if self.is_stopping() {
            return Err(RunError::Interrupted.into());
        }
        let _place = self.place_for(&key.institution)?;
        self.journal.settled(self.times.peer_timeout).await?;
        // 2.
        let descriptions = self.describe_all().await;
        let catalogue = pin(&descriptions, wanted)?;
        // 3.
        let (linking, parties) = self.concerned(&catalogue);
        let incarnations = self.check_ready(&descriptions, &parties)?;
        // 4.
        let session = SessionId(random_id()?);
        let row = SessionRow {
            id: session,
            key: key.clone(),
            purpose: request.asker.purpose.clone(),
            datastores: texts(wanted),
            releases: releases(&catalogue),
            parties: parties.clone(),
            state: SessionState::Open,
            problem: None,
        };
        self.store.insert_session(SessionRow { state: SessionState::Opening, ..row.clone() }).await?;
        // 5.
        let offer = SessionOffer {
            session,
            linking: linking.clone(),
            members: parties.clone(),
            releases: row.releases.clone(),
            asker: request.asker.clone(),
        };
        let nodes = self.nodes(&parties);
        let told = try_join_all(nodes.iter().map(|node| node.open_session(&offer))).await;
        let open = match told {
            Ok(_) => self.store.session_is_open(session).await.map_err(RequestError::from),
            Err(error) => Err(error.into()),
        };
        if let Err(error) = open {
            close_everywhere(&nodes, session, self.farewell_patience()).await;
            self.store.forget_session(session).await?;
            return Err(error);
        }
        let (queue, queued) = mpsc::channel(QUEUE_MAX);
        let session = Arc::new(Session {
            id: session,
            asker: request.asker,
            catalogue: Arc::new(catalogue),
            linking,
            parties,
            incarnations,
            masks: Arc::default(),
            alignments: tokio::sync::Mutex::default(),
            queue,
            activity: Mutex::new(Activity { last: Instant::now(), jobs: 0 }),
            end: watch::Sender::new(None),
            gone: watch::Sender::new(false),
        });
        lock(&self.sessions).insert(session.id, Arc::clone(&session));
        self.spawn(Arc::clone(self).serve_session(Arc::clone(&session), queued));
        if self.is_stopping() {
            self.end_session(&session, End::Interrupted).await;
            return Err(RunError::Interrupted.into());
        }
        Ok(row)
    }

    /// A place for one more session, held while it is being opened.
    fn place_for(&self, institution: &str) -> Result<OpeningPlace<'_>, RequestError> {
        let mut places = lock(&self.places);
        let open = lock(&self.sessions);
        let of_institution = open.values().filter(|session| session.asker.institution == institution).count();
        let opening_here = places.iter().filter(|other| *other == institution).count();
        let full = |code, text| Err(RequestError::TooMuch(Problem::of_request(code, text)));
        if open.len() + places.len() >= self.limits.sessions {
            return full("too-many-sessions", "too many sessions are open; open one when another has ended");
        }
        if of_institution + opening_here >= self.limits.sessions_per_institution {
            return full(
                "too-many-sessions-of-institution",
                "this institution has as many sessions open as it may; close one first",
            );
        }
        places.push(institution.to_owned());
        Ok(OpeningPlace { places: &self.places, institution: institution.to_owned() })
    }

    /// Owners of the pinned data, and all nodes that a question over them can need as worker or dealer.
    fn concerned(&self, catalogue: &Catalogue) -> (Vec<OwnerId>, Vec<OwnerId>) {
        let owners: BTreeSet<_> = catalogue.datastores.iter().map(|datastore| &datastore.owner).collect();
        let mut parties = BTreeSet::new();
        for left in &owners {
            let others = owners.iter().filter(|right| *right != left).map(|right| Some(*right));
            for right in others.chain([None]) {
                if let Some(roles) = self.federation.roles(left, right) {
                    parties.extend([roles.left, roles.right, roles.dealer]);
                }
            }
        }
        let in_roster_order = |wanted: &dyn Fn(&OwnerId) -> bool| {
            let nodes = self.federation.nodes.iter().map(|party| &party.id);
            nodes.filter(|id| wanted(id)).cloned().collect::<Vec<_>>()
        };
        (in_roster_order(&|id| owners.contains(id)), in_roster_order(&|id| parties.contains(id)))
    }

    fn check_ready(
        &self,
        descriptions: &Descriptions,
        parties: &[OwnerId],
    ) -> Result<BTreeMap<OwnerId, Incarnation>, RunError> {
        let mut incarnations = BTreeMap::new();
        for (id, description) in descriptions.iter().filter(|(id, _)| parties.contains(id)) {
            let description = description.as_ref().map_err(Clone::clone)?;
            let party = id.clone();
            if description.federation != self.federation_hash {
                return Err(RunError::OtherRoster { party });
            }
            if !description.ready {
                return Err(RunError::NotReady { party });
            }
            incarnations.insert(party, description.incarnation.clone());
        }
        Ok(incarnations)
    }

    /// A session's state, as kept.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn get_session(&self, id: SessionId) -> Result<SessionRow, RequestError> {
        self.store.session(id).await?.ok_or_else(RequestError::unknown_session)
    }

    /// Ends a session at the client's wish. A session that has ended stays as it is.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn close_session(&self, id: SessionId) -> Result<(), RequestError> {
        let session = lock(&self.sessions).get(&id).cloned();
        match session {
            Some(session) => self.end_session(&session, End::Closed).await,
            None => drop(self.get_session(id).await?),
        }
        Ok(())
    }

    /// Marks a session ended: nothing more can be submitted, and its running job stops. Its worker does the rest.
    pub(crate) async fn mark_ended(&self, session: &Session, end: End) {
        let first = session.end.send_if_modified(|current| {
            let first = current.is_none();
            if first {
                *current = Some(end.clone());
            }
            first
        });
        if first {
            lock(&self.sessions).remove(&session.id);
            if let Err(error) = self.store.end_session(session.id, end.problem(), now_ms()).await {
                Line::SessionEndNotKept.entry().session(session.id).cause(cause_of_store(&error)).say();
            }
        }
    }

    /// [`Self::mark_ended`], and waits until nothing of the session runs and its nodes have been told. Not for
    /// the session's own worker.
    pub(crate) async fn end_session(&self, session: &Session, end: End) {
        self.mark_ended(session, end).await;
        let mut gone = session.gone.subscribe();
        let _ = gone.wait_for(|gone| *gone).await;
    }

    /// A session's worker: its jobs one after the other, in the order in which they were submitted; at
    /// the end, what still waits is ended, and the nodes are told.
    async fn serve_session(self: Arc<Self>, session: Arc<Session>, mut queued: mpsc::Receiver<QueuedJob>) {
        let mut ending = session.ending();
        loop {
            let job = tokio::select! {
                biased;
                _ = ending.wait_for(Option::is_some) => break,
                job = queued.recv() => job,
            };
            match job {
                Some(job) => self.run_job(&session, job).await,
                None => break,
            }
        }
        queued.close();
        // Whoever has found the session open a moment ago still gets through here.
        while let Some(job) = queued.recv().await {
            self.run_job(&session, job).await;
        }
        close_everywhere(&self.nodes(&session.parties), session.id, self.farewell_patience()).await;
        session.gone.send_replace(true);
    }
}

/// Reads datastores written as `id:major`.
fn wanted(texts: &[String]) -> Result<BTreeSet<(DatastoreId, u32)>, RequestError> {
    let form = || {
        RequestError::invalid(
            "datastores",
            "a session names 1 to 32 datastores as id:major, such as no.ssb.fdb:1",
        )
    };
    if texts.is_empty() || texts.len() > DATASTORES_MAX {
        return Err(form());
    }
    let read = |text: &String| {
        let (id, major) = text.trim().split_once(':')?;
        let plain = !major.is_empty() && major.bytes().all(|b| b.is_ascii_digit());
        Some((DatastoreId::new(id).ok()?, plain.then(|| major.parse().ok()).flatten()?))
    };
    texts.iter().map(|text| read(text).ok_or_else(form)).collect()
}

fn texts(wanted: &BTreeSet<(DatastoreId, u32)>) -> Vec<String> {
    wanted.iter().map(|(id, major)| format!("{id}:{major}")).collect()
}

/// Pins the newest release of each datastore wanted.
fn pin(
    descriptions: &Descriptions,
    wanted: &BTreeSet<(DatastoreId, u32)>,
) -> Result<Catalogue, RequestError> {
    let mut catalogue = Catalogue::default();
    for (id, major) in wanted {
        let mut found: Option<&Datastore> = None;
        for (_, description) in descriptions.iter() {
            let Ok(description) = description else { continue };
            let offered = description.datastores.iter();
            for datastore in
                offered.filter(|datastore| datastore.id == *id && datastore.version.major == *major)
            {
                match found {
                    Some(best) if best.owner != datastore.owner => {
                        // Two owners under one name: neither can be taken to be the one meant.
                        return Err(RunError::Misbehaved {
                            party: datastore.owner.clone(),
                            step: "describe",
                            what: "it offers a datastore that another owner offers too",
                        }
                        .into());
                    }
                    Some(best) if best.version >= datastore.version => {}
                    _ => found = Some(datastore),
                }
            }
        }
        match (found, descriptions.iter().find_map(|(_, description)| description.as_ref().err())) {
            (Some(datastore), _) => catalogue.datastores.push(datastore.clone()),
            // It may be the silent node's.
            (None, Some(error)) => return Err(error.clone().into()),
            (None, None) => {
                let text = format!("there is no datastore {id} with major version {major}");
                return Err(RequestError::not_found("unknown-datastore", text));
            }
        }
    }
    Ok(catalogue)
}
