//! Finds remembered sets that may differ from one by few units, without reading their sketches.
//!
//! Sets that differ by d units differ by at most d in size, and in at most d of the bytes of a signature, whereas those of unrelated
//! sets agree in one byte of 256.

use std::collections::BTreeMap;

/// Bytes of a signature: one of each of so many cells of the sketch's first group.
const SIGNATURE: usize = 32;
/// Sets whose signatures agree in fewer bytes are not looked at. Those of sets that differ by [`super::DIFFERENCE_MAX`] units agree in 13 on
/// average, and in fewer than 4 one time in 20 000; those of unrelated sets in 4 or more one time in 10⁵.
const AGREEMENT_MIN: usize = 4;

/// What the index keeps of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// How many units it has.
    pub units: u32,
    /// A byte of each of some cells of its sketch.
    pub signature: [u8; SIGNATURE],
}

/// All remembered sets of one type of unit, by size. 40 bytes each.
#[derive(Default)]
pub struct Index {
    by_size: BTreeMap<u32, Vec<(u32, [u8; SIGNATURE])>>,
}

impl Index {
    /// Adds a set under a number.
    pub fn add(&mut self, number: u32, entry: Entry) {
        self.by_size.entry(entry.units).or_default().push((number, entry.signature));
    }

    /// Numbers of the sets that may differ from this one by at most `reach` units, up to [`super::DIFFERENCE_MAX`], in order of number.
    pub fn near(&self, entry: &Entry, reach: u32) -> Vec<u32> {
        let sizes = entry.units.saturating_sub(reach)..=entry.units.saturating_add(reach);
        let of_size = self.by_size.range(sizes).flat_map(|(_, sets)| sets);
        let agrees = |signature: &[u8; SIGNATURE]| {
            let same = signature.iter().zip(&entry.signature).filter(|(one, other)| one == other);
            same.count() >= AGREEMENT_MIN
        };
        let mut near: Vec<u32> =
            of_size.filter(|(_, signature)| agrees(signature)).map(|(number, _)| *number).collect();
        near.sort_unstable();
        near
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::sketch;
    use super::*;

    /// Units 0 to `size`, of every `step`, but for those in a stretch of `gap` units from `from`.
    fn set(step: u32, size: u32, from: u32, gap: u32) -> Entry {
        let units = (0..size * step).step_by(step as usize);
        sketch(units.filter(|unit| !(from..from + gap * step).contains(unit))).entry()
    }

    #[test]
    fn near_sets_are_found_in_order_and_others_of_their_size_are_not() {
        let mut index = Index::default();
        index.add(0, set(1, 2000, 0, 0));
        // The same size, other units; then half of them the same.
        for (number, step) in (1..60).zip(2..) {
            index.add(number, set(step, 2000, 0, 0));
        }
        for (number, from) in (60..110).zip(0..) {
            index.add(number, set(1, 2000, 30 * from, number - 60 + 1));
        }
        let near = index.near(&set(1, 2000, 0, 0), 50);
        assert_eq!(near, [0].into_iter().chain(60..110).collect::<Vec<_>>());
        assert!(index.near(&set(1, 1500, 0, 0), 50).is_empty());
        assert!(Index::default().near(&set(1, 2000, 0, 0), 50).is_empty());
    }
}
