//! `let name = expression`, and loops `for i in … ; j in …` up to `end`.
//!
//! They are carried out before anything else is read: a loop's body is read anew for each turn, with `$i` in place. `++` makes
//! names and texts of several values; arithmetic binds tighter. Iterators separated by commas run in parallel, those
//! after a `;` inside them.
//!
//! ```text
//! require no.ssb.fdb:54 as db
//! create-dataset d
//! import db/BEFOLKNING_KJOENN as kjønn
//! let grense = 300 * 1000
//! for år, navn in 2021 : 2022, første andre
//! import db/INNTEKT_WLONN date_fmt($år, 6, 30) as lønn ++ $år - 2000
//! generate $navn ++ "_lav" = lønn ++ $år - 2000 < $grense
//! tabulate $navn ++ "_lav" kjønn
//! end
//! ```

use crate::binding::{Bound, Evaluator};
use crate::diagnostic::{Reported, Span};
use crate::fold;
use crate::lexer::{Lexeme, Token};
use crate::limits::MADE_STATEMENTS_MAX;
use crate::parser::Parse;
use crate::problem::{BindingProblem, Expected, Problem};

/// Iterators that run in parallel, with their values.
pub(crate) struct Level {
    /// Their names.
    pub(crate) names: Vec<String>,
    /// The values of each; all of the same length.
    pub(crate) values: Vec<Vec<Bound>>,
}

/// What follows `let`.
pub(crate) fn read_let(evaluator: &mut Evaluator<'_, '_, '_, '_>) -> Parse<(String, Bound)> {
    let name = evaluator.cursor.name(Expected::NewName)?;
    evaluator.cursor.need(Token::Assign, Expected::Assign)?;
    let (value, _) = evaluator.expression()?;
    evaluator.cursor.end()?;
    Ok((crate::expand::normal(&name.text), value))
}

/// One level of what follows `for`.
pub(crate) fn read_level(evaluator: &mut Evaluator<'_, '_, '_, '_>) -> Parse<Level> {
    let mut names: Vec<String> = Vec::new();
    loop {
        let name = evaluator.cursor.name(Expected::NewName)?;
        let text = crate::expand::normal(&name.text);
        if names.contains(&text) {
            return Err(fault(evaluator, name.span, BindingProblem::RepeatedIterator { name: text }));
        }
        names.push(text);
        if !evaluator.cursor.eat(Token::Comma) {
            break;
        }
    }
    evaluator.cursor.need_word("in", Expected::In)?;
    let start = evaluator.cursor.here();
    let mut values = vec![iteration(evaluator)?];
    while evaluator.cursor.eat(Token::Comma) {
        let next = iteration(evaluator)?;
        match &mut values[..] {
            // With one iterator, commas separate its values as blanks do: `for i in mor, far`.
            [only] if names.len() == 1 => only.extend(next),
            _ => values.push(next),
        }
    }
    evaluator.cursor.end()?;
    let span = start.to(evaluator.cursor.behind());
    if values.len() != names.len() {
        let problem = BindingProblem::IteratorCount { names: names.len(), lists: values.len() };
        return Err(fault(evaluator, span, problem));
    }
    let lengths: Vec<usize> = values.iter().map(Vec::len).collect();
    if lengths.iter().any(|length| *length != lengths[0]) {
        return Err(fault(evaluator, span, BindingProblem::IteratorLengths { lengths }));
    }
    Ok(Level { names, values })
}

fn fault(evaluator: &mut Evaluator<'_, '_, '_, '_>, span: Span, problem: BindingProblem) -> Reported {
    evaluator.cursor.report(span, Problem::Binding(problem))
}

/// A range, or values side by side.
fn iteration(evaluator: &mut Evaluator<'_, '_, '_, '_>) -> Parse<Vec<Bound>> {
    let all = evaluator.cursor.tokens;
    let mut values = Vec::new();
    while values.is_empty() || !matches!(evaluator.cursor.peek(), None | Some(Token::Comma)) {
        let end = word_end(all, evaluator.cursor.at);
        // A word is evaluated as if nothing followed it.
        evaluator.cursor.tokens = &all[..end];
        let word = word(evaluator);
        let read = evaluator.cursor.end();
        evaluator.cursor.tokens = all;
        let (word, span) = word?;
        read?;
        if !evaluator.cursor.eat(Token::Colon) {
            values.push(word);
            continue;
        }
        if !values.is_empty() {
            return Err(evaluator.cursor.expected(Expected::Value));
        }
        let (last, last_span) = evaluator.expression()?;
        return range(evaluator, (word, span), (last, last_span));
    }
    Ok(values)
}

fn word(evaluator: &mut Evaluator<'_, '_, '_, '_>) -> Parse<(Bound, Span)> {
    let cursor = &mut evaluator.cursor;
    let tokens = cursor.tokens.get(cursor.at..).unwrap_or_default();
    let named = tokens.first().is_some_and(|first| first.token == Token::Name);
    if let (true, Some(last)) = (named && tokens.len() > 1, tokens.last()) {
        let span = tokens[0].span.to(last.span);
        let text = crate::expand::normal(cursor.text(span));
        if crate::binding::is_symbol(&text) {
            cursor.at += tokens.len();
            return Ok((Bound::Symbol(text), span));
        }
    }
    evaluator.expression()
}

fn range(
    evaluator: &mut Evaluator<'_, '_, '_, '_>,
    (first, first_span): (Bound, Span),
    (last, last_span): (Bound, Span),
) -> Parse<Vec<Bound>> {
    let span = first_span.to(last_span);
    let ends = (evaluator.number(&first, first_span)?, evaluator.number(&last, last_span)?);
    let (Some(first), Some(last)) = (fold::whole(ends.0), fold::whole(ends.1)) else {
        return Err(fault(evaluator, span, BindingProblem::RangeNotWhole));
    };
    if last < first {
        return Err(fault(evaluator, span, BindingProblem::RangeBackwards));
    }
    if i64::from(last) - i64::from(first) >= MADE_STATEMENTS_MAX as i64 {
        return Err(fault(evaluator, span, BindingProblem::TooMuchMade));
    }
    Ok((first..=last).map(|number| Bound::Number(f64::from(number))).collect())
}

/// Where the value that begins here ends: two operands side by side are two values. A sign that touches what follows but not
/// what comes before begins a value.
fn word_end(tokens: &[Lexeme], start: usize) -> usize {
    let mut depth = 0usize;
    for at in start..tokens.len() {
        let token = tokens[at].token;
        if depth == 0 && matches!(token, Token::Comma | Token::Colon | Token::Close) {
            return at;
        }
        if depth == 0 && at > start {
            let blank = tokens[at - 1].span.end < tokens[at].span.start;
            let ended = matches!(
                tokens[at - 1].token,
                Token::Name | Token::Number | Token::Date | Token::Text | Token::Close | Token::Dot
            );
            let begins = match token {
                Token::Name | Token::Number | Token::Date | Token::Text | Token::Dollar | Token::Not => true,
                Token::Open => blank,
                Token::Minus | Token::Plus => {
                    blank && tokens.get(at + 1).is_some_and(|next| next.span.start == tokens[at].span.end)
                }
                _ => false,
            };
            if ended && begins {
                return at;
            }
        }
        match token {
            Token::Open => depth += 1,
            Token::Close => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    tokens.len()
}
