//! Who computes what: conditions split by owner, and questions cut into one fragment for each owner.

use std::collections::{BTreeMap, BTreeSet};

use kobling_model::OwnerId;
use kobling_model::expression::{BinaryOperator, Expression};
use kobling_model::plan::{Dimension, Fragment, Side, Source};

use crate::ast::{Expr, ExprKind};
use crate::diagnostic::{Reported, Reporter, Span};
use crate::lower::Lowered;
use crate::problem::{Problem, Situation};

/// A condition that one owner checks; those without an owner go to the population's.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    pub(crate) owner: Option<OwnerId>,
    /// Over the script's sources.
    pub(crate) expression: Expression,
    pub(crate) size: usize,
}

/// The terms of `a & b & c`.
pub(crate) fn conjunction(condition: &Expr) -> Vec<&Expr> {
    terms(condition, BinaryOperator::And)
}

/// The terms of `a | b | c`: whoever drops units where any holds keeps those where none does.
pub(crate) fn disjunction(condition: &Expr) -> Vec<&Expr> {
    terms(condition, BinaryOperator::Or)
}

fn terms(condition: &Expr, joined_by: BinaryOperator) -> Vec<&Expr> {
    let (mut open, mut terms) = (vec![condition], Vec::new());
    while let Some(expr) = open.pop() {
        match &expr.kind {
            ExprKind::Binary(operator, left, right) if *operator == joined_by => {
                open.push(right);
                open.push(left);
            }
            _ => terms.push(expr),
        }
    }
    terms
}

/// The one owner of an expression, or none for a constant.
pub(crate) fn single_owner(
    lowered: &Lowered,
    span: Span,
    situation: Situation,
    reporter: &mut Reporter<'_>,
) -> Result<Option<OwnerId>, Reported> {
    if lowered.owners.len() > 1 {
        let columns = lowered.owners.iter().map(|(owner, name)| (name.clone(), owner.clone())).collect();
        return Err(reporter.report(span, Problem::MixedOwners { columns, situation }));
    }
    Ok(lowered.owners.keys().next().cloned())
}

/// The unit set of a dataset: the rows of its first import.
#[derive(Clone, Debug)]
pub(crate) struct Population {
    pub(crate) owner: OwnerId,
    /// Index among the script's sources.
    pub(crate) source: usize,
}

/// What a question asks of its owners besides filters; constants have no owner.
#[derive(Default)]
pub(crate) struct Asked {
    pub(crate) dimensions: Vec<(Option<OwnerId>, Dimension)>,
    /// The number summed in each cell.
    pub(crate) value: Option<(Option<OwnerId>, Expression)>,
}

/// The two sides of a question.
pub(crate) struct Sides {
    pub(crate) left: Fragment,
    pub(crate) right: Option<Fragment>,
    /// Where each dimension went, in the order given.
    pub(crate) places: Vec<(Side, usize)>,
    /// Where the value went; left where there is none.
    pub(crate) value: Side,
}

/// Puts every filter and dimension, and the value, on its owner's side.
///
/// # Errors
/// The owners involved, where there are more than two.
pub(crate) fn sides(
    sources: &[(OwnerId, Source)],
    population: &Population,
    filters: &[Filter],
    Asked { dimensions, value }: Asked,
) -> Result<Sides, Vec<OwnerId>> {
    let of_filters = filters.iter().map(|filter| &filter.owner);
    let of_value = value.iter().map(|(owner, _)| owner);
    let of_dimensions = dimensions.iter().map(|(owner, _)| owner);
    let others: BTreeSet<&OwnerId> = (of_dimensions.chain(of_value).chain(of_filters))
        .flatten()
        .filter(|owner| **owner != population.owner)
        .collect();
    if others.len() > 1 {
        return Err(std::iter::once(&population.owner).chain(others).cloned().collect());
    }
    let mut left = Builder::new(sources, population.owner.clone());
    left.source(population.source);
    let mut right = others.into_iter().next().map(|owner| Builder::new(sources, owner.clone()));
    let mut places = Vec::with_capacity(dimensions.len());
    for filter in filters {
        let (_, builder) = side_of(&filter.owner, &mut left, &mut right);
        let expression = builder.bind(&filter.expression);
        builder.fragment.filters.push(expression);
    }
    for (owner, dimension) in dimensions {
        let (side, builder) = side_of(&owner, &mut left, &mut right);
        let expression = builder.bind(&dimension.expression);
        places.push((side, builder.fragment.dimensions.len()));
        builder.fragment.dimensions.push(Dimension { expression, ..dimension });
    }
    let mut of_value = Side::Left;
    if let Some((owner, expression)) = value {
        let (side, builder) = side_of(&owner, &mut left, &mut right);
        builder.fragment.value = Some(builder.bind(&expression));
        of_value = side;
    }
    Ok(Sides { left: left.fragment, right: right.map(|right| right.fragment), places, value: of_value })
}

/// The right side for what belongs to its owner, else the left.
fn side_of<'b, 'a>(
    owner: &Option<OwnerId>,
    left: &'b mut Builder<'a>,
    right: &'b mut Option<Builder<'a>>,
) -> (Side, &'b mut Builder<'a>) {
    match (right, owner) {
        (Some(right), Some(owner)) if *owner == right.fragment.owner => (Side::Right, right),
        _ => (Side::Left, left),
    }
}

/// Collects the sources that a fragment uses, in the order of first use.
struct Builder<'a> {
    all: &'a [(OwnerId, Source)],
    /// Where each of all sources that is used is in the fragment.
    used: BTreeMap<usize, usize>,
    fragment: Fragment,
}

impl<'a> Builder<'a> {
    fn new(all: &'a [(OwnerId, Source)], owner: OwnerId) -> Self {
        let fragment =
            Fragment { owner, sources: Vec::new(), filters: Vec::new(), dimensions: Vec::new(), value: None };
        Self { all, used: BTreeMap::new(), fragment }
    }

    fn source(&mut self, index: usize) -> usize {
        if let Some(place) = self.used.get(&index) {
            return *place;
        }
        let (owner, source) = &self.all[index];
        assert_eq!(*owner, self.fragment.owner, "an expression goes to the owner of its sources");
        let place = self.used.len();
        self.used.insert(index, place);
        self.fragment.sources.push(source.clone());
        place
    }

    /// The expression over the fragment's own sources.
    fn bind(&mut self, expression: &Expression) -> Expression {
        match expression {
            Expression::Source(index) => Expression::Source(self.source(*index)),
            Expression::Constant(value) => Expression::Constant(value.clone()),
            Expression::Missing(value_type) => Expression::Missing(*value_type),
            Expression::Negate(inner) => Expression::Negate(Box::new(self.bind(inner))),
            Expression::Not(inner) => Expression::Not(Box::new(self.bind(inner))),
            Expression::Binary(operator, left, right) => {
                let left = self.bind(left);
                Expression::Binary(*operator, Box::new(left), Box::new(self.bind(right)))
            }
            Expression::Call(function, arguments) => {
                Expression::Call(*function, arguments.iter().map(|argument| self.bind(argument)).collect())
            }
            Expression::Case { arms, otherwise } => {
                let arms = arms.iter().map(|(when, then)| (self.bind(when), self.bind(then))).collect();
                Expression::Case { arms, otherwise: Box::new(self.bind(otherwise)) }
            }
        }
    }
}
