//! The rows of a unit, by the rules of the four temporalities.
//!
//! - FIXED: one row without dates.
//! - STATUS: a row on each measuring day of the period; most keep the value of the day before.
//! - ACCUMULATED: a row for each calendar year.
//! - EVENT: spells one after the other, some with a gap between them, the last open more often than not. A spell ends
//!   at the latest when its code does.

use kobling_model::catalogue::Temporality;
use kobling_model::{Day, UnitType};

use super::codes::{CodeList, Drawn};
use super::described::Described;
use super::fault::FaultKind;
use super::metadata::{Domain, Variable, Words};
use super::period::{Period, later};
use super::ranges::Range;
use super::units::{Unit, Units};
use crate::chance::{Draws, Key};
use crate::write::Value;

/// The share of units without a row, or of a unit's days and years, where nothing is said; of births, sexes and pointers
/// none is missing.
const MISSING: f64 = 0.02;
/// How often the value of a measuring day is another than on the one before.
const CHANGES: f64 = 0.08;
/// Most spells of a unit.
const SPELLS_MAX: u32 = 5;
/// How often the last spell still holds.
const OPEN: f64 = 0.6;

/// How the rows of one variable are made.
pub(super) struct Maker<'a> {
    units: &'a Units,
    unit_type: UnitType,
    temporality: Temporality,
    values: Values,
    key: Key,
    missing: f64,
    days: Vec<Day>,
    spans: Vec<(Day, Day)>,
}

enum Values {
    Codes(CodeList),
    Described(Described),
    Pointer(UnitType, Words),
}

/// First and last day of a row.
type Dates = (Option<Day>, Option<Day>);

/// Takes rows as lines of a data file.
pub(super) struct Lines {
    /// Finished lines, until they are taken away.
    pub(super) bytes: Vec<u8>,
    /// The identifier and its separator, which all rows of a unit begin with.
    unit: Vec<u8>,
    value: Vec<u8>,
    pub(super) rows: u64,
}

impl Lines {
    pub(super) fn new() -> Self {
        Self { bytes: Vec::new(), unit: Vec::new(), value: Vec::new(), rows: 0 }
    }

    /// Ends the row whose value has been appended.
    fn row(&mut self, (start, stop): Dates) {
        let line = &mut self.bytes;
        line.extend_from_slice(&self.unit);
        line.extend_from_slice(&self.value);
        line.push(b';');
        start.inspect(|day| day.append_to(line));
        line.push(b';');
        stop.inspect(|day| day.append_to(line));
        line.extend_from_slice(b";\n");
        self.value.clear();
        self.rows += 1;
    }
}

impl<'a> Maker<'a> {
    /// A maker of this variable's rows. `seed` is the run's: what a variable holds depends on it, on the variable and on
    /// nothing that other metadata files say.
    ///
    /// # Errors
    /// With the field that says what cannot be.
    pub(super) fn new(
        variable: &Variable,
        range: &Range,
        units: &'a Units,
        seed: Key,
    ) -> Result<Self, (&'static str, FaultKind)> {
        let key = seed.of("variable").of(variable.name.as_str());
        let period = units.period;
        let values = match &variable.domain {
            Domain::Codes { codes, sentinels } => {
                Values::Codes(CodeList::new(codes, sentinels, key.of("codes")))
            }
            Domain::Pointer { unit_type, words } => Values::Pointer(*unit_type, words.clone()),
            Domain::Described { data_type, words } => Values::Described(
                Described::new(*data_type, words, range, period, key.of("numbers"))
                    .map_err(|kind| ("low", kind))?,
            ),
        };
        // Who belongs to whom, and who somebody is, registers know of everybody.
        let complete = match &values {
            Values::Pointer(..) => true,
            Values::Codes(codes) => codes.is_of_sexes(),
            Values::Described(described) => described.is_of_birth(),
        };
        let maker = Self {
            units,
            unit_type: variable.unit_type,
            temporality: variable.temporality,
            values,
            key,
            missing: range.missing.unwrap_or(if complete { 0.0 } else { MISSING }),
            days: period.status_days(),
            spans: period.spans(),
        };
        maker.can_have_rows(period)?;
        Ok(maker)
    }

    fn can_have_rows(&self, period: Period) -> Result<(), (&'static str, FaultKind)> {
        if self.temporality == Temporality::Accumulated && self.spans.is_empty() {
            let expected = "another temporality, or a period of more than a day";
            return Err(("temporalityType", FaultKind::Expected { expected }));
        }
        let Values::Codes(codes) = &self.values else { return Ok(()) };
        let valid = match self.temporality {
            Temporality::Fixed => true,
            Temporality::Status => self.days.iter().any(|day| codes.any_on(*day, *day)),
            Temporality::Accumulated => self.spans.iter().any(|(from, to)| codes.any_on(*from, *to)),
            Temporality::Event => codes.next_valid(period.from).is_some_and(|day| day <= period.to),
        };
        if valid { Ok(()) } else { Err(("measureVariables[0].valueDomain.codeList", FaultKind::NoCodeValid)) }
    }

    /// How many units there are to make rows for.
    pub(super) fn places(&self) -> u32 {
        self.units.count(self.unit_type)
    }

    /// Appends all rows of the unit at a place of the file.
    pub(super) fn make(&self, place: u32, lines: &mut Lines) {
        let unit = self.units.unit(self.unit_type, place);
        let mut draws = self.key.of("rows").at(u64::from(unit.number)).draws();
        let absent = draws.chance(self.missing) && !unit.always;
        if absent && matches!(self.temporality, Temporality::Fixed | Temporality::Event) {
            return;
        }
        let pointed_at = match &self.values {
            Values::Pointer(to, words) => {
                match self.units.pointed_at(self.unit_type, unit.number, *to, words) {
                    Some(number) => Some((*to, number)),
                    None => return,
                }
            }
            _ => None,
        };
        lines.unit.clear();
        self.units.identify(self.unit_type, unit.number, &mut lines.unit);
        lines.unit.push(b';');
        let mut rows = UnitRows { maker: self, unit, pointed_at, draws, lines };
        match self.temporality {
            Temporality::Fixed => rows.fixed(),
            Temporality::Status => rows.status(),
            Temporality::Accumulated => rows.accumulated(),
            Temporality::Event => rows.event(),
        }
    }
}

/// The rows of one unit while they are made.
struct UnitRows<'a, 'b> {
    maker: &'a Maker<'a>,
    unit: Unit,
    pointed_at: Option<(UnitType, u32)>,
    draws: Draws,
    lines: &'b mut Lines,
}

impl UnitRows<'_, '_> {
    fn fixed(&mut self) {
        let end = self.maker.units.period.to;
        let given = match &self.maker.values {
            Values::Codes(codes) => {
                let drawn = codes.draw_undated(&self.unit, end, &mut self.draws);
                self.append_code(codes, drawn)
            }
            _ => self.append(self.unit.last),
        };
        if given {
            self.lines.row((None, None));
        }
    }

    fn status(&mut self) {
        let mut before = None;
        for day in &self.maker.days {
            let lives = (self.unit.first..=self.unit.last).contains(day);
            if self.has_row(lives) && self.dated(*day, *day, &mut before) {
                self.lines.row((Some(*day), Some(*day)));
            }
        }
    }

    fn accumulated(&mut self) {
        let mut before = None;
        for (from, to) in &self.maker.spans {
            // Who is born or dies in a year has something of that year.
            let lives = self.unit.first <= *to && self.unit.last >= *from;
            if self.has_row(lives) && self.dated(*from, *to, &mut before) {
                self.lines.row((Some(*from), Some(*to)));
            }
        }
    }

    /// Whether the unit has a row: while it lives, and not where it is missing.
    fn has_row(&mut self, lives: bool) -> bool {
        let missing = self.draws.chance(self.maker.missing);
        lives && (!missing || self.unit.always)
    }

    fn event(&mut self) {
        let (first, last) = (self.unit.first, self.unit.last);
        let length = last.days() - first.days();
        // Half of all units enter with the period, or with their birth; the others later.
        let enters_late = self.draws.chance(0.5) && !self.unit.always;
        let entry = if enters_late { self.draws.between(0, length / 2) } else { 0 };
        let mut start = later(first, entry);
        let mut before = None;
        // A pointer does not change.
        let spells_max = if self.pointed_at.is_some() { 1 } else { SPELLS_MAX };
        let spells = 1 + self.draws.below(u64::from(spells_max)) as u32;
        let end = self.maker.units.period.to;
        for spell in 1..=spells {
            let Some(valid) = self.first_valid(start).filter(|day| *day <= last) else { return };
            start = valid;
            // Of the first unit's spells one is over, so that a file has a stop in it.
            let closed = spell < spells || self.unit.always || !self.draws.chance(OPEN) || last < end;
            let room = last.days() - start.days();
            let wanted = self.draws.between(room / 8, if spell < spells { room / 2 } else { room });
            let mut stop = closed.then(|| later(start, wanted));
            let given = match &self.maker.values {
                Values::Codes(codes) => {
                    let drawn = codes.draw(&self.unit, start, start, before, &mut self.draws);
                    if let Some(until) = drawn.and_then(|drawn| codes.until(drawn)) {
                        stop = Some(stop.map_or(until.min(last), |stop| stop.min(until)));
                    }
                    before = drawn;
                    self.append_code(codes, drawn)
                }
                _ => self.append(stop.unwrap_or(last)),
            };
            if given {
                self.lines.row((Some(start), stop));
            }
            let Some(stop) = stop.filter(|stop| *stop < last) else { return };
            let gap = if self.draws.chance(0.25) { self.draws.between(1, 400) } else { 0 };
            start = later(stop, 1 + gap);
            if start > last {
                return;
            }
        }
    }

    /// The first day, from `day` on, on which there can be a value.
    fn first_valid(&self, day: Day) -> Option<Day> {
        match &self.maker.values {
            Values::Codes(codes) => codes.next_valid(day),
            _ => Some(day),
        }
    }

    /// Appends the value of a row of these days, the one before if it has not changed. False if there is none.
    fn dated(&mut self, from: Day, to: Day, before: &mut Option<Drawn>) -> bool {
        let Values::Codes(codes) = &self.maker.values else { return self.append(to) };
        let kept = before.filter(|drawn| codes.may_stand(*drawn, from, to));
        let drawn = match kept {
            Some(kept) if !self.draws.chance(CHANGES) => Some(kept),
            _ => codes.draw(&self.unit, from, to, kept, &mut self.draws),
        };
        *before = drawn.or(*before);
        self.append_code(codes, drawn)
    }

    fn append_code(&mut self, codes: &CodeList, drawn: Option<Drawn>) -> bool {
        if let Some(drawn) = drawn {
            field(codes.text(drawn), &mut self.lines.value);
        }
        drawn.is_some()
    }

    /// Appends a value that is no code.
    fn append(&mut self, to: Day) -> bool {
        let value = &mut self.lines.value;
        match &self.maker.values {
            Values::Described(described) => described.append(&self.unit, to, &mut self.draws, value),
            Values::Pointer(..) => match self.pointed_at {
                Some((unit_type, number)) => {
                    self.maker.units.identify(unit_type, number, value);
                    true
                }
                None => false,
            },
            Values::Codes(_) => false,
        }
    }
}

/// Appends a field, in quotation marks where it would not be read as one otherwise.
fn field(text: &str, line: &mut Vec<u8>) {
    if text.contains([';', '"']) {
        line.push(b'"');
        line.extend(text.replace('"', "\"\"").bytes());
        line.push(b'"');
    } else {
        line.extend_from_slice(text.as_bytes());
    }
}
