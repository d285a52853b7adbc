//! What there is to ask about: datastores, variables, code lists and the dates they have.

use serde::{Deserialize, Serialize};

use crate::value::Range;
use crate::{DatastoreId, Day, Hash, OwnerId, UnitType, VariableName, Version};

/// One release of one datastore, as its owner publishes it. Public metadata only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Datastore {
    /// Name researchers write after `require`.
    pub id: DatastoreId,
    /// Who holds the data.
    pub owner: OwnerId,
    /// This release.
    pub version: Version,
    /// In name order.
    pub variables: Vec<Variable>,
}

/// A register variable: what a dataset of the dataset format holds, without its data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Variable {
    /// Name after the slash in `db/NAME`.
    pub name: VariableName,
    /// What it says, in the best language present (nb, no, nn, en).
    pub title: String,
    /// Longer text; may be empty.
    pub description: String,
    /// What each row is about.
    pub unit_type: UnitType,
    /// When its values hold.
    pub temporality: Temporality,
    /// How sensitive the owner says it is.
    pub sensitivity: Sensitivity,
    /// Which values there are.
    pub domain: ValueDomain,
    /// For which dates there are values.
    pub dates: AvailableDates,
    /// Public constants of its numbers; none for texts and pointers.
    pub range: Option<Range>,
    /// Hash of the data file, so that an answer names exactly what it was computed from.
    pub data: Hash,
}

/// When a value holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Temporality {
    /// Does not change.
    Fixed,
    /// Measured on a day.
    Status,
    /// A total over a period.
    Accumulated,
    /// Holds from a day, to a day or still.
    Event,
}

/// The owner's own grading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs)] // The names are the dataset format's own.
pub enum Sensitivity {
    PersonGeneral,
    PersonSpecial,
    Public,
    Nonpublic,
}

/// How values are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DataType {
    /// Text.
    String,
    /// Whole number.
    Long,
    /// Number.
    Double,
    /// A day; in expressions the number of days since 1970-01-01.
    Date,
}

/// Which values a variable has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ValueDomain {
    /// One of a list of codes.
    Codes {
        /// How codes are written.
        data_type: DataType,
        /// In the owner's order. A code may stand several times, for periods that do not overlap.
        codes: Vec<Code>,
        /// Codes for "unknown", "not asked" and the like.
        sentinels: Vec<Sentinel>,
    },
    /// Anything of a type.
    Described {
        /// How values are written.
        data_type: DataType,
        /// What is measured.
        description: String,
        /// Unit of measurement, such as NOK; may be empty.
        unit: String,
    },
    /// Another unit: usable only in `by()` and `on`, never in an expression or table (rule 15).
    Pointer {
        /// Kind of the unit pointed at.
        unit_type: UnitType,
    },
}

/// One code of a code list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Code {
    /// As it stands in the data.
    pub code: String,
    /// What it means.
    pub title: String,
    /// First day it is used.
    pub valid_from: Day,
    /// Last day it is used; none: still used.
    pub valid_until: Option<Day>,
}

/// A code that says why there is no value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sentinel {
    /// As it stands in the data.
    pub code: String,
    /// What it means.
    pub title: String,
}

/// For which dates a variable can be imported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum AvailableDates {
    /// FIXED: takes no date.
    None,
    /// STATUS: exactly these days, ascending.
    Days {
        /// Days on which there is a measurement.
        days: Vec<Day>,
    },
    /// ACCUMULATED: any day within one of these periods, ascending by start.
    Periods {
        /// First and last day of each period, both included.
        periods: Vec<(Day, Day)>,
    },
    /// EVENT: any day from the first start to the last known day.
    Range {
        /// First start in the data.
        first: Day,
        /// Last start or stop in the data.
        last: Day,
    },
}

impl Variable {
    /// How its values are written; none for a pointer.
    pub fn data_type(&self) -> Option<DataType> {
        match &self.domain {
            ValueDomain::Codes { data_type, .. } | ValueDomain::Described { data_type, .. } => {
                Some(*data_type)
            }
            ValueDomain::Pointer { .. } => None,
        }
    }
}

impl Datastore {
    /// The variable of this name.
    pub fn variable(&self, name: &VariableName) -> Option<&Variable> {
        self.variables.iter().find(|variable| variable.name == *name)
    }
}

/// All releases that a federation's nodes offer, or those that a session has pinned.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Catalogue {
    /// In order of id, then version.
    pub datastores: Vec<Datastore>,
}

impl Catalogue {
    /// The newest release of `id` with this major version.
    pub fn release(&self, id: &DatastoreId, major: u32) -> Option<&Datastore> {
        self.datastores
            .iter()
            .filter(|datastore| datastore.id == *id && datastore.version.major == major)
            .max_by_key(|datastore| datastore.version)
    }
}
