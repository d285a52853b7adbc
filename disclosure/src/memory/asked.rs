//! What a question asks of its population, for rule 14: the splits that it makes, and the words that name what is not named by a set.
//!
//! Words are those of the plan, not of the script: names that a researcher has chosen, the order of imports, labels and the release
//! of a register are not among them, the hash of the data is. Splits, and conditions over several owners' values, are always named by words: another wording
//! costs again, and whether two small categories are equal is told to nobody, not even by a budget.

use std::collections::{BTreeMap, BTreeSet};

use kobling_model::expression::Expression;
use kobling_model::joint::{Input, Joint};
use kobling_model::plan::{Category, Edit, Fragment, Place, Question, QuestionKind, Rest, Side, TableShape};
use kobling_model::preparation::{Column, Preparation, SampleSize, Statistic};
use kobling_model::{Hash, UnitType};
use serde::Serialize;
use serde_json::Value;

use super::spent::{Dimension, Name, NameKey, Split, of_table};
use crate::rule::splits;

/// An owner's side of the population that a question is about, by itself: the units of the dataset, whatever the question asks of them, and
/// all that a sample is drawn from. It reads no column that is not needed for that.
pub fn population(fragment: &Fragment, side: Side) -> Fragment {
    let filters = fragment.parted_filters().0.to_vec();
    let owner = fragment.owner.clone();
    let mut population = Fragment {
        owner,
        preparations: Vec::new(),
        sources: Vec::new(),
        filters,
        filters_of_question: 0,
        dimensions: Vec::new(),
        value: None,
        numbers: Vec::new(),
    };
    let mut read: BTreeSet<usize> = population.filters.iter().flat_map(Expression::sources).collect();
    // Units without a value in the first import are outside the population.
    read.extend((side == Side::Left).then_some(0));
    let columns = || read.iter().filter_map(|at| fragment.sources.get(*at));
    if columns().any(is_prepared) {
        // Tables refer to each other by place, and their keys to the columns before them.
        population.preparations = undrawn(&fragment.preparations);
        let count = read.last().map_or(0, |last| last + 1);
        population.sources = fragment.sources.iter().take(count).cloned().collect();
        return population;
    }
    population.sources = columns().cloned().collect();
    let place: BTreeMap<usize, usize> = read.iter().enumerate().map(|(place, at)| (*at, place)).collect();
    for filter in &mut population.filters {
        *filter = filter.with_sources(&mut |at| Expression::Source(place.get(&at).copied().unwrap_or(at)));
    }
    population
}

/// An owner's side of a [`population`] in words: what its units have to be.
pub fn words_of(population: &Fragment, side: Side, unit_type: UnitType) -> Hash {
    let mut filters: Vec<Value> = population.filters.iter().map(|filter| words(population, filter)).collect();
    filters.sort_by_cached_key(Value::to_string);
    let presence = (side == Side::Left).then(|| words(population, &Expression::Source(0)));
    hash(&("side", &population.owner, unit_type, presence, filters))
}

/// Conditions of the dataset over several owners' values, which are a part of what the population is.
pub fn conditions(key: &NameKey, question: &Question) -> Vec<Name> {
    question.parted_conditions().0.iter().map(|condition| key.of_words(&joint(question, condition))).collect()
}

/// The splits of its population that a question makes, opened bits among them, where the population has a budget of so many cells.
pub fn splits(key: &NameKey, question: &Question, budget: u64) -> Vec<Split> {
    let mut splits = match &question.kind {
        QuestionKind::Population { .. } => vec![bits(key, &"population", 1)],
        QuestionKind::Edit(edit) => vec![of_edit(key, question, edit)],
        QuestionKind::Table(shape) => of_shape(key, question, shape),
    };
    let part = part(question);
    if !part.is_empty() {
        // What a question's own conditions leave is a part of the population, and how many these are is a split of its own.
        let part = hash(&("part", part));
        splits.iter_mut().for_each(|split| split.name = key.of_part(split.name, &part));
        splits.push(Split { name: key.of_words(&part), cells: splits::CELLS_MIN });
    }
    let drawn = drawn(question);
    if !drawn.is_empty() {
        let drawn = hash(&("drawn", drawn));
        splits.iter_mut().for_each(|split| split.name = key.of_draw(split.name, &drawn));
        splits.push(Split { name: key.of_words(&drawn), cells: splits::of_draw(budget) });
    }
    splits
}

/// The tables with everybody drawn in each sample.
fn undrawn(tables: &[Preparation]) -> Vec<Preparation> {
    let mut tables = tables.to_vec();
    for measure in tables.iter_mut().flat_map(|table| &mut table.measures) {
        if let Statistic::Drawn { size, seed } = &mut measure.statistic {
            (*size, *seed) = (SampleSize::Units(u32::MAX), 0);
        }
    }
    tables
}

/// The conditions that are the question's alone, in order.
fn part(question: &Question) -> Vec<String> {
    let of_owner = |fragment: &Fragment| -> Vec<String> {
        let filters = fragment.parted_filters().1;
        filters.iter().map(|filter| value(&(&fragment.owner, words(fragment, filter))).to_string()).collect()
    };
    let of_several = question.parted_conditions().1.iter();
    let of_several = of_several.map(|condition| value(&joint(question, condition)).to_string());
    let mut part: Vec<String> =
        question.fragments().flat_map(|(_, fragment)| of_owner(fragment)).chain(of_several).collect();
    part.sort_unstable();
    part.dedup();
    part
}

/// All samples of a question, in order.
fn drawn(question: &Question) -> Vec<String> {
    let measures = |table: &Preparation| -> Vec<Statistic> {
        table.measures.iter().map(|measure| measure.statistic).collect()
    };
    let tables = question.fragments().flat_map(|(_, fragment)| &fragment.preparations);
    let samples = tables.flat_map(measures).filter(|statistic| matches!(statistic, Statistic::Drawn { .. }));
    let mut samples: Vec<String> = samples.map(|sample| value(&sample).to_string()).collect();
    samples.sort_unstable();
    samples.dedup();
    samples
}

fn bits(key: &NameKey, says: &impl Serialize, bits: u32) -> Split {
    Split { name: key.of_bit(&hash(says)), cells: bits * splits::BIT_CELLS }
}

fn of_edit(key: &NameKey, question: &Question, edit: &Edit) -> Split {
    let touched = place(question, edit.touched).map(|(words, _)| words);
    let opened = if edit.rest == Rest::Nothing { 1 } else { 2 };
    bits(key, &("edit", touched, edit.rest), opened)
}

fn of_shape(key: &NameKey, question: &Question, shape: &TableShape) -> Vec<Split> {
    let places = shape.variables.iter().filter_map(|variable| place(question, variable.place));
    let dimensions: Vec<Dimension> =
        places.map(|(words, categories)| Dimension { name: key.of_words(&words), categories }).collect();
    let summed = shape.value.as_ref().map(|column| {
        let part = |side| {
            let fragment = question.fragment(side)?;
            Some((&fragment.owner, words(fragment, fragment.value.as_ref()?)))
        };
        let mut parts: Vec<_> = column.parts.iter().filter_map(|of| part(of.side)).collect();
        parts.sort_by_key(|(owner, _)| *owner);
        key.of_words(&hash(&("value", parts)))
    });
    let mut names: Vec<[u8; Name::BYTES]> = dimensions.iter().map(|of| of.name.to_bytes()).collect();
    names.sort_unstable();
    let mut splits = of_table(key, &dimensions, summed);
    splits.push(bits(key, &("small cells", names), 1));
    splits
}

/// The words of a dimension, and how many categories it has.
fn place(question: &Question, place: Place) -> Option<(Hash, u32)> {
    match place {
        Place::Own { side, dimension: at } => {
            let categories = &question.fragment(side)?.dimensions.get(at)?.categories;
            Some((dimension(question, side, at)?, count(categories)))
        }
        Place::Joint(at) => {
            let of = question.joints.get(at)?;
            Some((joint(question, of), count(&of.categories)))
        }
    }
}

fn count(categories: &[Category]) -> u32 {
    u32::try_from(categories.len()).unwrap_or(u32::MAX)
}

fn dimension(question: &Question, side: Side, at: usize) -> Option<Hash> {
    let fragment = question.fragment(side)?;
    let dimension = fragment.dimensions.get(at)?;
    let words = words(fragment, &dimension.expression);
    Some(hash(&("dimension", &fragment.owner, words, values(&dimension.categories))))
}

fn joint(question: &Question, joint: &Joint) -> Hash {
    let inputs = joint.inputs.iter().map(|input| match input {
        Input::Dimension { side, dimension: at } => value(&dimension(question, *side, *at)),
        Input::Sum(at) => match question.sums.get(*at) {
            Some(sum) => value(&(sum_words(question, &sum.summands), &sum.classes, sum.missing)),
            None => Value::Null,
        },
    });
    let inputs: Vec<Value> = inputs.collect();
    hash(&("joint", inputs, &joint.expression, &joint.category_of, values(&joint.categories)))
}

fn sum_words(question: &Question, summands: &[(Side, usize)]) -> Vec<Value> {
    let words = summands.iter().filter_map(|(side, at)| {
        let fragment = question.fragment(*side)?;
        let number = fragment.numbers.get(*at)?;
        Some(value(&(&fragment.owner, words(fragment, &number.expression), number.low, number.high)))
    });
    let mut words: Vec<Value> = words.collect();
    words.sort_by_cached_key(Value::to_string);
    words
}

/// Values of categories without their labels.
fn values(categories: &[Category]) -> Vec<&Option<kobling_model::expression::Value>> {
    categories.iter().map(|category| &category.value).collect()
}

/// An expression of an owner's with its columns in the order in which it names them, and what these are made of.
fn words(fragment: &Fragment, expression: &Expression) -> Value {
    let mut columns: Vec<usize> = Vec::new();
    let named = expression.with_sources(&mut |source| {
        let at = columns.iter().position(|column| *column == source);
        Expression::Source(at.unwrap_or_else(|| {
            columns.push(source);
            columns.len() - 1
        }))
    });
    let columns: Vec<&Column> = columns.into_iter().filter_map(|at| fragment.sources.get(at)).collect();
    // Tables refer to earlier ones by place, so all of them are named where one is.
    let tables: &[Preparation] = match columns.iter().any(|column| is_prepared(column)) {
        true => &fragment.preparations,
        false => &[],
    };
    let mut words = value(&(named, columns, tables));
    forget_releases(&mut words);
    words
}

fn is_prepared(column: &Column) -> bool {
    match column {
        Column::Prepared { .. } => true,
        Column::Either(columns) => columns.iter().any(is_prepared),
        Column::Register(_) | Column::Pointer(_) | Column::Spell { .. } => false,
    }
}

/// Takes the number of the release out of every register variable. What its data is stays: a release that changes nothing of it is the
/// same.
fn forget_releases(words: &mut Value) {
    match words {
        Value::Object(fields) => {
            if fields.contains_key("data") {
                fields.remove("version");
            }
            fields.values_mut().for_each(forget_releases);
        }
        Value::Array(items) => items.iter_mut().for_each(forget_releases),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn value(of: &impl Serialize) -> Value {
    serde_json::to_value(of).expect("domain types have string keys and finite numbers")
}

fn hash(of: &impl Serialize) -> Hash {
    Hash::of(value(of).to_string().as_bytes())
}
