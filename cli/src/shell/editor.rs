//! Where a shell's inputs come from: a line editor at a terminal, or plain lines from a pipe.
//!
//! Both wait on a thread of their own, so that the shell hears signals meanwhile. An input is whole when nothing in it is left open: a continued line, a loop, a
//! text block. The history is a file of the user's own, that others cannot read: scripts may name what only few people have.

use std::fs::{OpenOptions, Permissions};
use std::io::{BufRead, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use kobling_model::catalogue::Catalogue;
use kobling_script::complete::{Candidate, complete};
use kobling_script::limits::SCRIPT_BYTES_MAX;
use kobling_script::session::{Reading, is_whole};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use rustyline::completion::{Completer, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::line_buffer::LineBuffer;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Changeset, CompletionType, Config, Context, Helper};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::Stop;
use super::session::Session;
use crate::arguments::ShellArguments;
use crate::command::print;
use crate::render::plain;

/// Inputs that are remembered.
const HISTORY_MAX: usize = 2_000;
/// Characters shown of what a candidate is.
const NOTE_MAX: usize = 48;

/// What somebody typed.
pub enum Input {
    /// One or several lines.
    Lines(String),
    /// Ctrl-C: the line was emptied.
    Emptied,
    /// Something that is no line.
    Broken(String),
    /// A signal came instead.
    Stopped(Stop),
    /// Ctrl-D, or the end of the pipe.
    End,
}

/// Reads inputs, one when it is asked to.
pub struct Editor {
    asked: Sender<String>,
    inputs: UnboundedReceiver<Input>,
    typing: Arc<Mutex<Typing>>,
    /// How the terminal was.
    before: Option<Termios>,
}

/// What completion goes by.
#[derive(Default)]
struct Typing {
    script: String,
    catalogue: Arc<Catalogue>,
}

impl Editor {
    /// With history and completion.
    ///
    /// # Errors
    /// Where the terminal cannot be used.
    pub fn at_terminal(history: Option<&Path>) -> anyhow::Result<Self> {
        let before = tcgetattr(std::io::stdin()).context("the terminal cannot be used")?;
        let typing = Arc::<Mutex<Typing>>::default();
        let config = Config::builder()
            .max_history_size(HISTORY_MAX)?
            .history_ignore_dups(true)?
            .completion_type(CompletionType::List)
            .completion_show_all_if_ambiguous(true)
            .build();
        let mut lines = Lines::with_config(config).context("the terminal cannot be used")?;
        lines.set_helper(Some(Typist { typing: Arc::clone(&typing), last: Mutex::default() }));
        if let Some(history) = history {
            // An empty or damaged history is no reason not to begin.
            let _ = lines.load_history(history);
        }
        let history = history.map(Path::to_owned);
        let (asked, answer) = channel();
        let (inputs, received) = unbounded_channel();
        std::thread::spawn(move || type_lines(&answer, &inputs, lines, history));
        Ok(Self { asked, inputs: received, typing, before: Some(before) })
    }

    /// Without anything that a terminal has.
    pub fn on_pipe() -> Self {
        let (asked, answer) = channel();
        let (inputs, received) = unbounded_channel();
        std::thread::spawn(move || read_lines(&answer, &inputs));
        Self { asked, inputs: received, typing: Arc::default(), before: None }
    }

    /// Asks for the next input, after the script so far.
    pub fn begin(&self, session: &Session<'_>) {
        let mut typing = self.typing.lock().unwrap_or_else(PoisonError::into_inner);
        typing.script = session.text().to_owned();
        typing.catalogue = Arc::clone(session.catalogue());
        // Where the thread has gone, the next input is the end.
        let _ = self.asked.send(format!("{}> ", session.next_line()));
    }

    /// The input that was asked for. Waiting for it may be given up, and taken up again.
    pub async fn next(&mut self) -> Input {
        self.inputs.recv().await.unwrap_or(Input::End)
    }

    /// Leaves the terminal as it was, though a line is being typed.
    pub fn restore_terminal(&self) {
        if let Some(before) = &self.before {
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, before);
            // What is pasted is not bracketed any more.
            print("\u{1b}[?2004l\n");
        }
    }
}

/// The file that inputs are remembered in, with its folder: the one asked for, or the user's own. None where none is wanted or
/// can be.
pub fn history(arguments: &ShellArguments) -> Option<PathBuf> {
    if arguments.no_history {
        return None;
    }
    let file = match &arguments.history {
        Some(file) => file.clone(),
        None => {
            let state =
                std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
            let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state"));
            state.or_else(home)?.join("kobling/history")
        }
    };
    match own_file(&file) {
        Ok(()) => Some(file),
        Err(error) => {
            eprintln!("kobling: no history: {}: {error}", plain(&file.display().to_string()));
            None
        }
    }
}

/// Sees to it that a file exists that only its owner can read.
fn own_file(file: &Path) -> std::io::Result<()> {
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let opened = OpenOptions::new().append(true).create(true).mode(0o600).open(file)?;
    opened.set_permissions(Permissions::from_mode(0o600))
}

type Lines = rustyline::Editor<Typist, FileHistory>;

/// Types until nobody asks any more.
fn type_lines(
    asked: &Receiver<String>,
    inputs: &UnboundedSender<Input>,
    mut lines: Lines,
    history: Option<PathBuf>,
) {
    for prompt in asked {
        let input = match lines.readline(&prompt) {
            Ok(text) => {
                if !text.trim().is_empty() && lines.add_history_entry(&text).unwrap_or(false) {
                    // A full disk must not keep anybody from asking.
                    let _ = history.as_ref().map(|file| lines.append_history(file));
                }
                Input::Lines(text)
            }
            Err(ReadlineError::Interrupted) => Input::Emptied,
            Err(ReadlineError::Eof) => Input::End,
            Err(error) => {
                let _ = inputs.send(Input::Broken(format!("the terminal cannot be read: {error}")));
                Input::End
            }
        };
        if inputs.send(input).is_err() {
            return;
        }
    }
}

/// Reads lines until nobody asks any more.
fn read_lines(asked: &Receiver<String>, inputs: &UnboundedSender<Input>) {
    let mut stdin = std::io::stdin().lock();
    for _ in asked {
        if inputs.send(read_input(&mut stdin)).is_err() {
            return;
        }
    }
}

/// One input: lines up to the first after which nothing is open. One that is too long is left to the checker.
fn read_input(from: &mut impl BufRead) -> Input {
    let (mut text, mut reading) = (String::new(), Reading::default());
    loop {
        let mut line = Vec::new();
        match from.by_ref().take(SCRIPT_BYTES_MAX as u64 + 1).read_until(b'\n', &mut line) {
            Err(error) => return Input::Broken(format!("the input cannot be read: {error}")),
            Ok(0) if text.is_empty() => return Input::End,
            Ok(0) => return Input::Lines(text),
            Ok(_) => {}
        }
        let Ok(line) = String::from_utf8(line) else {
            return Input::Broken("a line of the input is not UTF-8".to_owned());
        };
        reading.line(&line);
        text.push_str(&line);
        if reading.is_whole() || text.len() > SCRIPT_BYTES_MAX {
            return Input::Lines(text);
        }
    }
}

/// Completes what is typed, and knows when it is whole.
struct Typist {
    typing: Arc<Mutex<Typing>>,
    /// What was offered last.
    last: Mutex<Vec<String>>,
}

impl Helper for Typist {}
impl Highlighter for Typist {}
impl Hinter for Typist {
    type Hint = String;
}

impl Validator for Typist {
    fn validate(&self, typed: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let whole = is_whole(typed.input());
        Ok(if whole { ValidationResult::Valid(None) } else { ValidationResult::Incomplete })
    }
}

impl Completer for Typist {
    type Candidate = Pair;

    fn complete(&self, line: &str, at: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let typing = self.typing.lock().unwrap_or_else(PoisonError::into_inner);
        let found = complete(&typing.script, line, at, &typing.catalogue);
        let texts = found.candidates.iter().map(|candidate| candidate.text.clone()).collect();
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = texts;
        Ok((found.start, found.candidates.into_iter().map(shown).collect()))
    }

    /// Puts a candidate, or what several begin with, in place of what is typed; not what only looks like a beginning, where
    /// they were found by their titles.
    fn update(&self, line: &mut LineBuffer, start: usize, elected: &str, changes: &mut Changeset) {
        let end = line.pos();
        let goes_on = elected.to_lowercase().starts_with(&line.as_str()[start..end].to_lowercase());
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if goes_on || last.iter().any(|text| text == elected) {
            line.replace(start..end, elected, changes);
        }
    }
}

/// A candidate as it is listed and written. The catalogue's texts come from outside.
fn shown(candidate: Candidate) -> Pair {
    let Candidate { text, note } = candidate;
    let (text, mut note) = (plain(&text), plain(&note));
    if note.chars().count() > NOTE_MAX {
        note = note.chars().take(NOTE_MAX - 1).chain(['…']).collect();
    }
    let display = if note.is_empty() { text.clone() } else { format!("{text}  {note}") };
    Pair { display, replacement: text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(text: &[u8]) -> Vec<Result<String, String>> {
        let mut from = text;
        let mut inputs = Vec::new();
        loop {
            match read_input(&mut from) {
                Input::Lines(lines) => inputs.push(Ok(lines)),
                Input::Broken(what) => inputs.push(Err(what)),
                _ => return inputs,
            }
        }
    }

    #[test]
    fn lines_of_a_pipe_are_put_together_until_they_are_whole() {
        let read = inputs("use d\nfor i in a b\ntabulate $i\nend\nlet x = \\\n 1\nfor j in c".as_bytes());
        let expected = ["use d\n", "for i in a b\ntabulate $i\nend\n", "let x = \\\n 1\n", "for j in c"];
        assert_eq!(read, expected.map(|lines| Ok(lines.to_owned())));
    }

    #[test]
    fn a_line_that_is_no_text_does_not_end_the_input() {
        let read = inputs(b"a\nb\xff\nc\n");
        assert_eq!(read.len(), 3);
        assert!(read[1].is_err() && read[2] == Ok("c\n".to_owned()));
    }

    #[test]
    fn the_history_is_readable_by_its_owner_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("new/history");
        own_file(&file).expect("made");
        std::fs::set_permissions(&file, Permissions::from_mode(0o644)).expect("changed");
        own_file(&file).expect("found");
        let mode = |path: &Path| path.metadata().expect("there").permissions().mode() & 0o777;
        assert_eq!((mode(&file), mode(file.parent().expect("a folder"))), (0o600, 0o700));
    }

    #[test]
    fn a_candidates_note_is_short_and_steers_nothing() {
        let pair = shown(Candidate { text: "X".into(), note: format!("\u{1b}[2J{}", "a".repeat(100)) });
        assert_eq!(pair.replacement, "X");
        assert_eq!(pair.display.chars().count(), 1 + 2 + NOTE_MAX);
        assert!(!pair.display.contains('\u{1b}'));
    }
}
