//! A script that grows line by line, as it does in a shell: when lines are whole, which parts of them are commands of the session, and what is left of
//! a script where its earlier statistics are not asked again.

use std::ops::Range;

use logos::Logos;

use crate::command::other::{SESSION, only_shows};
use crate::diagnostic::{Reporter, Span};
use crate::lexer::{Lexeme, Token, TokenLine, lex};

/// Lines, read one after the other, until they are whole.
///
/// They are not while a `\` says that more follows, a loop has no `end`, or a text block no `endblock`. What is wrong in a
/// line does not matter here: it is said when the lines are checked.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reading {
    loops: usize,
    in_block: bool,
    pub(crate) continued: bool,
}

impl Reading {
    /// Reads a line.
    pub fn line(&mut self, line: &str) {
        let words = trimmed(line);
        let first = words.split(|c: char| c.is_whitespace() || c == '/').next().unwrap_or_default();
        match first {
            "endblock" => (self.in_block, self.continued) = (false, false),
            _ if self.in_block => {}
            "textblock" => (self.in_block, self.continued) = (true, false),
            _ if words.starts_with('#') => {}
            _ => {
                let tokens: Vec<(Token, Range<usize>)> =
                    Token::lexer(words).spanned().filter_map(|(token, at)| Some((token.ok()?, at))).collect();
                let word = tokens.first().map_or("", |(_, at)| &words[at.clone()]);
                let hyphen = tokens.get(1).is_some_and(|(token, _)| *token == Token::Minus);
                match word {
                    "for" if !self.continued && !hyphen => self.loops += 1,
                    "end" if !self.continued && !hyphen => self.loops = self.loops.saturating_sub(1),
                    _ => {}
                }
                self.continued = tokens.last().is_some_and(|(token, _)| *token == Token::Continue);
            }
        }
    }

    /// Whether nothing is open after the lines read so far.
    pub fn is_whole(&self) -> bool {
        self.loops == 0 && !self.in_block && !self.continued
    }

    /// Whether the next line is text that is not run.
    pub(crate) fn is_text(&self) -> bool {
        self.in_block
    }
}

fn trimmed(line: &str) -> &str {
    line.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}')
}

/// Whether lines can be run: nothing in them is left open.
pub fn is_whole(text: &str) -> bool {
    let mut reading = Reading::default();
    text.lines().for_each(|line| reading.line(line));
    reading.is_whole()
}

/// Some lines of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Statements, comments and text blocks: of the script.
    Script(&'a str),
    /// A command of the session, on a line of its own.
    Session(&'a str),
}

/// Cuts an input into commands of the session and the lines of the script between them, in order. `also` says of further
/// words that they are commands of the session.
pub fn pieces(text: &str, also: impl Fn(&str) -> bool) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut reading = Reading::default();
    let (mut script, mut start) = (0, 0);
    for line in text.split_inclusive('\n') {
        let (fresh, end) = (reading.is_whole(), start + line.len());
        reading.line(line);
        let is_session = || {
            let (tokens, word) = first_word(line);
            tokens && (SESSION.contains(&word) || also(word))
        };
        if fresh && reading.is_whole() && is_session() {
            put_script(&mut pieces, &text[script..start]);
            pieces.push(Piece::Session(trimmed(line)));
            script = end;
        }
        start = end;
    }
    put_script(&mut pieces, &text[script..]);
    pieces
}

fn put_script<'a>(pieces: &mut Vec<Piece<'a>>, text: &'a str) {
    if !trimmed(text).is_empty() {
        pieces.push(Piece::Script(text));
    }
}

/// The word that a line begins with, and whether there is one.
fn first_word(line: &str) -> (bool, &str) {
    let words = trimmed(line);
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    let end = words.find(|c| !is_part(c)).unwrap_or(words.len());
    (end > 0, &words[..end])
}

/// The script without what it shows, its statistics and listed labels: of equal length in bytes and lines, with blanks where they stood.
///
/// What shows something changes no dataset, so what the rest makes is the same, and every place in it too.
pub fn without_statistics(source: &str) -> String {
    let mut left = source.as_bytes().to_vec();
    for line in commands(source, |word| is_statistic(word) || word == "list-labels") {
        let Span { start, end } = line.span();
        for byte in left[start..end].iter_mut().filter(|byte| **byte != b'\n') {
            *byte = b' ';
        }
    }
    // Whole statements are taken out, so what is left is UTF-8 still.
    String::from_utf8(left).unwrap_or_default()
}

/// Whether a script has a statistic: something that owners must be asked for.
pub fn has_statistics(source: &str) -> bool {
    !commands(source, is_statistic).is_empty()
}

/// Whether a command asks something of a dataset and leaves it as it is.
fn is_statistic(word: &str) -> bool {
    matches!(word, "tabulate" | "summarize")
        || (only_shows(word) && word != "sample" && !SESSION.contains(&word))
}

/// The statements of some commands.
fn commands(source: &str, wanted: impl Fn(&str) -> bool) -> Vec<TokenLine> {
    let mut lines = lex(source, &mut Reporter::new(source));
    lines.retain(|line| wanted(command_word(source, &line.tokens)));
    lines
}

/// The command that tokens begin with: words joined by hyphens without blanks.
fn command_word<'a>(source: &'a str, tokens: &[Lexeme]) -> &'a str {
    let Some(first) = tokens.first() else { return "" };
    let mut span = first.span;
    let mut rest = &tokens[1..];
    while let [hyphen, word, more @ ..] = rest {
        let touching = hyphen.span.start == span.end && word.span.start == hyphen.span.end;
        if hyphen.token != Token::Minus || word.token != Token::Name || !touching {
            break;
        }
        (span, rest) = (span.to(word.span), more);
    }
    &source[span.start..span.end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_when_nothing_is_left_open() {
        for whole in [
            "",
            "tabulate a",
            "tabulate a \\\n b",
            "for i in 1 : 3\nuse d\nend",
            "textblock\nfor\nendblock",
            "# for",
            "// \\",
            "forhold",
            "for_x = 1",
            "for-else",
        ] {
            assert!(is_whole(whole), "{whole:?}");
        }
        for open in [
            "tabulate a \\",
            "tabulate a \\ // comment",
            "tabulate a \\\n# between",
            "for i in 1 : 3",
            "for i in a\nfor j in b\nend",
            "textblock\nend",
        ] {
            assert!(!is_whole(open), "{open:?}");
        }
    }

    #[test]
    fn a_for_that_continues_another_line_opens_no_loop() {
        assert!(is_whole("generate a = \\\nfor"));
        assert!(is_whole("end"));
    }

    #[test]
    fn commands_of_the_session_are_cut_out_between_statements() {
        let text = "use d\nhelp tabulate\n\nfor i in a\nhelp\nend\n  quit\nlet x = 1";
        let found = pieces(text, |word| word == "quit");
        assert_eq!(
            found,
            [
                Piece::Script("use d\n"),
                Piece::Session("help tabulate"),
                Piece::Script("\nfor i in a\nhelp\nend\n"),
                Piece::Session("quit"),
                Piece::Script("let x = 1"),
            ]
        );
        assert_eq!(pieces(" \n", |_| false), []);
    }

    #[test]
    fn statistics_are_blanked_and_every_other_place_stays() {
        let source = "use d // ø\ntabulate kjønn \\\n år, freq // og\nfor i in a\nsummarize $i\n\
                      tabulate-panel $i\ngenerate b = 1\nend\nsample 0.1 7\nhelp tabulate\nhistogram x\nlist-labels y";
        let left = without_statistics(source);
        assert_eq!(left.len(), source.len());
        assert_eq!(left.lines().count(), source.lines().count());
        let lines: Vec<&str> = left.lines().map(str::trim).collect();
        assert_eq!(
            lines,
            [
                "use d // ø",
                "",
                "// og",
                "for i in a",
                "",
                "",
                "generate b = 1",
                "end",
                "sample 0.1 7",
                "help tabulate",
                "",
                ""
            ]
        );
        assert_eq!(left.find("generate"), source.find("generate"));
        assert!(has_statistics(source) && !has_statistics(&left) && !has_statistics("list-labels y"));
    }
}
