//! Rule 5: a table with too many small cells is refused.
//!
//! - Setting: `small_cells_percent_max`, at most 50.
//! - Judged: the number of suppressed inner cells against the number of inner cells. Margins are not counted.
//! - Effect: refused with code `small-cells` where 100 × suppressed > setting × inner cells. Only the bit is opened, and
//!   it is recorded first.
//! - Carried out: on shares, `crypto/src/protocol/protect.rs` (program `Table`).
//!
//! Why a half: where most cells are small, what is shown is a pattern of who is alone, and margins and suppressed cells together say more than the numbers do. The number is what
//! microdata.no is reported to refuse at.
//! Source: microdata.no, "Confidentiality" in the user manual; A. Hundepool et al., "Statistical Disclosure Control", 2012, chapter 5 (table redesign before suppression).

use kobling_model::rules::{Refusal, Rules};

/// Setting at which the rule begins to mean something; an owner may only lower it. Whole percent.
pub const LOOSEST: u32 = 50;

/// Judges a table by its number of suppressed inner cells.
///
/// # Errors
/// [`Refusal::SmallCells`].
pub fn judge(rules: &Rules, suppressed: u64, inner_cells: u64) -> Result<(), Refusal> {
    if suppressed <= suppressed_max(rules, inner_cells) { Ok(()) } else { Err(Refusal::SmallCells) }
}

/// The largest number of suppressed inner cells with which a table passes: what the protocol compares with on shares.
pub fn suppressed_max(rules: &Rules, inner_cells: u64) -> u64 {
    let percent = u128::from(rules.small_cells_percent_max.min(100));
    u64::try_from(percent * u128::from(inner_cells) / 100).expect("at most the number of cells")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::tests::init_policy;

    #[test]
    fn half_of_the_cells_may_be_small_and_one_more_may_not() {
        let rules = init_policy().rules;
        assert_eq!(judge(&rules, 5, 10), Ok(()));
        assert_eq!(judge(&rules, 6, 10), Err(Refusal::SmallCells));
        assert_eq!(judge(&rules, 0, 1), Ok(()));
        assert_eq!(judge(&rules, 1, 1), Err(Refusal::SmallCells));
    }

    #[test]
    fn the_bound_in_whole_cells_is_the_rule_in_percent() {
        for percent in 0..=50 {
            let rules = Rules { small_cells_percent_max: percent, ..init_policy().rules };
            for inner in 0..60 {
                for suppressed in 0..=inner {
                    let refused = 100 * suppressed > u64::from(percent) * inner;
                    assert_eq!(judge(&rules, suppressed, inner).is_err(), refused);
                }
            }
        }
    }
}
