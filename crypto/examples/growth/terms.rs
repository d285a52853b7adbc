//! What time and memory are fitted on: terms that the protocols' own documents give, few enough to be told from one another.
//!
//! Processor time of a party:
//!
//! | term | why |
//! | --- | --- |
//! | row × column masked | a column that it sends: its mask is expanded from a seed, and the body hashed |
//! | row × entry written | one-hot columns have one entry a row that is not zero: of each limb, each value, and each product with shares; in a joined product they are few |
//! | row × column received | a column that comes is hashed and read; left's share of a further owner's is expanded from a seed instead |
//! | row × column joined | a product that stays in shares has a mask of its own, and the dealer's correction |
//! | row × pair | two columns whose products are summed: once for each term of a worker's formula, and for each head |
//! | row × sum ended | a stretch's sum is lifted, bit by bit; its length follows from the widest value |
//! | row × node | on a way to a border in a key's tree; a row's borders share the ways' beginnings |
//! | row × border, row × bit | a border's comparison is put together and becomes a column; a key's corrections are hashed bit by bit |
//! | row × byte of a key | the dealer makes both workers' keys, and what it sends of them |
//! | 64 cells | gates of a circuit have 64 lanes; what is multiplied as a number has one, which is little beside it |
//! | run | what every run has once: keys, tables, last messages |
//!
//! Peak memory: blocks on their way, which are some copies of what is sent and received in one, the sums, and those that end in one block. A table's
//! protection holds its wires, and a message, which is cut at a mebibyte.

use kobling_crypto::protocol::classes::ClassShape;
use kobling_crypto::protocol::narrow_product::OwnerShape;
use kobling_crypto::protocol::protect::Program;

use super::circuit::Circuit;
use super::common::{Case, Party};
use super::exact::{Sums, stages};
use super::fit::Terms;

/// Elements that travel have two bytes.
const ELEMENT: f64 = 2.0;

/// Terms of a party's processor time.
pub fn time(case: &Case, party: Party) -> Terms {
    match case {
        Case::Classes(shape) => class_time(shape, party),
        // One factor, whose product is small beside it; but not at the dealer, who has no borders.
        Case::Joined(_, Some(classes)) => {
            let columns = Columns::of(case, party);
            let product = match party {
                Party::Dealer => vec![
                    ("row × column joined", columns.rows * columns.joined),
                    ("row × pair", columns.rows * columns.pairs),
                ],
                _ => vec![(
                    "row × column",
                    columns.rows * (columns.masked + columns.received + columns.joined),
                )],
            };
            class_time(classes, party).into_iter().chain(product).collect()
        }
        Case::Product(_) | Case::Joined(_, None) => {
            let columns = Columns::of(case, party);
            vec![
                ("row × column masked", columns.rows * columns.masked),
                ("row × entry written", columns.rows * columns.written),
                ("row × column received", columns.rows * columns.received),
                ("row × column joined", columns.rows * columns.joined),
                ("row × pair", columns.rows * columns.pairs),
                ("row × sum ended", columns.rows * columns.ended),
                ("run", 1.0),
            ]
        }
        Case::Protection(shape) => vec![("64 cells", shape.cells.div_ceil(64) as f64), ("run", 1.0)],
    }
}

/// Terms of a party's memory.
pub fn memory(case: &Case, party: Party) -> Terms {
    match case {
        Case::Classes(shape) => class_memory(shape),
        Case::Product(_) | Case::Joined(..) => {
            let columns = Columns::of(case, party);
            let bytes = ELEMENT * columns.block_rows;
            let mut terms = vec![
                ("byte of a block masked", bytes * columns.masked),
                ("byte of a block received", bytes * columns.received),
                ("byte of a block joined", bytes * columns.joined),
            ];
            if let Case::Joined(_, Some(classes)) = case {
                terms = vec![("byte of a block", terms.iter().map(|(_, bytes)| bytes).sum())];
                terms.extend(class_memory(classes));
            } else {
                terms.extend([
                    ("sum", columns.sums),
                    ("sum ended in a block", columns.at_once),
                    ("party", 1.0),
                ]);
            }
            terms
        }
        Case::Protection(shape) => {
            let mut terms = time(case, party);
            // Counts have shorter ones, in proportion to their cells.
            if let Program::Table { values: Some(_), .. } = shape.program {
                terms.push(("byte of the longest message", Circuit::protection(shape).longest as f64));
            }
            terms
        }
    }
}

/// What a party of a product does with columns.
#[derive(Default)]
struct Columns {
    rows: f64,
    block_rows: f64,
    masked: f64,
    /// Entries of own columns, in a row.
    written: f64,
    received: f64,
    joined: f64,
    /// Pairs of columns whose products are summed.
    pairs: f64,
    sums: f64,
    /// Sums that a row has its part in ending.
    ended: f64,
    /// Most sums that end in one block.
    at_once: f64,
}

impl Columns {
    fn of(case: &Case, party: Party) -> Self {
        let width = |owner: &OwnerShape| (owner.categories * (1 + owner.values.len())) as f64;
        let (rows, block_rows, bytes, written, others, terms, sums) = match case {
            Case::Product(shape) => {
                let [left, right, _] = shape.bytes_per_row();
                let terms = f64::from(1 << shape.others.len());
                let sums = Sums::of_product(shape);
                let written = [left / shape.left.categories as f64, right / shape.right.categories as f64];
                let written = written.map(|bytes| bytes / ELEMENT);
                (shape.rows, shape.block_rows, [left, right, 0.0], written, &shape.others[..], terms, sums)
            }
            Case::Joined(shape, classes) => {
                let [left, right, joined, _] = shape.bytes_per_row();
                let others = &shape.factors[..shape.factors.len() - usize::from(classes.is_some())];
                // Where both operands of the last stage are shares, left still has one product of matrices.
                let terms = if stages(shape) > 1 && party != Party::Left { 2.0 } else { 1.0 };
                // A few entries a row, which cannot be told from what else a row has.
                let written = [0.0; 2];
                let sums = Sums::of_joined(shape);
                (shape.rows, shape.block_rows, [left, right, joined], written, others, terms, sums)
            }
            Case::Classes(_) | Case::Protection(_) => unreachable!("a product has columns"),
        };
        let [left, right, joined] = bytes.map(|bytes| bytes / ELEMENT);
        let shared: f64 = others.iter().map(width).sum();
        let (rows, of_block) = (rows as f64, block_rows as f64);
        let (masked, written, received) = match party {
            Party::Left => (left, written[0], right + shared),
            Party::Right => (right, written[1], left + shared),
            Party::Dealer => (left + right, 0.0, 0.0),
            // It only shares its columns.
            Party::Other(other) => {
                let (masked, written) = (width(&others[other]), 1.0 + others[other].values.len() as f64);
                return Self { rows, block_rows: of_block, masked, written, ..Self::default() };
            }
        };
        Self {
            rows,
            block_rows: of_block,
            masked,
            written,
            received,
            joined,
            pairs: terms * sums.all(),
            sums: sums.all(),
            ended: terms * sums.ended(block_rows),
            at_once: sums.ended_at_once(block_rows),
        }
    }
}

fn class_time(shape: &ClassShape, party: Party) -> Terms {
    let rows = shape.rows as f64;
    if party == Party::Dealer {
        return vec![("row × byte of a key", rows * shape.bytes_per_row()[1]), ("run", 1.0)];
    }
    let bits = ("row × bit", rows * f64::from(shape.bits));
    let borders = ("row × border", rows * shape.borders.len() as f64);
    vec![("row × node", rows * nodes(shape)), borders, bits, ("run", 1.0)]
}

fn class_memory(shape: &ClassShape) -> Terms {
    let of_block = shape.block_rows as f64;
    vec![
        ("row of a block × border", of_block * shape.borders.len() as f64),
        ("row of a block × bit", of_block * f64::from(shape.bits)),
        ("party", 1.0),
    ]
}

/// Nodes of a key's tree on the paths to all borders of a row, on average over all that may be opened: with the node for the values of a
/// digit, at every third depth.
fn nodes(shape: &ClassShape) -> f64 {
    const SAMPLES: u32 = 512;
    let bits = shape.bits;
    let mut all = 0;
    for sample in 0..SAMPLES {
        let opened = sample.wrapping_mul(0x9e37_79b9) >> (32 - bits);
        let points = shape.borders.iter().map(|border| opened.wrapping_sub(*border) & ((1 << bits) - 1));
        let mut points: Vec<u32> = points.collect();
        points.sort_unstable();
        for depth in 0..bits.saturating_sub(3) {
            let mut prefixes: Vec<u32> = points.iter().map(|point| point >> (bits - depth).min(31)).collect();
            prefixes.dedup();
            let digits =
                (bits - 4).checked_sub(depth).is_some_and(|rest| rest > 0 && (rest % 3 == 0 || depth == 0));
            all += prefixes.len() * if digits { 2 } else { 1 };
        }
    }
    all as f64 / f64::from(SAMPLES)
}
