//! Attacks 17 to 20 of the catalogue: what a broker can do with requests that the platform signs, or does not.

use std::fs;
use std::sync::Arc;

use kobling_audit::Finding;
use kobling_broker::combine::{CombineError, Expected, Received, combine};
use kobling_broker::roster::{ComputeEvent, ComputeOrder, DealOrder, JobOffer, SignedPartial};
use kobling_crypto::sign::SigningKey;
use kobling_model::federation::{Federation, Worker};
use kobling_model::record::{Asker, Event};
use kobling_model::script_request::{RequestFault, ScriptRequest, SignedRequest, sorted};
use kobling_model::{AttemptId, Hash, JobId, SessionId, UnitType};
use kobling_node::error::NodeError;
use kobling_node::node::now_ms;
use kobling_proto::platform::v1::JobState;
use kobling_tests::world::{World, id};

use super::script;
use kobling_tests::rogue::{Offered, Rogue, code_of, fresh, problem_of, work};

const NODES: [&str; 3] = ["ssb", "krg", "fhi"];
const TABLE: &str = "import ssb/KJOENN as k\nimport krg/STED as s\ntabulate k s";

/// What somebody does to a request.
type Change = fn(&mut ScriptRequest);

/// Codes of requests that a party's log tells were not taken, with the jobs they came for.
fn refusals(world: &World, party: &str) -> Vec<(JobId, String)> {
    let (logs, _) = world.reconciled();
    let refused = |event: &Event| match event {
        Event::RequestRefused { job, fault, .. } => Some((*job, fault.clone())),
        _ => None,
    };
    logs[&id(party)].entries().iter().filter_map(|entry| refused(&entry.record.event)).collect()
}

// 17: a changed question.

#[test]
fn attack_17_a_request_that_is_not_what_the_platform_signed_is_refused_by_every_node_and_recorded() {
    let world = World::seeded(91);
    let rogue = Rogue::open_unasked(&world, SessionId(fresh()));
    let honest = rogue.request(&script(&world, TABLE));
    let signature = world.sign(&honest).signature;
    let under = |change: &dyn Fn(&mut ScriptRequest)| {
        let mut request = honest.clone();
        change(&mut request);
        SignedRequest { bytes: request.bytes(), signature: signature.clone() }
    };
    let literal = |request: &mut ScriptRequest| request.script = request.script.replace("STED", "STADIUM");
    let own_key = SigningKey::generate().sign(&honest.bytes()).to_vec();
    // The broker's own signatures are nobody's here; nor are a node's, which signs partial aggregates.
    let forged = [
        under(&literal),
        under(&|request| drop(request.nodes.pop())),
        under(&|request| request.nodes.push(id("spy"))),
        under(&|request| request.researcher = "Ola Nordmann".into()),
        under(&|request| request.institution = "Another".into()),
        under(&|request| request.purpose = "Another".into()),
        under(&|request| request.releases[0].version.major += 1),
        under(&|request| request.expires_ms += 1),
        under(&|request| request.nonce[0] ^= 1),
        SignedRequest { bytes: honest.bytes(), signature: own_key },
        SignedRequest { bytes: honest.bytes(), signature: Vec::new() },
    ];
    for node in NODES {
        let mut jobs = Vec::new();
        for signed in &forged {
            let job = JobId(fresh());
            let problem = problem_of(rogue.admit_at(node, job, signed));
            assert_eq!((problem.code.as_str(), problem.party), ("request-signature", Some(id(node))));
            jobs.push((job, "request-signature".to_owned()));
        }
        // Its log tells, and so does reconciliation, since the broker's does not.
        assert_eq!(refusals(&world, node), jobs);
        let (_, findings) = world.reconciled();
        for (job, _) in jobs {
            assert!(findings.contains(&Finding::RefusedAtNodeOnly { party: id(node), job }));
        }
    }
    // As it was signed, it is taken.
    rogue.admit(&world.sign(&honest));
}

#[test]
fn attack_17_a_request_for_another_session_asker_or_plan_is_refused_by_every_node() {
    let world = World::seeded(92);
    let session = SessionId(fresh());
    // The broker says that somebody else asks, for something else.
    let releases = Rogue::releases(&world);
    let mut offer = Rogue::offer_of(session, Rogue::everybody(&world), releases.clone());
    offer.asker = Asker { researcher: "Ola Nordmann".into(), ..offer.asker };
    let nodes: Vec<_> = NODES.iter().map(|node| world.as_broker(node)).collect();
    let opened = world.wait(futures::future::join_all(nodes.iter().map(|node| node.open_session(&offer))));
    opened.into_iter().collect::<Result<Vec<()>, _>>().expect("opens");
    let rogue = Rogue { world: &world, session };
    let text = script(&world, TABLE);
    let differs = |request: &ScriptRequest, node: &str| {
        let problem = problem_of(rogue.admit_at(node, JobId(fresh()), &world.sign(request)));
        (problem.code, problem.message)
    };
    let as_opened = {
        let asker = ["Ola Nordmann", World::ASKER[1], World::ASKER[2]];
        world.request_for(session, asker, &Rogue::everybody(&world), &releases, &text)
    };
    for node in NODES {
        let (code, message) = differs(&rogue.request(&text), node);
        assert!(code == "request-differs" && message.contains("researcher"), "{code}: {message}");
        // A session of more nodes or data than the platform has signed for, and another session.
        let changes: [(&str, Change); 3] = [
            ("releases", |request| drop(request.releases.pop())),
            ("session", |request| request.session.0[0] ^= 1),
            ("purpose", |request| request.purpose = "Another".into()),
        ];
        for (what, change) in changes {
            let mut request = as_opened.clone();
            change(&mut request);
            let (code, message) = differs(&request, node);
            assert!(code == "request-differs" && message.contains(what), "{code}: {message}");
        }
        let others: Vec<_> =
            Rogue::everybody(&world).into_iter().filter(|other| other.as_str() != node).collect();
        let (code, _) = differs(&ScriptRequest { nodes: sorted(&others), ..as_opened.clone() }, node);
        assert_eq!(code, "request-not-addressed");
    }
    // Taken as it was signed, but offered as another plan.
    let job = rogue.admit(&world.sign(&as_opened));
    let catalogue = Arc::new(world.catalogue());
    let plan = world.plan(&text.replace("STED", "STADIUM")).hash();
    for node in nodes {
        let offer = JobOffer { session, job, catalogue: Arc::clone(&catalogue), plan };
        assert_eq!(problem_of(world.wait(node.offer(&offer))).code, "plan-differs");
    }
}

#[test]
fn attack_17_in_a_session_in_which_nobody_has_asked_nothing_is_linked_dealt_or_computed() {
    let world = World::seeded(93);
    let rogue = Rogue::open_unasked(&world, SessionId(fresh()));
    let catalogue = Arc::new(world.catalogue());
    let text = script(&world, TABLE);
    let plan = world.plan(&text);
    for node in NODES {
        let client = world.as_broker(node);
        let tokens = world.wait(client.tokens(rogue.session, UnitType::Person));
        assert_eq!(problem_of(tokens).code, "broken-protocol");
        let offer = JobOffer {
            session: rogue.session,
            job: JobId(fresh()),
            catalogue: Arc::clone(&catalogue),
            plan: plan.hash(),
        };
        assert_eq!(problem_of(world.wait(client.offer(&offer))).code, "broken-protocol");
    }
    let deal =
        DealOrder { session: rogue.session, attempt: AttemptId(fresh()), left: id("ssb"), right: id("krg") };
    assert_eq!(problem_of(world.wait(world.as_broker("fhi").deal(&deal))).code, "broken-protocol");
    // Asked for, units are linked and the script is offered, once; computing waits for the grant.
    let job = rogue.admit(&world.sign(&rogue.request(&text)));
    let ssb = world.as_broker("ssb");
    assert!(world.wait(ssb.tokens(rogue.session, UnitType::Person)).is_ok());
    let order = ComputeOrder {
        session: rogue.session,
        job,
        attempt: AttemptId(fresh()),
        question: 0,
        rules: vec![world.strictest_rules()],
    };
    assert_eq!(code_of(&world.wait(work(&*ssb, &order))), "broken-protocol");
    let offer = JobOffer { session: rogue.session, job, catalogue, plan: plan.hash() };
    assert!(world.wait(ssb.offer(&offer)).is_ok());
    assert_eq!(problem_of(world.wait(ssb.offer(&offer))).code, "broken-protocol");
}

#[test]
fn attack_17_what_the_platform_signed_and_the_broker_changed_is_in_both_logs_where_the_broker_tells() {
    let world = World::seeded(94);
    let session = world.new_session();
    let text = script(&world, TABLE);
    // A request that the nodes have had before: the broker does not know that, and tells what they say.
    let signed = world.sign(&world.request(&session, &text));
    let first = world.submit_signed(&session, "one", &signed).expect("accepted");
    assert_eq!(world.follow(&first).state(), JobState::Done);
    let again = world.submit_signed(&session, "two", &signed).expect("accepted");
    let again = world.follow(&again);
    assert_eq!((again.state(), again.problem().code.as_str()), (JobState::Failed, "request-replayed"));
    let job = JobId::parse(&again.job.id).expect("an id");
    for party in ["broker", "ssb", "krg", "fhi"] {
        assert_eq!(refusals(&world, party), [(job, "request-replayed".to_owned())], "{party}");
    }
    let (_, findings) = world.reconciled();
    assert!(findings.is_empty(), "{findings:?}");
    // Changed on its way to the broker, it reaches nobody.
    let mut changed = world.sign(&world.request(&session, &text));
    let at = changed.bytes.len() / 2;
    changed.bytes[at] ^= 1;
    assert!(world.submit_signed(&session, "three", &changed).is_err());
}

// 18: a request again.

#[test]
fn attack_18_a_request_is_taken_once_in_a_session_after_a_restart_and_at_no_node_it_is_not_for() {
    let mut world = World::seeded(95);
    let session = SessionId(fresh());
    let text = script(&world, TABLE);
    let signed = {
        let rogue = Rogue::open_unasked(&world, session);
        let signed = world.sign(&rogue.request(&text));
        let job = rogue.admit(&signed);
        for node in NODES {
            // For another job, and for the same.
            let again = problem_of(rogue.admit_at(node, JobId(fresh()), &signed));
            assert_eq!(again.code, "request-replayed");
            assert_eq!(problem_of(rogue.admit_at(node, job, &signed)).code, "broken-protocol");
        }
        // In another session it is not what was signed.
        let other = Rogue::open_unasked(&world, SessionId(fresh()));
        for node in NODES {
            let there = problem_of(other.admit_at(node, JobId(fresh()), &signed));
            assert_eq!(there.code, "request-differs");
        }
        // At a node it is not for.
        let two = vec![id("krg"), id("ssb")];
        let elsewhere = world.sign(&ScriptRequest { nodes: two, ..rogue.request(&text) });
        let problem = problem_of(rogue.admit_at("fhi", JobId(fresh()), &elsewhere));
        assert_eq!((problem.code.as_str(), problem.party), ("request-not-addressed", Some(id("fhi"))));
        signed
    };
    for node in NODES {
        world.restart_node(node);
    }
    // A session of the same name, as a broker that deviates would open it.
    let rogue = Rogue::open_unasked(&world, session);
    for node in NODES {
        let problem = problem_of(rogue.admit_at(node, JobId(fresh()), &signed));
        assert_eq!(problem.code, "request-replayed");
    }
    rogue.offer(&text);
}

#[test]
fn attack_18_a_clock_that_jumps_makes_no_request_fresh() {
    let mut world = World::seeded(96);
    let session = SessionId(fresh());
    let now = now_ms();
    let hour = 3_600_000;
    let skew = ScriptRequest::SKEW_MS;
    let at = |world: &World, signed: &SignedRequest, now_ms: u64| {
        let node = world.node("ssb").node.clone();
        match world.wait(node.admit(session, JobId(fresh()), signed.clone(), now_ms)) {
            Ok(()) => None,
            Err(NodeError::Request { fault, .. }) => Some(fault),
            Err(other) => panic!("{other}"),
        }
    };
    let text = script(&world, TABLE);
    let rogue = Rogue::open_unasked(&world, session);
    let (first, second, third) = (rogue.request(&text), rogue.request(&text), rogue.request(&text));
    let [first, second, third] = [first, second, third].map(|request| world.sign(&request));
    let late =
        ScriptRequest { issued_ms: now + 2 * hour, expires_ms: now + 3 * hour, ..rogue.request(&text) };
    let late = world.sign(&late);
    assert_eq!(at(&world, &first, now), None);
    // Ahead: what is valid looks expired, and nothing is run or forgotten.
    assert_eq!(at(&world, &second, now + 2 * hour), Some(RequestFault::Expired));
    // Back by what clocks may differ is nothing; by more, the clock is not believed.
    assert_eq!(at(&world, &first, now + 2 * hour - skew), Some(RequestFault::Expired));
    assert_eq!(at(&world, &second, now), Some(RequestFault::ClockBehind));
    assert_eq!(at(&world, &late, now + hour), Some(RequestFault::ClockBehind));
    // Also after a restart.
    world.restart_node("ssb");
    let offer = Rogue::offer_of(session, vec![id("ssb")], Rogue::releases(&world));
    let alone = kobling_broker::roster::SessionOffer {
        releases: offer.releases.iter().filter(|release| release.owner == id("ssb")).cloned().collect(),
        ..offer
    };
    world.wait(world.as_broker("ssb").open_session(&alone)).expect("opens");
    let mine = world.request_for(session, World::ASKER, &[id("ssb")], &alone.releases, &text);
    let mine = world.sign(&mine);
    assert_eq!(at(&world, &mine, now + 60_000), Some(RequestFault::ClockBehind));
    // The operator says that the clock is right: requests are taken again, and none of those before.
    world.stop_node("ssb");
    let trusted = || {
        // Threads of the node may still hold its log for a moment.
        let act = world.operate("ssb", kobling_node::operate::trust_clock);
        matches!(act, Ok(true))
    };
    assert!(world.soon(trusted), "the platform does not contradict");
    world.start_stopped("ssb");
    world.wait(world.as_broker("ssb").open_session(&alone)).expect("opens");
    assert_eq!(at(&world, &first, now + 60_000), Some(RequestFault::Differs { what: "list of nodes" }));
    assert_eq!(at(&world, &mine, now + 60_000), None);
    assert_eq!(at(&world, &mine, now + 60_000), Some(RequestFault::Replayed));
    assert_eq!(at(&world, &third, now + 60_000), Some(RequestFault::Differs { what: "list of nodes" }));
    let told = world.log_folder("ssb");
    assert!(
        fs::read_to_string(told.join("records/000.jsonl")).expect("a log").contains("clock-trusted"),
        "the operator's act is recorded"
    );
}

#[test]
fn a_replay_store_that_cannot_be_written_has_requests_refused_and_nothing_run() {
    let world = World::seeded(97);
    let text = script(&world, TABLE);
    let session = world.new_session();
    let file = world.state_folder("krg").join("replay");
    fs::remove_file(&file).expect("removed");
    fs::create_dir(&file).expect("a folder in its place");
    let signed = world.sign(&world.request(&session, &text));
    let job = world.submit_signed(&session, "one", &signed).expect("accepted");
    let failed = world.follow(&job);
    let problem = failed.problem();
    assert_eq!(
        (failed.state(), problem.code.as_str(), problem.party.as_str()),
        (JobState::Failed, "replay-store", "krg")
    );
    assert!(failed.tables.is_empty());
    let (logs, _) = world.reconciled();
    for log in logs.values() {
        assert!(!log.entries().iter().any(|entry| matches!(entry.record.event, Event::Opening(_))));
    }
    fs::remove_dir(&file).expect("removed");
    // What it could not note down counts as taken; the next is taken.
    assert_eq!(world.run_in(&session, &text).state(), JobState::Done);
    let again = world.submit_signed(&session, "two", &signed).expect("accepted");
    assert_eq!(world.follow(&again).problem().code, "request-replayed");
}

// 19: partial aggregates.

/// What a worker hands out for an attempt, with the hash that it announced.
fn partials(rogue: &Rogue<'_>, offered: &Offered) -> (AttemptId, [(Hash, SignedPartial); 2]) {
    let passed = rogue.ask(offered, AttemptId(fresh()), 0);
    assert!(passed.iter().all(|ended| matches!(ended, Ok(ComputeEvent::Passed))), "{passed:?}");
    let attempt = AttemptId(fresh());
    let announced = rogue.ask(offered, attempt, 1).map(|ended| match ended {
        Ok(ComputeEvent::Ready { content }) => content,
        other => panic!("{other:?}"),
    });
    let fetched = ["ssb", "krg"].map(|node| {
        rogue
            .world
            .wait(rogue.world.as_broker(node).partial(rogue.session, attempt))
            .expect("handed out once")
    });
    let [left, right] = fetched;
    (attempt, [(announced[0], left), (announced[1], right)])
}

#[test]
fn attack_19_a_partial_aggregate_is_of_one_request_and_one_attempt_and_no_two_can_be_mixed() {
    let world = World::seeded(98);
    let rogue = Rogue::open(&world, SessionId(fresh()));
    let text = script(&world, TABLE);
    // The same script, asked for twice: the same plan and the same question.
    let offered = [(), ()].map(|()| {
        let request = rogue.request(&text);
        (request.hash(), rogue.offer_request(&request))
    });
    let answers = offered.iter().map(|(_, offered)| partials(&rogue, offered)).collect::<Vec<_>>();
    let add = |of: usize, left: usize, right: usize, request: Hash| {
        let plan = &offered[of].1.plan;
        let expected = Expected {
            session: rogue.session,
            attempt: answers[of].0,
            request,
            plan: plan.hash(),
            index: 1,
            question: &plan.questions[1],
            rules: &world.strictest_rules(),
            units_max: 1_000_000,
        };
        let received = |worker, at: usize, from: usize, node: &str| {
            let (announced, partial) = answers[from].1[at].clone();
            Received { worker, party: party(&world.federation, node), announced, partial }
        };
        let (left, right) =
            (received(Worker::Left, 0, left, "ssb"), received(Worker::Right, 1, right, "krg"));
        combine(&expected, left, right)
    };
    let [first, second] = [offered[0].0, offered[1].0];
    let table = add(0, 0, 0, first).expect("they belong together");
    assert_eq!(table, add(1, 1, 1, second).expect("they too"), "the same question has the same answer");
    // An old one in place of a new one; one of each; both old; and all of one attempt under the other's request.
    let content = |party: &str| Err(CombineError::Content { party: id(party) });
    assert_eq!(add(1, 0, 1, second), content("ssb"));
    assert_eq!(add(1, 1, 0, second), content("krg"));
    assert_eq!(add(1, 0, 0, second), content("ssb"));
    assert_eq!(add(1, 1, 1, first), content("ssb"));
}

fn party<'a>(federation: &'a Federation, node: &str) -> &'a kobling_model::federation::Party {
    federation.node(&id(node)).expect("on the roster")
}
