//! A worker's own part of a question: its columns in the order of rows, or its totals where there is no other owner.
//!
//! All of it is this owner's own data, in clear, and depends on its fragment of the plan and the session's alignment
//! alone. What a session's questions have needed is kept until the session ends, up to [`KEPT_BYTES_MAX`]: reading and
//! reordering a nation's columns takes as long as computing with them.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use kobling_crypto::protocol::narrow_product::NO_CATEGORY;
use kobling_crypto::protocol::shared_constants::ColumnConstants;
use kobling_crypto::pseudonym::RecordKeySecret;
use kobling_model::plan::{Question, Side};
use kobling_model::{Hash, UnitType};

use crate::cells::Totals;
use crate::error::NodeError;
use crate::extract::MISSING;
use crate::linkage::Alignment;
use crate::node::Node;
use crate::session::Session;
use crate::values::{Limbs, NO_VALUE};

/// Most bytes of columns that a session keeps beyond the question under way; the oldest go first.
const KEPT_BYTES_MAX: usize = 256 << 20;

/// Record keys by unit or by row.
pub type RecordKeys = Arc<Vec<[u16; 3]>>;

/// This worker's part. Where one owner has all of it, there are totals and no columns.
#[derive(Default)]
pub struct OwnColumns {
    /// Category of each row.
    pub categories: Vec<u32>,
    /// Record key of each row; at left.
    pub keys: RecordKeys,
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
    fn bytes(&self) -> usize {
        let limbs: usize = self.limbs.iter().map(Vec::len).sum();
        let numbers: usize = self.numbers.iter().map(Vec::len).sum();
        let totals = self.totals.as_ref().map_or(0, Totals::bytes);
        4 * self.categories.len() + limbs + 4 * numbers + totals
    }
}

/// What a session keeps.
#[derive(Default)]
pub struct Kept(Mutex<State>);

#[derive(Default)]
struct State {
    /// In order of first use.
    columns: VecDeque<(Hash, Arc<OwnColumns>)>,
    /// By row, of each unit type.
    keys: HashMap<UnitType, RecordKeys>,
}

impl Kept {
    fn get(&self, name: &Hash) -> Option<Arc<OwnColumns>> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.columns.iter().find(|(of, _)| of == name).map(|(_, columns)| columns.clone())
    }

    fn put(&self, name: Hash, columns: Arc<OwnColumns>) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.columns.push_back((name, columns));
        let mut bytes: usize = state.columns.iter().map(|(_, columns)| columns.bytes()).sum();
        while bytes > KEPT_BYTES_MAX {
            let Some((_, oldest)) = state.columns.pop_front() else { return };
            bytes -= oldest.bytes();
        }
    }

    /// Record keys by row. They are the same for every question over a unit type.
    fn keys(&self, unit_type: UnitType, alignment: &Alignment, by_unit: &RecordKeys) -> RecordKeys {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.keys.entry(unit_type).or_insert_with(|| Arc::new(alignment.gather(by_unit, [0; 3]))).clone()
    }
}

/// This worker's part of a question.
///
/// # Errors
/// [`NodeError::Registers`] where the fragment cannot be evaluated; [`NodeError::NotGranted`] where owners meet whose
/// units are not linked.
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
    let value = fragment.value.as_ref().and(question.value());
    let linked = question.right.is_some();
    let missing = missing_numbers(question, side).ok_or_else(|| node.internal("extract"))?;
    let name = Hash::of_json(&(fragment, value, left, linked, question.unit_type, &missing));
    if let Some(columns) = session.columns.get(&name) {
        return Ok(columns);
    }
    let units = node.units_of(question.unit_type);
    let coding = value.map(|column| column.coding);
    let extracted = node.extractor.evaluate(fragment, left, units.len(), coding).await;
    let failed = |_| NodeError::Registers { party: node.me.clone(), step: "extract" };
    let extracted = extracted.map_err(failed)?;
    // Right cannot tell a unit of the population that it does not have from an empty row, and need not: left has no
    // category there.
    let absent = match left {
        true => None,
        false => Some(node.extractor.absent_unit(fragment, coding).await.map_err(failed)?),
    };
    let secret = node.founding.secrets().record_key();
    let secret = secret.ok_or_else(|| NodeError::NotReady { party: node.me.clone() })?;
    let alignment = match linked {
        true => {
            let alignment = session.state().aligned.get(&question.unit_type).cloned();
            Some(alignment.ok_or(NodeError::NotGranted { step: "compute" })?)
        }
        false => None,
    };
    let unit_type = question.unit_type;
    let fragment_categories = fragment.categories();
    let limbs = value.map(Limbs::of);
    let (secret, of_session) = (RecordKeySecret::from_bytes(secret), session.clone());
    let work = move || {
        let (categories, values, numbers) = (extracted.categories, extracted.values, extracted.numbers);
        // The population's owner needs record keys for the cells, a value's owner for its fingerprint.
        let keys = match left || values.is_some() {
            true => units.record_keys(unit_type, &secret),
            false => Arc::default(),
        };
        let constants = values.as_ref().map(|values| values.constants(&secret, unit_type, &keys));
        let codes = values.map_or_else(Vec::new, |values| values.codes);
        let mut columns = OwnColumns { constants: constants.unwrap_or_default(), ..OwnColumns::default() };
        let Some(alignment) = alignment else {
            let values = limbs.as_ref().map(|limbs| (limbs, codes.as_slice()));
            columns.totals = Some(Totals::of(fragment_categories, &categories, &keys, values));
            return columns;
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
        if left {
            columns.keys = of_session.columns.keys(unit_type, &alignment, &keys);
        }
        columns
    };
    let columns = tokio::task::spawn_blocking(work).await.map_err(|_| node.internal("extract"))?;
    let columns = Arc::new(columns);
    session.columns.put(name, columns.clone());
    Ok(columns)
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

    fn of_rows(rows: usize) -> Arc<OwnColumns> {
        Arc::new(OwnColumns { categories: vec![0; rows], rows, ..OwnColumns::default() })
    }

    #[test]
    fn totals_of_a_question_of_one_owner_take_room_too() {
        let totals = Some(Totals::zeros(1000, None));
        assert_eq!(OwnColumns { totals, ..OwnColumns::default() }.bytes(), 22_000);
    }

    #[test]
    fn the_oldest_columns_are_forgotten_first_and_a_single_too_large_one_at_once() {
        let kept = Kept::default();
        let [a, b, c] = [b"a", b"b", b"c"].map(|name| Hash::of(name));
        let half = KEPT_BYTES_MAX / 8;
        kept.put(a, of_rows(half));
        kept.put(b, of_rows(half));
        assert!(kept.get(&a).is_some() && kept.get(&b).is_some());
        kept.put(c, of_rows(1));
        assert!(kept.get(&a).is_none() && kept.get(&b).is_some() && kept.get(&c).is_some());
        kept.put(a, of_rows(3 * half));
        assert!(kept.get(&a).is_none());
    }
}
