//! What a question costs in bytes, from public shapes alone.

use kobling_crypto::attempt::Product;
use kobling_model::plan::Question;

use crate::conduct::product;

/// Bytes that a question sends between nodes for each row, protection aside, with all columns travelling.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RowCost {
    /// Whether columns are joined one after the other, not multiplied at once.
    pub joined: bool,
    /// From anybody to anybody.
    pub bytes: f64,
}

/// The cost of a row; none for questions of one owner, in which nothing of a row travels.
pub fn row_cost(question: &Question) -> Option<RowCost> {
    /// Rows whose number hardly matters for what one of them costs.
    const ROWS: usize = 1 << 20;
    Some(match product(question, ROWS)?? {
        Product::Narrow(shape) => {
            let columns: usize =
                shape.others.iter().map(|other| other.categories * (1 + other.values.len())).sum();
            let own: f64 = shape.bytes_per_row().iter().sum();
            RowCost { joined: false, bytes: own + (columns * size_of::<u16>()) as f64 }
        }
        Product::Joined { shape, classes } => {
            let further = shape.factors.len() - classes.len();
            let columns: usize = shape.factors[..further]
                .iter()
                .map(|other| other.categories * (1 + other.values.len()))
                .sum();
            let of_classes = classes.iter().map(|shape| {
                let [worker, dealer] = shape.bytes_per_row();
                2.0 * (worker + dealer) + (shape.others * size_of::<u32>()) as f64
            });
            let own: f64 = shape.bytes_per_row().iter().sum();
            RowCost {
                joined: true,
                bytes: own + of_classes.sum::<f64>() + (columns * size_of::<u16>()) as f64,
            }
        }
    })
}
