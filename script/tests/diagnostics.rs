//! Diagnostics as people read them, in both languages; and that no input makes the crate panic.

mod support;

use kobling_script::{Language, check, parser, render, required_datastores};
use proptest::prelude::*;
use support::{PRELUDE, catalogue, golden};

/// Scripts with faults, each under a name that says what is wrong.
const FAULTY: &[(&str, &str)] = &[
    (
        "reading",
        "require no.ssb.fdb as db\ncreate-dataset\ncreate-dataset d e\ntablate x\nimport NUDB_BU\ngenerate = 1\ngenerate x = “a”\n\
     keep if x = 1\nkeep if x == 1 && y\nendblock\nend\nfor i in a b\nrecode x 1 = 2\nrecode x (= 2)\nlet y 2\n)\ntextblock\n",
    ),
    (
        "bindings",
        "let x = $y\nlet grense = 3\nuse $grence\nlet z = lønn + 1\nlet a = 1 / 0\nlet b = 2020 ++ x\nlet c = inlist(1, 2)\nfor i, j in 1 : 3, a b\nend\n\
     for i, j in 1 : 3\nend\nfor i, i in 1 2, 3 4\nend\nfor i in 3 : 1\nend\nfor i in 1 : 2.5\nend\nfor i in 1 : 1000000000\nuse d\nend\n\
     for i in 2021 2022\ncorrelate x ++ $i if\nend\nend end\n",
    ),
    (
        "forms",
        "correlate\ncox a\nbarchart(mena) x\ncoefplot regres y x\noaxaca y x\nload\nuse \"a\u{200b}b\"\ncorrelate x y\n",
    ),
    ("names", "require no.ssb.fbd:54 as a\nrequire no.ssb.fdb:50 as b\nrequire no.ssb.fdb:54 as db\nuse d\n"),
    (
        "no_dataset",
        "require no.ssb.fdb:54 as db\nimport db/BEFOLKNING_KJOENN\nimport bd/NUDB_BU 2022-01-01\n",
    ),
];

/// Statements with faults that follow the prelude.
const AFTER_PRELUDE: &[(&str, &str)] = &[
    (
        "imports",
        "import db/BEFOLKNING_KJONN\nimport db/BEFOLKNING_KJOENN 2023-01-01 as a\nimport db/INNTEKT_WLONN as b\n\
     import db/INNTEKT_WLONN 2018-01-01 as c\nimport db/NUDB_BU 2023-02-30 as e\nimport db/JOBB_LONN\nimport db/NUDB_BU 2020-01-01 as lønn\n",
    ),
    (
        "owners",
        "generate x = lønn * stadium\nsummarize x\ngenerate y = lønn / 3 > stadium\ntabulate y\nkeep if lønn * stadium > sqrt(stadium)\n\
     import kreft/KRG_DIAGNOSEDATO as dato\ngenerate z = string(dato) == kjønn\ntabulate z\ngenerate w = lønn - dato\n\
     recode lønn (min/5 = 1)\nkeep if lønn - dato > 3 & floor(lønn - dato) * lønn > 7\n",
    ),
    (
        "types",
        "generate x = kjønn + 1\nkeep if kjønn == 1\nkeep if kjønn\nkeep if lønn == .\nkeep if lønn > 2020-01-01\n\
     generate y = sqrt(1, 2)\ngenerate z = length(lønn)\nrecode kjønn (\"1\" = 1)\nreplace lønn = \"a\"\n",
    ),
    (
        "tables",
        "tabulate lønn\ntabulate kjønn, rowpc\ntabulate kjønn, flatten\nimport db/BEFOLKNING_MOR_FNR as mor\ntabulate mor\nkeep if mor == \"1\"\n",
    ),
    (
        "labels",
        "keep if inlabels(kjønn, 'Kvine', Mann)\nkeep if labelcontains(kjønn, 'dame')\nkeep if inlabels(lønn, 'Mann')\n\
         generate k = string(sivstand)\ndefine-labels l 1 a 2 a 10 b\nassign-labels k l\ngenerate c = label_to_code(k, 'a')\n\
         keep if kjønn == label_to_code(kjønn, 2)\n",
    ),
    (
        "values",
        "tabulate kjønn, mean\ntabulate kjønn, summarize(lønn) p50 gini\nsummarize kommune\n\
         generate x = lønn / sivstand\nsummarize lønn x\ngenerate y = exp(lønn / 30000)\ntabulate kjønn, summarize(y) sum\n\
         summarize lønn, iqr\ntabulate kjønn, summarize(lønn sivstand)\ntabulate kjønn, summarize(lonn)\n",
    ),
];

#[test]
fn diagnostics_read_as_on_record_in_both_languages() {
    let faulty = FAULTY.iter().map(|(name, script)| (*name, (*script).to_owned()));
    let after = AFTER_PRELUDE.iter().map(|(name, rest)| (*name, format!("{PRELUDE}{rest}")));
    for (name, script) in faulty.chain(after) {
        let diagnostics = check(&script, &catalogue()).expect_err("the script is faulty");
        for (language, ending) in [(Language::English, "en"), (Language::Norwegian, "nb")] {
            golden(
                &format!("diagnostic/{name}.{ending}"),
                &render(&diagnostics, &script, "skript.txt", language, false),
            );
        }
    }
}

#[test]
fn colour_is_used_only_where_asked_for_and_a_script_cannot_steer_the_terminal() {
    let script = "tull\u{1b}[2J\n";
    let diagnostics = check(script, &catalogue()).expect_err("faulty");
    let plain = render(&diagnostics, script, "s\u{1b}", Language::English, false);
    assert!(!plain.contains('\u{1b}'));
    let colored = render(&diagnostics, script, "s", Language::English, true);
    assert!(colored.contains("\u{1b}[") && !colored.contains("\u{1b}[2J"));
}

#[test]
fn the_caret_stands_under_the_place_and_line_and_column_count_characters() {
    let script = "// blåbær\ngenerate æ = 'å\n";
    let diagnostics = check(script, &catalogue()).expect_err("faulty");
    assert_eq!((diagnostics[0].line, diagnostics[0].column), (2, 14));
    let shown = render(&diagnostics, script, "s", Language::English, false);
    assert!(shown.contains("s:2:14"), "{shown}");
}

/// Everything that reads a script, on any text.
fn survives(source: &str) {
    let (script, diagnostics) = parser::parse(source);
    assert_eq!(script, parser::parse(source).0);
    for language in [Language::English, Language::Norwegian] {
        render(&diagnostics, source, "s", language, false);
    }
    let _ = required_datastores(source);
    match check(source, &catalogue()) {
        Ok(checked) => assert_eq!(Ok(checked), check(source, &catalogue())),
        Err(diagnostics) => {
            assert!(!diagnostics.is_empty());
            for diagnostic in &diagnostics {
                assert!(
                    diagnostic.span.end <= source.len() && diagnostic.line >= 1 && diagnostic.column >= 1
                );
                assert!(!diagnostic.message(Language::English).is_empty());
                assert!(!diagnostic.message(Language::Norwegian).is_empty());
            }
            render(&diagnostics, source, "s", Language::Norwegian, true);
        }
    }
}

/// Pieces that scripts are made of.
const PIECES: &[&str] = &[
    "require",
    "no.ssb.fdb:54",
    "as",
    "db",
    "create-dataset",
    "use",
    "import",
    "db/INNTEKT_WLONN",
    "2022-06-30",
    "generate",
    "replace",
    "recode",
    "keep",
    "drop",
    "if",
    "rename",
    "define-labels",
    "assign-labels",
    "tabulate",
    "summarize",
    "summarize(lønn)",
    "summarize(",
    "mean std",
    "let",
    "for",
    "in",
    "end",
    "textblock",
    "endblock",
    "x",
    "kjønn",
    "lønn",
    "stadium",
    "\"1\"",
    "'",
    "\"",
    "1",
    "2.5",
    ".",
    "1e308",
    "(",
    ")",
    "(1/7 = 0 lav)",
    "(missing = 9 x missing)",
    "(* = .)",
    ",",
    "prefix(p)",
    "generate(n)",
    "freq",
    "missing",
    "=",
    "==",
    "!=",
    "<",
    ">=",
    "&",
    "|",
    "!",
    "+",
    "-",
    "*",
    "/",
    "++",
    "->",
    "$",
    "$x",
    "#",
    "##",
    ";",
    ":",
    "\\",
    "\\\n",
    "\n",
    "\r\n",
    "// c",
    " ",
    "\t",
    "substr(kjønn, 1, 1)",
    "inlist(",
    "inrange(",
    "date(2020, 2, 30)",
    "sysmiss(",
    "rowmax(",
    "START@x",
    "date@panel",
    "\u{feff}",
    "ø",
    "𝒳",
    "\u{0}",
    "collapse(mean)",
];

#[test]
fn control_characters_of_a_script_are_not_repeated() {
    let source =
        format!("{PRELUDE}recode lønn (\"\u{1b}[2J\" = 1)\nrecode \"\0\u{1b}[2J\u{2028}\"\n\u{202e}x\n");
    let diagnostics = check(&source, &catalogue()).expect_err("not numbers");
    assert!(
        diagnostics.iter().filter(|one| one.code() == "unseen-character").count() >= 4,
        "{diagnostics:?}"
    );
    for diagnostic in &diagnostics {
        for language in [Language::English, Language::Norwegian] {
            for said in [diagnostic.message(language), diagnostic.advice(language)] {
                assert!(!said.contains(|c: char| c.is_control() || c == '\u{202e}'), "{said:?}");
            }
        }
    }
    let shown = render(&diagnostics, &source, "s", Language::English, false);
    assert!(shown.contains("\u{fffd}[2J") && !shown.contains(['\u{1b}', '\0', '\u{202e}']));
}

#[test]
fn characters_that_are_not_seen_are_reported_at_their_place() {
    for (script, line, column) in [
        ("define-labels l 1 \"a\u{7}b\"", 1, 21),
        ("define-labels l 1 'a\u{202e}b'", 1, 21),
        ("generate l\u{200b}onn = 1", 1, 11),
        ("generate lønn\u{ad} = 1", 1, 14),
        ("use d\nkeep if x == \"\u{200d}\"", 2, 15),
        ("use d // \u{2067}a", 1, 10),
        ("use a\u{feff}b", 1, 6),
    ] {
        let (_, diagnostics) = parser::parse(script);
        let found: Vec<_> = diagnostics.iter().map(|one| (one.code(), one.line, one.column)).collect();
        assert_eq!(found, [("unseen-character", line, column)], "{script:?}");
    }
    // Marks at the start of lines come of putting files together, and a text block is not run.
    for script in ["\u{feff}use d\n\u{feff}use e\n", "use\u{a0}d\n", "textblock\n\u{200b}\nendblock\n"] {
        assert_eq!(parser::parse(script).1, [], "{script:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_without_panic(source in "\\PC{0,200}") {
        survives(&source);
    }

    #[test]
    fn any_bytes_that_are_text_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        survives(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn any_words_of_the_language_are_read_without_panic(
        pieces in proptest::collection::vec((0..PIECES.len(), any::<bool>()), 0..60),
        after_prelude in any::<bool>(),
    ) {
        let mut source = if after_prelude { PRELUDE.to_owned() } else { String::new() };
        for (piece, blank) in pieces {
            source.push_str(PIECES[piece]);
            if blank { source.push(' ') }
        }
        survives(&source);
    }

    #[test]
    fn a_script_with_a_part_changed_is_read_without_panic(
        start in 0usize..1000, length in 0usize..12, piece in 0..PIECES.len()
    ) {
        let script = format!(
            "{PRELUDE}generate x = floor(lønn / 2) if kjønn == \"2\" & lønn > 3\nrecode stadium (1/2 = 1 lav) (* = 2), generate(n)\n\
             keep if stadium == 1 & kjønn == '1'\ntabulate kommune n if lønn > 1, freq missing\n"
        );
        let boundary = |at: usize| (0..=at.min(script.len())).rev().find(|at| script.is_char_boundary(*at)).unwrap_or(0);
        let (start, end) = (boundary(start), boundary(start + length));
        survives(&format!("{}{}{}", &script[..start], PIECES[piece], &script[end.max(start)..]));
    }
}
