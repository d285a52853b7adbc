//! Values of expressions over constants, by the rules of `model::expression`.
//!
//! Only what has one obvious result is computed here; everything else stays in the plan for the owner's
//! engine. So a folded expression never differs from the one that was written.

use kobling_model::Day;
use kobling_model::expression::{BinaryOperator, Expression, Function, Value};

use crate::parser::positive_zero;

/// The value of a constant expression; the inner none is missing.
pub(crate) fn constant(expression: &Expression) -> Option<Option<Value>> {
    match expression {
        Expression::Constant(value) => Some(Some(value.clone())),
        Expression::Missing(_) => Some(None),
        _ => None,
    }
}

/// Whether a constant is true as a condition.
pub(crate) fn is_true(value: Option<&Value>) -> bool {
    matches!(value, Some(Value::Number(number)) if *number != 0.0)
}

/// A finite number; everything else is missing.
pub(crate) fn number(value: f64) -> Option<Value> {
    value.is_finite().then(|| Value::Number(positive_zero(value)))
}

fn truth(holds: bool) -> Option<Value> {
    Some(Value::Number(f64::from(u8::from(holds))))
}

/// `left operator right`, none where the result is missing.
pub(crate) fn binary(operator: BinaryOperator, left: Option<&Value>, right: Option<&Value>) -> Option<Value> {
    use BinaryOperator as B;
    match operator {
        B::And => return truth(is_true(left) && is_true(right)),
        B::Or => return truth(is_true(left) || is_true(right)),
        _ => {}
    }
    let (Some(left), Some(right)) = (left, right) else {
        return match operator {
            B::Add | B::Subtract | B::Multiply | B::Divide => None,
            _ => truth(operator == B::NotEqual),
        };
    };
    let order = match (left, right) {
        (Value::Number(left), Value::Number(right)) => {
            match operator {
                B::Add => return number(left + right),
                B::Subtract => return number(left - right),
                B::Multiply => return number(left * right),
                B::Divide => return number(left / right),
                _ => {}
            }
            left.partial_cmp(right)?
        }
        (Value::Text(left), Value::Text(right)) => left.cmp(right),
        _ => return None,
    };
    truth(match operator {
        B::Equal => order.is_eq(),
        B::NotEqual => order.is_ne(),
        B::Less => order.is_lt(),
        B::LessOrEqual => order.is_le(),
        B::Greater => order.is_gt(),
        B::GreaterOrEqual => order.is_ge(),
        B::Add | B::Subtract | B::Multiply | B::Divide | B::And | B::Or => return None,
    })
}

/// A function of constants; the outer none: not computed here.
pub(crate) fn call(function: Function, arguments: &[Option<Value>]) -> Option<Option<Value>> {
    use Function as F;
    if function == F::Sysmiss {
        return Some(truth(arguments.first()?.is_none()));
    }
    let computed = matches!(
        function,
        F::Date
            | F::Year
            | F::Month
            | F::Day
            | F::Quarter
            | F::Halfyear
            | F::Dow
            | F::Abs
            | F::Ceil
            | F::Floor
            | F::Int
            | F::Lower
            | F::Upper
            | F::Trim
            | F::Ltrim
            | F::Rtrim
            | F::Length
            | F::Substr
            | F::StartsWith
            | F::EndsWith
    );
    if !computed {
        return None;
    }
    let Some(present) = arguments.iter().map(Option::as_ref).collect::<Option<Vec<&Value>>>() else {
        return Some(None);
    };
    match present[..] {
        [Value::Number(x)] => of_number(function, *x),
        [Value::Text(text)] => of_text(function, text),
        [Value::Text(text), Value::Text(part)] => match function {
            F::StartsWith => Some(truth(text.starts_with(part.as_str()))),
            F::EndsWith => Some(truth(text.ends_with(part.as_str()))),
            _ => None,
        },
        [Value::Text(text), Value::Number(position), Value::Number(length)] => {
            substring(text, *position, *length).map(|part| Some(Value::Text(part)))
        }
        [Value::Number(year), Value::Number(month), Value::Number(day)] => Some(date(*year, *month, *day)),
        _ => None,
    }
}

fn of_number(function: Function, x: f64) -> Option<Option<Value>> {
    use Function as F;
    let civil = || whole(x).and_then(|days| Day::from_days(days).ok()).map(Day::civil);
    let part = |of: fn((i32, u32, u32)) -> u32| civil().map(|date| Some(Value::Number(f64::from(of(date)))));
    match function {
        F::Abs => Some(number(x.abs())),
        F::Ceil => Some(number(x.ceil())),
        F::Floor => Some(number(x.floor())),
        F::Int => Some(number(x.trunc())),
        F::Year => civil().map(|(year, _, _)| Some(Value::Number(f64::from(year)))),
        F::Month => part(|(_, month, _)| month),
        F::Day => part(|(_, _, day)| day),
        F::Quarter => part(|(_, month, _)| month.div_ceil(3)),
        F::Halfyear => part(|(_, month, _)| month.div_ceil(6)),
        // 1970-01-01, day 0, was a Thursday.
        F::Dow => whole(x).map(|days| Some(Value::Number(f64::from((days.rem_euclid(7) + 3) % 7 + 1)))),
        _ => None,
    }
}

fn of_text(function: Function, text: &str) -> Option<Option<Value>> {
    use Function as F;
    let same = match function {
        F::Lower => text.to_lowercase(),
        F::Upper => text.to_uppercase(),
        F::Trim => text.trim().to_owned(),
        F::Ltrim => text.trim_start().to_owned(),
        F::Rtrim => text.trim_end().to_owned(),
        F::Length => return Some(number(text.chars().count() as f64)),
        _ => return None,
    };
    Some(Some(Value::Text(same)))
}

/// From 1, negative from the end; none where the position is outside the text's numbering.
fn substring(text: &str, position: f64, length: f64) -> Option<String> {
    let (position, length) = (whole(position)?, usize::try_from(whole(length)?).ok()?);
    let letters = text.chars().count();
    let start = match usize::try_from(position) {
        Ok(position) => position.checked_sub(1)?,
        Err(_) => letters.checked_sub(position.unsigned_abs() as usize)?,
    };
    Some(text.chars().skip(start).take(length).collect())
}

fn date(year: f64, month: f64, day: f64) -> Option<Value> {
    let small = |x| whole(x).and_then(|x| u32::try_from(x).ok());
    let day = Day::from_civil(whole(year)?, small(month)?, small(day)?).ok()?;
    Some(Value::Number(f64::from(day.days())))
}

pub(crate) fn whole(x: f64) -> Option<i32> {
    let fits = x.fract() == 0.0 && x >= f64::from(i32::MIN) && x <= f64::from(i32::MAX);
    fits.then_some(x as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(function: Function, arguments: &[f64]) -> Option<f64> {
        let arguments: Vec<_> = arguments.iter().map(|x| Some(Value::Number(*x))).collect();
        match call(function, &arguments) {
            Some(Some(Value::Number(x))) => Some(x),
            _ => None,
        }
    }

    #[test]
    fn dates_agree_with_the_checks_that_the_language_gives() {
        assert_eq!(numbers(Function::Date, &[2015.0, 12.0, 31.0]), Some(16800.0));
        assert_eq!(numbers(Function::Date, &[1967.0, 5.0, 27.0]), Some(-950.0));
        assert_eq!(numbers(Function::Date, &[2023.0, 2.0, 30.0]), None);
        assert_eq!(numbers(Function::Dow, &[0.0]), Some(4.0));
        assert_eq!(numbers(Function::Dow, &[-4.0]), Some(7.0));
        assert_eq!(numbers(Function::Dow, &[4.0]), Some(1.0));
    }

    #[test]
    fn rounding_is_the_mathematical_one() {
        assert_eq!(numbers(Function::Floor, &[-8.6]), Some(-9.0));
        assert_eq!(numbers(Function::Ceil, &[-17.3]), Some(-17.0));
        assert_eq!(numbers(Function::Int, &[-8.6]), Some(-8.0));
    }

    #[test]
    fn a_part_of_a_text_counts_from_one_or_from_the_end() {
        assert_eq!(substring("0301", 1.0, 2.0).as_deref(), Some("03"));
        assert_eq!(substring("0301", -2.0, 2.0).as_deref(), Some("01"));
        assert_eq!(substring("blåbær", 3.0, 9.0).as_deref(), Some("åbær"));
        assert_eq!(substring("0301", 0.0, 2.0), None);
        assert_eq!(substring("0301", -5.0, 2.0), None);
    }

    #[test]
    fn missing_makes_comparisons_false_and_arithmetic_missing() {
        let one = Value::Number(1.0);
        assert_eq!(binary(BinaryOperator::Equal, None, None), truth(false));
        assert_eq!(binary(BinaryOperator::NotEqual, Some(&one), None), truth(true));
        assert_eq!(binary(BinaryOperator::Add, Some(&one), None), None);
        assert_eq!(binary(BinaryOperator::Divide, Some(&one), Some(&Value::Number(0.0))), None);
        assert_eq!(binary(BinaryOperator::Or, None, Some(&one)), truth(true));
    }
}
