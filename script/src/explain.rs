//! What a plan asks, for people: what each owner computes by itself, what runs on shares, under which rules, at what cost.

use std::fmt::Write as _;

use kobling_model::expression::{BinaryOperator, Expression, Value};
use kobling_model::joint::{Input, Joint};
use kobling_model::plan::{
    Fragment, Place, Plan, Question, QuestionKind, Rest, Show, Side, Source, TableShape,
};
use kobling_model::preparation::{By, Column, Key, Preparation, Rows};
use kobling_model::value::three_digits;

/// What several owners' data meet in, and what it costs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    /// Columns are joined one after the other, not multiplied at once.
    pub joined: bool,
    /// Bytes between nodes for each row.
    pub bytes_per_row: f64,
}

/// The plan, question by question. `cost` says what a question of several owners costs; none for those of one.
pub fn explain(plan: &Plan, cost: impl Fn(&Question) -> Option<Cost>) -> String {
    let mut out = String::new();
    for release in &plan.releases {
        line(&mut out, 0, &format!("{} {} of {}", release.datastore, release.version, release.owner));
    }
    for (at, question) in plan.questions.iter().enumerate() {
        out.push('\n');
        line(&mut out, 0, &format!("Question {}, line {}: {}", at + 1, question.line, question.text));
        line(&mut out, 1, &asked(question));
        for (side, fragment) in question.fragments() {
            owner(&mut out, question, side, fragment);
        }
        shares(&mut out, question, cost(question));
        line(&mut out, 1, &format!("rules: {}", rules(question)));
    }
    out
}

fn line(out: &mut String, level: usize, text: &str) {
    writeln!(out, "{:level$}{text}", "", level = 2 * level).expect("writing to memory does not fail");
}

fn asked(question: &Question) -> String {
    let units = question.unit_type.as_str();
    match &question.kind {
        QuestionKind::Population { dataset } => {
            format!("asks: are there enough units ({units}) in {dataset}? Only yes or no becomes known")
        }
        QuestionKind::Edit(edit) => {
            let also = match edit.rest {
                Rest::NotFew => ", and are those that it leaves out",
                Rest::Population => ", and are there enough left",
                Rest::Nothing => "",
            };
            format!(
                "asks: are the units ({units}) of {} that the edit touches not few{also}? Only whether it is carried out becomes known",
                edit.dataset
            )
        }
        QuestionKind::Table(shape) => {
            let shows: Vec<&str> = shape.shows.iter().map(|show| shown(*show)).collect();
            let of = shape.value.as_ref().map_or(String::new(), |value| format!(" of {}", value.name));
            let variables: Vec<&str> =
                shape.variables.iter().map(|variable| variable.name.as_str()).collect();
            let by = if variables.is_empty() {
                "the whole dataset".to_owned()
            } else {
                format!("{}, {} cells without margins", variables.join(" by "), cells(question, shape))
            };
            format!("asks: {}{of} of {by} (units: {units})", shows.join(", "))
        }
    }
}

fn shown(show: Show) -> &'static str {
    match show {
        Show::Frequency => "count",
        Show::RowPercent => "row percent",
        Show::ColumnPercent => "column percent",
        Show::CellPercent => "cell percent",
        Show::Mean => "mean",
        Show::StandardDeviation => "standard deviation",
        Show::Sum => "sum",
    }
}

fn cells(question: &Question, shape: &TableShape) -> usize {
    let size = |place: &Place| match place {
        Place::Own { side, dimension } => question
            .fragment(*side)
            .and_then(|fragment| fragment.dimensions.get(*dimension))
            .map_or(1, |dimension| dimension.categories.len()),
        Place::Joint(at) => question.joints.get(*at).map_or(1, |joint| joint.categories.len()),
    };
    shape.variables.iter().map(|variable| size(&variable.place)).product()
}

fn owner(out: &mut String, question: &Question, side: Side, fragment: &Fragment) {
    let role = match side {
        Side::Left => "by itself; the population is its first variable's units",
        Side::Right => "by itself",
        Side::Other(_) => "by itself, then in masked form to the two workers",
    };
    line(out, 1, &format!("{}, {role}", fragment.owner));
    for (at, preparation) in fragment.preparations.iter().enumerate() {
        prepared(out, at, preparation);
    }
    let sources = &fragment.sources;
    let read: Vec<String> = sources.iter().map(column).collect();
    if !read.is_empty() {
        line(out, 2, &format!("reads {}", read.join(", ")));
    }
    for filter in &fragment.filters {
        line(out, 2, &format!("keeps units where {}", written(filter, &|at| name(sources, at))));
    }
    for dimension in &fragment.dimensions {
        let made = written(&dimension.expression, &|at| name(sources, at));
        let categories = counted(dimension.categories.len(), "category", "categories");
        let of = if dimension.name.is_empty() { String::new() } else { format!(" of {}", dimension.name) };
        line(out, 2, &format!("sorts into {categories}{of}: {made}"));
    }
    if let Some(value) = &fragment.value {
        let bounds = question.value().and_then(|column| column.part(side)).map_or(String::new(), |part| {
            let at = |code: i64| three_digits(part.coding.value(code as f64));
            let (low, high) = (at(part.coding.low), at(part.coding.high));
            format!(", brought within about {low} and {high}")
        });
        line(out, 2, &format!("computes the number {}{bounds}", written(value, &|at| name(sources, at))));
    }
    for number in &fragment.numbers {
        let made = written(&number.expression, &|at| name(sources, at));
        line(out, 2, &format!("computes the whole number {made}, within {} and {}", number.low, number.high));
    }
}

fn source(source: &Source) -> String {
    let at = source.date.map_or(String::new(), |date| format!(" at {date}"));
    format!("{}/{}{at}", source.datastore, source.variable)
}

/// A table that the owner makes first.
fn prepared(out: &mut String, at: usize, preparation: &Preparation) {
    let sources = &preparation.sources;
    let of = |expression: &Expression| written(expression, &|at| name(sources, at));
    let rows = match &preparation.rows {
        Rows::Units(unit_type) => format!("units of type {unit_type}"),
        Rows::Spells { variable, first, last, .. } => {
            format!("spells of {} from {first} to {last}", source(variable))
        }
    };
    let by = |by: &By| match by {
        By::Unit => "their own unit".to_owned(),
        By::Pointer { pointer, unit_type } => format!("{}, a {unit_type}", source(pointer)),
        By::Values(values) => values.iter().map(of).collect::<Vec<_>>().join(", "),
    };
    let dates = match preparation.layers.len() {
        0 => String::new(),
        further => format!(" at {} dates of a panel", further + 1),
    };
    line(out, 2, &format!("prepares table {}: {rows}{dates}, by {}", at + 1, by(&preparation.by)));
    let read: Vec<String> = sources.iter().map(column).collect();
    line(out, 3, &format!("reads {}", read.join(", ")));
    for filter in &preparation.filters {
        line(out, 3, &format!("takes rows where {}", of(filter)));
    }
    for (at, measure) in preparation.measures.iter().enumerate() {
        line(out, 3, &format!("column {}: {:?} of {}", at + 1, measure.statistic, of(&measure.value)));
    }
    for layer in &preparation.layers {
        line(out, 3, &format!("with rows of {}, by {}", name(sources, layer.presence), by(&layer.by)));
        for filter in &layer.filters {
            line(out, 4, &format!("takes rows where {}", of(filter)));
        }
        for (at, value) in layer.values.iter().enumerate() {
            line(out, 4, &format!("column {}: of {}", at + 1, of(value)));
        }
    }
}

/// A column as it is read.
fn column(of: &Column) -> String {
    match of {
        Column::Register(variable) => source(variable),
        Column::Pointer(variable) => format!("whether there is a {}", source(variable)),
        Column::Either(either) => either.iter().map(column).collect::<Vec<_>>().join(" or "),
        Column::Spell { variable, part } => format!("{part:?} of a spell of {}", source(variable)),
        Column::Prepared { preparation, measure, key, .. } => {
            let key = match key {
                Key::Unit => String::new(),
                Key::Pointer(pointer) => format!(" by {}", source(pointer)),
                Key::Values(_) => " by values".to_owned(),
            };
            format!("column {} of table {}{key}", measure + 1, preparation + 1)
        }
    }
}

fn name(sources: &[Column], at: usize) -> String {
    let Some(of) = sources.get(at) else { return "?".to_owned() };
    match of {
        Column::Register(source) => {
            let same = |other: &Column| matches!(other, Column::Register(other) if other.variable == source.variable);
            let again = sources.iter().filter(|other| same(other)).count() > 1;
            match source.date.filter(|_| again) {
                Some(date) => format!("{}@{date}", source.variable),
                None => source.variable.to_string(),
            }
        }
        of => format!("({})", column(of)),
    }
}

fn shares(out: &mut String, question: &Question, cost: Option<Cost>) {
    line(out, 1, "on shares");
    let of_sides: Vec<String> = (question.fragments())
        .filter(|(_, fragment)| !fragment.is_everyone())
        .map(|(_, fragment)| format!("{} ({})", fragment.owner, fragment.categories()))
        .collect();
    match cost {
        None => line(out, 2, "no product: one owner has all of it, and counts its own units"),
        Some(cost) => {
            let kind = if cost.joined { "a joined product" } else { "a product" };
            line(out, 2, &format!("{kind} of the owners' categories: {}", of_sides.join(" × ")));
        }
    }
    for (at, sum) in question.sums.iter().enumerate() {
        let owners: Vec<String> = (sum.summands.iter())
            .filter_map(|(side, _)| Some(question.fragment(*side)?.owner.to_string()))
            .collect();
        let missing = if sum.missing { ", missing among them" } else { "" };
        let classes = counted(sum.categories(), "class", "classes");
        line(
            out,
            2,
            &format!("sum {} of the numbers of {}: {classes}{missing}", at + 1, owners.join(" and ")),
        );
    }
    for joint in &question.joints {
        let categories = counted(joint.categories.len(), "category", "categories");
        line(
            out,
            2,
            &format!("{} of nobody's column {}: {}", categories, joint.name, of_joint(question, joint)),
        );
    }
    for joint in &question.conditions {
        line(out, 2, &format!("only units where {}", of_joint(question, joint)));
    }
    if let Some(value) = question.value() {
        let squares = if value.squares { " and their squares" } else { "" };
        line(out, 2, &format!("the values of {}{squares} are added up in each cell", value.name));
    }
    line(out, 2, "protection: cells are perturbed and judged before anything is opened");
    if let Some(cost) = cost {
        let bytes = cost.bytes_per_row.round();
        line(
            out,
            2,
            &format!(
                "about {bytes} bytes between nodes for each linked row ({bytes} MB for a million), protection aside"
            ),
        );
    }
}

fn of_joint(question: &Question, joint: &Joint) -> String {
    let input = |at: usize| match joint.inputs.get(at) {
        Some(Input::Dimension { side, dimension }) => question
            .fragment(*side)
            .and_then(|fragment| {
                let dimension = fragment.dimensions.get(*dimension)?;
                let made = written(&dimension.expression, &|at| name(&fragment.sources, at));
                Some(if dimension.name.is_empty() { format!("[{made}]") } else { dimension.name.clone() })
            })
            .unwrap_or_else(|| "?".to_owned()),
        Some(Input::Sum(sum)) => format!("[sum {}]", sum + 1),
        None => "?".to_owned(),
    };
    written(&joint.expression, &input)
}

/// The rules of the catalogue that judge a question, by number.
fn rules(question: &Question) -> String {
    let rules: &[&str] = match (&question.kind, question.value()) {
        (QuestionKind::Population { .. }, _) => &["1 (population floor)", "3 (perturbed counts)"],
        (QuestionKind::Edit(edit), _) => match edit.rest {
            Rest::Population => &["1 (population floor)", "3 (perturbed counts)", "6 (edits of few units)"],
            Rest::NotFew | Rest::Nothing => &["3 (perturbed counts)", "6 (edits of few units)"],
        },
        (QuestionKind::Table(_), None) => {
            &["3 (perturbed counts)", "4 (small cells)", "5 (tables of small cells)"]
        }
        (QuestionKind::Table(_), Some(_)) => &[
            "2 (winsorised values)",
            "3 (perturbed counts)",
            "4 (small cells)",
            "5 (tables of small cells)",
            "7 (small subgroups)",
            "10 (dominance)",
        ],
    };
    rules.join(", ")
}

fn counted(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// Longest form of an expression that is shown whole.
const SHOWN_MAX: usize = 400;

/// An expression as a researcher would write it, shortened where it is long.
fn written(expression: &Expression, source: &dyn Fn(usize) -> String) -> String {
    let mut out = String::new();
    write_expression(&mut out, expression, source, 0);
    if out.len() > SHOWN_MAX {
        let end = (0..=SHOWN_MAX).rev().find(|at| out.is_char_boundary(*at)).unwrap_or(0);
        out.truncate(end);
        out.push('…');
    }
    out
}

fn write_expression(out: &mut String, expression: &Expression, source: &dyn Fn(usize) -> String, around: u8) {
    if out.len() > SHOWN_MAX {
        return;
    }
    match expression {
        Expression::Source(at) => out.push_str(&source(*at)),
        Expression::Constant(Value::Number(number)) => out.push_str(&number.to_string()),
        Expression::Constant(Value::Text(text)) => {
            let _ = write!(out, "\"{text}\"");
        }
        Expression::Missing(_) => out.push('.'),
        Expression::Negate(inner) => {
            out.push('-');
            write_expression(out, inner, source, 9);
        }
        // A number made a truth value.
        Expression::Not(inner) if matches!(**inner, Expression::Not(_)) => {
            let Expression::Not(inner) = &**inner else { return };
            write_expression(out, inner, source, around);
        }
        Expression::Not(inner) => {
            out.push('!');
            write_expression(out, inner, source, 9);
        }
        Expression::Binary(operator, left, right) => {
            let (sign, level) = sign(*operator);
            if level < around {
                out.push('(');
            }
            write_expression(out, left, source, level);
            let _ = write!(out, " {sign} ");
            write_expression(out, right, source, level + 1);
            if level < around {
                out.push(')');
            }
        }
        Expression::Call(function, arguments) => {
            let _ = write!(out, "{}(", format!("{function:?}").to_lowercase());
            for (at, argument) in arguments.iter().enumerate() {
                out.push_str(if at > 0 { ", " } else { "" });
                write_expression(out, argument, source, 0);
            }
            out.push(')');
        }
        Expression::Case { arms, otherwise } => {
            out.push('{');
            for (when, then) in arms {
                write_expression(out, then, source, 0);
                out.push_str(" if ");
                write_expression(out, when, source, 0);
                out.push_str("; ");
            }
            out.push_str("else ");
            write_expression(out, otherwise, source, 0);
            out.push('}');
        }
    }
}

fn sign(operator: BinaryOperator) -> (&'static str, u8) {
    match operator {
        BinaryOperator::Or => ("|", 1),
        BinaryOperator::And => ("&", 2),
        BinaryOperator::Equal => ("==", 3),
        BinaryOperator::NotEqual => ("!=", 3),
        BinaryOperator::Less => ("<", 3),
        BinaryOperator::LessOrEqual => ("<=", 3),
        BinaryOperator::Greater => (">", 3),
        BinaryOperator::GreaterOrEqual => (">=", 3),
        BinaryOperator::Add => ("+", 4),
        BinaryOperator::Subtract => ("-", 4),
        BinaryOperator::Multiply => ("*", 5),
        BinaryOperator::Divide => ("/", 5),
    }
}
