//! Columns over several owners: from an expression to owners' categories, sums of their numbers, and a public table.
//!
//! An expression over several owners' values is taken apart from the top:
//!
//! - What one owner can compute alone and has few values becomes a dimension of that owner's.
//! - Sums and differences of several owners' whole numbers, and what they are compared with, become a [`Sum`]: of which only the class
//!   matters, that is between which of the numbers where the expression changes it lies.
//! - What is left is a function of these. It is evaluated here for every combination, which gives the public table.
//!
//! Where an expression changes along a sum is found by halving: over a range in which its bounds do not allow it to change there is no
//! border; where they do, both halves are looked at. Bounds and values come from the same rounded arithmetic, which is monotonic, so
//! a class never hides a change.
//!
//! Maximum, minimum and case are distributed: what is done to them is done to each of their branches.

use std::collections::BTreeMap;
use std::sync::Arc;

use kobling_model::OwnerId;
use kobling_model::expression::{BinaryOperator, Expression, Function, Value, ValueType};
use kobling_model::interval::Interval;
use kobling_model::joint::Sum;
use kobling_model::plan::{Category, Dimension};

use crate::domain::Domain;
use crate::evaluate::{Abstract, evaluate, over_range};
use crate::fold;
use crate::limits::{
    EXPRESSION_NODES_MAX, JOINT_CLASSES_MAX, JOINT_COMBINATIONS_MAX, JOINT_STEPS_MAX, JOINT_VALUES_MAX,
    OWN_CLASSES_MAX,
};

/// What is public about a register value.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) owner: OwnerId,
    /// All codes that it can have, of any period.
    pub(crate) codes: Option<Arc<Domain>>,
    /// Whether it is a text.
    pub(crate) text: bool,
    /// Bounds that it is brought within before it goes into a sum with other owners' numbers.
    pub(crate) bounds: Option<Interval>,
    /// It counts or adds up any number of rows, so that its bounds say nothing.
    pub(crate) of_any_size: bool,
}

impl Known {
    /// A number of which nothing is public.
    pub(crate) fn unbounded(owner: OwnerId) -> Self {
        Self { owner, codes: None, text: false, bounds: None, of_any_size: false }
    }
}

/// Why a column over several owners cannot be computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// A text without a code list would have to be compared.
    Text,
    /// A number that is not whole would have to be added or compared.
    NotWhole,
    /// A number has no public bounds, or they are too far apart.
    Unbounded,
    /// The column changes at too many places along a sum.
    Classes,
    /// Too many combinations of owners' categories and classes.
    Combinations,
    /// A product or the like of several owners' numbers, or a function that only an owner computes.
    Operation,
}

/// A column over several owners, taken apart.
pub(crate) struct Draft {
    inputs: Vec<DraftInput>,
    /// Over the inputs.
    expression: Expression,
    /// Borders of each sum among the inputs: the first number of each class but the first.
    borders: BTreeMap<usize, Vec<i64>>,
}

#[derive(Clone, Debug, PartialEq)]
enum DraftInput {
    /// Categories of one owner.
    Own { owner: OwnerId, expression: Expression, values: Vec<Option<Value>> },
    /// A sum of whole numbers, one for each owner, with bounds.
    Sum(Vec<Summand>),
}

/// One owner's number in a sum.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Summand {
    pub(crate) owner: OwnerId,
    pub(crate) expression: Expression,
    pub(crate) low: i64,
    pub(crate) high: i64,
}

/// Something that a compiled column is made of.
pub(crate) enum JointInput {
    /// A dimension of an owner's, which is none of the table's.
    Own(OwnerId, Dimension),
    /// By index among the sums of [`Compiled`].
    Sum(usize),
}

/// A column ready for a plan, but for places.
pub(crate) struct JointColumn {
    pub(crate) inputs: Vec<JointInput>,
    pub(crate) expression: Expression,
    pub(crate) categories: Vec<Category>,
    pub(crate) category_of: Vec<Option<u32>>,
}

/// All columns over several owners of one question.
pub(crate) struct Compiled {
    pub(crate) columns: Vec<JointColumn>,
    /// Each with its summands. Their places are filled in when sides are known.
    pub(crate) sums: Vec<(Vec<Summand>, Sum)>,
}

/// Compiles columns over several owners, each with its categories. `work` counts what that takes, in nodes looked at, over a whole
/// script.
///
/// # Errors
/// For the first column that cannot be computed, its index and why.
pub(crate) fn compile(
    known: &[Known],
    columns: &[(&Expression, Vec<Category>)],
    work: &mut usize,
) -> Result<Compiled, (usize, Obstacle)> {
    let mut drafts = Vec::with_capacity(columns.len());
    for (at, (expression, categories)) in columns.iter().enumerate() {
        drafts.push(Draft::of(known, expression, categories, work).map_err(|obstacle| (at, obstacle))?);
    }
    // A sum that several columns use has the borders of all.
    let mut sums: Vec<(Vec<Summand>, Vec<i64>)> = Vec::new();
    for draft in &drafts {
        for (input, borders) in &draft.borders {
            let DraftInput::Sum(summands) = &draft.inputs[*input] else { continue };
            let place = sums.iter().position(|(of, _)| of == summands).unwrap_or_else(|| {
                sums.push((summands.clone(), Vec::new()));
                sums.len() - 1
            });
            sums[place].1.extend(borders);
        }
    }
    for (summands, borders) in &mut sums {
        borders.sort_unstable();
        borders.dedup();
        let most = if summands.len() > 1 { JOINT_CLASSES_MAX } else { OWN_CLASSES_MAX };
        if borders.len() > most {
            let uses = |draft: &Draft| draft.inputs.contains(&DraftInput::Sum(summands.clone()));
            return Err((drafts.iter().position(uses).unwrap_or(0), Obstacle::Classes));
        }
    }
    let mut compiled = Compiled { columns: Vec::new(), sums: Vec::new() };
    let mut tables = Vec::with_capacity(drafts.len());
    for (at, (draft, (_, categories))) in drafts.iter().zip(columns).enumerate() {
        tables.push(draft.table(&sums, categories, work).map_err(|obstacle| (at, obstacle))?);
    }
    // A class that some column drops in every combination counts nowhere, and need not be told apart.
    let classes: Vec<Vec<Class>> =
        sums.iter().map(|(summands, borders)| classes(summands, borders)).collect();
    let mut wanted: Vec<Vec<bool>> = classes.iter().map(|classes| vec![true; classes.len()]).collect();
    for (draft, table) in drafts.iter().zip(&tables) {
        for (place, used) in draft.used(&sums, table) {
            wanted[place].iter_mut().zip(used).for_each(|(wanted, used)| *wanted &= used);
        }
    }
    // Where no class counts anywhere, one stands for them all.
    for wanted in wanted.iter_mut().filter(|wanted| !wanted.contains(&true)) {
        wanted[0] = true;
    }
    for ((draft, table), (_, categories)) in drafts.iter().zip(tables).zip(columns) {
        compiled.columns.push(draft.column(&sums, &wanted, table, categories.clone()));
    }
    for (((summands, _), classes), wanted) in sums.into_iter().zip(classes).zip(wanted) {
        let kept = || classes.iter().zip(&wanted).filter(|(_, wanted)| **wanted).map(|(class, _)| *class);
        let ranges = kept().filter_map(|class| match class {
            Class::Range(first, last) => Some((first, last)),
            Class::Missing => None,
        });
        let (classes, missing) = (ranges.collect(), kept().any(|class| class == Class::Missing));
        // A sum of one owner's numbers has become that owner's dimension.
        let summands = if summands.len() > 1 { summands } else { Vec::new() };
        compiled.sums.push((summands, Sum { summands: Vec::new(), classes, missing }));
    }
    compiled.forget_own_sums();
    Ok(compiled)
}

/// What an expression comes to over a range of a sum.
#[derive(PartialEq)]
enum Settled {
    Value(Option<Value>),
    /// By index; none where the value is in no category.
    Category(Option<usize>),
}

impl Settled {
    /// None where it may change within the range.
    fn of(known: Abstract, categories: Option<&[Category]>) -> Option<Self> {
        let Some(categories) = categories else {
            return match known {
                Abstract::Exact(value) => Some(Self::Value(value)),
                Abstract::Between(..) | Abstract::Unknown => None,
            };
        };
        let within = |category: &Category, low: f64, high: f64| matches!(category.value, Some(Value::Number(number)) if low <= number && number <= high);
        match known {
            Abstract::Exact(value) => {
                Some(Self::Category(categories.iter().position(|category| category.value == value)))
            }
            Abstract::Between(low, high) => (!categories.iter().any(|category| within(category, low, high)))
                .then_some(Self::Category(None)),
            Abstract::Unknown => None,
        }
    }
}

/// A class of a sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Range(i64, i64),
    Missing,
}

impl Class {
    /// A value in it, which stands for all.
    fn value(self) -> Option<Value> {
        match self {
            Self::Range(first, _) => fold::number(first as f64),
            Self::Missing => None,
        }
    }
}

/// All classes of a sum, missing last.
fn classes(summands: &[Summand], borders: &[i64]) -> Vec<Class> {
    let (low, high) = bounds(summands);
    let firsts = std::iter::once(low).chain(borders.iter().copied());
    let lasts = borders.iter().map(|border| border - 1).chain([high]);
    firsts.zip(lasts).map(|(first, last)| Class::Range(first, last)).chain([Class::Missing]).collect()
}

fn bounds(summands: &[Summand]) -> (i64, i64) {
    summands.iter().fold((0, 0), |(low, high), summand| (low + summand.low, high + summand.high))
}

/// Owners whose values an expression uses.
pub(crate) fn owners<'k>(known: &'k [Known], expression: &Expression) -> Vec<&'k OwnerId> {
    let mut owners = Vec::new();
    let mut open = vec![expression];
    while let Some(expression) = open.pop() {
        match expression {
            Expression::Source(source) => owners.push(&known[*source].owner),
            Expression::Constant(_) | Expression::Missing(_) => {}
            Expression::Negate(inner) | Expression::Not(inner) => open.push(inner),
            Expression::Binary(_, left, right) => open.extend([left.as_ref(), right.as_ref()]),
            Expression::Call(_, arguments) => open.extend(arguments),
            Expression::Case { arms, otherwise } => {
                open.push(otherwise);
                open.extend(arms.iter().flat_map(|(when, then)| [when, then]));
            }
        }
    }
    owners.sort();
    owners.dedup();
    owners
}

impl Draft {
    fn of(
        known: &[Known],
        expression: &Expression,
        categories: &[Category],
        work: &mut usize,
    ) -> Result<Self, Obstacle> {
        let mut builder = Builder { known, inputs: Vec::new() };
        let distributed = builder.distributed(expression)?;
        let expression = builder.tree(&distributed)?;
        let mut draft = Self { inputs: builder.inputs, expression, borders: BTreeMap::new() };
        let sums: Vec<usize> = (0..draft.inputs.len()).filter(|at| draft.is_sum(*at)).collect();
        for sum in sums {
            let mut borders = Vec::new();
            draft.borders_in(&draft.expression, Some(categories), sum, &mut borders, work)?;
            borders.sort_unstable();
            borders.dedup();
            if borders.len() > JOINT_CLASSES_MAX {
                return Err(Obstacle::Classes);
            }
            draft.borders.insert(sum, borders);
        }
        Ok(draft)
    }

    fn is_sum(&self, input: usize) -> bool {
        matches!(self.inputs[input], DraftInput::Sum(_))
    }

    /// Where the largest parts of an expression that change along this sum, and along no other, do so. Of the whole expression only
    /// the category matters.
    fn borders_in(
        &self,
        part: &Expression,
        categories: Option<&[Category]>,
        sum: usize,
        borders: &mut Vec<i64>,
        steps: &mut usize,
    ) -> Result<(), Obstacle> {
        let inputs = inputs_of(part);
        if !inputs.contains(&sum) {
            return Ok(());
        }
        if inputs.iter().any(|input| *input != sum && self.is_sum(*input)) {
            for child in children(part) {
                self.borders_in(child, None, sum, borders, steps)?;
            }
            return Ok(());
        }
        let DraftInput::Sum(summands) = &self.inputs[sum] else { return Ok(()) };
        let (low, high) = bounds(summands);
        let own: Vec<usize> = inputs.into_iter().filter(|input| *input != sum).collect();
        let mut values: Vec<Abstract> = vec![Abstract::Unknown; self.inputs.len()];
        let size = part.size();
        for combination in 0..self.combinations(&own)? {
            let mut rest = combination;
            for input in &own {
                let DraftInput::Own { values: of, .. } = &self.inputs[*input] else { continue };
                values[*input] = Abstract::Exact(of[rest % of.len()].clone());
                rest /= of.len();
            }
            let mut last: Option<Settled> = None;
            let mut open = vec![(low, high)];
            while let Some((first, end)) = open.pop() {
                *steps += size;
                if *steps > JOINT_STEPS_MAX {
                    return Err(Obstacle::Classes);
                }
                values[sum] = Abstract::between(first as f64, end as f64);
                match Settled::of(over_range(part, &values), categories) {
                    Some(value) => {
                        if last.as_ref().is_some_and(|last| *last != value) {
                            borders.push(first);
                            if borders.len() > 8 * JOINT_CLASSES_MAX {
                                return Err(Obstacle::Classes);
                            }
                        }
                        last = Some(value);
                    }
                    None if first == end => return Err(Obstacle::Operation),
                    None => {
                        let middle = first + (end - first) / 2;
                        open.extend([(middle + 1, end), (first, middle)]);
                    }
                }
            }
        }
        Ok(())
    }

    fn combinations(&self, own: &[usize]) -> Result<usize, Obstacle> {
        let sizes = own.iter().map(|input| match &self.inputs[*input] {
            DraftInput::Own { values, .. } => values.len(),
            DraftInput::Sum(_) => 1,
        });
        let combinations = sizes.fold(1, usize::saturating_mul);
        if combinations > JOINT_COMBINATIONS_MAX { Err(Obstacle::Combinations) } else { Ok(combinations) }
    }

    /// Values that stand for what each input can be.
    fn values(&self, sums: &[(Vec<Summand>, Vec<i64>)]) -> Vec<Vec<Option<Value>>> {
        let values = |input: &DraftInput| match input {
            DraftInput::Own { values, .. } => values.clone(),
            DraftInput::Sum(summands) => {
                let borders = &sums[place(sums, summands)].1;
                classes(summands, borders).into_iter().map(Class::value).collect()
            }
        };
        self.inputs.iter().map(values).collect()
    }

    /// The category of each combination of all inputs' values, the first slowest.
    fn table(
        &self,
        sums: &[(Vec<Summand>, Vec<i64>)],
        categories: &[Category],
        work: &mut usize,
    ) -> Result<Vec<Option<u32>>, Obstacle> {
        let values = self.values(sums);
        let combinations = values.iter().map(Vec::len).fold(1, usize::saturating_mul);
        *work = work.saturating_add(combinations.saturating_mul(self.expression.size()));
        if combinations > JOINT_COMBINATIONS_MAX || *work > JOINT_STEPS_MAX {
            return Err(Obstacle::Combinations);
        }
        let mut of = vec![None; values.len()];
        (0..combinations)
            .map(|combination| {
                let mut rest = combination;
                for (value, values) in of.iter_mut().zip(&values).rev() {
                    value.clone_from(&values[rest % values.len()]);
                    rest /= values.len();
                }
                let value = evaluate(&self.expression, &of).ok_or(Obstacle::Operation)?;
                Ok(categories.iter().position(|category| category.value == value).map(|at| at as u32))
            })
            .collect()
    }

    /// For each sum that this column uses, which of its classes are in some combination with a category.
    fn used(&self, sums: &[(Vec<Summand>, Vec<i64>)], table: &[Option<u32>]) -> Vec<(usize, Vec<bool>)> {
        let sizes: Vec<usize> = self.values(sums).iter().map(Vec::len).collect();
        let mut used = Vec::new();
        for (at, input) in self.inputs.iter().enumerate() {
            let DraftInput::Sum(summands) = input else { continue };
            let after: usize = sizes[at + 1..].iter().product();
            let mut classes = vec![false; sizes[at]];
            for (combination, _) in table.iter().enumerate().filter(|(_, category)| category.is_some()) {
                classes[combination / after % sizes[at]] = true;
            }
            used.push((place(sums, summands), classes));
        }
        used
    }

    /// The column with the classes that are wanted.
    fn column(
        &self,
        sums: &[(Vec<Summand>, Vec<i64>)],
        wanted: &[Vec<bool>],
        table: Vec<Option<u32>>,
        categories: Vec<Category>,
    ) -> JointColumn {
        let values = self.values(sums);
        let keeps = |at: usize, digit: usize| match &self.inputs[at] {
            DraftInput::Own { .. } => true,
            DraftInput::Sum(summands) => wanted[place(sums, summands)][digit],
        };
        let mut category_of = Vec::new();
        for (combination, category) in table.into_iter().enumerate() {
            let mut rest = combination;
            let mut kept = true;
            for (at, values) in values.iter().enumerate().rev() {
                kept &= keeps(at, rest % values.len());
                rest /= values.len();
            }
            if kept {
                category_of.push(category);
            }
        }
        let input = |input: &DraftInput| match input {
            DraftInput::Own { owner, expression, values } => {
                JointInput::Own(owner.clone(), own_dimension(expression.clone(), values.iter().cloned()))
            }
            DraftInput::Sum(summands) => {
                let at = place(sums, summands);
                match &summands[..] {
                    [alone] => {
                        let classes = classes(summands, &sums[at].1);
                        let kept = classes.iter().zip(&wanted[at]).filter(|(_, wanted)| **wanted);
                        let values = kept.map(|(class, _)| class.value());
                        JointInput::Own(alone.owner.clone(), own_dimension(classed(alone, &classes), values))
                    }
                    _ => JointInput::Sum(at),
                }
            }
        };
        let inputs = self.inputs.iter().map(input).collect();
        JointColumn { inputs, expression: self.expression.clone(), categories, category_of }
    }
}

impl Compiled {
    /// Leaves out sums of one owner's numbers.
    fn forget_own_sums(&mut self) {
        let mut places = Vec::with_capacity(self.sums.len());
        let mut next = 0;
        for (summands, _) in &self.sums {
            places.push(next);
            next += usize::from(!summands.is_empty());
        }
        self.sums.retain(|(summands, _)| !summands.is_empty());
        for input in self.columns.iter_mut().flat_map(|column| &mut column.inputs) {
            if let JointInput::Sum(at) = input {
                *at = places[*at];
            }
        }
    }
}

fn place(sums: &[(Vec<Summand>, Vec<i64>)], summands: &[Summand]) -> usize {
    sums.iter().position(|(of, _)| of == summands).expect("every sum is among the question's")
}

/// A dimension that is not shown.
fn own_dimension(expression: Expression, values: impl Iterator<Item = Option<Value>>) -> Dimension {
    let category = |value| Category { value, label: String::new() };
    Dimension { name: String::new(), expression, categories: values.map(category).collect() }
}

/// The value that stands for the class of one owner's number.
fn classed(number: &Summand, classes: &[Class]) -> Expression {
    let constant = |value: i64| Expression::Constant(Value::Number(value as f64));
    let x = || Box::new(number.expression.clone());
    let mut arms = vec![(
        Expression::Call(Function::Sysmiss, vec![number.expression.clone()]),
        Expression::Missing(ValueType::Number),
    )];
    let mut otherwise = Expression::Missing(ValueType::Number);
    for class in classes {
        let Class::Range(first, last) = class else { continue };
        // Beyond the bounds counts as at them.
        if *last == number.high {
            otherwise = constant(*first);
        } else {
            let within = Expression::Binary(BinaryOperator::LessOrEqual, x(), Box::new(constant(*last)));
            arms.push((within, constant(*first)));
        }
    }
    Expression::Case { arms, otherwise: Box::new(otherwise) }
}

fn children(expression: &Expression) -> Vec<&Expression> {
    match expression {
        Expression::Source(_) | Expression::Constant(_) | Expression::Missing(_) => Vec::new(),
        Expression::Negate(inner) | Expression::Not(inner) => vec![inner],
        Expression::Binary(_, left, right) => vec![left, right],
        Expression::Call(_, arguments) => arguments.iter().collect(),
        Expression::Case { arms, otherwise } => {
            arms.iter().flat_map(|(when, then)| [when, then]).chain([otherwise.as_ref()]).collect()
        }
    }
}

/// Inputs that an expression over inputs uses, each once.
fn inputs_of(expression: &Expression) -> Vec<usize> {
    let mut inputs = Vec::new();
    let mut open = vec![expression];
    while let Some(expression) = open.pop() {
        match expression {
            Expression::Source(input) => inputs.push(*input),
            other => open.extend(children(other)),
        }
    }
    inputs.sort_unstable();
    inputs.dedup();
    inputs
}

/// Takes an expression apart.
struct Builder<'k> {
    known: &'k [Known],
    inputs: Vec<DraftInput>,
}

impl Builder<'_> {
    fn single_owner(&self, expression: &Expression) -> Option<OwnerId> {
        match owners(self.known, expression)[..] {
            [owner] => Some(owner.clone()),
            _ => None,
        }
    }

    fn is_joint(&self, expression: &Expression) -> bool {
        owners(self.known, expression).len() > 1
    }

    /// The values that an expression can have besides missing, where they are public and few.
    fn finite(&self, expression: &Expression) -> Option<Vec<Value>> {
        use BinaryOperator as B;
        let truth = || Some(vec![Value::Number(0.0), Value::Number(1.0)]);
        let mut values = match expression {
            Expression::Source(source) => {
                let codes = self.known[*source].codes.as_ref()?;
                codes.entries.iter().map(|entry| entry.value.clone()).collect()
            }
            Expression::Constant(value) => vec![value.clone()],
            Expression::Missing(_) => Vec::new(),
            Expression::Not(_) => return truth(),
            Expression::Negate(inner) => {
                let negated = |value| match value {
                    Value::Number(number) => fold::number(-number),
                    Value::Text(_) => None,
                };
                self.finite(inner)?.into_iter().filter_map(negated).collect()
            }
            Expression::Binary(B::Add | B::Subtract | B::Multiply | B::Divide, left, right) => {
                let Expression::Binary(operator, ..) = expression else { return None };
                let (left, right) = (self.finite(left)?, self.finite(right)?);
                let pairs = left.iter().flat_map(|x| right.iter().map(move |y| (x, y)));
                pairs.filter_map(|(x, y)| fold::binary(*operator, Some(x), Some(y))).collect()
            }
            Expression::Binary(..) => return truth(),
            Expression::Call(Function::Sysmiss | Function::StartsWith | Function::EndsWith, _) => {
                return truth();
            }
            Expression::Call(function, arguments) => self.image(*function, arguments)?,
            Expression::Case { arms, otherwise } => {
                let mut all = Vec::new();
                for branch in arms.iter().map(|(_, then)| then).chain([otherwise.as_ref()]) {
                    all.extend(self.finite(branch)?);
                }
                all
            }
        };
        values.sort_by(|x, y| match (x, y) {
            (Value::Number(x), Value::Number(y)) => x.total_cmp(y),
            (Value::Text(x), Value::Text(y)) => x.cmp(y),
            (Value::Number(_), Value::Text(_)) => std::cmp::Ordering::Less,
            (Value::Text(_), Value::Number(_)) => std::cmp::Ordering::Greater,
        });
        values.dedup();
        (values.len() <= JOINT_VALUES_MAX).then_some(values)
    }

    /// The values of a function of one that has few, the other arguments being constants; or a small fixed range.
    fn image(&self, function: Function, arguments: &[Expression]) -> Option<Vec<Value>> {
        use Function as F;
        let range = |first: u32, last: u32| (first..=last).map(|x| Value::Number(f64::from(x))).collect();
        match function {
            F::Halfyear => return Some(range(1, 2)),
            F::Quarter => return Some(range(1, 4)),
            F::Dow => return Some(range(1, 7)),
            F::Month => return Some(range(1, 12)),
            F::RowMissing | F::RowValid => return Some(range(0, arguments.len().min(1000) as u32)),
            _ => {}
        }
        let (first, rest) = arguments.split_first()?;
        let rest: Vec<Option<Value>> = rest.iter().map(fold::constant).collect::<Option<_>>()?;
        let mut values = Vec::new();
        for value in self.finite(first)? {
            let with: Vec<Option<Value>> = std::iter::once(Some(value)).chain(rest.iter().cloned()).collect();
            values.extend(fold::call(function, &with)?);
        }
        Some(values)
    }

    /// The expression with maxima and minima of several owners' numbers written as cases, and what is done to a case of theirs
    /// done to its branches.
    fn distributed(&self, expression: &Expression) -> Result<Expression, Obstacle> {
        if !self.is_joint(expression) {
            return Ok(expression.clone());
        }
        let boxed = |inner: &Expression| self.distributed(inner).map(Box::new);
        let distributed = match expression {
            Expression::Source(_) | Expression::Constant(_) | Expression::Missing(_) => expression.clone(),
            Expression::Not(inner) => Expression::Not(boxed(inner)?),
            Expression::Negate(inner) => {
                let inner = boxed(inner)?;
                self.branched(&[&inner], |parts| Expression::Negate(Box::new(parts[0].clone())))?
            }
            Expression::Binary(operator @ (BinaryOperator::And | BinaryOperator::Or), left, right) => {
                Expression::Binary(*operator, boxed(left)?, boxed(right)?)
            }
            Expression::Binary(operator, left, right) => {
                let (left, right) = (boxed(left)?, boxed(right)?);
                self.branched(&[&left, &right], |parts| {
                    Expression::Binary(*operator, Box::new(parts[0].clone()), Box::new(parts[1].clone()))
                })?
            }
            Expression::Call(function @ (Function::RowMax | Function::RowMin), arguments) => {
                let arguments = arguments.iter().map(|argument| self.distributed(argument));
                let arguments = arguments.collect::<Result<Vec<_>, _>>()?;
                let mut extreme = arguments[0].clone();
                for next in &arguments[1..] {
                    extreme = farther(*function, &extreme, next);
                    if extreme.size() > EXPRESSION_NODES_MAX {
                        return Err(Obstacle::Combinations);
                    }
                }
                self.distributed_case(&extreme)?
            }
            Expression::Call(function, arguments) => {
                let arguments = arguments.iter().map(|argument| self.distributed(argument));
                let arguments = arguments.collect::<Result<Vec<_>, _>>()?;
                let parts: Vec<&Expression> = arguments.iter().collect();
                self.branched(&parts, |parts| {
                    Expression::Call(*function, parts.iter().copied().cloned().collect())
                })?
            }
            Expression::Case { .. } => self.distributed_case(expression)?,
        };
        if distributed.size() > EXPRESSION_NODES_MAX { Err(Obstacle::Combinations) } else { Ok(distributed) }
    }

    fn distributed_case(&self, expression: &Expression) -> Result<Expression, Obstacle> {
        let Expression::Case { arms, otherwise } = expression else { return Ok(expression.clone()) };
        let arm =
            |(when, then): &(Expression, Expression)| Ok((self.distributed(when)?, self.distributed(then)?));
        let arms = arms.iter().map(arm).collect::<Result<_, _>>()?;
        Ok(Expression::Case { arms, otherwise: Box::new(self.distributed(otherwise)?) })
    }

    /// An operation on parts, of which the first that is a case with many values is done branch by branch.
    fn branched(
        &self,
        parts: &[&Expression],
        operation: impl Fn(&[&Expression]) -> Expression,
    ) -> Result<Expression, Obstacle> {
        let case = |part: &&Expression| {
            matches!(part, Expression::Case { .. }) && self.is_joint(part) && self.finite(part).is_none()
        };
        let Some(at) = parts.iter().position(case) else { return Ok(operation(parts)) };
        let Expression::Case { arms, otherwise } = parts[at] else { return Ok(operation(parts)) };
        let rest: usize =
            parts.iter().enumerate().filter(|(of, _)| *of != at).map(|(_, part)| part.size()).sum();
        if (arms.len() + 1).saturating_mul(rest + 1).saturating_add(parts[at].size()) > EXPRESSION_NODES_MAX {
            return Err(Obstacle::Combinations);
        }
        let with = |branch: &Expression| {
            let mut parts = parts.to_vec();
            parts[at] = branch;
            operation(&parts)
        };
        let arms = arms.iter().map(|(when, then)| (when.clone(), with(then))).collect();
        Ok(Expression::Case { arms, otherwise: Box::new(with(otherwise)) })
    }

    fn input(&mut self, input: DraftInput) -> Expression {
        let place = self.inputs.iter().position(|known| *known == input).unwrap_or_else(|| {
            self.inputs.push(input);
            self.inputs.len() - 1
        });
        Expression::Source(place)
    }

    /// The expression over inputs.
    fn tree(&mut self, expression: &Expression) -> Result<Expression, Obstacle> {
        use BinaryOperator as B;
        if owners(self.known, expression).is_empty() {
            return Ok(expression.clone());
        }
        if let Some(owner) = self.single_owner(expression) {
            return self.own(owner, expression);
        }
        match expression {
            Expression::Binary(B::Add | B::Subtract, left, right) => {
                let few = |part: &Expression| self.finite(part).is_some();
                if !(few(left) && few(right))
                    && let Some(sum) = self.sum(expression)?
                {
                    return Ok(self.input(DraftInput::Sum(sum)));
                }
                self.children_of(expression)
            }
            Expression::Binary(
                operator @ (B::Equal
                | B::NotEqual
                | B::Less
                | B::LessOrEqual
                | B::Greater
                | B::GreaterOrEqual),
                left,
                right,
            ) => {
                let constant = |part: &Expression| owners(self.known, part).is_empty();
                let few = |part: &Expression| constant(part) || self.finite(part).is_some();
                let without_sum = constant(left) || constant(right) || few(left) && few(right);
                if !without_sum {
                    let difference = Expression::Binary(B::Subtract, left.clone(), right.clone());
                    if let Some(sum) = self.sum(&difference)? {
                        let sum = self.input(DraftInput::Sum(sum));
                        let zero = Expression::Constant(Value::Number(0.0));
                        return Ok(Expression::Binary(*operator, Box::new(sum), Box::new(zero)));
                    }
                }
                self.children_of(expression)
            }
            _ => self.children_of(expression),
        }
    }

    fn children_of(&mut self, expression: &Expression) -> Result<Expression, Obstacle> {
        let mut boxed = |inner: &Expression| self.tree(inner).map(Box::new);
        Ok(match expression {
            Expression::Source(_) | Expression::Constant(_) | Expression::Missing(_) => expression.clone(),
            Expression::Negate(inner) => Expression::Negate(boxed(inner)?),
            Expression::Not(inner) => Expression::Not(boxed(inner)?),
            Expression::Binary(operator, left, right) => {
                Expression::Binary(*operator, boxed(left)?, boxed(right)?)
            }
            Expression::Call(function, arguments) => Expression::Call(
                *function,
                arguments.iter().map(|part| self.tree(part)).collect::<Result<_, _>>()?,
            ),
            Expression::Case { arms, otherwise } => {
                let arms = arms.iter().map(|(when, then)| Ok((self.tree(when)?, self.tree(then)?)));
                let arms = arms.collect::<Result<_, _>>()?;
                Expression::Case { arms, otherwise: Box::new(self.tree(otherwise)?) }
            }
        })
    }

    /// What one owner computes: categories where there are few, else a number whose class matters.
    fn own(&mut self, owner: OwnerId, expression: &Expression) -> Result<Expression, Obstacle> {
        if let Some(values) = self.finite(expression) {
            let mut values: Vec<Option<Value>> = values.into_iter().map(Some).collect();
            if !is_never_missing(expression) {
                values.push(None);
            }
            return Ok(self.input(DraftInput::Own { owner, expression: expression.clone(), values }));
        }
        match self.summand(owner, expression) {
            Ok(summand) => Ok(self.input(DraftInput::Sum(vec![summand]))),
            // Its parts may do where it does not.
            Err(obstacle) => match expression {
                Expression::Case { .. } | Expression::Call(..) => {
                    self.children_of(expression).map_err(|_| obstacle)
                }
                _ => Err(obstacle),
            },
        }
    }

    fn summand(&self, owner: OwnerId, expression: &Expression) -> Result<Summand, Obstacle> {
        let sources: Vec<Option<Interval>> = self.known.iter().map(|known| known.bounds).collect();
        let texts = matches!(expression, Expression::Source(source) if self.known[*source].text);
        let bounds = Interval::of(expression, &sources);
        let bounds = bounds.ok_or(if texts { Obstacle::Text } else { Obstacle::Unbounded })?;
        if !bounds.whole {
            return Err(Obstacle::NotWhole);
        }
        let fits = |bound: f64| bound.abs() <= (1_u64 << Sum::BITS_MAX) as f64;
        if !fits(bounds.low) || !fits(bounds.high) {
            return Err(Obstacle::Unbounded);
        }
        let (low, high) = (bounds.low.floor() as i64, bounds.high.ceil() as i64);
        Ok(Summand { owner, expression: expression.clone(), low, high })
    }

    /// A sum of one number for each owner, where the expression is one; in order of owner.
    fn sum(&self, expression: &Expression) -> Result<Option<Vec<Summand>>, Obstacle> {
        let mut parts = BTreeMap::new();
        if !self.parts(expression, false, &mut parts) {
            return Ok(None);
        }
        let summands = parts.into_iter().map(|(owner, part)| self.summand(owner, &part));
        let summands = summands.collect::<Result<Vec<_>, _>>()?;
        let bounds: Vec<_> = summands.iter().map(|summand| (summand.low, summand.high)).collect();
        let sum = Sum { summands: Vec::new(), classes: Vec::new(), missing: false };
        sum.form(&bounds).ok_or(Obstacle::Unbounded)?;
        Ok(Some(summands))
    }

    /// Adds up the parts of each owner; false where the expression is no sum of such.
    fn parts(
        &self,
        expression: &Expression,
        negative: bool,
        parts: &mut BTreeMap<OwnerId, Expression>,
    ) -> bool {
        use BinaryOperator as B;
        if let Some(owner) = self.single_owner(expression) {
            let part = match negative {
                true => Expression::Negate(Box::new(expression.clone())),
                false => expression.clone(),
            };
            let sum = match parts.remove(&owner) {
                Some(before) => Expression::Binary(B::Add, Box::new(before), Box::new(part)),
                None => part,
            };
            parts.insert(owner, sum);
            return true;
        }
        match expression {
            Expression::Binary(B::Add, left, right) => {
                self.parts(left, negative, parts) && self.parts(right, negative, parts)
            }
            Expression::Binary(B::Subtract, left, right) => {
                self.parts(left, negative, parts) && self.parts(right, !negative, parts)
            }
            Expression::Negate(inner) => self.parts(inner, !negative, parts),
            // A constant goes with an owner's part, if one has come before.
            Expression::Constant(Value::Number(number)) => match parts.iter_mut().next() {
                Some((_, part)) => {
                    let number =
                        Expression::Constant(Value::Number(if negative { -number } else { *number }));
                    *part = Expression::Binary(B::Add, Box::new(part.clone()), Box::new(number));
                    true
                }
                None => false,
            },
            Expression::Binary(B::Multiply, left, right) => match (left.as_ref(), right.as_ref()) {
                (Expression::Constant(Value::Number(_)), part)
                | (part, Expression::Constant(Value::Number(_))) => {
                    let factor = if matches!(**left, Expression::Constant(_)) { left } else { right };
                    let mut own = BTreeMap::new();
                    if !self.parts(part, negative, &mut own) {
                        return false;
                    }
                    own.into_iter().all(|(owner, part)| {
                        let times = Expression::Binary(B::Multiply, factor.clone(), Box::new(part));
                        let sum = match parts.remove(&owner) {
                            Some(before) => Expression::Binary(B::Add, Box::new(before), Box::new(times)),
                            None => times,
                        };
                        parts.insert(owner, sum).is_none()
                    })
                }
                _ => false,
            },
            _ => false,
        }
    }
}

/// The larger, or smaller, of two numbers, or the one that there is.
fn farther(function: Function, x: &Expression, y: &Expression) -> Expression {
    let missing = |of: &Expression| Expression::Call(Function::Sysmiss, vec![of.clone()]);
    let operator = match function {
        Function::RowMax => BinaryOperator::GreaterOrEqual,
        _ => BinaryOperator::LessOrEqual,
    };
    let first = Expression::Binary(operator, Box::new(x.clone()), Box::new(y.clone()));
    Expression::Case {
        arms: vec![(missing(y), x.clone()), (missing(x), y.clone()), (first, x.clone())],
        otherwise: Box::new(y.clone()),
    }
}

/// Truth values are never missing.
fn is_never_missing(expression: &Expression) -> bool {
    use BinaryOperator as B;
    match expression {
        Expression::Constant(_) | Expression::Not(_) | Expression::Call(Function::Sysmiss, _) => true,
        Expression::Binary(operator, ..) => {
            !matches!(operator, B::Add | B::Subtract | B::Multiply | B::Divide)
        }
        Expression::Case { arms, otherwise } => {
            arms.iter().map(|(_, then)| then).chain([otherwise.as_ref()]).all(is_never_missing)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that look random and are the same in every run (SplitMix64).
    struct Dice(u64);

    impl Dice {
        fn next(&mut self) -> u64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let x = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            x ^ x >> 31
        }

        fn below(&mut self, bound: u64) -> u64 {
            self.next() % bound
        }

        fn one<T: Copy>(&mut self, of: &[T]) -> T {
            of[self.below(of.len() as u64) as usize]
        }
    }

    const CODES: [&[f64]; 4] = [&[0.0, 1.0, 2.0, 3.0], &[], &[], &[1.0, 2.0, 5.0, 99.0]];
    const BOUNDS: [(i64, i64); 4] = [(0, 3), (-20, 30), (-10, 40), (1, 99)];

    /// Two owners with two values each: codes, and numbers.
    fn known() -> Vec<Known> {
        let owner = |name| OwnerId::new(name).expect("valid");
        (0..4)
            .map(|at| {
                let codes = CODES[at].iter().map(|code| Value::Number(*code));
                let (low, high) = BOUNDS[at];
                Known {
                    owner: owner(if at < 2 { "a" } else { "b" }),
                    codes: (!CODES[at].is_empty()).then(|| Arc::new(Domain::of_values(codes))),
                    text: false,
                    bounds: Interval::new(low as f64, high as f64, true),
                    of_any_size: false,
                }
            })
            .collect()
    }

    fn number(number: f64) -> Expression {
        Expression::Constant(Value::Number(number))
    }

    fn boxed(dice: &mut Dice, depth: u32) -> Box<Expression> {
        Box::new(any(dice, depth))
    }

    /// Any expression over the four values.
    fn any(dice: &mut Dice, depth: u32) -> Expression {
        use BinaryOperator as B;
        if depth == 0 || dice.below(8) == 0 {
            return match dice.below(5) {
                0 => number(dice.one(&[-3.0, 0.0, 1.0, 2.5, 7.0])),
                _ => Expression::Source(dice.below(4) as usize),
            };
        }
        let (comparisons, few) = (
            [B::Equal, B::NotEqual, B::Less, B::LessOrEqual, B::Greater, B::GreaterOrEqual],
            [Function::Floor, Function::Int, Function::Round, Function::Abs],
        );
        match dice.below(12) {
            0..=2 => {
                Expression::Binary(dice.one(&comparisons), boxed(dice, depth - 1), boxed(dice, depth - 1))
            }
            3 | 4 => Expression::Binary(
                dice.one(&[B::Add, B::Subtract]),
                boxed(dice, depth - 1),
                boxed(dice, depth - 1),
            ),
            5 => {
                let factor = Box::new(number(dice.one(&[2.0, -1.0, 3.0])));
                Expression::Binary(B::Multiply, boxed(dice, depth - 1), factor)
            }
            6 => {
                let divided = Expression::Binary(B::Divide, boxed(dice, depth - 1), Box::new(number(4.0)));
                Expression::Call(dice.one(&few), vec![divided])
            }
            7 => {
                Expression::Binary(dice.one(&[B::And, B::Or]), boxed(dice, depth - 1), boxed(dice, depth - 1))
            }
            8 => Expression::Not(boxed(dice, depth - 1)),
            9 => {
                let arm = |dice: &mut Dice| (any(dice, depth - 1), any(dice, depth - 1));
                let arms = (0..1 + dice.below(2)).map(|_| arm(dice)).collect();
                Expression::Case { arms, otherwise: boxed(dice, depth - 1) }
            }
            10 => {
                let function = dice.one(&[Function::RowMax, Function::RowMin]);
                Expression::Call(function, vec![any(dice, depth - 1), any(dice, depth - 1)])
            }
            _ => Expression::Call(Function::Sysmiss, vec![any(dice, depth - 1)]),
        }
    }

    fn unit(dice: &mut Dice) -> Vec<Option<Value>> {
        (0..4)
            .map(|at| {
                let (low, high) = BOUNDS[at];
                let value = match CODES[at] {
                    [] => (low + dice.below((high - low + 1) as u64) as i64) as f64,
                    codes => dice.one(codes),
                };
                (dice.below(6) > 0).then_some(Value::Number(value))
            })
            .collect()
    }

    fn position(categories: &[Category], value: &Option<Value>) -> Option<usize> {
        categories.iter().position(|category| category.value == *value)
    }

    /// The category of a unit as owners and workers come to it.
    fn category(compiled: &Compiled, column: &JointColumn, unit: &[Option<Value>]) -> Option<u32> {
        let mut index = 0;
        for input in &column.inputs {
            let (digit, size) = match input {
                JointInput::Own(_, dimension) => {
                    let value = evaluate(&dimension.expression, unit).expect("an owner computes it");
                    (position(&dimension.categories, &value)?, dimension.categories.len())
                }
                JointInput::Sum(at) => {
                    let (summands, sum) = &compiled.sums[*at];
                    let parts = summands.iter().map(|summand| {
                        match evaluate(&summand.expression, unit).expect("computed") {
                            Some(Value::Number(number)) => Some(number as i64),
                            _ => None,
                        }
                    });
                    let total: Option<i64> = parts.sum();
                    let class = match total {
                        None => sum.missing.then_some(sum.classes.len()),
                        Some(total) => {
                            sum.classes.iter().position(|(first, last)| (*first..=*last).contains(&total))
                        }
                    };
                    (class?, sum.categories())
                }
            };
            index = index * size + digit;
        }
        column.category_of[index]
    }

    #[test]
    fn a_column_taken_apart_is_the_one_that_was_written() {
        let known = known();
        let categories: Vec<Category> = [None, Some(0.0), Some(1.0), Some(2.0), Some(-1.0), Some(7.0)]
            .map(|value| Category { value: value.map(Value::Number), label: String::new() })
            .to_vec();
        let mut dice = Dice(7);
        let (mut compared, mut refused) = (0, 0);
        for _ in 0..1500 {
            let expression = any(&mut dice, 4);
            if evaluate(&expression, &unit(&mut dice)).is_none() {
                continue;
            }
            match compile(&known, &[(&expression, categories.clone())], &mut 0) {
                Err(_) => refused += 1,
                Ok(compiled) => {
                    compared += 1;
                    for _ in 0..40 {
                        let unit = unit(&mut dice);
                        let value = evaluate(&expression, &unit).expect("computed");
                        let expected = position(&categories, &value).map(|at| at as u32);
                        let found = category(&compiled, &compiled.columns[0], &unit);
                        assert_eq!(found, expected, "{expression:?} at {unit:?}");
                    }
                }
            }
        }
        assert!(compared > 1000, "{compared} were taken apart, {refused} refused");
    }

    #[test]
    fn what_never_holds_has_a_class_all_the_same() {
        let never = Expression::Binary(
            BinaryOperator::Greater,
            Box::new(Expression::Binary(
                BinaryOperator::Subtract,
                Box::new(Expression::Source(1)),
                Box::new(Expression::Source(2)),
            )),
            Box::new(number(1000.0)),
        );
        let holds = vec![Category { value: Some(Value::Number(1.0)), label: String::new() }];
        let compiled = compile(&known(), &[(&never, holds)], &mut 0)
            .map_err(|(_, obstacle)| obstacle)
            .expect("taken apart");
        assert_eq!((compiled.sums[0].1.categories(), &compiled.columns[0].category_of[..]), (1, &[None][..]));
    }
}
