//! Which variables may not meet in one question: entries `[[keep_apart]]`.
//!
//! An entry lists sides: a variable, all of a dataset, or a group. A question that this owner takes part in may use variables of one
//! side only. Sides may be other owners' variables. What an owner prepares, filters, groups by or follows as a pointer is used too.

use std::collections::BTreeSet;

use kobling_model::plan::Source;

use super::document::{Document, Section, contained};
use super::places::{Groups, Place};
use super::{Known, PolicyRefusal, RegisterVariable};

/// All entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeepApart(Vec<Entry>);

/// An entry: its sides.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry(Vec<BTreeSet<Place>>);

/// Where entries stand in the file.
pub(super) const KEEP_APART: &str = "keep_apart";

impl KeepApart {
    /// Takes the entries of a file. There may be none.
    pub fn take<'t>(
        document: &mut Document<'t>,
        section: &mut Section<'t>,
        groups: &Groups,
        known: &Known<'_>,
    ) -> Self {
        let mut taken: Vec<(usize, Entry)> = Vec::new();
        for entry in document.entries(section, KEEP_APART) {
            let line = entry.line;
            let Some(entry) = Entry::take(document, entry, groups, known) else { continue };
            if let Some((line, other)) = contained(&taken, (line, &entry), Entry::contains) {
                let why =
                    format!("the entry on line {other} keeps all of this apart already; leave this one out");
                document.contradiction(line, KEEP_APART, why);
            }
            taken.push((line, entry));
        }
        Self(taken.into_iter().map(|(_, entry)| entry).collect())
    }

    /// Judges the variables of a question, whoever owns them.
    ///
    /// # Errors
    /// [`PolicyRefusal::KeptApart`] with two of them.
    pub fn judge(&self, used: &[&Source]) -> Result<(), PolicyRefusal> {
        for Entry(sides) in &self.0 {
            let on = |side: &BTreeSet<Place>| {
                used.iter().find(|source| side.iter().any(|place| place.has(source))).copied()
            };
            let mut met = sides.iter().filter_map(on);
            if let (Some(one), Some(other)) = (met.next(), met.next()) {
                let [one, other] = [one, other].map(RegisterVariable::of);
                return Err(PolicyRefusal::KeptApart { one, other });
            }
        }
        Ok(())
    }
}

impl Entry {
    fn take<'t>(
        document: &mut Document<'t>,
        mut section: Section<'t>,
        groups: &Groups,
        known: &Known<'_>,
    ) -> Option<Self> {
        let line = section.line;
        let names = document.texts(&mut section, "variables");
        document.finish(section, KEEP_APART, &["variables"]);
        let names = names?;
        let faults = document.faults.len();
        if names.len() < 2 {
            let why =
                "an entry keeps at least two apart: write two or more variables or groups, or leave it out";
            document.contradiction(line, KEEP_APART, why);
        }
        let mut sides: Vec<BTreeSet<Place>> = Vec::new();
        for name in &names {
            let side = groups.places(document, KEEP_APART, name, false);
            let again = sides.iter().zip(&names).find_map(|(before, of)| {
                let both = side.iter().find(|place| before.iter().any(|other| place.meets(other)));
                both.map(|place| (place.to_string(), of.text.clone()))
            });
            if let Some((place, of)) = again {
                let why = format!(
                    "{place} is in {of:?} and in {:?}: a variable cannot be kept apart from itself; leave it out of one",
                    name.text
                );
                document.contradiction(name.line, KEEP_APART, why);
            }
            if let Some(place) = side.iter().find(|place| known.lacks_of_own(place)) {
                let what = format!("no variable of this node: its dataset has no {place}");
                let unknown =
                    super::PolicyError::Unknown { place: KEEP_APART, name: name.text.clone(), what };
                document.fault(Some(name.line), unknown);
            }
            sides.push(side);
        }
        let sound = document.faults.len() == faults;
        if sound && !sides.iter().flatten().any(|place| known.may_own(place)) {
            let why = "no variable of this node is among them, and a node decides about its own only; add one, or leave the entry out";
            document.contradiction(line, KEEP_APART, why);
        }
        (document.faults.len() == faults).then_some(Self(sides))
    }

    /// Whether whatever `other` keeps apart is kept apart here: its sides lie within sides of this entry, no two within one.
    fn contains(&self, other: &Self) -> bool {
        let within = |side: &BTreeSet<Place>| {
            self.0.iter().position(|own| side.iter().all(|place| own.iter().any(|this| this.contains(place))))
        };
        let sides: Option<Vec<usize>> = other.0.iter().map(within).collect();
        sides.is_some_and(|sides| sides.iter().collect::<BTreeSet<_>>().len() == sides.len())
    }
}
