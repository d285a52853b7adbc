//! Noise, dominance and suppression for the sums of a value column, while they are still in shares.
//!
//! Beside its count a cell has the sum s of its units' codes, if asked for the sum q of squared distances from a public centre,
//! and *evidence* on dominance: sums of numbers each with an *energy*, which is at least 49 times the sum of their squares. Of a
//! column of one owner that is s itself, with M²·d: d is the sum of the squares of contributions, sizes in sevenths of the public
//! bound M, rounded up. A column that several owners' numbers add up to has more: it must hold also for whoever takes its own part away.
//! Owners enter secret constants of whole, unfiltered columns: fingerprint, mean m and winsorised width w, and mean m₂ and
//! width w₂ of squares. An owner that is no worker has [shared](super::shared_constants) them; those of several add up.
//!
//! The noise comes from one more block of the cipher for each cell, AES-128(k, Z ‖ fingerprint), where counts have their
//! column id. Of its 16 bytes:
//!
//! | bytes | make |
//! | --- | --- |
//! | 0, 1 | z and z₂: the perturbation table's last row, that of large counts |
//! | 2 | h: its three low bits |
//! | 3–8, 9–14 | t and t₂: the low T and T₂ bits, least first, less 2^(T−1) and 2^(T₂−1) |
//!
//! ```text
//! s' = s + e·m + z·w + t            q' = q + e·m₂ + z₂·w₂ + t₂
//! dominated = some of [ f·K·s² ≤ (16 + h)·E ],   K = ⌊16·49·κ² / 2⌋     s, E of each piece of evidence, f its public factor
//! hidden = [c' < units] ∨ dominated
//! out = s' + hidden·(2¹²⁷ − s'), plus a fresh sharing of zero
//! ```
//!
//! e is the noise of the count. Why t, which is as wide as the column: with s' = s + e·m + z·w alone, the sum of an indicator
//! is known up to e·m modulo w, which gives e and so the exact count away; t covers every residue.
//!
//! Why the dominance test holds: s is a sum of distances from a bound, none below zero. Let a ≥ b be the two largest. If a + b > κ·s,
//! then Σx² ≥ a² + b² ≥ (a + b)²/2 > κ²·s²/2, and E/49f ≥ Σx²; so f·K·s² < 16·E. A cell that passes has no two units with more than κ
//! of it. The test is stricter than the rule, never laxer; h, keyed by the set of units, makes it stricter still by up to 7/16, so
//! that where the threshold lies cannot be told from outside. A cell in which all units are at a bound is hidden too: were it shown, to
//! be hidden would say that one is not.
//!
//! All numbers are in ℤ/2¹²⁸. With |code| ≤ 10¹⁰ and up to 2²⁴ units, |s| < 2⁵⁷·³, so f·K·s² < 2¹²⁶ for f ≤ 8, and whoever makes
//! E keeps (16 + h)·E below 2¹²⁶ too: then the sign of their difference is its top bit.
//!
//! *Learnt by anybody:* nothing; every message is a masked wire of the engine.
//!
//! Sources: design §5, "Sums"; rules 7 and 10 of the disclosure rules; the dominance bound is Cauchy's inequality.

use crate::protocol::ProtocolError;
use crate::protocol::adder::{Summands, to_bits};
use crate::protocol::aes;
use crate::protocol::engine::Engine;
use crate::protocol::lookup::{self, PerturbationTable};
use crate::protocol::shared_constants::ConstantShares;
use crate::ring::Ring;
use crate::share::{BitShare, Share};

/// What stands in a hidden cell.
pub const SUPPRESSED_SUM: u128 = 1 << 127;

/// The public shape and rules of the protection of a value column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueShape {
    /// Whether sums of squares are protected too.
    pub squares: bool,
    /// T: 2^T is more than the width of the column.
    pub sum_bits: u32,
    /// T₂: 2^T₂ is more than the largest square.
    pub square_bits: u32,
    /// Rule 7: statistics of fewer perturbed units than this are hidden.
    pub units_min: u32,
    /// κ of rule 10, in whole percent.
    pub dominance_percent_max: u32,
    /// f of each piece of evidence on dominance.
    pub evidence: Vec<u64>,
}

impl ValueShape {
    /// Largest absolute code that numbers are sized for.
    pub const BOUND_MAX: u64 = 10_000_000_000;
    /// Most pieces of evidence.
    pub const EVIDENCE_MAX: usize = 32;
    /// Largest f.
    pub const FACTOR_MAX: u64 = 8;
    /// Bits of the cipher's output that make t, and t₂.
    const DITHER_BITS_MAX: u32 = 48;

    pub(crate) fn is_usable(&self) -> bool {
        let bits = 1..=Self::DITHER_BITS_MAX;
        bits.contains(&self.sum_bits)
            && bits.contains(&self.square_bits)
            && (1..=Self::EVIDENCE_MAX).contains(&self.evidence.len())
            && self.evidence.iter().all(|factor| (1..=Self::FACTOR_MAX).contains(factor))
            && self.units_min > 0
            && self.dominance_percent_max <= 100
    }

    /// K.
    fn dominance_factor(&self) -> u128 {
        let percent = u128::from(self.dominance_percent_max);
        16 * 49 * percent * percent / 20_000
    }
}

/// One worker's shares of the sums of a value column before protection. The dealer's are dummies of the same shape.
#[derive(Debug)]
pub struct ValueShares {
    /// Sum of codes in each cell.
    pub sums: Share<u128>,
    /// Sum of squared distances from the centre; given exactly where they are asked for.
    pub squares: Option<Share<u128>>,
    /// What is judged by rule 10, as many pieces as the shape has factors.
    pub evidence: Vec<Evidence>,
    /// Shares of the column's constants.
    pub constants: ConstantShares,
}

/// Shares of a sum of numbers in each cell, and of f times 49 times a bound of the sum of their squares.
#[derive(Debug)]
pub struct Evidence {
    /// s.
    pub sum: Share<u128>,
    /// E; (16 + h)·E is below 2¹²⁶.
    pub energy: Share<u128>,
}

impl ValueShares {
    /// The part of a worker that adds nothing, or the dealer's dummies.
    pub fn zeros(cells: usize, shape: &ValueShape) -> Self {
        let nothing = || Evidence { sum: Share::zeros(cells), energy: Share::zeros(cells) };
        Self {
            sums: Share::zeros(cells),
            squares: shape.squares.then(|| Share::zeros(cells)),
            evidence: shape.evidence.iter().map(|_| nothing()).collect(),
            constants: ConstantShares::default(),
        }
    }

    pub(crate) fn fit(&self, cells: usize, shape: &ValueShape) -> bool {
        self.sums.len() == cells
            && self.evidence.len() == shape.evidence.len()
            && self.evidence.iter().all(|of| of.sum.len() == cells && of.energy.len() == cells)
            && self.squares.as_ref().map(Share::len) == shape.squares.then_some(cells)
    }
}

/// Sums that carry their noise, and which of them rule 10 hides. Nothing of it is known to anybody.
#[derive(Debug)]
pub(crate) struct PerturbedSums {
    sums: Share<u128>,
    squares: Option<Share<u128>>,
    dominated: BitShare,
}

/// The last eight bytes of the cipher's block, in every lane: the column's fingerprint, of which each worker enters its part.
pub(crate) fn fingerprint(engine: &Engine<'_>, values: &ValueShares) -> Vec<aes::Byte> {
    let cells = values.sums.len();
    let byte = |byte: &u8| engine.joined_bits(std::iter::repeat_n(u64::from(*byte), cells), cells, 8);
    values.constants.fingerprint.iter().map(byte).collect()
}

/// Adds noise, and judges dominance. `change` is e, `output` the cipher's, a lane for each cell.
pub(crate) fn perturb(
    engine: &mut Engine<'_>,
    shape: &ValueShape,
    table: &PerturbationTable,
    values: &ValueShares,
    change: &Share<u128>,
    output: &[aes::Byte],
) -> Result<PerturbedSums, ProtocolError> {
    let cells = values.sums.len();
    let keys = if shape.squares { &output[..2] } else { &output[..1] };
    let mut changes = lookup::large_changes::<u128>(engine, table, keys)?.into_iter();
    let z = changes.next().expect("a change for each key");

    // h, t and t₂ become numbers in one round.
    let dither = |from: usize, bits: u32| output[from..].iter().flatten().take(bits as usize);
    let mut wires: Vec<&BitShare> = output[2].iter().take(3).collect();
    wires.extend(dither(3, shape.sum_bits));
    if shape.squares {
        wires.extend(dither(9, shape.square_bits));
    }
    let mut bits = engine.to_numbers::<u128>(&wires)?.into_iter();
    let mut number = |width: u32| {
        (0..width).fold(Share::zeros(cells), |sum, bit| {
            sum.plus(&bits.next().expect("a number for each wire").times(1 << bit))
        })
    };
    let h = number(3);
    let centred = |engine: &Engine<'_>, t: Share<u128>, bits: u32| {
        t.plus(&engine.constant_number(cells, (1_u128 << (bits - 1)).negated()))
    };
    let t = number(shape.sum_bits);
    let t = centred(engine, t, shape.sum_bits);

    let constant = |share: u128| Share::from_elements(vec![share; cells]);
    let constants = &values.constants;
    let (mean, width) = (constant(constants.mean), constant(constants.width));
    let mut factors = vec![(change, &mean), (&z, &width)];
    factors.extend(values.evidence.iter().flat_map(|of| [(&of.sum, &of.sum), (&of.energy, &h)]));
    let of_evidence = 2..factors.len();
    let (square_mean, square_width);
    let z_2 = changes.next();
    if let Some(z_2) = &z_2 {
        square_mean = constant(constants.square_mean);
        square_width = constant(constants.square_width);
        factors.extend([(change, &square_mean), (z_2, &square_width)]);
    }
    let products = engine.multiply(&factors)?;
    let sums = values.sums.plus(&products[0]).plus(&products[1]).plus(&t);
    let squares = match &values.squares {
        Some(squares) if shape.squares => {
            let t_2 = number(shape.square_bits);
            let t_2 = centred(engine, t_2, shape.square_bits);
            let of_squares = &products[of_evidence.end..];
            Some(squares.plus(&of_squares[0]).plus(&of_squares[1]).plus(&t_2))
        }
        _ => None,
    };

    let evidence = values.evidence.iter().zip(&shape.evidence).zip(products[of_evidence].chunks_exact(2));
    let margins = evidence.map(|((of, factor), products)| {
        let largest = of.energy.times(16).plus(&products[1]);
        let least = engine.constant_number(largest.len(), 1);
        let margin = products[0].times(u128::from(*factor) * shape.dominance_factor());
        let margin = margin.minus(&largest).minus(&least);
        Summands::of(engine, &margin, 128)
    });
    let margins: Vec<_> = margins.collect();
    let mut dominated: Vec<BitShare> = Vec::new();
    for mut bits in to_bits(engine, &margins)? {
        dominated.push(bits.pop().expect("128 bits"));
    }
    let dominated = any(engine, dominated)?;
    Ok(PerturbedSums { sums, squares, dominated })
}

/// Where any of some bits is set; half as many each round.
fn any(engine: &mut Engine<'_>, mut bits: Vec<BitShare>) -> Result<BitShare, ProtocolError> {
    while bits.len() > 1 {
        let unset: Vec<BitShare> = bits.iter().map(|bit| engine.not(bit)).collect();
        let pairs: Vec<_> = unset.chunks_exact(2).map(|pair| (&pair[0], &pair[1])).collect();
        let mut joined: Vec<BitShare> = engine.and(&pairs)?.iter().map(|both| engine.not(both)).collect();
        if bits.len() % 2 == 1 {
            joined.extend(bits.pop());
        }
        bits = joined;
    }
    Ok(bits.pop().expect("a shape that was checked has evidence"))
}

/// Sums as they may be handed over.
#[derive(Debug)]
pub(crate) struct HiddenSums {
    pub(crate) sums: Share<u128>,
    pub(crate) squares: Option<Share<u128>>,
}

impl PerturbedSums {
    /// Hides the sums of cells with too few units or too large contributors, and refreshes the shares.
    pub(crate) fn hide(&self, engine: &mut Engine<'_>, few: &BitShare) -> Result<HiddenSums, ProtocolError> {
        // hidden = ¬(¬few ∧ ¬dominated).
        let (many, spread) = (engine.not(few), engine.not(&self.dominated));
        let shown = engine.and(&[(&many, &spread)])?.remove(0);
        let shown = engine.to_numbers::<u128>(&[&shown])?.remove(0);
        let all: Vec<&Share<u128>> = std::iter::once(&self.sums).chain(&self.squares).collect();
        let suppressed = engine.constant_number(shown.len(), SUPPRESSED_SUM);
        let above: Vec<Share<u128>> = all.iter().map(|sums| sums.minus(&suppressed)).collect();
        let pairs: Vec<_> = above.iter().map(|above| (above, &shown)).collect();
        let kept = engine.multiply(&pairs)?;
        let mut out = kept.iter().map(|kept| kept.plus(&suppressed));
        let sums = out.next().expect("sums are the first");
        let squares = out.next();
        Ok(HiddenSums {
            sums: engine.refreshed(&sums),
            squares: squares.map(|squares| engine.refreshed(&squares)),
        })
    }
}

#[cfg(test)]
mod tests {
    use ::aes::Aes128;
    use ::aes::cipher::{BlockCipherEncrypt, KeyInit};

    use super::*;
    use crate::protocol::protect::{self, CellShares, Program, ProtectShape, SUPPRESSED, Verdict};
    use crate::protocol::shared_constants::ColumnConstants;
    use crate::roles::Role;
    use crate::share::OpeningPermit;
    use crate::testing::{Dice, circuit, own, split};

    const D: i32 = 5;
    const KEY: [u8; 16] = [0x42; 16];

    /// A table in the clear.
    struct World {
        counts: Vec<u32>,
        keys: [Vec<u16>; 3],
        sums: Vec<i128>,
        squares: Vec<u128>,
        contributions: Vec<u128>,
        /// M.
        bound: u64,
        constants: ColumnConstants,
        /// Who enters them; a further owner where there is none.
        owner: Option<Role>,
        /// One row for all counts above 0.
        changes: Vec<i32>,
        shape: ProtectShape,
    }

    fn values_shape(world_bound: u64, squares: bool) -> ValueShape {
        ValueShape {
            squares,
            sum_bits: u64::BITS - (2 * world_bound).leading_zeros(),
            square_bits: 41,
            units_min: 15,
            dominance_percent_max: 90,
            evidence: vec![1],
        }
    }

    impl World {
        /// Cells of units with given codes.
        fn new(seed: u8, cells: &[Vec<i64>], bound: u64, squares: bool, owner: Option<Role>) -> Self {
            let mut dice = Dice::seeded(seed);
            let mut changes: Vec<i32> = (0..256).map(|_| dice.below(2 * D as u64 + 1) as i32 - D).collect();
            changes.sort_unstable();
            let thresholds = |changes: &[i32]| -> Vec<u16> {
                (0..2 * D)
                    .map(|j| changes.iter().filter(|change| **change < 1 - D + j).count() as u16)
                    .collect()
            };
            let rows = vec![thresholds(&[0; 256]), thresholds(&changes)];
            let contribution = |code: &i64| u128::from((code.unsigned_abs() * 7).div_ceil(bound)).pow(2);
            let square = |code: &i64| (i128::from(*code) / 1000).pow(2) as u128;
            let counts: Vec<u32> = cells.iter().map(|cell| cell.len() as u32).collect();
            Self {
                keys: [(); 3].map(|()| counts.iter().map(|_| dice.next() as u16).collect()),
                sums: cells.iter().map(|cell| cell.iter().map(|code| i128::from(*code)).sum()).collect(),
                squares: cells.iter().map(|cell| cell.iter().map(square).sum()).collect(),
                contributions: cells.iter().map(|cell| cell.iter().map(contribution).sum()).collect(),
                constants: ColumnConstants {
                    fingerprint: dice.next().to_le_bytes(),
                    mean: bound as i64 / 3,
                    width: bound,
                    square_mean: 1 << 20,
                    square_width: 1 << 30,
                },
                owner,
                changes,
                shape: ProtectShape {
                    cells: counts.len(),
                    table: PerturbationTable::new(rows, D as u32).expect("a table"),
                    column_id: ProtectShape::COUNT_COLUMN,
                    program: Program::Table {
                        small_max: 4,
                        small_percent_max: 100,
                        counted: vec![0],
                        values: Some(values_shape(bound, squares)),
                    },
                },
                counts,
                bound,
            }
        }

        fn cipher(&self, cell: usize, column: &[u8; 8]) -> [u8; 16] {
            let mut block = [0; 16];
            block[..2].copy_from_slice(&(self.counts[cell] as u16).to_le_bytes());
            for (limb, sums) in self.keys.iter().enumerate() {
                block[2 + 2 * limb..4 + 2 * limb].copy_from_slice(&sums[cell].to_le_bytes());
            }
            block[8..].copy_from_slice(column);
            let mut block = block.into();
            Aes128::new(&KEY.into()).encrypt_block(&mut block);
            block.into()
        }

        /// Count, sum and sum of squares of a cell as they are released.
        fn clear(&self, cell: usize) -> (u32, u128, u128) {
            let Program::Table { values: Some(shape), .. } = &self.shape.program else {
                panic!("a value table")
            };
            let count_key = self.cipher(cell, b"count\0\0\0")[0];
            let e = if self.counts[cell] == 0 { 0 } else { self.changes[usize::from(count_key)] };
            let count = self.counts[cell].wrapping_add_signed(e);
            let output = self.cipher(cell, &self.constants.fingerprint);
            let low = |from: usize, bits: u32| {
                let mut bytes = [0; 8];
                bytes[..6].copy_from_slice(&output[from..from + 6]);
                i128::from(u64::from_le_bytes(bytes) & ((1 << bits) - 1)) - (1 << (bits - 1))
            };
            let noise = |key: u8, mean: i128, width: i128, from, bits| {
                i128::from(e) * mean + i128::from(self.changes[usize::from(key)]) * width + low(from, bits)
            };
            let constants = &self.constants;
            let sum = self.sums[cell]
                + noise(output[0], constants.mean.into(), constants.width.into(), 3, shape.sum_bits);
            let square = self.squares[cell] as i128
                + noise(
                    output[1],
                    constants.square_mean.into(),
                    constants.square_width.into(),
                    9,
                    shape.square_bits,
                );
            let h = u128::from(output[2] & 7);
            let bound = u128::from(self.bound).pow(2);
            let left = 317 * self.sums[cell].pow(2) as u128;
            let hidden = (count as i32) < 15 || left <= bound * (16 + h) * self.contributions[cell];
            let shown = |number: i128| if hidden { SUPPRESSED_SUM } else { number as u128 };
            let small = (1..=4).contains(&count);
            (if small { SUPPRESSED } else { count }, shown(sum), shown(square))
        }

        /// A worker's shares of the constants.
        fn entered(&self, role: Role) -> ConstantShares {
            let mut whole = self.constants.entered();
            match (self.owner, role) {
                (None, Role::Left) => {
                    whole.mean = whole.mean.minus(u128::MAX / 3);
                    whole.width = whole.width.minus(u128::MAX / 5);
                    whole.square_mean = 0;
                    whole.fingerprint[0] ^= 0x5a;
                    whole
                }
                (None, Role::Right) => ConstantShares {
                    fingerprint: [0x5a, 0, 0, 0, 0, 0, 0, 0],
                    mean: u128::MAX / 3,
                    width: u128::MAX / 5,
                    square_mean: whole.square_mean,
                    square_width: 0,
                },
                (owner, role) if owner == Some(role) => whole,
                _ => ConstantShares::default(),
            }
        }

        /// The same through the protocol.
        fn opened(&self) -> Vec<(u32, u128, u128)> {
            let Program::Table { values: Some(values), .. } = &self.shape.program else {
                panic!("a value table")
            };
            let mut dice = Dice::seeded(77);
            let counts = split(&mut dice, &self.counts);
            let keys = self.keys.each_ref().map(|sums| split(&mut dice, sums));
            let sums: Vec<u128> = self.sums.iter().map(|sum| *sum as u128).collect();
            let [sums, squares, contributions] =
                [&sums, &self.squares, &self.contributions].map(|numbers| split(&mut dice, numbers));
            let ran = circuit(|engine| {
                let cells = CellShares {
                    counts: own(engine, &counts),
                    keys: keys.each_ref().map(|sums| own(engine, sums)),
                    values: Some(ValueShares {
                        sums: own(engine, &sums),
                        squares: values.squares.then(|| own(engine, &squares)),
                        evidence: vec![Evidence {
                            sum: own(engine, &sums),
                            energy: own(engine, &contributions).times(u128::from(self.bound).pow(2)),
                        }],
                        constants: self.entered(engine.role()),
                    }),
                };
                let part = if engine.role() == Role::Left { KEY } else { [0; 16] };
                let judged =
                    protect::perturb(engine, &self.shape, &cells, &part)?.judge(engine, &self.shape)?;
                if engine.role() == Role::Dealer {
                    return Ok(None);
                }
                match judged.open(engine, OpeningPermit::for_a_test())? {
                    Verdict::TablePassed(table) => Ok(Some(table.release(OpeningPermit::for_a_test()))),
                    verdict => panic!("passes: {verdict:?}"),
                }
            });
            let (left, right) = (ran.left.expect("released"), ran.right.expect("released"));
            assert_eq!(left.squares.is_empty(), !values.squares);
            (0..self.shape.cells)
                .map(|cell| {
                    let wide = |of: fn(&protect::ReleasedShares) -> &Vec<u128>| match of(&left).get(cell) {
                        Some(share) => share.wrapping_add(of(&right)[cell]),
                        None => 0,
                    };
                    (
                        left.counts[cell].wrapping_add(right.counts[cell]),
                        wide(|shares| &shares.sums),
                        wide(|shares| &shares.squares),
                    )
                })
                .collect()
        }
    }

    fn spread(seed: u8, units: usize, bound: u64) -> Vec<i64> {
        let mut dice = Dice::seeded(seed);
        (0..units)
            .map(|_| dice.below(2 * bound + 1) as i64 - bound as i64 / 2)
            .map(|code| code.min(bound as i64))
            .collect()
    }

    #[test]
    fn protected_sums_are_the_clear_reference_bit_for_bit() {
        for (seed, bound, squares, owner) in [
            (1, 1_300_000, true, Some(Role::Left)),
            (2, 1000, false, Some(Role::Right)),
            (3, ValueShape::BOUND_MAX, true, Some(Role::Right)),
            (4, 1_300_000, true, None),
        ] {
            let mut cells: Vec<Vec<i64>> =
                [0, 1, 3, 9, 10, 12, 15, 18, 21, 40, 400].map(|units| spread(seed, units, bound)).to_vec();
            // Negative throughout, and nothing but zeros.
            cells.push(vec![-(bound as i64); 60]);
            cells.push(vec![0; 100]);
            let world = World::new(seed, &cells, bound, squares, owner);
            let expected: Vec<_> = (0..cells.len())
                .map(|cell| {
                    let (count, sum, square) = world.clear(cell);
                    (count, sum, if squares { square } else { 0 })
                })
                .collect();
            assert_eq!(world.opened(), expected);
            assert!(expected.iter().any(|cell| cell.1 == SUPPRESSED_SUM));
            assert!(expected.iter().any(|cell| cell.1 != SUPPRESSED_SUM));
        }
    }

    #[test]
    fn sums_at_the_bounds_do_not_wrap() {
        // A nation at the bound, and one whose sum is zero though contributions are as large as can be.
        let bound = ValueShape::BOUND_MAX;
        let mut world =
            World::new(4, &[vec![1; 30], vec![1; 30], vec![1; 30]], bound, true, Some(Role::Left));
        let units = 1_u32 << 24;
        world.counts = vec![units; 3];
        let most = i128::from(bound) * i128::from(units);
        world.sums = vec![most, -most, 0];
        world.contributions = vec![49 * u128::from(units); 3];
        world.squares = vec![1 << 65; 3];
        let opened = world.opened();
        assert_eq!(opened, (0..3).map(|cell| world.clear(cell)).collect::<Vec<_>>());
        assert!(opened[0].1 != SUPPRESSED_SUM && opened[1].1 != SUPPRESSED_SUM);
        assert_eq!(opened[2].1, SUPPRESSED_SUM);
    }

    #[test]
    fn a_cell_of_which_two_units_have_nine_tenths_is_always_hidden() {
        let mut dice = Dice::seeded(5);
        let bound = 1_000_000;
        let cells: Vec<Vec<i64>> = (0..60)
            .map(|_| {
                let rest = 30 + dice.below(200) as usize;
                let (a, b) = (dice.below(bound) as i64, dice.below(bound) as i64);
                // The others have a tenth of the two, or a little less.
                let small = ((a + b) as usize / 9 / rest) as i64;
                [a, b].into_iter().chain(std::iter::repeat_n(small, rest)).collect()
            })
            .collect();
        let world = World::new(5, &cells, bound, false, Some(Role::Left));
        assert!(world.opened().iter().all(|cell| cell.1 == SUPPRESSED_SUM));
        // And ordinary cells are not.
        let cells: Vec<Vec<i64>> = (0..20).map(|_| vec![300_000; 40]).collect();
        let world = World::new(5, &cells, bound, false, Some(Role::Left));
        assert!(world.opened().iter().all(|cell| cell.1 != SUPPRESSED_SUM));
    }

    #[test]
    fn the_noise_of_a_sum_is_that_of_the_set_and_the_column() {
        let cells = vec![vec![500; 40]; 8];
        let world = World::new(6, &cells, 1000, false, Some(Role::Left));
        let mut other_column = World::new(6, &cells, 1000, false, Some(Role::Left));
        other_column.constants.fingerprint[7] ^= 1;
        let mut other_set = World::new(6, &cells, 1000, false, Some(Role::Left));
        other_set.keys[0][3] ^= 1;
        let (one, column, set) = (world.opened(), other_column.opened(), other_set.opened());
        assert!(one.iter().zip(&column).all(|(a, b)| a.0 == b.0));
        assert!(one.iter().zip(&column).any(|(a, b)| a.1 != b.1));
        assert!(one.iter().zip(&set).enumerate().all(|(cell, (a, b))| cell == 3 || a == b));
        assert_ne!(one[3].1, set[3].1);
    }
}
