//! The example in each command file's doc comment is a test: its plan, or its diagnostics, are golden files.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use kobling_model::catalogue::Catalogue;
use kobling_script::{check, required_datastores};
use support::{catalogue, demo_catalogue, described_plan, golden, rendered};

/// The first fenced block of a file's doc comment.
fn example(text: &str) -> Option<String> {
    let lines: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("//!")).collect();
    let start = lines.iter().position(|line| line.trim() == "```text")?;
    let end = start + 1 + lines[start + 1..].iter().position(|line| line.trim() == "```")?;
    Some(
        lines[start + 1..end]
            .iter()
            .map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line)))
            .collect(),
    )
}

#[test]
fn the_example_of_every_command_file_gives_the_plan_or_the_diagnostics_on_record() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/command");
    let mut seen = 0;
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("readable").path();
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let source = example(&fs::read_to_string(&path).expect("readable"))
            .unwrap_or_else(|| panic!("{name} has no example in its doc comment"));
        let found = match check(&source, &catalogue()) {
            Ok(checked) => described_plan(&checked.plan),
            Err(diagnostics) => {
                assert!(
                    ["other", "bindings"].contains(&name.as_str()),
                    "{}",
                    rendered(&diagnostics, &source)
                );
                rendered(&diagnostics, &source)
            }
        };
        golden(&format!("example/{name}"), &format!("{source}\n{found}"));
        seen += 1;
    }
    assert!(seen >= 11, "every command has a file");
}

/// Scripts between fences.
fn scripts(text: &str) -> Vec<&str> {
    let rests = text.split("```kobling\n").skip(1);
    rests.map(|rest| rest.split("```").next().expect("text before the fence")).collect()
}

fn documents() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

fn is_in_order(script: &str, catalogue: &Catalogue) {
    if let Err(diagnostics) = check(script, catalogue) {
        panic!("{}", rendered(&diagnostics, script));
    }
    assert!(required_datastores(script).is_ok_and(|required| !required.is_empty()));
}

/// Scripts of the user reference run.
#[test]
fn every_script_in_the_language_reference_is_in_order() {
    let text = fs::read_to_string(documents().join("LANGUAGE.md")).expect("the reference is there");
    let scripts = scripts(&text);
    assert!(scripts.len() >= 4, "the reference has examples");
    for script in scripts {
        is_in_order(script, &catalogue());
    }
}

/// What a page may consist of.
const PARTS: [&str; 8] = [
    "Form",
    "Options",
    "Example",
    "What stands below a table",
    "Categories",
    "Means and sums",
    "What to know",
    "Differs from microdata.no",
];

/// Pages are for people: all have the same parts, and one example that ends in a statistic. That it runs over the demo's registers is a
/// test of the whole system, which also keeps `demo.json`, what these registers offer.
#[test]
fn every_page_has_its_parts_and_an_example_that_is_in_order() {
    let offered = demo_catalogue();
    for (name, text) in pages() {
        let first = text.lines().next().expect("a first line");
        assert_eq!(first, format!("# {name}"));
        let parts: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        assert!(parts.iter().all(|part| PARTS.contains(part)), "{name}: {parts:?}");
        for needed in ["Form", "Example", "What to know"] {
            assert!(parts.contains(&needed), "{name} has no part {needed}");
        }
        let scripts = scripts(&text);
        assert_eq!(scripts.len(), 1, "{name}");
        let last = scripts[0].lines().rfind(|line| !["end", ""].contains(&line.trim())).expect("a command");
        let statistic = ["tabulate ", "summarize "].iter().any(|word| last.trim().starts_with(word));
        assert!(statistic, "{name} ends with {last}");
        let used = scripts[0].lines().any(|line| line.trim().starts_with(&name));
        assert!(used, "the example of {name} does without it");
        is_in_order(scripts[0], &offered);
    }
}

/// Name and text of each page.
fn pages() -> Vec<(String, String)> {
    let mut pages = Vec::new();
    for entry in fs::read_dir(documents().join("commands")).expect("the folder is there") {
        let path = entry.expect("readable").path();
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        if name != "README" {
            pages.push((name, fs::read_to_string(path).expect("readable")));
        }
    }
    pages.sort();
    pages
}

#[test]
fn the_index_has_every_page_and_every_variable_of_the_demo() {
    let index = fs::read_to_string(documents().join("commands/README.md")).expect("the index is there");
    for (name, _) in pages() {
        assert!(index.contains(&format!("({name}.md)")), "{name} is not in the index");
    }
    let told: BTreeSet<&str> = (index.split('`').skip(1).step_by(2))
        .filter(|word| {
            word.contains('_')
                && word.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
        })
        .collect();
    let offered = demo_catalogue();
    let offered = offered.datastores.iter().flat_map(|datastore| &datastore.variables);
    assert_eq!(told, offered.map(|variable| variable.name.as_str()).collect(), "the demo's variables");
}
