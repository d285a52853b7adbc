//! What owners remember of earlier questions (rule 13), as plain sets of units.
//!
//! It follows `docs/PROTECTION.md`, section 12. Where a node keeps sketches on disk, this keeps every set whole, and looks at each of
//! them whenever it judges.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use kobling_model::plan::{Fragment, Question, Side};
use kobling_model::{Hash, OwnerId, UnitType};
use ring::hmac;

use crate::preparation::View;
use crate::values::list;
use crate::{Datum, Perturbation, evaluate, fragments, is_true};

/// What an owner's rule 13 rests on, for one type of unit.
pub struct Book {
    /// The number of each unit.
    pub numbers: BTreeMap<String, u32>,
    /// The owner's own secret.
    pub secret: Vec<u8>,
    /// Smaller sets are not compared.
    pub units_min: u32,
    /// How many units are very few.
    pub near_max: u32,
}

/// Of each variable that a set was made from, the hash of its data.
type Versions = BTreeMap<String, Hash>;

/// What one owner remembers of one type of unit, in order.
#[derive(Clone)]
struct Remembered {
    book: Arc<Book>,
    sets: Vec<(Versions, Arc<BTreeSet<u32>>)>,
}

/// What all owners remember. Owners without a [`Book`] remember nothing.
#[derive(Clone, Default)]
pub struct Memory(BTreeMap<(OwnerId, UnitType), Remembered>);

/// By identity the category of each of a fragment's dimensions; none where the unit is in no cell.
pub(crate) type Settled = HashMap<String, Option<Vec<usize>>>;

/// A unit before and while sets take others' places.
struct Unit {
    /// Category of each dimension.
    digits: Vec<Option<usize>>,
    /// Whether the conditions keep it out.
    outside: bool,
    /// Whether it has no value and so can be in no cell.
    unknown: bool,
}

impl Unit {
    fn of(side: Side, fragment: &Fragment, columns: &[Datum]) -> Self {
        let category = |dimension: &kobling_model::plan::Dimension| {
            let value = evaluate(&dimension.expression, columns);
            dimension.categories.iter().position(|category| category.value == value)
        };
        let passes = fragment.filters.iter().all(|filter| is_true(&evaluate(filter, columns)));
        Self {
            digits: fragment.dimensions.iter().map(category).collect(),
            outside: !passes || side == Side::Left && columns[0].is_none(),
            unknown: fragment.value.as_ref().is_some_and(|value| evaluate(value, columns).is_none()),
        }
    }

    /// Its category of each dimension, where it is in a cell.
    fn cell(&self) -> Option<Vec<usize>> {
        if self.outside || self.unknown {
            return None;
        }
        self.digits.iter().copied().collect()
    }

    /// Its categories of some dimensions, where it is in a cell.
    fn key(&self, subset: &[usize]) -> Option<Vec<usize>> {
        let cell = self.cell()?;
        Some(subset.iter().map(|at| cell[*at]).collect())
    }
}

impl Memory {
    /// Gives an owner a book, or another one. What it remembers stays.
    pub fn enter(&mut self, owner: &OwnerId, unit_type: UnitType, book: Book) {
        let book = Arc::new(book);
        let of = self.0.entry((owner.clone(), unit_type));
        let remembered = of.or_insert_with(|| Remembered { book: book.clone(), sets: Vec::new() });
        remembered.book = book;
    }

    /// How many sets an owner remembers of a type of unit.
    pub fn sets(&self, owner: &OwnerId, unit_type: UnitType) -> usize {
        self.0.get(&(owner.clone(), unit_type)).map_or(0, |of| of.sets.len())
    }

    /// Puts earlier sets in the place of near ones on every side of a question, and remembers what there is then.
    pub(crate) fn settle(
        &mut self,
        question: &Question,
        views: &HashMap<Side, View<'_>>,
        table: &Perturbation,
    ) -> HashMap<Side, Settled> {
        let mut all = HashMap::new();
        for (side, fragment) in fragments(question) {
            let of = (fragment.owner.clone(), question.unit_type);
            let Some(remembered) = self.0.get_mut(&of) else { continue };
            let name =
                |source: &kobling_model::plan::Source| format!("{} {}", source.datastore, source.variable);
            let versions = fragment.registers().map(|source| (name(source), source.data)).collect();
            let unit = |identity: &String| Unit::of(side, fragment, &views[&side].columns(identity));
            let units = remembered.book.numbers.iter().map(|(identity, number)| (*number, unit(identity)));
            let mut units: BTreeMap<u32, Unit> = units.collect();
            remembered.settle(&mut units, fragment.dimensions.len(), &versions, question.unit_type, table);
            let numbers = remembered.book.numbers.iter();
            let settled = numbers.map(|(identity, number)| (identity.clone(), units[number].cell()));
            all.insert(side, settled.collect());
        }
        all
    }
}

impl Remembered {
    fn settle(
        &mut self,
        units: &mut BTreeMap<u32, Unit>,
        dimensions: usize,
        versions: &Versions,
        unit_type: UnitType,
        table: &Perturbation,
    ) {
        // Bit i of a subset's number is dimension i.
        let mut subsets: Vec<Vec<usize>> = (0_u32..1 << dimensions)
            .map(|bits| (0..dimensions).filter(|at| bits >> at & 1 == 1).collect())
            .collect();
        subsets.sort_by_key(Vec::len);
        for subset in &subsets {
            let (mut out, mut into) = (Vec::new(), Vec::new());
            for (key, set) in self.sets_of(units, subset) {
                for number in self.near(&set, versions, unit_type, table).unwrap_or_default() {
                    match set.contains(&number) {
                        true => out.push(number),
                        false => into.push((number, key.clone())),
                    }
                }
            }
            for number in out {
                units.get_mut(&number).expect("a unit of the set").outside = true;
            }
            for (number, key) in into {
                // A unit that the owner no longer had could not be there; there are none.
                let unit = units.get_mut(&number).expect("a unit of an earlier set");
                if !unit.unknown {
                    unit.outside = false;
                    subset.iter().zip(key).for_each(|(at, category)| unit.digits[*at] = Some(category));
                }
            }
        }
        let after: Vec<_> = subsets.iter().flat_map(|subset| self.sets_of(units, subset)).collect();
        for (_, set) in after {
            if !self.fitting(versions).any(|earlier| **earlier == set) {
                self.sets.push((versions.clone(), Arc::new(set)));
            }
        }
    }

    /// Sets of the categories of some dimensions that are large enough, in order.
    fn sets_of(&self, units: &BTreeMap<u32, Unit>, subset: &[usize]) -> BTreeMap<Vec<usize>, BTreeSet<u32>> {
        let mut sets: BTreeMap<Vec<usize>, BTreeSet<u32>> = BTreeMap::new();
        for (number, unit) in units {
            if let Some(key) = unit.key(subset) {
                sets.entry(key).or_default().insert(*number);
            }
        }
        sets.retain(|_, set| set.len() >= self.book.units_min as usize);
        sets
    }

    /// Earlier sets that were made from no other version of a variable's data.
    fn fitting(&self, versions: &Versions) -> impl Iterator<Item = &Arc<BTreeSet<u32>>> {
        let fits = |earlier: &Versions| {
            earlier.iter().all(|(variable, data)| versions.get(variable).is_none_or(|same| same == data))
        };
        self.sets.iter().filter(move |(earlier, _)| fits(earlier)).map(|(_, set)| set)
    }

    /// The units in which an earlier set differs that takes a set's place.
    fn near(
        &self,
        set: &BTreeSet<u32>,
        versions: &Versions,
        unit_type: UnitType,
        table: &Perturbation,
    ) -> Option<Vec<u32>> {
        if self.fitting(versions).any(|earlier| **earlier == *set) {
            return None;
        }
        let furthest = self.book.near_max as usize + 5;
        let difference = |earlier: &Arc<BTreeSet<u32>>| -> Vec<u32> {
            set.symmetric_difference(earlier).copied().take(furthest + 1).collect()
        };
        let mut differences = self.fitting(versions).map(difference);
        differences.find(|units| {
            units.len() <= furthest && {
                let key = self.key_of(units, unit_type);
                table.perturbed(units.len() as u64, key) <= u64::from(self.book.near_max)
            }
        })
    }

    /// The byte that the noise of a difference follows from.
    fn key_of(&self, units: &[u32], unit_type: UnitType) -> u8 {
        let purpose = format!("memory of {unit_type}");
        let message = list(&[b"kobling check value v1", purpose.as_bytes(), &[0; 16]]);
        let digest = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &self.book.secret), &message);
        let half = |at: usize| u64::from_le_bytes(digest.as_ref()[at..at + 8].try_into().expect("8 bytes"));
        let (a, b) = (half(0), half(8));
        let hash = |unit: &u32| {
            let f = u64::from(*unit).wrapping_add(a);
            let g = (f ^ f >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9).wrapping_add(b);
            let h = (g ^ g >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
            h ^ h >> 31
        };
        let all = units.iter().fold(0, |all, unit| all ^ hash(unit));
        all.to_be_bytes()[0]
    }
}
