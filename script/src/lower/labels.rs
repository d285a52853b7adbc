//! Functions of labels: `label_to_code(x, label)`, `inlabels(x, label…)` and `labelcontains(x, text)`.
//!
//! Labels are those of the variable's code list at its import date, and those that `assign-labels` gave it. They are looked up here, so
//! that an owner gets comparisons with codes and never a label. A label is matched to the letter.

use crate::ast::{Expr, ExprKind};
use crate::check::Column;
use crate::diagnostic::{Reported, Span};
use crate::domain::{Domain, Entry, shown};
use crate::fold;
use crate::near::nearest;
use crate::problem::Problem;

use super::{Lowered, Lowering, Value};

impl Lowering<'_, '_, '_> {
    pub(super) fn of_labels(
        &mut self,
        function: &str,
        arguments: &[Expr],
        span: Span,
    ) -> Result<Lowered, Reported> {
        let most = (function != "inlabels").then_some(2);
        self.count(function, 2, most, arguments.len(), span)?;
        let (of, labels) = arguments.split_first().expect("at least two arguments");
        let lowered = self.lower(of)?;
        let known = self.labels_of(function, of, &lowered)?;
        let wanted: Vec<_> = labels.iter().map(|label| self.label(function, label)).collect();
        let wanted = wanted.into_iter().collect::<Result<Vec<_>, _>>()?;
        let mut codes = Vec::new();
        for (wanted, argument) in wanted.iter().zip(labels) {
            codes.push(self.codes(function, wanted, &known, argument.span));
        }
        let codes = codes.into_iter().collect::<Result<Vec<_>, _>>()?.concat();
        if function == "label_to_code" {
            return match &codes[..] {
                [code] => Ok(code.clone()),
                _ => {
                    let codes = codes.iter().filter_map(|code| fold::constant(&code.expression).flatten());
                    let codes = codes.map(|code| shown(&code)).collect();
                    let label = wanted[0].clone();
                    Err(self.report(labels[0].span, Problem::SharedLabel { label, codes }))
                }
            };
        }
        self.among(&lowered, &codes, span)
    }

    /// The values of a variable that have labels.
    fn labels_of(&mut self, function: &str, of: &Expr, lowered: &Lowered) -> Result<Vec<Entry>, Reported> {
        let column = match &of.kind {
            ExprKind::Name(name) => self.dataset.column(name),
            _ => None,
        };
        let mut known = lowered.domain.as_deref().cloned().unwrap_or_default();
        // A list that was assigned may name values that the variable is not known to have.
        if let Some(Column::Value(value)) = column
            && let Some(assigned) = &value.labels
        {
            known = Domain::union(&known, assigned);
        }
        let known: Vec<_> = known.entries.into_iter().filter(|entry| entry.label.is_some()).collect();
        if known.is_empty() {
            return Err(self.report(of.span, Problem::NoLabels { function: function.to_owned() }));
        }
        Ok(known)
    }

    /// A label as written: a text, or a bare word.
    fn label(&mut self, function: &str, argument: &Expr) -> Result<String, Reported> {
        if let ExprKind::Name(word) = &argument.kind
            && self.dataset.column(word).is_none()
        {
            return Ok(word.clone());
        }
        let lowered = self.lower(argument)?;
        match fold::constant(&lowered.expression) {
            Some(Some(Value::Text(label))) => Ok(label),
            _ => Err(self.report(argument.span, Problem::NotALabel { function: function.to_owned() })),
        }
    }

    /// The values with a label, or with one that contains the text; at least one.
    fn codes(
        &mut self,
        function: &str,
        wanted: &str,
        known: &[Entry],
        span: Span,
    ) -> Result<Vec<Lowered>, Reported> {
        let part = function == "labelcontains";
        let labels = || known.iter().filter_map(|entry| entry.label.as_deref());
        let fits = |entry: &&Entry| {
            let label = entry.label.as_deref().unwrap_or_default();
            if part { label.contains(wanted) } else { label == wanted }
        };
        let codes: Vec<_> =
            known.iter().filter(fits).map(|entry| Lowered::constant(entry.value.clone())).collect();
        if codes.is_empty() {
            let near = nearest(wanted, labels());
            return Err(self.report(span, Problem::UnknownLabel { label: wanted.to_owned(), near, part }));
        }
        Ok(codes)
    }
}
