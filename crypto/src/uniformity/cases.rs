//! Every protocol on every input, and what each shows.

use super::view::{Order, View};
use crate::dcf::{CIPHERS, Domain, Evaluator, Generator, Holder, Secrets};
use crate::protocol::classes::ClassShape;
use crate::protocol::classes::tests::World as Numbers;
use crate::protocol::engine::Engine;
use crate::protocol::inner_product::{self, MatrixShape};
use crate::protocol::joined_product::tests::Joined;
use crate::protocol::kept::tests::{Kept, Way, Ways};
use crate::protocol::lift::{DealtLift, Lift, Tile};
use crate::protocol::lookup::PerturbationTable;
use crate::protocol::narrow_product::ProductShares;
use crate::protocol::narrow_product::tests::{World, shape};
use crate::protocol::protect::{self, CellShares, Program, ProtectShape, ReleasedShares, Verdict};
use crate::protocol::protect_sums::{Evidence, ValueShape, ValueShares};
use crate::protocol::shared_constants::{self, ColumnConstants};
use crate::ring::{Ring, Word};
use crate::roles::Role;
use crate::share::{OpeningPermit, Share};
use crate::testing::{Dice, Pairs, Ran, Seen, circuit_among, linked, step, three_among};

/// What the parties put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// Nobody has a category, all numbers are zero.
    Nothing,
    /// Everybody is in one category, all numbers are at their largest.
    Largest,
    /// Anything.
    Random,
}

impl Input {
    pub(super) const ALL: [Self; 3] = [Self::Nothing, Self::Largest, Self::Random];

    /// Numbers up to a largest one.
    fn numbers<W: Word>(self, dice: &mut Dice, largest: W, count: usize) -> Vec<W> {
        let number = |_| match self {
            Self::Nothing => W::ZERO,
            Self::Largest => largest,
            Self::Random => W::from_u128(dice.wide() % largest.to_u128().saturating_add(1)),
        };
        (0..count).map(number).collect()
    }
}

/// A protocol.
pub(super) struct Case {
    pub(super) name: &'static str,
    /// One attempt with the seeds of a number.
    pub(super) run: fn(Input, u64) -> View,
}

pub(super) const CASES: [Case; 12] = [
    Case { name: "product of two owners", run: two_owners },
    Case { name: "product of four owners", run: four_owners },
    Case { name: "joined product", run: joined },
    Case { name: "joined product in which right is everyone", run: joined_with_everyone },
    Case { name: "classes of a sum", run: classes },
    Case { name: "keys of comparisons", run: keys },
    Case { name: "constants of a column", run: constants },
    Case { name: "lift", run: lifted },
    Case { name: "inner product", run: inner },
    Case { name: "gates", run: gates },
    Case { name: "protection", run: protection },
    Case { name: "later questions on kept columns", run: kept },
];

/// The number of an attempt's seeds.
pub(super) fn number(case: usize, input: Input) -> u64 {
    case as u64 * 100 + input as u64
}

/// The rows of all owners.
pub(super) fn world(input: Input, owners: &[(usize, &[u8])], rows: usize, block_rows: usize) -> World {
    let public = shape(rows, block_rows, owners);
    let mut world = match input {
        Input::Nothing => World::empty(public),
        Input::Largest => World::full(public),
        Input::Random => return World::random(7, public),
    };
    let all = |largest: u8| if input == Input::Nothing { 0 } else { largest };
    for (rows, (_, bits)) in world.owners.iter_mut().zip(owners) {
        for (values, bits) in rows.values.iter_mut().zip(*bits) {
            values.fill(all((1_u16 << bits).wrapping_sub(1) as u8));
        }
    }
    world.keys.fill([u16::from_le_bytes([all(u8::MAX); 2]); 3]);
    world
}

fn add_workers<A, B, C>(view: &mut View, ran: &Ran<A, B, C>, order: Order) {
    view.add_seen("left", &ran.seen_by_left, order);
    view.add_seen("right", &ran.seen_by_right, order);
    view.add_seen("right", &ran.seen_from_dealer, order);
}

/// Masks of an attempt: of a pair's stream, from a position on.
pub(super) fn masks<W: Word>(
    number: u64,
    pair: [&str; 2],
    name: &str,
    [columns, purpose]: [&str; 2],
    start: usize,
    count: usize,
) -> Vec<W> {
    let seed = Pairs::numbered(number).seeds(pair[0], pair[1]).0;
    let mut stream = seed.stream::<W>(&step(name), columns, purpose).expect("a fresh name");
    let mut masks = vec![W::ZERO; count];
    stream.fill(start as u64, &mut masks);
    masks
}

pub(super) fn add<W: Word>(elements: &mut [W], others: &[W]) {
    elements.iter_mut().zip(others).for_each(|(element, other)| *element = element.plus(*other));
}

/// What the workers end with.
fn add_results(view: &mut View, ran: &Ran<ProductShares, ProductShares, ()>) {
    for (of, shares) in [("left's", &ran.left), ("right's", &ran.right)] {
        let keys: Vec<u16> = shares.keys.iter().flat_map(|limb| limb.elements()).copied().collect();
        view.add_computed(&format!("{of} key sums"), Order::Columns, shares.keys.len(), &keys);
        let sums: Vec<u128> = std::iter::once(&shares.counts)
            .chain(&shares.values)
            .flat_map(|sums| sums.elements())
            .copied()
            .collect();
        view.add_computed(&format!("{of} sums"), Order::Columns, 1 + shares.values.len(), &sums);
    }
}

pub(super) const TWO_OWNERS: [(usize, &[u8]); 2] = [(12, &[8]), (9, &[8])];
pub(super) const ROWS: usize = 2000;
pub(super) const BLOCK_ROWS: usize = 512;

fn two_owners(input: Input, number: u64) -> View {
    let (ran, _) = world(input, &TWO_OWNERS, ROWS, BLOCK_ROWS).run_among(&Pairs::numbered(number));
    let mut view = View::default();
    add_workers(&mut view, &ran, Order::Columns);
    let predicted = predicted_keys(&view, number);
    assert_eq!(predicted, ran.right.keys.each_ref().map(|limb| limb.elements().to_vec()).concat());
    view.add_computed("right's prediction of the key sums", Order::Columns, 3, &predicted);
    add_results(&mut view, &ran);
    view
}

/// What right can compute from the last correction, left's messages and its own masks: (X − U)ᵀV + (UᵀV − R), limb after limb.
pub(super) fn predicted_keys(view: &View, number: u64) -> Vec<u16> {
    predicted_of(view, view.piece("/dealer/keys").elements::<u16>(0), number)
}

/// The same of another attempt's correction, with the V of an attempt.
fn predicted_of(view: &View, mut sums: Vec<u16>, number: u64) -> Vec<u16> {
    let [(left, _), (right, _)] = TWO_OWNERS;
    let (from_left, from_right) = (view.piece("/product/left"), view.piece("/product/right"));
    let mut start = 0;
    for part in 0..from_left.parts.len() {
        let rows = from_left.parts[part].rows;
        let count = rows * from_right.columns;
        let v: Vec<u16> = masks(number, ["right", "dealer"], "q1/product", ["right", "mask"], start, count);
        start += count;
        let masked = from_left.elements::<u16>(part);
        // Behind the one-hot columns are those of the three limbs.
        let columns = masked.chunks_exact(rows).skip(left).take(3 * left);
        for (sums, column) in sums.chunks_exact_mut(right).zip(columns) {
            for (sum, v) in sums.iter_mut().zip(v.chunks_exact(rows)) {
                let product: u16 =
                    column.iter().zip(v).fold(0, |sum, (x, v)| sum.wrapping_add(x.wrapping_mul(*v)));
                *sum = sum.wrapping_add(product);
            }
        }
    }
    sums
}

/// What comes before the names of the pieces of later attempts.
pub(super) const LATER: [&str; 2] = ["second: ", "third: "];

/// The number of the seeds of a later attempt: no other input's.
pub(super) fn later(number: u64, attempt: usize) -> u64 {
    number + 10 * (1 + attempt as u64)
}

/// Three products of a session: the second has the columns of left that travelled for the first, and others of right's;
/// the third has both workers' columns of the first.
fn kept(input: Input, number: u64) -> View {
    let first = world(input, &TWO_OWNERS, ROWS, BLOCK_ROWS);
    let mut kept = Kept::default();
    let keep = Ways { left: Way::Keep, right: Way::Keep, others: vec![] };
    let (ran, _) = first.run_keeping(&Pairs::numbered(number), &keep, &mut kept);
    let mut view = View::default();
    add_workers(&mut view, &ran, Order::Columns);
    add_results(&mut view, &ran);
    let mut second = world(input, &TWO_OWNERS, ROWS, BLOCK_ROWS);
    if input == Input::Random {
        second.owners[1] = World::random(8, second.shape.clone()).owners[1].clone();
    }
    let ways = [Way::Travel, Way::Kept].map(|right| Ways { left: Way::Kept, right, others: vec![] });
    for (attempt, (world, ways)) in [&second, &first].into_iter().zip(&ways).enumerate() {
        let (ran, _) = world.run_keeping(&Pairs::numbered(later(number, attempt)), ways, &mut kept);
        let mut of_attempt = View::default();
        add_workers(&mut of_attempt, &ran, Order::Columns);
        add_results(&mut of_attempt, &ran);
        view.append(LATER[attempt], of_attempt);
        let keys = ran.right.keys.each_ref().map(|limb| limb.elements().to_vec()).concat();
        assert_eq!(predicted_later(&view, number, attempt), keys);
        let difference = difference_of_predictions(&view, number, attempt);
        view.add_computed(&format!("{}{DIFFERENCE}", LATER[attempt]), Order::Columns, 3, &difference);
    }
    view
}

/// What right makes of two corrections whose products have the same U.
pub(super) const DIFFERENCE: &str = "right's prediction less that of the first";

/// What right can compute of a later product, of which it has left's messages from the first.
fn predicted_later(view: &View, number: u64, attempt: usize) -> Vec<u16> {
    let correction = format!("{}dealer → right q1/product/dealer/keys", LATER[attempt]);
    // Its own masks of the third are those of the first.
    let of_masks = if attempt == 0 { later(number, attempt) } else { number };
    predicted_of(view, view.piece(&correction).elements::<u16>(0), of_masks)
}

/// Xᵀ(V′ − V) less R′ − R.
pub(super) fn difference_of_predictions(view: &View, number: u64, attempt: usize) -> Vec<u16> {
    let mut difference = predicted_later(view, number, attempt);
    let first = predicted_keys(view, number);
    difference.iter_mut().zip(first).for_each(|(later, first)| *later = later.wrapping_sub(first));
    difference
}

fn four_owners(input: Input, number: u64) -> View {
    let world = world(input, &[(2, &[8]), (3, &[]), (2, &[]), (3, &[4])], 1200, BLOCK_ROWS);
    let (ran, seen_of_others) = world.run_among(&Pairs::numbered(number));
    let mut view = View::default();
    add_workers(&mut view, &ran, Order::Columns);
    seen_of_others.iter().for_each(|seen| view.add_seen("right", seen, Order::Columns));
    add_results(&mut view, &ran);
    view
}

fn joined(input: Input, number: u64) -> View {
    joined_of(input, number, (2, &[8]), false)
}

fn joined_with_everyone(input: Input, number: u64) -> View {
    joined_of(input, number, (1, &[]), true)
}

fn joined_of(input: Input, number: u64, right: (usize, &[u8]), is_everyone: bool) -> View {
    let world = world(input, &[(3, &[8]), right, (2, &[8]), (4, &[])], 1500, BLOCK_ROWS);
    let outcome = Joined::owned(world, is_everyone).run_among(&Pairs::numbered(number));
    let mut view = View::default();
    add_workers(&mut view, &outcome.ran, Order::Columns);
    outcome.seen_of_owners.iter().for_each(|seen| view.add_seen("right", seen, Order::Columns));
    // Bare shares are uniform too, but would add up to the columns.
    for stage in 1..if is_everyone { 2 } else { 3 } {
        let [left, right] = ["left", "right"].map(|worker| format!("/stage{stage}/{worker}"));
        view.add_sums::<u16>(&format!("opened in stage {stage}"), [&left, &right]);
        // What each had before it masked it, of which right's is its prediction of the dealer's correction.
        for (worker, sent) in [("left", left), ("right", right)] {
            let name = format!("q1/joined/stage{stage}");
            let (sent, mut start) = (view.piece(&sent).clone(), 0);
            for part in 0..sent.parts.len() {
                let mut shares = sent.elements::<u16>(part);
                let of = masks(number, [worker, "dealer"], &name, [worker, "mask"], start, shares.len());
                add(&mut shares, &of);
                start += shares.len();
                let computed = format!("{worker}'s share in stage {stage}");
                view.add_computed(&computed, Order::Columns, sent.columns, &shares);
            }
        }
    }
    add_results(&mut view, &outcome.ran);
    view
}

const CLASS_BITS: u32 = 14;

fn classes(input: Input, number: u64) -> View {
    // Shares of all classes of a row would add up to one.
    let shape = ClassShape::new(4000, 512, CLASS_BITS, vec![50, 6000, 9000], vec![0, 1, 2], 1);
    let (rows, width) = (shape.rows, shape.width());
    let constant = |largest: u32| {
        let bare = |number: u32| vec![vec![0; rows], vec![number; rows], vec![0; rows]];
        // Right has the number itself: nothing but masks hides it.
        Numbers { shape: shape.clone(), summands: bare(largest) }
    };
    let world = match input {
        Input::Nothing => constant(0),
        Input::Largest => constant((1 << CLASS_BITS) - 1),
        Input::Random => Numbers::random(5, shape.clone()),
    };
    let mut dice = Dice::seeded(number as u8);
    let ciphers = move || std::array::from_fn(|_| dice.next() as u8);
    let outcome = world.run_among(&Pairs::numbered(number), ciphers);
    let mut view = View::default();
    view.add_seen("left", &outcome.ran.seen_by_left, Order::Columns);
    view.add_seen("right", &outcome.ran.seen_by_right, Order::Columns);
    outcome.seen_of_others.iter().for_each(|seen| view.add_seen("right", seen, Order::Columns));
    assert_eq!(bodies(&outcome.seen_by_left_of_dealer), bodies(&outcome.ran.seen_from_dealer));
    for (message, (_, body)) in outcome.seen_by_left_of_dealer.iter().enumerate() {
        let batch = (rows - message * 512).min(512);
        add_keys(&mut view, CLASS_BITS, body, batch);
    }
    view.add_sums::<u32>("opened numbers", ["/classes/left", "/classes/right"]);
    for (of, blocks) in [("left's", &outcome.ran.left), ("right's", &outcome.ran.right)] {
        blocks
            .iter()
            .for_each(|block| view.add_computed(&format!("{of} classes"), Order::Columns, width, block));
    }
    view
}

fn bodies(seen: &[Seen]) -> Vec<&[u8]> {
    seen.iter().map(|(_, body)| &body[..]).collect()
}

/// Corrections of the keys of some rows, a part after the other; the ciphers' keys mask nothing and are left out.
pub(super) fn add_keys(view: &mut View, bits: u32, body: &[u8], rows: usize) {
    for (at, (part, of_row)) in Domain::new(bits).parts(body, rows).into_iter().enumerate() {
        let name = format!("dealer → workers keys of {bits} bits, part {at}");
        match of_row {
            0 => view.add_message(&name, Order::Rows, 1, 1, part),
            _ => view.add_message(&name, Order::Rows, of_row / u16::BYTES, u16::BYTES, part),
        }
    }
}

/// What keys of comparisons are for, the same in every row but where it is random.
pub(super) struct Thresholds {
    thresholds: Vec<u32>,
    below: Vec<u16>,
    otherwise: Vec<u16>,
}

impl Thresholds {
    pub(super) fn of(input: Input, bits: u32, rows: usize) -> Self {
        let mut dice = Dice::seeded(9);
        Self {
            thresholds: input.numbers(&mut dice, u32::MAX >> (32 - bits), rows),
            below: input.numbers(&mut dice, u16::MAX, rows),
            otherwise: match input {
                Input::Random => input.numbers(&mut dice, u16::MAX, rows),
                _ => vec![0; rows],
            },
        }
    }

    pub(super) fn secrets(&self) -> Secrets<'_> {
        Secrets { thresholds: &self.thresholds, below: &self.below, otherwise: &self.otherwise }
    }
}

/// Rows of the keys.
pub(super) const KEYS: usize = 1024;

fn keys(input: Input, number: u64) -> View {
    let mut view = View::default();
    let mut dice = Dice::seeded(number as u8);
    for bits in [1, 9, 17, 30] {
        let domain = Domain::new(bits);
        let roots = [(); 2].map(|()| (0..KEYS).map(|_| dice.wide()).collect::<Vec<_>>());
        let ciphers: [u8; CIPHERS] = std::array::from_fn(|_| dice.next() as u8);
        let [mut first, mut second] = roots.clone();
        let thresholds = Thresholds::of(input, bits, KEYS);
        let body =
            Generator::new(&domain).generate(&ciphers, [&mut first, &mut second], thresholds.secrets());
        add_keys(&mut view, bits, &body, KEYS);
        for (holder, roots) in [Holder::First, Holder::Second].into_iter().zip(roots) {
            let mut shares = Vec::new();
            let points = |_, points: &mut [u32]| points.copy_from_slice(&[0, (1 << bits) - 1]);
            let mut evaluator = Evaluator::new(&domain, holder);
            evaluator.evaluate(&roots, &body, 2, points, |_, own| shares.extend_from_slice(own));
            view.add_computed(&format!("{holder:?}'s shares at {bits} bits"), Order::Rows, 2, &shares);
        }
    }
    view
}

/// One message of a few numbers an attempt: many attempts are one view.
fn constants(input: Input, number: u64) -> View {
    const ATTEMPTS: u64 = 400;
    let mut dice = Dice::seeded(1);
    let mut body = Vec::new();
    let (mut fingerprints, mut numbers_of) = ([vec![], vec![]], [vec![], vec![]]);
    for attempt in 0..ATTEMPTS {
        let mut numbers = input.numbers(&mut dice, u64::MAX, 4).into_iter();
        let mut next = || numbers.next().expect("four numbers");
        let constants = ColumnConstants {
            fingerprint: next().to_le_bytes(),
            mean: (next() >> 1) as i64,
            width: next(),
            square_mean: next(),
            square_width: 0,
        };
        let pairs = Pairs::numbered(number << 32 | attempt);
        let (mut to_right, mut of_owner, seen) = linked("owner", "right");
        let (at_owner, at_left) = pairs.seeds("owner", "left");
        shared_constants::share(&step("q1/product"), &mut to_right, &at_owner, &constants).expect("sent");
        let at_right = shared_constants::ConstantShares::at_right(&step("q1/product"), &mut of_owner);
        let at_left = shared_constants::ConstantShares::at_left(&step("q1/product"), &at_left);
        for (at, shares) in [at_left.expect("drawn"), at_right.expect("received")].into_iter().enumerate() {
            fingerprints[at].push(u64::from_le_bytes(shares.fingerprint));
            numbers_of[at].extend([shares.mean, shares.width, shares.square_mean, shares.square_width]);
        }
        body.extend_from_slice(&seen.lock().expect("no panic")[0].1);
    }
    let mut view = View::default();
    view.add_message("owner → right constants", Order::Rows, 5, u128::BYTES, &body);
    for (of, (fingerprints, numbers)) in
        ["left's", "right's"].into_iter().zip(fingerprints.iter().zip(&numbers_of))
    {
        view.add_computed(&format!("{of} fingerprints"), Order::Rows, 1, fingerprints);
        view.add_computed(&format!("{of} constants"), Order::Rows, 4, numbers);
    }
    view
}

/// A lift by itself, of shares whose top bits are all clear or all set.
fn lifted(input: Input, number: u64) -> View {
    const STRETCHES: usize = 96;
    let tiles = || vec![Tile { cells: 200, stretch: 1 }, Tile { cells: 60, stretch: 1 }];
    let name = step("q1/lift");
    let mut dice = Dice::seeded(4);
    let shares: Vec<[Vec<u16>; 2]> = (0..STRETCHES * tiles().len())
        .map(|stretch| {
            let cells = tiles()[stretch % tiles().len()].cells;
            let left: Vec<u16> = match input {
                Input::Nothing => vec![0; cells],
                Input::Largest => vec![1 << 15; cells],
                Input::Random => (0..cells).map(|_| dice.next() as u16).collect(),
            };
            let right = left.iter().map(|left| 0_u16.wrapping_sub(*left)).collect();
            [left, right]
        })
        .collect();
    let ran = three_among(
        &Pairs::numbered(number),
        |hand| {
            let mut lift = Lift::new(&name, true, &hand.dealer_seed, tiles(), STRETCHES).expect("a lift");
            for (at, [own, _]) in shares.iter().enumerate() {
                lift.add(at % 2, own);
                if at % 16 == 15 {
                    lift.send(&mut hand.right).expect("sent");
                    lift.receive(&mut hand.right).expect("received");
                }
            }
            lift.finish(&mut hand.right, None, &hand.dealer_seed).expect("lifted")
        },
        |hand| {
            let mut lift = Lift::new(&name, false, &hand.dealer_seed, tiles(), STRETCHES).expect("a lift");
            for (at, [_, own]) in shares.iter().enumerate() {
                lift.add(at % 2, own);
                if at % 16 == 15 {
                    lift.send(&mut hand.left).expect("sent");
                    lift.receive(&mut hand.left).expect("received");
                }
            }
            lift.finish(&mut hand.left, Some(&mut hand.dealer), &hand.dealer_seed).expect("lifted")
        },
        |hand| {
            let (left, right) = (&hand.left_seed, &hand.right_seed);
            let mut lift = DealtLift::new(&name, left, right, tiles(), STRETCHES).expect("a lift");
            (0..shares.len()).for_each(|at| lift.add(at % 2));
            lift.finish(&mut hand.right, left, right).expect("dealt");
        },
    );
    let mut view = View::default();
    add_workers(&mut view, &ran, Order::Columns);
    // The low sixteen bits are the sums of what was put in.
    for (of, shares) in [("left's", &ran.left), ("right's", &ran.right)] {
        let sums: Vec<u128> = shares.iter().flat_map(|share| share.elements()).copied().collect();
        let of_products: Vec<u16> = sums.iter().map(|sum| (sum >> 16) as u16).collect();
        let high: Vec<u64> = sums.iter().map(|sum| (sum >> 32) as u64).collect();
        view.add_computed(&format!("{of} sums, bits 16 to 31"), Order::Columns, 1, &of_products);
        view.add_computed(&format!("{of} sums, bits 32 to 95"), Order::Columns, 1, &high);
    }
    view
}

fn inner(input: Input, number: u64) -> View {
    let pairs = Pairs::numbered(number);
    let mut view = View::default();
    add_inner::<u16>(&mut view, input, &pairs);
    add_inner::<u32>(&mut view, input, &pairs);
    add_inner::<u64>(&mut view, input, &pairs);
    add_inner::<u128>(&mut view, input, &pairs);
    view
}

fn add_inner<W: Word>(view: &mut View, input: Input, pairs: &Pairs) {
    let shape = MatrixShape { rows: 500, left_columns: 12, right_columns: 9, block_rows: 128 };
    let mut dice = Dice::seeded(2);
    let largest = W::ZERO.minus(W::ONE);
    let x = input.numbers(&mut dice, largest, shape.rows * shape.left_columns);
    let y = input.numbers(&mut dice, largest, shape.rows * shape.right_columns);
    let name = step("q1/inner").join(W::NAME).expect("a step's name");
    let ran = three_among(
        pairs,
        |hand| inner_product::left(&name, shape, &mut hand.right, &hand.dealer_seed, &x).expect("left ends"),
        |hand| {
            let (left, dealer) = (&mut hand.left, &mut hand.dealer);
            inner_product::right(&name, shape, left, dealer, &hand.dealer_seed, &y).expect("right ends")
        },
        |hand| {
            let (left, right) = (&hand.left_seed, &hand.right_seed);
            inner_product::deal::<W>(&name, shape, &mut hand.right, left, right).expect("dealt");
        },
    );
    add_workers(view, &ran, Order::Rows);
    for (of, share) in [("left's", &ran.left), ("right's", &ran.right)] {
        view.add_computed(&format!("{of} product"), Order::Rows, 9, share.elements());
    }
}

/// What the workers of a circuit open: in ℤ/2⁶⁴ are bits, and all else is in a ring.
fn add_opened(view: &mut View, seen_by_left: &[Seen], seen_by_right: &[Seen]) {
    assert_eq!(seen_by_left.len(), seen_by_right.len());
    for ((header, one), (_, other)) in seen_by_left.iter().zip(seen_by_right) {
        match header.shape[1] {
            2 => add_opened_in::<u16>(view, one, other, u16::plus),
            4 => add_opened_in::<u32>(view, one, other, u32::plus),
            8 => add_opened_in::<u64>(view, one, other, |one, other| one ^ other),
            16 => add_opened_in::<u128>(view, one, other, u128::plus),
            width => panic!("elements of {width} bytes"),
        }
    }
}

fn add_opened_in<W: Word>(view: &mut View, one: &[u8], other: &[u8], open: fn(W, W) -> W) {
    let elements = |bytes: &[u8]| {
        let mut elements = vec![W::ZERO; bytes.len() / W::BYTES];
        W::decode(bytes, &mut elements).expect("whole elements");
        elements
    };
    let opened = elements(one).into_iter().zip(elements(other)).map(|(one, other)| open(one, other));
    view.add_computed("opened wires", Order::Columns, 1, &opened.collect::<Vec<_>>());
}

/// Each gate on wires that one worker has whole, and the other nothing of.
fn gates(input: Input, number: u64) -> View {
    const LANES: usize = 10_000;
    fn whole<W: Word>(engine: &Engine<'_>, owner: Role, input: Input) -> Share<W> {
        let numbers = input.numbers(&mut Dice::seeded(owner as u8), W::ZERO.minus(W::ONE), LANES / 4);
        if engine.role() == owner { Share::from_elements(numbers) } else { Share::zeros(LANES / 4) }
    }
    fn product<W: Word>(engine: &mut Engine<'_>, input: Input) -> Result<(), crate::protocol::ProtocolError> {
        let [x, y] = [Role::Left, Role::Right].map(|owner| whole::<W>(engine, owner, input));
        let _ = engine.multiply(&[(&x, &y), (&y, &y)])?;
        Ok(())
    }
    let ran = circuit_among(&Pairs::numbered(number), |engine| {
        let [x, y] = [Role::Left, Role::Right].map(|owner| {
            let words = input.numbers(&mut Dice::seeded(9 + owner as u8), u64::MAX, LANES);
            engine.private_bits(owner, words.into_iter(), LANES, 3)
        });
        let _ = engine.and(&[(&x[0], &y[0]), (&x[1], &y[1]), (&x[2], &x[2])])?;
        let _ = engine.and(&[(&x[0], &y[1]), (&y[0], &y[2])])?;
        let _ = engine.to_numbers::<u32>(&[&x[0], &y[0]])?;
        let _ = engine.to_numbers::<u128>(&[&x[1]])?;
        product::<u16>(engine, input)?;
        product::<u32>(engine, input)?;
        product::<u128>(engine, input)
    });
    let mut view = View::default();
    add_workers(&mut view, &ran, Order::Columns);
    add_opened(&mut view, &ran.seen_by_left, &ran.seen_by_right);
    view
}

/// D of the perturbation table.
const CHANGE: u32 = 5;

fn protect_shape(cells: usize, program: Program) -> ProtectShape {
    let steps = 2 * CHANGE as usize;
    let even = (1..=steps).map(|step| (step * 256 / (steps + 1)) as u16).collect();
    let none = (0..steps).map(|step| if step < CHANGE as usize { 0 } else { 256 }).collect();
    ProtectShape {
        cells,
        table: PerturbationTable::new(vec![none, even], CHANGE).expect("a table"),
        column_id: ProtectShape::COUNT_COLUMN,
        program,
    }
}

/// A table that left alone owns, with the sums of a value column.
fn protection(input: Input, number: u64) -> View {
    const CELLS: usize = 40;
    const BOUND: u64 = 1_300_000;
    let values = ValueShape {
        squares: true,
        sum_bits: 22,
        square_bits: 41,
        units_min: 15,
        dominance_percent_max: 90,
        evidence: vec![1, 8],
    };
    let (counted, values) = ((0..CELLS).collect(), Some(values));
    let program = Program::Table { small_max: 4, small_percent_max: 100, counted, values };
    protected(input, number, &protect_shape(CELLS, program), |engine, dice| {
        let mut entered = |largest: u128| {
            let numbers = input.numbers(dice, largest, CELLS);
            if engine.role() == Role::Left { Share::from_elements(numbers) } else { Share::zeros(CELLS) }
        };
        let units = 1 << 24;
        let constants = ColumnConstants {
            fingerprint: *b"column 1",
            mean: BOUND as i64 / 3,
            width: BOUND,
            square_mean: 1 << 20,
            square_width: 1 << 30,
        };
        let mut evidence = || Evidence { sum: entered(units * u128::from(BOUND)), energy: entered(1 << 90) };
        let evidence = vec![evidence(), evidence()];
        Some(ValueShares {
            sums: entered(units * u128::from(BOUND)),
            squares: Some(entered(1 << 60)),
            evidence,
            constants: if engine.role() == Role::Left { constants.entered() } else { Default::default() },
        })
    })
}

fn protected(
    input: Input,
    number: u64,
    shape: &ProtectShape,
    values: impl Fn(&Engine<'_>, &mut Dice) -> Option<ValueShares> + Sync,
) -> View {
    let cells = shape.cells;
    let ran = circuit_among(&Pairs::numbered(number), |engine| {
        let mut dice = Dice::seeded(6);
        let counts = input.numbers(&mut dice, 1_u32 << 24, cells);
        let keys = [(); 3].map(|()| input.numbers(&mut dice, u16::MAX, cells));
        let is_left = engine.role() == Role::Left;
        let shares = CellShares {
            counts: if is_left { Share::from_elements(counts) } else { Share::zeros(cells) },
            keys: keys.map(|limb| if is_left { Share::from_elements(limb) } else { Share::zeros(cells) }),
            values: values(engine, &mut dice),
        };
        let judged = protect::perturb(engine, shape, &shares, &[0; 16])?.judge(engine, shape)?;
        if engine.role() == Role::Dealer {
            return Ok(None);
        }
        match judged.open(engine, OpeningPermit::for_a_test())? {
            Verdict::TablePassed(table) => Ok(Some(table.release(OpeningPermit::for_a_test()))),
            _ => Ok(None),
        }
    });
    let mut view = View::default();
    // The last message is a bit that is opened.
    let [by_left, by_right] = [&ran.seen_by_left, &ran.seen_by_right].map(|seen| {
        let (last, masked) = seen.split_last().expect("messages");
        assert_eq!(last.0.shape, [1, 8]);
        masked
    });
    view.add_seen("left", by_left, Order::Columns);
    view.add_seen("right", by_right, Order::Columns);
    view.add_seen("right", &ran.seen_from_dealer, Order::Columns);
    add_opened(&mut view, by_left, by_right);
    let released = |view: &mut View, of: &str, shares: &ReleasedShares| {
        view.add_computed(&format!("{of} counts, released"), Order::Columns, 1, &shares.counts);
        view.add_computed(&format!("{of} sums, released"), Order::Columns, 1, &shares.sums);
        view.add_computed(&format!("{of} squares, released"), Order::Columns, 1, &shares.squares);
    };
    if let (Some(left), Some(right)) = (&ran.left, &ran.right) {
        released(&mut view, "left's", left);
        released(&mut view, "right's", right);
    }
    view
}
