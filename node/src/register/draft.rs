//! What the next release of a datastore will change, and the step that makes it.
//!
//! ```text
//! STATE/registers/<datastore>/draft/
//!     draft.json                 the items and their states
//!     NAME.<random>.parquet      data of an item
//! ```
//!
//! An item is a DRAFT when it is imported, and then PENDING_RELEASE; a variable that shall go is PENDING_DELETE. A bump releases
//! what is pending, under the version that it computes: a changed or removed variable raises the major part, an added one the
//! minor part, texts alone the patch. Unchanged variables keep their data files, which the new release shares by
//! hard links, and old releases stay.
//!
//! `draft.json` is replaced whole: that moment is each of the steps here. Files that it does not name are left from a crash, and
//! are removed at the next step. A crash between a release and the removal of its items leaves items that say what the release
//! says; they are done, and are dropped when the draft is read.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use kobling_crypto::seal::SealKey;
use kobling_model::catalogue::{Datastore, Variable};
use kobling_model::plan::Release;
use kobling_model::{DatastoreId, OwnerId, UnitType, VariableName, Version};
use serde::{Deserialize, Serialize};

use super::dataset::DataFile;
use super::{
    FORMAT, ImportError, ImportReport, ManifestFile, RegisterStore, StoreError, Unfinished, lock, registers,
    space, sync_folder,
};
use crate::identity_map::IdentityMaps;
use crate::random;

/// Where an item is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ItemState {
    /// Imported, and not yet meant to be released.
    Draft,
    /// Released by the next bump.
    PendingRelease,
    /// Removed by the next bump.
    PendingDelete,
}

/// What an item does to the datastore.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Change {
    /// A variable that the newest release does not have.
    Add,
    /// Other data, or other metadata than texts.
    Change,
    /// Other texts of the same data.
    Texts,
    /// The variable goes.
    Remove,
}

/// One item of a draft, for the operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DraftItem {
    /// The variable.
    pub name: VariableName,
    /// Where it is on its way.
    pub state: ItemState,
    /// What it does.
    pub change: Change,
}

/// What a bump released.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Bumped {
    /// The new release.
    pub release: Release,
    /// What it changes, in order of name.
    pub changes: Vec<(VariableName, Change)>,
}

/// Why a step towards a release was not taken. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReleaseError {
    /// No such item.
    #[error("the draft of {datastore} has no {name}")]
    NotInDraft {
        /// The datastore.
        datastore: DatastoreId,
        /// The variable.
        name: VariableName,
    },
    /// Only a released variable can be removed.
    #[error("the newest release of {datastore} has no {name}")]
    NotReleased {
        /// The datastore.
        datastore: DatastoreId,
        /// The variable.
        name: VariableName,
    },
    /// The variable has an item already.
    #[error("{name} is in the draft of {datastore}: withdraw it first")]
    InDraft {
        /// The datastore.
        datastore: DatastoreId,
        /// The variable.
        name: VariableName,
    },
    /// New texts about data that has since been replaced.
    #[error("the texts of {name} were made for other data than {datastore} has now: import them again")]
    OtherData {
        /// The datastore.
        datastore: DatastoreId,
        /// The variable.
        name: VariableName,
    },
    /// No item is pending.
    #[error("nothing of {datastore} is pending")]
    NothingPending {
        /// The datastore.
        datastore: DatastoreId,
    },
    /// The release would have no variable.
    #[error("the release of {datastore} would have no variables")]
    Empty {
        /// The datastore.
        datastore: DatastoreId,
    },
    /// The datastore is another owner's.
    #[error("{datastore} belongs to {owner}")]
    OtherOwner {
        /// The datastore.
        datastore: DatastoreId,
        /// Whose it is.
        owner: OwnerId,
    },
    /// The draft's files are not what was imported. Remove the draft folder and import again.
    #[error("the draft of {datastore} is damaged: remove its folder `draft` and import again")]
    Damaged {
        /// The datastore.
        datastore: DatastoreId,
    },
    /// Another import or release runs.
    #[error("another import into this state folder is running")]
    Busy,
    /// The disk is full.
    #[error("the disk is full; nothing was changed")]
    DiskFull,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<io::Error> for ReleaseError {
    fn from(error: io::Error) -> Self {
        if space::is_full(&error) { Self::DiskFull } else { Self::Store(error.into()) }
    }
}

impl From<ReleaseError> for ImportError {
    fn from(error: ReleaseError) -> Self {
        match error {
            ReleaseError::Busy => Self::Busy,
            ReleaseError::DiskFull => Self::DiskFull,
            ReleaseError::Store(error) => Self::Store(error),
            other => Self::Draft(Box::new(other)),
        }
    }
}

/// `draft.json`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Draft {
    format: u32,
    owner: OwnerId,
    /// Number of units of each type after the last import.
    units: BTreeMap<UnitType, u32>,
    items: BTreeMap<VariableName, Item>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Item {
    state: ItemState,
    /// None for one that is removed.
    content: Option<Content>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    variable: Variable,
    /// None for new texts of released data.
    data: Option<Data>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Data {
    /// Name of the data file in the draft's folder.
    parquet: String,
    file: ManifestFile,
}

impl Item {
    fn change(&self, newest: Option<&Datastore>, name: &VariableName) -> Change {
        match &self.content {
            None => Change::Remove,
            Some(Content { data: None, .. }) => Change::Texts,
            Some(_) if newest.is_some_and(|newest| newest.variable(name).is_some()) => Change::Change,
            Some(_) => Change::Add,
        }
    }

    /// Whether the newest release says what the item would change.
    fn is_done(&self, newest: Option<&Datastore>, name: &VariableName) -> bool {
        let released = newest.and_then(|newest| newest.variable(name));
        match &self.content {
            None => released.is_none(),
            Some(content) => released == Some(&content.variable),
        }
    }
}

impl RegisterStore {
    /// Imports all dataset folders in `folder` into the draft of a datastore, each in state [`ItemState::Draft`].
    ///
    /// One that is in the draft already is replaced. A dataset without a data file says new texts about a released variable.
    ///
    /// # Errors
    /// [`ImportError`]; the draft is then as before.
    pub fn import_draft(
        &mut self,
        folder: &Path,
        datastore: &DatastoreId,
        owner: &OwnerId,
        key: &SealKey,
    ) -> Result<ImportReport, ImportError> {
        self.import_into_draft(folder, datastore, owner, key).map_err(ImportError::or_disk_full)
    }

    fn import_into_draft(
        &mut self,
        folder: &Path,
        datastore: &DatastoreId,
        owner: &OwnerId,
        key: &SealKey,
    ) -> Result<ImportReport, ImportError> {
        let registers = registers(&self.state);
        fs::create_dir_all(&registers)?;
        let _lock = lock(&registers)?;
        let unfinished = Unfinished::begin(&registers)?;
        let mut draft = self.read_draft(datastore)?.unwrap_or_else(|| Draft::empty(owner));
        if draft.owner != *owner {
            let datastore = datastore.clone();
            return Err(ReleaseError::OtherOwner { datastore, owner: draft.owner }.into());
        }
        let place = self.draft_folder(datastore);
        fs::create_dir_all(&place)?;
        let mut identities = IdentityMaps::load(&self.state, key)?;
        let newest = self.newest(datastore).cloned();
        let data_file = newest.as_ref().map_or(DataFile::Needed, DataFile::OrTextsOf);
        let (report, datasets) =
            self.read_datasets(folder, data_file, &unfinished.folder, &mut identities)?;
        if report.problems() > 0 {
            return Err(ImportError::Invalid(report));
        }
        for dataset in datasets {
            let name = dataset.variable.name.clone();
            let data = match dataset.file {
                None => None,
                Some(file) => {
                    let parquet = format!("{name}.{}.parquet", hex::encode(random::bytes::<8>()));
                    fs::rename(unfinished.folder.join(format!("{name}.parquet")), place.join(&parquet))?;
                    Some(Data { parquet, file })
                }
            };
            let content = Some(Content { variable: dataset.variable, data });
            draft.items.insert(name, Item { state: ItemState::Draft, content });
        }
        draft.units = identities.units();
        sync_folder(&place)?;
        // As in an import: units without a register do no harm, registers without their units would.
        identities.save(&self.state, key)?;
        self.write_draft(datastore, &draft)?;
        Ok(report)
    }

    /// The items of a datastore's draft, in order of name.
    ///
    /// # Errors
    /// [`ReleaseError::Damaged`], [`ReleaseError::Store`].
    pub fn draft(&self, datastore: &DatastoreId) -> Result<Vec<DraftItem>, ReleaseError> {
        let newest = self.newest(datastore);
        let items = self.read_draft(datastore)?.map(|draft| draft.items).unwrap_or_default();
        let shown = |(name, item): (VariableName, Item)| DraftItem {
            change: item.change(newest, &name),
            state: item.state,
            name,
        };
        Ok(items.into_iter().map(shown).collect())
    }

    /// Makes items of the draft [`ItemState::PendingRelease`].
    ///
    /// # Errors
    /// [`ReleaseError::NotInDraft`]; no item is then another than before.
    pub fn make_pending(
        &mut self,
        datastore: &DatastoreId,
        names: &[VariableName],
    ) -> Result<(), ReleaseError> {
        self.change_draft(datastore, names, |item, name| match item {
            Some(item) if item.content.is_some() => {
                Ok(Some(Item { state: ItemState::PendingRelease, ..item }))
            }
            Some(item) => Ok(Some(item)),
            None => Err(ReleaseError::NotInDraft { datastore: datastore.clone(), name: name.clone() }),
        })
    }

    /// Makes released variables [`ItemState::PendingDelete`].
    ///
    /// # Errors
    /// [`ReleaseError::NotReleased`], [`ReleaseError::InDraft`]; no item is then another than before.
    pub fn make_pending_delete(
        &mut self,
        datastore: &DatastoreId,
        names: &[VariableName],
    ) -> Result<(), ReleaseError> {
        let newest = self.newest(datastore).cloned();
        let released =
            |name: &VariableName| newest.as_ref().is_some_and(|newest| newest.variable(name).is_some());
        self.change_draft(datastore, names, |item, name| {
            let (datastore, name) = (datastore.clone(), name.clone());
            match item {
                _ if !released(&name) => Err(ReleaseError::NotReleased { datastore, name }),
                Some(item) if item.content.is_some() => Err(ReleaseError::InDraft { datastore, name }),
                _ => Ok(Some(Item { state: ItemState::PendingDelete, content: None })),
            }
        })
    }

    /// Takes items one step back: what is pending to be released is a draft again, a draft is dropped, and what is pending to be
    /// removed stays in the datastore.
    ///
    /// # Errors
    /// [`ReleaseError::NotInDraft`]; no item is then another than before.
    pub fn withdraw(&mut self, datastore: &DatastoreId, names: &[VariableName]) -> Result<(), ReleaseError> {
        self.change_draft(datastore, names, |item, name| match item {
            Some(item) if item.state == ItemState::PendingRelease => {
                Ok(Some(Item { state: ItemState::Draft, ..item }))
            }
            Some(_) => Ok(None),
            None => Err(ReleaseError::NotInDraft { datastore: datastore.clone(), name: name.clone() }),
        })
    }

    /// Releases what is pending, under the next version.
    ///
    /// 1. Take the lock; read the draft and compute the version.
    /// 2. Link the data files of the newest release and of the pending items into a hidden folder; write catalogue and manifest;
    ///    sync. After a crash only that folder exists besides.
    /// 3. Rename the folder to the release's name. That moment is the release.
    /// 4. Remove the items from the draft. After a crash before this they say what the release says, and count as done.
    ///
    /// # Errors
    /// [`ReleaseError`]; registers and draft are then as before.
    pub fn bump(&mut self, datastore: &DatastoreId) -> Result<Bumped, ReleaseError> {
        let registers = registers(&self.state);
        fs::create_dir_all(&registers)?;
        let _lock = locked(&registers)?;
        let nothing = || ReleaseError::NothingPending { datastore: datastore.clone() };
        let mut draft = self.read_draft(datastore)?.ok_or_else(nothing)?;
        let (pending, waiting) = draft
            .items
            .into_iter()
            .partition::<BTreeMap<_, _>, _>(|(_, item)| item.state != ItemState::Draft);
        draft.items = waiting;
        if pending.is_empty() {
            return Err(nothing());
        }
        let newest = self.newest(datastore);
        let changes: Vec<_> =
            pending.iter().map(|(name, item)| (name.clone(), item.change(newest, name))).collect();
        let version =
            next_version(newest.map(|newest| newest.version), changes.iter().map(|(_, change)| *change));
        let release = Release { datastore: datastore.clone(), version, owner: draft.owner.clone() };

        let unfinished = Unfinished::begin(&registers)?;
        let mut content = self.released_content(newest);
        for (name, item) in pending {
            self.apply(datastore, &mut content, name, item)?;
        }
        if content.is_empty() {
            return Err(ReleaseError::Empty { datastore: datastore.clone() });
        }
        let (mut variables, mut files) = (Vec::new(), Vec::new());
        for (variable, file, path) in content.into_values() {
            fs::hard_link(path, unfinished.folder.join(format!("{}.parquet", variable.name)))?;
            variables.push(variable);
            files.push(file);
        }
        let mut units = draft.units.clone();
        if let Some(newest) = newest {
            let stored = &self.releases[&(datastore.clone(), newest.version)];
            for (unit_type, count) in &stored.manifest.units {
                let known = units.entry(*unit_type).or_default();
                *known = (*known).max(*count);
            }
        }
        let catalogue = Datastore { id: datastore.clone(), owner: release.owner.clone(), version, variables };
        let (_, stored) =
            self.finish_release(unfinished, catalogue, files, units, || Ok::<_, ReleaseError>(()))?;
        self.releases.insert((datastore.clone(), version), stored);
        // The release is there: a draft that cannot be written now is put right when it is read.
        let _ = self.write_draft(datastore, &draft);
        Ok(Bumped { release, changes })
    }

    /// Variables, files and where these lie, of a release.
    fn released_content(
        &self,
        newest: Option<&Datastore>,
    ) -> BTreeMap<VariableName, (Variable, ManifestFile, PathBuf)> {
        let Some(newest) = newest else { return BTreeMap::new() };
        let stored = &self.releases[&(newest.id.clone(), newest.version)];
        let folder = registers(&self.state).join(newest.id.as_str()).join(newest.version.to_string());
        let files = newest.variables.iter().zip(&stored.manifest.files).map(|(variable, file)| {
            let path = folder.join(format!("{}.parquet", variable.name));
            (variable.name.clone(), (variable.clone(), file.clone(), path))
        });
        files.collect()
    }

    fn apply(
        &self,
        datastore: &DatastoreId,
        content: &mut BTreeMap<VariableName, (Variable, ManifestFile, PathBuf)>,
        name: VariableName,
        item: Item,
    ) -> Result<(), ReleaseError> {
        match item.content {
            None => {
                content.remove(&name);
            }
            Some(Content { variable, data: Some(data) }) => {
                let path = self.draft_folder(datastore).join(&data.parquet);
                let mut file = File::open(&path).map_err(|_| damaged(datastore))?;
                if super::hash_of(&mut file)? != data.file.data || variable.data != data.file.data {
                    return Err(damaged(datastore));
                }
                content.insert(name, (variable, data.file, path));
            }
            Some(Content { variable, data: None }) => {
                let other = || ReleaseError::OtherData { datastore: datastore.clone(), name: name.clone() };
                let released = content.get_mut(&name).ok_or_else(other)?;
                let same = Variable {
                    title: variable.title.clone(),
                    description: variable.description.clone(),
                    domain: variable.domain.clone(),
                    ..released.0.clone()
                };
                if same != variable {
                    return Err(other());
                }
                released.0 = variable;
            }
        }
        Ok(())
    }

    fn change_draft(
        &mut self,
        datastore: &DatastoreId,
        names: &[VariableName],
        change: impl Fn(Option<Item>, &VariableName) -> Result<Option<Item>, ReleaseError>,
    ) -> Result<(), ReleaseError> {
        let registers = registers(&self.state);
        fs::create_dir_all(&registers)?;
        let _lock = locked(&registers)?;
        let draft = self.read_draft(datastore)?;
        let owner = self.newest(datastore).map(|newest| newest.owner.clone());
        let mut draft = match (draft, owner) {
            (Some(draft), _) => draft,
            (None, Some(owner)) => Draft::empty(&owner),
            (None, None) => {
                // What a change of an item that is not there says.
                return names.iter().try_for_each(|name| change(None, name).map(|_| ()));
            }
        };
        for name in names {
            if let Some(item) = change(draft.items.remove(name), name)? {
                draft.items.insert(name.clone(), item);
            }
        }
        fs::create_dir_all(self.draft_folder(datastore))?;
        self.write_draft(datastore, &draft)
    }

    /// The newest release of a datastore.
    fn newest(&self, datastore: &DatastoreId) -> Option<&Datastore> {
        let releases = self.releases.values().map(|release| &release.catalogue);
        releases.filter(|release| release.id == *datastore).max_by_key(|release| release.version)
    }

    fn draft_folder(&self, datastore: &DatastoreId) -> PathBuf {
        registers(&self.state).join(datastore.as_str()).join("draft")
    }

    /// The draft without what is done; none where there is no draft.
    fn read_draft(&self, datastore: &DatastoreId) -> Result<Option<Draft>, ReleaseError> {
        let bytes = match fs::read(self.draft_folder(datastore).join("draft.json")) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let draft: Option<Draft> = serde_json::from_slice(&bytes).ok();
        let mut draft = draft.filter(|draft| draft.format == FORMAT).ok_or_else(|| damaged(datastore))?;
        let newest = self.newest(datastore);
        draft.items.retain(|name, item| !item.is_done(newest, name));
        Ok(Some(draft))
    }

    /// Replaces `draft.json`, then removes the data files that it does not name.
    fn write_draft(&self, datastore: &DatastoreId, draft: &Draft) -> Result<(), ReleaseError> {
        let folder = self.draft_folder(datastore);
        let (path, new) = (folder.join("draft.json"), folder.join("draft.json.new"));
        let mut file = File::create(&new)?;
        file.write_all(&serde_json::to_vec_pretty(draft).map_err(io::Error::from)?)?;
        file.sync_all()?;
        fs::rename(&new, &path)?;
        sync_folder(&folder)?;
        sync_folder(&registers(&self.state).join(datastore.as_str()))?;
        let kept = |name: &str| {
            name == "draft.json"
                || draft.items.values().any(|item| {
                    let data = item.content.as_ref().and_then(|content| content.data.as_ref());
                    data.is_some_and(|data| data.parquet == name)
                })
        };
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if !path.file_name().is_some_and(|name| kept(&name.to_string_lossy())) {
                // What cannot be removed now is removed at the next step.
                let _ = fs::remove_file(path);
            }
        }
        Ok(())
    }
}

impl Draft {
    fn empty(owner: &OwnerId) -> Self {
        Self { format: FORMAT, owner: owner.clone(), units: BTreeMap::new(), items: BTreeMap::new() }
    }
}

fn damaged(datastore: &DatastoreId) -> ReleaseError {
    ReleaseError::Damaged { datastore: datastore.clone() }
}

fn locked(registers: &Path) -> Result<File, ReleaseError> {
    match lock(registers) {
        Ok(lock) => Ok(lock),
        Err(ImportError::Store(error)) => Err(error.into()),
        Err(_) => Err(ReleaseError::Busy),
    }
}

/// The version of a release with these changes; the first one is 1.0.0.
fn next_version(newest: Option<Version>, changes: impl Iterator<Item = Change>) -> Version {
    let Some(Version { major, minor, patch }) = newest else {
        return Version { major: 1, minor: 0, patch: 0 };
    };
    let (mut breaks, mut adds) = (false, false);
    for change in changes {
        breaks |= matches!(change, Change::Change | Change::Remove);
        adds |= change == Change::Add;
    }
    if breaks {
        Version { major: major + 1, minor: 0, patch: 0 }
    } else if adds {
        Version { major, minor: minor + 1, patch: 0 }
    } else {
        Version { major, minor, patch: patch + 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{World, seal_key};
    use super::*;

    fn datastore() -> DatastoreId {
        DatastoreId::new("no.test.db").expect("a name")
    }

    fn name(text: &str) -> VariableName {
        VariableName::new(text).expect("a name")
    }

    fn version(bumped: &Bumped) -> String {
        bumped.release.version.to_string()
    }

    /// Imports what is in the world's folder as a draft, and releases it.
    fn release(world: &mut World, names: &[&str]) -> Bumped {
        world.import_draft().expect("imported");
        let names: Vec<_> = names.iter().map(|text| name(text)).collect();
        world.store.make_pending(&datastore(), &names).expect("pending");
        world.store.bump(&datastore()).expect("released")
    }

    fn set_title(world: &World, variable: &str, title: &str) {
        let path = world.folder_of(variable).join(format!("{variable}.json"));
        let text = fs::read_to_string(&path).expect("there");
        let mut json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        json["measureVariables"][0]["name"][0]["value"] = title.into();
        fs::write(&path, json.to_string()).expect("written");
    }

    #[test]
    fn the_version_follows_from_what_changes_and_old_releases_stay() {
        let mut world = World::new();
        world.dataset("A", "FIXED", "LONG", &[(0, "1", "", "")]);
        world.dataset("B", "FIXED", "LONG", &[(1, "1", "", "")]);
        assert_eq!(version(&release(&mut world, &["A", "B"])), "1.0.0");
        world.remove("A");
        world.remove("B");
        world.dataset("C", "FIXED", "LONG", &[(2, "1", "", "")]);
        let added = release(&mut world, &["C"]);
        assert_eq!((version(&added).as_str(), added.changes), ("1.1.0", vec![(name("C"), Change::Add)]));
        fs::remove_file(world.folder_of("C").join("C.csv")).expect("removed");
        set_title(&world, "C", "Another title");
        let texts = release(&mut world, &["C"]);
        assert_eq!((version(&texts).as_str(), texts.changes), ("1.1.1", vec![(name("C"), Change::Texts)]));
        world.dataset("C", "FIXED", "LONG", &[(2, "2", "", "")]);
        assert_eq!(version(&release(&mut world, &["C"])), "2.0.0");
        world.store.make_pending_delete(&datastore(), &[name("A")]).expect("released");
        assert_eq!(version(&world.store.bump(&datastore()).expect("removed")), "3.0.0");

        let store = RegisterStore::open(world.state()).expect("whole");
        assert_eq!(store.catalogue(), world.store.catalogue());
        let names = |at: usize| {
            let names =
                store.catalogue()[at].variables.iter().map(|v| v.name.to_string()).collect::<Vec<_>>();
            names.join(" ")
        };
        assert_eq!([0, 1, 2, 3, 4].map(names), ["A B", "A B C", "A B C", "A B C", "B C"]);
        let data = |at: usize, name: &str| {
            let catalogue = store.catalogue();
            catalogue[at].variables.iter().find(|v| v.name.as_str() == name).map(|v| v.data)
        };
        assert_eq!(data(0, "B"), data(4, "B"), "an unchanged variable keeps its file");
        assert_eq!(data(1, "C"), data(2, "C"), "new texts keep the data");
        assert_ne!(data(2, "C"), data(3, "C"));
        store.verify().expect("old files are whole");
        assert_eq!(store.identity_map(UnitType::Person, &seal_key(1)).expect("sealed").len(), 3);
        assert!(store.draft(&datastore()).expect("empty").is_empty());
    }

    #[test]
    fn nothing_is_released_that_is_not_pending() {
        let mut world = World::new();
        world.dataset("A", "FIXED", "LONG", &[(0, "1", "", "")]);
        world.dataset("B", "FIXED", "LONG", &[(1, "1", "", "")]);
        world.import_draft().expect("imported");
        assert!(matches!(world.store.bump(&datastore()), Err(ReleaseError::NothingPending { .. })));
        world.store.make_pending(&datastore(), &[name("A"), name("B")]).expect("pending");
        world.store.withdraw(&datastore(), &[name("B")]).expect("a draft again");
        let store = RegisterStore::open(world.state()).expect("opened");
        let items = store.draft(&datastore()).expect("two");
        assert_eq!([items[0].state, items[1].state], [ItemState::PendingRelease, ItemState::Draft]);
        world.store.bump(&datastore()).expect("released");
        assert_eq!(world.store.catalogue()[0].variables.len(), 1);
        world.store.withdraw(&datastore(), &[name("B")]).expect("dropped");
        assert!(world.store.draft(&datastore()).expect("none").is_empty());
        let left = fs::read_dir(world.store.draft_folder(&datastore())).expect("a folder").count();
        assert_eq!(left, 1, "data files that no item names are removed");
    }

    #[test]
    fn each_step_that_cannot_be_taken_says_why_and_changes_nothing() {
        let mut world = World::new();
        let (a, z) = ([name("A")], [name("A"), name("Z")]);
        assert!(matches!(world.store.make_pending(&datastore(), &a), Err(ReleaseError::NotInDraft { .. })));
        world.dataset("A", "FIXED", "LONG", &[(0, "1", "", "")]);
        world.import_draft().expect("imported");
        assert!(matches!(world.store.make_pending(&datastore(), &z), Err(ReleaseError::NotInDraft { .. })));
        assert_eq!(world.store.draft(&datastore()).expect("one")[0].state, ItemState::Draft);
        let not_released = world.store.make_pending_delete(&datastore(), &a);
        assert!(matches!(not_released, Err(ReleaseError::NotReleased { .. })));
        world.store.make_pending(&datastore(), &a).expect("pending");
        world.store.bump(&datastore()).expect("released");
        world.store.make_pending_delete(&datastore(), &a).expect("pending");
        assert!(matches!(world.store.bump(&datastore()), Err(ReleaseError::Empty { .. })));
        assert_eq!(world.store.catalogue().len(), 1);
        assert_eq!(world.store.draft(&datastore()).expect("one").len(), 1);
    }

    #[test]
    fn a_crash_after_the_release_does_not_release_again() {
        let mut world = World::new();
        world.dataset("A", "FIXED", "LONG", &[(0, "1", "", "")]);
        world.import_draft().expect("imported");
        world.store.make_pending(&datastore(), &[name("A")]).expect("pending");
        let path = world.store.draft_folder(&datastore()).join("draft.json");
        let before = fs::read(&path).expect("there");
        world.store.bump(&datastore()).expect("released");
        fs::write(&path, before).expect("as after a crash");
        let mut store = RegisterStore::open(world.state()).expect("opened");
        assert!(store.draft(&datastore()).expect("done").is_empty());
        assert!(matches!(store.bump(&datastore()), Err(ReleaseError::NothingPending { .. })));
    }

    #[test]
    fn a_wrong_draft_leaves_the_draft_as_it_was_and_damage_is_named() {
        let mut world = World::new();
        world.dataset("A", "FIXED", "LONG", &[(0, "1", "", "")]);
        world.import_draft().expect("imported");
        world.dataset("B", "FIXED", "LONG", &[(0, "x", "", "")]);
        assert!(matches!(world.import_draft(), Err(ImportError::Invalid(_))));
        assert_eq!(world.store.draft(&datastore()).expect("one").len(), 1);
        world.store.make_pending(&datastore(), &[name("A")]).expect("pending");
        let folder = world.store.draft_folder(&datastore());
        let data = fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry").path());
        for path in data.filter(|path| path.extension().is_some_and(|extension| extension == "parquet")) {
            fs::write(path, b"other").expect("written");
        }
        assert!(matches!(world.store.bump(&datastore()), Err(ReleaseError::Damaged { .. })));
        assert!(world.store.catalogue().is_empty());
        fs::write(folder.join("draft.json"), b"{").expect("written");
        assert!(matches!(world.import_draft(), Err(ImportError::Draft(_))));
    }

    #[test]
    fn without_a_data_file_only_texts_change() {
        let mut world = World::new();
        world.dataset("A", "FIXED", "LONG", &[(0, "1", "", "")]);
        release(&mut world, &["A"]);
        fs::remove_file(world.folder_of("A").join("A.csv")).expect("removed");
        let found = |world: &mut World| match world.import_draft() {
            Err(ImportError::Invalid(report)) => report.datasets[0].problems[0].to_string(),
            other => panic!("{other:?}"),
        };
        assert!(found(&mut world).contains("no text is another"));
        world.dataset("A", "FIXED", "DOUBLE", &[]);
        fs::remove_file(world.folder_of("A").join("A.csv")).expect("removed");
        assert!(found(&mut world).contains("measureVariables[0]: without a data file only texts"));
    }
}
