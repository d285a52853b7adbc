//! Which values a column can have, as far as that is public: from code lists, labels, recodes and constants.
//!
//! A table's categories come from here and never from the data.

use std::collections::HashMap;

use kobling_model::Day;
use kobling_model::catalogue::{DataType, ValueDomain, Variable};
use kobling_model::expression::{Value, ValueType};
use kobling_model::interval::Interval;

use crate::parser::positive_zero;

/// Values in the order shown, each once.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Domain {
    pub(crate) entries: Vec<Entry>,
}

/// A value that a column can have.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) value: Value,
    pub(crate) label: Option<String>,
    /// It says why there is no value: shown after the others.
    pub(crate) sentinel: bool,
}

impl Domain {
    pub(crate) fn new(entries: impl IntoIterator<Item = Entry>) -> Self {
        let mut domain = Self::default();
        let mut places: HashMap<Key, usize> = HashMap::new();
        for entry in entries {
            match places.get(&Key::of(&entry.value)) {
                Some(place) => {
                    let known: &mut Entry = &mut domain.entries[*place];
                    known.label = known.label.take().or(entry.label);
                }
                None => {
                    places.insert(Key::of(&entry.value), domain.entries.len());
                    domain.entries.push(entry);
                }
            }
        }
        // Stable: texts keep the order in which they came.
        domain.entries.sort_by(|a, b| {
            let by_value = match (&a.value, &b.value) {
                (Value::Number(a), Value::Number(b)) => a.total_cmp(b),
                _ => std::cmp::Ordering::Equal,
            };
            a.sentinel.cmp(&b.sentinel).then(by_value)
        });
        domain
    }

    pub(crate) fn of_values(values: impl IntoIterator<Item = Value>) -> Self {
        Self::new(values.into_iter().map(|value| Entry { value, label: None, sentinel: false }))
    }

    /// Whole numbers, both ends included.
    pub(crate) fn range(first: u32, last: u32) -> Self {
        Self::of_values((first..=last).map(|number| Value::Number(f64::from(number))))
    }

    /// The codes of a code list that are used on a day, or all of them, then the sentinels.
    pub(crate) fn of_codes(values: &ValueDomain, date: Option<Day>) -> Option<Self> {
        let ValueDomain::Codes { data_type, codes, sentinels } = values else { return None };
        let used = |from: Day, until: Option<Day>| {
            date.is_none_or(|date| from <= date && until.is_none_or(|until| date <= until))
        };
        let entry = |code: &str, title: &str, sentinel| {
            let value = value_of_code(*data_type, code)?;
            Some(Entry { value, label: Some(title.to_owned()), sentinel })
        };
        let codes = (codes.iter().filter(|code| used(code.valid_from, code.valid_until)))
            .filter_map(|code| entry(&code.code, &code.title, false));
        let sentinels = sentinels.iter().filter_map(|sentinel| entry(&sentinel.code, &sentinel.title, true));
        Some(Self::new(codes.chain(sentinels)))
    }

    /// With the labels that `labels` has for its values.
    pub(crate) fn labelled(&self, labels: &Self) -> Self {
        let given: HashMap<Key, &Option<String>> =
            labels.entries.iter().map(|entry| (Key::of(&entry.value), &entry.label)).collect();
        let entries = self.entries.iter().map(|entry| {
            let label = given.get(&Key::of(&entry.value)).copied().cloned().flatten();
            Entry { label: label.or_else(|| entry.label.clone()), ..entry.clone() }
        });
        Self { entries: entries.collect() }
    }

    pub(crate) fn union(&self, other: &Self) -> Self {
        Self::new(self.entries.iter().chain(&other.entries).cloned())
    }
}

/// Public bounds and centre of a variable's numbers: those that its owner publishes, else those of its codes, whatever
/// their period, sentinels too.
pub(crate) fn constants(variable: &Variable) -> Option<(Interval, f64)> {
    let data_type = variable.data_type().filter(|data_type| value_type(*data_type) == ValueType::Number)?;
    let whole = matches!(data_type, DataType::Long | DataType::Date);
    if let Some(range) = &variable.range {
        let bounds = Interval::new(range.low, range.high, whole)?;
        return Some((bounds, bounds.clamp(range.centre)));
    }
    let bounds = code_bounds(variable)?;
    Some((bounds, bounds.low + (bounds.high - bounds.low) / 2.0))
}

/// Smallest and largest of a variable's codes, whatever their period, sentinels too; none where it has no codes that are numbers.
pub(crate) fn code_bounds(variable: &Variable) -> Option<Interval> {
    let data_type = variable.data_type().filter(|data_type| value_type(*data_type) == ValueType::Number)?;
    let codes = Domain::of_codes(&variable.domain, None)?;
    let numbers = codes.entries.iter().filter_map(|entry| match entry.value {
        Value::Number(number) => Some(number),
        Value::Text(_) => None,
    });
    let (low, high) = numbers
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), number| (low.min(number), high.max(number)));
    Interval::new(low, high, matches!(data_type, DataType::Long | DataType::Date))
}

/// A code as it is in expressions.
fn value_of_code(data_type: DataType, code: &str) -> Option<Value> {
    match data_type {
        DataType::String => Some(Value::Text(code.to_owned())),
        DataType::Long | DataType::Double => number_of_text(code).map(Value::Number),
        DataType::Date => code.parse().ok().map(|day: Day| Value::Number(f64::from(day.days()))),
    }
}

/// A finite number, as people write them.
pub(crate) fn number_of_text(text: &str) -> Option<f64> {
    let number: f64 = text.trim().parse().ok()?;
    number.is_finite().then(|| positive_zero(number))
}

/// How values of this kind are in expressions.
pub(crate) fn value_type(data_type: DataType) -> ValueType {
    match data_type {
        DataType::String => ValueType::Text,
        DataType::Long | DataType::Double | DataType::Date => ValueType::Number,
    }
}

/// A value as text: whole numbers without decimals.
pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::Number(number) => number.to_string(),
        Value::Text(text) => text.clone(),
    }
}

/// A value as something that can be looked up. Numbers are finite and zero has one sign.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    Number(u64),
    Text(String),
}

impl Key {
    pub(crate) fn of(value: &Value) -> Self {
        match value {
            Value::Number(number) => Self::Number(positive_zero(*number).to_bits()),
            Value::Text(text) => Self::Text(text.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kobling_model::catalogue::{Code, Sentinel};

    fn day(text: &str) -> Day {
        text.parse().expect("valid")
    }

    #[test]
    fn codes_are_those_of_the_day_in_numeric_order_and_sentinels_come_last() {
        let code = |code: &str, from, until: Option<&str>| Code {
            code: code.into(),
            title: format!("title {code}"),
            valid_from: day(from),
            valid_until: until.map(day),
        };
        let values = ValueDomain::Codes {
            data_type: DataType::Long,
            codes: vec![
                code("10", "2000-01-01", None),
                code("9", "2000-01-01", None),
                code("3", "2000-01-01", Some("2009-12-31")),
                code("9", "2015-01-01", None),
            ],
            sentinels: vec![Sentinel { code: "-1".into(), title: "unknown".into() }],
        };
        let shown = |date| -> Vec<String> {
            let domain = Domain::of_codes(&values, date).expect("codes");
            domain.entries.iter().map(|entry| shown(&entry.value)).collect()
        };
        assert_eq!(shown(Some(day("2020-01-01"))), ["9", "10", "-1"]);
        assert_eq!(shown(None), ["3", "9", "10", "-1"]);
    }
}
