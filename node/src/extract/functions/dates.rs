//! Functions of dates. A number that is not whole means the day that it lies in.

use std::fmt::Write;

use datafusion::arrow::array::ArrayRef;
use kobling_model::expression::Function;
use kobling_model::{Day, scalar};

use super::{Column, numbers, written};

/// Evaluates one of them. None where it is another function, or the arguments are not its.
pub(super) fn apply(function: Function, arguments: &[Column], rows: usize) -> Option<ArrayRef> {
    use Function as F;
    let part: fn(Day) -> i32 = match (function, arguments) {
        (F::Date, [year, month, day]) => {
            return Some(numbers(rows, |row| {
                scalar::date(year.number(row)?, month.number(row)?, day.number(row)?)
            }));
        }
        (F::Isoformatdate, [day]) => {
            return Some(written(rows, |row, column| {
                let day = scalar::day_of(day.number(row)?)?;
                Some(write!(column, "{day}"))
            }));
        }
        (F::Year, _) => |day| day.civil().0,
        (F::Month, _) => |day| day.civil().1 as i32,
        (F::Day, _) => |day| day.civil().2 as i32,
        (F::Quarter, _) => |day| day.civil().1.div_ceil(3) as i32,
        (F::Halfyear, _) => |day| day.civil().1.div_ceil(6) as i32,
        (F::Dow, _) => scalar::weekday,
        (F::Doy, _) => scalar::day_of_year,
        (F::Week, _) => scalar::iso_week,
        _ => return None,
    };
    let [day] = arguments else { return None };
    Some(numbers(rows, |row| scalar::day_of(day.number(row)?).map(|day| f64::from(part(day)))))
}
