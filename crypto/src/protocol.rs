//! The protocols, one file each.
//!
//! | file | what | messages |
//! | --- | --- | --- |
//! | [`narrow_product`] | counts, record-key sums and sums of values by category, over all rows | one block each way at a time |
//! | [`joined_product`] | the same with factors that no worker has, where their categories are many | a block of each stage each way at a time |
//! | [`factor`] | what columns that no worker has look like to a product | – |
//! | [`kept`] | columns that several questions use, and that travel once | – |
//! | [`shared_columns`] | columns of further owners become shares of the workers | one block at a time, to one worker |
//! | [`shared_constants`] | a further owner's constants of a value column become shares of the workers | one |
//! | [`classes`] | shares of the class of a sum of several owners' numbers | one block each way at a time, two from the dealer |
//! | [`shared_numbers`] | further owners' summands become shares of the workers | one block at a time, to one worker |
//! | `lift` | sums mod 2¹⁶ over short stretches become sums of whole numbers | with the blocks |
//! | [`inner_product`] | the same trick for columns of numbers, in any ring | one block each way at a time |
//! | [`engine`] | gates on shares: AND, multiply, bits to numbers and back | one round a batch |
//! | [`adder`], [`compare`], [`lookup`], [`aes`] | circuits made of them | logarithmic, 3 + 6, 40 rounds |
//! | [`protect`], [`protect_sums`] | the program that protects a table before anything is opened | all of the above |

use crate::channel::{ChannelError, InvalidStepName, StepName};
use crate::protocol::kept::KeptError;
use crate::ring::Ring;
use crate::seeds::SeedError;

pub mod adder;
pub mod aes;
pub mod bit_to_number;
pub(crate) mod blocks;
pub mod classes;
pub mod compare;
pub mod engine;
pub mod factor;
pub mod inner_product;
pub mod joined_product;
pub mod kept;
pub(crate) mod lift;
pub mod lookup;
pub mod multiply;
pub mod narrow_product;
pub mod protect;
pub mod protect_sums;
pub mod shared_columns;
pub mod shared_constants;
pub mod shared_numbers;
pub(crate) mod stretch_sums;
pub(crate) mod wide_body;

/// Why a protocol ended without a result. Nothing was opened by it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// A message did not come, or was not the one due.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// A mask stream was asked for twice: the attempt needs fresh seeds.
    #[error(transparent)]
    Seed(#[from] SeedError),
    /// The own input does not have the shape agreed on, or a category outside it. Nothing was sent.
    #[error("the input of this party does not have the shape of the computation")]
    Input,
    /// The public shape is none that can be computed. Nothing was sent.
    #[error("the computation's shape is not usable: {expected}")]
    Shape {
        /// What would be usable.
        expected: &'static str,
    },
    /// Columns that travelled in an earlier attempt are not at hand, or could not be kept.
    #[error("the kept columns of step {step} cannot be used: {cause}")]
    Kept {
        /// The step whose messages they were.
        step: StepName,
        /// Why.
        cause: KeptError,
    },
    /// The name given to the computation is too long for the names of its steps.
    #[error(transparent)]
    StepName(#[from] InvalidStepName),
}

/// Reads ring elements out of a message's body.
pub(crate) fn decode<R: Ring>(body: &[u8], step: &StepName) -> Result<Vec<R>, ProtocolError> {
    let mut elements = Vec::new();
    decode_into(body, step, &mut elements)?;
    Ok(elements)
}

/// Reads ring elements out of a message's body, in place of what there was.
pub(crate) fn decode_into<R: Ring>(
    body: &[u8],
    step: &StepName,
    elements: &mut Vec<R>,
) -> Result<(), ProtocolError> {
    elements.resize(body.len() / R::BYTES, R::ZERO);
    R::decode(body, elements).map_err(|_| ChannelError::Unexpected { step: step.clone() })?;
    Ok(())
}
