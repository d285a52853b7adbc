//! Which variables a node answers about, to which institutions and for which purposes: entries `[[allow]]`.
//!
//! An entry allows every variable it names to every institution and purpose it names. Entries add up; what none of them allows is
//! refused. Names are compared whole and as written.

use std::collections::BTreeSet;

use kobling_model::DatastoreId;
use kobling_model::plan::Source;

use super::document::{Document, Named, Names, Section, contained};
use super::fault::PolicyError;
use super::places::{Groups, Place};
use super::{Known, PolicyRefusal, RegisterVariable};

/// All entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Access(Vec<Allow>);

/// Everything, or these.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Scope<T> {
    All,
    Only(BTreeSet<T>),
}

impl<T: Ord> Scope<T> {
    fn has(&self, one: &T) -> bool {
        match self {
            Self::All => true,
            Self::Only(these) => these.contains(one),
        }
    }

    fn contains(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All, _) => true,
            (Self::Only(_), Self::All) => false,
            (Self::Only(these), Self::Only(those)) => these.is_superset(those),
        }
    }
}

/// An entry.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Allow {
    datasets: Scope<DatastoreId>,
    variables: Scope<Place>,
    institutions: Scope<String>,
    purposes: Scope<String>,
}

/// Where entries stand in the file.
pub(super) const ALLOW: &str = "allow";
const SETTINGS: [&str; 4] = ["datasets", "variables", "institutions", "purposes"];

/// Why a variable is not open to an asker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotOpen {
    /// To nobody.
    ToAnybody,
    /// Not to this institution.
    ToTheInstitution,
    /// Not for this purpose.
    ForThePurpose,
}

impl Access {
    /// Takes the entries of a file.
    pub fn take<'t>(
        document: &mut Document<'t>,
        section: &mut Section<'t>,
        groups: &Groups,
        known: &Known<'_>,
    ) -> Self {
        let entries = document.entries(section, ALLOW);
        if entries.is_empty() {
            let why = "no entry [[allow]] says what may be asked, so nothing could be; write one, or use `stop` to answer nothing";
            document.fault(None, PolicyError::Contradiction { place: ALLOW, why: why.to_owned() });
        }
        let mut taken: Vec<(usize, Allow)> = Vec::new();
        for entry in entries {
            let line = entry.line;
            let Some(allow) = Allow::take(document, entry, groups, known) else { continue };
            if let Some((line, other)) = contained(&taken, (line, &allow), Allow::contains) {
                let why = format!(
                    "this entry allows nothing that the one on line {other} does not allow already: entries add up and never narrow \
                     each other; leave one of them out"
                );
                document.contradiction(line, ALLOW, why);
            }
            taken.push((line, allow));
        }
        Self(taken.into_iter().map(|(_, allow)| allow).collect())
    }

    /// Judges one variable of the owner's.
    ///
    /// # Errors
    /// [`PolicyRefusal::NotOpen`].
    pub fn judge(&self, source: &Source, institution: &str, purpose: &str) -> Result<(), PolicyRefusal> {
        let (institution, purpose) = (institution.to_owned(), purpose.to_owned());
        let mut because = NotOpen::ToAnybody;
        for allow in self.0.iter().filter(|allow| allow.is_about(source)) {
            match (allow.institutions.has(&institution), allow.purposes.has(&purpose)) {
                (true, true) => return Ok(()),
                (true, false) => because = NotOpen::ForThePurpose,
                (false, _) if because == NotOpen::ToAnybody => because = NotOpen::ToTheInstitution,
                (false, _) => {}
            }
        }
        Err(PolicyRefusal::NotOpen { variable: RegisterVariable::of(source), because })
    }
}

impl Allow {
    fn take<'t>(
        document: &mut Document<'t>,
        mut section: Section<'t>,
        groups: &Groups,
        known: &Known<'_>,
    ) -> Option<Self> {
        let [datasets, variables, institutions, purposes] =
            SETTINGS.map(|setting| document.names(&mut section, setting));
        document.finish(section, ALLOW, &SETTINGS);
        let (datasets, variables) = (datasets?.0, variables?.0);
        let faults = document.faults.len();
        let datasets = datasets_of(document, datasets, known);
        let variables = variables_of(document, variables, groups, &datasets, known);
        let [institutions, purposes] = [institutions?.0, purposes?.0].map(texts);
        let sound = document.faults.len() == faults;
        sound.then_some(Self { datasets, variables, institutions, purposes })
    }

    fn is_about(&self, source: &Source) -> bool {
        let variable = match &self.variables {
            Scope::All => true,
            Scope::Only(places) => places.iter().any(|place| place.has(source)),
        };
        variable && self.datasets.has(&source.datastore)
    }

    fn contains(&self, other: &Self) -> bool {
        let variables = match (&self.variables, &other.variables) {
            (Scope::All, _) => true,
            (Scope::Only(_), Scope::All) => false,
            (Scope::Only(these), Scope::Only(those)) => {
                those.iter().all(|that| these.iter().any(|this| this.contains(that)))
            }
        };
        variables
            && self.datasets.contains(&other.datasets)
            && self.institutions.contains(&other.institutions)
            && self.purposes.contains(&other.purposes)
    }
}

fn texts(names: Names) -> Scope<String> {
    match names {
        Names::All => Scope::All,
        Names::Only(names) => Scope::Only(names.into_iter().map(|name| name.text).collect()),
    }
}

fn datasets_of(document: &mut Document<'_>, names: Names, known: &Known<'_>) -> Scope<DatastoreId> {
    let Names::Only(names) = names else { return Scope::All };
    let mut datasets = BTreeSet::new();
    for Named { text, line } in names {
        let Ok(id) = DatastoreId::new(text.as_str()) else {
            let expected = "datasets such as \"no.ssb.fdb\"";
            document.fault(Some(line), PolicyError::Form { setting: "datasets", expected });
            continue;
        };
        if let Some(there) = known.datasets_but(&id) {
            let what = format!("no dataset of this node; there are {there}");
            document.fault(Some(line), PolicyError::Unknown { place: "datasets", name: text, what });
        }
        datasets.insert(id);
    }
    Scope::Only(datasets)
}

fn variables_of(
    document: &mut Document<'_>,
    names: Names,
    groups: &Groups,
    datasets: &Scope<DatastoreId>,
    known: &Known<'_>,
) -> Scope<Place> {
    let Names::Only(names) = names else { return Scope::All };
    let mut places = BTreeSet::new();
    for name in &names {
        for place in groups.places(document, "variables", name, true) {
            if let Some(dataset) = &place.dataset
                && !datasets.has(dataset)
            {
                let why = format!(
                    "{:?} has {place}, but the entry's datasets leave out {dataset}; add it, or leave the variable out",
                    name.text
                );
                document.contradiction(name.line, "variables", why);
            }
            let within = |dataset: &DatastoreId| datasets.has(dataset);
            if known.lacks(&place, within) {
                let what = format!("no variable of this node: {place} is in none of the entry's datasets");
                let unknown = PolicyError::Unknown { place: "variables", name: name.text.clone(), what };
                document.fault(Some(name.line), unknown);
            }
            places.insert(place);
        }
    }
    Scope::Only(places)
}
