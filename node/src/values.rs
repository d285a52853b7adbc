//! A value column between registers and shares: codes, the limbs they travel in, and the sums that limbs make up.
//!
//! A code ([`Coding`]) becomes three non-negative numbers: its offset above the smallest code, the square of its distance from the
//! centre where squares are asked for, and the square of its contribution (rule 10). Each is cut into limbs of at most eight bits,
//! lowest first and all of one width, which travel as columns of their own; sums of limbs add up to sums of numbers.
//! How many there are follows from the public coding alone.

use kobling_crypto::protocol::protect_sums::ValueShape;
use kobling_crypto::protocol::shared_constants::ColumnConstants;
use kobling_crypto::pseudonym::RecordKeySecret;
use kobling_crypto::ring::Ring;
use kobling_crypto::share::Share;
use kobling_model::UnitType;
use kobling_model::rules::Rules;
use kobling_model::value::{Coding, ValueColumn};

/// The code of a unit without a value.
pub const NO_VALUE: i64 = i64::MIN;

/// Most bits of a limb.
const LIMB_BITS: u32 = 8;
/// Bits of a squared contribution: 7² is below 2⁶.
const CONTRIBUTION_BITS: u32 = 6;

/// A value column of this owner, in codes.
#[derive(Clone, PartialEq, Eq)]
pub struct Values {
    /// By unit number; [`NO_VALUE`] where missing.
    pub codes: Vec<i64>,
    /// By unit number: where the value lies between the secret bounds, from 0 to [`STEPS`]; beyond where missing.
    pub steps: Vec<u32>,
    /// What the protection needs to know of the whole column.
    pub whole: WholeColumn,
}

/// Steps that a value brought to [0, 1] is rounded to before it is fingerprinted: enough to tell columns apart, few enough
/// that the rounding of a double does not.
pub const STEPS: u32 = 1 << 20;

/// Constants of a whole, unfiltered column. Secret.
#[derive(Clone, PartialEq, Eq)]
pub struct WholeColumn {
    /// Mean of the codes.
    pub mean: i64,
    /// Distance of the secret bounds.
    pub width: u64,
    /// Mean of the squares.
    pub square_mean: u64,
    /// Largest square within the secret bounds.
    pub square_width: u64,
}

impl Values {
    /// What the owner enters.
    ///
    /// The fingerprint is a keyed hash of two sums over all units with a value, of a mix of the unit's record key with its
    /// step, and with one minus it: the same for x, 2x, x + 1 and −x, at whichever node and in whichever order the units
    /// were imported. Record keys are secret, so nobody outside can aim at a fingerprint.
    pub fn constants(
        &self,
        secret: &RecordKeySecret,
        unit_type: UnitType,
        keys: &[[u16; 3]],
    ) -> ColumnConstants {
        let mut sums = [0_u64; 2];
        for (step, [a, b, c]) in self.steps.iter().zip(keys).filter(|(step, _)| **step <= STEPS) {
            let key = u64::from(*a) | u64::from(*b) << 16 | u64::from(*c) << 32;
            for (sum, step) in sums.iter_mut().zip([*step, STEPS - *step]) {
                *sum = sum.wrapping_add(mix(mix(key).wrapping_add(u64::from(step))));
            }
        }
        ColumnConstants {
            fingerprint: secret.column_fingerprint(unit_type.as_str(), sums),
            mean: self.whole.mean,
            width: self.whole.width,
            square_mean: self.whole.square_mean,
            square_width: self.whole.square_width,
        }
    }
}

/// The finaliser of SplitMix64: G. Steele, D. Lea, C. Flood, "Fast splittable pseudorandom number generators",
/// OOPSLA 2014, figure 16.
fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ x >> 31
}

/// Shares of a sum for each category or cell of each of the three that a code becomes.
pub struct Sums {
    /// Of offsets.
    pub offsets: Share<u128>,
    /// Of squares; where they are asked for.
    pub squares: Option<Share<u128>>,
    /// Of squared contributions.
    pub contributions: Share<u128>,
}

/// What a code becomes.
#[derive(Clone, Copy)]
enum Number {
    Offset,
    Square,
    Contribution,
}

/// How a value column travels.
#[derive(Clone, Debug)]
pub struct Limbs {
    coding: Coding,
    squares: bool,
}

impl Limbs {
    /// The form of a column.
    pub fn of(column: &ValueColumn) -> Self {
        Self { coding: column.coding, squares: column.squares }
    }

    /// The numbers that a code becomes, in the order of their limbs.
    fn numbers(&self) -> impl Iterator<Item = Number> {
        let squares = self.squares.then_some(Number::Square);
        std::iter::once(Number::Offset).chain(squares).chain([Number::Contribution])
    }

    /// One of them.
    #[inline(always)]
    fn number(&self, number: Number, code: i64) -> u64 {
        match number {
            Number::Offset => self.coding.offset(code),
            Number::Square => self.coding.square(code),
            Number::Contribution => self.coding.contribution(code).pow(2),
        }
    }

    /// Number and width of the limbs of each of them.
    fn cuts(&self) -> Vec<(usize, u32)> {
        let cut = |number: Number| {
            let bits = match number {
                Number::Offset => self.coding.offset_bits(),
                Number::Square => self.coding.square_bits(),
                Number::Contribution => CONTRIBUTION_BITS,
            };
            let limbs = bits.div_ceil(LIMB_BITS);
            (limbs as usize, bits.div_ceil(limbs))
        };
        self.numbers().map(cut).collect()
    }

    /// Bits of each column that travels.
    pub fn bits(&self) -> Vec<u8> {
        self.cuts().into_iter().flat_map(|(limbs, bits)| std::iter::repeat_n(bits as u8, limbs)).collect()
    }

    /// The columns that travel, of codes in row order. A row without a value has zeros.
    pub fn columns(&self, mut codes: impl ExactSizeIterator<Item = i64>) -> Vec<Vec<u8>> {
        /// Rows at a time, number after number: each is then a loop without branches.
        const ROWS: usize = 1024;
        let (rows, cuts) = (codes.len(), self.cuts());
        let count = cuts.iter().map(|(limbs, _)| limbs).sum();
        let mut columns: Vec<Vec<u8>> = (0..count).map(|_| Vec::with_capacity(rows)).collect();
        let (mut some, mut numbers) = (Vec::with_capacity(ROWS), Vec::with_capacity(ROWS));
        for _ in 0..rows.div_ceil(ROWS) {
            some.clear();
            some.extend(codes.by_ref().take(ROWS));
            let mut columns = columns.iter_mut();
            for (number, (limbs, bits)) in self.numbers().zip(&cuts) {
                numbers.clear();
                match number {
                    Number::Offset => self.enter(Number::Offset, &some, &mut numbers),
                    Number::Square => self.enter(Number::Square, &some, &mut numbers),
                    Number::Contribution => self.enter(Number::Contribution, &some, &mut numbers),
                }
                for (limb, column) in (0..*limbs as u32).zip(columns.by_ref()) {
                    let (shift, mask) = (limb * bits, (1 << bits) - 1);
                    column.extend(numbers.iter().map(|number| (number >> shift & mask) as u8));
                }
            }
        }
        columns
    }

    /// Inlined, so that there is a loop for each number.
    #[inline(always)]
    fn enter(&self, number: Number, codes: &[i64], numbers: &mut Vec<u64>) {
        let of_code = |code: &i64| if *code == NO_VALUE { 0 } else { self.number(number, *code) };
        numbers.extend(codes.iter().map(of_code));
    }

    /// Shares of the sums of the three, from shares of the sums of their limbs.
    pub fn join(&self, limbs: &[Share<u128>]) -> Sums {
        let mut limbs = limbs.iter();
        let mut joined = self.cuts().into_iter().map(|(count, bits)| {
            let first = limbs.next().expect("a share for each limb").times(1);
            (1..count as u32).fold(first, |sum, limb| {
                sum.plus(&limbs.next().expect("a share for each limb").times(1 << (limb * bits)))
            })
        });
        let offsets = joined.next().expect("offsets");
        let squares = if self.squares { joined.next() } else { None };
        Sums { offsets, squares, contributions: joined.next().expect("contributions") }
    }

    /// This owner's sums by category, in clear: its shares where it owns the column, as the other's are zero. Categories outside
    /// `0..categories` count nowhere.
    pub fn totals(&self, categories: usize, by_unit: &[u32], codes: &[i64]) -> Sums {
        let mut sums = vec![vec![0_u128; categories]; 2 + usize::from(self.squares)];
        for (category, code) in by_unit.iter().zip(codes) {
            let category = *category as usize;
            if category < categories && *code != NO_VALUE {
                for (sums, number) in sums.iter_mut().zip(self.numbers()) {
                    sums[category] = sums[category].plus(u128::from(self.number(number, *code)));
                }
            }
        }
        let mut sums = sums.into_iter().map(Share::from_elements);
        Sums {
            offsets: sums.next().expect("offsets"),
            squares: if self.squares { sums.next() } else { None },
            contributions: sums.next().expect("contributions"),
        }
    }

    /// The part of a worker that adds nothing.
    pub fn nothing(&self, length: usize) -> Sums {
        Sums {
            offsets: Share::zeros(length),
            squares: self.squares.then(|| Share::zeros(length)),
            contributions: Share::zeros(length),
        }
    }

    /// What is added to an offset to make it a code.
    pub fn lowest(&self) -> u128 {
        i128::from(self.coding.low) as u128
    }
}

/// The public shape of a value column's protection under the rules in force.
pub fn shape(column: &ValueColumn, rules: &Rules) -> ValueShape {
    ValueShape {
        squares: column.squares,
        sum_bits: column.coding.offset_bits(),
        square_bits: column.coding.square_bits(),
        bound: column.coding.bound(),
        units_min: rules.statistic_units_min,
        dominance_percent_max: rules.dominance_percent_max(),
    }
}

#[cfg(test)]
mod tests {
    use kobling_model::interval::Interval;

    use super::*;

    fn limbs(low: f64, high: f64, squares: bool) -> Limbs {
        let bounds = Interval::new(low, high, true).expect("in order");
        Limbs { coding: Coding::of(&bounds, low).expect("small enough"), squares }
    }

    #[test]
    fn wages_travel_in_three_limbs_of_seven_bits_and_a_contribution() {
        assert_eq!(limbs(0.0, 1_300_000.0, false).bits(), [7, 7, 7, 6]);
        assert_eq!(limbs(0.0, 1_300_000.0, true).bits(), [7, 7, 7, 8, 8, 8, 8, 8, 6]);
        assert_eq!(limbs(0.0, 0.0, false).bits(), [1, 6]);
    }

    #[test]
    fn the_widest_column_has_no_more_limbs_than_a_product_takes() {
        use kobling_crypto::protocol::narrow_product::ProductShape;
        assert!(limbs(-1e10, 1e10, true).bits().len() <= ProductShape::VALUES_MAX);
    }

    #[test]
    fn limbs_are_the_numbers_that_a_code_becomes_cut_up() {
        for (low, high) in [(0.0, 1_300_000.0), (-1e10, 1e10), (-5.0, 2.0)] {
            let limbs = limbs(low, high, true);
            let (least, most) = (limbs.coding.low, limbs.coding.high);
            let codes = [least, most, least + 1, (least + most) / 2, NO_VALUE];
            let columns = limbs.columns(codes.into_iter());
            let in_bits =
                |(column, bits): (&Vec<u8>, u8)| column.iter().all(|limb| u16::from(*limb) >> bits == 0);
            assert!(columns.iter().zip(limbs.bits()).all(in_bits));
            assert!(columns.iter().all(|column| column[4] == 0), "a unit without a value has zeros");
            for (row, code) in codes[..4].iter().enumerate() {
                let mut columns = columns.iter();
                let joined: Vec<u64> = (limbs.cuts().into_iter())
                    .map(|(count, bits)| {
                        let parts = columns.by_ref().take(count).enumerate();
                        parts.map(|(limb, column)| u64::from(column[row]) << (limb as u32 * bits)).sum()
                    })
                    .collect();
                let coding = limbs.coding;
                let expected =
                    [coding.offset(*code), coding.square(*code), coding.contribution(*code).pow(2)];
                assert_eq!(joined, expected);
            }
        }
    }
}
