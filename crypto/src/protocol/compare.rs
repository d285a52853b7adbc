//! Whether a number on wires is below a public bound.
//!
//! x < T exactly where x + (2^width − T) does not carry out of the top bit. The second summand is public, so making
//! and passing a carry are local (gᵢ = xᵢkᵢ, pᵢ = xᵢ ⊕ kᵢ), and the carry out of the whole is a tree over
//! (g, p)∘(g', p') = (g ⊕ p·g', p·p'): ⌈log₂ width⌉ rounds, all comparisons of a batch together.

use crate::protocol::ProtocolError;
use crate::protocol::engine::Engine;
use crate::share::BitShare;

/// For each number (least bit first) and public bound: whether the number is below it.
///
/// # Errors
/// [`ProtocolError::Channel`].
///
/// # Panics
/// Where a number has no bits or more than 63.
pub fn less_than(
    engine: &mut Engine<'_>,
    comparisons: &[(&[BitShare], u64)],
) -> Result<Vec<BitShare>, ProtocolError> {
    let mut trees: Vec<Vec<Stretch>> =
        comparisons.iter().map(|(number, bound)| leaves(engine, number, *bound)).collect();
    while trees.iter().any(|tree| tree.len() > 1) {
        let mut gates = Vec::new();
        for pair in trees.iter().flat_map(|tree| tree.chunks_exact(2)) {
            gates.push((&pair[1].passed, &pair[0].made));
            gates.push((&pair[1].passed, &pair[0].passed));
        }
        let mut results = engine.and(&gates)?.into_iter();
        let mut next = || results.next().expect("a result for each gate");
        for tree in &mut trees {
            let mut joined = Vec::with_capacity(tree.len().div_ceil(2));
            let mut stretches = std::mem::take(tree).into_iter();
            while let Some(low) = stretches.next() {
                joined.push(match stretches.next() {
                    Some(high) => Stretch { made: high.made.xor(&next()), passed: next() },
                    None => low,
                });
            }
            *tree = joined;
        }
    }
    let below = |(tree, (number, bound)): (Vec<Stretch>, &(&[BitShare], u64))| {
        let lanes = number[0].lanes();
        match *bound {
            0 => engine.constant(lanes, false),
            bound if bound >> number.len() > 0 => engine.constant(lanes, true),
            _ => engine.not(&tree[0].made),
        }
    };
    Ok(trees.into_iter().zip(comparisons).map(below).collect())
}

/// A stretch of bits: whether it makes a carry, whether it passes one on.
struct Stretch {
    made: BitShare,
    passed: BitShare,
}

/// One stretch for each bit; none where the bound decides alone.
fn leaves(engine: &Engine<'_>, number: &[BitShare], bound: u64) -> Vec<Stretch> {
    assert!((1..64).contains(&number.len()), "a number of 1 to 63 bits");
    if bound == 0 || bound >> number.len() > 0 {
        return Vec::new();
    }
    let complement = (1u64 << number.len()) - bound;
    let leaf = |(place, bit): (usize, &BitShare)| match complement >> place & 1 {
        1 => Stretch { made: bit.copied(), passed: engine.not(bit) },
        _ => Stretch { made: BitShare::zeros(bit.lanes()), passed: bit.copied() },
    };
    number.iter().enumerate().map(leaf).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roles::Role;
    use crate::testing::{bits, circuit};

    #[test]
    fn every_number_of_five_bits_is_compared_with_every_bound() {
        let ran = circuit(|engine| {
            let number = engine.private_bits(Role::Left, (0..32).collect::<Vec<_>>().into_iter(), 32, 5);
            let comparisons: Vec<_> = (0..40).map(|bound| (number.as_slice(), bound)).collect();
            less_than(engine, &comparisons)
        });
        for (bound, (left, right)) in ran.left.iter().zip(&ran.right).enumerate() {
            assert_eq!(bits(left, right), (0..32).map(|number| number < bound).collect::<Vec<_>>());
        }
    }

    #[test]
    fn bounds_are_exact_at_their_edges_in_thirty_two_bits() {
        let bounds = [1u64, 5, 995, 1000, 65_536, 1 << 31, (1 << 32) - 1, 1 << 32];
        let numbers: Vec<u64> = bounds
            .iter()
            .flat_map(|bound| [bound - 1, *bound, bound + 1])
            .chain([0])
            .map(|number| number.min(u64::from(u32::MAX)))
            .collect();
        let ran = circuit(|engine| {
            let number = engine.private_bits(Role::Right, numbers.clone().into_iter(), numbers.len(), 32);
            let comparisons: Vec<_> = bounds.iter().map(|bound| (number.as_slice(), *bound)).collect();
            Ok((less_than(engine, &comparisons)?, engine.messages().0))
        });
        for ((bound, left), right) in bounds.iter().zip(&ran.left.0).zip(&ran.right.0) {
            assert_eq!(bits(left, right), numbers.iter().map(|number| number < bound).collect::<Vec<_>>());
        }
        assert_eq!(ran.left.1, 5, "rounds");
    }
}
