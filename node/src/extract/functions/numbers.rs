//! Functions of numbers.

use std::f64::consts::PI;

use cdflib::special::gamma_log;
use datafusion::arrow::array::ArrayRef;
use kobling_model::expression::Function;
use kobling_model::scalar;

use super::{Column, numbers};

/// Evaluates one of them. None where it is another function, or the arguments are not its.
pub(super) fn apply(function: Function, arguments: &[Column], rows: usize) -> Option<ArrayRef> {
    use Function::*;
    let of_number: fn(f64) -> f64 = match (function, arguments) {
        (Pi, []) => return Some(numbers(rows, |_| Some(PI))),
        (Round, [number, step]) => {
            return Some(numbers(rows, |row| Some(scalar::round(number.number(row)?, step.number(row)?))));
        }
        (Comb, [all, chosen]) => {
            return Some(numbers(rows, |row| Some(scalar::comb(all.number(row)?, chosen.number(row)?))));
        }
        (Abs, _) => f64::abs,
        (Acos, _) => f64::acos,
        (Asin, _) => f64::asin,
        (Atan, _) => f64::atan,
        (Ceil, _) => f64::ceil,
        (Cos, _) => f64::cos,
        (Exp, _) => f64::exp,
        (Floor, _) => f64::floor,
        (Int, _) => f64::trunc,
        (Ln, _) => f64::ln,
        (Lnfactorial, _) => ln_factorial,
        (Log10, _) => f64::log10,
        (Logit, _) => |x| (x / (1.0 - x)).ln(),
        (Round, _) => f64::round,
        (Sin, _) => f64::sin,
        (Sqrt, _) => f64::sqrt,
        (Tan, _) => f64::tan,
        _ => return None,
    };
    let [argument] = arguments else { return None };
    Some(numbers(rows, |row| argument.number(row).map(of_number)))
}

/// ln(n!), not a number unless n is whole and not negative.
fn ln_factorial(n: f64) -> f64 {
    if n.fract() == 0.0 && n >= 0.0 { gamma_log(n + 1.0) } else { f64::NAN }
}
