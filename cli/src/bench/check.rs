//! Whether a table is what it must be: by the plain reference, which takes all registers and all keys at once.
//!
//! Nobody in a real federation could do this. Here all parties are of one hand, and their people do not exist.

use std::path::PathBuf;

use anyhow::{Context, ensure};
use kobling_model::DatastoreId;
use kobling_model::expression::Value;
use kobling_model::federation::Federation;
use kobling_model::plan::{Category, Plan};
use kobling_model::rules::Rules;
use kobling_model::table::{Layout, Table};
use kobling_node::config::Config;
use kobling_node::direct::DirectCell;
use kobling_node::pooled::PooledCell;
use kobling_node::secrets::Secrets;
use kobling_node::serve::seal_key;
use kobling_node::state::StateDir;
use kobling_reference::{Keys, Memory, Outcome, Registers, answer_with_cells};
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

/// What an engine found that has all in clear.
pub enum Clear {
    /// Over two owners' registers, pooled.
    Pooled(Vec<PooledCell>),
    /// Over one owner's own data files.
    Direct(Vec<DirectCell>),
}

/// The one table that the plan must come to. What the clear engine found must count the same people.
///
/// # Errors
/// Where the reference refuses, or the clear engine counts others.
pub fn expected(plan: &Plan, files: &Files, case: Case, clear: Option<&Clear>) -> anyhow::Result<Table> {
    let mut registers = Registers::default();
    for owner in linked::owners(case) {
        let folder = files.registers.join(owner.owner);
        registers.add(&DatastoreId::new(owner.datastore)?, &folder);
    }
    // A case asks one table, again and again: no other population is near it.
    let mut memory = Memory::default();
    let answers = answer_with_cells(plan, &registers, &files.keys, &files.rules, &mut memory);
    let table = answers.into_iter().find_map(|(outcome, cells)| match outcome {
        Outcome::Table(table) => Some((table, cells)),
        _ => None,
    });
    let (table, cells) = table.context("the reference refuses the case's table; ask for more people")?;
    let Some(clear) = clear else { return Ok(table) };
    let sizes: Vec<usize> = table.axes.iter().map(|axis| axis.categories.len()).collect();
    let unknown = "the clear engine found a category that there is not";
    let mut counts = vec![0; sizes.iter().product()];
    let mut put = |values: &[Value], count: u64| -> anyhow::Result<()> {
        ensure!(values.len() == table.axes.len(), unknown);
        let cell = table.axes.iter().zip(values).try_fold(0, |cell, (axis, value)| {
            let same = |category: &Category| category.value.as_ref() == Some(value);
            Some(cell * axis.categories.len() + axis.categories.iter().position(same)?)
        });
        counts[cell.context(unknown)?] = count;
        Ok(())
    };
    let text = |text: &String| Value::Text(text.clone());
    match clear {
        Clear::Pooled(cells) => {
            cells.iter().try_for_each(|cell| put(&[text(&cell.left), text(&cell.right)], cell.count))?;
        }
        Clear::Direct(cells) => cells.iter().try_for_each(|cell| {
            let age = Value::Number(f64::from(cell.age));
            put(&[text(&cell.education), text(&cell.sex), age], cell.count)
        })?,
    }
    let inner = Layout::of(&sizes).inner().map(|at| cells[at].count).collect::<Vec<_>>();
    ensure!(inner == counts, "the clear engine and the reference count different people");
    Ok(table)
}
