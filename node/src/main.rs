//! `kobling-node`: a data owner's node as a program of its own. The same commands as `kobling node`.

use std::process::ExitCode;

use clap::Parser;
use kobling_node::cli::{NodeArgs, run};

/// A data owner's node in a Kobling federation.
#[derive(Parser)]
#[command(name = "kobling-node", version)]
struct Program {
    #[command(flatten)]
    node: NodeArgs,
}

#[tokio::main]
async fn main() -> ExitCode {
    kobling_node::observe::log_to_stderr();
    match run(Program::parse().node).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("kobling-node: {error:#}");
            ExitCode::FAILURE
        }
    }
}
