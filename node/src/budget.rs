//! What populations have been cut into, over all users and sessions, for the budget of rule 14.
//!
//! For each type of unit one file, `budget/<UNIT_TYPE>.splits`: sealed records of one length, one for each split of each population
//! ([`kobling_disclosure::memory::spent`]).
//!
//! Questions are charged in [`crate::spend`].
//!
//! # Order
//! A charge is on disk before anything of its question is shared, and stays if the question then fails: what might have been released counts
//! as released. Of the charges that a crash has cut off, those that are whole stay; their question shared nothing, and is charged for the
//! others when it is asked again. Where a write fails nothing more is answered until the node starts again and reads what there is: the
//! file then knows no less than was acted on.
//!
//! # Who learns what
//! Nobody but this node. A file alone names nobody: it has keyed hashes of sets, and numbers of cells that questions asked for.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use kobling_crypto::pseudonym::check_value;
use kobling_crypto::seal::{self, SealKey};
use kobling_disclosure::memory::spent::{Asked, Charge, Name, NameKey, Spent};
use kobling_model::UnitType;
use kobling_model::rules::Refusal;
use kobling_proto::observe::vocabulary::Cause;

/// Why a question is not charged for; then nothing of it may be computed.
#[derive(Debug, thiserror::Error)]
pub enum BudgetError {
    /// The budget does not allow it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The file system.
    #[error("{path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The seal does not open, or the content is none of this program's.
    #[error("{path} is damaged, or sealed with another key")]
    Damaged {
        /// Which file.
        path: PathBuf,
    },
    /// A write has failed since the start; nothing is answered until the node has read its files again.
    #[error("the budget of {unit_type} could not be written; start the node again when the disk is mended")]
    Broken {
        /// Of which type of unit.
        unit_type: UnitType,
    },
}

impl BudgetError {
    /// What the operator's log says of it.
    pub fn cause(&self) -> Cause {
        match self {
            Self::Io { source, .. } => Cause::of_io(source.kind()),
            Self::Damaged { .. } => Cause::Damaged,
            Self::Refused(_) | Self::Broken { .. } => Cause::Other,
        }
    }
}

/// The key that a node names sets of one type of unit with; it follows from the node's own secret.
pub fn name_key(own_secret: &[u8], unit_type: UnitType) -> NameKey {
    // Of no session: a population has one name in all of them.
    NameKey::new(check_value(own_secret, &format!("budget of {unit_type}"), &[0; 16]))
}

/// The budgets of a node.
pub struct Budget {
    key: SealKey,
    of: BTreeMap<UnitType, Mutex<Charges>>,
}

/// Charges of one type of unit.
struct Charges {
    unit_type: UnitType,
    path: PathBuf,
    file: File,
    /// Whole records in the file.
    records: u64,
    spent: Spent,
    /// The file may know other than what is in memory.
    broken: bool,
}

impl Budget {
    /// Opens the files in a folder, or begins them. A record that a crash has cut off is cut off here.
    ///
    /// # Errors
    /// [`BudgetError`].
    pub fn open(folder: &Path, key: SealKey) -> Result<Self, BudgetError> {
        let created = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        created.map_err(|source| BudgetError::Io { path: folder.to_owned(), source })?;
        let mut of = BTreeMap::new();
        for unit_type in UnitType::ALL {
            of.insert(unit_type, Mutex::new(Charges::open(folder, unit_type, &key)?));
        }
        Ok(Self { key, of })
    }

    /// Charges for a question: all of it, durable when this returns, or nothing. Blocking.
    ///
    /// What was charged for before is free.
    ///
    /// # Errors
    /// [`BudgetError::Refused`] where the budget of one of its populations does not allow it; otherwise [`BudgetError`], and then nothing may be computed.
    pub fn charge(&self, unit_type: UnitType, asked: &[Asked]) -> Result<(), BudgetError> {
        let broken = || BudgetError::Broken { unit_type };
        let charges = self.of.get(&unit_type).ok_or_else(broken)?;
        let mut charges = charges.lock().unwrap_or_else(PoisonError::into_inner);
        // Also for a question without new charges: what memory says was spent may not be on disk.
        if charges.broken {
            return Err(broken());
        }
        let new = charges.spent.judge(asked)?;
        charges.write(&self.key, &new)
    }

    /// Cells that a population was cut into.
    pub fn cells(&self, unit_type: UnitType, population: Name) -> u64 {
        let cells = |charges: &Mutex<Charges>| {
            charges.lock().unwrap_or_else(PoisonError::into_inner).spent.cells(population)
        };
        self.of.get(&unit_type).map_or(0, cells)
    }
}

impl Charges {
    fn open(folder: &Path, unit_type: UnitType, key: &SealKey) -> Result<Self, BudgetError> {
        let path = folder.join(format!("{unit_type}.splits"));
        let io = |source| BudgetError::Io { path: path.clone(), source };
        let open =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = open.map_err(io)?;
        let record = seal::sealed_len(Charge::BYTES);
        let records = file.metadata().map_err(io)?.len() / record as u64;
        file.set_len(records * record as u64).map_err(io)?;
        // A file that is there before a crash is there after it.
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(io)?;
        let mut spent = Spent::default();
        let mut sealed = vec![0; record];
        for number in 0..records {
            file.read_exact_at(&mut sealed, number * record as u64).map_err(io)?;
            let charge = seal::open(key, &context(unit_type, number), &sealed).ok();
            let charge = charge.and_then(|plain| Charge::from_bytes(&plain));
            spent.add(charge.ok_or_else(|| BudgetError::Damaged { path: path.clone() })?);
        }
        Ok(Self { unit_type, path, file, records, spent, broken: false })
    }

    fn write(&mut self, key: &SealKey, new: &[Charge]) -> Result<(), BudgetError> {
        if new.is_empty() {
            return Ok(());
        }
        // Until all of it is on disk, nothing is assumed about any of it.
        self.broken = true;
        let seal = |(number, charge): (u64, &Charge)| {
            seal::seal(key, &context(self.unit_type, number), &charge.to_bytes())
        };
        let sealed: Vec<u8> = (self.records..).zip(new).flat_map(seal).collect();
        let at = self.records * seal::sealed_len(Charge::BYTES) as u64;
        let written = self.file.write_all_at(&sealed, at).and_then(|()| self.file.sync_data());
        written.map_err(|source| BudgetError::Io { path: self.path.clone(), source })?;
        new.iter().for_each(|charge| self.spent.add(*charge));
        self.records += new.len() as u64;
        self.broken = false;
        Ok(())
    }
}

/// A record in another's place does not open.
fn context(unit_type: UnitType, number: u64) -> String {
    format!("budget split {unit_type} {number}")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use kobling_disclosure::memory::spent::{Dimension, of_table};
    use kobling_disclosure::memory::{Sketch, UnitHash};
    use kobling_disclosure::rule::splits;
    use kobling_model::Hash;
    use tempfile::TempDir;

    use super::*;

    const PERSON: UnitType = UnitType::Person;

    fn record() -> usize {
        seal::sealed_len(Charge::BYTES)
    }

    fn open(folder: &TempDir) -> Result<Budget, BudgetError> {
        Budget::open(&folder.path().join("budget"), SealKey::from_bytes([3; 32]))
    }

    fn path(folder: &TempDir) -> PathBuf {
        folder.path().join("budget/PERSON.splits")
    }

    /// A population of 2000, cut by columns of so many categories.
    fn asked(categories: &[u32]) -> (Name, Asked) {
        let key = name_key(b"own secret", PERSON);
        let units: Vec<u32> = (0..2000).collect();
        let side = key.of_set(&Sketch::of(UnitHash::new([5; 16]), &units));
        let population = key.of_population(vec![side], vec![]);
        let dimension =
            |of: &u32| Dimension { name: key.of_words(&Hash::of(&of.to_le_bytes())), categories: *of };
        let dimensions: Vec<Dimension> = categories.iter().map(dimension).collect();
        let splits = of_table(&key, &dimensions, None);
        (population, Asked { population, budget: splits::budget(2000, 1000, 10), splits })
    }

    fn charge(budget: &Budget, remainders: &[u32]) -> Result<(), BudgetError> {
        budget.charge(PERSON, &[asked(remainders).1])
    }

    #[test]
    fn a_population_is_cut_until_its_budget_is_spent_after_a_restart_too() {
        let folder = tempfile::tempdir().expect("a folder");
        let budget = open(&folder).expect("opened");
        let (population, _) = asked(&[]);
        charge(&budget, &[2, 30]).expect("10 for halves, 30, and 60 for both");
        assert_eq!(budget.cells(PERSON, population), 100);
        charge(&budget, &[30]).expect("made before");
        drop(budget);
        let budget = open(&folder).expect("opened");
        assert_eq!(budget.cells(PERSON, population), 100);
        charge(&budget, &[30, 2]).expect("made before");
        assert!(matches!(charge(&budget, &[101]), Err(BudgetError::Refused(Refusal::SplitsSpent))));
        assert_eq!(fs::metadata(path(&folder)).expect("there").len(), 3 * record() as u64);
        charge(&budget, &[100]).expect("to the last cell");
        assert!(matches!(charge(&budget, &[3]), Err(BudgetError::Refused(Refusal::SplitsSpent))));
        // Another type of unit has populations of its own.
        budget.charge(UnitType::Familie, &[asked(&[3]).1]).expect("nothing was spent of it");
    }

    #[test]
    fn what_a_crash_has_cut_off_is_charged_for_again_and_what_was_changed_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let budget = open(&folder).expect("opened");
        let (population, _) = asked(&[]);
        charge(&budget, &[2, 30]).expect("charged");
        drop(budget);
        let whole = fs::read(path(&folder)).expect("read");
        fs::write(path(&folder), &whole[..2 * record() + 7]).expect("written");
        let budget = open(&folder).expect("opened");
        assert_eq!(fs::metadata(path(&folder)).expect("there").len(), 2 * record() as u64);
        assert!(budget.cells(PERSON, population) < 100);
        charge(&budget, &[2, 30]).expect("charged for the rest");
        assert_eq!(budget.cells(PERSON, population), 100);
        drop(budget);
        let again = fs::read(path(&folder)).expect("read");
        let swapped = [&again[record()..2 * record()], &again[..record()], &again[2 * record()..]].concat();
        let mut flipped = again.clone();
        flipped[record() / 2] ^= 1;
        for changed in [swapped, flipped] {
            fs::write(path(&folder), changed).expect("written");
            assert!(matches!(open(&folder), Err(BudgetError::Damaged { .. })));
        }
        fs::write(path(&folder), again).expect("written");
        let other_key = Budget::open(&folder.path().join("budget"), SealKey::from_bytes([4; 32]));
        assert!(matches!(other_key, Err(BudgetError::Damaged { .. })));
        open(&folder).expect("whole again");
    }

    #[test]
    fn where_a_charge_cannot_be_written_nothing_is_answered_until_the_next_start() {
        let folder = tempfile::tempdir().expect("a folder");
        let budget = open(&folder).expect("opened");
        charge(&budget, &[2]).expect("charged");
        // A file that may only be read stands for a disk that takes nothing more.
        let read_only = File::open(path(&folder)).expect("opened");
        budget.of[&PERSON].lock().expect("not poisoned").file = read_only;
        assert!(matches!(charge(&budget, &[3]), Err(BudgetError::Io { .. })));
        assert!(matches!(charge(&budget, &[2]), Err(BudgetError::Broken { unit_type: PERSON })));
        drop(budget);
        let budget = open(&folder).expect("opened");
        assert_eq!(budget.cells(PERSON, asked(&[]).0), 10);
        charge(&budget, &[3]).expect("charged");
        assert_eq!(budget.cells(PERSON, asked(&[]).0), 20);
    }

    #[test]
    fn a_node_names_sets_of_each_type_of_unit_with_a_key_of_its_own() {
        let units = Sketch::of(UnitHash::new([5; 16]), &[1, 2, 3]);
        let name = |secret: &[u8], unit_type| name_key(secret, unit_type).of_set(&units);
        assert_eq!(name(b"own secret", PERSON), name(b"own secret", PERSON));
        assert_ne!(name(b"own secret", PERSON), name(b"another's", PERSON));
        assert_ne!(name(b"own secret", PERSON), name(b"own secret", UnitType::Familie));
    }
}
