//! Carries out bindings and loops, so that all that follows sees plain names, numbers, texts and dates.
//!
//! A statement that uses bindings, or that stands in a loop, is written anew for each turn with their values in place. What is
//! so made is a text of its own behind the script's ([`Made`]): a place in it stands for the place in the script that
//! it came from, which is where a diagnostic points, and for the turn of the loop, which it names.
//!
//! What one script can make is bounded before it is made.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use logos::Logos;
use unicode_normalization::{UnicodeNormalization, is_nfc};

use crate::binding::{Bindings, Bound, Evaluator};
use crate::command::bindings;
use crate::diagnostic::{Made, Reporter, Span};
use crate::function::OF_BINDINGS;
use crate::lexer::{Lexeme, Token, TokenLine};
use crate::limits::{LOOPS_MAX, MADE_BYTES_MAX, MADE_STATEMENTS_MAX};
use crate::parser::{Cursor, Parse};
use crate::problem::{BindingProblem, Expected, Problem};

/// A name in composed form (NFC), so that what looks the same is the same.
pub(crate) fn normal(name: &str) -> String {
    normalised(name).into_owned()
}

fn normalised(name: &str) -> Cow<'_, str> {
    if is_nfc(name) { Cow::Borrowed(name) } else { Cow::Owned(name.nfc().collect()) }
}

/// The statements that are left when bindings and loops have been carried out, and the text that they made.
pub(crate) fn expand(
    source: &str,
    lines: Vec<TokenLine>,
    reporter: &mut Reporter<'_>,
) -> (Vec<TokenLine>, Arc<str>) {
    let matching = matching(source, &lines, reporter);
    let mut expansion = Expansion {
        source,
        lines: &lines,
        matching,
        reporter,
        bindings: Bindings::new(),
        turns: Vec::new(),
        made: Made::after(source),
        expanded: Vec::with_capacity(lines.len()),
        spent: 0,
        depth: 0,
        stopped: false,
    };
    expansion.block(0..lines.len());
    let Expansion { expanded, made, .. } = expansion;
    reporter.turn = None;
    (expanded, reporter.set_made(made))
}

/// The word that a line begins with, where it is one of those that are carried out here.
fn structure<'a>(source: &'a str, line: &TokenLine) -> Option<&'a str> {
    let first = line.tokens[0];
    let hyphen = line
        .tokens
        .get(1)
        .is_some_and(|next| next.token == Token::Minus && next.span.start == first.span.end);
    let word = &source[first.span.start..first.span.end];
    (!hyphen && matches!(word, "let" | "for" | "end")).then_some(word)
}

/// For each `for` the line of its `end`, or the end of the script.
fn matching(source: &str, lines: &[TokenLine], reporter: &mut Reporter<'_>) -> Vec<Option<usize>> {
    let mut matching = vec![None; lines.len()];
    let mut open = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        match structure(source, line) {
            Some("for") => open.push(at),
            Some("end") => {
                match open.pop() {
                    Some(start) => matching[start] = Some(at),
                    None => {
                        reporter.report(line.span(), Problem::StrayEnd);
                    }
                }
                if let Some(more) = line.tokens.get(1).filter(|_| !line.broken) {
                    let found = Some(source[more.span.start..more.span.end].to_owned());
                    reporter.report(more.span, Problem::Expected { what: Expected::End, found });
                }
            }
            _ => {}
        }
    }
    for at in open {
        reporter.report(lines[at].span(), Problem::UnclosedLoop);
    }
    matching
}

struct Expansion<'l, 'r, 's> {
    source: &'l str,
    lines: &'l [TokenLine],
    matching: Vec<Option<usize>>,
    reporter: &'r mut Reporter<'s>,
    bindings: Bindings,
    /// Iterators of the loops that we are in, with their values.
    turns: Vec<(String, Bound)>,
    made: Made,
    expanded: Vec<TokenLine>,
    /// Turns and statements so far.
    spent: usize,
    /// Loops around us.
    depth: usize,
    /// More was asked for than may be made; this has been reported.
    stopped: bool,
}

impl<'l, 's> Expansion<'l, '_, 's> {
    fn block(&mut self, lines: Range<usize>) {
        let mut at = lines.start;
        while at < lines.end && !self.stopped && !self.reporter.full() {
            let line = &self.lines[at];
            match structure(self.source, line) {
                Some("let") => self.bind(line),
                Some("for") => {
                    // Without an end it takes all that follows, and one turn says enough about it.
                    let end = self.matching[at].unwrap_or(lines.end).min(lines.end);
                    self.for_loop(line, at + 1..end, self.matching[at].is_some());
                    at = end;
                }
                // What is wrong with an `end` has been said.
                Some(_) => {}
                None => self.statement(line),
            }
            at += 1;
        }
    }

    /// Evaluates tokens of a line, from one of them to another.
    fn evaluator<'e>(&'e mut self, line: &'l TokenLine, tokens: Range<usize>) -> Evaluator<'e, 'l, 'e, 's> {
        let mut cursor = Cursor::new(self.source, "", &line.tokens[..tokens.end], self.reporter);
        cursor.at = tokens.start;
        Evaluator { cursor, bindings: &self.bindings }
    }

    fn bind(&mut self, line: &'l TokenLine) {
        if !self.turns.is_empty() && !self.spend(line) {
            return;
        }
        let bound = if line.broken {
            None
        } else {
            bindings::read_let(&mut self.evaluator(line, 1..line.tokens.len())).ok()
        };
        match bound {
            Some((name, value)) => {
                self.bindings.insert(name, Some(value));
            }
            None => {
                if let Some(name) = line.tokens.get(1).filter(|name| name.token == Token::Name) {
                    self.bindings.insert(normal(&self.source[name.span.start..name.span.end]), None);
                }
                self.failed(line);
            }
        }
    }

    fn for_loop(&mut self, line: &'l TokenLine, body: Range<usize>, closed: bool) {
        let end = line.tokens.len();
        let cuts = (1..end).filter(|at| line.tokens[*at].token == Token::Semicolon);
        let mut levels: Vec<Range<usize>> = Vec::new();
        let mut start = 1;
        for cut in cuts.chain([end]) {
            levels.push(start..cut);
            start = cut + 1;
        }
        if line.broken || self.depth + levels.len() > LOOPS_MAX {
            if !line.broken {
                self.reporter.report(line.span(), Problem::Binding(BindingProblem::TooManyLoops));
            }
            self.failed(line);
            return;
        }
        self.depth += levels.len();
        self.level(line, &levels, body, closed);
        self.depth -= levels.len();
    }

    /// One level of a loop, whose iterators run in parallel, around those that follow.
    fn level(&mut self, line: &'l TokenLine, levels: &[Range<usize>], body: Range<usize>, closed: bool) {
        let Some((level, inner)) = levels.split_first() else { return self.block(body) };
        let Ok(level) = bindings::read_level(&mut self.evaluator(line, level.clone())) else {
            self.failed(line);
            return;
        };
        let before: Vec<_> = level.names.iter().map(|name| self.bindings.get(name).cloned()).collect();
        let turns = level.values.first().map_or(0, Vec::len);
        for turn in 0..if closed { turns } else { turns.min(1) } {
            if self.stopped || self.reporter.full() || !self.spend(line) {
                break;
            }
            for (name, values) in level.names.iter().zip(&level.values) {
                self.bindings.insert(name.clone(), Some(values[turn].clone()));
                self.turns.push((name.clone(), values[turn].clone()));
            }
            self.reporter.turn = self.turn();
            self.level(line, inner, body.clone(), closed);
            self.turns.truncate(self.turns.len() - level.names.len());
            self.reporter.turn = self.turn();
        }
        for (name, value) in level.names.into_iter().zip(before) {
            match value {
                Some(value) => self.bindings.insert(name, value),
                None => self.bindings.remove(&name),
            };
        }
    }

    /// The turn that we are in, as people are told of it.
    fn turn(&self) -> Option<Arc<str>> {
        let shown = |(name, value): &(String, Bound)| {
            let value: String = value.written().chars().take(40).collect();
            format!("{name} = {value}")
        };
        let turn = self.turns.iter().map(shown).collect::<Vec<_>>().join(", ");
        (!turn.is_empty()).then(|| turn.into())
    }

    fn spend(&mut self, line: &TokenLine) -> bool {
        self.spent += 1;
        if self.spent > MADE_STATEMENTS_MAX || self.made.len() > MADE_BYTES_MAX {
            self.reporter.report(line.span(), Problem::Binding(BindingProblem::TooMuchMade));
            self.stopped = true;
        }
        !self.stopped
    }

    /// A line that could not be carried out, which has been reported: later ones are not blamed for it.
    fn failed(&mut self, line: &TokenLine) {
        // Said once, also where it is met in every turn: what it would have made is unknown from then on.
        let again =
            self.expanded.iter().rev().take(64).any(|other| other.broken && other.span() == line.span());
        if !again {
            self.expanded.push(TokenLine { broken: true, ..line.clone() });
        }
    }

    fn statement(&mut self, line: &'l TokenLine) {
        if self.turns.is_empty() && !self.uses_bindings(line) {
            self.expanded.push(line.clone());
            return;
        }
        if !self.spend(line) {
            return;
        }
        if line.broken {
            self.failed(line);
            return;
        }
        match self.written_anew(line) {
            Ok(written) => self.expanded.push(written),
            Err(_) => self.failed(line),
        }
    }

    /// Whether a statement outside loops is other than it is written.
    fn uses_bindings(&self, line: &TokenLine) -> bool {
        let tokens = &line.tokens;
        tokens.iter().enumerate().any(|(at, lexeme)| match lexeme.token {
            Token::Dollar | Token::Join => true,
            Token::Name => {
                let name = &self.source[lexeme.span.start..lexeme.span.end];
                let called = tokens.get(at + 1).is_some_and(|next| next.token == Token::Open);
                (called && OF_BINDINGS.contains(&name)) || !is_nfc(name)
            }
            _ => false,
        })
    }

    /// The statement with the values of its bindings in place.
    fn written_anew(&mut self, line: &'l TokenLine) -> Parse<TokenLine> {
        let tokens = &line.tokens;
        let closing = closing(tokens);
        let text_of = |lexeme: &Lexeme| &self.source[lexeme.span.start..lexeme.span.end];
        let command = text_of(&tokens[0]);
        let assigns = matches!(command, "generate" | "replace");
        let (mut in_expression, mut in_options) = (false, false);
        let (mut at, mut depth) = (0, 0usize);
        let mut written: Vec<Lexeme> = Vec::with_capacity(tokens.len());
        let start = self.made.begin(self.turn());
        while at < tokens.len() {
            let here = tokens[at];
            let touching = at > 0 && tokens[at - 1].span.end == here.span.start;
            match here.token {
                Token::Open => depth += 1,
                Token::Close => depth = depth.saturating_sub(1),
                Token::Comma if depth == 0 => (in_expression, in_options) = (false, true),
                Token::Assign if depth == 0 && assigns => in_expression = true,
                Token::Name if depth == 0 && text_of(&here) == "if" => in_expression = true,
                _ => {}
            }
            let context = if in_expression {
                Context::Expression
            } else if in_options {
                Context::Options
            } else {
                Context::Words
            };
            match value_end(self.source, tokens, &closing, at, context) {
                Some(calculated) if at > 0 => {
                    let mut evaluator = self.evaluator(line, at..tokens.len());
                    let value = if calculated {
                        evaluator.calculation(context == Context::Options)
                    } else {
                        evaluator.chain()
                    };
                    let (value, _) = value?;
                    let end = evaluator.cursor.at;
                    // The closing parenthesis was taken with what opened it.
                    depth = depth.saturating_sub(usize::from(here.token == Token::Open));
                    let place = here.span.to(tokens[end - 1].span);
                    put_value(&mut self.made, &mut written, &value, place, touching);
                    at = end;
                }
                _ => {
                    let text = text_of(&here);
                    let text = if here.token == Token::Name { normalised(text) } else { Cow::Borrowed(text) };
                    let span = self.made.put(&text, here.span, touching);
                    written.push(Lexeme { span, ..here });
                    at += 1;
                }
            }
            if self.made.len() > MADE_BYTES_MAX {
                self.stopped = true;
                let problem = Problem::Binding(BindingProblem::TooMuchMade);
                return Err(self.reporter.report(line.span(), problem));
            }
        }
        let text = self.made.text_from(start).to_owned();
        Ok(TokenLine { tokens: written, line: line.line, text, broken: false })
    }
}

/// What a part of a statement is made of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Context {
    /// Names and values side by side, where `+` and `-` with blanks around them can only be meant for bindings.
    Words,
    /// Options, where all of arithmetic can only be meant for bindings.
    Options,
    /// An expression over data: what binds how tightly is decided there.
    Expression,
}

/// Whether a value of bindings begins at a token, and whether it is more than one name or value.
fn value_end(
    source: &str,
    tokens: &[Lexeme],
    closing: &[usize],
    at: usize,
    context: Context,
) -> Option<bool> {
    let token = |at: usize| tokens.get(at).map(|lexeme| lexeme.token);
    let called = token(at) == Some(Token::Name) && token(at + 1) == Some(Token::Open);
    let (end, bound) = match token(at)? {
        Token::Dollar if token(at + 1) == Some(Token::Name) => (at + 2, true),
        Token::Name if called => {
            let span = tokens[at].span;
            (closing[at + 1] + 1, OF_BINDINGS.contains(&&source[span.start..span.end]))
        }
        Token::Dollar => (at + 1, true),
        Token::Name | Token::Number | Token::Text | Token::Date => (at + 1, false),
        Token::Open => (closing[at] + 1, false),
        _ => return None,
    };
    let joined = token(end) == Some(Token::Join);
    let spaced = tokens.get(end).is_some_and(|operator| {
        tokens[end - 1].span.end < operator.span.start
            && tokens.get(end + 1).is_some_and(|next| operator.span.end < next.span.start)
    });
    let of_bindings = bound || token(end + 1) == Some(Token::Dollar);
    let calculated = of_bindings
        && !joined
        && match context {
            Context::Expression => false,
            Context::Words => spaced && matches!(token(end), Some(Token::Plus | Token::Minus)),
            Context::Options => {
                matches!(token(end), Some(Token::Plus | Token::Minus | Token::Star | Token::Slash))
            }
        };
    (bound || joined || calculated).then_some(calculated)
}

/// For each opening parenthesis its closing one, or the last token.
fn closing(tokens: &[Lexeme]) -> Vec<usize> {
    let mut closing = vec![tokens.len() - 1; tokens.len()];
    let mut open = Vec::new();
    for (at, lexeme) in tokens.iter().enumerate() {
        match lexeme.token {
            Token::Open => open.push(at),
            Token::Close => {
                if let Some(start) = open.pop() {
                    closing[start] = at;
                }
            }
            _ => {}
        }
    }
    closing
}

/// Writes a value as the tokens that mean it.
fn put_value(made: &mut Made, written: &mut Vec<Lexeme>, value: &Bound, place: Span, touching: bool) {
    let mut put = |token, text: &str, touching| {
        let span = made.put(text, place, touching);
        written.push(Lexeme { token, span, bound: true });
    };
    match value {
        Bound::Number(number) => {
            let negative = *number < 0.0;
            if negative {
                put(Token::Minus, "-", touching);
            }
            put(Token::Number, &number.abs().to_string(), negative || touching);
        }
        Bound::Text(text) => {
            let quote = if text.contains('"') { '\'' } else { '"' };
            put(Token::Text, &format!("{quote}{text}{quote}"), touching);
        }
        Bound::Date(day) => put(Token::Date, &day.to_string(), touching),
        Bound::Symbol(text) => {
            for (at, (token, range)) in Token::lexer(text).spanned().enumerate() {
                put(token.unwrap_or(Token::Name), &text[range], at > 0 || touching);
            }
        }
    }
}
