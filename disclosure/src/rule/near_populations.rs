//! Rule 13: a population that differs from an earlier one by very few units is answered as the earlier one.
//!
//! What finds near sets is in `memory.rs` and `node/src/memory.rs`; [decision 24](../../../docs/decisions/24-memory.md) says why it is made so.
//!
//! - Setting: `near_population_units_max`: how many units are very few, at least 9, the number of the rules' catalogue: somebody who knows nine others in a difference
//!   would otherwise know the tenth by asking twice. At most [`TIGHTEST`], since that is how far two sketches tell the difference.
//! - Judged: at each owner on its own side, on every set of its units that a question puts into cells (the population, each category
//!   of its variables, each combination), from `population_units_min` units on: smaller sets are no populations (rule 1), and nine
//!   of fewer would change what is asked. By the size of the difference with noise of the owner's own, so that where the rule
//!   ends says nothing of one unit: up to 4 units always, from 15 never with a setting of 9.
//! - Effect: the earlier set is to be put in its place before anything is computed. Nobody else learns of it, and it is never named.
//! - Not compared: sets made from different versions of the data of one variable. What a register update changes is answered as it is.
//!
//! Differences that only several owners' data together make are out of an owner's sight; they rest on noise and rule 14.

use crate::PerturbationTable;

/// Setting at which the rule begins to mean something; an owner may only raise it.
pub const LOOSEST: u32 = 9;

/// No larger differences are found for certain: [`crate::memory::DIFFERENCE_MAX`] less the largest change.
pub const TIGHTEST: u32 = 50;

/// How far apart sets are looked at under a setting: it with the largest change.
pub fn reach(units_max: u32) -> u32 {
    units_max + PerturbationTable::published().largest_change().unsigned_abs()
}

/// Whether a difference of so many units is one of very few, with the noise that belongs to the key.
///
/// No difference at all is none of few: it is the same set.
pub fn is_near(units_max: u32, difference: usize, key: u8) -> bool {
    let difference = difference as u64;
    let change = PerturbationTable::published().change(difference, key);
    difference != 0 && difference.saturating_add_signed(change.into()) <= u64::from(units_max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::DIFFERENCE_MAX;

    #[test]
    fn up_to_four_units_are_few_whatever_the_noise_and_fifteen_never() {
        let share = |difference| (0..=u8::MAX).filter(|key| is_near(LOOSEST, difference, *key)).count();
        assert_eq!(share(0), 0);
        assert!((1..=4).all(|difference| share(difference) == 256));
        assert!((5..15).all(|difference| (1..256).contains(&share(difference))));
        assert!((15..60).all(|difference| share(difference) == 0));
        // Where the rule ends, one unit more or less changes little.
        let steps = (4..15).map(|difference| share(difference).abs_diff(share(difference + 1)));
        assert!(steps.max() < Some(64), "{:?}", (4..16).map(share).collect::<Vec<_>>());
    }

    #[test]
    fn sketches_reach_as_far_as_the_tightest_setting_with_its_noise() {
        assert_eq!(reach(TIGHTEST), DIFFERENCE_MAX as u32);
    }
}
