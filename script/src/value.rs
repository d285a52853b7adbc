//! The number that is summed in each cell of a question, with the public bounds that its form on shares needs.

use kobling_model::OwnerId;
use kobling_model::expression::Expression;
use kobling_model::plan::{Show, Side};
use kobling_model::value::{Coding, ValueColumn, bounds_and_centre};

use crate::ast::Name;
use crate::check::Checker;
use crate::diagnostic::Reported;
use crate::locality::single_owner;
use crate::problem::Problem;

/// A column whose numbers can be summed.
pub(crate) struct Number {
    name: String,
    owner: Option<OwnerId>,
    /// Over the script's sources.
    expression: Expression,
    coding: Coding,
}

impl Number {
    /// The column of this name, which must be a number with public bounds that are small enough.
    pub(crate) fn of(checker: &mut Checker<'_, '_, '_>, active: &str, name: &Name) -> Result<Self, Reported> {
        let (text, column) = checker.value_column(active, name, |name| Problem::KeyInTable { name })?;
        if column.lowered.is_text() {
            return Err(checker.report(name.span, Problem::TextSummarized { name: text }));
        }
        let owner = single_owner(&column.lowered, name.span, checker.reporter)?;
        let expression = column.lowered.expression;
        let Some((bounds, centre)) = bounds_and_centre(&expression, &checker.constants) else {
            return Err(checker.report(name.span, Problem::NoBounds { name: text }));
        };
        let Some(coding) = Coding::of(&bounds, centre) else {
            let bound = bounds.low.abs().max(bounds.high.abs());
            return Err(checker.report(name.span, Problem::BoundsTooLarge { name: text, bound }));
        };
        Ok(Self { name: text, owner, expression, coding })
    }

    /// What its owner computes.
    pub(crate) fn asked(&self) -> (Option<OwnerId>, Expression) {
        (self.owner.clone(), self.expression.clone())
    }

    /// How it stands in a table that shows this of it.
    pub(crate) fn column(self, side: Side, shows: &[Show]) -> ValueColumn {
        let squares = shows.contains(&Show::StandardDeviation);
        ValueColumn { name: self.name, side, coding: self.coding, squares }
    }
}
