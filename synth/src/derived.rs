//! What follows from a person without being drawn with it: jobs, and stays in hospital.
//!
//! Each is drawn from a key of its own, so that no other variable changes with it. Whoever has wages in a year has a job on
//! 16 November of that year. An inpatient episode is a stay of some days.

use kobling_model::Day;

use crate::chance::{Draws, Key};
use crate::facts::education::EDUCATIONS;
use crate::facts::{CARE, SECTORS};
use crate::population::{INCOME_YEARS, Person};

/// Days on which jobs are measured: 16 November of the last [`INCOME_YEARS`].
pub const JOB_YEARS: [i32; 2] = [INCOME_YEARS[2], INCOME_YEARS[3]];
/// Index of inpatient care among [`CARE`].
const INPATIENT: usize = 0;
const _: () = assert!(INPATIENT < CARE.len());

/// A job, as it is on each of [`JOB_YEARS`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Job {
    /// None on a day on which it was not held.
    pub held: [Option<Terms>; 2],
    /// The employer's sector, index into [`SECTORS`].
    pub sector: usize,
}

/// What a job is on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Percent of a full-time position.
    pub percent: u32,
    /// Kroner a month.
    pub wages: u32,
}

/// A person's jobs: one main job or two after each other, and for one in ten a second one beside.
pub fn jobs(person: &Person, key: Key) -> Vec<Job> {
    let mut draws = key.of("jobs").draws();
    let wages = [person.incomes[2].wages, person.incomes[3].wages];
    let (beside, changes) = (draws.chance(0.1), draws.chance(0.12));
    let full = draws.chance(if person.woman { 0.63 } else { 0.84 });
    let percent = if full { 100 } else { 10 * draws.between(2, 9) as u32 };
    let share = if beside { 0.86 } else { 1.0 };
    let mut held = |share: f64, percent: u32| {
        wages.map(|year| {
            let uneven = 0.97 + 0.06 * draws.unit();
            let month = |year: u32| (f64::from(year) / 12.0 * share * uneven) as u32;
            year.map(|year| Terms { percent, wages: month(year) })
        })
    };
    let main = held(share, percent);
    let second = held(1.0 - share, 5 + percent / 5);
    let mut jobs = Vec::with_capacity(3);
    let mut add = |held: [Option<Terms>; 2]| {
        if held.iter().any(Option::is_some) {
            let sector = sector(person, &mut draws);
            jobs.push(Job { held, sector });
        }
    };
    if changes {
        add([main[0], None]);
        add([None, main[1]]);
    } else {
        add(main);
    }
    if beside {
        add(second);
    }
    jobs
}

/// The second digit of an education is its field: 2 is teaching, 6 health.
fn sector(person: &Person, draws: &mut Draws) -> usize {
    let field = person.educations.last().map(|(_, at)| EDUCATIONS[*at].code.code.as_bytes()[1]);
    let column = usize::from(!matches!(field, Some(b'2' | b'6')));
    let total: f64 = SECTORS.iter().map(|(_, weights)| weights[column]).sum();
    let mut left = draws.unit() * total;
    for (at, (_, weights)) in SECTORS.iter().enumerate() {
        left -= weights[column];
        if left < 0.0 {
            return at;
        }
    }
    // Only rounding leads here.
    SECTORS.len() - 1
}

/// A stay in hospital.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stay {
    /// First day.
    pub from: Day,
    /// Last day.
    pub to: Day,
    /// Index into [`crate::facts::CONDITIONS`].
    pub condition: usize,
}

/// A person's stays, ascending; none overlaps another, and nobody stays beyond death.
pub fn stays(person: &Person, key: Key) -> Vec<Stay> {
    let mut draws = key.of("stays").draws();
    let mut stays: Vec<Stay> = Vec::new();
    for episode in person.episodes.iter().filter(|episode| episode.care == INPATIENT) {
        let days = (-4.2 * (1.0 - draws.unit()).ln()) as i32;
        let from = episode.begun;
        if stays.last().is_some_and(|before| before.to >= from) {
            continue;
        }
        let to = Day::from_days(from.days() + days).expect("lives stay within the calendar");
        let to = person.died.map_or(to, |died| to.min(died));
        stays.push(Stay { from, to, condition: episode.condition });
    }
    stays
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::population::Population;

    fn people() -> impl Iterator<Item = (Person, Key)> {
        let people = Population::generate(30_000, 3).expect("possible");
        people.enumerate().map(|(at, person)| (person, Key::seeded(3).at(at as u64)))
    }

    #[test]
    fn whoever_has_wages_has_a_job_that_year_and_most_have_one() {
        let (mut people_with, mut all) = (0, 0);
        for (person, key) in people() {
            let jobs = jobs(&person, key);
            for (at, income) in person.incomes[2..].iter().enumerate() {
                let held = jobs.iter().filter(|job| job.held[at].is_some()).count();
                assert_eq!(income.wages.is_some(), held > 0);
                assert!(held <= 2);
            }
            assert!(jobs.iter().all(|job| job.held.iter().any(Option::is_some)));
            people_with += u32::from(!jobs.is_empty());
            all += jobs.len() as u32;
        }
        let each = f64::from(all) / f64::from(people_with);
        assert!((1.05..1.4).contains(&each), "{each}");
    }

    #[test]
    fn nurses_and_teachers_work_for_the_public_more_often() {
        let mut public = [(0, 0); 2];
        for (person, key) in people() {
            let field = person.educations.last().map(|(_, at)| EDUCATIONS[*at].code.code.as_bytes()[1]);
            let counts = &mut public[usize::from(matches!(field, Some(b'2' | b'6')))];
            for job in jobs(&person, key) {
                counts.0 += u32::from(SECTORS[job.sector].0.code.starts_with('6'));
                counts.1 += 1;
            }
        }
        let share = |(public, all): (u32, u32)| f64::from(public) / f64::from(all);
        assert!(share(public[1]) > share(public[0]) + 0.3, "{public:?}");
    }

    #[test]
    fn stays_are_apart_and_end_before_death() {
        let mut some = 0;
        for (person, key) in people() {
            let stays = stays(&person, key);
            assert!(stays.iter().all(|stay| stay.from <= stay.to));
            assert!(stays.windows(2).all(|pair| pair[0].to < pair[1].from));
            assert!(stays.iter().all(|stay| person.died.is_none_or(|died| stay.to <= died)));
            some += stays.len();
        }
        assert!(some > 1000, "{some}");
    }
}
