//! `help` and `help-function`: from the pages that the program carries along, and a line for each command.

use std::io::IsTerminal;

use kobling_script::commands::{all, is_available};

use super::commands::OF_THE_SHELL;
use crate::arguments::Language;
use crate::pages;
use crate::render::page::{cells, page};

/// A group of commands: its name, and each command with what it does, in English and Norwegian.
type Group = ([&'static str; 2], &'static [(&'static str, [&'static str; 2])]);

/// All commands that are carried out, but for statistics that are to come.
const GROUPS: &[Group] = &[
    (
        ["Datasets", "Datasett"],
        &[
            ("require", ["connects a datastore", "kobler til et datalager"]),
            ("create-dataset", ["makes an empty dataset", "lager et tomt datasett"]),
            ("use", ["makes another dataset active", "gjør et annet datasett aktivt"]),
            ("clone-dataset", ["copies a dataset", "kopierer et datasett"]),
            ("clone-units", ["copies a dataset's units", "kopierer enhetene i et datasett"]),
            ("rename-dataset", ["gives a dataset another name", "gir et datasett nytt navn"]),
            ("delete-dataset", ["removes a dataset", "fjerner et datasett"]),
            ("merge", ["writes variables into another dataset", "skriver variabler inn i et annet datasett"]),
            ("collapse", ["makes a dataset of groups", "lager et datasett av grupper"]),
            ("reshape-to-panel", ["makes a row of each time", "lager en rad for hvert tidspunkt"]),
            ("reshape-from-panel", ["makes one row of each unit", "lager en rad for hver enhet"]),
        ],
    ),
    (
        ["Preparation", "Klargjøring"],
        &[
            ("import", ["brings a variable into the dataset", "henter en variabel til datasettet"]),
            ("import-event", ["makes a row of each spell", "lager en rad for hvert forløp"]),
            ("import-panel", ["brings variables at several times", "henter variabler på flere tidspunkt"]),
            ("generate", ["makes a variable", "lager en variabel"]),
            ("replace", ["gives a variable new values", "gir en variabel nye verdier"]),
            ("recode", ["maps values to new ones", "koder om verdier"]),
            ("destring", ["makes numbers of texts", "gjør tekster til tall"]),
            ("keep", ["keeps units or variables", "beholder enheter eller variabler"]),
            ("drop", ["removes units or variables", "fjerner enheter eller variabler"]),
            ("sample", ["keeps units drawn at random", "beholder et tilfeldig utvalg enheter"]),
            ("rename", ["gives a variable another name", "gir en variabel nytt navn"]),
            ("clone-variables", ["copies variables", "kopierer variabler"]),
            ("aggregate", ["writes a group's value to its units", "gir enhetene gruppens verdi"]),
            ("define-labels", ["makes a code list", "lager en kodeliste"]),
            ("assign-labels", ["shows values by a code list", "viser verdier med en kodeliste"]),
            ("drop-labels", ["forgets code lists", "glemmer kodelister"]),
            ("list-labels", ["shows a code list", "viser en kodeliste"]),
        ],
    ),
    (
        ["Bindings and loops", "Bindinger og løkker"],
        &[
            ("let", ["binds a value to a name", "knytter en verdi til et navn"]),
            ("for", ["repeats lines up to end", "gjentar linjer fram til end"]),
            ("end", ["ends a loop", "avslutter en løkke"]),
            (
                "textblock",
                ["text up to endblock that is not run", "tekst fram til endblock, som ikke kjøres"],
            ),
        ],
    ),
    (
        ["Statistics", "Statistikk"],
        &[
            ("tabulate", ["a table of counts, means or sums", "en tabell over antall, snitt eller summer"]),
            ("summarize", ["number, mean and deviation", "antall, gjennomsnitt og standardavvik"]),
        ],
    ),
    (
        ["The session", "Økten"],
        &[
            ("help", ["this list, or a command's page", "denne listen, eller siden om en kommando"]),
            ("help-function", ["all functions, or one of them", "alle funksjoner, eller en av dem"]),
            ("variables", ["what there is to import", "det som kan hentes"]),
            ("history", ["the session's script", "øktens skript"]),
            ("undo", ["takes the last input back", "tar det siste tilbake"]),
            ("edit", ["changes the script in an editor", "endrer skriptet i et redigeringsprogram"]),
            ("clear", ["forgets the script and its datasets", "glemmer skriptet og datasettene"]),
            ("save", ["writes the script to a file", "skriver skriptet til en fil"]),
            ("load", ["runs the lines of a file", "kjører linjene i en fil"]),
            ("configure", ["shows or changes settings", "viser eller endrer innstillinger"]),
            ("exit", ["leaves the shell", "avslutter skallet"]),
        ],
    ),
];

/// All commands by group, one a line.
pub fn list(language: Language) -> String {
    let mut out = String::new();
    let mut listed = Vec::new();
    for (group, commands) in GROUPS {
        out.push_str(&format!("{}\n", language.either(group[0], group[1])));
        for (name, does) in commands.iter().filter(|(name, _)| is_there(name)) {
            out.push_str(&format!("  {name:<20}{}\n", language.either(does[0], does[1])));
            listed.push(*name);
        }
    }
    let others: Vec<&str> = all().filter(|name| is_there(name) && !listed.contains(name)).collect();
    if !others.is_empty() {
        out.push_str(&format!("{}\n  {}\n", language.either("Also", "Også"), others.join(" ")));
    }
    out.push_str(language.either(
        "`help command` has more, with an example; `help-function` the functions.\n",
        "`help kommando` har mer, med et eksempel; `help-function` funksjonene.\n",
    ));
    out
}

/// What a command does: its page, or as much as is known. None where there is no such command.
pub fn command(name: &str, language: Language) -> Option<String> {
    if let Some(markdown) = pages::of_command(name) {
        return Some(page(markdown, is_bold()));
    }
    if !is_there(name) {
        return all().any(|known| known == name).then(|| {
            let say = language.either(
                "part of the language, but not available yet",
                "del av språket, men ikke tilgjengelig ennå",
            );
            format!("{name}: {say}\n")
        });
    }
    let mut commands = GROUPS.iter().flat_map(|(_, commands)| commands.iter());
    let does = commands.find(|(known, _)| *known == name).map(|(_, does)| language.either(does[0], does[1]));
    Some(does.map_or_else(|| format!("{name}\n"), |does| format!("{name}: {does}\n")))
}

/// Names of all functions, by section of their page.
pub fn functions(language: Language) -> String {
    let mut out = String::new();
    let mut names: Vec<&str> = Vec::new();
    let mut heading = "";
    for line in pages::FUNCTIONS.lines().chain(["## "]) {
        if let Some(next) = line.strip_prefix("## ") {
            if !names.is_empty() {
                out.push_str(&format!("{heading}\n  {}\n", names.join(" ")));
            }
            (heading, names) = (next, Vec::new());
        }
        names.extend(form(line).map(|form| form.split('(').next().unwrap_or_default()));
    }
    let of_bindings: Vec<&str> = OTHERS.iter().map(|(name, ..)| *name).collect();
    let others = language.either("Of bindings, and of all units", "For bindinger, og for alle enheter");
    out.push_str(&format!("{others}\n  {}\n", of_bindings.join(" ")));
    out.push_str(
        language.either(
            "`help-function name` says more of one.\n",
            "`help-function navn` sier mer om en av dem.\n",
        ),
    );
    out
}

/// What a function takes and gives, with an example.
pub fn function(name: &str) -> Option<String> {
    let is_it = |row: &&str| form(row).is_some_and(|form| form.split('(').next() == Some(name));
    if let Some(row) = pages::FUNCTIONS.lines().find(is_it) {
        let cells = cells(row);
        let cell = |at: usize| cells.get(at).map_or("", String::as_str);
        return Some(format!("{}\n  {}\n  {} = {}\n", cell(0), cell(1), cell(2), cell(3)));
    }
    let (_, form, does) = OTHERS.iter().find(|(known, ..)| *known == name)?;
    Some(format!("{form}\n  {does}\n"))
}

/// Functions that have no row on the page.
const OTHERS: &[(&str, &str, &str)] = &[
    ("bind", "bind(name)", "the value of a binding whose name is put together"),
    ("date_fmt", "date_fmt(year, month?, day?)", "a date, for imports; month and day are 1 if left out"),
    (
        "quantile",
        "quantile(x, k)",
        "the part, from 0, of k equal parts in which x lies; the whole value of generate or replace",
    ),
    ("to_int", "to_int(text)", "the number that a text says"),
    ("to_str", "to_str(value)", "a value as text"),
    ("to_symbol", "to_symbol(text)", "a name made of a text"),
];

/// The form of a function in a row of the page.
fn form(row: &str) -> Option<&str> {
    let form = row.strip_prefix("| `")?.split('`').next()?;
    form.contains('(').then_some(form)
}

fn is_there(name: &str) -> bool {
    is_available(name) || OF_THE_SHELL.contains(&name)
}

fn is_bold() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

#[cfg(test)]
mod tests {
    use kobling_model::catalogue::Catalogue;
    use kobling_script::complete::complete;

    use super::*;

    #[test]
    fn every_command_is_listed_once_and_has_help() {
        let text = list(Language::En);
        for name in all() {
            let lines = text.lines().filter(|line| line.split_whitespace().next() == Some(name)).count();
            let listed = text.split_whitespace().any(|word| word == name);
            assert!(lines <= 1 && listed == is_there(name), "{name}:\n{text}");
            assert!(command(name, Language::Nb).is_some_and(|text| text.contains(name)), "{name}");
        }
        assert_eq!(command("tabulat", Language::En), None);
    }

    #[test]
    fn every_function_of_the_language_has_help() {
        let input = "help-function ";
        let found = complete("", input, input.len(), &Catalogue::default());
        assert!(found.candidates.len() > 90);
        let all = functions(Language::En);
        for candidate in found.candidates {
            let text = function(&candidate.text).unwrap_or_else(|| panic!("no help for {}", candidate.text));
            assert!(text.starts_with(&candidate.text) && text.lines().count() >= 2, "{text}");
            assert!(all.split_whitespace().any(|word| word == candidate.text), "{}", candidate.text);
        }
    }
}
