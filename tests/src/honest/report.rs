//! What came of the questions, for people and as JSON.

use serde_json::{Value, json};

use super::{Answer, Distance, Figures, REFUSED_PERCENT_MAX, Step};

/// What an answer says of one kind of number: name, and the pairs of shown and true numbers in a table.
type Kind = (&'static str, fn(&Figures) -> &[(f64, f64)]);

const KINDS: [Kind; 4] = [
    ("counts", |figures| &figures.counts),
    ("percentages", |figures| &figures.percentages),
    ("means", |figures| &figures.means),
    ("sums", |figures| &figures.sums),
];

/// One kind of number over tables; none where they show none.
fn distance(tables: &[Figures], of: Kind) -> Option<Distance> {
    let (_, pairs) = of;
    Distance::of(&tables.iter().flat_map(|table| pairs(table).iter().copied()).collect::<Vec<_>>())
}

/// A number with few digits, large ones in full.
fn short(number: f64) -> String {
    if number.abs() >= 100.0 { format!("{number:.0}") } else { format!("{number:.1}") }
}

/// Distances of one kind in one row of the list: of percentages in points, of all else also in percent.
fn told(distance: &Distance, kind: &str) -> String {
    let Distance { median, largest, median_percent, largest_percent, .. } = distance;
    if kind == "percentages" {
        return format!("{kind} {} / {} points", short(*median), short(*largest));
    }
    let [median, largest, median_percent, largest_percent] =
        [median, largest, median_percent, largest_percent].map(|number| short(*number));
    format!("{kind} {median} / {largest} ({median_percent} / {largest_percent} %)")
}

/// One line for a step on the way from the truth to what is made of large groups.
pub fn step(step: &Step) -> String {
    let counts = Distance::of(&step.counts).map_or_else(String::new, |counts| told(&counts, "counts"));
    format!("    {:<66} {counts}", step.name)
}

/// One line for an answer: its number, what was asked, cells, and the median and largest distances.
pub fn line(number: usize, answer: &Answer) -> String {
    let of = |what: fn(&Figures) -> usize| answer.tables.iter().map(what).sum::<usize>();
    let mut parts = vec![format!("{} cells", of(|table| table.inner))];
    let hidden = [of(|table| table.hidden_inner), of(|table| table.hidden_margins)];
    if hidden != [0, 0] {
        parts.push(format!("{} hidden, {} margins hidden", hidden[0], hidden[1]));
    }
    let statistics = of(|table| table.hidden_statistics);
    if statistics > 0 {
        parts.push(format!("{statistics} means hidden"));
    }
    for kind in KINDS {
        parts.extend(distance(&answer.tables, kind).map(|distance| told(&distance, kind.0)));
    }
    let mut line = format!("{number:>2}  {:<66} {}", answer.question.name, parts.join("; "));
    if let Some(refused) = &answer.refused {
        line.push_str(&format!("\n    NOT ANSWERED AS ASKED: {}", refused.message));
    }
    line
}

/// How many were refused, and the distances over all.
pub fn summary(answers: &[Answer]) -> String {
    let refused = answers.iter().filter(|answer| answer.refused.is_some()).count();
    let tables: Vec<Figures> = answers.iter().flat_map(|answer| &answer.tables).cloned().collect();
    let of = |what: fn(&Figures) -> usize| tables.iter().map(what).sum::<usize>();
    let mut lines = vec![format!(
        "{} questions, {refused} not answered as asked ({:.1} %; at most {REFUSED_PERCENT_MAX} %)",
        answers.len(),
        share(refused, answers.len()),
    )];
    lines.push(format!(
        "{} of {} cells hidden, {} of {} margins; {} means or sums hidden where the count is shown",
        of(|table| table.hidden_inner),
        of(|table| table.inner),
        of(|table| table.hidden_margins),
        of(|table| table.margins),
        of(|table| table.hidden_statistics),
    ));
    lines.push("Median / largest distance from the truth (in percent of it):".to_owned());
    lines.extend(KINDS.into_iter().filter_map(|kind| Some(told(&distance(&tables, kind)?, kind.0))));
    lines.join("\n")
}

/// Percent that so many are of all; 0 of none.
fn share(some: usize, all: usize) -> f64 {
    100.0 * some as f64 / all.max(1) as f64
}

/// All answers as one JSON document.
pub fn document(answers: &[Answer], people: u32, seed: u64) -> Value {
    let kinds = |tables: &[Figures]| -> Value {
        let told = KINDS.into_iter().map(|kind| (kind.0.to_owned(), json!(distance(tables, kind))));
        Value::Object(told.collect())
    };
    let questions = answers.iter().map(|answer| {
        json!({
            "question": answer.question.name,
            "tables": answer.tables,
            "distances": kinds(&answer.tables),
            "refused": answer.refused.as_ref().map(|refused| {
                json!({ "code": refused.code, "message": refused.message })
            }),
        })
    });
    let refused = answers.iter().filter(|answer| answer.refused.is_some()).count();
    let tables: Vec<Figures> = answers.iter().flat_map(|answer| &answer.tables).cloned().collect();
    json!({
        "people": people,
        "seed": seed,
        "refused": refused,
        "refused_percent": share(refused, answers.len()),
        "refused_percent_max": REFUSED_PERCENT_MAX,
        "distances": kinds(&tables),
        "questions": questions.collect::<Vec<_>>(),
    })
}
