//! Who computes what: conditions split by owner, and questions cut into one fragment for each owner.

use std::collections::BTreeMap;

use kobling_model::OwnerId;
use kobling_model::expression::{BinaryOperator, Expression};
use kobling_model::plan::{Dimension, Fragment, Side, Source};

use crate::ast::{Expr, ExprKind};
use crate::diagnostic::{Reported, Reporter, Span};
use crate::limits::{COLUMN_PAIRS_MAX, QUESTION_OWNERS_MAX};
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

/// The sides of a question.
pub(crate) struct Sides {
    pub(crate) left: Fragment,
    pub(crate) right: Option<Fragment>,
    pub(crate) others: Vec<Fragment>,
    /// Where each dimension went, in the order given.
    pub(crate) places: Vec<(Side, usize)>,
    /// Where the value went; left where there is none.
    pub(crate) value: Side,
}

impl Sides {
    /// All fragments with their sides.
    fn fragments(&self) -> impl Iterator<Item = (Side, &Fragment)> {
        let right = self.right.iter().map(|fragment| (Side::Right, fragment));
        let others = self.others.iter().enumerate().map(|(at, fragment)| (Side::Other(at), fragment));
        std::iter::once((Side::Left, &self.left)).chain(right).chain(others)
    }

    /// Pairs of a column of left's and one of right's that are multiplied in every row, at most. Without further owners,
    /// what bounds cells bounds these.
    fn pairs(&self) -> usize {
        let of_others = self.others.iter().map(|fragment| fragment.categories().saturating_add(1));
        let shared = of_others.fold(1, usize::saturating_mul);
        let columns = |side: Side, keys: usize| {
            let shared_value = matches!(self.value, Side::Other(_));
            let values =
                if self.has_value() && (self.value == side || shared_value) { VALUE_COLUMNS } else { 0 };
            let fragment =
                self.fragments().find(|(of, _)| *of == side).map_or(1, |(_, fragment)| fragment.categories());
            fragment.saturating_mul(1 + keys + values).saturating_mul(shared)
        };
        columns(Side::Left, RECORD_KEY_COLUMNS).saturating_mul(columns(Side::Right, 0))
    }

    fn has_value(&self) -> bool {
        self.fragments().any(|(_, fragment)| fragment.value.is_some())
    }
}

/// Columns that a category has for record keys, beside its own.
const RECORD_KEY_COLUMNS: usize = 3;
/// Columns that a category has for a number, at most.
const VALUE_COLUMNS: usize = 24;

/// Why a question cannot be cut into sides.
pub(crate) enum NoSides {
    /// More owners than can take part.
    Owners(Vec<OwnerId>),
    /// Too many columns once those of further owners are multiplied out.
    Combinations(Vec<OwnerId>),
}

/// Puts every filter and dimension, and the value, on its owner's side.
///
/// The second worker is the owner with most categories after the population's: what it has travels once, what others have
/// multiplies it. Who that is follows from the script alone.
pub(crate) fn sides(
    sources: &[(OwnerId, Source)],
    population: &Population,
    filters: &[Filter],
    Asked { dimensions, value }: Asked,
) -> Result<Sides, NoSides> {
    let mut categories: BTreeMap<&OwnerId, usize> = BTreeMap::new();
    let of_filters = filters.iter().map(|filter| (&filter.owner, 1));
    let of_value = value.iter().map(|(owner, _)| (owner, 1));
    let of_dimensions = dimensions.iter().map(|(owner, dimension)| (owner, dimension.categories.len()));
    for (owner, count) in of_dimensions.chain(of_value).chain(of_filters) {
        if let Some(owner) = owner.as_ref().filter(|owner| **owner != population.owner) {
            let categories = categories.entry(owner).or_insert(1);
            *categories = categories.saturating_mul(count);
        }
    }
    let involved = || std::iter::once(&population.owner).chain(categories.keys().copied()).cloned().collect();
    if categories.len() >= QUESTION_OWNERS_MAX {
        return Err(NoSides::Owners(involved()));
    }
    // Of those with as many categories the first by name.
    let right = categories.iter().rev().max_by_key(|(_, categories)| **categories).map(|(owner, _)| *owner);
    let others = categories.keys().copied().filter(|owner| Some(*owner) != right);
    let builder = |owner: &OwnerId| Builder::new(sources, owner.clone());
    let mut left = builder(&population.owner);
    left.source(population.source);
    let places: Vec<Side> = std::iter::once(Side::Left)
        .chain(right.map(|_| Side::Right))
        .chain((0..categories.len().saturating_sub(1)).map(Side::Other))
        .collect();
    let mut builders: Vec<Builder<'_>> =
        std::iter::once(left).chain(right.map(builder)).chain(others.map(builder)).collect();
    // What has no owner goes to the population's.
    let place = |builders: &[Builder<'_>], owner: &Option<OwnerId>| {
        let at = owner.as_ref().and_then(|owner| builders.iter().position(|b| b.fragment.owner == *owner));
        at.unwrap_or(0)
    };
    for filter in filters {
        let at = place(&builders, &filter.owner);
        let expression = builders[at].bind(&filter.expression);
        builders[at].fragment.filters.push(expression);
    }
    let mut of_dimensions = Vec::with_capacity(dimensions.len());
    for (owner, dimension) in &dimensions {
        let at = place(&builders, owner);
        let expression = builders[at].bind(&dimension.expression);
        of_dimensions.push((places[at], builders[at].fragment.dimensions.len()));
        builders[at].fragment.dimensions.push(Dimension { expression, ..dimension.clone() });
    }
    let mut of_value = Side::Left;
    if let Some((owner, expression)) = &value {
        let at = place(&builders, owner);
        builders[at].fragment.value = Some(builders[at].bind(expression));
        of_value = places[at];
    }
    let mut fragments = builders.into_iter().map(|builder| builder.fragment);
    let left = fragments.next().expect("the population's owner");
    let right = fragments.next();
    let sides = Sides { left, right, others: fragments.collect(), places: of_dimensions, value: of_value };
    if !sides.others.is_empty() && sides.pairs() > COLUMN_PAIRS_MAX {
        return Err(NoSides::Combinations(involved()));
    }
    Ok(sides)
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
