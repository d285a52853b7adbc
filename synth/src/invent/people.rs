//! People by formula: when each was born, who is whose mother, who lives with whom.
//!
//! A person is a number: the place in the order of years of birth, oldest first. With that the people of any range of years
//! are a range of numbers, and a mother of the right age is one draw. Two people who stand beside each other (2k and
//! 2k + 1) are a woman and a man of about the same age.
//!
//! - Siblings: the people born in four years, dealt round into so many groups that 1.9 fall on each. A group has
//!   one mother, drawn among the women 18 to 38 years older than its first year, and as father the man beside her.
//! - Homes: of eight adults in a row three pairs live together and two people alone; a child lives with its mother.
//!   On average two people share a home. Adults are 19 and over at the end of the period.
//!
//! Nothing here depends on which variables are asked for, and nothing grows with the number of people.

use std::ops::Range;

use kobling_model::Day;

use super::identity::{Numbers, YEARS};
use super::period::Period;
use crate::chance::{Draws, Key};

/// Most people there can be.
pub const PEOPLE_MAX: u32 = 10_000_000;

/// Weight of a cohort by its age: corners of a line, about Norway's in 2020.
const AGES: [(i32, f64); 7] =
    [(0, 1.0), (20, 1.2), (30, 1.32), (55, 1.28), (75, 0.9), (90, 0.28), (104, 0.01)];
/// The oldest age that is counted.
const AGE_MAX: i32 = 104;
/// Years of birth that siblings are dealt from.
const SIBLING_YEARS: usize = 4;

/// So many people cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{people} people have no identity numbers in a period that ends so early: at most {max}")]
pub struct TooManyPeople {
    /// So many were asked for.
    pub people: u32,
    /// So many there can be.
    pub max: u32,
}

/// Everybody there is.
pub(super) struct People {
    key: Key,
    count: u32,
    period: Period,
    first_year: i32,
    /// For each year of birth the number of people born before it; at the end all.
    starts: Vec<u32>,
    numbers: Numbers,
    adults: u32,
    /// For each block of [`SIBLING_YEARS`] the number of sibling groups before it; at the end all.
    sibling_starts: Vec<u32>,
}

/// What a person is like, for the variables that depend on it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Traits {
    pub(super) born: Day,
    pub(super) woman: bool,
    pub(super) died: Option<Day>,
    /// How well off: standard normal.
    pub(super) standing: f64,
}

impl People {
    /// `people` people who live around the period.
    pub(super) fn new(seed: Key, people: u32, period: Period) -> Result<Self, TooManyPeople> {
        let key = seed.of("people");
        // Nobody is born in the period's last year, so that everybody lives on its last 1 January.
        let last_year = period.to.civil().0 - 1;
        let first_year = (last_year - AGE_MAX).max(*YEARS.start());
        let weights: Vec<f64> = (first_year..=last_year).map(|year| weight(last_year - year)).collect();
        let total: f64 = weights.iter().sum();
        let mut sum = 0.0;
        let mut starts = vec![0];
        for weight in &weights {
            sum += weight;
            starts.push((f64::from(people) * sum / total).round().min(f64::from(people)) as u32);
        }
        *starts.last_mut().expect("there is a year") = people;
        let numbers = Numbers::new(key.of("numbers"), first_year..=last_year);
        let fullest = weights.iter().copied().fold(0.0, f64::max);
        for (year, pair) in (first_year..).zip(starts.windows(2)) {
            if pair[1] - pair[0] > numbers.room(year) {
                // 149 000 numbers a year are always there; one person is lost to rounding.
                let max = (149_000.0 * total / fullest) as u32;
                return Err(TooManyPeople { people, max });
            }
        }
        let mut made = Self {
            key,
            count: people,
            period,
            first_year,
            starts,
            numbers,
            adults: 0,
            sibling_starts: vec![0],
        };
        made.adults = made.born_before(last_year - 18).max(1);
        for block in 0..made.blocks() {
            let members = made.block(block);
            let groups = (f64::from(members.end - members.start) / 1.9).ceil() as u32;
            made.sibling_starts.push(made.sibling_starts[block] + groups);
        }
        Ok(made)
    }

    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// People born before a year: the numbers below this.
    fn born_before(&self, year: i32) -> u32 {
        let at = (year - self.first_year).clamp(0, self.starts.len() as i32 - 1);
        self.starts[at as usize]
    }

    /// Everybody whose age in the period's last year is in this range; all people where there is nobody.
    pub(super) fn aged(&self, ages: Range<i32>) -> Range<u32> {
        let last = self.period.to.civil().0;
        let range = self.born_before(last - ages.end + 1)..self.born_before(last - ages.start + 1);
        if range.is_empty() { 0..self.count } else { range }
    }

    fn year(&self, person: u32) -> i32 {
        self.first_year + self.starts.partition_point(|start| *start <= person) as i32 - 1
    }

    /// The day of birth and the identity number.
    pub(super) fn birth(&self, person: u32) -> (Day, [u8; 11]) {
        let year = self.year(person);
        self.numbers.at(year, person - self.born_before(year))
    }

    pub(super) fn is_woman(&self, person: u32) -> bool {
        let pair = person / 2;
        // The oldest is a woman, so that there is somebody to be everybody's mother.
        let odd = pair > 0 && self.key.of("sex").at(u64::from(pair)).below(2) == 1;
        (person % 2 == 1) == odd
    }

    pub(super) fn traits(&self, person: u32) -> Traits {
        let (born, _) = self.birth(person);
        let mut draws = self.key.of("traits").at(u64::from(person)).draws();
        let standing = draws.normal();
        Traits { born, woman: self.is_woman(person), died: self.died(person, born, &mut draws), standing }
    }

    /// Old people die in the period, most the oldest. The oldest of all does not: every variable has somebody.
    fn died(&self, person: u32, born: Day, draws: &mut Draws) -> Option<Day> {
        let age = f64::from(self.period.to.days() - born.days()) / 365.25;
        let chance = if age < 50.0 { 0.01 } else { 0.01 + 0.65 * ((age - 50.0) / 55.0).powi(2) };
        let dies = draws.chance(chance) && person > 0;
        let first = self.period.from.days().max(born.days());
        dies.then(|| Day::from_days(draws.between(first, self.period.to.days())).expect("within the period"))
    }

    fn blocks(&self) -> usize {
        (self.starts.len() - 1).div_ceil(SIBLING_YEARS)
    }

    /// The people that a block of years has.
    fn block(&self, block: usize) -> Range<u32> {
        let end = ((block + 1) * SIBLING_YEARS).min(self.starts.len() - 1);
        self.starts[block * SIBLING_YEARS]..self.starts[end]
    }

    /// How many groups of siblings there are.
    pub(super) fn sibling_groups(&self) -> u32 {
        *self.sibling_starts.last().expect("never empty")
    }

    /// The group of siblings that a person is in.
    pub(super) fn siblings(&self, person: u32) -> u32 {
        let block = (self.year(person) - self.first_year) as usize / SIBLING_YEARS;
        let groups = self.sibling_starts[block + 1] - self.sibling_starts[block];
        self.sibling_starts[block] + (person - self.block(block).start) % groups
    }

    /// The first person of a group of siblings.
    pub(super) fn first_sibling(&self, group: u32) -> u32 {
        let block = self.sibling_starts.partition_point(|start| *start <= group) - 1;
        self.block(block).start + group - self.sibling_starts[block]
    }

    /// The mother, where she is young enough to be in the registers.
    pub(super) fn mother(&self, person: u32) -> Option<u32> {
        let group = self.siblings(person);
        let block = (self.year(person) - self.first_year) as usize / SIBLING_YEARS;
        let children_from = self.first_year + (block * SIBLING_YEARS) as i32;
        let mut draws = self.key.of("mother").at(u64::from(group)).draws();
        let year = children_from - (draws.between(18, 28) + draws.between(0, 10));
        if year < self.first_year {
            return None;
        }
        let born = self.born_before(year)..self.born_before(year + 1);
        let pairs = born.start.div_ceil(2)..born.end / 2;
        let pair = if pairs.is_empty() {
            // A small population has years without a woman: then the next older one, or anyone old enough.
            let old_enough = [year + 1, children_from - 17].map(|year| self.born_before(year));
            let before = old_enough.into_iter().find(|before| *before > 0)?;
            (before / 2).saturating_sub(1)
        } else {
            pairs.start + draws.below(u64::from(pairs.end - pairs.start)) as u32
        };
        Some(if self.is_woman(2 * pair) { 2 * pair } else { 2 * pair + 1 })
    }

    /// The father: the man beside the mother.
    pub(super) fn father(&self, person: u32) -> Option<u32> {
        let father = self.beside(self.mother(person)?)?;
        // In a population of a few the one beside may be young.
        (self.year(father) + 15 <= self.year(person)).then_some(father)
    }

    /// Whom a person lives with as a couple.
    pub(super) fn partner(&self, person: u32) -> Option<u32> {
        let couple = person < self.adults / 8 * 8 && self.lone_pair(person / 8) != person / 2 % 4;
        if couple { self.beside(person) } else { None }
    }

    fn beside(&self, person: u32) -> Option<u32> {
        Some(person ^ 1).filter(|other| *other < self.count)
    }

    /// Which of four pairs of adults is no couple.
    fn lone_pair(&self, block: u32) -> u32 {
        self.key.of("home").at(u64::from(block)).below(4) as u32
    }

    /// How many homes there are.
    pub(super) fn homes(&self) -> u32 {
        self.adults / 8 * 5 + self.adults % 8
    }

    /// The home of a person at the end of the period.
    pub(super) fn home(&self, person: u32) -> u32 {
        let mut adult = person;
        while adult >= self.adults {
            match self.mother(adult) {
                Some(mother) => adult = mother,
                None => {
                    return self.key.of("ward").at(u64::from(adult)).below(u64::from(self.homes())) as u32;
                }
            }
        }
        let blocks = self.adults / 8;
        if adult >= blocks * 8 {
            return blocks * 5 + adult - blocks * 8;
        }
        let (block, pair) = (adult / 8, adult / 2 % 4);
        let lone = self.lone_pair(block);
        let within = pair + u32::from(pair > lone) + if pair == lone { adult % 2 } else { 0 };
        block * 5 + within
    }

    /// The first adult of a home.
    pub(super) fn householder(&self, home: u32) -> u32 {
        let blocks = self.adults / 8;
        if home >= blocks * 5 {
            return blocks * 8 + home - blocks * 5;
        }
        let (block, within) = (home / 5, home % 5);
        let lone = self.lone_pair(block);
        let in_block = if within <= lone {
            2 * within
        } else if within == lone + 1 {
            2 * lone + 1
        } else {
            2 * (within - 1)
        };
        block * 8 + in_block
    }
}

fn weight(age: i32) -> f64 {
    let right = AGES.partition_point(|(corner, _)| *corner <= age).clamp(1, AGES.len() - 1);
    let ((from, low), (to, high)) = (AGES[right - 1], AGES[right]);
    low + (high - low) * f64::from(age - from) / f64::from(to - from)
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::*;

    fn people(count: u32, seed: u64) -> People {
        People::new(Key::seeded(seed), count, Period::default()).expect("few enough")
    }

    #[test]
    fn everybody_has_a_number_of_their_own_and_people_stand_in_order_of_birth() {
        let people = people(20_000, 1);
        let mut seen = HashSet::new();
        let mut year = 0;
        for person in 0..20_000 {
            let (born, number) = people.birth(person);
            assert!(seen.insert(number));
            assert!(born.civil().0 >= year && born < people.period.to);
            year = born.civil().0;
        }
    }

    #[test]
    fn a_mother_is_an_older_woman_and_siblings_share_her() {
        for count in [2, 3, 10, 100, 30_000] {
            let people = people(count, 5);
            let mut with_mother = 0;
            for person in 0..count {
                let Some(mother) = people.mother(person) else { continue };
                with_mother += 1;
                assert!(people.is_woman(mother));
                let years = people.year(person) - people.year(mother);
                assert!(years >= 16 && (count < 10_000 || years <= 42), "{count}: {years}");
                let first = people.first_sibling(people.siblings(person));
                assert_eq!(people.mother(first), Some(mother));
                if let Some(father) = people.father(person) {
                    assert!(!people.is_woman(father) && father != person);
                }
            }
            assert!(with_mother > 0);
            assert!(count < 10_000 || with_mother > count * 7 / 10);
        }
    }

    #[test]
    fn couples_are_mutual_and_live_together() {
        let people = people(5_003, 2);
        let mut couples = 0;
        for person in 0..people.count {
            if let Some(partner) = people.partner(person) {
                couples += 1;
                assert_eq!(people.partner(partner), Some(person));
                assert_eq!(people.home(partner), people.home(person));
                assert_ne!(people.is_woman(partner), people.is_woman(person));
            }
        }
        assert!(couples > 2_000);
    }

    #[test]
    fn every_home_has_its_householder_and_children_live_with_their_mothers() {
        for count in [1, 2, 7, 8, 9, 4_001] {
            let people = people(count, 9);
            let mut members: HashMap<u32, u32> = HashMap::new();
            for person in 0..count {
                *members.entry(people.home(person)).or_default() += 1;
            }
            assert_eq!(members.len() as u32, people.homes());
            for home in 0..people.homes() {
                assert_eq!(people.home(people.householder(home)), home);
            }
            let several = members.values().filter(|members| **members > 1).count();
            assert!(count < 1000 || several * 2 > members.len());
        }
    }

    #[test]
    fn ten_million_people_fit_and_more_than_there_are_numbers_do_not() {
        assert!(People::new(Key::seeded(1), PEOPLE_MAX, Period::default()).is_ok());
        let early = Period::new("1960-01-01".parse().expect("day"), "1960-12-31".parse().expect("day"));
        let refused =
            People::new(Key::seeded(1), PEOPLE_MAX, early.expect("in range")).err().expect("too many");
        assert!(People::new(Key::seeded(1), refused.max, early.expect("in range")).is_ok());
    }
}
