//! A worker's part in a question: everything that is computed on shares.
//!
//! | step | what | learnt by whom |
//! | --- | --- | --- |
//! | 2 | compute the own fragment in clear; at the same time, link up with worker, dealer and sharing owners | |
//! | 3 | fresh keys, shape, agreement ([`kobling_crypto::attempt`]) | dealer: the shape |
//! | 4 | product, if several owners' data meet; then farewell to sharing owners | nothing |
//! | 5 | cells and margins by sums of shares | no message |
//! | 6 | protection; one bit is opened | workers: whether a rule refuses |

use futures::future::try_join_all;
use kobling_crypto::attempt;
use kobling_crypto::channel::Channel;
use kobling_crypto::protocol::ProtocolError;
use kobling_crypto::protocol::engine::Engine;
use kobling_crypto::protocol::narrow_product::{self, LeftRows};
use kobling_crypto::protocol::shared_columns::OwnerRows;
use kobling_crypto::protocol::shared_constants::ConstantShares;
use kobling_crypto::seeds::PairSeed;
use kobling_model::federation::Worker;
use kobling_model::partial::PartialAggregate;
use kobling_model::plan::Side;
use kobling_model::{Hash, OwnerId};
use tokio::sync::mpsc;

use crate::cells::{CellSums, Totals};
use crate::columns::OwnColumns;
use crate::conduct::{Progress, Task};
use crate::error::{Ending, NodeError};
use crate::peer::{LinkTransport, Purpose};
use crate::protect::{self, Cleared};
use crate::watched::Failures;

/// A worker's links.
struct Links {
    to_other: LinkTransport,
    to_dealer: LinkTransport,
    /// To each owner that shares, in the plan's order.
    to_sharing: Vec<LinkTransport>,
}

impl Task {
    /// Steps 2 to 6.
    ///
    /// # Errors
    /// [`Ending`].
    pub async fn work(self, me: Worker, progress: &mpsc::Sender<Progress>) -> Result<Cleared, Ending> {
        let _ = progress.send(Progress::Stage("extract")).await;
        let side = match me {
            Worker::Left => Side::Left,
            Worker::Right => Side::Right,
        };
        let sharing = self.question().sharing().map(|owner| self.link(owner, Purpose::Share));
        let (columns, to_other, to_dealer, to_sharing) = tokio::try_join!(
            self.own_columns(side),
            self.link(self.other(me), Purpose::Attempt),
            self.link(&self.roles.dealer, Purpose::Attempt),
            try_join_all(sharing),
        )?;
        let (links, progress) = (Links { to_other, to_dealer, to_sharing }, progress.clone());
        self.blocking(move |task| task.work_blocking(me, side, &columns, links, &progress)).await
    }

    fn other(&self, me: Worker) -> &OwnerId {
        match me {
            Worker::Left => &self.roles.right,
            Worker::Right => &self.roles.left,
        }
    }

    /// Steps 3 to 6.
    fn work_blocking(
        &self,
        me: Worker,
        side: Side,
        columns: &OwnColumns,
        links: Links,
        progress: &mpsc::Sender<Progress>,
    ) -> Result<Cleared, Ending> {
        let (node, left) = (&self.node, me == Worker::Left);
        let failures = Failures::default();
        let channel =
            |peer, transport| node.channel(self.session.id, self.attempt, peer, transport, &failures);
        let mut other = channel(self.other(me), links.to_other);
        let mut dealer = channel(&self.roles.dealer, links.to_dealer);
        let sharing = self.question().sharing().zip(links.to_sharing);
        let mut sharing: Vec<_> = sharing.map(|(owner, link)| (owner, channel(owner, link))).collect();
        let computation = self.computation(columns.rows)?;
        let explain = |error: ProtocolError| Ending::Failed(node.explain(&failures, &error, "compute"));
        // Step 3.
        let ledger = node.ledger.as_ref();
        let dealer_seed =
            attempt::introduce(&mut dealer, self.ends(&self.roles.dealer), ledger).map_err(explain)?;
        let pair_seed = attempt::introduce(&mut other, self.ends(self.other(me)), ledger).map_err(explain)?;
        attempt::announce(&mut dealer, &computation).map_err(explain)?;
        let digest = self.digest(&computation).0;
        attempt::agree(&mut other, &digest).map_err(explain)?;
        let mut shared_seeds = Vec::with_capacity(sharing.len());
        for (owner, channel) in &mut sharing {
            if left {
                let seed = attempt::introduce(channel, self.ends(owner), ledger);
                shared_seeds.push(seed.map_err(explain)?);
            }
            attempt::agree(channel, &digest).map_err(explain)?;
        }
        // Step 4.
        if computation.product.is_some() {
            let _ = progress.blocking_send(Progress::Stage("product"));
        }
        let step = attempt::product_step();
        let sums = CellSums::of(self.question());
        let OwnColumns { categories, keys, limbs: values, .. } = columns;
        let product = match (&computation.product, me) {
            (None, _) => None,
            (Some(shape), Worker::Left) => {
                let rows = LeftRows { categories, keys, values };
                let seeds: Vec<&PairSeed> = shared_seeds.iter().collect();
                Some(narrow_product::left(&step, shape, &mut other, &dealer_seed, &seeds, rows))
            }
            (Some(shape), Worker::Right) => {
                let rows = OwnerRows { categories, values };
                let mut owners: Vec<&mut dyn Channel> =
                    sharing.iter_mut().map(|(_, channel)| channel as &mut dyn Channel).collect();
                let (other, dealer) = (&mut other, &mut dealer);
                Some(narrow_product::right(&step, shape, other, dealer, &dealer_seed, &mut owners, rows))
            }
        };
        let product = product.transpose().map_err(explain)?;
        let constants = match self.value() {
            Some((Side::Other(at), _)) if left => ConstantShares::at_left(&step, &shared_seeds[at]),
            Some((Side::Other(at), _)) => ConstantShares::at_right(&step, &mut sharing[at].1),
            Some((owner, _)) if owner == side => Ok(columns.constants.entered()),
            _ => Ok(ConstantShares::default()),
        };
        let constants = constants.map_err(explain)?;
        for (_, channel) in &mut sharing {
            attempt::part(channel).map_err(explain)?;
        }
        // Step 5.
        let shares = match (product, &columns.totals) {
            (Some(product), _) => sums.of_product(&product, constants),
            // What one owner counts in clear are its shares; the other worker's are zero.
            (None, Some(totals)) => sums.of_totals(totals, constants),
            (None, None) => {
                let limbs = self.value().map(|(_, limbs)| limbs);
                let categories = self.question().left.categories();
                sums.of_totals(&Totals::zeros(categories, limbs.as_ref()), constants)
            }
        };
        // Step 6.
        let _ = progress.blocking_send(Progress::Stage("protect"));
        let secrets = node.founding.secrets();
        let summand = secrets.noise_key_summand(&node.me, self.other(me), left, &node.federation);
        let summand = summand.ok_or_else(|| NodeError::NotReady { party: node.me.clone() })?;
        let step = attempt::protect_step();
        let mut engine = match me {
            Worker::Left => Engine::left(&step, &mut other, &dealer_seed, &pair_seed),
            Worker::Right => Engine::right(&step, &mut other, &mut dealer, &dealer_seed, &pair_seed),
        }
        .map_err(explain)?;
        let cleared =
            protect::clear(&mut engine, &computation.protect, &shares, &summand).map_err(explain)?;
        drop(engine);
        attempt::part(&mut dealer).map_err(explain)?;
        attempt::part(&mut other).map_err(explain)?;
        let (sent, received) = other.transcripts();
        Ok(match cleared {
            protect::Verdict::Refused => return Err(Ending::Refused(protect::refusal(self.question()))),
            protect::Verdict::Passed => Cleared::Passed,
            protect::Verdict::Table(shares) => Cleared::Table(Box::new(PartialAggregate {
                session: self.session.id,
                attempt: self.attempt,
                plan: self.plan,
                question: self.index,
                party: node.me.clone(),
                worker: me,
                sent: Hash(sent),
                received: Hash(received),
                shares: shares.counts,
                sums: shares.sums,
                squares: shares.squares,
            })),
        })
    }
}
