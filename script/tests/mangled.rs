//! Scripts in order, with parts of them deleted, doubled, swapped and put in: whatever becomes of them is read without panic,
//! in bounded space, and what is wrong points into the text.

mod support;

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use kobling_model::catalogue::Catalogue;
use kobling_script::syntax;
use proptest::prelude::*;
use support::whole_catalogue;

/// The examples of the command files, of the language reference and of the pages.
static EXAMPLES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut examples = Vec::new();
    let mut files: Vec<_> = fs::read_dir(root.join("src/command"))
        .expect("the folder is there")
        .map(|entry| entry.expect("readable").path())
        .collect();
    files.sort();
    for file in files {
        let text = fs::read_to_string(file).expect("readable");
        let lines = text.lines().filter_map(|line| line.strip_prefix("//!"));
        let blocks = lines.skip_while(|line| line.trim() != "```text").skip(1);
        let example: Vec<_> = blocks.take_while(|line| line.trim() != "```").collect();
        examples.push(example.join("\n"));
    }
    let pages = fs::read_dir(root.join("../docs/commands")).expect("the folder is there");
    let mut texts: Vec<_> = pages.map(|entry| entry.expect("readable").path()).collect();
    texts.push(root.join("../docs/LANGUAGE.md"));
    texts.sort();
    for text in texts {
        let text = fs::read_to_string(text).expect("readable");
        let scripts = text.split("```kobling\n").skip(1).filter_map(|rest| rest.split("```").next());
        examples.extend(scripts.map(str::to_owned));
    }
    examples
});

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(whole_catalogue);

/// What is put in.
const PIECES: &[&str] = &[
    "$",
    "$i",
    "$navn",
    "++",
    " ++ ",
    "let x = ",
    "for i in ",
    "for i in 1 : 3\n",
    "for i in 1 : 99999999\n",
    " ; j in a b",
    "end\n",
    "\nend\n",
    "(",
    ")",
    "((((((((",
    "'",
    "\"",
    ",",
    ",,",
    "\\",
    "\\\n",
    "\n",
    "//",
    "textblock\n",
    "endblock\n",
    "if ",
    " if",
    "=",
    "==",
    "&",
    "|",
    "!",
    "-",
    "->",
    "*",
    "/",
    ":",
    ";",
    "#",
    "##",
    ".",
    "i.",
    "by ",
    "1e308",
    "-1",
    "2020-02-30",
    "date_fmt(",
    "bind(",
    "to_symbol(",
    "æ",
    "a\u{30a}",
    "\u{200b}",
    "\u{202e}",
    "\u{feff}",
    "\0",
    "\u{1b}",
    "𝒳",
    "\t",
    "\r",
    "panel@date",
    "@",
    "regress y x",
];

#[derive(Clone, Debug)]
enum Edit {
    Delete(usize, usize),
    Double(usize, usize),
    Swap(usize, usize),
    Insert(usize, usize),
}

fn edit() -> impl Strategy<Value = Edit> {
    let at = 0usize..4096;
    prop_oneof![
        (at.clone(), 0usize..4).prop_map(|(at, length)| Edit::Delete(at, length)),
        (at.clone(), 0usize..8).prop_map(|(at, length)| Edit::Double(at, length)),
        (at.clone(), at.clone()).prop_map(|(a, b)| Edit::Swap(a, b)),
        (at, 0..PIECES.len()).prop_map(|(at, piece)| Edit::Insert(at, piece)),
    ]
}

/// Words, signs and blanks of a script, or its characters.
fn parts(script: &str, by_characters: bool) -> Vec<String> {
    if by_characters {
        return script.chars().map(String::from).collect();
    }
    let mut parts: Vec<String> = Vec::new();
    let mut last = false;
    for character in script.chars() {
        let word = character.is_alphanumeric() || character == '_';
        match parts.last_mut().filter(|_| word && last) {
            Some(part) => part.push(character),
            None => parts.push(character.to_string()),
        }
        last = word;
    }
    parts
}

fn mangled(script: &str, by_characters: bool, edits: &[Edit]) -> String {
    let mut parts = parts(script, by_characters);
    for edit in edits {
        let count = parts.len().max(1);
        match *edit {
            Edit::Delete(at, length) => {
                let at = at % count;
                parts.drain(at.min(parts.len())..(at + length).min(parts.len()));
            }
            Edit::Double(at, length) => {
                let at = (at % count).min(parts.len());
                let again: Vec<String> = parts[at..(at + length).min(parts.len())].to_vec();
                parts.splice(at..at, again);
            }
            Edit::Swap(a, b) if !parts.is_empty() => parts.swap(a % count, b % count),
            Edit::Swap(..) => {}
            Edit::Insert(at, piece) => parts.insert((at % count).min(parts.len()), PIECES[piece].to_owned()),
        }
    }
    parts.concat()
}

/// All that is promised of any text.
fn keeps_its_promises(source: &str) {
    support::keeps_its_promises(source, &CATALOGUE);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_mangled_script_is_read_without_panic(
        example in 0usize..1000,
        by_characters in any::<bool>(),
        edits in proptest::collection::vec(edit(), 1..12),
    ) {
        let example = &EXAMPLES[example % EXAMPLES.len()];
        keeps_its_promises(&mangled(example, by_characters, &edits));
    }
}

#[test]
fn extremes_end_in_diagnostics() {
    let deep = |open: &str, close: &str| {
        format!("let x = {}1{}\nuse $x\n", open.repeat(50_000), close.repeat(50_000))
    };
    for (source, code) in [
        ("x".repeat(10 << 20), "script-too-long"),
        ("\n".repeat(10 << 20), "script-too-long"),
        (deep("(", ")"), "too-deep"),
        (deep("-", ""), "too-deep"),
        (deep("!", ""), "too-deep"),
        (deep("upper(", ")"), "too-deep"),
        ("for i in 1 2\n".repeat(40_000), "unclosed-loop"),
        ("for i in 1 2\n".repeat(30) + &"end\n".repeat(30), "too-many-loops"),
        (format!("for i in 1 2 {}\nend\n", "; j in 1 2 ".repeat(10_000)), "too-many-loops"),
        (format!("for i in {}\nuse $i\nend\n", "a ".repeat(300_000)), "too-much-made"),
        (format!("for i in 1 : 20000\n{}end\n", "let x = 1\n".repeat(1000)), "too-much-made"),
        (format!("for i in 1 : 3\nuse {}\nend\n", "$i ++ ".repeat(100_000)), "text-too-long"),
        (format!("let x = {}\n", "1 + ".repeat(100_000)), "expected"),
        ("'".repeat((1 << 20) - 1), "unterminated-text"),
        ("textblock\n".to_owned() + &"a\n".repeat(200_000), "unclosed-textblock"),
        (format!("use {}\n", "\u{200b}".repeat(100_000)), "unseen-character"),
        (format!("use {}", "\\\n".repeat(300_000)), "expected"),
    ] {
        keeps_its_promises(&source);
        let diagnostics = syntax(&source);
        assert!(diagnostics.iter().any(|one| one.code() == code), "{code}: {:?}", diagnostics.first());
    }
}
