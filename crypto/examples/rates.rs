//! Rates of every inner loop, and of the protocols over links in memory: seconds, rounds and bytes.
//!
//! `cargo run --release -p kobling-crypto --example rates [ROWS]`. Three threads, no network: what is measured is
//! arithmetic, masks, hashing and copying. Processor seconds are each party's own; wall seconds are the workers' together.

use std::time::{Duration, Instant};

use bytes::Bytes;
use kobling_crypto::channel::{Channel, FramedChannel, StepName};
use kobling_crypto::memory::{MemoryTransport, pair};
use kobling_crypto::protocol::classes::{ClassShape, ClassesAtLeft, ClassesAtRight, DealtClasses};
use kobling_crypto::protocol::engine::Engine;
use kobling_crypto::protocol::factor::{DealtFactor, Factor};
use kobling_crypto::protocol::joined_product::{self, JoinedShape};
use kobling_crypto::protocol::kept::{Blocks, KeptKey, LeftColumns, Masks, RightColumns, Seeded};
use kobling_crypto::protocol::lookup::PerturbationTable;
use kobling_crypto::protocol::narrow_product::{self, LeftRows, NO_CATEGORY, OwnerShape, ProductShape};
use kobling_crypto::protocol::protect::{self, CellShares, Program, ProtectShape};
use kobling_crypto::protocol::protect_sums::ValueShape;
use kobling_crypto::protocol::shared_columns::{
    self, ColumnsAtLeft, ColumnsAtRight, DealtColumns, OwnerRows, ShareAtLeft, ShareAtRight,
};
use kobling_crypto::seeds::{EphemeralKey, PairSeed};

type Link = FramedChannel<MemoryTransport>;

const SESSION: [u8; 16] = [1; 16];

fn main() {
    let rows = std::env::args().nth(1).and_then(|rows| rows.parse().ok()).unwrap_or(1_000_000);
    for rate in kobling_crypto::rates::inner_loops(cpu_seconds).expect("a key") {
        println!("{:<48} {:>9.2} M {} a second", rate.name, rate.per_second / 1e6, rate.unit);
    }
    for (left, right) in [(1, 1), (10, 2), (2, 20), (10, 20), (20, 10), (22, 40), (450, 2)] {
        product(ProductShape::new(rows, owner(left, &[]), owner(right, &[]), vec![]));
    }
    // Wages at left or at right: three limbs of 21 bits, and the contribution.
    let wages = &[7, 7, 7, 6];
    product(ProductShape::new(rows, owner(10, wages), owner(20, &[]), vec![]));
    product(ProductShape::new(rows, owner(10, &[]), owner(20, wages), vec![]));
    // Twice in a session.
    product_again(ProductShape::new(rows, owner(10, &[]), owner(20, &[]), vec![]));
    product_again(ProductShape::new(rows, owner(10, wages), owner(20, &[]), vec![]));
    // A third owner, and a fourth.
    product(ProductShape::new(rows, owner(10, wages), owner(20, &[]), vec![owner(3, &[])]));
    product(ProductShape::new(rows, owner(10, &[]), owner(20, &[]), vec![owner(3, wages)]));
    product(ProductShape::new(rows, owner(10, &[]), owner(5, &[]), vec![owner(3, &[]), owner(2, &[])]));
    // A factor of many categories that no worker has: right with ten, or everyone; then with one of three before it.
    joined(JoinedShape::new(rows, owner(1, &[]), owner(10, &[]), false, vec![owner(62, &[])]));
    joined(JoinedShape::new(rows, owner(10, &[]), owner(1, &[]), true, vec![owner(62, &[])]));
    joined(JoinedShape::new(
        rows,
        owner(2, wages),
        owner(5, &[]),
        false,
        vec![owner(3, &[]), owner(62, &[])],
    ));
    // Days between dates of lives: by months for five years, by classes all over the domain, and before or after.
    for (apart, count) in [(30, 61), (2100, 61), (3650, 1)] {
        let borders: Vec<u32> = (1..=count).map(|border| border * apart).collect();
        let kept = (0..=borders.len()).collect();
        classes(ClassShape::new(rows, ProductShape::BLOCK_ROWS, 17, borders, kept, 0));
    }
    for cells in [1, 231, 10_000] {
        protection(cells, None);
        let (sum_bits, square_bits) = (21, 40);
        let (units_min, dominance_percent_max) = (15, 90);
        let (squares, bound) = (true, 1_300_000);
        protection(
            cells,
            Some(ValueShape { squares, sum_bits, square_bits, bound, units_min, dominance_percent_max }),
        );
    }
}

/// Seconds that this thread has been on a processor; others may be busy with other things.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells a thread's time");
    let nanoseconds: f64 = text.split(' ').next().and_then(|word| word.parse().ok()).expect("a number");
    nanoseconds / 1e9
}

/// A result, and the processor seconds it took this thread.
fn timed<T>(run: impl FnOnce() -> T) -> (T, f64) {
    let started = cpu_seconds();
    let result = run();
    (result, cpu_seconds() - started)
}

fn step(name: &str) -> StepName {
    StepName::new(name).expect("a step's name")
}

fn seeds(a: &str, b: &str) -> (PairSeed, PairSeed) {
    let (key_a, key_b) = (EphemeralKey::generate(), EphemeralKey::generate());
    let (public_a, public_b) = (key_a.public(), key_b.public());
    (
        key_a.agree(&public_b, &SESSION, &SESSION, a, b).expect("a key"),
        key_b.agree(&public_a, &SESSION, &SESSION, b, a).expect("a key"),
    )
}

fn link(a: &str, b: &str) -> (Link, Link) {
    let (at_a, at_b) = pair(Duration::from_secs(600));
    (FramedChannel::new(at_a, SESSION, SESSION, a, b), FramedChannel::new(at_b, SESSION, SESSION, b, a))
}

fn owner(categories: usize, values: &[u8]) -> OwnerShape {
    OwnerShape { categories, values: values.to_vec() }
}

/// Rows of an owner, a fifth of them in no category.
fn rows_of(owner: &OwnerShape, rows: usize, shift: usize) -> (Vec<u32>, Vec<Vec<u8>>) {
    let category = |row: usize| match (row + shift).is_multiple_of(5) {
        true => NO_CATEGORY,
        false => ((row + shift) * 7 % owner.categories) as u32,
    };
    let values = owner.values.iter().map(|bits| (0..rows).map(|row| (row % (1 << bits)) as u8).collect());
    ((0..rows).map(category).collect(), values.collect())
}

fn product(shape: ProductShape) {
    let keys: Vec<[u16; 3]> = (0..shape.rows).map(|row| [row as u16, (row >> 3) as u16, 7]).collect();
    let (left, left_values) = rows_of(&shape.left, shape.rows, 0);
    let (right, right_values) = rows_of(&shape.right, shape.rows, 1);
    let (mut left_to_right, mut right_to_left) = link("left", "right");
    let (mut dealer_to_right, mut right_to_dealer) = link("dealer", "right");
    let ((left_dealer, dealer_left), (right_dealer, dealer_right)) =
        (seeds("left", "dealer"), seeds("right", "dealer"));
    let name = step("product");

    let (_, dealer) = timed(|| {
        let (right, left_seed, right_seed) = (&mut dealer_to_right, &dealer_left, &dealer_right);
        narrow_product::deal(&name, &shape, right, left_seed.into(), right_seed.into()).expect("dealt");
    });
    let (mut others, mut sharing) = (Vec::new(), 0.0);
    for (at, owner) in shape.others.iter().enumerate() {
        let (mut to_right, at_right) = link("other", "right");
        let (at_left, own) = seeds("left", "other");
        let (categories, values) = rows_of(owner, shape.rows, 2 + at);
        let rows = OwnerRows { categories: &categories, values: &values };
        let shared = timed(|| shared_columns::share(&name, &shape, at, &mut to_right, &own, rows));
        shared.0.expect("shared");
        sharing += shared.1;
        // The owner stays until the workers have ended.
        others.push((at_left, at_right, to_right));
    }
    let (left_seeds, links): (Vec<_>, Vec<_>) =
        others.iter_mut().map(|(seed, link, _)| (&*seed, link as &mut dyn Channel)).unzip();
    let started = Instant::now();
    let (left, right) = std::thread::scope(|scope| {
        let left = scope.spawn(|| {
            let rows = LeftRows { categories: &left, keys: &keys, values: &left_values };
            let link = &mut left_to_right;
            timed(|| {
                let others = left_seeds.into_iter().map(ShareAtLeft::Seed).collect();
                narrow_product::left(&name, &shape, link, &left_dealer, others, rows.into())
                    .expect("left ends")
            })
            .1
        });
        let right = scope.spawn(|| {
            let rows = OwnerRows { categories: &right, values: &right_values };
            let (left, dealer) = (&mut right_to_left, &mut right_to_dealer);
            timed(|| {
                let others = links.into_iter().map(ShareAtRight::Owner).collect();
                narrow_product::right(&name, &shape, left, dealer, &right_dealer, others, rows.into())
                    .expect("right ends")
            })
            .1
        });
        (left.join().expect("left ends"), right.join().expect("right ends"))
    });
    let [left_bytes, right_bytes, lifting] = shape.bytes_per_row();
    let owners = [&shape.left, &shape.right].into_iter().chain(&shape.others);
    tell(
        "product",
        shape.rows,
        &owners.collect::<Vec<_>>(),
        [left, right, dealer, sharing, started.elapsed().as_secs_f64()],
        &format!("{left_bytes} + {right_bytes} bytes a row and {lifting:.1} for lifting"),
    );
}

/// A product whose columns are kept, and another one on them.
fn product_again(shape: ProductShape) {
    let keys: Vec<[u16; 3]> = (0..shape.rows).map(|row| [row as u16, (row >> 3) as u16, 7]).collect();
    let (left_categories, left_values) = rows_of(&shape.left, shape.rows, 0);
    let (right_categories, right_values) = rows_of(&shape.right, shape.rows, 1);
    let name = step("product");
    let (mut at_left, mut at_right) = (Vec::<Bytes>::new(), Vec::<Bytes>::new());
    let [mut left_key, mut right_key, mut own_key] = [const { None::<KeptKey> }; 3];
    for is_kept in [false, true] {
        let (mut left_to_right, mut right_to_left) = link("left", "right");
        let (mut dealer_to_right, mut right_to_dealer) = link("dealer", "right");
        let ((left_dealer, dealer_left), (right_dealer, dealer_right)) =
            (seeds("left", "dealer"), seeds("right", "dealer"));
        fn masks(is_kept: bool, key: &mut Option<KeptKey>) -> Masks<'_> {
            if is_kept { Masks::Kept(key.as_ref().expect("a key")) } else { Masks::Keep(key) }
        }
        fn blocks(is_kept: bool, store: &mut Vec<Bytes>) -> Blocks<'_> {
            if is_kept { Blocks::Kept(store) } else { Blocks::Keep(store) }
        }
        let (_, dealer) = timed(|| {
            let of_left = Seeded { seed: &dealer_left, masks: masks(is_kept, &mut left_key) };
            let of_right = Seeded { seed: &dealer_right, masks: masks(is_kept, &mut right_key) };
            narrow_product::deal(&name, &shape, &mut dealer_to_right, of_left, of_right).expect("dealt");
        });
        let started = Instant::now();
        let (left, right) = std::thread::scope(|scope| {
            let left = scope.spawn(|| {
                let rows = LeftRows { categories: &left_categories, keys: &keys, values: &left_values };
                let columns = LeftColumns { rows, is_kept, of_right: blocks(is_kept, &mut at_left) };
                let link = &mut left_to_right;
                timed(|| narrow_product::left(&name, &shape, link, &left_dealer, vec![], columns)).1
            });
            let right = scope.spawn(|| {
                let rows = OwnerRows { categories: &right_categories, values: &right_values };
                let of_left = blocks(is_kept, &mut at_right);
                let columns = RightColumns { rows, masks: masks(is_kept, &mut own_key), of_left };
                let (left, dealer) = (&mut right_to_left, &mut right_to_dealer);
                let seed = &right_dealer;
                timed(|| narrow_product::right(&name, &shape, left, dealer, seed, vec![], columns)).1
            });
            (left.join().expect("left ends"), right.join().expect("right ends"))
        });
        let [left_bytes, right_bytes, lifting] = shape.bytes_per_row();
        let kept = [&at_left, &at_right].map(|blocks| blocks.iter().map(Bytes::len).sum::<usize>() >> 20);
        let bytes = match is_kept {
            false => format!(
                "{left_bytes} + {right_bytes} bytes a row and {lifting:.1} for lifting; kept MiB: {kept:?}"
            ),
            true => format!("no bytes a row but {lifting:.1} for lifting"),
        };
        tell(
            if is_kept { "product on kept columns" } else { "product that keeps its columns" },
            shape.rows,
            &[&shape.left, &shape.right],
            [left, right, dealer, 0.0, started.elapsed().as_secs_f64()],
            &bytes,
        );
    }
}

/// Prints a product's seconds: of left, right, dealer, others, and on the wall.
fn tell(what: &str, rows: usize, owners: &[&OwnerShape], seconds: [f64; 5], bytes: &str) {
    let values: Vec<_> = owners.iter().map(|owner| owner.values.as_slice()).collect();
    let categories: Vec<_> = owners.iter().map(|owner| owner.categories.to_string()).collect();
    let [left, right, dealer, others, wall] = seconds.map(|seconds| seconds * 1e6 / rows as f64);
    println!(
        "{what} {}: processor seconds for a million rows: left {left:.3}, right {right:.3}, dealer {dealer:.3}, \
         others {others:.3}; wall {wall:.3}; values {values:?}; {bytes}",
        categories.join(" × "),
    );
}

fn joined(shape: JoinedShape) {
    let keys: Vec<[u16; 3]> = (0..shape.rows).map(|row| [row as u16, (row >> 3) as u16, 7]).collect();
    let (left, left_values) = rows_of(&shape.left, shape.rows, 0);
    let (mut right, right_values) = rows_of(&shape.right, shape.rows, 1);
    if shape.right_is_everyone {
        right.fill(0);
    }
    let (mut left_to_right, mut right_to_left) = link("left", "right");
    let (mut dealer_to_right, mut right_to_dealer) = link("dealer", "right");
    let (mut dealer_to_left, mut left_to_dealer) = link("dealer", "left");
    let ((left_dealer, dealer_left), (right_dealer, dealer_right)) =
        (seeds("left", "dealer"), seeds("right", "dealer"));
    let name = step("joined");

    let (_, dealer) = timed(|| {
        let mut columns: Vec<_> = shape.factors.iter().map(|_| DealtColumns).collect();
        let mut factors: Vec<_> = columns.iter_mut().map(|factor| factor as &mut dyn DealtFactor).collect();
        let (left, right) = (&mut dealer_to_left, &mut dealer_to_right);
        let seeds = [&dealer_left, &dealer_right].map(Seeded::from);
        let [of_left, of_right] = seeds;
        joined_product::deal(&name, &shape, left, right, of_left, of_right, &mut factors).expect("dealt");
    });
    let (mut others, mut sharing) = (Vec::new(), 0.0);
    for (at, owner) in shape.factors.iter().enumerate() {
        let (mut to_right, at_right) = link("other", "right");
        let (at_left, own) = seeds("left", "other");
        let (categories, values) = rows_of(owner, shape.rows, 2 + at);
        let rows = OwnerRows { categories: &categories, values: &values };
        let shared = timed(|| shared_columns::share_factor(&name, &shape, at, &mut to_right, &own, rows));
        shared.0.expect("shared");
        sharing += shared.1;
        // The owner stays until the workers have ended.
        others.push((at_left, at_right, to_right));
    }
    let (left_seeds, links): (Vec<_>, Vec<_>) =
        others.iter_mut().map(|(seed, link, _)| (&*seed, link as &mut dyn Channel)).unzip();
    let started = Instant::now();
    let (left, right) = std::thread::scope(|scope| {
        let left = scope.spawn(|| {
            let columns = left_seeds.iter().enumerate();
            let columns =
                columns.map(|(at, seed)| ColumnsAtLeft::new(&name, &shape, at, ShareAtLeft::Seed(seed)));
            let mut columns = columns.collect::<Result<Vec<_>, _>>().expect("factors");
            let mut factors: Vec<_> = columns.iter_mut().map(|factor| factor as &mut dyn Factor).collect();
            let rows = LeftRows { categories: &left, keys: &keys, values: &left_values };
            let (right, dealer) = (&mut left_to_right, &mut left_to_dealer);
            timed(|| {
                joined_product::left(&name, &shape, right, dealer, &left_dealer, &mut factors, rows.into())
                    .expect("left ends")
            })
            .1
        });
        let right = scope.spawn(|| {
            let columns = links.into_iter().enumerate();
            let columns =
                columns.map(|(at, link)| ColumnsAtRight::new(&name, &shape, at, ShareAtRight::Owner(link)));
            let mut columns = columns.collect::<Result<Vec<_>, _>>().expect("factors");
            let mut factors: Vec<_> = columns.iter_mut().map(|factor| factor as &mut dyn Factor).collect();
            let rows = OwnerRows { categories: &right, values: &right_values };
            let (left, dealer) = (&mut right_to_left, &mut right_to_dealer);
            timed(|| {
                joined_product::right(&name, &shape, left, dealer, &right_dealer, &mut factors, rows.into())
                    .expect("right ends")
            })
            .1
        });
        (left.join().expect("left ends"), right.join().expect("right ends"))
    });
    let [left_bytes, right_bytes, dealer_bytes, lifting] = shape.bytes_per_row();
    let owners = [&shape.left, &shape.right].into_iter().chain(&shape.factors);
    tell(
        if shape.right_is_everyone { "joined product, right is everyone," } else { "joined product" },
        shape.rows,
        &owners.collect::<Vec<_>>(),
        [left, right, dealer, sharing, started.elapsed().as_secs_f64()],
        &format!("{left_bytes} + {right_bytes} + {dealer_bytes} bytes a row and {lifting:.1} for lifting"),
    );
}

fn classes(mut shape: ClassShape) {
    // All that the dealer sends is in memory at once.
    shape.rows = shape.rows.min(1 << 17);
    let shape = &shape;
    let left: Vec<u32> = (0..shape.rows as u32).map(|row| row.wrapping_mul(0x9e37_79b9)).collect();
    let number = |row: u32| row.wrapping_mul(7919) % (1 << shape.bits);
    let right: Vec<u32> = (0..).zip(&left).map(|(row, left)| number(row).wrapping_sub(*left)).collect();
    let (mut left_to_right, mut right_to_left) = link("left", "right");
    let (mut dealer_to_left, mut left_to_dealer) = link("dealer", "left");
    let (mut dealer_to_right, mut right_to_dealer) = link("dealer", "right");
    let ((left_dealer, dealer_left), (right_dealer, dealer_right)) =
        (seeds("left", "dealer"), seeds("right", "dealer"));
    let name = step("classes");

    let (_, dealer) = timed(|| {
        let mut factor = DealtClasses::new(&name, shape, &dealer_left, &dealer_right).expect("a factor");
        for (index, rows) in shape.blocks() {
            factor.block(&mut dealer_to_left, &mut dealer_to_right, index, rows).expect("dealt");
        }
    });
    let run = |factor: &mut dyn Factor, worker: &mut dyn Channel, dealer: &mut dyn Channel| {
        let mut share = Vec::new();
        for (index, rows) in shape.blocks() {
            factor.block(worker, dealer, index, rows, &mut share).expect("a block");
        }
    };
    let started = Instant::now();
    let (left, right) = std::thread::scope(|scope| {
        let left = scope.spawn(|| {
            let factor = ClassesAtLeft::new(&name, shape, &left_dealer, &[], &left);
            timed(|| run(&mut factor.expect("a factor"), &mut left_to_right, &mut left_to_dealer)).1
        });
        let right = scope.spawn(|| {
            let factor = ClassesAtRight::new(&name, shape, &right_dealer, vec![], &right);
            timed(|| run(&mut factor.expect("a factor"), &mut right_to_left, &mut right_to_dealer)).1
        });
        (left.join().expect("left ends"), right.join().expect("right ends"))
    });
    let wall = started.elapsed().as_secs_f64();
    let per_million = 1e6 / shape.rows as f64;
    let [worker_bytes, dealer_bytes] = shape.bytes_per_row();
    println!(
        "classes of {} bits by {} borders, the first at {}: processor seconds for a million rows: left {:.3}, right {:.3}, dealer {:.3}; wall {:.3}; \
         {worker_bytes} bytes a row each way and {dealer_bytes:.1} from the dealer to each worker",
        shape.bits,
        shape.borders.len(),
        shape.borders[0],
        left * per_million,
        right * per_million,
        dealer * per_million,
        wall * per_million,
    );
}

fn protection(cells: usize, values: Option<ValueShape>) {
    let kind = if values.is_some() { "with sums and squares" } else { "of counts" };
    let thresholds = (0..9u16)
        .map(|row| if row == 0 { vec![0, 0, 256, 256] } else { vec![row, 40 + row, 150 + row, 250] })
        .collect();
    let shape = ProtectShape {
        cells,
        table: PerturbationTable::new(thresholds, 2).expect("a table"),
        column_id: ProtectShape::COUNT_COLUMN,
        program: Program::Table {
            small_max: 4,
            small_percent_max: 50,
            counted: (0..cells).collect(),
            values,
        },
    };
    let (mut left_to_right, mut right_to_left) = link("left", "right");
    let (mut dealer_to_right, mut right_to_dealer) = link("dealer", "right");
    let ((left_dealer, dealer_left), (right_dealer, dealer_right)) =
        (seeds("left", "dealer"), seeds("right", "dealer"));
    let (left_right, right_left) = seeds("left", "right");
    let name = step("protect");

    let (_, dealer) = timed(|| {
        let engine = Engine::dealer(&name, &mut dealer_to_right, &dealer_left, &dealer_right);
        protect::deal(&mut engine.expect("fresh"), &shape).expect("dealt");
    });
    let run = |engine: &mut Engine<'_>| {
        let table = CellShares::zeros(&shape);
        let perturbed = protect::perturb(engine, &shape, &table, &[3; 16]).expect("perturbed");
        let _judged = perturbed.judge(engine, &shape).expect("judged");
        engine.messages()
    };
    let started = Instant::now();
    let (left, (messages, right)) = std::thread::scope(|scope| {
        let left = scope.spawn(|| {
            let engine = Engine::left(&name, &mut left_to_right, &left_dealer, &left_right);
            timed(|| run(&mut engine.expect("fresh"))).1
        });
        let right = scope.spawn(|| {
            let (left, dealer) = (&mut right_to_left, &mut right_to_dealer);
            let engine = Engine::right(&name, left, dealer, &right_dealer, &right_left);
            timed(|| run(&mut engine.expect("fresh")))
        });
        (left.join().expect("left ends"), right.join().expect("right ends"))
    });
    let wall = started.elapsed().as_secs_f64() * 1e3;
    println!(
        "protection of {cells} cells {kind}: processor milliseconds: left {:.1}, right {:.1}, dealer {:.1}; wall {wall:.1}; \
         {} messages each way between workers, {} from the dealer",
        left * 1e3,
        right * 1e3,
        dealer * 1e3,
        messages.0,
        messages.1
    );
}
