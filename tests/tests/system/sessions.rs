//! Many sessions at once, and what they keep beyond their memory.

use std::collections::BTreeMap;

use kobling_audit::Finding;
use kobling_model::AttemptId;
use kobling_proto::platform::v1::JobState;
use kobling_tests::registers::{Mix, standard};
use kobling_tests::world::World;

use super::script;

const QUESTIONS: &str = "import ssb/KJOENN as k\nimport ssb/BOSTED 2020-01-01 as b\nimport ssb/FODT as f\nimport ssb/LONN 2021-05-01 as l\n\
    import krg/STED as s\nimport krg/DIAGNOSE as dg\nimport fhi/VEKT as v\ntabulate k s, summarize(l) mean std\n\
    generate sen = dg - f > 14000\ntabulate sen b if v > 60 | k == \"1\"\ntabulate b s if v < 110, missing\ntabulate k s, missing";

/// How much every node keeps, in memory and in files.
fn kept(world: &World) -> Vec<(usize, usize)> {
    let of = |name: &str| {
        let keep = &world.node(name).node.keep;
        (keep.bytes(), keep.files())
    };
    ["ssb", "krg", "fhi"].map(of).to_vec()
}

#[test]
fn what_sessions_keep_beyond_their_memory_goes_to_disk_and_the_tables_are_the_same() {
    let question = |world: &World| script(world, QUESTIONS);
    let roomy = World::of(standard(Mix::of(95))).found();
    let wanted = roomy.check(&question(&roomy)).bytes();
    assert!(kept(&roomy).iter().all(|(bytes, files)| *bytes > 0 && *files == 0), "{:?}", kept(&roomy));
    // Room for a column or two of 65 536 rows, and for none at all.
    for memory in [600_000, 0] {
        let world = World::of(standard(Mix::of(95))).sessions_memory(memory).found();
        for _ in 0..2 {
            assert_eq!(world.check(&question(&world)).tables.len(), 4);
            assert!(kept(&world).iter().all(|(bytes, _)| *bytes <= memory), "{:?}", kept(&world));
        }
        assert!(kept(&world).iter().any(|(_, files)| *files > 0), "nothing was spilled");
        // Other federation secrets, other noise: the reference has been asked. In one world, the same bytes.
        assert_eq!(world.run(&question(&world)).bytes(), world.run(&question(&world)).bytes());
    }
    assert!(!wanted.is_empty());
}

#[test]
fn many_sessions_at_once_have_the_answers_of_one_and_leave_nothing_behind() {
    let world = World::of(standard(Mix::of(96))).sessions_memory(1_500_000).found();
    let question = script(&world, QUESTIONS);
    let wanted = world.check(&question).bytes();
    let jobs: Vec<_> = (0..8)
        .map(|_| {
            let session = world.open_session().expect("a session");
            let job = world.submit(&session, &world.fresh_key(), &question).expect("accepted");
            (session, job)
        })
        .collect();
    // One is given up while others go on.
    world.cancel(&jobs[3].1.id);
    for (at, (_, job)) in jobs.iter().enumerate() {
        let ended = world.follow(job);
        if at != 3 {
            assert_eq!((ended.state(), ended.bytes() == wanted), (JobState::Done, true), "session {at}");
        }
    }
    assert!(kept(&world).iter().all(|(bytes, _)| *bytes <= 1_500_000), "{:?}", kept(&world));
    for (session, _) in &jobs {
        world.close_session(session);
    }
    world.close_session(&world.current_session().expect("one is open"));
    let nothing = || kept(&world).iter().all(|kept| *kept == (0, 0));
    assert!(world.soon(nothing), "a session that has ended keeps something: {:?}", kept(&world));
    // Giving up may fall between the workers' records and the broker's, once.
    let (_, findings) = world.reconciled();
    assert!(findings.len() <= 1 && findings.iter().all(Finding::may_be_a_crash), "{findings:?}");
    assert_eq!(world.ledger.lock().expect("not poisoned").reuses(), 0);
}

/// Bytes of the messages by row of each product, in order: what travelled for it.
fn travelled(world: &World) -> Vec<BTreeMap<String, usize>> {
    let mut attempts: Vec<(AttemptId, BTreeMap<String, usize>)> = Vec::new();
    for message in world.tap.messages() {
        let step = message.step().to_owned();
        if !step.starts_with("product/") {
            continue;
        }
        let attempt = message.link.attempt;
        if attempts.last().is_none_or(|(last, _)| *last != attempt) {
            attempts.push((attempt, BTreeMap::new()));
        }
        if !["left", "right", "shared", "stage"].iter().any(|of| step.starts_with(&format!("product/{of}"))) {
            continue;
        }
        let (_, steps) = attempts.last_mut().expect("pushed");
        *steps.entry(step).or_default() += message.body().len();
    }
    attempts.into_iter().map(|(_, steps)| steps).collect()
}

#[test]
fn columns_that_several_questions_use_travel_once_a_session_and_the_tables_are_the_same() {
    let world = World::of(standard(Mix::of(97))).sessions_memory(700_000).found();
    let imports = "import ssb/KJOENN as k\nimport ssb/BOSTED 2020-01-01 as b\nimport ssb/FODT as f\nimport ssb/LONN 2021-05-01 as l\n\
                   import krg/STED as s\nimport krg/STADIUM as t\nimport krg/DIAGNOSE as dg\nimport fhi/DOSER 2020-06-01 as d\n";
    let run = |rest: &str| {
        world.tap.forget();
        world.check(&script(&world, &format!("{imports}{rest}")));
        travelled(&world)
    };
    let has = |steps: &BTreeMap<String, usize>, step: &str| steps.keys().any(|name| name.starts_with(step));

    // In one script: left's columns of `k` for the first table, right's of `s` and `t` once each.
    let tables = run("tabulate k s\ntabulate k t\ntabulate b s\ntabulate b t");
    let [first, second, third, fourth] = &tables[..] else { panic!("four tables: {tables:?}") };
    assert!(has(first, "product/left") && has(first, "product/right"));
    assert!(!has(second, "product/left") && has(second, "product/right"));
    assert!(has(third, "product/left") && !has(third, "product/right"));
    assert!(fourth.is_empty(), "{fourth:?}");

    // In later scripts of the session, from the third time on: the first does not know that there will be others.
    for (time, travels) in [true, true, false].into_iter().enumerate() {
        let tables = run("tabulate b s, summarize(l)");
        assert_eq!(has(&tables[0], "product/left"), travels, "time {time}: {tables:?}");
        assert!(!has(&tables[0], "product/right"), "time {time}: {tables:?}");
    }

    // A further owner's columns, and those of a joined product's first stage.
    let tables = run(
        "tabulate k s d\ntabulate b s d\ngenerate sen = dg - f > 14000\ntabulate sen d s\ntabulate sen d s, nolabels",
    );
    let [narrow, other, joined, again] = &tables[..] else { panic!("four tables: {tables:?}") };
    assert!(has(narrow, "product/shared0") && !has(other, "product/shared0"));
    assert!(has(joined, "product/stage0") && !has(again, "product/shared0"));
    let rows = |steps: &BTreeMap<String, usize>| steps.get("product/stage0/left").copied();
    assert!(rows(joined).is_some() && rows(again).is_none(), "{joined:?} {again:?}");

    // Another session knows nothing of it.
    world.new_session();
    assert!(has(&run("tabulate k s")[0], "product/left"));
    assert_eq!(world.ledger.lock().expect("not poisoned").reuses(), 0);
}

#[test]
fn after_a_question_that_was_given_up_columns_travel_again() {
    let world = World::of(standard(Mix::of(98))).found();
    let text = script(
        &world,
        "import ssb/KJOENN as k\nimport krg/STED as s\nimport krg/STADIUM as t\ntabulate k s\ntabulate k t\ntabulate k s, missing",
    );
    let wanted = world.check(&text).bytes();
    for _ in 0..4 {
        let session = world.current_session().expect("one is open");
        let job = world.submit(&session, &world.fresh_key(), &text).expect("accepted");
        world.cancel(&job.id);
        world.follow(&job);
        assert_eq!(world.check(&text).bytes(), wanted);
    }
    assert_eq!(world.ledger.lock().expect("not poisoned").reuses(), 0);
}
