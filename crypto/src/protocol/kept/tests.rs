//! Products of a session, some of whose columns travelled before: their results, what travels, and what is refused.

use super::*;
use crate::protocol::joined_product::tests::Joined;
use crate::protocol::joined_product::{self, JoinedShape};
use crate::protocol::narrow_product;
use crate::protocol::narrow_product::tests::{World, opened, outsides, shape};
use crate::protocol::shared_columns::{ColumnsAtLeft, ShareAtLeft, ShareAtRight};
use crate::seeds::Ledger;
use crate::testing::{Pairs, Seen, TestChannel, linked, seeds, step, three_watched};

/// What is done about a set of columns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Way {
    #[default]
    Travel,
    Keep,
    Kept,
}

impl Way {
    pub(crate) fn travels(self) -> bool {
        self != Self::Kept
    }

    pub(crate) fn blocks(self, store: &mut Vec<Bytes>) -> Blocks<'_> {
        match self {
            Self::Travel => Blocks::Travel,
            Self::Keep => Blocks::Keep(emptied(store)),
            Self::Kept => Blocks::Kept(store),
        }
    }

    pub(crate) fn masks(self, key: &mut Option<KeptKey>) -> Masks<'_> {
        match self {
            Self::Travel => Masks::Travel,
            Self::Keep => Masks::Keep(key),
            Self::Kept => Masks::Kept(key.as_ref().expect("a key that was kept")),
        }
    }

    pub(crate) fn at_left<'a>(self, seed: &'a PairSeed, key: &'a mut Option<KeptKey>) -> ShareAtLeft<'a> {
        match self {
            Self::Travel => ShareAtLeft::Seed(seed),
            Self::Keep => ShareAtLeft::SeedToKeep(seed, key),
            Self::Kept => ShareAtLeft::Kept(key.as_ref().expect("a key that was kept")),
        }
    }

    pub(crate) fn at_right<'a>(
        self,
        owner: &'a mut TestChannel,
        store: &'a mut Vec<Bytes>,
    ) -> ShareAtRight<'a> {
        match self {
            Self::Travel => ShareAtRight::Owner(owner),
            Self::Keep => ShareAtRight::OwnerToKeep(owner, emptied(store)),
            Self::Kept => ShareAtRight::Kept(store),
        }
    }
}

fn emptied(store: &mut Vec<Bytes>) -> &mut Vec<Bytes> {
    store.clear();
    store
}

/// What is done about all columns of a product; others that are not named travel.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ways {
    pub(crate) left: Way,
    pub(crate) right: Way,
    pub(crate) others: Vec<Way>,
}

impl Ways {
    pub(crate) fn other(&self, other: usize) -> Way {
        self.others.get(other).copied().unwrap_or_default()
    }

    fn keep_workers() -> Self {
        Self { left: Way::Keep, right: Way::Keep, others: Vec::new() }
    }
}

/// What all parties of a session have kept.
#[derive(Default)]
pub(crate) struct Kept {
    pub(crate) blocks_at_left: Vec<Bytes>,
    pub(crate) blocks_at_right: Vec<Bytes>,
    pub(crate) key_at_right: Option<KeptKey>,
    /// Of left's columns and of right's.
    pub(crate) keys_at_dealer: [Option<KeptKey>; 2],
    /// Of each further owner.
    pub(crate) keys_at_left: Vec<Option<KeptKey>>,
    pub(crate) others_at_right: Vec<Vec<Bytes>>,
}

impl Kept {
    pub(crate) fn make_room(&mut self, others: usize) {
        self.keys_at_left.resize(self.keys_at_left.len().max(others), None);
        self.others_at_right.resize(self.others_at_right.len().max(others), Vec::new());
    }
}

/// The world of another question: some of its owners are those of an earlier one.
fn with_owners_of(mut world: World, before: &World, same: &[usize]) -> World {
    for owner in same {
        world.owners[*owner] = before.owners[*owner].clone();
    }
    if same.contains(&0) {
        world.keys.clone_from(&before.keys);
    }
    world
}

fn named<'a>(seen: &'a [Seen], part: &str) -> Vec<&'a Seen> {
    seen.iter().filter(|(header, _)| header.step.to_string().ends_with(part)).collect()
}

const KEPT: Way = Way::Kept;
const TRAVEL: Way = Way::Travel;

#[test]
fn a_second_product_on_kept_columns_of_workers_has_the_results_of_its_own_rows() {
    for rows in [0, 1, 15, 16, 17, 32, 33, 300] {
        for (left, right) in [(KEPT, TRAVEL), (TRAVEL, KEPT), (KEPT, KEPT)] {
            let ledger = Ledger::shared();
            let mut kept = Kept::default();
            let before = World::random(1, shape(rows, 16, &[(3, &[8, 1]), (4, &[7])]));
            let (ran, _) = before.run_keeping(&Pairs::fresh(&ledger), &Ways::keep_workers(), &mut kept);
            assert!(opened(&ran) == before.clear());
            // The other worker may have another number of columns now.
            let (left_shape, right_shape) = match (left, right) {
                (KEPT, KEPT) => ((3, &[8, 1][..]), (4, &[7][..])),
                (KEPT, _) => ((3, &[8, 1][..]), (2, &[5, 8][..])),
                _ => ((5, &[][..]), (4, &[7][..])),
            };
            let same: Vec<usize> = (0..2).filter(|at| [left, right][*at] == KEPT).collect();
            for seed in [2, 3] {
                let world = World::random(seed, shape(rows, 16, &[left_shape, right_shape]));
                let world = with_owners_of(world, &before, &same);
                let ways = Ways { left, right, others: vec![] };
                let (ran, _) = world.run_keeping(&Pairs::fresh(&ledger), &ways, &mut kept);
                assert!(opened(&ran) == world.clear(), "{rows} rows, {ways:?}");
                // Nothing of what was kept travels, and all else as ever.
                let (fresh, _) = world.run_among(&Pairs::fresh(&Ledger::shared()));
                let except = |seen: &[Seen], part: &str, way: Way| {
                    let seen = outsides(seen).into_iter();
                    seen.filter(|(name, ..)| way.travels() || name != part).collect::<Vec<_>>()
                };
                assert_eq!(
                    outsides(&ran.seen_by_right),
                    except(&fresh.seen_by_right, "q1/product/left", left)
                );
                assert_eq!(
                    outsides(&ran.seen_by_left),
                    except(&fresh.seen_by_left, "q1/product/right", right)
                );
                assert_eq!(outsides(&ran.seen_from_dealer), outsides(&fresh.seen_from_dealer));
            }
            assert_eq!(ledger.lock().expect("not poisoned").reuses(), 0);
        }
    }
}

#[test]
fn a_further_owners_columns_travel_once_for_several_narrow_products() {
    for rows in [0, 1, 31, 32, 33, 200] {
        for others in [vec![KEPT, TRAVEL], vec![TRAVEL, KEPT], vec![KEPT, KEPT]] {
            let (ledger, mut kept) = (Ledger::shared(), Kept::default());
            let before = World::random(4, shape(rows, 32, &[(2, &[3]), (3, &[]), (4, &[]), (2, &[6])]));
            let keep = Ways { others: vec![Way::Keep; 2], ..Ways::default() };
            let (ran, seen) = before.run_keeping(&Pairs::fresh(&ledger), &keep, &mut kept);
            assert!(opened(&ran) == before.clear());
            assert!(rows == 0 || seen.iter().all(|seen| !seen.is_empty()));
            let same: Vec<usize> = (0..2).filter(|at| others[*at] == KEPT).map(|at| 2 + at).collect();
            let world = World::random(5, shape(rows, 32, &[(3, &[]), (1, &[2]), (4, &[]), (2, &[6])]));
            let world = with_owners_of(world, &before, &same);
            let ways = Ways { others: others.clone(), ..Ways::default() };
            let (ran, seen) = world.run_keeping(&Pairs::fresh(&ledger), &ways, &mut kept);
            assert!(opened(&ran) == world.clear(), "{rows} rows, {others:?}");
            for (seen, way) in seen.iter().zip(others) {
                assert_eq!(seen.is_empty(), rows == 0 || way == KEPT);
            }
            assert_eq!(ledger.lock().expect("not poisoned").reuses(), 0);
        }
    }
}

#[test]
fn joined_products_have_the_results_of_their_own_rows_whatever_was_kept() {
    let values = &[8, 3][..];
    for rows in [0, 1, 15, 16, 17, 130] {
        for is_everyone in [false, true] {
            let right = if is_everyone { (1, &[][..]) } else { (3, &[7][..]) };
            let (ledger, mut kept) = (Ledger::shared(), Kept::default());
            let owners = [(2, values), right, (4, &[]), (3, &[5])];
            let before = Joined::owned(World::random(6, shape(rows, 16, &owners)), is_everyone);
            let of_right = |way| if is_everyone { TRAVEL } else { way };
            let keep =
                Ways { left: Way::Keep, right: of_right(Way::Keep), others: vec![Way::Keep, Way::Keep] };
            let outcome = before.run_keeping(&Pairs::fresh(&ledger), &keep, &mut kept);
            assert!(opened(&outcome.ran) == before.world.clear());
            for (left, right, others) in [
                (KEPT, TRAVEL, [TRAVEL, TRAVEL]),
                (TRAVEL, KEPT, [TRAVEL, KEPT]),
                (KEPT, KEPT, [KEPT, TRAVEL]),
                (KEPT, KEPT, [KEPT, KEPT]),
            ] {
                let ways = Ways { left, right: of_right(right), others: others.to_vec() };
                let all = [left, ways.right, others[0], others[1]];
                let same: Vec<usize> = (0..4).filter(|at| all[*at] == KEPT).collect();
                let world = World::random(7, shape(rows, 16, &owners));
                let joined = Joined::owned(with_owners_of(world, &before.world, &same), is_everyone);
                let outcome = joined.run_keeping(&Pairs::fresh(&ledger), &ways, &mut kept);
                assert!(opened(&outcome.ran) == joined.world.clear(), "{rows} rows, {ways:?}");
                let is_silent = |seen: &[Seen], part: &str| named(seen, part).is_empty();
                assert_eq!(is_silent(&outcome.ran.seen_by_right, "stage0/left"), rows == 0 || left == KEPT);
                let right_is_silent = is_silent(&outcome.ran.seen_by_left, "stage0/right");
                assert_eq!(right_is_silent, rows == 0 || ways.right == KEPT);
                for (seen, way) in outcome.seen_of_owners.iter().zip(others) {
                    assert_eq!(seen.is_empty(), rows == 0 || way == KEPT);
                }
            }
            assert_eq!(ledger.lock().expect("not poisoned").reuses(), 0);
        }
    }
}

#[test]
fn what_travelled_for_a_narrow_product_serves_a_joined_one_and_back() {
    let (ledger, mut kept) = (Ledger::shared(), Kept::default());
    let workers = [(3, &[8][..]), (2, &[4][..])];
    let narrow = World::random(8, shape(100, 32, &workers));
    narrow.run_keeping(&Pairs::fresh(&ledger), &Ways::keep_workers(), &mut kept);
    let world = World::random(9, shape(100, 32, &[workers[0], workers[1], (5, &[])]));
    let joined = Joined::new(with_owners_of(world, &narrow, &[0, 1]), false);
    let ways = Ways { left: KEPT, right: KEPT, others: vec![] };
    let outcome = joined.run_keeping(&Pairs::fresh(&ledger), &ways, &mut kept);
    assert!(opened(&outcome.ran) == joined.world.clear());
    let keep = Ways { others: vec![Way::Keep], ..Ways::keep_workers() };
    let joined = Joined::owned(joined.world, false);
    joined.run_keeping(&Pairs::fresh(&ledger), &keep, &mut kept);
    let (ran, _) = narrow.run_keeping(&Pairs::fresh(&ledger), &ways, &mut kept);
    assert!(opened(&ran) == narrow.clear());
    // And a further owner's, in a narrow product with other workers.
    let world = World::random(10, shape(100, 32, &[(2, &[]), (2, &[]), (5, &[])]));
    let world = with_owners_of(world, &joined.world, &[2]);
    let ways = Ways { others: vec![KEPT], ..Ways::default() };
    let (ran, _) = world.run_keeping(&Pairs::fresh(&ledger), &ways, &mut kept);
    assert!(opened(&ran) == world.clear());
    assert_eq!(ledger.lock().expect("not poisoned").reuses(), 0);
}

/// A store that fails at a block, one way.
struct Failing {
    at: u64,
    puts: bool,
    blocks: Vec<Bytes>,
}

impl KeptBlocks for Failing {
    fn put(&mut self, block: u64, columns: Bytes) -> Result<(), StoreFailed> {
        if self.puts && block == self.at { Err(StoreFailed) } else { self.blocks.put(block, columns) }
    }

    fn get(&mut self, block: u64) -> Result<Bytes, StoreFailed> {
        if !self.puts && block == self.at { Err(StoreFailed) } else { self.blocks.get(block) }
    }
}

/// What the three say to a narrow product of two owners, and how many messages the workers have seen by then.
fn said<'a>(
    world: &'a World,
    (is_kept, of_right): (bool, Blocks<'a>),
    (masks, of_left): (Masks<'a>, Blocks<'a>),
    dealt: [Masks<'a>; 2],
) -> ([Option<ProtocolError>; 3], usize) {
    let (name, shape) = (step("p"), &world.shape);
    let ran = three_watched(
        &Ledger::shared(),
        |hand| {
            let columns = LeftColumns { rows: world.left_rows(), is_kept, of_right };
            let seed = &hand.dealer_seed;
            narrow_product::left(&name, shape, &mut hand.right, seed, vec![], columns).err()
        },
        |hand| {
            let columns = RightColumns { rows: world.owners[1].view(), masks, of_left };
            let (left, dealer, seed) = (&mut hand.left, &mut hand.dealer, &hand.dealer_seed);
            narrow_product::right(&name, shape, left, dealer, seed, vec![], columns).err()
        },
        |hand| {
            let [left, right] = dealt;
            let of_left = Seeded { seed: &hand.left_seed, masks: left };
            let of_right = Seeded { seed: &hand.right_seed, masks: right };
            narrow_product::deal(&name, shape, &mut hand.right, of_left, of_right).err()
        },
    );
    let seen = ran.seen_by_left.len() + ran.seen_by_right.len() + ran.seen_from_dealer.len();
    ([ran.left, ran.right, ran.dealer], seen)
}

fn kept_error(cause: KeptError, name: &str) -> Option<ProtocolError> {
    Some(ProtocolError::Kept { step: step(name), cause })
}

/// A world of two owners whose columns have been kept.
fn kept_world() -> (World, Kept) {
    let world = World::random(11, shape(40, 16, &[(3, &[8]), (3, &[8])]));
    let mut kept = Kept::default();
    world.run_keeping(&Pairs::fresh(&Ledger::shared()), &Ways::keep_workers(), &mut kept);
    (world, kept)
}

#[test]
fn a_store_that_fails_or_gives_other_blocks_ends_the_product_with_a_typed_error() {
    let (world, kept) = kept_world();
    let [left_key, right_key] = kept.keys_at_dealer.each_ref().map(|key| key.as_ref().expect("kept"));
    for at in 0..3 {
        for puts in [true, false] {
            let mut store =
                Failing { at, puts, blocks: if puts { vec![] } else { kept.blocks_at_right.clone() } };
            let of_left = if puts { Blocks::Keep(&mut store) } else { Blocks::Kept(&mut store) };
            let dealt = if puts { Masks::Travel } else { Masks::Kept(left_key) };
            let ([left, right, _], _) =
                said(&world, (!puts, Blocks::Travel), (Masks::Travel, of_left), [dealt, Masks::Travel]);
            assert_eq!(right, kept_error(KeptError::Store, "p/left"));
            assert!(matches!(left, Some(ProtocolError::Channel(_))), "{left:?}");

            let mut store =
                Failing { at, puts, blocks: if puts { vec![] } else { kept.blocks_at_left.clone() } };
            let of_right = if puts { Blocks::Keep(&mut store) } else { Blocks::Kept(&mut store) };
            let [own, dealt] = [(); 2].map(|()| if puts { Masks::Travel } else { Masks::Kept(right_key) });
            let ([left, right, _], _) =
                said(&world, (false, of_right), (own, Blocks::Travel), [Masks::Travel, dealt]);
            assert_eq!(left, kept_error(KeptError::Store, "p/right"));
            assert!(matches!(right, Some(ProtocolError::Channel(_))), "{right:?}");
        }
    }
    // A block too short, and too few of them.
    for change in [
        |blocks: &mut Vec<Bytes>| blocks[1] = blocks[1].slice(2..),
        |blocks: &mut Vec<Bytes>| blocks.truncate(2),
    ] {
        let mut store = kept.blocks_at_right.clone();
        change(&mut store);
        let cause = if store.len() < 3 { KeptError::Store } else { KeptError::Other };
        let of_left = Blocks::Kept(&mut store);
        let dealt = [Masks::Kept(left_key), Masks::Travel];
        let ([_, right, _], _) = said(&world, (true, Blocks::Travel), (Masks::Travel, of_left), dealt);
        assert_eq!(right, kept_error(cause, "p/left"));
    }
}

#[test]
fn keys_serve_for_the_columns_that_they_are_of_and_for_no_others() {
    let (world, kept) = kept_world();
    let [left_key, right_key] = kept.keys_at_dealer.each_ref().map(|key| key.as_ref().expect("kept"));
    // Both owners' columns have the same form, but those of left have a record key.
    let (_, mut again) = kept_world();
    let mut stores = [again.blocks_at_left.clone(), again.blocks_at_right.clone()];
    let [at_left, at_right] = &mut stores;
    let swapped = [Masks::Kept(right_key), Masks::Kept(left_key)];
    let own = Masks::Kept(again.key_at_right.insert(left_key.clone()));
    let (said_by, seen) = said(&world, (true, Blocks::Kept(at_left)), (own, Blocks::Kept(at_right)), swapped);
    assert_eq!(said_by[1], kept_error(KeptError::Other, "p/right"));
    assert_eq!(said_by[2], kept_error(KeptError::Other, "p/left"));
    assert_eq!(seen, 0);
    // Blocks of another height, other rows, other categories, other values.
    let other = |rows, block_rows, owner| World::random(1, shape(rows, block_rows, &[owner, (3, &[8])]));
    for world in [
        other(40, 32, (3, &[8])),
        other(41, 16, (3, &[8])),
        other(40, 16, (4, &[8])),
        other(40, 16, (3, &[])),
        other(40, 16, (3, &[8, 8])),
    ] {
        let mut store = kept.blocks_at_right.clone();
        let of_left = Blocks::Kept(&mut store);
        let dealt = [Masks::Kept(left_key), Masks::Travel];
        let ([_, _, dealer], _) = said(&world, (true, Blocks::Travel), (Masks::Travel, of_left), dealt);
        assert_eq!(dealer, kept_error(KeptError::Other, "p/left"));
    }
    // A further owner's.
    let (at_left, _) = seeds(&Ledger::shared(), "left", "owner");
    let joined = |rows: usize, further: usize| {
        Joined::owned(World::random(1, shape(rows, 16, &[(2, &[]), (2, &[]), (further, &[])])), false).shape
    };
    fn share(shape: &JoinedShape, share: ShareAtLeft<'_>) -> Option<ProtocolError> {
        ColumnsAtLeft::new(&step("q"), shape, 0, share).err()
    }
    let mut key = None;
    assert_eq!(share(&joined(20, 3), ShareAtLeft::SeedToKeep(&at_left, &mut key)), None);
    let key = key.expect("kept");
    assert_eq!(share(&joined(20, 3), ShareAtLeft::Kept(&key)), None);
    for other in [joined(21, 3), joined(20, 4)] {
        assert_eq!(share(&other, ShareAtLeft::Kept(&key)), kept_error(KeptError::Other, "q/shared0"));
    }
    assert_eq!(share(&joined(20, 3), ShareAtLeft::Kept(left_key)), kept_error(KeptError::Other, "q/shared0"));
}

#[test]
fn columns_that_depend_on_shares_of_the_attempt_are_not_kept() {
    let narrow = World::random(1, shape(20, 16, &[(2, &[]), (2, &[]), (2, &[])]));
    let joined = Joined::owned(World::random(1, shape(20, 16, &[(2, &[]), (1, &[]), (2, &[])])), true);
    let (_, kept) = kept_world();
    let key = kept.key_at_right.as_ref().expect("kept");
    let (seed, _) = seeds(&Ledger::shared(), "left", "owner");
    let (name, is_shape) =
        (step("p"), |error| assert!(matches!(error, Some(ProtocolError::Shape { .. })), "{error:?}"));
    let ran = three_watched(
        &Ledger::shared(),
        |hand| {
            let rows = narrow.left_rows();
            let mut blocks: [Vec<Bytes>; 2] = Default::default();
            let [keep, from_before] = &mut blocks;
            for (is_kept, of_right) in
                [(true, Blocks::Travel), (false, Blocks::Keep(keep)), (false, Blocks::Kept(from_before))]
            {
                let columns = LeftColumns { rows, is_kept, of_right };
                let (others, dealer) = (vec![ShareAtLeft::Seed(&seed)], &hand.dealer_seed);
                is_shape(
                    narrow_product::left(&name, &narrow.shape, &mut hand.right, dealer, others, columns)
                        .err(),
                );
            }
            let columns = LeftColumns { rows, is_kept: false, of_right: Blocks::Keep(keep) };
            let (mut dealer, _end, _) = linked("left", "dealer");
            let (right, seed) = (&mut hand.right, &hand.dealer_seed);
            is_shape(
                joined_product::left(&name, &joined.shape, right, &mut dealer, seed, &mut [], columns).err(),
            );
        },
        |hand| {
            let mut blocks: [Vec<Bytes>; 2] = Default::default();
            let ([keep, from_before], mut kept_key) = (&mut blocks, None);
            let (left, dealer, seed) = (&mut hand.left, &mut hand.dealer, &hand.dealer_seed);
            for (masks, of_left) in [
                (Masks::Travel, Blocks::Keep(keep)),
                (Masks::Travel, Blocks::Kept(from_before)),
                (Masks::Keep(&mut kept_key), Blocks::Travel),
                (Masks::Kept(key), Blocks::Travel),
            ] {
                let columns = RightColumns { rows: narrow.owners[1].view(), masks, of_left };
                let shape = &narrow.shape;
                is_shape(narrow_product::right(&name, shape, left, dealer, seed, vec![], columns).err());
            }
            let rows = joined.world.owners[1].view();
            let columns = RightColumns { rows, masks: Masks::Kept(key), of_left: Blocks::Travel };
            is_shape(joined_product::right(&name, &joined.shape, left, dealer, seed, &mut [], columns).err());
        },
        |hand| {
            let of_left = || Seeded { seed: &hand.left_seed, masks: Masks::Kept(key) };
            let of_right = || Seeded { seed: &hand.right_seed, masks: Masks::Kept(key) };
            let (left_seed, right_seed, right) = (&hand.left_seed, &hand.right_seed, &mut hand.right);
            is_shape(narrow_product::deal(&name, &narrow.shape, right, of_left(), right_seed.into()).err());
            is_shape(narrow_product::deal(&name, &narrow.shape, right, left_seed.into(), of_right()).err());
            let (mut left, _end, _) = linked("dealer", "left");
            let (shape, seeded) = (&joined.shape, left_seed.into());
            is_shape(joined_product::deal(&name, shape, &mut left, right, seeded, of_right(), &mut []).err());
        },
    );
    assert!(ran.seen_by_left.is_empty() && ran.seen_by_right.is_empty() && ran.seen_from_dealer.is_empty());
}

#[test]
fn a_shelf_keeps_what_was_used_last_and_no_more_than_its_bound() {
    let (_, kept) = kept_world();
    let key = kept.key_at_right.expect("kept");
    let id = |number: usize| {
        let mut id = [3; 32];
        id[..8].copy_from_slice(&number.to_le_bytes());
        KeptId(id)
    };
    let mut shelf = MaskShelf::default();
    assert!(shelf.is_empty() && shelf.get(&id(0)).is_none());
    for number in 0..MaskShelf::KEYS_MAX {
        shelf.put(id(number), key.clone());
    }
    assert!(shelf.len() == MaskShelf::KEYS_MAX && shelf.get(&id(0)).is_some());
    shelf.put(id(MaskShelf::KEYS_MAX), key.clone());
    shelf.put(id(5), key);
    assert_eq!(shelf.len(), MaskShelf::KEYS_MAX);
    assert!(shelf.get(&id(0)).is_some() && shelf.get(&id(MaskShelf::KEYS_MAX)).is_some());
    assert!(shelf.get(&id(1)).is_none() && shelf.get(&id(2)).is_some());
}

#[test]
fn names_of_kept_columns_are_those_of_both_workers_and_of_nobody_else() {
    let ledger = Ledger::shared();
    let names = |seed: &PairSeed| crate::attempt::kept_names(seed).expect("names");
    let (at_left, at_right) = crate::testing::seeds(&ledger, "left", "right");
    let (other, _) = crate::testing::seeds(&ledger, "left", "right");
    let [left, right] = names(&at_left);
    assert_eq!(names(&at_right), [left, right]);
    let others = names(&other);
    assert!(left != right && !others.contains(&left) && !others.contains(&right));
    assert!(format!("{:?}", KeptId([0xab; 32])).starts_with("KeptId(abab"));
    let (_, kept) = kept_world();
    assert_eq!(format!("{:?}", kept.key_at_right), "Some(KeptKey(hidden))");
}
