//! A protected table as everybody outside sees it.

use serde::{Deserialize, Serialize};

use crate::joint::{Input, Joint};
use crate::plan::{Category, Place, Question, QuestionKind, Show, Side, TableShape};

/// A table of protected counts with margins.
///
/// Cells lie row by row. Rows are the categories of the first variable, then the total; columns are the
/// product of the other variables' categories (the first of them slowest), then the total. A table of one
/// variable has a single column and no column total.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// Line of the script, from 1.
    pub line: u32,
    /// The statement as written.
    pub text: String,
    /// Variables in the order written.
    pub axes: Vec<Axis>,
    /// What to show of each cell.
    pub shows: Vec<Show>,
    /// One for each cell of [`Layout::of`], margins included.
    pub cells: Vec<Cell>,
    /// What is said of the value column, where the table has one.
    pub summary: Option<Summary>,
}

/// Statistics of a value column in each cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Name of the value column in the script.
    pub variable: String,
    /// One for each cell; none where rule 7 or 10 hides it.
    pub cells: Vec<Option<Statistics>>,
}

/// Statistics of a value column in one cell, computed from protected sums and counts: those that are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Statistics {
    /// Mean, three significant digits.
    pub mean: Option<f64>,
    /// Standard deviation with n − 1, three significant digits.
    pub standard_deviation: Option<f64>,
    /// Sum.
    pub sum: Option<f64>,
}

impl Statistics {
    /// What the protocol opens for the sum, or the sum of squares, of a hidden cell.
    pub const SUPPRESSED_WORD: u128 = 1 << 127;
}

impl Summary {
    /// What a cell shows; none where it is hidden or not a statistic of the value column.
    pub fn shown(&self, show: Show, cell: usize) -> Option<f64> {
        let statistics = self.cells.get(cell)?.as_ref()?;
        match show {
            Show::Mean => statistics.mean,
            Show::StandardDeviation => statistics.standard_deviation,
            Show::Sum => statistics.sum,
            Show::Frequency | Show::RowPercent | Show::ColumnPercent | Show::CellPercent => None,
        }
    }
}

/// One variable of a table with its categories.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Axis {
    /// Name in the script.
    pub name: String,
    /// In the order shown.
    pub categories: Vec<Category>,
}

/// What is shown in a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cell {
    /// A perturbed count. 0 may be a true 1 to 5.
    Count(u64),
    /// Too small to show.
    Suppressed,
}

impl Cell {
    /// What the protocol opens for a suppressed cell, in place of a perturbed count.
    pub const SUPPRESSED_WORD: u32 = u32::MAX;

    /// The cell that an opened word stands for.
    pub fn from_word(word: u32) -> Self {
        if word == Self::SUPPRESSED_WORD { Self::Suppressed } else { Self::Count(u64::from(word)) }
    }
}

/// Percent that a perturbed count is of a perturbed total, to one decimal, halves away from zero.
///
/// None, shown as `·`, where either is suppressed or the total is 0. It may exceed 100, since noise
/// keeps margins from adding up. The one place where percentages are computed; rounding is in whole numbers.
pub fn percent(count: Cell, total: Cell) -> Option<f64> {
    match (count, total) {
        (Cell::Count(count), Cell::Count(total)) if total > 0 => {
            let (count, total) = (u128::from(count), u128::from(total));
            let tenths = (2000 * count + total) / (2 * total);
            Some(tenths as f64 / 10.0)
        }
        _ => None,
    }
}

/// Where the cells of a table are, and which base cells add up to each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Rows without the total; 1 for a table without variables.
    pub rows: usize,
    /// Columns without the total; 1 for a table of one variable.
    pub columns: usize,
    /// Whether there is a row of totals: not for a table without variables, which has one cell.
    pub totals: bool,
    /// Whether there is a column of row totals.
    pub row_totals: bool,
}

impl Layout {
    /// The layout of a table with these numbers of categories, one for each variable.
    pub fn of(sizes: &[usize]) -> Self {
        let (rows, others) = sizes.split_first().map_or((1, &[][..]), |(rows, others)| (*rows, others));
        Self {
            rows,
            columns: others.iter().product(),
            totals: !sizes.is_empty(),
            row_totals: !others.is_empty(),
        }
    }

    /// Columns with the total.
    pub fn width(&self) -> usize {
        self.columns + usize::from(self.row_totals)
    }

    /// Cells with margins.
    pub fn cells(&self) -> usize {
        (self.rows + usize::from(self.totals)) * self.width()
    }

    /// Cells without margins: those that rule 5 counts.
    pub fn inner_cells(&self) -> usize {
        self.rows * self.columns
    }

    /// Index among all cells of each inner cell, row by row.
    pub fn inner(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.rows).flat_map(move |row| (0..self.columns).map(move |column| row * self.width() + column))
    }

    /// Which cells each inner cell counts in: pairs of inner cell, row by row, and cell with margins.
    pub fn parts(&self) -> Vec<(usize, usize)> {
        let width = self.width();
        let mut parts = Vec::new();
        for row in 0..self.rows {
            for column in 0..self.columns {
                let inner = row * self.columns + column;
                for row in [Some(row), self.totals.then_some(self.rows)].into_iter().flatten() {
                    parts.push((inner, row * width + column));
                    if self.row_totals {
                        parts.push((inner, row * width + self.columns));
                    }
                }
            }
        }
        parts
    }

    /// Adds up margins: from one value for each inner cell, row by row, to one for each cell.
    pub fn with_margins<T: Copy>(&self, inner: &[T], zero: T, add: impl Fn(T, T) -> T) -> Vec<T> {
        assert_eq!(inner.len(), self.inner_cells(), "one value for each inner cell");
        let mut cells = vec![zero; self.cells()];
        for (from, to) in self.parts() {
            cells[to] = add(cells[to], inner[from]);
        }
        cells
    }
}

/// Where each combination of all owners' composite categories, and of the classes of sums, lands among a question's inner cells;
/// none where it is in no cell.
///
/// Combinations lie left's category slowest, then right's, then that of each further owner with a part in the product
/// ([`Question::factors`]), then the class of each sum, the last fastest. A table's inner cells lie row by row in the order in which
/// its variables were written; a population check has one cell, an edit has two.
pub fn inner_cell_of_combination(question: &Question) -> Vec<Option<usize>> {
    // What a combination consists of, in order, with sizes.
    let workers = question.fragments().filter(|(side, _)| !matches!(side, Side::Other(_)));
    let of_owners = workers.chain(question.factors()).flat_map(|(side, fragment)| {
        let sizes = fragment.dimensions.iter().map(|dimension| dimension.categories.len());
        sizes.enumerate().map(move |(dimension, size)| (Input::Dimension { side, dimension }, size))
    });
    let of_sums = question.sums.iter().enumerate().map(|(at, sum)| (Input::Sum(at), sum.categories()));
    let digits: Vec<(Input, usize)> = of_owners.chain(of_sums).collect();
    let place =
        |input: &Input| digits.iter().position(|(of, _)| of == input).expect("a question has its inputs");
    let variables: Vec<Place> = match &question.kind {
        QuestionKind::Table(shape) => shape.variables.iter().map(|variable| variable.place).collect(),
        QuestionKind::Edit(edit) => vec![edit.touched],
        QuestionKind::Population { .. } => Vec::new(),
    };
    let joint = |joint: &'_ Joint| -> (Vec<usize>, Vec<Option<u32>>, usize) {
        (joint.inputs.iter().map(place).collect(), joint.category_of.clone(), joint.categories.len())
    };
    let conditions: Vec<_> = question.conditions.iter().map(joint).collect();
    // A dimension of one owner's is its own only input.
    let variables: Vec<_> = (variables.iter())
        .map(|place_of| match *place_of {
            Place::Joint(at) => joint(&question.joints[at]),
            Place::Own { side, dimension } => {
                let at = place(&Input::Dimension { side, dimension });
                let size = digits[at].1;
                (vec![at], (0..size as u32).map(Some).collect(), size)
            }
        })
        .collect();
    let category = |(inputs, category_of, _): &(Vec<usize>, Vec<Option<u32>>, usize), of: &[usize]| {
        category_of[inputs.iter().fold(0, |index, at| index * digits[*at].1 + of[*at])]
    };
    let combinations: usize = digits.iter().map(|(_, size)| size).product();
    let mut of = vec![0; digits.len()];
    (0..combinations)
        .map(|combination| {
            let mut rest = combination;
            for (digit, (_, size)) in of.iter_mut().zip(&digits).rev() {
                (*digit, rest) = (rest % size, rest / size);
            }
            if conditions.iter().any(|condition| category(condition, &of).is_none()) {
                return None;
            }
            variables.iter().try_fold(0, |cell, variable| {
                let (_, _, size) = variable;
                Some(cell * size + category(variable, &of)? as usize)
            })
        })
        .collect()
}

/// Cells of a question without margins.
pub fn inner_cells(question: &Question) -> usize {
    match &question.kind {
        QuestionKind::Population { .. } => 1,
        QuestionKind::Edit(_) => 2,
        QuestionKind::Table(_) => layout(question).map_or(1, |layout| layout.inner_cells()),
    }
}

/// The layout of a question's result, if it is a table.
pub fn layout(question: &Question) -> Option<Layout> {
    match &question.kind {
        QuestionKind::Population { .. } | QuestionKind::Edit(_) => None,
        QuestionKind::Table(shape) => {
            let sizes: Vec<_> = axes(question, shape).iter().map(|axis| axis.categories.len()).collect();
            Some(Layout::of(&sizes))
        }
    }
}

/// The axes of a table, in the order written.
pub fn axes(question: &Question, shape: &TableShape) -> Vec<Axis> {
    let axis = |variable: &crate::plan::TableVariable| {
        let categories = match variable.place {
            Place::Joint(at) => &question.joints[at].categories,
            Place::Own { side, dimension } => {
                let fragment = question.fragment(side).expect("a table's variable is in a fragment");
                &fragment.dimensions[dimension].categories
            }
        };
        Axis { name: variable.name.clone(), categories: categories.clone() }
    };
    shape.variables.iter().map(axis).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn margins_are_sums_of_the_inner_cells() {
        let layout = Layout::of(&[2, 3]);
        let cells = layout.with_margins(&[1, 2, 3, 4, 5, 6], 0, |a, b| a + b);
        assert_eq!(cells, [1, 2, 3, 6, 4, 5, 6, 15, 5, 7, 9, 21]);
        assert_eq!(layout.inner().collect::<Vec<_>>(), [0, 1, 2, 4, 5, 6]);
    }

    #[test]
    fn an_opened_word_is_a_count_or_the_mark_of_suppression() {
        assert_eq!(Cell::from_word(0), Cell::Count(0));
        assert_eq!(Cell::from_word(u32::MAX - 1), Cell::Count(4_294_967_294));
        assert_eq!(Cell::from_word(Cell::SUPPRESSED_WORD), Cell::Suppressed);
    }

    #[test]
    fn percentages_have_one_decimal_and_halves_go_up() {
        let percent = |count, total| percent(Cell::Count(count), Cell::Count(total));
        assert_eq!(percent(1, 3), Some(33.3));
        assert_eq!(percent(2, 3), Some(66.7));
        assert_eq!(percent(1, 2000), Some(0.1));
        assert_eq!(percent(999, 2_000_000), Some(0.0));
        assert_eq!(percent(0, 7), Some(0.0));
        assert_eq!(percent(12, 10), Some(120.0));
        assert_eq!(percent(5, 0), None);
        assert_eq!(percent(u64::MAX, u64::MAX), Some(100.0));
    }

    #[test]
    fn nothing_is_a_percentage_of_a_suppressed_cell() {
        assert_eq!(percent(Cell::Suppressed, Cell::Count(10)), None);
        assert_eq!(percent(Cell::Count(10), Cell::Suppressed), None);
    }

    #[test]
    fn a_table_without_variables_is_one_cell() {
        assert_eq!(Layout::of(&[]).with_margins(&[7], 0, |a, b| a + b), [7]);
    }

    #[test]
    fn a_table_of_one_variable_has_one_column_and_a_total() {
        let layout = Layout::of(&[3]);
        assert_eq!(layout.with_margins(&[1, 2, 3], 0, |a, b| a + b), [1, 2, 3, 6]);
    }
}
