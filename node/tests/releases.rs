//! From drafts to releases through the program itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use kobling_model::identity::with_control_digits;
use serde_json::{Value, json};

/// A node's folders, and the datasets to import.
struct Place(tempfile::TempDir);

impl Place {
    fn datasets(&self) -> PathBuf {
        self.0.path().join("datasets")
    }

    fn dataset(&self, name: &str, value: u32) {
        let folder = self.datasets().join(name);
        fs::create_dir_all(&folder).expect("a folder");
        let text = json!([{"languageCode": "nb", "value": name}]);
        let metadata = json!({
            "temporalityType": "FIXED",
            "sensitivityLevel": "PERSON_GENERAL",
            "populationDescription": text,
            "subjectFields": [text],
            "dataRevision": {"description": text},
            "identifierVariables": [{"unitType": "PERSON"}],
            "measureVariables": [{
                "name": text, "description": text, "dataType": "LONG", "valueDomain": {"description": text}
            }],
        });
        fs::write(folder.join(format!("{name}.json")), metadata.to_string()).expect("written");
        let person = (0..9).find_map(|n| with_control_digits([0, 1, 8, 1, 7, 0, 1, 2, n])).expect("a number");
        fs::write(folder.join(format!("{name}.csv")), format!("{person};{value};;;\n")).expect("written");
    }

    /// Runs a command; whether it succeeded, and what it said.
    fn run(&self, arguments: &[&str]) -> (bool, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kobling-node"));
        command.arg("--config").arg(self.0.path().join("node.toml"));
        command.arg("--state").arg(self.0.path().join("state")).args(arguments);
        let ended = command.output().expect("the program runs");
        let said = [ended.stdout, ended.stderr].concat();
        (ended.status.success(), String::from_utf8(said).expect("UTF-8"))
    }

    fn release(&self, arguments: &[&str]) -> (bool, String) {
        self.run(&[&["release", "--datastore", "no.test.db"], arguments].concat())
    }

    fn import_draft(&self) {
        let datasets = self.datasets();
        let folder = datasets.to_str().expect("UTF-8");
        let (done, said) = self.run(&["import", folder, "--datastore", "no.test.db", "--draft"]);
        assert!(done && said.contains("no.test.db draft: imported"), "{said}");
    }
}

fn log(path: &Path) -> String {
    fs::read_to_string(path.join("state/audit/records/000.jsonl")).expect("a log")
}

#[test]
fn drafts_become_releases_whose_versions_follow_from_what_changes() {
    let place = Place(tempfile::tempdir().expect("a folder"));
    assert!(place.run(&["init", "--owner", "test", "--listen", "127.0.0.1:1"]).0);
    place.dataset("A", 1);
    place.dataset("B", 1);
    place.import_draft();
    assert_eq!(place.release(&["list"]), (true, "A DRAFT ADD\nB DRAFT ADD\n".to_owned()));
    let (done, said) = place.release(&["bump"]);
    assert!(!done && said.contains("nothing of no.test.db is pending"), "{said}");
    let (done, said) = place.release(&["pending", "A"]);
    assert_eq!((done, said.as_str()), (true, "A PENDING_RELEASE ADD\nB DRAFT ADD\n"));
    assert_eq!(place.release(&["bump"]), (true, "A ADD\nno.test.db 1.0.0: released\n".to_owned()));
    assert_eq!(log(place.0.path()).matches("imported").count(), 1);
    assert!(place.release(&["pending", "B"]).0);
    assert!(place.release(&["pending", "--delete", "A"]).0);
    let (done, said) = place.release(&["--json", "bump"]);
    let json: Value = serde_json::from_str(&said).expect("JSON");
    assert!(done);
    assert_eq!(json["release"]["version"], "2.0.0");
    assert_eq!(json["changes"], json!([["A", "REMOVE"], ["B", "ADD"]]));
    assert_eq!(log(place.0.path()).matches("imported").count(), 2);
    let (done, said) = place.release(&["withdraw", "B"]);
    assert!(!done && said.contains("the draft of no.test.db has no B"), "{said}");
}
