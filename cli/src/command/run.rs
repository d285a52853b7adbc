//! `kobling run`: a script's way from the file to its tables, as the platform takes it.
//!
//! 1. The script is checked here against the broker's catalogue, so that one with errors costs nobody a session.
//! 2. A session is opened over the datastores that it requires.
//! 3. The job is submitted and followed. Each table is fetched when the job has ended.
//! 4. The session is closed, whatever happened. An interruption cancels the job first.

use std::path::Path;
use std::time::Duration;

use kobling_model::plan::Plan;
use kobling_model::table::Table;
use kobling_script::Diagnostic;
use serde_json::json;
use uuid::Uuid;

use super::{print, print_json};
use crate::arguments::{Language, RunArguments};
use crate::client::{Client, ClientError, JobEvent, JobState, Warning};
use crate::exit::Exit;
use crate::render::progress::Progress;
use crate::render::{self, plain};
use crate::script_file::{Script, diagnostic_json};
use crate::signals;

/// How long nodes and broker get to take leave after an interruption.
const FAREWELL: Duration = Duration::from_secs(10);

/// Runs a script.
///
/// # Errors
/// For files that cannot be used, and where a party fails.
pub async fn run(arguments: RunArguments) -> anyhow::Result<Exit> {
    let script = Script::read(&arguments.file)?;
    let mut output = Output { json: arguments.json, language: arguments.lang };
    // What the script says of itself is checked before anybody is asked.
    let Some(required) = required(&script, &mut output)? else { return Ok(Exit::REJECTED) };
    let client = match Client::connect(&arguments.platform.platform).await {
        Ok(client) => client,
        Err(error) => return output.failed(error),
    };
    let mut progress = if arguments.json { Progress::quiet() } else { Progress::new() };
    progress.begin(file_name(&arguments.file));
    let ending = ask(&client, &script, &required, &progress, &mut output).await;
    progress.clear();
    match ending {
        Ok(ending) => output.end(&script, ending),
        Err(error) => output.failed(error),
    }
}

/// How a script ended.
pub enum Ending {
    /// It has errors; nothing was asked.
    Rejected(Vec<Diagnostic>),
    /// The broker alone finds errors in it: line, column and message.
    RejectedByBroker(Vec<(u32, u32, String)>),
    /// It was run to its end, or as far as it went.
    Ended {
        /// What it asked, as derived here.
        plan: Plan,
        /// How the job ended.
        state: JobState,
        /// Tables that were released.
        tables: Vec<Table>,
        /// What rules did to the script.
        warnings: Vec<Warning>,
        /// Why it did not end well.
        problem: Option<ClientError>,
        /// Line concerned; 0 where none.
        line: u32,
    },
    /// A signal ended it, by the number.
    Interrupted(u8),
}

/// What happens on the way.
pub trait Watcher {
    /// Something has happened to the job.
    fn job(&mut self, event: &JobEvent);
}

/// Checks a script, runs it in a session of its own and fetches its tables.
///
/// # Errors
/// [`ClientError`] where the broker or, before the job, a node fails.
pub async fn ask(
    client: &Client,
    script: &Script,
    required: &[(kobling_model::DatastoreId, u32)],
    progress: &Progress,
    watcher: &mut impl Watcher,
) -> anyhow::Result<Ending> {
    // 1.
    progress.detail("checking the script");
    let catalogue = client.catalogue_for(&script.text, required).await?;
    let plan = match kobling_script::plan(&script.text, &catalogue) {
        Ok(plan) => plan,
        Err(diagnostics) => return Ok(Ending::Rejected(diagnostics)),
    };
    if plan.questions.is_empty() {
        return Ok(Ending::Ended {
            plan,
            state: JobState::Done,
            tables: Vec::new(),
            warnings: Vec::new(),
            problem: None,
            line: 0,
        });
    }
    let keys = [Uuid::new_v4().to_string(), Uuid::new_v4().to_string()];
    let mut course = Course { client, session: None, job: None };
    let ended = tokio::select! {
        ended = course.follow(script, required, &keys, progress, watcher) => ended,
        signal = signals::received() => {
            progress.detail("ending the job at all parties");
            let _ = tokio::time::timeout(FAREWELL, course.abandon(required, &keys[0])).await;
            return Ok(Ending::Interrupted(signal));
        }
    };
    // 4. A session that cannot be closed ends by itself, when idle.
    if let Some(session) = &course.session {
        let _ = tokio::time::timeout(FAREWELL, client.close_session(session)).await;
    }
    let followed = ended?;
    if followed.state == JobState::Rejected {
        return Ok(Ending::RejectedByBroker(followed.diagnostics));
    }
    let Followed { state, tables, warnings, problem, line, .. } = followed;
    Ok(Ending::Ended { plan, state, tables, warnings, problem, line })
}

/// How far a script has come, so that it can be ended from outside.
struct Course<'a> {
    client: &'a Client,
    session: Option<String>,
    job: Option<String>,
}

struct Followed {
    state: JobState,
    tables: Vec<Table>,
    warnings: Vec<Warning>,
    problem: Option<ClientError>,
    diagnostics: Vec<(u32, u32, String)>,
    line: u32,
}

impl Course<'_> {
    async fn follow(
        &mut self,
        script: &Script,
        required: &[(kobling_model::DatastoreId, u32)],
        [session_key, job_key]: &[String; 2],
        progress: &Progress,
        watcher: &mut impl Watcher,
    ) -> Result<Followed, ClientError> {
        // 2.
        progress.detail("opening a session");
        let session = self.client.open_session(session_key, required).await?;
        self.session = Some(session.clone());
        // 3.
        let job = self.client.submit(&session, job_key, &script.text).await?;
        self.job = Some(job.id.clone());
        self.client
            .watch(&job.id, |event| {
                progress.job(&event);
                watcher.job(&event);
            })
            .await?;
        let job = self.client.job(&job.id).await?;
        self.job = None;
        progress.detail("fetching tables");
        let mut tables = Vec::new();
        for index in 0..job.tables {
            tables.push(self.client.table(&job.id, index).await?);
        }
        Ok(Followed {
            state: job.state,
            tables,
            warnings: job.warnings,
            problem: job.problem,
            diagnostics: job.diagnostics,
            line: job.line,
        })
    }

    /// Leaves nothing running. A session that was being opened is asked for once more under its key.
    async fn abandon(
        &self,
        required: &[(kobling_model::DatastoreId, u32)],
        session_key: &str,
    ) -> Result<(), ClientError> {
        if let Some(job) = &self.job {
            self.client.cancel(job).await?;
        }
        let session = match &self.session {
            Some(session) => session.clone(),
            None => self.client.open_session(session_key, required).await?,
        };
        self.client.close_session(&session).await
    }
}

/// What a script requires; none where its `require` statements are wrong, which is said then.
fn required(
    script: &Script,
    output: &mut Output,
) -> anyhow::Result<Option<Vec<(kobling_model::DatastoreId, u32)>>> {
    match kobling_script::required_datastores(&script.text) {
        Ok(required) if !required.is_empty() => Ok(Some(required)),
        Ok(required) => match kobling_script::plan(&script.text, &Default::default()) {
            Ok(_) => Ok(Some(required)),
            Err(diagnostics) => output.rejected(script, &diagnostics).map(|()| None),
        },
        Err(diagnostics) => output.rejected(script, &diagnostics).map(|()| None),
    }
}

fn file_name(path: &Path) -> String {
    plain(&path.file_name().unwrap_or(path.as_os_str()).to_string_lossy())
}

/// Where results go.
struct Output {
    json: bool,
    language: Language,
}

impl Watcher for Output {
    fn job(&mut self, event: &JobEvent) {
        if self.json {
            // A reader that has gone away does not end the job.
            let _ = print_json(event);
        }
    }
}

impl Output {
    fn rejected(&mut self, script: &Script, diagnostics: &[Diagnostic]) -> anyhow::Result<()> {
        if !self.json {
            eprint!("{}", script.show(diagnostics, self.language));
            return Ok(());
        }
        for diagnostic in diagnostics {
            print_json(&diagnostic_json(diagnostic, self.language))?;
        }
        self.json_end(JobState::Rejected)
    }

    fn end(&mut self, script: &Script, ending: Ending) -> anyhow::Result<Exit> {
        match ending {
            Ending::Rejected(diagnostics) => {
                self.rejected(script, &diagnostics)?;
                Ok(Exit::REJECTED)
            }
            Ending::RejectedByBroker(diagnostics) => {
                for (line, column, message) in diagnostics {
                    if self.json {
                        let event = "diagnostic";
                        print_json(
                            &json!({ "event": event, "line": line, "column": column, "message": message }),
                        )?;
                    } else {
                        eprintln!("{}:{line}:{column}: {}", plain(&script.name), plain(&message));
                    }
                }
                if self.json {
                    self.json_end(JobState::Rejected)?;
                }
                Ok(Exit::REJECTED)
            }
            Ending::Ended { state, tables, warnings, problem, line, .. } => {
                self.warn(script, &warnings);
                self.ended(script, state, &tables, problem, line)
            }
            Ending::Interrupted(signal) => {
                if self.json {
                    self.json_end(JobState::Cancelled)?;
                } else {
                    eprintln!("kobling: interrupted; the job was cancelled");
                }
                Ok(Exit::signal(signal))
            }
        }
    }

    /// Says what rules did to the script. In JSON each warning has been told as it came.
    fn warn(&self, script: &Script, warnings: &[Warning]) {
        for Warning { line, message, .. } in warnings.iter().filter(|_| !self.json) {
            eprintln!("kobling: {}: line {line}: warning: {}", plain(&script.name), plain(message));
        }
    }

    fn ended(
        &mut self,
        script: &Script,
        state: JobState,
        tables: &[Table],
        problem: Option<ClientError>,
        line: u32,
    ) -> anyhow::Result<Exit> {
        for (index, table) in tables.iter().enumerate() {
            if self.json {
                print_json(&json!({ "event": "table", "index": index, "table": table }))?;
            } else {
                print(&format!("{}\n", render::table::table(table, self.language)));
            }
        }
        if self.json {
            if let Some(problem) = &problem {
                print_json(&problem_json(problem, line))?;
            }
            self.json_end(state)?;
        } else if let Some(problem) = &problem {
            let place = match line {
                0 => String::new(),
                line => format!("{}: line {line}: ", plain(&script.name)),
            };
            eprintln!("kobling: {place}{}", plain(&problem.to_string()));
        } else if state == JobState::Done && tables.is_empty() {
            eprintln!("The script asks for no table.");
        }
        Ok(match state {
            JobState::Done => Exit::DONE,
            JobState::Refused => Exit::REFUSED,
            _ => Exit::FAILED,
        })
    }

    /// An error before or beside the job.
    fn failed(&mut self, error: anyhow::Error) -> anyhow::Result<Exit> {
        match error.downcast_ref::<ClientError>() {
            Some(problem) if self.json => {
                print_json(&problem_json(problem, 0))?;
                self.json_end(JobState::Failed)?;
                Ok(problem.exit())
            }
            _ => Err(error),
        }
    }

    fn json_end(&self, state: JobState) -> anyhow::Result<()> {
        print_json(&json!({ "event": "end", "state": state }))
    }
}

fn problem_json(problem: &ClientError, line: u32) -> serde_json::Value {
    json!({
        "event": "problem",
        "code": problem.code,
        "party": problem.party,
        "step": problem.step,
        "message": problem.message,
        "line": line,
    })
}
