//! Values of expressions over constants, by the rules of `model::expression`.
//!
//! Only what comes out the same on every machine is computed here, with the same code that owners use; everything else stays in
//! the plan for the owner's engine. So a folded expression never differs from the one that was written.

use std::f64::consts::PI;

use kobling_model::expression::{BinaryOperator, Expression, Function, Value, number_of};
use kobling_model::{Day, scalar};

use crate::domain::shown;
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
///
/// Here are those that a missing argument makes missing, and `sysmiss`, as far as they come out the same on every machine.
pub(crate) fn call(function: Function, arguments: &[Option<Value>]) -> Option<Option<Value>> {
    use Function as F;
    use Value::{Number, Text};
    if function == F::Sysmiss {
        return Some(truth(arguments.first()?.is_none()));
    }
    if !is_computed(function) {
        return None;
    }
    let Some(present) = arguments.iter().map(Option::as_ref).collect::<Option<Vec<&Value>>>() else {
        return Some(None);
    };
    Some(match (function, &present[..]) {
        (F::Pi, []) => number(PI),
        (F::Abs, [Number(x)]) => number(x.abs()),
        (F::Ceil, [Number(x)]) => number(x.ceil()),
        (F::Floor, [Number(x)]) => number(x.floor()),
        (F::Int, [Number(x)]) => number(x.trunc()),
        (F::Round, [Number(x)]) => number(x.round()),
        (F::Round, [Number(x), Number(step)]) => number(scalar::round(*x, *step)),
        (F::Comb, [Number(all), Number(chosen)]) => number(scalar::comb(*all, *chosen)),
        (F::Date, [Number(year), Number(month), Number(day)]) => {
            scalar::date(*year, *month, *day).and_then(number)
        }
        (F::String, [Number(x)]) => Some(Text(shown(&Number(*x)))),
        (F::String | F::Lower | F::Upper | F::Trim | F::Ltrim | F::Rtrim, [Text(text)]) => {
            Some(Text(of_text(function, text)))
        }
        (F::Length, [Text(text)]) => number(text.chars().count() as f64),
        (F::StartsWith, [Text(text), Text(part)]) => truth(text.starts_with(part.as_str())),
        (F::EndsWith, [Text(text), Text(part)]) => truth(text.ends_with(part.as_str())),
        (F::Substr, [Text(text), Number(from), Number(length)]) => {
            Some(Text(scalar::substr(text, *from, *length).to_owned()))
        }
        (F::Destring, [Text(text), Text(ignored), Number(comma)]) => {
            number_of(text, ignored, *comma != 0.0).map(Number)
        }
        (F::RowConcat, values) => Some(Text(values.iter().copied().map(shown).collect())),
        (_, [Number(x)]) => return of_day(function, *x),
        _ => return None,
    })
}

/// Whether [`call`] computes it.
fn is_computed(function: Function) -> bool {
    use Function as F;
    let numbers = matches!(function, F::Abs | F::Ceil | F::Comb | F::Floor | F::Int | F::Pi | F::Round);
    let dates = matches!(
        function,
        F::Date
            | F::Day
            | F::Dow
            | F::Doy
            | F::Halfyear
            | F::Isoformatdate
            | F::Month
            | F::Quarter
            | F::Week
            | F::Year
    );
    let texts = matches!(
        function,
        F::Destring
            | F::EndsWith
            | F::Length
            | F::Lower
            | F::Ltrim
            | F::RowConcat
            | F::Rtrim
            | F::StartsWith
            | F::String
            | F::Substr
            | F::Trim
            | F::Upper
    );
    numbers || dates || texts
}

/// A function of a date; the outer none: it is another function.
fn of_day(function: Function, x: f64) -> Option<Option<Value>> {
    use Function as F;
    let day = scalar::day_of(x);
    let (year, month, day_of_month) = day.map_or((0, 0, 0), Day::civil);
    let of = |part: f64| day.and_then(|_| number(part));
    Some(match function {
        F::Year => of(f64::from(year)),
        F::Month => of(f64::from(month)),
        F::Day => of(f64::from(day_of_month)),
        F::Quarter => of(f64::from(month.div_ceil(3))),
        F::Halfyear => of(f64::from(month.div_ceil(6))),
        F::Dow => day.and_then(|day| number(f64::from(scalar::weekday(day)))),
        F::Doy => day.and_then(|day| number(f64::from(scalar::day_of_year(day)))),
        F::Week => day.and_then(|day| number(f64::from(scalar::iso_week(day)))),
        F::Isoformatdate => day.map(|day| Value::Text(day.to_string())),
        _ => return None,
    })
}

fn of_text(function: Function, text: &str) -> String {
    use Function as F;
    match function {
        F::Lower => text.to_lowercase(),
        F::Upper => text.to_uppercase(),
        F::Trim => text.trim().to_owned(),
        F::Ltrim => text.trim_start().to_owned(),
        F::Rtrim => text.trim_end().to_owned(),
        _ => text.to_owned(),
    }
}

/// A whole number, where it is one.
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
    fn numbers_and_texts_make_texts() {
        let text = |text: &str| Some(Value::Text(text.into()));
        let number = |number| Some(Value::Number(number));
        assert_eq!(call(Function::String, &[number(301.0)]), Some(text("301")));
        assert_eq!(call(Function::String, &[number(-0.5)]), Some(text("-0.5")));
        assert_eq!(call(Function::Isoformatdate, &[number(-950.0)]), Some(text("1967-05-27")));
        assert_eq!(call(Function::Isoformatdate, &[number(1e9)]), Some(None));
        let row = [text("0301"), number(2.0), text("å")];
        assert_eq!(call(Function::RowConcat, &row), Some(text("03012å")));
        assert_eq!(call(Function::RowConcat, &[text("a"), None]), Some(None));
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
