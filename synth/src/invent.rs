//! Believable datasets from metadata alone: what `kobling synth` makes.
//!
//! A folder of metadata files in the dataset format says which variables there are; data is made for each, over units
//! that exist in all of them. No real distribution is behind it: weights, ranges and dependences come from the seed
//! and from what the metadata says.
//!
//! Every value is a function of the seed, the variable and the unit ([`chance`]), and every pointer is computed. So a
//! variable's content does not depend on which other files are in the folder, memory does not grow with the number of
//! people, and the same [`Settings`] give the same bytes.
//!
//! Reading order: [`people`] and [`units`] say who there is and who belongs to whom; [`metadata`] what is asked for;
//! [`codes`] and [`described`] draw values; [`rows`] gives them dates; [`output`] writes.

mod codes;
mod described;
mod fault;
mod identity;
mod json;
mod metadata;
mod output;
mod people;
mod period;
mod ranges;
mod rows;
mod shape;
mod units;

use std::collections::BTreeMap;

use kobling_model::UnitType;

pub use fault::{Fault, FaultKind, Faults, SHOWN_MAX};
pub use metadata::{MetadataError, Variable, read_metadata};
pub use output::{DatasetSummary, InventError, Step, Summary, invent};
pub use people::{PEOPLE_MAX, TooManyPeople};
pub use period::{NotAPeriod, Period};
pub use ranges::{Range, Ranges, read_ranges};
pub use units::UnusableCount;

/// What to make, apart from the variables.
#[derive(Clone, Debug)]
pub struct Settings {
    /// People, from 1 to [`PEOPLE_MAX`].
    pub people: u32,
    /// Equal seeds make equal data.
    pub seed: u64,
    /// The days that the data is about.
    pub period: Period,
    /// Units of types other than PERSON, where they are not to be in proportion to the people.
    pub units: BTreeMap<UnitType, u32>,
    /// What is known of values.
    pub ranges: Ranges,
}
