//! `kobling demo`: a whole federation on this machine, for one question.
//!
//! 1. Registers of people who do not exist, in the dataset format, one folder for each of three owners.
//! 2. Keys, certificates of four parties and the platform, each under an authority of its own, and the federation
//!    file; each node is enrolled and lets the others in.
//! 3. Each owner imports its registers.
//! 4. Three nodes and a broker start as processes of their own. Each is handed a socket that listens already, so no
//!    other demo can take its port.
//! 5. The script is run as the platform runs it, and the tables are shown.
//! 6. What each party did is told from the script's plan, and the records of all four are checked.
//!
//! Children end with this process, however it ends. Nothing stays on disk, unless it is to be kept.

mod account;

use std::path::Path;

use anyhow::{Context, bail};
use kobling_model::plan::Listing;
use kobling_synth::OWNERS;
use serde_json::json;

use crate::arguments::{DemoArguments, Language};
use crate::client::{Client, JobEvent, JobState};
use crate::command::print;
use crate::command::run::{Ending, ask};
use crate::exit::Exit;
use crate::federation::parties::Parties;
use crate::federation::place::Place;
use crate::federation::{self, parties};
use crate::job::{Released, Watcher};
use crate::render::progress::Progress;
use crate::render::{self, counted, plain, refusal, whole};
use crate::script_file::Script;

/// The script that is run where none is given.
const SCRIPT: &str = include_str!("../scripts/demo.kob");
/// Name of its copy in the demo's folder.
const SCRIPT_FILE: &str = "demo.kob";

/// Runs the demo.
///
/// # Errors
/// Names the party or file concerned.
pub async fn run(arguments: DemoArguments) -> anyhow::Result<Exit> {
    let script = match &arguments.script {
        Some(path) => Script::read(path)?,
        None => Script { name: SCRIPT_FILE.to_owned(), text: SCRIPT.to_owned() },
    };
    let keep = arguments.keep.as_deref();
    federation::while_it_lasts("demo", keep, Progress::new(), async |place, parties, progress| {
        stages(&arguments, &script, place, parties, progress).await
    })
    .await
}

async fn stages(
    arguments: &DemoArguments,
    script: &Script,
    place: &Place,
    parties: &mut Parties,
    progress: &mut Progress,
) -> anyhow::Result<Exit> {
    // 1.
    progress.begin(format!("Registers of {} people who do not exist", whole(arguments.people.into())));
    let registers = place.registers();
    parties::helper("registers", place)
        .args(["registers", "--people", &arguments.people.to_string()])
        .args(["--seed", &arguments.seed.to_string()])
        .arg(&registers)
        .run()
        .await?;
    progress.done();

    // 2.
    progress.begin("Keys, certificates and the federation file");
    let ground = parties::found(place, "demo").await?;
    progress.done();

    // 3.
    let names: Vec<_> = OWNERS.iter().map(|owner| owner.owner).collect();
    progress.begin(format!("Registers imported at {}", names.join(", ")));
    parties::import_all(place).await?;
    progress.done();

    // 4.
    progress.begin("Three nodes and a broker, linked by mutual TLS");
    parties.start(place, ground)?;
    let owners: Vec<_> = OWNERS.iter().collect();
    let client = federation::ready(place, parties, &owners).await?;
    progress.done();

    // 5.
    std::fs::write(place.root().join(SCRIPT_FILE), &script.text).context("the script cannot be written")?;
    progress.begin("The script");
    let exit = question(&client, script, place, progress).await?;

    if arguments.serve && exit == Exit::DONE {
        if let Some(file) = &arguments.ready_file {
            announce(place, parties, file)?;
        }
        print(&invitation(place));
        parties.watch().await;
    }
    Ok(exit)
}

async fn question(
    client: &Client,
    script: &Script,
    place: &Place,
    progress: &mut Progress,
) -> anyhow::Result<Exit> {
    let rejected = |diagnostics: &[kobling_script::Diagnostic]| {
        eprint!("{}", script.show(diagnostics, Language::En));
        Ok(Exit::REJECTED)
    };
    let required = match kobling_script::required_datastores(&script.text) {
        Ok(required) => required,
        Err(diagnostics) => {
            progress.clear();
            return rejected(&diagnostics);
        }
    };
    let ending = ask(client, script, &required, progress, &mut Nobody).await?;
    let (plan, state, tables, warnings, problem, line) = match ending {
        Ending::Ended { plan, state, tables, warnings, problem, line } => {
            (plan, state, tables, warnings, problem, line)
        }
        Ending::Rejected(diagnostics) => {
            progress.clear();
            return rejected(&diagnostics);
        }
        Ending::RejectedByBroker(_) => bail!("broker and platform disagree about the script"),
        Ending::Interrupted(signal) => return Ok(Exit::signal(signal)),
    };
    match state {
        JobState::Done => progress.done(),
        _ => progress.clear(),
    }
    for warning in &warnings {
        let (line, told) = (warning.line, refusal::told(&warning.code, &warning.message, Language::En));
        eprintln!("kobling: {}: line {line}: warning: {told}", plain(&script.name));
    }
    for listing in &plan.listings {
        print(&format!("\n{}", render::table::listing(listing, Language::En)));
    }
    for table in &tables {
        print(&format!("\n{}", render::table::released(table, Language::En)));
    }
    if let Some(problem) = problem {
        let told = refusal::told(&problem.code, &problem.to_string(), Language::En);
        eprintln!("kobling: {}: line {line}: {told}", plain(&script.name));
    }

    // 6.
    print(&format!("\n{}", account::of(&plan, client.federation(), tables.len())));
    let records = account::check_records(place, client.federation())?;
    print(&format!("\n{}", records.text));
    Ok(match state {
        _ if !records.fit => Exit::REJECTED,
        JobState::Done => Exit::DONE,
        JobState::Refused => Exit::REFUSED,
        _ => Exit::FAILED,
    })
}

struct Nobody;

impl Watcher for Nobody {
    fn job(&mut self, _: &JobEvent) {}
    fn listing(&mut self, _: &Listing) {}
    fn table(&mut self, _: u32, _: &Released) {}
}

/// Tells programs where everything is, once everything is there.
fn announce(place: &Place, parties: &Parties, file: &Path) -> anyhow::Result<()> {
    let all: Vec<_> = parties
        .running()
        .map(|(name, pid)| json!({ "name": name, "pid": pid, "log": place.log(name) }))
        .collect();
    let content = json!({ "folder": place.root(), "platform": place.platform(), "parties": all });
    let unfinished = file.with_extension("unfinished");
    std::fs::write(&unfinished, serde_json::to_vec_pretty(&content)?)
        .and_then(|()| std::fs::rename(&unfinished, file))
        .with_context(|| format!("{} cannot be written", file.display()))
}

fn invitation(place: &Place) -> String {
    let program = std::env::current_exe()
        .map_or_else(|_| "kobling".to_owned(), |program| program.display().to_string());
    let platform = place.platform().display().to_string();
    let script = place.root().join(SCRIPT_FILE).display().to_string();
    let [ssb, krg] = ["ssb", "krg"].map(|name| {
        format!("--config {} --state {}", place.node_config(name).display(), place.state(name).display())
    });
    format!(
        "
The federation stays up until you press Ctrl-C. In another terminal, try:

  {program} catalogue list --platform {platform}
  {program} catalogue search kreft --platform {platform}
  {program} catalogue show no.krg.kreft/KRG_LOKALISASJON --platform {platform}
  {program} shell --platform {platform}
  {program} run {script} --platform {platform}
  {program} check {script} --platform {platform} --lang nb
  {program} node {ssb} status
  {program} audit show {audit} --key {key}
  {program} audit verify {all}
  {program} audit reconcile {all}

Stop the node of krg (kill its process) and run the script again; then start it anew with
  {program} node {krg} serve
",
        audit = place.audit("ssb").display(),
        key = place.auditor_key().display(),
        all = place.root().display(),
    )
}

/// `n questions`.
fn questions(number: usize) -> String {
    counted(number, "question", "questions")
}
