//! The commands of a node, for `kobling node …` and `kobling-node` alike.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};
use kobling_model::plan::Release;
use kobling_model::{DatastoreId, OwnerId, Version};

use crate::config::Config;
use crate::operate::{self, OperateError};
use crate::register::{ImportError, ImportReport};
use crate::serve::{self, StartOptions};
use crate::state::StateDir;
use crate::status;

/// A node of a data owner.
#[derive(Debug, Args)]
pub struct NodeArgs {
    /// Configuration file; `init` writes it.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Folder with everything the node keeps.
    #[arg(long, value_name = "DIR")]
    pub state: PathBuf,
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
    },
    /// Pin a federation file and draw this node's part of the federation secrets.
    Enrol {
        /// The federation file.
        federation: PathBuf,
    },
    /// Let another node in.
    #[command(subcommand)]
    Peer(PeerCommand),
    /// Import a release of a datastore: a folder of dataset folders.
    Import {
        /// Folder that holds one folder NAME with NAME.csv and NAME.json for each variable.
        folder: PathBuf,
        /// The datastore's name, such as `no.ssb.fdb`.
        #[arg(long, value_parser = datastore)]
        datastore: DatastoreId,
        /// The release, such as `1.0.0`.
        #[arg(long)]
        version: Version,
        /// Print the report as JSON.
        #[arg(long)]
        json: bool,
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
    /// Who am I, what do I have, who answers, what was asked last.
    Status {
        /// Print as JSON.
        #[arg(long)]
        json: bool,
    },
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

/// Runs a command.
///
/// # Errors
/// One line for the operator, with what to do.
pub async fn run(args: NodeArgs) -> anyhow::Result<ExitCode> {
    let state = StateDir::new(&args.state);
    if let NodeCommand::Init { owner, listen } = &args.command {
        let made = operate::init(&args.config, &state, owner, *listen)?;
        println!("signing_key = \"{}\"", made.signing_key);
        println!("certificate_request = {:?}", made.certificate_request);
        println!("certificate = {:?}", made.certificate);
        return Ok(ExitCode::SUCCESS);
    }
    let config = Config::load(&args.config)?;
    match args.command {
        NodeCommand::Init { .. } => {}
        NodeCommand::Enrol { federation } => {
            let federation = operate::enrol(&config, &state, &federation)?;
            println!("{} is enrolled in {}", config.owner, federation.name);
        }
        NodeCommand::Peer(PeerCommand::Accept { name }) => {
            operate::accept(&config, &state, &name)?;
            println!("{name} is let in by {}", config.owner);
        }
        NodeCommand::Import { folder, datastore, version, json } => {
            let release = Release { datastore, version, owner: config.owner.clone() };
            return import(&config, &state, folder, release, json).await;
        }
        NodeCommand::Serve { listen_stdin, end_with_parent } => {
            if end_with_parent {
                end_with_parent_process()?;
            }
            let listener = if listen_stdin { Some(listener_from_stdin()?) } else { None };
            let options = StartOptions { listener, ..StartOptions::default() };
            let running = serve::start(config, state, options).await?;
            told_to_stop().await?;
            running.stop().await;
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

async fn import(
    config: &Config,
    state: &StateDir,
    folder: PathBuf,
    release: Release,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let (owned_config, owned_state, named) = (config.clone(), state.clone(), release.clone());
    let work = move || operate::import(&owned_config, &owned_state, &folder, &named);
    let (report, imported) = match tokio::task::spawn_blocking(work).await.context("the import stopped")? {
        Ok(report) => (report, true),
        Err(OperateError::Import(ImportError::Invalid(report))) => (report, false),
        Err(error) => return Err(error.into()),
    };
    if json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print_report(&report);
        let Release { datastore, version, .. } = release;
        let end = if imported { "imported" } else { "not imported: nothing was changed" };
        println!("{datastore} {version}: {end}");
    }
    Ok(if imported { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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

async fn told_to_stop() -> anyhow::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        stopped = tokio::signal::ctrl_c() => stopped?,
        _ = terminate.recv() => {}
    }
    Ok(())
}
