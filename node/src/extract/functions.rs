//! The script language's functions, as functions of the query engine.
//!
//! They are written out here rather than mapped to the engine's own, so that their meaning is the language's to the last
//! case and stays so when the engine changes: what is missing, how halves round, how weeks count.
//!
//! - A missing argument makes the result missing, save for `sysmiss` and the row functions.
//! - Date functions take the day that a number lies in (rounded down); days outside the years 1 to 9999 are missing.
//! - `date(y, m, d)` of numbers that are not whole, or of a day that the calendar lacks, is missing.
//! - `floor` and `ceil` have their mathematical meaning; `int` cuts the fraction off.
//! - `round(x, y)` gives the multiple of y nearest to x, halves away from zero; y is 1 if not given.
//! - `substr(s, from, length)` counts characters from 1, or from the end if negative; before the beginning
//!   and beyond the end there is nothing. Without a length it goes to the end.
//! - `string(x)` writes a number in full, without an exponent.
//! - `rowtotal` of nothing is 0; `rowmax`, `rowmin` and `rowmean` of nothing are missing.

use std::hash::{Hash, Hasher};
use std::mem;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Float64Array, StringArray};
use datafusion::arrow::datatypes::{DataType, Float64Type};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::prelude::Expr;
use kobling_model::Day;
use kobling_model::expression::{Function, ValueType, number_of};

/// What a function yields for arguments of these types; none where it does not take them.
pub(super) fn yields(function: Function, arguments: &[ValueType]) -> Option<ValueType> {
    use Function::*;
    use ValueType::{Number, Text};
    let all_numbers = arguments.iter().all(|argument| *argument == Number);
    let (takes, yields) = match function {
        Abs | Ceil | Floor | Int | Sqrt | Exp | Ln | Log10 => (arguments == [Number], Number),
        Year | Month | Day | Quarter | Halfyear | Dow | Doy | Week => (arguments == [Number], Number),
        Round => (all_numbers && (1..=2).contains(&arguments.len()), Number),
        Date => (arguments == [Number; 3], Number),
        Length => (arguments == [Text], Number),
        Lower | Upper | Trim | Ltrim | Rtrim => (arguments == [Text], Text),
        Destring => (arguments == [Text, Text, Number], Number),
        Substr => (arguments == [Text, Number, Number] || arguments == [Text, Number], Text),
        StartsWith | EndsWith => (arguments == [Text, Text], Number),
        String => (arguments.len() == 1, Text),
        Sysmiss => (arguments.len() == 1, Number),
        RowMax | RowMin | RowMean | RowTotal => (all_numbers && !arguments.is_empty(), Number),
        RowMissing | RowValid => (!arguments.is_empty(), Number),
    };
    takes.then_some(yields)
}

/// A call of a function that yields `yields` for these arguments.
pub(super) fn call(function: Function, yields: ValueType, arguments: Vec<Expr>) -> Expr {
    Kernel::Call(function, yields == ValueType::Text).on(arguments)
}

/// The number, or missing where it is not finite; minus zero becomes zero.
pub(super) fn finite(number: Expr) -> Expr {
    Kernel::Finite.on(vec![number])
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kernel {
    Finite,
    /// A function of the language, and whether it yields texts.
    Call(Function, bool),
}

/// A kernel as the engine wants it.
#[derive(Debug, PartialEq, Eq, Hash)]
struct RowFunction {
    kernel: Kernel,
    signature: Signature,
}

impl Hash for Kernel {
    fn hash<H: Hasher>(&self, state: &mut H) {
        if let Self::Call(function, _) = self {
            mem::discriminant(function).hash(state);
        }
    }
}

impl Kernel {
    fn on(self, arguments: Vec<Expr>) -> Expr {
        let signature = Signature::variadic_any(Volatility::Immutable);
        ScalarUDF::new_from_impl(RowFunction { kernel: self, signature }).call(arguments)
    }
}

impl ScalarUDFImpl for RowFunction {
    fn name(&self) -> &str {
        "kobling"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> datafusion::error::Result<DataType> {
        Ok(match self.kernel {
            Kernel::Call(_, true) => DataType::Utf8,
            Kernel::Call(_, false) | Kernel::Finite => DataType::Float64,
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> datafusion::error::Result<ColumnarValue> {
        let rows = args.number_rows;
        let columns = args.args.into_iter().map(|value| Column::of(&value.into_array(rows)?));
        let columns = columns.collect::<datafusion::error::Result<Vec<_>>>()?;
        let result = match self.kernel {
            Kernel::Finite => columns.first().map(|column| numbers(rows, |row| column.number(row))),
            Kernel::Call(function, _) => apply(function, &columns, rows),
        };
        result.map(ColumnarValue::Array).ok_or_else(unexpected)
    }
}

fn unexpected() -> DataFusionError {
    DataFusionError::Internal("arguments of another type than the checked one".to_owned())
}

/// An argument's values.
enum Column {
    Number(Float64Array),
    Text(StringArray),
}

impl Column {
    fn of(array: &ArrayRef) -> datafusion::error::Result<Self> {
        if let Some(numbers) = array.as_primitive_opt::<Float64Type>() {
            return Ok(Self::Number(numbers.clone()));
        }
        array.as_string_opt::<i32>().map(|texts| Self::Text(texts.clone())).ok_or_else(unexpected)
    }

    fn is_missing(&self, row: usize) -> bool {
        match self {
            Self::Number(column) => column.is_null(row),
            Self::Text(column) => column.is_null(row),
        }
    }

    fn number(&self, row: usize) -> Option<f64> {
        match self {
            Self::Number(column) => column.is_valid(row).then(|| column.value(row)),
            Self::Text(_) => None,
        }
    }

    fn text(&self, row: usize) -> Option<&str> {
        match self {
            Self::Number(_) => None,
            Self::Text(column) => column.is_valid(row).then(|| column.value(row)),
        }
    }
}

/// A column of numbers; what is not finite becomes missing, and minus zero zero.
fn numbers(rows: usize, value: impl Fn(usize) -> Option<f64>) -> ArrayRef {
    let finite = |number: f64| number.is_finite().then_some(number + 0.0);
    Arc::new((0..rows).map(|row| value(row).and_then(finite)).collect::<Float64Array>())
}

fn texts<T: AsRef<str>>(rows: usize, value: impl Fn(usize) -> Option<T>) -> ArrayRef {
    Arc::new((0..rows).map(value).collect::<StringArray>())
}

/// Evaluates a function. None where the arguments are not those of [`yields`].
fn apply(function: Function, arguments: &[Column], rows: usize) -> Option<ArrayRef> {
    use Function::*;
    let first = arguments.first()?;
    let of_number = |f: fn(f64) -> f64| numbers(rows, |row| first.number(row).map(f));
    let of_day =
        |f: fn(kobling_model::Day) -> f64| numbers(rows, |row| first.number(row).and_then(day_of).map(f));
    let of_text = |f: fn(&str) -> &str| texts(rows, |row| first.text(row).map(f));
    let valid = |row: usize| arguments.iter().filter_map(move |argument| argument.number(row));
    let missing = |row: usize| arguments.iter().filter(|argument| argument.is_missing(row)).count();
    Some(match function {
        Abs => of_number(f64::abs),
        Ceil => of_number(f64::ceil),
        Floor => of_number(f64::floor),
        Int => of_number(f64::trunc),
        Sqrt => of_number(f64::sqrt),
        Exp => of_number(f64::exp),
        Ln => of_number(f64::ln),
        Log10 => of_number(f64::log10),
        Round => match arguments.get(1) {
            None => of_number(f64::round),
            Some(step) => numbers(rows, |row| Some(round(first.number(row)?, step.number(row)?))),
        },
        Year => of_day(|day| f64::from(day.civil().0)),
        Month => of_day(|day| f64::from(day.civil().1)),
        Day => of_day(|day| f64::from(day.civil().2)),
        Quarter => of_day(|day| f64::from((day.civil().1 - 1) / 3 + 1)),
        Halfyear => of_day(|day| f64::from((day.civil().1 - 1) / 6 + 1)),
        Dow => of_day(|day| f64::from(weekday(day))),
        Doy => of_day(|day| f64::from(day_of_year(day))),
        Week => of_day(|day| f64::from(iso_week(day))),
        Date => {
            let [year, month, day] = arguments else { return None };
            numbers(rows, |row| date(year.number(row)?, month.number(row)?, day.number(row)?))
        }
        Length => numbers(rows, |row| first.text(row).map(|text| text.chars().count() as f64)),
        Lower => texts(rows, |row| first.text(row).map(str::to_lowercase)),
        Upper => texts(rows, |row| first.text(row).map(str::to_uppercase)),
        Trim => of_text(str::trim),
        Ltrim => of_text(str::trim_start),
        Rtrim => of_text(str::trim_end),
        Substr => {
            let from = arguments.get(1)?;
            texts(rows, |row| {
                let length = match arguments.get(2) {
                    None => f64::INFINITY,
                    Some(length) => length.number(row)?,
                };
                Some(substr(first.text(row)?, from.number(row)?, length))
            })
        }
        Destring => {
            let (ignored, comma) = (arguments.get(1)?, arguments.get(2)?);
            numbers(rows, |row| number_of(first.text(row)?, ignored.text(row)?, comma.number(row)? != 0.0))
        }
        StartsWith | EndsWith => {
            let part = arguments.get(1)?;
            numbers(rows, |row| {
                let (text, part) = (first.text(row)?, part.text(row)?);
                let holds =
                    if function == StartsWith { text.starts_with(part) } else { text.ends_with(part) };
                Some(f64::from(u8::from(holds)))
            })
        }
        String => texts(rows, |row| match first {
            Column::Number(_) => first.number(row).map(|number| number.to_string()),
            Column::Text(_) => first.text(row).map(str::to_owned),
        }),
        Sysmiss => numbers(rows, |row| Some(f64::from(u8::from(first.is_missing(row))))),
        RowMax => numbers(rows, |row| valid(row).reduce(f64::max)),
        RowMin => numbers(rows, |row| valid(row).reduce(f64::min)),
        RowMean => numbers(rows, |row| Some(valid(row).sum::<f64>() / valid(row).count() as f64)),
        RowTotal => numbers(rows, |row| Some(valid(row).sum())),
        RowMissing => numbers(rows, |row| Some(missing(row) as f64)),
        RowValid => numbers(rows, |row| Some((arguments.len() - missing(row)) as f64)),
    })
}

fn round(number: f64, step: f64) -> f64 {
    (number / step.abs()).round() * step.abs()
}

/// The day that a number of days since 1970-01-01 lies in.
fn day_of(number: f64) -> Option<Day> {
    // The conversion saturates, and the ends of i32 are no days.
    Day::from_days(number.floor() as i32).ok()
}

fn date(year: f64, month: f64, day: f64) -> Option<f64> {
    let whole = |number: f64| (number.fract() == 0.0 && number.abs() < 1e6).then_some(number as i32);
    let (month, day) = (u32::try_from(whole(month)?).ok()?, u32::try_from(whole(day)?).ok()?);
    Day::from_civil(whole(year)?, month, day).ok().map(|day| f64::from(day.days()))
}

/// Monday is 1. 1970-01-01 was a Thursday.
fn weekday(day: Day) -> i32 {
    (day.days() + 3).rem_euclid(7) + 1
}

fn day_of_year(day: Day) -> i32 {
    let first = Day::from_civil(day.civil().0, 1, 1).expect("the year of a day has a first day");
    day.days() - first.days() + 1
}

/// Week 1 is the one with the year's first Thursday (ISO 8601).
fn iso_week(day: Day) -> i32 {
    // The week's Thursday decides which year the week belongs to. Only the last days of the year 9999 have none.
    let thursday = day.days() + 4 - weekday(day);
    let day_of_year = Day::from_days(thursday).map_or(1, day_of_year);
    (day_of_year - 1) / 7 + 1
}

fn substr(text: &str, from: f64, length: f64) -> String {
    let characters = text.chars().count() as f64;
    let start = match from.trunc() {
        from if from > 0.0 => from - 1.0,
        from if from < 0.0 => characters + from,
        _ => return std::string::String::new(),
    };
    if start < 0.0 || length < 1.0 {
        return std::string::String::new();
    }
    // The conversions saturate: more than everything is everything.
    text.chars().skip(start as usize).take(length as usize).collect()
}
