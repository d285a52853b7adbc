//! The inner loops that carry every row: matrix products of blocks, and scatter-adds.
//!
//! All of this is local arithmetic on one party's own numbers and masks. No branch and no number of steps
//! depends on a value: a row without a category is added to a spare row of sums that is thrown away.
//!
//! Loops count an index over slices cut to length beforehand. That is the form that the compiler turns into vector
//! instructions in every profile; chains of iterators need inlining across code units, which not every profile has.

use std::ops::Range;

use crate::ring::Ring;

/// Some neighbouring columns of a block of rows.
pub(crate) struct Panel<'a, R> {
    /// Rows one after the other.
    pub(crate) block: &'a [R],
    /// Columns of the block.
    pub(crate) width: usize,
    /// Those meant.
    pub(crate) columns: Range<usize>,
}

impl<'a, R> Panel<'a, R> {
    /// All columns of a block.
    pub(crate) fn whole(block: &'a [R], width: usize) -> Self {
        Self { block, width, columns: 0..width }
    }

    fn rows(&self) -> usize {
        self.block.len() / self.width
    }
}

/// Sums of products of two blocks of columns, gathered over many blocks of rows.
///
/// Adds `AᵀB` for each pair of blocks A (rows × `left`) and B (rows × `right`), both row by row.
///
/// The blocks are turned so that columns lie contiguously; a sum is then a plain dot product over rows, a loop
/// that the compiler turns into vector instructions for every word, and no number of columns wastes lanes.
pub(crate) struct ProductSums<R: Ring> {
    left: usize,
    right: usize,
    /// left × right, row by row.
    sums: Vec<R>,
    left_columns: Vec<R>,
    right_columns: Vec<R>,
}

impl<R: Ring> ProductSums<R> {
    pub(crate) fn new(left: usize, right: usize) -> Self {
        let sums = vec![R::ZERO; left * right];
        Self { left, right, sums, left_columns: Vec::new(), right_columns: Vec::new() }
    }

    pub(crate) fn add(&mut self, left: &Panel<'_, R>, right: &Panel<'_, R>) {
        debug_assert_eq!((left.columns.len(), right.columns.len()), (self.left, self.right));
        let rows = left.rows();
        turn(left, &mut self.left_columns);
        turn(right, &mut self.right_columns);
        let mut l = 0;
        while l < self.left {
            l += match self.left - l {
                4.. => self.add_columns::<4>(l, rows),
                2.. => self.add_columns::<2>(l, rows),
                _ => self.add_columns::<1>(l, rows),
            };
        }
    }

    /// The sums, left × right, row by row.
    pub(crate) fn into_sums(self) -> Vec<R> {
        self.sums
    }

    /// The sums of some columns of left with some of right, which begin again at zero.
    pub(crate) fn take(&mut self, left: Range<usize>, right: Range<usize>) -> Vec<R> {
        let mut taken = Vec::with_capacity(left.len() * right.len());
        for row in left {
            let sums = &mut self.sums[row * self.right..][right.clone()];
            taken.extend_from_slice(sums);
            sums.fill(R::ZERO);
        }
        taken
    }

    /// Adds the products of L columns of left with all of right's.
    fn add_columns<const L: usize>(&mut self, l: usize, rows: usize) -> usize {
        let mut r = 0;
        while r < self.right {
            r += match self.right - r {
                4.. => self.add_tile::<L, 4>(l, r, rows),
                2.. => self.add_tile::<L, 2>(l, r, rows),
                _ => self.add_tile::<L, 1>(l, r, rows),
            };
        }
        L
    }

    fn add_tile<const L: usize, const W: usize>(&mut self, l: usize, r: usize, rows: usize) -> usize {
        let left = std::array::from_fn(|i| &self.left_columns[(l + i) * rows..(l + i + 1) * rows]);
        let right = std::array::from_fn(|i| &self.right_columns[(r + i) * rows..(r + i + 1) * rows]);
        let tile = dots::<R, L, W>(left, right, rows);
        for (i, tile_row) in tile.iter().enumerate() {
            let at = (l + i) * self.right + r;
            for (sum, more) in self.sums[at..at + W].iter_mut().zip(tile_row) {
                *sum = sum.plus(*more);
            }
        }
        W
    }
}

/// Dot products of each of L columns with each of W columns.
fn dots<R: Ring, const L: usize, const W: usize>(
    left: [&[R]; L],
    right: [&[R]; W],
    rows: usize,
) -> [[R; W]; L] {
    let (left, right) = (left.map(|column| &column[..rows]), right.map(|column| &column[..rows]));
    let mut sums = [[R::ZERO; W]; L];
    for row in 0..rows {
        for i in 0..L {
            for j in 0..W {
                sums[i][j] = sums[i][j].plus(left[i][row].times(right[j][row]));
            }
        }
    }
    sums
}

/// From row by row to column by column, in tiles of which both forms stay in the nearest cache.
fn turn<R: Ring>(panel: &Panel<'_, R>, turned: &mut Vec<R>) {
    const TILE: usize = 32;
    let (rows, columns, start) = (panel.rows(), panel.columns.len(), panel.columns.start);
    turned.resize(rows * columns, R::ZERO);
    let mut tile = [[R::ZERO; TILE]; TILE];
    for first_row in (0..rows).step_by(TILE) {
        let tile_rows = TILE.min(rows - first_row);
        let band = &panel.block[first_row * panel.width..(first_row + tile_rows) * panel.width];
        for first_column in (0..columns).step_by(TILE) {
            let tile_columns = TILE.min(columns - first_column);
            for row in 0..tile_rows {
                let run = &band[row * panel.width + start + first_column..][..tile_columns];
                for column in 0..tile_columns {
                    tile[column][row] = run[column];
                }
            }
            for column in 0..tile_columns {
                let run = &mut turned[(first_column + column) * rows + first_row..][..tile_rows];
                run.copy_from_slice(&tile[column][..tile_rows]);
            }
        }
    }
}

/// Replaces each element by its negative.
pub(crate) fn negate<R: Ring>(block: &mut [R]) {
    for element in block {
        *element = element.negated();
    }
}

/// Adds `one` of a row into the column of its category, in every row of a block; nothing in a row without one.
///
/// Such a row adds zero to its first column: no branch depends on a category.
pub(crate) fn add_one_hot<R: Ring>(
    block: &mut [R],
    width: usize,
    first_column: usize,
    categories: &[u32],
    one: impl Fn(usize) -> R,
) {
    for row in 0..categories.len() {
        let category = categories[row];
        let there = category != u32::MAX;
        let column = first_column + category as usize * usize::from(there);
        let place = &mut block[row * width + column];
        *place = place.plus(one(row).times(R::from_bit(there)));
    }
}

/// Sums of rows of a block by category: what a one-hot matrix does as the left factor.
pub(crate) struct ScatterSums<R: Ring> {
    categories: usize,
    columns: usize,
    /// One row for each category, and a spare one for rows without a category.
    sums: Vec<R>,
}

impl<R: Ring> ScatterSums<R> {
    pub(crate) fn new(categories: usize, columns: usize) -> Self {
        Self { categories, columns, sums: vec![R::ZERO; (categories + 1) * columns] }
    }

    /// Adds each row of `block`, times its factor, into the sums of its category; a category beyond the last
    /// means none.
    #[inline(always)]
    pub(crate) fn add(&mut self, categories: &[u32], factor: impl Fn(usize) -> R, panel: &Panel<'_, R>) {
        let (columns, start) = (self.columns, panel.columns.start);
        debug_assert_eq!(panel.columns.len(), columns);
        for (row, category) in categories.iter().enumerate() {
            let at = (*category as usize).min(self.categories) * columns;
            let row_of_block = &panel.block[row * panel.width + start..][..columns];
            let sums = &mut self.sums[at..][..columns];
            let factor = factor(row);
            for column in 0..columns {
                sums[column] = sums[column].plus(factor.times(row_of_block[column]));
            }
        }
    }

    /// The sums, categories × columns, row by row, which begin again at zero.
    pub(crate) fn take(&mut self) -> Vec<R> {
        let taken = self.sums[..self.categories * self.columns].to_vec();
        self.sums.fill(R::ZERO);
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::Prime64;
    use crate::testing::Dice;

    fn plain<R: Ring>(left: &[R], l: usize, right: &[R], r: usize) -> Vec<R> {
        let mut sums = vec![R::ZERO; l * r];
        for (a, b) in left.chunks(l).zip(right.chunks(r)) {
            for i in 0..l {
                for j in 0..r {
                    sums[i * r + j] = sums[i * r + j].plus(a[i].times(b[j]));
                }
            }
        }
        sums
    }

    fn agrees<R: Ring>(mut draw: impl FnMut() -> R) {
        for (l, r) in [(1, 1), (1, 7), (7, 1), (3, 5), (4, 16), (5, 33), (10, 21), (21, 10), (6, 70), (40, 3)]
        {
            let mut sums = ProductSums::new(l, r);
            let (mut left, mut right) = (Vec::new(), Vec::new());
            for rows in [0, 1, 5, 64] {
                let a: Vec<R> = (0..rows * l).map(|_| draw()).collect();
                let b: Vec<R> = (0..rows * r).map(|_| draw()).collect();
                sums.add(&Panel::whole(&a, l), &Panel::whole(&b, r));
                left.extend(a);
                right.extend(b);
            }
            assert!(sums.into_sums() == plain(&left, l, &right, r), "{l} × {r} in {}", R::NAME);
        }
    }

    #[test]
    fn tiles_give_the_plain_product_in_every_ring_and_shape() {
        let mut dice = Dice::seeded(3);
        agrees::<u16>(|| dice.next() as u16);
        agrees::<u32>(|| dice.next() as u32);
        agrees::<u64>(|| dice.next());
        agrees::<Prime64>(|| Prime64::new(dice.next()));
    }

    #[test]
    fn scatter_sums_are_the_product_with_a_one_hot_matrix() {
        let categories = [0, 2, u32::MAX, 2, 1, 9];
        let block: Vec<u32> = (1..=12).collect();
        let mut sums = ScatterSums::new(3, 2);
        sums.add(&categories, |_| 1, &Panel::whole(&block, 2));
        assert_eq!(sums.take(), [1, 2, 9, 10, 10, 12]);
        sums.add(&categories, |row| row as u32 + 1, &Panel::whole(&block, 2));
        assert_eq!(sums.take(), [1, 2, 45, 50, 34, 40]);
        sums = ScatterSums::new(3, 1);
        sums.add(&categories, |_| 1, &Panel { block: &block, width: 2, columns: 1..2 });
        assert_eq!(sums.take(), [2, 10, 12]);
    }
}
