//! Additive and bitwise shares, and the evidence without which none is opened.

use std::fmt;

use zeroize::Zeroize;

use crate::ring::Ring;

/// One worker's additive share of a vector: the two workers' shares sum to it.
///
/// Either share alone is uniform, so it is safe with its holder and must not meet its sibling outside
/// their sum. There is no equality: shares of equal vectors differ. `Debug` shows the
/// shape only; the elements are wiped when dropped. Everything offered here is linear, is done by both
/// workers alike, and needs no message.
#[must_use]
pub struct Share<T: Ring> {
    elements: Vec<T>,
}

impl<T: Ring> Share<T> {
    /// A worker's part of a vector: its own private vector (the other worker then takes [`Self::zeros`]), or
    /// what a protocol gave it.
    pub fn from_elements(elements: Vec<T>) -> Self {
        Self { elements }
    }

    /// The part of a worker that adds nothing to a vector of this length.
    pub fn zeros(length: usize) -> Self {
        Self { elements: vec![T::ZERO; length] }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.elements.len()
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.elements.is_empty()
    }

    /// A share of the sum, element by element.
    ///
    /// # Panics
    /// Where the lengths differ: shapes are public and come from the plan.
    pub fn plus(&self, other: &Self) -> Self {
        self.zip(other, T::plus)
    }

    /// A share of the difference, element by element.
    ///
    /// # Panics
    /// Where the lengths differ.
    pub fn minus(&self, other: &Self) -> Self {
        self.zip(other, T::minus)
    }

    /// A share of the vector times a public number.
    pub fn times(&self, factor: T) -> Self {
        Self { elements: self.elements.iter().map(|element| element.times(factor)).collect() }
    }

    /// A share of the elements at these places, in this order, repeats allowed.
    ///
    /// # Panics
    /// Where a place is outside.
    pub fn select(&self, places: impl IntoIterator<Item = usize>) -> Self {
        Self { elements: places.into_iter().map(|place| self.elements[place]).collect() }
    }

    /// A share of sums: element `from` is added into place `to` of a vector of `length`, for each pair.
    ///
    /// # Panics
    /// Where a place is outside.
    pub fn gather(&self, length: usize, pairs: impl IntoIterator<Item = (usize, usize)>) -> Self {
        let mut sums = Self::zeros(length);
        for (from, to) in pairs {
            sums.elements[to] = sums.elements[to].plus(self.elements[from]);
        }
        sums
    }

    /// A share of this vector followed by the other.
    pub fn followed_by(&self, other: &Self) -> Self {
        Self { elements: self.elements.iter().chain(&other.elements).copied().collect() }
    }

    /// Hands the share to whoever adds the partial aggregates up, using up the permit.
    ///
    /// The caller has added a fresh sharing of zero, so that the part says nothing beyond the sum.
    pub fn release(mut self, _permit: &OpeningPermit) -> Vec<T> {
        std::mem::take(&mut self.elements)
    }

    pub(crate) fn elements(&self) -> &[T] {
        &self.elements
    }

    fn zip(&self, other: &Self, operation: impl Fn(T, T) -> T) -> Self {
        assert_eq!(self.len(), other.len(), "shares of one shape");
        let elements = self.elements.iter().zip(&other.elements).map(|(a, b)| operation(*a, *b)).collect();
        Self { elements }
    }
}

impl Share<u128> {
    /// The same numbers mod 2³²: reduction is a ring homomorphism, so each party reduces its own share.
    pub fn reduced(&self) -> Share<u32> {
        Share { elements: self.elements.iter().map(|element| *element as u32).collect() }
    }
}

impl<T: Ring> fmt::Debug for Share<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Share({} × {})", self.len(), T::NAME)
    }
}

impl<T: Ring> Drop for Share<T> {
    fn drop(&mut self) {
        self.elements.zeroize();
    }
}

/// One worker's XOR share of a bit in each of many lanes, 64 lanes to a word.
///
/// A circuit is evaluated on all lanes (cells) at once. Bits of the last word beyond the lanes are noise and
/// mean nothing. As with [`Share`] there is no equality, and `Debug` shows the shape only.
#[must_use]
pub struct BitShare {
    lanes: usize,
    words: Vec<u64>,
}

impl BitShare {
    /// The share of a worker that flips no lane; a share of 0 where both take it.
    pub fn zeros(lanes: usize) -> Self {
        Self { lanes, words: vec![0; lanes.div_ceil(64)] }
    }

    /// Number of lanes.
    pub fn lanes(&self) -> usize {
        self.lanes
    }

    /// A share of the exclusive or.
    ///
    /// # Panics
    /// Where the lanes differ.
    pub fn xor(&self, other: &Self) -> Self {
        let mut sum = self.copied();
        sum.xor_assign(other);
        sum
    }

    /// Turns this into a share of the exclusive or.
    ///
    /// # Panics
    /// Where the lanes differ.
    pub fn xor_assign(&mut self, other: &Self) {
        assert_eq!(self.lanes, other.lanes, "bits of one shape");
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            *word ^= other;
        }
    }

    /// A share of the bit of the first lane in every one of `lanes`.
    ///
    /// # Panics
    /// Where there is no lane.
    pub fn broadcast(&self, lanes: usize) -> Self {
        Self { lanes, words: vec![(self.words[0] & 1).wrapping_neg(); lanes.div_ceil(64)] }
    }

    /// The lanes of this wire, then those of another.
    pub(crate) fn followed_by(&self, other: &Self) -> Self {
        let mut joined = Self::zeros(self.lanes + other.lanes);
        for lane in 0..self.lanes {
            joined.words[lane / 64] |= u64::from(self.lane(lane)) << (lane % 64);
        }
        for lane in 0..other.lanes {
            let at = self.lanes + lane;
            joined.words[at / 64] |= u64::from(other.lane(lane)) << (at % 64);
        }
        joined
    }

    /// Some neighbouring lanes.
    pub(crate) fn part(&self, lanes: std::ops::Range<usize>) -> Self {
        let mut part = Self::zeros(lanes.len());
        for (to, from) in lanes.enumerate() {
            part.words[to / 64] |= u64::from(self.lane(from)) << (to % 64);
        }
        part
    }

    pub(crate) fn from_words(lanes: usize, words: Vec<u64>) -> Self {
        assert_eq!(words.len(), lanes.div_ceil(64), "64 lanes to a word");
        Self { lanes, words }
    }

    /// Bit number `bit` of each value, as a share of the worker that knows the values.
    pub(crate) fn of_bit<V: Into<u128>>(values: impl ExactSizeIterator<Item = V>, bit: usize) -> Self {
        let mut share = Self::zeros(values.len());
        for (lane, value) in values.enumerate() {
            share.words[lane / 64] |= ((value.into() >> bit & 1) as u64) << (lane % 64);
        }
        share
    }

    pub(crate) fn words(&self) -> &[u64] {
        &self.words
    }

    /// A copy within the crate; nothing outside needs two of one share.
    pub(crate) fn copied(&self) -> Self {
        Self { lanes: self.lanes, words: self.words.clone() }
    }

    pub(crate) fn flip(&mut self) {
        for word in &mut self.words {
            *word = !*word;
        }
    }

    pub(crate) fn lane(&self, lane: usize) -> bool {
        self.words[lane / 64] >> (lane % 64) & 1 == 1
    }
}

impl fmt::Debug for BitShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BitShare({} lanes)", self.lanes)
    }
}

impl Drop for BitShare {
    fn drop(&mut self) {
        self.words.zeroize();
    }
}

/// Evidence that the caller has checked, and recorded, what is about to become known.
///
/// This crate cannot judge a table, so it asks for evidence instead. A node's gate is the one caller of
/// [`Self::asserted`]; whoever wants every place where data can leave searches for that name.
#[derive(Debug)]
#[must_use]
pub struct OpeningPermit(());

impl OpeningPermit {
    /// Asserts that the disclosure rules cover what is about to be opened and that the record of it is
    /// durable.
    ///
    /// Exactly one place in the product calls this: the node's gate, after disclosure control and after the
    /// record is synced (*protect before open*, *record before answer*).
    pub fn asserted() -> Self {
        Self(())
    }

    #[cfg(test)]
    pub(crate) fn for_a_test() -> Self {
        Self(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_shapes_and_no_element() {
        let share = Share::from_elements(vec![4711u32, 4712]);
        assert_eq!(format!("{share:?}"), "Share(2 × z2-32)");
        assert_eq!(format!("{:?}", BitShare::zeros(70)), "BitShare(70 lanes)");
    }

    #[test]
    fn linear_operations_act_on_the_sum() {
        let left = Share::from_elements(vec![5u32, 1, u32::MAX]);
        let right = Share::from_elements(vec![1u32, 2, 3]);
        let open = |left: Share<u32>, right: Share<u32>| {
            let [left, right] = [left, right].map(|share| share.release(&OpeningPermit::for_a_test()));
            left.iter().zip(right).map(|(left, right)| left.wrapping_add(right)).collect::<Vec<_>>()
        };
        assert_eq!(open(left.plus(&left), right.plus(&right)), [12, 6, 4]);
        assert_eq!(open(left.minus(&right), right.minus(&left)), [0, 0, 0]);
        assert_eq!(open(left.times(3), right.times(3)), [18, 9, 6]);
        assert_eq!(open(left.select([2, 0]), right.select([2, 0])), [2, 6]);
        let pairs = [(0, 1), (1, 1), (2, 0)];
        assert_eq!(open(left.gather(2, pairs), right.gather(2, pairs)), [2, 9]);
        assert_eq!(open(left.followed_by(&left), right.followed_by(&right)), [6, 3, 2, 6, 3, 2]);
    }

    #[test]
    fn lanes_are_joined_and_cut_across_words() {
        let wire =
            |seed: u64, lanes: usize| BitShare::of_bit((0..lanes).map(|lane| (lane as u64 * seed) >> 2), 0);
        for (first, second) in [(1, 1), (63, 2), (64, 64), (65, 130), (200, 7)] {
            let (a, b) = (wire(3, first), wire(5, second));
            let joined = a.followed_by(&b);
            assert_eq!(joined.lanes(), first + second);
            assert_eq!(joined.part(0..first).words(), a.words());
            assert_eq!(joined.part(first..first + second).words(), b.words());
        }
    }
}
