//! `XᵀY` for a block of columns X that left owns and a block of columns Y that right owns, in any ring.
//!
//! U (rows × left columns) and V (rows × right columns) are masks from the seeds that the dealer shares with left
//! and with right; R (left columns × right columns) is a mask of the result, from a third stream of left's seed.
//!
//! | step | message | what the receiver learns |
//! | --- | --- | --- |
//! | 1 | left → right: X − U | nothing: uniform to whoever lacks left's seed |
//! | 2 | right → left: Y − V | nothing: uniform to whoever lacks right's seed |
//! | 3 | dealer → right: UᵀV − R | nothing: uniform to whoever lacks left's seed |
//!
//! ```text
//! left:   Xᵀ(Y − V) + R
//! right:  (X − U)ᵀV + (UᵀV − R)
//! sum:    XᵀY − XᵀV + R + XᵀV − UᵀV + UᵀV − R  =  XᵀY
//! ```
//!
//! Why R: without it right would hold UᵀV and V, equations on left's masks, and with them on left's input.
//! Nothing travels to or from the dealer for each row. Steps 1 and 2 go block by block in lockstep, so memory is
//! a few blocks; step 3 comes once, at the end.
//!
//! Cost: left columns + right columns elements a row on the wire, left × right multiply-adds a row at right and
//! at the dealer, and at left.
//!
//! Source: D. Beaver, "Efficient multiparty protocols using circuit randomization", CRYPTO 1991, with the
//! masks taken from seeds as in P. Mohassel and Y. Zhang, "SecureML", IEEE S&P 2017, section 4.1.

use crate::channel::{Channel, StepName};
use crate::kernel::{columns, turn};
use crate::protocol::{ProtocolError, decode};
use crate::ring::Ring;
use crate::seeds::{MaskStream, PairSeed, SeedError};
use crate::share::Share;

/// The public shape of a product of columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MatrixShape {
    /// Rows of both blocks of columns.
    pub rows: usize,
    /// Columns that left owns.
    pub left_columns: usize,
    /// Columns that right owns.
    pub right_columns: usize,
    /// Rows that travel at a time.
    pub block_rows: usize,
}

impl MatrixShape {
    fn checked(self) -> Result<Self, ProtocolError> {
        let small = 1..=1 << 16;
        let usable = self.rows <= u32::MAX as usize
            && [self.left_columns, self.right_columns, self.block_rows]
                .iter()
                .all(|size| small.contains(size))
            && self.left_columns * self.right_columns <= 1 << 24
            && self.block_rows * self.left_columns.max(self.right_columns) <= 1 << 22;
        let expected =
            "1 to 65536 columns at each side and rows in a block, at most 2^22 elements in a block";
        if usable { Ok(self) } else { Err(ProtocolError::Shape { expected }) }
    }

    fn blocks(self) -> impl Iterator<Item = (u64, std::ops::Range<usize>)> {
        let starts = (0..self.rows).step_by(self.block_rows);
        starts
            .enumerate()
            .map(move |(index, start)| (index as u64, start..self.rows.min(start + self.block_rows)))
    }
}

/// The names of the steps and streams of one product.
struct Names {
    own: StepName,
    left: StepName,
    right: StepName,
    dealer: StepName,
}

impl Names {
    fn of(step: &StepName) -> Result<Self, ProtocolError> {
        let join = |part| step.join(part);
        Ok(Self { own: step.clone(), left: join("left")?, right: join("right")?, dealer: join("dealer")? })
    }

    fn left_mask<R: Ring>(&self, seed: &PairSeed) -> Result<MaskStream<R>, SeedError> {
        seed.stream(&self.own, "left", "mask")
    }

    fn right_mask<R: Ring>(&self, seed: &PairSeed) -> Result<MaskStream<R>, SeedError> {
        seed.stream(&self.own, "right", "mask")
    }

    fn result_mask<R: Ring>(&self, seed: &PairSeed) -> Result<MaskStream<R>, SeedError> {
        seed.stream(&self.own, "product", "result")
    }
}

/// Left's part: `columns` is X, row by row; the result is a share of left × right sums, row by row.
///
/// # Errors
/// [`ProtocolError`].
pub fn left<R: Ring>(
    step: &StepName,
    shape: MatrixShape,
    right: &mut dyn Channel,
    dealer_seed: &PairSeed,
    columns: &[R],
) -> Result<Share<R>, ProtocolError> {
    let (shape, names) = (shape.checked()?, Names::of(step)?);
    if columns.len() != shape.rows * shape.left_columns {
        return Err(ProtocolError::Input);
    }
    let mut masks = names.left_mask(dealer_seed)?;
    let mut sums = vec![R::ZERO; shape.left_columns * shape.right_columns];
    let mut turned = [Vec::new(), Vec::new()];
    for (index, rows) in shape.blocks() {
        let own = &columns[rows.start * shape.left_columns..rows.end * shape.left_columns];
        let (own_shape, body) = masked(&mut masks, rows.start, shape.left_columns, own);
        right.send(&names.left, index, &own_shape, body)?;
        let their_shape = [rows.len() as u64, shape.right_columns as u64, R::BYTES as u64];
        let theirs = right.receive(&names.right, index, &their_shape)?;
        let theirs = decode(&theirs, &names.right)?;
        add(&mut sums, &mut turned, [own, &theirs], shape);
    }
    let mut result_mask = vec![R::ZERO; shape.left_columns * shape.right_columns];
    names.result_mask(dealer_seed)?.fill(0, &mut result_mask);
    Ok(Share::from_elements(sums).plus(&Share::from_elements(result_mask)))
}

/// Right's part: `columns` is Y, row by row; the result is a share of left × right sums, row by row.
///
/// # Errors
/// [`ProtocolError`].
pub fn right<R: Ring>(
    step: &StepName,
    shape: MatrixShape,
    left: &mut dyn Channel,
    dealer: &mut dyn Channel,
    dealer_seed: &PairSeed,
    columns: &[R],
) -> Result<Share<R>, ProtocolError> {
    let (shape, names) = (shape.checked()?, Names::of(step)?);
    if columns.len() != shape.rows * shape.right_columns {
        return Err(ProtocolError::Input);
    }
    let mut masks = names.right_mask(dealer_seed)?;
    let mut sums = vec![R::ZERO; shape.left_columns * shape.right_columns];
    let mut turned = [Vec::new(), Vec::new()];
    let mut mask = Vec::new();
    for (index, rows) in shape.blocks() {
        let own = &columns[rows.start * shape.right_columns..rows.end * shape.right_columns];
        let (own_shape, body) = masked(&mut masks, rows.start, shape.right_columns, own);
        left.send(&names.right, index, &own_shape, body)?;
        let their_shape = [rows.len() as u64, shape.left_columns as u64, R::BYTES as u64];
        let theirs = left.receive(&names.left, index, &their_shape)?;
        mask.resize(own.len(), R::ZERO);
        masks.fill((rows.start * shape.right_columns) as u64, &mut mask);
        let theirs = decode(&theirs, &names.left)?;
        add(&mut sums, &mut turned, [&theirs, &mask], shape);
    }
    let correction_shape = [shape.left_columns as u64, shape.right_columns as u64, R::BYTES as u64];
    let correction = dealer.receive(&names.dealer, 0, &correction_shape)?;
    let correction = Share::from_elements(decode(&correction, &names.dealer)?);
    Ok(Share::from_elements(sums).plus(&correction))
}

/// The dealer's part: one message to right.
///
/// # Errors
/// [`ProtocolError`].
pub fn deal<R: Ring>(
    step: &StepName,
    shape: MatrixShape,
    right: &mut dyn Channel,
    left_seed: &PairSeed,
    right_seed: &PairSeed,
) -> Result<(), ProtocolError> {
    let (shape, names) = (shape.checked()?, Names::of(step)?);
    let mut left_masks = names.left_mask::<R>(left_seed)?;
    let mut right_masks = names.right_mask::<R>(right_seed)?;
    let mut sums = vec![R::ZERO; shape.left_columns * shape.right_columns];
    let mut turned = [Vec::new(), Vec::new()];
    let (mut u, mut v) = (Vec::new(), Vec::new());
    for (_, rows) in shape.blocks() {
        u.resize(rows.len() * shape.left_columns, R::ZERO);
        v.resize(rows.len() * shape.right_columns, R::ZERO);
        left_masks.fill((rows.start * shape.left_columns) as u64, &mut u);
        right_masks.fill((rows.start * shape.right_columns) as u64, &mut v);
        add(&mut sums, &mut turned, [&u, &v], shape);
    }
    let mut masks = names.result_mask(left_seed)?;
    let body = less_masks(&sums, &mut masks);
    let correction_shape = [shape.left_columns as u64, shape.right_columns as u64, R::BYTES as u64];
    Ok(right.send(&names.dealer, 0, &correction_shape, body)?)
}

/// Adds the products of two blocks that lie row by row.
fn add<R: Ring>(sums: &mut [R], turned: &mut [Vec<R>; 2], [left, right]: [&[R]; 2], shape: MatrixShape) {
    let rows = left.len() / shape.left_columns;
    turn(left, shape.left_columns, &mut turned[0]);
    turn(right, shape.right_columns, &mut turned[1]);
    let left = columns(&turned[0], rows, 0..shape.left_columns);
    R::add_products(sums, &left, &columns(&turned[1], rows, 0..shape.right_columns), rows);
}

/// Numbers minus the first masks of a stream, as a message.
pub(crate) fn less_masks<R: Ring>(numbers: &[R], masks: &mut MaskStream<R>) -> Vec<u8> {
    less_masks_from(numbers, masks, 0)
}

/// Numbers minus the masks of a stream from `position` on, as a message.
pub(crate) fn less_masks_from<R: Ring>(numbers: &[R], masks: &mut MaskStream<R>, position: u64) -> Vec<u8> {
    if numbers.is_empty() {
        return Vec::new();
    }
    let mut block = vec![R::ZERO; numbers.len()];
    masks.fill(position, &mut block);
    for (mask, number) in block.iter_mut().zip(numbers) {
        *mask = number.minus(*mask);
    }
    let mut body = Vec::new();
    R::encode(&block, &mut body);
    masks.used(position, block.len(), &body);
    body
}

/// A block of own columns minus its masks, as a message.
fn masked<R: Ring>(
    masks: &mut MaskStream<R>,
    start: usize,
    columns: usize,
    own: &[R],
) -> ([u64; 3], Vec<u8>) {
    let body = less_masks_from(own, masks, (start * columns) as u64);
    ([(own.len() / columns) as u64, columns as u64, R::BYTES as u64], body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::Prime64;
    use crate::testing::{Dice, elements, step, three};

    fn product_is_right<R: Ring>(shape: MatrixShape, mut draw: impl FnMut() -> R) {
        let x: Vec<R> = (0..shape.rows * shape.left_columns).map(|_| draw()).collect();
        let y: Vec<R> = (0..shape.rows * shape.right_columns).map(|_| draw()).collect();
        let name = step("sum");
        let ran = three(
            |hand| left(&name, shape, &mut hand.right, &hand.dealer_seed, &x).expect("left ends"),
            |hand| {
                right(&name, shape, &mut hand.left, &mut hand.dealer, &hand.dealer_seed, &y)
                    .expect("right ends")
            },
            |hand| {
                deal::<R>(&name, shape, &mut hand.right, &hand.left_seed, &hand.right_seed).expect("dealt")
            },
        );
        let mut expected = vec![R::ZERO; shape.left_columns * shape.right_columns];
        for row in 0..shape.rows {
            for i in 0..shape.left_columns {
                for j in 0..shape.right_columns {
                    let at = &mut expected[i * shape.right_columns + j];
                    let (x, y) = (x[row * shape.left_columns + i], y[row * shape.right_columns + j]);
                    *at = at.plus(x.times(y));
                }
            }
        }
        assert!(elements(&ran.left, &ran.right) == expected, "{shape:?} in {}", R::NAME);
    }

    #[test]
    fn the_parts_add_up_to_the_product_in_every_ring() {
        let mut dice = Dice::seeded(4);
        for (rows, left_columns, right_columns, block_rows) in
            [(0, 1, 1, 4), (1, 1, 1, 4), (100, 1, 1, 16), (96, 2, 3, 16), (33, 5, 4, 100)]
        {
            let shape = MatrixShape { rows, left_columns, right_columns, block_rows };
            product_is_right::<u16>(shape, || dice.next() as u16);
            product_is_right::<u32>(shape, || dice.next() as u32);
            product_is_right::<u64>(shape, || dice.next());
            product_is_right::<Prime64>(shape, || Prime64::new(dice.next()));
        }
    }

    #[test]
    fn an_input_of_another_shape_is_refused_before_anything_is_sent() {
        let shape = MatrixShape { rows: 4, left_columns: 2, right_columns: 1, block_rows: 2 };
        let ran = three(
            |hand| left(&step("sum"), shape, &mut hand.right, &hand.dealer_seed, &[0u64; 7]).err(),
            |hand| {
                let seed = &hand.dealer_seed;
                right(&step("sum"), shape, &mut hand.left, &mut hand.dealer, seed, &[0u64; 5]).err()
            },
            |_| (),
        );
        assert_eq!((ran.left, ran.right), (Some(ProtocolError::Input), Some(ProtocolError::Input)));
        assert!(ran.seen_by_left.is_empty() && ran.seen_by_right.is_empty());
    }
}
