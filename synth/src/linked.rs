//! Registers of the benchmark's cases: a few variables of one to three owners, of a size and an overlap that are given.
//!
//! Everybody is at Statistics Norway, with an education (ten levels) and a year's wages; an exact number of them, drawn
//! evenly, is at the Cancer Registry, with a site (twenty) or a date of diagnosis. Where the case has a third owner, about six in ten of everybody
//! have a number of vaccine doses (three) at the Institute of Public Health, or half of the patients a date of death there. So a
//! bound on time or bytes is of a stated number of rows. A case of one owner has sex and birth beside these, educations that changed
//! and wages of three in four. Wages depend on education, deaths on diagnoses, and nothing else on anything:
//! what the tables say is of no interest, that they are right is.

use std::io;
use std::path::Path;

use kobling_model::Day;

use crate::dataset::{Facts, Measure, OWNERS, OwnerRegisters};
use crate::draw::Draw;
use crate::facts::cancer::SITES;
use crate::facts::{Code, SEXES};
use crate::number::{FIRST_YEAR, Numbers};
use crate::population::{Config, UnusableConfig};
use crate::write::{Rows, calendar};

/// Name of the variable of educations, an EVENT that holds from a year between 2000 and 2020 on.
pub const EDUCATION: &str = "NUDB_NIVAA";
/// Name of the variable of wages in kroner, ACCUMULATED over 2020.
pub const WAGES: &str = "INNTEKT_WLONN";
/// Name of the variable of sexes, FIXED.
pub const SEX: &str = "BEFOLKNING_KJOENN";
/// Name of the variable of years and months of birth, FIXED.
pub const BIRTH: &str = "BEFOLKNING_FOEDSELS_AAR_MND";
/// Name of the variable of sites, FIXED.
pub const SITE: &str = "KRG_LOKALISASJON";
/// Name of the variable of dates of diagnosis, FIXED.
pub const DIAGNOSIS: &str = "KRG_DIAGNOSEDATO";
/// Name of the variable of doses, FIXED.
pub const DOSES: &str = "SYSVAK_DOSER";
/// Name of the variable of dates of death, FIXED.
pub const DEATH: &str = "DAAR_DOEDSDATO";
/// Sites that occur, the first ones of [`SITES`].
pub const SITE_COUNT: usize = 20;

/// Levels of education, as the Norwegian standard numbers them.
#[rustfmt::skip]
pub const LEVELS: [Code; 10] = [
    Code { code: "0", nb: "Ingen utdanning", en: "No education" },
    Code { code: "1", nb: "Barneskole", en: "Primary" },
    Code { code: "2", nb: "Ungdomsskole", en: "Lower secondary" },
    Code { code: "3", nb: "Videregående, grunnutdanning", en: "Upper secondary, basic" },
    Code { code: "4", nb: "Videregående, avsluttende", en: "Upper secondary, final year" },
    Code { code: "5", nb: "Påbygging til videregående", en: "Post-secondary not higher" },
    Code { code: "6", nb: "Høyere, lavere nivå", en: "Undergraduate" },
    Code { code: "7", nb: "Høyere, høyere nivå", en: "Graduate" },
    Code { code: "8", nb: "Forskerutdanning", en: "Postgraduate" },
    Code { code: "9", nb: "Uoppgitt", en: "Unspecified" },
];

/// Which registers there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// Education and wages at one owner, sites at another.
    LinkedTable,
    /// Doses at a third, too.
    ThreeOwners,
    /// Education at one owner, dates of diagnosis at another, of death at a third.
    SurvivalTime,
    /// Sex, birth, educations and wages at one owner, and nothing anywhere else.
    SingleOwner,
}

/// Numbers of doses.
#[rustfmt::skip]
const DOSE_CODES: [Code; 3] = [
    Code { code: "1", nb: "Én dose", en: "One dose" },
    Code { code: "2", nb: "To doser", en: "Two doses" },
    Code { code: "3", nb: "Tre doser eller flere", en: "Three doses or more" },
];

/// How many people, how many of them at the Cancer Registry, and which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkedConfig {
    /// Which registers.
    pub case: Case,
    /// People at Statistics Norway.
    pub people: u32,
    /// Those of them that the Cancer Registry has, too.
    pub linked: u32,
    /// Equal seeds give equal people.
    pub seed: u64,
}

/// The owners whose registers are written: Statistics Norway, then the Cancer Registry and the third if the case has them.
pub fn owners(case: Case) -> Vec<&'static OwnerRegisters> {
    let count = match case {
        Case::SingleOwner => 1,
        Case::LinkedTable => 2,
        Case::ThreeOwners | Case::SurvivalTime => 3,
    };
    OWNERS.iter().take(count).collect()
}

/// Codes of the sites that occur, in order.
pub fn site_codes() -> [&'static str; SITE_COUNT] {
    std::array::from_fn(|at| SITES[at].code.code)
}

/// Writes all owners' registers as `<folder>/<owner>/<NAME>/<NAME>.csv` and `.json`.
///
/// # Errors
/// From the file system; `InvalidInput` for no people, more than [`Config::PEOPLE_MAX`], or more linked than there are.
pub fn write_linked(config: &LinkedConfig, folder: &Path) -> io::Result<()> {
    let LinkedConfig { case, people, mut linked, seed } = *config;
    if !(1..=Config::PEOPLE_MAX).contains(&people) || linked > people {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, UnusableConfig));
    }
    if case == Case::SingleOwner {
        return write_single(people, seed, &folder.join(OWNERS[0].owner));
    }
    let folder_of = |owner: usize| folder.join(OWNERS[owner].owner);
    let [population, patients, others] = [0, 1, 2].map(folder_of);
    let codes: [Code; SITE_COUNT] = std::array::from_fn(|at| SITES[at].code);
    let site = Facts {
        sensitivity: "PERSON_SPECIAL",
        ..general("Lokalisasjon", "Site", "FIXED", ("Kreft", "Cancer"), Measure::codes(&codes))
    };
    let mut education = Rows::create(EDUCATION, &education().metadata(), &population)?;
    let mut wages = Rows::create(WAGES, &wages().metadata(), &population)?;
    let date = |nb, en, subject| general(nb, en, "FIXED", subject, Measure::Date);
    let diagnosis = Facts {
        sensitivity: "PERSON_SPECIAL",
        ..date("Diagnosedato", "Date of diagnosis", ("Kreft", "Cancer"))
    };
    let doses =
        general("Doser", "Doses", "FIXED", ("Vaksinasjon", "Vaccination"), Measure::codes(&DOSE_CODES));
    let death = date("Dødsdato", "Date of death", ("Død", "Death"));
    let mut at_registry = match case {
        Case::SurvivalTime => Rows::create(DIAGNOSIS, &diagnosis.metadata(), &patients)?,
        _ => Rows::create(SITE, &site.metadata(), &patients)?,
    };
    let mut at_third = match case {
        Case::LinkedTable | Case::SingleOwner => None,
        Case::ThreeOwners => Some(Rows::create(DOSES, &doses.metadata(), &others)?),
        Case::SurvivalTime => Some(Rows::create(DEATH, &death.metadata(), &others)?),
    };

    let (mut draw, mut numbers) = (Draw::seeded(seed), Numbers::new());
    let (first, last) = (Some(calendar(2020, 1, 1)), Some(calendar(2020, 12, 31)));
    for left in (1..=people).rev() {
        let (year, month) = (draw.between(FIRST_YEAR + 20, 1999), draw.between(1, 12) as u32);
        // Eighty years of months hold more than eleven million numbers; each is far from used up.
        let (number, _) = numbers.next(year, month).ok_or_else(|| io::Error::other(UnusableConfig))?;
        let level = draw.between(0, LEVELS.len() as i32 - 1) as usize;
        let wage = wage_of(level, &mut draw);
        let since = calendar(draw.between(2000, 2020), 1, 1);
        education.put(&number, LEVELS[level].code, Some(since), None)?;
        wages.put(&number, wage, first, last)?;
        // One of those left, as likely as any other: in the end, exactly as many as asked for.
        if draw.chance(f64::from(linked) / f64::from(left)) {
            linked -= 1;
            if case == Case::SurvivalTime {
                let day = calendar(draw.between(2000, 2018), 1, 1).days() + draw.between(0, 364);
                at_registry.put(&number, within_calendar(day), None, None)?;
                let died = day + draw.between(0, 3000);
                if let (true, Some(death)) = (draw.chance(0.5), &mut at_third) {
                    death.put(&number, within_calendar(died), None, None)?;
                }
            } else {
                let at = draw.between(0, SITE_COUNT as i32 - 1) as usize;
                at_registry.put(&number, codes[at].code, None, None)?;
            }
        }
        if let (Case::ThreeOwners, Some(doses)) = (case, &mut at_third)
            && draw.chance(0.6)
        {
            let at = draw.between(0, DOSE_CODES.len() as i32 - 1) as usize;
            doses.put(&number, DOSE_CODES[at].code, None, None)?;
        }
    }
    let registers = [Some(education), Some(wages), Some(at_registry), at_third];
    registers.into_iter().flatten().try_for_each(|register| register.finish().map(|_| ()))
}

/// What one owner has of people: everybody's sex and birth, an education that every other had changed, wages of three in four.
fn write_single(people: u32, seed: u64, folder: &Path) -> io::Result<()> {
    let about = ("Befolkning", "Population");
    let sex = general("Kjønn", "Sex", "FIXED", about, Measure::codes(&SEXES));
    let birth =
        general("Fødselsår og -måned", "Year and month of birth", "FIXED", about, Measure::YearAndMonth);
    let mut sexes = Rows::create(SEX, &sex.metadata(), folder)?;
    let mut births = Rows::create(BIRTH, &birth.metadata(), folder)?;
    let mut educations = Rows::create(EDUCATION, &education().metadata(), folder)?;
    let mut all_wages = Rows::create(WAGES, &wages().metadata(), folder)?;
    let (mut draw, mut numbers) = (Draw::seeded(seed), Numbers::new());
    let (first, last) = (Some(calendar(2020, 1, 1)), Some(calendar(2020, 12, 31)));
    for _ in 0..people {
        let (year, month) = (draw.between(FIRST_YEAR + 20, 1999), draw.between(1, 12) as u32);
        let (number, _) = numbers.next(year, month).ok_or_else(|| io::Error::other(UnusableConfig))?;
        sexes.put(&number, SEXES[usize::from(draw.chance(0.5))].code, None, None)?;
        births.put(&number, year as u32 * 100 + month, None, None)?;
        let level = draw.between(0, LEVELS.len() as i32 - 1) as usize;
        let since = calendar(draw.between(2000, 2020), 1, 1);
        if draw.chance(0.5) {
            let before = LEVELS[draw.between(0, level as i32) as usize].code;
            let until = within_calendar(since.days() - 1);
            educations.put(&number, before, Some(calendar(1990, 1, 1)), Some(until))?;
        }
        educations.put(&number, LEVELS[level].code, Some(since), None)?;
        if draw.chance(0.75) {
            all_wages.put(&number, wage_of(level, &mut draw), first, last)?;
        }
    }
    [sexes, births, educations, all_wages].into_iter().try_for_each(|register| register.finish().map(|_| ()))
}

fn general(
    nb: &'static str,
    en: &'static str,
    temporality: &'static str,
    subject: (&'static str, &'static str),
    measure: Measure,
) -> Facts {
    Facts { nb, en, unit: "PERSON", temporality, sensitivity: "PERSON_GENERAL", subject, measure }
}

fn education() -> Facts {
    let levels = Measure::codes(&LEVELS);
    general("Utdanningsnivå", "Level of education", "EVENT", ("Utdanning", "Education"), levels)
}

fn wages() -> Facts {
    general("Lønnsinntekter", "Wages", "ACCUMULATED", ("Inntekt", "Income"), Measure::Kroner)
}

fn wage_of(level: usize, draw: &mut Draw) -> u32 {
    draw.normal(300_000.0 + 50_000.0 * level as f64, 120_000.0).max(0.0) as u32
}

fn within_calendar(days: i32) -> Day {
    Day::from_days(days).expect("lives stay within the calendar")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::fs;

    use super::*;

    #[test]
    fn exactly_the_linked_are_at_both_owners() {
        let folder = tempfile::tempdir().expect("a folder");
        for (people, linked) in [(500, 400), (500, 0), (30, 30)] {
            write_linked(&LinkedConfig { case: Case::LinkedTable, people, linked, seed: 3 }, folder.path())
                .expect("written");
            let units = |owner: &str, name: &str| -> HashSet<String> {
                let file = folder.path().join(owner).join(name).join(name).with_extension("csv");
                let text = fs::read_to_string(file).expect("a text file");
                text.lines().map(|line| line.split(';').next().expect("a unit").to_owned()).collect()
            };
            let (population, patients) = (units("ssb", EDUCATION), units("krg", SITE));
            assert_eq!((population.len(), patients.len()), (people as usize, linked as usize));
            assert!(patients.is_subset(&population));
            assert_eq!(units("ssb", WAGES), population);
        }
    }

    #[test]
    fn a_third_owner_has_doses_of_anybody_or_deaths_of_patients() {
        let folder = tempfile::tempdir().expect("a folder");
        for (case, name) in [(Case::ThreeOwners, DOSES), (Case::SurvivalTime, DEATH)] {
            let config = LinkedConfig { case, people: 1000, linked: 500, seed: 3 };
            write_linked(&config, folder.path()).expect("written");
            let file = folder.path().join("fhi").join(name).join(name).with_extension("csv");
            let rows = fs::read_to_string(file).expect("a text file").lines().count();
            assert!((200..700).contains(&rows), "{name}: {rows}");
        }
    }

    #[test]
    fn a_single_owner_has_everybodys_sex_and_some_educations_that_changed() {
        let folder = tempfile::tempdir().expect("a folder");
        let config = LinkedConfig { case: Case::SingleOwner, people: 1000, linked: 0, seed: 3 };
        write_linked(&config, folder.path()).expect("written");
        let rows = |name: &str| {
            let file = folder.path().join("ssb").join(name).join(name).with_extension("csv");
            fs::read_to_string(file).expect("a text file").lines().count()
        };
        assert_eq!((rows(SEX), rows(BIRTH)), (1000, 1000));
        assert!((1400..1600).contains(&rows(EDUCATION)) && (650..850).contains(&rows(WAGES)));
        assert!(!folder.path().join("krg").exists());
    }

    #[test]
    fn more_linked_than_people_are_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let error = write_linked(
            &LinkedConfig { case: Case::SurvivalTime, people: 5, linked: 6, seed: 1 },
            folder.path(),
        );
        assert_eq!(error.expect_err("refused").kind(), io::ErrorKind::InvalidInput);
    }
}
