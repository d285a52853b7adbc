//! What fuzzing has found stays found: the kept corpus and real inputs, shown to each decoder again.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use kobling_tests::fuzz::TARGETS;

/// Most files of a target's corpus, and most bytes of all of them: they are run with every test.
const FILES_MAX: usize = 200;
const BYTES_MAX: usize = 400_000;

#[test]
fn every_decoder_has_a_program_and_a_corpus_and_nothing_else_has() {
    let names: BTreeSet<String> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    for folder in ["fuzz/targets", "fuzz/corpus"] {
        let entries = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).expect("a folder");
        let stem = |path: PathBuf| path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        let found: BTreeSet<String> =
            entries.filter_map(|entry| stem(entry.expect("an entry").path())).collect();
        assert_eq!(found, names, "in {folder}");
    }
    let manifest = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).expect("readable");
    let program = |line: &str| line.strip_prefix("name = \"fuzz-")?.strip_suffix('"').map(str::to_owned);
    assert_eq!(manifest.lines().filter_map(program).collect::<BTreeSet<_>>(), names, "in the manifest");
}

#[test]
fn every_kept_input_passes_through_its_decoder_or_is_refused() {
    for target in &TARGETS {
        let (mut files, mut bytes, mut refused) = (0, 0, 0);
        for file in fs::read_dir(target.corpus()).expect("a corpus") {
            let path = file.expect("an entry").path();
            let input = fs::read(&path).expect("readable");
            println!("{}", path.display());
            refused += usize::from(!(target.body)(&input));
            files += 1;
            bytes += input.len();
        }
        assert!(refused > 0, "{} has no input that is refused", target.name);
        assert!((1..=FILES_MAX).contains(&files), "{} has {files} files", target.name);
        assert!(bytes <= BYTES_MAX, "{} has {bytes} bytes", target.name);
    }
}

#[test]
fn real_inputs_are_let_through_and_every_part_of_one_is_judged() {
    for target in &TARGETS {
        let seeds = (target.seeds)();
        assert!(!seeds.is_empty(), "{} has no real input", target.name);
        for seed in seeds {
            assert!((target.body)(&seed), "{} refuses a real input", target.name);
            // A message that breaks off is the commonest fault of all.
            for cut in (0..seed.len()).step_by(1 + seed.len() / 16) {
                (target.body)(&seed[..cut]);
            }
        }
    }
}
