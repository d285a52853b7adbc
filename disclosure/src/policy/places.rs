//! Register variables as a policy names them: one, all of a dataset, or a group that has a name.
//!
//! ```toml
//! [groups]
//! income = ["no.ssb.fdb/INNTEKT_WLONN", "@benefits"]
//! benefits = ["no.ssb.fdb/TRYGD", "no.nav.ytelser/*"]
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use kobling_model::plan::Source;
use kobling_model::{DatastoreId, VariableName};

use super::document::{Document, Named, Section};
use super::fault::PolicyError;

/// Register variables that one text of a policy stands for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// Of which dataset; none: whichever dataset has the variable.
    pub dataset: Option<DatastoreId>,
    /// Which variable; none: all.
    pub variable: Option<VariableName>,
}

impl Place {
    /// `DATASET/NAME` or `DATASET/*`.
    pub fn parse(text: &str) -> Option<Self> {
        let (dataset, variable) = text.split_once('/')?;
        let dataset = Some(DatastoreId::new(dataset).ok()?);
        let variable = match variable {
            "*" => None,
            name => Some(VariableName::new(name).ok()?),
        };
        Some(Self { dataset, variable })
    }

    /// Whether it stands for this variable.
    pub fn has(&self, source: &Source) -> bool {
        let of = |dataset: &Option<_>| dataset.as_ref().is_none_or(|dataset| *dataset == source.datastore);
        of(&self.dataset) && self.variable.as_ref().is_none_or(|variable| *variable == source.variable)
    }

    /// Whether it stands for all that `other` stands for.
    pub fn contains(&self, other: &Self) -> bool {
        (self.dataset.is_none() || self.dataset == other.dataset)
            && (self.variable.is_none() || self.variable == other.variable)
    }

    /// Whether there can be a variable that both stand for.
    pub fn meets(&self, other: &Self) -> bool {
        let meet = |one: Option<&str>, two: Option<&str>| one.is_none() || two.is_none() || one == two;
        meet(self.dataset.as_ref().map(DatastoreId::as_str), other.dataset.as_ref().map(DatastoreId::as_str))
            && meet(
                self.variable.as_ref().map(VariableName::as_str),
                other.variable.as_ref().map(VariableName::as_str),
            )
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let variable = self.variable.as_ref().map_or("*", VariableName::as_str);
        match &self.dataset {
            Some(dataset) => write!(f, "{dataset}/{variable}"),
            None => f.write_str(variable),
        }
    }
}

/// Groups of register variables, with all that they include.
#[derive(Default)]
pub(super) struct Groups(BTreeMap<String, BTreeSet<Place>>);

/// Where groups stand in the file.
const GROUPS: &str = "groups";
/// The form of a member.
const MEMBER: &str = "variables as \"DATASET/NAME\" or \"DATASET/*\", or groups as \"@name\"";

impl Groups {
    /// Takes the groups of a file.
    pub fn take<'t>(document: &mut Document<'t>, section: &mut Section<'t>) -> Self {
        let lists: BTreeMap<String, (usize, Vec<Named>)> = (document.lists(section, GROUPS).into_iter())
            .map(|(name, members)| (name.text, (name.line, members)))
            .collect();
        for (name, (line, members)) in &lists {
            let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
            if name.is_empty() || !name.bytes().all(plain) {
                let expected = "names of groups of a-z, 0-9, - and _";
                document.fault(Some(*line), PolicyError::Form { setting: GROUPS, expected });
            }
            if members.is_empty() {
                document.contradiction(*line, GROUPS, format!("{name:?} has no members; leave it out"));
            }
        }
        let mut groups = Self::default();
        for name in lists.keys() {
            groups.resolve(document, &lists, name, &mut Vec::new());
        }
        groups
    }

    /// Works out a group, after those that it includes. `path` leads to it, and a group on its own path is a cycle.
    fn resolve(
        &mut self,
        document: &mut Document<'_>,
        lists: &BTreeMap<String, (usize, Vec<Named>)>,
        name: &str,
        path: &mut Vec<String>,
    ) {
        if self.0.contains_key(name) {
            return;
        }
        let Some((_, members)) = lists.get(name) else { return };
        path.push(name.to_owned());
        let mut places = BTreeSet::new();
        for member in members {
            let Some(included) = member.text.strip_prefix('@') else {
                match Place::parse(&member.text) {
                    Some(place) => {
                        places.insert(place);
                    }
                    None => {
                        let form = PolicyError::Form { setting: GROUPS, expected: MEMBER };
                        document.fault(Some(member.line), form);
                    }
                }
                continue;
            };
            if let Some(at) = path.iter().position(|before| before == included) {
                let cycle: Vec<&str> = path[at..].iter().map(String::as_str).chain([included]).collect();
                let why =
                    format!("groups include each other in a circle: {}; leave one out", cycle.join(" -> "));
                document.contradiction(member.line, GROUPS, why);
                continue;
            }
            if !lists.contains_key(included) {
                unknown_group(document, GROUPS, member, lists.keys());
                continue;
            }
            self.resolve(document, lists, included, path);
            places.extend(self.0.get(included).into_iter().flatten().cloned());
        }
        path.pop();
        self.0.insert(name.to_owned(), places);
    }

    /// The variables that a text stands for: a group's, or one, or all of a dataset; where `bare` is set also a variable without its
    /// dataset.
    pub fn places(
        &self,
        document: &mut Document<'_>,
        setting: &'static str,
        name: &Named,
        bare: bool,
    ) -> BTreeSet<Place> {
        if let Some(group) = name.text.strip_prefix('@') {
            let places = self.0.get(group).cloned();
            if places.is_none() {
                unknown_group(document, setting, name, self.0.keys());
            }
            return places.unwrap_or_default();
        }
        let variable = VariableName::new(name.text.as_str()).ok().filter(|_| bare);
        let variable = variable.map(|variable| Place { dataset: None, variable: Some(variable) });
        match variable.or_else(|| Place::parse(&name.text)) {
            Some(place) => BTreeSet::from([place]),
            None => {
                let expected = if bare {
                    "variables as \"NAME\" or \"DATASET/NAME\", or groups as \"@name\""
                } else {
                    MEMBER
                };
                document.fault(Some(name.line), PolicyError::Form { setting, expected });
                BTreeSet::new()
            }
        }
    }
}

fn unknown_group<'a>(
    document: &mut Document<'_>,
    place: &'static str,
    name: &Named,
    groups: impl Iterator<Item = &'a String>,
) {
    let groups: Vec<&str> = groups.map(String::as_str).collect();
    let what = match groups.as_slice() {
        [] => "no group: there are none, write them under [groups]".to_owned(),
        groups => format!("no group; there are {}", groups.join(", ")),
    };
    document.fault(Some(name.line), PolicyError::Unknown { place, name: name.text.clone(), what });
}
