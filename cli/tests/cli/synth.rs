//! Datasets from metadata alone: a node imports them as they are, faults are named, and nothing is left half made.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use crate::program::{folder, kobling, run, signal, wait_for};

const LONG: Duration = Duration::from_secs(120);

/// Metadata of every temporality, data type and unit type.
const METADATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../synth/tests/metadata");

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[test]
fn a_node_imports_what_was_made_without_a_problem() {
    let home = folder();
    let out = home.path().join("made");
    let made = ["synth", METADATA, "--out", text(&out), "--people", "3000", "--seed", "4", "--json"];
    let made: Value = serde_json::from_str(&run(made).with(0).out).expect("JSON");
    let datasets = made["datasets"].as_array().expect("a list");
    assert!(datasets.len() > 40);
    let (config, state) = (home.path().join("node.toml"), home.path().join("state"));
    let node = |arguments: &[&str]| -> crate::program::Ended {
        let mut command = kobling();
        command.arg("node").arg("--config").arg(&config).arg("--state").arg(&state).args(arguments);
        command.output().expect("the program runs").into()
    };
    node(&["init", "--owner", "ssb", "--listen", "127.0.0.1:1"]).with(0);
    let version = ["import", text(&out), "--datastore", "no.test.db", "--version", "1.0.0"];
    let imported = node(&version).with(0);
    let said = format!("{}{}", imported.out, imported.err);
    for dataset in datasets {
        let name = dataset["name"].as_str().expect("a name");
        let register = state.join("registers/no.test.db/1.0.0").join(format!("{name}.parquet"));
        assert!(register.exists(), "{name} was not imported\n{said}");
    }
    assert!(!said.contains("line "), "a problem or a warning:\n{said}");
}

#[test]
fn all_faults_of_all_metadata_files_are_named_and_nothing_is_written() {
    let home = folder();
    let (from, out) = (home.path().join("metadata"), home.path().join("made"));
    fs::create_dir(&from).expect("a folder");
    let good = fs::read_to_string(Path::new(METADATA).join("INNTEKT_LONN.json")).expect("metadata");
    fs::write(from.join("ONE.json"), good.replace("dataType", "dataTyp")).expect("written");
    fs::write(from.join("TWO.json"), good.replace("\"ACCUMULATED\"", "\"ACUMULATED\"")).expect("written");
    let arguments = ["synth", text(&from), "--out", text(&out), "--people", "10"];
    let ended = run(arguments)
        .with(64)
        .says(&["ONE.json, at measureVariables[0].dataTyp: there is no field", "did you mean \"dataType\"?"])
        .says(&["TWO.json, at temporalityType: expected one of", "did you mean \"ACCUMULATED\"?"])
        .says(&["3 faults to mend; nothing was written"]);
    assert!(ended.out.is_empty() && !out.exists());
    let json: Value =
        serde_json::from_str(&run([&arguments[..], &["--json"]].concat()).with(64).out).expect("JSON");
    assert_eq!(json["faults"][0]["file"], "ONE.json");
    assert_eq!(json["faults"].as_array().map(Vec::len), Some(3));
}

#[test]
fn what_cannot_be_made_is_said_before_anything_is_written() {
    let home = folder();
    let out = home.path().join("made");
    let synth = |more: &[&str]| run([&["synth", METADATA, "--out", text(&out)], more].concat());
    synth(&["--people", "0"]).with(64);
    synth(&["--people", "10000001"]).with(64);
    synth(&["--people", "10", "--units", "JOB=3"]).with(64).says(&["unit type"]);
    synth(&["--people", "10", "--units", "HUSHOLDNING=100"]).with(64).says(&["units of HUSHOLDNING"]);
    synth(&["--people", "10", "--from", "2020-01-02", "--to", "2020-01-01"]).with(64).says(&["--from, --to"]);
    synth(&["--people", "100", "--from", "2020-01-01", "--to", "2020-01-01"])
        .with(64)
        .says(&["INNTEKT_LONN.json, at temporalityType", "a period of more than a day"]);
    let ranges = home.path().join("ranges.toml");
    fs::write(&ranges, "[INNTEKT_LON]\nlow = 1\n").expect("written");
    synth(&["--people", "100", "--ranges", text(&ranges)])
        .with(64)
        .says(&["INNTEKT_LON", "did you mean \"INNTEKT_LONN\"?"]);
    assert!(!out.exists());
    run(["synth", "/no/such/folder", "--out", text(&out), "--people", "10"])
        .with(64)
        .says(&["/no/such/folder"]);

    synth(&["--people", "100"]).with(0);
    synth(&["--people", "100"]).with(64).says(&["is there already", "nothing was written"]);
    synth(&["--people", "100", "--seed", "2", "--overwrite"]).with(0);
}

#[test]
fn an_interruption_leaves_no_file() {
    let home = folder();
    let out = home.path().join("made");
    let mut command = kobling();
    command.args(["synth", METADATA, "--out", text(&out), "--people", "5000000"]);
    let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().expect("the program runs");
    wait_for("something to be written", LONG, || {
        let written = fs::read_dir(&out).ok()?.flatten().any(|entry| entry.path().is_dir());
        written.then_some(())
    });
    signal(child.id(), rustix::process::Signal::INT);
    let ended = wait_for("the program to end", LONG, || child.try_wait().expect("a child"));
    assert_eq!(ended.code(), Some(130));
    assert_eq!(fs::read_dir(&out).expect("a folder").count(), 0, "something is left");
}
