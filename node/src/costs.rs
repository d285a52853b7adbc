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

#[cfg(test)]
mod tests {
    use kobling_model::expression::{Expression, Value};
    use kobling_model::plan::{Category, Dimension, Fragment, QuestionKind};
    use kobling_model::{OwnerId, UnitType};

    use super::*;

    fn fragment(owner: &str, categories: u32) -> Fragment {
        let category = |at: u32| Category { value: Some(Value::Number(f64::from(at))), label: String::new() };
        let dimension = Dimension {
            name: String::new(),
            expression: Expression::Source(0),
            categories: (0..categories).map(category).collect(),
        };
        Fragment {
            preparations: Vec::new(),
            owner: OwnerId::new(owner).expect("a name"),
            sources: Vec::new(),
            filters: Vec::new(),
            filters_of_question: 0,
            dimensions: vec![dimension],
            value: None,
            numbers: Vec::new(),
        }
    }

    #[test]
    fn a_row_costs_what_the_protocol_says() {
        let mut question = Question {
            line: 1,
            text: String::new(),
            kind: QuestionKind::Population { dataset: "d".to_owned() },
            unit_type: UnitType::Person,
            left: fragment("a", 3),
            right: None,
            others: Vec::new(),
            sums: Vec::new(),
            joints: Vec::new(),
            conditions: Vec::new(),
            conditions_of_question: 0,
        };
        assert_eq!(row_cost(&question), None, "one owner has all of it");
        question.right = Some(fragment("b", 6));
        // 8 L + 2 C, and three messages of L C / 8192 for lifting (PROTOCOL.md, section 13).
        let lift = 3.0 * 18.0 / 8192.0;
        let cost = row_cost(&question).expect("two owners");
        assert!(!cost.joined && (cost.bytes - (24.0 + 12.0 + lift)).abs() < 0.01, "{cost:?}");
        question.others = vec![fragment("c", 4)];
        assert!(row_cost(&question).expect("three owners").bytes > cost.bytes + 8.0);
    }
}
