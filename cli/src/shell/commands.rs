//! Commands of the session: they are about the script and the shell, and are no part of the script.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::Context;
use kobling_script::ast::{Arguments, Command, RegisterName};
use kobling_script::parser;

use super::{Outcome, Shell, Signals, help};
use crate::arguments::Language;
use crate::command::print;
use crate::exit::{Exit, unusable, unusable_because};
use crate::render::{catalogue, plain};
use crate::script_file::Script;

/// Commands that the shell has beside those of the language.
pub const OF_THE_SHELL: &[&str] = &["undo", "exit", "quit"];

impl Shell<'_> {
    /// Carries out a command of the session.
    ///
    /// # Errors
    /// For files that cannot be used, and where broker or nodes fail.
    pub(super) async fn command(&mut self, line: &str, signals: &mut Signals) -> anyhow::Result<Outcome> {
        let bare = line.split("//").next().unwrap_or_default().trim();
        match bare {
            "undo" => return Ok(self.undo()),
            "exit" | "quit" => return Ok(Outcome::Leave(Exit::DONE)),
            "variables" => return self.variables(&[], signals).await,
            _ => {}
        }
        let (script, diagnostics) = parser::parse(line);
        let command = script.statements.into_iter().next().map(|statement| statement.command);
        let (Some(Command::Other(other)), true) = (command, diagnostics.is_empty()) else {
            if diagnostics.is_empty() {
                return Err(unusable(format!("`{bare}` takes nothing more")));
            }
            let script = Script { name: "shell".to_owned(), text: line.to_owned() };
            eprint!("{}", script.show(&diagnostics, self.session.language));
            return Ok(Outcome::Failed);
        };
        let words = match other.arguments {
            Arguments::Registers(registers) => return self.variables(&registers, signals).await,
            Arguments::Words(words) => words,
            _ => Vec::new(),
        };
        match (other.word.as_str(), words.as_slice()) {
            ("help", words) => return self.help(words.first().map(String::as_str)),
            ("help-function", words) => return self.help_function(words.first().map(String::as_str)),
            ("history", _) => self.show_history(),
            ("clear", _) => self.session.clear(),
            ("save", words) => {
                self.save(words.first())?;
                if other.options.iter().any(|option| option.name == "edit") {
                    return self.edit(signals).await;
                }
            }
            ("load", [file, ..]) => return self.load(file, signals).await,
            ("edit", _) => return self.edit(signals).await,
            ("configure", words) => return self.configure(words),
            (word, _) => return Err(unusable(format!("`{word}` cannot be carried out"))),
        }
        Ok(Outcome::Done)
    }

    fn help(&self, name: Option<&str>) -> anyhow::Result<Outcome> {
        let language = self.session.language;
        let Some(name) = name else {
            print(&help::list(language));
            return Ok(Outcome::Done);
        };
        match help::command(name, language) {
            Some(text) => print(&text),
            None => {
                let say = language.either("there is no command", "det finnes ingen kommando");
                return Err(unusable(format!("{say} `{name}`")));
            }
        }
        Ok(Outcome::Done)
    }

    fn help_function(&self, name: Option<&str>) -> anyhow::Result<Outcome> {
        let language = self.session.language;
        let found = match name {
            None => Some(help::functions(language)),
            Some(name) => help::function(name),
        };
        match found {
            Some(text) => print(&text),
            None => {
                let say = language.either("there is no function", "det finnes ingen funksjon");
                return Err(unusable(format!("{say} `{}`", name.unwrap_or_default())));
            }
        }
        Ok(Outcome::Done)
    }

    fn show_history(&self) {
        let lines = self.session.text().lines().enumerate();
        let shown: String = lines.map(|(at, line)| format!("{:>4}  {}\n", at + 1, plain(line))).collect();
        print(&shown);
    }

    fn undo(&mut self) -> Outcome {
        let language = self.session.language;
        match self.session.undo() {
            Some(input) => {
                let lines: Vec<String> = input.trim_end().lines().map(plain).collect();
                let said = language.either("taken back", "tatt tilbake");
                eprintln!("{said}: {}", lines.join("\n  "));
                Outcome::Done
            }
            None => {
                let said = language.either("there is nothing to take back", "det er ingenting å ta tilbake");
                eprintln!("kobling: {said}");
                Outcome::Failed
            }
        }
    }

    /// Writes the script to a file. One that the script neither came from nor was saved to is not written over.
    fn save(&mut self, file: Option<&String>) -> anyhow::Result<()> {
        let language = self.session.language;
        let Some(file) = file.map(PathBuf::from).or_else(|| self.file.clone()) else {
            let say =
                language.either("name the file: `save 'script.kob'`", "navngi filen: `save 'skript.kob'`");
            return Err(unusable(say));
        };
        let shown = plain(&file.display().to_string());
        if file.exists() && self.file.as_deref() != Some(file.as_path()) {
            let say = language.either(
                "is there already, and is not this session's; choose another name",
                "finnes allerede, og er ikke denne øktens; velg et annet navn",
            );
            return Err(unusable(format!("{shown} {say}")));
        }
        write_whole(&file, self.session.text())
            .map_err(|error| unusable_because(format!("{shown} cannot be written"), error))?;
        eprintln!("{}: {shown}", language.either("saved", "lagret"));
        self.file = Some(file);
        Ok(())
    }

    /// Takes the statements of a file as one input.
    async fn load(&mut self, file: &str, signals: &mut Signals) -> anyhow::Result<Outcome> {
        let script = Script::read(Path::new(file))?;
        let fresh = self.session.text().is_empty();
        let text = script.text.trim_start_matches('\u{feff}');
        let outcome = self.session.take(text, signals).await?;
        if matches!(outcome, Outcome::Done) && fresh {
            self.file = Some(PathBuf::from(file));
        }
        Ok(outcome)
    }

    /// Has the user's editor change the script, and takes what it leaves if nothing is wrong with it. What is wrong can be mended: the next `edit`
    /// goes on where this one ended.
    async fn edit(&mut self, signals: &mut Signals) -> anyhow::Result<Outcome> {
        let language = self.session.language;
        let before = self.draft.take().unwrap_or_else(|| self.session.text().to_owned());
        // Readable by its owner alone, and removed in the end.
        let mut file = tempfile::Builder::new().prefix("kobling-").suffix(".kob").tempfile()?;
        file.write_all(before.as_bytes())?;
        let program = ["VISUAL", "EDITOR"].iter().find_map(|name| std::env::var(name).ok());
        let program = program.filter(|program| !program.trim().is_empty()).unwrap_or_else(|| "vi".to_owned());
        let mut child = tokio::process::Command::new("sh");
        child.arg("-c").arg(format!("{program} \"$1\"")).arg("sh").arg(file.path());
        if !std::io::stdin().is_terminal() {
            // What is on the pipe is meant for the shell.
            child.stdin(Stdio::null());
        }
        let ended = child.status().await.context("the editor cannot be started")?;
        if !ended.success() {
            let say = language.either(
                "the editor failed; nothing has changed",
                "redigeringsprogrammet feilet; ingenting er endret",
            );
            return Err(unusable(say));
        }
        let text = Script::read(file.path())
            .map_err(|error| error.context(language.either("nothing has changed", "ingenting er endret")))?
            .text;
        if text == self.session.text() {
            return Ok(Outcome::Done);
        }
        let outcome = self.session.replace(text.clone(), signals).await;
        if !matches!(outcome, Ok(Outcome::Done)) {
            let say = language.either(
                "the script is as it was; `edit` goes on with the changes",
                "skriptet er som det var; `edit` fortsetter med endringene",
            );
            eprintln!("kobling: {say}");
            self.draft = Some(text);
        }
        outcome
    }

    /// Shows what the catalogue knows of variables, or which there are.
    async fn variables(&self, registers: &[RegisterName], signals: &mut Signals) -> anyhow::Result<Outcome> {
        let aliases = self.session.aliases();
        if registers.is_empty() {
            let mut datastores = self.session.catalogue().datastores.clone();
            let connected =
                |id: &_, major| aliases.iter().any(|(_, wanted, version)| wanted == id && *version == major);
            datastores.retain(|found| aliases.is_empty() || connected(&found.id, found.version.major));
            print(&catalogue::variables(&datastores));
            return Ok(Outcome::Done);
        }
        for register in registers {
            let alias = &register.alias.text;
            let Some((_, datastore, major)) = aliases.iter().rev().find(|(known, ..)| known == alias) else {
                let say = self.session.language.either(
                    "is not connected; `require` it first",
                    "er ikke koblet til; bruk `require` først",
                );
                return Err(unusable(format!("`{alias}` {say}")));
            };
            let described = tokio::select! {
                described = self.client.describe(datastore.as_str(), *major, &register.variable.text) => described?,
                stop = signals.next() => return Ok(match stop {
                    super::Stop::Interrupt => Outcome::Failed,
                    stop => Outcome::Leave(stop.exit()),
                }),
            };
            for variable in &described.variables {
                print(&catalogue::variable(&described, variable));
            }
        }
        Ok(Outcome::Done)
    }

    /// Shows the settings, or sets one: `configure language nb`.
    fn configure(&mut self, words: &[String]) -> anyhow::Result<Outcome> {
        let words: Vec<&str> = words.iter().flat_map(|word| word.split('=')).collect();
        let language = match words.as_slice() {
            [] => {
                let history = self.history.as_ref().map(|file| plain(&file.display().to_string()));
                let history = history.unwrap_or_else(|| "none".to_owned());
                print(&format!(
                    "language  {}\nhistory   {history}\n",
                    self.session.language.either("en", "nb")
                ));
                return Ok(Outcome::Done);
            }
            ["nb"] | ["language", "nb"] => Language::Nb,
            ["en"] | ["language", "en"] => Language::En,
            _ => {
                let say = self.session.language.either(
                    "what can be set is `configure language nb` and `configure language en`",
                    "det som kan settes, er `configure language nb` og `configure language en`",
                );
                return Err(unusable(say));
            }
        };
        self.session.language = language;
        Ok(Outcome::Done)
    }
}

/// Writes a file as a whole or not at all.
fn write_whole(file: &Path, text: &str) -> std::io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut unfinished = tempfile::NamedTempFile::new_in(folder)?;
    unfinished.write_all(text.as_bytes())?;
    unfinished.as_file().sync_all()?;
    unfinished.persist(file)?;
    Ok(())
}
