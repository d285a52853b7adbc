//! Coefficients of a few terms: least squares of relative errors, none below zero.

/// A term of a formula: what it counts, and how many there are.
pub type Terms = Vec<(&'static str, f64)>;

/// Coefficients of some terms, none below zero.
pub struct Fit {
    names: Vec<&'static str>,
    coefficients: Vec<f64>,
}

impl Fit {
    /// Least squares of relative errors, in which large ones count as they are and not squared: a time that a neighbour lengthened
    /// says little. Of terms with a coefficient below zero the lowest is left out, one after the other.
    pub fn new(points: &[(Terms, f64)]) -> Self {
        const LARGE: f64 = 0.05;
        let names: Vec<_> = points[0].0.iter().map(|(name, _)| *name).collect();
        let mut weights = vec![1.0; points.len()];
        let mut fit = Self { coefficients: not_negative(points, &weights), names };
        for _ in 0..10 {
            for (weight, (terms, value)) in weights.iter_mut().zip(points) {
                *weight = LARGE / (fit.predict(terms) / value - 1.0).abs().max(LARGE);
            }
            fit.coefficients = not_negative(points, &weights);
        }
        fit
    }

    pub fn predict(&self, terms: &Terms) -> f64 {
        terms.iter().zip(&self.coefficients).map(|((_, count), each)| count * each).sum()
    }

    /// Largest relative error.
    pub fn worst(&self, points: &[(Terms, f64)]) -> f64 {
        points.iter().map(|(terms, value)| (self.predict(terms) / value - 1.0).abs()).fold(0.0, f64::max)
    }

    pub fn formula(&self, unit: f64, name: &str) -> String {
        let used = self.names.iter().zip(&self.coefficients).filter(|(_, each)| **each > 0.0);
        let used: Vec<_> = used
            .map(|(term, each)| {
                let each = each * unit;
                let digits = (2.0 - each.log10().floor()).clamp(0.0, 6.0) as usize;
                format!("{each:.digits$} {name} a {term}")
            })
            .collect();
        used.join(" + ")
    }
}

fn not_negative(points: &[(Terms, f64)], weights: &[f64]) -> Vec<f64> {
    let mut coefficients = vec![0.0; points[0].0.len()];
    let counts = |at: &usize| points.iter().any(|(terms, _)| terms[*at].1 > 0.0);
    let mut used: Vec<usize> = (0..coefficients.len()).filter(counts).collect();
    loop {
        let scaled = |(terms, value): &(Terms, f64)| used.iter().map(|at| terms[*at].1 / value).collect();
        let solved = least_squares(&points.iter().map(scaled).collect::<Vec<Vec<f64>>>(), weights);
        // In parts of a value, as terms have units of their own.
        let part = |at: usize| {
            solved[at] * points.iter().map(|(terms, value)| terms[used[at]].1 / value).sum::<f64>()
        };
        let lowest = (0..used.len()).min_by(|a, b| part(*a).total_cmp(&part(*b)));
        match lowest.filter(|lowest| solved[*lowest] < 0.0) {
            Some(lowest) => _ = used.remove(lowest),
            None => {
                used.iter().zip(solved).for_each(|(at, solved)| coefficients[*at] = solved);
                return coefficients;
            }
        }
    }
}

/// Weighted coefficients with which each row's sum is nearest to 1: normal equations, by Gauss's elimination with the largest pivot.
fn least_squares(equations: &[Vec<f64>], weights: &[f64]) -> Vec<f64> {
    let count = equations[0].len();
    // So that pivots can be compared.
    let scale: Vec<f64> = (0..count)
        .map(|i| equations.iter().map(|terms| terms[i]).fold(f64::MIN_POSITIVE, f64::max))
        .collect();
    let sum = |i: usize, other: &dyn Fn(&[f64]) -> f64| -> f64 {
        equations.iter().zip(weights).map(|(terms, weight)| weight * terms[i] / scale[i] * other(terms)).sum()
    };
    let mut rows: Vec<Vec<f64>> = (0..count)
        .map(|i| (0..count).map(|j| sum(i, &|terms| terms[j] / scale[j])).chain([sum(i, &|_| 1.0)]).collect())
        .collect();
    for column in 0..count {
        let largest =
            (column..count).max_by(|a, b| rows[*a][column].abs().total_cmp(&rows[*b][column].abs()));
        rows.swap(column, largest.expect("a row is left"));
        let pivot = rows[column].clone();
        for (at, row) in rows.iter_mut().enumerate() {
            let factor = row[column] / pivot[column];
            // A term that says nothing beyond the others has no pivot, and no part.
            if at != column && factor.is_finite() {
                row.iter_mut().zip(&pivot).for_each(|(entry, pivot)| *entry -= factor * pivot);
            }
        }
    }
    rows.iter()
        .enumerate()
        .map(|(at, row)| row[count] / row[at] / scale[at])
        .map(|x| if x.is_finite() { x } else { 0.0 })
        .collect()
}
