//! What a protected table's opened words may look like, before anybody takes them for numbers.
//!
//! The protocol opens one word for each cell: a perturbed count, or [`Cell::SUPPRESSED_WORD`]. A table that
//! honest parties computed holds no small count and none beyond what the population allows; anything else is a
//! broken or forged share, and no part of such a table is shown. The decoding itself is
//! [`kobling_model::table::Cell::from_word`], since the broker does it too.

use kobling_model::rules::Rules;
use kobling_model::table::Cell;

use crate::PerturbationTable;
use crate::rule::{perturbed_counts, small_cells};

/// A word that no honest computation yields. Carries the place but never the number, which might be a count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a cell holds a number that protection cannot have produced; nothing of the table is shown")]
pub struct ImpossibleCell {
    /// Index of the first such cell.
    pub cell: usize,
}

/// Decodes the opened words of a table over at most `units` units.
///
/// # Errors
/// [`ImpossibleCell`] where a word is neither the mark of suppression, nor 0, nor a count that rule 4 lets
/// through and that `units` and the table's largest change allow.
pub fn cells(words: &[u32], rules: &Rules, units: u64) -> Result<Vec<Cell>, ImpossibleCell> {
    let table = PerturbationTable::published();
    let largest = perturbed_counts::largest(table, units);
    let small_results_max = table.bounds().small_results_max as u64;
    let possible = |cell: Cell| match cell {
        Cell::Suppressed => true,
        Cell::Count(count) => {
            let unseen = (1..=small_results_max).contains(&count) || small_cells::is_small(rules, count);
            !unseen && count <= largest
        }
    };
    let decode = |(at, word): (usize, &u32)| {
        let cell = Cell::from_word(*word);
        if possible(cell) { Ok(cell) } else { Err(ImpossibleCell { cell: at }) }
    };
    words.iter().enumerate().map(decode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::tests::init_policy;

    #[test]
    fn counts_zero_and_suppression_are_told_apart() {
        let words = [0, 5, 1005, Cell::SUPPRESSED_WORD];
        let decoded = cells(&words, &init_policy().rules, 1000).expect("possible");
        assert_eq!(decoded, [Cell::Count(0), Cell::Count(5), Cell::Count(1005), Cell::Suppressed]);
    }

    #[test]
    fn small_and_oversized_counts_are_impossible_and_not_named() {
        let rules = init_policy().rules;
        for word in [1, 2, 3, 4, 1006, u32::MAX - 1] {
            let error = cells(&[7, word], &rules, 1000).expect_err("impossible");
            assert_eq!(error, ImpossibleCell { cell: 1 });
            assert!(!error.to_string().contains(&word.to_string()));
        }
    }
}
