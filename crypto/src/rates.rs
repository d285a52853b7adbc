//! The rate of every inner loop that carries rows, for the example `rates`.
//!
//! One that the compiler has ceased to turn into vector instructions is many times slower, and nothing else shows it: results
//! stay the same. So each ring and each shape of tile has a line of its own.

use crate::channel::StepName;
use crate::dcf::{CIPHERS, Domain, Evaluator, Generator, Holder, Secrets};
use crate::kernel::{columns, one_hot, subtract, turn};
use crate::pseudonym::{RecordKeySecret, SessionSalt};
use crate::ring::{Prime64, Ring};
use crate::seeds::{EphemeralKey, PairSeed, SeedError};

/// Rows of a block, as most products have them.
const ROWS: usize = 2048;
/// Rows of a stretch of limbs of seven bits, as wages have.
const STRETCH: usize = 256;
/// Seconds that each loop is run for, at the least.
const SECONDS: f64 = 0.05;

/// Runs between two looks at the clock.
const RUNS: usize = 64;

/// How fast an inner loop is.
pub struct Rate {
    /// Which loop, over what.
    pub name: String,
    /// What is counted.
    pub unit: &'static str,
    /// How many of them in a second.
    pub per_second: f64,
}

/// Runs every inner loop. `clock` tells seconds, of a processor if the machine is shared.
///
/// # Errors
/// Where the system gives no key.
pub fn inner_loops(clock: impl Fn() -> f64) -> Result<Vec<Rate>, SeedError> {
    let mut rates = Vec::new();
    let mut rate = |name: String, unit, of_one_run: usize, run: &mut dyn FnMut()| {
        let begun = clock();
        let mut runs = 0;
        // Looking at the clock takes longer than the shortest runs.
        while runs == 0 || clock() - begun < SECONDS {
            (0..RUNS).for_each(|_| run());
            runs += RUNS;
        }
        let per_second = (runs * of_one_run) as f64 / (clock() - begun);
        rates.push(Rate { name, unit, per_second });
    };
    dots::<u16>(&mut rate, |number| number as u16);
    dots::<u32>(&mut rate, |number| number as u32);
    dots::<u64>(&mut rate, |number| number);
    dots::<Prime64>(&mut rate, Prime64::new);

    let block: Vec<u16> = (0..ROWS * 80).map(|at| at as u16).collect();
    let mut turned = Vec::new();
    rate("rows to columns, 80 of z2-16".to_owned(), "elements", block.len(), &mut || {
        turn(&block, 80, &mut turned);
    });
    rate("a block less its masks, z2-16".to_owned(), "elements", block.len(), &mut || {
        subtract(&mut turned, &block);
    });
    let categories: Vec<u32> = (0..ROWS as u32).map(|row| row * 7 % 10).collect();
    let mut columns = vec![0; ROWS * 10];
    rate("one-hot columns, 10 of z2-16".to_owned(), "rows", ROWS, &mut || {
        one_hot(&mut columns, 0, &categories, |row| row as u16);
    });
    let bytes = vec![1; 1 << 20];
    rate("hash of a body".to_owned(), "bytes", bytes.len(), &mut || {
        std::hint::black_box(blake3::hash(&bytes));
    });

    let (ours, theirs) = (EphemeralKey::generate(), EphemeralKey::generate());
    let seed = ours.agree(&theirs.public(), &[1; 16], &[2; 16], "a", "b")?;
    let step = StepName::new("rates").expect("a step's name");
    masks::<u16>(&mut rate, &seed, &step)?;
    masks::<u64>(&mut rate, &seed, &step)?;
    masks::<Prime64>(&mut rate, &seed, &step)?;

    comparisons(&mut rate);

    let salt = SessionSalt::derive(&[("a".to_owned(), [1; 32])], &[2; 16]).expect("one contribution");
    let (tokens, keys) = (salt.tokens("PERSON"), RecordKeySecret::generate());
    let keys = keys.record_keys("PERSON");
    rate("tokens".to_owned(), "identities", 1000, &mut || {
        for _ in 0..1000 {
            std::hint::black_box(tokens.token(b"01815000000"));
        }
    });
    rate("record keys".to_owned(), "identities", 1000, &mut || {
        for _ in 0..1000 {
            std::hint::black_box(keys.record_key(b"01815000000"));
        }
    });
    Ok(rates)
}

type Run<'a> = dyn FnMut(String, &'static str, usize, &mut dyn FnMut()) + 'a;

/// Every shape of tile that a product is cut into.
fn dots<R: Ring>(rate: &mut Run<'_>, element: impl Fn(u64) -> R) {
    let block: Vec<R> = (0..4 * ROWS as u64).map(element).collect();
    for left in [2, 1] {
        for right in [4, 2, 1] {
            let (left, right) = (columns(&block, ROWS, 0..left), columns(&block, ROWS, 0..right));
            // Over a whole block, and over the stretches in which limbs are summed.
            for stretch in [ROWS, STRETCH] {
                let (l, r) = (left.len(), right.len());
                let mut sums = vec![R::ZERO; ROWS / stretch * l * r];
                let name = format!("dot products {l} × {r} by {stretch} rows in {}", R::NAME);
                rate(name, "multiply-adds", l * r * ROWS, &mut || {
                    R::add_products(&mut sums, &left, &right, stretch);
                });
            }
        }
    }
}

/// Keys of comparisons over days, evaluated at points a month apart, which share most of their paths, and all over the domain.
fn comparisons(rate: &mut Run<'_>) {
    const POINTS: usize = 61;
    let domain = Domain::new(17);
    let thresholds: Vec<u32> = (0..ROWS as u32).map(|row| row * 61).collect();
    let (below, otherwise) = (vec![1; ROWS], vec![0; ROWS]);
    let secrets = Secrets { thresholds: &thresholds, below: &below, otherwise: &otherwise };
    let (mut generator, mut body) = (Generator::new(&domain), Vec::new());
    let mut roots = [vec![1; ROWS], vec![2; ROWS]];
    rate("comparisons of 17 bits, dealt".to_owned(), "rows", ROWS, &mut || {
        let [first, second] = &mut roots;
        body = generator.generate(&[3; CIPHERS], [first, second], secrets);
    });
    let mut evaluator = Evaluator::new(&domain, Holder::First);
    for apart in [30, 2100] {
        rate(format!("comparisons at {POINTS} points {apart} apart"), "rows", ROWS, &mut || {
            let points = |row: usize, points: &mut [u32]| {
                for (at, point) in (0..).zip(points) {
                    *point = row as u32 + at * apart;
                }
            };
            evaluator.evaluate(&roots[0], &body, POINTS, points, |_, shares| {
                std::hint::black_box(shares);
            });
        });
    }
}

fn masks<R: Ring>(rate: &mut Run<'_>, seed: &PairSeed, step: &StepName) -> Result<(), SeedError> {
    let mut stream = seed.stream::<R>(step, "masks", "mask")?;
    let mut block = vec![R::ZERO; ROWS * 10];
    rate(format!("masks in {}", R::NAME), "bytes", block.len() * R::STREAM_BYTES, &mut || {
        stream.fill(0, &mut block);
    });
    Ok(())
}
