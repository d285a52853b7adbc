//! The inner loops that carry every row: matrix products of blocks, and scatter-adds.
//!
//! All of this is local arithmetic on one party's own numbers and masks. No branch and no number of steps
//! depends on a value: a row without a category is added to a spare row of sums that is thrown away.

use crate::ring::Ring;

/// Sums of products of two blocks of columns, gathered over many blocks of rows.
///
/// Adds `Aᵀ·B` for each pair of blocks A (rows × `left`) and B (rows × `right`), both row by row.
pub(crate) struct ProductSums<R: Ring> {
    left: usize,
    right: usize,
    /// `left` × `right`, or the other way round where the left side has more columns, since the longer
    /// side goes along the vector lanes.
    sums: Vec<R>,
    padded: Vec<R>,
}

impl<R: Ring> ProductSums<R> {
    pub(crate) fn new(left: usize, right: usize) -> Self {
        Self { left, right, sums: vec![R::ZERO; left * right], padded: Vec::new() }
    }

    pub(crate) fn add(&mut self, left: &[R], right: &[R]) {
        let (narrow, narrow_columns, wide, wide_columns) = match self.turned() {
            false => (left, self.left, right, self.right),
            true => (right, self.right, left, self.left),
        };
        let stride = wide_columns.next_multiple_of(step::<R>());
        let rows = wide.len() / wide_columns;
        self.padded.clear();
        self.padded.resize(rows * stride, R::ZERO);
        for (to, from) in self.padded.chunks_exact_mut(stride).zip(wide.chunks_exact(wide_columns)) {
            to[..wide_columns].copy_from_slice(from);
        }
        accumulate(narrow, narrow_columns, &self.padded, stride, &mut self.sums, wide_columns);
    }

    /// The sums, left × right, row by row.
    pub(crate) fn into_sums(self) -> Vec<R> {
        if !self.turned() {
            return self.sums;
        }
        let mut sums = Vec::with_capacity(self.sums.len());
        for left in 0..self.left {
            sums.extend((0..self.right).map(|right| self.sums[right * self.left + left]));
        }
        sums
    }

    fn turned(&self) -> bool {
        self.left > self.right
    }
}

/// Elements in the narrowest tile: a quarter of 64 bytes.
const fn step<R: Ring>() -> usize {
    16 / size_of::<R>()
}

/// `sums[n][w] += Σ narrow[row][n] · wide[row][w]`, tile by tile, so that a tile's sums stay in registers.
fn accumulate<R: Ring>(
    narrow: &[R],
    narrow_columns: usize,
    wide: &[R],
    wide_stride: usize,
    sums: &mut [R],
    wide_columns: usize,
) {
    let operands = Operands { narrow, narrow_columns, wide, wide_stride };
    let mut put = |n: usize, w: usize, tile: &[R]| {
        let tile = &tile[..tile.len().min(wide_columns - w)];
        for (sum, more) in sums[n * wide_columns + w..].iter_mut().zip(tile) {
            *sum = sum.plus(*more);
        }
    };
    let mut w = 0;
    while w < wide_stride {
        let left = wide_stride - w;
        // The tile's width is a constant of the code, so that its loop becomes vector instructions.
        w += match (size_of::<R>(), left) {
            (2, 32..) => operands.column::<32>(w, &mut put),
            (2, 16..) => operands.column::<16>(w, &mut put),
            (2, _) => operands.column::<8>(w, &mut put),
            (4, 16..) => operands.column::<16>(w, &mut put),
            (4, 8..) => operands.column::<8>(w, &mut put),
            (4, _) => operands.column::<4>(w, &mut put),
            (_, 8..) => operands.column::<8>(w, &mut put),
            (_, 4..) => operands.column::<4>(w, &mut put),
            (_, _) => operands.column::<2>(w, &mut put),
        };
    }
}

struct Operands<'a, R> {
    narrow: &'a [R],
    narrow_columns: usize,
    wide: &'a [R],
    wide_stride: usize,
}

impl<R: Ring> Operands<'_, R> {
    fn column<const W: usize>(&self, w: usize, put: &mut impl FnMut(usize, usize, &[R])) -> usize {
        let mut n = 0;
        while n + 4 <= self.narrow_columns {
            for (i, sums) in self.tile::<4, W>(n, w).iter().enumerate() {
                put(n + i, w, sums);
            }
            n += 4;
        }
        while n < self.narrow_columns {
            put(n, w, &self.tile::<1, W>(n, w)[0]);
            n += 1;
        }
        W
    }

    fn tile<const N: usize, const W: usize>(&self, n: usize, w: usize) -> [[R; W]; N] {
        let mut sums = [[R::ZERO; W]; N];
        let rows =
            self.narrow.chunks_exact(self.narrow_columns).zip(self.wide.chunks_exact(self.wide_stride));
        for (narrow, wide) in rows {
            let narrow: &[R; N] = narrow[n..n + N].try_into().expect("a slice of N");
            let wide: &[R; W] = wide[w..w + W].try_into().expect("a slice of W");
            for (sums, factor) in sums.iter_mut().zip(narrow) {
                for (sum, element) in sums.iter_mut().zip(wide) {
                    *sum = sum.plus(factor.times(*element));
                }
            }
        }
        sums
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

    /// Adds each row of `block` into the sums of its category; a category beyond the last means none.
    pub(crate) fn add(&mut self, categories: &[u32], block: &[R]) {
        for (category, row) in categories.iter().zip(block.chunks_exact(self.columns)) {
            let at = (*category as usize).min(self.categories) * self.columns;
            for (sum, element) in self.sums[at..at + self.columns].iter_mut().zip(row) {
                *sum = sum.plus(*element);
            }
        }
    }

    /// As [`Self::add`], each row times its factor.
    pub(crate) fn add_times(&mut self, categories: &[u32], factors: impl Iterator<Item = R>, block: &[R]) {
        for ((category, factor), row) in categories.iter().zip(factors).zip(block.chunks_exact(self.columns))
        {
            let at = (*category as usize).min(self.categories) * self.columns;
            for (sum, element) in self.sums[at..at + self.columns].iter_mut().zip(row) {
                *sum = sum.plus(factor.times(*element));
            }
        }
    }

    /// The sums, categories × columns, row by row.
    pub(crate) fn into_sums(mut self) -> Vec<R> {
        self.sums.truncate(self.categories * self.columns);
        self.sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::{Prime64, Word};
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
                sums.add(&a, &b);
                left.extend(a);
                right.extend(b);
            }
            assert!(sums.into_sums() == plain(&left, l, &right, r), "{l} × {r} in {}", R::NAME);
        }
    }

    #[test]
    fn tiles_give_the_plain_product_in_every_ring_and_shape() {
        let mut dice = Dice::seeded(3);
        agrees::<u16>(|| u16::from_u64(dice.next()));
        agrees::<u32>(|| u32::from_u64(dice.next()));
        agrees::<u64>(|| dice.next());
        agrees::<Prime64>(|| Prime64::new(dice.next()));
    }

    #[test]
    fn scatter_sums_are_the_product_with_a_one_hot_matrix() {
        let categories = [0, 2, u32::MAX, 2, 1, 9];
        let block: Vec<u32> = (1..=12).collect();
        let mut sums = ScatterSums::new(3, 2);
        sums.add(&categories, &block);
        assert_eq!(sums.into_sums(), [1, 2, 9, 10, 10, 12]);
        let mut sums = ScatterSums::new(3, 2);
        sums.add_times(&categories, (1..).take(6), &block);
        assert_eq!(sums.into_sums(), [1, 2, 45, 50, 34, 40]);
    }
}
