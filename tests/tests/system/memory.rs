//! Rule 13: a population that differs from an earlier one by very few units is answered as the earlier one.

use std::time::{Duration, Instant};
use std::{fmt, fs};

use kobling_audit::verify;
use kobling_model::plan::Release;
use kobling_model::record::{Event, Outcome};
use kobling_model::table::{Cell, Summary, Table};
use kobling_model::{DatastoreId, UnitType};
use kobling_node::{StartOptions, operate};
use kobling_proto::platform::v1::JobState;
use kobling_tests::reference::{self, Memory, Registers};
use kobling_tests::registers::{Mix, Owner, standard};
use kobling_tests::world::{World, expect, id};

use super::script;

const NODES: [&str; 3] = ["ssb", "krg", "fhi"];

/// Registers in which one man whom krg has too is alone in group r1, and twenty men are in r2.
fn owners() -> Vec<Owner> {
    // Places of fewer than 1000, so that of twenty people some five in each are no population.
    let mut owners = standard(Mix { people: 2400, ..Mix::of(131) });
    let mut of_krg: Vec<String> = owners[1].dataset("STED").rows.iter().map(|row| row[0].clone()).collect();
    of_krg.sort();
    let men = owners[0].dataset("KJOENN").rows.iter().filter(|row| row[1] == "1");
    let men: Vec<String> = men.map(|row| row[0].clone()).collect();
    let victim =
        men.iter().find(|man| of_krg.binary_search(man).is_ok()).expect("a man whom krg has").clone();
    let twenty: Vec<&String> = men.iter().filter(|man| **man != victim).take(20).collect();
    for row in &mut owners[0].dataset("SJELDEN").rows {
        let group = match &row[0] {
            person if *person == victim => "r1",
            person if twenty.contains(&person) => "r2",
            _ => "nei",
        };
        group.clone_into(&mut row[1]);
    }
    owners
}

const IMPORTS: &str = "\
import ssb/KJOENN as k
import ssb/SJELDEN as g
import ssb/BOSTED 2020-01-01 as b
import ssb/LONN 2021-05-01 as l
import krg/STED as s
";

/// What is shown of a table, whatever line and words it stands in.
fn shown(tables: &[Table]) -> Vec<(Vec<Cell>, Option<Summary>)> {
    tables.iter().map(|table| (table.cells.clone(), table.summary.clone())).collect()
}

/// How many sets each node remembers.
fn sets(world: &World) -> Vec<usize> {
    NODES.map(|name| world.node(name).node.memory.sets()).to_vec()
}

/// What a script comes to where nobody remembers anything.
fn as_it_is(world: &World, registers: &Registers, script: &str) -> Vec<Table> {
    let (keys, rules) = (world.keys(), world.strictest_rules());
    let answer = |plan: &_| reference::answer(plan, registers, &keys, &rules, &mut Memory::default());
    expect(script, &world.catalogue(), answer).tables
}

/// Questions with everybody, with all but the victim, and with all but twenty: by a condition, a kept dataset, a column, over two
/// owners, and with a sum.
fn ways(world: &World) -> Vec<[String; 3]> {
    let men = ["k == \"1\"", "k == \"1\" & g != \"r1\"", "k == \"1\" & g != \"r2\""];
    let ways = [
        men.map(|men| format!("tabulate b if {men}")),
        men.map(|men| format!("keep if {men}\ntabulate b, missing")),
        men.map(|men| format!("generate x = {men}\ntabulate x")),
        men.map(|men| format!("tabulate b s if {men}")),
        men.map(|men| format!("tabulate b, summarize(l) mean\ntabulate b if {men}, summarize(l) mean sum")),
    ];
    ways.map(|way| way.map(|rest| script(world, &format!("{IMPORTS}{rest}")))).to_vec()
}

#[test]
fn attack_5_without_one_known_person_is_the_same_table_whoever_asks_in_whatever_words_and_after_restarts() {
    let mut world = World::of(owners()).found();
    let scripts = ways(&world);
    let mut answers = Vec::new();
    for [everybody, without, _] in &scripts {
        let first = world.check(everybody);
        let before = sets(&world);
        let second = world.check(without);
        assert_eq!(shown(&first.tables), shown(&second.tables), "{without}");
        assert_eq!(sets(&world), before, "nothing new is remembered of {without}");
        answers.push(shown(&first.tables));
    }
    // Another researcher of another institution; and again after everybody was restarted.
    let other = ["Ola Nordmann", "Another university", "Something else"];
    for restart in [false, true] {
        if restart {
            NODES.iter().for_each(|name| world.restart_node(name));
            world.restart_broker();
        }
        let before = sets(&world);
        assert!(before.iter().take(2).all(|sets| *sets > 0), "{before:?}");
        let session = world.open_session_as(other).expect("a session");
        for ([everybody, without, _], answer) in scripts.iter().zip(&answers) {
            for text in [without, everybody] {
                let ran = world.run_in_as(other, &session, text);
                assert_eq!((ran.state(), &shown(&ran.tables)), (JobState::Done, answer), "{text}");
            }
        }
        assert_eq!(sets(&world), before, "all of it was remembered");
    }
}

#[test]
fn a_difference_of_twenty_people_is_answered_for_what_it_is() {
    let world = World::of(owners()).found();
    let registers = world.registers();
    for (at, [everybody, _, without_twenty]) in ways(&world).into_iter().enumerate() {
        world.check(&everybody);
        let before = sets(&world);
        let ran = world.check(&without_twenty);
        assert_eq!(shown(&ran.tables), shown(&as_it_is(&world, &registers, &without_twenty)));
        // Later ways have sets of earlier ones.
        assert!(at > 0 || sets(&world)[0] > before[0], "{without_twenty}");
    }
}

/// What an act on a stopped node comes to, once no thread of it holds its log any more.
fn once_free<T, E: fmt::Debug>(act: impl Fn() -> Result<T, E>) -> Result<T, E> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match act() {
            Err(error) if Instant::now() < deadline && format!("{error:?}").contains("InUse") => {
                std::thread::sleep(Duration::from_millis(20));
            }
            ended => return ended,
        }
    }
}

#[test]
fn a_new_version_of_a_register_is_answered_about_the_new_version() {
    let mut world = World::of(owners()).found();
    let [everybody, ..] = ways(&world).swap_remove(0);
    world.check(&everybody);
    // In the next version the man of r1 is no man.
    let mut owners = owners();
    let of_r1 = |row: &&[String; 4]| row[1] == "r1";
    let victim = owners[0].dataset("SJELDEN").rows.iter().find(of_r1).expect("one")[0].clone();
    let sexes = owners[0].dataset("KJOENN").rows.iter_mut();
    sexes.filter(|row| row[0] == victim).for_each(|row| "2".clone_into(&mut row[1]));
    let folder = tempfile::tempdir().expect("a folder");
    owners[0].write(folder.path());
    world.stop_node("ssb");
    let datastore = DatastoreId::new("no.ssb.fdb").expect("a datastore");
    let version = "2.0.0".parse().expect("a version");
    let release = Release { datastore: datastore.clone(), version, owner: id("ssb") };
    once_free(|| {
        world.operate("ssb", |config, state| operate::import(config, state, folder.path(), &release))
    })
    .expect("imported");
    world.start_stopped("ssb");
    let text = everybody.replace("no.ssb.fdb:1", "no.ssb.fdb:2");
    let mut registers = world.registers();
    registers.remove(&datastore);
    registers.add(&datastore, folder.path());
    let session =
        world.open_session_over(World::ASKER, &["no.ssb.fdb:2", "no.krg.kreft:1", "no.fhi.helse:1"]);
    let session = session.expect("a session");
    let before = sets(&world);
    let ran = world.run_in(&session, &text);
    assert_eq!(ran.state(), JobState::Done, "{:?}", ran.job);
    assert_eq!(shown(&ran.tables), shown(&as_it_is(&world, &registers, &text)));
    assert!(sets(&world)[0] > before[0]);
}

#[test]
fn a_memory_that_is_damaged_stops_the_start_and_a_record_that_a_crash_cut_off_does_not() {
    let mut world = World::of(owners()).found();
    let [everybody, without, _] = ways(&world).swap_remove(0);
    let answer = shown(&world.check(&everybody).tables);
    let remembered = sets(&world);
    world.stop_node("ssb");
    let file = world.state_folder("ssb").join("memory").join(format!("{}.sets", UnitType::Person));
    let whole = fs::read(&file).expect("the memory");
    let mut damaged = whole.clone();
    damaged[100] ^= 1;
    fs::write(&file, &damaged).expect("written");
    let start = |world: &World| {
        let (config, state) = world.operate("ssb", |config, state| (config.clone(), state.clone()));
        once_free(|| world.wait(kobling_node::start(config.clone(), state.clone(), StartOptions::default())))
    };
    let refused = start(&world).err().expect("a damaged memory").to_string();
    assert!(refused.starts_with("the memory of earlier questions: "), "{refused}");
    assert!(refused.ends_with("PERSON.sets is damaged, or sealed with another key"), "{refused}");
    // A crash in the middle of a write leaves what was written before.
    fs::write(&file, [&whole[..], &whole[..1000]].concat()).expect("written");
    world.start_stopped("ssb");
    assert_eq!(sets(&world), remembered);
    assert_eq!(fs::read(&file).expect("the memory"), whole);
    assert_eq!(shown(&world.check(&without).tables), answer);
    assert_eq!(sets(&world), remembered);
}

#[test]
fn a_memory_that_cannot_be_written_has_nothing_answered_and_says_nothing_of_its_content() {
    let mut world = World::of(owners()).found();
    let [everybody, without, _] = ways(&world).swap_remove(0);
    let answer = shown(&world.check(&everybody).tables);
    let remembered = sets(&world);
    // Other variables are other versions, which go to a file of their own.
    let file = world.state_folder("ssb").join("memory").join(format!("{}.versions", UnitType::Person));
    let kept = fs::read(&file).expect("the versions");
    fs::remove_file(&file).expect("removed");
    fs::create_dir(&file).expect("a folder in its place");
    let new = script(&world, "import ssb/FODT as f\ngenerate old = f < 0\ntabulate old");
    // From then on nothing is answered, also what is remembered already.
    for text in [&new, &new, &everybody, &without] {
        let session = world.new_session();
        let failed = world.run_in(&session, text);
        let problem = failed.problem();
        assert_eq!((failed.state(), problem.party.as_str()), (JobState::Failed, "ssb"), "{problem:?}");
        // The other worker's word, that ssb is gone, may come first.
        let sentences = [
            "the node of ssb could not use its memory of earlier questions, so nothing was computed; its operator must mend it",
            "ssb did not answer in ",
        ];
        assert!(sentences.iter().any(|sentence| problem.message.starts_with(sentence)), "{problem:?}");
        assert!(failed.tables.is_empty());
    }
    assert_eq!(sets(&world)[0], remembered[0]);
    let failures = || {
        let log = verify(&world.log_folder("ssb")).expect("an unbroken log");
        let failed = Outcome::Failed { party: id("ssb"), step: "remember".into() };
        let is_it = |event: &Event| matches!(event, Event::Outcome { outcome, .. } if *outcome == failed);
        log.entries().iter().filter(|entry| is_it(&entry.record.event)).count()
    };
    assert!(world.soon(|| failures() == 4), "ssb's own log says why");
    fs::remove_dir(&file).expect("removed");
    fs::write(&file, kept).expect("mended");
    world.restart_node("ssb");
    for text in [&without, &everybody] {
        assert_eq!(shown(&world.run(text).tables), answer);
    }
    assert_eq!(world.run(&new).state(), JobState::Done);
}
