//! What an owner prepares by itself before it takes part in a question: tables over its own registers.
//!
//! A plan has no datasets. What `collapse`, `aggregate`, `merge`, `sample` and the like make of one owner's registers is a
//! *preparation*: rows, grouped by a key, with a few statistics of each group. Fragments take columns from it as they do from registers.
//! All of it is computed at the owner, in clear, and depends on the plan alone.

use serde::{Deserialize, Serialize};

use crate::expression::{Expression, ValueType};
use crate::interval::Interval;
use crate::plan::Source;
use crate::{Day, UnitType};

/// A table of one owner: one row for each key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Preparation {
    /// The rows that are grouped.
    pub rows: Rows,
    /// Columns of these rows; expressions refer to them by index.
    pub sources: Vec<Column>,
    /// A row counts only where every filter is true.
    pub filters: Vec<Expression>,
    /// What rows are grouped by. A row whose key is missing is in no group.
    pub by: By,
    /// Columns of the table.
    pub measures: Vec<Measure>,
    /// Further rows of the same units, grouped together with these: those of a panel's later dates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<Layer>,
}

/// Rows of a panel at one of its dates: a row for each unit that has a value in a source. Only of units, not of spells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Layer {
    /// The source in which a row has a value.
    pub presence: usize,
    /// A row counts only where every filter is true.
    pub filters: Vec<Expression>,
    /// What rows are grouped by; of the same kind as in the rows above.
    pub by: By,
    /// What is measured, for each column of the table.
    pub values: Vec<Expression>,
}

/// Rows before they are grouped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rows {
    /// A row for each unit of a type that has a value in the first source.
    Units(UnitType),
    /// A row for each spell of an EVENT variable that has a day between two, both included.
    Spells {
        /// The variable, without a date.
        variable: Source,
        /// What its rows are about.
        unit_type: UnitType,
        /// First day.
        first: Day,
        /// Last day.
        last: Day,
    },
}

impl Rows {
    /// What a row is about, or belongs to.
    pub fn unit_type(&self) -> UnitType {
        match self {
            Self::Units(unit_type) | Self::Spells { unit_type, .. } => *unit_type,
        }
    }
}

/// What rows are grouped by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// The row's own unit.
    Unit,
    /// The unit that a pointer names.
    Pointer {
        /// The pointer, at a date.
        pointer: Source,
        /// What it points to.
        unit_type: UnitType,
    },
    /// Values.
    Values(Vec<Expression>),
}

/// A column of a table: a statistic of each group's rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    /// Which statistic.
    pub statistic: Statistic,
    /// Of what. A row where it is missing does not count.
    pub value: Expression,
    /// What the column's values are.
    pub value_type: ValueType,
    /// Whether values are of a public list: the smallest and largest then stay among them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub of_codes: bool,
}

/// A statistic of a group's values that are not missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Statistic {
    /// The value of the group's only row.
    Value,
    /// How many there are; 0 where all are missing.
    Count,
    /// Their sum; 0 where all are missing.
    Sum,
    /// Arithmetic mean.
    Mean,
    /// Smallest.
    Min,
    /// Largest.
    Max,
    /// The middle one, or the mean of the two in the middle.
    Median,
    /// Standard deviation, with n − 1.
    StandardDeviation,
    /// Standard error of the mean: standard deviation by √n.
    StandardErrorOfMean,
    /// Standard error of a share: √(p(1 − p)/n), with p the mean.
    StandardErrorOfShare,
    /// How many there are, in percent of all rows of the table that have a value.
    Percent,
    /// Third quartile less first: both by linear interpolation between the neighbours of 1 + p(n − 1).
    InterquartileRange,
    /// Gini's coefficient: Σᵢ(2i − n − 1)xᵢ / (n Σᵢxᵢ) over ascending values; missing where the sum is not above zero.
    Gini,
    /// In which of so many parts of equal size a row is among all rows of the table, from 0; equal values are in the same, the lowest. For tables by unit.
    Quantile {
        /// How many parts.
        parts: u32,
    },
    /// 1 where the row is drawn, 0 where not. For tables by unit.
    Drawn {
        /// How many rows, or which part of them.
        size: SampleSize,
        /// The same seed and size draw the same units.
        seed: u64,
    },
}

/// How much a sample is of what it is drawn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SampleSize {
    /// So many units, or all where there are fewer.
    Units(u32),
    /// Each unit with this chance, in parts of 2³².
    Chance(u32),
}

/// A column of values that expressions refer to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Column {
    /// A register variable at a date, of the row's unit.
    Register(Source),
    /// Whether the row's unit has a pointer: 1 where it has one, missing where not. What it points to is in no expression (rule 15).
    Pointer(Source),
    /// 1 where at least one of these columns has a value; missing where none has.
    Either(Vec<Self>),
    /// A part of the row's spell.
    Spell {
        /// The variable whose spell it is, without a date.
        variable: Source,
        /// Which part.
        part: SpellPart,
    },
    /// A column of a table that stands before, in the row that the key names.
    Prepared {
        /// Which table.
        preparation: usize,
        /// Which of its measures.
        measure: usize,
        /// By what a row finds its row in the table.
        key: Key,
        /// What its values are.
        value_type: ValueType,
    },
}

/// A part of a spell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpellPart {
    /// The variable's value in it.
    Value,
    /// Its first day, in days since 1970-01-01.
    Start,
    /// Its last day; missing where it still holds.
    Stop,
}

/// By what a row finds its row in a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Key {
    /// Its own unit.
    Unit,
    /// The unit that a pointer of its own names.
    Pointer(Source),
    /// Values, over the columns before this one.
    Values(Vec<Expression>),
}

impl Column {
    /// What its values are.
    pub fn value_type(&self) -> ValueType {
        match self {
            Self::Register(source) => source.value_type,
            Self::Pointer(_) | Self::Either(_) => ValueType::Number,
            Self::Spell { variable, part: SpellPart::Value } => variable.value_type,
            Self::Spell { part: SpellPart::Start | SpellPart::Stop, .. } => ValueType::Number,
            Self::Prepared { value_type, .. } => *value_type,
        }
    }

    /// The register variable that it is, if it is one.
    pub fn register(&self) -> Option<&Source> {
        match self {
            Self::Register(source) | Self::Pointer(source) => Some(source),
            Self::Spell { .. } | Self::Prepared { .. } | Self::Either(_) => None,
        }
    }
}

impl Preparation {
    /// Number of nodes and columns, as a measure of work; the checker bounds it.
    pub fn size(&self) -> usize {
        let of_measures: usize = self.measures.iter().map(|measure| 1 + measure.value.size()).sum();
        let rows = self.by.size() + self.filters.iter().map(Expression::size).sum::<usize>() + of_measures;
        rows + self.sources.len() + self.layers.iter().map(Layer::size).sum::<usize>()
    }

    /// Register variables that it reads, in no order.
    pub fn registers(&self) -> impl Iterator<Item = &Source> {
        let spells = match &self.rows {
            Rows::Spells { variable, .. } => Some(variable),
            Rows::Units(_) => None,
        };
        let by = std::iter::once(&self.by).chain(self.layers.iter().map(|layer| &layer.by));
        let by = by.filter_map(|by| match by {
            By::Pointer { pointer, .. } => Some(pointer),
            By::Unit | By::Values(_) => None,
        });
        self.sources.iter().flat_map(Column::registers).chain(spells).chain(by)
    }
}

impl Layer {
    fn size(&self) -> usize {
        self.by.size() + self.filters.iter().chain(&self.values).map(Expression::size).sum::<usize>()
    }
}

impl By {
    fn size(&self) -> usize {
        match self {
            Self::Values(values) => values.iter().map(Expression::size).sum(),
            Self::Unit | Self::Pointer { .. } => 1,
        }
    }
}

impl Column {
    /// Register variables that it reads itself, its key's among them.
    pub fn registers(&self) -> Box<dyn Iterator<Item = &Source> + '_> {
        match self {
            Self::Prepared { key: Key::Pointer(pointer), .. } => Box::new(std::iter::once(pointer)),
            Self::Either(of) => Box::new(of.iter().flat_map(Self::registers)),
            _ => Box::new(self.register().into_iter()),
        }
    }
}

impl Statistic {
    /// As many values as a group can have: so many rows a register can have.
    const COUNT: Interval = Interval { low: 0.0, high: u32::MAX as f64, whole: true };

    /// Whether its bounds are those of the number of values, far from what any group has: of use only within what bounds it again.
    pub fn is_of_any_size(self) -> bool {
        matches!(self, Self::Count | Self::Sum)
    }

    /// Bounds of the statistic where each value lies within `value`.
    pub fn bounds(self, value: Option<Interval>) -> Option<Interval> {
        let width =
            |part: f64| value.and_then(|value| Interval::new(0.0, part * (value.high - value.low), false));
        match self {
            Self::Value | Self::Min | Self::Max => value,
            Self::Mean | Self::Median => value.map(|value| Interval { whole: false, ..value }),
            Self::Count => Some(Self::COUNT),
            Self::Sum => value.and_then(|value| {
                let ends = [value.low.min(0.0), value.high.max(0.0)].map(|end| end * Self::COUNT.high);
                Interval::new(ends[0], ends[1], value.whole)
            }),
            // Two values, one at either end, have the largest.
            Self::StandardDeviation => width(std::f64::consts::FRAC_1_SQRT_2),
            Self::StandardErrorOfMean => width(0.5),
            Self::InterquartileRange => width(1.0),
            Self::StandardErrorOfShare => Interval::new(0.0, 0.5, false),
            Self::Percent => Interval::new(0.0, 100.0, false),
            Self::Gini => value.filter(|value| value.low >= 0.0).and(Interval::new(0.0, 1.0, false)),
            Self::Quantile { parts } => Interval::new(0.0, f64::from(parts.max(1) - 1), true),
            Self::Drawn { .. } => Interval::new(0.0, 1.0, true),
        }
    }

    /// Whether the result is a number also where values are texts.
    pub fn is_of_texts(self) -> bool {
        matches!(self, Self::Value | Self::Count | Self::Min | Self::Max | Self::Percent)
    }
}
