//! Values of expressions where inputs are known, and what can be said of them where an input lies in a range.
//!
//! Used for columns over several owners, whose public table is computed by the checker; the words are those of
//! [`kobling_model::expression`]. Bounds over a range come from the same rounded operations at its ends, which are monotonic, so the value at
//! every number of the range lies within.

use kobling_model::expression::{BinaryOperator, Expression, Function, Value};
use kobling_model::scalar;

use crate::fold;

/// What is known of a value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Abstract {
    /// It is this, or missing.
    Exact(Option<Value>),
    /// A number, not missing, from the first to the second.
    Between(f64, f64),
    /// Nothing.
    Unknown,
}

impl Abstract {
    pub(crate) fn between(low: f64, high: f64) -> Self {
        if !low.is_finite() || !high.is_finite() {
            return Self::Unknown;
        }
        if low == high { Self::Exact(fold::number(low)) } else { Self::Between(low, high) }
    }

    /// A truth value.
    const TRUTH: Self = Self::Between(0.0, 1.0);

    fn truth(holds: bool) -> Self {
        Self::Exact(Some(Value::Number(f64::from(u8::from(holds)))))
    }

    /// The range of a number that is not missing.
    fn range(&self) -> Option<(f64, f64)> {
        match self {
            Self::Exact(Some(Value::Number(number))) => Some((*number, *number)),
            Self::Between(low, high) => Some((*low, *high)),
            _ => None,
        }
    }

    /// Whether it is true as a condition, where that is known.
    fn is_true(&self) -> Option<bool> {
        match self {
            Self::Exact(value) => Some(fold::is_true(value.as_ref())),
            Self::Between(low, high) => (*low > 0.0 || *high < 0.0).then_some(true),
            Self::Unknown => None,
        }
    }

    /// What holds of both.
    fn join(self, other: Self) -> Self {
        if self == other {
            return self;
        }
        match (self.range(), other.range()) {
            (Some((a, b)), Some((c, d))) => Self::between(a.min(c), b.max(d)),
            _ => Self::Unknown,
        }
    }
}

/// The value of an expression over known inputs; none where only an owner's engine computes it.
pub(crate) fn evaluate(expression: &Expression, inputs: &[Option<Value>]) -> Option<Option<Value>> {
    let inputs: Vec<Abstract> = inputs.iter().cloned().map(Abstract::Exact).collect();
    match over_range(expression, &inputs) {
        Abstract::Exact(value) => Some(value),
        Abstract::Between(..) | Abstract::Unknown => None,
    }
}

/// What is known of the value of an expression over inputs of which this is known.
pub(crate) fn over_range(expression: &Expression, inputs: &[Abstract]) -> Abstract {
    let of = |expression: &Expression| over_range(expression, inputs);
    match expression {
        Expression::Source(input) => inputs.get(*input).cloned().unwrap_or(Abstract::Unknown),
        Expression::Constant(value) => Abstract::Exact(Some(value.clone())),
        Expression::Missing(_) => Abstract::Exact(None),
        Expression::Negate(inner) => match of(inner) {
            Abstract::Exact(Some(Value::Number(number))) => Abstract::Exact(fold::number(-number)),
            Abstract::Exact(_) => Abstract::Exact(None),
            Abstract::Between(low, high) => Abstract::between(-high, -low),
            Abstract::Unknown => Abstract::Unknown,
        },
        Expression::Not(inner) => {
            of(inner).is_true().map_or(Abstract::TRUTH, |holds| Abstract::truth(!holds))
        }
        Expression::Binary(operator, left, right) => binary(*operator, of(left), || of(right)),
        Expression::Call(function, arguments) => call(*function, arguments.iter().map(of).collect()),
        Expression::Case { arms, otherwise } => {
            let mut possible: Option<Abstract> = None;
            let join = |possible: Option<Abstract>, value: Abstract| match possible {
                Some(possible) => possible.join(value),
                None => value,
            };
            for (when, then) in arms {
                match of(when).is_true() {
                    Some(true) => return join(possible, of(then)),
                    Some(false) => {}
                    None => {
                        let joined = join(possible, of(then));
                        if joined == Abstract::Unknown {
                            return joined;
                        }
                        possible = Some(joined);
                    }
                }
            }
            join(possible, of(otherwise))
        }
    }
}

fn binary(operator: BinaryOperator, left: Abstract, right: impl Fn() -> Abstract) -> Abstract {
    use BinaryOperator as B;
    match (operator, left.is_true()) {
        (B::And, Some(false)) => return Abstract::truth(false),
        (B::Or, Some(true)) => return Abstract::truth(true),
        _ => {}
    }
    let right = right();
    if let (Abstract::Exact(left), Abstract::Exact(right)) = (&left, &right) {
        return Abstract::Exact(fold::binary(operator, left.as_ref(), right.as_ref()));
    }
    match operator {
        B::And | B::Or => {
            return match (operator, left.is_true(), right.is_true()) {
                (B::And, _, Some(false)) => Abstract::truth(false),
                (B::Or, _, Some(true)) => Abstract::truth(true),
                (_, Some(left), Some(right)) => {
                    Abstract::truth(if operator == B::And { left && right } else { left || right })
                }
                _ => Abstract::TRUTH,
            };
        }
        B::Add | B::Subtract | B::Multiply | B::Divide => {
            if left == Abstract::Exact(None) || right == Abstract::Exact(None) {
                return Abstract::Exact(None);
            }
        }
        _ => {
            if left == Abstract::Exact(None) || right == Abstract::Exact(None) {
                return Abstract::truth(operator == B::NotEqual);
            }
        }
    }
    let (Some((a, b)), Some((c, d))) = (left.range(), right.range()) else {
        return match operator {
            B::Add | B::Subtract | B::Multiply | B::Divide => Abstract::Unknown,
            _ => Abstract::TRUTH,
        };
    };
    let (less, greater, equal) = (b < c, a > d, a == b && c == d && a == c);
    let known = |holds: bool, fails: bool| match (holds, fails) {
        (true, _) => Abstract::truth(true),
        (_, true) => Abstract::truth(false),
        _ => Abstract::TRUTH,
    };
    match operator {
        B::Add => Abstract::between(a + c, b + d),
        B::Subtract => Abstract::between(a - d, b - c),
        B::Multiply => hull([a * c, a * d, b * c, b * d]),
        B::Divide if c > 0.0 || d < 0.0 => hull([a / c, a / d, b / c, b / d]),
        B::Divide => Abstract::Unknown,
        B::Equal => known(equal, less || greater),
        B::NotEqual => known(less || greater, equal),
        B::Less => known(less, a >= d),
        B::LessOrEqual => known(b <= c, greater),
        B::Greater => known(greater, b <= c),
        B::GreaterOrEqual => known(a >= d, less),
        B::And | B::Or => Abstract::TRUTH,
    }
}

fn hull(ends: [f64; 4]) -> Abstract {
    if ends.iter().any(|end| end.is_nan()) {
        return Abstract::Unknown;
    }
    let low = ends.into_iter().fold(f64::INFINITY, f64::min);
    Abstract::between(low, ends.into_iter().fold(f64::NEG_INFINITY, f64::max))
}

fn call(function: Function, arguments: Vec<Abstract>) -> Abstract {
    use Function as F;
    let exact: Option<Vec<Option<Value>>> = (arguments.iter())
        .map(|argument| match argument {
            Abstract::Exact(value) => Some(value.clone()),
            _ => None,
        })
        .collect();
    if let Some(exact) = exact {
        return called(function, &exact).map_or(Abstract::Unknown, Abstract::Exact);
    }
    let monotonic = |map: fn(f64) -> f64| match arguments[0] {
        Abstract::Between(low, high) => Abstract::between(map(low), map(high)),
        _ => Abstract::Unknown,
    };
    match function {
        F::Sysmiss => match arguments[0] {
            Abstract::Between(..) => Abstract::truth(false),
            _ => Abstract::TRUTH,
        },
        F::RowMissing | F::RowValid => {
            let present = arguments.iter().filter(|argument| argument.range().is_some()).count();
            let missing = arguments.iter().filter(|argument| **argument == Abstract::Exact(None)).count();
            let count = if function == F::RowValid { present } else { missing };
            let known = present + missing == arguments.len();
            if known { Abstract::Exact(fold::number(count as f64)) } else { Abstract::Unknown }
        }
        F::Floor => monotonic(f64::floor),
        F::Ceil => monotonic(f64::ceil),
        F::Int => monotonic(f64::trunc),
        F::Round if arguments.len() == 1 => monotonic(f64::round),
        F::Abs => match arguments[0] {
            Abstract::Between(low, high) if low >= 0.0 => Abstract::between(low, high),
            Abstract::Between(low, high) if high <= 0.0 => Abstract::between(-high, -low),
            Abstract::Between(low, high) => Abstract::between(0.0, high.max(-low)),
            _ => Abstract::Unknown,
        },
        F::Year => match arguments[0] {
            Abstract::Between(low, high) => match (year(low), year(high)) {
                (Some(low), Some(high)) => Abstract::between(low, high),
                _ => Abstract::Unknown,
            },
            _ => Abstract::Unknown,
        },
        _ => Abstract::Unknown,
    }
}

fn year(day: f64) -> Option<f64> {
    Some(f64::from(scalar::day_of(day)?.civil().0))
}

/// A function of known values; none where only an owner's engine computes it.
pub(crate) fn called(function: Function, arguments: &[Option<Value>]) -> Option<Option<Value>> {
    use Function as F;
    let present = || arguments.iter().flatten();
    let numbers = || {
        let number = |value: &Value| match value {
            Value::Number(number) => Some(*number),
            Value::Text(_) => None,
        };
        present().map(number).collect::<Option<Vec<f64>>>()
    };
    match function {
        F::RowMissing => Some(fold::number((arguments.len() - present().count()) as f64)),
        F::RowValid => Some(fold::number(present().count() as f64)),
        F::RowMax => Some(numbers()?.into_iter().reduce(f64::max).and_then(fold::number)),
        F::RowMin => Some(numbers()?.into_iter().reduce(f64::min).and_then(fold::number)),
        F::RowTotal => Some(fold::number(numbers()?.into_iter().sum())),
        _ => fold::call(function, arguments),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(at: usize) -> Box<Expression> {
        Box::new(Expression::Source(at))
    }

    fn number(number: f64) -> Box<Expression> {
        Box::new(Expression::Constant(Value::Number(number)))
    }

    fn expressions() -> Vec<Expression> {
        use BinaryOperator::*;
        let two = |operator, left, right| Expression::Binary(operator, left, right);
        let thirds = || Box::new(two(Divide, source(0), number(3.5)));
        let floored = || Box::new(Expression::Call(Function::Floor, vec![*thirds()]));
        let mut all = vec![
            Expression::Call(Function::Round, vec![*thirds()]),
            Expression::Call(Function::Ceil, vec![two(Multiply, source(0), number(-0.3))]),
            Expression::Call(Function::Abs, vec![two(Subtract, source(0), number(4.0))]),
            Expression::Call(Function::Year, vec![two(Multiply, source(0), number(40.0))]),
            Expression::Negate(floored()),
            Expression::Not(floored()),
            Expression::Case {
                arms: vec![
                    (two(Less, source(0), number(-2.0)), *number(1.0)),
                    (two(GreaterOrEqual, floored(), number(2.0)), *thirds()),
                ],
                otherwise: Box::new(Expression::Missing(kobling_model::expression::ValueType::Number)),
            },
            two(And, Box::new(two(Less, source(0), number(3.0))), floored()),
            two(Or, Box::new(two(Less, source(0), number(3.0))), floored()),
        ];
        for operator in
            [Add, Subtract, Multiply, Divide, Equal, NotEqual, Less, LessOrEqual, Greater, GreaterOrEqual]
        {
            all.push(two(operator, floored(), number(1.0)));
            all.push(two(operator, source(0), source(1)));
        }
        all
    }

    #[test]
    fn what_is_said_of_a_range_holds_at_each_of_its_numbers() {
        for expression in expressions() {
            for (low, high) in [(-9, 9), (-1, 2), (0, 1), (3, 8), (5, 5), (-40, -30)] {
                let ends = Abstract::between(f64::from(low), f64::from(high));
                let said = over_range(&expression, &[ends, Abstract::Exact(Some(Value::Number(2.0)))]);
                for x in low..=high {
                    let inputs = [Some(Value::Number(f64::from(x))), Some(Value::Number(2.0))];
                    let value = evaluate(&expression, &inputs).expect("computed");
                    let holds = match (&said, &value) {
                        (Abstract::Exact(said), value) => said == value,
                        (Abstract::Between(low, high), Some(Value::Number(x))) => low <= x && x <= high,
                        (Abstract::Between(..), _) => false,
                        (Abstract::Unknown, _) => true,
                    };
                    assert!(holds, "{expression:?} at {x} of {low}..{high}: {said:?}, {value:?}");
                }
            }
        }
    }

    #[test]
    fn missing_inputs_follow_the_words_of_the_model() {
        use BinaryOperator::*;
        let of = |operator| {
            let known = [Abstract::Between(1.0, 2.0), Abstract::Exact(None)];
            over_range(&Expression::Binary(operator, source(0), source(1)), &known)
        };
        assert_eq!((of(Add), of(Less)), (Abstract::Exact(None), Abstract::truth(false)));
        assert_eq!((of(NotEqual), of(And)), (Abstract::truth(true), Abstract::truth(false)));
        assert_eq!(of(Or), Abstract::truth(true));
        let missing = Expression::Call(Function::Sysmiss, vec![*source(0)]);
        assert_eq!(over_range(&missing, &[Abstract::Between(1.0, 2.0)]), Abstract::truth(false));
    }
}
