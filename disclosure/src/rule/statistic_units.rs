//! Rule 7: statistics of a value column are hidden in small subgroups.
//!
//! - Setting: `statistic_units_min`, at least 15, which ensures 10 true units with the published table (D = 5).
//! - Judged: the perturbed count of the units of the cell that have a value.
//! - Effect: mean, standard deviation and sum of the cell are hidden. The sum too, though rule 7 does not name it: beside its
//!   count it is the mean.
//! - Carried out: on shares, `crypto/src/protocol/protect_sums.rs`.
//!
//! Why ten: a mean tells one of ten, who knows himself, the mean of nine. It is ACRO's `safe_threshold` and that of the guidelines.
//! Source: S. Bond, M. Brandt and P.-P. de Wolf, "Guidelines for the checking of output based on microdata research" (Data without Boundaries, 2015), class "means";
//! `acro` 1.0, `safe_threshold`. A test holds the two together (`disclosure/tests/oracles/acro.rs`).

use kobling_model::rules::Rules;

/// Setting at which the rule begins to mean something; an owner may only raise it.
pub const LOOSEST: u32 = 15;

/// Whether statistics of a cell with this perturbed count are hidden.
pub fn hides(rules: &Rules, perturbed: u64) -> bool {
    perturbed < u64::from(rules.statistic_units_min)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PerturbationTable;
    use crate::policy::tests::init_policy;

    #[test]
    fn fifteen_perturbed_units_are_at_least_ten_true_ones() {
        let rules = init_policy().rules;
        assert!(hides(&rules, 14) && !hides(&rules, 15));
        let largest = PerturbationTable::published().largest_change().unsigned_abs();
        assert_eq!(rules.statistic_units_min - largest, 10);
    }
}
