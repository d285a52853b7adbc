//! Registers of the benchmark's linked table: three variables of two owners, of a size and an overlap that are given.
//!
//! Everybody is at Statistics Norway, with an education (ten levels) and a year's wages; an exact number of them, drawn
//! evenly, is at the Cancer Registry, with a site (twenty). So a bound on time or bytes is of a stated number of rows.
//! Wages depend on education, and sites on neither: what the table says is of no interest, that it is right is.

use std::io;
use std::path::Path;

use crate::dataset::{Facts, Measure, OWNERS, OwnerRegisters};
use crate::draw::Draw;
use crate::facts::Code;
use crate::facts::cancer::SITES;
use crate::number::{FIRST_YEAR, Numbers};
use crate::population::{Config, UnusableConfig};
use crate::write::{Rows, calendar};

/// Name of the variable of educations, an EVENT that holds from a year between 2000 and 2020 on.
pub const EDUCATION: &str = "NUDB_NIVAA";
/// Name of the variable of wages in kroner, ACCUMULATED over 2020.
pub const WAGES: &str = "INNTEKT_WLONN";
/// Name of the variable of sites, FIXED.
pub const SITE: &str = "KRG_LOKALISASJON";
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

/// How many people, how many of them at the Cancer Registry, and which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkedConfig {
    /// People at Statistics Norway.
    pub people: u32,
    /// Those of them that the Cancer Registry has, too.
    pub linked: u32,
    /// Equal seeds give equal people.
    pub seed: u64,
}

/// The owners whose registers are written: the population's, then the sites'.
pub fn owners() -> [&'static OwnerRegisters; 2] {
    [&OWNERS[0], &OWNERS[1]]
}

/// Codes of the sites that occur, in order.
pub fn site_codes() -> [&'static str; SITE_COUNT] {
    std::array::from_fn(|at| SITES[at].code.code)
}

/// Writes both owners' registers as `<folder>/<owner>/<NAME>/<NAME>.csv` and `.json`.
///
/// # Errors
/// From the file system; `InvalidInput` for no people, more than [`Config::PEOPLE_MAX`], or more linked than there are.
pub fn write_linked(config: &LinkedConfig, folder: &Path) -> io::Result<()> {
    let LinkedConfig { people, mut linked, seed } = *config;
    if !(1..=Config::PEOPLE_MAX).contains(&people) || linked > people {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, UnusableConfig));
    }
    let [population, sites] = owners().map(|owner| folder.join(owner.owner));
    let general = |nb, en, temporality, subject, measure| Facts {
        nb,
        en,
        unit: "PERSON",
        temporality,
        sensitivity: "PERSON_GENERAL",
        subject,
        measure,
    };
    let levels = Measure::codes(&LEVELS);
    let education =
        general("Utdanningsnivå", "Level of education", "EVENT", ("Utdanning", "Education"), levels);
    let wages = general("Lønnsinntekter", "Wages", "ACCUMULATED", ("Inntekt", "Income"), Measure::Kroner);
    let codes: [Code; SITE_COUNT] = std::array::from_fn(|at| SITES[at].code);
    let site = Facts {
        sensitivity: "PERSON_SPECIAL",
        ..general("Lokalisasjon", "Site", "FIXED", ("Kreft", "Cancer"), Measure::codes(&codes))
    };
    let mut education = Rows::create(EDUCATION, &education.metadata(), &population)?;
    let mut wages = Rows::create(WAGES, &wages.metadata(), &population)?;
    let mut site = Rows::create(SITE, &site.metadata(), &sites)?;

    let (mut draw, mut numbers) = (Draw::seeded(seed), Numbers::new());
    let (first, last) = (Some(calendar(2020, 1, 1)), Some(calendar(2020, 12, 31)));
    for left in (1..=people).rev() {
        let (year, month) = (draw.between(FIRST_YEAR + 20, 1999), draw.between(1, 12) as u32);
        // Eighty years of months hold more than eleven million numbers; each is far from used up.
        let (number, _) = numbers.next(year, month).ok_or_else(|| io::Error::other(UnusableConfig))?;
        let level = draw.between(0, LEVELS.len() as i32 - 1) as usize;
        let wage = draw.normal(300_000.0 + 50_000.0 * level as f64, 120_000.0).max(0.0) as u32;
        let since = calendar(draw.between(2000, 2020), 1, 1);
        education.put(&number, LEVELS[level].code, Some(since), None)?;
        wages.put(&number, wage, first, last)?;
        // One of those left, as likely as any other: in the end, exactly as many as asked for.
        if draw.chance(f64::from(linked) / f64::from(left)) {
            linked -= 1;
            let at = draw.between(0, SITE_COUNT as i32 - 1) as usize;
            site.put(&number, codes[at].code, None, None)?;
        }
    }
    education.finish()?;
    wages.finish()?;
    site.finish()?;
    Ok(())
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
            write_linked(&LinkedConfig { people, linked, seed: 3 }, folder.path()).expect("written");
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
    fn more_linked_than_people_are_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let error = write_linked(&LinkedConfig { people: 5, linked: 6, seed: 1 }, folder.path());
        assert_eq!(error.expect_err("refused").kind(), io::ErrorKind::InvalidInput);
    }
}
