//! The inner loops that carry every row: dot products of columns, and what makes columns.
//!
//! All of this is local arithmetic on one party's own numbers and masks. No branch and no number of steps depends on a
//! value: a row without a category writes a zero into its first column.
//!
//! Loops count an index over slices cut to length beforehand. That is the form that the compiler turns into vector
//! instructions in every profile; chains of iterators need inlining across code units, which not every profile has.
//!
//! The functions marked `multiversion` are compiled for several sets of vector instructions, and the processor's is
//! picked when they are first called; what they call is inlined into each. The example `rates` shows the rate of each.

use std::ops::Range;

use multiversion::multiversion;

use crate::ring::Ring;

/// Some neighbouring columns of a block of rows, over some of its rows. In a block, column lies after column.
#[derive(Clone)]
pub(crate) struct Columns<'a, R> {
    /// Column after column.
    pub(crate) block: &'a [R],
    /// Rows of the block.
    pub(crate) height: usize,
    /// Columns meant.
    pub(crate) columns: Range<usize>,
    /// Rows meant.
    pub(crate) rows: Range<usize>,
}

impl<'a, R> Columns<'a, R> {
    /// All of a block of this many rows.
    pub(crate) fn whole(block: &'a [R], height: usize) -> Self {
        let width = block.len().checked_div(height).unwrap_or(0);
        Self { block, height, columns: 0..width, rows: 0..height }
    }

    #[inline(always)]
    fn column(&self, at: usize) -> &'a [R] {
        &self.block[(self.columns.start + at) * self.height..][self.rows.clone()]
    }
}

/// Sums of products of two blocks of columns, gathered over many blocks of rows: adds `AᵀB` for each pair of blocks
/// A (rows × `left`) and B (rows × `right`).
///
/// A sum is a plain dot product of two columns, which no number of columns keeps from being vector instructions.
pub(crate) struct ProductSums<R: Ring> {
    left: usize,
    right: usize,
    /// left × right, row by row.
    sums: Vec<R>,
}

impl<R: Ring> ProductSums<R> {
    pub(crate) fn new(left: usize, right: usize) -> Self {
        Self { left, right, sums: vec![R::ZERO; left * right] }
    }

    pub(crate) fn add(&mut self, left: &Columns<'_, R>, right: &Columns<'_, R>) {
        debug_assert_eq!((left.columns.len(), right.columns.len()), (self.left, self.right));
        debug_assert_eq!(left.rows.len(), right.rows.len());
        add_products(self, left, right);
    }

    /// The sums, left × right, row by row.
    pub(crate) fn into_sums(self) -> Vec<R> {
        self.sums
    }

    /// The sums, left × right, row by row, which begin again at zero.
    pub(crate) fn take(&mut self) -> Vec<R> {
        let zeros = vec![R::ZERO; self.sums.len()];
        std::mem::replace(&mut self.sums, zeros)
    }

    /// Adds the products of L columns of left with all of right's.
    #[inline(always)]
    fn add_columns<const L: usize>(
        &mut self,
        l: usize,
        left: &Columns<'_, R>,
        right: &Columns<'_, R>,
    ) -> usize {
        let mut r = 0;
        while r < self.right {
            r += match self.right - r {
                4.. => self.add_tile::<L, 4>(l, r, left, right),
                2.. => self.add_tile::<L, 2>(l, r, left, right),
                _ => self.add_tile::<L, 1>(l, r, left, right),
            };
        }
        L
    }

    #[inline(always)]
    fn add_tile<const L: usize, const W: usize>(
        &mut self,
        l: usize,
        r: usize,
        left: &Columns<'_, R>,
        right: &Columns<'_, R>,
    ) -> usize {
        let rows = left.rows.len();
        let left = std::array::from_fn(|i| left.column(l + i));
        let right = std::array::from_fn(|i| right.column(r + i));
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

#[multiversion(targets = "simd")]
fn add_products<R: Ring>(sums: &mut ProductSums<R>, left: &Columns<'_, R>, right: &Columns<'_, R>) {
    let mut l = 0;
    while l < sums.left {
        l += match sums.left - l {
            4.. => sums.add_columns::<4>(l, left, right),
            2.. => sums.add_columns::<2>(l, left, right),
            _ => sums.add_columns::<1>(l, left, right),
        };
    }
}

/// Dot products of each of L columns with each of W columns.
#[inline(always)]
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
#[multiversion(targets = "simd")]
pub(crate) fn turn<R: Ring>(block: &[R], width: usize, turned: &mut Vec<R>) {
    const TILE: usize = 32;
    let rows = block.len() / width;
    turned.resize(block.len(), R::ZERO);
    let mut tile = [[R::ZERO; TILE]; TILE];
    for first_row in (0..rows).step_by(TILE) {
        let tile_rows = TILE.min(rows - first_row);
        let band = &block[first_row * width..(first_row + tile_rows) * width];
        for first_column in (0..width).step_by(TILE) {
            let tile_columns = TILE.min(width - first_column);
            for row in 0..tile_rows {
                let run = &band[row * width + first_column..][..tile_columns];
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

/// The message of a block less its masks.
#[multiversion(targets = "simd")]
pub(crate) fn masked(block: &[u16], masks: &[u16]) -> Vec<u8> {
    let mut message = vec![0; 2 * block.len()];
    let (places, _) = message.as_chunks_mut();
    let (places, masks) = (&mut places[..block.len()], &masks[..block.len()]);
    for i in 0..block.len() {
        places[i] = block[i].wrapping_sub(masks[i]).to_le_bytes();
    }
    message
}

/// Writes `weight` of a row into the column of its category, in every row of a block of zeros; a row without one gets
/// a zero in its first column: no branch depends on a category.
pub(crate) fn one_hot(
    block: &mut [u16],
    first_column: usize,
    categories: &[u32],
    weight: impl Fn(usize) -> u16,
) {
    let height = categories.len();
    for row in 0..height {
        let category = categories[row];
        let there = category != u32::MAX;
        let column = first_column + category as usize * usize::from(there);
        block[column * height + row] = weight(row) * u16::from(there);
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
            for rows in [1, 5, 64] {
                let a: Vec<R> = (0..rows * l).map(|_| draw()).collect();
                let b: Vec<R> = (0..rows * r).map(|_| draw()).collect();
                let (mut a_turned, mut b_turned) = (Vec::new(), Vec::new());
                turn(&a, l, &mut a_turned);
                turn(&b, r, &mut b_turned);
                sums.add(&Columns::whole(&a_turned, rows), &Columns::whole(&b_turned, rows));
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
    fn some_rows_of_some_columns_are_a_product_of_their_own() {
        let block: Vec<u16> = (0..12).collect();
        let other: Vec<u16> = (0..8).map(|x| 3 * x + 1).collect();
        let mut sums = ProductSums::new(2, 1);
        let left = Columns { block: &block, height: 4, columns: 1..3, rows: 1..3 };
        sums.add(&left, &Columns { block: &other, height: 4, columns: 1..2, rows: 1..3 });
        // Columns 5 6 and 9 10 with 16 19.
        assert_eq!(sums.take(), [5 * 16 + 6 * 19, 9 * 16 + 10 * 19]);
        assert_eq!(sums.take(), [0, 0]);
    }

    #[test]
    fn each_row_stands_in_the_column_of_its_category_and_one_without_nowhere() {
        let mut block = vec![0; 3 * 4];
        one_hot(&mut block, 1, &[1, u32::MAX, 0], |row| row as u16 + 7);
        assert_eq!(block, [0, 0, 0, 0, 0, 9, 7, 0, 0, 0, 0, 0]);
        assert_eq!(masked(&[1, 5], &[2, 3]), [0xff, 0xff, 2, 0]);
    }
}
