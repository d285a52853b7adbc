//! What a node remembers of sets of units that something was released about, so that rule 13 can find those that differ by few.
//!
//! A set is remembered as a [`Sketch`]: 2 kB, whatever its size. Two sketches give the units in which their sets differ, where these are
//! few, and nothing where they are many; one alone gives nobody. So a node needs no second copy of what its registers say, and a
//! year of sets takes gigabytes and not terabytes. [`Index`] finds the sets that may be near among millions.
//!
//! Source: M. Goodrich and M. Mitzenmacher, "Invertible Bloom lookup tables" (2011), section 2, in the form for differences of D. Eppstein, M.
//! Goodrich, F. Uyeda and G. Varghese, "What's the difference? Efficient set reconciliation without prior context" (2011), section 3.

mod index;
pub mod partition;
pub mod spent;

pub use index::{Entry, Index};
pub use partition::Partition;

/// Groups of cells; each unit is in one cell of each.
const GROUPS: usize = 4;
/// Cells of a group.
const WIDTH: usize = 64;
/// Cells of a sketch.
pub const CELLS: usize = GROUPS * WIDTH;
/// Bytes of a sketch on disk.
pub const BYTES: usize = 4 + 8 * CELLS;
/// Units of a difference that is looked for. So many are found but for one time in a million
/// (`cargo test -p kobling-disclosure --lib memory`).
pub const DIFFERENCE_MAX: usize = 55;

/// A keyed hash of unit numbers. Nobody sees its results; the key makes it impossible to choose units that meet in one cell.
#[derive(Clone, Copy)]
pub struct UnitHash([u64; 2]);

impl UnitHash {
    /// The hash under a key.
    pub fn new(key: [u8; 16]) -> Self {
        let [low, high] = [0, 8].map(|at| u64::from_le_bytes(key[at..at + 8].try_into().expect("8 bytes")));
        Self([low, high])
    }

    /// The finaliser of SplitMix64, with a half of the key before it and one between its steps.
    fn of(self, unit: u32) -> u64 {
        let mut hash = u64::from(unit).wrapping_add(self.0[0]);
        hash = (hash ^ (hash >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9).wrapping_add(self.0[1]);
        hash = (hash ^ (hash >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        hash ^ (hash >> 31)
    }

    /// A byte that follows from a set of units: what the noise of its size is looked up with.
    pub fn key_of(self, units: &[u32]) -> u8 {
        units.iter().fold(0, |key, unit| key ^ (self.of(*unit) >> 56) as u8)
    }
}

/// Cells of a hash: six bits for each group. The lowest 32 bits are the check, the highest 8 the key.
fn cells_of(hash: u64) -> [usize; GROUPS] {
    std::array::from_fn(|group| group * WIDTH + ((hash >> (32 + 6 * group)) as usize & (WIDTH - 1)))
}

/// The word that a unit adds to its cells.
fn word(unit: u32, hash: u64) -> u64 {
    u64::from(unit) << 32 | hash & 0xFFFF_FFFF
}

/// A set of units, so far as to tell in which few units it differs from another.
#[derive(Clone, PartialEq, Eq)]
pub struct Sketch {
    units: u32,
    cells: Box<[u64; CELLS]>,
}

impl Default for Sketch {
    fn default() -> Self {
        Self { units: 0, cells: Box::new([0; CELLS]) }
    }
}

impl Sketch {
    /// The sketch of units that are all different.
    pub fn of(hash: UnitHash, units: &[u32]) -> Self {
        let mut sketch = Self::default();
        units.iter().for_each(|unit| sketch.add(hash, *unit));
        sketch
    }

    /// Adds a unit that is not in the set.
    pub fn add(&mut self, hash: UnitHash, unit: u32) {
        self.units += 1;
        let of_unit = hash.of(unit);
        for cell in cells_of(of_unit) {
            self.cells[cell] ^= word(unit, of_unit);
        }
    }

    /// Adds the units of a set that has none in common with this one.
    pub fn join(&mut self, other: &Self) {
        self.units += other.units;
        for (cell, other) in self.cells.iter_mut().zip(other.cells.iter()) {
            *cell ^= other;
        }
    }

    /// How many units the set has.
    pub fn units(&self) -> u32 {
        self.units
    }

    /// The units that are in one of two sets only, ascending; none where they are more than [`DIFFERENCE_MAX`].
    ///
    /// Peels: a cell with a single unit names it, and without that unit other cells may have a single one.
    pub fn difference(&self, other: &Self, hash: UnitHash) -> Option<Vec<u32>> {
        let mut left: Vec<u64> =
            self.cells.iter().zip(other.cells.iter()).map(|(one, other)| one ^ other).collect();
        // Each unit is in one cell of each group.
        if left[..WIDTH].iter().filter(|cell| **cell != 0).count() > DIFFERENCE_MAX {
            return None;
        }
        let mut units = Vec::new();
        let mut waiting: Vec<usize> = (0..CELLS).collect();
        while let Some(cell) = waiting.pop() {
            let unit = (left[cell] >> 32) as u32;
            let of_unit = hash.of(unit);
            let is_single = left[cell] == word(unit, of_unit) && cells_of(of_unit).contains(&cell);
            if left[cell] == 0 || !is_single {
                continue;
            }
            if units.len() == DIFFERENCE_MAX {
                return None;
            }
            units.push(unit);
            for cell in cells_of(of_unit) {
                left[cell] ^= word(unit, of_unit);
                waiting.push(cell);
            }
        }
        let is_whole = left.iter().all(|cell| *cell == 0);
        units.sort_unstable();
        is_whole.then_some(units)
    }

    /// What [`Index`] keeps of it.
    pub fn entry(&self) -> Entry {
        Entry { units: self.units, signature: std::array::from_fn(|cell| self.cells[cell] as u8) }
    }

    /// The form on disk: size, then cells, little-endian.
    pub fn to_bytes(&self) -> Vec<u8> {
        let cells = self.cells.iter().flat_map(|cell| cell.to_le_bytes());
        self.units.to_le_bytes().into_iter().chain(cells).collect()
    }

    /// Reads the form on disk; none where it has another length.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (units, cells) = bytes.split_first_chunk::<4>()?;
        let mut sketch = Self { units: u32::from_le_bytes(*units), ..Self::default() };
        let (words, rest) = cells.as_chunks::<8>();
        if words.len() != CELLS || !rest.is_empty() {
            return None;
        }
        for (cell, word) in sketch.cells.iter_mut().zip(words) {
            *cell = u64::from_le_bytes(*word);
        }
        Some(sketch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) const HASH: UnitHash = UnitHash([5, 7]);

    pub(super) fn sketch(units: impl IntoIterator<Item = u32>) -> Sketch {
        let mut sketch = Sketch::default();
        units.into_iter().for_each(|unit| sketch.add(HASH, unit));
        sketch
    }

    #[test]
    fn two_sets_give_the_units_in_which_they_differ_and_one_gives_nobody() {
        let all = sketch(0..100_000);
        assert_eq!(all.difference(&all, HASH), Some(vec![]));
        let some = sketch((0..100_000_u32).filter(|unit| !unit.is_multiple_of(25_000)).chain([200_000]));
        assert_eq!(all.difference(&some, HASH), Some(vec![0, 25_000, 50_000, 75_000, 200_000]));
        assert_eq!(some.difference(&all, HASH), all.difference(&some, HASH));
        assert_eq!(all.difference(&Sketch::default(), HASH), None);
        assert_eq!(all.difference(&sketch(0..99_000), HASH), None);
        // Under another key the sketch says nothing.
        assert_eq!(all.difference(&some, UnitHash([5, 8])), None);
    }

    #[test]
    fn the_union_of_parts_is_the_sketch_of_the_whole() {
        let mut parts = sketch((0..5000).step_by(2));
        parts.join(&sketch((1..5000).step_by(2)));
        assert!(parts == sketch(0..5000) && parts.units() == 5000);
    }

    #[test]
    fn differences_are_found_up_to_the_largest_that_is_looked_for() {
        for (trials, units) in [(20_000, 9), (20_000, 14), (5000, DIFFERENCE_MAX as u32)] {
            let failed = |trial: u32| {
                let chosen: Vec<u32> = (0..units).map(|unit| trial * units + unit).collect();
                sketch(chosen.iter().copied()).difference(&Sketch::default(), HASH) != Some(chosen)
            };
            let failures = (0..trials).filter(|trial| failed(*trial)).count();
            assert!(failures <= 1, "{failures} of {trials} with {units}");
        }
        let more = sketch(0..DIFFERENCE_MAX as u32 + 1);
        assert_eq!(more.difference(&Sketch::default(), HASH), None);
    }

    #[test]
    fn the_form_on_disk_is_read_back_and_nothing_else_is() {
        let written = sketch(3..3000).to_bytes();
        assert_eq!(written.len(), BYTES);
        assert!(Sketch::from_bytes(&written) == Some(sketch(3..3000)));
        assert!(Sketch::from_bytes(&written[1..]).is_none());
        assert!(Sketch::from_bytes(&[&written[..], &[0]].concat()).is_none());
        assert!(Sketch::from_bytes(&[]).is_none());
    }
}
