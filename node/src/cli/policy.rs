//! `node policy`: is the owner's policy sound, what would a script come to under it, and putting it in force.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use kobling_model::federation::Federation;
use kobling_script::{Language, render};

use super::{Missing, PolicyCommand};
use crate::config::{Config, ConfigError};
use crate::operator::{Answer, Order, ask};
use crate::register::RegisterStore;
use crate::rehearse::{Asker, Rehearsal, read_catalogues, rehearse};
use crate::serve::pinned_federation;
use crate::standing::{Against, Standing};
use crate::state::StateDir;

/// Something that was asked about would be refused.
const REFUSED: u8 = 2;

/// Runs a command about the policy.
///
/// # Errors
/// One line for the operator, with what to do.
pub async fn run(
    config: Option<PathBuf>,
    state: Option<PathBuf>,
    command: PolicyCommand,
) -> anyhow::Result<ExitCode> {
    let state = state.map(StateDir::new);
    match command {
        PolicyCommand::Check { file } => check(config, state, file),
        PolicyCommand::Explain { script, institution, purpose, catalogue, policy, json } => {
            let config = node(config)?;
            let state = state.ok_or(Missing { option: "--state DIR" })?;
            let asker = Asker { institution: &institution, purpose: &purpose };
            explain(&config, &state, &script, asker, &catalogue, policy, json)
        }
        PolicyCommand::Reload => {
            let config = node(config)?;
            let state = state.ok_or(Missing { option: "--state DIR" })?;
            reload(&config, &state).await
        }
    }
}

fn node(config: Option<PathBuf>) -> anyhow::Result<Config> {
    Ok(Config::load(&config.ok_or(Missing { option: "--config FILE" })?)?)
}

/// What the node's state folder lets names be held against.
fn against(config: &Config, state: &StateDir) -> anyhow::Result<Against> {
    let datastores = RegisterStore::open(state.root())?.catalogue();
    // A node that is not enrolled yet has no roster to hold names against.
    let federation: Option<Federation> = pinned_federation(config, state).ok();
    Ok(Against::node(&datastores, federation.as_ref()))
}

fn check(
    config: Option<PathBuf>,
    state: Option<StateDir>,
    file: Option<PathBuf>,
) -> anyhow::Result<ExitCode> {
    let config = config.map(|path| Config::load(&path)).transpose()?;
    let file = file.or_else(|| config.as_ref().map(|config| config.policy.clone()));
    let file = file.ok_or(Missing { option: "a policy file, or --config FILE," })?;
    let (against, so_far) = match (&config, &state) {
        (Some(config), Some(state)) => (against(config, state)?, ""),
        _ => (
            Against::language(),
            "; names of datasets, variables and nodes are checked with --config and --state",
        ),
    };
    match Standing::read(&file, &against) {
        Ok(standing) => {
            println!("{}: sound{so_far}", file.display());
            println!("policy {}", standing.hash);
            Ok(ExitCode::SUCCESS)
        }
        Err(error @ ConfigError::Read { .. }) => Err(error.into()),
        Err(error) => {
            println!("{error}");
            Ok(ExitCode::FAILURE)
        }
    }
}

fn explain(
    config: &Config,
    state: &StateDir,
    script: &PathBuf,
    asker: Asker<'_>,
    catalogues: &[PathBuf],
    policy: Option<PathBuf>,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let text =
        std::fs::read_to_string(script).with_context(|| format!("{} cannot be read", script.display()))?;
    let federation = pinned_federation(config, state)?;
    let own = RegisterStore::open(state.root())?.catalogue();
    let standing = Standing::read(
        &policy.unwrap_or_else(|| config.policy.clone()),
        &Against::node(&own, Some(&federation)),
    )?;
    let catalogue = read_catalogues(catalogues, own)?;
    let name = script.display().to_string();
    let rehearsal = match rehearse(&standing, &config.owner, &federation, &catalogue, &text, asker) {
        Ok(rehearsal) => rehearsal,
        Err(diagnostics) => {
            print!("{}", render(&diagnostics, &text, &name, Language::English, false));
            let known = |id: &_| catalogue.datastores.iter().any(|datastore| datastore.id == *id);
            let required = kobling_script::required_datastores(&text).unwrap_or_default();
            for (datastore, _) in required.iter().filter(|(datastore, _)| !known(datastore)) {
                println!(
                    "{datastore} is not this node's: its owner prints its metadata with `kobling node catalogue`; \
                     give the file with --catalogue"
                );
            }
            return Ok(ExitCode::FAILURE);
        }
    };
    if json {
        println!("{}", serde_json::to_string_pretty(&rehearsal)?);
    } else {
        print!("{}", shown(&rehearsal, config));
    }
    Ok(if rehearsal.would_run() { ExitCode::SUCCESS } else { ExitCode::from(REFUSED) })
}

fn shown(rehearsal: &Rehearsal, config: &Config) -> String {
    let mut out = format!("policy {} of {}\n", rehearsal.policy, config.owner);
    let rules = serde_json::to_value(&rehearsal.rules).unwrap_or_default();
    for (name, number) in rules.as_object().into_iter().flatten() {
        let number = number.as_str().map_or_else(|| number.to_string(), str::to_owned);
        out.push_str(&format!("  {name} = {number}\n"));
    }
    for (at, question) in rehearsal.questions.iter().enumerate() {
        let owners: Vec<&str> = question.owners.iter().map(|owner| owner.as_str()).collect();
        out.push_str(&format!("question {}, line {}: {:?}\n", at + 1, question.line, question.text));
        out.push_str(&format!("  of {}, dealt by {}\n", owners.join(", "), question.dealer));
        for refusal in &question.refusals {
            out.push_str(&format!("  refused by {}\n", refusal.message));
        }
        let uses = question.owners.contains(&config.owner);
        let end = match (question.refusals.is_empty(), uses) {
            (false, _) => continue,
            (true, true) => "may be asked here",
            (true, false) => "uses nothing of this node",
        };
        out.push_str(&format!("  {end}\n"));
    }
    out
}

async fn reload(config: &Config, state: &StateDir) -> anyhow::Result<ExitCode> {
    match ask(&state.operator(), &Order::Reload).await? {
        Answer::Reloaded { policy, before, sessions_ended } => {
            println!(
                "{} has the policy {policy} in force, before it {before}; its audit log says so",
                config.owner
            );
            if sessions_ended {
                println!("its sessions have ended: their decoys were drawn under looser numbers");
            }
            Ok(ExitCode::SUCCESS)
        }
        Answer::Unchanged { policy } => {
            println!("{} has the policy {policy} in force already", config.owner);
            Ok(ExitCode::SUCCESS)
        }
        Answer::NotReloaded { why } => {
            println!("{why}");
            println!("{} has the policy from before in force still", config.owner);
            Ok(ExitCode::FAILURE)
        }
        _ => anyhow::bail!("the node that serves is of another version than this program"),
    }
}
