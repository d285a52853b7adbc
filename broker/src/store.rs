//! What the broker keeps across restarts: sessions, jobs, their progress and their protected tables.
//!
//! One SQLite file in the state folder, written ahead and synced at every commit. Tokens, scripts, partial
//! aggregates and row numbers never come here: of a script only its hash is kept. A job changes together with
//! the event that tells of it, in one transaction, so that progress has no gaps after a crash.

use std::path::Path;
use std::sync::{Arc, Mutex};

use kobling_model::applied::Applied;
use kobling_model::plan::Release;
use kobling_model::table::Table;
use kobling_model::{Hash, JobId, OwnerId, SessionId};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::audit::Recorded;
use crate::problem::Problem;

/// Why the store could not be used. The text is for the operator.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// SQLite reports an error.
    #[error("the broker's store failed")]
    Sql(#[from] rusqlite::Error),
    /// Something in it is not what this program writes.
    #[error("the broker's store holds something that cannot be read: {what}")]
    Unreadable {
        /// Which kind of thing.
        what: &'static str,
    },
    /// The file was written by a newer program.
    #[error("the broker's store is of format {found}, and this program knows formats up to {known}")]
    Newer {
        /// Format of the file.
        found: i64,
        /// Format of the program.
        known: i64,
    },
    /// An earlier use panicked.
    #[error("the broker's store is closed after a failure")]
    Closed,
}

/// A session as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionRow {
    /// Its id.
    pub id: SessionId,
    /// Client's key.
    pub key: SessionKey,
    /// What the answers are wanted for. With [`Self::datastores`] it tells a repeat from another request under the same key.
    pub purpose: String,
    /// What the client asked for.
    pub datastores: Vec<String>,
    /// Exact versions.
    pub releases: Vec<Release>,
    /// Nodes that were told of it.
    pub parties: Vec<OwnerId>,
    /// Whether scripts can be submitted.
    pub state: SessionState,
    /// Why it ended.
    pub problem: Option<Problem>,
}

/// What makes a request to open a session the same request.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionKey {
    /// Chosen by the client.
    pub key: String,
    /// The researcher.
    pub researcher: String,
    /// The institution.
    pub institution: String,
}

/// State of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SessionState {
    /// Nodes are being told of it.
    Opening,
    /// Scripts can be submitted.
    Open,
    /// Ended.
    Ended,
}

/// State of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JobState {
    /// Accepted, waiting.
    Queued,
    /// Being computed.
    Running,
    /// All tables are ready.
    Done,
    /// The script has errors.
    Rejected,
    /// A disclosure rule or an owner refused.
    Refused,
    /// A party failed.
    Failed,
    /// Cancelled by the client.
    Cancelled,
}

impl JobState {
    /// Whether the job stays as it is.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }
}

/// Something wrong in a script, as it is kept and sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// Line from 1.
    pub line: u32,
    /// Column from 1, in characters.
    pub column: u32,
    /// Length of the place, in characters.
    pub length: u32,
    /// What is wrong.
    pub message: String,
    /// What to write instead; may be empty.
    pub help: String,
}

/// What a rule did to a script that goes on, as it is kept and sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// Line from 1.
    pub line: u32,
    /// Stable code for programs.
    pub code: String,
    /// The rule, what it did and what to write instead.
    pub message: String,
}

/// A job as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct JobRow {
    /// Its id.
    pub id: JobId,
    /// The session.
    pub session: SessionId,
    /// Client's key.
    pub key: String,
    /// Hash of the script's text.
    pub script: Hash,
    /// Hash of the plan, once there is one.
    pub plan: Option<Hash>,
    /// Its state.
    pub state: JobState,
    /// Why it was refused or failed.
    pub problem: Option<Problem>,
    /// What is wrong with the script.
    pub diagnostics: Vec<Diagnostic>,
    /// Line that was refused or failed; 0 where none.
    pub line: u32,
    /// Tables ready.
    pub tables: u32,
    /// What rules did to the script so far; kept among the job's events.
    pub warnings: Vec<Warning>,
}

/// One event of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum JobEvent {
    /// The job has a new state.
    State {
        /// Which.
        state: JobState,
    },
    /// A stage has begun.
    Stage {
        /// Index of the question.
        question: u32,
        /// Number of questions.
        questions: u32,
        /// Party that reports.
        party: OwnerId,
        /// Name of the stage.
        name: String,
    },
    /// A table is ready.
    Table {
        /// Its index.
        index: u32,
        /// What was done to it. Tables of before this was told have nothing here.
        #[serde(default)]
        applied: Option<Box<Applied>>,
    },
    /// A rule did something to the script, which goes on.
    Warning(Warning),
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq)]
pub struct JobEnd {
    /// A final state.
    pub state: JobState,
    /// Why, where it did not end well.
    pub problem: Option<Problem>,
    /// Line concerned; 0 where none.
    pub line: u32,
}

/// What [`Store::insert_job`] found.
#[derive(Clone, Debug, PartialEq)]
pub enum Inserted {
    /// The job is new.
    New,
    /// A job of this key was there already.
    Existing(Box<JobRow>),
}

const FORMAT: i64 = 2;

const SCHEMA: &str = "
    CREATE TABLE sessions (
        id TEXT PRIMARY KEY, key TEXT NOT NULL, researcher TEXT NOT NULL, institution TEXT NOT NULL,
        datastores TEXT NOT NULL, releases TEXT NOT NULL, parties TEXT NOT NULL,
        state TEXT NOT NULL, problem TEXT, ended_ms INTEGER, purpose TEXT NOT NULL DEFAULT '',
        UNIQUE (key, researcher, institution)
    ) STRICT;
    CREATE TABLE jobs (
        id TEXT PRIMARY KEY, session TEXT NOT NULL, key TEXT NOT NULL, script TEXT NOT NULL, plan TEXT,
        state TEXT NOT NULL, problem TEXT, diagnostics TEXT NOT NULL, line INTEGER NOT NULL,
        tables INTEGER NOT NULL, ended_ms INTEGER,
        UNIQUE (session, key)
    ) STRICT;
    CREATE TABLE events (
        job TEXT NOT NULL, number INTEGER NOT NULL, content TEXT NOT NULL, PRIMARY KEY (job, number)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE tables (
        job TEXT NOT NULL, number INTEGER NOT NULL, content TEXT NOT NULL, PRIMARY KEY (job, number)
    ) STRICT;
";

/// From format 1, which knew no purposes, to format 2.
const SINCE_1: &str = "ALTER TABLE sessions ADD COLUMN purpose TEXT NOT NULL DEFAULT ''";

/// The broker's store. Cheap to clone; every call runs on a blocking thread.
#[derive(Clone)]
pub struct Store(Arc<Mutex<Connection>>);

impl Store {
    /// Opens the store in `folder`, or begins one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        Self::prepare(Connection::open(folder.join("broker.sqlite"))?)
    }

    /// A store that ends with the process, for tests.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn in_memory() -> Result<Self, StoreError> {
        Self::prepare(Connection::open_in_memory()?)
    }

    fn prepare(mut connection: Connection) -> Result<Self, StoreError> {
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // A job that a client has been told of is still there after a loss of power.
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.busy_timeout(std::time::Duration::from_secs(5))?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let found: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
        match found {
            0 => {
                transaction.execute_batch(SCHEMA)?;
                transaction.pragma_update(None, "user_version", FORMAT)?;
            }
            1 => {
                transaction.execute_batch(SINCE_1)?;
                transaction.pragma_update(None, "user_version", FORMAT)?;
            }
            FORMAT => {}
            _ => return Err(StoreError::Newer { found, known: FORMAT }),
        }
        transaction.commit()?;
        Ok(Self(Arc::new(Mutex::new(connection))))
    }

    /// Runs `work` in one transaction on a blocking thread.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let connection = Arc::clone(&self.0);
        let run = move || {
            let mut connection = connection.lock().map_err(|_| StoreError::Closed)?;
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = work(&transaction)?;
            transaction.commit()?;
            Ok(value)
        };
        tokio::task::spawn_blocking(run).await.unwrap_or(Err(StoreError::Closed))
    }

    /// Keeps a session that is being opened.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn insert_session(&self, session: SessionRow) -> Result<(), StoreError> {
        self.run(move |t| {
            t.execute(
                "INSERT INTO sessions (id, key, researcher, institution, datastores, releases, parties, state, purpose)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                params![
                    session.id.to_string(),
                    session.key.key,
                    session.key.researcher,
                    session.key.institution,
                    json(&session.datastores),
                    json(&session.releases),
                    json(&session.parties),
                    json(&session.state),
                    session.purpose,
                ],
            )?;
            Ok(())
        })
        .await
    }

    /// Marks a session open.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn session_is_open(&self, id: SessionId) -> Result<(), StoreError> {
        self.run(move |t| {
            t.execute(
                "UPDATE sessions SET state = ?2 WHERE id = ?1",
                params![id.to_string(), json(&SessionState::Open)],
            )?;
            Ok(())
        })
        .await
    }

    /// Forgets a session that could not be opened.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn forget_session(&self, id: SessionId) -> Result<(), StoreError> {
        self.run(move |t| {
            t.execute("DELETE FROM sessions WHERE id = ?1", [id.to_string()])?;
            Ok(())
        })
        .await
    }

    /// Marks a session ended.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn end_session(
        &self,
        id: SessionId,
        problem: Option<Problem>,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        self.run(move |t| {
            t.execute(
                "UPDATE sessions SET state = ?2, problem = ?3, ended_ms = ?4 WHERE id = ?1 AND state <> ?2",
                params![
                    id.to_string(),
                    json(&SessionState::Ended),
                    problem.map(|p| json(&p)),
                    millis(now_ms)
                ],
            )?;
            Ok(())
        })
        .await
    }

    /// A session by id.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn session(&self, id: SessionId) -> Result<Option<SessionRow>, StoreError> {
        self.run(move |t| {
            let sql = format!("{SELECT_SESSION} WHERE id = ?1");
            t.query_row(&sql, [id.to_string()], |row| Ok(session_row(row))).optional()?.transpose()
        })
        .await
    }

    /// A session by the client's key.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn session_by_key(&self, key: SessionKey) -> Result<Option<SessionRow>, StoreError> {
        self.run(move |t| {
            let sql = format!("{SELECT_SESSION} WHERE key = ?1 AND researcher = ?2 AND institution = ?3");
            let key = [key.key, key.researcher, key.institution];
            t.query_row(&sql, key, |row| Ok(session_row(row))).optional()?.transpose()
        })
        .await
    }

    /// Keeps a new job with its first event, unless the session has one of this key.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn insert_job(&self, job: JobRow, now_ms: u64) -> Result<Inserted, StoreError> {
        self.run(move |t| {
            if let Some(existing) = job_by_key(t, job.session, &job.key)? {
                return Ok(Inserted::Existing(Box::new(existing)));
            }
            let ended = job.state.is_final().then(|| millis(now_ms));
            t.execute(
                "INSERT INTO jobs (id, session, key, script, plan, state, problem, diagnostics, line, tables, ended_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 0, ?10)",
                params![
                    job.id.to_string(),
                    job.session.to_string(),
                    job.key,
                    job.script.to_string(),
                    job.plan.map(|plan| plan.to_string()),
                    json(&job.state),
                    job.problem.as_ref().map(json),
                    json(&job.diagnostics),
                    job.line,
                    ended,
                ],
            )?;
            append_event(t, job.id, &JobEvent::State { state: job.state })?;
            Ok(Inserted::New)
        })
        .await
    }

    /// A job by the client's key.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn job_by_key(&self, session: SessionId, key: String) -> Result<Option<JobRow>, StoreError> {
        self.run(move |t| job_by_key(t, session, &key)).await
    }

    /// A job by id.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn job(&self, id: JobId) -> Result<Option<JobRow>, StoreError> {
        self.run(move |t| job_by_id(t, id)).await
    }

    /// Marks a queued job running. Returns whether it was still queued.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn job_runs(&self, id: JobId) -> Result<bool, StoreError> {
        self.run(move |t| {
            let changed = t.execute(
                "UPDATE jobs SET state = ?2 WHERE id = ?1 AND state = ?3",
                params![id.to_string(), json(&JobState::Running), json(&JobState::Queued)],
            )?;
            if changed == 1 {
                append_event(t, id, &JobEvent::State { state: JobState::Running })?;
            }
            Ok(changed == 1)
        })
        .await
    }

    /// Ends a job that has not ended. Returns whether it had not.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn end_job(&self, id: JobId, end: JobEnd, now_ms: u64) -> Result<bool, StoreError> {
        self.run(move |t| end_job(t, id, &end, now_ms)).await
    }

    /// Ends a job that has not begun. Returns whether it had not.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn end_queued_job(&self, id: JobId, end: JobEnd, now_ms: u64) -> Result<bool, StoreError> {
        self.run(move |t| match job_by_id(t, id)? {
            Some(job) if job.state == JobState::Queued => end_job(t, id, &end, now_ms),
            _ => Ok(false),
        })
        .await
    }

    /// Keeps an event.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn add_event(&self, id: JobId, event: JobEvent) -> Result<(), StoreError> {
        self.run(move |t| append_event(t, id, &event)).await
    }

    /// Puts a table where its researcher can fetch it, and tells of it with what was done to it. Takes only what has been recorded.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn add_table(
        &self,
        id: JobId,
        recorded: Recorded,
        applied: Applied,
    ) -> Result<u32, StoreError> {
        self.run(move |t| {
            let index: u32 =
                t.query_row("SELECT tables FROM jobs WHERE id = ?1", [id.to_string()], |row| row.get(0))?;
            t.execute(
                "INSERT INTO tables (job, number, content) VALUES (?1, ?2, ?3)",
                params![id.to_string(), index, json(recorded.table())],
            )?;
            t.execute("UPDATE jobs SET tables = tables + 1 WHERE id = ?1", [id.to_string()])?;
            append_event(t, id, &JobEvent::Table { index, applied: Some(Box::new(applied)) })?;
            Ok(index)
        })
        .await
    }

    /// A protected table.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn table(&self, id: JobId, index: u32) -> Result<Option<Table>, StoreError> {
        self.run(move |t| {
            let content: Option<String> = t
                .query_row(
                    "SELECT content FROM tables WHERE job = ?1 AND number = ?2",
                    params![id.to_string(), index],
                    |row| row.get(0),
                )
                .optional()?;
            content.map(|content| read(&content, "a table")).transpose()
        })
        .await
    }

    /// Events of a job after the first `after`, and whether the job has ended. None: no such job.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn events(&self, id: JobId, after: u64) -> Result<Option<(Vec<JobEvent>, bool)>, StoreError> {
        self.run(move |t| {
            let Some(job) = job_by_id(t, id)? else { return Ok(None) };
            let mut statement = t.prepare_cached(
                "SELECT content FROM events WHERE job = ?1 AND number > ?2 ORDER BY number",
            )?;
            let rows =
                statement.query_map(params![id.to_string(), millis(after)], |row| row.get::<_, String>(0))?;
            let mut events = Vec::new();
            for content in rows {
                events.push(read(&content?, "an event")?);
            }
            Ok(Some((events, job.state.is_final())))
        })
        .await
    }

    /// After a restart: jobs that were waiting or running have failed, and sessions have ended, since their
    /// salt and alignment are gone. Returns the sessions that nodes may still hold.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn recover(
        &self,
        job_end: JobEnd,
        session_problem: Problem,
        now_ms: u64,
    ) -> Result<Vec<(SessionId, Vec<OwnerId>)>, StoreError> {
        self.run(move |t| {
            let mut statement = t.prepare("SELECT id FROM jobs WHERE state IN (?1, ?2)")?;
            let states = [json(&JobState::Queued), json(&JobState::Running)];
            let open: Vec<String> =
                statement.query_map(states, |row| row.get(0))?.collect::<Result<_, _>>()?;
            for id in open {
                let id = JobId::parse(&id).map_err(|_| StoreError::Unreadable { what: "a job" })?;
                end_job(t, id, &job_end, now_ms)?;
            }
            let mut statement = t.prepare(&format!("{SELECT_SESSION} WHERE state <> ?1"))?;
            let rows = statement.query_map([json(&SessionState::Ended)], |row| Ok(session_row(row)))?;
            let mut sessions = Vec::new();
            for row in rows {
                let row = row??;
                sessions.push((row.id, row.parties));
            }
            t.execute(
                "UPDATE sessions SET state = ?1, problem = ?2, ended_ms = ?3 WHERE state <> ?1",
                params![json(&SessionState::Ended), json(&session_problem), millis(now_ms)],
            )?;
            Ok(sessions)
        })
        .await
    }

    /// Forgets jobs that ended before a time, with their tables, and ended sessions that have no jobs left.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn forget_before(&self, time_ms: u64) -> Result<(), StoreError> {
        self.run(move |t| {
            let old = "SELECT id FROM jobs WHERE ended_ms < ?1";
            t.execute(&format!("DELETE FROM tables WHERE job IN ({old})"), [millis(time_ms)])?;
            t.execute(&format!("DELETE FROM events WHERE job IN ({old})"), [millis(time_ms)])?;
            t.execute("DELETE FROM jobs WHERE ended_ms < ?1", [millis(time_ms)])?;
            t.execute(
                "DELETE FROM sessions WHERE ended_ms < ?1 AND id NOT IN (SELECT session FROM jobs)",
                [millis(time_ms)],
            )?;
            Ok(())
        })
        .await
    }
}

const SELECT_SESSION: &str = "SELECT id, key, researcher, institution, datastores, releases, parties, state, problem, purpose FROM sessions";
const SELECT_JOB: &str =
    "SELECT id, session, key, script, plan, state, problem, diagnostics, line, tables FROM jobs";

fn job_by_id(t: &Transaction<'_>, id: JobId) -> Result<Option<JobRow>, StoreError> {
    let sql = format!("{SELECT_JOB} WHERE id = ?1");
    let job = t.query_row(&sql, [id.to_string()], |row| Ok(job_row(row))).optional()?.transpose()?;
    job.map(|job| with_warnings(t, job)).transpose()
}

fn job_by_key(t: &Transaction<'_>, session: SessionId, key: &str) -> Result<Option<JobRow>, StoreError> {
    let sql = format!("{SELECT_JOB} WHERE session = ?1 AND key = ?2");
    let found = t.query_row(&sql, params![session.to_string(), key], |row| Ok(job_row(row)));
    found.optional()?.transpose()?.map(|job| with_warnings(t, job)).transpose()
}

/// A job with the warnings that are among its events.
fn with_warnings(t: &Transaction<'_>, mut job: JobRow) -> Result<JobRow, StoreError> {
    let mut statement = t.prepare_cached(
        "SELECT content FROM events WHERE job = ?1 AND content ->> 'event' = 'warning' ORDER BY number",
    )?;
    let rows = statement.query_map([job.id.to_string()], |row| row.get::<_, String>(0))?;
    for content in rows {
        if let JobEvent::Warning(warning) = read(&content?, "an event")? {
            job.warnings.push(warning);
        }
    }
    Ok(job)
}

fn end_job(t: &Transaction<'_>, id: JobId, end: &JobEnd, now_ms: u64) -> Result<bool, StoreError> {
    let changed = t.execute(
        "UPDATE jobs SET state = ?2, problem = ?3, line = ?4, ended_ms = ?5 WHERE id = ?1 AND ended_ms IS NULL",
        params![id.to_string(), json(&end.state), end.problem.as_ref().map(json), end.line, millis(now_ms)],
    )?;
    if changed == 1 {
        append_event(t, id, &JobEvent::State { state: end.state })?;
    }
    Ok(changed == 1)
}

fn append_event(t: &Transaction<'_>, id: JobId, event: &JobEvent) -> Result<(), StoreError> {
    t.execute(
        "INSERT INTO events (job, number, content)
         VALUES (?1, 1 + (SELECT coalesce(max(number), 0) FROM events WHERE job = ?1), ?2)",
        params![id.to_string(), json(event)],
    )?;
    Ok(())
}

fn session_row(row: &Row<'_>) -> Result<SessionRow, StoreError> {
    let what = "a session";
    let unreadable = || StoreError::Unreadable { what };
    let problem: Option<String> = row.get(8)?;
    Ok(SessionRow {
        id: SessionId::parse(&row.get::<_, String>(0)?).map_err(|_| unreadable())?,
        key: SessionKey { key: row.get(1)?, researcher: row.get(2)?, institution: row.get(3)? },
        datastores: read(&row.get::<_, String>(4)?, what)?,
        releases: read(&row.get::<_, String>(5)?, what)?,
        parties: read(&row.get::<_, String>(6)?, what)?,
        state: read(&row.get::<_, String>(7)?, what)?,
        problem: problem.map(|problem| read(&problem, what)).transpose()?,
        purpose: row.get(9)?,
    })
}

fn job_row(row: &Row<'_>) -> Result<JobRow, StoreError> {
    let what = "a job";
    let unreadable = || StoreError::Unreadable { what };
    let plan: Option<String> = row.get(4)?;
    let problem: Option<String> = row.get(6)?;
    Ok(JobRow {
        id: JobId::parse(&row.get::<_, String>(0)?).map_err(|_| unreadable())?,
        session: SessionId::parse(&row.get::<_, String>(1)?).map_err(|_| unreadable())?,
        key: row.get(2)?,
        script: Hash::parse(&row.get::<_, String>(3)?).map_err(|_| unreadable())?,
        plan: plan.map(|plan| Hash::parse(&plan)).transpose().map_err(|_| unreadable())?,
        state: read(&row.get::<_, String>(5)?, what)?,
        problem: problem.map(|problem| read(&problem, what)).transpose()?,
        diagnostics: read(&row.get::<_, String>(7)?, what)?,
        line: row.get(8)?,
        tables: row.get(9)?,
        warnings: Vec::new(),
    })
}

fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("domain types have string keys and finite numbers")
}

fn read<T: DeserializeOwned>(text: &str, what: &'static str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|_| StoreError::Unreadable { what })
}

/// SQLite's integers are signed.
fn millis(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_store_from_before_purposes_is_taken_over() {
        let folder = tempfile::tempdir().expect("a folder");
        drop(Store::open(folder.path()).expect("begins"));
        let session = SessionId([7; 16]);
        let old = Connection::open(folder.path().join("broker.sqlite")).expect("opens");
        let text = format!(
            "ALTER TABLE sessions DROP COLUMN purpose; PRAGMA user_version = 1;
             INSERT INTO sessions (id, key, researcher, institution, datastores, releases, parties, state)
             VALUES ('{session}', 'k', 'Kari', 'UiB', '[]', '[]', '[]', '\"ended\"')"
        );
        old.execute_batch(&text).expect("the form it had");
        drop(old);
        let store = Store::open(folder.path()).expect("opens");
        let row = store.session(session).await.expect("readable").expect("there");
        assert_eq!((row.key.researcher.as_str(), row.purpose.as_str()), ("Kari", ""));
    }
}
