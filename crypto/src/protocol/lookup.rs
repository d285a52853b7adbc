//! The published perturbation table, applied to counts and cell keys that nobody knows.
//!
//! The table has a row for each small count and a last row for all others; a row gives each of 256 cell keys a change
//! between −D and D that never decreases in the key. It comes as thresholds: `rows[i][j]` is the smallest key whose
//! change is at least −D + 1 + j, or 256 where none is. Then
//!
//! ```text
//! change = −D + Σⱼ tⱼ        tⱼ = ⊕ᵢ [count in row i] · [key ≥ rows[i][j]]        0 ≤ j < 2D
//! ```
//!
//! [key ≥ T] is linear in the one-hot form of the key, which takes 16 + 32 + 256 ANDs in three rounds. The classes then
//! take a zero test of the count's high bits, at most five rounds, and the low bits' one-hot form. The tⱼ take one
//! round more, becoming numbers another. Thresholds 0 and 256 cost nothing. All of it is the same for every count and key.

use crate::protocol::ProtocolError;
use crate::protocol::engine::Engine;
use crate::ring::Ring;
use crate::share::{BitShare, Share};

/// A perturbation table as thresholds, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PerturbationTable {
    rows: Vec<Vec<u16>>,
    max_change: u32,
}

impl PerturbationTable {
    /// Number of cell keys.
    pub const KEYS: u16 = 256;

    /// Checks thresholds: at least two rows of 2D thresholds, each at most 256, never decreasing within a row.
    ///
    /// # Errors
    /// [`ProtocolError::Shape`].
    pub fn new(rows: Vec<Vec<u16>>, max_change: u32) -> Result<Self, ProtocolError> {
        let row_fits = |row: &Vec<u16>| {
            row.len() == 2 * max_change as usize
                && row.iter().all(|threshold| *threshold <= Self::KEYS)
                && row.is_sorted()
        };
        let usable =
            (2..=1024).contains(&rows.len()) && (1..=64).contains(&max_change) && rows.iter().all(row_fits);
        let expected = "2 to 1024 rows of 2D sorted thresholds up to 256, D from 1 to 64";
        if usable { Ok(Self { rows, max_change }) } else { Err(ProtocolError::Shape { expected }) }
    }

    /// The thresholds, row by row.
    pub fn rows(&self) -> &[Vec<u16>] {
        &self.rows
    }

    /// D: the largest change.
    pub fn max_change(&self) -> u32 {
        self.max_change
    }

    /// The last row, which serves all counts from its number on.
    fn last(&self) -> usize {
        self.rows.len() - 1
    }
}

/// The change of each lane's count, as a number in ℤ/2³², from the count's bits and its key's eight bits.
///
/// # Errors
/// [`ProtocolError::Channel`].
///
/// # Panics
/// Where the key does not have eight bits, or the count too few for the table's rows.
pub fn change<R: Ring>(
    engine: &mut Engine<'_>,
    table: &PerturbationTable,
    count: &[BitShare],
    key: &[BitShare],
) -> Result<Share<R>, ProtocolError> {
    assert_eq!(key.len(), 8, "a key is a byte");
    let lanes = key[0].lanes();
    let at_least = keys_at_least(engine, key)?;
    let classes = classes(engine, count, table.last())?;

    let steps = 2 * table.max_change as usize;
    let mut thermometer: Vec<BitShare> = (0..steps).map(|_| BitShare::zeros(lanes)).collect();
    let (mut gates, mut targets) = (Vec::new(), Vec::new());
    for (class, row) in classes.iter().zip(&table.rows) {
        for (step, threshold) in row.iter().enumerate() {
            match *threshold {
                0 => thermometer[step].xor_assign(class),
                PerturbationTable::KEYS => {}
                threshold => {
                    gates.push((class, &at_least[threshold as usize]));
                    targets.push(step);
                }
            }
        }
    }
    for (target, product) in targets.into_iter().zip(engine.and(&gates)?) {
        thermometer[target].xor_assign(&product);
    }
    let steps = engine.to_numbers::<R>(&thermometer.iter().collect::<Vec<_>>())?;
    Ok(above_lowest(engine, table, lanes, &steps))
}

/// The changes that the table's last row, that of large counts, has for each of some keys, a byte a lane.
///
/// # Errors
/// [`ProtocolError::Channel`].
pub fn large_changes<R: Ring>(
    engine: &mut Engine<'_>,
    table: &PerturbationTable,
    keys: &[Vec<BitShare>],
) -> Result<Vec<Share<R>>, ProtocolError> {
    let lanes = keys[0][0].lanes();
    let joined: Vec<BitShare> = (0..8)
        .map(|bit| {
            let first = keys[0][bit].copied();
            keys[1..].iter().fold(first, |joined, key| joined.followed_by(&key[bit]))
        })
        .collect();
    let at_least = keys_at_least(engine, &joined)?;
    let never = BitShare::zeros(joined[0].lanes());
    let thermometer: Vec<&BitShare> = table.rows[table.last()]
        .iter()
        .map(|threshold| at_least.get(usize::from(*threshold)).unwrap_or(&never))
        .collect();
    let steps = engine.to_numbers::<R>(&thermometer)?;
    let all = above_lowest(engine, table, joined[0].lanes(), &steps);
    Ok((0..keys.len()).map(|key| all.select(key * lanes..(key + 1) * lanes)).collect())
}

/// −D and one for each step of the thermometer that is set.
fn above_lowest<R: Ring>(
    engine: &Engine<'_>,
    table: &PerturbationTable,
    lanes: usize,
    steps: &[Share<R>],
) -> Share<R> {
    let most = (0..table.max_change).fold(R::ZERO, |sum, _| sum.plus(R::ONE));
    let lowest = engine.constant_number(lanes, most.negated());
    steps.iter().fold(lowest, |change, step| change.plus(step))
}

/// For each T in 0..256, whether the key is at least T.
fn keys_at_least(engine: &mut Engine<'_>, key: &[BitShare]) -> Result<Vec<BitShare>, ProtocolError> {
    let one_hot = minterms(engine, key)?;
    let mut at_least = Vec::with_capacity(one_hot.len());
    let mut above = BitShare::zeros(key[0].lanes());
    for hot in one_hot.iter().rev() {
        above.xor_assign(hot);
        at_least.push(above.copied());
    }
    at_least.reverse();
    Ok(at_least)
}

/// For each row of the table, whether the count falls into it: counts below `last` have rows of their own.
fn classes(engine: &mut Engine<'_>, count: &[BitShare], last: usize) -> Result<Vec<BitShare>, ProtocolError> {
    let low_bits = (last.next_power_of_two().trailing_zeros() as usize).max(1);
    assert!(count.len() > low_bits, "the count has bits beyond the table's rows");
    let (low, high) = count.split_at(low_bits);
    let small = all_zero(engine, high)?;
    let low = minterms(engine, low)?;
    let gates: Vec<_> = low.iter().take(last).map(|low| (&small, low)).collect();
    let mut classes = engine.and(&gates)?;
    let others = classes.iter().fold(engine.constant(small.lanes(), true), |rest, class| rest.xor(class));
    classes.push(others);
    Ok(classes)
}

/// The one-hot form of a number: wire v says whether the number is v. ⌈log₂ width⌉ rounds.
fn minterms(engine: &mut Engine<'_>, number: &[BitShare]) -> Result<Vec<BitShare>, ProtocolError> {
    let mut parts: Vec<Vec<BitShare>> =
        number.iter().map(|bit| vec![engine.not(bit), bit.copied()]).collect();
    while parts.len() > 1 {
        let gates: Vec<_> = parts
            .chunks_exact(2)
            .flat_map(|pair| pair[1].iter().flat_map(|high| pair[0].iter().map(move |low| (high, low))))
            .collect();
        let mut products = engine.and(&gates)?.into_iter();
        let joined = |pair: &[Vec<BitShare>]| match pair {
            [low, high] => products.by_ref().take(low.len() * high.len()).collect(),
            alone => alone.iter().flatten().map(BitShare::copied).collect(),
        };
        parts = parts.chunks(2).map(joined).collect();
    }
    Ok(parts.pop().unwrap_or_default())
}

/// Whether all these bits are 0: a tree of ANDs.
fn all_zero(engine: &mut Engine<'_>, bits: &[BitShare]) -> Result<BitShare, ProtocolError> {
    let mut wires: Vec<BitShare> = bits.iter().map(|bit| engine.not(bit)).collect();
    while wires.len() > 1 {
        let gates: Vec<_> = wires.chunks_exact(2).map(|pair| (&pair[0], &pair[1])).collect();
        let mut joined = engine.and(&gates)?;
        joined.extend(wires.chunks_exact(2).remainder().iter().map(BitShare::copied));
        wires = joined;
    }
    Ok(wires.pop().expect("at least one bit"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roles::Role;
    use crate::testing::{Dice, circuit, elements};

    /// A made-up table: sorted random changes within ±D in each row but the first, as (changes, thresholds).
    fn made_up(rows: usize, d: i32, dice: &mut Dice) -> (Vec<Vec<i32>>, PerturbationTable) {
        let changes: Vec<Vec<i32>> = (0..rows as i32)
            .map(|row| {
                let mut changes: Vec<i32> =
                    (0..256).map(|_| (dice.below(2 * d as u64 + 1) as i32 - d).max(-row)).collect();
                changes.sort_unstable();
                if row == 0 { vec![0; 256] } else { changes }
            })
            .collect();
        let threshold =
            |row: &Vec<i32>, j: i32| row.iter().filter(|change| **change < 1 - d + j).count() as u16;
        let thresholds = changes.iter().map(|row| (0..2 * d).map(|j| threshold(row, j)).collect()).collect();
        (changes, PerturbationTable::new(thresholds, d as u32).expect("a table"))
    }

    #[test]
    fn every_count_class_and_key_gets_the_change_of_the_table() {
        let mut dice = Dice::seeded(12);
        for (rows, d) in [(9, 5), (2, 1), (6, 3), (17, 2)] {
            let (changes, table) = made_up(rows, d, &mut dice);
            let counts: Vec<u64> = (0..rows as u64 + 3)
                .chain([32, 255, 256, 65_535, 65_536, 1 << 31, u64::from(u32::MAX)])
                .collect();
            let cells: Vec<(u64, u64)> =
                counts.iter().flat_map(|count| (0..256).map(move |key| (*count, key))).collect();
            let ran = circuit(|engine| {
                let counts: Vec<u64> = cells.iter().map(|cell| cell.0).collect();
                let keys: Vec<u64> = cells.iter().map(|cell| cell.1).collect();
                let count = engine.private_bits(Role::Left, counts.into_iter(), cells.len(), 32);
                let key = engine.private_bits(Role::Right, keys.into_iter(), cells.len(), 8);
                change::<u32>(engine, &table, &count, &key)
            });
            let expected: Vec<u32> = cells
                .iter()
                .map(|(count, key)| changes[(*count as usize).min(rows - 1)][*key as usize] as u32)
                .collect();
            assert_eq!(elements(&ran.left, &ran.right), expected);
        }
    }

    #[test]
    fn tables_that_do_not_fit_are_refused() {
        let bad: [(Vec<Vec<u16>>, u32); 6] = [
            (vec![vec![0, 256]], 1),
            (vec![vec![0, 256], vec![0]], 1),
            (vec![vec![0, 256], vec![9, 8]], 1),
            (vec![vec![0, 256], vec![0, 257]], 1),
            (vec![vec![], vec![]], 0),
            (Vec::new(), 1),
        ];
        for (rows, d) in bad {
            assert!(matches!(PerturbationTable::new(rows, d), Err(ProtocolError::Shape { .. })));
        }
    }
}
