//! Calendar days, counted from 1970-01-01.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A day of the proleptic Gregorian calendar, as the number of days since 1970-01-01.
///
/// Years 0001 to 9999 are valid: everything else is a typing error in a register or a script.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Day(i32);

/// The text is not a day of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a day of the calendar, written YYYY-MM-DD")]
pub struct NotADay;

impl Day {
    /// The day with this civil date.
    ///
    /// # Errors
    /// [`NotADay`] where the calendar has no such day, or the year is outside 1 to 9999.
    pub fn from_civil(year: i32, month: u32, day: u32) -> Result<Self, NotADay> {
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let length = match month {
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            4 | 6 | 9 | 11 => 30,
            2 if leap => 29,
            2 => 28,
            _ => return Err(NotADay),
        };
        if !(1..=9999).contains(&year) || !(1..=length).contains(&day) {
            return Err(NotADay);
        }
        // Days from civil, with the year starting in March so that the leap day comes last.
        let shifted = if month <= 2 { year - 1 } else { year };
        let era = shifted.div_euclid(400);
        let year_of_era = shifted.rem_euclid(400);
        let month_from_march = (month as i32 + 9) % 12;
        let day_of_year = (153 * month_from_march + 2) / 5 + day as i32 - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        Ok(Self(era * 146_097 + day_of_era - 719_468))
    }

    /// The day this many days after 1970-01-01 (negative: before).
    ///
    /// # Errors
    /// [`NotADay`] outside the years 1 to 9999.
    pub fn from_days(days: i32) -> Result<Self, NotADay> {
        if (-719_162..=2_932_896).contains(&days) { Ok(Self(days)) } else { Err(NotADay) }
    }

    /// Days since 1970-01-01.
    pub fn days(self) -> i32 {
        self.0
    }

    /// Year, month and day of month.
    pub fn civil(self) -> (i32, u32, u32) {
        let shifted = self.0 + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = (month_from_march + 2) % 12 + 1;
        let year = year_of_era + era * 400 + i32::from(month <= 2);
        (year, month as u32, day as u32)
    }
}

impl FromStr for Day {
    type Err = NotADay;

    fn from_str(text: &str) -> Result<Self, NotADay> {
        let bytes = text.as_bytes();
        let shaped = bytes.len() == 10
            && bytes.iter().enumerate().all(|(at, byte)| match at {
                4 | 7 => *byte == b'-',
                _ => byte.is_ascii_digit(),
            });
        if !shaped {
            return Err(NotADay);
        }
        let number = |range: std::ops::Range<usize>| text[range].parse::<u32>().map_err(|_| NotADay);
        Self::from_civil(number(0..4)? as i32, number(5..7)?, number(8..10)?)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.civil();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

impl fmt::Debug for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for Day {
    type Error = NotADay;
    fn try_from(text: String) -> Result<Self, NotADay> {
        text.parse()
    }
}

impl From<Day> for String {
    fn from(day: Day) -> String {
        day.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_agree_with_the_checks_of_the_service() {
        // The published checks of the language's date().
        assert_eq!(Day::from_civil(2015, 12, 31).map(Day::days), Ok(16_800));
        assert_eq!(Day::from_civil(1967, 5, 27).map(Day::days), Ok(-950));
    }

    #[test]
    fn every_day_of_two_centuries_survives_the_round_trip() {
        for days in -36_525..=36_525 {
            let day = Day::from_days(days).expect("in range");
            assert_eq!(day.to_string().parse(), Ok(day));
        }
    }

    #[test]
    fn days_the_calendar_lacks_are_refused() {
        for bad in [
            "2023-02-29",
            "1900-02-29",
            "2020-13-01",
            "2020-00-10",
            "2020-1-1",
            "0000-01-01",
            "20200101",
            "2020-01-32",
        ] {
            assert_eq!(bad.parse::<Day>(), Err(NotADay));
        }
        assert!("2000-02-29".parse::<Day>().is_ok());
    }
}
