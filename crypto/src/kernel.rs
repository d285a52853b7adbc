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

/// Runs `tile::<L, W, R>([l, r], …)` for tiles of at most 2 × 4 that cover `left` × `right` columns: more sums than that do
/// not fit into the registers of every processor.
macro_rules! in_tiles {
    ($left:expr, $right:expr, $tile:ident $(<$ring:ident>)? ($($argument:expr),*)) => {{
        let mut l = 0;
        while l < $left {
            let tall = if $left - l < 2 { 1 } else { 2 };
            let mut r = 0;
            while r < $right {
                let wide = match $right - r {
                    4.. => 4,
                    2.. => 2,
                    _ => 1,
                };
                match [tall, wide] {
                    [2, 4] => $tile::<2, 4 $(, $ring)?>([l, r], $($argument),*),
                    [2, 2] => $tile::<2, 2 $(, $ring)?>([l, r], $($argument),*),
                    [2, _] => $tile::<2, 1 $(, $ring)?>([l, r], $($argument),*),
                    [_, 4] => $tile::<1, 4 $(, $ring)?>([l, r], $($argument),*),
                    [_, 2] => $tile::<1, 2 $(, $ring)?>([l, r], $($argument),*),
                    [_, _] => $tile::<1, 1 $(, $ring)?>([l, r], $($argument),*),
                }
                r += wide;
            }
            l += tall;
        }
    }};
}

mod narrow;

pub(crate) use self::narrow::add_narrow_products;

/// Some neighbouring columns of a block of rows, in which column lies after column.
pub(crate) fn columns<R>(block: &[R], height: usize, which: Range<usize>) -> Vec<&[R]> {
    which.map(|column| &block[column * height..][..height]).collect()
}

/// [`Ring::add_products`] in any ring.
///
/// A sum is a plain dot product of two columns, which no number of columns keeps from being vector instructions.
#[multiversion(targets = "simd")]
pub(crate) fn add_products<R: Ring>(sums: &mut [R], left: &[&[R]], right: &[&[R]], stretch: usize) {
    in_tiles!(left.len(), right.len(), add_tile<R>(sums, left, right, stretch));
}

#[inline(always)]
fn add_tile<const L: usize, const W: usize, R: Ring>(
    [l, r]: [usize; 2],
    sums: &mut [R],
    left: &[&[R]],
    right: &[&[R]],
    stretch: usize,
) {
    let cells = left.len() * right.len();
    let (tall, wide): ([&[R]; L], [&[R]; W]) =
        (std::array::from_fn(|i| left[l + i]), std::array::from_fn(|j| right[r + j]));
    for (sums, rows) in sums.chunks_exact_mut(cells).zip(stretches(tall[0].len(), stretch)) {
        let tile = dots::<R, L, W>(
            tall.map(|column| &column[rows.clone()]),
            wide.map(|column| &column[rows.clone()]),
            rows.len(),
        );
        for i in 0..L {
            let sums = &mut sums[(l + i) * right.len() + r..][..W];
            for j in 0..W {
                sums[j] = sums[j].plus(tile[i][j]);
            }
        }
    }
}

/// Stretch after stretch of rows; the last may be shorter.
#[inline(always)]
fn stretches(rows: usize, stretch: usize) -> impl Iterator<Item = Range<usize>> {
    (0..rows).step_by(stretch).map(move |start| start..rows.min(start + stretch))
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

/// Takes masks from a block.
#[multiversion(targets = "simd")]
pub(crate) fn subtract(block: &mut [u16], masks: &[u16]) {
    let masks = &masks[..block.len()];
    for i in 0..block.len() {
        block[i] = block[i].wrapping_sub(masks[i]);
    }
}

/// Turns masks into a block less its masks.
#[multiversion(targets = "simd")]
pub(crate) fn subtract_from(block: &[u16], masks: &mut [u16]) {
    let masks = &mut masks[..block.len()];
    for i in 0..block.len() {
        masks[i] = block[i].wrapping_sub(masks[i]);
    }
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

/// [`one_hot`] with the weights times each of some columns: the category's first column, then one for each.
pub(crate) fn one_hot_times(
    block: &mut [u16],
    first_column: usize,
    factors: &[u16],
    categories: &[u32],
    weight: impl Fn(usize) -> u16,
) {
    let height = categories.len();
    let count = factors.len() / height;
    for (at, factors) in factors.chunks_exact(height).enumerate() {
        for row in 0..height {
            let category = categories[row];
            let there = category != u32::MAX;
            let column = first_column + category as usize * usize::from(there) * count + at;
            block[column * height + row] = weight(row).wrapping_mul(factors[row]) * u16::from(there);
        }
    }
}

/// Multiplies a column with another, row by row.
#[multiversion(targets = "simd")]
pub(crate) fn multiply(column: &mut [u16], other: &[u16]) {
    let other = &other[..column.len()];
    for i in 0..column.len() {
        column[i] = column[i].wrapping_mul(other[i]);
    }
}

/// Adds one block to another.
#[multiversion(targets = "simd")]
pub(crate) fn add(block: &mut [u16], other: &[u16]) {
    let other = &other[..block.len()];
    for i in 0..block.len() {
        block[i] = block[i].wrapping_add(other[i]);
    }
}

/// Adds to `sums` the product, row by row, of each column of the first matrix of a pair with each of the second, of all pairs.
///
/// There is a column of `sums` for each column of the first, and within it for each of the second. All pairs are of one shape.
#[multiversion(targets = "simd")]
pub(crate) fn add_row_products(sums: &mut [u16], pairs: &[(&[u16], &[u16])], height: usize) {
    // Pair by pair within a column: it stays in the nearest cache.
    let wide = pairs[0].1.len() / height;
    for (at, sums) in sums.chunks_exact_mut(height).enumerate() {
        let (l, r) = (at / wide * height, at % wide * height);
        for (left, right) in pairs {
            let (left, right) = (&left[l..l + height], &right[r..r + height]);
            for row in 0..height {
                sums[row] = sums[row].wrapping_add(left[row].wrapping_mul(right[row]));
            }
        }
    }
}

/// The next nodes of a comparison's keys: what comes out of the cipher, plus what went in, plus corrections.
#[multiversion(targets = "simd")]
pub(crate) fn correct(nodes: &mut [u64], input: &[u64], output: &[u64], corrections: &[u64]) {
    let count = nodes.len();
    let (input, output, corrections) = (&input[..count], &output[..count], &corrections[..count]);
    for i in 0..count {
        nodes[i] = input[i] ^ output[i] ^ corrections[i];
    }
}

/// Adds values of a comparison's keys to sums: what comes out of the cipher plus what went in, and corrections. All are as on the wire,
/// but the sums.
#[multiversion(targets = "simd")]
pub(crate) fn add_corrected(sums: &mut [u16], input: &[u16], output: &[u16], corrections: &[u16]) {
    let count = sums.len();
    let (input, output, corrections) = (&input[..count], &output[..count], &corrections[..count]);
    for i in 0..count {
        let value = u16::from_le(input[i] ^ output[i]);
        sums[i] = sums[i].wrapping_add(value).wrapping_add(u16::from_le(corrections[i]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::Prime64;
    use crate::testing::Dice;

    /// The definition, over columns, for one stretch.
    fn plain<R: Ring>(left: &[&[R]], right: &[&[R]], rows: Range<usize>) -> Vec<R> {
        let dot = |left: &[R], right: &[R]| {
            rows.clone().fold(R::ZERO, |sum, row| sum.plus(left[row].times(right[row])))
        };
        left.iter().flat_map(|left| right.iter().map(move |right| dot(left, right))).collect()
    }

    fn agrees<R: Ring>(mut draw: impl FnMut() -> R) {
        let shapes =
            [(1, 1), (1, 7), (7, 1), (2, 2), (3, 5), (4, 16), (5, 33), (10, 21), (21, 10), (6, 70), (40, 3)];
        for (l, r) in shapes {
            for (rows, stretch) in [(1, 1), (5, 64), (64, 64), (64, 16), (100, 16), (37, 8)] {
                let (left, right): (Vec<R>, Vec<R>) =
                    ((0..rows * l).map(|_| draw()).collect(), (0..rows * r).map(|_| draw()).collect());
                let (left, right) = (columns(&left, rows, 0..l), columns(&right, rows, 0..r));
                let before: Vec<R> = (0..rows.div_ceil(stretch) * l * r).map(|_| draw()).collect();
                let mut sums = before.clone();
                R::add_products(&mut sums, &left, &right, stretch);
                let products = stretches(rows, stretch).flat_map(|rows| plain(&left, &right, rows));
                let expected: Vec<R> =
                    before.iter().zip(products).map(|(before, product)| before.plus(product)).collect();
                assert!(sums == expected, "{l} × {r}, {rows} rows by {stretch} in {}", R::NAME);
                let mut sums = before;
                add_products(&mut sums, &left, &right, stretch);
                assert!(sums == expected, "{l} × {r}, {rows} rows by {stretch} in {}, any ring", R::NAME);
            }
        }
    }

    #[test]
    fn tiles_give_the_plain_products_in_every_ring_and_shape() {
        let mut dice = Dice::seeded(3);
        agrees::<u16>(|| dice.next() as u16);
        agrees::<u32>(|| dice.next() as u32);
        agrees::<u64>(|| dice.next());
        agrees::<Prime64>(|| Prime64::new(dice.next()));
    }

    #[test]
    fn the_largest_16_bit_numbers_multiply_as_in_the_ring() {
        let block = [[u16::MAX; 64], [1 << 15; 64]].concat();
        let columns = columns(&block, 64, 0..2);
        let mut sums = vec![0; 4];
        u16::add_products(&mut sums, &columns, &columns, 64);
        // 64 · (−1)² and 64 · −(−2¹⁵) and 64 · 2³⁰, mod 2¹⁶.
        assert_eq!(sums, [64, 0, 0, 0]);
    }

    #[test]
    fn each_row_stands_in_the_column_of_its_category_and_one_without_nowhere() {
        let mut block = vec![0; 3 * 4];
        one_hot(&mut block, 1, &[1, u32::MAX, 0], |row| row as u16 + 7);
        assert_eq!(block, [0, 0, 0, 0, 0, 9, 7, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn a_category_has_a_column_for_each_factor() {
        let mut block = vec![0; 5 * 3];
        let factors = [2, 3, 4, 5, 6, 7];
        one_hot_times(&mut block, 1, &factors, &[1, u32::MAX, 0], |row| row as u16 + 10);
        // Rows 0 and 2 are in categories 1 and 0: columns 3 and 4, 1 and 2.
        assert_eq!(block, [0, 0, 0, 0, 0, 48, 0, 0, 84, 20, 0, 0, 50, 0, 0]);
        let mut column = [3, 1 << 15, 5];
        multiply(&mut column, &[7, 3, 0]);
        assert_eq!(column, [21, 1 << 15, 0]);
    }

    #[test]
    fn each_column_of_one_block_is_multiplied_with_each_of_another_row_by_row() {
        let mut sums = [1; 2 * 3 * 2];
        let (left, right) = ([1, 2, 3, 4], [1, 10, 100, 1000, 5, 7]);
        add_row_products(&mut sums, &[(&left, &right)], 2);
        assert_eq!(sums, [2, 21, 101, 2001, 6, 15, 4, 41, 301, 4001, 16, 29]);
        let mut twice = [1; 2 * 3 * 2];
        add_row_products(&mut twice, &[(&left, &right), (&left, &right)], 2);
        add(&mut twice, &[1; 2 * 3 * 2]);
        assert_eq!(twice.map(|sum| sum / 2), sums);
        let mut wrapped = [u16::MAX; 33];
        add_row_products(&mut wrapped, &[(&[1 << 15; 33], &[3; 33])], 33);
        assert_eq!(wrapped, [(1 << 15) - 1; 33]);
    }

    #[test]
    fn masks_are_taken_from_a_block_in_either_place() {
        let (mut block, mut masks) = ([1, 5], [2, 3]);
        subtract_from(&block, &mut masks);
        assert_eq!(masks, [u16::MAX, 2]);
        subtract(&mut block, &[2, 3]);
        assert_eq!(block, masks);
    }
}
