//! The number that is summed in each cell of a question, with the public bounds that its form on shares needs.

use kobling_model::OwnerId;
use kobling_model::expression::Expression;
use kobling_model::plan::{Show, Side};
use kobling_model::value::{Summed, ValueColumn, ValuePart, bounds_and_centre};

use crate::ast::Name;
use crate::check::Checker;
use crate::diagnostic::Reported;
use crate::joint::owners;
use crate::limits::VALUE_PARTS_MAX;
use crate::linear::Linear;
use crate::locality::{Filter, columns};
use crate::lower::Owners;
use crate::problem::Problem;

/// A column whose numbers can be summed.
pub(crate) struct Number {
    name: String,
    /// What each owner computes, over the script's sources; constants have no owner.
    parts: Vec<(Option<OwnerId>, Expression)>,
    summed: Summed,
    /// Conditions under which it is not missing, beside those of its parts.
    conditions: Vec<Filter>,
}

impl Number {
    /// The column of this name, which must be a number with public bounds that are small enough.
    pub(crate) fn of(checker: &mut Checker<'_, '_, '_>, active: &str, name: &Name) -> Result<Self, Reported> {
        let (text, column) = checker.value_column(active, name, |name| Problem::KeyInTable { name })?;
        if column.lowered.is_text() {
            return Err(checker.report(name.span, Problem::TextSummarized { name: text }));
        }
        let (of_owners, expression) = (column.lowered.owners, column.lowered.expression);
        let (mut parts, mut conditions) = (Vec::new(), Vec::new());
        if of_owners.len() <= 1 {
            parts.push((of_owners.into_keys().next(), expression));
        } else {
            let linear = Linear::of(&checker.known, &expression);
            let linear = linear.filter(|linear| linear.parts.len() <= VALUE_PARTS_MAX);
            let Some(Linear { parts: several, conditions: when, .. }) = linear else {
                let columns = columns(&of_owners);
                return Err(checker.report(name.span, Problem::MixedOwners { columns }));
            };
            parts.extend(several.into_iter().map(|(owner, expression)| (Some(owner), expression)));
            for expression in when {
                let used = owners(&checker.known, &expression).into_iter();
                let named = |owner: &OwnerId| Some((owner.clone(), of_owners.get(owner)?.clone()));
                let owners: Owners = used.filter_map(named).collect();
                conditions.push(Filter { owners, size: expression.size(), expression });
            }
        }
        // What counts or adds up any number of rows has bounds in name only, until something bounds it again.
        let any_size = |source: &usize| checker.known[*source].of_any_size;
        let unbounded = |(_, expression): &(_, Expression)| {
            let width =
                bounds_and_centre(expression, &checker.constants).map(|(bounds, _)| bounds.high - bounds.low);
            expression.sources().iter().any(any_size)
                && width.is_some_and(|width| width >= f64::from(u32::MAX))
        };
        if parts.iter().any(unbounded) {
            return Err(checker.report(name.span, Problem::NoBounds { name: text }));
        }
        let bounded = parts.iter().map(|(_, expression)| bounds_and_centre(expression, &checker.constants));
        let Some(bounded) = bounded.collect::<Option<Vec<_>>>() else {
            return Err(checker.report(name.span, Problem::NoBounds { name: text }));
        };
        let Some(summed) = Summed::of(&bounded) else {
            let bounds = bounded.iter().map(|(bounds, _)| bounds.low.abs().max(bounds.high.abs()));
            let bound = bounds.fold(0.0, f64::max);
            return Err(checker.report(name.span, Problem::BoundsTooLarge { name: text, bound }));
        };
        Ok(Self { name: text, parts, summed, conditions })
    }

    /// What its owners compute.
    pub(crate) fn asked(&self) -> Vec<(Option<OwnerId>, Expression)> {
        self.parts.clone()
    }

    /// Conditions of a question, those of this number among them.
    pub(crate) fn filters(&self, of_question: &[Filter]) -> Vec<Filter> {
        of_question.iter().chain(&self.conditions).cloned().collect()
    }

    /// How it stands in a table that shows this of it, its parts on these sides.
    pub(crate) fn column(self, sides: &[Side], shows: &[Show]) -> ValueColumn {
        let squares = shows.contains(&Show::StandardDeviation);
        let part = |(side, coding): (&Side, _)| ValuePart { side: *side, coding };
        let Summed { coding, parts } = self.summed;
        let parts = sides.iter().zip(parts).map(part).collect();
        ValueColumn { name: self.name, parts, coding, squares }
    }
}
