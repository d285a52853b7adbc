//! The shell, as people and programs use it: over a pipe, under signals, and at a terminal.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use rexpect::session::{PtySession, spawn_command};
use rustix::process::Signal;

use crate::federation::{Federation, federation};
use crate::program::{Ended, Running, background, file, folder, signal, start, wait_for};

/// What most sessions begin with.
const BEGIN: &str = "\
require no.ssb.fdb:1 as ssb
create-dataset d
import ssb/BEFOLKNING_KJOENN as sex
";

fn command(federation: &Federation) -> Command {
    let mut command = background();
    command.arg("shell").arg("--platform").arg(federation.platform());
    command
}

/// Types lines into a pipe and waits for the end.
fn shell(federation: &Federation, lines: &str) -> Ended {
    let mut command = command(federation);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    child.stdin.take().expect("a pipe").write_all(lines.as_bytes()).expect("typed");
    child.wait_with_output().expect("the program ends").into()
}

/// How many tables and populations the broker's log says were asked for, and in how many sessions.
fn asked(federation: &Federation, from: usize) -> (usize, usize) {
    let records = federation.records("broker");
    let events: Vec<_> = records[from..].iter().map(|entry| &entry["record"]["event"]).collect();
    let openings = events.iter().filter(|event| event["event"] == "opening").count();
    let released = events.iter().filter(|event| event["outcome"]["outcome"] == "released").count();
    (openings, released)
}

#[test]
fn datasets_are_kept_over_statistics_and_a_fault_leaves_them_as_they_were() {
    let federation = federation();
    let before = federation.records("broker").len();
    let lines = format!(
        "{BEGIN}tabulate sex
generate woman = sexx == \"2\"
generate woman = sex == \"2\"
# a remark

for v in woman sex
  tabulate $v
end
use nowhere
summarize woman
drop if sex == \"3\"
tabulate woman
tabulate sex if woman == 1
list-labels ssb/BEFOLKNING_KJOENN
history
help generate
help-function substr
variables ssb/BEFOLKNING_KJOENN
configure language nb
tabulate ukjent
"
    );
    let ended = shell(&federation, &lines).with(1);
    for (line, text) in [
        (4, "tabulate sex"),
        (8, "tabulate woman"),
        (8, "tabulate sex"),
        (10, "summarize woman"),
        (12, "tabulate woman"),
        (13, "tabulate sex if woman == 1"),
    ] {
        let heading = format!("Line {line}: {text}\n");
        assert_eq!(ended.out.matches(&heading).count(), 1, "{heading}\n{}\n{}", ended.out, ended.err);
    }
    // Faults, each with its line of the session and what to write instead.
    let faults =
        ["shell:5:18", "unknown-name", "sex", "shell:10:5", "unknown-dataset", "shell:15:10", "Feil"];
    for said in faults {
        assert!(ended.err.contains(said), "no {said:?} in\n{}", ended.err);
    }
    // Judged with the next statistic, and told once though it is met again.
    let warning = "kobling: shell: line 11: warning: [edit-not-carried-out]";
    assert_eq!(ended.err.matches(warning).count(), 1, "{}", ended.err);
    for said in [
        "   8    tabulate $v",
        "Line 14: list-labels ssb/BEFOLKNING_KJOENN\n",
        "substr(s, position, length)",
        "BEFOLKNING_KJOENN",
        "Kvinne",
    ] {
        assert!(ended.out.contains(said), "no {said:?} in\n{}", ended.out);
    }
    assert!(!ended.out.contains('\u{1b}') && !ended.err.contains('\u{1b}') && !ended.out.contains("1> "));
    // No table was asked for twice: five inputs with statistics bring one population each, and two an edit.
    assert_eq!(asked(&federation, before), (6 + 5 + 2, 6));
    federation.logs_fit();
}

#[test]
fn what_a_rule_refuses_can_be_taken_back() {
    let federation = federation();
    let lines = format!(
        "{BEGIN}import ssb/BEFOLKNING_FOEDSELS_AAR_MND as born
keep if born == 197001
tabulate sex
undo
tabulate sex
undo
undo
undo
undo
undo
undo
"
    );
    let ended = shell(&federation, &lines).with(1);
    assert!(ended.err.contains("kobling: shell: line 5: [population-floor]"), "{}", ended.err);
    assert!(ended.err.contains("line 5 is in the session's script"), "{}", ended.err);
    assert!(ended.err.contains("taken back: keep if born == 197001"), "{}", ended.err);
    assert!(ended.out.starts_with("Line 5: tabulate sex\n"), "{}", ended.out);
    assert!(ended.err.ends_with("there is nothing to take back\n"), "{}", ended.err);
}

#[test]
fn the_shell_shows_what_was_applied_below_each_table_and_refuses_in_full_in_the_language_that_it_speaks() {
    let federation = federation();
    let lines = format!(
        "{BEGIN}tabulate sex
configure language nb
import ssb/INNTEKT_WLONN 2021-06-30 as wage
tabulate sex, summarize(wage)
import ssb/BEFOLKNING_FOEDSELS_AAR_MND as born
keep if born == 197001
tabulate sex
configure language en
tabulate sex
"
    );
    let ended = shell(&federation, &lines).with(1);
    // The numbers are those of policies as `init` writes them, and both categories have thousands of people.
    let below = [
        "Rules: 1 population of at least 1 000; 3 noise of at most 5, variance 3; 4 counts of 1 to 4 hidden; 5 at most 50 % of cells \
         hidden.\nHidden: 0 of 2 cells, 0 of 1 margins.\n",
        "Regler: 1 populasjon på minst 1 000; 2 laveste og høyeste 1 % winsorisert; 3 støy på høyst 5, varians 3; 4 antall fra 1 til 4 \
         skjult; 5 høyst 50 % av cellene skjult; 7 statistikk over minst 15; 10 de to største høyst 90 %, de andre minst 10 % av den \
         største.\nSkjult: 0 av 2 celler, 0 av 1 marginer; av regel 7 og 10 statistikk for 0 celler til, 0 marginer til.\n",
    ];
    for said in below {
        assert_eq!(ended.out.matches(said).count(), 1, "{said:?} in\n{}\n{}", ended.out, ended.err);
    }
    let refused = [
        "kobling: shell: line 8: [population-floor] regel 1, minste populasjon: populasjonen er for liten\n  \
         hvorfor: tabeller over en liten gruppe ville si mye om hver person i den\n  \
         i stedet: utvid betingelsen i `keep` eller `drop`, importer en større populasjon først, eller sett betingelsen på tabellen: \
         `tabulate … if …`\n\
         kobling: linje 8 står i øktens skript, så senere spørsmål vil møte det samme; `undo` eller `edit` tar den ut\n",
        "kobling: shell: line 8: [population-floor] rule 1, population floor: the population is too small\n  \
         why: tables of a small group would say much of each person in it\n  \
         instead: widen the condition of `keep` or `drop`, import a larger population first, or put the condition to the table: \
         `tabulate … if …`\n\
         kobling: line 8 is in the session's script, so later questions will meet this too; `undo` or `edit` takes it out\n",
    ];
    for said in refused {
        assert_eq!(ended.err.matches(said).count(), 1, "{said:?} in\n{}\n{}", ended.err, ended.out);
    }
    federation.logs_fit();
}

#[test]
fn a_session_is_saved_run_edited_and_loaded_again() {
    let federation = federation();
    let home = folder();
    let foreign = file(home.path(), "foreign.kob", "mine");
    let saved = home.path().join("saved.kob");
    let (foreign, path) = (foreign.display(), saved.display());
    let first = shell(
        &federation,
        &format!(
            "{BEGIN}tabulate sex\nsave '{foreign}'\nsave\nsave '{path}'\ntabulate sex, freq colpct\nsave\n"
        ),
    )
    .with(1);
    assert!(
        first.err.contains("is not this session's") && first.err.contains("name the file"),
        "{}",
        first.err
    );
    assert_eq!(fs::read_to_string(home.path().join("foreign.kob")).expect("there"), "mine");
    let text = fs::read_to_string(&saved).expect("saved");
    assert_eq!(text, format!("{BEGIN}tabulate sex\ntabulate sex, freq colpct\n"));
    assert_eq!(saved.metadata().expect("there").permissions().mode() & 0o777, 0o600);

    let run = federation.run(&saved).with(0);
    assert_eq!(run.out, first.out, "the same questions have the same answers");

    // `edit` has the statement about women first fail, then mended.
    let edits = "sed -i -e 's/tabulate sex$/generate woman = sexx == \"2\"/' -e 's/sexx =/sex =/'";
    let mut command = command(&federation);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.env_remove("VISUAL").env("EDITOR", edits);
    let mut child = command.spawn().expect("the program starts");
    let lines = format!(
        "load '{path}'\nedit\ntabulate woman\nclear\nhistory\ntabulate woman\nload '/nowhere'\nexit\nedit\n"
    );
    child.stdin.take().expect("a pipe").write_all(lines.as_bytes()).expect("typed");
    let second = Ended::from(child.wait_with_output().expect("the program ends")).with(1);
    assert!(second.out.starts_with(&first.out), "{}", second.out);
    assert!(second.out[first.out.len()..].starts_with("Line 6: tabulate woman\n"), "{}", second.out);
    for said in ["no-dataset", "/nowhere cannot be read"] {
        assert!(second.err.contains(said), "no {said:?} in\n{}", second.err);
    }
}

/// A shell that is typed into while it runs.
fn typed(federation: &Federation) -> (Running, std::process::ChildStdin) {
    let mut command = command(federation);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = start(command);
    let stdin = running.input();
    (running, stdin)
}

#[test]
fn an_interruption_cancels_the_question_and_the_shell_goes_on() {
    let federation = federation();
    let before = federation.records("broker").len();
    let (mut shell, mut stdin) = typed(&federation);
    let lines = format!(
        "require no.krg.kreft:1 as krg\n{BEGIN}import krg/KRG_STADIUM as stage
recode stage (nonmissing = \"yes\" Cancer) (missing = \"no\" None)
for i in 1 : 40
tabulate sex stage
end
"
    );
    stdin.write_all(lines.as_bytes()).expect("typed");
    wait_for("the question to run", Duration::from_secs(60), || {
        (asked(&federation, before).0 > 3).then_some(())
    });
    signal(shell.pid(), Signal::INT);
    // The same dataset, in the same shell.
    stdin.write_all(b"summarize sex\ntabulate sex\nhistory\n").expect("typed");
    drop(stdin);
    let (out, err) = shell.said();
    assert_eq!(shell.end(Duration::from_secs(30)).code(), Some(1), "{err}");
    assert!(err.contains("interrupted; the question was cancelled"), "{err}");
    assert!(out.contains("Line 7: tabulate sex\n"), "{out}\n{err}");
    // Neither the loop nor what was wrong is part of the script.
    assert!(out.ends_with("   7  tabulate sex\n"), "{out}");
    federation.logs_fit();
}

#[test]
fn a_request_to_end_leaves_in_order() {
    let federation = federation();
    let (mut shell, mut stdin) = typed(&federation);
    stdin.write_all(format!("{BEGIN}history\n").as_bytes()).expect("typed");
    shell.line("   3  import");
    signal(shell.pid(), Signal::TERM);
    assert_eq!(shell.end(Duration::from_secs(20)).code(), Some(143));
}

fn type_in(shell: &mut PtySession, keys: &str) {
    shell.send(keys).and_then(|_| shell.flush()).expect("typed");
}

#[test]
fn at_a_terminal_tab_completes_and_what_was_typed_is_remembered() {
    let federation = federation();
    let home = folder();
    let history = home.path().join("state/history");
    let terminal = || {
        let mut command = command(&federation);
        command.arg("--history").arg(&history).env("TERM", "xterm").env_remove("NO_COLOR");
        command.stdin(Stdio::inherit());
        spawn_command(command, Some(60_000)).expect("a terminal")
    };
    let mut shell = terminal();
    shell.exp_string("1> ").expect("a prompt");
    type_in(&mut shell, "require no.ssb\t as ssb\r");
    shell.exp_string("no.ssb.fdb:1").expect("the datastore is completed");
    shell.exp_string("2> ").expect("a prompt");
    type_in(&mut shell, "creat\t d\r");
    shell.exp_string("3> ").expect("a prompt");
    type_in(&mut shell, "import ssb/KJOENN\t as sex\r");
    shell.exp_string("ssb/BEFOLKNING_KJOENN").expect("the variable is found by a part of its name");
    shell.exp_string("4> ").expect("a prompt");
    // Ctrl-C empties the line.
    type_in(&mut shell, "tabulate nothing\u{3}");
    shell.exp_string("4> ").expect("the same prompt");
    type_in(&mut shell, "tabul\t\t");
    shell.exp_string("tabulate-panel").expect("several are listed");
    type_in(&mut shell, " s\t\r");
    shell.exp_string("Line 4: tabulate sex").expect("a table");
    shell.exp_string("5> ").expect("a prompt");
    type_in(&mut shell, "\u{4}");
    shell.exp_eof().expect("it leaves");

    assert_eq!(history.metadata().expect("there").permissions().mode() & 0o777, 0o600);
    let mut shell = terminal();
    shell.exp_string("1> ").expect("a prompt");
    // The fourth from the end is the first.
    type_in(&mut shell, "\u{1b}[A\u{1b}[A\u{1b}[A\u{1b}[A\r");
    shell.exp_string("2> ").expect("a prompt");
    type_in(&mut shell, "history\r");
    shell.exp_string("   1  require no.ssb.fdb:1 as ssb").expect("what was typed before");
    // Before the prompt the terminal itself would take the end of the input.
    shell.exp_string("2> ").expect("the same prompt");
    type_in(&mut shell, "\u{4}");
    shell.exp_eof().expect("it leaves");
}
