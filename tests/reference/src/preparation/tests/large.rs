//! What is said of large groups.

use super::*;
use crate::preparation::large::{Fingerprints, mixed};

/// A row of a person, with no columns.
fn row(unit: &str) -> Counted<'_> {
    Counted { unit, layer: 0, columns: vec![] }
}

/// The blur of a measure of persons' values.
fn blur(measure: &Measure, bounds: Option<Interval>) -> Blur<'_> {
    let groups = Groups::Blurred;
    Blur { measure, unit_type: UnitType::Person, secret: &SECRET, bounds, reach: 200.0, dates: 1, groups }
}

fn bounds(low: f64, high: f64) -> Option<Interval> {
    Interval::new(low, high, false)
}

#[test]
fn small_groups_of_equal_values_are_exact_and_large_ones_as_far_off_as_their_noise() {
    let (mut off_by, mut fractions) = (BTreeSet::new(), 0);
    for seed in 0..20 {
        let world = World::drawn(seed);
        let towns = Preparation {
            rows: Rows::Units(UnitType::Person),
            sources: vec![read("WAGE"), town()],
            filters: vec![],
            by: By::Values(vec![column(1)]),
            measures: TOLD.map(|statistic| measure(statistic, column(0))).to_vec(),
            layers: Vec::new(),
        };
        let key = || Key::Values(vec![column(0)]);
        let columns = std::iter::once(town()).chain((0..TOLD.len()).map(|at| prepared(at, key()))).collect();
        let width = {
            let mut wages: Vec<i64> = world.wage.values().copied().collect();
            wages.sort();
            // Below a hundred rows the 1st and 99th percentile are the ends, so that nothing is brought within them.
            (wages[wages.len() - 1] - wages[0]) as f64
        };
        for (person, found) in people(&world, &fragment(vec![towns], columns)) {
            let town = world.town.get(&person);
            let same = |(other, _): &(&u64, &i64)| town.is_some() && world.town.get(other) == town;
            let wages: Vec<i64> = world.wage.iter().filter(same).map(|(_, wage)| *wage).collect();
            if wages.is_empty() {
                assert!(found.iter().skip(1).all(Option::is_none));
                continue;
            }
            let told: Vec<_> = TOLD.iter().map(|statistic| plainly(*statistic, &wages)).collect();
            if wages.len() < LARGE {
                for (found, exact) in found[1..].iter().zip(&told) {
                    assert!(is_near(*found, *exact), "{found:?} {exact:?}");
                }
                continue;
            }
            let off = |at: usize| found[1 + at].expect("there") - told[at].expect("there");
            let n = wages.len() as f64;
            let e = off(0);
            // A count does not go below zero.
            assert!(e.abs() <= 6.0 && e.fract() == 0.0, "{e}");
            off_by.insert(e as i64);
            if e > -n {
                // What the count is off by, means, and a noise of the sum's own.
                let z = (off(1) - e * told[1].expect("there") / n) / width;
                assert!(z.abs() <= 6.5 + 1e-9, "{z}");
                fractions += usize::from((z - z.round()).abs() > 1e-6);
            }
            let of_mean = off(2) * n / width;
            assert!(of_mean.abs() <= 6.5 + 1e-9, "{of_mean}");
            assert!(found[7].expect("there") >= 0.0);
        }
    }
    assert!(off_by.len() > 5 && fractions > 100, "noise is of many sizes: {off_by:?} {fractions}");
}

#[test]
fn the_ends_and_the_middle_of_a_large_group_are_means_of_ten_values() {
    // 12 values: 0, 10, … 110.
    let of = |of_codes: bool, bounds: Option<Interval>, statistic: Statistic| {
        let measure = Measure { of_codes, ..measure(statistic, column(0)) };
        let names: Vec<String> = (0..12).map(name).collect();
        let rows: Vec<_> = names.iter().map(|name| row(name)).collect();
        let values: Vec<Datum> = (0..12).map(|at| number(f64::from(10 * at))).collect();
        match blur(&measure, bounds).statistic(&rows, &values) {
            Some(Value::Number(found)) => found,
            other => panic!("{other:?}"),
        }
    };
    // Within bounds of one point all values are 40, and without a width only counts and sums change.
    let point = |statistic| of(false, Interval::point(40.0), statistic);
    assert_eq!((point(Statistic::Min), point(Statistic::Max), point(Statistic::Mean)), (40.0, 40.0, 40.0));
    let e = point(Statistic::Count) - 12.0;
    assert!(e.abs() <= 6.0 && e.fract() == 0.0);
    assert_eq!(point(Statistic::Sum), 480.0 + 40.0 * e);
    // Within these bounds, values are 30, 30, 30, 30, 40, 50, 60, 70, 80, 80, 80, 80.
    let codes = |statistic| of(true, bounds(30.0, 80.0), statistic);
    // The tenth from either end of 12, exactly.
    assert_eq!((codes(Statistic::Min), codes(Statistic::Max)), (80.0, 30.0));
    // As far off as one row's noise, from means of ten of them.
    for (statistic, plain) in [
        (Statistic::Min, (4 * 30 + 40 + 50 + 60 + 70 + 2 * 80) as f64 / 10.0),
        (Statistic::Max, (2 * 30 + 40 + 50 + 60 + 70 + 4 * 80) as f64 / 10.0),
        // The place of the middle is 5.5, which is 6: from 1 to 10.
        (Statistic::Median, (3 * 30 + 40 + 50 + 60 + 70 + 3 * 80) as f64 / 10.0),
    ] {
        for (bounds, width) in [(bounds(30.0, 80.0), 50.0), (None, 200.0)] {
            let plain = if bounds.is_some() { plain } else { unbounded(statistic) };
            let off = of(false, bounds, statistic) - plain;
            assert!(off.abs() <= 6.5 * width / 12.0 && off != 0.0, "{statistic:?} {off}");
        }
    }
}

/// Means of ten of 0, 10, … 110.
fn unbounded(statistic: Statistic) -> f64 {
    match statistic {
        Statistic::Min => 45.0,
        Statistic::Max => 65.0,
        _ => 55.0,
    }
}

#[test]
fn a_large_group_says_of_texts_how_many_there_are_and_of_nothing_no_noise() {
    let names: Vec<String> = (0..8).map(name).collect();
    let rows: Vec<_> = names.iter().map(|name| row(name)).collect();
    let texts: Vec<Datum> = names.iter().map(|name| Some(Value::Text(name.clone()))).collect();
    let of =
        |statistic, values: &[Datum]| blur(&measure(statistic, column(0)), None).statistic(&rows, values);
    assert_eq!((of(Statistic::Min, &texts), of(Statistic::Max, &texts)), (None, None));
    let count = of(Statistic::Count, &texts);
    // The same rows: texts or numbers, they are as many.
    assert_eq!(count, of(Statistic::Count, &vec![number(3.0); 8]));
    let missing = vec![None; 8];
    assert_eq!(of(Statistic::Count, &missing), number(0.0));
    assert_eq!((of(Statistic::Sum, &missing), of(Statistic::Mean, &missing)), (number(0.0), None));
}

#[test]
fn each_step_of_the_blur_does_what_the_ones_before_it_do() {
    let names: Vec<String> = (0..21).map(name).collect();
    let rows: Vec<_> = names.iter().map(|name| row(name)).collect();
    let squares: Vec<Datum> = (0..21_i32).map(|at| number(f64::from(at * at))).collect();
    let of = |groups, statistic| {
        let measure = measure(statistic, column(0));
        let blur = Blur { groups, ..blur(&measure, bounds(0.0, 200.0)) };
        match blur.statistic(&rows, &squares) {
            Some(Value::Number(found)) => found,
            other => panic!("{other:?}"),
        }
    };
    // The squares from 0 to 400; 14² is the last one within the bounds, and the six others are brought to 200.
    assert_eq!([Statistic::Median, Statistic::Max].map(|of_it| of(Groups::Bounded, of_it)), [100.0, 200.0]);
    // The mean of 5² to 14², and of 11² to 14² with the six.
    assert_eq!([Statistic::Median, Statistic::Max].map(|of_it| of(Groups::Smoothed, of_it)), [98.5, 183.0]);
    assert_eq!(of(Groups::Smoothed, Statistic::Count), 21.0);
    assert_ne!(of(Groups::Blurred, Statistic::Median), of(Groups::Smoothed, Statistic::Median));
}

#[test]
fn fingerprints_and_noise_are_those_of_the_published_hashes() {
    // The first numbers of SplitMix64 from 0 and from 1234567, as its authors' program writes them.
    assert_eq!((mixed(0), mixed(1_234_567)), (16_294_208_416_658_607_535, 6_457_827_717_110_365_317));
    let (names, values) = (["1", "2", "3"], [number(25.0), None, number(1000.0)]);
    let rows = names.map(row);
    let of = |bounds| blur(&measure(Statistic::Mean, column(0)), bounds).fingerprints(&rows, &values);
    let key = |unit: &str| {
        let [low, middle, high] = record_key(&SECRET, UnitType::Person, unit).map(u64::from);
        low + middle * 65_536 + high * 65_536 * 65_536
    };
    let low_half = |word: u64| word % (1 << 32);
    let marks = |parts: [u64; 2]| Fingerprints {
        set: low_half(mixed(key("1"))) + low_half(mixed(key("3"))),
        values: low_half(mixed(mixed(key("1")) ^ parts[0])) + low_half(mixed(mixed(key("3")) ^ parts[1])),
    };
    // A quarter of the way, and above all bounds; without bounds, the bits of the number.
    assert_eq!(of(bounds(0.0, 100.0)), marks([1 << 19, 1 << 21]));
    assert_eq!(of(None), marks([25.0_f64.to_bits(), 1000.0_f64.to_bits()]));
    assert_eq!(of(Interval::point(25.0)), of(None));
    let of = Fingerprints { set: 11, values: 22 };
    let bits =
        |hash: &Hash| f64::from((u16::from_le_bytes([hash.0[0], hash.0[1]]) & 0xfff).count_ones()) - 6.0;
    assert_eq!(of.e(), bits(&Hash::of(br#"["group count",11]"#)));
    let hash = Hash::of(br#"["group value",11,22,"standard_deviation"]"#);
    let fraction = u32::from_le_bytes(hash.0[4..8].try_into().expect("four bytes"));
    assert_eq!(of.z(Statistic::StandardDeviation), bits(&hash) + f64::from(fraction) / 4_294_967_295.0 - 0.5);
    // Mean 0; variance 3, and a twelfth for the fraction.
    let all: Vec<Fingerprints> = (0..2000).map(|at| Fingerprints { set: at, values: at * at }).collect();
    let spread = |noise: &dyn Fn(&Fingerprints) -> f64| {
        let mean = all.iter().map(noise).sum::<f64>() / 2000.0;
        (mean, all.iter().map(|of| (noise(of) - mean).powi(2)).sum::<f64>() / 2000.0)
    };
    for (mean, variance) in [spread(&|of| of.e()), spread(&|of| of.z(Statistic::Sum))] {
        assert!(mean.abs() < 0.2 && (variance - 3.0).abs() < 0.4, "{mean} {variance}");
    }
}

#[test]
fn a_line_through_the_values_has_their_noise_and_the_order_of_rows_does_not_count() {
    let names: Vec<String> = (0..40).map(name).collect();
    let rows: Vec<_> = names.iter().map(|name| row(name)).collect();
    let values: Vec<f64> = (0..40_i32).map(|at| f64::from(at * 37 % 101)).collect();
    let measure = measure(Statistic::Mean, column(0));
    let of = |rows: &[Counted<'_>], values: &[f64], factor: f64, addend: f64| {
        let bounds = bounds(addend, factor * 100.0 + addend);
        let values: Vec<Datum> = values.iter().map(|value| number(factor * value + addend)).collect();
        match blur(&measure, bounds).statistic(rows, &values) {
            Some(Value::Number(found)) => (found - addend) / factor,
            other => panic!("{other:?}"),
        }
    };
    let plain = of(&rows, &values, 1.0, 0.0);
    assert!((of(&rows, &values, 12.0, 7000.0) - plain).abs() < 1e-9);
    let turned: Vec<_> = names.iter().rev().map(|name| row(name)).collect();
    let turned_values: Vec<f64> = values.iter().rev().copied().collect();
    assert!((of(&turned, &turned_values, 1.0, 0.0) - plain).abs() < 1e-9);
    // One value that is another's, or one row fewer: another noise.
    let mut other = values.clone();
    other[0] += 1.0;
    let exact = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let off = |found: f64, values: &[f64]| (found - exact(values)) * values.len() as f64;
    assert!((off(of(&rows, &other, 1.0, 0.0), &other) - off(plain, &values)).abs() > 1e-6);
    assert!((off(of(&rows[1..], &values[1..], 1.0, 0.0), &values[1..]) - off(plain, &values)).abs() > 1e-6);
}

#[test]
fn groups_of_groups_are_large_from_two_rows_on_and_percent_is_of_what_is_counted() {
    assert!(is_large(2, true) && !is_large(1, true) && is_large(5, false) && !is_large(4, false));
    let mut of_groups = 0;
    for seed in 0..10 {
        let world = World::drawn(seed);
        // The town's mean at each of its people, then what mothers' children have of it.
        let towns = Preparation {
            rows: Rows::Units(UnitType::Person),
            sources: vec![read("WAGE"), town()],
            filters: vec![],
            by: By::Values(vec![column(1)]),
            measures: vec![
                measure(Statistic::Count, constant(1.0)),
                measure(Statistic::Percent, constant(1.0)),
            ],
            layers: Vec::new(),
        };
        let children = Preparation {
            rows: Rows::Units(UnitType::Person),
            sources: vec![
                Column::Pointer(number_of("MOTHER")),
                town(),
                prepared(0, Key::Values(vec![column(1)])),
            ],
            filters: vec![],
            by: By::Pointer { pointer: number_of("MOTHER"), unit_type: UnitType::Person },
            measures: vec![measure(Statistic::Count, constant(1.0))],
            layers: Vec::new(),
        };
        let in_town = |at| prepared(at, Key::Values(vec![column(0)]));
        let of_mother =
            Column::Prepared { preparation: 1, measure: 0, key: Key::Unit, value_type: ValueType::Number };
        let fragment = fragment(vec![towns, children], vec![town(), in_town(0), in_town(1), of_mother]);
        let mut counts: BTreeMap<&String, (f64, f64)> = BTreeMap::new();
        let found = people(&world, &fragment);
        for (person, found) in &found {
            let children = world.mother.values().filter(|mother| *mother == person).count() as f64;
            match found[3] {
                None => assert_eq!(children, 0.0),
                Some(of) if children < 2.0 => assert_eq!(of, children),
                Some(of) => of_groups += usize::from(of != children),
            }
            if let (Some(town), Some(count), Some(percent)) = (world.town.get(person), found[1], found[2]) {
                counts.insert(town, (count, percent));
            }
        }
        let all: f64 = counts.values().map(|(count, _)| count).sum();
        for (count, percent) in counts.values() {
            assert!((percent - 100.0 * count / all).abs() < 1e-9, "{percent} {count} {all}");
        }
    }
    assert!(of_groups > 20, "{of_groups}");
}
