//! What averaging over splits tells of a population: the two curves behind the numbers of rule 14.
//!
//! `cargo run --release -p kobling-disclosure --example split_curves`
//!
//! A population's count is shown once, and with b splits in two their b sums (Asghar and Kaafar, "Averaging attacks on
//! bounded noise-based disclosure control algorithms", PoPETs 2020). The attacker knows everybody but one person, and guesses by
//! the weighted mean of what is shown. Noise is that of the published table, drawn afresh for each cell.

use kobling_disclosure::PerturbationTable;
use kobling_disclosure::perturb::KEYS;

/// Trials for each line: the standard error of a rate is at most 0.16 of a percent.
const TRIALS: usize = 100_000;

/// Numbers that look random, the same in every run (SplitMix64).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// The change of a large cell.
    fn noise(&mut self, table: &PerturbationTable) -> f64 {
        let key = (self.next() % KEYS as u64) as u8;
        f64::from(table.change(1000, key))
    }
}

/// Error of the best weighted mean for one population after `splits` splits in two.
fn error(dice: &mut Dice, table: &PerturbationTable, splits: usize) -> f64 {
    // A count has variance V, the sum of two cells 2V: a split weighs half of a count.
    let direct = dice.noise(table);
    let sums: f64 = (0..splits).map(|_| dice.noise(table) + dice.noise(table)).sum();
    (direct + sums / 2.0) / (1.0 + splits as f64 / 2.0)
}

/// Percent of trials in which whether one person is in is guessed right, from so many populations added and subtracted.
fn guessed(dice: &mut Dice, table: &PerturbationTable, populations: usize, splits: usize) -> f64 {
    let right = |dice: &mut Dice| {
        let error: f64 = (0..populations).map(|_| error(dice, table, splits)).sum();
        // In: right where the estimate is at least a half; noise is symmetric, so "out" is guessed right as often.
        error > -0.5 || error == -0.5 && dice.next().is_multiple_of(2)
    };
    percent((0..TRIALS).filter(|_| right(dice)).count())
}

fn percent(of: usize) -> f64 {
    100.0 * of as f64 / TRIALS as f64
}

fn main() {
    let table = PerturbationTable::published();
    let dice = &mut Dice(2020);
    println!("splits  exact %  guess of one person, %, from");
    println!("        (sums)   one count  a difference  three counts");
    for splits in [0, 1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 50, 100, 200] {
        let exact = percent(
            (0..TRIALS)
                .filter(|_| {
                    let sums: f64 = (0..splits).map(|_| dice.noise(table) + dice.noise(table)).sum();
                    splits > 0 && (sums / splits as f64).abs() < 0.5
                })
                .count(),
        );
        let guesses = [1, 2, 3].map(|populations| guessed(dice, table, populations, splits));
        println!(
            "{splits:>6}  {exact:>7.1}  {:>9.1}  {:>12.1}  {:>12.1}",
            guesses[0], guesses[1], guesses[2]
        );
    }
}
