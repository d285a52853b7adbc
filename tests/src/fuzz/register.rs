//! Datasets: metadata and data files, and a small federation's registers to make seeds and a catalogue from.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use kobling_crypto::seal::SealKey;
use kobling_model::catalogue::{Catalogue, Datastore, Variable};
use kobling_model::plan::Release;
use kobling_model::{DatastoreId, Hash, OwnerId, VariableName, Version};
use kobling_node::register::problem::{DatasetFile, Problem};
use kobling_node::register::{Described, RegisterStore, check_dataset};
use kobling_proto::catalogue::v1 as wire;
use kobling_synth::{Config, Dataset, OWNERS, write_registers};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A dataset of the synthetic registers, its data cut after some lines.
struct Synthetic {
    metadata: Vec<u8>,
    data: Vec<u8>,
}

struct Registers {
    catalogue: Catalogue,
    datasets: Vec<Synthetic>,
}

/// Registers of the demo's three owners over few people, imported.
static REGISTERS: LazyLock<Registers> = LazyLock::new(|| {
    let folder = TempDir::new().expect("a folder");
    write_registers(&Config { people: 2_000, seed: 1 }, &folder.path().join("datasets")).expect("written");
    let state = folder.path().join("state");
    fs::create_dir(&state).expect("a folder");
    let mut store = RegisterStore::open(&state).expect("empty");
    let mut datasets = Vec::new();
    for owner in &OWNERS {
        let at = folder.path().join("datasets").join(owner.owner);
        let release = Release {
            datastore: DatastoreId::new(owner.datastore).expect("a datastore's name"),
            version: Version { major: 1, minor: 0, patch: 0 },
            owner: OwnerId::new(owner.owner).expect("a party's name"),
        };
        store.import(&at, &release, &SealKey::from_bytes([7; 32])).expect("synthetic data is right");
        datasets.extend(owner.datasets.iter().map(|dataset| Synthetic::read(&at, *dataset)));
    }
    Registers { catalogue: Catalogue { datastores: store.catalogue() }, datasets }
});

impl Synthetic {
    fn read(owner: &Path, dataset: Dataset) -> Self {
        let file = |ending: &str| owner.join(dataset.name()).join(format!("{}.{ending}", dataset.name()));
        let data = fs::read_to_string(file("csv")).expect("written");
        let data: String = data.split_inclusive('\n').take(12).collect();
        Self { metadata: fs::read(file("json")).expect("written"), data: data.into_bytes() }
    }
}

/// What the three owners offer.
pub(super) fn catalogue() -> &'static Catalogue {
    &REGISTERS.catalogue
}

/// Metadata that data files are read under: those of the synthetic registers, then one for each temporality and type.
static FORMS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let mut forms: Vec<Vec<u8>> = REGISTERS.datasets.iter().map(|dataset| dataset.metadata.clone()).collect();
    let text = json!([{"languageCode": "nb", "value": "x"}]);
    let code = |code: Value| json!({"code": code, "categoryTitle": text, "validFrom": "2000-01-01", "validUntil": "2020-12-31"});
    let measures = [
        json!({"dataType": "STRING", "valueDomain": {"description": text}}),
        json!({"dataType": "LONG", "valueDomain": {"description": text}}),
        json!({"dataType": "DOUBLE", "valueDomain": {"description": text}}),
        json!({"dataType": "DATE", "valueDomain": {"description": text}}),
        json!({"dataType": "STRING", "valueDomain": {"codeList": [code("a".into())]}}),
        json!({"dataType": "DOUBLE", "valueDomain": {"codeList": [code(1.5.into())]}}),
        json!({"dataType": "DATE", "valueDomain": {"codeList": [code("2001-02-03".into())]}}),
        json!({"unitType": "FORETAK"}),
    ];
    for temporality in ["FIXED", "STATUS", "ACCUMULATED", "EVENT"] {
        for measure in &measures {
            let mut measure = measure.clone();
            measure["name"] = text.clone();
            measure["description"] = text.clone();
            let unit_type = if temporality == "EVENT" { "KURS" } else { "PERSON" };
            let form = json!({
                "temporalityType": temporality,
                "sensitivityLevel": "PERSON_GENERAL",
                "populationDescription": text,
                "subjectFields": [text],
                "dataRevision": {"description": text},
                "identifierVariables": [{"unitType": unit_type}],
                "measureVariables": [measure],
            });
            forms.push(form.to_string().into_bytes());
        }
    }
    forms
});

/// Bytes of a data file, under the metadata that the first byte picks.
pub fn csv(input: &[u8]) -> bool {
    let Some((form, data)) = input.split_first() else { return false };
    let form = &FORMS[usize::from(*form) % FORMS.len()];
    let (problems, described) = check(form, data);
    assert!(problems.iter().all(|problem| problem.file == DatasetFile::Csv), "the metadata is right");
    let said: Vec<String> = problems.iter().map(Problem::to_string).collect();
    // Nothing that is said about a file of this size has as many digits as an identifier.
    let long = |text: &str| text.split(|c: char| !c.is_ascii_digit()).any(|digits| digits.len() >= 9);
    assert!(!said.iter().any(|said| long(said)), "content is shown");
    if let Some(described) = &described {
        let lines = data.split(|byte| *byte == b'\n').count();
        assert!((1..=lines as u64).contains(&described.rows), "a row is a line");
        survives(described);
    }
    described.is_some()
}

/// Bytes of a metadata file, with one line of data that fits its temporality and type.
pub fn metadata(input: &[u8]) -> bool {
    let (problems, _) = check(input, b"");
    if problems.iter().any(|problem| problem.file == DatasetFile::Json) {
        return false;
    }
    let units = ["01810112345", "914994780", "a"];
    for dates in [";", "2020-01-01;2020-01-01", "2020-01-01;2020-12-31"] {
        for (unit, value) in units.into_iter().flat_map(|unit| [(unit, "1"), (unit, "2020-01-01")]) {
            let (_, described) = check(input, format!("{unit};{value};{dates};\n").as_bytes());
            if let Some(described) = &described {
                survives(described);
            }
        }
    }
    true
}

fn check(metadata: &[u8], data: &[u8]) -> (Vec<Problem>, Option<Described>) {
    let (report, described) =
        check_dataset("X", metadata, data, Path::new("/nowhere")).expect("few rows need no folder");
    let right = report.problems.is_empty() && report.further_problems == 0;
    assert_eq!(described.is_some(), right, "a dataset is right exactly where nothing is wrong");
    let said = serde_json::to_string(&report).expect("a report has a JSON form");
    assert!(!said.chars().any(char::is_control), "what is shown steers no terminal");
    for problem in report.problems.iter().chain(&report.warnings) {
        assert!(!problem.to_string().chars().any(char::is_control), "what is shown steers no terminal");
    }
    (report.problems, described)
}

/// What goes into the catalogue comes back the same from the node's disk and from the wire.
fn survives(described: &Described) {
    let Described { metadata, dates, range, .. } = described.clone();
    let variable = Variable {
        name: VariableName::new("X").expect("a name"),
        title: metadata.title,
        description: metadata.description,
        unit_type: metadata.unit_type,
        temporality: metadata.temporality,
        sensitivity: metadata.sensitivity,
        domain: metadata.domain,
        dates,
        range,
        data: Hash::of(b"data"),
    };
    let json = serde_json::to_vec(&variable).expect("a variable has a JSON form");
    assert_eq!(serde_json::from_slice::<Variable>(&json).ok().as_ref(), Some(&variable), "from disk");
    let datastore = Datastore { variables: vec![variable], ..catalogue().datastores[0].clone() };
    let message = wire::Datastore::from(&datastore);
    assert_eq!(Datastore::try_from(message).as_ref(), Ok(&datastore), "from the wire");
}

pub(super) fn metadata_seeds() -> Vec<Vec<u8>> {
    FORMS.clone()
}

pub(super) fn csv_seeds() -> Vec<Vec<u8>> {
    let seed = |(form, dataset): (usize, &Synthetic)| [&[form as u8], &dataset.data[..]].concat();
    REGISTERS.datasets.iter().enumerate().map(seed).collect()
}
