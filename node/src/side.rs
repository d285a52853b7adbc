//! An owner's side of a question's population, for rule 14: the units of the dataset, whatever the question asks of them, and all that samples are
//! drawn from.
//!
//! It is computed once for each dataset in a session, from this owner's own data, in clear, and [kept](crate::keep). Rule 13 settles it as it does
//! the sets that a question makes, so that a population that is nearly an earlier one has its name and its budget.

use std::sync::Arc;

use kobling_crypto::protocol::narrow_product::NO_CATEGORY;
use kobling_disclosure::memory::spent::Name;
use kobling_disclosure::memory::{Sketch, asked};
use kobling_disclosure::rule::splits;
use kobling_model::plan::{Fragment, Question, Side};
use kobling_model::{Hash, UnitType};

use crate::budget::name_key;
use crate::columns::{Book, fetch, settled};
use crate::error::NodeError;
use crate::keep::Kept;
use crate::memory::Versions;
use crate::node::Node;
use crate::session::Session;

/// This owner's side of a question's population.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnSide {
    /// What it is called: by its set where that is large enough, else by its words.
    pub name: Name,
    /// Its units, with noise that follows from the set; the largest number there is where units count that the owner does not have.
    pub size: u32,
}

/// A side that is to be named.
pub struct Population {
    fragment: Fragment,
    side: Side,
    unit_type: UnitType,
}

impl Population {
    /// That of a question; none where this side has no data in it.
    pub fn of(question: &Question, side: Side) -> Option<Self> {
        let fragment = asked::population(question.fragment(side)?, side);
        Some(Self { fragment, side, unit_type: question.unit_type })
    }

    /// Whether a fragment asks for these units and nothing else, so that what it comes to is this side.
    pub fn is(&self, fragment: &Fragment) -> bool {
        self.fragment == *fragment
    }

    /// What a session keeps it under.
    fn kept_name(&self) -> Hash {
        Hash::of_json(&("side", &self.fragment, self.side == Side::Left, self.unit_type))
    }

    /// Names it and keeps it. The units are settled; `has_all`: units that the owner does not have do not count.
    pub fn keep(&self, node: &Node, session: &Session, units: &Sketch, has_all: bool) -> OwnSide {
        let key = name_key(node.founding.secrets().own(), self.unit_type);
        let units_min = node.policy.now().policy.rules.population_units_min;
        // Whether two sides of few units are equal may be a matter of one person, so these are named by their words.
        let name = match has_all && units.units() >= units_min {
            true => key.of_set(units),
            false => self.by_words(node),
        };
        let size = match has_all {
            true => splits::perturbed_size(units.units(), key.size_key(name)),
            false => u32::MAX,
        };
        let own = OwnSide { name, size };
        session.shelf.put(self.kept_name(), Kept::Side(own));
        own
    }

    fn by_words(&self, node: &Node) -> Name {
        let key = name_key(node.founding.secrets().own(), self.unit_type);
        key.of_words(&asked::words_of(&self.fragment, self.side, self.unit_type))
    }
}

/// This owner's side of a question's population; none where it has no data in the question.
///
/// # Errors
/// [`NodeError::Registers`] where it cannot be evaluated; [`NodeError::Memory`].
pub async fn own_side(
    node: &Arc<Node>,
    session: &Arc<Session>,
    question: &Question,
    side: Side,
) -> Result<Option<OwnSide>, NodeError> {
    let Some(population) = Population::of(question, side) else { return Ok(None) };
    if let Some(Kept::Side(own)) = fetch(node, session, population.kept_name()).await? {
        return Ok(Some(own));
    }
    // An owner that the dataset asks nothing of says nothing of how many its units are.
    if side != Side::Left && population.fragment.is_everyone() {
        return Ok(Some(OwnSide { name: population.by_words(node), size: u32::MAX }));
    }
    let (left, fragment) = (side == Side::Left, &population.fragment);
    let book = Arc::new(Book { node: node.clone() });
    let failed = |_| NodeError::Registers { party: node.me.clone(), step: "extract" };
    let extracted = node.extractor.evaluate(fragment, left, question.unit_type, book, None).await;
    let partition = extracted.map_err(failed)?.partition;
    let has_all =
        left || node.extractor.absent_unit(fragment, None).await.map_err(failed)?.category == NO_CATEGORY;
    let (node, session, versions) = (node.clone(), session.clone(), Versions::of(fragment));
    let me = node.clone();
    let work = move || {
        let (_, units) = settled(&node, population.unit_type, &versions, partition)?;
        Ok(Some(population.keep(&node, &session, &units, has_all)))
    };
    tokio::task::spawn_blocking(work).await.map_err(|_| me.internal("extract"))?
}
