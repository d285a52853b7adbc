//! A worker's part in a question: everything that is computed on shares.
//!
//! | step | what | learnt by whom |
//! | --- | --- | --- |
//! | 2 | compute the own fragment in clear; at the same time, link up with worker, dealer and sharing owners | |
//! | 3 | fresh keys; what the question asks of its population is charged ([`crate::spend`]) | see there |
//! | 3 | shape, agreement ([`kobling_crypto::attempt`]) | dealer: the shape |
//! | 4 | product, if several owners' data meet; then farewell to sharing owners | nothing |
//! | 5 | cells and margins by sums of shares | no message |
//! | 6 | protection; one bit is opened | workers: whether a rule refuses, or an edit is not carried out |

use std::sync::Arc;

use futures::future::try_join_all;
use kobling_crypto::attempt::{self, Computation, Product};
use kobling_crypto::channel::Channel;
use kobling_crypto::protocol::ProtocolError;
use kobling_crypto::protocol::classes::{ClassesAtLeft, ClassesAtRight};
use kobling_crypto::protocol::engine::Engine;
use kobling_crypto::protocol::factor::Factor;
use kobling_crypto::protocol::joined_product;
use kobling_crypto::protocol::kept::{KeptKey, LeftColumns, Masks, RightColumns};
use kobling_crypto::protocol::narrow_product::{self, LeftRows, ProductShares};
use kobling_crypto::protocol::shared_columns::{
    ColumnsAtLeft, ColumnsAtRight, OwnerRows, ShareAtLeft, ShareAtRight,
};
use kobling_crypto::protocol::shared_constants::ConstantShares;
use kobling_crypto::seeds::PairSeed;
use kobling_model::federation::Worker;
use kobling_model::partial::PartialAggregate;
use kobling_model::plan::Side;
use kobling_model::rules::{Refusal, Warning};
use kobling_model::{Hash, OwnerId};
use tokio::sync::mpsc;

use crate::cells::{CellSums, Totals};
use crate::columns::{OwnColumns, RecordKeys, keys_by_row};
use crate::conduct::{Progress, Task};
use crate::error::{Ending, NodeError};
use crate::once::{Blocks, Decision, Offer, Sets, Touched, ahead, names};
use crate::peer::{LinkTransport, Purpose};
use crate::protect::{self, Cleared};
use crate::share::{Item, items, owner_of, purpose};
use crate::side::OwnSide;
use crate::spend::SpendError;
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
    of: Side,
    item: Item,
    channel: Watched<LinkTransport>,
    /// At left.
    seed: Option<PairSeed>,
    /// Of columns: their set, and what is done about it.
    set: Option<Hash>,
    decision: Decision,
}

/// What is done about the workers' own columns.
struct Own<'s> {
    sets: &'s Sets,
    of_left: Decision,
    of_right: Decision,
}

impl Shared {
    fn seed(&self) -> Result<&PairSeed, ProtocolError> {
        self.seed.as_ref().ok_or(ProtocolError::Input)
    }

    /// Where right has its share from: its owner, or the store of its set.
    fn at_right<'a>(
        &'a mut self,
        store: Option<&'a mut Blocks<'_>>,
    ) -> Result<ShareAtRight<'a>, ProtocolError> {
        let store = store.ok_or(ProtocolError::Input);
        Ok(match self.decision {
            Decision::Travel => ShareAtRight::Owner(&mut self.channel),
            Decision::Keep => ShareAtRight::OwnerToKeep(&mut self.channel, store?),
            Decision::Kept(_) => ShareAtRight::Kept(store?),
        })
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
        let own = async { Ok((task.own_columns(side).await?, task.own_side(side).await?)) };
        let ((columns, own_side), keys, to_other, to_dealer, to_sharing) = tokio::try_join!(
            own,
            keys,
            task.link(task.other(me), Purpose::Attempt),
            task.link(&task.roles.dealer, Purpose::Attempt),
            try_join_all(sharing),
        )?;
        let (links, progress) = (Links { to_other, to_dealer, to_sharing }, progress.clone());
        let work = move |task: &Self| {
            let mut touched = Touched::new(&task.session, task.attempt);
            let result =
                task.work_blocking(me, side, (&columns, own_side, &keys), links, &progress, &mut touched);
            touched.settle(matches!(result, Ok(_) | Err(Ending::Refused(_))));
            result
        };
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
        (columns, own_side, keys): (&OwnColumns, Option<OwnSide>, &RecordKeys),
        links: Links,
        progress: &mpsc::Sender<Progress>,
        touched: &mut Touched<'_>,
    ) -> Result<Cleared, Ending> {
        let (node, left) = (&self.node, me == Worker::Left);
        let failures = Failures::default();
        let channel =
            |peer, transport| node.channel(self.session.id, self.attempt, peer, transport, &failures);
        let mut other = channel(self.other(me), links.to_other);
        let mut dealer = channel(&self.roles.dealer, links.to_dealer);
        let computation = self.computation(columns.rows)?;
        let digest = self.digest(&computation).0;
        let explain = |error: ProtocolError| Ending::Failed(node.explain(&failures, &error, "compute"));
        // Step 3.
        let ledger = node.ledger.as_ref();
        let dealer_seed =
            attempt::introduce(&mut dealer, self.ends(&self.roles.dealer), ledger).map_err(explain)?;
        let pair_seed = attempt::introduce(&mut other, self.ends(self.other(me)), ledger).map_err(explain)?;
        let sharing_links = items(self.question()).into_iter().zip(links.to_sharing);
        let mut sharing = Vec::with_capacity(sharing_links.len());
        for ((of, item), link) in sharing_links {
            let owner = owner_of(self.question(), of).ok_or_else(|| node.internal("share"))?;
            let mut channel = channel(owner, link);
            let seed = match left {
                true => Some(attempt::introduce(&mut channel, self.ends(owner), ledger).map_err(explain)?),
                false => None,
            };
            sharing.push(Shared { of, item, channel, seed, set: None, decision: Decision::Travel });
        }
        if !self.spend(me, own_side, &mut other, &mut sharing, &explain)? {
            attempt::withdraw(&mut dealer).map_err(explain)?;
            attempt::part(&mut other).map_err(explain)?;
            return Err(Ending::Refused(Refusal::SplitsSpent));
        }
        let (sets, later) = self.sets(&computation);
        let names = computation.product.as_ref().map_or(0, names);
        let [of_left, of_right] = match &computation.product {
            None => [Decision::Travel; 2],
            Some(_) => self.decided(&mut other, &sets, &later).map_err(explain)?,
        };
        let [left_id, right_id] = attempt::kept_names(&pair_seed).map_err(explain)?;
        let once = &self.session.once;
        let computation = Computation {
            of_left: once.sharing(of_left, sets.left.as_ref(), left_id),
            of_right: once.sharing(of_right, sets.right.as_ref(), right_id),
            ..computation
        };
        touched.add(sets.left, of_left, Some(left_id), if left { 0 } else { names });
        touched.add(sets.right, of_right, Some(right_id), if left { names } else { 0 });
        let own = Own { sets: &sets, of_left, of_right };
        attempt::announce(&mut dealer, &computation).map_err(explain)?;
        attempt::agree(&mut other, &self.digest(&computation).0).map_err(explain)?;
        for shared in &mut sharing {
            if let Item::Columns(at) = shared.item {
                shared.set = sets.others.get(at).copied();
                shared.decision =
                    self.told(&mut shared.channel, shared.set.as_ref(), &later).map_err(explain)?;
                touched.add(shared.set, shared.decision, None, if left { 0 } else { names });
            }
            attempt::agree(&mut shared.channel, &shared.decision.digest(digest)).map_err(explain)?;
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
                &own,
                touched,
            ),
            Worker::Right => self.product_at_right(
                product,
                columns,
                &mut other,
                &mut dealer,
                &dealer_seed,
                &mut sharing,
                &own,
                touched,
            ),
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
                let limbs = column.and_then(|column| column.part(Side::Left)).map(Limbs::of);
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
        // Protect before open, and open only what the owner still allows.
        node.may_go_on(&self.allowance())?;
        let cleared =
            protect::clear(&mut engine, &computation.protect, &shares, &summand).map_err(explain)?;
        drop(engine);
        attempt::part(&mut dealer).map_err(explain)?;
        attempt::part(&mut other).map_err(explain)?;
        let (sent, received) = other.transcripts();
        Ok(match cleared {
            protect::Verdict::Refused => return Err(Ending::Refused(protect::refusal(self.question()))),
            protect::Verdict::Passed => Cleared::Passed,
            protect::Verdict::NotCarriedOut => Cleared::NotCarriedOut(Warning::EditNotCarriedOut),
            protect::Verdict::Table(shares) => Cleared::Table(Box::new(PartialAggregate {
                session: self.session.id,
                attempt: self.attempt,
                request: self.granted.request,
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

    /// Rule 14: charges the own budget, and tells whether all owners' allow the question. Where they do not, left parts with those that
    /// share.
    fn spend(
        &self,
        me: Worker,
        own: Option<OwnSide>,
        other: &mut dyn Channel,
        sharing: &mut [Shared],
        explain: &impl Fn(ProtocolError) -> Ending,
    ) -> Result<bool, Ending> {
        let failed = |error| match error {
            SpendError::Link(error) => explain(error),
            SpendError::Own(error) => Ending::Failed(error),
        };
        if me == Worker::Right {
            return self.spend_with_left(own, other).map_err(failed);
        }
        // An owner's first link is the one that it speaks over.
        let mut spoken = Vec::new();
        let first = |shared: &&mut Shared| {
            let is_first = !spoken.contains(&shared.of);
            spoken.push(shared.of);
            is_first
        };
        let mut owners: Vec<&mut Watched<LinkTransport>> =
            sharing.iter_mut().filter(first).map(|shared| &mut shared.channel).collect();
        let mut channels: Vec<&mut dyn Channel> =
            owners.iter_mut().map(|channel| &mut **channel as &mut dyn Channel).collect();
        let all_fit = self.spend_at_left(own, other, &mut channels).map_err(failed)?;
        if !all_fit {
            for channel in channels {
                attempt::part(channel).map_err(explain)?;
            }
        }
        Ok(all_fit)
    }

    /// The sets of this question, and those of later ones of the plan.
    pub fn sets(&self, computation: &Computation) -> (Sets, Vec<Sets>) {
        let sets = Sets::of(self.question(), computation.product.as_ref(), &self.roles);
        let later = match &computation.product {
            None => Vec::new(),
            Some(product) => {
                let of = |question| {
                    let product = self.product(question, product.rows()[0]).ok()?;
                    let roles = self.node.federation.roles(&question.left.owner, question.right_owner())?;
                    Some(Sets::of(question, product.as_ref(), &roles))
                };
                ahead(&self.granted.plan.questions, self.index).iter().filter_map(of).collect()
            }
        };
        (sets, later)
    }

    /// What this node offers of a set.
    pub fn offer(&self, set: Option<&Hash>, later: &[Sets]) -> Offer {
        self.session.once.offer(set, later, self.session.shelf.has_room())
    }

    /// What both workers do about each other's own columns.
    fn decided(
        &self,
        other: &mut dyn Channel,
        sets: &Sets,
        later: &[Sets],
    ) -> Result<[Decision; 2], ProtocolError> {
        let own = [&sets.left, &sets.right].map(|set| self.offer(set.as_ref(), later));
        let said: Vec<u8> = own.iter().flat_map(|offer| offer.to_bytes()).collect();
        let theirs = attempt::offer(other, said)?;
        let mut decisions = [Decision::Travel; 2];
        for (at, theirs) in theirs.chunks(Offer::BYTES).enumerate() {
            let theirs = Offer::from_bytes(theirs).ok_or(ProtocolError::Input)?;
            decisions[at] = Decision::of(&[own[at], theirs]);
        }
        Ok(decisions)
    }

    /// What is done about a further owner's columns: it says so, once it has heard both workers.
    fn told(
        &self,
        owner: &mut dyn Channel,
        set: Option<&Hash>,
        later: &[Sets],
    ) -> Result<Decision, ProtocolError> {
        let own = self.offer(set, later);
        attempt::offer(owner, own.to_bytes().to_vec())?;
        let told = attempt::told(owner, Offer::BYTES)?;
        Decision::from_bytes(&told).and_then(|told| told.told(own)).ok_or(ProtocolError::Input)
    }

    #[expect(clippy::too_many_arguments, reason = "a worker's links, seeds and columns")]
    fn product_at_left(
        &self,
        product: &Product,
        (columns, keys): (&OwnColumns, &RecordKeys),
        right: &mut dyn Channel,
        dealer: &mut dyn Channel,
        dealer_seed: &PairSeed,
        sharing: &[Shared],
        own: &Own<'_>,
        touched: &mut Touched<'_>,
    ) -> Result<ProductShares, ProtocolError> {
        let step = attempt::product_step();
        let OwnColumns { categories, limbs: values, .. } = columns;
        let rows = LeftRows { categories, keys, values };
        let session = &*self.session;
        let mut blocks = own.sets.right.map(|set| Blocks::new(session, set, own.of_right, self.attempt));
        let of_right = blocks.as_mut().map_or_else(Default::default, Blocks::as_decided);
        let is_kept = matches!(own.of_left, Decision::Kept(_));
        let left = LeftColumns { rows, is_kept, of_right };
        // Of each set of a further owner's columns the key: that from before, and a place for a new one.
        let of_columns = || sharing.iter().filter(|shared| matches!(shared.item, Item::Columns(_)));
        let from_before: Vec<Option<KeptKey>> =
            of_columns().map(|shared| shared.set.and_then(|set| session.once.key(&set))).collect();
        let mut fresh: Vec<Option<KeptKey>> = vec![None; from_before.len()];
        let share = |((shared, before), fresh)| -> Result<ShareAtLeft<'_>, ProtocolError> {
            let (shared, before): (&Shared, &Option<KeptKey>) = (shared, before);
            Ok(match shared.decision {
                Decision::Travel => ShareAtLeft::Seed(shared.seed()?),
                Decision::Keep => ShareAtLeft::SeedToKeep(shared.seed()?, fresh),
                Decision::Kept(_) => ShareAtLeft::Kept(before.as_ref().ok_or(ProtocolError::Input)?),
            })
        };
        let shares = of_columns().zip(&from_before).zip(&mut fresh).map(share);
        let shares = shares.collect::<Result<Vec<_>, _>>()?;
        let result = match product {
            Product::Narrow(shape) => narrow_product::left(&step, shape, right, dealer_seed, shares, left)?,
            Product::Joined { shape, classes } => {
                let none = vec![0; shape.rows];
                let owners = shares.into_iter().enumerate();
                let owners = owners.map(|(at, share)| ColumnsAtLeft::new(&step, shape, at, share));
                let mut owners = owners.collect::<Result<Vec<_>, _>>()?;
                let mut seeds: Vec<Vec<&PairSeed>> = vec![Vec::new(); classes.len()];
                for shared in sharing {
                    if let Item::Number { sum, .. } = shared.item {
                        seeds[sum].push(shared.seed()?);
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
                joined_product::left(&step, shape, right, dealer, dealer_seed, &mut factors, left)?
            }
        };
        blocks.into_iter().for_each(Blocks::finish);
        for (shared, key) in of_columns().zip(fresh) {
            touched.put_key(shared.set, key);
        }
        Ok(result)
    }

    #[expect(clippy::too_many_arguments, reason = "a worker's links, seeds and columns")]
    fn product_at_right(
        &self,
        product: &Product,
        columns: &OwnColumns,
        left: &mut dyn Channel,
        dealer: &mut dyn Channel,
        dealer_seed: &PairSeed,
        sharing: &mut [Shared],
        own: &Own<'_>,
        touched: &mut Touched<'_>,
    ) -> Result<ProductShares, ProtocolError> {
        let step = attempt::product_step();
        let rows = OwnerRows { categories: &columns.categories, values: &columns.limbs };
        let session = &*self.session;
        let mut blocks = own.sets.left.map(|set| Blocks::new(session, set, own.of_left, self.attempt));
        let of_left = blocks.as_mut().map_or_else(Default::default, Blocks::as_decided);
        let (from_before, mut fresh) = (own.sets.right.and_then(|set| session.once.key(&set)), None);
        let masks = match own.of_right {
            Decision::Travel => Masks::Travel,
            Decision::Keep => Masks::Keep(&mut fresh),
            Decision::Kept(_) => Masks::Kept(from_before.as_ref().ok_or(ProtocolError::Input)?),
        };
        let right = RightColumns { rows, masks, of_left };
        // Further owners' columns, then their numbers.
        let (of_columns, of_numbers): (Vec<&mut Shared>, Vec<&mut Shared>) =
            sharing.iter_mut().partition(|shared| matches!(shared.item, Item::Columns(_)));
        let store = |shared: &&mut Shared| {
            shared.set.map(|set| Blocks::new(session, set, shared.decision, self.attempt))
        };
        let mut stores: Vec<Option<Blocks<'_>>> = of_columns.iter().map(store).collect();
        let mut shares = Vec::with_capacity(of_columns.len());
        for (shared, store) in of_columns.into_iter().zip(&mut stores) {
            shares.push(shared.at_right(store.as_mut())?);
        }
        let result = match product {
            Product::Narrow(shape) => {
                narrow_product::right(&step, shape, left, dealer, dealer_seed, shares, right)?
            }
            Product::Joined { shape, classes } => {
                let none = vec![0; shape.rows];
                let owners = shares.into_iter().enumerate();
                let owners = owners.map(|(at, share)| ColumnsAtRight::new(&step, shape, at, share));
                let mut owners = owners.collect::<Result<Vec<_>, _>>()?;
                let mut links: Vec<Vec<&mut dyn Channel>> = classes.iter().map(|_| Vec::new()).collect();
                for shared in of_numbers {
                    if let Item::Number { sum, .. } = shared.item {
                        links[sum].push(&mut shared.channel);
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
                joined_product::right(&step, shape, left, dealer, dealer_seed, &mut factors, right)?
            }
        };
        blocks.into_iter().chain(stores.into_iter().flatten()).for_each(Blocks::finish);
        touched.put_key(own.sets.right, fresh);
        Ok(result)
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
