//! How often an attack was right: a share of trials with its interval, and the bound that it must keep.

use serde::Serialize;

/// Quantile of the normal law behind the interval that is shown: 95 % lie within.
const SHOWN: f64 = 1.959_964;

/// Quantile behind the interval that a verdict rests on: 99.9 % lie within.
const JUDGED: f64 = 3.290_527;

/// Fewest trials that a bound other than "never" may rest on: a rate eight points beyond it is then broken with certainty, for
/// all purposes.
pub const TRIALS_MIN: u64 = 1000;

/// A share of trials.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rate {
    /// Counted: the attack was right in so many of so many trials.
    Counted {
        /// Trials in which the attacker was right.
        right: u64,
        /// All trials.
        trials: u64,
    },
    /// Computed over every case there is, so without an interval.
    Exact(f64),
}

impl Rate {
    /// The share itself; 0 where there was no trial.
    pub fn share(self) -> f64 {
        match self {
            Self::Counted { trials: 0, .. } => 0.0,
            Self::Counted { right, trials } => right as f64 / trials as f64,
            Self::Exact(share) => share,
        }
    }

    /// The 95 % interval that is shown.
    pub fn interval(self) -> (f64, f64) {
        self.wilson(SHOWN)
    }

    /// Wilson's interval for a share (E. Wilson, JASA 1927): it keeps its level for shares near 0 and 1, where the simple one
    /// does not.
    fn wilson(self, z: f64) -> (f64, f64) {
        let Self::Counted { trials, .. } = self else { return (self.share(), self.share()) };
        if trials == 0 {
            return (0.0, 1.0);
        }
        let (n, p) = (trials as f64, self.share());
        let scale = 1.0 + z * z / n;
        let middle = (p + z * z / (2.0 * n)) / scale;
        let half = z / scale * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
        ((middle - half).max(0.0), (middle + half).min(1.0))
    }
}

/// What a rate must keep.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// Not once.
    Never,
    /// At most this share.
    AtMost(f64),
    /// A point of a curve, or a figure to compare with: it is shown, and nothing is asked of it.
    Shown,
}

impl Bound {
    /// Whether a rate breaks it.
    ///
    /// "Never" is broken by one success. A share is broken where the lower end of its 99.9 % interval lies beyond the bound: chance
    /// alone does that to a rate at the bound once in two thousand runs, and to one below it hardly ever. A break of eight points is
    /// seen with at least [`TRIALS_MIN`] trials whatever chance does, one of two with ten times as many.
    pub fn is_broken_by(self, rate: Rate) -> bool {
        match (self, rate) {
            (Self::Never, Rate::Counted { right, .. }) => right > 0,
            (Self::Never, Rate::Exact(share)) => share > 0.0,
            (Self::AtMost(bound), _) => rate.wilson(JUDGED).0 > bound,
            (Self::Shown, _) => false,
        }
    }

    /// The largest share that keeps it, for machines to read.
    pub fn share(self) -> Option<f64> {
        match self {
            Self::Never => Some(0.0),
            Self::AtMost(bound) => Some(bound),
            Self::Shown => None,
        }
    }
}

/// What became of a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The bound holds.
    Kept,
    /// It does not, and must.
    Broken,
    /// It rests on a rule or a mechanism that is not built yet: see [`super::OPEN`].
    Open,
    /// There is none.
    Shown,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(right: u64, trials: u64) -> Rate {
        Rate::Counted { right, trials }
    }

    #[test]
    fn the_interval_is_that_of_published_examples() {
        // R. Newcombe, "Two-sided confidence intervals for the single proportion", 1998, table I, method 3.
        for (right, trials, low, high) in [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
            (1, 29, 0.0061, 0.1718),
        ] {
            let (from, to) = counted(right, trials).interval();
            assert!((from - low).abs() < 1e-4 && (to - high).abs() < 1e-4, "{right}/{trials}: {from} {to}");
        }
    }

    #[test]
    fn a_share_breaks_its_bound_only_where_chance_cannot_be_meant() {
        let bound = Bound::AtMost(0.65);
        assert!(!bound.is_broken_by(counted(650, 1000)));
        assert!(!bound.is_broken_by(counted(690, 1000)));
        assert!(bound.is_broken_by(counted(730, 1000)));
        assert!(bound.is_broken_by(counted(6700, 10_000)));
        assert!(bound.is_broken_by(Rate::Exact(0.651)) && !bound.is_broken_by(Rate::Exact(0.65)));
    }

    #[test]
    fn never_is_broken_by_one_success_and_a_curve_by_nothing() {
        assert!(Bound::Never.is_broken_by(counted(1, 1_000_000)));
        assert!(!Bound::Never.is_broken_by(counted(0, 3)));
        assert!(!Bound::Shown.is_broken_by(counted(3, 3)));
    }
}
