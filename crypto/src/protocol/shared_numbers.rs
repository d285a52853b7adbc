//! An owner's column of numbers, shared to the two workers as a summand of what they classify.
//!
//! The owner has a number c for each row, in ℤ/2³²; left's share of it comes from the seed of owner and left.
//!
//! | step | message | size a row | what the receiver learns |
//! | --- | --- | --- | --- |
//! | 1 | owner → right, each block: c − s | 4 bytes | nothing: uniform without left's seed with the owner |
//!
//! ```text
//! left:   s
//! right:  c − s
//! ```
//!
//! *The owner learns nothing*: it receives no message. Left receives none either, and s is uniform. As in [`super::shared_columns`],
//! the seed is used for nothing else, none of the messages waits for another, and an owner that deals as well
//! must share over a link of its own.
//!
//! Source: additive sharing with a seed in place of one share; design §4, "With three owners".

use std::ops::Range;

use crate::channel::{Channel, StepName};
use crate::protocol::classes::ClassShape;
use crate::protocol::{ProtocolError, decode_into};
use crate::ring::Ring;
use crate::seeds::{MaskStream, PairSeed};

/// The name of the messages and of the stream of one owner.
fn name(step: &StepName, other: usize) -> Result<StepName, ProtocolError> {
    Ok(step.join(&format!("number{other}"))?)
}

fn stream(name: &StepName, seed: &PairSeed) -> Result<MaskStream<u32>, ProtocolError> {
    Ok(seed.stream(name, "number", "share")?)
}

/// A block's message.
fn message(rows: usize) -> [u64; 2] {
    [rows as u64, u32::BYTES as u64]
}

/// The owner's whole part; it is number `other` of the shape's others, and has a number for each row.
///
/// # Errors
/// [`ProtocolError`]; `Input` before anything is sent.
pub fn share(
    step: &StepName,
    shape: &ClassShape,
    other: usize,
    right: &mut dyn Channel,
    left_seed: &PairSeed,
    numbers: &[u32],
) -> Result<(), ProtocolError> {
    let (shape, name) = (shape.checked()?, name(step, other)?);
    if other >= shape.others || numbers.len() != shape.rows {
        return Err(ProtocolError::Input);
    }
    let mut masks = stream(&name, left_seed)?;
    let mut masked = Vec::new();
    for (index, range) in shape.blocks() {
        let numbers = &numbers[range.clone()];
        masked.resize(numbers.len(), 0);
        masks.fill(range.start as u64, &mut masked);
        for row in 0..numbers.len() {
            masked[row] = numbers[row].wrapping_sub(masked[row]);
        }
        let mut body = Vec::with_capacity(u32::BYTES * masked.len());
        u32::encode(&masked, &mut body);
        masks.used(range.start as u64, masked.len(), &body);
        right.send(&name, index, &message(range.len()), body)?;
    }
    Ok(())
}

/// Left's shares of one owner's numbers.
pub(super) struct AtLeft {
    masks: MaskStream<u32>,
}

impl AtLeft {
    pub(super) fn new(step: &StepName, other: usize, seed: &PairSeed) -> Result<Self, ProtocolError> {
        Ok(Self { masks: stream(&name(step, other)?, seed)? })
    }

    /// s of some rows.
    pub(super) fn block(&mut self, range: Range<usize>, share: &mut Vec<u32>) {
        share.resize(range.len(), 0);
        self.masks.fill(range.start as u64, share);
    }
}

/// Right's shares of one owner's numbers.
pub(super) struct AtRight {
    name: StepName,
}

impl AtRight {
    pub(super) fn new(step: &StepName, other: usize) -> Result<Self, ProtocolError> {
        Ok(Self { name: name(step, other)? })
    }

    /// c − s of some rows.
    pub(super) fn block(
        &self,
        owner: &mut dyn Channel,
        index: u64,
        range: Range<usize>,
        share: &mut Vec<u32>,
    ) -> Result<(), ProtocolError> {
        let body = owner.receive(&self.name, index, &message(range.len()))?;
        decode_into(&body, &self.name, share)
    }
}
