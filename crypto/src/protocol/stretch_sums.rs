//! Sums over stretches of rows of products of columns, gathered over blocks: what all parties of a product do alike.

use std::iter;
use std::ops::Range;

use crate::kernel::columns;
use crate::protocol::lift::Tile;
use crate::ring::Ring;

/// Some neighbouring columns of one block, each times each of some of another.
pub(crate) struct Term {
    pub(crate) left: Range<usize>,
    pub(crate) right: Range<usize>,
    /// The cell of each pair of columns; none where they lie in the order of cells.
    pub(crate) cells: Option<Vec<u32>>,
}

/// All products of the columns of one block with those of another.
pub(crate) struct Products {
    rows: usize,
    lifted: Vec<(Tile, Product)>,
    /// Those of record keys, summed over all rows: mod 2¹⁶, and not lifted.
    keys: Product,
}

/// The terms of one result.
struct Product {
    terms: Vec<Term>,
    /// Over the rows since the last stretch ended, by cell.
    sums: Vec<u16>,
    /// Of one term, pair by pair.
    pairs: Vec<u16>,
}

/// A block of rows of both sides, in which column lies after column.
#[derive(Clone, Copy)]
struct Block<'a> {
    height: usize,
    left: &'a [u16],
    right: &'a [u16],
}

impl Product {
    fn new(terms: Vec<Term>, cells: usize) -> Self {
        Self { terms, sums: vec![0; cells], pairs: Vec::new() }
    }

    /// Adds the sums over each stretch of a block to `sums`, stretch after stretch.
    fn add_to(terms: &[Term], pairs: &mut Vec<u16>, sums: &mut [u16], stretch: usize, block: Block<'_>) {
        let stretches = block.height.div_ceil(stretch);
        for term in terms {
            let left = columns(block.left, block.height, term.left.clone());
            let right = columns(block.right, block.height, term.right.clone());
            let Some(cells) = &term.cells else {
                u16::add_products(sums, &left, &right, stretch);
                continue;
            };
            pairs.clear();
            pairs.resize(stretches * cells.len(), 0);
            u16::add_products(pairs, &left, &right, stretch);
            for (sums, pairs) in sums.chunks_mut(cells.len()).zip(pairs.chunks(cells.len())) {
                for (cell, pair) in cells.iter().zip(pairs) {
                    let sum = &mut sums[*cell as usize];
                    *sum = sum.plus(*pair);
                }
            }
        }
    }

    /// Adds all rows of a block.
    fn add(&mut self, block: Block<'_>) {
        Self::add_to(&self.terms, &mut self.pairs, &mut self.sums, block.height, block);
    }

    /// Appends the sums over each stretch of a block, of which one begins with it.
    fn by_stretch(&mut self, stretch: usize, block: Block<'_>, ended: &mut Vec<u16>) {
        let start = ended.len();
        ended.resize(start + block.height.div_ceil(stretch) * self.sums.len(), 0);
        Self::add_to(&self.terms, &mut self.pairs, &mut ended[start..], stretch, block);
    }
}

/// Sums of the stretches that ended in a block, in the same order at all parties.
#[derive(Default)]
pub(crate) struct Ended {
    /// One stretch after the other.
    pub(crate) sums: Vec<u16>,
    /// Of each stretch, the tile and the number of cells.
    stretches: Vec<(usize, usize)>,
}

impl Ended {
    /// Nothing ended.
    pub(crate) fn clear(&mut self) {
        self.sums.clear();
        self.stretches.clear();
    }

    /// Each stretch with its tile.
    pub(crate) fn each(&self) -> impl Iterator<Item = (usize, &[u16])> {
        let mut rest = self.sums.as_slice();
        self.stretches.iter().map(move |(tile, cells)| {
            let (sums, others) = rest.split_at(*cells);
            rest = others;
            (*tile, sums)
        })
    }
}

impl Products {
    /// The terms of each result that is lifted, and those of the sums of record keys.
    pub(crate) fn new(rows: usize, lifted: Vec<(Tile, Vec<Term>)>, keys: Vec<Term>, keys_len: usize) -> Self {
        let product = |(tile, terms): (Tile, _)| (tile, Product::new(terms, tile.cells));
        let lifted = lifted.into_iter().map(product).collect();
        Self { rows, lifted, keys: Product::new(keys, keys_len) }
    }

    /// Adds a block of both sides' columns, and tells the sums of all stretches that ended in it.
    pub(crate) fn add(&mut self, rows: Range<usize>, left: &[u16], right: &[u16], ended: &mut Ended) {
        let block = Block { height: rows.len(), left, right };
        ended.clear();
        for (at, (tile, product)) in self.lifted.iter_mut().enumerate() {
            // Blocks and stretches are powers of two: either ends with the other.
            if tile.stretch <= block.height {
                product.by_stretch(tile.stretch, block, &mut ended.sums);
                let stretches = block.height.div_ceil(tile.stretch);
                ended.stretches.extend(iter::repeat_n((at, tile.cells), stretches));
                continue;
            }
            product.add(block);
            if tile.ends_at(rows.end, self.rows) {
                ended.sums.extend(&product.sums);
                ended.stretches.push((at, tile.cells));
                product.sums.fill(0);
            }
        }
        self.keys.add(block);
    }

    /// Sums of record keys: limb after limb, by cell.
    pub(crate) fn keys(self) -> Vec<u16> {
        self.keys.sums
    }
}
