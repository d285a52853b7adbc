//! Distributions. Names, arguments and meaning are Stata's, with the variable first.
//!
//! A degree of freedom, shape or deviation that is not positive, a probability outside 0 to 1 and a non-centrality beyond the bounds of
//! [`noncentral`] make the result missing, and so does a density that is infinite. Outside the values that a variable can have,
//! densities are 0 and probabilities 0 or 1. No result takes more than a bounded number of steps.

use datafusion::arrow::array::ArrayRef;
use kobling_model::expression::Function;

use super::{Column, numbers};

mod central;
mod inverse;
mod noncentral;

use central::Tails;
use inverse::{on_all, on_positive, with_below};

/// Evaluates one of them. None where it is another function, or the arguments are not its.
pub(super) fn apply(function: Function, arguments: &[Column], rows: usize) -> Option<ArrayRef> {
    let [a, b, c, d] = [0, 1, 2, 3].map(|at| arguments.get(at));
    // Arguments that are not given are not missing.
    let given =
        |column: Option<&Column>, row: usize| column.map_or(Some(f64::NAN), |column| column.number(row));
    let count = arguments.len();
    (1..=4).contains(&count).then(|| {
        numbers(rows, |row| {
            let arguments = [given(a, row)?, given(b, row)?, given(c, row)?, given(d, row)?];
            Some(value(function, &arguments[..count]))
        })
    })
}

/// The value of a distribution function; not a number where it is missing.
fn value(function: Function, arguments: &[f64]) -> f64 {
    use Function as F;
    let above = |p: f64| with_below(p).map(Tails::swapped);
    match (function, arguments) {
        (F::Normal, [x]) => central::normal(*x).below,
        (F::Normalden, [x]) => central::normal_density(*x, 0.0, 1.0),
        (F::Normalden, [x, mu]) => central::normal_density(*x, *mu, 1.0),
        (F::Normalden, [x, mu, sigma]) => central::normal_density(*x, *mu, *sigma),

        (F::Binomial, [x, n, p]) => central::binomial(*x, *n, *p).below,
        (F::Binomialp, [x, n, p]) => central::binomial_mass(*x, *n, *p),
        (F::Binomialtail, [x, n, p]) => central::binomial(x.floor() - 1.0, *n, *p).above,

        (F::Chi2, [x, v]) => central::chi2(*x, *v).below,
        (F::Chi2den, [x, v]) => central::chi2_density(*x, *v),
        (F::Chi2tail, [x, v]) => central::chi2(*x, *v).above,
        (F::Invchi2, [p, v]) => on_positive(with_below(*p), |x| central::chi2(x, *v)),
        (F::Invchi2tail, [p, v]) => on_positive(above(*p), |x| central::chi2(x, *v)),
        (F::Nchi2, [x, v, lambda]) => noncentral::chi2(*x, *v, *lambda).below,
        (F::Nchi2den, [x, v, lambda]) => noncentral::chi2_density(*x, *v, *lambda),
        (F::Nchi2tail, [x, v, lambda]) => noncentral::chi2(*x, *v, *lambda).above,

        (F::F, [x, v1, v2]) => central::f(*x, *v1, *v2).below,
        (F::Ftail, [x, v1, v2]) => central::f(*x, *v1, *v2).above,
        (F::Fden, [x, v1, v2]) => central::f_density(*x, *v1, *v2),
        (F::InvF, [p, v1, v2]) => on_positive(with_below(*p), |x| central::f(x, *v1, *v2)),
        (F::InvFtail, [p, v1, v2]) => on_positive(above(*p), |x| central::f(x, *v1, *v2)),
        (F::F | F::NF, [x, v1, v2, lambda]) => noncentral::f(*x, *v1, *v2, *lambda).below,
        (F::Ftail | F::NFtail, [x, v1, v2, lambda]) => noncentral::f(*x, *v1, *v2, *lambda).above,
        (F::NFden, [x, v1, v2, lambda]) => noncentral::f_density(*x, *v1, *v2, *lambda),
        (F::InvnFtail, [p, v1, v2, lambda]) => {
            on_positive(above(*p), |x| noncentral::f(x, *v1, *v2, *lambda))
        }

        (F::Ibeta, [x, a, b]) => central::beta_tails(*x, *a, *b).below,
        (F::Ibetatail, [x, a, b]) => central::beta_tails(*x, *a, *b).above,
        (F::Betaden, [x, a, b]) => central::beta_density(*x, *a, *b),
        (F::Invibeta, [p, a, b]) => inverse_beta(with_below(*p), *a, *b),
        (F::Invibetatail, [p, a, b]) => inverse_beta(above(*p), *a, *b),

        (F::T, [x, v]) => central::t(*x, *v).below,
        (F::Ttail, [x, v]) => central::t(*x, *v).above,
        (F::Tden | F::Ntden, [x, v]) => central::t_density(*x, *v),
        (F::Invt, [p, v]) => inverse_t(with_below(*p), *v, 0.0),
        (F::Invttail, [p, v]) => inverse_t(above(*p), *v, 0.0),
        (F::Nt, [x, v, delta]) => noncentral::t(*x, *v, *delta).below,
        (F::Nttail, [x, v, delta]) => noncentral::t(*x, *v, *delta).above,
        (F::Ntden, [x, v, delta]) => noncentral::t_density(*x, *v, *delta),
        (F::Invnttail, [p, v, delta]) => inverse_t(above(*p), *v, *delta),
        _ => f64::NAN,
    }
}

fn inverse_beta(wanted: Option<Tails>, a: f64, b: f64) -> f64 {
    let known = a > 0.0 && b > 0.0 && a.is_finite() && b.is_finite();
    match wanted.filter(|_| known) {
        None => f64::NAN,
        Some(wanted) if wanted.below == 0.0 => 0.0,
        Some(wanted) if wanted.above == 0.0 => 1.0,
        // By the odds x / (1 − x), in which both ends have digits.
        Some(wanted) => {
            let odds =
                inverse::positive(wanted, |log| central::beta(a, b, central::Odds::of(log.exp(), log)));
            if odds > 1.0 || odds.is_nan() { 1.0 / (1.0 + 1.0 / odds) } else { odds / (1.0 + odds) }
        }
    }
}

fn inverse_t(wanted: Option<Tails>, v: f64, delta: f64) -> f64 {
    on_all(wanted, |x| noncentral::t(x, v, delta), |x| noncentral::t(x, v, -delta))
}
