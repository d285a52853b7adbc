//! What operators do with the real program: check and rehearse a policy, stop and resume, put another policy in force.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::federation::{Federation, SHORT, federation, long};
use crate::program::{Ended, file, folder, kobling, run, signal, wait_for};

impl Ended {
    /// Checks that standard output says all this.
    #[track_caller]
    fn shows(self, texts: &[&str]) -> Self {
        for text in texts {
            assert!(self.out.contains(text), "no {text:?} in\n{}", self.out);
        }
        self
    }
}

/// A command of a party's operator.
fn node(federation: &Federation, party: &str, words: &[&str]) -> Ended {
    let mut arguments: Vec<OsString> = vec!["node".into()];
    arguments.extend(words.iter().map(OsString::from));
    arguments.extend(["--config".into(), federation.config(party).into_os_string()]);
    arguments.extend(["--state".into(), federation.state(party).into_os_string()]);
    run(arguments)
}

fn status(federation: &Federation, party: &str) -> Value {
    let shown = node(federation, party, &["status", "--json"]).with(0);
    serde_json::from_str(&shown.out).expect("JSON")
}

/// A party's policy file, as it was before the test when this is dropped.
struct Policy {
    path: PathBuf,
    before: String,
}

impl Policy {
    fn of(federation: &Federation, party: &str) -> Self {
        let path = federation.config(party).with_file_name("policy.toml");
        let before = fs::read_to_string(&path).expect("a policy");
        Self { path, before }
    }

    fn rewrite(&self, line: &str, with: &str) {
        assert!(self.before.contains(line), "no line {line}");
        fs::write(&self.path, self.before.replace(line, with)).expect("written");
    }

    fn restore(&self) {
        fs::write(&self.path, &self.before).expect("written");
    }
}

impl Drop for Policy {
    fn drop(&mut self) {
        self.restore();
    }
}

/// A node that answers again when this is dropped, whatever the test has come to: other tests ask it too.
struct Resumed {
    config: PathBuf,
    state: PathBuf,
}

impl Drop for Resumed {
    fn drop(&mut self) {
        let (config, state) = (self.config.as_os_str(), self.state.as_os_str());
        let words = ["node", "resume", "--config"].map(OsString::from);
        run(words.into_iter().chain([config.to_owned(), "--state".into(), state.to_owned()]));
    }
}

/// What a policy would say by itself.
fn checked(path: &Path) -> Ended {
    run(["node".into(), "policy".into(), "check".into(), path.as_os_str().to_owned()])
}

#[test]
fn a_policy_is_checked_without_a_node_and_everything_that_is_wrong_is_said_at_once() {
    let (home, federation) = (folder(), federation());
    let policy = Policy::of(&federation, "ssb").before.clone();
    let sound = file(home.path(), "sound.toml", &policy);
    checked(&sound).with(0).shows(&["sound; names of datasets"]);
    node(&federation, "ssb", &["policy", "check"]).with(0).shows(&["policy.toml: sound\n"]);
    let bad = policy
        .replace("population_units_min = 1000", "population_units_min = 10")
        .replace("commands = [\"*\"]", "commands = [\"tabulat\", \"require\", \"create-dataset\"]")
        .replace("broker_may_deal = false\n", "");
    let line = |start: &str| 1 + bad.lines().position(|line| line.starts_with(start)).expect("there");
    let said = checked(&file(home.path(), "bad.toml", &bad)).with(1).out;
    let expected = [
        format!(
            "bad.toml: line {}: population_units_min is 10; a population of fewer",
            line("population_units")
        ),
        format!("bad.toml: line {}: commands: \"tabulat\" is no command of the language", line("commands")),
        "bad.toml: broker_may_deal is missing; it protects people".to_owned(),
    ];
    assert_eq!(said.lines().count(), 3, "{said}");
    for text in expected {
        assert!(said.contains(&text), "{text}\n{said}");
    }
    // Names of registers and nodes are held against the node's own.
    let elsewhere = policy.replace("datasets = [\"*\"]", "datasets = [\"no.ssb.fbd\"]");
    let elsewhere =
        file(home.path(), "elsewhere.toml", elsewhere.replace("dealers = [\"*\"]", "dealers = [\"fih\"]"));
    checked(&elsewhere).with(0);
    let path = elsewhere.to_str().expect("a path");
    let said = node(&federation, "ssb", &["policy", "check", path]).with(1).out;
    assert!(said.contains("\"no.ssb.fbd\" is no dataset of this node; there are no.ssb.fdb"), "{said}");
    assert!(said.contains("\"fih\" is no node of the federation file; there are ssb, krg, fhi"), "{said}");
    run(["node", "policy", "check"]).with(64);
    run(["node", "status"]).with(64);
}

#[test]
fn a_script_is_rehearsed_under_a_policy_without_asking_anybody() {
    let (home, federation) = (folder(), federation());
    let script = file(home.path(), "script.kob", long());
    let script = script.to_str().expect("a path");
    let asked = ["policy", "explain", script, "--institution", "UiO", "--purpose", "Research"];
    // Another owner's variables are not known here until somebody says what they are.
    let unknown = node(&federation, "ssb", &asked).with(1);
    unknown.shows(&["no.krg.kreft is not this node's"]);
    let catalogue = node(&federation, "krg", &["catalogue"]).with(0).out;
    let catalogue = file(home.path(), "krg.json", catalogue);
    let with = |more: &[&str]| {
        let known = ["--catalogue", catalogue.to_str().expect("a path")];
        node(&federation, "ssb", &[&asked[..], &known, more].concat())
    };
    let shown = with(&[]).with(0).out;
    assert!(shown.contains("population_units_min = 1000") && shown.contains("dealt by fhi"), "{shown}");
    assert!(shown.contains("may be asked here") && !shown.contains("refused"), "{shown}");

    let policy = Policy::of(&federation, "ssb").before.clone();
    let apart = "[[keep_apart]]\nvariables = [\"no.ssb.fdb/*\", \"no.krg.kreft/KRG_STADIUM\"]\n\n[[allow]]";
    let tight = policy
        .replace("[[allow]]", apart)
        .replace("institutions = [\"*\"]", "institutions = [\"UiB\"]")
        .replace("dealers = [\"*\"]", "dealers = [\"krg\"]");
    let tight = file(home.path(), "tight.toml", tight);
    let tight = ["--policy", tight.to_str().expect("a path")];
    let shown = with(&tight).with(2).out;
    for says in [
        "refused by allow: no.ssb.fdb/BEFOLKNING_KJOENN is not open to your institution;",
        "refused by keep_apart: no.ssb.fdb/BEFOLKNING_KJOENN and no.krg.kreft/KRG_STADIUM may not meet",
        "refused by dealers: fhi would have to deal",
    ] {
        assert!(shown.contains(says), "{says}\n{shown}");
    }
    let json = with(&[&tight[..], &["--json"]].concat()).with(2).out;
    let json: Value = serde_json::from_str(&json).expect("JSON");
    let last = json["questions"].as_array().and_then(|questions| questions.last()).expect("questions");
    let codes: Vec<_> =
        last["refusals"].as_array().expect("refusals").iter().map(|one| &one["code"]).collect();
    assert_eq!(codes, ["not-open", "kept-apart", "dealer-not-allowed"]);
}

#[test]
fn an_operator_stops_a_node_in_the_middle_of_a_question_and_lets_it_answer_again() {
    let mut federation = federation();
    let _resumed = Resumed { config: federation.config("krg"), state: federation.state("krg") };
    let script = file(federation.folder(), "stopped.kob", long());
    let mut question = federation.begin(&script);
    let mut events = question.json_lines();
    let begun = events.find(|event| event["event"] == "stage" && event["question"].as_u64() >= Some(2));
    assert!(begun.is_some(), "the script ended too soon: {}", question.errors());
    let stopped = node(&federation, "krg", &["stop", "--reason", "a leak of 5 %"]).with(0);
    assert!(stopped.out.contains("krg is stopped") && stopped.out.contains("the audit log says so"));
    let rest: Vec<Value> = events.collect();
    assert_eq!(question.end(Duration::from_secs(60)).code(), Some(2), "{rest:?}");
    let problem = rest.iter().find(|event| event["event"] == "problem").unwrap_or_else(|| panic!("{rest:?}"));
    assert_eq!((&problem["code"], &problem["party"]), (&"owner-stopped".into(), &"krg".into()), "{problem}");
    assert!(!problem["message"].as_str().expect("a text").contains("leak"), "the reason is the owner's");

    // Again, and over a restart.
    node(&federation, "krg", &["stop", "--reason", "another"]).with(0).shows(&["was stopped already"]);
    federation.kill("krg");
    federation.end_of("krg");
    federation.start("krg");
    let serving = || (status(&federation, "krg")["serving"] == true).then_some(());
    wait_for("krg to serve", Duration::from_secs(60), serving);
    assert_eq!(status(&federation, "krg")["stopped"]["reason"], "a leak of 5 %");
    let short = file(federation.folder(), "beside.kob", SHORT);
    let refused = federation.run(&file(federation.folder(), "again.kob", long()));
    assert!(refused.with(2).err.contains("krg has stopped its node"));
    node(&federation, "krg", &["resume"]).with(0).shows(&["answers again"]);
    node(&federation, "krg", &["resume"]).with(0).shows(&["was not stopped"]);
    federation.start_all();
    federation.run(&short).with(0);
    federation.run(&script).with(0);

    let log = federation.state("krg").join("audit").into_os_string();
    run(["audit".into(), "show".into(), log]).with(0).shows(&[
        "stopped the node: \"a leak of 5 %\"",
        "let the node answer again",
        "put the policy",
    ]);
    federation.logs_fit();
}

#[test]
fn another_policy_is_put_in_force_while_the_node_serves_and_a_broken_one_is_not() {
    let federation = federation();
    let policy = Policy::of(&federation, "ssb");
    let script = file(federation.folder(), "reload.kob", SHORT);
    let in_force = || status(&federation, "ssb")["policy"]["in_force"].clone();
    let before = in_force();
    node(&federation, "ssb", &["policy", "reload"]).with(0).shows(&["in force already"]);

    policy.rewrite("edit_units_min = 15", "edit_units_min = 2");
    let refused = node(&federation, "ssb", &["policy", "reload"]).with(1);
    assert!(
        refused.out.contains("edit_units_min is 2;") && refused.out.contains("from before in force still")
    );
    assert_eq!(in_force(), before);
    federation.run(&script).with(0);

    // By the signal, too; the node's own log says what came of it.
    let process = federation.pid("ssb");
    let said = || federation.log("ssb").matches("the new policy cannot be used").count();
    let told = said();
    signal(process, Signal::HUP);
    wait_for("the node to say so", Duration::from_secs(30), || (said() > told).then_some(()));
    assert!(federation.log("ssb").contains("code=policy-loose"));
    assert_eq!(in_force(), before);

    policy.rewrite("variables = [\"*\"]", "variables = [\"NUDB_BU\"]");
    signal(process, Signal::HUP);
    wait_for("the policy to be in force", Duration::from_secs(30), || (in_force() != before).then_some(()));
    let refused = federation.run(&script).with(2);
    assert!(refused.err.contains("no.ssb.fdb/BEFOLKNING_KJOENN is not open to anybody"), "{}", refused.err);
    let why = "\n  why: each owner decides who may use which of its variables, and for what\n  instead: leave the variable out, or ask the owner to open it\n";
    assert!(refused.err.contains(why), "{}", refused.err);

    policy.restore();
    node(&federation, "ssb", &["policy", "reload"]).with(0).shows(&["its audit log says so"]);
    assert_eq!(in_force(), before);
    federation.run(&script).with(0);
    let records = federation.records("ssb");
    let changes = records.iter().map(|entry| &entry["record"]["event"]);
    let changes: Vec<_> = changes.filter(|event| event["event"] == "policy-in-force").collect();
    let [.., tighter, again] = changes.as_slice() else { panic!("{changes:?}") };
    assert_eq!((&again["policy"], &again["before"]), (&before, &tighter["policy"]));
    assert_eq!(tighter["before"], before);
    federation.logs_fit();
}

/// An entry of ssb's policy that refuses a script, and what people are told of it, after the place.
struct Refused {
    code: &'static str,
    line: &'static str,
    with: &'static str,
    script: &'static str,
    english: &'static str,
    norwegian: &'static str,
}

/// One for each entry that can refuse.
const REFUSED: [Refused; 4] = [
    Refused {
        code: "not-open",
        line: "variables = [\"*\"]",
        with: "variables = [\"NUDB_BU\"]",
        script: "tabulate sex\n",
        english: "[not-open, ssb, step judge] the owner ssb does not allow this question by its policy, allow: no.ssb.fdb/BEFOLKNING_KJOENN is not open \
                  to anybody; leave it out, or ask the owner\n  \
                  why: each owner decides who may use which of its variables, and for what\n  \
                  instead: leave the variable out, or ask the owner to open it\n",
        norwegian: "[not-open] regel allow, åpne variabler: en variabel er ikke åpen for deg til dette formålet\n  \
                    eieren: [not-open, ssb, step judge] the owner ssb does not allow this question by its policy, allow: no.ssb.fdb/BEFOLKNING_KJOENN is \
                    not open to anybody; leave it out, or ask the owner\n  \
                    hvorfor: hver eier bestemmer hvem som kan bruke hvilke av dens variabler, og til hva\n  \
                    i stedet: utelat variabelen, eller be eieren om å åpne den\n",
    },
    Refused {
        code: "kept-apart",
        line: "[[allow]]",
        with: "[[keep_apart]]\nvariables = [\"no.ssb.fdb/BEFOLKNING_KJOENN\", \"no.ssb.fdb/BEFOLKNING_FOEDSELS_AAR_MND\"]\n\n[[allow]]",
        script: "import ssb/BEFOLKNING_FOEDSELS_AAR_MND as born\ngenerate old = born < 195001\ntabulate sex old\n",
        english: "[kept-apart, ssb, step judge] the owner ssb does not allow this question by its policy, keep_apart: no.ssb.fdb/BEFOLKNING_KJOENN and \
                  no.ssb.fdb/BEFOLKNING_FOEDSELS_AAR_MND may not meet in one question; ask about them in questions of their own\n  \
                  why: together these variables would say more of people than the owner allows\n  \
                  instead: ask about them in questions of their own, from datasets that have one of them each\n",
        norwegian: "[kept-apart] regel keep_apart, variabler som holdes fra hverandre: to variabler kan ikke møtes i ett spørsmål\n  \
                    eieren: [kept-apart, ssb, step judge] the owner ssb does not allow this question by its policy, keep_apart: \
                    no.ssb.fdb/BEFOLKNING_KJOENN and no.ssb.fdb/BEFOLKNING_FOEDSELS_AAR_MND may not meet in one question; ask about them in \
                    questions of their own\n  \
                    hvorfor: sammen ville disse variablene si mer om folk enn eieren tillater\n  \
                    i stedet: spør om dem hver for seg, fra datasett som har én av dem hver\n",
    },
    Refused {
        code: "command-not-allowed",
        line: "commands = [\"*\"]",
        with: "commands = [\"require\", \"create-dataset\", \"import\", \"summarize\"]",
        script: "tabulate sex\n",
        english: "[command-not-allowed, ssb, step judge] the owner ssb does not allow this question by its policy, commands: tabulate may not be used with \
                  variables of this owner; do without it, or ask the owner\n  \
                  why: each owner decides what may be done with its variables\n  \
                  instead: do without the command, or ask the owner to allow it\n",
        norwegian: "[command-not-allowed] regel commands, tillatte kommandoer: en kommando kan ikke brukes med denne eierens variabler\n  \
                    eieren: [command-not-allowed, ssb, step judge] the owner ssb does not allow this question by its policy, commands: tabulate may not \
                    be used with variables of this owner; do without it, or ask the owner\n  \
                    hvorfor: hver eier bestemmer hva som kan gjøres med dens variabler\n  \
                    i stedet: klar deg uten kommandoen, eller be eieren om å tillate den\n",
    },
    Refused {
        code: "dealer-not-allowed",
        line: "dealers = [\"*\"]",
        with: "dealers = [\"krg\"]",
        script: "tabulate sex\n",
        english: "[dealer-not-allowed, ssb, step judge] the owner ssb does not allow this question by its policy, dealers: fhi would have to deal in this \
                  question, and the owner does not allow that; use other owners' variables with it\n  \
                  why: each owner decides which parties it relies on in a computation with others\n  \
                  instead: use other owners' variables with this owner's, since who deals follows from whose variables meet\n",
        norwegian: "[dealer-not-allowed] regel dealers, tillatte utdelere: parten som måtte dele ut i dette spørsmålet, har ikke lov til \
                    det\n  \
                    eieren: [dealer-not-allowed, ssb, step judge] the owner ssb does not allow this question by its policy, dealers: fhi would have to \
                    deal in this question, and the owner does not allow that; use other owners' variables with it\n  \
                    hvorfor: hver eier bestemmer hvilke parter den stoler på i en beregning med andre\n  \
                    i stedet: bruk andre eieres variabler sammen med denne eierens, for hvem som deler ut, følger av hvis variabler som møtes\n",
    },
];

#[test]
fn each_refusal_of_a_policy_says_which_entry_why_and_what_to_write_instead_in_both_languages() {
    let federation = federation();
    let policy = Policy::of(&federation, "ssb");
    let reload = || node(&federation, "ssb", &["policy", "reload"]).with(0);
    for Refused { code, line, with, script, english, norwegian } in REFUSED {
        let text = format!(
            "require no.ssb.fdb:1 as ssb\ncreate-dataset d\nimport ssb/BEFOLKNING_KJOENN as sex\n{script}"
        );
        let script = file(federation.folder(), "refused.kob", text);
        policy.rewrite(line, with);
        reload();
        // Judged before anything is asserted, so that a wrong text leaves the policy as it was.
        let english_run = federation.run(&script);
        let mut command = kobling();
        command.arg("run").arg(&script).arg("--platform").arg(federation.platform()).args(["--lang", "nb"]);
        let norwegian_run = Ended::from(command.output().expect("the program runs"));
        let mut run = federation.begin(&script);
        let events: Vec<Value> = run.json_lines().collect();
        policy.restore();
        reload();
        for (run, told) in [(english_run, english), (norwegian_run, norwegian)] {
            let run = run.with(2);
            assert!(run.out.is_empty() && run.err.ends_with(told), "{code}: no {told:?} in\n{}", run.err);
        }
        let problem = events.iter().find(|event| event["event"] == "problem").expect("a problem");
        assert_eq!((&problem["code"], &problem["party"]), (&code.into(), &"ssb".into()), "{problem}");
        for key in ["why", "instead"] {
            let text = problem[key].as_str().expect("a text");
            assert!(english.contains(text), "{code}, {key}: {text}");
        }
    }
    let answered = file(federation.folder(), "answered.kob", SHORT);
    federation.run(&answered).with(0);
    federation.logs_fit();
}
