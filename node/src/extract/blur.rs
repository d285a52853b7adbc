//! Statistics of a group's values, and what of them may become a value of each of its units.
//!
//! A group's statistic is written back to its units and tabulated like any value. Of a large group it would then be one number that all share:
//! by asking how many have more than c, for one c after the other, anybody would read it to the last digit. Shown statistics are protected (rules 2, 3
//! and 8), so these are too, at the owner who computes them, for groups of rows of several units, of [`Group::EXACT_MAX`] rows and more, and wherever what is
//! grouped was a group before, of two rows and more:
//!
//! - values are brought within their winsorised bounds, of width w (without such bounds: w is how far the whole table's values reach);
//! - a count becomes n + e, a sum s + e·s/n + z·w, a mean changes by z·w/n and so do others; e is a whole number of mean 0 and variance 3, at most 6 from it, z the same
//!   and a fraction;
//! - the smallest and largest are means of the ten values at that end, or, of public codes, the tenth of them; quartiles and median are means of the ten about them.
//!
//!
//! A unit of a panel has as many rows as there are dates, and a copy of a column may be one of them. What one unit does to a group is then so many times as much: e, z and the
//! number of neighbours are taken times the number of dates.
//!
//! e follows from the rows that have a value, z from the rows and their values in parts of their bounds, so that a·x + b has the z of x: from sums of hashes under the
//! rows' record keys, which no researcher knows. The same rows always have the same noise, whoever asks, in whatever place and words.
//! Smaller groups (a family's income, a person's cases) stay exact: what they say is a value of a few units, which tables protect as any value.

use kobling_disclosure::rule::percentiles;
use kobling_model::Hash;
use kobling_model::interval::Interval;
use kobling_model::preparation::{SampleSize, Statistic};

/// Neighbours that a value in an ordering is the mean of (rule 8): the same for every question.
const NEIGHBOURS: usize = percentiles::LOOSEST_NEIGHBOURS as usize;
/// Parts of a value's bounds that a fingerprint tells apart.
const PARTS: f64 = (1 << 21) as f64;

/// A group of rows of several units.
pub(super) struct Group {
    pub(super) rows: f64,
    /// Rows of which some are groups themselves.
    pub(super) nested: bool,
    /// Fingerprint of the rows that have a value.
    pub(super) set: u64,
    /// Fingerprint of these rows with their values.
    pub(super) values: u64,
    /// How far values reach.
    pub(super) width: f64,
    /// Rows that a unit may have of a panel: its dates.
    pub(super) dates: f64,
}

impl Group {
    /// Fewest rows of a group that is blurred.
    const EXACT_MAX: f64 = 5.0;

    pub(super) fn is_large(&self) -> bool {
        self.rows >= if self.nested { 2.0 } else { Self::EXACT_MAX }
    }

    /// The number of its values, as it may become a value.
    pub(super) fn count(&self, counted: f64) -> f64 {
        if self.is_large() { (counted + self.e()).max(0.0) } else { counted }
    }

    fn e(&self) -> f64 {
        self.dates * (bits(&Hash::of_json(&("group count", self.set))) - 6.0)
    }

    fn z(&self, statistic: Statistic) -> f64 {
        let hash = Hash::of_json(&("group value", self.set, self.values, statistic));
        let fraction = u32::from_le_bytes([hash.0[4], hash.0[5], hash.0[6], hash.0[7]]);
        self.dates * (bits(&hash) - 6.0 + f64::from(fraction) / f64::from(u32::MAX) - 0.5)
    }

    /// A statistic of so many values, as it may become a value.
    pub(super) fn blurred(&self, statistic: Statistic, of_codes: bool, counted: f64, value: f64) -> f64 {
        if !self.is_large() || counted < 1.0 || of_codes {
            return value;
        }
        let by_row = self.z(statistic) * self.width / counted;
        match statistic {
            Statistic::Count => self.count(counted),
            Statistic::Sum => value + self.e() * value / counted + by_row * counted,
            Statistic::Gini | Statistic::StandardErrorOfShare => {
                (value + self.z(statistic) / counted).clamp(0.0, 1.0)
            }
            Statistic::StandardErrorOfMean => (value + by_row / counted.sqrt()).max(0.0),
            Statistic::StandardDeviation | Statistic::InterquartileRange => (value + by_row).max(0.0),
            _ => value + by_row,
        }
    }
}

/// A part of a fingerprint: what a row with this record key adds to that of a set of rows, and of rows with values.
pub(super) fn mark(key: [u16; 3], value: Option<f64>, bounds: Option<&Interval>) -> [u32; 2] {
    let key = u64::from(key[0]) | u64::from(key[1]) << 16 | u64::from(key[2]) << 32;
    let Some(value) = value else { return [0; 2] };
    let part = match bounds {
        Some(bounds) if bounds.high > bounds.low => {
            ((bounds.clamp(value) - bounds.low) / (bounds.high - bounds.low) * PARTS).round() as u64
        }
        _ => value.to_bits(),
    };
    [mixed(key) as u32, mixed(mixed(key) ^ part) as u32]
}

/// A permutation of 64 bits in which each bit of the input moves all of the output (Stafford's variant 13 of MurmurHash3's finaliser).
fn mixed(mut word: u64) -> u64 {
    word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ word >> 31
}

/// How many of twelve bits are set: of mean 6 and variance 3.
fn bits(hash: &Hash) -> f64 {
    f64::from((u16::from_le_bytes([hash.0[0], hash.0[1]]) & 0xfff).count_ones())
}

/// A statistic of ascending values; none where it is missing.
pub(super) fn statistic(statistic: Statistic, values: &[f64]) -> Option<f64> {
    let n = values.len() as f64;
    let sum: f64 = values.iter().sum();
    let mean = sum / n;
    let deviation = || {
        let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
        (values.len() > 1).then(|| (squares / (n - 1.0)).sqrt())
    };
    match statistic {
        Statistic::Count => return Some(n),
        Statistic::Sum => return Some(sum),
        _ => {}
    }
    let (first, last) = (*values.first()?, *values.last()?);
    match statistic {
        Statistic::Value => (values.len() == 1).then_some(first),
        Statistic::Min => Some(first),
        Statistic::Max => Some(last),
        Statistic::Mean => Some(mean),
        Statistic::Median => Some(between(values, 0.5)),
        Statistic::InterquartileRange => Some(between(values, 0.75) - between(values, 0.25)),
        Statistic::StandardDeviation => deviation(),
        Statistic::StandardErrorOfMean => deviation().map(|deviation| deviation / n.sqrt()),
        Statistic::StandardErrorOfShare => {
            Some((mean * (1.0 - mean) / n).sqrt()).filter(|error| error.is_finite())
        }
        Statistic::Gini => gini(values),
        _ => None,
    }
}

/// The same of a large group, from several values where one would be one unit's, each of which may have a row at so many dates.
pub(super) fn smooth(of: Statistic, of_codes: bool, dates: usize, values: &[f64]) -> Option<f64> {
    let neighbours = NEIGHBOURS * dates;
    let mean =
        |values: &[f64]| (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64);
    let about = |share: f64| percentiles::smoothed(values, share, neighbours);
    let tenth = neighbours.min(values.len());
    match of {
        Statistic::Min if of_codes => values.get(tenth.checked_sub(1)?).copied(),
        Statistic::Max if of_codes => values.get(values.len() - tenth).copied(),
        Statistic::Min => mean(&values[..tenth]),
        Statistic::Max => mean(&values[values.len() - tenth..]),
        Statistic::Median => about(0.5),
        Statistic::InterquartileRange => Some(about(0.75)? - about(0.25)?),
        other => statistic(other, values),
    }
}

/// The value that a share of ascending values is below, by linear interpolation.
fn between(values: &[f64], share: f64) -> f64 {
    let place = share * (values.len() - 1) as f64;
    let (below, above) = (values[place.floor() as usize], values[place.ceil() as usize]);
    below + (above - below) * place.fract()
}

fn gini(values: &[f64]) -> Option<f64> {
    let (n, sum) = (values.len() as f64, values.iter().sum::<f64>());
    if sum <= 0.0 {
        return None;
    }
    let weighted: f64 = (1..).zip(values).map(|(i, value)| (2.0 * f64::from(i) - n - 1.0) * value).sum();
    Some(weighted / (n * sum))
}

/// In which of `parts` parts of equal size each value is, from 0. A border is the mean of ten neighbours (rule 8); what equals it is below it.
pub(super) fn quantiles(values: &[f64], parts: u32) -> Vec<f64> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
    sorted.sort_by(f64::total_cmp);
    let border = |part: u32| percentiles::smoothed(&sorted, f64::from(part) / f64::from(parts), NEIGHBOURS);
    let borders: Vec<f64> = (1..parts).filter_map(border).collect();
    let part = |value: &f64| match value.is_nan() {
        true => f64::NAN,
        false => borders.partition_point(|border| border < value) as f64,
    };
    values.iter().map(part).collect()
}

/// 1 for the units that are drawn, 0 for the others; `units` has the unit of each row.
pub(super) fn drawn(units: &[u32], keys: &[[u16; 3]], size: SampleSize, seed: u64) -> Vec<f64> {
    let mut bytes = b"sample".to_vec();
    let (kind, count) = match size {
        SampleSize::Units(count) => (0, count),
        SampleSize::Chance(chance) => (1, chance),
    };
    bytes.push(kind);
    bytes.extend(count.to_le_bytes());
    bytes.extend(seed.to_le_bytes());
    let of_key = bytes.len();
    let mut draw = |unit: &u32| {
        bytes.truncate(of_key);
        let key = keys.get(*unit as usize).copied().unwrap_or_default();
        bytes.extend(key.iter().flat_map(|limb| limb.to_le_bytes()));
        let hash = Hash::of(&bytes);
        u64::from_le_bytes(hash.0[..8].try_into().expect("eight bytes"))
    };
    let draws: Vec<u64> = units.iter().map(&mut draw).collect();
    let chosen: Vec<bool> = match size {
        SampleSize::Chance(chance) => draws.iter().map(|draw| (draw >> 32) < u64::from(chance)).collect(),
        SampleSize::Units(count) => {
            let mut order: Vec<usize> = (0..draws.len()).collect();
            order.sort_unstable_by_key(|at| (draws[*at], units[*at]));
            let mut chosen = vec![false; draws.len()];
            order.into_iter().take(count as usize).for_each(|at| chosen[at] = true);
            chosen
        }
    };
    chosen.into_iter().map(|chosen| f64::from(u8::from(chosen))).collect()
}
