//! What was done to a table, to the wire and back.

use kobling_model::applied::{Applied, AppliedToNumber, Hidden};

use super::InvalidMessage;
use crate::platform::v1 as wire;

impl From<&Applied> for wire::Applied {
    fn from(applied: &Applied) -> Self {
        let number = applied.number.map(|number| wire::AppliedToNumber {
            winsorised_percent: number.winsorised_percent,
            statistic_units_min: number.statistic_units_min,
            two_largest_percent_max: number.two_largest_percent_max,
            others_percent_of_largest_min: number.others_percent_of_largest_min,
        });
        let Hidden {
            cells,
            cells_hidden,
            margins,
            margins_hidden,
            statistics_hidden,
            margin_statistics_hidden,
        } = applied.hidden;
        Self {
            population_units_min: applied.population_units_min,
            change_max: applied.change_max,
            change_variance: applied.change_variance,
            small_cell_units_max: applied.small_cell_units_max,
            small_cells_percent_max: applied.small_cells_percent_max,
            edit_units_min: applied.edit_units_min,
            number,
            hidden: Some(wire::Hidden {
                cells,
                cells_hidden,
                margins,
                margins_hidden,
                statistics_hidden,
                margin_statistics_hidden,
            }),
        }
    }
}

impl TryFrom<wire::Applied> for Applied {
    type Error = InvalidMessage;

    fn try_from(applied: wire::Applied) -> Result<Self, InvalidMessage> {
        let hidden = applied.hidden.ok_or(InvalidMessage { field: "applied.hidden" })?;
        let number = applied.number.map(|number| AppliedToNumber {
            winsorised_percent: number.winsorised_percent,
            statistic_units_min: number.statistic_units_min,
            two_largest_percent_max: number.two_largest_percent_max,
            others_percent_of_largest_min: number.others_percent_of_largest_min,
        });
        Ok(Self {
            population_units_min: applied.population_units_min,
            change_max: applied.change_max,
            change_variance: applied.change_variance,
            small_cell_units_max: applied.small_cell_units_max,
            small_cells_percent_max: applied.small_cells_percent_max,
            edit_units_min: applied.edit_units_min,
            number,
            hidden: Hidden {
                cells: hidden.cells,
                cells_hidden: hidden.cells_hidden,
                margins: hidden.margins,
                margins_hidden: hidden.margins_hidden,
                statistics_hidden: hidden.statistics_hidden,
                margin_statistics_hidden: hidden.margin_statistics_hidden,
            },
        })
    }
}
