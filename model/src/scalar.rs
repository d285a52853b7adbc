//! Functions of single values, written once: the checker computes constants and categories with them, owners their columns. So
//! a value in a plan never differs from the one that an owner would have computed.
//!
//! Only what comes out the same on every machine is here: basic arithmetic, the calendar and texts. A number that is not
//! finite stands for a missing result.

use crate::Day;

/// The multiple of `step` that is nearest to `number`, halves away from zero; not finite for a step of zero.
pub fn round(number: f64, step: f64) -> f64 {
    (number / step.abs()).round() * step.abs()
}

/// Ways to choose `chosen` of `all` things: not a number unless both are whole and `0 ≤ chosen ≤ all`.
///
/// Correctly rounded below 10³⁵ and within one part in 10¹² above; infinite beyond 10³⁰⁸, after at most 1 100 multiplications.
pub fn comb(all: f64, chosen: f64) -> f64 {
    let whole = all.fract() == 0.0 && chosen.fract() == 0.0;
    if !whole || chosen < 0.0 || chosen > all {
        return f64::NAN;
    }
    let chosen = chosen.min(all - chosen);
    // C(n, k) is at least 2^k.
    if chosen > 1100.0 {
        return f64::INFINITY;
    }
    // Each intermediate result is a whole number, C(n − k + i, i).
    let (mut exact, mut ways) = (Some(1_u128), 1.0);
    for i in 1..=chosen as u32 {
        let factor = all - chosen + f64::from(i);
        exact = exact.filter(|_| factor < 1e15).and_then(|exact| exact.checked_mul(factor as u128));
        exact = exact.map(|exact| exact / u128::from(i));
        ways = exact.map_or_else(|| ways * factor / f64::from(i), |exact| exact as f64);
    }
    ways
}

/// The day that a number of days since 1970-01-01 lies in; none outside the years 1 to 9999.
pub fn day_of(number: f64) -> Option<Day> {
    // The conversion saturates, and the ends of i32 are no days.
    number.is_finite().then(|| Day::from_days(number.floor() as i32).ok()).flatten()
}

/// The number of the day with this year, month and day of month; none for parts that are not whole or a day that the
/// calendar lacks.
pub fn date(year: f64, month: f64, day: f64) -> Option<f64> {
    let whole = |number: f64| (number.fract() == 0.0 && number.abs() < 1e6).then_some(number as i32);
    let (month, day) = (u32::try_from(whole(month)?).ok()?, u32::try_from(whole(day)?).ok()?);
    Day::from_civil(whole(year)?, month, day).ok().map(|day| f64::from(day.days()))
}

/// Monday is 1. 1970-01-01 was a Thursday.
pub fn weekday(day: Day) -> i32 {
    (day.days() + 3).rem_euclid(7) + 1
}

/// 1 January is 1.
pub fn day_of_year(day: Day) -> i32 {
    let first = Day::from_civil(day.civil().0, 1, 1).expect("the year of a day has a first day");
    day.days() - first.days() + 1
}

/// Week 1 is the one with the year's first Thursday (ISO 8601).
pub fn iso_week(day: Day) -> i32 {
    // The week's Thursday decides which year the week belongs to. Only the last days of the year 9999 have none: they are
    // in week 52, as the year ends on a Friday.
    let thursday = day.days() + 4 - weekday(day);
    Day::from_days(thursday).map_or(52, |thursday| (day_of_year(thursday) - 1) / 7 + 1)
}

/// `length` characters of a text from number `from` on, which counts from 1, or from the end if negative. Before the beginning and
/// beyond the end there is nothing.
pub fn substr(text: &str, from: f64, length: f64) -> &str {
    let start = match from.trunc() {
        from if from > 0.0 => from - 1.0,
        from if from < 0.0 => text.chars().count() as f64 + from,
        _ => return "",
    };
    if start < 0.0 || length < 1.0 {
        return "";
    }
    // The conversions saturate: more than everything is everything.
    let rest = &text[byte_of(text, start as usize)..];
    &rest[..byte_of(rest, length as usize)]
}

/// Where a character begins, or where the text ends.
fn byte_of(text: &str, character: usize) -> usize {
    text.char_indices().nth(character).map_or(text.len(), |(byte, _)| byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_pascals_triangle_and_nothing_outside_it() {
        let mut row = vec![1_u128];
        for all in 0..120_u32 {
            for (chosen, ways) in row.iter().enumerate() {
                assert_eq!(comb(f64::from(all), chosen as f64), *ways as f64);
            }
            let next: Vec<u128> = row.windows(2).map(|pair| pair[0] + pair[1]).collect();
            row = [vec![1], next, vec![1]].concat();
        }
        assert_eq!(comb(1e300, 1.0), 1e300);
        assert_eq!(comb(1e300, 1e299), f64::INFINITY);
        for (all, chosen) in [(4.0, 5.0), (4.0, -1.0), (-4.0, 2.0), (4.5, 2.0), (4.0, 0.5)] {
            assert!(comb(all, chosen).is_nan());
        }
    }

    #[test]
    fn a_part_of_a_text_counts_characters_from_one_or_from_the_end() {
        assert_eq!(substr("blåbær", 3.0, 2.0), "åb");
        assert_eq!(substr("blåbær", -3.0, 9.0), "bær");
        assert_eq!(substr("blåbær", 4.9, f64::INFINITY), "bær");
        for (from, length) in [(0.0, 2.0), (0.9, 2.0), (7.0, 2.0), (-7.0, 2.0), (1.0, 0.9), (1.0, -1.0)] {
            assert_eq!(substr("blåbær", from, length), "");
        }
    }

    #[test]
    fn weeks_follow_iso_8601_to_the_last_day() {
        // 2005-01-01 is in week 53, 2008-12-30 in week 1, 2016-01-04 in week 1, 2020-12-31 in week 53.
        for (days, week) in [(12_784, 53), (14_243, 1), (16_804, 1), (18_627, 53)] {
            assert_eq!(iso_week(Day::from_days(days).expect("in range")), week);
        }
        assert_eq!(iso_week(Day::from_civil(9999, 12, 31).expect("a day")), 52);
        assert_eq!(iso_week(Day::from_civil(1, 1, 1).expect("a day")), 1);
    }

    #[test]
    fn rounding_takes_halves_away_from_zero() {
        let cases = [(17.0, 5.0, 15.0), (17.5, 5.0, 20.0), (-17.5, 5.0, -20.0), (17.5, -5.0, 20.0)];
        assert!(cases.iter().all(|(number, step, rounded)| round(*number, *step) == *rounded));
        assert!(round(1.0, 0.0).is_nan());
    }
}
