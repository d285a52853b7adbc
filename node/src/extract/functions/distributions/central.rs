//! Probabilities and densities of the usual distributions, from incomplete gamma and beta functions.
//!
//! Both tails are computed for themselves, so that a small one is as exact as a large one. The functions underneath choose, by
//! argument, series and fractions that converge in a bounded number of steps.
//!
//! Source: A. R. DiDonato and A. H. Morris, "Computation of the incomplete gamma function ratios and their inverse", ACM TOMS 12 (1986), and
//! "Significant digit computation of the incomplete beta function ratios", ACM TOMS 18 (1992).

use std::f64::consts::PI;

use cdflib::special::internal::{beta_rcomp, rcomp};
use cdflib::special::{beta_log, cumnor, try_beta_inc, try_gamma_inc};

/// Probabilities below and above a point.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tails {
    pub(super) below: f64,
    pub(super) above: f64,
}

impl Tails {
    pub(super) const NONE_BELOW: Self = Self { below: 0.0, above: 1.0 };
    pub(super) const ALL_BELOW: Self = Self { below: 1.0, above: 0.0 };
    pub(super) const UNKNOWN: Self = Self { below: f64::NAN, above: f64::NAN };

    pub(super) fn swapped(self) -> Self {
        Self { below: self.above, above: self.below }
    }

    fn of((below, above): (f64, f64)) -> Self {
        Self { below, above }
    }
}

/// Regularised incomplete gamma functions; x at least 0.
pub(super) fn gamma(a: f64, x: f64) -> Tails {
    try_gamma_inc(a, x).map_or(Tails::UNKNOWN, Tails::of)
}

/// A point of a beta distribution, by its odds x / (1 − x), so that neither x nor 1 − x loses digits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Odds {
    /// x.
    pub(super) x: f64,
    /// 1 − x.
    pub(super) y: f64,
    /// Logarithm of the odds.
    pub(super) log: f64,
}

impl Odds {
    /// Of `first` to `second`, both positive; `product` is their quotient where it can be written more exactly.
    pub(super) fn of(odds: f64, log: f64) -> Self {
        if odds > 1.0 {
            let inverse = 1.0 / odds;
            Self { x: 1.0 / (1.0 + inverse), y: inverse / (1.0 + inverse), log }
        } else {
            Self { x: odds / (1.0 + odds), y: 1.0 / (1.0 + odds), log }
        }
    }

    /// Of F with these degrees of freedom.
    pub(super) fn of_f(f: f64, v1: f64, v2: f64) -> Self {
        Self::of(v1 / v2 * f, v1.ln() - v2.ln() + f.ln())
    }

    /// Of t² for t > 0, as F with one degree of freedom.
    pub(super) fn of_t(t: f64, v: f64) -> Self {
        Self::of(t / v * t, 2.0 * t.ln() - v.ln())
    }
}

/// Odds whose x or 1 − x is too small to be a number.
const EXTREME: f64 = 600.0;

/// Regularised incomplete beta functions at x, which lies between 0 and 1.
pub(super) fn beta(a: f64, b: f64, at: Odds) -> Tails {
    if at.log.abs() > EXTREME {
        // The first term of the series is all there is.
        let (a, b, upper) = if at.log > 0.0 { (b, a, true) } else { (a, b, false) };
        let small = (-a * at.log.abs() - beta_log(a, b)).exp() / a;
        let tails = Tails { below: small.min(1.0), above: 1.0 - small.min(1.0) };
        return if upper { tails.swapped() } else { tails };
    }
    try_beta_inc(a, b, at.x, at.y).map_or(Tails::UNKNOWN, Tails::of)
}

pub(super) fn normal(x: f64) -> Tails {
    Tails::of(cumnor(x))
}

pub(super) fn normal_density(x: f64, mu: f64, sigma: f64) -> f64 {
    if sigma <= 0.0 {
        return f64::NAN;
    }
    let z = (x - mu) / sigma;
    (-z * z / 2.0).exp() / sigma / (2.0 * PI).sqrt()
}

/// At most `most` successes in `trials`, and more than that.
pub(super) fn binomial(most: f64, trials: f64, p: f64) -> Tails {
    if !(trials >= 0.0 && (0.0..=1.0).contains(&p)) {
        return Tails::UNKNOWN;
    }
    let (most, trials) = (most.floor(), trials.floor());
    if most < 0.0 {
        return Tails::NONE_BELOW;
    }
    if most >= trials {
        return Tails::ALL_BELOW;
    }
    let (successes, failures) = (most + 1.0, trials - most);
    try_beta_inc(successes, failures, p, 1.0 - p).map_or(Tails::UNKNOWN, Tails::of).swapped()
}

/// Exactly `successes` in `trials`.
pub(super) fn binomial_mass(successes: f64, trials: f64, p: f64) -> f64 {
    if !(trials >= 0.0 && (0.0..=1.0).contains(&p)) {
        return f64::NAN;
    }
    let (successes, trials) = (successes.floor(), trials.floor());
    let failures = trials - successes;
    let certain = |certain: bool| f64::from(u8::from(certain));
    if successes < 0.0 || failures < 0.0 {
        return 0.0;
    }
    if p == 0.0 || p == 1.0 {
        return certain(if p == 0.0 { successes == 0.0 } else { failures == 0.0 });
    }
    if successes == 0.0 {
        return (trials * (-p).ln_1p()).exp();
    }
    if failures == 0.0 {
        return (trials * p.ln()).exp();
    }
    // C(n, k) = n / (k (n − k) B(k, n − k)).
    beta_rcomp(successes, failures, p, 1.0 - p) * (trials / successes / failures)
}

fn is_positive(number: f64) -> bool {
    number > 0.0 && number.is_finite()
}

pub(super) fn chi2(x: f64, v: f64) -> Tails {
    match x {
        _ if !is_positive(v) => Tails::UNKNOWN,
        x if x <= 0.0 => Tails::NONE_BELOW,
        x => gamma(v / 2.0, x / 2.0),
    }
}

pub(super) fn chi2_density(x: f64, v: f64) -> f64 {
    match x {
        _ if !is_positive(v) => f64::NAN,
        x if x < 0.0 => 0.0,
        0.0 => at_zero(v / 2.0, 0.5),
        x => rcomp(v / 2.0, x / 2.0) / x,
    }
}

/// A density at the end where it behaves like `factor`·x^(a − 1).
pub(super) fn at_zero(a: f64, factor: f64) -> f64 {
    match a.total_cmp(&1.0) {
        std::cmp::Ordering::Less => f64::NAN,
        std::cmp::Ordering::Equal => factor,
        std::cmp::Ordering::Greater => 0.0,
    }
}

pub(super) fn f(x: f64, v1: f64, v2: f64) -> Tails {
    match x {
        _ if !(is_positive(v1) && is_positive(v2)) => Tails::UNKNOWN,
        x if x <= 0.0 => Tails::NONE_BELOW,
        x => beta(v1 / 2.0, v2 / 2.0, Odds::of_f(x, v1, v2)),
    }
}

pub(super) fn f_density(x: f64, v1: f64, v2: f64) -> f64 {
    match x {
        _ if !(is_positive(v1) && is_positive(v2)) => f64::NAN,
        x if x < 0.0 => 0.0,
        0.0 => at_zero(v1 / 2.0, 1.0),
        x => beta_kernel(v1 / 2.0, v2 / 2.0, Odds::of_f(x, v1, v2)) / x,
    }
}

/// x^a (1 − x)^b / B(a, b).
pub(super) fn beta_kernel(a: f64, b: f64, at: Odds) -> f64 {
    if at.log.abs() > EXTREME {
        let exponent = if at.log > 0.0 { -b * at.log } else { a * at.log };
        return (exponent - beta_log(a, b)).exp();
    }
    beta_rcomp(a, b, at.x, at.y)
}

pub(super) fn beta_tails(x: f64, a: f64, b: f64) -> Tails {
    match x {
        _ if !(is_positive(a) && is_positive(b)) => Tails::UNKNOWN,
        x if x <= 0.0 => Tails::NONE_BELOW,
        x if x >= 1.0 => Tails::ALL_BELOW,
        x => try_beta_inc(a, b, x, 1.0 - x).map_or(Tails::UNKNOWN, Tails::of),
    }
}

pub(super) fn beta_density(x: f64, a: f64, b: f64) -> f64 {
    match x {
        _ if !(is_positive(a) && is_positive(b)) => f64::NAN,
        x if !(0.0..=1.0).contains(&x) => 0.0,
        0.0 => at_zero(a, b),
        1.0 => at_zero(b, a),
        x => beta_rcomp(a, b, x, 1.0 - x) / x / (1.0 - x),
    }
}

pub(super) fn t(x: f64, v: f64) -> Tails {
    if !is_positive(v) {
        return Tails::UNKNOWN;
    }
    if x == 0.0 {
        return Tails { below: 0.5, above: 0.5 };
    }
    let both = beta(0.5, v / 2.0, Odds::of_t(x.abs(), v));
    let tails = Tails { below: 0.5 + both.below / 2.0, above: both.above / 2.0 };
    if x > 0.0 { tails } else { tails.swapped() }
}

pub(super) fn t_density(x: f64, v: f64) -> f64 {
    if !is_positive(v) {
        return f64::NAN;
    }
    let odds = x / v * x;
    let log = if odds.is_finite() { odds.ln_1p() } else { 2.0 * x.abs().ln() - v.ln() };
    (-(v + 1.0) / 2.0 * log - beta_log(0.5, v / 2.0)).exp() / v.sqrt()
}
