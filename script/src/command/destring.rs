//! `destring var-list [, prefix() ignore() force dpcomma]` makes numbers of texts.
//!
//! `ignore("signs")` leaves out each of these signs, `dpcomma` reads a comma as the decimal point. A text that is no number is missing
//! afterwards. Where the texts are codes of a list, those that are no numbers are named, unless `force` says that they may become missing;
//! of other texts nobody says which there are, so that there `force` makes no difference.
//!
//! ```text
//! require no.ssb.fdb:54 as db
//! create-dataset d
//! import db/BEFOLKNING_KJOENN as kjønn
//! import db/BEFOLKNING_KOMMNR_FORMELL 2023-01-01 as kommune
//! destring kjønn
//! destring kommune, prefix(n_) force
//! generate oslo = n_kommune == 301
//! tabulate kjønn oslo
//! ```

use kobling_model::expression::{Function, Value, ValueType};

use super::Options;
use super::group::names_in;
use crate::ast::{Command, Destring, Name, OptionUse, Statement};
use crate::check::{Checker, ColumnValue};
use crate::diagnostic::Reported;
use crate::domain::shown;
use crate::fold;
use crate::lexer::Token;
use crate::lower::Lowered;
use crate::parser::{Cursor, Parse};
use crate::problem::{Expected, Problem, Unprepared};

/// Values named in a diagnostic.
const NAMED_MAX: usize = 5;

pub(super) fn parse(cursor: &mut Cursor<'_, '_, '_>, options: Options) -> Parse<Command> {
    let variables = cursor.names(Expected::Variable)?;
    let options = cursor.options("destring", options)?;
    Ok(Command::Destring(Destring { variables, options }))
}

struct Settings {
    prefix: Option<String>,
    ignore: String,
    force: bool,
    comma: bool,
}

pub(crate) fn check(
    checker: &mut Checker<'_, '_, '_>,
    destring: &Destring,
    statement: &Statement,
) -> Result<(), Reported> {
    let active = checker.active(statement.span)?;
    let settings = settings(checker, &destring.options)?;
    let mut result = Ok(());
    for name in &destring.variables {
        let made = one(checker, &active, name, &settings, statement);
        if made.is_err() {
            match &settings.prefix {
                Some(prefix) => checker.fail_column(&format!("{prefix}{}", name.text)),
                None => checker.spoil_column(&active, &name.text),
            }
        }
        result = result.and(made);
    }
    result
}

fn settings(checker: &mut Checker<'_, '_, '_>, options: &[OptionUse]) -> Result<Settings, Reported> {
    let mut settings = Settings { prefix: None, ignore: String::new(), force: false, comma: false };
    for option in options {
        match option.name.as_str() {
            "prefix" => settings.prefix = names_in(checker, option)?.first().map(|name| name.text.clone()),
            "ignore" => {
                for word in option.arguments.as_deref().unwrap_or_default() {
                    let text = checker.reporter.text(word.span);
                    let signs = match word.token {
                        Token::Text => &text[1..text.len() - 1],
                        _ => text,
                    };
                    settings.ignore.push_str(signs);
                }
            }
            "force" => settings.force = true,
            _ => settings.comma = true,
        }
    }
    Ok(settings)
}

fn one(
    checker: &mut Checker<'_, '_, '_>,
    active: &str,
    name: &Name,
    settings: &Settings,
    statement: &Statement,
) -> Result<(), Reported> {
    let (text, column) = checker.value_column(active, name, |name| Problem::KeyInExpression { name })?;
    if !column.lowered.is_text() {
        return Err(checker.report(name.span, Problem::Unprepared(Unprepared::NumberAlready { name: text })));
    }
    let target = match &settings.prefix {
        Some(prefix) => {
            let target = Name { text: format!("{prefix}{text}"), ..name.clone() };
            checker.new_name(active, &target)?
        }
        None => text.clone(),
    };
    let comma = Value::Number(f64::from(u8::from(settings.comma)));
    let ignore = Value::Text(settings.ignore.clone());
    let number = |value: &Value| {
        let arguments = [value.clone(), ignore.clone(), comma.clone()].map(Some);
        fold::call(Function::Destring, &arguments).flatten()
    };
    let mut labels = column.labels.clone();
    if let Some(domain) = &column.lowered.domain {
        let no_number = domain.entries.iter().filter(|entry| number(&entry.value).is_none());
        let values: Vec<_> = no_number.map(|entry| shown(&entry.value)).take(NAMED_MAX).collect();
        if !values.is_empty() && !settings.force {
            let problem = Problem::Unprepared(Unprepared::NotNumbers { name: text, values });
            return Err(checker.report(name.span, problem));
        }
        // What codes mean stays known.
        let with_number = |entry: &crate::domain::Entry| {
            number(&entry.value).map(|value| crate::domain::Entry { value, ..entry.clone() })
        };
        let of = |domain: &crate::domain::Domain| {
            std::sync::Arc::new(crate::domain::Domain::new(domain.entries.iter().filter_map(with_number)))
        };
        labels = Some(of(labels.as_ref().unwrap_or(domain)));
    }
    let arguments = vec![column.lowered, Lowered::constant(ignore.clone()), Lowered::constant(comma.clone())];
    let lowered = Lowered::call(Function::Destring, ValueType::Number, arguments);
    checker.put(active, target, ColumnValue::new(lowered, labels), statement.span)
}
