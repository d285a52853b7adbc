//! Attack 21: salt or canonical form differs between nodes.
//!
//! Somebody changes a salt contribution on the way, or a node has another canonical form. Tries to break: canaries. Bound: an error that
//! says so each time, never an empty table.

use kobling_proto::convert::problem::problem_of as problem_of_status;
use kobling_proto::platform::v1::JobState;

use super::Measure;
use super::lab::{IMPORTS, Lab};
use crate::tap::{Rewriter, is_session_link};
use crate::world::{JobResult, World, id};

/// 21.
pub(super) fn run(lab: &Lab) -> Vec<Measure> {
    vec![
        lab.claims("another salt", &[a_salt_that_differs_is_an_error_that_says_so_and_never_an_empty_table]),
        lab.claims("another canonical form", &[a_canonical_form_that_differs_is_an_error_that_says_so]),
        lab.claims(
            "other federation secrets",
            &[federation_secrets_that_differ_are_noticed_before_a_session_opens],
        ),
    ]
}

fn a_salt_that_differs_is_an_error_that_says_so_and_never_an_empty_table() {
    let world = World::seeded(37);
    let question = world.script(&format!("{IMPORTS}tabulate k s, missing"));
    let rewriter = Rewriter::default();
    world.tap.on_frame(move |from, to, link, frame| {
        if *from == id("krg") && *to == id("ssb") && is_session_link(link) {
            rewriter.pass(from, to, frame, |step, body| {
                if step == "session/salt" {
                    body[7] ^= 0x10;
                }
            });
        }
    });
    let session = world.new_session();
    let result = world.run_in(&session, &question);
    assert_misaligned(&world, &session, &result);
    world.tap.hands_off();
    world.new_session();
    world.check(&question);
}

fn a_canonical_form_that_differs_is_an_error_that_says_so() {
    let world = World::seeded(38);
    let question = world.script(&format!("{IMPORTS}tabulate k s, missing"));
    // Tokens of another form of the same identities: each is another one, all of krg's.
    world.tap.on_tokens(|owner, tokens| {
        if *owner == id("krg") {
            tokens.iter_mut().for_each(|token| token[15] ^= 0x55);
            tokens.sort_unstable();
        }
    });
    let session = world.new_session();
    let result = world.run_in(&session, &question);
    assert_misaligned(&world, &session, &result);
}

fn assert_misaligned(world: &World, session: &str, result: &JobResult) {
    assert_eq!((result.state(), result.tables.len()), (JobState::Failed, 0), "{:?}", result.job);
    let problem = result.problem();
    assert_eq!((problem.code.as_str(), problem.step.as_str()), ("misaligned", "link"), "{problem:?}");
    assert!(["ssb", "krg", "fhi"].contains(&problem.party.as_str()), "{problem:?}");
    // The session is over, everywhere; nothing of the table was computed.
    let again = world.submit(session, "again", "require no.ssb.fdb:1 as ssb");
    assert_eq!(again.expect_err("over").code(), tonic::Code::FailedPrecondition);
    assert!(!world.tap.messages().iter().any(|message| message.step().starts_with("product/")));
    for node in &world.federation.nodes {
        let closed = || world.node(node.id.as_str()).node.sessions.is_empty();
        assert!(world.soon(closed), "{} still has the session", node.id);
    }
}

fn federation_secrets_that_differ_are_noticed_before_a_session_opens() {
    let world = World::seeded(39);
    let rewriters = [Rewriter::default(), Rewriter::default()];
    world.tap.on_frame(move |from, to, link, frame| {
        let pairs = [("krg", "ssb"), ("ssb", "krg")];
        let way = pairs.iter().position(|(of, at)| from.as_str() == *of && to.as_str() == *at);
        if let (Some(way), true) = (way, is_session_link(link)) {
            rewriters[way].pass(from, to, frame, |step, body| {
                if step == "session/secrets" {
                    body[0] ^= 1;
                }
            });
        }
    });
    let refused = world.open_session().expect_err("refused");
    let problem = problem_of_status(&refused, &id("broker"), "open-session");
    assert_eq!(problem.code, "secrets-differ", "{problem:?}");
    assert!(["ssb", "krg"].contains(&problem.party.as_str()), "{problem:?}");
}
