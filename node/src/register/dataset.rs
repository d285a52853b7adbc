//! One dataset of the microdata.no dataset format: a folder `NAME/` with `NAME.csv` and `NAME.json`.
//!
//! Reading a dataset checks everything: the metadata, each line on its own, and the rows of a unit against
//! each other. What comes out is a Parquet file over unit numbers and what the catalogue says of it; identifiers stay
//! behind in the identity maps. Where the metadata has a mistake, the data is still judged by what could be read of it.
//!
//! # Rows of a unit
//! - FIXED: one row. Dates are ignored with a warning.
//! - STATUS: start = stop; one row a day.
//! - ACCUMULATED: start before stop; periods share no day.
//! - EVENT: start, and stop not before it or empty; periods share no day, and an open period is the last.
//!
//! A code must be valid on the start date; FIXED values hold at no particular date, so there any validity will do.
//!
//! # Memory
//! Lines are read one by one into fixed-size rows, sorted in chunks ([`super::sort`]), and checked and written in one pass over
//! the sorted rows. What grows with the data is the distinct texts of a variable without code list, its distinct
//! periods, and the identity maps.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::num::IntErrorKind;
use std::path::Path;

use kobling_model::catalogue::{AvailableDates, DataType, Temporality, ValueDomain, Variable};
use kobling_model::identity::{self, Identity};
use kobling_model::unit::Naming;
use kobling_model::value::Range;
use kobling_model::{Day, UnitType, VariableName};

use super::csv::{self, Line, Lines, NotFive};
use super::metadata::{self, Form, Metadata};
use super::problem::{Findings, ProblemKind};
use super::sort::{self, Row, Sorted, Sorter};
use super::winsorise::Winsorised;
use super::{ImportError, ManifestFile, hash_of, parquet};
use crate::identity_map::{IdentityMaps, Texts, TooManyUnits};
use crate::random;

/// No metadata file is larger.
const JSON_BYTES_MAX: u64 = 64 << 20;
/// So many numbers are kept for their percentiles; of larger files they are read again.
const NUMBERS_KEPT: u64 = 2 << 20;

const ID: &str = "field 1 (unit id)";
const VALUE: &str = "field 2 (value)";
const START: &str = "field 3 (start)";
const STOP: &str = "field 4 (stop)";
const ATTRIBUTE: &str = "field 5 (attribute)";

/// A day that is not set. No day of the calendar is this far away.
pub(super) const NO_DAY: i32 = i32::MAX;

/// A dataset without problems.
pub(super) struct Dataset {
    pub(super) variable: Variable,
    /// None for one without a data file, which says new texts about a released variable.
    pub(super) file: Option<ManifestFile>,
    pub(super) rows: u64,
}

/// What the catalogue says of a dataset without problems, but for its name and the hash of its register.
#[derive(Clone, Debug, PartialEq)]
pub struct Described {
    /// What its metadata file says.
    pub metadata: Metadata,
    /// For which dates there are values.
    pub dates: AvailableDates,
    /// Public constants of its numbers.
    pub range: Option<Range>,
    /// Number of rows.
    pub rows: u64,
}

/// What a value column holds, and how a row's 64 bits stand for a value.
pub(super) enum Column {
    /// Numbers of distinct texts.
    Text(Texts),
    /// Whole numbers.
    Long,
    /// Bits of doubles, with one zero only.
    Double,
    /// Days since 1970-01-01.
    Date,
    /// Unit numbers of the unit type pointed at.
    Unit(UnitType),
}

/// What the data file has to be.
#[derive(Clone, Copy)]
pub(super) enum DataFile<'a> {
    /// There must be one.
    Needed,
    /// Without one, the dataset says new texts about the variable of this release.
    OrTextsOf(&'a kobling_model::catalogue::Datastore),
}

/// Where an import puts its files.
pub(super) struct Place<'a> {
    /// The folder of what is not finished.
    pub(super) folder: &'a Path,
    /// Whether the register is written, or only checked since something is wrong already.
    pub(super) write: bool,
}

/// Reads and checks the dataset in `folder`. `None` where something is wrong; then `problems` says what.
///
/// New units get their numbers in `identities`, also where the dataset turns out to be wrong: the caller
/// keeps the maps only if everything is right.
///
/// # Errors
/// [`ImportError`] for what is not the dataset's fault.
pub(super) fn read(
    folder: &Path,
    data_file: DataFile<'_>,
    place: &Place<'_>,
    identities: &mut IdentityMaps,
    problems: &mut Findings,
    warnings: &mut Findings,
) -> Result<Option<Dataset>, ImportError> {
    let folder_name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let name = match VariableName::new(folder_name.as_str()) {
        Ok(name) => Some(name),
        Err(invalid) => {
            problems.folder(ProblemKind::DatasetName { expected: invalid.expected });
            None
        }
    };
    let (metadata, form) = read_metadata(&folder.join(format!("{folder_name}.json")), problems);
    let csv = match File::open(folder.join(format!("{folder_name}.csv"))) {
        Ok(csv) => csv,
        Err(error) => {
            let released = match (data_file, &name) {
                (DataFile::OrTextsOf(release), Some(name)) if error.kind() == io::ErrorKind::NotFound => {
                    release.variable(name)
                }
                _ => None,
            };
            let Some(released) = released else {
                problems.csv(None, None, missing_or_unreadable(&error));
                return Ok(None);
            };
            let variable = metadata.and_then(|metadata| texts_only(released, metadata, problems));
            return Ok(variable.map(|variable| Dataset { variable, file: None, rows: 0 }));
        }
    };
    let reader = BufReader::with_capacity(1 << 20, csv);
    let rows = sorted_rows(reader, &form, place.folder, identities, problems, warnings)?;
    let Some(mut rows) = rows else { return Ok(None) };
    let wanted = metadata.zip(name).filter(|_| place.write && problems.total() == 0);
    let Some((metadata, name)) = wanted else {
        check_rows(&mut rows.sorted, rows.temporality, problems, |_| Ok(()))?;
        return Ok(None);
    };
    let path = place.folder.join(format!("{name}.parquet"));
    let dataset = rows.write(&path, name, metadata, problems)?;
    if dataset.is_none() {
        fs::remove_file(&path)?;
    }
    Ok(dataset)
}

/// Checks a dataset in memory as [`read`] checks one in a folder. What comes out is what the catalogue would say of it; no
/// register is written.
///
/// # Errors
/// [`ImportError`] for what is not the dataset's fault.
pub(super) fn check(
    metadata: &[u8],
    data: impl io::BufRead,
    scratch: &Path,
    problems: &mut Findings,
    warnings: &mut Findings,
) -> Result<Option<Described>, ImportError> {
    let (metadata, form) = metadata::read(metadata, problems);
    let mut identities = IdentityMaps::default();
    let rows = sorted_rows(data, &form, scratch, &mut identities, problems, warnings)?;
    let Some(mut rows) = rows else { return Ok(None) };
    let mut seen = Seen::of(&rows, true);
    check_rows(&mut rows.sorted, rows.temporality, problems, |row| {
        seen.add(&row, &rows.column);
        Ok(())
    })?;
    let Some(metadata) = metadata.filter(|_| problems.total() == 0) else { return Ok(None) };
    let winsorised = seen.winsorised(|_| Ok(()))?;
    Ok(Some(Described {
        metadata,
        dates: seen.dates.available(),
        range: winsorised.and_then(|winsorised| winsorised.range()),
        rows: seen.count,
    }))
}

fn missing_or_unreadable(error: &io::Error) -> ProblemKind {
    if error.kind() == io::ErrorKind::NotFound {
        ProblemKind::FileMissing
    } else {
        ProblemKind::FileUnreadable
    }
}

fn read_metadata(path: &Path, problems: &mut Findings) -> (Option<Metadata>, Form) {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(JSON_BYTES_MAX + 1).read_to_end(&mut bytes));
    if let Err(error) = read {
        problems.json(None, None, missing_or_unreadable(&error));
        return (None, Form::default());
    }
    if bytes.len() as u64 > JSON_BYTES_MAX {
        problems.json(None, None, ProblemKind::FileTooLarge { limit: JSON_BYTES_MAX });
        return (None, Form::default());
    }
    metadata::read(&bytes, problems)
}

/// The released variable with new texts; `None` where more than texts is another, or nothing.
fn texts_only(released: &Variable, metadata: Metadata, problems: &mut Findings) -> Option<Variable> {
    let before = problems.total();
    let mut same = |path: &'static str, same: bool| {
        if !same {
            problems.json(None, Some(path), ProblemKind::NotTextsOnly);
        }
    };
    same("temporalityType", released.temporality == metadata.temporality);
    same("sensitivityLevel", released.sensitivity == metadata.sensitivity);
    same("identifierVariables[0].unitType", released.unit_type == metadata.unit_type);
    same("measureVariables[0]", without_texts(&released.domain) == without_texts(&metadata.domain));
    let variable = Variable {
        title: metadata.title,
        description: metadata.description,
        domain: metadata.domain,
        ..released.clone()
    };
    if problems.total() == before && variable == *released {
        problems.json(None, None, ProblemKind::NothingChanged);
    }
    (problems.total() == before).then_some(variable)
}

fn without_texts(domain: &ValueDomain) -> ValueDomain {
    let mut domain = domain.clone();
    match &mut domain {
        ValueDomain::Codes { codes, sentinels, .. } => {
            codes.iter_mut().for_each(|code| code.title.clear());
            sentinels.iter_mut().for_each(|sentinel| sentinel.title.clear());
        }
        ValueDomain::Described { description, unit, .. } => {
            description.clear();
            unit.clear();
        }
        ValueDomain::Pointer { .. } => {}
    }
    domain
}

/// Reads all lines. `None` only where there is nothing to check further.
fn read_rows(
    reader: impl io::BufRead,
    form: &Form,
    scratch: &Path,
    identities: &mut IdentityMaps,
    problems: &mut Findings,
    warnings: &mut Findings,
) -> Result<Option<(Sorter, Column)>, ImportError> {
    let mut lines = Lines::new(reader);
    let mut reading = Reading {
        unit_type: form.unit_type,
        temporality: form.temporality,
        values: form.domain.as_ref().map(ValueReader::of),
        dates: DateReader::default(),
        identities,
        problems,
        warnings,
    };
    let mut sorter = Sorter::new(scratch, sort::CHUNK_ROWS);
    let mut lines_with_content = false;
    loop {
        let (number, line) = match lines.next() {
            Ok(Some((_, Line::Text("")))) => continue,
            Ok(Some(numbered)) => numbered,
            Ok(None) => break,
            Err(_) => {
                reading.problems.csv(None, None, ProblemKind::FileUnreadable);
                return Ok(None);
            }
        };
        lines_with_content = true;
        let Ok(line_number) = u32::try_from(number) else {
            reading.problems.csv(Some(number), None, ProblemKind::TooManyRows);
            return Ok(None);
        };
        if let Some(row) = reading.line(line_number, line)? {
            sorter.push(row)?;
        }
    }
    if !lines_with_content {
        reading.problems.csv(None, None, ProblemKind::NoRows);
    }
    Ok(reading.values.map(|values| (sorter, values.column)))
}

/// All rows that are right each by itself, sorted. `None` only where there is nothing to check further.
fn sorted_rows(
    reader: impl io::BufRead,
    form: &Form,
    scratch: &Path,
    identities: &mut IdentityMaps,
    problems: &mut Findings,
    warnings: &mut Findings,
) -> Result<Option<Rows>, ImportError> {
    let rows = read_rows(reader, form, scratch, identities, problems, warnings)?;
    let (Some((sorter, column)), Some(temporality)) = (rows, form.temporality) else { return Ok(None) };
    Ok(Some(Rows { sorted: sorter.finish()?, column, temporality }))
}

/// What lines are read with. What the metadata does not say is not judged.
struct Reading<'a> {
    unit_type: Option<UnitType>,
    temporality: Option<Temporality>,
    values: Option<ValueReader>,
    dates: DateReader,
    identities: &'a mut IdentityMaps,
    problems: &'a mut Findings,
    warnings: &'a mut Findings,
}

impl Reading<'_> {
    /// The row of a line; none where something is wrong with it.
    fn line(&mut self, number: u32, line: Line<'_>) -> Result<Option<Row>, TooManyUnits> {
        let fields = match line {
            Line::NotUtf8 => Err(ProblemKind::NotUtf8),
            Line::TooLong => Err(ProblemKind::LineTooLong { limit: csv::LINE_BYTES_MAX }),
            Line::Text(text) => csv::fields(text).map_err(|wrong| match wrong {
                NotFive::Count(found) => ProblemKind::FieldCount { found },
                NotFive::Quotes => ProblemKind::Quotes,
            }),
        };
        let line = Some(u64::from(number));
        let [id, value, start, stop, attribute] = match &fields {
            Ok(fields) => fields,
            Err(kind) => {
                self.problems.csv(line, None, kind.clone());
                return Ok(None);
            }
        };
        if !attribute.is_empty() && !attribute.trim().is_empty() {
            self.warnings.csv(line, Some(ATTRIBUTE), ProblemKind::AttributeIgnored);
        }
        // Each field is judged whatever the others are, so that all problems of a line are named at once.
        let dates =
            self.temporality.and_then(|temporality| match self.dates.read(start, stop, temporality) {
                Ok(dates) => {
                    if dates.ignored {
                        self.warnings.csv(line, Some(START), ProblemKind::DatesIgnored);
                    }
                    Some(dates)
                }
                Err(wrong) => {
                    for (field, kind) in wrong.into_iter().flatten() {
                        self.problems.csv(line, Some(field), kind);
                    }
                    None
                }
            });
        let unit = match self.unit_type {
            Some(unit_type) => identity(id, unit_type, self.identities)?.map(Some),
            None => Ok(None),
        };
        let start = dates.as_ref().map(|dates| dates.start);
        let value = match &mut self.values {
            Some(values) => values.read(value, start, self.identities)?.map(Some),
            None if value.trim().is_empty() => Err(ProblemKind::ValueEmpty),
            None => Ok(None),
        };
        match (unit, value, dates) {
            (Ok(Some(unit)), Ok(Some(value)), Some(Dates { start, stop, .. })) => {
                return Ok(Some(Row { unit, start, stop, line: number, value }));
            }
            (unit, value, _) => {
                if let Err(kind) = unit {
                    self.problems.csv(line, Some(ID), kind);
                }
                if let Err(kind) = value {
                    self.problems.csv(line, Some(VALUE), kind);
                }
            }
        }
        Ok(None)
    }
}

/// The unit number of an identifier. The outer error is out of numbers, the inner one a problem of the field.
fn identity(
    raw: &str,
    unit_type: UnitType,
    identities: &mut IdentityMaps,
) -> Result<Result<u32, ProblemKind>, TooManyUnits> {
    let canonical = match Identity::canonical_of(unit_type, raw) {
        Ok(canonical) => canonical,
        Err(invalid) => return Ok(Err(invalid.into())),
    };
    if kept_for_canaries(unit_type, canonical) {
        return Ok(Err(ProblemKind::Canary));
    }
    identities.get_or_insert(unit_type, canonical).map(Ok)
}

/// Identifiers that linkage uses to check itself, so that no unit may have them (see `linkage`).
fn kept_for_canaries(unit_type: UnitType, canonical: &str) -> bool {
    match unit_type.naming() {
        Naming::Foedselsnummer => identity::is_canary_number(canonical.as_bytes()),
        // Organisation numbers start with 8 or 9.
        Naming::OrganisationNumber => canonical.starts_with("000000"),
        Naming::Free => canonical.ends_with("-kobling-canary"),
    }
}

struct Dates {
    start: i32,
    stop: i32,
    ignored: bool,
}

/// Reads dates, and remembers the last ones: most rows of a file have the dates of their neighbours.
#[derive(Default)]
struct DateReader {
    start: Option<([u8; 10], i32)>,
    stop: Option<([u8; 10], i32)>,
}

impl DateReader {
    /// The dates of one row, by the rule of its temporality; or what is wrong with which field.
    fn read(
        &mut self,
        start: &str,
        stop: &str,
        temporality: Temporality,
    ) -> Result<Dates, [Option<(&'static str, ProblemKind)>; 2]> {
        if temporality == Temporality::Fixed {
            let ignored = !start.is_empty() || !stop.is_empty();
            return Ok(Dates { start: NO_DAY, stop: NO_DAY, ignored });
        }
        let stop_needed = temporality != Temporality::Event;
        let start = match start {
            "" => Err(ProblemKind::DateMissing),
            start => day(start, &mut self.start),
        };
        let stop = match stop {
            "" if stop_needed => Err(ProblemKind::DateMissing),
            "" => Ok(NO_DAY),
            stop => day(stop, &mut self.stop),
        };
        let wrong_stop = |kind| Err([None, Some((STOP, kind))]);
        match (start, stop) {
            (Ok(start), Ok(stop)) => match temporality {
                Temporality::Status if start != stop => wrong_stop(ProblemKind::StartNotStop),
                Temporality::Accumulated if start >= stop => wrong_stop(ProblemKind::StartNotBeforeStop),
                Temporality::Event if start > stop => wrong_stop(ProblemKind::StopBeforeStart),
                _ => Ok(Dates { start, stop, ignored: false }),
            },
            (start, stop) => {
                Err([start.err().map(|kind| (START, kind)), stop.err().map(|kind| (STOP, kind))])
            }
        }
    }
}

fn day(text: &str, last: &mut Option<([u8; 10], i32)>) -> Result<i32, ProblemKind> {
    if let Some((known, day)) = last
        && text.as_bytes() == known
    {
        return Ok(*day);
    }
    let day = text.parse::<Day>().map_err(|_| ProblemKind::Day)?.days();
    *last = text.as_bytes().try_into().ok().map(|text| (text, day));
    Ok(day)
}

/// Reads values of a domain.
struct ValueReader {
    column: Column,
    codes: Option<CodeList>,
}

impl ValueReader {
    fn of(domain: &ValueDomain) -> Self {
        let mut column = match domain {
            ValueDomain::Pointer { unit_type } => Column::Unit(*unit_type),
            ValueDomain::Codes { data_type, .. } | ValueDomain::Described { data_type, .. } => {
                match data_type {
                    DataType::String => Column::Text(Texts::empty()),
                    DataType::Long => Column::Long,
                    DataType::Double => Column::Double,
                    DataType::Date => Column::Date,
                }
            }
        };
        let codes = CodeList::of(domain, &mut column);
        Self { column, codes }
    }

    /// A value in the form of its column. `start` is none where the row has no valid date: then only the value is judged.
    fn read(
        &mut self,
        raw: &str,
        start: Option<i32>,
        identities: &mut IdentityMaps,
    ) -> Result<Result<u64, ProblemKind>, TooManyUnits> {
        let raw = identity::trimmed(raw);
        if raw.is_empty() {
            return Ok(Err(ProblemKind::ValueEmpty));
        }
        let value = match &mut self.column {
            Column::Unit(unit_type) => return Ok(identity(raw, *unit_type, identities)?.map(u64::from)),
            // Texts that are no code get no number: a file of nothing else must not fill the memory.
            Column::Text(texts) if self.codes.is_some() => {
                texts.find(raw).map(u64::from).ok_or(ProblemKind::NotInCodeList)
            }
            Column::Text(_) if !metadata::is_plain(raw) => Err(ProblemKind::TextNotPlain),
            Column::Text(texts) => texts.number(raw).map(u64::from).ok_or(ProblemKind::TooManyTexts),
            Column::Long => long(raw).map(|value| value as u64),
            Column::Double => double(raw).map(f64::to_bits),
            Column::Date => date(raw).map(|value| value as u64),
        };
        Ok(value.and_then(|value| match &self.codes {
            Some(codes) => codes.check(value, start).map(|()| value),
            None => Ok(value),
        }))
    }
}

impl Column {
    /// The number that a value is; none of texts and units.
    fn number(&self, value: u64) -> Option<f64> {
        match self {
            Self::Text(_) | Self::Unit(_) => None,
            Self::Long => Some(value as i64 as f64),
            Self::Double => Some(f64::from_bits(value)),
            Self::Date => Some(f64::from(value as i32)),
        }
    }
}

fn long(raw: &str) -> Result<i64, ProblemKind> {
    raw.parse::<i64>().map_err(|error| match error.kind() {
        IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => ProblemKind::BeyondLong,
        _ => ProblemKind::ValueType { expected: "a whole number of at most 64 bits" },
    })
}

/// A finite number. Minus zero becomes zero: there is one zero in registers, code lists and categories.
fn double(raw: &str) -> Result<f64, ProblemKind> {
    let word = raw.trim_start_matches(['+', '-']);
    if ["nan", "inf", "infinity"].iter().any(|name| word.eq_ignore_ascii_case(name)) {
        return Err(ProblemKind::NotFinite);
    }
    match raw.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(number + 0.0),
        Ok(_) => Err(ProblemKind::NotFinite),
        Err(_) => Err(ProblemKind::ValueType { expected: "a number with a decimal point" }),
    }
}

fn date(raw: &str) -> Result<i32, ProblemKind> {
    let day = raw.parse::<Day>().map(Day::days);
    day.map_err(|_| ProblemKind::ValueType { expected: "a day of the calendar, written YYYY-MM-DD" })
}

/// When a code may be used: periods of first and last day.
enum Validity {
    Always,
    Periods(Vec<(i32, i32)>),
}

/// A code list, looked up by a value in the form of its column.
struct CodeList {
    by_value: HashMap<u64, Validity>,
}

impl CodeList {
    /// Gives the codes that are texts their numbers.
    fn of(domain: &ValueDomain, column: &mut Column) -> Option<Self> {
        let ValueDomain::Codes { codes, sentinels, .. } = domain else { return None };
        let mut value = |code: &str| -> u64 {
            let value = match column {
                Column::Text(texts) => texts.number(code).map(u64::from).ok_or(ProblemKind::TooManyTexts),
                Column::Long => long(code).map(|value| value as u64),
                Column::Double => double(code).map(f64::to_bits),
                Column::Date => date(code).map(|value| value as u64),
                Column::Unit(_) => unreachable!("a code list is of values"),
            };
            value.expect("the metadata's codes fit their data type and are few")
        };
        let mut by_value = HashMap::new();
        for code in codes {
            let period = (code.valid_from.days(), code.valid_until.map_or(NO_DAY, Day::days));
            let entry = by_value.entry(value(&code.code)).or_insert(Validity::Periods(Vec::new()));
            if let Validity::Periods(periods) = entry {
                periods.push(period);
            }
        }
        for sentinel in sentinels {
            by_value.insert(value(&sentinel.code), Validity::Always);
        }
        Some(Self { by_value })
    }

    fn check(&self, value: u64, start: Option<i32>) -> Result<(), ProblemKind> {
        match (self.by_value.get(&value), start) {
            (None, _) => Err(ProblemKind::NotInCodeList),
            (Some(Validity::Periods(periods)), Some(start)) if start != NO_DAY => {
                let valid = periods.iter().any(|(from, until)| (*from..=*until).contains(&start));
                if valid { Ok(()) } else { Err(ProblemKind::CodeNotValid) }
            }
            (Some(_), _) => Ok(()),
        }
    }
}

/// Rows that are right each by itself.
struct Rows {
    sorted: Sorted,
    column: Column,
    temporality: Temporality,
}

impl Rows {
    /// Writes the register while the rows are checked. `None` where they clash; the file is then useless.
    fn write(
        mut self,
        path: &Path,
        name: VariableName,
        metadata: Metadata,
        problems: &mut Findings,
    ) -> Result<Option<Dataset>, ImportError> {
        let failed = |error| ImportError::of_parquet(&name, &error);
        let mut seen = Seen::of(&self, self.sorted.total() <= NUMBERS_KEPT);
        let mut file = parquet::Writer::create(path, &self.column, &random::bytes()).map_err(failed)?;
        check_rows(&mut self.sorted, self.temporality, problems, |row| {
            seen.add(&row, &self.column);
            file.push(row).map_err(failed)
        })?;
        if problems.total() > 0 {
            return Ok(None);
        }
        file.finish().map_err(failed)?;
        let winsorised = seen.winsorised(|show| parquet::numbers(path, show).map_err(failed))?;
        let mut file = File::open(path)?;
        let data = hash_of(&mut file)?;
        let bytes = file.metadata()?.len();
        let variable = Variable {
            name: name.clone(),
            title: metadata.title,
            description: metadata.description,
            unit_type: metadata.unit_type,
            temporality: metadata.temporality,
            sensitivity: metadata.sensitivity,
            domain: metadata.domain,
            dates: seen.dates.available(),
            range: winsorised.and_then(|winsorised| winsorised.range()),
            data,
        };
        let file = ManifestFile { variable: name, bytes, data, winsorised };
        Ok(Some(Dataset { variable, file: Some(file), rows: seen.count }))
    }
}

/// Checks the rows of each unit against each other, and shows each row, in order.
fn check_rows(
    sorted: &mut Sorted,
    temporality: Temporality,
    problems: &mut Findings,
    mut each: impl FnMut(Row) -> Result<(), ImportError>,
) -> Result<(), ImportError> {
    // The row of the unit that reaches furthest so far.
    let mut furthest: Option<Row> = None;
    while let Some(row) = sorted.next()? {
        match furthest.filter(|earlier| earlier.unit == row.unit) {
            None => furthest = Some(row),
            Some(earlier) => {
                if let Some((field, kind)) = clash(&earlier, &row, temporality) {
                    problems.csv(Some(row.line.into()), Some(field), kind);
                }
                if row.stop >= earlier.stop {
                    furthest = Some(row);
                }
            }
        }
        each(row)?;
    }
    Ok(())
}

/// What is wrong between a unit's row and an earlier one that reaches furthest.
fn clash(earlier: &Row, row: &Row, temporality: Temporality) -> Option<(&'static str, ProblemKind)> {
    let other = u64::from(earlier.line);
    match temporality {
        Temporality::Fixed => Some((ID, ProblemKind::SecondRow { other })),
        Temporality::Status => {
            (earlier.start == row.start).then_some((START, ProblemKind::SecondRowOnDay { other }))
        }
        Temporality::Accumulated | Temporality::Event => {
            (earlier.stop >= row.start).then_some((START, ProblemKind::Overlap { other }))
        }
    }
}

/// What the catalogue says of the rows, collected while they pass.
struct Seen {
    count: u64,
    dates: DatesSeen,
    /// All numbers, where they are kept; empty for texts and pointers.
    numbers: Vec<f64>,
    keep: bool,
    numeric: bool,
}

impl Seen {
    fn of(rows: &Rows, keep: bool) -> Self {
        Self {
            count: rows.sorted.total(),
            dates: DatesSeen::of(rows.temporality),
            numbers: Vec::new(),
            keep,
            numeric: !matches!(rows.column, Column::Text(_) | Column::Unit(_)),
        }
    }

    fn add(&mut self, row: &Row, column: &Column) {
        self.dates.add(row);
        if self.keep {
            self.numbers.extend(column.number(row.value));
        }
    }

    /// Constants of rule 2; none for texts and pointers. `again` shows numbers that were not kept.
    fn winsorised(
        &self,
        again: impl FnMut(&mut dyn FnMut(&[f64])) -> Result<(), ImportError>,
    ) -> Result<Option<Winsorised>, ImportError> {
        if !self.numeric {
            return Ok(None);
        }
        if !self.keep {
            return Winsorised::of(self.count, again);
        }
        Winsorised::of(self.count, |show| {
            show(&self.numbers);
            Ok(())
        })
    }
}

/// Collects the dates that there are values for.
enum DatesSeen {
    Fixed,
    Status { days: BTreeSet<i32>, last: i32 },
    Accumulated { periods: BTreeSet<(i32, i32)>, last: (i32, i32) },
    Event { first: i32, last: i32 },
}

impl DatesSeen {
    fn of(temporality: Temporality) -> Self {
        match temporality {
            Temporality::Fixed => Self::Fixed,
            Temporality::Status => Self::Status { days: BTreeSet::new(), last: NO_DAY },
            Temporality::Accumulated => {
                Self::Accumulated { periods: BTreeSet::new(), last: (NO_DAY, NO_DAY) }
            }
            Temporality::Event => Self::Event { first: NO_DAY, last: i32::MIN },
        }
    }

    fn add(&mut self, row: &Row) {
        match self {
            Self::Fixed => {}
            Self::Status { days, last } => {
                if *last != row.start {
                    days.insert(row.start);
                    *last = row.start;
                }
            }
            Self::Accumulated { periods, last } => {
                let period = (row.start, row.stop);
                if *last != period {
                    periods.insert(period);
                    *last = period;
                }
            }
            Self::Event { first, last } => {
                *first = row.start.min(*first);
                let known = if row.stop == NO_DAY { row.start } else { row.stop };
                *last = known.max(*last);
            }
        }
    }

    fn available(self) -> AvailableDates {
        let day = |days: i32| Day::from_days(days).expect("every date of a row was read as a day");
        match self {
            Self::Fixed => AvailableDates::None,
            Self::Status { days, .. } => AvailableDates::Days { days: days.into_iter().map(day).collect() },
            Self::Accumulated { periods, .. } => {
                let periods = periods.into_iter().map(|(start, stop)| (day(start), day(stop)));
                AvailableDates::Periods { periods: periods.collect() }
            }
            Self::Event { first, last } => AvailableDates::Range { first: day(first), last: day(last) },
        }
    }
}

#[cfg(test)]
mod tests {
    use kobling_model::identity::with_control_digits;

    use super::*;

    fn person(n: u32) -> String {
        let of = |n: u32| with_control_digits([0, 1, 8, 1, 7, 0, n / 100 % 10, n / 10 % 10, n % 10]);
        (0..).filter_map(of).nth(n as usize).expect("enough test people")
    }

    fn metadata(temporality: Temporality, domain: ValueDomain) -> Metadata {
        Metadata {
            title: "T".into(),
            description: "D".into(),
            unit_type: UnitType::Person,
            temporality,
            sensitivity: kobling_model::catalogue::Sensitivity::PersonGeneral,
            domain,
        }
    }

    fn described(data_type: DataType) -> ValueDomain {
        ValueDomain::Described { data_type, description: "x".into(), unit: String::new() }
    }

    fn form(metadata: &Metadata) -> Form {
        Form {
            unit_type: Some(metadata.unit_type),
            temporality: Some(metadata.temporality),
            domain: Some(metadata.domain.clone()),
        }
    }

    /// All problems and warnings of a file.
    fn check(csv: &[u8], metadata: &Metadata) -> (Vec<String>, Vec<String>) {
        let mut problems = Findings::new("X");
        let mut warnings = Findings::new("X");
        let mut identities = IdentityMaps::default();
        let (form, folder) = (form(metadata), std::env::temp_dir());
        let rows = sorted_rows(csv, &form, &folder, &mut identities, &mut problems, &mut warnings);
        if let Some(mut rows) = rows.expect("numbers") {
            check_rows(&mut rows.sorted, rows.temporality, &mut problems, |_| Ok(())).expect("memory");
        }
        let texts = |findings: Findings| findings.finish().0.iter().map(|p| p.to_string()).collect();
        (texts(problems), texts(warnings))
    }

    fn problems(temporality: Temporality, data_type: DataType, lines: &[String]) -> Vec<String> {
        check(lines.join("\n").as_bytes(), &metadata(temporality, described(data_type))).0
    }

    #[test]
    fn each_wrong_field_is_named_by_line_and_field_and_never_shown() {
        use DataType::*;
        use Temporality::*;
        let id = person(0);
        let (id, wrong_control) =
            (id.as_str(), format!("{}{}", &id[..10], (id.as_bytes()[10] - b'0' + 1) % 10));
        let canary = (0..1000u32)
            .find_map(|n| with_control_digits([4, 1, 8, 1, 0, 1, n / 100, n / 10 % 10, n % 10]))
            .expect("one exists");
        let cases = [
            (Fixed, Long, "12345678901;1;;;".into(), "field 1 (unit id): the first six digits"),
            (Fixed, Long, format!("{wrong_control};1;;;"), "field 1 (unit id): the control digits"),
            (Fixed, Long, " ;1;;;".into(), "field 1 (unit id): the identifier is empty"),
            (Fixed, Long, "123;1;;;".into(), "field 1 (unit id): expected 11 digits"),
            (Fixed, Long, format!("{canary};1;;;"), "field 1 (unit id): the identifier is in the range"),
            (Fixed, Long, format!("{id};;;;"), "field 2 (value): the value is empty"),
            (Fixed, String, format!("{id}; ;;;"), "field 2 (value): the value is empty"),
            (Fixed, Long, format!("{id};987654.5;;;"), "field 2 (value): expected a whole number"),
            (
                Fixed,
                Long,
                format!("{id};98765432109876543210;;;"),
                "field 2 (value): the whole number is beyond 64 bits",
            ),
            (Fixed, Double, format!("{id};nan;;;"), "field 2 (value): the number is not finite"),
            (Fixed, Double, format!("{id};-Infinity;;;"), "field 2 (value): the number is not finite"),
            (Fixed, Double, format!("{id};9876e999;;;"), "field 2 (value): the number is not finite"),
            (Fixed, Double, format!("{id};9876,5;;;"), "field 2 (value): expected a number"),
            (Fixed, Double, format!("{id};\u{2212}0;;;"), "field 2 (value): expected a number"),
            (Fixed, Long, format!("{id};nan;;;"), "field 2 (value): expected a whole number"),
            (
                Fixed,
                Long,
                format!("{id};-9223372036854775809;;;"),
                "field 2 (value): the whole number is beyond",
            ),
            (Fixed, Date, format!("{id};10000-01-01;;;"), "field 2 (value): expected a day"),
            (Fixed, Date, format!("{id};inf;;;"), "field 2 (value): expected a day"),
            (Fixed, String, format!("{id};a\u{202e}b;;;"), "field 2 (value): the text has control"),
            (Fixed, String, format!("{id};a\u{1b}[2J;;;"), "field 2 (value): the text has control"),
            (Fixed, Date, format!("{id};1987-02-30;;;"), "field 2 (value): expected a day"),
            (Fixed, Long, format!("{id};1;;"), "expected five fields, found 4"),
            (Fixed, Long, format!("{id};1;;;;"), "expected five fields, found 6"),
            (Fixed, String, format!("{id};\"x;;;"), "the quotation marks do not fit"),
            (Status, Long, format!("{id};1;;2020-01-01;"), "field 3 (start): the date is missing"),
            (Status, Long, format!("{id};1;2020-01-01;;"), "field 4 (stop): the date is missing"),
            (Status, Long, format!("{id};1;2020-01-01;2020-01-02;"), "field 4 (stop): start and stop"),
            (Status, Long, format!("{id};1;20200101;2020-01-01;"), "field 3 (start): expected a day"),
            (
                Accumulated,
                Long,
                format!("{id};1;2020-01-01;2020-01-01;"),
                "field 4 (stop): the start is not before",
            ),
            (Accumulated, Long, format!("{id};1;2020-01-01;;"), "field 4 (stop): the date is missing"),
            (Event, Long, format!("{id};1;;;"), "field 3 (start): the date is missing"),
            (Event, Long, format!("{id};1;2020-01-02;2020-01-01;"), "field 4 (stop): the stop is before"),
            (Event, Long, format!("{id};1;2020-01-02;x;"), "field 4 (stop): expected a day"),
        ];
        for (temporality, data_type, line, expected) in cases {
            // A good line first, so that the number says which one is meant.
            let good = match (temporality, data_type) {
                (Fixed, Date) => format!("{};2000-01-01;;;", person(1)),
                (Fixed, _) => format!("{};1;;;", person(1)),
                (Status, _) => format!("{};1;2020-01-01;2020-01-01;", person(1)),
                (Accumulated, _) => format!("{};1;2020-01-01;2020-12-31;", person(1)),
                (Event, _) => format!("{};1;2020-01-01;;", person(1)),
            };
            let found = problems(temporality, data_type, &[good, line.clone()]);
            assert_eq!(found.len(), 1, "{line}: {found:?}");
            assert!(found[0].starts_with("X.csv, line 2") && found[0].contains(expected), "{found:?}");
            for content in line.split(';').filter(|content| content.trim().len() > 2) {
                assert!(!found[0].contains(content), "the content is shown: {found:?}");
            }
        }
    }

    #[test]
    fn no_unit_of_any_type_has_a_canarys_identifier() {
        for (unit_type, id) in [(UnitType::Foretak, "000000019"), (UnitType::Kurs, " 1-kobling-canary")] {
            let metadata = Metadata { unit_type, ..metadata(Temporality::Fixed, described(DataType::Long)) };
            let found = check(format!("{id};1;;;").as_bytes(), &metadata).0;
            assert!(found[0].contains("kept for checks of the linkage"), "{found:?}");
        }
    }

    #[test]
    fn all_problems_of_a_line_are_named_at_once() {
        let found = problems(Temporality::Status, DataType::Long, &["x;y;z;;".into()]);
        assert_eq!(found.len(), 4);
    }

    #[test]
    fn a_unit_has_one_row_where_the_temporality_allows_one() {
        use Temporality::*;
        let id = person(0);
        let clash = |temporality, one: &str, two: &str| {
            let lines = [format!("{id};1;{one};"), format!(" {id} ;2;{two};")];
            problems(temporality, DataType::Long, &lines)
        };
        assert!(
            clash(Fixed, ";", ";")[0]
                .contains("line 2, field 1 (unit id): the unit has another row, in line 1")
        );
        assert!(clash(Status, "2020-01-01;2020-01-01", "2020-01-01;2020-01-01")[0].contains("for this date"));
        assert!(clash(Status, "2020-01-01;2020-01-01", "2021-01-01;2021-01-01").is_empty());
        assert!(clash(Accumulated, "2020-01-01;2020-12-31", "2020-12-31;2021-12-31")[0].contains("overlaps"));
        assert!(clash(Accumulated, "2020-01-01;2020-12-31", "2021-01-01;2021-12-31").is_empty());
        assert!(clash(Event, "2020-01-01;", "2021-01-01;")[0].contains("overlaps"));
        assert!(clash(Event, "2020-01-01;2020-12-31", "2021-01-01;").is_empty());
        assert!(
            clash(Event, "2021-01-01;2021-12-31", "2020-01-01;2021-01-01")[0].contains("line 1, field 3")
        );
    }

    #[test]
    fn a_long_period_clashes_with_every_one_inside_it() {
        let id = person(0);
        let lines = [
            format!("{id};1;2000-01-01;2010-12-31;"),
            format!("{id};2;2001-01-01;2001-12-31;"),
            format!("{id};3;2005-01-01;2005-12-31;"),
        ];
        assert_eq!(problems(Temporality::Event, DataType::Long, &lines).len(), 2);
    }

    #[test]
    fn values_are_in_the_code_list_on_the_rows_date() {
        let code = |code: &str, from: &str, until: Option<&str>| kobling_model::catalogue::Code {
            code: code.into(),
            title: "x".into(),
            valid_from: from.parse().expect("a day"),
            valid_until: until.map(|until| until.parse().expect("a day")),
        };
        let domain = |data_type, one: &str| ValueDomain::Codes {
            data_type,
            codes: vec![code(one, "2000-01-01", Some("2009-12-31")), code(one, "2020-01-01", None)],
            sentinels: vec![kobling_model::catalogue::Sentinel { code: "9".into(), title: "x".into() }],
        };
        for (data_type, one) in [(DataType::String, "a"), (DataType::Long, "17"), (DataType::Double, "1.5")] {
            let of = |temporality, value: &str, dates: &str| {
                let line = format!("{};{value};{dates};", person(0));
                check(line.as_bytes(), &metadata(temporality, domain(data_type, one))).0
            };
            assert!(of(Temporality::Event, one, "2005-01-01;").is_empty());
            assert!(of(Temporality::Event, one, "2020-01-01;").is_empty());
            assert!(of(Temporality::Event, one, "2015-01-01;")[0].contains("not valid at the start date"));
            assert!(of(Temporality::Event, "9", "1950-01-01;").is_empty());
            assert!(of(Temporality::Event, "8", "2005-01-01;")[0].contains("not in the code list"));
            assert!(of(Temporality::Fixed, one, ";").is_empty());
        }
    }

    #[test]
    fn blanks_quotes_and_line_ends_do_not_change_a_text() {
        let metadata = metadata(Temporality::Fixed, described(DataType::String));
        let csv = format!("{}; x ;;;\r\n{};\"x\";;;\n\n", person(0), person(1));
        let mut problems = Findings::new("X");
        let mut warnings = Findings::new("X");
        let mut identities = IdentityMaps::default();
        let (form, folder) = (form(&metadata), std::env::temp_dir());
        let read = read_rows(csv.as_bytes(), &form, &folder, &mut identities, &mut problems, &mut warnings);
        let (sorter, Column::Text(texts)) = read.expect("numbers").expect("rows") else { panic!("text") };
        let mut sorted = sorter.finish().expect("memory");
        let values = std::iter::from_fn(|| sorted.next().expect("memory")).map(|row| row.value);
        assert_eq!((values.collect::<Vec<_>>(), texts.text(0), texts.len()), (vec![0, 0], "x", 1));
    }

    #[test]
    fn dates_of_a_fixed_dataset_and_attributes_are_warnings() {
        let line = format!("{};1;1900-01-01;nonsense;note", person(0));
        let found = check(line.as_bytes(), &metadata(Temporality::Fixed, described(DataType::Long)));
        assert!(found.0.is_empty());
        assert_eq!(found.1.len(), 2);
        assert!(!found.1.iter().any(|warning| warning.contains("nonsense") || warning.contains("note")));
    }

    #[test]
    fn bad_bytes_and_an_empty_file_are_problems() {
        let metadata = metadata(Temporality::Fixed, described(DataType::Long));
        assert_eq!(check(b"\n\xff;1;;;\n", &metadata).0, ["X.csv, line 2: not UTF-8"]);
        assert_eq!(check(b"\n", &metadata).0, ["X.csv: the file has no rows"]);
    }
}
