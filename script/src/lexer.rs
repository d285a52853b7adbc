//! From text to statements of tokens: lines, continuation, comments, text blocks.
//!
//! What a token means is the parser's business. Names of commands with hyphens, datastores and bare labels
//! are therefore several tokens here, which the parser joins where they touch.

use logos::Logos;

use crate::diagnostic::{Reporter, Span, number};
use crate::limits::SCRIPT_BYTES_MAX;
use crate::problem::Problem;

/// The smallest piece of a statement.
#[derive(Logos, Clone, Copy, Debug, PartialEq, Eq)]
#[logos(skip r"\s+")]
#[logos(skip(r"//[^\n]*", allow_greedy = true))]
#[allow(missing_docs)] // The patterns say it.
pub enum Token {
    #[regex(r"[\p{L}_][\p{L}\p{N}\p{M}_]*(@[\p{L}_][\p{L}\p{N}\p{M}_]*)?")]
    Name,
    #[regex(r"[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")]
    #[regex(r"\.[0-9]+([eE][+-]?[0-9]+)?")]
    Number,
    #[regex(r"[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]", priority = 20)]
    Date,
    #[regex(r"'[^'\n]*'")]
    #[regex(r#""[^"\n]*""#)]
    Text,
    #[regex(r"'[^'\n]*", allow_greedy = true)]
    #[regex(r#""[^"\n]*"#, allow_greedy = true)]
    OpenText,
    #[token("==")]
    Equal,
    #[token("!=")]
    NotEqual,
    #[token("<=")]
    LessOrEqual,
    #[token(">=")]
    GreaterOrEqual,
    #[token("<")]
    Less,
    #[token(">")]
    Greater,
    #[token("&")]
    And,
    #[token("|")]
    Or,
    #[token("!")]
    Not,
    #[token("++")]
    Join,
    #[token("+")]
    Plus,
    #[token("->")]
    Arrow,
    #[token("-")]
    Minus,
    #[token("*")]
    Star,
    #[token("/")]
    Slash,
    #[token("(")]
    Open,
    #[token(")")]
    Close,
    #[token(",")]
    Comma,
    #[token(";")]
    Semicolon,
    #[token(":")]
    Colon,
    #[token("=")]
    Assign,
    #[token(".")]
    Dot,
    #[token("$")]
    Dollar,
    #[token("##")]
    DoubleHash,
    #[token("#")]
    Hash,
    #[token("\\")]
    Continue,
}

/// A token and its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lexeme {
    /// What it is.
    pub token: Token,
    /// Where it is.
    pub span: Span,
    /// Whether it is the value of a binding.
    pub bound: bool,
}

/// The tokens of one statement, from one line or several continued ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenLine {
    /// Never empty.
    pub tokens: Vec<Lexeme>,
    /// Line of the first token, from 1.
    pub line: u32,
    /// The statement as written, without comments and joined to one line.
    pub text: String,
    /// A character could not be read and has been reported: the statement must not be trusted.
    pub broken: bool,
}

impl TokenLine {
    /// First to last token.
    pub fn span(&self) -> Span {
        self.tokens[0].span.to(self.tokens[self.tokens.len() - 1].span)
    }
}

/// Cuts a script into statements.
pub(crate) fn lex(source: &str, reporter: &mut Reporter<'_>) -> Vec<TokenLine> {
    if source.len() > SCRIPT_BYTES_MAX {
        reporter.report(Span::default(), Problem::ScriptTooLong);
        return Vec::new();
    }
    let mut lexer = Lexer { statements: Vec::new(), open: None, block: None };
    let mut start = 0;
    for line in source.split_inclusive('\n') {
        lexer.line(line, start, reporter);
        start += line.len();
    }
    lexer.end_statement();
    if let Some(block) = lexer.block {
        reporter.report(block, Problem::UnclosedTextblock);
    }
    lexer.statements
}

/// Whether a character is not seen as what it is: it steers the terminal, turns the direction of text, or has no width.
fn is_unseen(character: char) -> bool {
    let controls = character.is_control() && !character.is_whitespace();
    let without_form = matches!(
        character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180e}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    );
    controls || without_form
}

/// Reports each character that is not seen as what it is: in a name or text it would make two out of what looks like one, in a
/// comment it would show a reader another script than the one that runs.
fn unseen(line: &str, start: usize, reporter: &mut Reporter<'_>) -> bool {
    let mut found = false;
    for (at, character) in line.char_indices().filter(|(_, character)| is_unseen(*character)) {
        let span = Span { start: start + at, end: start + at + character.len_utf8() };
        reporter.report(span, Problem::UnseenCharacter { character });
        found = true;
    }
    found
}

struct Lexer {
    statements: Vec<TokenLine>,
    /// The statement that the next line continues.
    open: Option<TokenLine>,
    /// Where the text block that we are in began.
    block: Option<Span>,
}

impl Lexer {
    fn line(&mut self, line: &str, start: usize, reporter: &mut Reporter<'_>) {
        let words = line.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
        let at = start + line.find(words).unwrap_or(0);
        let span = Span { start: at, end: at + words.len() };
        let first = words.split(|c: char| c.is_whitespace() || c == '/').next().unwrap_or_default();
        if self.block.is_some() {
            if first == "endblock" {
                self.block = None;
            }
            return;
        }
        match first {
            "textblock" => {
                self.end_statement();
                self.block = Some(span);
            }
            "endblock" => {
                self.end_statement();
                reporter.report(span, Problem::StrayEndblock);
            }
            _ if words.starts_with('#') => {}
            _ => self.tokens(line, start, reporter),
        }
    }

    fn tokens(&mut self, line: &str, start: usize, reporter: &mut Reporter<'_>) {
        let mut broken = false;
        let mut tokens: Vec<Lexeme> = Vec::new();
        // Files that were put together have byte order marks at the start of lines.
        let words = line.trim_start_matches('\u{feff}');
        let (line, start) = (words, start + line.len() - words.len());
        let unseen = unseen(line, start, reporter);
        for (token, range) in Token::lexer(line).spanned() {
            let span = Span { start: start + range.start, end: start + range.end };
            match token {
                Ok(Token::OpenText) => {
                    let end = start + line.trim_end().len();
                    let span = Span { start: span.start, end: end.max(span.start + 1) };
                    reporter.report(span, Problem::UnterminatedText);
                    broken = true;
                }
                Ok(token) => tokens.push(Lexeme { token, span, bound: false }),
                Err(()) => {
                    let character = line[range].chars().next().unwrap_or('\u{fffd}');
                    let end = span.start + character.len_utf8();
                    if !broken && !is_unseen(character) {
                        reporter.report(
                            Span { start: span.start, end },
                            Problem::UnexpectedCharacter { character },
                        );
                    }
                    broken = true;
                }
            }
        }
        broken |= unseen;
        let continued = tokens.last().is_some_and(|last| last.token == Token::Continue);
        if continued {
            tokens.pop();
        }
        for lexeme in tokens.iter().filter(|lexeme| lexeme.token == Token::Continue) {
            reporter.report(lexeme.span, Problem::StrayContinuation);
            broken = true;
        }
        if let (Some(first), Some(last)) = (tokens.first(), tokens.last()) {
            let statement = self.open.get_or_insert_with(|| TokenLine {
                tokens: Vec::new(),
                line: number(reporter.line(first.span.start)),
                text: String::new(),
                broken: false,
            });
            if !statement.text.is_empty() {
                statement.text.push(' ');
            }
            statement.text.push_str(&line[first.span.start - start..last.span.end - start]);
            statement.tokens.append(&mut tokens);
            statement.broken |= broken;
        }
        if !continued {
            self.end_statement();
        }
    }

    fn end_statement(&mut self) {
        self.statements.extend(self.open.take());
    }
}
