//! The heart: counts, and record-key sums, by category of left and category of right, over all linked rows.
//!
//! Left has for each row at most one category and a record key of three 16-bit limbs; right has for each row
//! at most one category and, if asked for, a flag "present". X is left's one-hot matrix, X₁ X₂ X₃ the same with the
//! limb in place of the one; Y is right's one-hot matrix with the flag as its last column. Wanted are shares of
//!
//! ```text
//! counts = XᵀY mod 2³²        key sums = XⱼᵀY mod 2¹⁶,  j = 1, 2, 3
//! ```
//!
//! U, U₁ U₂ U₃ are masks from the seed of dealer and left, V of dealer and right, R, R₁ R₂ R₃ masks of the results
//! from further streams of left's seed. V serves all four products; for the key sums it is reduced mod 2¹⁶.
//!
//! | step | message | size a row | what the receiver learns |
//! | --- | --- | --- | --- |
//! | 1 | left → right, each block: X − U | 4 bytes × left columns | nothing: uniform without left's seed |
//! | 2 | left → right, each block: Xⱼ − Uⱼ | 3 × 2 bytes × left columns | nothing, likewise |
//! | 3 | right → left, each block: Y − V | 4 bytes × right columns | nothing: uniform without right's seed |
//! | 4 | dealer → right, once: UᵀV − R, UⱼᵀV − Rⱼ | none | nothing: uniform without left's seed |
//!
//! ```text
//! left:   Xᵀ(Y − V) + R               (a scatter-add, since X is one-hot)
//! right:  (X − U)ᵀV + (UᵀV − R)
//! sum:    XᵀY
//! ```
//!
//! and the same with Xⱼ, Uⱼ, Rⱼ mod 2¹⁶, where Y − V and V are reduced by whoever holds them: reduction is a ring
//! homomorphism ℤ/2³² → ℤ/2¹⁶. Why R, and why a fresh one for each product: without it right could read off a
//! category with one unit from UᵀV and V. Why one V may serve four products: Y − V is sent once, and the four
//! results are masked independently.
//!
//! Sizes, names and number of messages follow from [`ProductShape`] alone; a row without a category is sent,
//! and worked on, like any other. The dealer receives nothing.
//!
//! Source: see [`super::inner_product`], of which this is the form with narrow rings and one-hot columns.

use std::ops::Range;

use crate::channel::{Channel, StepName};
use crate::kernel::{ProductSums, ScatterSums, add_one_hot, negate, reduce};
use crate::protocol::{ProtocolError, decode};
use crate::ring::Ring;
use crate::seeds::{MaskStream, PairSeed};
use crate::share::Share;

/// The category of a row that is in none.
pub const NO_CATEGORY: u32 = u32::MAX;

/// Limbs of a record key.
const LIMBS: usize = 3;

/// The public shape of a counting product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProductShape {
    /// Linked rows, empty ones included.
    pub rows: usize,
    /// Rows that travel at a time.
    pub block_rows: usize,
    /// Composite categories of left.
    pub left_categories: usize,
    /// Composite categories of right.
    pub right_categories: usize,
    /// Whether a last column counts the rows that right has at all.
    pub present: bool,
}

impl ProductShape {
    /// Rows of a block where the columns are few.
    pub const BLOCK_ROWS: usize = 2048;
    /// A block of one side's columns is kept below this size where the columns are many.
    const BLOCK_BYTES: usize = 1 << 20;
    /// Largest number of categories of one side. Bounds what a shape from outside makes a party allocate.
    const CATEGORIES_MAX: usize = 1 << 16;
    /// Largest number of pairs of columns.
    const CELLS_MAX: usize = 1 << 24;
    /// Largest number of rows: a count must fit its ring.
    const ROWS_MAX: usize = u32::MAX as usize;

    /// The shape with blocks of a size that suits caches and messages; all parties compute the same.
    pub fn new(rows: usize, left_categories: usize, right_categories: usize, present: bool) -> Self {
        let mut shape =
            Self { rows, block_rows: Self::BLOCK_ROWS, left_categories, right_categories, present };
        let row_bytes = (6 * left_categories).max(4 * shape.right_columns()).max(1);
        shape.block_rows = (Self::BLOCK_BYTES / row_bytes).clamp(1, Self::BLOCK_ROWS);
        shape
    }

    /// Columns on right's side: its categories, then the flag if there is one.
    pub fn right_columns(&self) -> usize {
        self.right_categories + usize::from(self.present)
    }

    fn checked(self) -> Result<Self, ProtocolError> {
        let categories = 1..=Self::CATEGORIES_MAX;
        let usable = self.rows <= Self::ROWS_MAX
            && (1..=Self::BLOCK_ROWS).contains(&self.block_rows)
            && categories.contains(&self.left_categories)
            && categories.contains(&self.right_categories)
            && self.left_categories * self.right_columns() <= Self::CELLS_MAX
            && self.block_rows * 6 * self.left_categories <= 16 * Self::BLOCK_BYTES
            && self.block_rows * 4 * self.right_columns() <= 16 * Self::BLOCK_BYTES;
        let expected =
            "1 to 65536 categories at each side, at most 2^24 cells, blocks of 1 to 2048 rows and 16 MiB";
        if usable { Ok(self) } else { Err(ProtocolError::Shape { expected }) }
    }

    fn blocks(self) -> impl Iterator<Item = (u64, Range<usize>)> {
        let starts = (0..self.rows).step_by(self.block_rows);
        starts
            .enumerate()
            .map(move |(index, start)| (index as u64, start..self.rows.min(start + self.block_rows)))
    }

    fn count_block(&self, rows: usize) -> [u64; 3] {
        [rows as u64, self.left_categories as u64, 4]
    }

    fn key_block(&self, rows: usize) -> [u64; 4] {
        [rows as u64, LIMBS as u64, self.left_categories as u64, 2]
    }

    fn right_block(&self, rows: usize) -> [u64; 3] {
        [rows as u64, self.right_columns() as u64, 4]
    }

    fn counts(&self) -> [u64; 3] {
        [self.left_categories as u64, self.right_columns() as u64, 4]
    }

    fn keys(&self) -> [u64; 4] {
        [LIMBS as u64, self.left_categories as u64, self.right_columns() as u64, 2]
    }
}

/// Left's private rows.
#[derive(Clone, Copy)]
pub struct LeftRows<'a> {
    /// Category of each row, or [`NO_CATEGORY`].
    pub categories: &'a [u32],
    /// Record key of each row; of no account where there is no category.
    pub keys: &'a [[u16; LIMBS]],
}

/// Right's private rows.
#[derive(Clone, Copy)]
pub struct RightRows<'a> {
    /// Category of each row, or [`NO_CATEGORY`].
    pub categories: &'a [u32],
    /// Whether right has each row at all; given exactly where the shape has that column.
    pub present: Option<&'a [bool]>,
}

/// One worker's shares of the results, left categories × right columns, row by row.
#[derive(Debug)]
pub struct ProductShares {
    /// Number of rows in each pair of columns.
    pub counts: Share<u32>,
    /// Sum of each limb of the record keys of those rows.
    pub keys: [Share<u16>; LIMBS],
}

impl ProductShares {
    fn new(counts: Vec<u32>, keys: Vec<u16>) -> Self {
        let cells = counts.len();
        let limb = |j: usize| Share::from_elements(keys[j * cells..(j + 1) * cells].to_vec());
        Self { counts: Share::from_elements(counts), keys: [limb(0), limb(1), limb(2)] }
    }
}

/// The names of the steps and streams of one product.
struct Names {
    own: StepName,
    left_counts: StepName,
    left_keys: StepName,
    right: StepName,
    dealer_counts: StepName,
    dealer_keys: StepName,
}

impl Names {
    fn of(step: &StepName) -> Result<Self, ProtocolError> {
        Ok(Self {
            own: step.clone(),
            left_counts: step.join("left/counts")?,
            left_keys: step.join("left/keys")?,
            right: step.join("right")?,
            dealer_counts: step.join("dealer/counts")?,
            dealer_keys: step.join("dealer/keys")?,
        })
    }

    /// U and, in one stream row by row, U₁ U₂ U₃.
    fn left_masks(&self, seed: &PairSeed) -> Result<(MaskStream<u32>, MaskStream<u16>), ProtocolError> {
        Ok((seed.stream(&self.own, "left/counts", "mask")?, seed.stream(&self.own, "left/keys", "mask")?))
    }

    /// V.
    fn right_masks(&self, seed: &PairSeed) -> Result<MaskStream<u32>, ProtocolError> {
        Ok(seed.stream(&self.own, "right", "mask")?)
    }

    /// R and R₁ R₂ R₃.
    fn result_masks(&self, seed: &PairSeed) -> Result<(MaskStream<u32>, MaskStream<u16>), ProtocolError> {
        Ok((seed.stream(&self.own, "counts", "result")?, seed.stream(&self.own, "keys", "result")?))
    }
}

/// Left's part.
///
/// # Errors
/// [`ProtocolError`]; `Input` before anything is sent.
pub fn left(
    step: &StepName,
    shape: ProductShape,
    right: &mut dyn Channel,
    dealer_seed: &PairSeed,
    rows: LeftRows<'_>,
) -> Result<ProductShares, ProtocolError> {
    let (shape, names) = (shape.checked()?, Names::of(step)?);
    if rows.keys.len() != shape.rows || !fits(rows.categories, shape.rows, shape.left_categories) {
        return Err(ProtocolError::Input);
    }
    let width = shape.left_categories;
    let (mut count_masks, mut key_masks) = names.left_masks(dealer_seed)?;
    let mut counts = ScatterSums::<u32>::new(width, shape.right_columns());
    let mut keys = [(); LIMBS].map(|()| ScatterSums::<u16>::new(width, shape.right_columns()));
    let (mut count_block, mut key_block, mut narrow) = (Vec::new(), Vec::new(), Vec::new());
    for (index, range) in shape.blocks() {
        let (block_rows, start) = (range.len(), range.start as u64);
        let (categories, limbs) = (&rows.categories[range.clone()], &rows.keys[range]);

        // Steps 1 and 2. A row without a category is treated like any other: no branch, no other traffic.
        let position = start * width as u64;
        negated_masks(&mut count_masks, position, block_rows * width, &mut count_block);
        add_one_hot(&mut count_block, width, 0, categories, |_| 1);
        let body = encoded(&count_block);
        count_masks.used(position, count_block.len(), &body);
        right.send(&names.left_counts, index, &shape.count_block(block_rows), body)?;

        let position = start * (LIMBS * width) as u64;
        negated_masks(&mut key_masks, position, block_rows * LIMBS * width, &mut key_block);
        (0..LIMBS).for_each(|j| {
            add_one_hot(&mut key_block, LIMBS * width, j * width, categories, |row| limbs[row][j]);
        });
        let body = encoded(&key_block);
        key_masks.used(position, key_block.len(), &body);
        right.send(&names.left_keys, index, &shape.key_block(block_rows), body)?;

        // Step 3.
        let theirs = right.receive(&names.right, index, &shape.right_block(block_rows))?;
        let theirs = decode::<u32>(&theirs, &names.right)?;
        counts.add(categories, |_| 1, &theirs);
        reduce(&theirs, &mut narrow);
        for (j, sums) in keys.iter_mut().enumerate() {
            sums.add(categories, |row| limbs[row][j], &narrow);
        }
    }
    let (counts, keys) = (counts.into_sums(), keys.map(ScatterSums::into_sums).concat());
    let (mut count_masks, mut key_masks) = names.result_masks(dealer_seed)?;
    Ok(ProductShares::new(plus_masks(counts, &mut count_masks), plus_masks(keys, &mut key_masks)))
}

/// Right's part.
///
/// # Errors
/// [`ProtocolError`]; `Input` before anything is sent.
pub fn right(
    step: &StepName,
    shape: ProductShape,
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
    if !present_fits || !fits(rows.categories, shape.rows, shape.right_categories) {
        return Err(ProtocolError::Input);
    }
    let width = shape.right_columns();
    let mut masks = names.right_masks(dealer_seed)?;
    let mut counts = ProductSums::<u32>::new(shape.left_categories, width);
    let mut keys = ProductSums::<u16>::new(LIMBS * shape.left_categories, width);
    let (mut v, mut block, mut narrow) = (Vec::new(), Vec::new(), Vec::new());
    for (index, range) in shape.blocks() {
        let (block_rows, position) = (range.len(), (range.start * width) as u64);

        // Step 3.
        v.resize(block_rows * width, 0u32);
        masks.fill(position, &mut v);
        block.clone_from(&v);
        negate(&mut block);
        add_one_hot(&mut block, width, 0, &rows.categories[range.clone()], |_| 1);
        if let Some(present) = rows.present {
            for (row, present) in present[range].iter().enumerate() {
                let place = &mut block[(row + 1) * width - 1];
                *place = place.wrapping_add(u32::from(*present));
            }
        }
        let body = encoded(&block);
        masks.used(position, block.len(), &body);
        left.send(&names.right, index, &shape.right_block(block_rows), body)?;

        // Steps 1 and 2.
        let theirs = left.receive(&names.left_counts, index, &shape.count_block(block_rows))?;
        counts.add(&decode(&theirs, &names.left_counts)?, &v);
        let theirs = left.receive(&names.left_keys, index, &shape.key_block(block_rows))?;
        reduce(&v, &mut narrow);
        keys.add(&decode(&theirs, &names.left_keys)?, &narrow);
    }
    // Step 4.
    let counts_correction =
        decode(&dealer.receive(&names.dealer_counts, 0, &shape.counts())?, &names.dealer_counts)?;
    let keys_correction = decode(&dealer.receive(&names.dealer_keys, 0, &shape.keys())?, &names.dealer_keys)?;
    Ok(ProductShares::new(
        sum(counts.into_sums(), &counts_correction),
        sum(keys.into_sums(), &keys_correction),
    ))
}

/// The dealer's part: two messages to right.
///
/// # Errors
/// [`ProtocolError`].
pub fn deal(
    step: &StepName,
    shape: ProductShape,
    right: &mut dyn Channel,
    left_seed: &PairSeed,
    right_seed: &PairSeed,
) -> Result<(), ProtocolError> {
    let (shape, names) = (shape.checked()?, Names::of(step)?);
    let (left_width, right_width) = (shape.left_categories, shape.right_columns());
    let (mut count_masks, mut key_masks) = names.left_masks(left_seed)?;
    let mut right_masks = names.right_masks(right_seed)?;
    let mut counts = ProductSums::<u32>::new(left_width, right_width);
    let mut keys = ProductSums::<u16>::new(LIMBS * left_width, right_width);
    let (mut u, mut u_keys, mut v, mut narrow) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (_, range) in shape.blocks() {
        let (rows, start) = (range.len(), range.start as u64);
        u.resize(rows * left_width, 0u32);
        u_keys.resize(rows * LIMBS * left_width, 0u16);
        v.resize(rows * right_width, 0u32);
        count_masks.fill(start * left_width as u64, &mut u);
        key_masks.fill(start * (LIMBS * left_width) as u64, &mut u_keys);
        right_masks.fill(start * right_width as u64, &mut v);
        counts.add(&u, &v);
        reduce(&v, &mut narrow);
        keys.add(&u_keys, &narrow);
    }
    // Step 4: never without R.
    let (mut count_masks, mut key_masks) = names.result_masks(left_seed)?;
    let body = minus_masks(counts.into_sums(), &mut count_masks);
    right.send(&names.dealer_counts, 0, &shape.counts(), body)?;
    let body = minus_masks(keys.into_sums(), &mut key_masks);
    right.send(&names.dealer_keys, 0, &shape.keys(), body)?;
    Ok(())
}

/// Whether there is a category for each row and all are in range.
fn fits(categories: &[u32], rows: usize, count: usize) -> bool {
    let in_range = |category: &u32| (*category as usize) < count || *category == NO_CATEGORY;
    categories.len() == rows && categories.iter().all(in_range)
}

fn negated_masks<R: Ring>(masks: &mut MaskStream<R>, position: u64, count: usize, block: &mut Vec<R>) {
    block.resize(count, R::ZERO);
    masks.fill(position, block);
    negate(block);
}

fn encoded<R: Ring>(block: &[R]) -> Vec<u8> {
    let mut body = Vec::new();
    R::encode(block, &mut body);
    body
}

fn sum<R: Ring>(mut sums: Vec<R>, more: &[R]) -> Vec<R> {
    for (sum, more) in sums.iter_mut().zip(more) {
        *sum = sum.plus(*more);
    }
    sums
}

fn plus_masks<R: Ring>(sums: Vec<R>, masks: &mut MaskStream<R>) -> Vec<R> {
    let mut mask = vec![R::ZERO; sums.len()];
    masks.fill(0, &mut mask);
    sum(sums, &mask)
}

fn minus_masks<R: Ring>(sums: Vec<R>, masks: &mut MaskStream<R>) -> Vec<u8> {
    let mut mask = Vec::new();
    negated_masks(masks, 0, sums.len(), &mut mask);
    let body = encoded(&sum(sums, &mask));
    masks.used(0, mask.len(), &body);
    body
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::ChannelError;
    use crate::seeds::Ledger;
    use crate::testing::{Dice, Ran, Seen, elements, step, three_watched};

    /// Rows of both owners: some in no category, right without some rows at all.
    struct World {
        shape: ProductShape,
        left: Vec<u32>,
        keys: Vec<[u16; LIMBS]>,
        right: Vec<u32>,
        present: Vec<bool>,
    }

    impl World {
        fn random(seed: u8, shape: ProductShape) -> Self {
            let mut dice = Dice::seeded(seed);
            let mut world = Self::empty(shape);
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
            }
            world
        }

        fn empty(shape: ProductShape) -> Self {
            Self {
                shape,
                left: vec![NO_CATEGORY; shape.rows],
                keys: vec![[0xffff; LIMBS]; shape.rows],
                right: vec![NO_CATEGORY; shape.rows],
                present: vec![false; shape.rows],
            }
        }

        /// Counts and key sums in the clear.
        fn clear(&self) -> (Vec<u32>, [Vec<u16>; LIMBS]) {
            let width = self.shape.right_columns();
            let cells = self.shape.left_categories * width;
            let (mut counts, mut keys) = (vec![0u32; cells], [(); LIMBS].map(|()| vec![0u16; cells]));
            for row in 0..self.shape.rows {
                let flag = (self.shape.present && self.present[row]).then_some(width - 1);
                let category = (self.right[row] != NO_CATEGORY).then_some(self.right[row] as usize);
                for column in category.into_iter().chain(flag) {
                    if self.left[row] != NO_CATEGORY {
                        let cell = self.left[row] as usize * width + column;
                        counts[cell] += 1;
                        for (sums, limb) in keys.iter_mut().zip(self.keys[row]) {
                            sums[cell] = sums[cell].wrapping_add(limb);
                        }
                    }
                }
            }
            (counts, keys)
        }

        fn run(
            &self,
            ledger: &std::sync::Arc<std::sync::Mutex<Ledger>>,
        ) -> Ran<ProductShares, ProductShares, ()> {
            let (name, shape) = (step("q1/product"), self.shape);
            let rows = LeftRows { categories: &self.left, keys: &self.keys };
            let present = shape.present.then_some(self.present.as_slice());
            let right_rows = RightRows { categories: &self.right, present };
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

    fn opened(ran: &Ran<ProductShares, ProductShares, ()>) -> (Vec<u32>, [Vec<u16>; LIMBS]) {
        let keys = std::array::from_fn(|j| elements(&ran.left.keys[j], &ran.right.keys[j]));
        (elements(&ran.left.counts, &ran.right.counts), keys)
    }

    fn shape(
        rows: usize,
        block_rows: usize,
        left_categories: usize,
        right_categories: usize,
        present: bool,
    ) -> ProductShape {
        ProductShape { rows, block_rows, left_categories, right_categories, present }
    }

    #[test]
    fn the_parts_add_up_to_the_clear_counts_and_key_sums() {
        let shapes = [
            shape(0, 8, 1, 1, false),
            shape(1, 8, 1, 1, true),
            shape(7, 8, 3, 2, true),
            shape(8, 8, 2, 3, false),
            shape(9, 8, 4, 5, true),
            shape(100, 16, 10, 20, true),
            shape(257, 64, 20, 1, true),
            shape(130, 32, 1, 40, false),
            ProductShape::new(5000, 6, 7, true),
        ];
        for (seed, shape) in shapes.into_iter().enumerate() {
            let world = World::random(seed as u8, shape);
            assert_eq!(opened(&world.run(&Ledger::shared())), world.clear(), "{shape:?}");
        }
    }

    #[test]
    fn rows_without_any_category_give_zeros() {
        let world = World::empty(shape(50, 16, 3, 4, true));
        assert_eq!(opened(&world.run(&Ledger::shared())), (vec![0; 15], [(); LIMBS].map(|()| vec![0; 15])));
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
        let shape = shape(100, 16, 3, 4, true);
        let views = [World::random(1, shape), World::random(2, shape), World::empty(shape)].map(|world| {
            let ran = world.run(&Ledger::shared());
            [ran.seen_by_left, ran.seen_by_right, ran.seen_from_dealer].map(|seen| outsides(&seen))
        });
        assert_eq!(views[0], views[1]);
        assert_eq!(views[0], views[2]);
        assert_eq!(views[0].each_ref().map(Vec::len), [7, 14, 2]);
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
        for world in
            [World::empty(shape(2000, 512, 8, 9, true)), World::random(3, shape(2000, 512, 8, 9, true))]
        {
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
        assert_eq!((ledger.reuses(), ledger.len()), (0, 2 * (3 * 4 + 2)));
    }

    #[test]
    fn a_second_product_under_one_name_and_attempt_is_refused() {
        let world = World::random(5, shape(10, 8, 2, 2, false));
        let (name, shape) = (step("q1/product"), world.shape);
        let ran = three_watched(
            &Ledger::shared(),
            |hand| {
                let rows = LeftRows { categories: &world.left, keys: &world.keys };
                let mut again = || left(&name, shape, &mut hand.right, &hand.dealer_seed, rows).err();
                (again(), again())
            },
            |hand| {
                let (left, seed) = (&mut hand.left, &hand.dealer_seed);
                let rows = RightRows { categories: &world.right, present: None };
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
                    let rows = LeftRows { categories: &left_categories, keys: &keys[..key_rows] };
                    left(&step("p"), shape, &mut hand.right, &hand.dealer_seed, rows).err()
                },
                |hand| {
                    let rows = RightRows { categories: &right_categories, present };
                    let seed = &hand.dealer_seed;
                    right(&step("p"), shape, &mut hand.left, &mut hand.dealer, seed, rows).err()
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
                let world = World::empty(mine);
                let rows = LeftRows { categories: &world.left, keys: &world.keys };
                left(&step("p"), mine, &mut hand.right, &hand.dealer_seed, rows).err()
            },
            |hand| {
                let world = World::empty(theirs);
                let rows = RightRows { categories: &world.right, present: None };
                right(&step("p"), theirs, &mut hand.left, &mut hand.dealer, &hand.dealer_seed, rows).err()
            },
            |_| (),
        );
        let unexpected = ChannelError::Unexpected { step: step("p/left/counts") };
        assert_eq!(ran.right, Some(ProtocolError::Channel(unexpected)));
        assert!(matches!(ran.left, Some(ProtocolError::Channel(_))));
    }
}
