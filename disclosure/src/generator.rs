//! How the published perturbation table was made, so that an auditor can make it again.
//!
//! The method is that of the published generator of the European statistics offices (R package `ptable`, after
//! S. Giessing, "Computational issues in the design of transition probabilities and disclosure risk estimation
//! for additive noise", Privacy in Statistical Databases 2016): for each count, the distribution of the change
//! with the **largest entropy** among those with mean 0, variance V, no change beyond ±D, no negative result and
//! no result in 1 to js.
//!
//! 1. [`distribution`]: largest entropy under these constraints means p(d) proportional to exp(λd + μd²) on the
//!    changes allowed; λ and μ follow by Newton's method.
//! 2. [`apportion`]: 256 keys are dealt out in whole numbers such that the mean is exactly 0 and the variance
//!    exactly V, as close to 256·p as possible (least squares).
//! 3. Within a row the keys get the changes in ascending order.
//!
//! Deviation from `ptable`: it minimises numerically and rounds for a table of continuous keys; here the last
//! step is exact in whole numbers, since a key is one byte.
//!
//! The table in `data/` is what is used, never a fresh run of this file: a test holds the two together, so that
//! a difference in the last bit of a floating-point library could be noticed but not do harm.

use crate::perturb::{Bounds, KEYS, PerturbationTable, TableError};

/// What a table is made from.
#[derive(Clone, Copy, Debug)]
pub struct Parameters {
    /// D and js.
    pub bounds: Bounds,
    /// V: the variance of the change of a count that is not zero.
    pub variance: i32,
}

impl Parameters {
    /// D = 5, V = 3, js = 2.
    pub const PUBLISHED: Self = Self { bounds: Bounds::PUBLISHED, variance: 3 };
}

/// Why a table cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GeneratorError {
    /// The allowed changes of a count lie on one side of zero only.
    #[error("row {row}: no distribution of the allowed changes has mean zero")]
    NoMeanZero {
        /// The count.
        row: usize,
    },
    /// What was made breaks a promise of the table.
    #[error(transparent)]
    Table(#[from] TableError),
}

/// Makes the table.
///
/// # Errors
/// [`GeneratorError`] for parameters that no table can have.
pub fn generate(parameters: Parameters) -> Result<PerturbationTable, GeneratorError> {
    let bounds = parameters.bounds;
    let last = (bounds.small_results_max + bounds.largest_change + 1).max(1) as usize;
    let mut rows = vec![[0; KEYS]];
    for row in 1..=last {
        let changes = allowed_changes(row as i32, bounds);
        let probabilities = distribution(&changes, f64::from(parameters.variance))
            .ok_or(GeneratorError::NoMeanZero { row })?;
        let keys = apportion(&changes, &probabilities).ok_or(GeneratorError::NoMeanZero { row })?;
        let mut filled = [0; KEYS];
        let ascending = changes.iter().zip(&keys).flat_map(|(d, n)| std::iter::repeat_n(*d, *n as usize));
        filled.iter_mut().zip(ascending).for_each(|(entry, change)| *entry = change);
        rows.push(filled);
    }
    Ok(PerturbationTable::new(rows, bounds)?)
}

/// The changes that a count may get, ascending: within ±D, to a result that is 0 or above js.
pub fn allowed_changes(count: i32, bounds: Bounds) -> Vec<i32> {
    (-bounds.largest_change..=bounds.largest_change)
        .filter(|change| count + change == 0 || count + change > bounds.small_results_max)
        .collect()
}

/// The distribution of largest entropy on `changes` with mean 0 and this variance.
///
/// Where no distribution with mean 0 has the variance, the one whose variance is closest: on the two changes next to
/// zero (or on zero alone) if the variance asked for is too small, on the two outermost if it is too large. None if
/// all changes lie on one side of zero.
pub fn distribution(changes: &[i32], variance: f64) -> Option<Vec<f64>> {
    let below = changes.iter().copied().filter(|change| *change < 0);
    let above = changes.iter().copied().filter(|change| *change > 0);
    let zero = changes.contains(&0);
    let (Some(lowest), Some(highest)) = (below.clone().min(), above.clone().max()) else {
        return zero.then(|| changes.iter().map(|change| f64::from(u8::from(*change == 0))).collect());
    };
    let (nearest_below, nearest_above) = (below.max()?, above.min()?);
    let smallest = if zero { 0.0 } else { f64::from(-nearest_below * nearest_above) };
    let largest = f64::from(-lowest * highest);
    if variance <= smallest {
        return Some(if zero {
            changes.iter().map(|change| f64::from(u8::from(*change == 0))).collect()
        } else {
            on_two(changes, nearest_below, nearest_above)
        });
    }
    if variance >= largest {
        return Some(on_two(changes, lowest, highest));
    }
    Some(exponential_family(changes, variance))
}

/// The distribution with mean 0 on two changes, one on either side of zero.
fn on_two(changes: &[i32], below: i32, above: i32) -> Vec<f64> {
    let width = f64::from(above - below);
    let probability = |change: &i32| match *change {
        change if change == below => f64::from(above) / width,
        change if change == above => f64::from(-below) / width,
        _ => 0.0,
    };
    changes.iter().map(probability).collect()
}

/// p(d) proportional to exp(λd + μd²) with mean 0 and the given variance, which must be strictly within reach.
///
/// λ and μ are the minimum of the convex function log Σ exp(λd + μ(d² − V)), whose gradient is (mean, second moment
/// − V) and whose Hessian is the covariance of (d, d²); Newton's method with halved steps finds it from anywhere.
fn exponential_family(changes: &[i32], variance: f64) -> Vec<f64> {
    let points: Vec<(f64, f64)> =
        (changes.iter().map(|d| f64::from(*d))).map(|d| (d, d * d - variance)).collect();
    let weights = |lambda: f64, mu: f64| -> (f64, Vec<f64>) {
        let exponents: Vec<f64> = points.iter().map(|(d, q)| lambda * d + mu * q).collect();
        let largest = exponents.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let scaled: Vec<f64> = exponents.iter().map(|exponent| (exponent - largest).exp()).collect();
        let total: f64 = scaled.iter().sum();
        (largest + total.ln(), scaled.iter().map(|weight| weight / total).collect())
    };
    let (mut lambda, mut mu) = (0.0, 0.0);
    let (mut value, mut p) = weights(lambda, mu);
    for _ in 0..200 {
        let moment = |f: &dyn Fn(f64, f64) -> f64| -> f64 {
            p.iter().zip(&points).map(|(p, (d, q))| p * f(*d, *q)).sum()
        };
        let (g, h) = (moment(&|d, _| d), moment(&|_, q| q));
        if g.abs().max(h.abs()) < 1e-14 {
            break;
        }
        let dd = moment(&|d, _| d * d) - g * g;
        let dq = moment(&|d, q| d * q) - g * h;
        let qq = moment(&|_, q| q * q) - h * h;
        let determinant = dd * qq - dq * dq;
        let (step_lambda, step_mu) = ((qq * g - dq * h) / determinant, (dd * h - dq * g) / determinant);
        let mut share = 1.0;
        loop {
            let next = weights(lambda - share * step_lambda, mu - share * step_mu);
            if next.0 <= value || share < 1e-9 {
                (lambda, mu) = (lambda - share * step_lambda, mu - share * step_mu);
                (value, p) = next;
                break;
            }
            share /= 2.0;
        }
    }
    p
}

/// Deals out 256 keys: whole numbers n(d) with Σn = 256, Σd·n = 0 and Σd²·n = 256 × the distribution's variance,
/// nearest to 256·p in the sense of least squares.
///
/// All numbers of keys but three are searched within 4 of 256·p (2 where there are more than nine changes); the three at the changes nearest to zero then follow
/// from the three equations. If no choice fits, Σd²·n may differ by as little as possible.
pub fn apportion(changes: &[i32], probabilities: &[f64]) -> Option<Vec<i32>> {
    let wanted: Vec<f64> = probabilities.iter().map(|p| p * KEYS as f64).collect();
    let squares: f64 = changes.iter().zip(&wanted).map(|(d, n)| f64::from(d * d) * n).sum();
    let squares = squares.round() as i32;
    let away = (0..=KEYS as i32).flat_map(|distance| [squares + distance, squares - distance]);
    away.into_iter().find_map(|squares| apportion_exactly(changes, &wanted, squares))
}

fn apportion_exactly(changes: &[i32], wanted: &[f64], squares: i32) -> Option<Vec<i32>> {
    let reach = if changes.len() <= 9 { 4 } else { 2 };
    let mut order: Vec<usize> = (0..changes.len()).collect();
    order.sort_by_key(|at| (changes[*at].abs(), changes[*at]));
    let (solved, free) = order.split_at_checked(3)?;
    let solved: [usize; 3] = solved.try_into().expect("three");
    let mut best: Option<(f64, Vec<i32>)> = None;
    let choices = (2 * reach + 1) as usize;
    for choice in 0..choices.pow(free.len() as u32) {
        let mut keys = vec![0; changes.len()];
        let mut digits = choice;
        for at in free {
            keys[*at] = wanted[*at].round() as i32 + (digits % choices) as i32 - reach;
            digits /= choices;
        }
        if keys.iter().any(|n| *n < 0) || !solve(changes, &mut keys, solved, squares) {
            continue;
        }
        let cost = keys.iter().zip(wanted).map(|(n, w)| (f64::from(*n) - w).powi(2)).sum::<f64>();
        // The margin makes a tie (which only symmetry can cause) go to the first, whatever the last bits say.
        if best.as_ref().is_none_or(|(least, _)| cost < least - 1e-9) {
            best = Some((cost, keys));
        }
    }
    best.map(|(_, keys)| keys)
}

/// Fills in the three numbers of keys that the three equations leave no choice about, if they are whole and not
/// negative.
fn solve(changes: &[i32], keys: &mut [i32], at: [usize; 3], squares: i32) -> bool {
    let moment = |power: u32| changes.iter().zip(&*keys).map(|(d, n)| d.pow(power) * n).sum::<i32>();
    let (s0, s1, s2) = (KEYS as i32 - moment(0), -moment(1), squares - moment(2));
    for i in 0..3 {
        let (x, y, z) = (changes[at[i]], changes[at[(i + 1) % 3]], changes[at[(i + 2) % 3]]);
        // Lagrange: Σ n(d)·(d − y)(d − z) over the three leaves only the term of x.
        let left = s2 - (y + z) * s1 + y * z * s0;
        let factor = (x - y) * (x - z);
        if left % factor != 0 || left / factor < 0 {
            return false;
        }
        keys[at[i]] = left / factor;
        // The moments above were taken before anything was filled in, so the order does not matter.
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_in_the_repository_is_what_the_generator_makes() {
        let made = generate(Parameters::PUBLISHED).expect("possible");
        assert!(made.to_csv() == include_str!("../data/perturbation-d5-v3-js2.csv"));
    }

    #[test]
    fn what_researchers_are_told_of_the_table_is_what_it_was_made_with() {
        use kobling_model::applied::Applied;
        assert_eq!(i64::from(Applied::CHANGE_MAX), i64::from(Bounds::PUBLISHED.largest_change));
        assert_eq!(i64::from(Applied::CHANGE_VARIANCE), i64::from(Parameters::PUBLISHED.variance));
    }

    #[test]
    fn row_eight_is_the_row_of_every_larger_count() {
        for count in 9..200 {
            assert_eq!(allowed_changes(count, Bounds::PUBLISHED), allowed_changes(8, Bounds::PUBLISHED));
        }
        assert_eq!(allowed_changes(8, Bounds::PUBLISHED), (-5..=5).collect::<Vec<_>>());
    }

    #[test]
    fn distributions_have_the_moments_asked_for() {
        for count in 1..=8 {
            let changes = allowed_changes(count, Bounds::PUBLISHED);
            let p = distribution(&changes, 3.0).expect("possible");
            let moment =
                |power| changes.iter().zip(&p).map(|(d, p)| f64::from(d.pow(power)) * p).sum::<f64>();
            for (power, moment_wanted) in [(0, 1.0), (1, 0.0), (2, 3.0)] {
                assert!((moment(power) - moment_wanted).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn no_distribution_with_these_moments_has_more_entropy() {
        // Moving along any direction that keeps the three moments must lower the entropy.
        let changes = allowed_changes(8, Bounds::PUBLISHED);
        let p = distribution(&changes, 3.0).expect("possible");
        let entropy = |p: &[f64]| -p.iter().map(|p| p * p.ln()).sum::<f64>();
        for start in 0..changes.len() - 3 {
            for step in [1e-4, -1e-4] {
                let mut moved = p.clone();
                // Third differences vanish on 1, d and d².
                for (at, factor) in [1.0, -3.0, 3.0, -1.0].into_iter().enumerate() {
                    moved[start + at] += step * factor;
                }
                assert!(entropy(&moved) < entropy(&p));
            }
        }
    }

    #[test]
    fn the_number_of_keys_is_close_to_the_distribution() {
        for count in 1..=8 {
            let changes = allowed_changes(count, Bounds::PUBLISHED);
            let p = distribution(&changes, 3.0).expect("possible");
            let keys = apportion(&changes, &p).expect("possible");
            for (n, p) in keys.iter().zip(&p) {
                // Row 2 is the coarsest: its few changes leave the three equations little choice.
                assert!((f64::from(*n) - 256.0 * p).abs() < 2.2, "row {count}");
            }
        }
    }

    #[test]
    fn a_variance_out_of_reach_gives_the_closest_there_is() {
        assert_eq!(distribution(&[-1, 2, 3], 1.0), Some(vec![2.0 / 3.0, 1.0 / 3.0, 0.0]));
        assert_eq!(distribution(&[-1, 0, 1], 3.0), Some(vec![0.5, 0.0, 0.5]));
        assert_eq!(distribution(&[-1, 0, 1], 0.0), Some(vec![0.0, 1.0, 0.0]));
        assert_eq!(distribution(&[1, 2], 1.0), None);
    }
}
