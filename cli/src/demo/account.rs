//! What each party did and did not see, told from the plan and the roster; and the check of all records.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;

use anyhow::{Context, bail};
use kobling_audit::summary;
use kobling_audit::verify::VerifiedLog;
use kobling_audit::{AuditorKey, reconcile, verify_with};
use kobling_model::OwnerId;
use kobling_model::federation::Federation;
use kobling_model::plan::{Plan, Question};

use super::questions;
use crate::federation::place::Place;
use crate::render::{counted, whole};

/// A party's part in a script.
#[derive(Debug, Default, PartialEq, Eq)]
struct Part {
    /// Questions over its own data alone.
    alone: usize,
    /// Questions over its own data and another owner's, by the other owner.
    together: BTreeMap<OwnerId, usize>,
    /// Questions where it helped another owner to protect that owner's table.
    second: usize,
    /// Questions for which it shared its columns to two workers.
    shared: usize,
    /// Questions that it dealt randomness for.
    dealt: usize,
}

/// What each party did and did not see.
pub fn of(plan: &Plan, federation: &Federation, tables: usize) -> String {
    // Units are linked when the first question crosses owners; then all owners of the session's data give tokens.
    let crosses = plan.questions.iter().any(|question| question.right.is_some());
    let linking: BTreeSet<&OwnerId> = plan.releases.iter().map(|release| &release.owner).collect();
    let mut out = "What each party did, and what it did not see\n".to_owned();
    for node in &federation.nodes {
        let part = part_of(&node.id, &plan.questions, federation);
        let (did, not) = told(&part, crosses && linking.contains(&node.id));
        tell(&mut out, &node.id, &did, &not);
    }
    let tables = counted(tables, "protected table", "protected tables");
    let mut did = vec![format!("planned {}", questions(plan.questions.len()))];
    if crosses {
        did.push("matched tokens that are worth nothing outside this session".to_owned());
    }
    did.push(format!("added shares to {tables}"));
    let not = [
        "the salt of the tokens, an identity number, an attribute of a person".to_owned(),
        "the noise, or a cell that the rules had not passed".to_owned(),
    ];
    tell(&mut out, &federation.broker.id, &did, &not);
    out
}

fn part_of(me: &OwnerId, questions: &[Question], federation: &Federation) -> Part {
    let mut part = Part::default();
    for question in questions {
        let left = &question.left.owner;
        let right = question.right_owner();
        let Some(roles) = federation.roles(left, right) else { continue };
        if roles.dealer == *me {
            part.dealt += 1;
        }
        if question.sharing().any(|owner| owner == me) {
            part.shared += 1;
        }
        match right {
            None if left == me => part.alone += 1,
            None if roles.right == *me => part.second += 1,
            Some(right) if left == me => *part.together.entry(right.clone()).or_default() += 1,
            Some(right) if right == me => *part.together.entry(left.clone()).or_default() += 1,
            _ => {}
        }
    }
    part
}

fn told(part: &Part, linked: bool) -> (Vec<String>, Vec<String>) {
    let (mut did, mut not) = (Vec::new(), Vec::new());
    if part.alone > 0 {
        did.push(format!("answered {} over its own registers", questions(part.alone)));
    }
    for (other, number) in &part.together {
        did.push(format!("computed {} together with {other}, on masked columns", questions(*number)));
        not.push(format!("which of its people {other} has, or any value of {other}'s"));
    }
    if part.second > 0 {
        did.push(format!("held the other share of another owner's result in {}", questions(part.second)));
        not.push("what that result says".to_owned());
    }
    if part.shared > 0 {
        did.push(format!("shared its columns, masked, to two workers in {}", questions(part.shared)));
        not.push("anything of those questions but their text".to_owned());
    }
    if part.dealt > 0 {
        did.push(format!("dealt randomness for {}", questions(part.dealt)));
        not.push("a token, an attribute or a result of those it dealt for".to_owned());
    }
    did.push(if linked {
        "gave the broker tokens that are worth nothing outside this session".to_owned()
    } else {
        "gave nobody a token or a row".to_owned()
    });
    not.push("the noise".to_owned());
    (did, not)
}

/// One line for each thing.
fn tell(out: &mut String, party: &OwnerId, did: &[String], not: &[String]) {
    let mut name = party.as_str();
    for text in did {
        line(out, format_args!("  {name:<8}{text}"));
        name = "";
    }
    line(out, format_args!("  {:<8}not seen: {}", "", not.join("; ")));
}

/// What the check of all records came to.
pub struct Records {
    /// Whether everything fits.
    pub fit: bool,
    /// For people.
    pub text: String,
}

/// Verifies every party's log and lays them side by side.
///
/// # Errors
/// For a log that is damaged, cannot be read, or is signed by another key than its party's.
pub fn check_records(place: &Place, federation: &Federation) -> anyhow::Result<Records> {
    let key = fs::read_to_string(place.auditor_key()).context("the auditor's key")?;
    let keys = [AuditorKey::read(&key).context("the auditor's key")?];
    let mut logs: BTreeMap<OwnerId, VerifiedLog> = BTreeMap::new();
    for party in federation.parties() {
        let log = verify_with(&place.audit(party.id.as_str()), &keys);
        let log = log.with_context(|| format!("the log of {}", party.id))?;
        if !log.is_signed_as_in(federation) {
            bail!("the log of {} is not signed by the key that the federation has of it", party.id);
        }
        logs.insert(party.id.clone(), log);
    }
    let mut out = "Records\n".to_owned();
    for party in federation.parties() {
        let log = &logs[&party.id];
        let asked = summary::questions(log.entries());
        let ended = asked.iter().filter(|question| question.ending.is_some()).count();
        line(
            &mut out,
            format_args!(
                "  {:<8}{} in a tree that its party signed; {} recorded before anything left, {} with an outcome",
                party.id.as_str(),
                counted(log.entries().len(), "entry", "entries"),
                questions(asked.len()),
                whole(ended as u64)
            ),
        );
    }
    let findings = reconcile(&federation.broker.id, &logs);
    for finding in &findings {
        line(&mut out, format_args!("  Does not fit: {finding}"));
    }
    if findings.is_empty() {
        line(&mut out, format_args!("  The four logs tell the same of every question."));
    }
    Ok(Records { fit: findings.is_empty(), text: out })
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    writeln!(out, "{text}").expect("writing to memory does not fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dealer_that_links_nothing_is_told_to_have_given_nothing() {
        let part = Part { dealt: 4, ..Part::default() };
        let (did, not) = told(&part, false);
        assert_eq!(did, ["dealt randomness for 4 questions", "gave nobody a token or a row"]);
        assert!(not[0].starts_with("a token, an attribute or a result"), "{not:?}");
    }
}
