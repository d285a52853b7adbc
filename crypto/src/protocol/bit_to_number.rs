//! From shared bits to shared numbers in any ring.
//!
//! The dealer has a random bit ρ for each bit x, shared in both forms: by XOR, and as the number r. With x ⊕ ρ opened, x is r where that
//! is 0, and 1 − r where it is 1.
//!
//! | step | message | size | what the receiver learns |
//! | --- | --- | --- | --- |
//! | 1 | dealer → right: r₁ = ρ − r₀ | an element a bit | nothing: r₀ is left's, fresh, and used for nothing else |
//! | 2 | worker ↔ worker: own part of x ⊕ ρ | 8 bytes for 64 bits | nothing: the sender's part of ρ is unknown to it, and used once |
//!
//! Left draws ρ₀ and r₀ from its seed with the dealer, right ρ₁ from its own. All bits of a call take one round together. The dealer learns
//! nothing: it receives no message. The way back is an adder of the two shares' bits ([`super::adder`]).
//!
//! Source: D. Rotaru and T. Wood, "MArBled Circuits", INDOCRYPT 2019, section 3 (shared bits in both forms), here from a dealer, which
//! makes them exact without checks.

use crate::protocol::ProtocolError;
use crate::protocol::engine::{Engine, Part};
use crate::ring::Ring;
use crate::roles::Role;
use crate::share::{BitShare, Share};

impl Engine<'_> {
    /// Each bit as the number 0 or 1, all in one round; one element a lane.
    ///
    /// Cost: 8 bytes for each 64 lanes to each worker, an element a lane from the dealer.
    ///
    /// # Errors
    /// [`ProtocolError::Channel`].
    pub fn to_numbers<R: Ring>(&mut self, wires: &[&BitShare]) -> Result<Vec<Share<R>>, ProtocolError> {
        let words: Vec<u64> = wires.iter().flat_map(|wire| wire.words().iter().copied()).collect();
        let (rho, numbers) = self.shared_bits::<R>(words.len())?;
        let masked: Vec<u64> = words.iter().zip(&rho).map(|(word, rho)| word ^ rho).collect();
        let theirs = self.exchange(&masked, words.len())?;
        let opened: Vec<u64> = masked.iter().zip(&theirs).map(|(mine, theirs)| mine ^ theirs).collect();
        let one = if self.role() == Role::Left { R::ONE } else { R::ZERO };
        let mut first_word = 0;
        let number = |wire: &&BitShare| {
            let elements = (0..wire.lanes()).map(|lane| {
                let (word, bit) = (first_word + lane / 64, lane % 64);
                let rho = numbers[word * 64 + bit];
                if opened[word] >> bit & 1 == 1 { one.minus(rho) } else { rho }
            });
            let share = Share::from_elements(elements.collect());
            first_word += wire.words().len();
            share
        };
        Ok(wires.iter().map(number).collect())
    }

    /// Random bits, 64 a word, and the same bits as numbers.
    fn shared_bits<R: Ring>(&mut self, words: usize) -> Result<(Vec<u64>, Vec<R>), ProtocolError> {
        let count = words * 64;
        match &mut self.part {
            Part::Left { dealer, .. } => {
                let numbers = dealer.draw(count);
                Ok((dealer.draw(words), numbers))
            }
            Part::Right { dealer, .. } => {
                let rho = dealer.draw(words);
                Ok((rho, self.correction(count)?))
            }
            Part::Dealer { left_tape, right_tape, .. } => {
                let numbers = left_tape.draw::<R>(count);
                let mask_bytes = count * R::STREAM_BYTES + words * 8;
                let rho: Vec<u64> = left_tape
                    .draw::<u64>(words)
                    .iter()
                    .zip(right_tape.draw::<u64>(words))
                    .map(|(left, right)| left ^ right)
                    .collect();
                let bit = |i: usize| if rho[i / 64] >> (i % 64) & 1 == 1 { R::ONE } else { R::ZERO };
                let correction: Vec<R> = (0..count).map(|i| bit(i).minus(numbers[i])).collect();
                self.deal(&correction, mask_bytes)?;
                Ok((vec![0; words], vec![R::ZERO; count]))
            }
        }
    }
}
