//! What a script means, claim by claim.

mod support;

use kobling_model::catalogue::Variable;
use kobling_model::expression::{Expression, Value, ValueType};
use kobling_model::plan::{Place, Question, QuestionKind, Rest, Show, Side};
use kobling_model::value::{Coding, Range, ValueColumn};
use kobling_model::{DatastoreId, OwnerId};
use kobling_script::{Language, check, plan, required_datastores};
use support::{PRELUDE, catalogue, codes_after_prelude, plan_after_prelude, plan_of, rendered, written};

/// The last question of what follows the prelude.
fn last(rest: &str) -> Question {
    plan_after_prelude(rest).questions.pop().expect("a question")
}

fn filters(question: &Question, side: Side) -> Vec<String> {
    question.fragment(side).map_or(Vec::new(), |fragment| fragment.filters.iter().map(written).collect())
}

/// Values and labels of a dimension.
fn categories(question: &Question, side: Side) -> Vec<(String, String)> {
    let dimension = &question.fragment(side).expect("the side is there").dimensions[0];
    let value = |value: &Option<Value>| match value {
        None => "missing".to_owned(),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::Text(text)) => text.clone(),
    };
    dimension.categories.iter().map(|category| (value(&category.value), category.label.clone())).collect()
}

fn values(question: &Question, side: Side) -> Vec<String> {
    categories(question, side).into_iter().map(|(value, _)| value).collect()
}

#[test]
fn the_same_text_and_catalogue_give_the_same_plan() {
    let script = format!("{PRELUDE}keep if kjønn == \"2\" & stadium > 1\ntabulate kommune lokalisasjon\n");
    let (first, second) = (plan_of(&script), plan_of(&script));
    assert_eq!(first, second);
    assert_eq!(first.hash(), second.hash());
    assert_eq!(plan(&script, &catalogue()).expect("in order"), first);
    assert_eq!(first.owners(), ["krg", "ssb"].map(|owner| OwnerId::new(owner).expect("valid")));
}

#[test]
fn the_first_import_asks_for_the_population_and_edits_of_units_for_those_that_go() {
    let plan =
        plan_after_prelude("keep if kjønn == \"2\"\ndrop lønn\nkeep kommune stadium\ndrop if stadium == 1");
    let lines: Vec<_> = plan.questions.iter().map(|question| question.line).collect();
    assert_eq!(lines, [5, 12, 15]);
    assert!(matches!(plan.questions[0].kind, QuestionKind::Population { .. }));
    for question in &plan.questions[1..] {
        let QuestionKind::Edit(edit) = &question.kind else { panic!("an edit") };
        assert_eq!(edit.rest, Rest::Population);
    }
    // The second is asked of those whom the first has left.
    assert_eq!(filters(&plan.questions[2], Side::Left), ["($0 == \"2\")"]);
    assert!(filters(&plan.questions[1], Side::Left).is_empty());
}

#[test]
fn the_first_import_is_the_left_sides_first_source_though_nothing_uses_it() {
    let question = last("tabulate kommune");
    let sources: Vec<_> = question.left.registers().map(|source| source.variable.as_str()).collect();
    assert_eq!(sources, ["BEFOLKNING_KJOENN", "BEFOLKNING_KOMMNR_FORMELL"]);
    let by_krg = plan_of(
        "require no.krg.kreft:2 as k\nrequire no.ssb.fdb:54 as db\ncreate-dataset d\nimport k/KRG_STADIUM as s\n\
         import db/BEFOLKNING_KJOENN as kj\ntabulate kj",
    );
    let question = by_krg.questions.last().expect("a question");
    assert_eq!(question.left.owner.as_str(), "krg");
    assert_eq!(question.left.registers().next().expect("one").variable.as_str(), "KRG_STADIUM");
    assert_eq!(question.right.as_ref().map(|right| right.owner.as_str()), Some("ssb"));
}

#[test]
fn a_second_import_of_the_same_value_is_the_same_source() {
    let question = last("import db/BEFOLKNING_KJOENN as kjønn2\ntabulate kjønn kjønn2");
    assert_eq!(question.left.sources.len(), 1);
}

#[test]
fn conditions_split_by_owner_at_and_and_constants_go_left() {
    let question = last("keep if kjønn == \"2\" & (stadium >= 2 & lønn > 5) & 1 == 1\ntabulate kjønn");
    assert_eq!(filters(&question, Side::Left), ["($0 == \"2\")", "($1 > 5)"]);
    assert_eq!(filters(&question, Side::Right), ["($0 >= 2)"]);
    let question = last("tabulate kjønn if stadium >= 2 & 1 == 2");
    assert_eq!(filters(&question, Side::Left), ["0"]);
    let question = last("tabulate kjønn if stadium >= 2 & 1 == 1");
    assert!(filters(&question, Side::Left).is_empty());
    let joint = last("keep if kjønn == \"2\" | stadium == 2\ntabulate kjønn");
    assert!(filters(&joint, Side::Left).is_empty() && joint.conditions.len() == 1);
}

#[test]
fn a_drop_splits_at_or_and_says_what_to_do_about_and() {
    let question = last("drop if kjønn == \"2\" | stadium == 2\ntabulate kjønn");
    assert_eq!(filters(&question, Side::Left), ["!($0 == \"2\")"]);
    assert_eq!(filters(&question, Side::Right), ["!($0 == 2)"]);
    let joint = last("drop if kjønn == \"2\" & stadium == 2\ntabulate kjønn");
    assert!(filters(&joint, Side::Right).is_empty() && joint.conditions.len() == 1);
}

#[test]
fn a_table_of_one_owner_has_no_right_side_and_its_own_if_stays_its_own() {
    let plan = plan_after_prelude("tabulate kjønn if stadium == 1\ntabulate kjønn");
    let [with, without] = &plan.questions[plan.questions.len() - 2..] else { panic!("two tables") };
    assert_eq!(filters(with, Side::Right), ["($0 == 1)"]);
    assert!(without.right.is_none() && without.left.filters.is_empty());
}

#[test]
fn of_further_owners_the_one_with_most_categories_is_the_second_worker() {
    let owners = |rest: &str| -> Vec<String> { last(rest).owners().map(ToString::to_string).collect() };
    assert_eq!(owners("keep if stadium == 1\ntabulate kjønn doser"), ["ssb", "fhi", "krg"]);
    assert_eq!(owners("keep if doser == 1\ntabulate kjønn stadium"), ["ssb", "krg", "fhi"]);
    // With as many categories it is the first by name.
    assert_eq!(owners("keep if doser == 1 & stadium == 1\ntabulate kjønn"), ["ssb", "fhi", "krg"]);
    let question = last("keep if stadium > 1\ntabulate doser stadium kjønn, summarize(lønn)");
    assert_eq!(filters(&question, Side::Other(0)).len() + filters(&question, Side::Right).len(), 1);
    let QuestionKind::Table(shape) = &question.kind else { panic!("a table") };
    let other = Place::Own { side: Side::Other(0), dimension: 0 };
    assert!(shape.variables.iter().any(|variable| variable.place == other));
}

#[test]
fn a_table_over_three_owners_is_bounded_by_what_their_combinations_cost() {
    let groups = |name: &str, count: usize| {
        let rules: String = (0..count).map(|group| format!(" ({group} = {})", group + 1)).collect();
        format!("recode {name}{rules} (* = 0)\n")
    };
    let table = |a, b, c| {
        let groups = [groups("lønn", a), groups("stadium", b), groups("doser", c)].concat();
        codes_after_prelude(&format!("{groups}tabulate lønn stadium doser"))
    };
    assert_eq!(table(20, 30, 10), [""; 0]);
    assert_eq!(table(25, 55, 55), ["too-many-combinations"]);
}

#[test]
fn a_condition_over_two_owners_is_a_public_table_of_their_truth_values() {
    let question = last("tabulate kjønn if lønn > 500000 | stadium == 1");
    let [condition] = &question.conditions[..] else { panic!("one condition") };
    assert_eq!(written(&condition.expression), "!!($0 | $1)");
    assert_eq!(condition.category_of, [None, Some(0), Some(0), Some(0)]);
    // One dimension is the table's, one the condition's.
    assert_eq!(
        (question.left.dimensions.len(), question.right.as_ref().expect("two").dimensions.len()),
        (2, 1)
    );
    let cells = kobling_model::table::inner_cell_of_combination(&question);
    assert_eq!(cells, [None, Some(0), Some(0), Some(0), None, Some(1), Some(1), Some(1)]);
}

#[test]
fn a_difference_of_two_owners_dates_is_classed_where_the_column_changes() {
    let made = "import kreft/KRG_DIAGNOSEDATO as d\nimport db/BEFOLKNING_DOEDS_DATO as død\n\
                generate måneder = floor((død - d) / 30.4375)\n\
                recode måneder (min/-1 = .) (0/11 = 1) (12/59 = 2) (60/max = 3)\n";
    let question = last(&format!("{made}tabulate måneder kjønn"));
    let [sum] = &question.sums[..] else { panic!("one sum") };
    // The first day of the next class is the first whole number at or above 12 · 30.4375, and 60 ·.
    let borders: Vec<i64> = sum.classes.iter().map(|(first, _)| *first).collect();
    assert_eq!((borders, sum.missing), (vec![0, 366, 1827], false));
    assert_eq!(question.joints[0].category_of, [Some(0), Some(1), Some(2)]);
    let with_missing = last(&format!("{made}tabulate måneder kjønn, missing"));
    assert!(with_missing.sums[0].missing && with_missing.sums[0].classes.len() == 4);
    let condition = last(&format!("{made}keep if død > d & død - d < 100\ntabulate kjønn"));
    assert_eq!((condition.sums.len(), condition.conditions.len()), (1, 2));
    assert_eq!(condition.sums[0].classes.first().map(|(first, _)| *first), Some(1));
}

/// Whose numbers add up to a value column.
fn sides(column: &ValueColumn) -> Vec<Side> {
    column.parts.iter().map(|part| part.side).collect()
}

#[test]
fn a_value_is_cut_into_a_number_of_each_owner() {
    let value = |made: &str| {
        let question = last(&format!("generate x = {made}\ntabulate kjønn, summarize(x) mean std"));
        let value = question.value().expect("a value").clone();
        (question, value)
    };
    let (question, sum) = value("lønn + 1000 * stadium");
    assert_eq!(sides(&sum), [Side::Right, Side::Left]);
    assert!(question.right.expect("krg").value.is_some() && question.left.value.is_some());
    // What a factor, a constant and the order change: nothing that noise depends on.
    let form = |made: &str| {
        let (_, value) = value(made);
        let form = |coding: &Coding| (coding.high - coding.low, coding.centre - coding.low);
        value.parts.iter().map(|part| (part.side, form(&part.coding))).collect::<Vec<_>>()
    };
    let plain = form("lønn + 1000 * stadium");
    for same in ["1000 * stadium + lønn", "3 * (lønn + stadium * 1000)", "lønn / 2 + 500 * stadium - 77"] {
        assert_eq!(form(same), plain, "{same}");
    }
    // Another factor of one of them does.
    assert_ne!(form("lønn + 2000 * stadium"), plain);
    // Where others' values are in a condition only, it is one of the question's.
    let (question, alone) = value("lønn if stadium == 1");
    assert_eq!((sides(&alone), question.right.expect("krg").filters.len()), (vec![Side::Left], 1));
    let (question, both) = value("lønn - stadium if stadium > lønn");
    assert_eq!((sides(&both).len(), question.conditions.len()), (2, 1));
}

#[test]
fn what_cannot_be_computed_across_owners_says_why() {
    for (statement, code) in [
        ("generate x = lønn * stadium\nsummarize x", "mixed-owners"),
        (
            "generate x = lønn - stadium\nreplace x = 0 if stadium == 1\ntabulate kjønn, summarize(x)",
            "mixed-owners",
        ),
        ("generate x = floor((lønn - stadium) / 12)\nsummarize x", "mixed-owners"),
        ("generate x = lønn / stadium\nsummarize x", "mixed-owners"),
        ("generate x = stadium + ln(lønn)\nsummarize x", "no-bounds"),
        ("generate x = lønn * doser\ngenerate y = x > 5\ntabulate y", ""),
        ("generate x = lønn / sivstand > doser\ntabulate x", "not-across-owners"),
        ("generate x = (lønn - doser) / 3 + (lønn - stadium) / 7 > 0\ntabulate x", "not-across-owners"),
        ("generate x = sqrt(lønn) > doser\ntabulate x", "not-across-owners"),
    ] {
        let expected: Vec<&str> = [code].into_iter().filter(|code| !code.is_empty()).collect();
        assert_eq!(codes_after_prelude(statement), expected, "{statement}");
    }
}

#[test]
fn whole_numbers_between_open_ranges_are_categories() {
    let dates = "import kreft/KRG_DIAGNOSEDATO as d\nimport db/BEFOLKNING_DOEDS_DATO as død\n\
                 generate måneder = floor((død - d) / 30.4375)\nrecode måneder (min/-1 = .) (61/max = .)\n";
    let question = last(&format!("{dates}tabulate måneder"));
    assert_eq!((question.joints[0].categories.len(), question.sums[0].classes.len()), (61, 61));
    let alone = last("recode lønn (min/5 = 5) (9/max = 9) (7 = 6)\ntabulate lønn");
    assert_eq!(values(&alone, Side::Left), ["5", "6", "8", "9"]);
    // With only one of the two, nobody knows where the rest ends.
    assert_eq!(values(&last("recode lønn (min/5 = 5)\ntabulate lønn"), Side::Left), ["5"]);
}

#[test]
fn a_question_has_no_more_sums_than_a_product_joins_and_a_script_no_more_work_than_its_budget() {
    let dates = "import kreft/KRG_DIAGNOSEDATO as d\nimport db/BEFOLKNING_DOEDS_DATO as død\n";
    let differences = |count: u32| -> String {
        let terms: Vec<String> = (1..=count).map(|times| format!("død - {times} * d > -9999999")).collect();
        format!("{dates}keep if {}", terms.join(" & "))
    };
    assert_eq!(codes_after_prelude(&differences(8)), [""; 0]);
    assert_eq!(codes_after_prelude(&differences(9)), ["too-many-combinations"]);
    // What is found again for every question is counted every time.
    let months = format!("{dates}keep if month(d) == month(død)\n{}", "tabulate kjønn\n".repeat(900));
    assert_eq!(codes_after_prelude(&months), [""; 0]);
    let four = "keep if month(d) == month(død) | quarter(d) + halfyear(d) == month(død) + quarter(død)\n";
    let codes = codes_after_prelude(&format!("{dates}{}{}", four.repeat(5), "tabulate kjønn\n".repeat(900)));
    assert!(codes.iter().any(|code| ["not-across-owners", "plan-too-large"].contains(code)), "{codes:?}");
}

#[test]
fn maximum_and_minimum_over_owners_are_distributed() {
    let question = last("generate m = rowmax(stadium, doser)\nrecode m (min/2 = 0) (3/max = 1)\ntabulate m");
    assert_eq!(question.joints[0].categories.len(), 2);
    let dates = "import kreft/KRG_DIAGNOSEDATO as d\nimport db/BEFOLKNING_DOEDS_DATO as død\n\
                 generate sist = rowmin(død, d)\ngenerate tidlig = sist < date(2010, 1, 1)\ntabulate tidlig";
    let question = last(dates);
    assert!(question.sums.len() == 1 && question.joints[0].categories.len() == 2);
}

#[test]
fn what_a_generated_column_may_be_is_public() {
    let truth = last("generate rik = lønn > 500000\ntabulate rik");
    assert_eq!(values(&truth, Side::Left), ["0", "1"]);
    let constant = last("generate alle = 1\ntabulate alle stadium");
    assert_eq!(values(&constant, Side::Left), ["1"]);
    let labelled = last("replace sivstand = 3 if sivstand == 2\ntabulate sivstand");
    let wanted = [("1", "Ugift"), ("2", "Gift"), ("3", "3"), ("10", "Separert"), ("0", "Uoppgitt")];
    assert_eq!(categories(&labelled, Side::Left), wanted.map(|(value, label)| (value.into(), label.into())));
    assert_eq!(codes_after_prelude("generate y = lønn / 2\ntabulate y"), ["needs-categories"]);
    assert_eq!(codes_after_prelude("tabulate lønn"), ["needs-categories"]);
    assert_eq!(codes_after_prelude("generate y = .\ntabulate y"), ["no-categories"]);
}

#[test]
fn a_column_generated_under_a_condition_is_missing_elsewhere() {
    let question = last("generate y = 1 if kjønn == \"2\"\ntabulate y, missing");
    assert_eq!(values(&question, Side::Left), ["1", "missing"]);
    let Expression::Case { arms, otherwise } = &question.left.dimensions[0].expression else {
        panic!("a case")
    };
    assert_eq!(arms.len(), 1);
    assert_eq!(**otherwise, Expression::Missing(ValueType::Number));
}

#[test]
fn codes_are_those_valid_at_the_date_of_the_import() {
    let script = |date| {
        format!(
            "require no.ssb.fdb:54 as db\ncreate-dataset d\nimport db/BEFOLKNING_KOMMNR_FORMELL {date} as k\ntabulate k"
        )
    };
    let mut catalogue = catalogue();
    let days = ["2017-01-01", "2023-01-01"].map(support::day).to_vec();
    catalogue.datastores[4].variables[2].dates = kobling_model::catalogue::AvailableDates::Days { days };
    let codes = |date| {
        let plan = plan(&script(date), &catalogue).expect("in order");
        values(plan.questions.last().expect("a table"), Side::Left)
    };
    assert_eq!(codes("2017-01-01"), ["0301", "1103", "1601", "9999"]);
    assert_eq!(codes("2023-01-01"), ["0301", "1103", "5001", "9999"]);
}

#[test]
fn the_first_rule_of_a_recode_wins_and_the_rest_stays() {
    let question = last(
        "recode sivstand (1 2 = 7 \"Ung eller gift\") (2 = 8) (missing = 99 ukjent missing)\ntabulate sivstand",
    );
    let wanted =
        [("7", "Ung eller gift"), ("8", "8"), ("10", "Separert"), ("0", "Uoppgitt"), ("99", "ukjent")];
    assert_eq!(categories(&question, Side::Left), wanted.map(|(value, label)| (value.into(), label.into())));
    assert_eq!(
        written(&question.left.dimensions[0].expression),
        "case { (($1 == 1) | ($1 == 2)) => 7, ($1 == 2) => 8, Sysmiss($1) => 99, else $1 }"
    );
}

#[test]
fn a_recode_to_another_type_must_say_what_becomes_of_the_rest() {
    assert_eq!(codes_after_prelude("recode kjønn (\"1\" = 1)"), ["recode-rest"]);
    assert_eq!(codes_after_prelude("recode kjønn (\"1\" = 1) (\"2\" = 0)\ntabulate kjønn"), [""; 0]);
    assert_eq!(codes_after_prelude("recode kjønn (\"1\" = 1) (* = .)\ntabulate kjønn"), [""; 0]);
    assert_eq!(codes_after_prelude("recode lønn (1 = \"en\")"), ["recode-rest"]);
    assert_eq!(codes_after_prelude("recode kjønn (1 = 0)"), ["text-with-number"]);
    assert_eq!(codes_after_prelude("recode lønn (1 = 0) (2 = \"to\")"), ["targets-mixed"]);
    assert_eq!(codes_after_prelude("recode lønn (7/1 = 0)"), ["range-backwards"]);
}

#[test]
fn recoded_values_go_to_new_variables_where_asked() {
    let question = last("recode sivstand stadium (1 = 0), prefix(ny_)\ntabulate ny_sivstand ny_stadium");
    assert_eq!(values(&question, Side::Left), ["0", "2", "10"]);
    let question = last("recode sivstand (1 = 0), generate(s2)\ntabulate sivstand s2");
    assert_eq!(question.left.dimensions.len(), 2);
    assert_eq!(codes_after_prelude("recode sivstand stadium (1 = 0), generate(a)"), ["recode-names"]);
    assert_eq!(codes_after_prelude("recode sivstand (1 = 0), generate(lønn)"), ["name-taken"]);
}

#[test]
fn labels_name_values_and_make_categories_where_there_are_none() {
    let question =
        last("define-labels l 0 'Lav' 1 Høy\ngenerate t = floor(lønn / 1e6)\nassign-labels t l\ntabulate t");
    assert_eq!(categories(&question, Side::Left), [("0".into(), "Lav".into()), ("1".into(), "Høy".into())]);
    let question = last("define-labels l 1 Han 2 Hun\nassign-labels kjønn l\ntabulate kjønn");
    assert_eq!(categories(&question, Side::Left), [("1".into(), "Han".into()), ("2".into(), "Hun".into())]);
    let question = last("tabulate kjønn, nolabels");
    assert_eq!(categories(&question, Side::Left), [("1".into(), "1".into()), ("2".into(), "2".into())]);
    assert_eq!(codes_after_prelude("define-labels l a b\nassign-labels lønn l"), ["label-type"]);
    assert_eq!(codes_after_prelude("define-labels l 1 b\nassign-labels lønn ll"), ["unknown-labels"]);
}

#[test]
fn options_are_shown_in_the_order_written_and_counts_where_nothing_is() {
    let shows = |options: &str| match last(&format!("tabulate kjønn stadium{options}")).kind {
        QuestionKind::Table(shape) => (shape.shows, shape.missing),
        QuestionKind::Population { .. } | QuestionKind::Edit(_) => panic!("a table"),
    };
    assert_eq!(shows(""), (vec![Show::Frequency], false));
    assert_eq!(shows(", missing colpct freq colpct"), (vec![Show::ColumnPercent, Show::Frequency], true));
    assert_eq!(codes_after_prelude("tabulate kjønn, summarize(lønn) p50"), ["not-available-yet"]);
    assert_eq!(codes_after_prelude("tabulate kjønn, rowpc"), ["unknown-option"]);
    assert_eq!(codes_after_prelude("tabulate kjønn, freq()"), ["option-form"]);
    assert_eq!(codes_after_prelude("tabulate kjønn, summarize"), ["option-form"]);
}

/// The value column of the last question of what follows the prelude.
fn value(rest: &str) -> ValueColumn {
    last(rest).value().cloned().expect("a value column")
}

fn shows(question: &Question) -> Vec<Show> {
    match &question.kind {
        QuestionKind::Table(shape) => shape.shows.clone(),
        QuestionKind::Population { .. } | QuestionKind::Edit(_) => panic!("a table"),
    }
}

#[test]
fn statistics_stand_among_what_is_shown_in_the_order_written_and_the_mean_is_the_default() {
    let of = |options: &str| shows(&last(&format!("tabulate kjønn stadium, {options}")));
    assert_eq!(of("summarize(lønn)"), [Show::Mean]);
    assert_eq!(of("freq summarize(lønn) rowpct"), [Show::Frequency, Show::Mean, Show::RowPercent]);
    assert_eq!(of("std freq summarize(lønn) sum"), [Show::StandardDeviation, Show::Frequency, Show::Sum]);
    assert_eq!(codes_after_prelude("tabulate kjønn, freq std sum"), ["statistic-of-nothing"]);
    assert!(value("tabulate kjønn, summarize(lønn) std").squares);
    assert!(!value("tabulate kjønn, summarize(lønn) mean sum").squares);
}

#[test]
fn the_number_is_its_owners_and_no_other_fragment_has_it() {
    let mine = last("tabulate stadium, summarize(lønn)");
    assert_eq!(mine.left.value.as_ref().map(written).as_deref(), Some("$1"));
    assert!(mine.right.as_ref().is_some_and(|right| right.value.is_none()));
    let theirs = last("generate dobbel = stadium * 2\ntabulate kjønn, summarize(dobbel)");
    let right = theirs.right.as_ref().expect("the number alone needs the second owner");
    assert_eq!((right.owner.as_str(), right.dimensions.len()), ("krg", 0));
    assert_eq!(right.value.as_ref().map(written).as_deref(), Some("($0 * 2)"));
    assert!(theirs.left.value.is_none());
    assert_eq!(theirs.value().map(sides), Some(vec![Side::Right]));
    let constant = last("generate en = 1\ntabulate stadium, summarize(en)");
    assert_eq!(constant.value().map(sides), Some(vec![Side::Left]));
    let third = last("tabulate kjønn stadium, summarize(doser)");
    assert_eq!(third.value().map(sides), Some(vec![Side::Other(0)]));
    assert!(third.others[0].value.is_some() && third.right.is_some_and(|right| right.value.is_none()));
}

#[test]
fn summarize_asks_one_question_for_each_variable_over_the_whole_dataset() {
    let plan = plan_after_prelude("keep if kjønn == \"2\"\nsummarize lønn stadium if stadium > 1");
    let [lønn, stadium] = &plan.questions[plan.questions.len() - 2..] else { panic!("two questions") };
    for (question, name) in [(lønn, "lønn"), (stadium, "stadium")] {
        let QuestionKind::Table(shape) = &question.kind else { panic!("a table") };
        assert!(shape.variables.is_empty());
        assert_eq!(shape.shows, [Show::Frequency, Show::Mean, Show::StandardDeviation]);
        let value = shape.value.as_ref().expect("a value column");
        assert!(value.name == name && value.squares);
        assert_eq!(filters(question, Side::Left), ["($0 == \"2\")"]);
        assert_eq!(filters(question, Side::Right), ["($0 > 1)"]);
        assert_eq!(kobling_model::table::inner_cell_of_combination(question), [Some(0)]);
    }
    assert!(last("summarize lønn").right.is_none());
    assert!(last("summarize stadium").right.is_some());
}

#[test]
fn bounds_come_from_the_catalogue_through_the_expression() {
    // Bounds and centre, as the coding has them.
    let coded = |rest: &str| {
        let Coding { unit, from, low, high, centre, decimals } = value(rest).coding;
        let of = |code: i64| from.0 + (code - low) as f64 * unit.0;
        (decimals, of(low), of(high).round(), of(centre).round())
    };
    assert_eq!(coded("summarize lønn"), (0, 0.0, 1_500_000.0, 400_000.0));
    assert_eq!(coded("generate t = lønn / 1000\nsummarize t"), (3, 0.0, 1500.0, 400.0));
    // Of a code list without public constants, from its codes, those that say why there is no value too.
    assert_eq!(coded("summarize sivstand"), (0, 0.0, 10.0, 5.0));
    assert_eq!(coded("generate x = 2 * stadium\nsummarize x"), (0, 2.0, 8.0, 5.0));
    let some = "generate x = lønn if kjønn == \"2\"\nreplace x = -5 if lønn == 0\nsummarize x";
    assert_eq!((coded(some).1, coded(some).2), (-5.0, 1_500_000.0));
    let died = "import db/BEFOLKNING_DOEDS_DATO as død\nsummarize død";
    assert_eq!(coded(died), (0, 3600.0, 20_000.0, 10_000.0));
}

#[test]
fn what_cannot_be_summed_is_refused_at_its_place() {
    for (statements, code) in [
        ("summarize kjønn", "text-summarized"),
        ("tabulate stadium, summarize(kjønn)", "text-summarized"),
        ("generate x = lønn / sivstand\nsummarize x", "no-bounds"),
        ("generate x = ln(lønn)\ntabulate kjønn, summarize(x) std", "no-bounds"),
        ("generate x = lønn * lønn * lønn\nsummarize x", "bounds-too-large"),
        ("import db/BEFOLKNING_MOR_FNR as mor\nsummarize mor", "key-in-table"),
        ("tabulate kjønn, summarize(lonn)", "unknown-name"),
        ("tabulate kjønn, summarize(lønn stadium)", "too-many-variables"),
        ("tabulate kjønn, summarize(lønn) summarize(stadium)", "too-many-variables"),
        ("tabulate kjønn, summarize($x)", "unknown-binding"),
        ("tabulate kjønn, summarize()", "expected"),
        ("tabulate kjønn, summarize(1 + 2)", "expected"),
        ("summarize", "expected"),
    ] {
        assert_eq!(codes_after_prelude(statements), [code], "{statements}");
    }
    assert_eq!(codes_after_prelude("generate x = lønn / 12\nsummarize x lønn"), [""; 0]);
    assert_eq!(
        codes_after_prelude("generate x = lønn / kj\nsummarize x\ntabulate kjønn, summarize(x)"),
        ["unknown-name"]
    );
    let unbounded = "require no.ssb.fdb:54 as db\ncreate-dataset j\nimport db/JOBB_LONN as l\nsummarize l\n";
    assert_eq!(check(unbounded, &catalogue()).expect_err("no bounds")[0].code(), "no-bounds");
}

#[test]
fn public_constants_that_are_none_bound_nothing() {
    let mut catalogue = catalogue();
    let script = format!("{PRELUDE}summarize lønn\n");
    for (low, high) in [(2.0, 1.0), (f64::NAN, 1.0), (0.0, f64::INFINITY)] {
        let range = Range { low, high, centre: 0.0 };
        let wages = |variable: &&mut Variable| variable.name.as_str() == "INNTEKT_WLONN";
        let variables = &mut catalogue.datastores[4].variables;
        variables.iter_mut().find(wages).expect("there").range = Some(range);
        assert_eq!(check(&script, &catalogue).expect_err("no bounds")[0].code(), "no-bounds");
    }
}

#[test]
fn the_order_of_variables_survives_that_owners_compute_apart() {
    let question = last("tabulate stadium kjønn lokalisasjon");
    let QuestionKind::Table(shape) = &question.kind else { panic!("a table") };
    let places: Vec<_> = shape.variables.iter().map(|variable| variable.place).collect();
    let own = |side, dimension| Place::Own { side, dimension };
    assert_eq!(places, [own(Side::Right, 0), own(Side::Left, 0), own(Side::Right, 1)]);
    assert_eq!(kobling_model::table::inner_cell_of_combination(&question).len(), 2 * 4 * 4);
}

#[test]
fn a_table_and_each_side_of_it_are_bounded() {
    let wide = "generate a = day(dato)\n".replace("dato", "lønn");
    let table = |count: usize| format!("{wide}tabulate{}", " a".repeat(count));
    assert_eq!(codes_after_prelude(&table(2)), [""; 0]);
    assert_eq!(codes_after_prelude(&table(3)), ["too-many-categories"]);
    assert_eq!(codes_after_prelude(&table(4)), ["too-many-cells"]);
}

#[test]
fn dates_are_exactly_those_that_the_variable_has() {
    let import = |what: &str| codes_after_prelude(&format!("import {what} as ny"));
    assert_eq!(import("db/BEFOLKNING_KJOENN 2023-01-01"), ["date-given"]);
    assert_eq!(import("db/INNTEKT_WLONN"), ["date-needed"]);
    assert_eq!(import("db/INNTEKT_WLONN 2022-12-31"), [""; 0]);
    assert_eq!(import("db/INNTEKT_WLONN 2023-01-01"), ["wrong-date"]);
    assert_eq!(import("db/BEFOLKNING_KOMMNR_FORMELL 2022-01-02"), ["wrong-date"]);
    assert_eq!(import("db/NUDB_BU 1970-09-30"), ["wrong-date"]);
    assert_eq!(import("db/NUDB_BU 2023-02-30"), ["not-a-day"]);
    assert_eq!(import("db/NUDB_BU 2023-1-1"), ["not-a-day"]);
    let source = format!("{PRELUDE}import db/BEFOLKNING_KOMMNR_FORMELL 2022-05-17 as ny\n");
    let diagnostics = check(&source, &catalogue()).expect_err("no such date");
    assert_eq!(diagnostics[0].advice(Language::English), "nearest valid dates: 2022-01-01, 2023-01-01");
}

#[test]
fn keys_are_in_no_expression_and_no_table() {
    let mother = "import db/BEFOLKNING_MOR_FNR as mor\n";
    for (statement, code) in [
        ("tabulate mor", "key-in-table"),
        ("generate x = mor == \"1\"", "key-in-expression"),
        ("keep if sysmiss(mor)", "key-in-expression"),
        ("recode mor (nonmissing = 1)", "key-in-expression"),
        ("replace mor = \"1\"", "key-in-expression"),
        ("define-labels l 1 a\nassign-labels mor l", "key-in-expression"),
    ] {
        assert_eq!(codes_after_prelude(&format!("{mother}{statement}")), [code], "{statement}");
    }
    assert_eq!(codes_after_prelude(&format!("{mother}rename mor mor2\ndrop mor2")), [""; 0]);
}

#[test]
fn types_are_checked_and_missing_is_only_given() {
    for (statement, code) in [
        ("generate x = kjønn + 1", "text-in-arithmetic"),
        ("generate x = -kjønn", "text-in-arithmetic"),
        ("keep if kjønn", "text-in-logic"),
        ("keep if kjønn & 1", "text-in-logic"),
        ("keep if kjønn == 1", "text-with-number"),
        ("keep if inlist(kjønn, 1, 2)", "text-with-number"),
        ("keep if lønn == .", "missing-compared"),
        ("keep if lønn > 2020-01-01", "date-in-expression"),
        ("keep if lønn = 1", "single-equals"),
        ("keep if lønn == 1 && lønn == 2", "doubled-operator"),
        ("replace lønn = \"a\"", "type-changes"),
        ("generate x = length(lønn)", "argument-type"),
        ("generate x = sqrt(kjønn)", "argument-type"),
        ("generate x = round(lønn, 1, 2)", "argument-count"),
        ("generate x = inrange(lønn, 1)", "argument-count"),
        ("generate x = flor(lønn)", "unknown-function"),
        ("generate x = quantile(lønn, 1)", "quantile-parts"),
        ("generate x = quantile(kjønn, 4)", "argument-type"),
        ("generate x = quantile(stadium, 4)", "not-local"),
        ("generate x = lonn", "unknown-name"),
    ] {
        assert_eq!(codes_after_prelude(statement), [code], "{statement}");
    }
    assert_eq!(codes_after_prelude("replace kjønn = .\nreplace lønn = . if lønn < 0"), [""; 0]);
}

#[test]
fn lists_and_ranges_are_comparisons_and_constants_are_computed() {
    let expression = |text: &str| {
        written(&last(&format!("generate x = {text}\ntabulate x")).left.dimensions[0].expression)
    };
    assert_eq!(expression("inlist(kjønn, \"1\", \"2\")"), "(($0 == \"1\") | ($0 == \"2\"))");
    assert_eq!(expression("inrange(lønn, 1, 2 * 3)"), "(($1 >= 1) & ($1 <= 6))");
    assert_eq!(expression("date(2015, 12, 31)"), "16800");
    assert_eq!(expression("-(2 - 5)"), "3");
    assert_eq!(expression("!(lønn > 1) & 1"), "(!($1 > 1) & 1)");
    assert_eq!(expression("1 + 2 * 3 == 7 | 0"), "1");
    assert_eq!(expression("lønn - 1 - 2 > 0"), "((($1 - 1) - 2) > 0)");
}

#[test]
fn comments_continuation_marks_and_line_ends_change_nothing() {
    let plain = plan_of(&format!("{PRELUDE}tabulate kjønn stadium, freq rowpct\n"));
    let dressed = format!(
        "\u{feff}{}tabulate \\ // first\r\n  kjønn stadium, \\\r\n # in between\r\n freq rowpct // end\r\n",
        PRELUDE.replace('\n', "\r\n")
    );
    let dressed = plan_of(&dressed);
    assert_eq!(dressed, plain);
    let block = plan_of(&format!("textblock\n# Overskrift \"\nimport tull '\nendblock\n{PRELUDE}"));
    assert_eq!(block.questions[0].line, 5 + 4);
}

#[test]
fn a_command_and_its_parenthesis_may_touch() {
    assert_eq!(codes_after_prelude("collapse(mean) lønn, by(kommune)"), [""; 0]);
    assert_eq!(codes_after_prelude("keep if(lønn>1)"), [""; 0]);
    assert_eq!(codes_after_prelude("recode sivstand(1=2)"), [""; 0]);
}

#[test]
fn every_command_of_the_language_is_known_and_none_is_skipped() {
    for statement in [
        "anova lønn kommune, posthoc",
        "ci lønn, level(99)",
        "correlate lønn stadium if lønn > 1, pairwise sig",
        "normaltest lønn",
        "transitions-panel a b",
        "barchart(mean) lønn, over(kommune) stack",
        "boxplot lønn, over(kommune)",
        "coefplot regress lønn stadium",
        "hexbin lønn stadium, gridsize(20)",
        "histogram lønn, percent bin(10)",
        "piechart kommune",
        "sankey kommune stadium",
        "regress lønn i.kommune c.stadium##kommune a#b, robust cluster(kommune)",
        "ivregress lønn a (b = c d) e, gmm",
        "logit-predict lønn stadium, predicted(p)",
        "oaxaca lønn stadium by kjønn, pool",
        "rdd a b c, cutoff(0) polynomial(2)",
        "summarize lønn if stadium == 1, gini",
        "tabulate kjønn, summarize(lønn) mean p25",
        "tabulate-panel kommune date@panel, rowpct",
        "clear",
        "load 'mitt skript'",
        "save navn, edit",
        "help tabulate",
        "help-function year",
        "history",
        "variables db/NUDB_BU db/INNTEKT_WLONN",
        "configure nocache, alpha",
        "cox død tid lønn, hazard",
        "kaplan-meier START@x STOP@x, by(kommune)",
        "weibull a b",
    ] {
        assert_eq!(codes_after_prelude(statement), ["not-available-yet"], "{statement}");
    }
}

#[test]
fn datasets_are_made_from_others_and_what_cannot_be_says_why() {
    for (statement, expected) in [
        ("delete-dataset d", None),
        ("clone-dataset d e\nuse e\ntabulate kjønn", None),
        ("clone-units d e\nuse e\nimport db/BEFOLKNING_KJOENN as sex\ntabulate sex", None),
        ("rename-dataset d e\nuse e", None),
        ("clone-dataset d d", Some("dataset-taken")),
        ("clone-variables lønn -> lønn2 kommune -> by", None),
        ("clone-variables lønn kommune, suffix(_x)", None),
        ("clone-variables lønn", Some("needs-new-name")),
        (
            "aggregate (mean) lønn -> m (sum) lønn -> s, by(kommune)\ngenerate over = lønn > m\ntabulate over",
            None,
        ),
        ("aggregate (mean) lønn, by(kommune)", Some("needs-new-name")),
        ("aggregate (snitt) lønn -> m, by(kommune)", Some("unknown-statistic")),
        ("aggregate (mean) kommune -> m, by(kjønn)", Some("statistic-of-text")),
        ("aggregate (mean) lønn -> m, by(lokalisasjon)", Some("not-local")),
        ("collapse (mean) lønn -> m, by(kommune)", None),
        ("collapse (mean) lønn -> m, by(kommune)\ntabulate kommune", Some("dataset-of-groups")),
        ("collapse (mean) lønn -> m", Some("no-key")),
        ("keep if stadium == 1\ncollapse (mean) lønn -> m, by(kommune)", Some("not-local")),
        ("merge lønn into d", Some("same-dataset")),
        ("merge lønn into annet", Some("unknown-dataset")),
        ("destring kommune, prefix(n_) force", None),
        ("destring lokalisasjon", Some("not-numbers")),
        ("destring lønn", Some("number-already")),
        ("define-labels l 1 En\ndrop-labels l", None),
        ("drop-labels l", Some("unknown-labels")),
        ("sample 0.5 42", None),
        ("sample 5000 42", None),
        ("sample 1000 42", Some("sample-size")),
        ("sample 0.5 -1", Some("sample-seed")),
        ("keep if stadium == 1\nsample 0.5 42", None),
        ("keep if stadium == 1\nsample 5000 42", Some("not-local")),
        ("import-event db/NUDB_BU 2020-01-01 to 2021-01-01 as bu", Some("second-event-import")),
        (
            "create-dataset e\nimport-event db/NUDB_BU 2021-01-01 to 2020-01-01 as bu",
            Some("period-backwards"),
        ),
        ("create-dataset e\nimport-event db/INNTEKT_WLONN 2020-01-01 to 2021-01-01", Some("no-spells")),
        (
            "create-dataset e\nimport-event db/NUDB_BU 2020-01-01 to 2021-01-01 as bu\ntabulate bu",
            Some("dataset-of-spells"),
        ),
        (
            "create-dataset e\nimport-event db/NUDB_BU 2020-01-01 to 2021-01-01 as bu\nimport kreft/KRG_STADIUM as s\nkeep if s == 1",
            Some("not-local"),
        ),
    ] {
        let expected: Vec<_> = expected.into_iter().collect();
        assert_eq!(codes_after_prelude(statement), expected, "{statement}");
    }
}

#[test]
fn groups_of_groups_end_in_a_diagnostic_after_a_few_steps_however_they_refer_to_each_other() {
    // Each step's key has all columns of the step before: ways through them are eight times as many with every step.
    let names = |step: usize| (0..8).map(move |column| format!("c{step}_{column}"));
    let steps = |count: usize| -> String {
        let start: String = names(0).map(|name| format!("generate {name} = lønn\n")).collect();
        (1..=count).fold(start, |script, step| {
            let key = names(step - 1).collect::<Vec<_>>().join(" + ");
            let made: String = names(step).map(|name| format!(" lønn -> {name}")).collect();
            script + &format!("generate k{step} = {key} + {step}\naggregate (mean){made}, by(k{step})\n")
        })
    };
    assert_eq!(codes_after_prelude(&steps(8)), [""; 0]);
    assert_eq!(codes_after_prelude(&steps(40)), ["plan-too-large"]);
}

#[test]
fn a_count_of_any_number_of_rows_is_summed_only_once_it_is_bounded() {
    let cases = "require no.krg.kreft:2 as k\ncreate-dataset c\nimport k/KRG_TILFELLE_LOKALISASJON as sted\n\
                 import k/KRG_TILFELLE_PERSON as person\ncollapse (count) sted -> n, by(person)\n";
    let codes = |rest: &str| match check(&format!("{cases}{rest}"), &catalogue()) {
        Ok(_) => Vec::new(),
        Err(diagnostics) => diagnostics.iter().map(|diagnostic| diagnostic.problem.code()).collect(),
    };
    assert_eq!(codes("summarize n"), ["no-bounds"]);
    assert_eq!(codes("generate m = n + 1\nsummarize m"), ["no-bounds"]);
    assert_eq!(codes("generate m = rowmin(n, 10)\nsummarize m"), [""; 0]);
}

#[test]
fn a_fault_is_reported_once_and_what_depends_on_it_is_not_blamed() {
    assert_eq!(
        codes_after_prelude("generate x = lonn\nreplace x = 1 if x > 2\ntabulate x\ndrop x"),
        ["unknown-name"]
    );
    assert_eq!(codes_after_prelude("import db/NUDB_B 2022-01-01 as bu\ntabulate bu"), ["unknown-variable"]);
    assert_eq!(codes_after_prelude("genrate x = 1\ntabulate x"), ["unknown-command"]);
    assert_eq!(codes_after_prelude("generate x = (1\ntabulate x"), ["expected"]);
    assert_eq!(
        codes_after_prelude("merge lønn into b\nuse b\ntabulate a"),
        ["unknown-dataset", "unknown-dataset"]
    );
    let source = "require no.ssb.fbd:54 as db\ncreate-dataset d\nimport db/X as x\ntabulate x\n";
    let diagnostics = check(source, &catalogue()).expect_err("unknown datastore");
    assert_eq!(diagnostics.len(), 1, "{}", rendered(&diagnostics, source));
}

#[test]
fn all_faults_of_a_script_are_reported_at_once_in_order_of_place() {
    let codes = codes_after_prelude(
        "generate x = lonn + kjonn\nkeep if stadum == 1 & sivstad == 2\nimport db/BEFOLKNING_KJONN\ntabulat x\n\
         tabulate kjønn 'tekst\nuse e",
    );
    assert_eq!(
        codes,
        [
            "unknown-name",
            "unknown-name",
            "unknown-name",
            "unknown-name",
            "unknown-variable",
            "unknown-command",
            "unterminated-text",
            "unknown-dataset"
        ]
    );
}

#[test]
fn datasets_datastores_and_names_must_exist_and_be_new() {
    assert_eq!(codes_after_prelude("require no.ssb.fdb:99 as x"), ["unknown-version"]);
    assert_eq!(codes_after_prelude("require no.ssb.fdb:53 as db"), ["alias-taken"]);
    assert_eq!(codes_after_prelude("require no.ssb.fdb as x"), ["invalid-datastore"]);
    assert_eq!(codes_after_prelude("require no.ssb.fdb:54.1.0 as x"), ["invalid-datastore"]);
    assert_eq!(codes_after_prelude("create-dataset d"), ["dataset-taken"]);
    assert_eq!(codes_after_prelude("use dd"), ["unknown-dataset"]);
    assert_eq!(codes_after_prelude("import bd/NUDB_BU 2022-01-01"), ["unknown-alias"]);
    assert_eq!(codes_after_prelude("import db/JOBB_LONN"), ["unit-type-differs"]);
    assert_eq!(codes_after_prelude("generate lønn = 1"), ["name-taken"]);
    assert_eq!(codes_after_prelude("rename lønn kjønn"), ["name-taken"]);
    assert_eq!(codes_after_prelude("import db/INNTEKT_WLONN 2022-01-01, outer_join"), [""; 0]);
    assert_eq!(
        codes_after_prelude("import db/INNTEKT_WLONN 2022-01-01, outer_join inner_join"),
        ["joins-mixed"]
    );
    assert_eq!(
        codes_after_prelude("keep if stadium == 1\nimport db/INNTEKT_WLONN 2022-01-01, outer_join"),
        ["outer-join-across-owners"]
    );
    assert_eq!(
        codes_after_prelude("import db/SIVSTANDFDT_SIVSTAND 2022-01-01 as s, values(\"1\")"),
        ["label-type"]
    );
    assert_eq!(codes_after_prelude("import db/BEFOLKNING_MOR_FNR as mor, values(1)"), ["values-of-pointer"]);
    assert_eq!(
        codes_after_prelude("import db/BEFOLKNING_MOR_FNR as mor, values_from(d)"),
        ["values-of-another"]
    );
    assert_eq!(
        codes_after_prelude(
            "keep if stadium == 1\ncreate-dataset e\nimport db/BEFOLKNING_MOR_FNR as mor, values_from(d)"
        ),
        ["not-local"]
    );
    assert_eq!(
        codes_after_prelude(
            "create-dataset a\nimport db/BEFOLKNING_KJOENN as k\nkeep if k == \"2\"\ncreate-dataset e\nimport db/BEFOLKNING_MOR_FNR as mor, values_from(a)"
        ),
        [""; 0]
    );
    assert_eq!(codes_after_prelude("create-dataset e\ngenerate x = 1\ntabulate x"), ["no-population"]);
    let no_dataset = check("require no.ssb.fdb:54 as db\nimport db/BEFOLKNING_KJOENN\n", &catalogue());
    assert_eq!(no_dataset.expect_err("no dataset")[0].code(), "no-dataset");
}

#[test]
fn what_a_script_requires_is_known_without_a_catalogue() {
    let script =
        "require no.ssb.fdb:54 as a\nrequire no.krg.kreft:2 as b\nrequire no.ssb.fdb:54 as c\ntull\n";
    let id = |text| DatastoreId::new(text).expect("valid");
    assert_eq!(required_datastores(script), Ok(vec![(id("no.krg.kreft"), 2), (id("no.ssb.fdb"), 54)]));
    let diagnostics = required_datastores("tull\nrequire no.ssb.fdb as a\n").expect_err("no version");
    assert_eq!(diagnostics.len(), 1);
    assert_eq!(
        (diagnostics[0].line, diagnostics[0].column, diagnostics[0].code()),
        (2, 9, "invalid-datastore")
    );
}

#[test]
fn growing_expressions_and_plans_end_in_a_diagnostic() {
    let doubling: String = (0..40).map(|_| "replace lønn = lønn + lønn\n").collect();
    assert_eq!(codes_after_prelude(&doubling), ["expression-too-large"]);
    let deepening: String = (0..100).map(|_| "replace lønn = lønn + 1\n").collect();
    assert_eq!(codes_after_prelude(&deepening), ["expression-too-large"]);
    let flat: String = (0..200).map(|i| format!("replace sivstand = {i} if stadium_er == {i}\n")).collect();
    let flat = format!("import db/SIVSTANDFDT_SIVSTAND 2022-01-01 as stadium_er\n{flat}tabulate sivstand");
    assert_eq!(codes_after_prelude(&flat), [""; 0]);
    let long = format!("keep if lønn == 0{}", " | lønn == 1".repeat(500));
    assert_eq!(codes_after_prelude(&long), [""; 0]);
    let inside = format!("keep if {}1{}", "(".repeat(100_000), ")".repeat(100_000));
    assert_eq!(codes_after_prelude(&inside), ["too-deep"]);
    let sum = format!("generate x = 1{}", " + lønn".repeat(100_000));
    assert_eq!(codes_after_prelude(&sum), ["too-deep"]);
    let many =
        "keep if inlist(lønn, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20)\n"
            .repeat(3000);
    assert_eq!(codes_after_prelude(&many).first(), Some(&"plan-too-large"));
    let asked = codes_after_prelude(&"tabulate kjønn\n".repeat(1000));
    assert_eq!(asked, ["plan-too-large"], "the prelude asks the first of a thousand questions");
    let long = "x".repeat(2 << 20);
    assert_eq!(codes_after_prelude(&long), ["script-too-long"]);
}

#[test]
fn plans_survive_their_json_form() {
    let nested = "replace lønn = lønn + 1\n".repeat(45);
    let plan = plan_after_prelude(&format!(
        "{nested}generate x = lønn > 4\ntabulate x stadium, summarize(lønn) std"
    ));
    let json = serde_json::to_string(&plan).expect("plans have a JSON form");
    assert_eq!(serde_json::from_str::<kobling_model::plan::Plan>(&json).expect("it can be read"), plan);
}
