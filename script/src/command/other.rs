//! Forms of the language that are read but not carried out yet.
//!
//! They are never skipped: the form of each is checked, a right one is reported as not available yet, and what it would have made
//! is not blamed later.
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
use crate::ast::{Arguments, Command, Factor, Model, Name, Other, Term};
use crate::check::{Checker, Column};
use crate::diagnostic::{Reported, Span};
use crate::lexer::Token;
use crate::near::nearest;
use crate::parser::{Cursor, Parse};
use crate::prepare::WORDS;
use crate::problem::{Expected, Feature, Problem};

/// What stands between a command and `if` or the comma.
enum Form {
    /// Read elsewhere or not at all yet.
    Tokens,
    Nothing,
    /// Words and texts: fewest and most.
    Words(usize, usize),
    /// Settings with commas between them.
    Settings,
    Registers,
    /// Variables: fewest and most.
    Variables(usize, usize),
    /// A statistic in parentheses, and variables.
    Statistic,
    /// A model of this many responses, then terms.
    Model(usize),
    /// A model that may have instruments in parentheses.
    Instruments,
    /// A model, `by`, and at most this many groups.
    By(usize),
    /// A kind of regression, and its model.
    Regression,
}

const MANY: usize = usize::MAX;

fn form(word: &str) -> Form {
    match word {
        "ci" | "correlate" | "normaltest" | "boxplot" | "sankey" | "summarize-panel" | "tabulate-panel" => {
            Form::Variables(1, MANY)
        }
        "transitions-panel" | "hexbin" => Form::Variables(2, MANY),
        "histogram" | "piechart" => Form::Variables(1, 1),
        "kaplan-meier" | "weibull" => Form::Variables(2, 2),
        "barchart" => Form::Statistic,
        "coefplot" => Form::Regression,
        "ivregress" | "ivregress-predict" => Form::Instruments,
        "oaxaca" => Form::By(1),
        "regress-mml" | "regress-mml-predict" => Form::By(2),
        "cox" => Form::Model(2),
        "rdd" => Form::Model(2),
        "regress-panel-diff" => Form::Model(3),
        "anova"
        | "hausman"
        | "logit"
        | "logit-predict"
        | "mlogit"
        | "mlogit-predict"
        | "negative-binomial"
        | "negative-binomial-predict"
        | "poisson"
        | "poisson-predict"
        | "probit"
        | "probit-predict"
        | "regress"
        | "regress-predict"
        | "regress-panel"
        | "regress-panel-predict" => Form::Model(1),
        "clear" | "edit" | "history" => Form::Nothing,
        "load" => Form::Words(1, 1),
        "save" | "help" | "help-function" => Form::Words(0, 1),
        "variables" => Form::Registers,
        "configure" => Form::Settings,
        _ => Form::Tokens,
    }
}

/// Whether a command is read here, and so not carried out.
#[cfg(test)]
pub(super) fn is_read_here(word: &str) -> bool {
    !matches!(form(word), Form::Tokens)
}

pub(super) fn parse(
    cursor: &mut Cursor<'_, '_, '_>,
    word: &str,
    word_span: Span,
    options: Options,
) -> Parse<Command> {
    let arguments = arguments(cursor, word)?;
    let condition = cursor.condition()?;
    // `hexbin` is documented with a comma before the options' comma.
    if word == "hexbin" && cursor.peek() == Some(Token::Comma) && cursor.peek_second() == Some(Token::Comma) {
        cursor.eat(Token::Comma);
    }
    let options = cursor.options(word, options)?;
    Ok(Command::Other(Other { word: word.to_owned(), word_span, arguments, condition, options }))
}

fn arguments(cursor: &mut Cursor<'_, '_, '_>, word: &str) -> Parse<Arguments> {
    Ok(match form(word) {
        Form::Tokens => Arguments::Tokens(cursor.arguments()),
        Form::Nothing => {
            cursor.end()?;
            Arguments::Words(Vec::new())
        }
        Form::Words(fewest, most) => Arguments::Words(words(cursor, fewest, most)?),
        Form::Settings => {
            let mut settings = words(cursor, 0, MANY)?;
            while !settings.is_empty() && cursor.eat(Token::Comma) {
                settings.extend(words(cursor, 1, MANY)?);
            }
            cursor.end()?;
            Arguments::Words(settings)
        }
        Form::Registers => {
            let mut registers = vec![cursor.register_name()?];
            while cursor.peek().is_some() {
                registers.push(cursor.register_name()?);
            }
            Arguments::Registers(registers)
        }
        Form::Variables(fewest, most) => {
            let variables = variables(cursor, fewest, most)?;
            Arguments::Variables { statistic: None, variables }
        }
        Form::Statistic => {
            cursor.need(Token::Open, Expected::Statistic(WORDS))?;
            let statistic = known(cursor, Expected::Statistic(WORDS), WORDS)?;
            cursor.need(Token::Close, Expected::Close)?;
            let variables = variables(cursor, 1, MANY)?;
            Arguments::Variables { statistic: Some(statistic), variables }
        }
        Form::Model(responses) => Arguments::Model(Box::new(model(cursor, responses, false)?)),
        Form::Instruments => Arguments::Model(Box::new(model(cursor, 1, true)?)),
        Form::By(most) => {
            let mut model = model(cursor, 1, false)?;
            cursor.need_word("by", Expected::By)?;
            model.by = variables(cursor, 1, most)?;
            Arguments::Model(Box::new(model))
        }
        Form::Regression => {
            let regression = known(cursor, Expected::Regression(super::MODELS), super::MODELS)?;
            let mut model = model(cursor, 1, true)?;
            model.regression = Some(regression);
            Arguments::Model(Box::new(model))
        }
    })
}

/// Variables up to `if`, a comma or the end.
fn variables(cursor: &mut Cursor<'_, '_, '_>, fewest: usize, most: usize) -> Parse<Vec<Name>> {
    let variables = cursor.names(Expected::Variable)?;
    if variables.len() < fewest {
        return Err(cursor.expected(Expected::Variable));
    }
    match variables.get(most) {
        None => Ok(variables),
        Some(extra) => {
            let found = Some(extra.text.clone());
            Err(cursor.report(extra.span, Problem::Expected { what: Expected::End, found }))
        }
    }
}

/// Words of hyphens, slashes and the like, and texts in quotes.
fn words(cursor: &mut Cursor<'_, '_, '_>, fewest: usize, most: usize) -> Parse<Vec<String>> {
    let mut words = Vec::new();
    while words.len() < most && !matches!(cursor.peek(), None | Some(Token::Comma)) {
        if cursor.peek() == Some(Token::Text) {
            let span = cursor.here();
            cursor.next();
            words.push(cursor.unquoted(span));
        } else {
            let span = cursor.run(Expected::Word)?;
            words.push(cursor.text(span).to_owned());
        }
    }
    if words.len() < fewest { Err(cursor.expected(Expected::Word)) } else { Ok(words) }
}

/// One of these words.
fn known(cursor: &mut Cursor<'_, '_, '_>, what: Expected, known: &[&str]) -> Parse<Name> {
    if cursor.peek() != Some(Token::Name) {
        return Err(cursor.expected(what));
    }
    let (text, span) = cursor.command_word();
    if known.contains(&text.as_str()) {
        return Ok(Name { text, span });
    }
    let near = nearest(&text, known.iter().copied());
    Err(cursor.report(span, Problem::UnknownWord { what, word: text, near }))
}

fn model(cursor: &mut Cursor<'_, '_, '_>, responses: usize, instruments: bool) -> Parse<Model> {
    let mut model = Model {
        regression: None,
        responses: Vec::new(),
        terms: Vec::new(),
        instruments: None,
        by: Vec::new(),
    };
    for _ in 0..responses {
        model.responses.push(cursor.name(Expected::Variable)?);
    }
    loop {
        match cursor.peek() {
            Some(Token::Open) if instruments && model.instruments.is_none() => {
                cursor.next();
                let endogenous = terms(cursor)?;
                cursor.need(Token::Assign, Expected::Assign)?;
                let exogenous = terms(cursor)?;
                cursor.need(Token::Close, Expected::Close)?;
                model.instruments = Some((endogenous, exogenous));
            }
            Some(Token::Name) if ["if", "by"].iter().any(|word| cursor.at_word(word)) => break,
            None | Some(Token::Comma) => break,
            _ => model.terms.push(term(cursor)?),
        }
    }
    if model.terms.is_empty() && model.instruments.is_none() {
        return Err(cursor.expected(Expected::Variable));
    }
    Ok(model)
}

fn terms(cursor: &mut Cursor<'_, '_, '_>) -> Parse<Vec<Term>> {
    let mut terms = vec![term(cursor)?];
    while !matches!(cursor.peek(), None | Some(Token::Assign | Token::Close)) {
        terms.push(term(cursor)?);
    }
    Ok(terms)
}

fn term(cursor: &mut Cursor<'_, '_, '_>) -> Parse<Term> {
    let mut term = Term { factors: vec![factor(cursor)?], full: Vec::new() };
    while let Some(crossing @ (Token::Hash | Token::DoubleHash)) = cursor.peek() {
        cursor.next();
        term.full.push(crossing == Token::DoubleHash);
        term.factors.push(factor(cursor)?);
    }
    Ok(term)
}

fn factor(cursor: &mut Cursor<'_, '_, '_>) -> Parse<Factor> {
    let prefix = cursor.here();
    let dotted = cursor.peek_second() == Some(Token::Dot);
    let categorical = match cursor.text(prefix) {
        "i" if dotted => Some(true),
        "c" if dotted => Some(false),
        _ => None,
    };
    if categorical.is_some() {
        cursor.next();
        cursor.next();
    }
    Ok(Factor { variable: cursor.name(Expected::Variable)?, categorical })
}

/// Commands that change or make no column, dataset or code list.
const ONLY_SHOW: &[&str] = &[
    "anova",
    "ci",
    "correlate",
    "normaltest",
    "transitions-panel",
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

/// Commands of the session that a script is typed in. They stand in no script that is run.
pub(crate) const SESSION: &[&str] =
    &["clear", "edit", "load", "save", "help", "help-function", "history", "variables", "configure"];

/// Whether a command leaves columns, datasets and code lists as they are.
pub(crate) fn only_shows(word: &str) -> bool {
    super::MODELS.contains(&word) || ONLY_SHOW.contains(&word)
}

/// Says that a command is not carried out yet.
pub(crate) fn not_yet(other: &Other) -> Problem {
    let word = other.word.clone();
    let session = SESSION.contains(&word.as_str());
    Problem::NotYet { feature: if session { Feature::Session(word) } else { Feature::Command(word) } }
}

pub(crate) fn check(checker: &mut Checker<'_, '_, '_>, other: &Other) -> Result<(), Reported> {
    if !only_shows(&other.word) {
        checker.uncertain = true;
        // Its columns may be others afterwards: what they were before says nothing.
        if let Some(dataset) = checker.active.as_ref().and_then(|active| checker.datasets.get_mut(active)) {
            dataset.columns.values_mut().for_each(|column| *column = Column::Failed);
        }
    }
    Err(checker.report(other.word_span, not_yet(other)))
}
