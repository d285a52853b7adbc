//! Products of shared bits, and of shared numbers in any ring.
//!
//! The dealer has random a and b for each pair, and c = ab, in parts of left and right. With what has been opened, d = x − a and
//! e = y − b, both workers have their parts of
//!
//! ```text
//! xy = c + d·b + e·a + d·e          the last term added by left; for bits with ⊕ in place of + and −
//! ```
//!
//! | step | message | size | what the receiver learns |
//! | --- | --- | --- | --- |
//! | 1 | dealer → right: c₁ = ab − c₀ | an element a pair; 8 bytes for 64 bits | nothing: c₀ is left's, fresh, and used for nothing else |
//! | 2 | worker ↔ worker: own parts of d and e | two elements a pair; 16 bytes for 64 bits | nothing: the sender's parts of a and b are unknown to it, and used in one product |
//!
//! Left draws a₀, b₀, c₀ from its seed with the dealer, right a₁, b₁ from its own. All pairs of a call take one round together. The dealer
//! learns nothing: it receives no message.
//!
//! Source: D. Beaver, "Efficient multiparty protocols using circuit randomization", CRYPTO 1991.

use crate::protocol::ProtocolError;
use crate::protocol::engine::{Engine, Part};
use crate::ring::Ring;
use crate::roles::Role;
use crate::share::{BitShare, Share};

/// One worker's parts of random a and b and of c = ab.
type Triples<T> = (Vec<T>, Vec<T>, Vec<T>);

impl Engine<'_> {
    /// AND of each pair, all in one round. Pairs may differ in lanes.
    ///
    /// Cost: 16 bytes for each 64 lanes to each worker, 8 from the dealer.
    ///
    /// # Errors
    /// [`ProtocolError::Channel`].
    ///
    /// # Panics
    /// Where the two of a pair differ in lanes.
    pub fn and(&mut self, pairs: &[(&BitShare, &BitShare)]) -> Result<Vec<BitShare>, ProtocolError> {
        let mut x = Vec::new();
        let mut y = Vec::new();
        for (one, other) in pairs {
            assert_eq!(one.lanes(), other.lanes(), "bits of one shape");
            x.extend_from_slice(one.words());
            y.extend_from_slice(other.words());
        }
        let count = x.len();
        let (a, b, c) =
            self.triples::<u64>(count, |[a_0, a_1], [b_0, b_1], c_0| (a_0 ^ a_1) & (b_0 ^ b_1) ^ c_0)?;
        let masked: Vec<u64> = x.iter().zip(&a).chain(y.iter().zip(&b)).map(|(x, a)| x ^ a).collect();
        let theirs = self.exchange(&masked, 2 * count)?;
        let opened: Vec<u64> = masked.iter().zip(&theirs).map(|(mine, theirs)| mine ^ theirs).collect();
        let (d, e) = opened.split_at(count);
        let both = if self.role() == Role::Left { u64::MAX } else { 0 };
        let mut product = (0..count).map(|i| c[i] ^ d[i] & b[i] ^ e[i] & a[i] ^ d[i] & e[i] & both);
        let wire = |(one, _): &(&BitShare, &BitShare)| {
            BitShare::from_words(one.lanes(), product.by_ref().take(one.words().len()).collect())
        };
        Ok(pairs.iter().map(wire).collect())
    }

    /// Product of each pair, element by element, all in one round. Pairs may differ in length.
    ///
    /// Cost: two elements for each element to each worker, one from the dealer.
    ///
    /// # Errors
    /// [`ProtocolError::Channel`].
    ///
    /// # Panics
    /// Where the two of a pair differ in length.
    pub fn multiply<R: Ring>(
        &mut self,
        pairs: &[(&Share<R>, &Share<R>)],
    ) -> Result<Vec<Share<R>>, ProtocolError> {
        let mut x = Vec::new();
        let mut y = Vec::new();
        for (one, other) in pairs {
            assert_eq!(one.len(), other.len(), "shares of one shape");
            x.extend_from_slice(one.elements());
            y.extend_from_slice(other.elements());
        }
        let count = x.len();
        let (a, b, c) = self.triples::<R>(count, |[a_0, a_1], [b_0, b_1], c_0| {
            a_0.plus(a_1).times(b_0.plus(b_1)).minus(c_0)
        })?;
        let masked: Vec<R> = x.iter().zip(&a).chain(y.iter().zip(&b)).map(|(x, a)| x.minus(*a)).collect();
        let theirs = self.exchange(&masked, 2 * count)?;
        let opened: Vec<R> = masked.iter().zip(&theirs).map(|(mine, theirs)| mine.plus(*theirs)).collect();
        let (d, e) = opened.split_at(count);
        let both = if self.role() == Role::Left { R::ONE } else { R::ZERO };
        let mut product = (0..count).map(|i| {
            let crossed = d[i].times(b[i]).plus(e[i].times(a[i]));
            c[i].plus(crossed).plus(d[i].times(e[i]).times(both))
        });
        let share = |(one, _): &(&Share<R>, &Share<R>)| {
            Share::from_elements(product.by_ref().take(one.len()).collect())
        };
        Ok(pairs.iter().map(share).collect())
    }

    /// Triples in a ring, or of bits: `correction` makes c₁ from both workers' parts of a, of b, and c₀.
    fn triples<T: Ring>(
        &mut self,
        count: usize,
        correction: impl Fn([T; 2], [T; 2], T) -> T,
    ) -> Result<Triples<T>, ProtocolError> {
        match &mut self.part {
            Part::Left { dealer, .. } => Ok((dealer.draw(count), dealer.draw(count), dealer.draw(count))),
            Part::Right { dealer, .. } => {
                let (a, b) = (dealer.draw(count), dealer.draw(count));
                Ok((a, b, self.correction(count)?))
            }
            Part::Dealer { left_tape, right_tape, .. } => {
                let [a, b, c] = [(); 3].map(|()| left_tape.draw::<T>(count));
                let [a_1, b_1] = [(); 2].map(|()| right_tape.draw::<T>(count));
                let corrections = (0..count).map(|i| correction([a[i], a_1[i]], [b[i], b_1[i]], c[i]));
                let corrections: Vec<T> = corrections.collect();
                self.deal(&corrections, count * T::STREAM_BYTES)?;
                Ok((vec![T::ZERO; count], vec![T::ZERO; count], vec![T::ZERO; count]))
            }
        }
    }
}
