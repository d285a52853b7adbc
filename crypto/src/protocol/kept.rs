//! Columns that several products of a session use, and that travel for the first of them only.
//!
//! A product of a later question may have columns that a party masked and sent before, of the same people, in the same
//! order of rows and in the same blocks. They need not travel again: who received them has kept the blocks as they came, and
//! who knew their masks has kept the key of that one stream ([`StreamKey`]) and reads it again. R, the masks of everything
//! else, and the lift are those of the attempt's own fresh seeds, as always.
//!
//! | columns | who keeps the blocks | who keeps the key | the party whose they are |
//! | --- | --- | --- | --- |
//! | left's own, X − U | right | the dealer | sends nothing, and needs no mask |
//! | right's own, Y − V | left | the dealer; and right, which multiplies with V | sends nothing |
//! | a further owner's, Z − S | right | left, whose share is S | sends nothing, and has no part |
//!
//! The workers' columns are kept in narrow products without further owners and in the first stage of joined ones, a further
//! owner's in all. Of a right that is everyone there is nothing to keep.
//!
//! In a narrow product with further owners the workers' columns are multiplied with shares of that attempt, so X and Y are
//! sent afresh, and Z − S alone is kept. The same holds of what the later stages of a joined product send.
//!
//! # Why that says nothing
//! - *Each position of each stream masks one content, as always.* U, V and S have masked X, Y and Z when these travelled, and
//!   nothing is ever sent under them again: a stream made again can only be read ([`RemadeStream`]).
//! - *Right* has X − U, which it had. What comes new is the dealer's UᵀV′ − R′, with an R′ of this attempt that right knows
//!   nothing of; so UᵀV − R and UᵀV′ − R′ are uniform and independent, whatever U is, and also where V′ is V. This is why one
//!   U may serve several products of one attempt; nothing in it asks that they be of one attempt. Were R′ = R, then
//!   Uᵀ(V − V′) would follow, and with (X − U)ᵀ(V − V′) that is Xᵀ(V − V′): equations on left's columns.
//! - *Left* has Y − V, which it had, and receives nothing from the dealer. With an X and an R of its own it makes nothing of
//!   it that it could not make before.
//! - *In a joined product* the shares S and Z − S are masked afresh by each attempt's own U₂ and V₂ before they are opened.
//! - *The dealer* still receives nothing from anybody within a product. It is told which of the workers' columns come again,
//!   which follows from the questions; their names are random to it. It is told nothing of further owners' columns.
//! - *An observer* of the links sees fewer messages. Which ones follows from the public shape and from what is kept.
//!
//! What is different: keys of such masks live as long as the session and not as the attempt. Who takes a key from the memory of
//! the dealer, of right (its own) or of left (a further owner's) and has what travelled under it has the columns; before, that
//! window closed with the attempt.
//!
//! # What must agree
//! All parties must take the same decision for each set of columns: what the dealer is to do, both workers tell it
//! ([`Computation`](crate::attempt::Computation)), and the digest that owners compare should have all decisions in it. A set
//! is named by a [`KeptId`], which is of one attempt: blocks of one attempt and masks of another would give sums that are
//! wrong, without a sign. Keys carry whose columns they are of and how many, and refuse to serve for others.
//!
//! Source: the reuse of masked matrices over many products is that of P. Mohassel and Y. Zhang, "SecureML", IEEE S&P 2017,
//! section 4.1, where the data are masked once and multiplied in every iteration; the masks are here read again from their seed.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::channel::{Channel, StepName};
use crate::protocol::blocks::message;
use crate::protocol::narrow_product::{LeftRows, OwnerShape};
use crate::protocol::shared_columns::OwnerRows;
use crate::protocol::{ProtocolError, decode_into};
use crate::seeds::{MaskStream, PairSeed, RemadeStream, StreamKey};

#[cfg(test)]
pub(crate) mod tests;

/// The name of a set of columns in the attempt in which it travelled: random to all but the two workers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeptId(pub [u8; 32]);

impl fmt::Debug for KeptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeptId(")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

/// Why kept columns cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeptError {
    /// Nothing is kept under this name. The columns can travel again.
    #[error("they are not kept here")]
    Unknown,
    /// There is something under this name already.
    #[error("others are kept under their name")]
    Taken,
    /// What is kept under this name is of other columns.
    #[error("what is kept under their name is of other columns")]
    Other,
    /// The store failed.
    #[error("the store of kept columns failed")]
    Store,
}

/// The store did not take a block or did not give it back; it knows why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the store of kept columns failed")]
pub struct StoreFailed;

/// A caller's store of the masked blocks of one set of columns: bytes that are uniform to whoever lacks their masks.
pub trait KeptBlocks: Send {
    /// Takes a block as it came. Blocks come in order, each once, from number 0.
    ///
    /// What is in the store is of use only once the attempt has ended well.
    ///
    /// # Errors
    /// [`StoreFailed`].
    fn put(&mut self, block: u64, columns: Bytes) -> Result<(), StoreFailed>;

    /// A block as it was given. Blocks are asked for in order, each once, from number 0.
    ///
    /// # Errors
    /// [`StoreFailed`].
    fn get(&mut self, block: u64) -> Result<Bytes, StoreFailed>;
}

/// All blocks in memory.
impl KeptBlocks for Vec<Bytes> {
    fn put(&mut self, block: u64, columns: Bytes) -> Result<(), StoreFailed> {
        if block != self.len() as u64 {
            return Err(StoreFailed);
        }
        self.push(columns);
        Ok(())
    }

    fn get(&mut self, block: u64) -> Result<Bytes, StoreFailed> {
        usize::try_from(block).ok().and_then(|block| <[Bytes]>::get(self, block)).cloned().ok_or(StoreFailed)
    }
}

/// What a receiver does about masked blocks of another party's columns.
#[derive(Default)]
pub enum Blocks<'a> {
    /// They travel.
    #[default]
    Travel,
    /// They travel, and go into a store.
    Keep(&'a mut dyn KeptBlocks),
    /// They come from the store, and none is received.
    Kept(&'a mut dyn KeptBlocks),
}

impl Blocks<'_> {
    /// The next block, from where it is. The peer is needed where they travel.
    pub(super) fn next(
        &mut self,
        peer: Option<&mut dyn Channel>,
        name: &StepName,
        index: u64,
        [rows, width]: [usize; 2],
        block: &mut Vec<u16>,
    ) -> Result<(), ProtocolError> {
        let shape = message(rows, width);
        let failed = |StoreFailed| KeptError::Store.at(name);
        let body = match self {
            Self::Kept(store) => store.get(index).map_err(failed)?,
            Self::Travel | Self::Keep(_) => peer.ok_or(ProtocolError::Input)?.receive(name, index, &shape)?,
        };
        if body.len() as u64 != shape.iter().product::<u64>() {
            return Err(KeptError::Other.at(name));
        }
        if let Self::Keep(store) = self {
            store.put(index, body.clone()).map_err(failed)?;
        }
        decode_into(&body, name, block)
    }

    /// Whether there is no more to them than that they travel.
    pub(super) fn travel(&self) -> bool {
        matches!(self, Self::Travel)
    }
}

impl KeptError {
    /// In a step, whose messages are or were the columns.
    pub(crate) fn at(self, step: &StepName) -> ProtocolError {
        ProtocolError::Kept { step: step.clone(), cause: self }
    }
}

/// Whose columns there are masks of, and how many. Streams lie block by block, so rows of a block are part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form {
    of: Whose,
    rows: [usize; 2],
    categories: usize,
    values: usize,
}

impl Form {
    /// Of an owner's own columns, with the number of rows and of those in a block.
    pub(super) fn new(of: Whose, rows: [usize; 2], owner: &OwnerShape) -> Self {
        Self { of, rows, categories: owner.categories, values: owner.values.len() }
    }
}

/// Whose columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    Left,
    Right,
    Further,
}

/// The masks of one set of columns, to be read again. It tells nothing of itself.
#[derive(Clone)]
pub struct KeptKey {
    key: StreamKey<u16>,
    form: Form,
}

impl KeptKey {
    /// The key of a stream that masks columns of this form.
    pub(super) fn of(masks: &MaskStream<u16>, form: Form) -> Self {
        Self { key: masks.key(), form }
    }

    /// The masks, if they are those of columns of this form.
    pub(super) fn read(&self, form: Form, step: &StepName) -> Result<RemadeStream<u16>, ProtocolError> {
        if self.form == form { Ok(self.key.stream()) } else { Err(KeptError::Other.at(step)) }
    }
}

impl fmt::Debug for KeptKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeptKey(hidden)")
    }
}

/// What a party that knows the masks of columns does about them.
#[derive(Default)]
pub enum Masks<'a> {
    /// They are fresh: the columns travel.
    #[default]
    Travel,
    /// They are fresh, and their key is left here. It is of use only once the attempt has ended well.
    Keep(&'a mut Option<KeptKey>),
    /// They are read again: the columns do not travel.
    Kept(&'a KeptKey),
}

impl Masks<'_> {
    /// The masks of columns of a form, whose messages have this name. `fresh` is their stream if they travel.
    pub(super) fn reader(
        self,
        form: Form,
        name: &StepName,
        fresh: impl FnOnce() -> Result<MaskStream<u16>, ProtocolError>,
    ) -> Result<MaskReader, ProtocolError> {
        match self {
            Self::Travel => Ok(MaskReader::Fresh(fresh()?)),
            Self::Keep(key) => {
                let masks = fresh()?;
                *key = Some(KeptKey::of(&masks, form));
                Ok(MaskReader::Fresh(masks))
            }
            Self::Kept(key) => Ok(MaskReader::Again(key.read(form, name)?)),
        }
    }

    /// Whether the columns travel, to be kept or not.
    pub(super) fn are_fresh(&self) -> bool {
        !matches!(self, Self::Kept(_))
    }

    /// Whether there is no more to them than that the columns travel.
    pub(super) fn travel(&self) -> bool {
        matches!(self, Self::Travel)
    }
}

/// Masks to read; only fresh ones can mask what is sent.
pub(super) enum MaskReader {
    Fresh(MaskStream<u16>),
    Again(RemadeStream<u16>),
}

impl MaskReader {
    pub(super) fn fill(&mut self, position: u64, out: &mut [u16]) {
        match self {
            Self::Fresh(masks) => masks.fill(position, out),
            Self::Again(masks) => masks.fill(position, out),
        }
    }
}

/// The columns of a product at left: its own rows, and what travels.
pub struct LeftColumns<'a> {
    /// Left's rows.
    pub rows: LeftRows<'a>,
    /// Whether right has left's own columns from before: nothing of them is sent, and left needs no masks.
    pub is_kept: bool,
    /// Right's own columns.
    pub of_right: Blocks<'a>,
}

impl<'a> From<LeftRows<'a>> for LeftColumns<'a> {
    /// All columns travel, and nothing is kept.
    fn from(rows: LeftRows<'a>) -> Self {
        Self { rows, is_kept: false, of_right: Blocks::Travel }
    }
}

/// The columns of a product at right: its own rows, and what travels.
pub struct RightColumns<'a> {
    /// Right's rows.
    pub rows: OwnerRows<'a>,
    /// The masks of right's own columns.
    pub masks: Masks<'a>,
    /// Left's own columns.
    pub of_left: Blocks<'a>,
}

impl<'a> From<OwnerRows<'a>> for RightColumns<'a> {
    /// All columns travel, and nothing is kept.
    fn from(rows: OwnerRows<'a>) -> Self {
        Self { rows, masks: Masks::Travel, of_left: Blocks::Travel }
    }
}

/// A worker's seed at the dealer, and the masks of that worker's own columns.
pub struct Seeded<'a> {
    /// The seed, of which all other masks are.
    pub seed: &'a PairSeed,
    /// U of left's columns, V of right's.
    pub masks: Masks<'a>,
}

impl<'a> From<&'a PairSeed> for Seeded<'a> {
    /// All masks are fresh, and nothing is kept.
    fn from(seed: &'a PairSeed) -> Self {
        Self { seed, masks: Masks::Travel }
    }
}

/// What a party has of keys under their names: at the dealer those of a session's U and V.
pub trait KeptMasks: Send {
    /// Takes a key, under a name that is not taken.
    fn put(&mut self, id: KeptId, key: KeptKey);

    /// The key of this name, if it is still there.
    fn get(&mut self, id: &KeptId) -> Option<KeptKey>;
}

/// Keys of one session, in memory: at most [`MaskShelf::KEYS_MAX`]. The one used least recently makes room for another.
#[derive(Default)]
pub struct MaskShelf {
    keys: HashMap<KeptId, (KeptKey, u64)>,
    uses: u64,
}

impl MaskShelf {
    /// Most keys: a quarter of a mebibyte, and both workers' columns of 512 questions that have none in common.
    pub const KEYS_MAX: usize = 1024;

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

/// A shelf that several attempts of a session use.
impl KeptMasks for Arc<Mutex<MaskShelf>> {
    fn put(&mut self, id: KeptId, key: KeptKey) {
        self.lock().unwrap_or_else(PoisonError::into_inner).put(id, key);
    }

    fn get(&mut self, id: &KeptId) -> Option<KeptKey> {
        self.lock().unwrap_or_else(PoisonError::into_inner).get(id)
    }
}

impl KeptMasks for MaskShelf {
    fn put(&mut self, id: KeptId, key: KeptKey) {
        self.uses += 1;
        if self.keys.len() >= Self::KEYS_MAX && !self.keys.contains_key(&id) {
            let oldest = self.keys.iter().min_by_key(|(_, (_, used))| *used).map(|(id, _)| *id);
            oldest.and_then(|oldest| self.keys.remove(&oldest));
        }
        self.keys.insert(id, (key, self.uses));
    }

    fn get(&mut self, id: &KeptId) -> Option<KeptKey> {
        let (key, used) = self.keys.get_mut(id)?;
        self.uses += 1;
        *used = self.uses;
        Some(key.clone())
    }
}
