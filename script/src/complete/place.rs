//! Where in a statement the cursor is.

use std::ops::Range;

use logos::Logos;

use crate::lexer::Token;
use crate::session::Reading;

/// A place in a statement that is being typed. Tokens and bytes are those of the statement up to the cursor.
pub(super) struct Place<'a> {
    /// Where the statement begins in the input.
    pub(super) statement: usize,
    /// The statement up to the cursor.
    pub(super) text: &'a str,
    /// Its tokens, up to the name or text that is being typed.
    pub(super) tokens: Vec<(Token, Range<usize>)>,
    /// Its command; empty while it is being typed.
    pub(super) command: &'a str,
    /// One past the command.
    pub(super) command_end: usize,
    /// How many tokens the command is.
    command_tokens: usize,
    /// Where the name that is being typed begins, or the text behind its quotation mark.
    pub(super) name: usize,
    /// The quotation mark that is open.
    pub(super) quote: Option<char>,
}

/// What a place is part of.
pub(super) enum Zone<'a> {
    /// The command's name.
    Command,
    /// What follows the command, maybe behind a parenthesis, by its token.
    Arguments { open: Option<usize> },
    /// An expression that begins with a token; the call that the place is in, by name and the token of its parenthesis.
    Expression { from: usize, call: Option<(&'a str, usize)> },
    /// Options.
    OptionName,
    /// The parentheses of an option.
    OptionArgument(&'a str),
}

/// None where nothing of the language stands: in comments and text blocks.
pub(super) fn place(input: &str, cursor: usize) -> Option<Place<'_>> {
    let before = input.get(..cursor)?;
    let mut reading = Reading::default();
    let (mut statement, mut start) = (0, 0);
    for line in before.split_inclusive('\n') {
        if !reading.continued {
            statement = start;
        }
        start += line.len();
        if line.ends_with('\n') {
            reading.line(line);
        }
    }
    // The cursor is on a line of its own.
    if before.ends_with('\n') && !reading.continued {
        statement = start;
    }
    let text = &before[statement..];
    if reading.is_text() || text.lines().last().is_some_and(|line| line.trim_start().starts_with('#')) {
        return None;
    }
    let mut tokens: Vec<_> = (Token::lexer(text).spanned())
        .filter_map(|(token, range)| Some((token.ok()?, range)))
        .filter(|(token, _)| *token != Token::Continue)
        .collect();
    let end = tokens.last().map_or(0, |(_, range)| range.end);
    if text[end..].contains("//") {
        return None;
    }
    let open = tokens.pop_if(|(token, range)| *token == Token::OpenText && range.end == text.len());
    let quote = open.as_ref().and_then(|(_, range)| text[range.start..].chars().next());
    let name = open.map_or_else(|| start_of(text, |c| matches!(c, '_' | '@')), |(_, range)| range.start + 1);
    tokens.retain(|(_, range)| range.end <= name);
    let (command_tokens, command_end) = command(text, &tokens);
    let first = tokens.first().map_or(0, |(_, range)| range.start);
    let command = if command_end < text.len() { &text[first..command_end] } else { "" };
    Some(Place { statement, text, tokens, command, command_end, command_tokens, name, quote })
}

/// Where the letters, digits and such characters that end a text begin.
fn start_of(text: &str, also: impl Fn(char) -> bool) -> usize {
    let is_part = |c: char| c.is_alphanumeric() || also(c);
    text.char_indices().rev().take_while(|(_, c)| is_part(*c)).last().map_or(text.len(), |(at, _)| at)
}

/// How many tokens the command is, and its end.
fn command(text: &str, tokens: &[(Token, Range<usize>)]) -> (usize, usize) {
    let Some((Token::Name, first)) = tokens.first() else { return (0, text.len()) };
    let (mut count, mut end) = (1, first.end);
    while let [(Token::Minus, hyphen), (Token::Name, word), ..] = &tokens[count..] {
        if hyphen.start != end || word.start != hyphen.end {
            break;
        }
        (count, end) = (count + 2, word.end);
    }
    // `clone-` is not whole.
    let open = text[end..].starts_with('-');
    if open { (count, text.len()) } else { (count, end) }
}

impl<'a> Place<'a> {
    /// The text of a token; empty where there is none.
    pub(super) fn text_of(&self, token: usize) -> &'a str {
        self.tokens.get(token).map_or("", |(_, range)| &self.text[range.clone()])
    }

    /// Where what is being typed begins, made of letters, digits and these characters.
    pub(super) fn start_of(&self, also: impl Fn(char) -> bool) -> usize {
        if self.quote.is_some() { self.name } else { start_of(self.text, also) }
    }

    /// The tokens behind the command.
    pub(super) fn arguments(&self) -> Range<usize> {
        self.command_tokens..self.tokens.len()
    }

    /// Whether the name of a binding is being typed.
    pub(super) fn is_binding(&self) -> bool {
        self.quote.is_none() && self.text[..self.name].ends_with('$')
    }

    /// Whether a condition has begun.
    pub(super) fn has_if(&self) -> bool {
        self.arguments().any(|at| self.text_of(at) == "if")
    }

    /// The register variable of this number, `alias/NAME`, with the date behind it.
    pub(super) fn register(&self, number: usize) -> Option<(&'a str, &'a str, Option<&'a str>)> {
        let slash = self.arguments().filter(|at| self.tokens[*at].0 == Token::Slash).nth(number)?;
        let date = self.tokens.get(slash + 2).filter(|(token, _)| *token == Token::Date);
        let date = date.map(|(_, range)| &self.text[range.clone()]);
        Some((self.text_of(slash.checked_sub(1)?), self.text_of(slash + 1), date))
    }

    /// What the place is part of.
    pub(super) fn zone(&self) -> Zone<'a> {
        if self.command.is_empty() {
            return Zone::Command;
        }
        let (mut open, mut options, mut expression) = (Vec::new(), false, None);
        let assigns = matches!(self.command, "generate" | "replace" | "let");
        for at in self.arguments() {
            match self.tokens[at].0 {
                Token::Open => open.push(at),
                Token::Close => {
                    open.pop();
                }
                Token::Comma if open.is_empty() => options = true,
                Token::Assign if open.is_empty() && assigns => expression = Some(at + 1),
                Token::Name if open.is_empty() && !options && self.text_of(at) == "if" => {
                    expression = Some(at + 1);
                }
                _ => {}
            }
        }
        // What stands before a parenthesis, where it touches it.
        let called = |at: usize| {
            let before = at.checked_sub(1)?;
            let touching = self.tokens[before].1.end == self.tokens[at].1.start;
            (self.tokens[before].0 == Token::Name && touching).then(|| self.text_of(before))
        };
        match (options && self.command != "for", open.first(), expression) {
            (true, None, _) => Zone::OptionName,
            (true, Some(first), _) => Zone::OptionArgument(called(*first).unwrap_or_default()),
            (false, _, Some(from)) => {
                let call = open.last().filter(|at| **at >= from);
                Zone::Expression { from, call: call.and_then(|at| Some((called(*at)?, *at))) }
            }
            (false, first, None) => Zone::Arguments { open: first.copied() },
        }
    }
}
