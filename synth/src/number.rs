//! Identity numbers of test people: the month raised by 80, control digits that fit, nobody twice.

use kobling_model::identity::with_control_digits;

/// An identity number as its eleven ASCII digits.
pub type Number = [u8; 11];

/// First year of birth that has numbers.
pub const FIRST_YEAR: i32 = 1900;
/// Last year of birth that has numbers.
pub const LAST_YEAR: i32 = 2029;

/// Individual numbers of one century: 0–499 for those born in the 1900s, 500–999 after, as it was in Norway
/// until 2031. That keeps 1920 and 2020, which share two digits of the year, apart.
const PER_DAY: u32 = 500;

/// Gives out numbers, each at most once.
///
/// The day of birth is part of the number, so it is settled here: within a month, days and individual numbers come
/// in a fixed scattered order, of which this holds how far each month has come.
pub struct Numbers {
    used: Vec<u32>,
}

impl Numbers {
    pub fn new() -> Self {
        Self { used: vec![0; (LAST_YEAR - FIRST_YEAR + 1) as usize * 12] }
    }

    /// A new number for someone born in this month, and the day of birth. None when the month is used up, after
    /// about 11 500 people.
    pub fn next(&mut self, year: i32, month: u32) -> Option<(Number, u32)> {
        let used = &mut self.used[month_index(year, month)];
        let places = places(year, month);
        while *used < places {
            *used += 1;
            if let Some(number) = number_at(year, month, *used - 1) {
                return Some(number);
            }
        }
        None
    }
}

/// The place of a month among all that have numbers.
pub fn month_index(year: i32, month: u32) -> usize {
    (year - FIRST_YEAR) as usize * 12 + month as usize - 1
}

/// How many places a month has.
pub fn places(year: i32, month: u32) -> u32 {
    month_length(year, month) * PER_DAY
}

/// The number at a place of a month's order, and the day of birth. None where no control digits fit.
pub fn number_at(year: i32, month: u32, place: u32) -> Option<(Number, u32)> {
    let days = month_length(year, month);
    // 7919 is prime and no divisor of the number of places: each slot comes once.
    let slot = (place * 7919 + month * 131 + year as u32 * 17) % places(year, month);
    let (day, individual) = (slot % days + 1, slot / days + if year < 2000 { 0 } else { PER_DAY });
    let test_month = month + 80;
    let year = year.rem_euclid(100) as u32;
    let nine = [
        day / 10,
        day % 10,
        test_month / 10,
        test_month % 10,
        year / 10,
        year % 10,
        individual / 100,
        individual / 10 % 10,
        individual % 10,
    ];
    let digits = with_control_digits(nine)?.into_bytes();
    Some((digits.try_into().expect("a number has eleven digits"), day))
}

/// Days of a month.
pub fn month_length(year: i32, month: u32) -> u32 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use kobling_model::UnitType;
    use kobling_model::identity::{Identity, is_canary};

    use super::*;

    #[test]
    fn every_number_of_months_that_share_two_digits_of_the_year_is_distinct_and_a_test_persons() {
        let mut numbers = Numbers::new();
        let mut seen = HashSet::new();
        for (year, month) in [(1904, 2), (2004, 2), (1920, 11), (2020, 11), (1920, 12), (1999, 12)] {
            let mut here = 0;
            while let Some((number, day)) = numbers.next(year, month) {
                let text = std::str::from_utf8(&number).expect("digits");
                let identity = Identity::parse(UnitType::Person, text).expect("valid");
                assert!(!is_canary(&identity));
                assert!(number[2] >= b'8', "the month is raised by 80");
                assert!((1..=month_length(year, month)).contains(&day));
                assert!(seen.insert(number));
                here += 1;
            }
            assert!(here > 11_000, "a month has room for the births of a nation");
        }
    }
}
