//! What the checker makes of functions: their categories, their labels, what it refuses.

mod support;

use kobling_model::expression::Value;
use kobling_model::plan::{Question, Side};
use support::{codes_after_prelude, plan_after_prelude, written};

fn last(rest: &str) -> Question {
    plan_after_prelude(rest).questions.pop().expect("a question")
}

fn categories(rest: &str) -> Vec<String> {
    let question = last(rest);
    let categories = &question.left.dimensions[0].categories;
    let value = |value: &Option<Value>| match value {
        None => "missing".to_owned(),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::Text(text)) => text.clone(),
    };
    categories.iter().map(|category| value(&category.value)).collect()
}

/// The filters of the first owner.
fn filters(rest: &str) -> Vec<String> {
    last(&format!("{rest}\ntabulate kjønn"))
        .fragment(Side::Left)
        .map_or(Vec::new(), |left| left.filters.iter().map(written).collect())
}

#[test]
fn what_is_made_of_categories_has_categories() {
    assert_eq!(categories("generate y = string(sivstand)\ntabulate y"), ["1", "2", "10", "0"]);
    let both = categories("generate y = rowconcat(kjønn, '-', sivstand)\ntabulate y");
    assert_eq!(both, ["1-1", "1-2", "1-10", "1-0", "2-1", "2-2", "2-10", "2-0"]);
    assert_eq!(categories("generate y = round(sivstand, 5)\ntabulate y"), ["0", "10"]);
    assert_eq!(categories("generate y = substr(kommune, -2, 2)\ntabulate y"), ["01", "03", "99"]);
    // A missing one is left out, so the other stands alone.
    assert_eq!(
        categories("generate a = 7 if lønn > 0\ngenerate y = rowmax(sivstand, a)\ntabulate y"),
        ["0", "1", "2", "7", "10"]
    );
    // So do arithmetic and signs, of one owner's variables or of several owners'.
    let three = "generate a = lønn > 5\ngenerate b = sysmiss(lønn)\ngenerate c = kjønn == '1'\n";
    assert_eq!(
        categories(&format!("{three}generate y = a + 2 * b - c\ntabulate y")),
        ["-1", "0", "1", "2", "3"]
    );
    assert_eq!(categories(&format!("{three}generate y = -a / b\ntabulate y")), ["-1", "0"]);
    let poeng = last("generate y = stadium + doser\nrecode y (min/2 = 2) (6/max = 6)\ntabulate y kjønn");
    assert_eq!(poeng.joints[0].categories.len(), 5);
    assert_eq!(codes_after_prelude("generate y = stadium + lønn\ntabulate y"), ["needs-categories"]);
    let many = "generate a = sivstand * 100 + day(lønn)\ngenerate y = a * 11 + day(lønn)\ntabulate y";
    assert_eq!(codes_after_prelude(many), ["needs-categories"], "more than a thousand combinations");
    assert_eq!(codes_after_prelude("generate y = rowconcat(kjønn, lønn)\ntabulate y"), ["needs-categories"]);
    assert_eq!(codes_after_prelude("generate y = sin(sivstand)\ntabulate y"), ["needs-categories"]);
}

#[test]
fn constants_are_computed() {
    for holds in [
        "isoformatdate(date(2015, 12, 31)) == '2015-12-31'",
        "pi() > 3.14159 & pi() < 3.1416",
        "comb(49, 6) == 13983816",
        "rowconcat('a', 1.5, 'b') == 'a1.5b'",
        "round(17, 5) == 15 & week(16800) == 53 & doy(16800) == 365",
        "substr('blåbær', 0, 2) == ''",
    ] {
        assert_eq!(categories(&format!("generate y = {holds}\ntabulate y")), ["1"], "{holds}");
    }
}

#[test]
fn labels_become_comparisons_with_codes() {
    assert_eq!(filters("keep if inlabels(kjønn, 'Kvinne')"), ["($0 == \"2\")"]);
    assert_eq!(filters("keep if inlabels(kjønn, Mann, \"Kvinne\")"), ["(($0 == \"1\") | ($0 == \"2\"))"]);
    assert_eq!(filters("keep if kjønn == label_to_code(kjønn, 'Kvinne')"), ["($0 == \"2\")"]);
    assert_eq!(filters("keep if sivstand == label_to_code(sivstand, 'Separert')"), ["($1 == 10)"]);
    assert_eq!(filters("keep if labelcontains(sivstand, 'gift')"), ["($1 == 1)"]);
    // Codes of the day of import: Trondheim was 1601 before 2018.
    assert_eq!(filters("keep if inlabels(kommune, 'Trondheim')"), ["($1 == \"5001\")"]);
    let assigned =
        "generate rik = lønn > 500000\ndefine-labels l 0 nei 1 ja 2 'vet ikke'\nassign-labels rik l\n";
    assert_eq!(filters(&format!("{assigned}keep if inlabels(rik, ja)")), ["(($1 > 500000) == 1)"]);
    assert_eq!(filters(&format!("{assigned}keep if labelcontains(rik, 'vet')")), ["(($1 > 500000) == 2)"]);
    let plan = plan_after_prelude("keep if inlabels(kjønn, 'Kvinne')");
    assert!(
        !serde_json::to_string(&plan.questions.last().expect("one").left).expect("JSON").contains("Kvinne")
    );
}

#[test]
fn what_is_no_label_is_said_at_its_place() {
    let said = |condition: &str| codes_after_prelude(&format!("keep if {condition}"));
    assert_eq!(said("inlabels(kjønn, 'Kvine')"), ["unknown-label"]);
    assert_eq!(said("inlabels(kjønn, 'Kvine', 'Man')"), ["unknown-label", "unknown-label"]);
    assert_eq!(said("labelcontains(kjønn, 'x')"), ["unknown-label"]);
    assert_eq!(said("inlabels(lønn, 'Mann')"), ["no-labels"]);
    assert_eq!(said("inlabels(kjønn, kommune)"), ["not-a-label"]);
    assert_eq!(said("inlabels(kjønn, 2)"), ["not-a-label"]);
    assert_eq!(said("inlabels(kjønn)"), ["argument-count"]);
    assert_eq!(said("labelcontains(kjønn, 'a', 'b')"), ["argument-count"]);
    let shared = "generate k = string(sivstand)\ndefine-labels l 1 a 2 a 10 b\nassign-labels k l\n";
    assert_eq!(codes_after_prelude(&format!("{shared}keep if k == label_to_code(k, a)")), ["shared-label"]);
    assert_eq!(filters(&format!("{shared}keep if inlabels(k, a)")).len(), 1);
}

#[test]
fn arguments_of_another_kind_are_refused() {
    let said = |condition: &str| codes_after_prelude(&format!("keep if {condition}"));
    assert_eq!(said("comb(kjønn, 2) > 1"), ["argument-type"]);
    assert_eq!(said("rowmedian(lønn, kjønn) > 1"), ["argument-type"]);
    assert_eq!(said("isoformatdate(kjønn) == 'a'"), ["argument-type"]);
    assert_eq!(said("comb(2) > 1"), ["argument-count"]);
    assert_eq!(said("pi(1) > 1"), ["argument-count"]);
    assert_eq!(said("rowconcat() == 'a'"), ["argument-count"]);
    assert_eq!(said("rowmedan(lønn) > 1"), ["unknown-function"]);
}

#[test]
fn codes_are_put_right_line_by_line_as_often_as_it_takes() {
    let lines = |line: &dyn Fn(usize) -> String| (0..60).map(line).collect::<String>();
    let codes = ["0301", "1103", "1601", "5001"];
    let towns = lines(&|at| {
        format!("replace kommune = \"{}\" if kommune == \"{}\"\n", codes[(at + 1) % 4], codes[at % 4])
    });
    assert_eq!(codes_after_prelude(&format!("{towns}tabulate kommune stadium")), [""; 0]);
    let recodes =
        lines(&|at| format!("recode stadium ({} = {}) ({} = 1)\n", at % 4 + 1, at % 3 + 2, at % 2 + 3));
    assert_eq!(codes_after_prelude(&format!("{recodes}tabulate stadium kjønn")), [""; 0]);
    // Numbers without a list have no such form, and are bounded as before.
    let wages = lines(&|at| format!("replace lønn = {} if lønn == {at}\n", at + 1));
    assert_eq!(codes_after_prelude(&wages).first(), Some(&"expression-too-large"));
}
