//! What the broker promises, with nodes in memory.

mod api;
mod edits;
mod support;

use std::time::{Duration, Instant};

use futures::StreamExt;
use kobling_audit::cosigning::Unwitnessed;
use kobling_broker::problem::RunError;
use kobling_broker::request::RequestError;
use kobling_broker::roster::ComputeEvent;
use kobling_broker::session::OpenRequest;
use kobling_broker::store::{JobEvent, JobState, SessionState, Store};
use kobling_crypto::sign::SigningKey;
use kobling_model::record::{Event, Outcome, Receipt};
use kobling_model::rules::Refusal;
use kobling_model::script_request::{ScriptRequest, SignedRequest};
use kobling_model::table::{Cell, Statistics};
use kobling_model::{Hash, JobId, SessionId};
use support::{
    COUNT, Faults, ONE_OWNER, PLATFORM, SUMS, TWO_OWNERS, World, count, finished, is_state, open,
    open_request, owner, problem_code, reported, request, rules, run, signed, submit,
};

fn position(happened: &[String], what: &str) -> usize {
    happened.iter().position(|it| it == what).unwrap_or_else(|| panic!("{what} in {happened:?}"))
}

#[tokio::test]
async fn a_table_over_two_owners_is_the_sum_of_what_two_workers_hold() {
    let world = World::new();
    let broker = world.broker().await;
    let (job, events) = run(&broker, TWO_OWNERS).await;
    assert_eq!((job.state, job.tables, job.problem), (JobState::Done, 1, None));
    let table = broker.table(job.id, 0).await.expect("there");
    assert_eq!(table.cells.len(), 9);
    assert!(table.cells.iter().all(|cell| count(cell) == Some(u64::from(COUNT))));
    assert!(is_state(&events[0], JobState::Queued) && is_state(&events[1], JobState::Running));
    assert!(is_state(events.last().expect("some"), JobState::Done));
    let stages: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            JobEvent::Stage { name, party, .. } => Some(format!("{name} {party}")),
            _ => None,
        })
        .collect();
    for stage in ["offer broker", "link broker", "extract ssb", "extract krg", "combine broker"] {
        assert!(stages.iter().any(|it| it == stage), "{stage} in {stages:?}");
    }
}

#[tokio::test]
async fn every_question_is_on_record_before_a_node_is_asked_and_before_its_table_can_be_fetched() {
    let world = World::new();
    let broker = world.broker().await;
    let (job, _) = run(&broker, ONE_OWNER).await;
    assert_eq!(job.state, JobState::Done);
    let happened = world.happened();
    assert!(position(&happened, "record opening") < position(&happened, "compute ssb"));
    assert!(position(&happened, "partial ssb") < position(&happened, "record released"));
    let table = broker.table(job.id, 0).await.expect("there");
    assert!(world.outcomes().contains(&Outcome::Released { content: Hash::of_json(&table) }));
    let records = world.records.lock().expect("lock");
    let Some(Event::Opening(execution)) = records.first() else { panic!("an opening first") };
    assert_eq!(execution.script, Hash::of(ONE_OWNER.as_bytes()));
    assert_eq!((execution.owners.as_slice(), &execution.rules), (&[owner("ssb")][..], &rules()));
    assert_eq!(execution.asked_by.researcher, "Kari");
}

#[tokio::test]
async fn what_the_platform_has_not_signed_for_this_session_reaches_no_node() {
    let world = World::new();
    let broker = world.broker().await;
    let session = open(&broker).await;
    let honest = request(&broker, session.id, ONE_OWNER).await;
    let changed = |change: fn(&mut ScriptRequest)| {
        let mut request = honest.clone();
        change(&mut request);
        signed(&request, &PLATFORM)
    };
    let whole = signed(&honest, &PLATFORM);
    let mut other_bytes = signed(&honest, &PLATFORM);
    other_bytes.bytes = ScriptRequest { script: TWO_OWNERS.into(), ..honest.clone() }.bytes();
    let mut longer = signed(&honest, &PLATFORM);
    longer.bytes.push(0);
    let refused = [
        ("request-signature", signed(&honest, &SigningKey::generate())),
        ("request-signature", other_bytes),
        ("request-signature", SignedRequest { signature: Vec::new(), ..whole.clone() }),
        ("request-malformed", longer),
        ("request-differs", changed(|request| request.session.0[0] ^= 1)),
        ("request-differs", changed(|request| request.researcher = "Another".into())),
        ("request-differs", changed(|request| request.institution = "Another".into())),
        ("request-differs", changed(|request| request.purpose = "Another".into())),
        ("request-differs", changed(|request| drop(request.nodes.pop()))),
        ("request-differs", changed(|request| drop(request.releases.pop()))),
        (
            "request-expired",
            changed(|request| {
                request.issued_ms -= 7_200_000;
                request.expires_ms = request.issued_ms + 1;
            }),
        ),
        (
            "request-not-yet-valid",
            changed(|request| {
                request.issued_ms += 7_200_000;
                request.expires_ms += 7_200_000;
            }),
        ),
        ("request-lifetime", changed(|request| request.expires_ms += ScriptRequest::LIFETIME_MAX_MS)),
    ];
    for (at, (code, signed)) in refused.into_iter().enumerate() {
        let Err(RequestError::Invalid(problem)) = broker.submit(session.id, &format!("{at}"), signed).await
        else {
            panic!("{code} was not refused")
        };
        assert_eq!(problem.code, code);
    }
    assert!(!world.happened().iter().any(|it| it.starts_with("admit") || it.starts_with("offer")));
    // The same bytes again, under the same key: the same job. Every node of the session is handed them, unchanged.
    let job = broker.submit(session.id, "job", whole.clone()).await.expect("accepted");
    assert_eq!(broker.submit(session.id, "job", whole.clone()).await.expect("known").id, job.id);
    assert_eq!(finished(&broker, job.id).await.0.state, JobState::Done);
    for party in ["ssb", "krg", "fhi"] {
        assert_eq!(world.happened().iter().filter(|it| **it == format!("admit {party}")).count(), 1);
    }
    let records = world.records.lock().expect("lock");
    let Some(Event::Opening(execution)) = records.first() else { panic!("an opening first") };
    assert_eq!((execution.request, execution.asked_by.signed), (Some(Hash::of(&whole.bytes)), true));
}

#[tokio::test]
async fn a_request_that_a_node_does_not_take_is_recorded_and_nothing_is_offered() {
    let world = World::with(Faults { replayed: Some(owner("fhi")), ..Faults::default() });
    let broker = world.broker().await;
    let (job, _) = run(&broker, TWO_OWNERS).await;
    assert_eq!((job.state, problem_code(&job)), (JobState::Failed, "request-replayed"));
    assert_eq!(job.problem.expect("said").party, Some(owner("fhi")));
    assert!(!world.happened().iter().any(|it| it.starts_with("offer ssb") || it.starts_with("tokens")));
    let records = world.records.lock().expect("lock");
    assert!(matches!(&records[..], [Event::RequestRefused { fault, .. }] if fault == "request-replayed"));
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_released() {
    let released: fn(&Event) -> bool =
        |event| matches!(event, Event::Outcome { outcome: Outcome::Released { .. }, .. });
    let world = World::with(Faults { unrecorded: Some(released), ..Faults::default() });
    let broker = world.broker().await;
    let (job, events) = run(&broker, ONE_OWNER).await;
    assert_eq!((job.state, problem_code(&job), job.tables), (JobState::Failed, "unrecorded", 0));
    assert!(broker.table(job.id, 0).await.is_err());
    assert!(!events.iter().any(|event| matches!(event, JobEvent::Table { .. })));
}

#[tokio::test]
async fn without_a_record_of_the_opening_no_node_computes() {
    let opening: fn(&Event) -> bool = |event| matches!(event, Event::Opening(_));
    let world = World::with(Faults { unrecorded: Some(opening), ..Faults::default() });
    let broker = world.broker().await;
    let (job, _) = run(&broker, ONE_OWNER).await;
    assert_eq!((job.state, problem_code(&job)), (JobState::Failed, "unrecorded"));
    assert!(!world.happened().iter().any(|it| it.starts_with("compute") || it.starts_with("deal")));
}

#[tokio::test]
async fn what_nodes_answer_is_recorded_with_where_they_recorded_it_and_nothing_is_answered_without() {
    let world = World::new();
    let broker = world.broker().await;
    let (job, _) = run(&broker, TWO_OWNERS).await;
    assert_eq!(job.state, JobState::Done);
    let receipt = |id: &str| Receipt { party: owner(id), entry: 7, leaf: Hash::of(id.as_bytes()) };
    let records = world.records.lock().expect("lock").clone();
    let receipts = records.iter().filter_map(|event| match event {
        Event::Outcome { receipts, .. } => Some(receipts),
        _ => None,
    });
    let receipts: Vec<_> = receipts.collect();
    assert!(!receipts.is_empty());
    assert!(receipts.iter().all(|named| **named == [receipt("krg"), receipt("ssb")]), "{receipts:?}");

    let world = World::with(Faults { says_not_where: Some(owner("krg")), ..Faults::default() });
    let broker = world.broker().await;
    let (job, _) = run(&broker, TWO_OWNERS).await;
    assert_eq!((job.state, problem_code(&job), job.tables), (JobState::Failed, "misbehaved", 0));
    assert_eq!(job.problem.expect("said").party, Some(owner("krg")));
}

#[tokio::test]
async fn nothing_is_asked_or_answered_while_the_log_is_not_cosigned() {
    let missing = Unwitnessed::Older { witness: owner("fhi") };
    let world = World::with(Faults { unwitnessed: Some((0, missing.clone())), ..Faults::default() });
    let broker = world.broker().await;
    let refused = broker.open_session(open_request("session")).await.expect_err("refused");
    assert!(refused.to_string().contains("older than what fhi has cosigned"), "{refused}");

    world.faults.lock().expect("lock").unwitnessed = None;
    let session = open(&broker).await;
    world.faults.lock().expect("lock").unwitnessed = Some((0, missing));
    let job = submit(&broker, session.id, "job", ONE_OWNER).await.expect("accepted");
    let (job, _) = finished(&broker, job.id).await;
    assert_eq!((job.state, problem_code(&job)), (JobState::Failed, "log-older"));
    assert!(!world.happened().iter().any(|it| it.starts_with("compute") || it.starts_with("record")));
}

#[tokio::test]
async fn what_comes_to_be_missing_while_a_question_is_computed_withholds_its_answer() {
    let late = Unwitnessed::Late { witness: owner("krg") };
    let world = World::with(Faults { unwitnessed: Some((1, late)), ..Faults::default() });
    let broker = world.broker().await;
    let (job, _) = run(&broker, ONE_OWNER).await;
    assert_eq!((job.state, problem_code(&job), job.tables), (JobState::Failed, "not-cosigned", 0));
    let happened = world.happened();
    assert!(happened.iter().any(|it| it == "compute ssb"), "{happened:?}");
    assert!(happened.iter().any(|it| it == "record failed"), "{happened:?}");
}

#[tokio::test]
async fn the_same_key_is_the_same_session_and_the_same_job() {
    let world = World::new();
    let broker = world.broker().await;
    let (first, second) =
        tokio::join!(broker.open_session(open_request("a")), broker.open_session(open_request("a")));
    let (first, second) = (first.expect("opens"), second.expect("opens"));
    assert_eq!(first, second);
    assert_eq!(world.happened().iter().filter(|it| *it == "open-session ssb").count(), 1);
    let others = OpenRequest { datastores: vec!["no.ssb.fdb:1".into()], ..open_request("a") };
    assert!(matches!(broker.open_session(others).await, Err(RequestError::Conflict(_))));

    let submit = |script: &'static str| submit(&broker, first.id, "job", script);
    let (job, again) = tokio::join!(submit(ONE_OWNER), submit(ONE_OWNER));
    let (job, again) = (job.expect("accepted"), again.expect("accepted"));
    assert_eq!(job.id, again.id);
    finished(&broker, job.id).await;
    assert_eq!(submit(ONE_OWNER).await.expect("known").id, job.id);
    assert_eq!(world.happened().iter().filter(|it| *it == "offer ssb").count(), 1);
    let Err(RequestError::Conflict(problem)) = submit(TWO_OWNERS).await else { panic!("another script") };
    assert_eq!(problem.code, "key-reused");
}

#[tokio::test]
async fn the_newest_release_of_a_major_version_is_pinned() {
    let world = World::new();
    let broker = world.broker().await;
    let session = open(&broker).await;
    let versions: Vec<_> = session.releases.iter().map(|release| release.version.to_string()).collect();
    assert_eq!(versions, ["1.0.0", "1.2.0"]);
    let unknown = OpenRequest { datastores: vec!["no.ssb.fdb:9".into()], ..open_request("b") };
    assert!(matches!(broker.open_session(unknown).await, Err(RequestError::NotFound(_))));
}

#[tokio::test]
async fn linked_rows_agree_between_owners_and_are_made_once_a_session() {
    let world = World::new();
    let broker = world.broker().await;
    let session = open(&broker).await;
    for key in ["one", "two"] {
        let job = submit(&broker, session.id, key, TWO_OWNERS).await.expect("accepted");
        assert_eq!(finished(&broker, job.id).await.0.state, JobState::Done);
    }
    let happened = world.happened();
    assert_eq!(happened.iter().filter(|it| *it == "tokens ssb").count(), 1);
    assert!(!happened.iter().any(|it| it == "tokens fhi"), "a dealer gives no tokens");
    let rows = world.rows.lock().expect("lock");
    let (ssb, krg) = (&rows[&owner("ssb")], &rows[&owner("krg")]);
    assert_eq!((ssb.0, krg.0), (65_536, 65_536));
    assert_eq!(ssb.1[50..], krg.1[..50], "tokens 50 to 99 are both's");
}

#[tokio::test]
async fn a_token_that_comes_twice_ends_the_session_and_names_the_owner() {
    let world = World::with(Faults { token_twice: Some(owner("krg")), ..Faults::default() });
    let broker = world.broker().await;
    let (job, _) = run(&broker, TWO_OWNERS).await;
    assert_eq!((job.state, problem_code(&job)), (JobState::Failed, "token-twice"));
    let problem = job.problem.expect("said");
    assert_eq!((problem.party, problem.step.as_str(), job.line), (Some(owner("krg")), "link", 6));
    let session = broker.get_session(job.session).await.expect("known");
    assert_eq!((session.state, session.problem.expect("said").code), (SessionState::Ended, problem.code));
    assert!(!world.happened().iter().any(|it| it.starts_with("rows")));
    let later = submit(&broker, job.session, "later", ONE_OWNER).await;
    assert!(matches!(later, Err(RequestError::NotNow(_))));
}

#[tokio::test]
async fn partial_aggregates_that_do_not_fit_are_not_added() {
    let krg = || Some(owner("krg"));
    let cases = [
        ("partial-transcripts", Faults { other_transcript: krg(), ..Faults::default() }),
        ("partial-content", Faults { other_content: krg(), ..Faults::default() }),
        ("partial-signature", Faults { other_key: krg(), ..Faults::default() }),
        ("partial-shape", Faults { missing_cell: krg(), ..Faults::default() }),
        // A count that would have been suppressed, and one beyond all units.
        ("impossible-cell", Faults { word: Some(3), ..Faults::default() }),
        ("impossible-cell", Faults { word: Some(u32::MAX - 7), ..Faults::default() }),
        ("impossible-cell", Faults { word: Some(65_536 + 256), ..Faults::default() }),
    ];
    for (code, faults) in cases {
        let world = World::with(faults);
        let broker = world.broker().await;
        let (job, _) = run(&broker, TWO_OWNERS).await;
        assert_eq!((job.state, problem_code(&job), job.tables), (JobState::Failed, code, 0));
        assert!(world.happened().iter().any(|it| it == "abort krg"));
        assert!(matches!(world.outcomes().last(), Some(Outcome::Failed { step, .. }) if step == "combine"));
    }
}

#[tokio::test]
async fn the_word_for_suppression_is_a_suppressed_cell_and_zero_is_a_count() {
    for (word, cell) in [(u32::MAX, Cell::Suppressed), (0, Cell::Count(0)), (5, Cell::Count(5))] {
        let world = World::with(Faults { word: Some(word), ..Faults::default() });
        let broker = world.broker().await;
        let (job, _) = run(&broker, TWO_OWNERS).await;
        assert_eq!(job.state, JobState::Done);
        let table = broker.table(job.id, 0).await.expect("there");
        assert!(table.cells.iter().all(|it| *it == cell));
    }
}

#[tokio::test]
async fn statistics_are_made_of_what_two_workers_hold() {
    let world = World::new();
    let broker = world.broker().await;
    let (job, _) = run(&broker, SUMS).await;
    assert_eq!((job.state, job.tables, job.problem), (JobState::Done, 1, None));
    let table = broker.table(job.id, 0).await.expect("there");
    let summary = table.summary.expect("a number");
    assert_eq!(summary.variable, "number");
    // Numbers from 1 to 1001, squared about 501. The mean is 617 000/1234 = 500, so the variance is
    // (250 001 − 1²)·1234/1233 = 250 202.8, and its root 500.2.
    let statistics = Statistics { mean: Some(500.0), standard_deviation: Some(500.0), sum: Some(617_000.0) };
    assert_eq!(summary.cells, vec![Some(statistics); 3]);
}

#[tokio::test]
async fn a_hidden_sum_is_hidden_whole_and_what_cannot_be_hidden_so_is_impossible() {
    let hidden = Statistics::SUPPRESSED_WORD;
    let faults = |word, sum, square| Faults { word, sum, square, ..Faults::default() };
    let world = World::with(faults(None, Some(hidden), Some(hidden)));
    let broker = world.broker().await;
    let (job, _) = run(&broker, SUMS).await;
    let table = broker.table(job.id, 0).await.expect("there");
    assert_eq!(count(&table.cells[0]), Some(u64::from(COUNT)));
    assert_eq!(table.summary.expect("a number").cells, [None; 3]);

    let krg = || Some(owner("krg"));
    let cases = [
        ("impossible-cell", SUMS, faults(None, Some(hidden), None)),
        ("impossible-cell", SUMS, faults(None, None, Some(hidden))),
        // Suppressed, and too few for a statistic.
        ("impossible-cell", SUMS, faults(Some(u32::MAX), None, None)),
        ("impossible-cell", SUMS, faults(Some(14), None, None)),
        ("impossible-cell", SUMS, faults(None, Some(1 << 101), None)),
        ("impossible-cell", SUMS, faults(None, None, Some(u128::MAX - (1 << 101)))),
        ("partial-shape", SUMS, Faults { no_squares: krg(), ..Faults::default() }),
        ("partial-shape", TWO_OWNERS, Faults { needless_sums: krg(), ..Faults::default() }),
    ];
    for (at, (code, script, faults)) in cases.into_iter().enumerate() {
        let world = World::with(faults);
        let broker = world.broker().await;
        let (job, _) = run(&broker, script).await;
        assert_eq!((job.state, problem_code(&job), job.tables), (JobState::Failed, code, 0), "case {at}");
    }
    let world = World::with(faults(Some(u32::MAX), Some(hidden), Some(hidden)));
    let broker = world.broker().await;
    let (job, _) = run(&broker, SUMS).await;
    assert_eq!(job.state, JobState::Done);
}

#[tokio::test]
async fn a_rule_that_refuses_is_on_record_and_names_rule_and_line() {
    let world = World::with(Faults { refused: Some(Refusal::PopulationFloor), ..Faults::default() });
    let broker = world.broker().await;
    let (job, _) = run(&broker, ONE_OWNER).await;
    assert_eq!((job.state, problem_code(&job), job.tables), (JobState::Refused, "population-floor", 0));
    assert_eq!(job.line, 3);
    assert_eq!(world.outcomes(), [Outcome::Refused { rule: Refusal::PopulationFloor }]);
}

#[tokio::test]
async fn workers_that_tell_different_endings_are_believed_neither() {
    let ending = Some((owner("krg"), ComputeEvent::Refused(Refusal::PopulationFloor)));
    let world = World::with(Faults { ending, ..Faults::default() });
    let broker = world.broker().await;
    let (job, _) = run(&broker, TWO_OWNERS).await;
    assert_eq!((job.state, problem_code(&job)), (JobState::Failed, "disagreement"));
}

#[tokio::test]
async fn one_failing_party_ends_the_question_at_all_of_them() {
    let ending = Some((owner("krg"), ComputeEvent::Failed(reported("registers"))));
    let world = World::with(Faults { ending, ..Faults::default() });
    let broker = world.broker().await;
    let (job, _) = run(&broker, TWO_OWNERS).await;
    let problem = job.problem.expect("said");
    assert_eq!((problem.code.as_str(), problem.party), ("registers", Some(owner("krg"))));
    for party in ["ssb", "krg", "fhi"] {
        assert!(world.happened().contains(&format!("abort {party}")));
    }
    assert!(matches!(world.outcomes().last(), Some(Outcome::Failed { .. })));
}

#[tokio::test]
async fn a_node_that_is_gone_is_named_even_where_another_complains_first() {
    let world = World::with(Faults { hang: true, ..Faults::default() });
    let broker = world.broker().await;
    let session = open(&broker).await;
    let job = submit(&broker, session.id, "job", TWO_OWNERS).await.expect("accepted");
    world.computing.notified().await;
    // The session's next question finds ssb complaining of a broken link, since the dealer is gone.
    broker.cancel_job(job.id).await.expect("known");
    *world.faults.lock().expect("lock") = Faults {
        ending: Some((owner("ssb"), ComputeEvent::Failed(reported("unreachable")))),
        ..Faults::default()
    };
    let watching = world.clone();
    let downed = tokio::spawn(async move {
        watching.computing.notified().await;
        watching.faults.lock().expect("lock").down = Some(owner("fhi"));
    });
    let job = submit(&broker, session.id, "next", TWO_OWNERS).await.expect("accepted");
    let (job, _) = finished(&broker, job.id).await;
    downed.await.expect("ended");
    let problem = job.problem.expect("said");
    assert_eq!((problem.code.as_str(), problem.party), ("unreachable", Some(owner("fhi"))));
}

#[tokio::test]
async fn cancelling_aborts_at_all_parties_and_leaves_nothing_running() {
    let world = World::with(Faults { hang: true, ..Faults::default() });
    let broker = world.broker().await;
    let session = open(&broker).await;
    let running = submit(&broker, session.id, "running", ONE_OWNER).await.expect("accepted");
    let waiting = submit(&broker, session.id, "waiting", ONE_OWNER).await.expect("accepted");
    world.computing.notified().await;
    let waiting = broker.cancel_job(waiting.id).await.expect("known");
    assert_eq!(waiting.state, JobState::Cancelled);
    let running = broker.cancel_job(running.id).await.expect("known");
    assert_eq!((running.state, running.tables), (JobState::Cancelled, 0));
    for party in ["ssb", "krg", "fhi"] {
        assert!(world.happened().contains(&format!("abort {party}")));
    }
    assert!(
        matches!(world.outcomes().last(), Some(Outcome::Failed { .. })),
        "the attempt has an ending on record"
    );
    // The session goes on.
    world.faults.lock().expect("lock").hang = false;
    let next = submit(&broker, session.id, "next", ONE_OWNER).await.expect("accepted");
    assert_eq!(finished(&broker, next.id).await.0.state, JobState::Done);
    assert_eq!(broker.cancel_job(next.id).await.expect("known").state, JobState::Done);
}

#[tokio::test]
async fn sessions_are_bounded_in_all_and_for_each_institution_and_their_places_come_back() {
    let world = World::new();
    let broker = world.broker().await;
    let of = |institution: &str, key: &str| {
        let mut request = open_request(key);
        request.asker.institution = institution.to_owned();
        request
    };
    let mut open = Vec::new();
    for key in ["1", "2", "3", "4"] {
        open.push(broker.open_session(of("one", key)).await.expect("a place"));
    }
    let code = |refused: Result<_, RequestError>| match refused {
        Ok(_) => panic!("there was a place"),
        Err(error) => error.problem().code,
    };
    assert_eq!(code(broker.open_session(of("one", "5")).await), "too-many-sessions-of-institution");
    for key in ["1", "2"] {
        broker.open_session(of("two", key)).await.expect("a place");
    }
    assert_eq!(code(broker.open_session(of("three", "1")).await), "too-many-sessions");
    // A repeat is the session that there is, and needs no place.
    assert_eq!(broker.open_session(of("one", "1")).await.expect("known").id, open[0].id);
    broker.close_session(open[0].id).await.expect("known");
    broker.open_session(of("three", "1")).await.expect("the place that was given back");
}

#[tokio::test]
async fn questions_beyond_the_turns_wait_and_one_that_is_cancelled_leaves_the_queue() {
    let world = World::with(Faults { hang: true, ..Faults::default() });
    let broker = world.broker().await;
    let mut jobs = Vec::new();
    for key in ["1", "2", "3", "4"] {
        let session = broker.open_session(open_request(key)).await.expect("opened");
        jobs.push(submit(&broker, session.id, "job", ONE_OWNER).await.expect("accepted").id);
    }
    let computing = || world.happened().iter().filter(|it| it.starts_with("compute ssb")).count();
    while computing() < 2 {
        world.computing.notified().await;
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(computing(), 2, "two turns");
    let waiting = broker.cancel_job(jobs[2]).await.expect("known");
    assert_eq!(waiting.state, JobState::Cancelled);
    world.faults.lock().expect("lock").hang = false;
    for job in &jobs[..2] {
        broker.cancel_job(*job).await.expect("known");
    }
    assert_eq!(finished(&broker, jobs[3]).await.0.state, JobState::Done);
}

#[tokio::test]
async fn watching_resumes_after_any_event_and_ends_with_the_job() {
    let world = World::new();
    let broker = world.broker().await;
    let session = open(&broker).await;
    let job = submit(&broker, session.id, "job", TWO_OWNERS).await.expect("accepted");
    let numbered = |after| {
        let broker = broker.clone();
        async move {
            let events = broker.watch_job(job.id, after).await.expect("known");
            events.map(|event| event.expect("an event")).collect::<Vec<_>>().await
        }
    };
    // One watcher from the start, while the job runs; others when it has ended.
    let all = numbered(0).await;
    let numbers: Vec<_> = all.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (1..=all.len() as u64).collect::<Vec<_>>());
    for after in 0..=all.len() {
        assert_eq!(numbered(after as u64).await, all[after..]);
    }
    assert!(matches!(broker.watch_job(JobId([9; 16]), 0).await, Err(RequestError::NotFound(_))));
}

#[tokio::test]
async fn after_a_restart_unfinished_jobs_have_failed_and_nodes_are_told_to_close() {
    let folder = tempfile::tempdir().expect("a folder");
    let world = World::with(Faults { hang: true, ..Faults::default() });
    let (job, session) = {
        let broker = world.broker_over(Store::open(folder.path()).expect("opens")).await;
        let session = open(&broker).await;
        let job = submit(&broker, session.id, "job", ONE_OWNER).await.expect("accepted");
        world.computing.notified().await;
        (job.id, session.id)
    };
    // The first broker is simply left behind, as if killed; what it was writing just then may still come in after its end.
    let world = World::new();
    let broker = world.broker_over(Store::open(folder.path()).expect("opens")).await;
    let (job, events) = finished(&broker, job).await;
    assert_eq!((job.state, problem_code(&job)), (JobState::Failed, "interrupted"));
    assert!(events.iter().any(|event| is_state(event, JobState::Failed)));
    assert_eq!(broker.get_session(session).await.expect("known").state, SessionState::Ended);
    broker.stop().await;
    for party in ["ssb", "krg", "fhi"] {
        assert!(world.happened().contains(&format!("close {party}")));
    }
}

#[tokio::test]
async fn stopping_aborts_what_runs_and_closes_sessions_at_the_nodes() {
    let world = World::with(Faults { hang: true, ..Faults::default() });
    let broker = world.broker().await;
    let session = open(&broker).await;
    let running = submit(&broker, session.id, "running", ONE_OWNER).await.expect("accepted");
    let waiting = submit(&broker, session.id, "waiting", ONE_OWNER).await.expect("accepted");
    world.computing.notified().await;
    broker.stop().await;
    for job in [running, waiting] {
        let job = broker.get_job(job.id).await.expect("known");
        assert_eq!((job.state, problem_code(&job)), (JobState::Failed, "interrupted"));
    }
    let happened = world.happened();
    assert!(position(&happened, "abort ssb") < position(&happened, "close ssb"));
    assert!(matches!(
        broker.open_session(open_request("late")).await,
        Err(RequestError::Run(RunError::Interrupted))
    ));
}

#[tokio::test]
async fn a_node_that_restarted_ends_the_session() {
    let world = World::new();
    let broker = world.broker().await;
    let session = open(&broker).await;
    world.faults.lock().expect("lock").restarted = Some(owner("krg"));
    let job = submit(&broker, session.id, "job", ONE_OWNER).await.expect("accepted");
    let (job, _) = finished(&broker, job.id).await;
    assert_eq!((job.state, problem_code(&job)), (JobState::Failed, "restarted"));
    assert_eq!(job.problem.expect("said").party, Some(owner("krg")));
    assert_eq!(broker.get_session(session.id).await.expect("known").state, SessionState::Ended);
}

#[tokio::test]
async fn a_session_that_could_not_be_opened_leaves_nothing_and_can_be_tried_again() {
    let world = World::with(Faults { down: Some(owner("fhi")), ..Faults::default() });
    let broker = world.broker().await;
    let error = broker.open_session(open_request("key")).await.expect_err("the dealer is down");
    let problem = error.problem();
    assert_eq!((problem.code.as_str(), problem.party), ("unreachable", Some(owner("fhi"))));
    world.faults.lock().expect("lock").down = None;
    assert!(broker.open_session(open_request("key")).await.is_ok());
}

#[tokio::test]
async fn idle_sessions_end_and_busy_ones_do_not() {
    let world = World::with(Faults { hang: true, ..Faults::default() });
    let broker = world.broker().await;
    let idle = broker.open_session(open_request("idle")).await.expect("opens");
    let busy = broker.open_session(open_request("busy")).await.expect("opens");
    let job = submit(&broker, busy.id, "job", ONE_OWNER).await.expect("accepted");
    world.computing.notified().await;
    broker.tidy(Instant::now() + Duration::from_secs(899), 0).await.expect("tidied");
    assert_eq!(broker.get_session(idle.id).await.expect("known").state, SessionState::Open);
    broker.tidy(Instant::now() + Duration::from_secs(901), 0).await.expect("tidied");
    assert_eq!(broker.get_session(idle.id).await.expect("known").state, SessionState::Ended);
    assert_eq!(broker.get_session(busy.id).await.expect("known").state, SessionState::Open);
    broker.cancel_job(job.id).await.expect("known");
}

#[tokio::test]
async fn closing_cancels_what_runs_and_results_stay_until_their_time_is_over() {
    let world = World::new();
    let broker = world.broker().await;
    let (job, _) = run(&broker, ONE_OWNER).await;
    broker.close_session(job.session).await.expect("closed");
    broker.close_session(job.session).await.expect("again");
    assert!(world.happened().contains(&"close fhi".to_owned()));
    assert!(broker.table(job.id, 0).await.is_ok());
    let now_ms = kobling_broker::audit::now_ms();
    broker.tidy(Instant::now(), now_ms + 3_000_000).await.expect("tidied");
    assert!(broker.table(job.id, 0).await.is_ok());
    broker.tidy(Instant::now(), now_ms + 4_000_000).await.expect("tidied");
    assert!(matches!(broker.get_job(job.id).await, Err(RequestError::NotFound(_))));
    assert!(broker.table(job.id, 0).await.is_err());
    assert!(broker.close_session(SessionId([1; 16])).await.is_err());
}

#[tokio::test]
async fn a_script_with_errors_is_a_rejected_job_with_all_of_them() {
    let world = World::new();
    let broker = world.broker().await;
    let script =
        "require no.ssb.fdb:1 as fdb\ncreate-dataset d\nimport fdb/KJONN as a\nimport fdb/ALDER as b\n";
    let (job, events) = run(&broker, script).await;
    assert_eq!((job.state, job.plan), (JobState::Rejected, None));
    let lines: Vec<_> = job.diagnostics.iter().map(|diagnostic| diagnostic.line).collect();
    assert_eq!(lines, [3, 4]);
    assert!(job.diagnostics[0].message.contains("KJONN"));
    assert_eq!(events.len(), 1);
    assert!(!world.happened().iter().any(|it| it.starts_with("offer")));
    let long = submit(&broker, job.session, "long", &"x".repeat((1 << 20) + 1)).await;
    assert!(matches!(long, Err(RequestError::Invalid(_))));
}

#[tokio::test]
async fn tables_of_earlier_questions_stay_when_a_later_one_fails() {
    // Questions: the population, the first table, the second.
    let world = World::with(Faults { fails_from: Some(2), ..Faults::default() });
    let broker = world.broker().await;
    let (job, _) = run(&broker, &format!("{ONE_OWNER}tabulate kjoenn, cellpct\n")).await;
    assert_eq!((job.state, problem_code(&job), job.line), (JobState::Failed, "registers", 5));
    assert_eq!(job.tables, 1);
    assert!(broker.table(job.id, 0).await.is_ok());
    assert!(broker.table(job.id, 1).await.is_err());
}
