//! The example of every page of the user documentation runs as it stands over the demo's registers.
//!
//! What these registers offer is kept beside the checker's tests, which look at the same examples without a federation.

use std::fs;
use std::path::{Path, PathBuf};

use kobling_model::Hash;
use kobling_model::catalogue::Catalogue;
use kobling_model::table::Cell;
use kobling_proto::platform::v1::JobState;
use kobling_synth::{Config, OWNERS, write_registers};
use kobling_tests::registers::{Mix, standard};
use kobling_tests::world::World;
use tempfile::TempDir;

/// As `kobling demo --people 20000` makes them.
const REGISTERS: Config = Config { people: 20_000, seed: 1 };

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A federation over the demo's registers.
fn demo() -> (World, TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    write_registers(&REGISTERS, folder.path()).expect("written");
    let mut founding = World::of(standard(Mix::of(1)));
    for owner in &OWNERS {
        founding = founding.registers_in(owner.owner, &folder.path().join(owner.owner));
    }
    (founding.found(), folder)
}

/// Each page's name and its script.
fn examples() -> Vec<(String, String)> {
    let mut examples = Vec::new();
    for entry in fs::read_dir(root().join("docs/commands")).expect("the folder is there") {
        let path = entry.expect("readable").path();
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).expect("readable");
        let scripts = text.split("```kobling\n").skip(1).filter_map(|rest| rest.split("```").next());
        examples.extend(scripts.map(|script| (name.clone(), script.to_owned())));
    }
    examples.sort();
    examples
}

#[test]
fn the_example_of_every_page_gives_its_tables_and_no_warning() {
    let (world, _registers) = demo();
    what_the_registers_offer_is_on_record(world.catalogue());
    let examples = examples();
    assert!(examples.len() >= 28, "every command has a page");
    for (name, script) in examples {
        let ran = world.run(&script);
        let told = format!("{name}: {:?}\n{script}", ran.job);
        assert_eq!(ran.state(), JobState::Done, "{told}");
        assert!(ran.job.warnings.is_empty() && !ran.tables.is_empty(), "{told}");
        for table in &ran.tables {
            let told_apart = table.cells.iter().filter(|cell| matches!(cell, Cell::Count(1..))).count();
            assert!(told_apart >= 2 || table.summary.is_some(), "shows nothing: {}\n{told}", table.text);
        }
    }
}

/// `UPDATE_GOLDEN=1` writes it anew.
fn what_the_registers_offer_is_on_record(mut catalogue: Catalogue) {
    for variable in catalogue.datastores.iter_mut().flat_map(|datastore| &mut datastore.variables) {
        variable.data = Hash::of(variable.name.as_str().as_bytes());
    }
    let path = root().join("script/tests/demo.json");
    let mut offered = serde_json::to_string_pretty(&catalogue).expect("JSON");
    offered.push('\n');
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &offered).expect("written");
    }
    let kept = fs::read_to_string(&path).expect("the demo's catalogue is on record");
    assert!(kept == offered, "{} differs: UPDATE_GOLDEN=1 writes it anew", path.display());
}
