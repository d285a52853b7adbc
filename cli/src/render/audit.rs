//! Audit logs as people read them. Names that the platform asserts are texts from outside.

use std::fmt::Write;

use kobling_audit::report::Usage;
use kobling_audit::summary::{Ending, QuestionRow, operator_acts, questions, refused_requests, utc};
use kobling_audit::verify::{Entry, VerifiedLog};
use kobling_model::OwnerId;
use kobling_model::record::{Event, Execution, Outcome};

use comfy_table::{ContentArrangement, Table as Sheet, presets};

use super::{counted, plain, whole};
use crate::command::audit::Checked;

/// A log that nothing is wrong with, and how far other parties have cosigned it.
pub fn checked(log: &Checked<'_>) -> String {
    let entries = counted(usize::try_from(log.entries).unwrap_or(usize::MAX), "entry", "entries");
    let pinned = if log.key_is_pinned { ", as the federation file has it" } else { "" };
    let mut out = format!(
        "{}: log of {}, {entries}, head {} {}, signed by {}{pinned}\n",
        log.path.display(),
        log.party,
        log.entries,
        log.root,
        log.key
    );
    if log.sealed > 0 {
        line(&mut out, format_args!("  {} of them sealed and not opened", whole(log.sealed as u64)));
    }
    let Some(cosigned) = &log.cosigned else {
        out.push_str("  cosignatures not checked: no federation file was given\n");
        return out;
    };
    for by in cosigned {
        match (by.entries, by.time_s) {
            (Some(entries), Some(time_s)) => {
                let all = if entries == log.entries { "all" } else { "the first" };
                let at = utc(time_s.saturating_mul(1000));
                line(&mut out, format_args!("  {all} {} cosigned by {} at {at}", whole(entries), by.party));
            }
            _ => line(&mut out, format_args!("  not cosigned by {}", by.party)),
        }
    }
    out
}

/// Of some entries of a log what the operator did, then every question with who asked and how it ended.
pub fn log(log: &VerifiedLog, entries: &[&Entry]) -> String {
    let party = log.party();
    let all = counted(log.entries().len(), "entry", "entries");
    let mut out = match entries.len() == log.entries().len() {
        true => format!("Log of {party}: {all}.\n"),
        false => format!("Log of {party}: {} of {all}.\n", whole(entries.len() as u64)),
    };
    if log.unread() > 0 {
        let unread = whole(log.unread() as u64);
        line(
            &mut out,
            format_args!("{unread} further records are sealed; an auditor's key opens them (--key)."),
        );
    }
    let entries = || entries.iter().copied();
    let acts: Vec<_> = operator_acts(entries()).collect();
    if !acts.is_empty() {
        out.push_str("\nWhat the operator did, starts and ends\n");
    }
    for entry in acts {
        let act = match &entry.record.event {
            Event::Enrolled { federation } => {
                format!("pinned the federation file {}", short(&federation.to_string()))
            }
            Event::PeerAccepted { peer } => format!("let in {peer}"),
            Event::Imported { release, manifest } => format!(
                "imported {} {}, manifest {}",
                release.datastore,
                release.version,
                short(&manifest.to_string())
            ),
            Event::PolicyInForce { policy, before } => {
                let before = before.map(|before| format!(", before it {}", short(&before.to_string())));
                format!(
                    "put the policy {} in force{}",
                    short(&policy.to_string()),
                    before.unwrap_or_default()
                )
            }
            Event::Stopped { reason } => format!("stopped the node: \"{}\"", plain(reason)),
            Event::Resumed => "let the node answer again".to_owned(),
            Event::Started { software, build, settings } => {
                let build = build.map_or("unknown".to_owned(), |build| build.to_string());
                let (build, settings) = (short(&build).to_owned(), settings.to_string());
                format!("started version {}, build {build}, settings {}", plain(software), short(&settings))
            }
            Event::Ended => "ended in order".to_owned(),
            Event::ClockTrusted { shown_ms } => {
                format!("said that the clock, which had shown {}, is right now", utc(*shown_ms))
            }
            Event::Erased { entry, reason } => format!("erased the record {entry}: \"{}\"", plain(reason)),
            Event::Opening(_) | Event::Outcome { .. } | Event::RequestRefused { .. } => continue,
        };
        line(&mut out, format_args!("  {:>5}  {}  {act}", entry.index, utc(entry.record.written_ms)));
    }
    let refused: Vec<_> = refused_requests(entries()).collect();
    if !refused.is_empty() {
        out.push_str("\nRequests that were not taken\n");
    }
    for entry in refused {
        let Event::RequestRefused { job, request, fault, .. } = &entry.record.event else { continue };
        let (job, request) = (job.to_string(), request.to_string());
        let (job, request, fault) = (short(&job), short(&request), plain(fault));
        line(
            &mut out,
            format_args!(
                "  {:>5}  {}  {fault}: request {request} for job {job}",
                entry.index,
                utc(entry.record.written_ms)
            ),
        );
    }
    let rows = questions(entries());
    if !rows.is_empty() {
        out.push_str("\nQuestions\n");
    }
    for row in &rows {
        question(&mut out, row);
    }
    out
}

/// Questions with the party whose log each is in, one a line.
pub fn list(rows: &[(&OwnerId, QuestionRow<'_>)]) -> String {
    if rows.is_empty() {
        return "No question found.\n".to_owned();
    }
    let mut sheet = Sheet::new();
    sheet.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    sheet.set_header(["Log", "Entry", "Opened (UTC)", "Asked by", "Of", "Owners", "Variables", "Ended"]);
    for (party, row) in rows {
        let execution = row.execution;
        sheet.add_row([
            party.to_string(),
            row.opened_at.to_string(),
            utc(row.opened_ms),
            plain(&execution.asked_by.researcher),
            plain(&execution.asked_by.institution),
            names(&execution.owners),
            names(&execution.variables),
            row.ending.map_or("not recorded".to_owned(), |ending| ended(ending.outcome)),
        ]);
    }
    format!("{}\n{}\n", sheet.trim_fmt(), counted(rows.len(), "question", "questions"))
}

/// What a log tells of who used what.
pub fn report(party: &OwnerId, usage: &[Usage]) -> String {
    let mut out = format!("What the log of {party} tells was used.\n");
    if usage.is_empty() {
        out.push_str("\nNo question found.\n");
    }
    for of in usage {
        let Usage { month, owner, institution, .. } = of;
        let institution = plain(institution);
        let researchers = counted(of.researchers, "researcher", "researchers");
        line(&mut out, format_args!("\n{month}, data of {owner}, for \"{institution}\" ({researchers})"));
        tally(&mut out, "questions", [(&"in all", &of.questions)]);
        tally(&mut out, "ended", &of.endings);
        tally(&mut out, "by rule", &of.rules);
        tally(&mut out, "for", &of.purposes);
        tally(&mut out, "version", &of.releases);
        tally(&mut out, "variable", &of.variables);
    }
    out
}

/// How often each of some things was, a line for each.
fn tally<'a, T: ToString + 'a>(
    out: &mut String,
    of: &str,
    counts: impl IntoIterator<Item = (&'a T, &'a u64)>,
) {
    for (thing, count) in counts {
        line(out, format_args!("  {of:<10} {:>7}  {}", whole(*count), plain(&thing.to_string())));
    }
}

fn ended(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Released { .. } => "released".to_owned(),
        Outcome::Passed => "passed".to_owned(),
        Outcome::NotCarriedOut { rule } => format!("not carried out: {}", rule.code()),
        Outcome::Shared => "shared".to_owned(),
        Outcome::Refused { rule } => format!("refused: {}", rule.code()),
        Outcome::Failed { party, step } => format!("failed at {party}: {}", plain(step)),
    }
}

fn names(names: &[impl ToString]) -> String {
    let names: Vec<_> = names.iter().map(ToString::to_string).collect();
    names.join(", ")
}

fn question(out: &mut String, row: &QuestionRow<'_>) {
    let execution = row.execution;
    let Execution { session, job, attempt, asked_by, script, plan, question, releases, rules, .. } =
        execution;
    let signed = if asked_by.signed { "signed" } else { "unsigned" };
    let request = execution.request.map(|request| request.to_string()).unwrap_or_else(|| "none".into());
    line(out, format_args!("  {:>5}  {}  question {}", row.opened_at, utc(row.opened_ms), question + 1));
    line(
        out,
        format_args!(
            "         asked by \"{}\" of \"{}\" ({signed}), for \"{}\", platform certificate {}",
            plain(&asked_by.researcher),
            plain(&asked_by.institution),
            plain(&asked_by.purpose),
            short(&asked_by.platform_certificate.to_string())
        ),
    );
    let owner = |owner: &OwnerId| match execution.sharing.contains(owner) {
        true => format!("{owner} (shares)"),
        false => owner.to_string(),
    };
    let owners: Vec<_> = execution.owners.iter().map(owner).collect();
    let releases: Vec<_> =
        releases.iter().map(|release| format!("{} {}", release.datastore, release.version)).collect();
    line(out, format_args!("         of {}: {}", owners.join(", "), releases.join(", ")));
    if !execution.variables.is_empty() {
        line(out, format_args!("         reads {}", names(&execution.variables)));
    }
    line(
        out,
        format_args!(
            "         request {}, script {}, plan {}, session {}, job {}, attempt {}",
            short(&request),
            short(&script.to_string()),
            short(&plan.to_string()),
            short(&session.to_string()),
            short(&job.to_string()),
            short(&attempt.to_string())
        ),
    );
    line(
        out,
        format_args!(
            "         rules: population at least {}, cells to {} suppressed, at most {} % of cells, \
             edits from {}, statistics from {}, two largest at most {} %, noise table {}",
            rules.population_units_min,
            rules.small_cell_units_max,
            rules.small_cells_percent_max,
            rules.edit_units_min,
            rules.statistic_units_min,
            rules.dominance_percent_max(),
            short(&rules.perturbation_table.to_string())
        ),
    );
    match &row.ending {
        None => line(out, format_args!("         no outcome is recorded")),
        Some(Ending { recorded_at, outcome, .. }) => {
            let outcome = match outcome {
                Outcome::Released { content } => format!("released, {}", short(&content.to_string())),
                Outcome::Passed => {
                    "the population passed its floor, or the edit is carried out; nothing left".to_owned()
                }
                Outcome::NotCarriedOut { rule } => format!("not carried out: {rule}"),
                Outcome::Shared => "shared its columns to the two workers".to_owned(),
                Outcome::Refused { rule } => format!("refused: {rule}"),
                Outcome::Failed { party, step } => {
                    format!("failed at {party} in step {}; nothing was released", plain(step))
                }
            };
            line(out, format_args!("  {recorded_at:>5}  {outcome}"));
        }
    }
}

/// The beginning of a long hexadecimal text; `--json` shows all of it.
fn short(text: &str) -> &str {
    text.get(..12).unwrap_or(text)
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    writeln!(out, "{text}").expect("writing to memory does not fail");
}
