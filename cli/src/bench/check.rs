//! Whether a table is what it must be: by the plain reference, which takes all registers and all keys at once.
//!
//! Nobody in a real federation could do this. Here all parties are of one hand, and their people do not exist.

use std::path::PathBuf;

use anyhow::{Context, ensure};
use kobling_model::DatastoreId;
use kobling_model::federation::Federation;
use kobling_model::plan::Plan;
use kobling_model::rules::Rules;
use kobling_model::table::Table;
use kobling_node::config::Config;
use kobling_node::pooled::PooledCell;
use kobling_node::secrets::Secrets;
use kobling_node::serve::seal_key;
use kobling_node::state::StateDir;
use kobling_reference::{Keys, Outcome, Registers, answer_with_cells};
use kobling_synth::linked::{self, Case};

use crate::federation::place::Place;

/// What the check reads of the parties.
pub struct Files {
    registers: PathBuf,
    rules: Rules,
    keys: Keys,
}

impl Files {
    /// Reads policies and secrets of all nodes.
    ///
    /// # Errors
    /// Names the node whose files cannot be read.
    pub fn of(place: &Place, federation: &Federation) -> anyhow::Result<Self> {
        let mut rules = Vec::new();
        let mut secrets = Vec::new();
        for node in &federation.nodes {
            let name = node.id.as_str();
            let read = || -> anyhow::Result<(Rules, Secrets)> {
                let config = Config::load(&place.node_config(name))?;
                let state = StateDir::new(place.state(name));
                Ok((config.policy()?.rules, Secrets::load(&state, &seal_key(&config)?)?))
            };
            let (of_node, its_secrets) = read().with_context(|| name.to_owned())?;
            rules.push(of_node);
            secrets.push(its_secrets);
        }
        let record_key = secrets.iter().find_map(Secrets::record_key).context("no record-key secret")?;
        let mut noise_key = [0; 16];
        for node in &federation.nodes {
            let part = secrets.iter().find_map(|secrets| secrets.part(&node.id));
            let part = part.with_context(|| format!("nobody has the part of {}", node.id))?;
            noise_key.iter_mut().zip(part).for_each(|(byte, part)| *byte ^= part);
        }
        let keys = Keys { record_key_secret: record_key, noise_key };
        let rules = kobling_disclosure::rule::strictest(&rules)?;
        Ok(Self { registers: place.registers(), rules, keys })
    }
}

/// The one table that the plan must come to. `pooled` is what the clear engine found: it must count the same people.
///
/// # Errors
/// Where the reference refuses, or the clear engine counts others.
pub fn expected(
    plan: &Plan,
    files: &Files,
    case: Case,
    pooled: Option<&[PooledCell]>,
) -> anyhow::Result<Table> {
    let mut registers = Registers::default();
    for owner in linked::owners(case) {
        let folder = files.registers.join(owner.owner);
        registers.add(&DatastoreId::new(owner.datastore)?, &folder);
    }
    let answers = answer_with_cells(plan, &registers, &files.keys, &files.rules);
    let table = answers.into_iter().find_map(|(outcome, cells)| match outcome {
        Outcome::Table(table) => Some((table, cells)),
        _ => None,
    });
    let (table, cells) = table.context("the reference refuses the case's table; ask for more people")?;
    let Some(pooled) = pooled else { return Ok(table) };
    // Margins stand in the last column and the last row.
    let mut counts = vec![0; linked::LEVELS.len() * linked::SITE_COUNT];
    for cell in pooled {
        let level = linked::LEVELS.iter().position(|level| level.code == cell.left);
        let site = linked::site_codes().iter().position(|site| *site == cell.right);
        let (level, site) = level.zip(site).context("the clear engine found a category that there is not")?;
        counts[level * linked::SITE_COUNT + site] = cell.count;
    }
    let inner = cells.chunks(linked::SITE_COUNT + 1).take(linked::LEVELS.len());
    let inner = inner.flat_map(|row| row[..linked::SITE_COUNT].iter().map(|cell| cell.count));
    ensure!(inner.eq(counts), "the clear engine and the reference count different people");
    Ok(table)
}
