//! Parties that fail: each is named, in time, and nothing of the question is released.

use std::fs;
use std::time::{Duration, Instant};

use rcgen::string::Ia5String;
use rcgen::{CertificateParams, CertificateSigningRequestParams, IsCa, Issuer, KeyPair, SanType};
use rustix::process::Signal;
use serde_json::Value;

use crate::federation::{Federation, SHORT, federation, long, long_over_three};
use crate::program::{file, signal};

/// How long a researcher waits at most to hear that a party is gone.
const IN_TIME: Duration = Duration::from_secs(40);

/// Attempts that a log tells of since `from`, with their outcome.
fn outcomes(records: &[Value], from: usize) -> Vec<(String, Option<String>)> {
    let event = |entry: &Value| entry["record"]["event"].clone();
    let new = &records[from..];
    let opened = new.iter().map(event).filter(|event| event["event"] == "opening");
    let ended: Vec<_> = new.iter().map(event).filter(|event| event["event"] == "outcome").collect();
    opened
        .map(|opening| {
            let attempt = opening["attempt"].as_str().expect("an attempt").to_owned();
            let outcome = ended.iter().find(|event| event["attempt"] == attempt.as_str());
            let outcome =
                outcome.map(|event| event["outcome"]["outcome"].as_str().expect("an outcome").to_owned());
            (attempt, outcome)
        })
        .collect()
}

/// Kills a party in the middle of a question and checks what everybody then says.
fn killed_in_the_middle_of_a_question(party: &'static str, text: &str) {
    let mut federation = federation();
    let script = file(federation.folder(), "long.kob", text);
    let before = federation.records("broker").len();
    let files = federation.files("ssb");

    let mut run = federation.begin(&script);
    let mut events = run.json_lines();
    // The third question is under way, and many are to come.
    // Tables are shown as they come: some before it.
    let mut shown = 0;
    let is_table = |event: &Value| event["event"] == "table";
    let stage = events.find(|event| {
        shown += usize::from(is_table(event));
        event["event"] == "stage" && event["question"].as_u64() >= Some(2)
    });
    assert!(stage.is_some(), "the script ended too soon: {}", run.errors());
    federation.kill(party);
    let killed = Instant::now();
    let rest: Vec<Value> = events.collect();
    let status = run.end(Duration::from_secs(5));
    assert!(killed.elapsed() < IN_TIME, "it took {:?}", killed.elapsed());
    assert_eq!(status.code(), Some(3), "{rest:?}");

    // A typed error that names party and step.
    let problem = rest.iter().find(|event| event["event"] == "problem").unwrap_or_else(|| panic!("{rest:?}"));
    assert_eq!(problem["party"], party, "{problem}");
    assert_ne!(problem["step"], "", "{problem}");
    assert!(!problem["message"].as_str().expect("a text").is_empty());

    // Everything can be started again, and the same question is then answered.
    federation.start_all();
    federation.run(&script).with(0);
    assert_eq!(federation.files("ssb"), files, "a failed job leaves nothing on disk");

    // Nothing was released of the question that failed: what was released before it is what the researcher got.
    let records = federation.records("broker");
    let attempts = outcomes(&records, before);
    let failed =
        attempts.iter().position(|(_, outcome)| !matches!(outcome.as_deref(), Some("released" | "passed")));
    let failed = failed.unwrap_or_else(|| panic!("no attempt failed: {attempts:?}"));
    let released =
        attempts[..failed].iter().filter(|(_, outcome)| outcome.as_deref() == Some("released")).count();
    shown += rest.iter().filter(|event| is_table(event)).count();
    if party == "broker" {
        // What was released last it may not have handed out any more.
        assert!((released.saturating_sub(1)..=released).contains(&shown), "{shown} of {released}");
    } else {
        assert_eq!(attempts[failed].1.as_deref(), Some("failed"));
        assert_eq!(shown, released);
    }
    federation.logs_fit();
}

#[test]
fn killing_the_populations_owner_in_the_middle_of_a_question_is_told_and_mended() {
    killed_in_the_middle_of_a_question("ssb", &long());
}

#[test]
fn killing_the_other_owner_in_the_middle_of_a_question_is_told_and_mended() {
    killed_in_the_middle_of_a_question("krg", &long());
}

#[test]
fn killing_the_dealer_in_the_middle_of_a_question_is_told_and_mended() {
    killed_in_the_middle_of_a_question("fhi", &long());
}

#[test]
fn killing_the_broker_in_the_middle_of_a_question_is_told_and_mended() {
    killed_in_the_middle_of_a_question("broker", &long());
}

#[test]
fn killing_an_owner_that_shares_in_the_middle_of_a_question_is_told_and_mended() {
    killed_in_the_middle_of_a_question("fhi", &long_over_three());
}

#[test]
fn a_party_that_is_down_before_the_question_is_named() {
    for party in ["krg", "fhi", "broker"] {
        let mut federation = federation();
        let script = file(federation.folder(), "down.kob", long());
        federation.kill(party);
        let asked = Instant::now();
        federation.run(&script).with(3).says(&["unreachable", party]);
        assert!(asked.elapsed() < IN_TIME, "it took {:?}", asked.elapsed());
    }
}

/// Puts another certificate in place of a node's, and returns what was there.
fn replace_certificate(federation: &Federation, party: &str, uri: &str) -> String {
    let keys = federation.state(party).join("keys");
    let request = fs::read_to_string(keys.join("tls.csr")).expect("a request");
    let mut request = CertificateSigningRequestParams::from_pem(&request).expect("valid");
    for name in &mut request.params.subject_alt_names {
        if let SanType::URI(own) = name {
            *own = Ia5String::try_from(uri).expect("ASCII");
        }
    }
    let mut authority = CertificateParams::new(Vec::new()).expect("valid");
    authority.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let issuer = Issuer::new(authority, KeyPair::generate().expect("a key"));
    let certificate = request.signed_by(&issuer).expect("signed").pem();
    let own = fs::read_to_string(keys.join("tls.pem")).expect("a certificate");
    fs::write(keys.join("tls.pem"), certificate).expect("written");
    own
}

fn restore_certificate(federation: &Federation, party: &str, own: &str) {
    fs::write(federation.state(party).join("keys/tls.pem"), own).expect("written");
}

#[test]
fn a_certificate_of_another_authority_is_refused_by_the_partys_name() {
    let mut federation = federation();
    let script = file(federation.folder(), "certificate.kob", long());
    federation.kill("krg");
    let own = replace_certificate(&federation, "krg", "kobling://krg");
    federation.start("krg");
    let ended = federation.run(&script);
    restore_certificate(&federation, "krg", &own);
    federation.kill("krg");
    ended.with(3).says(&["certificate", "krg"]);
    federation.start_all();
    federation.run(&script).with(0);
}

#[test]
fn a_node_with_a_certificate_of_another_name_does_not_start() {
    let mut federation = federation();
    federation.kill("krg");
    let own = replace_certificate(&federation, "krg", "kobling://ssb");
    federation.start("krg");
    let status = federation.end_of("krg");
    restore_certificate(&federation, "krg", &own);
    assert!(!status.success());
    let log = federation.log("krg");
    let last = log.lines().last().expect("it said why");
    assert!(last.contains("kobling://ssb") && last.contains("kobling://krg"), "{last}");
}

#[test]
fn a_party_whose_signing_key_is_not_the_rosters_does_not_start() {
    let mut federation = federation();
    let other = fs::read(federation.state("ssb").join("keys/signing.pk8")).expect("a key");
    let keys = [
        ("krg", federation.state("krg").join("keys/signing.pk8")),
        ("broker", federation.folder().join("broker/keys/signing.pk8")),
    ];
    for (party, key) in keys {
        federation.kill(party);
        let own = fs::read(&key).expect("a key");
        fs::write(&key, &other).expect("written");
        federation.start(party);
        let status = federation.end_of(party);
        fs::write(&key, own).expect("written");
        assert!(!status.success());
        let log = federation.log(party);
        let last = log.lines().last().expect("it said why");
        assert!(last.contains("signing.pk8 is not the signing key that the"), "{last}");
    }
}

#[test]
fn an_interrupted_run_cancels_the_job_and_leaves_the_parties_free() {
    let federation = federation();
    let script = file(federation.folder(), "cancel.kob", long());
    let mut run = federation.begin(&script);
    let mut events = run.json_lines();
    assert!(events.any(|event| event["event"] == "stage"), "{}", run.errors());
    signal(run.pid(), Signal::INT);
    let rest: Vec<Value> = events.collect();
    assert_eq!(run.end(Duration::from_secs(20)).code(), Some(130));
    assert_eq!(rest.last().map(|event| event["state"].clone()), Some("cancelled".into()), "{rest:?}");
    let short = file(federation.folder(), "short.kob", SHORT);
    federation.run(&short).with(0);
    federation.logs_fit();
}

#[test]
fn a_node_tells_its_status() {
    let mut federation = federation();
    let status = |federation: &Federation| -> Value {
        let arguments = [
            "node".into(),
            "--config".into(),
            federation.config("ssb").into_os_string(),
            "--state".into(),
            federation.state("ssb").into_os_string(),
            "status".into(),
            "--json".into(),
        ];
        serde_json::from_str(&crate::program::run(arguments).with(0).out).expect("JSON")
    };
    let answers = |status: &Value, party: &str| {
        let peers = status["peers"].as_array().expect("a list");
        let peer = peers.iter().find(|peer| peer["party"] == party).expect("named");
        peer["answers"].as_bool().expect("a truth value")
    };
    let now = status(&federation);
    assert_eq!(now["owner"], "ssb");
    assert_eq!(now["serving"], true);
    assert!(answers(&now, "krg") && answers(&now, "broker"), "{now}");
    // Who asked is sealed to the auditors.
    assert!(now["last_question"]["at"].is_string(), "{now}");
    assert!(now["last_question"].get("researcher").is_none(), "{now}");
    federation.kill("krg");
    assert!(!answers(&status(&federation), "krg"));
}
