//! The demo from end to end.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::federation::SHORT;
use crate::program::{Running, background, file, folder, is_alive, kobling, run, signal, start, wait_for};

const LONG: Duration = Duration::from_secs(180);

#[test]
fn the_demo_shows_tables_checks_the_records_and_leaves_nothing() {
    let home = folder();
    let output =
        kobling().args(["demo", "--people", "20000", "--seed", "7"]).env("TMPDIR", home.path()).output();
    let ended = crate::program::Ended::from(output.expect("the demo runs")).with(0);
    for expected in [
        "tabulate level sex, freq colpct",
        "tabulate level site, freq rowpct",
        "tabulate sex site if level == \"high\"",
        "tabulate level site, freq summarize(wage) mean std",
        "mean of wage",
        "winsorised",
        "│ Low",
        "│ Middle",
        "│ High",
        "Lung",
        "No cancer",
        "Total",
        "What each party did, and what it did not see",
        "dealt randomness for 7 questions",
        "The four logs tell the same of every question.",
    ] {
        assert!(ended.out.contains(expected), "no {expected:?} in\n{}", ended.out);
    }
    // Progress by stage, as lines where there is no terminal.
    for stage in [
        "✓ Registers of 20 000 people",
        "✓ Keys,",
        "✓ Registers imported at",
        "✓ Three nodes",
        "✓ The script",
    ] {
        assert!(ended.err.contains(stage), "no {stage:?} in\n{}", ended.err);
    }
    assert_eq!(fs::read_dir(home.path()).expect("listed").count(), 0, "nothing is left");
}

/// A demo that stays up, with what it tells of itself.
fn serving(home: &Path, name: &str) -> (Running, Vec<u32>) {
    let script = file(home, &format!("{name}.kob"), SHORT);
    let ready = home.join(format!("{name}.json"));
    let temporary = home.join(name);
    fs::create_dir(&temporary).expect("a folder");
    let mut command = background();
    command.args(["demo", "--people", "2000", "--serve", "--script"]).arg(script);
    command.arg("--ready-file").arg(&ready).env("TMPDIR", &temporary);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut demo = start(command);
    let content = wait_for("the demo to serve", LONG, || {
        if let Some(status) = demo.ended() {
            panic!("the demo ended with {status}: {}", demo.errors());
        }
        fs::read(&ready).ok()
    });
    let content: Value = serde_json::from_slice(&content).expect("JSON");
    let parties = content["parties"].as_array().expect("a list");
    let pids = parties.iter().map(|party| party["pid"].as_u64().expect("a number") as u32).collect();
    (demo, pids)
}

#[test]
fn two_demos_run_side_by_side_and_children_end_with_their_parent_however_it_ends() {
    let home = folder();
    let (mut first, mut second) = std::thread::scope(|scope| {
        let first = scope.spawn(|| serving(home.path(), "first"));
        let second = scope.spawn(|| serving(home.path(), "second"));
        (first.join().expect("serves"), second.join().expect("serves"))
    });
    assert_eq!((first.1.len(), second.1.len()), (4, 4));
    assert!(first.1.iter().chain(&second.1).all(|pid| is_alive(*pid)));

    first.0.kill();
    wait_for("the children of a killed demo to end", Duration::from_secs(10), || {
        (!first.1.iter().any(|pid| is_alive(*pid))).then_some(())
    });
    assert!(second.1.iter().all(|pid| is_alive(*pid)), "the other demo is not concerned");

    signal(second.0.pid(), Signal::INT);
    let status = second.0.end(Duration::from_secs(30));
    assert_eq!(status.code(), Some(130));
    assert!(!second.1.iter().any(|pid| is_alive(*pid)));
    assert_eq!(fs::read_dir(home.path().join("second")).expect("listed").count(), 0, "nothing is left");
}

#[test]
fn an_interrupted_demo_leaves_nothing() {
    let home = folder();
    let mut command = background();
    command.args(["demo", "--people", "300000"]).env("TMPDIR", home.path());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut demo = start(command);
    // In the middle of writing registers.
    wait_for("the demo to write registers", LONG, || {
        let mut folders = fs::read_dir(home.path()).ok()?;
        let demo = folders.next()?.ok()?.path();
        demo.join("registers/ssb/BEFOLKNING_KJOENN/BEFOLKNING_KJOENN.csv").exists().then_some(())
    });
    signal(demo.pid(), Signal::INT);
    assert_eq!(demo.end(Duration::from_secs(30)).code(), Some(130));
    assert_eq!(fs::read_dir(home.path()).expect("listed").count(), 0, "nothing is left");
}

#[test]
fn a_folder_with_something_in_it_and_too_few_people_are_refused() {
    let home = folder();
    file(home.path(), "mine", "x");
    let keep = home.path().display().to_string();
    run(["demo", "--keep", &keep]).with(64).says(&["is not empty"]);
    run(["demo", "--people", "5"]).with(64).says(&["5 is not in"]);
}
