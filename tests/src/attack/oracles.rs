//! Attack 7: what the answers of the rules themselves say.
//!
//! The attacker knows everybody but one person and brings a set to a rule's threshold, so that the person decides which side it is on: 999 and
//! 1000 units, edits of 14 and 15, of all but those, a table with one small cell too many. What it sees is one bit. Tries to break: rules 1,
//! 4, 5, 6 and 7, which judge perturbed counts for this reason.
//!
//! Bound: right in at most 65 %, in cells of one or two people 68 % (decision 25). Computed exactly from the law of the noise, at the
//! number of others that suits the attacker best; rule 1 is also asked through whole answers.

use kobling_model::rules::Refusal;

use super::Measure;
use super::clear::{Clear, IMPORTS, PEOPLE, Protection};
use super::differences::PERSON;
use super::lab::{Lab, fresh_keys};
use super::rate::{Bound, Rate};

/// 7.
pub(super) fn run(lab: &Lab) -> Vec<Measure> {
    let published = Protection::published();
    let rules = &published.rules;
    let at_least = |floor: u32| move |count: u64| count >= u64::from(floor);
    let small = u64::from(rules.small_cell_units_max);
    vec![
        Measure::new(
            "rule 1: 999 or 1000 units",
            bit(&published, 980..1020, at_least(rules.population_units_min)),
            PERSON,
        ),
        Measure::new("rule 1, through whole answers", floor(lab, &published), PERSON),
        Measure::new(
            "rule 6: an edit at its threshold",
            bit(&published, 0..40, at_least(rules.edit_units_min)),
            PERSON,
        ),
        Measure::new("rule 6: an edit of nobody or of nine", nobody_or_nine(&published), Bound::AtMost(0.5))
            .noted("not carried out, either way"),
        Measure::new(
            "rule 7: a mean at its threshold",
            bit(&published, 0..40, at_least(rules.statistic_units_min)),
            PERSON,
        ),
        Measure::new(
            "rules 4 and 5: whether a cell is small",
            bit(&published, 0..20, move |count| (1..=small).contains(&count)),
            Bound::AtMost(0.68),
        )
        .noted("two people or one; exact"),
    ]
}

/// The best guess from one bit about a count, with as many others as suits the attacker.
fn bit(protection: &Protection, others: std::ops::Range<u64>, decide: impl Fn(u64) -> bool) -> Rate {
    let yes = |count| -> f64 {
        protection.law(count).iter().filter(|(shown, _)| decide(**shown)).map(|(_, share)| share).sum()
    };
    let guesses = others.map(|others| 0.5 + (yes(others + 1) - yes(others)).abs() / 2.0);
    Rate::Exact(guesses.fold(0.0, f64::max))
}

/// An edit that touches nobody and one that touches any number up to nine end alike.
fn nobody_or_nine(protection: &Protection) -> Rate {
    let carried_out = |count| -> f64 {
        let floor = u64::from(protection.rules.edit_units_min);
        protection.law(count).iter().filter(|(shown, _)| **shown >= floor).map(|(_, share)| share).sum()
    };
    Rate::Exact(
        (1..=9).map(|count| 0.5 + (carried_out(count) - carried_out(0)).abs() / 2.0).fold(0.0, f64::max),
    )
}

/// Rule 1's answer about a dataset of a thousand people, or one fewer.
fn floor(lab: &Lab, protection: &Protection) -> Rate {
    let mut dice = lab.dice("7: floor");
    let population = |people: usize| {
        Clear::of(|owner| {
            for name in ["KJOENN", "GRUPPE", "LONN"] {
                owner.dataset(name).rows.drain(people..PEOPLE);
            }
        })
    };
    let populations = [population(999), population(1000)];
    let script = format!("{IMPORTS}tabulate k\n");
    lab.rate(lab.of(1000, 10_000), || {
        let (keys, is_in) = (fresh_keys(&mut dice), dice.percent(50));
        let answers = protection.answers(&populations[usize::from(is_in)], &keys, &script);
        (answers.refused != Some(Refusal::PopulationFloor)) == is_in
    })
}
