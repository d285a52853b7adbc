//! Forms of the language that are read but not carried out yet.
//!
//! They are never skipped: each is reported, and what it would have made is not blamed later.
//!
//! ```text
//! require no.ssb.fdb:54 as db
//! create-dataset d
//! import db/INNTEKT_WLONN 2022-06-30 as lønn
//! histogram lønn, percent
//! collapse(mean) lønn, by(kommune)
//! tabulate kommune
//! ```

use super::Options;
use crate::ast::{Command, Other};
use crate::check::{Checker, Column};
use crate::diagnostic::{Reported, Span};
use crate::lexer::Token;
use crate::parser::{Cursor, Parse};
use crate::problem::{Feature, Problem};

pub(super) fn parse(
    cursor: &mut Cursor<'_, '_, '_>,
    word: &str,
    word_span: Span,
    options: Options,
) -> Parse<Command> {
    let mut arguments = cursor.arguments();
    // `configure a, b` lists settings, not options.
    while word == "configure" && cursor.eat(Token::Comma) {
        arguments.extend(cursor.arguments());
    }
    let condition = cursor.condition()?;
    // `hexbin` is documented with a comma before the options' comma.
    if word == "hexbin" && cursor.peek() == Some(Token::Comma) && cursor.peek_second() == Some(Token::Comma) {
        cursor.eat(Token::Comma);
    }
    let options = cursor.options(word, options)?;
    Ok(Command::Other(Other { word: word.to_owned(), word_span, arguments, condition, options }))
}

/// Commands that change or make no column, dataset or code list.
const ONLY_SHOW: &[&str] = &[
    "anova",
    "ci",
    "correlate",
    "normaltest",
    "transitions-panel",
    "list-labels",
    "sample",
    "barchart",
    "boxplot",
    "coefplot",
    "hexbin",
    "histogram",
    "piechart",
    "sankey",
    "summarize-panel",
    "tabulate-panel",
    "edit",
    "save",
    "help",
    "help-function",
    "history",
    "variables",
    "configure",
    "cox",
    "kaplan-meier",
    "weibull",
];

/// Whether a command leaves columns, datasets and code lists as they are.
pub(crate) fn only_shows(word: &str) -> bool {
    super::MODELS.contains(&word) || ONLY_SHOW.contains(&word)
}

pub(crate) fn check(checker: &mut Checker<'_, '_, '_>, other: &Other) -> Result<(), Reported> {
    if !only_shows(&other.word) {
        checker.uncertain = true;
        // Its columns may be others afterwards: what they were before says nothing.
        if let Some(dataset) = checker.active.as_ref().and_then(|active| checker.datasets.get_mut(active)) {
            dataset.columns.values_mut().for_each(|column| *column = Column::Failed);
        }
    }
    let feature = Feature::Command(other.word.clone());
    Err(checker.report(other.word_span, Problem::NotYet { feature }))
}
