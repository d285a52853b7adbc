//! Rule 6: no edit that touches, or leaves out, very few units.
//!
//! - Setting: `edit_units_min`, at least 15, which ensures 10 true units with the published table (D = 5).
//! - Judged: before a `keep` or `drop` with a condition, a `sample`, and a `replace`, `generate` or `recode` that does not
//!   publicly meet everybody, on the perturbed counts of the units that it touches and of the others (fingerprint and
//!   noise as those of a cell). Of a keep or drop those touched are the units that go; the others are judged by rule 1.
//! - Effect: the edit is not carried out, with warning `edit-not-carried-out`, and the script goes on. Only the bit is
//!   opened, and it is recorded first.
//! - Carried out: on shares, `crypto/src/protocol/protect.rs` (program `Edit`); which edits are asked, and what follows: `script/src/edit.rs`.
//!
//! Why ten: the units behind every other statistic (rule 7). Two populations that differ by fewer are two questions about those who make the difference, and "none"
//! would be an answer about somebody who might be the one.
//! Source: D. E. Denning, P. J. Denning and M. D. Schwartz, "The Tracker: A Threat to Statistical Database Security", ACM TODS 4, 1979, for why sets with few outside
//! are asked as well as sets with few inside.

use kobling_model::plan::Rest;
use kobling_model::rules::{Refusal, Rules, Warning};

use super::population_floor;

/// Setting at which the rule begins to mean something; an owner may only raise it.
pub const LOOSEST: u32 = 15;

/// What becomes of an edit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is carried out.
    CarriedOut,
    /// It is not, and the script goes on.
    NotCarriedOut(Warning),
    /// It would leave too small a population.
    Refused(Refusal),
}

/// Judges an edit by the perturbed counts of the units that it touches and of the rest.
///
/// Rule 1 is asked of what remains only where the edit is carried out: otherwise the population stays what it was.
pub fn judge(rules: &Rules, rest: Rest, touched: u64, others: u64) -> Verdict {
    let few = |perturbed: u64| perturbed < u64::from(rules.edit_units_min);
    if few(touched) || rest == Rest::NotFew && few(others) {
        return Verdict::NotCarriedOut(Warning::EditNotCarriedOut);
    }
    match population_floor::judge(rules, others) {
        Err(refusal) if rest == Rest::Population => Verdict::Refused(refusal),
        _ => Verdict::CarriedOut,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PerturbationTable;
    use crate::policy::tests::init_policy;

    const NOT: Verdict = Verdict::NotCarriedOut(Warning::EditNotCarriedOut);

    #[test]
    fn an_edit_is_carried_out_from_ten_true_units_on_whatever_the_noise() {
        let rules = init_policy().rules;
        let largest = PerturbationTable::published().largest_change().unsigned_abs();
        assert_eq!(rules.edit_units_min - largest, 10);
        for (touched, others, verdict) in [
            (0, 5000, NOT),
            (14, 5000, NOT),
            (15, 5000, Verdict::CarriedOut),
            (5000, 14, NOT),
            (5000, 0, NOT),
        ] {
            assert_eq!(judge(&rules, Rest::NotFew, touched, others), verdict);
        }
    }

    #[test]
    fn those_that_a_recode_leaves_out_by_construction_are_not_judged() {
        let rules = init_policy().rules;
        assert_eq!(judge(&rules, Rest::Nothing, 15, 0), Verdict::CarriedOut);
        assert_eq!(judge(&rules, Rest::Nothing, 14, 0), NOT);
    }

    #[test]
    fn what_remains_of_a_population_is_judged_only_where_the_edit_is_carried_out() {
        let rules = init_policy().rules;
        let floor = Verdict::Refused(Refusal::PopulationFloor);
        assert_eq!(judge(&rules, Rest::Population, 500, 999), floor);
        assert_eq!(judge(&rules, Rest::Population, 500, 0), floor);
        assert_eq!(judge(&rules, Rest::Population, 500, 1000), Verdict::CarriedOut);
        assert_eq!(judge(&rules, Rest::Population, 14, 999), NOT);
    }
}
