//! The perturbation table of rule 3: from a count and a cell key to the change of the count.
//!
//! The format is that of the `cell_key_perturbation` package of the UK Office for National Statistics: a CSV
//! of count (`pcv`), key (`ckey`) and change (`pvalue`). Reading checks everything that the protection rests
//! on, so that whoever holds a [`PerturbationTable`] need not check again. How the published table was made
//! is in [`crate::generator`].

use std::sync::LazyLock;

use kobling_model::Hash;

/// Keys of each row: 0 to 255, one byte of the cipher's output.
pub const KEYS: usize = 256;

/// The table that every federation uses, as it lies in the repository.
const PUBLISHED: &str = include_str!("../data/perturbation-d5-v3-js2.csv");

static PUBLISHED_TABLE: LazyLock<PerturbationTable> = LazyLock::new(|| {
    PerturbationTable::parse(PUBLISHED, Bounds::PUBLISHED).expect("the published table is checked by a test")
});

const HEADER: &str = "pcv,ckey,pvalue";

/// What a table promises: no change larger, no result that small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// D: the largest change, up or down.
    pub largest_change: i32,
    /// js: no perturbed count lies in 1 to this.
    pub small_results_max: i32,
}

impl Bounds {
    /// Those of the published table: D = 5, no results 1 or 2.
    pub const PUBLISHED: Self = Self { largest_change: 5, small_results_max: 2 };
}

/// A checked perturbation table: what holds for it is said at [`PerturbationTable::new`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PerturbationTable {
    bounds: Bounds,
    rows: Vec<[i32; KEYS]>,
}

/// Why a perturbation table is not fit to protect anybody. The numbers are the public table's own.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// The first line is not the format's.
    #[error("the first line must be `pcv,ckey,pvalue`")]
    Header,
    /// A line is not three whole numbers.
    #[error("line {line}: expected three whole numbers: count, key from 0 to 255, change")]
    Line {
        /// From 1.
        line: usize,
    },
    /// A count and key stand twice.
    #[error("row {row}: key {key} stands twice")]
    KeyTwice {
        /// The count.
        row: usize,
        /// The key.
        key: usize,
    },
    /// A count lacks a key, or a count below the last one lacks its row.
    #[error("row {row}: key {key} is missing")]
    KeyMissing {
        /// The count.
        row: usize,
        /// The key.
        key: usize,
    },
    /// No rows, or only that of 0.
    #[error("the table needs row 0 and at least one more")]
    TooFewRows,
    /// Too many rows to be evaluated on shares.
    #[error("the table has more than {} rows", PerturbationTable::ROWS_MAX)]
    TooManyRows,
    /// Row 0 changes a zero.
    #[error("row 0: a zero must stay a zero, whatever the key")]
    ZeroChanged,
    /// A change is larger than promised.
    #[error("row {row}: a change is larger than {largest_change}")]
    TooLarge {
        /// The count.
        row: usize,
        /// D.
        largest_change: i32,
    },
    /// Changes go down as the key goes up.
    #[error("row {row}: the changes must not decrease as the key grows")]
    NotAscending {
        /// The count.
        row: usize,
    },
    /// A result would be negative.
    #[error("row {row}: a result is negative")]
    Negative {
        /// The count.
        row: usize,
    },
    /// A result would be a small count that the table promises not to yield.
    #[error("row {row}: a result lies in 1 to {small_results_max}")]
    SmallResult {
        /// The count.
        row: usize,
        /// js.
        small_results_max: i32,
    },
    /// The changes of a row do not add up to zero.
    #[error("row {row}: the mean change is not zero")]
    Biased {
        /// The count.
        row: usize,
    },
    /// A larger count than the last row's would get a result that the table promises not to yield.
    #[error("the last row also serves larger counts, so it must be that of a count from {needed} up")]
    LastRowTooSmall {
        /// js + D + 1.
        needed: i32,
    },
}

impl PerturbationTable {
    /// Most rows a table may have: each row costs a selection on shares.
    pub const ROWS_MAX: usize = 64;

    /// Checks `rows`: entry `[count][key]` is the change of a cell with that count and key.
    ///
    /// Afterwards it holds that zeros stay zero, no change exceeds D, no result is negative or lies in 1 to js,
    /// every row is unbiased, and the changes of each row do not decrease with the key (which is what makes
    /// [`Self::thresholds`] say everything about a row). The last row serves all larger counts.
    ///
    /// # Errors
    /// [`TableError`] names the first row that breaks a promise.
    pub fn new(rows: Vec<[i32; KEYS]>, bounds: Bounds) -> Result<Self, TableError> {
        if rows.len() < 2 {
            return Err(TableError::TooFewRows);
        }
        if rows.len() > Self::ROWS_MAX {
            return Err(TableError::TooManyRows);
        }
        if rows[0].iter().any(|change| *change != 0) {
            return Err(TableError::ZeroChanged);
        }
        for (row, changes) in rows.iter().enumerate().skip(1) {
            check_row(row, changes, bounds)?;
        }
        let needed = bounds.small_results_max + bounds.largest_change + 1;
        if rows.len() as i32 - 1 < needed {
            return Err(TableError::LastRowTooSmall { needed });
        }
        Ok(Self { bounds, rows })
    }

    /// The published table: D = 5, V = 3, no results 1 or 2, rows 0 to 8.
    pub fn published() -> &'static Self {
        &PUBLISHED_TABLE
    }

    /// The table with this hash, if this program has it.
    pub fn known(hash: Hash) -> Option<&'static Self> {
        let published = Self::published();
        (published.hash() == hash).then_some(published)
    }

    /// Reads the CSV form. Lines may come in any order and end in LF or CRLF.
    ///
    /// # Errors
    /// As [`Self::new`], and where a line is not of the format or a key is missing or stands twice.
    pub fn parse(csv: &str, bounds: Bounds) -> Result<Self, TableError> {
        let mut lines = csv.lines();
        if lines.next() != Some(HEADER) {
            return Err(TableError::Header);
        }
        let mut rows: Vec<[Option<i32>; KEYS]> = Vec::new();
        for (at, text) in lines.enumerate() {
            let line = at + 2;
            let (row, key, change) = parse_line(text).ok_or(TableError::Line { line })?;
            if row >= Self::ROWS_MAX {
                return Err(TableError::TooManyRows);
            }
            if rows.len() <= row {
                rows.resize(row + 1, [None; KEYS]);
            }
            if rows[row][key].replace(change).is_some() {
                return Err(TableError::KeyTwice { row, key });
            }
        }
        let mut complete = vec![[0; KEYS]; rows.len()];
        for (row, keys) in rows.iter().enumerate() {
            for (key, change) in keys.iter().enumerate() {
                complete[row][key] = change.ok_or(TableError::KeyMissing { row, key })?;
            }
        }
        Self::new(complete, bounds)
    }

    /// The CSV form: header, then every count and key in order, each line ended by LF.
    pub fn to_csv(&self) -> String {
        let mut csv = format!("{HEADER}\n");
        for (row, changes) in self.rows.iter().enumerate() {
            for (key, change) in changes.iter().enumerate() {
                csv.push_str(&format!("{row},{key},{change}\n"));
            }
        }
        csv
    }

    /// SHA-256 of the CSV form: how policies, plans and records name the table.
    pub fn hash(&self) -> Hash {
        Hash::of(self.to_csv().as_bytes())
    }

    /// What the table promises.
    pub fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// D: the largest change.
    pub fn largest_change(&self) -> i32 {
        self.bounds.largest_change
    }

    /// The count of the last row, which serves all larger counts as well.
    pub fn last_row(&self) -> usize {
        self.rows.len() - 1
    }

    /// The change of a cell with this count and cell key.
    pub fn change(&self, count: u64, key: u8) -> i32 {
        let row = usize::try_from(count).map_or(self.last_row(), |count| count.min(self.last_row()));
        self.rows[row][usize::from(key)]
    }

    /// All changes of a row, by key. `row` is at most [`Self::last_row`].
    pub fn row(&self, row: usize) -> &[i32; KEYS] {
        &self.rows[row]
    }

    /// For each d from −D + 1 to D, the smallest key whose change is at least d; 256 where there is none.
    ///
    /// The change of a key is then −D plus the number of thresholds that the key reaches, which is how the
    /// protocol on shares looks it up: by comparing a shared key with public constants.
    pub fn thresholds(&self, row: usize) -> Vec<u16> {
        let largest = self.bounds.largest_change;
        let smallest_key = |least: i32| self.rows[row].partition_point(|change| *change < least) as u16;
        (1 - largest..=largest).map(smallest_key).collect()
    }

    /// [`Self::thresholds`] of every row, from row 0.
    pub fn lower_bounds(&self) -> Vec<Vec<u16>> {
        (0..self.rows.len()).map(|row| self.thresholds(row)).collect()
    }

    /// How many of the 256 keys of a row have each change, ascending; changes without keys left out.
    pub fn keys_per_change(&self, row: usize) -> Vec<(i32, usize)> {
        let mut counts: Vec<(i32, usize)> = Vec::new();
        for change in self.rows[row] {
            match counts.last_mut() {
                Some((last, keys)) if *last == change => *keys += 1,
                _ => counts.push((change, 1)),
            }
        }
        counts
    }
}

fn check_row(row: usize, changes: &[i32; KEYS], bounds: Bounds) -> Result<(), TableError> {
    let Bounds { largest_change, small_results_max } = bounds;
    if changes.iter().any(|change| change.unsigned_abs() > largest_change.unsigned_abs()) {
        return Err(TableError::TooLarge { row, largest_change });
    }
    if !changes.is_sorted() {
        return Err(TableError::NotAscending { row });
    }
    for change in changes {
        let result = row as i32 + change;
        if result < 0 {
            return Err(TableError::Negative { row });
        }
        if (1..=small_results_max).contains(&result) {
            return Err(TableError::SmallResult { row, small_results_max });
        }
    }
    if changes.iter().sum::<i32>() != 0 { Err(TableError::Biased { row }) } else { Ok(()) }
}

fn parse_line(text: &str) -> Option<(usize, usize, i32)> {
    let mut fields = text.split(',');
    let row = fields.next()?.parse().ok()?;
    let key = fields.next()?.parse().ok()?;
    let change = fields.next()?.parse().ok()?;
    (fields.next().is_none() && key < KEYS).then_some((row, key, change))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn published_rows() -> Vec<[i32; KEYS]> {
        (0..=8).map(|row| *PerturbationTable::published().row(row)).collect()
    }

    fn rejected(spoil: impl FnOnce(&mut Vec<[i32; KEYS]>)) -> TableError {
        let mut rows = published_rows();
        spoil(&mut rows);
        PerturbationTable::new(rows, Bounds::PUBLISHED).expect_err("spoilt")
    }

    #[test]
    fn the_published_table_is_its_own_csv_byte_for_byte() {
        assert_eq!(PerturbationTable::published().to_csv(), PUBLISHED);
        assert_eq!(PerturbationTable::published().hash(), Hash::of(PUBLISHED.as_bytes()));
    }

    #[test]
    fn every_row_but_that_of_zero_has_mean_zero_and_variance_three() {
        let table = PerturbationTable::published();
        assert_eq!(table.last_row(), 8);
        for row in 1..=table.last_row() {
            assert_eq!(table.row(row).iter().sum::<i32>(), 0);
            assert_eq!(table.row(row).iter().map(|change| change * change).sum::<i32>(), 3 * KEYS as i32);
        }
    }

    #[test]
    fn no_count_up_to_a_thousand_becomes_negative_or_one_or_two() {
        let table = PerturbationTable::published();
        for count in 0..1000_u64 {
            for key in 0..=255 {
                let result = count as i64 + i64::from(table.change(count, key));
                assert!(result == 0 || result > 2);
                assert!(count > 0 || result == 0);
            }
        }
    }

    #[test]
    fn counting_the_thresholds_that_a_key_reaches_gives_its_change() {
        let table = PerturbationTable::published();
        for (row, thresholds) in table.lower_bounds().iter().enumerate() {
            assert_eq!(thresholds.len(), 10);
            for key in 0..=255_u8 {
                let reached = thresholds.iter().filter(|bound| u16::from(key) >= **bound).count() as i32;
                assert_eq!(reached - table.largest_change(), table.change(row as u64, key));
            }
        }
    }

    #[test]
    fn a_change_that_no_key_has_gets_the_threshold_that_no_key_reaches() {
        let table = PerturbationTable::published();
        // Row 0 is all zeros: every key reaches d <= 0, none reaches d >= 1.
        assert_eq!(table.thresholds(0), [0, 0, 0, 0, 0, 256, 256, 256, 256, 256]);
    }

    #[test]
    fn the_document_shows_this_table() {
        let document = include_str!("../../docs/PROTECTION.md");
        let table = PerturbationTable::published();
        assert!(document.contains(&table.hash().to_string()));
        for row in 0..=8 {
            let count = if row == 8 { "8 and more".to_owned() } else { row.to_string() };
            let line =
                document.lines().find(|line| line.starts_with(&format!("| {count} |"))).expect("a row");
            let shown: Vec<_> = line.split('|').skip(2).take(11).map(|field| field.trim().parse()).collect();
            let shown: Vec<(i32, usize)> =
                (-5..=5).zip(shown).filter_map(|(d, n)| Some((d, n.ok()?))).collect();
            let shown: Vec<_> = shown.into_iter().filter(|(_, keys)| *keys > 0).collect();
            assert_eq!(shown, table.keys_per_change(row));
        }
    }

    #[test]
    fn the_last_row_serves_every_larger_count() {
        let table = PerturbationTable::published();
        for key in 0..=255 {
            assert_eq!(table.change(8, key), table.change(u64::MAX, key));
        }
    }

    #[test]
    fn a_table_that_breaks_a_promise_is_refused() {
        assert_eq!(rejected(|rows| rows[0][255] = 1), TableError::ZeroChanged);
        assert_eq!(rejected(|rows| rows[8][255] = 6), TableError::TooLarge { row: 8, largest_change: 5 });
        assert_eq!(rejected(|rows| rows[8].swap(0, 255)), TableError::NotAscending { row: 8 });
        assert_eq!(rejected(|rows| rows[1][0] = -2), TableError::Negative { row: 1 });
        assert_eq!(
            rejected(|rows| rows[2] = [0; KEYS]),
            TableError::SmallResult { row: 2, small_results_max: 2 }
        );
        let last_lowest = PerturbationTable::published().thresholds(8)[0] as usize - 1;
        assert_eq!(rejected(|rows| rows[8][last_lowest] += 1), TableError::Biased { row: 8 });
        assert_eq!(rejected(|rows| rows.truncate(1)), TableError::TooFewRows);
        assert_eq!(rejected(|rows| rows.truncate(8)), TableError::LastRowTooSmall { needed: 8 });
        assert_eq!(rejected(|rows| rows.resize(65, [0; KEYS])), TableError::TooManyRows);
    }

    #[test]
    fn a_csv_that_is_not_the_format_is_refused_by_line() {
        let parse = |csv: &str| PerturbationTable::parse(csv, Bounds::PUBLISHED).expect_err("spoilt");
        assert_eq!(parse(""), TableError::Header);
        assert_eq!(parse("pcv;ckey;pvalue\n"), TableError::Header);
        for line in ["", "0,0", "0,0,0,0", "0,256,0", "-1,0,0", "0,0,0.5", "x,0,0"] {
            assert_eq!(parse(&format!("{HEADER}\n{line}\n")), TableError::Line { line: 2 });
        }
        assert_eq!(parse(&format!("{HEADER}\n0,0,0\n0,0,0\n")), TableError::KeyTwice { row: 0, key: 0 });
        assert_eq!(parse(&format!("{HEADER}\n0,0,0\n")), TableError::KeyMissing { row: 0, key: 1 });
        assert_eq!(parse(&format!("{HEADER}\n1000000000000,0,0\n")), TableError::TooManyRows);
    }

    #[test]
    fn order_of_lines_and_kind_of_line_end_do_not_matter() {
        let mut lines: Vec<_> = PUBLISHED.lines().collect();
        lines[1..].reverse();
        let csv = lines.join("\r\n");
        assert_eq!(
            PerturbationTable::parse(&csv, Bounds::PUBLISHED).as_ref(),
            Ok(PerturbationTable::published())
        );
    }
}
