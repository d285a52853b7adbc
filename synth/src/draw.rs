//! Draws from one seeded stream: the only source of chance in this crate.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A stream of draws, equal for equal seeds.
pub struct Draw(ChaCha8Rng);

impl Draw {
    pub fn seeded(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// Uniform in [0, 1).
    pub fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// True with this probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Uniform in `from..=to`.
    pub fn between(&mut self, from: i32, to: i32) -> i32 {
        let width = f64::from(to) - f64::from(from) + 1.0;
        from + (self.unit() * width) as i32
    }

    /// Near the normal distribution: the sum of twelve uniforms. At most
    /// six standard deviations away.
    pub fn normal(&mut self, mean: f64, deviation: f64) -> f64 {
        // Three draws of 64 bits hold twelve of 16.
        let mut sum = 0;
        for _ in 0..3 {
            let bits = self.0.next_u64();
            sum += (bits & 0xffff) + (bits >> 16 & 0xffff) + (bits >> 32 & 0xffff) + (bits >> 48);
        }
        mean + deviation * (sum as f64 / 65_535.0 - 6.0)
    }

    /// Exponentially distributed with this mean.
    pub fn waiting(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }

    /// An index of `weights` with a chance in proportion to its weight.
    pub fn among(&mut self, weights: impl Iterator<Item = f64> + Clone) -> usize {
        let total: f64 = weights.clone().sum();
        let mut left = self.unit() * total;
        let mut last = 0;
        for (at, weight) in weights.enumerate() {
            if weight > 0.0 {
                if left < weight {
                    return at;
                }
                last = at;
            }
            left -= weight;
        }
        // Only rounding leads here.
        last
    }

    /// An index of a list given by its running sums of weights.
    pub fn among_sums(&mut self, sums: &[f64]) -> usize {
        let total = sums.last().copied().unwrap_or_default();
        let wanted = self.unit() * total;
        sums.partition_point(|sum| *sum <= wanted).min(sums.len() - 1)
    }
}

/// Running sums, for [`Draw::among_sums`].
pub fn sums(weights: impl Iterator<Item = f64>) -> Vec<f64> {
    let running = weights.scan(0.0, |sum, weight| {
        *sum += weight;
        Some(*sum)
    });
    running.collect()
}
