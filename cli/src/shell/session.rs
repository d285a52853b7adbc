//! What a shell keeps: the script of its datasets, what is known of the catalogue, and one session at the broker.
//!
//! Nothing here is a dataset. A dataset is what the script's lines make, and is made anew at its owners for each question; the broker's session, opened at the first
//! statistic, is what makes that quick. Earlier statistics are left out of what is submitted, with blanks in their place, so that lines keep their
//! numbers and no question is asked again; the shell needs nothing of broker and nodes that a script does not need.

use std::collections::BTreeSet;
use std::sync::Arc;

use kobling_model::DatastoreId;
use kobling_model::catalogue::Catalogue;
use kobling_model::plan::{Listing, Plan};
use kobling_script::Diagnostic;
use kobling_script::ast::Command;
use kobling_script::session::{has_statistics, without_statistics};

use super::{Outcome, Signals, Stop};
use crate::arguments::Language;
use crate::client::{Client, ClientError, JobEvent, JobState, Warning};
use crate::command::print;
use crate::job::{Course, Followed, Released, Watcher};
use crate::render::progress::Progress;
use crate::render::{self, plain};
use crate::script_file::Script;

/// What the script is called in diagnostics.
const NAME: &str = "shell";

/// A script that grows, and where its questions are asked.
pub struct Session<'a> {
    client: &'a Client,
    /// Of messages and tables.
    pub language: Language,
    /// What has been taken, earlier statistics included; each input ends with a line feed.
    text: String,
    /// Where each input begins.
    inputs: Vec<usize>,
    catalogue: Arc<Catalogue>,
    /// Variables whose code lists the catalogue has.
    described: BTreeSet<(DatastoreId, String)>,
    /// The session at the broker, once there has been a statistic.
    course: Option<Course<'a>>,
    /// Warnings that have been shown.
    warned: BTreeSet<(u32, String, String)>,
}

/// A script that has been checked: what it asks, and over what, or what is wrong.
type Checked = Result<(Plan, Vec<(DatastoreId, u32)>), Vec<Diagnostic>>;

impl<'a> Session<'a> {
    /// An empty script.
    ///
    /// # Errors
    /// [`ClientError`] where the broker does not answer.
    pub async fn begin(client: &'a Client, language: Language) -> Result<Self, ClientError> {
        let catalogue = Arc::new(client.listed(&[]).await?);
        Ok(Self {
            client,
            language,
            text: String::new(),
            inputs: Vec::new(),
            catalogue,
            described: BTreeSet::new(),
            course: None,
            warned: BTreeSet::new(),
        })
    }

    /// The script so far.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The number of the line that comes next.
    pub fn next_line(&self) -> usize {
        self.text.lines().count() + 1
    }

    /// What is known of the catalogue: all variables, and the code lists of those that the script mentions.
    pub fn catalogue(&self) -> &Arc<Catalogue> {
        &self.catalogue
    }

    /// Checks statements, asks the statistics among them, and takes them into the script if all went well.
    ///
    /// # Errors
    /// Where broker or nodes fail; the script is then as it was.
    pub async fn take(&mut self, input: &str, signals: &mut Signals) -> anyhow::Result<Outcome> {
        let end = if input.ends_with('\n') { "" } else { "\n" };
        let shown = format!("{}{input}{end}", self.text);
        let source = format!("{}{input}{end}", without_statistics(&self.text));
        let (plan, required) = match self.checked(&source, signals).await? {
            Ok(Ok(checked)) => checked,
            Ok(Err(diagnostics)) => {
                self.show(&shown, &diagnostics);
                return Ok(Outcome::Failed);
            }
            Err(stop) => return Ok(self.stopped(stop)),
        };
        if has_statistics(input) && !plan.questions.is_empty() {
            match self.ask(&source, &plan, &required, signals).await? {
                Outcome::Done => {}
                other => return Ok(other),
            }
        } else {
            let mut view = View { language: self.language, warned: &mut self.warned };
            plan.listings.iter().for_each(|listing| view.listing(listing));
        }
        self.inputs.push(self.text.len());
        self.text = shown;
        Ok(Outcome::Done)
    }

    /// Puts a script in place of the one there is, asking nothing.
    ///
    /// # Errors
    /// Where broker or nodes fail; the script is then as it was.
    pub async fn replace(&mut self, text: String, signals: &mut Signals) -> anyhow::Result<Outcome> {
        let source = without_statistics(&text);
        match self.checked(&source, signals).await? {
            Ok(Ok(_)) => {
                self.clear();
                if !text.trim().is_empty() {
                    self.inputs.push(0);
                    self.text = if text.ends_with('\n') { text } else { text + "\n" };
                }
                Ok(Outcome::Done)
            }
            Ok(Err(diagnostics)) => {
                self.show(&text, &diagnostics);
                Ok(Outcome::Failed)
            }
            Err(stop) => Ok(self.stopped(stop)),
        }
    }

    /// Forgets the script. The session at the broker stays, for questions over the same datastores.
    pub fn clear(&mut self) {
        self.text.clear();
        self.inputs.clear();
        self.warned.clear();
    }

    /// Takes the last input back, and returns it.
    pub fn undo(&mut self) -> Option<String> {
        let last = self.text.split_off(self.inputs.pop()?);
        let left = self.next_line();
        self.warned.retain(|(line, ..)| (*line as usize) < left);
        Some(last)
    }

    /// What a script's names of datastores mean, in order of line.
    pub fn aliases(&self) -> Vec<(String, DatastoreId, u32)> {
        let (script, _) = kobling_script::parser::parse(&self.text);
        let require = |command| match command {
            Command::Require(require) => Some((require.alias.text, require.datastore, require.major)),
            _ => None,
        };
        script.statements.into_iter().filter_map(|statement| require(statement.command)).collect()
    }

    /// Ends the session at the broker.
    pub async fn leave(self) {
        if let Some(course) = self.course {
            course.close().await;
        }
    }

    async fn checked(
        &mut self,
        source: &str,
        signals: &mut Signals,
    ) -> anyhow::Result<Result<Checked, Stop>> {
        let required = match kobling_script::required_datastores(source) {
            Ok(required) => required,
            Err(diagnostics) => return Ok(Ok(Err(diagnostics))),
        };
        tokio::select! {
            found = self.look_up(source, &required) => found?,
            stop = signals.next() => return Ok(Err(stop)),
        }
        Ok(Ok(kobling_script::plan(source, &self.catalogue).map(|plan| (plan, required))))
    }

    /// Sees to it that the catalogue has what a script needs.
    async fn look_up(&mut self, source: &str, required: &[(DatastoreId, u32)]) -> Result<(), ClientError> {
        if !required.iter().all(|(id, major)| self.catalogue.release(id, *major).is_some()) {
            self.catalogue = Arc::new(self.client.listed(required).await?);
            self.described.clear();
        }
        let written = kobling_script::written_out(source);
        let mut new = BTreeSet::new();
        let described = &self.described;
        let chosen = |datastore: &DatastoreId, name: &str| {
            let variable = (datastore.clone(), name.to_owned());
            let chosen = written.contains(name) && !described.contains(&variable);
            if chosen {
                new.insert(variable);
            }
            chosen
        };
        self.client.describe_all(Arc::make_mut(&mut self.catalogue), required, chosen).await?;
        self.described.append(&mut new);
        Ok(())
    }

    /// Asks what a script asks.
    async fn ask(
        &mut self,
        source: &str,
        plan: &Plan,
        required: &[(DatastoreId, u32)],
        signals: &mut Signals,
    ) -> anyhow::Result<Outcome> {
        if let Some(other) = self.course.take_if(|course| course.required() != required) {
            other.close().await;
        }
        let mut again = true;
        loop {
            let mut course = self.course.take().unwrap_or_else(|| Course::new(self.client, required));
            let mut progress = Progress::new();
            progress.begin(plan.questions.last().map_or(String::new(), |question| plain(&question.text)));
            let mut view = View { language: self.language, warned: &mut self.warned };
            let ended = tokio::select! {
                ended = course.follow(source, plan, &progress, &mut view) => ended,
                stop = signals.next() => {
                    progress.detail("ending the question at all parties");
                    match stop {
                        Stop::Interrupt => self.course = course.cancel().await,
                        Stop::End(_) => course.abandon().await,
                    }
                    progress.clear();
                    return Ok(self.stopped(stop));
                }
            };
            progress.clear();
            let problem = match &ended {
                Ok(followed) => followed.problem.as_ref(),
                Err(error) => Some(error),
            };
            let shown = ended.as_ref().is_ok_and(|followed| !followed.tables.is_empty());
            if again && !shown && problem.is_some_and(is_over) {
                // It was idle for too long, or a party has started anew: once more, in a session of its own.
                again = false;
                continue;
            }
            return match ended {
                Ok(followed) => Ok(self.ended(course, followed).await),
                Err(error) => {
                    course.close().await;
                    Err(error.into())
                }
            };
        }
    }

    /// Says how a job ended, and keeps the session where it can be used again.
    async fn ended(&mut self, course: Course<'a>, followed: Followed) -> Outcome {
        let Followed { state, problem, diagnostics, line, .. } = followed;
        for (line, column, message) in diagnostics {
            eprintln!("{NAME}:{line}:{column}: {}", plain(&message));
        }
        if let Some(problem) = problem {
            let place = if line == 0 { String::new() } else { format!("{NAME}: line {line}: ") };
            let told = render::refusal::told(&problem.code, &problem.to_string(), self.language);
            eprintln!("kobling: {place}{told}");
        }
        if state == JobState::Refused && line > 0 && (line as usize) < self.next_line() {
            let say = self.language.either(
                "is in the session's script, so later questions will meet this too; `undo` or `edit` takes it out",
                "står i øktens skript, så senere spørsmål vil møte det samme; `undo` eller `edit` tar den ut",
            );
            eprintln!("kobling: {} {line} {say}", self.language.either("line", "linje"));
        }
        match state {
            JobState::Failed => course.close().await,
            _ => self.course = Some(course),
        }
        if state == JobState::Rejected {
            // The broker knows another catalogue than we do.
            (self.catalogue, self.described) = (Arc::default(), BTreeSet::new());
        }
        if state == JobState::Done { Outcome::Done } else { Outcome::Failed }
    }

    fn stopped(&self, stop: Stop) -> Outcome {
        match stop {
            Stop::Interrupt => {
                eprintln!(
                    "kobling: {}",
                    self.language.either(
                        "interrupted; the question was cancelled",
                        "avbrutt; spørsmålet ble kansellert"
                    )
                );
                Outcome::Failed
            }
            Stop::End(_) => Outcome::Leave(stop.exit()),
        }
    }

    fn show(&self, text: &str, diagnostics: &[Diagnostic]) {
        let script = Script { name: NAME.to_owned(), text: text.to_owned() };
        eprint!("{}", script.show(diagnostics, self.language));
    }
}

/// Whether a session is over, and another one may do what it could not.
fn is_over(problem: &ClientError) -> bool {
    matches!(problem.code.as_str(), "session-ended" | "session-lost" | "unknown-session")
}

/// Shows tables and warnings as they come, each warning once.
struct View<'s> {
    language: Language,
    warned: &'s mut BTreeSet<(u32, String, String)>,
}

impl Watcher for View<'_> {
    fn job(&mut self, event: &JobEvent) {
        let JobEvent::Warning(Warning { line, code, message }) = event else { return };
        if self.warned.insert((*line, code.clone(), message.clone())) {
            let told = render::refusal::told(code, message, self.language);
            eprintln!("kobling: {NAME}: line {line}: warning: {told}");
        }
    }

    fn listing(&mut self, listing: &Listing) {
        print(&format!("{}\n", render::table::listing(listing, self.language)));
    }

    fn table(&mut self, _: u32, released: &Released) {
        print(&format!("{}\n", render::table::released(released, self.language)));
    }
}
