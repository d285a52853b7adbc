//! Rule 3: counts are perturbed by cell key.
//!
//! - Setting: `perturbation_table`, the hash of the published table; the same for the whole federation.
//! - Effect: every cell, margins included, shows its count plus the table's change at the count and the cell's key. The
//!   key comes from the *set* of units in the cell, so the same set has the same noise whoever asks, whenever, in
//!   whatever words. Zeros stay zero; 1 and 2 are never shown; margins need not add up.
//! - Never refuses.
//! - Carried out: on shares, `crypto/src/protocol/protect.rs`, `aes.rs` and `lookup.rs`. The table is made by [`crate::generator`]. An owner cannot tighten it alone: two tables would be
//!   two noises of one count.
//!
//! Why D = 5 and V = 3: the smallest noise that leaves whoever knows everybody else in a cell right in about six of ten cases; why no 1 or 2: such a count names people
//! (`docs/PROTECTION.md`, section 5, and `docs/decisions/08-perturbation-table.md`).
//! Source: B. Fraser and J. Wooton, "A proposed method for confidentialising tabular output to protect against differencing", UNECE work session, 2005; G. Thompson, S. Broadfoot and
//! D. Elazar, "Methodology for the automatic confidentialisation of statistical outputs from remote servers at the Australian Bureau of Statistics", 2013; S. Giessing,
//! "Computational issues in the design of transition probabilities and disclosure risk estimation for additive noise", PSD 2016.

use crate::PerturbationTable;

/// The perturbed count of a cell.
///
/// The protocol does this on shares; this plain form is for checks and documentation. It cannot go below zero, since
/// a checked table has no negative result.
pub fn perturbed(table: &PerturbationTable, count: u64, key: u8) -> u64 {
    count.saturating_add_signed(i64::from(table.change(count, key)))
}

/// The largest perturbed count that a cell of at most `units` units can have.
pub fn largest(table: &PerturbationTable, units: u64) -> u64 {
    units.saturating_add(u64::from(table.largest_change().unsigned_abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_moves_by_at_most_five_and_never_to_one_or_two() {
        let table = PerturbationTable::published();
        for count in 0..100 {
            for key in 0..=255 {
                let shown = perturbed(table, count, key);
                assert!(shown.abs_diff(count) <= 5 && shown <= largest(table, count));
                assert!(![1, 2].contains(&shown));
                assert!(count > 0 || shown == 0);
            }
        }
    }
}
