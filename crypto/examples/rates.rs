//! Rates of every inner loop, and of the protocols over links in memory: seconds, rounds and bytes.
//!
//! `cargo run --release -p kobling-crypto --example rates [ROWS]`. Three threads, no network: what is measured is
//! arithmetic, masks, hashing and copying. Processor seconds are each party's own; wall seconds are the workers' together.

use kobling_crypto::protocol::classes::ClassShape;
use kobling_crypto::protocol::joined_product::JoinedShape;
use kobling_crypto::protocol::narrow_product::{OwnerShape, ProductShape};

// No party runs alone here.
#[allow(dead_code)]
mod common;

use self::common::{Case, Spent, cpu_seconds, owner, together};

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
        protection(cells, false);
        protection(cells, true);
    }
}

fn product(shape: ProductShape) {
    let (spent, wall) = together(&Case::Product(shape.clone()), true);
    let [left_bytes, right_bytes, lifting] = shape.bytes_per_row();
    let owners = [&shape.left, &shape.right].into_iter().chain(&shape.others);
    tell(
        "product",
        shape.rows,
        &owners.collect::<Vec<_>>(),
        &spent,
        wall,
        &format!("{left_bytes} + {right_bytes} bytes a row and {lifting:.1} for lifting"),
    );
}

/// Prints a product's seconds: of left, right, dealer, others, and on the wall.
fn tell(what: &str, rows: usize, owners: &[&OwnerShape], spent: &[Spent], wall: f64, bytes: &str) {
    let values: Vec<_> = owners.iter().map(|owner| owner.values.as_slice()).collect();
    let categories: Vec<_> = owners.iter().map(|owner| owner.categories.to_string()).collect();
    let others = spent[3..].iter().map(|other| other.cpu_s()).sum();
    let seconds = [spent[0].cpu_s(), spent[1].cpu_s(), spent[2].cpu_s(), others, wall];
    let [left, right, dealer, others, wall] = seconds.map(|seconds| seconds * 1e6 / rows as f64);
    println!(
        "{what} {}: processor seconds for a million rows: left {left:.3}, right {right:.3}, dealer {dealer:.3}, \
         others {others:.3}; wall {wall:.3}; values {values:?}; {bytes}",
        categories.join(" × "),
    );
}

fn joined(shape: JoinedShape) {
    let (spent, wall) = together(&Case::Joined(shape.clone(), None), true);
    let [left_bytes, right_bytes, dealer_bytes, lifting] = shape.bytes_per_row();
    let owners = [&shape.left, &shape.right].into_iter().chain(&shape.factors);
    tell(
        if shape.right_is_everyone { "joined product, right is everyone," } else { "joined product" },
        shape.rows,
        &owners.collect::<Vec<_>>(),
        &spent,
        wall,
        &format!("{left_bytes} + {right_bytes} + {dealer_bytes} bytes a row and {lifting:.1} for lifting"),
    );
}

fn classes(mut shape: ClassShape) {
    // All that the dealer sends is in memory at once.
    shape.rows = shape.rows.min(1 << 17);
    let (spent, wall) = together(&Case::Classes(shape.clone()), true);
    let per_million = 1e6 / shape.rows as f64;
    let [worker_bytes, dealer_bytes] = shape.bytes_per_row();
    println!(
        "classes of {} bits by {} borders, the first at {}: processor seconds for a million rows: left {:.3}, right {:.3}, dealer {:.3}; wall {:.3}; \
         {worker_bytes} bytes a row each way and {dealer_bytes:.1} from the dealer to each worker",
        shape.bits,
        shape.borders.len(),
        shape.borders[0],
        spent[0].cpu_s() * per_million,
        spent[1].cpu_s() * per_million,
        spent[2].cpu_s() * per_million,
        wall * per_million,
    );
}

fn protection(cells: usize, values: bool) {
    let kind = if values { "with sums and squares" } else { "of counts" };
    let (spent, wall) = together(&Case::Protection(common::protection(cells, values)), true);
    println!(
        "protection of {cells} cells {kind}: processor milliseconds: left {:.1}, right {:.1}, dealer {:.1}; wall {:.1}; \
         {} messages each way between workers, {} from the dealer",
        spent[0].cpu_s() * 1e3,
        spent[1].cpu_s() * 1e3,
        spent[2].cpu_s() * 1e3,
        wall * 1e3,
        spent[1].messages,
        spent[2].messages,
    );
}
