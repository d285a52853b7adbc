//! Rule 4: small cells are suppressed.
//!
//! - Setting: `small_cell_units_max`, at least 4.
//! - Judged: every cell, margins included, on its perturbed count.
//! - Effect: a cell with a perturbed count from 1 to the setting is shown as `·`. A perturbed 0 is shown as 0: it may be a
//!   true 1 to 5, and it is not small.
//! - Carried out: on shares, `crypto/src/protocol/protect.rs` (program `Table`); the suppressed number is replaced by a constant before anything is opened.
//!
//! Why 4: with five in a cell, one of them who knows two of the others still faces two. It is the usual minimum frequency of three to five, at the stricter end.
//! Source: A. Hundepool et al., "Statistical Disclosure Control", 2012, chapter 5 (minimum frequency rule).

use kobling_model::rules::Rules;

/// Setting at which the rule begins to mean something; an owner may only raise it.
pub const LOOSEST: u32 = 4;

/// Whether a cell with this perturbed count is suppressed.
pub fn is_small(rules: &Rules, perturbed: u64) -> bool {
    (1..=u64::from(rules.small_cell_units_max)).contains(&perturbed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::tests::init_policy;

    #[test]
    fn one_to_four_are_small_and_zero_is_not() {
        let rules = init_policy().rules;
        let small: Vec<u64> = (0..10).filter(|count| is_small(&rules, *count)).collect();
        assert_eq!(small, [1, 2, 3, 4]);
    }
}
