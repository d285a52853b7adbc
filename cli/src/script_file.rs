//! A researcher's script: read from a file, and its diagnostics shown.

use std::fs::File;
use std::io::{IsTerminal, Read};
use std::path::Path;

use kobling_script::limits::SCRIPT_BYTES_MAX;
use kobling_script::{Diagnostic, render};
use serde_json::{Value, json};

use crate::arguments::Language;
use crate::exit::{unusable, unusable_because};

/// A script and the name that it is shown under.
#[derive(Debug)]
pub struct Script {
    /// As people named it.
    pub name: String,
    /// The text.
    pub text: String,
}

impl Script {
    /// Reads a script. Of one that is too long only enough is read to say so.
    ///
    /// # Errors
    /// For a file that cannot be read or is not UTF-8; the latter names the line.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let name = path.display().to_string();
        let cannot = |error| unusable_because(format!("{name} cannot be read"), error);
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(cannot)?;
        file.take(SCRIPT_BYTES_MAX as u64 + 4).read_to_end(&mut bytes).map_err(cannot)?;
        if bytes.len() > SCRIPT_BYTES_MAX {
            // The cut may go through a letter; what is left is still too long.
            let text = String::from_utf8_lossy(&bytes).into_owned();
            return Ok(Self { name, text });
        }
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Self { name, text }),
            Err(error) => {
                let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
                let line = 1 + good.iter().filter(|byte| **byte == b'\n').count();
                Err(unusable(format!("{name}: line {line} is not UTF-8; save the script as UTF-8")))
            }
        }
    }

    /// Shows what is wrong, with the lines concerned.
    pub fn show(&self, diagnostics: &[Diagnostic], language: Language) -> String {
        let color = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        render(diagnostics, &self.text, &self.name, language.into(), color)
    }
}

/// A diagnostic for programs.
pub fn diagnostic_json(diagnostic: &Diagnostic, language: Language) -> Value {
    json!({
        "event": "diagnostic",
        "code": diagnostic.code(),
        "line": diagnostic.line,
        "column": diagnostic.column,
        "message": diagnostic.message(language.into()),
        "help": diagnostic.advice(language.into()),
    })
}

/// A diagnostic for editors and other programs, with the file and both ends of the place; `end` is the place behind it.
pub fn placed_diagnostic_json(script: &Script, diagnostic: &Diagnostic, language: Language) -> Value {
    let (line, column) = diagnostic.end(&script.text);
    json!({
        "file": script.name,
        "line": diagnostic.line,
        "column": diagnostic.column,
        "end": { "line": line, "column": column },
        "code": diagnostic.code(),
        "severity": diagnostic.severity().name(),
        "message": diagnostic.message(language.into()),
        "help": diagnostic.advice(language.into()),
        "suggestions": diagnostic.suggestions(),
    })
}

impl From<Language> for kobling_script::Language {
    fn from(language: Language) -> Self {
        match language {
            Language::En => Self::English,
            Language::Nb => Self::Norwegian,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> anyhow::Result<Script> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.kob");
        std::fs::write(&path, bytes).expect("written");
        Script::read(&path)
    }

    #[test]
    fn a_script_that_is_not_utf_8_is_refused_by_its_line() {
        let error = read(b"tabulate a\nkj\xf8nn\n").expect_err("Latin-1").to_string();
        assert!(error.contains("line 2 is not UTF-8"), "{error}");
    }

    #[test]
    fn a_script_that_is_too_long_is_left_to_the_checker() {
        let script = read("ø".repeat(SCRIPT_BYTES_MAX).as_bytes()).expect("read");
        let diagnostics = kobling_script::check(&script.text, &Default::default()).expect_err("too long");
        assert_eq!(diagnostics[0].code(), "script-too-long");
    }
}
