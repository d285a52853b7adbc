//! The circuit that protects a table, gate by gate as its documents have it, in bytes and rounds.

use kobling_crypto::protocol::protect::{Program, ProtectShape};

/// Most bytes of one message of the engine.
const BODY_BYTES: u64 = 1 << 20;

/// The gates of a circuit: what is exchanged, batch by batch.
#[derive(Default)]
pub struct Circuit {
    /// Bytes from each worker to the other.
    pub opened: u64,
    /// Bytes from the dealer to right.
    pub dealt: u64,
    pub rounds: u64,
    /// Bytes of the longest message from the dealer.
    pub longest: u64,
}

impl Circuit {
    fn batch(&mut self, opened: u64, dealt: u64) {
        self.opened += opened;
        self.dealt += dealt;
        self.longest = self.longest.max(dealt.min(BODY_BYTES));
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
    pub fn protection(shape: &ProtectShape) -> Self {
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
}
