//! Attacks 0 to 27 of the catalogue, each at its small size: `cargo run -p kobling-tests -- attacks` is the same suite.
//!
//! Figures are printed: `cargo test -p kobling-tests --test system attacks:: -- --nocapture`.

use std::collections::BTreeSet;

use kobling_tests::attack::{ATTACKS, Attack, Bound, Lab, OPEN, Rate, Size, TRIALS_MIN, Verdict};

/// Tries attacks one after the other in one lab, which shares a world. What is open is measured, and its bound not asked for.
fn hold(numbers: &[&str]) {
    let lab = Lab::new(Size::Small, 1, std::sync::Arc::default());
    for number in numbers {
        for finding in Attack::numbered(number).expect("an attack of the catalogue").run(&lab) {
            let measure = &finding.measure;
            println!(
                "{number} {}, {}: {:?} against {:?} {}",
                finding.name, measure.what, measure.rate, measure.bound, measure.note
            );
            assert_ne!(finding.verdict, Verdict::Broken, "attack {number}, {}: {finding:?}", measure.what);
            if let (Some(Rate::Counted { trials, .. }), Bound::AtMost(_)) = (measure.rate, measure.bound) {
                assert!(
                    trials >= TRIALS_MIN,
                    "attack {number}, {}: {trials} trials are too few",
                    measure.what
                );
            }
        }
    }
}

/// The attacks that each test below tries.
const GROUPS: [&[&str]; 8] = [
    &["0", "2", "3", "10", "20a"],
    &["1", "12", "13"],
    &["4", "4a", "11", "14", "14a", "14b", "14c"],
    &["5", "6", "7", "8", "9"],
    &["14d", "15", "16"],
    &["17", "18", "19", "20", "20b", "20c", "20d"],
    &["21", "22"],
    &["23", "24", "25", "26", "27"],
];

#[test]
fn other_words_and_vectors_of_rows_and_an_operators_secrets_are_no_use() {
    hold(GROUPS[0]);
}

#[test]
fn repeats_faults_and_dominance_are_no_use() {
    hold(GROUPS[1]);
}

#[test]
fn averages_keep_their_bounds_or_are_open() {
    hold(GROUPS[2]);
}

#[test]
fn differences_trackers_and_oracles_keep_their_bounds_or_are_open() {
    hold(GROUPS[3]);
}

#[test]
fn sizes_and_what_the_broker_keeps_say_nothing() {
    hold(GROUPS[4]);
}

#[test]
fn a_broker_that_deviates_is_refused() {
    hold(GROUPS[5]);
}

#[test]
fn wrong_salts_and_certificates_are_refused() {
    hold(GROUPS[6]);
}

#[test]
fn bytes_that_nobody_chose_are_refused() {
    hold(GROUPS[7]);
}

#[test]
fn every_attack_has_one_number_and_one_test_and_what_is_open_is_one() {
    let numbers: BTreeSet<&str> = ATTACKS.iter().map(|attack| attack.number).collect();
    assert_eq!(numbers.len(), ATTACKS.len());
    let tested: Vec<&str> = GROUPS.iter().flat_map(|group| group.iter().copied()).collect();
    assert_eq!(tested.len(), ATTACKS.len());
    assert_eq!(tested.into_iter().collect::<BTreeSet<_>>(), numbers);
    assert!(OPEN.iter().all(|open| numbers.contains(open.attack) && !open.needs.is_empty()));
}

#[test]
fn what_is_called_open_is_measured_under_that_name() {
    // Cheap ones: over the law of the noise or a few thousand draws.
    let lab = Lab::new(Size::Small, 2, std::sync::Arc::default());
    for number in ["4", "4a", "9", "11", "14", "14b", "14c"] {
        let findings = Attack::numbered(number).expect("an attack").run(&lab);
        for open in OPEN.iter().filter(|open| open.attack == number) {
            assert!(
                findings.iter().any(|finding| finding.measure.what == open.what),
                "{number}: {}",
                open.what
            );
        }
    }
}
