//! The value of an expression at one unit, as the words of `kobling_model::expression` say.

use kobling_model::Day;
use kobling_model::expression::{BinaryOperator, Expression, Function, Value};

use crate::Datum;

pub(crate) fn is_true(datum: &Datum) -> bool {
    matches!(datum, Some(Value::Number(number)) if *number != 0.0)
}

fn truth(holds: bool) -> Datum {
    Some(Value::Number(if holds { 1.0 } else { 0.0 }))
}

/// A finite number; every other result is missing.
pub(crate) fn number(value: f64) -> Datum {
    value.is_finite().then_some(Value::Number(value))
}

/// The value of an expression at one unit.
pub fn evaluate(expression: &Expression, sources: &[Datum]) -> Datum {
    match expression {
        Expression::Source(index) => sources[*index].clone(),
        Expression::Constant(value) => Some(value.clone()),
        Expression::Missing(_) => None,
        Expression::Negate(inner) => match evaluate(inner, sources) {
            Some(Value::Number(value)) => number(-value),
            _ => None,
        },
        Expression::Not(inner) => truth(!is_true(&evaluate(inner, sources))),
        Expression::Binary(operator, left, right) => {
            binary(*operator, evaluate(left, sources), evaluate(right, sources))
        }
        Expression::Call(function, arguments) => {
            let arguments: Vec<_> = arguments.iter().map(|argument| evaluate(argument, sources)).collect();
            call(*function, &arguments)
        }
        Expression::Case { arms, otherwise } => {
            let arm = arms.iter().find(|(condition, _)| is_true(&evaluate(condition, sources)));
            evaluate(arm.map_or(otherwise, |(_, value)| value), sources)
        }
    }
}

fn binary(operator: BinaryOperator, left: Datum, right: Datum) -> Datum {
    use BinaryOperator as B;
    match operator {
        B::And => return truth(is_true(&left) && is_true(&right)),
        B::Or => return truth(is_true(&left) || is_true(&right)),
        _ => {}
    }
    let arithmetic = matches!(operator, B::Add | B::Subtract | B::Multiply | B::Divide);
    let order = match (left, right) {
        (Some(Value::Number(left)), Some(Value::Number(right))) => match operator {
            B::Add => return number(left + right),
            B::Subtract => return number(left - right),
            B::Multiply => return number(left * right),
            B::Divide => return number(left / right),
            _ => left.partial_cmp(&right).expect("all numbers are finite"),
        },
        (Some(Value::Text(left)), Some(Value::Text(right))) => left.as_bytes().cmp(right.as_bytes()),
        (Some(_), Some(_)) => panic!("the checker keeps texts and numbers apart"),
        _ if arithmetic => return None,
        _ => return truth(operator == B::NotEqual),
    };
    truth(match operator {
        B::Equal => order.is_eq(),
        B::NotEqual => order.is_ne(),
        B::Less => order.is_lt(),
        B::LessOrEqual => order.is_le(),
        B::Greater => order.is_gt(),
        _ => order.is_ge(),
    })
}

fn call(function: Function, arguments: &[Datum]) -> Datum {
    use Function as F;
    let present = || arguments.iter().flatten();
    let numbers =
        || present().map(|value| if let Value::Number(number) = value { *number } else { f64::NAN });
    match function {
        F::Sysmiss => return truth(arguments[0].is_none()),
        F::RowMissing => return number(arguments.iter().filter(|argument| argument.is_none()).count() as f64),
        F::RowValid => return number(present().count() as f64),
        F::RowTotal => return number(numbers().sum()),
        F::RowMax => return numbers().reduce(f64::max).and_then(number),
        F::RowMin => return numbers().reduce(f64::min).and_then(number),
        F::RowMedian | F::RowStd => return of_many(function, numbers().collect()),
        F::RowMean if present().count() == 0 => return None,
        F::RowMean => return number(numbers().sum::<f64>() / present().count() as f64),
        _ => {}
    }
    // Everything else is missing where an argument is.
    let values: Option<Vec<&Value>> = arguments.iter().map(Option::as_ref).collect();
    if function == F::RowConcat {
        let text = |value: &&Value| match value {
            Value::Number(number) => number.to_string(),
            Value::Text(text) => text.clone(),
        };
        return Some(Value::Text(values?.iter().map(text).collect()));
    }
    match values?[..] {
        [Value::Number(x)] => of_number(function, *x),
        [Value::Number(x), Value::Number(step)] if function == F::Round => {
            number((x / step.abs()).round() * step.abs())
        }
        [Value::Number(year), Value::Number(month), Value::Number(day)] if function == F::Date => {
            let whole = [year, month, day].iter().all(|part| part.fract() == 0.0 && part.abs() < 1e6);
            let (month, day) = (u32::try_from(*month as i64).ok()?, u32::try_from(*day as i64).ok()?);
            let days = whole.then(|| Day::from_civil(*year as i32, month, day).ok())??;
            number(f64::from(days.days()))
        }
        [Value::Text(text)] => of_text(function, text),
        [Value::Text(text), Value::Text(part)] => match function {
            F::StartsWith => truth(text.starts_with(part.as_str())),
            F::EndsWith => truth(text.ends_with(part.as_str())),
            _ => panic!("{function:?} takes no two texts"),
        },
        [Value::Text(text), Value::Text(ignored), Value::Number(comma)] if function == F::Destring => {
            destring(text, ignored, *comma != 0.0).and_then(number)
        }
        [Value::Text(text), Value::Number(position), Value::Number(length)] => {
            Some(Value::Text(substring(text, *position, *length)))
        }
        _ => panic!("{function:?} takes no such arguments"),
    }
}

/// The median or the standard deviation of what is there.
fn of_many(function: Function, mut values: Vec<f64>) -> Datum {
    let count = values.len();
    if function == Function::RowStd {
        let mean = values.iter().sum::<f64>() / count as f64;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        return if count < 2 { None } else { number((squares / (count - 1) as f64).sqrt()) };
    }
    values.sort_by(f64::total_cmp);
    if count == 0 { None } else { number((values[(count - 1) / 2] + values[count / 2]) / 2.0) }
}

fn of_number(function: Function, x: f64) -> Datum {
    use Function as F;
    let civil = || Day::from_days(x.floor() as i32).ok().map(Day::civil);
    let part = |of: fn((i32, u32, u32)) -> u32| civil().and_then(|date| number(f64::from(of(date))));
    match function {
        F::Abs => number(x.abs()),
        F::Ceil => number(x.ceil()),
        F::Floor => number(x.floor()),
        F::Int => number(x.trunc()),
        F::Round => number(x.round()),
        F::Sqrt => number(x.sqrt()),
        F::Exp => number(x.exp()),
        F::Ln => number(x.ln()),
        F::Log10 => number(x.log10()),
        F::Year => civil().and_then(|(year, _, _)| number(f64::from(year))),
        F::Month => part(|(_, month, _)| month),
        F::Day => part(|(_, _, day)| day),
        F::Quarter => part(|(_, month, _)| month.div_ceil(3)),
        F::Halfyear => part(|(_, month, _)| month.div_ceil(6)),
        F::Dow => civil().and_then(|_| number((x.floor() + 3.0).rem_euclid(7.0) + 1.0)),
        F::Doy => {
            let (year, _, _) = civil()?;
            number(x.floor() - f64::from(Day::from_civil(year, 1, 1).ok()?.days()) + 1.0)
        }
        F::Week => iso_week(x.floor() as i64).and_then(|week| number(week as f64)),
        F::Isoformatdate => {
            let (year, month, day) = civil()?;
            Some(Value::Text(format!("{year:04}-{month:02}-{day:02}")))
        }
        F::String => Some(Value::Text(x.to_string())),
        _ => panic!("{function:?} takes no number"),
    }
}

/// ISO 8601: weeks start on Monday, and week 1 has the year's first Thursday.
fn iso_week(days: i64) -> Option<i64> {
    let thursday = days - (days + 3).rem_euclid(7) + 3;
    let (year, _, _) = Day::from_days(i32::try_from(thursday).ok()?).ok()?.civil();
    let first = i64::from(Day::from_civil(year, 1, 1).ok()?.days());
    Some((thursday - first) / 7 + 1)
}

fn of_text(function: Function, text: &str) -> Datum {
    use Function as F;
    Some(Value::Text(match function {
        F::Length => return number(text.chars().count() as f64),
        F::Lower => text.to_lowercase(),
        F::Upper => text.to_uppercase(),
        F::Trim => text.trim().to_owned(),
        F::Ltrim => text.trim_start().to_owned(),
        F::Rtrim => text.trim_end().to_owned(),
        F::String => text.to_owned(),
        _ => panic!("{function:?} takes no text"),
    }))
}

/// From 1, or negative from the end; nothing for a start that is neither.
fn substring(text: &str, position: f64, length: f64) -> String {
    let letters: Vec<char> = text.chars().collect();
    let position = position as i64;
    let start = if position >= 1 { position - 1 } else { letters.len() as i64 + position };
    if position == 0 || start < 0 || length < 1.0 {
        return String::new();
    }
    letters.into_iter().skip(start as usize).take(length as usize).collect()
}

/// The number that a text is once some signs are left out: a sign, digits, and one point or, where it is one, comma; blanks around it do
/// not count.
fn destring(text: &str, ignored: &str, comma: bool) -> Option<f64> {
    let mut kept: Vec<char> = text.chars().filter(|letter| !ignored.contains(*letter)).collect();
    for letter in &mut kept {
        if comma && *letter == ',' {
            *letter = '.';
        }
    }
    let kept: String = kept.into_iter().collect();
    let unsigned = kept.trim();
    let (negative, unsigned) = match unsigned.chars().next()? {
        '-' => (true, &unsigned[1..]),
        '+' => (false, &unsigned[1..]),
        _ => (false, unsigned),
    };
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digits = |text: &str| text.chars().all(|letter| letter.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || whole.len() + fraction.len() == 0 {
        return None;
    }
    let size: f64 = format!("0{whole}.{fraction}0").parse().expect("digits");
    // There is one zero.
    Some(if negative { -size } else { size } + 0.0)
}

#[cfg(test)]
mod tests {
    use kobling_model::expression::ValueType;

    use super::*;

    fn text(text: &str) -> Value {
        Value::Text(text.into())
    }

    #[test]
    fn missing_values_follow_the_words_of_the_model() {
        use BinaryOperator as B;
        let missing = || Box::new(Expression::Missing(ValueType::Number));
        let one = || Box::new(Expression::Constant(Value::Number(1.0)));
        let of = |expression: Expression| match evaluate(&expression, &[]) {
            Some(Value::Number(number)) => Some(number),
            _ => None,
        };
        let two = |operator| of(Expression::Binary(operator, one(), missing()));
        assert_eq!((two(B::Add), two(B::Less), two(B::NotEqual)), (None, Some(0.0), Some(1.0)));
        assert_eq!((two(B::And), two(B::Or)), (Some(0.0), Some(1.0)));
        assert_eq!(of(Expression::Not(missing())), Some(1.0));
        assert_eq!(of(Expression::Negate(missing())), None);
        let zero = Box::new(Expression::Constant(Value::Number(0.0)));
        assert_eq!(of(Expression::Binary(B::Divide, one(), zero)), None);
        assert_eq!(of(Expression::Call(Function::Sysmiss, vec![*missing()])), Some(1.0));
        assert_eq!(of(Expression::Call(Function::Ln, vec![Expression::Negate(one())])), None);
        let case = Expression::Case { arms: vec![(*missing(), *one())], otherwise: missing() };
        assert_eq!(of(case), None);
    }

    #[test]
    fn functions_agree_with_the_checks_that_the_language_gives() {
        let of = |function, arguments: &[f64]| {
            let arguments: Vec<_> = arguments.iter().map(|value| Some(Value::Number(*value))).collect();
            match call(function, &arguments) {
                Some(Value::Number(number)) => Some(number),
                _ => None,
            }
        };
        assert_eq!(of(Function::Date, &[2015.0, 12.0, 31.0]), Some(16_800.0));
        assert_eq!(of(Function::Date, &[2015.0, 2.0, 30.0]), None);
        assert_eq!((of(Function::Dow, &[0.0]), of(Function::Doy, &[31.0])), (Some(4.0), Some(32.0)));
        // 2021-01-03 is a Sunday of week 53 of 2020, the day after is in week 1.
        assert_eq!(
            (of(Function::Week, &[18_630.0]), of(Function::Week, &[18_631.0])),
            (Some(53.0), Some(1.0))
        );
        assert_eq!(substring("0301", -2.0, 2.0), "01");
        assert_eq!(substring("0301", 0.0, 2.0), "");
        assert_eq!(substring("0301", 3.0, 9.0), "01");
    }

    #[test]
    fn texts_are_numbers_of_a_sign_digits_and_one_point() {
        let of = |text| destring(text, "", false);
        assert_eq!(
            (of("0301"), of(" -2.50 "), of("+.5"), of("7.")),
            (Some(301.0), Some(-2.5), Some(0.5), Some(7.0))
        );
        for text in
            ["", " ", ".", "-", "--1", "1-", "1.2.3", "1 000", "1e3", "inf", "NaN", "0x1", "1,5", "\u{663}"]
        {
            assert_eq!(of(text), None, "{text}");
        }
        assert_eq!(destring("kr 1 000,50", "kr ", true), Some(1000.5));
        assert_eq!(destring("1.5", ".", false), Some(15.0));
        assert_eq!(destring("-0", "", false).map(f64::to_bits), Some(0));
        // The model's own account agrees, also on what is drawn.
        let signs: Vec<char> = "0123456789.,+- eEx".chars().collect();
        let mut next = 1_u64;
        for _ in 0..20_000 {
            let mut text = String::new();
            for _ in 0..6 {
                next = next.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                text.push(signs[(next >> 33) as usize % signs.len()]);
            }
            for (ignored, comma) in [("", false), ("", true), ("-, ", false), ("ex+", true)] {
                let expected = kobling_model::expression::number_of(&text, ignored, comma);
                assert_eq!(destring(&text, ignored, comma), expected, "{text} without {ignored}");
            }
        }
        let evaluated = call(Function::Destring, &[Some(text("9,5")), Some(text("")), number(1.0)]);
        assert_eq!(evaluated, number(9.5));
        assert_eq!(call(Function::Destring, &[None, Some(text("")), number(1.0)]), None);
    }
}
