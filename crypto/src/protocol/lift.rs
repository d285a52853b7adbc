//! From sums mod 2¹⁶ over short stretches of rows to sums of whole numbers over all rows.
//!
//! A sum s of non-negative numbers over a stretch of rows short enough that s < 2¹⁵ is exact in ℤ/2¹⁶. The workers'
//! shares p and q of it satisfy p + q = s or p + q = s + 2¹⁶, and they wrapped exactly if the top bit of p or of q is set:
//! with both clear p + q < 2¹⁶, with one set p + q ≥ 2¹⁵ > s. So over the integers, with t the top bits,
//!
//! ```text
//! s = p + q − 2¹⁶·(t_p + t_q − t_p·t_q)
//! ```
//!
//! and all but the product of a bit that left knows and a bit that right knows is local. The products are summed
//! over up to [`FLUSHES`] stretches in ℤ/2¹⁶, as an inner product with masks from the seeds shared with the dealer. That sum
//! is below 2¹⁵ again: it is lifted the same way, with its one product of bits in ℤ/2¹²⁸, once for each cell.
//!
//! | step | message | size | what the receiver learns |
//! | --- | --- | --- | --- |
//! | 1 | left → right, right → left, after each block: t − a, t − b | 2 bytes × cells, for each stretch ended | nothing: uniform without the sender's seed with the dealer |
//! | 2 | dealer → right, at the end: Σ ab − ρ in ℤ/2¹⁶ | 2 bytes × cells, for each [`FLUSHES`] stretches | nothing: uniform without left's seed |
//! | 3 | left → right, right → left, at the end: t' − a', t' − b' in ℤ/2¹²⁸ | 16 bytes × cells, likewise | nothing |
//! | 4 | dealer → right, at the end: Σ a'b' − ρ' in ℤ/2¹²⁸ | 16 bytes × cells | nothing |
//!
//! A message of step 1 travels with the next block, so it costs no round of its own. Numbers, names and sizes of
//! messages follow from the shape alone.
//!
//! Source: design §4, "Narrow rings"; the wrap of two shares of a small number is that of R. Rachuri et al., "SiRnn", IEEE
//! S&P 2021, section 3, with the AND of the two private bits taken by an inner product.

use crate::channel::{Channel, StepName};
use crate::protocol::wide_body::{Inbox, Outbox};
use crate::protocol::{ProtocolError, inner_product};
use crate::ring::Ring;
use crate::seeds::{MaskStream, PairSeed};
use crate::share::Share;

/// Stretches whose bit products are summed in ℤ/2¹⁶: fewer than 2¹⁵.
pub(crate) const FLUSHES: usize = 1 << 14;

/// Rows after which a sum of numbers below 2^bits must be lifted: the largest power of two that keeps it below 2¹⁵.
pub(crate) fn stretch_rows(bits: u8) -> usize {
    1 << (15 - bits)
}

/// One group of cells that is lifted at its own pace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tile {
    /// Number of cells.
    pub(crate) cells: usize,
    /// Rows of a stretch.
    pub(crate) stretch: usize,
}

impl Tile {
    /// Whether a stretch ends where `end` rows of `rows` have been added.
    pub(crate) fn ends_at(&self, end: usize, rows: usize) -> bool {
        end.is_multiple_of(self.stretch) || end == rows
    }

    /// Sums of bit products, [`FLUSHES`] stretches each.
    pub(crate) fn groups(&self, rows: usize) -> usize {
        rows.div_ceil(self.stretch).div_ceil(FLUSHES)
    }
}

/// Sums that are lifted in one block, and sums of bit products, of all tiles.
pub(crate) fn lifted_at_once(tiles: &[Tile], rows: usize, block_rows: usize) -> usize {
    let of_tile = |tile: &Tile| {
        let sums = block_rows.div_ceil(tile.stretch) + tile.groups(rows);
        tile.cells.saturating_mul(sums)
    };
    tiles.iter().map(of_tile).fold(0, usize::saturating_add)
}

/// The names of the messages and streams of one lift.
struct Names {
    own: StepName,
    left: StepName,
    right: StepName,
    dealer: StepName,
    last: StepName,
}

impl Names {
    fn of(step: &StepName) -> Result<Self, ProtocolError> {
        Ok(Self {
            own: step.clone(),
            left: step.join("left")?,
            right: step.join("right")?,
            dealer: step.join("dealer")?,
            last: step.join("last")?,
        })
    }
}

/// What has come of a tile so far at one worker: integers, since shares are kept as representatives in 0..2¹⁶.
struct Whole {
    /// Sum of own shares.
    sums: Vec<u64>,
    /// Sum of their top bits.
    tops: Vec<u64>,
}

impl Whole {
    fn new(cells: usize) -> Self {
        Self { sums: vec![0; cells], tops: vec![0; cells] }
    }

    /// Adds own shares of one more stretch, and appends their top bits.
    fn add(&mut self, shares: &[u16], bits: &mut Vec<u16>) {
        let cells = self.sums.len();
        let (sums, tops, shares) = (&mut self.sums[..cells], &mut self.tops[..cells], &shares[..cells]);
        for cell in 0..cells {
            let top = shares[cell] >> 15;
            sums[cell] += u64::from(shares[cell]);
            tops[cell] += u64::from(top);
        }
        bits.extend(shares.iter().map(|share| share >> 15));
    }

    /// This worker's share of the lifted sum, given its share of the sum of bit products.
    fn lifted(&self, products: &[u128]) -> Vec<u128> {
        let cell = |((sum, top), product): ((&u64, &u64), &u128)| {
            let wraps = u128::from(*top).wrapping_sub(*product);
            u128::from(*sum).wrapping_sub(wraps << 16)
        };
        self.sums.iter().zip(&self.tops).zip(products).map(cell).collect()
    }
}

/// A stretch that has ended, and whose bit products are still to be taken.
struct Pending {
    tile: usize,
    group: usize,
}

/// A worker's lift of several tiles.
pub(crate) struct Lift {
    names: Names,
    is_left: bool,
    tiles: Vec<Tile>,
    whole: Vec<Whole>,
    /// Ended stretches of each tile.
    ended: Vec<usize>,
    /// For each tile, for each group of stretches, the sums of bit products.
    products: Vec<Vec<Vec<u16>>>,
    masks: MaskStream<u16>,
    position: u64,
    pending: Vec<Pending>,
    bits: Vec<u16>,
    mask: Vec<u16>,
    outbox: Outbox,
    inbox: Inbox,
}

impl Lift {
    pub(crate) fn new(
        step: &StepName,
        is_left: bool,
        dealer_seed: &PairSeed,
        tiles: Vec<Tile>,
        rows: usize,
    ) -> Result<Self, ProtocolError> {
        let names = Names::of(step)?;
        let masks = dealer_seed.stream(&names.own, side(is_left), "mask")?;
        let (mine, theirs) = if is_left { (&names.left, &names.right) } else { (&names.right, &names.left) };
        let products = tiles.iter().map(|tile| vec![vec![0; tile.cells]; tile.groups(rows)]).collect();
        Ok(Self {
            outbox: Outbox::new(mine),
            inbox: Inbox::new(theirs),
            names,
            is_left,
            whole: tiles.iter().map(|tile| Whole::new(tile.cells)).collect(),
            ended: vec![0; tiles.len()],
            products,
            tiles,
            masks,
            position: 0,
            pending: Vec::new(),
            bits: Vec::new(),
            mask: Vec::new(),
        })
    }

    /// Takes own shares of the sums of a stretch that ended.
    pub(crate) fn add(&mut self, tile: usize, shares: &[u16]) {
        debug_assert_eq!(shares.len(), self.tiles[tile].cells);
        self.whole[tile].add(shares, &mut self.bits);
        let group = self.ended[tile] / FLUSHES;
        self.ended[tile] += 1;
        self.pending.push(Pending { tile, group });
    }

    /// Step 1, sending: the bits of all stretches that ended since the last time.
    pub(crate) fn send(&mut self, peer: &mut dyn Channel) -> Result<(), ProtocolError> {
        if self.bits.is_empty() {
            return Ok(());
        }
        self.mask.resize(self.bits.len(), 0);
        self.masks.fill(self.position, &mut self.mask);
        let masked: Vec<u16> = self.bits.iter().zip(&self.mask).map(|(bit, mask)| bit.minus(*mask)).collect();
        let mut body = Vec::new();
        u16::encode(&masked, &mut body);
        self.masks.used(self.position, masked.len(), &body);
        self.position += masked.len() as u64;
        self.outbox.send::<u16>(peer, &body)
    }

    /// Step 1, receiving: as many of the other's bits.
    pub(crate) fn receive(&mut self, peer: &mut dyn Channel) -> Result<(), ProtocolError> {
        let theirs = self.inbox.receive::<u16>(peer, self.bits.len())?;
        // Left multiplies its bits with what it receives, right what it receives with its masks.
        let mine = if self.is_left { &self.bits } else { &self.mask };
        let mut at = 0;
        for Pending { tile, group } in self.pending.drain(..) {
            let products = &mut self.products[tile][group];
            let cells = products.len();
            let (mine, theirs) = (&mine[at..at + cells], &theirs[at..at + cells]);
            for cell in 0..cells {
                products[cell] = products[cell].plus(mine[cell].times(theirs[cell]));
            }
            at += cells;
        }
        self.bits.clear();
        Ok(())
    }

    /// Steps 2 to 4: this worker's share of each tile's sums over all rows.
    pub(crate) fn finish(
        mut self,
        peer: &mut dyn Channel,
        dealer: Option<&mut dyn Channel>,
        dealer_seed: &PairSeed,
    ) -> Result<Vec<Share<u128>>, ProtocolError> {
        debug_assert!(self.pending.is_empty());
        // Step 2.
        let mut products = self.products.concat().concat();
        let mut dealt = match dealer {
            None => {
                let mut rho = vec![0; products.len()];
                dealer_seed.stream::<u16>(&self.names.own, "products", "result")?.fill(0, &mut rho);
                add_all(&mut products, &rho);
                None
            }
            Some(dealer) => {
                let mut inbox = Inbox::new(&self.names.dealer);
                let corrections = inbox.receive::<u16>(dealer, products.len())?;
                add_all(&mut products, &corrections);
                Some((inbox, dealer))
            }
        };
        // Step 3.
        let mut narrow: Vec<Whole> = self.tiles.iter().map(|tile| Whole::new(tile.cells)).collect();
        let mut bits = Vec::new();
        let mut at = 0;
        for (tile, groups) in self.products.iter().enumerate() {
            for group in groups {
                narrow[tile].add(&products[at..at + group.len()], &mut bits);
                at += group.len();
            }
        }
        let bits: Vec<u128> = bits.into_iter().map(u128::from).collect();
        let mut masks = dealer_seed.stream::<u128>(&self.names.last, side(self.is_left), "mask")?;
        let mut mask = vec![0; bits.len()];
        masks.fill(0, &mut mask);
        let masked: Vec<u128> = bits.iter().zip(&mask).map(|(bit, mask)| bit.minus(*mask)).collect();
        let mut body = Vec::new();
        u128::encode(&masked, &mut body);
        masks.used(0, masked.len(), &body);
        // Piece by piece in turn, so that neither end waits for ever for the other to read.
        let theirs = self.outbox.exchange::<u128>(&mut self.inbox, peer, &body)?;
        let mine = if self.is_left { &bits } else { &mask };
        let mut wide: Vec<Vec<u128>> = self.tiles.iter().map(|tile| vec![0; tile.cells]).collect();
        let mut at = 0;
        for (tile, groups) in self.products.iter().enumerate() {
            for group in groups {
                for (cell, sum) in wide[tile].iter_mut().enumerate() {
                    *sum = sum.plus(mine[at + cell].times(theirs[at + cell]));
                }
                at += group.len();
            }
        }
        // Step 4.
        let cells = wide.iter().map(Vec::len).sum();
        let corrections = match &mut dealt {
            None => {
                let mut rho = vec![0; cells];
                dealer_seed.stream::<u128>(&self.names.last, "products", "result")?.fill(0, &mut rho);
                rho
            }
            Some((inbox, dealer)) => inbox.receive::<u128>(*dealer, cells)?,
        };
        let mut at = 0;
        let mut shares = Vec::with_capacity(self.tiles.len());
        for ((whole, narrow), mut wide) in self.whole.iter().zip(&narrow).zip(wide) {
            let cells = wide.len();
            add_all(&mut wide, &corrections[at..at + cells]);
            at += cells;
            shares.push(Share::from_elements(whole.lifted(&narrow.lifted(&wide))));
        }
        Ok(shares)
    }
}

/// The dealer's part of a lift: it draws what each worker draws, in the same order.
pub(crate) struct DealtLift {
    names: Names,
    tiles: Vec<Tile>,
    ended: Vec<usize>,
    products: Vec<Vec<Vec<u16>>>,
    left: MaskStream<u16>,
    right: MaskStream<u16>,
    position: u64,
    masks: [Vec<u16>; 2],
}

impl DealtLift {
    pub(crate) fn new(
        step: &StepName,
        left_seed: &PairSeed,
        right_seed: &PairSeed,
        tiles: Vec<Tile>,
        rows: usize,
    ) -> Result<Self, ProtocolError> {
        let names = Names::of(step)?;
        Ok(Self {
            left: left_seed.stream(&names.own, side(true), "mask")?,
            right: right_seed.stream(&names.own, side(false), "mask")?,
            names,
            ended: vec![0; tiles.len()],
            products: tiles.iter().map(|tile| vec![vec![0; tile.cells]; tile.groups(rows)]).collect(),
            tiles,
            position: 0,
            masks: Default::default(),
        })
    }

    /// A stretch of a tile ended.
    pub(crate) fn add(&mut self, tile: usize) {
        let cells = self.tiles[tile].cells;
        self.masks.iter_mut().for_each(|mask| mask.resize(cells, 0));
        let [a, b] = &mut self.masks;
        self.left.fill(self.position, a);
        self.right.fill(self.position, b);
        self.position += cells as u64;
        let products = &mut self.products[tile][self.ended[tile] / FLUSHES];
        self.ended[tile] += 1;
        for cell in 0..cells {
            products[cell] = products[cell].plus(a[cell].times(b[cell]));
        }
    }

    /// Steps 2 and 4.
    pub(crate) fn finish(
        self,
        right: &mut dyn Channel,
        left_seed: &PairSeed,
        right_seed: &PairSeed,
    ) -> Result<(), ProtocolError> {
        let mut outbox = Outbox::new(&self.names.dealer);
        let products = self.products.concat().concat();
        let mut rho = left_seed.stream::<u16>(&self.names.own, "products", "result")?;
        outbox.send::<u16>(right, &inner_product::less_masks(&products, &mut rho))?;

        let bits = products.len();
        let [mut a, mut b] = [(); 2].map(|()| vec![0_u128; bits]);
        left_seed.stream::<u128>(&self.names.last, side(true), "mask")?.fill(0, &mut a);
        right_seed.stream::<u128>(&self.names.last, side(false), "mask")?.fill(0, &mut b);
        let mut sums: Vec<u128> = Vec::new();
        let mut at = 0;
        for groups in &self.products {
            let first = sums.len();
            sums.resize(first + groups.first().map_or(0, Vec::len), 0);
            for group in groups {
                for (cell, sum) in sums[first..].iter_mut().enumerate() {
                    *sum = sum.plus(a[at + cell].times(b[at + cell]));
                }
                at += group.len();
            }
        }
        // A tile without a single row still has its cells.
        let cells: usize = self.tiles.iter().map(|tile| tile.cells).sum();
        sums.resize(cells, 0);
        let mut rho = left_seed.stream::<u128>(&self.names.last, "products", "result")?;
        outbox.send::<u128>(right, &inner_product::less_masks(&sums, &mut rho))
    }
}

fn side(is_left: bool) -> &'static str {
    if is_left { "left" } else { "right" }
}

/// Adds numbers to sums, one by one.
pub(crate) fn add_all<R: Ring>(sums: &mut [R], more: &[R]) {
    for (sum, more) in sums.iter_mut().zip(more) {
        *sum = sum.plus(*more);
    }
}
