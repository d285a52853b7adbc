//! Sums of binary numbers on shares, and with them the bits of additively shared numbers.
//!
//! A number on wires is a list of [`BitShare`]s, least bit first. Addition is mod 2^width with a parallel
//! prefix network: with gᵢ = xᵢyᵢ (a carry is made) and pᵢ = xᵢ ⊕ yᵢ (a carry is passed on), the carry into bit i + 1 is
//! the prefix of (g, p) up to i under (g, p)∘(g', p') = (g ⊕ p·g', p·p'). Depth: 1 + ⌈log₂(width − 1)⌉ rounds;
//! all additions of a batch, of whatever widths, go through the same rounds.
//!
//! Source: J. Sklansky, "Conditional-sum addition logic", IRE Transactions on Electronic Computers 9 (1960).

use crate::protocol::ProtocolError;
use crate::protocol::engine::{Engine, summand_bits};
use crate::ring::Word;
use crate::roles::Role;
use crate::share::{BitShare, Share};

/// Adds each pair of numbers mod 2^width. The two of a pair have one width and one shape.
///
/// # Errors
/// [`ProtocolError::Channel`].
///
/// # Panics
/// Where the two of a pair differ in width or lanes.
pub fn add(
    engine: &mut Engine<'_>,
    pairs: &[(&[BitShare], &[BitShare])],
) -> Result<Vec<Vec<BitShare>>, ProtocolError> {
    let mut gates = Vec::new();
    for (x, y) in pairs {
        assert_eq!(x.len(), y.len(), "numbers of one width");
        // The top bit's carry goes nowhere.
        gates.extend(x.iter().zip(*y).take(x.len().saturating_sub(1)));
    }
    let mut made = engine.and(&gates)?.into_iter();
    let half: Vec<Vec<BitShare>> =
        pairs.iter().map(|(x, y)| x.iter().zip(*y).map(|(x, y)| x.xor(y)).collect()).collect();
    let mut prefixes: Vec<Prefix> = half
        .iter()
        .map(|half| Prefix {
            made: made.by_ref().take(half.len().saturating_sub(1)).collect(),
            passed: half.iter().map(BitShare::copied).take(half.len().saturating_sub(1)).collect(),
        })
        .collect();
    carries(engine, &mut prefixes)?;
    let sum = |(half, prefix): (Vec<BitShare>, Prefix)| {
        let mut sum = half;
        for (bit, carry) in sum.iter_mut().skip(1).zip(&prefix.made) {
            bit.xor_assign(carry);
        }
        sum
    };
    Ok(half.into_iter().zip(prefixes).map(sum).collect())
}

/// The low `width` bits of each shared number: the workers' summands enter as private numbers and are added.
///
/// # Errors
/// [`ProtocolError::Channel`].
///
/// # Panics
/// Where the ring has fewer bits than asked for.
pub fn to_bits(engine: &mut Engine<'_>, numbers: &[Summands]) -> Result<Vec<Vec<BitShare>>, ProtocolError> {
    let pairs: Vec<_> =
        numbers.iter().map(|summands| (summands.left.as_slice(), summands.right.as_slice())).collect();
    add(engine, &pairs)
}

/// A shared number seen as two private binary numbers.
#[derive(Debug)]
pub struct Summands {
    left: Vec<BitShare>,
    right: Vec<BitShare>,
}

impl Summands {
    /// The summands of a share, reduced mod 2^width: right where the number is known to be smaller, or only its
    /// low bits are wanted.
    ///
    /// # Panics
    /// Where the ring has fewer bits than asked for.
    pub fn of<W: Word>(engine: &Engine<'_>, share: &Share<W>, width: usize) -> Self {
        assert!(width <= W::BITS, "a ring's numbers have its bits");
        let nothing = || (0..width).map(|_| BitShare::zeros(share.len())).collect();
        match engine.role() {
            Role::Left => Self { left: summand_bits(share, width), right: nothing() },
            Role::Right => Self { left: nothing(), right: summand_bits(share, width) },
            Role::Dealer => Self { left: nothing(), right: nothing() },
        }
    }
}

/// Carries made and passed on over a stretch of bits that ends at each place.
struct Prefix {
    made: Vec<BitShare>,
    passed: Vec<BitShare>,
}

/// Turns the carries made at single bits into the carries out of all bits from the lowest up, in place.
///
/// At level l the bits are in blocks of 2^(l+1); every place in a block's upper half takes in the last place of
/// its lower half. Whether a stretch that starts at bit 0 passes a carry on is never asked, so those gates are
/// left out.
fn carries(engine: &mut Engine<'_>, prefixes: &mut [Prefix]) -> Result<(), ProtocolError> {
    let widest = prefixes.iter().map(|prefix| prefix.made.len()).max().unwrap_or(0);
    let mut half_block = 1;
    while half_block < widest {
        let mut gates = Vec::new();
        for prefix in &*prefixes {
            for (place, low) in uppers(prefix.made.len(), half_block) {
                gates.push((&prefix.passed[place], &prefix.made[low]));
                if low >= 2 * half_block {
                    gates.push((&prefix.passed[place], &prefix.passed[low]));
                }
            }
        }
        let mut results = engine.and(&gates)?.into_iter();
        let mut next = || results.next().expect("a result for each gate");
        for prefix in &mut *prefixes {
            for (place, low) in uppers(prefix.made.len(), half_block) {
                let carried = next();
                prefix.made[place].xor_assign(&carried);
                if low >= 2 * half_block {
                    prefix.passed[place] = next();
                }
            }
        }
        half_block *= 2;
    }
    Ok(())
}

/// Places in upper halves of blocks, each with the last place of the lower half.
fn uppers(width: usize, half_block: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..width)
        .filter(move |place| place / half_block % 2 == 1)
        .map(move |place| (place, place / half_block * half_block - 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Dice, circuit, numbers, own, split};

    #[test]
    fn additions_of_every_width_go_through_the_same_rounds_and_are_right() {
        let widths = [1, 2, 3, 5, 8, 16, 17, 31, 32, 33, 63, 64];
        let values = |seed: u8, width: usize| -> Vec<u64> {
            let mut dice = Dice::seeded(seed);
            let mask = u64::MAX >> (64 - width);
            let edges = [0, 1, mask, mask >> 1, mask ^ mask >> 1];
            edges.into_iter().chain((0..65).map(|_| dice.next())).map(|value| value & mask).collect()
        };
        let ran = circuit(|engine| {
            let enter = |owner, seed| -> Vec<Vec<BitShare>> {
                let numbers = widths.iter().map(|width| (values(seed, *width), *width));
                numbers
                    .map(|(values, width)| engine.private_bits(owner, values.into_iter(), 70, width))
                    .collect()
            };
            let (x, y) = (enter(Role::Left, 8), enter(Role::Right, 9));
            let pairs: Vec<_> = x.iter().zip(&y).map(|(x, y)| (x.as_slice(), y.as_slice())).collect();
            Ok((add(engine, &pairs)?, engine.messages().0))
        });
        for ((width, left), right) in widths.iter().zip(&ran.left.0).zip(&ran.right.0) {
            let mask = u64::MAX >> (64 - width);
            let (x, y) = (values(8, *width), values(9, *width));
            let expected: Vec<u64> = x.iter().zip(&y).map(|(x, y)| x.wrapping_add(*y) & mask).collect();
            assert_eq!(numbers(left, right), expected, "{width} bits");
        }
        assert_eq!(ran.left.1, 1 + 6);
    }

    #[test]
    fn the_bits_of_a_shared_number_are_those_of_the_sum() {
        let counts: Vec<u32> = (0..20).chain([65_535, 65_536, 1_000_000, u32::MAX]).collect();
        let limbs: Vec<u16> = counts.iter().map(|count| count.wrapping_mul(7) as u16).collect();
        let mut dice = Dice::seeded(10);
        let (count_shares, limb_shares) = (split(&mut dice, &counts), split(&mut dice, &limbs));
        let ran = circuit(|engine| {
            let (counts, limbs) = (own(engine, &count_shares), own(engine, &limb_shares));
            let summands = [
                Summands::of(engine, &counts, 32),
                Summands::of(engine, &limbs, 16),
                Summands::of(engine, &counts, 5),
            ];
            to_bits(engine, &summands)
        });
        let out: Vec<_> = ran.left.iter().zip(&ran.right).map(|(left, right)| numbers(left, right)).collect();
        assert_eq!(out[0], counts.iter().map(|count| u64::from(*count)).collect::<Vec<_>>());
        assert_eq!(out[1], limbs.iter().map(|limb| u64::from(*limb)).collect::<Vec<_>>());
        assert_eq!(out[2], counts.iter().map(|count| u64::from(*count % 32)).collect::<Vec<_>>());
    }
}
