//! `kobling audit export`: what logs tell, for programs that are not ours.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use kobling_audit::VerifiedLog;
use kobling_audit::select::Filter;
use kobling_audit::summary::{QuestionRow, utc};
use kobling_model::OwnerId;
use kobling_model::record::Outcome;

use super::given::Held;
use super::{all_of, all_read, held_against, wanted};
use crate::exit::{Exit, unusable_because};

/// In which form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Every entry, as JSON, one a line.
    Jsonl,
    /// Questions, one a row, with a heading; for spreadsheets and statistics programs.
    Csv,
}

/// The columns of a table of questions.
const COLUMNS: [&str; 23] = [
    "log",
    "entry",
    "opened_utc",
    "researcher",
    "institution",
    "purpose",
    "signed",
    "owners",
    "sharing",
    "releases",
    "variables",
    "ended",
    "ended_utc",
    "rule",
    "failed_at",
    "content",
    "session",
    "job",
    "attempt",
    "request",
    "script",
    "plan",
    "question",
];

/// Writes what logs tell to a new file, or to standard output.
///
/// # Errors
/// For logs that cannot be read or opened, and a file that cannot be written.
pub fn export(
    paths: &[PathBuf],
    filter: &Filter,
    mut held: Held,
    format: Format,
    out: Option<&Path>,
) -> anyhow::Result<Exit> {
    let given = all_of(paths, &mut held)?;
    let mut logs = Vec::new();
    for one in &given {
        let Some(log) = held_against(one, &held)? else { return Ok(Exit::REJECTED) };
        all_read(&log)?;
        logs.push(log);
    }
    let mut bytes = Vec::new();
    match format {
        Format::Jsonl => entries(&mut bytes, &logs, filter)?,
        Format::Csv => questions(&mut bytes, &logs, filter)?,
    }
    match out {
        None => {
            let mut stdout = io::stdout().lock();
            // A reader that has gone away is no error of ours.
            let _ = stdout.write_all(&bytes).and_then(|()| stdout.flush());
        }
        Some(path) => {
            write_new(path, &bytes)
                .map_err(|error| unusable_because(format!("{} cannot be written", path.display()), error))?;
        }
    }
    Ok(Exit::DONE)
}

/// What was sealed is not left for everybody to read.
fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn entries(out: &mut Vec<u8>, logs: &[VerifiedLog], filter: &Filter) -> anyhow::Result<()> {
    for entry in logs.iter().flat_map(|log| filter.entries(log.entries())) {
        serde_json::to_writer(&mut *out, entry)?;
        out.push(b'\n');
    }
    Ok(())
}

fn questions(out: &mut Vec<u8>, logs: &[VerifiedLog], filter: &Filter) -> anyhow::Result<()> {
    let mut table = csv::Writer::from_writer(out);
    table.write_record(COLUMNS)?;
    for log in logs {
        for row in wanted(log, filter) {
            table.write_record(cells(log.party(), &row).map(harmless))?;
        }
    }
    table.flush()?;
    Ok(())
}

fn cells(party: &OwnerId, row: &QuestionRow<'_>) -> [String; COLUMNS.len()] {
    let execution = row.execution;
    let asker = &execution.asked_by;
    let ending = row.ending;
    let outcome = ending.map(|ending| ending.outcome);
    let releases: Vec<String> = execution
        .releases
        .iter()
        .map(|release| format!("{}:{}", release.datastore, release.version))
        .collect();
    [
        party.to_string(),
        row.opened_at.to_string(),
        utc(row.opened_ms),
        asker.researcher.clone(),
        asker.institution.clone(),
        asker.purpose.clone(),
        asker.signed.to_string(),
        joined(&execution.owners),
        joined(&execution.sharing),
        joined(&releases),
        joined(&execution.variables),
        ended(outcome).to_owned(),
        ending.map(|ending| utc(ending.recorded_ms)).unwrap_or_default(),
        rule(outcome).to_owned(),
        match outcome {
            Some(Outcome::Failed { party, step }) => format!("{party}/{step}"),
            _ => String::new(),
        },
        match outcome {
            Some(Outcome::Released { content }) => content.to_string(),
            _ => String::new(),
        },
        execution.session.to_string(),
        execution.job.to_string(),
        execution.attempt.to_string(),
        execution.request.map(|request| request.to_string()).unwrap_or_default(),
        execution.script.to_string(),
        execution.plan.to_string(),
        execution.question.to_string(),
    ]
}

/// Several things in one cell. None of their names has a blank.
fn joined(things: &[impl ToString]) -> String {
    things.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// The word of the record.
fn ended(outcome: Option<&Outcome>) -> &'static str {
    match outcome {
        None => "not-recorded",
        Some(Outcome::Released { .. }) => "released",
        Some(Outcome::Passed) => "passed",
        Some(Outcome::NotCarriedOut { .. }) => "not-carried-out",
        Some(Outcome::Shared) => "shared",
        Some(Outcome::Refused { .. }) => "refused",
        Some(Outcome::Failed { .. }) => "failed",
    }
}

fn rule(outcome: Option<&Outcome>) -> &'static str {
    match outcome {
        Some(Outcome::NotCarriedOut { rule }) => rule.code(),
        Some(Outcome::Refused { rule }) => rule.code(),
        _ => "",
    }
}

/// Names come from outside, and spreadsheets compute what begins with one of these: it gets an apostrophe before it.
fn harmless(cell: String) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t']) { format!("'{cell}") } else { cell }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_no_formula() {
        for formula in ["=1+1", "+1", "-1", "@x", "\t=1"] {
            assert_eq!(harmless(formula.to_owned()), format!("'{formula}"));
        }
        assert_eq!(harmless("Kari = Ola".to_owned()), "Kari = Ola");
    }
}
