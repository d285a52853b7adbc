//! Attacks 5, 6 and 14c: sets of people that differ by one person.
//!
//! The attacker knows everybody but one person, the victim, who has a property or has not, either as likely. It asks for counts and
//! guesses. Tries to break: the noise of counts (rule 3), and what keeps it from being asked twice (rules 6 and 13).
//!
//! Bound: the guess is right in at most 65 % (the catalogue). One protected count alone gives 61 %, by the noise's law; in cells of one or
//! two people, which the table treats coarsely, 67 % (decision 25).

use kobling_model::table::Cell;

use super::clear::{Clear, IMPORTS, Protection, Rule, add, best_guess, number, random_key, set};
use super::lab::{Lab, fresh_keys};
use super::rate::{Bound, Rate};
use super::{Measure, clear};
use crate::dice::Dice;
use crate::reference::{Keys, TrueCell};
use crate::registers::Owner;

/// What a guess about a person may come to.
pub(super) const PERSON: Bound = Bound::AtMost(0.65);

/// What it may come to in a cell of one or two people: see decision 25.
const SMALL_CELL: Bound = Bound::AtMost(0.68);

/// 5: two populations that differ by one person.
pub(super) fn run(lab: &Lab) -> Vec<Measure> {
    let published = Protection::published();
    let trials = lab.of(4000, 40_000);
    vec![
        Measure::new("one count", one_count(lab, &published, trials), PERSON),
        Measure::new("one count, the worst number of others", worst_count(&published), SMALL_CELL)
            .noted("two people or one; exact"),
        Measure::new(
            "an edit that drops the person",
            by_an_edit(lab, &published, lab.of(1000, 4000)),
            PERSON,
        )
        .noted("rule 6 does not carry it out"),
        Measure::new(
            "two counts of 1000 people or more",
            by_two_counts(lab, &published, lab.of(1000, 4000)),
            PERSON,
        )
        .noted("rule 13 answers both as one"),
        Measure::new("two counts of fewer, without an edit", two_counts(lab, &published, trials), PERSON)
            .noted("the same set has the same noise, so a difference says that the sets differ"),
    ]
}

/// How often the best guess from one count of at least 200 people is right.
pub fn one_count(lab: &Lab, protection: &Protection, trials: u64) -> Rate {
    let mut dice = lab.dice("5: one count");
    lab.rate(trials, || {
        let (keys, is_in) = (fresh_keys(&mut dice), dice.percent(50));
        let others = 200 + dice.below(1000) as u64;
        let mut cell = set(&mut dice, others);
        if is_in {
            add(&mut cell, random_key(&mut dice));
        }
        let shown = protection.count(&cell, &keys);
        let likelihood = |count| protection.law(count).get(&shown).copied().unwrap_or_default();
        let guess = likelihood(others + 1) > likelihood(others);
        guess == is_in
    })
}

/// The best guess where the others in the cell are as many as suits the attacker, as the cell is shown: hidden where it is small.
fn worst_count(protection: &Protection) -> Rate {
    let small = u64::from(protection.rules.small_cell_units_max);
    let sights = |count| {
        let mut sights = std::collections::BTreeMap::new();
        for (shown, share) in protection.law(count) {
            *sights.entry(if (1..=small).contains(&shown) { 1 } else { shown }).or_default() += share;
        }
        sights
    };
    let guesses = (0..20).map(|others| best_guess(&sights(others), &sights(others + 1)));
    Rate::Exact(guesses.fold(0.0, f64::max))
}

/// Counts of a set with the victim if the victim has the property, and without.
fn pair(dice: &mut Dice, others: u64, has_it: bool) -> [TrueCell; 2] {
    let without = set(dice, others);
    let mut with = without.clone();
    if has_it {
        add(&mut with, random_key(dice));
    }
    [with, without]
}

/// Whether the two counts differ. Two sets that are the same have the same noise, so where they do the sets are not.
fn differ(protection: &Protection, keys: &Keys, [one, other]: &[TrueCell; 2]) -> bool {
    protection.count(one, keys) != protection.count(other, keys)
}

fn guess_by_pairs(lab: &Lab, label: &str, protection: &Protection, trials: u64, pairs: usize) -> Rate {
    let mut dice = lab.dice(label);
    lab.rate(trials, || {
        let (keys, has_it) = (fresh_keys(&mut dice), dice.percent(50));
        let guess = (0..pairs).any(|_| {
            let others = 200 + dice.below(1000) as u64;
            let pair = pair(&mut dice, others, has_it);
            differ(protection, &keys, &pair)
        });
        guess == has_it
    })
}

fn two_counts(lab: &Lab, protection: &Protection, trials: u64) -> Rate {
    guess_by_pairs(lab, "5: two counts", protection, trials, 1)
}

/// How often a guess is right that rests on one pair of counts: a register before and after one person is inserted, say.
pub(super) fn one_pair(lab: &Lab, trials: u64) -> Rate {
    guess_by_pairs(lab, "one pair", &Protection::published(), trials, 1)
}

/// How often a guess is right that rests on a table before and after an edit which drops the victim, and nobody else, if the victim
/// has the property. Nothing is remembered, so that rule 13 is no help.
pub fn by_an_edit(lab: &Lab, protection: &Protection, trials: u64) -> Rate {
    let forgets = protection.clone().but_without(Rule::NearPopulations);
    by_two_tables(lab, &forgets, trials, "tabulate k\ndrop if g == \"r1\"\ntabulate k\n")
}

/// How often a guess is right that rests on a table over everybody, 1200 people, and one without the victim if the victim has the property.
pub fn by_two_counts(lab: &Lab, protection: &Protection, trials: u64) -> Rate {
    by_two_tables(lab, protection, trials, "tabulate k\ntabulate k if g != \"r1\"\n")
}

/// How often two tables differ exactly where the victim is in r1, in which nobody else is.
fn by_two_tables(lab: &Lab, protection: &Protection, trials: u64, tables: &str) -> Rate {
    let mut dice = lab.dice(tables);
    // Of the group r1 the attacker knows that all but the victim, if anybody, are elsewhere.
    let registers = |has_it: bool| {
        Clear::of(|owner| {
            for (at, row) in owner.dataset("GRUPPE").rows.iter_mut().enumerate() {
                if row[1] == "r1" && !(at == 0 && has_it) {
                    "A".clone_into(&mut row[1]);
                }
            }
        })
    };
    let registers = [registers(false), registers(true)];
    let script = format!("{IMPORTS}{tables}");
    lab.rate(trials, || {
        let (keys, has_it) = (fresh_keys(&mut dice), dice.percent(50));
        let answers = protection.answers(&registers[usize::from(has_it)], &keys, &script);
        let guess = match &answers.tables[..] {
            [before, after] => before.cells != after.cells,
            _ => false,
        };
        guess == has_it
    })
}

/// 6: trackers, individual, general and double, the latter two with "or" made of inclusion and exclusion. And what an individual tracker
/// must not be answered: rules 1, 4, 5 and 7.
pub(super) fn trackers(lab: &Lab) -> Vec<Measure> {
    let published = Protection::published();
    let trials = lab.of(4000, 40_000);
    let narrow = best_guess(&published.law(0), &published.law(1));
    let asked = lab.of(100, 1000);
    let mut measures = vec![
        Measure::new("individual tracker, one person or nobody", Rate::Exact(narrow), PERSON),
        Measure::new("general tracker", guess_by_pairs(lab, "6: general", &published, trials, 1), PERSON)
            .noted("q(C and A, or T) against q(T)"),
        Measure::new("double tracker", guess_by_pairs(lab, "6: double", &published, trials, 2), PERSON)
            .noted("the same with T and U"),
    ];
    measures.extend(
        NARROW
            .iter()
            .map(|narrow| Measure::new(narrow.what, narrow.rate(lab, &published, asked), Bound::Never)),
    );
    measures
}

/// A question about few people, and what its answer must not have.
pub struct Narrow {
    /// What must not be.
    pub what: &'static str,
    change: fn(&mut Owner),
    script: &'static str,
    is_told: fn(&crate::world::Expected) -> bool,
}

/// Questions about few people.
pub const NARROW: [Narrow; 4] = [
    Narrow {
        what: "a table over fewer than 995 people",
        change: |_| {},
        script: "keep if g == \"A\" | g == \"B\"\ntabulate k\n",
        is_told: |answers| !answers.tables.is_empty(),
    },
    Narrow {
        what: "a count of 1 to 4",
        change: |_| {},
        script: "tabulate g\n",
        is_told: |answers| {
            let cells = answers.tables.iter().flat_map(|table| &table.cells);
            cells.filter_map(number).any(|count| (1..=4).contains(&count))
        },
    },
    Narrow {
        what: "a table with most cells hidden",
        // Of D there are three people too, so that four cells of seven are small.
        change: |owner| {
            let rows = owner.dataset("GRUPPE").rows.iter_mut().filter(|row| row[1] == "D");
            rows.skip(3).for_each(|row| "A".clone_into(&mut row[1]));
        },
        script: "tabulate g\n",
        is_told: |answers| {
            answers.tables.iter().any(|table| {
                let inner = &table.cells[..table.axes[0].categories.len()];
                2 * inner.iter().filter(|cell| **cell == Cell::Suppressed).count() > inner.len()
            })
        },
    },
    Narrow {
        what: "a mean of nine people",
        change: |owner| {
            let rows = owner.dataset("GRUPPE").rows.iter_mut().filter(|row| row[1].starts_with('r'));
            rows.for_each(|row| "r1".clone_into(&mut row[1]));
        },
        script: "tabulate g, summarize(l) mean\n",
        is_told: |answers| {
            // r1 is the fifth group.
            let shown = |table: &kobling_model::table::Table| {
                let summary = table.summary.as_ref().expect("a mean was asked for");
                summary.cells[4].is_some()
            };
            answers.tables.iter().any(shown)
        },
    },
];

impl Narrow {
    /// How often it is told.
    pub fn rate(&self, lab: &Lab, protection: &Protection, trials: u64) -> Rate {
        let mut dice = lab.dice(self.what);
        let registers = Clear::of(self.change);
        let script = format!("{IMPORTS}{}", self.script);
        lab.rate(trials, || (self.is_told)(&protection.answers(&registers, &fresh_keys(&mut dice), &script)))
    }
}

/// 14c: the same difference behind the other owner's filter, between a register's version and the next, or of ages 0 to 17 and 0 to 18: no
/// owner sees that the sets differ by few, and to the noise it is one and the same.
pub(super) fn behind_a_filter(lab: &Lab) -> Vec<Measure> {
    let published = Protection::published();
    let rate = guess_by_pairs(lab, "14c", &published, lab.of(10_000, 100_000), 1);
    // Exactly: right where the victim has not the property, and elsewhere unless the two noises cancel.
    let law = published.law(1000);
    let cancel: f64 =
        law.iter().map(|(count, share)| share * law.get(&(count + 1)).copied().unwrap_or_default()).sum();
    vec![
        Measure::new("behind the other owner's filter", rate, PERSON),
        Measure::shown("the same, by the law of the noise", Rate::Exact(1.0 - cancel / 2.0)),
        Measure::shown(
            "one count alone, by the law",
            Rate::Exact(best_guess(&law, &clear::Protection::published().law(1001))),
        ),
    ]
}
