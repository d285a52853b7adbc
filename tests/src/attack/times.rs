//! Attack 12, times: whether 0, 1 or many linked people can be told from how long an answer takes.
//!
//! Times are measured here and nowhere else. The attacker times one question in a new session of each of two federations, which differ only in
//! how many people two owners share, and says that the slower one shares more. Tries to break: that shapes, and so work, follow from
//! plan and n.
//!
//! Bound: right in at most 65 %. At the small size there are too few tries for a verdict, and other work on the machine: figures only.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::Measure;
use super::differences::PERSON;
use super::lab::{Lab, Size};
use super::rate::{Bound, Rate};
use crate::registers::{Mix, Owner, standard};
use crate::world::World;

/// Times for 0, 1 and many linked people, and how often the slower of two shares more.
pub(super) fn run(lab: &Lab) -> Vec<Measure> {
    let many = lab.of(1000, 10_000);
    let worlds = [0, 1, many].map(|linked| (linked, World::of(owners(many, linked)).found()));
    let tries = lab.of(8, 1000);
    let mut dice = lab.dice("12: times");
    let mut times: [Vec<Duration>; 3] = Default::default();
    for _ in 0..tries {
        if lab.is_stopped() {
            break;
        }
        // In an order of its own each time, so that no world is always after the same one.
        let first = dice.below(3);
        for at in 0..3 {
            let at = (first + at) % 3;
            times[at].push(time(&worlds[at].1));
        }
    }
    let bound = if lab.size == Size::Full { PERSON } else { Bound::Shown };
    let mut measures = Vec::new();
    for (few, more) in [(0, 1), (1, 2), (0, 2)] {
        let pairs = times[few].iter().zip(&times[more]);
        let right = pairs.clone().filter(|(few, more)| more > few).count() as u64;
        let rate = Rate::Counted { right, trials: pairs.len() as u64 };
        let what = format!("the slower shares more: {} or {} people", worlds[few].0, worlds[more].0);
        let note = format!(
            "{} and {}; rank test: p = {:.3}",
            quartiles(&times[few]),
            quartiles(&times[more]),
            rank_test(&times[few], &times[more])
        );
        measures.push(Measure::new(what, rate, bound).noted(note));
    }
    measures
}

/// Two owners with so many people each, of whom `linked` are the same, and a third.
fn owners(people: usize, linked: usize) -> Vec<Owner> {
    // Everybody whom the second owner has is a stranger to the first at first.
    let count = people.max(1200);
    let mix = Mix { seed: 12, people: count, overlap: 0, strangers: count, missing: 0 };
    let mut owners = standard(mix);
    let first = |owner: &Owner| -> Vec<String> {
        owner.datasets[0].rows.iter().take(linked).map(|row| row[0].clone()).collect()
    };
    // As many rows as before: those who are shared take the place of others.
    let replaced: HashMap<String, String> = first(&owners[1]).into_iter().zip(first(&owners[0])).collect();
    for row in owners[1].datasets.iter_mut().flat_map(|dataset| &mut dataset.rows) {
        if let Some(shared) = replaced.get(&row[0]) {
            row[0].clone_from(shared);
        }
    }
    owners
}

fn time(world: &World) -> Duration {
    let session = world.open_session().expect("a session opens");
    let script = world.script("import ssb/KJOENN as k\nimport krg/STED as s\ntabulate k s, missing");
    let begun = Instant::now();
    world.run_in(&session, &script);
    let taken = begun.elapsed();
    world.close_session(&session);
    taken
}

/// Quartiles in milliseconds.
fn quartiles(times: &[Duration]) -> String {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let at = |share: usize| sorted.get((sorted.len() * share / 4).min(sorted.len().saturating_sub(1)));
    let ms = |share| at(share).map_or(0, Duration::as_millis);
    format!("{}/{}/{} ms", ms(1), ms(2), ms(3))
}

/// How likely two samples of one law would differ as much in rank: Mann and Whitney's test, two-sided, by the normal law
/// (H. Mann, D. Whitney, Annals of Mathematical Statistics 1947).
fn rank_test(one: &[Duration], other: &[Duration]) -> f64 {
    let (n, m) = (one.len() as f64, other.len() as f64);
    if one.is_empty() || other.is_empty() {
        return 1.0;
    }
    let above = |a: &Duration| -> f64 {
        other
            .iter()
            .map(|b| {
                if a > b {
                    1.0
                } else if a == b {
                    0.5
                } else {
                    0.0
                }
            })
            .sum()
    };
    let u: f64 = one.iter().map(above).sum();
    let z = (u - n * m / 2.0).abs() / (n * m * (n + m + 1.0) / 12.0).sqrt();
    2.0 * upper_tail(z)
}

/// The normal law's upper tail (M. Abramowitz, I. Stegun, 26.2.17: off by at most 7.5·10⁻⁸).
fn upper_tail(z: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * z);
    let density = (-z * z / 2.0).exp() / std::f64::consts::TAU.sqrt();
    let series = [0.319_381_530, -0.356_563_782, 1.781_477_937, -1.821_255_978, 1.330_274_429];
    density * series.iter().rev().fold(0.0, |sum, factor| (sum + factor) * t)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_that_do_not_differ_have_p_of_one_and_ranks_far_apart_next_to_none() {
        let millis = |from: u64| (from..from + 20).map(Duration::from_millis).collect::<Vec<_>>();
        assert!(rank_test(&millis(0), &millis(0)) > 0.99);
        assert!(rank_test(&millis(0), &millis(100)) < 1e-6);
        // The tail of a table.
        assert!((upper_tail(1.959_964) - 0.025).abs() < 1e-6);
    }
}
