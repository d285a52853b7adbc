//! Functions of texts. Positions and lengths count characters.

use std::fmt::Write;

use datafusion::arrow::array::ArrayRef;
use kobling_model::expression::{Function, number_of};
use kobling_model::scalar;

use super::{Column, numbers, texts, truths, written};

/// Evaluates one of them. None where it is another function, or the arguments are not its.
pub(super) fn apply(function: Function, arguments: &[Column], rows: usize) -> Option<ArrayRef> {
    use Function::*;
    let same = |text: &Column, of: fn(&str) -> &str| texts(rows, |row| text.text(row).map(of));
    Some(match (function, arguments) {
        (Length, [text]) => numbers(rows, |row| text.text(row).map(|text| text.chars().count() as f64)),
        (Lower, [text]) => texts(rows, |row| text.text(row).map(str::to_lowercase)),
        (Upper, [text]) => texts(rows, |row| text.text(row).map(str::to_uppercase)),
        (Trim, [text]) => same(text, str::trim),
        (Ltrim, [text]) => same(text, str::trim_start),
        (Rtrim, [text]) => same(text, str::trim_end),
        (Substr, [text, from]) => {
            texts(rows, |row| Some(scalar::substr(text.text(row)?, from.number(row)?, f64::INFINITY)))
        }
        (Substr, [text, from, length]) => {
            texts(rows, |row| Some(scalar::substr(text.text(row)?, from.number(row)?, length.number(row)?)))
        }
        (Destring, [text, ignored, comma]) => {
            numbers(rows, |row| number_of(text.text(row)?, ignored.text(row)?, comma.number(row)? != 0.0))
        }
        (StartsWith, [text, part]) => truths(rows, |row| Some(text.text(row)?.starts_with(part.text(row)?))),
        (EndsWith, [text, part]) => truths(rows, |row| Some(text.text(row)?.ends_with(part.text(row)?))),
        (String, [Column::Text(text)]) => std::sync::Arc::new(text.clone()),
        (String, [number]) => written(rows, |row, column| Some(write!(column, "{}", number.number(row)?))),
        _ => return None,
    })
}
