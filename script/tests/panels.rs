//! Panels: what their dates are, what is decided at each, and how they become units again.

mod support;

use kobling_model::plan::{Plan, QuestionKind, Rest};
use kobling_model::preparation::{By, Column, Rows};
use support::{catalogue, plan_of};

const TWO_YEARS: &str = "require no.ssb.fdb:54 as db
require no.krg.kreft:2 as kreft
create-dataset d
import-panel db/INNTEKT_WLONN db/BEFOLKNING_KOMMNR_FORMELL 2021-01-01 2022-01-01 as lønn kommune
";

/// The same columns as a dataset of units, then made a panel.
const WIDE: &str = "require no.ssb.fdb:54 as db
require no.krg.kreft:2 as kreft
create-dataset d
import db/BEFOLKNING_KJOENN as kjønn
import db/INNTEKT_WLONN 2021-06-30 as lønn2021
import db/INNTEKT_WLONN 2022-06-30 as lønn2022
";

fn panel(rest: &str) -> Plan {
    plan_of(&format!("{TWO_YEARS}{rest}\n"))
}

fn wide(rest: &str) -> Plan {
    plan_of(&format!("{WIDE}{rest}\n"))
}

fn codes(source: &str) -> Vec<&'static str> {
    match kobling_script::check(source, &catalogue()) {
        Ok(_) => Vec::new(),
        Err(diagnostics) => diagnostics.iter().map(kobling_script::Diagnostic::code).collect(),
    }
}

fn codes_of(rest: &str) -> Vec<&'static str> {
    codes(&format!("{TWO_YEARS}{rest}\n"))
}

#[test]
fn there_and_back_is_the_dataset_that_it_was() {
    let statistic = "tabulate kjønn if lønn2021 < lønn2022";
    let mut there_and_back = wide(&format!("reshape-to-panel lønn\nreshape-from-panel\n{statistic}"));
    let mut plain = wide(&format!("\n\n{statistic}"));
    assert_eq!(there_and_back, plain);
    // Conditions over several owners too: they are those of all dates.
    let across = "import kreft/KRG_STADIUM as stadium\nkeep if stadium > lønn2021";
    there_and_back = wide(&format!("{across}\nreshape-to-panel lønn\nreshape-from-panel\n{statistic}"));
    plain = wide(&format!("{across}\n\n\n{statistic}"));
    assert_eq!(there_and_back, plain);
}

#[test]
fn a_wide_column_is_named_by_year_or_by_day_where_years_are_shared() {
    panel("reshape-from-panel\ntabulate kommune2021 kommune2022");
    let days = "require no.ssb.fdb:54 as db\ncreate-dataset d\n\
        import-panel db/SIVSTANDFDT_SIVSTAND 2021-01-01 2021-02-01 as k\nreshape-from-panel\n";
    plan_of(&format!("{days}tabulate k20210101 k20210201\n"));
    assert_eq!(codes(&format!("{days}tabulate k2021\n")), ["unknown-name"]);
}

#[test]
fn dates_are_decided_here_and_never_asked_about() {
    let edits = |plan: &Plan| {
        let of = |kind: &QuestionKind| matches!(kind, QuestionKind::Edit(_));
        plan.questions.iter().filter(|question| of(&question.kind)).count()
    };
    // One date is left, and is a dataset of units.
    let one = panel("keep if date@panel == date(2022, 1, 1)\ntabulate kommune");
    assert_eq!(edits(&one), 0);
    assert_eq!(one.questions.len(), 3);
    // Rule 1 was asked of each date, so also of the one that is left.
    let population = |at: usize| (one.questions[at].kind.clone(), one.questions[at].left.clone());
    assert!((0..2).all(|at| matches!(population(at).0, QuestionKind::Population { .. })));
    assert_ne!(population(0).1, population(1).1);
    assert_eq!(population(1).1.sources[0], one.questions[2].left.sources[0]);
    let same = panel("tabulate kommune if panel@date == date(2022, 1, 1)");
    assert_eq!(same.questions[2].left, one.questions[2].left);
    // An edit at one date is asked about there only.
    assert_eq!(edits(&panel("replace lønn = 0 if year(date@panel) == 2021 & lønn < 1000")), 1);
    assert_eq!(edits(&panel("replace lønn = 0 if year(date@panel) == 2021 | lønn < 1000")), 1);
    assert_eq!(edits(&panel("replace lønn = 0 if year(date@panel) == 2021")), 0);
    assert_eq!(edits(&panel("keep if lønn > 1000")), 2);
    let kept = panel("keep if lønn > 1000");
    let rest = |at: usize| match &kept.questions[at].kind {
        QuestionKind::Edit(edit) => edit.rest,
        other => panic!("an edit, not {other:?}"),
    };
    assert_eq!([rest(2), rest(3)], [Rest::Population; 2]);
}

#[test]
fn rows_of_all_dates_are_grouped_at_their_owner() {
    let plan =
        panel("keep if lønn > 1000\ncollapse (mean) lønn (count) lønn -> år, by(PERSONID_1)\nsummarize lønn");
    let fragment = &plan.questions.last().expect("a table").left;
    let [table] = &fragment.preparations[..] else { panic!("one table") };
    assert!(matches!(table.rows, Rows::Units(_)) && table.by == By::Unit);
    let [later] = &table.layers[..] else { panic!("two dates") };
    assert_eq!(later.by, By::Unit);
    assert_eq!((table.filters.len(), later.filters.len()), (1, 1));
    assert_eq!(later.values.len(), table.measures.len());
    let date = |at: usize| match &table.sources[at] {
        Column::Register(source) => source.date.map(|day| day.to_string()),
        Column::Either(of) => of[0].register().and_then(|source| source.date).map(|day| day.to_string()),
        other => panic!("a register variable, not {other:?}"),
    };
    assert_eq!(date(0).as_deref(), Some("2021-01-01"));
    assert_eq!(date(later.presence).as_deref(), Some("2022-01-01"));
    // By values, with the date among them, and back to each row.
    panel(
        "aggregate (mean) lønn -> snitt, by(kommune date@panel)\ngenerate over = lønn > snitt\nreshape-from-panel\ntabulate over2021 over2022",
    );
    for key in ["date@panel", "år", "etter"] {
        let made = "generate år = year(date@panel)\ngenerate etter = date@panel >= date(2022, 1, 1)";
        let script = format!("{made}\ncollapse (mean) lønn, by(kommune {key})");
        assert_eq!(codes_of(&script), ["date-of-groups"], "{key}");
    }
}

#[test]
fn whatever_the_outcomes_a_panel_asks_the_same_questions_and_has_no_faults() {
    let source = format!(
        "{TWO_YEARS}import db/BEFOLKNING_KJOENN as kjønn\nkeep if kjønn == \"1\"\nreplace lønn = 0 if lønn < 1000\n\
         reshape-from-panel\ngenerate opp = lønn2022 > lønn2021\ntabulate opp kjønn\n"
    );
    let catalogue = catalogue();
    let all = plan_of(&source);
    let asked = |plan: &Plan| -> Vec<_> {
        plan.questions
            .iter()
            .map(|question| (question.line, std::mem::discriminant(&question.kind)))
            .collect()
    };
    for outcomes in 0..16_u32 {
        let edits: Vec<bool> = (0..4).map(|at| outcomes >> at & 1 == 1).collect();
        let plan = kobling_script::plan_after(&source, &catalogue, &edits).expect("in order");
        assert_eq!(asked(&plan), asked(&all), "{edits:?}");
    }
}

#[test]
fn a_column_that_an_edit_has_made_is_one_for_each_date_whatever_the_outcome() {
    let script =
        |made: &str, shown: &str| format!("{TWO_YEARS}{made}\nreshape-from-panel\ntabulate {shown}\n");
    let catalogue = catalogue();
    for (made, shown) in [
        ("generate høy = 1 if lønn > 600000", "høy2021 høy2022"),
        ("import db/BEFOLKNING_KJOENN as kjønn\nreplace kjønn = \"2\" if lønn > 600000", "kjønn2022"),
        ("import db/BEFOLKNING_KJOENN as kjønn\nreplace kjønn = \"2\" if kjønn == \"1\"", "kjønn2021"),
        (
            "import db/BEFOLKNING_KJOENN as k\ngenerate høy = 1 if lønn > 600000\ngenerate to = høy + (k == \"1\")",
            "to2021",
        ),
        ("import db/SIVSTANDFDT_SIVSTAND 2021-01-01 as s\nrecode s (1 = 7) if lønn > 600000", "s2021"),
    ] {
        let source = script(made, shown);
        let asked = |edits: &[bool]| {
            let plan = kobling_script::plan_after(&source, &catalogue, edits);
            plan.unwrap_or_else(|| panic!("{made}: no plan after {edits:?}")).questions.len()
        };
        for edits in [[true, true], [false, true], [true, false], [false, false]] {
            assert_eq!(asked(&edits), asked(&[]), "{made}");
        }
    }
    // What no edit has touched and is the same at all dates stays one.
    assert_eq!(codes(&script("import db/BEFOLKNING_KJOENN as kjønn", "kjønn")), [""; 0]);
}

#[test]
fn groups_find_the_codes_of_all_dates_and_no_constant_stands_for_another() {
    // Trondheim has other codes after 2017.
    let codes_of_two_dates = "require no.ssb.fdb:54 as db\ncreate-dataset d\n\
        import db/BEFOLKNING_KJOENN as k\nimport db/INNTEKT_WLONN 2021-01-01 as l\ngenerate e = 1\n\
        collapse (mean) l -> snitt, by(k e)\ngenerate over = snitt > 1\n\
        create-dataset t\nimport db/BEFOLKNING_KJOENN as k\ngenerate e = 2\nuse d\nmerge over into t on k e\nuse t\ntabulate over\n";
    let plan = plan_of(codes_of_two_dates);
    let shown = support::written(&plan.questions.last().expect("a table").left.dimensions[0].expression);
    assert!(shown.contains("> 1"), "{shown}");
}

#[test]
fn a_panel_is_made_of_units_that_are_there_already() {
    let source = "require no.ssb.fdb:54 as db
create-dataset alle
import db/BEFOLKNING_KJOENN as kjønn
keep if kjønn == \"1\"
clone-units alle panel
use panel
import-panel db/INNTEKT_WLONN 2021-06-30 2022-06-30 as lønn
import db/BEFOLKNING_KJOENN as kjønn
sample 0.5 17
clone-units panel igjen
use alle
merge kjønn into panel
use igjen
import db/BEFOLKNING_KJOENN as sex
tabulate sex
";
    assert_eq!(codes(source), ["name-taken"]);
    let plan = plan_of(&source.replace("merge kjønn into panel", "rename kjønn kj\nmerge kj into panel"));
    assert!(matches!(plan.questions.last().expect("a table").kind, QuestionKind::Table(_)));
}

#[test]
fn what_does_not_fit_a_panel_is_said_with_what_works() {
    let after = |rest: &str, code: &str| assert_eq!(codes_of(rest), [code], "{rest}");
    after("tabulate kommune", "dataset-of-panel");
    after("tabulate kommune if date@panel == 2022", "no-date-left");
    after("drop if date@panel > 0", "no-date-left");
    after("generate kvartil = quantile(lønn, 4)", "dataset-of-panel");
    after("import db/BEFOLKNING_KJOENN as kjønn, outer_join", "dataset-of-panel");
    after("import-panel db/INNTEKT_WLONN 2021-06-30 as igjen", "panel-not-first");
    after("reshape-to-panel lønn", "dataset-of-panel");
    after("clone-dataset d e\nmerge lønn into e", "name-taken");
    after(
        "create-dataset e\nimport db/BEFOLKNING_KJOENN as kjønn\nuse d\nmerge lønn into e",
        "dataset-of-panel",
    );
    after("rename lonn x", "unknown-name");
    let first = |rest: &str| {
        codes(&format!(
            "require no.ssb.fdb:54 as db\ncreate-dataset d\nimport-panel {rest}\ngenerate x = date@panel\n"
        ))
    };
    assert_eq!(first("db/INNTEKT_WLONN 2019-01-01 2022-06-30"), ["wrong-date"]);
    assert_eq!(first("db/INNTEKT_WLONN 2019-01-01 2029-01-01"), ["wrong-date"; 2]);
    assert_eq!(first("db/INNTEKT_WLONN"), ["expected"]);
    assert_eq!(first("db/INNTEKT_WLONN 2021-06-30 as a b"), ["new-names"]);
    assert_eq!(first("db/INNTEKT_WLONN db/INNTEKT_WLONN 2021-06-30"), ["name-taken"]);
    let units = |rest: &str| codes(&format!("{WIDE}{rest}\n"));
    assert_eq!(units("reshape-from-panel"), ["no-panel"]);
    assert_eq!(units("reshape-to-panel kjønn"), ["no-panel-names"]);
    assert_eq!(units("generate lønn = 1\nreshape-to-panel lønn"), ["name-taken"]);
    assert_eq!(units("generate lønn2023 = string(lønn2022)\nreshape-to-panel lønn"), ["type-changes"]);
    assert_eq!(units("generate lønn02021 = 1\nreshape-to-panel lønn"), ["name-taken"]);
    assert_eq!(units("reshape-to-panel lønn\ntabulate kjønn if date@panel == 2021"), [""; 0]);
}

#[test]
fn labels_are_listed_from_the_script_and_from_the_catalogue() {
    let plan =
        wide("define-labels trinn 1 Lav 2 'Høy lønn'\nlist-labels trinn\nlist-labels db/BEFOLKNING_KJOENN");
    let [of_script, of_register] = &plan.listings[..] else { panic!("two listings") };
    assert_eq!((of_script.line, of_script.name.as_str()), (8, "trinn"));
    let label = |value: &str, label: &str| (value.to_owned(), label.to_owned());
    assert_eq!(of_script.labels, [label("1", "Lav"), label("2", "Høy lønn")]);
    assert_eq!(of_register.labels, [label("1", "Mann"), label("2", "Kvinne")]);
    assert_eq!(codes(&format!("{WIDE}list-labels trin\n")), ["unknown-labels"]);
    assert_eq!(codes(&format!("{WIDE}list-labels db/INNTEKT_WLONN 2022-06-30\n")), ["no-codes"]);
}

#[test]
fn a_script_cannot_make_panels_that_cost_more_than_a_plan_may() {
    let checked = |text: String, most: usize| {
        let found = codes(&text);
        assert!(found.iter().all(|code| *code == "plan-too-large") && found.len() <= most, "{found:?}");
    };
    // Many columns at many dates; copies of them; statements on them.
    let columns: String = (0..800).map(|at| format!("generate k{at} = {at}\n")).collect();
    let dates: String = (0..100).map(|at| format!("generate x{at} = lønn2022 + {at}\n")).collect();
    let wide = format!("{WIDE}{columns}{dates}reshape-to-panel x\n");
    checked(wide.clone(), 0);
    let copies: String = (0..400).map(|at| format!("clone-dataset d c{at}\n")).collect();
    checked(format!("{wide}{copies}"), 1);
    let renames: String = (0..2000).map(|at| format!("rename k{at} k{}\n", at + 800)).collect();
    checked(format!("{wide}{renames}"), 2);
    // Labels shown again and again.
    let long = "x".repeat(20_000);
    let listed = "list-labels long\n".repeat(2_000);
    checked(format!("{WIDE}define-labels long 1 '{long}'\n{listed}"), 1);
    // Variables and dates without end.
    let registers = "db/INNTEKT_WLONN ".repeat(3_000);
    let source =
        format!("require no.ssb.fdb:54 as db\ncreate-dataset d\nimport-panel {registers} 2021-01-01\n");
    assert_eq!(codes(&source), ["name-taken"]);
    // Much measured at many dates.
    let measures: String = (0..500).map(|at| format!("(mean) x -> m{at} ")).collect();
    checked(format!("{wide}aggregate {measures}, by(kjønn)\n"), 1);
}
