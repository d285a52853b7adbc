//! Units in the cells of a question's own side, and how they move where a set of them differs by few from an earlier one.

use super::{Sketch, UnitHash};

/// The cell of units that count nowhere.
pub const NO_CELL: u32 = u32::MAX;
/// Marks a unit that has a code and does not count: it passes no filter.
pub const OUTSIDE: u32 = 1 << 31;
/// Up to so many cells have a sketch each, 2 kB, and larger sets are joined from them.
const JOINED_MAX: usize = 8192;

/// The units of one side by code: a digit for each dimension, the first slowest. A digit may also be "none", the number after its
/// dimension's last category. A unit is in a cell if no digit is none and it is not [`OUTSIDE`]; of [`NO_CELL`] nothing is known.
pub struct Partition {
    /// Categories of each dimension.
    categories: Vec<u32>,
    codes: Vec<u32>,
}

/// The categories of some dimensions, as a code of these alone without none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key(u32);

/// What [`Partition::settle`] has come to.
pub struct Settled {
    /// All units in cells, however few.
    pub population: Sketch,
    /// All sets that are large enough to be compared: the population, each category, each combination.
    pub sets: Vec<Sketch>,
}

/// A change of one unit.
enum Move {
    Out(u32),
    Into(u32, Key),
}

/// How many codes there are for dimensions of so many categories; none where they are too many for a code.
pub fn codes(categories: impl IntoIterator<Item = u32>) -> Option<u32> {
    let all = categories.into_iter().try_fold(1_u32, |all, of| all.checked_mul(of.checked_add(1)?));
    all.filter(|all| *all < OUTSIDE)
}

impl Partition {
    /// Takes units by code, for dimensions of so many categories that [`codes`] has a number.
    pub fn new(categories: Vec<u32>, codes: Vec<u32>) -> Self {
        Self { categories, codes }
    }

    /// By unit its composite category, the first dimension slowest, or [`NO_CELL`].
    pub fn into_cells(mut self) -> Vec<u32> {
        let mut codes = std::mem::take(&mut self.codes);
        let cell_of = self.cell_of(codes.len());
        codes.iter_mut().for_each(|code| *code = cell_of(*code));
        codes
    }

    /// The composite category of a code, looked up in a table where that is shorter than the units.
    fn cell_of(&self, units: usize) -> impl Fn(u32) -> u32 + '_ {
        let cell = |code| self.key(code, u32::MAX).map_or(NO_CELL, |Key(cell)| cell);
        let all: u32 = self.categories.iter().map(|of| of + 1).product();
        let table: Vec<u32> = match (all as usize) < units {
            true => (0..all).map(cell).collect(),
            false => Vec::new(),
        };
        move |code| table.get(code as usize).copied().unwrap_or_else(|| cell(code))
    }

    /// The digits of a code, the last dimension first, with its categories.
    fn digits(&self, mut code: u32) -> impl Iterator<Item = (usize, u32, u32)> + '_ {
        self.categories.iter().enumerate().rev().map(move |(at, of)| {
            let digit = code % (of + 1);
            code /= of + 1;
            (at, digit, *of)
        })
    }

    /// Which set of the dimensions in `subset` a code's unit is in; none where it is in no cell.
    fn key(&self, code: u32, subset: u32) -> Option<Key> {
        if code >= OUTSIDE {
            return None;
        }
        let (mut key, mut place) = (0, 1);
        for (at, digit, of) in self.digits(code) {
            if digit == of {
                return None;
            }
            if subset >> at & 1 == 1 {
                key += digit * place;
                place *= of;
            }
        }
        Some(Key(key))
    }

    /// A code with the digits of some dimensions replaced, and its unit no longer outside.
    fn with(&self, code: u32, subset: u32, Key(mut key): Key) -> u32 {
        let digits: Vec<_> = self.digits(code & !OUTSIDE).collect();
        let (mut changed, mut place) = (0, 1);
        for (at, digit, of) in digits {
            let digit = match subset >> at & 1 == 1 {
                true => {
                    let digit = key % of;
                    key /= of;
                    digit
                }
                false => digit,
            };
            changed += digit * place;
            place *= of + 1;
        }
        changed
    }

    /// Puts earlier sets in the place of those that differ from them by few units: of all units in cells first, then of each
    /// dimension's categories, then of combinations.
    ///
    /// `earlier` is asked for each set of at least `units_min` units, and tells in which units an earlier one differs that is to take its
    /// place. Returns all such sets as they are afterwards, and all units in cells.
    ///
    /// A unit that the earlier set has gets that set's categories; one that only the new set has is in no cell, unless an earlier set
    /// in place of another has it. A unit of which nothing is known cannot come in.
    ///
    /// # Errors
    /// Those of `earlier`; the partition is then good for nothing.
    pub fn settle<E>(
        &mut self,
        hash: UnitHash,
        units_min: u32,
        mut earlier: impl FnMut(&Sketch) -> Result<Option<Vec<u32>>, E>,
    ) -> Result<Settled, E> {
        let mut subsets: Vec<u32> = (0..1 << self.categories.len()).collect();
        subsets.sort_by_key(|subset| subset.count_ones());
        let (mut cells, mut settled, mut is_changed) = (self.cells(hash), Vec::new(), false);
        for subset in &subsets {
            let mut moves = Vec::new();
            let sets = self.sets(*subset, units_min, cells.as_deref(), hash);
            for (key, sketch) in &sets {
                for unit in earlier(sketch)?.unwrap_or_default() {
                    let Some(code) = self.codes.get(unit as usize).copied() else { continue };
                    match self.key(code, *subset) == Some(*key) {
                        true => moves.push(Move::Out(unit)),
                        false if code == NO_CELL => {}
                        false => moves.push(Move::Into(unit, *key)),
                    }
                }
            }
            if moves.is_empty() {
                settled.extend(sets.into_iter().map(|(_, sketch)| sketch));
                continue;
            }
            is_changed = true;
            self.apply(&moves, *subset);
            cells = self.cells(hash);
        }
        if is_changed {
            let sets =
                subsets.iter().flat_map(|subset| self.sets(*subset, units_min, cells.as_deref(), hash));
            settled = sets.map(|(_, sketch)| sketch).collect();
        }
        Ok(Settled { population: self.population(cells.as_deref(), hash), sets: settled })
    }

    /// All units in cells, however few.
    fn population(&self, cells: Option<&[Sketch]>, hash: UnitHash) -> Sketch {
        let mut population = Sketch::default();
        match cells {
            Some(cells) => cells.iter().for_each(|cell| population.join(cell)),
            None => {
                let units = (0..).zip(&self.codes).filter(|(_, code)| self.key(**code, 0).is_some());
                units.for_each(|(unit, _)| population.add(hash, unit));
            }
        }
        population
    }

    /// Those that leave a set first: one may come into another.
    fn apply(&mut self, moves: &[Move], subset: u32) {
        for moved in moves {
            if let Move::Out(unit) = moved {
                self.codes[*unit as usize] |= OUTSIDE;
            }
        }
        for moved in moves {
            if let Move::Into(unit, key) = moved {
                let code = self.codes[*unit as usize];
                self.codes[*unit as usize] = self.with(code, subset, *key);
            }
        }
    }

    /// A sketch of each cell, where they are few enough.
    fn cells(&self, hash: UnitHash) -> Option<Vec<Sketch>> {
        let cells: usize = self.categories.iter().map(|of| *of as usize).product();
        if cells > JOINED_MAX {
            return None;
        }
        // Units by cell: a sketch fits into the fastest memory, and thousands of them do not. Last those in no cell.
        let cell_of = self.cell_of(self.codes.len());
        let of_units: Vec<u32> = self.codes.iter().map(|code| cell_of(*code).min(cells as u32)).collect();
        let mut ends = vec![0_u32; cells + 2];
        of_units.iter().for_each(|cell| ends[*cell as usize + 1] += 1);
        for cell in 0..cells {
            ends[cell + 1] += ends[cell];
        }
        let mut units = vec![0; of_units.len()];
        for (unit, cell) in (0..).zip(&of_units) {
            let end = &mut ends[*cell as usize];
            units[*end as usize] = unit;
            *end += 1;
        }
        // Each end has moved to the next cell's.
        let starts = std::iter::once(&0).chain(&ends);
        let of_cell = |(start, end): (&u32, &u32)| Sketch::of(hash, &units[*start as usize..*end as usize]);
        Some(starts.zip(&ends[..cells]).map(of_cell).collect())
    }

    /// Sets of the categories of some dimensions that have so many units at least, in order.
    fn sets(
        &self,
        subset: u32,
        units_min: u32,
        cells: Option<&[Sketch]>,
        hash: UnitHash,
    ) -> Vec<(Key, Sketch)> {
        let of_subset = self.categories.iter().enumerate().filter(|(at, _)| subset >> at & 1 == 1);
        let sets: usize = of_subset.map(|(_, of)| *of as usize).product();
        if let Some(cells) = cells {
            let mut sketches = vec![None; sets];
            for (cell, of_cell) in (0..).zip(cells).filter(|(_, of_cell)| of_cell.units() > 0) {
                let Key(key) = self.key_of_cell(cell, subset);
                sketches[key as usize].get_or_insert_with(Sketch::default).join(of_cell);
            }
            let sketches = (0..).map(Key).zip(sketches);
            let sketches = sketches.filter_map(|(key, sketch)| Some((key, sketch?)));
            return sketches.filter(|(_, sketch)| sketch.units() >= units_min).collect();
        }
        let mut units = vec![0_u32; sets];
        let keys = || self.codes.iter().map(|code| self.key(*code, subset));
        keys().flatten().for_each(|Key(key)| units[key as usize] += 1);
        let large = |units: &u32| *units >= units_min;
        let mut sketches: Vec<_> = units.iter().map(|units| large(units).then(Sketch::default)).collect();
        for (unit, key) in (0..).zip(keys()) {
            if let Some(Key(key)) = key
                && let Some(sketch) = &mut sketches[key as usize]
            {
                sketch.add(hash, unit);
            }
        }
        (0..).map(Key).zip(sketches).filter_map(|(key, sketch)| Some((key, sketch?))).collect()
    }

    /// Which set of some dimensions a cell is part of.
    fn key_of_cell(&self, mut cell: u32, subset: u32) -> Key {
        let (mut key, mut place) = (0, 1);
        for (at, of) in self.categories.iter().enumerate().rev() {
            if subset >> at & 1 == 1 {
                key += cell % of * place;
                place *= of;
            }
            cell /= of;
        }
        Key(key)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{HASH, sketch};
    use super::*;

    const UNITS: u32 = 6000;

    /// A memory of nothing but sketches.
    #[derive(Default)]
    struct Earlier(Vec<Sketch>);

    impl Earlier {
        /// Settles units by their codes, remembers the sets, and gives the cells.
        fn ask(&mut self, categories: &[u32], code: impl Fn(u32) -> u32) -> Vec<u32> {
            let mut partition = Partition::new(categories.to_vec(), (0..UNITS).map(code).collect());
            let near = |sketch: &Sketch| {
                let known = self.0.iter().any(|earlier| earlier == sketch);
                let mut differences = self.0.iter().filter_map(|earlier| sketch.difference(earlier, HASH));
                Ok::<_, ()>(differences.find(|units| !known && units.len() < 10))
            };
            let sets = partition.settle(HASH, 1000, near).expect("no error").sets;
            self.0.extend(sets);
            partition.into_cells()
        }
    }

    #[test]
    fn codes_with_a_none_or_outside_are_in_no_cell() {
        assert_eq!(codes([2, 3]), Some(12));
        assert_eq!(codes([u32::MAX]), None);
        assert_eq!(codes([1 << 16, 1 << 15]), None);
        // 3 × 4 codes, the last of each digit none.
        let all = (0..12).chain([5 | OUTSIDE, NO_CELL]).collect();
        let none = NO_CELL;
        let cells = [0, 1, 2, none, 3, 4, 5, none, none, none, none, none, none, none];
        assert_eq!(Partition::new(vec![2, 3], all).into_cells(), cells);
        let many = (0..12).cycle().take(100).collect();
        assert_eq!(Partition::new(vec![2, 3], many).into_cells()[..12], cells[..12]);
        assert_eq!(Partition::new(vec![], vec![0, OUTSIDE, NO_CELL]).into_cells(), [0, none, none]);
    }

    #[test]
    fn a_population_of_few_more_or_fewer_is_the_earlier_one() {
        let mut earlier = Earlier::default();
        // By half; people from 4000 on do not pass the filter.
        let half = |unit: u32| (unit % 2) | (if unit < 4000 { 0 } else { OUTSIDE });
        let first = earlier.ask(&[2], half);
        assert_eq!(first.iter().filter(|cell| **cell != NO_CELL).count(), 4000);
        let known = earlier.0.len();
        assert_eq!(known, 3, "all, and each half");
        // The same filter but for three people, and then for twenty.
        let near = |unit: u32| match unit {
            17 | 2000 => half(unit) | OUTSIDE,
            4500 => half(unit) & !OUTSIDE,
            _ => half(unit),
        };
        assert!(earlier.ask(&[2], near) == first);
        assert!(earlier.0[known..].iter().all(|set| earlier.0[..known].contains(set)));
        let far = |unit: u32| if unit < 20 { OUTSIDE } else { half(unit) };
        assert!(earlier.ask(&[2], far) != first);
    }

    #[test]
    fn a_column_that_tells_one_person_apart_is_the_earlier_column_whatever_it_is_tabulated_with() {
        let mut earlier = Earlier::default();
        // Two categories of three codes, and five of six.
        let code = |g: u32, x: u32| g * 6 + x;
        let (g, x) = (|unit: u32| unit / 2000 % 2, |unit: u32| unit % 5);
        let with_x = earlier.ask(&[2, 5], |unit| code(g(unit), x(unit)));
        // One person changes category; is in none; and there are only two categories of three.
        let moved = |unit: u32| if unit == 2777 { 0 } else { g(unit) };
        let without = |unit: u32| if unit == 2777 { 2 } else { g(unit) };
        assert_eq!(earlier.ask(&[2, 5], |unit| code(moved(unit), x(unit))), with_x);
        assert_eq!(earlier.ask(&[2, 5], |unit| code(without(unit), x(unit))), with_x);
        let alone: Vec<u32> = with_x.iter().map(|cell| cell / 5).collect();
        assert_eq!(earlier.ask(&[2], moved), alone);
        assert_eq!(earlier.ask(&[2], without), alone);
        // As a population: those of the second category, by another variable.
        let y = |unit: u32| unit % 3;
        let of_y = earlier.ask(&[3], |unit| y(unit) | if moved(unit) == 1 { 0 } else { OUTSIDE });
        let expected = (0..UNITS).map(|unit| if g(unit) == 1 { y(unit) } else { NO_CELL });
        assert!(of_y.into_iter().eq(expected));
    }

    #[test]
    fn combinations_of_dimensions_are_sets_too() {
        let mut earlier = Earlier::default();
        let both = |unit: u32| u32::from(unit.is_multiple_of(2) && !unit.is_multiple_of(3));
        let one = earlier.ask(&[2], both);
        // 2000 units are in the combination of two columns; one of them is missing in the second.
        let code = |unit: u32| {
            let second = if unit == 4 { 2 } else { u32::from(!unit.is_multiple_of(3)) };
            u32::from(unit.is_multiple_of(2)) * 3 + second
        };
        let two = earlier.ask(&[2, 2], code);
        assert!((0..UNITS as usize).all(|unit| (two[unit] == 3) == (one[unit] == 1)), "unit 4 is among them");
    }

    #[test]
    fn many_cells_give_the_same_sets_as_few() {
        let partition = |last: u32| {
            let codes = (0..UNITS).map(|unit| (unit % 2 * 4 + unit / 2 % 3) * (last + 1) + unit / 7 % 3);
            Partition::new(vec![2, 3, last], codes.collect())
        };
        let (few, many) = (partition(3), partition(5000));
        assert!(few.cells(HASH).is_some() && many.cells(HASH).is_none());
        for subset in 0..8 {
            let sets =
                |partition: &Partition| partition.sets(subset, 300, partition.cells(HASH).as_deref(), HASH);
            let (of_few, of_many) = (sets(&few), sets(&many));
            assert!(!of_few.is_empty() && of_few.len() == of_many.len());
            assert!(of_few.iter().zip(&of_many).all(|((_, one), (_, other))| one == other));
        }
        assert!(few.sets(1, 3000, None, HASH)[1].1 == sketch((0..UNITS).filter(|unit| unit % 2 == 1)));
    }
}
