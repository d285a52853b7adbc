//! Dot products in ℤ/2¹⁶, which carry most of what a nation's rows cost.
//!
//! Processors with AVX2 multiply sixteen signed 16-bit numbers and add neighbouring products to eight sums of 32 bits in one
//! instruction. Which representatives are multiplied does not matter mod 2¹⁶, nor does a carry beyond 2³². The compiler does
//! find that instruction by itself, but at a quarter of the rate, since how it groups the sums changes with the shape of a
//! tile; over short stretches of rows most of its time goes into adding up what is in the parts of a register.

use multiversion::multiversion;

use super::add_products;

/// [`Ring::add_products`](crate::ring::Ring::add_products) in ℤ/2¹⁶.
#[multiversion(targets("x86_64+avx2"))]
pub(crate) fn add_narrow_products(sums: &mut [u16], left: &[&[u16]], right: &[&[u16]], stretch: usize) {
    __multiversion::match_target! {
        "x86_64+avx2" => avx2::add_products(sums, left, right, stretch),
        _ => add_products(sums, left, right, stretch),
    }
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::{
        __m256i, _mm_add_epi32, _mm256_add_epi32, _mm256_castsi256_si128, _mm256_extracti128_si256,
        _mm256_hadd_epi32, _mm256_madd_epi16, _mm256_setzero_si256,
    };
    use std::ops::Range;

    /// Rows that one instruction multiplies.
    const ROWS: usize = 16;

    /// A column, as many rows at a time.
    type Runs<'a> = &'a [[u16; ROWS]];

    #[target_feature(enable = "avx2")]
    pub(super) fn add_products(sums: &mut [u16], left: &[&[u16]], right: &[&[u16]], stretch: usize) {
        in_tiles!(left.len(), right.len(), add_tile(sums, left, right, stretch));
    }

    // Loops over places instead of closures: a closure has the instructions of its function, and what calls it in the library has not.

    #[target_feature(enable = "avx2")]
    fn add_tile<const L: usize, const W: usize>(
        [l, r]: [usize; 2],
        sums: &mut [u16],
        left: &[&[u16]],
        right: &[&[u16]],
        stretch: usize,
    ) {
        let (width, cells) = (right.len(), left.len() * right.len());
        let (left, right) = (&left[l..l + L], &right[r..r + W]);
        let rows = left[0].len();
        let mut start = 0;
        for sums in sums.chunks_exact_mut(cells) {
            let end = rows.min(start + stretch);
            let tile = dots::<L, W>(left, right, start..end);
            for i in 0..L {
                let sums = &mut sums[(l + i) * width + r..][..W];
                for j in 0..W {
                    sums[j] = sums[j].wrapping_add(tile[i][j] as u16);
                }
            }
            start = end;
        }
    }

    /// Dot products of each of L columns with each of W columns, over some rows; of no account from W on.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn dots<const L: usize, const W: usize>(
        left: &[&[u16]],
        right: &[&[u16]],
        rows: Range<usize>,
    ) -> [[i32; 4]; L] {
        let runs = rows.len() / ROWS;
        let (mut left_runs, mut right_runs): ([Runs<'_>; L], [Runs<'_>; W]) = ([&[]; L], [&[]; W]);
        for i in 0..L {
            left_runs[i] = &left[i][rows.clone()].as_chunks().0[..runs];
        }
        for j in 0..W {
            right_runs[j] = &right[j][rows.clone()].as_chunks().0[..runs];
        }
        let mut sums = [[_mm256_setzero_si256(); W]; L];
        for run in 0..runs {
            let mut of_right = [_mm256_setzero_si256(); W];
            for j in 0..W {
                of_right[j] = bytemuck::cast(right_runs[j][run]);
            }
            for i in 0..L {
                let of_left: __m256i = bytemuck::cast(left_runs[i][run]);
                for j in 0..W {
                    sums[i][j] = _mm256_add_epi32(sums[i][j], _mm256_madd_epi16(of_left, of_right[j]));
                }
            }
        }
        let mut added_up = [[0_i32; 4]; L];
        for i in 0..L {
            let mut registers = [_mm256_setzero_si256(); 4];
            registers[..W].copy_from_slice(&sums[i]);
            let low = _mm256_hadd_epi32(registers[0], registers[1]);
            let pairs = _mm256_hadd_epi32(low, _mm256_hadd_epi32(registers[2], registers[3]));
            let (low, high) = (_mm256_castsi256_si128(pairs), _mm256_extracti128_si256::<1>(pairs));
            added_up[i] = bytemuck::cast(_mm_add_epi32(low, high));
        }
        for row in rows.start + runs * ROWS..rows.end {
            for i in 0..L {
                for j in 0..W {
                    let product = i32::from(left[i][row] as i16) * i32::from(right[j][row] as i16);
                    added_up[i][j] = added_up[i][j].wrapping_add(product);
                }
            }
        }
        added_up
    }
}
