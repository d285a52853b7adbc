//! Rows of a data file, sorted by unit, then start, then line, in memory that does not grow with the nation.
//!
//! Rows are kept until there are [`CHUNK_ROWS`]; then they are sorted and written to a nameless file beside the register, and
//! at the end all such runs are merged. A file whose rows come in order, as those of most registers do, is never sorted. Since
//! the file has no name, nothing of it outlives the process.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// So many rows are sorted in memory: 48 MB.
pub(super) const CHUNK_ROWS: usize = 2 << 20;
/// Rows of a run that are read at once while runs are merged.
const BLOCK_ROWS: usize = 4096;

/// One row of a data file, its texts and identifiers replaced by numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) unit: u32,
    pub(super) start: i32,
    pub(super) stop: i32,
    pub(super) line: u32,
    /// In the form of the variable's column; see `dataset::Column`.
    pub(super) value: u64,
}

impl Row {
    /// Bytes of a row in a run.
    pub(super) const BYTES: usize = 24;

    fn key(&self) -> u128 {
        // Turned so that days before 1970 come first.
        let start = self.start as u32 ^ 1 << 31;
        u128::from(self.unit) << 64 | u128::from(start) << 32 | u128::from(self.line)
    }

    fn encode(&self, out: &mut Vec<u8>) {
        for word in [self.unit, self.start as u32, self.stop as u32, self.line] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        out.extend_from_slice(&self.value.to_le_bytes());
    }

    fn decode(bytes: &[u8; Self::BYTES]) -> Self {
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        let value = u64::from_le_bytes(bytes[16..].try_into().expect("eight bytes"));
        Self { unit: word(0), start: word(4) as i32, stop: word(8) as i32, line: word(12), value }
    }
}

/// Takes rows in any order.
pub(super) struct Sorter {
    folder: PathBuf,
    chunk_rows: usize,
    rows: Vec<Row>,
    in_order: bool,
    last: u128,
    spilled: Option<File>,
    /// Where each run ends, in rows.
    ends: Vec<u64>,
}

impl Sorter {
    /// Runs that do not fit in memory are written to `folder`.
    pub(super) fn new(folder: &Path, chunk_rows: usize) -> Self {
        Self {
            folder: folder.to_owned(),
            chunk_rows,
            rows: Vec::new(),
            in_order: true,
            last: 0,
            spilled: None,
            ends: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, row: Row) -> io::Result<()> {
        if self.rows.len() == self.chunk_rows {
            self.spill()?;
        }
        if self.rows.len() == self.rows.capacity() {
            // Doubling, but not beyond a chunk.
            let room = self.rows.len().max(1024).min(self.chunk_rows - self.rows.len());
            self.rows.reserve_exact(room);
        }
        let key = row.key();
        self.in_order &= self.rows.is_empty() || self.last <= key;
        self.last = key;
        self.rows.push(row);
        Ok(())
    }

    fn sort(&mut self) {
        if !self.in_order {
            self.rows.sort_unstable_by_key(Row::key);
        }
        self.in_order = true;
    }

    fn spill(&mut self) -> io::Result<()> {
        self.sort();
        let mut file = match self.spilled.take() {
            Some(file) => file,
            None => nameless(&self.folder)?,
        };
        let mut bytes = Vec::with_capacity(BLOCK_ROWS * Row::BYTES);
        for block in self.rows.chunks(BLOCK_ROWS) {
            bytes.clear();
            block.iter().for_each(|row| row.encode(&mut bytes));
            file.write_all(&bytes)?;
        }
        self.spilled = Some(file);
        self.ends.push(self.ends.last().copied().unwrap_or(0) + self.rows.len() as u64);
        self.rows.clear();
        Ok(())
    }

    /// All rows in order.
    pub(super) fn finish(mut self) -> io::Result<Sorted> {
        if !self.ends.is_empty() && !self.rows.is_empty() {
            self.spill()?;
        }
        let Some(file) = self.spilled.take() else {
            self.sort();
            let total = self.rows.len() as u64;
            return Ok(Sorted { total, from: From::Memory(self.rows.into_iter()) });
        };
        let mut start = 0;
        let mut runs = Vec::with_capacity(self.ends.len());
        let mut heads = BinaryHeap::with_capacity(self.ends.len());
        for end in &self.ends {
            let mut run = Run { next: start, end: *end, block: Vec::new(), at: 0 };
            if let Some(row) = run.take(&file)? {
                heads.push(Reverse((row.key(), runs.len())));
                runs.push((run, row));
            }
            start = *end;
        }
        Ok(Sorted { total: start, from: From::Runs { file, runs, heads } })
    }
}

fn nameless(folder: &Path) -> io::Result<File> {
    let path = folder.join(".rows");
    let file = File::options().read(true).write(true).create_new(true).open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}

/// Rows in order.
pub(super) struct Sorted {
    total: u64,
    from: From,
}

enum From {
    Memory(std::vec::IntoIter<Row>),
    Runs {
        file: File,
        /// Each with the row that it shows.
        runs: Vec<(Run, Row)>,
        /// Keys of the rows shown, and whose they are.
        heads: BinaryHeap<Reverse<(u128, usize)>>,
    },
}

impl Sorted {
    /// How many there are, those taken included.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    pub(super) fn next(&mut self) -> io::Result<Option<Row>> {
        match &mut self.from {
            From::Memory(rows) => Ok(rows.next()),
            From::Runs { file, runs, heads } => {
                let Some(mut head) = heads.peek_mut() else { return Ok(None) };
                let Reverse((_, at)) = *head;
                let (run, shown) = &mut runs[at];
                let row = *shown;
                match run.take(file)? {
                    Some(next) => {
                        *shown = next;
                        *head = Reverse((next.key(), at));
                    }
                    None => {
                        std::collections::binary_heap::PeekMut::pop(head);
                    }
                }
                Ok(Some(row))
            }
        }
    }
}

/// A sorted part of the file.
struct Run {
    next: u64,
    end: u64,
    block: Vec<u8>,
    at: usize,
}

impl Run {
    fn take(&mut self, file: &File) -> io::Result<Option<Row>> {
        if self.at == self.block.len() {
            let rows = (self.end - self.next).min(BLOCK_ROWS as u64);
            if rows == 0 {
                return Ok(None);
            }
            self.block.resize(rows as usize * Row::BYTES, 0);
            file.read_exact_at(&mut self.block, self.next * Row::BYTES as u64)?;
            self.next += rows;
            self.at = 0;
        }
        let bytes = self.block[self.at..].first_chunk().expect("blocks are whole rows");
        self.at += Row::BYTES;
        Ok(Some(Row::decode(bytes)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn row(unit: u32, start: i32, line: u32) -> Row {
        Row { unit, start, stop: start ^ 1, line, value: u64::from(line) << 40 | u64::from(unit) }
    }

    fn sorted(rows: &[Row], chunk_rows: usize) -> Vec<Row> {
        let folder = tempfile::tempdir().expect("a folder");
        let mut sorter = Sorter::new(folder.path(), chunk_rows);
        rows.iter().for_each(|row| sorter.push(*row).expect("room"));
        let mut sorted = sorter.finish().expect("read back");
        assert_eq!(sorted.total(), rows.len() as u64);
        assert_eq!(fs::read_dir(folder.path()).expect("listed").count(), 0, "a run has no name");
        std::iter::from_fn(|| sorted.next().expect("read back")).collect()
    }

    proptest! {
        #[test]
        fn runs_on_disk_give_what_sorting_in_memory_gives(
            keys in proptest::collection::vec((0u32..9, any::<i32>()), 0..200), chunk_rows in 1usize..70
        ) {
            let rows: Vec<_> =
                keys.iter().zip(0..).map(|((unit, start), line)| row(*unit, *start, line)).collect();
            let mut expected = rows.clone();
            expected.sort_by_key(|row| (row.unit, row.start, row.line));
            prop_assert_eq!(sorted(&rows, chunk_rows), expected);
        }
    }

    #[test]
    fn runs_longer_than_a_block_are_whole() {
        let rows: Vec<_> = (0..30_000u32).map(|n| row(n.wrapping_mul(2_654_435_761) % 1000, -5, n)).collect();
        let mut expected = rows.clone();
        expected.sort_by_key(Row::key);
        assert_eq!(sorted(&rows, 9_000), expected);
        assert_eq!(sorted(&expected, 9_000), expected);
    }
}
