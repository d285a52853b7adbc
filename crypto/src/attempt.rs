//! One attempt at one question, seen from outside its protocols: fresh keys for each link, agreement on what is
//! computed, and the dealer's whole part.
//!
//! Links: left–right, left–dealer, right–dealer. In this order, at every party:
//!
//! 1. On each link both ends send an ephemeral public key ([`introduce`]) and get a seed that only they have.
//!    *Learnt:* nothing; the keys are made for this attempt and die with it.
//!    Then owners judge what the question asks of its population ([`Told`]); where that is too much they tell the dealer that nothing is to
//!    be computed ([`withdraw`]), and part.
//! 2. Each worker sends the dealer the public shape of the computation ([`announce`]), which also says whose columns travelled
//!    before ([`kept`](crate::protocol::kept)). The dealer goes on only if both sent the same. Where columns did travel before,
//!    it tells both whether it has their masks, in one byte. *Learnt by the dealer:* the shape, and which columns come again;
//!    *by the workers:* whether it has the masks, which follows from what the session has asked and from the dealer's bound.
//! 3. The workers compare digests of everything they take for granted: plan, question, rules, roles, shape
//!    ([`agree`]). *Learnt:* whether they are the same.
//! 4. The product, if several owners' data meet ([`narrow_product`], or [`joined_product`] where there are classes of sums), and
//!    protection ([`protect`]).
//! 5. [`farewell`](crate::channel::farewell) on each link: whoever closes knows that the other end has everything.

use std::sync::{Arc, Mutex};

use bytes::Bytes;

use crate::channel::{Channel, ChannelError, StepName, farewell};
use crate::protocol::classes::{ClassShape, DealtClasses};
use crate::protocol::engine::Engine;
use crate::protocol::factor::DealtFactor;
use crate::protocol::joined_product::{self, JoinedShape};
use crate::protocol::kept::{KeptError, KeptId, KeptKey, KeptMasks, Masks, Seeded};
use crate::protocol::lookup::PerturbationTable;
use crate::protocol::narrow_product::{self, Cross, OwnerShape, ProductShape};
use crate::protocol::protect::{self, Program, ProtectShape};
use crate::protocol::protect_sums::ValueShape;
use crate::protocol::shared_columns::DealtColumns;
use crate::protocol::{ProtocolError, decode};
use crate::seeds::{EphemeralKey, Ledger, PairSeed};

/// The public shape of a question's computation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Computation {
    /// The product, where the question has two owners or more.
    pub product: Option<Product>,
    /// What of left's own columns travels.
    pub of_left: Sharing,
    /// What of right's own columns travels.
    pub of_right: Sharing,
    /// Protection.
    pub protect: ProtectShape,
}

/// Whether the own columns of a worker travel in an attempt. See [`kept`](crate::protocol::kept) for what may be kept; of further
/// owners' columns the dealer is not told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sharing {
    /// They travel.
    #[default]
    Travel,
    /// They travel, and are kept under this name, which is of this attempt.
    Keep(KeptId),
    /// They travelled in another attempt.
    Kept(KeptId),
}

impl Sharing {
    fn id(&self) -> Option<&KeptId> {
        match self {
            Self::Travel => None,
            Self::Keep(id) | Self::Kept(id) => Some(id),
        }
    }

    fn kept(&self) -> Option<&KeptId> {
        if let Self::Kept(id) = self { Some(id) } else { None }
    }
}

/// How the columns of several owners are multiplied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Product {
    /// Further owners' columns multiplied out.
    Narrow(ProductShape),
    /// Factor after factor: first further owners' columns, then classes of sums.
    Joined {
        /// The product.
        shape: JoinedShape,
        /// Its last factors.
        classes: Vec<ClassShape>,
    },
}

impl Product {
    /// The product of these owners' columns and these classes of sums: joined where there are classes, or products of values of
    /// others than left and right.
    ///
    /// `right_is_everyone`: right has one category, with every row in it. Blocks of classes become those of the product.
    pub fn new(
        rows: usize,
        left: OwnerShape,
        right: OwnerShape,
        right_is_everyone: bool,
        others: Vec<OwnerShape>,
        classes: Vec<ClassShape>,
        crosses: Vec<Cross>,
    ) -> Self {
        let of_workers = |cross: &Cross| (cross.first.0, cross.second.0) == (0, 1);
        if classes.is_empty() && crosses.iter().all(of_workers) {
            return Self::Narrow(ProductShape::new(rows, left, right, others).crossed(crosses));
        }
        let of_classes =
            classes.iter().map(|shape| OwnerShape { categories: shape.width(), values: Vec::new() });
        let factors = others.into_iter().chain(of_classes).collect();
        let shape = JoinedShape::new(rows, left, right, right_is_everyone, factors).crossed(crosses);
        let block_rows = shape.block_rows;
        let classes = classes.into_iter().map(|classes| ClassShape { block_rows, ..classes }).collect();
        Self::Joined { shape, classes }
    }

    /// Rows: all, and those of a block.
    pub fn rows(&self) -> [usize; 2] {
        match self {
            Self::Narrow(shape) => [shape.rows, shape.block_rows],
            Self::Joined { shape, .. } => [shape.rows, shape.block_rows],
        }
    }

    /// Whether the shapes of the parts fit each other.
    fn fits(&self) -> bool {
        let Self::Joined { shape, classes } = self else { return true };
        let Some(first) = shape.factors.len().checked_sub(classes.len()) else { return false };
        let fits = |(factor, classes): (&OwnerShape, &ClassShape)| {
            factor.values.is_empty()
                && factor.categories == classes.width()
                && (classes.rows, classes.block_rows) == (shape.rows, shape.block_rows)
        };
        shape.factors[first..].iter().zip(classes).all(fits)
    }
}

/// The name of the messages and streams of one of a product's sums.
///
/// # Errors
/// [`ProtocolError::StepName`].
pub fn sum_step(at: usize) -> Result<StepName, ProtocolError> {
    Ok(product_step().join(&format!("sum{at}"))?)
}

/// Who is at the two ends of a link, and in which attempt.
#[derive(Clone, Copy, Debug)]
pub struct Ends<'a> {
    /// The session.
    pub session: &'a [u8; 16],
    /// The attempt.
    pub attempt: &'a [u8; 16],
    /// Name of this end.
    pub own: &'a str,
    /// Name of the other end.
    pub peer: &'a str,
}

/// Longest encoding of a shape: 262 144 numbers of eight bytes, of which most name the cells that rule 5 counts.
const COMPUTATION_BYTES_MAX: u64 = 2 << 20;

/// The step of the product, at all parties.
pub fn product_step() -> StepName {
    step("product")
}

/// The step of the protection, at all parties.
pub fn protect_step() -> StepName {
    step("protect")
}

fn step(name: &str) -> StepName {
    StepName::new(name).expect("a step's name")
}

/// Step 1 of an attempt: swaps ephemeral keys over an authenticated link and agrees on the pair's seed.
///
/// `ledger` watches the seed's masks in tests; operation gives none.
///
/// # Errors
/// [`ProtocolError`].
pub fn introduce(
    channel: &mut dyn Channel,
    ends: Ends<'_>,
    ledger: Option<&Arc<Mutex<Ledger>>>,
) -> Result<PairSeed, ProtocolError> {
    let key = EphemeralKey::generate();
    let name = step("attempt/key");
    channel.send(&name, 0, &[1, 32], key.public().to_vec())?;
    let theirs = channel.receive(&name, 0, &[1, 32])?;
    let seed = key.agree(&theirs, ends.session, ends.attempt, ends.own, ends.peer)?;
    Ok(match ledger {
        Some(ledger) => seed.watched_by(ledger.clone()),
        None => seed,
    })
}

/// Step 2 at a worker: tells the dealer the shape, and, where columns are kept, waits until the dealer has heard both.
///
/// # Errors
/// [`ProtocolError`]; `Kept` with `Unknown` where the dealer lacks masks: in another attempt the columns can travel.
pub fn announce(dealer: &mut dyn Channel, computation: &Computation) -> Result<(), ProtocolError> {
    if !computation.can_keep() {
        return Err(ProtocolError::Shape { expected: KEEPABLE });
    }
    let bytes = computation.as_told().to_bytes();
    let length = bytes.len() as u64;
    dealer.send(&step("attempt/shape-length"), 0, &[1, 8], length.to_le_bytes().to_vec())?;
    dealer.send(&step("attempt/shape"), 0, &[length, 1], bytes)?;
    if computation.keeps_nothing_from_before() {
        return Ok(());
    }
    let name = step("attempt/kept");
    match dealer.receive(&name, 0, &[1, 1])?[..] {
        [1] => Ok(()),
        [0] => Err(KeptError::Unknown.at(&name)),
        _ => Err(ChannelError::Unexpected { step: name }.into()),
    }
}

/// Step 2 at a worker where nothing is to be computed: tells the dealer so, and parts.
///
/// # Errors
/// [`ProtocolError::Channel`].
pub fn withdraw(dealer: &mut dyn Channel) -> Result<(), ProtocolError> {
    dealer.send(&step("attempt/shape-length"), 0, &[1, 8], 0_u64.to_le_bytes().to_vec())?;
    part(dealer)
}

/// Step 2 at the dealer; none where nothing is to be computed.
fn hear(worker: &mut dyn Channel) -> Result<Option<Computation>, ProtocolError> {
    let (length_step, shape_step) = (step("attempt/shape-length"), step("attempt/shape"));
    let length = decode::<u64>(&worker.receive(&length_step, 0, &[1, 8])?, &length_step)?[0];
    let unexpected = || ChannelError::Unexpected { step: shape_step.clone() };
    if length == 0 {
        return Ok(None);
    }
    if length > COMPUTATION_BYTES_MAX {
        return Err(unexpected().into());
    }
    let bytes = worker.receive(&shape_step, 0, &[length, 1])?;
    Computation::from_bytes(&bytes).map(Some).ok_or_else(|| unexpected().into())
}

/// Step 3: compares a digest of what both workers take for granted.
///
/// # Errors
/// `Unexpected` where the digests differ; what a [`Channel`] says otherwise.
pub fn agree(other: &mut dyn Channel, digest: &[u8; 32]) -> Result<(), ProtocolError> {
    let name = step("attempt/agree");
    other.send(&name, 0, &[1, 32], digest.to_vec())?;
    let theirs = other.receive(&name, 0, &[1, 32])?;
    if theirs[..] == digest[..] { Ok(()) } else { Err(ChannelError::Unexpected { step: name }.into()) }
}

/// Step 2 between owners: swaps what each has to say of columns that may travel once, of a size that both know.
///
/// # Errors
/// [`ProtocolError::Channel`].
pub fn offer(other: &mut dyn Channel, said: Vec<u8>) -> Result<Bytes, ProtocolError> {
    let (name, shape) = (step("attempt/offer"), [1, said.len() as u64]);
    other.send(&name, 0, &shape, said)?;
    Ok(other.receive(&name, 0, &shape)?)
}

/// What owners tell each other before anything is shared, so that each can judge what the question asks of its population (rule 14).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// The name of the own side, to left.
    Side,
    /// The names of all sides, from left.
    Sides,
    /// Whether the own budget allows it, to left: one byte, 1 or 0.
    Fits,
    /// Whether all budgets do, from left.
    AllFit,
}

impl Told {
    fn step(self) -> StepName {
        step(match self {
            Self::Side => "attempt/side",
            Self::Sides => "attempt/sides",
            Self::Fits => "attempt/fits",
            Self::AllFit => "attempt/all-fit",
        })
    }

    /// Tells it.
    ///
    /// # Errors
    /// [`ProtocolError::Channel`].
    pub fn tell(self, other: &mut dyn Channel, what: Vec<u8>) -> Result<(), ProtocolError> {
        let shape = [1, what.len() as u64];
        Ok(other.send(&self.step(), 0, &shape, what)?)
    }

    /// Hears it: so many bytes.
    ///
    /// # Errors
    /// [`ProtocolError::Channel`].
    pub fn hear(self, other: &mut dyn Channel, bytes: usize) -> Result<Bytes, ProtocolError> {
        Ok(other.receive(&self.step(), 0, &[1, bytes as u64])?)
    }

    /// Tells yes or no.
    ///
    /// # Errors
    /// [`ProtocolError::Channel`].
    pub fn answer(self, other: &mut dyn Channel, yes: bool) -> Result<(), ProtocolError> {
        self.tell(other, vec![u8::from(yes)])
    }

    /// Hears yes or no.
    ///
    /// # Errors
    /// `Unexpected` for anything else; what a [`Channel`] says otherwise.
    pub fn hear_answer(self, other: &mut dyn Channel) -> Result<bool, ProtocolError> {
        match self.hear(other, 1)?[..] {
            [1] => Ok(true),
            [0] => Ok(false),
            _ => Err(ChannelError::Unexpected { step: self.step() }.into()),
        }
    }
}

/// Names for what left and right keep of an attempt, if they do: random to all but the two, so that a dealer that is told of
/// them cannot tell what columns they are of.
///
/// # Errors
/// [`ProtocolError::Seed`] where the seed has been used for them.
pub fn kept_names(of_workers: &PairSeed) -> Result<[KeptId; 2], ProtocolError> {
    let mut tape = of_workers.tape(&step("attempt/kept"), "names")?;
    Ok([(); 2].map(|()| {
        let mut name = [0; 32];
        for (bytes, word) in name.chunks_exact_mut(8).zip(tape.draw::<u64>(4)) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        KeptId(name)
    }))
}

/// The same where one end decides for all: at that end.
///
/// # Errors
/// [`ProtocolError::Channel`].
pub fn tell(other: &mut dyn Channel, decision: Vec<u8>) -> Result<(), ProtocolError> {
    let shape = [1, decision.len() as u64];
    Ok(other.send(&step("attempt/decision"), 0, &shape, decision)?)
}

/// At the other end: the decision, of so many bytes.
///
/// # Errors
/// [`ProtocolError::Channel`].
pub fn told(other: &mut dyn Channel, bytes: usize) -> Result<Bytes, ProtocolError> {
    Ok(other.receive(&step("attempt/decision"), 0, &[1, bytes as u64])?)
}

/// Step 5 on one link.
///
/// # Errors
/// [`ProtocolError::Channel`].
pub fn part(channel: &mut dyn Channel) -> Result<(), ProtocolError> {
    Ok(farewell(channel, &step("attempt/end"))?)
}

/// The dealer's whole part in an attempt.
///
/// It receives public keys, two copies of a public shape and two empty messages, and sends keys, masked
/// corrections, two empty messages and, where columns are kept, two of a byte. Nothing that it sends or receives depends on anybody's data.
///
/// `masks` are those of the session. What is to be kept is put there once everything has been sent.
///
/// # Errors
/// [`ProtocolError::Shape`] where the workers announced different shapes; [`ProtocolError::Kept`] where `masks` lacks what they
/// want, has other masks under its name, or has something under a name that is to be kept; what links say otherwise.
pub fn deal(
    left: &mut dyn Channel,
    left_ends: Ends<'_>,
    right: &mut dyn Channel,
    right_ends: Ends<'_>,
    masks: &mut dyn KeptMasks,
    ledger: Option<&Arc<Mutex<Ledger>>>,
) -> Result<(), ProtocolError> {
    let left_seed = introduce(left, left_ends, ledger)?;
    let right_seed = introduce(right, right_ends, ledger)?;
    let computation = hear(left)?;
    if hear(right)? != computation {
        return Err(ProtocolError::Shape { expected: "the same shape from both workers" });
    }
    let Some(computation) = computation else {
        part(left)?;
        return part(right);
    };
    let of_left = Dealt::of(computation.of_left, masks, &product_step().join("left")?);
    let of_right = Dealt::of(computation.of_right, masks, &product_step().join("right")?);
    if !computation.keeps_nothing_from_before() {
        let has_all = [&of_left, &of_right].iter().all(|dealt| dealt.is_ok());
        let answer = || vec![u8::from(has_all)];
        left.send(&step("attempt/kept"), 0, &[1, 1], answer())?;
        right.send(&step("attempt/kept"), 0, &[1, 1], answer())?;
    }
    let (mut of_left, mut of_right) = (of_left?, of_right?);
    let seeded_left = Seeded { seed: &left_seed, masks: of_left.masks() };
    let seeded_right = Seeded { seed: &right_seed, masks: of_right.masks() };
    match computation.product {
        None => {}
        Some(Product::Narrow(shape)) => {
            narrow_product::deal(&product_step(), &shape, right, seeded_left, seeded_right)?;
        }
        Some(Product::Joined { shape, classes }) => {
            let others = shape.factors.len() - classes.len();
            let sums = classes
                .iter()
                .enumerate()
                .map(|(at, classes)| DealtClasses::new(&sum_step(at)?, classes, &left_seed, &right_seed));
            let mut sums = sums.collect::<Result<Vec<_>, ProtocolError>>()?;
            let mut columns: Vec<DealtColumns> = (0..others).map(|_| DealtColumns).collect();
            let columns = columns.iter_mut().map(|columns| columns as &mut dyn DealtFactor);
            let mut factors: Vec<&mut dyn DealtFactor> =
                columns.chain(sums.iter_mut().map(|sum| sum as &mut dyn DealtFactor)).collect();
            joined_product::deal(
                &product_step(),
                &shape,
                left,
                right,
                seeded_left,
                seeded_right,
                &mut factors,
            )?;
        }
    }
    let mut engine = Engine::dealer(&protect_step(), right, &left_seed, &right_seed)?;
    protect::deal(&mut engine, &computation.protect)?;
    drop(engine);
    // Before the workers are let go: their next attempt may come at once. Keys of an attempt that fails are never asked for.
    for (id, key) in [of_left, of_right].into_iter().filter_map(Dealt::into_kept) {
        masks.put(id, key);
    }
    part(left)?;
    part(right)
}

/// The masks of a worker's own columns at the dealer.
enum Dealt {
    Fresh,
    Keep(KeptId, Option<KeptKey>),
    Kept(KeptKey),
}

impl Dealt {
    fn of(sharing: Sharing, masks: &mut dyn KeptMasks, step: &StepName) -> Result<Self, ProtocolError> {
        match sharing {
            Sharing::Travel => Ok(Self::Fresh),
            Sharing::Keep(id) => match masks.get(&id) {
                None => Ok(Self::Keep(id, None)),
                Some(_) => Err(KeptError::Taken.at(step)),
            },
            Sharing::Kept(id) => masks.get(&id).map(Self::Kept).ok_or_else(|| KeptError::Unknown.at(step)),
        }
    }

    fn masks(&mut self) -> Masks<'_> {
        match self {
            Self::Fresh => Masks::Travel,
            Self::Keep(_, key) => Masks::Keep(key),
            Self::Kept(key) => Masks::Kept(key),
        }
    }

    fn into_kept(self) -> Option<(KeptId, KeptKey)> {
        if let Self::Keep(id, Some(key)) = self { Some((id, key)) } else { None }
    }
}

fn enter_owners<'a>(numbers: &mut Vec<u64>, owners: impl Iterator<Item = &'a OwnerShape>) {
    for owner in owners {
        numbers.extend([owner.categories as u64, owner.values.len() as u64]);
        numbers.extend(owner.values.iter().map(|bits| u64::from(*bits)));
    }
}

fn enter_crosses(numbers: &mut Vec<u64>, crosses: &[Cross]) {
    numbers.push(crosses.len() as u64);
    for Cross { first, second } in crosses {
        numbers.extend([first.0, first.1, second.0, second.1].map(|number| number as u64));
    }
}

/// Which columns can be kept.
const KEEPABLE: &str = "no kept columns of a worker where there is no product, none of workers whose columns are multiplied with \
                        further owners', none of a right that is everyone, and different names";

impl Computation {
    /// Whether columns that are to be kept, or were, are such that can be.
    fn can_keep(&self) -> bool {
        let [left, right] = [self.of_left.id(), self.of_right.id()];
        let (left_can, right_can) = match &self.product {
            None => (false, false),
            Some(Product::Narrow(shape)) => (shape.others.is_empty(), shape.others.is_empty()),
            Some(Product::Joined { shape, .. }) => (true, !shape.right_is_everyone),
        };
        (left_can || left.is_none()) && (right_can || right.is_none()) && (left.is_none() || left != right)
    }

    /// Whether all columns travel.
    fn keeps_nothing_from_before(&self) -> bool {
        self.of_left.kept().is_none() && self.of_right.kept().is_none()
    }

    /// What a dealer is told: of classes their number, and not where their borders are.
    fn as_told(&self) -> Self {
        let mut told = self.clone();
        if let Some(Product::Joined { classes, .. }) = &mut told.product {
            for shape in classes {
                let width = shape.width();
                shape.borders = (1..width.max(2) as u32).collect();
                shape.kept = (0..width).collect();
            }
        }
        told
    }

    /// A fixed encoding: numbers as eight bytes little-endian, lists with their length before them.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut numbers: Vec<u64> = Vec::new();
        match &self.product {
            None => numbers.push(0),
            Some(Product::Narrow(shape)) => {
                numbers.extend([1, shape.rows as u64, shape.block_rows as u64, shape.others.len() as u64]);
                enter_owners(&mut numbers, [&shape.left, &shape.right].into_iter().chain(&shape.others));
                enter_crosses(&mut numbers, &shape.crosses);
            }
            Some(Product::Joined { shape, classes }) => {
                let factors = shape.factors.len() as u64;
                numbers.extend([2, shape.rows as u64, shape.block_rows as u64, factors]);
                numbers.extend([u64::from(shape.right_is_everyone), classes.len() as u64]);
                enter_owners(&mut numbers, [&shape.left, &shape.right].into_iter().chain(&shape.factors));
                enter_crosses(&mut numbers, &shape.crosses);
                for classes in classes {
                    let lists = [classes.borders.len() as u64, classes.kept.len() as u64];
                    numbers.extend([u64::from(classes.bits), classes.others as u64].into_iter().chain(lists));
                    numbers.extend(classes.borders.iter().map(|border| u64::from(*border)));
                    numbers.extend(classes.kept.iter().map(|class| *class as u64));
                }
            }
        }
        for sharing in [&self.of_left, &self.of_right] {
            let form = match sharing {
                Sharing::Travel => 0,
                Sharing::Keep(_) => 1,
                Sharing::Kept(_) => 2,
            };
            numbers.push(form);
            let id = sharing.id().into_iter().flat_map(|id| id.0.as_chunks().0);
            numbers.extend(id.map(|bytes| u64::from_le_bytes(*bytes)));
        }
        let protect = &self.protect;
        let table = protect.table.rows();
        numbers.extend([
            protect.cells as u64,
            u64::from_le_bytes(protect.column_id),
            u64::from(protect.table.max_change()),
            table.len() as u64,
        ]);
        numbers.extend(table.iter().flatten().map(|threshold| u64::from(*threshold)));
        match &protect.program {
            Program::Population { floor } => numbers.extend([0, u64::from(*floor)]),
            Program::Edit { units_min, rest_min, floor } => {
                numbers.extend([2, u64::from(*units_min), u64::from(*rest_min), u64::from(*floor)]);
            }
            Program::Table { small_max, small_percent_max, counted, values } => {
                numbers.extend([
                    1,
                    u64::from(*small_max),
                    u64::from(*small_percent_max),
                    counted.len() as u64,
                ]);
                numbers.extend(counted.iter().map(|cell| *cell as u64));
                match values {
                    None => numbers.push(0),
                    Some(values) => numbers.extend(
                        [
                            1,
                            u64::from(values.squares),
                            u64::from(values.sum_bits),
                            u64::from(values.square_bits),
                            u64::from(values.units_min),
                            u64::from(values.dominance_percent_max),
                            values.evidence.len() as u64,
                        ]
                        .into_iter()
                        .chain(values.evidence.iter().copied()),
                    ),
                }
            }
        }
        numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
    }

    /// Reads the encoding; none for any other bytes.
    ///
    /// Public, as is the way back, for whoever tests it on bytes of strangers: [`deal`] is the one caller.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if !bytes.len().is_multiple_of(8) {
            return None;
        }
        let mut numbers =
            bytes.chunks_exact(8).map(|chunk| u64::from_le_bytes(chunk.try_into().expect("8 bytes")));
        let mut next = || numbers.next();
        let size = |number: u64| usize::try_from(number).ok();
        let small = |number: u64| u32::try_from(number).ok();
        let flag = |number: u64| (number <= 1).then_some(number == 1);
        let product = match next()? {
            0 => None,
            form @ (1 | 2) => {
                let (rows, block_rows, others) = (size(next()?)?, size(next()?)?, size(next()?)?);
                if others > ProductShape::OTHERS_MAX {
                    return None;
                }
                let joined = match form {
                    2 => Some((flag(next()?)?, size(next()?).filter(|classes| *classes <= others)?)),
                    _ => None,
                };
                let mut owner = || {
                    let (categories, count) = (size(next()?)?, size(next()?)?);
                    if count > ProductShape::VALUES_MAX {
                        return None;
                    }
                    let values = (0..count).map(|_| next().and_then(|bits| u8::try_from(bits).ok()));
                    Some(OwnerShape { categories, values: values.collect::<Option<_>>()? })
                };
                let (left, right) = (owner()?, owner()?);
                let others = (0..others).map(|_| owner()).collect::<Option<Vec<_>>>()?;
                let crosses = size(next()?).filter(|crosses| *crosses <= Cross::MAX)?;
                let mut place = || Some((size(next()?)?, size(next()?)?));
                let crosses = (0..crosses).map(|_| Some(Cross { first: place()?, second: place()? }));
                let crosses = crosses.collect::<Option<Vec<_>>>()?;
                let product = match joined {
                    None => Product::Narrow(ProductShape { rows, block_rows, left, right, others, crosses }),
                    Some((right_is_everyone, count)) => {
                        let mut classes = || {
                            let (bits, others) = (small(next()?)?, size(next()?)?);
                            let (borders, kept) = (size(next()?)?, size(next()?)?);
                            if borders > ClassShape::BORDERS_MAX || kept > ClassShape::BORDERS_MAX + 1 {
                                return None;
                            }
                            let borders =
                                (0..borders).map(|_| next().and_then(small)).collect::<Option<_>>()?;
                            let kept = (0..kept).map(|_| next().and_then(size)).collect::<Option<_>>()?;
                            Some(ClassShape { rows, block_rows, bits, borders, kept, others })
                        };
                        let classes = (0..count).map(|_| classes()).collect::<Option<_>>()?;
                        let factors = others;
                        let shape = JoinedShape {
                            rows,
                            block_rows,
                            left,
                            right,
                            right_is_everyone,
                            factors,
                            crosses,
                        };
                        Product::Joined { shape, classes }
                    }
                };
                if !product.fits() {
                    return None;
                }
                Some(product)
            }
            _ => return None,
        };
        let mut sharing = || {
            let form = next()?;
            if form == 0 {
                return Some(Sharing::Travel);
            }
            let mut id = [0; 32];
            for bytes in id.as_chunks_mut().0 {
                *bytes = next()?.to_le_bytes();
            }
            match form {
                1 => Some(Sharing::Keep(KeptId(id))),
                2 => Some(Sharing::Kept(KeptId(id))),
                _ => None,
            }
        };
        let (of_left, of_right) = (sharing()?, sharing()?);
        let cells = size(next()?)?;
        let column_id = next()?.to_le_bytes();
        let max_change = small(next()?)?;
        let rows = next()?;
        if rows > 1024 || max_change > 64 {
            return None;
        }
        let mut table = Vec::new();
        for _ in 0..rows {
            let row: Option<Vec<u16>> =
                (0..2 * max_change).map(|_| next().and_then(|number| u16::try_from(number).ok())).collect();
            table.push(row?);
        }
        let table = PerturbationTable::new(table, max_change).ok()?;
        let program = match next()? {
            0 => Program::Population { floor: small(next()?)? },
            2 => Program::Edit {
                units_min: small(next()?)?,
                rest_min: small(next()?)?,
                floor: small(next()?)?,
            },
            1 => {
                let (small_max, small_percent_max) = (small(next()?)?, small(next()?)?);
                let length = next()?;
                let counted: Option<Vec<usize>> = (0..length).map(|_| next().and_then(size)).collect();
                let values = match next()? {
                    0 => None,
                    1 => Some(ValueShape {
                        squares: flag(next()?)?,
                        sum_bits: small(next()?)?,
                        square_bits: small(next()?)?,
                        units_min: small(next()?)?,
                        dominance_percent_max: small(next()?)?,
                        evidence: {
                            let count = size(next()?).filter(|count| *count <= ValueShape::EVIDENCE_MAX)?;
                            (0..count).map(|_| next()).collect::<Option<_>>()?
                        },
                    }),
                    _ => return None,
                };
                Program::Table { small_max, small_percent_max, counted: counted?, values }
            }
            _ => return None,
        };
        let protect = ProtectShape { cells, table, column_id, program };
        let computation = Self { product, of_left, of_right, protect };
        (next().is_none() && computation.can_keep()).then_some(computation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::kept::tests::{Kept, Way, Ways};
    use crate::protocol::kept::{LeftColumns, MaskShelf, RightColumns};
    use crate::protocol::narrow_product::ProductShares;
    use crate::protocol::narrow_product::tests::{World, opened, shape};
    use crate::protocol::protect::CellShares;
    use crate::share::OpeningPermit;
    use crate::testing::{Ran, linked};

    fn computation() -> Computation {
        let rows = vec![vec![0, 0, 256, 256], vec![0, 100, 200, 256]];
        Computation {
            product: Some(Product::Narrow(ProductShape::new(
                65_536,
                OwnerShape { categories: 3, values: vec![7, 7, 6] },
                OwnerShape { categories: 4, values: vec![1] },
                vec![
                    OwnerShape { categories: 2, values: vec![] },
                    OwnerShape { categories: 5, values: vec![8] },
                ],
            ))),
            of_left: Sharing::Travel,
            of_right: Sharing::Travel,
            protect: ProtectShape {
                cells: 20,
                table: PerturbationTable::new(rows, 2).expect("usable"),
                column_id: ProtectShape::COUNT_COLUMN,
                program: Program::Table {
                    small_max: 4,
                    small_percent_max: 50,
                    counted: vec![0, 1, 2, 5],
                    values: Some(ValueShape {
                        squares: true,
                        sum_bits: 21,
                        square_bits: 40,
                        units_min: 15,
                        dominance_percent_max: 90,
                        evidence: vec![1, 8],
                    }),
                },
            },
        }
    }

    /// One attempt of a session, with everything that parties keep: what each says at the end.
    fn attempt(
        number: u8,
        world: &World,
        ways: &Ways,
        [of_left, of_right]: [Sharing; 2],
        kept: &mut Kept,
        shelf: &mut MaskShelf,
        ledger: &Arc<Mutex<Ledger>>,
    ) -> [Result<Option<ProductShares>, ProtocolError>; 3] {
        let protect =
            ProtectShape { cells: 1, program: Program::Population { floor: 1000 }, ..computation().protect };
        let product = Some(Product::Narrow(world.shape.clone()));
        let told = &Computation { product, of_left, of_right, protect };
        let (mut left_to_right, mut right_to_left, _) = linked("left", "right");
        let (mut left_to_dealer, mut dealer_to_left, _) = linked("left", "dealer");
        let (mut right_to_dealer, mut dealer_to_right, _) = linked("right", "dealer");
        let id = [number; 16];
        let ends = |own, peer| Ends { session: &[1; 16], attempt: &id, own, peer };
        let cells = || CellShares::zeros(&told.protect);
        let Kept { blocks_at_left, blocks_at_right, key_at_right, .. } = kept;
        std::thread::scope(|scope| {
            let left = scope.spawn(move || {
                let (right, dealer) = (&mut left_to_right, &mut left_to_dealer);
                let dealer_seed = introduce(dealer, ends("left", "dealer"), Some(ledger))?;
                let pair_seed = introduce(right, ends("left", "right"), Some(ledger))?;
                announce(dealer, told)?;
                agree(right, &[7; 32])?;
                let columns = LeftColumns {
                    rows: world.left_rows(),
                    is_kept: !ways.left.travels(),
                    of_right: ways.right.blocks(blocks_at_left),
                };
                let step = product_step();
                let shares = narrow_product::left(&step, &world.shape, right, &dealer_seed, vec![], columns)?;
                let mut engine = Engine::left(&protect_step(), right, &dealer_seed, &pair_seed)?;
                let judged = protect::perturb(&mut engine, &told.protect, &cells(), &[0; 16])?;
                let judged = judged.judge(&mut engine, &told.protect)?;
                let _ = judged.open(&mut engine, OpeningPermit::for_a_test())?;
                drop(engine);
                part(dealer)?;
                part(right)?;
                Ok(Some(shares))
            });
            let right = scope.spawn(move || {
                let (left, dealer) = (&mut right_to_left, &mut right_to_dealer);
                let dealer_seed = introduce(dealer, ends("right", "dealer"), Some(ledger))?;
                let pair_seed = introduce(left, ends("right", "left"), Some(ledger))?;
                announce(dealer, told)?;
                agree(left, &[7; 32])?;
                let columns = RightColumns {
                    rows: world.owners[1].view(),
                    masks: ways.right.masks(key_at_right),
                    of_left: ways.left.blocks(blocks_at_right),
                };
                let (step, shape) = (product_step(), &world.shape);
                let shares =
                    narrow_product::right(&step, shape, left, dealer, &dealer_seed, vec![], columns)?;
                let mut engine = Engine::right(&protect_step(), left, dealer, &dealer_seed, &pair_seed)?;
                let judged = protect::perturb(&mut engine, &told.protect, &cells(), &[0; 16])?;
                let judged = judged.judge(&mut engine, &told.protect)?;
                let _ = judged.open(&mut engine, OpeningPermit::for_a_test())?;
                drop(engine);
                part(dealer)?;
                part(left)?;
                Ok(Some(shares))
            });
            let dealer = scope.spawn(move || {
                let (left, right) = (&mut dealer_to_left, &mut dealer_to_right);
                let (left_ends, right_ends) = (ends("dealer", "left"), ends("dealer", "right"));
                deal(left, left_ends, right, right_ends, shelf, Some(ledger)).map(|()| None)
            });
            [left.join(), right.join(), dealer.join()].map(|said| said.expect("no panic"))
        })
    }

    /// Whether the workers' shares add up to the results in the clear.
    fn is_right(world: &World, said: [Result<Option<ProductShares>, ProtocolError>; 3]) -> bool {
        let [left, right, dealer] = said;
        dealer.expect("dealt");
        let [left, right] = [left, right].map(|shares| shares.expect("ended").expect("a worker's"));
        let (seen_by_left, seen_by_right, seen_from_dealer) = Default::default();
        let ran = Ran { left, right, dealer: (), seen_by_left, seen_by_right, seen_from_dealer };
        opened(&ran) == world.clear()
    }

    #[test]
    fn a_later_attempt_of_the_session_takes_what_an_earlier_one_kept_and_an_unknown_name_is_told_to_all() {
        let world = World::random(3, shape(100, 32, &[(3, &[8]), (2, &[])]));
        let (mut kept, mut shelf, ledger) = (Kept::default(), MaskShelf::default(), Ledger::shared());
        let ids = [1, 2].map(|columns| KeptId([columns; 32]));
        let [travel, keep, take] =
            [Way::Travel, Way::Keep, Way::Kept].map(|way| Ways { left: way, right: way, others: vec![] });
        let run = |number, ways: &Ways, sharing, kept: &mut Kept, shelf: &mut MaskShelf| {
            attempt(number, &world, ways, sharing, kept, shelf, &ledger)
        };
        let said = |number, ways: &Ways, sharing, kept: &mut Kept, shelf: &mut MaskShelf| {
            is_right(&world, run(number, ways, sharing, kept, shelf))
        };
        assert!(said(1, &keep, ids.map(Sharing::Keep), &mut kept, &mut shelf));
        assert_eq!(shelf.len(), 2);
        assert!(said(2, &take, ids.map(Sharing::Kept), &mut kept, &mut shelf));
        let mixed = Ways { right: Way::Travel, ..take.clone() };
        assert!(said(3, &mixed, [Sharing::Kept(ids[0]), Sharing::Travel], &mut kept, &mut shelf));
        assert!(said(4, &travel, [Sharing::Travel; 2], &mut kept, &mut shelf));
        // Names the wrong way round: the dealer has masks of other columns under them.
        let other = |worker: &str| {
            let step = product_step().join(worker).expect("a name");
            Some(ProtocolError::Kept { step, cause: KeptError::Other })
        };
        let [_, _, dealer] = run(5, &take, [ids[1], ids[0]].map(Sharing::Kept), &mut kept, &mut shelf);
        assert_eq!(dealer.err(), other("left"));
        // A name that is taken: nothing of the attempt is kept.
        let taken = [Sharing::Keep(KeptId([9; 32])), Sharing::Keep(ids[0])];
        let [left, right, dealer] = run(6, &keep, taken, &mut Kept::default(), &mut shelf);
        assert!(matches!(dealer, Err(ProtocolError::Kept { cause: KeptError::Taken, .. })));
        assert!(left.is_err() && right.is_err() && shelf.len() == 2);
        // A dealer that has lost its keys says so to both workers.
        let unknown = |step: &str| {
            let step = StepName::new(step).expect("a name");
            Some(ProtocolError::Kept { step, cause: KeptError::Unknown })
        };
        let mut empty = MaskShelf::default();
        let [left, right, dealer] = run(7, &take, ids.map(Sharing::Kept), &mut kept, &mut empty);
        assert_eq!([left.err(), right.err()], [(); 2].map(|()| unknown("attempt/kept")));
        assert_eq!(dealer.err(), unknown("product/left"));
        assert_eq!(ledger.lock().expect("not poisoned").reuses(), 0);
    }

    #[test]
    fn only_columns_that_can_be_kept_are_announced_or_heard() {
        let owner = |categories| OwnerShape { categories, values: vec![] };
        let [id, other] = [1, 2].map(|byte| KeptId([byte; 32]));
        let classes = vec![ClassShape::new(100, 1, 17, vec![30], vec![0, 1], 0)];
        let two = Product::new(100, owner(2), owner(2), false, vec![], vec![], vec![]);
        let three = Product::new(100, owner(2), owner(2), false, vec![owner(2)], vec![], vec![]);
        let joined = Product::new(100, owner(2), owner(2), false, vec![owner(2)], classes.clone(), vec![]);
        let everyone = Product::new(100, owner(2), owner(1), true, vec![], classes, vec![]);
        let (travel, keep) = (Sharing::Travel, Sharing::Keep(id));
        for (product, of_left, of_right, can) in [
            (Some(two.clone()), keep, Sharing::Kept(other), true),
            (Some(two.clone()), Sharing::Kept(other), keep, true),
            (Some(two.clone()), keep, keep, false),
            (Some(two), keep, Sharing::Kept(id), false),
            (Some(joined), Sharing::Kept(id), Sharing::Kept(other), true),
            (Some(everyone.clone()), keep, travel, true),
            (Some(everyone), travel, keep, false),
            (Some(three.clone()), travel, travel, true),
            (Some(three.clone()), keep, travel, false),
            (Some(three), travel, Sharing::Kept(id), false),
            (None, keep, travel, false),
        ] {
            let computation = Computation { product, of_left, of_right, ..computation() };
            let bytes = computation.to_bytes();
            assert_eq!(Computation::from_bytes(&bytes).is_some(), can, "{computation:?}");
            for cut in 0..bytes.len() {
                assert_eq!(Computation::from_bytes(&bytes[..cut]), None);
            }
            if !can {
                let (mut to_dealer, _at_dealer, seen) = linked("left", "dealer");
                let said = announce(&mut to_dealer, &computation);
                assert!(matches!(said, Err(ProtocolError::Shape { .. })), "{said:?}");
                assert!(seen.lock().expect("no panic").is_empty());
            }
        }
    }

    #[test]
    fn a_shape_survives_its_encoding_and_nothing_else_is_read_as_one() {
        let full = computation();
        let population = Computation {
            product: None,
            of_left: Sharing::Travel,
            of_right: Sharing::Travel,
            protect: ProtectShape {
                cells: 1,
                program: Program::Population { floor: 1000 },
                ..computation().protect
            },
        };
        let program = Program::Edit { units_min: 15, rest_min: 0, floor: 1000 };
        let edit = Computation {
            protect: ProtectShape { cells: 2, program, ..computation().protect },
            ..computation()
        };
        let owner = |categories| OwnerShape { categories, values: vec![] };
        let classes = ClassShape::new(65_536, 1, 17, vec![30, 60, 90], vec![1, 3], 1);
        let crossed = |categories, bits| OwnerShape { categories, values: vec![bits] };
        let cross = Cross { first: (0, 0), second: (2, 0) };
        let (left, other) = (crossed(3, 4), crossed(4, 3));
        let joined = Product::new(65_536, left, owner(1), true, vec![other], vec![classes], vec![cross]);
        let joined = Computation { product: Some(joined), ..computation() };
        let mut misfit = joined.clone();
        if let Some(Product::Joined { shape, .. }) = &mut misfit.product {
            shape.factors[1].categories = 3;
        }
        assert_eq!(Computation::from_bytes(&misfit.to_bytes()), None);
        // A dealer's shape is one that it can deal for, and the same for other borders.
        let told = joined.as_told();
        let Some(Product::Joined { classes, .. }) = &told.product else { panic!("joined") };
        assert!(classes[0].checked().is_ok() && classes[0].width() == 2 && classes[0].borders == [1]);
        for computation in [full, population, edit, joined, told] {
            let bytes = computation.to_bytes();
            assert_eq!(Computation::from_bytes(&bytes), Some(computation));
            for cut in 0..bytes.len() {
                assert_eq!(Computation::from_bytes(&bytes[..cut]), None);
            }
            assert_eq!(Computation::from_bytes(&[bytes, vec![0; 8]].concat()), None);
        }
    }
}
