//! What completion offers at a place, without a terminal.

mod support;

use kobling_script::complete::{Completion, complete};
use support::catalogue;

/// What the script so far has made in most tests.
const SCRIPT: &str = "\
require no.ssb.fdb:54 as db
require no.krg.kreft:2 as kreft
create-dataset personer
import db/BEFOLKNING_KJOENN as kjønn
import db/BEFOLKNING_MOR_FNR as mor
import db/SIVSTANDFDT_SIVSTAND 2023-01-01 as sivstand
import kreft/KRG_LOKALISASJON as lokalisasjon
generate kvinne = kjønn == \"2\"
define-labels janei 1 Ja 0 Nei
assign-labels kvinne janei
let grense = 7
create-dataset jobber
use personer
";

/// Completes at the `|` of an input.
fn at(input: &str) -> (Completion, String) {
    let cursor = input.rfind('|').expect("a place");
    let input = format!("{}{}", &input[..cursor], &input[cursor + 1..]);
    let completion = complete(SCRIPT, &input, cursor, &catalogue());
    let typed = input[completion.start..cursor].to_owned();
    (completion, typed)
}

#[track_caller]
fn offers(input: &str, typed: &str, expected: &[&str]) {
    let (completion, found) = at(input);
    let texts: Vec<_> = completion.candidates.iter().map(|candidate| candidate.text.as_str()).collect();
    assert_eq!((found.as_str(), texts.as_slice()), (typed, expected), "{input}");
}

#[track_caller]
fn has(input: &str, expected: &[&str]) {
    let (completion, _) = at(input);
    for text in expected {
        assert!(completion.candidates.iter().any(|one| one.text == *text), "no {text:?} in {completion:?}");
    }
}

#[test]
fn commands_stand_at_the_start_of_a_statement() {
    offers("tabu|", "tabu", &["tabulate", "tabulate-panel"]);
    offers("  clone-d|", "clone-d", &["clone-dataset"]);
    offers("import db/NUDB_BU \\\n2022-01-01\nsummar|", "summar", &["summarize", "summarize-panel"]);
    has("|", &["import", "help", "textblock", "require"]);
}

#[test]
fn datasets_and_datastores_stand_where_they_are_named() {
    offers("use |", "", &["jobber", "personer"]);
    offers("delete-dataset j|", "j", &["jobber"]);
    offers("require no.k|", "no.k", &["no.krg.kreft:2"]);
    has("require |", &["no.ssb.fdb:54", "no.krg.kreft:2"]);
    offers("require no.krg.kreft:2 |", "", &["as"]);
    offers("merge kvinne into |", "", &["jobber", "personer"]);
    offers("merge kvinne into personer on m|", "m", &["mor"]);
}

#[test]
fn variables_of_the_catalogue_stand_behind_their_datastore() {
    offers("import k|", "k", &["kreft/"]);
    offers("import db/INN|", "INN", &["INNTEKT_WLONN"]);
    offers("import db/wlo|", "wlo", &["INNTEKT_WLONN"]);
    offers("import-panel db/INNTEKT_WLONN db/NUDB|", "NUDB", &["NUDB_BU"]);
    offers("import ukjent/|", "", &[]);
}

#[test]
fn dates_are_those_that_the_variable_has() {
    let days = ["2019-01-01", "2020-01-01", "2021-01-01", "2022-01-01", "2023-01-01", "as"];
    offers("import db/BEFOLKNING_KOMMNR_FORMELL |", "", &days);
    offers("import db/BEFOLKNING_KOMMNR_FORMELL 2020-|", "2020-", &["2020-01-01"]);
    offers("import db/INNTEKT_WLONN 2021|", "2021", &["2021-12-31"]);
    offers("import-event db/NUDB_BU 2010-01-01 |", "", &["to"]);
    offers("import-event db/NUDB_BU 2010-01-01 to 2023|", "2023", &["2023-01-01", "2023-10-01"]);
    offers("import db/BEFOLKNING_KJOENN |", "", &["as"]);
    offers("import db/NUDB_BU 2022-01-01 as |", "", &[]);
}

#[test]
fn columns_are_the_active_datasets_and_pointers_stand_where_they_may() {
    offers("tabulate |", "", &["kjønn", "kvinne", "lokalisasjon", "sivstand"]);
    offers("tabulate lo|", "lo", &["lokalisasjon"]);
    offers("collapse (count) kvinne, by(m|", "m", &["mor"]);
    offers("use jobber\ntabulate |", "", &[]);
    offers(
        "import db/INNTEKT_WLONN 2022-06-30 as lønn\ntabulate kjønn, summarize(l|",
        "l",
        &["lokalisasjon", "lønn"],
    );
    offers("rename kvi|", "kvi", &["kvinne"]);
    offers("rename kvinne k|", "k", &[]);
}

#[test]
fn expressions_have_columns_and_functions() {
    has("generate x = |", &["kvinne", "sysmiss(", "date("]);
    offers("generate x = rowme|", "rowme", &["rowmean(", "rowmedian("]);
    offers("keep if kvi|", "kvi", &["kvinne"]);
    offers("generate x = kvinne + siv|", "siv", &["sivstand"]);
    offers("generate x = kvinne |", "", &["if"]);
    offers("generate navn|", "navn", &[]);
}

#[test]
fn options_stand_behind_the_comma() {
    offers("tabulate kjønn, row|", "row", &["rowpct", "rowsort("]);
    offers("tabulate kjønn if kvinne == 1, summ|", "summ", &["summarize("]);
    offers("import db/NUDB_BU 2022-01-01, in|", "in", &["inner_join"]);
}

#[test]
fn codes_and_labels_stand_in_comparisons_and_quotation_marks() {
    offers("keep if sivstand == |", "", &["1", "2", "10", "0"]);
    offers("keep if kjønn == |", "", &["'1'", "'2'"]);
    offers("keep if kjønn == \"|", "", &["1\"", "2\""]);
    offers("keep if lokalisasjon == 'C5|", "C5", &["C50'"]);
    // By the label, where no code begins so.
    offers("keep if lokalisasjon == Bry|", "Bry", &["'C50'"]);
    offers("keep if inlist(lokalisasjon, C3|", "C3", &["'C34'"]);
    offers("keep if inlabels(lokalisasjon, 'L|", "L", &["Lunge'"]);
    offers(
        "generate x = label_to_code(lokalisasjon, |",
        "",
        &["'Lunge'", "'Melanom'", "'Bryst'", "'Prostata'"],
    );
    offers("recode sivstand (|", "", &["1", "2", "10", "0", "min", "max", "missing", "nonmissing"]);
    offers("recode kvinne (1 = 2) (0|", "0", &["0"]);
    offers("import kreft/KRG_LOKALISASJON as l, values('C3|", "C3", &["C34'"]);
    let (completion, _) = at("keep if lokalisasjon == 'C5|");
    assert_eq!(completion.candidates[0].note, "Bryst");
    // A column may be compared with a column.
    offers("keep if kvinne == siv|", "siv", &["sivstand"]);
}

#[test]
fn code_lists_and_bindings_are_those_of_the_script() {
    offers("assign-labels kvinne |", "", &["janei"]);
    offers("drop-labels j|", "j", &["janei"]);
    offers("keep if kvinne > $g|", "g", &["grense"]);
    offers("for år, navn in 2020 : 2022, a b c\ngenerate $|", "", &["grense", "navn", "år"]);
    offers("for i in a b\nlet y = 1\nend\ngenerate x = $|", "", &["grense", "i", "y"]);
}

#[test]
fn statistics_stand_in_the_parentheses_of_a_group() {
    offers("collapse (me|", "me", &["mean", "median"]);
    offers("aggregate (mean) sivstand -> x (su|", "su", &["sum"]);
}

#[test]
fn help_is_about_commands_and_functions() {
    offers("help clone-u|", "clone-u", &["clone-units"]);
    offers("help-function rowm|", "rowm", &["rowmax", "rowmean", "rowmedian", "rowmin", "rowmissing"]);
}

#[test]
fn nothing_stands_in_comments_and_text_blocks() {
    for input in ["// tab|", "tabulate kjønn // k|", "# tab|", "textblock\ntab|", "use d\ntextblock\n|"] {
        assert_eq!(at(input).0.candidates, [], "{input}");
    }
}

#[test]
fn a_script_with_faults_and_any_cursor_are_no_reason_to_stop() {
    let text = "import db/X æ as 'y\nfor i in (\nkeep if ( = , \"\\\ncollapse((mean) a, by(\n$ // 'x\n";
    let catalogue = catalogue();
    for cursor in 0..=text.len() + 3 {
        complete("use nowhere\nfor x in", text, cursor, &catalogue);
        complete(text, text, cursor, &catalogue);
    }
}
