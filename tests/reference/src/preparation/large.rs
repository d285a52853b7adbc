//! What is said of a large group of rows of several units.
//!
//! It follows the words at the head of `node/src/extract/blur.rs`.

use kobling_model::UnitType;
use kobling_model::expression::Value;
use kobling_model::interval::Interval;
use kobling_model::preparation::{Measure, Statistic};
use ring::digest;

use super::{Counted, NEIGHBOURS, about, ascending, mean, of_numbers};
use crate::{Datum, Groups, number, record_key};

/// Fewest rows of a group of which nothing is said exactly.
pub(super) const LARGE: usize = 5;
/// The same where what is grouped was a group before.
const LARGE_OF_GROUPS: usize = 2;

/// What a measure of a table has in common for all large groups.
pub(super) struct Blur<'a> {
    pub(super) measure: &'a Measure,
    pub(super) unit_type: UnitType,
    pub(super) secret: &'a [u8; 32],
    /// Secret bounds of the values.
    pub(super) bounds: Option<Interval>,
    /// How far the values of all groups reach.
    pub(super) reach: f64,
    /// Rows that one unit may have of a panel.
    pub(super) dates: usize,
    /// What is done.
    pub(super) groups: Groups,
}

/// A group's fingerprints: of the rows that have a value, and of these with their values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fingerprints {
    pub(super) set: u64,
    pub(super) values: u64,
}

/// Whether so many rows of several units are a large group; `nested` where some are groups themselves.
pub(super) fn is_large(rows: usize, nested: bool) -> bool {
    rows >= if nested { LARGE_OF_GROUPS } else { LARGE }
}

impl Blur<'_> {
    /// The number of a group's values, as it may become a value.
    pub(super) fn count(&self, rows: &[Counted<'_>], values: &[Datum]) -> f64 {
        let there = values.iter().flatten().count() as f64;
        (there + self.noise(self.fingerprints(rows, values).e())).max(0.0)
    }

    /// A statistic of a group, as it may become a value; percent is of the whole table and not said here.
    pub(super) fn statistic(&self, rows: &[Counted<'_>], values: &[Datum]) -> Datum {
        let there: Vec<Value> = values.iter().flatten().cloned().collect();
        let statistic = self.measure.statistic;
        if let Some(Value::Text(_)) = there.first() {
            // Of a large group's texts only their number is known.
            return match statistic {
                Statistic::Count => number(self.count(rows, values)),
                _ => None,
            };
        }
        let mut within = ascending(&there);
        if let Some(bounds) = self.bounds {
            within.iter_mut().for_each(|value| *value = value.max(bounds.low).min(bounds.high));
        }
        let plain = self.plain(&within).filter(|plain| plain.is_finite())?;
        if within.is_empty() || self.measure.of_codes {
            return number(plain);
        }
        let fingerprints = self.fingerprints(rows, values);
        let n = within.len() as f64;
        let z = self.noise(fingerprints.z(statistic));
        let w = self.bounds.map_or(self.reach, |bounds| bounds.high - bounds.low);
        number(match statistic {
            Statistic::Count => self.count(rows, values),
            Statistic::Sum => plain + self.noise(fingerprints.e()) * plain / n + z * w,
            Statistic::Gini | Statistic::StandardErrorOfShare => (plain + z / n).clamp(0.0, 1.0),
            Statistic::StandardErrorOfMean => (plain + z * w / n / n.sqrt()).max(0.0),
            Statistic::StandardDeviation | Statistic::InterquartileRange => (plain + z * w / n).max(0.0),
            _ => plain + z * w / n,
        })
    }

    /// So much noise for each date; none where none is added.
    fn noise(&self, noise: f64) -> f64 {
        if self.groups == Groups::Blurred { self.dates as f64 * noise } else { 0.0 }
    }

    /// A statistic of ascending values before its noise, from several where one would be one unit's.
    fn plain(&self, values: &[f64]) -> Option<f64> {
        if self.groups < Groups::Smoothed && self.measure.statistic != Statistic::Count {
            return of_numbers(self.measure.statistic, values, &[]);
        }
        let neighbours = NEIGHBOURS * self.dates;
        let at_an_end = values.len().min(neighbours);
        let (lowest, highest) = (&values[..at_an_end], &values[values.len() - at_an_end..]);
        match self.measure.statistic {
            Statistic::Min if self.measure.of_codes => lowest.last().copied(),
            Statistic::Max if self.measure.of_codes => highest.first().copied(),
            Statistic::Min => mean(lowest),
            Statistic::Max => mean(highest),
            Statistic::Median => about(values, 0.5, neighbours),
            Statistic::InterquartileRange => {
                Some(about(values, 0.75, neighbours)? - about(values, 0.25, neighbours)?)
            }
            Statistic::Count => Some(values.len() as f64),
            Statistic::Value | Statistic::Percent | Statistic::Quantile { .. } | Statistic::Drawn { .. } => {
                panic!("{:?} is not of one group", self.measure.statistic)
            }
            statistic => of_numbers(statistic, values, &[]),
        }
    }

    pub(super) fn fingerprints(&self, rows: &[Counted<'_>], values: &[Datum]) -> Fingerprints {
        let mut fingerprints = Fingerprints { set: 0, values: 0 };
        for (row, value) in rows.iter().zip(values) {
            let Some(value) = value else { continue };
            let limbs = record_key(self.secret, self.unit_type, row.unit);
            let key = limbs.iter().rev().fold(0, |key, limb| key << 16 | u64::from(*limb));
            let part = match (value, self.bounds) {
                (Value::Text(_), _) => 0,
                (Value::Number(value), Some(bounds)) if bounds.low < bounds.high => part(*value, bounds),
                (Value::Number(value), _) => value.to_bits(),
            };
            fingerprints.set += u64::from(mixed(key) as u32);
            fingerprints.values += u64::from(mixed(mixed(key) ^ part) as u32);
        }
        fingerprints
    }
}

/// In which of 2²¹ parts of its bounds a value is.
fn part(value: f64, bounds: Interval) -> u64 {
    let within = value.max(bounds.low).min(bounds.high);
    ((within - bounds.low) / (bounds.high - bounds.low) * 2_f64.powi(21)).round() as u64
}

impl Fingerprints {
    /// A whole number from −6 to 6.
    pub(super) fn e(self) -> f64 {
        centred(&hash(&format!(r#"["group count",{}]"#, self.set)))
    }

    /// Such a number and a fraction between −½ and ½.
    pub(super) fn z(self, statistic: Statistic) -> f64 {
        let name = serde_json::to_string(&statistic).expect("a name");
        let hash = hash(&format!(r#"["group value",{},{},{name}]"#, self.set, self.values));
        let fraction: u32 = (0..4).map(|at| u32::from(hash[4 + at]) << (8 * at)).sum();
        centred(&hash) + f64::from(fraction) / f64::from(u32::MAX) - 0.5
    }
}

fn hash(message: &str) -> [u8; 32] {
    digest::digest(&digest::SHA256, message.as_bytes()).as_ref().try_into().expect("32 bytes")
}

/// How many of a hash's first twelve bits are set, less six.
fn centred(hash: &[u8; 32]) -> f64 {
    f64::from(hash[0].count_ones() + (hash[1] & 0x0f).count_ones()) - 6.0
}

/// One step of SplitMix64 (Steele, Lea and Flood, 2014) from a state.
pub(super) fn mixed(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
