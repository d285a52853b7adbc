//! The heart: counts, record-key sums and sums of values over all linked rows, by category of every owner.
//!
//! Each owner has for each row at most one category, and *values*: non-negative numbers of at most eight bits, the limbs of whatever
//! is summed. Left has a record key of three 16-bit limbs besides. X₀ is left's one-hot matrix, X₁ X₂ X₃ the same with a limb of the record key in
//! place of the one, X₄ … with a value; Y₀ is right's one-hot matrix, Y₁ … with a value. Wanted are shares of
//!
//! ```text
//! counts          X₀ᵀY₀           in ℤ/2¹²⁸
//! key sums        Xⱼᵀ Y₀          in ℤ/2¹⁶,   j = 1, 2, 3
//! sums of values  Xⱼᵀ Y₀, X₀ᵀ Yⱼ  in ℤ/2¹²⁸,  j of values
//! ```
//!
//! Everything travels in ℤ/2¹⁶, two bytes a column. Key sums are wanted there. The others are taken over stretches of
//! rows short enough that the sum is below 2¹⁵, and [lifted](super::lift). U are masks from the seed of dealer and left, V from
//! that of dealer and right, R masks of the results from further streams of left's seed.
//!
//! | step | message | size a row | what the receiver learns |
//! | --- | --- | --- | --- |
//! | 0 | others → right, each block: [`super::shared_columns`] | 2 bytes × their columns | nothing |
//! | 1 | left → right, each block: X − U | 2 bytes × left columns | nothing: uniform without left's seed |
//! | 2 | right → left, each block: Y − V | 2 bytes × right columns | nothing: uniform without right's seed |
//! | 3 | dealer → right, for each stretch that ended: UᵀV − R | 2 bytes × cells a stretch | nothing: uniform without left's seed |
//! | 4 | the lift's messages | 4 bytes × cells a stretch | nothing, see [`super::lift`] |
//! | 5 | dealer → right, at the end: the same for the key sums | none | nothing |
//!
//! ```text
//! left:   Xᵀ(Y − V) + R
//! right:  (X − U)ᵀV + (UᵀV − R)
//! sum:    XᵀY
//! ```
//!
//! Why R, and why a fresh one for each product and stretch: without it right could read off a category with one unit
//! from UᵀV and V. Why one U and one V may serve several products: X − U and Y − V are sent once, and every result is
//! masked independently.
//!
//! # More owners
//! Further owners share their columns to the workers: of such a column z, left has s and right has z − s. A sum over three owners
//! is then two sums over two, since what a worker knows it may multiply with what is its own:
//!
//! ```text
//! Σ x·y·z  =  Σ (x·s)·y  +  Σ x·(y·(z − s))
//! ```
//!
//! With m further owners there is a term for each way to take every other's share from left or from right, 2^m in all. So
//! left's columns are x times the products of its shares of *every set* of others, right's likewise, and each result is a sum
//! of terms, masked by one R. No message but those of step 0 is added to those of two owners, and no round. A worker has (its
//! own columns) · Π (1 + categories of each other) columns, and where an other has values, for each of them (its own
//! categories) · (that one's) · Π (1 + categories of each of the rest) more. Shares are not small, but the sum of the terms
//! is, so stretches and lift are those of two owners.
//!
//! # Columns that travelled before
//! Without further owners X and Y follow from the workers' own rows alone, and another product of the session may have the same:
//! steps 1 and 2 are then left out as [`super::kept`] says. With further owners they are multiplied with shares of this attempt and
//! are sent afresh; of step 0 each owner's part may be left out. Steps 3 to 5 are always done, with a fresh R.
//!
//! # Order
//! A block of rows travels column after column, and its masks lie in their streams in that order: every sum is then a dot
//! product of two runs of memory. Each sends a block before it works on the one before, so that links and processors are busy
//! at the same time. Stretches that end in one block come product by product, each in order of rows.
//!
//! Sizes, names and number of messages follow from [`ProductShape`] alone; a row without a category is sent,
//! and worked on, like any other. The dealer receives nothing.
//!
//! Source: see [`super::inner_product`], of which this is the form with narrow rings and one-hot columns; design §4. The further
//! owners' factors are multiplied out as in the GMW protocol's AND of shares (O. Goldreich, S. Micali, A. Wigderson, STOC 1987), where one factor is
//! known to each worker.

use std::ops::Range;

use crate::channel::{Channel, StepName};
use crate::kernel::{subtract, subtract_from};
use crate::protocol::blocks::{encoded, message};
use crate::protocol::kept::{Form, LeftColumns, MaskReader, RightColumns, Seeded, Whose};
use crate::protocol::lift::{DealtLift, Lift, add_all};
use crate::protocol::shared_columns::{AtLeft, AtRight, OwnerRows, ShareAtLeft, ShareAtRight};
use crate::protocol::stretch_sums::Ended;
use crate::protocol::wide_body::{Inbox, Outbox};
use crate::protocol::{ProtocolError, inner_product};
use crate::seeds::{MaskStream, PairSeed};
use crate::share::Share;

pub(super) mod block;
pub(super) mod shape;
#[cfg(test)]
pub(crate) mod tests;

use self::block::{WorkerRows, Writer};
pub(super) use self::shape::LIMBS;
pub use self::shape::{Cross, OwnerShape, ProductShape};

/// The category of a row that is in none.
pub const NO_CATEGORY: u32 = u32::MAX;

/// Left's private rows.
#[derive(Clone, Copy)]
pub struct LeftRows<'a> {
    /// Category of each row, or [`NO_CATEGORY`].
    pub categories: &'a [u32],
    /// Record key of each row; of no account where there is no category.
    pub keys: &'a [[u16; LIMBS]],
    /// Each value of each row, below 2^bits; of no account where there is no category.
    pub values: &'a [Vec<u8>],
}

/// One worker's shares of the results, by cell: left's category, right's, then each other's, the last fastest.
#[derive(Debug)]
pub struct ProductShares {
    /// Number of rows.
    pub counts: Share<u128>,
    /// Sum of each limb of the record keys of those rows.
    pub keys: [Share<u16>; LIMBS],
    /// Sum of each value over those rows: left's values, right's, then each other's; then of each product of two values.
    pub values: Vec<Share<u128>>,
}

impl ProductShares {
    pub(super) fn new(keys: &[u16], lifted: Vec<Share<u128>>) -> Self {
        let cells = keys.len() / LIMBS;
        let limb = |j: usize| Share::from_elements(keys[j * cells..(j + 1) * cells].to_vec());
        let mut lifted = lifted.into_iter();
        Self {
            counts: lifted.next().expect("counts are lifted first"),
            keys: [limb(0), limb(1), limb(2)],
            values: lifted.collect(),
        }
    }
}

/// The names of the steps and streams of one product.
struct Names {
    own: StepName,
    left: StepName,
    right: StepName,
    dealer: StepName,
    dealer_keys: StepName,
    lift: StepName,
}

impl Names {
    fn of(step: &StepName) -> Result<Self, ProtocolError> {
        Ok(Self {
            own: step.clone(),
            left: step.join("left")?,
            right: step.join("right")?,
            dealer: step.join("dealer")?,
            dealer_keys: step.join("dealer/keys")?,
            lift: step.join("lift")?,
        })
    }

    /// U.
    fn left_masks(&self, seed: &PairSeed) -> Result<MaskStream<u16>, ProtocolError> {
        Ok(seed.stream(&self.own, "left", "mask")?)
    }

    /// V.
    fn right_masks(&self, seed: &PairSeed) -> Result<MaskStream<u16>, ProtocolError> {
        Ok(seed.stream(&self.own, "right", "mask")?)
    }

    /// R of stretches, one after the other in the order in which they end.
    fn result_masks(&self, seed: &PairSeed) -> Result<MaskStream<u16>, ProtocolError> {
        Ok(seed.stream(&self.own, "stretches", "result")?)
    }

    /// R of the key sums.
    fn key_result_masks(&self, seed: &PairSeed) -> Result<MaskStream<u16>, ProtocolError> {
        Ok(seed.stream(&self.own, "keys", "result")?)
    }
}

/// Columns of which both workers' shares of further owners' columns are factors are of one attempt.
fn travels(shape: &ProductShape, everything: bool) -> Result<(), ProtocolError> {
    let expected = "no workers' columns that are kept where there are further owners";
    if everything || shape.others.is_empty() { Ok(()) } else { Err(ProtocolError::Shape { expected }) }
}

/// Left's part. `others` are its shares of the further owners' columns.
///
/// # Errors
/// [`ProtocolError`]; `Input`, and `Shape` where columns are kept that cannot be, before anything is sent.
pub fn left(
    step: &StepName,
    shape: &ProductShape,
    right: &mut dyn Channel,
    dealer_seed: &PairSeed,
    others: Vec<ShareAtLeft<'_>>,
    columns: LeftColumns<'_>,
) -> Result<ProductShares, ProtocolError> {
    let (shape, names) = (shape.checked()?, Names::of(step)?);
    let LeftColumns { rows: LeftRows { categories, keys, values }, is_kept, mut of_right } = columns;
    travels(shape, !is_kept && of_right.travel())?;
    let fits = OwnerRows { categories, values }.fit(&shape.left, shape.rows);
    if !fits || keys.len() != shape.rows || others.len() != shape.others.len() {
        return Err(ProtocolError::Input);
    }
    let mut writer = Writer::of_left(shape);
    let (width, right_width) = (writer.width(), shape.right_width());
    let mut masks = if is_kept { None } else { Some(names.left_masks(dealer_seed)?) };
    let mut results = names.result_masks(dealer_seed)?;
    let others = others.into_iter().enumerate().map(|(other, share)| {
        AtLeft::new(step, other, &shape.others[other], [shape.rows, shape.block_rows], share)
    });
    let mut others = others.collect::<Result<Vec<_>, _>>()?;
    let mut lift = Lift::new(&names.lift, true, dealer_seed, shape.tiles(), shape.rows)?;
    let mut products = shape.products();
    let (mut x, mut next, mut masked, mut theirs) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut result, mut position, mut ended) = (Vec::new(), 0, Ended::default());
    let mut shares = vec![Vec::new(); others.len()];
    // Step 1.
    let mut send = |right: &mut dyn Channel, index: u64, range: Range<usize>, x: &mut Vec<u16>| {
        for (other, share) in others.iter_mut().zip(&mut shares) {
            other.block(range.clone(), share);
        }
        writer.write(x, WorkerRows { categories, keys, values }, range.clone(), &shares);
        // Right may have it from before.
        let Some(masks) = &mut masks else { return Ok(()) };
        let start = (range.start * width) as u64;
        masked.resize(x.len(), 0);
        masks.fill(start, &mut masked);
        subtract_from(x, &mut masked);
        let body = encoded(&masked);
        masks.used(start, x.len(), &body);
        right.send(&names.left, index, &message(range.len(), width), body)
    };
    let mut blocks = shape.blocks().peekable();
    if let Some((index, range)) = blocks.peek().cloned() {
        send(right, index, range, &mut x)?;
    }
    while let Some((index, range)) = blocks.next() {
        if index > 0 {
            lift.send(right)?;
        }
        // The next block is on its way while this one is worked on.
        if let Some((index, range)) = blocks.peek().cloned() {
            send(right, index, range, &mut next)?;
        }

        // Step 2.
        of_right.next(Some(right), &names.right, index, [range.len(), right_width], &mut theirs)?;
        if index > 0 {
            lift.receive(right)?;
        }
        products.add(range, &x, &theirs, &mut ended);
        // Step 3: R.
        result.resize(ended.sums.len(), 0);
        results.fill(position, &mut result);
        position += result.len() as u64;
        add_all(&mut ended.sums, &result);
        ended.each().for_each(|(tile, share)| lift.add(tile, share));
        std::mem::swap(&mut x, &mut next);
    }
    if shape.rows > 0 {
        lift.send(right)?;
        lift.receive(right)?;
    }
    // Step 5.
    let mut keys = products.keys();
    result.resize(keys.len(), 0);
    names.key_result_masks(dealer_seed)?.fill(0, &mut result);
    add_all(&mut keys, &result);
    Ok(ProductShares::new(&keys, lift.finish(right, None, dealer_seed)?))
}

/// Right's part. `others` are its shares of the further owners' columns.
///
/// # Errors
/// [`ProtocolError`]; `Input`, and `Shape` where columns are kept that cannot be, before anything is sent.
pub fn right(
    step: &StepName,
    shape: &ProductShape,
    left: &mut dyn Channel,
    dealer: &mut dyn Channel,
    dealer_seed: &PairSeed,
    others: Vec<ShareAtRight<'_>>,
    columns: RightColumns<'_>,
) -> Result<ProductShares, ProtocolError> {
    let (shape, names) = (shape.checked()?, Names::of(step)?);
    let RightColumns { rows, masks, mut of_left } = columns;
    travels(shape, masks.travel() && of_left.travel())?;
    if !rows.fit(&shape.right, shape.rows) || others.len() != shape.others.len() {
        return Err(ProtocolError::Input);
    }
    let mut writer = Writer::of_right(shape);
    let (width, left_width) = (writer.width(), shape.left_width());
    let form = Form::new(Whose::Right, [shape.rows, shape.block_rows], &shape.right);
    let mut masks = masks.reader(form, &names.right, || names.right_masks(dealer_seed))?;
    let others = others.into_iter().enumerate();
    let others = others.map(|(other, share)| AtRight::new(step, other, shape.others[other].width(), share));
    let mut others = others.collect::<Result<Vec<_>, _>>()?;
    let mut products = shape.products();
    let mut lift = Lift::new(&names.lift, false, dealer_seed, shape.tiles(), shape.rows)?;
    let mut corrections = Inbox::new(&names.dealer);
    let (mut y, mut v, mut next, mut theirs) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut ended = Ended::default();
    let mut shares = vec![Vec::new(); others.len()];
    let rows = WorkerRows { categories: rows.categories, keys: &[], values: rows.values };
    // Step 2.
    let mut send = |left: &mut dyn Channel, index: u64, range: Range<usize>, v: &mut Vec<u16>| {
        // Step 0.
        for (other, share) in others.iter_mut().zip(&mut shares) {
            other.block(index, range.clone(), share)?;
        }
        let start = (range.start * width) as u64;
        v.resize(range.len() * width, 0);
        masks.fill(start, v);
        // Left may have Y − V from before; of Y itself right needs nothing else.
        let MaskReader::Fresh(masks) = &masks else { return Ok(()) };
        writer.write(&mut y, rows, range.clone(), &shares);
        subtract(&mut y, v);
        let body = encoded(&y);
        masks.used(start, y.len(), &body);
        Ok::<_, ProtocolError>(left.send(&names.right, index, &message(range.len(), width), body)?)
    };
    let mut blocks = shape.blocks().peekable();
    if let Some((index, range)) = blocks.peek().cloned() {
        send(left, index, range, &mut v)?;
    }
    while let Some((index, range)) = blocks.next() {
        if index > 0 {
            lift.send(left)?;
        }
        // The next block is on its way while this one is worked on.
        if let Some((index, range)) = blocks.peek().cloned() {
            send(left, index, range, &mut next)?;
        }

        // Step 1.
        of_left.next(Some(left), &names.left, index, [range.len(), left_width], &mut theirs)?;
        if index > 0 {
            lift.receive(left)?;
        }
        // Step 3: all stretches of a block come in one body.
        products.add(range, &theirs, &v, &mut ended);
        let corrections = corrections.receive::<u16>(dealer, ended.sums.len())?;
        add_all(&mut ended.sums, &corrections);
        ended.each().for_each(|(tile, share)| lift.add(tile, share));
        std::mem::swap(&mut v, &mut next);
    }
    if shape.rows > 0 {
        lift.send(left)?;
        lift.receive(left)?;
    }
    // Step 5.
    let mut keys = products.keys();
    let correction = Inbox::new(&names.dealer_keys).receive::<u16>(dealer, keys.len())?;
    add_all(&mut keys, &correction);
    Ok(ProductShares::new(&keys, lift.finish(left, Some(dealer), dealer_seed)?))
}

/// The dealer's part: messages to right only.
///
/// # Errors
/// [`ProtocolError`]; `Shape` and `Kept` before anything is sent.
pub fn deal(
    step: &StepName,
    shape: &ProductShape,
    right: &mut dyn Channel,
    of_left: Seeded<'_>,
    of_right: Seeded<'_>,
) -> Result<(), ProtocolError> {
    let (shape, names) = (shape.checked()?, Names::of(step)?);
    let Seeded { seed: left_seed, masks: left_masks } = of_left;
    let Seeded { seed: right_seed, masks: right_masks } = of_right;
    travels(shape, left_masks.travel() && right_masks.travel())?;
    let (left_width, right_width) = (shape.left_width(), shape.right_width());
    let form = |of, owner| Form::new(of, [shape.rows, shape.block_rows], owner);
    let (of_left, of_right) = (form(Whose::Left, &shape.left), form(Whose::Right, &shape.right));
    let mut left_masks = left_masks.reader(of_left, &names.left, || names.left_masks(left_seed))?;
    let mut right_masks = right_masks.reader(of_right, &names.right, || names.right_masks(right_seed))?;
    let mut results = names.result_masks(left_seed)?;
    let mut products = shape.products();
    let mut lift = DealtLift::new(&names.lift, left_seed, right_seed, shape.tiles(), shape.rows)?;
    let mut outbox = Outbox::new(&names.dealer);
    let (mut u, mut v, mut position, mut ended) = (Vec::new(), Vec::new(), 0, Ended::default());
    for (_, range) in shape.blocks() {
        u.resize(range.len() * left_width, 0u16);
        v.resize(range.len() * right_width, 0u16);
        left_masks.fill((range.start * left_width) as u64, &mut u);
        right_masks.fill((range.start * right_width) as u64, &mut v);
        // Step 3: never without R.
        products.add(range, &u, &v, &mut ended);
        ended.each().for_each(|(tile, _)| lift.add(tile));
        let body = inner_product::less_masks_from(&ended.sums, &mut results, position);
        position += ended.sums.len() as u64;
        outbox.send::<u16>(right, &body)?;
    }
    // Step 5.
    let keys = products.keys();
    let body = inner_product::less_masks(&keys, &mut names.key_result_masks(left_seed)?);
    Outbox::new(&names.dealer_keys).send::<u16>(right, &body)?;
    lift.finish(right, left_seed, right_seed)
}
