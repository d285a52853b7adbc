//! Rule 9: no coefficient of a model rests on few units.
//!
//! - Settings: `model_residual_df_min`, at least 15; `model_units_min`, at least 15: units behind each dummy; `model_constant_units_min`, at least 10: units in
//!   each combination of dummies, for the constant to be shown; `model_leverage_percent_max`, at most 10: what one unit may have of a coefficient;
//!   `model_residual_permille_min`, at least 1: what a model must leave unexplained. With the published table (D = 5) the first three ensure 10, 10 and 5.
//! - Judged: see [`Evidence`]. Counts are perturbed, and so are sums of squares. Leverage is judged on exact numbers in shares, as dominance is (rule 10), with
//!   a threshold that the key h of the model's set of units makes up to 7/16 stricter, so that it cannot be looked for by probing.
//! - Effect: refused with a code for each reason; or the constant is hidden, which with the other coefficients would be the mean of a group of few.
//! - Carried out: here, on given evidence; no command fits a model yet.
//!
//! *Dummies* are all columns of zeros and ones, products of dummies (interactions) among them: whatever has a coefficient of its own needs its units, on both sides, since a
//! dummy that all but one have is that one's. *Combinations* are the groups that the model's dummies divide units into. A group that has no coefficient of its own
//! may be small, as it is in nearly every model with several factors; then the constant is hidden. That holds for a group of nobody as well: a perturbed 0
//! may be five, and "nobody" would be an answer too.
//!
//! *Leverage of a unit in a coefficient* is its part of Σ rᵢ², where r is what the other columns leave unexplained of the coefficient's column (partial leverage):
//! the coefficient is Σ rᵢ yᵢ / Σ rᵢ² (R. Frisch and F. V. Waugh, Econometrica 1, 1933), so a unit with nearly all of Σ r² has the coefficient to itself.
//! A regressor 1/|a − a*| is that for the person with a = a*. Where the columns are collinear but for one unit that unit has all of it, where they are collinear without exception there is
//! no r at all; both are one refusal, for which of the two it is says whether that one unit is there.
//!
//! *How it can be had on shares.* r is a sum of the owners' parts, each a combination of an owner's own columns with coefficients from the Gram matrix. Σ r² is
//! a product of columns as any other. Nobody can see the largest |r|, but each owner has the largest of its own part, and enters it as a secret
//! input: max |r| is at most their sum ([`Leverage::of_parts`]). A sum of fourth powers gives another bound ([`Leverage::of_fourth_powers`]). Both are never
//! below the exact one, so what the exact rule refuses they refuse; a model that only they refuse is refused in vain.
//!
//! *Saturated*: only dummies, and as many coefficients as groups. Such a model is a table of means without the protection of one: without noise, and one split more
//! of the population. Its means can be had by `summarize`. *Perfect fit*: what is explained to the last per mille says of each unit what it has.
//!
//! Why these numbers: ten residual degrees of freedom is ACRO's `safe_dof_threshold` and the guidelines' (S. Bond, M. Brandt and P.-P. de Wolf, "Guidelines for the checking of output based on
//! microdata research", 2015, class "regression"; F. Ritchie, "Disclosure control for regression outputs", 2012, for saturated models). Ten units is what every other statistic needs
//! (rule 7), and a tenth is what one of ten has. Partial leverage: D. A. Belsley, E. Kuh and R. E. Welsch, "Regression Diagnostics", 1980, chapter 2. Five units for the constant: the smallest cell that rule 4
//! shows.

/// Perturbed residual degrees of freedom; an owner may only raise it.
pub const LOOSEST_RESIDUAL_DF: u32 = 15;
/// Perturbed count of units on each side of a dummy; an owner may only raise it.
pub const LOOSEST_UNITS: u32 = 15;
/// Perturbed count of each combination of dummies with which the constant is shown; an owner may only raise it.
pub const LOOSEST_CONSTANT_UNITS: u32 = 10;
/// What one unit may have of a coefficient; an owner may only lower it. Whole percent.
pub const LOOSEST_LEVERAGE_PERCENT: u32 = 10;
/// What a model must leave unexplained of the outcome's squares; an owner may only raise it. Whole per mille.
pub const LOOSEST_RESIDUAL_PERMILLE: u32 = 1;

/// The rule's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Smallest perturbed count less the number of coefficients. At least 15.
    pub residual_df_min: u32,
    /// Smallest perturbed count on either side of a dummy. At least 15.
    pub units_min: u32,
    /// Smallest perturbed count of a combination of dummies with which the constant is shown. At least 10.
    pub constant_units_min: u32,
    /// Largest leverage of one unit. Whole percent, at most 10.
    pub leverage_percent_max: u32,
    /// Smallest unexplained share of the outcome's squares. Whole per mille, at least 1.
    pub residual_permille_min: u32,
}

impl Limits {
    /// What `init` writes.
    pub const LOOSEST: Self = Self {
        residual_df_min: LOOSEST_RESIDUAL_DF,
        units_min: LOOSEST_UNITS,
        constant_units_min: LOOSEST_CONSTANT_UNITS,
        leverage_percent_max: LOOSEST_LEVERAGE_PERCENT,
        residual_permille_min: LOOSEST_RESIDUAL_PERMILLE,
    };

    /// Of each number the stricter.
    pub fn stricter(self, other: Self) -> Self {
        Self {
            residual_df_min: self.residual_df_min.max(other.residual_df_min),
            units_min: self.units_min.max(other.units_min),
            constant_units_min: self.constant_units_min.max(other.constant_units_min),
            leverage_percent_max: self.leverage_percent_max.min(other.leverage_percent_max),
            residual_permille_min: self.residual_permille_min.max(other.residual_permille_min),
        }
    }
}

/// What a model is judged by: its public form, and numbers of which none is an exact count.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// Perturbed count of the units that the model is fitted to, those with a value in every column.
    pub units: u64,
    /// Numbers of columns that have a coefficient and are no dummies, the constant not among them. Public.
    pub numbers: u32,
    /// Whether there is a constant. Public.
    pub constant: bool,
    /// Dummies with a coefficient, interactions among them.
    pub dummies: Vec<Dummy>,
    /// Perturbed counts of the combinations of dummies that a unit can have: two levels of one factor are none. Each is a cell of its own.
    pub combinations: Vec<u64>,
    /// Leverage in each coefficient but the constant: of numbers and dummies, in any order.
    pub leverages: Vec<Leverage>,
    /// Perturbed sum of squared residuals of the outcome, in any unit. Noise may bring it below zero.
    pub residual_squares: f64,
    /// Perturbed sum of the outcome's squared distances from its mean, in the same unit.
    pub total_squares: f64,
    /// From 0 to 7: the low three bits of the cipher's output for the model's set of units.
    pub h: u8,
}

/// Perturbed counts of units that have a dummy, and of those that do not. Each is a cell of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dummy {
    /// With a one.
    pub ones: u64,
    /// With a zero.
    pub zeros: u64,
}

/// How much one unit can have of a coefficient, of which r is the column less what the others explain of it.
///
/// Exact, so it stays in shares; only the judgement is opened, with others. In any unit, the same for all three.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Leverage {
    /// The largest rᵢ², or more.
    pub largest_square: f64,
    /// Σ rᵢ².
    pub squares: f64,
    /// The same of the column itself: of its distances from its mean, or from zero in a model without a constant.
    pub own_squares: f64,
}

impl Leverage {
    /// What must be left of a column's squares by the others. Less of it is what rounding leaves of nothing: values have 2²¹ steps, so the squares of
    /// rounding are 2⁻⁴⁴ of a width's, and this is some 10⁷ times as much.
    pub const UNEXPLAINED_MIN: f64 = 1e-6;

    /// Of residuals that one owner has: exact.
    pub fn of_residuals(residuals: &[f64], own_squares: f64) -> Self {
        let squares = residuals.iter().map(|r| r * r);
        Self { largest_square: squares.clone().fold(0.0, f64::max), squares: squares.sum(), own_squares }
    }

    /// Of residuals that are sums of the owners' parts, from the largest size of each owner's part: never less than the exact one.
    pub fn of_parts(largest: &[f64], squares: f64, own_squares: f64) -> Self {
        let sum: f64 = largest.iter().map(|part| part.abs()).sum();
        Self { largest_square: sum * sum, squares, own_squares }
    }

    /// From Σ rᵢ⁴, since the largest of numbers is at most the root of the sum of their squares: never less than the exact one.
    pub fn of_fourth_powers(fourth_powers: f64, squares: f64, own_squares: f64) -> Self {
        Self { largest_square: fourth_powers.max(0.0).sqrt(), squares, own_squares }
    }

    /// Whether one unit may have more than the limit, or there is nothing that units could have a part of.
    fn is_too_large(self, limits: Limits, h: u8) -> bool {
        let stricter = f64::from(16 + (h & 7)) / 16.0;
        let allowed = f64::from(limits.leverage_percent_max) / 100.0 * self.squares;
        let unexplained = self.squares > 0.0 && self.squares >= Self::UNEXPLAINED_MIN * self.own_squares;
        // In this form so that what is no number is refused.
        !(unexplained && self.largest_square * stricter <= allowed)
    }
}

/// A model that may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Whether its constant may be, too.
    pub constant: bool,
}

/// Why a model is not shown. Rests on perturbed counts and keyed thresholds; never carries a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// As many coefficients as groups. Public: it follows from the model's form.
    #[error("[model-saturated] rule 9: the model is a table of means; ask for the means by group instead")]
    Saturated,
    /// Few residual degrees of freedom.
    #[error("[model-degrees-of-freedom] rule 9: too few units for so many coefficients; use fewer columns")]
    DegreesOfFreedom,
    /// Few units with a dummy, or few without it.
    #[error(
        "[model-few-units] rule 9: few units have one of the dummies, or lack it; use coarser categories"
    )]
    FewUnits,
    /// One unit has too much of a coefficient, or columns explain each other.
    #[error(
        "[model-leverage] rule 9: a coefficient rests on one unit, or columns explain each other; use coarser columns, or \
         fewer"
    )]
    Leverage,
    /// Nothing is left unexplained.
    #[error(
        "[model-perfect-fit] rule 9: the model explains nearly everything; leave out what the outcome is made of"
    )]
    PerfectFit,
}

impl Refusal {
    /// Stable code for programs.
    pub fn code(self) -> &'static str {
        match self {
            Self::Saturated => "model-saturated",
            Self::DegreesOfFreedom => "model-degrees-of-freedom",
            Self::FewUnits => "model-few-units",
            Self::Leverage => "model-leverage",
            Self::PerfectFit => "model-perfect-fit",
        }
    }
}

/// Judges a fitted model.
///
/// What follows from its form alone comes first, then what rests on counts, then on values: a refusal says no more than it must.
///
/// # Errors
/// [`Refusal`], the first that holds.
pub fn judge(limits: Limits, evidence: &Evidence) -> Result<Shown, Refusal> {
    if is_saturated(evidence) {
        return Err(Refusal::Saturated);
    }
    let least = coefficients(evidence).saturating_add(u64::from(limits.residual_df_min));
    if evidence.units < least {
        return Err(Refusal::DegreesOfFreedom);
    }
    let few = |count: u64| count < u64::from(limits.units_min);
    if evidence.dummies.iter().any(|dummy| few(dummy.ones) || few(dummy.zeros)) {
        return Err(Refusal::FewUnits);
    }
    // A coefficient without evidence has none that could pass.
    let judged = evidence.leverages.len() as u64 + u64::from(evidence.constant);
    let too_large = |leverage: &Leverage| leverage.is_too_large(limits, evidence.h);
    if judged < coefficients(evidence) || evidence.leverages.iter().any(too_large) {
        return Err(Refusal::Leverage);
    }
    let unexplained = f64::from(limits.residual_permille_min) / 1000.0 * evidence.total_squares;
    // In this form so that what is no number is refused.
    let explains_less = evidence.residual_squares > 0.0 && evidence.residual_squares >= unexplained;
    if !explains_less {
        return Err(Refusal::PerfectFit);
    }
    let in_all = evidence.combinations.iter().all(|count| *count >= u64::from(limits.constant_units_min));
    Ok(Shown { constant: evidence.constant && in_all })
}

fn coefficients(evidence: &Evidence) -> u64 {
    evidence.dummies.len() as u64 + u64::from(evidence.numbers) + u64::from(evidence.constant)
}

fn is_saturated(evidence: &Evidence) -> bool {
    evidence.numbers == 0 && coefficients(evidence) >= evidence.combinations.len() as u64
}

#[cfg(test)]
mod tests;
