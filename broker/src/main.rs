//! `kobling-broker`: a thin main over [`kobling_broker::cli`].

use clap::Parser;
use kobling_broker::cli::{BrokerCommand, run};

/// The broker of a Kobling federation.
#[derive(Parser)]
#[command(name = "kobling-broker", version)]
struct Arguments {
    #[command(subcommand)]
    command: BrokerCommand,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    run(Arguments::parse().command).await
}
