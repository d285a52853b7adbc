//! Rule 6: edits that touch, or leave out, very few units are not carried out, and nobody learns how few.

use kobling_broker::roster::{ComputeEvent, JobRevision};
use kobling_model::plan::{Plan, QuestionKind};
use kobling_model::record::{Event, Outcome};
use kobling_model::rules::Warning;
use kobling_model::{AttemptId, SessionId};
use kobling_proto::platform::v1::JobState;
use kobling_proto::platform::v1::watch_job_response::Event as JobEvent;
use kobling_tests::registers::{Mix, standard};
use kobling_tests::world::{JobResult, World};

use super::script;
use kobling_tests::rogue::{Offered, Rogue, code_of, fresh};

/// A register with groups of three, named r1 and so on, of which r4, r5 and r6 are nobody's.
fn world(seed: u64) -> World {
    let mut owners = standard(Mix::of(seed));
    for row in &mut owners[0].dataset("SJELDEN").rows {
        if ["r4", "r5", "r6"].contains(&row[1].as_str()) {
            "nei".clone_into(&mut row[1]);
        }
    }
    World::of(owners).found()
}

const IMPORTS: &str = "\
import ssb/KJOENN as k
import ssb/SJELDEN as g
import ssb/LONN 2020-06-30 as l
import krg/STADIUM as t
import krg/STED as s
";

/// Lines of the edits that were not carried out. The system and the reference agree on them, and on all tables.
fn check(world: &World, rest: &str) -> (JobResult, Vec<u32>) {
    let result = world.check(&script(world, &format!("{IMPORTS}{rest}")));
    let lines = result.job.warnings.iter().map(|warning| warning.line).collect();
    (result, lines)
}

/// The line of the first statement after the imports.
const FIRST: u32 = 10;

#[test]
fn an_edit_of_three_or_nobody_or_of_all_but_three_is_not_carried_out_and_one_of_five_hundred_is() {
    let world = world(71);
    // Over ssb's columns, and over ssb's and krg's, who has nobody of stage 9.
    for (three, nobody) in
        [("g == \"r1\"", "g == \"r4\""), ("(g == \"r1\" | t == 9)", "(g == \"r4\" | t == 9)")]
    {
        let many = three.replace("g == \"r1\"", "l < 200000");
        for (edit, shows) in [
            ("replace k = \"2\" if", "tabulate k"),
            ("generate n = 1 if", "tabulate n k, missing"),
            ("recode t (missing 1 = 7) if", "tabulate t, missing"),
        ] {
            let few = [three.to_owned(), nobody.to_owned(), format!("!({three})"), format!("!({nobody})")];
            for condition in &few {
                let (result, lines) = check(&world, &format!("{edit} {condition}\n{shows}"));
                let rules = edit.starts_with("recode") && condition.starts_with('!');
                // Of a recode those without the values that it names are left out too.
                let expected: &[u32] = if rules { &[] } else { &[FIRST] };
                assert_eq!(
                    (result.state(), lines.as_slice()),
                    (JobState::Done, expected),
                    "{edit} {condition}"
                );
            }
            let (_, lines) = check(&world, &format!("{edit} {many}\n{shows}"));
            assert!(lines.is_empty(), "{edit} {many}");
        }
        for condition in [three, nobody] {
            // Those who go are few, whoever is kept or dropped.
            for edit in ["drop if C", "keep if !(C)"] {
                let (_, lines) = check(&world, &format!("{}\ntabulate k", edit.replace('C', condition)));
                assert_eq!(lines, [FIRST], "{edit} {condition}");
            }
            // Where they would be all that is left, rule 1 refuses.
            for edit in ["keep if C", "drop if !(C)"] {
                let edit = edit.replace('C', condition);
                let (result, lines) = check(&world, &format!("tabulate k\n{edit}\ntabulate k"));
                assert_eq!(
                    (result.problem().code.as_str(), result.job.line),
                    ("population-floor", FIRST + 1)
                );
                assert_eq!((result.tables.len(), lines), (1, Vec::new()));
            }
        }
        let (_, lines) = check(&world, &format!("drop if {many}\ntabulate k s"));
        assert!(lines.is_empty());
    }
}

/// Everything of a job that a researcher sees beside its tables and names.
fn seen(result: &JobResult) -> Vec<String> {
    let event = |event: &JobEvent| match event {
        JobEvent::Stage(stage) => format!("{} {} {}", stage.question, stage.party, stage.name),
        other => format!("{other:?}"),
    };
    let events = result.events.iter().map(|message| event(message.event.as_ref().expect("an event")));
    let mut events: Vec<String> = events.collect();
    // Two workers report at the same time.
    events.sort();
    events.push(format!("{:?} {} {:?}", result.state(), result.job.line, result.job.warnings));
    events
}

#[test]
fn nobody_can_tell_an_edit_of_nobody_from_one_of_nine() {
    let world = world(72);
    for edit in [
        "drop if G",
        "replace l = 0 if G",
        "generate n = 1 if G",
        "drop if G | t == 9",
        "generate n = 1 if G & t > 0",
    ] {
        let ask = |groups: &str| {
            // Tables are not cached and columns that travel once would be: every script has a session of its own.
            world.new_session();
            world.tap.forget();
            let (result, lines) = check(&world, &format!("{}\ntabulate k s", edit.replace('G', groups)));
            assert_eq!(lines, [FIRST], "{edit}");
            let mut frames: Vec<_> = (world.tap.messages().into_iter())
                .map(|message| {
                    let header = message.frame.header.expect("a header");
                    let link = (message.from, message.to, header.step);
                    (link, header.index, header.shape, message.frame.body.len())
                })
                .collect();
            frames.sort();
            (result.bytes(), seen(&result), frames)
        };
        let nine = ask("inlist(g, \"r1\", \"r2\", \"r3\")");
        let nobody = ask("inlist(g, \"r4\", \"r5\", \"r6\")");
        assert_eq!(nine.0, nobody.0, "{edit}: tables");
        assert_eq!(nine.1, nobody.1, "{edit}: what is told");
        assert!(nine.2 == nobody.2, "{edit}: what passes between nodes");
    }
}

#[test]
fn the_warning_says_which_rule_and_what_to_write_and_the_records_name_it() {
    let world = world(73);
    let (result, lines) = check(&world, "drop if g == \"r1\"\ntabulate k");
    assert_eq!((result.state(), lines), (JobState::Done, vec![FIRST]));
    let [warning] = &result.job.warnings[..] else { panic!("one warning") };
    assert_eq!(warning.code, "edit-not-carried-out");
    assert_eq!(warning.message, Warning::EditNotCarriedOut.to_string());
    assert!(warning.message.contains("rule 6") && warning.message.contains("write "));
    let told = |event: &JobEvent| matches!(event, JobEvent::Warning(told) if told == warning);
    assert!(result.events.iter().any(|message| message.event.as_ref().is_some_and(told)), "as it happens");
    let (logs, findings) = world.reconciled();
    assert!(findings.is_empty(), "{findings:?}");
    let named = Outcome::NotCarriedOut { rule: Warning::EditNotCarriedOut };
    // At the broker and at both workers.
    let names = |event: &Event| matches!(event, Event::Outcome { outcome, .. } if *outcome == named);
    let recorded = logs.values().filter(|log| log.entries().iter().any(|entry| names(&entry.record.event)));
    assert_eq!(recorded.count(), 3);
}

#[test]
fn a_script_goes_on_from_each_edit_with_what_was_carried_out() {
    let world = world(74);
    // The first is not carried out, so the second touches everybody in r1 of stage 1 to 4, which are few.
    let chain = "\
generate n = 1 if g == \"r1\"
replace n = 2 if n == 1
replace n = 3 if l > 400000
drop if n == 1 & t > 0
keep if n == 3 | sysmiss(n)
recode n (3 = 4)
tabulate n k
tabulate n t, missing
summarize l";
    let (result, lines) = check(&world, chain);
    assert_eq!((result.state(), lines), (JobState::Done, vec![FIRST, FIRST + 1, FIRST + 3, FIRST + 4]));
    assert_eq!(result.tables.len(), 3);
    // What is left is what a script without those edits has.
    let plain = "\
generate n = 1 if 1 == 2
replace n = 2 if 1 == 2
replace n = 3 if l > 400000
recode n (3 = 4)
tabulate n k
tabulate n t, missing
summarize l";
    let (without, lines) = check(&world, plain);
    assert!(lines.is_empty());
    for (table, other) in result.tables.iter().zip(&without.tables) {
        assert_eq!(table.cells, other.cells);
        assert_eq!(table.summary, other.summary);
    }
}

#[test]
fn thirty_edits_over_one_owner_and_two_equal_the_reference() {
    let world = world(75);
    let mut edits = String::from("generate n = 0\n");
    for edit in 0..30 {
        let condition =
            ["l > 30000", "t >= 2", "g == \"r1\"", "g != \"r2\" & t == 3", "k == \"2\" | t == 1"][edit % 5];
        edits.push_str(&match edit % 3 {
            0 => format!("replace n = {edit} if {condition}\n"),
            1 => format!("generate m{edit} = n + {edit} if {condition}\n"),
            _ => format!("recode t (1 = {edit}), generate(r{edit})\nreplace r{edit} = 0 if {condition}\n"),
        });
    }
    edits.push_str(
        "drop if g == \"r1\" | t == 9\nkeep if l < 880000\ntabulate k s\ntabulate n t, missing\nsummarize l",
    );
    let (result, lines) = check(&world, &edits);
    assert_eq!(result.state(), JobState::Done);
    assert!(lines.len() >= 6 && result.tables.len() == 3, "{lines:?}");
}

/// Question 1 of the script is about an edit that is not carried out, question 2 about one that is.
fn offered(world: &World, rogue: &Rogue<'_>) -> (Offered, impl Fn(&[bool]) -> Plan) {
    let text = script(world, &format!("{IMPORTS}drop if g == \"r1\"\ndrop if l > 700000\ntabulate k s"));
    let offered = rogue.offer(&text);
    let kinds: Vec<bool> =
        offered.plan.questions.iter().map(|asked| matches!(asked.kind, QuestionKind::Edit(_))).collect();
    assert_eq!(kinds, [false, true, true, false]);
    let catalogue = world.catalogue();
    (offered, move |edits| kobling_script::plan_after(&text, &catalogue, edits).expect("two edits"))
}

#[test]
fn a_broker_cannot_make_of_an_edit_what_its_workers_have_not_seen() {
    let world = world(76);
    let rogue = Rogue::open(&world, SessionId(fresh()));
    let (mut offered, plan) = offered(&world, &rogue);
    let ssb = world.as_broker("ssb");
    let revise = |edits: &[bool], plan: &Plan| {
        let revision = JobRevision {
            session: rogue.session,
            job: offered.job,
            edits: edits.to_vec(),
            plan: plan.hash(),
        };
        world.wait(ssb.revise(&revision))
    };
    let ended = |order| code_of(&world.wait(kobling_tests::rogue::work(&*ssb, &order)));
    let ask = |question| rogue.ask(&offered, AttemptId(fresh()), question);
    assert!(ask(0).iter().all(|ended| matches!(ended, Ok(ComputeEvent::Passed))));
    // Before it has been asked about, it may be said to have ended so, but nothing goes on from there.
    revise(&[false], &plan(&[false])).expect("not known yet");
    assert_eq!(ended(rogue.order(&offered, AttemptId(fresh()), 2)), "broken-protocol");
    revise(&[], &plan(&[])).expect("back to the first plan");
    assert!(ask(1).iter().all(|ended| matches!(ended, Ok(ComputeEvent::NotCarriedOut))));
    // Not as another plan's, not for another job, not as carried out, and not more than there are.
    assert!(revise(&[false], &plan(&[true])).is_err());
    assert!(revise(&[true], &plan(&[true])).is_err());
    assert!(revise(&[true, false], &plan(&[true, false])).is_err());
    assert!(revise(&[false, true, true], &plan(&[false])).is_err());
    let other = JobRevision {
        session: rogue.session,
        job: kobling_model::JobId(fresh()),
        edits: vec![false],
        plan: plan(&[false]).hash(),
    };
    assert!(world.wait(ssb.revise(&other)).is_err());
    // The next edit is carried out, and cannot be said not to be.
    offered.plan = plan(&[false]);
    let krg = world.as_broker("krg");
    let fhi = world.as_broker("fhi");
    let honest = JobRevision { job: offered.job, ..other };
    for node in [&ssb, &krg, &fhi] {
        world.wait(node.revise(&honest)).expect("derived alike");
    }
    let ask = |question| rogue.ask(&offered, AttemptId(fresh()), question);
    assert!(ask(2).iter().all(|ended| matches!(ended, Ok(ComputeEvent::Passed))));
    let lie = JobRevision { edits: vec![false; 2], plan: plan(&[false; 2]).hash(), ..honest };
    assert!(world.wait(ssb.revise(&lie)).is_err());
    assert!(ask(3).iter().all(|ended| matches!(ended, Ok(ComputeEvent::Ready { .. }))));
}
