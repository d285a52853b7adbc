//! A worker's part in a question: everything that is computed on shares.
//!
//! | step | what | learnt by whom |
//! | --- | --- | --- |
//! | 2 | compute the own fragment in clear; at the same time, link up with worker, dealer and sharing owners | |
//! | 3 | fresh keys, shape, agreement ([`kobling_crypto::attempt`]) | dealer: the shape |
//! | 4 | product, if several owners' data meet; then farewell to sharing owners | nothing |
//! | 5 | cells and margins by sums of shares | no message |
//! | 6 | protection; one bit is opened | workers: whether a rule refuses |

use std::sync::Arc;

use futures::future::try_join_all;
use kobling_crypto::attempt::{self, Product};
use kobling_crypto::channel::Channel;
use kobling_crypto::protocol::ProtocolError;
use kobling_crypto::protocol::classes::{ClassesAtLeft, ClassesAtRight};
use kobling_crypto::protocol::engine::Engine;
use kobling_crypto::protocol::factor::Factor;
use kobling_crypto::protocol::joined_product;
use kobling_crypto::protocol::narrow_product::{self, LeftRows, ProductShares};
use kobling_crypto::protocol::shared_columns::{ColumnsAtLeft, ColumnsAtRight, OwnerRows};
use kobling_crypto::protocol::shared_constants::ConstantShares;
use kobling_crypto::seeds::PairSeed;
use kobling_model::federation::Worker;
use kobling_model::partial::PartialAggregate;
use kobling_model::plan::Side;
use kobling_model::{Hash, OwnerId};
use tokio::sync::mpsc;

use crate::cells::{CellSums, Totals};
use crate::columns::{OwnColumns, RecordKeys, keys_by_row};
use crate::conduct::{Progress, Task};
use crate::error::{Ending, NodeError};
use crate::peer::{LinkTransport, Purpose};
use crate::protect::{self, Cleared};
use crate::share::{Item, items, owner_of, purpose};
use crate::values::Limbs;
use crate::watched::{Failures, Watched};

/// A worker's links.
struct Links {
    to_other: LinkTransport,
    to_dealer: LinkTransport,
    /// One for each item that is shared, in order.
    to_sharing: Vec<LinkTransport>,
}

/// A worker's end of an item that is shared to it.
struct Shared {
    item: Item,
    channel: Watched<LinkTransport>,
    /// At left.
    seed: Option<PairSeed>,
}

impl Shared {
    fn seed(&self) -> Result<&PairSeed, ProtocolError> {
        self.seed.as_ref().ok_or(ProtocolError::Input)
    }
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
        let items = items(self.question());
        let task = Arc::new(self);
        let sharing = items.iter().enumerate().map(|(at, (side, _))| {
            let task = &task;
            async move {
                let owner = owner_of(task.question(), *side).ok_or_else(|| task.node.internal("share"))?;
                task.link(owner, purpose(at)).await
            }
        });
        let keys = async {
            match me == Worker::Left && task.question().right.is_some() {
                true => keys_by_row(&task.node, &task.session, task.question().unit_type).await,
                false => Ok(RecordKeys::default()),
            }
        };
        let (columns, keys, to_other, to_dealer, to_sharing) = tokio::try_join!(
            task.own_columns(side),
            keys,
            task.link(task.other(me), Purpose::Attempt),
            task.link(&task.roles.dealer, Purpose::Attempt),
            try_join_all(sharing),
        )?;
        let (links, progress) = (Links { to_other, to_dealer, to_sharing }, progress.clone());
        let work = move |task: &Self| task.work_blocking(me, side, (&columns, &keys), links, &progress);
        task.blocking(work).await
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
        (columns, keys): (&OwnColumns, &RecordKeys),
        links: Links,
        progress: &mpsc::Sender<Progress>,
    ) -> Result<Cleared, Ending> {
        let (node, left) = (&self.node, me == Worker::Left);
        let failures = Failures::default();
        let channel =
            |peer, transport| node.channel(self.session.id, self.attempt, peer, transport, &failures);
        let mut other = channel(self.other(me), links.to_other);
        let mut dealer = channel(&self.roles.dealer, links.to_dealer);
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
        let mut sharing = Vec::with_capacity(links.to_sharing.len());
        for ((of, item), link) in items(self.question()).into_iter().zip(links.to_sharing) {
            let owner = owner_of(self.question(), of).ok_or_else(|| node.internal("share"))?;
            let mut channel = channel(owner, link);
            let seed = match left {
                true => Some(attempt::introduce(&mut channel, self.ends(owner), ledger).map_err(explain)?),
                false => None,
            };
            attempt::agree(&mut channel, &digest).map_err(explain)?;
            sharing.push(Shared { item, channel, seed });
        }
        // Step 4.
        if computation.product.is_some() {
            let _ = progress.blocking_send(Progress::Stage("product"));
        }
        let sums = CellSums::of(self.question());
        let product = computation.product.as_ref().map(|product| match me {
            Worker::Left => self.product_at_left(
                product,
                (columns, keys),
                &mut other,
                &mut dealer,
                &dealer_seed,
                &sharing,
            ),
            Worker::Right => {
                self.product_at_right(product, columns, &mut other, &mut dealer, &dealer_seed, &mut sharing)
            }
        });
        let product = product.transpose().map_err(explain)?;
        let constants = self.constants(side, columns, &mut sharing).map_err(explain)?;
        for shared in &mut sharing {
            attempt::part(&mut shared.channel).map_err(explain)?;
        }
        // Step 5.
        let shares = match (product, &columns.totals) {
            (Some(product), _) => sums.of_product(&product, constants),
            // What one owner counts in clear are its shares; the other worker's are zero.
            (None, Some(totals)) => sums.of_totals(totals, constants),
            (None, None) => {
                let column = self.question().value();
                let limbs = column.and_then(|column| Limbs::of(column, Side::Left));
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

    fn product_at_left(
        &self,
        product: &Product,
        (columns, keys): (&OwnColumns, &RecordKeys),
        right: &mut dyn Channel,
        dealer: &mut dyn Channel,
        dealer_seed: &PairSeed,
        sharing: &[Shared],
    ) -> Result<ProductShares, ProtocolError> {
        let step = attempt::product_step();
        let OwnColumns { categories, limbs: values, .. } = columns;
        let rows = LeftRows { categories, keys, values };
        let (shape, classes) = match product {
            Product::Narrow(shape) => {
                let seeds = sharing.iter().map(Shared::seed).collect::<Result<Vec<_>, _>>()?;
                return narrow_product::left(&step, shape, right, dealer_seed, &seeds, rows);
            }
            Product::Joined { shape, classes } => (shape, classes),
        };
        let none = vec![0; shape.rows];
        let mut owners = Vec::new();
        let mut seeds: Vec<Vec<&PairSeed>> = vec![Vec::new(); classes.len()];
        for shared in sharing {
            match shared.item {
                Item::Columns(at) => owners.push(ColumnsAtLeft::new(&step, shape, at, shared.seed()?)?),
                Item::Number { sum, .. } => seeds[sum].push(shared.seed()?),
            }
        }
        let sums = seeds.iter().zip(classes).enumerate().map(|(at, (seeds, classes))| {
            let own = self.own_number(at, Side::Left, columns).unwrap_or(&none);
            ClassesAtLeft::new(&attempt::sum_step(at)?, classes, dealer_seed, seeds, own)
        });
        let mut sums = sums.collect::<Result<Vec<_>, _>>()?;
        let owners = owners.iter_mut().map(|owner| owner as &mut dyn Factor);
        let mut factors: Vec<&mut dyn Factor> =
            owners.chain(sums.iter_mut().map(|sum| sum as &mut dyn Factor)).collect();
        joined_product::left(&step, shape, right, dealer, dealer_seed, &mut factors, rows)
    }

    fn product_at_right(
        &self,
        product: &Product,
        columns: &OwnColumns,
        left: &mut dyn Channel,
        dealer: &mut dyn Channel,
        dealer_seed: &PairSeed,
        sharing: &mut [Shared],
    ) -> Result<ProductShares, ProtocolError> {
        let step = attempt::product_step();
        let rows = OwnerRows { categories: &columns.categories, values: &columns.limbs };
        let (shape, classes) = match product {
            Product::Narrow(shape) => {
                let mut owners: Vec<&mut dyn Channel> =
                    sharing.iter_mut().map(|shared| &mut shared.channel as &mut dyn Channel).collect();
                return narrow_product::right(&step, shape, left, dealer, dealer_seed, &mut owners, rows);
            }
            Product::Joined { shape, classes } => (shape, classes),
        };
        let none = vec![0; shape.rows];
        let mut owners = Vec::new();
        let mut links: Vec<Vec<&mut dyn Channel>> = classes.iter().map(|_| Vec::new()).collect();
        for shared in sharing {
            match shared.item {
                Item::Columns(at) => owners.push(ColumnsAtRight::new(&step, shape, at, &mut shared.channel)?),
                Item::Number { sum, .. } => links[sum].push(&mut shared.channel),
            }
        }
        let sums = links.into_iter().zip(classes).enumerate().map(|(at, (links, classes))| {
            let own = self.own_number(at, Side::Right, columns).unwrap_or(&none);
            ClassesAtRight::new(&attempt::sum_step(at)?, classes, dealer_seed, links, own)
        });
        let mut sums = sums.collect::<Result<Vec<_>, _>>()?;
        let owners = owners.iter_mut().map(|owner| owner as &mut dyn Factor);
        let mut factors: Vec<&mut dyn Factor> =
            owners.chain(sums.iter_mut().map(|sum| sum as &mut dyn Factor)).collect();
        joined_product::right(&step, shape, left, dealer, dealer_seed, &mut factors, rows)
    }

    /// This owner's number in a sum, by row.
    fn own_number<'c>(&self, sum: usize, side: Side, columns: &'c OwnColumns) -> Option<&'c Vec<u32>> {
        let sum = self.question().sums.get(sum)?;
        let (_, number) = sum.summands.iter().find(|(of, _)| *of == side)?;
        columns.numbers.get(*number)
    }

    /// This worker's shares of the value column's constants: of all its parts together.
    fn constants(
        &self,
        side: Side,
        columns: &OwnColumns,
        sharing: &mut [Shared],
    ) -> Result<ConstantShares, ProtocolError> {
        let step = attempt::product_step();
        let mut all = ConstantShares::default();
        for part in self.question().value().into_iter().flat_map(|column| &column.parts) {
            if part.side == side {
                all = all.plus(&columns.constants.entered());
                continue;
            }
            let place = self.question().factors().position(|(side, _)| side == part.side);
            let shares =
                |shared: &&mut Shared| place.is_some_and(|place| shared.item == Item::Columns(place));
            let share = match sharing.iter_mut().find(shares) {
                // The other worker's, which it enters whole.
                None => continue,
                Some(Shared { seed: Some(seed), .. }) => ConstantShares::at_left(&step, seed)?,
                Some(shared) => ConstantShares::at_right(&step, &mut shared.channel)?,
            };
            all = all.plus(&share);
        }
        Ok(all)
    }
}
