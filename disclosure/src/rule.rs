//! The rules, one file each: what it does, its source, why its number, where it is carried out, and what an owner may tighten. And which of two
//! owners' numbers is the stricter.
//!
//! | rule | file | carried out |
//! | --- | --- | --- |
//! | 1 population floor | [`population_floor`] | on shares, `crypto/src/protocol/protect.rs` |
//! | 2 winsorising | [`winsorising`] | at import and extraction, `node/` |
//! | 3 perturbed counts | [`perturbed_counts`] | on shares |
//! | 4 small cells | [`small_cells`] | on shares |
//! | 5 tables of small cells | [`small_table`] | on shares |
//! | 6 edits of few units | [`few_units`] | on shares |
//! | 7 small subgroups | [`statistic_units`] | on shares, `crypto/src/protocol/protect_sums.rs` |
//! | 8 percentiles | [`percentiles`] | groups' at their owner, `node/src/extract/blur.rs`; shown ones are not offered yet |
//! | 9 models | [`models`] | here; models are not offered yet |
//! | 10 dominance | [`dominance`] | on shares |
//! | 11 hexagons | [`hexagons`] | here; plots are not offered yet |
//! | 12 survival curves | [`survival_steps`] | here; curves are not offered yet |
//! | 15 key variables | [`key_variables`] | in the language, `script/` |
//!
//! Rules 13 and 14 are the memory of what was released, not of a table: [`near_populations`], [`splits`].
//!
//! A rule that judges counts judges **perturbed** ones: an exact threshold would be an oracle for one person. The numbers are those of
//! `docs/PROTECTION.md`, section 7.

pub mod dominance;
pub mod few_units;
pub mod hexagons;
pub mod key_variables;
pub mod models;
pub mod near_populations;
pub mod percentiles;
pub mod perturbed_counts;
pub mod population_floor;
pub mod small_cells;
pub mod small_table;
pub mod splits;
pub mod statistic_units;
pub mod survival_steps;
pub mod winsorising;

use kobling_model::rules::Rules;

/// Why several owners' rules cannot be joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IncompatibleRules {
    /// There is nobody whose rules could apply.
    #[error("no owner's rules were given, and nothing is released without rules")]
    None,
    /// Noise is the same for all or it is not noise: two tables would give two changes of one count.
    #[error(
        "the owners name different perturbation tables; the same table has to stand in every owner's policy"
    )]
    PerturbationTables {
        /// Index of the first owner whose table differs from the first owner's.
        owner: usize,
    },
}

/// The rules in force for a question: of each number the strictest of all owners taking part.
///
/// # Errors
/// [`IncompatibleRules`] without owners, and where owners name different perturbation tables.
pub fn strictest(owners: &[Rules]) -> Result<Rules, IncompatibleRules> {
    let (first, others) = owners.split_first().ok_or(IncompatibleRules::None)?;
    let mut joined = first.clone();
    for (at, rules) in others.iter().enumerate() {
        if rules.perturbation_table != first.perturbation_table {
            return Err(IncompatibleRules::PerturbationTables { owner: at + 1 });
        }
        joined.population_units_min = joined.population_units_min.max(rules.population_units_min);
        joined.small_cell_units_max = joined.small_cell_units_max.max(rules.small_cell_units_max);
        joined.small_cells_percent_max = joined.small_cells_percent_max.min(rules.small_cells_percent_max);
        joined.edit_units_min = joined.edit_units_min.max(rules.edit_units_min);
        joined.statistic_units_min = joined.statistic_units_min.max(rules.statistic_units_min);
        joined.two_largest_percent_max = joined.two_largest_percent_max.min(rules.two_largest_percent_max);
        joined.others_percent_of_largest_min =
            joined.others_percent_of_largest_min.max(rules.others_percent_of_largest_min);
    }
    Ok(joined)
}

/// Whether `rules` protect at least as well as `owner`'s in every number: what a node asks before it takes
/// part under rules that somebody else proposes.
pub fn is_at_least_as_strict(rules: &Rules, owner: &Rules) -> bool {
    rules.perturbation_table == owner.perturbation_table
        && rules.population_units_min >= owner.population_units_min
        && rules.small_cell_units_max >= owner.small_cell_units_max
        && rules.small_cells_percent_max <= owner.small_cells_percent_max
        && rules.edit_units_min >= owner.edit_units_min
        && rules.statistic_units_min >= owner.statistic_units_min
        && rules.two_largest_percent_max <= owner.two_largest_percent_max
        && rules.others_percent_of_largest_min >= owner.others_percent_of_largest_min
}

#[cfg(test)]
mod tests {
    use kobling_model::Hash;

    use super::*;

    fn rules(population_units_min: u32, small_cell_units_max: u32, small_cells_percent_max: u32) -> Rules {
        let perturbation_table = Hash::of(b"a table");
        Rules {
            population_units_min,
            perturbation_table,
            small_cell_units_max,
            small_cells_percent_max,
            edit_units_min: 15,
            statistic_units_min: 15,
            two_largest_percent_max: 90,
            others_percent_of_largest_min: 10,
        }
    }

    #[test]
    fn of_each_number_the_strictest_counts_whoever_has_it() {
        let owners = [rules(1000, 9, 50), rules(5000, 4, 40), rules(2000, 4, 30)];
        let joined = strictest(&owners).expect("one table");
        assert_eq!(joined, rules(5000, 9, 30));
        assert!(owners.iter().all(|owner| is_at_least_as_strict(&joined, owner)));
        assert!(owners.iter().all(|owner| !is_at_least_as_strict(owner, &joined)));
    }

    #[test]
    fn every_single_number_can_make_rules_too_loose() {
        let owner = rules(1000, 4, 50);
        assert!(is_at_least_as_strict(&owner, &owner));
        for loose in [rules(999, 4, 50), rules(1000, 3, 50), rules(1000, 4, 51)] {
            assert!(!is_at_least_as_strict(&loose, &owner));
        }
        for loose in [
            Rules { edit_units_min: 14, ..owner.clone() },
            Rules { statistic_units_min: 14, ..owner.clone() },
            Rules { two_largest_percent_max: 91, ..owner.clone() },
            Rules { others_percent_of_largest_min: 9, ..owner.clone() },
        ] {
            assert!(!is_at_least_as_strict(&loose, &owner));
            assert_eq!(strictest(&[loose, owner.clone()]), Ok(owner.clone()));
        }
        let other_table = Rules { perturbation_table: Hash::of(b"another"), ..owner.clone() };
        assert!(!is_at_least_as_strict(&other_table, &owner));
    }

    #[test]
    fn different_tables_and_no_owners_are_errors() {
        let other = Rules { perturbation_table: Hash::of(b"another"), ..rules(1000, 4, 50) };
        let owners = [rules(1000, 4, 50), rules(1000, 4, 50), other];
        assert_eq!(strictest(&owners), Err(IncompatibleRules::PerturbationTables { owner: 2 }));
        assert_eq!(strictest(&[]), Err(IncompatibleRules::None));
    }
}
