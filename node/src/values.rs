//! A value column between registers and shares: codes, the limbs they travel in, and the sums that limbs make up.
//!
//! A code ([`Coding`](kobling_model::value::Coding)) becomes non-negative numbers: its offset above the smallest code, the square of its distance from the
//! centre where squares are asked for, and the squares of its distances from the smallest and the largest in sevenths (rule 10). Where numbers of several owners add up to the
//! column, each owner's becomes its steps in place of the distance, and their squares: sums of products of two owners' steps
//! give the rest. Each number is cut into limbs of at most eight bits,
//! lowest first and all of one width, which travel as columns of their own; sums of limbs add up to sums of numbers.
//! How many there are follows from the public coding alone.

use std::collections::BTreeMap;
use std::ops::Range;

use kobling_crypto::protocol::narrow_product::Cross;
use kobling_crypto::protocol::protect_sums::{Evidence, ValueShape, ValueShares};
use kobling_crypto::protocol::shared_constants::{ColumnConstants, ConstantShares};
use kobling_crypto::pseudonym::RecordKeySecret;
use kobling_crypto::ring::Ring;
use kobling_crypto::share::Share;
use kobling_model::plan::{Question, Side};
use kobling_model::rules::Rules;
use kobling_model::value::{Coding, PartForm, ValueColumn};
use kobling_model::{OwnerId, UnitType};

/// The code of a unit without a value.
pub const NO_VALUE: i64 = i64::MIN;

/// Most bits of a limb.
const LIMB_BITS: u32 = 8;
/// Most bits of a limb of steps, so that products of two have at most eight.
const STEP_LIMB_BITS: u32 = 4;
/// Bits of a squared contribution: 7² is below 2⁶.
const CONTRIBUTION_BITS: u32 = 6;

/// A value column of this owner, in codes.
#[derive(Clone, PartialEq, Eq)]
pub struct Values {
    /// By unit number; [`NO_VALUE`] where missing.
    pub codes: Vec<i64>,
    /// What the protection needs to know of the whole column.
    pub whole: WholeColumn,
}

/// Constants of a whole, unfiltered column. Secret.
#[derive(Clone, PartialEq, Eq)]
pub struct WholeColumn {
    /// Mean of the codes.
    pub mean: i64,
    /// Codes of the secret bounds.
    pub bounds: (i64, i64),
    /// Mean of the squares.
    pub square_mean: u64,
    /// Largest square within the secret bounds.
    pub square_width: u64,
}

impl Values {
    /// What the owner enters.
    ///
    /// The fingerprint is a keyed hash of a sum over all units with a value, of a mix of the unit's record key with its code, and
    /// of where the secret bounds and the centre lie: of all, in units above the smallest code, that the column's noise is made
    /// with. Two columns with the same fingerprint have the same codes and are protected with the same numbers, so that their
    /// released sums are the same but for what is public; columns with others have other noise. Record keys are secret, so nobody
    /// outside can aim at a fingerprint. Those of all parts of a column are joined.
    pub fn constants(
        &self,
        secret: &RecordKeySecret,
        unit_type: UnitType,
        keys: &[[u16; 3]],
        form: &PartForm,
        owner: &OwnerId,
    ) -> ColumnConstants {
        let coding = &form.coding;
        let mut sum = 0_u64;
        for (code, [a, b, c]) in self.codes.iter().zip(keys).filter(|(code, _)| **code != NO_VALUE) {
            let key = u64::from(*a) | u64::from(*b) << 16 | u64::from(*c) << 32;
            sum = sum.wrapping_add(mix(mix(key).wrapping_add(coding.offset(*code))));
        }
        let (lowest, highest) = self.whole.bounds;
        let numbers = [lowest, highest, coding.high, coding.centre].map(|code| coding.offset(code));
        let parts = form.joint.map_or(1, |joint| joint.parts);
        // Two owners with the same numbers of the same units would cancel each other's.
        let part_of = form.joint.map(|_| owner.as_str());
        ColumnConstants {
            fingerprint: secret.column_fingerprint(unit_type.as_str(), part_of, sum, numbers),
            mean: self.whole.mean,
            width: highest.abs_diff(lowest),
            square_mean: self.whole.square_mean,
            // (a + b + …)² is at most as many times a² + b² + … as there are of them.
            square_width: self.whole.square_width.saturating_mul(u64::from(parts)),
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

/// What a code becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Number {
    /// How far it lies above the smallest.
    Offset,
    /// The square of its distance from the centre.
    Square,
    /// The square of its distance from the smallest, in sevenths of the width (rule 10).
    FromLow,
    /// The same from the largest.
    FromHigh,
    /// In steps above the smallest ([`StepForm`]). Of one of several parts.
    Steps,
    /// The square of its steps. Of one of several parts.
    SquaredSteps,
}

/// Shares of a sum for each category or cell of each number that a code becomes.
pub struct Sums(BTreeMap<Number, Share<u128>>);

impl Sums {
    /// The sums of a number.
    ///
    /// # Panics
    /// Where codes of this form do not become it.
    pub fn of(&self, number: Number) -> &Share<u128> {
        self.0.get(&number).expect("a number that the form has")
    }

    /// How many numbers there are.
    pub fn numbers(&self) -> usize {
        self.0.len()
    }

    /// The same with shares made of them.
    pub fn map(&self, of: impl Fn(&Share<u128>) -> Share<u128>) -> Self {
        Self(self.0.iter().map(|(number, share)| (*number, of(share))).collect())
    }
}

/// How a value column, or a part of one, travels.
#[derive(Clone, Debug)]
pub struct Limbs {
    form: PartForm,
}

impl Limbs {
    /// The limbs of a part.
    pub fn of(form: PartForm) -> Self {
        Self { form }
    }

    /// The numbers that a code becomes, in the order of their limbs.
    fn numbers(&self) -> Vec<Number> {
        use Number as N;
        match self.form.joint {
            None if self.form.squares => vec![N::Offset, N::Square, N::FromLow, N::FromHigh],
            None => vec![N::Offset, N::FromLow, N::FromHigh],
            Some(_) => vec![N::Offset, N::FromLow, N::FromHigh, N::Steps, N::SquaredSteps],
        }
    }

    /// One of them.
    #[inline(always)]
    fn number(&self, number: Number, code: i64) -> u64 {
        match number {
            Number::Offset => self.form.coding.offset(code),
            Number::Square => self.form.coding.square(code),
            Number::FromLow => self.form.coding.from_low(code).pow(2),
            Number::FromHigh => self.form.coding.from_high(code).pow(2),
            Number::Steps => self.steps(code),
            Number::SquaredSteps => self.steps(code).pow(2),
        }
    }

    fn steps(&self, code: i64) -> u64 {
        self.form.joint.map_or(0, |joint| joint.steps.steps(&self.form.coding, code))
    }

    /// Number and width of the limbs of each of them.
    fn cuts(&self) -> Vec<(usize, u32)> {
        let cut = |number: &Number| {
            let coding = &self.form.coding;
            let bits_of = |most: u64| (u64::BITS - most.leading_zeros()).max(1);
            let (bits, of_limb) = match number {
                Number::Offset => (coding.offset_bits(), LIMB_BITS),
                Number::Square => (coding.square_bits(), LIMB_BITS),
                Number::FromLow | Number::FromHigh => (CONTRIBUTION_BITS, LIMB_BITS),
                Number::Steps => (bits_of(self.steps(coding.high)), STEP_LIMB_BITS),
                Number::SquaredSteps => (bits_of(self.steps(coding.high).pow(2)), LIMB_BITS),
            };
            let limbs = bits.div_ceil(of_limb);
            (limbs as usize, bits.div_ceil(limbs))
        };
        self.numbers().iter().map(cut).collect()
    }

    /// Bits of each column that travels.
    pub fn bits(&self) -> Vec<u8> {
        self.cuts().into_iter().flat_map(|(limbs, bits)| std::iter::repeat_n(bits as u8, limbs)).collect()
    }

    /// Which columns are limbs of the steps, lowest first, and how many bits each has.
    pub fn step_limbs(&self) -> (Range<usize>, u32) {
        let mut first = 0;
        for (number, (limbs, bits)) in self.numbers().into_iter().zip(self.cuts()) {
            if number == Number::Steps {
                return (first..first + limbs, bits);
            }
            first += limbs;
        }
        (first..first, 0)
    }

    /// The columns that travel, of codes in row order. A row without a value has zeros.
    pub fn columns(&self, mut codes: impl ExactSizeIterator<Item = i64>) -> Vec<Vec<u8>> {
        /// Rows at a time, number after number: each is then a loop without branches.
        const ROWS: usize = 1024;
        let (rows, cuts, all) = (codes.len(), self.cuts(), self.numbers());
        let count = cuts.iter().map(|(limbs, _)| limbs).sum();
        let mut columns: Vec<Vec<u8>> = (0..count).map(|_| Vec::with_capacity(rows)).collect();
        let (mut some, mut numbers) = (Vec::with_capacity(ROWS), Vec::with_capacity(ROWS));
        for _ in 0..rows.div_ceil(ROWS) {
            some.clear();
            some.extend(codes.by_ref().take(ROWS));
            let mut columns = columns.iter_mut();
            for (number, (limbs, bits)) in all.iter().zip(&cuts) {
                numbers.clear();
                match number {
                    Number::Offset => self.enter(Number::Offset, &some, &mut numbers),
                    Number::Square => self.enter(Number::Square, &some, &mut numbers),
                    Number::FromLow => self.enter(Number::FromLow, &some, &mut numbers),
                    Number::FromHigh => self.enter(Number::FromHigh, &some, &mut numbers),
                    Number::Steps => self.enter(Number::Steps, &some, &mut numbers),
                    Number::SquaredSteps => self.enter(Number::SquaredSteps, &some, &mut numbers),
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

    /// Shares of the sums of the numbers, from shares of the sums of their limbs: takes as many as there are.
    ///
    /// # Panics
    /// Where there are fewer.
    pub fn join<'a>(&self, limbs: &mut impl Iterator<Item = &'a Share<u128>>) -> Sums {
        let joined = self.numbers().into_iter().zip(self.cuts()).map(|(number, (count, bits))| {
            let first = limbs.next().expect("a share for each limb").times(1);
            let sum = (1..count as u32).fold(first, |sum, limb| {
                sum.plus(&limbs.next().expect("a share for each limb").times(1 << (limb * bits)))
            });
            (number, sum)
        });
        Sums(joined.collect())
    }

    /// This owner's sums by category, in clear: its shares where it owns the column, as the other's are zero. Categories outside
    /// `0..categories` count nowhere.
    pub fn totals(&self, categories: usize, by_unit: &[u32], codes: &[i64]) -> Sums {
        let numbers = self.numbers();
        let mut sums = vec![vec![0_u128; categories]; numbers.len()];
        for (category, code) in by_unit.iter().zip(codes) {
            let category = *category as usize;
            if category < categories && *code != NO_VALUE {
                for (sums, number) in sums.iter_mut().zip(&numbers) {
                    sums[category] = sums[category].plus(u128::from(self.number(*number, *code)));
                }
            }
        }
        Sums(numbers.into_iter().zip(sums.into_iter().map(Share::from_elements)).collect())
    }

    /// The part of a worker that adds nothing.
    pub fn nothing(&self, length: usize) -> Sums {
        Sums(self.numbers().into_iter().map(|number| (number, Share::zeros(length))).collect())
    }
}

/// The sides that have columns in a question's product, in the order in which its results have them.
pub fn sides(question: &Question) -> Vec<Side> {
    [Side::Left, Side::Right].into_iter().chain(question.factors().map(|(side, _)| side)).collect()
}

/// Products of limbs of two parts' steps.
pub struct StepProducts {
    /// Places of the parts in the column's list, the first before the second among the sides.
    pub parts: (usize, usize),
    /// Of each product the columns, and by how many bits it counts.
    pub limbs: Vec<(Cross, u32)>,
}

/// All products of parts' steps that a joint value column needs, in the order in which a product has them.
pub fn step_products(question: &Question) -> Vec<StepProducts> {
    let Some(column) = question.value().filter(|column| column.is_joint()) else { return Vec::new() };
    let sides = sides(question);
    let place = |side: Side| sides.iter().position(|of| *of == side);
    let parts = column.parts.iter().enumerate().filter_map(|(part, of)| {
        let (limbs, bits) = Limbs::of(column.part(of.side)?).step_limbs();
        Some((place(of.side)?, part, limbs, bits))
    });
    let mut parts: Vec<_> = parts.collect();
    parts.sort_by_key(|(place, ..)| *place);
    let mut products = Vec::new();
    for (at, (first, first_part, limbs, bits)) in parts.iter().enumerate() {
        for (second, second_part, other_limbs, other_bits) in &parts[at + 1..] {
            let pairs = limbs.clone().enumerate().flat_map(|(low, limb)| {
                other_limbs.clone().enumerate().map(move |(high, other)| {
                    let shift = low as u32 * bits + high as u32 * other_bits;
                    (Cross { first: (*first, limb), second: (*second, other) }, shift)
                })
            });
            products.push(StepProducts { parts: (*first_part, *second_part), limbs: pairs.collect() });
        }
    }
    products
}

/// The factors f of a column's evidence on dominance ([`Evidence`]): of the whole, and where it is joint of what remains of it
/// when an owner takes its own part away, for each owner; each from below and from above.
fn evidence_factors(column: &ValueColumn) -> Vec<u64> {
    let factor = |of: Vec<usize>| if of.len() == 1 { 1 } else { JOINT_FACTOR };
    subsets(column.parts.len()).into_iter().flat_map(|of| [factor(of); 2]).collect()
}

/// All parts, and where there are several all but each one.
fn subsets(parts: usize) -> Vec<Vec<usize>> {
    let without = |left_out| (0..parts).filter(|part| *part != left_out).collect();
    let less = if parts > 1 { 0..parts } else { 0..0 };
    std::iter::once((0..parts).collect()).chain(less.map(without)).collect()
}

/// f of evidence that rests on steps: eighths.
const JOINT_FACTOR: u64 = 8;
/// A contribution is in sevenths.
const SEVENTHS: u128 = 49;

/// What protection needs, from sums by cell: units, and of each part, and of products of steps. `constants` are this worker's
/// shares of those of the column.
///
/// Rule 10 is judged on how far values lie above the lower bound, and below the upper one. So nobody gets around it who adds a
/// constant or asks for the negative, and where it begins to hide says nothing but what it says of the column itself.
///
/// Of one part, the squares are bounded by sevenths of the width. Of several, with u their steps ([`StepForm`]): w = 2^a·(Σu − O) is
/// the distance of a code from the centre C but for e, |e| ≤ ε, so about any z
///
/// ```text
/// Q          = Σ(Σu − O)² = Σᵢ Σuᵢ² + 2 Σᵢⱼ Σuᵢuⱼ − 2·O·Σᵢ Σuᵢ + n·O²
/// 8Σ(x − z)² = 8Σ(x − C)² + 16(C − z)·Σ(x − C) + 8n(C − z)²
///            ≤ 9·4^a·Q + 72n·ε² + 16(C − z)·(Σx − nC) + 8n(C − z)²
/// ```
///
/// since (w + e)² ≤ 9/8·w² + 9·e². Where a = 0 there is no e, and 8·Q stands for 9·Q. That bounds the squares of sums over any of
/// the parts, so also of what is left when one is taken away.
pub fn cell_values(
    column: &ValueColumn,
    counts: &Share<u128>,
    parts: &[Sums],
    products: &[(usize, usize, Share<u128>)],
    constants: ConstantShares,
) -> ValueShares {
    let coding = |part: usize| &column.parts[part].coding;
    let total = |of: &[usize], number: fn(&Coding) -> i64| -> i128 {
        of.iter().map(|part| i128::from(number(coding(*part)))).sum()
    };
    // From offsets to codes.
    let codes = |of: &[usize]| {
        let offsets =
            of.iter().fold(Share::zeros(counts.len()), |sum, part| sum.plus(parts[*part].of(Number::Offset)));
        offsets.plus(&counts.times(total(of, |coding| coding.low) as u128))
    };
    let steps = column.steps();
    // Q and C of some of the parts.
    let quadratic = |of: &[usize]| {
        let (offset, centre) = steps.centre(of.iter().map(|part| coding(*part)));
        let offset = u128::from(offset);
        let own = of.iter().fold(Share::zeros(counts.len()), |sum, part| {
            let of_steps = parts[*part].of(Number::Steps).times((2 * offset).negated());
            sum.plus(parts[*part].of(Number::SquaredSteps)).plus(&of_steps)
        });
        let both = products.iter().filter(|(first, second, _)| of.contains(first) && of.contains(second));
        let all = both.fold(own, |sum, (_, _, product)| sum.plus(&product.times(2)));
        (all.plus(&counts.times(offset * offset)), i128::from(centre))
    };
    let evidence = |of: Vec<usize>| -> [Evidence; 2] {
        let all = codes(&of);
        let (low, high) = (total(&of, |coding| coding.low), total(&of, |coding| coding.high));
        let above = all.minus(&counts.times(low as u128));
        let below = counts.times(high as u128).minus(&all);
        let energies = match of[..] {
            [alone] => [Number::FromLow, Number::FromHigh].map(|number| {
                let width = u128::from(coding(alone).width());
                parts[alone].of(number).times(width * width)
            }),
            _ => {
                let (squares, centre) = quadratic(&of);
                let (farthest, factor) = match steps.shift {
                    0 => (0, 8),
                    _ => (i128::from(steps.farthest(of.len())), 9),
                };
                let squares = squares.times(factor << (2 * steps.shift));
                [low, high].map(|from| {
                    let apart = centre - from;
                    let of_sum = all.times((16 * apart) as u128);
                    let of_units = 72 * farthest * farthest + 8 * apart * apart - 16 * apart * centre;
                    squares.plus(&of_sum).plus(&counts.times(of_units as u128)).times(SEVENTHS)
                })
            }
        };
        let [from_low, from_high] = energies;
        [Evidence { sum: above, energy: from_low }, Evidence { sum: below, energy: from_high }]
    };
    let everything: Vec<usize> = (0..parts.len()).collect();
    let squares = column.squares.then(|| match column.is_joint() {
        true => quadratic(&everything).0,
        false => parts[0].of(Number::Square).times(1),
    });
    ValueShares {
        sums: codes(&everything),
        squares,
        evidence: subsets(parts.len()).into_iter().flat_map(evidence).collect(),
        constants,
    }
}

/// The public shape of a value column's protection under the rules in force.
pub fn shape(column: &ValueColumn, rules: &Rules) -> ValueShape {
    ValueShape {
        squares: column.squares,
        sum_bits: column.coding.offset_bits(),
        square_bits: column.square_bits(),
        units_min: rules.statistic_units_min,
        dominance_percent_max: rules.dominance_percent_max(),
        evidence: evidence_factors(column),
    }
}

#[cfg(test)]
mod tests {
    use kobling_model::interval::Interval;
    use kobling_model::value::{Summed, ValuePart};

    use super::*;

    fn limbs(low: f64, high: f64, squares: bool) -> Limbs {
        let bounds = Interval::new(low, high, true).expect("in order");
        let coding = Coding::of(&bounds, low).expect("small enough");
        Limbs { form: PartForm { coding, squares, joint: None } }
    }

    #[test]
    fn wages_travel_in_three_limbs_of_seven_bits_and_two_contributions() {
        assert_eq!(limbs(0.0, 1_300_000.0, false).bits(), [7, 7, 7, 6, 6]);
        assert_eq!(limbs(0.0, 1_300_000.0, true).bits(), [7, 7, 7, 8, 8, 8, 8, 8, 6, 6]);
        assert_eq!(limbs(0.0, 0.0, false).bits(), [1, 6, 6]);
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
            let (least, most) = (limbs.form.coding.low, limbs.form.coding.high);
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
                let coding = limbs.form.coding;
                let expected = [
                    coding.offset(*code),
                    coding.square(*code),
                    coding.from_low(*code).pow(2),
                    coding.from_high(*code).pow(2),
                ];
                assert_eq!(joined, expected);
            }
        }
    }

    /// A column of numbers within these bounds, about these centres, on the left side, the right, and others.
    fn summed(bounds: &[(f64, f64, f64)]) -> ValueColumn {
        let within = |(low, high, centre): &(f64, f64, f64)| {
            (Interval::new(*low, *high, true).expect("in order"), *centre)
        };
        let Summed { coding, parts } =
            Summed::of(&bounds.iter().map(within).collect::<Vec<_>>()).expect("small enough");
        let sides = [Side::Left, Side::Right].into_iter().chain((0..).map(Side::Other));
        let part = |(side, coding)| ValuePart { side, coding };
        let parts = sides.zip(parts).map(part).collect();
        ValueColumn { name: "sum".into(), parts, coding, squares: true }
    }

    #[test]
    fn limbs_of_steps_have_at_most_four_bits_and_all_limbs_fit_a_product() {
        for column in [summed(&[(-1e10, 1e10, 0.0), (-1e9, 1e10, 0.0)]), summed(&[(0.0, 1.0, 0.0); 8])] {
            for part in &column.parts {
                let limbs = Limbs::of(column.part(part.side).expect("a part"));
                let (steps, bits) = limbs.step_limbs();
                assert!((1..=4).contains(&bits) && !steps.is_empty() && steps.len() <= 3);
                assert!(
                    limbs.bits().len() <= kobling_crypto::protocol::narrow_product::ProductShape::VALUES_MAX
                );
                assert!(limbs.bits()[steps].iter().all(|of| u32::from(*of) == bits));
            }
        }
    }
}
