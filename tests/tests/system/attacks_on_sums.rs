//! Attacks 14a and 14b of the catalogue: what sums that a researcher chose tell about the exact count behind them.
//!
//! The attacker knows everything but the keys: the true sum s, the owner's m and w, the perturbation table, the perturbed
//! count c′ and the perturbed sums s′ = s + e·m + z·w + t. Who finds the noise e of the count has the exact count c′ − e.
//! Success is that of the best guess of e there is, the likeliest one; guessing from the table alone is right as often as
//! its likeliest change occurs. Rates are printed, to be published and compared.

use std::collections::BTreeMap;

use kobling_tests::dice::Dice;
use kobling_tests::reference::Perturbation;

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

#[test]
fn attack_14a_a_sum_of_an_indicator_does_not_give_the_exact_count_away() {
    let blind = keys_by_change().values().copied().fold(0.0, f64::max) / 256.0;
    println!("14a: without any sum, the best guess of the exact count is right in {:.1} %", 100.0 * blind);
    for mean in [10, 100, 300, 333, 400, 500, 700, 950] {
        let (with, without) = (success(mean, DITHER), success(mean, 0..1));
        println!(
            "14a: indicator of mean {mean}/1000: right in {:.1} %; were there no t, in {:.1} %",
            100.0 * with,
            100.0 * without
        );
        assert!(with < 0.35, "mean {mean}: {with}");
        // The attack is a real one: it wins where the noise is s + e·m + z·w alone.
        assert!(without > 0.45, "mean {mean}: {without}");
    }
}

#[test]
fn attack_14b_the_noise_of_several_columns_over_one_cell_averages_out_only_slowly() {
    const TRIES: usize = 600;
    let (changes, keys) = (changes(), keys_by_change());
    let mut dice = Dice::seeded(14);
    let mut rate = |mean: i64, columns: usize| {
        let mut right = 0;
        for _ in 0..TRIES {
            let e = *dice.one(&changes);
            let sums: Vec<i64> = (0..columns)
                .map(|_| e * mean + dice.one(&changes) * WIDTH + dice.below(1000) as i64 + DITHER.start)
                .collect();
            // ln P(e) + Σ ln P(s′ − s | e), each over the z that leave t in its range.
            let likelihood = |guess: i64, prior: f64| {
                let of_sum = |sum: &i64| {
                    let left = |z: i64| DITHER.contains(&(sum - guess * mean - z * WIDTH));
                    keys.iter().filter(|(z, _)| left(**z)).map(|(_, keys)| keys).sum::<f64>().max(1e-12).ln()
                };
                prior.ln() + sums.iter().map(of_sum).sum::<f64>()
            };
            let guesses = keys.iter().map(|(guess, prior)| (likelihood(*guess, *prior), *guess));
            let best = guesses.max_by(|a, b| a.0.total_cmp(&b.0)).expect("changes").1;
            right += usize::from(best == e);
        }
        right as f64 / TRIES as f64
    };
    for mean in [300, 500] {
        let rates = [1, 2, 5, 10, 25].map(|columns| (columns, rate(mean, columns)));
        for (columns, rate) in rates {
            println!("14b: {columns} columns of mean {mean}/1000: right in {:.0} %", 100.0 * rate);
        }
        // What a budget of a few columns leaves (rule 14, which this version does not have).
        assert!(rates[..3].iter().all(|(_, rate)| *rate < 0.5), "{rates:?}");
        assert!(rates[4].1 > rates[0].1, "more columns tell more: {rates:?}");
    }
}
