//! How each operator grows with rows, categories, owners and cells: formulas fitted on small sizes, held against the largest.
//!
//! `cargo run --release -p kobling-crypto --example growth [OPERATOR]`, of which the names are those that it prints. No network, as in `rates`.
//!
//! - *Bytes* (bodies, for each direction) and *rounds* (a worker waits for the other after it has sent something) are computed from
//!   public shapes, and must be exact in every run, small or large.
//! - *Processor time* and *peak memory* of each party are linear in terms that the protocols' own documents give: columns sent and
//!   received, products of them, what is added up at the end of a stretch. Least squares of relative errors over the small
//!   sizes, no coefficient below zero. Then the largest sizes are predicted and measured.
//!
//! Each party is measured by itself in a process of its own, against stand-ins that send uniform bytes; sizes of messages do not depend on
//! what they say. Time is the least of several such runs, small and large sizes in turn, since a busy neighbour can only add to it; an operator
//! that is off is measured again, and both are shown. Memory is what the party needs at once beyond its rows and what has arrived. All
//! parties run together once, and have to send and to wait for the same.
//!
//! The allocator of those processes keeps its pages. As it comes it gives those of long lists back and takes others, which the kernel has to fill with
//! zeros: the column "as it comes" is one run with that.
//!
//! Ends with 1 where bytes or rounds differ, or time or memory at the largest sizes by more than 25 %.

use std::process::{Command, ExitCode};

use kobling_crypto::protocol::classes::ClassShape;
use kobling_crypto::protocol::joined_product::JoinedShape;
use kobling_crypto::protocol::narrow_product::{OwnerShape, ProductShape};
use kobling_crypto::protocol::protect::{Program, ProtectShape};

mod common;

use self::common::{Case, Party, Spent, alone, owner, protection, together};

/// Largest relative error of a prediction.
const TOLERANCE: f64 = 0.25;
/// Runs of each size.
const RUNS: usize = 4;
/// Processor seconds of one run: a small size is run again and again.
const SECONDS: f64 = 0.06;
const LARGE_ROWS: usize = 1 << 20;
/// Three limbs of 21 bits, and the contribution.
const WAGES: &[u8] = &[7, 7, 7, 6];
/// Elements that travel have two bytes.
const ELEMENT: f64 = 2.0;
/// Limbs of a record key.
const LIMBS: f64 = 3.0;
/// Most bytes of one message of the engine.
const BODY_BYTES: u64 = 1 << 20;

/// A protocol in small sizes and in the largest.
struct Operator {
    name: &'static str,
    small: Vec<Size>,
    large: Vec<Size>,
    /// The parties whose costs are fitted; the first and second are the workers.
    parties: Vec<(&'static str, Party)>,
}

/// One size, with a name.
struct Size {
    name: String,
    case: Case,
    /// Where it is a further owner that is looked at, whatever its number.
    party: Option<Party>,
}

/// A term of a formula: what it counts, and how many there are.
type Terms = Vec<(&'static str, f64)>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [word, rest @ ..] = arguments.as_slice()
        && word == "alone"
    {
        return by_itself(rest);
    }
    let mut exact = true;
    let mut off = Vec::new();
    for operator in operators() {
        if arguments.first().is_some_and(|name| name != operator.name) {
            continue;
        }
        let mut left_off = operator.run(&mut exact);
        if !left_off.is_empty() {
            println!("\n{}: off, measured again: {}", operator.name, left_off.join("; "));
            left_off = operator.run(&mut exact);
        }
        off.extend(left_off);
    }
    println!();
    if !exact {
        println!("bytes or rounds are not those of the formulas");
    }
    off.iter().for_each(|off| println!("off by more than {:.0} %: {off}", 100.0 * TOLERANCE));
    if exact && off.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The child's part: one party of one size.
fn by_itself(arguments: &[String]) -> ExitCode {
    let number = |at: usize| arguments.get(at).and_then(|word| word.parse::<usize>().ok());
    let sizes = |operator: Operator| operator.small.into_iter().chain(operator.large).collect::<Vec<_>>();
    let (Some(operator), Some(size), Some(party)) = (number(0), number(1), number(2)) else {
        return ExitCode::FAILURE;
    };
    let Some(size) =
        operators().into_iter().nth(operator).and_then(|operator| sizes(operator).into_iter().nth(size))
    else {
        return ExitCode::FAILURE;
    };
    let Some(party) = size.case.parties().get(party).copied() else { return ExitCode::FAILURE };
    let Some(seconds) = arguments.get(3).and_then(|word| word.parse().ok()) else { return ExitCode::FAILURE };
    let (spent, bytes) = alone(&size.case, party, seconds);
    let [left, right] = spent.sent;
    println!("{left} {right} {} {} {} {bytes}", spent.rounds, spent.messages, spent.cpu_s);
    ExitCode::SUCCESS
}

/// What one party spent and needed.
#[derive(Clone, Default)]
struct Measured {
    /// In each run.
    cpu_s: Vec<f64>,
    /// Once, with the allocator as it comes.
    anew_s: f64,
    peak_bytes: f64,
}

impl Operator {
    /// Measures, fits and predicts; names what is off.
    fn run(&self, exact: &mut bool) -> Vec<String> {
        let place = operators().iter().position(|other| other.name == self.name).expect("an operator");
        let sizes: Vec<&Size> = self.small.iter().chain(&self.large).collect();
        let mut measured = vec![vec![Measured::default(); self.parties.len()]; sizes.len()];
        for run in 0..RUNS {
            for (at, size) in sizes.iter().enumerate() {
                let expected = expected(&size.case);
                // Where a further owner is looked at, all of its case has been together in the operator that it is from.
                let together = (run == 0 && size.party.is_none()).then(|| together(&size.case, false).0);
                for (party, spent) in size.case.parties().into_iter().zip(together.iter().flatten()) {
                    *exact &= expected.tell(party, spent, &format!("{}, {}, together", self.name, size.name));
                }
                for (fitted, measured) in measured[at].iter_mut().enumerate() {
                    let (party, number) = size.party(&self.parties, fitted);
                    let (spent, peak) = in_a_process(place, at, number, Pages::Kept);
                    *exact &= expected.tell(party, &spent, &format!("{}, {}", self.name, size.name));
                    let messages = together.as_ref().map_or(spent.messages, |all| all[number].messages);
                    *exact &= messages == spent.messages;
                    measured.cpu_s.push(spent.cpu_s);
                    // Memory is the same every time.
                    if run == 0 {
                        measured.peak_bytes = peak;
                        if at >= self.small.len() {
                            measured.anew_s = in_a_process(place, at, number, Pages::AsItComes).0.cpu_s;
                        }
                    }
                }
            }
        }
        self.tell(&sizes, &measured)
    }

    fn tell(&self, sizes: &[&Size], measured: &[Vec<Measured>]) -> Vec<String> {
        println!("\n# {}\n", self.name);
        println!("| party | seconds on a processor | peak memory |\n| --- | --- | --- |");
        let mut lines = Vec::new();
        let mut off = Vec::new();
        let (mut off_time, mut off_memory) = (0.0_f64, 0.0_f64);
        for (fitted, (name, _)) in self.parties.iter().enumerate() {
            let mut times: Vec<(Terms, f64)> = Vec::new();
            let mut memories: Vec<(Terms, f64)> = Vec::new();
            for (size, measured) in sizes.iter().zip(measured) {
                let (party, _) = size.party(&self.parties, fitted);
                times.push((time_terms(&size.case, party), least(&measured[fitted].cpu_s)));
                memories.push((memory_terms(&size.case, party), measured[fitted].peak_bytes));
            }
            let (small_times, large_times) = times.split_at(self.small.len());
            let (small_memories, large_memories) = memories.split_at(self.small.len());
            let (time, memory) = (Fit::new(small_times), Fit::new(small_memories));
            off_time = off_time.max(time.worst(small_times));
            off_memory = off_memory.max(memory.worst(small_memories));
            println!("| {name} | {} | {} |", time.formula(1e9, "ns"), memory.formula(1.0, "bytes"));
            let of_large = measured[self.small.len()..].iter().map(|measured| measured[fitted].anew_s);
            let of_large = large_times.iter().zip(large_memories).zip(of_large);
            for (size, ((time_of, memory_of), anew_s)) in self.large.iter().zip(of_large) {
                let (party, _) = size.party(&self.parties, fitted);
                let (sent, rounds) = expected(&size.case).of(party);
                let (predicted_s, predicted) = (time.predict(&time_of.0), memory.predict(&memory_of.0));
                let ratios = [predicted_s / time_of.1, predicted / memory_of.1];
                let rounds = rounds.map_or("–".to_owned(), |rounds| rounds.to_string());
                let line = format!(
                    "| {} | {name} | {} | {rounds} | {:.3} | {:.3} | {:.2} | {:.3} | {:.2} | {:.2} | {:.2} |",
                    size.name,
                    sent.iter().sum::<u64>(),
                    predicted_s,
                    time_of.1,
                    ratios[0],
                    anew_s,
                    predicted / 1e6,
                    memory_of.1 / 1e6,
                    ratios[1],
                );
                for (what, ratio) in ["time", "memory"].into_iter().zip(ratios) {
                    if !ratio.is_finite() || (ratio - 1.0).abs() > TOLERANCE {
                        off.push(format!("{}, {}, {name}: {what} {ratio:.2}", self.name, size.name));
                    }
                }
                lines.push((size.name.clone(), line));
            }
        }
        println!(
            "\nSmall sizes: time within {:.0} %, memory within {:.0} %.\n",
            100.0 * off_time,
            100.0 * off_memory
        );
        println!(
            "| size | party | bytes sent | rounds | s, predicted | s, measured | ratio | s, as it comes | MB, predicted | MB, measured | ratio |"
        );
        println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
        for size in &self.large {
            lines.iter().filter(|(name, _)| *name == size.name).for_each(|(_, line)| println!("{line}"));
        }
        off
    }
}

impl Size {
    fn new(name: impl Into<String>, case: Case) -> Self {
        Self { name: name.into(), case, party: None }
    }

    /// The party that is fitted under this number, and its number among the case's.
    fn party(&self, parties: &[(&'static str, Party)], fitted: usize) -> (Party, usize) {
        let party = self.party.unwrap_or(parties[fitted].1);
        let number =
            self.case.parties().iter().position(|other| *other == party).expect("a party of the case");
        (party, number)
    }
}

/// Neighbours on the machine only ever add to a time.
fn least(numbers: &[f64]) -> f64 {
    numbers.iter().copied().fold(f64::INFINITY, f64::min)
}

/// What glibc's allocator does with pages of long lists, see mallopt(3).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pages {
    /// It keeps them, so that none has to be had again.
    Kept,
    /// As it comes: it decides by what happened before.
    AsItComes,
}

/// One party in a process of its own: what it spent, and its peak memory.
fn in_a_process(operator: usize, size: usize, party: usize, pages: Pages) -> (Spent, f64) {
    let program = std::env::current_exe().expect("a program knows itself");
    let seconds = if pages == Pages::Kept { SECONDS } else { 0.0 };
    let arguments = [operator, size, party].map(|number| number.to_string());
    let mut command = Command::new(program);
    command.arg("alone").args(arguments).arg(seconds.to_string());
    let threshold = match pages {
        Pages::Kept => Some("1073741824"),
        Pages::AsItComes => None,
    };
    for name in ["MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"] {
        command.envs(threshold.map(|bytes| (name, bytes)));
    }
    let output = command.output().expect("a process");
    let text = String::from_utf8(output.stdout).expect("numbers");
    let numbers: Vec<f64> = text.split_whitespace().map(|word| word.parse().expect("a number")).collect();
    let [left, right, rounds, messages, cpu_s, bytes] = numbers.as_slice() else {
        panic!("a party by itself ended early")
    };
    let spent = Spent {
        cpu_s: *cpu_s,
        sent: [*left as u64, *right as u64],
        rounds: *rounds as u64,
        messages: *messages as u64,
    };
    (spent, *bytes)
}

// What is measured.

fn operators() -> Vec<Operator> {
    let workers = || vec![("left", Party::Left), ("right", Party::Right), ("dealer", Party::Dealer)];
    let (product, joined, classes) = (narrow_sizes(), joined_sizes(), class_sizes());
    let others = |sizes: &[Size]| {
        let of = |size: &Size| {
            let others = size.case.parties().into_iter().skip(3);
            others
                .map(|party| Size {
                    name: format!("{}, {party:?}", size.name),
                    case: size.case.clone(),
                    party: Some(party),
                })
                .collect::<Vec<_>>()
        };
        sizes.iter().flat_map(of).collect::<Vec<_>>()
    };
    let shared = |product: &[Size], joined: &[Size]| {
        others(product).into_iter().chain(others(joined)).collect::<Vec<_>>()
    };
    let columns = Operator {
        name: "shared_columns",
        small: shared(&product.0, &joined.0),
        large: shared(&product.1, &joined.1),
        parties: vec![("owner", Party::Other(0))],
    };
    let protect = |name, values| {
        let size =
            |cells: &usize| Size::new(format!("{cells} cells"), Case::Protection(protection(*cells, values)));
        let small = [1, 16, 64, 128, 231, 320, 448, 640, 832, 1000].iter().map(size).collect();
        Operator { name, small, large: [10_000].iter().map(size).collect(), parties: workers() }
    };
    let operator = |name, (small, large)| Operator { name, small, large, parties: workers() };
    vec![
        operator("narrow_product", product),
        operator("joined_product", joined),
        operator("classes", classes),
        operator("joined_with_classes", joined_class_sizes()),
        columns,
        protect("protect", false),
        protect("protect_sums", true),
    ]
}

/// The name of a product's size: categories, and a mean where its owner has one.
fn size_name(rows: usize, owners: &[&OwnerShape]) -> String {
    let of = |owner: &&OwnerShape| {
        let mean = if owner.values.is_empty() { "" } else { " (mean)" };
        format!("{}{mean}", owner.categories)
    };
    let owners: Vec<_> = owners.iter().map(of).collect();
    format!("{} rows, {}", rows, owners.join(" × "))
}

fn narrow_sizes() -> (Vec<Size>, Vec<Size>) {
    let size = |rows: usize, left: OwnerShape, right: OwnerShape, others: Vec<OwnerShape>| {
        let owners: Vec<_> = [&left, &right].into_iter().chain(&others).collect();
        let name = size_name(rows, &owners);
        Size::new(name, Case::Product(ProductShape::new(rows, left, right, others)))
    };
    let mut small = Vec::new();
    for rows in [1 << 14, 1 << 17] {
        for (left, right) in [(2, 2), (4, 4), (8, 4), (4, 8), (16, 8), (8, 16), (2, 20), (12, 16)] {
            small.push(size(rows, owner(left, &[]), owner(right, &[]), vec![]));
        }
        for (left, right) in [(2, 4), (8, 8), (8, 16)] {
            small.push(size(rows, owner(left, WAGES), owner(right, &[]), vec![]));
            small.push(size(rows, owner(left, &[]), owner(right, WAGES), vec![]));
        }
        for (left, right, other) in [(2, 2, 2), (4, 8, 3), (8, 12, 2)] {
            small.push(size(rows, owner(left, &[]), owner(right, &[]), vec![owner(other, &[])]));
        }
        for (left, right, other) in [(2, 4, 2), (4, 8, 3), (6, 12, 2)] {
            small.push(size(rows, owner(left, WAGES), owner(right, &[]), vec![owner(other, &[])]));
            small.push(size(rows, owner(left, &[]), owner(right, &[]), vec![owner(other, WAGES)]));
        }
        for (left, right, others) in [(2, 2, [2, 2]), (4, 4, [2, 2]), (5, 3, [3, 2])] {
            let others = others.map(|other| owner(other, &[])).to_vec();
            small.push(size(rows, owner(left, &[]), owner(right, &[]), others));
        }
    }
    let large = vec![
        size(LARGE_ROWS, owner(10, &[]), owner(20, &[]), vec![]),
        size(LARGE_ROWS, owner(22, &[]), owner(40, &[]), vec![]),
        size(LARGE_ROWS, owner(10, WAGES), owner(20, &[]), vec![]),
        size(LARGE_ROWS, owner(10, &[]), owner(20, WAGES), vec![]),
        size(LARGE_ROWS, owner(10, WAGES), owner(20, &[]), vec![owner(3, &[])]),
        size(LARGE_ROWS, owner(10, &[]), owner(20, &[]), vec![owner(3, WAGES)]),
        size(LARGE_ROWS, owner(10, &[]), owner(5, &[]), vec![owner(3, &[]), owner(2, &[])]),
    ];
    (small, large)
}

/// Borders all over a domain of so many bits.
fn class_shape(rows: usize, block_rows: usize, bits: u32, borders: u32) -> ClassShape {
    let apart = (1 << bits) / (borders + 1);
    let borders: Vec<u32> = (1..=borders).map(|border| border * apart).collect();
    let kept = (0..=borders.len()).collect();
    ClassShape::new(rows, block_rows, bits, borders, kept, 0)
}

fn joined_sizes() -> (Vec<Size>, Vec<Size>) {
    let size = |rows: usize, left: OwnerShape, right: Option<OwnerShape>, factors: Vec<OwnerShape>| {
        let right_is_everyone = right.is_none();
        let right = right.unwrap_or_else(|| owner(1, &[]));
        let owners: Vec<_> = [&left, &right].into_iter().chain(&factors).collect();
        let everyone = if right_is_everyone { ", right is everyone" } else { "" };
        let name = format!("{}{everyone}", size_name(rows, &owners));
        let shape = JoinedShape::new(rows, left, right, right_is_everyone, factors);
        Size::new(name, Case::Joined(shape, None))
    };
    let mut small = Vec::new();
    for rows in [1 << 14, 1 << 17] {
        for (left, factor) in [(1, 8), (4, 16), (10, 10), (8, 40)] {
            small.push(size(rows, owner(left, &[]), None, vec![owner(factor, &[])]));
        }
        small.push(size(rows, owner(4, WAGES), None, vec![owner(8, &[])]));
        for (left, right, factor) in [(1, 4, 8), (2, 5, 10), (3, 4, 20), (1, 8, 40)] {
            small.push(size(rows, owner(left, &[]), Some(owner(right, &[])), vec![owner(factor, &[])]));
        }
        small.push(size(rows, owner(2, WAGES), Some(owner(3, &[])), vec![owner(8, &[])]));
        small.push(size(rows, owner(1, WAGES), Some(owner(8, &[])), vec![owner(16, &[])]));
        for (left, values, right, first, last) in [
            (1, &[][..], 4, 2, 8),
            (2, &[], 4, 3, 12),
            (1, WAGES, 4, 3, 30),
            (2, WAGES, 2, 3, 16),
            (2, &[], 4, 3, 30),
        ] {
            let factors = vec![owner(first, &[]), owner(last, &[])];
            small.push(size(rows, owner(left, values), Some(owner(right, &[])), factors));
        }
    }
    let large = vec![
        size(LARGE_ROWS, owner(1, &[]), Some(owner(10, &[])), vec![owner(62, &[])]),
        size(LARGE_ROWS, owner(10, &[]), None, vec![owner(62, &[])]),
        size(LARGE_ROWS, owner(2, WAGES), Some(owner(5, &[])), vec![owner(3, &[]), owner(62, &[])]),
    ];
    (small, large)
}

fn class_sizes() -> (Vec<Size>, Vec<Size>) {
    let size = |rows: usize, bits, borders| {
        let shape = class_shape(rows, ProductShape::BLOCK_ROWS, bits, borders);
        Size::new(format!("{rows} rows, {bits} bits, {borders} borders"), Case::Classes(shape))
    };
    let mut small = Vec::new();
    for rows in [1 << 14, 1 << 15] {
        for (bits, borders) in
            [(6, 1), (6, 12), (8, 4), (8, 20), (10, 8), (12, 1), (12, 16), (12, 30), (14, 6), (14, 24)]
        {
            small.push(size(rows, bits, borders));
        }
    }
    (small, vec![size(LARGE_ROWS, 20, 61)])
}

/// A factor of classes in a product with right's categories.
fn joined_class_sizes() -> (Vec<Size>, Vec<Size>) {
    let size = |rows: usize, left: usize, right: usize, bits, borders: u32| {
        let factors = vec![owner(borders as usize + 1, &[])];
        let shape = JoinedShape::new(rows, owner(left, &[]), owner(right, &[]), false, factors);
        let classes = class_shape(rows, shape.block_rows, bits, borders);
        let name = format!("{rows} rows, {left} × {right} × {} classes of {bits} bits", borders + 1);
        Size::new(name, Case::Joined(shape, Some(classes)))
    };
    let mut small = Vec::new();
    for rows in [1 << 14, 1 << 15] {
        for (left, right, bits, borders) in [
            (1, 2, 6, 3),
            (1, 4, 8, 12),
            (2, 4, 8, 20),
            (1, 10, 12, 7),
            (3, 4, 12, 15),
            (1, 8, 12, 30),
            (2, 10, 14, 24),
            (1, 4, 14, 6),
        ] {
            small.push(size(rows, left, right, bits, borders));
        }
    }
    (small, vec![size(LARGE_ROWS, 1, 10, 20, 61)])
}

// What is exact.

/// Bytes of bodies in each direction, and rounds of the workers.
#[derive(Default)]
struct Expected {
    left_right: u64,
    right_left: u64,
    dealer_left: u64,
    dealer_right: u64,
    others: Vec<u64>,
    rounds: u64,
}

impl Expected {
    /// What a party sends to left and to right, and a worker's rounds.
    fn of(&self, party: Party) -> ([u64; 2], Option<u64>) {
        match party {
            Party::Left => ([0, self.left_right], Some(self.rounds)),
            Party::Right => ([self.right_left, 0], Some(self.rounds)),
            Party::Dealer => ([self.dealer_left, self.dealer_right], None),
            Party::Other(other) => ([0, self.others[other]], None),
        }
    }

    /// Whether a party sent and waited for just that; prints what it did otherwise.
    fn tell(&self, party: Party, spent: &Spent, what: &str) -> bool {
        let (sent, rounds) = self.of(party);
        let same = sent == spent.sent && rounds.is_none_or(|rounds| rounds == spent.rounds);
        if !same {
            println!(
                "{what}, {party:?}: {:?} bytes in {} rounds, not {sent:?} in {rounds:?}",
                spent.sent, spent.rounds
            );
        }
        same
    }
}

fn expected(case: &Case) -> Expected {
    match case {
        Case::Product(shape) => {
            let [left, right, lift] = shape.bytes_per_row();
            let sums = Sums::of_product(shape);
            let mut expected = sums.expected(shape.rows, [left, right, 0.0, lift]);
            let blocks = shape.rows.div_ceil(shape.block_rows);
            // Of several blocks the last is waited for together with the bits after it, unless bits of the one before
            // are sent first.
            let last = u64::from(blocks == 1 || sums.ends_before_last(shape.rows, shape.block_rows));
            expected.rounds = blocks as u64 - 1 + last + 2;
            expected.others = shape.others.iter().map(|other| shared_bytes(shape.rows, other)).collect();
            expected
        }
        Case::Joined(shape, classes) => {
            let sums = Sums::of_joined(shape);
            let mut expected = sums.expected(shape.rows, shape.bytes_per_row());
            let blocks = shape.rows.div_ceil(shape.block_rows);
            let last = u64::from(blocks > 1 && sums.ends_before_last(shape.rows, shape.block_rows));
            // Every stage is a block behind the one before it.
            expected.rounds = (blocks + stages(shape) - 1) as u64 + last + 2;
            let others = shape.factors.len() - usize::from(classes.is_some());
            expected.others =
                shape.factors[..others].iter().map(|other| shared_bytes(shape.rows, other)).collect();
            if let Some(classes) = classes {
                let of_classes = class_bytes(classes);
                expected.left_right += of_classes.left_right;
                expected.right_left += of_classes.right_left;
                expected.dealer_left += of_classes.dealer_left;
                expected.dealer_right += of_classes.dealer_right;
                expected.rounds += of_classes.rounds;
            }
            expected
        }
        Case::Classes(shape) => class_bytes(shape),
        Case::Protection(shape) => Circuit::protection(shape).expected(),
    }
}

fn shared_bytes(rows: usize, owner: &OwnerShape) -> u64 {
    2 * (rows * owner.categories * (1 + owner.values.len())) as u64
}

fn class_bytes(shape: &ClassShape) -> Expected {
    let [worker, dealer] = shape.bytes_per_row().map(|bytes| (bytes * shape.rows as f64).round() as u64);
    Expected {
        left_right: worker,
        right_left: worker,
        dealer_left: dealer,
        dealer_right: dealer,
        rounds: shape.rows.div_ceil(shape.block_rows) as u64,
        ..Expected::default()
    }
}

/// Stages of a joined product.
fn stages(shape: &JoinedShape) -> usize {
    shape.factors.len() + usize::from(!shape.right_is_everyone)
}

/// What a product sums: results by cell, each over stretches of its own.
struct Sums {
    cells: f64,
    stretches: Vec<usize>,
}

impl Sums {
    fn new<'a>(owners: impl Iterator<Item = &'a OwnerShape>) -> Self {
        let (mut cells, mut stretches) = (1, vec![1 << 14]);
        for owner in owners {
            cells *= owner.categories;
            stretches.extend(owner.values.iter().map(|bits| 1 << (15 - bits)));
        }
        Self { cells: cells as f64, stretches }
    }

    fn of_product(shape: &ProductShape) -> Self {
        Self::new([&shape.left, &shape.right].into_iter().chain(&shape.others))
    }

    fn of_joined(shape: &JoinedShape) -> Self {
        Self::new([&shape.left, &shape.right].into_iter().chain(&shape.factors))
    }

    /// Results that are lifted.
    fn lifted(&self) -> f64 {
        self.stretches.len() as f64
    }

    /// Sums in all results, those of record keys among them.
    fn all(&self) -> f64 {
        self.cells * (self.lifted() + LIMBS)
    }

    /// Bytes of a product whose rows cost so much: from left, from right, from the dealer, and for lifting in all three
    /// directions.
    fn expected(&self, rows: usize, [left, right, dealer, lift]: [f64; 4]) -> Expected {
        let of_rows = |bytes: f64| (bytes * rows as f64).round() as u64;
        // Sums of bit products: of 2^14 stretches each.
        let groups: usize =
            self.stretches.iter().map(|stretch| rows.div_ceil(*stretch).div_ceil(1 << 14)).sum();
        let groups = (groups as f64 * self.cells) as u64;
        let (lifted, cells) = ((self.lifted() * self.cells) as u64, self.cells as u64);
        Expected {
            left_right: of_rows(left + lift / 3.0) + 16 * groups,
            right_left: of_rows(right + lift / 3.0) + 16 * groups,
            // Key sums, and what the lift has at the end.
            dealer_right: of_rows(dealer + lift / 3.0) + 6 * cells + 2 * groups + 16 * lifted,
            ..Expected::default()
        }
    }

    /// Whether a stretch ends where the block before the last does.
    fn ends_before_last(&self, rows: usize, block_rows: usize) -> bool {
        let end = (rows - 1) / block_rows * block_rows;
        end > 0 && self.stretches.iter().any(|stretch| *stretch <= block_rows || end.is_multiple_of(*stretch))
    }

    /// Sums that end in a block, on average, for each row: those of record keys, which are added up by block, among them.
    fn ended(&self, block_rows: usize) -> f64 {
        let of = |stretch: &usize| 1.0 / block_rows.min(*stretch) as f64;
        self.cells * (self.stretches.iter().map(of).sum::<f64>() + LIMBS / block_rows as f64)
    }

    /// Most sums that end in one block.
    fn ended_at_once(&self, block_rows: usize) -> f64 {
        self.cells * self.stretches.iter().map(|stretch| block_rows.div_ceil(*stretch) as f64).sum::<f64>()
    }
}

/// The gates of a circuit: what is exchanged, batch by batch.
#[derive(Default)]
struct Circuit {
    opened: u64,
    dealt: u64,
    rounds: u64,
}

impl Circuit {
    fn batch(&mut self, opened: u64, dealt: u64) {
        self.opened += opened;
        self.dealt += dealt;
        self.rounds += opened.div_ceil(BODY_BYTES);
    }

    /// ANDs of so many words.
    fn and(&mut self, words: u64) {
        self.batch(16 * words, 8 * words);
    }

    /// Bits of so many words as numbers of so many bytes.
    fn bits_to_numbers(&mut self, words: u64, width: u64) {
        self.batch(8 * words, 64 * words * width);
    }

    fn multiply(&mut self, pairs: u64, width: u64) {
        self.batch(2 * pairs * width, pairs * width);
    }

    /// Sums of numbers of these widths, in which a wire has so many words.
    fn add(&mut self, widths: &[u64], words: u64) {
        self.and(widths.iter().map(|width| width - 1).sum::<u64>() * words);
        let widest = widths.iter().max().map_or(0, |width| width - 1);
        let mut half = 1;
        while half < widest {
            let of_width = |width: &u64| {
                let uppers = (0..width - 1).filter(|place| place / half % 2 == 1);
                uppers.map(|place| if place / half * half > 2 * half { 2 } else { 1 }).sum::<u64>()
            };
            self.and(widths.iter().map(of_width).sum::<u64>() * words);
            half *= 2;
        }
    }

    /// So many comparisons of numbers of so many bits.
    fn less_than(&mut self, comparisons: u64, mut width: u64, words: u64) {
        while width > 1 {
            self.and(2 * comparisons * (width / 2) * words);
            width = width.div_ceil(2);
        }
    }

    /// The one-hot form of a number.
    fn minterms(&mut self, bits: usize, words: u64) {
        let mut parts = vec![2; bits];
        while parts.len() > 1 {
            self.and(parts.chunks_exact(2).map(|pair| pair[0] * pair[1]).sum::<u64>() * words);
            parts = parts.chunks(2).map(|pair| pair.iter().product()).collect();
        }
    }

    /// Steps 1 to 5 of the protection of a table.
    fn protection(shape: &ProtectShape) -> Self {
        let Program::Table { counted, small_percent_max, values, .. } = &shape.program else {
            panic!("a table's protection")
        };
        let cells = shape.cells as u64;
        let (words, twice) = (cells.div_ceil(64), (2 * cells).div_ceil(64));
        let mut circuit = Self::default();
        circuit.add(&[32, 16, 16, 16], words);
        let state = if values.is_some() { twice } else { words };
        for _ in 0..10 {
            [9, 6, 4, 18].iter().for_each(|gates| circuit.and(gates * (16 * state + 4)));
        }
        // The table of noise.
        let (steps, width) = (2 * u64::from(shape.table.max_change()), if values.is_some() { 16 } else { 4 });
        let last = shape.table.rows().len() - 1;
        let low_bits = (last.next_power_of_two().trailing_zeros() as usize).max(1);
        circuit.minterms(8, words);
        let mut high = 32 - low_bits as u64;
        while high > 1 {
            circuit.and(high / 2 * words);
            high = high.div_ceil(2);
        }
        circuit.minterms(low_bits, words);
        circuit.and(last as u64 * words);
        let thresholds =
            shape.table.rows().iter().flatten().filter(|threshold| (1..256).contains(*threshold));
        circuit.and(thresholds.count() as u64 * words);
        circuit.bits_to_numbers(steps * words, width);
        if let Some(values) = values {
            let columns = 1 + u64::from(values.squares);
            let lanes = (columns * cells).div_ceil(64);
            circuit.minterms(8, lanes);
            circuit.bits_to_numbers(steps * lanes, 16);
            let of_squares = if values.squares { values.square_bits } else { 0 };
            circuit.bits_to_numbers(u64::from(3 + values.sum_bits + of_squares) * words, 16);
            circuit.multiply((2 + 2 * columns) * cells, 16);
            circuit.add(&[128], words);
        }
        // The decision.
        circuit.add(&[32], words);
        circuit.less_than(2 + u64::from(values.is_some()), 32, words);
        circuit.bits_to_numbers(words, 4);
        let width = u64::from(usize::BITS - counted.len().leading_zeros()).max(1);
        circuit.add(&[width], 1);
        let bound = u64::from(*small_percent_max) * counted.len() as u64 / 100 + 1;
        circuit.less_than(u64::from(bound >> width == 0), width, 1);
        circuit.multiply(cells, 4);
        if let Some(values) = values {
            circuit.and(words);
            circuit.bits_to_numbers(words, 16);
            circuit.multiply((1 + u64::from(values.squares)) * cells, 16);
        }
        circuit
    }

    fn expected(&self) -> Expected {
        Expected {
            left_right: self.opened,
            right_left: self.opened,
            dealer_right: self.dealt,
            rounds: self.rounds,
            ..Expected::default()
        }
    }
}

// What is fitted.

/// Columns and products of a product of columns.
struct Columns {
    rows: f64,
    block_rows: f64,
    left: f64,
    right: f64,
    /// From the dealer to right.
    corrections: f64,
    /// Of other owners, in shares.
    shared: f64,
    /// Entries that left and right write, row by row.
    written: [f64; 2],
    /// Pairs of columns whose products are summed, at left, right and dealer.
    pairs: [f64; 3],
    /// Sums that a row has its part in ending, likewise.
    ended: [f64; 3],
    ended_at_once: f64,
    sums: f64,
    /// Stretches of a result that a row has its part in ending.
    stretches_ended: f64,
}

impl Columns {
    fn of(case: &Case) -> Option<Self> {
        let width = |owner: &OwnerShape| (owner.categories * (1 + owner.values.len())) as f64;
        match case {
            Case::Product(shape) => {
                let [left, right, _] = shape.bytes_per_row().map(|bytes| bytes / ELEMENT);
                let sums = Sums::of_product(shape);
                let terms = f64::from(1 << shape.others.len());
                let ended = terms * sums.ended(shape.block_rows);
                Some(Self {
                    rows: shape.rows as f64,
                    block_rows: shape.block_rows as f64,
                    left,
                    right,
                    corrections: 0.0,
                    shared: shape.others.iter().map(width).sum(),
                    written: [left / shape.left.categories as f64, right / shape.right.categories as f64],
                    pairs: [terms * sums.all(); 3],
                    ended: [ended; 3],
                    ended_at_once: sums.ended_at_once(shape.block_rows),
                    sums: sums.all(),
                    stretches_ended: sums.ended(shape.block_rows) / sums.cells,
                })
            }
            Case::Joined(shape, classes) => {
                let [left, right, corrections, _] = shape.bytes_per_row().map(|bytes| bytes / ELEMENT);
                let sums = Sums::of_joined(shape);
                let others = shape.factors.len() - usize::from(classes.is_some());
                // Left has one product of matrices; right and the dealer two where the last stage has shares on both sides.
                let terms = if stages(shape) > 1 { 2.0 } else { 1.0 };
                let of_right =
                    if shape.right_is_everyone { 0.0 } else { 1.0 + shape.right.values.len() as f64 };
                let ended = sums.ended(shape.block_rows);
                Some(Self {
                    rows: shape.rows as f64,
                    block_rows: shape.block_rows as f64,
                    left,
                    right,
                    corrections,
                    shared: shape.factors[..others].iter().map(width).sum(),
                    written: [4.0 + shape.left.values.len() as f64, of_right],
                    pairs: [sums.all(), terms * sums.all(), terms * sums.all()],
                    ended: [ended, terms * ended, terms * ended],
                    ended_at_once: sums.ended_at_once(shape.block_rows),
                    sums: sums.all(),
                    stretches_ended: sums.ended(shape.block_rows) / sums.cells,
                })
            }
            Case::Classes(_) | Case::Protection(_) => None,
        }
    }
}

/// Terms of a party's processor time.
fn time_terms(case: &Case, party: Party) -> Terms {
    match (case, Columns::of(case)) {
        (_, Some(columns)) => product_time(case, &columns, party),
        (Case::Classes(shape), _) => class_time(shape, party),
        (Case::Protection(shape), _) => protection_terms(shape),
        _ => unreachable!("a product has columns"),
    }
}

fn product_time(case: &Case, columns: &Columns, party: Party) -> Terms {
    let rows = columns.rows;
    let of_dealt = ("row × column corrected", rows * columns.corrections);
    // However many sums it has.
    let stretch = ("stretch ended", rows * columns.stretches_ended);
    if let Case::Joined(_, Some(classes)) = case {
        // One factor, and stages that differ in nothing but columns.
        let travelling = rows * (columns.left + columns.right + columns.corrections);
        let product = [("row × column", travelling), ("row × pair", rows * columns.pairs[1])];
        return product.into_iter().chain(class_time(classes, party)).collect();
    }
    match party {
        Party::Left => vec![
            ("row × column sent", rows * columns.left),
            ("row × column received", rows * columns.right),
            ("row × column shared", rows * columns.shared),
            of_dealt,
            ("row × entry written", rows * columns.written[0]),
            ("row × pair", rows * columns.pairs[0]),
            ("sum ended", rows * columns.ended[0]),
            stretch,
            ("run", 1.0),
        ],
        Party::Right => vec![
            ("row × column sent", rows * columns.right),
            ("row × column received", rows * (columns.left + columns.shared)),
            of_dealt,
            ("row × entry written", rows * columns.written[1]),
            ("row × pair", rows * columns.pairs[1]),
            ("sum ended", rows * columns.ended[1]),
            stretch,
            ("run", 1.0),
        ],
        Party::Dealer => vec![
            ("row × column", rows * (columns.left + columns.right)),
            of_dealt,
            ("row × pair", rows * columns.pairs[2]),
            ("sum ended", rows * columns.ended[2]),
            stretch,
            ("run", 1.0),
        ],
        Party::Other(other) => {
            let own = other_shape(case, other);
            let matrices = 1.0 + own.values.len() as f64;
            vec![
                ("row × column", rows * matrices * own.categories as f64),
                ("row × matrix", rows * matrices),
                ("block", columns.rows / columns.block_rows),
                ("run", 1.0),
            ]
        }
    }
}

fn other_shape(case: &Case, other: usize) -> &OwnerShape {
    match case {
        Case::Product(shape) => &shape.others[other],
        Case::Joined(shape, _) => &shape.factors[other],
        Case::Classes(_) | Case::Protection(_) => unreachable!("products have further owners"),
    }
}

fn class_time(shape: &ClassShape, party: Party) -> Terms {
    let rows = shape.rows as f64;
    if party == Party::Dealer {
        return vec![("row × bit", rows * f64::from(shape.bits)), ("row", rows), ("run", 1.0)];
    }
    vec![
        ("row × node of a key's tree", rows * nodes(shape)),
        ("row × border", rows * shape.borders.len() as f64),
        ("row × bit", rows * f64::from(shape.bits)),
        ("row", rows),
        ("run", 1.0),
    ]
}

/// Nodes of a key's tree on the paths to all borders of a row, on average over all that may be opened: with the node for the values of a
/// digit, at every third depth.
fn nodes(shape: &ClassShape) -> f64 {
    const SAMPLES: u32 = 512;
    let bits = shape.bits;
    let mut all = 0;
    for sample in 0..SAMPLES {
        let opened = sample.wrapping_mul(0x9e37_79b9) >> (32 - bits);
        let points = shape.borders.iter().map(|border| opened.wrapping_sub(*border) & ((1 << bits) - 1));
        let mut points: Vec<u32> = points.collect();
        points.sort_unstable();
        for depth in 0..bits.saturating_sub(3) {
            let mut prefixes: Vec<u32> = points.iter().map(|point| point >> (bits - depth).min(31)).collect();
            prefixes.dedup();
            let digits =
                (bits - 4).checked_sub(depth).is_some_and(|rest| rest > 0 && (rest % 3 == 0 || depth == 0));
            all += prefixes.len() * if digits { 2 } else { 1 };
        }
    }
    all as f64 / f64::from(SAMPLES)
}

fn protection_terms(shape: &ProtectShape) -> Terms {
    vec![("64 cells", shape.cells.div_ceil(64) as f64), ("cell", shape.cells as f64), ("run", 1.0)]
}

/// Terms of a party's memory.
fn memory_terms(case: &Case, party: Party) -> Terms {
    match (case, Columns::of(case)) {
        (_, Some(columns)) => {
            let block = |columns_of: f64| ELEMENT * columns.block_rows * columns_of;
            let sums =
                [("sum", columns.sums), ("sum ended in a block", columns.ended_at_once), ("party", 1.0)];
            if let Case::Joined(_, Some(classes)) = case {
                let travelling = block(columns.left + columns.right + columns.corrections);
                let product = [("byte of all blocks", travelling), ("sum", columns.sums)];
                return product.into_iter().chain(class_memory(classes)).collect();
            }
            let blocks = match party {
                Party::Left => vec![
                    ("byte of a block sent", block(columns.left)),
                    ("byte of a block received", block(columns.right)),
                    ("byte of a block shared", block(columns.shared)),
                    ("byte of a block corrected", block(columns.corrections)),
                ],
                Party::Right => vec![
                    ("byte of a block sent", block(columns.right)),
                    ("byte of a block received", block(columns.left)),
                    ("byte of a block shared", block(columns.shared)),
                    ("byte of a block corrected", block(columns.corrections)),
                ],
                Party::Dealer => vec![
                    ("byte of both blocks", block(columns.left + columns.right)),
                    ("byte of a block corrected", block(columns.corrections)),
                ],
                Party::Other(other) => {
                    let own = other_shape(case, other);
                    let width = own.categories as f64 * (1.0 + own.values.len() as f64);
                    return vec![("byte of a block", block(width)), ("party", 1.0)];
                }
            };
            blocks.into_iter().chain(sums).collect()
        }
        (Case::Classes(shape), _) => class_memory(shape),
        (Case::Protection(shape), _) => protection_terms(shape),
        _ => unreachable!("a product has columns"),
    }
}

fn class_memory(shape: &ClassShape) -> Terms {
    let of_block = shape.block_rows as f64;
    vec![
        ("row of a block × border", of_block * shape.borders.len() as f64),
        ("row of a block × bit", of_block * f64::from(shape.bits)),
        ("party", 1.0),
    ]
}

/// Coefficients of some terms, none below zero.
struct Fit {
    names: Vec<&'static str>,
    coefficients: Vec<f64>,
}

impl Fit {
    /// Least squares of relative errors. Of terms with a coefficient below zero the lowest is left out, one after the other.
    fn new(points: &[(Terms, f64)]) -> Self {
        let names: Vec<_> = points[0].0.iter().map(|(name, _)| *name).collect();
        let largest: Vec<f64> = (0..names.len())
            .map(|at| points.iter().map(|(terms, _)| terms[at].1).fold(0.0, f64::max))
            .collect();
        let mut used: Vec<usize> = (0..names.len()).filter(|at| largest[*at] > 0.0).collect();
        loop {
            let equations: Vec<(Vec<f64>, f64)> = points
                .iter()
                .map(|(terms, value)| {
                    (used.iter().map(|at| terms[*at].1 / largest[*at] / value).collect(), 1.0)
                })
                .collect();
            let solved = least_squares(&equations);
            let lowest = (0..used.len()).min_by(|a, b| solved[*a].total_cmp(&solved[*b]));
            match lowest.filter(|lowest| solved[*lowest] < 0.0) {
                Some(lowest) => {
                    used.remove(lowest);
                }
                None => {
                    let mut coefficients = vec![0.0; names.len()];
                    for (at, solved) in used.iter().zip(solved) {
                        coefficients[*at] = solved / largest[*at];
                    }
                    return Self { names, coefficients };
                }
            }
        }
    }

    fn predict(&self, terms: &Terms) -> f64 {
        terms.iter().zip(&self.coefficients).map(|((_, count), each)| count * each).sum()
    }

    /// Largest relative error.
    fn worst(&self, points: &[(Terms, f64)]) -> f64 {
        points.iter().map(|(terms, value)| (self.predict(terms) / value - 1.0).abs()).fold(0.0, f64::max)
    }

    fn formula(&self, unit: f64, name: &str) -> String {
        let used = self.names.iter().zip(&self.coefficients).filter(|(_, each)| **each > 0.0);
        let used: Vec<_> = used
            .map(|(term, each)| {
                let each = each * unit;
                let digits = (2.0 - each.log10().floor()).clamp(0.0, 6.0) as usize;
                format!("{each:.digits$} {name} a {term}")
            })
            .collect();
        used.join(" + ")
    }
}

/// The solution of the normal equations, by Gauss's elimination with the largest pivot of each column.
fn least_squares(equations: &[(Vec<f64>, f64)]) -> Vec<f64> {
    let count = equations.first().map_or(0, |(terms, _)| terms.len());
    let sum = |i: usize, other: &dyn Fn(&[f64], f64) -> f64| -> f64 {
        equations.iter().map(|(terms, value)| terms[i] * other(terms, *value)).sum()
    };
    let mut rows: Vec<Vec<f64>> = (0..count)
        .map(|i| {
            let of_terms = (0..count).map(|j| sum(i, &|terms, _| terms[j]));
            of_terms.chain([sum(i, &|_, value| value)]).collect()
        })
        .collect();
    for column in 0..count {
        let largest =
            (column..count).max_by(|a, b| rows[*a][column].abs().total_cmp(&rows[*b][column].abs()));
        rows.swap(column, largest.expect("a row is left"));
        let pivot = rows[column].clone();
        for (at, row) in rows.iter_mut().enumerate() {
            let factor = row[column] / pivot[column];
            // A term that says nothing beyond the others has no pivot, and no part.
            if at != column && factor.is_finite() {
                row.iter_mut().zip(&pivot).for_each(|(entry, pivot)| *entry -= factor * pivot);
            }
        }
    }
    rows.iter()
        .enumerate()
        .map(|(at, row)| row[count] / row[at])
        .map(|x| if x.is_finite() { x } else { 0.0 })
        .collect()
}
