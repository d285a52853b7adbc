//! What the checker makes of edits: the question that each asks, and what is left of one that is not carried out.

mod support;

use kobling_model::plan::{Plan, Question, QuestionKind, Rest, Side};
use kobling_script::plan_after;
use proptest::prelude::*;
use support::{PRELUDE, catalogue, plan_after_prelude, written};

/// The plan of what follows the prelude, after these outcomes.
fn after(rest: &str, edits: &[bool]) -> Plan {
    let script = format!("{PRELUDE}{rest}\n");
    plan_after(&script, &catalogue(), edits).unwrap_or_else(|| panic!("no plan after {edits:?} of:\n{rest}"))
}

/// What the edits of a script touch, each with what is asked of the rest.
fn touched(rest: &str) -> Vec<(String, Rest)> {
    let plan = plan_after_prelude(rest);
    let touched = |question: &Question| match &question.kind {
        QuestionKind::Edit(edit) => Some((column(question), edit.rest)),
        _ => None,
    };
    plan.questions.iter().filter_map(touched).collect()
}

/// What is 1 for those whom an edit touches: all of the column's branches but the last.
fn column(question: &Question) -> String {
    let own = question.fragments().find_map(|(_, fragment)| fragment.dimensions.first());
    let expression = question.joints.first().map(|joint| &joint.expression);
    written(expression.or(own.map(|dimension| &dimension.expression)).expect("a column"))
}

fn of(question: &Question, side: Side) -> Vec<String> {
    question.fragment(side).map_or_else(Vec::new, |fragment| fragment.filters.iter().map(written).collect())
}

#[test]
fn an_edit_asks_how_many_units_it_touches() {
    for (edit, wanted, rest) in [
        ("keep if lønn > 5", "case { !($1 > 5) => 1, else 0 }", Rest::Population),
        (
            "drop if lønn > 5 | kjønn == \"2\"",
            "case { !(!($1 > 5) & !($0 == \"2\")) => 1, else 0 }",
            Rest::Population,
        ),
        ("replace lønn = 5 if lønn > 5", "case { ($1 > 5) => 1, else 0 }", Rest::NotFew),
        ("generate x = 5 if lønn > 5", "case { ($1 > 5) => 1, else 0 }", Rest::NotFew),
        (
            "recode lønn (1 = 2) (3/4 = 5)",
            "case { (($1 == 1) | (($1 >= 3) & ($1 <= 4))) => 1, else 0 }",
            Rest::NotFew,
        ),
        (
            "recode lønn (1 = 2) if kjønn == \"2\"",
            "case { (($0 == \"2\") & ($1 == 1)) => 1, else 0 }",
            Rest::NotFew,
        ),
        ("recode lønn (nonmissing = 2)", "case { !Sysmiss($1) => 1, else 0 }", Rest::Nothing),
        (
            "recode lønn (min/0 = 0) (1/max = 1)",
            "case { (($1 <= 0) | ($1 >= 1)) => 1, else 0 }",
            Rest::Nothing,
        ),
        ("recode lønn (missing = 0)", "case { Sysmiss($1) => 1, else 0 }", Rest::NotFew),
        ("generate x = 5 if lønn > 5 & stadium > 2", "case { ($0 & $1) => 1, else 0 }", Rest::NotFew),
    ] {
        assert_eq!(touched(edit), [(wanted.to_owned(), rest)], "{edit}");
    }
    // A list that is matched in full leaves out nobody by construction.
    let covered = touched("recode kjønn (\"1\" = \"m\") (\"2\" = \"k\")");
    assert!(matches!(&covered[..], [(_, Rest::Nothing)]), "{covered:?}");
    assert_eq!(touched("recode sivstand stadium (1 = 0)").len(), 2, "each variable by itself");
}

#[test]
fn of_events_units_are_judged_that_have_one_which_is_touched_and_that_have_another() {
    let spells = |rest: &str, edits: &[bool]| {
        let events = "create-dataset e\nimport-event db/NUDB_BU 2015-01-01 to 2020-12-31 as bu";
        after(
            &format!(
                "{events}\n{rest}\ncollapse (count) bu -> n, by(PERSONID_1)\ngenerate few = n < 2\ntabulate few"
            ),
            edits,
        )
    };
    let judged = |plan: &Plan| -> Vec<(String, String, Rest)> {
        let of = |question: &Question| match &question.kind {
            QuestionKind::Edit(edit) => {
                let table = question.left.preparations.last().expect("a table of units");
                let [measure] = &table.measures[..] else { panic!("one measure") };
                Some((written(&measure.value), column(question), edit.rest))
            }
            _ => None,
        };
        plan.questions.iter().filter_map(of).collect()
    };
    let [touched, others] = &judged(&spells("keep if startswith(bu, \"7\")", &[]))[..] else {
        panic!("two questions")
    };
    let going = "case { !StartsWith($0, \"7\") => 1, else 0 }";
    assert_eq!((touched.0.as_str(), others.0.as_str()), (going, format!("!{going}").as_str()));
    assert_eq!((touched.2, others.2), (Rest::Nothing, Rest::Nothing));
    // Rules that name every value leave out nobody.
    assert_eq!(judged(&spells("recode bu (nonmissing = \"1\")", &[])).len(), 1);
    assert_eq!(judged(&spells("replace bu = \"1\" if STOP@bu < 17000", &[])).len(), 2);
    // Where either is few nothing goes, and the same is asked all the same.
    let filters = |edits: &[bool]| {
        let plan = spells("drop if STOP@bu < 17000", edits);
        let last = plan.questions.last().expect("a table").left.preparations.last().expect("a table");
        (plan.questions.len(), last.filters.len())
    };
    let [all, none] = [filters(&[]), filters(&[true, false])];
    assert_eq!((all, none), ((all.0, 1), (all.0, 0)));
    // Of several owners' values nothing can be collapsed later.
    let across = "create-dataset e\nimport-event db/NUDB_BU 2015-01-01 to 2020-12-31 as bu\n\
                  import kreft/KRG_STADIUM as stadium\nreplace bu = \"1\" if stadium == 1";
    assert_eq!(touched_by(&plan_after_prelude(across)), 0);
}

fn touched_by(plan: &Plan) -> usize {
    plan.questions.iter().filter(|question| matches!(question.kind, QuestionKind::Edit(_))).count()
}

#[test]
fn what_meets_everybody_or_nobody_whatever_the_data_are_is_not_asked_about() {
    for edit in [
        "replace lønn = 5",
        "generate x = 5",
        "generate x = 5 if 1 == 1",
        "generate x = 5 if 1 == 2",
        "recode lønn (1 = 2) (* = 3)",
        "recode lønn (missing = 2) (nonmissing = 3)",
        "recode kjønn (\"1\" = \"m\") (\"2\" = \"k\") (missing = \"?\")",
        "keep if 1 == 1",
        "drop if 1 == 2",
        "keep kjønn lønn",
        "drop lønn",
    ] {
        assert_eq!(touched(edit), [], "{edit}");
    }
    // Whoever keeps nobody is told by rule 1.
    let plan = plan_after_prelude("keep if 1 == 2");
    assert!(matches!(plan.questions[..], [_, Question { kind: QuestionKind::Population { .. }, .. }]));
}

#[test]
fn an_edit_that_is_not_carried_out_leaves_the_dataset_as_it_was() {
    let question = |rest: &str, edits: &[bool]| after(rest, edits).questions.pop().expect("a question");
    let keep = "keep if lønn > 5 & stadium == 2\ntabulate kjønn";
    assert_eq!(of(&question(keep, &[true]), Side::Left), ["($1 > 5)"]);
    let without = question(keep, &[false]);
    assert!(without.left.filters.is_empty() && without.right.is_none());
    for (edit, wanted) in [
        ("replace sivstand = 3 if lønn > 5\ntabulate sivstand", "case { 0 => 3, else $1 }"),
        ("generate x = 3 if lønn > 5\ntabulate x", "case { 0 => 3, else missing Number }"),
        ("recode sivstand (1 = 2) (2 = 1)\ntabulate sivstand", "case { 0 => 2, 0 => 1, else $1 }"),
        // To another type: of nearly everybody it is missing, and then of everybody.
        (
            "recode kjønn (\"1\" = 1) (\"2\" = 2)\ntabulate kjønn",
            "case { 0 => 1, 0 => 2, else missing Number }",
        ),
    ] {
        let (with, without) = (question(edit, &[]), question(edit, &[false]));
        assert_eq!(written(&without.left.dimensions[0].expression), wanted, "{edit}");
        assert_eq!(with.left.dimensions[0].categories, without.left.dimensions[0].categories, "{edit}");
        assert!(without.right.is_none());
    }
}

#[test]
fn outcomes_are_those_of_the_first_edits_and_the_plan_names_them() {
    let rest = "keep if lønn > 5\ngenerate x = 1 if kjønn == \"2\"\ndrop if x == 1\ntabulate stadium";
    let plan = after(rest, &[true, false]);
    assert_eq!(plan.edits, [true, false]);
    assert_eq!(plan.edits().collect::<Vec<_>>(), [(1, true), (2, false), (3, true)]);
    // Up to the edit's own question nothing differs, and as many questions follow.
    let all = after(rest, &[]);
    assert_eq!((&all.questions[..=2], all.questions.len()), (&plan.questions[..=2], plan.questions.len()));
    assert_ne!(all.hash(), plan.hash());
    assert_ne!(all.hash(), after(rest, &[true]).hash());
    let script = format!("{PRELUDE}{rest}\n");
    assert_eq!(plan_after(&script, &catalogue(), &[true; 4]), None, "three edits");
    assert_eq!(plan_after("tabulate x\n", &catalogue(), &[]), None, "a script with faults");
}

/// Statements that make, change and use columns and units of one and of several owners.
const STATEMENTS: [&str; 24] = [
    "keep if lønn > 100000",
    "keep if lønn > 100000 & stadium >= 2",
    "drop if kjønn == \"2\" & stadium == 2",
    "keep if sivstand == 1 | doser == 2",
    "replace lønn = lønn / 2 if stadium == 1",
    "replace lønn = 0 if lønn < 0",
    "replace sivstand = 3 if sivstand == 2 & doser > 1",
    "replace kommune = \"0301\" if kommune == \"1103\"",
    "replace stadium = doser if kjønn == \"1\"",
    "recode sivstand (1 = 2) (2 = 1 to)",
    "recode sivstand (0 = 9 \"vet ikke\" missing) if stadium == 1",
    "recode stadium (1/2 = 1) (3/4 = 2)",
    "recode stadium (nonmissing = 7)",
    "recode lønn (min/300000 = 1) (300001/max = 2)",
    "recode doser (missing = 0)",
    "tabulate kjønn stadium",
    "tabulate sivstand doser, missing",
    "tabulate stadium, summarize(lønn) mean std",
    "tabulate kommune if doser > 1",
    "summarize stadium doser",
    "generate N = 1 if lønn > 500000\nreplace N = 2 if stadium == 2\ntabulate N kjønn, missing",
    "generate N = stadium if doser == 2\nkeep if N == 2 | sysmiss(N)\nsummarize N",
    "generate N = stadium + doser if kjønn == \"2\"\nsummarize N",
    "generate N = \"a\" if doser == 1\nrecode N (\"a\" = 1), generate(MN)\ntabulate MN",
];

fn script() -> impl Strategy<Value = String> {
    let statement = |(at, name): (usize, usize)| STATEMENTS[at].replace('N', &format!("v{name}"));
    let picked = prop::collection::vec(0..STATEMENTS.len(), 1..9);
    picked.prop_map(move |picked| {
        let lines = picked.into_iter().enumerate().map(|(name, at)| statement((at, name)));
        lines.collect::<Vec<_>>().join("\n")
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_outcome_makes_a_script_faulty_or_ask_anything_else(rest in script(), outcomes in any::<[bool; 32]>()) {
        let source = format!("{PRELUDE}{rest}\n");
        let Ok(all) = kobling_script::plan(&source, &catalogue()) else { return Ok(()) };
        let asked = |plan: &Plan| {
            let tables = |question: &Question| kobling_model::table::layout(question);
            let kind = |question: &Question| std::mem::discriminant(&question.kind);
            plan.questions.iter().map(|question| (question.line, kind(question), tables(question))).collect::<Vec<_>>()
        };
        let edits: Vec<usize> = all.edits().map(|(at, _)| at).collect();
        for known in 0..=edits.len() {
            let plan = plan_after(&source, &catalogue(), &outcomes[..known]);
            let plan = plan.unwrap_or_else(|| panic!("faults after {:?}:\n{rest}", &outcomes[..known]));
            prop_assert_eq!(asked(&plan), asked(&all));
            // The next outcome changes nothing of what has been asked when it is known.
            if let Some(at) = edits.get(known) {
                let mut next = outcomes[..known].to_vec();
                next.push(false);
                let next = plan_after(&source, &catalogue(), &next).expect("no faults");
                prop_assert_eq!(&plan.questions[..=*at], &next.questions[..=*at]);
            }
        }
    }
}
