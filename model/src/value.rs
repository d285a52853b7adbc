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

/// The number summed in the cells of a question. Its expression is that of the fragment on its side; a unit where it
/// is missing is in no cell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValueColumn {
    /// Name in the script.
    pub name: String,
    /// Whose fragment has it.
    pub side: Side,
    /// Public bounds, and so the form on shares.
    pub coding: Coding,
    /// Whether sums of squares are needed too.
    pub squares: bool,
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
