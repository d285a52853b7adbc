//! Where something is wrong, and how a person is shown it. What can be wrong stands in `problem`.

use std::ops::Range;
use std::sync::Arc;

use ariadne::{Color, Config, IndexType, Label, Report, ReportKind, Source};

use crate::limits::{DIAGNOSTICS_MAX, SCRIPT_BYTES_MAX};
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

/// Whether a script must be changed, or has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Wrong: it must be changed.
    Error,
    /// Right, but not available yet.
    NotYet,
}

impl Severity {
    /// For programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::NotYet => "not-yet",
        }
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
    /// The first turn of a loop in which it was met, as `i = 2020`; none outside loops.
    pub turn: Option<String>,
}

impl Diagnostic {
    /// What is wrong, on one line. It may repeat words of the script, but none of its control characters.
    pub fn message(&self, language: Language) -> String {
        let message = self.problem.message(language);
        plain_line(&match (&self.turn, language) {
            (None, _) => message,
            (Some(turn), Language::English) => format!("{message} (first where {turn})"),
            (Some(turn), Language::Norwegian) => format!("{message} (først der {turn})"),
        })
    }

    /// What to write instead, on one line; may be empty.
    pub fn advice(&self, language: Language) -> String {
        plain_line(&self.problem.advice(language))
    }

    /// Words that may be meant, to put in place of the one at fault; often none.
    pub fn suggestions(&self) -> Vec<String> {
        self.problem.suggestions()
    }

    /// Line and column, from 1, of the place behind what is wrong.
    pub fn end(&self, source: &str) -> (u32, u32) {
        let place = source.get(self.span.start..self.span.end).unwrap_or_default();
        let last = place.rsplit('\n').next().unwrap_or_default();
        let lines = number(place.matches('\n').count());
        let column = number(last.chars().count());
        (self.line + lines, if lines == 0 { self.column + column } else { column + 1 })
    }

    /// Whether it is an error.
    pub fn severity(&self) -> Severity {
        if self.problem.is_not_yet() { Severity::NotYet } else { Severity::Error }
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
        let kind = match (diagnostic.severity(), language) {
            (Severity::Error, Language::English) => ReportKind::Custom("Error", Color::Red),
            (Severity::Error, Language::Norwegian) => ReportKind::Custom("Feil", Color::Red),
            (Severity::NotYet, Language::English) => ReportKind::Custom("Not yet", Color::Yellow),
            (Severity::NotYet, Language::Norwegian) => ReportKind::Custom("Ikke ennå", Color::Yellow),
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
        // Nor may it show another order of words than it has.
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => '\u{fffd}',
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
    /// What bindings and loops made.
    made: Made,
    /// The turn of a loop that what is written in the script itself is looked at in.
    pub(crate) turn: Option<Arc<str>>,
}

impl<'a> Reporter<'a> {
    pub(crate) fn new(source: &'a str) -> Self {
        let first = if source.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        // One that is too long is read no further than to say so.
        let read = if source.len() > SCRIPT_BYTES_MAX { "" } else { source };
        let line_starts = std::iter::once(first).chain(read.match_indices('\n').map(|(at, _)| at + 1));
        Self {
            source,
            line_starts: line_starts.collect(),
            diagnostics: Vec::new(),
            made: Made::after(source),
            turn: None,
        }
    }

    pub(crate) fn report(&mut self, span: Span, problem: Problem) -> Reported {
        if !self.full() {
            let (span, turn) = match self.made.place(span) {
                Some((place, turn)) => (place, turn.cloned()),
                None => (span, self.turn.clone()),
            };
            let line = self.line(span.start);
            let start = self.line_starts[line - 1];
            let column = self.source.get(start..span.start).map_or(0, |before| before.chars().count());
            let same = |other: &Diagnostic| other.span == span && other.code() == problem.code();
            // A fault in a loop's body is one fault, in however many turns it is met.
            let met = turn.is_some() && self.diagnostics.iter().any(same);
            let turn = turn.map(|turn| turn.to_string());
            let diagnostic =
                Diagnostic { span, line: number(line), column: number(column + 1), problem, turn };
            if !met && !self.diagnostics.contains(&diagnostic) {
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

    /// The text at a place, of the script or of what bindings made.
    pub(crate) fn text(&self, span: Span) -> &str {
        text(self.source, &self.made.text, span)
    }

    /// Takes over what bindings and loops made, and gives it to those who read on.
    pub(crate) fn set_made(&mut self, made: Made) -> Arc<str> {
        let text = made.text.as_str().into();
        self.made = made;
        text
    }

    /// The place in the script that a place stands for.
    pub(crate) fn place(&self, span: Span) -> Span {
        self.made.place(span).map_or(span, |(place, _)| place)
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

/// The text at a place, of a script or of what was made from it.
pub(crate) fn text<'a>(source: &'a str, made: &'a str, span: Span) -> &'a str {
    match span.start.checked_sub(source.len() + 1) {
        None => &source[span.start..span.end],
        Some(start) => &made[start..start + (span.end - span.start)],
    }
}

/// Statements that bindings and loops made: a text that follows the script, each piece of which stands for a place in it.
#[derive(Debug)]
pub(crate) struct Made {
    /// The place of its first byte.
    base: usize,
    text: String,
    /// Place here, and the place in the script that it stands for; in order.
    pieces: Vec<(Span, Span)>,
    /// Where statements of a turn begin; in order.
    turns: Vec<(usize, Option<Arc<str>>)>,
}

impl Made {
    pub(crate) fn after(source: &str) -> Self {
        let base = source.len() + 1;
        Self { base, text: String::new(), pieces: Vec::new(), turns: Vec::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.text.len()
    }

    /// Begins a statement, made in a turn of a loop or outside loops.
    pub(crate) fn begin(&mut self, turn: Option<Arc<str>>) -> usize {
        self.text.push('\n');
        let start = self.base + self.text.len();
        self.turns.push((start, turn));
        start
    }

    /// Adds a piece that stands for a place, with a blank before it where it touches none.
    pub(crate) fn put(&mut self, piece: &str, place: Span, touching: bool) -> Span {
        if !touching && !self.text.ends_with('\n') {
            self.text.push(' ');
        }
        let start = self.base + self.text.len();
        self.text.push_str(piece);
        let span = Span { start, end: start + piece.len() };
        self.pieces.push((span, place));
        span
    }

    pub(crate) fn text_from(&self, start: usize) -> &str {
        &self.text[start - self.base..]
    }

    /// The place in the script that a place here stands for, and the turn; none for places in the script.
    fn place(&self, span: Span) -> Option<(Span, Option<&Arc<str>>)> {
        if span.start < self.base {
            return None;
        }
        let piece_of = |at: usize| {
            let after = self.pieces.partition_point(|(made, _)| made.start <= at);
            self.pieces.get(after.saturating_sub(1))
        };
        let (first, place) = piece_of(span.start)?;
        let of_end = |at: usize| piece_of(at).map_or(place.end, |(_, place)| place.end);
        let place = if span.start >= first.end {
            // Behind a piece, where a statement ends.
            Span { start: place.end, end: place.end.max(of_end(span.end.max(span.start))) }
        } else if span.end < first.end && first.end - first.start == place.end - place.start {
            // A part of a piece that stands here as it is written.
            let offset = span.start - first.start;
            Span { start: place.start + offset, end: place.start + offset + (span.end - span.start) }
        } else {
            Span {
                start: place.start,
                end: of_end(span.end.saturating_sub(1).max(span.start)).max(place.end),
            }
        };
        let turn = self.turns.partition_point(|(start, _)| *start <= span.start);
        let turn = turn.checked_sub(1).and_then(|at| self.turns[at].1.as_ref());
        Some((place, turn))
    }
}

pub(crate) fn number(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
