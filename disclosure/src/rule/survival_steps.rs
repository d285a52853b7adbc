//! Rule 12: survival curves and event tables go down in steps of many units, at whole months.
//!
//! - Setting: `survival_step_units_min`, at least 15, which ensures 10 true units with the published table (D = 5).
//! - Judged: dates are coarsened to months first ([`months_between`]). A step is a span of months; it is long enough when the perturbed count of the units that
//!   fail or leave in it reaches the setting. That is a cell of its own, of the *set* of these units, so its noise is one change of at most D, however many
//!   months there are. (A sum of perturbed months would carry the noise of each.)
//! - Effect: months are merged from the first on, silently; results say that it is done. Where the last months do not fill a step they join the one before, if the
//!   two together still reach the setting; else the curve ends with it.
//! - Carried out: here, on given counts; no command makes a curve yet. On shares each span is asked one bit, \[c' ≥ setting\]; these bits
//!   are the borders of the shown steps, so that they say nothing further, and [`steps`] asks no more of them than a month each and one.
//!
//! Why: where a curve goes down by one, that is the day on which one person died. Why ten: the threshold of ACRO, `survival_safe_threshold`, and
//! of the guidelines below. Why months: with days, a step's border is the day of its last person.
//! What one person changes: only the counts of the spans in which he fails, leaves or ceases to be at risk, and of each only the noise and the one. So a border comes or goes by one person no more often
//! than one change of a count has probability, 59 of 256 at most.
//! Source: ACRO (`acro` 1.0, `survival_safe_threshold` 10); S. Bond, M. Brandt and P.-P. de Wolf, "Guidelines for the
//! checking of output based on microdata research" (2015), class "survival analysis"; E. L. Kaplan and P. Meier, JASA 53, 1958, for the estimate.

use std::ops::Range;

use kobling_model::Day;

/// Perturbed count of units failing or leaving from which on a step is shown; an owner may only raise it.
pub const LOOSEST: u32 = 15;

/// The rule's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Smallest perturbed count of units failing or leaving in a step. At least 15.
    pub step_units_min: u32,
}

impl Limits {
    /// What `init` writes.
    pub const LOOSEST: Self = Self { step_units_min: LOOSEST };

    /// The stricter of two.
    pub fn stricter(self, other: Self) -> Self {
        Self { step_units_min: self.step_units_min.max(other.step_units_min) }
    }
}

/// Perturbed counts of a span of months, each of a set of units of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// At risk when the span begins.
    pub at_risk: u64,
    /// Failing in the span.
    pub failing: u64,
    /// Leaving in the span without failing (censored).
    pub leaving: u64,
    /// Failing or leaving in the span: what the rule judges.
    pub gone: u64,
}

/// A step that may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its months, counted from the first.
    pub months: Range<usize>,
    /// Its perturbed counts.
    pub counts: Counts,
}

/// Whole months from a day to a later one by the calendar, whatever the days within their months; negative for an earlier one.
pub fn months_between(from: Day, to: Day) -> i32 {
    let month = |day: Day| {
        let (year, month, _) = day.civil();
        year * 12 + month as i32
    };
    month(to) - month(from)
}

/// The steps in which a curve over this many months may be shown; none where it may not be shown at all.
///
/// `counts` has the perturbed counts of a span; it is asked of each span at most once, of at most `months` + 1 spans. The steps follow one another from the first
/// month on without gaps. They depend on nothing but `months`, the setting and the `gone` that are asked for, and each has `gone` ≥ the setting.
pub fn steps(limits: Limits, months: usize, mut counts: impl FnMut(Range<usize>) -> Counts) -> Vec<Step> {
    let is_long = |counts: &Counts| counts.gone >= u64::from(limits.step_units_min);
    let mut steps: Vec<Step> = Vec::new();
    let mut begun = 0;
    for month in 0..months {
        let months = begun..month + 1;
        let counts = counts(months.clone());
        if is_long(&counts) {
            begun = months.end;
            steps.push(Step { months, counts });
        }
    }
    if begun < months
        && let Some(last) = steps.last_mut()
    {
        // Noise may bring the larger set below the setting again: then the months are left away.
        let months = last.months.start..months;
        let counts = counts(months.clone());
        if is_long(&counts) {
            *last = Step { months, counts };
        }
    }
    steps
}

/// Share that has not failed after each step, by Kaplan and Meier: the product of 1 − failing / at risk.
///
/// Of perturbed counts alone. Never grows, and lies from 0 to 1: where noise makes more fail than there are at risk, all do; where nobody is at risk,
/// nobody fails.
pub fn survival(steps: &[Step]) -> Vec<f64> {
    let after = |share: &mut f64, step: &Step| {
        let Counts { at_risk, failing, .. } = step.counts;
        if at_risk > 0 {
            *share *= 1.0 - failing.min(at_risk) as f64 / at_risk as f64;
        }
        Some(*share)
    };
    steps.iter().scan(1.0, after).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PerturbationTable;
    use crate::rule::perturbed_counts;

    /// Units failing and leaving in each month.
    type Curve = Vec<(u64, u64)>;

    fn true_counts(curve: &Curve, months: Range<usize>) -> Counts {
        let failing: u64 = curve[months.clone()].iter().map(|month| month.0).sum();
        let leaving: u64 = curve[months.clone()].iter().map(|month| month.1).sum();
        let at_risk = curve[months.start..].iter().map(|month| month.0 + month.1).sum();
        Counts { at_risk, failing, leaving, gone: failing + leaving }
    }

    /// Keys as the cipher would give them: one for each set, without pattern.
    fn key(seed: u64, months: &Range<usize>, of: u64) -> u8 {
        let mut word = seed ^ (months.start as u64) << 40 ^ (months.end as u64) << 20 ^ of << 60;
        for _ in 0..3 {
            word =
                (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9).wrapping_add(0x9e37_79b9_7f4a_7c15);
        }
        (word >> 56) as u8
    }

    fn perturbed(curve: &Curve, seed: u64, months: Range<usize>) -> Counts {
        let exact = true_counts(curve, months.clone());
        let table = PerturbationTable::published();
        let of = |count, set| perturbed_counts::perturbed(table, count, key(seed, &months, set));
        // The set at risk is one for all spans that begin at a month.
        let at_risk_key = key(seed, &(months.start..0), 3);
        Counts {
            at_risk: perturbed_counts::perturbed(table, exact.at_risk, at_risk_key),
            failing: of(exact.failing, 0),
            leaving: of(exact.leaving, 1),
            gone: of(exact.gone, 2),
        }
    }

    /// Men with angina pectoris by year since diagnosis: dead and lost to follow-up (as in E. T. Lee, "Statistical Methods for Survival Data
    /// Analysis", 1992; 2418 in all). The years stand for months here.
    fn angina() -> Curve {
        let dead = [456, 226, 152, 171, 135, 125, 83, 74, 51, 42, 43, 34, 18, 9, 6, 0];
        let lost = [0, 39, 22, 23, 24, 107, 133, 102, 68, 64, 45, 53, 33, 27, 23, 30];
        dead.into_iter().zip(lost).collect()
    }

    /// Leukemia patients under 6-MP by weeks in remission: relapse, or still in remission (E. J. Freireich et al., Blood 21, 1963; 21 in all).
    fn remission() -> Curve {
        let mut curve = vec![(0, 0); 36];
        for (week, relapses) in [(6, 3), (7, 1), (10, 1), (13, 1), (16, 1), (22, 1), (23, 1)] {
            curve[week].0 = relapses;
        }
        for (week, left) in
            [(6, 1), (9, 1), (10, 1), (11, 1), (17, 1), (19, 1), (20, 1), (25, 1), (32, 2), (34, 1), (35, 1)]
        {
            curve[week].1 = left;
        }
        curve
    }

    #[test]
    fn the_estimate_is_that_of_the_published_curves() {
        // Without noise or merging: each month a step.
        let each = |curve: &Curve| -> Vec<f64> {
            let step = |at| Step { months: at..at + 1, counts: true_counts(curve, at..at + 1) };
            survival(&(0..curve.len()).map(step).collect::<Vec<_>>())
        };
        let shares = each(&remission());
        for (week, published) in
            [(6, 0.857), (7, 0.807), (10, 0.753), (13, 0.690), (16, 0.627), (22, 0.538), (23, 0.448)]
        {
            assert!((shares[week] - published).abs() < 5e-4, "week {week}");
        }
        let shares = each(&angina());
        assert_eq!(true_counts(&angina(), 0..16).at_risk, 2418);
        assert!((shares[0] - 0.8114).abs() < 5e-5);
        assert_eq!(shares[15], shares[14]);
    }

    #[test]
    fn a_small_curve_is_one_step_and_a_tiny_one_is_none() {
        for seed in 0..200 {
            let shown = steps(Limits::LOOSEST, 36, |months| perturbed(&remission(), seed, months));
            // 21 units in all: no second step has ten true ones left.
            assert!(shown.len() <= 1);
            let tiny: Curve = vec![(2, 1), (3, 0), (0, 3)];
            assert_eq!(steps(Limits::LOOSEST, 3, |months| perturbed(&tiny, seed, months)), []);
        }
        let with_exact = steps(Limits::LOOSEST, 36, |months| true_counts(&remission(), months));
        let [step] = with_exact.as_slice() else { panic!("one step") };
        assert_eq!((step.months.clone(), step.counts.gone), (0..36, 21));
    }

    #[test]
    fn every_step_has_ten_true_units_and_steps_leave_no_gap() {
        let many: Curve = (0..240_u64).map(|month| (month * 7 % 5, month * 3 % 4)).collect();
        for curve in [angina(), many, remission()] {
            for seed in 0..300 {
                let mut asked = 0;
                let shown = steps(Limits::LOOSEST, curve.len(), |months| {
                    asked += 1;
                    perturbed(&curve, seed, months)
                });
                assert!(asked <= curve.len() + 1);
                let mut end = 0;
                for step in &shown {
                    assert_eq!(step.months.start, end);
                    end = step.months.end;
                    assert!(step.counts.gone >= 15);
                    assert!(true_counts(&curve, step.months.clone()).gone >= 10);
                }
                // Totals: the true numbers of the steps and of what is left away are those of the curve.
                let total = |spans: &[Range<usize>]| -> u64 {
                    spans.iter().map(|months| true_counts(&curve, months.clone()).gone).sum()
                };
                let mut spans: Vec<_> = shown.iter().map(|step| step.months.clone()).collect();
                spans.push(end..curve.len());
                assert_eq!(total(&spans), true_counts(&curve, 0..curve.len()).gone);
                // What is left away does not fill a step: with 20 true units it always would.
                assert!(true_counts(&curve, end..curve.len()).gone < 20);
            }
        }
    }

    #[test]
    fn numbers_at_risk_and_the_curve_never_grow() {
        for seed in 0..300 {
            let shown = steps(Limits::LOOSEST, 16, |months| perturbed(&angina(), seed, months));
            // Ten true units go in each step, and two noises are at most ten apart.
            assert!(shown.is_sorted_by(|a, b| a.counts.at_risk >= b.counts.at_risk));
            let shares = survival(&shown);
            assert!(
                shares.is_sorted_by(|a, b| a >= b) && shares.iter().all(|share| (0.0..=1.0).contains(share))
            );
        }
        let odd = |at_risk, failing| Step {
            months: 0..1,
            counts: Counts { at_risk, failing, leaving: 0, gone: failing },
        };
        assert_eq!(survival(&[odd(10, 15), odd(0, 3)]), [0.0, 0.0]);
        assert_eq!(survival(&[odd(0, 3)]), [1.0]);
    }

    #[test]
    fn months_that_fill_no_step_join_the_last_one_or_are_left_away() {
        let gone = |gone| Counts { at_risk: 100, failing: gone, leaving: 0, gone };
        let curve = |joined: u64| {
            steps(Limits::LOOSEST, 3, move |months| match (months.start, months.end) {
                (0, 1) => gone(16),
                (1, _) => gone(4),
                (0, 3) => gone(joined),
                _ => panic!("not asked for"),
            })
        };
        assert_eq!(curve(20), [Step { months: 0..3, counts: gone(20) }]);
        // Noise made the larger set the smaller number.
        assert_eq!(curve(14), [Step { months: 0..1, counts: gone(16) }]);
    }

    #[test]
    fn one_person_decides_no_border_more_often_than_one_change_has_probability() {
        let table = PerturbationTable::published();
        let long = |units: u64| {
            let is_long = |key: &u8| {
                let gone = perturbed_counts::perturbed(table, units, *key);
                !steps(Limits::LOOSEST, 1, |_| Counts { at_risk: 500, failing: gone, leaving: 0, gone })
                    .is_empty()
            };
            (0..=255).filter(is_long).count()
        };
        let worst = (0..60).map(|units| long(units + 1).abs_diff(long(units))).max().expect("some");
        let likeliest = (1..=8).flat_map(|row| table.keys_per_change(row)).filter(|(change, _)| *change == 0);
        assert_eq!(worst, 59);
        assert!(likeliest.map(|(_, keys)| keys).max().is_some_and(|most| worst <= most));
        assert_eq!((long(9), long(20)), (0, 256));
    }

    #[test]
    fn days_of_one_month_are_one() {
        let day = |text: &str| text.parse::<Day>().expect("a day");
        assert_eq!(months_between(day("2020-01-31"), day("2020-02-01")), 1);
        assert_eq!(months_between(day("2020-02-01"), day("2020-02-29")), 0);
        assert_eq!(months_between(day("2019-11-15"), day("2021-01-01")), 14);
        assert_eq!(months_between(day("2021-01-01"), day("2020-12-31")), -1);
    }
}
