//! The case of one owner: what its node spends on a question, beside DataFusion alone on the same data files.
//!
//! The question is asked three times: cold, as the first that the parties are asked; in a session of its own, with nothing kept
//! from before; and once more in that session, where the owner's columns are kept. DataFusion has a process of its own
//! ([`direct`]), which makes the table twice; what it counts is what the reference counts, before any protection.
//!
//! Protection is what all parties spend from the moment a worker begins to protect a question until the next question begins or the
//! shares are combined. All else, the other parties' and the broker's part too, is held against DataFusion.

use std::time::Instant;

use anyhow::Context;
use kobling_node::direct::{Direct, DirectCell};
use kobling_synth::linked::{self, Case, LinkedConfig};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::check::Clear;
use super::meter::{Meter, Usage, cpu_seconds};
use super::report::{Report, Single, SingleRun};
use super::{Moment, Run, SEED, Stages, check, required, stand};
use crate::arguments::{BenchCase, DirectArguments};
use crate::command::print_json;
use crate::exit::Exit;
use crate::federation::VERSION;
use crate::federation::parties::{self, Parties};
use crate::federation::place::Place;
use crate::render::progress::Progress;

/// What DataFusion's process says of itself.
#[derive(Serialize, Deserialize)]
struct Said {
    cells: Vec<DirectCell>,
    cold_cpu_s: f64,
    warm_cpu_s: f64,
}

/// The hidden command: the table twice, and what each cost this process.
///
/// # Errors
/// For a file that cannot be read.
pub async fn direct(arguments: DirectArguments) -> anyhow::Result<Exit> {
    let DirectArguments { sex, birth, education, wages } = arguments;
    let direct = Direct { sex, birth, education, wages };
    let process = std::process::id();
    let cells = direct.table().await?;
    let cold_cpu_s = cpu_seconds(process)?;
    let again = direct.table().await?;
    let warm_cpu_s = cpu_seconds(process)? - cold_cpu_s;
    anyhow::ensure!(cells == again, "the same table is another when it is made again");
    print_json(&Said { cells, cold_cpu_s, warm_cpu_s })?;
    Ok(Exit::DONE)
}

/// Measures the case.
///
/// # Errors
/// As [`super::run`].
pub async fn measure(
    people: u32,
    place: &Place,
    parties: &mut Parties,
    progress: &mut Progress,
) -> anyhow::Result<Report> {
    let (name, script, case) = BenchCase::SingleOwner.parts();
    let mut stages = Stages::default();
    let config = LinkedConfig { case, people, linked: 0, seed: SEED };
    let (client, meter) = stand(config, place, parties, &mut stages, progress).await?;

    progress.begin("The question, three times");
    let required = required(script)?;
    meter.settle()?;
    let clock = Instant::now();
    let moment = |after: &Instant| -> anyhow::Result<Moment> {
        Ok(Moment { reading: meter.read()?, after: after.elapsed().as_secs_f64() })
    };
    let mut runs = Vec::new();
    let begun = moment(&clock)?;
    let session = client.open_session(&Uuid::new_v4().to_string(), &required).await?;
    let cold = Run::of(&client, &session, script, &meter, clock).await?;
    client.close_session(&session).await?;
    runs.push(Asked { name: "cold", begun, run: cold });
    let begun = moment(&clock)?;
    let session = client.open_session(&Uuid::new_v4().to_string(), &required).await?;
    let warm = Run::of(&client, &session, script, &meter, clock).await?;
    runs.push(Asked { name: "new-session", begun, run: warm });
    let begun = moment(&clock)?;
    let kept = Run::of(&client, &session, script, &meter, clock).await?;
    client.close_session(&session).await?;
    runs.push(Asked { name: "same-session", begun, run: kept });
    progress.done();

    let mut asked = Vec::new();
    for of in &runs {
        let all = of.all(&meter);
        let protection = of.protection(&meter);
        asked.push((of.name, total(&all), total(&protection)));
        stages.add(of.name, of.run.ended.after - of.begun.after, Some(all));
    }
    let [cold, ..] = &runs[..] else { unreachable!("three runs were pushed") };
    let parties = cold.all(&meter);
    let bytes = meter.between_nodes(&cold.begun.reading, &cold.run.ended.reading);

    stages.begin("direct", progress, "The same by DataFusion on the same files".to_owned());
    let said = said(place).await?;
    stages.begin("check", progress, "All tables against the reference".to_owned());
    let tables: Vec<_> = runs.iter().map(|of| &of.run.table).collect();
    let clear = Some(Clear::Direct(said.cells));
    check(&client, place, (script, case), &required, &tables, clear).await?;
    stages.end(progress);

    let runs = asked.into_iter().enumerate().map(|(at, (name, cpu_s, protection_cpu_s))| {
        let direct = if at == 0 { said.cold_cpu_s } else { said.warm_cpu_s };
        SingleRun { name, cpu_s, protection_cpu_s, ratio: (cpu_s - protection_cpu_s) / direct }
    });
    let single = Single {
        runs: runs.collect(),
        direct_cold_cpu_s: said.cold_cpu_s,
        direct_warm_cpu_s: said.warm_cpu_s,
    };
    Ok(Report {
        case: name,
        people,
        linked: 0,
        stages: stages.done,
        parties,
        bytes_per_row: bytes as f64 / f64::from(people),
        pooled_clear_cpu_s: None,
        ratio_to_pooled: None,
        single: Some(single),
    })
}

/// Runs DataFusion on the node's data files.
async fn said(place: &Place) -> anyhow::Result<Said> {
    let [owner] = linked::owners(Case::SingleOwner)[..] else { unreachable!("a case of one owner") };
    let folder = place.state(owner.owner).join("registers").join(owner.datastore).join(VERSION);
    let mut helper = parties::helper("direct", place).arg("bench-direct");
    for (option, variable) in [
        ("--sex", linked::SEX),
        ("--birth", linked::BIRTH),
        ("--education", linked::EDUCATION),
        ("--wages", linked::WAGES),
    ] {
        helper = helper.arg(option).arg(folder.join(variable).with_extension("parquet"));
    }
    serde_json::from_str(&helper.run().await?).context("DataFusion's process said something unreadable")
}

/// A run, and the account before it.
struct Asked {
    name: &'static str,
    begun: Moment,
    run: Run,
}

impl Asked {
    fn all(&self, meter: &Meter) -> Vec<Usage> {
        meter.between(&self.begun.reading, &self.run.ended.reading)
    }

    /// What all parties spent while the last thing told was that a worker protects.
    fn protection(&self, meter: &Meter) -> Vec<Usage> {
        let moments = self.run.events.iter().map(|(_, stage, _, moment)| (stage.as_str(), moment));
        let moments: Vec<_> = moments.chain([("ended", &self.run.ended)]).collect();
        let protecting = moments.windows(2).filter(|pair| pair[0].0 == "protect");
        let spent = protecting.flat_map(|pair| meter.between(&pair[0].1.reading, &pair[1].1.reading));
        spent.collect()
    }
}

fn total(usage: &[Usage]) -> f64 {
    usage.iter().map(|usage| usage.cpu_s).sum()
}
