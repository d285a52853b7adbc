//! Columns that several questions of a session use, and that travel once: who decides, and what is kept where.
//!
//! A *set* is what one party sends masked in a product: left's own columns, right's, or those of a further owner
//! ([`kobling_crypto::protocol::kept`]). It has a public name, a hash of all that makes it what it is, so that a later question finds it.
//!
//! | columns | blocks at | stream key at |
//! | --- | --- | --- |
//! | left's | right | the dealer |
//! | right's | left | the dealer, and right |
//! | a further owner's | right | left |
//!
//! Every party that has a part in a set *offers*: whether it wants it to be kept, and in which attempt it travelled if it has its
//! part from that. Between the workers, each decides from both offers; a further owner hears both workers' and says what it has
//! decided. All have it from one attempt: it is used again. All want it: it travels and is kept. Otherwise it travels.
//!
//! It is wanted where the plan has a later question with it, or the session had an earlier one: what is used once is not kept.
//! Blocks are on the session's [shelf](crate::keep), within the node's bound and sealed beyond it. An attempt that fails makes its
//! parties forget every set that it touched, so that the next one sends them afresh.
//!
//! *Learnt by anybody:* which columns of a session are the same, which follows from its scripts.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use kobling_crypto::attempt::{Product, Sharing};
use kobling_crypto::protocol::kept::{self, KeptBlocks, KeptId, KeptKey, MaskShelf, StoreFailed};
use kobling_model::federation::Roles;
use kobling_model::plan::{Fragment, Question, Side};
use kobling_model::{AttemptId, Hash};

use crate::keep::Kept;
use crate::session::Session;

/// Sets that a session keeps at most: what more there are travel each time.
const SETS_MAX: usize = 400;
/// Later questions of a plan that are looked at.
const QUESTIONS_AHEAD: usize = 40;
/// Blocks that lie on the shelf under one name.
const BLOCKS_TOGETHER: usize = 16;

/// What a session knows of sets at this node.
#[derive(Default)]
pub struct Once {
    state: Mutex<State>,
    /// Stream keys of sets in attempts that this node has dealt for.
    pub dealt: Arc<Mutex<MaskShelf>>,
}

#[derive(Default)]
struct State {
    seen: HashSet<Hash>,
    held: HashMap<Hash, Held>,
}

/// This node's part of a set that has travelled.
struct Held {
    attempt: AttemptId,
    /// Its name at the dealer, of workers' own columns.
    id: Option<KeptId>,
    key: Option<KeptKey>,
    /// Names on the shelf.
    shelved: u64,
}

/// What a party says of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    wants: bool,
    held: Option<AttemptId>,
}

impl Offer {
    /// Bytes of an offer.
    pub const BYTES: usize = 17;

    /// Nothing to offer: of a set that cannot be kept.
    pub const NONE: Self = Self { wants: false, held: None };

    /// Its form on a link.
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[0] = u8::from(self.wants) | u8::from(self.held.is_some()) << 1;
        bytes[1..].copy_from_slice(&self.held.unwrap_or(AttemptId([0; 16])).0);
        bytes
    }

    /// Reads it; none for other bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (flags, attempt) = bytes.split_first()?;
        let held = AttemptId(attempt.try_into().ok()?);
        (*flags < 4).then_some(Self { wants: flags & 1 == 1, held: (flags & 2 == 2).then_some(held) })
    }
}

/// What all parties do about a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It travels.
    Travel,
    /// It travels and is kept.
    Keep,
    /// It is used again, from this attempt.
    Kept(AttemptId),
}

impl Decision {
    /// From the offers of all that have a part in the set.
    pub fn of(offers: &[Offer]) -> Self {
        let first = offers.first().and_then(|offer| offer.held);
        match first {
            Some(attempt) if offers.iter().all(|offer| offer.held == first) => Self::Kept(attempt),
            _ if !offers.is_empty() && offers.iter().all(|offer| offer.wants) => Self::Keep,
            _ => Self::Travel,
        }
    }

    /// What owners compare besides their digest, so that all have taken the same decision.
    pub fn digest(self, of_question: [u8; 32]) -> [u8; 32] {
        Hash::of_json(&("columns", Hash(of_question), self.to_bytes().to_vec())).0
    }

    /// A decision that another party has taken, where its own offer allows it.
    pub fn told(self, own: Offer) -> Option<Self> {
        let allowed = match self {
            Self::Travel => true,
            Self::Keep => own.wants,
            Self::Kept(attempt) => own.held == Some(attempt),
        };
        allowed.then_some(self)
    }

    /// Its form on a link: that of an offer that says the same.
    pub fn to_bytes(self) -> [u8; Offer::BYTES] {
        let held = if let Self::Kept(attempt) = self { Some(attempt) } else { None };
        Offer { wants: self == Self::Keep, held }.to_bytes()
    }

    /// Reads it; none for other bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(match Offer::from_bytes(bytes)? {
            Offer { wants: false, held: None } => Self::Travel,
            Offer { wants: true, held: None } => Self::Keep,
            Offer { wants: false, held: Some(attempt) } => Self::Kept(attempt),
            Offer { wants: true, held: Some(_) } => return None,
        })
    }
}

/// The sets of a product: of the workers' own columns, none where they cannot be kept, and of the further owners', in order.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Sets {
    /// Left's.
    pub left: Option<Hash>,
    /// Right's.
    pub right: Option<Hash>,
    /// Further owners', each of which can be kept.
    pub others: Vec<Hash>,
}

impl Sets {
    /// The sets of a question with this product.
    pub fn of(question: &Question, product: Option<&Product>, roles: &Roles) -> Self {
        let Some(product) = product else { return Self::default() };
        let (own_left, own_right) = match product {
            Product::Narrow(shape) => (shape.others.is_empty(), shape.others.is_empty()),
            Product::Joined { shape, .. } => (true, !shape.right_is_everyone),
        };
        // Whose columns they are, of what, in which form, for whom.
        let set = |(side, fragment): (Side, &Fragment)| {
            let part = question.value().and_then(|column| column.part(side));
            let is_left = side == Side::Left;
            let is_worker = is_left || side == Side::Right;
            let form = (is_left, is_worker, product.rows(), question.unit_type);
            Hash::of_json(&("columns that travel once", unnamed(fragment), part, form, roles))
        };
        let right = question.right.as_ref().filter(|_| own_right);
        Self {
            left: own_left.then(|| set((Side::Left, &question.left))),
            right: right.map(|fragment| set((Side::Right, fragment))),
            others: question.factors().map(set).collect(),
        }
    }

    fn contains(&self, set: &Hash) -> bool {
        self.left.iter().chain(&self.right).chain(&self.others).any(|of| of == set)
    }
}

/// A fragment without the names and labels of its dimensions: they are in no column.
fn unnamed(fragment: &Fragment) -> Fragment {
    let mut fragment = fragment.clone();
    for dimension in &mut fragment.dimensions {
        dimension.name.clear();
        dimension.categories.iter_mut().for_each(|category| category.label.clear());
    }
    fragment
}

/// Sets that one attempt touches at this node, until it has ended.
pub struct Touched<'a> {
    session: &'a Session,
    attempt: AttemptId,
    sets: Vec<Part>,
}

/// This node's part of a set in an attempt.
struct Part {
    set: Hash,
    decision: Decision,
    id: Option<KeptId>,
    key: Option<KeptKey>,
    shelved: u64,
}

impl Once {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What this node offers of a set. `later` are the sets of the plan's later questions; without room nothing more is kept.
    pub fn offer(&self, set: Option<&Hash>, later: &[Sets], has_room: bool) -> Offer {
        let Some(set) = set else { return Offer::NONE };
        let state = self.state();
        let again = later.iter().any(|sets| sets.contains(set)) || state.seen.contains(set);
        let held = state.held.get(set).map(|held| held.attempt);
        let room = held.is_some() || has_room && state.held.len() < SETS_MAX;
        Offer { wants: again && room, held }
    }

    /// What the dealer is told of a worker's own columns; `fresh` is their name if they are to be kept now.
    pub fn sharing(&self, decision: Decision, set: Option<&Hash>, fresh: KeptId) -> Sharing {
        let before = || set.and_then(|set| self.state().held.get(set).and_then(|held| held.id));
        match decision {
            Decision::Travel => Sharing::Travel,
            Decision::Keep => Sharing::Keep(fresh),
            // None where it has been forgotten meanwhile: then the dealer lacks it too.
            Decision::Kept(_) => Sharing::Kept(before().unwrap_or(fresh)),
        }
    }

    /// The key of a set that this node has kept.
    pub fn key(&self, set: &Hash) -> Option<KeptKey> {
        self.state().held.get(set).and_then(|held| held.key.clone())
    }
}

/// The later questions of a plan that are looked at for sets that come again.
pub fn ahead(questions: &[Question], index: u32) -> &[Question] {
    let rest = questions.get(index as usize + 1..).unwrap_or_default();
    &rest[..rest.len().min(QUESTIONS_AHEAD)]
}

impl<'a> Touched<'a> {
    /// Nothing yet.
    pub fn new(session: &'a Session, attempt: AttemptId) -> Self {
        Self { session, attempt, sets: Vec::new() }
    }

    /// A set that the attempt uses; `shelved` names are written on the shelf where this node keeps its blocks.
    pub fn add(&mut self, set: Option<Hash>, decision: Decision, id: Option<KeptId>, shelved: u64) {
        let part = |set| Part { set, decision, id, key: None, shelved };
        self.sets.extend(set.map(part));
    }

    /// The key of a set that travels and is kept.
    pub fn put_key(&mut self, set: Option<Hash>, key: Option<KeptKey>) {
        if let Some(part) = self.sets.iter_mut().find(|part| Some(part.set) == set) {
            part.key = key;
        }
    }

    /// The attempt has ended: well, and what was kept is there for later questions; or not, and all is forgotten.
    pub fn settle(mut self, well: bool) {
        self.end(well);
    }

    fn end(&mut self, well: bool) {
        let mut state = self.session.once.state();
        for Part { set, decision, id, key, shelved } in std::mem::take(&mut self.sets) {
            let unshelve = |attempt: AttemptId, names: u64| {
                (0..names).for_each(|at| self.session.shelf.remove(&shelf_name(&set, attempt, at)));
            };
            let fresh = decision == Decision::Keep;
            if !well || fresh {
                // What was kept from an earlier attempt makes room, or is in doubt.
                if let Some(held) = state.held.remove(&set) {
                    unshelve(held.attempt, held.shelved);
                }
            }
            match (well, fresh) {
                (true, true) => {
                    state.held.insert(set, Held { attempt: self.attempt, id, key, shelved });
                }
                (false, true) => unshelve(self.attempt, shelved),
                (_, false) => {}
            }
            if well {
                state.seen.insert(set);
            }
        }
    }
}

impl Drop for Touched<'_> {
    /// Whoever did not say how it ended did not end well.
    fn drop(&mut self) {
        self.end(false);
    }
}

/// How many names the blocks of a set take on the shelf.
pub fn names(product: &Product) -> u64 {
    let [rows, block_rows] = product.rows();
    rows.div_ceil(block_rows.max(1)).div_ceil(BLOCKS_TOGETHER) as u64
}

/// Of one attempt: blocks of another under one name would be taken for its.
fn shelf_name(set: &Hash, attempt: AttemptId, at: u64) -> Hash {
    Hash::of_json(&("blocks", set, attempt, at))
}

/// The masked blocks of a set on a session's shelf, some together.
pub struct Blocks<'a> {
    session: &'a Session,
    set: Hash,
    /// In which they travel, or travelled.
    attempt: AttemptId,
    decision: Decision,
    together: Vec<Bytes>,
    /// Of those under which name they are.
    at: u64,
    /// Names that have been written.
    written: u64,
}

impl<'a> Blocks<'a> {
    /// Blocks of a set by a decision of this attempt: to be put, or to be got.
    pub fn new(session: &'a Session, set: Hash, decision: Decision, now: AttemptId) -> Self {
        let attempt = if let Decision::Kept(attempt) = decision { attempt } else { now };
        Self { session, set, attempt, decision, together: Vec::new(), at: u64::MAX, written: 0 }
    }

    /// Puts away what has come last.
    pub fn finish(mut self) {
        if self.decision == Decision::Keep {
            self.put_away();
        }
    }

    /// What their receiver does about them.
    pub fn as_decided(&mut self) -> kept::Blocks<'_> {
        match self.decision {
            Decision::Travel => kept::Blocks::Travel,
            Decision::Keep => kept::Blocks::Keep(self),
            Decision::Kept(_) => kept::Blocks::Kept(self),
        }
    }

    fn put_away(&mut self) {
        if !self.together.is_empty() {
            let blocks = Arc::new(std::mem::take(&mut self.together));
            let name = shelf_name(&self.set, self.attempt, self.written);
            self.session.shelf.put(name, Kept::Blocks(blocks));
            self.written += 1;
        }
    }
}

impl KeptBlocks for Blocks<'_> {
    fn put(&mut self, _block: u64, columns: Bytes) -> Result<(), StoreFailed> {
        self.together.push(columns);
        if self.together.len() == BLOCKS_TOGETHER {
            self.put_away();
        }
        Ok(())
    }

    fn get(&mut self, block: u64) -> Result<Bytes, StoreFailed> {
        let (at, place) = (block / BLOCKS_TOGETHER as u64, block % BLOCKS_TOGETHER as u64);
        if at != self.at {
            let kept = self.session.shelf.get(&shelf_name(&self.set, self.attempt, at));
            let Some(Kept::Blocks(blocks)) = kept else { return Err(StoreFailed) };
            self.together = blocks.to_vec();
            self.at = at;
        }
        <[Bytes]>::get(&self.together, place as usize).cloned().ok_or(StoreFailed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: AttemptId = AttemptId([1; 16]);
    const B: AttemptId = AttemptId([2; 16]);

    #[test]
    fn a_set_is_used_again_only_where_all_have_it_from_one_attempt() {
        let offer = |wants, held| Offer { wants, held };
        for (offers, decision) in [
            (vec![offer(true, Some(A)), offer(false, Some(A))], Decision::Kept(A)),
            (vec![offer(true, Some(A)), offer(true, Some(B))], Decision::Keep),
            (vec![offer(true, Some(A)), offer(true, None)], Decision::Keep),
            (vec![offer(true, None), offer(false, None)], Decision::Travel),
            (vec![offer(true, Some(A)), offer(true, Some(A)), offer(true, None)], Decision::Keep),
            (vec![Offer::NONE, Offer::NONE], Decision::Travel),
            (vec![], Decision::Travel),
        ] {
            assert_eq!(Decision::of(&offers), decision, "{offers:?}");
            assert_eq!(Decision::from_bytes(&decision.to_bytes()), Some(decision));
            for offer in offers {
                assert_eq!(Offer::from_bytes(&offer.to_bytes()), Some(offer));
            }
        }
        assert_eq!(Offer::from_bytes(&[4; 17]), None);
        assert_eq!(Offer::from_bytes(&[0; 16]), None);
        assert_eq!(Decision::from_bytes(&[3; 17]), None);
    }

    #[test]
    fn nobody_is_told_to_use_what_it_does_not_have() {
        let held = Offer { wants: false, held: Some(A) };
        assert_eq!(Decision::Kept(A).told(held), Some(Decision::Kept(A)));
        assert_eq!(Decision::Kept(B).told(held), None);
        assert_eq!(Decision::Keep.told(held), None);
        assert_eq!(Decision::Travel.told(held), Some(Decision::Travel));
    }
}
