//! The script language's functions, as functions of the query engine.
//!
//! They are written out here and in [`kobling_model::scalar`] rather than mapped to the engine's own, so that their meaning is the
//! language's to the last case and stays so when the engine changes: what is missing, how halves round, how weeks count.
//! `docs/FUNCTIONS.md` defines each. A missing argument makes the result missing, save for `sysmiss` and the row functions;
//! so does a result that is not a finite number.
//!
//! This file has what all share: types, columns, the engine's interface. The files below it have the functions by kind.

use std::f64::consts::PI;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::mem;
use std::ops::RangeInclusive;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Float64Array, StringArray, StringBuilder};
use datafusion::arrow::datatypes::{DataType, Float64Type};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::prelude::{Expr, lit};
use kobling_model::expression::{Function, ValueType};

mod dates;
mod distributions;
mod numbers;
mod rows;
mod texts;

/// What a function yields for arguments of these types; none where it does not take them.
pub(super) fn yields(function: Function, arguments: &[ValueType]) -> Option<ValueType> {
    use Function::*;
    use ValueType::{Number, Text};
    let numbers = |counts: RangeInclusive<usize>| {
        counts.contains(&arguments.len()) && arguments.iter().all(|argument| *argument == Number)
    };
    let any = usize::MAX;
    let (takes, yields) = match function {
        Pi => (numbers(0..=0), Number),
        Abs | Acos | Asin | Atan | Ceil | Cos | Exp | Floor | Int | Ln | Lnfactorial | Log10 | Logit
        | Sin | Sqrt | Tan => (numbers(1..=1), Number),
        Day | Dow | Doy | Halfyear | Month | Quarter | Week | Year => (numbers(1..=1), Number),
        Isoformatdate => (numbers(1..=1), Text),
        Round => (numbers(1..=2), Number),
        Comb => (numbers(2..=2), Number),
        Date => (numbers(3..=3), Number),
        Length => (arguments == [Text], Number),
        Lower | Upper | Trim | Ltrim | Rtrim => (arguments == [Text], Text),
        Destring => (arguments == [Text, Text, Number], Number),
        Substr => (arguments == [Text, Number, Number] || arguments == [Text, Number], Text),
        StartsWith | EndsWith => (arguments == [Text, Text], Number),
        String => (arguments.len() == 1, Text),
        RowConcat => (!arguments.is_empty(), Text),
        RowMax | RowMean | RowMedian | RowMin | RowStd | RowTotal => (numbers(1..=any), Number),
        RowMissing | RowValid => (!arguments.is_empty(), Number),
        Sysmiss => (arguments.len() == 1, Number),
        Normal => (numbers(1..=1), Number),
        Normalden => (numbers(1..=3), Number),
        Chi2 | Chi2den | Chi2tail | Invchi2 | Invchi2tail | Invt | Invttail | T | Tden | Ttail => {
            (numbers(2..=2), Number)
        }
        Ntden => (numbers(2..=3), Number),
        Betaden | Binomial | Binomialp | Binomialtail | Fden | Ibeta | Ibetatail | InvF | InvFtail
        | Invibeta | Invibetatail | Invnttail | Nchi2 | Nchi2den | Nchi2tail | Nt | Nttail => {
            (numbers(3..=3), Number)
        }
        F | Ftail => (numbers(3..=4), Number),
        InvnFtail | NF | NFden | NFtail => (numbers(4..=4), Number),
    };
    takes.then_some(yields)
}

/// A call of a function that yields `yields` for these arguments.
pub(super) fn call(function: Function, yields: ValueType, arguments: Vec<Expr>) -> Expr {
    // The engine has no functions without arguments.
    if function == Function::Pi {
        return lit(PI);
    }
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
fn numbers(rows: usize, value: impl FnMut(usize) -> Option<f64>) -> ArrayRef {
    let finite = |number: f64| number.is_finite().then_some(number + 0.0);
    let mut value = value;
    Arc::new((0..rows).map(|row| value(row).and_then(finite)).collect::<Float64Array>())
}

/// A column of truth values.
fn truths(rows: usize, value: impl Fn(usize) -> Option<bool>) -> ArrayRef {
    numbers(rows, |row| value(row).map(|holds| f64::from(u8::from(holds))))
}

fn texts<T: AsRef<str>>(rows: usize, value: impl Fn(usize) -> Option<T>) -> ArrayRef {
    Arc::new((0..rows).map(value).collect::<StringArray>())
}

/// A column of texts that are written piece by piece, straight into the column. `write` gives none for a missing one, before
/// it has written anything.
fn written(rows: usize, write: impl Fn(usize, &mut StringBuilder) -> Option<fmt::Result>) -> ArrayRef {
    let mut column = StringBuilder::new();
    for row in 0..rows {
        match write(row, &mut column) {
            // Ends the text that has been written.
            Some(_) => column.append_value(""),
            None => column.append_null(),
        }
    }
    Arc::new(column.finish())
}

/// Evaluates a function. None where the arguments are not those of [`yields`].
fn apply(function: Function, arguments: &[Column], rows: usize) -> Option<ArrayRef> {
    use Function::*;
    match function {
        Abs | Acos | Asin | Atan | Ceil | Comb | Cos | Exp | Floor | Int | Ln | Lnfactorial | Log10
        | Logit | Pi | Round | Sin | Sqrt | Tan => numbers::apply(function, arguments, rows),
        Date | Day | Dow | Doy | Halfyear | Isoformatdate | Month | Quarter | Week | Year => {
            dates::apply(function, arguments, rows)
        }
        Destring | EndsWith | Length | Lower | Ltrim | Rtrim | StartsWith | String | Substr | Trim
        | Upper => texts::apply(function, arguments, rows),
        RowConcat | RowMax | RowMean | RowMedian | RowMin | RowMissing | RowStd | RowTotal | RowValid
        | Sysmiss => rows::apply(function, arguments, rows),
        Betaden | Binomial | Binomialp | Binomialtail | Chi2 | Chi2den | Chi2tail | F | Fden | Ftail
        | Ibeta | Ibetatail | InvF | InvFtail | Invchi2 | Invchi2tail | Invibeta | Invibetatail
        | InvnFtail | Invnttail | Invt | Invttail | NF | NFden | NFtail | Nchi2 | Nchi2den | Nchi2tail
        | Normal | Normalden | Nt | Ntden | Nttail | T | Tden | Ttail => {
            distributions::apply(function, arguments, rows)
        }
    }
}
