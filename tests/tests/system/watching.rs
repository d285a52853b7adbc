//! Watching: what metrics tell, and that nothing else gets out.

use std::collections::BTreeMap;

use kobling_proto::observe::metrics::{LABELS, METRICS};
use kobling_proto::observe::{Outcome, Step};
use kobling_tests::registers::standard;
use kobling_tests::world::World;

use super::script;
use kobling_tests::registers::Mix;

const PARTIES: [&str; 4] = ["broker", "ssb", "krg", "fhi"];
const TABLE: &str = "import ssb/KJOENN as k\nimport krg/STED as s\ntabulate k s";

fn watched(seed: u64) -> World {
    World::of(standard(Mix::of(seed))).watched().found()
}

/// One number of a page.
#[derive(Clone, Debug)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

impl Sample {
    fn label(&self, name: &str) -> Option<&str> {
        self.labels.get(name).map(String::as_str)
    }
}

/// Reads a page strictly: a line that is neither a comment nor a number is an error.
fn samples(page: &str) -> Vec<Sample> {
    let read = |line: &str| {
        let (series, value) = line.rsplit_once(' ')?;
        let (name, labels) = match series.strip_suffix('}') {
            None => (series, ""),
            Some(series) => series.split_once('{')?,
        };
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=')?;
            Some((name.to_owned(), value.strip_prefix('"')?.strip_suffix('"')?.to_owned()))
        };
        let labels = labels.split(',').filter(|text| !text.is_empty());
        let labels = labels.map(pair).collect::<Option<BTreeMap<_, _>>>()?;
        Some(Sample { name: name.to_owned(), labels, value: value.parse().ok()? })
    };
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| read(line).unwrap_or_else(|| panic!("not a number of a page: {line}"))).collect()
}

/// Bytes in one direction over connections that `end` and `party` pick.
fn bytes(page: &[Sample], direction: &str, end: &str, party: Option<&str>) -> f64 {
    let of = |sample: &&Sample| {
        sample.name == "kobling_socket_bytes_total"
            && sample.label("direction") == Some(direction)
            && sample.label("end") == Some(end)
            && (party.is_none() || sample.label("party") == party)
    };
    page.iter().filter(of).map(|sample| sample.value).sum()
}

#[test]
fn what_one_party_sends_another_receives() {
    let world = watched(71);
    world.check(&script(&world, TABLE));
    let pages: BTreeMap<_, _> = PARTIES.map(|party| (party, samples(&world.metrics(party)))).into();
    for node in &PARTIES[1..] {
        let dialled = |direction| {
            let of = |page: &Vec<Sample>| bytes(page, direction, "dialled", Some(*node));
            pages.values().map(of).sum::<f64>()
        };
        let accepted = |direction| bytes(&pages[node], direction, "accepted", None);
        // Whoever leaves a connection does not read the other end's last words, and one more may be under way.
        for (sent, received) in
            [(dialled("sent"), accepted("received")), (accepted("sent"), dialled("received"))]
        {
            assert!(
                sent > 10_000.0 && received <= sent && received > 0.99 * sent,
                "{node}: {sent} {received}"
            );
        }
    }
    // The platform dials the broker, and its table comes back.
    assert!(bytes(&pages["broker"], "sent", "accepted", None) > 1_000.0);
}

#[test]
fn steps_are_counted_at_every_party_by_how_they_ended_and_every_word_is_from_the_lists() {
    let world = watched(72);
    world.check(&script(&world, TABLE));
    let steps: Vec<_> = Step::ALL.iter().map(|step| step.as_str()).collect();
    let outcomes: Vec<_> = Outcome::ALL.iter().map(|outcome| outcome.as_str()).collect();
    for party in PARTIES {
        let page = samples(&world.metrics(party));
        for sample in &page {
            let base =
                ["_bucket", "_sum", "_count"].iter().find_map(|ending| sample.name.strip_suffix(ending));
            let known = |name: &str| METRICS.iter().any(|(known, ..)| *known == name);
            assert!(known(&sample.name) || base.is_some_and(known), "{}", sample.name);
            for (label, value) in &sample.labels {
                assert!(LABELS.contains(&label.as_str()), "{label}");
                let value = value.as_str();
                let known = match label.as_str() {
                    "step" => steps.contains(&value),
                    "outcome" => outcomes.contains(&value),
                    "party" => PARTIES.contains(&value),
                    "direction" => ["sent", "received"].contains(&value),
                    "end" => ["accepted", "dialled"].contains(&value),
                    _ => value == "+Inf" || value.parse::<f64>().is_ok(),
                };
                assert!(known, "{label}={value}");
            }
        }
        let count = |step: Step| {
            let of = |sample: &&Sample| {
                sample.name == "kobling_step_seconds_count"
                    && sample.label("step") == Some(step.as_str())
                    && sample.label("outcome") == Some("ok")
            };
            page.iter().filter(of).map(|sample| sample.value).sum::<f64>()
        };
        let expected: &[(Step, f64)] = match party {
            "broker" => &[(Step::Job, 1.0), (Step::Link, 1.0), (Step::LinkTokens, 3.0)],
            "fhi" => &[(Step::LinkTokens, 1.0), (Step::QuestionExtract, 0.0)],
            _ => &[(Step::LinkTokens, 1.0), (Step::LinkAlign, 1.0), (Step::LinkCanaries, 1.0)],
        };
        for (step, times) in expected {
            assert_eq!(count(*step), *times, "{party} {step:?}");
        }
        match party {
            "ssb" | "krg" => {
                let whole = count(Step::QuestionCompute);
                assert!(whole >= 1.0 && count(Step::QuestionExtract) == whole);
                assert!(count(Step::QuestionProduct) >= 1.0 && count(Step::QuestionProtect) == whole);
            }
            "fhi" => assert!(count(Step::Deal) >= 1.0),
            _ => assert!(count(Step::Question) >= 1.0 && count(Step::QuestionCombine) == 1.0),
        }
        let open = page.iter().find(|sample| sample.name == "kobling_sessions_open").expect("a gauge");
        assert_eq!(open.value, 1.0, "{party}");
    }
}

#[test]
fn nothing_is_served_unless_it_is_asked_for() {
    let world = World::of_two(73);
    for party in ["broker", "ssb", "krg"] {
        let file = world.state_folder(party).join(kobling_proto::observe::port::ADDRESS_FILE);
        assert!(!file.exists(), "{party}");
    }
}
