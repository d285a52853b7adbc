//! The classes of sums of several owners' numbers, each party in a thread: results, what each sees, and what is refused.

use std::sync::{Arc, Mutex};

use super::*;
use crate::channel::ChannelError;
use crate::protocol::shared_numbers;
use crate::seeds::Ledger;
use crate::testing::{
    Dice, Pairs, Ran, Seen, TestChannel, bodies, linked, seeds, step, three_among, three_watched,
};

/// The parties' numbers: left's, right's, then the others'. They add up to a number in range mod 2³².
pub(crate) struct World {
    pub(crate) shape: ClassShape,
    pub(crate) summands: Vec<Vec<u32>>,
}

/// What came of a run: the workers' shares, block after block, and what the workers saw of the dealer and of the others.
pub(crate) struct Outcome {
    pub(crate) ran: Ran<Vec<Vec<u16>>, Vec<Vec<u16>>, ()>,
    pub(crate) seen_by_left_of_dealer: Vec<Seen>,
    pub(crate) seen_of_others: Vec<Vec<Seen>>,
}

impl World {
    /// Numbers that `number` draws, split at random.
    fn of(shape: ClassShape, dice: &mut Dice, mut number: impl FnMut(&mut Dice) -> u32) -> Self {
        let mut summands: Vec<Vec<u32>> =
            (0..1 + shape.others).map(|_| (0..shape.rows).map(|_| dice.next() as u32).collect()).collect();
        let rest = |row: usize, summands: &[Vec<u32>], number: u32| {
            summands.iter().fold(number, |rest, summand| rest.wrapping_sub(summand[row]))
        };
        let right = (0..shape.rows).map(|row| rest(row, &summands, number(dice))).collect();
        summands.insert(1, right);
        Self { shape, summands }
    }

    /// Numbers all over the domain, and on either side of borders.
    pub(crate) fn random(seed: u8, shape: ClassShape) -> Self {
        let (borders, bits) = (shape.borders.clone(), shape.bits);
        Self::of(shape, &mut Dice::seeded(seed), |dice| match dice.below(3) {
            0 => dice.below(1 << bits) as u32,
            1 => borders[dice.below(borders.len() as u64) as usize],
            _ => borders[dice.below(borders.len() as u64) as usize] - 1,
        })
    }

    fn number(&self, row: usize) -> u32 {
        self.summands.iter().fold(0, |sum, summand| sum.wrapping_add(summand[row]))
    }

    /// The columns in the clear, block after block.
    fn clear(&self) -> Vec<Vec<u16>> {
        let of_block = |rows: Range<usize>| {
            let column = |class: &usize| {
                let of_row = |row: usize| {
                    let number = self.number(row);
                    u16::from(self.shape.borders.iter().filter(|border| **border <= number).count() == *class)
                };
                rows.clone().map(of_row).collect::<Vec<_>>()
            };
            self.shape.kept.iter().flat_map(column).collect()
        };
        self.shape.blocks().map(|(_, rows)| of_block(rows)).collect()
    }

    fn run(&self, ledger: &Arc<Mutex<Ledger>>) -> Outcome {
        self.run_among(&Pairs::fresh(ledger), random::<CIPHERS>)
    }

    /// As `run`, with these seeds and keys of ciphers.
    pub(crate) fn run_among(
        &self,
        pairs: &Pairs,
        ciphers: impl FnMut() -> [u8; CIPHERS] + Send + 'static,
    ) -> Outcome {
        let (name, shape) = (step("q1/classes"), &self.shape);
        let (mut left_seeds, mut links, mut ends, mut seen_of_others) = (vec![], vec![], vec![], vec![]);
        for (other, numbers) in self.summands[2..].iter().enumerate() {
            let own = format!("other{other}");
            let (at_left, at_owner) = pairs.seeds("left", &own);
            let (mut to_right, at_right, seen) = linked(&own, "right");
            shared_numbers::share(&name, shape, other, &mut to_right, &at_owner, numbers).expect("shared");
            left_seeds.push(at_left);
            links.push(at_right);
            ends.push(to_right);
            seen_of_others.push(seen);
        }
        let (mut dealer_to_left, mut left_to_dealer, seen_by_left_of_dealer) = linked("dealer", "left");
        let ran = three_among(
            pairs,
            |hand| {
                let others: Vec<_> = left_seeds.iter().collect();
                let seed = &hand.dealer_seed;
                let own = &self.summands[0];
                let mut factor = ClassesAtLeft::new(&name, shape, seed, &others, own).expect("a factor");
                all_blocks(shape, &mut factor, &mut hand.right, &mut left_to_dealer)
            },
            |hand| {
                let (seed, own) = (&hand.dealer_seed, &self.summands[1]);
                let factor = ClassesAtRight::new(&name, shape, seed, channels(&mut links), own);
                all_blocks(shape, &mut factor.expect("a factor"), &mut hand.left, &mut hand.dealer)
            },
            |hand| {
                let factor = DealtClasses::new(&name, shape, &hand.left_seed, &hand.right_seed);
                let mut factor = factor.expect("a factor");
                factor.ciphers = Box::new(ciphers);
                for (index, rows) in shape.blocks() {
                    factor.block(&mut dealer_to_left, &mut hand.right, index, rows).expect("dealt");
                }
            },
        );
        let take = |seen: Arc<Mutex<Vec<Seen>>>| std::mem::take(&mut *seen.lock().expect("no panic"));
        Outcome {
            ran,
            seen_by_left_of_dealer: take(seen_by_left_of_dealer),
            seen_of_others: seen_of_others.into_iter().map(take).collect(),
        }
    }
}

fn channels(links: &mut [TestChannel]) -> Vec<&mut dyn Channel> {
    links.iter_mut().map(|link| -> &mut dyn Channel { link }).collect()
}

fn all_blocks(
    shape: &ClassShape,
    factor: &mut dyn Factor,
    worker: &mut TestChannel,
    dealer: &mut TestChannel,
) -> Vec<Vec<u16>> {
    let mut block = |(index, rows)| {
        // What was there before is of no account.
        let mut share = vec![7; 3];
        factor.block(worker, dealer, index, rows, &mut share).expect("a block");
        share
    };
    shape.blocks().map(&mut block).collect()
}

fn sums(left: &[Vec<u16>], right: &[Vec<u16>]) -> Vec<Vec<u16>> {
    let add = |(left, right): (&Vec<u16>, &Vec<u16>)| {
        assert_eq!(left.len(), right.len());
        left.iter().zip(right).map(|(left, right)| left.wrapping_add(*right)).collect()
    };
    left.iter().zip(right).map(add).collect()
}

fn opened(outcome: &Outcome) -> Vec<Vec<u16>> {
    sums(&outcome.ran.left, &outcome.ran.right)
}

/// All classes of some borders.
fn shape(rows: usize, block_rows: usize, bits: u32, borders: &[u32], others: usize) -> ClassShape {
    let kept = (0..=borders.len()).collect();
    ClassShape::new(rows, block_rows, bits, borders.to_vec(), kept, others)
}

/// Borders at random.
fn some_borders(dice: &mut Dice, bits: u32, count: usize) -> Vec<u32> {
    let mut borders: Vec<u32> = (0..count).map(|_| 1 + dice.below((1 << bits) - 1) as u32).collect();
    borders.sort_unstable();
    borders.dedup();
    borders
}

/// Every `step`-th border, as many as there are.
fn even_borders(bits: u32, step: usize) -> Vec<u32> {
    (1..1 << bits).step_by(step).collect()
}

#[test]
fn the_parts_add_up_to_the_class_of_each_row_for_numbers_of_any_bits() {
    let mut dice = Dice::seeded(1);
    for bits in 1..=30 {
        let borders = some_borders(&mut dice, bits, 1 + bits as usize * 2 % 40);
        let others = bits as usize % 4;
        let world = World::random(bits as u8, shape(150, 64, bits, &borders, others));
        assert!(opened(&world.run(&Ledger::shared())) == world.clear(), "{bits} bits");
    }
}

#[test]
fn every_number_of_a_small_domain_finds_its_class_whatever_the_borders() {
    for bits in [1, 2, 3, 4, 5, 8] {
        for step in [1, 2, 5, 1 << bits] {
            let mut next = 0;
            let in_turn = |_: &mut Dice| {
                next = (next + 1) % (1 << bits);
                next
            };
            let shape = shape(300, 128, bits, &even_borders(bits, step), 1);
            let world = World::of(shape, &mut Dice::seeded(2), in_turn);
            assert!(opened(&world.run(&Ledger::shared())) == world.clear(), "{bits} bits, every {step}");
        }
    }
}

#[test]
fn blocks_of_any_number_of_rows_about_their_border() {
    let borders = [365, 730, 1095, 3650, 36_500, 131_071];
    for rows in [0, 1, 15, 16, 17, 33] {
        let world = World::random(3, shape(rows, 16, 17, &borders, 2));
        assert!(opened(&world.run(&Ledger::shared())) == world.clear(), "{rows} rows");
    }
    // Blocks that take two of the dealer's messages, or nearly.
    for rows in [1023, 1024, 1025, 2047, 2048, 2049, 4097] {
        let world = World::random(4, shape(rows, 2048, 17, &borders[..2], 0));
        assert!(opened(&world.run(&Ledger::shared())) == world.clear(), "{rows} rows");
    }
}

#[test]
fn only_the_classes_that_are_kept_become_columns() {
    let borders = [3, 4, 100, 101, 1000, 2047];
    for kept in [vec![0], vec![6], vec![2], vec![0, 6], vec![1, 2, 5], vec![0, 2, 4, 6], vec![3, 4, 5, 6]] {
        let shape = ClassShape::new(200, 64, 11, borders.to_vec(), kept.clone(), 1);
        assert_eq!(shape.width(), kept.len());
        let world = World::random(5, shape);
        assert!(opened(&world.run(&Ledger::shared())) == world.clear(), "{kept:?}");
    }
}

#[test]
fn thousands_of_borders_and_everybody_in_one_class() {
    let world = World::random(6, shape(40, 32, 12, &even_borders(12, 1), 0));
    assert_eq!(world.shape.borders.len(), 4095);
    assert!(opened(&world.run(&Ledger::shared())) == world.clear());
    for number in [0, 4095, 100, 99] {
        let world = World::of(shape(100, 32, 12, &[100, 200], 1), &mut Dice::seeded(7), |_| number);
        assert!(opened(&world.run(&Ledger::shared())) == world.clear(), "{number}");
    }
}

fn outsides(seen: &[Seen]) -> Vec<(StepName, u64, Vec<u64>)> {
    seen.iter().map(|(header, _)| (header.step.clone(), header.index, header.shape.clone())).collect()
}

#[test]
fn every_party_sees_messages_of_the_same_shapes_whatever_the_numbers() {
    let public = || shape(3000, 2048, 14, &[1, 77, 78, 9000], 2);
    let worlds = [
        World::random(1, public()),
        World::random(2, public()),
        World::of(public(), &mut Dice::seeded(3), |_| 0),
    ];
    let views = worlds.map(|world| {
        let Outcome { ran, seen_by_left_of_dealer, seen_of_others } = world.run(&Ledger::shared());
        let of_workers = [ran.seen_by_left, ran.seen_by_right, seen_by_left_of_dealer, ran.seen_from_dealer];
        of_workers.iter().chain(&seen_of_others).map(|seen| outsides(seen)).collect::<Vec<_>>()
    });
    assert_eq!(views[0], views[1]);
    assert_eq!(views[0], views[2]);
    // Two blocks of numbers each way, three messages of corrections to either, two of each other.
    assert_eq!(views[0].iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 3, 3, 2, 2]);
    let bytes =
        |at: usize| views[0][at].iter().map(|(_, _, shape)| shape.iter().product::<u64>()).sum::<u64>();
    let [worker, dealer] = public().bytes_per_row();
    assert_eq!((bytes(0), bytes(1)), (3000 * worker as u64, 3000 * worker as u64));
    // The ciphers' keys come with every message, and this one's last is not full.
    assert!(bytes(2).abs_diff((3000.0 * dealer) as u64) < 64 && bytes(2) == bytes(3));
}

#[test]
fn two_attempts_at_one_question_share_no_mask() {
    let world = World::random(4, shape(3000, 2048, 10, &[100, 200, 300], 1));
    let ledger = Ledger::shared();
    let (first, second) = (world.run(&ledger), world.run(&ledger));
    for (one, other) in [
        (&first.seen_of_others[0], &second.seen_of_others[0]),
        (&first.ran.seen_by_left, &second.ran.seen_by_left),
        (&first.ran.seen_by_right, &second.ran.seen_by_right),
        (&first.seen_by_left_of_dealer, &second.seen_by_left_of_dealer),
        (&first.ran.seen_from_dealer, &second.ran.seen_from_dealer),
    ] {
        let (one, other) = (bodies(one), bodies(other));
        let equal = one.iter().zip(&other).filter(|(a, b)| a == b).count() as f64;
        let expected = one.len() as f64 / 256.0;
        assert!((equal - expected).abs() < 8.0 * expected.sqrt() + 8.0, "{equal} of {}", one.len());
    }
    let ledger = ledger.lock().expect("not poisoned");
    // Two blocks of left's, right's and the other's numbers, and the roots of both workers for three messages.
    assert_eq!((ledger.reuses(), ledger.len()), (0, 2 * (3 * 2 + 2 * 3)));
}

#[test]
fn factors_of_other_names_in_one_attempt_are_told_apart_and_of_one_name_refused() {
    let shape = shape(10, 8, 5, &[3], 0);
    let summand = vec![1; 10];
    let (seed, other_seed) = seeds(&Ledger::shared(), "left", "dealer");
    let at_left = |name: &str| ClassesAtLeft::new(&step(name), &shape, &seed, &[], &summand).err();
    assert_eq!(at_left("q/classes0"), None);
    assert_eq!(at_left("q/classes1"), None);
    assert!(matches!(at_left("q/classes0"), Some(ProtocolError::Seed(_))));
    let at_right = |name: &str| ClassesAtRight::new(&step(name), &shape, &other_seed, vec![], &summand).err();
    assert_eq!(at_right("q/classes0"), None);
    assert!(matches!(at_right("q/classes0"), Some(ProtocolError::Seed(_))));
    let (left, right) =
        (seeds(&Ledger::shared(), "left", "dealer").0, seeds(&Ledger::shared(), "right", "dealer").0);
    let dealt = |name: &str| DealtClasses::new(&step(name), &shape, &left, &right).err();
    assert_eq!((dealt("q/classes0"), dealt("q/classes1")), (None, None));
    assert!(matches!(dealt("q/classes1"), Some(ProtocolError::Seed(_))));
}

#[test]
fn inputs_outside_the_shape_are_refused_before_anything_is_sent() {
    let shape = shape(10, 8, 5, &[3], 1);
    let seed = || seeds(&Ledger::shared(), "a", "b").0;
    let (own, other) = (seed(), seed());
    let name = step("c");
    for summand in [vec![0; 9], vec![0; 11], vec![]] {
        let (mut to_right, mut at_right, seen) = linked("other", "right");
        let left = ClassesAtLeft::new(&name, &shape, &own, &[&other], &summand).err();
        let right = ClassesAtRight::new(&name, &shape, &own, vec![&mut at_right], &summand).err();
        let shared = shared_numbers::share(&name, &shape, 0, &mut to_right, &other, &summand).err();
        assert_eq!([left, right, shared], [const { Some(ProtocolError::Input) }; 3]);
        assert!(seen.lock().expect("no panic").is_empty());
    }
    let summand = vec![0; 10];
    let (mut to_right, ..) = linked("other", "right");
    assert_eq!(ClassesAtLeft::new(&name, &shape, &own, &[], &summand).err(), Some(ProtocolError::Input));
    assert_eq!(ClassesAtRight::new(&name, &shape, &own, vec![], &summand).err(), Some(ProtocolError::Input));
    let second = shared_numbers::share(&name, &shape, 1, &mut to_right, &other, &summand).err();
    assert_eq!(second, Some(ProtocolError::Input));

    // Rows that are no block of the shape.
    let (mut worker, _at_worker, seen_by_worker) = linked("left", "right");
    let (mut dealer, _at_dealer, seen_by_dealer) = linked("left", "dealer");
    let mut factor = ClassesAtLeft::new(&name, &shape, &own, &[&other], &summand).expect("a factor");
    let mut dealt = DealtClasses::new(&name, &shape, &seed(), &seed()).expect("a factor");
    for rows in [0..9, 8..11, 11..12] {
        let refused = factor.block(&mut worker, &mut dealer, 0, rows.clone(), &mut vec![]);
        assert_eq!(refused, Err(ProtocolError::Input));
        assert_eq!(dealt.block(&mut worker, &mut dealer, 0, rows), Err(ProtocolError::Input));
    }
    assert!(seen_by_worker.lock().expect("no panic").is_empty());
    assert!(seen_by_dealer.lock().expect("no panic").is_empty());
}

#[test]
fn shapes_that_cannot_be_computed_are_refused() {
    let good = shape(100, 16, 12, &[1, 5, 4095], 2);
    assert!(good.checked().is_ok());
    let bad = [
        ClassShape { block_rows: 3, ..good.clone() },
        ClassShape { block_rows: 0, ..good.clone() },
        ClassShape { block_rows: 4096, ..good.clone() },
        ClassShape { rows: 1 << 27, ..good.clone() },
        ClassShape { bits: 0, borders: vec![], kept: vec![0], ..good.clone() },
        ClassShape { bits: 31, ..good.clone() },
        ClassShape { borders: vec![], kept: vec![0], ..good.clone() },
        ClassShape { borders: vec![0, 1, 2], ..good.clone() },
        ClassShape { borders: vec![1, 1, 2], ..good.clone() },
        ClassShape { borders: vec![1, 3, 2], ..good.clone() },
        ClassShape { borders: vec![1, 3, 4096], ..good.clone() },
        ClassShape { bits: 13, borders: (1..4098).collect(), ..good.clone() },
        ClassShape { kept: vec![], ..good.clone() },
        ClassShape { kept: vec![0, 4], ..good.clone() },
        ClassShape { kept: vec![1, 1], ..good.clone() },
        ClassShape { kept: vec![2, 1], ..good.clone() },
        ClassShape { others: 9, ..good },
    ];
    let seed = || seeds(&Ledger::shared(), "a", "b").0;
    let (name, summand) = (step("c"), vec![0; 100]);
    for shape in bad {
        let (mut to_right, ..) = linked("other", "right");
        let refused = [
            shape.checked().err(),
            ClassesAtLeft::new(&name, &shape, &seed(), &[], &summand).err(),
            ClassesAtRight::new(&name, &shape, &seed(), vec![], &summand).err(),
            DealtClasses::new(&name, &shape, &seed(), &seed()).err(),
            shared_numbers::share(&name, &shape, 0, &mut to_right, &seed(), &summand).err(),
        ];
        let of_shape = |error: &Option<ProtocolError>| matches!(error, Some(ProtocolError::Shape { .. }));
        assert!(refused.iter().all(of_shape), "{shape:?}");
    }
}

#[test]
fn parties_with_different_shapes_stop_with_a_typed_error() {
    let (mine, theirs) = (shape(8, 8, 5, &[3], 0), shape(8, 4, 5, &[3], 0));
    let (mut dealer_to_left, mut left_to_dealer, _) = linked("dealer", "left");
    let narrow = shape(8, 4, 6, &[3], 0);
    let (name, summand) = (step("c"), vec![0; 8]);
    let first = |shape: &ClassShape| shape.blocks().next().expect("a block");
    let ran = three_watched(
        &Ledger::shared(),
        |hand| {
            let mut own =
                ClassesAtLeft::new(&name, &mine, &hand.dealer_seed, &[], &summand).expect("a factor");
            let (index, rows) = first(&mine);
            own.block(&mut hand.right, &mut left_to_dealer, index, rows, &mut vec![]).err()
        },
        |hand| {
            let mut own =
                ClassesAtRight::new(&name, &theirs, &hand.dealer_seed, vec![], &summand).expect("a factor");
            let (index, rows) = first(&theirs);
            own.block(&mut hand.left, &mut hand.dealer, index, rows, &mut vec![]).err()
        },
        |hand| {
            let mut own =
                DealtClasses::new(&name, &narrow, &hand.left_seed, &hand.right_seed).expect("a factor");
            let (index, rows) = first(&narrow);
            own.block(&mut dealer_to_left, &mut hand.right, index, rows).err()
        },
    );
    let unexpected = |name: &str| Some(ProtocolError::Channel(ChannelError::Unexpected { step: step(name) }));
    assert!(ran.right == unexpected("c/left") || ran.left == unexpected("c/right"));
    assert!(matches!(
        (&ran.left, &ran.right),
        (Some(ProtocolError::Channel(_)), Some(ProtocolError::Channel(_)))
    ));
}
