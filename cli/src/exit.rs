//! Exit codes, and errors as people read them.

use std::process::ExitCode;

use crate::client::ClientError;
use crate::render::plain;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit(u8);

impl Exit {
    /// All went well.
    pub const DONE: Self = Self(0);
    /// The script has errors; or a log is damaged, or logs do not fit together.
    pub const REJECTED: Self = Self(1);
    /// A disclosure rule or an owner refused.
    pub const REFUSED: Self = Self(2);
    /// A party failed.
    pub const FAILED: Self = Self(3);
    /// The command line, or a file that it names, has to be written differently.
    pub const USAGE: Self = Self(64);

    /// Ended by a signal, as shells report it.
    pub const fn signal(number: u8) -> Self {
        Self(128 + number)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit.0)
    }
}

/// The command line, or a file that it names, cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Unusable {
    message: String,
    #[source]
    source: Option<anyhow::Error>,
}

/// An error that the person at the terminal can mend.
pub fn unusable(message: impl Into<String>) -> anyhow::Error {
    Unusable { message: message.into(), source: None }.into()
}

/// As [`unusable`], with the cause.
pub fn unusable_because(message: impl Into<String>, source: impl Into<anyhow::Error>) -> anyhow::Error {
    Unusable { message: message.into(), source: Some(source.into()) }.into()
}

/// The code for an error.
pub fn of(error: &anyhow::Error) -> Exit {
    if error.is::<Unusable>() || error.is::<kobling_node::cli::Missing>() {
        return Exit::USAGE;
    }
    match error.downcast_ref::<ClientError>() {
        Some(error) => error.exit(),
        None => Exit::FAILED,
    }
}

/// An error and its causes, without repetition and without characters that steer a terminal.
pub fn sentence(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        let text = cause.to_string();
        let text = text.trim_end();
        if line.ends_with(text) {
            continue;
        }
        if !line.is_empty() {
            line.push_str(": ");
        }
        line.push_str(text);
    }
    line.split('\n').map(plain).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_that_the_error_already_says_is_not_said_twice() {
        let cause = std::io::Error::other("no such file");
        let error = anyhow::Error::new(cause).context("node.toml cannot be read: no such file");
        assert_eq!(sentence(&error), "node.toml cannot be read: no such file");
        assert_eq!(sentence(&anyhow::anyhow!("b\u{1b}[2J").context("a")), "a: b\u{fffd}[2J");
    }

    #[test]
    fn what_the_person_at_the_terminal_can_mend_is_a_usage_error() {
        assert_eq!(of(&unusable("no file")), Exit::USAGE);
        assert_eq!(of(&anyhow::anyhow!("the disk is full")), Exit::FAILED);
    }
}
