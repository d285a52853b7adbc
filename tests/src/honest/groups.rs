//! What lies between the truth and what `aggregate` makes of large groups, step by step.
//!
//! A group's statistic is a value of each of its units. Before it is one, values are brought within their winsorised bounds, a median becomes
//! the mean of ten neighbours, and noise is added (`docs/PROTECTION.md`, section 11). The reference takes these steps one by one over the same
//! registers with the same keys, without any noise of cells, so that what each adds to a table can be told.

use super::{Federation, Question};
use crate::reference::Groups;

/// How far a question's counts lie from the truth when owners go so far with large groups.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// What is done.
    pub name: &'static str,
    /// Pairs of the count that follows and the true one, of cells and margins in their order.
    pub counts: Vec<(f64, f64)>,
}

/// Steps in the order in which they are taken; the noise once more with widths of the whole range of values, to tell what the bounds are for.
const STEPS: [(&str, Groups, bool); 4] = [
    ("values within their winsorised bounds", Groups::Bounded, false),
    ("and the mean of ten neighbours", Groups::Smoothed, false),
    ("and noise of the winsorised width", Groups::Blurred, false),
    ("noise of the width of all values instead", Groups::Blurred, true),
];

impl Federation {
    /// What each step adds to the distance of a question's counts from the truth. Nobody is asked.
    ///
    /// # Panics
    /// Where the script has errors.
    pub fn steps(&self, question: Question) -> Vec<Step> {
        let script = self.world.script(question.script);
        let counts = |groups, is_whole| -> Vec<f64> {
            let tables = self.without_rules(&script, groups, is_whole);
            tables.iter().flat_map(|(_, cells)| cells.iter().map(|cell| cell.count as f64)).collect()
        };
        let truth = counts(Groups::Exact, true);
        let step = |(name, groups, is_whole)| {
            let counts = counts(groups, is_whole).into_iter().zip(truth.iter().copied()).collect();
            Step { name, counts }
        };
        STEPS.into_iter().map(step).collect()
    }
}
