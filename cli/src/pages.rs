//! The user documentation that the program carries along.

/// A page for each command, in alphabetical order of the command's name.
const PAGES: &[(&str, &str)] = &[
    ("aggregate", include_str!("../../docs/commands/aggregate.md")),
    ("assign-labels", include_str!("../../docs/commands/assign-labels.md")),
    ("clone-dataset", include_str!("../../docs/commands/clone-dataset.md")),
    ("clone-units", include_str!("../../docs/commands/clone-units.md")),
    ("clone-variables", include_str!("../../docs/commands/clone-variables.md")),
    ("collapse", include_str!("../../docs/commands/collapse.md")),
    ("create-dataset", include_str!("../../docs/commands/create-dataset.md")),
    ("define-labels", include_str!("../../docs/commands/define-labels.md")),
    ("delete-dataset", include_str!("../../docs/commands/delete-dataset.md")),
    ("destring", include_str!("../../docs/commands/destring.md")),
    ("drop", include_str!("../../docs/commands/drop.md")),
    ("drop-labels", include_str!("../../docs/commands/drop-labels.md")),
    ("for", include_str!("../../docs/commands/for.md")),
    ("generate", include_str!("../../docs/commands/generate.md")),
    ("import", include_str!("../../docs/commands/import.md")),
    ("import-event", include_str!("../../docs/commands/import-event.md")),
    ("import-panel", include_str!("../../docs/commands/import-panel.md")),
    ("keep", include_str!("../../docs/commands/keep.md")),
    ("let", include_str!("../../docs/commands/let.md")),
    ("list-labels", include_str!("../../docs/commands/list-labels.md")),
    ("merge", include_str!("../../docs/commands/merge.md")),
    ("recode", include_str!("../../docs/commands/recode.md")),
    ("rename", include_str!("../../docs/commands/rename.md")),
    ("rename-dataset", include_str!("../../docs/commands/rename-dataset.md")),
    ("replace", include_str!("../../docs/commands/replace.md")),
    ("require", include_str!("../../docs/commands/require.md")),
    ("reshape-from-panel", include_str!("../../docs/commands/reshape-from-panel.md")),
    ("reshape-to-panel", include_str!("../../docs/commands/reshape-to-panel.md")),
    ("sample", include_str!("../../docs/commands/sample.md")),
    ("summarize", include_str!("../../docs/commands/summarize.md")),
    ("tabulate", include_str!("../../docs/commands/tabulate.md")),
    ("textblock", include_str!("../../docs/commands/textblock.md")),
    ("use", include_str!("../../docs/commands/use.md")),
];

/// What the shell does, with a section for each command of the session.
const SHELL: &str = include_str!("../../docs/SHELL.md");

/// Every function, with examples.
pub const FUNCTIONS: &str = include_str!("../../docs/FUNCTIONS.md");

/// The page of a command, in Markdown; of a command of the session its section.
pub fn of_command(name: &str) -> Option<&'static str> {
    if let Ok(at) = PAGES.binary_search_by_key(&name, |(name, _)| name) {
        return Some(PAGES[at].1);
    }
    section(SHELL, "### ", |heading| heading.split('`').nth(1).is_some_and(|form| first_word(form) == name))
}

/// The section that begins with a heading of this kind, up to the next heading.
fn section<'a>(text: &'a str, mark: &str, wanted: impl Fn(&str) -> bool) -> Option<&'a str> {
    let mut start = None;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if line.starts_with('#') {
            if let Some(start) = start {
                return text.get(start..at);
            }
            if line.strip_prefix(mark).is_some_and(&wanted) {
                start = Some(at);
            }
        }
        at += line.len();
    }
    start.and_then(|start| text.get(start..))
}

fn first_word(text: &str) -> &str {
    text.split_whitespace().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Names of the pages in `docs/commands`, but for the index.
    fn files() -> Vec<String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/commands");
        let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
        let names = entries.map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned());
        let mut names: Vec<String> =
            names.filter_map(|name| name.strip_suffix(".md").map(str::to_owned)).collect();
        names.retain(|name| name != "README");
        names.sort();
        names
    }

    #[test]
    fn every_page_is_carried_along_in_order() {
        let names: Vec<&str> = PAGES.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, files());
        for (name, page) in PAGES {
            assert!(page.starts_with(&format!("# {name}\n")), "{name}");
            assert_eq!(of_command(name), Some(*page));
        }
    }

    #[test]
    fn every_command_of_the_session_has_a_section() {
        for name in [
            "help",
            "help-function",
            "variables",
            "history",
            "undo",
            "clear",
            "edit",
            "save",
            "load",
            "configure",
            "exit",
        ] {
            let section = of_command(name).unwrap_or_else(|| panic!("no section about {name}"));
            assert!(section.lines().count() > 2, "{section}");
            assert_eq!(section.matches("\n#").count(), 0, "{section}");
        }
        assert_eq!(of_command("nothing"), None);
    }
}
