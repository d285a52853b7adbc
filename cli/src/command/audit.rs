//! `kobling audit`: logs, checked as an outsider checks them.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use kobling_audit::report::usage;
use kobling_audit::select::Filter;
use kobling_audit::summary::{QuestionRow, questions};
use kobling_audit::verify::{VerifiedLog, VerifyError};
use kobling_audit::{AuditorKey, reconcile};
use kobling_model::OwnerId;
use serde::Serialize;

use self::given::{Gathered, Given, Held, gathered};
use super::{print, print_json};
use crate::arguments::{AuditArguments, AuditCommand};
use crate::exit::{Exit, unusable, unusable_because};
use crate::render;
use crate::render::counted;

mod export;
mod given;
mod verify;

pub use export::Format;
pub use verify::Checked;

/// Checks or shows logs.
///
/// # Errors
/// For logs that cannot be read.
pub fn run(arguments: AuditArguments) -> anyhow::Result<Exit> {
    match arguments.command {
        AuditCommand::Verify { logs, federation, noted, keys, json } => {
            verify::all(&logs, Held::read(federation.as_deref(), noted)?.with_keys(&keys.keys)?, json)
        }
        AuditCommand::List { logs, filter, keys, json } => {
            list(&logs, &filter.into(), Held::default().with_keys(&keys.keys)?, json)
        }
        AuditCommand::Report { log, filter, keys, json } => {
            report(&log, &filter.into(), &Held::default().with_keys(&keys.keys)?, json)
        }
        AuditCommand::Show { log, filter, keys, json } => {
            show(&log, &filter.into(), &Held::default().with_keys(&keys.keys)?, json)
        }
        AuditCommand::Export { logs, filter, keys, format, out } => {
            let held = Held::default().with_keys(&keys.keys)?;
            export::export(&logs, &filter.into(), held, format, out.as_deref())
        }
        AuditCommand::Key { out } => key(&out),
        AuditCommand::Reconcile { broker, logs, keys, json } => match gathered(&logs)? {
            Some(Gathered { federation, logs, key }) => {
                let broker = broker.unwrap_or_else(|| federation.broker.id.clone());
                let held = Held::by(federation).with_keys(&keys.keys)?.with_keys(key.as_slice())?;
                lay_side_by_side(&broker, &logs, &held, json)
            }
            None => {
                let broker = broker.ok_or_else(|| {
                    unusable("which party is the broker? Give --broker, or a folder of all logs with its federation.toml")
                })?;
                let logs: Vec<_> = logs.iter().map(|log| Given::named(log)).collect();
                lay_side_by_side(&broker, &logs, &Held::default().with_keys(&keys.keys)?, json)
            }
        },
    }
}

/// The logs that are meant by folders. Those that lie with a federation file are held against its keys, where nobody has named another.
fn all_of(paths: &[PathBuf], held: &mut Held) -> anyhow::Result<Vec<Given>> {
    Ok(match gathered(paths)? {
        Some(Gathered { federation, logs, key }) => {
            held.roster.get_or_insert(federation);
            held.add_keys(key.as_slice())?;
            logs
        }
        None => paths.iter().map(|path| Given { party: None, path: path.clone() }).collect(),
    })
}

/// The log, if nothing is wrong with it. What is wrong is said.
fn held_against(given: &Given, held: &Held) -> anyhow::Result<Option<VerifiedLog>> {
    let held = whole(given, held)?;
    if let Err(wrong) = &held {
        eprintln!("kobling: {}", render::plain(wrong));
    }
    Ok(held.ok())
}

/// The log, or what is wrong with it.
fn whole(given: &Given, held: &Held) -> anyhow::Result<Result<VerifiedLog, String>> {
    Ok(match checked(&given.path, held)? {
        Ok(log) => match held.complaint(&log, given.party.as_ref()) {
            Some(complaint) => {
                Err(format!("{}: the log of {} {complaint}", given.path.display(), log.party()))
            }
            None => Ok(log),
        },
        Err(error) => Err(error.to_string()),
    })
}

/// A question with the party whose log it is in.
#[derive(Serialize)]
struct Listed<'a> {
    party: &'a OwnerId,
    #[serde(flatten)]
    question: &'a QuestionRow<'a>,
}

/// Nothing is listed where a log does not verify: what is missing could be what was looked for.
fn list(paths: &[PathBuf], filter: &Filter, mut held: Held, json: bool) -> anyhow::Result<Exit> {
    let given = all_of(paths, &mut held)?;
    let logs: Vec<Option<VerifiedLog>> =
        given.iter().map(|one| held_against(one, &held)).collect::<anyhow::Result<_>>()?;
    let Some(logs) = logs.into_iter().collect::<Option<Vec<_>>>() else { return Ok(Exit::REJECTED) };
    logs.iter().try_for_each(all_read)?;
    let of_log = |log| wanted(log, filter).map(move |row| (log.party(), row));
    let mut rows: Vec<_> = logs.iter().flat_map(of_log).collect();
    rows.sort_by_key(|(party, row)| (row.opened_ms, *party, row.opened_at));
    if !json {
        print(&render::audit::list(&rows));
        return Ok(Exit::DONE);
    }
    for (party, question) in &rows {
        print_json(&Listed { party, question })?;
    }
    Ok(Exit::DONE)
}

fn wanted<'a>(log: &'a VerifiedLog, filter: &'a Filter) -> impl Iterator<Item = QuestionRow<'a>> {
    questions(log.entries()).into_iter().filter(|row| filter.takes(row))
}

fn report(path: &Path, filter: &Filter, held: &Held, json: bool) -> anyhow::Result<Exit> {
    let given = Given { party: None, path: path.to_owned() };
    let Some(log) = held_against(&given, held)? else { return Ok(Exit::REJECTED) };
    all_read(&log)?;
    let rows: Vec<_> = wanted(&log, filter).collect();
    let usage = usage(&rows);
    if !json {
        print(&render::audit::report(log.party(), &usage));
        return Ok(Exit::DONE);
    }
    usage.iter().try_for_each(print_json)?;
    Ok(Exit::DONE)
}

fn show(path: &Path, filter: &Filter, held: &Held, json: bool) -> anyhow::Result<Exit> {
    let log = match checked(path, held)? {
        Ok(log) => log,
        Err(error) => {
            eprintln!("kobling: {}", render::plain(&error.to_string()));
            return Ok(Exit::REJECTED);
        }
    };
    let entries = filter.entries(log.entries());
    if json {
        for entry in entries {
            print_json(entry)?;
        }
    } else {
        print(&render::audit::log(&log, &entries));
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
        all_read(&log)?;
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

/// Nothing, if all records of a log can be read: what cannot could be what is looked for.
fn all_read(log: &VerifiedLog) -> anyhow::Result<()> {
    match log.unread() {
        0 => Ok(()),
        _ => Err(unusable(format!(
            "records of the log of {} are sealed; give an auditor's key that opens them, with --key",
            log.party()
        ))),
    }
}

/// Makes an auditor's key.
fn key(out: &Path) -> anyhow::Result<Exit> {
    let key = AuditorKey::generate();
    let mut options = OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(out);
    let written = file.and_then(|mut file| {
        file.write_all(key.text().as_bytes())?;
        file.sync_all()
    });
    written.map_err(|error| unusable_because(format!("{} cannot be written", out.display()), error))?;
    print(&format!("{}\n", key.public()));
    Ok(Exit::DONE)
}

/// The log, or which entry is bad.
fn checked(path: &Path, held: &Held) -> anyhow::Result<Result<VerifiedLog, VerifyError>> {
    match kobling_audit::verify_with(path, held.keys()) {
        Err(error @ (VerifyError::Unreadable { .. } | VerifyError::Changing { .. })) => {
            Err(unusable_because(format!("{} cannot be checked", path.display()), error))
        }
        checked => Ok(checked),
    }
}
