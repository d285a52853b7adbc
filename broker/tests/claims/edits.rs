//! An edit that is not carried out: the job goes on with the plan that follows from it.

use kobling_broker::store::{JobEvent, JobState, Warning};
use kobling_model::record::{Event, Outcome};
use kobling_model::rules;

use super::support::{Faults, ONE_OWNER, World, owner, problem_code, run};

/// The population, an edit, a table of what is left.
const EDITED: &str = "\
require no.ssb.fdb:1 as fdb
create-dataset people
import fdb/KJOENN as kjoenn
drop if kjoenn == \"1\"
replace kjoenn = \"1\" if kjoenn == \"2\"
tabulate kjoenn
";

fn without(edits: &[u32]) -> Faults {
    Faults { not_carried_out: edits.to_vec(), ..Faults::default() }
}

#[tokio::test]
async fn a_job_goes_on_without_an_edit_and_tells_the_researcher() {
    let world = World::with(without(&[1]));
    let broker = world.broker().await;
    let (job, events) = run(&broker, EDITED).await;
    assert_eq!((job.state, job.tables), (JobState::Done, 1), "{:?}", job.problem);
    let rule = rules::Warning::EditNotCarriedOut;
    let warning = Warning { line: 4, code: rule.code().into(), message: rule.to_string() };
    assert_eq!(job.warnings, std::slice::from_ref(&warning));
    assert!(events.contains(&JobEvent::Warning(warning)));
    // It is on record before anybody is told, and all parties have the new plan before the next question.
    let happened = world.happened();
    let place = |what: &str| happened.iter().position(|it| it == what).unwrap_or_else(|| panic!("{what}"));
    let openings: Vec<usize> = (0..happened.len()).filter(|at| happened[*at] == "record opening").collect();
    assert!(place("record notcarriedout") < place("revise ssb"));
    assert!(
        place("revise ssb") < openings[2]
            && happened.iter().filter(|it| it.starts_with("revise")).count() == 2
    );
    // Records name the plan in force: the first two questions the first, the others the second.
    let records = world.records.lock().expect("lock");
    let plans: Vec<_> = (records.iter())
        .filter_map(|event| match event {
            Event::Opening(execution) => Some(execution.plan),
            _ => None,
        })
        .collect();
    assert!(plans[0] == plans[1] && plans[1] != plans[2] && plans[2] == plans[3]);
    assert_eq!(job.plan, Some(plans[0]));
}

#[tokio::test]
async fn each_edit_that_is_not_carried_out_has_a_warning_of_its_own_in_script_order() {
    let world = World::with(without(&[1, 2]));
    let broker = world.broker().await;
    let (job, _) = run(&broker, EDITED).await;
    assert_eq!(job.state, JobState::Done);
    assert_eq!(job.warnings.iter().map(|warning| warning.line).collect::<Vec<_>>(), [4, 5]);
    let none = World::new();
    let broker = none.broker().await;
    let (job, _) = run(&broker, EDITED).await;
    assert!(job.warnings.is_empty() && none.happened().iter().all(|it| !it.starts_with("revise")));
}

#[tokio::test]
async fn workers_that_disagree_about_an_edit_end_the_job_and_no_other_question_can_end_so() {
    let world = World::with(Faults { other_outcome: Some(owner("ssb")), ..without(&[1]) });
    let broker = world.broker().await;
    let (job, _) = run(&broker, EDITED).await;
    assert_eq!((job.state, problem_code(&job), job.line), (JobState::Failed, "disagreement", 4));
    assert!(!world.outcomes().iter().any(|outcome| matches!(outcome, Outcome::NotCarriedOut { .. })));
    for question in [0, 1] {
        let world = World::with(without(&[question]));
        let broker = world.broker().await;
        let (job, _) = run(&broker, ONE_OWNER).await;
        assert_eq!((job.state, problem_code(&job)), (JobState::Failed, "disagreement"), "{question}");
    }
}

#[tokio::test]
async fn without_a_record_of_the_outcome_nobody_is_told_of_it() {
    let outcome: fn(&Event) -> bool =
        |event| matches!(event, Event::Outcome { outcome: Outcome::NotCarriedOut { .. }, .. });
    let world = World::with(Faults { unrecorded: Some(outcome), ..without(&[1]) });
    let broker = world.broker().await;
    let (job, _) = run(&broker, EDITED).await;
    assert_eq!((job.state, problem_code(&job)), (JobState::Failed, "unrecorded"));
    assert!(job.warnings.is_empty() && !world.happened().iter().any(|it| it.starts_with("revise")));
}
