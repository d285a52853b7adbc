//! A worker's own part of a question: its columns in the order of rows, or its totals where there is no other owner.
//!
//! All of it is this owner's own data, in clear, and depends on its fragment of the plan, the session's alignment and what was asked
//! before: populations that differ from earlier ones by very few units are put in their place, and remembered, before anything is
//! shared ([`crate::memory`]). What a session's questions have needed is [kept](crate::keep) until the session ends.

use std::sync::Arc;

use kobling_crypto::protocol::narrow_product::NO_CATEGORY;
use kobling_crypto::protocol::shared_constants::ColumnConstants;
use kobling_crypto::pseudonym::RecordKeySecret;
use kobling_disclosure::memory::{Partition, Sketch};
use kobling_model::plan::{Question, Side};
use kobling_model::{Hash, UnitType};
use kobling_proto::observe::log::Line;

use crate::cells::Totals;
use crate::error::NodeError;
use crate::extract::{MISSING, UnitBook};
use crate::keep::Kept;
use crate::linkage::Alignment;
use crate::memory::{Limits, Versions};
use crate::node::Node;
use crate::session::Session;
use crate::side::Population;
use crate::values::{Limbs, NO_VALUE};

/// Record keys by unit or by row.
pub type RecordKeys = Arc<Vec<[u16; 3]>>;

/// This worker's part. Where one owner has all of it, there are totals and no columns.
#[derive(Default)]
pub struct OwnColumns {
    /// Category of each row.
    pub categories: Vec<u32>,
    /// The value column in the limbs that it travels in, where it is this owner's.
    pub limbs: Vec<Vec<u8>>,
    /// Totals by category; at left, where there is no other owner.
    pub totals: Option<Totals>,
    /// What the protection needs of the value column, where it is this owner's.
    pub constants: ColumnConstants,
    /// Each of the fragment's whole numbers by row, as it goes into its sum.
    pub numbers: Vec<Vec<u32>>,
    /// Linked rows.
    pub rows: usize,
}

impl OwnColumns {
    /// Memory that they take.
    pub fn bytes(&self) -> usize {
        let limbs: usize = self.limbs.iter().map(Vec::len).sum();
        let numbers: usize = self.numbers.iter().map(Vec::len).sum();
        let totals = self.totals.as_ref().map_or(0, Totals::bytes);
        4 * self.categories.len() + limbs + 4 * numbers + totals
    }
}

/// A node's units, for the evaluation.
pub struct Book {
    /// The node.
    pub node: Arc<Node>,
}

impl UnitBook for Book {
    fn count(&self, unit_type: UnitType) -> u32 {
        self.node.units_of(unit_type).len()
    }

    fn keys(&self, unit_type: UnitType) -> RecordKeys {
        let secret = self.node.founding.secrets().record_key();
        let keys = |secret| {
            self.node.units_of(unit_type).record_keys(unit_type, &RecordKeySecret::from_bytes(secret))
        };
        secret.map_or_else(Arc::default, keys)
    }
}

/// This worker's part of a question.
///
/// # Errors
/// [`NodeError::Registers`] where the fragment cannot be evaluated; [`NodeError::Memory`]; [`NodeError::NotGranted`] where owners meet
/// whose units are not linked.
pub async fn own_columns(
    node: &Arc<Node>,
    session: &Arc<Session>,
    question: &Question,
    side: Side,
) -> Result<Arc<OwnColumns>, NodeError> {
    let Some(fragment) = question.fragment(side) else {
        // Second worker of a single-owner question: it has no data in it.
        return Ok(Arc::default());
    };
    let left = side == Side::Left;
    let value = question.value().and_then(|column| column.part(side));
    let linked = question.right.is_some();
    let missing = missing_numbers(question, side).ok_or_else(|| node.internal("extract"))?;
    let name = Hash::of_json(&(fragment, value, left, linked, question.unit_type, &missing));
    if let Some(Kept::Columns(columns)) = fetch(node, session, name).await? {
        return Ok(columns);
    }
    // Without it there is no noise.
    let secret = node.founding.secrets().record_key();
    let secret = secret.ok_or_else(|| NodeError::NotReady { party: node.me.clone() })?;
    let units = node.units_of(question.unit_type);
    let book = Arc::new(Book { node: node.clone() });
    let extracted = node.extractor.evaluate(fragment, left, question.unit_type, book, value).await;
    let failed = |_| NodeError::Registers { party: node.me.clone(), step: "extract" };
    let extracted = extracted.map_err(failed)?;
    // Right cannot tell a unit of the population that it does not have from an empty row, and need not: left has no
    // category there.
    let absent = match left {
        true => None,
        false => Some(node.extractor.absent_unit(fragment, value).await.map_err(failed)?),
    };
    let alignment = match linked {
        true => Some(aligned(node, session, question.unit_type).await?),
        false => None,
    };
    let unit_type = question.unit_type;
    let fragment_categories = fragment.categories();
    let limbs = value.map(Limbs::of);
    let secret = RecordKeySecret::from_bytes(secret);
    let (of_session, owner, remembering) = (session.clone(), node.me.clone(), node.clone());
    let keeping = session.clone();
    let versions = Versions::of(fragment);
    // A question that asks nothing of its population but how many it is makes this side of it known.
    let population = Population::of(question, side).filter(|population| population.is(fragment));
    let work = move || {
        let (categories, all) = settled(&remembering, unit_type, &versions, extracted.partition)?;
        if let Some(population) = population {
            let has_all = absent.as_ref().is_none_or(|absent| absent.category == NO_CATEGORY);
            population.keep(&remembering, &keeping, &all, has_all);
        }
        let (values, numbers) = (extracted.values, extracted.numbers);
        // The population's owner needs record keys for the cells, a value's owner for its fingerprint.
        let keys = match left || values.is_some() {
            true => units.record_keys(unit_type, &secret),
            false => Arc::default(),
        };
        let constants = values
            .as_ref()
            .zip(value)
            .map(|(values, form)| values.constants(&secret, unit_type, &keys, &form, &owner));
        let codes = values.map_or_else(Vec::new, |values| values.codes);
        let mut columns = OwnColumns { constants: constants.unwrap_or_default(), ..OwnColumns::default() };
        let Some(alignment) = alignment else {
            let values = limbs.as_ref().map(|limbs| (limbs, codes.as_slice()));
            columns.totals = Some(Totals::of(fragment_categories, &categories, &keys, values));
            return Ok(columns);
        };
        let absent_category = absent.as_ref().map_or(NO_CATEGORY, |absent| absent.category);
        columns.categories = alignment.gather(&categories, absent_category);
        columns.rows = alignment.rows as usize;
        if let Some(limbs) = limbs {
            // A row without a value has zeros.
            let absent_code = absent.as_ref().and_then(|absent| absent.code).unwrap_or(NO_VALUE);
            columns.limbs = limbs.columns(alignment.by_row(&codes, absent_code));
        }
        for (at, (mut numbers, missing)) in numbers.into_iter().zip(&missing).enumerate() {
            let enter = |number: u32| if number == MISSING { *missing } else { number };
            // Whoever is outside the question here has no number in it: it would count nowhere, and who learns masks learns less.
            for (number, category) in numbers.iter_mut().zip(&categories) {
                *number = if *category == NO_CATEGORY { *missing } else { enter(*number) };
            }
            // Rows in which left has nobody are in no cell, whatever their sum.
            let absent = absent.as_ref().map_or(*missing, |absent| enter(absent.numbers[at]));
            columns.numbers.push(alignment.gather(&numbers, absent));
        }
        Ok(columns)
    };
    let work = move || {
        let columns = Arc::new(work()?);
        of_session.shelf.put(name, Kept::Columns(columns.clone()));
        Ok(columns)
    };
    tokio::task::spawn_blocking(work).await.map_err(|_| node.internal("extract"))?
}

/// Categories by unit, and all units in one, with earlier populations in the place of those that differ by very few units (rule 13); they are
/// remembered, durably, when this returns. Blocking.
///
/// # Errors
/// [`NodeError::Memory`].
pub fn settled(
    node: &Node,
    unit_type: UnitType,
    versions: &Versions,
    partition: Partition,
) -> Result<(Vec<u32>, Sketch), NodeError> {
    let policy = &node.policy.now().policy;
    let limits = Limits {
        units_min: policy.rules.population_units_min,
        difference_max: policy.near_population_units_max,
    };
    let secrets = node.founding.secrets();
    node.memory.settle(unit_type, versions, limits, secrets.own(), partition).map_err(|error| {
        Line::NotRemembered.entry().party(&node.me).cause(error.cause()).say();
        NodeError::Memory { party: node.me.clone() }
    })
}

/// Record keys by row, which left enters; the same for every question over a unit type.
///
/// # Errors
/// As [`own_columns`].
pub async fn keys_by_row(
    node: &Arc<Node>,
    session: &Arc<Session>,
    unit_type: UnitType,
) -> Result<RecordKeys, NodeError> {
    let name = Hash::of_json(&("record keys by row", unit_type));
    if let Some(Kept::Keys(keys)) = fetch(node, session, name).await? {
        return Ok(keys);
    }
    let secret = node.founding.secrets().record_key();
    let secret = secret.ok_or_else(|| NodeError::NotReady { party: node.me.clone() })?;
    let alignment = aligned(node, session, unit_type).await?;
    let (units, session) = (node.units_of(unit_type), session.clone());
    let work = move || {
        let by_unit = units.record_keys(unit_type, &RecordKeySecret::from_bytes(secret));
        let keys: RecordKeys = Arc::new(alignment.gather(&by_unit, [0; 3]));
        session.shelf.put(name, Kept::Keys(keys.clone()));
        keys
    };
    tokio::task::spawn_blocking(work).await.map_err(|_| node.internal("extract"))
}

/// The name under which a session keeps the alignment of a unit type.
pub fn alignment_name(unit_type: UnitType) -> Hash {
    Hash::of_json(&("alignment", unit_type))
}

async fn aligned(
    node: &Arc<Node>,
    session: &Arc<Session>,
    unit_type: UnitType,
) -> Result<Arc<Alignment>, NodeError> {
    if !session.state().aligned.contains(&unit_type) {
        return Err(NodeError::NotGranted { step: "compute" });
    }
    match fetch(node, session, alignment_name(unit_type)).await? {
        Some(Kept::Alignment(alignment)) => Ok(alignment),
        // It was there: its file is damaged or gone.
        _ => Err(node.internal("link")),
    }
}

/// What a session keeps under a name, which may have to come from disk.
///
/// # Errors
/// [`NodeError`] where the node stops.
pub async fn fetch(node: &Arc<Node>, session: &Arc<Session>, name: Hash) -> Result<Option<Kept>, NodeError> {
    let session = session.clone();
    let fetched = tokio::task::spawn_blocking(move || session.shelf.get(&name)).await;
    fetched.map_err(|_| node.internal("extract"))
}

/// What each number of a side's fragment is where it is missing: that of the one sum that it goes into.
fn missing_numbers(question: &Question, side: Side) -> Option<Vec<u32>> {
    let numbers = question.fragment(side)?.numbers.len();
    let of = |number: usize| {
        let sum = question.sums.iter().find(|sum| sum.summands.contains(&(side, number)))?;
        Some(sum.form(&question.bounds(sum))?.missing)
    };
    (0..numbers).map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_of_a_question_of_one_owner_take_room_too() {
        let totals = Some(Totals::zeros(1000, None));
        assert_eq!(OwnColumns { totals, ..OwnColumns::default() }.bytes(), 22_000);
    }
}
