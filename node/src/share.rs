//! An owner's part in a question in which it is no worker: it shares its columns to the two workers.
//!
//! What is shared is a list of *items*: the one-hot columns of its categories, with the constants of the value column if that is its own, and
//! its number in each sum. Each item has links and a seed of its own, and goes its way beside the others:
//!
//! | step | what | learnt by whom |
//! | --- | --- | --- |
//! | 2 | compute the own fragment in clear; at the same time, link up with both workers | |
//! | 3 | a fresh seed with left; what the question asks of its population is charged ([`crate::spend`]) | see there |
//! | 3 | of columns, whether they travel ([`crate::once`]); agreement with both workers on plan, rules, roles and shape | |
//! | 4 | shares to right, block by block; the seed is left's share | right: uniform numbers; left: nothing |
//! | 5 | farewell to right, then to left, once both have everything | |
//!
//! It sees no opening and receives nothing but keys, offers, digests and farewells. Its links and seeds are used for nothing else, so that it may
//! deal in the same attempt.
//!
//! Source: [`kobling_crypto::protocol::shared_columns`], [`kobling_crypto::protocol::shared_numbers`]; design §4.

use std::sync::Arc;

use futures::future::try_join_all;
use kobling_crypto::attempt::{self, Computation, Product};
use kobling_crypto::channel::Channel;
use kobling_crypto::protocol::ProtocolError;
use kobling_crypto::protocol::shared_columns::{self, OwnerRows};
use kobling_crypto::protocol::{shared_constants, shared_numbers};
use kobling_crypto::seeds::PairSeed;
use kobling_model::OwnerId;
use kobling_model::plan::{Question, Side};
use kobling_model::rules::Refusal;
use tokio::sync::mpsc;

use crate::columns::OwnColumns;
use crate::conduct::{Progress, Task};
use crate::error::{Ending, NodeError};
use crate::once::{Decision, Offer, Touched};
use crate::peer::{LinkTransport, Purpose};
use crate::side::OwnSide;
use crate::spend::SpendError;
use crate::watched::{Failures, Watched};

/// Something that a further owner shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item {
    /// Columns of its categories, by place among the product's factors.
    Columns(usize),
    /// Its number in a sum.
    Number {
        /// Which sum.
        sum: usize,
        /// Its place among the further owners in that sum.
        place: usize,
        /// Which of its fragment's numbers.
        number: usize,
    },
}

/// An item with its links and seed.
struct Begun {
    item: Item,
    left: Watched<LinkTransport>,
    right: Watched<LinkTransport>,
    seed: PairSeed,
    failures: Failures,
}

/// All that further owners share in a question, with the side of each; the same at all parties.
pub fn items(question: &Question) -> Vec<(Side, Item)> {
    let columns = question.factors().enumerate().map(|(at, (side, _))| (side, Item::Columns(at)));
    let numbers = question.sums.iter().enumerate().flat_map(|(sum, of)| {
        let shared = of.summands.iter().filter(|(side, _)| matches!(side, Side::Other(_)));
        let number = move |(place, (side, number)): (usize, &(Side, usize))| {
            (*side, Item::Number { sum, place, number: *number })
        };
        shared.enumerate().map(number)
    });
    columns.chain(numbers).collect()
}

/// The links on which an item is shared: named by its place in the list.
pub fn purpose(at: usize) -> Purpose {
    Purpose::Share(u8::try_from(at).unwrap_or(u8::MAX))
}

/// The owner on a side.
pub fn owner_of(question: &Question, side: Side) -> Option<&OwnerId> {
    question.fragment(side).map(|fragment| &fragment.owner)
}

impl Task {
    /// Steps 2 to 5; `place` is this owner's among the question's others.
    ///
    /// # Errors
    /// [`Ending`].
    pub async fn share(self, place: usize, progress: &mpsc::Sender<Progress>) -> Result<(), Ending> {
        let side = Side::Other(place);
        let own = items(self.question()).into_iter().enumerate().filter(|(_, (of, _))| *of == side);
        let own: Vec<(usize, Item)> = own.map(|(at, (_, item))| (at, item)).collect();
        let _ = progress.send(Progress::Stage("extract")).await;
        let links = own.iter().map(|(at, item)| async {
            let (left, right) = tokio::try_join!(
                self.link(&self.roles.left, purpose(*at)),
                self.link(&self.roles.right, purpose(*at))
            )?;
            Ok::<_, NodeError>((*item, left, right))
        });
        let own = async { Ok((self.own_columns(side).await?, self.own_side(side).await?)) };
        let ((columns, own_side), links) = tokio::try_join!(own, try_join_all(links))?;
        let _ = progress.send(Progress::Stage("share")).await;
        let task = Arc::new(self);
        let begun = task.clone().blocking(move |task| task.begin(own_side, links)).await?;
        let shared = begun.into_iter().map(|begun| {
            let columns = columns.clone();
            task.clone().blocking(move |task| task.share_item(begun, &columns))
        });
        try_join_all(shared).await.map(|_| ())
    }

    /// Fresh seeds for all items, and the charge of what the question asks of its population, over the first item's link to left.
    fn begin(
        &self,
        own: Option<OwnSide>,
        links: Vec<(Item, LinkTransport, LinkTransport)>,
    ) -> Result<Vec<Begun>, Ending> {
        let mut begun = Vec::with_capacity(links.len());
        for (item, to_left, to_right) in links {
            let failures = Failures::default();
            let channel = |peer, transport| {
                self.node.channel(self.session.id, self.attempt, peer, transport, &failures)
            };
            let (left_id, right_id) = (&self.roles.left, &self.roles.right);
            let (mut left, right) = (channel(left_id, to_left), channel(right_id, to_right));
            let seed = attempt::introduce(&mut left, self.ends(left_id), self.node.ledger.as_ref());
            let seed = seed.map_err(|error| self.explained(&failures, &error))?;
            begun.push(Begun { item, left, right, seed, failures });
        }
        let internal = || self.node.internal("share");
        let Begun { left, failures, .. } = begun.first_mut().ok_or_else(internal)?;
        let own = own.ok_or_else(internal)?;
        let all_fit = self.spend_with_left(Some(own), left).map_err(|error| match error {
            SpendError::Link(error) => self.explained(failures, &error),
            SpendError::Own(error) => Ending::Failed(error),
        })?;
        if !all_fit {
            attempt::part(left).map_err(|error| self.explained(failures, &error))?;
            return Err(Ending::Refused(Refusal::SplitsSpent));
        }
        Ok(begun)
    }

    fn explained(&self, failures: &Failures, error: &ProtocolError) -> Ending {
        Ending::Failed(self.node.explain(failures, error, "share"))
    }

    /// Steps 3 to 5 of one item.
    fn share_item(&self, begun: Begun, columns: &OwnColumns) -> Result<(), Ending> {
        let Begun { item, mut left, mut right, seed, failures } = begun;
        let computation = self.computation(columns.rows)?;
        // Step 3.
        let digest = self.digest(&computation).0;
        let mut touched = Touched::new(&self.session, self.attempt);
        let mut talk = || {
            let decision = self.decide(item, &computation, [&mut left, &mut right], &mut touched)?;
            let digest = decision.digest(digest);
            attempt::agree(&mut left, &digest)?;
            attempt::agree(&mut right, &digest)?;
            // Step 4.
            self.share_rows(item, columns, &computation, &mut right, &seed, decision)?;
            // Step 5.
            attempt::part(&mut right)?;
            attempt::part(&mut left)
        };
        let result = talk();
        touched.settle(result.is_ok());
        result.map_err(|error| self.explained(&failures, &error))
    }

    /// Whether columns travel, now that both workers have said what they have of them; both are told.
    fn decide(
        &self,
        item: Item,
        computation: &Computation,
        mut workers: [&mut dyn Channel; 2],
        touched: &mut Touched<'_>,
    ) -> Result<Decision, ProtocolError> {
        let Item::Columns(at) = item else { return Ok(Decision::Travel) };
        let (sets, later) = self.sets(computation);
        let set = sets.others.get(at).copied();
        let own = self.offer(set.as_ref(), &later);
        let mut offers = vec![own];
        for worker in &mut workers {
            let theirs = attempt::offer(*worker, own.to_bytes().to_vec())?;
            offers.push(Offer::from_bytes(&theirs).ok_or(ProtocolError::Input)?);
        }
        let decision = Decision::of(&offers);
        touched.add(set, decision, None, 0);
        for worker in workers {
            attempt::tell(worker, decision.to_bytes().to_vec())?;
        }
        Ok(decision)
    }

    fn share_rows(
        &self,
        item: Item,
        columns: &OwnColumns,
        computation: &Computation,
        right: &mut dyn Channel,
        seed: &PairSeed,
        decision: Decision,
    ) -> Result<(), ProtocolError> {
        let step = attempt::product_step();
        let rows = OwnerRows { categories: &columns.categories, values: &columns.limbs };
        match (item, computation.product.as_ref().ok_or(ProtocolError::Input)?) {
            (Item::Columns(at), product) => {
                match product {
                    // Both workers have what they need of them.
                    _ if matches!(decision, Decision::Kept(_)) => {}
                    Product::Narrow(shape) => shared_columns::share(&step, shape, at, right, seed, rows)?,
                    Product::Joined { shape, .. } => {
                        shared_columns::share_factor(&step, shape, at, right, seed, rows)?;
                    }
                }
                if columns.limbs.is_empty() {
                    return Ok(());
                }
                shared_constants::share(&step, right, seed, &columns.constants)
            }
            (Item::Number { sum, place, number }, Product::Joined { classes, .. }) => {
                let numbers = columns.numbers.get(number).ok_or(ProtocolError::Input)?;
                shared_numbers::share(&attempt::sum_step(sum)?, &classes[sum], place, right, seed, numbers)
            }
            (Item::Number { .. }, Product::Narrow(_)) => Err(ProtocolError::Input),
        }
    }
}
