//! `kobling`: one program for researchers, auditors, operators and the demo.
//!
//! `run`, `shell`, `check`, `explain` and `catalogue` speak to a broker as the platform does; `audit` reads logs; `demo` makes a federation
//! of four processes of this very program; `node …` and `broker …` are what those processes run.
//!
//! Results go to standard output, progress and errors to standard error. An error is one line.

mod arguments;
mod bench;
mod client;
mod command;
mod demo;
mod exit;
mod family;
mod federation;
mod job;
mod pages;
mod render;
mod script_file;
mod shell;
mod signals;

use std::process::ExitCode;

use clap::Parser;

use crate::arguments::{Arguments, Command};
use crate::exit::Exit;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are errors to the parser, but not to people.
            let exit = if error.use_stderr() { Exit::USAGE } else { Exit::DONE };
            let _ = error.print();
            return exit.into();
        }
    };
    if let Some(parent) = arguments.end_with_parent
        && let Err(error) = family::end_with_parent(parent)
    {
        return report(&error);
    }
    // The broker sets up its own log, and all other commands say themselves what they do.
    if let Command::Node(_) = &arguments.command {
        kobling_node::observe::log_to_stderr();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match runtime {
        // The command runs on this thread, which lives as long as the process: children ask to die with the
        // thread that started them.
        Ok(runtime) => {
            let code = runtime.block_on(dispatch(arguments.command)).unwrap_or_else(|error| report(&error));
            // A thread that still reads a file or waits for a name must not hold up the end.
            runtime.shutdown_background();
            code
        }
        Err(error) => report(&error.into()),
    }
}

async fn dispatch(command: Command) -> anyhow::Result<ExitCode> {
    let exit = match command {
        Command::Demo(arguments) => demo::run(arguments).await?,
        Command::Bench(arguments) => bench::run(arguments).await?,
        Command::BenchDirect(arguments) => bench::direct(arguments).await?,
        Command::Run(arguments) => command::run::run(arguments).await?,
        Command::Shell(arguments) => shell::run(arguments).await?,
        Command::Check(arguments) => command::check::run(arguments).await?,
        Command::Explain(arguments) => command::explain::run(arguments).await?,
        Command::Catalogue(arguments) => command::catalogue::run(arguments).await?,
        Command::Audit(arguments) => command::audit::run(arguments)?,
        Command::Registers(arguments) => command::registers::run(arguments)?,
        Command::PlatformKey(arguments) => command::platform_key::run(&arguments)?,
        Command::Synth(arguments) => command::synth::run(arguments).await?,
        Command::Node(arguments) => return kobling_node::cli::run(arguments).await,
        Command::Broker(command) => {
            kobling_broker::cli::run(command).await?;
            Exit::DONE
        }
    };
    Ok(exit.into())
}

/// Shows an error and says with which code the program ends.
fn report(error: &anyhow::Error) -> ExitCode {
    eprintln!("kobling: {}", exit::sentence(error));
    exit::of(error).into()
}
