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
    /// Its form, in the unit of the whole.
    pub coding: Coding,
}

/// Numbers of several owners before it is known which sides they are on.
#[derive(Clone, Debug, PartialEq)]
pub struct Summed {
    /// The whole.
    pub coding: Coding,
    /// The form of each.
    pub parts: Vec<Coding>,
}

impl Summed {
    /// What numbers within these bounds, about these centres, add up to; none where a bound exceeds
    /// [`Coding::BOUND_MAX`].
    pub fn of(parts: &[(Interval, f64)]) -> Option<Self> {
        let sum = |of: fn(&(Interval, f64)) -> f64| parts.iter().map(of).sum::<f64>();
        let whole = parts.iter().all(|(bounds, _)| bounds.whole);
        let all = Interval::new(sum(|(of, _)| of.low), sum(|(of, _)| of.high), whole)?;
        let largest = |bounds: &Interval| bounds.low.abs().max(bounds.high.abs());
        let largest = parts.iter().map(|(bounds, _)| largest(bounds)).fold(largest(&all), f64::max);
        if largest.is_nan() || largest > Coding::BOUND_MAX {
            return None;
        }
        // Widths are added, not taken of the whole: a constant that is added changes nothing.
        let unit = unit(parts.iter().map(|(bounds, _)| bounds.high - bounds.low).sum(), largest);
        let decimals = decimals(&all);
        let parts: Vec<Coding> =
            parts.iter().map(|(bounds, centre)| Coding::within(bounds, *centre, unit, decimals)).collect();
        if let [alone] = parts[..] {
            return Some(Self { coding: alone, parts });
        }
        let sum = |of: fn(&Coding) -> i64| parts.iter().map(of).sum::<i64>();
        let (low, high) = (sum(|of| of.low), sum(|of| of.high));
        // The centre of the whole lies in the middle between steps.
        let (_, centre) = StepForm { shift: StepForm::shift(parts.iter()) }.centre(parts.iter());
        let coding = Coding { unit: Exact(unit), from: Exact(all.low), decimals, low, high, centre };
        Some(Self { coding, parts })
    }
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

    fn shift<'a>(parts: impl Iterator<Item = &'a Coding>) -> u32 {
        parts.map(Coding::offset_bits).max().unwrap_or(0).saturating_sub(Self::BITS)
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
        StepForm { shift: StepForm::shift(self.parts.iter().map(|part| &part.coding)) }
    }

    /// What the owner on a side needs to know of its part, if it has one.
    pub fn part(&self, side: Side) -> Option<PartForm> {
        let part = self.parts.iter().find(|part| part.side == side)?;
        let joint = JointPart { parts: self.parts.len() as u32, steps: self.steps() };
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

/// The form of a value column on shares: whole numbers of units above the lower public bound.
///
/// The unit is a fixed part of the width of the bounds. So a·x + b has the codes of x for every a above 0 and every b, and with
/// them its sums, and the noise of these: whoever asks for a column in other units learns nothing new.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Coding {
    /// What one stands for.
    pub unit: Exact,
    /// The lower bound, which is entered as 0.
    pub from: Exact,
    /// Decimals that a sum is shown with; negative: digits before the point that are not shown.
    pub decimals: i32,
    /// Smallest code: the lower bound in units, rounded.
    pub low: i64,
    /// Largest code.
    pub high: i64,
    /// The code that squares are taken about.
    pub centre: i64,
}

/// A number that is the same only bit by bit.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Exact(pub f64);

impl PartialEq for Exact {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Eq for Exact {}

/// Most units that sums are sized for.
pub const UNITS_MAX: u64 = 1 << 24;

impl Coding {
    /// Largest absolute code. With [`UNITS_MAX`] units, a sum stays below 2⁵⁸ and its square below 2¹¹⁶.
    pub const LARGEST: i64 = 10_000_000_000;
    /// Columns with larger bounds are refused: a double has no digits left to sum.
    pub const BOUND_MAX: f64 = 1e15;
    /// Steps that contributions are rounded up to.
    pub const CONTRIBUTION_STEPS: u64 = 7;
    /// Units from one bound to the other: 21 bits, three limbs of seven. Half of it is rounded to at most 20 bits, so that squares have 40.
    pub const UNITS: i64 = (1 << 21) - 2;
    /// Bits kept of a distance from the centre before it is squared.
    const SQUARED_BITS: u32 = 20;

    /// The coding of a column within these bounds, squared about `centre`; none where a bound exceeds
    /// [`Self::BOUND_MAX`].
    pub fn of(bounds: &Interval, centre: f64) -> Option<Self> {
        Summed::of(&[(*bounds, centre)]).map(|summed| summed.coding)
    }

    fn within(bounds: &Interval, centre: f64, unit: f64, decimals: i32) -> Self {
        let units = |above: f64| (above / unit).round() as i64;
        let low = units(bounds.low);
        let high = low + units(bounds.high - bounds.low);
        let centre = match centre.is_finite() {
            true => low + units(bounds.clamp(centre) - bounds.low),
            false => low + (high - low) / 2,
        };
        Self { unit: Exact(unit), from: Exact(bounds.low), decimals, low, high, centre }
    }

    /// The code of a value that is brought within `bounds` first.
    pub fn code(&self, value: f64, bounds: &Interval) -> i64 {
        let above = (bounds.clamp(value) - self.from.0) / self.unit.0;
        self.low.saturating_add(above.round() as i64).clamp(self.low, self.high)
    }

    /// The number that a code, or a sum of codes, stands for.
    pub fn value(&self, code: f64) -> f64 {
        code * self.unit.0
    }

    /// The same as it is shown of a sum.
    pub fn sum(&self, code: i128) -> f64 {
        let scaled = scale(self.value(code as f64), self.decimals);
        scale(scaled.round(), -self.decimals)
    }

    /// From one bound to the other.
    pub fn width(&self) -> u64 {
        self.high.abs_diff(self.low)
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

    /// How far a code lies from the smallest, in sevenths of the width, rounded up: 0 at the smallest, 7 at the largest.
    /// Rule 10 rests on sums of its squares.
    pub fn from_low(&self, code: i64) -> u64 {
        self.sevenths(code.abs_diff(self.low))
    }

    /// The same from the largest.
    pub fn from_high(&self, code: i64) -> u64 {
        self.sevenths(code.abs_diff(self.high))
    }

    fn sevenths(&self, distance: u64) -> u64 {
        // Without a division: how many steps of the width it reaches beyond.
        let (sevenfold, width) = (distance * Self::CONTRIBUTION_STEPS, self.width());
        (0..Self::CONTRIBUTION_STEPS).map(|steps| u64::from(steps * width < sevenfold)).sum()
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

/// What a code of a column of this width stands for. Large numbers that lie close together have larger units.
fn unit(width: f64, largest: f64) -> f64 {
    let mut unit = match width {
        width if width > 0.0 => width / Coding::UNITS as f64,
        _ if largest > 0.0 => largest,
        _ => 1.0,
    };
    // A few units below: codes are rounded.
    while largest / unit > (Coding::LARGEST - 16) as f64 {
        unit *= 2.0;
    }
    unit
}

/// Decimals that a sum is shown with: none of whole numbers, of others at least seven digits at the bound.
fn decimals(bounds: &Interval) -> i32 {
    let largest = bounds.low.abs().max(bounds.high.abs());
    let mut decimals = 0;
    while !bounds.whole && largest > 0.0 && decimals < 12 && scale(largest, decimals) < 1e6 {
        decimals += 1;
    }
    while scale(largest, decimals) > Coding::LARGEST as f64 {
        decimals -= 1;
    }
    decimals
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
    fn a_unit_is_a_fixed_part_of_the_width_and_sums_keep_the_digits_of_the_values() {
        let wages = coding(0.0, 1_300_000.0, true, 400_000.0);
        assert_eq!((wages.low, wages.high, wages.offset_bits(), wages.decimals), (0, Coding::UNITS, 21, 0));
        assert_eq!((wages.centre, wages.square_shift()), (645_277, 1));
        assert_eq!((wages.value(wages.high as f64), wages.sum(645_277 * 10)), (1_300_000.0, 4_000_000.0));
        let indicator = coding(0.0, 1.0, true, 0.3);
        assert_eq!((indicator.high, indicator.sum(Coding::UNITS as i128 * 12 + 5)), (Coding::UNITS, 12.0));
        assert_eq!(coding(-2.5, 80.25, false, 9.0).decimals, 5);
        let constant = coding(0.0, 0.0, true, 0.0);
        assert_eq!((constant.low, constant.high, constant.centre), (0, 0, 0));
        let seven = coding(7.0, 7.0, true, 7.0);
        assert_eq!((seven.low, seven.high, seven.sum(3)), (1, 1, 21.0));
    }

    #[test]
    fn a_column_in_other_units_or_from_another_zero_has_the_same_offsets() {
        let (low, high) = (-20_000.0, 1_300_000.0);
        let wages = coding(low, high, true, 4e5);
        let values = [low, -3.0, 0.0, 1.0, 17.5, 399_999.0, 1_234_567.0, high];
        for (a, b) in [(2.0, 0.0), (1.0, 1e6), (0.001, 3.0), (1.0 / 3.0, -77.0), (12.0, 0.5)] {
            let other = coding(a * low + b, a * high + b, false, a * 4e5 + b);
            let within = |low: f64, high: f64| Interval::new(low, high, false).expect("in order");
            for value in values {
                let code = wages.code(value, &within(low, high));
                let moved = other.code(a * value + b, &within(a * low + b, a * high + b));
                assert_eq!(wages.offset(code), other.offset(moved), "{a} {b} {value}");
            }
            assert_eq!(wages.high - wages.low, other.high - other.low);
            assert_eq!(wages.centre - wages.low, other.centre - other.low);
        }
    }

    #[test]
    fn numbers_far_from_zero_have_larger_units_and_too_large_ones_are_refused() {
        let days = coding(18_000.0, 18_001.0, true, 18_000.5);
        assert!(days.high <= Coding::LARGEST && days.high - days.low < Coding::UNITS && days.low < days.high);
        let largest = coding(-1e15, 1e15, true, 0.0);
        assert_eq!((largest.decimals, largest.high - largest.low), (-5, Coding::UNITS));
        assert_eq!(Coding::of(&Interval::new(0.0, 1.1e15, true).expect("in order"), 0.0), None);
    }

    #[test]
    fn numbers_that_add_up_share_a_unit_and_their_offsets_add_up_to_those_of_the_whole() {
        let within =
            |low: f64, high: f64, centre: f64| (Interval::new(low, high, true).expect("in order"), centre);
        let parts = [within(0.0, 1_300_000.0, 4e5), within(-90.0, 60_000.0, 1e3)];
        let summed = Summed::of(&parts).expect("small enough");
        let [wages, others] = summed.parts[..] else { panic!("two parts") };
        assert_eq!((wages.unit, others.unit), (summed.coding.unit, summed.coding.unit));
        assert_eq!(wages.low + others.low, summed.coding.low);
        assert_eq!(wages.high + others.high, summed.coding.high);
        assert!(summed.coding.offset_bits() <= 22);
        // In other units, and with a constant added to one of them.
        let moved = [within(77.0, 2_600_077.0, 8e5 + 77.0), within(-180.0, 120_000.0, 2e3)];
        let moved = Summed::of(&moved).expect("small enough");
        for (part, of) in moved.parts.iter().zip(&summed.parts) {
            assert_eq!(
                (part.high - part.low, part.centre - part.low),
                (of.high - of.low, of.centre - of.low)
            );
        }
        assert_eq!(Summed::of(&[parts[0], within(0.0, 1.1e15, 0.0)]), None);
    }

    #[test]
    fn codes_squares_and_contributions_stay_in_their_bits() {
        for (low, high, whole, centre) in [
            (0.0, 1e6, true, 3e5),
            (-1e10, 1e10, true, -1e10),
            (-0.01, 3.0, false, 1.0),
            (5.0, 5.0, true, 5.0),
            (1e9, 1e9 + 1.0, true, 1e9),
        ] {
            let bounds = Interval::new(low, high, whole).expect("in order");
            let coding = coding(low, high, whole, centre);
            for value in [low, high, centre, f64::MIN, f64::MAX, (low + high) / 3.0] {
                let code = coding.code(value, &bounds);
                assert!((coding.low..=coding.high).contains(&code));
                assert!(bits(coding.offset(code)) <= coding.offset_bits());
                assert!(coding.square(code) <= coding.largest_square());
                assert!(coding.square_bits() <= 41);
                assert!(coding.from_low(code) <= Coding::CONTRIBUTION_STEPS);
                assert!(coding.from_high(code) <= Coding::CONTRIBUTION_STEPS);
            }
        }
    }

    #[test]
    fn a_contribution_is_never_rounded_down() {
        let coding = coding(-700.0, 7000.0, true, 0.0);
        let (low, seventh) = (coding.low, coding.width() as i64 / 7);
        let codes = [low, low + 1, low + seventh, low + seventh + 1, coding.high];
        assert_eq!(codes.map(|code| coding.from_low(code)), [0, 1, 1, 2, 7]);
        assert_eq!(codes.map(|code| coding.from_high(code)), [7, 7, 7, 6, 0]);
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
