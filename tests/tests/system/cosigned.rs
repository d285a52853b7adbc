//! A party whose log other parties have not cosigned, or know otherwise, answers nothing.

use std::fs;
use std::future::poll_fn;
use std::path::Path;
use std::time::Duration;

use kobling_audit::agreement::{Seen, beside, witnessed};
use kobling_audit::cosigning::Terms;
use kobling_audit::verify;
use kobling_audit::verify::HeadMismatch;
use kobling_model::OwnerId;
use kobling_proto::platform::v1::JobState;
use kobling_tests::registers::{Mix, standard};
use kobling_tests::world::{World, id};

use tonic::body::Body;
use tonic::codegen::{Service, http};
use tonic::transport::Channel;

use super::many_owners::with_a_fourth;
use super::script;

const TABLE: &str = "import ssb/KJOENN as k\ntabulate k";

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let place = to.join(entry.file_name());
        match entry.file_type().expect("a kind").is_dir() {
            true => copy(&entry.path(), &place),
            false => drop(fs::copy(entry.path(), place).expect("copied")),
        }
    }
}

fn put_back(from: &Path, to: &Path) {
    fs::remove_dir_all(to).expect("removed");
    copy(from, to);
}

#[test]
fn every_party_cosigns_the_logs_of_all_others() {
    let world = World::seeded(141);
    world.check(&script(&world, TABLE));
    let roster = &world.federation;
    for party in roster.parties() {
        let folder = world.log_folder(party.id.as_str());
        let others = || roster.parties().filter(|other| other.id != party.id);
        // Within seconds of the last entry.
        let all = || {
            let log = verify(&folder).expect("whole");
            let whole = |seen: Seen| matches!(seen, Seen::Same(cosigned) if cosigned.head == log.head());
            let beside = beside(&folder, &log, roster).expect("readable");
            let kept = |witness: &OwnerId| {
                let place = world.log_folder(witness.as_str());
                witnessed(&place, witness, &log, roster).expect("readable")
            };
            beside.into_iter().all(|(_, seen)| whole(seen)) && others().all(|other| whole(kept(&other.id)))
        };
        assert!(world.soon(all), "the log of {} is not cosigned by all", party.id);
    }
}

#[test]
fn a_node_whose_log_was_put_back_answers_nothing_and_its_auditors_see_it() {
    let mut world = World::of(standard(Mix::of(142))).found();
    let question = script(&world, TABLE);
    let before = world.check(&question).bytes();
    let kept = tempfile::tempdir().expect("a folder");
    let (earlier, later) = (kept.path().join("earlier"), kept.path().join("later"));
    let folder = world.log_folder("krg");

    world.stop_node("krg");
    copy(&folder, &earlier);
    world.start_stopped("krg");
    // krg is second worker, and records the question.
    assert_eq!(world.check(&question).bytes(), before);
    let cosigned = || {
        let log = verify(&folder).expect("whole");
        let seen = witnessed(&world.log_folder("ssb"), &id("ssb"), &log, &world.federation);
        matches!(seen.expect("readable"), Seen::Same(seen) if seen.head == log.head())
    };
    assert!(world.soon(cosigned), "krg's log is not cosigned");
    world.stop_node("krg");
    copy(&folder, &later);
    put_back(&earlier, &folder);
    world.start_stopped("krg");
    let refused = world.open_session().expect_err("krg must not answer");
    assert!(refused.message().contains("the node of krg answers nothing"), "{refused:?}");
    assert!(refused.message().contains("older than what"), "{refused:?}");

    // What ssb has cosigned is in its own folder, out of krg's reach.
    let log = verify(&folder).expect("whole by itself");
    let seen = witnessed(&world.log_folder("ssb"), &id("ssb"), &log, &world.federation).expect("readable");
    assert!(matches!(seen, Seen::Differs(HeadMismatch::Shorter, _)), "{seen:?}");

    world.stop_node("krg");
    put_back(&later, &folder);
    world.start_stopped("krg");
    assert_eq!(world.check(&question).bytes(), before);
    let (_, findings) = world.reconciled();
    assert!(findings.is_empty(), "{findings:?}");
}

#[test]
fn a_broker_whose_log_was_put_back_answers_nothing() {
    let mut world = World::seeded(143);
    let question = script(&world, TABLE);
    let kept = tempfile::tempdir().expect("a folder");
    let (earlier, folder) = (kept.path().join("earlier"), world.log_folder("broker"));
    world.check(&question);
    world.stop_broker();
    copy(&folder, &earlier);
    world.start_stopped_broker();
    world.check(&question);
    let cosigned = || {
        let log = verify(&folder).expect("whole");
        let seen = witnessed(&world.log_folder("fhi"), &id("fhi"), &log, &world.federation);
        matches!(seen.expect("readable"), Seen::Same(seen) if seen.head == log.head())
    };
    assert!(world.soon(cosigned), "the broker's log is not cosigned");
    world.stop_broker();
    put_back(&earlier, &folder);
    world.start_stopped_broker();
    let refused = world.open_session().expect_err("the broker must not answer");
    assert!(refused.message().contains("the broker answers nothing"), "{refused:?}");
    assert!(refused.message().contains("older than what"), "{refused:?}");
}

#[test]
fn a_witness_that_is_away_for_long_stops_all_answers_unless_fewer_are_enough() {
    let age_max = Duration::from_secs(2);
    for (cosignatures_min, goes_on) in [(None, false), (Some(3), true)] {
        let mut world = with_a_fourth(144).cosigning(Terms { cosignatures_min, age_max }).found();
        // npr owns nothing of this question, and neither computes nor deals.
        let question = format!("require no.ssb.fdb:1 as ssb\ncreate-dataset d\n{TABLE}\n");
        let asker = ["Kari Nordmann", "UiB", "Kreft og utdanning"];
        let session = world.open_session_over(asker, &["no.ssb.fdb:1"]).expect("all are there");
        world.stop_node("npr");
        if goes_on {
            // Longer than any entry may wait.
            std::thread::sleep(2 * age_max);
            let answered = || world.run_in_as(asker, &session, &question).state() == JobState::Done;
            assert!(world.soon(answered), "three of four witnesses are enough");
            continue;
        }
        let refused = || {
            let problem = world.run_in_as(asker, &session, &question).problem();
            problem.code == "not-cosigned" && problem.message.contains("npr has not cosigned")
        };
        assert!(world.soon(refused), "npr's cosignatures are missing");
        world.start_stopped("npr");
        let answered = || world.run_in_as(asker, &session, &question).state() == JobState::Done;
        assert!(world.soon(answered), "npr cosigns again");
    }
}

#[test]
fn a_witness_answers_nodes_and_the_broker_alone() {
    let world = World::seeded(145);
    let status = |mut channel: Channel, method: http::Method, body: &'static str| {
        world.wait(async move {
            let request = http::Request::builder().method(method).uri("/add-checkpoint");
            let request = request.body(Body::new(body.to_owned())).expect("a request");
            poll_fn(|context| channel.poll_ready(context)).await.expect("connected");
            channel.call(request).await.expect("answered").status().as_u16()
        })
    };
    let post = http::Method::POST;
    assert_eq!(status(world.platform(), post.clone(), ""), 403, "the platform at the broker");
    assert_eq!(status(world.dial_as_broker("ssb"), post.clone(), ""), 400, "nothing is asked for");
    let unknown = "old 0\n\nkobling/nobody\n1\nAAAA\n\n\u{2014} kobling/nobody AAAAAAAA\n";
    assert_eq!(status(world.dial_as_broker("ssb"), post.clone(), unknown), 404, "nobody's log");
    let forged = "old 0\n\nkobling/krg\n1\nzPBaFn3Kw0O+lmIRHR65RqkCkVVgMHWCbFGgcKQVaCE=\n\n\u{2014} kobling/krg AAAAAAAA\n";
    assert_eq!(status(world.dial_as_broker("ssb"), post, forged), 403, "not krg's signature");
    assert_eq!(status(world.dial_as_broker("ssb"), http::Method::GET, ""), 405);
}
