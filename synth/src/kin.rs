//! Who is whose mother and father, and who is one family.
//!
//! People are drawn one after the other and kept by nobody, so kinship is made when all have been drawn, from one byte for
//! each of their identity numbers: about 7 MB for a nation. Whether there is somebody of an age and a sex is looked up there;
//! which one it is follows from a key of the child's or the woman's place.
//!
//! - A mother is 17 to 44 years older. She is known where she is in the registers, which hold nobody who died before 2018; of
//!   those born abroad few have one who is.
//! - Each woman has one man of about her age, who is father of her children; married women have a married one. Some children
//!   have an unknown father.
//! - Nearly all married women and a quarter of the others live with their man, unless another woman does. A family is named by its
//!   woman, or by its man where he lives alone; children under 18 are in their mother's.

use std::io;

use kobling_model::Day;

use crate::chance::{Draws, Key};
use crate::number::{FIRST_YEAR, LAST_YEAR, Number, month_index, number_at, places};
use crate::population::{CivilStatus, Person, STATUS_YEARS};

/// Years with a family on 1 January: two of [`STATUS_YEARS`].
pub const FAMILY_YEARS: [i32; 2] = [STATUS_YEARS[2], STATUS_YEARS[4]];

/// Nobody in the registers died before this year.
const FIRST_DEATHS: i32 = 2018;

/// Somebody who is in Statistics Norway's registers.
const THERE: u8 = 1;
const WOMAN: u8 = 1 << 1;
const BORN_ABROAD: u8 = 1 << 2;
const DIED: u8 = 1 << 3;
/// On the first of [`FAMILY_YEARS`].
const MARRIED: u8 = 1 << 4;
/// On each of [`FAMILY_YEARS`].
const RESIDENT: [u8; 2] = [1 << 5, 1 << 6];
/// A woman who lives with her man, and the man.
const COUPLE: u8 = 1 << 7;

/// A person's place: the month of birth and the place in the order of its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    year: i32,
    month: u32,
    at: u32,
}

impl Place {
    fn of(month_index: usize, at: usize) -> Self {
        Self {
            year: FIRST_YEAR + (month_index / 12) as i32,
            month: (month_index % 12) as u32 + 1,
            at: at as u32,
        }
    }

    fn key(self) -> u64 {
        (month_index(self.year, self.month) as u64) << 32 | u64::from(self.at)
    }

    fn number(self) -> Number {
        let (number, _) = number_at(self.year, self.month, self.at).expect("a place with somebody in it");
        number
    }
}

/// One person's kin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Related {
    /// Whose kin.
    pub number: Number,
    /// The mother, where she is known.
    pub mother: Option<Number>,
    /// The father, where he is known.
    pub father: Option<Number>,
    /// The person who names the family, on each of [`FAMILY_YEARS`]; none: not resident.
    pub families: [Option<Number>; 2],
}

/// What is known of everybody, by place.
pub struct Kin {
    key: Key,
    months: Vec<Vec<u8>>,
}

impl Kin {
    pub fn new(key: Key) -> Self {
        Self { key, months: vec![Vec::new(); (LAST_YEAR - FIRST_YEAR + 1) as usize * 12] }
    }

    /// Takes note of somebody. People come in the order of their numbers within a month.
    pub fn add(&mut self, person: &Person) {
        let (year, month, _) = person.born.civil();
        let flags = |holds: bool, flag: u8| if holds { flag } else { 0 };
        let first = Day::from_civil(FAMILY_YEARS[0], 1, 1).expect("a day of the calendar");
        let civil = person.civil.iter().rev().find(|(from, _)| *from <= first);
        let known = flags(person.in_population, THERE)
            | flags(person.woman, WOMAN)
            | flags(person.country != 0, BORN_ABROAD)
            | flags(person.died.is_some(), DIED)
            | flags(civil.is_some_and(|(_, status)| *status == CivilStatus::Married), MARRIED)
            | flags(person.municipalities[2].is_some(), RESIDENT[0])
            | flags(person.municipalities[4].is_some(), RESIDENT[1]);
        let places_of_month = &mut self.months[month_index(year, month)];
        while (places_of_month.len() as u32) < places(year, month) {
            let number = number_at(year, month, places_of_month.len() as u32);
            let here = number.is_some_and(|(number, _)| number == person.number);
            places_of_month.push(if here { known } else { 0 });
            if here {
                return;
            }
        }
    }

    /// Settles who lives with whom, and goes through everybody in the registers.
    ///
    /// # Errors
    /// Those of `each`.
    pub fn relate(mut self, mut each: impl FnMut(&Related) -> io::Result<()>) -> io::Result<()> {
        // Men of couples, told of with their women; then everybody else.
        for index in 0..self.months.len() {
            for at in 0..self.months[index].len() {
                let woman = Place::of(index, at);
                if let Some(man) = self.settles_with(woman) {
                    for one in [woman, man] {
                        self.months[month_index(one.year, one.month)][one.at as usize] |= COUPLE;
                    }
                    each(&self.related(man, |year| self.is(woman, RESIDENT[year]).then_some(woman)))?;
                }
            }
        }
        for index in 0..self.months.len() {
            for at in 0..self.months[index].len() {
                let person = Place::of(index, at);
                let told = self.flags(person) & (WOMAN | COUPLE) == COUPLE;
                if self.is(person, THERE) && !told {
                    each(&self.related(person, |year| Some(self.named_by(person, year))))?;
                }
            }
        }
        Ok(())
    }

    /// The man that a woman lives with, if she does, and no other woman lives with him already.
    fn settles_with(&self, woman: Place) -> Option<Place> {
        let grown = |person: Place| person.year <= FAMILY_YEARS[0] - 19;
        if !self.is(woman, THERE | WOMAN) || !grown(woman) {
            return None;
        }
        let lives_with = if self.is(woman, MARRIED) { 0.95 } else { 0.25 };
        let man = self.man_of(woman).filter(|man| grown(*man) && !self.is(*man, COUPLE))?;
        self.key.of("couple").at(woman.key()).draws().chance(lives_with).then_some(man)
    }

    /// Who names the family of somebody who is no man of a couple: the mother of a minor, as far up as that leads.
    fn named_by(&self, person: Place, year: usize) -> Place {
        let mut head = person;
        while head.year > FAMILY_YEARS[year] - 19 {
            match self.mother(head).filter(|mother| self.is(*mother, RESIDENT[year])) {
                Some(mother) => head = mother,
                None => break,
            }
        }
        head
    }

    /// A person's kin, with the family of the person named for a year, or else a family of one's own.
    fn related(&self, person: Place, family: impl Fn(usize) -> Option<Place>) -> Related {
        let mother = self.mother(person);
        let father = mother.and_then(|mother| self.father(person, mother));
        let families = [0, 1]
            .map(|year| self.is(person, RESIDENT[year]).then(|| family(year).unwrap_or(person).number()));
        Related {
            number: person.number(),
            mother: mother.map(Place::number),
            father: father.map(Place::number),
            families,
        }
    }

    fn mother(&self, child: Place) -> Option<Place> {
        let mut draws = self.key.of("mother").at(child.key()).draws();
        let age = (28.8 + 5.2 * draws.normal()).round().clamp(17.0, 44.0) as i32;
        let year = child.year - age;
        let known = match 2018 - year {
            ..60 => 0.98,
            60..70 => 0.93,
            70..80 => 0.75,
            80..90 => 0.42,
            90..95 => 0.12,
            95..100 => 0.03,
            _ => 0.004,
        } * if self.is(child, BORN_ABROAD) { 0.12 } else { 1.0 };
        if !draws.chance(known) {
            return None;
        }
        let alive = |mother: Place| child.year < FIRST_DEATHS || !self.is(mother, DIED);
        self.somebody(&mut draws, |_| year, |mother| self.is(mother, WOMAN) && alive(mother))
    }

    fn father(&self, child: Place, mother: Place) -> Option<Place> {
        let known = self.key.of("father").at(child.key()).draws().chance(0.95);
        let alive = |father: Place| child.year < FIRST_DEATHS || !self.is(father, DIED);
        self.man_of(mother).filter(|father| known && alive(*father) && child.year - father.year >= 16)
    }

    /// The man of a woman's age whom her children have as father.
    fn man_of(&self, woman: Place) -> Option<Place> {
        let mut draws = self.key.of("man").at(woman.key()).draws();
        let year =
            |draws: &mut Draws| woman.year - (2.5 + 3.5 * draws.normal()).round().clamp(-6.0, 12.0) as i32;
        let married = self.flags(woman) & MARRIED;
        self.somebody(&mut draws, year, |man| !self.is(man, WOMAN) && self.flags(man) & MARRIED == married)
    }

    /// Somebody in the registers of whom this holds, as likely as anybody else born that year; none where a few draws meet nobody.
    fn somebody(
        &self,
        draws: &mut Draws,
        year: impl Fn(&mut Draws) -> i32,
        fits: impl Fn(Place) -> bool,
    ) -> Option<Place> {
        for _ in 0..24 {
            let (year, month) = (year(draws), draws.between(1, 12) as u32);
            if !(FIRST_YEAR..=LAST_YEAR).contains(&year) {
                continue;
            }
            // Months of few people are met as often as those of many; their people are not to be met more often.
            let of_year = &self.months[month_index(year, 1)..=month_index(year, 12)];
            let widest = of_year.iter().map(Vec::len).max().unwrap_or_default();
            if widest == 0 {
                continue;
            }
            let at = draws.below(widest as u64) as u32;
            if at as usize >= self.months[month_index(year, month)].len() {
                continue;
            }
            let somebody = Place { year, month, at };
            if self.is(somebody, THERE) && fits(somebody) {
                return Some(somebody);
            }
        }
        None
    }

    fn flags(&self, person: Place) -> u8 {
        self.months[month_index(person.year, person.month)][person.at as usize]
    }

    /// Whether all these flags are set.
    fn is(&self, person: Place, flags: u8) -> bool {
        self.flags(person) & flags == flags
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::*;
    use crate::population::Population;

    fn drawn(people: u32, seed: u64) -> (HashMap<Number, Person>, Vec<Related>) {
        let mut kin = Kin::new(Key::seeded(seed));
        let mut everybody = HashMap::new();
        for person in Population::generate(people, seed).expect("possible") {
            kin.add(&person);
            everybody.insert(person.number, person);
        }
        let mut related = Vec::new();
        kin.relate(|one| {
            related.push(*one);
            Ok(())
        })
        .expect("memory");
        (everybody, related)
    }

    #[test]
    fn everybody_in_the_registers_is_told_of_once() {
        let (everybody, related) = drawn(20_000, 5);
        let told: HashSet<Number> = related.iter().map(|one| one.number).collect();
        assert_eq!((told.len(), related.len()), (20_000, 20_000));
        assert!(told.iter().all(|number| everybody[number].in_population));
    }

    #[test]
    fn parents_are_of_the_right_sex_and_age_and_alive_and_half_of_all_have_both() {
        let (everybody, related) = drawn(60_000, 6);
        let year = |number: &Number| everybody[number].born.civil().0;
        let (mut both, mut children) = (0, HashMap::new());
        for one in &related {
            let born = everybody[&one.number].born;
            for (parent, woman) in [(one.mother, true), (one.father, false)] {
                let Some(parent) = parent else { continue };
                let parent = &everybody[&parent];
                assert!(parent.in_population && parent.woman == woman);
                assert!(parent.died.is_none_or(|died| died > born));
            }
            if let Some(mother) = one.mother {
                assert!((17..=44).contains(&(year(&one.number) - year(&mother))));
                *children.entry(mother).or_insert(0) += 1;
            }
            assert!(one.father.is_none_or(|father| year(&one.number) - year(&father) >= 16));
            both += u32::from(one.mother.is_some() && one.father.is_some());
        }
        let share = f64::from(both) / related.len() as f64;
        assert!((0.42..0.62).contains(&share), "both parents: {share}");
        let most = children.values().max().copied().unwrap_or_default();
        assert!(most <= 12, "{most} children");
    }

    #[test]
    fn families_are_named_by_a_member_and_children_are_with_their_mother() {
        let (everybody, related) = drawn(60_000, 7);
        for (at, year) in FAMILY_YEARS.into_iter().enumerate() {
            let of: HashMap<Number, Number> =
                related.iter().filter_map(|one| Some((one.number, one.families[at]?))).collect();
            let residents =
                everybody.values().filter(|p| p.in_population && p.municipalities[2 + 2 * at].is_some());
            assert_eq!(of.len(), residents.count());
            assert!(of.values().all(|family| of.get(family) == Some(family)), "who names a family is in it");
            let mut sizes: HashMap<Number, u32> = HashMap::new();
            of.values().for_each(|family| *sizes.entry(*family).or_default() += 1);
            let mean = of.len() as f64 / sizes.len() as f64;
            assert!((1.3..2.6).contains(&mean), "people a family: {mean}");
            for one in &related {
                let minor = everybody[&one.number].born.civil().0 > year - 19;
                if let (true, Some(mother), Some(family)) = (minor, one.mother, one.families[at]) {
                    assert!(of.get(&mother).is_none_or(|of_mother| *of_mother == family));
                }
            }
        }
    }
}
