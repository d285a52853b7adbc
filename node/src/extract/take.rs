//! Columns of rows: from registers, from a row's spell, and from tables that were prepared before.
//!
//! Rows are units in order of number, or spells in order of unit. Whatever a column comes from, it ends as one dense value a row.

use std::sync::atomic::AtomicBool;

use datafusion::arrow::datatypes::SchemaRef;
use kobling_model::catalogue::{Temporality, ValueDomain, Variable};
use kobling_model::expression::ValueType;
use kobling_model::interval::Interval;
use kobling_model::plan::Source;
use kobling_model::preparation::{Column, Key, SpellPart};
use kobling_model::{Day, UnitType};

use super::columns::{self, Dense, NO_UNIT, Reader};
use super::expression::{Compiled, Compiler};
use super::prepare::{Keys, Known, Table};
use super::{BATCH_UNITS, ExtractError, Kind, Moment, Read, proceed, value_type, wrong};
use crate::register::RegisterStore;

/// Columns of one kind of rows.
pub(super) struct Takes {
    takes: Vec<Take>,
    pub(super) types: Vec<ValueType>,
    pub(super) schema: SchemaRef,
}

/// How a column is had.
enum Take {
    Register(Read),
    /// 1 where there is a pointer.
    Pointer(Read),
    Spell(SpellPart),
    Prepared {
        table: usize,
        measure: usize,
        key: TakeKey,
    },
    Either(Vec<Take>),
}

enum TakeKey {
    Unit,
    Pointer(Read),
    Values(Vec<Compiled>),
}

/// A spell of each row, in order of unit.
pub(super) struct Spells {
    /// The row's unit.
    pub(super) units: Vec<u32>,
    pub(super) value: Dense,
    pub(super) start: Dense,
    pub(super) stop: Dense,
}

/// A range of units whose rows are looked at, and all that columns of them are read from.
pub(super) struct Stretch<'a> {
    pub(super) first: u32,
    pub(super) count: usize,
    /// Units of this type.
    pub(super) units: u32,
    pub(super) spells: Option<&'a Spells>,
    pub(super) tables: &'a [Table],
    pub(super) reader: &'a Reader,
    pub(super) stop: &'a AtomicBool,
}

impl Stretch<'_> {
    /// Number of rows.
    pub(super) fn rows(&self) -> usize {
        self.spells.map_or(self.count, |spells| spells.units.len())
    }

    /// The unit of a row.
    pub(super) fn unit(&self, row: usize) -> u32 {
        self.spells.map_or(self.first + row as u32, |spells| spells.units[row])
    }

    /// A column by unit as one by row.
    fn by_row(&self, by_unit: Dense) -> Dense {
        match self.spells {
            None => by_unit,
            Some(spells) => {
                by_unit.gather(spells.units.iter().map(|unit| Some((unit - self.first) as usize)))
            }
        }
    }

    /// What a pointer of each row's unit points to.
    pub(super) async fn pointed(&self, read: &Read) -> Result<Vec<u32>, ExtractError> {
        match self.read(read).await? {
            Dense::Units(units) => Ok(units),
            _ => Err(wrong("a key is no pointer")),
        }
    }

    async fn read(&self, read: &Read) -> Result<Dense, ExtractError> {
        let by_unit = self.reader.read(read, self.first, self.count, self.units, self.stop).await?;
        Ok(self.by_row(by_unit))
    }
}

impl Takes {
    /// Binds the columns of a plan to this node's files; a table's are those of `tables` before it.
    pub(super) fn prepare(
        store: &RegisterStore,
        unit_type: UnitType,
        columns: &[Column],
        tables: &[Known],
    ) -> Result<Self, ExtractError> {
        let types: Vec<_> = columns.iter().map(Column::value_type).collect();
        let compiler = Compiler::new(&types)?;
        let mut takes = Vec::with_capacity(columns.len());
        for (at, column) in columns.iter().enumerate() {
            takes.push(Self::take(store, unit_type, column, tables, (&compiler, at))?);
        }
        Ok(Self { takes, schema: compiler.schema(), types })
    }

    /// How one column is had; expressions in it are over those before its place.
    fn take(
        store: &RegisterStore,
        unit_type: UnitType,
        column: &Column,
        tables: &[Known],
        (compiler, at): (&Compiler<'_>, usize),
    ) -> Result<Take, ExtractError> {
        Ok(match column {
            Column::Register(source) => Take::Register(register(store, source, unit_type)?),
            Column::Pointer(source) => Take::Pointer(pointer(store, source, unit_type, None)?),
            Column::Spell { part, .. } => Take::Spell(*part),
            Column::Either(of) => {
                let nested = |column: &Column| match column {
                    Column::Either(_) => Err(wrong("either of either")),
                    column => Self::take(store, unit_type, column, tables, (compiler, at)),
                };
                Take::Either(of.iter().map(nested).collect::<Result<_, _>>()?)
            }
            Column::Prepared { preparation, measure, key, value_type } => {
                let table = tables.get(*preparation).ok_or(wrong("there is no such table"))?;
                if table.types.get(*measure) != Some(value_type) {
                    return Err(wrong("a table has no such column"));
                }
                let key = match key {
                    Key::Unit => TakeKey::Unit,
                    Key::Pointer(source) => TakeKey::Pointer(pointer(store, source, unit_type, None)?),
                    Key::Values(values) => {
                        let compiled = values.iter().map(|value| Ok(compiler.compile(value)?.0));
                        let compiled = compiled.collect::<Result<Vec<_>, ExtractError>>()?;
                        let earlier = |of: &Compiled| of.sources.iter().all(|source| *source < at);
                        if compiled.len() != table.keys || !compiled.iter().all(earlier) {
                            return Err(wrong("a key does not fit its table"));
                        }
                        TakeKey::Values(compiled)
                    }
                };
                Take::Prepared { table: *preparation, measure: *measure, key }
            }
        })
    }

    /// All columns of a stretch's rows.
    pub(super) async fn read(&self, stretch: &Stretch<'_>) -> Result<Vec<Dense>, ExtractError> {
        let rows = stretch.rows();
        let mut columns: Vec<Dense> = self.types.iter().map(|of| Dense::missing(*of, rows)).collect();
        for (at, take) in self.takes.iter().enumerate() {
            proceed(stretch.stop)?;
            columns[at] = self.column(take, &columns, stretch).await?;
        }
        Ok(columns)
    }

    /// One column of a stretch's rows, over those before it.
    async fn column(
        &self,
        take: &Take,
        columns: &[Dense],
        stretch: &Stretch<'_>,
    ) -> Result<Dense, ExtractError> {
        let rows = stretch.rows();
        match take {
            Take::Register(read) => stretch.read(read).await,
            Take::Pointer(read) => Ok(stretch.read(read).await?.presence()),
            Take::Spell(part) => {
                let spells = stretch.spells.ok_or(wrong("a part of a spell of a unit"))?;
                Ok(match part {
                    SpellPart::Value => spells.value.clone(),
                    SpellPart::Start => spells.start.clone(),
                    SpellPart::Stop => spells.stop.clone(),
                })
            }
            Take::Either(of) => {
                let mut there = vec![f64::NAN; rows];
                for take in of {
                    let column = Box::pin(self.column(take, columns, stretch)).await?;
                    let has = (0..rows).filter(|row| !column.is_missing(*row));
                    has.for_each(|row| there[row] = 1.0);
                }
                Ok(Dense::Numbers(there))
            }
            Take::Prepared { table, measure, key } => {
                let table = &stretch.tables[*table];
                let places = self.places(table, key, columns, stretch).await?;
                Ok(table.columns[*measure].gather(places.into_iter()))
            }
        }
    }

    /// The row of a table that each row finds by its key.
    async fn places(
        &self,
        table: &Table,
        key: &TakeKey,
        columns: &[Dense],
        stretch: &Stretch<'_>,
    ) -> Result<Vec<Option<usize>>, ExtractError> {
        let rows = stretch.rows();
        match key {
            TakeKey::Unit => Ok((0..rows).map(|row| table.of_unit(stretch.unit(row))).collect()),
            TakeKey::Pointer(read) => {
                let units = stretch.pointed(read).await?;
                Ok(units.into_iter().map(|unit| table.of_unit(unit).filter(|_| unit != NO_UNIT)).collect())
            }
            TakeKey::Values(values) => {
                let mut places = Vec::with_capacity(rows);
                let sources: Vec<usize> = values.iter().flat_map(|value| value.sources.clone()).collect();
                for from in (0..rows).step_by(BATCH_UNITS) {
                    proceed(stretch.stop)?;
                    let count = BATCH_UNITS.min(rows - from);
                    let batch = columns::batch(&self.schema, columns, &sources, from, count)?;
                    let keys = Keys::of(values, &batch)?;
                    places.extend((0..count).map(|row| table.of_values(&keys, row)));
                }
                Ok(places)
            }
        }
    }

    /// Secret bounds of each column (rule 2): those of the register, and what follows from them.
    pub(super) fn bounds(
        store: &RegisterStore,
        columns: &[Column],
        tables: &[Vec<Option<Interval>>],
    ) -> Vec<Option<Interval>> {
        let bounds = |column: &Column| match column {
            Column::Register(source) => of_register(store, source),
            Column::Spell { variable, part: SpellPart::Value } => of_register(store, variable),
            Column::Pointer(_) | Column::Either(_) => Interval::point(1.0),
            Column::Spell { part: SpellPart::Start | SpellPart::Stop, .. } => None,
            Column::Prepared { preparation, measure, .. } => {
                tables.get(*preparation).and_then(|table| *table.get(*measure)?)
            }
        };
        columns.iter().map(bounds).collect()
    }
}

fn of_register(store: &RegisterStore, source: &Source) -> Option<Interval> {
    let constants = store.winsorised(source)?;
    Interval::new(constants.low, constants.high, false)
}

/// A variable that a plan names, which must be about units of a type, and its file.
fn find<'a>(
    store: &'a RegisterStore,
    source: &Source,
    unit_type: UnitType,
) -> Result<(&'a Variable, String), ExtractError> {
    let variable = || source.variable.clone();
    let (found, file) =
        store.find(source).ok_or_else(|| ExtractError::NoSuchVariable { variable: variable() })?;
    if found.data != source.data {
        return Err(ExtractError::OtherData { variable: variable() });
    }
    if found.unit_type != unit_type {
        return Err(ExtractError::UnitType { variable: variable() });
    }
    store.check_source(source)?;
    Ok((found, file))
}

/// A register variable with values, about units of a type.
fn register(store: &RegisterStore, source: &Source, unit_type: UnitType) -> Result<Read, ExtractError> {
    let (found, file) = find(store, source, unit_type)?;
    let variable = source.variable.clone();
    if value_type(&found.domain) != Some(source.value_type) {
        return Err(ExtractError::ValueType { variable });
    }
    let moment = super::moment(found.temporality, &found.dates, source);
    let Some(moment) = moment else { return Err(ExtractError::Date { variable }) };
    Ok(Read { variable, kind: Kind::of(source.value_type), file, moment })
}

/// A pointer of units of a type; where `to` is given, to units of that type.
pub(super) fn pointer(
    store: &RegisterStore,
    source: &Source,
    unit_type: UnitType,
    to: Option<UnitType>,
) -> Result<Read, ExtractError> {
    let (found, file) = find(store, source, unit_type)?;
    let variable = source.variable.clone();
    match found.domain {
        ValueDomain::Pointer { unit_type: target } if to.is_none_or(|to| to == target) => {}
        _ => return Err(ExtractError::ValueType { variable }),
    }
    let moment = super::moment(found.temporality, &found.dates, source);
    let Some(moment) = moment else { return Err(ExtractError::Date { variable }) };
    Ok(Read { variable, kind: Kind::Unit, file, moment })
}

/// The rows of an EVENT variable that have a day in a period.
pub(super) fn spells(
    store: &RegisterStore,
    source: &Source,
    unit_type: UnitType,
    first: Day,
    last: Day,
) -> Result<Read, ExtractError> {
    let (found, file) = find(store, source, unit_type)?;
    let variable = source.variable.clone();
    if value_type(&found.domain) != Some(source.value_type) {
        return Err(ExtractError::ValueType { variable });
    }
    if found.temporality != Temporality::Event || last < first {
        return Err(ExtractError::Date { variable });
    }
    Ok(Read { variable, kind: Kind::of(source.value_type), file, moment: Moment::Touches(first, last) })
}
