//! Bindings and loops: a script that uses them means what it means written out.

mod support;

use kobling_model::plan::Plan;
use kobling_script::{Language, check, parser};
use support::{PRELUDE, catalogue, codes_after_prelude, plan_after_prelude};

/// What a plan asks, without where and how it was written.
fn asked(rest: &str) -> Plan {
    let mut plan = plan_after_prelude(rest);
    for question in &mut plan.questions {
        question.line = 0;
        question.text.clear();
    }
    plan
}

fn texts(source: &str) -> Vec<(u32, String)> {
    let (script, diagnostics) = parser::parse(source);
    assert_eq!(diagnostics, []);
    script.statements.into_iter().map(|statement| (statement.line, statement.text)).collect()
}

/// The one statement that a script makes.
fn text(source: &str) -> String {
    let mut texts = texts(source);
    assert_eq!(texts.len(), 1, "{texts:?}");
    texts.remove(0).1
}

#[test]
fn a_script_with_bindings_asks_what_it_asks_written_out() {
    for (bound, written_out) in [
        ("let g = 300000\nkeep if lønn > $g", "keep if lønn > 300000"),
        ("let g = 3 * (100 + 20) - 1\nkeep if lønn > $g / 2", "keep if lønn > 359 / 2"),
        ("let v = kjønn\ntabulate $v", "tabulate kjønn"),
        (
            "let n = \"kvinne\"\ngenerate $n = kjønn == '2'\ntabulate $n",
            "generate kvinne = kjønn == '2'\ntabulate kvinne",
        ),
        (
            "for år, navn in 2021 : 2022, første andre\nimport db/INNTEKT_WLONN date_fmt($år, 6, 30) as $navn ++ $år - 2000 ++ \"_2\"\nend\nsummarize første21_2 andre22_2",
            "import db/INNTEKT_WLONN 2021-06-30 as første21_2\nimport db/INNTEKT_WLONN 2022-06-30 as andre22_2\nsummarize første21_2 andre22_2",
        ),
        (
            "for i in 1 : 2 ; j in \"1\" '2'\ntabulate stadium if stadium == $i & kjønn == $j\nend",
            "tabulate stadium if stadium == 1 & kjønn == '1'\ntabulate stadium if stadium == 1 & kjønn == '2'\n\
             tabulate stadium if stadium == 2 & kjønn == '1'\ntabulate stadium if stadium == 2 & kjønn == '2'",
        ),
        (
            "for v in kjønn, kommune\nfor w in stadium sivstand\ntabulate $v $w\nend\nend",
            "tabulate kjønn stadium\ntabulate kjønn sivstand\ntabulate kommune stadium\ntabulate kommune sivstand",
        ),
        (
            "let a = 1\nlet b = 2\nrecode stadium ($a/$b = 0 \"tidlig\") ($a + 2 = 1) ($b + 2 = 1), prefix(ny_)\ntabulate ny_stadium",
            "recode stadium (1/2 = 0 \"tidlig\") (3 = 1) (4 = 1), prefix(ny_)\ntabulate ny_stadium",
        ),
        ("let x = lønn\ntabulate kjønn, summarize($x) mean", "tabulate kjønn, summarize(lønn) mean"),
        (
            "for x in a b\ngenerate $x ++ 1 = lønn\nend\nsummarize a1 b1",
            "generate a1 = lønn\ngenerate b1 = lønn\nsummarize a1 b1",
        ),
        ("let s = \"1\" ++ \"0\"\nlet n = to_int($s) - 8\nkeep if stadium == $n", "keep if stadium == 2"),
        ("let a1 = 3\nfor i in 1\nkeep if stadium == bind(a ++ $i)\nend", "keep if stadium == 3"),
        (
            "let l = \"år \" ++ 2020\ndefine-labels n 1 $l 2 \"b\"\nassign-labels stadium n\ntabulate stadium",
            "define-labels n 1 \"år 2020\" 2 b\nassign-labels stadium n\ntabulate stadium",
        ),
    ] {
        assert_eq!(asked(bound), asked(written_out), "{bound}");
    }
}

#[test]
fn expressions_of_bindings_have_their_values() {
    for (expression, value) in [
        ("1 + 2 * 3", "7"),
        ("-2 - -3", "1"),
        ("10 / 4", "2.5"),
        ("2 > 1", "1"),
        ("!(2 > 1) | 0", "0"),
        ("\"a\" == 'a' & \"a\" < \"b\"", "1"),
        ("lønn ++ 2021 - 2000 ++ \"_2\"", "lønn21_2"),
        ("\"a\" ++ 1 + 1 ++ \"b\" == \"a2b\"", "1"),
        ("\"a\" ++ 'b'", "\"ab\""),
        ("'say \"a\"'", "'say \"a\"'"),
        ("to_symbol(\"å\" ++ 1)", "å1"),
        ("to_str(a) ++ to_str(2)", "\"a2\""),
        ("to_int(\"-12\") + 2", "-10"),
        ("date_fmt(2020)", "2020-01-01"),
        ("date_fmt(2020, 2)", "2020-02-01"),
        ("date_fmt(2020, 2, 29)", "2020-02-29"),
        ("year(date_fmt(2020, 2, 29))", "2020"),
        ("floor(7 / 2)", "3"),
        ("upper(\"a\")", "\"A\""),
        ("2000000 * 1000000", "2000000000000"),
    ] {
        assert_eq!(
            text(&format!("let x = {expression}\nuse $x\n").replace("use", "save")),
            format!("save {value}"),
            "{expression}"
        );
    }
}

#[test]
fn a_loop_goes_through_words_lists_and_ranges() {
    for (head, values) in [
        ("i in a b c", "a b c"),
        ("i in mor, far", "mor far"),
        ("i in mor,far", "mor far"),
        ("i in 2000 : 2002", "2000 2001 2002"),
        ("i in 2000:2001, 2005", "2000 2001 2005"),
        ("i in -1 : 1", "-1 0 1"),
        ("i in 1 -1", "1 -1"),
        ("i in 1 - 1 2-1", "0 1"),
        ("i in 'a b' \"c\"", "\"a b\" \"c\""),
        ("i in 2020-01-01 2021-01-01", "2020-01-01 2021-01-01"),
        ("i in db/A db/B", "db/A db/B"),
        ("i in a (1 + 2) floor(2.5)", "a 3 2"),
        ("j in 1 : 2 ; i in $j : 2", "1 2 2"),
        ("j, i in 1 : 2, a b", "a b"),
    ] {
        let made: Vec<String> = texts(&format!("for {head}\nhelp $i\nend\n"))
            .into_iter()
            .map(|(_, text)| text.trim_start_matches("help ").to_owned())
            .collect();
        assert_eq!(made.join(" "), values, "{head}");
    }
}

#[test]
fn statements_of_a_loop_keep_their_line_and_say_what_they_became() {
    let source =
        "let y = 1\nfor i in 1 2 // to ganger\n\ngenerate x ++ $i = \\\n  $i * (a+b) // hei\nend\nuse d\n";
    let expected = [(4, "generate x1 = 1 * (a+b)"), (4, "generate x2 = 2 * (a+b)"), (7, "use d")];
    let found = texts(source);
    assert_eq!(found.iter().map(|(line, text)| (*line, text.as_str())).collect::<Vec<_>>(), expected);
}

#[test]
fn iterators_end_with_their_loop_and_bindings_do_not() {
    assert_eq!(codes_after_prelude("for i in 1 2\nlet b = $i\nend\nkeep if stadium == $b"), [""; 0]);
    assert_eq!(codes_after_prelude("for i in 1 2\nend\nkeep if stadium == $i"), ["unknown-binding"]);
    let shadowed = "let i = 3\nfor i in 1 2\nend\nkeep if stadium == $i";
    assert_eq!(asked(shadowed), asked("keep if stadium == 3"));
}

#[test]
fn a_fault_in_a_loop_is_one_fault_and_names_the_first_turn() {
    let source =
        format!("{PRELUDE}for i in 1 : 50\ngenerate x ++ $i = lonn ++ $i + 1\nsummarize lønn if\nend\n");
    let diagnostics = check(&source, &catalogue()).expect_err("faulty");
    let said: Vec<_> =
        diagnostics.iter().map(|one| (one.line, one.column, one.code(), one.turn.as_deref())).collect();
    assert_eq!(said, [(13, 20, "unknown-name", Some("i = 1")), (14, 18, "expected", Some("i = 1"))]);
    assert_eq!(&source[diagnostics[0].span.start..diagnostics[0].span.end], "lonn ++ $i + 1");
    assert!(diagnostics[0].message(Language::English).ends_with("(first where i = 1)"));
    // Only one of three turns is at fault.
    let source = format!("{PRELUDE}for n in kjønn lønn stadium\ntabulate $n\nend\n");
    let diagnostics = check(&source, &catalogue()).expect_err("no categories");
    assert_eq!(diagnostics.len(), 1);
    assert_eq!((diagnostics[0].column, diagnostics[0].turn.as_deref()), (10, Some("n = lønn")));
    assert_eq!(&source[diagnostics[0].span.start..diagnostics[0].span.end], "$n");
}

#[test]
fn what_cannot_be_bound_is_refused_at_its_place() {
    for (statements, codes) in [
        ("keep if lønn > $x", &["unknown-binding"][..]),
        ("let x = lønn + 1\nkeep if lønn > $x", &["name-in-binding"]),
        ("let x = \"a\" + 1", &["text-in-arithmetic"]),
        ("let x = \"a\" < 1", &["text-with-number"]),
        ("let x = 1 / 0\nkeep if lønn > $x", &["no-value"]),
        ("let x = date_fmt(2023, 2, 30)", &["no-value"]),
        ("let x = date_fmt(2023, 2, 1, 1)", &["argument-count"]),
        ("let x = to_int(\"tolv\")", &["no-value"]),
        ("let x = to_symbol(\"a b\")", &["not-a-name"]),
        ("let x = 2020 ++ a", &["not-a-name"]),
        ("let x = tull(1)", &["unknown-function"]),
        ("let x = inlist(1, 1)", &["function-in-binding"]),
        ("let x 1", &["expected"]),
        ("let x = ", &["expected"]),
        ("let x = 1 2", &["expected"]),
        ("let x = (1", &["expected"]),
        ("let x = 1 = 1", &["single-equals"]),
        ("let = 1", &["expected"]),
        ("let x = .", &["expected"]),
        ("for i in 2 : 1\ntabulate lønn\nend", &["loop-backwards"]),
        ("for i in 1 : 2.5\nend", &["range-not-whole"]),
        ("for i in 1 : a\nend", &["name-in-binding"]),
        ("for i, j in 1 : 3, a b\nend", &["iterator-lengths"]),
        ("for i, j in 1 : 3\nend", &["iterator-count"]),
        ("for i, i in 1 : 3, 1 : 3\nend", &["repeated-iterator"]),
        ("for i in\nend", &["expected"]),
        ("for i of 1\nend", &["expected"]),
        ("for\nend", &["expected"]),
        ("for i in 1 ; \nend", &["expected"]),
        ("for i in a : b c\nend", &["name-in-binding"]),
        ("for i in 1 : 1000000000\nuse d\nend", &["too-much-made"]),
        ("for i in 1 : 10000 ; j in 1 : 10000 ; k in 1 : 10000\nend", &["too-much-made"]),
        ("for i in 1 : 10000\ngenerate x = lønn\nreplace x = 1\nend", &["name-taken", "too-much-made"]),
        ("end", &["stray-end"]),
        ("for i in 1\ntabulate kjønn", &["unclosed-loop"]),
        ("for i in 1\nend end", &["expected"]),
        ("$x = 1", &["expected"]),
        ("generate ++ 1 = 2", &["expected"]),
        ("keep if lønn > a ++", &["expected"]),
    ] {
        let mut found = codes_after_prelude(statements);
        found.sort_unstable();
        let mut codes = codes.to_vec();
        codes.sort_unstable();
        assert_eq!(found, codes, "{statements}");
    }
    let deep = "for i in 1\n".repeat(9) + &"end\n".repeat(9);
    assert_eq!(codes_after_prelude(&deep), ["too-many-loops"]);
    let nested = format!("let x = {}1{}", "(".repeat(100_000), ")".repeat(100_000));
    assert_eq!(codes_after_prelude(&nested), ["too-deep"]);
    let growing = "let x = \"0123456789\"\n".to_owned() + &"let x = $x ++ $x\n".repeat(40);
    assert_eq!(codes_after_prelude(&growing), ["text-too-long"]);
    let long = format!("for i in 1 : 10000\nkeep if inlist(lønn{})\nend", ", 1".repeat(2000));
    assert!(codes_after_prelude(&long).contains(&"too-much-made"));
}

#[test]
fn names_that_look_the_same_are_the_same() {
    let (composed, decomposed) = ("l\u{f8}nn_a\u{30a}r", "l\u{f8}nn_\u{e5}r");
    let script = format!(
        "generate {composed} = lønn\nsummarize {decomposed}\ngenerate x = {composed} + {decomposed}\nsummarize x"
    );
    assert_eq!(codes_after_prelude(&script), [""; 0]);
    assert_eq!(
        codes_after_prelude(&format!("let {composed} = 1\nkeep if stadium == ${decomposed}")),
        [""; 0]
    );
    let taken = format!("generate {composed} = lønn\ngenerate {decomposed} = lønn");
    assert_eq!(codes_after_prelude(&taken), ["name-taken"]);
}

#[test]
fn the_commands_that_a_script_uses_are_those_that_are_carried_out() {
    let source = "require no.ssb.fdb:1 as ssb\ncreate-dataset d\nlet x = 3\nfor v in a b\n\
                  import ssb/KJOENN as $v // tabulate\nend\nimport ssb/KJOENN as k\nsummarize k\n";
    assert_eq!(
        kobling_script::commands_used(source),
        ["create-dataset", "import", "require", "summarize"],
        "{:?}",
        texts(source)
    );
    assert_eq!(kobling_script::commands_used("tabulate,x\nimport-event y"), ["import-event", "tabulate"]);
}
