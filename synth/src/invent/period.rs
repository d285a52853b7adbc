//! The period that data is about, and the days and years in it.

use kobling_model::Day;

/// First and last day of a period, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    pub(super) from: Day,
    pub(super) to: Day,
}

/// Not a period that data can be made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a first day not after the last, both from 1960-01-01 to 2058-12-31")]
pub struct NotAPeriod;

impl Period {
    /// The period from a day to a day.
    ///
    /// # Errors
    /// [`NotAPeriod`] where it is empty or not in the years 1960 to 2058: people have identity numbers if they are
    /// born from 1900 on, and the public tool counts days in 16 bits.
    pub fn new(from: Day, to: Day) -> Result<Self, NotAPeriod> {
        let years = 1960..=2058;
        let within = years.contains(&from.civil().0) && years.contains(&to.civil().0) && from <= to;
        if within { Ok(Self { from, to }) } else { Err(NotAPeriod) }
    }

    /// The days on which states are measured: each 1 January; or the last day where there is none.
    pub(super) fn status_days(&self) -> Vec<Day> {
        let days: Vec<Day> = self
            .years()
            .map(|year| civil(year, 1, 1))
            .filter(|day| (self.from..=self.to).contains(day))
            .collect();
        if days.is_empty() { vec![self.to] } else { days }
    }

    /// The spans over which is added up: each whole calendar year; or all of the period where there is none.
    pub(super) fn spans(&self) -> Vec<(Day, Day)> {
        let whole = self.years().map(|year| (civil(year, 1, 1), civil(year, 12, 31)));
        let whole: Vec<_> = whole.filter(|(from, to)| *from >= self.from && *to <= self.to).collect();
        match whole.is_empty() {
            false => whole,
            true if self.from < self.to => vec![(self.from, self.to)],
            true => Vec::new(),
        }
    }

    fn years(&self) -> std::ops::RangeInclusive<i32> {
        self.from.civil().0..=self.to.civil().0
    }
}

impl Default for Period {
    /// 2010 to 2023.
    fn default() -> Self {
        Self { from: civil(2010, 1, 1), to: civil(2023, 12, 31) }
    }
}

pub(super) fn civil(year: i32, month: u32, day: u32) -> Day {
    Day::from_civil(year, month, day).expect("a day of the calendar")
}

/// The day so many days later.
pub(super) fn later(day: Day, days: i32) -> Day {
    Day::from_days(day.days().saturating_add(days)).expect("periods stay within the calendar")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn period(from: &str, to: &str) -> Period {
        Period::new(from.parse().expect("day"), to.parse().expect("day")).expect("a period")
    }

    #[test]
    fn every_period_has_a_day_to_measure_on() {
        assert_eq!(period("2019-06-01", "2021-06-01").status_days(), [civil(2020, 1, 1), civil(2021, 1, 1)]);
        assert_eq!(period("2019-06-01", "2019-07-01").status_days(), [civil(2019, 7, 1)]);
    }

    #[test]
    fn what_adds_up_does_so_over_whole_years_where_there_are_some() {
        assert_eq!(period("2019-06-01", "2020-12-31").spans(), [(civil(2020, 1, 1), civil(2020, 12, 31))]);
        assert_eq!(period("2019-06-01", "2019-06-02").spans(), [(civil(2019, 6, 1), civil(2019, 6, 2))]);
        assert_eq!(period("2019-06-01", "2019-06-01").spans(), []);
    }

    #[test]
    fn periods_without_identity_numbers_are_refused() {
        assert!(Period::new(civil(1959, 12, 31), civil(2000, 1, 1)).is_err());
        assert!(Period::new(civil(2001, 1, 1), civil(2000, 1, 1)).is_err());
        assert!(Period::new(civil(2001, 1, 1), civil(2059, 1, 1)).is_err());
    }
}
