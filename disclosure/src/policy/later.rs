//! Numbers of the rules on statistics that no command offers yet. They do not travel between owners, since there is nothing that they
//! would be the rules of; a further one is a row here and a line in [`LaterLimits::take`].

use super::document::{Document, Section};
use super::numbers::{Bound, Number};
use crate::rule::{hexagons, models, percentiles, survival_steps};

/// Numbers of rules 8, 9, 11 and 12, as an owner has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaterLimits {
    /// Rule 8.
    pub percentiles: percentiles::Limits,
    /// Rule 9.
    pub models: models::Limits,
    /// Rule 11.
    pub hexagons: hexagons::Limits,
    /// Rule 12.
    pub survival_steps: survival_steps::Limits,
}

const PERCENTILE_NEIGHBOURS_MIN: Number = Number {
    name: "percentile_neighbours_min",
    bound: Bound::AtLeast(percentiles::LOOSEST_NEIGHBOURS),
    why: "a percentile of fewer than 10 neighbours is nearly what one unit has; write 10 or more",
    about: "Rule 8: a percentile is the mean of at least so many neighbouring values.",
};

const PERCENTILE_DIGITS_MAX: Number = Number {
    name: "percentile_digits_max",
    bound: Bound::To(percentiles::LOOSEST_DIGITS),
    why: "a percentile with more than 3 digits is what one unit has; write 3 or less",
    about: "Rule 8: and is shown with at most so many significant digits.",
};

const MODEL_RESIDUAL_DF_MIN: Number = Number {
    name: "model_residual_df_min",
    bound: Bound::AtLeast(models::LOOSEST_RESIDUAL_DF),
    why: "a model with nearly as many coefficients as units says what each of them has; write 15 or more",
    about: "Rule 9: a model with fewer residual degrees of freedom, by the perturbed count, is refused.",
};

const MODEL_UNITS_MIN: Number = Number {
    name: "model_units_min",
    bound: Bound::AtLeast(models::LOOSEST_UNITS),
    why: "a coefficient of fewer than 10 true units says too much about each of them; write 15 or more",
    about: "Rule 9: and one with a dummy that a smaller perturbed count of units has, or lacks.",
};

const MODEL_CONSTANT_UNITS_MIN: Number = Number {
    name: "model_constant_units_min",
    bound: Bound::AtLeast(models::LOOSEST_CONSTANT_UNITS),
    why: "a constant is the mean of a group, and of fewer than 5 true units says too much about each; write 10 or more",
    about: "Rule 9: the constant is hidden where a combination of dummies has a smaller perturbed count.",
};

const MODEL_LEVERAGE_PERCENT_MAX: Number = Number {
    name: "model_leverage_percent_max",
    bound: Bound::AtMost(models::LOOSEST_LEVERAGE_PERCENT),
    why: "a coefficient that one unit has much of tells what it has; write 10 or less",
    about: "Rule 9: a model is refused where one unit may have more of a coefficient. Whole percent.",
};

const MODEL_RESIDUAL_PERMILLE_MIN: Number = Number {
    name: "model_residual_permille_min",
    bound: Bound::Within(models::LOOSEST_RESIDUAL_PERMILLE, 1000),
    why: "a model that leaves nothing unexplained says what each unit has; write 1 or more",
    about: "Rule 9: and where it leaves less of the outcome unexplained. Whole per mille.",
};

const HEXAGON_GRID_MAX: Number = Number {
    name: "hexagon_grid_max",
    bound: Bound::To(hexagons::LOOSEST_GRID),
    why: "a grid of more than 25 hexagons across shows single units; write 25 or less",
    about: "Rule 11: hexagons across in a plot.",
};

const HEXAGON_GROUPS_MAX: Number = Number {
    name: "hexagon_groups_max",
    bound: Bound::To(hexagons::LOOSEST_GROUPS),
    why: "a plot of more than 10 groups shows small groups one by one; write 10 or less",
    about: "Rule 11: groups of a plot.",
};

const HEXAGON_UNITS_MIN: Number = Number {
    name: "hexagon_units_min",
    bound: Bound::AtLeast(hexagons::LOOSEST_UNITS),
    why: "a hexagon of fewer than 10 true units is a place where few are; write 15 or more",
    about: "Rule 11: a hexagon with a smaller perturbed count is not shown.",
};

const SURVIVAL_STEP_UNITS_MIN: Number = Number {
    name: "survival_step_units_min",
    bound: Bound::AtLeast(survival_steps::LOOSEST),
    why: "a step of fewer than 10 true units says when each of them failed or left; write 15 or more",
    about: "Rule 12: steps of a survival curve are merged until so many, by their perturbed count, fail or leave.",
};

/// All of them, in the order in which a new node's file has them.
const NUMBERS: [&Number; 11] = [
    &PERCENTILE_NEIGHBOURS_MIN,
    &PERCENTILE_DIGITS_MAX,
    &MODEL_RESIDUAL_DF_MIN,
    &MODEL_UNITS_MIN,
    &MODEL_CONSTANT_UNITS_MIN,
    &MODEL_LEVERAGE_PERCENT_MAX,
    &MODEL_RESIDUAL_PERMILLE_MIN,
    &HEXAGON_GRID_MAX,
    &HEXAGON_GROUPS_MAX,
    &HEXAGON_UNITS_MIN,
    &SURVIVAL_STEP_UNITS_MIN,
];

/// Names of all settings that are read here.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    NUMBERS.iter().map(|number| number.name)
}

/// What a new node's file says.
pub(super) fn text() -> String {
    let numbers: String = NUMBERS.iter().map(|number| number.text()).collect();
    format!(
        "\
# Rules 8, 9, 11 and 12 concern percentiles, models, hexagon plots and survival curves. No command shows these yet;
# what will is held to these numbers. Medians and quartiles that become values of a group are means of ten in any case.

{numbers}"
    )
}

impl LaterLimits {
    /// What `init` writes.
    pub const LOOSEST: Self = Self {
        percentiles: percentiles::Limits::LOOSEST,
        models: models::Limits::LOOSEST,
        hexagons: hexagons::Limits::LOOSEST,
        survival_steps: survival_steps::Limits::LOOSEST,
    };

    /// Of each number the stricter.
    pub fn stricter(self, other: Self) -> Self {
        Self {
            percentiles: self.percentiles.stricter(other.percentiles),
            models: self.models.stricter(other.models),
            hexagons: self.hexagons.stricter(other.hexagons),
            survival_steps: self.survival_steps.stricter(other.survival_steps),
        }
    }

    /// Takes them from the owner's file; where one is at fault another stands in its place, and the document's faults say so.
    pub(super) fn take<'t>(document: &mut Document<'t>, section: &mut Section<'t>) -> Self {
        let mut take = |number: Number| number.take(document, section);
        Self {
            percentiles: percentiles::Limits {
                neighbours_min: take(PERCENTILE_NEIGHBOURS_MIN),
                digits_max: take(PERCENTILE_DIGITS_MAX),
            },
            models: models::Limits {
                residual_df_min: take(MODEL_RESIDUAL_DF_MIN),
                units_min: take(MODEL_UNITS_MIN),
                constant_units_min: take(MODEL_CONSTANT_UNITS_MIN),
                leverage_percent_max: take(MODEL_LEVERAGE_PERCENT_MAX),
                residual_permille_min: take(MODEL_RESIDUAL_PERMILLE_MIN),
            },
            hexagons: hexagons::Limits {
                grid_max: take(HEXAGON_GRID_MAX),
                groups_max: take(HEXAGON_GROUPS_MAX),
                units_min: take(HEXAGON_UNITS_MIN),
            },
            survival_steps: survival_steps::Limits { step_units_min: take(SURVIVAL_STEP_UNITS_MIN) },
        }
    }
}
