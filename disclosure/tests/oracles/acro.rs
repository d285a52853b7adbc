//! Rules 7, 9 and 10 beside ACRO's checks of thresholds, degrees of freedom and dominance.
//!
//! Ours are stricter by design: counts carry noise, so a rule that wants t units asks for t + D; dominance is judged without maxima. What must hold, both ways:
//!
//! - *thresholds*: ACRO fails a cell (fewer than 10 units) exactly where rule 7 hides it under every key; and where ACRO with a threshold of 20 passes it, rule 7 shows
//!   it under every key. The same with residual degrees of freedom and rule 9.
//! - *dominance*, where the public range begins at zero: what ACRO fails, by (2, 90 %) or p % = 10, rule 10 hides at every h. And what rule 10 hides at h has one
//!   unit with at least 317 / (49 · (16 + h)) of the cell, which is where ACRO fails it with (1, that): 40 % at h = 0, 28 % at h = 7. (Hidden is
//!   317·s² ≤ 49·(16 + h)·Σx², and Σx² ≤ largest·s. That much exactly only for values that are whole sevenths of the width, since others are
//!   rounded up.)
//! - where the range begins above zero: what ACRO fails of three units or more, rule 10 hides at every h.
//!
//! ACRO does not judge cells with negative values, so there is nothing to compare where a range spans zero.

use kobling_disclosure::rule::{dominance, models, perturbed_counts, statistic_units};
use kobling_disclosure::{PerturbationTable, Policy};
use kobling_model::rules::Rules;
use serde_json::{Value, json};

use super::{Dice, answer};

/// Width of the public range.
const WIDTH: u64 = 700;

/// Cells of each kind.
const EACH: usize = 1000;

/// ACRO's default numbers with others for the threshold and for (n, k).
fn appetite(threshold: u32, n: u32, k: f64) -> Value {
    json!({"safe_threshold": threshold, "safe_nk_n": n, "safe_nk_k": k})
}

/// For each of these numbers, the checks that each cell fails; and for models of units and columns, whether they do.
fn acro(cells: &[Vec<u64>], appetites: &[Value], models: &[[u64; 2]]) -> (Vec<Vec<Vec<String>>>, Vec<bool>) {
    // ACRO asks for other versions than the other tools, so it has an environment of its own.
    let python = std::env::var("ACRO_PYTHON").unwrap_or_else(|_| "python".to_owned());
    let question = json!({"cells": cells, "appetites": appetites, "models": models});
    let answer = answer(&python, "acro_checks.py", &question);
    let of = |part: &str| answer[part].clone();
    let failed: Vec<Vec<Vec<String>>> = serde_json::from_value(of("cells")).expect("lists of checks");
    assert!(failed.len() == appetites.len() && failed.iter().all(|run| run.len() == cells.len()));
    (failed, serde_json::from_value(of("models")).expect("truth values"))
}

fn fails(checks: &[String], names: &[&str]) -> bool {
    checks.iter().any(|check| names.contains(&check.as_str()))
}

const DOMINANCE: [&str; 2] = ["NKCheck", "PPercentCheck"];

/// Rule 10 on distances from the lower end of the range alone, as in PROTECTION.md, section 10.
fn hidden(rules: &Rules, distances: &[u64], h: u8) -> bool {
    let sum = distances.iter().sum::<u64>().into();
    let steps = distances.iter().map(|distance| u128::from((7 * distance).div_ceil(WIDTH)).pow(2));
    dominance::hides(rules, sum, steps.sum(), WIDTH, h)
}

/// Cells of one to sixty values from `low` to `low` + the width, some even, some of which few units have nearly everything, near all borders.
fn cells(dice: &mut Dice, count: usize, low: u64, units_min: u64, unit: u64) -> Vec<Vec<u64>> {
    let mut cell = || {
        let units = units_min + dice.below(60);
        let (large, rest) = (dice.below(4), dice.below(WIDTH / unit + 1) / (1 + dice.below(20)));
        let value = |at: u64| {
            let most = if at < large { WIDTH / unit } else { rest };
            low + unit * dice.below(most + 1)
        };
        (0..units).map(value).collect()
    };
    (0..count).map(|_| cell()).collect()
}

fn rules() -> Rules {
    Policy::parse(&Policy::init_text()).expect("what init writes is valid").rules
}

#[test]
#[ignore = "needs Python with acro (ACRO_PYTHON)"]
fn what_acro_finds_dominated_is_hidden_and_what_is_hidden_acro_finds_nearly_so() {
    let mut dice = Dice(90);
    let rules = rules();
    let sevenths = cells(&mut dice, EACH, 0, 1, WIDTH / 7);
    let any = cells(&mut dice, EACH, 0, 1, 1);
    let above = cells(&mut dice, EACH, 250, 3, 1);
    // The ends of h and one between, since each takes ACRO a while. A little below, where the fraction might be rounded up.
    let both_ways = [0_u8, 3, 7];
    let nearly = |h: &u8| appetite(10, 1, 317.0 / (49.0 * f64::from(16 + h)) - 1e-12);
    let appetites: Vec<Value> =
        std::iter::once(appetite(10, 2, 0.90)).chain(both_ways.iter().map(nearly)).collect();
    let all = [sevenths.clone(), any, above].concat();
    let (failed, _) = acro(&all, &appetites, &[]);

    let (mut dominated, mut in_vain, mut shown) = (0, 0, 0);
    for (at, values) in all.iter().enumerate() {
        let low = if at < 2 * EACH { 0 } else { 250 };
        let distances: Vec<u64> = values.iter().map(|value| value - low).collect();
        let by_acro = fails(&failed[0][at], &DOMINANCE);
        for h in 0..8 {
            let hidden = hidden(&rules, &distances, h);
            assert!(hidden || !by_acro, "ACRO fails {values:?}, which is shown at h = {h}");
            // Of nothing there are no parts; we hide it, since all units are at a bound.
            let has_parts = at < sevenths.len() && values.iter().any(|value| *value > 0);
            let run = both_ways.iter().position(|of| *of == h).filter(|_| hidden && has_parts);
            if let Some(run) = run {
                let nearly = fails(&failed[1 + run][at], &DOMINANCE);
                assert!(nearly, "{values:?} is hidden at h = {h}, and no unit has that much of it");
            }
            dominated += u32::from(by_acro && h == 0);
            in_vain += u32::from(hidden && !by_acro);
            shown += u32::from(!hidden);
        }
    }
    assert!(dominated > 200 && in_vain > 200 && shown > 2000, "{dominated} {in_vain} {shown}");
}

#[test]
#[ignore = "needs Python with acro (ACRO_PYTHON)"]
fn acros_thresholds_are_where_the_noise_of_counts_begins_and_ends_to_hide() {
    let table = PerturbationTable::published();
    let rules = rules();
    let cells: Vec<Vec<u64>> = (1..=60).map(|units| vec![300; units]).collect();
    let (failed, _) = acro(&cells, &[appetite(10, 2, 0.90), appetite(20, 2, 0.90)], &[]);
    for (at, values) in cells.iter().enumerate() {
        let units = values.len() as u64;
        let hides =
            |key: &u8| statistic_units::hides(&rules, perturbed_counts::perturbed(table, units, *key));
        let keys = (0..=255).filter(hides).count();
        let [ten, twenty] = [0, 1].map(|run| fails(&failed[run][at], &["MinimumThresholdCheck"]));
        assert_eq!(ten, keys == 256, "{units} units");
        assert_eq!(twenty, keys > 0, "{units} units");
    }
}

#[test]
#[ignore = "needs Python with acro (ACRO_PYTHON)"]
fn models_that_acro_fails_for_their_degrees_of_freedom_are_refused_under_every_noise() {
    let table = PerturbationTable::published();
    let given: Vec<[u64; 2]> = [2, 3, 6, 11]
        .into_iter()
        .flat_map(|columns| (0..30).map(move |more| [columns + 1 + more, columns]))
        .collect();
    let (_, failed) = acro(&[], &[], &given);
    assert_eq!(failed.len(), given.len());
    for ([units, columns], failed) in given.into_iter().zip(failed) {
        let refused = |key: &u8| {
            let evidence = models::Evidence {
                units: perturbed_counts::perturbed(table, units, *key),
                // The constant is one of the columns.
                numbers: columns as u32 - 1,
                constant: true,
                dummies: vec![],
                combinations: vec![1000],
                leverages: vec![],
                residual_squares: 1.0,
                total_squares: 1.0,
                h: 0,
            };
            models::judge(models::Limits::LOOSEST, &evidence) == Err(models::Refusal::DegreesOfFreedom)
        };
        let keys = (0..=255).filter(refused).count();
        assert_eq!(failed, units - columns < 10);
        // Counts below six cannot rise by five, and those below ten do so rarely; from there on it is exact.
        assert!(!failed || keys == 256, "{units} units, {columns} columns");
        assert!(failed || units < 8 || keys < 256, "{units} units, {columns} columns");
        assert_eq!(units - columns >= 20, keys == 0, "{units} units, {columns} columns");
    }
}
