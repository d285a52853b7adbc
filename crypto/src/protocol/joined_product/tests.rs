//! Joined products, each party in a thread: their results, what each sees, and what is refused.

use std::sync::{Arc, Mutex};

use super::*;
use crate::channel::ChannelError;
use crate::kernel::one_hot;
use crate::protocol::kept::tests::{Kept, Ways};
use crate::protocol::narrow_product::tests::{
    Opened, Rows, World, crosses, opened, outsides, shape as narrow,
};
use crate::protocol::narrow_product::{LIMBS, NO_CATEGORY, OwnerShape, ProductShape};
use crate::protocol::shared_columns::{self, ColumnsAtLeft, ColumnsAtRight, DealtColumns, ShareAtLeft};
use crate::seeds::Ledger;
use crate::testing::{
    DealerHand, Dice, LeftHand, Pairs, Ran, RightHand, Seen, TestChannel, bodies, linked, seeds, step,
    three_among, three_watched,
};

/// A factor whose columns were split at random beforehand. It talks on every link, so that a message out of turn is noticed.
struct Split {
    name: StepName,
    is_left: bool,
    /// Shares of each column, all rows of it.
    columns: Vec<Vec<u16>>,
}

impl Factor for Split {
    fn block(
        &mut self,
        worker: &mut dyn Channel,
        dealer: &mut dyn Channel,
        index: u64,
        rows: Range<usize>,
        share: &mut Vec<u16>,
    ) -> Result<(), ProtocolError> {
        let (mine, theirs) = if self.is_left { ("left", "right") } else { ("right", "left") };
        worker.send(&self.name.join(mine)?, index, &[rows.len() as u64], vec![7; rows.len()])?;
        worker.receive(&self.name.join(theirs)?, index, &[rows.len() as u64])?;
        dealer.receive(&self.name, index, &[rows.len() as u64])?;
        share.clear();
        self.columns.iter().for_each(|column| share.extend(&column[rows.clone()]));
        Ok(())
    }
}

struct DealtSplit(StepName);

impl DealtFactor for DealtSplit {
    fn block(
        &mut self,
        left: &mut dyn Channel,
        right: &mut dyn Channel,
        index: u64,
        rows: Range<usize>,
    ) -> Result<(), ProtocolError> {
        left.send(&self.0, index, &[rows.len() as u64], vec![8; rows.len()])?;
        Ok(right.send(&self.0, index, &[rows.len() as u64], vec![8; rows.len()])?)
    }
}

/// Both shares of one owner's columns.
fn split(seed: u8, own: &OwnerShape, rows: &Rows) -> [Vec<Vec<u16>>; 2] {
    let height = rows.categories.len();
    let mut columns = vec![0; own.width() * height];
    one_hot(&mut columns, 0, &rows.categories, |_| 1);
    for (value, values) in rows.values.iter().enumerate() {
        let first = (1 + value) * own.categories;
        one_hot(&mut columns, first, &rows.categories, |row| u16::from(values[row]));
    }
    let mut dice = Dice::seeded(seed);
    let left: Vec<u16> = columns.iter().map(|_| dice.next() as u16).collect();
    let right: Vec<u16> =
        columns.iter().zip(&left).map(|(column, left)| column.wrapping_sub(*left)).collect();
    [left, right].map(|share| {
        (0..own.width()).map(|column| share[column * height..(column + 1) * height].to_vec()).collect()
    })
}

fn split_name(factor: usize) -> StepName {
    step(&format!("q1/split{factor}"))
}

fn borrowed<'a>(factors: &'a mut [Box<dyn Factor + Send + '_>]) -> Vec<&'a mut dyn Factor> {
    factors.iter_mut().map(|factor| &mut **factor as &mut dyn Factor).collect()
}

/// Owners' rows, of which those of the factors come as shares.
pub(crate) struct Joined {
    pub(in crate::protocol) shape: JoinedShape,
    pub(in crate::protocol) world: World,
    /// Whether a factor's columns were split beforehand; if not its owner shares them.
    split: fn(usize) -> bool,
}

/// The parties' results, and what right saw of the factors' owners.
pub(crate) struct Outcome {
    pub(crate) ran: Ran<ProductShares, ProductShares, ()>,
    pub(crate) seen_of_owners: Vec<Vec<Seen>>,
}

impl Joined {
    pub(in crate::protocol) fn new(world: World, right_is_everyone: bool) -> Self {
        let mut world = world;
        let owners: Vec<&OwnerShape> =
            [&world.shape.left, &world.shape.right].into_iter().chain(&world.shape.others).collect();
        let crosses = crosses(&owners);
        world.shape.crosses.clone_from(&crosses);
        let ProductShape { rows, block_rows, left, right, others: factors, .. } = world.shape.clone();
        let shape = JoinedShape { rows, block_rows, left, right, right_is_everyone, factors, crosses };
        if right_is_everyone {
            world.owners[1].categories.fill(0);
        }
        Self { shape, world, split: |factor| factor % 2 == 0 }
    }

    pub(crate) fn owned(world: World, right_is_everyone: bool) -> Self {
        Self { split: |_| false, ..Self::new(world, right_is_everyone) }
    }

    fn run(&self, ledger: &Arc<Mutex<Ledger>>) -> Outcome {
        self.run_among(&Pairs::fresh(ledger))
    }

    pub(crate) fn run_among(&self, pairs: &Pairs) -> Outcome {
        self.run_keeping(pairs, &Ways::default(), &mut Kept::default())
    }

    /// As [`Self::run_among`], where columns are kept or were.
    pub(crate) fn run_keeping(&self, pairs: &Pairs, ways: &Ways, kept: &mut Kept) -> Outcome {
        kept.make_room(self.shape.factors.len());
        let (name, shape) = (step("q1/joined"), &self.shape);
        // The owners wait for nobody, so they may be done before the workers begin; their ends stay open.
        let (mut left_factors, mut links, mut ends, mut seen) = (Vec::new(), vec![], vec![], vec![]);
        for (factor, (rows, key)) in self.world.owners[2..].iter().zip(&mut kept.keys_at_left).enumerate() {
            if (self.split)(factor) {
                left_factors.push(Box::new(self.split(factor, true)) as Box<dyn Factor + Send>);
                continue;
            }
            let own = format!("owner{factor}");
            let (at_left, at_owner) = pairs.seeds("left", &own);
            let (mut to_right, at_right, of_link) = linked(&own, "right");
            let way = ways.other(factor);
            if way.travels() {
                shared_columns::share_factor(&name, shape, factor, &mut to_right, &at_owner, rows.view())
                    .expect("shared");
            }
            let share = way.at_left(&at_left, key);
            left_factors.push(Box::new(ColumnsAtLeft::new(&name, shape, factor, share).expect("a factor")));
            links.push(at_right);
            ends.push(to_right);
            seen.push(of_link);
        }
        let mut links = links.iter_mut();
        let stores = kept.others_at_right.iter_mut().take(shape.factors.len()).enumerate();
        let right_factors = stores.map(|(factor, store)| -> Box<dyn Factor + Send + '_> {
            match (self.split)(factor) {
                true => Box::new(self.split(factor, false)),
                false => {
                    let link = links.next().expect("a link to the owner");
                    let share = ways.other(factor).at_right(link, store);
                    Box::new(ColumnsAtRight::new(&name, shape, factor, share).expect("a factor"))
                }
            }
        });
        let mut right_factors: Vec<_> = right_factors.collect();
        let dealt = (0..shape.factors.len()).map(|factor| -> Box<dyn DealtFactor + Send> {
            match (self.split)(factor) {
                true => Box::new(DealtSplit(split_name(factor))),
                false => Box::new(DealtColumns),
            }
        });
        let mut dealt: Vec<_> = dealt.collect();
        let (mut dealer_to_left, mut left_to_dealer, _) = linked("dealer", "left");
        let ran = three_among(
            pairs,
            |hand| {
                let factors = &mut borrowed(&mut left_factors);
                let (link, seed, rows) = (&mut left_to_dealer, &hand.dealer_seed, self.world.left_rows());
                let (is_kept, of_right) = (!ways.left.travels(), ways.right.blocks(&mut kept.blocks_at_left));
                let columns = LeftColumns { rows, is_kept, of_right };
                left(&name, shape, &mut hand.right, link, seed, factors, columns).expect("left ends")
            },
            |hand| {
                let factors = &mut borrowed(&mut right_factors);
                let (left, dealer) = (&mut hand.left, &mut hand.dealer);
                let columns = RightColumns {
                    rows: self.world.owners[1].view(),
                    masks: ways.right.masks(&mut kept.key_at_right),
                    of_left: ways.left.blocks(&mut kept.blocks_at_right),
                };
                right(&name, shape, left, dealer, &hand.dealer_seed, factors, columns).expect("right ends")
            },
            |hand| {
                let factors: &mut Vec<_> =
                    &mut dealt.iter_mut().map(|factor| &mut **factor as &mut dyn DealtFactor).collect();
                let (left, right) = (&mut dealer_to_left, &mut hand.right);
                let [left_key, right_key] = &mut kept.keys_at_dealer;
                let of_left = Seeded { seed: &hand.left_seed, masks: ways.left.masks(left_key) };
                let of_right = Seeded { seed: &hand.right_seed, masks: ways.right.masks(right_key) };
                deal(&name, shape, left, right, of_left, of_right, factors).expect("dealt");
            },
        );
        let seen_of_owners = seen.into_iter();
        let seen_of_owners =
            seen_of_owners.map(|seen| std::mem::take(&mut *seen.lock().expect("no panic"))).collect();
        Outcome { ran, seen_of_owners }
    }

    fn split(&self, factor: usize, is_left: bool) -> Split {
        let shares = split(factor as u8, &self.shape.factors[factor], &self.world.owners[2 + factor]);
        let [left, right] = shares;
        Split { name: split_name(factor), is_left, columns: if is_left { left } else { right } }
    }

    fn results(&self) -> Opened {
        let ledger = Ledger::shared();
        let results = opened(&self.run(&ledger).ran);
        assert_eq!(ledger.lock().expect("not poisoned").reuses(), 0);
        results
    }
}

/// What the product itself sent, the factors' own messages aside.
fn of_product(seen: &[Seen]) -> Vec<Seen> {
    seen.iter().filter(|(header, _)| !header.step.to_string().starts_with("q1/split")).cloned().collect()
}

#[test]
fn the_parts_add_up_to_the_clear_counts_key_sums_and_sums() {
    let values = &[8, 3][..];
    let shapes = [
        narrow(0, 8, &[(2, &[3]), (2, &[]), (2, &[])]),
        narrow(1, 8, &[(1, &[]), (1, &[]), (1, &[])]),
        narrow(7, 8, &[(3, &[]), (2, &[]), (4, &[])]),
        narrow(8, 8, &[(3, values), (2, &[]), (4, &[])]),
        narrow(9, 8, &[(3, &[]), (2, values), (4, &[])]),
        narrow(100, 16, &[(3, &[]), (2, &[]), (4, values)]),
        narrow(1000, 256, &[(2, &[8]), (2, &[7]), (3, &[6, 5])]),
        narrow(300, 64, &[(1, &[]), (10, &[]), (62, &[])]),
        // Enough rows that a stretch of counts ends before the last.
        narrow(20_000, 2048, &[(1, &[]), (2, &[]), (3, &[])]),
        // Wider factors stand before narrower ones, and between them.
        narrow(130, 32, &[(2, values), (3, &[4]), (5, &[]), (2, &[])]),
        narrow(130, 32, &[(2, &[]), (3, &[]), (2, &[7]), (3, &[1])]),
        narrow(65, 32, &[(2, &[8]), (2, &[7]), (3, &[6]), (4, &[]), (2, &[5])]),
        narrow(64, 32, &[(2, &[]), (1, &[]), (2, &[]), (1, &[]), (3, &[])]),
        narrow(33, 1, &[(2, &[]), (3, &[]), (2, &[]), (3, &[8])]),
    ];
    for (seed, shape) in shapes.into_iter().enumerate() {
        let joined = Joined::new(World::random(seed as u8, shape), false);
        assert!(joined.results() == joined.world.clear(), "{:?}", joined.shape);
    }
}

#[test]
fn a_right_that_is_everyone_takes_part_through_its_shares_only() {
    let values = &[8, 3][..];
    let shapes = [
        narrow(0, 8, &[(2, &[]), (1, &[]), (2, &[])]),
        narrow(1, 8, &[(1, &[]), (1, &[]), (1, &[])]),
        narrow(9, 8, &[(3, values), (1, &[]), (4, &[])]),
        narrow(300, 64, &[(10, &[]), (1, &[]), (62, &[])]),
        narrow(500, 256, &[(3, values), (1, &[]), (4, values)]),
        narrow(20_000, 2048, &[(1, &[]), (1, &[]), (3, &[])]),
        narrow(130, 32, &[(2, values), (1, &[]), (5, values), (2, &[])]),
        narrow(65, 32, &[(2, &[]), (1, &[]), (3, &[]), (4, &[]), (2, &[5])]),
    ];
    for (seed, shape) in shapes.into_iter().enumerate() {
        let joined = Joined::new(World::random(seed as u8, shape), true);
        assert!(joined.results() == joined.world.clear(), "{:?}", joined.shape);
        let Outcome { ran, .. } = joined.run(&Ledger::shared());
        let stages = of_product(&ran.seen_by_left);
        let named = |name: &str| stages.iter().any(|(header, _)| header.step.to_string().contains(name));
        assert_eq!(named("stage1/"), joined.shape.rows > 0 && joined.shape.factors.len() > 1);
    }
}

#[test]
fn rows_around_the_borders_of_blocks_are_all_counted() {
    for rows in [0, 1, 15, 16, 17, 31, 32, 33, 48] {
        for right in [1, 2] {
            for others in [[(3, &[][..])].as_slice(), &[(3, &[6]), (2, &[])]] {
                let shape = narrow(rows, 16, &[&[(2, &[8][..]), (right, &[])], others].concat());
                let joined = Joined::new(World::random(rows as u8, shape), right == 1);
                assert!(joined.results() == joined.world.clear(), "{:?}", joined.shape);
            }
        }
    }
}

#[test]
fn it_agrees_with_the_product_in_which_shares_are_multiplied_out() {
    for (seed, owners) in [
        [(3, &[8, 3][..]), (2, &[5]), (4, &[7])].as_slice(),
        &[(2, &[]), (3, &[8]), (4, &[]), (3, &[6])],
        &[(2, &[1]), (1, &[]), (2, &[]), (3, &[]), (2, &[4])],
    ]
    .into_iter()
    .enumerate()
    {
        let mut joined = Joined::owned(World::random(seed as u8, narrow(700, 128, owners)), false);
        // There, products of values are of the workers' only.
        joined.shape.crosses.retain(|cross| cross.second.0 == 1);
        joined.world.shape.crosses.clone_from(&joined.shape.crosses);
        assert!(joined.results() == opened(&joined.world.run(&Ledger::shared())), "{owners:?}");
    }
}

#[test]
fn nobody_in_any_category_gives_zeros_and_everybody_in_one_the_number_of_rows() {
    for is_everyone in [false, true] {
        let shape =
            || narrow(50, 16, &[(3, &[8]), (if is_everyone { 1 } else { 2 }, &[]), (4, &[8]), (2, &[])]);
        let cells = 24 * if is_everyone { 1 } else { 2 };
        let nobody = Joined::new(World::empty(shape()), is_everyone);
        let zeros = (vec![0; cells], [(); LIMBS].map(|()| vec![0; cells]), vec![vec![0; cells]; 2]);
        assert_eq!(nobody.results(), zeros);
        let everybody = Joined::new(World::full(shape()), is_everyone);
        let (counts, _, sums) = everybody.results();
        assert_eq!((counts[cells - 1], counts.iter().sum::<u128>()), (50, 50));
        assert_eq!(everybody.world.clear().2, sums);
    }
}

#[test]
fn every_party_sees_messages_of_the_same_shapes_whatever_the_values() {
    for is_everyone in [false, true] {
        let right = if is_everyone { (1, &[][..]) } else { (3, &[7][..]) };
        let shape = narrow(100, 16, &[(3, &[8]), right, (2, &[5]), (4, &[])]);
        let worlds = [World::random(1, shape.clone()), World::random(2, shape.clone()), World::empty(shape)];
        let views = worlds.map(|world| {
            let Outcome { ran, seen_of_owners } = Joined::new(world, is_everyone).run(&Ledger::shared());
            let of_workers = [ran.seen_by_left, ran.seen_by_right, ran.seen_from_dealer];
            of_workers.iter().chain(&seen_of_owners).map(|seen| outsides(seen)).collect::<Vec<_>>()
        });
        assert_eq!(views[0], views[1]);
        assert_eq!(views[0], views[2]);
    }
}

#[test]
fn what_travels_by_row_is_what_the_shape_says() {
    for (is_everyone, owners) in [
        (false, [(1, &[][..]), (10, &[]), (62, &[])].as_slice()),
        (true, &[(10, &[]), (1, &[]), (62, &[])]),
        (false, &[(2, &[8]), (3, &[7]), (5, &[]), (2, &[6])]),
        (true, &[(2, &[8]), (1, &[]), (5, &[]), (2, &[6]), (3, &[])]),
    ] {
        let joined = Joined::new(World::random(1, narrow(160, 32, owners)), is_everyone);
        let Outcome { ran, .. } = joined.run(&Ledger::shared());
        let by_row = |seen: &[Seen]| {
            let of_stage = |(header, _): &&Seen| header.step.to_string().contains("/stage");
            seen.iter().filter(of_stage).map(|(_, body)| body.len()).sum::<usize>() as f64 / 160.0
        };
        let [from_left, from_right, dealt, _] = joined.shape.bytes_per_row();
        let seen = [&ran.seen_by_right, &ran.seen_by_left, &ran.seen_from_dealer].map(|seen| by_row(seen));
        assert_eq!(seen, [from_left, from_right, dealt]);
    }
    let one = JoinedShape::new(1000, owner(1, &[]), owner(10, &[]), false, vec![owner(62, &[])]);
    assert_eq!(one.bytes_per_row()[..3], [2.0 * (4.0 + 102.0), 2.0 * (10.0 + 102.0), 2.0 * 40.0]);
    let everyone = JoinedShape::new(1000, owner(10, &[]), owner(1, &[]), true, vec![owner(62, &[])]);
    assert_eq!(everyone.bytes_per_row()[..3], [2.0 * 40.0, 2.0 * 62.0, 0.0]);
}

#[test]
fn two_attempts_at_one_question_share_no_mask() {
    let joined =
        Joined::owned(World::random(4, narrow(500, 128, &[(4, &[]), (4, &[]), (3, &[]), (2, &[])])), false);
    let ledger = Ledger::shared();
    let [first, second] = [(); 2].map(|()| joined.run(&ledger));
    for (one, other) in [
        (bodies(&first.seen_of_owners[0]), bodies(&second.seen_of_owners[0])),
        (bodies(&first.ran.seen_by_left), bodies(&second.ran.seen_by_left)),
        (bodies(&first.ran.seen_by_right), bodies(&second.ran.seen_by_right)),
        (bodies(&first.ran.seen_from_dealer), bodies(&second.ran.seen_from_dealer)),
    ] {
        // Equal masks under equal inputs would give equal bytes; unrelated ones agree in one of 256.
        let equal = one.iter().zip(&other).filter(|(a, b)| a == b).count() as f64;
        let expected = one.len() as f64 / 256.0;
        assert!((equal - expected).abs() < 8.0 * expected.sqrt() + 8.0, "{equal} of {}", one.len());
    }
    // Of four blocks two owners' columns, three stages' blocks each way and two corrections; then what the sums take.
    let ledger = ledger.lock().expect("not poisoned");
    assert_eq!((ledger.reuses(), ledger.len()), (0, 2 * (4 * (2 + 3 + 3 + 2) + 2 + 6)));
}

fn owner(categories: usize, values: &[u8]) -> OwnerShape {
    OwnerShape { categories, values: values.to_vec() }
}

/// Runs left and right on their own rows, with a factor that is silent and has columns of this length.
fn both(
    shapes: [&JoinedShape; 2],
    worlds: [&World; 2],
    factor: usize,
) -> Ran<Option<ProtocolError>, Option<ProtocolError>, Option<ProtocolError>> {
    let [(mut dealer_to_left, mut left_to_dealer, _)] = [linked("dealer", "left")];
    let name = step("p");
    let left_part = |hand: &mut LeftHand, link: &mut TestChannel| {
        let (mut silent, seed, rows) = (Silent(factor), &hand.dealer_seed, worlds[0].left_rows());
        left(&name, shapes[0], &mut hand.right, link, seed, &mut [&mut silent], rows.into()).err()
    };
    let right_part = |hand: &mut RightHand| {
        let (left, dealer, mut silent) = (&mut hand.left, &mut hand.dealer, Silent(factor));
        let rows = worlds[1].owners[1].view();
        right(&name, shapes[1], left, dealer, &hand.dealer_seed, &mut [&mut silent], rows.into()).err()
    };
    let dealer_part = |hand: &mut DealerHand, link: &mut TestChannel| {
        let (right, [of_left, of_right]) = (&mut hand.right, [&hand.left_seed, &hand.right_seed]);
        deal(&name, shapes[0], link, right, of_left.into(), of_right.into(), &mut [&mut DealtColumns]).err()
    };
    three_watched(
        &Ledger::shared(),
        |hand| left_part(hand, &mut left_to_dealer),
        right_part,
        |hand| dealer_part(hand, &mut dealer_to_left),
    )
}

struct Silent(usize);

impl Factor for Silent {
    fn block(
        &mut self,
        _worker: &mut dyn Channel,
        _dealer: &mut dyn Channel,
        _index: u64,
        rows: Range<usize>,
        share: &mut Vec<u16>,
    ) -> Result<(), ProtocolError> {
        share.resize(rows.len() * self.0, 0);
        Ok(())
    }
}

#[test]
fn inputs_outside_the_shape_are_refused_before_anything_is_sent() {
    let joined = Joined::new(World::empty(narrow(4, 2, &[(3, &[3]), (3, &[3]), (3, &[])])), false);
    let refused = |shape: &JoinedShape, world: &World, factor: usize| {
        let ran = both([shape; 2], [world; 2], factor);
        let sent = of_product(&ran.seen_by_left).len() + of_product(&ran.seen_by_right).len();
        assert_eq!(sent, 0);
        [ran.left, ran.right]
    };
    let both_refused = [const { Some(ProtocolError::Input) }; 2];
    for categories in [vec![0, 1, 2, 3], vec![0, 1, 2], vec![0; 5]] {
        let mut world = World::empty(joined.world.shape.clone());
        world.owners.iter_mut().for_each(|owner| owner.categories = categories.clone());
        assert_eq!(refused(&joined.shape, &world, 3), both_refused);
    }
    for values in [vec![vec![0, 8, 0, 0]], vec![vec![0; 3]], vec![]] {
        let mut world = World::empty(joined.world.shape.clone());
        world.owners.iter_mut().for_each(|owner| owner.values = values.clone());
        assert_eq!(refused(&joined.shape, &world, 3), both_refused);
    }
    // A factor whose shares have another number of columns.
    assert_eq!(refused(&joined.shape, &joined.world, 2), both_refused);
    // Two factors where there is one.
    let factors = vec![owner(3, &[]), owner(3, &[])];
    let more = JoinedShape { factors, crosses: vec![], ..joined.shape.clone() };
    let ran = both([&more; 2], [&joined.world; 2], 3);
    assert_eq!([ran.left, ran.right, ran.dealer], [const { Some(ProtocolError::Input) }; 3]);
    // Somebody is missing where right is everyone.
    let world = World::empty(narrow(4, 2, &[(3, &[]), (1, &[]), (3, &[])]));
    assert!(world.owners[1].categories.contains(&NO_CATEGORY));
    let everyone = JoinedShape {
        left: owner(3, &[]),
        right: owner(1, &[]),
        right_is_everyone: true,
        crosses: vec![],
        ..joined.shape.clone()
    };
    let ran = both([&everyone; 2], [&world; 2], 3);
    assert_eq!(ran.right, Some(ProtocolError::Input));
    let mut world = World::empty(joined.world.shape.clone());
    world.keys.pop();
    assert_eq!(both([&joined.shape; 2], [&world; 2], 3).left, Some(ProtocolError::Input));
}

#[test]
fn shapes_that_would_make_a_party_allocate_without_bound_are_refused() {
    let good = JoinedShape::new(100, owner(3, &[]), owner(4, &[]), false, vec![owner(2, &[])]);
    assert!(good.checked().is_ok());
    let everyone = JoinedShape { right: owner(1, &[]), right_is_everyone: true, ..good.clone() };
    assert!(everyone.checked().is_ok());
    let bad = [
        JoinedShape { block_rows: 3, ..good.clone() },
        JoinedShape { block_rows: 0, ..good.clone() },
        JoinedShape { left: owner(0, &[]), ..good.clone() },
        JoinedShape { left: owner(usize::MAX, &[]), ..good.clone() },
        JoinedShape { right: owner(1 << 17, &[]), ..good.clone() },
        JoinedShape { right: owner(2, &[9]), ..good.clone() },
        JoinedShape { right: owner(2, &[200]), ..good.clone() },
        JoinedShape { right: owner(2, &[1; 25]), ..good.clone() },
        JoinedShape { right_is_everyone: true, ..good.clone() },
        JoinedShape { right: owner(1, &[1]), ..everyone.clone() },
        JoinedShape { factors: vec![], ..good.clone() },
        JoinedShape { factors: vec![owner(0, &[])], ..good.clone() },
        JoinedShape { factors: vec![owner(1, &[]); 9], ..good.clone() },
        JoinedShape { factors: vec![owner(1 << 16, &[]); 8], ..good.clone() },
        JoinedShape { left: owner(500, &[]), right: owner(500, &[]), ..good.clone() },
        JoinedShape { left: owner(1000, &[]), factors: vec![owner(5000, &[])], ..everyone },
        JoinedShape { rows: 1 << 27, ..good.clone() },
        // Few columns, but every 128 rows a sum of each of 24 values for each cell.
        JoinedShape { rows: 1 << 26, left: owner(50, &[8; 24]), factors: vec![owner(1000, &[])], ..good },
    ];
    for shape in bad {
        assert!(matches!(shape.checked(), Err(ProtocolError::Shape { .. })), "{shape:?}");
    }
}

#[test]
fn blocks_are_long_where_columns_are_few_and_below_a_mebibyte_where_they_are_many() {
    let shape = |left, right, factors: &[usize]| {
        let factors = factors.iter().map(|factor| owner(*factor, &[])).collect();
        JoinedShape::new(1 << 20, owner(left, &[]), owner(right, &[]), false, factors)
    };
    assert_eq!(shape(1, 10, &[62]).block_rows, 2048);
    for (left, right, factors) in [(10, 20, [62].as_slice()), (10, 20, &[10, 30]), (1, 2, &[1000, 2])] {
        let shape = shape(left, right, factors).checked().expect("usable").clone();
        let widest = shape.bytes_per_row()[..3].iter().copied().fold(0.0, f64::max);
        let bytes = shape.block_rows as f64 * widest;
        let mebibyte = f64::from(1 << 20);
        assert!(shape.block_rows == 2048 || (mebibyte / 2.0..=mebibyte).contains(&bytes), "{bytes}");
    }
}

#[test]
fn parties_with_different_shapes_stop_with_a_typed_error() {
    let worlds = [2, 3].map(|left| World::empty(narrow(8, 4, &[(left, &[]), (2, &[]), (3, &[])])));
    let joined = worlds.map(|world| Joined::new(world, false));
    let shapes = [&joined[0].shape, &joined[1].shape];
    let ran = both(shapes, [&joined[0].world, &joined[1].world], 3);
    let unexpected = ChannelError::Unexpected { step: step("p/stage0/left") };
    assert_eq!(ran.right, Some(ProtocolError::Channel(unexpected)));
    assert!(matches!(ran.left, Some(ProtocolError::Channel(_))));
}

#[test]
fn a_second_product_under_one_name_and_attempt_is_refused() {
    let joined = Joined::new(World::empty(narrow(4, 4, &[(2, &[]), (2, &[]), (2, &[])])), false);
    let (mut unused, _at_left, _) = linked("dealer", "left");
    let ran = three_watched(
        &Ledger::shared(),
        |_| (),
        |_| (),
        |hand| {
            let (right, [of_left, of_right]) = (&mut hand.right, [&hand.left_seed, &hand.right_seed]);
            let mut again = || {
                let factors: &mut [&mut dyn DealtFactor] = &mut [&mut DealtColumns];
                let shape = &joined.shape;
                deal(&step("p"), shape, &mut unused, right, of_left.into(), of_right.into(), factors).err()
            };
            let _ = again();
            again()
        },
    );
    assert!(matches!(ran.dealer, Some(ProtocolError::Seed(_))), "{:?}", ran.dealer);
    let (seed, _) = seeds(&Ledger::shared(), "left", "owner");
    let of = |factor| ColumnsAtLeft::new(&step("p"), &joined.shape, factor, ShareAtLeft::Seed(&seed)).err();
    let again = || of(0);
    assert_eq!(again(), None);
    assert!(matches!(again(), Some(ProtocolError::Seed(_))));
    assert_eq!(of(1), Some(ProtocolError::Input));
}
