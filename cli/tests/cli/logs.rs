//! Audit logs as an outsider checks them.

use std::fs;
use std::path::Path;

use crate::federation::{PARTIES, federation};
use crate::program::{folder, run};

#[test]
fn logs_of_all_parties_are_whole_fit_together_and_are_shown_to_people() {
    let federation = federation();
    for party in PARTIES {
        let log = federation.state(party).join("audit");
        let verified = run([Path::new("audit"), Path::new("verify"), &log]).with(0);
        assert!(verified.out.contains(&format!("log of {party}")), "{}", verified.out);
    }
    federation.logs_fit();
    let log = federation.state("ssb").join("audit");
    let shown = run([Path::new("audit"), Path::new("show"), &log]).with(0).out;
    for expected in [
        "imported no.ssb.fdb 1.0.0",
        "asked by \"A researcher\"",
        "(signed)",
        "for \"Trying Kobling",
        "request ",
        "released",
    ] {
        assert!(shown.contains(expected), "no {expected:?} in\n{shown}");
    }
}

#[test]
fn a_tampered_log_is_refused_with_the_entry_that_is_wrong() {
    let federation = federation();
    let home = folder();
    let original = fs::read_to_string(federation.state("ssb").join("audit/audit.jsonl")).expect("a log");
    let copy = home.path().join("audit.jsonl");
    let verify = || run([Path::new("audit"), Path::new("verify"), &copy]);
    fs::write(&copy, &original).expect("written");
    verify().with(0);

    // Another researcher in the last question.
    let at = original.rfind("A researcher").expect("somebody asked");
    let mut forged = original.clone();
    forged.replace_range(at..at + 12, "B researcher");
    let entry = original[..at].lines().count() - 1;
    fs::write(&copy, &forged).expect("written");
    verify().with(1).says(&[&format!("entry {entry} ")]);

    // An entry taken out.
    let without: String =
        original.lines().enumerate().filter(|(at, _)| *at != 2).map(|(_, l)| format!("{l}\n")).collect();
    fs::write(&copy, without).expect("written");
    verify().with(1).says(&["entry 2 "]);

    // A log that tells of a question that the broker's does not.
    let broker = fs::read_to_string(federation.state("broker").join("audit/audit.jsonl")).expect("a log");
    let short: String = broker.lines().take(1).map(|line| format!("{line}\n")).collect();
    fs::write(&copy, short).expect("written");
    let ssb = federation.state("ssb").join("audit");
    let reconciled = run([
        Path::new("audit"),
        Path::new("reconcile"),
        Path::new("--broker"),
        Path::new("broker"),
        &copy,
        &ssb,
    ])
    .with(1);
    assert!(reconciled.out.contains("not recorded at the broker"), "{}", reconciled.out);
}
