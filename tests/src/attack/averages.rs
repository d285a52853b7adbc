//! Attacks 4, 4a, 11 and 14: the noise of one population averaged over many splits, samples and subsets.
//!
//! For attributes a₁, a₂, … the attacker asks for q and a, and for q and not a; each sum of the two is the same true count with other
//! noise (H. Asghar, D. Kaafar, "Averaging attacks on bounded noise-based disclosure control algorithms", PoPETs 2020). Tries to
//! break: the noise of counts (rule 3). What bounds it is the budget of rule 14.
//!
//! Bound: with the budget spent on both populations of attack 5, the guess about the person is right in at most 65 %; of
//! Dinur and Nissim's bits at most 60 % (the catalogue).

use super::Measure;
use super::clear::{Protection, add, random_key, set};
use super::differences::PERSON;
use super::lab::{Lab, fresh_keys};
use super::rate::{Bound, Rate};
use crate::dice::Dice;
use crate::reference::{Keys, TrueCell};

/// A set cut in two at random, as an attribute does: the parts have keys that add up to its own.
fn split(dice: &mut Dice, whole: &TrueCell) -> [TrueCell; 2] {
    let part = 1 + dice.below(whole.count as usize - 1) as u64;
    let one = set(dice, part);
    let mut other = TrueCell { count: whole.count - part, ..TrueCell::default() };
    for (at, sum) in other.keys.iter_mut().enumerate() {
        *sum = (whole.keys[at] + 65_536 * whole.count - one.keys[at]) % 65_536;
    }
    [one, other]
}

/// The mean of the count over so many splits.
fn average(dice: &mut Dice, protection: &Protection, keys: &Keys, whole: &TrueCell, splits: usize) -> f64 {
    let mut total = 0;
    for _ in 0..splits {
        total += split(dice, whole).iter().map(|part| protection.count(part, keys)).sum::<u64>();
    }
    total as f64 / splits as f64
}

/// 4: how often the exact count comes back after so many splits, and what that says about a person.
pub(super) fn splits(lab: &Lab) -> Vec<Measure> {
    let published = Protection::published();
    let trials = lab.of(2000, 20_000);
    let mut measures = Vec::new();
    for splits in [1, 2, 5, 10, 20, 50] {
        let mut dice = lab.dice("4: exact");
        let rate = lab.rate(trials, || {
            let keys = fresh_keys(&mut dice);
            let count = 200 + dice.below(1000) as u64;
            let whole = set(&mut dice, count);
            average(&mut dice, &published, &keys, &whole, splits).round() as u64 == count
        });
        measures.push(Measure::shown(format!("exact count, {splits} splits"), rate));
    }
    let rate = person_by_splits(lab, "4: person", 10, trials);
    measures.push(Measure::new("the person, by 10 splits of both populations", rate, PERSON));
    measures
}

/// 14: two accounts that have a budget each have twice the splits.
pub(super) fn two_accounts(lab: &Lab) -> Vec<Measure> {
    let rate = person_by_splits(lab, "14: person", 20, lab.of(2000, 20_000));
    vec![Measure::new("the person, 10 splits at each of two institutions", rate, PERSON)]
}

/// How often a guess about a person is right that rests on splits of two populations, with the person and without, by the same attributes.
/// A part without the person is the same set in both, with the same noise; so one split whose sums differ says that the person is there,
/// which is sharper than the difference of the averages.
fn person_by_splits(lab: &Lab, label: &str, splits: usize, trials: u64) -> Rate {
    let published = Protection::published();
    let mut dice = lab.dice(label);
    lab.rate(trials, || {
        let (keys, is_in) = (fresh_keys(&mut dice), dice.percent(50));
        let others = 200 + dice.below(1000) as u64;
        let (without, key) = (set(&mut dice, others), random_key(&mut dice));
        let mut differs = false;
        for _ in 0..splits {
            let [with, rest] = split(&mut dice, &without);
            let mut more = [with.clone(), rest.clone()];
            if is_in {
                add(&mut more[usize::from(dice.percent(50))], key);
            }
            let sum =
                |parts: &[TrueCell; 2]| parts.iter().map(|part| published.count(part, &keys)).sum::<u64>();
            differs |= sum(&more) != sum(&[with, rest]);
        }
        differs == is_in
    })
}

/// 4a: the same over seeds of `sample 0.99`, whose counts are scaled up again and averaged. Who is drawn follows from a keyed hash, so it
/// is drawn here; a cell of 100 people in a large population.
pub(super) fn samples(lab: &Lab) -> Vec<Measure> {
    const PEOPLE: usize = 100;
    let published = Protection::published();
    let mut measures = Vec::new();
    for seeds in [1, 5, 25] {
        let mut dice = lab.dice("4a");
        let rate = lab.rate(lab.of(1000, 10_000), || {
            let keys = fresh_keys(&mut dice);
            let people: Vec<[u16; 3]> = (0..PEOPLE).map(|_| random_key(&mut dice)).collect();
            let mut total = 0;
            for _ in 0..seeds {
                let mut cell = TrueCell::default();
                people.iter().filter(|_| dice.below(100) != 0).for_each(|key| add(&mut cell, *key));
                total += published.count(&cell, &keys);
            }
            (total as f64 / f64::from(seeds) / 0.99).round() as usize == PEOPLE
        });
        // Half: beyond it the exact count is likelier than not, and with it everything that attack 5 forbids.
        let bound = if seeds == 25 { Bound::AtMost(0.5) } else { Bound::Shown };
        measures.push(Measure::new(format!("exact count, {seeds} seeds"), rate, bound));
    }
    measures
}

/// 11: bits of people, from protected counts of random subsets (I. Dinur, K. Nissim, "Revealing information while preserving
/// privacy", PODS 2003), with the others in each subset known. The bits are those of the least squares.
pub(super) fn subsets(lab: &Lab) -> Vec<Measure> {
    const PEOPLE: usize = 100;
    let published = Protection::published();
    let mut measures = Vec::new();
    for subsets in [50, 200, 800] {
        let mut dice = lab.dice("11");
        let (mut right, mut trials) = (0, 0);
        for _ in 0..lab.of(10, 50) {
            if lab.is_stopped() {
                break;
            }
            let keys = fresh_keys(&mut dice);
            let people: Vec<(bool, [u16; 3])> =
                (0..PEOPLE).map(|_| (dice.percent(50), random_key(&mut dice))).collect();
            let asked: Vec<(Vec<bool>, f64)> = (0..subsets)
                .map(|_| {
                    let chosen: Vec<bool> = (0..PEOPLE).map(|_| dice.percent(50)).collect();
                    // Known people in the subset make it large enough; their number is taken off again.
                    let mut cell = set(&mut dice, 100);
                    let counted =
                        people.iter().zip(&chosen).filter(|((has_it, _), chosen)| *has_it && **chosen);
                    counted.for_each(|((_, key), _)| add(&mut cell, *key));
                    (chosen, published.count(&cell, &keys) as f64 - 100.0)
                })
                .collect();
            let bits = least_squares(&asked, PEOPLE);
            right +=
                people.iter().zip(bits).filter(|((has_it, _), bit)| *has_it == (*bit > 0.5)).count() as u64;
            trials += PEOPLE as u64;
        }
        let bound = if subsets == 800 { Bound::AtMost(0.6) } else { Bound::Shown };
        measures.push(Measure::new(format!("{subsets} subsets"), Rate::Counted { right, trials }, bound));
    }
    measures
}

/// The numbers between which the subsets' sums lie best, by conjugate gradients on the normal equations with a little damping, about a
/// half.
fn least_squares(asked: &[(Vec<bool>, f64)], people: usize) -> Vec<f64> {
    const DAMPING: f64 = 1.0;
    let residual_of_half =
        |(chosen, sum): &(Vec<bool>, f64)| sum - 0.5 * chosen.iter().filter(|chosen| **chosen).count() as f64;
    let transposed = |rows: &[f64]| {
        let mut sums = vec![0.0; people];
        for ((chosen, _), row) in asked.iter().zip(rows) {
            sums.iter_mut().zip(chosen).filter(|(_, chosen)| **chosen).for_each(|(sum, _)| *sum += row);
        }
        sums
    };
    let applied = |x: &[f64]| {
        let rows: Vec<f64> = (asked.iter())
            .map(|(chosen, _)| x.iter().zip(chosen).filter(|(_, chosen)| **chosen).map(|(x, _)| x).sum())
            .collect();
        let mut product = transposed(&rows);
        product.iter_mut().zip(x).for_each(|(sum, x)| *sum += DAMPING * x);
        product
    };
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let mut x = vec![0.0; people];
    let mut residual = transposed(&asked.iter().map(residual_of_half).collect::<Vec<_>>());
    let mut direction = residual.clone();
    let mut size = dot(&residual, &residual);
    for _ in 0..people {
        if size < 1e-9 {
            break;
        }
        let applied = applied(&direction);
        let step = size / dot(&direction, &applied);
        x.iter_mut().zip(&direction).for_each(|(x, direction)| *x += step * direction);
        residual.iter_mut().zip(&applied).for_each(|(residual, applied)| *residual -= step * applied);
        let next = dot(&residual, &residual);
        direction
            .iter_mut()
            .zip(&residual)
            .for_each(|(direction, residual)| *direction = residual + next / size * *direction);
        size = next;
    }
    x.iter().map(|x| x + 0.5).collect()
}
