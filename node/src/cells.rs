//! From products of columns to the cells of a table: sums of shares, which need no message.

use kobling_crypto::protocol::narrow_product::{ProductShape, ProductShares};
use kobling_crypto::protocol::protect::CellShares;
use kobling_crypto::protocol::protect_sums::{ColumnConstants, ValueShares};
use kobling_crypto::ring::Ring;
use kobling_crypto::share::Share;
use kobling_model::plan::{Question, Side};
use kobling_model::table::{Layout, inner_cell_of_pair, layout};

use crate::values::{Limbs, Sums};

/// Where units that right does not have count, and with which value, if the value column is right's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Absent {
    /// Right's composite category.
    pub category: u32,
    /// The code of right's value column at a unit that right does not have.
    pub code: Option<i64>,
}

/// Which products add up to which cell of a question.
pub struct CellSums {
    inner: usize,
    layout: Option<Layout>,
    /// From a pair of categories (left × right categories + right) to an inner cell.
    cell_of_pair: Vec<usize>,
    right_categories: usize,
    right_columns: usize,
    absent: Option<Absent>,
    value: Option<(Side, Limbs)>,
}

/// Left's own totals by category: what it adds where units that right does not have count, and all there is where
/// there is no right. The part of right is zero.
pub struct Totals {
    /// Units.
    pub counts: Share<u128>,
    /// Sums of the limbs of their record keys.
    pub keys: [Share<u16>; 3],
    /// Sums of left's value column, if it has one.
    pub values: Option<Sums<Share<u128>>>,
}

impl Totals {
    /// The totals of categories given by unit or row. Values outside `0..categories` count nowhere.
    pub fn of(
        categories: usize,
        by_unit: &[u32],
        keys_by_unit: &[[u16; 3]],
        values: Option<(&Limbs, &[i64])>,
    ) -> Self {
        let mut counts = vec![0_u128; categories];
        let mut keys = [(); 3].map(|()| vec![0_u16; categories]);
        for (category, key) in by_unit.iter().zip(keys_by_unit) {
            let category = *category as usize;
            if let Some(count) = counts.get_mut(category) {
                *count = count.wrapping_add(1);
                for (sums, limb) in keys.iter_mut().zip(key) {
                    sums[category] = sums[category].wrapping_add(*limb);
                }
            }
        }
        Self {
            counts: Share::from_elements(counts),
            keys: keys.map(Share::from_elements),
            values: values.map(|(limbs, codes)| limbs.totals(categories, by_unit, codes)),
        }
    }

    /// Memory that they take.
    pub fn bytes(&self) -> usize {
        // For each category a count, three limbs, and two or three sums.
        let sums = self.values.as_ref().map_or(0, |values| 2 + usize::from(values.squares.is_some()));
        self.counts.len() * (size_of::<u128>() * (1 + sums) + size_of::<[u16; 3]>())
    }

    /// The part of a worker that adds nothing.
    pub fn zeros(categories: usize, values: Option<&Limbs>) -> Self {
        Self {
            counts: Share::zeros(categories),
            keys: [(); 3].map(|()| Share::zeros(categories)),
            values: values.map(|limbs| limbs.nothing(categories)),
        }
    }
}

impl CellSums {
    /// For a question of one owner: its totals by category are the products.
    pub fn of_one_owner(question: &Question) -> Self {
        Self::new(question, [1, 1], None)
    }

    /// For a question of two owners. `absent` is where units that right does not have count.
    pub fn of_two_owners(question: &Question, shape: &ProductShape, absent: Option<Absent>) -> Self {
        Self::new(question, [shape.right_categories, shape.right_columns()], absent)
    }

    fn new(
        question: &Question,
        [right_categories, right_columns]: [usize; 2],
        absent: Option<Absent>,
    ) -> Self {
        let layout = layout(question);
        Self {
            inner: layout.as_ref().map_or(1, Layout::inner_cells),
            layout,
            cell_of_pair: inner_cell_of_pair(question),
            right_categories,
            right_columns,
            absent,
            value: question.value().map(|column| (column.side, Limbs::of(column))),
        }
    }

    /// Shares of all cells, margins included. `constants` are those of the value column, at its owner.
    pub fn cells(&self, product: &ProductShares, totals: &Totals, constants: ColumnConstants) -> CellShares {
        let [a, b, c] = &product.keys;
        let [total_a, total_b, total_c] = &totals.keys;
        let counts = self.sum(&product.counts, &totals.counts);
        let values = self.value.as_ref().map(|(side, limbs)| {
            let sums = match (side, &totals.values) {
                (Side::Left, Some(totals)) => {
                    let sums = limbs.join(&product.left_values);
                    Sums {
                        offsets: self.sum(&sums.offsets, &totals.offsets),
                        squares: sums
                            .squares
                            .as_ref()
                            .zip(totals.squares.as_ref())
                            .map(|(sums, totals)| self.sum(sums, totals)),
                        contributions: self.sum(&sums.contributions, &totals.contributions),
                    }
                }
                _ => self.sums_of_right(limbs, product, totals),
            };
            // From offsets to codes.
            let sums_of_codes = sums.offsets.plus(&counts.times(limbs.lowest()));
            ValueShares {
                sums: sums_of_codes,
                squares: sums.squares,
                contributions: sums.contributions,
                constants,
            }
        });
        CellShares {
            counts: counts.reduced(),
            keys: [self.sum(a, total_a), self.sum(b, total_b), self.sum(c, total_c)],
            values,
        }
    }

    /// Shares of all cells of one owner's question, from this worker's totals.
    pub fn own_cells(&self, totals: &Totals, constants: ColumnConstants) -> CellShares {
        let categories = totals.counts.len();
        let limbs = self.value.as_ref().map(|(_, limbs)| limbs);
        // The totals are entered as totals, and the products are nothing.
        let nothing = ProductShares {
            counts: Share::zeros(categories),
            keys: [(); 3].map(|()| Share::zeros(categories)),
            left_values: limbs.map_or_else(Vec::new, |limbs| {
                limbs.bits().iter().map(|_| Share::zeros(categories)).collect()
            }),
            right_values: Vec::new(),
        };
        let all_in_totals = Self {
            inner: self.inner,
            layout: self.layout.clone(),
            cell_of_pair: self.cell_of_pair.clone(),
            right_categories: 1,
            right_columns: 1,
            absent: Some(Absent { category: 0, code: None }),
            value: self.value.clone(),
        };
        all_in_totals.cells(&nothing, totals, constants)
    }

    /// Sums of a column of right's: nothing of it is in left's totals but the value of units that right does not have.
    fn sums_of_right(&self, limbs: &Limbs, product: &ProductShares, totals: &Totals) -> Sums<Share<u128>> {
        let sums = limbs.join(&product.right_values);
        let of_absent = self.absent.and_then(|absent| absent.code).map(|code| limbs.of_code(code));
        let sum = |sums: &Share<u128>, one: Option<u128>| {
            let inner = self.inner_sums(sums, self.right_categories);
            self.with_margins(match one {
                None => inner,
                Some(one) => inner.plus(&self.absent_units(&product.counts, &totals.counts).times(one)),
            })
        };
        Sums {
            offsets: sum(&sums.offsets, of_absent.as_ref().map(|one| one.offsets)),
            squares: sums
                .squares
                .as_ref()
                .map(|sums| sum(sums, of_absent.as_ref().and_then(|one| one.squares))),
            contributions: sum(&sums.contributions, of_absent.as_ref().map(|one| one.contributions)),
        }
    }

    /// Shares of all cells, from products and left's totals of the same quantity.
    fn sum<T: Ring>(&self, product: &Share<T>, totals: &Share<T>) -> Share<T> {
        let inner = self.inner_sums(product, self.right_columns);
        self.with_margins(match self.absent {
            None => inner,
            Some(_) => inner.plus(&self.absent_units(product, totals)),
        })
    }

    /// Sums of products by inner cell, for units that right has.
    fn inner_sums<T: Ring>(&self, product: &Share<T>, width: usize) -> Share<T> {
        let right = self.right_categories;
        let pairs = self.cell_of_pair.iter().enumerate();
        product.gather(self.inner, pairs.map(|(at, cell)| (at / right * width + at % right, *cell)))
    }

    /// Units that right does not have, by inner cell: left's total less those that right has.
    fn absent_units<T: Ring>(&self, product: &Share<T>, totals: &Share<T>) -> Share<T> {
        let right = self.right_categories;
        let absent = self.absent.map(|absent| absent.category as usize);
        let of_absent =
            || self.cell_of_pair.iter().enumerate().filter(move |(at, _)| absent == Some(at % right));
        let total = totals.gather(self.inner, of_absent().map(|(at, cell)| (at / right, *cell)));
        // Where there is no column of units that right has, it has none.
        if self.right_columns == right {
            return total;
        }
        let present = of_absent().map(|(at, cell)| (at / right * self.right_columns + right, *cell));
        total.minus(&product.gather(self.inner, present))
    }

    fn with_margins<T: Ring>(&self, inner: Share<T>) -> Share<T> {
        match &self.layout {
            None => inner,
            Some(layout) => inner.gather(layout.cells(), layout.parts()),
        }
    }
}
