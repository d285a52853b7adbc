//! Numbers whose sums are asked for, as the whole numbers that stand for them on shares.
//!
//! A value column has public bounds and a public centre, from the catalogue through [`Interval`]. They fix, for all
//! parties alike, the [`Coding`]: how many decimals are kept, what is taken off so that every code is at least
//! zero, and how squares and contributions are formed. Nothing here depends on the data.

use serde::{Deserialize, Serialize};

use crate::expression::Expression;
use crate::interval::Interval;
use crate::plan::Side;

/// Public constants of a numeric variable: what its owner publishes about its winsorising bounds and its mean.
///
/// Bounds are rounded outwards to two significant digits, the centre to one, so that they say of the whole
/// register's tail and middle no more than any published summary does.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// At most the lower winsorising bound.
    pub low: f64,
    /// At least the upper one.
    pub high: f64,
    /// Near the mean, within the bounds.
    pub centre: f64,
}

/// The number summed in the cells of a question: that of one owner, or what numbers of several owners add up to. A unit where
/// one of them is missing is in no cell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValueColumn {
    /// Name in the script.
    pub name: String,
    /// What adds up to it: the expressions of the fragments on these sides, one each.
    pub parts: Vec<ValuePart>,
    /// Public bounds of the whole, and so its form on shares. Its smallest and largest code are the sums of those of the parts.
    pub coding: Coding,
    /// Whether sums of squares are shown of it.
    pub squares: bool,
}

/// One owner's number in a value column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValuePart {
    /// Whose fragment has it.
    pub side: Side,
    /// Its form: with the decimals of the whole.
    pub coding: Coding,
    /// How wide its public bounds are, in 2⁻²⁰ of those of all parts together.
    pub weight: u32,
    /// Whether its fingerprint is that of its negative: so that a column and its negative have one.
    pub negated: bool,
}

/// Numbers of several owners before it is known which sides they are on.
#[derive(Clone, Debug, PartialEq)]
pub struct Summed {
    /// The whole.
    pub coding: Coding,
    /// Form and weight of each.
    pub parts: Vec<(Coding, u32)>,
}

impl Summed {
    /// What numbers within these bounds, about these centres, add up to; none where a bound exceeds
    /// [`Coding::BOUND_MAX`].
    pub fn of(parts: &[(Interval, f64)]) -> Option<Self> {
        if let [(bounds, centre)] = parts {
            let coding = Coding::of(bounds, *centre)?;
            return Some(Self { coding, parts: vec![(coding, Self::WEIGHTS)] });
        }
        let sum = |of: fn(&(Interval, f64)) -> f64| parts.iter().map(of).sum::<f64>();
        let whole = parts.iter().all(|(bounds, _)| bounds.whole);
        let all = Interval::new(sum(|(of, _)| of.low), sum(|(of, _)| of.high), whole)?;
        let mut decimals = Coding::of(&all, sum(|(_, centre)| *centre))?.decimals;
        let (codings, coding) = loop {
            let codings = parts.iter().map(|(bounds, centre)| Coding::within(bounds, *centre, decimals));
            let codings = codings.collect::<Option<Vec<_>>>()?;
            let sum = |of: fn(&Coding) -> i64| codings.iter().map(of).sum::<i64>();
            let (low, high, centre) = (sum(|of| of.low), sum(|of| of.high), sum(|of| of.centre));
            let coding = Coding { decimals, low, high, centre };
            if codings.iter().chain([&coding]).all(|of| of.bound() <= Coding::LARGEST as u64) {
                break (codings, coding);
            }
            decimals -= 1;
        };
        let width = |(bounds, _): &(Interval, f64)| bounds.high - bounds.low;
        let together: f64 = parts.iter().map(width).sum();
        let weight = |part| (width(part) / together * f64::from(Self::WEIGHTS)).round() as u32;
        let weights = parts.iter().map(|part| if together > 0.0 { weight(part) } else { 0 });
        let parts: Vec<_> = codings.into_iter().zip(weights).collect();
        let (shift, steps) = (StepForm::shift(&parts), parts.len() as i64);
        // The centre of the whole lies in the middle between steps.
        let half = steps * ((1_i64 << shift) >> 1);
        let centre = coding.centre.saturating_sub(coding.low).saturating_sub(half).max(0) >> shift << shift;
        Some(Self { coding: Coding { centre: coding.low + half + centre, ..coding }, parts })
    }

    /// All weights together.
    pub const WEIGHTS: u32 = 1 << 20;
}

/// How squares of a sum of several owners' numbers come about: each number is cut into steps of 2^shift codes above its smallest,
/// and the squares are those of sums of whole steps about a centre.
///
/// With u the steps of each of m parts, O the offset, and C the centre, x = C + 2^shift·(Σu − O) + e for the code x of the whole,
/// where |e| ≤ m·2^(shift − 1), and e = 0 where shift is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepForm {
    /// Bits that a step drops.
    pub shift: u32,
}

impl StepForm {
    /// Bits of the steps of the widest part, at most.
    pub const BITS: u32 = 12;

    fn shift(parts: &[(Coding, u32)]) -> u32 {
        parts.iter().map(|(coding, _)| coding.offset_bits()).max().unwrap_or(0).saturating_sub(Self::BITS)
    }

    /// u: the steps of a code of a part.
    pub fn steps(&self, part: &Coding, code: i64) -> u64 {
        part.offset(code) >> self.shift
    }

    /// The steps of the centre of some parts together, O, and the code C in the middle of that: of those of the whole the
    /// coding's centre.
    pub fn centre<'a>(&self, parts: impl Iterator<Item = &'a Coding>) -> (u64, i64) {
        let (mut count, mut low, mut centre) = (0_i64, 0_i64, 0_i64);
        for part in parts {
            (count, low, centre) = (count + 1, low + part.low, centre + part.centre);
        }
        let half = count * ((1_i64 << self.shift) >> 1);
        let steps = (centre - low - half).max(0) >> self.shift;
        (steps as u64, low + half + (steps << self.shift))
    }

    /// The farthest that the code of so many parts lies from their steps, |e|.
    pub fn farthest(&self, parts: usize) -> u64 {
        parts as u64 * ((1_u64 << self.shift) >> 1)
    }
}

/// What an owner needs to know of its part of a value column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartForm {
    /// Its form.
    pub coding: Coding,
    /// Whether sums of squares are shown.
    pub squares: bool,
    /// Where it is one of several parts.
    pub joint: Option<JointPart>,
}

/// What is different where a number is one of several that add up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JointPart {
    /// How many they are.
    pub parts: u32,
    /// How squares come about.
    pub steps: StepForm,
    /// As in [`ValuePart`].
    pub weight: u32,
    /// As in [`ValuePart`].
    pub negated: bool,
}

impl PartForm {
    /// The square of a code's distance from the centre, in the units of the whole's squares: of one of several parts, that of
    /// its steps from its own centre.
    pub fn square(&self, code: i64) -> u64 {
        match &self.joint {
            None => self.coding.square(code),
            Some(JointPart { steps, .. }) => {
                let centre = steps.steps(&self.coding, self.coding.centre);
                steps.steps(&self.coding, code).abs_diff(centre).pow(2)
            }
        }
    }
}

impl ValueColumn {
    /// Whether several owners' numbers add up to it.
    pub fn is_joint(&self) -> bool {
        self.parts.len() > 1
    }

    /// How squares come about where it is joint.
    pub fn steps(&self) -> StepForm {
        let parts: Vec<_> = self.parts.iter().map(|part| (part.coding, part.weight)).collect();
        StepForm { shift: StepForm::shift(&parts) }
    }

    /// What the owner on a side needs to know of its part, if it has one.
    pub fn part(&self, side: Side) -> Option<PartForm> {
        let part = self.parts.iter().find(|part| part.side == side)?;
        let joint = JointPart {
            parts: self.parts.len() as u32,
            steps: self.steps(),
            weight: part.weight,
            negated: part.negated,
        };
        let joint = self.is_joint().then_some(joint);
        Some(PartForm { coding: part.coding, squares: self.squares, joint })
    }

    /// By how many bits distances from the centre are rounded before they are squared.
    pub fn square_shift(&self) -> u32 {
        if self.is_joint() { self.steps().shift } else { self.coding.square_shift() }
    }

    /// Bits of the largest square, at least one.
    pub fn square_bits(&self) -> u32 {
        if !self.is_joint() {
            return self.coding.square_bits();
        }
        let steps = self.steps();
        let (centre, _) = steps.centre(self.parts.iter().map(|part| &part.coding));
        let most: u64 = self.parts.iter().map(|part| steps.steps(&part.coding, part.coding.high)).sum();
        bits(most.abs_diff(centre).max(centre).pow(2))
    }
}

/// The form of a value column on shares: a fixed-point number x·10^decimals, rounded half away from zero, in public
/// bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Coding {
    /// Decimal digits kept; negative: digits before the point that are dropped.
    pub decimals: i32,
    /// Smallest code.
    pub low: i64,
    /// Largest code.
    pub high: i64,
    /// The code that squares are taken about.
    pub centre: i64,
}

/// Most units that sums are sized for.
pub const UNITS_MAX: u64 = 1 << 24;

impl Coding {
    /// Largest absolute code. With [`UNITS_MAX`] units, a sum stays below 2⁵⁸ and its square below 2¹¹⁶.
    pub const LARGEST: i64 = 10_000_000_000;
    /// Columns with larger bounds are refused: a double has no digits left to sum.
    pub const BOUND_MAX: f64 = 1e15;
    /// Steps that contributions are rounded up to.
    pub const CONTRIBUTION_STEPS: u64 = 7;
    /// Bits kept of a distance from the centre before it is squared.
    const SQUARED_BITS: u32 = 20;

    /// The coding of a column within these bounds, squared about `centre`; none where a bound exceeds
    /// [`Self::BOUND_MAX`].
    ///
    /// Whole numbers keep all digits, and enough decimals that the bound has four; others have at least seven
    /// digits at the bound. Digits beyond [`Self::LARGEST`] are dropped.
    pub fn of(bounds: &Interval, centre: f64) -> Option<Self> {
        let largest = bounds.low.abs().max(bounds.high.abs());
        if largest.is_nan() || largest > Self::BOUND_MAX {
            return None;
        }
        let wanted = if bounds.whole { 1e3 } else { 1e6 };
        let mut decimals = 0;
        while largest > 0.0 && decimals < 12 && scale(largest, decimals) < wanted {
            decimals += 1;
        }
        while scale(largest, decimals) > Self::LARGEST as f64 {
            decimals -= 1;
        }
        Self::within(bounds, centre, decimals)
    }

    /// The same with so many decimals.
    fn within(bounds: &Interval, centre: f64, decimals: i32) -> Option<Self> {
        let largest = bounds.low.abs().max(bounds.high.abs());
        if largest.is_nan() || largest > Self::BOUND_MAX {
            return None;
        }
        let code = |value: f64| scale(value, decimals).round() as i64;
        let (low, high) = (code(bounds.low), code(bounds.high));
        let centre = if centre.is_finite() { code(bounds.clamp(centre)) } else { low + (high - low) / 2 };
        Some(Self { decimals, low, high, centre })
    }

    /// The code of a value that is brought within `bounds` first.
    pub fn code(&self, value: f64, bounds: &Interval) -> i64 {
        (scale(bounds.clamp(value), self.decimals).round() as i64).clamp(self.low, self.high)
    }

    /// The number that a code, or a sum of codes, stands for.
    pub fn value(&self, code: f64) -> f64 {
        scale(code, -self.decimals)
    }

    /// Largest absolute code that is in bounds.
    pub fn bound(&self) -> u64 {
        self.low.unsigned_abs().max(self.high.unsigned_abs())
    }

    /// What is summed: the code above the smallest.
    pub fn offset(&self, code: i64) -> u64 {
        code.abs_diff(self.low)
    }

    /// Bits of the largest offset, at least one.
    pub fn offset_bits(&self) -> u32 {
        bits(self.high.abs_diff(self.low))
    }

    /// By how many bits distances from the centre are rounded before they are squared.
    pub fn square_shift(&self) -> u32 {
        bits(self.farthest()).saturating_sub(Self::SQUARED_BITS)
    }

    /// The square of the code's distance from the centre, in units of 4^shift.
    pub fn square(&self, code: i64) -> u64 {
        self.rounded(code.abs_diff(self.centre)).pow(2)
    }

    /// Largest square.
    pub fn largest_square(&self) -> u64 {
        self.rounded(self.farthest()).pow(2)
    }

    /// Bits of the largest square, at least one.
    pub fn square_bits(&self) -> u32 {
        bits(self.largest_square())
    }

    /// The size of a code in sevenths of the bound, rounded up: 0 for zero, 7 at the bound. Rule 10 rests on the
    /// sum of its squares.
    pub fn contribution(&self, code: i64) -> u64 {
        // Without a division: how many steps of the bound it reaches beyond.
        let (sevenfold, bound) = (code.unsigned_abs() * Self::CONTRIBUTION_STEPS, self.bound());
        (0..Self::CONTRIBUTION_STEPS).map(|steps| u64::from(steps * bound < sevenfold)).sum()
    }

    fn farthest(&self) -> u64 {
        self.high.abs_diff(self.centre).max(self.centre.abs_diff(self.low))
    }

    fn rounded(&self, distance: u64) -> u64 {
        let shift = self.square_shift();
        (distance + (1 << shift >> 1)) >> shift
    }
}

/// Public bounds and centre of an expression over sources with these constants.
pub fn bounds_and_centre(
    expression: &Expression,
    sources: &[Option<(Interval, f64)>],
) -> Option<(Interval, f64)> {
    let bounds: Vec<_> = sources.iter().map(|source| source.map(|(bounds, _)| bounds)).collect();
    let bounds = Interval::of(expression, &bounds)?;
    let centres: Vec<_> =
        sources.iter().map(|source| source.and_then(|(_, centre)| Interval::point(centre))).collect();
    let middle = |interval: Interval| interval.low + (interval.high - interval.low) / 2.0;
    let centre = Interval::of(expression, &centres).map_or(middle(bounds), middle);
    Some((bounds, bounds.clamp(centre)))
}

/// `value` · 10^decimals.
fn scale(value: f64, decimals: i32) -> f64 {
    // Powers of ten up to 10²² are exact, so there is one rounding.
    let power = 10_f64.powi(decimals.abs());
    if decimals >= 0 { value * power } else { value / power }
}

fn bits(largest: u64) -> u32 {
    (u64::BITS - largest.leading_zeros()).max(1)
}

/// A number with three significant digits: how means and deviations are shown.
pub fn three_digits(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    // Through text: it rounds correctly, and the same on every machine.
    format!("{value:.2e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coding(low: f64, high: f64, whole: bool, centre: f64) -> Coding {
        Coding::of(&Interval::new(low, high, whole).expect("in order"), centre).expect("small enough")
    }

    #[test]
    fn whole_numbers_keep_their_digits_and_others_seven() {
        let wages = coding(0.0, 1_300_000.0, true, 400_000.0);
        assert_eq!(wages, Coding { decimals: 0, low: 0, high: 1_300_000, centre: 400_000 });
        assert_eq!((wages.offset_bits(), wages.square_shift()), (21, 0));
        let indicator = coding(0.0, 1.0, true, 0.3);
        assert_eq!(indicator, Coding { decimals: 3, low: 0, high: 1000, centre: 300 });
        assert_eq!(coding(-2.5, 80.25, false, 9.0).decimals, 5);
        assert_eq!(coding(0.0, 0.0, true, 0.0), Coding { decimals: 0, low: 0, high: 0, centre: 0 });
    }

    #[test]
    fn the_largest_bounds_lose_digits_and_larger_ones_are_refused() {
        let largest = coding(-1e10, 1e10, true, 0.0);
        assert_eq!((largest.decimals, largest.high), (0, Coding::LARGEST));
        let larger = coding(0.0, 1e15, true, 1e15);
        assert_eq!((larger.decimals, larger.high), (-5, Coding::LARGEST));
        assert_eq!(Coding::of(&Interval::new(0.0, 1.1e15, true).expect("in order"), 0.0), None);
    }

    #[test]
    fn codes_squares_and_contributions_stay_in_their_bits() {
        for (low, high, whole, centre) in [
            (0.0, 1e6, true, 3e5),
            (-1e10, 1e10, true, -1e10),
            (-0.01, 3.0, false, 1.0),
            (5.0, 5.0, true, 5.0),
        ] {
            let bounds = Interval::new(low, high, whole).expect("in order");
            let coding = coding(low, high, whole, centre);
            for value in [low, high, centre, f64::MIN, f64::MAX, (low + high) / 3.0] {
                let code = coding.code(value, &bounds);
                assert!((coding.low..=coding.high).contains(&code));
                assert!(bits(coding.offset(code)) <= coding.offset_bits());
                assert!(coding.square(code) <= coding.largest_square());
                assert!(coding.square_bits() <= 41);
                assert!(coding.contribution(code) <= Coding::CONTRIBUTION_STEPS);
            }
        }
    }

    #[test]
    fn a_contribution_is_never_rounded_down() {
        let coding = coding(-700.0, 7000.0, true, 0.0);
        assert_eq!([0, 1, 1000, 1001, 7000].map(|code| coding.contribution(code)), [0, 1, 1, 2, 7]);
        assert_eq!(coding.contribution(-700), 1);
    }

    #[test]
    fn three_digits_are_three_digits() {
        assert_eq!(three_digits(523_456.7), 523_000.0);
        assert_eq!(three_digits(-0.012_345), -0.0123);
        assert_eq!(three_digits(999.9), 1000.0);
        assert_eq!(three_digits(0.0), 0.0);
    }

    #[test]
    fn the_centre_follows_the_expression() {
        let source = (Interval::new(0.0, 100.0, true).expect("in order"), 30.0);
        let doubled = Expression::Binary(
            crate::expression::BinaryOperator::Add,
            Box::new(Expression::Source(0)),
            Box::new(Expression::Source(0)),
        );
        let (bounds, centre) = bounds_and_centre(&doubled, &[Some(source)]).expect("bounded");
        assert_eq!((bounds.low, bounds.high, centre), (0.0, 200.0, 60.0));
    }
}
