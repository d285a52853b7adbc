//! What an owner's policy refuses, and its stop switch: as the researcher reads it, and with nothing computed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kobling_audit::Finding;
use kobling_model::record::{Event, Outcome};
use kobling_model::{AttemptId, SessionId};
use kobling_node::node::Node;
use kobling_node::operator::{Answer, Order};
use kobling_proto::platform::v1::JobState;
use kobling_tests::registers::{Mix, standard};
use kobling_tests::tap::Said;
use kobling_tests::world::{JobResult, World, id};

use super::script;
use kobling_tests::rogue::{Rogue, code_of, fresh, problem_of, work};

/// A table over ssb and krg, which fhi deals.
const TABLE: &str = "import ssb/KJOENN as k\nimport krg/STED as s\ntabulate k s";

const EVERY_VARIABLE: &str = "variables = [\"*\"]";

/// A world in which one line of an owner's policy is another.
fn world_with(seed: u64, owner: &str, line: &str, with: &str) -> World {
    World::of(standard(Mix::of(seed))).policy(owner, line, with).found()
}

fn events(world: &World, party: &str) -> Vec<Event> {
    let log = kobling_audit::verify(&world.log_folder(party)).expect("a log");
    log.entries().iter().map(|entry| entry.record.event.clone()).collect()
}

/// The question is refused by this owner, before anybody has begun to compute it.
fn assert_refused(world: &World, result: &JobResult, code: &str, owner: &str, says: &str) {
    assert_eq!((result.state(), result.tables.len()), (JobState::Refused, 0), "{:?}", result.job);
    let problem = result.problem();
    assert_eq!((problem.code.as_str(), problem.party.as_str()), (code, owner), "{problem:?}");
    assert!(problem.message.contains(says), "{problem:?}");
    for party in ["ssb", "krg", "fhi", "broker"] {
        let of_session = |event: &Event| match event {
            Event::Opening(execution) => execution.session == result.session(),
            _ => false,
        };
        assert!(!events(world, party).iter().any(of_session), "{party} has begun to compute");
    }
}

/// Runs a script in a session of its own.
fn run_alone(world: &World, rest: &str) -> JobResult {
    let session = world.new_session();
    world.run_in(&session, &script(world, rest))
}

#[test]
fn a_variable_that_no_entry_opens_is_refused_and_the_others_are_answered_about() {
    let world = world_with(61, "ssb", EVERY_VARIABLE, "variables = [\"KJOENN\"]");
    world.check(&script(&world, TABLE));
    // What is imported and not asked about is nobody's business.
    world.check(&script(
        &world,
        &format!("import ssb/KJOENN as k\nimport ssb/SJELDEN as sj\n{}", "tabulate k"),
    ));
    for rest in [
        "import ssb/KJOENN as k\nimport ssb/SJELDEN as sj\ntabulate k sj",
        "import ssb/KJOENN as k\nimport ssb/SJELDEN as sj\nkeep if sj == \"nei\"\ntabulate k",
        "import krg/STED as s\nimport ssb/SJELDEN as sj\ngenerate r = sj == \"nei\"\ntabulate s if r",
    ] {
        let refused = run_alone(&world, rest);
        assert_refused(&world, &refused, "not-open", "ssb", "no.ssb.fdb/SJELDEN is not open to anybody");
    }
}

#[test]
fn institutions_and_purposes_that_no_entry_names_are_refused() {
    for (line, with, says) in [
        (
            "institutions = [\"*\"]",
            "institutions = [\"Another university\"]",
            "not open to your institution;",
        ),
        ("purposes = [\"*\"]", "purposes = [\"Statistics\"]", "to your institution for this purpose"),
    ] {
        let world = world_with(62, "krg", line, with);
        let refused = run_alone(&world, TABLE);
        assert_refused(&world, &refused, "not-open", "krg", says);
        // Questions that use nothing of krg are none of its business, also where it computes on shares.
        world
            .check(&script(&world, "import fhi/DOSER 2021-06-01 as d\nimport ssb/KJOENN as k\ntabulate k d"));
    }
    let open = world_with(63, "krg", "institutions = [\"*\"]", "institutions = [\"A university\", \"B\"]");
    open.check(&script(&open, TABLE));
}

#[test]
fn variables_of_two_owners_that_are_kept_apart_do_not_meet_in_a_question() {
    let apart = "[[keep_apart]]\nvariables = [\"@rare\", \"no.krg.kreft/*\"]\n[groups]\nrare = [\"no.ssb.fdb/SJELDEN\", \"no.ssb.fdb/LONN\"]\n\n[[allow]]";
    let world = world_with(64, "krg", "[[allow]]", apart);
    world.check(&script(&world, TABLE));
    world.check(&script(
        &world,
        "import ssb/KJOENN as k\nimport ssb/SJELDEN as sj\ntabulate k if sj == \"nei\"",
    ));
    for rest in [
        "import ssb/SJELDEN as sj\nimport krg/STED as s\ntabulate sj s",
        // A population that one of them has cut out is one that uses it.
        "import ssb/KJOENN as k\nimport ssb/SJELDEN as sj\nimport krg/STED as s\nkeep if sj == \"nei\"\ntabulate k s",
        "import krg/STED as s\nimport ssb/LONN 2020-01-01 as w\ntabulate s, summarize(w)",
    ] {
        let refused = run_alone(&world, rest);
        assert_refused(&world, &refused, "kept-apart", "krg", "may not meet in one question");
    }
}

#[test]
fn a_command_that_is_not_allowed_is_refused_where_the_owners_variables_are_used() {
    let commands = "commands = [\"require\", \"create-dataset\", \"import\", \"tabulate\"]";
    let world = world_with(65, "krg", "commands = [\"*\"]", commands);
    world.check(&script(&world, TABLE));
    let recoded = "import ssb/KJOENN as k\nimport krg/STED as s\ngenerate c = s == \"C18\"\ntabulate k c";
    let refused = run_alone(&world, recoded);
    assert_refused(&world, &refused, "command-not-allowed", "krg", "generate may not be used");
    world.check(&script(&world, "import ssb/KJOENN as k\ngenerate m = k == \"1\"\ntabulate m"));
}

#[test]
fn a_dealer_that_an_owner_does_not_allow_is_a_refusal_and_never_another_dealer() {
    let world = world_with(66, "ssb", "dealers = [\"*\"]", "dealers = [\"fhi\"]");
    let refused = run_alone(&world, "import ssb/KJOENN as k\nimport fhi/DOSER 2021-06-01 as d\ntabulate k d");
    assert_refused(&world, &refused, "dealer-not-allowed", "ssb", "krg would have to deal");
    world.check(&script(&world, TABLE));
    // Where there are two nodes only, the broker deals in any case.
    let mut two = standard(Mix::of(67));
    two.truncate(2);
    let two = World::of(two).policy("ssb", "dealers = [\"*\"]", "dealers = [\"krg\"]").found();
    two.check(&script(&two, TABLE));
}

/// Does something with a node at the first frame of a product that ssb sends to krg.
fn in_the_middle(world: &World, node: &str, act: impl Fn(&Arc<Node>) + Send + Sync + 'static) {
    let (node, done) = (world.node(node).node.clone(), AtomicBool::new(false));
    world.tap.on_frame(move |sender, receiver, _, frame| {
        let step = frame.header.as_ref().map_or("", |header| header.step.as_str());
        let product = step.starts_with("product/") && sender.as_str() == "ssb" && receiver.as_str() == "krg";
        if product && !done.swap(true, Ordering::SeqCst) {
            act(&node);
        }
    });
}

/// Carries out an order from within the middle of a question.
fn carry_out(node: &Arc<Node>, order: Order) -> Answer {
    tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(node.carry_out(order)))
}

fn assert_nothing_left(world: &World) {
    let partials = world.tap.calls().iter().filter(|call| matches!(call.said, Said::Partial(..))).count();
    assert_eq!(partials, 0, "a share has left");
}

#[test]
fn a_stop_in_the_middle_of_a_question_ends_it_at_once_and_is_recorded_and_a_resume_goes_on() {
    let mut world = World::seeded(68);
    let before = world.check(&script(&world, TABLE)).bytes();
    for owner in ["krg", "ssb", "fhi"] {
        world.tap.forget();
        in_the_middle(&world, owner, |node| {
            let answer = carry_out(node, Order::Stop { reason: "a leak".into() });
            assert_eq!(answer, Answer::Stopped { unrecorded: None, unwritten: None });
        });
        let stopped = run_alone(&world, TABLE);
        world.tap.hands_off();
        let problem = stopped.problem();
        assert_eq!((problem.code.as_str(), problem.party.as_str()), ("owner-stopped", owner), "{problem:?}");
        assert_eq!((stopped.state(), stopped.tables.len()), (JobState::Refused, 0));
        assert_nothing_left(&world);
        let last =
            events(&world, owner).into_iter().rev().find(|event| matches!(event, Event::Stopped { .. }));
        assert_eq!(last, Some(Event::Stopped { reason: "a leak".into() }));

        // It holds for what is asked next, and after a restart; peers and researchers hear whose stop it is.
        world.restart_node(owner);
        let Answer::State { stop: Some(stop), .. } = world.order(owner, &Order::State) else {
            panic!("{owner} is not stopped")
        };
        assert_eq!((stop.reason.as_str(), stop.recorded), ("a leak", true));
        assert_eq!(world.open_session().expect_err("stopped").message(), problem.message);
        // Others of the federation answer about themselves, with whoever else helps.
        assert_eq!(world.order(owner, &Order::Resume), Answer::Resumed);
        assert_eq!(world.order(owner, &Order::Resume), Answer::NotStopped);
        assert_eq!(events(&world, owner).last(), Some(&Event::Resumed));
        assert_eq!(world.check(&script(&world, TABLE)).bytes(), before);
    }
    let (_, findings) = world.reconciled();
    assert!(findings.iter().all(Finding::may_be_a_crash), "{findings:?}");
}

#[test]
fn a_stop_that_lies_on_disk_shuts_every_gate_before_anybody_is_told_of_it() {
    let world = World::seeded(69);
    let rogue = Rogue::open(&world, SessionId(fresh()));
    let offered = rogue.offer(&script(&world, TABLE));
    let file = world.state_folder("krg").join("stop.json");
    let to_stop = file.clone();
    // In the middle of the table's question: what comes after is judged and not opened.
    in_the_middle(&world, "krg", move |_| std::fs::write(&to_stop, "").expect("written"));
    let table = offered.plan.questions.len() - 1;
    for index in 0..table {
        let _ = rogue.ask(&offered, AttemptId(fresh()), index as u32);
    }
    let [_, right] = rogue.ask(&offered, AttemptId(fresh()), table as u32);
    world.tap.hands_off();
    assert_eq!(code_of(&right), "owner-stopped");
    assert_nothing_left(&world);
    let krg = world.as_broker("krg");
    let order = rogue.order(&offered, AttemptId(fresh()), 0);
    assert_eq!(code_of(&world.wait(work(&*krg, &order))), "owner-stopped");
    assert_eq!(problem_of(world.wait(krg.partial(rogue.session, AttemptId(fresh())))).code, "owner-stopped");
    assert_eq!(problem_of(world.wait(krg.abort(rogue.session, AttemptId(fresh())))).code, "owner-stopped");
    let offer = Rogue::offer_of(SessionId(fresh()), Rogue::everybody(&world), Rogue::releases(&world));
    assert_eq!(problem_of(world.wait(krg.open_session(&offer))).code, "owner-stopped");
    // A peer that dials it hears the same, and who it is.
    let ssb = world.as_broker("fhi");
    let offer = Rogue::offer_of(SessionId(fresh()), vec![id("fhi"), id("krg")], Vec::new());
    let problem = problem_of(world.wait(ssb.open_session(&offer)));
    assert_eq!((problem.code.as_str(), problem.party), ("owner-stopped", Some(id("krg"))));
    // The node that serves notices by itself, and records.
    let recorded = || events(&world, "krg").contains(&Event::Stopped { reason: String::new() });
    assert!(world.soon(recorded), "the stop is not on record");
    std::fs::remove_file(&file).expect("removed");
}

#[test]
fn a_policy_that_is_put_in_force_while_the_node_serves_decides_from_then_on_and_is_recorded() {
    let world = World::seeded(70);
    world.check(&script(&world, TABLE));
    let Answer::State { policy: first, stop: None } = world.order("ssb", &Order::State) else {
        panic!("no state")
    };
    assert!(events(&world, "ssb").contains(&Event::PolicyInForce { policy: first, before: None }));
    assert_eq!(world.order("ssb", &Order::Reload), Answer::Unchanged { policy: first });

    // A broken one changes nothing, and says everything that is wrong.
    let entries = events(&world, "ssb").len();
    world.rewrite_policy("ssb", |text| {
        text.replace("edit_units_min = 15", "edit_units_min = 1")
            .replace(EVERY_VARIABLE, "variables = [\"KJONN\"]")
    });
    let Answer::NotReloaded { why } = world.order("ssb", &Order::Reload) else { panic!("it was taken") };
    assert!(why.contains("edit_units_min is 1;") && why.contains("\"KJONN\" is no variable"), "{why}");
    assert_eq!(events(&world, "ssb").len(), entries);
    world.check(&script(&world, TABLE));

    // A sound one decides at once, in sessions that are open too.
    world.rewrite_policy("ssb", |text| {
        text.replace("edit_units_min = 1\n", "edit_units_min = 15\n").replace("\"KJONN\"", "\"BOSTED\"")
    });
    let Answer::Reloaded { policy, before, sessions_ended } = world.order("ssb", &Order::Reload) else {
        panic!("it was not taken")
    };
    assert_eq!((before, sessions_ended), (first, false));
    let in_force = Event::PolicyInForce { policy, before: Some(first) };
    assert_eq!(events(&world, "ssb").last(), Some(&in_force));
    let refused = world.run(&script(&world, TABLE));
    assert_eq!((refused.problem().code.as_str(), refused.tables.len()), ("not-open", 0));

    // Tighter decoys end sessions: they were linked under looser ones.
    world.rewrite_policy("ssb", |text| {
        text.replace("\"BOSTED\"", "\"*\"").replace("decoy_epsilon = \"1/10\"", "decoy_epsilon = \"1/20\"")
    });
    let answer = world.order("ssb", &Order::Reload);
    assert!(matches!(answer, Answer::Reloaded { sessions_ended: true, .. }), "{answer:?}");
    assert!(world.node("ssb").node.sessions.is_empty());
    world.new_session();
    world.check(&script(&world, TABLE));
}

#[test]
fn a_question_under_way_is_refused_at_its_next_gate_where_the_new_policy_would_not_grant_it() {
    let world = World::seeded(71);
    for (line, with, code) in [
        (EVERY_VARIABLE, "variables = [\"STADIUM\"]", "not-open"),
        ("small_cell_units_max = 4", "small_cell_units_max = 5", "refused-by-owner"),
    ] {
        world.rewrite_policy("krg", |text| text.replace(line, with));
        world.tap.forget();
        in_the_middle(&world, "krg", |node| {
            let answer = carry_out(node, Order::Reload);
            assert!(matches!(answer, Answer::Reloaded { .. }), "{answer:?}");
        });
        let refused = run_alone(&world, TABLE);
        world.tap.hands_off();
        let problem = refused.problem();
        assert_eq!((problem.code.as_str(), problem.party.as_str()), (code, "krg"), "{problem:?}");
        assert_nothing_left(&world);
        // It is on record here, perhaps a moment after the researcher has heard of it.
        let attempt = events(&world, "krg").into_iter().rev().find_map(|event| match event {
            Event::Opening(execution) => Some(execution.attempt),
            _ => None,
        });
        let failed = |event: &Event| match event {
            Event::Outcome { attempt: of, outcome: Outcome::Failed { party, .. }, .. } => {
                Some(*of) == attempt && *party == id("krg")
            }
            _ => false,
        };
        assert!(world.soon(|| events(&world, "krg").iter().any(failed)), "no failure is on record");
        world.rewrite_policy("krg", |text| text.replace(with, line));
        assert!(matches!(world.order("krg", &Order::Reload), Answer::Reloaded { .. }));
    }
    // One that would grant it lets it go on, under the numbers that it was granted with.
    world.rewrite_policy("krg", |text| format!("# Another file, the same policy.\n{text}"));
    let told = Arc::new(AtomicBool::new(false));
    let heard = told.clone();
    in_the_middle(&world, "krg", move |node| {
        let answer = carry_out(node, Order::Reload);
        heard.store(matches!(answer, Answer::Reloaded { .. }), Ordering::SeqCst);
    });
    world.new_session();
    world.check(&script(&world, TABLE));
    world.tap.hands_off();
    assert!(told.load(Ordering::SeqCst), "the case was not met");
}
