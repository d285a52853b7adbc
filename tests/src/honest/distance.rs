//! How far what a table shows lies from the truth.

use kobling_model::plan::Show;
use kobling_model::table::{Cell, Table};
use serde::Serialize;

use super::{True, inner};

/// Distances of shown numbers of one kind from the true ones.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Distance {
    /// Numbers that are shown.
    pub shown: usize,
    /// Median of the distances, in the number's own unit.
    pub median: f64,
    /// The largest.
    pub largest: f64,
    /// Median of the distances in percent of the true numbers; those that are zero are left out.
    pub median_percent: f64,
    /// The largest of these.
    pub largest_percent: f64,
}

impl Distance {
    /// Of pairs of a shown and a true number; none where there are none.
    pub fn of(pairs: &[(f64, f64)]) -> Option<Self> {
        let absolute = sorted(pairs.iter().map(|(shown, truth)| (shown - truth).abs()));
        let relative = pairs.iter().filter(|(_, truth)| *truth != 0.0);
        let relative = sorted(relative.map(|(shown, truth)| 100.0 * ((shown - truth) / truth).abs()));
        let largest = *absolute.last()?;
        Some(Self {
            shown: pairs.len(),
            median: median(&absolute),
            largest,
            median_percent: median(&relative),
            largest_percent: relative.last().copied().unwrap_or_default(),
        })
    }
}

fn sorted(numbers: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut numbers: Vec<f64> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    numbers
}

/// Middle of numbers in order, the mean of the two middle ones; 0 where there are none.
fn median(sorted: &[f64]) -> f64 {
    match sorted.len() {
        0 => 0.0,
        n if n % 2 == 1 => sorted[n / 2],
        n => (sorted[n / 2 - 1] + sorted[n / 2]) / 2.0,
    }
}

/// What is to be said of a table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// Cells without margins.
    pub inner: usize,
    /// Those of them whose count is hidden.
    pub hidden_inner: usize,
    /// Margins.
    pub margins: usize,
    /// Those of them whose count is hidden.
    pub hidden_margins: usize,
    /// Cells whose count is shown and whose mean, deviation and sum are hidden.
    pub hidden_statistics: usize,
    /// Pairs of shown and true numbers: counts.
    #[serde(skip)]
    pub counts: Vec<(f64, f64)>,
    /// Means.
    #[serde(skip)]
    pub means: Vec<(f64, f64)>,
    /// Sums.
    #[serde(skip)]
    pub sums: Vec<(f64, f64)>,
    /// Percentages, of which the truth is that of true counts.
    #[serde(skip)]
    pub percentages: Vec<(f64, f64)>,
}

impl Figures {
    /// Of a shown table, the same table without any rule, and its cells' true numbers.
    ///
    /// # Panics
    /// Where the two are not tables of the same cells.
    pub fn of(shown: &Table, truth: &Table, cells: &[True]) -> Self {
        assert!(shown.axes == truth.axes && shown.cells.len() == cells.len(), "two tables of the same cells");
        let is_inner = inner(shown);
        let hidden = |of: bool| {
            let cells = shown.cells.iter().zip(&is_inner);
            cells.filter(|(cell, is_inner)| **is_inner == of && **cell == Cell::Suppressed).count()
        };
        let mut figures = Self {
            inner: is_inner.iter().filter(|is_inner| **is_inner).count(),
            hidden_inner: hidden(true),
            margins: is_inner.iter().filter(|is_inner| !**is_inner).count(),
            hidden_margins: hidden(false),
            hidden_statistics: 0,
            counts: Vec::new(),
            means: Vec::new(),
            sums: Vec::new(),
            percentages: Vec::new(),
        };
        for (at, cell) in shown.cells.iter().enumerate() {
            if let Cell::Count(count) = cell {
                figures.add(at, *count, shown, cells[at]);
            }
        }
        figures.percentages = percentages(shown, truth);
        figures
    }

    fn add(&mut self, at: usize, count: u64, shown: &Table, truth: True) {
        self.counts.push((count as f64, truth.count as f64));
        let (Some(summary), Some(sum)) = (&shown.summary, truth.sum) else { return };
        // Nothing is measured of nobody.
        if summary.cells[at].is_none() {
            self.hidden_statistics += usize::from(count > 0);
        }
        if let Some(mean) = summary.shown(Show::Mean, at)
            && truth.count > 0
        {
            self.means.push((mean, sum / truth.count as f64));
        }
        if let Some(shown) = summary.shown(Show::Sum, at) {
            self.sums.push((shown, sum));
        }
    }
}

/// Percentages that are shown, each with that of true counts.
fn percentages(shown: &Table, truth: &Table) -> Vec<(f64, f64)> {
    let sizes: Vec<usize> = shown.axes.iter().map(|axis| axis.categories.len()).collect();
    let layout = kobling_model::table::Layout::of(&sizes);
    let percent = kobling_proto::flight::percent_shown;
    let cells = 0..shown.cells.len();
    let pairs = cells.flat_map(|at| shown.shows.iter().map(move |show| (at, *show)));
    pairs
        .filter_map(|(at, show)| {
            Some((percent(show, &layout, &shown.cells, at)?, percent(show, &layout, &truth.cells, at)?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_have_their_median_and_their_largest_and_zeros_no_percentage() {
        let distance = Distance::of(&[(9.0, 10.0), (103.0, 100.0), (2.0, 0.0), (50.0, 50.0)]).expect("four");
        assert_eq!((distance.shown, distance.median, distance.largest), (4, 1.5, 3.0));
        assert_eq!((distance.median_percent, distance.largest_percent), (3.0, 10.0));
        assert_eq!(Distance::of(&[]), None);
    }
}
