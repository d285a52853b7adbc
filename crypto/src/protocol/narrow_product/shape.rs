//! The public shape of a product: which columns each side has, and which of them are multiplied for which result.

use std::ops::Range;

use crate::protocol::lift::{Tile, lifted_at_once, stretch_rows};
use crate::protocol::stretch_sums::{Products, Term};
use crate::protocol::{ProtocolError, blocks};
use crate::ring::Ring;

/// Limbs of a record key.
pub(in crate::protocol) const LIMBS: usize = 3;
/// Bits of the one in a one-hot column.
pub(in crate::protocol) const ONE_BITS: u8 = 1;

/// The public shape of a product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProductShape {
    /// Linked rows, empty ones included.
    pub rows: usize,
    /// Rows that travel at a time: a power of two.
    pub block_rows: usize,
    /// Left's columns. Those of its record keys are not counted among the values.
    pub left: OwnerShape,
    /// Right's columns.
    pub right: OwnerShape,
    /// Those of the owners that share their columns to the workers.
    pub others: Vec<OwnerShape>,
    /// Values whose products are summed too: here of left's with right's.
    pub crosses: Vec<Cross>,
}

/// Values of two owners whose products, row by row, are summed: of each its owner (0 is left, 1 right, then the others) and
/// which of that owner's values it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cross {
    /// The owner that comes first.
    pub first: (usize, usize),
    /// The other one.
    pub second: (usize, usize),
}

impl Cross {
    /// Most of them in a product.
    pub const MAX: usize = 256;

    /// Bits of the products; none where the values are not there, or of one owner, or their products have more than eight.
    pub(in crate::protocol) fn bits(&self, owners: &[&OwnerShape]) -> Option<u8> {
        let bits = |(owner, value): (usize, usize)| owners.get(owner)?.values.get(value).copied();
        let bits = bits(self.first)?.checked_add(bits(self.second)?)?;
        (self.first.0 < self.second.0 && bits <= 8).then_some(bits)
    }
}

/// The columns of one owner.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnerShape {
    /// Composite categories.
    pub categories: usize,
    /// Bits of each of its values.
    pub values: Vec<u8>,
}

impl OwnerShape {
    /// One-hot columns of categories, and as many for each value.
    pub(crate) fn width(&self) -> usize {
        self.categories.saturating_mul(1 + self.values.len())
    }

    /// Whether the columns are some, and few enough.
    pub(in crate::protocol) fn usable(&self) -> bool {
        (1..=ProductShape::CATEGORIES_MAX).contains(&self.categories)
            && self.values.len() <= ProductShape::VALUES_MAX
            && self.values.iter().all(|bits| (1..=8).contains(bits))
    }
}

/// What stands in a one-hot column in place of the one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    /// One.
    One,
    /// The limbs of the record key, each in columns of its own; at left.
    Keys,
    /// A value of the worker's.
    Value(usize),
}

/// Neighbouring columns of a worker: its own one-hot columns with one weight, times its shares of some others' columns.
///
/// Column (h · categories + own category) · combinations + combination, where h counts limbs of the record key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Family {
    /// Of the worker's own columns.
    pub(super) weight: Weight,
    /// The others whose shares this worker multiplies in, as bits.
    pub(super) others: u32,
    /// The one of them whose columns have a value in place of the one, and which.
    pub(super) valued: Option<(usize, usize)>,
    /// Where they lie in the worker's block.
    pub(super) columns: Range<usize>,
    /// Combinations of the others' categories.
    pub(super) combinations: usize,
}

/// One result: a sum for each cell. Its columns are those with these weights, and, of one of the others, those of a value.
#[derive(Clone, Copy)]
struct Wanted {
    bits: u8,
    left: Weight,
    right: Weight,
    valued: Option<(usize, usize)>,
}

impl ProductShape {
    /// Rows of a block where the columns are few.
    pub const BLOCK_ROWS: usize = blocks::BLOCK_ROWS;
    /// Largest number of columns of one side. Bounds what a shape from outside makes a party allocate.
    pub(in crate::protocol) const COLUMNS_MAX: usize = 1 << 19;
    /// Largest number of categories of one owner.
    const CATEGORIES_MAX: usize = 1 << 16;
    /// Largest number of values of one owner.
    pub const VALUES_MAX: usize = 24;
    /// Most owners besides the workers.
    pub const OTHERS_MAX: usize = 8;
    /// Largest number of pairs of columns.
    pub(in crate::protocol) const PAIRS_MAX: usize = 1 << 24;
    /// Largest number of sums that are lifted in one block, and of sums of bit products.
    pub(in crate::protocol) const LIFTED_MAX: usize = 1 << 24;
    /// Largest number of rows, so that the sums of a tile are lifted in few groups.
    pub(in crate::protocol) const ROWS_MAX: usize = 1 << 26;

    /// The shape with blocks of a size that suits caches and messages; all parties compute the same.
    pub fn new(rows: usize, left: OwnerShape, right: OwnerShape, others: Vec<OwnerShape>) -> Self {
        let block_rows = Self::BLOCK_ROWS;
        let mut shape = Self { rows, block_rows, left, right, others, crosses: Vec::new() };
        // With more others than are taken, sets of them are not worth counting: the shape is refused when it is used.
        if shape.others.len() <= Self::OTHERS_MAX {
            shape.block_rows = blocks::block_rows(shape.left_width().max(shape.right_width()));
        }
        shape
    }

    /// The same with products of values. They cost no columns, only sums.
    pub fn crossed(self, crosses: Vec<Cross>) -> Self {
        Self { crosses, ..self }
    }

    /// Cells of every result: left's categories, right's, then each other's, the last one fastest.
    pub(super) fn cells(&self) -> usize {
        let workers = self.left.categories.saturating_mul(self.right.categories);
        workers.saturating_mul(self.combinations(self.everybody()))
    }

    /// Bytes that a row costs in bodies: of left's columns, of right's, and of the lift's three messages on average.
    pub fn bytes_per_row(&self) -> [f64; 3] {
        let element = u16::BYTES as f64;
        let lift =
            self.tiles().into_iter().map(|tile| 3.0 * element * tile.cells as f64 / tile.stretch as f64);
        [element * self.left_width() as f64, element * self.right_width() as f64, lift.sum()]
    }

    /// All others.
    fn everybody(&self) -> u32 {
        (1 << self.others.len()) - 1
    }

    /// The places of a set of others.
    pub(super) fn members(&self, set: u32) -> impl Iterator<Item = usize> {
        (0..self.others.len()).filter(move |other| set >> other & 1 == 1)
    }

    /// Combinations of the categories of a set of others.
    fn combinations(&self, set: u32) -> usize {
        self.members(set).fold(1, |product, other| product.saturating_mul(self.others[other].categories))
    }

    /// Each value of each other.
    fn others_values(&self) -> impl Iterator<Item = (usize, usize, u8)> + '_ {
        let values = |(other, shape): (usize, &'_ OwnerShape)| {
            let values = shape.values.clone().into_iter().enumerate();
            values.map(move |(value, bits)| (other, value, bits))
        };
        self.others.iter().enumerate().flat_map(values)
    }

    /// Families of a worker whose own columns come with these weights.
    fn families(&self, categories: usize, weights: &[Weight]) -> Vec<Family> {
        let mut families = Vec::new();
        let mut start = 0_usize;
        for set in 0..=self.everybody() {
            let combinations = self.combinations(set);
            let plain = weights.iter().map(|weight| (*weight, None));
            let valued = self.others_values().filter(|(other, ..)| set >> other & 1 == 1);
            let valued = valued.map(|(other, value, _)| (Weight::One, Some((other, value))));
            for (weight, valued) in plain.chain(valued) {
                let heads = if weight == Weight::Keys { LIMBS } else { 1 };
                let end = start.saturating_add(heads.saturating_mul(categories).saturating_mul(combinations));
                families.push(Family { weight, others: set, valued, columns: start..end, combinations });
                start = end;
            }
        }
        families
    }

    /// Left's columns.
    pub(super) fn left_families(&self) -> Vec<Family> {
        let values = (0..self.left.values.len()).map(Weight::Value);
        let weights: Vec<_> = [Weight::One, Weight::Keys].into_iter().chain(values).collect();
        self.families(self.left.categories, &weights)
    }

    /// Right's columns.
    pub(super) fn right_families(&self) -> Vec<Family> {
        let values = (0..self.right.values.len()).map(Weight::Value);
        let weights: Vec<_> = std::iter::once(Weight::One).chain(values).collect();
        self.families(self.right.categories, &weights)
    }

    /// Number of left's columns.
    pub(super) fn left_width(&self) -> usize {
        self.left_families().last().map_or(0, |family| family.columns.end)
    }

    /// Number of right's columns.
    pub(super) fn right_width(&self) -> usize {
        self.right_families().last().map_or(0, |family| family.columns.end)
    }

    /// What is lifted, in the order of the results: counts, left's values, right's, each other's, crosses.
    fn wanted(&self) -> impl Iterator<Item = Wanted> + '_ {
        let plain = |bits, left, right| Wanted { bits, left, right, valued: None };
        let of_left = move |(at, bits): (usize, &u8)| plain(*bits, Weight::Value(at), Weight::One);
        let of_right = move |(at, bits): (usize, &u8)| plain(*bits, Weight::One, Weight::Value(at));
        let of_others = self.others_values().map(move |(other, at, bits)| Wanted {
            valued: Some((other, at)),
            ..plain(bits, Weight::One, Weight::One)
        });
        let of_cross = move |cross: &Cross| {
            let bits = cross.bits(&[&self.left, &self.right]).unwrap_or(8);
            plain(bits, Weight::Value(cross.first.1), Weight::Value(cross.second.1))
        };
        std::iter::once(plain(ONE_BITS, Weight::One, Weight::One))
            .chain(self.left.values.iter().enumerate().map(of_left))
            .chain(self.right.values.iter().enumerate().map(of_right))
            .chain(of_others)
            .chain(self.crosses.iter().map(of_cross))
    }

    /// The tile of each result that is lifted.
    pub(super) fn tiles(&self) -> Vec<Tile> {
        let cells = self.cells();
        self.wanted().map(|wanted| Tile { cells, stretch: stretch_rows(wanted.bits) }).collect()
    }

    /// All products of left's columns with right's.
    pub(super) fn products(&self) -> Products {
        let lifted = self.tiles().into_iter().zip(self.wanted().map(|wanted| self.terms(wanted))).collect();
        // The sums of record keys, limb after limb: mod 2¹⁶, and not lifted.
        let keys = self.terms(Wanted { bits: 0, left: Weight::Keys, right: Weight::One, valued: None });
        Products::new(self.rows, lifted, keys, LIMBS * self.cells())
    }

    /// The product of all owners' columns is that of a sum of two shares for each other, multiplied out: a term for each way
    /// to take every other's share from left or from right.
    fn terms(&self, wanted: Wanted) -> Vec<Term> {
        let find = |families: &[Family], weight: Weight, set: u32| {
            let valued = wanted.valued.filter(|(other, _)| set >> other & 1 == 1);
            let found = families
                .iter()
                .find(|family| family.weight == weight && family.others == set && family.valued == valued);
            found.expect("every set of others has its families").clone()
        };
        let (of_left, of_right) = (self.left_families(), self.right_families());
        let term = |set: u32| {
            let left = find(&of_left, wanted.left, set);
            let right = find(&of_right, wanted.right, self.everybody() & !set);
            let cells = (!self.others.is_empty()).then(|| self.cells_of(&left, &right));
            Term { left: left.columns, right: right.columns, cells }
        };
        (0..=self.everybody()).map(term).collect()
    }

    /// The cell of each pair of columns of two families.
    fn cells_of(&self, left: &Family, right: &Family) -> Vec<u32> {
        let all = self.combinations(self.everybody());
        let mut cells = Vec::with_capacity(left.columns.len() * right.columns.len());
        for l in 0..left.columns.len() {
            let (of_own, of_left) = (l / left.combinations, l % left.combinations);
            for r in 0..right.columns.len() {
                let (category, of_right) = (r / right.combinations, r % right.combinations);
                let pair = of_own * self.right.categories + category;
                cells.push((pair * all + self.merged(left.others, of_left, of_right)) as u32);
            }
        }
        cells
    }

    /// The combination of all others' categories, of which left has those of a set of them, and right those of the rest.
    fn merged(&self, set: u32, mut of_left: usize, mut of_right: usize) -> usize {
        let (mut merged, mut unit) = (0, 1);
        for (other, shape) in self.others.iter().enumerate().rev() {
            let from = if set >> other & 1 == 1 { &mut of_left } else { &mut of_right };
            merged += *from % shape.categories * unit;
            *from /= shape.categories;
            unit *= shape.categories;
        }
        merged
    }

    pub(crate) fn checked(&self) -> Result<&Self, ProtocolError> {
        let bearable = |width: usize| width <= Self::COLUMNS_MAX && blocks::bearable(self.block_rows, width);
        let usable = self.rows <= Self::ROWS_MAX
            && self.others.len() <= Self::OTHERS_MAX
            && self.crosses.len() <= Cross::MAX
            && self.crosses.iter().all(|cross| cross.bits(&[&self.left, &self.right]).is_some())
            && [&self.left, &self.right].into_iter().chain(&self.others).all(OwnerShape::usable)
            && [self.left_width(), self.right_width()].into_iter().all(bearable)
            && self.left_width() * self.right_width() <= Self::PAIRS_MAX
            && lifted_at_once(&self.tiles(), self.rows, self.block_rows) <= Self::LIFTED_MAX;
        let expected = "1 to 65536 categories at each owner, at most 24 values of 1 to 8 bits, at most 8 owners besides the \
                        workers, at most 256 products of a value of left's and one of right's of 8 bits together, at most 2^24 pairs of columns and of sums to lift, blocks of a power of two rows, at most 2048 and 16 MiB";
        if usable { Ok(self) } else { Err(ProtocolError::Shape { expected }) }
    }

    pub(crate) fn blocks(&self) -> impl Iterator<Item = (u64, Range<usize>)> + use<> {
        blocks::blocks(self.rows, self.block_rows)
    }
}
