//! `kobling shell`: a command line that keeps its datasets.
//!
//! What the shell keeps is a script ([`session`]): a line that makes or changes a dataset is checked and taken into it, and nothing is asked. A statistic is
//! submitted with the script so far, without earlier statistics. A line that is wrong, refused or interrupted is not taken, so that the datasets are as they
//! were. [`editor`] reads lines, from a terminal with history and completion or from a pipe; [`commands`] are those of the session; [`help`] explains.

mod commands;
mod editor;
mod help;
mod session;

use std::io::IsTerminal;
use std::path::PathBuf;

use futures::FutureExt;
use kobling_script::session::{Piece, pieces};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::arguments::{Language, ShellArguments};
use crate::client::Client;
use crate::command::print;
use crate::exit::{Exit, sentence};
use editor::{Editor, Input};
use session::Session;

/// Runs a shell until its input ends, or a signal ends it.
///
/// # Errors
/// For files that cannot be used, and where the broker does not answer at the start.
pub async fn run(arguments: ShellArguments) -> anyhow::Result<Exit> {
    let client = Client::connect(&arguments.platform.platform).await?.with_purpose(arguments.purpose.clone());
    let mut signals = Signals::new()?;
    let session = Session::begin(&client, arguments.lang).await?;
    let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let history = if terminal { editor::history(&arguments) } else { None };
    let mut editor = if terminal { Editor::at_terminal(history.as_deref())? } else { Editor::on_pipe() };
    let mut shell = Shell { client: &client, session, history, file: None, draft: None };
    if terminal {
        print(shell.session.language.either(
            "Kobling. `help` lists the commands, Tab completes, Ctrl-C cancels a question, Ctrl-D leaves.\n",
            "Kobling. `help` viser kommandoene, Tab fullfører, Ctrl-C avbryter et spørsmål, Ctrl-D avslutter.\n",
        ));
    }
    let mut failed = false;
    let exit = loop {
        editor.begin(&shell.session);
        let input = loop {
            tokio::select! {
                input = editor.next() => break input,
                signal = signals.next() => match signal {
                    // At a terminal the editor takes Ctrl-C itself; a signal from elsewhere is meant for a question.
                    Stop::Interrupt if terminal => {}
                    stop => break Input::Stopped(stop),
                },
            }
        };
        let outcome = match input {
            Input::Lines(lines) => shell.execute(&lines, &mut signals).await,
            Input::Emptied => Outcome::Done,
            Input::Broken(what) => {
                eprintln!("kobling: {what}");
                Outcome::Failed
            }
            Input::Stopped(stop) => {
                // In the middle of a line.
                editor.restore_terminal();
                Outcome::Leave(stop.exit())
            }
            Input::End => break if failed && !terminal { Exit::REJECTED } else { Exit::DONE },
        };
        signals.forget_interrupts();
        match outcome {
            Outcome::Done => {}
            Outcome::Failed => failed = true,
            Outcome::Leave(exit) => {
                break if exit == Exit::DONE && failed && !terminal { Exit::REJECTED } else { exit };
            }
        }
    };
    shell.session.leave().await;
    Ok(exit)
}

/// How an input ended.
enum Outcome {
    /// As it should.
    Done,
    /// Not; this has been said, and nothing has changed.
    Failed,
    /// The shell ends.
    Leave(Exit),
}

/// A shell between two inputs.
struct Shell<'a> {
    client: &'a Client,
    session: Session<'a>,
    /// Where lines are remembered.
    history: Option<PathBuf>,
    /// The file that the script was loaded from or saved to.
    file: Option<PathBuf>,
    /// What an editor left that could not be taken.
    draft: Option<String>,
}

impl Shell<'_> {
    /// Carries out one input: its statements together, its commands of the session one by one, up to the first that fails.
    async fn execute(&mut self, input: &str, signals: &mut Signals) -> Outcome {
        for piece in pieces(input, |word| commands::OF_THE_SHELL.contains(&word)) {
            let outcome = match piece {
                Piece::Script(text) => self.session.take(text, signals).await,
                Piece::Session(line) => self.command(line, signals).await,
            };
            match outcome {
                Ok(Outcome::Done) => {}
                Ok(outcome) => return outcome,
                Err(error) => {
                    eprintln!("kobling: {}", sentence(&error));
                    return Outcome::Failed;
                }
            }
        }
        Outcome::Done
    }
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug)]
enum Stop {
    /// End what runs.
    Interrupt,
    /// End the shell: the signal's number.
    End(u8),
}

impl Stop {
    fn exit(self) -> Exit {
        match self {
            Self::Interrupt => Exit::signal(2),
            Self::End(number) => Exit::signal(number),
        }
    }
}

/// Signals, heard for as long as the shell runs: none of them ends the process by itself.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Stop {
        tokio::select! {
            _ = self.interrupt.recv() => Stop::Interrupt,
            _ = self.terminate.recv() => Stop::End(15),
            _ = self.hangup.recv() => Stop::End(1),
        }
    }

    /// An interruption that came when a question had just ended was meant for that question.
    fn forget_interrupts(&mut self) {
        while self.interrupt.recv().now_or_never().is_some() {}
    }
}

impl Language {
    /// The text in this language.
    fn either<'t>(self, english: &'t str, norwegian: &'t str) -> &'t str {
        match self {
            Self::En => english,
            Self::Nb => norwegian,
        }
    }
}
