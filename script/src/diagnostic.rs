//! Where something is wrong, and how a person is shown it. What can be wrong stands in `problem`.

use std::ops::Range;

use ariadne::{Color, Config, IndexType, Label, Report, ReportKind, Source};

use crate::limits::DIAGNOSTICS_MAX;
use crate::problem::{Language, Problem};

/// A place in the script, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// From the start of this to the end of `other`.
    pub fn to(self, other: Self) -> Self {
        Self { start: self.start, end: other.end.max(self.start) }
    }
}

/// Something that keeps a script from running.
#[derive(Clone, Debug, PartialEq)]
pub struct Diagnostic {
    /// Where, in bytes of the script.
    pub span: Span,
    /// Line, from 1.
    pub line: u32,
    /// Character of the line, from 1.
    pub column: u32,
    /// What.
    pub problem: Problem,
}

impl Diagnostic {
    /// What is wrong, on one line. It may repeat words of the script, but none of its control characters.
    pub fn message(&self, language: Language) -> String {
        plain_line(&self.problem.message(language))
    }

    /// What to write instead, on one line; may be empty.
    pub fn advice(&self, language: Language) -> String {
        plain_line(&self.problem.advice(language))
    }

    /// A stable name of the kind of problem, such as `unknown-variable`.
    pub fn code(&self) -> &'static str {
        self.problem.code()
    }
}

/// Shows diagnostics with the lines concerned and carets under the places.
pub fn render(
    diagnostics: &[Diagnostic],
    source: &str,
    file_name: &str,
    language: Language,
    color: bool,
) -> String {
    // Only line feeds end lines here.
    let shown = |c: char| if matches!(c, '\n' | '\t') { c } else { plain(c) };
    let text = Source::from(source.chars().map(shown).collect::<String>());
    let file_name: String = file_name.chars().map(shown).collect();
    let characters = source.chars().count();
    let mut out = Vec::new();
    for (at, diagnostic) in diagnostics.iter().enumerate() {
        if at > 0 {
            out.push(b'\n');
        }
        let range = character_range(source, diagnostic.span, characters);
        let kind = match language {
            Language::English => ReportKind::Custom("Error", Color::Red),
            Language::Norwegian => ReportKind::Custom("Feil", Color::Red),
        };
        let advice = match (diagnostic.advice(language), language) {
            (advice, _) if !advice.is_empty() => advice,
            (_, Language::English) => "here".to_owned(),
            (_, Language::Norwegian) => "her".to_owned(),
        };
        let report = Report::build(kind, (file_name.as_str(), range.clone()))
            .with_config(Config::new().with_color(color).with_index_type(IndexType::Char))
            .with_code(diagnostic.code())
            .with_message(diagnostic.message(language))
            .with_label(Label::new((file_name.as_str(), range)).with_message(advice).with_color(Color::Red))
            .finish();
        report.write((file_name.as_str(), &text), &mut out).expect("writing to memory does not fail");
    }
    let out = String::from_utf8_lossy(&out);
    if color { out.into_owned() } else { without_colors(&out) }
}

/// Nothing in a script may steer the terminal that it is shown on.
fn plain(c: char) -> char {
    match c {
        '\n' | '\r' | '\t' | '\u{feff}' | '\u{2028}' | '\u{2029}' => ' ',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}

fn plain_line(text: &str) -> String {
    text.chars().map(plain).collect()
}

/// Removes the escape sequences that set colours; the script's own control characters are gone already.
fn without_colors(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut escaped = false;
    for c in text.chars() {
        match (escaped, c) {
            (false, '\u{1b}') => escaped = true,
            (false, c) => plain.push(c),
            (true, 'm') => escaped = false,
            (true, _) => {}
        }
    }
    plain
}

fn character_range(source: &str, span: Span, characters: usize) -> Range<usize> {
    let count = |end: usize| source.char_indices().take_while(|(at, _)| *at < end).count();
    let start = count(span.start).min(characters.saturating_sub(1));
    let end = count(span.end).clamp((start + 1).min(characters), characters.max(start));
    start..end.max(start)
}

/// Evidence that a diagnostic has been reported: whoever gets it as an error has nothing to add.
#[derive(Clone, Copy, Debug)]
pub struct Reported(());

/// Collects diagnostics and finds line and column for each.
pub(crate) struct Reporter<'a> {
    source: &'a str,
    line_starts: Vec<usize>,
    diagnostics: Vec<Diagnostic>,
}

impl<'a> Reporter<'a> {
    pub(crate) fn new(source: &'a str) -> Self {
        let first = if source.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        let line_starts = std::iter::once(first).chain(source.match_indices('\n').map(|(at, _)| at + 1));
        Self { source, line_starts: line_starts.collect(), diagnostics: Vec::new() }
    }

    pub(crate) fn report(&mut self, span: Span, problem: Problem) -> Reported {
        if !self.full() {
            let line = self.line(span.start);
            let start = self.line_starts[line - 1];
            let column = self.source.get(start..span.start).map_or(0, |before| before.chars().count());
            let diagnostic = Diagnostic { span, line: number(line), column: number(column + 1), problem };
            if !self.diagnostics.contains(&diagnostic) {
                self.diagnostics.push(diagnostic);
            }
        }
        Reported(())
    }

    /// Evidence for a fault that an earlier statement has already been blamed for.
    ///
    /// There is such a diagnostic: otherwise something could fail silently.
    pub(crate) fn earlier(&self) -> Reported {
        assert!(!self.diagnostics.is_empty(), "a failed column has been reported when it failed");
        Reported(())
    }

    /// Whether there are so many diagnostics that more would help nobody.
    pub(crate) fn full(&self) -> bool {
        self.diagnostics.len() >= DIAGNOSTICS_MAX
    }

    /// The script's text at a place.
    pub(crate) fn text(&self, span: Span) -> &'a str {
        &self.source[span.start..span.end]
    }

    /// Line of a byte, from 1.
    pub(crate) fn line(&self, at: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= at).max(1)
    }

    pub(crate) fn finish(mut self) -> Vec<Diagnostic> {
        self.diagnostics.sort_by_key(|diagnostic| (diagnostic.span.start, diagnostic.span.end));
        self.diagnostics
    }
}

pub(crate) fn number(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
