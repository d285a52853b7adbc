//! What is exact: bytes of every direction and rounds of the workers, from public shapes.
//!
//! Rows have the bytes that the shapes themselves tell. Beyond them are the dealer's sums, and the bits of numbers that are
//! lifted. A table's protection is a circuit, whose gates are counted.

use kobling_crypto::protocol::classes::ClassShape;
use kobling_crypto::protocol::joined_product::JoinedShape;
use kobling_crypto::protocol::narrow_product::{OwnerShape, ProductShape};

use super::circuit::Circuit;
use super::common::{Case, Party, Spent};

/// Limbs of a record key.
const LIMBS: f64 = 3.0;

/// Bytes of bodies in each direction, and rounds of the workers.
#[derive(Default)]
pub struct Expected {
    left_right: u64,
    right_left: u64,
    dealer_left: u64,
    dealer_right: u64,
    others: Vec<u64>,
    rounds: u64,
}

impl Expected {
    /// What a party sends to left and to right, and a worker's rounds.
    pub fn of(&self, party: Party) -> ([u64; 2], Option<u64>) {
        match party {
            Party::Left => ([0, self.left_right], Some(self.rounds)),
            Party::Right => ([self.right_left, 0], Some(self.rounds)),
            Party::Dealer => ([self.dealer_left, self.dealer_right], None),
            Party::Other(other) => ([0, self.others[other]], None),
        }
    }

    /// What a party sent and waited for, where it is not just that.
    pub fn differs(&self, party: Party, spent: &Spent, what: &str) -> Option<String> {
        let (sent, rounds) = self.of(party);
        let same = sent == spent.sent && rounds.is_none_or(|rounds| rounds == spent.rounds);
        (!same).then(|| {
            format!(
                "{what}, {party:?}: {:?} bytes in {} rounds, not {sent:?} in {rounds:?}",
                spent.sent, spent.rounds
            )
        })
    }
}

pub fn expected(case: &Case) -> Expected {
    match case {
        Case::Product(shape) => {
            let [left, right, lift] = shape.bytes_per_row();
            let sums = Sums::of_product(shape);
            let mut expected = sums.expected(shape.rows, [left, right, 0.0, lift]);
            let blocks = shape.rows.div_ceil(shape.block_rows);
            // Of several blocks the last is waited for together with the bits after it, unless bits of the one before
            // are sent first.
            let last = u64::from(blocks == 1 || sums.ends_before_last(shape.rows, shape.block_rows));
            expected.rounds = blocks as u64 - 1 + last + 2;
            expected.others = shape.others.iter().map(|other| shared_bytes(shape.rows, other)).collect();
            expected
        }
        Case::Joined(shape, classes) => {
            let sums = Sums::of_joined(shape);
            let mut expected = sums.expected(shape.rows, shape.bytes_per_row());
            let blocks = shape.rows.div_ceil(shape.block_rows);
            let last = u64::from(blocks > 1 && sums.ends_before_last(shape.rows, shape.block_rows));
            // Every stage is a block behind the one before it.
            expected.rounds = (blocks + stages(shape) - 1) as u64 + last + 2;
            let others = shape.factors.len() - usize::from(classes.is_some());
            expected.others =
                shape.factors[..others].iter().map(|other| shared_bytes(shape.rows, other)).collect();
            if let Some(classes) = classes {
                let of_classes = class_bytes(classes);
                expected.left_right += of_classes.left_right;
                expected.right_left += of_classes.right_left;
                expected.dealer_left += of_classes.dealer_left;
                expected.dealer_right += of_classes.dealer_right;
                expected.rounds += of_classes.rounds;
            }
            expected
        }
        Case::Classes(shape) => class_bytes(shape),
        Case::Protection(shape) => {
            let Circuit { opened, dealt, rounds, .. } = Circuit::protection(shape);
            Expected {
                left_right: opened,
                right_left: opened,
                dealer_right: dealt,
                rounds,
                ..Expected::default()
            }
        }
    }
}

fn shared_bytes(rows: usize, owner: &OwnerShape) -> u64 {
    2 * (rows * owner.categories * (1 + owner.values.len())) as u64
}

fn class_bytes(shape: &ClassShape) -> Expected {
    let [worker, dealer] = shape.bytes_per_row().map(|bytes| (bytes * shape.rows as f64).round() as u64);
    Expected {
        left_right: worker,
        right_left: worker,
        dealer_left: dealer,
        dealer_right: dealer,
        rounds: shape.rows.div_ceil(shape.block_rows) as u64,
        ..Expected::default()
    }
}

/// Stages of a joined product.
pub fn stages(shape: &JoinedShape) -> usize {
    shape.factors.len() + usize::from(!shape.right_is_everyone)
}

/// What a product sums: results by cell, each over stretches of its own.
pub struct Sums {
    pub cells: f64,
    stretches: Vec<usize>,
}

impl Sums {
    fn new<'a>(owners: impl Iterator<Item = &'a OwnerShape>) -> Self {
        let (mut cells, mut stretches) = (1, vec![1 << 14]);
        for owner in owners {
            cells *= owner.categories;
            stretches.extend(owner.values.iter().map(|bits| 1 << (15 - bits)));
        }
        Self { cells: cells as f64, stretches }
    }

    pub fn of_product(shape: &ProductShape) -> Self {
        Self::new([&shape.left, &shape.right].into_iter().chain(&shape.others))
    }

    pub fn of_joined(shape: &JoinedShape) -> Self {
        Self::new([&shape.left, &shape.right].into_iter().chain(&shape.factors))
    }

    /// Results that are lifted.
    fn lifted(&self) -> f64 {
        self.stretches.len() as f64
    }

    /// Sums in all results, those of record keys among them.
    pub fn all(&self) -> f64 {
        self.cells * (self.lifted() + LIMBS)
    }

    /// Bytes of a product whose rows cost so much: from left, from right, from the dealer, and for lifting in all three
    /// directions.
    fn expected(&self, rows: usize, [left, right, dealer, lift]: [f64; 4]) -> Expected {
        let of_rows = |bytes: f64| (bytes * rows as f64).round() as u64;
        // Sums of bit products: of 2^14 stretches each.
        let groups: usize =
            self.stretches.iter().map(|stretch| rows.div_ceil(*stretch).div_ceil(1 << 14)).sum();
        let groups = (groups as f64 * self.cells) as u64;
        let (lifted, cells) = ((self.lifted() * self.cells) as u64, self.cells as u64);
        Expected {
            left_right: of_rows(left + lift / 3.0) + 16 * groups,
            right_left: of_rows(right + lift / 3.0) + 16 * groups,
            // Key sums, and what the lift has at the end.
            dealer_right: of_rows(dealer + lift / 3.0) + 6 * cells + 2 * groups + 16 * lifted,
            ..Expected::default()
        }
    }

    /// Whether a stretch ends where the block before the last does.
    fn ends_before_last(&self, rows: usize, block_rows: usize) -> bool {
        let end = (rows - 1) / block_rows * block_rows;
        end > 0 && self.stretches.iter().any(|stretch| *stretch <= block_rows || end.is_multiple_of(*stretch))
    }

    /// Sums that end in a block, on average, for each row: those of record keys, which are added up by block, among them.
    pub fn ended(&self, block_rows: usize) -> f64 {
        let of = |stretch: &usize| 1.0 / block_rows.min(*stretch) as f64;
        self.cells * (self.stretches.iter().map(of).sum::<f64>() + LIMBS / block_rows as f64)
    }

    /// Most sums that end in one block.
    pub fn ended_at_once(&self, block_rows: usize) -> f64 {
        self.cells * self.stretches.iter().map(|stretch| block_rows.div_ceil(*stretch) as f64).sum::<f64>()
    }
}
