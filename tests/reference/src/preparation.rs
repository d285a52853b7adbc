//! What an owner knows of units: columns of registers and spells, and of tables that it has prepared, row by row.
//!
//! It follows the words of `kobling_model::preparation`; what is said of large groups is in [`large`].

use std::collections::{BTreeMap, BTreeSet, HashMap};

use kobling_model::expression::{Expression, Value};
use kobling_model::interval::Interval;
use kobling_model::plan::{Fragment, Source};
use kobling_model::preparation::{
    By, Column, Key, Measure, Preparation, Rows, SampleSize, SpellPart, Statistic,
};
use kobling_model::{DatastoreId, UnitType};
use ring::digest;

use crate::registers::{Groups, Registers, Row};
use crate::{Datum, evaluate, is_true, number, record_key};

mod large;
use large::{Blur, is_large};

/// Values that stand for one in an ordering.
const NEIGHBOURS: usize = 10;

/// A fragment with the tables that it is made from.
pub(crate) struct View<'a> {
    pub(crate) fragment: &'a Fragment,
    unit_type: UnitType,
    known: Known<'a>,
    tables: Vec<Table>,
}

/// What the owner has.
struct Known<'a> {
    registers: &'a Registers,
    datastores: BTreeSet<&'a DatastoreId>,
}

/// A table: what is measured of each group, by the group's name.
struct Table {
    groups: HashMap<String, Vec<Datum>>,
    /// Secret bounds of each measure.
    bounds: Vec<Option<Interval>>,
    /// Whether what it says is of several units.
    of_several: bool,
}

/// A row: a unit, or one of its spells.
#[derive(Clone, Copy)]
struct Place<'a> {
    unit: &'a str,
    spell: Option<&'a Row>,
}

/// A row that counts, in a group.
struct Counted<'a> {
    unit: &'a str,
    /// Which of a panel's dates it is of.
    layer: usize,
    columns: Vec<Datum>,
}

impl<'a> View<'a> {
    /// Makes all tables of a fragment.
    pub(crate) fn of(
        fragment: &'a Fragment,
        registers: &'a Registers,
        unit_type: UnitType,
        secret: &[u8; 32],
    ) -> Self {
        let datastores = fragment.registers().map(|source| &source.datastore).collect();
        let known = Known { registers, datastores };
        let mut tables = Vec::new();
        for preparation in &fragment.preparations {
            tables.push(Table::of(preparation, &known, &tables, secret));
        }
        Self { fragment, unit_type, known, tables }
    }

    /// Every unit that the owner has at any date.
    pub(crate) fn identities(&self) -> BTreeSet<&'a str> {
        self.known.identities(self.unit_type)
    }

    /// All columns at a unit.
    pub(crate) fn columns(&self, identity: &str) -> Vec<Datum> {
        let place = Place { unit: identity, spell: None };
        self.known.columns(&self.fragment.sources, &self.tables, place)
    }

    /// Secret bounds of each column (rule 2).
    pub(crate) fn bounds(&self) -> Vec<Option<Interval>> {
        self.known.bounds(&self.fragment.sources, &self.tables)
    }
}

impl<'a> Known<'a> {
    fn identities(&self, unit_type: UnitType) -> BTreeSet<&'a str> {
        self.registers.identities(&self.datastores, unit_type)
    }

    /// Columns of a row, one after the other.
    fn columns(&self, columns: &[Column], tables: &[Table], place: Place<'_>) -> Vec<Datum> {
        let mut values: Vec<Datum> = Vec::with_capacity(columns.len());
        for column in columns {
            let value = self.column(column, tables, place, &values);
            values.push(value);
        }
        values
    }

    fn column(&self, column: &Column, tables: &[Table], place: Place<'_>, before: &[Datum]) -> Datum {
        let there = || Some(Value::Number(1.0));
        match column {
            Column::Register(source) => self.registers.value(source, place.unit),
            Column::Pointer(source) => self.registers.pointed(source, place.unit).and_then(|_| there()),
            Column::Either(of) => {
                of.iter().find_map(|of| self.column(of, tables, place, before)).and_then(|_| there())
            }
            Column::Spell { part, .. } => {
                let spell = place.spell.expect("the row is a spell");
                match part {
                    SpellPart::Value => Some(spell.value.clone()),
                    SpellPart::Start => spell.start.and_then(|day| number(f64::from(day.days()))),
                    SpellPart::Stop => spell.stop.and_then(|day| number(f64::from(day.days()))),
                }
            }
            Column::Prepared { preparation, measure, key, .. } => {
                let group = match key {
                    Key::Unit => of_unit(place.unit),
                    Key::Pointer(pointer) => of_unit(self.registers.pointed(pointer, place.unit)?),
                    Key::Values(values) => of_values(values, before)?,
                };
                tables[*preparation].groups.get(&group)?[*measure].clone()
            }
        }
    }

    fn bounds(&self, columns: &[Column], tables: &[Table]) -> Vec<Option<Interval>> {
        let winsorised = |source: &Source| self.registers.winsorised(source);
        let bounds = |column: &Column| match column {
            Column::Register(source) => winsorised(source),
            Column::Spell { variable, part: SpellPart::Value } => winsorised(variable),
            Column::Spell { .. } => None,
            Column::Pointer(_) | Column::Either(_) => Interval::point(1.0),
            Column::Prepared { preparation, measure, .. } => tables[*preparation].bounds[*measure],
        };
        columns.iter().map(bounds).collect()
    }

    /// Rows before they are grouped, in no order.
    fn rows(&self, rows: &Rows) -> Vec<Place<'a>> {
        match rows {
            Rows::Units(unit_type) => {
                self.identities(*unit_type).into_iter().map(|unit| Place { unit, spell: None }).collect()
            }
            Rows::Spells { variable, first, last, .. } => {
                let spells = self.registers.spells(variable, *first, *last).into_iter();
                spells.map(|(unit, row)| Place { unit, spell: Some(row) }).collect()
            }
        }
    }
}

/// What decides about rows at one date of a panel; the first is that of the table itself.
struct Date<'a> {
    presence: usize,
    filters: &'a [Expression],
    by: &'a By,
}

fn date(preparation: &Preparation, layer: usize) -> Date<'_> {
    match layer.checked_sub(1).map(|further| &preparation.layers[further]) {
        None => Date { presence: 0, filters: &preparation.filters, by: &preparation.by },
        Some(layer) => Date { presence: layer.presence, filters: &layer.filters, by: &layer.by },
    }
}

/// The name of a unit's group.
fn of_unit(identity: &str) -> String {
    format!("unit {identity}")
}

/// The name of the group that has some values; none where one is missing.
fn of_values(values: &[Expression], columns: &[Datum]) -> Option<String> {
    let value = |value| match evaluate(value, columns)? {
        // There is one zero.
        Value::Number(number) => Some(format!("{:?}", number + 0.0)),
        Value::Text(text) => Some(format!("{text:?}")),
    };
    values.iter().map(value).collect::<Option<Vec<_>>>().map(|values| values.join(", "))
}

impl Table {
    fn of(preparation: &Preparation, known: &Known<'_>, tables: &[Table], secret: &[u8; 32]) -> Self {
        let mut groups: BTreeMap<String, Vec<Counted<'_>>> = BTreeMap::new();
        for place in known.rows(&preparation.rows) {
            let columns = known.columns(&preparation.sources, tables, place);
            for (layer, at) in (0..=preparation.layers.len()).map(|layer| (layer, date(preparation, layer))) {
                // The rows of units are those that have a value in a column: the first, but for a panel's later dates.
                let is_row =
                    matches!(preparation.rows, Rows::Spells { .. }) || columns[at.presence].is_some();
                let counts = is_row && at.filters.iter().all(|filter| is_true(&evaluate(filter, &columns)));
                let group = match at.by {
                    By::Unit => Some(of_unit(place.unit)),
                    By::Pointer { pointer, .. } => known.registers.pointed(pointer, place.unit).map(of_unit),
                    By::Values(values) => of_values(values, &columns),
                };
                if let Some(group) = group.filter(|_| counts) {
                    let columns = columns.clone();
                    groups.entry(group).or_default().push(Counted { unit: place.unit, layer, columns });
                }
            }
        }
        let source_bounds = known.bounds(&preparation.sources, tables);
        let all_dates = |at: usize| {
            let further = preparation.layers.iter().map(move |layer| &layer.values[at]);
            std::iter::once(&preparation.measures[at].value).chain(further)
        };
        let bounds = |at: usize| {
            let mut hull: Option<Interval> = None;
            for value in all_dates(at).filter(|value| !matches!(value, Expression::Missing(_))) {
                let bounds = Interval::of(value, &source_bounds)?;
                hull = Some(match hull {
                    None => bounds,
                    Some(hull) => Interval {
                        low: hull.low.min(bounds.low),
                        high: hull.high.max(bounds.high),
                        whole: hull.whole && bounds.whole,
                    },
                });
            }
            hull
        };
        let nested = preparation.sources.iter().any(|column| match column {
            Column::Prepared { preparation, .. } => tables[*preparation].of_several,
            _ => false,
        });
        let of_several = !matches!(preparation.by, By::Unit);
        let how = known.registers.groups;
        let is_blurred =
            |rows: &[Counted<'_>]| how != Groups::Exact && of_several && is_large(rows.len(), nested);
        let unit_type = preparation.rows.unit_type();
        let dates = 1 + preparation.layers.len();
        let mut measured: HashMap<String, Vec<Datum>> = HashMap::new();
        for (at, measure) in preparation.measures.iter().enumerate() {
            let value_of = |row: &Counted<'_>| {
                evaluate(all_dates(at).nth(row.layer).expect("a date of the table"), &row.columns)
            };
            let values_of = |rows: &[Counted<'_>]| -> Vec<Datum> { rows.iter().map(value_of).collect() };
            let values: BTreeMap<&String, Vec<Datum>> =
                groups.iter().map(|(group, rows)| (group, values_of(rows))).collect();
            let blur = Blur {
                measure,
                unit_type,
                secret,
                bounds: bounds(at),
                reach: reach(&values),
                dates,
                groups: how,
            };
            let count = |(group, rows): (&String, &Vec<Counted<'_>>)| {
                let exact = || values[group].iter().flatten().count() as f64;
                if is_blurred(rows) { blur.count(rows, &values[group]) } else { exact() }
            };
            let neighbours = if how < Groups::Smoothed { 1 } else { NEIGHBOURS };
            let whole = Whole::of(measure.statistic, &groups, &values, unit_type, secret, neighbours);
            let all: f64 = groups.iter().map(count).sum();
            for (group, rows) in &groups {
                let found = match measure.statistic {
                    // All rows of the table, as they are counted group by group.
                    Statistic::Percent => number(100.0 * count((group, rows)) / all.max(1.0)),
                    _ if is_blurred(rows) => blur.statistic(rows, &values[group]),
                    _ => of_small_group(measure.statistic, rows, &values[group], &whole),
                };
                measured.entry(group.clone()).or_default().push(match found {
                    Some(Value::Number(found)) => number(found + 0.0),
                    text => text,
                });
            }
        }
        let bounds = |(at, measure): (usize, &Measure)| measure.statistic.bounds(bounds(at));
        Self {
            groups: measured,
            bounds: preparation.measures.iter().enumerate().map(bounds).collect(),
            of_several: of_several || nested,
        }
    }
}

/// How far the numbers of all groups are apart.
fn reach(values: &BTreeMap<&String, Vec<Datum>>) -> f64 {
    let mut numbers: Vec<f64> = Vec::new();
    for value in values.values().flatten().flatten() {
        match value {
            Value::Number(number) => numbers.push(*number),
            Value::Text(_) => return 0.0,
        }
    }
    numbers.sort_unstable_by(f64::total_cmp);
    numbers.first().zip(numbers.last()).map_or(0.0, |(least, most)| most - least)
}

/// What a statistic of a row needs to know of the whole table.
#[derive(Default)]
struct Whole<'a> {
    /// Smallest value of each part but the first: a value is in the part of the last border below it.
    borders: Vec<f64>,
    drawn: BTreeSet<&'a str>,
}

impl<'a> Whole<'a> {
    fn of(
        statistic: Statistic,
        groups: &BTreeMap<String, Vec<Counted<'a>>>,
        values: &BTreeMap<&String, Vec<Datum>>,
        unit_type: UnitType,
        secret: &[u8; 32],
        neighbours: usize,
    ) -> Self {
        let mut whole = Self::default();
        match statistic {
            Statistic::Quantile { parts } => {
                let all: Vec<Value> = values.values().flatten().flatten().cloned().collect();
                let sorted = ascending(&all);
                let border = |part: u32| about(&sorted, f64::from(part) / f64::from(parts), neighbours);
                whole.borders = (1..parts).filter_map(border).collect();
            }
            Statistic::Drawn { size, seed } => {
                let units: Vec<&str> = groups.values().flatten().map(|row| row.unit).collect();
                whole.drawn = drawn(units, unit_type, secret, size, seed);
            }
            _ => {}
        }
        whole
    }
}

/// A statistic of a group that stays as it is.
fn of_small_group(statistic: Statistic, rows: &[Counted<'_>], values: &[Datum], whole: &Whole<'_>) -> Datum {
    let values: Vec<Value> = values.iter().flatten().cloned().collect();
    match statistic {
        Statistic::Count => number(values.len() as f64),
        Statistic::Drawn { .. } => {
            let [row] = rows else { panic!("a row is drawn, not a group") };
            number(f64::from(u8::from(whole.drawn.contains(row.unit))))
        }
        Statistic::Value | Statistic::Quantile { .. } if rows.len() != 1 => panic!("a group of one row"),
        Statistic::Value => values.into_iter().next(),
        Statistic::Min | Statistic::Max if matches!(values.first(), Some(Value::Text(_))) => {
            first_or_last(statistic, values)
        }
        _ => of_numbers(statistic, &ascending(&values), &whole.borders).and_then(number),
    }
}

/// Of texts, by their bytes.
fn first_or_last(statistic: Statistic, values: Vec<Value>) -> Datum {
    let mut texts: Vec<String> = values
        .into_iter()
        .map(|value| match value {
            Value::Text(text) => text,
            Value::Number(_) => panic!("a column has texts or numbers"),
        })
        .collect();
    texts.sort();
    let text = if statistic == Statistic::Min { texts.into_iter().next() } else { texts.pop() };
    text.map(Value::Text)
}

/// A statistic of ascending numbers; none where it is missing. A quantile is the part between these borders that the first is in.
fn of_numbers(statistic: Statistic, values: &[f64], borders: &[f64]) -> Option<f64> {
    let n = values.len() as f64;
    let deviation = || {
        let mean = mean(values)?;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        (n > 1.0).then(|| (squares / (n - 1.0)).sqrt())
    };
    let quantile = |share: f64| {
        // From 1: between two values, in proportion.
        values.first()?;
        let place = 1.0 + share * (n - 1.0);
        let below = *values.get(place.floor() as usize - 1)?;
        let above = *values.get(place.ceil() as usize - 1)?;
        Some(below + place.fract() * (above - below))
    };
    match statistic {
        Statistic::Sum => Some(values.iter().sum()),
        Statistic::Mean => mean(values),
        Statistic::Min => values.first().copied(),
        Statistic::Max => values.last().copied(),
        Statistic::Median => quantile(0.5),
        Statistic::InterquartileRange => Some(quantile(0.75)? - quantile(0.25)?),
        Statistic::StandardDeviation => deviation(),
        Statistic::StandardErrorOfMean => Some(deviation()? / n.sqrt()),
        Statistic::StandardErrorOfShare => mean(values).map(|p| (p * (1.0 - p) / n).sqrt()),
        Statistic::Gini => {
            let sum: f64 = values.iter().sum();
            let weighted = |(i, x): (usize, &f64)| (2.0 * (i + 1) as f64 - n - 1.0) * x;
            (sum > 0.0).then(|| values.iter().enumerate().map(weighted).sum::<f64>() / (n * sum))
        }
        Statistic::Quantile { .. } => {
            let value = values.first()?;
            Some(borders.iter().filter(|border| *border < value).count() as f64)
        }
        Statistic::Count | Statistic::Percent | Statistic::Value | Statistic::Drawn { .. } => {
            unreachable!("no statistic of numbers alone")
        }
    }
}

fn ascending(values: &[Value]) -> Vec<f64> {
    let number = |value: &Value| match value {
        Value::Number(number) => *number,
        Value::Text(_) => panic!("a text where a number is measured"),
    };
    let mut numbers: Vec<f64> = values.iter().map(number).collect();
    numbers.sort_unstable_by(f64::total_cmp);
    numbers
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Mean of so many values about the place of a share of ascending values, or of all where there are not so many: half from before it, it,
/// and the rest from behind, moved inwards at the ends.
fn about(values: &[f64], share: f64, neighbours: usize) -> Option<f64> {
    let last = values.len().checked_sub(1)?;
    let middle = (share * last as f64).round() as usize;
    let mut from = middle.saturating_sub(neighbours / 2);
    while from > 0 && from + neighbours > values.len() {
        from -= 1;
    }
    mean(&values[from..values.len().min(from + neighbours)])
}

/// The units that are drawn: by a number that follows from record key, size and seed.
fn drawn<'a>(
    mut units: Vec<&'a str>,
    unit_type: UnitType,
    secret: &[u8; 32],
    size: SampleSize,
    seed: u64,
) -> BTreeSet<&'a str> {
    let draw = |unit: &str| -> u64 {
        let (kind, count) = match size {
            SampleSize::Units(count) => (0, count),
            SampleSize::Chance(chance) => (1, chance),
        };
        let mut message = b"sample".to_vec();
        message.push(kind);
        message.extend(count.to_le_bytes());
        message.extend(seed.to_le_bytes());
        record_key(secret, unit_type, unit).iter().for_each(|limb| message.extend(limb.to_le_bytes()));
        let hash = digest::digest(&digest::SHA256, &message);
        u64::from_le_bytes(hash.as_ref()[..8].try_into().expect("eight bytes"))
    };
    match size {
        SampleSize::Chance(chance) => {
            units.retain(|unit| draw(unit) < u64::from(chance) << 32);
            units.into_iter().collect()
        }
        SampleSize::Units(count) => {
            units.sort_by_key(|unit| (draw(unit), *unit));
            units.into_iter().take(count as usize).collect()
        }
    }
}

#[cfg(test)]
mod tests;
