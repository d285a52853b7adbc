//! The heart: counts, record-key sums and sums of values, by category of left and category of right, over all
//! linked rows.
//!
//! Left has for each row at most one category and a record key of three 16-bit limbs; right has for each row at most one
//! category and, if asked for, a flag "present". Either may have *values*: non-negative numbers of at most eight bits,
//! the limbs of whatever is summed. X₀ is left's one-hot matrix, X₁ X₂ X₃ the same with a limb of the record key in place of the
//! one, X₄ … with a value; Y₀ is right's one-hot matrix with the flag as its last column, Y₁ … the same without
//! flag and with a value in place of the one. Wanted are shares of
//!
//! ```text
//! counts          X₀ᵀY₀           in ℤ/2¹²⁸
//! key sums        Xⱼᵀ Y₀          in ℤ/2¹⁶,   j = 1, 2, 3
//! sums of values  Xⱼᵀ Y₀, X₀ᵀ Yⱼ  in ℤ/2¹²⁸,  j of values
//! ```
//!
//! Everything travels in ℤ/2¹⁶, two bytes a column. Key sums are wanted there. The others are taken over stretches of
//! rows short enough that the sum is below 2¹⁵, and [lifted](super::lift). U are masks from the seed of dealer and left, V from
//! that of dealer and right, R masks of the results from further streams of left's seed.
//!
//! | step | message | size a row | what the receiver learns |
//! | --- | --- | --- | --- |
//! | 1 | left → right, each block: X − U | 2 bytes × left columns | nothing: uniform without left's seed |
//! | 2 | right → left, each block: Y − V | 2 bytes × right columns | nothing: uniform without right's seed |
//! | 3 | dealer → right, for each stretch that ended: UᵀV − R | 2 bytes × cells a stretch | nothing: uniform without left's seed |
//! | 4 | the lift's messages | 4 bytes × cells a stretch | nothing, see [`super::lift`] |
//! | 5 | dealer → right, at the end: the same for the key sums | none | nothing |
//!
//! ```text
//! left:   Xᵀ(Y − V) + R
//! right:  (X − U)ᵀV + (UᵀV − R)
//! sum:    XᵀY
//! ```
//!
//! Why R, and why a fresh one for each product and stretch: without it right could read off a category with one unit
//! from UᵀV and V. Why one U and one V may serve several products: X − U and Y − V are sent once, and every result is
//! masked independently.
//!
//! A block of rows travels column after column, and its masks lie in their streams in that order: every sum is then a dot
//! product of two runs of memory. Each sends a block before it works on the one before, so that links and processors are busy
//! at the same time. Stretches that end in one block come product by product, each in order of rows.
//!
//! Sizes, names and number of messages follow from [`ProductShape`] alone; a row without a category is sent,
//! and worked on, like any other. The dealer receives nothing.
//!
//! Source: see [`super::inner_product`], of which this is the form with narrow rings and one-hot columns; design §4.

use std::iter;
use std::ops::Range;

use crate::channel::{Channel, StepName};
use crate::kernel::{columns, one_hot, subtract, subtract_from};
use crate::protocol::lift::{DealtLift, Lift, Tile, add_all, stretch_rows};
use crate::protocol::wide_body::{Inbox, Outbox};
use crate::protocol::{ProtocolError, decode_into, inner_product};
use crate::ring::Ring;
use crate::seeds::{MaskStream, PairSeed};
use crate::share::Share;

/// The category of a row that is in none.
pub const NO_CATEGORY: u32 = u32::MAX;

/// Limbs of a record key.
const LIMBS: usize = 3;
/// Left's columns of each category before its values: the one, and the limbs.
const BEFORE_VALUES: usize = 1 + LIMBS;
/// Bits of the one in a one-hot column.
const ONE_BITS: u8 = 1;

/// The public shape of a product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProductShape {
    /// Linked rows, empty ones included.
    pub rows: usize,
    /// Rows that travel at a time: a power of two.
    pub block_rows: usize,
    /// Composite categories of left.
    pub left_categories: usize,
    /// Composite categories of right.
    pub right_categories: usize,
    /// Whether a last column counts the rows that right has at all.
    pub present: bool,
    /// Bits of each of left's values.
    pub left_values: Vec<u8>,
    /// Bits of each of right's values.
    pub right_values: Vec<u8>,
}

/// A product of one of left's columns with one of right's, for all pairs of categories: what is lifted together.
struct Lifted {
    /// Index of left's column of each category.
    left: usize,
    /// Index of right's: 0 for the one.
    right: usize,
    tile: Tile,
}

impl ProductShape {
    /// Rows of a block where the columns are few.
    pub const BLOCK_ROWS: usize = 2048;
    /// A block of one side's columns is kept below this size where the columns are many.
    const BLOCK_BYTES: usize = 1 << 20;
    /// Largest number of categories of one side. Bounds what a shape from outside makes a party allocate.
    const CATEGORIES_MAX: usize = 1 << 16;
    /// Largest number of values of one side.
    pub const VALUES_MAX: usize = 24;
    /// Largest number of results.
    const CELLS_MAX: usize = 1 << 24;
    /// Largest number of rows, so that the sums of a tile are lifted in few groups.
    const ROWS_MAX: usize = 1 << 26;

    /// The shape with blocks of a size that suits caches and messages; all parties compute the same.
    pub fn new(
        rows: usize,
        [left_categories, right_categories]: [usize; 2],
        present: bool,
        [left_values, right_values]: [Vec<u8>; 2],
    ) -> Self {
        let block_rows = Self::BLOCK_ROWS;
        let mut shape =
            Self { rows, block_rows, left_categories, right_categories, present, left_values, right_values };
        let row_bytes = 2 * shape.left_width().max(shape.right_width()).max(1);
        let fitting = (Self::BLOCK_BYTES / row_bytes).clamp(1, Self::BLOCK_ROWS);
        shape.block_rows = 1 << fitting.ilog2();
        shape
    }

    /// Columns of right's first matrix: its categories, then the flag if there is one.
    pub fn right_columns(&self) -> usize {
        self.right_categories + usize::from(self.present)
    }

    /// All of left's columns.
    fn left_width(&self) -> usize {
        self.left_categories * (BEFORE_VALUES + self.left_values.len())
    }

    /// All of right's columns.
    fn right_width(&self) -> usize {
        self.right_columns() + self.right_categories * self.right_values.len()
    }

    /// Right's columns of its matrix `right`.
    fn right_range(&self, right: usize) -> Range<usize> {
        match right {
            0 => 0..self.right_columns(),
            _ => {
                let start = self.right_columns() + (right - 1) * self.right_categories;
                start..start + self.right_categories
            }
        }
    }

    /// Left's columns of its matrix `left`.
    fn left_range(&self, left: usize) -> Range<usize> {
        left * self.left_categories..(left + 1) * self.left_categories
    }

    /// What is lifted, in the order of the results: counts, left's values, right's values.
    fn lifted(&self) -> Vec<Lifted> {
        let tile = |left, right, bits| Lifted {
            left,
            right,
            tile: Tile {
                cells: self.left_categories * self.right_range(right).len(),
                stretch: stretch_rows(bits),
            },
        };
        let left = self.left_values.iter().enumerate();
        let right = self.right_values.iter().enumerate();
        std::iter::once(tile(0, 0, ONE_BITS))
            .chain(left.map(|(value, bits)| tile(BEFORE_VALUES + value, 0, *bits)))
            .chain(right.map(|(value, bits)| tile(0, 1 + value, *bits)))
            .collect()
    }

    fn tiles(&self) -> Vec<Tile> {
        self.lifted().iter().map(|lifted| lifted.tile).collect()
    }

    fn checked(&self) -> Result<&Self, ProtocolError> {
        let categories = 1..=Self::CATEGORIES_MAX;
        let values_fit = |values: &[u8]| {
            values.len() <= Self::VALUES_MAX && values.iter().all(|bits| (1..=8).contains(bits))
        };
        let usable = self.rows <= Self::ROWS_MAX
            && self.block_rows.is_power_of_two()
            && self.block_rows <= Self::BLOCK_ROWS
            && categories.contains(&self.left_categories)
            && categories.contains(&self.right_categories)
            && values_fit(&self.left_values)
            && values_fit(&self.right_values)
            && self.left_width() * self.right_width() <= Self::CELLS_MAX
            && self.block_rows * 2 * self.left_width() <= 16 * Self::BLOCK_BYTES
            && self.block_rows * 2 * self.right_width() <= 16 * Self::BLOCK_BYTES;
        let expected = "1 to 65536 categories at each side, at most 24 values of 1 to 8 bits, at most 2^24 cells, \
                        blocks of a power of two rows, at most 2048 and 16 MiB";
        if usable { Ok(self) } else { Err(ProtocolError::Shape { expected }) }
    }

    fn blocks(&self) -> impl Iterator<Item = (u64, Range<usize>)> {
        let (rows, block_rows) = (self.rows, self.block_rows);
        let starts = (0..rows).step_by(block_rows);
        starts.enumerate().map(move |(index, start)| (index as u64, start..rows.min(start + block_rows)))
    }

    fn left_block(&self, rows: usize) -> [u64; 3] {
        [rows as u64, self.left_width() as u64, 2]
    }

    fn right_block(&self, rows: usize) -> [u64; 3] {
        [rows as u64, self.right_width() as u64, 2]
    }

    fn key_cells(&self) -> usize {
        LIMBS * self.left_categories * self.right_columns()
    }

    /// Columns of left's record keys.
    fn key_range(&self) -> Range<usize> {
        self.left_categories..BEFORE_VALUES * self.left_categories
    }
}

/// Left's private rows.
#[derive(Clone, Copy)]
pub struct LeftRows<'a> {
    /// Category of each row, or [`NO_CATEGORY`].
    pub categories: &'a [u32],
    /// Record key of each row; of no account where there is no category.
    pub keys: &'a [[u16; LIMBS]],
    /// Each value of each row, below 2^bits; of no account where there is no category.
    pub values: &'a [Vec<u8>],
}

/// Right's private rows.
#[derive(Clone, Copy)]
pub struct RightRows<'a> {
    /// Category of each row, or [`NO_CATEGORY`].
    pub categories: &'a [u32],
    /// Whether right has each row at all; given exactly where the shape has that column.
    pub present: Option<&'a [bool]>,
    /// Each value of each row, below 2^bits; of no account where there is no category.
    pub values: &'a [Vec<u8>],
}

/// One worker's shares of the results, left categories × right columns, row by row.
#[derive(Debug)]
pub struct ProductShares {
    /// Number of rows in each pair of columns.
    pub counts: Share<u128>,
    /// Sum of each limb of the record keys of those rows.
    pub keys: [Share<u16>; LIMBS],
    /// Sum of each of left's values over those rows.
    pub left_values: Vec<Share<u128>>,
    /// Sum of each of right's values over those rows, left categories × right categories.
    pub right_values: Vec<Share<u128>>,
}

impl ProductShares {
    fn new(shape: &ProductShape, keys: &[u16], lifted: Vec<Share<u128>>) -> Self {
        let cells = keys.len() / LIMBS;
        let limb = |j: usize| Share::from_elements(keys[j * cells..(j + 1) * cells].to_vec());
        let mut lifted = lifted.into_iter();
        Self {
            counts: lifted.next().expect("counts are lifted first"),
            keys: [limb(0), limb(1), limb(2)],
            left_values: lifted.by_ref().take(shape.left_values.len()).collect(),
            right_values: lifted.collect(),
        }
    }
}

/// The names of the steps and streams of one product.
struct Names {
    own: StepName,
    left: StepName,
    right: StepName,
    dealer: StepName,
    dealer_keys: StepName,
    lift: StepName,
}

impl Names {
    fn of(step: &StepName) -> Result<Self, ProtocolError> {
        Ok(Self {
            own: step.clone(),
            left: step.join("left")?,
            right: step.join("right")?,
            dealer: step.join("dealer")?,
            dealer_keys: step.join("dealer/keys")?,
            lift: step.join("lift")?,
        })
    }

    /// U.
    fn left_masks(&self, seed: &PairSeed) -> Result<MaskStream<u16>, ProtocolError> {
        Ok(seed.stream(&self.own, "left", "mask")?)
    }

    /// V.
    fn right_masks(&self, seed: &PairSeed) -> Result<MaskStream<u16>, ProtocolError> {
        Ok(seed.stream(&self.own, "right", "mask")?)
    }

    /// R of stretches, one after the other in the order in which they end.
    fn result_masks(&self, seed: &PairSeed) -> Result<MaskStream<u16>, ProtocolError> {
        Ok(seed.stream(&self.own, "stretches", "result")?)
    }

    /// R of the key sums.
    fn key_result_masks(&self, seed: &PairSeed) -> Result<MaskStream<u16>, ProtocolError> {
        Ok(seed.stream(&self.own, "keys", "result")?)
    }
}

/// Left's part.
///
/// # Errors
/// [`ProtocolError`]; `Input` before anything is sent.
pub fn left(
    step: &StepName,
    shape: &ProductShape,
    right: &mut dyn Channel,
    dealer_seed: &PairSeed,
    rows: LeftRows<'_>,
) -> Result<ProductShares, ProtocolError> {
    let (shape, names) = (shape.checked()?, Names::of(step)?);
    let values_fit = fit(rows.values, &shape.left_values, shape.rows);
    if rows.keys.len() != shape.rows
        || !values_fit
        || !in_range(rows.categories, shape.rows, shape.left_categories)
    {
        return Err(ProtocolError::Input);
    }
    let (width, categories) = (shape.left_width(), shape.left_categories);
    let mut masks = names.left_masks(dealer_seed)?;
    let mut results = names.result_masks(dealer_seed)?;
    let mut lift = Lift::new(&names.lift, true, dealer_seed, shape.tiles(), shape.rows)?;
    let mut products = Products::new(shape);
    let (mut x, mut next, mut masked, mut theirs) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut result, mut position, mut ended) = (Vec::new(), 0, Ended::default());
    // Step 1. A row without a category is treated like any other: no branch, no other traffic.
    let mut send = |right: &mut dyn Channel, index: u64, range: Range<usize>, x: &mut Vec<u16>| {
        zeros(x, range.len() * width);
        let of_block = &rows.categories[range.clone()];
        let mut enter = |matrix: usize, weight: &dyn Fn(usize) -> u16| {
            one_hot(x, matrix * categories, of_block, weight);
        };
        enter(0, &|_| 1);
        for limb in 0..LIMBS {
            let keys = &rows.keys[range.clone()];
            enter(1 + limb, &|row| keys[row][limb]);
        }
        for (value, values) in rows.values.iter().enumerate() {
            let values = &values[range.clone()];
            enter(BEFORE_VALUES + value, &|row| u16::from(values[row]));
        }
        let start = (range.start * width) as u64;
        masked.resize(x.len(), 0);
        masks.fill(start, &mut masked);
        subtract_from(x, &mut masked);
        let body = encoded(&masked);
        masks.used(start, x.len(), &body);
        right.send(&names.left, index, &shape.left_block(range.len()), body)
    };
    let mut blocks = shape.blocks().peekable();
    if let Some((index, range)) = blocks.peek().cloned() {
        send(right, index, range, &mut x)?;
    }
    while let Some((index, range)) = blocks.next() {
        if index > 0 {
            lift.send(right)?;
        }
        // The next block is on its way while this one is worked on.
        if let Some((index, range)) = blocks.peek().cloned() {
            send(right, index, range, &mut next)?;
        }

        // Step 2.
        let body = right.receive(&names.right, index, &shape.right_block(range.len()))?;
        decode_into(&body, &names.right, &mut theirs)?;
        if index > 0 {
            lift.receive(right)?;
        }
        products.add(range, &x, &theirs, &mut ended);
        // Step 3: R.
        result.resize(ended.sums.len(), 0);
        results.fill(position, &mut result);
        position += result.len() as u64;
        add_all(&mut ended.sums, &result);
        ended.each().for_each(|(tile, share)| lift.add(tile, share));
        std::mem::swap(&mut x, &mut next);
    }
    if shape.rows > 0 {
        lift.send(right)?;
        lift.receive(right)?;
    }
    // Step 5.
    let mut keys = products.keys();
    result.resize(keys.len(), 0);
    names.key_result_masks(dealer_seed)?.fill(0, &mut result);
    add_all(&mut keys, &result);
    Ok(ProductShares::new(shape, &keys, lift.finish(right, None, dealer_seed)?))
}

/// All products of left's columns with right's, whichever of the four matrices they are.
struct Products {
    rows: usize,
    lifted: Vec<(Lifted, Product)>,
    /// Those of left's record keys, summed over all rows.
    keys: Product,
}

/// Neighbouring columns of left's with neighbouring ones of right's.
struct Product {
    left: Range<usize>,
    right: Range<usize>,
    /// Left × right, row by row: over the rows since the last stretch ended.
    sums: Vec<u16>,
}

impl Product {
    fn new(left: Range<usize>, right: Range<usize>) -> Self {
        let sums = vec![0; left.len() * right.len()];
        Self { left, right, sums }
    }

    /// Adds all rows of a block.
    fn add(&mut self, height: usize, left: &[u16], right: &[u16]) {
        let (left, right) =
            (columns(left, height, self.left.clone()), columns(right, height, self.right.clone()));
        u16::add_products(&mut self.sums, &left, &right, height);
    }

    /// Appends the sums over each stretch of a block, of which one begins with it.
    fn by_stretch(&self, stretch: usize, height: usize, left: &[u16], right: &[u16], ended: &mut Vec<u16>) {
        let (left, right) =
            (columns(left, height, self.left.clone()), columns(right, height, self.right.clone()));
        let start = ended.len();
        ended.resize(start + height.div_ceil(stretch) * self.sums.len(), 0);
        u16::add_products(&mut ended[start..], &left, &right, stretch);
    }
}

/// Sums of the stretches that ended in a block, in the same order at all parties.
#[derive(Default)]
struct Ended {
    /// One stretch after the other.
    sums: Vec<u16>,
    /// Of each stretch, the tile and the number of cells.
    stretches: Vec<(usize, usize)>,
}

impl Ended {
    fn clear(&mut self) {
        self.sums.clear();
        self.stretches.clear();
    }

    /// Each stretch with its tile.
    fn each(&self) -> impl Iterator<Item = (usize, &[u16])> {
        let mut rest = self.sums.as_slice();
        self.stretches.iter().map(move |(tile, cells)| {
            let (sums, others) = rest.split_at(*cells);
            rest = others;
            (*tile, sums)
        })
    }
}

impl Products {
    fn new(shape: &ProductShape) -> Self {
        let product = |lifted: Lifted| {
            let (left, right) = (shape.left_range(lifted.left), shape.right_range(lifted.right));
            (lifted, Product::new(left, right))
        };
        Self {
            rows: shape.rows,
            lifted: shape.lifted().into_iter().map(product).collect(),
            keys: Product::new(shape.key_range(), shape.right_range(0)),
        }
    }

    /// Adds a block of left's and right's columns, and tells the sums of all stretches that ended in it.
    fn add(&mut self, block: Range<usize>, left: &[u16], right: &[u16], ended: &mut Ended) {
        let height = block.len();
        ended.clear();
        for (at, (lifted, product)) in self.lifted.iter_mut().enumerate() {
            let (tile, cells) = (lifted.tile, product.sums.len());
            // Blocks and stretches are powers of two: either ends with the other.
            if tile.stretch <= height {
                product.by_stretch(tile.stretch, height, left, right, &mut ended.sums);
                ended.stretches.extend(iter::repeat_n((at, cells), height.div_ceil(tile.stretch)));
                continue;
            }
            product.add(height, left, right);
            if tile.ends_at(block.end, self.rows) {
                ended.sums.extend(&product.sums);
                ended.stretches.push((at, cells));
                product.sums.fill(0);
            }
        }
        self.keys.add(height, left, right);
    }

    /// Sums of record keys: for each limb left categories × right columns, row by row.
    fn keys(self) -> Vec<u16> {
        self.keys.sums
    }
}

/// Right's part.
///
/// # Errors
/// [`ProtocolError`]; `Input` before anything is sent.
pub fn right(
    step: &StepName,
    shape: &ProductShape,
    left: &mut dyn Channel,
    dealer: &mut dyn Channel,
    dealer_seed: &PairSeed,
    rows: RightRows<'_>,
) -> Result<ProductShares, ProtocolError> {
    let (shape, names) = (shape.checked()?, Names::of(step)?);
    let present_fits = match rows.present {
        Some(present) => shape.present && present.len() == shape.rows,
        None => !shape.present,
    };
    if !present_fits
        || !fit(rows.values, &shape.right_values, shape.rows)
        || !in_range(rows.categories, shape.rows, shape.right_categories)
    {
        return Err(ProtocolError::Input);
    }
    let width = shape.right_width();
    let mut masks = names.right_masks(dealer_seed)?;
    let mut products = Products::new(shape);
    let mut lift = Lift::new(&names.lift, false, dealer_seed, shape.tiles(), shape.rows)?;
    let mut corrections = Inbox::new(&names.dealer);
    let (mut y, mut v, mut next, mut theirs) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut ended = Ended::default();
    // Step 2.
    let mut send = |left: &mut dyn Channel, index: u64, range: Range<usize>, v: &mut Vec<u16>| {
        zeros(&mut y, range.len() * width);
        let of_block = &rows.categories[range.clone()];
        one_hot(&mut y, 0, of_block, |_| 1);
        for (value, values) in rows.values.iter().enumerate() {
            let values = &values[range.clone()];
            one_hot(&mut y, shape.right_range(1 + value).start, of_block, |row| u16::from(values[row]));
        }
        if let Some(present) = rows.present {
            let flags = &mut y[shape.right_categories * range.len()..][..range.len()];
            for (flag, present) in flags.iter_mut().zip(&present[range.clone()]) {
                *flag = u16::from(*present);
            }
        }
        let start = (range.start * width) as u64;
        v.resize(y.len(), 0);
        masks.fill(start, v);
        subtract(&mut y, v);
        let body = encoded(&y);
        masks.used(start, y.len(), &body);
        left.send(&names.right, index, &shape.right_block(range.len()), body)
    };
    let mut blocks = shape.blocks().peekable();
    if let Some((index, range)) = blocks.peek().cloned() {
        send(left, index, range, &mut v)?;
    }
    while let Some((index, range)) = blocks.next() {
        if index > 0 {
            lift.send(left)?;
        }
        // The next block is on its way while this one is worked on.
        if let Some((index, range)) = blocks.peek().cloned() {
            send(left, index, range, &mut next)?;
        }

        // Step 1.
        let body = left.receive(&names.left, index, &shape.left_block(range.len()))?;
        decode_into(&body, &names.left, &mut theirs)?;
        if index > 0 {
            lift.receive(left)?;
        }
        // Step 3: all stretches of a block come in one body.
        products.add(range, &theirs, &v, &mut ended);
        let corrections = corrections.receive::<u16>(dealer, ended.sums.len())?;
        add_all(&mut ended.sums, &corrections);
        ended.each().for_each(|(tile, share)| lift.add(tile, share));
        std::mem::swap(&mut v, &mut next);
    }
    if shape.rows > 0 {
        lift.send(left)?;
        lift.receive(left)?;
    }
    // Step 5.
    let mut keys = products.keys();
    let correction = Inbox::new(&names.dealer_keys).receive::<u16>(dealer, shape.key_cells())?;
    add_all(&mut keys, &correction);
    Ok(ProductShares::new(shape, &keys, lift.finish(left, Some(dealer), dealer_seed)?))
}

/// The dealer's part: messages to right only.
///
/// # Errors
/// [`ProtocolError`].
pub fn deal(
    step: &StepName,
    shape: &ProductShape,
    right: &mut dyn Channel,
    left_seed: &PairSeed,
    right_seed: &PairSeed,
) -> Result<(), ProtocolError> {
    let (shape, names) = (shape.checked()?, Names::of(step)?);
    let (left_width, right_width) = (shape.left_width(), shape.right_width());
    let tiles = shape.tiles();
    let (mut left_masks, mut right_masks) = (names.left_masks(left_seed)?, names.right_masks(right_seed)?);
    let mut results = names.result_masks(left_seed)?;
    let mut products = Products::new(shape);
    let mut lift = DealtLift::new(&names.lift, left_seed, right_seed, tiles.clone(), shape.rows)?;
    let mut outbox = Outbox::new(&names.dealer);
    let (mut u, mut v, mut position, mut ended) = (Vec::new(), Vec::new(), 0, Ended::default());
    for (_, range) in shape.blocks() {
        u.resize(range.len() * left_width, 0u16);
        v.resize(range.len() * right_width, 0u16);
        left_masks.fill((range.start * left_width) as u64, &mut u);
        right_masks.fill((range.start * right_width) as u64, &mut v);
        // Step 3: never without R.
        products.add(range, &u, &v, &mut ended);
        ended.stretches.iter().for_each(|(tile, _)| lift.add(*tile));
        let body = inner_product::less_masks_from(&ended.sums, &mut results, position);
        position += ended.sums.len() as u64;
        outbox.send::<u16>(right, &body)?;
    }
    // Step 5.
    let keys = products.keys();
    let body = inner_product::less_masks(&keys, &mut names.key_result_masks(left_seed)?);
    Outbox::new(&names.dealer_keys).send::<u16>(right, &body)?;
    lift.finish(right, left_seed, right_seed)
}

/// Whether there is a category for each row and all are in range.
fn in_range(categories: &[u32], rows: usize, count: usize) -> bool {
    let in_range = |category: &u32| (*category as usize) < count || *category == NO_CATEGORY;
    categories.len() == rows && categories.iter().all(in_range)
}

/// Whether there is a value for each row and all have few enough bits.
fn fit(values: &[Vec<u8>], bits: &[u8], rows: usize) -> bool {
    let fits = |(values, bits): (&Vec<u8>, &u8)| {
        values.len() == rows && values.iter().all(|value| u16::from(*value) >> bits == 0)
    };
    values.len() == bits.len() && values.iter().zip(bits).all(fits)
}

/// As many zeros.
fn zeros(block: &mut Vec<u16>, count: usize) {
    block.clear();
    block.resize(count, 0);
}

/// A block as a message.
fn encoded(block: &[u16]) -> Vec<u8> {
    let mut message = Vec::with_capacity(2 * block.len());
    u16::encode(block, &mut message);
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::ChannelError;
    use crate::protocol::lift::FLUSHES;
    use crate::seeds::Ledger;
    use crate::testing::{Dice, Ran, Seen, elements, step, three_watched};

    /// Rows of both owners: some in no category, right without some rows at all.
    struct World {
        shape: ProductShape,
        left: Vec<u32>,
        keys: Vec<[u16; LIMBS]>,
        right: Vec<u32>,
        present: Vec<bool>,
        left_values: Vec<Vec<u8>>,
        right_values: Vec<Vec<u8>>,
    }

    /// What is opened: counts, key sums, sums of left's and of right's values.
    type Opened = (Vec<u128>, [Vec<u16>; LIMBS], Vec<Vec<u128>>, Vec<Vec<u128>>);

    impl World {
        fn random(seed: u8, shape: ProductShape) -> Self {
            let mut dice = Dice::seeded(seed);
            let mut world = Self::empty(shape);
            let shape = world.shape.clone();
            for row in 0..shape.rows {
                let mut category = |categories: usize| {
                    let drawn = dice.below(categories as u64 + 1) as u32;
                    if drawn == categories as u32 { NO_CATEGORY } else { drawn }
                };
                world.left[row] = category(shape.left_categories);
                world.right[row] = category(shape.right_categories);
                world.keys[row] = [(); LIMBS].map(|()| dice.next() as u16);
                // A row of right's has a category only if it is there; here some lack one all the same.
                world.present[row] = world.right[row] != NO_CATEGORY || dice.below(2) == 1;
                let both = [
                    (&mut world.left_values, &shape.left_values),
                    (&mut world.right_values, &shape.right_values),
                ];
                for (values, bits) in both {
                    for (values, bits) in values.iter_mut().zip(bits) {
                        // Often the largest, so that stretches come close to their bound.
                        let largest = (1 << bits) - 1;
                        values[row] =
                            if dice.below(3) == 0 { dice.below(largest + 1) } else { largest } as u8;
                    }
                }
            }
            world
        }

        fn empty(shape: ProductShape) -> Self {
            let full = |values: &[u8]| {
                values.iter().map(|bits| vec![((1u16 << bits) - 1) as u8; shape.rows]).collect()
            };
            Self {
                left_values: full(&shape.left_values),
                right_values: full(&shape.right_values),
                left: vec![NO_CATEGORY; shape.rows],
                keys: vec![[0xffff; LIMBS]; shape.rows],
                right: vec![NO_CATEGORY; shape.rows],
                present: vec![false; shape.rows],
                shape,
            }
        }

        /// The results in the clear.
        fn clear(&self) -> Opened {
            let shape = &self.shape;
            let (width, categories) = (shape.right_columns(), shape.right_categories);
            let cells = shape.left_categories * width;
            let (mut counts, mut keys) = (vec![0u128; cells], [(); LIMBS].map(|()| vec![0u16; cells]));
            let mut left_values = vec![vec![0u128; cells]; shape.left_values.len()];
            let mut right_values =
                vec![vec![0u128; shape.left_categories * categories]; shape.right_values.len()];
            for row in (0..shape.rows).filter(|row| self.left[*row] != NO_CATEGORY) {
                let left = self.left[row] as usize;
                let flag = (shape.present && self.present[row]).then_some(width - 1);
                let category = (self.right[row] != NO_CATEGORY).then_some(self.right[row] as usize);
                for column in category.into_iter().chain(flag) {
                    let cell = left * width + column;
                    counts[cell] += 1;
                    for (sums, limb) in keys.iter_mut().zip(self.keys[row]) {
                        sums[cell] = sums[cell].wrapping_add(limb);
                    }
                    for (sums, values) in left_values.iter_mut().zip(&self.left_values) {
                        sums[cell] += u128::from(values[row]);
                    }
                }
                if let Some(column) = category {
                    for (sums, values) in right_values.iter_mut().zip(&self.right_values) {
                        sums[left * categories + column] += u128::from(values[row]);
                    }
                }
            }
            (counts, keys, left_values, right_values)
        }

        fn left_rows(&self) -> LeftRows<'_> {
            LeftRows { categories: &self.left, keys: &self.keys, values: &self.left_values }
        }

        fn right_rows<'a>(&'a self, present: Option<&'a [bool]>) -> RightRows<'a> {
            RightRows { categories: &self.right, present, values: &self.right_values }
        }

        fn run(
            &self,
            ledger: &std::sync::Arc<std::sync::Mutex<Ledger>>,
        ) -> Ran<ProductShares, ProductShares, ()> {
            let (name, shape) = (step("q1/product"), &self.shape);
            let rows = self.left_rows();
            let present = shape.present.then_some(self.present.as_slice());
            let right_rows = self.right_rows(present);
            three_watched(
                ledger,
                |hand| left(&name, shape, &mut hand.right, &hand.dealer_seed, rows).expect("left ends"),
                |hand| {
                    let seed = &hand.dealer_seed;
                    right(&name, shape, &mut hand.left, &mut hand.dealer, seed, right_rows)
                        .expect("right ends")
                },
                |hand| deal(&name, shape, &mut hand.right, &hand.left_seed, &hand.right_seed).expect("dealt"),
            )
        }
    }

    fn opened(ran: &Ran<ProductShares, ProductShares, ()>) -> Opened {
        let keys = std::array::from_fn(|j| elements(&ran.left.keys[j], &ran.right.keys[j]));
        let both = |left: &[Share<u128>], right: &[Share<u128>]| {
            left.iter().zip(right).map(|(left, right)| elements(left, right)).collect()
        };
        (
            elements(&ran.left.counts, &ran.right.counts),
            keys,
            both(&ran.left.left_values, &ran.right.left_values),
            both(&ran.left.right_values, &ran.right.right_values),
        )
    }

    fn shape(
        rows: usize,
        block_rows: usize,
        left_categories: usize,
        right_categories: usize,
        present: bool,
    ) -> ProductShape {
        ProductShape {
            rows,
            block_rows,
            left_categories,
            right_categories,
            present,
            left_values: vec![],
            right_values: vec![],
        }
    }

    fn with_values(shape: ProductShape, left: &[u8], right: &[u8]) -> ProductShape {
        ProductShape { left_values: left.to_vec(), right_values: right.to_vec(), ..shape }
    }

    #[test]
    fn the_parts_add_up_to_the_clear_counts_and_key_sums() {
        let shapes = [
            shape(0, 8, 1, 1, false),
            shape(1, 8, 1, 1, true),
            shape(7, 8, 3, 2, true),
            shape(8, 8, 2, 3, false),
            shape(16, 8, 4, 5, true),
            with_values(shape(17, 8, 2, 3, true), &[8, 1], &[]),
            with_values(shape(1000, 64, 3, 2, true), &[8, 7, 6], &[]),
            with_values(shape(700, 256, 3, 4, true), &[], &[8, 5]),
            with_values(shape(3000, 2048, 2, 2, false), &[8], &[8]),
            with_values(shape(0, 8, 2, 2, true), &[3], &[3]),
            shape(112, 16, 10, 20, true),
            shape(257, 64, 20, 1, true),
            shape(130, 32, 1, 40, false),
            ProductShape::new(5000, [6, 7], true, [vec![], vec![]]),
            // Enough stretches that two groups of bit products are lifted.
            with_values(shape(128 * (FLUSHES + 3), 2048, 1, 1, false), &[8], &[]),
        ];
        for (seed, shape) in shapes.into_iter().enumerate() {
            let world = World::random(seed as u8, shape);
            assert!(opened(&world.run(&Ledger::shared())) == world.clear(), "{:?}", world.shape);
        }
    }

    #[test]
    fn rows_without_any_category_give_zeros() {
        let world = World::empty(with_values(shape(50, 16, 3, 4, true), &[8], &[8]));
        assert_eq!(
            opened(&world.run(&Ledger::shared())),
            (vec![0; 15], [(); LIMBS].map(|()| vec![0; 15]), vec![vec![0; 15]], vec![vec![0; 12]])
        );
    }

    /// What a message looks like from outside: name, number, shape.
    fn outsides(seen: &[Seen]) -> Vec<(String, u64, Vec<u64>)> {
        let outside = |(header, body): &Seen| {
            assert_eq!(body.len() as u64, header.shape.iter().product::<u64>());
            (header.step.to_string(), header.index, header.shape.clone())
        };
        seen.iter().map(outside).collect()
    }

    #[test]
    fn every_party_sees_messages_of_the_same_shapes_whatever_the_values() {
        let shape = with_values(shape(100, 16, 3, 4, true), &[8], &[7]);
        let worlds = [World::random(1, shape.clone()), World::random(2, shape.clone()), World::empty(shape)];
        let views = worlds.map(|world| {
            let ran = world.run(&Ledger::shared());
            [ran.seen_by_left, ran.seen_by_right, ran.seen_from_dealer].map(|seen| outsides(&seen))
        });
        assert_eq!(views[0], views[1]);
        assert_eq!(views[0], views[2]);
        assert_eq!(views[0].each_ref().map(Vec::len), [9, 9, 4]);
    }

    /// Fails for bytes that are visibly not uniform: chi-square over byte values, 255 degrees of freedom, at
    /// eight standard deviations.
    fn assert_uniform(bytes: &[u8], what: &str) {
        let mut counts = [0f64; 256];
        bytes.iter().for_each(|byte| counts[*byte as usize] += 1.0);
        let expected = bytes.len() as f64 / 256.0;
        assert!(expected > 20.0, "{what}: enough bytes to judge");
        let statistic: f64 = counts.iter().map(|count| (count - expected).powi(2) / expected).sum();
        assert!((statistic - 255.0).abs() < 8.0 * (2.0f64 * 255.0).sqrt(), "{what}: chi-square {statistic}");
        let ones: u32 = bytes.iter().map(|byte| byte.count_ones()).sum();
        let bits = bytes.len() as f64 * 8.0;
        assert!((f64::from(ones) - bits / 2.0).abs() < 8.0 * bits.sqrt() / 2.0, "{what}: ones {ones}");
    }

    fn bodies(seen: &[Seen]) -> Vec<u8> {
        seen.iter().flat_map(|(_, body)| body.iter().copied()).collect()
    }

    #[test]
    fn everything_a_worker_receives_looks_uniform_even_where_the_other_has_nothing() {
        let shape_of_all = || with_values(shape(2000, 512, 8, 9, true), &[8], &[8]);
        for world in [World::empty(shape_of_all()), World::random(3, shape_of_all())] {
            let ran = world.run(&Ledger::shared());
            assert_uniform(&bodies(&ran.seen_by_left), "right to left");
            assert_uniform(&bodies(&ran.seen_by_right), "left to right");
        }
        let ran = World::empty(shape(10, 8, 40, 40, true)).run(&Ledger::shared());
        assert_uniform(&bodies(&ran.seen_from_dealer), "dealer to right");
    }

    #[test]
    fn two_attempts_at_one_question_share_no_mask() {
        let world = World::random(4, shape(500, 128, 4, 4, true));
        let ledger = Ledger::shared();
        let (first, second) = (world.run(&ledger), world.run(&ledger));
        for (one, other) in [
            (bodies(&first.seen_by_left), bodies(&second.seen_by_left)),
            (bodies(&first.seen_by_right), bodies(&second.seen_by_right)),
            (bodies(&first.seen_from_dealer), bodies(&second.seen_from_dealer)),
        ] {
            // Equal masks under equal inputs would give equal bytes; unrelated ones agree in one of 256.
            let equal = one.iter().zip(&other).filter(|(a, b)| a == b).count() as f64;
            let expected = one.len() as f64 / 256.0;
            assert!((equal - expected).abs() < 8.0 * expected.sqrt() + 8.0, "{equal} of {}", one.len());
        }
        let ledger = ledger.lock().expect("not poisoned");
        assert_eq!((ledger.reuses(), ledger.len()), (0, 2 * (2 * 4 + 8)));
    }

    #[test]
    fn a_second_product_under_one_name_and_attempt_is_refused() {
        let world = World::random(5, shape(10, 8, 2, 2, false));
        let (name, shape) = (step("q1/product"), &world.shape);
        let ran = three_watched(
            &Ledger::shared(),
            |hand| {
                let rows = world.left_rows();
                let mut again = || left(&name, shape, &mut hand.right, &hand.dealer_seed, rows).err();
                (again(), again())
            },
            |hand| {
                let (left, seed) = (&mut hand.left, &hand.dealer_seed);
                let rows = world.right_rows(None);
                right(&name, shape, left, &mut hand.dealer, seed, rows).err()
            },
            |hand| deal(&name, shape, &mut hand.right, &hand.left_seed, &hand.right_seed).err(),
        );
        assert_eq!(ran.left.0, None);
        assert!(matches!(ran.left.1, Some(ProtocolError::Seed(_))), "{:?}", ran.left.1);
    }

    #[test]
    fn inputs_outside_the_shape_are_refused_before_anything_is_sent() {
        let shape = shape(4, 2, 3, 2, true);
        let keys = [[0; LIMBS]; 5];
        let bad_left = [(vec![0, 1, 2, 3], 4), (vec![0, 1, 2], 4), (vec![0, 1, 2, 0], 5)];
        let bad_right = [
            (vec![0, 1, 2, 0], Some([true; 4].as_slice())),
            (vec![0, 1, 0, 0], None),
            (vec![0, 1, 0, 0], Some(&[true; 3])),
        ];
        for ((left_categories, key_rows), (right_categories, present)) in bad_left.into_iter().zip(bad_right)
        {
            let ran = three_watched(
                &Ledger::shared(),
                |hand| {
                    let rows =
                        LeftRows { categories: &left_categories, keys: &keys[..key_rows], values: &[] };
                    left(&step("p"), &shape, &mut hand.right, &hand.dealer_seed, rows).err()
                },
                |hand| {
                    let rows = RightRows { categories: &right_categories, present, values: &[] };
                    let seed = &hand.dealer_seed;
                    right(&step("p"), &shape, &mut hand.left, &mut hand.dealer, seed, rows).err()
                },
                |_| (),
            );
            assert_eq!((ran.left, ran.right), (Some(ProtocolError::Input), Some(ProtocolError::Input)));
            assert!(ran.seen_by_left.is_empty() && ran.seen_by_right.is_empty());
        }
    }

    #[test]
    fn values_outside_their_bits_are_refused_before_anything_is_sent() {
        let shape = with_values(shape(4, 2, 2, 2, false), &[3], &[3]);
        for wrong in [vec![vec![0, 8, 0, 0]], vec![vec![0; 3]], vec![]] {
            let mut world = World::empty(shape.clone());
            (world.left_values, world.right_values) = (wrong.clone(), wrong);
            let ran = three_watched(
                &Ledger::shared(),
                |hand| left(&step("p"), &shape, &mut hand.right, &hand.dealer_seed, world.left_rows()).err(),
                |hand| {
                    let (left, seed) = (&mut hand.left, &hand.dealer_seed);
                    right(&step("p"), &shape, left, &mut hand.dealer, seed, world.right_rows(None)).err()
                },
                |_| (),
            );
            assert_eq!((ran.left, ran.right), (Some(ProtocolError::Input), Some(ProtocolError::Input)));
            assert!(ran.seen_by_left.is_empty() && ran.seen_by_right.is_empty());
        }
    }

    #[test]
    fn parties_with_different_shapes_stop_with_a_typed_error() {
        let (mine, theirs) = (shape(8, 4, 3, 2, false), shape(8, 4, 2, 2, false));
        let ran = three_watched(
            &Ledger::shared(),
            |hand| {
                let world = World::empty(mine.clone());
                let rows = world.left_rows();
                left(&step("p"), &mine, &mut hand.right, &hand.dealer_seed, rows).err()
            },
            |hand| {
                let world = World::empty(theirs.clone());
                let rows = world.right_rows(None);
                right(&step("p"), &theirs, &mut hand.left, &mut hand.dealer, &hand.dealer_seed, rows).err()
            },
            |_| (),
        );
        let unexpected = ChannelError::Unexpected { step: step("p/left") };
        assert_eq!(ran.right, Some(ProtocolError::Channel(unexpected)));
        assert!(matches!(ran.left, Some(ProtocolError::Channel(_))));
    }
}
