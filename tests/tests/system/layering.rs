//! Who may know whom, in the source: the promises of the architecture that the compiler does not check.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::MetadataCommand;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

/// All files with this ending below a folder of the workspace, what is built left out.
fn files(below: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![below.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            if path.is_dir() {
                if name != "target" && name != ".git" {
                    folders.push(path);
                }
            } else if name.ends_with(ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// Dependencies of each crate of the workspace, by name.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .other_options(vec!["--offline".to_owned()])
        .exec()
        .expect("cargo metadata");
    let of = |package: &cargo_metadata::Package| {
        let names = package.dependencies.iter().map(|dependency| dependency.name.clone()).collect();
        (package.name.to_string(), names)
    };
    metadata.packages.iter().map(of).collect()
}

#[test]
fn crates_import_what_the_table_of_the_design_allows_and_nothing_else() {
    let all = [
        "kobling-model",
        "kobling-script",
        "kobling-disclosure",
        "kobling-crypto",
        "kobling-audit",
        "kobling-proto",
        "kobling-node",
        "kobling-broker",
        "kobling-synth",
    ];
    let with_reference: Vec<&str> = all.into_iter().chain(["kobling-reference"]).collect();
    let allowed: BTreeMap<&str, Vec<&str>> = BTreeMap::from([
        ("kobling-model", vec![]),
        ("kobling-script", vec!["kobling-model"]),
        ("kobling-disclosure", vec!["kobling-model"]),
        ("kobling-crypto", vec![]),
        ("kobling-audit", vec!["kobling-model"]),
        ("kobling-proto", vec!["kobling-model"]),
        ("kobling-node", all[..6].to_vec()),
        (
            "kobling-broker",
            vec!["kobling-model", "kobling-script", "kobling-crypto", "kobling-audit", "kobling-proto"],
        ),
        ("kobling-synth", vec!["kobling-model"]),
        ("kobling-reference", vec!["kobling-model"]),
        ("kobling", with_reference.clone()),
        ("kobling-tests", with_reference),
    ]);
    let found = dependencies();
    let names: BTreeSet<&str> = found.keys().map(String::as_str).collect();
    assert_eq!(names, allowed.keys().copied().collect(), "the crates of the workspace");
    for (name, dependencies) in &found {
        let own: BTreeSet<&str> =
            dependencies.iter().map(String::as_str).filter(|name| name.starts_with("kobling")).collect();
        let may: BTreeSet<&str> = allowed[name.as_str()].iter().copied().collect();
        assert!(own.is_subset(&may), "{name} imports {:?}", own.difference(&may));
        if !["kobling", "kobling-tests"].contains(&name.as_str()) {
            assert_eq!(own, may, "{name} is said to import more than it does");
        }
    }
}

#[test]
fn the_crates_that_an_auditor_reads_know_no_network_no_store_and_no_query_engine() {
    let found = dependencies();
    let heavy = ["tokio", "tonic", "rustls", "arrow", "arrow-flight", "parquet", "datafusion", "rusqlite"];
    for name in [
        "kobling-model",
        "kobling-script",
        "kobling-disclosure",
        "kobling-crypto",
        "kobling-audit",
        "kobling-synth",
    ] {
        for other in heavy {
            assert!(!found[name].contains(other), "{name} imports {other}");
        }
    }
    for (name, dependencies) in &found {
        for watching in ["tracing", "opentelemetry", "opentelemetry_sdk", "opentelemetry-otlp"] {
            let may = ["kobling-proto", "kobling-tests"].contains(&name.as_str());
            assert!(may || !dependencies.contains(watching), "{name} imports {watching}");
        }
        assert_eq!(dependencies.contains("datafusion"), name == "kobling-node", "{name}");
        assert_eq!(dependencies.contains("rusqlite"), name == "kobling-broker", "{name}");
    }
}

#[test]
fn one_module_and_the_yardsticks_of_the_benchmark_name_the_query_engine() {
    for path in files(&root(), ".rs") {
        let name = shown(&path);
        let may = [
            "node/src/extract",
            "node/src/pooled.rs",
            "node/src/direct.rs",
            "tests/tests/system/layering.rs",
        ]
        .iter()
        .any(|place| name.starts_with(place));
        let text = fs::read_to_string(&path).expect("readable");
        let mut code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let found = code.any(|line| line.contains("datafusion"));
        assert!(may || !found, "{name} names datafusion");
    }
}

#[test]
fn an_opening_is_permitted_in_one_place_the_gate() {
    let call = concat!("OpeningPermit::", "asserted(");
    let mut callers = Vec::new();
    for folder in ["node/src", "broker/src", "cli/src", "tests", "crypto/src", "disclosure/src", "proto/src"]
    {
        for path in files(&root().join(folder), ".rs") {
            let text = fs::read_to_string(&path).expect("readable");
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            let count = code.map(|line| line.matches(call).count()).sum::<usize>();
            callers.extend(std::iter::repeat_n(shown(&path), count));
        }
    }
    assert_eq!(callers, ["node/src/protect.rs"]);
}

/// What a program says on standard error is put together in one file, from constant words; nothing else speaks there.
#[test]
fn one_module_writes_the_log() {
    let speaks = ["tracing::", "dbg!(", "eprint!(", "eprintln!("];
    // Commands tell the person who typed them what went wrong.
    let commands = ["cli/src", "node/src/main.rs", "broker/src/main.rs"];
    for folder in ["proto", "node", "broker", "cli"] {
        for path in files(&root().join(folder).join("src"), ".rs") {
            let name = shown(&path);
            if name == "proto/src/observe/log.rs" {
                continue;
            }
            let text = fs::read_to_string(&path).expect("readable");
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            for line in code {
                let found = speaks.iter().find(|call| line.contains(*call));
                let may = found.is_some_and(|call| call.starts_with("eprint"))
                    && commands.iter().any(|command| name.starts_with(command));
                assert!(found.is_none() || may, "{name} speaks for itself: {line}");
            }
        }
    }
}

#[test]
fn every_source_file_begins_with_what_it_is_for() {
    for path in files(&root(), ".rs") {
        let text = fs::read_to_string(&path).expect("readable");
        assert!(text.starts_with("//! "), "{} has no header", shown(&path));
    }
}

#[test]
fn nothing_unsafe_is_written_and_nothing_is_left_to_do() {
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME")];
    for path in files(&root(), ".rs") {
        if shown(&path) == "tests/tests/system/layering.rs" {
            continue;
        }
        let text = fs::read_to_string(&path).expect("readable");
        for (at, line) in text.lines().enumerate() {
            let place = format!("{}:{}", shown(&path), at + 1);
            assert!(!line.contains("unsafe {") && !line.contains("unsafe fn"), "{place} is unsafe");
            assert!(!line.contains("todo!(") && !line.contains("unimplemented!("), "{place} is not done");
            assert!(!marks.iter().any(|mark| line.contains(mark)), "{place} is left to do");
        }
    }
}

/// Targets of Markdown links in a text, without code blocks.
fn links(text: &str) -> Vec<String> {
    let mut links = Vec::new();
    let mut in_code = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        } else if !in_code {
            let mut rest = line;
            while let Some(at) = rest.find("](") {
                rest = &rest[at + 2..];
                if let Some(end) = rest.find(')') {
                    links.push(rest[..end].split(' ').next().unwrap_or_default().to_owned());
                }
            }
        }
    }
    links
}

/// The anchor that a heading has where Markdown is shown.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn links_in_the_documents_lead_somewhere() {
    let mut checked = 0;
    for path in files(&root(), ".md") {
        let text = fs::read_to_string(&path).expect("readable");
        for link in links(&text) {
            if link.starts_with("http") || link.starts_with("mailto:") {
                continue;
            }
            let (file, heading) =
                link.split_once('#').map_or((link.as_str(), None), |(file, of)| (file, Some(of)));
            let target =
                if file.is_empty() { path.clone() } else { path.parent().expect("a folder").join(file) };
            assert!(target.exists(), "{}: the link {link} leads nowhere", shown(&path));
            if let (Some(heading), true) = (heading, target.extension().is_some_and(|ending| ending == "md"))
            {
                let text = fs::read_to_string(&target).expect("readable");
                let headings = text.lines().filter_map(|line| line.strip_prefix('#'));
                let known =
                    headings.map(|line| anchor(line.trim_start_matches('#'))).any(|known| known == heading);
                assert!(known, "{}: the link {link} names no heading", shown(&path));
            }
            checked += 1;
        }
    }
    assert!(checked > 0, "no link was found");
}

/// Paths of sources in backquotes, such as `node/src/protect.rs`.
#[test]
fn files_that_the_documents_name_are_there() {
    for path in files(&root(), ".md") {
        let text = fs::read_to_string(&path).expect("readable");
        for (at, quoted) in text.split('`').enumerate() {
            let first = quoted.split('/').next().unwrap_or_default();
            let ours = [
                "model",
                "script",
                "disclosure",
                "crypto",
                "audit",
                "proto",
                "node",
                "broker",
                "synth",
                "cli",
                "tests",
                "docs",
            ];
            let is_path = at % 2 == 1 && ours.contains(&first) && quoted.contains('/');
            let plain = quoted.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
            if is_path && plain && quoted.ends_with(".rs") {
                assert!(root().join(quoted).exists(), "{} names {quoted}, which is not there", shown(&path));
            }
        }
    }
}
