//! The public shape of a joined product: which columns are multiplied with which, one stage after the other.

use std::collections::BTreeMap;
use std::iter;
use std::ops::Range;

use crate::protocol::ProtocolError;
use crate::protocol::blocks;
use crate::protocol::lift::{Tile, lifted_at_once, stretch_rows};
use crate::protocol::narrow_product::shape::ONE_BITS;
use crate::protocol::narrow_product::{Cross, LIMBS, OwnerShape, ProductShape};
use crate::protocol::stretch_sums::{Products, Term};
use crate::ring::Ring;

/// The public shape of a joined product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinedShape {
    /// Linked rows, empty ones included.
    pub rows: usize,
    /// Rows that travel at a time: a power of two.
    pub block_rows: usize,
    /// Left's columns. Those of its record keys are not counted among the values.
    pub left: OwnerShape,
    /// Right's columns.
    pub right: OwnerShape,
    /// Right has one category, in which every row is, and no values: it takes part through its shares of factors only.
    pub right_is_everyone: bool,
    /// Those that come as shares, one-hot columns of categories and then each value's; at least one.
    pub factors: Vec<OwnerShape>,
    /// Values whose products are summed too, of any two owners; factors count from 2.
    pub crosses: Vec<Cross>,
}

/// One multiplication, row by row: heads of so many columns with all columns of an operand.
///
/// Heads that come in: ones, the limbs of the record key, left's values, then those of the operands before. Heads that come
/// out: each of these with the operand's one-hot columns, then the first, of ones, with the columns of each of the operand's
/// values, then products of values: the head of one that came in with the columns of one of the operand's. Within a head are left's categories, then those of each operand so far, the last fastest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stage {
    /// The factor that is the operand; none for right's own columns.
    pub(super) factor: Option<usize>,
    /// Whether both sides have shares of what comes in, and of the operand. If not, what comes in is left's own.
    pub(super) is_shared: bool,
    heads: usize,
    columns: usize,
    operand: OwnerShape,
    /// Of each product of values that is made here, the head that comes in and the operand's value.
    crossed: Vec<(usize, usize)>,
}

impl Stage {
    /// Columns that come in.
    pub(super) fn width(&self) -> usize {
        self.heads.saturating_mul(self.columns)
    }

    /// Columns of the operand.
    pub(super) fn operand_width(&self) -> usize {
        self.operand.width()
    }

    /// Columns that left sends.
    pub(super) fn left_width(&self) -> usize {
        if self.is_shared { self.width().saturating_add(self.operand_width()) } else { self.width() }
    }

    /// Columns that right sends.
    pub(super) fn right_width(&self) -> usize {
        if self.is_shared { self.width().saturating_add(self.operand_width()) } else { self.operand_width() }
    }

    /// Columns of one head that comes out.
    pub(super) fn columns_after(&self) -> usize {
        self.columns.saturating_mul(self.operand.categories)
    }

    /// Heads that come out.
    fn heads_after(&self) -> usize {
        self.heads + self.operand.values.len() + self.crossed.len()
    }

    /// Columns that come out.
    pub(super) fn width_after(&self) -> usize {
        self.heads_after().saturating_mul(self.columns_after())
    }

    /// What is multiplied with what for each head that comes out: columns that come in, and the operand's.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (Range<usize>, Range<usize>)> {
        (0..self.heads_after()).map(|head| self.pair(head..head + 1))
    }

    /// The same of some neighbouring heads that come in, or of one that only comes out.
    fn pair(&self, heads: Range<usize>) -> (Range<usize>, Range<usize>) {
        let categories = self.operand.categories;
        if heads.start < self.heads {
            return (heads.start * self.columns..heads.end * self.columns, 0..categories);
        }
        let value = heads.start - self.heads;
        let (head, value) = match value.checked_sub(self.operand.values.len()) {
            None => (0, value),
            Some(cross) => self.crossed[cross],
        };
        let matrix = 1 + value;
        (head * self.columns..(head + 1) * self.columns, matrix * categories..(matrix + 1) * categories)
    }
}

/// All stages, and the head that each value of an owner, and each product of values, has from its stage on.
struct LaidOut {
    stages: Vec<Stage>,
    heads_of: BTreeMap<(usize, usize), usize>,
    crosses_at: Vec<usize>,
}

impl JoinedShape {
    /// Most factors.
    pub const FACTORS_MAX: usize = ProductShape::OTHERS_MAX;

    /// The shape with blocks of a size that suits caches and messages; all parties compute the same.
    pub fn new(
        rows: usize,
        left: OwnerShape,
        right: OwnerShape,
        right_is_everyone: bool,
        factors: Vec<OwnerShape>,
    ) -> Self {
        let block_rows = ProductShape::BLOCK_ROWS;
        let crosses = Vec::new();
        Self { rows, block_rows, left, right, right_is_everyone, factors, crosses }.in_blocks()
    }

    /// The same with products of values.
    pub fn crossed(self, crosses: Vec<Cross>) -> Self {
        Self { crosses, ..self }.in_blocks()
    }

    fn in_blocks(mut self) -> Self {
        self.block_rows = blocks::block_rows(self.widest());
        self
    }

    /// The columns of the two workers, as those of a product without others.
    pub(super) fn workers(&self) -> ProductShape {
        let (left, right) = (self.left.clone(), self.right.clone());
        let (others, crosses) = (Vec::new(), Vec::new());
        ProductShape { rows: self.rows, block_rows: self.block_rows, left, right, others, crosses }
    }

    /// The factors in the order in which they are joined: the widest last, since what comes of the last is not sent by row.
    fn joined(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.factors.len()).collect();
        order.sort_by_key(|factor| self.factors[*factor].width());
        order
    }

    /// All stages; the last one's products are summed over the rows.
    pub(super) fn stages(&self) -> Vec<Stage> {
        self.laid_out().stages
    }

    fn laid_out(&self) -> LaidOut {
        let own = 1 + LIMBS;
        let mut heads_of: BTreeMap<_, _> =
            (0..self.left.values.len()).map(|value| ((0, value), own + value)).collect();
        let mut crosses_at = vec![0; self.crosses.len()];
        let right = (!self.right_is_everyone).then_some((None, 1, &self.right));
        let of_factor = |factor: usize| (Some(factor), 2 + factor, &self.factors[factor]);
        let mut stages: Vec<Stage> = Vec::new();
        for (factor, owner, operand) in right.into_iter().chain(self.joined().into_iter().map(of_factor)) {
            let (heads, columns) = match stages.last() {
                Some(before) => (before.heads_after(), before.columns_after()),
                None => (own + self.left.values.len(), self.left.categories),
            };
            let mut crossed = Vec::new();
            for (cross, at) in self.crosses.iter().zip(&mut crosses_at) {
                // Made where the one that is joined last comes in.
                let (before, value) = match () {
                    () if cross.second.0 == owner => (cross.first, cross.second.1),
                    () if cross.first.0 == owner => (cross.second, cross.first.1),
                    () => continue,
                };
                if let Some(head) = heads_of.get(&before) {
                    *at = heads + operand.values.len() + crossed.len();
                    crossed.push((*head, value));
                }
            }
            heads_of.extend((0..operand.values.len()).map(|value| ((owner, value), heads + value)));
            let is_shared = !stages.is_empty();
            stages.push(Stage { factor, is_shared, heads, columns, operand: operand.clone(), crossed });
        }
        LaidOut { stages, heads_of, crosses_at }
    }

    /// Cells of every result: left's categories, right's, then each factor's, the last one fastest.
    pub(super) fn cells(&self) -> usize {
        let owners = [&self.left, &self.right].into_iter().chain(&self.factors);
        owners.fold(1, |product, owner| product.saturating_mul(owner.categories))
    }

    /// All that have columns, as products of values count them.
    fn owners(&self) -> Vec<&OwnerShape> {
        [&self.left, &self.right].into_iter().chain(&self.factors).collect()
    }

    /// What is lifted, in the order of the results: its head after the last stage, and bits.
    fn lifted(&self) -> Vec<(usize, u8)> {
        let LaidOut { heads_of, crosses_at, .. } = self.laid_out();
        let owners = self.owners();
        let values = owners.iter().enumerate().flat_map(|(owner, shape)| {
            let values = shape.values.iter().enumerate();
            values.map(move |(value, bits)| ((owner, value), *bits))
        });
        let values = values.map(|(value, bits)| (heads_of.get(&value).copied().unwrap_or(0), bits));
        let crosses = self.crosses.iter().zip(crosses_at);
        let crosses = crosses.map(|(cross, head)| (head, cross.bits(&owners).unwrap_or(8)));
        iter::once((0, ONE_BITS)).chain(values).chain(crosses).collect()
    }

    /// The tile of each result that is lifted.
    pub(super) fn tiles(&self) -> Vec<Tile> {
        let cells = self.cells();
        self.lifted().into_iter().map(|(_, bits)| Tile { cells, stretch: stretch_rows(bits) }).collect()
    }

    /// The sums of the last stage: with so many terms, whose matrices lie one behind the other.
    pub(super) fn products(&self, terms: usize) -> Products {
        let stages = self.stages();
        let last = stages.last().expect("a shape that was checked has a factor");
        let places = self.places();
        let of_heads = |heads: Range<usize>| {
            let cells = (places.as_ref()).map(|places| {
                let of_head =
                    |head: usize| places.iter().map(move |cell| (head * places.len()) as u32 + cell);
                (0..heads.len()).flat_map(of_head).collect::<Vec<_>>()
            });
            let (left, right) = last.pair(heads);
            let behind = |range: &Range<usize>, by: usize| range.start + by..range.end + by;
            let term = |matrix: usize| Term {
                left: behind(&left, matrix * last.width()),
                right: behind(&right, matrix * last.operand_width()),
                cells: cells.clone(),
            };
            (0..terms).map(term).collect::<Vec<_>>()
        };
        let lifted = self.tiles().into_iter().zip(self.lifted());
        let lifted = lifted.map(|(tile, (head, _))| (tile, of_heads(head..head + 1))).collect();
        Products::new(self.rows, lifted, of_heads(1..1 + LIMBS), LIMBS * self.cells())
    }

    /// The cell of each column of a head after the last stage; none where they lie in the order of cells.
    fn places(&self) -> Option<Vec<u32>> {
        let joined = self.joined();
        if joined.is_sorted() {
            return None;
        }
        // For each factor, how many cells lie from one of its categories to the next.
        let mut units = vec![1; self.factors.len()];
        for factor in (1..units.len()).rev() {
            units[factor - 1] = units[factor] * self.factors[factor].categories;
        }
        let all = units[0] * self.factors[0].categories;
        let mut places: Vec<usize> = vec![0];
        for factor in joined {
            let of_place = |place: usize| {
                (0..self.factors[factor].categories).map(move |category| (factor, place, category))
            };
            let next = places.into_iter().flat_map(of_place);
            places = next.map(|(factor, place, category)| place + category * units[factor]).collect();
        }
        let workers = self.left.categories * self.right.categories;
        let of_pair = |pair: usize| places.iter().map(move |place| (pair * all + place) as u32);
        Some((0..workers).flat_map(of_pair).collect())
    }

    /// Bytes that a row costs in bodies, those of the factors aside: from left to right, from right to left, from the
    /// dealer to right, and of the lift's three messages on average.
    pub fn bytes_per_row(&self) -> [f64; 4] {
        let element = u16::BYTES as f64;
        let lift =
            self.tiles().into_iter().map(|tile| 3.0 * element * tile.cells as f64 / tile.stretch as f64);
        let [left, right, dealer] = self.travelling().map(|columns| element * columns as f64);
        [left, right, dealer, lift.sum()]
    }

    /// Columns that travel by row: from left to right, from right to left, from the dealer to right.
    fn travelling(&self) -> [usize; 3] {
        let stages = self.stages();
        let sum = |stages: &[Stage], width: fn(&Stage) -> usize| {
            stages.iter().map(width).fold(0, usize::saturating_add)
        };
        let corrected = &stages[..stages.len().saturating_sub(1)];
        [
            sum(&stages, Stage::left_width),
            sum(&stages, Stage::right_width),
            sum(corrected, Stage::width_after),
        ]
    }

    /// Columns that one party sends another by row, at the most.
    fn widest(&self) -> usize {
        // With more factors than are taken, they are not worth counting: the shape is refused when it is used.
        let countable = self.factors.len() <= Self::FACTORS_MAX;
        if countable { self.travelling().into_iter().fold(0, usize::max) } else { usize::MAX }
    }

    pub(crate) fn checked(&self) -> Result<&Self, ProtocolError> {
        let owners = [&self.left, &self.right].into_iter().chain(&self.factors);
        let sums = |stages: Vec<Stage>| stages.last().map_or(0, Stage::width_after);
        let widest = self.widest();
        let usable = self.rows <= ProductShape::ROWS_MAX
            && (1..=Self::FACTORS_MAX).contains(&self.factors.len())
            && owners.into_iter().all(OwnerShape::usable)
            && self.crosses.len() <= Cross::MAX
            && self.crosses.iter().all(|cross| cross.bits(&self.owners()).is_some())
            && (!self.right_is_everyone || self.right == OwnerShape { categories: 1, values: Vec::new() })
            && widest <= ProductShape::COLUMNS_MAX
            && blocks::bearable(self.block_rows, widest)
            && sums(self.stages()) <= ProductShape::PAIRS_MAX
            && lifted_at_once(&self.tiles(), self.rows, self.block_rows) <= ProductShape::LIFTED_MAX;
        let expected = "1 to 65536 categories of each owner and factor, at most 24 values of 1 to 8 bits, 1 to 8 factors, at \
                        most 256 products of values of 8 bits together, one \
                        category and no value at a right that is everyone, at most 2^19 columns by row, 2^24 sums and 2^24 to \
                        lift, blocks of a power of two rows, at most 2048 and 16 MiB";
        if usable { Ok(self) } else { Err(ProtocolError::Shape { expected }) }
    }
}
