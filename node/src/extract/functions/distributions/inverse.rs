//! The point at which a tail has a given probability, for any distribution whose tails can be computed.
//!
//! Sought in the logarithm of the point and of the probability, in which tails are nearly straight lines far out, by bisection and
//! inverse quadratic steps: no more than [`STEPS_MAX`] evaluations, usually some twenty.
//!
//! Source: T. R. Chandrupatla, "A new hybrid quadratic/bisection algorithm for finding the zero of a nonlinear function without
//! using derivatives", Advances in Engineering Software 28 (1997).

use super::central::Tails;

const STEPS_MAX: u32 = 200;

/// The positive x with these tails; `tails` gives those at e^s. Zero below what numbers can say, not a number above.
pub(super) fn positive(wanted: Tails, tails: impl Fn(f64) -> Tails) -> f64 {
    // The smaller tail is the one with digits.
    let lower = wanted.below <= wanted.above;
    let target = if lower { wanted.below.ln() } else { wanted.above.ln() };
    let off = |s: f64| {
        let tails = tails(s);
        if lower { tails.below.ln() - target } else { target - tails.above.ln() }
    };
    let (mut a, mut b) = (-744.0, 709.0);
    let (mut off_a, mut off_b) = (off(a), off(b));
    if off_a >= 0.0 {
        return 0.0;
    }
    if off_b <= 0.0 || off_a.is_nan() || off_b.is_nan() {
        return f64::NAN;
    }
    let mut part = 0.5;
    for _ in 0..STEPS_MAX {
        let s = a + part * (b - a);
        let off_s = off(s);
        if off_s.is_nan() {
            return f64::NAN;
        }
        // `a` becomes the newest point; `b` stays or comes to be beyond the zero; `c` is the one that is given up.
        let (c, off_c) = if (off_s > 0.0) == (off_a > 0.0) { (a, off_a) } else { (b, off_b) };
        if (off_s > 0.0) != (off_a > 0.0) {
            (b, off_b) = (a, off_a);
        }
        (a, off_a) = (s, off_s);
        let (best, off_best) = if off_a.abs() < off_b.abs() { (a, off_a) } else { (b, off_b) };
        let tolerance = (2.0 * f64::EPSILON * best.abs()).max(1e-17);
        let narrow = tolerance / (b - a).abs();
        if off_best == 0.0 || narrow > 0.5 {
            return best.exp();
        }
        let (xi, phi) = ((a - b) / (c - b), (off_a - off_b) / (off_c - off_b));
        let quadratic = phi * phi < xi && (1.0 - phi) * (1.0 - phi) < 1.0 - xi;
        let inverse = off_a / (off_b - off_a) * off_c / (off_b - off_c)
            + (c - a) / (b - a) * off_a / (off_c - off_a) * off_b / (off_c - off_b);
        part = if quadratic && inverse.is_finite() { inverse } else { 0.5 };
        part = part.clamp(narrow, 1.0 - narrow);
    }
    f64::NAN
}

/// Tails of a point below which there is p; none unless p is a probability.
pub(super) fn with_below(p: f64) -> Option<Tails> {
    (0.0..=1.0).contains(&p).then_some(Tails { below: p, above: 1.0 - p })
}

/// The x of a distribution on the positive numbers.
pub(super) fn on_positive(wanted: Option<Tails>, tails: impl Fn(f64) -> Tails) -> f64 {
    // Tails that are unknown anywhere are so everywhere.
    match wanted.filter(|_| !tails(1.0).below.is_nan()) {
        None => f64::NAN,
        Some(wanted) if wanted.below == 0.0 => 0.0,
        Some(wanted) if wanted.above == 0.0 => f64::NAN,
        Some(wanted) => positive(wanted, |s| tails(s.exp())),
    }
}

/// The x of a distribution on all numbers; `mirrored` has the tails of −x.
pub(super) fn on_all(
    wanted: Option<Tails>,
    tails: impl Fn(f64) -> Tails,
    mirrored: impl Fn(f64) -> Tails,
) -> f64 {
    let Some(wanted) = wanted.filter(|wanted| wanted.below > 0.0 && wanted.above > 0.0) else {
        return f64::NAN;
    };
    let zero = tails(0.0);
    // Compared by the smaller tail.
    let side =
        if wanted.below <= wanted.above { wanted.below - zero.below } else { zero.above - wanted.above };
    match side {
        0.0 => 0.0,
        side if side > 0.0 => positive(wanted, |s| tails(s.exp())),
        side if side < 0.0 => 0.0 - positive(wanted.swapped(), |s| mirrored(s.exp())),
        _ => f64::NAN,
    }
}
