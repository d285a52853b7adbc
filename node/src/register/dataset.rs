//! One dataset of the microdata.no dataset format: a folder `NAME/` with `NAME.csv` and `NAME.json`.
//!
//! Reading a dataset checks everything: the metadata, each line on its own, and the rows of a unit against
//! each other. What comes out is sorted columns over unit numbers; identifiers stay behind in the identity
//! maps.
//!
//! # Rows of a unit
//! - FIXED: one row. Dates are ignored with a warning.
//! - STATUS: start = stop; one row a day.
//! - ACCUMULATED: start before stop; periods share no day.
//! - EVENT: start, and stop not before it or empty; periods share no day, and an open period is the last.
//!
//! A code must be valid on the start date; FIXED values hold at no particular date, so there any validity will do.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use kobling_model::catalogue::{AvailableDates, DataType, Temporality, ValueDomain};
use kobling_model::identity::{self, Identity};
use kobling_model::unit::Naming;
use kobling_model::{Day, UnitType, VariableName};

use super::csv::{self, Line, Lines, NotFive};
use super::metadata::{self, Metadata};
use super::problem::{Findings, ProblemKind};
use crate::identity_map::{IdentityMaps, TooManyUnits};

/// No metadata file is larger.
const JSON_BYTES_MAX: u64 = 64 << 20;

const ID: &str = "field 1 (unit id)";
const VALUE: &str = "field 2 (value)";
const START: &str = "field 3 (start)";
const STOP: &str = "field 4 (stop)";
const ATTRIBUTE: &str = "field 5 (attribute)";

/// A day that is not set. No day of the calendar is this far away.
pub(super) const NO_DAY: i32 = i32::MAX;

/// A dataset without problems.
pub(super) struct Dataset {
    pub(super) name: VariableName,
    pub(super) metadata: Metadata,
    pub(super) dates: AvailableDates,
    pub(super) rows: Rows,
}

/// The rows of a dataset as columns in file order, and the order that sorts them by unit, then start.
pub(super) struct Rows {
    pub(super) units: Vec<u32>,
    pub(super) values: Values,
    /// [`NO_DAY`] throughout for FIXED.
    pub(super) starts: Vec<i32>,
    /// [`NO_DAY`] where empty.
    pub(super) stops: Vec<i32>,
    lines: Vec<u32>,
    pub(super) order: Vec<u32>,
}

/// The value column.
pub(super) enum Values {
    /// Indices into the distinct texts.
    Text(Vec<u32>, Texts),
    Long(Vec<i64>),
    Double(Vec<f64>),
    /// Days since 1970-01-01.
    Date(Vec<i32>),
    /// Unit numbers of the unit type pointed at.
    Unit(UnitType, Vec<u32>),
}

/// Distinct texts, numbered as they come.
#[derive(Default)]
pub(super) struct Texts {
    numbers: HashMap<Box<str>, u32>,
    pub(super) texts: Vec<Box<str>>,
}

impl Texts {
    fn number(&mut self, text: &str) -> u32 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = self.texts.len() as u32;
        self.numbers.insert(text.into(), number);
        self.texts.push(text.into());
        number
    }
}

/// Reads and checks the dataset in `folder`. `None` where something is wrong; then `problems` says what.
///
/// New units get their numbers in `identities`, also where the dataset turns out to be wrong: the caller
/// keeps the maps only if everything is right.
///
/// # Errors
/// [`TooManyUnits`] where a unit type has no numbers left.
pub(super) fn read(
    folder: &Path,
    identities: &mut IdentityMaps,
    problems: &mut Findings,
    warnings: &mut Findings,
) -> Result<Option<Dataset>, TooManyUnits> {
    let folder_name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let name = match VariableName::new(folder_name.as_str()) {
        Ok(name) => Some(name),
        Err(invalid) => {
            problems.folder(ProblemKind::DatasetName { expected: invalid.expected });
            None
        }
    };
    let metadata = read_metadata(&folder.join(format!("{folder_name}.json")), problems);
    let csv = match File::open(folder.join(format!("{folder_name}.csv"))) {
        Ok(csv) => Some(csv),
        Err(error) => {
            problems.csv(None, None, missing_or_unreadable(&error));
            None
        }
    };
    let (Some(metadata), Some(csv)) = (metadata, csv) else { return Ok(None) };
    let reader = BufReader::with_capacity(1 << 20, csv);
    let rows = read_rows(reader, &metadata, identities, problems, warnings)?;
    let Some(mut rows) = rows else { return Ok(None) };
    rows.sort();
    check_units(&rows, metadata.temporality, problems);
    let Some(name) = name.filter(|_| problems.total() == 0) else { return Ok(None) };
    let dates = available_dates(&rows, metadata.temporality);
    Ok(Some(Dataset { name, metadata, dates, rows }))
}

fn missing_or_unreadable(error: &io::Error) -> ProblemKind {
    if error.kind() == io::ErrorKind::NotFound {
        ProblemKind::FileMissing
    } else {
        ProblemKind::FileUnreadable
    }
}

fn read_metadata(path: &Path, problems: &mut Findings) -> Option<Metadata> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(JSON_BYTES_MAX + 1).read_to_end(&mut bytes));
    if let Err(error) = read {
        problems.json(None, None, missing_or_unreadable(&error));
        return None;
    }
    if bytes.len() as u64 > JSON_BYTES_MAX {
        problems.json(None, None, ProblemKind::FileTooLarge { limit: JSON_BYTES_MAX });
        return None;
    }
    metadata::read(&bytes, problems)
}

/// Reads all lines. `None` only where there is nothing to check further.
fn read_rows(
    reader: impl io::BufRead,
    metadata: &Metadata,
    identities: &mut IdentityMaps,
    problems: &mut Findings,
    warnings: &mut Findings,
) -> Result<Option<Rows>, TooManyUnits> {
    let mut lines = Lines::new(reader);
    let codes = CodeList::of(&metadata.domain);
    let mut rows = Rows::empty(&metadata.domain);
    let mut lines_with_content = false;
    loop {
        let (number, line) = match lines.next() {
            Ok(Some((_, Line::Text("")))) => continue,
            Ok(Some(numbered)) => numbered,
            Ok(None) => break,
            Err(_) => {
                problems.csv(None, None, ProblemKind::FileUnreadable);
                return Ok(None);
            }
        };
        lines_with_content = true;
        if number >= u64::from(u32::MAX) {
            problems.csv(Some(number), None, ProblemKind::TooManyRows);
            return Ok(None);
        }
        let text = match line {
            Line::Text(text) => text,
            Line::NotUtf8 => {
                problems.csv(Some(number), None, ProblemKind::NotUtf8);
                continue;
            }
            Line::TooLong => {
                let kind = ProblemKind::LineTooLong { limit: csv::LINE_BYTES_MAX };
                problems.csv(Some(number), None, kind);
                continue;
            }
        };
        let fields = match csv::fields(text) {
            Ok(fields) => fields,
            Err(NotFive::Count(found)) => {
                problems.csv(Some(number), None, ProblemKind::FieldCount { found });
                continue;
            }
            Err(NotFive::Quotes) => {
                problems.csv(Some(number), None, ProblemKind::Quotes);
                continue;
            }
        };
        let [id, value, start, stop, attribute] = &fields;
        if !attribute.trim().is_empty() {
            warnings.csv(Some(number), Some(ATTRIBUTE), ProblemKind::AttributeIgnored);
        }
        // Each field is judged whatever the others are, so that all problems of a line are named at once.
        let unit = identity(id, metadata.unit_type, identities);
        let dates = dates(start, stop, metadata.temporality);
        let (start, stop) = match dates {
            Ok(Dates { start, stop, ignored }) => {
                if ignored {
                    warnings.csv(Some(number), Some(START), ProblemKind::DatesIgnored);
                }
                (Some(start), Some(stop))
            }
            Err(wrong) => {
                for (field, kind) in wrong {
                    problems.csv(Some(number), Some(field), kind);
                }
                (None, None)
            }
        };
        let value = rows.values.parse(value, identities)?;
        let value = value.and_then(|value| match &codes {
            Some(codes) => codes.check(value, rows.values.text_of(value), start).map(|()| value),
            None => Ok(value),
        });
        match (unit?, value, start.zip(stop)) {
            (Ok(unit), Ok(value), Some((start, stop))) => {
                rows.units.push(unit);
                rows.values.push(value);
                rows.starts.push(start);
                rows.stops.push(stop);
                rows.lines.push(number as u32);
            }
            (unit, value, _) => {
                if let Err(kind) = unit {
                    problems.csv(Some(number), Some(ID), kind);
                }
                if let Err(kind) = value {
                    problems.csv(Some(number), Some(VALUE), kind);
                }
            }
        }
    }
    if !lines_with_content {
        problems.csv(None, None, ProblemKind::NoRows);
    }
    Ok(Some(rows))
}

/// The unit number of an identifier. The outer error is out of numbers, the inner one a problem of the field.
fn identity(
    raw: &str,
    unit_type: UnitType,
    identities: &mut IdentityMaps,
) -> Result<Result<u32, ProblemKind>, TooManyUnits> {
    let identity = match Identity::parse(unit_type, raw) {
        Ok(identity) => identity,
        Err(invalid) => return Ok(Err(invalid.into())),
    };
    if kept_for_canaries(unit_type, &identity) {
        return Ok(Err(ProblemKind::Canary));
    }
    identities.get_or_insert(unit_type, &identity).map(Ok)
}

/// Identifiers that linkage uses to check itself, so that no unit may have them (see `linkage`).
fn kept_for_canaries(unit_type: UnitType, identity: &Identity) -> bool {
    match unit_type.naming() {
        Naming::Foedselsnummer => identity::is_canary(identity),
        // Organisation numbers start with 8 or 9.
        Naming::OrganisationNumber => identity.canonical().starts_with(b"000000"),
        Naming::Free => identity.canonical().ends_with(b"-kobling-canary"),
    }
}

struct Dates {
    start: i32,
    stop: i32,
    ignored: bool,
}

/// The dates of one row, by the rule of its temporality; or what is wrong with which field.
fn dates(
    start: &str,
    stop: &str,
    temporality: Temporality,
) -> Result<Dates, Vec<(&'static str, ProblemKind)>> {
    if temporality == Temporality::Fixed {
        let ignored = !start.is_empty() || !stop.is_empty();
        return Ok(Dates { start: NO_DAY, stop: NO_DAY, ignored });
    }
    let parse = |text: &str| match text {
        "" => Ok(None),
        text => text.parse::<Day>().map(|day| Some(day.days())).map_err(|_| ProblemKind::Day),
    };
    let stop_needed = temporality != Temporality::Event;
    let start = parse(start).and_then(|day| day.ok_or(ProblemKind::DateMissing));
    let stop = parse(stop).and_then(|day| match day {
        None if stop_needed => Err(ProblemKind::DateMissing),
        day => Ok(day.unwrap_or(NO_DAY)),
    });
    match (start, stop) {
        (Ok(start), Ok(stop)) => match temporality {
            Temporality::Status if start != stop => Err(vec![(STOP, ProblemKind::StartNotStop)]),
            Temporality::Accumulated if start >= stop => Err(vec![(STOP, ProblemKind::StartNotBeforeStop)]),
            Temporality::Event if start > stop => Err(vec![(STOP, ProblemKind::StopBeforeStart)]),
            _ => Ok(Dates { start, stop, ignored: false }),
        },
        (start, stop) => {
            let wrong_start = start.err().map(|kind| (START, kind));
            let wrong_stop = stop.err().map(|kind| (STOP, kind));
            Err(wrong_start.into_iter().chain(wrong_stop).collect())
        }
    }
}

/// One value, before it is pushed on its column.
#[derive(Clone, Copy)]
enum Value {
    Text(u32),
    Long(i64),
    Double(f64),
    Date(i32),
    Unit(u32),
}

impl Values {
    fn empty(domain: &ValueDomain) -> Self {
        match domain {
            ValueDomain::Pointer { unit_type } => Self::Unit(*unit_type, Vec::new()),
            ValueDomain::Codes { data_type, .. } | ValueDomain::Described { data_type, .. } => {
                match data_type {
                    DataType::String => Self::Text(Vec::new(), Texts::default()),
                    DataType::Long => Self::Long(Vec::new()),
                    DataType::Double => Self::Double(Vec::new()),
                    DataType::Date => Self::Date(Vec::new()),
                }
            }
        }
    }

    fn parse(
        &mut self,
        raw: &str,
        identities: &mut IdentityMaps,
    ) -> Result<Result<Value, ProblemKind>, TooManyUnits> {
        if raw.trim().is_empty() {
            return Ok(Err(ProblemKind::ValueEmpty));
        }
        Ok(match self {
            Self::Unit(unit_type, _) => {
                return Ok(identity(raw, *unit_type, identities)?.map(Value::Unit));
            }
            Self::Text(_, texts) => Ok(Value::Text(texts.number(raw.trim()))),
            Self::Long(_) => long(raw).map(Value::Long),
            Self::Double(_) => double(raw).map(Value::Double),
            Self::Date(_) => date(raw).map(Value::Date),
        })
    }

    fn text_of(&self, value: Value) -> &str {
        match (self, value) {
            (Self::Text(_, texts), Value::Text(number)) => &texts.texts[number as usize],
            _ => "",
        }
    }

    fn push(&mut self, value: Value) {
        match (self, value) {
            (Self::Text(column, _), Value::Text(value)) => column.push(value),
            (Self::Long(column), Value::Long(value)) => column.push(value),
            (Self::Double(column), Value::Double(value)) => column.push(value),
            (Self::Date(column), Value::Date(value)) => column.push(value),
            (Self::Unit(_, column), Value::Unit(value)) => column.push(value),
            _ => unreachable!("a column parses its own values"),
        }
    }
}

fn long(raw: &str) -> Result<i64, ProblemKind> {
    raw.parse().map_err(|_| ProblemKind::ValueType { expected: "a whole number of at most 64 bits" })
}

fn double(raw: &str) -> Result<f64, ProblemKind> {
    // The standard parser also takes words such as "inf" and "nan".
    let shaped = raw.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    let number = raw.parse::<f64>().ok().filter(|number| shaped && number.is_finite());
    number.ok_or(ProblemKind::ValueType { expected: "a finite number with a decimal point" })
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

/// A code list, looked up by value.
struct CodeList {
    texts: HashMap<String, Validity>,
    /// Whole numbers and days as they are, other numbers by their bits.
    numbers: HashMap<i64, Validity>,
}

impl CodeList {
    fn of(domain: &ValueDomain) -> Option<Self> {
        let ValueDomain::Codes { data_type, codes, sentinels } = domain else { return None };
        let mut list = Self { texts: HashMap::new(), numbers: HashMap::new() };
        for code in codes {
            let until = code.valid_until.map_or(NO_DAY, Day::days);
            let period = (code.valid_from.days(), until);
            if let Validity::Periods(periods) = list.entry(*data_type, &code.code) {
                periods.push(period);
            }
        }
        for sentinel in sentinels {
            *list.entry(*data_type, &sentinel.code) = Validity::Always;
        }
        Some(list)
    }

    fn entry(&mut self, data_type: DataType, code: &str) -> &mut Validity {
        let never = Validity::Periods(Vec::new());
        let number = match data_type {
            DataType::String => return self.texts.entry(code.to_owned()).or_insert(never),
            DataType::Long => long(code),
            DataType::Double => double(code).map(bits),
            DataType::Date => date(code).map(i64::from),
        };
        let number = number.expect("the metadata's codes fit their data type");
        self.numbers.entry(number).or_insert(never)
    }

    /// `start` is none where the row has no valid date: then only the value is judged.
    fn check(&self, value: Value, text: &str, start: Option<i32>) -> Result<(), ProblemKind> {
        let validity = match value {
            Value::Text(_) => self.texts.get(text),
            Value::Long(number) => self.numbers.get(&number),
            Value::Double(number) => self.numbers.get(&bits(number)),
            Value::Date(day) => self.numbers.get(&day.into()),
            Value::Unit(_) => return Ok(()),
        };
        match (validity, start) {
            (None, _) => Err(ProblemKind::NotInCodeList),
            (Some(Validity::Periods(periods)), Some(start)) if start != NO_DAY => {
                let valid = periods.iter().any(|(from, until)| (*from..=*until).contains(&start));
                if valid { Ok(()) } else { Err(ProblemKind::CodeNotValid) }
            }
            (Some(_), _) => Ok(()),
        }
    }
}

/// The bits of a number, with one zero only.
fn bits(number: f64) -> i64 {
    (number + 0.0).to_bits() as i64
}

impl Rows {
    fn empty(domain: &ValueDomain) -> Self {
        Self {
            units: Vec::new(),
            values: Values::empty(domain),
            starts: Vec::new(),
            stops: Vec::new(),
            lines: Vec::new(),
            order: Vec::new(),
        }
    }

    /// By unit, then start, then line, so that of two clashing rows the later one is reported.
    fn sort(&mut self) {
        let mut order: Vec<u32> = (0..self.units.len() as u32).collect();
        order.sort_unstable_by_key(|row| {
            let at = *row as usize;
            (self.units[at], self.starts[at], *row)
        });
        self.order = order;
    }
}

/// Checks the rows of each unit against each other.
fn check_units(rows: &Rows, temporality: Temporality, problems: &mut Findings) {
    // The row of the unit that reaches furthest so far.
    let mut furthest: Option<usize> = None;
    for at in rows.order.iter().map(|row| *row as usize) {
        let earlier = furthest.filter(|earlier| rows.units[*earlier] == rows.units[at]);
        let Some(earlier) = earlier else {
            furthest = Some(at);
            continue;
        };
        let other = u64::from(rows.lines[earlier]);
        let clash = match temporality {
            Temporality::Fixed => Some((ID, ProblemKind::SecondRow { other })),
            Temporality::Status => (rows.starts[earlier] == rows.starts[at])
                .then_some((START, ProblemKind::SecondRowOnDay { other })),
            Temporality::Accumulated | Temporality::Event => {
                (rows.stops[earlier] >= rows.starts[at]).then_some((START, ProblemKind::Overlap { other }))
            }
        };
        if let Some((field, kind)) = clash {
            problems.csv(Some(rows.lines[at].into()), Some(field), kind);
        }
        if rows.stops[at] >= rows.stops[earlier] {
            furthest = Some(at);
        }
    }
}

fn available_dates(rows: &Rows, temporality: Temporality) -> AvailableDates {
    let day = |days: i32| Day::from_days(days).expect("every date of a row was read as a day");
    match temporality {
        Temporality::Fixed => AvailableDates::None,
        Temporality::Status => {
            let mut days = rows.starts.clone();
            days.sort_unstable();
            days.dedup();
            AvailableDates::Days { days: days.into_iter().map(day).collect() }
        }
        Temporality::Accumulated => {
            let mut periods: Vec<_> = rows.starts.iter().copied().zip(rows.stops.iter().copied()).collect();
            periods.sort_unstable();
            periods.dedup();
            let periods = periods.into_iter().map(|(start, stop)| (day(start), day(stop)));
            AvailableDates::Periods { periods: periods.collect() }
        }
        Temporality::Event => {
            let first = rows.starts.iter().copied().min();
            let known = rows.starts.iter().chain(&rows.stops).copied().filter(|days| *days != NO_DAY);
            let (first, last) = first.zip(known.max()).expect("a dataset without rows has a problem");
            AvailableDates::Range { first: day(first), last: day(last) }
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

    /// All problems and warnings of a file.
    fn check(csv: &[u8], metadata: &Metadata) -> (Vec<String>, Vec<String>) {
        let mut problems = Findings::new("X");
        let mut warnings = Findings::new("X");
        let mut identities = IdentityMaps::default();
        let rows = read_rows(csv, metadata, &mut identities, &mut problems, &mut warnings).expect("numbers");
        if let Some(mut rows) = rows {
            rows.sort();
            check_units(&rows, metadata.temporality, &mut problems);
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
                "field 2 (value): expected a whole number",
            ),
            (Fixed, Double, format!("{id};nan;;;"), "field 2 (value): expected a finite number"),
            (Fixed, Double, format!("{id};9876e999;;;"), "field 2 (value): expected a finite number"),
            (Fixed, Double, format!("{id};9876,5;;;"), "field 2 (value): expected a finite number"),
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
        let rows = read_rows(csv.as_bytes(), &metadata, &mut identities, &mut problems, &mut warnings)
            .expect("numbers")
            .expect("rows");
        let Values::Text(values, texts) = rows.values else { panic!("text") };
        assert_eq!((values, texts.texts), (vec![0, 0], vec!["x".into()]));
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
