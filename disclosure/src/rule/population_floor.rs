//! Rule 1: no dataset of very few units.
//!
//! - Setting: `population_units_min`, at least 1000.
//! - Judged: after a dataset's first import, after every import with `inner_join` or `outer_join`, every collapse, and every keep, drop and sample that rule 6 lets
//!   be carried out, on the dataset's perturbed count (fingerprint and noise as those of a cell); of a panel at each date. A `tabulate` with an `if` makes no
//!   dataset and is not judged.
//! - Effect: the question is refused with code `population-floor`. Only the bit is opened, and it is recorded first.
//! - Carried out: on shares, `crypto/src/protocol/protect.rs` (program `Population`).
//!
//! Why 1000: of a population that everybody knows (a village, a firm's staff) any table is about acquaintances. It is the floor of microdata.no for datasets. The noise of 5 is
//! half a per cent of it, so the perturbed count says as much as the true one.
//! Source: microdata.no, "Confidentiality" in the user manual; why it is judged on the perturbed count: attack 7 of `docs/THREAT_MODEL.md`.

use kobling_model::rules::{Refusal, Rules};

/// Setting at which the rule begins to mean something; an owner may only raise it.
pub const LOOSEST: u32 = 1000;

/// Judges a dataset's perturbed count.
///
/// # Errors
/// [`Refusal::PopulationFloor`].
pub fn judge(rules: &Rules, perturbed: u64) -> Result<(), Refusal> {
    if perturbed >= u64::from(rules.population_units_min) { Ok(()) } else { Err(Refusal::PopulationFloor) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::tests::init_policy;

    #[test]
    fn the_floor_itself_is_enough() {
        let rules = init_policy().rules;
        assert_eq!(judge(&rules, 1000), Ok(()));
        assert_eq!(judge(&rules, 999), Err(Refusal::PopulationFloor));
    }
}
