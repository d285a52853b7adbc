//! Rule 8: percentiles and medians are smoothed over neighbours and shown with few digits.
//!
//! - Settings: `percentile_neighbours_min`, at least 10: the mean of how many neighbouring values stands for a percentile; and
//!   `percentile_digits_max`, at most 3: how many significant digits it is shown with. Of several owners' numbers the stricter counts.
//! - Judged: nothing. Rule 7 judges the group, and rule 2 has bounded the values.
//! - Effect: silent; results say that it is done.
//! - Carried out: here. `node/src/extract/blur.rs` calls [`smoothed`] for medians, quartiles and borders of groups that become values, with
//!   [`LOOSEST_NEIGHBOURS`], since these are computed by one owner and must be the same for every question. A shown percentile is to
//!   call [`smoothed`] and [`significant`] with the settings.
//!
//! Why: a percentile is the value of one person, or lies between two. The mean of ten neighbours is nobody's, and moving one unit over the place moves it
//! by a tenth of what lies between neighbours. Why ten: the number of true units behind every other statistic (rule 7), so that a percentile is a
//! statistic of as many. Why three digits: a salary of 523 456 becomes 523 000, which many have.
//! Source: S. Bond, M. Brandt and P.-P. de Wolf, "Guidelines for the checking of output based on microdata research" (Data without Boundaries, 2015), on
//! percentiles as values of single units.

use kobling_model::value::three_digits;

/// Neighbours that a percentile is the mean of at least; an owner may only raise it.
pub const LOOSEST_NEIGHBOURS: u32 = 10;
/// Significant digits of a shown percentile at most; an owner may only lower it.
pub const LOOSEST_DIGITS: u32 = 3;

/// The rule's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Neighbouring values of which the mean stands for a percentile. At least 10.
    pub neighbours_min: u32,
    /// Significant digits. From 1 to 3.
    pub digits_max: u32,
}

impl Limits {
    /// What `init` writes.
    pub const LOOSEST: Self = Self { neighbours_min: LOOSEST_NEIGHBOURS, digits_max: LOOSEST_DIGITS };

    /// Of each number the stricter.
    pub fn stricter(self, other: Self) -> Self {
        Self {
            neighbours_min: self.neighbours_min.max(other.neighbours_min),
            digits_max: self.digits_max.min(other.digits_max),
        }
    }
}

/// What stands for the value that a share of `ascending` values lies below: the mean of `neighbours` values about its place, of all where there are
/// fewer; none without values.
///
/// The place is that of the nearest value. Near an end the neighbours are those at the end, so the extremes are means as well.
/// `share` lies from 0 to 1.
pub fn smoothed(ascending: &[f64], share: f64, neighbours: usize) -> Option<f64> {
    let last = ascending.len().checked_sub(1)?;
    let place = (share * last as f64).round() as usize;
    let first = place.saturating_sub(neighbours / 2).min(ascending.len().saturating_sub(neighbours));
    let about = &ascending[first..(first + neighbours).min(ascending.len())];
    (!about.is_empty()).then(|| about.iter().sum::<f64>() / about.len() as f64)
}

/// A percentile as it is shown: with at most `digits` significant digits, from 1 to 3.
pub fn significant(value: f64, digits: u32) -> f64 {
    match digits {
        0..=2 if value.is_finite() => {
            let decimals = digits.saturating_sub(1) as usize;
            // Through text, as in `three_digits`: it rounds correctly, and the same on every machine.
            format!("{value:.decimals$e}").parse().unwrap_or(value)
        }
        _ => three_digits(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ascending(count: u32) -> Vec<f64> {
        (0..count).map(f64::from).collect()
    }

    #[test]
    fn a_median_is_the_mean_of_the_ten_values_about_it() {
        // The place of the median of 0 to 100 is 50; its ten neighbours are 45 to 54.
        assert_eq!(smoothed(&ascending(101), 0.5, 10), Some(49.5));
        assert_eq!(smoothed(&ascending(101), 0.0, 10), Some(4.5));
        assert_eq!(smoothed(&ascending(101), 1.0, 10), Some(95.5));
        assert_eq!(smoothed(&ascending(4), 0.5, 10), Some(1.5));
        assert_eq!(smoothed(&[], 0.5, 10), None);
        assert_eq!(smoothed(&ascending(3), 0.5, 0), None);
    }

    #[test]
    fn one_value_moves_a_percentile_by_at_most_its_part() {
        for share in [0.0, 0.01, 0.25, 0.5, 0.9, 1.0] {
            let before = smoothed(&ascending(101), share, 10).expect("values");
            for at in 0..101 {
                // The unit at this place gets a value anywhere; the others keep theirs.
                for value in [-50.0, 20.5, 77.5, 150.0] {
                    let mut others = ascending(101);
                    others[at] = value;
                    others.sort_by(f64::total_cmp);
                    let after = smoothed(&others, share, 10).expect("values");
                    // All ten shift to their neighbour at most, and one of them may be the moved one, at an end.
                    assert!((after - before).abs() <= (9.0 + 60.0) / 10.0, "{share} {at} {value}");
                }
            }
        }
    }

    #[test]
    fn percentiles_never_cross_and_stay_within_the_values() {
        let values: Vec<f64> = (0..250_i32).map(|at| f64::from(at * at % 97)).collect();
        let mut values = values;
        values.sort_by(f64::total_cmp);
        let shown: Vec<f64> =
            (0..=100).map(|share| smoothed(&values, f64::from(share) / 100.0, 10).expect("values")).collect();
        assert!(shown.is_sorted());
        assert!(values[0] <= shown[0] && shown[100] <= values[values.len() - 1]);
    }

    #[test]
    fn digits_are_those_of_the_setting_and_never_more_than_three() {
        assert_eq!(significant(523_456.7, 3), three_digits(523_456.7));
        assert_eq!(significant(523_456.7, 2), 520_000.0);
        assert_eq!(significant(-0.096, 1), -0.1);
        assert_eq!(significant(0.0, 1), 0.0);
        assert_eq!(significant(523_456.7, 9), three_digits(523_456.7));
        assert!(significant(f64::NAN, 2).is_nan());
    }
}
