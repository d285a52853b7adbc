//! `kobling audit`: logs, checked as an outsider checks them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use kobling_audit::checkpoint::CheckpointFault;
use kobling_audit::verify::{VerifiedLog, VerifyError};
use kobling_audit::{reconcile, verify};
use kobling_model::OwnerId;
use kobling_model::federation::Federation;

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
        AuditCommand::Verify { logs, federation, noted } => {
            verify_all(&logs, &Held::read(federation.as_deref(), noted)?)
        }
        AuditCommand::Show { log, json } => show(&log, json),
        AuditCommand::Reconcile { broker, logs, json } => lay_side_by_side(&broker, &logs, json),
    }
}

/// What logs are held against beside themselves.
struct Held {
    roster: Option<Federation>,
    /// Checkpoints that were kept earlier, by their files.
    noted: Vec<(PathBuf, Vec<u8>)>,
}

impl Held {
    fn read(federation: Option<&Path>, noted: Vec<PathBuf>) -> anyhow::Result<Self> {
        let roster = federation.map(roster).transpose()?;
        let noted = noted.into_iter().map(|path| match fs::read(&path) {
            Ok(bytes) => Ok((path, bytes)),
            Err(error) => Err(unusable_because(format!("{} cannot be read", path.display()), error)),
        });
        Ok(Self { roster, noted: noted.collect::<anyhow::Result<_>>()? })
    }

    /// What is wrong with a log that is whole in itself.
    fn complaint(&self, log: &VerifiedLog) -> Option<String> {
        if let Some(roster) = &self.roster
            && !log.is_signed_as_in(roster)
        {
            return Some("is not signed by the key that the federation file has of its party".into());
        }
        self.noted.iter().find_map(|(path, noted)| match log.key().open(noted) {
            Err(CheckpointFault::AnotherParty) => None,
            Err(fault) => Some(format!("is not held against {}, which {fault}", path.display())),
            Ok(head) => {
                log.reaches(&head).err().map(|error| format!("does not continue {}: {error}", path.display()))
            }
        })
    }

    /// Noted checkpoints that are of none of the logs.
    fn unused<'a>(&'a self, logs: &'a [VerifiedLog]) -> impl Iterator<Item = &'a Path> {
        let of_none =
            |noted: &[u8]| logs.iter().all(|log| log.key().open(noted) == Err(CheckpointFault::AnotherParty));
        self.noted.iter().filter(move |(_, noted)| of_none(noted)).map(|(path, _)| path.as_path())
    }
}

fn roster(path: &Path) -> anyhow::Result<Federation> {
    let why = || format!("{} cannot be used as a federation file", path.display());
    let text = fs::read_to_string(path).map_err(|error| unusable_because(why(), error))?;
    Federation::from_toml(&text).map_err(|error| unusable_because(why(), error))
}

fn verify_all(paths: &[PathBuf], held: &Held) -> anyhow::Result<Exit> {
    let mut logs = Vec::new();
    for path in paths {
        let log = match checked(path)? {
            Ok(log) => log,
            Err(error) => {
                eprintln!("kobling: {}", render::plain(&error.to_string()));
                continue;
            }
        };
        match held.complaint(&log) {
            Some(complaint) => {
                let complaint = format!("{}: the log of {} {complaint}", path.display(), log.party());
                eprintln!("kobling: {}", render::plain(&complaint));
            }
            None => {
                print(&format!("{}: {}\n", path.display(), whole(&log, held.roster.is_some())));
                logs.push(log);
            }
        }
    }
    if logs.len() < paths.len() {
        return Ok(Exit::REJECTED);
    }
    // Whoever gives a checkpoint wants it compared: one that was not is no success.
    match held.unused(&logs).next() {
        Some(path) => Err(unusable(format!("{} is a checkpoint of none of these logs", path.display()))),
        None => Ok(Exit::DONE),
    }
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
