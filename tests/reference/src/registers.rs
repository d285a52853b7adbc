//! All owners' registers in clear, as their files have them: rows by identity.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use kobling_model::expression::Value;
use kobling_model::interval::Interval;
use kobling_model::plan::Source;
use kobling_model::{DatastoreId, Day, UnitType, VariableName};

use crate::Datum;

/// One dataset of the dataset format, in clear.
#[derive(Clone, Debug)]
struct Register {
    unit_type: UnitType,
    /// The type of the units that it points to, if it does; its values are then their identities.
    points_to: Option<UnitType>,
    temporality: String,
    rows: HashMap<String, Vec<Row>>,
}

/// One row of a unit.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) value: Value,
    pub(crate) start: Option<Day>,
    pub(crate) stop: Option<Day>,
}

/// What is done to what is measured of a large group before it becomes a value (`docs/PROTECTION.md`, section 11). Each does what the ones before it
/// do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Groups {
    /// Nothing.
    Exact,
    /// Values are brought within their bounds.
    Bounded,
    /// A place in an order is that of ten neighbours.
    Smoothed,
    /// And noise is added: what a federation does.
    #[default]
    Blurred,
}

/// All owners' registers.
#[derive(Clone, Debug, Default)]
pub struct Registers {
    datasets: BTreeMap<(DatastoreId, VariableName), Register>,
    whole_ranges: bool,
    pub(crate) groups: Groups,
}

impl Registers {
    /// Adds all datasets in an owner's folder, read from scratch.
    pub fn add(&mut self, datastore: &DatastoreId, folder: &Path) {
        for entry in std::fs::read_dir(folder).expect("the owner's folder") {
            let folder = entry.expect("an entry").path();
            let name = folder.file_name().expect("a name").to_string_lossy().into_owned();
            let text = |ending| {
                std::fs::read_to_string(folder.join(format!("{name}.{ending}")))
                    .expect("a file of the dataset")
            };
            let name = VariableName::new(name.clone()).expect("a variable's name");
            self.datasets.insert((datastore.clone(), name), read_register(&text("json"), &text("csv")));
        }
    }

    /// Removes everything of a datastore.
    pub fn remove(&mut self, datastore: &DatastoreId) {
        self.datasets.retain(|(of, _), _| of != datastore);
    }

    /// The same without rule 2: numbers are bounded by the least and the largest there are. It is there to show what the rule is for.
    pub fn with_whole_ranges(self) -> Self {
        Self { whole_ranges: true, ..self }
    }

    /// The same with no more done to large groups than this. It is there to show what each step is for, and what it costs.
    pub fn with_groups(self, groups: Groups) -> Self {
        Self { groups, ..self }
    }

    fn register(&self, source: &Source) -> &Register {
        let name = (source.datastore.clone(), source.variable.clone());
        self.datasets.get(&name).expect("the plan names a variable that was read")
    }

    fn row(&self, source: &Source, identity: &str) -> Option<&Row> {
        let register = self.register(source);
        register.rows.get(identity)?.iter().find(|row| register.holds(row, source.date))
    }

    /// The value of a source at a unit; missing where it has none at the date.
    pub(crate) fn value(&self, source: &Source, identity: &str) -> Datum {
        assert_eq!(self.register(source).points_to, None, "other units are no values (rule 15)");
        self.row(source, identity).map(|row| row.value.clone())
    }

    /// Whom a pointer of a unit names.
    pub(crate) fn pointed(&self, source: &Source, identity: &str) -> Option<&str> {
        assert_ne!(self.register(source).points_to, None, "the variable is a pointer");
        match &self.row(source, identity)?.value {
            Value::Text(identity) => Some(identity),
            Value::Number(_) => unreachable!("identities are read as texts"),
        }
    }

    /// The rows of a variable that have a day between two, both included, each with its unit.
    pub(crate) fn spells(&self, source: &Source, first: Day, last: Day) -> Vec<(&str, &Row)> {
        let register = self.register(source);
        assert_eq!(
            (register.temporality.as_str(), register.points_to),
            ("EVENT", None),
            "a variable of spells"
        );
        let all = register.rows.iter().flat_map(|(unit, rows)| rows.iter().map(|row| (unit.as_str(), row)));
        let touches =
            |row: &Row| row.start.expect("spells begin") <= last && row.stop.is_none_or(|stop| first <= stop);
        all.filter(|(_, row)| touches(row)).collect()
    }

    /// The bounds that rule 2 fixes at import: the 1st and 99th percentile over all rows; none for texts.
    pub(crate) fn winsorised(&self, source: &Source) -> Option<Interval> {
        let number = |row: &Row| match &row.value {
            Value::Number(number) => Some(*number),
            Value::Text(_) => None,
        };
        let mut values: Vec<f64> =
            self.register(source).rows.values().flatten().map(number).collect::<Option<_>>()?;
        values.sort_unstable_by(f64::total_cmp);
        let last = values.len().checked_sub(1)?;
        if self.whole_ranges {
            return Interval::new(values[0], values[last], false);
        }
        Interval::new(values[last / 100], values[(99 * last).div_ceil(100)], false)
    }

    /// All units of a type in some datastores, at any date: those that have rows, and those that rows point to.
    pub(crate) fn identities(&self, of: &BTreeSet<&DatastoreId>, unit_type: UnitType) -> BTreeSet<&str> {
        let mut identities = BTreeSet::new();
        for ((_, _), register) in self.datasets.iter().filter(|((datastore, _), _)| of.contains(datastore)) {
            if register.unit_type == unit_type {
                identities.extend(register.rows.keys().map(String::as_str));
            }
            if register.points_to == Some(unit_type) {
                identities.extend(register.rows.values().flatten().filter_map(|row| match &row.value {
                    Value::Text(identity) => Some(identity.as_str()),
                    Value::Number(_) => None,
                }));
            }
        }
        identities
    }
}

impl Register {
    fn holds(&self, row: &Row, date: Option<Day>) -> bool {
        match self.temporality.as_str() {
            "FIXED" => true,
            "STATUS" => row.start == date,
            "ACCUMULATED" | "EVENT" => {
                date.is_some() && row.start <= date && (row.stop.is_none() || date <= row.stop)
            }
            other => panic!("no temporality {other}"),
        }
    }
}

fn read_register(json: &str, csv: &str) -> Register {
    let metadata: serde_json::Value = serde_json::from_str(json).expect("JSON");
    let temporality = metadata["temporalityType"].as_str().expect("a temporality").to_owned();
    let unit_type =
        |of: &serde_json::Value| of["unitType"].as_str().map(|name| name.parse().expect("a unit type"));
    let measure = &metadata["measureVariables"][0];
    let points_to = unit_type(measure);
    let data_type = measure["dataType"].as_str();
    let mut rows: HashMap<String, Vec<Row>> = HashMap::new();
    for line in csv.lines().filter(|line| !line.is_empty()) {
        let fields: Vec<&str> = line.split(';').collect();
        let [id, value, start, stop, _] = fields[..] else { panic!("five fields a line") };
        let day = |text: &str| -> Option<Day> { (!text.is_empty()).then(|| text.parse().expect("a day")) };
        let number = |value: f64| Value::Number(value);
        let value = match data_type {
            None if points_to.is_some() => Value::Text(value.trim().to_owned()),
            Some("STRING") => Value::Text(value.trim().to_owned()),
            Some("LONG" | "DOUBLE") => number(value.parse().expect("a number")),
            Some("DATE") => number(f64::from(value.parse::<Day>().expect("a day").days())),
            other => panic!("no data type {other:?}"),
        };
        rows.entry(id.trim().to_owned()).or_default().push(Row { value, start: day(start), stop: day(stop) });
    }
    let unit_type = unit_type(&metadata["identifierVariables"][0]).expect("what rows are about");
    Register { unit_type, points_to, temporality, rows }
}
