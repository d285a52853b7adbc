//! How each operator grows with rows, categories, owners and cells: formulas fitted on small sizes, held against the largest.
//!
//! `cargo run --release -p kobling-crypto --example growth [OPERATOR]`, of which the names are those that it prints. No network, as in `rates`.
//!
//! - *Bytes* (bodies, for each direction) and *rounds* (a worker waits for the other after it has sent something) are computed from
//!   public shapes ([`exact`]), and must be exact in every run, small or large.
//! - *Processor time* and *peak memory* of each party are linear in few terms that the protocols' own documents give ([`terms`]). They are
//!   fitted on the small sizes; then the largest are predicted and measured.
//!
//! Each party is measured by itself in a process of its own, against stand-ins that send uniform bytes; sizes of messages do not depend on
//! what they say. A neighbour on the machine can only add to a thread's time, so a time is cut into slices between messages, and each slice is
//! the second least of several processes, each with short runs repeated. Sizes take turns, small and large, and each is run again until
//! its time has settled. Memory is what the party needs at once beyond its rows and what has arrived. All parties run together once, and
//! have to send and to wait for the same.
//!
//! Ends with 1 where bytes or rounds differ, or time or memory at the largest sizes by more than 25 %.

use std::process::{Command, ExitCode};

mod circuit;
#[path = "../common/mod.rs"]
// Other examples count messages.
#[allow(dead_code)]
mod common;
mod exact;
mod fit;
mod sizes;
mod terms;

use self::common::{Spent, alone, low_slices, together};
use self::exact::expected;
use self::fit::{Fit, Terms};
use self::sizes::{Operator, Size, operators};

/// Largest relative error of a prediction.
const TOLERANCE: f64 = 0.25;
/// Processor seconds of one process, of small sizes and of the largest: one that is shorter is run again and again.
const SECONDS: [f64; 2] = [0.1, 0.5];
/// A time has settled when so many further processes have not lowered it by more than the part named.
const SETTLED: (usize, f64) = (3, 0.03);
/// Processes for each party and size at most.
const PROCESSES: usize = 8;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [word, rest @ ..] = arguments.as_slice()
        && word == "alone"
    {
        return if by_itself(rest).is_some() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let chosen = |operator: &Operator| arguments.first().is_none_or(|name| name == operator.name);
    let off: Vec<String> = operators().iter().filter(|operator| chosen(operator)).flat_map(hold).collect();
    println!();
    off.iter().for_each(|off| println!("off: {off}"));
    if off.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What one party spent at one size: slices of each process, seconds after each, and peak memory.
#[derive(Clone, Default)]
struct Measured {
    slices_s: Vec<Vec<f64>>,
    low_s: Vec<f64>,
    peak_bytes: f64,
}

impl Measured {
    fn add(&mut self, slices_s: Vec<f64>) {
        self.slices_s.push(slices_s);
        let runs: Vec<&[f64]> = self.slices_s.iter().map(Vec::as_slice).collect();
        let low = low_slices(&runs, |count| usize::from(count > 2));
        self.low_s.push(low.iter().sum());
    }

    fn has_settled(&self) -> bool {
        let (further, part) = SETTLED;
        let runs = self.low_s.len();
        runs >= PROCESSES
            || runs > further && self.low_s[runs - 1] >= (1.0 - part) * self.low_s[runs - 1 - further]
    }

    fn seconds(&self) -> f64 {
        self.low_s.last().copied().unwrap_or(f64::NAN)
    }
}

/// Measures, fits and predicts; names what is off.
fn hold(operator: &Operator) -> Vec<String> {
    let sizes = operator.sizes();
    let mut off = Vec::new();
    let mut measured = vec![vec![Measured::default(); operator.parties.len()]; sizes.len()];
    for size in &sizes {
        for (party, spent) in size.case.parties().into_iter().zip(together(&size.case, false).0) {
            off.extend(expected(&size.case).differs(party, &spent, &format!("{}, together", size.name)));
        }
    }
    while measured.iter().flatten().any(|measured| !measured.has_settled()) {
        for (at, size) in sizes.iter().enumerate() {
            for (number, measured) in measured[at].iter_mut().enumerate() {
                if measured.has_settled() {
                    continue;
                }
                let (spent, peak_bytes) = in_a_process(operator.name, at, number);
                off.extend(expected(&size.case).differs(operator.parties[number].1, &spent, &size.name));
                measured.add(spent.slices_s);
                measured.peak_bytes = peak_bytes;
            }
        }
    }
    off.extend(tell(operator, &sizes, &measured));
    off
}

/// Prints formulas and what they say of the largest sizes; names what is off.
fn tell(operator: &Operator, sizes: &[&Size], measured: &[Vec<Measured>]) -> Vec<String> {
    println!("\n# {}\n", operator.name);
    println!("| party | processor time | within | peak memory | within |\n| --- | --- | --- | --- | --- |");
    let mut lines = Vec::new();
    let mut off = Vec::new();
    for (number, (name, party)) in operator.parties.iter().enumerate() {
        let of = |terms: fn(&_, _) -> Terms, value: fn(&Measured) -> f64| -> Vec<(Terms, f64)> {
            let point = |(size, measured): (&&Size, &Vec<Measured>)| {
                (terms(&size.case, *party), value(&measured[number]))
            };
            sizes.iter().zip(measured).map(point).collect()
        };
        let (times, memories) =
            (of(terms::time, Measured::seconds), of(terms::memory, |measured| measured.peak_bytes));
        let count = operator.small.len();
        let (time, memory) = (Fit::new(&times[..count]), Fit::new(&memories[..count]));
        let within =
            |fit: &Fit, points: &[(Terms, f64)]| format!("{:.0} %", 100.0 * fit.worst(&points[..count]));
        println!(
            "| {name} | {} | {} | {} | {} |",
            time.formula(1e9, "ns"),
            within(&time, &times),
            memory.formula(1.0, "bytes"),
            within(&memory, &memories)
        );
        for (at, size) in sizes.iter().enumerate().skip(count) {
            let (sent, rounds) = expected(&size.case).of(*party);
            let (seconds, bytes) = (times[at].1, memories[at].1);
            let predicted = [time.predict(&times[at].0), memory.predict(&memories[at].0)];
            let ratios = [predicted[0] / seconds, predicted[1] / bytes];
            for (what, ratio) in ["time", "memory"].into_iter().zip(ratios) {
                // Also where it is no number.
                if (ratio - 1.0).abs().partial_cmp(&TOLERANCE).is_none_or(|order| order.is_gt()) {
                    off.push(format!("{}, {}, {name}: {what} {ratio:.2}", operator.name, size.name));
                }
            }
            let per_row = |number: f64| number / size.case.rows_or_cells() as f64;
            lines.push((
                at,
                format!(
                    "| {} | {name} | {:.1} | {} | {:.3} | {:.3} | {:.2} | {:.2} | {:.2} | {:.2} | {} |",
                    size.name,
                    per_row(sent.iter().sum::<u64>() as f64),
                    rounds.map_or("–".to_owned(), |rounds| rounds.to_string()),
                    1e6 * per_row(predicted[0]),
                    1e6 * per_row(seconds),
                    ratios[0],
                    predicted[1] / 1e6,
                    bytes / 1e6,
                    ratios[1],
                    measured[at][number].low_s.len(),
                ),
            ));
        }
    }
    println!(
        "\n| size | party | bytes a row | rounds | µs a row: predicted | measured | ratio | MB: predicted | measured | ratio | runs |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    lines.sort_by_key(|(at, _)| *at);
    lines.iter().for_each(|(_, line)| println!("{line}"));
    off
}

/// One party in a process of its own: what it spent, and its peak memory.
fn in_a_process(operator: &str, size: usize, party: usize) -> (Spent, f64) {
    let mut command = Command::new(std::env::current_exe().expect("a program knows itself"));
    command.args(["alone", operator, &size.to_string(), &party.to_string()]);
    // glibc keeps the pages of long lists, so that the kernel does not fill them with zeros again and again: mallopt(3).
    command.envs(["MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"].map(|name| (name, "1073741824")));
    let text = String::from_utf8(command.output().expect("a process").stdout).expect("numbers");
    let numbers: Vec<f64> = text.split_whitespace().map(|word| word.parse().expect("a number")).collect();
    let [left, right, rounds, peak_bytes, slices_s @ ..] = numbers.as_slice() else {
        panic!("a party by itself ended early")
    };
    let sent = [*left as u64, *right as u64];
    (Spent { slices_s: slices_s.to_vec(), sent, rounds: *rounds as u64, ..Spent::default() }, *peak_bytes)
}

/// The part of such a process.
fn by_itself(arguments: &[String]) -> Option<()> {
    let [name, size, party] = arguments else { return None };
    let operator = operators().into_iter().find(|operator| operator.name == name)?;
    let party = operator.parties.get(party.parse::<usize>().ok()?)?.1;
    let size = size.parse::<usize>().ok()?;
    let case = &operator.sizes().get(size)?.case;
    let (spent, peak_bytes) = alone(case, party, SECONDS[usize::from(size >= operator.small.len())]);
    print!("{} {} {} {peak_bytes}", spent.sent[0], spent.sent[1], spent.rounds);
    spent.slices_s.iter().for_each(|slice| print!(" {slice}"));
    Some(())
}
