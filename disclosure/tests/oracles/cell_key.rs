//! Rules 3 and 4: counts of whole tables, margins included, beside `cell_key_perturbation`, which gets the published table and, for each cell, the key that the
//! cipher gives it.

use std::collections::BTreeMap;
use std::path::Path;

use ::aes::Aes128;
use ::aes::cipher::{BlockCipherEncrypt, KeyInit};
use kobling_disclosure::rule::{perturbed_counts, small_cells};
use kobling_disclosure::{PerturbationTable, Policy};
use serde_json::{Value, json};

use super::{Dice, answer};

/// A cell's categories; none where the cell is a margin over that variable.
type Place = [Option<u64>; 2];

/// Units of a table by their categories, with their record keys.
struct Table {
    shape: [u64; 2],
    units: Vec<([u64; 2], [u16; 3])>,
}

impl Table {
    /// Tables of few and of many units, some cells of which are empty and every category of which occurs.
    fn drawn(dice: &mut Dice) -> Self {
        let shape = [1 + dice.below(6), 1 + dice.below(5)];
        let mut units = Vec::new();
        for row in 0..shape[0] {
            for column in 0..shape[1] {
                let count = match dice.below(8) {
                    0 if row > 0 && column > 0 => 0,
                    1 => 600 + dice.below(600),
                    2 | 3 => 10 + dice.below(60),
                    _ => 1 + dice.below(12),
                };
                for _ in 0..count {
                    let key = dice.next();
                    units.push(([row, column], [key as u16, (key >> 16) as u16, (key >> 32) as u16]));
                }
            }
        }
        Self { shape, units }
    }

    /// All cells, margins included, with the count and the cipher's key: PROTECTION.md, sections 3 and 4, in plain words.
    fn cells(&self, k: &Aes128) -> BTreeMap<Place, (u64, u8)> {
        let categories = |at: usize| (0..self.shape[at]).map(Some).chain([None]);
        let places = categories(0).flat_map(|row| categories(1).map(move |column| [row, column]));
        let cell = |place: Place| {
            let inside = |categories: &[u64; 2]| {
                place.iter().zip(categories).all(|(place, category)| place.is_none_or(|at| at == *category))
            };
            let units: Vec<_> = self.units.iter().filter(|(categories, _)| inside(categories)).collect();
            let limb = |at: usize| units.iter().fold(0_u16, |sum, (_, key)| sum.wrapping_add(key[at]));
            let mut block = [0; 16];
            for (at, limb) in [units.len() as u16, limb(0), limb(1), limb(2)].iter().enumerate() {
                block[2 * at..2 * at + 2].copy_from_slice(&limb.to_le_bytes());
            }
            block[8..].copy_from_slice(b"count\0\0\0");
            let mut block = block.into();
            k.encrypt_block(&mut block);
            (place, (units.len() as u64, block[0]))
        };
        places.map(cell).collect()
    }
}

#[test]
#[ignore = "needs Python with cell_key_perturbation"]
fn counts_are_those_of_the_cell_key_package_cell_by_cell() {
    let mut dice = Dice(2005);
    let k = Aes128::new(&(*b"k of nobody here").into());
    let tables: Vec<Table> = (0..40).map(|_| Table::drawn(&mut dice)).collect();
    let cells: Vec<BTreeMap<Place, (u64, u8)>> = tables.iter().map(|table| table.cells(&k)).collect();
    let question: Vec<Value> = (tables.iter().zip(&cells))
        .map(|(table, cells)| {
            let units: Vec<&[u64; 2]> = table.units.iter().map(|(categories, _)| categories).collect();
            let keys: Vec<Value> =
                cells.iter().map(|([row, column], (_, key))| json!([row, column, key])).collect();
            json!({"units": units, "keys": keys})
        })
        .collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/perturbation-d5-v3-js2.csv");
    let answers = answer("python", "cell_key.py", &json!({"table": path, "tables": question}));

    let (published, rules) = (PerturbationTable::published(), policy_rules());
    let (mut zeros, mut small, mut shown) = (0, 0, 0);
    for (at, cells) in cells.iter().enumerate() {
        let answers = answers[at].as_array().expect("a list");
        // A row of each: categories, the count, and the count with small ones left out.
        assert_eq!(answers.len(), cells.len(), "table {at}");
        for answer in answers {
            let place = [answer[0].as_u64(), answer[1].as_u64()];
            let (count, key) = cells[&place];
            let ours = perturbed_counts::perturbed(published, count, key);
            assert_eq!(answer[2].as_u64(), Some(ours), "table {at}, cell {place:?}");
            // The package leaves out what is below a threshold, zeros too; rule 4 shows a zero as zero.
            let left_out = small_cells::is_small(&rules, ours) || ours == 0;
            assert_eq!(answer[3].is_null(), left_out, "table {at}, cell {place:?}");
            zeros += u32::from(count == 0);
            small += u32::from((1..10).contains(&count));
            shown += u32::from(!left_out);
        }
    }
    assert!(zeros > 10 && small > 100 && shown > 200, "{zeros} {small} {shown}");
}

fn policy_rules() -> kobling_model::rules::Rules {
    Policy::parse(&Policy::init_text()).expect("what init writes is valid").rules
}
