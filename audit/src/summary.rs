//! What was asked, for people: who, what, when, on which versions, under which rules, and how it ended.
//!
//! Only reads; how rows are shown is the caller's.

use std::collections::BTreeMap;

use kobling_model::AttemptId;
use kobling_model::Day;
use kobling_model::record::{Event, Execution, Outcome};
use serde::Serialize;

use crate::verify::Entry;

/// One question of a log, in the order in which they were opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct QuestionRow<'a> {
    /// Entry that recorded its beginning.
    pub opened_at: u64,
    /// When that was, by the party's own clock, in milliseconds since 1970-01-01 UTC.
    pub opened_ms: u64,
    /// Who asked what of which versions under which rules.
    pub execution: &'a Execution,
    /// How it ended; none while it runs, or where a crash ended it.
    pub ending: Option<Ending<'a>>,
}

/// How a question ended at this party.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Ending<'a> {
    /// Entry that recorded it.
    pub recorded_at: u64,
    /// When that was, by the party's own clock, in milliseconds since 1970-01-01 UTC.
    pub recorded_ms: u64,
    /// What became of it.
    pub outcome: &'a Outcome,
}

/// All questions among entries of one log that are in order.
pub fn questions<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Vec<QuestionRow<'a>> {
    let mut rows: Vec<QuestionRow<'a>> = Vec::new();
    let mut row_of: BTreeMap<AttemptId, usize> = BTreeMap::new();
    for entry in entries {
        match &entry.record.event {
            Event::Opening(execution) => {
                row_of.insert(execution.attempt, rows.len());
                rows.push(QuestionRow {
                    opened_at: entry.index,
                    opened_ms: entry.record.written_ms,
                    execution,
                    ending: None,
                });
            }
            Event::Outcome { attempt, outcome, .. } => {
                // An outcome without an opening has no row: reconciliation reports it.
                if let Some(row) = row_of.get(attempt) {
                    rows[*row].ending = Some(Ending {
                        recorded_at: entry.index,
                        recorded_ms: entry.record.written_ms,
                        outcome,
                    });
                }
            }
            Event::Enrolled { .. }
            | Event::PeerAccepted { .. }
            | Event::Imported { .. }
            | Event::PolicyInForce { .. }
            | Event::Stopped { .. }
            | Event::Resumed
            | Event::ClockTrusted { .. }
            | Event::Started { .. }
            | Event::Ended
            | Event::Erased { .. }
            | Event::RequestRefused { .. } => {}
        }
    }
    rows
}

/// What the operator did: enrolled, let peers in, imported releases, put policies in force, stopped and resumed, set a clock, erased.
pub fn operator_acts<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> impl Iterator<Item = &'a Entry> {
    entries.into_iter().filter(|entry| match entry.record.event {
        Event::Enrolled { .. }
        | Event::PeerAccepted { .. }
        | Event::Imported { .. }
        | Event::PolicyInForce { .. }
        | Event::Stopped { .. }
        | Event::Resumed
        | Event::ClockTrusted { .. }
        | Event::Started { .. }
        | Event::Ended
        | Event::Erased { .. } => true,
        Event::Opening(_) | Event::Outcome { .. } | Event::RequestRefused { .. } => false,
    })
}

/// Requests that were not taken.
pub fn refused_requests<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> impl Iterator<Item = &'a Entry> {
    entries.into_iter().filter(|entry| matches!(entry.record.event, Event::RequestRefused { .. }))
}

/// A time of a log as `YYYY-MM-DD hh:mm:ss` UTC; as plain milliseconds where the year has more than four digits.
pub fn utc(time_ms: u64) -> String {
    let seconds = time_ms / 1000;
    let day = i32::try_from(seconds / 86_400).ok().and_then(|days| Day::from_days(days).ok());
    match day {
        Some(day) => {
            let rest = seconds % 86_400;
            format!("{day} {:02}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60)
        }
        None => format!("{time_ms} ms"),
    }
}

/// Reads a time as [`utc`] writes it, to the second; or a day, which is its beginning.
pub fn from_utc(text: &str) -> Option<u64> {
    let (day, time) = text.split_once([' ', 'T']).map_or((text, None), |(day, time)| (day, Some(time)));
    let days = u64::try_from(day.parse::<Day>().ok()?.days()).ok()?;
    let seconds = time.map_or(Some(0), |time| seconds_of(time.strip_suffix('Z').unwrap_or(time)))?;
    Some((days * 86_400 + seconds) * 1000)
}

/// `hh:mm` or `hh:mm:ss`.
fn seconds_of(time: &str) -> Option<u64> {
    let mut seconds = 0;
    let mut parts = time.split(':');
    for (below, per) in [(24, 3600), (60, 60)] {
        seconds += part_of(parts.next()?, below)? * per;
    }
    seconds += parts.next().map_or(Some(0), |part| part_of(part, 60))?;
    parts.next().is_none().then_some(seconds)
}

/// Two digits.
fn part_of(text: &str, below: u64) -> Option<u64> {
    let is_two_digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|part| is_two_digits && *part < below)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{attempt, execution, log_of, outcome, peer_accepted, ssb};

    #[test]
    fn a_question_is_listed_with_its_ending_and_an_unfinished_one_without() {
        let first = execution(1);
        let second = execution(2);
        let log = log_of(
            ssb(),
            vec![
                peer_accepted("krg"),
                Event::Opening(Box::new(first.clone())),
                Event::Opening(Box::new(second.clone())),
                outcome(&first, Outcome::Passed),
            ],
        );
        let rows = questions(log.entries());
        assert_eq!(rows.len(), 2);
        assert_eq!((rows[0].opened_at, rows[0].execution), (1, &first));
        let ending = rows[0].ending.expect("ended");
        assert_eq!((ending.recorded_at, ending.outcome), (3, &Outcome::Passed));
        assert_eq!((rows[1].execution.attempt, rows[1].ending), (attempt(2), None));
        assert_eq!(operator_acts(log.entries()).map(|entry| entry.index).collect::<Vec<_>>(), [0]);
    }

    #[test]
    fn times_are_shown_in_utc() {
        assert_eq!(utc(1_767_225_599_999), "2025-12-31 23:59:59");
        assert_eq!(utc(u64::MAX), format!("{} ms", u64::MAX));
    }

    #[test]
    fn times_are_read_as_they_are_shown_and_nothing_else_is_a_time() {
        let at = 1_767_225_599_000;
        for text in [utc(at).as_str(), "2025-12-31T23:59:59", "2025-12-31T23:59:59Z"] {
            assert_eq!(from_utc(text), Some(at), "{text}");
        }
        assert_eq!(from_utc("2025-12-31 23:59"), Some(at - 59_000));
        assert_eq!(from_utc("2026-01-01"), Some(at + 1000));
        let none =
            ["", "2026", "2026-02-30", "1969-12-31", "2026-01-01 ", "2026-01-01 24:00", "2026-01-01 1:00"];
        for text in none.into_iter().chain(["2026-01-01 00:60", "2026-01-01 00:00:00:00", "2026-01-01 +1:00"])
        {
            assert_eq!(from_utc(text), None, "{text}");
        }
    }
}
