//! A worker's own columns of a block of rows: one-hot, weighted, and times its shares of others' columns.

use std::ops::Range;

use crate::kernel::{multiply, one_hot, one_hot_times};
use crate::protocol::narrow_product::shape::{Family, LIMBS, OwnerShape, ProductShape, Weight};

/// A worker's private rows.
#[derive(Clone, Copy)]
pub(in crate::protocol) struct WorkerRows<'a> {
    pub(in crate::protocol) categories: &'a [u32],
    /// None at right.
    pub(in crate::protocol) keys: &'a [[u16; LIMBS]],
    pub(in crate::protocol) values: &'a [Vec<u8>],
}

/// Writes a worker's blocks.
pub(in crate::protocol) struct Writer<'a> {
    shape: &'a ProductShape,
    own: &'a OwnerShape,
    families: Vec<Family>,
    width: usize,
    combined: Combined,
}

impl<'a> Writer<'a> {
    pub(in crate::protocol) fn of_left(shape: &'a ProductShape) -> Self {
        Self::new(shape, &shape.left, shape.left_families(), shape.left_width())
    }

    pub(in crate::protocol) fn of_right(shape: &'a ProductShape) -> Self {
        Self::new(shape, &shape.right, shape.right_families(), shape.right_width())
    }

    fn new(shape: &'a ProductShape, own: &'a OwnerShape, families: Vec<Family>, width: usize) -> Self {
        Self { shape, own, families, width, combined: Combined::default() }
    }

    /// Number of columns.
    pub(in crate::protocol) fn width(&self) -> usize {
        self.width
    }

    /// Writes the columns of some rows. `shares` are this worker's shares of each other's columns in these rows.
    ///
    /// A row without a category is treated like any other: no branch, no other traffic.
    pub(in crate::protocol) fn write(
        &mut self,
        block: &mut Vec<u16>,
        rows: WorkerRows<'_>,
        range: Range<usize>,
        shares: &[Vec<u16>],
    ) {
        let height = range.len();
        block.clear();
        block.resize(height * self.width, 0);
        let categories = &rows.categories[range.clone()];
        self.combined.of = None;
        for family in &self.families {
            let combined = match family.others {
                0 => None,
                _ => Some(self.combined.of(self.shape, family, shares, height)),
            };
            let first = |limb: usize| family.columns.start + limb * self.own.categories * family.combinations;
            match family.weight {
                Weight::One => enter(block, first(0), combined, categories, |_| 1),
                Weight::Keys => {
                    let keys = &rows.keys[range.clone()];
                    (0..LIMBS).for_each(|limb| {
                        enter(block, first(limb), combined, categories, |row| keys[row][limb])
                    });
                }
                Weight::Value(value) => {
                    let values = &rows.values[value][range.clone()];
                    enter(block, first(0), combined, categories, |row| u16::from(values[row]));
                }
            }
        }
    }
}

/// Writes one matrix: each row's weight into the column of its category, or into those of all combinations with it.
fn enter(
    block: &mut [u16],
    first: usize,
    combined: Option<&[u16]>,
    categories: &[u32],
    weight: impl Fn(usize) -> u16,
) {
    match combined {
        None => one_hot(block, first, categories, weight),
        Some(combined) => one_hot_times(block, first, combined, categories, weight),
    }
}

/// Products of shares of others' columns, for each combination of their categories. Kept from family to family of a block.
#[derive(Default)]
struct Combined {
    of: Option<(u32, Option<(usize, usize)>)>,
    columns: Vec<u16>,
    before: Vec<u16>,
}

impl Combined {
    fn of(&mut self, shape: &ProductShape, family: &Family, shares: &[Vec<u16>], height: usize) -> &[u16] {
        let wanted = (family.others, family.valued);
        if self.of != Some(wanted) {
            self.make(shape, family, shares, height);
            self.of = Some(wanted);
        }
        &self.columns
    }

    fn make(&mut self, shape: &ProductShape, family: &Family, shares: &[Vec<u16>], height: usize) {
        self.columns.clear();
        for (at, other) in shape.members(family.others).enumerate() {
            let matrix = match family.valued {
                Some((valued, value)) if valued == other => 1 + value,
                _ => 0,
            };
            let length = shape.others[other].categories * height;
            let columns = &shares[other][matrix * length..][..length];
            if at == 0 {
                self.columns.extend_from_slice(columns);
                continue;
            }
            std::mem::swap(&mut self.columns, &mut self.before);
            self.columns.clear();
            for before in self.before.chunks_exact(height) {
                for column in columns.chunks_exact(height) {
                    let start = self.columns.len();
                    self.columns.extend_from_slice(before);
                    multiply(&mut self.columns[start..], column);
                }
            }
        }
    }
}
