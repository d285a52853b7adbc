//! Functions over several variables of a unit, and `sysmiss`: those to which a missing value says something.

use std::fmt::{self, Write};

use datafusion::arrow::array::{ArrayRef, StringBuilder};
use kobling_model::expression::Function;

use super::{Column, numbers, truths, written};

/// Evaluates one of them. None where it is another function, or the arguments are not its.
pub(super) fn apply(function: Function, arguments: &[Column], rows: usize) -> Option<ArrayRef> {
    use Function::*;
    let first = arguments.first()?;
    let valid = |row: usize| arguments.iter().filter_map(move |argument| argument.number(row));
    let missing = |row: usize| arguments.iter().filter(|argument| argument.is_missing(row)).count();
    let mut values = Vec::with_capacity(arguments.len());
    let mut of_values = |of: fn(&mut [f64]) -> Option<f64>| {
        numbers(rows, |row| {
            values.clear();
            values.extend(valid(row));
            of(&mut values)
        })
    };
    Some(match function {
        RowConcat => written(rows, |row, column| {
            (missing(row) == 0).then(|| arguments.iter().try_for_each(|part| part.write(row, column)))
        }),
        RowMax => numbers(rows, |row| valid(row).reduce(f64::max)),
        RowMean => of_values(mean),
        RowMedian => of_values(median),
        RowMin => numbers(rows, |row| valid(row).reduce(f64::min)),
        RowMissing => numbers(rows, |row| Some(missing(row) as f64)),
        RowStd => of_values(standard_deviation),
        RowTotal => numbers(rows, |row| Some(valid(row).sum())),
        RowValid => numbers(rows, |row| Some((arguments.len() - missing(row)) as f64)),
        Sysmiss => truths(rows, |row| Some(first.is_missing(row))),
        _ => return None,
    })
}

impl Column {
    /// Writes a value that is not missing, as `string` does.
    fn write(&self, row: usize, column: &mut StringBuilder) -> fmt::Result {
        match self {
            Self::Number(numbers) => write!(column, "{}", numbers.value(row)),
            Self::Text(texts) => column.write_str(texts.value(row)),
        }
    }
}

fn mean(values: &mut [f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The middle number, or the mean of the two in the middle.
fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = values[values.len() / 2 - 1];
    // Halved first where the sum would overflow.
    let sum = lower + upper;
    Some(if sum.is_finite() { sum / 2.0 } else { lower / 2.0 + upper / 2.0 })
}

/// About the mean, divided by one less than their number.
fn standard_deviation(values: &mut [f64]) -> Option<f64> {
    let mean = mean(values).filter(|_| values.len() > 1)?;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    Some((squares / (values.len() - 1) as f64).sqrt())
}
