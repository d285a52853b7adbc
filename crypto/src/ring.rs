//! The rings that shares live in.
//!
//! Counts and sums are shared in ℤ/2¹⁶, ℤ/2³², ℤ/2⁶⁴ and ℤ/2¹²⁸, where the machine's own wrapping arithmetic is the
//! ring's. The prime field of 2⁶⁴ − 2³² + 1 is kept beside them, because checks against a party that
//! deviates need a field; every generic protocol is compiled and tested over it.

use zeroize::{Zeroize, Zeroizing};

use crate::kernel;

/// A finite commutative ring with a fixed width on the wire.
pub trait Ring: Copy + PartialEq + Eq + Zeroize + Send + Sync + 'static {
    /// Part of every stream's name, so that two rings never read one stream.
    const NAME: &'static str;
    /// Bytes of one element on the wire.
    const BYTES: usize;
    /// Bytes of a mask stream spent on one element.
    const STREAM_BYTES: usize;
    /// Neutral for addition.
    const ZERO: Self;
    /// Neutral for multiplication.
    const ONE: Self;

    /// Sum.
    fn plus(self, other: Self) -> Self;
    /// Difference.
    fn minus(self, other: Self) -> Self;
    /// Product.
    fn times(self, other: Self) -> Self;

    /// Additive inverse.
    #[inline(always)]
    fn negated(self) -> Self {
        Self::ZERO.minus(self)
    }

    /// Adds to `sums` the dot products of each of `left`'s columns with each of `right`'s, over stretch after stretch of rows.
    ///
    /// All columns are of one length. There is a sum for each stretch, the last of which may be shorter, for each column
    /// of left and for each of right, in this order.
    fn add_products(sums: &mut [Self], left: &[&[Self]], right: &[&[Self]], stretch: usize) {
        kernel::add_products(sums, left, right, stretch);
    }

    /// Appends the elements, little-endian, to a message.
    fn encode(elements: &[Self], message: &mut Vec<u8>);

    /// Reads little-endian elements into `elements`, which must be `bytes.len() / BYTES` long.
    ///
    /// # Errors
    /// [`NotAnElement`] where the lengths do not fit, or a number is outside the ring.
    fn decode(bytes: &[u8], elements: &mut [Self]) -> Result<(), NotAnElement>;

    /// Turns uniform bytes, [`Self::STREAM_BYTES`] for each element, which `read` writes, into uniform elements.
    fn draw(elements: &mut [Self], read: impl FnOnce(&mut [u8]));
}

/// A ring of machine words, ℤ/2ᵏ: its elements have bits.
pub trait Word: Ring {
    /// k.
    const BITS: usize;
    /// The representative in 0..2ᵏ.
    fn to_u128(self) -> u128;
    /// Reduces mod 2ᵏ.
    fn from_u128(value: u128) -> Self;
}

/// Bytes that are no list of ring elements of the length expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("these bytes are not elements of the ring")]
pub struct NotAnElement;

macro_rules! word_ring {
    ($word:ty, $name:literal $(, $add_products:path)?) => {
        impl Ring for $word {
            const NAME: &'static str = $name;
            const BYTES: usize = size_of::<$word>();
            const STREAM_BYTES: usize = size_of::<$word>();
            const ZERO: Self = 0;
            const ONE: Self = 1;

            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                self.wrapping_add(other)
            }

            #[inline(always)]
            fn minus(self, other: Self) -> Self {
                self.wrapping_sub(other)
            }

            #[inline(always)]
            fn times(self, other: Self) -> Self {
                self.wrapping_mul(other)
            }

            $(fn add_products(sums: &mut [Self], left: &[&[Self]], right: &[&[Self]], stretch: usize) {
                $add_products(sums, left, right, stretch);
            })?

            fn encode(elements: &[Self], message: &mut Vec<u8>) {
                match cfg!(target_endian = "little") {
                    true => message.extend_from_slice(bytemuck::cast_slice(elements)),
                    false => message.extend(elements.iter().flat_map(|element| element.to_le_bytes())),
                }
            }

            fn decode(bytes: &[u8], elements: &mut [Self]) -> Result<(), NotAnElement> {
                if bytes.len() != elements.len() * Self::BYTES {
                    return Err(NotAnElement);
                }
                Self::draw(elements, |places| places.copy_from_slice(bytes));
                Ok(())
            }

            fn draw(elements: &mut [Self], read: impl FnOnce(&mut [u8])) {
                read(bytemuck::cast_slice_mut(elements));
                // Nothing, where the machine's own order is the wire's.
                elements.iter_mut().for_each(|element| *element = Self::from_le(*element));
            }
        }

        impl Word for $word {
            const BITS: usize = <$word>::BITS as usize;

            #[inline(always)]
            fn to_u128(self) -> u128 {
                u128::from(self)
            }

            #[inline(always)]
            fn from_u128(value: u128) -> Self {
                value as Self
            }
        }
    };
}

word_ring!(u16, "z2-16", kernel::add_narrow_products);
word_ring!(u32, "z2-32");
word_ring!(u64, "z2-64");
word_ring!(u128, "z2-128");

/// An element of the prime field of p = 2⁶⁴ − 2³² + 1, always reduced.
#[derive(Clone, Copy, PartialEq, Eq, Default, Zeroize)]
pub struct Prime64(u64);

impl Prime64 {
    /// The field's size.
    pub const MODULUS: u64 = 0xffff_ffff_0000_0001;
    /// 2⁶⁴ mod p.
    const EPSILON: u64 = 0xffff_ffff;

    /// Reduces a number into the field.
    pub fn new(value: u64) -> Self {
        Self::reduce(u128::from(value))
    }

    /// The representative in 0..p.
    pub fn value(self) -> u64 {
        self.0
    }

    /// Reduces any 128-bit number.
    ///
    /// With x = lo + 2⁶⁴·mid + 2⁹⁶·hi (mid, hi below 2³²), 2⁶⁴ ≡ 2³² − 1 and 2⁹⁶ ≡ −1, so
    /// x ≡ lo − hi + (2³² − 1)·mid. Each carry or borrow of 2⁶⁴ is put right by 2³² − 1; neither
    /// correction can carry again, since hi < 2³² and (2³² − 1)·mid ≤ (2³² − 1)².
    #[inline]
    fn reduce(x: u128) -> Self {
        let low = x as u64;
        let middle = (x >> 64) as u64 & Self::EPSILON;
        let high = (x >> 96) as u64;
        let (difference, borrow) = low.overflowing_sub(high);
        let difference = difference.wrapping_sub(Self::EPSILON * u64::from(borrow));
        let (sum, carry) = difference.overflowing_add(Self::EPSILON * middle);
        let sum = sum.wrapping_add(Self::EPSILON * u64::from(carry));
        Self(if sum >= Self::MODULUS { sum - Self::MODULUS } else { sum })
    }
}

impl Ring for Prime64 {
    const NAME: &'static str = "p-64-32";
    const BYTES: usize = 8;
    /// 128 bits are reduced to one element: the distance from uniform is below 2⁻⁶⁴. Rejection would be exact,
    /// but a stream with rejections cannot be read at any position.
    const STREAM_BYTES: usize = 16;
    const ZERO: Self = Self(0);
    const ONE: Self = Self(1);

    #[inline]
    fn plus(self, other: Self) -> Self {
        Self::reduce(u128::from(self.0) + u128::from(other.0))
    }

    #[inline]
    fn minus(self, other: Self) -> Self {
        Self::reduce(u128::from(self.0) + u128::from(Self::MODULUS - other.0))
    }

    #[inline]
    fn times(self, other: Self) -> Self {
        Self::reduce(u128::from(self.0) * u128::from(other.0))
    }

    fn encode(elements: &[Self], message: &mut Vec<u8>) {
        message.extend(elements.iter().flat_map(|element| element.0.to_le_bytes()));
    }

    fn decode(bytes: &[u8], elements: &mut [Self]) -> Result<(), NotAnElement> {
        let mut words = vec![0u64; elements.len()];
        u64::decode(bytes, &mut words)?;
        for (element, word) in elements.iter_mut().zip(words) {
            // One number, one form: a second form of the same element could hide a change from a hash.
            if word >= Self::MODULUS {
                return Err(NotAnElement);
            }
            *element = Self(word);
        }
        Ok(())
    }

    fn draw(elements: &mut [Self], read: impl FnOnce(&mut [u8])) {
        let mut bytes = Zeroizing::new(vec![0; elements.len() * Self::STREAM_BYTES]);
        read(&mut bytes);
        for (element, place) in elements.iter_mut().zip(bytes.chunks_exact(Self::STREAM_BYTES)) {
            *element = Self::reduce(u128::from_le_bytes(place.try_into().expect("chunks have 16 bytes")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Dice;

    fn laws<R: Ring>(mut draw: impl FnMut() -> R) {
        for _ in 0..200 {
            let (a, b, c) = (draw(), draw(), draw());
            assert!(a.plus(b) == b.plus(a) && a.times(b) == b.times(a));
            assert!(a.plus(b).plus(c) == a.plus(b.plus(c)) && a.times(b).times(c) == a.times(b.times(c)));
            assert!(a.times(b.plus(c)) == a.times(b).plus(a.times(c)));
            assert!(a.minus(b).plus(b) == a && a.plus(a.negated()) == R::ZERO && a.times(R::ONE) == a);
            let mut message = Vec::new();
            R::encode(&[a, b, c], &mut message);
            assert_eq!(message.len(), 3 * R::BYTES);
            let mut back = [R::ZERO; 3];
            R::decode(&message, &mut back).expect("own encoding");
            assert!(back == [a, b, c]);
            assert_eq!(R::decode(&message[1..], &mut back), Err(NotAnElement));
        }
    }

    #[test]
    fn every_ring_obeys_the_laws_and_comes_back_from_the_wire() {
        let mut dice = Dice::seeded(1);
        laws::<u16>(|| dice.next() as u16);
        laws::<u32>(|| dice.next() as u32);
        laws::<u64>(|| dice.next());
        laws::<u128>(|| dice.wide());
        laws::<Prime64>(|| Prime64::new(dice.next()));
    }

    #[test]
    fn the_prime_field_reduces_as_division_does() {
        let mut dice = Dice::seeded(2);
        let p = u128::from(Prime64::MODULUS);
        let edges =
            [0, 1, p - 1, p, p + 1, 1 << 64, 1 << 96, u128::MAX, u128::MAX - 1, p * p, (p - 1) * (p - 1)];
        let random = (0..10_000).map(|_| u128::from(dice.next()) << 64 | u128::from(dice.next()));
        for x in edges.into_iter().chain(random) {
            assert_eq!(u128::from(Prime64::reduce(x).0), x % p);
        }
    }

    #[test]
    fn a_number_outside_the_field_is_refused() {
        let mut element = [Prime64::ZERO];
        assert_eq!(Prime64::decode(&Prime64::MODULUS.to_le_bytes(), &mut element), Err(NotAnElement));
        assert_eq!(Prime64::decode(&u64::MAX.to_le_bytes(), &mut element), Err(NotAnElement));
    }
}
