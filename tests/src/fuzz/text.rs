//! Texts: scripts, plans in JSON, settings, audit logs.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use kobling_audit::Head;
use kobling_audit::leaf::{Kept, Leaf, Line};
use kobling_audit::verify::verify_from;
use kobling_disclosure::policy::Policy;
use kobling_model::federation::{Federation, Party, Platform};
use kobling_model::plan::{Plan, Question};
use kobling_model::record::Record;
use kobling_model::{Hash, OwnerId};
use kobling_node::config::Config;
use kobling_script::limits::{DIAGNOSTICS_MAX, MADE_BYTES_MAX};
use kobling_script::{
    Diagnostic, Language, check, explain, render, required_datastores, syntax, written_out,
};

use super::register::catalogue;

/// The script of the demo.
const DEMO: &str = include_str!("../../../cli/scripts/demo.kob");
/// A log as it was first published.
const LOG: [(&str, &[u8]); 5] = [
    ("key", include_bytes!("../../../audit/golden/log/key")),
    ("checkpoint", include_bytes!("../../../audit/golden/log/checkpoint")),
    ("records/000.jsonl", include_bytes!("../../../audit/golden/log/records/000.jsonl")),
    ("tile/0/000.p/17", include_bytes!("../../../audit/golden/log/tile/0/000.p/17")),
    ("tile/entries/000.p/17", include_bytes!("../../../audit/golden/log/tile/entries/000.p/17")),
];

/// A researcher's script, checked against the demo's catalogue.
pub fn script(input: &[u8]) -> bool {
    let Ok(source) = std::str::from_utf8(input) else { return false };
    if let Err(diagnostics) = required_datastores(source) {
        shows(&diagnostics, source);
    }
    let unread = syntax(source);
    if !unread.is_empty() {
        shows(&unread, source);
    }
    // What bindings and loops make is bounded, whatever they say.
    assert!(written_out(source).len() <= source.len() + 4 * MADE_BYTES_MAX, "a bounded text");
    match check(source, catalogue()) {
        Ok(checked) => {
            assert!(!explain(&checked.plan, |_| None).contains('\0'), "what is asked can be shown");
            let again = check(source, catalogue()).expect("the same text is as right as before");
            assert_eq!(again.plan.hash(), checked.plan.hash(), "all parties derive the same plan");
            survives(&checked.plan);
            true
        }
        Err(diagnostics) => {
            shows(&diagnostics, source);
            false
        }
    }
}

/// Every diagnostic points into the text and can be shown.
fn shows(diagnostics: &[Diagnostic], source: &str) {
    assert!((1..=DIAGNOSTICS_MAX).contains(&diagnostics.len()), "something is said, and not too much");
    for diagnostic in diagnostics {
        let span = diagnostic.span;
        assert!(source.get(span.start..span.end).is_some(), "a place in the text");
        let line = source.split('\n').nth(diagnostic.line as usize - 1).expect("a line of the text");
        assert!((diagnostic.column as usize - 1) <= line.chars().count(), "a column of the line");
        for language in [Language::English, Language::Norwegian] {
            for said in [diagnostic.message(language), diagnostic.advice(language)] {
                assert!(!said.contains(char::is_control), "what is sent on is plain");
            }
        }
    }
    // Each is shown by itself, so a few say as much as all, which would take a second.
    let some: Vec<Diagnostic> = diagnostics.iter().step_by(diagnostics.len().div_ceil(6)).cloned().collect();
    for (language, color) in [(Language::English, true), (Language::Norwegian, false)] {
        let shown = render(&some, source, "x.kob", language, color);
        let active = |c: char| c.is_control() && !matches!(c, '\n' | '\t' | '\u{1b}');
        assert!(!shown.contains(active), "a script steers no terminal");
        assert!(color || !shown.contains('\u{1b}'), "no colour was asked for");
    }
}

/// A plan in JSON.
pub fn plan(input: &[u8]) -> bool {
    let Ok(plan) = serde_json::from_slice::<Plan>(input) else { return false };
    survives(&plan);
    for question in &plan.questions {
        for (_, fragment) in question.fragments() {
            let expressions = fragment.filters.iter().chain(&fragment.value);
            let sizes = expressions.map(|expression| expression.size()).sum::<usize>();
            assert!(sizes <= input.len(), "a node of an expression takes a byte at least");
        }
    }
    true
}

/// A plan that is written and read again is the same, for people and for hashes.
fn survives(plan: &Plan) {
    let json = serde_json::to_vec(plan).expect("a plan has a JSON form");
    let again: Plan = serde_json::from_slice(&json).expect("what was written can be read");
    assert_eq!(again, *plan, "the same plan");
    assert_eq!(again.hash(), plan.hash(), "the same hash");
}

/// A roster, a policy or a node's configuration, as the first byte says.
pub fn settings(input: &[u8]) -> bool {
    let Some((kind, text)) = input.split_first() else { return false };
    let Ok(text) = std::str::from_utf8(text) else { return false };
    // What is wrong is said to an operator, who needs some text.
    let refused = |said: String| {
        assert!(!said.is_empty());
        false
    };
    match kind % 3 {
        0 => match Federation::from_toml(text) {
            Ok(federation) => {
                survives_as_toml(&federation);
                true
            }
            Err(error) => refused(error.to_string()),
        },
        1 => match Policy::parse(text) {
            Ok(_) => true,
            Err(error) => refused(error.to_string()),
        },
        _ => match Config::parse(text, Path::new("node.toml"), Path::new("/etc/kobling")) {
            Ok(config) => {
                assert!(!config.peer_timeout.is_zero() && !config.session_idle.is_zero());
                true
            }
            Err(error) => refused(error.to_string()),
        },
    }
}

/// A roster that is written and read again is the same, and gives every node a worker and a dealer.
fn survives_as_toml(federation: &Federation) {
    let again = Federation::from_toml(&federation.to_toml()).expect("what was written can be read");
    assert_eq!(again, *federation);
    assert_eq!(again.hash(), federation.hash());
    for node in &federation.nodes {
        let roles = federation.roles(&node.id, None).expect("there is another node");
        assert!(roles.left != roles.right && roles.dealer != roles.left && roles.dealer != roles.right);
    }
}

/// One file of a log, after its number; or, after any other number, records a line each.
pub fn audit(input: &[u8]) -> bool {
    let Some((number, content)) = input.split_first() else { return false };
    let Some((name, original)) = LOG.get(usize::from(*number)) else { return records(content) };
    let mut files = golden_log();
    files.insert((*name).to_owned(), content.to_vec());
    let Ok(log) = verify_from(&files, Path::new("log")) else {
        assert_ne!(content, *original, "the golden log is whole");
        return false;
    };
    // A key may lack its line break, and records may be beyond what is signed.
    let same = content == *original
        || *name == "key" && original.strip_suffix(b"\n") == Some(content)
        || name.starts_with("records/") && content.starts_with(original);
    assert!(same, "every byte counts");
    assert_eq!(log.head().count, log.entries().len() as u64);
    assert!(log.reaches(&log.head()).is_ok() && log.reaches(&Head::empty()).is_ok());
    true
}

/// Records have one form each, and another salt makes another leaf.
fn records(input: &[u8]) -> bool {
    let records =
        input.split(|byte| *byte == b'\n').map_while(|line| serde_json::from_slice::<Record>(line).ok());
    let mut some = false;
    for record in records {
        let kept = Line::Kept(Kept { salt: Hash::of(b"salt"), record: record.clone() });
        let again: Line = serde_json::from_slice(&kept.bytes()).expect("what was written can be read");
        assert_eq!((again.bytes(), again.leaf()), (kept.bytes(), kept.leaf()));
        assert_ne!(Leaf::of(&Hash::of(b"another"), &record).commitment, kept.leaf().commitment);
        some = true;
    }
    some
}

fn golden_log() -> BTreeMap<String, Vec<u8>> {
    LOG.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec())).collect()
}

pub(super) fn script_seeds() -> Vec<Vec<u8>> {
    let connected = "require no.ssb.fdb:1 as fdb\nrequire no.krg.kreft:1 as krg\nrequire no.fhi.helse:1 as fhi\ncreate-dataset people\n";
    let rest = [
        "import fdb/BEFOLKNING_KJOENN as sex\ntabulate sex\n",
        "import fdb/INNTEKT_WLONN 2021-06-30 as wage\nimport krg/KRG_LOKALISASJON as site\n\
         generate high = wage * 1.5 > 500000 | sysmiss(wage)\nkeep if !high\n\
         tabulate site, summarize(wage) mean std sum missing\nsummarize wage\n",
    ];
    let mut seeds = vec![DEMO.as_bytes().to_vec()];
    seeds.extend(rest.map(|rest| format!("{connected}{rest}").into_bytes()));
    seeds
}

/// Plans of the scripts above.
pub(super) fn plans() -> &'static [Plan] {
    static PLANS: LazyLock<Vec<Plan>> = LazyLock::new(|| {
        let plan = |source: Vec<u8>| {
            let source = String::from_utf8(source).expect("a text");
            let checked = check(&source, catalogue());
            checked
                .unwrap_or_else(|wrong| {
                    panic!("{}", render(&wrong, &source, "seed", Language::English, false))
                })
                .plan
        };
        script_seeds().into_iter().map(plan).collect()
    });
    &PLANS
}

/// One question each, since all that is needed to judge one stands in it.
pub(super) fn plan_seeds() -> Vec<Vec<u8>> {
    let with = |plan: &Plan, question: &Question| Plan {
        releases: plan.releases.clone(),
        edits: plan.edits.clone(),
        listings: plan.listings.clone(),
        questions: vec![question.clone()],
    };
    let each = |plan: &'static Plan| plan.questions.iter().map(move |question| with(plan, question));
    let all = plans().iter().flat_map(each);
    all.map(|plan| serde_json::to_vec(&plan).expect("a plan has a JSON form")).collect()
}

pub(super) fn settings_seeds() -> Vec<Vec<u8>> {
    let id = |name: &str| OwnerId::new(name).expect("a party's name");
    let party = |name: &str, port: u16| Party {
        id: id(name),
        uri: format!("kobling://{name}"),
        address: ([127, 0, 0, 1], port).into(),
        authority: "-----BEGIN CERTIFICATE-----\n".to_owned(),
        signing_key: Hash::of(name.as_bytes()).to_string(),
    };
    let federation = Federation {
        name: "demo".to_owned(),
        broker: party("broker", 7000),
        platform: Platform {
            uri: "kobling://platform".to_owned(),
            authority: String::new(),
            signing_key: Hash::of(b"platform").to_string(),
        },
        nodes: vec![party("ssb", 7001), party("krg", 7002), party("fhi", 7003)],
    };
    [federation.to_toml(), Policy::init_text(), Config::EXAMPLE.to_owned()]
        .into_iter()
        .zip(0_u8..)
        .map(|(text, kind)| [&[kind], text.as_bytes()].concat())
        .collect()
}

/// The files of a log, and its records by themselves.
pub(super) fn audit_seeds() -> Vec<Vec<u8>> {
    let files = LOG.iter().zip(0_u8..).map(|((_, bytes), number)| [&[number], *bytes].concat());
    let log = verify_from(&golden_log(), Path::new("golden")).expect("as published");
    let records = log.entries().iter().map(|entry| serde_json::to_vec(&entry.record).expect("JSON"));
    files.chain(records.map(|record| [&b"\n"[..], &record].concat())).collect()
}
