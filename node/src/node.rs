//! What a running node holds, and what it does for a session: opening it, giving tokens, judging scripts.
//! How a question is computed is in [`crate::conduct`].

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kobling_audit::Cosigning;
use kobling_audit::log::SharedLog;
use kobling_crypto::pseudonym::RecordKeySecret;
use kobling_crypto::seeds::Ledger;
use kobling_crypto::sign::SigningKey;
use kobling_model::catalogue::{Catalogue, Datastore};
use kobling_model::federation::Federation;
use kobling_model::plan::Release;
use kobling_model::record::{Asker, Event};
use kobling_model::rules::Rules;
use kobling_model::{AttemptId, Hash, JobId, OwnerId, SessionId, UnitType};
use kobling_proto::observe::Telemetry;
use kobling_proto::witness;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::budget::Budget;
use crate::columns::alignment_name;
use crate::error::NodeError;
use crate::extract::Extractor;
use crate::founding::Founding;
use crate::identity_map::IdentityMap;
use crate::keep::{Keep, Kept};
use crate::linkage::{self, Tokens};
use crate::memory::Memory;
use crate::peer::{Connector, LinkName, LinkTransport, Purpose};
use crate::replay::ReplayStore;
use crate::session::{Granted, Offered, Opening, Session, Sessions, compare_canaries, map_state};
use crate::standing::InForce;
use crate::state::StateDir;
use crate::switch::Switch;

/// How long an owner that has shared waits for the workers to take leave: as long as the broker waits for a question.
const SHARING_PATIENCE: Duration = Duration::from_secs(3600);

/// A node at work.
pub struct Node {
    /// Whose node.
    pub me: OwnerId,
    /// The pinned roster.
    pub federation: Arc<Federation>,
    /// The owner's policy in force.
    pub policy: InForce,
    /// Whether the operator has stopped this node.
    pub switch: Arc<Switch>,
    /// Where it keeps what it keeps.
    pub state: StateDir,
    /// The operator's acts come one at a time.
    pub acts: tokio::sync::Mutex<()>,
    /// Peers let in, and federation secrets.
    pub founding: Arc<Founding>,
    /// Releases offered, in order of id, then version.
    pub datastores: Vec<Datastore>,
    /// Reads registers.
    pub extractor: Extractor,
    /// Who the units are, by unit type.
    pub units: BTreeMap<UnitType, Arc<Units>>,
    /// The log. Nothing leaves before it is written here.
    pub log: SharedLog,
    /// What other parties have cosigned of it.
    pub cosigning: Arc<Cosigning>,
    /// Sessions open now.
    pub sessions: Sessions,
    /// Requests taken, so that none is taken twice.
    pub replay: ReplayStore,
    /// What sessions keep between questions.
    pub keep: Arc<Keep>,
    /// Populations that something was released about (rule 13).
    pub memory: Memory,
    /// What populations have been cut into (rule 14).
    pub budget: Budget,
    /// Makes links to other parties.
    pub connector: Arc<dyn Connector>,
    /// Signs partial aggregates.
    pub signing_key: SigningKey,
    /// How long to wait for a message.
    pub patience: Duration,
    /// Drawn at start: tells the broker of a restart.
    pub incarnation: [u8; 16],
    /// Counts steps and bytes, for those who watch.
    pub telemetry: Telemetry,
    /// Watches masks in tests; none in operation.
    pub ledger: Option<Arc<Mutex<Ledger>>>,
}

/// The units of one type at this owner.
pub struct Units {
    map: IdentityMap,
    map_hash: Hash,
    record_keys: Mutex<Option<Arc<Vec<[u16; 3]>>>>,
}

impl Units {
    /// Takes a loaded identity map.
    pub fn new(map: IdentityMap) -> Self {
        let map_hash = map.state();
        Self { map, map_hash, record_keys: Mutex::new(None) }
    }

    /// Number of units.
    pub fn len(&self) -> u32 {
        self.map.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// Record keys by unit number; computed once.
    pub fn record_keys(&self, unit_type: UnitType, secret: &RecordKeySecret) -> Arc<Vec<[u16; 3]>> {
        let mut kept = self.record_keys.lock().unwrap_or_else(PoisonError::into_inner);
        let keys = kept.get_or_insert_with(|| {
            let hasher = secret.record_keys(unit_type.as_str());
            let mut keys = vec![[0; 3]; self.map.len() as usize];
            self.map.fill(&mut keys, |_, identity| hasher.record_key(identity));
            Arc::new(keys)
        });
        keys.clone()
    }
}

impl Node {
    /// Releases offered.
    pub fn catalogue(&self) -> &[Datastore] {
        &self.datastores
    }

    /// Units of a type; none where the owner has no such units.
    pub fn units_of(&self, unit_type: UnitType) -> Arc<Units> {
        let none = || Arc::new(Units::new(IdentityMap::empty(unit_type)));
        self.units.get(&unit_type).cloned().unwrap_or_else(none)
    }

    /// A failure of this program that is nobody else's.
    pub fn internal(&self, step: &'static str) -> NodeError {
        NodeError::Internal { party: self.me.clone(), step }
    }

    /// Writes an event to the log and returns once it is on disk.
    ///
    /// # Errors
    /// [`NodeError::Log`]; nothing may leave then.
    pub async fn record(&self, event: Event) -> Result<kobling_audit::Entry, NodeError> {
        let log = self.log.clone();
        let failed = || NodeError::Log { party: self.me.clone() };
        let written = tokio::task::spawn_blocking(move || log.append(event, now_ms())).await;
        written.map_err(|_| failed())?.map_err(|_| failed())
    }

    /// Opens a session: talks with every other member at once (see [`Opening::talk`]).
    ///
    /// # Errors
    /// The first [`NodeError`]; no session is open then.
    pub async fn open_session(
        self: Arc<Self>,
        id: SessionId,
        linking: Vec<OwnerId>,
        members: Vec<OwnerId>,
        releases: Vec<Release>,
        asker: Asker,
    ) -> Result<(), NodeError> {
        self.gate()?;
        if !self.founding.missing().is_empty() {
            return Err(NodeError::NotReady { party: self.me.clone() });
        }
        // Witnesses that start at the same time are heard in a moment.
        witness::settled(self.patience, || self.cosigned(), NodeError::may_pass).await?;
        let mine = releases.iter().filter(|release| release.owner == self.me);
        for release in mine {
            let known = self
                .datastores
                .iter()
                .any(|datastore| datastore.id == release.datastore && datastore.version == release.version);
            if !known {
                return Err(NodeError::Refused {
                    party: self.me.clone(),
                    reason: "a release named for this session is not offered here",
                });
            }
        }
        let secrets = self.founding.secrets();
        // A salt is for linking; with one linking node there is nobody to link with.
        let links = linking.len() >= 2 && linking.contains(&self.me);
        let maps = UnitType::ALL
            .map(|unit_type| map_state(secrets.own(), unit_type, &self.units_of(unit_type).map_hash));
        let decoys = self.policy.now().policy.decoys;
        let opening = Arc::new(Opening {
            me: self.me.clone(),
            session: id,
            federation: self.federation.hash(),
            nodes: self.federation.nodes.iter().map(|party| party.id.clone()).collect(),
            secrets,
            contribution: links.then(Opening::contribute),
            maps: maps.to_vec(),
            law: (decoys.epsilon, decoys.delta_exponent),
        });
        let name = LinkName { session: id, attempt: AttemptId([0; 16]), purpose: Purpose::Session };
        let peers = members.clone();
        let talks = peers.iter().filter(|peer| **peer != self.me).map(|peer| {
            let (node, opening, name) = (self.clone(), opening.clone(), name.clone());
            let peer_links = linking.len() >= 2 && linking.contains(peer);
            async move {
                let transport = node.link(peer, name, CancellationToken::new()).await?;
                let with = peer.clone();
                let talk = tokio::task::spawn_blocking(move || opening.talk(&with, peer_links, transport));
                let said = talk.await.map_err(|_| node.internal("session"))??;
                Ok::<_, NodeError>(said.map(|said| (peer.clone(), said)))
            }
        });
        let said: Vec<_> = futures::future::try_join_all(talks).await?;
        let link = opening.conclude(said.into_iter().flatten().collect())?;
        let session = Session::new(id, linking, members, releases, asker, link, self.keep.shelf(id));
        self.gate()?;
        if !decoys.is_at_least_as_strict(self.policy.now().policy.decoys) {
            let reason = "its policy has become stricter while the session was opened; open another";
            return Err(NodeError::Refused { party: self.me.clone(), reason });
        }
        if self.sessions.add(session) { Ok(()) } else { Err(NodeError::NotGranted { step: "session" }) }
    }

    /// A link to a peer, carrying blocking protocols.
    ///
    /// # Errors
    /// As [`Connector::connect`].
    pub async fn link(
        &self,
        peer: &OwnerId,
        name: LinkName,
        ended: CancellationToken,
    ) -> Result<LinkTransport, NodeError> {
        let purpose = name.purpose;
        let link = tokio::select! {
            link = self.connector.connect(peer, name) => link?,
            () = ended.cancelled() => return Err(NodeError::Aborted),
        };
        Ok(LinkTransport::new(link, Handle::current(), self.patience_with(purpose), ended))
    }

    /// How long to wait for a message. An owner that shares may be far ahead of the workers, and then has nothing to hear but their
    /// farewell: it waits as long as a question may take. Whoever is gone before is noticed by others, and the attempt ended.
    fn patience_with(&self, purpose: Purpose) -> Duration {
        match purpose {
            Purpose::Share(_) => self.patience.max(SHARING_PATIENCE),
            Purpose::Session | Purpose::Canaries | Purpose::Attempt => self.patience,
        }
    }

    /// This node's tokens of a unit type, ascending. Given once for each session and unit type. Blocking.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn tokens(&self, session: SessionId, unit_type: UnitType) -> Result<Vec<[u8; 16]>, NodeError> {
        self.gate()?;
        let session = self.sessions.get(session, &self.me)?;
        session.is_asked_for("link")?;
        let link = session.link.as_ref().ok_or(NodeError::NotGranted { step: "link" })?;
        {
            let state = session.state();
            let done = state.given.contains_key(&unit_type)
                || state.unconfirmed.contains_key(&unit_type)
                || state.aligned.contains(&unit_type);
            if done {
                return Err(NodeError::NotGranted { step: "link" });
            }
        }
        let secrets = self.founding.secrets();
        let decoys = link.decoys(&self.me, unit_type, &secrets).ok_or_else(|| self.internal("link"))?;
        let units = self.units_of(unit_type);
        let (tokens, kept) = linkage::tokens(&link.salt, unit_type, &units.map, &decoys, &self.me)?;
        let kept: Tokens = kept;
        self.gate()?;
        session.state().given.insert(unit_type, kept);
        Ok(tokens)
    }

    /// Takes the broker's row numbers for the tokens given. Blocking.
    ///
    /// # Errors
    /// [`NodeError::BadAlignment`], which ends the session here.
    pub fn align(
        &self,
        session: SessionId,
        unit_type: UnitType,
        rows: u64,
        row_numbers: &[u32],
    ) -> Result<(), NodeError> {
        self.gate()?;
        let session = self.sessions.get(session, &self.me)?;
        let given = session.state().given.remove(&unit_type);
        let given = given.ok_or(NodeError::NotGranted { step: "link" })?;
        match given.align(rows, row_numbers) {
            Ok(alignment) => {
                session.state().unconfirmed.insert(unit_type, alignment);
                Ok(())
            }
            Err(error) => {
                self.sessions.close(session.id);
                Err(error)
            }
        }
    }

    /// Compares canaries with all other linking nodes; the alignment can be used afterwards.
    ///
    /// # Errors
    /// [`NodeError::Misaligned`], or what a link says; both end the session here: a wrong key must never look
    /// like an empty join.
    pub async fn confirm_alignment(
        self: &Arc<Self>,
        session: SessionId,
        unit_type: UnitType,
    ) -> Result<(), NodeError> {
        self.gate()?;
        let session = self.sessions.get(session, &self.me)?;
        let alignment = session.state().unconfirmed.remove(&unit_type);
        let alignment = alignment.ok_or(NodeError::NotGranted { step: "link" })?;
        let rows = alignment.canary_rows;
        let name =
            LinkName { session: session.id, attempt: canaries_name(unit_type), purpose: Purpose::Canaries };
        let comparisons = session.linking.iter().filter(|peer| **peer != self.me).map(|peer| {
            let (node, name, session) = (self.clone(), name.clone(), session.clone());
            async move {
                let transport = node.link(peer, name.clone(), session.ended.clone()).await?;
                let (me, with, id) = (node.me.clone(), peer.clone(), session.id);
                let compare = tokio::task::spawn_blocking(move || {
                    compare_canaries(&me, &with, id, name.attempt, &rows, transport)
                });
                compare.await.map_err(|_| node.internal("link"))?
            }
        });
        // All comparisons are made even if one fails, so that every node ends the session for the same reason.
        let compared = futures::future::join_all(comparisons).await;
        match compared.into_iter().collect::<Result<Vec<()>, _>>() {
            Ok(_) => {
                let shelf = session.clone();
                let put =
                    move || shelf.shelf.put(alignment_name(unit_type), Kept::Alignment(Arc::new(alignment)));
                tokio::task::spawn_blocking(put).await.map_err(|_| self.internal("link"))?;
                session.state().aligned.insert(unit_type);
                Ok(())
            }
            Err(error) => {
                self.sessions.close(session.id);
                Err(error)
            }
        }
    }

    /// Judges the script of a request that was taken: derives the plan, compares it, and grants it under the owner's policy.
    /// Blocking.
    ///
    /// # Errors
    /// [`NodeError::NotGranted`], [`NodeError::PlanDiffers`], [`NodeError::Refused`], [`NodeError::NotAllowed`],
    /// [`NodeError::OwnerStopped`].
    pub fn judge(
        &self,
        session: SessionId,
        job: JobId,
        script: &str,
        catalogue: Catalogue,
        plan_hash: Hash,
    ) -> Result<Rules, NodeError> {
        self.gate()?;
        let session = self.sessions.get(session, &self.me)?;
        let request = session.request_of(job)?;
        let refused = |reason| NodeError::Refused { party: self.me.clone(), reason };
        let pinned: Vec<_> = catalogue.datastores.iter().map(release_of).collect();
        if !pinned.iter().all(|release| session.releases.contains(release)) {
            return Err(refused("the script uses a release that this session has not pinned"));
        }
        // What the broker says of this owner's variables must be what this owner says.
        let own = catalogue.datastores.iter().filter(|datastore| datastore.owner == self.me);
        for datastore in own {
            if !self.datastores.contains(datastore) {
                return Err(NodeError::PlanDiffers { party: self.me.clone() });
            }
        }
        let plan = kobling_script::plan(script, &catalogue)
            .map_err(|_| NodeError::PlanDiffers { party: self.me.clone() })?;
        if plan.hash() != plan_hash {
            return Err(NodeError::PlanDiffers { party: self.me.clone() });
        }
        let standing = self.policy.now();
        let commands = kobling_script::commands_used(script);
        self.judge_plan(&standing.policy, &session.asker, &commands, &plan)?;
        let script_hash = Hash::of(script.as_bytes());
        let (policy, outcomes) = (standing.hash, Mutex::default());
        let granted = Granted { request, plan, script: script_hash, commands, policy, outcomes };
        let offered = Offered { script: script.to_owned(), catalogue };
        let mut state = session.state();
        state.granted.insert(job, Arc::new(granted));
        state.offered = Some((job, Arc::new(offered)));
        drop(state);
        Ok(standing.policy.rules.clone())
    }

    /// Derives the plan of the job that was offered last anew, given outcomes of its first edits, the last of which was not
    /// carried out; compares it, and takes its place. Blocking.
    ///
    /// What has been seen here is not left to the broker: an outcome that this node knows must be that one. Whatever the
    /// outcomes, the questions asked so far are the same, so that what is known of them still holds.
    ///
    /// # Errors
    /// [`NodeError::PlanDiffers`], [`NodeError::NotGranted`], [`NodeError::NotAllowed`], [`NodeError::OwnerStopped`].
    pub fn revise(
        &self,
        session: SessionId,
        job: JobId,
        edits: &[bool],
        plan_hash: Hash,
    ) -> Result<(), NodeError> {
        self.gate()?;
        let session = self.sessions.get(session, &self.me)?;
        let not_granted = || NodeError::NotGranted { step: "revise" };
        let (granted, offered) = {
            let state = session.state();
            let offered = state.offered.as_ref().filter(|(of, _)| *of == job).map(|(_, offered)| offered);
            state.granted.get(&job).cloned().zip(offered.cloned()).ok_or_else(not_granted)?
        };
        let plan = kobling_script::plan_after(&offered.script, &offered.catalogue, edits)
            .filter(|plan| plan.hash() == plan_hash)
            .ok_or_else(|| NodeError::PlanDiffers { party: self.me.clone() })?;
        let seen = granted.outcomes.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let asked = seen.last_key_value().map_or(0, |(last, _)| *last as usize + 1);
        let same = plan.questions.get(..asked) == granted.plan.questions.get(..asked);
        let as_seen = plan.edits().zip(edits).all(|((at, carried_out), _)| {
            let seen = u32::try_from(at).ok().and_then(|at| seen.get(&at));
            seen.is_none_or(|seen| *seen == carried_out)
        });
        if !same || !as_seen {
            return Err(not_granted());
        }
        // What is asked from here on may use other variables than before. The script stays granted under the policy that it was granted
        // under: another one in force judges each question at its gates.
        let policy = &self.policy.now().policy;
        self.judge_plan(policy, &session.asker, &granted.commands, &plan)?;
        let revised = Granted {
            request: granted.request,
            plan,
            script: granted.script,
            commands: granted.commands.clone(),
            policy: granted.policy,
            outcomes: Mutex::new(seen),
        };
        session.state().granted.insert(job, Arc::new(revised));
        Ok(())
    }

    /// Ends an attempt and forgets what it made.
    ///
    /// # Errors
    /// Why this owner has not let it go on, if it has not. The attempt is ended either way.
    pub fn abort(&self, session: SessionId, attempt: AttemptId) -> Result<(), NodeError> {
        let withheld = self.sessions.get(session, &self.me).ok().and_then(|session| {
            let mut state = session.state();
            state.abort(attempt);
            state.withheld.remove(&attempt)
        });
        withheld.map_or_else(|| self.gate(), Err)
    }
}

/// Names the link on which canaries of a unit type are compared.
fn canaries_name(unit_type: UnitType) -> AttemptId {
    let hash = Hash::of(unit_type.as_str().as_bytes());
    AttemptId::from_bytes(&hash.0[..16]).expect("16 bytes")
}

/// The release that a datastore's catalogue describes.
pub fn release_of(datastore: &Datastore) -> Release {
    Release { datastore: datastore.id.clone(), version: datastore.version, owner: datastore.owner.clone() }
}

/// This party's clock, for records.
pub fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as u64)
}
