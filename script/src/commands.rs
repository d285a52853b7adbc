//! Which commands the language has, for those who explain them.

use crate::command::COMMANDS;
use crate::command::other::SESSION;
use crate::problem::AVAILABLE;

/// The names of all commands of the language.
pub fn all() -> impl Iterator<Item = &'static str> {
    COMMANDS.iter().map(|(name, _)| *name).chain(["textblock"])
}

/// Whether a command of the language is carried out: by those who run scripts, or in a shell.
pub fn is_available(name: &str) -> bool {
    AVAILABLE.split(", ").any(|known| known == name)
        || ["let", "for", "end", "textblock"].contains(&name)
        || SESSION.contains(&name)
}
