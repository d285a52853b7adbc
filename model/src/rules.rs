//! The numbers of the disclosure rules that a question is judged by. Which number is stricter, and what
//! each does, is `kobling-disclosure`'s.

mod explained;

use serde::{Deserialize, Serialize};

use crate::Hash;
pub use explained::{Explained, PolicyRule, Reason, Text};

/// Numbers of rules 1, 3, 4, 5, 6, 7 and 10 in force for a question: the strictest of all owners taking part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// Rule 1: a population whose perturbed count is below this is refused.
    pub population_units_min: u32,
    /// Rule 3: the published perturbation table, by its hash. The same for the whole federation.
    pub perturbation_table: Hash,
    /// Rule 4: perturbed counts from 1 to this are suppressed.
    pub small_cell_units_max: u32,
    /// Rule 5: a table with more than this share of suppressed cells is refused. Whole percent.
    pub small_cells_percent_max: u32,
    /// Rule 6: an edit that touches, or leaves out, a perturbed count below this is not carried out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub edit_units_min: u32,
    /// Rule 7: statistics of a cell whose perturbed count is below this are hidden.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub statistic_units_min: u32,
    /// Rule 10: a cell of which the two largest contributors may have more than this is hidden. Whole percent.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub two_largest_percent_max: u32,
    /// Rule 10, p %: what the others contribute must be at least this of the largest contributor. Whole percent.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub others_percent_of_largest_min: u32,
}

/// Records of before rules 6, 7 and 10 have no numbers for them: they are read as 0, and stay as they were written.
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Rules {
    /// Rule 10 in one number: if the two largest have at most this of a cell, both of its bounds hold. (With shares
    /// a ≥ b and a + b ≤ κ of a whole, the rest is at least 1 − κ of the whole, and so at least 1 − κ of a.)
    pub fn dominance_percent_max(&self) -> u32 {
        self.two_largest_percent_max.min(100_u32.saturating_sub(self.others_percent_of_largest_min))
    }
}

/// Why nothing was released, in a form that is safe to show: rests on perturbed counts only. What is said of it is [`Explained`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// Rule 1.
    PopulationFloor,
    /// Rule 5.
    SmallCells,
    /// Rule 14.
    SplitsSpent,
}

impl Refusal {
    /// Stable code for programs.
    pub fn code(self) -> &'static str {
        match self {
            Self::PopulationFloor => "population-floor",
            Self::SmallCells => "small-cells",
            Self::SplitsSpent => "splits-spent",
        }
    }
}

/// What a rule did to a script that goes on, in a form that is safe to show: rests on perturbed counts only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Warning {
    /// Rule 6.
    EditNotCarriedOut,
}

impl Warning {
    /// Stable code for programs.
    pub fn code(self) -> &'static str {
        match self {
            Self::EditNotCarriedOut => "edit-not-carried-out",
        }
    }
}
