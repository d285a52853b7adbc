//! One stage at a party: what it sends, what it receives, and the products of a block.
//!
//! A party's two matrices of a block lie so that its products are those of the first half of one with the first of the other
//! and, where there are second halves, of the second with the second:
//!
//! | party | left's own × operand | shared × operand |
//! | --- | --- | --- |
//! | left | X · (Z_L + B₂) | (P_L + B₁) · (Z_L + B₂) |
//! | right | A₁ · V₂ | V₁ · (Z_R + A₂) + (A₁ + B₁) · V₂ |
//! | dealer | U₁ · V₂ | U₁ · V₂ + V₁ · U₂ |
//!
//! A = (A₁, A₂) is what left sends, B = (B₁, B₂) what right sends. In the first stage one of them, or both, may have been sent in an
//! earlier attempt ([`kept`](crate::protocol::kept)).

use std::ops::Range;

use crate::channel::{Channel, ChannelError, StepName};
use crate::kernel::{add, add_row_products, subtract, subtract_from};
use crate::protocol::ProtocolError;
use crate::protocol::blocks::{encoded, message};
use crate::protocol::joined_product::shape::Stage;
use crate::protocol::kept::{Blocks, Form, MaskReader, Masks, Seeded};
use crate::ring::Ring;
use crate::seeds::{MaskStream, PairSeed};

/// The names of the messages and streams of one stage.
struct Names {
    own: StepName,
    left: StepName,
    right: StepName,
    dealer: StepName,
}

impl Names {
    fn of(step: &StepName, number: usize) -> Result<Self, ProtocolError> {
        let own = step.join(&format!("stage{number}"))?;
        let (left, right, dealer) = (own.join("left")?, own.join("right")?, own.join("dealer")?);
        Ok(Self { own, left, right, dealer })
    }

    /// U, of what comes in and of the operand.
    fn left_masks(&self, seed: &PairSeed) -> Result<MaskStream<u16>, ProtocolError> {
        Ok(seed.stream(&self.own, "left", "mask")?)
    }

    /// V, likewise.
    fn right_masks(&self, seed: &PairSeed) -> Result<MaskStream<u16>, ProtocolError> {
        Ok(seed.stream(&self.own, "right", "mask")?)
    }

    /// R of what comes out of a stage that is not the last.
    fn result_masks(&self, seed: &PairSeed) -> Result<MaskStream<u16>, ProtocolError> {
        Ok(seed.stream(&self.own, "rows", "result")?)
    }
}

/// The two matrices of which a party adds up products.
#[derive(Default)]
pub(super) struct Matrices {
    /// Of what comes in, and behind it, where there are two products, of the same again.
    pub(super) coming: Vec<u16>,
    /// Of the operand, likewise.
    pub(super) operand: Vec<u16>,
}

impl Matrices {
    /// Adds the products of a block, row by row, to what comes out.
    fn add_to(&self, stage: &Stage, terms: usize, height: usize, out: &mut [u16]) {
        let part = |width: usize, columns: &Range<usize>, matrix: usize| {
            let first = matrix * width;
            (first + columns.start) * height..(first + columns.end) * height
        };
        for (out, (left, right)) in out.chunks_exact_mut(stage.columns_after() * height).zip(stage.pairs()) {
            let pair = |matrix: usize| {
                let left = part(stage.width(), &left, matrix);
                let right = part(stage.operand_width(), &right, matrix);
                (&self.coming[left], &self.operand[right])
            };
            match terms {
                1 => add_row_products(out, &[pair(0)], height),
                _ => add_row_products(out, &[pair(0), pair(1)], height),
            }
        }
    }
}

/// What a worker does about masks and blocks of a stage. In all but the first everything travels.
#[derive(Default)]
pub(super) struct Travel<'a> {
    /// Whether nothing is sent and no mask is needed: of left's own columns, which right has.
    pub(super) is_kept: bool,
    pub(super) masks: Masks<'a>,
    pub(super) theirs: Blocks<'a>,
}

/// A stage at a worker.
pub(super) struct WorkedStage<'a> {
    pub(super) stage: Stage,
    is_left: bool,
    names: Names,
    /// Of what this worker sends, or right sent; none at left where it sent it before.
    masks: Option<MaskReader>,
    /// What it receives.
    blocks: Blocks<'a>,
    /// At left: R. Right has corrections in its place.
    results: Option<MaskStream<u16>>,
    /// Before a block is sent: at left its share of what comes in, and of the operand (none where that is right's own); at
    /// right its share of the operand and, where there is one, behind it as much free room, of what comes in.
    pub(super) matrices: Matrices,
    masked: Vec<u16>,
    theirs: Vec<u16>,
}

impl<'a> WorkedStage<'a> {
    /// `form`: of this worker's own columns, where it has masks to keep or kept ones.
    pub(super) fn new(
        step: &StepName,
        number: usize,
        stage: Stage,
        is_left: bool,
        dealer_seed: &PairSeed,
        form: Form,
        travel: Travel<'a>,
    ) -> Result<Self, ProtocolError> {
        let names = Names::of(step, number)?;
        let Travel { is_kept, masks, theirs: blocks } = travel;
        let masks = match is_left {
            true if is_kept => None,
            true => Some(masks.reader(form, &names.left, || names.left_masks(dealer_seed))?),
            false => Some(masks.reader(form, &names.right, || names.right_masks(dealer_seed))?),
        };
        let results = if is_left { Some(names.result_masks(dealer_seed)?) } else { None };
        let (matrices, masked, theirs) = Default::default();
        Ok(Self { stage, is_left, names, masks, blocks, results, matrices, masked, theirs })
    }

    /// Products of matrices that this worker adds up: those of one half of its matrices, or of both.
    pub(super) fn terms(&self) -> usize {
        if self.stage.is_shared && !self.is_left { 2 } else { 1 }
    }

    /// Where this worker's share of what comes in goes.
    pub(super) fn coming(&mut self, height: usize) -> &mut [u16] {
        let elements = self.stage.width() * height;
        self.matrices.coming.resize(self.terms() * elements, 0);
        let first = self.matrices.coming.len() - elements;
        &mut self.matrices.coming[first..]
    }

    /// Sends a block of its own, masked.
    pub(super) fn send(
        &mut self,
        peer: &mut dyn Channel,
        index: u64,
        rows: Range<usize>,
    ) -> Result<(), ProtocolError> {
        let height = rows.len();
        let (name, width) = match self.is_left {
            true => (&self.names.left, self.stage.left_width()),
            false => (&self.names.right, self.stage.right_width()),
        };
        let position = (rows.start * width) as u64;
        let own = self.stage.width() * height;
        let Matrices { coming, operand } = &mut self.matrices;
        let masks = match &mut self.masks {
            // Left's own, which right has.
            None => return Ok(()),
            // Right's own, which left has: right needs V₂ alone.
            Some(MaskReader::Again(masks)) => {
                operand.resize(width * height, 0);
                masks.fill(position, operand);
                return Ok(());
            }
            Some(MaskReader::Fresh(masks)) => masks,
        };
        self.masked.resize(width * height, 0);
        if self.is_left {
            masks.fill(position, &mut self.masked);
            subtract_from(coming, &mut self.masked[..own]);
            if self.stage.is_shared {
                subtract_from(operand, &mut self.masked[own..]);
            }
        } else if self.stage.is_shared {
            // V₁ stays before what comes in, of which B₁ is left, and V₂ behind the operand.
            let (mask, coming) = coming.split_at_mut(own);
            masks.fill(position, mask);
            subtract(coming, mask);
            self.masked[..own].copy_from_slice(coming);
            let elements = operand.len();
            operand.resize(2 * elements, 0);
            let (operand, mask) = operand.split_at_mut(elements);
            masks.fill(position + own as u64, mask);
            self.masked[own..].copy_from_slice(mask);
            subtract_from(operand, &mut self.masked[own..]);
        } else {
            // V₂ takes the operand's place.
            std::mem::swap(operand, &mut self.masked);
            operand.resize(self.masked.len(), 0);
            masks.fill(position, operand);
            subtract(&mut self.masked, operand);
        }
        let body = encoded(&self.masked);
        masks.used(position, self.masked.len(), &body);
        Ok(peer.send(name, index, &message(height, width), body)?)
    }

    /// Receives the other's block, and makes of both what is multiplied.
    pub(super) fn receive(
        &mut self,
        peer: &mut dyn Channel,
        index: u64,
        height: usize,
    ) -> Result<(), ProtocolError> {
        let (name, width) = match self.is_left {
            true => (&self.names.right, self.stage.right_width()),
            false => (&self.names.left, self.stage.left_width()),
        };
        let own = self.stage.width() * height;
        let Matrices { coming, operand } = &mut self.matrices;
        let mut receive = |block| self.blocks.next(Some(peer), name, index, [height, width], block);
        // Right has no share of what is left's own, nor left of what is right's own.
        if !self.stage.is_shared && !self.is_left {
            return receive(coming);
        }
        if self.stage.factor.is_none() {
            return receive(operand);
        }
        receive(&mut self.theirs)?;
        if self.stage.is_shared {
            let first = coming.len() - own;
            add(&mut coming[first..], &self.theirs[..own]);
        }
        let of_operand = self.stage.operand_width() * height;
        add(&mut operand[..of_operand], &self.theirs[self.theirs.len() - of_operand..]);
        Ok(())
    }

    /// This worker's share of what comes out of a block: R or the dealer's correction, and the products.
    pub(super) fn multiply(
        &mut self,
        dealer: &mut dyn Channel,
        index: u64,
        rows: Range<usize>,
        out: &mut [u16],
    ) -> Result<(), ProtocolError> {
        let width = self.stage.width_after();
        match &mut self.results {
            Some(results) => results.fill((rows.start * width) as u64, out),
            None => {
                let name = &self.names.dealer;
                let body = dealer.receive(name, index, &message(rows.len(), width))?;
                u16::decode(&body, out).map_err(|_| ChannelError::Unexpected { step: name.clone() })?;
            }
        }
        self.matrices.add_to(&self.stage, self.terms(), rows.len(), out);
        Ok(())
    }
}

/// A stage at the dealer.
pub(super) struct DealtStage {
    pub(super) stage: Stage,
    names: Names,
    left: MaskReader,
    right: MaskReader,
    results: MaskStream<u16>,
    pub(super) matrices: Matrices,
    out: Vec<u16>,
    result: Vec<u16>,
}

impl DealtStage {
    /// `forms`: of left's own columns and of right's, where there are masks to keep or kept ones.
    pub(super) fn new(
        step: &StepName,
        number: usize,
        stage: Stage,
        [of_left, of_right]: [Seeded<'_>; 2],
        forms: [Form; 2],
    ) -> Result<Self, ProtocolError> {
        let names = Names::of(step, number)?;
        let left = of_left.masks.reader(forms[0], &names.left, || names.left_masks(of_left.seed))?;
        let right = of_right.masks.reader(forms[1], &names.right, || names.right_masks(of_right.seed))?;
        let results = names.result_masks(of_left.seed)?;
        let (matrices, out, result) = Default::default();
        Ok(Self { stage, names, left, right, results, matrices, out, result })
    }

    /// Products of matrices that the dealer adds up, likewise.
    pub(super) fn terms(&self) -> usize {
        if self.stage.is_shared { 2 } else { 1 }
    }

    /// Draws the masks of a block.
    pub(super) fn draw(&mut self, rows: Range<usize>) {
        let own = self.stage.width() * rows.len();
        let of_operand = self.stage.operand_width() * rows.len();
        let (left, right) =
            ((rows.start * self.stage.left_width()) as u64, (rows.start * self.stage.right_width()) as u64);
        let terms = self.terms();
        let Matrices { coming, operand } = &mut self.matrices;
        coming.resize(terms * own, 0);
        operand.resize(terms * of_operand, 0);
        self.left.fill(left, &mut coming[..own]);
        if !self.stage.is_shared {
            self.right.fill(right, operand);
            return;
        }
        self.right.fill(right, &mut coming[own..]);
        self.right.fill(right + own as u64, &mut operand[..of_operand]);
        self.left.fill(left + own as u64, &mut operand[of_operand..]);
    }

    /// Sends right the correction of what comes out of a block: never without R.
    pub(super) fn correct(
        &mut self,
        right: &mut dyn Channel,
        index: u64,
        rows: Range<usize>,
    ) -> Result<(), ProtocolError> {
        let (height, width) = (rows.len(), self.stage.width_after());
        let position = (rows.start * width) as u64;
        self.out.clear();
        self.out.resize(width * height, 0);
        self.matrices.add_to(&self.stage, self.terms(), height, &mut self.out);
        self.result.resize(width * height, 0);
        self.results.fill(position, &mut self.result);
        subtract(&mut self.out, &self.result);
        let body = encoded(&self.out);
        self.results.used(position, self.out.len(), &body);
        Ok(right.send(&self.names.dealer, index, &message(height, width), body)?)
    }
}
