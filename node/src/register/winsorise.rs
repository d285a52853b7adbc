//! Rule 2's constants of a register variable: fixed at import over all its rows, so that they say nothing about a
//! group that somebody chooses later.
//!
//! The sorted values v₀ … v₍N₋₁₎ of all rows, codes and sentinels included, give
//! - low: v at floor(0.01 · (N − 1)),
//! - high: v at ceil(0.99 · (N − 1)),
//! - mean: the mean of all values brought within low and high.
//!
//! They are exact, and secret. What is published is [`Winsorised::range`].
//!
//! # Selection
//! Counting sort's first half, 16 bits a pass: the bits of a finite double, turned so that they order like the number,
//! are counted by their next 16 bits among the values that share the bits found so far, for both ranks at once. Four
//! passes fix both values and a fifth gives the mean. Memory is two tables of counts, whatever the nation.

use std::fmt;

use kobling_disclosure::rule::winsorising;
use kobling_model::value::Range;
use serde::{Deserialize, Serialize};

/// The exact constants of a variable's numbers. Secret: they may be the values of single people.
#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Winsorised {
    /// The 1st percentile.
    #[serde(with = "exact")]
    pub low: f64,
    /// The 99th percentile.
    #[serde(with = "exact")]
    pub high: f64,
    /// Mean of the values brought within the two.
    #[serde(with = "exact")]
    pub mean: f64,
}

impl fmt::Debug for Winsorised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Winsorised(hidden)")
    }
}

impl Winsorised {
    /// The constants of `count` finite values, which `pass` shows again each time it is called, in the same order and in
    /// pieces of any size. `None` without values.
    pub(super) fn of<E>(
        count: u64,
        mut pass: impl FnMut(&mut dyn FnMut(&[f64])) -> Result<(), E>,
    ) -> Result<Option<Self>, E> {
        let Some(ranks) = winsorising::ranks(count) else { return Ok(None) };
        let mut sought = ranks.map(Selection::new);
        for shift in [48, 32, 16, 0] {
            pass(&mut |values| {
                for value in values {
                    let image = image(*value);
                    sought.iter_mut().for_each(|selection| selection.count(image, shift));
                }
            })?;
            sought.iter_mut().for_each(|selection| selection.narrow());
        }
        let [low, high] = sought.map(|selection| value_of(selection.found));
        let mut sum = ExactSum::default();
        pass(&mut |values| values.iter().for_each(|value| sum.add(value.clamp(low, high))))?;
        let mut mean = sum.total() / count as f64;
        if !mean.is_finite() {
            // The sum is beyond a double, the mean is not: by a power of two less, as many as there can be fit.
            const SCALE: f64 = (1u128 << 64) as f64;
            let mut scaled = ExactSum::default();
            pass(&mut |values| values.iter().for_each(|value| scaled.add(value.clamp(low, high) / SCALE)))?;
            mean = scaled.total() / count as f64 * SCALE;
        }
        Ok(Some(Self { low, high, mean: mean.clamp(low, high) }))
    }

    /// What is published: the bounds rounded outwards to two significant digits, and the mean to one, within them.
    /// `None` where a bound would be beyond a double.
    pub(super) fn range(&self) -> Option<Range> {
        let low = floor_two_digits(self.low);
        let high = -floor_two_digits(-self.high) + 0.0;
        // Through text: it rounds correctly, and the same on every machine.
        let centre: f64 = format!("{:.0e}", self.mean).parse().expect("a number is written as one");
        let finite = low.is_finite() && high.is_finite();
        finite.then(|| Range { low, high, centre: centre.clamp(low, high) + 0.0 })
    }
}

/// Finds the value of a rank, 16 bits a pass.
struct Selection {
    /// Leading bits found so far.
    found: u64,
    /// Rank among the values that share them.
    rank: u64,
    counts: Vec<u64>,
}

impl Selection {
    fn new(rank: u64) -> Self {
        Self { found: 0, rank, counts: vec![0; 1 << 16] }
    }

    fn count(&mut self, image: u64, shift: u32) {
        // Of the first pass all bits above are shifted out.
        if image.checked_shr(shift + 16).unwrap_or(0) == self.found {
            self.counts[(image >> shift) as usize & 0xffff] += 1;
        }
    }

    fn narrow(&mut self) {
        let mut below = 0;
        let bucket = self.counts.iter().position(|count| {
            below += count;
            below > self.rank
        });
        let bucket = bucket.expect("every pass shows the same values");
        self.rank -= below - self.counts[bucket];
        self.found = self.found << 16 | bucket as u64;
        self.counts.fill(0);
    }
}

const SIGN: u64 = 1 << 63;

/// Bits that are ordered as the numbers are.
fn image(value: f64) -> u64 {
    // Minus zero is zero.
    let bits = (value + 0.0).to_bits();
    if bits & SIGN == 0 { bits | SIGN } else { !bits }
}

fn value_of(image: u64) -> f64 {
    f64::from_bits(if image & SIGN == 0 { !image } else { image ^ SIGN })
}

/// A sum that carries what rounding loses (A. Neumaier, "Rundungsfehleranalyse einiger Verfahren zur Summation endlicher
/// Summen", ZAMM 54, 1974).
#[derive(Default)]
struct ExactSum {
    sum: f64,
    lost: f64,
}

impl ExactSum {
    fn add(&mut self, value: f64) {
        let sum = self.sum + value;
        self.lost +=
            if self.sum.abs() >= value.abs() { self.sum - sum + value } else { value - sum + self.sum };
        self.sum = sum;
    }

    fn total(&self) -> f64 {
        self.sum + self.lost
    }
}

/// The largest number of two significant digits that is not above `value`; zero stays zero.
fn floor_two_digits(value: f64) -> f64 {
    if value == 0.0 {
        return 0.0;
    }
    let text = format!("{value:.1e}");
    let number = |text: &str| text.parse::<f64>().expect("a number is written as one");
    let nearest = number(&text);
    if nearest <= value {
        return nearest;
    }
    let (digits, exponent) = text.split_once('e').expect("written with an exponent");
    let (digits, exponent): (i32, i32) =
        (digits.replace('.', "").parse().expect("two digits"), exponent.parse().expect("a whole number"));
    // One step down in the second digit; below 1.0 comes 9.9 of the next power.
    let (digits, exponent) = if digits == 10 { (99, exponent - 1) } else { (digits - 1, exponent) };
    number(&format!("{digits}e{}", exponent - 1))
}

/// A number as a text that reads back as the very same: JSON readers round the last bit.
mod exact {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format!("{value:e}"))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        let text = String::deserialize(deserializer)?;
        let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
        number.ok_or_else(|| D::Error::custom("expected a finite number"))
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    fn of(values: &[f64]) -> Option<Winsorised> {
        let pass = |show: &mut dyn FnMut(&[f64])| {
            values.chunks(7).for_each(show);
            Ok::<_, Infallible>(())
        };
        Winsorised::of(values.len() as u64, pass).expect("memory does not fail")
    }

    /// By sorting everything.
    fn plain(values: &[f64]) -> Winsorised {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let last = (sorted.len() - 1) as f64;
        let low = sorted[(0.01 * last).floor() as usize];
        // 0.99 · (N − 1) in doubles may be a hair above a whole number.
        let high = sorted[(99 * (sorted.len() - 1)).div_ceil(100)];
        let clamped: Vec<_> = sorted.iter().map(|value| value.clamp(low, high)).collect();
        Winsorised { low, high, mean: clamped.iter().sum::<f64>() / sorted.len() as f64 }
    }

    proptest! {
        #[test]
        fn counting_finds_what_sorting_finds(
            values in proptest::collection::vec(
                prop_oneof![-1e6..1e6, (-5i32..5).prop_map(f64::from), any::<i64>().prop_map(|n| n as f64)], 1..700
            )
        ) {
            let (found, plain) = (of(&values).expect("values"), plain(&values));
            prop_assert_eq!((found.low, found.high), (plain.low, plain.high));
            let scale = plain.low.abs().max(plain.high.abs()).max(1.0);
            prop_assert!((found.mean - plain.mean).abs() <= scale * 1e-12);
        }

        #[test]
        fn the_published_range_holds_the_bounds_and_has_two_digits(one in any::<i64>(), other in -1e9..1e9) {
            let (low, high) = ((one as f64).min(other), other.max(one as f64));
            let range = Winsorised { low, high, mean: low }.range().expect("far from the limits");
            prop_assert!(range.low <= low && high <= range.high);
            prop_assert!(range.low <= range.centre && range.centre <= range.high);
            for (bound, exact) in [(range.low, low), (range.high, high)] {
                prop_assert_eq!(format!("{bound:.1e}").parse::<f64>(), Ok(bound));
                // Two digits are at most a tenth away.
                prop_assert!((bound - exact).abs() <= exact.abs() / 10.0 * (1.0 + 1e-12));
            }
        }
    }

    #[test]
    fn ranks_are_those_of_the_definition() {
        let numbers = |count: u32| (0..count).rev().map(f64::from).collect::<Vec<_>>();
        for (count, low, high) in
            [(1, 0.0, 0.0), (2, 0.0, 1.0), (100, 0.0, 99.0), (101, 1.0, 99.0), (201, 2.0, 198.0)]
        {
            let found = of(&numbers(count)).expect("values");
            assert_eq!((found.low, found.high), (low, high), "of {count}");
        }
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn the_mean_is_of_the_values_brought_within_the_bounds() {
        let mut values = vec![10.0; 400];
        values[0] = 1e12;
        values[399] = -1e12;
        let found = of(&values).expect("values");
        assert_eq!((found.low, found.high, found.mean), (10.0, 10.0, 10.0));
    }

    #[test]
    fn the_largest_numbers_and_both_zeros_do_not_break_it() {
        let found = of(&[f64::MAX, f64::MAX, f64::MAX]).expect("values");
        assert_eq!((found.low, found.high, found.mean), (f64::MAX, f64::MAX, f64::MAX));
        assert_eq!(found.range(), None);
        let found = of(&[-0.0, 0.0, -0.0]).expect("values");
        let range = found.range().expect("zero");
        for zero in [found.low, found.high, found.mean, range.low, range.high, range.centre] {
            assert_eq!(zero.to_bits(), 0.0f64.to_bits());
        }
    }

    #[test]
    fn bounds_are_rounded_outwards_and_the_centre_into_them() {
        let range = |low, high, mean| {
            let range = Winsorised { low, high, mean }.range().expect("finite");
            (range.low, range.high, range.centre)
        };
        assert_eq!(range(12_345.0, 1_234_567.0, 456_789.0), (12_000.0, 1_300_000.0, 500_000.0));
        assert_eq!(range(-12_345.0, -99.5, -996.0), (-13_000.0, -99.0, -1000.0));
        assert_eq!(range(9.96, 9.96, 9.96), (9.9, 10.0, 10.0));
        assert_eq!(range(-1.004, 99.1, 0.0), (-1.1, 100.0, 0.0));
        assert_eq!(range(0.0, 0.0123, 0.0096), (0.0, 0.013, 0.01));
        assert_eq!(range(95.0, 95.0, 95.0), (95.0, 95.0, 95.0));
    }

    #[test]
    fn what_is_kept_reads_back_exactly_and_is_not_printed() {
        let kept = Winsorised { low: 0.1 + 0.2, high: 1e300 / 3.0, mean: 5e-324 };
        let json = serde_json::to_string(&kept).expect("JSON");
        assert_eq!(serde_json::from_str::<Winsorised>(&json).expect("the same"), kept);
        assert_eq!(format!("{kept:?}"), "Winsorised(hidden)");
        for bad in ["NaN", "inf", "1e999", ""] {
            let json = format!("{{\"low\":\"{bad}\",\"high\":\"1\",\"mean\":\"1\"}}");
            assert!(serde_json::from_str::<Winsorised>(&json).is_err());
        }
    }
}
