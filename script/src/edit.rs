//! Rule 6: what a script asks of an edit before it is carried out, and what an edit that is not carried out leaves behind.
//!
//! A keep or drop with a condition, and a replace, generate or recode that does not meet everybody whatever the data are,
//! asks one question: how many units it touches, and how many not. The plan is made with the outcomes of earlier edits. One
//! that is not carried out adds no filter, or leaves an expression in which its condition never holds: types, owners of
//! values, categories and bounds are those that it would have had, so that nothing later in the script is faulty
//! because of an outcome, and a script asks the same questions whatever the outcomes.

use std::collections::BTreeMap;

use kobling_model::OwnerId;
use kobling_model::expression::{BinaryOperator, Expression, Value};
use kobling_model::plan::{Category, Dimension, Edit, QuestionKind, Rest};
use kobling_model::preparation::{By, Key, Statistic};

use crate::ast::Statement;
use crate::check::{Checker, Dataset, RowsAre};
use crate::diagnostic::Reported;
use crate::fold;
use crate::limits::EXPRESSION_LEVELS_MAX;
use crate::locality::{Asked, Filter, Sides};
use crate::lower::{Lowered, Owners, levels_of};
use crate::prepare::Measured;
use crate::problem::Problem;

/// The outcomes of a script's edits.
pub(crate) struct Edits {
    /// Those that are known, in script order.
    outcomes: Vec<bool>,
    asked: usize,
}

impl Edits {
    pub(crate) fn new(outcomes: &[bool]) -> Self {
        Self { outcomes: outcomes.to_vec(), asked: 0 }
    }

    /// Whether the next edit counts as carried out.
    fn next(&mut self) -> bool {
        let carried_out = self.outcomes.get(self.asked).copied().unwrap_or(true);
        self.asked += 1;
        carried_out
    }

    /// How many there have been so far.
    pub(crate) fn asked(&self) -> usize {
        self.asked
    }

    /// The outcomes that the plan was made with; none where it has no such edits.
    pub(crate) fn into_outcomes(self) -> Option<Vec<bool>> {
        (self.outcomes.len() <= self.asked).then_some(self.outcomes)
    }
}

/// The units that an edit touches: those of which the expression holds.
pub(crate) struct Touched {
    owners: Owners,
    expression: Expression,
}

impl Touched {
    /// Those of which a condition holds; none where that is so of everybody or nobody whatever the data are.
    pub(crate) fn by(condition: &Lowered) -> Option<Self> {
        let open = fold::constant(&condition.expression).is_none();
        open.then(|| Self { owners: condition.owners.clone(), expression: condition.expression.clone() })
    }

    /// Those that do not meet all filters. What one owner can say by itself is one truth value of its own.
    pub(crate) fn going(filters: &[Filter]) -> Self {
        let mut of_owners: BTreeMap<Vec<&OwnerId>, Vec<Expression>> = BTreeMap::new();
        for filter in filters {
            of_owners.entry(filter.owners.keys().collect()).or_default().push(filter.expression.clone());
        }
        let fails = |filters| Expression::Not(Box::new(joined(BinaryOperator::And, filters)));
        let expression = joined(BinaryOperator::Or, of_owners.into_values().map(fails).collect());
        Self { owners: filters.iter().flat_map(|filter| filter.owners.clone()).collect(), expression }
    }

    /// 1 for those touched, 0 for everybody else.
    fn dimension(self) -> (Owners, Dimension) {
        let constant = |number: f64| Expression::Constant(Value::Number(number));
        let category = |number: f64| Category { value: Some(Value::Number(number)), label: String::new() };
        let expression = Expression::Case {
            arms: vec![(self.expression, constant(1.0))],
            otherwise: Box::new(constant(0.0)),
        };
        let categories = vec![category(1.0), category(0.0)];
        (self.owners, Dimension { name: String::new(), expression, categories })
    }
}

/// `operator` over all terms, of which there is one at least, as a balanced tree.
pub(crate) fn joined(operator: BinaryOperator, mut terms: Vec<Expression>) -> Expression {
    while terms.len() > 1 {
        let mut rest = std::mem::take(&mut terms).into_iter();
        while let Some(left) = rest.next() {
            terms.push(match rest.next() {
                Some(right) => Expression::Binary(operator, Box::new(left), Box::new(right)),
                None => left,
            });
        }
    }
    terms.pop().expect("one term at least")
}

impl Checker<'_, '_, '_> {
    /// Asks whether an edit of the dataset is carried out, and says what the plan is made with.
    pub(crate) fn ask_edit(
        &mut self,
        active: &str,
        touched: Touched,
        rest: Rest,
        statement: &Statement,
    ) -> Result<bool, Reported> {
        match &self.datasets[active].rows {
            RowsAre::Units | RowsAre::Panel(_) => {
                let units = self.datasets[active].rows_only();
                self.ask_edit_of(&units, active, touched, rest, statement)
            }
            RowsAre::Spells(_) => self.ask_edit_of_spells(active, touched, rest, statement),
            // Nothing is shown of groups, and nobody asks how many units are behind one.
            RowsAre::Groups(_) => Ok(true),
        }
    }

    fn ask_edit_of(
        &mut self,
        units: &Dataset,
        active: &str,
        touched: Touched,
        rest: Rest,
        statement: &Statement,
    ) -> Result<bool, Reported> {
        let (owners, dimension) = touched.dimension();
        if levels_of(&dimension.expression) > EXPRESSION_LEVELS_MAX {
            return Err(self.report(statement.span, Problem::ExpressionTooLarge));
        }
        let asked = Asked { dimensions: vec![(owners, dimension)], value: Vec::new() };
        let dataset = active.to_owned();
        let kind = |sides: &Sides| QuestionKind::Edit(Edit { dataset, touched: sides.places[0], rest });
        // Whether it is asked or faulty, an outcome is an edit's by its place among them.
        let carried_out = self.edits.next();
        self.ask_of(units, &[], asked, kind, statement)?;
        Ok(carried_out)
    }

    /// Of spells, units are judged that have a spell which the edit touches, and units that have another: neither may be few. Rows of
    /// which several owners decide can never be collapsed, and are not asked about.
    fn ask_edit_of_spells(
        &mut self,
        active: &str,
        touched: Touched,
        rest: Rest,
        statement: &Statement,
    ) -> Result<bool, Reported> {
        let dataset = &self.datasets[active];
        let mut owners = touched.owners.clone();
        owners.extend(dataset.filters.iter().flat_map(|filter| filter.owners.clone()));
        owners.extend(dataset.population.iter().map(|population| (population.owner.clone(), String::new())));
        if owners.len() > 1 {
            return Ok(true);
        }
        let word = statement.text.split_whitespace().next().unwrap_or_default().to_owned();
        let units = self.units_left(active, &word, statement.span)?;
        let (owners, dimension) = touched.dimension();
        let (size, expression) = (dimension.expression.size(), dimension.expression);
        let touches = Lowered::of_filter(&Filter { owners, expression, size });
        let (others, rest) = (touches.clone().not(), rest != Rest::Nothing);
        let mut carried_out = true;
        for rows in std::iter::once(touches).chain(rest.then_some(others)) {
            let measured = [Measured::new(Statistic::Max, rows)];
            let owners = measured[0].value.owners.clone();
            let table = self.prepare(active, &[By::Unit], owners, &measured, &word, statement.span)?;
            let any = self.prepared(&table, 0, &measured[0], Key::Unit, "");
            let touched = Touched { owners: any.owners, expression: any.expression };
            carried_out &= self.ask_edit_of(&units, active, touched, Rest::Nothing, statement)?;
        }
        Ok(carried_out)
    }
}
