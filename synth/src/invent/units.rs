//! Units of all types: how many there are, what they are called, and which belongs to which.
//!
//! | unit type | units, of N people | whose |
//! | --- | --- | --- |
//! | PERSON | N | |
//! | FAMILIE, HUSHOLDNING | homes, about N/2 | named by the number of their first adult |
//! | SOESKEN | sibling groups, about N/1.9 | named by the number of their first member |
//! | FORETAK | N/15 | an enterprise has one or two of the next |
//! | VIRKSOMHET, BEDRIFT | N/12 | |
//! | JOBB | 3N/5 | a person of 16 to 67, at a VIRKSOMHET |
//! | KURS | N/2 | a person of 6 to 45 |
//! | KJORETOY | N/2 | a person of 20 to 85 |
//! | KOMMUNE | 45 | |
//! | KRG_KREFTTILFELLE | N/40 | a person of 30 and over |
//! | NPR_SYKEHUSOPPHOLD | N/6 | anybody |
//! | NPR_EPISODE | N/3 | one or more of a hospital stay |
//! | NPR_PROSEDYRE | N/2 | one or more of an episode |
//!
//! What belongs to a person is dealt out over the people of that age in a scattered order, some getting none and
//! some three, and the deal can be turned around: a job's person and a person's job fit.

use std::collections::BTreeMap;
use std::io::Write;

use kobling_model::{Day, UnitType};

use super::identity::OrganisationNumbers;
use super::metadata::Words;
use super::people::{People, Traits};
use super::period::{Period, later};
use crate::chance::{Key, Order};
use crate::facts::municipality::MUNICIPALITIES;

/// Of sixteen places in a row, how many units each gets.
const DEAL: [u32; 16] = [1, 0, 2, 1, 0, 1, 3, 1, 0, 1, 2, 1, 0, 1, 1, 1];

/// Most units of a type that is named by texts.
const FREE_MAX: u32 = 100_000_000;

/// So many units of a type cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there can be 1 to {max} units of {unit_type} among so many people")]
pub struct UnusableCount {
    /// The type.
    pub unit_type: UnitType,
    /// So many there can be.
    pub max: u32,
}

/// In what relation one person points at another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kin {
    Mother,
    Father,
    Partner,
    Anybody,
}

/// All units of a run.
pub(super) struct Units {
    pub(super) people: People,
    pub(super) period: Period,
    key: Key,
    counts: BTreeMap<UnitType, u32>,
    /// The order in which people stand in files.
    filed: Order,
    deals: BTreeMap<UnitType, Deal>,
    organisations: OrganisationNumbers,
}

/// How units of a type are dealt out over some people.
struct Deal {
    first: u32,
    order: Order,
}

/// A unit while its rows are made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unit {
    pub(super) number: u32,
    /// What the person that it is, or is of, is like.
    pub(super) traits: Option<Traits>,
    /// How well off: the person's, or the unit's own.
    pub(super) standing: f64,
    /// First and last day of its rows.
    pub(super) first: Day,
    pub(super) last: Day,
    /// Whether it is the one unit that every variable has.
    pub(super) always: bool,
    /// Whether it is something that happens on a day, its first, such as an episode.
    pub(super) happens: bool,
}

impl Units {
    pub(super) fn new(
        seed: Key,
        people: People,
        period: Period,
        asked: &BTreeMap<UnitType, u32>,
    ) -> Result<Self, UnusableCount> {
        let key = seed.of("units");
        let mut counts = BTreeMap::new();
        for unit_type in UnitType::ALL {
            let (usual, max) = counts_of(unit_type, &people);
            let count = asked.get(&unit_type).copied().unwrap_or(usual.clamp(1, max));
            if !(1..=max).contains(&count) || (unit_type == UnitType::Person && count != people.count()) {
                let max = if unit_type == UnitType::Person { people.count() } else { max };
                return Err(UnusableCount { unit_type, max });
            }
            counts.insert(unit_type, count);
        }
        let deals = UnitType::ALL.into_iter().filter_map(|unit_type| {
            let people = people.aged(ages(unit_type)?);
            let order =
                Order::new(key.of("deal").of(unit_type.as_str()), u64::from(people.end - people.start));
            Some((unit_type, Deal { first: people.start, order }))
        });
        let deals = deals.collect();
        let filed = Order::new(key.of("filed"), u64::from(people.count()));
        let organisations = OrganisationNumbers::new(key.of("organisations"));
        Ok(Self { people, period, key, counts, filed, deals, organisations })
    }

    pub(super) fn count(&self, unit_type: UnitType) -> u32 {
        self.counts[&unit_type]
    }

    /// The unit at a place of a file.
    pub(super) fn unit(&self, unit_type: UnitType, place: u32) -> Unit {
        let number = match unit_type {
            UnitType::Person => self.filed.at(u64::from(place)) as u32,
            _ => place,
        };
        let traits = self.person_of(unit_type, number).map(|person| self.people.traits(person));
        let always = number == 0;
        let own = || self.key.of("standing").of(unit_type.as_str()).at(u64::from(number)).draws().normal();
        let first = traits.map_or(self.period.from, |traits| traits.born.max(self.period.from));
        let died = traits.and_then(|traits| traits.died).filter(|_| !always);
        let last = died.map_or(self.period.to, |died| died.max(first));
        let standing = traits.map_or_else(own, |traits| traits.standing);
        let happening = self.happening(unit_type, number);
        let mut unit = Unit { number, traits, standing, first, last, always, happens: happening.is_some() };
        // The first one happens on its person's first day in the period, so that every variable has a row of it.
        if let Some((base, base_number)) = happening.filter(|(_, base_number)| *base_number > 0) {
            let mut draws = self.key.of("day").of(base.as_str()).at(u64::from(base_number)).draws();
            unit.first = later(first, draws.between(0, last.days() - first.days()));
        }
        unit
    }

    /// The unit whose day a unit of this type has: procedures that of their episode, episodes that of their stay.
    fn happening(&self, unit_type: UnitType, number: u32) -> Option<(UnitType, u32)> {
        match unit_type {
            UnitType::KrgKrefttilfelle | UnitType::NprSykehusopphold | UnitType::Kurs => {
                Some((unit_type, number))
            }
            UnitType::NprEpisode | UnitType::NprProsedyre => {
                Some((UnitType::NprSykehusopphold, self.stay_of(unit_type, number)))
            }
            _ => None,
        }
    }

    /// Appends a unit's identifier.
    pub(super) fn identify(&self, unit_type: UnitType, number: u32, line: &mut Vec<u8>) {
        let person = |person: u32| self.people.birth(person).1;
        let free = |line: &mut Vec<u8>, prefix: &str| {
            write!(line, "{prefix}{:09}", number + 1).expect("memory takes it");
        };
        match unit_type {
            UnitType::Person => line.extend_from_slice(&person(number)),
            UnitType::Familie | UnitType::Husholdning => {
                let home = self.spread_back(number, self.count(unit_type), self.people.homes());
                line.extend_from_slice(&person(self.people.householder(home)));
            }
            UnitType::Soesken => {
                let group = self.spread_back(number, self.count(unit_type), self.people.sibling_groups());
                line.extend_from_slice(&person(self.people.first_sibling(group)));
            }
            // Enterprises and their establishments are named from the same numbers, each from a part of its own.
            UnitType::Foretak => line.extend_from_slice(&self.organisations.at(number)),
            UnitType::Virksomhet | UnitType::Bedrift => {
                line.extend_from_slice(&self.organisations.at(OrganisationNumbers::ROOM / 2 + number));
            }
            UnitType::Kommune => line.extend_from_slice(MUNICIPALITIES[number as usize].code_2020.as_bytes()),
            UnitType::Jobb => free(line, "JOBB"),
            UnitType::Kurs => free(line, "KURS"),
            UnitType::Kjoretoy => free(line, "KJT"),
            UnitType::KrgKrefttilfelle => free(line, "KT"),
            UnitType::NprEpisode => free(line, "EP"),
            UnitType::NprSykehusopphold => free(line, "SO"),
            UnitType::NprProsedyre => free(line, "PR"),
        }
    }

    /// The number of one set's member in another set, over which the first is spread evenly.
    fn spread(&self, number: u32, of: u32, over: u32) -> u32 {
        (u64::from(number) * u64::from(over) / u64::from(of)) as u32
    }

    /// The first number that is spread to this one.
    fn spread_back(&self, number: u32, over: u32, of: u32) -> u32 {
        (u64::from(number) * u64::from(of)).div_ceil(u64::from(over)) as u32
    }

    fn spread_type(&self, number: u32, of: UnitType, over: UnitType) -> u32 {
        self.spread(number, self.count(of), self.count(over))
    }

    /// The first unit of a type that belongs to this one of another by even spread.
    fn first_of_type(&self, number: u32, over: UnitType, of: UnitType) -> Option<u32> {
        let first = self.spread_back(number, self.count(over), self.count(of));
        (first < self.count(of) && self.spread_type(first, of, over) == number).then_some(first)
    }

    /// The hospital stay of an episode or a procedure.
    fn stay_of(&self, unit_type: UnitType, number: u32) -> u32 {
        let episode = match unit_type {
            UnitType::NprProsedyre => self.spread_type(number, unit_type, UnitType::NprEpisode),
            _ => number,
        };
        self.spread_type(episode, UnitType::NprEpisode, UnitType::NprSykehusopphold)
    }

    /// The person that a unit is, or is of; none of what has no person.
    fn person_of(&self, unit_type: UnitType, number: u32) -> Option<u32> {
        match unit_type {
            UnitType::Person => Some(number),
            UnitType::Familie | UnitType::Husholdning => {
                let home = self.spread_back(number, self.count(unit_type), self.people.homes());
                Some(self.people.householder(home))
            }
            UnitType::Soesken => {
                let group = self.spread_back(number, self.count(unit_type), self.people.sibling_groups());
                Some(self.people.first_sibling(group))
            }
            UnitType::NprEpisode | UnitType::NprProsedyre => {
                self.dealt_to(UnitType::NprSykehusopphold, self.stay_of(unit_type, number))
            }
            UnitType::Foretak | UnitType::Virksomhet | UnitType::Bedrift | UnitType::Kommune => None,
            _ => self.dealt_to(unit_type, number),
        }
    }

    /// The person that a unit is dealt to.
    fn dealt_to(&self, unit_type: UnitType, number: u32) -> Option<u32> {
        let deal = self.deals.get(&unit_type)?;
        let (round, mut left) = (number / 16, number % 16);
        let place = DEAL.iter().position(|units| match left.checked_sub(*units) {
            Some(rest) => {
                left = rest;
                false
            }
            None => true,
        });
        let place = u64::from(round) * 16 + place.expect("sixteen units are dealt to sixteen places") as u64;
        Some(deal.first + deal.order.at(place % deal.order.size()) as u32)
    }

    /// The first unit of a type that is dealt to a person.
    fn first_of(&self, unit_type: UnitType, person: u32) -> Option<u32> {
        match unit_type {
            UnitType::NprEpisode => {
                let stay = self.first_of(UnitType::NprSykehusopphold, person)?;
                return self.first_of_type(stay, UnitType::NprSykehusopphold, unit_type);
            }
            UnitType::NprProsedyre => {
                let episode = self.first_of(UnitType::NprEpisode, person)?;
                return self.first_of_type(episode, UnitType::NprEpisode, unit_type);
            }
            _ => {}
        }
        let deal = self.deals.get(&unit_type)?;
        let seat = u64::from(person.checked_sub(deal.first)?);
        if seat >= deal.order.size() {
            return None;
        }
        let count = u64::from(self.count(unit_type));
        let mut place = deal.order.place(seat);
        loop {
            let in_round = (place % 16) as usize;
            let first = place / 16 * 16 + u64::from(DEAL[..in_round].iter().sum::<u32>());
            if first >= count {
                return None;
            }
            if DEAL[in_round] > 0 {
                return Some(first as u32);
            }
            place += deal.order.size();
        }
    }

    /// Where a job is: a few establishments have most of them.
    fn workplace(&self, job: u32) -> u32 {
        let share = self.key.of("workplace").at(u64::from(job)).draws().unit();
        (share.powi(3) * f64::from(self.count(UnitType::Virksomhet))) as u32
    }

    /// The unit that a unit points at; none where there is nobody in that relation.
    pub(super) fn pointed_at(&self, from: UnitType, number: u32, to: UnitType, words: &Words) -> Option<u32> {
        use UnitType::{Bedrift, Foretak, Jobb, Kommune, NprEpisode, NprProsedyre, NprSykehusopphold};
        use UnitType::{Familie, Husholdning, Person, Soesken, Virksomhet};
        let person = || self.person_of(from, number);
        match (from, to) {
            (Person, Person) => self.kin(number, words),
            (one, other) if one == other => self.another(from, number),
            (Foretak | Virksomhet | Bedrift, Foretak | Virksomhet | Bedrift) => {
                Some(self.spread_type(number, from, to))
            }
            (Jobb, Foretak | Virksomhet | Bedrift) => {
                Some(self.spread_type(self.workplace(number), Virksomhet, to))
            }
            (Person | Familie | Husholdning | Soesken, Foretak | Virksomhet | Bedrift) => {
                let job = self.first_of(Jobb, person()?)?;
                Some(self.spread_type(self.workplace(job), Virksomhet, to))
            }
            (_, Foretak | Virksomhet | Bedrift) => Some(self.any(from, number, to)),
            (NprEpisode | NprProsedyre, NprSykehusopphold) => Some(self.stay_of(from, number)),
            (NprProsedyre, NprEpisode) => Some(self.spread_type(number, from, to)),
            (NprSykehusopphold, NprEpisode) | (NprEpisode, NprProsedyre) => {
                self.first_of_type(number, from, to)
            }
            (NprSykehusopphold, NprProsedyre) => {
                let episode = self.first_of_type(number, from, NprEpisode)?;
                self.first_of_type(episode, NprEpisode, to)
            }
            (_, Kommune) => Some(self.municipality(from, number)),
            (Foretak | Virksomhet | Bedrift | Kommune, _) => Some(self.any(from, number, to)),
            (_, Person) => person(),
            (_, Familie | Husholdning) => {
                Some(self.spread(self.people.home(person()?), self.people.homes(), self.count(to)))
            }
            (_, Soesken) => {
                let groups = self.people.sibling_groups();
                Some(self.spread(self.people.siblings(person()?), groups, self.count(to)))
            }
            (_, _) => self.first_of(to, person()?),
        }
    }

    fn kin(&self, person: u32, words: &Words) -> Option<u32> {
        match kin(words) {
            Kin::Mother => self.people.mother(person),
            Kin::Father => self.people.father(person),
            Kin::Partner => self.people.partner(person),
            Kin::Anybody => self.another(UnitType::Person, person),
        }
    }

    /// Any other unit of the same type.
    fn another(&self, unit_type: UnitType, number: u32) -> Option<u32> {
        let others = u64::from(self.count(unit_type)).checked_sub(1).filter(|others| *others > 0)?;
        let step = 1 + self.key.of("another").of(unit_type.as_str()).at(u64::from(number)).below(others);
        Some(((u64::from(number) + step) % (others + 1)) as u32)
    }

    fn any(&self, from: UnitType, number: u32, to: UnitType) -> u32 {
        let key = self.key.of("any").of(from.as_str()).of(to.as_str());
        key.at(u64::from(number)).below(u64::from(self.count(to))) as u32
    }

    /// Municipalities by size, the same for all that belongs to a home.
    fn municipality(&self, unit_type: UnitType, number: u32) -> u32 {
        let home = self.person_of(unit_type, number).map(|person| self.people.home(person));
        let key = home.map_or_else(
            || self.key.of("seat").of(unit_type.as_str()).at(u64::from(number)),
            |home| self.key.of("municipality").at(u64::from(home)),
        );
        let here = &MUNICIPALITIES[..self.count(UnitType::Kommune) as usize];
        let mut left = key.draws().unit() * here.iter().map(|place| place.thousands).sum::<f64>();
        let at = here.iter().position(|place| {
            left -= place.thousands;
            left < 0.0
        });
        at.unwrap_or(0) as u32
    }
}

/// Usual and largest number of units of a type.
fn counts_of(unit_type: UnitType, people: &People) -> (u32, u32) {
    let n = people.count();
    match unit_type {
        UnitType::Person => (n, n),
        UnitType::Familie | UnitType::Husholdning => (people.homes(), people.homes()),
        UnitType::Soesken => (people.sibling_groups(), people.sibling_groups()),
        UnitType::Foretak => (n / 15, OrganisationNumbers::ROOM / 2),
        UnitType::Virksomhet | UnitType::Bedrift => (n / 12, OrganisationNumbers::ROOM / 2),
        UnitType::Jobb => (n / 5 * 3, FREE_MAX),
        UnitType::Kurs | UnitType::Kjoretoy | UnitType::NprProsedyre => (n / 2, FREE_MAX),
        UnitType::Kommune => (MUNICIPALITIES.len() as u32, MUNICIPALITIES.len() as u32),
        UnitType::KrgKrefttilfelle => (n / 40, FREE_MAX),
        UnitType::NprEpisode => (n / 3, FREE_MAX),
        UnitType::NprSykehusopphold => (n / 6, FREE_MAX),
    }
}

/// Ages of the people that units of a type are dealt to; none of what is not dealt out.
fn ages(unit_type: UnitType) -> Option<std::ops::Range<i32>> {
    match unit_type {
        UnitType::Jobb => Some(16..68),
        UnitType::Kurs => Some(6..46),
        UnitType::Kjoretoy => Some(20..86),
        UnitType::KrgKrefttilfelle => Some(30..120),
        UnitType::NprSykehusopphold => Some(0..120),
        _ => None,
    }
}

/// The relation that a pointer from person to person speaks of.
fn kin(words: &Words) -> Kin {
    let spoken = |word: &str| match word {
        "mor" | "mors" | "morfnr" | "fnrmor" | "mother" | "mothers" | "moren" => Some(Kin::Mother),
        "far" | "fars" | "farfnr" | "fnrfar" | "father" | "fathers" | "faren" => Some(Kin::Father),
        "ektefelle" | "ektefelles" | "samboer" | "partner" | "spouse" | "husband" | "wife" => {
            Some(Kin::Partner)
        }
        _ => None,
    };
    let all = [&words.name, &words.description];
    let found = all.iter().find_map(|text| text.split(|c: char| !c.is_alphanumeric()).find_map(spoken));
    found.unwrap_or(Kin::Anybody)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(people: u32, seed: u64) -> Units {
        let key = Key::seeded(seed);
        let people = People::new(key, people, Period::default()).expect("few enough");
        Units::new(key, people, Period::default(), &BTreeMap::new()).expect("usual counts")
    }

    #[test]
    fn every_pointer_names_a_unit_that_exists_and_never_the_unit_itself() {
        for people in [1, 2, 17, 3_000] {
            let units = units(people, 4);
            for from in UnitType::ALL {
                for to in UnitType::ALL {
                    for number in 0..units.count(from).min(500) {
                        let Some(at) = units.pointed_at(from, number, to, &Words::default()) else {
                            continue;
                        };
                        assert!(at < units.count(to), "{from} {number} -> {to} {at}");
                        assert!(from != to || at != number);
                    }
                }
            }
        }
    }

    #[test]
    fn what_belongs_to_a_person_belongs_to_the_person_it_points_at() {
        use UnitType::*;
        let units = units(3_000, 8);
        let words = Words::default();
        for unit_type in [Jobb, Kurs, Kjoretoy, KrgKrefttilfelle, NprSykehusopphold, NprEpisode, NprProsedyre]
        {
            let mut found = 0;
            for person in 0..3_000 {
                let Some(number) = units.pointed_at(Person, person, unit_type, &words) else { continue };
                assert_eq!(units.pointed_at(unit_type, number, Person, &words), Some(person), "{unit_type}");
                found += 1;
            }
            assert!(found > 20, "{unit_type}: {found}");
        }
        for procedure in 0..units.count(NprProsedyre) {
            let episode = units.pointed_at(NprProsedyre, procedure, NprEpisode, &words).expect("exists");
            let stay = units.pointed_at(NprEpisode, episode, NprSykehusopphold, &words).expect("exists");
            assert_eq!(units.pointed_at(NprProsedyre, procedure, NprSykehusopphold, &words), Some(stay));
            let person = units.pointed_at(NprSykehusopphold, stay, Person, &words);
            assert_eq!(units.pointed_at(NprProsedyre, procedure, Person, &words), person);
        }
    }

    #[test]
    fn some_have_several_jobs_and_some_have_none() {
        let units = units(10_000, 8);
        let mut jobs = vec![0; 10_000];
        for job in 0..units.count(UnitType::Jobb) {
            jobs[units.dealt_to(UnitType::Jobb, job).expect("a person") as usize] += 1;
        }
        let with = |n| jobs.iter().filter(|jobs| **jobs == n).count();
        assert!(with(0) > 3_000 && with(1) > 2_000 && with(2) > 300 && with(3) > 150);
    }

    #[test]
    fn units_of_a_type_have_identifiers_of_their_own() {
        let units = units(2_000, 3);
        for unit_type in UnitType::ALL {
            let mut seen = std::collections::HashSet::new();
            for number in 0..units.count(unit_type) {
                let mut line = Vec::new();
                units.identify(unit_type, number, &mut line);
                let text = String::from_utf8(line).expect("text");
                assert!(kobling_model::identity::Identity::parse(unit_type, &text).is_ok(), "{unit_type}");
                assert!(seen.insert(text));
            }
        }
    }

    #[test]
    fn more_units_than_there_are_names_for_are_refused() {
        let key = Key::seeded(1);
        let people = || People::new(key, 100, Period::default()).expect("few enough");
        let with = |unit_type, count| {
            Units::new(key, people(), Period::default(), &BTreeMap::from([(unit_type, count)]))
        };
        assert!(with(UnitType::Husholdning, 20).is_ok());
        assert!(with(UnitType::Husholdning, 100).is_err());
        assert!(with(UnitType::Kommune, 46).is_err());
        assert!(with(UnitType::Jobb, 0).is_err());
        assert!(with(UnitType::Person, 99).is_err());
    }
}
