//! What may stand at a place of a line that is being typed: commands, datasets, variables, dates, codes, functions, options.
//!
//! The lines before it are checked as a script is, so that what they make is known; what is wrong with them does not matter here. `place` says where in
//! a statement the cursor is, `known` what there is. Nothing here draws or asks anybody.

mod known;
mod place;

use kobling_model::catalogue::Catalogue;

use crate::check::walk;
use crate::command::COMMANDS;
use crate::command::other::only_shows;
use crate::diagnostic::Reporter;
use crate::function::names;
use crate::lexer::Token;
use crate::parser::parse_with;
use crate::prepare::WORDS;
use known::Known;
use place::{Place, Zone, place};

/// Something that may stand at a place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Candidate {
    /// What to write.
    pub text: String,
    /// What it is, for people, such as a variable's title; may be empty.
    pub note: String,
}

/// What may stand at a place, and where what is typed of it begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completion {
    /// The byte of the input from which a candidate replaces what is typed, up to the cursor.
    pub start: usize,
    /// In the order to show them.
    pub candidates: Vec<Candidate>,
}

/// What may stand at the cursor, a byte of the input, after the script so far.
///
/// Candidates begin with what is typed, capital letters or not; where none does, those are meant that have it somewhere in
/// them or in their note. Code lists and dates are those that the catalogue has.
pub fn complete(script: &str, input: &str, cursor: usize, catalogue: &Catalogue) -> Completion {
    let Some(place) = place(input, cursor) else {
        return Completion { start: cursor, ..Completion::default() };
    };
    let (lines, _) = input.split_at(place.statement);
    let source = format!("{script}\n{lines}");
    let mut reporter = Reporter::new(&source);
    let parsed = parse_with(&source, &mut reporter);
    let checker = walk(&parsed, catalogue, &[], &mut reporter);
    let known = Known { checker: &checker, catalogue, source: &source };
    let (start, candidates) = at(&place, &known);
    let candidates = matching(candidates, &place.text[start..]);
    Completion { start: place.statement + start, candidates }
}

impl Candidate {
    fn new(text: impl Into<String>, note: impl Into<String>) -> Self {
        Self { text: text.into(), note: note.into() }
    }

    fn bare(text: impl Into<String>) -> Self {
        Self::new(text, "")
    }
}

/// Those that go on from what is typed.
fn matching(candidates: Vec<Candidate>, typed: &str) -> Vec<Candidate> {
    let typed = typed.to_lowercase();
    let bare = typed.trim_start_matches(['\'', '"']);
    let begins = |candidate: &&Candidate| {
        let text = candidate.text.to_lowercase();
        text.starts_with(&typed) || text.trim_start_matches(['\'', '"']).starts_with(bare)
    };
    let begin: Vec<_> = candidates.iter().filter(begins).cloned().collect();
    if !begin.is_empty() || bare.chars().count() < 2 {
        return begin;
    }
    let holds = |text: &str| text.to_lowercase().contains(bare);
    candidates.into_iter().filter(|candidate| holds(&candidate.text) || holds(&candidate.note)).collect()
}

/// What may stand at a place, and the byte of the statement where it begins.
fn at(place: &Place<'_>, known: &Known<'_, '_, '_, '_>) -> (usize, Vec<Candidate>) {
    if place.is_binding() {
        return (place.name, known.bindings());
    }
    match place.zone() {
        Zone::Command => {
            let mut commands: Vec<_> = COMMANDS.iter().map(|(name, _)| Candidate::bare(*name)).collect();
            commands.push(Candidate::bare("textblock"));
            commands.sort();
            (place.start_of(|c| matches!(c, '_' | '-')), commands)
        }
        Zone::OptionName => {
            let options = COMMANDS.iter().find(|(name, _)| *name == place.command);
            let option = |name: &&str| Candidate::bare(name.trim_end_matches(')'));
            (place.name, options.map_or(Vec::new(), |(_, options)| options.iter().map(option).collect()))
        }
        Zone::OptionArgument(option) => of_option(place, option, known),
        Zone::Expression { from, call } => of_expression(place, from, call, known),
        Zone::Arguments { open } => of_arguments(place, open, known),
    }
}

fn of_option(place: &Place<'_>, option: &str, known: &Known<'_, '_, '_, '_>) -> (usize, Vec<Candidate>) {
    let candidates = match option {
        "values" => match place.register(0) {
            Some((alias, variable, date)) => return known.codes(place, known.domain(alias, variable, date)),
            None => Vec::new(),
        },
        _ if place.quote.is_some() => Vec::new(),
        "values_from" => known.datasets(),
        "by" | "cluster" => known.columns(true),
        "summarize" | "over" | "rowsort" | "colsort" | "control" | "exposure" | "mfx" | "margins" => {
            known.columns(false)
        }
        _ => Vec::new(),
    };
    (place.name, candidates)
}

fn of_expression(
    place: &Place<'_>,
    from: usize,
    call: Option<(&str, usize)>,
    known: &Known<'_, '_, '_, '_>,
) -> (usize, Vec<Candidate>) {
    let tokens = &place.tokens[from..];
    let last = tokens.last().map(|(token, _)| *token);
    use Token as T;
    let compared = matches!(
        last,
        Some(T::Equal | T::NotEqual | T::Less | T::LessOrEqual | T::Greater | T::GreaterOrEqual)
    );
    let mut of_column = None;
    if compared && let [.., (T::Name, _), _] = tokens {
        of_column = Some((tokens.len() - 2 + from, false));
    }
    // `inlist(x, …` and functions of labels: codes and labels of what stands first.
    if let Some((function, open)) = call
        && matches!(function, "inlist" | "label_to_code" | "inlabels" | "labelcontains")
        && matches!(place.tokens.get(open + 2), Some((T::Comma, _)))
        && matches!(last, Some(T::Comma))
    {
        of_column = Some((open + 1, function != "inlist"));
    }
    if let Some((column, labels)) = of_column {
        let domain = known.categories(place.text_of(column));
        let (start, codes) = if labels { known.labels(place, domain) } else { known.codes(place, domain) };
        let found = matching(codes, &place.text[start..]);
        if !found.is_empty() || place.quote.is_some() {
            return (start, found);
        }
    }
    if place.quote.is_some() {
        return (place.name, Vec::new());
    }
    let ends = matches!(last, Some(T::Name | T::Number | T::Text | T::Close | T::Dot | T::Date));
    if ends {
        let more = matches!(place.command, "generate" | "replace") && call.is_none() && !place.has_if();
        return (place.name, if more { vec![Candidate::bare("if")] } else { Vec::new() });
    }
    let mut candidates = known.columns(false);
    let mut functions: Vec<_> = names().map(|name| Candidate::bare(format!("{name}("))).collect();
    functions.sort();
    candidates.extend(functions);
    (place.name, candidates)
}

fn of_arguments(
    place: &Place<'_>,
    open: Option<usize>,
    known: &Known<'_, '_, '_, '_>,
) -> (usize, Vec<Candidate>) {
    let arguments = place.arguments();
    let count = arguments.len();
    let first_only = |candidates: Vec<Candidate>| if count == 0 { candidates } else { Vec::new() };
    let word = |at: usize| place.text_of(at);
    if place.command == "recode" && open.is_some() {
        return of_rule(place, open, known);
    }
    if place.quote.is_some() {
        return (place.name, Vec::new());
    }
    let columns = || known.columns(false);
    let candidates = match place.command {
        "require" => {
            let start = place.start_of(|c| matches!(c, '_' | '-' | '.' | ':'));
            let typed = place.text[place.command_end..start].trim();
            return (start, if typed.is_empty() { known.datastores() } else { vec![Candidate::bare("as")] });
        }
        "use" | "delete-dataset" | "clone-dataset" | "clone-units" | "rename-dataset" => {
            first_only(known.datasets())
        }
        "import" | "import-event" | "import-panel" | "variables" | "list-labels" => {
            return of_registers(place, known);
        }
        "create-dataset" | "define-labels" | "generate" | "sample" | "let" | "load" | "save" | "clear"
        | "edit" | "history" | "configure" | "end" | "textblock" => Vec::new(),
        "replace" | "rename" => first_only(columns()),
        "assign-labels" => match count {
            0 => columns(),
            1 => known.lists(),
            _ => Vec::new(),
        },
        "drop-labels" => known.lists(),
        "merge" => {
            let at = |wanted: &str| arguments.clone().find(|at| word(*at) == wanted);
            match (at("into"), at("on")) {
                (Some(into), Some(_)) => known.columns_of(word(into + 1), true),
                (Some(into), None) if into + 1 == arguments.end => known.datasets(),
                (Some(_), None) => vec![Candidate::bare("on")],
                (None, _) => [columns(), vec![Candidate::bare("into")]].concat(),
            }
        }
        "collapse" | "aggregate" | "barchart" if open.is_some() => {
            WORDS.iter().copied().map(Candidate::bare).collect()
        }
        "help" => COMMANDS.iter().map(|(name, _)| Candidate::bare(*name)).collect(),
        "help-function" => names().map(Candidate::bare).collect(),
        "for" if arguments.clone().any(|at| word(at) == "in") => columns(),
        "for" => Vec::new(),
        _ if matches!(place.tokens.last(), Some((Token::Arrow, _))) => Vec::new(),
        command => {
            let conditions = matches!(command, "keep" | "drop")
                || matches!(command, "tabulate" | "summarize" | "recode")
                || only_shows(command);
            let condition = (conditions && (count > 0) != matches!(command, "keep" | "drop"))
                .then(|| Candidate::bare("if"));
            columns().into_iter().chain(condition).collect()
        }
    };
    let hyphens = matches!(place.command, "help" | "help-function");
    (if hyphens { place.start_of(|c| matches!(c, '_' | '-')) } else { place.name }, candidates)
}

/// In a rule of `recode`: values of the first variable before the `=`.
fn of_rule(place: &Place<'_>, open: Option<usize>, known: &Known<'_, '_, '_, '_>) -> (usize, Vec<Candidate>) {
    let inside = &place.tokens[open.unwrap_or_default()..];
    if inside.iter().any(|(token, _)| *token == Token::Assign) {
        let word = (place.quote.is_none()).then(|| Candidate::bare("missing"));
        return (place.name, word.into_iter().collect());
    }
    let first = place.arguments().start;
    let (start, mut codes) = known.codes(place, known.categories(place.text_of(first)));
    if place.quote.is_none() {
        codes.extend(["min", "max", "missing", "nonmissing"].map(Candidate::bare));
    }
    (start, codes)
}

/// `alias/NAME`, its dates, and the words around them.
fn of_registers(place: &Place<'_>, known: &Known<'_, '_, '_, '_>) -> (usize, Vec<Candidate>) {
    let tokens = &place.tokens;
    let arguments = place.arguments();
    let word = |at: usize| place.text_of(at);
    if let [.., (Token::Name, _), (Token::Slash, _)] = tokens[arguments.clone()] {
        return (place.name, known.variables(word(arguments.end - 2)));
    }
    if arguments.clone().any(|at| word(at) == "as") {
        return (place.name, Vec::new());
    }
    // A date is typed with hyphens, which are tokens of their own.
    let start = place.start_of(|c| c == '-');
    let typed = arguments.clone().find(|at| place.tokens[*at].1.start >= start).unwrap_or(arguments.end);
    let before = arguments.start..typed;
    let names = before.clone().filter(|at| tokens[*at].0 == Token::Slash).count();
    let dates = before.clone().filter(|at| tokens[*at].0 == Token::Date).count();
    let Some((alias, variable, _)) = names.checked_sub(1).and_then(|last| place.register(last)) else {
        let mut candidates = known.aliases();
        if place.command == "list-labels" {
            candidates.extend(known.lists());
        }
        return (place.name, candidates);
    };
    let days = || known.dates(alias, variable);
    let word_before = before.end.checked_sub(1).map_or("", word);
    let candidates = match place.command {
        "import" if dates == 0 => [days(), vec![Candidate::bare("as")]].concat(),
        "import" => vec![Candidate::bare("as")],
        "import-event" => match (dates, word_before) {
            (0, _) | (1, "to") => days(),
            (1, _) => vec![Candidate::bare("to")],
            _ => vec![Candidate::bare("as")],
        },
        "import-panel" if dates == 0 => [known.aliases(), days()].concat(),
        "import-panel" => days(),
        "variables" => return (place.name, known.aliases()),
        _ => days(),
    };
    (start, candidates)
}
