//! Rule 10: a sum of which the largest contributors have too much is hidden.
//!
//! - Settings: `two_largest_percent_max`, at most 90: what the two largest may have of the cell; and
//!   `others_percent_of_largest_min` (p %), at least 10: what the others must have, of what the largest has.
//! - Judged: on the sum s of how far winsorised values lie from a public bound of their column, and the sum d of the squares of
//!   these distances, in sevenths of the public width M and rounded up; for the lower bound, and for the upper one. In shares, over
//!   all owners together. Hidden where ⌊16·49·κ²/2⌋·s² ≤ M²·(16 + h)·d for either, with κ the stricter of
//!   both settings ([`Rules::dominance_percent_max`]) and h from 0 to 7, keyed by the cell's set of units.
//! - Effect: mean, standard deviation and sum of the cell are hidden.
//!
//! Why from the bounds: a researcher may add a constant to a column, or turn its sign, and would get around a rule that asked how far
//! values lie from zero. Distances from the bounds stay the same. Why this is at least as strict as the rule for values
//! from 0 up: two units that together have more than κ of s make Σx² > κ²s²/2, and M²·d/49 ≥ Σx². Where the exact rule lies
//! between, the noise h keeps from being told by probing. A cell with all units at a bound is hidden, as is one with all but one or two:
//! which of these it is would say what they have. For a column with values on both sides of zero it is another rule than that of |x|.
//!
//! Carried out on shares, `crypto/src/protocol/protect_sums.rs`; the parts and the factors are `node/src/values.rs`' (`cell_values`).
//!
//! Why 90 % and 10 %: the defaults of ACRO (`safe_nk_n` 2, `safe_nk_k` 0.90, `safe_pratio_p` 0.10). With a dominated sum the second largest contributor knows the largest to
//! within a tenth. Source: A. Hundepool et al., "Statistical Disclosure Control", 2012, chapter 4 ((n, k) rule and p % rule). How far the test is stricter, in both directions:
//! `disclosure/tests/oracles/acro.rs`.
//!
//! What remains when an owner takes its own part away: where several owners' numbers add up, that is judged too.

use kobling_model::rules::Rules;

/// What the two largest may have at most; an owner may only lower it. Whole percent.
pub const LOOSEST_TWO_LARGEST: u32 = 90;
/// What the others must have at least, of the largest; an owner may only raise it. Whole percent.
pub const LOOSEST_OTHERS: u32 = 10;

/// Steps that distances are rounded up to.
const STEPS: u128 = 7;

/// Whether the statistics of a cell are hidden: sum of distances from a bound, sum of their squares in sevenths of `width`, and the
/// cell's h.
pub fn hides(rules: &Rules, sum: i128, squares: u128, width: u64, h: u8) -> bool {
    let percent = u128::from(rules.dominance_percent_max());
    let factor = 16 * STEPS * STEPS * percent * percent / 20_000;
    let width = u128::from(width);
    factor * sum.unsigned_abs() * sum.unsigned_abs() <= width * width * u128::from(16 + (h & 7)) * squares
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::tests::init_policy;

    fn judged(values: &[i64], bound: u64, h: u8) -> bool {
        let size = |value: &i64| u128::from((value.unsigned_abs() * 7).div_ceil(bound)).pow(2);
        let sum = values.iter().map(|value| i128::from(*value)).sum();
        hides(&init_policy().rules, sum, values.iter().map(size).sum(), bound, h)
    }

    #[test]
    fn whatever_the_exact_rule_hides_is_hidden() {
        // All cells of two large units and equal small ones, around the border of 90 % and of p = 10 %.
        for a in [100_i64, 700, 1000] {
            for b in [0, 50, 100, 700, 1000] {
                for others in [10_i64, 20, 100] {
                    for each in 0..=30 {
                        let values: Vec<i64> = [a, b].into_iter().chain((0..others).map(|_| each)).collect();
                        let mut sorted = values.clone();
                        sorted.sort_unstable_by(|x, y| y.cmp(x));
                        let whole: i64 = values.iter().sum();
                        let rest = whole - sorted[0] - sorted[1];
                        let exact = 10 * (sorted[0] + sorted[1]) > 9 * whole || 10 * rest < sorted[0];
                        assert!(!exact || judged(&values, 1000, 0), "{a} {b} {others} × {each}");
                    }
                }
            }
        }
    }

    #[test]
    fn ordinary_cells_pass_at_every_h() {
        for h in 0..8 {
            assert!(!judged(&[300; 15], 1000, h));
            assert!(!judged(&(0..40).map(|unit| unit * 25).collect::<Vec<_>>(), 1000, h));
            // All at the bound, or all but one.
            assert!(judged(&[0; 100], 1000, h) && judged(&[&[5][..], &[0; 99]].concat(), 1000, h));
        }
    }
}
