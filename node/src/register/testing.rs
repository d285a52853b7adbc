//! Small registers for tests.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use kobling_crypto::seal::SealKey;
use kobling_model::identity::with_control_digits;
use kobling_model::plan::Release;
use kobling_model::{DatastoreId, OwnerId, UnitType};
use serde_json::json;

use super::{ImportError, ImportReport, RegisterStore};

/// The identity number of the `n`-th test person.
pub(crate) fn person(n: u32) -> String {
    let (date, individual) = (n / 100, n % 100);
    let (day, month, year) = (date % 28 + 1, date / 28 % 12 + 81, date / 336 % 100);
    let number = |n: u32| {
        let digits = [day / 10, day % 10, month / 10, month % 10, year / 10, year % 10];
        let [a, b, c, d, e, f] = digits;
        with_control_digits([a, b, c, d, e, f, n / 100, n / 10 % 10, n % 10])
    };
    (0..1000).filter_map(number).nth(individual as usize).expect("a date has some 800 numbers")
}

pub(crate) fn seal_key(n: u8) -> SealKey {
    SealKey::from_bytes([n; 32])
}

/// A state folder and a folder of datasets.
pub(crate) struct World {
    folder: tempfile::TempDir,
    state: PathBuf,
    pub(crate) store: RegisterStore,
}

/// Person, value, start and stop.
pub(crate) type Row<'a> = (u32, &'a str, &'a str, &'a str);

impl World {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let state = folder.path().join("state");
        fs::create_dir(&state).expect("a folder");
        fs::create_dir(folder.path().join("datasets")).expect("a folder");
        let store = RegisterStore::open(&state).expect("empty");
        Self { folder, state, store }
    }

    pub(crate) fn state(&self) -> &Path {
        &self.state
    }

    /// Writes a dataset over people. A data type of `-> TYPE` makes it a pointer.
    pub(crate) fn dataset(&mut self, name: &str, temporality: &str, data_type: &str, rows: &[Row<'_>]) {
        self.dataset_of(UnitType::Person, name, temporality, data_type, rows);
    }

    /// Writes a dataset over units of a type, which have free names where they are no people.
    pub(crate) fn dataset_of(
        &mut self,
        unit_type: UnitType,
        name: &str,
        temporality: &str,
        data_type: &str,
        rows: &[Row<'_>],
    ) {
        let folder = self.folder.path().join("datasets").join(name);
        fs::create_dir_all(&folder).expect("a folder");
        let text = json!([{"languageCode": "nb", "value": name}]);
        let mut measure = json!({"name": text, "description": text});
        match data_type.strip_prefix("-> ") {
            Some(unit_type) => measure["unitType"] = unit_type.into(),
            None => {
                measure["dataType"] = data_type.into();
                measure["valueDomain"] = json!({"description": text});
            }
        }
        let metadata = json!({
            "temporalityType": temporality,
            "sensitivityLevel": "PERSON_GENERAL",
            "populationDescription": text,
            "subjectFields": [text],
            "dataRevision": {"description": text},
            "identifierVariables": [{"unitType": unit_type.as_str()}],
            "measureVariables": [measure],
        });
        write(&folder.join(format!("{name}.json")), &metadata.to_string());
        let mut csv = String::new();
        for (unit, value, start, stop) in rows {
            let unit = match unit_type {
                UnitType::Person => person(*unit),
                _ => format!("unit-{unit}"),
            };
            writeln!(csv, "{unit};{value};{start};{stop};").expect("a string takes it");
        }
        write(&folder.join(format!("{name}.csv")), &csv);
    }

    /// Removes a dataset's folder.
    pub(crate) fn remove(&mut self, name: &str) {
        fs::remove_dir_all(self.folder.path().join("datasets").join(name)).expect("removed");
    }

    /// The folder of a dataset.
    pub(crate) fn folder_of(&self, name: &str) -> PathBuf {
        self.folder.path().join("datasets").join(name)
    }

    pub(crate) fn import_draft(&mut self) -> Result<ImportReport, ImportError> {
        let datastore = DatastoreId::new("no.test.db").expect("a name");
        let owner = OwnerId::new("test").expect("a name");
        let datasets = self.folder.path().join("datasets");
        self.store.import_draft(&datasets, &datastore, &owner, &seal_key(1))
    }

    pub(crate) fn import(&mut self, version: &str) -> Result<ImportReport, ImportError> {
        let release = Release {
            datastore: DatastoreId::new("no.test.db").expect("a name"),
            version: version.parse().expect("a version"),
            owner: OwnerId::new("test").expect("a name"),
        };
        let datasets = self.folder.path().join("datasets");
        self.store.import(&datasets, &release, &seal_key(1))
    }
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).expect("written");
}
