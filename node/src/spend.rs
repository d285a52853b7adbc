//! Rule 14 in a question: what it asks of its population is charged at every owner with data in it, before anything is shared.
//!
//! | step | what | learnt by whom |
//! | --- | --- | --- |
//! | 1 | each owner tells left the name of its side: 16 bytes of a keyed hash, of the set of units where these are as many as make a population, else of the words | left: whether the side is one that was asked about before |
//! | 2 | left tells all owners all names | the same, to all |
//! | 3 | each owner charges, durably, and tells left whether its budget allows it | left: who refuses |
//! | 4 | left tells all, also a worker without data, whether all budgets do | whether the question goes on; the researcher too |
//!
//! Names are of no use to anybody but for being equal, and equal sets are told by equal words in most questions. What rule 13 has settled is never
//! nearly equal, so a name says nothing of one person. Sides of fewer units are named by their words, since whether two of them are equal would. Each
//! owner judges by the size of its own side, perturbed, and tells it to nobody: so the smallest side decides.
//!
//! A charge stays where another owner refuses, or the question fails later: what might have been released counts as released.
//!
//! Source: design §6; [decision 26](../../docs/decisions/26-budget-of-splits.md).

use kobling_crypto::attempt::Told;
use kobling_crypto::channel::Channel;
use kobling_crypto::protocol::ProtocolError;
use kobling_disclosure::memory::asked;
use kobling_disclosure::memory::spent::{Asked, Name};
use kobling_disclosure::rule::splits;
use kobling_model::rules::Refusal;
use kobling_proto::observe::log::Line;

use crate::budget::{BudgetError, name_key};
use crate::conduct::Task;
use crate::error::NodeError;
use crate::side::OwnSide;

/// Why a question's charge could not be made or agreed on.
#[derive(Debug)]
pub enum SpendError {
    /// A link.
    Link(ProtocolError),
    /// The own ledger.
    Own(NodeError),
}

impl From<ProtocolError> for SpendError {
    fn from(error: ProtocolError) -> Self {
        Self::Link(error)
    }
}

impl Task {
    /// Charges at left, which has a link to everybody. Tells whether the question goes on. Blocking.
    ///
    /// # Errors
    /// [`SpendError`].
    pub fn spend_at_left(
        &self,
        own: Option<OwnSide>,
        right: &mut dyn Channel,
        others: &mut [&mut dyn Channel],
    ) -> Result<bool, SpendError> {
        let own = own.ok_or_else(|| self.unprepared())?;
        let linked = self.question().right.is_some();
        let mut sides = vec![own.name.to_bytes()];
        let mut with_data: Vec<&mut dyn Channel> = Vec::with_capacity(1 + others.len());
        if linked {
            with_data.push(&mut *right);
        }
        with_data.extend(others.iter_mut().map(|other| &mut **other as &mut dyn Channel));
        for other in &mut with_data {
            let name = Told::Side.hear(*other, Name::BYTES)?;
            sides.push(name[..].try_into().map_err(|_| ProtocolError::Input)?);
        }
        for other in &mut with_data {
            Told::Sides.tell(*other, sides.concat())?;
        }
        let mut all_fit = self.charge(own, &sides).map_err(SpendError::Own)?;
        for other in &mut with_data {
            all_fit &= Told::Fits.hear_answer(*other)?;
        }
        for other in with_data {
            Told::AllFit.answer(other, all_fit)?;
        }
        if !linked {
            Told::AllFit.answer(right, all_fit)?;
        }
        Ok(all_fit)
    }

    /// Charges at another owner; a worker without data only hears how it went. Tells whether the question goes on. Blocking.
    ///
    /// # Errors
    /// [`SpendError`].
    pub fn spend_with_left(&self, own: Option<OwnSide>, left: &mut dyn Channel) -> Result<bool, SpendError> {
        if let Some(own) = own {
            Told::Side.tell(left, own.name.to_bytes().to_vec())?;
            let sides = Told::Sides.hear(left, Name::BYTES * self.question().fragments().count())?;
            let (sides, _) = sides.as_chunks::<{ Name::BYTES }>();
            if !sides.contains(&own.name.to_bytes()) {
                return Err(ProtocolError::Input.into());
            }
            let fits = self.charge(own, sides).map_err(SpendError::Own)?;
            Told::Fits.answer(left, fits)?;
        }
        Ok(Told::AllFit.hear_answer(left)?)
    }

    /// Charges in the own ledger. Tells whether its budget allows it.
    fn charge(&self, own: OwnSide, sides: &[[u8; Name::BYTES]]) -> Result<bool, NodeError> {
        let (node, question) = (&self.node, self.question());
        let key = name_key(node.founding.secrets().own(), question.unit_type);
        let sides = sides.iter().map(|name| Name::from_bytes(*name)).collect();
        let policy = &node.policy.now().policy;
        let units_min = policy.rules.population_units_min;
        let budget = splits::budget(own.size, units_min, policy.units_per_cell_min);
        let asked = Asked {
            population: key.of_population(sides, asked::conditions(&key, question)),
            budget,
            splits: asked::splits(&key, question, budget),
        };
        match node.budget.charge(question.unit_type, &[asked]) {
            Ok(()) => Ok(true),
            Err(BudgetError::Refused(Refusal::SplitsSpent)) => Ok(false),
            Err(error) => {
                Line::NotRemembered.entry().party(&node.me).cause(error.cause()).say();
                Err(NodeError::Memory { party: node.me.clone() })
            }
        }
    }

    fn unprepared(&self) -> SpendError {
        SpendError::Own(self.node.internal("compute"))
    }
}
