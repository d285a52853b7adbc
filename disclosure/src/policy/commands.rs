//! Which commands of the language a script may use that asks about this owner's variables: `commands`.

use std::collections::BTreeSet;

use super::document::{Document, Names, Section};
use super::fault::PolicyError;
use super::{Known, PolicyRefusal};

/// The setting's name.
pub(super) const COMMANDS: &str = "commands";

/// Commands that are allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Commands {
    /// All.
    All,
    /// These.
    Only(BTreeSet<String>),
}

impl Commands {
    /// Takes the setting.
    pub fn take<'t>(document: &mut Document<'t>, section: &mut Section<'t>, known: &Known<'_>) -> Self {
        let Some((names, at)) = document.names(section, COMMANDS) else { return Self::All };
        let Names::Only(names) = names else { return Self::All };
        for name in &names {
            if !known.commands.is_empty() && !known.commands.contains(&name.text.as_str()) {
                let what = format!("no command of the language; there are {}", known.commands.join(", "));
                let name_text = name.text.clone();
                let unknown = PolicyError::Unknown { place: COMMANDS, name: name_text, what };
                document.fault(Some(name.line), unknown);
            }
        }
        let names: BTreeSet<String> = names.into_iter().map(|name| name.text).collect();
        let missing: Vec<&str> =
            known.commands_needed.iter().filter(|needed| !names.contains(**needed)).copied().collect();
        if !missing.is_empty() {
            let why = format!("without {} no script can ask anything; add it", missing.join(" and "));
            document.contradiction(at, COMMANDS, why);
        }
        Self::Only(names)
    }

    /// Judges a script's commands.
    ///
    /// # Errors
    /// [`PolicyRefusal::Command`] with the first that is not allowed.
    pub fn judge(&self, used: &[&'static str]) -> Result<(), PolicyRefusal> {
        let Self::Only(allowed) = self else { return Ok(()) };
        match used.iter().find(|command| !allowed.contains(**command)) {
            Some(command) => Err(PolicyRefusal::Command { command }),
            None => Ok(()),
        }
    }
}
