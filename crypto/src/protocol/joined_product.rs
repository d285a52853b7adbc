//! Counts, record-key sums and sums of values by category of left, of right and of factors that nobody owns, where
//! categories are many.
//!
//! The results are those of [`super::narrow_product`], where a worker's columns grow with Π (1 + c) over the categories c of
//! what comes as shares. Here it is joined factor by factor, row by row, and what travels grows with the columns of what
//! is joined before the last factor, plus those of the last. A [`Factor`] has its columns in shares of the workers: those
//! of a further owner ([`super::shared_columns`]), or classes of a difference of two owners' dates.
//!
//! *Heads* are what is wanted: ones, the three limbs of the record key, left's values, right's, each factor's, and products of two
//! owners' values. A *stage*
//! takes the columns P of all heads so far and those of an operand Z, and makes each head's columns times Z's, row by row.
//! In the first stage P is left's own, its one-hot columns with the head's number in place of the one, and Z is right's
//! own, with a one or a value. In every other Z is a factor, and of P and Z both have shares. The last stage's products
//! are summed over stretches of rows and [lifted](super::lift), those of record keys over all rows mod 2¹⁶. Everything
//! travels in ℤ/2¹⁶.
//!
//! ```text
//! A = (P_L − U₁, Z_L − U₂)        left's; of the first stage only P − U₁
//! B = (P_R − V₁, Z_R − V₂)        right's; of the first stage only Z − V₂
//! D = U₁V₂ + V₁U₂ − R             the dealer's; of the first stage U₁V₂ − R
//!
//! left:   (P_L + B₁)(Z_L + B₂) + R                =  (P − V₁)(Z − V₂) + R
//! right:  V₁(Z_R + A₂) + (A₁ + B₁)V₂ + D          =  V₁Z + (P − V₁)V₂ − R
//! sum:    PZ
//! ```
//!
//! | step | message | size a row | what the receiver learns |
//! | --- | --- | --- | --- |
//! | 0 | the factors' own, for each block | theirs | nothing, see them |
//! | 1 | left → right, each stage and block: A | 2 bytes × columns of P and, but for the first, of Z | nothing: uniform without left's seed |
//! | 2 | right → left, each stage and block: B | 2 bytes × columns of Z and, but for the first, of P | nothing: uniform without right's seed |
//! | 3 | dealer → right, each stage but the last, each block: D | 2 bytes × columns of the products | nothing: uniform without left's seed |
//! | 4 | dealer → right, each stretch that ended: U₁ᵀV₂ + V₁ᵀU₂ − R of the last stage | 2 bytes × cells a stretch | nothing, likewise |
//! | 5 | the lift's messages | 4 bytes × cells a stretch | nothing, see [`super::lift`] |
//! | 6 | dealer → right, at the end: the same as step 4 for the key sums | none | nothing, likewise |
//!
//! U is from the seed of dealer and left, V from that of dealer and right, R from further streams of left's seed. Every
//! stage has its own, afresh for each row and column, so what a worker sees is uniform whatever it saw before and whatever
//! P and Z are. One U₂ and one V₂ serve all heads: Z_L − U₂ and Z_R − V₂ are sent once, and each product has an R of its
//! own. Why R: as in a narrow product, right could solve D for U without it.
//!
//! **Where right is everyone** its columns are ones, and its stage is left out. In the first stage Z is then the first
//! factor, P still left's own, and left has Z_L + B₂ in place of B₂: only P and Z_R are masked and sent. With one factor
//! nothing is joined row by row, and the dealer sends nothing for a row.
//!
//! # Columns that travelled before
//! A of the first stage follows from left's rows alone, and so does B from right's unless right is everyone: they may have
//! travelled in another product of the session, also in a narrow one with blocks of as many rows, and are then left out as
//! [`super::kept`] says; likewise what further owners send in step 0. Everything else is of this attempt, R above all.
//!
//! # Order
//! All stages work at once, each on another block. In a *turn* both workers take the factors' shares of a new block; send a
//! block of each stage, the last stage's first, which are one block apart, and bits to lift; sum the products of what the
//! last stage received in the turn before, while all that is on its way; and receive. So a turn takes the time of one
//! message, however many stages there are. When a factor is asked for shares, nothing else is on its way between the
//! workers. What one party sends another by row in a turn is about a mebibyte at most, in all; memory is a few times that
//! for each stage, and the sums. A block travels column after column, and its masks lie in their streams in that order.
//!
//! Sizes, names and number of messages follow from [`JoinedShape`] alone; a row without a category is sent,
//! and worked on, like any other. The dealer receives nothing.
//!
//! Source: D. Beaver, "Efficient multiparty protocols using circuit randomization", CRYPTO 1991, with the masks taken from
//! seeds as in P. Mohassel and Y. Zhang, "SecureML", IEEE S&P 2017, section 4.1: a triple for each row and pair of columns
//! where the product stays in shares, one for each stretch and pair of columns where it is summed.

use std::collections::VecDeque;
use std::ops::Range;

use crate::channel::{Channel, StepName};
use crate::protocol::factor::{DealtFactor, Factor};
use crate::protocol::kept::{Form, LeftColumns, RightColumns, Seeded, Whose};
use crate::protocol::lift::{DealtLift, Lift, add_all};
use crate::protocol::narrow_product::block::{WorkerRows, Writer};
use crate::protocol::narrow_product::{LeftRows, ProductShares};
use crate::protocol::shared_columns::OwnerRows;
use crate::protocol::stretch_sums::{Ended, Products};
use crate::protocol::wide_body::{Inbox, Outbox};
use crate::protocol::{ProtocolError, inner_product};
use crate::seeds::{MaskStream, PairSeed};

mod shape;
mod stage;
#[cfg(test)]
pub(crate) mod tests;

pub use self::shape::JoinedShape;
use self::stage::{DealtStage, Matrices, Travel, WorkedStage};

/// The names of the steps and streams of the sums.
struct Names {
    own: StepName,
    dealer: StepName,
    dealer_keys: StepName,
    lift: StepName,
}

impl Names {
    fn of(step: &StepName) -> Result<Self, ProtocolError> {
        Ok(Self {
            own: step.clone(),
            dealer: step.join("dealer")?,
            dealer_keys: step.join("dealer/keys")?,
            lift: step.join("lift")?,
        })
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

/// Which block each stage has come to.
struct Turns {
    rows: usize,
    block_rows: usize,
    stages: usize,
}

impl Turns {
    fn of(shape: &JoinedShape, stages: usize) -> Self {
        Self { rows: shape.rows, block_rows: shape.block_rows, stages }
    }

    /// All turns. A block is summed in the one after that in which the last stage had it.
    fn all(&self) -> Range<usize> {
        let blocks = self.rows.div_ceil(self.block_rows);
        if blocks == 0 { 0..0 } else { 0..blocks + self.stages }
    }

    /// The block of a stage in a turn; the number of stages stands for the sums.
    fn block(&self, turn: usize, stage: usize) -> Option<(u64, Range<usize>)> {
        let index = turn.checked_sub(stage)?;
        let start = index * self.block_rows;
        (start < self.rows).then(|| (index as u64, start..self.rows.min(start + self.block_rows)))
    }
}

/// What is added to a worker's sums: R at left, and at right what the dealer sends.
enum Corrections {
    Drawn { results: Box<MaskStream<u16>>, position: u64 },
    Dealt(Inbox),
}

impl Corrections {
    fn add_to(&mut self, sums: &mut [u16], dealer: &mut dyn Channel) -> Result<(), ProtocolError> {
        let more = match self {
            Self::Drawn { results, position } => {
                let mut masks = vec![0; sums.len()];
                results.fill(*position, &mut masks);
                *position += masks.len() as u64;
                masks
            }
            Self::Dealt(inbox) => inbox.receive(dealer, sums.len())?,
        };
        add_all(sums, &more);
        Ok(())
    }
}

/// A worker's part.
struct Worker<'s, 'k> {
    shape: &'s JoinedShape,
    stages: Vec<WorkedStage<'k>>,
    /// Of each factor, shares of the blocks that its stage has not come to.
    waiting: Vec<VecDeque<Vec<u16>>>,
    /// What the last stage received.
    ready: Matrices,
    products: Products,
    ended: Ended,
    corrections: Corrections,
    key_corrections: Corrections,
    lift: Lift,
}

impl<'s, 'k> Worker<'s, 'k> {
    fn new(
        step: &StepName,
        shape: &'s JoinedShape,
        is_left: bool,
        dealer_seed: &PairSeed,
        mut travel: Travel<'k>,
    ) -> Result<Self, ProtocolError> {
        let names = Names::of(step)?;
        let form = forms(shape)[usize::from(!is_left)];
        let stages = shape.stages().into_iter().enumerate().map(|(number, stage)| {
            // Taken by the first.
            let travel = std::mem::take(&mut travel);
            WorkedStage::new(step, number, stage, is_left, dealer_seed, form, travel)
        });
        let stages = stages.collect::<Result<Vec<_>, _>>()?;
        let [corrections, key_corrections] = if is_left {
            let (results, keys) = (names.result_masks(dealer_seed)?, names.key_result_masks(dealer_seed)?);
            [results, keys].map(|results| Corrections::Drawn { results: Box::new(results), position: 0 })
        } else {
            [&names.dealer, &names.dealer_keys].map(|name| Corrections::Dealt(Inbox::new(name)))
        };
        Ok(Self {
            shape,
            waiting: vec![VecDeque::new(); shape.factors.len()],
            ready: Matrices::default(),
            products: shape.products(stages.last().map_or(1, WorkedStage::terms)),
            stages,
            ended: Ended::default(),
            corrections,
            key_corrections,
            lift: Lift::new(&names.lift, is_left, dealer_seed, shape.tiles(), shape.rows)?,
        })
    }

    /// Everything that is done block by block. `write` puts this worker's own columns of some rows into the first stage.
    fn run(
        &mut self,
        peer: &mut dyn Channel,
        dealer: &mut dyn Channel,
        factors: &mut [&mut dyn Factor],
        mut write: impl FnMut(&mut Matrices, Range<usize>),
    ) -> Result<(), ProtocolError> {
        let turns = Turns::of(self.shape, self.stages.len());
        for turn in turns.all() {
            if let Some((index, rows)) = turns.block(turn, 0) {
                // Step 0.
                for ((factor, shape), waiting) in
                    factors.iter_mut().zip(&self.shape.factors).zip(&mut self.waiting)
                {
                    let mut share = Vec::new();
                    factor.block(peer, dealer, index, rows.clone(), &mut share)?;
                    if share.len() != rows.len() * shape.width() {
                        return Err(ProtocolError::Input);
                    }
                    waiting.push_back(share);
                }
                write(&mut self.stages[0].matrices, rows);
            }
            self.send(peer, &turns, turn)?;
            // What was sent is on its way while this is worked on.
            self.sum(dealer, &turns, turn)?;
            self.receive(peer, dealer, &turns, turn)?;
        }
        if self.shape.rows > 0 {
            self.lift.send(peer)?;
            self.lift.receive(peer)?;
        }
        Ok(())
    }

    /// Steps 1 and 2, and bits of the sums of the turn before.
    fn send(&mut self, peer: &mut dyn Channel, turns: &Turns, turn: usize) -> Result<(), ProtocolError> {
        for (at, stage) in self.stages.iter_mut().enumerate().rev() {
            let Some((index, rows)) = turns.block(turn, at) else { continue };
            if let Some(factor) = stage.stage.factor {
                stage.matrices.operand =
                    self.waiting[factor].pop_front().expect("a factor's shares come before they are used");
            }
            stage.send(peer, index, rows)?;
        }
        self.lift.send(peer)
    }

    /// Step 4: sums of what the last stage received in the turn before.
    fn sum(&mut self, dealer: &mut dyn Channel, turns: &Turns, turn: usize) -> Result<(), ProtocolError> {
        self.ended.clear();
        let Some((_, rows)) = turns.block(turn, self.stages.len()) else { return Ok(()) };
        self.products.add(rows, &self.ready.coming, &self.ready.operand, &mut self.ended);
        self.corrections.add_to(&mut self.ended.sums, dealer)
    }

    /// Receives what the other worker sent in this turn. The last stage goes first, so that each finds the next one's
    /// place free.
    fn receive(
        &mut self,
        peer: &mut dyn Channel,
        dealer: &mut dyn Channel,
        turns: &Turns,
        turn: usize,
    ) -> Result<(), ProtocolError> {
        for at in (0..self.stages.len()).rev() {
            let Some((index, rows)) = turns.block(turn, at) else { continue };
            let (before, after) = self.stages.split_at_mut(at + 1);
            let stage = &mut before[at];
            stage.receive(peer, index, rows.len())?;
            match after.first_mut() {
                // Step 3.
                Some(next) => stage.multiply(dealer, index, rows.clone(), next.coming(rows.len()))?,
                None => std::mem::swap(&mut self.ready, &mut stage.matrices),
            }
        }
        self.lift.receive(peer)?;
        self.ended.each().for_each(|(tile, share)| self.lift.add(tile, share));
        Ok(())
    }

    /// What is done once, at the end.
    fn finish(
        mut self,
        peer: &mut dyn Channel,
        dealer: &mut dyn Channel,
        dealer_seed: &PairSeed,
    ) -> Result<ProductShares, ProtocolError> {
        // Step 6.
        let mut keys = self.products.keys();
        self.key_corrections.add_to(&mut keys, dealer)?;
        let dealer = match self.key_corrections {
            Corrections::Drawn { .. } => None,
            Corrections::Dealt(_) => Some(dealer),
        };
        Ok(ProductShares::new(&keys, self.lift.finish(peer, dealer, dealer_seed)?))
    }
}

/// The forms of left's own columns and of right's.
fn forms(shape: &JoinedShape) -> [Form; 2] {
    [(Whose::Left, &shape.left), (Whose::Right, &shape.right)]
        .map(|(of, owner)| Form::new(of, [shape.rows, shape.block_rows], owner))
}

/// Of a right that is everyone nothing can be kept: what it sends in the first stage is a share of a factor.
fn right_travels(shape: &JoinedShape, travels: bool) -> Result<(), ProtocolError> {
    let expected = "no columns of right's that are kept where right is everyone";
    if travels || !shape.right_is_everyone { Ok(()) } else { Err(ProtocolError::Shape { expected }) }
}

/// Left's part. The link to the dealer is there for factors; the product itself has no message on it.
///
/// # Errors
/// [`ProtocolError`]; `Input`, and `Shape` where columns are kept that cannot be, before anything is sent; `Input` where a
/// factor's shares are not of the shape.
pub fn left(
    step: &StepName,
    shape: &JoinedShape,
    right: &mut dyn Channel,
    dealer: &mut dyn Channel,
    dealer_seed: &PairSeed,
    factors: &mut [&mut dyn Factor],
    columns: LeftColumns<'_>,
) -> Result<ProductShares, ProtocolError> {
    let shape = shape.checked()?;
    let LeftColumns { rows: LeftRows { categories, keys, values }, is_kept, of_right: theirs } = columns;
    right_travels(shape, theirs.travel())?;
    let fits = OwnerRows { categories, values }.fit(&shape.left, shape.rows);
    if !fits || keys.len() != shape.rows || factors.len() != shape.factors.len() {
        return Err(ProtocolError::Input);
    }
    let workers = shape.workers();
    let mut writer = Writer::of_left(&workers);
    let mut worker =
        Worker::new(step, shape, true, dealer_seed, Travel { is_kept, theirs, ..Travel::default() })?;
    worker.run(right, dealer, factors, |first, range| {
        writer.write(&mut first.coming, WorkerRows { categories, keys, values }, range, &[]);
    })?;
    worker.finish(right, dealer, dealer_seed)
}

/// Right's part. Where right is everyone, all its rows are in its one category.
///
/// # Errors
/// [`ProtocolError`]; `Input`, and `Shape` where columns are kept that cannot be, before anything is sent; `Input` where a
/// factor's shares are not of the shape.
pub fn right(
    step: &StepName,
    shape: &JoinedShape,
    left: &mut dyn Channel,
    dealer: &mut dyn Channel,
    dealer_seed: &PairSeed,
    factors: &mut [&mut dyn Factor],
    columns: RightColumns<'_>,
) -> Result<ProductShares, ProtocolError> {
    let shape = shape.checked()?;
    let RightColumns { rows, masks, of_left: theirs } = columns;
    right_travels(shape, masks.travel())?;
    let is_everyone = || rows.categories.iter().all(|category| *category == 0);
    let fits = rows.fit(&shape.right, shape.rows) && (!shape.right_is_everyone || is_everyone());
    if !fits || factors.len() != shape.factors.len() {
        return Err(ProtocolError::Input);
    }
    let workers = shape.workers();
    let mut writer = Writer::of_right(&workers);
    // What is neither multiplied with nor sent need not be written: of its own columns right needs what left lacks.
    let is_written = !shape.right_is_everyone && masks.are_fresh();
    let travel = Travel { masks, theirs, ..Travel::default() };
    let mut worker = Worker::new(step, shape, false, dealer_seed, travel)?;
    let rows = WorkerRows { categories: rows.categories, keys: &[], values: rows.values };
    worker.run(left, dealer, factors, |first, range| {
        if is_written {
            writer.write(&mut first.operand, rows, range, &[]);
        }
    })?;
    worker.finish(left, dealer, dealer_seed)
}

/// The dealer's part: messages to right. The link to left is there for factors.
///
/// # Errors
/// [`ProtocolError`]; `Input`, `Shape` and `Kept` before anything is sent.
pub fn deal(
    step: &StepName,
    shape: &JoinedShape,
    left: &mut dyn Channel,
    right: &mut dyn Channel,
    of_left: Seeded<'_>,
    of_right: Seeded<'_>,
    factors: &mut [&mut dyn DealtFactor],
) -> Result<(), ProtocolError> {
    let (shape, names) = (shape.checked()?, Names::of(step)?);
    right_travels(shape, of_right.masks.travel())?;
    if factors.len() != shape.factors.len() {
        return Err(ProtocolError::Input);
    }
    let (left_seed, right_seed) = (of_left.seed, of_right.seed);
    let (mut seeded, forms) = ([of_left, of_right], forms(shape));
    let stages = shape.stages().into_iter().enumerate().map(|(number, stage)| {
        // The first takes what is kept.
        let seeded = std::mem::replace(&mut seeded, [left_seed, right_seed].map(Seeded::from));
        DealtStage::new(step, number, stage, seeded, forms)
    });
    let mut stages = stages.collect::<Result<Vec<_>, _>>()?;
    let turns = Turns::of(shape, stages.len());
    let mut last = stages.pop().expect("a shape that was checked has a factor");
    let mut products = shape.products(last.terms());
    let (mut results, mut position) = (names.result_masks(left_seed)?, 0);
    let mut lift = DealtLift::new(&names.lift, left_seed, right_seed, shape.tiles(), shape.rows)?;
    let (mut outbox, mut ended) = (Outbox::new(&names.dealer), Ended::default());
    for turn in turns.all() {
        // Step 0.
        if let Some((index, rows)) = turns.block(turn, 0) {
            for factor in factors.iter_mut() {
                factor.block(left, right, index, rows.clone())?;
            }
        }
        // Step 4: never without R.
        if let Some((_, rows)) = turns.block(turn, turns.stages) {
            last.draw(rows.clone());
            products.add(rows, &last.matrices.coming, &last.matrices.operand, &mut ended);
            ended.each().for_each(|(tile, _)| lift.add(tile));
            let body = inner_product::less_masks_from(&ended.sums, &mut results, position);
            position += ended.sums.len() as u64;
            outbox.send::<u16>(right, &body)?;
        }
        // Step 3, in the order in which right asks for it.
        for (at, stage) in stages.iter_mut().enumerate().rev() {
            let Some((index, rows)) = turns.block(turn, at) else { continue };
            stage.draw(rows.clone());
            stage.correct(right, index, rows)?;
        }
    }
    // Step 6.
    let keys = products.keys();
    let body = inner_product::less_masks(&keys, &mut names.key_result_masks(left_seed)?);
    Outbox::new(&names.dealer_keys).send::<u16>(right, &body)?;
    lift.finish(right, left_seed, right_seed)
}
