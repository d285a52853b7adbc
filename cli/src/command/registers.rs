//! `kobling registers`: registers of people who do not exist.

use anyhow::Context;
use kobling_synth::{Config, OWNERS, write_registers};

use crate::arguments::RegistersArguments;
use crate::exit::{Exit, unusable};
use crate::render::whole;

/// Writes the registers.
///
/// # Errors
/// Where the folder cannot be written, or so many people cannot be made.
pub fn run(arguments: RegistersArguments) -> anyhow::Result<Exit> {
    let config = Config { people: arguments.people, seed: arguments.seed };
    if !(1..=Config::PEOPLE_MAX).contains(&config.people) {
        return Err(unusable(kobling_synth::UnusableConfig.to_string()));
    }
    let summary = write_registers(&config, &arguments.folder)
        .with_context(|| format!("{} cannot be written", arguments.folder.display()))?;
    for registers in &OWNERS {
        let rows = whole(summary.rows_of(registers.owner));
        super::print(&format!("{}: {}, {rows} rows\n", registers.owner, registers.datastore));
    }
    Ok(Exit::DONE)
}
