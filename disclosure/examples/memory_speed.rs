//! What rule 13 costs: sketches of a nation's cells, and the search among the sets of a year.
//!
//! `cargo run --release -p kobling-disclosure --example memory_speed`

use std::time::Instant;

use kobling_disclosure::memory::{Entry, Index, Partition, UnitHash};

const UNITS: u32 = 5_500_000;
const SETS: u32 = 1_000_000;

fn main() {
    let hash = UnitHash::new(*b"sixteen bytes ok");
    let mix = |unit: u32, salt: u32| {
        (unit ^ salt).wrapping_mul(0x9E37_79B9).rotate_left(15).wrapping_mul(0x85EB_CA6B)
    };
    let mut index = Index::default();
    for number in 0..SETS {
        let words =
            [number, 1, 2, 3, 4, 5, 6, 7].map(|salt| mix(number, salt.wrapping_mul(77)).to_le_bytes());
        let signature = std::array::from_fn(|at| words[at / 4][at % 4]);
        // Sizes as likely in each octave from 1000 to 4 million.
        let units = f64::from(1000).powf(1.0 + 1.2 * f64::from(mix(number, 9)) / f64::from(u32::MAX)) as u32;
        index.add(number, Entry { units, signature });
    }
    for (name, categories) in
        [("sex", vec![2]), ("age × sex × county", vec![10, 2, 15]), ("municipality × age", vec![357, 10])]
    {
        let codes: u32 = categories.iter().map(|of| of + 1).product();
        let code = |unit| {
            let mut code = 0;
            for (at, of) in (0..).zip(&categories) {
                code = code * (of + 1) + mix(unit, at) % of;
            }
            code
        };
        assert!(codes > 0);
        let mut partition = Partition::new(categories.clone(), (0..UNITS).map(code).collect());
        let (begun, mut candidates) = (Instant::now(), 0);
        let sets = partition.settle(hash, 1000, |sketch| {
            candidates += index.near(&sketch.entry(), 14).len();
            Ok::<_, ()>(None)
        });
        let settled = begun.elapsed();
        let cells = partition.into_cells();
        println!(
            "{name}: {} sets of {UNITS} units among {SETS} earlier ones, {candidates} looked at: {:.0} ms, cells {:.0} ms",
            sets.map_or(0, |settled| settled.sets.len()),
            settled.as_secs_f64() * 1e3,
            (begun.elapsed() - settled).as_secs_f64() * 1e3,
        );
        assert_eq!(cells.len(), UNITS as usize);
    }
}
