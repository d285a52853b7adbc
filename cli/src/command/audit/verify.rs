//! `kobling audit verify`: whether logs are whole, whose they are, and whether everyone saw the same.

use std::io;
use std::path::{Path, PathBuf};

use kobling_audit::agreement::{Seen, beside, witnessed};
use kobling_audit::cosignature::Cosigned;
use kobling_audit::summary::utc;
use kobling_audit::verify::HeadMismatch;
use kobling_audit::{PublicKey, VerifiedLog};
use kobling_model::OwnerId;
use kobling_model::federation::Federation;
use serde::Serialize;

use super::super::{print, print_json};
use super::given::{Given, Held};
use super::{all_of, whole};
use crate::exit::{Exit, unusable, unusable_because};
use crate::render;

/// A log that nothing is wrong with.
#[derive(Serialize)]
pub struct Checked<'a> {
    /// Where it is.
    pub path: &'a Path,
    /// Whose it is.
    pub party: &'a OwnerId,
    /// How many entries it has.
    pub entries: u64,
    /// How many records are sealed and were not opened.
    pub sealed: usize,
    /// Its root, in hexadecimal digits.
    pub root: String,
    /// The key that has signed it, in hexadecimal digits.
    pub key: String,
    /// Whether the federation file has that key of the party.
    pub key_is_pinned: bool,
    /// How far other parties have cosigned it, in roster order. None where no federation file says who they are.
    pub cosigned: Option<Vec<ByParty<'a>>>,
}

/// How far a party has cosigned a log.
#[derive(Serialize)]
pub struct ByParty<'a> {
    /// The party.
    pub party: &'a OwnerId,
    /// The key with which it cosigns, in the form of a signed note.
    pub key: Option<String>,
    /// How many entries; none where nothing of it is there.
    pub entries: Option<u64>,
    /// When, in seconds since 1970-01-01 UTC, by that party's clock.
    pub time_s: Option<u64>,
}

#[derive(Serialize)]
struct Wrong<'a> {
    path: &'a Path,
    problem: &'a str,
}

/// Checks all that is given, and says so of each log.
///
/// # Errors
/// For what cannot be read, and checkpoints of none of the logs.
pub fn all(paths: &[PathBuf], mut held: Held, json: bool) -> anyhow::Result<Exit> {
    let given = all_of(paths, &mut held)?;
    let mut logs = Vec::new();
    for one in &given {
        match one_of(one, &given, &held)? {
            Ok((log, seen)) => {
                let checked = Checked::of(&one.path, &log, held.roster.as_ref(), seen.as_deref());
                match json {
                    true => print_json(&checked)?,
                    false => print(&render::audit::checked(&checked)),
                }
                logs.push(log);
            }
            Err(problem) if json => print_json(&Wrong { path: &one.path, problem: &problem })?,
            Err(problem) => eprintln!("kobling: {}", render::plain(&problem)),
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

impl<'a> Checked<'a> {
    fn of(
        path: &'a Path,
        log: &'a VerifiedLog,
        roster: Option<&Federation>,
        seen: Option<&'a [(OwnerId, Vec<Seen>)]>,
    ) -> Self {
        let by_party = |(party, seen): &'a (OwnerId, Vec<Seen>)| {
            let last = seen.iter().filter_map(same).max_by_key(|cosigned| cosigned.head.count);
            ByParty {
                party,
                key: roster
                    .and_then(|roster| PublicKey::of_roster(party, &roster.party(party)?.signing_key))
                    .map(|key| key.cosigner()),
                entries: last.map(|cosigned| cosigned.head.count),
                time_s: last.map(|cosigned| cosigned.time_s),
            }
        };
        let head = log.head();
        Self {
            path,
            party: log.party(),
            entries: head.count,
            sealed: log.unread(),
            root: head.hash.to_string(),
            key: log.key().to_hex(),
            key_is_pinned: roster.is_some(),
            cosigned: seen.map(|seen| seen.iter().map(by_party).collect()),
        }
    }
}

fn same(seen: &Seen) -> Option<&Cosigned> {
    match seen {
        Seen::Same(cosigned) => Some(cosigned),
        _ => None,
    }
}

/// A log with what other parties have cosigned of it: all that is there of each.
type WithWitnesses = (VerifiedLog, Option<Vec<(OwnerId, Vec<Seen>)>>);

/// A log, where nothing is wrong with it and nobody has cosigned another; else what is wrong.
fn one_of(one: &Given, all: &[Given], held: &Held) -> anyhow::Result<Result<WithWitnesses, String>> {
    let log = match whole(one, held)? {
        Ok(log) => log,
        Err(wrong) => return Ok(Err(wrong)),
    };
    let Some(roster) = &held.roster else { return Ok(Ok((log, None))) };
    let seen = seen_by_all(one, all, &log, roster);
    let mut seen = seen.map_err(|error| {
        unusable_because(format!("what is cosigned of {} cannot be read", one.path.display()), error)
    })?;
    let mut log = log;
    if seen.iter().flat_map(|(_, seen)| seen).any(|seen| matches!(seen, Seen::Differs(..))) {
        // A party that is writing has had more cosigned than had been read.
        log = match whole(one, held)? {
            Ok(log) => log,
            Err(wrong) => return Ok(Err(wrong)),
        };
        for seen in seen.iter_mut().flat_map(|(_, seen)| seen) {
            *seen = seen.against(&log);
        }
    }
    let complaint = seen.iter().find_map(|(witness, seen)| {
        let complaint = seen.iter().find_map(|seen| complaint(seen, witness))?;
        Some(format!("{}: the log of {} {complaint}", one.path.display(), log.party()))
    });
    Ok(match complaint {
        Some(complaint) => Err(complaint),
        None => Ok((log, Some(seen))),
    })
}

fn seen_by_all(
    one: &Given,
    all: &[Given],
    log: &VerifiedLog,
    roster: &Federation,
) -> io::Result<Vec<(OwnerId, Vec<Seen>)>> {
    let mut seen = Vec::new();
    for (witness, beside) in beside(&one.path, log, roster)? {
        let mut of_witness = vec![beside];
        let own = all.iter().find(|given| given.party.as_ref() == Some(&witness));
        if let Some(own) = own {
            of_witness.push(witnessed(&own.path, &witness, log, roster)?);
        }
        seen.push((witness, of_witness));
    }
    Ok(seen)
}

/// What is wrong with a log by what a party has cosigned.
fn complaint(seen: &Seen, witness: &OwnerId) -> Option<String> {
    Some(match seen {
        Seen::Nothing | Seen::Same(_) => return None,
        // Logs are not copied all at one moment.
        Seen::Differs(HeadMismatch::Shorter, cosigned) => format!(
            "has fewer entries than {witness} cosigned at {}; copy it again, and if it stays so, entries are gone",
            utc(cosigned.time_s.saturating_mul(1000))
        ),
        Seen::Differs(HeadMismatch::Differs, _) => {
            format!("has other entries than the one that {witness} has cosigned")
        }
        Seen::TwoFaces(_) => {
            format!(
                "has two faces: {witness} keeps a checkpoint, signed by the same key, that contradicts it"
            )
        }
        Seen::Wrong(fault) => format!("is not held against what {witness} has cosigned: {fault}"),
    })
}
