//! Non-central distributions: mixtures of central ones, with weights of a Poisson distribution.
//!
//! All terms of a sum are positive, so it has nearly all its digits however small it is. Sums start where their terms become worth
//! adding, and end where they stop to be: about 20·√m terms, m being half the non-centrality, which is at most
//! [`LAMBDA_MAX`] and [`DELTA_MAX`], as in Stata.
//!
//! Source: N. L. Johnson, S. Kotz and N. Balakrishnan, "Continuous Univariate Distributions", volume 2, 1995, chapters 29 to 31.

use std::f64::consts::{LN_2, PI};

use cdflib::special::cumnor;
use cdflib::special::internal::{dstrem, rcomp};

use super::central::{self, Odds, Tails, at_zero, beta, beta_kernel, gamma, normal};

/// Largest non-centrality of χ² and F.
const LAMBDA_MAX: f64 = 10_000.0;
/// Largest non-centrality of t, to either side.
const DELTA_MAX: f64 = 1_000.0;
/// A smaller non-centrality is none.
const NONE: f64 = 1e-100;
/// Terms after which a sum is given up. None that is worth computing has a tenth of it.
const TERMS_MAX: u32 = 200_000;
/// Numbers below this have lost digits.
const SMALLEST: f64 = 1e-290;
/// A term is worth adding while it is larger than this part of the sum.
const NEGLIGIBLE: f64 = 1e-18;

/// Σ w(j)·P(a + j) over j = 0, 1, …, w being the weights of a Poisson distribution of mean m at j + `offset`, and P the tails of a
/// gamma or beta distribution at a point.
struct Mixture {
    m: f64,
    offset: f64,
    a: f64,
    of: Central,
}

enum Central {
    Gamma { x: f64 },
    Beta { b: f64, at: Odds },
}

impl Mixture {
    fn weight(&self, j: f64) -> f64 {
        rcomp(j + self.offset + 1.0, self.m) / self.m
    }

    fn tails(&self, j: f64) -> Tails {
        match self.of {
            Central::Gamma { x } => gamma(self.a + j, x),
            Central::Beta { b, at } => beta(self.a + j, b, at),
        }
    }

    /// x^a e^−x / Γ(a) or x^a (1 − x)^b / B(a, b), which are densities but for a factor.
    fn kernel(&self, j: f64) -> f64 {
        match self.of {
            Central::Gamma { x } => rcomp(self.a + j, x),
            Central::Beta { b, at } => beta_kernel(self.a + j, b, at),
        }
    }

    /// What the kernel at j + 1 is to that at j.
    fn growth(&self, j: f64) -> f64 {
        match self.of {
            Central::Gamma { x } => x / (self.a + j),
            Central::Beta { b, at } => at.x * ((self.a + j + b) / (self.a + j)),
        }
    }

    /// Where w(j) times the kernel at j + 1 is largest: the root of (j + 1)(a + j + 1) = m·x, or m·x (a + b + j).
    fn mode(&self) -> f64 {
        let (linear, constant) = match self.of {
            Central::Gamma { x } => (self.a + 2.0, self.a + 1.0 - self.m * x),
            Central::Beta { b, at } => {
                let mx = self.m * at.x;
                (self.a + 2.0 - mx, self.a + 1.0 - mx * (self.a + b))
            }
        };
        let root = (linear * linear - 4.0 * constant).max(0.0).sqrt();
        let mode = if linear > 0.0 { -2.0 * constant / (linear + root) } else { (root - linear) / 2.0 };
        if mode.is_finite() { mode.max(0.0) } else { 0.0 }
    }

    /// P(a + j) falls with j by this much.
    fn fall(&self, j: f64) -> f64 {
        self.kernel(j) / (self.a + j)
    }

    /// How many terms may be passed over while they are too small to be numbers, so that they do not become large meanwhile.
    fn stride(&self, j: f64) -> f64 {
        (10.0 / self.growth(j).ln().abs()).clamp(1.0, 100.0).floor()
    }

    /// From the last term worth adding downwards, so that the tail grows by addition.
    fn below(&self) -> f64 {
        let top = self.m.min(self.mode());
        let margin = 10.0 * top.sqrt() + 40.0;
        let mut j = (top + margin).ceil();
        let (mut tail, mut fall, mut weight) = (self.tails(j).below, self.fall(j), self.weight(j));
        let mut sum = 0.0;
        loop {
            let term = weight * tail;
            sum += term;
            let done = j < top && term < NEGLIGIBLE * sum || j < top - margin && sum < SMALLEST;
            if j == 0.0 || done || !term.is_finite() {
                return sum;
            }
            if fall > SMALLEST || tail == 1.0 {
                j -= 1.0;
                weight *= (j + 1.0 + self.offset) / self.m;
                if fall > SMALLEST {
                    fall *= (self.a + j + 1.0) / (self.a + j) / self.growth(j);
                    tail += fall;
                }
            } else {
                j = (j - self.stride(j)).max(0.0);
                (tail, fall, weight) = (self.tails(j).below, self.fall(j), self.weight(j));
            }
        }
    }

    /// From the first term worth adding upwards, likewise.
    fn above(&self) -> f64 {
        let bottom = self.m.max(self.mode() - 1.0);
        // So far out that nothing is there.
        if bottom > 10.0 * f64::from(TERMS_MAX) {
            return 0.0;
        }
        let mut j = (bottom - 10.0 * bottom.sqrt() - 40.0).floor().max(0.0);
        let (mut tail, mut rise, mut weight) = (self.tails(j).above, self.fall(j), self.weight(j));
        let mut sum = 0.0;
        for _ in 0..TERMS_MAX {
            let term = weight * tail;
            sum += term;
            if j > bottom && term <= NEGLIGIBLE * sum || !term.is_finite() {
                return sum;
            }
            if rise > SMALLEST || tail == 1.0 {
                tail += rise;
                rise *= self.growth(j) * (self.a + j) / (self.a + j + 1.0);
                j += 1.0;
                weight *= self.m / (j + self.offset);
            } else {
                j += self.stride(j);
                (tail, rise, weight) = (self.tails(j).above, self.fall(j), self.weight(j));
            }
        }
        f64::NAN
    }

    fn both(&self) -> Tails {
        Tails { below: self.below(), above: self.above() }
    }

    /// Σ w(j)·kernel(a + j), from its largest term outwards.
    fn density(&self) -> f64 {
        let start = (self.mode() + 1.0).round();
        if start > 10.0 * f64::from(TERMS_MAX) {
            return 0.0;
        }
        let first = self.weight(start) * self.kernel(start);
        let ratio = |j: f64| self.growth(j) * self.m / (j + 1.0 + self.offset);
        let (mut sum, mut term, mut j) = (first, first, start);
        while j > 0.0 && term > NEGLIGIBLE * sum {
            j -= 1.0;
            term /= ratio(j);
            sum += term;
        }
        (term, j) = (first, start);
        for _ in 0..TERMS_MAX {
            term *= ratio(j);
            sum += term;
            j += 1.0;
            if term <= NEGLIGIBLE * sum || !term.is_finite() {
                return sum;
            }
        }
        f64::NAN
    }
}

/// Whether these are degrees of freedom and a non-centrality.
fn is_known(v: f64, lambda: f64) -> bool {
    v > 0.0 && v.is_finite() && (0.0..=LAMBDA_MAX).contains(&lambda)
}

fn of_chi2(x: f64, v: f64, lambda: f64) -> Mixture {
    Mixture { m: lambda / 2.0, offset: 0.0, a: v / 2.0, of: Central::Gamma { x: x / 2.0 } }
}

pub(super) fn chi2(x: f64, v: f64, lambda: f64) -> Tails {
    match x {
        _ if !is_known(v, lambda) => Tails::UNKNOWN,
        x if x <= 0.0 => Tails::NONE_BELOW,
        x if lambda < NONE => central::chi2(x, v),
        x => of_chi2(x, v, lambda).both(),
    }
}

pub(super) fn chi2_density(x: f64, v: f64, lambda: f64) -> f64 {
    match x {
        _ if !is_known(v, lambda) => f64::NAN,
        x if x < 0.0 => 0.0,
        0.0 => at_zero(v / 2.0, (-lambda / 2.0).exp() / 2.0),
        x if lambda < NONE => central::chi2_density(x, v),
        x => of_chi2(x, v, lambda).density() / x,
    }
}

fn of_f(x: f64, v1: f64, v2: f64, lambda: f64) -> Mixture {
    let at = Odds::of_f(x, v1, v2);
    Mixture { m: lambda / 2.0, offset: 0.0, a: v1 / 2.0, of: Central::Beta { b: v2 / 2.0, at } }
}

pub(super) fn f(x: f64, v1: f64, v2: f64, lambda: f64) -> Tails {
    match x {
        _ if !(is_known(v1, lambda) && is_known(v2, lambda)) => Tails::UNKNOWN,
        x if x <= 0.0 => Tails::NONE_BELOW,
        x if lambda < NONE => central::f(x, v1, v2),
        x => of_f(x, v1, v2, lambda).both(),
    }
}

pub(super) fn f_density(x: f64, v1: f64, v2: f64, lambda: f64) -> f64 {
    match x {
        _ if !(is_known(v1, lambda) && is_known(v2, lambda)) => f64::NAN,
        x if x < 0.0 => 0.0,
        0.0 => at_zero(v1 / 2.0, (-lambda / 2.0).exp()),
        x if lambda < NONE => central::f_density(x, v1, v2),
        x => of_f(x, v1, v2, lambda).density() / x,
    }
}

/// Z + `delta` over √(χ²/v).
pub(super) fn t(x: f64, v: f64, delta: f64) -> Tails {
    if !(v > 0.0 && v.is_finite() && delta.abs() <= DELTA_MAX) {
        return Tails::UNKNOWN;
    }
    match x {
        x if x < 0.0 => t_right(-x, v, -delta).swapped(),
        x => t_right(x, v, delta),
    }
}

/// The same at a point that is not negative.
fn t_right(x: f64, v: f64, delta: f64) -> Tails {
    if delta.abs() < NONE {
        return central::t(x, v);
    }
    let left_of_zero = normal(-delta);
    if x == 0.0 {
        return left_of_zero;
    }
    if delta < 0.0 {
        // The sum would take differences of large terms.
        let above = t_above_by_area(x, v, -delta);
        return Tails { below: 1.0 - above, above };
    }
    let (m, b, at) = (delta * delta / 2.0, v / 2.0, Odds::of_t(x, v));
    let of = |offset: f64| Mixture { m, offset, a: 0.5 + offset, of: Central::Beta { b, at } }.both();
    let (even, odd) = (of(0.0), of(0.5));
    Tails {
        below: left_of_zero.below + (even.below + odd.below) / 2.0,
        above: (even.above + odd.above) / 2.0,
    }
}

/// The logarithm of √(χ²/v) has the density C·exp(v·(u − (e^2u − 1)/2)) at u; this is the exponent by v.
fn spread(u: f64) -> f64 {
    if u.abs() < 0.01 {
        // The two parts cancel; what is left of the series of e^2u.
        let series = [2.0, 4.0 / 3.0, 2.0 / 3.0, 4.0 / 15.0, 4.0 / 45.0, 8.0 / 315.0, 2.0 / 315.0];
        return -u * u / 2.0 * series.iter().rev().fold(0.0, |sum, factor| sum * u + factor);
    }
    u - (2.0 * u).exp_m1() / 2.0
}

/// ln C.
fn spread_factor(v: f64) -> f64 {
    LN_2 + (v / 2.0).ln() / 2.0 - (2.0 * PI).ln() / 2.0 - dstrem(v / 2.0)
}

/// The area under a function with one peak at `peak`, where its logarithm has the curvature `curvature`, by equal steps. For functions as
/// smooth as these the error falls faster than any power of the step.
fn area(function: impl Fn(f64) -> f64, peak: f64, curvature: f64) -> f64 {
    let step = (0.4 / curvature.sqrt()).min(0.1);
    let mut sum = function(peak);
    for direction in [-step, step] {
        let mut steps = 0;
        loop {
            steps += 1;
            let term = function(peak + f64::from(steps) * direction);
            sum += term;
            if term <= NEGLIGIBLE * sum || !term.is_finite() {
                break;
            }
            if steps > TERMS_MAX / 10 {
                return f64::NAN;
            }
        }
    }
    sum * step
}

/// P(T > x) for x > 0 and the non-centrality −`d`: the normal tail beyond d + x·s, over all s.
fn t_above_by_area(x: f64, v: f64, d: f64) -> f64 {
    // What the tail falls by, in proportion to itself.
    let hazard = |z: f64| match z {
        z if z > 30.0 => z + 1.0 / z - 2.0 / z.powi(3),
        z => (-z * z / 2.0).exp() / (2.0 * PI).sqrt() / cumnor(z).1,
    };
    // The logarithm of what is added up is concave in u = ln s: its slope falls, and has its zero at the peak.
    let slope = |u: f64| {
        let s = u.exp();
        -v * (2.0 * u).exp_m1() - x * s * hazard(d + x * s)
    };
    let (mut low, mut high) = (-800.0, 0.0);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if slope(middle) > 0.0 { low = middle } else { high = middle }
    }
    let s = low.exp();
    let (xs, rate) = (x * s, hazard(d + x * s));
    let curvature = 2.0 * v * s * s + xs * rate + xs * xs * rate * (rate - d - xs).max(0.0);
    let factor = spread_factor(v);
    area(|u| (v * spread(u) + factor).exp() * cumnor(d + x * u.exp()).1, low, curvature)
}

pub(super) fn t_density(x: f64, v: f64, delta: f64) -> f64 {
    if !(v > 0.0 && v.is_finite() && delta.abs() <= DELTA_MAX) {
        return f64::NAN;
    }
    if delta.abs() < NONE {
        return central::t_density(x, v);
    }
    // The slope of the logarithm of what is added up is v + 1 + δxs − (v + x²)s².
    let (linear, square) = (delta * x, v + x * x);
    let root = (linear * linear + 4.0 * (v + 1.0) * square).sqrt();
    let s = if linear > 0.0 { (linear + root) / (2.0 * square) } else { 2.0 * (v + 1.0) / (root - linear) };
    let curvature = v + 1.0 + square * s * s;
    let factor = spread_factor(v) - (2.0 * PI).ln() / 2.0;
    let of = |u: f64| (v * spread(u) + u + factor - (x * u.exp() - delta).powi(2) / 2.0).exp();
    area(of, s.ln(), curvature)
}
