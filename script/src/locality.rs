//! Who computes what: conditions split by owner, and questions cut into one fragment for each owner.

use std::collections::BTreeMap;

use kobling_model::OwnerId;
use kobling_model::expression::{BinaryOperator, Expression, Value};
use kobling_model::joint::{Input, Joint, Sum, WholeNumber};
use kobling_model::plan::{Category, Dimension, Fragment, Place, Side};

use crate::ast::{Expr, ExprKind};
use crate::joint::{self, JointColumn, JointInput, Known, Obstacle, Summand};
use crate::limits::{
    COLUMN_PAIRS_MAX, JOINED_COLUMNS_MAX, JOINT_COMBINATIONS_MAX, QUESTION_FACTORS_MAX, QUESTION_OWNERS_MAX,
};
use crate::lower::Owners;
use crate::made::{Binder, Made, Shelf};

/// A condition. Those without an owner go to the population's; those over several are computed on shares.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    pub(crate) owners: Owners,
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

/// A column of each owner, for messages.
pub(crate) fn columns(owners: &Owners) -> Vec<(String, OwnerId)> {
    owners.iter().map(|(owner, name)| (name.clone(), owner.clone())).collect()
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
    pub(crate) dimensions: Vec<(Owners, Dimension)>,
    /// The number summed in each cell: what each owner adds to it.
    pub(crate) value: Vec<(Option<OwnerId>, Expression)>,
}

/// The sides of a question, and what is between them.
pub(crate) struct Sides {
    pub(crate) left: Fragment,
    pub(crate) right: Option<Fragment>,
    pub(crate) others: Vec<Fragment>,
    pub(crate) sums: Vec<Sum>,
    pub(crate) joints: Vec<Joint>,
    pub(crate) conditions: Vec<Joint>,
    /// How many of the conditions, the last, are the question's alone.
    pub(crate) conditions_of_question: usize,
    /// Where each dimension went, in the order given.
    pub(crate) places: Vec<Place>,
    /// Where each part of the value went.
    pub(crate) value: Vec<Side>,
}

/// Columns that a category has for record keys, beside its own.
const RECORD_KEY_COLUMNS: usize = 3;
/// Columns that a category has for a number of one owner's, at most.
const VALUE_COLUMNS: usize = 24;
/// Sums that a category has for the product of two owners' numbers.
const CROSSES: usize = 9;

impl Sides {
    /// All fragments with their sides.
    fn fragments(&self) -> impl Iterator<Item = (Side, &Fragment)> {
        let right = self.right.iter().map(|fragment| (Side::Right, fragment));
        let others = self.others.iter().enumerate().map(|(at, fragment)| (Side::Other(at), fragment));
        std::iter::once((Side::Left, &self.left)).chain(right).chain(others)
    }

    /// Combinations of all owners' categories and classes of sums.
    fn combinations(&self) -> usize {
        let of_owners = self.fragments().map(|(_, fragment)| fragment.categories());
        of_owners.chain(self.sums.iter().map(Sum::categories)).fold(1, usize::saturating_mul)
    }

    /// Pairs of a column of left's and one of right's that are multiplied in every row, at most. Without further owners,
    /// what bounds cells bounds these.
    fn pairs(&self) -> usize {
        let others = self.others.iter().filter(|fragment| !fragment.is_everyone());
        let shared =
            others.map(|fragment| fragment.categories().saturating_add(1)).fold(1, usize::saturating_mul);
        let columns = |side: Side, keys: usize| {
            let values = self.value.iter().filter(|of| **of == side || matches!(of, Side::Other(_)));
            let values = VALUE_COLUMNS * values.count();
            let fragment = self.fragments().find(|(of, _)| *of == side);
            let categories = fragment.map_or(1, |(_, fragment)| fragment.categories());
            categories.saturating_mul(1 + keys + values).saturating_mul(shared)
        };
        columns(Side::Left, RECORD_KEY_COLUMNS).saturating_mul(columns(Side::Right, 0))
    }

    /// Further owners with a part in the product, and sums.
    fn factors(&self) -> usize {
        self.others.iter().filter(|fragment| !fragment.is_everyone()).count() + self.sums.len()
    }

    /// Columns that a row has at most before the widest factor is joined to the others.
    fn joined_columns(&self) -> usize {
        let others = self.others.iter().map(Fragment::categories);
        let widest = others.chain(self.sums.iter().map(Sum::categories)).max().unwrap_or(1).max(1);
        let parts = self.value.len();
        let heads =
            1 + RECORD_KEY_COLUMNS + VALUE_COLUMNS * parts + CROSSES * parts * parts.saturating_sub(1) / 2;
        self.combinations().div_ceil(widest).saturating_mul(heads)
    }

    /// Whether columns are joined row by row: classes are, and so are two owners' numbers that are not left's and right's.
    fn is_joined(&self) -> bool {
        let shared = self.value.iter().any(|side| matches!(side, Side::Other(_)));
        !self.sums.is_empty() || self.value.len() > 1 && shared
    }
}

/// Why a question cannot be cut into sides.
pub(crate) enum NoSides {
    /// More owners than can take part.
    Owners(Vec<OwnerId>),
    /// Too many columns once those of further owners are multiplied out, or too many combinations.
    Combinations(Vec<OwnerId>),
    /// A column over several owners that cannot be computed, with a column of each.
    NotAcross(Vec<(String, OwnerId)>, Obstacle),
}

/// Filters by whose they are.
#[derive(Clone, Copy)]
pub(crate) struct Filters<'a> {
    pub(crate) of_dataset: &'a [Filter],
    pub(crate) of_question: &'a [Filter],
}

impl<'a> Filters<'a> {
    /// All of them, those of the dataset first, and whether each is the question's alone.
    fn all(self) -> impl Iterator<Item = (&'a Filter, bool)> {
        let of_question = self.of_question.iter().map(|filter| (filter, true));
        self.of_dataset.iter().map(|filter| (filter, false)).chain(of_question)
    }
}

/// Puts every filter and dimension, and the value, on its owner's side, and takes apart what several owners have together.
///
/// The second worker is the owner with most categories after the population's: what it has travels once, what others have
/// multiplies it. Where several owners' numbers add up to the value it is one of these. Who that is follows from the script alone.
pub(crate) fn sides(
    known: &[Known],
    made: &Made,
    population: &Population,
    filters: Filters<'_>,
    Asked { dimensions, value }: Asked,
    work: &mut usize,
) -> Result<Sides, NoSides> {
    // What several owners have together: conditions, then dimensions.
    let of_several = |owners: &Owners| owners.len() > 1;
    let (of_several_owners, of_one): (Vec<(&Filter, bool)>, Vec<_>) =
        filters.all().partition(|(filter, _)| of_several(&filter.owners));
    let conditions_of_question = of_several_owners.iter().filter(|(_, of_question)| *of_question).count();
    let conditions: Vec<&Filter> = of_several_owners.into_iter().map(|(filter, _)| filter).collect();
    let joints: Vec<&(Owners, Dimension)> =
        dimensions.iter().filter(|(owners, _)| of_several(owners)).collect();
    // A condition holds where it is any number but 0.
    let truths: Vec<Expression> =
        conditions.iter().map(|filter| negated(&negated(&filter.expression))).collect();
    let holds = || vec![Category { value: Some(Value::Number(1.0)), label: String::new() }];
    let of_conditions = truths.iter().map(|truth| (truth, holds()));
    let of_joints = joints.iter().map(|(_, dimension)| (&dimension.expression, dimension.categories.clone()));
    let compiled = joint::compile(known, &of_conditions.chain(of_joints).collect::<Vec<_>>(), work);
    let compiled = compiled.map_err(|(at, obstacle)| {
        let owners =
            conditions.iter().map(|filter| &filter.owners).chain(joints.iter().map(|(owners, _)| owners));
        let owners = owners.into_iter().nth(at).map(columns).unwrap_or_default();
        NoSides::NotAcross(owners, obstacle)
    })?;

    // Who takes part, with how many categories.
    let mut categories: BTreeMap<&OwnerId, usize> = BTreeMap::new();
    let mut counts = |owner: Option<&'_ OwnerId>, count: usize| {
        let owner = owner.and_then(|owner| all_owners(made).find(|known| *known == owner));
        if let Some(owner) = owner.filter(|owner| **owner != population.owner) {
            let categories = categories.entry(owner).or_insert(1);
            *categories = categories.saturating_mul(count);
        }
    };
    for (filter, _) in &of_one {
        counts(filter.owners.keys().next(), 1);
    }
    for (owners, dimension) in dimensions.iter().filter(|(owners, _)| !of_several(owners)) {
        counts(owners.keys().next(), dimension.categories.len());
    }
    value.iter().for_each(|(owner, _)| counts(owner.as_ref(), 1));
    for input in compiled.columns.iter().flat_map(|column| &column.inputs) {
        if let JointInput::Own(owner, dimension) = input {
            counts(Some(owner), dimension.categories.len());
        }
    }
    for (summands, _) in &compiled.sums {
        summands.iter().for_each(|summand| counts(Some(&summand.owner), 1));
    }
    let involved = || std::iter::once(&population.owner).chain(categories.keys().copied()).cloned().collect();
    if categories.len() >= QUESTION_OWNERS_MAX {
        return Err(NoSides::Owners(involved()));
    }
    // Numbers that add up are multiplied with each other: best at the workers. Of those with as many categories the first by name.
    let adds_up = |owner: &OwnerId| value.len() > 1 && value.iter().any(|(of, _)| of.as_ref() == Some(owner));
    let right = categories.iter().rev().max_by_key(|(owner, categories)| (adds_up(owner), **categories));
    let right = right.map(|(owner, _)| *owner);
    let others = categories.keys().copied().filter(|owner| Some(*owner) != right);
    let mut workshop = Workshop::new(made, &population.owner, right, others);
    workshop.builders[0].source(population.source);

    for (filter, of_question) in of_one {
        let builder = workshop.of(filter.owners.keys().next());
        let expression = builder.bind(&filter.expression);
        builder.fragment.filters.push(expression);
        builder.fragment.filters_of_question += usize::from(of_question);
    }
    let mut places = Vec::with_capacity(dimensions.len());
    let mut next_joint = 0..;
    for (owners, dimension) in &dimensions {
        places.push(if of_several(owners) {
            Place::Joint(next_joint.next().expect("endless"))
        } else {
            let (side, dimension) = workshop.dimension(owners.keys().next(), dimension, false);
            Place::Own { side, dimension }
        });
    }
    let mut of_value = Vec::with_capacity(value.len());
    for (owner, expression) in &value {
        of_value.push(workshop.side(owner.as_ref()));
        let builder = workshop.of(owner.as_ref());
        builder.fragment.value = Some(builder.bind(expression));
    }
    let sums = compiled.sums.into_iter().map(|(summands, sum)| workshop.sum(summands, sum)).collect();
    let names = conditions.iter().map(|_| String::new());
    let names = names.chain(joints.iter().map(|(_, dimension)| dimension.name.clone()));
    let all = compiled.columns.into_iter().zip(names).map(|(column, name)| workshop.joint(column, name));
    let mut conditions_and_joints: Vec<Joint> = all.collect();
    let joints = conditions_and_joints.split_off(conditions.len());

    let mut fragments = workshop.builders.into_iter().map(Builder::finish);
    let left = fragments.next().expect("the population's owner");
    let right = fragments.next();
    let others = fragments.collect();
    let conditions = conditions_and_joints;
    let value = of_value;
    let sides =
        Sides { left, right, others, sums, joints, conditions, conditions_of_question, places, value };
    let too_many = sides.conditions.len() + sides.joints.len() > 0
        && sides.combinations() > JOINT_COMBINATIONS_MAX
        || sides.factors() > QUESTION_FACTORS_MAX
        || if sides.is_joined() {
            sides.joined_columns() > JOINED_COLUMNS_MAX
        } else {
            !sides.others.is_empty() && sides.pairs() > COLUMN_PAIRS_MAX
        };
    if too_many { Err(NoSides::Combinations(involved())) } else { Ok(sides) }
}

fn negated(expression: &Expression) -> Expression {
    Expression::Not(Box::new(expression.clone()))
}

fn all_owners(made: &Made) -> impl Iterator<Item = &OwnerId> {
    made.sources.iter().map(|(owner, _)| owner)
}

/// All fragments of a question while they are put together: left, right, others.
struct Workshop<'a> {
    builders: Vec<Builder<'a>>,
    sides: Vec<Side>,
}

impl<'a> Workshop<'a> {
    fn new<'o>(
        made: &'a Made,
        left: &'o OwnerId,
        right: Option<&'o OwnerId>,
        others: impl Iterator<Item = &'o OwnerId>,
    ) -> Self {
        let owners: Vec<&OwnerId> = std::iter::once(left).chain(right).chain(others).collect();
        let builders = owners.iter().map(|owner| Builder::new(made, OwnerId::clone(owner))).collect();
        let sides = [Side::Left, Side::Right].into_iter().chain((0..).map(Side::Other));
        Self { builders, sides: sides.take(owners.len()).collect() }
    }

    /// What has no owner goes to the population's.
    fn place(&self, owner: Option<&OwnerId>) -> usize {
        let place =
            |owner: &OwnerId| self.builders.iter().position(|builder| builder.fragment.owner == *owner);
        owner.and_then(place).unwrap_or(0)
    }

    fn side(&self, owner: Option<&OwnerId>) -> Side {
        self.sides[self.place(owner)]
    }

    fn of(&mut self, owner: Option<&OwnerId>) -> &mut Builder<'a> {
        let place = self.place(owner);
        &mut self.builders[place]
    }

    /// Where a dimension is in its owner's fragment; `again` takes one that has the same categories already.
    fn dimension(&mut self, owner: Option<&OwnerId>, dimension: &Dimension, again: bool) -> (Side, usize) {
        let side = self.side(owner);
        let builder = self.of(owner);
        let expression = builder.bind(&dimension.expression);
        let same = |known: &Dimension| {
            let values = |of: &Dimension| {
                of.categories.iter().map(|category| category.value.clone()).collect::<Vec<_>>()
            };
            known.expression == expression && values(known) == values(dimension)
        };
        let known = builder.fragment.dimensions.iter().position(|known| again && same(known));
        let place = known.unwrap_or_else(|| {
            builder.fragment.dimensions.push(Dimension { expression, ..dimension.clone() });
            builder.fragment.dimensions.len() - 1
        });
        (side, place)
    }

    fn sum(&mut self, summands: Vec<Summand>, sum: Sum) -> Sum {
        let number = |summand: Summand| {
            let side = self.side(Some(&summand.owner));
            let builder = self.of(Some(&summand.owner));
            let expression = builder.bind(&summand.expression);
            builder.fragment.numbers.push(WholeNumber { expression, low: summand.low, high: summand.high });
            (side, builder.fragment.numbers.len() - 1)
        };
        Sum { summands: summands.into_iter().map(number).collect(), ..sum }
    }

    fn joint(&mut self, column: JointColumn, name: String) -> Joint {
        let input = |input: JointInput| match input {
            JointInput::Sum(at) => Input::Sum(at),
            JointInput::Own(owner, dimension) => {
                let (side, dimension) = self.dimension(Some(&owner), &dimension, true);
                Input::Dimension { side, dimension }
            }
        };
        let inputs = column.inputs.into_iter().map(input).collect();
        let JointColumn { expression, categories, category_of, .. } = column;
        Joint { name, inputs, expression, categories, category_of }
    }
}

/// A fragment while it is put together.
struct Builder<'a> {
    fragment: Fragment,
    binder: Binder<'a>,
    shelf: Shelf,
}

impl<'a> Builder<'a> {
    fn new(made: &'a Made, owner: OwnerId) -> Self {
        let fragment = Fragment {
            owner: owner.clone(),
            preparations: vec![],
            sources: vec![],
            filters: vec![],
            filters_of_question: 0,
            dimensions: vec![],
            value: None,
            numbers: vec![],
        };
        Self { fragment, binder: Binder::new(made, owner), shelf: Shelf::default() }
    }

    fn source(&mut self, index: usize) -> usize {
        self.binder.source(index, &mut self.shelf)
    }

    /// The expression over the fragment's own sources.
    fn bind(&mut self, expression: &Expression) -> Expression {
        self.binder.bind(expression, &mut self.shelf)
    }

    fn finish(self) -> Fragment {
        Fragment { preparations: self.shelf.preparations, sources: self.binder.columns, ..self.fragment }
    }
}
