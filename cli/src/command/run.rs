//! `kobling run`: a script's way from the file to its tables, as the platform takes it.
//!
//! 1. The script is checked here against the broker's catalogue, so that one with errors costs nobody a session.
//! 2. A session is opened over the datastores that it requires.
//! 3. The job is submitted and followed. Each table is fetched and shown when it is there, each warning when it comes.
//! 4. The session is closed, whatever happened. An interruption cancels the job first.

use std::path::Path;

use kobling_model::plan::{Listing, Plan};
use kobling_script::Diagnostic;
use serde_json::json;

use super::{print, print_json};
use crate::arguments::{Language, RunArguments};
use crate::client::{Client, ClientError, JobEvent, JobState, Warning};
use crate::exit::Exit;
use crate::job::{Course, Followed, Released, Watcher};
use crate::render::progress::Progress;
use crate::render::{self, plain, refusal};
use crate::script_file::{Script, diagnostic_json};
use crate::signals;

/// Runs a script.
///
/// # Errors
/// For files that cannot be used, and where a party fails.
pub async fn run(arguments: RunArguments) -> anyhow::Result<Exit> {
    let script = Script::read(&arguments.file)?;
    let mut output = Output { name: script.name.clone(), json: arguments.json, language: arguments.lang };
    // What the script says of itself is checked before anybody is asked.
    let Some(required) = required(&script, &mut output)? else { return Ok(Exit::REJECTED) };
    let client = match Client::connect(&arguments.platform.platform).await {
        Ok(client) => client.with_purpose(arguments.purpose),
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
        plan: Box<Plan>,
        /// How the job ended.
        state: JobState,
        /// Tables that were released.
        tables: Vec<Released>,
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
        Ok(plan) => Box::new(plan),
        Err(diagnostics) => return Ok(Ending::Rejected(diagnostics)),
    };
    if plan.questions.is_empty() {
        plan.listings.iter().for_each(|listing| progress.aside(|| watcher.listing(listing)));
        return Ok(Ending::Ended {
            plan,
            state: JobState::Done,
            tables: Vec::new(),
            warnings: Vec::new(),
            problem: None,
            line: 0,
        });
    }
    let mut course = Course::new(client, required);
    let ended = tokio::select! {
        ended = course.follow(&script.text, &plan, progress, watcher) => ended,
        signal = signals::received() => {
            progress.detail("ending the job at all parties");
            course.abandon().await;
            return Ok(Ending::Interrupted(signal));
        }
    };
    // 4.
    course.close().await;
    let followed = ended?;
    if followed.state == JobState::Rejected {
        return Ok(Ending::RejectedByBroker(followed.diagnostics));
    }
    let Followed { state, tables, warnings, problem, line, .. } = followed;
    Ok(Ending::Ended { plan, state, tables, warnings, problem, line })
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
    /// As people named the script.
    name: String,
    json: bool,
    language: Language,
}

impl Watcher for Output {
    fn job(&mut self, event: &JobEvent) {
        match event {
            JobEvent::Warning(warning) if self.json => {
                let Warning { line, code, message } = warning;
                let event = json!({ "event": "warning", "line": line, "code": code, "message": message });
                let _ = print_json(&refusal::explain(event, code, self.language));
            }
            // A reader that has gone away does not end the job.
            _ if self.json => {
                let _ = print_json(event);
            }
            JobEvent::Warning(Warning { line, code, message }) => {
                let told = refusal::told(code, message, self.language);
                eprintln!("kobling: {}: line {line}: warning: {told}", plain(&self.name));
            }
            JobEvent::State { .. } | JobEvent::Stage { .. } | JobEvent::Ready { .. } => {}
        }
    }

    fn listing(&mut self, listing: &Listing) {
        if self.json {
            let Listing { line, name, labels } = listing;
            let _ = print_json(&json!({ "event": "listing", "line": line, "name": name, "labels": labels }));
        } else {
            print(&format!("{}\n", render::table::listing(listing, self.language)));
        }
    }

    fn table(&mut self, index: u32, released: &Released) {
        if self.json {
            let Released { table, applied } = released;
            let event = json!({ "event": "table", "index": index, "table": table, "applied": applied });
            let _ = print_json(&event);
        } else {
            print(&format!("{}\n", render::table::released(released, self.language)));
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
            Ending::Ended { plan, state, tables, problem, line, .. } => {
                let nothing = tables.is_empty() && plan.listings.is_empty();
                self.ended(script, state, nothing, problem, line)
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

    fn ended(
        &mut self,
        script: &Script,
        state: JobState,
        nothing_shown: bool,
        problem: Option<ClientError>,
        line: u32,
    ) -> anyhow::Result<Exit> {
        if self.json {
            if let Some(problem) = &problem {
                print_json(&problem_json(problem, line, self.language))?;
            }
            self.json_end(state)?;
        } else if let Some(problem) = &problem {
            let place = match line {
                0 => String::new(),
                line => format!("{}: line {line}: ", plain(&script.name)),
            };
            eprintln!(
                "kobling: {place}{}",
                refusal::told(&problem.code, &problem.to_string(), self.language)
            );
        } else if state == JobState::Done && nothing_shown {
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
                print_json(&problem_json(problem, 0, self.language))?;
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

fn problem_json(problem: &ClientError, line: u32, language: Language) -> serde_json::Value {
    let event = json!({
        "event": "problem",
        "code": problem.code,
        "party": problem.party,
        "step": problem.step,
        "message": problem.message,
        "line": line,
    });
    refusal::explain(event, &problem.code, language)
}
