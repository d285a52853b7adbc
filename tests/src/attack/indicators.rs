//! Attacks 14a and 14b: what sums that a researcher chose tell about the exact count behind them.
//!
//! The attacker knows everything but the keys: the true sum s, the owner's m and w, the perturbation table, the perturbed
//! count c′ and the perturbed sums s′ = s + e·m + z·w + t. Who finds the noise e of the count has the exact count c′ − e.
//! Success is that of the best guess of e there is, the likeliest one; guessing from the table alone is right as often as
//! its likeliest change occurs. Tries to break: the noise of sums (rule 3).
//!
//! Bound: from one sum hardly more than from none, 35 %; from the columns that a budget leaves less than half.

use std::collections::BTreeMap;

use super::Measure;
use super::lab::Lab;
use super::rate::{Bound, Rate};
use crate::reference::Perturbation;

/// An indicator in thousandths of its width, and t, which is as wide: the two million units of a code are too many to try.
const WIDTH: i64 = 1000;
const DITHER: std::ops::Range<i64> = -500..500;

/// The changes of a large count, one for each of 256 keys.
fn changes() -> Vec<i64> {
    let (table, large) = (Perturbation::published(), 1_000_000_u64);
    (0..=255).map(|key| table.perturbed(large, key) as i64 - large as i64).collect()
}

/// How many of 256 keys give each change.
fn keys_by_change() -> BTreeMap<i64, f64> {
    changes().into_iter().fold(BTreeMap::new(), |mut counts, change| {
        *counts.entry(change).or_default() += 1.0;
        counts
    })
}

/// How often the likeliest e, given s′ − s of one sum, is the true one.
fn success(mean: i64, dither: std::ops::Range<i64>) -> f64 {
    let keys = keys_by_change();
    let all = 256.0 * 256.0 * dither.clone().count() as f64;
    let mut seen: BTreeMap<i64, BTreeMap<i64, f64>> = BTreeMap::new();
    for (e, of_e) in &keys {
        for (z, of_z) in &keys {
            for t in dither.clone() {
                *seen.entry(e * mean + z * WIDTH + t).or_default().entry(*e).or_default() += of_e * of_z;
            }
        }
    }
    seen.values().map(|by_e| by_e.values().copied().fold(0.0, f64::max)).sum::<f64>() / all
}

/// 14a: one sum of an indicator of this mean, computed over all noises there are.
pub(super) fn one_sum(_: &Lab) -> Vec<Measure> {
    let means = [10, 100, 300, 333, 400, 500, 700, 950];
    let best = |of: &dyn Fn(i64) -> f64| Rate::Exact(means.iter().map(|mean| of(*mean)).fold(0.0, f64::max));
    let blind = keys_by_change().values().copied().fold(0.0, f64::max) / 256.0;
    let worst_without = means.iter().map(|mean| success(*mean, 0..1)).fold(1.0, f64::min);
    vec![
        Measure::new("exact count, one sum", best(&|mean| success(mean, DITHER)), Bound::AtMost(0.35))
            .noted("the worst of eight means"),
        Measure::shown("exact count, no sum", Rate::Exact(blind)),
        Measure::shown("exact count, were there no t", Rate::Exact(worst_without))
            .noted("the best of eight means"),
    ]
}

/// 14b: sums of several columns over one cell, each with noise of its own.
pub(super) fn many_columns(lab: &Lab) -> Vec<Measure> {
    const MEAN: i64 = 500;
    let (changes, keys) = (changes(), keys_by_change());
    let mut measures = Vec::new();
    for columns in [1, 2, 5, 10, 25] {
        let mut dice = lab.dice("14b");
        let rate = lab.rate(lab.of(1000, 10_000), || {
            let e = *dice.one(&changes);
            let sums: Vec<i64> = (0..columns)
                .map(|_| e * MEAN + dice.one(&changes) * WIDTH + dice.below(1000) as i64 + DITHER.start)
                .collect();
            // ln P(e) + Σ ln P(s′ − s | e), each over the z that leave t in its range.
            let likelihood = |guess: i64, prior: f64| {
                let of_sum = |sum: &i64| {
                    let left = |z: i64| DITHER.contains(&(sum - guess * MEAN - z * WIDTH));
                    keys.iter().filter(|(z, _)| left(**z)).map(|(_, keys)| keys).sum::<f64>().max(1e-12).ln()
                };
                prior.ln() + sums.iter().map(of_sum).sum::<f64>()
            };
            let guesses = keys.iter().map(|(guess, prior)| (likelihood(*guess, *prior), *guess));
            guesses.max_by(|a, b| a.0.total_cmp(&b.0)).expect("changes").1 == e
        });
        // As many as the budget of 1000 people is enough for. Of larger populations it is enough for more: decision 26.
        let bound = if columns == 5 { Bound::AtMost(0.5) } else { Bound::Shown };
        let plural = if columns == 1 { "" } else { "s" };
        measures.push(Measure::new(format!("exact count, {columns} column{plural}"), rate, bound));
    }
    measures
}
