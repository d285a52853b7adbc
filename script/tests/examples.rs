//! The example in each command file's doc comment is a test: its plan, or its diagnostics, are golden files.

mod support;

use std::fs;
use std::path::Path;

use kobling_script::{check, required_datastores};
use support::{catalogue, described_plan, golden, rendered};

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

/// Scripts of the user reference run.
#[test]
fn every_script_in_the_language_reference_is_in_order() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/LANGUAGE.md");
    let text = fs::read_to_string(path).expect("the reference is there");
    let scripts: Vec<_> = (text.split("```kobling\n").skip(1))
        .map(|rest| rest.split("```").next().expect("text before the fence"))
        .collect();
    assert!(scripts.len() >= 5, "the reference has examples");
    for script in scripts {
        if let Err(diagnostics) = check(script, &catalogue()) {
            panic!("{}", rendered(&diagnostics, script));
        }
        assert!(required_datastores(script).is_ok_and(|required| !required.is_empty()));
    }
}
