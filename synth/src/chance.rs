//! Chance without memory: every draw is a function of the seed and of what is drawn, so that any unit can be made by
//! itself, in any order, and nothing that was drawn before has to be kept.
//!
//! The mixing function is that of SplitMix64 (G. L. Steele, D. Lea, C. H. Flood, "Fast splittable pseudorandom number
//! generators", OOPSLA 2014). It makes believable data, not secrets.

/// The odd number nearest to 2⁶⁴ over the golden ratio.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

fn mix(bits: u64) -> u64 {
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// What is drawn, from the seed downwards: a purpose, a variable, a unit, a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key(u64);

impl Key {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(mix(seed.wrapping_add(STEP)))
    }

    /// The key of a purpose or a variable below this one.
    pub(crate) fn of(self, word: &str) -> Self {
        // FNV-1a tells words apart; the mixing spreads them.
        let hash = word.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        self.at(hash)
    }

    /// The key of a number below this one.
    pub(crate) fn at(self, number: u64) -> Self {
        Self(mix(self.0 ^ mix(number.wrapping_add(STEP))))
    }

    pub(crate) fn draws(self) -> Draws {
        Draws(self.0)
    }

    /// The only draw of this key: below `bound`.
    pub(crate) fn below(self, bound: u64) -> u64 {
        self.draws().below(bound)
    }
}

/// The draws of one key, one after the other.
#[derive(Clone, Debug)]
pub(crate) struct Draws(u64);

impl Draws {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mix(self.0)
    }

    /// Uniform below `bound`, which is not 0. Off by less than `bound` in 2⁶⁴.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(bound)) >> 64) as u64
    }

    /// Uniform in `low..=high`.
    pub(crate) fn between(&mut self, low: i32, high: i32) -> i32 {
        let width = (i64::from(high) - i64::from(low)).max(0) as u64 + 1;
        (i64::from(low) + self.below(width) as i64) as i32
    }

    /// Uniform in [0, 1).
    pub(crate) fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// True with this probability.
    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Near the standard normal distribution: a sum of eight uniforms, at most 4.9 away from 0.
    pub(crate) fn normal(&mut self) -> f64 {
        let mut sum = 0;
        for _ in 0..2 {
            let bits = self.bits();
            sum += (bits & 0xffff) + (bits >> 16 & 0xffff) + (bits >> 32 & 0xffff) + (bits >> 48);
        }
        (sum as f64 / 65_535.0 - 4.0) * 1.224_744_871_391_589
    }
}

/// A scattered order of the numbers below `size`: each comes once, and both directions are computed.
///
/// A Feistel network of four rounds over an even number of bits, walked until it is back in range (J. Black, P. Rogaway,
/// "Ciphers with arbitrary finite domains", CT-RSA 2002, section 3).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Order {
    key: Key,
    size: u64,
    half: u32,
}

impl Order {
    pub(crate) fn new(key: Key, size: u64) -> Self {
        let bits = 64 - size.saturating_sub(1).leading_zeros();
        Self { key, size, half: bits.div_ceil(2).max(1) }
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// The number at this place of the order. The place is below the size.
    pub(crate) fn at(&self, place: u64) -> u64 {
        self.walk(place, |left, right, round| (right, left ^ self.round(right, round)), [0, 1, 2, 3])
    }

    /// The place of this number.
    pub(crate) fn place(&self, number: u64) -> u64 {
        self.walk(number, |left, right, round| (right ^ self.round(left, round), left), [3, 2, 1, 0])
    }

    fn round(&self, half: u64, round: u64) -> u64 {
        mix(self.key.0 ^ mix(half << 2 | round)) & self.mask()
    }

    fn mask(&self) -> u64 {
        (1 << self.half) - 1
    }

    fn walk(&self, from: u64, step: impl Fn(u64, u64, u64) -> (u64, u64), rounds: [u64; 4]) -> u64 {
        assert!(from < self.size, "places and numbers are below the size");
        let mut at = from;
        loop {
            let (mut left, mut right) = (at >> self.half, at & self.mask());
            for round in rounds {
                (left, right) = step(left, right, round);
            }
            at = left << self.half | right;
            if at < self.size {
                return at;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_has_each_number_once_and_can_be_turned_around() {
        for size in [1, 2, 3, 5, 16, 17, 1000, 4097] {
            let order = Order::new(Key::seeded(size), size);
            let mut numbers: Vec<u64> = (0..size).map(|place| order.at(place)).collect();
            for (place, number) in numbers.iter().enumerate() {
                assert_eq!(order.place(*number), place as u64);
            }
            numbers.sort_unstable();
            assert_eq!(numbers, (0..size).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_generator_is_splitmix64() {
        // The first outputs for the state 1234567 (the values that the Java and C implementations give).
        let mut draws = Draws(1_234_567);
        assert_eq!([draws.bits(), draws.bits()], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
    }

    #[test]
    fn draws_have_the_moments_they_should_have() {
        let key = Key::seeded(3);
        let normals: Vec<f64> = (0..100_000).map(|n| key.at(n).draws().normal()).collect();
        let mean = normals.iter().sum::<f64>() / 1e5;
        let variance = normals.iter().map(|x| x * x).sum::<f64>() / 1e5;
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.02, "{mean} {variance}");
        let below = (0..100_000).filter(|n| key.at(*n).below(10) < 3).count();
        assert!((29_000..31_000).contains(&below), "{below}");
        assert_ne!(key.of("A"), key.of("B"));
    }
}
