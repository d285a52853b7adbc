//! `kobling audit`: logs, checked as an outsider checks them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use kobling_audit::verify::{VerifiedLog, VerifyError};
use kobling_audit::{reconcile, verify};
use kobling_model::OwnerId;

use super::{print, print_json};
use crate::arguments::{AuditArguments, AuditCommand};
use crate::exit::{Exit, unusable, unusable_because};
use crate::render;
use crate::render::counted;

/// Checks or shows logs.
///
/// # Errors
/// For logs that cannot be read.
pub fn run(arguments: AuditArguments) -> anyhow::Result<Exit> {
    match arguments.command {
        AuditCommand::Verify { logs } => verify_all(&logs),
        AuditCommand::Show { log, json } => show(&log, json),
        AuditCommand::Reconcile { broker, logs, json } => lay_side_by_side(&broker, &logs, json),
    }
}

fn verify_all(logs: &[PathBuf]) -> anyhow::Result<Exit> {
    let mut exit = Exit::DONE;
    for path in logs {
        match checked(path)? {
            Ok(log) => {
                let party = log.party();
                let entries = counted(log.entries().len(), "entry", "entries");
                let (head, key) = (log.head(), log.key().to_hex());
                print(&format!(
                    "{}: log of {party}, {entries}, head {head}, signed by {key}\n",
                    path.display()
                ));
            }
            Err(error) => {
                eprintln!("kobling: {}", render::plain(&error.to_string()));
                exit = Exit::REJECTED;
            }
        }
    }
    Ok(exit)
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

fn lay_side_by_side(broker: &OwnerId, logs: &[String], json: bool) -> anyhow::Result<Exit> {
    let mut by_party = BTreeMap::new();
    for given in logs {
        let (named, path) = named(given);
        let log = match checked(&path)? {
            Ok(log) => log,
            Err(error) => {
                eprintln!("kobling: {}", render::plain(&error.to_string()));
                return Ok(Exit::REJECTED);
            }
        };
        let party = named.unwrap_or_else(|| log.party().clone());
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
        Err(error @ VerifyError::Unreadable { .. }) => {
            Err(unusable_because(format!("{} cannot be checked", path.display()), error))
        }
        checked => Ok(checked),
    }
}

/// `PARTY=PATH` or `PATH`.
fn named(text: &str) -> (Option<OwnerId>, PathBuf) {
    match text.split_once('=') {
        Some((party, path)) if OwnerId::new(party).is_ok() => (OwnerId::new(party).ok(), path.into()),
        _ => (None, text.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_may_be_given_with_its_partys_name() {
        assert_eq!(named("ssb=a/b"), (OwnerId::new("ssb").ok(), "a/b".into()));
        assert_eq!(named("a/b"), (None, "a/b".into()));
        assert_eq!(named("./x=y/b"), (None, "./x=y/b".into()));
    }
}
