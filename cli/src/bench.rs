//! `kobling bench`: what a question costs, over real processes.
//!
//! 1. Registers of a stated size and overlap are written, and a federation is founded as the demo's is: three nodes and
//!    a broker, each a process of its own, over mutual TLS on loopback.
//! 2. The case's script is run twice in one session: once cold, so that units are linked, and once more.
//! 3. The kernel's own account of every process is read before, between and after: processor seconds, memory, and the
//!    bytes that each party counted on its sockets.
//! 4. For two owners, the same join and group-by is done in this process by DataFusion, pooled and in clear. For one, [`single`] has
//!    it done in a process of its own, on the node's own files.
//! 5. All tables are held against the plain reference, byte for byte. A benchmark of a wrong answer is none.

mod check;
mod meter;
mod report;
mod single;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, bail, ensure};
use kobling_model::DatastoreId;
use kobling_model::table::Table;
use kobling_node::pooled::{Pooled, PooledCell};
use kobling_synth::linked::{self, Case, LinkedConfig, write_linked};
use uuid::Uuid;

use crate::arguments::{BenchArguments, BenchCase};
use crate::client::{Client, JobEvent, JobState, OpenSession};
use crate::command::{print, print_json};
use crate::exit::Exit;
use crate::federation;
use crate::federation::parties::{self, Parties};
use crate::federation::place::Place;
use crate::render::progress::Progress;
use crate::render::whole;
use check::Clear;
use meter::{Meter, Reading, cpu_seconds};
use report::{Report, Stage};

pub use single::direct;

impl BenchCase {
    /// Its name in the report, its script, and the registers that it needs.
    fn parts(self) -> (&'static str, &'static str, Case) {
        match self {
            Self::LinkedTable => {
                ("linked-table", include_str!("../scripts/linked-table.kob"), Case::LinkedTable)
            }
            Self::ThreeOwners => {
                ("three-owners", include_str!("../scripts/three-owners.kob"), Case::ThreeOwners)
            }
            Self::SurvivalTime => {
                ("survival-time", include_str!("../scripts/survival-time.kob"), Case::SurvivalTime)
            }
            Self::SingleOwner => {
                ("single-owner", include_str!("../scripts/single-owner.kob"), Case::SingleOwner)
            }
            Self::Protection => ("protection", include_str!("../scripts/protection.kob"), Case::LinkedTable),
        }
    }
}

/// Decides who the people are.
const SEED: u64 = 1;

/// Runs a case and says what it cost.
///
/// # Errors
/// Names the party or file concerned; also where a table is not what the reference says.
pub async fn run(arguments: BenchArguments) -> anyhow::Result<Exit> {
    let progress = if arguments.json { Progress::quiet() } else { Progress::new() };
    let keep = arguments.keep.as_deref();
    federation::while_it_lasts("bench", keep, progress, async |place, parties, progress| {
        let report = match arguments.case {
            BenchCase::SingleOwner => single::measure(arguments.people, place, parties, progress).await?,
            _ => measure(&arguments, place, parties, progress).await?,
        };
        progress.clear();
        if arguments.json {
            print_json(&report)?;
        } else {
            print(&report.text());
        }
        Ok(Exit::DONE)
    })
    .await
}

async fn measure(
    arguments: &BenchArguments,
    place: &Place,
    parties: &mut Parties,
    progress: &mut Progress,
) -> anyhow::Result<Report> {
    let (name, script, case) = arguments.case.parts();
    let people = arguments.people;
    let linked = (f64::from(people) * arguments.overlap).round() as u32;
    let mut stages = Stages::default();

    // 1.
    let config = LinkedConfig { case, people, linked, seed: SEED };
    let (client, meter) = stand(config, place, parties, &mut stages, progress).await?;

    // 2, 3.
    progress.begin("The question, cold, then once more");
    let required = required(script)?;
    meter.settle()?;
    let begun = meter.read()?;
    let clock = Instant::now();
    let session = client.open_session(&Uuid::new_v4().to_string(), &required).await?;
    let opened = Moment { reading: meter.read()?, after: clock.elapsed().as_secs_f64() };
    let cold = Run::of(&client, &session, script, &meter, clock).await?;
    let further = Run::of(&client, &session, script, &meter, clock).await?;
    client.close_session(&session).await?;
    progress.done();
    let zero = Moment { reading: begun, after: 0.0 };
    let marks = cold.marks()?;
    let again = further.marks()?;
    for (name, from, to) in [
        ("session", &zero, &opened),
        ("population", &opened, marks.population_passed),
        ("link", marks.population_passed, marks.linked),
        ("edits", marks.linked, marks.edited),
        ("table", marks.edited, marks.ended),
        ("further-table", marks.ended, again.ended),
    ] {
        // Most cases have no edits.
        if std::ptr::eq(from, to) {
            continue;
        }
        stages.add(name, to.after - from.after, Some(meter.between(&from.reading, &to.reading)));
    }
    let protection = meter.between(&marks.protecting.reading, &marks.combining.reading);
    stages.add("protection", marks.combining.after - marks.protecting.after, Some(protection));
    let bytes = meter.between_nodes(&marks.edited.reading, &marks.ended.reading);

    // 4.
    let pooled = match arguments.case {
        BenchCase::LinkedTable => Some(pooled(place, &mut stages, progress).await?),
        _ => None,
    };
    stages.begin("check", progress, "Both tables against the reference".to_owned());

    // 5.
    let (cells, clear) = pooled.unzip();
    let clear_cells = cells.map(Clear::Pooled);
    check(&client, place, (script, case), &required, &[&cold.table, &further.table], clear_cells).await?;
    stages.end(progress);

    let parties = meter.between(&zero.reading, &marks.ended.reading);
    let cpu: f64 = parties.iter().map(|party| party.cpu_s).sum();
    Ok(Report {
        case: name,
        people,
        linked,
        stages: stages.done,
        parties,
        bytes_per_row: bytes as f64 / f64::from(people),
        pooled_clear_cpu_s: clear,
        ratio_to_pooled: clear.map(|clear| cpu / clear),
        single: None,
    })
}

/// Writes registers and runs a federation over them, up to its first question.
async fn stand(
    config: LinkedConfig,
    place: &Place,
    parties: &mut Parties,
    stages: &mut Stages,
    progress: &mut Progress,
) -> anyhow::Result<(Client, Meter)> {
    let people = whole(config.people.into());
    stages.begin("registers", progress, format!("Registers of {people} people"));
    let registers = place.registers();
    tokio::task::spawn_blocking(move || write_linked(&config, &registers)).await?.context("registers")?;
    stages.begin("import", progress, "Keys, certificates, registers imported".to_owned());
    let ground = parties::found(place, "bench").await?;
    parties::open_metrics(place)?;
    parties::import_all(place).await?;
    stages.begin("start", progress, "Three nodes and a broker".to_owned());
    parties.start(place, ground)?;
    let client = federation::ready(place, parties, &linked::owners(config.case)).await?;
    let meter = Meter::new(parties, &parties::metrics(place)?)?;
    stages.end(progress);
    Ok((client, meter))
}

/// The datastores that a case's script is about.
fn required(script: &str) -> anyhow::Result<Vec<(DatastoreId, u32)>> {
    kobling_script::required_datastores(script).map_err(|_| anyhow::anyhow!("the case's script is wrong"))
}

/// The cells of the linked table by one engine that has all in clear, and its processor seconds.
async fn pooled(
    place: &Place,
    stages: &mut Stages,
    progress: &mut Progress,
) -> anyhow::Result<(Vec<PooledCell>, f64)> {
    let owners = linked::owners(Case::LinkedTable);
    let file = |owner: usize, name: &str| -> PathBuf {
        place.registers().join(owners[owner].owner).join(name).join(name).with_extension("csv")
    };
    stages.begin("pooled-copy", progress, "The same registers pooled in clear".to_owned());
    let (left, right) = (file(0, linked::EDUCATION), file(1, linked::SITE));
    let (values, folder) = (file(0, linked::WAGES), place.root().to_owned());
    let pooled =
        tokio::task::spawn_blocking(move || Pooled::write(&left, &right, &values, &folder)).await??;
    stages.begin("pooled", progress, "The same table by one engine in clear".to_owned());
    let before = cpu_seconds(std::process::id())?;
    let cells = pooled.table().await?;
    Ok((cells, cpu_seconds(std::process::id())? - before))
}

async fn check(
    client: &Client,
    place: &Place,
    (script, case): (&str, Case),
    required: &[(DatastoreId, u32)],
    tables: &[&Table],
    clear: Option<Clear>,
) -> anyhow::Result<()> {
    let catalogue = client.catalogue_for(script, required).await?;
    let plan = kobling_script::plan(script, &catalogue)
        .map_err(|_| anyhow::anyhow!("the case's script does not fit its registers"))?;
    let files = check::Files::of(place, client.federation())?;
    let expected =
        tokio::task::spawn_blocking(move || check::expected(&plan, &files, case, clear.as_ref())).await??;
    for table in tables {
        ensure!(
            **table == expected,
            "a table is not what the reference says: the figures would mean nothing"
        );
    }
    Ok(())
}

/// Stages as they come.
#[derive(Default)]
struct Stages {
    done: Vec<Stage>,
    under_way: Option<(&'static str, Instant)>,
}

impl Stages {
    /// Ends the stage under way and begins another, by its name in the report and as people are told.
    fn begin(&mut self, name: &'static str, progress: &mut Progress, told: String) {
        self.end(progress);
        progress.begin(told);
        self.under_way = Some((name, Instant::now()));
    }

    fn end(&mut self, progress: &mut Progress) {
        if let Some((name, begun)) = self.under_way.take() {
            self.add(name, begun.elapsed().as_secs_f64(), None);
            progress.done();
        }
    }

    fn add(&mut self, name: &'static str, wall_s: f64, parties: Option<Vec<meter::Usage>>) {
        self.done.push(Stage { name, wall_s, parties });
    }
}

/// All parties' account at a time.
struct Moment {
    reading: Reading,
    /// Seconds since the session was asked for.
    after: f64,
}

/// One run of the case's script.
struct Run {
    /// What happened, and the account then: party, stage, question.
    events: Vec<(String, String, u32, Moment)>,
    ended: Moment,
    table: Table,
}

/// Where the stages of a run meet.
struct Marks<'a> {
    population_passed: &'a Moment,
    linked: &'a Moment,
    edited: &'a Moment,
    protecting: &'a Moment,
    combining: &'a Moment,
    ended: &'a Moment,
}

impl Run {
    async fn of(
        client: &Client,
        session: &OpenSession,
        script: &str,
        meter: &Meter,
        clock: Instant,
    ) -> anyhow::Result<Self> {
        let job = client.submit(session, &Uuid::new_v4().to_string(), script).await?;
        let mut events = Vec::new();
        let mut watch = client.watch(&job.id);
        while let Some(event) = watch.next().await? {
            if let JobEvent::Stage { question, party, stage, .. } = event {
                let moment = Moment { reading: meter.read()?, after: clock.elapsed().as_secs_f64() };
                events.push((party, stage, question, moment));
            }
        }
        let job = client.job(&job.id).await?;
        if let Some(problem) = job.problem {
            return Err(problem.into());
        }
        if let Some((line, column, message)) = job.diagnostics.first() {
            bail!("the case's script: {line}:{column}: {message}");
        }
        ensure!(job.state == JobState::Done && job.tables == 1, "the case's job did not end with its table");
        let table = client.table(&job.id, 0).await?;
        let ended = Moment { reading: meter.read()?, after: clock.elapsed().as_secs_f64() };
        Ok(Self { events, ended, table })
    }

    fn marks(&self) -> anyhow::Result<Marks<'_>> {
        // Question 0 is the population's, the last the table's; between them are those of edits. In a linked session the first
        // stage of a question is a worker's.
        let table = self.events.iter().map(|(_, _, question, _)| *question).max().unwrap_or(1);
        let first = |of: u32, wanted: &[&str]| {
            let found = self.events.iter().find(|(_, stage, question, _)| {
                *question == of && (wanted.is_empty() || wanted.contains(&stage.as_str()))
            });
            found.map(|(.., moment)| moment).with_context(|| format!("no party told of the stage {wanted:?}"))
        };
        Ok(Marks {
            population_passed: first(1, &[])?,
            linked: first(1, &["extract"])?,
            edited: first(table, &["extract"])?,
            protecting: first(table, &["protect"])?,
            combining: first(table, &["combine"])?,
            ended: &self.ended,
        })
    }
}
