//! How many decoys: a shifted, truncated two-sided geometric law, sampled exactly from a keyed function.
//!
//! The broker sees the size of an overlap of two token lists. Decoys blur it: with Z from the law
//! P(Z = z) ∝ exp(−ε|z|) (the discrete Laplace law), s + Z decoys are added, where s makes up for negative Z and
//! |Z| > s is drawn again. Neighbouring sizes are then told apart with at most (ε, δ), δ bounding the
//! mass cut off.
//!
//! The number is a function of a key and of the state of what is blurred, not fresh: fresh numbers would
//! average out over sessions. All parties that hold the key must get the same number on every platform, so there
//! is no floating point: ε is a fraction, and the sampler uses whole numbers only.
//!
//! Source: C. Canonne, G. Kamath, T. Steinke, "The Discrete Gaussian for Differential Privacy", NeurIPS 2020,
//! section 5.2 (Algorithm 1, Bernoulli(exp(−γ)); Algorithm 2, the discrete Laplace law).

use crate::primitive::{Keystream, keyed_hash};

/// A law of the number of decoys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecoyLaw {
    epsilon: (u32, u32),
    delta_exponent: u32,
    shift: u32,
}

/// A law that protects nobody, or that would need absurdly many decoys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("epsilon and delta must be positive, and ask for at most {} decoys", DecoyLaw::MAX_SHIFT)]
pub struct BadDecoyLaw;

impl DecoyLaw {
    /// Largest shift accepted.
    pub const MAX_SHIFT: u32 = 1_000_000;

    /// The law with ε = `epsilon.0 / epsilon.1` and δ = 10^−`delta_exponent`.
    ///
    /// # Errors
    /// [`BadDecoyLaw`] where ε or the exponent is 0 or the shift is above [`Self::MAX_SHIFT`].
    pub fn new(epsilon: (u32, u32), delta_exponent: u32) -> Result<Self, BadDecoyLaw> {
        let (numerator, denominator) = (u128::from(epsilon.0), u128::from(epsilon.1));
        if numerator == 0 || denominator == 0 || delta_exponent == 0 {
            return Err(BadDecoyLaw);
        }
        // The least s with exp(−εs) ≤ δ is ⌈ln(1/δ)/ε⌉; ln 10 is rounded up, so s never falls short. The mass
        // beyond s is 2·exp(−ε(s+1)) / (1 + exp(−ε)) ≤ δ.
        let shift = 2_302_586 * u128::from(delta_exponent) * denominator / (1_000_000 * numerator) + 1;
        let shift = u32::try_from(shift).map_err(|_| BadDecoyLaw)?;
        if shift > Self::MAX_SHIFT {
            return Err(BadDecoyLaw);
        }
        Ok(Self { epsilon, delta_exponent, shift })
    }

    /// ε as a fraction, and the d of δ = 10⁻ᵈ.
    pub fn parameters(&self) -> ((u32, u32), u32) {
        (self.epsilon, self.delta_exponent)
    }

    /// s: the number of decoys is s on average and never above 2s.
    pub fn shift(&self) -> u32 {
        self.shift
    }

    /// The largest number of decoys.
    pub fn max(&self) -> u32 {
        2 * self.shift
    }

    /// The number of decoys for this state of what is blurred, between 0 and [`Self::max`].
    ///
    /// The same key and label give the same number everywhere and for ever.
    pub fn count(&self, key: &[u8; 32], label: &[u8]) -> u32 {
        let mut bits = Bits::new(key, label);
        let shift = i64::from(self.shift);
        loop {
            let z = discrete_laplace(&mut bits, self.epsilon);
            if (-shift..=shift).contains(&z) {
                return u32::try_from(shift + z).expect("between 0 and twice the shift");
            }
        }
    }
}

/// Algorithm 2: z with probability ∝ exp(−|z|·p/q).
fn discrete_laplace(bits: &mut Bits, (p, q): (u32, u32)) -> i64 {
    let (p, q) = (u64::from(p), u64::from(q));
    loop {
        let u = bits.below(q);
        if !bernoulli_exp(bits, u, q) {
            continue;
        }
        let mut v = 0;
        while bernoulli_exp(bits, 1, 1) {
            v += 1;
        }
        let y = i64::try_from((u + q * v) / p).expect("a geometric number of 32-bit steps");
        let negative = bits.below(2) == 1;
        // Zero must not be counted from both sides.
        if !(negative && y == 0) {
            return if negative { -y } else { y };
        }
    }
}

/// Algorithm 1: true with probability exp(−n/d), for n ≤ d.
fn bernoulli_exp(bits: &mut Bits, n: u64, d: u64) -> bool {
    let mut k = 1;
    while bits.below(d * k) < n {
        k += 1;
    }
    k % 2 == 1
}

/// An endless stream of uniform numbers: AES-128 in counter mode under HMAC(key, purpose, label).
struct Bits {
    keystream: Keystream,
    position: u128,
}

impl Bits {
    fn new(key: &[u8; 32], label: &[u8]) -> Self {
        let hash = keyed_hash(key, &[b"kobling decoy count v1", label]);
        let key: &[u8; 16] = hash.first_chunk().expect("a hash has 32 bytes");
        Self { keystream: Keystream::new(key), position: 0 }
    }

    /// Uniform below `bound`: masked to the bits needed, and drawn again where too large.
    fn below(&mut self, bound: u64) -> u64 {
        let mask = u64::MAX.checked_shr((bound - 1).leading_zeros()).unwrap_or(0);
        loop {
            let mut bytes = [0; 8];
            self.keystream.read(self.position, &mut bytes);
            self.position += 8;
            let number = u64::from_le_bytes(bytes) & mask;
            if number < bound {
                return number;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(law: DecoyLaw, draws: u32) -> Vec<u32> {
        let mut counts = vec![0; law.max() as usize + 1];
        for draw in 0..draws {
            counts[law.count(&[3; 32], &draw.to_le_bytes()) as usize] += 1;
        }
        counts
    }

    #[test]
    fn the_shift_is_the_least_that_cuts_off_no_more_than_delta() {
        for (epsilon, d) in [((1, 2), 6), ((1, 1), 9), ((3, 2), 4), ((1, 10), 12), ((7, 3), 1)] {
            let law = DecoyLaw::new(epsilon, d).expect("a law");
            let (e, s) = (f64::from(epsilon.0) / f64::from(epsilon.1), f64::from(law.shift()));
            let delta = 10f64.powi(-(d as i32));
            assert!((-e * s).exp() <= delta);
            assert!((-e * (s - 2.0)).exp() > delta, "more decoys than needed");
            assert!(2.0 * (-e * (s + 1.0)).exp() / (1.0 + (-e).exp()) <= delta);
        }
    }

    #[test]
    fn laws_that_protect_nobody_are_refused() {
        for (epsilon, d) in [((0, 1), 6), ((1, 0), 6), ((1, 1), 0), ((1, u32::MAX), 6)] {
            assert_eq!(DecoyLaw::new(epsilon, d), Err(BadDecoyLaw));
        }
    }

    #[test]
    fn the_numbers_follow_the_law() {
        // Chi-square against the exact law. 99.99 % of samples of a right sampler stay below the bound; the
        // sample is fixed, so the test is deterministic.
        for epsilon in [(1, 2), (2, 3), (3, 2)] {
            let law = DecoyLaw::new(epsilon, 3).expect("a law");
            let draws = 40_000;
            let e = f64::from(epsilon.0) / f64::from(epsilon.1);
            let weight = |count: usize| (-e * (count as f64 - f64::from(law.shift())).abs()).exp();
            let total: f64 = (0..=law.max() as usize).map(weight).sum();
            let (mut statistic, mut freedom) = (0.0, -1.0);
            for (count, seen) in counts(law, draws).into_iter().enumerate() {
                let expected = f64::from(draws) * weight(count) / total;
                if expected >= 5.0 {
                    statistic += (f64::from(seen) - expected).powi(2) / expected;
                    freedom += 1.0;
                }
            }
            let bound: f64 = freedom + 4.0 * (2.0f64 * freedom).sqrt() + 8.0;
            assert!(statistic < bound, "chi-square {statistic} on {freedom}");
        }
    }

    #[test]
    fn the_number_is_a_function_of_key_and_label() {
        let law = DecoyLaw::new((1, 20), 6).expect("a law");
        assert_eq!(law.count(&[1; 32], b"state"), law.count(&[1; 32], b"state"));
        let labels =
            (0..20u8).map(|label| law.count(&[1; 32], &[label])).collect::<std::collections::HashSet<_>>();
        let keys =
            (0..20u8).map(|key| law.count(&[key; 32], b"state")).collect::<std::collections::HashSet<_>>();
        assert!(labels.len() > 10 && keys.len() > 10);
    }
}
