//! The product of two owners and of more, each in a thread: its results, what each sees, and what is refused.

use std::sync::{Arc, Mutex};

use super::*;
use crate::channel::ChannelError;
use crate::protocol::kept::tests::{Kept, Ways};
use crate::protocol::lift::FLUSHES;
use crate::protocol::shared_columns;
use crate::seeds::Ledger;
use crate::testing::{
    Dice, Pairs, Ran, Seen, TestChannel, bodies, elements, linked, seeds, step, three_among, three_watched,
};

/// One owner's rows: some in no category.
#[derive(Clone)]
pub(crate) struct Rows {
    pub(crate) categories: Vec<u32>,
    pub(crate) values: Vec<Vec<u8>>,
}

impl Rows {
    pub(crate) fn view(&self) -> OwnerRows<'_> {
        OwnerRows { categories: &self.categories, values: &self.values }
    }
}

/// Products of the first values of any two owners, where they are small enough, and one of last values.
pub(in crate::protocol) fn crosses(owners: &[&OwnerShape]) -> Vec<Cross> {
    let last = |owner: usize| owners[owner].values.len().saturating_sub(1);
    let pairs = (0..owners.len()).flat_map(|second| (0..second).map(move |first| (first, second)));
    let firsts = pairs.map(|(first, second)| Cross { first: (first, 0), second: (second, 0) });
    let lasts = Cross { first: (0, last(0)), second: (1, last(1)) };
    firsts.chain([lasts]).filter(|cross| cross.bits(owners).is_some()).collect()
}

pub(crate) struct World {
    pub(crate) shape: ProductShape,
    /// Left, right, then the others.
    pub(crate) owners: Vec<Rows>,
    pub(crate) keys: Vec<[u16; LIMBS]>,
}

/// What is opened: counts, key sums, sums of values.
pub(crate) type Opened = (Vec<u128>, [Vec<u16>; LIMBS], Vec<Vec<u128>>);

impl ProductShape {
    fn owners(&self) -> impl Iterator<Item = &OwnerShape> {
        [&self.left, &self.right].into_iter().chain(&self.others)
    }
}

impl World {
    pub(crate) fn random(seed: u8, shape: ProductShape) -> Self {
        Self::filled(shape, &mut Dice::seeded(seed), |dice, categories| {
            let drawn = dice.below(categories as u64 + 1) as u32;
            if drawn == categories as u32 { NO_CATEGORY } else { drawn }
        })
    }

    pub(crate) fn empty(shape: ProductShape) -> Self {
        Self::filled(shape, &mut Dice::seeded(0), |_, _| NO_CATEGORY)
    }

    /// Everybody at every owner, in its last category.
    pub(crate) fn full(shape: ProductShape) -> Self {
        Self::filled(shape, &mut Dice::seeded(0), |_, categories| categories as u32 - 1)
    }

    fn filled(
        shape: ProductShape,
        dice: &mut Dice,
        mut category: impl FnMut(&mut Dice, usize) -> u32,
    ) -> Self {
        let rows = 0..shape.rows;
        let owner = |owner: &OwnerShape| Rows {
            categories: rows.clone().map(|_| category(dice, owner.categories)).collect(),
            values: (owner.values.iter())
                .map(|bits| {
                    // Often the largest, so that stretches come close to their bound.
                    let largest = (1 << bits) - 1;
                    let value = |_| if dice.below(3) == 0 { dice.below(largest + 1) } else { largest } as u8;
                    rows.clone().map(value).collect()
                })
                .collect(),
        };
        let owners = shape.owners().map(owner).collect();
        let keys = rows.map(|_| [(); LIMBS].map(|()| dice.next() as u16)).collect();
        Self { owners, keys, shape }
    }

    /// The results in the clear.
    pub(crate) fn clear(&self) -> Opened {
        let cells = self.shape.cells();
        let values: usize = self.owners.iter().map(|owner| owner.values.len()).sum();
        let (mut counts, mut keys) = (vec![0; cells], [(); LIMBS].map(|()| vec![0_u16; cells]));
        let mut sums = vec![vec![0; cells]; values + self.shape.crosses.len()];
        for row in 0..self.shape.rows {
            let mut digits = self.owners.iter().zip(self.shape.owners());
            let cell = digits.try_fold(0, |cell, (owner, shape)| {
                let category = owner.categories[row];
                (category != NO_CATEGORY).then_some(cell * shape.categories + category as usize)
            });
            let Some(cell) = cell else { continue };
            counts[cell] += 1;
            for (sums, limb) in keys.iter_mut().zip(self.keys[row]) {
                sums[cell] = sums[cell].wrapping_add(limb);
            }
            let values = self.owners.iter().flat_map(|owner| &owner.values);
            let values = values.map(|values| u128::from(values[row]));
            let value = |(owner, value): (usize, usize)| u128::from(self.owners[owner].values[value][row]);
            let crosses = self.shape.crosses.iter().map(|cross| value(cross.first) * value(cross.second));
            for (sums, number) in sums.iter_mut().zip(values.chain(crosses)) {
                sums[cell] += number;
            }
        }
        (counts, keys, sums)
    }

    pub(crate) fn left_rows(&self) -> LeftRows<'_> {
        let left = &self.owners[0];
        LeftRows { categories: &left.categories, keys: &self.keys, values: &left.values }
    }

    pub(in crate::protocol) fn run(
        &self,
        ledger: &Arc<Mutex<Ledger>>,
    ) -> Ran<ProductShares, ProductShares, ()> {
        self.run_among(&Pairs::fresh(ledger)).0
    }

    /// The parties' results, and what right saw of the others.
    pub(crate) fn run_among(&self, pairs: &Pairs) -> (Ran<ProductShares, ProductShares, ()>, Vec<Vec<Seen>>) {
        self.run_keeping(pairs, &Ways::default(), &mut Kept::default())
    }

    /// As [`Self::run_among`], where columns are kept or were.
    pub(crate) fn run_keeping(
        &self,
        pairs: &Pairs,
        ways: &Ways,
        kept: &mut Kept,
    ) -> (Ran<ProductShares, ProductShares, ()>, Vec<Vec<Seen>>) {
        let (name, shape) = (step("q1/product"), &self.shape);
        // The others wait for nobody, so they may be done before the workers begin; their ends stay open.
        let (mut left_seeds, mut links, mut ends, mut seen) = (vec![], vec![], vec![], vec![]);
        for (other, rows) in self.owners[2..].iter().enumerate() {
            let own = format!("other{other}");
            let (at_left, at_owner) = pairs.seeds("left", &own);
            let (mut to_right, at_right, of_link) = linked(&own, "right");
            if ways.other(other).travels() {
                shared_columns::share(&name, shape, other, &mut to_right, &at_owner, rows.view())
                    .expect("shared");
            }
            left_seeds.push(at_left);
            links.push(at_right);
            ends.push(to_right);
            seen.push(of_link);
        }
        kept.make_room(shape.others.len());
        let ran = three_among(
            pairs,
            |hand| {
                let others = left_seeds.iter().zip(&mut kept.keys_at_left).enumerate();
                let others = others.map(|(other, (seed, key))| ways.other(other).at_left(seed, key));
                let (rows, of_right) = (self.left_rows(), ways.right.blocks(&mut kept.blocks_at_left));
                let columns = LeftColumns { rows, is_kept: !ways.left.travels(), of_right };
                left(&name, shape, &mut hand.right, &hand.dealer_seed, others.collect(), columns)
                    .expect("left ends")
            },
            |hand| {
                let (left, dealer) = (&mut hand.left, &mut hand.dealer);
                let others = links.iter_mut().zip(&mut kept.others_at_right).enumerate();
                let others = others.map(|(other, (link, store))| ways.other(other).at_right(link, store));
                let columns = RightColumns {
                    rows: self.owners[1].view(),
                    masks: ways.right.masks(&mut kept.key_at_right),
                    of_left: ways.left.blocks(&mut kept.blocks_at_right),
                };
                right(&name, shape, left, dealer, &hand.dealer_seed, others.collect(), columns)
                    .expect("right ends")
            },
            |hand| {
                let [left_key, right_key] = &mut kept.keys_at_dealer;
                let of_left = Seeded { seed: &hand.left_seed, masks: ways.left.masks(left_key) };
                let of_right = Seeded { seed: &hand.right_seed, masks: ways.right.masks(right_key) };
                deal(&name, shape, &mut hand.right, of_left, of_right).expect("dealt");
            },
        );
        (ran, seen.into_iter().map(|seen| std::mem::take(&mut *seen.lock().expect("no panic"))).collect())
    }
}

fn channels(links: &mut [TestChannel]) -> Vec<ShareAtRight<'_>> {
    links.iter_mut().map(|link| ShareAtRight::Owner(link)).collect()
}

pub(crate) fn opened(ran: &Ran<ProductShares, ProductShares, ()>) -> Opened {
    let keys = std::array::from_fn(|j| elements(&ran.left.keys[j], &ran.right.keys[j]));
    let values = ran.left.values.iter().zip(&ran.right.values);
    let values = values.map(|(left, right)| elements(left, right)).collect();
    (elements(&ran.left.counts, &ran.right.counts), keys, values)
}

/// Categories and bits of values of left, right, and others.
pub(crate) fn shape(rows: usize, block_rows: usize, owners: &[(usize, &[u8])]) -> ProductShape {
    let owner = |(categories, values): &(usize, &[u8])| OwnerShape {
        categories: *categories,
        values: values.to_vec(),
    };
    let mut owners = owners.iter().map(owner);
    let (left, right) = (owners.next().expect("left"), owners.next().expect("right"));
    let crosses = crosses(&[&left, &right]);
    ProductShape { rows, block_rows, left, right, others: owners.collect(), crosses }
}

#[test]
fn the_parts_add_up_to_the_clear_counts_key_sums_and_sums() {
    let shapes = [
        shape(0, 8, &[(1, &[]), (1, &[])]),
        shape(1, 8, &[(1, &[]), (1, &[])]),
        shape(7, 8, &[(3, &[]), (2, &[])]),
        shape(16, 8, &[(4, &[]), (5, &[])]),
        shape(17, 8, &[(2, &[8, 1]), (3, &[])]),
        shape(1000, 64, &[(3, &[8, 7, 6]), (2, &[])]),
        shape(700, 256, &[(3, &[]), (4, &[8, 5])]),
        shape(3000, 2048, &[(2, &[8]), (2, &[8])]),
        shape(112, 16, &[(10, &[]), (20, &[])]),
        shape(257, 64, &[(20, &[]), (1, &[])]),
        // Enough stretches that two groups of bit products are lifted.
        shape(128 * (FLUSHES + 3), 2048, &[(1, &[8]), (1, &[])]),
        shape(0, 8, &[(2, &[3]), (2, &[]), (2, &[])]),
        shape(1, 8, &[(1, &[]), (1, &[]), (1, &[])]),
        shape(100, 16, &[(3, &[]), (2, &[]), (4, &[])]),
        shape(500, 64, &[(2, &[8, 3]), (3, &[]), (2, &[])]),
        shape(500, 64, &[(2, &[]), (3, &[7]), (2, &[])]),
        shape(600, 256, &[(2, &[]), (3, &[]), (4, &[8, 5])]),
        shape(300, 128, &[(2, &[1]), (2, &[]), (3, &[]), (2, &[4])]),
        shape(300, 128, &[(2, &[]), (1, &[]), (2, &[8]), (3, &[2])]),
        shape(65, 32, &[(2, &[]), (2, &[]), (2, &[]), (1, &[]), (3, &[6])]),
        ProductShape::new(
            5000,
            OwnerShape { categories: 6, values: vec![] },
            OwnerShape { categories: 7, values: vec![] },
            vec![OwnerShape { categories: 3, values: vec![] }],
        ),
    ];
    for (seed, shape) in shapes.into_iter().enumerate() {
        let world = World::random(seed as u8, shape);
        assert!(opened(&world.run(&Ledger::shared())) == world.clear(), "{:?}", world.shape);
    }
}

#[test]
fn nobody_in_any_category_gives_zeros_and_everybody_in_one_the_number_of_rows() {
    let shape = shape(50, 16, &[(3, &[8]), (4, &[]), (2, &[8])]);
    let nobody = World::empty(shape.clone());
    let zeros = (vec![0; 24], [(); LIMBS].map(|()| vec![0; 24]), vec![vec![0; 24]; 2]);
    assert_eq!(opened(&nobody.run(&Ledger::shared())), zeros);
    let everybody = World::full(shape);
    let (counts, _, _) = opened(&everybody.run(&Ledger::shared()));
    assert_eq!((counts[23], counts.iter().sum::<u128>()), (50, 50));
}

/// What a message looks like from outside: name, number, shape.
pub(in crate::protocol) fn outsides(seen: &[Seen]) -> Vec<(String, u64, Vec<u64>)> {
    let outside = |(header, body): &Seen| {
        assert_eq!(body.len() as u64, header.shape.iter().product::<u64>());
        (header.step.to_string(), header.index, header.shape.clone())
    };
    seen.iter().map(outside).collect()
}

#[test]
fn every_party_sees_messages_of_the_same_shapes_whatever_the_values() {
    let shape = shape(100, 16, &[(3, &[8]), (4, &[7]), (2, &[5])]);
    let worlds = [World::random(1, shape.clone()), World::random(2, shape.clone()), World::empty(shape)];
    let views = worlds.map(|world| {
        let (ran, seen_of_others) = world.run_among(&Pairs::fresh(&Ledger::shared()));
        let of_workers = [ran.seen_by_left, ran.seen_by_right, ran.seen_from_dealer];
        of_workers.iter().chain(&seen_of_others).map(|seen| outsides(seen)).collect::<Vec<_>>()
    });
    assert_eq!(views[0], views[1]);
    assert_eq!(views[0], views[2]);
    assert_eq!(views[0].iter().map(Vec::len).collect::<Vec<_>>(), [9, 9, 4, 7]);
}

#[test]
fn two_attempts_at_one_question_share_no_mask() {
    let world = World::random(4, shape(500, 128, &[(4, &[]), (4, &[]), (3, &[])]));
    let ledger = Ledger::shared();
    let ((first, first_others), (second, second_others)) =
        (world.run_among(&Pairs::fresh(&ledger)), world.run_among(&Pairs::fresh(&ledger)));
    for (one, other) in [
        (bodies(&first_others[0]), bodies(&second_others[0])),
        (bodies(&first.seen_by_left), bodies(&second.seen_by_left)),
        (bodies(&first.seen_by_right), bodies(&second.seen_by_right)),
        (bodies(&first.seen_from_dealer), bodies(&second.seen_from_dealer)),
    ] {
        // Equal masks under equal inputs would give equal bytes; unrelated ones agree in one of 256.
        let equal = one.iter().zip(&other).filter(|(a, b)| a == b).count() as f64;
        let expected = one.len() as f64 / 256.0;
        assert!((equal - expected).abs() < 8.0 * expected.sqrt() + 8.0, "{equal} of {}", one.len());
    }
    let ledger = ledger.lock().expect("not poisoned");
    assert_eq!((ledger.reuses(), ledger.len()), (0, 2 * (3 * 4 + 8)));
}

#[test]
fn a_second_product_under_one_name_and_attempt_is_refused() {
    let world = World::random(5, shape(10, 8, &[(2, &[]), (2, &[])]));
    let (name, shape) = (step("q1/product"), &world.shape);
    let ran = three_watched(
        &Ledger::shared(),
        |hand| {
            let mut again = || {
                left(&name, shape, &mut hand.right, &hand.dealer_seed, vec![], world.left_rows().into()).err()
            };
            (again(), again())
        },
        |hand| {
            let (left, seed) = (&mut hand.left, &hand.dealer_seed);
            right(&name, shape, left, &mut hand.dealer, seed, vec![], world.owners[1].view().into()).err()
        },
        |hand| deal(&name, shape, &mut hand.right, (&hand.left_seed).into(), (&hand.right_seed).into()).err(),
    );
    assert_eq!(ran.left.0, None);
    assert!(matches!(ran.left.1, Some(ProtocolError::Seed(_))), "{:?}", ran.left.1);
    let (_, seed) = seeds(&Ledger::shared(), "left", "other");
    let (mut to_right, _at_right, _) = linked("other", "right");
    let shape = self::shape(10, 8, &[(2, &[]), (2, &[]), (2, &[])]);
    let world = World::random(6, shape.clone());
    let rows = world.owners[2].view();
    let mut again = || shared_columns::share(&name, &shape, 0, &mut to_right, &seed, rows).err();
    assert_eq!(again(), None);
    assert!(matches!(again(), Some(ProtocolError::Seed(_))));
}

/// What left, right and a further owner say to rows that do not fit, with what left and right have seen by then.
fn refused(shape: &ProductShape, world: &World) -> [Option<ProtocolError>; 3] {
    let (left_seed, owner_seed) = seeds(&Ledger::shared(), "left", "other");
    let (mut to_right, at_right, seen) = linked("other", "right");
    let mut links = [at_right];
    let ran = three_watched(
        &Ledger::shared(),
        |hand| {
            let (others, rows) = (vec![ShareAtLeft::Seed(&left_seed)], world.left_rows());
            left(&step("p"), shape, &mut hand.right, &hand.dealer_seed, others, rows.into()).err()
        },
        |hand| {
            let (left, seed) = (&mut hand.left, &hand.dealer_seed);
            let (others, rows) = (channels(&mut links), world.owners[1].view());
            right(&step("p"), shape, left, &mut hand.dealer, seed, others, rows.into()).err()
        },
        |_| (),
    );
    let rows = world.owners[2].view();
    let other = shared_columns::share(&step("p"), shape, 0, &mut to_right, &owner_seed, rows).err();
    assert!(ran.seen_by_left.is_empty() && ran.seen_by_right.is_empty());
    assert!(seen.lock().expect("no panic").is_empty());
    [ran.left, ran.right, other]
}

#[test]
fn inputs_outside_the_shape_are_refused_before_anything_is_sent() {
    let shape = shape(4, 2, &[(3, &[3]), (3, &[3]), (3, &[3])]);
    let all_refused = [const { Some(ProtocolError::Input) }; 3];
    for categories in [vec![0, 1, 2, 3], vec![0, 1, 2], vec![0; 5]] {
        let mut world = World::empty(shape.clone());
        world.owners.iter_mut().for_each(|owner| owner.categories = categories.clone());
        assert_eq!(refused(&shape, &world), all_refused);
    }
    for values in [vec![vec![0, 8, 0, 0]], vec![vec![0; 3]], vec![]] {
        let mut world = World::empty(shape.clone());
        world.owners.iter_mut().for_each(|owner| owner.values = values.clone());
        assert_eq!(refused(&shape, &world), all_refused);
    }
    let mut world = World::empty(shape.clone());
    world.keys.pop();
    let ran = three_watched(
        &Ledger::shared(),
        |hand| {
            let (_, seed) = seeds(&Ledger::shared(), "left", "other");
            let (others, rows) = (vec![ShareAtLeft::Seed(&seed)], world.left_rows());
            left(&step("p"), &shape, &mut hand.right, &hand.dealer_seed, others, rows.into()).err()
        },
        |hand| {
            // A link for each other is missing.
            let (seed, rows) = (&hand.dealer_seed, world.owners[1].view().into());
            right(&step("p"), &shape, &mut hand.left, &mut hand.dealer, seed, vec![], rows).err()
        },
        |_| (),
    );
    assert_eq!((ran.left, ran.right), (Some(ProtocolError::Input), Some(ProtocolError::Input)));
}

#[test]
fn shapes_that_would_make_a_party_allocate_without_bound_are_refused() {
    let good = shape(100, 16, &[(3, &[]), (4, &[]), (2, &[])]);
    assert!(good.checked().is_ok());
    let owner = |categories, values: &[u8]| OwnerShape { categories, values: values.to_vec() };
    let bad = [
        ProductShape { block_rows: 3, ..good.clone() },
        ProductShape { left: owner(0, &[]), ..good.clone() },
        ProductShape { right: owner(1 << 17, &[]), ..good.clone() },
        ProductShape { right: owner(2, &[9]), ..good.clone() },
        ProductShape { others: vec![owner(0, &[])], ..good.clone() },
        ProductShape { others: vec![owner(1, &[]); 9], ..good.clone() },
        ProductShape { others: vec![owner(1 << 16, &[]); 8], ..good.clone() },
        ProductShape { left: owner(5000, &[]), right: owner(5000, &[]), ..good.clone() },
        ProductShape { rows: 1 << 27, ..good.clone() },
        // Few columns, but every 128 rows a sum of each of 24 values for each cell.
        ProductShape {
            rows: 1 << 26,
            left: owner(700, &[8; 24]),
            right: owner(855, &[]),
            others: vec![],
            ..good
        },
    ];
    for shape in bad {
        assert!(matches!(shape.checked(), Err(ProtocolError::Shape { .. })), "{shape:?}");
    }
}

#[test]
fn parties_with_different_shapes_stop_with_a_typed_error() {
    let (mine, theirs) = (shape(8, 4, &[(3, &[]), (2, &[])]), shape(8, 4, &[(2, &[]), (2, &[])]));
    let ran = three_watched(
        &Ledger::shared(),
        |hand| {
            let world = World::empty(mine.clone());
            left(&step("p"), &mine, &mut hand.right, &hand.dealer_seed, vec![], world.left_rows().into())
                .err()
        },
        |hand| {
            let world = World::empty(theirs.clone());
            let (left, seed) = (&mut hand.left, &hand.dealer_seed);
            right(&step("p"), &theirs, left, &mut hand.dealer, seed, vec![], world.owners[1].view().into())
                .err()
        },
        |_| (),
    );
    let unexpected = ChannelError::Unexpected { step: step("p/left") };
    assert_eq!(ran.right, Some(ProtocolError::Channel(unexpected)));
    assert!(matches!(ran.left, Some(ProtocolError::Channel(_))));
}
