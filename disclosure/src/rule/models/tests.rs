//! Given models, fitted here by orthogonalisation, and what the rule says of them.

use super::*;
use crate::PerturbationTable;
use crate::rule::perturbed_counts;

/// A column of a model.
enum Column {
    Number(Vec<f64>),
    Dummy(Vec<bool>),
}

use Column::{Dummy as D, Number as N};

impl Column {
    fn values(&self) -> Vec<f64> {
        match self {
            N(values) => values.clone(),
            D(values) => values.iter().map(|value| f64::from(u8::from(*value))).collect(),
        }
    }
}

/// Numbers without pattern from −1 to 1.
fn drawn(seed: u64, count: usize) -> Vec<f64> {
    let mut word = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut next = || {
        word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) as i64 as f64 / i64::MAX as f64
    };
    (0..count).map(|_| next()).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// What `others` leave unexplained of `column`: twice Gram and Schmidt, so that rounding does not matter.
fn residual(column: &[f64], others: &[Vec<f64>]) -> Vec<f64> {
    let mut basis: Vec<Vec<f64>> = Vec::new();
    let without = |vector: &[f64], basis: &[Vec<f64>]| {
        let mut rest = vector.to_vec();
        for _ in 0..2 {
            for direction in basis {
                let part = dot(&rest, direction);
                rest.iter_mut().zip(direction).for_each(|(rest, direction)| *rest -= part * direction);
            }
        }
        rest
    };
    for other in others {
        let rest = without(other, &basis);
        let size = dot(&rest, &rest).sqrt();
        if size > 1e-9 * dot(other, other).sqrt() {
            basis.push(rest.into_iter().map(|value| value / size).collect());
        }
    }
    without(column, &basis)
}

/// The evidence of a model with a constant, before its counts are perturbed.
fn fitted(columns: &[Column], outcome: &[f64]) -> Evidence {
    let units = outcome.len();
    let ones = vec![1.0; units];
    let of = |column: &Column| {
        let others = columns.iter().filter(|other| !std::ptr::eq(*other, column)).map(Column::values);
        let others: Vec<Vec<f64>> = std::iter::once(ones.clone()).chain(others).collect();
        let own = residual(&column.values(), &others[..1]);
        Leverage::of_residuals(&residual(&column.values(), &others), dot(&own, &own))
    };
    let dummies: Vec<&Vec<bool>> = columns
        .iter()
        .filter_map(|column| if let D(values) = column { Some(values) } else { None })
        .collect();
    let dummy = |values: &&Vec<bool>| {
        let ones = values.iter().filter(|value| **value).count() as u64;
        Dummy { ones, zeros: units as u64 - ones }
    };
    // All patterns that occur.
    let mut patterns: Vec<Vec<bool>> =
        (0..units).map(|unit| dummies.iter().map(|values| values[unit]).collect()).collect();
    patterns.sort();
    let combinations = patterns.chunk_by(|a, b| a == b).map(|group| group.len() as u64).collect();
    let all: Vec<Vec<f64>> =
        std::iter::once(ones.clone()).chain(columns.iter().map(Column::values)).collect();
    let rest = residual(outcome, &all);
    let total = residual(outcome, &all[..1]);
    Evidence {
        units: units as u64,
        numbers: (columns.len() - dummies.len()) as u32,
        constant: true,
        dummies: dummies.iter().map(dummy).collect(),
        combinations,
        leverages: columns.iter().map(of).collect(),
        residual_squares: dot(&rest, &rest),
        total_squares: dot(&total, &total),
        h: 0,
    }
}

/// The same with every count perturbed by one key.
fn perturbed(evidence: &Evidence, key: u8) -> Evidence {
    let of = |count: u64| perturbed_counts::perturbed(PerturbationTable::published(), count, key);
    let dummy = |dummy: &Dummy| Dummy { ones: of(dummy.ones), zeros: of(dummy.zeros) };
    Evidence {
        units: of(evidence.units),
        dummies: evidence.dummies.iter().map(dummy).collect(),
        combinations: evidence.combinations.iter().map(|count| of(*count)).collect(),
        ..evidence.clone()
    }
}

fn judged(evidence: &Evidence) -> Result<Shown, Refusal> {
    judge(Limits::LOOSEST, evidence)
}

/// A dummy that every `nth` unit has.
fn every(nth: usize, units: usize) -> Vec<bool> {
    (0..units).map(|unit| unit % nth == 0).collect()
}

const UNITS: usize = 1200;

/// An ordinary model: two numbers, a factor of three levels, another of two, and their interaction.
fn ordinary() -> (Vec<Column>, Vec<f64>) {
    let (age, wage) = (drawn(1, UNITS), drawn(2, UNITS));
    let (second, third, sex) = (every(3, UNITS), every(4, UNITS), every(5, UNITS));
    let second: Vec<bool> = second.iter().zip(&third).map(|(second, third)| *second && !third).collect();
    let both = third.iter().zip(&sex).map(|(third, sex)| *third && *sex).collect();
    let noise = drawn(9, UNITS);
    let of_sex = sex.iter().map(|sex| f64::from(u8::from(*sex)));
    let outcome = of_sex.enumerate().map(|(unit, sex)| 3.0 * age[unit] - wage[unit] + sex + noise[unit]);
    let outcome = outcome.collect();
    (vec![N(age), N(wage), D(second), D(third), D(sex), D(both)], outcome)
}

#[test]
fn ordinary_models_pass_at_every_h_and_every_noise() {
    let (columns, outcome) = ordinary();
    let exact = fitted(&columns, &outcome);
    assert_eq!((exact.numbers, exact.dummies.len(), exact.combinations.len()), (2, 4, 6));
    for key in 0..=255 {
        for h in 0..8 {
            let evidence = Evidence { h, ..perturbed(&exact, key) };
            assert_eq!(judged(&evidence), Ok(Shown { constant: true }), "key {key} h {h}");
        }
    }
}

#[test]
fn a_dummy_that_one_person_has_or_that_all_but_one_have_is_refused() {
    for flipped in [false, true] {
        let (mut columns, outcome) = ordinary();
        columns.push(D((0..UNITS).map(|unit| (unit == 77) != flipped).collect()));
        let exact = fitted(&columns, &outcome);
        for key in 0..=255 {
            assert_eq!(judged(&perturbed(&exact, key)), Err(Refusal::FewUnits));
        }
        // The same column as a number: the person has its coefficient to himself.
        let column = columns.pop().expect("just pushed");
        columns.push(N(column.values()));
        assert_eq!(judged(&fitted(&columns, &outcome)), Err(Refusal::Leverage));
    }
}

#[test]
fn a_dummy_is_refused_below_ten_units_and_never_from_twenty_on() {
    let (columns, outcome) = ordinary();
    let exact = fitted(&columns, &outcome);
    for key in 0..=255 {
        for few in [0, 1, 5, 9, 20, 50] {
            let mut evidence = exact.clone();
            evidence.dummies[0].ones = few;
            let expected = if few < 10 { Err(Refusal::FewUnits) } else { Ok(Shown { constant: true }) };
            assert_eq!(judged(&perturbed(&evidence, key)), expected);
        }
    }
}

#[test]
fn the_regressor_that_is_large_for_one_person_only_is_refused() {
    let (columns, outcome) = ordinary();
    let target = 400;
    for distance in [1e-9, 1e-4] {
        // 1 / |a − a*|, where nobody else is as near to a* as the person that it is made for.
        let ages = columns[0].values();
        let aimed = |a: &f64| 1.0 / (a - (ages[target] + distance)).abs();
        let mut with: Vec<Column> = columns.iter().map(|column| N(column.values())).collect();
        with.push(N(ages.iter().map(aimed).collect()));
        assert_eq!(judged(&fitted(&with, &outcome)), Err(Refusal::Leverage));
    }
}

#[test]
fn collinear_columns_are_refused_like_columns_that_are_so_but_for_one_person() {
    let (columns, outcome) = ordinary();
    for changed in [0, 1, 9] {
        let sum =
            columns[0].values().into_iter().zip(columns[1].values()).map(|(age, wage)| age + 2.0 * wage);
        let moved = sum.enumerate().map(|(unit, value)| value + f64::from(u8::from(unit < changed)));
        let mut with: Vec<Column> = columns.iter().map(|column| N(column.values())).collect();
        with.push(N(moved.collect()));
        assert_eq!(judged(&fitted(&with, &outcome)), Err(Refusal::Leverage), "{changed} moved");
    }
}

#[test]
fn a_saturated_model_is_refused_and_one_with_a_number_or_fewer_coefficients_is_not() {
    let (sex, old) = (every(2, UNITS), every(3, UNITS));
    let both: Vec<bool> = sex.iter().zip(&old).map(|(sex, old)| *sex && *old).collect();
    let outcome = drawn(3, UNITS);
    let main = || vec![D(sex.clone()), D(old.clone())];
    let mut saturated = main();
    saturated.push(D(both));
    assert_eq!(judged(&fitted(&saturated, &outcome)), Err(Refusal::Saturated));
    assert_eq!(judged(&fitted(&main()[..1], &outcome)), Err(Refusal::Saturated));
    assert_eq!(judged(&fitted(&[], &outcome)), Err(Refusal::Saturated));
    assert_eq!(judged(&fitted(&main(), &outcome)), Ok(Shown { constant: true }));
    saturated.push(N(drawn(4, UNITS)));
    assert_eq!(judged(&fitted(&saturated, &outcome)), Ok(Shown { constant: true }));
}

#[test]
fn too_many_coefficients_for_the_units_are_refused() {
    for (units, refused) in [(20, true), (24, true), (35, false), (200, false)] {
        let columns: Vec<Column> = (0..9).map(|column| N(drawn(column, units))).collect();
        let outcome = drawn(50, units);
        let exact = fitted(&columns, &outcome);
        // Ten coefficients: below 20 units there are fewer than ten true degrees of freedom.
        let refusals = |key: &u8| judged(&perturbed(&exact, *key)) == Err(Refusal::DegreesOfFreedom);
        let keys = (0..=255).filter(refusals).count();
        assert_eq!(keys == 256, units < 20, "{units}: {keys}");
        assert_eq!(keys > 0, refused, "{units}: {keys}");
    }
    let columns: Vec<Column> = (0..9).map(|column| N(drawn(column, 19))).collect();
    let exact = fitted(&columns, &drawn(50, 19));
    assert!((0..=255).all(|key| judged(&perturbed(&exact, key)) == Err(Refusal::DegreesOfFreedom)));
}

#[test]
fn a_perfect_fit_is_refused_also_under_noise() {
    let (columns, outcome) = ordinary();
    let (age, wage) = (columns[0].values(), columns[1].values());
    let exact: Vec<f64> = age.iter().zip(&wage).map(|(age, wage)| 2.0 - age + 4.0 * wage).collect();
    let noise = drawn(12, UNITS);
    let nearly: Vec<f64> = exact.iter().zip(&noise).map(|(value, noise)| value + 0.01 * noise).collect();
    for outcome in [&exact, &nearly] {
        let mut evidence = fitted(&columns, outcome);
        assert_eq!(judged(&evidence), Err(Refusal::PerfectFit));
        evidence.residual_squares = -3.0;
        assert_eq!(judged(&evidence), Err(Refusal::PerfectFit));
    }
    let mut evidence = fitted(&columns, &outcome);
    evidence.residual_squares = f64::NAN;
    assert_eq!(judged(&evidence), Err(Refusal::PerfectFit));
}

#[test]
fn the_constant_is_hidden_where_a_combination_has_few_units_or_none() {
    let (columns, outcome) = ordinary();
    let exact = fitted(&columns, &outcome);
    for (few, always, never) in [(0, true, false), (4, true, false), (9, false, false), (15, false, true)] {
        let mut evidence = exact.clone();
        evidence.combinations.push(few);
        let hidden = |key: &u8| judged(&perturbed(&evidence, *key)) == Ok(Shown { constant: false });
        let keys = (0..=255).filter(hidden).count();
        assert_eq!((keys == 256, keys == 0), (always, never), "{few} units: {keys}");
    }
    let without = Evidence { constant: false, ..exact };
    assert_eq!(judged(&without), Ok(Shown { constant: false }));
}

#[test]
fn a_coefficient_without_evidence_and_numbers_that_are_none_are_refused() {
    let (columns, outcome) = ordinary();
    let mut evidence = fitted(&columns, &outcome);
    evidence.leverages.pop();
    assert_eq!(judged(&evidence), Err(Refusal::Leverage));
    for bad in [f64::NAN, f64::INFINITY] {
        let mut evidence = fitted(&columns, &outcome);
        evidence.leverages[0].largest_square = bad;
        assert_eq!(judged(&evidence), Err(Refusal::Leverage));
        evidence.leverages[0] = Leverage { largest_square: 1.0, squares: f64::NAN, own_squares: bad };
        assert_eq!(judged(&evidence), Err(Refusal::Leverage));
    }
}

#[test]
fn what_shares_can_tell_of_leverage_is_never_laxer_than_the_exact_one() {
    for seed in 0..200 {
        let (a, b) = (drawn(seed, 40), drawn(seed + 1000, 40));
        let r: Vec<f64> = a.iter().zip(&b).map(|(a, b)| a - b * b * b).collect();
        let size = |part: &[f64]| part.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
        let cubes: Vec<f64> = b.iter().map(|b| b * b * b).collect();
        let exact = Leverage::of_residuals(&r, 40.0);
        let fourth = r.iter().map(|r| r.powi(4)).sum();
        let of_parts = Leverage::of_parts(&[size(&a), size(&cubes)], exact.squares, 40.0);
        let of_fourth = Leverage::of_fourth_powers(fourth, exact.squares, 40.0);
        assert!(of_parts.largest_square >= exact.largest_square * (1.0 - 1e-12));
        assert!(of_fourth.largest_square >= exact.largest_square * (1.0 - 1e-12));
    }
    // A tenth each is what ten equal units have, and the most that is allowed.
    let limits = Limits::LOOSEST;
    assert!(!Leverage::of_residuals(&[1.0; 10], 10.0).is_too_large(limits, 0));
    assert!(Leverage::of_residuals(&[1.0; 9], 9.0).is_too_large(limits, 0));
    assert!(Leverage::of_residuals(&[1.0; 10], 10.0).is_too_large(limits, 1));
    assert!(!Leverage::of_residuals(&[1.0; 15], 15.0).is_too_large(limits, 7));
}

#[test]
fn no_refusal_carries_a_number_of_the_data_and_each_has_its_code() {
    let all = [
        Refusal::Saturated,
        Refusal::DegreesOfFreedom,
        Refusal::FewUnits,
        Refusal::Leverage,
        Refusal::PerfectFit,
    ];
    for refusal in all {
        let text = refusal.to_string();
        assert!(text.starts_with(&format!("[{}] rule 9: ", refusal.code())));
        assert_eq!(text.matches(|letter: char| letter.is_ascii_digit()).count(), 1);
    }
}
