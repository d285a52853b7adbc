//! Bad requests get a clear answer that names the place; everybody lives, and nothing is lost.

use kobling_model::script_request::ScriptRequest;
use kobling_proto::convert::problem::problem_of;
use kobling_proto::platform::v1::job_service_client::JobServiceClient;
use kobling_proto::platform::v1::session_service_client::SessionServiceClient;
use kobling_proto::platform::v1::{
    CancelJobRequest, GetJobRequest, JobState, OpenSessionRequest, WatchJobRequest,
};
use kobling_tests::world::{World, id};
use tonic::{Code, Status};

use super::script;

fn code_of(status: &Status) -> String {
    problem_of(status, &id("broker"), "").code
}

#[test]
fn scripts_with_errors_are_rejected_with_all_their_places() {
    let world = World::seeded(61);
    let result = world.run(&script(
        &world,
        "import ssb/KJONN as k\nimport ssb/BOSTED 2019-06-01 as b\nimport ssb/BOSTED as c\nimport ssb/KJOENN as kj\n\
         generate x = kj + 1\ntabulate kj ukjent\nimport krg/STADIUM as t\ntabulate t if kj == 1\ngenerate y = t * kjj",
    ));
    assert_eq!((result.state(), result.tables.len()), (JobState::Rejected, 0));
    let lines: Vec<u32> = result.job.diagnostics.iter().map(|diagnostic| diagnostic.line).collect();
    for line in [5, 6, 7, 9, 12] {
        assert!(lines.contains(&line), "line {line}: {:#?}", result.job.diagnostics);
    }
    let near = &result.job.diagnostics[0];
    assert!(format!("{} {}", near.message, near.help).contains("KJOENN"), "{near:?}");
    let date = &result.job.diagnostics[1];
    assert!(format!("{} {}", date.message, date.help).contains("2020-01-01"), "{date:?}");
    assert!(result.job.diagnostics.iter().all(|diagnostic| diagnostic.column > 0 && diagnostic.length > 0));
    assert!(result.problem().code.is_empty());
    // Nobody was asked.
    assert!(world.tap.messages().iter().all(|message| !message.step().starts_with("attempt/")));
}

#[test]
fn scripts_that_ask_nothing_are_done_and_say_so() {
    let world = World::seeded(62);
    for text in ["", "// nothing\n", "require no.ssb.fdb:1 as ssb\n", "textblock\nhello\nendblock\n"] {
        let result = world.run(text);
        let told = format!("{text:?}: {:?}", result.job);
        assert!([JobState::Done, JobState::Rejected].contains(&result.state()), "{told}");
        assert!(result.tables.is_empty(), "{told}");
    }
}

#[test]
fn scripts_that_are_too_large_or_hostile_are_refused_and_the_broker_lives() {
    let world = World::seeded(63);
    let session = world.new_session();
    for length in [ScriptRequest::SCRIPT_BYTES_MAX + 1, 3 * ScriptRequest::SCRIPT_BYTES_MAX] {
        let refused = world.submit(&session, &world.fresh_key(), &" ".repeat(length)).expect_err("refused");
        let codes = [Code::InvalidArgument, Code::OutOfRange, Code::ResourceExhausted];
        assert!(codes.contains(&refused.code()), "{refused:?}");
    }
    for text in [
        "(".repeat(100_000),
        "import ".repeat(10_000),
        "\u{202e}tabulate\u{0}\u{feff}\r\r\n'".to_owned(),
        format!("generate x = {}1", "-".repeat(50_000)),
        "'; DROP TABLE job; --".to_owned(),
        script(&world, "import ssb/../../etc/passwd as x"),
    ] {
        let result = world.run_in(&session, &text);
        assert_eq!(result.state(), JobState::Rejected, "{:?}", result.job);
    }
    let good = script(&world, "import ssb/KJOENN as k\ntabulate k");
    assert_eq!(world.run_in(&session, &good).state(), JobState::Done);
}

#[test]
fn the_same_key_is_the_same_job_and_never_another_script() {
    let mut world = World::seeded(64);
    let question = script(&world, "import ssb/KJOENN as k\ntabulate k");
    let session = world.new_session();
    let first = world.submit(&session, "monday", &question).expect("submitted");
    let result = world.follow(&first);
    let again = world.submit(&session, "monday", &question).expect("the same");
    assert_eq!((&again.id, again.state()), (&first.id, JobState::Done));
    let other = world.submit(&session, "monday", &format!("{question}\n")).expect_err("another script");
    assert_eq!((other.code(), code_of(&other).as_str()), (Code::AlreadyExists, "key-reused"));
    // Also after a restart: the job and its table are kept, the session is over.
    world.restart_broker();
    let again = world.submit(&session, "monday", &question).expect("the same");
    assert_eq!((&again.id, again.state()), (&first.id, JobState::Done));
    assert_eq!(world.follow(&again).bytes(), result.bytes());
    let refused = world.submit(&session, "tuesday", &question).expect_err("over");
    assert_eq!((refused.code(), code_of(&refused).as_str()), (Code::FailedPrecondition, "interrupted"));
}

#[test]
fn requests_that_make_no_sense_are_told_apart() {
    let world = World::seeded(65);
    let request = |change: fn(&mut OpenSessionRequest)| {
        let mut request = OpenSessionRequest {
            key: world.fresh_key(),
            researcher: World::ASKER[0].into(),
            institution: World::ASKER[1].into(),
            purpose: World::ASKER[2].into(),
            datastores: vec!["no.ssb.fdb:1".into()],
        };
        change(&mut request);
        let mut client = SessionServiceClient::new(world.platform());
        let answer = world.wait(client.open_session(request));
        answer.map(|_| ()).map_err(|status| (status.code(), code_of(&status)))
    };
    assert_eq!(request(|_| ()), Ok(()));
    let invalid = |answer: Result<(), (Code, String)>| matches!(answer, Err((Code::InvalidArgument, _)));
    assert!(invalid(request(|request| request.key.clear())));
    assert!(invalid(request(|request| request.researcher = "a\nb".into())));
    assert!(invalid(request(|request| request.institution = " ".into())));
    assert!(invalid(request(|request| request.purpose = "x".repeat(201))));
    assert!(invalid(request(|request| request.datastores.clear())));
    assert!(invalid(request(|request| request.datastores = vec!["no.ssb.fdb".into()])));
    assert!(invalid(request(|request| request.datastores = vec!["no.ssb.fdb:x".into()])));
    assert!(invalid(request(|request| request.datastores = vec!["no.ssb.fdb:1".into(); 100])));
    let unknown = (Code::NotFound, "unknown-datastore".to_owned());
    assert_eq!(request(|request| request.datastores = vec!["no.ssb.fdb:2".into()]), Err(unknown.clone()));
    assert_eq!(request(|request| request.datastores = vec!["no.nav.arbeid:1".into()]), Err(unknown));

    let mut jobs = JobServiceClient::new(world.platform());
    let get = |job: &str| {
        let request = GetJobRequest { job: job.into() };
        world.wait(JobServiceClient::new(world.platform()).get_job(request)).expect_err("none").code()
    };
    assert_eq!((get("x"), get(&"ab".repeat(16))), (Code::InvalidArgument, Code::NotFound));
    let watched = world.wait(jobs.watch_job(WatchJobRequest { job: "ab".repeat(16), after: 0 }));
    assert_eq!(watched.expect_err("none").code(), Code::NotFound);
    let cancelled = world.wait(jobs.cancel_job(CancelJobRequest { job: "ab".repeat(16) }));
    assert_eq!(cancelled.expect_err("none").code(), Code::NotFound);
    let nowhere = world.submit(&"cd".repeat(16), "key", "").expect_err("no session");
    assert_eq!(nowhere.code(), Code::NotFound);
}

#[test]
fn a_script_over_a_datastore_that_the_session_has_not_pinned_is_rejected() {
    let world = World::seeded(66);
    let mut client = SessionServiceClient::new(world.platform());
    let request = OpenSessionRequest {
        key: world.fresh_key(),
        researcher: World::ASKER[0].into(),
        institution: World::ASKER[1].into(),
        purpose: World::ASKER[2].into(),
        datastores: vec!["no.ssb.fdb:1".into()],
    };
    let session = world.wait(client.open_session(request)).expect("opens").into_inner().session.expect("it");
    let result = world.run_in(&session.id, &script(&world, "import krg/STED as s\ntabulate s"));
    assert_eq!(result.state(), JobState::Rejected, "{:?}", result.job);
    let alone = "require no.ssb.fdb:1 as ssb\ncreate-dataset d\nimport ssb/KJOENN as k\ntabulate k";
    assert_eq!(world.run_in(&session.id, alone).state(), JobState::Done);
}
