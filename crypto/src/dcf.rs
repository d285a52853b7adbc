//! Keys of comparisons: two holders evaluate "is x below α?" on shares, at any number of points, without knowing α.
//!
//! A key pair is for one secret threshold α and two secret numbers. At any x the two evaluations add up, mod 2¹⁶, to `below` where
//! x < α, and to `otherwise` where not. Each key by itself is pseudorandom: a root of 127 bits, which a holder may draw
//! from a seed, and *corrections*, which are the same for both.
//!
//! ```text
//! node      s (127 bits), t (1 bit)         of equal prefixes of x and α: t₀ ≠ t₁, s₀ and s₁ unrelated
//!                                           of different ones:            t₀ = t₁, s₀ = s₁
//! child     H(s, side) ⊕ t · (cw, t_side)   cw cancels the child that leaves α's path, and the t_side keep the invariant
//! values    V(s) + t · C                    C makes them what is wanted on α's path; off the path the difference is zero
//! ```
//!
//! x < α is decided at the first digit in which they differ. So the bits are cut into digits, and at the node before a digit there
//! is a value for each value j of it: `below − otherwise` where j is below α's digit, zero where not; the ones of the first
//! digit have `otherwise` added. A holder adds up the values of x's digits along x's path. Digits of three bits make eight values of 16 bits, a
//! block of the cipher; the first digit is shorter where they do not come out even. The last digit has four bits, and the
//! two blocks of its values are themselves the children of their node: so the tree ends four bits early.
//!
//! | part of the corrections | size a row |
//! | --- | --- |
//! | keys of H and V | 32 bytes a batch |
//! | each bit but the last four: cw and t of the left child; t of the right one | 16 bytes; 1 bit |
//! | each digit but the last: C | 2 bytes × its values, 16 for three bits |
//! | the last digit: C | 32 bytes |
//!
//! At 17 bits that is 310 bytes. With a value for each bit in place of digits it would be 268, and half as many calls of the cipher more.
//!
//! *Why a key says nothing of α or the numbers*: everything in a correction is masked by what the other holder's node expands to,
//! H(s, lost side) for cw and t, V(s) for C. That node's s is unknown and pseudorandom, by induction from the root: the child that is kept
//! is H(s, kept side), of which no correction shows anything but its t masked.
//!
//! H(x) = π(x) ⊕ x, x a seed with the side in its lowest bit, and V(x) the same under another key. π is AES-128 under a key
//! that both know: one-way by the exclusive or (S. Matyas, C. Meyer, J. Oseas, 1985). This asks more of AES than masks do, namely that it
//! behaves as a random permutation also to those who know its key. Keys are fresh for every batch of rows, so that work on one batch
//! helps with no other, and precomputed tables with none (C. Guo, J. Katz, X. Wang, C. Weng, Y. Yu, CRYPTO 2020, on what one key for all costs).
//!
//! Points of a row share the nodes of their common prefixes. Which points there are is public to the holder: the walk depends on
//! them, and on nothing else. The dealer's part has no branch on α.
//!
//! Source: the tree is that of E. Boyle, N. Gilboa, Y. Ishai, "Function Secret Sharing: Improvements and Extensions", CCS 2016, section 3.2, with
//! early termination; values at inner nodes are those of incremental distributed point functions (D. Boneh, E. Boyle,
//! H. Corrigan-Gibbs, N. Gilboa, Y. Ishai, "Lightweight Techniques for Private Heavy Hitters", IEEE S&P 2021), and the comparison is
//! that of E. Boyle, N. Chandran, N. Gilboa, D. Gupta, Y. Ishai, N. Kumar, M. Rathee, EUROCRYPT 2021, section 3, figure 1, with
//! digits of three bits for its bits. H: C. Guo, J. Katz, X. Wang, Y. Yu, "Efficient and Secure Multiparty Computation from Fixed-Key
//! Block Ciphers", IEEE S&P 2020.

use std::ops::Range;

use aes::Aes128;
use aes::cipher::{Array, BlockCipherEncrypt, KeyInit};

use crate::kernel;

/// A node: a seed, and the control bit in its lowest bit. In memory as in the cipher, whatever the machine's order of bytes.
type Block = u128;

/// The lowest bit of the first byte: a node's control bit, or the side that it is expanded to.
const CONTROL: Block = (1 as Block).to_le();
/// Bytes of a block.
const BLOCK: usize = size_of::<Block>();
/// Values of 16 bits in a block.
const LANES: usize = 8;
/// Bits of a digit.
const DIGIT_BITS: u32 = LANES.ilog2();
/// Bits of the last digit, whose values are two blocks.
const LEAF_BITS: u32 = DIGIT_BITS + 1;
/// Bytes of the keys of both ciphers.
pub(crate) const CIPHERS: usize = 2 * 16;
/// Blocks that are encrypted at a time, all in the nearest cache.
const TILE: usize = 256;
/// Nodes that are worked on level by level.
const NODES: usize = 2048;

/// The public form of keys over a domain: where digits begin, and how long corrections are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Domain {
    /// Bits of a point; a domain smaller than the last digit is a part of one that is not.
    bits: u32,
}

/// The holder of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    First,
    Second,
}

impl Domain {
    /// Most bits of a point.
    const BITS_MAX: u32 = 31;

    /// Points in 0..2^bits, at most 31 bits.
    pub(crate) fn new(bits: u32) -> Self {
        Self { bits: bits.clamp(LEAF_BITS, Self::BITS_MAX) }
    }

    /// Steps from the root to the values of the last digit. The last of them has values for children.
    fn levels(&self) -> u32 {
        self.bits - DIGIT_BITS
    }

    /// Bits of the digit that begins at a depth, where one does. That of the last does not count.
    fn digit(&self, depth: u32) -> Option<u32> {
        let before_last = self.bits - LEAF_BITS;
        let rest = before_last.checked_sub(depth).filter(|rest| *rest > 0)?;
        match rest % DIGIT_BITS {
            0 => Some(DIGIT_BITS),
            first if depth == 0 => Some(first),
            _ => None,
        }
    }

    /// Bytes of the corrections of a batch of rows, ciphers included.
    pub(crate) fn bytes(&self, rows: usize) -> usize {
        let of_depth = |depth| {
            let values = self.digit(depth).map_or(0, |bits| rows * (2 << bits));
            let nodes = if depth + 1 < self.levels() { rows * BLOCK + rows.div_ceil(8) } else { 0 };
            values + nodes
        };
        CIPHERS + (0..self.levels()).map(of_depth).sum::<usize>() + rows * 2 * BLOCK
    }

    /// The parts of a batch's corrections after the ciphers, in order, with the bytes of a row in each; 0 where it has a bit.
    #[cfg(test)]
    pub(crate) fn parts<'a>(&self, body: &'a [u8], rows: usize) -> Vec<(&'a [u8], usize)> {
        let (mut rest, mut parts) = (&body[CIPHERS..], Vec::new());
        let mut part = |size: usize, of_row: usize| {
            parts.push((rest.split_off(..size).expect("a body has all parts"), of_row));
        };
        for depth in 0..self.levels() {
            if let Some(bits) = self.digit(depth) {
                part(rows * (2 << bits), 2 << bits);
            }
            if depth + 1 < self.levels() {
                part(rows * BLOCK, BLOCK);
                part(rows.div_ceil(8), 0);
            }
        }
        part(rows * 2 * BLOCK, 2 * BLOCK);
        parts
    }
}

/// H and V.
struct Ciphers {
    nodes: Aes128,
    values: Aes128,
}

impl Ciphers {
    fn new(keys: &[u8]) -> Self {
        let cipher = |at: usize| {
            let key: [u8; 16] = keys[at * 16..][..16].try_into().expect("sixteen bytes");
            Aes128::new(&key.into())
        };
        Self { nodes: cipher(0), values: cipher(1) }
    }
}

/// Blocks on their way through a cipher, in whole lines of the cache.
#[repr(align(64))]
struct Tile {
    input: [Block; TILE],
    output: [Block; TILE],
    /// What is added to the output.
    corrections: [Block; TILE],
}

impl Tile {
    /// Blocks that vector units encrypt together, and fewer one after the other.
    const TOGETHER: usize = 64;

    fn new() -> Box<Self> {
        Box::new(Self { input: [0; TILE], output: [0; TILE], corrections: [0; TILE] })
    }

    /// π(x) of the first `count` blocks of the input.
    fn encrypt(&mut self, cipher: &Aes128, count: usize) {
        let whole = count.next_multiple_of(Self::TOGETHER).min(TILE);
        let input: &[[u8; BLOCK]] = bytemuck::cast_slice(&self.input[..whole]);
        let output: &mut [[u8; BLOCK]] = bytemuck::cast_slice_mut(&mut self.output[..whole]);
        cipher
            .encrypt_blocks_b2b(Array::cast_slice_from_core(input), Array::cast_slice_from_core_mut(output))
            .expect("both have the same length");
    }

    /// π(x) ⊕ x of the first `count` blocks of the input.
    fn hash(&mut self, cipher: &Aes128, count: usize) {
        self.encrypt(cipher, count);
        let (input, output) = (&self.input[..count], &mut self.output[..count]);
        for at in 0..count {
            output[at] ^= input[at];
        }
    }

    /// π(x) of the children of some nodes on the sides of a bit of their points, x itself, and the corrections: those of a row are zeros twice,
    /// then the left and the right child's.
    fn expand(&mut self, cipher: &Aes128, nodes: Nodes<'_>, shift: u32, corrections: &[Block]) {
        let count = nodes.blocks.len();
        // Halves of blocks: numbers of 128 bits would go from scalar to vector registers and back.
        let blocks: &[[u64; 2]] = bytemuck::cast_slice(nodes.blocks);
        let input: &mut [[u64; 2]] = &mut bytemuck::cast_slice_mut(&mut self.input)[..count];
        let (leaders, rows) = (&nodes.leaders[..count], &nodes.rows[..count]);
        let chosen = &mut self.corrections[..count];
        for at in 0..count {
            let side = leaders[at] >> shift & 1;
            let control = u64::from_le(blocks[at][0]) as u32 & 1;
            input[at] = [blocks[at][0] ^ u64::from(control ^ side).to_le(), blocks[at][1]];
            chosen[at] = corrections[(4 * rows[at] + 2 * control + side) as usize];
        }
        self.encrypt(cipher, count);
    }
}

/// Some of an evaluator's nodes.
#[derive(Clone, Copy)]
struct Nodes<'a> {
    blocks: &'a [Block],
    leaders: &'a [u32],
    rows: &'a [u32],
}

/// All ones where the control bit is set.
#[inline(always)]
fn mask(block: Block) -> Block {
    (u128::from_le(block) & 1).wrapping_neg()
}

/// All ones or none.
#[inline(always)]
fn spread(bit: u32) -> Block {
    Block::from(bit & 1).wrapping_neg()
}

#[inline(always)]
fn lanes(block: Block) -> [u16; LANES] {
    bytemuck::cast::<Block, [u16; LANES]>(block).map(u16::from_le)
}

/// A block's bytes, of which there may be fewer than a block has.
fn block_of(bytes: &[u8]) -> Block {
    let mut block = [0; BLOCK];
    block[..bytes.len()].copy_from_slice(bytes);
    Block::from_ne_bytes(block)
}

/// The roots of some keys as nodes of a holder, in place.
fn plant(roots: &mut [Block], holder: Holder) {
    let control = match holder {
        Holder::First => 0,
        Holder::Second => CONTROL,
    };
    roots.iter_mut().for_each(|root| *root = *root & !CONTROL | control);
}

/// What the keys of a batch of rows are for; all lists are of one length.
#[derive(Clone, Copy)]
pub(crate) struct Secrets<'a> {
    /// α of each row.
    pub(crate) thresholds: &'a [u32],
    /// What the evaluations add up to at points below α.
    pub(crate) below: &'a [u16],
    /// At all others.
    pub(crate) otherwise: &'a [u16],
}

/// Makes the corrections of a batch of keys.
pub(crate) struct Generator {
    domain: Domain,
    tile: Box<Tile>,
}

impl Generator {
    pub(crate) fn new(domain: &Domain) -> Self {
        Self { domain: domain.clone(), tile: Tile::new() }
    }

    /// The corrections of a batch: the ciphers' keys first, then depth by depth, and row by row in each.
    ///
    /// `roots` are 128 uniform bits for each row and holder, which are used up.
    pub(crate) fn generate(
        &mut self,
        ciphers: &[u8; CIPHERS],
        roots: [&mut [u128]; 2],
        secrets: Secrets<'_>,
    ) -> Vec<u8> {
        let (domain, rows) = (self.domain.clone(), secrets.thresholds.len());
        let mut body = vec![0; domain.bytes(rows)];
        let (keys, mut rest) = body.split_at_mut(CIPHERS);
        keys.copy_from_slice(ciphers);
        let ciphers = Ciphers::new(ciphers);
        let [first, second] = roots;
        plant(first, Holder::First);
        plant(second, Holder::Second);
        let mut paths = [first, second];
        for depth in 0..domain.levels() {
            if let Some(bits) = domain.digit(depth) {
                let part = rest.split_off_mut(..rows * (2 << bits)).expect("a body has all parts");
                self.values(&ciphers.values, &paths, secrets, depth, bits, part);
            }
            if depth + 1 < domain.levels() {
                let seeds = rest.split_off_mut(..rows * BLOCK).expect("a body has all parts");
                let controls = rest.split_off_mut(..rows.div_ceil(8)).expect("a body has all parts");
                self.step(&ciphers.nodes, &mut paths, secrets.thresholds, depth, seeds, controls);
            }
        }
        self.leaves(&ciphers.nodes, &paths, secrets, rest);
        body
    }

    /// Both children of the nodes of some rows at both holders: first's left and right, then second's.
    fn children(&mut self, cipher: &Aes128, paths: &[&mut [Block]; 2], rows: Range<usize>) {
        let (first, second) = (&paths[0][rows.clone()], &paths[1][rows.clone()]);
        for (row, input) in self.tile.input.as_chunks_mut().0[..rows.len()].iter_mut().enumerate() {
            let (first, second) = (first[row] & !CONTROL, second[row] & !CONTROL);
            *input = [first, first | CONTROL, second, second | CONTROL];
        }
        self.tile.hash(cipher, 4 * rows.len());
    }

    /// One step down α's path.
    fn step(
        &mut self,
        cipher: &Aes128,
        paths: &mut [&mut [Block]; 2],
        thresholds: &[u32],
        depth: u32,
        seeds: &mut [u8],
        controls: &mut [u8],
    ) {
        const ROWS: usize = TILE / 4;
        let shift = self.domain.bits - 1 - depth;
        for rows in tiles::<ROWS>(thresholds.len()) {
            self.children(cipher, paths, rows.clone());
            let mut right_controls = 0_u64;
            let [first, second] = paths;
            let (first, second) = (&mut first[rows.clone()], &mut second[rows.clone()]);
            let thresholds = &thresholds[rows.clone()];
            let children = &self.tile.output.as_chunks().0[..rows.len()];
            let seeds = &mut seeds.as_chunks_mut::<BLOCK>().0[rows.clone()];
            for row in 0..rows.len() {
                let [left_0, right_0, left_1, right_1] = children[row];
                let bit = spread(thresholds[row] >> shift);
                let (swap_0, swap_1) = (bit & (left_0 ^ right_0), bit & (left_1 ^ right_1));
                // Where the bit is set, the right child is kept and the left one lost.
                let (kept, lost) = ([left_0 ^ swap_0, left_1 ^ swap_1], right_0 ^ swap_0 ^ right_1 ^ swap_1);
                let seed = lost & !CONTROL;
                let left = seed | (left_0 ^ left_1 ^ !bit) & CONTROL;
                let right = seed | (right_0 ^ right_1 ^ bit) & CONTROL;
                let correction = left ^ bit & (left ^ right);
                first[row] = kept[0] ^ mask(first[row]) & correction;
                second[row] = kept[1] ^ mask(second[row]) & correction;
                seeds[row] = left.to_ne_bytes();
                right_controls |= (mask(right) as u64 & 1) << row;
            }
            let controls = &mut controls[rows.start / 8..][..rows.len().div_ceil(8)];
            controls.copy_from_slice(&right_controls.to_le_bytes()[..controls.len()]);
        }
    }

    /// C of a digit that begins at this depth.
    fn values(
        &mut self,
        cipher: &Aes128,
        paths: &[&mut [Block]; 2],
        secrets: Secrets<'_>,
        depth: u32,
        bits: u32,
        part: &mut [u8],
    ) {
        const ROWS: usize = TILE / 2;
        let size = 2 << bits;
        for rows in tiles::<ROWS>(secrets.thresholds.len()) {
            let (first, second) = (&paths[0][rows.clone()], &paths[1][rows.clone()]);
            for (row, input) in self.tile.input.as_chunks_mut().0[..rows.len()].iter_mut().enumerate() {
                *input = [first[row] & !CONTROL, second[row] & !CONTROL];
            }
            self.tile.hash(cipher, 2 * rows.len());
            let values = &self.tile.output.as_chunks::<2>().0[..rows.len()];
            let part = part[rows.start * size..].chunks_exact_mut(size);
            for ((row, values), part) in rows.zip(values).zip(part) {
                let wanted = Wanted::of(secrets, row, depth, self.domain.bits - depth - bits, bits);
                let correction = wanted.correction(0, *values, paths[1][row]);
                part.copy_from_slice(&correction.to_ne_bytes()[..size]);
            }
        }
    }

    /// C of the last digit, whose values are the children of its node.
    fn leaves(&mut self, cipher: &Aes128, paths: &[&mut [Block]; 2], secrets: Secrets<'_>, part: &mut [u8]) {
        const ROWS: usize = TILE / 4;
        let depth = self.domain.levels() - 1;
        for rows in tiles::<ROWS>(secrets.thresholds.len()) {
            self.children(cipher, paths, rows.clone());
            let values = &self.tile.output.as_chunks::<4>().0[..rows.len()];
            let part = &mut part.as_chunks_mut::<BLOCK>().0[2 * rows.start..];
            for (((row, values), second), part) in
                rows.clone().zip(values).zip(&paths[1][rows]).zip(part.as_chunks_mut::<2>().0)
            {
                let wanted = Wanted::of(secrets, row, depth, 0, LEAF_BITS);
                let [left_0, right_0, left_1, right_1] = *values;
                part[0] = wanted.correction(0, [left_0, left_1], *second).to_ne_bytes();
                part[1] = wanted.correction(LANES as u16, [right_0, right_1], *second).to_ne_bytes();
            }
        }
    }
}

/// What a digit's values add up to on α's path.
struct Wanted {
    /// α's digit.
    digit: u16,
    /// Of every value.
    all: u16,
    /// Of those below the digit, besides.
    below: u16,
}

impl Wanted {
    #[inline(always)]
    fn of(secrets: Secrets<'_>, row: usize, depth: u32, shift: u32, bits: u32) -> Self {
        let digit = (secrets.thresholds[row] >> shift & ((1 << bits) - 1)) as u16;
        let otherwise = secrets.otherwise[row];
        let all = if depth == 0 { otherwise } else { 0 };
        Self { digit, all, below: secrets.below[row].wrapping_sub(otherwise) }
    }

    /// C of eight values from `start` on: what is wanted less what the holders have, with the sign of the one that adds it.
    #[inline(always)]
    fn correction(&self, start: u16, [first, second]: [Block; 2], second_node: Block) -> Block {
        let sign = mask(second_node) as u16;
        let (first, second) = (lanes(first), lanes(second));
        let mut correction = [0; LANES];
        for lane in 0..LANES {
            let is_below = u16::from(start + (lane as u16) < self.digit).wrapping_neg();
            let wanted = self.all.wrapping_add(self.below & is_below);
            let missing = wanted.wrapping_sub(first[lane]).wrapping_add(second[lane]);
            correction[lane] = (missing ^ sign).wrapping_sub(sign).to_le();
        }
        bytemuck::cast(correction)
    }
}

/// Runs of at most N rows.
fn tiles<const N: usize>(rows: usize) -> impl Iterator<Item = Range<usize>> {
    (0..rows).step_by(N).map(move |start| start..rows.min(start + N))
}

/// Evaluates the keys of one holder.
///
/// The nodes of a few rows at a time lie in one list, in the order of the depths at which they leave another's path: a node's left
/// child takes its place, and right children of nodes that have both are added at the end.
pub(crate) struct Evaluator {
    domain: Domain,
    holder: Holder,
    tile: Box<Tile>,
    /// Points of the rows at hand, and the results.
    points: Vec<u32>,
    results: Vec<u16>,
    /// For each point the depth at which its node is added, plus one; more than there are if it shares another's to the end.
    births: Vec<u8>,
    /// For each point its node.
    places: Vec<u32>,
    /// For each node the first point below it.
    leaders: Vec<u32>,
    /// Its row.
    rows: Vec<u32>,
    /// The node from whose path it leaves.
    parents: Vec<u32>,
    /// The node that it goes back to at the beginning of the digit.
    homes: Vec<u32>,
    nodes: Vec<Block>,
    /// For each node at the beginning of a digit, the sum for each value of the digit.
    sums: Vec<[u16; LANES]>,
    next_sums: Vec<[u16; LANES]>,
    /// Corrections at the depth at hand: for each row, zeros twice, for nodes whose control bit is clear, then those of left and right children.
    corrections: Vec<Block>,
}

/// The most depths at which nodes are added: the root's, then one for each level, and that of points without a node of their own.
const BIRTHS: usize = u32::BITS as usize + 2;

impl Evaluator {
    pub(crate) fn new(domain: &Domain, holder: Holder) -> Self {
        Self {
            domain: domain.clone(),
            holder,
            tile: Tile::new(),
            points: Vec::new(),
            results: Vec::new(),
            births: Vec::new(),
            places: Vec::new(),
            leaders: Vec::new(),
            rows: Vec::new(),
            parents: Vec::new(),
            homes: Vec::new(),
            nodes: Vec::new(),
            sums: Vec::new(),
            next_sums: Vec::new(),
            corrections: Vec::new(),
        }
    }

    /// Evaluates a batch of keys, each at `width` points.
    ///
    /// `roots` are this holder's and `body` the batch's corrections, of [`Domain::bytes`]. `points` writes the points of a row, ascending and
    /// in the domain; `results` takes this holder's shares at them.
    pub(crate) fn evaluate(
        &mut self,
        roots: &[u128],
        body: &[u8],
        width: usize,
        mut points: impl FnMut(usize, &mut [u32]),
        mut results: impl FnMut(usize, &[u16]),
    ) {
        assert_eq!(body.len(), self.domain.bytes(roots.len()), "corrections have the length of their batch");
        let ciphers = Ciphers::new(&body[..CIPHERS]);
        let at_a_time = (NODES / width.max(1)).max(1);
        for start in (0..roots.len()).step_by(at_a_time) {
            let rows = start..roots.len().min(start + at_a_time);
            self.points.resize(rows.len() * width, 0);
            for (row, own) in rows.clone().zip(self.points.chunks_exact_mut(width)) {
                points(row, own);
            }
            self.walk(&ciphers, &roots[rows.clone()], body, rows.clone(), roots.len(), width);
            for (row, own) in rows.zip(self.results.chunks_exact(width)) {
                results(row, own);
            }
        }
    }

    /// Evaluates some rows of a batch of `all`.
    fn walk(
        &mut self,
        ciphers: &Ciphers,
        roots: &[u128],
        body: &[u8],
        rows: Range<usize>,
        all: usize,
        width: usize,
    ) {
        let domain = self.domain.clone();
        let ends = self.lay_out(width);
        self.nodes[..roots.len()].copy_from_slice(roots);
        plant(&mut self.nodes[..roots.len()], self.holder);
        for (place, home) in self.homes[..roots.len()].iter_mut().enumerate() {
            *home = place as u32;
        }
        self.sums[..roots.len()].fill([0; LANES]);
        let (mut at, mut digit_begins, mut digit_bits) = (CIPHERS, 0, 0);
        for depth in 0..domain.levels() {
            let (before, now) = (ends[depth as usize], ends[depth as usize + 1]);
            // The digit that ends here.
            let digit = Digit { shift: domain.bits - digit_begins - digit_bits, bits: digit_bits };
            if let Some(bits) = domain.digit(depth) {
                let size = 2 << bits;
                self.corrections.clear();
                let part = body[at + rows.start * size..].chunks_exact(size);
                self.corrections
                    .extend(part.take(rows.len()).flat_map(|part| [0, 0, block_of(part), block_of(part)]));
                at += all * size;
                self.values(&ciphers.values, before, None, digit);
                for (place, home) in self.homes[..before].iter_mut().enumerate() {
                    *home = place as u32;
                }
                (digit_begins, digit_bits) = (depth, bits);
            }
            for place in before..now {
                let parent = self.parents[place] as usize;
                self.nodes[place] = self.nodes[parent];
                self.homes[place] = self.homes[parent];
            }
            let shift = domain.bits - 1 - depth;
            self.corrections.clear();
            if depth + 1 < domain.levels() {
                let (seeds, controls) = body[at..].split_at(all * BLOCK);
                at += all * BLOCK + all.div_ceil(8);
                let both = |row: usize| {
                    let left = Block::from_ne_bytes(seeds.as_chunks().0[row]);
                    let control = spread(u32::from(controls[row / 8] >> (row % 8)));
                    [0, 0, left, left & !CONTROL | control & CONTROL]
                };
                self.corrections.extend(rows.clone().flat_map(both));
                self.step(&ciphers.nodes, now, shift);
            } else {
                let part = body[at..].as_chunks::<BLOCK>().0.as_chunks::<2>().0;
                let both = |[left, right]: &[[u8; BLOCK]; 2]| {
                    [0, 0, Block::from_ne_bytes(*left), Block::from_ne_bytes(*right)]
                };
                self.corrections.extend(part[rows.clone()].iter().flat_map(both));
                self.values(&ciphers.nodes, now, Some(shift), digit);
            }
        }
        let sign = match self.holder {
            Holder::First => 0,
            Holder::Second => u16::MAX,
        };
        self.results.resize(self.points.len(), 0);
        for ((result, place), point) in self.results.iter_mut().zip(&self.places).zip(&self.points) {
            let share = self.sums[*place as usize][*point as usize % LANES];
            *result = (share ^ sign).wrapping_sub(sign);
        }
    }

    /// Finds the nodes of the rows at hand, and the number of them at each depth.
    fn lay_out(&mut self, width: usize) -> [usize; BIRTHS] {
        let (unused, levels) = (u32::BITS - self.domain.bits, self.domain.levels());
        let mut ends = [0; BIRTHS];
        self.births.clear();
        for points in self.points.chunks_exact(width) {
            debug_assert!(points.is_sorted(), "points ascend");
            self.births.push(0);
            self.births.extend(points.windows(2).map(|pair| {
                let shared = (pair[0] ^ pair[1]).leading_zeros() - unused;
                shared.min(levels) as u8 + 1
            }));
        }
        self.births.iter().for_each(|birth| ends[*birth as usize] += 1);
        let mut next = [0_u32; BIRTHS];
        let mut total = 0;
        for (next, end) in next.iter_mut().zip(&mut ends) {
            *next = total as u32;
            total += *end;
            *end = total;
        }
        for list in [&mut self.leaders, &mut self.rows, &mut self.parents, &mut self.homes] {
            list.resize(total, 0);
        }
        self.places.resize(self.points.len(), 0);
        self.nodes.resize(total, 0);
        self.sums.resize(total, [0; LANES]);
        self.next_sums.resize(total, [0; LANES]);
        // Of the nodes between the root and a point, the last one that was added at each depth; `live` says at which there is one.
        let mut last = [0_u32; 64];
        let own = self.points.chunks_exact(width).zip(self.births.chunks_exact(width));
        for (row, ((points, births), places)) in own.zip(self.places.chunks_exact_mut(width)).enumerate() {
            let mut live = 0_u64;
            for ((point, birth), place) in points.iter().zip(births).zip(places) {
                let birth = usize::from(*birth % 64);
                if birth > levels as usize {
                    *place = last[live.ilog2() as usize];
                    continue;
                }
                let node = next[birth];
                next[birth] += 1;
                live &= (1 << birth) - 1;
                self.parents[node as usize] = last[(live | 1).ilog2() as usize];
                live |= 1 << birth;
                last[birth] = node;
                self.leaders[node as usize] = *point;
                self.rows[node as usize] = row as u32;
                *place = node;
            }
        }
        ends
    }

    /// The first `count` nodes become the children on their leaders' paths.
    fn step(&mut self, cipher: &Aes128, count: usize, shift: u32) {
        for range in tiles::<TILE>(count) {
            let nodes = Nodes {
                blocks: &self.nodes[range.clone()],
                leaders: &self.leaders[range.clone()],
                rows: &self.rows[range.clone()],
            };
            self.tile.expand(cipher, nodes, shift, &self.corrections);
            let Tile { input, output, corrections } = &*self.tile;
            let nodes = bytemuck::cast_slice_mut(&mut self.nodes[range]);
            let [input, output, corrections] =
                [input, output, corrections].map(|list| bytemuck::cast_slice(list));
            kernel::correct(nodes, input, output, corrections);
        }
    }

    /// The sums of the first `count` nodes, whose digit `ended`, for each value of the next one; the children's, if there is a shift.
    fn values(&mut self, cipher: &Aes128, count: usize, shift: Option<u32>, ended: Digit) {
        // By as many bits all points are shifted to zero.
        let shift = shift.unwrap_or(Domain::BITS_MAX);
        for range in tiles::<TILE>(count) {
            let nodes = Nodes {
                blocks: &self.nodes[range.clone()],
                leaders: &self.leaders[range.clone()],
                rows: &self.rows[range.clone()],
            };
            self.tile.expand(cipher, nodes, shift, &self.corrections);
            let (leaders, homes) = (nodes.leaders, &self.homes[range.clone()]);
            let sums: &mut [[u64; 2]] = bytemuck::cast_slice_mut(&mut self.next_sums[range]);
            for at in 0..sums.len() {
                let sum = self.sums[homes[at] as usize][ended.of(leaders[at]) % LANES];
                // In each lane.
                sums[at] = [u64::from(sum) * 0x0001_0001_0001_0001; 2];
            }
            let Tile { input, output, corrections } = &*self.tile;
            let [input, output, corrections] =
                [input, output, corrections].map(|list| bytemuck::cast_slice(list));
            kernel::add_corrected(bytemuck::cast_slice_mut(sums), input, output, corrections);
        }
        std::mem::swap(&mut self.sums, &mut self.next_sums);
    }
}

/// Some bits of a point.
#[derive(Clone, Copy)]
struct Digit {
    shift: u32,
    bits: u32,
}

impl Digit {
    #[inline(always)]
    fn of(self, point: u32) -> usize {
        // A digit without bits begins where there is none to shift to.
        ((u64::from(point) >> self.shift) & ((1 << self.bits) - 1)) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Dice;

    struct Batch {
        roots: [Vec<u128>; 2],
        body: Vec<u8>,
    }

    impl Batch {
        fn of(domain: &Domain, dice: &mut Dice, secrets: Secrets<'_>) -> Self {
            let rows = secrets.thresholds.len();
            let roots = [(); 2].map(|()| (0..rows).map(|_| dice.wide()).collect::<Vec<_>>());
            let ciphers = std::array::from_fn(|_| dice.next() as u8);
            let [mut first, mut second] = roots.clone();
            let body = Generator::new(domain).generate(&ciphers, [&mut first, &mut second], secrets);
            Self { roots, body }
        }

        /// The evaluations of both holders at the same points in every row.
        fn shares(&self, domain: &Domain, points: &[u32]) -> [Vec<Vec<u16>>; 2] {
            self.shares_at(domain, points.len(), |_, own| own.copy_from_slice(points))
        }

        fn shares_at(
            &self,
            domain: &Domain,
            width: usize,
            points: impl Fn(usize, &mut [u32]),
        ) -> [Vec<Vec<u16>>; 2] {
            let holders = [Holder::First, Holder::Second];
            std::array::from_fn(|at| {
                let mut results = Vec::new();
                let mut evaluator = Evaluator::new(domain, holders[at]);
                let take = |row, own: &[u16]| {
                    assert_eq!(row, results.len(), "rows come in order");
                    results.push(own.to_vec());
                };
                evaluator.evaluate(&self.roots[at], &self.body, width, &points, take);
                results
            })
        }
    }

    fn numbers(dice: &mut Dice, count: usize) -> Vec<u16> {
        (0..count).map(|_| dice.next() as u16).collect()
    }

    #[test]
    fn every_threshold_is_compared_with_every_point_of_a_small_domain() {
        let mut dice = Dice::seeded(1);
        for bits in 1..=11 {
            let (domain, all) = (Domain::new(bits), (0..1 << bits).collect::<Vec<u32>>());
            let (below, otherwise) = (numbers(&mut dice, all.len()), numbers(&mut dice, all.len()));
            let secrets = Secrets { thresholds: &all, below: &below, otherwise: &otherwise };
            let [first, second] = Batch::of(&domain, &mut dice, secrets).shares(&domain, &all);
            for (row, threshold) in all.iter().enumerate() {
                for (at, point) in all.iter().enumerate() {
                    let expected = if point < threshold { below[row] } else { otherwise[row] };
                    let sum = first[row][at].wrapping_add(second[row][at]);
                    assert_eq!(sum, expected, "{bits} bits, {point} below {threshold}");
                }
            }
        }
    }

    #[test]
    fn points_of_their_own_in_every_row_of_any_number_of_rows_and_bits() {
        let mut dice = Dice::seeded(2);
        for bits in 1..=31 {
            let domain = Domain::new(bits);
            let rows = [1, 7, 63, 64, 65, 130, 257][bits as usize % 7];
            let width = [1, 2, 3, 20, 61, 2100][bits as usize % 6];
            let draw = |dice: &mut Dice| (dice.next() as u32) >> (32 - bits);
            let thresholds: Vec<_> = (0..rows).map(|_| draw(&mut dice)).collect();
            let points: Vec<Vec<u32>> = (thresholds.iter())
                .map(|threshold| {
                    let near = |dice: &mut Dice| {
                        let near = threshold.wrapping_add(dice.below(7) as u32).wrapping_sub(3);
                        near & (u32::MAX >> (32 - bits))
                    };
                    let point = |dice: &mut Dice| if dice.below(3) == 0 { near(dice) } else { draw(dice) };
                    let mut points: Vec<_> = (0..width).map(|_| point(&mut dice)).collect();
                    points.sort_unstable();
                    points
                })
                .collect();
            let (below, otherwise) = (numbers(&mut dice, rows), numbers(&mut dice, rows));
            let secrets = Secrets { thresholds: &thresholds, below: &below, otherwise: &otherwise };
            let batch = Batch::of(&domain, &mut dice, secrets);
            let [first, second] =
                batch.shares_at(&domain, width, |row, own| own.copy_from_slice(&points[row]));
            for row in 0..rows {
                for at in 0..width {
                    let is_below = points[row][at] < thresholds[row];
                    let expected = if is_below { below[row] } else { otherwise[row] };
                    assert_eq!(first[row][at].wrapping_add(second[row][at]), expected, "{bits} bits");
                }
            }
        }
    }

    #[test]
    fn corrections_have_the_length_that_the_domain_says_and_none_are_needed_for_no_rows() {
        let mut dice = Dice::seeded(3);
        // Ciphers; digits of one and four times three bits; thirteen steps; the last digit.
        assert_eq!(Domain::new(17).bytes(8), 32 + 8 * (4 + 4 * 16 + 13 * 16 + 32) + 13);
        assert_eq!(Domain::new(1).bytes(5), Domain::new(4).bytes(5));
        let nobody = Secrets { thresholds: &[], below: &[], otherwise: &[] };
        for bits in [1, 4, 5, 17, 31] {
            let domain = Domain::new(bits);
            let batch = Batch::of(&domain, &mut dice, nobody);
            assert_eq!(batch.body.len(), CIPHERS);
            assert!(batch.shares(&domain, &[0]).iter().all(Vec::is_empty));
        }
    }

    #[test]
    fn equal_keys_under_other_ciphers_have_nothing_in_common() {
        let domain = Domain::new(12);
        let thresholds = vec![1234; 200];
        let (below, otherwise) = (vec![1; 200], vec![0; 200]);
        let secrets = Secrets { thresholds: &thresholds, below: &below, otherwise: &otherwise };
        let make = |cipher: u8| {
            let (mut first, mut second) = (vec![7; 200], vec![9; 200]);
            Generator::new(&domain).generate(&[cipher; CIPHERS], [&mut first, &mut second], secrets)
        };
        let (one, other) = (make(1), make(2));
        let equal = one.iter().zip(&other).skip(CIPHERS).filter(|(a, b)| a == b).count();
        assert!(equal < one.len() / 128, "{equal} of {}", one.len());
    }
}
