//! The secret constants of a value column, in shares of the two workers.
//!
//! A worker that owns the column enters them whole, and the other worker nothing. A further owner shares them: the fingerprint
//! by XOR, since it goes into a cipher, and the numbers in ℤ/2¹²⁸.
//!
//! | step | message | size | what the receiver learns |
//! | --- | --- | --- | --- |
//! | 1 | owner → right: constants less left's shares | 80 bytes | nothing: uniform without left's seed with the owner |
//!
//! Left's shares come from its seed with the owner. *The owner learns nothing*: it receives no message.
//!
//! Source: additive sharing with a seed in place of one share, as in [`super::shared_columns`].

use crate::channel::{Channel, StepName};
use crate::protocol::{ProtocolError, decode};
use crate::ring::Ring;
use crate::seeds::PairSeed;

/// Secret constants of a whole, unfiltered column, in codes.
#[derive(Clone, Copy, Default)]
pub struct ColumnConstants {
    /// Keyed hash of its values.
    pub fingerprint: [u8; 8],
    /// m.
    pub mean: i64,
    /// w.
    pub width: u64,
    /// m₂.
    pub square_mean: u64,
    /// w₂.
    pub square_width: u64,
}

/// One worker's share of them. The default is that of a worker that enters nothing.
#[derive(Clone, Copy, Default)]
pub struct ConstantShares {
    /// By XOR.
    pub(crate) fingerprint: [u8; 8],
    pub(crate) mean: u128,
    pub(crate) width: u128,
    pub(crate) square_mean: u128,
    pub(crate) square_width: u128,
}

/// The shape of the message: five numbers of 16 bytes.
const SHAPE: [u64; 2] = [5, 16];

impl ColumnConstants {
    /// The share of the worker that owns the column; the other's is the default.
    pub fn entered(&self) -> ConstantShares {
        ConstantShares {
            fingerprint: self.fingerprint,
            mean: i128::from(self.mean) as u128,
            width: u128::from(self.width),
            square_mean: u128::from(self.square_mean),
            square_width: u128::from(self.square_width),
        }
    }
}

impl ConstantShares {
    /// Those of two columns that add up to one: the numbers are added, and the fingerprints joined by XOR.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let (own, others) = (self.numbers(), other.numbers());
        let mut numbers = [own[0] ^ others[0]; 5];
        for at in 1..numbers.len() {
            numbers[at] = own[at].plus(others[at]);
        }
        Self::of_numbers(numbers)
    }

    fn numbers(&self) -> [u128; 5] {
        let fingerprint = u128::from(u64::from_le_bytes(self.fingerprint));
        [fingerprint, self.mean, self.width, self.square_mean, self.square_width]
    }

    fn of_numbers([fingerprint, mean, width, square_mean, square_width]: [u128; 5]) -> Self {
        let fingerprint = (fingerprint as u64).to_le_bytes();
        Self { fingerprint, mean, width, square_mean, square_width }
    }

    /// Left's share of a further owner's constants.
    ///
    /// # Errors
    /// [`ProtocolError::Seed`] where the seed has been used for this step.
    pub fn at_left(step: &StepName, owner_seed: &PairSeed) -> Result<Self, ProtocolError> {
        Ok(Self::of_numbers(masks(&step.join("constants")?, owner_seed)?.0))
    }

    /// Right's share of a further owner's constants.
    ///
    /// # Errors
    /// [`ProtocolError`].
    pub fn at_right(step: &StepName, owner: &mut dyn Channel) -> Result<Self, ProtocolError> {
        let name = step.join("constants")?;
        let numbers = decode::<u128>(&owner.receive(&name, 0, &SHAPE)?, &name)?;
        Ok(Self::of_numbers(numbers.try_into().expect("the shape was checked")))
    }
}

/// The further owner's part.
///
/// # Errors
/// [`ProtocolError`].
pub fn share(
    step: &StepName,
    right: &mut dyn Channel,
    left_seed: &PairSeed,
    constants: &ColumnConstants,
) -> Result<(), ProtocolError> {
    let name = step.join("constants")?;
    let (masks, stream) = masks(&name, left_seed)?;
    let mut numbers = constants.entered().numbers();
    numbers[0] ^= masks[0];
    for (number, mask) in numbers[1..].iter_mut().zip(&masks[1..]) {
        *number = number.minus(*mask);
    }
    let mut body = Vec::new();
    u128::encode(&numbers, &mut body);
    stream.used(0, numbers.len(), &body);
    Ok(right.send(&name, 0, &SHAPE, body)?)
}

fn masks(
    name: &StepName,
    seed: &PairSeed,
) -> Result<([u128; 5], crate::seeds::MaskStream<u128>), ProtocolError> {
    let mut stream = seed.stream(name, "constants", "share")?;
    let mut masks = [0; 5];
    stream.fill(0, &mut masks);
    Ok((masks, stream))
}

impl std::fmt::Debug for ColumnConstants {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ColumnConstants(..)")
    }
}

impl std::fmt::Debug for ConstantShares {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ConstantShares(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seeds::Ledger;
    use crate::testing::{linked, seeds, step};

    #[test]
    fn shares_of_a_further_owners_constants_make_them_up_and_neither_is_they() {
        let constants = ColumnConstants {
            fingerprint: *b"column 1",
            mean: -1_000_000,
            width: 2_000_000,
            square_mean: u64::MAX,
            square_width: 0,
        };
        let (at_owner, at_left) = seeds(&Ledger::shared(), "owner", "left");
        let (mut to_right, mut of_owner, _) = linked("owner", "right");
        share(&step("product"), &mut to_right, &at_owner, &constants).expect("sent");
        let right = ConstantShares::at_right(&step("product"), &mut of_owner).expect("received");
        let left = ConstantShares::at_left(&step("product"), &at_left).expect("drawn");
        let joined = |at: usize| left.numbers()[at].plus(right.numbers()[at]);
        let whole = constants.entered().numbers();
        assert_eq!([1, 2, 3, 4].map(joined), [whole[1], whole[2], whole[3], whole[4]]);
        let fingerprint: Vec<u8> =
            left.fingerprint.iter().zip(right.fingerprint).map(|(p, q)| p ^ q).collect();
        assert_eq!(fingerprint, constants.fingerprint);
        assert!((0..5).all(|at| right.numbers()[at] != whole[at] && left.numbers()[at] != whole[at]));
        let again = share(&step("product"), &mut to_right, &at_owner, &constants);
        assert!(matches!(again, Err(ProtocolError::Seed(_))));
    }
}
