//! Identifiers by formula: the n-th one of a kind, each once, without remembering which were given out.

use kobling_model::Day;
use kobling_model::identity::{canary_persons, with_control_digits};

use crate::chance::{Key, Order};
use crate::number::month_length;

/// First and last year of birth that has numbers.
pub(super) const YEARS: std::ops::RangeInclusive<i32> = 1900..=2058;

/// Individual numbers of a century: 0–499 for those born in the 1900s, 500–999 after, so that 1920 and 2020, which
/// share two digits of the year, are apart.
const PER_DAY: u32 = 500;

/// Identity numbers of test people (month + 80), by year of birth and place within the year.
///
/// Whether an individual number has control digits depends only on two remainders of the day of birth, so the valid ones
/// are listed for each pair of remainders; with the running sums over a year's days any place is found without those
/// before it. The tables take 400 kB, whatever the number of people.
pub(super) struct Numbers {
    /// Valid individual numbers below 500, for each pair of remainders; then those from 500.
    valid: [Vec<Vec<u16>>; 2],
    /// For each year and day of it, how many numbers there are up to the day's end.
    sums: Vec<Vec<u32>>,
    orders: Vec<Order>,
    first_year: i32,
}

/// Weights of the first six digits in the two control sums, the second after the first control digit is put in.
const FIRST: [u32; 6] = [3, 7, 6, 1, 8, 9];
const SECOND: [u32; 6] = [5, 4, 3, 2, 7, 6];

impl Numbers {
    /// Tables for births in these years, all within [`YEARS`].
    pub(super) fn new(key: Key, years: std::ops::RangeInclusive<i32>) -> Self {
        let first_year = *years.start();
        let mut valid = [vec![Vec::new(); 121], vec![Vec::new(); 121]];
        // Any nine digits with the same remainders stand for all.
        for (half, lists) in valid.iter_mut().enumerate() {
            for (class, list) in lists.iter_mut().enumerate() {
                let six = with_remainders(class as u32);
                let from = half as u32 * PER_DAY;
                let has_digits = |n: &u32| with_control_digits(nine(six, *n)).is_some();
                list.extend((from..from + PER_DAY).filter(has_digits).map(|n| n as u16));
            }
        }
        let mut numbers = Self { valid, sums: Vec::new(), orders: Vec::new(), first_year };
        for year in years {
            let mut sum = 0;
            let days =
                (1..=12).flat_map(|month| (1..=month_length(year, month)).map(move |day| (month, day)));
            let sums: Vec<u32> = days
                .map(|(month, day)| {
                    sum += numbers.on(year, month, day).len() as u32;
                    sum
                })
                .collect();
            numbers.orders.push(Order::new(key.at(year as u64), u64::from(sum)));
            numbers.sums.push(sums);
        }
        numbers
    }

    /// How many people can be born in a year.
    pub(super) fn room(&self, year: i32) -> u32 {
        self.orders[(year - self.first_year) as usize].size() as u32
    }

    /// Day of birth and number of the person at this place of the year's, below [`Self::room`].
    pub(super) fn at(&self, year: i32, place: u32) -> (Day, [u8; 11]) {
        let at = (year - self.first_year) as usize;
        let slot = self.orders[at].at(u64::from(place)) as u32;
        let sums = &self.sums[at];
        let day_of_year = sums.partition_point(|sum| *sum <= slot);
        let before = if day_of_year == 0 { 0 } else { sums[day_of_year - 1] };
        let first = Day::from_civil(year, 1, 1).expect("years of birth are in the calendar");
        let born = Day::from_days(first.days() + day_of_year as i32).expect("a day of that year");
        let (_, month, day) = born.civil();
        let individual = u32::from(self.on(year, month, day)[(slot - before) as usize]);
        let number = with_control_digits(nine(birth_digits(year, month, day), individual))
            .expect("listed as one that has control digits");
        (born, number.into_bytes().try_into().expect("a number has eleven digits"))
    }

    /// Individual numbers that are valid on a day of birth.
    fn on(&self, year: i32, month: u32, day: u32) -> &[u16] {
        let six = birth_digits(year, month, day);
        let remainder = |weights: [u32; 6]| six.iter().zip(weights).map(|(a, b)| a * b).sum::<u32>() % 11;
        let class = remainder(FIRST) * 11 + remainder(SECOND);
        let list = &self.valid[usize::from(year >= 2000)][class as usize];
        // The canary of the linkage has the last valid number of 1 December 99.
        let canary = (year, month, day) == (1999, 12, 1) && list.last().is_some_and(|n| is_canary(six, *n));
        &list[..list.len() - usize::from(canary)]
    }
}

fn is_canary(six: [u32; 6], individual: u16) -> bool {
    with_control_digits(nine(six, u32::from(individual))).is_some_and(|n| n == canary_persons()[0])
}

fn birth_digits(year: i32, month: u32, day: u32) -> [u32; 6] {
    let (month, year) = (month + 80, year.rem_euclid(100) as u32);
    [day / 10, day % 10, month / 10, month % 10, year / 10, year % 10]
}

fn nine([a, b, c, d, e, f]: [u32; 6], individual: u32) -> [u32; 9] {
    [a, b, c, d, e, f, individual / 100, individual / 10 % 10, individual % 10]
}

/// Six digits (no day of birth) whose two weighted sums leave the remainders of a class.
fn with_remainders(class: u32) -> [u32; 6] {
    let (first, second) = (class / 11, class % 11);
    let found = (0..1_000_000)
        .map(|n| [n / 100_000, n / 10_000 % 10, n / 1000 % 10, n / 100 % 10, n / 10 % 10, n % 10])
        .find(|six| {
            let remainder = |weights: [u32; 6]| six.iter().zip(weights).map(|(a, b)| a * b).sum::<u32>() % 11;
            (remainder(FIRST), remainder(SECOND)) == (first, second)
        });
    found.expect(
        "the weights of two digits are independent modulo 11, so some six digits leave any two remainders",
    )
}

/// Organisation numbers by number: nine digits with the control digit, beginning with 2 or 3 as those of made-up
/// enterprises do; a real one begins with 8 or 9.
pub(super) struct OrganisationNumbers(Order);

impl OrganisationNumbers {
    /// So many there are: of ten digits in the eighth place at least nine have a control digit.
    pub(super) const ROOM: u32 = 18_000_000;

    pub(super) fn new(key: Key) -> Self {
        Self(Order::new(key, u64::from(Self::ROOM)))
    }

    /// The n-th number, below [`Self::ROOM`].
    pub(super) fn at(&self, n: u32) -> [u8; 9] {
        let slot = self.0.at(u64::from(n)) as u32;
        let (seven, nth) = (2_000_000 + slot / 9, slot % 9);
        let mut digits = [0; 9];
        let mut left = seven;
        for digit in digits[..7].iter_mut().rev() {
            *digit = left % 10;
            left /= 10;
        }
        let sum: u32 = digits.iter().zip([3, 2, 7, 6, 5, 4, 3]).map(|(digit, weight)| digit * weight).sum();
        let mut fits = (0..10).filter_map(|eighth| {
            let control = (11 - (sum + 2 * eighth) % 11) % 11;
            (control < 10).then_some((eighth, control))
        });
        let (eighth, control) = fits.nth(nth as usize).expect("at least nine of ten fit");
        digits[7..].copy_from_slice(&[eighth, control]);
        digits.map(|digit| b'0' + digit as u8)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use kobling_model::UnitType;
    use kobling_model::identity::{Identity, is_canary};

    use super::*;

    #[test]
    fn every_number_of_years_that_share_two_digits_is_distinct_and_a_test_persons() {
        let numbers = Numbers::new(Key::seeded(1), 1900..=2058);
        let mut seen = HashSet::new();
        for year in [1904, 1999, 2004] {
            assert!(numbers.room(year) > 149_000, "a year has room for the births of ten million");
            for place in 0..numbers.room(year) {
                let (born, number) = numbers.at(year, place);
                let text = std::str::from_utf8(&number).expect("digits");
                let identity = Identity::parse(UnitType::Person, text).expect("valid");
                assert!(!is_canary(&identity));
                assert!(number[2] >= b'8', "the month is raised by 80");
                let (born_year, month, day) = born.civil();
                assert_eq!(born_year, year);
                assert_eq!(text[..4], format!("{day:02}{:02}", month + 80));
                assert!(seen.insert(number));
            }
        }
    }

    #[test]
    fn organisation_numbers_are_distinct_valid_and_nobodys() {
        let numbers = OrganisationNumbers::new(Key::seeded(2));
        let mut seen = HashSet::new();
        let ends = (0..50_000).chain(OrganisationNumbers::ROOM - 50_000..OrganisationNumbers::ROOM);
        for n in ends {
            let number = numbers.at(n);
            let text = std::str::from_utf8(&number).expect("digits");
            assert!(Identity::parse(UnitType::Foretak, text).is_ok());
            assert!(matches!(number[0], b'2' | b'3'));
            assert!(seen.insert(number));
        }
    }
}
