//! From products of columns to the cells of a table: sums of shares, which need no message.

use kobling_crypto::protocol::count_product::{ProductShape, ProductShares};
use kobling_crypto::protocol::protect::CellShares;
use kobling_crypto::ring::Ring;
use kobling_crypto::share::Share;
use kobling_model::plan::Question;
use kobling_model::table::{Layout, inner_cell_of_pair, layout};

/// Which products add up to which cell of a question.
pub struct CellSums {
    inner: usize,
    layout: Option<Layout>,
    /// From a product (left category × width + right column) to an inner cell.
    pairs: Vec<(usize, usize)>,
    /// Where units that right does not have count: what is taken off.
    present: Vec<(usize, usize)>,
    /// And what is added: from left's own total of a category to an inner cell.
    totals: Vec<(usize, usize)>,
}

/// Left's own totals by category: what it adds where units that right does not have count. The part of right
/// is zero.
pub struct Totals {
    /// Units.
    pub counts: Share<u32>,
    /// Sums of the limbs of their record keys.
    pub keys: [Share<u16>; 3],
}

impl Totals {
    /// The totals of categories given by unit or row. Values outside `0..categories` count nowhere.
    pub fn of(categories: usize, by_unit: &[u32], keys_by_unit: &[[u16; 3]]) -> Self {
        let mut counts = vec![0_u32; categories];
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
        Self { counts: Share::from_elements(counts), keys: keys.map(Share::from_elements) }
    }

    /// The part of a worker that adds nothing.
    pub fn zeros(categories: usize) -> Self {
        Self { counts: Share::zeros(categories), keys: [(); 3].map(|()| Share::zeros(categories)) }
    }
}

impl CellSums {
    /// For a question of one owner: its totals by category are the products.
    pub fn of_one_owner(question: &Question) -> Self {
        Self::new(question, 1, 1, None)
    }

    /// For a question of two owners. `absent` is the right category of units that right does not have.
    pub fn of_two_owners(question: &Question, shape: &ProductShape, absent: Option<u32>) -> Self {
        Self::new(question, shape.right_columns(), shape.right_categories, absent)
    }

    fn new(question: &Question, width: usize, right: usize, absent: Option<u32>) -> Self {
        let map = inner_cell_of_pair(question);
        let layout = layout(question);
        let inner = layout.as_ref().map_or(1, Layout::inner_cells);
        let (mut pairs, mut present, mut totals) = (Vec::new(), Vec::new(), Vec::new());
        for (at, cell) in map.iter().enumerate() {
            let (left, category) = (at / right, at % right);
            pairs.push((left * width + category, *cell));
            if absent == Some(category as u32) {
                present.push((left * width + right, *cell));
                totals.push((left, *cell));
            }
        }
        Self { inner, layout, pairs, present, totals }
    }

    /// Shares of all cells, margins included.
    pub fn cells(&self, product: &ProductShares, totals: &Totals) -> CellShares {
        let [a, b, c] = &product.keys;
        let [total_a, total_b, total_c] = &totals.keys;
        CellShares {
            counts: self.sum(&product.counts, &totals.counts),
            keys: [self.sum(a, total_a), self.sum(b, total_b), self.sum(c, total_c)],
        }
    }

    /// Shares of all cells of one owner's question, from this worker's totals.
    pub fn own_cells(&self, totals: Totals) -> CellShares {
        let nothing = Totals::zeros(totals.counts.len());
        self.cells(&ProductShares { counts: totals.counts, keys: totals.keys }, &nothing)
    }

    fn sum<T: Ring>(&self, product: &Share<T>, totals: &Share<T>) -> Share<T> {
        let gather =
            |share: &Share<T>, pairs: &[(usize, usize)]| share.gather(self.inner, pairs.iter().copied());
        let inner = gather(product, &self.pairs)
            .minus(&gather(product, &self.present))
            .plus(&gather(totals, &self.totals));
        match &self.layout {
            None => inner,
            Some(layout) => inner.gather(layout.cells(), layout.parts()),
        }
    }
}
