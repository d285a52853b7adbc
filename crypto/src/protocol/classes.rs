//! Shares of the class of a sum that nobody knows.
//!
//! In each row the workers have shares, mod 2³², of a number d that neither of them knows, such as the days from a diagnosis at one
//! owner to a death at another. Public are a bound, 0 ≤ d < 2^bits, and borders b₁ < … < b_m. Class i holds b_i ≤ d < b_{i+1}, with
//! b₀ = 0 and b_{m+1} = 2^bits. Wanted are shares, mod 2¹⁶, of the one-hot columns of some of the m + 1 classes: a [`Factor`] of a product.
//!
//! The dealer has r = r_L + r_R for each row, its parts from the seeds that it shares with left and right. The workers open x = d + r. For
//! a border b let u = x − b mod 2ⁿ, n = bits + 1. As |d − b| < 2^bits,
//!
//! ```text
//! d ≥ b           ⟺  the top bit of u − r = d − b mod 2ⁿ is 0
//! the top bit     =  U ⊕ t,   t = s ⊕ [u' < r']        U, u' and s, r': top bit and rest of u and r mod 2ⁿ
//! t               =  1 − s where u' < r', and s where not
//! [d ≥ b]         =  t where U is set, and 1 − t where not
//! class i         =  [d ≥ b_i] − [d ≥ b_{i+1}]
//! ```
//!
//! The workers know U and u'. So one key of a comparison with r' (`dcf`), of the numbers 1 − s and s, serves all borders of a row, evaluated at a
//! point for each.
//!
//! | step | message | size a row | what the receiver learns |
//! | --- | --- | --- | --- |
//! | 0 | other → right, each block: its summand less left's share | 4 bytes | nothing, see [`super::shared_numbers`] |
//! | 1 | left → right, each block: d_L + r_L | 4 bytes | nothing: uniform without left's seed with the dealer |
//! | 2 | right → left, each block: d_R + r_R | 4 bytes | nothing: uniform without right's seed with the dealer |
//! | 3 | dealer → left and right, each block: corrections of the keys | see `dcf`; 310 bytes for 17 bits | nothing, see below |
//!
//! *What a worker sees can be made up without d*, from its own input and seeds: x is uniform, since it has only one part of r, and the other part
//! is nowhere else in its view but in the threshold r' and the numbers s and 1 − s of a key; and the one key of a pair that it holds
//! is pseudorandom whatever these are. Its own root is from its seed with the dealer; corrections are masked by what the other's root expands to.
//! The keys of the ciphers are random and secret from nobody. *The dealer* receives nothing.
//!
//! One x serves all borders, and a key is evaluated at points that x and the borders determine: no second message is masked by r. What each
//! worker gets, its shares of the columns, it uses in the product, where they are masked again.
//!
//! Each of the workers sends its number before it receives the other's, and only then looks at the dealer's message; the dealer waits for nobody. A
//! block costs one round. Names, numbers and sizes follow from [`ClassShape`] alone. Which points share a path of a key's tree, hence time,
//! depends on x.
//!
//! Source: E. Boyle, N. Chandran, N. Gilboa, D. Gupta, Y. Ishai, N. Kumar, M. Rathee, "Function Secret Sharing for Mixed-Mode and Fixed-Point Secure
//! Computation", EUROCRYPT 2021: masked inputs with one comparison key for all intervals are section 4, with the number reduced to one
//! bit more than its bound instead of the wrap-around handled by further terms.

use std::ops::Range;

use crate::channel::{Channel, StepName};
use crate::dcf::{CIPHERS, Domain, Evaluator, Generator, Holder, Secrets};
use crate::kernel::{subtract, turn};
use crate::primitive::random;
use crate::protocol::factor::{DealtFactor, Factor};
use crate::protocol::shared_numbers::{AtLeft, AtRight};
use crate::protocol::{ProtocolError, decode_into};
use crate::ring::Ring;
use crate::seeds::{MaskStream, PairSeed};

/// The public shape of a factor of classes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassShape {
    /// Linked rows, empty ones included.
    pub rows: usize,
    /// Rows that travel at a time: a power of two, and the product's.
    pub block_rows: usize,
    /// The number is in 0..2^bits in every row; whoever forms it sees to that.
    pub bits: u32,
    /// First number of each class but the first: ascending, in 1..2^bits.
    pub borders: Vec<u32>,
    /// Classes that become columns: ascending, of 0 to the number of borders.
    pub kept: Vec<usize>,
    /// Further owners that share a summand.
    pub others: usize,
}

impl ClassShape {
    /// Most bits of a number.
    pub const BITS_MAX: u32 = 30;
    /// Most borders.
    pub const BORDERS_MAX: usize = 4096;
    /// Most owners besides the workers.
    pub const OTHERS_MAX: usize = 8;
    /// Most rows of a block.
    const BLOCK_ROWS_MAX: usize = 2048;
    /// Most rows.
    const ROWS_MAX: usize = 1 << 26;
    /// Rows of one of the dealer's messages, which stays below a mebibyte.
    const BATCH: usize = 1024;

    /// The shape of these classes.
    pub fn new(
        rows: usize,
        block_rows: usize,
        bits: u32,
        borders: Vec<u32>,
        kept: Vec<usize>,
        others: usize,
    ) -> Self {
        Self { rows, block_rows, bits, borders, kept, others }
    }

    /// Number of columns.
    pub fn width(&self) -> usize {
        self.kept.len()
    }

    /// Bytes that a row costs in bodies: from each worker to the other, and from the dealer to each worker on average.
    pub fn bytes_per_row(&self) -> [f64; 2] {
        let batch = Self::BATCH.min(self.block_rows.max(1));
        [u32::BYTES as f64, Domain::new(self.bits).bytes(batch) as f64 / batch as f64]
    }

    /// The shape, if it can be computed.
    ///
    /// # Errors
    /// [`ProtocolError::Shape`].
    pub fn checked(&self) -> Result<&Self, ProtocolError> {
        let usable = self.rows <= Self::ROWS_MAX
            && self.block_rows.is_power_of_two()
            && self.block_rows <= Self::BLOCK_ROWS_MAX
            && (1..=Self::BITS_MAX).contains(&self.bits)
            && (1..=Self::BORDERS_MAX).contains(&self.borders.len())
            && self.borders.is_sorted_by(|one, next| one < next)
            && self.borders.iter().all(|border| (1..1 << self.bits).contains(border))
            && !self.kept.is_empty()
            && self.kept.is_sorted_by(|one, next| one < next)
            && self.kept.iter().all(|class| *class <= self.borders.len())
            && self.others <= Self::OTHERS_MAX;
        let expected = "numbers of 1 to 30 bits, 1 to 4096 ascending borders among them, at least one of their classes in ascending order, \
                        at most 8 owners besides the workers, at most 2^26 rows in blocks of a power of two of them, at most 2048";
        if usable { Ok(self) } else { Err(ProtocolError::Shape { expected }) }
    }

    /// Blocks of rows, in order, with their numbers.
    pub fn blocks(&self) -> impl Iterator<Item = (u64, Range<usize>)> + use<> {
        let (rows, block_rows) = (self.rows, self.block_rows);
        let starts = (0..rows).step_by(block_rows);
        starts.enumerate().map(move |(index, start)| (index as u64, start..rows.min(start + block_rows)))
    }

    /// Whether a caller's block is one of this shape.
    fn has(&self, rows: &Range<usize>) -> bool {
        rows.start <= rows.end && rows.end <= self.rows && rows.len() <= self.block_rows
    }

    /// Runs of a block's rows, with the numbers of the dealer's messages for them. The numbers follow from the block's alone.
    fn batches(&self, index: u64, rows: Range<usize>) -> impl Iterator<Item = (u64, Range<usize>)> + use<> {
        let first = index.saturating_mul(self.block_rows.div_ceil(Self::BATCH) as u64);
        let starts = rows.clone().step_by(Self::BATCH);
        starts.zip(first..).map(move |(start, index)| (index, start..rows.end.min(start + Self::BATCH)))
    }
}

/// The names of the steps and streams of one factor.
struct Names {
    own: StepName,
    left: StepName,
    right: StepName,
    dealer: StepName,
}

impl Names {
    fn of(step: &StepName) -> Result<Self, ProtocolError> {
        Ok(Self {
            own: step.clone(),
            left: step.join("left")?,
            right: step.join("right")?,
            dealer: step.join("dealer")?,
        })
    }

    /// A worker's part of r.
    fn masks(&self, seed: &PairSeed) -> Result<MaskStream<u32>, ProtocolError> {
        Ok(seed.stream(&self.own, "number", "mask")?)
    }

    /// Roots of a worker's keys.
    fn roots(&self, seed: &PairSeed) -> Result<MaskStream<u128>, ProtocolError> {
        Ok(seed.stream(&self.own, "keys", "root")?)
    }
}

/// The message of one worker's masked numbers.
fn message(rows: usize) -> [u64; 2] {
    [rows as u64, u32::BYTES as u64]
}

/// What is evaluated for the columns that are kept.
struct Plan {
    /// The borders of classes that are kept.
    borders: Vec<u32>,
    /// For each column the places of its lower and upper border among them; the outermost classes lack one.
    columns: Vec<[Option<usize>; 2]>,
}

impl Plan {
    fn of(shape: &ClassShape) -> Self {
        let mut places = vec![None; shape.borders.len()];
        for class in &shape.kept {
            for place in [class.checked_sub(1), Some(*class)].into_iter().flatten() {
                if let Some(place) = places.get_mut(place) {
                    *place = Some(0);
                }
            }
        }
        places.iter_mut().flatten().enumerate().for_each(|(at, place)| *place = at);
        let needed = shape.borders.iter().zip(&places).filter(|(_, place)| place.is_some());
        let column = |class: &usize| {
            let lower = class.checked_sub(1).and_then(|border| places[border]);
            [lower, places.get(*class).copied().flatten()]
        };
        Self {
            borders: needed.map(|(border, _)| *border).collect(),
            columns: shape.kept.iter().map(column).collect(),
        }
    }

    /// Writes a worker's shares of the columns, from those of [d ≥ b] for each border that is needed, column after column.
    fn columns(&self, at_least: &[u16], height: usize, one: u16, share: &mut Vec<u16>) {
        share.resize(self.columns.len() * height, 0);
        if height == 0 {
            return;
        }
        for ([lower, upper], column) in self.columns.iter().zip(share.chunks_exact_mut(height)) {
            match lower {
                Some(lower) => column.copy_from_slice(&at_least[lower * height..][..height]),
                None => column.fill(one),
            }
            if let Some(upper) = upper {
                subtract(column, &at_least[upper * height..][..height]);
            }
        }
    }
}

/// A worker's part, whichever it is.
struct Worker<'a> {
    shape: ClassShape,
    plan: Plan,
    names: Names,
    is_left: bool,
    masks: MaskStream<u32>,
    roots: MaskStream<u128>,
    summand: &'a [u32],
    evaluator: Evaluator,
    /// This worker's share of the numbers, then what is opened of them.
    opened: Vec<u32>,
    numbers: Vec<u32>,
    of_batch: Vec<u128>,
    /// Shares of [d ≥ b]: row by row, and column by column.
    at_least: Vec<u16>,
    turned: Vec<u16>,
}

impl<'a> Worker<'a> {
    fn new(
        step: &StepName,
        shape: &ClassShape,
        is_left: bool,
        dealer_seed: &PairSeed,
        summand: &'a [u32],
    ) -> Result<Self, ProtocolError> {
        let holder = if is_left { Holder::First } else { Holder::Second };
        let names = Names::of(step)?;
        if summand.len() != shape.rows {
            return Err(ProtocolError::Input);
        }
        Ok(Self {
            plan: Plan::of(shape),
            is_left,
            masks: names.masks(dealer_seed)?,
            roots: names.roots(dealer_seed)?,
            summand,
            evaluator: Evaluator::new(&Domain::new(shape.bits), holder),
            opened: Vec::new(),
            numbers: Vec::new(),
            of_batch: Vec::new(),
            at_least: Vec::new(),
            turned: Vec::new(),
            names,
            shape: shape.clone(),
        })
    }

    /// The worker's own summand, to which shares of others' are added.
    fn begin(&mut self, rows: Range<usize>) -> Result<(), ProtocolError> {
        if !self.shape.has(&rows) {
            return Err(ProtocolError::Input);
        }
        self.opened.clear();
        self.opened.extend_from_slice(&self.summand[rows]);
        Ok(())
    }

    fn add_number(&mut self) {
        add(&mut self.opened, &self.numbers);
    }

    /// All that follows.
    fn classify(
        &mut self,
        worker: &mut dyn Channel,
        dealer: &mut dyn Channel,
        index: u64,
        rows: Range<usize>,
        share: &mut Vec<u16>,
    ) -> Result<(), ProtocolError> {
        // Steps 1 and 2: the own number goes before the other's is waited for.
        self.numbers.resize(rows.len(), 0);
        self.masks.fill(rows.start as u64, &mut self.numbers);
        self.add_number();
        let (own, theirs) = match self.is_left {
            true => (&self.names.left, &self.names.right),
            false => (&self.names.right, &self.names.left),
        };
        let mut body = Vec::with_capacity(u32::BYTES * self.opened.len());
        u32::encode(&self.opened, &mut body);
        self.masks.used(rows.start as u64, rows.len(), &body);
        worker.send(own, index, &message(rows.len()), body)?;
        let body = worker.receive(theirs, index, &message(rows.len()))?;
        decode_into(&body, theirs, &mut self.numbers)?;
        self.add_number();

        // Step 3.
        let width = self.plan.borders.len();
        self.at_least.resize(rows.len() * width, 0);
        for (index, batch) in self.shape.batches(index, rows.clone()) {
            let size = Domain::new(self.shape.bits).bytes(batch.len());
            let corrections = dealer.receive(&self.names.dealer, index, &[size as u64, 1])?;
            self.of_batch.resize(batch.len(), 0);
            self.roots.fill(batch.start as u64, &mut self.of_batch);
            let within = batch.start - rows.start..batch.end - rows.start;
            let points = Points { borders: &self.plan.borders, bits: self.shape.bits, is_left: self.is_left };
            let opened = &self.opened[within.clone()];
            let at_least = &mut self.at_least[within.start * width..within.end * width];
            self.evaluator.evaluate(
                &self.of_batch,
                &corrections,
                width,
                |row, own| points.write(opened[row], own),
                |row, own| points.read(opened[row], own, &mut at_least[row * width..][..width]),
            );
        }
        turn(&self.at_least, width, &mut self.turned);
        self.plan.columns(&self.turned, rows.len(), u16::from(self.is_left), share);
        Ok(())
    }
}

/// Where the borders of a row lie in its key's domain.
struct Points<'a> {
    borders: &'a [u32],
    bits: u32,
    is_left: bool,
}

impl Points<'_> {
    /// x mod 2^bits, the bit above it, and the number of borders that are not above the former. Points ascend over those
    /// from the last to the first, for which u has no borrow, and then over all others from the last on.
    fn split(&self, opened: u32) -> (u32, bool, usize) {
        let low = opened & ((1 << self.bits) - 1);
        let top = opened >> self.bits & 1 == 1;
        (low, top, self.borders.partition_point(|border| *border <= low))
    }

    /// u' of each border, ascending.
    fn write(&self, opened: u32, points: &mut [u32]) {
        let (low, _, count) = self.split(opened);
        let (below, above) = self.borders.split_at(count);
        let (first, second) = points.split_at_mut(count);
        for (point, border) in first.iter_mut().zip(below.iter().rev()) {
            *point = low - border;
        }
        for (point, border) in second.iter_mut().zip(above.iter().rev()) {
            *point = low + (1 << self.bits) - border;
        }
    }

    /// This worker's shares of [d ≥ b] in the order of borders, from those of t in the order of points.
    fn read(&self, opened: u32, shares: &[u16], at_least: &mut [u16]) {
        let (_, top, count) = self.split(opened);
        let (first, second) = shares.split_at(count);
        let (below, above) = at_least.split_at_mut(count);
        for (shares, out, top) in [(first, below, top), (second, above, !top)] {
            // All ones where t is to be taken from one.
            let sign = u16::from(!top).wrapping_neg();
            let one = sign & u16::from(self.is_left);
            for (out, share) in out.iter_mut().zip(shares.iter().rev()) {
                *out = (share ^ sign).wrapping_sub(sign).wrapping_add(one);
            }
        }
    }
}

fn add(numbers: &mut [u32], others: &[u32]) {
    let others = &others[..numbers.len()];
    for row in 0..numbers.len() {
        numbers[row] = numbers[row].wrapping_add(others[row]);
    }
}

/// Left's shares of the classes.
pub struct ClassesAtLeft<'a> {
    worker: Worker<'a>,
    others: Vec<AtLeft>,
}

impl<'a> ClassesAtLeft<'a> {
    /// A factor named `step`. `others` are the seeds that left has with the further owners, each used for its summand alone; `summand` is left's own
    /// part of the number, by row.
    ///
    /// # Errors
    /// [`ProtocolError`].
    pub fn new(
        step: &StepName,
        shape: &ClassShape,
        dealer_seed: &PairSeed,
        others: &[&PairSeed],
        summand: &'a [u32],
    ) -> Result<Self, ProtocolError> {
        let shape = shape.checked()?;
        if others.len() != shape.others {
            return Err(ProtocolError::Input);
        }
        let worker = Worker::new(step, shape, true, dealer_seed, summand)?;
        let others = others.iter().enumerate().map(|(other, seed)| AtLeft::new(step, other, seed));
        Ok(Self { worker, others: others.collect::<Result<_, _>>()? })
    }
}

impl Factor for ClassesAtLeft<'_> {
    fn block(
        &mut self,
        worker: &mut dyn Channel,
        dealer: &mut dyn Channel,
        index: u64,
        rows: Range<usize>,
        share: &mut Vec<u16>,
    ) -> Result<(), ProtocolError> {
        self.worker.begin(rows.clone())?;
        for other in &mut self.others {
            other.block(rows.clone(), &mut self.worker.numbers);
            self.worker.add_number();
        }
        self.worker.classify(worker, dealer, index, rows, share)
    }
}

/// Right's shares of the classes.
pub struct ClassesAtRight<'a> {
    worker: Worker<'a>,
    others: Vec<(AtRight, &'a mut dyn Channel)>,
}

impl<'a> ClassesAtRight<'a> {
    /// A factor named `step`. `others` are right's links to the further owners; `summand` is right's own part of the number, by row.
    ///
    /// # Errors
    /// [`ProtocolError`].
    pub fn new(
        step: &StepName,
        shape: &ClassShape,
        dealer_seed: &PairSeed,
        others: Vec<&'a mut dyn Channel>,
        summand: &'a [u32],
    ) -> Result<Self, ProtocolError> {
        let shape = shape.checked()?;
        if others.len() != shape.others {
            return Err(ProtocolError::Input);
        }
        let worker = Worker::new(step, shape, false, dealer_seed, summand)?;
        let others = others.into_iter().enumerate();
        let others = others.map(|(other, link)| Ok::<_, ProtocolError>((AtRight::new(step, other)?, link)));
        Ok(Self { worker, others: others.collect::<Result<_, _>>()? })
    }
}

impl Factor for ClassesAtRight<'_> {
    fn block(
        &mut self,
        worker: &mut dyn Channel,
        dealer: &mut dyn Channel,
        index: u64,
        rows: Range<usize>,
        share: &mut Vec<u16>,
    ) -> Result<(), ProtocolError> {
        self.worker.begin(rows.clone())?;
        // Step 0.
        for (other, link) in &mut self.others {
            other.block(&mut **link, index, rows.clone(), &mut self.worker.numbers)?;
            self.worker.add_number();
        }
        self.worker.classify(worker, dealer, index, rows, share)
    }
}

/// One worker's streams at the dealer.
struct Dealt {
    masks: MaskStream<u32>,
    roots: MaskStream<u128>,
    number: Vec<u32>,
    of_batch: Vec<u128>,
}

impl Dealt {
    fn new(names: &Names, seed: &PairSeed) -> Result<Self, ProtocolError> {
        Ok(Self {
            masks: names.masks(seed)?,
            roots: names.roots(seed)?,
            number: Vec::new(),
            of_batch: Vec::new(),
        })
    }

    fn draw(&mut self, rows: &Range<usize>) {
        self.number.resize(rows.len(), 0);
        self.masks.fill(rows.start as u64, &mut self.number);
        self.of_batch.resize(rows.len(), 0);
        self.roots.fill(rows.start as u64, &mut self.of_batch);
    }
}

/// The dealer's part of the classes.
pub struct DealtClasses {
    shape: ClassShape,
    names: Names,
    left: Dealt,
    right: Dealt,
    generator: Generator,
    /// Draws the keys of a batch's ciphers.
    ciphers: Box<dyn FnMut() -> [u8; CIPHERS] + Send>,
    thresholds: Vec<u32>,
    below: Vec<u16>,
    otherwise: Vec<u16>,
}

impl DealtClasses {
    /// A factor named `step`, with the seeds that the dealer has with the workers.
    ///
    /// # Errors
    /// [`ProtocolError`].
    pub fn new(
        step: &StepName,
        shape: &ClassShape,
        left_seed: &PairSeed,
        right_seed: &PairSeed,
    ) -> Result<Self, ProtocolError> {
        let (shape, names) = (shape.checked()?, Names::of(step)?);
        Ok(Self {
            left: Dealt::new(&names, left_seed)?,
            right: Dealt::new(&names, right_seed)?,
            generator: Generator::new(&Domain::new(shape.bits)),
            ciphers: Box::new(random::<CIPHERS>),
            thresholds: Vec::new(),
            below: Vec::new(),
            otherwise: Vec::new(),
            names,
            shape: shape.clone(),
        })
    }
}

impl DealtFactor for DealtClasses {
    fn block(
        &mut self,
        left: &mut dyn Channel,
        right: &mut dyn Channel,
        index: u64,
        rows: Range<usize>,
    ) -> Result<(), ProtocolError> {
        if !self.shape.has(&rows) {
            return Err(ProtocolError::Input);
        }
        let bits = self.shape.bits;
        for (index, batch) in self.shape.batches(index, rows) {
            self.left.draw(&batch);
            self.right.draw(&batch);
            // r, then r'; s, and what it is where u' < r'.
            self.thresholds.clone_from(&self.left.number);
            add(&mut self.thresholds, &self.right.number);
            self.otherwise.clear();
            self.otherwise.extend(self.thresholds.iter().map(|sum| (sum >> bits & 1) as u16));
            self.below.clear();
            self.below.extend(self.otherwise.iter().map(|top| 1 - top));
            self.thresholds.iter_mut().for_each(|sum| *sum &= (1 << bits) - 1);
            let secrets =
                Secrets { thresholds: &self.thresholds, below: &self.below, otherwise: &self.otherwise };
            let roots = [&mut *self.left.of_batch, &mut *self.right.of_batch];
            let body = self.generator.generate(&(self.ciphers)(), roots, secrets);
            // Step 3: to either worker, masked by the roots of the other.
            for roots in [&self.left.roots, &self.right.roots] {
                roots.used(batch.start as u64, batch.len(), &body);
            }
            let size = [body.len() as u64, 1];
            left.send(&self.names.dealer, index, &size, body.clone())?;
            right.send(&self.names.dealer, index, &size, body)?;
        }
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests;
