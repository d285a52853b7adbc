//! The protection of a table while it is still in shares: nothing is opened that the rules have not passed.
//!
//! Left and right hold shares of each cell's count and of the three sums of its units' record keys; each enters an
//! XOR part of the key k that none of them knows. All parties run the same program:
//!
//! | step | what | sent | learnt |
//! | --- | --- | --- | --- |
//! | 1 | counts (32 bits) and key sums (16 bits) become bits; Z = count mod 2¹⁶, r₁, r₂, r₃ | masked bits | nothing |
//! | 2 | cell key = first byte of AES-128(k, Z ‖ column id) | masked bits | nothing |
//! | 3 | change from the perturbation table; c' = count + change | masked bits | nothing |
//! | 4a | population: bit = \[c' < floor\] | masked bits | nothing |
//! | 4b | edit: few = \[c'₀ < units\] ∨ \[c'₁ < units of the rest\]; below = \[c'₁ < floor\] ∧ ¬few | masked bits | nothing |
//! | 4c | table: smallᵢ = \[1 ≤ c'ᵢ ≤ small\]; bit = \[100 · Σ small over counted cells > percent · counted cells\] | masked bits | nothing |
//! | 5 | table: outᵢ = c'ᵢ + smallᵢ · (2³² − 1 − c'ᵢ), plus a fresh sharing of zero | masked numbers | nothing |
//! | — | *here the caller makes its record durable* | | |
//! | 6 | the bit is opened between the two workers; of an edit two | one bit each way; two | whether the question is refused; whether the edit is carried out, and if so whether what it leaves is too small |
//! | — | *here the caller makes its record durable* | | |
//! | 7 | table, not refused: each worker hands its share of out over; they are added up elsewhere | the partial aggregates | the protected table |
//!
//! Each stage is a type that holds what the next one needs: [`Perturbed`], [`Judged`], [`Verdict`]. The shares of
//! a table can be had only from a verdict that did not refuse it, and leave only with a second permit. *Protect
//! before open*: steps 1 to 5 open nothing but uniformly masked wires. *Record before answer*: each permit is the
//! caller's word that its record is on disk.
//!
//! Every decision is a function of the perturbed c', since exact thresholds would be oracles. A suppressed cell is
//! the public constant 2³² − 1. Messages are the same whatever the counts, whether the bit refuses or not, up
//! to step 6. The dealer runs steps 1 to 5 with dummies and does not learn the bit; the shares of step 7 carry a
//! zero from the workers' own seed, so whoever adds them learns their sum only, even if it dealt.
//!
//! Sums of a value column go along, see [`super::protect_sums`]: their noise is added in step 3, they are hidden in
//! step 5, and handed over in step 7.
//!
//! A single owner's table goes the same way: its owner enters it as left, right enters shares of zero.

use crate::protocol::ProtocolError;
use crate::protocol::adder::{Summands, to_bits};
use crate::protocol::aes;
use crate::protocol::compare::less_than;
use crate::protocol::engine::{Decision, Engine};
use crate::protocol::lookup::{self, PerturbationTable};
use crate::protocol::protect_sums::{self, HiddenSums, PerturbedSums, ValueShape, ValueShares};
use crate::share::{BitShare, OpeningPermit, Share};

/// What stands in a suppressed cell.
pub const SUPPRESSED: u32 = u32::MAX;

/// Bits of a count.
const COUNT_BITS: usize = 32;

/// The public shape and rules of one protection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtectShape {
    /// Number of cells, margins included.
    pub cells: usize,
    /// The published perturbation table.
    pub table: PerturbationTable,
    /// What the noise is for; part of the cipher's input. Counts have [`ProtectShape::COUNT_COLUMN`].
    pub column_id: [u8; 8],
    /// What is decided and handed over.
    pub program: Program,
}

impl ProtectShape {
    /// The column id of counts.
    pub const COUNT_COLUMN: [u8; 8] = *b"count\0\0\0";
    /// Largest number of cells. Bounds what a shape from outside makes a party allocate.
    pub const CELLS_MAX: usize = 1 << 20;

    fn check(&self) -> Result<(), ProtocolError> {
        let usable = match &self.program {
            Program::Population { floor } => self.cells == 1 && *floor > 0,
            Program::Edit { units_min, .. } => self.cells == 2 && *units_min > 0,
            Program::Table { counted, small_percent_max, values, .. } => {
                self.cells > 0
                    && values.as_ref().is_none_or(ValueShape::is_usable)
                    && *small_percent_max <= 100
                    && counted.len() <= self.cells
                    && counted.iter().all(|cell| *cell < self.cells)
            }
        };
        let expected = "one cell and a floor above 0, two and a least number above 0, or up to 2^20 cells, counted among them, and a percentage";
        if usable && self.cells <= Self::CELLS_MAX { Ok(()) } else { Err(ProtocolError::Shape { expected }) }
    }
}

/// What is decided about the perturbed counts, and what is handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Program {
    /// One cell, a population: refused where c' < floor. Nothing is handed over.
    Population {
        /// Smallest perturbed number of units that passes.
        floor: u32,
    },
    /// Two cells, the units that an edit touches and the others: not carried out where either are few. Nothing is handed
    /// over.
    Edit {
        /// Smallest perturbed number of units touched with which it is carried out.
        units_min: u32,
        /// The same of the others; 0 where they are not judged.
        rest_min: u32,
        /// Smallest perturbed number of the others that passes as the population that is left, asked only where it is
        /// carried out; 0 where they are no population.
        floor: u32,
    },
    /// A table of counts: small cells are suppressed, a table with too many of them is refused.
    Table {
        /// Cells with 1 ≤ c' ≤ this are suppressed; 0 suppresses none.
        small_max: u32,
        /// Refused where more than this percentage of the counted cells is suppressed; 100 refuses never.
        small_percent_max: u32,
        /// The cells that the percentage is taken of: those without margins.
        counted: Vec<usize>,
        /// The value column summed in each cell, if there is one.
        values: Option<ValueShape>,
    },
}

impl Program {
    fn values(&self) -> Option<&ValueShape> {
        match self {
            Self::Population { .. } | Self::Edit { .. } => None,
            Self::Table { values, .. } => values.as_ref(),
        }
    }
}

/// One worker's shares of a table before protection. The dealer's are dummies of the same shape.
#[derive(Debug)]
pub struct CellShares {
    /// Units of each cell.
    pub counts: Share<u32>,
    /// Sum of each limb of the record keys of those units.
    pub keys: [Share<u16>; 3],
    /// Sums of the value column; given exactly where the shape has one.
    pub values: Option<ValueShares>,
}

impl CellShares {
    /// The part of a worker that adds nothing, or the dealer's dummies.
    pub fn zeros(shape: &ProtectShape) -> Self {
        let values = shape.program.values();
        Self {
            counts: Share::zeros(shape.cells),
            keys: [(); 3].map(|()| Share::zeros(shape.cells)),
            values: values.map(|values| ValueShares::zeros(shape.cells, values)),
        }
    }

    fn has(&self, shape: &ProtectShape) -> bool {
        let values_fit = match (&self.values, shape.program.values()) {
            (Some(values), Some(values_shape)) => values.fit(shape.cells, values_shape),
            (None, None) => true,
            _ => false,
        };
        values_fit
            && self.counts.len() == shape.cells
            && self.keys.iter().all(|limb| limb.len() == shape.cells)
    }
}

/// A table whose counts carry their noise. Nothing of it is known to anybody.
#[derive(Debug)]
#[must_use]
pub struct Perturbed {
    counts: Share<u32>,
    sums: Option<PerturbedSums>,
}

/// Steps 1 to 3: adds the noise that belongs to each cell's set of units.
///
/// `key_part` is this worker's XOR part of k; the dealer's is of no account.
///
/// # Errors
/// [`ProtocolError`]; `Input` and `Shape` before anything is sent.
pub fn perturb(
    engine: &mut Engine<'_>,
    shape: &ProtectShape,
    cells: &CellShares,
    key_part: &[u8; 16],
) -> Result<Perturbed, ProtocolError> {
    shape.check()?;
    if !cells.has(shape) {
        return Err(ProtocolError::Input);
    }
    // Step 1.
    let mut summands = vec![Summands::of(engine, &cells.counts, COUNT_BITS)];
    summands.extend(cells.keys.iter().map(|limb| Summands::of(engine, limb, 16)));
    let mut numbers = to_bits(engine, &summands)?.into_iter();
    let count = numbers.next().expect("the count is the first");

    // Step 2. Z is read little-endian: count mod 2¹⁶, then the limbs; two bytes each.
    let fingerprint = std::iter::once(&count[..16]).chain(numbers.as_slice().iter().map(Vec::as_slice));
    let mut block: Vec<aes::Byte> = fingerprint
        .flat_map(|number| number.chunks(8))
        .map(|bits| bits.iter().map(BitShare::copied).collect())
        .collect();
    block.extend(shape.column_id.iter().map(|byte| constant_byte(engine, shape.cells, *byte)));
    let key = shared_key(engine, key_part);
    let (Some(values), Some(values_shape)) = (&cells.values, shape.program.values()) else {
        let output = aes::encrypt(engine, &key, &block)?;
        // Step 3.
        let change = lookup::change(engine, &shape.table, &count, &output[0])?;
        return Ok(Perturbed { counts: cells.counts.plus(&change), sums: None });
    };
    // A second block for each cell, with the value column's fingerprint: lanes after those of the counts.
    let fingerprint = protect_sums::fingerprint(engine, values);
    let second: Vec<&aes::Byte> = block[..8].iter().chain(&fingerprint).collect();
    let both: Vec<aes::Byte> = block
        .iter()
        .zip(second)
        .map(|(first, second)| map_bits(first, second, BitShare::followed_by))
        .collect();
    let output = aes::encrypt(engine, &key, &both)?;
    let lanes = |byte: &aes::Byte, from: usize| -> aes::Byte {
        byte.iter().map(|bit| bit.part(from..from + shape.cells)).collect()
    };

    // Step 3.
    let change = lookup::change::<u128>(engine, &shape.table, &count, &lanes(&output[0], 0))?;
    let output: Vec<aes::Byte> = output.iter().map(|byte| lanes(byte, shape.cells)).collect();
    let sums = protect_sums::perturb(engine, values_shape, &shape.table, values, &change, &output)?;
    Ok(Perturbed { counts: cells.counts.plus(&change.reduced()), sums: Some(sums) })
}

fn map_bits(
    first: &aes::Byte,
    second: &aes::Byte,
    join: impl Fn(&BitShare, &BitShare) -> BitShare,
) -> aes::Byte {
    first.iter().zip(second).map(|(first, second)| join(first, second)).collect()
}

/// A public byte in every lane.
fn constant_byte(engine: &Engine<'_>, lanes: usize, byte: u8) -> aes::Byte {
    (0..8).map(|bit| engine.constant(lanes, byte >> bit & 1 == 1)).collect()
}

/// k on wires of one lane: the XOR of the two workers' private parts.
fn shared_key(engine: &Engine<'_>, key_part: &[u8; 16]) -> Vec<aes::Byte> {
    key_part.iter().map(|byte| engine.joined_bits(std::iter::once(u64::from(*byte)), 1, 8)).collect()
}

/// A table that has been decided about, without anybody knowing how.
#[derive(Debug)]
#[must_use]
pub struct Judged {
    refused: Decision,
    /// Of an edit.
    not_carried_out: Option<Decision>,
    table: Option<ProtectedTable>,
}

impl Perturbed {
    /// Steps 4 and 5: decides, suppresses, and refreshes the shares that may be handed over.
    ///
    /// # Errors
    /// [`ProtocolError`].
    pub fn judge(self, engine: &mut Engine<'_>, shape: &ProtectShape) -> Result<Judged, ProtocolError> {
        shape.check()?;
        if self.counts.len() != shape.cells {
            return Err(ProtocolError::Input);
        }
        let summands = Summands::of(engine, &self.counts, COUNT_BITS);
        let bits = to_bits(engine, &[summands])?.remove(0);
        match &shape.program {
            Program::Population { floor } => {
                let below = less_than(engine, &[(bits.as_slice(), u64::from(*floor))])?.remove(0);
                Ok(Judged { refused: Decision::new(below), not_carried_out: None, table: None })
            }
            Program::Edit { units_min, rest_min, floor } => {
                judge_edit(engine, &bits, [*units_min, *rest_min, *floor])
            }
            Program::Table { small_max, small_percent_max, counted, values } => {
                let units_min = values.as_ref().map(|values| values.units_min);
                let (small, few) = self.small_cells(engine, &bits, *small_max, units_min)?;
                let refused = too_many(engine, &small, counted, *small_percent_max)?;
                let counts = self.suppress(engine, &small)?;
                let sums = match (&self.sums, &few) {
                    (Some(sums), Some(few)) => Some(sums.hide(engine, few)?),
                    _ => None,
                };
                let table = ProtectedTable { counts: engine.refreshed(&counts), sums };
                Ok(Judged { refused, not_carried_out: None, table: Some(table) })
            }
        }
    }

    /// Step 4c, for each cell: 1 where 1 ≤ c' ≤ `small_max`, else 0; and whether c' < `units_min`.
    fn small_cells(
        &self,
        engine: &mut Engine<'_>,
        bits: &[BitShare],
        small_max: u32,
        units_min: Option<u32>,
    ) -> Result<(Share<u32>, Option<BitShare>), ProtocolError> {
        let mut bounds = vec![u64::from(small_max) + 1, 1];
        bounds.extend(units_min.map(u64::from));
        let comparisons: Vec<_> = bounds.into_iter().map(|bound| (bits, bound)).collect();
        let mut below = less_than(engine, &comparisons)?;
        let few = units_min.and_then(|_| below.pop());
        // c' < 1 implies c' ≤ small_max, so the difference of the two sets is their XOR.
        let small = below[0].xor(&below[1]);
        Ok((engine.to_numbers(&[&small])?.remove(0), few))
    }

    /// Step 5, before the refreshing.
    fn suppress(&self, engine: &mut Engine<'_>, small: &Share<u32>) -> Result<Share<u32>, ProtocolError> {
        let to_constant = engine.constant_number(small.len(), SUPPRESSED).minus(&self.counts);
        let lift = engine.multiply(&[(small, &to_constant)])?.remove(0);
        Ok(self.counts.plus(&lift))
    }
}

/// Step 4b. What is opened as refused is a function of what is opened as not carried out where that is so.
fn judge_edit(
    engine: &mut Engine<'_>,
    counts: &[BitShare],
    [units_min, rest_min, floor]: [u32; 3],
) -> Result<Judged, ProtocolError> {
    let cell = |at: usize| counts.iter().map(|bit| bit.part(at..at + 1)).collect::<Vec<_>>();
    let (touched, others) = (cell(0), cell(1));
    let bounds = [(&touched, units_min), (&others, rest_min), (&others, floor)];
    let below = less_than(engine, &bounds.map(|(count, bound)| (count.as_slice(), u64::from(bound))))?;
    let [few_touched, few_others, below_floor] = &below[..] else { unreachable!("one for each bound") };
    let enough = engine.and(&[(&engine.not(few_touched), &engine.not(few_others))])?.remove(0);
    let refused = engine.and(&[(below_floor, &enough)])?.remove(0);
    let not_carried_out = Some(Decision::new(engine.not(&enough)));
    Ok(Judged { refused: Decision::new(refused), not_carried_out, table: None })
}

/// Step 4c: whether more than `percent` of the counted cells are small.
fn too_many(
    engine: &mut Engine<'_>,
    small: &Share<u32>,
    counted: &[usize],
    percent: u32,
) -> Result<Decision, ProtocolError> {
    let number = small.gather(1, counted.iter().map(|cell| (*cell, 0)));
    // 100·S > percent·n holds exactly where S ≥ ⌊percent·n / 100⌋ + 1, and S ≤ n fits the bits of n.
    let bound = u64::from(percent) * counted.len() as u64 / 100 + 1;
    let width = (usize::BITS - counted.len().leading_zeros()).max(1) as usize;
    let summands = Summands::of(engine, &number, width);
    let number = to_bits(engine, &[summands])?.remove(0);
    let fewer = less_than(engine, &[(number.as_slice(), bound)])?.remove(0);
    Ok(Decision::new(engine.not(&fewer)))
}

/// What the workers know once the bit is opened.
#[derive(Debug)]
#[must_use]
pub enum Verdict {
    /// The rules refuse the question. Nothing else is ever sent.
    Refused,
    /// The population is large enough, or the edit is carried out.
    Passed,
    /// The edit is not carried out.
    NotCarriedOut,
    /// The table may be released.
    TablePassed(ProtectedTable),
}

/// One worker's share of a table that the rules have passed.
#[derive(Debug)]
#[must_use]
pub struct ProtectedTable {
    counts: Share<u32>,
    sums: Option<HiddenSums>,
}

/// What one worker hands over of a table that the rules have passed. Alone it is uniform.
#[derive(Clone, PartialEq, Eq)]
pub struct ReleasedShares {
    /// A share of each cell's count.
    pub counts: Vec<u32>,
    /// A share of each cell's sum of codes, where there is a value column.
    pub sums: Vec<u128>,
    /// A share of each cell's sum of squares, where they are asked for.
    pub squares: Vec<u128>,
}

impl std::fmt::Debug for ReleasedShares {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ReleasedShares({} cells)", self.counts.len())
    }
}

impl Judged {
    /// Step 6: opens the bit, of an edit two, between the two workers. The permit says that the disclosure rules were those agreed
    /// and that the record of this opening is durable. The dealer does not call this.
    ///
    /// # Errors
    /// [`ProtocolError::Channel`].
    ///
    /// # Panics
    /// At the dealer.
    pub fn open(self, engine: &mut Engine<'_>, permit: OpeningPermit) -> Result<Verdict, ProtocolError> {
        let (refused, not_carried_out) = match self.not_carried_out {
            None => (engine.open_decision(self.refused, permit)?, Some(false)),
            Some(not) => engine.open_decisions([self.refused, not], permit)?.map(|[r, n]| (r, n)).unzip(),
        };
        let opened = refused.zip(not_carried_out).expect("only workers open a decision");
        Ok(match (opened, self.table) {
            ((_, true), _) => Verdict::NotCarriedOut,
            ((true, false), _) => Verdict::Refused,
            ((false, false), None) => Verdict::Passed,
            ((false, false), Some(table)) => Verdict::TablePassed(table),
        })
    }
}

impl ProtectedTable {
    /// Number of cells.
    pub fn cells(&self) -> usize {
        self.counts.len()
    }

    /// Step 7: the partial aggregate that is handed over. The permit says that the record of this release is durable.
    pub fn release(self, permit: OpeningPermit) -> ReleasedShares {
        let counts = self.counts.release(&permit);
        let (sums, squares) = self.sums.map_or((None, None), |sums| (Some(sums.sums), sums.squares));
        let [sums, squares] =
            [sums, squares].map(|share| share.map_or_else(Vec::new, |share| share.release(&permit)));
        ReleasedShares { counts, sums, squares }
    }
}

/// The dealer's whole part: steps 1 to 5 with dummies. It needs no answer and may run ahead of the workers.
///
/// # Errors
/// [`ProtocolError`].
pub fn deal(engine: &mut Engine<'_>, shape: &ProtectShape) -> Result<(), ProtocolError> {
    // Before anything is allocated: the dealer's shape has come from outside.
    shape.check()?;
    let dummies = CellShares::zeros(shape);
    perturb(engine, shape, &dummies, &[0; 16])?.judge(engine, shape).map(|_| ())
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use ::aes::Aes128;
    use ::aes::cipher::{BlockCipherEncrypt, KeyInit};

    use super::*;
    use crate::seeds::Ledger;
    use crate::testing::{Dice, Ran, Seen, own, split, step, three_watched};

    /// A table in the clear, and the rules.
    struct World {
        counts: Vec<u32>,
        keys: [Vec<u16>; 3],
        key_parts: [[u8; 16]; 2],
        changes: Vec<Vec<i32>>,
        shape: ProtectShape,
        dice: u8,
    }

    /// What a worker ends with.
    #[derive(Debug)]
    enum End {
        Refused,
        Passed,
        NotCarriedOut,
        Released(ReleasedShares),
    }

    const D: i32 = 5;

    impl World {
        fn table(seed: u8, counts: Vec<u32>, small_max: u32, small_percent_max: u32) -> Self {
            let counted = (0..counts.len()).step_by(2).collect();
            Self::new(seed, counts, Program::Table { small_max, small_percent_max, counted, values: None })
        }

        fn new(seed: u8, counts: Vec<u32>, program: Program) -> Self {
            let mut dice = Dice::seeded(seed);
            // Nine rows, sorted in the key, never below zero for a small count; the first all zeros.
            let row = |count: i32, dice: &mut Dice| {
                let lowest = -count.min(D);
                let mut changes: Vec<i32> =
                    (0..256).map(|_| lowest + dice.below((D - lowest) as u64 + 1) as i32).collect();
                changes.sort_unstable();
                changes
            };
            let changes: Vec<Vec<i32>> =
                (0..9).map(|count| if count == 0 { vec![0; 256] } else { row(count, &mut dice) }).collect();
            let threshold =
                |row: &Vec<i32>, j: i32| row.iter().filter(|change| **change < 1 - D + j).count() as u16;
            let thresholds =
                changes.iter().map(|row| (0..2 * D).map(|j| threshold(row, j)).collect()).collect();
            let keys = [(); 3].map(|()| counts.iter().map(|_| dice.next() as u16).collect());
            let key_parts = [(); 2].map(|()| std::array::from_fn(|_| dice.next() as u8));
            let shape = ProtectShape {
                cells: counts.len(),
                table: PerturbationTable::new(thresholds, D as u32).expect("a table"),
                column_id: ProtectShape::COUNT_COLUMN,
                program,
            };
            Self { counts, keys, key_parts, changes, shape, dice: seed }
        }

        /// c' in the clear, by the cipher of another crate.
        fn perturbed(&self) -> Vec<u32> {
            let key: [u8; 16] = std::array::from_fn(|at| self.key_parts[0][at] ^ self.key_parts[1][at]);
            let cipher = Aes128::new(&key.into());
            let cell = |(cell, count): (usize, &u32)| {
                let mut block = [0u8; 16];
                block[..2].copy_from_slice(&(*count as u16).to_le_bytes());
                for (limb, sums) in self.keys.iter().enumerate() {
                    block[2 + 2 * limb..4 + 2 * limb].copy_from_slice(&sums[cell].to_le_bytes());
                }
                block[8..].copy_from_slice(b"count\0\0\0");
                let mut block = block.into();
                cipher.encrypt_block(&mut block);
                let row = &self.changes[(*count as usize).min(8)];
                count.wrapping_add_signed(row[block[0] as usize])
            };
            self.counts.iter().enumerate().map(cell).collect()
        }

        /// The outcome in the clear: none where refused.
        fn clear(&self) -> Option<Vec<u32>> {
            let perturbed = self.perturbed();
            match &self.shape.program {
                Program::Population { floor } => (perturbed[0] >= *floor).then(Vec::new),
                Program::Edit { .. } => panic!("no table"),
                Program::Table { small_max, small_percent_max, counted, .. } => {
                    let small = |count: u32| (1..=*small_max).contains(&count);
                    let suppressed = counted.iter().filter(|cell| small(perturbed[**cell])).count();
                    let passes = 100 * suppressed <= *small_percent_max as usize * counted.len();
                    let shown = |count: &u32| if small(*count) { SUPPRESSED } else { *count };
                    passes.then(|| perturbed.iter().map(shown).collect())
                }
            }
        }

        fn run(&self) -> Ran<End, End, ()> {
            self.run_watched(&Ledger::shared())
        }

        fn run_watched(&self, ledger: &Arc<Mutex<Ledger>>) -> Ran<End, End, ()> {
            let mut dice = Dice::seeded(self.dice);
            let counts = split(&mut dice, &self.counts);
            let keys = self.keys.each_ref().map(|sums| split(&mut dice, sums));
            let worker = |engine: &mut Engine<'_>, key_part: &[u8; 16]| {
                let cells = CellShares {
                    counts: own(engine, &counts),
                    keys: keys.each_ref().map(|sums| own(engine, sums)),
                    values: None,
                };
                let judged = perturb(engine, &self.shape, &cells, key_part)
                    .and_then(|perturbed| perturbed.judge(engine, &self.shape))
                    .expect("judged");
                match judged.open(engine, OpeningPermit::for_a_test()).expect("opened") {
                    Verdict::Refused => End::Refused,
                    Verdict::Passed => End::Passed,
                    Verdict::NotCarriedOut => End::NotCarriedOut,
                    Verdict::TablePassed(table) => {
                        assert_eq!(table.cells(), self.shape.cells);
                        End::Released(table.release(OpeningPermit::for_a_test()))
                    }
                }
            };
            let name = step("q1/protect");
            three_watched(
                ledger,
                |hand| {
                    let engine = Engine::left(&name, &mut hand.right, &hand.dealer_seed, &hand.right_seed);
                    worker(&mut engine.expect("a fresh name"), &self.key_parts[0])
                },
                |hand| {
                    let (left, dealer) = (&mut hand.left, &mut hand.dealer);
                    let engine = Engine::right(&name, left, dealer, &hand.dealer_seed, &hand.left_seed);
                    worker(&mut engine.expect("a fresh name"), &self.key_parts[1])
                },
                |hand| {
                    let engine = Engine::dealer(&name, &mut hand.right, &hand.left_seed, &hand.right_seed);
                    deal(&mut engine.expect("a fresh name"), &self.shape).expect("dealt")
                },
            )
        }

        /// What everybody learns in the end: none where refused.
        fn outcome(&self) -> Option<Vec<u32>> {
            let ran = self.run();
            match (ran.left, ran.right) {
                (End::Refused, End::Refused) => None,
                (End::Passed, End::Passed) => Some(Vec::new()),
                (End::Released(left), End::Released(right)) => {
                    let sum = |(left, right): (&u32, &u32)| left.wrapping_add(*right);
                    Some(left.counts.iter().zip(&right.counts).map(sum).collect())
                }
                ends => panic!("the workers disagree: {ends:?}"),
            }
        }
    }

    fn mixed_counts(seed: u8, cells: usize) -> Vec<u32> {
        let mut dice = Dice::seeded(seed);
        let fixed = (0..=20).chain([65_535, 65_536, 65_537, 1_000_000]);
        fixed.chain((0..cells as u64).map(|_| (dice.next() % 10_000) as u32)).collect()
    }

    #[test]
    fn a_protected_table_is_the_clear_reference_byte_for_byte() {
        for seed in 0..4 {
            let world = World::table(seed, mixed_counts(seed, 40), 4, 100);
            let clear = world.clear().expect("100 percent refuses never");
            assert!(
                clear.contains(&SUPPRESSED) && clear[0] == 0 && clear.iter().any(|count| *count > 999_000)
            );
            assert_eq!(world.outcome(), Some(clear));
        }
    }

    #[test]
    fn the_noise_depends_on_counts_keys_and_the_secret_alone() {
        let world = World::table(9, mixed_counts(9, 10), 0, 100);
        let mut other_split = World::table(9, mixed_counts(9, 10), 0, 100);
        other_split.dice = 77;
        // The same key in other parts.
        for at in 0..16 {
            other_split.key_parts.iter_mut().for_each(|part| part[at] ^= 0x5a);
        }
        assert_eq!(world.outcome(), other_split.outcome());
        let mut other_key = World::table(9, mixed_counts(9, 10), 0, 100);
        other_key.key_parts[1][15] ^= 1;
        assert_ne!(world.outcome(), other_key.outcome());
        assert_eq!(other_key.outcome(), other_key.clear());
    }

    #[test]
    fn exactly_the_perturbed_counts_of_one_to_small_max_are_suppressed() {
        for small_max in [0, 1, 4, 9] {
            let world = World::table(5, (0..40).collect(), small_max, 100);
            let out = world.outcome().expect("100 percent refuses never");
            for (shown, perturbed) in out.iter().zip(world.perturbed()) {
                let small = (1..=small_max).contains(&perturbed);
                assert_eq!(*shown, if small { SUPPRESSED } else { perturbed });
            }
        }
    }

    #[test]
    fn the_refusal_is_exact_at_its_percentage() {
        // Counts far from any edge: 100 is never small, and 1 may become 0, so the clear count decides.
        for (small, cells) in
            [(0, 8), (3, 8), (4, 8), (5, 8), (8, 8), (1, 1), (33, 66), (34, 66), (12, 25), (13, 25)]
        {
            for percent in [0, 49, 50, 51] {
                let counts: Vec<u32> = (0..cells).map(|cell| if cell < small { 3 } else { 100 }).collect();
                let program = Program::Table {
                    small_max: 8,
                    small_percent_max: percent,
                    counted: (0..cells as usize).collect(),
                    values: None,
                };
                let world = World::new(6, counts, program);
                assert_eq!(world.outcome(), world.clear(), "{small} of {cells} at {percent} %");
            }
        }
    }

    #[test]
    fn only_counted_cells_weigh_in_the_refusal() {
        let counts = vec![3, 3, 3, 3, 100];
        let program = |counted| Program::Table { small_max: 8, small_percent_max: 50, counted, values: None };
        let refused = World::new(2, counts.clone(), program(vec![0, 1, 2, 3]));
        let passed = World::new(2, counts.clone(), program(vec![4]));
        let nothing_counted = World::new(2, counts, program(Vec::new()));
        assert_eq!(refused.outcome(), refused.clear());
        assert_eq!(refused.clear(), None);
        assert!(passed.outcome().is_some() && nothing_counted.outcome().is_some());
    }

    #[test]
    fn a_population_passes_from_the_floor_on() {
        let mut seen = [false; 2];
        for count in 990..=1010 {
            let world = World::new(count as u8, vec![count], Program::Population { floor: 1000 });
            assert_eq!(world.outcome(), world.clear(), "{count}");
            seen[usize::from(world.clear().is_some())] = true;
            // The edge itself: the floor is the perturbed count, or one beside it.
            let perturbed = world.perturbed()[0];
            for (floor, passes) in [(perturbed - 1, true), (perturbed, true), (perturbed + 1, false)] {
                let world = World::new(count as u8, vec![count], Program::Population { floor });
                assert_eq!(world.outcome().is_some(), passes);
            }
        }
        assert_eq!(seen, [true, true]);
    }

    #[test]
    fn an_empty_population_is_refused_and_a_large_one_passes() {
        assert_eq!(World::new(1, vec![0], Program::Population { floor: 1 }).outcome(), None);
        assert!(World::new(1, vec![5_500_000], Program::Population { floor: 1000 }).outcome().is_some());
    }

    /// How an edit that touches the first of these counts ends, and how it should.
    fn edit(
        seed: u8,
        counts: [u32; 2],
        [units_min, rest_min, floor]: [u32; 3],
    ) -> (Ran<End, End, ()>, &'static str) {
        let world = World::new(seed, counts.to_vec(), Program::Edit { units_min, rest_min, floor });
        let perturbed = world.perturbed();
        let few = perturbed[0] < units_min || perturbed[1] < rest_min;
        let expected = match (few, perturbed[1] < floor) {
            (true, _) => "NotCarriedOut",
            (false, true) => "Refused",
            (false, false) => "Passed",
        };
        (world.run(), expected)
    }

    #[test]
    fn an_edit_is_carried_out_where_neither_side_is_few_and_what_it_leaves_passes() {
        let mut seen = std::collections::BTreeMap::new();
        for (at, touched) in [0, 1, 9, 10, 12, 15, 17, 20, 21, 500].into_iter().enumerate() {
            for others in [0, 3, 14, 16, 990, 1001, 1010, 70_000] {
                for numbers in [[15, 15, 0], [15, 0, 1000], [15, 0, 0]] {
                    let (ran, expected) = edit(at as u8, [touched, others], numbers);
                    assert_eq!(format!("{:?}", ran.left), expected, "{touched} {others} {numbers:?}");
                    assert_eq!(format!("{:?}", ran.right), expected);
                    *seen.entry(expected).or_insert(0) += 1;
                }
            }
        }
        assert!(seen.len() == 3 && seen.values().all(|times| *times >= 20), "{seen:?}");
    }

    #[test]
    fn what_a_population_would_be_is_not_opened_where_the_edit_is_not_carried_out() {
        let last = |ran: &Ran<End, End, ()>, other: &Ran<End, End, ()>| {
            let word = |seen: &[Seen]| seen.last().expect("messages").1[0];
            // What both workers have sent in step 6 adds up to what is opened.
            (
                word(&ran.seen_by_left) ^ word(&ran.seen_by_right),
                outsides(&ran.seen_by_left) == outsides(&other.seen_by_left),
            )
        };
        let numbers = [15, 0, 1000];
        let ((above, _), (below, _)) = (edit(3, [3, 5000], numbers), edit(3, [3, 20], numbers));
        assert_eq!((last(&above, &below), last(&below, &above)), ((2, true), (2, true)));
        let ((passed, _), (refused, _)) = (edit(3, [300, 5000], numbers), edit(3, [300, 20], numbers));
        assert_eq!((last(&passed, &above).0, last(&refused, &above).0), (0, 1));
    }

    fn outsides(seen: &[Seen]) -> Vec<(String, u64, Vec<u64>)> {
        seen.iter().map(|(header, _)| (header.step.to_string(), header.index, header.shape.clone())).collect()
    }

    #[test]
    fn messages_look_alike_whatever_the_counts_and_the_outcome() {
        let worlds = [
            World::table(1, vec![0; 30], 4, 50),
            World::table(2, vec![3; 30], 4, 50),
            World::table(3, (1000..1030).collect(), 4, 50),
        ];
        assert_eq!(worlds.each_ref().map(|world| world.clear().is_some()), [true, false, true]);
        let views = worlds.map(|world| {
            let ran = world.run();
            [ran.seen_by_left, ran.seen_by_right, ran.seen_from_dealer].map(|seen| outsides(&seen))
        });
        // The tables differ, so the views agree only if the shape of a view ignores thresholds of 0 and 256 alone.
        for view in &views[1..] {
            for (one, other) in views[0].iter().zip(view) {
                assert_eq!(one.len(), other.len());
            }
        }
        let mut same_rules = World::table(1, vec![3; 30], 4, 50);
        same_rules.dice = 8;
        let ran = same_rules.run();
        assert!(matches!(ran.left, End::Refused));
        let view = [ran.seen_by_left, ran.seen_by_right, ran.seen_from_dealer].map(|seen| outsides(&seen));
        assert_eq!(views[0], view);
    }

    #[test]
    fn a_refused_table_sends_nothing_after_the_bit() {
        let refused = World::table(2, vec![3; 30], 4, 50).run();
        let passed = World::table(2, vec![300; 30], 4, 50).run();
        assert!(matches!((&refused.left, &refused.right), (End::Refused, End::Refused)));
        assert!(matches!(&passed.left, End::Released(_)));
        let (header, body) = refused.seen_by_left.last().expect("messages");
        assert_eq!((header.shape.as_slice(), body.len()), (&[1, 8][..], 8));
        assert_eq!(refused.seen_by_left.len(), passed.seen_by_left.len());
        assert!(body[1..].iter().all(|byte| *byte == 0) && body[0] <= 1, "one bit and no more");
    }

    #[test]
    fn released_parts_of_suppressed_cells_are_fresh_and_sum_to_the_constant() {
        // Twice the same table, and another with the same cells suppressed: to whoever adds, and has dealt, each
        // left part is a fresh uniform number, and right's is the constant minus it.
        let parts = |counts: Vec<u32>, seed: u8| {
            let mut world = World::table(3, counts, 8, 100);
            world.dice = seed;
            let ran = world.run();
            let (End::Released(left), End::Released(right)) = (ran.left, ran.right) else {
                panic!("released")
            };
            (left.counts, right.counts)
        };
        let (mut ones, mut number, mut equal) = (0u64, 0u64, 0);
        let mut last: Option<Vec<u32>> = None;
        for seed in 0..12 {
            let count = 3 + u32::from(seed % 2);
            let (left, right) = parts(vec![count; 400], seed / 2);
            let suppressed = left.iter().zip(&right).filter(|(l, r)| l.wrapping_add(**r) == SUPPRESSED);
            let suppressed: Vec<u32> = suppressed.map(|(left, _)| *left).collect();
            assert!(suppressed.len() > 200, "most cells of {count} are suppressed");
            ones += suppressed.iter().map(|part| u64::from(part.count_ones())).sum::<u64>();
            number += suppressed.len() as u64;
            if let Some(last) = &last {
                equal += last.iter().zip(&left).filter(|(a, b)| a == b).count();
            }
            last = Some(left);
        }
        assert_eq!(equal, 0);
        let bits = 32.0 * number as f64;
        assert!((ones as f64 - bits / 2.0).abs() < 8.0 * bits.sqrt() / 2.0, "{ones} ones of {bits}");
    }

    #[test]
    fn no_mask_is_used_twice_within_an_attempt_or_in_the_next() {
        let ledger = Ledger::shared();
        let world = World::table(7, mixed_counts(7, 5), 4, 50);
        for _ in 0..2 {
            let _ = world.run_watched(&ledger);
        }
        let ledger = ledger.lock().expect("not poisoned");
        assert!(ledger.len() > 100);
        assert_eq!(ledger.reuses(), 0);
    }

    #[test]
    fn unusable_shapes_are_refused_before_anything_is_sent() {
        let table = World::table(1, vec![1, 2], 4, 50).shape;
        let program = |small_percent_max, counted| Program::Table {
            small_max: 4,
            small_percent_max,
            counted,
            values: None,
        };
        for shape in [
            ProtectShape { cells: 0, ..table.clone() },
            ProtectShape { program: program(101, vec![0]), ..table.clone() },
            ProtectShape { program: program(50, vec![2]), ..table.clone() },
            ProtectShape { program: Program::Population { floor: 1000 }, ..table.clone() },
            ProtectShape { cells: 1, program: Program::Population { floor: 0 }, ..table.clone() },
            ProtectShape {
                program: Program::Edit { units_min: 0, rest_min: 0, floor: 1000 },
                ..table.clone()
            },
            ProtectShape {
                cells: 1,
                program: Program::Edit { units_min: 15, rest_min: 15, floor: 0 },
                ..table.clone()
            },
        ] {
            let ran = three_watched(
                &Ledger::shared(),
                |_| (),
                |_| (),
                |hand| {
                    let engine =
                        Engine::dealer(&step("p"), &mut hand.right, &hand.left_seed, &hand.right_seed);
                    deal(&mut engine.expect("a fresh name"), &shape).err()
                },
            );
            assert!(matches!(ran.dealer, Some(ProtocolError::Shape { .. })), "{shape:?}");
            assert!(ran.seen_from_dealer.is_empty());
        }
    }
}
