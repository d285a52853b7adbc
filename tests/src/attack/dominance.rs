//! Attack 13: a sum that one or two people have nearly all of, split over owners.
//!
//! The attacker asks for sums whose conditions are other owners', or that add numbers of two owners up, one of which takes its own away.
//! Tries to break: rule 10. Bound: no dominated sum is shown (rule 10's own).

use std::collections::BTreeMap;

use kobling_model::plan::Show;

use super::Measure;
use super::clear::{Clear, IMPORTS, Protection};
use super::lab::{Lab, fresh_keys};
use super::rate::{Bound, Rate};
use crate::dice::Dice;
use crate::registers::{Mix, Owner, standard};
use crate::world::{JobResult, World};

/// 13.
pub(super) fn run(lab: &Lab) -> Vec<Measure> {
    vec![
        lab.claims(
            "conditions of other owners",
            &[a_cell_that_two_people_dominate_is_hidden_whoever_has_the_conditions],
        ),
        lab.claims(
            "an owner that takes its own part away",
            &[a_sum_of_two_owners_numbers_is_hidden_where_two_people_dominate_what_one_of_them_has],
        ),
        Measure::new(
            "one of forty earns",
            lone_earner(lab, &Protection::published(), lab.of(100, 1000)),
            Bound::Never,
        ),
    ]
}

/// How often a sum is shown that one person has all of, among forty.
pub fn lone_earner(lab: &Lab, protection: &Protection, trials: u64) -> Rate {
    let mut dice = lab.dice("13: one of forty");
    let registers = Clear::of(|owner| {
        let home: Vec<bool> = (0..).zip(&owner.dataset("GRUPPE").rows).map(|(at, _)| at < 40).collect();
        for (row, is_here) in owner.dataset("GRUPPE").rows.iter_mut().zip(&home) {
            *row =
                [row[0].clone(), if *is_here { "A" } else { "B" }.to_owned(), String::new(), String::new()];
        }
        for (at, row) in owner.dataset("LONN").rows.iter_mut().enumerate() {
            row[1] = match at {
                0 => "900000".to_owned(),
                1..40 => "0".to_owned(),
                _ if at % 20 == 0 => "0".to_owned(),
                _ => "900000".to_owned(),
            };
        }
    });
    let script = format!("{IMPORTS}tabulate g, summarize(l) sum\n");
    lab.rate(trials, || {
        let answers = protection.answers(&registers, &fresh_keys(&mut dice), &script);
        answers.tables.iter().any(|table| table.summary.as_ref().expect("sums").shown(Show::Sum, 0).is_some())
    })
}

/// Standard registers in which nearly everybody earns something at places A and B, and at C and D one in forty.
fn few_rich(seed: u64) -> Vec<Owner> {
    let mut owners = standard(Mix { missing: 0, ..Mix::of(seed) });
    let home = values(&mut owners[0], "BOSTED", "2020-01-01");
    let mut dice = Dice::seeded(seed);
    for [person, wage, ..] in &mut owners[0].dataset("LONN").rows {
        let even = home.get(person).is_some_and(|home| home < &"C".to_owned());
        *wage = match even {
            true => (600_000 + 1000 * dice.below(400)).to_string(),
            false if dice.below(40) == 0 => "1000000".to_owned(),
            false => "0".to_owned(),
        };
    }
    owners
}

/// Values of a FIXED variable, or of the period that has this day.
fn values(owner: &mut Owner, name: &str, day: &str) -> BTreeMap<String, String> {
    let holds =
        |start: &str, stop: &str| start.is_empty() || (start <= day && (stop.is_empty() || day <= stop));
    let rows = owner.dataset(name).rows.iter().filter(|[_, _, start, stop]| holds(start, stop));
    rows.map(|[person, value, ..]| (person.clone(), value.clone())).collect()
}

/// What three owners have of people, of whom few are rich, and what was answered about them.
struct Rich {
    wages: BTreeMap<String, String>,
    home: BTreeMap<String, String>,
    site: BTreeMap<String, String>,
    weight: BTreeMap<String, String>,
    ran: JobResult,
}

/// Asks `rest` of places `b`, wages `l`, sites `s` and weights `v`.
fn rich(seed: u64, rest: &str) -> Rich {
    let mut owners = few_rich(seed);
    let wages = values(&mut owners[0], "LONN", "2021-05-01");
    let home = values(&mut owners[0], "BOSTED", "2020-01-01");
    let site = values(&mut owners[1], "STED", "");
    let weight = values(&mut owners[2], "VEKT", "");
    let world = World::of(owners).found();
    let imports = "import ssb/BOSTED 2020-01-01 as b\nimport ssb/LONN 2021-05-01 as l\nimport krg/STED as s\nimport fhi/VEKT as v";
    let ran = world.check(&world.script(&format!("{imports}\n{rest}")));
    Rich { wages, home, site, weight, ran }
}

fn a_cell_that_two_people_dominate_is_hidden_whoever_has_the_conditions() {
    let (mut dominated, mut shown) = (0, 0);
    for seed in [91, 93, 94] {
        let of_world = dominance(seed);
        dominated += of_world.0;
        shown += of_world.1;
    }
    assert!(dominated >= 3 && shown >= 1, "a case that says nothing: {dominated} dominated, {shown} shown");
}

/// Cells that two people dominate, and cells shown. None is dominated and shown.
fn dominance(seed: u64) -> (usize, usize) {
    let Rich { wages, home, site, weight, ran } = rich(seed, "tabulate b s if v > 70, summarize(l) sum");
    let table = &ran.tables[0];
    let (mut dominated, mut shown) = (0, 0);
    for (row, place) in ["A", "B", "C", "D"].into_iter().enumerate() {
        for (column, of_site) in ["C18", "C34", "C50"].into_iter().enumerate() {
            let heavy = |person: &String| {
                weight.get(person).is_some_and(|weight| weight.parse::<f64>().expect("kg") > 70.0)
            };
            let counts = |person: &&String| {
                home.get(*person).is_some_and(|home| home == place)
                    && site.get(*person).is_some_and(|site| site == of_site)
                    && heavy(person)
            };
            let mut of_cell: Vec<f64> =
                wages.keys().filter(counts).map(|person| wages[person].parse().expect("kroner")).collect();
            of_cell.sort_by(|a, b| b.total_cmp(a));
            let total: f64 = of_cell.iter().sum();
            let two = of_cell.iter().take(2).sum::<f64>() > 0.9 * total;
            let seen = table.summary.as_ref().expect("sums").shown(Show::Sum, row * 4 + column).is_some();
            dominated += usize::from(two);
            shown += usize::from(seen);
            // What the value's owner can take away is its own: all of it. What remains at others has no value.
            assert!(!(two && seen), "{place} {of_site}: a cell that two people dominate is shown");
        }
    }
    (dominated, shown)
}

/// A sum over two owners may be even where what one of them has of it is not: who has the even part takes it away.
fn a_sum_of_two_owners_numbers_is_hidden_where_two_people_dominate_what_one_of_them_has() {
    let rest = "generate samlet = l + 10000 * v\ntabulate b s if v > 100, summarize(samlet) sum";
    let Rich { wages, home, site, weight, ran } = rich(95, rest);
    let summary = ran.tables[0].summary.as_ref().expect("sums");
    let (mut parts_only, mut shown) = (0, 0);
    for (row, place) in ["A", "B", "C", "D"].into_iter().enumerate() {
        for (column, of_site) in ["C18", "C34", "C50"].into_iter().enumerate() {
            let number = |of: &BTreeMap<String, String>, person: &str| of.get(person)?.parse::<f64>().ok();
            let of_cell: Vec<(f64, f64)> = (wages.keys())
                .filter(|person| home.get(*person).is_some_and(|home| home == place))
                .filter(|person| site.get(*person).is_some_and(|site| site == of_site))
                .filter_map(|person| Some((number(&wages, person)?, number(&weight, person)?)))
                .filter(|(_, weight)| *weight > 100.0)
                .collect();
            let two_have = |of: fn(&(f64, f64)) -> f64| {
                let mut numbers: Vec<f64> = of_cell.iter().map(of).collect();
                numbers.sort_by(|a, b| b.total_cmp(a));
                numbers.iter().take(2).sum::<f64>() > 0.9 * numbers.iter().sum::<f64>()
            };
            let of_wages = two_have(|(wage, _)| *wage);
            let whole = two_have(|(wage, weight)| wage + 10_000.0 * weight);
            let seen = summary.shown(Show::Sum, row * 4 + column).is_some();
            parts_only += usize::from(of_wages && !whole);
            shown += usize::from(seen);
            assert!(!(of_wages && seen), "{place} {of_site}: two people's wages dominate, and it is shown");
        }
    }
    assert!(parts_only >= 1 && shown >= 1, "a case that says nothing: {parts_only}, {shown} shown");
}
