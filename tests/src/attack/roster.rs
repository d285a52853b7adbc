//! Attacks 17, 18, 20 and 20d: a broker that changes what is asked, of whom, under which rules.
//!
//! The attacker is the broker, with its own certificate. Tries to break: that a node derives the plan itself, grants what it has
//! judged, under its own rules, in sessions of its own roster. Bound: not once.

use std::sync::Arc;

use kobling_model::rules::Rules;
use kobling_model::script_request::{ScriptRequest, SignedRequest};
use kobling_model::{AttemptId, JobId, SessionId};

use super::Measure;
use super::lab::{IMPORTS, Lab};
use crate::rogue::{Rogue, code_of, fresh, problem_of};
use crate::world::{World, id};

/// 17.
pub(super) fn changed(lab: &Lab) -> Vec<Measure> {
    vec![
        lab.claims(
            "a literal, a rule set, a catalogue",
            &[
                a_broker_cannot_ask_for_what_was_not_granted_or_under_looser_rules,
                what_the_platform_signed_cannot_be_changed,
            ],
        ),
        lab.claims("a node list", &[a_session_with_an_invented_node_is_refused_by_every_node]),
        lab.claims("another researcher", &[a_session_of_another_researcher_takes_no_request]),
    ]
}

/// 18.
pub(super) fn replayed(lab: &Lab) -> Vec<Measure> {
    vec![lab.claims("the same signed question again", &[a_request_is_taken_once_also_after_a_restart])]
}

/// 20.
pub(super) fn different(lab: &Lab) -> Vec<Measure> {
    vec![lab.claims("another literal at one node", &[nodes_that_are_asked_for_different_populations_refuse])]
}

/// 20d.
pub(super) fn invented(lab: &Lab) -> Vec<Measure> {
    vec![lab.claims(
        "a spy, the broker, the platform, a node twice",
        &[a_session_with_an_invented_node_is_refused_by_every_node],
    )]
}

fn nodes_that_are_asked_for_different_populations_refuse() {
    let world = World::seeded(81);
    let rogue = Rogue::open(&world, SessionId(fresh()));
    let honest = world.script(&format!("{IMPORTS}tabulate k s if b == \"A\""));
    let other = honest.replace("\"A\"", "\"B\"");
    // The one plan's hash for the other's request, at each node in turn.
    let job = rogue.admit(&world.sign(&rogue.request(&other)));
    for node in ["ssb", "krg", "fhi"] {
        let offer = kobling_broker::roster::JobOffer {
            session: rogue.session,
            job,
            catalogue: Arc::new(world.catalogue()),
            plan: world.plan(&honest).hash(),
        };
        assert_eq!(
            problem_of(world.wait(world.as_broker(node).offer(&offer))).code,
            "plan-differs",
            "{node}"
        );
    }
    // Each node is offered a question that is its own, and then both are asked for one of them.
    let [first, second] = [&honest, &other].map(|script| rogue.offer(script));
    let attempt = AttemptId(fresh());
    let roles = world.federation.roles(&id("ssb"), Some(&id("krg"))).expect("roles");
    let deal = kobling_broker::roster::DealOrder {
        session: rogue.session,
        attempt,
        left: roles.left.clone(),
        right: roles.right.clone(),
    };
    let (floors, others) =
        (rogue.ask(&first, AttemptId(fresh()), 0), rogue.ask(&second, AttemptId(fresh()), 0));
    assert!(floors.iter().chain(&others).all(Result::is_ok), "{floors:?} {others:?}");
    let (left, right) = (world.as_broker("ssb"), world.as_broker("krg"));
    let dealer = world.as_broker(roles.dealer.as_str());
    let (of_left, of_right) = (rogue.order(&first, attempt, 1), rogue.order(&second, attempt, 1));
    let ended = world.wait(async {
        let working = futures::future::join(crate::rogue::work(&*left, &of_left), crate::rogue::work(&*right, &of_right));
        tokio::select! {
            biased;
            ended = working => ended,
            _ = async { let _ = dealer.deal(&deal).await; std::future::pending::<()>().await } => unreachable!("pending"),
        }
    });
    // Neither worker has a table to hand out.
    for (node, ended) in [("ssb", &ended.0), ("krg", &ended.1)] {
        let refused = matches!(ended, Ok(kobling_broker::roster::ComputeEvent::Failed(_)) | Err(_));
        assert!(refused, "{node}: {ended:?}");
        assert!(
            world.wait(world.as_broker(node).partial(rogue.session, attempt)).is_err(),
            "{node} hands out a share"
        );
    }
}

fn what_the_platform_signed_cannot_be_changed() {
    let world = World::seeded(37);
    let rogue = Rogue::open(&world, SessionId(fresh()));
    let honest = rogue.request(&world.script(&format!("{IMPORTS}tabulate k s if b == \"A\"")));
    let signature = world.sign(&honest).signature;
    let changes: [fn(&mut ScriptRequest); 4] = [
        |request| request.script = request.script.replace("\"A\"", "\"B\""),
        |request| request.researcher = "Ola Nordmann".into(),
        |request| drop(request.nodes.pop()),
        |request| request.expires_ms += 1,
    ];
    for node in ["ssb", "krg", "fhi"] {
        for change in changes {
            let mut request = honest.clone();
            change(&mut request);
            let signed = SignedRequest { bytes: request.bytes(), signature: signature.clone() };
            let problem = problem_of(rogue.admit_at(node, JobId(fresh()), &signed));
            assert_eq!((problem.code.as_str(), problem.party), ("request-signature", Some(id(node))));
        }
    }
    rogue.admit(&world.sign(&honest));
}

fn a_session_of_another_researcher_takes_no_request() {
    let world = World::seeded(38);
    let rogue = Rogue::open_unasked_for(&world, SessionId(fresh()), "Ola Nordmann");
    let signed = world.sign(&rogue.request(&world.script(&format!("{IMPORTS}tabulate k"))));
    for node in ["ssb", "krg", "fhi"] {
        let problem = problem_of(rogue.admit_at(node, JobId(fresh()), &signed));
        assert_eq!((problem.code.as_str(), problem.party), ("request-differs", Some(id(node))));
    }
}

fn a_request_is_taken_once_also_after_a_restart() {
    let mut world = World::seeded(39);
    let session = SessionId(fresh());
    let signed = {
        let rogue = Rogue::open(&world, session);
        let signed = world.sign(&rogue.request(&world.script(&format!("{IMPORTS}tabulate k"))));
        rogue.admit(&signed);
        for node in ["ssb", "krg", "fhi"] {
            let problem = problem_of(rogue.admit_at(node, JobId(fresh()), &signed));
            assert_eq!(problem.code, "request-replayed", "{node}");
        }
        signed
    };
    for node in ["ssb", "krg", "fhi"] {
        world.restart_node(node);
    }
    // A session of the same name, which the nodes do not know any more.
    let rogue = Rogue::open_unasked(&world, session);
    for node in ["ssb", "krg", "fhi"] {
        let problem = problem_of(rogue.admit_at(node, JobId(fresh()), &signed));
        assert_eq!(problem.code, "request-replayed", "{node}");
    }
}

fn a_session_with_an_invented_node_is_refused_by_every_node() {
    let world = World::seeded(35);
    let everybody = Rogue::everybody(&world);
    let with = |extra: &str| everybody.iter().cloned().chain([id(extra)]).collect::<Vec<_>>();
    let without_me =
        |me: &str| everybody.iter().filter(|node| node.as_str() != me).cloned().collect::<Vec<_>>();
    for node in ["ssb", "krg", "fhi"] {
        for linking in [with("spy"), with("broker"), with("platform"), with("ssb"), without_me(node)] {
            let offer = Rogue::offer_of(SessionId(fresh()), linking.clone(), Rogue::releases(&world));
            let problem = problem_of(world.wait(world.as_broker(node).open_session(&offer)));
            assert_eq!(
                (problem.code.as_str(), problem.party),
                ("not-on-the-roster", Some(id(node))),
                "{linking:?}"
            );
        }
        assert!(world.node(node).node.sessions.is_empty(), "nothing is left of it at {node}");
    }
}

fn a_broker_cannot_ask_for_what_was_not_granted_or_under_looser_rules() {
    let world = World::seeded(36);
    let rogue = Rogue::open(&world, SessionId(fresh()));
    let offered = rogue.offer(&world.script(&format!("{IMPORTS}tabulate k s\ntabulate b")));
    let ssb = world.as_broker("ssb");
    let ended = |order| code_of(&world.wait(crate::rogue::work(&*ssb, &order)));
    // Not offered; no such question; a table before the floor of its population.
    let mut order = rogue.order(&offered, AttemptId(fresh()), 0);
    order.job = kobling_model::JobId(fresh());
    assert_eq!(ended(order), "broken-protocol");
    assert_eq!(ended(rogue.order(&offered, AttemptId(fresh()), 9)), "broken-protocol");
    assert_eq!(ended(rogue.order(&offered, AttemptId(fresh()), 1)), "broken-protocol");
    // Looser rules, each number in turn, and none at all.
    let own = offered.rules[0].clone();
    let looser = [
        Rules { population_units_min: 10, ..own.clone() },
        Rules { small_cell_units_max: 0, ..own.clone() },
        Rules { small_cells_percent_max: 100, ..own.clone() },
    ];
    for rules in looser {
        let mut order = rogue.order(&offered, AttemptId(fresh()), 0);
        order.rules = vec![rules];
        assert_eq!(ended(order), "refused-by-owner");
    }
    let mut order = rogue.order(&offered, AttemptId(fresh()), 0);
    order.rules = Vec::new();
    assert!(["refused-by-owner", "broken-protocol", "invalid-message"].contains(&ended(order).as_str()));
    // Another plan than the script's.
    let text = world.script(&format!("{IMPORTS}tabulate k"));
    let offer = kobling_broker::roster::JobOffer {
        session: rogue.session,
        job: rogue.admit(&world.sign(&rogue.request(&text))),
        catalogue: Arc::new(world.catalogue()),
        plan: offered.plan.hash(),
    };
    assert_eq!(problem_of(world.wait(ssb.offer(&offer))).code, "plan-differs");
    // A catalogue in which ssb's code list is another one.
    let mut catalogue = world.catalogue();
    let datastore =
        catalogue.datastores.iter_mut().find(|datastore| datastore.owner == id("ssb")).expect("there");
    datastore.variables[0].title.push('!');
    let plan = kobling_script::plan(&text, &catalogue).expect("a plan").hash();
    let job = rogue.admit(&world.sign(&rogue.request(&text)));
    let offer = kobling_broker::roster::JobOffer { job, catalogue: Arc::new(catalogue), plan, ..offer };
    assert_eq!(problem_of(world.wait(ssb.offer(&offer))).code, "plan-differs");
}
