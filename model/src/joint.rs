//! Columns that several owners' values make, and that nobody owns.
//!
//! Such a column has public categories, and an expression over *inputs*: categories that single owners put a unit in, and sums of whole
//! numbers of several owners. Of a sum only the class matters: a range of numbers over which no expression changes. So a
//! joint column's category is a function of public tables, of the owners' categories and of the classes of sums; which of a
//! question's combinations of these land in which cell is public, and shares of them are added up.

use serde::{Deserialize, Serialize};

use crate::expression::Expression;
use crate::plan::{Category, Question, Side};

/// A column that nobody owns: a dimension of a table, or a condition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Joint {
    /// Name in the script; empty for a condition.
    pub name: String,
    /// What it is made of. The expression refers to them by index.
    pub inputs: Vec<Input>,
    /// Yields one of the categories' values. Any other value, and missing unless there is a category for it, puts the unit in
    /// no cell.
    pub expression: Expression,
    /// In the order shown. A condition has one: true.
    pub categories: Vec<Category>,
    /// The category of each combination of the inputs' categories and classes, the first input's slowest; none where
    /// the combination is in no cell.
    pub category_of: Vec<Option<u32>>,
}

/// Something that a joint column is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// A dimension of an owner's fragment; its value is that of the category. A unit in none of its categories is in no cell.
    Dimension {
        /// Whose.
        side: Side,
        /// Index among that fragment's dimensions.
        dimension: usize,
    },
    /// A sum of several owners' numbers, by index among the question's sums.
    Sum(usize),
}

/// A sum of whole numbers of several owners, one each, by class. It is missing where one of them is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sum {
    /// Whose numbers: sides, with the index among that fragment's numbers.
    pub summands: Vec<(Side, usize)>,
    /// The classes that matter, ascending and apart: first and last number of each.
    pub classes: Vec<(i64, i64)>,
    /// Whether missing is a class too, after the others.
    pub missing: bool,
}

/// A whole number of one owner's that goes into a sum.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WholeNumber {
    /// Yields whole numbers.
    pub expression: Expression,
    /// Public bounds; the owner brings numbers beyond within them.
    pub low: i64,
    /// The upper one.
    pub high: i64,
}

/// How the classes of a sum are computed on shares.
///
/// Each owner enters its number above its lower bound, and for a missing one more than the others can add up to. So the sum is
/// never negative, and the classes are ranges of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SumForm {
    /// What an owner enters for a missing number.
    pub missing: u32,
    /// The sum is below 2^bits.
    pub bits: u32,
    /// First number of each class but the first.
    pub borders: Vec<u32>,
    /// Which of these classes are wanted, in the order of [`Sum::classes`], then missing.
    pub kept: Vec<usize>,
}

impl Sum {
    /// Most bits of a sum on shares.
    pub const BITS_MAX: u32 = 30;

    /// Number of classes, that of missing included.
    pub fn categories(&self) -> usize {
        self.classes.len() + usize::from(self.missing)
    }

    /// The form of a sum of numbers within these bounds; none where it would have too many bits.
    pub fn form(&self, summands: &[(i64, i64)]) -> Option<SumForm> {
        let width =
            summands.iter().try_fold(0_u64, |sum, (low, high)| sum.checked_add(high.abs_diff(*low)))?;
        let least: i64 = summands.iter().map(|(low, _)| *low).sum();
        let missing = width.checked_add(1)?;
        let most = missing.checked_mul(summands.len() as u64)?;
        let bits = (u64::BITS - most.leading_zeros()).max(1);
        if bits > Self::BITS_MAX {
            return None;
        }
        let above = |number: i64| number.saturating_sub(least).clamp(0, missing as i64) as u32;
        let mut borders: Vec<u32> = Vec::new();
        for (first, last) in &self.classes {
            borders.extend([above(*first), above(last.saturating_add(1))]);
        }
        borders.push(missing as u32);
        borders.retain(|border| *border > 0);
        borders.sort_unstable();
        borders.dedup();
        // How many borders are at most the class's first number.
        let class = |first: u32| borders.partition_point(|border| *border <= first);
        let mut kept: Vec<usize> = self.classes.iter().map(|(first, _)| class(above(*first))).collect();
        kept.extend(self.missing.then(|| class(missing as u32)));
        Some(SumForm { missing: missing as u32, bits, borders, kept })
    }
}

impl Question {
    /// Bounds of a sum's numbers.
    pub fn bounds(&self, sum: &Sum) -> Vec<(i64, i64)> {
        let bounds = |(side, number): &(Side, usize)| {
            let fragment = self.fragment(*side).expect("a summand's side is there");
            let number = &fragment.numbers[*number];
            (number.low, number.high)
        };
        sum.summands.iter().map(bounds).collect()
    }

    /// Categories of an input.
    pub fn input_categories(&self, input: &Input) -> usize {
        match input {
            Input::Dimension { side, dimension } => {
                self.fragment(*side).expect("an input's side is there").dimensions[*dimension]
                    .categories
                    .len()
            }
            Input::Sum(sum) => self.sums[*sum].categories(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_of_a_sum_are_ranges_above_what_owners_enter_at_least() {
        let sum = Sum { summands: Vec::new(), classes: vec![(0, 30), (31, 60), (61, 200)], missing: true };
        let form = sum.form(&[(100, 300), (-300, -100)]).expect("few bits");
        // From −200 to 200: 400 above the least; missing is 401, and 802 where both are.
        assert_eq!((form.missing, form.bits), (401, 10));
        assert_eq!(form.borders, [200, 231, 261, 401]);
        assert_eq!(form.kept, [1, 2, 3, 4]);
        let all = Sum { classes: vec![(-500, 500)], missing: false, ..sum };
        let form = all.form(&[(100, 300), (-300, -100)]).expect("few bits");
        assert_eq!((form.borders, form.kept), (vec![401], vec![0]));
        assert_eq!(all.form(&[(0, 1 << 29), (0, 1 << 29)]), None);
        assert_eq!(all.form(&[(i64::MIN, i64::MAX), (0, 1)]), None);
    }
}
