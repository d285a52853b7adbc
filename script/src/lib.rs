//! The script language: from a researcher's text to a plan, or to diagnostics that say what to mend.
//!
//! Stages, each a module: [`lexer`] cuts the text into statements of tokens; `expand` carries out bindings and loops, so that
//! statements with plain names and values are left; [`parser`] and the files under `command/` make a syntax tree ([`ast`]) of every form of the language; `check` walks the statements with the
//! catalogue at hand, `lower` inlines columns into expressions, and `locality` says which owner computes what.
//! Nothing here reads data or talks to anybody. The same text and the same catalogue give the same plan,
//! which is why the broker and every node can derive it on their own and compare hashes.
//!
//! For shells: [`session`] knows when lines are whole and which of them change a dataset, [`complete`] what may stand at a place.
//!
//! No input makes this crate panic or use unbounded memory: length of the text, nesting, size of
//! expressions, of tables and of the whole plan, and the number of diagnostics are bounded in [`limits`].

pub mod ast;
mod binding;
mod by_code;
mod check;
mod command;
pub mod commands;
pub mod complete;
mod diagnostic;
mod domain;
mod edit;
mod evaluate;
mod expand;
mod explain;
mod fold;
mod function;
mod joint;
pub mod lexer;
pub mod limits;
mod linear;
mod locality;
mod lower;
mod made;
mod near;
mod panel;
pub mod parser;
mod prepare;
mod problem;
pub mod session;
mod value;

use std::collections::BTreeSet;

use kobling_model::DatastoreId;
use kobling_model::catalogue::Catalogue;
use kobling_model::plan::Plan;

pub use diagnostic::{Diagnostic, Severity, Span, render};
pub use explain::{Cost, explain};
pub use joint::Obstacle;
pub use problem::{BindingProblem, Expected, Feature, Language, Problem, Unprepared};

/// A script in which every name, type and date is valid.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckedScript {
    /// What it asks, bound to the catalogue's releases.
    pub plan: Plan,
}

/// Parses, checks and plans a script.
///
/// `catalogue` holds the pinned releases; of several releases of one datastore with the same major version the
/// newest counts.
///
/// # Errors
/// Everything that is wrong with the script, in order of place; never empty.
pub fn check(source: &str, catalogue: &Catalogue) -> Result<CheckedScript, Vec<Diagnostic>> {
    let mut reporter = diagnostic::Reporter::new(source);
    let script = parser::parse_with(source, &mut reporter);
    let plan = check::plan(&script, catalogue, &[], &mut reporter);
    let diagnostics = reporter.finish();
    match plan {
        Some(plan) if diagnostics.is_empty() => Ok(CheckedScript { plan }),
        _ => Err(diagnostics),
    }
}

/// The plan of a script whose first edits have had these outcomes: whether each was carried out. Edits beyond the list
/// count as carried out, so that [`plan`] is this with an empty list.
///
/// None where [`check`] finds faults, or the script has fewer edits. A script without faults has none
/// whatever the outcomes, and asks the same questions; what differs is what they are asked of.
pub fn plan_after(source: &str, catalogue: &Catalogue, edits: &[bool]) -> Option<Plan> {
    let mut reporter = diagnostic::Reporter::new(source);
    let script = parser::parse_with(source, &mut reporter);
    let plan = check::plan(&script, catalogue, edits, &mut reporter);
    plan.filter(|_| reporter.finish().is_empty())
}

/// [`check`], for callers that want the plan alone.
///
/// # Errors
/// As [`check`].
pub fn plan(source: &str, catalogue: &Catalogue) -> Result<Plan, Vec<Diagnostic>> {
    check(source, catalogue).map(|checked| checked.plan)
}

/// What can be said of a script without a catalogue: what cannot be read, and which commands are not available yet.
///
/// A script with none of it may still have wrong names, types and dates.
pub fn syntax(source: &str) -> Vec<Diagnostic> {
    let mut reporter = diagnostic::Reporter::new(source);
    let script = parser::parse_with(source, &mut reporter);
    for statement in &script.statements {
        if let ast::Command::Other(other) = &statement.command {
            reporter.report(other.word_span, command::other::not_yet(other));
        }
    }
    reporter.finish()
}

/// The script's statements with the values of bindings in place and loops unrolled, one a line; of those that can be read.
///
/// Of use where one must know which names a script has without a catalogue to check them.
pub fn written_out(source: &str) -> String {
    let (script, _) = parser::parse(source);
    script.statements.iter().flat_map(|statement| [statement.text.as_str(), "\n"]).collect()
}

/// The commands that a script uses, in order of name: those that are carried out once bindings are in place and loops unrolled, so never
/// `let`, `for` and `end`. Of use to an owner that allows some commands only.
pub fn commands_used(source: &str) -> Vec<&'static str> {
    let (script, _) = parser::parse(source);
    let word = |statement: &ast::Statement| {
        let text = statement.text.as_str();
        let end = text.find(|c: char| !c.is_alphanumeric() && c != '-' && c != '_').unwrap_or(text.len());
        commands::all().find(|name| *name == &text[..end])
    };
    let used: BTreeSet<&'static str> = script.statements.iter().filter_map(word).collect();
    used.into_iter().collect()
}

/// Which datastores, at which major versions, the script connects; in order of name, without repetition.
///
/// Needs no catalogue: it is what one must know to open a session. Faults elsewhere in the script are left
/// to [`check`], so that they are reported together.
///
/// # Errors
/// The diagnostics of `require` statements that cannot be read; never empty.
pub fn required_datastores(source: &str) -> Result<Vec<(DatastoreId, u32)>, Vec<Diagnostic>> {
    let mut reporter = diagnostic::Reporter::new(source);
    let script = parser::parse_with(source, &mut reporter);
    let (mut required, mut broken) = (BTreeSet::new(), Vec::new());
    for statement in &script.statements {
        match &statement.command {
            ast::Command::Require(require) => {
                required.insert((require.datastore.clone(), require.major));
            }
            ast::Command::Broken { word, .. } if word == "require" => {
                broken.push(reporter.place(statement.span))
            }
            _ => {}
        }
    }
    if broken.is_empty() {
        return Ok(required.into_iter().collect());
    }
    let diagnostics = reporter.finish();
    let within = |diagnostic: &Diagnostic| {
        broken.iter().any(|span| span.start <= diagnostic.span.start && diagnostic.span.end <= span.end)
    };
    let chosen: Vec<_> = diagnostics.iter().filter(|diagnostic| within(diagnostic)).cloned().collect();
    Err(if chosen.is_empty() { diagnostics } else { chosen })
}
