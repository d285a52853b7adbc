//! Statistics of a group's values, and what of them may become a value of each of its units.
//!
//! A group's statistic is written back to its units and tabulated like any value. Of a large group it would then be one number that all share:
//! by asking how many have more than c, for one c after the other, anybody would read it to the last digit. Shown statistics are protected (rules 2, 3
//! and 8), so these are too, at the owner who computes them: of a group of [`EXACT_MAX`] rows or more, of several units,
//!
//! - a count changes by e, a sum by z·w, a mean and all others by z·w/n, with e and z of variance 3 and at most 6, and w the width of the values'
//!   winsorised bounds;
//! - the smallest and largest are means of the ten values at that end, quartiles and median of the ten about them.
//!
//! e and z follow from the record keys of the group's units, which no researcher knows: the same rows always have the same noise, whoever asks.
//! Smaller groups (a family's income, a person's cases) stay exact: what they say is a value of a few units, which tables protect as any value.

use kobling_model::Hash;
use kobling_model::preparation::{SampleSize, Statistic};

/// Fewest rows of a group that is blurred.
pub(super) const EXACT_MAX: f64 = 5.0;
/// Neighbours that a value in an ordering is the mean of (rule 8).
const NEIGHBOURS: usize = 10;

/// A group of rows of several units.
pub(super) struct Group {
    pub(super) rows: f64,
    /// Sums of its rows' record keys.
    pub(super) key: [u64; 3],
    /// Of its values' secret bounds, where they have any.
    pub(super) width: Option<f64>,
}

impl Group {
    pub(super) fn is_large(&self) -> bool {
        self.rows >= EXACT_MAX
    }

    /// A statistic as it may become a value.
    pub(super) fn blurred(&self, statistic: Statistic, measure: usize, counted: f64, value: f64) -> f64 {
        if !self.is_large() || counted < 1.0 {
            return value;
        }
        let key = self.key.map(|sum| sum & 0xffff);
        let z = noise(&Hash::of_json(&("group", key, statistic, measure)));
        // Without bounds, what is measured is as wide as it is large.
        let width = self.width.unwrap_or(value.abs());
        match statistic {
            Statistic::Count => (value + z).round().max(EXACT_MAX.min(value)),
            Statistic::Sum => value + z * width,
            Statistic::Percent => (value + value * z / counted).max(0.0),
            Statistic::Gini | Statistic::StandardErrorOfShare => (value + z / counted).clamp(0.0, 1.0),
            Statistic::StandardErrorOfMean => (value + z * width / counted / counted.sqrt()).max(0.0),
            Statistic::StandardDeviation | Statistic::InterquartileRange => {
                (value + z * width / counted).max(0.0)
            }
            _ => value + z * width / counted,
        }
    }
}

/// From a hash: a whole number of mean 0 and variance 3, at most 6 from it.
fn noise(hash: &Hash) -> f64 {
    let bits = u16::from_le_bytes([hash.0[0], hash.0[1]]) & 0xfff;
    f64::from(bits.count_ones()) - 6.0
}

/// A statistic of ascending values; `all` are the values of the whole table. None where it is missing.
pub(super) fn statistic(statistic: Statistic, values: &[f64], all: f64) -> Option<f64> {
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
        Statistic::Percent => return Some(100.0 * n / all.max(1.0)),
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

/// The same of a large group, from several values where one would be one unit's.
pub(super) fn smooth(of: Statistic, values: &[f64]) -> Option<f64> {
    let mean =
        |values: &[f64]| (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64);
    let about = |share: f64| {
        let middle = (share * (values.len().max(1) - 1) as f64).round() as usize;
        let first = middle.saturating_sub(NEIGHBOURS / 2).min(values.len().saturating_sub(NEIGHBOURS));
        mean(&values[first..(first + NEIGHBOURS).min(values.len())])
    };
    match of {
        Statistic::Min => mean(&values[..NEIGHBOURS.min(values.len())]),
        Statistic::Max => mean(&values[values.len().saturating_sub(NEIGHBOURS)..]),
        Statistic::Median => about(0.5),
        Statistic::InterquartileRange => Some(about(0.75)? - about(0.25)?),
        other => statistic(other, values, values.len() as f64),
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
    let border = |part: u32| {
        let middle = (f64::from(part) / f64::from(parts) * (sorted.len() - 1) as f64).round() as usize;
        let first = middle.saturating_sub(NEIGHBOURS / 2).min(sorted.len().saturating_sub(NEIGHBOURS));
        let about = &sorted[first..(first + NEIGHBOURS).min(sorted.len())];
        about.iter().sum::<f64>() / about.len() as f64
    };
    let borders: Vec<f64> = if sorted.is_empty() { vec![] } else { (1..parts).map(border).collect() };
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
