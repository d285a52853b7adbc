//! `recode var-list (rule) (rule)… [if condition] [, prefix(p) ¦ generate(names)]` maps values to new ones.
//!
//! A rule is `(values = target label missing)`: values are numbers, texts, ranges `a/b` with `min` and `max`,
//! `nonmissing`, `missing`, or `*` for everything left; the target is a number, a text or `.`; label and the
//! word `missing`, which shows the target after the others, are optional. The first rule that matches wins;
//! what none matches stays as it is. Rule 6 judges the rules as a whole, once for each variable, unless they match everybody
//! whatever the data are ([`crate::edit`]). Where whole numbers are left between a range from `min` and one to `max`, each is a category.
//!
//! ```text
//! require no.ssb.fdb:54 as db
//! create-dataset d
//! import db/BEFOLKNING_KOMMNR_FORMELL 2023-01-01 as kommune
//! import db/INNTEKT_WLONN 2022-06-30 as lønn
//! recode lønn (min/299999 = 1 lav) (300000/max = 2 "høy lønn") (missing = 99 "vet ikke" missing)
//! recode kommune ("0301" = 1 Oslo) (nonmissing = 0 "Resten av landet"), generate(oslo)
//! tabulate lønn oslo
//! ```

use std::sync::Arc;

use kobling_model::expression::{BinaryOperator, Value, ValueType};
use kobling_model::plan::Rest;

use super::Options;
use super::generate::condition;
use super::labels::label;
use crate::ast::{Command, Literal, Name, OptionUse, Recode, RecodeMatch, RecodeRule, Statement};
use crate::check::{Checker, ColumnValue};
use crate::diagnostic::{Reported, Span};
use crate::domain::{Domain, Entry, shown};
use crate::edit::Touched;
use crate::lexer::Token;
use crate::limits::SIDE_CATEGORIES_MAX;
use crate::lower::Lowered;
use crate::parser::{Cursor, Parse};
use crate::problem::{Expected, Problem};

pub(super) fn parse(cursor: &mut Cursor<'_, '_, '_>, options: Options) -> Parse<Command> {
    let variables = cursor.names(Expected::Variable)?;
    let mut rules = Vec::new();
    while rules.is_empty() || cursor.peek() == Some(Token::Open) {
        rules.push(rule(cursor)?);
    }
    let condition = cursor.condition()?;
    let options = cursor.options("recode", options)?;
    Ok(Command::Recode(Recode { variables, rules, condition, options }))
}

fn rule(cursor: &mut Cursor<'_, '_, '_>) -> Parse<RecodeRule> {
    let open = cursor.need(Token::Open, Expected::Rule)?;
    let mut matches = Vec::new();
    while matches.is_empty() || !matches!(cursor.peek(), Some(Token::Assign)) {
        matches.push(matched(cursor)?);
        cursor.eat(Token::Comma);
    }
    cursor.need(Token::Assign, Expected::Assign)?;
    let (target, target_span) = if cursor.eat(Token::Dot) {
        (None, cursor.behind())
    } else {
        let (target, span) = cursor.literal(Expected::RuleTarget)?;
        (Some(target), span)
    };
    let label = match cursor.peek() {
        None | Some(Token::Close) => None,
        _ if cursor.at_word("missing") => None,
        _ => Some(label(cursor)?),
    };
    let missing = cursor.eat_word("missing");
    let close = cursor.need(Token::Close, Expected::Close)?;
    Ok(RecodeRule { span: open.to(close), matches, target, target_span, label, missing })
}

fn matched(cursor: &mut Cursor<'_, '_, '_>) -> Parse<(RecodeMatch, Span)> {
    let start = cursor.here();
    if cursor.eat(Token::Star) {
        return Ok((RecodeMatch::Rest, start));
    }
    if cursor.eat_word("nonmissing") {
        return Ok((RecodeMatch::Nonmissing, start));
    }
    if cursor.eat_word("missing") || cursor.eat(Token::Dot) {
        return Ok((RecodeMatch::Missing, start));
    }
    if cursor.eat_word("min") {
        cursor.need(Token::Slash, Expected::Range)?;
        let last = bound(cursor, "max")?;
        return Ok((RecodeMatch::Range(None, last), start.to(cursor.behind())));
    }
    let (value, span) = cursor.literal(Expected::RuleValue)?;
    match value {
        Literal::Number(first) if cursor.eat(Token::Slash) => {
            let last = bound(cursor, "max")?;
            let span = start.to(cursor.behind());
            if last.is_some_and(|last| last < first) {
                return Err(cursor.report(span, Problem::RangeBackwards));
            }
            Ok((RecodeMatch::Range(Some(first), last), span))
        }
        value => Ok((RecodeMatch::Value(value), span)),
    }
}

fn bound(cursor: &mut Cursor<'_, '_, '_>, open: &str) -> Parse<Option<f64>> {
    if cursor.eat_word(open) {
        return Ok(None);
    }
    match cursor.literal(Expected::Range)? {
        (Literal::Number(number), _) => Ok(Some(number)),
        (Literal::Text(_), span) => {
            let found = Some(cursor.text(span).to_owned());
            Err(cursor.report(span, Problem::Expected { what: Expected::Range, found }))
        }
    }
}

pub(crate) fn check(
    checker: &mut Checker<'_, '_, '_>,
    recode: &Recode,
    statement: &Statement,
) -> Result<(), Reported> {
    let active = checker.active(statement.span)?;
    let condition = condition(checker, &active, recode.condition.as_ref());
    let new_type = target_type(checker, &recode.rules);
    let targets = targets(checker, &active, recode)?;
    let mut result = Ok(());
    for (name, target) in recode.variables.iter().zip(targets) {
        if checker.exhausted() {
            break;
        }
        let key = |name| Problem::KeyInExpression { name };
        let value = checker.value_column(&active, name, key).and_then(|(name, column)| {
            let new_type = new_type?.unwrap_or(column.lowered.value_type);
            let condition = condition.as_ref().map_err(|reported| *reported)?.clone();
            recoded(checker, &name, &column, recode, condition, new_type, statement)
        });
        let put = match value {
            Ok(lowered) => checker.put(&active, target, ColumnValue::new(lowered, None), statement.span),
            Err(reported) => {
                checker.fail_column(&target);
                checker.spoil_column(&active, &target);
                Err(reported)
            }
        };
        result = result.and(put);
    }
    result
}

/// The names of the columns that get the new values, one for each recoded variable.
fn targets(
    checker: &mut Checker<'_, '_, '_>,
    active: &str,
    recode: &Recode,
) -> Result<Vec<String>, Reported> {
    let mut targets: Vec<String> = recode.variables.iter().map(|name| name.text.clone()).collect();
    for OptionUse { name: option, span, arguments } in &recode.options {
        let words = arguments.as_deref().unwrap_or_default();
        let names: Vec<Name> = (words.iter())
            .filter(|word| word.token == Token::Name)
            .map(|word| Name { text: checker.reporter.text(word.span).to_owned(), span: word.span })
            .collect();
        if names.len() != words.len() {
            let found = None;
            return Err(checker.report(*span, Problem::Expected { what: Expected::NewName, found }));
        }
        targets = match (option.as_str(), &names[..]) {
            ("prefix", [prefix]) => targets.iter().map(|target| format!("{}{target}", prefix.text)).collect(),
            ("prefix", _) => {
                return Err(checker.report(*span, Problem::TooManyVariables { option: "prefix()" }));
            }
            (_, names) if names.len() == targets.len() => {
                names.iter().map(|name| name.text.clone()).collect()
            }
            (_, names) => {
                let (variables, given) = (targets.len(), names.len());
                return Err(checker.report(*span, Problem::RecodeNames { variables, given }));
            }
        };
        for text in &targets {
            checker.new_name(active, &Name { text: text.clone(), span: *span })?;
        }
    }
    Ok(targets)
}

/// The one type of all targets; none where all are missing.
fn target_type(
    checker: &mut Checker<'_, '_, '_>,
    rules: &[RecodeRule],
) -> Result<Option<ValueType>, Reported> {
    let mut found = None;
    for rule in rules {
        let this = match rule.target {
            None => continue,
            Some(Literal::Number(_)) => ValueType::Number,
            Some(Literal::Text(_)) => ValueType::Text,
        };
        if found.is_some_and(|found| found != this) {
            return Err(checker.report(rule.target_span, Problem::TargetsMixed));
        }
        found = Some(this);
    }
    Ok(found)
}

/// One variable by the rules.
fn recoded(
    checker: &mut Checker<'_, '_, '_>,
    name: &str,
    column: &ColumnValue,
    recode: &Recode,
    condition: Option<Lowered>,
    new_type: ValueType,
    statement: &Statement,
) -> Result<Lowered, Reported> {
    let x = column.lowered.clone().with_domain(column.categories.clone());
    check_values(checker, &x, &recode.rules)?;
    let changes_type = new_type != x.value_type;
    if changes_type && (condition.is_some() || !covers(&x, &recode.rules)) {
        return Err(checker.report(statement.span, Problem::RecodeRest { name: name.to_owned() }));
    }
    let matches: usize = recode.rules.iter().map(|rule| rule.matches.len()).sum();
    let per_match = x.size().saturating_mul(2) + 4 + condition.as_ref().map_or(0, Lowered::size);
    if matches.saturating_mul(per_match) > crate::limits::EXPRESSION_NODES_MAX {
        return Err(checker.report(statement.span, Problem::ExpressionTooLarge));
    }
    let domain = domain(&x, recode, condition.is_some(), checker.is_whole(&x.expression));
    let mut arms = Vec::with_capacity(recode.rules.len());
    for rule in &recode.rules {
        let any = rule.matches.iter().map(|(matched, _)| when(&x, matched)).collect();
        let any = Lowered::all(BinaryOperator::Or, any).expect("a rule matches something");
        let when = match &condition {
            Some(condition) => Lowered::binary(BinaryOperator::And, condition.clone(), any),
            None => any,
        };
        arms.push((when, target(rule, new_type)));
    }
    let everything = condition.is_none() && covers_numbers(&recode.rules, checker.is_whole(&x.expression));
    let judged = touched(&x, &recode.rules, &arms, condition.is_some(), everything);
    let otherwise = |x| if changes_type || everything { Lowered::missing(new_type) } else { x };
    let Some((touched, rest)) = judged else {
        return Ok(Lowered::case(true, arms, otherwise(x), Some(Arc::new(domain))));
    };
    let active = checker.active(statement.span)?;
    let carried_out = checker.ask_edit(&active, touched, rest, statement)?;
    Ok(Lowered::case(carried_out, arms, otherwise(x), Some(Arc::new(domain))).by_outcome())
}

/// The units that the rules match as a whole, and what is asked of the others; none where everybody is matched whatever the data are.
///
/// Where the rules name every value that the variable can have, they leave out nobody but those of whom it has none: that is how the
/// recode is built, and no answer about people.
fn touched(
    x: &Lowered,
    rules: &[RecodeRule],
    arms: &[(Lowered, Lowered)],
    conditional: bool,
    everything: bool,
) -> Option<(Touched, Rest)> {
    let matches = || rules.iter().flat_map(|rule| &rule.matches).map(|(matched, _)| matched);
    let every_value = everything || covers(x, rules);
    let everybody = matches().any(|matched| *matched == RecodeMatch::Rest)
        || every_value && matches().any(|matched| *matched == RecodeMatch::Missing);
    if everybody && !conditional {
        return None;
    }
    let any = Lowered::all(BinaryOperator::Or, arms.iter().map(|(when, _)| when.clone()).collect());
    let rest = if every_value && !conditional { Rest::Nothing } else { Rest::NotFew };
    Some((Touched::by(&any?)?, rest))
}

/// Values of rules must be of the variable's type.
fn check_values(
    checker: &mut Checker<'_, '_, '_>,
    x: &Lowered,
    rules: &[RecodeRule],
) -> Result<(), Reported> {
    let mut result = Ok(());
    for (matched, span) in rules.iter().flat_map(|rule| &rule.matches) {
        let number = match matched {
            RecodeMatch::Value(Literal::Number(number)) if x.is_text() => {
                Some(shown(&Value::Number(*number)))
            }
            RecodeMatch::Range(..) if x.is_text() => None,
            RecodeMatch::Value(Literal::Text(_)) if !x.is_text() => None,
            _ => continue,
        };
        result = Err(checker.report(*span, Problem::TextWithNumber { number }));
    }
    result
}

/// Whether every value that is not missing is matched by some rule.
fn covers(x: &Lowered, rules: &[RecodeRule]) -> bool {
    let all = rules.iter().flat_map(|rule| &rule.matches).any(|(matched, _)| {
        matches!(matched, RecodeMatch::Rest | RecodeMatch::Nonmissing | RecodeMatch::Range(None, None))
    });
    let each =
        |domain: &Arc<Domain>| domain.entries.iter().all(|entry| first_match(rules, &entry.value).is_some());
    all || x.domain.as_ref().is_some_and(each)
}

/// Whether ranges leave no number out, or no whole number where there are only those: what is none is missing and stays so.
fn covers_numbers(rules: &[RecodeRule], whole: bool) -> bool {
    let mut ranges: Vec<(f64, f64)> = (rules.iter().flat_map(|rule| &rule.matches))
        .filter_map(|(matched, _)| match matched {
            RecodeMatch::Range(first, last) => {
                Some((first.unwrap_or(f64::NEG_INFINITY), last.unwrap_or(f64::INFINITY)))
            }
            RecodeMatch::Value(Literal::Number(number)) => Some((*number, *number)),
            _ => None,
        })
        .collect();
    ranges.sort_by(|x, y| x.0.total_cmp(&y.0));
    let mut reached = None;
    for (first, last) in ranges {
        let joins = match reached {
            None => first == f64::NEG_INFINITY,
            Some(reached) if whole => first.ceil() <= f64::floor(reached) + 1.0,
            Some(reached) => first <= reached,
        };
        if !joins {
            return false;
        }
        reached = Some(reached.map_or(last, |reached: f64| reached.max(last)));
    }
    reached == Some(f64::INFINITY)
}

fn first_match<'r>(rules: &'r [RecodeRule], value: &Value) -> Option<&'r RecodeRule> {
    rules.iter().find(|rule| rule.matches.iter().any(|(matched, _)| holds(matched, value)))
}

fn holds(matched: &RecodeMatch, value: &Value) -> bool {
    match (matched, value) {
        (RecodeMatch::Rest | RecodeMatch::Nonmissing, _) => true,
        (RecodeMatch::Missing, _) => false,
        (RecodeMatch::Value(literal), value) => value_of(literal) == *value,
        (RecodeMatch::Range(first, last), Value::Number(number)) => {
            first.is_none_or(|first| first <= *number) && last.is_none_or(|last| *number <= last)
        }
        (RecodeMatch::Range(..), Value::Text(_)) => false,
    }
}

/// Whole numbers between the highest end of a range from `min` and the lowest start of one to `max`; none where there are too many
/// for a table.
fn between(rules: &[RecodeRule]) -> impl Iterator<Item = Value> {
    let ranges = || rules.iter().flat_map(|rule| &rule.matches).map(|(matched, _)| matched);
    let up_to = ranges().filter_map(|matched| match matched {
        RecodeMatch::Range(None, Some(last)) => Some(last.floor() + 1.0),
        _ => None,
    });
    let from = ranges().filter_map(|matched| match matched {
        RecodeMatch::Range(Some(first), None) => Some(first.ceil() - 1.0),
        _ => None,
    });
    let (first, last) = (up_to.reduce(f64::max), from.reduce(f64::min));
    let range = first.zip(last).filter(|(first, last)| last - first < SIDE_CATEGORIES_MAX as f64);
    let (first, last) = range.unwrap_or((1.0, 0.0));
    (first as i64..=last as i64).map(|number| Value::Number(number as f64))
}

fn value_of(literal: &Literal) -> Value {
    match literal {
        Literal::Number(number) => Value::Number(*number),
        Literal::Text(text) => Value::Text(text.clone()),
    }
}

fn when(x: &Lowered, matched: &RecodeMatch) -> Lowered {
    use BinaryOperator as B;
    let compare = |operator, number: f64| {
        Lowered::binary(operator, x.clone(), Lowered::constant(Value::Number(number)))
    };
    match matched {
        RecodeMatch::Value(literal) => {
            Lowered::binary(B::Equal, x.clone(), Lowered::constant(value_of(literal)))
        }
        RecodeMatch::Range(Some(first), Some(last)) => {
            Lowered::binary(B::And, compare(B::GreaterOrEqual, *first), compare(B::LessOrEqual, *last))
        }
        RecodeMatch::Range(Some(first), None) => compare(B::GreaterOrEqual, *first),
        RecodeMatch::Range(None, Some(last)) => compare(B::LessOrEqual, *last),
        RecodeMatch::Range(None, None) | RecodeMatch::Nonmissing => x.clone().sysmiss().not(),
        RecodeMatch::Missing => x.clone().sysmiss(),
        RecodeMatch::Rest => Lowered::truth(true),
    }
}

fn target(rule: &RecodeRule, new_type: ValueType) -> Lowered {
    match &rule.target {
        Some(literal) => Lowered::constant(value_of(literal)),
        None => Lowered::missing(new_type),
    }
}

/// What the result can be: values that are left as they are, and all targets. Where the variable's own values are
/// not known, these are the whole numbers that lie between two open ranges of the rules, if it has only whole ones.
fn domain(x: &Lowered, recode: &Recode, conditional: bool, whole: bool) -> Domain {
    let target = |rule: &RecodeRule| {
        let value = value_of(rule.target.as_ref()?);
        Some(Entry { value, label: rule.label.clone(), sentinel: rule.missing })
    };
    let mut entries: Vec<Entry> = Vec::new();
    if x.domain.is_none() && whole && !conditional {
        let left = between(&recode.rules).filter(|value| first_match(&recode.rules, value).is_none());
        entries.extend(left.map(|value| Entry { value, label: None, sentinel: false }));
    }
    for entry in x.domain.iter().flat_map(|domain| &domain.entries) {
        let rule = first_match(&recode.rules, &entry.value);
        if rule.is_none() || conditional {
            entries.push(entry.clone());
        }
        entries.extend(rule.and_then(target));
    }
    // Labels of the rules come before those that the values had.
    let targets: Vec<Entry> = recode.rules.iter().filter_map(target).collect();
    for entry in &mut entries {
        let named = targets.iter().find(|target| target.value == entry.value && target.label.is_some());
        if let Some(named) = named {
            entry.label.clone_from(&named.label);
        }
        entry.sentinel |= targets.iter().any(|target| target.value == entry.value && target.sentinel);
    }
    entries.extend(targets);
    Domain::new(entries)
}
