//! What was done to a table before it was shown, for the one who reads it: the rules that were applied with the numbers in force, and
//! how much is hidden.
//!
//! It follows from the protected table, the rules in force and the script's plan alone: whoever has these can say the same. So it tells
//! nothing that the table does not.

use serde::{Deserialize, Serialize};

use crate::plan::Plan;
use crate::rules::Rules;
use crate::table::{Cell, Layout, Table};

/// Rules that were applied to a table, by their numbers in force, and what they hid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Applied {
    /// Rule 1: the table's population has at least this perturbed count of units.
    pub population_units_min: u32,
    /// Rule 3: the largest change of a count.
    pub change_max: u32,
    /// Rule 3: the variance of a count's change.
    pub change_variance: u32,
    /// Rule 4: counts from 1 to this are hidden.
    pub small_cell_units_max: u32,
    /// Rule 5: at most so many percent of the cells are hidden.
    pub small_cells_percent_max: u32,
    /// Rule 6: what an edit touches and leaves out. None where the script had no edit before the table that the rule judged.
    pub edit_units_min: Option<u32>,
    /// Rules of sums and what is made of them. None for a table of counts.
    pub number: Option<AppliedToNumber>,
    /// What is hidden.
    pub hidden: Hidden,
}

/// Rules 2, 7 and 10.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppliedToNumber {
    /// Rule 2: values are brought within the lowest and highest so many percent of the register's variable.
    pub winsorised_percent: u32,
    /// Rule 7: statistics of fewer units are hidden.
    pub statistic_units_min: u32,
    /// Rule 10: statistics of which the two largest contributors may have more are hidden.
    pub two_largest_percent_max: u32,
    /// Rule 10: the others contribute at least this of the largest contributor.
    pub others_percent_of_largest_min: u32,
}

/// How many numbers of a table are hidden.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hidden {
    /// Cells without margins.
    pub cells: u32,
    /// Those of them that rule 4 hides.
    pub cells_hidden: u32,
    /// Margins.
    pub margins: u32,
    /// Those of them that rule 4 hides.
    pub margins_hidden: u32,
    /// Cells whose statistics are hidden though their count is shown, by rule 7 or 10. Where nobody was counted there is nothing to hide.
    pub statistics_hidden: u32,
    /// The same of margins.
    pub margin_statistics_hidden: u32,
}

impl Applied {
    /// Largest change of a count in the published perturbation table (rule 3).
    pub const CHANGE_MAX: u32 = 5;
    /// Variance of the changes in it.
    pub const CHANGE_VARIANCE: u32 = 3;
    /// Percent at either end of a register's variable that rule 2 brings nearer to the others.
    pub const WINSORISED_PERCENT: u32 = 1;

    /// Of the table that question `question` of the plan came to, under the rules in force for it.
    pub fn of(table: &Table, rules: &Rules, plan: &Plan, question: usize) -> Self {
        let after_edit = plan.edits().any(|(at, _)| at < question);
        let number = table.summary.is_some().then_some(AppliedToNumber {
            winsorised_percent: Self::WINSORISED_PERCENT,
            statistic_units_min: rules.statistic_units_min,
            two_largest_percent_max: rules.two_largest_percent_max,
            others_percent_of_largest_min: rules.others_percent_of_largest_min,
        });
        Self {
            population_units_min: rules.population_units_min,
            change_max: Self::CHANGE_MAX,
            change_variance: Self::CHANGE_VARIANCE,
            small_cell_units_max: rules.small_cell_units_max,
            small_cells_percent_max: rules.small_cells_percent_max,
            edit_units_min: after_edit.then_some(rules.edit_units_min),
            number,
            hidden: Hidden::of(table),
        }
    }
}

impl Hidden {
    /// Counts what a table hides.
    pub fn of(table: &Table) -> Self {
        let sizes: Vec<usize> = table.axes.iter().map(|axis| axis.categories.len()).collect();
        let layout = Layout::of(&sizes);
        let mut hidden = Self::default();
        for (at, cell) in table.cells.iter().enumerate() {
            let is_inner = at / layout.width() < layout.rows && at % layout.width() < layout.columns;
            let statistics = table.summary.as_ref().and_then(|summary| summary.cells.get(at));
            let (all, cells_hidden, statistics_hidden) = if is_inner {
                (&mut hidden.cells, &mut hidden.cells_hidden, &mut hidden.statistics_hidden)
            } else {
                (&mut hidden.margins, &mut hidden.margins_hidden, &mut hidden.margin_statistics_hidden)
            };
            *all += 1;
            match (cell, statistics) {
                (Cell::Suppressed, _) => *cells_hidden += 1,
                (Cell::Count(1..), Some(None)) => *statistics_hidden += 1,
                (Cell::Count(_), _) => {}
            }
        }
        hidden
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Category, Show};
    use crate::table::{Axis, Statistics, Summary};

    #[test]
    fn inner_cells_margins_and_statistics_are_told_apart() {
        let axis = |name: &str| {
            let category = |label: &str| Category { value: None, label: label.into() };
            Axis { name: name.into(), categories: vec![category("1"), category("2")] }
        };
        let shown = Some(Statistics { mean: Some(1.0), ..Statistics::default() });
        let count = Cell::Count;
        let table = Table {
            line: 1,
            text: "tabulate a b, summarize(x)".into(),
            axes: vec![axis("a"), axis("b")],
            shows: vec![Show::Mean],
            cells: vec![
                Cell::Suppressed,
                count(12),
                count(14),
                count(0),
                count(40),
                count(41),
                Cell::Suppressed,
                count(52),
                count(55),
            ],
            summary: Some(Summary {
                variable: "x".into(),
                cells: vec![None, None, None, None, shown, shown, None, shown, shown],
            }),
        };
        let hidden = Hidden {
            cells: 4,
            cells_hidden: 1,
            margins: 5,
            margins_hidden: 1,
            statistics_hidden: 1,
            margin_statistics_hidden: 1,
        };
        assert_eq!(Hidden::of(&table), hidden);
        let counts = Table { summary: None, ..table };
        assert_eq!(
            Hidden::of(&counts),
            Hidden { statistics_hidden: 0, margin_statistics_hidden: 0, ..hidden }
        );
    }
}
