//! One attempt at one question, seen from outside its protocols: fresh keys for each link, agreement on what is
//! computed, and the dealer's whole part.
//!
//! Links: left–right, left–dealer, right–dealer. In this order, at every party:
//!
//! 1. On each link both ends send an ephemeral public key ([`introduce`]) and get a seed that only they have.
//!    *Learnt:* nothing; the keys are made for this attempt and die with it.
//! 2. Each worker sends the dealer the public shape of the computation ([`announce`]). The dealer goes on only if both
//!    sent the same. *Learnt by the dealer:* the shape.
//! 3. The workers compare digests of everything they take for granted: plan, question, rules, roles, shape
//!    ([`agree`]). *Learnt:* whether they are the same.
//! 4. The product, if several owners' data meet ([`narrow_product`], or [`joined_product`] where there are classes of sums), and
//!    protection ([`protect`]).
//! 5. [`farewell`](crate::channel::farewell) on each link: whoever closes knows that the other end has everything.

use std::sync::{Arc, Mutex};

use crate::channel::{Channel, ChannelError, StepName, farewell};
use crate::protocol::classes::{ClassShape, DealtClasses};
use crate::protocol::engine::Engine;
use crate::protocol::factor::DealtFactor;
use crate::protocol::joined_product::{self, JoinedShape};
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
    /// Protection.
    pub protect: ProtectShape,
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

/// Step 2 at a worker: tells the dealer the shape.
///
/// # Errors
/// [`ProtocolError`].
pub fn announce(dealer: &mut dyn Channel, computation: &Computation) -> Result<(), ProtocolError> {
    let bytes = computation.as_told().to_bytes();
    let length = bytes.len() as u64;
    dealer.send(&step("attempt/shape-length"), 0, &[1, 8], length.to_le_bytes().to_vec())?;
    dealer.send(&step("attempt/shape"), 0, &[length, 1], bytes)?;
    Ok(())
}

/// Step 2 at the dealer.
fn hear(worker: &mut dyn Channel) -> Result<Computation, ProtocolError> {
    let (length_step, shape_step) = (step("attempt/shape-length"), step("attempt/shape"));
    let length = decode::<u64>(&worker.receive(&length_step, 0, &[1, 8])?, &length_step)?[0];
    let unexpected = || ChannelError::Unexpected { step: shape_step.clone() };
    if length > COMPUTATION_BYTES_MAX {
        return Err(unexpected().into());
    }
    let bytes = worker.receive(&shape_step, 0, &[length, 1])?;
    Computation::from_bytes(&bytes).ok_or_else(|| unexpected().into())
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
/// corrections and two empty messages. Nothing that it sends or receives depends on anybody's data.
///
/// # Errors
/// [`ProtocolError::Shape`] where the workers announced different shapes; what links say otherwise.
pub fn deal(
    left: &mut dyn Channel,
    left_ends: Ends<'_>,
    right: &mut dyn Channel,
    right_ends: Ends<'_>,
    ledger: Option<&Arc<Mutex<Ledger>>>,
) -> Result<(), ProtocolError> {
    let left_seed = introduce(left, left_ends, ledger)?;
    let right_seed = introduce(right, right_ends, ledger)?;
    let computation = hear(left)?;
    if hear(right)? != computation {
        return Err(ProtocolError::Shape { expected: "the same shape from both workers" });
    }
    match computation.product {
        None => {}
        Some(Product::Narrow(shape)) => {
            narrow_product::deal(&product_step(), &shape, right, &left_seed, &right_seed)?;
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
                &left_seed,
                &right_seed,
                &mut factors,
            )?;
        }
    }
    let mut engine = Engine::dealer(&protect_step(), right, &left_seed, &right_seed)?;
    protect::deal(&mut engine, &computation.protect)?;
    drop(engine);
    part(left)?;
    part(right)
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

impl Computation {
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
        next().is_none().then_some(Self { product, protect })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn a_shape_survives_its_encoding_and_nothing_else_is_read_as_one() {
        let full = computation();
        let population = Computation {
            product: None,
            protect: ProtectShape {
                cells: 1,
                program: Program::Population { floor: 1000 },
                ..computation().protect
            },
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
        for computation in [full, population, joined, told] {
            let bytes = computation.to_bytes();
            assert_eq!(Computation::from_bytes(&bytes), Some(computation));
            for cut in 0..bytes.len() {
                assert_eq!(Computation::from_bytes(&bytes[..cut]), None);
            }
            assert_eq!(Computation::from_bytes(&[bytes, vec![0; 8]].concat()), None);
        }
    }
}
