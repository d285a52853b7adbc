//! `kobling audit`: logs, checked as an outsider checks them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use kobling_audit::verify::{VerifiedLog, VerifyError};
use kobling_audit::{reconcile, verify};
use kobling_model::OwnerId;

use self::given::{Given, Held, gathered};
use super::{print, print_json};
use crate::arguments::{AuditArguments, AuditCommand};
use crate::exit::{Exit, unusable, unusable_because};
use crate::render;
use crate::render::counted;

mod given;

/// Checks or shows logs.
///
/// # Errors
/// For logs that cannot be read.
pub fn run(arguments: AuditArguments) -> anyhow::Result<Exit> {
    match arguments.command {
        AuditCommand::Verify { logs, federation, noted } => {
            verify_all(&logs, Held::read(federation.as_deref(), noted)?)
        }
        AuditCommand::Show { log, json } => show(&log, json),
        AuditCommand::Reconcile { broker, logs, json } => match gathered(&logs)? {
            Some((roster, logs)) => {
                let broker = broker.unwrap_or_else(|| roster.broker.id.clone());
                let held = Held::by(roster);
                lay_side_by_side(&broker, &logs, &held, json)
            }
            None => {
                let broker = broker.ok_or_else(|| {
                    unusable("which party is the broker? Give --broker, or a folder of all logs with its federation.toml")
                })?;
                let logs: Vec<_> = logs.iter().map(|log| Given::named(log)).collect();
                lay_side_by_side(&broker, &logs, &Held::default(), json)
            }
        },
    }
}

fn verify_all(paths: &[PathBuf], mut held: Held) -> anyhow::Result<Exit> {
    let given = match gathered(paths)? {
        // The file that the auditor names counts before the one that lies with the logs.
        Some((roster, logs)) => {
            held.roster.get_or_insert(roster);
            logs
        }
        None => paths.iter().map(|path| Given { party: None, path: path.clone() }).collect(),
    };
    let mut logs = Vec::new();
    for one in &given {
        if let Some(log) = held_against(one, &held)? {
            print(&format!("{}: {}\n", one.path.display(), whole(&log, held.roster.is_some())));
            logs.push(log);
        }
    }
    if logs.len() < given.len() {
        return Ok(Exit::REJECTED);
    }
    // Whoever gives a checkpoint wants it compared: one that was not is no success.
    match held.unused(&logs) {
        Some(path) => Err(unusable(format!("{} is a checkpoint of none of these logs", path.display()))),
        None => Ok(Exit::DONE),
    }
}

/// The log, if nothing is wrong with it. What is wrong is said.
fn held_against(given: &Given, held: &Held) -> anyhow::Result<Option<VerifiedLog>> {
    let wrong = match checked(&given.path)? {
        Ok(log) => match held.complaint(&log, given.party.as_ref()) {
            Some(complaint) => format!("{}: the log of {} {complaint}", given.path.display(), log.party()),
            None => return Ok(Some(log)),
        },
        Err(error) => error.to_string(),
    };
    eprintln!("kobling: {}", render::plain(&wrong));
    Ok(None)
}

fn whole(log: &VerifiedLog, key_is_pinned: bool) -> String {
    let entries = counted(log.entries().len(), "entry", "entries");
    let (party, head, key) = (log.party(), log.head(), log.key().to_hex());
    let pinned = if key_is_pinned { ", as the federation file has it" } else { "" };
    format!("log of {party}, {entries}, head {head}, signed by {key}{pinned}")
}

fn show(path: &Path, json: bool) -> anyhow::Result<Exit> {
    let log = match checked(path)? {
        Ok(log) => log,
        Err(error) => {
            eprintln!("kobling: {}", render::plain(&error.to_string()));
            return Ok(Exit::REJECTED);
        }
    };
    if json {
        for entry in log.entries() {
            print_json(entry)?;
        }
    } else {
        print(&render::audit::log(&log));
    }
    Ok(Exit::DONE)
}

fn lay_side_by_side(broker: &OwnerId, logs: &[Given], held: &Held, json: bool) -> anyhow::Result<Exit> {
    let mut by_party = BTreeMap::new();
    for given in logs {
        // That a log is of another party than was said is for the reconciliation to tell.
        let expected = Given { party: None, path: given.path.clone() };
        let Some(log) = held_against(&expected, held)? else { return Ok(Exit::REJECTED) };
        let party = given.party.clone().unwrap_or_else(|| log.party().clone());
        if by_party.insert(party.clone(), log).is_some() {
            return Err(unusable(format!("two logs of {party} were given")));
        }
    }
    let findings = reconcile(broker, &by_party);
    if json {
        print_json(&findings)?;
    } else {
        for finding in &findings {
            let grave = if finding.may_be_a_crash() { "may be a crash" } else { "breach" };
            print(&format!("{grave}: {finding}\n"));
        }
        if findings.is_empty() {
            print(&format!("{} fit together.\n", counted(by_party.len(), "log", "logs")));
        }
    }
    Ok(if findings.is_empty() { Exit::DONE } else { Exit::REJECTED })
}

/// The log, or which entry is bad.
fn checked(path: &Path) -> anyhow::Result<Result<VerifiedLog, VerifyError>> {
    match verify(path) {
        Err(error @ (VerifyError::Unreadable { .. } | VerifyError::Changing { .. })) => {
            Err(unusable_because(format!("{} cannot be checked", path.display()), error))
        }
        checked => Ok(checked),
    }
}
