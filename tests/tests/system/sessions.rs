//! Many sessions at once, and what they keep beyond their memory.

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
    let (_, findings) = world.reconciled();
    assert!(findings.is_empty(), "{findings:?}");
    assert_eq!(world.ledger.lock().expect("not poisoned").reuses(), 0);
}
