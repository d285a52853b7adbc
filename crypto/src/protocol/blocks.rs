//! Blocks of rows, as products send them: column after column, two bytes an element.

use std::ops::Range;

use crate::ring::Ring;

/// Rows of a block where the columns are few.
pub(crate) const BLOCK_ROWS: usize = 2048;
/// A block is kept below this size where the columns are many.
pub(crate) const BLOCK_BYTES: usize = 1 << 20;

/// Rows of a block of so many columns that suit caches and messages: a power of two.
pub(crate) fn block_rows(columns: usize) -> usize {
    let fitting = BLOCK_BYTES / columns.max(1).saturating_mul(u16::BYTES);
    1 << fitting.clamp(1, BLOCK_ROWS).ilog2()
}

/// Whether a party holds blocks of so many rows and columns.
pub(crate) fn bearable(block_rows: usize, columns: usize) -> bool {
    block_rows.is_power_of_two()
        && block_rows <= BLOCK_ROWS
        && block_rows.saturating_mul(columns).saturating_mul(u16::BYTES) <= 16 * BLOCK_BYTES
}

/// Each block with its number.
pub(crate) fn blocks(rows: usize, block_rows: usize) -> impl Iterator<Item = (u64, Range<usize>)> {
    let starts = (0..rows).step_by(block_rows);
    starts.enumerate().map(move |(index, start)| (index as u64, start..rows.min(start + block_rows)))
}

/// The shape of a block's message.
pub(crate) fn message(rows: usize, width: usize) -> [u64; 3] {
    [rows as u64, width as u64, u16::BYTES as u64]
}

/// A block as a message.
pub(crate) fn encoded(block: &[u16]) -> Vec<u8> {
    let mut message = Vec::with_capacity(u16::BYTES * block.len());
    u16::encode(block, &mut message);
    message
}
