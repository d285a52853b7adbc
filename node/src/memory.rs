//! What this node remembers of its side of every question, so that a population that differs from an earlier one by very few units is
//! answered as that one (rule 13).
//!
//! For each type of unit one file, `memory/<UNIT_TYPE>.sets`: sealed records of one length, one for each set of units that a question has
//! put into cells here, as a sketch ([`kobling_disclosure::memory`]), with a number that says what versions of the data it was made from.
//! The versions are in `memory/<UNIT_TYPE>.versions`, sealed as well and replaced whole.
//!
//! # Order
//! A set is on disk before anything of its question is shared, and stays if the question then fails: what might have been released counts
//! as released. Versions are on disk before a set that names them. A record that a crash has cut off was never acted on, and is
//! cut off at start. Where a write fails nothing more is answered until the node starts again and reads what there is.
//!
//! # Who learns what
//! Nobody but this node, not even that a set was put in place of another. A file alone names nobody: two sketches give the unit
//! numbers in which two sets differ, and those are numbers of the sealed identity map.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use kobling_crypto::pseudonym::check_value;
use kobling_crypto::seal::{self, SealKey};
use kobling_disclosure::memory::{self, Index, Partition, Sketch, UnitHash};
use kobling_disclosure::rule::near_populations;
use kobling_model::plan::Fragment;
use kobling_model::{Hash, UnitType};
use kobling_proto::observe::vocabulary::Cause;
use serde::{Deserialize, Serialize};

use crate::state;

/// A set on disk before it is sealed: the place of its versions, then its sketch.
const PLAIN: usize = 4 + memory::BYTES;

/// Versions of the data that a set was made from: of each variable, by datastore and name, the hash of its data.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Versions(BTreeMap<String, Hash>);

impl Versions {
    /// Those of everything that a fragment reads.
    pub fn of(fragment: &Fragment) -> Self {
        let name = |source: &kobling_model::plan::Source| format!("{}/{}", source.datastore, source.variable);
        Self(fragment.registers().map(|source| (name(source), source.data)).collect())
    }

    /// Whether no variable is there in two versions: what an update has changed is another population.
    fn fit(&self, other: &Self) -> bool {
        self.0.iter().all(|(variable, data)| other.0.get(variable).is_none_or(|same| same == data))
    }
}

/// Why the memory cannot be used. Never says anything about its content.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
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
    #[error("the memory of {unit_type} could not be written; start the node again when the disk is mended")]
    Broken {
        /// Of which type of unit.
        unit_type: UnitType,
    },
    /// More sets than have numbers.
    #[error("the memory of {unit_type} is full")]
    Full {
        /// Of which type of unit.
        unit_type: UnitType,
    },
}

impl MemoryError {
    /// What the operator's log says of it.
    pub fn cause(&self) -> Cause {
        match self {
            Self::Io { source, .. } => Cause::of_io(source.kind()),
            Self::Damaged { .. } => Cause::Damaged,
            Self::Broken { .. } | Self::Full { .. } => Cause::Other,
        }
    }
}

/// Numbers of rule 13, as an owner has them.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Smaller sets are not compared: they are no populations (rule 1).
    pub units_min: u32,
    /// What are very few units between two sets.
    pub difference_max: u32,
}

/// The memory of a node.
pub struct Memory {
    folder: PathBuf,
    key: SealKey,
    of: BTreeMap<UnitType, Mutex<Sets>>,
}

/// Sets of one type of unit.
struct Sets {
    unit_type: UnitType,
    path: PathBuf,
    file: File,
    index: Index,
    /// Of each set the place of its versions.
    versions_of: Vec<u32>,
    versions: Vec<Versions>,
    broken: bool,
}

impl Memory {
    /// Opens the memory of a state folder.
    ///
    /// # Errors
    /// [`MemoryError`]; a node does not start without its memory.
    pub fn open(folder: PathBuf, key: SealKey) -> Result<Self, MemoryError> {
        let created = DirBuilder::new().recursive(true).mode(0o700).create(&folder);
        created.map_err(|source| MemoryError::Io { path: folder.clone(), source })?;
        let mut of = BTreeMap::new();
        for unit_type in UnitType::ALL {
            of.insert(unit_type, Mutex::new(Sets::open(&folder, unit_type, &key)?));
        }
        Ok(Self { folder, key, of })
    }

    /// How many sets are remembered, of all types of unit.
    pub fn sets(&self) -> usize {
        let sets = |sets: &Mutex<Sets>| sets.lock().unwrap_or_else(PoisonError::into_inner).versions_of.len();
        self.of.values().map(sets).sum()
    }

    /// Puts earlier sets in the place of those that differ from them by very few units, and remembers what there is then, durably.
    /// Gives by unit the composite category. Blocking.
    ///
    /// `own_secret` is the node's own; the noise of differences follows from it.
    ///
    /// # Errors
    /// [`MemoryError`]; then nothing may be computed.
    pub fn settle(
        &self,
        unit_type: UnitType,
        versions: &Versions,
        limits: Limits,
        own_secret: &[u8],
        mut partition: Partition,
    ) -> Result<Vec<u32>, MemoryError> {
        let Some(sets) = self.of.get(&unit_type) else { return Ok(partition.into_cells()) };
        let mut sets = sets.lock().unwrap_or_else(PoisonError::into_inner);
        let session_free = [0; 16];
        let key = check_value(own_secret, &format!("memory of {unit_type}"), &session_free);
        let hash = UnitHash::new(key[..16].try_into().expect("16 of 32 bytes"));
        let units_max = limits.difference_max;
        let mut read = HashMap::new();
        let settled = partition.settle(hash, limits.units_min, |sketch| {
            sets.earlier(&self.key, (hash, units_max), versions, sketch, &mut read)
        })?;
        sets.remember(self, (hash, units_max), versions, &settled, &mut read)?;
        Ok(partition.into_cells())
    }
}

/// The sets read for one question, by number.
type Read = HashMap<u32, Sketch>;

/// What has been found of a set among earlier ones.
enum Found {
    /// It is one of them.
    Same,
    /// It differs from one of them in these units, very few.
    Near(Vec<u32>),
    /// Neither.
    New,
}

impl Sets {
    fn open(folder: &std::path::Path, unit_type: UnitType, key: &SealKey) -> Result<Self, MemoryError> {
        let path = folder.join(format!("{unit_type}.versions"));
        let damaged = || MemoryError::Damaged { path: path.clone() };
        let versions = match fs::read(&path) {
            Ok(sealed) => {
                let text = seal::open(key, &versions_context(unit_type), &sealed).map_err(|_| damaged())?;
                serde_json::from_slice(&text).map_err(|_| damaged())?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(source) => return Err(MemoryError::Io { path, source }),
        };
        let path = folder.join(format!("{unit_type}.sets"));
        let io = |source| MemoryError::Io { path: path.clone(), source };
        let open =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = open.map_err(io)?;
        let record = seal::sealed_len(PLAIN) as u64;
        let records = file.metadata().map_err(io)?.len() / record;
        file.set_len(records * record).map_err(io)?;
        let index = Index::default();
        let mut sets = Self {
            unit_type,
            path: path.clone(),
            file,
            index,
            versions_of: Vec::new(),
            versions,
            broken: false,
        };
        for number in 0..u32::try_from(records).map_err(|_| MemoryError::Full { unit_type })? {
            let (place, sketch) = sets.read(key, number)?;
            if place as usize >= sets.versions.len() {
                return Err(MemoryError::Damaged { path });
            }
            sets.index.add(number, sketch.entry());
            sets.versions_of.push(place);
        }
        Ok(sets)
    }

    /// A remembered set, with the place of its versions.
    fn read(&self, key: &SealKey, number: u32) -> Result<(u32, Sketch), MemoryError> {
        let mut sealed = vec![0; seal::sealed_len(PLAIN)];
        let at = u64::from(number) * sealed.len() as u64;
        let io = |source| MemoryError::Io { path: self.path.clone(), source };
        self.file.read_exact_at(&mut sealed, at).map_err(io)?;
        let damaged = || MemoryError::Damaged { path: self.path.clone() };
        let plain = seal::open(key, &set_context(self.unit_type, number), &sealed).map_err(|_| damaged())?;
        let (place, sketch) = plain.split_first_chunk::<4>().ok_or_else(damaged)?;
        Ok((u32::from_le_bytes(*place), Sketch::from_bytes(sketch).ok_or_else(damaged)?))
    }

    /// In which units an earlier set differs that is to take a set's place. The set itself goes first, and then the earliest.
    fn earlier(
        &self,
        key: &SealKey,
        hash: (UnitHash, u32),
        versions: &Versions,
        sketch: &Sketch,
        read: &mut Read,
    ) -> Result<Option<Vec<u32>>, MemoryError> {
        Ok(match self.find(key, hash, versions, sketch, read)? {
            Found::Near(units) => Some(units),
            Found::Same | Found::New => None,
        })
    }

    fn find(
        &self,
        key: &SealKey,
        (hash, units_max): (UnitHash, u32),
        versions: &Versions,
        sketch: &Sketch,
        read: &mut Read,
    ) -> Result<Found, MemoryError> {
        let mut found = Found::New;
        for number in self.index.near(&sketch.entry(), near_populations::reach(units_max)) {
            let place = self.versions_of[number as usize];
            if !self.versions[place as usize].fit(versions) {
                continue;
            }
            if let Entry::Vacant(place) = read.entry(number) {
                place.insert(self.read(key, number)?.1);
            }
            let Some(units) = sketch.difference(&read[&number], hash) else { continue };
            if units.is_empty() {
                return Ok(Found::Same);
            }
            let is_first = matches!(found, Found::New);
            if is_first && near_populations::is_near(units_max, units.len(), hash.key_of(&units)) {
                found = Found::Near(units);
            }
        }
        Ok(found)
    }

    /// Remembers the sets that are new.
    fn remember(
        &mut self,
        memory: &Memory,
        hash: (UnitHash, u32),
        versions: &Versions,
        settled: &[Sketch],
        read: &mut Read,
    ) -> Result<(), MemoryError> {
        if self.broken {
            return Err(MemoryError::Broken { unit_type: self.unit_type });
        }
        let mut new = Vec::new();
        for sketch in settled {
            let is_known = matches!(self.find(&memory.key, hash, versions, sketch, read)?, Found::Same);
            if !is_known && !new.contains(&sketch) {
                new.push(sketch);
            }
        }
        if new.is_empty() {
            return Ok(());
        }
        // Until all of it is on disk, nothing is assumed about any of it.
        self.broken = true;
        let place = self.place_of(memory, versions)?;
        let full = || MemoryError::Full { unit_type: self.unit_type };
        let first = self.versions_of.len();
        let mut records = Vec::with_capacity(new.len() * seal::sealed_len(PLAIN));
        for (number, sketch) in (first..).zip(&new) {
            let number = u32::try_from(number).map_err(|_| full())?;
            let plain = [&place.to_le_bytes()[..], &sketch.to_bytes()].concat();
            records.extend(seal::seal(&memory.key, &set_context(self.unit_type, number), &plain));
        }
        let at = first as u64 * seal::sealed_len(PLAIN) as u64;
        let written = self.file.write_all_at(&records, at).and_then(|()| self.file.sync_data());
        written.map_err(|source| MemoryError::Io { path: self.path.clone(), source })?;
        for (number, sketch) in (first as u32..).zip(&new) {
            self.index.add(number, sketch.entry());
            self.versions_of.push(place);
        }
        self.broken = false;
        Ok(())
    }

    /// The place of versions among those on disk, where they are put if they are new.
    fn place_of(&mut self, memory: &Memory, versions: &Versions) -> Result<u32, MemoryError> {
        let full = || MemoryError::Full { unit_type: self.unit_type };
        if let Some(place) = self.versions.iter().position(|of| of == versions) {
            return u32::try_from(place).map_err(|_| full());
        }
        let place = u32::try_from(self.versions.len()).map_err(|_| full())?;
        let path = memory.folder.join(format!("{}.versions", self.unit_type));
        let mut with = self.versions.clone();
        with.push(versions.clone());
        let text = serde_json::to_vec(&with).expect("names and hashes are texts");
        let sealed = seal::seal(&memory.key, &versions_context(self.unit_type), &text);
        let failed = |source| match source {
            state::StateError::Io { path, source } => MemoryError::Io { path, source },
            _ => MemoryError::Damaged { path: path.clone() },
        };
        state::replace(&path, &sealed).map_err(failed)?;
        self.versions = with;
        Ok(place)
    }
}

fn versions_context(unit_type: UnitType) -> String {
    format!("memory versions {unit_type}")
}

/// A record in another's place does not open.
fn set_context(unit_type: UnitType, number: u32) -> String {
    format!("memory set {unit_type} {number}")
}

#[cfg(test)]
mod tests {
    use kobling_disclosure::memory::partition::{NO_CELL, OUTSIDE};

    use super::*;

    const UNITS: u32 = 3000;
    const PERSON: UnitType = UnitType::Person;

    fn key() -> SealKey {
        SealKey::from_bytes([3; 32])
    }

    fn open(folder: &tempfile::TempDir) -> Result<Memory, MemoryError> {
        Memory::open(folder.path().join("memory"), key())
    }

    const LIMITS: Limits = Limits { units_min: 1000, difference_max: near_populations::LOOSEST };

    fn versions(data: &str) -> Versions {
        Versions(BTreeMap::from([("no.ssb.fdb/SEX".to_owned(), Hash::of(data.as_bytes()))]))
    }

    /// A population of the first units, but for one of them.
    fn ask(
        memory: &Memory,
        versions: &Versions,
        first: u32,
        without: Option<u32>,
    ) -> Result<Vec<u32>, MemoryError> {
        let outside = |unit: u32| unit >= first || without == Some(unit);
        let codes = (0..UNITS).map(|unit| if outside(unit) { OUTSIDE } else { 0 });
        memory.settle(PERSON, versions, LIMITS, b"own secret", Partition::new(vec![], codes.collect()))
    }

    fn population(memory: &Memory, versions: &Versions, first: u32, without: Option<u32>) -> usize {
        let cells = ask(memory, versions, first, without).expect("settled");
        assert!(cells.iter().all(|cell| [0, NO_CELL].contains(cell)));
        cells.iter().filter(|cell| **cell == 0).count()
    }

    #[test]
    fn a_near_population_is_the_earlier_one_after_a_restart_too() {
        let folder = tempfile::tempdir().expect("a folder");
        let (v1, v2) = (versions("1"), versions("2"));
        let memory = open(&folder).expect("opened");
        assert_eq!(population(&memory, &v1, 2000, None), 2000);
        assert_eq!(population(&memory, &v1, 2000, Some(7)), 2000);
        assert_eq!(population(&memory, &v1, 2001, None), 2000);
        assert_eq!(memory.sets(), 1);
        drop(memory);
        let memory = open(&folder).expect("opened");
        assert_eq!(population(&memory, &v1, 2000, Some(8)), 2000);
        // More units, other units, and fewer than make a population.
        assert_eq!(population(&memory, &v1, 2100, None), 2100);
        assert_eq!(population(&memory, &v1, 999, None), 999);
        assert_eq!(population(&memory, &v1, 998, None), 998);
        assert_eq!(memory.sets(), 2);
        // Of the next version everything is new.
        assert_eq!(population(&memory, &v2, 2001, None), 2001);
        assert_eq!(population(&memory, &v2, 2000, None), 2001);
        // A set that names no variable of another version is compared with all.
        assert_eq!(population(&memory, &Versions::default(), 2002, None), 2000);
    }

    #[test]
    fn what_a_crash_has_cut_off_is_forgotten_and_what_was_changed_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let memory = open(&folder).expect("opened");
        let v1 = versions("1");
        for first in [1000, 2000, 3000] {
            population(&memory, &v1, first, None);
        }
        drop(memory);
        let path = folder.path().join("memory/PERSON.sets");
        let whole = fs::read(&path).expect("read");
        assert_eq!(whole.len(), 3 * seal::sealed_len(PLAIN));
        fs::write(&path, &whole[..whole.len() - 1]).expect("written");
        let memory = open(&folder).expect("opened");
        assert_eq!(memory.sets(), 2);
        assert_eq!(population(&memory, &v1, 3000, Some(9)), 2999);
        assert_eq!(population(&memory, &v1, 2000, Some(9)), 2000);
        drop(memory);
        let again = fs::read(&path).expect("read");
        assert_eq!(again.len(), whole.len());
        let swapped = [&again[seal::sealed_len(PLAIN)..], &again[..seal::sealed_len(PLAIN)]].concat();
        let mut flipped = again.clone();
        flipped[100] ^= 1;
        for changed in [swapped, flipped] {
            fs::write(&path, changed).expect("written");
            assert!(matches!(open(&folder), Err(MemoryError::Damaged { .. })));
        }
        fs::write(&path, again).expect("written");
        assert!(matches!(
            Memory::open(folder.path().join("memory"), SealKey::from_bytes([4; 32])),
            Err(MemoryError::Damaged { .. })
        ));
        fs::remove_file(folder.path().join("memory/PERSON.versions")).expect("removed");
        assert!(matches!(open(&folder), Err(MemoryError::Damaged { .. })));
    }

    #[test]
    fn where_a_set_cannot_be_written_nothing_is_answered_until_the_next_start() {
        let folder = tempfile::tempdir().expect("a folder");
        let memory = open(&folder).expect("opened");
        let (v1, v2) = (versions("1"), versions("2"));
        assert_eq!(population(&memory, &v1, 2000, None), 2000);
        // The next versions cannot be put down where a folder is in the way.
        let in_the_way = folder.path().join("memory/PERSON.tmp");
        fs::create_dir(&in_the_way).expect("created");
        assert!(matches!(ask(&memory, &v2, 1500, None), Err(MemoryError::Io { .. })));
        fs::remove_dir(&in_the_way).expect("removed");
        assert!(matches!(ask(&memory, &v1, 2000, None), Err(MemoryError::Broken { unit_type: PERSON })));
        drop(memory);
        let memory = open(&folder).expect("opened");
        assert_eq!(memory.sets(), 1);
        assert_eq!(population(&memory, &v2, 1500, None), 1500);
    }
}
