//! What each rule is for: switched off, in the reference and nowhere else, an attack breaks the bound that it keeps with the rule on.

use kobling_tests::attack::{
    Bound, Lab, NARROW, Protection, Rate, Rule, Size, by_an_edit, by_two_counts, lone_earner, one_count,
    outlier,
};

/// The attack that breaks without a rule, how often it succeeds under a protection, and its bound.
fn attack_on(rule: Rule) -> (&'static str, fn(&Lab, &Protection) -> Rate, Bound) {
    match rule {
        Rule::PopulationFloor => (
            "6, individual tracker: a small population",
            |lab, under| NARROW[0].rate(lab, under, 20),
            Bound::Never,
        ),
        Rule::Winsorising => {
            ("8, a walk up the tail", |lab, under| outlier(lab, under, 400), Bound::AtMost(0.5))
        }
        Rule::Noise => ("5, one count", |lab, under| one_count(lab, under, 1000), Bound::AtMost(0.65)),
        Rule::SmallCells => (
            "6, individual tracker: a count of 1 to 4",
            |lab, under| NARROW[1].rate(lab, under, 50),
            Bound::Never,
        ),
        Rule::SmallTables => (
            "6, individual tracker: most cells hidden",
            |lab, under| NARROW[2].rate(lab, under, 50),
            Bound::Never,
        ),
        Rule::FewEdits => (
            "5, an edit that drops the person",
            |lab, under| by_an_edit(lab, under, 200),
            Bound::AtMost(0.65),
        ),
        Rule::FewUnits => (
            "6, individual tracker: a mean of nine",
            |lab, under| NARROW[3].rate(lab, under, 50),
            Bound::Never,
        ),
        Rule::Dominance => ("13, one of forty earns", |lab, under| lone_earner(lab, under, 20), Bound::Never),
        Rule::NearPopulations => (
            "5, two counts of 1000 people or more",
            |lab, under| by_two_counts(lab, under, 200),
            Bound::AtMost(0.65),
        ),
    }
}

#[test]
fn without_any_one_rule_an_attack_breaks_its_bound_and_with_it_keeps_it() {
    let lab = Lab::new(Size::Small, 3, std::sync::Arc::default());
    for rule in Rule::ALL {
        let (attack, rate, bound) = attack_on(rule);
        let on = rate(&lab, &Protection::published());
        let off = rate(&lab, &Protection::without(rule));
        println!("{rule:?}: attack {attack}: {on:?} with it, {off:?} without, bound {bound:?}");
        assert!(!bound.is_broken_by(on), "{rule:?} is in force, and attack {attack} succeeds: {on:?}");
        assert!(bound.is_broken_by(off), "{rule:?} is off, and attack {attack} does not succeed: {off:?}");
    }
}
