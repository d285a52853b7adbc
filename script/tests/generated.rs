//! Scripts of 400 lines and more that a small grammar makes: in order by construction, planned the same every time, and read without panic whatever happens to a line.

mod support;

use kobling_model::plan::{Plan, Question};
use kobling_script::{check, explain, plan_after};
use proptest::prelude::*;
use support::writer::{Choice, written_by};
use support::{catalogue, keeps_its_promises, rendered};

/// As many as make 400 lines and more.
const CHOICES: usize = 340;

fn choices() -> impl Strategy<Value = Vec<Choice>> {
    prop::collection::vec(any::<Choice>(), CHOICES..CHOICES + 60)
}

/// Where a plan asks what: line, kind of question, and what its table looks like.
fn asked(plan: &Plan) -> Vec<impl PartialEq + std::fmt::Debug> {
    let kind = |question: &Question| std::mem::discriminant(&question.kind);
    let table = |question: &Question| kobling_model::table::layout(question);
    plan.questions.iter().map(|question| (question.line, kind(question), table(question))).collect()
}

/// What may happen to a line while it is edited.
fn mangled(line: &str, how: u8) -> String {
    let letters: Vec<char> = line.chars().collect();
    let half: String = letters[..letters.len() / 2].iter().collect();
    let words: Vec<&str> = line.split_whitespace().collect();
    match how % 8 {
        0 => String::new(),
        1 => half,
        2 => words.iter().rev().copied().collect::<Vec<_>>().join(" "),
        3 => words.get(1..).unwrap_or_default().join(" "),
        4 => format!("{line}\n{line}"),
        5 => line.replace(['(', '"', '\''], ""),
        6 => format!("{line}, {line} if"),
        _ => line.replace(' ', " $"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_script_by_the_grammar_is_in_order_and_planned_the_same_whatever_comes_of_its_edits(
        choices in choices(),
        outcomes in prop::collection::vec(any::<bool>(), 200),
        known in prop::collection::vec(any::<prop::sample::Index>(), 3),
    ) {
        let source = written_by(&choices);
        prop_assert!(source.lines().count() >= 400 || choices.len() < CHOICES);
        let all = match check(&source, &catalogue()) {
            Ok(checked) => checked.plan,
            Err(diagnostics) => panic!("{}\n{source}", rendered(&diagnostics, &source)),
        };
        prop_assert_eq!(&all, &check(&source, &catalogue()).expect("in order").plan);
        prop_assert!(explain(&all, |_| None).len() < 1 << 24);
        let windows = format!("\u{feff}{}", source.replace('\n', "\r\n"));
        prop_assert_eq!(&all, &check(&windows, &catalogue()).expect("in order").plan);
        let edits = all.edits().count();
        prop_assert!(all.questions.len() > 60 && edits > 8 || choices.len() < CHOICES, "hardly anything is asked");
        for known in known {
            let known = known.index(edits + 1).min(outcomes.len());
            let plan = plan_after(&source, &catalogue(), &outcomes[..known]);
            let plan = plan.unwrap_or_else(|| panic!("faults after {:?} of:\n{source}", &outcomes[..known]));
            prop_assert_eq!(asked(&plan), asked(&all));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_line_of_a_long_script_deleted_or_mangled_ends_in_diagnostics_or_in_a_plan(
        choices in choices(),
        places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 12),
    ) {
        let source = written_by(&choices);
        let lines: Vec<&str> = source.lines().collect();
        for (place, how) in places {
            let at = place.index(lines.len());
            let changed = mangled(lines[at], how);
            let whole = [&lines[..at], &[changed.as_str()], &lines[at + 1..]].concat().join("\n");
            keeps_its_promises(&whole, &catalogue());
        }
        // Broken lines together: as many diagnostics as are shown.
        let every: Vec<String> = lines.iter().map(|line| mangled(line, 2)).collect();
        keeps_its_promises(&every.join("\n"), &catalogue());
    }
}
