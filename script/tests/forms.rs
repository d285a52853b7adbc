//! Commands that are read but not carried out yet: the right form of each is told from wrong ones, without a catalogue.

mod support;

use kobling_script::ast::{Arguments, Command, Model};
use kobling_script::{Diagnostic, Severity, parser, syntax};
use support::codes_after_prelude;

fn codes(source: &str) -> Vec<&'static str> {
    syntax(source).iter().map(Diagnostic::code).collect()
}

fn model(source: &str) -> Model {
    let (script, diagnostics) = parser::parse(source);
    assert_eq!(diagnostics, [], "{source}");
    match &script.statements[0].command {
        Command::Other(other) => match &other.arguments {
            Arguments::Model(model) => (**model).clone(),
            other => panic!("{source} is no model: {other:?}"),
        },
        other => panic!("{source} is {other:?}"),
    }
}

#[test]
fn a_right_form_is_not_available_yet_and_that_is_no_error() {
    for statement in [
        "anova lønn kommune, posthoc",
        "ci lønn, level(99)",
        "correlate lønn stadium if kjønn == '1', covariance obs",
        "transitions-panel a b",
        "barchart(mean) y",
        "barchart (percent) a b if c > 2, over(d) stack horizontal",
        "boxplot a b, over(c)",
        "coefplot regress y x1 i.x2, level(90)",
        "coefplot regress-panel y x",
        "hexbin a b if c == 1,, gridsize(20) groups(3)",
        "hexbin a b, gridsize(20)",
        "histogram x, percent bin(10)",
        "piechart x if y == 2",
        "sankey a b c",
        "regress y i.a c.b##i.a a#b, robust cluster(k)",
        "ivregress y x (a b = c i.d) z if k == 2, gmm",
        "ivregress-predict y (a = c), predicted(p)",
        "oaxaca y x1 i.x2 by x, pool",
        "regress-mml y x by g1 g2 if z > 1, level(95)",
        "regress-mml-predict y x by g1, predicted(p)",
        "rdd y d r x, cutoff(0)",
        "regress-panel-diff y g t x",
        "cox START@a tid x i.k, hazard",
        "kaplan-meier a b if c == 2, by(d)",
        "weibull a b",
        "summarize-panel x y, gini",
        "tabulate-panel kommune panel@date, rowpct",
        "clear",
        "load 'mitt skript'",
        "load \"mitt skript\"",
        "load skript-2",
        "save navn, edit",
        "save",
        "help",
        "help tabulate-panel",
        "help-function year",
        "variables db/A db/B",
        "configure",
        "configure nocache",
        "configure nocache, alpha 3, beta",
        "let s = sum\nbarchart($s) y",
        "for v in a b\nhistogram $v ++ 1, bin(2 * 5 + 1)\nend",
    ] {
        let diagnostics = syntax(statement);
        assert_eq!(diagnostics.len(), 1, "{statement}: {diagnostics:?}");
        assert_eq!(diagnostics[0].code(), "not-available-yet", "{statement}");
        assert_eq!(diagnostics[0].severity(), Severity::NotYet);
    }
    assert_eq!(codes("tabulate a b\nsummarize x"), [""; 0]);
}

#[test]
fn a_wrong_form_is_an_error_whether_or_not_it_is_available() {
    for (statement, code) in [
        ("correlate", "expected"),
        ("correlate 1", "expected"),
        ("cox", "expected"),
        ("cox a", "expected"),
        ("cox a b", "expected"),
        ("kaplan-meier a", "expected"),
        ("kaplan-meier a b c", "expected"),
        ("histogram a b", "expected"),
        ("histogram x, bins(3)", "unknown-option"),
        ("histogram x, bin", "option-form"),
        ("barchart y", "expected"),
        ("barchart(mena) y", "unknown-word"),
        ("barchart() y", "expected"),
        ("barchart(mean)", "expected"),
        ("coefplot y x", "unknown-word"),
        ("coefplot regress y", "expected"),
        ("regress y", "expected"),
        ("regress y i.", "expected"),
        ("regress y a#", "expected"),
        ("regress y j.x", "expected"),
        ("regress y (a = b)", "expected"),
        ("ivregress y x (a b) z", "expected"),
        ("ivregress y x (a = b) (c = d)", "expected"),
        ("ivregress y", "expected"),
        ("oaxaca y x", "expected"),
        ("oaxaca y x by a b", "expected"),
        ("regress-mml y x by a b c", "expected"),
        ("transitions-panel a", "expected"),
        ("hexbin a", "expected"),
        ("hexbin a b,,, groups(2)", "expected"),
        ("clear alt", "expected"),
        ("load", "expected"),
        ("load a b", "expected"),
        ("variables BEFOLKNING", "expected"),
        ("variables", "expected"),
        ("configure a,", "expected"),
        ("piechart x,, y", "expected"),
        ("regress y x if", "expected"),
    ] {
        assert_eq!(codes(statement), [code], "{statement}");
        assert_eq!(codes_after_prelude(statement), [code], "{statement}");
        assert!(syntax(statement).iter().all(|one| one.severity() == Severity::Error));
    }
}

#[test]
fn factor_notation_is_read_for_what_it_means() {
    let read = model("regress y i.a c.b##i.a#d e");
    let factors = |at: usize| -> Vec<(&str, Option<bool>)> {
        read.terms[at]
            .factors
            .iter()
            .map(|factor| (factor.variable.text.as_str(), factor.categorical))
            .collect()
    };
    assert_eq!(factors(0), [("a", Some(true))]);
    assert_eq!(factors(1), [("b", Some(false)), ("a", Some(true)), ("d", None)]);
    assert_eq!(read.terms[1].full, [true, false]);
    assert_eq!(factors(2), [("e", None)]);
    let read = model("ivregress y x (a = b i.c) z");
    let (endogenous, instruments) = read.instruments.expect("instruments");
    assert_eq!((endogenous.len(), instruments.len(), read.terms.len()), (1, 2, 2));
    let read = model("oaxaca y x by x");
    assert_eq!(read.by[0].text, "x");
}

#[test]
fn the_day_of_a_panel_has_one_name() {
    let (script, _) = parser::parse("tabulate panel@date\n");
    let Command::Tabulate(tabulate) = &script.statements[0].command else { panic!("a table") };
    assert_eq!(tabulate.variables[0].text, "date@panel");
}
