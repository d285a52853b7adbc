//! People into files: all datasets of all owners in one pass, and kinship after it, so that memory hardly grows with the nation.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use kobling_model::Day;

use crate::chance::Key;
use crate::dataset::{Dataset, Metadata, OWNERS};
use crate::derived::{JOB_YEARS, jobs, stays};
use crate::facts::cancer::{BASES, SITES, STAGES};
use crate::facts::country::COUNTRIES;
use crate::facts::death::CAUSES;
use crate::facts::education::EDUCATIONS;
use crate::facts::municipality::MUNICIPALITIES;
use crate::facts::{CARE, CIVIL_STATUSES, CONDITIONS, DOSES, SECTORS, SEXES};
use crate::kin::{FAMILY_YEARS, Kin, Related};
use crate::population::{Config, INCOME_YEARS, Person, Population, STATUS_YEARS};

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// People that some register knows.
    pub people: u64,
    /// People that Statistics Norway knows.
    pub in_population: u64,
    /// Rows of each dataset, in the order of [`Dataset::ALL`].
    pub rows: Vec<(Dataset, u64)>,
}

impl Summary {
    /// Rows of all datasets of an owner, by the owner's name.
    pub fn rows_of(&self, owner: &str) -> u64 {
        let datasets =
            OWNERS.iter().find(|registers| registers.owner == owner).map_or(&[][..], |o| o.datasets);
        self.rows.iter().filter(|(dataset, _)| datasets.contains(dataset)).map(|(_, rows)| rows).sum()
    }
}

/// Writes the three owners' registers as `<folder>/<owner>/<NAME>/<NAME>.csv` and `.json`.
///
/// Files that are there are overwritten. Time is about 10 µs a person; memory is a few buffers, and a byte or so a person.
///
/// # Errors
/// From the file system; `InvalidInput` for a configuration that [`Population::generate`] refuses.
pub fn write_registers(config: &Config, folder: &Path) -> io::Result<Summary> {
    let population = Population::generate(config.people, config.seed)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    let mut files = Vec::with_capacity(Dataset::ALL.len());
    for owner in &OWNERS {
        for dataset in owner.datasets {
            let folder = folder.join(owner.owner);
            files.push(Rows::create(dataset.name(), &dataset.metadata(), &folder)?);
        }
    }
    let key = Key::seeded(config.seed);
    let mut registers = Registers { files, key: key.of("person"), people: 0, jobs: 0, cases: 0, episodes: 0 };
    let mut kin = Kin::new(key.of("kin"));
    let mut in_population = 0;
    for person in population {
        in_population += u64::from(person.in_population);
        registers.person(&person)?;
        kin.add(&person);
    }
    kin.relate(|related| registers.related(related))?;
    let people = registers.people;
    let mut rows = Vec::with_capacity(Dataset::ALL.len());
    for (dataset, file) in Dataset::ALL.into_iter().zip(registers.files) {
        rows.push((dataset, file.finish()?));
    }
    Ok(Summary { people, in_population, rows })
}

struct Registers {
    /// By [`Dataset`].
    files: Vec<Rows>,
    /// Draws what is derived from people.
    key: Key,
    people: u64,
    jobs: u64,
    cases: u64,
    episodes: u64,
}

impl Registers {
    fn put(
        &mut self,
        dataset: Dataset,
        unit: &[u8],
        value: impl Value,
        start: Option<Day>,
        stop: Option<Day>,
    ) -> io::Result<()> {
        self.files[dataset as usize].put(unit, value, start, stop)
    }

    fn fixed(&mut self, dataset: Dataset, unit: &[u8], value: impl Value) -> io::Result<()> {
        self.put(dataset, unit, value, None, None)
    }

    /// Rows of an EVENT: each period ends on the day before the next begins, the last does not end.
    fn event(
        &mut self,
        dataset: Dataset,
        unit: &[u8],
        periods: impl Iterator<Item = (Day, &'static str)>,
    ) -> io::Result<()> {
        let mut periods = periods.peekable();
        while let Some((from, value)) = periods.next() {
            let stop = periods.peek().map(|(next, _)| before(*next));
            self.put(dataset, unit, value, Some(from), stop)?;
        }
        Ok(())
    }

    fn person(&mut self, person: &Person) -> io::Result<()> {
        let key = self.key.at(self.people);
        self.people += 1;
        if person.in_population {
            self.ssb(person)?;
            self.work(person, key)?;
        }
        self.krg(person)?;
        self.fhi(person, key)
    }

    fn work(&mut self, person: &Person, key: Key) -> io::Result<()> {
        for job in jobs(person, key) {
            self.jobs += 1;
            let id = format!("J{:09}", self.jobs);
            let unit = id.as_bytes();
            self.fixed(Dataset::JobPerson, unit, &person.number[..])?;
            for (year, held) in JOB_YEARS.into_iter().zip(job.held) {
                let Some(terms) = held else { continue };
                let day = Some(calendar(year, 11, 16));
                self.put(Dataset::JobPercent, unit, terms.percent, day, day)?;
                self.put(Dataset::JobWage, unit, terms.wages, day, day)?;
                self.put(Dataset::JobSector, unit, SECTORS[job.sector].0.code, day, day)?;
            }
        }
        Ok(())
    }

    fn related(&mut self, related: &Related) -> io::Result<()> {
        let unit = &related.number[..];
        if let Some(mother) = &related.mother {
            self.fixed(Dataset::Mother, unit, &mother[..])?;
        }
        if let Some(father) = &related.father {
            self.fixed(Dataset::Father, unit, &father[..])?;
        }
        for (year, family) in FAMILY_YEARS.into_iter().zip(&related.families) {
            if let Some(family) = family {
                let day = Some(calendar(year, 1, 1));
                self.put(Dataset::Family, unit, &family[..], day, day)?;
            }
        }
        Ok(())
    }

    fn ssb(&mut self, person: &Person) -> io::Result<()> {
        let unit = &person.number[..];
        let (year, month, _) = person.born.civil();
        self.fixed(Dataset::Sex, unit, SEXES[usize::from(person.woman)].code)?;
        self.fixed(Dataset::BirthMonth, unit, year as u32 * 100 + month)?;
        self.fixed(Dataset::BirthCountry, unit, COUNTRIES[person.country].code.code)?;
        for (year, home) in STATUS_YEARS.into_iter().zip(person.municipalities) {
            let Some(home) = home else { continue };
            let municipality = &MUNICIPALITIES[usize::from(home)];
            let code = if year < 2020 { municipality.code_2018 } else { municipality.code_2020 };
            let day = Some(calendar(year, 1, 1));
            self.put(Dataset::Municipality, unit, code, day, day)?;
        }
        let civil = person.civil.iter();
        let civil = civil.map(|(from, status)| (*from, CIVIL_STATUSES[*status as usize].code));
        self.event(Dataset::CivilStatus, unit, civil)?;
        let educations = person.educations.iter().map(|(from, at)| (*from, EDUCATIONS[*at].code.code));
        self.event(Dataset::Education, unit, educations)?;
        for (year, income) in INCOME_YEARS.into_iter().zip(person.incomes) {
            let (start, stop) = (Some(calendar(year, 1, 1)), Some(calendar(year, 12, 31)));
            if let Some(wages) = income.wages {
                self.put(Dataset::Wages, unit, wages, start, stop)?;
            }
            if let Some(total) = income.total {
                self.put(Dataset::TotalIncome, unit, total, start, stop)?;
            }
        }
        match person.died {
            Some(died) => self.fixed(Dataset::DeathDate, unit, died),
            None => Ok(()),
        }
    }

    fn krg(&mut self, person: &Person) -> io::Result<()> {
        let unit = &person.number[..];
        if let Some(first) = person.cancers.iter().min_by_key(|cancer| cancer.diagnosed) {
            self.fixed(Dataset::FirstDiagnosis, unit, first.diagnosed)?;
            self.fixed(Dataset::FirstSite, unit, SITES[first.site].code.code)?;
            self.fixed(Dataset::FirstStage, unit, STAGES[first.stage].code)?;
            self.fixed(Dataset::FirstBasis, unit, BASES[first.basis].0.code)?;
        }
        for cancer in &person.cancers {
            self.cases += 1;
            let case = format!("K{:09}", self.cases);
            self.fixed(Dataset::CasePerson, case.as_bytes(), unit)?;
            self.fixed(Dataset::CaseDiagnosis, case.as_bytes(), cancer.diagnosed)?;
            self.fixed(Dataset::CaseSite, case.as_bytes(), SITES[cancer.site].code.code)?;
            self.fixed(Dataset::CaseStage, case.as_bytes(), STAGES[cancer.stage].code)?;
            self.fixed(Dataset::CaseBasis, case.as_bytes(), BASES[cancer.basis].0.code)?;
        }
        Ok(())
    }

    fn fhi(&mut self, person: &Person, key: Key) -> io::Result<()> {
        let unit = &person.number[..];
        let doses = person.doses.iter().zip(&DOSES).map(|(day, dose)| (*day, dose.code));
        self.event(Dataset::VaccineDose, unit, doses)?;
        if let Some(cause) = person.cause {
            self.fixed(Dataset::DeathCause, unit, CAUSES[cause].code.code)?;
        }
        for episode in &person.episodes {
            self.episodes += 1;
            let id = format!("E{:09}", self.episodes);
            self.fixed(Dataset::EpisodePerson, id.as_bytes(), unit)?;
            self.fixed(Dataset::EpisodeDate, id.as_bytes(), episode.begun)?;
            self.fixed(Dataset::EpisodeCondition, id.as_bytes(), CONDITIONS[episode.condition].0.code)?;
            self.fixed(Dataset::EpisodeCare, id.as_bytes(), CARE[episode.care].code)?;
        }
        for stay in stays(person, key) {
            let condition = CONDITIONS[stay.condition].0.code;
            self.put(Dataset::Stay, unit, condition, Some(stay.from), Some(stay.to))?;
        }
        Ok(())
    }
}

/// One dataset's CSV file: unit; value; start; stop; and an empty field.
pub(crate) struct Rows {
    writer: BufWriter<File>,
    line: Vec<u8>,
    rows: u64,
}

impl Rows {
    /// Writes the metadata and begins the data of the dataset of this name, in a folder of its own in the owner's.
    pub(crate) fn create(name: &str, metadata: &Metadata, owner: &Path) -> io::Result<Self> {
        let folder = owner.join(name);
        fs::create_dir_all(&folder)?;
        let mut metadata = serde_json::to_string_pretty(metadata)?;
        metadata.push('\n');
        fs::write(folder.join(name).with_extension("json"), metadata)?;
        let file = File::create(folder.join(name).with_extension("csv"))?;
        Ok(Self { writer: BufWriter::with_capacity(1 << 17, file), line: Vec::with_capacity(96), rows: 0 })
    }

    pub(crate) fn put(
        &mut self,
        unit: &[u8],
        value: impl Value,
        start: Option<Day>,
        stop: Option<Day>,
    ) -> io::Result<()> {
        let line = &mut self.line;
        line.clear();
        line.extend_from_slice(unit);
        line.push(b';');
        value.append_to(line);
        line.push(b';');
        start.inspect(|day| day.append_to(line));
        line.push(b';');
        stop.inspect(|day| day.append_to(line));
        line.extend_from_slice(b";\n");
        self.rows += 1;
        self.writer.write_all(line)
    }

    pub(crate) fn finish(mut self) -> io::Result<u64> {
        self.writer.flush()?;
        Ok(self.rows)
    }
}

/// What a value field may hold. Written by hand, since a nation has a hundred million of them.
pub(crate) trait Value {
    fn append_to(&self, line: &mut Vec<u8>);
}

impl Value for &str {
    fn append_to(&self, line: &mut Vec<u8>) {
        line.extend_from_slice(self.as_bytes());
    }
}

impl Value for &[u8] {
    fn append_to(&self, line: &mut Vec<u8>) {
        line.extend_from_slice(self);
    }
}

impl Value for u32 {
    fn append_to(&self, line: &mut Vec<u8>) {
        let mut digits = [0; 10];
        let (mut left, mut at) = (*self, digits.len());
        loop {
            at -= 1;
            digits[at] = b'0' + (left % 10) as u8;
            left /= 10;
            if left == 0 {
                break;
            }
        }
        line.extend_from_slice(&digits[at..]);
    }
}

impl Value for Day {
    fn append_to(&self, line: &mut Vec<u8>) {
        let (year, month, day) = self.civil();
        let digit = |number: u32| b'0' + (number % 10) as u8;
        let year = year as u32;
        line.extend_from_slice(&[
            digit(year / 1000),
            digit(year / 100),
            digit(year / 10),
            digit(year),
            b'-',
            digit(month / 10),
            digit(month),
            b'-',
            digit(day / 10),
            digit(day),
        ]);
    }
}

pub(crate) fn calendar(year: i32, month: u32, day: u32) -> Day {
    Day::from_civil(year, month, day).expect("a day of the calendar")
}

fn before(day: Day) -> Day {
    Day::from_days(day.days() - 1).expect("lives stay within the calendar")
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use kobling_model::UnitType;
    use kobling_model::identity::{Identity, is_canary};

    use super::*;

    fn written(people: u32, seed: u64) -> (tempfile::TempDir, Summary) {
        let folder = tempfile::tempdir().expect("a folder");
        let summary = write_registers(&Config { people, seed }, folder.path()).expect("written");
        (folder, summary)
    }

    fn file(folder: &Path, dataset: Dataset, extension: &str) -> String {
        let owner = OWNERS.iter().find(|owner| owner.datasets.contains(&dataset)).expect("owned").owner;
        let path = folder.join(owner).join(dataset.name()).join(dataset.name()).with_extension(extension);
        fs::read_to_string(path).expect("a text file")
    }

    fn metadata(folder: &Path, dataset: Dataset) -> serde_json::Value {
        serde_json::from_str(&file(folder, dataset, "json")).expect("JSON")
    }

    type Row = (String, String, Option<Day>, Option<Day>);

    fn rows(folder: &Path, dataset: Dataset) -> Vec<Row> {
        let day = |text: &str| (!text.is_empty()).then(|| text.parse().expect("a day"));
        let row = |line: &str| match line.split(';').collect::<Vec<_>>()[..] {
            [unit, value, start, stop, ""] => (unit.to_owned(), value.to_owned(), day(start), day(stop)),
            _ => panic!("not five fields with an empty last one"),
        };
        file(folder, dataset, "csv").lines().map(row).collect()
    }

    #[test]
    fn equal_seeds_write_equal_bytes() {
        let (first, summary) = written(800, 5);
        let (second, again) = written(800, 5);
        assert_eq!(summary, again);
        for dataset in Dataset::ALL {
            for extension in ["csv", "json"] {
                assert!(file(first.path(), dataset, extension) == file(second.path(), dataset, extension));
            }
        }
    }

    #[test]
    fn every_row_keeps_the_rules_of_its_temporality() {
        let (folder, summary) = written(4000, 1);
        for (dataset, count) in summary.rows {
            let rows = rows(folder.path(), dataset);
            assert_eq!(rows.len() as u64, count);
            assert!(!rows.is_empty(), "{} has no rows", dataset.name());
            let metadata = metadata(folder.path(), dataset);
            let mut periods: HashMap<&str, Vec<(Day, Option<Day>)>> = HashMap::new();
            let mut seen = HashSet::new();
            for (unit, value, start, stop) in &rows {
                assert!(!unit.is_empty() && !value.is_empty());
                match metadata["temporalityType"].as_str().expect("a text") {
                    "FIXED" => assert!(start.is_none() && stop.is_none() && seen.insert((unit, None))),
                    "STATUS" => assert!(start.is_some() && start == stop && seen.insert((unit, *start))),
                    "ACCUMULATED" => {
                        assert!(start < stop && start.is_some());
                        periods.entry(unit).or_default().push((start.expect("set"), *stop));
                    }
                    _ => {
                        assert!(stop.is_none() || start <= stop);
                        periods.entry(unit).or_default().push((start.expect("set"), *stop));
                    }
                }
            }
            for mut periods in periods.into_values() {
                periods.sort();
                let apart = |pair: &[(Day, Option<Day>)]| pair[0].1.is_some_and(|stop| stop < pair[1].0);
                assert!(periods.windows(2).all(apart), "{} overlaps", dataset.name());
            }
        }
    }

    #[test]
    fn code_lists_hold_every_value_on_its_day_and_types_hold_the_rest() {
        let (folder, _) = written(4000, 2);
        for dataset in Dataset::ALL {
            let metadata = metadata(folder.path(), dataset);
            let measure = &metadata["measureVariables"][0];
            let codes = measure["valueDomain"]["codeList"].as_array();
            for (_, value, start, _) in rows(folder.path(), dataset) {
                if let Some(codes) = codes {
                    let holds = |item: &&serde_json::Value| {
                        let day =
                            |name: &str| item[name].as_str().map(|text| text.parse::<Day>().expect("a day"));
                        let begun = start.is_none() || start >= day("validFrom");
                        let over =
                            day("validUntil").is_some_and(|until| start.is_some_and(|day| day > until));
                        item["code"] == value.as_str() && begun && !over
                    };
                    assert!(codes.iter().any(|item| holds(&item)), "{} {value}", dataset.name());
                    continue;
                }
                match measure["dataType"].as_str() {
                    Some("LONG") => assert!(value.parse::<i64>().is_ok()),
                    Some("DATE") => assert!(value.parse::<Day>().is_ok()),
                    None => assert!(Identity::parse(UnitType::Person, &value).is_ok()),
                    Some(other) => panic!("{} is {other}", dataset.name()),
                }
            }
        }
    }

    #[test]
    fn every_unit_is_valid_and_no_person_is_real_or_a_canary() {
        let (folder, _) = written(3000, 3);
        for dataset in Dataset::ALL {
            let metadata = metadata(folder.path(), dataset);
            let unit_type = metadata["identifierVariables"][0]["unitType"].as_str().expect("a text");
            let unit_type: UnitType = unit_type.parse().expect("a unit type");
            for (unit, _, _, _) in rows(folder.path(), dataset) {
                let identity = Identity::parse(unit_type, &unit).expect("valid");
                assert!(!is_canary(&identity));
                assert!(unit_type != UnitType::Person || unit.as_bytes()[2] >= b'8');
            }
        }
    }

    #[test]
    fn everybody_in_the_population_has_a_sex_and_some_patients_are_not_in_it() {
        let (folder, summary) = written(20_000, 4);
        let units = |dataset| -> HashSet<String> {
            rows(folder.path(), dataset).into_iter().map(|(unit, _, _, _)| unit).collect()
        };
        let population = units(Dataset::Sex);
        assert_eq!(population.len(), 20_000);
        assert_eq!(summary.in_population, 20_000);
        for dataset in OWNERS[0].datasets {
            let metadata = metadata(folder.path(), *dataset);
            if metadata["identifierVariables"][0]["unitType"] == "PERSON" {
                assert!(units(*dataset).is_subset(&population));
            }
        }
        let patients = units(Dataset::FirstDiagnosis);
        assert!(patients.intersection(&population).count() > 500);
        assert!(patients.difference(&population).count() > 0);
        assert_eq!(patients, units(Dataset::FirstSite));
        let at_fhi: HashSet<_> =
            units(Dataset::VaccineDose).union(&units(Dataset::DeathCause)).cloned().collect();
        assert!(at_fhi.intersection(&population).count() > 14_000, "most people");
    }

    #[test]
    fn cases_and_episodes_point_to_people_of_the_same_owner() {
        let (folder, summary) = written(20_000, 4);
        let patients: HashSet<String> =
            rows(folder.path(), Dataset::FirstDiagnosis).into_iter().map(|(unit, _, _, _)| unit).collect();
        let pointed: HashSet<String> =
            rows(folder.path(), Dataset::CasePerson).into_iter().map(|(_, person, _, _)| person).collect();
        assert_eq!(patients, pointed);
        let population: HashSet<String> =
            rows(folder.path(), Dataset::Sex).into_iter().map(|(unit, _, _, _)| unit).collect();
        for dataset in [Dataset::Mother, Dataset::Father, Dataset::Family, Dataset::JobPerson] {
            let rows = rows(folder.path(), dataset);
            assert!(rows.len() > 8000 && rows.iter().all(|(_, to, _, _)| population.contains(to)));
        }
        let cases = summary.rows.iter().find(|(dataset, _)| *dataset == Dataset::CaseSite).expect("there").1;
        assert!(cases > patients.len() as u64, "some have two");
    }

    #[test]
    fn a_configuration_that_cannot_be_made_is_invalid_input() {
        let folder = tempfile::tempdir().expect("a folder");
        let error = write_registers(&Config { people: 0, seed: 0 }, folder.path()).expect_err("nobody");
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
}
