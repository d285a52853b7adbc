//! What the protected sums of a cell become: mean, standard deviation and sum, from protected numbers alone.

use kobling_model::plan::Show;
use kobling_model::table::Statistics;
use kobling_model::value::{Coding, three_digits};

/// No sum of codes or of their squares, with whatever noise, is larger.
const SUM_MAX: u128 = 1 << 100;

/// Statistics of a cell with the perturbed count c', the perturbed sum s' of its codes, and the perturbed sum q' of the
/// squares of their distances from the coding's centre z, in units of 4^shift ([`ValueColumn::square_shift`](kobling_model::value::ValueColumn::square_shift)). Only what is
/// shown is computed; a division by a count of 0, or by 1 − 1, gives nothing.
///
/// - mean = value(s'/c'), three significant digits;
/// - variance of the codes = (4^shift·q'/c' − (s'/c' − z)²)·c'/(c' − 1); where noise brings it below 0, there is no deviation to show;
/// - standard deviation = value(√variance), three significant digits. A code is a number in another unit, so
///   nothing else turns its deviations into those of the numbers;
/// - sum = value(s'), with the coding's decimals.
///
/// Outer none: a sum beyond 2¹⁰⁰, which no honest workers open. Inner none: nothing can be computed.
pub fn statistics(
    coding: &Coding,
    square_shift: u32,
    shows: &[Show],
    count: u64,
    sum: i128,
    squares: Option<i128>,
) -> Option<Option<Statistics>> {
    if sum.unsigned_abs() > SUM_MAX || squares.is_some_and(|squares| squares.unsigned_abs() > SUM_MAX) {
        return None;
    }
    let units = count as f64;
    let shown = |show: Show| shows.contains(&show);
    let mean = (count > 0).then(|| sum as f64 / units);
    let deviation = || {
        let from_centre = mean? - coding.centre as f64;
        let squared = squares? as f64 * 4_f64.powi(square_shift as i32) / units;
        let variance = (squared - from_centre * from_centre) * units / (units - 1.0);
        (count > 1 && variance >= 0.0).then(|| three_digits(coding.value(variance.sqrt())))
    };
    let statistics = Statistics {
        mean: mean.filter(|_| shown(Show::Mean)).map(|mean| three_digits(coding.value(mean))),
        standard_deviation: if shown(Show::StandardDeviation) { deviation() } else { None },
        sum: shown(Show::Sum).then(|| coding.sum(sum)),
    };
    Some((statistics != Statistics::default()).then_some(statistics))
}

#[cfg(test)]
mod tests {
    use kobling_model::interval::Interval;

    use super::*;

    const ALL: [Show; 4] = [Show::Frequency, Show::Mean, Show::StandardDeviation, Show::Sum];

    fn coding(low: f64, high: f64, whole: bool, centre: f64) -> Coding {
        Coding::of(&Interval::new(low, high, whole).expect("in order"), centre).expect("small enough")
    }

    /// Sums of codes and of squares of these values, each as often as said.
    fn sums(coding: &Coding, bounds: &Interval, values: &[(f64, u64)]) -> (u64, i128, i128) {
        values.iter().fold((0, 0, 0), |(count, sum, squares), (value, times)| {
            let code = coding.code(*value, bounds);
            let square = i128::from(coding.square(code));
            let times_wide = i128::from(*times);
            (count + times, sum + i128::from(code) * times_wide, squares + square * times_wide)
        })
    }

    #[test]
    fn the_numbers_are_those_computed_by_hand() {
        // Two of 300 000, three of 400 000, five of 600 000: sum 4 800 000, mean 480 000; squared distances from it
        // 2·180² + 3·80² + 5·120² = 156 000 thousands squared, by 9: 17 333.33, root 131.656.
        let wages = coding(0.0, 1_300_000.0, true, 410_000.0);
        let bounds = Interval::new(0.0, 1_300_000.0, true).expect("in order");
        let values = [(300_000.0, 2), (400_000.0, 3), (600_000.0, 5)];
        let (count, sum, squares) = sums(&wages, &bounds, &values);
        assert_eq!((wages.square_shift(), count), (1, 10));
        let shown = statistics(&wages, wages.square_shift(), &ALL, count, sum, Some(squares));
        let shown = shown.expect("possible").expect("shown");
        assert_eq!(shown.mean, Some(480_000.0));
        assert_eq!(shown.standard_deviation, Some(132_000.0));
        // Each of ten codes is rounded to 0.6 kroner.
        assert!((shown.sum.expect("asked for") - 4_800_000.0).abs() <= 4.0);
    }

    #[test]
    fn negative_numbers_and_decimals_are_those_of_the_values_not_of_the_codes() {
        // -1.5, 0.5 and 4: sum 3, mean 1, squared distances 6.25 + 0.25 + 9 = 15.5, by 2: 7.75, root 2.7839.
        let bounds = Interval::new(-2.5, 80.25, false).expect("in order");
        let small = coding(-2.5, 80.25, false, 9.0);
        assert_eq!(small.decimals, 5);
        let (count, sum, squares) = sums(&small, &bounds, &[(-1.5, 1), (0.5, 1), (4.0, 1)]);
        let shown = statistics(&small, small.square_shift(), &ALL, count, sum, Some(squares));
        let shown = shown.expect("possible").expect("shown");
        assert_eq!((shown.mean, shown.standard_deviation), (Some(1.0), Some(2.78)));
        let sum = shown.sum.expect("asked for");
        assert!((sum - 3.0).abs() < 1e-4 && format!("{sum}").len() <= 8, "{sum}");
    }

    #[test]
    fn squares_whose_low_bits_were_dropped_count_fourfold_for_each() {
        // Half at either end: deviation is half the range, times the root of c/(c−1).
        let bounds = Interval::new(0.0, 1e12, true).expect("in order");
        let large = coding(0.0, 1e12, true, 2e11);
        assert!(large.square_shift() > 0 && large.decimals == -2);
        let (count, sum, squares) = sums(&large, &bounds, &[(0.0, 500), (1e12, 500)]);
        let shown = statistics(&large, large.square_shift(), &ALL, count, sum, Some(squares));
        let shown = shown.expect("possible").expect("shown");
        assert_eq!((shown.mean, shown.standard_deviation, shown.sum), (Some(5e11), Some(5e11), Some(5e14)));
    }

    #[test]
    fn noise_that_makes_a_variance_negative_leaves_no_deviation() {
        let wages = coding(0.0, 1_300_000.0, true, 410_000.0);
        let shown =
            statistics(&wages, wages.square_shift(), &ALL, 100, 100 * i128::from(wages.centre), Some(-7))
                .expect("possible")
                .expect("shown");
        assert_eq!((shown.mean, shown.standard_deviation), (Some(410_000.0), None));
    }

    #[test]
    fn what_is_not_asked_for_is_not_computed_and_what_cannot_be_is_not_shown() {
        let wages = coding(0.0, 1_300_000.0, true, 410_000.0);
        let sum = (1230.0 / wages.unit.0).round() as i128;
        let of = |shows: &[Show], count, squares| {
            statistics(&wages, wages.square_shift(), shows, count, sum, squares)
        };
        let mean = of(&ALL[1..2], 10, None).expect("possible").expect("shown");
        assert_eq!(mean, Statistics { mean: Some(123.0), ..Statistics::default() });
        assert_eq!(of(&ALL[1..3], 0, Some(1)), Some(None));
        let one = of(&ALL[1..3], 1, Some(1)).expect("possible").expect("shown");
        assert_eq!((one.mean, one.standard_deviation), (Some(1230.0), None));
        let huge = 1 << 101;
        assert_eq!(statistics(&wages, wages.square_shift(), &ALL, 10, huge, Some(0)), None);
        assert_eq!(statistics(&wages, wages.square_shift(), &ALL, 10, -huge, Some(0)), None);
        assert_eq!(statistics(&wages, wages.square_shift(), &ALL, 10, 0, Some(huge)), None);
        assert_eq!(statistics(&wages, wages.square_shift(), &ALL, 10, 0, Some(i128::MIN)), None);
    }
}
