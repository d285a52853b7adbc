//! An owner's settings: what a node will not go below, whoever asks, and what it answers about, to whom, by which commands, and who deals.
//!
//! The file has no defaults: each setting protects people, so a missing one stops the start and says so. A
//! setting that would protect nobody is refused with a sentence that says why; an owner may only tighten. So is one that contradicts
//! another, or names what there is not: whoever wrote it meant something else.
//!
//! | file | what |
//! | --- | --- |
//! | `policy/numbers.rs` | numbers of rules, decoys |
//! | `policy/later.rs` | numbers of rules that no command needs yet |
//! | `policy/access.rs` | `[[allow]]`: variables, institutions, purposes |
//! | `policy/keep_apart.rs` | `[[keep_apart]]`: variables that may not meet |
//! | `policy/commands.rs` | `commands` |
//! | `policy/dealing.rs` | `dealers`, `broker_may_deal` |
//! | `policy/places.rs` | how variables are named, `[groups]` |
//! | `policy/judge.rs` | all of it over one question |
//! | `policy/document.rs`, `policy/fault.rs` | reading with lines, and what is wrong |

mod access;
mod commands;
mod dealing;
mod document;
mod fault;
mod judge;
mod keep_apart;
mod later;
mod numbers;
mod places;
#[cfg(test)]
pub(crate) mod tests;

use kobling_model::catalogue::Datastore;
use kobling_model::rules::Rules;
use kobling_model::{DatastoreId, OwnerId};

use access::{ALLOW, Access};
use commands::{COMMANDS, Commands};
use dealing::{BROKER_MAY_DEAL, DEALERS, Dealers};
use document::Document;
use keep_apart::{KEEP_APART, KeepApart};
use places::{Groups, Place};

pub use access::NotOpen;
pub use dealing::Dealer;
pub use fault::{Fault, PolicyError, PolicyFaults};
pub use judge::{Asked, PolicyRefusal, RegisterVariable};
pub use later::LaterLimits;

/// An owner's checked settings; holding one means that the node may take part in questions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Numbers of rules 1, 3, 4, 5, 6, 7 and 10, as this owner has them.
    pub rules: Rules,
    /// Rule 13: up to how many units two populations differ by very few. The owner judges its own side by it.
    pub near_population_units_max: u32,
    /// Numbers of the rules on statistics that no command offers yet.
    pub later: LaterLimits,
    /// Whether the broker may deal randomness where three or more nodes are enrolled. Where there are only two, it
    /// deals in any case.
    pub broker_may_deal: bool,
    /// How well decoys hide the size of an overlap from the broker.
    pub decoys: DecoyPrivacy,
    access: Access,
    keep_apart: KeepApart,
    commands: Commands,
    dealers: Dealers,
}

/// ε and δ of the numbers of decoys (design §3): what the broker sees of an overlap is (ε, δ)-differentially
/// private for one person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecoyPrivacy {
    /// ε as a ratio, numerator and denominator, so that all nodes compute with exactly the same number.
    pub epsilon: (u32, u32),
    /// δ is 10 to the power of minus this.
    pub delta_exponent: u32,
}

impl DecoyPrivacy {
    /// ε as a number.
    pub fn epsilon(self) -> f64 {
        f64::from(self.epsilon.0) / f64::from(self.epsilon.1)
    }

    /// δ as a number.
    pub fn delta(self) -> f64 {
        10_f64.powi(-(self.delta_exponent as i32))
    }

    /// Whether these decoys hide at least as well as `other`.
    pub fn is_at_least_as_strict(self, other: Self) -> bool {
        let ((a, b), (c, d)) = (self.epsilon, other.epsilon);
        u64::from(a) * u64::from(d) <= u64::from(c) * u64::from(b)
            && self.delta_exponent >= other.delta_exponent
    }
}

/// What names in a policy are held against. What is not known, such as the registers of a node that has none yet, is not held against.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known<'a> {
    /// The node's own releases.
    pub datastores: &'a [Datastore],
    /// Nodes of the roster.
    pub nodes: &'a [OwnerId],
    /// All commands of the language.
    pub commands: &'a [&'static str],
    /// Those of them that every script uses.
    pub commands_needed: &'a [&'static str],
}

impl Known<'_> {
    /// The datasets that there are, where this one is known not to be among them.
    fn datasets_but(&self, id: &DatastoreId) -> Option<String> {
        let lacks = !self.datastores.is_empty() && !self.datastores.iter().any(|of| of.id == *id);
        let mut ids: Vec<&str> = self.datastores.iter().map(|datastore| datastore.id.as_str()).collect();
        ids.dedup();
        lacks.then(|| ids.join(", "))
    }

    /// Whether the node's datasets `within` are known, and none has the variable.
    fn lacks(&self, place: &Place, within: impl Fn(&DatastoreId) -> bool) -> bool {
        let Some(variable) = &place.variable else { return false };
        let mut of = (self.datastores.iter()).filter(|datastore| {
            within(&datastore.id) && place.dataset.as_ref().is_none_or(|id| *id == datastore.id)
        });
        let mut releases = of.by_ref().peekable();
        releases.peek().is_some() && releases.all(|release| release.variable(variable).is_none())
    }

    /// Whether the dataset is this node's, and known not to have the variable.
    fn lacks_of_own(&self, place: &Place) -> bool {
        self.lacks(place, |_| true)
    }

    /// Whether the node may have it: it has the dataset, or its datasets are not known.
    fn may_own(&self, place: &Place) -> bool {
        let has = |id: &DatastoreId| self.datastores.iter().any(|datastore| datastore.id == *id);
        self.datastores.is_empty() || place.dataset.as_ref().is_some_and(has)
    }
}

impl Policy {
    /// Reads and checks the text of a policy file by itself, without the node's registers and roster.
    ///
    /// # Errors
    /// [`PolicyError`], a sentence about the first setting that is missing or does not do.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        Self::read(text, &Known::default()).map_err(|faults| faults.first().error.clone())
    }

    /// Reads and checks the text of a policy file, and holds its names against what is known.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn read(text: &str, known: &Known<'_>) -> Result<Self, PolicyFaults> {
        let (mut document, section) = Document::read(text);
        let policy = section.map(|mut section| {
            let groups = Groups::take(&mut document, &mut section);
            let policy = Self {
                rules: numbers::rules(&mut document, &mut section),
                near_population_units_max: numbers::near_population_units_max(&mut document, &mut section),
                later: LaterLimits::take(&mut document, &mut section),
                decoys: numbers::decoys(&mut document, &mut section),
                broker_may_deal: document.flag(&mut section, BROKER_MAY_DEAL).unwrap_or_default(),
                access: Access::take(&mut document, &mut section, &groups, known),
                keep_apart: KeepApart::take(&mut document, &mut section, &groups, known),
                commands: Commands::take(&mut document, &mut section, known),
                dealers: Dealers::take(&mut document, &mut section, known),
            };
            let settings: Vec<&str> = numbers::names().chain(later::names()).chain(SETTINGS).collect();
            document.finish(section, "the policy", &settings);
            policy
        });
        match (PolicyFaults::of(document.faults), policy) {
            (None, Some(policy)) => Ok(policy),
            (Some(faults), _) => Err(faults),
            (None, None) => unreachable!("a document that cannot be read has faults"),
        }
    }

    /// What `init` writes into a new node's policy: the least strict settings allowed, each explained.
    pub fn init_text() -> String {
        let (rules, later, decoys) = (numbers::rules_text(), later::text(), numbers::decoys_text());
        format!(
            "\
# What this node will not go below, whoever asks, and what it answers about. You may tighten every number; the
# strictest of all owners in a question applies. Nothing here has a default: a missing setting stops the start.
# `kobling node policy check` says what is wrong with this file, `policy explain` what a script would come to under
# it, and `policy reload` puts it in force in a node that serves.

{rules}{later}# Whether the broker may deal randomness although there are nodes enough to do it. A broker that
# deals knows the masks of the question, so it then must see nothing of the workers' traffic.
broker_may_deal = false

# Nodes that may deal randomness for questions about this node's registers, by name. \"*\" is every node of the
# federation. Who deals follows from the federation file: a question whose dealer is not among these is refused.
dealers = [\"*\"]

# Commands that a script about this node's registers may use, by name. \"*\" is the whole language.
commands = [\"*\"]

{decoys}# What may be asked, by which institutions, for which purposes. What no entry allows is refused; entries add up and
# never narrow each other. This one opens everything of this node to everybody: a researcher then needs no
# application, and what protects people are the numbers above. Replace it to open less, for example
# datasets = [\"no.ssb.fdb\"], variables = [\"BEFOLKNING_KJOENN\", \"@income\"], institutions = [\"Universitetet i Oslo\"].
[[allow]]
datasets = [\"*\"]
variables = [\"*\"]
institutions = [\"*\"]
purposes = [\"*\"]

# Variables that may not meet in one question, also with another owner's. As many entries as you like:
# [[keep_apart]]
# variables = [\"@income\", \"no.krg.kreft/KRG_DIAGNOSEDATO\"]

# Names for several variables, which entries write as \"@name\"; a group may include others:
# [groups]
# income = [\"no.ssb.fdb/INNTEKT_WLONN\", \"no.ssb.fdb/INNTEKT_WYRKINNT\"]
"
        )
    }
}

/// Settings beside the numbers.
const SETTINGS: [&str; 6] = [BROKER_MAY_DEAL, DEALERS, COMMANDS, ALLOW, KEEP_APART, "groups"];
