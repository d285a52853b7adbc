//! The commands of a node, for `kobling node …` and `kobling-node` alike.

mod policy;

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};
use kobling_model::plan::Release;
use kobling_model::{DatastoreId, OwnerId, VariableName, Version};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::config::Config;
use crate::cosigning::contradiction;
use crate::operate::{self, OperateError, Step};
use crate::operator::commands::{self, Stopping};
use crate::register::{DraftItem, ImportError, ImportReport, RegisterStore};
use crate::serve::{self, RunningNode, StartOptions};
use crate::state::StateDir;
use crate::status;

/// A node of a data owner.
#[derive(Debug, Args)]
pub struct NodeArgs {
    /// Configuration file; `init` writes it. Every command but `policy check FILE` needs it.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder with everything the node keeps. Every command but `policy check` needs it.
    #[arg(long, global = true, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: NodeCommand,
}

/// What to do with a node.
#[derive(Debug, Subcommand)]
pub enum NodeCommand {
    /// Make keys, a certificate request, a policy, a configuration file and empty state.
    Init {
        /// The node's short name, such as `ssb`.
        #[arg(long, value_parser = owner)]
        owner: OwnerId,
        /// Address to listen on.
        #[arg(long)]
        listen: SocketAddr,
        /// A configuration file whose other settings the new one takes over.
        #[arg(long, value_name = "FILE")]
        like: Option<PathBuf>,
    },
    /// Pin a federation file and draw this node's part of the federation secrets.
    Enrol {
        /// The federation file.
        federation: PathBuf,
    },
    /// Let another node in.
    #[command(subcommand)]
    Peer(PeerCommand),
    /// Import a release of a datastore, or a draft of one: a folder of dataset folders.
    Import {
        /// Folder that holds one folder NAME with NAME.csv and NAME.json for each variable.
        folder: PathBuf,
        /// The datastore's name, such as `no.ssb.fdb`.
        #[arg(long, value_parser = datastore)]
        datastore: DatastoreId,
        /// Make a release in one step, of these datasets and no others, under this version, such as `1.0.0`.
        #[arg(long, required_unless_present = "draft")]
        version: Option<Version>,
        /// Put the datasets into the draft of the next release; `release` has the steps that follow.
        #[arg(long, conflicts_with = "version")]
        draft: bool,
        /// Print the report as JSON.
        #[arg(long)]
        json: bool,
    },
    /// From a draft to the next release.
    Release {
        /// The datastore's name, such as `no.ssb.fdb`.
        #[arg(long, value_parser = datastore)]
        datastore: DatastoreId,
        /// Print as JSON.
        #[arg(long)]
        json: bool,
        /// Which step.
        #[command(subcommand)]
        command: ReleaseCommand,
    },
    /// Answer questions until told to stop.
    Serve {
        /// Listen on the socket handed over as standard input.
        #[arg(long)]
        listen_stdin: bool,
        /// Stop when the process that started this one ends, however it ends.
        #[arg(long)]
        end_with_parent: bool,
    },
    /// Stop at once: answer nothing and end what runs, until `resume`. Works while the node serves, and while it does not.
    Stop {
        /// Why, for the audit log.
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Answer again after `stop`.
    Resume,
    /// Erase a record of this node's audit log, for good. The log tells that and why, and verifies still; what the record said is
    /// gone, for auditors too. Works while the node serves, and while it does not.
    Erase {
        /// The record's place in the log, from 0, as `kobling audit show` names it.
        entry: u64,
        /// Why, for the audit log.
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// The owner's policy: is it sound, what would a script come to, put it in force.
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Print the public metadata of this node's releases as JSON, for `policy explain` at another owner.
    Catalogue,
    /// Say that this machine's clock is right now, although it has shown a later time: requests are taken again. The node must not run.
    TrustClock,
    /// Who am I, what do I have, who answers, what was asked last.
    Status {
        /// Print as JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Steps from a draft to a release.
#[derive(Debug, Subcommand)]
pub enum ReleaseCommand {
    /// What is in the draft.
    List,
    /// Let drafts be released by the next bump.
    Pending {
        /// Variables.
        #[arg(required = true, value_parser = variable)]
        names: Vec<VariableName>,
        /// Let these variables be removed from the datastore instead.
        #[arg(long)]
        delete: bool,
    },
    /// One step back: from pending to draft, from draft to nothing.
    Withdraw {
        /// Variables.
        #[arg(required = true, value_parser = variable)]
        names: Vec<VariableName>,
    },
    /// Release what is pending, under the version that follows from it.
    Bump,
}

/// Commands about the owner's policy.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Say everything that is wrong with a policy. Exit code 0 where nothing is, else 1.
    ///
    /// With --config and --state, names are held against the node's registers and federation file.
    Check {
        /// The policy; without it, the one that the configuration names.
        file: Option<PathBuf>,
    },
    /// Say of each question of a script whether it would be answered here, and by which rule not. Exit code 2 where one would not.
    Explain {
        /// The script.
        script: PathBuf,
        /// Institution of who asks.
        #[arg(long, value_name = "TEXT")]
        institution: String,
        /// What the answers are wanted for.
        #[arg(long, value_name = "TEXT")]
        purpose: String,
        /// Releases of other owners, as `kobling node catalogue` or `kobling catalogue show … --json` prints them.
        #[arg(long, value_name = "FILE")]
        catalogue: Vec<PathBuf>,
        /// A policy in place of the one that the configuration names.
        #[arg(long, value_name = "FILE")]
        policy: Option<PathBuf>,
        /// Print as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Put the policy in force that the file says now, in the node that serves. SIGHUP does the same.
    Reload,
}

/// Commands about peers.
#[derive(Debug, Subcommand)]
pub enum PeerCommand {
    /// Let a node of the roster in.
    Accept {
        /// Its name.
        #[arg(value_parser = owner)]
        name: OwnerId,
    },
}

fn owner(text: &str) -> Result<OwnerId, String> {
    OwnerId::new(text).map_err(|error| error.to_string())
}

fn datastore(text: &str) -> Result<DatastoreId, String> {
    DatastoreId::new(text).map_err(|error| error.to_string())
}

fn variable(text: &str) -> Result<VariableName, String> {
    VariableName::new(text).map_err(|error| error.to_string())
}

/// The command line does not say which node.
#[derive(Debug, thiserror::Error)]
#[error("say which node: {option} is missing")]
pub struct Missing {
    option: &'static str,
}

/// Runs a command.
///
/// # Errors
/// One line for the operator, with what to do.
pub async fn run(args: NodeArgs) -> anyhow::Result<ExitCode> {
    let NodeArgs { config, state, command } = args;
    if let NodeCommand::Policy(command) = command {
        return policy::run(config, state, command).await;
    }
    let config = config.ok_or(Missing { option: "--config FILE" })?;
    let state = StateDir::new(state.ok_or(Missing { option: "--state DIR" })?);
    if let NodeCommand::Init { owner, listen, like } = &command {
        return init(&config, &state, owner, *listen, like.as_deref());
    }
    let config = Config::load(&config)?;
    match command {
        NodeCommand::Init { .. } | NodeCommand::Policy(_) => {}
        NodeCommand::Enrol { federation } => {
            let federation = operate::enrol(&config, &state, &federation)?;
            println!("{} is enrolled in {}", config.owner, federation.name);
        }
        NodeCommand::Peer(PeerCommand::Accept { name }) => {
            operate::accept(&config, &state, &name)?;
            println!("{name} is let in by {}", config.owner);
        }
        NodeCommand::Import { folder, datastore, version, draft: _, json } => {
            return import(&config, &state, folder, datastore, version, json).await;
        }
        NodeCommand::Release { datastore, json, command } => {
            let work = move || release(&config, &state, &datastore, &command, json);
            tokio::task::spawn_blocking(work).await.context("the release stopped")??;
        }
        NodeCommand::Serve { listen_stdin, end_with_parent } => {
            if end_with_parent {
                end_with_parent_process()?;
            }
            let listener = if listen_stdin { Some(listener_from_stdin()?) } else { None };
            let options = StartOptions { listener, ..StartOptions::default() };
            let mut hangups = signal(SignalKind::hangup())?;
            let mut running = serve::start(config, state, options).await?;
            let mut couriers = std::mem::take(&mut running.couriers);
            let ended = tokio::select! {
                told = told_to_stop(&running, &mut hangups) => told,
                contradiction = contradiction(&mut couriers) => Err(anyhow::anyhow!(
                    "the node stops: {contradiction}; the guide for operators says what to do (log-older, log-differs)"
                )),
            };
            running.stop().await;
            ended?;
        }
        NodeCommand::Stop { reason } => return stop(&config, &state, &reason).await,
        NodeCommand::Resume => match commands::resume(&config, &state).await? {
            true => println!("{} answers again, and its audit log says so", config.owner),
            false => println!("{} was not stopped", config.owner),
        },
        NodeCommand::Erase { entry, reason } => {
            let told_at = commands::erase(&config, &state, entry, &reason).await?;
            println!(
                "the record {entry} is erased; entry {told_at} of the audit log of {} says so",
                config.owner
            );
        }
        NodeCommand::Catalogue => {
            let store = RegisterStore::open(state.root())?;
            println!("{}", serde_json::to_string_pretty(&store.catalogue())?);
        }
        NodeCommand::TrustClock => {
            if operate::trust_clock(&config, &state)? {
                println!("{} takes requests by this clock from now on; that is recorded", config.owner);
            } else {
                println!("the clock is not behind any time it has shown; nothing was changed");
            }
        }
        NodeCommand::Status { json } => {
            let status = status::status(&config, &state).await?;
            if json {
                println!("{}", serde_json::to_string_pretty(&status)?);
            } else {
                println!("{status}");
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn init(
    config: &Path,
    state: &StateDir,
    owner: &OwnerId,
    listen: SocketAddr,
    like: Option<&Path>,
) -> anyhow::Result<ExitCode> {
    let made = match like {
        None => operate::init(config, state, owner, listen)?,
        Some(path) => {
            let like = std::fs::read_to_string(path)
                .with_context(|| format!("{} cannot be read", path.display()))?;
            operate::init_like(&like, path, config, state, owner, listen)?
        }
    };
    println!("signing_key = \"{}\"", made.signing_key);
    println!("certificate_request = {:?}", made.certificate_request);
    println!("certificate = {:?}", made.certificate);
    Ok(ExitCode::SUCCESS)
}

/// Stopped in any case; a stop that the log does not tell of fails the command all the same.
async fn stop(config: &Config, state: &StateDir, reason: &str) -> anyhow::Result<ExitCode> {
    let Stopping { already, unrecorded } = commands::stop(config, state, reason).await?;
    match already {
        Some(_) => println!("{} was stopped already", config.owner),
        None => println!("{} is stopped: it answers nothing, and nothing runs", config.owner),
    }
    match unrecorded {
        None => {
            println!("the audit log says so; `resume` lets it answer again");
            Ok(ExitCode::SUCCESS)
        }
        Some(why) => {
            anyhow::bail!("{} is stopped, but the audit log does not say so yet: {why}", config.owner)
        }
    }
}

/// Without a version into the draft.
async fn import(
    config: &Config,
    state: &StateDir,
    folder: PathBuf,
    datastore: DatastoreId,
    version: Option<Version>,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let (config, state, named) = (config.clone(), state.clone(), datastore.clone());
    let work = move || match version {
        Some(version) => {
            let release = Release { datastore: named, version, owner: config.owner.clone() };
            operate::import(&config, &state, &folder, &release)
        }
        None => operate::import_draft(&config, &state, &folder, &named),
    };
    let (report, imported) = match tokio::task::spawn_blocking(work).await.context("the import stopped")? {
        Ok(report) => (report, true),
        Err(OperateError::Import(ImportError::Invalid(report))) => (report, false),
        Err(error) => return Err(error.into()),
    };
    if json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print_report(&report);
        let what = version.map_or_else(|| "draft".to_owned(), |version| version.to_string());
        let end = if imported { "imported" } else { "not imported: nothing was changed" };
        println!("{datastore} {what}: {end}");
    }
    Ok(if imported { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn release(
    config: &Config,
    state: &StateDir,
    datastore: &DatastoreId,
    command: &ReleaseCommand,
    json: bool,
) -> anyhow::Result<()> {
    let items = match command {
        ReleaseCommand::List => operate::draft(state, datastore)?,
        ReleaseCommand::Pending { names, delete } => {
            let step = if *delete { Step::PendingDelete } else { Step::Pending };
            operate::step(config, state, datastore, step, names)?
        }
        ReleaseCommand::Withdraw { names } => operate::step(config, state, datastore, Step::Withdraw, names)?,
        ReleaseCommand::Bump => {
            let bumped = operate::bump(config, state, datastore)?;
            if json {
                println!("{}", serde_json::to_string_pretty(&bumped)?);
            } else {
                for (name, change) in &bumped.changes {
                    println!("{name} {}", word(change)?);
                }
                println!("{datastore} {}: released", bumped.release.version);
            }
            return Ok(());
        }
    };
    if json {
        println!("{}", serde_json::to_string_pretty(&items)?);
    } else {
        for DraftItem { name, state, change } in &items {
            println!("{name} {} {}", word(state)?, word(change)?);
        }
        if items.is_empty() {
            println!("the draft of {datastore} is empty");
        }
    }
    Ok(())
}

/// A word of the dataset format, as JSON has it.
fn word(value: &impl serde::Serialize) -> anyhow::Result<String> {
    Ok(serde_json::to_value(value)?.as_str().unwrap_or_default().to_owned())
}

/// Everything found, dataset by dataset: problems first, since they must be mended.
fn print_report(report: &ImportReport) {
    for dataset in &report.datasets {
        for problem in &dataset.problems {
            println!("{problem}");
        }
        if dataset.further_problems > 0 {
            println!("{}: {} further problems", dataset.dataset, dataset.further_problems);
        }
        for warning in &dataset.warnings {
            println!("warning: {warning}");
        }
        if dataset.further_warnings > 0 {
            println!("warning: {}: {} further warnings", dataset.dataset, dataset.further_warnings);
        }
    }
}

/// The listening socket that was handed over as standard input.
fn listener_from_stdin() -> anyhow::Result<tokio::net::TcpListener> {
    use std::os::fd::AsFd;
    let socket = std::io::stdin().as_fd().try_clone_to_owned().context("no socket on standard input")?;
    let listener = TcpListener::from(socket);
    listener.set_nonblocking(true).context("standard input is not a listening socket")?;
    listener.local_addr().context("standard input is not a listening socket")?;
    Ok(tokio::net::TcpListener::from_std(listener)?)
}

/// Asks the kernel to end this process with its parent, and ends it now if the parent has ended already.
fn end_with_parent_process() -> anyhow::Result<()> {
    use rustix::process::{Signal, getppid, set_parent_process_death_signal};
    set_parent_process_death_signal(Some(Signal::KILL)).context("cannot follow the parent process")?;
    // A parent that ended before the call has left this process to the system's first one.
    let orphaned = getppid().is_none_or(|parent| parent.is_init());
    anyhow::ensure!(!orphaned, "the process that started this one has ended");
    Ok(())
}

/// Waits until the process is told to stop. Told to read its policy again, the node does, and its log says what came of it.
async fn told_to_stop(running: &RunningNode, hangups: &mut Signal) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    loop {
        tokio::select! {
            _ = interrupt.recv() => return Ok(()),
            _ = terminate.recv() => return Ok(()),
            _ = hangups.recv() => drop(running.node.reload().await),
        }
    }
}
