//! Sums of several owners' numbers: what each owner computes by itself, so that only sums of what they come to are left.
//!
//! `x + y`, `x - y`, `(dod - diagnose) / 30` and the like are a number of each owner's, added up. Shares add up with no message, so
//! a sum over units needs nothing more; squares and dominance need products of two owners' numbers
//! (`crypto::protocol::narrow_product`). A number under a condition is missing where that does not hold, so the condition becomes
//! one of the question, whoever's values it is over.

use std::collections::BTreeMap;

use kobling_model::OwnerId;
use kobling_model::expression::{BinaryOperator, Expression, Value};

use crate::fold;
use crate::joint::{Known, owners};

/// A number taken apart.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Linear {
    /// What each owner computes.
    pub(crate) parts: BTreeMap<OwnerId, Expression>,
    /// It is missing where one of them does not hold.
    pub(crate) conditions: Vec<Expression>,
    constant: f64,
}

impl Linear {
    /// The parts of an expression over several owners' values; none where it is not a sum of theirs.
    pub(crate) fn of(known: &[Known], expression: &Expression) -> Option<Self> {
        let mut linear = Self::default();
        linear.add(known, expression, 1.0)?;
        if linear.constant != 0.0 {
            let constant = Expression::Constant(fold::number(linear.constant)?);
            let first = linear.parts.values_mut().next()?;
            *first = binary(BinaryOperator::Add, first.clone(), constant);
        }
        (!linear.parts.is_empty()).then_some(linear)
    }

    fn add(&mut self, known: &[Known], expression: &Expression, factor: f64) -> Option<()> {
        match (owners(known, expression)[..].first(), fold::constant(expression)) {
            (_, Some(Some(Value::Number(number)))) => {
                self.constant += factor * number;
                return self.constant.is_finite().then_some(());
            }
            (Some(owner), _) if owners(known, expression).len() == 1 => {
                self.part(owner, expression, factor);
                return Some(());
            }
            _ => {}
        }
        use BinaryOperator as B;
        match expression {
            Expression::Negate(inner) => self.add(known, inner, -factor),
            Expression::Binary(operator @ (B::Add | B::Subtract), left, right) => {
                self.add(known, left, factor)?;
                self.add(known, right, if *operator == B::Add { factor } else { -factor })
            }
            Expression::Binary(B::Multiply, left, right) => match (number(left), number(right)) {
                (Some(by), _) => self.add(known, right, scaled(factor * by)?),
                (_, Some(by)) => self.add(known, left, scaled(factor * by)?),
                _ => None,
            },
            Expression::Binary(B::Divide, left, right) => {
                self.add(known, left, scaled(factor / number(right)?)?)
            }
            Expression::Case { arms, otherwise } => match (&arms[..], otherwise.as_ref()) {
                ([(when, then)], Expression::Missing(_)) => {
                    self.conditions.push(when.clone());
                    self.add(known, then, factor)
                }
                _ => None,
            },
            _ => None,
        }
    }

    fn part(&mut self, owner: &OwnerId, expression: &Expression, factor: f64) {
        let term = match factor {
            1.0 => expression.clone(),
            -1.0 => Expression::Negate(Box::new(expression.clone())),
            _ => {
                let factor = Expression::Constant(Value::Number(factor));
                binary(BinaryOperator::Multiply, expression.clone(), factor)
            }
        };
        match self.parts.get_mut(owner) {
            None => {
                self.parts.insert(owner.clone(), term);
            }
            Some(part) => *part = binary(BinaryOperator::Add, part.clone(), term),
        }
    }
}

/// A factor that says something: neither 0 nor beyond all bounds.
fn scaled(factor: f64) -> Option<f64> {
    (factor.is_finite() && factor != 0.0).then_some(factor)
}

fn number(expression: &Expression) -> Option<f64> {
    match fold::constant(expression)?? {
        Value::Number(number) => Some(number),
        Value::Text(_) => None,
    }
}

fn binary(operator: BinaryOperator, left: Expression, right: Expression) -> Expression {
    Expression::Binary(operator, Box::new(left), Box::new(right))
}
