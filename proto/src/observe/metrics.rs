//! Numbers about a party at work, and the page on which Prometheus finds them (text format 0.0.4).
//!
//! Names and labels are the ones in [`METRICS`] and [`LABELS`], values of labels the words of
//! [`vocabulary`](super::vocabulary) and names of parties. The page is written here and not by a library: it has four
//! families, and so there is nothing in it that was not written below.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use kobling_model::OwnerId;

use super::{Outcome, Step, Telemetry};
use crate::transport::End;

/// All names of metrics, with their kinds and what they say.
pub const METRICS: [(&str, &str, &str); 4] = [
    (SOCKET_BYTES, "counter", "Bytes on the sockets of gRPC and Flight, TLS included."),
    (SESSIONS_OPEN, "gauge", "Sessions open now."),
    (SPANS_DROPPED, "counter", "Spans that did not reach the collector."),
    (STEP_SECONDS, "histogram", "Seconds that steps took, by how they ended."),
];
/// All names of labels. `le` is Prometheus's own: the upper bound of a histogram's bucket.
pub const LABELS: [&str; 6] = ["direction", "end", "party", "step", "outcome", "le"];

const SOCKET_BYTES: &str = "kobling_socket_bytes_total";
const SESSIONS_OPEN: &str = "kobling_sessions_open";
const SPANS_DROPPED: &str = "kobling_spans_dropped_total";
const STEP_SECONDS: &str = "kobling_step_seconds";

/// Upper bounds of buckets: milliseconds, and as they are written in seconds.
const BUCKETS: [(u64, &str); 12] = [
    (1, "0.001"),
    (3, "0.003"),
    (10, "0.01"),
    (30, "0.03"),
    (100, "0.1"),
    (300, "0.3"),
    (1_000, "1"),
    (3_000, "3"),
    (10_000, "10"),
    (30_000, "30"),
    (100_000, "100"),
    (300_000, "300"),
];

/// Steps that have ended, by step, other party and outcome.
#[derive(Debug, Default)]
pub(super) struct Steps(Mutex<BTreeMap<Kind, Histogram>>);

type Kind = (Step, Outcome, Option<OwnerId>);

/// Times in whole milliseconds: finer ones say more about data than about machines.
#[derive(Clone, Copy, Debug, Default)]
struct Histogram {
    /// Steps by bucket; those beyond the last one are in `count` only.
    buckets: [u64; BUCKETS.len()],
    count: u64,
    sum_ms: u64,
}

impl Steps {
    pub(super) fn add(&self, step: Step, outcome: Outcome, party: Option<&OwnerId>, took: Duration) {
        let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let mut steps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let histogram = steps.entry((step, outcome, party.cloned())).or_default();
        if let Some(bucket) = BUCKETS.iter().position(|(most_ms, _)| ms <= *most_ms) {
            histogram.buckets[bucket] += 1;
        }
        histogram.count += 1;
        histogram.sum_ms = histogram.sum_ms.saturating_add(ms);
    }
}

/// A party's page.
pub struct Page {
    telemetry: Telemetry,
    sessions: Box<dyn Fn() -> usize + Send + Sync>,
}

impl Page {
    /// A page of what `telemetry` has counted; `sessions` says how many sessions are open.
    pub fn new(telemetry: Telemetry, sessions: impl Fn() -> usize + Send + Sync + 'static) -> Self {
        Self { telemetry, sessions: Box::new(sessions) }
    }

    /// The page as it is now.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // A string takes whatever is written to it.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) -> fmt::Result {
        for (name, kind, help) in METRICS {
            writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}")?;
            match name {
                SOCKET_BYTES => self.write_bytes(text)?,
                SESSIONS_OPEN => writeln!(text, "{SESSIONS_OPEN} {}", (self.sessions)())?,
                SPANS_DROPPED => writeln!(text, "{SPANS_DROPPED} {}", self.telemetry.spans_dropped())?,
                _ => self.write_steps(text)?,
            }
        }
        Ok(())
    }

    fn write_bytes(&self, text: &mut String) -> fmt::Result {
        for passed in self.telemetry.traffic().passed() {
            let (end, party) = match &passed.end {
                End::Accepted => ("accepted", None),
                End::Dialled(party) => ("dialled", Some(party)),
            };
            let party = with_party(party);
            for (direction, bytes) in [("sent", passed.sent), ("received", passed.received)] {
                writeln!(text, "{SOCKET_BYTES}{{direction=\"{direction}\",end=\"{end}\"{party}}} {bytes}")?;
            }
        }
        Ok(())
    }

    fn write_steps(&self, text: &mut String) -> fmt::Result {
        let steps = self.telemetry.0.steps.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for ((step, outcome, party), histogram) in &steps {
            let party = with_party(party.as_ref());
            let labels = format!("step=\"{}\",outcome=\"{}\"{party}", step.as_str(), outcome.as_str());
            let mut below = 0;
            for (count, (_, most)) in histogram.buckets.iter().zip(BUCKETS) {
                below += count;
                writeln!(text, "{STEP_SECONDS}_bucket{{{labels},le=\"{most}\"}} {below}")?;
            }
            let Histogram { count, sum_ms, .. } = histogram;
            writeln!(text, "{STEP_SECONDS}_bucket{{{labels},le=\"+Inf\"}} {count}")?;
            writeln!(text, "{STEP_SECONDS}_sum{{{labels}}} {}.{:03}", sum_ms / 1000, sum_ms % 1000)?;
            writeln!(text, "{STEP_SECONDS}_count{{{labels}}} {count}")?;
        }
        Ok(())
    }
}

/// A label for the party, where one is known. A party's name has no character that would need an escape.
fn with_party(party: Option<&OwnerId>) -> String {
    party.map_or_else(String::new, |party| format!(",party=\"{party}\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_one_line_for_each_number_in_the_form_that_prometheus_reads() {
        let telemetry = Telemetry::default();
        let ssb = OwnerId::new("ssb").expect("valid");
        let add = |ms, party| {
            let took = Duration::from_millis(ms);
            telemetry.0.steps.add(Step::LinkTokens, Outcome::Ok, party, took);
        };
        add(2, Some(&ssb));
        add(1_000_000, Some(&ssb));
        add(0, None);
        let text = Page::new(telemetry, || 3).text();
        for line in [
            "# TYPE kobling_socket_bytes_total counter",
            "kobling_socket_bytes_total{direction=\"sent\",end=\"accepted\"} 0",
            "kobling_sessions_open 3",
            "kobling_step_seconds_bucket{step=\"link.tokens\",outcome=\"ok\",le=\"0.001\"} 1",
            "kobling_step_seconds_bucket{step=\"link.tokens\",outcome=\"ok\",party=\"ssb\",le=\"0.001\"} 0",
            "kobling_step_seconds_bucket{step=\"link.tokens\",outcome=\"ok\",party=\"ssb\",le=\"300\"} 1",
            "kobling_step_seconds_bucket{step=\"link.tokens\",outcome=\"ok\",party=\"ssb\",le=\"+Inf\"} 2",
            "kobling_step_seconds_sum{step=\"link.tokens\",outcome=\"ok\",party=\"ssb\"} 1000.002",
            "kobling_step_seconds_count{step=\"link.tokens\",outcome=\"ok\",party=\"ssb\"} 2",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn a_step_that_is_dropped_before_its_end_was_abandoned() {
        let telemetry = Telemetry::default();
        drop(telemetry.step(Step::Deal));
        telemetry.step(Step::Deal).end(Outcome::Refused);
        let text = Page::new(telemetry, || 0).text();
        assert!(text.contains("_count{step=\"deal\",outcome=\"abandoned\"} 1"), "{text}");
        assert!(text.contains("_count{step=\"deal\",outcome=\"refused\"} 1"), "{text}");
    }
}
