//! The statistics, with bounds on their tails that hold for any number of draws. See the parent for what they are.

use std::f64::consts::LN_2;
use std::sync::LazyLock;

use super::view::{Piece, View};

/// Probability that any of all tests rejects what is uniform.
const LEVEL: f64 = 1e-6;
/// Most tests; each has an equal part of the level.
pub(super) const TESTS_MAX: usize = 2_000_000;
/// Values of a byte.
const BYTE: usize = 256;
/// Bytes of a window.
const WINDOW: usize = 16;
/// Bytes that are compared of the first messages of two names.
const COMPARED: usize = 8192;

/// What is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Statistic {
    Bytes,
    Bits,
    Neighbours,
    Repeats,
    Columns,
    Messages,
    Windows,
    Samples,
    Attempts,
}

/// A test that rejects.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) statistic: Statistic,
    pub(super) what: String,
    /// Logarithm of the bound on the probability.
    #[expect(dead_code, reason = "for whoever reads the message of a test that fails")]
    ln_p: f64,
}

/// What all tests said.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) tests: usize,
    pub(super) rejected: Vec<Finding>,
}

/// Logarithm of the level of one test.
fn limit() -> f64 {
    (LEVEL / TESTS_MAX as f64).ln()
}

/// Logarithm of a bound on P(G ≥ x) for G of a gamma distribution of a shape and rate 1.
fn gamma_tail(x: f64, shape: f64) -> f64 {
    if x <= shape { 0.0 } else { shape - x + shape * (x / shape).ln() }
}

/// Logarithm of a bound on P(n·D ≥ x) for n draws in so many places, where x is n times the relative entropy.
fn multinomial_tail(x: f64, places: usize) -> f64 {
    gamma_tail(x, (places - 1) as f64)
}

/// n times the relative entropy of counts from the uniform distribution: Σ c·ln(c) less n times the logarithm of the count expected.
fn divergence(counts: &[u32]) -> f64 {
    let n = sum(counts);
    if n == 0.0 {
        return 0.0;
    }
    counts.iter().map(|count| f64::from(*count) * ln(*count)).sum::<f64>()
        - n * (n / counts.len() as f64).ln()
}

/// n times the relative entropy of counts from those of two samples together.
fn divergence_of_sample(counts: &[u32], others: &[u32]) -> f64 {
    let n = sum(counts);
    if n == 0.0 {
        return 0.0;
    }
    let both = counts.iter().zip(others);
    let terms = both.map(|(count, other)| f64::from(*count) * (ln(*count) - ln(*count + *other)));
    terms.sum::<f64>() - n * (n / (n + sum(others))).ln()
}

fn sum(counts: &[u32]) -> f64 {
    counts.iter().map(|count| f64::from(*count)).sum()
}

/// Logarithm of a count; any number for none. Most are small, and looked up.
fn ln(count: u32) -> f64 {
    static SMALL: LazyLock<Vec<f64>> =
        LazyLock::new(|| (0..1 << 14).map(|count: u32| f64::from(count.max(1)).ln()).collect());
    SMALL.get(count as usize).copied().unwrap_or_else(|| f64::from(count).ln())
}

/// Logarithm of a bound on the probability of so far from half of the bits, or farther.
fn half_tail(ones: f64, bits: f64) -> f64 {
    let entropy = |count: f64| if count > 0.0 { count * (count / (bits / 2.0)).ln() } else { 0.0 };
    (LN_2 - entropy(ones) - entropy(bits - ones)).min(0.0)
}

/// Logarithm of a bound on P(N ≥ count) for a sum N of indicators whose conditional means add up to at most `mean`.
fn poisson_tail(count: f64, mean: f64) -> f64 {
    if count <= mean { 0.0 } else { count - mean - count * (count / mean).ln() }
}

/// How often each byte stands in each place of an element.
#[derive(Clone)]
struct Tally {
    counts: Vec<[u32; BYTE]>,
}

impl Tally {
    fn new(width: usize) -> Self {
        Self { counts: vec![[0; BYTE]; width] }
    }

    fn of(width: usize, elements: &[u8]) -> Self {
        let mut tally = Self::new(width);
        tally.add(elements);
        tally
    }

    fn add(&mut self, elements: &[u8]) {
        match &mut self.counts[..] {
            [counts] => elements.iter().for_each(|byte| counts[usize::from(*byte)] += 1),
            [low, high] => elements.as_chunks().0.iter().for_each(|[first, second]| {
                low[usize::from(*first)] += 1;
                high[usize::from(*second)] += 1;
            }),
            counts => elements.chunks_exact(counts.len()).for_each(|element| {
                let places = counts.iter_mut().zip(element);
                places.for_each(|(counts, byte)| counts[usize::from(*byte)] += 1);
            }),
        }
    }

    fn merge(&mut self, other: &Self) {
        for (counts, others) in self.counts.iter_mut().zip(&other.counts) {
            counts.iter_mut().zip(others).for_each(|(count, other)| *count += other);
        }
    }

    /// In any place.
    fn all(&self) -> [u32; BYTE] {
        let mut all = self.counts[0];
        for counts in &self.counts[1..] {
            all.iter_mut().zip(counts).for_each(|(all, count)| *all += count);
        }
        all
    }

    fn judge_bytes(&self, statistic: Statistic, findings: &mut Findings, what: &dyn Fn() -> String) {
        findings.judge(statistic, multinomial_tail(divergence(&self.all()), BYTE), what);
    }

    fn judge_places(&self, statistic: Statistic, findings: &mut Findings, what: &dyn Fn() -> String) {
        self.judge_bytes(statistic, findings, what);
        if self.counts.len() == 1 {
            return;
        }
        for (place, counts) in self.counts.iter().enumerate() {
            let ln_p = multinomial_tail(divergence(counts), BYTE);
            findings.judge(statistic, ln_p, &|| format!("{}, byte {place}", what()));
        }
    }

    fn judge_bits(&self, statistic: Statistic, findings: &mut Findings, what: &dyn Fn() -> String) {
        for (place, counts) in self.counts.iter().enumerate() {
            let n: u32 = counts.iter().sum();
            for bit in 0..8 {
                let with_bit = (0..BYTE).filter(|byte| byte >> bit & 1 == 1);
                let ones: u32 = with_bit.map(|byte| counts[byte]).sum();
                let ln_p = half_tail(ones.into(), n.into());
                findings.judge(statistic, ln_p, &|| format!("{}, bit {}", what(), 8 * place + bit));
            }
        }
    }
}

/// The differences of elements, in the ring of their width.
fn differences(width: usize, elements: &[u8], others: &[u8], out: &mut Vec<u8>) {
    macro_rules! in_ring {
        ($word:ty) => {{
            let both = elements.as_chunks().0.iter().zip(others.as_chunks().0);
            for (out, (one, other)) in out.as_chunks_mut().0.iter_mut().zip(both) {
                let difference = <$word>::from_le_bytes(*one).wrapping_sub(<$word>::from_le_bytes(*other));
                *out = difference.to_le_bytes();
            }
        }};
    }
    out.resize(elements.len().min(others.len()), 0);
    match width {
        1 => in_ring!(u8),
        2 => in_ring!(u16),
        4 => in_ring!(u32),
        8 => in_ring!(u64),
        16 => in_ring!(u128),
        _ => panic!("elements of {width} bytes"),
    }
}

/// Elements that came before, and the mean of a Poisson variable that dominates their number.
fn repeats(width: usize, elements: &[u8]) -> (f64, f64) {
    let number = |bytes: &[u8]| bytes.iter().rev().fold(0, |number, byte| number << 8 | u128::from(*byte));
    let count = elements.len() / width;
    let mean = pairs(count) * (-(8 * width as i32) as f64).exp2();
    (twice(elements.chunks_exact(width).map(number), count) as f64, mean)
}

/// How many of at most `count` numbers came before. (Sorting them would take most of the time of all tests.)
fn twice(numbers: impl Iterator<Item = u128>, count: usize) -> usize {
    let size = (2 * count + 2).next_power_of_two();
    let (mut table, mut found) = (vec![0_u128; size], 0);
    let mut zeros = 0;
    for number in numbers {
        if number == 0 {
            zeros += 1;
            continue;
        }
        let mixed = (number as u64 ^ (number >> 64) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut place = (mixed >> 20) as usize % size;
        while table[place] != 0 && table[place] != number {
            place = (place + 1) % size;
        }
        found += usize::from(table[place] == number);
        table[place] = number;
    }
    found + usize::saturating_sub(zeros, 1)
}

fn pairs(count: usize) -> f64 {
    count as f64 * (count as f64 - 1.0) / 2.0
}

/// Nibbles of neighbours, of two lists of elements: those in the lowest places, and those in the highest.
struct Nibbles([Tally; 2]);

impl Nibbles {
    fn new() -> Self {
        Self([(); 2].map(|()| Tally::new(1)))
    }

    fn add<'a>(&mut self, neighbours: impl Iterator<Item = (&'a [u8], &'a [u8])>) {
        let [low, high] = &mut self.0;
        for (one, other) in neighbours {
            let last = one.len() - 1;
            low.counts[0][usize::from(one[0] & 15 | other[0] << 4)] += 1;
            high.counts[0][usize::from(one[last] >> 4 | other[last] & 0xf0)] += 1;
        }
    }
}

impl Findings {
    fn judge(&mut self, statistic: Statistic, ln_p: f64, what: &dyn Fn() -> String) {
        self.tests += 1;
        if ln_p < limit() {
            self.rejected.push(Finding { statistic, what: what(), ln_p });
        }
    }

    /// All tests of some attempts at one computation, whose views have the same pieces.
    pub(super) fn judge_case(&mut self, case: &str, views: &[View]) {
        let first = self.rejected.len();
        for (at, view) in views.iter().enumerate() {
            let before = self.rejected.len();
            self.judge_view(view);
            self.rejected[before..].iter_mut().for_each(|finding| finding.what += &format!(", attempt {at}"));
            for (other_at, other) in views.iter().enumerate().skip(at + 1) {
                let before = self.rejected.len();
                self.judge_two(view, other);
                let attempts = format!(", attempts {at} and {other_at}");
                self.rejected[before..].iter_mut().for_each(|finding| finding.what += &attempts);
            }
        }
        self.judge_windows(views);
        self.rejected[first..]
            .iter_mut()
            .for_each(|finding| finding.what.insert_str(0, &format!("{case}: ")));
    }

    /// All tests of one attempt by itself.
    fn judge_view(&mut self, view: &View) {
        for piece in &view.pieces {
            self.judge_frequencies(piece);
            self.judge_neighbours(piece);
            self.judge_repeats(piece);
            self.judge_columns(piece);
            self.judge_parts(piece);
        }
        let mut buffer = Vec::new();
        let messages: Vec<_> = view.pieces.iter().filter(|piece| piece.is_message).collect();
        for (at, one) in messages.iter().enumerate() {
            for other in messages[at + 1..].iter().filter(|other| other.width == one.width) {
                let [first, second] = [one, other].map(|piece| &piece.parts[0].sent);
                let length = first.len().min(second.len()).min(COMPARED);
                differences(one.width, &first[..length], &second[..length], &mut buffer);
                let what = || format!("{} less {}", one.name, other.name);
                Tally::of(one.width, &buffer).judge_places(Statistic::Messages, self, &what);
            }
        }
    }

    fn judge_frequencies(&mut self, piece: &Piece) {
        let mut all = Tally::new(piece.width);
        let mut of_columns = vec![Tally::new(piece.width); piece.columns];
        for (at, part) in piece.parts.iter().enumerate() {
            let mut of_part = Tally::new(piece.width);
            for (column, of_column) in of_columns.iter_mut().enumerate() {
                let tally = Tally::of(piece.width, piece.column(part, column));
                of_column.merge(&tally);
                of_part.merge(&tally);
                let what = || format!("{}, part {at}, column {column}", piece.name);
                tally.judge_bytes(Statistic::Bytes, self, &what);
            }
            all.merge(&of_part);
            self.judge_tally(&of_part, &|| format!("{}, part {at}", piece.name));
        }
        for (column, tally) in of_columns.iter().enumerate() {
            self.judge_tally(tally, &|| format!("{}, column {column}", piece.name));
        }
        self.judge_tally(&all, &|| piece.name.clone());
    }

    fn judge_tally(&mut self, tally: &Tally, what: &dyn Fn() -> String) {
        tally.judge_places(Statistic::Bytes, self, what);
        tally.judge_bits(Statistic::Bits, self, what);
    }

    fn judge_neighbours(&mut self, piece: &Piece) {
        let width = piece.width;
        let [mut down, mut across] = [(); 2].map(|()| (Tally::new(width), Nibbles::new()));
        let mut buffer = Vec::new();
        for column in 0..piece.columns {
            let mut of_column = Tally::new(width);
            for part in &piece.parts {
                let elements = piece.column(part, column);
                let pairs = elements.chunks_exact(2 * width).map(|pair| pair.split_at(width));
                down.1.add(pairs);
                if part.rows > 1 {
                    differences(width, &elements[width..], elements, &mut buffer);
                    of_column.add(&buffer);
                }
                if column + 1 < piece.columns {
                    let next = piece.column(part, column + 1);
                    differences(width, next, elements, &mut buffer);
                    across.0.add(&buffer);
                    if column % 2 == 0 {
                        across.1.add(elements.chunks_exact(width).zip(next.chunks_exact(width)));
                    }
                }
            }
            let what = || format!("{}, down column {column}", piece.name);
            of_column.judge_bytes(Statistic::Neighbours, self, &what);
            down.0.merge(&of_column);
        }
        for ((differences, nibbles), way) in [(down, "down"), (across, "across")] {
            let what = || format!("{}, {way}", piece.name);
            differences.judge_places(Statistic::Neighbours, self, &what);
            nibbles.0.iter().for_each(|tally| tally.judge_bytes(Statistic::Neighbours, self, &what));
        }
    }

    fn judge_repeats(&mut self, piece: &Piece) {
        // Among bytes all that can be has been there soon.
        if piece.width == 1 {
            return;
        }
        let (mut count, mut mean) = (0.0, 0.0);
        for column in 0..piece.columns {
            let elements = piece.parts.iter().map(|part| piece.column(part, column));
            let of_column = repeats(piece.width, &elements.collect::<Vec<_>>().concat());
            let what = || format!("{}, column {column}", piece.name);
            self.judge(Statistic::Repeats, poisson_tail(of_column.0, of_column.1), &what);
            count += of_column.0;
            mean += of_column.1;
        }
        self.judge(Statistic::Repeats, poisson_tail(count, mean), &|| piece.name.clone());
    }

    fn judge_columns(&mut self, piece: &Piece) {
        let mut buffer = Vec::new();
        for one in 0..piece.columns {
            for other in one + 1..piece.columns {
                let mut tally = Tally::new(1);
                for part in &piece.parts {
                    let columns = [piece.column(part, one), piece.column(part, other)];
                    differences(piece.width, columns[0], columns[1], &mut buffer);
                    tally.add(&buffer);
                }
                let what = || format!("{}, column {one} less column {other}", piece.name);
                tally.judge_bytes(Statistic::Columns, self, &what);
            }
        }
    }

    fn judge_parts(&mut self, piece: &Piece) {
        let mut buffer = Vec::new();
        // Where messages are many, those that are near.
        for (at, one) in piece.parts.iter().enumerate() {
            for (other_at, other) in piece.parts.iter().enumerate().skip(at + 1).take(8) {
                let length = one.sent.len().min(other.sent.len());
                differences(piece.width, &one.sent[..length], &other.sent[..length], &mut buffer);
                let what = || format!("{}, part {at} less part {other_at}", piece.name);
                Tally::of(1, &buffer).judge_bytes(Statistic::Messages, self, &what);
            }
        }
    }

    /// Tests of two attempts with different inputs.
    fn judge_two(&mut self, view: &View, other: &View) {
        assert_eq!(view.outside(), other.outside(), "views of one shape");
        let mut buffer = Vec::new();
        for (one, other) in view.pieces.iter().zip(&other.pieces) {
            let width = one.width;
            let [mut sample, mut other_sample, mut between] = [(); 3].map(|()| Tally::new(width));
            for column in 0..one.columns {
                let mut of_column = [(); 3].map(|()| Tally::new(width));
                for (part, other_part) in one.parts.iter().zip(&other.parts) {
                    let columns = [one.column(part, column), other.column(other_part, column)];
                    differences(width, columns[0], columns[1], &mut buffer);
                    of_column.iter_mut().zip([columns[0], columns[1], &buffer]).for_each(
                        |(tally, elements)| {
                            tally.add(elements);
                        },
                    );
                }
                let what = || format!("{}, column {column}", one.name);
                self.judge_samples(&of_column[0], &of_column[1], &what);
                of_column[2].judge_places(Statistic::Attempts, self, &what);
                of_column[2].judge_bits(Statistic::Attempts, self, &what);
                sample.merge(&of_column[0]);
                other_sample.merge(&of_column[1]);
                between.merge(&of_column[2]);
            }
            let what = || one.name.clone();
            self.judge_samples(&sample, &other_sample, &what);
            between.judge_places(Statistic::Attempts, self, &what);
            between.judge_bits(Statistic::Attempts, self, &what);
        }
    }

    fn judge_samples(&mut self, one: &Tally, other: &Tally, what: &dyn Fn() -> String) {
        let places = one.counts.iter().zip(&other.counts).map(|(one, other)| (*one, *other));
        for (one, other) in std::iter::once((one.all(), other.all())).chain(places) {
            for (sample, rest) in [(&one, &other), (&other, &one)] {
                let ln_p = multinomial_tail(divergence_of_sample(sample, rest), BYTE);
                self.judge(Statistic::Samples, ln_p, what);
            }
        }
    }

    fn judge_windows(&mut self, views: &[View]) {
        let messages = views.iter().flat_map(|view| &view.pieces).filter(|piece| piece.is_message);
        let sent: Vec<&[u8]> =
            messages.flat_map(|piece| &piece.parts).map(|part| part.sent.as_slice()).collect();
        // At every second byte, where elements begin.
        let windows = sent.iter().flat_map(|sent| {
            let words = sent.as_chunks().0.iter().map(|word| u128::from(u16::from_le_bytes(*word)));
            let mut window = 0;
            let ends = words.map(move |word| {
                window = window << 16 | word;
                window
            });
            ends.skip(WINDOW / 2 - 1)
        });
        let count = sent.iter().map(|sent| (sent.len() / 2 + 1).saturating_sub(WINDOW / 2)).sum();
        let pairs = pairs(count);
        let found = twice(windows, count);
        let ln_p = if found == 0 { 0.0 } else { pairs.ln() - 128.0 * LN_2 };
        self.judge(Statistic::Windows, ln_p, &|| format!("{found} windows"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Dice;

    /// Logarithm of a factorial.
    fn ln_factorial(n: usize) -> f64 {
        (1..=n).map(|factor| (factor as f64).ln()).sum()
    }

    /// All counts of n draws in some places, with the logarithm of their probability.
    fn outcomes(n: usize, places: usize) -> Vec<(Vec<u32>, f64)> {
        let mut all = vec![Vec::new()];
        for place in 0..places {
            let more = |counts: &Vec<u32>| {
                let rest = n - counts.iter().sum::<u32>() as usize;
                let least = if place + 1 == places { rest } else { 0 };
                let with = |next: usize| counts.iter().copied().chain([next as u32]).collect::<Vec<_>>();
                (least..=rest).map(with).collect::<Vec<_>>()
            };
            all = all.iter().flat_map(more).collect();
        }
        let probability = |counts: Vec<u32>| {
            let orders: f64 = counts.iter().map(|count| ln_factorial(*count as usize)).sum();
            (counts, ln_factorial(n) - orders - n as f64 * (places as f64).ln())
        };
        all.into_iter().map(probability).collect()
    }

    #[test]
    fn the_bound_on_frequencies_holds_for_every_outcome_of_few_draws() {
        for (n, places) in [(1, 2), (5, 2), (60, 2), (7, 3), (30, 3), (18, 4), (9, 6)] {
            let mut outcomes = outcomes(n, places);
            assert!((outcomes.iter().map(|(_, ln_p)| ln_p.exp()).sum::<f64>() - 1.0).abs() < 1e-9);
            outcomes.sort_by(|(one, _), (other, _)| divergence(other).total_cmp(&divergence(one)));
            let mut farther = 0.0;
            for (counts, ln_p) in outcomes {
                farther += ln_p.exp();
                let bound = multinomial_tail(divergence(&counts), places).exp();
                assert!(farther <= bound * (1.0 + 1e-9), "{counts:?}: {farther} above {bound}");
            }
        }
    }

    #[test]
    fn the_bound_on_two_samples_holds_for_every_way_to_part_few_draws() {
        // Of a list of letters, every half: the draws without replacement themselves.
        for letters in [[0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1], [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]] {
            let halves = (0_u32..1 << 12).filter(|half| half.count_ones() == 6);
            let of_half = |half: u32| {
                let mut counts = [[0; 3]; 2];
                letters.iter().enumerate().for_each(|(at, letter)| {
                    counts[(half >> at & 1) as usize][*letter] += 1;
                });
                divergence_of_sample(&counts[0], &counts[1])
            };
            let all: Vec<f64> = halves.map(of_half).collect();
            for x in &all {
                let farther =
                    all.iter().filter(|other| **other >= x - 1e-9).count() as f64 / all.len() as f64;
                assert!(farther <= multinomial_tail(*x, 3).exp() + 1e-9, "{farther} at {x}");
            }
        }
    }

    #[test]
    fn the_bound_on_bits_holds_for_every_number_of_ones() {
        for n in [1, 2, 9, 64, 301] {
            let ln_p =
                |ones: usize| ln_factorial(n) - ln_factorial(ones) - ln_factorial(n - ones) - n as f64 * LN_2;
            for ones in 0..=n {
                let distance = ones.abs_diff(n - ones);
                let farther = (0..=n).filter(|other| other.abs_diff(n - other) >= distance);
                let farther: f64 = farther.map(|other| ln_p(other).exp()).sum();
                let bound = half_tail(ones as f64, n as f64).exp();
                assert!(farther <= bound * (1.0 + 1e-9), "{ones} of {n}: {farther} above {bound}");
            }
        }
    }

    #[test]
    fn the_bound_on_repeats_holds_for_balls_in_few_places() {
        // Exact, ball by ball: the probability of so many places taken.
        let (balls, places) = (12, 64.0);
        let mut taken = vec![0.0; balls + 1];
        taken[0] = 1.0;
        for _ in 0..balls {
            for count in (0..balls).rev() {
                taken[count + 1] = taken[count + 1] * (count as f64 + 1.0) / places
                    + taken[count] * (1.0 - count as f64 / places);
            }
            taken[0] = 0.0;
        }
        for count in 0..balls {
            let farther: f64 = taken[..=balls - count].iter().sum();
            let bound = poisson_tail(count as f64, pairs(balls) / places).exp();
            assert!(farther <= bound, "{count} repeats: {farther} above {bound}");
        }
    }

    #[test]
    fn what_is_uniform_stays_well_below_the_level_and_what_is_not_passes_it() {
        let mut dice = Dice::seeded(3);
        for (bytes, bits) in [(72, 100), (10_000, 50_000)] {
            let uniform: Vec<u8> = (0..bytes).map(|_| dice.next() as u8).collect();
            let tail = |bytes: &[u8]| multinomial_tail(divergence(&Tally::of(1, bytes).all()), BYTE);
            assert_eq!(tail(&uniform), 0.0);
            assert!(tail(&vec![7; bytes]) < limit(), "{bytes} bytes");
            let ones = (0..bits).filter(|_| dice.next() & 1 == 1).count();
            assert!(half_tail(ones as f64, f64::from(bits)) > -15.0);
        }
        let draws: Vec<u8> = (0..4000).map(|_| dice.next() as u8).collect();
        let (count, mean) = repeats(2, &draws);
        assert!(poisson_tail(count, mean) > -15.0 && poisson_tail(mean + 200.0, mean) < limit());
    }
}
