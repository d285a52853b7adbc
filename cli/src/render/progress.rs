//! Progress on standard error: a spinner on a terminal, plain lines elsewhere.

use std::borrow::Cow;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use kobling_model::plan::Plan;

use super::plain;
use crate::client::{JobEvent, JobState};

/// Shows one stage after the other.
pub struct Progress {
    terminal: bool,
    quiet: bool,
    current: Option<(ProgressBar, String, Instant)>,
}

impl Progress {
    /// Progress for people.
    pub fn new() -> Self {
        Self { terminal: std::io::stderr().is_terminal(), quiet: false, current: None }
    }

    /// No progress, for programs.
    pub fn quiet() -> Self {
        Self { terminal: false, quiet: true, current: None }
    }

    /// Begins a stage.
    pub fn begin(&mut self, text: impl Into<String>) {
        self.clear();
        let text = text.into();
        let bar =
            if self.terminal && !self.quiet { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        let style = ProgressStyle::with_template("{spinner} {msg} ({elapsed})").expect("a valid template");
        bar.set_style(style);
        bar.set_message(text.clone());
        if self.terminal {
            bar.enable_steady_tick(Duration::from_millis(120));
        }
        self.current = Some((bar, text, Instant::now()));
    }

    /// Says more about the stage that is under way.
    pub fn detail(&self, text: impl Into<Cow<'static, str>>) {
        if let Some((bar, stage, _)) = &self.current {
            bar.set_message(format!("{stage}: {}", text.into()));
        }
    }

    /// Ends a stage well.
    pub fn done(&mut self) {
        if let Some((bar, text, begun)) = self.current.take() {
            bar.finish_and_clear();
            if !self.quiet {
                eprintln!("✓ {text} ({:.1} s)", begun.elapsed().as_secs_f64());
            }
        }
    }

    /// Takes away what is shown of a stage that did not end.
    pub fn clear(&mut self) {
        if let Some((bar, ..)) = self.current.take() {
            bar.finish_and_clear();
        }
    }

    /// Shows where a job is: which question of how many, at which line of the script, and which stage at which party.
    pub fn job(&self, event: &JobEvent, plan: &Plan) {
        match event {
            JobEvent::State { state: JobState::Queued } => self.detail("waiting"),
            JobEvent::State { .. } | JobEvent::Ready { .. } | JobEvent::Warning(_) => {}
            JobEvent::Stage { question, questions, party, stage } => {
                let asked = plan.questions.get(*question as usize);
                let line = asked.map_or(String::new(), |asked| format!(", line {}", asked.line));
                let (number, stage, party) = (question.saturating_add(1), plain(stage), plain(party));
                self.detail(format!("question {number} of {questions}{line}, {stage} at {party}"));
            }
        }
    }

    /// Does something that writes to the terminal, with what is shown of the stage out of the way.
    pub fn aside<T>(&self, work: impl FnOnce() -> T) -> T {
        match &self.current {
            Some((bar, ..)) => bar.suspend(work),
            None => work(),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}
