//! Questions over three owners and more.

use kobling_model::plan::Side;
use kobling_model::record::{Event, Outcome};
use kobling_proto::platform::v1::JobState;
use kobling_tests::dice::Dice;
use kobling_tests::registers::{Dataset, Mix, Owner, people, standard};
use kobling_tests::world::{Founding, World};

use super::script;

/// Imports of all three owners under short names, the population at each in turn.
const IMPORTS: [&str; 3] = [
    "import ssb/KJOENN as k\nimport krg/STED as s\nimport fhi/DOSER 2020-06-01 as d\nimport ssb/BOSTED 2020-01-01 as b\n\
     import krg/STADIUM as t\nimport fhi/VEKT as v\nimport ssb/LONN 2021-05-01 as l\n",
    "import krg/STED as s\nimport fhi/DOSER 2020-06-01 as d\nimport ssb/KJOENN as k\nimport ssb/BOSTED 2020-01-01 as b\n\
     import krg/STADIUM as t\nimport fhi/VEKT as v\nimport ssb/LONN 2021-05-01 as l\n",
    "import fhi/VEKT as v\nimport fhi/DOSER 2020-06-01 as d\nimport krg/STED as s\nimport ssb/KJOENN as k\n\
     import ssb/BOSTED 2020-01-01 as b\nimport krg/STADIUM as t\nimport ssb/LONN 2021-05-01 as l\n",
];

#[test]
fn groupings_conditions_and_values_of_three_owners_in_any_mix_equal_the_reference() {
    let world = World::seeded(61);
    for imports in IMPORTS {
        let grouped = world.check(&script(
            &world,
            &format!("{imports}generate tung = v > 80\ntabulate k s tung, missing\ntabulate d k s\ntabulate s tung if b != \"D\""),
        ));
        assert_eq!(grouped.tables.len(), 3);
        world.check(&script(
            &world,
            &format!("{imports}tabulate k if t >= 2 & v < 100\ntabulate b if sysmiss(t) & sysmiss(d)\nkeep if v < 110 & t != 4 & k == \"1\"\ntabulate b s"),
        ));
        let summed = world.check(&script(
            &world,
            &format!(
                "{imports}tabulate k s if v > 50, summarize(l) mean std sum\ntabulate k t, summarize(v) mean std freq\n\
                 tabulate k if v > 60, summarize(t) sum mean\nsummarize v if k == \"1\" & t < 4"
            ),
        ));
        assert_eq!(summed.tables.len(), 4);
        let shown = summed.tables.iter().filter_map(|table| table.summary.as_ref());
        assert!(shown.flat_map(|summary| &summary.cells).any(Option::is_some), "a case where all is hidden");
    }
}

#[test]
fn a_table_has_the_same_noise_however_many_owners_it_takes_to_say_it() {
    let world = World::seeded(62);
    let cells = |rest: &str| {
        let ran = world.check(&script(&world, &format!("{}{rest}", IMPORTS[0])));
        ran.tables.last().expect("a table").cells.clone()
    };
    let two = cells("tabulate k s, missing");
    // A condition of the third owner's that always holds.
    assert_eq!(cells("tabulate k s if v > 0 | sysmiss(v), missing"), two);
}

/// The registers of three owners, and of a fourth.
pub fn with_a_fourth(seed: u64) -> Founding {
    let mut owners = standard(Mix::of(seed));
    let mut dice = Dice::seeded(seed);
    let rows = people(seed, 2400).into_iter().filter_map(|person| {
        let value = dice.one(&["N", "S", "V"]).to_string();
        dice.percent(70).then(|| [person, value, String::new(), String::new()])
    });
    let dataset = Dataset {
        name: "REGION",
        temporality: "FIXED",
        data_type: "STRING",
        codes: &["N", "S", "V"],
        sentinels: &[],
        rows: rows.collect(),
    };
    owners.push(Owner { id: "npr", datastore: "no.npr.region", datasets: vec![dataset] });
    World::of(owners)
}

#[test]
fn a_fourth_owner_takes_part_as_the_third_does() {
    let world = with_a_fourth(63).found();
    let requires = "require no.ssb.fdb:1 as ssb\nrequire no.krg.kreft:1 as krg\nrequire no.fhi.helse:1 as fhi\nrequire no.npr.region:1 as npr\n\
                    create-dataset d\n";
    let body = "import ssb/KJOENN as k\nimport npr/REGION as r\nimport krg/STED as s\nimport fhi/VEKT as v\n\
                tabulate k r s if v > 50 | sysmiss(v)\ntabulate k r, summarize(v) mean\ntabulate r s if k == \"1\" & v < 100\n";
    let plan = world.plan(&format!("{requires}{body}"));
    assert_eq!(plan.questions[1].others.len(), 2);
    let ran = world.check(&format!("{requires}{body}"));
    assert_eq!(ran.tables.len(), 3);
    let (_, findings) = world.reconciled();
    assert!(findings.is_empty(), "{findings:?}");
    assert_eq!(world.ledger.lock().expect("not poisoned").reuses(), 0);
}

#[test]
fn an_owner_that_shares_records_that_it_did_and_nothing_of_the_outcome() {
    let world = World::seeded(64);
    let asked = script(&world, &format!("{}tabulate k s if v > 60", IMPORTS[0]));
    world.check(&asked);
    let question = world.plan(&asked).questions.last().cloned().expect("a question");
    assert!(question.fragment(Side::Other(0)).is_some());
    let sharing = question.sharing().next().expect("a third owner");
    let (logs, findings) = world.reconciled();
    assert!(findings.is_empty(), "{findings:?}");
    let outcomes: Vec<_> = logs[sharing]
        .entries()
        .iter()
        .filter_map(|entry| match &entry.record.event {
            Event::Outcome { outcome, .. } => Some(outcome.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(outcomes.last(), Some(&Outcome::Shared));
}

#[test]
fn an_owner_that_is_gone_is_named_and_a_job_that_is_cancelled_leaves_nothing_anywhere() {
    let mut world = World::seeded(65);
    let imports = IMPORTS[0];
    let asked = script(
        &world,
        &format!(
            "{imports}import krg/DIAGNOSE as dg\nimport ssb/FODT as f\ngenerate sen = dg - f > 14000\n{}",
            "tabulate sen d s, missing\n".repeat(6)
        ),
    );
    let running = |world: &World| {
        let session = kobling_model::SessionId::parse(&world.new_session()).expect("an id");
        let session_text = session.to_string();
        let job = world.submit(&session_text, &world.fresh_key(), &asked).expect("accepted");
        // The table is under way once its product has begun.
        let begun = || world.tap.messages().iter().any(|message| message.step().starts_with("product/sum0"));
        assert!(world.soon(begun), "the product did not begin");
        (session, job)
    };
    let nothing_runs = |world: &World, session, parties: &[&str]| {
        let idle = |party: &&str| {
            let node = &world.node(party).node;
            node.sessions.get(session, &node.me).is_ok_and(|session| !session.is_busy())
        };
        world.soon(|| parties.iter().all(idle))
    };
    let (session, job) = running(&world);
    world.cancel(&job.id);
    assert!(nothing_runs(&world, session, &["ssb", "krg", "fhi"]), "a cancelled job still runs somewhere");
    assert_eq!(world.follow(&job).state(), JobState::Cancelled);
    // And the session answers the next question.
    let next = script(&world, &format!("{imports}tabulate k s if v > 60"));
    assert!(!world.run_in(&session.to_string(), &next).tables.is_empty());

    world.tap.forget();
    let (session, job) = running(&world);
    world.stop_node("fhi");
    let ended = world.follow(&job);
    assert_eq!(ended.state(), JobState::Failed);
    assert_eq!(ended.problem().party, "fhi", "{:?}", ended.problem());
    assert!(!ended.problem().step.is_empty() && ended.tables.len() < 6);
    let forgotten = |party: &&str| {
        let node = &world.node(party).node;
        node.sessions.get(session, &node.me).map_or(true, |session| !session.is_busy())
    };
    assert!(world.soon(|| ["ssb", "krg"].iter().all(forgotten)));
    assert!(world.reconciled().1.is_empty());
}
