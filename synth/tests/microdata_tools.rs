//! The public tool of the dataset format accepts what is written here.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use kobling_synth::{Config, OWNERS, write_registers};

#[test]
#[ignore = "needs microdata-tools"]
fn microdata_tools_accepts_every_dataset() {
    let folder = tempfile::tempdir().expect("a folder");
    write_registers(&Config { people: 5000, seed: 1 }, folder.path()).expect("written");
    let driver = Path::new(env!("CARGO_MANIFEST_DIR")).join("../node/tests/judge.py");
    for owner in OWNERS {
        let judged = Command::new("python")
            .arg(&driver)
            .arg(folder.path().join(owner.owner))
            .output()
            .expect("python");
        assert!(judged.status.success(), "{}", String::from_utf8_lossy(&judged.stderr));
        let judged: BTreeMap<String, Vec<String>> = serde_json::from_slice(&judged.stdout).expect("JSON");
        assert_eq!(judged.len(), owner.datasets.len());
        for (name, errors) in judged {
            assert!(errors.is_empty(), "{name}: {errors:?}");
        }
    }
}
