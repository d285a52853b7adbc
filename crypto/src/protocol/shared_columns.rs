//! An owner's columns, shared to the two workers of a product.
//!
//! The owner has for each row at most one category, and values: non-negative numbers of at most eight bits. Its columns are
//! the one-hot matrix of its categories, and the same with each value in place of the one. C is all of them, in ℤ/2¹⁶; left's
//! share of it comes from the seed of owner and left.
//!
//! | step | message | size a row | what the receiver learns |
//! | --- | --- | --- | --- |
//! | 1 | owner → right, each block: C − S | 2 bytes × columns | nothing: uniform without left's seed with the owner |
//!
//! ```text
//! left:   S
//! right:  C − S
//! ```
//!
//! *The owner learns nothing*: it receives no message. Left receives none either, and S is uniform. The seed is one of owner
//! and left that is used for nothing else: an owner that deals as well knows the masks of what the workers send each other,
//! but S stays unknown to right and C − S to left.
//!
//! One message a block, none of which waits for another; but right takes them one block ahead of its work. An owner that deals as
//! well must share over a link of its own, and at the same time: over one link, or one after the other, either would wait
//! for what stands behind it.
//!
//! Where the same columns travelled in an earlier attempt of the session, right may have kept C − S, and left the key of S: then
//! there is no message and the owner has no part ([`super::kept`]). This holds in both kinds of product, also where it does
//! not hold of the workers' own columns: what the workers send is masked afresh, C − S is not sent on.
//!
//! Names, numbers and sizes follow from the shape alone; a row without a category is sent like any other. Block and column
//! order are those of [`super::narrow_product`] and [`super::joined_product`], for which [`ColumnsAtLeft`] and
//! [`ColumnsAtRight`] are a [`Factor`].
//!
//! Source: additive sharing with a seed in place of one share; design §4, "With three owners".

use std::ops::Range;

use crate::channel::{Channel, StepName};
use crate::kernel::{one_hot, subtract};
use crate::protocol::ProtocolError;
use crate::protocol::blocks::{blocks, encoded, message};
use crate::protocol::factor::{DealtFactor, Factor};
use crate::protocol::joined_product::JoinedShape;
use crate::protocol::kept::{Blocks, Form, KeptBlocks, KeptKey, MaskReader, Masks, Whose};
use crate::protocol::narrow_product::{NO_CATEGORY, OwnerShape, ProductShape};
use crate::seeds::{MaskStream, PairSeed};

/// The private rows of an owner that has no record keys in a product.
#[derive(Clone, Copy)]
pub struct OwnerRows<'a> {
    /// Category of each row, or [`NO_CATEGORY`].
    pub categories: &'a [u32],
    /// Each value of each row, below 2^bits; of no account where there is no category.
    pub values: &'a [Vec<u8>],
}

impl OwnerRows<'_> {
    /// Whether the rows are those of a shape.
    pub(crate) fn fit(&self, shape: &OwnerShape, rows: usize) -> bool {
        in_range(self.categories, rows, shape.categories) && values_fit(self.values, &shape.values, rows)
    }
}

/// The name of the messages and of the stream of one owner.
fn name(step: &StepName, other: usize) -> Result<StepName, ProtocolError> {
    Ok(step.join(&format!("shared{other}"))?)
}

fn stream(name: &StepName, seed: &PairSeed) -> Result<MaskStream<u16>, ProtocolError> {
    Ok(seed.stream(name, "columns", "share")?)
}

/// The owner's whole part; it is number `other` of the shape's others.
///
/// # Errors
/// [`ProtocolError`]; `Input` before anything is sent.
pub fn share(
    step: &StepName,
    shape: &ProductShape,
    other: usize,
    right: &mut dyn Channel,
    left_seed: &PairSeed,
    rows: OwnerRows<'_>,
) -> Result<(), ProtocolError> {
    let shape = shape.checked()?;
    let own = shape.others.get(other).ok_or(ProtocolError::Input)?;
    share_blocks(name(step, other)?, own, shape.rows, shape.block_rows, right, left_seed, rows)
}

/// The owner's whole part in a joined product; it is factor number `factor` of the shape.
///
/// # Errors
/// [`ProtocolError`]; `Input` before anything is sent.
pub fn share_factor(
    step: &StepName,
    shape: &JoinedShape,
    factor: usize,
    right: &mut dyn Channel,
    left_seed: &PairSeed,
    rows: OwnerRows<'_>,
) -> Result<(), ProtocolError> {
    let shape = shape.checked()?;
    let own = shape.factors.get(factor).ok_or(ProtocolError::Input)?;
    share_blocks(name(step, factor)?, own, shape.rows, shape.block_rows, right, left_seed, rows)
}

fn share_blocks(
    name: StepName,
    own: &OwnerShape,
    count: usize,
    block_rows: usize,
    right: &mut dyn Channel,
    left_seed: &PairSeed,
    rows: OwnerRows<'_>,
) -> Result<(), ProtocolError> {
    if !rows.fit(own, count) {
        return Err(ProtocolError::Input);
    }
    let (mut masks, width) = (stream(&name, left_seed)?, own.width());
    let (mut columns, mut mask) = (Vec::new(), Vec::new());
    for (index, range) in blocks(count, block_rows) {
        let categories = &rows.categories[range.clone()];
        columns.clear();
        columns.resize(range.len() * width, 0);
        one_hot(&mut columns, 0, categories, |_| 1);
        for (value, values) in rows.values.iter().enumerate() {
            let values = &values[range.clone()];
            one_hot(&mut columns, (1 + value) * own.categories, categories, |row| u16::from(values[row]));
        }
        let position = (range.start * width) as u64;
        mask.resize(columns.len(), 0);
        masks.fill(position, &mut mask);
        subtract(&mut columns, &mask);
        let body = encoded(&columns);
        masks.used(position, columns.len(), &body);
        right.send(&name, index, &message(range.len(), width), body)?;
    }
    Ok(())
}

/// Whether there is a category for each row and all are in range.
fn in_range(categories: &[u32], rows: usize, count: usize) -> bool {
    let in_range = |category: &u32| (*category as usize) < count || *category == NO_CATEGORY;
    categories.len() == rows && categories.iter().all(in_range)
}

/// Whether there is a value for each row and all have few enough bits.
fn values_fit(values: &[Vec<u8>], bits: &[u8], rows: usize) -> bool {
    let fits = |(values, bits): (&Vec<u8>, &u8)| {
        values.len() == rows && values.iter().all(|value| u16::from(*value) >> bits == 0)
    };
    values.len() == bits.len() && values.iter().zip(bits).all(fits)
}

/// Where left's share of a further owner's columns comes from.
pub enum ShareAtLeft<'a> {
    /// From the seed with the owner: the columns travel, to right.
    Seed(&'a PairSeed),
    /// Likewise, and the key of S is left here. It is of use only once the attempt has ended well.
    SeedToKeep(&'a PairSeed, &'a mut Option<KeptKey>),
    /// From the key of an earlier attempt: the columns do not travel.
    Kept(&'a KeptKey),
}

/// Where right's share of a further owner's columns comes from.
pub enum ShareAtRight<'a> {
    /// From the owner.
    Owner(&'a mut dyn Channel),
    /// Likewise, and it goes into a store.
    OwnerToKeep(&'a mut dyn Channel, &'a mut dyn KeptBlocks),
    /// From the store of an earlier attempt: the owner sends nothing.
    Kept(&'a mut dyn KeptBlocks),
}

/// Left's shares of one owner's columns.
pub(super) struct AtLeft {
    masks: MaskReader,
    width: usize,
}

impl AtLeft {
    /// `rows`: all, and those of a block.
    pub(super) fn new(
        step: &StepName,
        other: usize,
        own: &OwnerShape,
        rows: [usize; 2],
        share: ShareAtLeft<'_>,
    ) -> Result<Self, ProtocolError> {
        let (name, form) = (name(step, other)?, Form::new(Whose::Further, rows, own));
        let masks = match share {
            ShareAtLeft::Seed(seed) => Masks::Travel.reader(form, &name, || stream(&name, seed)),
            ShareAtLeft::SeedToKeep(seed, key) => {
                Masks::Keep(key).reader(form, &name, || stream(&name, seed))
            }
            ShareAtLeft::Kept(key) => key.read(form, &name).map(MaskReader::Again),
        };
        Ok(Self { masks: masks?, width: own.width() })
    }

    /// S of some rows.
    pub(super) fn block(&mut self, range: Range<usize>, share: &mut Vec<u16>) {
        share.resize(range.len() * self.width, 0);
        self.masks.fill((range.start * self.width) as u64, share);
    }
}

/// Right's shares of one owner's columns.
pub(super) struct AtRight<'a> {
    name: StepName,
    width: usize,
    owner: Option<&'a mut dyn Channel>,
    blocks: Blocks<'a>,
}

impl<'a> AtRight<'a> {
    pub(super) fn new(
        step: &StepName,
        other: usize,
        width: usize,
        share: ShareAtRight<'a>,
    ) -> Result<Self, ProtocolError> {
        let (owner, blocks) = match share {
            ShareAtRight::Owner(owner) => (Some(owner), Blocks::Travel),
            ShareAtRight::OwnerToKeep(owner, store) => (Some(owner), Blocks::Keep(store)),
            ShareAtRight::Kept(store) => (None, Blocks::Kept(store)),
        };
        Ok(Self { name: name(step, other)?, width, owner, blocks })
    }

    /// C − S of some rows.
    pub(super) fn block(
        &mut self,
        index: u64,
        range: Range<usize>,
        share: &mut Vec<u16>,
    ) -> Result<(), ProtocolError> {
        let owner: Option<&mut dyn Channel> = match &mut self.owner {
            Some(owner) => Some(&mut **owner),
            None => None,
        };
        self.blocks.next(owner, &self.name, index, [range.len(), self.width], share)
    }
}

/// A further owner's columns as a factor at left.
pub struct ColumnsAtLeft(AtLeft);

impl ColumnsAtLeft {
    /// Factor number `factor` of the shape. A seed is one with its owner that is used for nothing else.
    ///
    /// # Errors
    /// [`ProtocolError`]; `Input` where there is no such factor.
    pub fn new(
        step: &StepName,
        shape: &JoinedShape,
        factor: usize,
        share: ShareAtLeft<'_>,
    ) -> Result<Self, ProtocolError> {
        let own = shape.factors.get(factor).ok_or(ProtocolError::Input)?;
        Ok(Self(AtLeft::new(step, factor, own, [shape.rows, shape.block_rows], share)?))
    }
}

impl Factor for ColumnsAtLeft {
    fn block(
        &mut self,
        _worker: &mut dyn Channel,
        _dealer: &mut dyn Channel,
        _index: u64,
        rows: Range<usize>,
        share: &mut Vec<u16>,
    ) -> Result<(), ProtocolError> {
        self.0.block(rows, share);
        Ok(())
    }
}

/// A further owner's columns as a factor at right.
pub struct ColumnsAtRight<'a>(AtRight<'a>);

impl<'a> ColumnsAtRight<'a> {
    /// Factor number `factor` of the shape.
    ///
    /// # Errors
    /// [`ProtocolError`]; `Input` where there is no such factor.
    pub fn new(
        step: &StepName,
        shape: &JoinedShape,
        factor: usize,
        share: ShareAtRight<'a>,
    ) -> Result<Self, ProtocolError> {
        let own = shape.factors.get(factor).ok_or(ProtocolError::Input)?;
        Ok(Self(AtRight::new(step, factor, own.width(), share)?))
    }
}

impl Factor for ColumnsAtRight<'_> {
    fn block(
        &mut self,
        _worker: &mut dyn Channel,
        _dealer: &mut dyn Channel,
        index: u64,
        rows: Range<usize>,
        share: &mut Vec<u16>,
    ) -> Result<(), ProtocolError> {
        self.0.block(index, rows, share)
    }
}

/// A further owner's columns as a factor at the dealer: it has no part in them.
pub struct DealtColumns;

impl DealtFactor for DealtColumns {
    fn block(
        &mut self,
        _left: &mut dyn Channel,
        _right: &mut dyn Channel,
        _index: u64,
        _rows: Range<usize>,
    ) -> Result<(), ProtocolError> {
        Ok(())
    }
}
