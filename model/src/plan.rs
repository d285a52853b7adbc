//! A researcher's script, checked and bound: what each owner computes in clear, and what is computed on
//! shares.
//!
//! A plan is a list of questions in script order. Each is a table, the floor check of a population that an
//! import has made, or whether an edit is carried out. The broker and every node derive the plan from the script,
//! the pinned catalogue and the outcomes of earlier edits on their own, and compare hashes.
//!
//! Whatever the outcomes, a script asks the same questions at the same places of the list; and up to and with an edit's
//! own question the plans with either outcome of it are the same, but for [`Plan::edits`].

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::expression::{Expression, Value, ValueType};
use crate::joint::{Joint, Sum, WholeNumber};
use crate::preparation::{Column, Preparation};
use crate::record::RegisterVariable;
use crate::value::ValueColumn;
use crate::{DatastoreId, Day, Hash, OwnerId, UnitType, VariableName, Version};

/// Everything that a script asks, in order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Releases that the script has connected, in order of id.
    pub releases: Vec<Release>,
    /// Outcomes of edits that the plan was made with, in script order: whether each was carried out. Edits
    /// beyond the list count as carried out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edits: Vec<bool>,
    /// Questions in script order.
    pub questions: Vec<Question>,
    /// Labels that the script asks to see, in script order. They are public, and nobody is asked for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub listings: Vec<Listing>,
}

/// Values with their labels, for people: what `list-labels` shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Listing {
    /// Line of the script, from 1.
    pub line: u32,
    /// The code list or register variable, as written.
    pub name: String,
    /// Value as written in a script, and label, in the order shown.
    pub labels: Vec<(String, String)>,
}

/// A pinned release of a datastore.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Release {
    /// The datastore.
    pub datastore: DatastoreId,
    /// The exact version.
    pub version: Version,
    /// Who holds it.
    pub owner: OwnerId,
}

/// One protected result: a table, or the size of a population.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Question {
    /// Line of the script, from 1.
    pub line: u32,
    /// The statement as written, with the values of bindings in place, for people.
    pub text: String,
    /// What is asked.
    pub kind: QuestionKind,
    /// What every row is about.
    pub unit_type: UnitType,
    /// Side of the population's owner: that of the dataset's first import. It carries the record keys.
    pub left: Fragment,
    /// Side of the second owner, if the question has one: the second worker. Its units outside the population never count.
    pub right: Option<Fragment>,
    /// Sides of further owners, in order of name. They share their columns to the two workers.
    pub others: Vec<Fragment>,
    /// Sums of several owners' numbers that joint columns are made of.
    pub sums: Vec<Sum>,
    /// Dimensions of the table that nobody owns.
    pub joints: Vec<Joint>,
    /// Conditions over several owners' values: a unit counts only where each has a category. Those of the dataset stand first.
    pub conditions: Vec<Joint>,
    /// How many of the conditions, the last, are the question's alone.
    #[serde(default, skip_serializing_if = "is_none")]
    pub conditions_of_question: usize,
}

/// What is asked of the counted population.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum QuestionKind {
    /// Rule 1: the population of a dataset after an import, one cell. Only whether it passes becomes known.
    Population {
        /// The dataset's name in the script.
        dataset: String,
    },
    /// Rule 6: whether an edit is carried out, two cells over the dataset as it was before. Only that becomes
    /// known, and for a keep or drop that is carried out whether what remains passes rule 1.
    Edit(Edit),
    /// A table of counts.
    Table(TableShape),
}

/// An edit, by the units that it touches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    /// The dataset's name in the script.
    pub dataset: String,
    /// A column of two categories: first units that the edit touches, then the others. Every unit is in one.
    /// What a keep or drop touches are the units that go.
    pub touched: Place,
    /// What is asked of the others.
    pub rest: Rest,
}

/// What is asked of the units that an edit does not touch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rest {
    /// That they are not few: rule 6, as for those touched.
    NotFew,
    /// That they pass rule 1: they are the population that remains.
    Population,
    /// Nothing: the rules of a recode name every value, so that they leave out nobody by construction.
    Nothing,
}

/// How a table is laid out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableShape {
    /// The table's variables in the order written: the first gives rows, the others together columns. None: one
    /// cell, the whole population.
    pub variables: Vec<TableVariable>,
    /// What to show of each cell, in the order written; `[Frequency]` where the script says nothing.
    pub shows: Vec<Show>,
    /// The number summed in each cell, if there is one.
    pub value: Option<ValueColumn>,
    /// Whether missing values have categories of their own.
    pub missing: bool,
}

/// One variable of a table: where its dimension is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableVariable {
    /// Name in the script.
    pub name: String,
    /// Where it is.
    pub place: Place,
}

/// Where a table's dimension is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// In an owner's fragment.
    Own {
        /// Whose.
        side: Side,
        /// Index among that fragment's dimensions.
        dimension: usize,
    },
    /// Among [`Question::joints`].
    Joint(usize),
}

/// The side of a question that an owner is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The population's owner.
    Left,
    /// The second owner.
    Right,
    /// A further owner, by its place among [`Question::others`].
    Other(usize),
}

/// A number shown for each cell of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Show {
    /// The protected count.
    Frequency,
    /// Percent of the row's protected total.
    RowPercent,
    /// Percent of the column's protected total.
    ColumnPercent,
    /// Percent of the table's protected total.
    CellPercent,
    /// Mean of the value column: protected sum by protected count.
    Mean,
    /// Its standard deviation, with n − 1.
    StandardDeviation,
    /// Its protected sum.
    Sum,
}

impl Show {
    /// Whether it is a statistic of the table's value column.
    pub fn is_of_value(self) -> bool {
        matches!(self, Self::Mean | Self::StandardDeviation | Self::Sum)
    }
}

/// What one owner computes in clear, for each of its units, before anything is shared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fragment {
    /// Whose fragment.
    pub owner: OwnerId,
    /// Tables that the owner makes first, each of those before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub preparations: Vec<Preparation>,
    /// Columns used; expressions refer to them by index. On the left side the first source is the
    /// dataset's first import: units without a value in it are outside the population.
    pub sources: Vec<Column>,
    /// A unit counts only where every filter is true. Those of the dataset stand first.
    pub filters: Vec<Expression>,
    /// How many of the filters, the last, are the question's alone: its `if`, and what its numbers are defined for.
    #[serde(default, skip_serializing_if = "is_none")]
    pub filters_of_question: usize,
    /// The owner's part of the table: its composite category is their product, first dimension slowest.
    pub dimensions: Vec<Dimension>,
    /// The number summed in each cell, if it is this owner's. Where it is missing, the unit is in no cell.
    pub value: Option<Expression>,
    /// Numbers that go into sums with other owners'.
    pub numbers: Vec<WholeNumber>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde asks with")]
fn is_none(count: &usize) -> bool {
    *count == 0
}

/// The first of these, and so many of the last; all of them where there are not as many.
fn parted<T>(all: &[T], last: usize) -> (&[T], &[T]) {
    all.split_at(all.len().saturating_sub(last))
}

/// One register variable at a date.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The datastore.
    pub datastore: DatastoreId,
    /// The exact version.
    pub version: Version,
    /// The variable.
    pub variable: VariableName,
    /// Hash of its data file.
    pub data: Hash,
    /// The date, for variables that take one.
    pub date: Option<Day>,
    /// What its values are in expressions.
    pub value_type: ValueType,
}

/// A categorical column: public categories, and the expression that puts a unit into one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dimension {
    /// Name in the script.
    pub name: String,
    /// Yields one of the categories' values. Any other value, and missing unless there is a category for
    /// it, puts the unit in no cell.
    pub expression: Expression,
    /// In the order shown. From code lists, labels, recodes and constants, never from the data.
    pub categories: Vec<Category>,
}

/// One category of a dimension.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Category {
    /// The value; none is the category of missing values.
    pub value: Option<Value>,
    /// What to show: the label, else the value.
    pub label: String,
}

impl Plan {
    /// What all parties compare and all records name.
    pub fn hash(&self) -> Hash {
        Hash::of_json(self)
    }

    /// Questions about edits by their place in the plan, each with the outcome that the plan was made with.
    pub fn edits(&self) -> impl Iterator<Item = (usize, bool)> {
        let questions = self.questions.iter().enumerate();
        let edits = questions.filter(|(_, question)| matches!(question.kind, QuestionKind::Edit(_)));
        edits.map(|(at, _)| at).zip(self.edits.iter().copied().chain(std::iter::repeat(true)))
    }

    /// Owners that take part, in order of name.
    pub fn owners(&self) -> Vec<OwnerId> {
        let mut owners: Vec<_> = self.questions.iter().flat_map(Question::owners).cloned().collect();
        owners.sort();
        owners.dedup();
        owners
    }
}

impl Question {
    /// The population's owner, then the second owner if there is one, then further ones.
    pub fn owners(&self) -> impl Iterator<Item = &OwnerId> {
        self.fragments().map(|(_, fragment)| &fragment.owner)
    }

    /// Owners that share their columns to the workers, in the order of [`Self::others`].
    pub fn sharing(&self) -> impl Iterator<Item = &OwnerId> {
        self.others.iter().map(|fragment| &fragment.owner)
    }

    /// Further owners that have a part in the product: not those that only have numbers in sums.
    pub fn factors(&self) -> impl Iterator<Item = (Side, &Fragment)> {
        self.fragments().filter(|(side, fragment)| matches!(side, Side::Other(_)) && !fragment.is_everyone())
    }

    /// All fragments with their sides: left, right, others.
    pub fn fragments(&self) -> impl Iterator<Item = (Side, &Fragment)> {
        let others = self.others.iter().enumerate().map(|(at, fragment)| (Side::Other(at), fragment));
        let right = self.right.iter().map(|fragment| (Side::Right, fragment));
        std::iter::once((Side::Left, &self.left)).chain(right).chain(others)
    }

    /// The second owner, if the question has one.
    pub fn right_owner(&self) -> Option<&OwnerId> {
        self.right.as_ref().map(|fragment| &fragment.owner)
    }

    /// Register variables that its owners read, in order, each once.
    pub fn variables(&self) -> Vec<RegisterVariable> {
        let registers = self.fragments().flat_map(|(_, fragment)| fragment.registers());
        let variables = registers.map(|source| RegisterVariable {
            datastore: source.datastore.clone(),
            variable: source.variable.clone(),
        });
        variables.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Conditions over several owners' values: those of the dataset, and those of the question alone.
    pub fn parted_conditions(&self) -> (&[Joint], &[Joint]) {
        parted(&self.conditions, self.conditions_of_question)
    }

    /// The number summed in each cell, if there is one.
    pub fn value(&self) -> Option<&ValueColumn> {
        match &self.kind {
            QuestionKind::Population { .. } | QuestionKind::Edit(_) => None,
            QuestionKind::Table(shape) => shape.value.as_ref(),
        }
    }

    /// The fragment on a side.
    pub fn fragment(&self, side: Side) -> Option<&Fragment> {
        match side {
            Side::Left => Some(&self.left),
            Side::Right => self.right.as_ref(),
            Side::Other(at) => self.others.get(at),
        }
    }
}

impl Fragment {
    /// Whether every unit is in its one category, known or not: it has no part in a product but by its numbers.
    pub fn is_everyone(&self) -> bool {
        self.filters.is_empty() && self.dimensions.is_empty() && self.value.is_none()
    }

    /// Filters of the dataset, and those of the question alone.
    pub fn parted_filters(&self) -> (&[Expression], &[Expression]) {
        parted(&self.filters, self.filters_of_question)
    }

    /// Register variables that the owner reads, in no order.
    pub fn registers(&self) -> impl Iterator<Item = &Source> {
        let prepared = self.preparations.iter().flat_map(Preparation::registers);
        self.sources.iter().flat_map(Column::registers).chain(prepared)
    }

    /// Number of composite categories: the product of the dimensions' sizes, 1 without dimensions.
    pub fn categories(&self) -> usize {
        self.dimensions.iter().map(|dimension| dimension.categories.len()).product()
    }
}
