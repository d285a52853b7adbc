//! From products of columns to the cells of a table: sums of shares, which need no message.

use kobling_crypto::protocol::narrow_product::ProductShares;
use kobling_crypto::protocol::protect::CellShares;
use kobling_crypto::protocol::protect_sums::ValueShares;
use kobling_crypto::protocol::shared_constants::ConstantShares;
use kobling_crypto::ring::Ring;
use kobling_crypto::share::Share;
use kobling_model::plan::{Question, Side};
use kobling_model::table::{Layout, inner_cell_of_combination, inner_cells, layout};
use kobling_model::value::ValueColumn;

use crate::values::{Limbs, StepProducts, Sums, cell_values, sides, step_products};

/// Which products add up to which cell of a question.
pub struct CellSums {
    inner: usize,
    layout: Option<Layout>,
    /// From a combination of all owners' categories and classes to an inner cell, if it is in one.
    cell_of_combination: Vec<Option<usize>>,
    value: Option<Value>,
}

/// The value column, and how it comes out of a product.
struct Value {
    column: ValueColumn,
    /// The part on each side that has columns, by place in the column's list.
    parts: Vec<(usize, Limbs)>,
    products: Vec<StepProducts>,
}

/// Left's own totals by category, where there is no other owner: its shares, as those of the second worker are zero.
pub struct Totals {
    /// Units.
    pub counts: Share<u128>,
    /// Sums of the limbs of their record keys.
    pub keys: [Share<u16>; 3],
    /// Sums of left's value column, if it has one.
    pub values: Option<Sums>,
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
        // For each category a count, three limbs, and sums.
        let sums = self.values.as_ref().map_or(0, Sums::numbers);
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
    /// The sums of a question.
    pub fn of(question: &Question) -> Self {
        let layout = layout(question);
        let value = question.value().map(|column| {
            let part = |side: Side| {
                let part = column.parts.iter().position(|part| part.side == side)?;
                Some((part, Limbs::of(column.part(side)?)))
            };
            let parts = sides(question).into_iter().filter_map(part).collect();
            Value { column: column.clone(), parts, products: step_products(question) }
        });
        Self {
            inner: inner_cells(question),
            layout,
            cell_of_combination: inner_cell_of_combination(question),
            value,
        }
    }

    /// Shares of all cells, margins included, of several owners' question. `constants` are this worker's shares of those of
    /// the value column.
    pub fn of_product(&self, product: &ProductShares, constants: ConstantShares) -> CellShares {
        let mut limbs = product.values.iter();
        let counts = self.sum(&product.counts);
        let values = self.value.as_ref().map(|value| {
            let mut parts: Vec<(usize, Sums)> =
                value.parts.iter().map(|(part, form)| (*part, form.join(&mut limbs))).collect();
            parts.sort_by_key(|(part, _)| *part);
            let parts: Vec<Sums> =
                parts.into_iter().map(|(_, sums)| sums.map(|share| self.sum(share))).collect();
            let product = |products: &StepProducts| {
                let mut all = Share::zeros(product.counts.len());
                for (_, shift) in &products.limbs {
                    let limb = limbs.next().expect("a share for each product");
                    all = all.plus(&limb.times(1 << shift));
                }
                (products.parts.0, products.parts.1, self.sum(&all))
            };
            let products: Vec<_> = value.products.iter().map(product).collect();
            cell_values(&value.column, &counts, &parts, &products, constants)
        });
        self.cells(&counts, &product.keys, values)
    }

    /// The same of one owner's question, from this worker's totals.
    pub fn of_totals(&self, totals: &Totals, constants: ConstantShares) -> CellShares {
        let counts = self.sum(&totals.counts);
        let values = self.value.as_ref().zip(totals.values.as_ref()).map(|(value, sums)| {
            cell_values(&value.column, &counts, &[sums.map(|share| self.sum(share))], &[], constants)
        });
        self.cells(&counts, &totals.keys, values)
    }

    fn cells(&self, counts: &Share<u128>, keys: &[Share<u16>; 3], values: Option<ValueShares>) -> CellShares {
        CellShares { counts: counts.reduced(), keys: keys.each_ref().map(|limb| self.sum(limb)), values }
    }

    /// Shares of all cells, from shares by combination of categories.
    fn sum<T: Ring>(&self, by_combination: &Share<T>) -> Share<T> {
        let cells = self.cell_of_combination.iter().enumerate();
        let pairs = cells.filter_map(|(combination, cell)| cell.map(|cell| (combination, cell)));
        let inner = by_combination.gather(self.inner, pairs);
        match &self.layout {
            None => inner,
            Some(layout) => inner.gather(layout.cells(), layout.parts()),
        }
    }
}
