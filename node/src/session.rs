//! A session at a node: what was pinned, the salt, alignments, granted plans and attempts.
//!
//! Everything here lives in memory and dies with the session or the process: a node that restarts knows no
//! session, and the broker then ends it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use kobling_crypto::channel::{Channel, FramedChannel, StepName, farewell};
use kobling_crypto::decoys::DecoyLaw;
use kobling_crypto::pseudonym::{SessionSalt, check_value, contribution};
use kobling_model::catalogue::Catalogue;
use kobling_model::partial::PartialAggregate;
use kobling_model::plan::{Plan, Release};
use kobling_model::record::Asker;
use kobling_model::{AttemptId, Hash, JobId, OwnerId, SessionId, UnitType};
use tokio_util::sync::CancellationToken;

use crate::admit::Admitted;
use crate::error::NodeError;
use crate::gate::Allowance;
use crate::keep::Shelf;
use crate::linkage::{Alignment, Decoys, Tokens};
use crate::once::Once;
use crate::peer::LinkTransport;
use crate::secrets::Secrets;

/// A session that is open at this node.
pub struct Session {
    /// Its name.
    pub id: SessionId,
    /// Nodes that link, in roster order.
    pub linking: Vec<OwnerId>,
    /// All nodes that take part, in roster order.
    pub members: Vec<OwnerId>,
    /// Exact versions that may be used, in order.
    pub releases: Vec<Release>,
    /// Who asks.
    pub asker: Asker,
    /// The salt and what was agreed with it, where this node links.
    pub link: Option<SessionLink>,
    /// Cancelled when the session ends.
    pub ended: CancellationToken,
    /// What questions have needed: alignments, record keys, own columns, others' masked ones.
    pub shelf: Shelf,
    /// Columns that have travelled.
    pub once: Once,
    /// Parts that change.
    state: Mutex<SessionState>,
}

/// What linking nodes have agreed on.
pub struct SessionLink {
    /// The salt.
    pub salt: SessionSalt,
    /// The decoys' law: the strictest of all linking owners.
    pub law: DecoyLaw,
    /// For each linking owner, in order of name: keyed hashes of its identity maps, by unit type in the
    /// order of [`UnitType::ALL`].
    pub maps: Vec<(OwnerId, Vec<[u8; 32]>)>,
}

/// Parts of a session that change.
pub struct SessionState {
    last_used: Instant,
    /// Tokens given and not yet aligned.
    pub given: HashMap<UnitType, Tokens>,
    /// Alignments whose canaries have not been compared yet.
    pub unconfirmed: HashMap<UnitType, Alignment>,
    /// Unit types that are aligned; the alignments are on the shelf.
    pub aligned: HashSet<UnitType>,
    /// Requests of the platform that were taken.
    pub admitted: HashMap<JobId, Admitted>,
    /// Plans derived and granted.
    pub granted: HashMap<JobId, Arc<Granted>>,
    /// What the newest of them was derived from, to be derived anew when an edit is not carried out.
    pub offered: Option<(JobId, Arc<Offered>)>,
    /// Every part in an attempt ever begun: none is begun twice.
    begun: HashSet<(AttemptId, Part)>,
    /// Parts under way.
    running: HashMap<(AttemptId, Part), CancellationToken>,
    /// Attempts that this owner has not let go on, and why.
    pub withheld: HashMap<AttemptId, NodeError>,
    /// Partial aggregates computed and not yet fetched.
    pub partials: HashMap<AttemptId, Fetchable>,
}

/// A partial aggregate that the broker may fetch once.
pub struct Fetchable {
    /// What leaves.
    pub partial: PartialAggregate,
    /// Of its message, by this node's key.
    pub signature: [u8; 64],
    /// What its question was granted with.
    pub allowance: Allowance,
}

/// What a node does in an attempt. An owner that shares its columns may deal as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// Computing on shares, or sharing its columns.
    Compute,
    /// Dealing.
    Deal,
}

impl SessionState {
    /// Begins a part; false where it was begun, or aborted, before.
    pub fn begin(&mut self, attempt: AttemptId, part: Part, ended: &CancellationToken) -> bool {
        let first = self.begun.insert((attempt, part));
        if first {
            self.running.insert((attempt, part), ended.clone());
        }
        first
    }

    /// Ends all attempts and forgets what they made.
    fn abort_all(&mut self) {
        let running = self.running.keys().map(|(attempt, _)| *attempt);
        let attempts: HashSet<AttemptId> = running.chain(self.partials.keys().copied()).collect();
        attempts.into_iter().for_each(|attempt| self.abort(attempt));
    }

    /// Whether a part is under way.
    pub fn is_running(&self, attempt: AttemptId, part: Part) -> bool {
        self.running.contains_key(&(attempt, part))
    }

    /// A part has ended by itself.
    pub fn end(&mut self, attempt: AttemptId, part: Part) {
        self.running.remove(&(attempt, part));
    }

    /// Ends all parts in an attempt and forgets what they made. One that comes after its abort does not begin.
    pub fn abort(&mut self, attempt: AttemptId) {
        self.partials.remove(&attempt);
        for part in [Part::Compute, Part::Deal] {
            if let Some(running) = self.running.remove(&(attempt, part)) {
                running.cancel();
            }
            self.begun.insert((attempt, part));
        }
    }
}

/// A plan that this node has derived itself and granted.
pub struct Granted {
    /// Hash of the request that the platform signed.
    pub request: Hash,
    /// The plan.
    pub plan: Plan,
    /// Hash of the script's text.
    pub script: Hash,
    /// Commands that the script uses.
    pub commands: Vec<&'static str>,
    /// Hash of the policy that it was granted under.
    pub policy: Hash,
    /// How questions about populations and edits have ended here, by their index: true for a population that has passed
    /// its floor and an edit that is carried out.
    pub outcomes: Mutex<BTreeMap<u32, bool>>,
}

/// What a plan is derived from.
pub struct Offered {
    /// The researcher's text.
    pub script: String,
    /// The releases pinned for the session.
    pub catalogue: Catalogue,
}

impl Session {
    /// A session without alignment.
    pub fn new(
        id: SessionId,
        linking: Vec<OwnerId>,
        members: Vec<OwnerId>,
        releases: Vec<Release>,
        asker: Asker,
        link: Option<SessionLink>,
        shelf: Shelf,
    ) -> Self {
        let state = SessionState {
            last_used: Instant::now(),
            given: HashMap::new(),
            unconfirmed: HashMap::new(),
            aligned: HashSet::new(),
            admitted: HashMap::new(),
            granted: HashMap::new(),
            offered: None,
            begun: HashSet::new(),
            running: HashMap::new(),
            withheld: HashMap::new(),
            partials: HashMap::new(),
        };
        Self {
            id,
            linking,
            members,
            releases,
            asker,
            link,
            ended: CancellationToken::new(),
            shelf,
            once: Once::default(),
            state: Mutex::new(state),
        }
    }

    /// Whether anything runs in it.
    pub fn is_busy(&self) -> bool {
        !self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner).running.is_empty()
    }

    /// The parts that change, for a short look; marks the session as used.
    pub fn state(&self) -> MutexGuard<'_, SessionState> {
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        state.last_used = Instant::now();
        state
    }
}

/// All sessions open at this node.
#[derive(Default)]
pub struct Sessions(Mutex<HashMap<SessionId, Arc<Session>>>);

impl Sessions {
    fn open(&self) -> MutexGuard<'_, HashMap<SessionId, Arc<Session>>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Adds a session; false where one of this name is open already.
    pub fn add(&self, session: Session) -> bool {
        let mut open = self.open();
        if open.contains_key(&session.id) {
            return false;
        }
        open.insert(session.id, Arc::new(session));
        true
    }

    /// The session of this name.
    ///
    /// # Errors
    /// [`NodeError::UnknownSession`].
    pub fn get(&self, id: SessionId, me: &OwnerId) -> Result<Arc<Session>, NodeError> {
        self.open().get(&id).cloned().ok_or_else(|| NodeError::UnknownSession { party: me.clone() })
    }

    /// How many sessions are open.
    pub fn len(&self) -> usize {
        self.open().len()
    }

    /// Whether no session is open.
    pub fn is_empty(&self) -> bool {
        self.open().is_empty()
    }

    /// Ends a session, with everything that runs in it.
    pub fn close(&self, id: SessionId) {
        if let Some(session) = self.open().remove(&id) {
            session.ended.cancel();
        }
    }

    /// Ends all attempts in all sessions; the sessions stay.
    pub fn abort_all(&self) {
        // Not under both locks at once: an attempt that ends takes its session's.
        let open: Vec<Arc<Session>> = self.open().values().cloned().collect();
        open.iter().for_each(|session| session.state().abort_all());
    }

    /// Ends all sessions.
    pub fn close_all(&self) {
        for (_, session) in self.open().drain() {
            session.ended.cancel();
        }
    }

    /// Ends sessions in which nothing runs and nothing happened for this long.
    pub fn close_idle(&self, idle: std::time::Duration) {
        let stale: Vec<_> = (self.open().values())
            .filter(|session| {
                let state = session.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                state.running.is_empty() && state.last_used.elapsed() > idle
            })
            .map(|session| session.id)
            .collect();
        stale.into_iter().for_each(|id| self.close(id));
    }
}

/// What this node brings to the opening of a session.
pub struct Opening {
    /// This node.
    pub me: OwnerId,
    /// The session.
    pub session: SessionId,
    /// Hash of the roster.
    pub federation: Hash,
    /// All nodes of the roster, in order.
    pub nodes: Vec<OwnerId>,
    /// Federation secrets, complete.
    pub secrets: Secrets,
    /// This node's contribution to the salt, where it links.
    pub contribution: Option<zeroize::Zeroizing<[u8; 32]>>,
    /// Keyed hashes of this node's identity maps, by unit type in the order of [`UnitType::ALL`].
    pub maps: Vec<[u8; 32]>,
    /// The decoys' law of this owner: ε as a ratio and the exponent of δ.
    pub law: ((u32, u32), u32),
}

/// What a linking peer has said.
pub struct PeerOpening {
    contribution: zeroize::Zeroizing<[u8; 32]>,
    maps: Vec<[u8; 32]>,
    law: ((u32, u32), u32),
}

impl Opening {
    /// A fresh contribution to a salt.
    pub fn contribute() -> zeroize::Zeroizing<[u8; 32]> {
        contribution()
    }

    /// Talks with one other member of the session. Blocking.
    ///
    /// 1. Hash of the pinned roster. *Learnt by the peer:* whether it is the same.
    /// 2. Check values of the federation secrets that both hold, keyed by the secret and bound to the session.
    ///    *Learnt:* whether they are the same, nothing else.
    /// 3. Where both link: contribution to the salt, keyed hashes of the state of all identity maps, law of
    ///    the decoys. *Learnt:* the salt, and whether a map has changed since another session.
    ///
    /// # Errors
    /// [`NodeError::RosterDiffers`], [`NodeError::SecretsDiffer`], or what the link says.
    pub fn talk(
        &self,
        peer: &OwnerId,
        peer_links: bool,
        transport: LinkTransport,
    ) -> Result<Option<PeerOpening>, NodeError> {
        let mut channel =
            FramedChannel::new(transport, self.session.0, [0; 16], self.me.as_str(), peer.as_str());
        let failed = |error| NodeError::of_channel(peer, &error);
        let mut swap = |name: &str, shape: [u64; 2], body: Vec<u8>| {
            let step = StepName::new(name).expect("a step's name");
            channel.send(&step, 0, &shape, body)?;
            channel.receive(&step, 0, &shape)
        };
        // 1.
        let theirs = swap("session/roster", [1, 32], self.federation.0.to_vec()).map_err(failed)?;
        if *theirs != self.federation.0 {
            return Err(NodeError::RosterDiffers { party: peer.clone() });
        }
        // 2.
        let mine = self.check_values(peer)?;
        let count = (mine.len() / 32) as u64;
        let theirs = swap("session/secrets", [count, 32], mine.clone()).map_err(failed)?;
        if theirs != mine {
            return Err(NodeError::SecretsDiffer { party: peer.clone() });
        }
        // 3.
        let said = match (&self.contribution, peer_links) {
            (Some(mine), true) => {
                let theirs = swap("session/salt", [1, 32], mine.to_vec()).map_err(failed)?;
                let contribution =
                    zeroize::Zeroizing::new(theirs.as_ref().try_into().expect("the shape was checked"));
                let count = self.maps.len() as u64;
                let maps = swap("session/maps", [count, 32], self.maps.concat()).map_err(failed)?;
                let maps = maps.chunks_exact(32).map(|map| map.try_into().expect("32 bytes")).collect();
                let ((numerator, denominator), exponent) = self.law;
                let law = [numerator, denominator, exponent].map(u32::to_le_bytes).concat();
                let law = swap("session/decoys", [3, 4], law).map_err(failed)?;
                let number =
                    |at: usize| u32::from_le_bytes(law[4 * at..4 * at + 4].try_into().expect("4 bytes"));
                Some(PeerOpening { contribution, maps, law: ((number(0), number(1)), number(2)) })
            }
            _ => None,
        };
        let end = StepName::new("session/end").expect("a step's name");
        farewell(&mut channel, &end).map_err(failed)?;
        Ok(said)
    }

    fn check_values(&self, peer: &OwnerId) -> Result<Vec<u8>, NodeError> {
        let missing = || NodeError::NotReady { party: self.me.clone() };
        let record_key = self.secrets.record_key().ok_or_else(missing)?;
        let mut values = check_value(&record_key, "record-key secret", &self.session.0).to_vec();
        for node in self.nodes.iter().filter(|node| **node != self.me && *node != peer) {
            let part = self.secrets.part(node).ok_or_else(missing)?;
            values.extend(check_value(&part, &format!("noise key part {node}"), &self.session.0));
        }
        Ok(values)
    }

    /// Puts together what all linking peers have said. `None` where this node does not link.
    ///
    /// # Errors
    /// [`NodeError::Misbehaved`] where a peer's law is none.
    pub fn conclude(&self, said: BTreeMap<OwnerId, PeerOpening>) -> Result<Option<SessionLink>, NodeError> {
        let Some(mine) = &self.contribution else { return Ok(None) };
        let mut contributions = vec![(self.me.to_string(), **mine)];
        let mut maps = vec![(self.me.clone(), self.maps.clone())];
        let mut strictest = self.law;
        for (peer, said) in said {
            let misbehaved = || NodeError::Misbehaved { party: peer.clone(), step: "session/decoys".into() };
            DecoyLaw::new(said.law.0, said.law.1).map_err(|_| misbehaved())?;
            strictest = stricter(strictest, said.law);
            contributions.push((peer.to_string(), *said.contribution));
            maps.push((peer.clone(), said.maps));
        }
        contributions.sort();
        maps.sort_by(|(a, _), (b, _)| a.cmp(b));
        let internal = || NodeError::Internal { party: self.me.clone(), step: "session" };
        let salt = SessionSalt::derive(&contributions, &self.session.0).map_err(|_| internal())?;
        let law = DecoyLaw::new(strictest.0, strictest.1).map_err(|_| internal())?;
        Ok(Some(SessionLink { salt, law, maps }))
    }
}

/// The smaller ε and the smaller δ of two laws.
fn stricter(a: ((u32, u32), u32), b: ((u32, u32), u32)) -> ((u32, u32), u32) {
    let smaller = |x: (u32, u32), y: (u32, u32)| {
        let below = u64::from(x.0) * u64::from(y.1) <= u64::from(y.0) * u64::from(x.1);
        if below { x } else { y }
    };
    (smaller(a.0, b.0), a.1.max(b.1))
}

impl SessionLink {
    /// The numbers of decoys of a unit type.
    pub fn decoys(&self, me: &OwnerId, unit_type: UnitType, secrets: &Secrets) -> Option<Decoys> {
        let at = UnitType::ALL.iter().position(|other| *other == unit_type)?;
        let maps: Vec<_> = self.maps.iter().map(|(owner, maps)| (owner.clone(), maps[at])).collect();
        let own: [u8; 32] = secrets.own().try_into().ok()?;
        Some(Decoys::draw(&self.law, me, &maps, unit_type, &secrets.record_key()?, &own))
    }
}

/// The keyed hash of an identity map's state that other nodes see: the same as long as the map is the same.
///
/// Keyed by the node's own secret, so that a peer cannot test guesses of who is in the map.
pub fn map_state(own_secret: &[u8], unit_type: UnitType, state: &Hash) -> [u8; 32] {
    let session_free = [0; 16];
    check_value(own_secret, &format!("identity map {unit_type} {state}"), &session_free)
}

/// Compares canary rows with one other linking node. Blocking.
///
/// *Learnt by the peer:* the rows of identifiers that nobody has.
///
/// # Errors
/// [`NodeError::Misaligned`] where they differ, or what the link says.
pub fn compare_canaries(
    me: &OwnerId,
    peer: &OwnerId,
    session: SessionId,
    alignment: AttemptId,
    rows: &[u32],
    transport: LinkTransport,
) -> Result<(), NodeError> {
    let mut channel = FramedChannel::new(transport, session.0, alignment.0, me.as_str(), peer.as_str());
    let failed = |error| NodeError::of_channel(peer, &error);
    let step = StepName::new("link/canaries").expect("a step's name");
    let shape = [rows.len() as u64, 4];
    let mine: Vec<u8> = rows.iter().flat_map(|row| row.to_le_bytes()).collect();
    channel.send(&step, 0, &shape, mine.clone()).map_err(failed)?;
    let theirs = channel.receive(&step, 0, &shape).map_err(failed)?;
    let end = StepName::new("link/end").expect("a step's name");
    farewell(&mut channel, &end).map_err(failed)?;
    if theirs == mine { Ok(()) } else { Err(NodeError::Misaligned { party: peer.clone() }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stricter_law_has_the_smaller_epsilon_and_the_smaller_delta() {
        assert_eq!(stricter(((1, 10), 6), ((1, 20), 5)), ((1, 20), 6));
        assert_eq!(stricter(((3, 10), 6), ((1, 2), 9)), ((3, 10), 9));
    }
}
