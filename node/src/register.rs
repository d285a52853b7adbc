//! The registers of a node: releases of datastores as Parquet files over unit numbers, with their metadata.
//!
//! ```text
//! STATE/registers/<datastore>/<version>/
//!     NAME.parquet       one for each variable: unit, value, start, stop
//!     catalogue.json     the release as researchers see it (model::catalogue::Datastore)
//!     manifest.json      SHA-256 of every file above, and the secret constants of its numbers
//! STATE/registers/<datastore>/draft/    what the next release will change; see draft
//! STATE/identity/        who the unit numbers are; see identity_map
//! ```
//!
//! A release never changes and old ones stay, so that an answer can be computed again. An import gives the whole
//! release or nothing; what a crash leaves behind at each line is said in [`RegisterStore::import`].
//! No error here carries an identifier, a value, or text of a library that may carry one.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use ::parquet::errors::ParquetError;
use kobling_crypto::seal::SealKey;
use kobling_model::catalogue::{Datastore, Variable};
use kobling_model::plan::{Release, Source};
use kobling_model::{DatastoreId, Hash, OwnerId, UnitType, VariableName, Version};
use ring::digest;
use serde::{Deserialize, Serialize};

use crate::identity_map::{self, IdentityMap, IdentityMapError, IdentityMaps, TooManyUnits};
use crate::random;

mod csv;
mod dataset;
mod draft;
mod json;
pub mod metadata;
mod parquet;
pub mod problem;
mod sort;
mod space;
#[cfg(test)]
pub(crate) mod testing;
mod winsorise;

pub use self::dataset::Described;
use self::dataset::{DataFile, Place};
pub use self::draft::{Bumped, Change, DraftItem, ItemState, ReleaseError};
use self::problem::{Findings, Problem};
pub use self::winsorise::Winsorised;

/// The registers of one state folder.
#[derive(Debug)]
pub struct RegisterStore {
    state: PathBuf,
    releases: BTreeMap<(DatastoreId, Version), StoredRelease>,
    /// How each data file looked when its hash was last checked.
    checked: Mutex<HashMap<PathBuf, Stamp>>,
}

#[derive(Debug)]
struct StoredRelease {
    catalogue: Datastore,
    manifest: Manifest,
    manifest_hash: Hash,
}

/// What a release consists of.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    /// Form of the release folder; this program writes and reads 2.
    format: u32,
    /// Random, hexadecimal: the manifest's hash is in logs that others read, and must not confirm a guess of a constant.
    salt: String,
    datastore: DatastoreId,
    version: Version,
    owner: OwnerId,
    catalogue: Hash,
    files: Vec<ManifestFile>,
    /// Number of units of each type when the release was imported: a smaller identity map is an old copy.
    units: BTreeMap<UnitType, u32>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ManifestFile {
    variable: VariableName,
    bytes: u64,
    data: Hash,
    /// Constants of rule 2; none for texts and pointers.
    winsorised: Option<Winsorised>,
}

/// Format 1 had no constants of rule 2. It is not read: its releases are imported again.
const FORMAT: u32 = 2;

/// What changes when a file is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    bytes: u64,
    changed: (i64, i64),
}

/// Why the registers cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system.
    #[error("the registers cannot be read or written")]
    Io(#[from] io::Error),
    /// A file is not the one that was imported. Restore it from a copy, or import the release under a new version.
    #[error("{datastore} {version}: the file {file} is damaged or missing")]
    Damaged {
        /// The datastore.
        datastore: DatastoreId,
        /// Its release.
        version: Version,
        /// The file, named by its variable.
        file: String,
    },
    /// A release was written by another version of this program.
    #[error(
        "{datastore} {version} is in format {format}, and this version of kobling-node reads format {FORMAT} only: \
         remove the release's folder and import the same datasets under the same version"
    )]
    Format {
        /// The datastore.
        datastore: DatastoreId,
        /// Its release.
        version: Version,
        /// The format found.
        format: u32,
    },
    /// An identity map.
    #[error(transparent)]
    IdentityMap(#[from] IdentityMapError),
}

/// Why nothing was imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A release never changes. Import under a new version.
    #[error("{datastore} {version} is already imported; a changed release needs a new version")]
    Exists {
        /// The datastore.
        datastore: DatastoreId,
        /// Its release.
        version: Version,
    },
    /// The folder has no folders.
    #[error("there is no dataset here: expected folders NAME with NAME.csv and NAME.json")]
    NoDatasets,
    /// Something in the datasets is wrong; the report has all of it.
    #[error("the datasets have {} problems", .0.problems())]
    Invalid(ImportReport),
    /// Another process imports into the same state folder.
    #[error("another import into this state folder is running")]
    Busy,
    /// Less room on the disk than the import will probably need.
    #[error(
        "the import needs about {} MB of disk, and {} MB are free; nothing was imported",
        .needed_bytes.div_ceil(1_000_000), .free_bytes / 1_000_000
    )]
    DiskSpace {
        /// Estimate.
        needed_bytes: u64,
        /// Free for this process.
        free_bytes: u64,
    },
    /// The disk was full before the import was done.
    #[error("the disk is full; nothing was imported")]
    DiskFull,
    /// The draft of the datastore.
    #[error(transparent)]
    Draft(#[from] Box<ReleaseError>),
    /// No unit numbers left.
    #[error(transparent)]
    TooManyUnits(#[from] TooManyUnits),
    /// A register file could not be written.
    #[error("the register of {variable} cannot be written")]
    Parquet {
        /// The variable.
        variable: VariableName,
    },
    /// The identity maps.
    #[error(transparent)]
    IdentityMap(#[from] IdentityMapError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<io::Error> for ImportError {
    fn from(error: io::Error) -> Self {
        Self::Store(error.into())
    }
}

impl ImportError {
    /// Only that it failed, and whether for want of room: the library's own text may quote values.
    fn of_parquet(variable: &VariableName, error: &ParquetError) -> Self {
        let full = match error {
            ParquetError::External(inner) => space::is_full(inner.as_ref()),
            _ => false,
        };
        if full { Self::DiskFull } else { Self::Parquet { variable: variable.clone() } }
    }

    /// A full disk, wherever it was noticed, is one error.
    fn or_disk_full(self) -> Self {
        if space::is_full(&self) { Self::DiskFull } else { self }
    }
}

/// What an import found. For the operator, in words or as JSON.
#[derive(Debug, Serialize)]
pub struct ImportReport {
    /// The release; none for a draft, whose version is computed when it is released.
    pub release: Option<Release>,
    /// By dataset, in order of name.
    pub datasets: Vec<DatasetReport>,
}

/// What an import found in one dataset.
#[derive(Debug, Serialize)]
pub struct DatasetReport {
    /// Folder name.
    pub dataset: String,
    /// Number of rows, where all of them are right.
    pub rows: Option<u64>,
    /// What must be mended: the first in file order.
    pub problems: Vec<Problem>,
    /// How many problems there are besides.
    pub further_problems: u64,
    /// What may be as intended: the first in file order.
    pub warnings: Vec<Problem>,
    /// How many warnings there are besides.
    pub further_warnings: u64,
}

impl DatasetReport {
    fn of(dataset: String, rows: Option<u64>, problems: Findings, warnings: Findings) -> Self {
        let (problems, further_problems) = problems.finish();
        let (warnings, further_warnings) = warnings.finish();
        Self { dataset, rows, problems, further_problems, warnings, further_warnings }
    }
}

/// Checks a dataset in memory as an import checks one in a folder, and writes no register; `scratch` is a folder that rows
/// are sorted in where they are more than 2 million.
///
/// It is how the readers of metadata and data files are tested on bytes that nobody chose, thousands of times a second.
///
/// # Errors
/// [`ImportError`] for what is not the dataset's fault, such as no room in `scratch`.
pub fn check_dataset(
    name: &str,
    metadata: &[u8],
    data: &[u8],
    scratch: &Path,
) -> Result<(DatasetReport, Option<Described>), ImportError> {
    let (mut problems, mut warnings) = (Findings::new(name), Findings::new(name));
    let described = dataset::check(metadata, data, scratch, &mut problems, &mut warnings)?;
    let rows = described.as_ref().map(|described| described.rows);
    Ok((DatasetReport::of(name.to_owned(), rows, problems, warnings), described))
}

impl ImportReport {
    /// Number of problems in all datasets.
    pub fn problems(&self) -> u64 {
        self.datasets.iter().map(|dataset| dataset.problems.len() as u64 + dataset.further_problems).sum()
    }
}

impl RegisterStore {
    /// Opens the registers of a state folder and checks every file against its manifest.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] names the release and the dataset.
    pub fn open(state: &Path) -> Result<Self, StoreError> {
        let mut releases = BTreeMap::new();
        for (datastore, folder) in subfolders(&registers(state), |name| DatastoreId::new(name).ok())? {
            for (version, folder) in subfolders(&folder, |name| name.parse::<Version>().ok())? {
                let release = StoredRelease::read(&folder, &datastore, version)?;
                releases.insert((datastore.clone(), version), release);
            }
        }
        let store = Self { state: state.to_owned(), releases, checked: Mutex::default() };
        store.verify()?;
        Ok(store)
    }

    /// Checks every data file against its manifest, whether or not it looks changed.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] names the release and the dataset.
    pub fn verify(&self) -> Result<(), StoreError> {
        self.checked.lock().expect("no check panics").clear();
        for ((datastore, version), release) in &self.releases {
            for file in &release.manifest.files {
                self.check_file(datastore, *version, file)?;
            }
        }
        Ok(())
    }

    /// All releases, in order of id, then version.
    pub fn catalogue(&self) -> Vec<Datastore> {
        self.releases.values().map(|release| release.catalogue.clone()).collect()
    }

    /// Hash of a release's manifest, which fixes every byte of the release.
    pub fn release_manifest_hash(&self, datastore: &DatastoreId, version: Version) -> Option<Hash> {
        self.releases.get(&(datastore.clone(), version)).map(|release| release.manifest_hash)
    }

    /// The identity map of a unit type.
    ///
    /// # Errors
    /// [`IdentityMapError`]; `Behind` where registers use unit numbers that the map does not have.
    pub fn identity_map(&self, unit_type: UnitType, key: &SealKey) -> Result<IdentityMap, IdentityMapError> {
        let map = IdentityMap::load(&self.state, unit_type, key)?;
        let needed =
            self.releases.values().filter_map(|release| release.manifest.units.get(&unit_type)).max();
        if needed.is_some_and(|needed| *needed > map.len()) {
            return Err(IdentityMapError::Behind { unit_type });
        }
        Ok(map)
    }

    /// Unit types that some release has units of.
    pub fn unit_types(&self) -> Vec<UnitType> {
        let used = |unit_type: &UnitType| {
            self.releases.values().any(|release| release.manifest.units.contains_key(unit_type))
        };
        UnitType::ALL.into_iter().filter(used).collect()
    }

    /// Imports a release: all dataset folders in `folder`.
    ///
    /// 1. Take the lock. Clear away what a crashed import left. Look whether the disk has room.
    /// 2. Read and check each dataset; write its Parquet file to a hidden folder beside the releases.
    ///    After a crash, or with a problem anywhere, only that folder and unsaved unit numbers exist.
    /// 3. Write catalogue and manifest; sync everything.
    /// 4. Save the identity maps. A crash after this leaves units that no release uses: their numbers stay,
    ///    and the next import of the same datasets finds them.
    /// 5. Rename the hidden folder to the release's name. That moment is the import.
    ///
    /// # Errors
    /// [`ImportError`]; the registers are then as before.
    pub fn import(
        &mut self,
        folder: &Path,
        release: &Release,
        key: &SealKey,
    ) -> Result<ImportReport, ImportError> {
        self.import_release(folder, release, key).map_err(ImportError::or_disk_full)
    }

    fn import_release(
        &mut self,
        folder: &Path,
        release: &Release,
        key: &SealKey,
    ) -> Result<ImportReport, ImportError> {
        let registers = registers(&self.state);
        fs::create_dir_all(&registers)?;
        let _lock = lock(&registers)?;
        let Release { datastore, version, owner } = release.clone();
        let release_folder = registers.join(datastore.as_str()).join(version.to_string());
        if release_folder.exists() {
            return Err(ImportError::Exists { datastore, version });
        }
        let unfinished = Unfinished::begin(&registers)?;
        let mut identities = IdentityMaps::load(&self.state, key)?;
        let (mut report, datasets) =
            self.read_datasets(folder, DataFile::Needed, &unfinished.folder, &mut identities)?;
        report.release = Some(release.clone());
        if report.problems() > 0 {
            return Err(ImportError::Invalid(report));
        }
        let (variables, files) = datasets
            .into_iter()
            .map(|dataset| (dataset.variable, dataset.file.expect("each has a data file")))
            .unzip();
        let catalogue = Datastore { id: datastore, owner, version, variables };
        self.finish_release(unfinished, catalogue, files, identities.units(), || {
            Ok::<_, ImportError>(identities.save(&self.state, key)?)
        })
        .map(|(catalogue, stored)| {
            self.releases.insert((catalogue.id.clone(), catalogue.version), stored);
            report
        })
    }

    /// Reads all dataset folders in `folder` and writes registers to `place` as long as everything is right.
    fn read_datasets(
        &self,
        folder: &Path,
        data_file: DataFile<'_>,
        place: &Path,
        identities: &mut IdentityMaps,
    ) -> Result<(ImportReport, Vec<dataset::Dataset>), ImportError> {
        let folders: Vec<_> = subfolders(folder, |name| (!name.starts_with('.')).then(|| name.to_owned()))?;
        if folders.is_empty() {
            return Err(ImportError::NoDatasets);
        }
        let maps = identity_map::stored_bytes(&self.state);
        space::check(place, space::needed(&folders, maps))?;
        let mut report = ImportReport { release: None, datasets: Vec::new() };
        let mut datasets = Vec::new();
        for (name, folder) in folders {
            let mut problems = Findings::new(&name);
            let mut warnings = Findings::new(&name);
            // After the first problem the rest is only read, to report everything at once.
            let place = Place { folder: place, write: report.problems() == 0 };
            let dataset =
                dataset::read(&folder, data_file, &place, identities, &mut problems, &mut warnings)?;
            let rows = dataset.as_ref().map(|dataset| dataset.rows);
            report.datasets.push(DatasetReport::of(name, rows, problems, warnings));
            datasets.extend(dataset);
        }
        Ok((report, datasets))
    }

    /// Makes a release of the data files in `unfinished`; `before` is done last before it is there.
    fn finish_release<E: From<io::Error>>(
        &self,
        unfinished: Unfinished,
        catalogue: Datastore,
        files: Vec<ManifestFile>,
        units: BTreeMap<UnitType, u32>,
        before: impl FnOnce() -> Result<(), E>,
    ) -> Result<(Datastore, StoredRelease), E> {
        let registers = registers(&self.state);
        let datastore_folder = registers.join(catalogue.id.as_str());
        let release_folder = datastore_folder.join(catalogue.version.to_string());
        let manifest = Manifest {
            format: FORMAT,
            salt: hex::encode(random::bytes::<32>()),
            datastore: catalogue.id.clone(),
            version: catalogue.version,
            owner: catalogue.owner.clone(),
            catalogue: write_json(&unfinished.folder.join("catalogue.json"), &catalogue)?,
            files,
            units,
        };
        let manifest_hash = write_json(&unfinished.folder.join("manifest.json"), &manifest)?;
        sync_folder(&unfinished.folder)?;
        before()?;
        fs::create_dir_all(&datastore_folder)?;
        unfinished.finish(&release_folder)?;
        sync_folder(&datastore_folder)?;
        sync_folder(&registers)?;
        Ok((catalogue.clone(), StoredRelease { catalogue, manifest, manifest_hash }))
    }

    /// The exact constants of rule 2 of the variable that a plan's source names. Secret; none for texts and pointers,
    /// and for what this node does not have.
    pub fn winsorised(&self, source: &Source) -> Option<Winsorised> {
        let release = self.releases.get(&(source.datastore.clone(), source.version))?;
        release.manifest.files.iter().find(|file| file.variable == source.variable)?.winsorised
    }

    /// The variable that a plan's source names, and where its data file lies below [`Self::registers_folder`].
    pub(crate) fn find(&self, source: &Source) -> Option<(&Variable, String)> {
        let release = self.releases.get(&(source.datastore.clone(), source.version))?;
        let variable = release.catalogue.variable(&source.variable)?;
        Some((variable, format!("{}/{}/{}.parquet", source.datastore, source.version, source.variable)))
    }

    /// Checks a source's data file again if it was touched since it was last checked.
    pub(crate) fn check_source(&self, source: &Source) -> Result<(), StoreError> {
        let release = self.releases.get(&(source.datastore.clone(), source.version));
        let file = release
            .and_then(|release| release.manifest.files.iter().find(|file| file.variable == source.variable));
        match file {
            Some(file) => self.check_file(&source.datastore, source.version, file),
            None => Err(damaged(&source.datastore, source.version, source.variable.as_str())),
        }
    }

    /// The folder of all releases.
    pub(crate) fn registers_folder(&self) -> PathBuf {
        registers(&self.state)
    }

    fn check_file(
        &self,
        datastore: &DatastoreId,
        version: Version,
        file: &ManifestFile,
    ) -> Result<(), StoreError> {
        let damaged = || damaged(datastore, version, file.variable.as_str());
        let folder = registers(&self.state).join(datastore.as_str()).join(version.to_string());
        let path = folder.join(format!("{}.parquet", file.variable));
        let mut open = File::open(&path).map_err(|_| damaged())?;
        let stamp = Stamp::of(&open)?;
        if self.checked.lock().expect("no check panics").get(&path) == Some(&stamp) {
            return Ok(());
        }
        if stamp.bytes != file.bytes || hash_of(&mut open).map_err(|_| damaged())? != file.data {
            return Err(damaged());
        }
        self.checked.lock().expect("no check panics").insert(path, stamp);
        Ok(())
    }
}

impl StoredRelease {
    fn read(folder: &Path, datastore: &DatastoreId, version: Version) -> Result<Self, StoreError> {
        let damaged = |file: &str| damaged(datastore, version, file);
        let bytes = fs::read(folder.join("manifest.json")).map_err(|_| damaged("manifest.json"))?;
        let manifest_hash = Hash::of(&bytes);
        let format =
            serde_json::from_slice::<ManifestFormat>(&bytes).map_err(|_| damaged("manifest.json"))?;
        if format.format != FORMAT {
            let datastore = datastore.clone();
            return Err(StoreError::Format { datastore, version, format: format.format });
        }
        let manifest: Manifest = serde_json::from_slice(&bytes).map_err(|_| damaged("manifest.json"))?;
        let bytes = fs::read(folder.join("catalogue.json")).map_err(|_| damaged("catalogue.json"))?;
        if Hash::of(&bytes) != manifest.catalogue {
            return Err(damaged("catalogue.json"));
        }
        let catalogue: Datastore = serde_json::from_slice(&bytes).map_err(|_| damaged("catalogue.json"))?;
        let release = (datastore, version);
        let consistent = (&manifest.datastore, manifest.version) == release
            && (&catalogue.id, catalogue.version) == release
            && catalogue.owner == manifest.owner
            && catalogue.variables.len() == manifest.files.len()
            && catalogue.variables.iter().zip(&manifest.files).all(|(variable, file)| {
                variable.name == file.variable
                    && variable.data == file.data
                    && variable.range == file.winsorised.and_then(|winsorised| winsorised.range())
            });
        if !consistent {
            return Err(damaged("manifest.json"));
        }
        Ok(Self { catalogue, manifest, manifest_hash })
    }
}

/// The one field that every manifest of any format has.
#[derive(Deserialize)]
struct ManifestFormat {
    format: u32,
}

fn damaged(datastore: &DatastoreId, version: Version, file: &str) -> StoreError {
    StoreError::Damaged { datastore: datastore.clone(), version, file: file.to_owned() }
}

impl Stamp {
    fn of(file: &File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        Ok(Self {
            inode: metadata.ino(),
            bytes: metadata.len(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}

fn registers(state: &Path) -> PathBuf {
    state.join("registers")
}

/// Folders in `folder` whose names mean something, in order of name. None where `folder` is not there.
fn subfolders<T: Ord>(folder: &Path, parse: impl Fn(&str) -> Option<T>) -> io::Result<Vec<(T, PathBuf)>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if let Some(meaning) = parse(&name).filter(|_| path.is_dir()) {
            found.push((meaning, path.clone()));
        }
    }
    found.sort();
    Ok(found)
}

/// Held while an import runs. The operating system frees it when the process ends, however it ends.
fn lock(registers: &Path) -> Result<File, ImportError> {
    let lock = File::create(registers.join(".lock"))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(ImportError::Busy),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

/// The hidden folder of an import that is not finished; removed when dropped.
struct Unfinished {
    folder: PathBuf,
}

const UNFINISHED: &str = ".unfinished";

impl Unfinished {
    /// Only under the lock: what is there is left from a crash.
    fn begin(registers: &Path) -> io::Result<Self> {
        let folder = registers.join(UNFINISHED);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir(&folder)?;
        Ok(Self { folder })
    }

    fn finish(self, name: &Path) -> io::Result<()> {
        fs::rename(&self.folder, name)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // Gone already when finished. If it cannot be removed now, the next import tries again.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Writes and syncs a file; its hash.
fn write_json<T: Serialize>(path: &Path, value: &T) -> io::Result<Hash> {
    let bytes = serde_json::to_vec_pretty(value)?;
    let mut file = File::create_new(path)?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    Ok(Hash::of(&bytes))
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn hash_of(file: &mut File) -> io::Result<Hash> {
    let mut digest = digest::Context::new(&digest::SHA256);
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(Hash::from_bytes(digest.finish().as_ref()).expect("SHA-256 has 32 bytes")),
            read => digest.update(&buffer[..read]),
        }
    }
}

#[cfg(test)]
mod tests {
    use kobling_model::catalogue::{AvailableDates, Temporality};

    use super::testing::{World, person, seal_key};
    use super::*;

    #[test]
    fn what_is_imported_is_there_after_opening_again() {
        let mut world = World::new();
        world.dataset("KJOENN", "FIXED", "LONG", &[(0, "1", "", ""), (1, "2", "", "")]);
        world.dataset(
            "SIVSTAND",
            "EVENT",
            "STRING",
            &[(1, "g", "2001-02-03", ""), (0, "u", "1990-01-01", "2004-05-06")],
        );
        let report = world.import("1.0.0").expect("imported");
        assert_eq!(
            report.datasets.iter().map(|dataset| dataset.rows).collect::<Vec<_>>(),
            [Some(2), Some(2)]
        );

        let store = RegisterStore::open(world.state()).expect("opened");
        let catalogue = store.catalogue();
        assert_eq!(catalogue, world.store.catalogue());
        let [datastore] = catalogue.as_slice() else { panic!("one release") };
        assert_eq!(datastore.variables[1].temporality, Temporality::Event);
        let day = |text: &str| text.parse().expect("a day");
        let range = AvailableDates::Range { first: day("1990-01-01"), last: day("2004-05-06") };
        assert_eq!(datastore.variables[1].dates, range);
        let manifest = |store: &RegisterStore| store.release_manifest_hash(&datastore.id, datastore.version);
        assert!(manifest(&store).is_some());
        assert_eq!(manifest(&store), manifest(&world.store));
        assert_eq!(store.identity_map(UnitType::Person, &seal_key(1)).expect("sealed").len(), 2);
        assert_eq!(store.unit_types(), [UnitType::Person]);
    }

    #[test]
    fn dates_come_from_the_data() {
        let mut world = World::new();
        world.dataset(
            "S",
            "STATUS",
            "LONG",
            &[
                (0, "1", "2021-01-01", "2021-01-01"),
                (1, "1", "2020-01-01", "2020-01-01"),
                (0, "1", "2020-01-01", "2020-01-01"),
            ],
        );
        world.dataset(
            "A",
            "ACCUMULATED",
            "DOUBLE",
            &[(0, "1.5", "2021-01-01", "2021-12-31"), (1, "2", "2020-01-01", "2020-12-31")],
        );
        world.import("1.0.0").expect("imported");
        let day = |text: &str| text.parse().expect("a day");
        let variables = &world.store.catalogue()[0].variables;
        let periods = vec![(day("2020-01-01"), day("2020-12-31")), (day("2021-01-01"), day("2021-12-31"))];
        assert_eq!(variables[0].dates, AvailableDates::Periods { periods });
        let days = vec![day("2020-01-01"), day("2021-01-01")];
        assert_eq!(variables[1].dates, AvailableDates::Days { days });
    }

    #[test]
    fn one_wrong_dataset_leaves_nothing_of_the_others() {
        let mut world = World::new();
        world.dataset("GOOD", "FIXED", "LONG", &[(0, "1", "", "")]);
        world.dataset("WRONG", "FIXED", "LONG", &[(0, "1", "", ""), (1, "one", "", "")]);
        world.dataset("ZWRONG", "STATUS", "LONG", &[(0, "1", "", "")]);
        let error = world.import("1.0.0").expect_err("two are wrong");
        assert_eq!(error.to_string(), "the datasets have 3 problems");
        let ImportError::Invalid(report) = &error else { panic!("invalid") };
        assert_eq!(
            report.datasets.iter().map(|dataset| dataset.problems.len()).collect::<Vec<_>>(),
            [0, 1, 2]
        );
        let json = serde_json::to_value(report).expect("JSON");
        assert_eq!(json["datasets"][1]["problems"][0]["line"], 2);
        assert_eq!(json["datasets"][1]["problems"][0]["problem"]["kind"], "value_type");

        let left: Vec<_> = fs::read_dir(world.state().join("registers"))
            .expect("a folder")
            .map(|entry| entry.expect("an entry").file_name())
            .collect();
        assert_eq!(left, [".lock"]);
        assert!(!world.state().join("identity").exists());
        assert!(RegisterStore::open(world.state()).expect("opened").catalogue().is_empty());
    }

    #[test]
    fn no_report_shows_an_identifier_or_a_value() {
        let mut world = World::new();
        let secret = "SecretValue";
        world.dataset("X", "FIXED", "LONG", &[(0, secret, "", ""), (0, "1", "", ""), (0, "2", "", "")]);
        let error = world.import("1.0.0").expect_err("wrong");
        let ImportError::Invalid(report) = &error else { panic!("invalid") };
        let texts = [format!("{error:?}"), serde_json::to_string(report).expect("JSON")];
        for text in texts {
            assert!(!text.contains(secret) && !text.contains(&person(0)));
        }
    }

    #[test]
    fn a_release_never_changes_and_old_ones_stay() {
        let mut world = World::new();
        world.dataset("X", "FIXED", "LONG", &[(0, "1", "", "")]);
        world.import("1.0.0").expect("imported");
        let before = world.store.catalogue();
        world.dataset("X", "FIXED", "LONG", &[(0, "2", "", ""), (1, "2", "", "")]);
        assert!(matches!(world.import("1.0.0"), Err(ImportError::Exists { .. })));
        world.import("2.0.0").expect("imported");
        let store = RegisterStore::open(world.state()).expect("opened");
        assert_eq!(store.catalogue().len(), 2);
        assert_eq!(store.catalogue()[0], before[0]);
    }

    #[test]
    fn equal_data_has_another_hash_each_time_it_is_imported() {
        let mut world = World::new();
        world.dataset("X", "FIXED", "LONG", &[(0, "1", "", "")]);
        world.import("1.0.0").expect("imported");
        world.import("1.0.1").expect("imported");
        let catalogue = world.store.catalogue();
        assert_ne!(catalogue[0].variables[0].data, catalogue[1].variables[0].data);
    }

    #[test]
    fn what_a_crash_left_is_cleared_and_two_imports_do_not_mix() {
        let mut world = World::new();
        world.dataset("X", "FIXED", "LONG", &[(0, "1", "", "")]);
        let left = world.state().join("registers").join(UNFINISHED);
        fs::create_dir_all(&left).expect("a folder");
        fs::write(left.join("X.parquet"), b"half").expect("written");
        assert!(RegisterStore::open(world.state()).expect("opened").catalogue().is_empty());
        {
            let _other = lock(&world.state().join("registers")).expect("free");
            assert!(matches!(world.import("1.0.0"), Err(ImportError::Busy)));
        }
        world.import("1.0.0").expect("imported");
        assert!(!left.exists());
    }

    #[test]
    fn an_empty_folder_is_no_release() {
        let mut world = World::new();
        assert!(matches!(world.import("1.0.0"), Err(ImportError::NoDatasets)));
    }

    #[test]
    fn every_changed_or_cut_file_is_noticed_and_named() {
        let mut world = World::new();
        world.dataset("X", "FIXED", "LONG", &[(0, "1", "", ""), (1, "2", "", "")]);
        world.import("1.0.0").expect("imported");
        let folder = world.state().join("registers/no.test.db/1.0.0");
        for (file, named) in
            [("X.parquet", "X"), ("catalogue.json", "catalogue.json"), ("manifest.json", "manifest.json")]
        {
            let path = folder.join(file);
            let good = fs::read(&path).expect("there");
            let mut flipped = good.clone();
            // In a manifest this is a letter of the first field's name.
            flipped[5] ^= 1;
            for bad in [flipped, good[..good.len() - 1].to_vec(), Vec::new()] {
                fs::write(&path, bad).expect("written");
                let error = RegisterStore::open(world.state()).expect_err("damaged");
                let expected = format!("no.test.db 1.0.0: the file {named} is damaged or missing");
                assert_eq!(error.to_string(), expected);
            }
            fs::remove_file(&path).expect("removed");
            assert!(matches!(RegisterStore::open(world.state()), Err(StoreError::Damaged { .. })));
            fs::write(&path, good).expect("written");
        }
        RegisterStore::open(world.state()).expect("whole again");
    }

    #[test]
    fn an_identity_map_older_than_the_registers_is_refused() {
        let mut world = World::new();
        world.dataset("X", "FIXED", "LONG", &[(0, "1", "", "")]);
        world.import("1.0.0").expect("imported");
        let map = world.state().join("identity/PERSON.map");
        let old = fs::read(&map).expect("there");
        world.dataset("X", "FIXED", "LONG", &[(1, "1", "", "")]);
        world.import("2.0.0").expect("imported");
        fs::write(&map, old).expect("written");
        let loaded = world.store.identity_map(UnitType::Person, &seal_key(1));
        assert!(matches!(loaded, Err(IdentityMapError::Behind { .. })));
    }

    fn source(world: &World, name: &str) -> Source {
        let datastore = &world.store.catalogue()[0];
        let variable =
            datastore.variables.iter().find(|variable| variable.name.as_str() == name).expect("there");
        Source {
            datastore: datastore.id.clone(),
            version: datastore.version,
            variable: variable.name.clone(),
            date: None,
            value_type: kobling_model::expression::ValueType::Number,
            data: variable.data,
        }
    }

    #[test]
    fn numbers_have_secret_constants_and_a_public_range_and_nothing_else_has() {
        let mut world = World::new();
        let income: Vec<_> = (0..300).map(|n| (n * 1013).to_string()).collect();
        let rows: Vec<_> = income.iter().zip(0..).map(|(value, n)| (n, value.as_str(), "", "")).collect();
        world.dataset("INCOME", "FIXED", "LONG", &rows);
        world.dataset("DAY", "FIXED", "DATE", &[(0, "1999-12-31", "", "")]);
        world.dataset("TEXT", "FIXED", "STRING", &[(0, "a", "", "")]);
        let other = person(1);
        world.dataset("MOTHER", "FIXED", "-> PERSON", &[(0, &other, "", "")]);
        world.import("1.0.0").expect("imported");
        let found = world.store.winsorised(&source(&world, "INCOME")).expect("numbers");
        // floor(0.01 · 299) = 2 and ceil(0.99 · 299) = 297.
        assert_eq!((found.low, found.high), (2.0 * 1013.0, 297.0 * 1013.0));
        let range = |name| {
            let datastore = &world.store.catalogue()[0];
            datastore.variables.iter().find(|v| v.name.as_str() == name).expect("there").range
        };
        let income = range("INCOME").expect("numbers");
        assert_eq!((income.low, income.high, income.centre), (2000.0, 310_000.0, 200_000.0));
        assert_eq!(world.store.winsorised(&source(&world, "DAY")).map(|day| day.low), Some(10_956.0));
        for name in ["TEXT", "MOTHER"] {
            assert_eq!((world.store.winsorised(&source(&world, name)), range(name)), (None, None));
        }
        let again = RegisterStore::open(world.state()).expect("opened");
        assert_eq!(again.winsorised(&source(&world, "INCOME")), Some(found));
        assert!(!format!("{again:?}").contains("300861"), "the constants are not printed");
    }

    #[test]
    fn a_release_of_the_format_before_is_named_with_what_to_do() {
        let mut world = World::new();
        world.dataset("X", "FIXED", "LONG", &[(0, "1", "", "")]);
        world.import("1.0.0").expect("imported");
        let path = world.state().join("registers/no.test.db/1.0.0/manifest.json");
        let text = fs::read_to_string(&path).expect("there");
        fs::write(&path, text.replace("\"format\": 2", "\"format\": 1")).expect("written");
        let error = RegisterStore::open(world.state()).expect_err("another format");
        assert!(error.to_string().contains("no.test.db 1.0.0 is in format 1"), "{error}");
    }

    #[test]
    fn more_than_the_disk_has_is_refused_before_a_line_is_read() {
        let mut world = World::new();
        world.dataset("X", "FIXED", "LONG", &[(0, "1", "", "")]);
        let csv = File::options().write(true).open(world.folder_of("X").join("X.csv")).expect("there");
        // A hole, which takes no room itself.
        csv.set_len(1 << 42).expect("a sparse file");
        assert!(matches!(world.import("1.0.0"), Err(ImportError::DiskSpace { .. })));
        assert!(!world.state().join("identity").exists());
        let left = fs::read_dir(world.state().join("registers")).expect("a folder").count();
        assert_eq!(left, 1, "the lock alone");
    }

    #[test]
    fn a_full_disk_is_one_error_wherever_it_is_noticed() {
        let full = || io::Error::from_raw_os_error(28);
        let name = VariableName::new("X").expect("a name");
        let map = IdentityMapError::Io { unit_type: UnitType::Person, source: full() };
        for error in [
            ImportError::from(full()),
            ImportError::from(map),
            ImportError::of_parquet(&name, &ParquetError::from(full())),
            ImportError::from(ReleaseError::from(full())),
        ] {
            assert!(matches!(error.or_disk_full(), ImportError::DiskFull));
        }
        let other = ImportError::of_parquet(&name, &ParquetError::General("x".to_owned()));
        assert!(matches!(other.or_disk_full(), ImportError::Parquet { .. }));
    }

    #[test]
    fn cut_and_flipped_data_files_are_imported_whole_or_named() {
        let mut world = World::new();
        world.dataset(
            "X",
            "EVENT",
            "LONG",
            &[(0, "17", "2001-02-03", "2004-05-06"), (1, "2", "2001-02-03", "")],
        );
        let path = world.folder_of("X").join("X.csv");
        let good = fs::read(&path).expect("there");
        let cut = (0..good.len()).map(|length| good[..length].to_vec());
        let flipped = (0..good.len()).map(|at| {
            let mut bytes = good.clone();
            bytes[at] ^= 1 << (at % 8);
            bytes
        });
        for (version, bytes) in cut.chain(flipped).enumerate() {
            fs::write(&path, &bytes).expect("written");
            match world.import(&format!("{version}.0.0")) {
                Ok(report) => assert_eq!(report.problems(), 0),
                Err(ImportError::Invalid(report)) => {
                    assert!(report.datasets[0].problems.iter().all(|problem| problem.dataset == "X"));
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    #[test]
    fn wrong_metadata_does_not_hide_what_is_wrong_with_the_data() {
        let mut world = World::new();
        world.dataset("X", "FIXED", "LONG", &[(0, "one", "", ""), (1, "2", "", "")]);
        let path = world.folder_of("X").join("X.json");
        let text = fs::read_to_string(&path).expect("there").replace("PERSON_GENERAL", "SECRET");
        fs::write(&path, text).expect("written");
        let Err(ImportError::Invalid(report)) = world.import("1.0.0") else { panic!("two are wrong") };
        let problems: Vec<_> = report.datasets[0].problems.iter().map(ToString::to_string).collect();
        assert!(problems[0].contains("sensitivityLevel") && problems[1].contains("line 1"), "{problems:?}");
    }
}
