//! A script's job, from the session that it runs in to its last table: what every command that asks does in the same way.
//!
//! Each table is fetched when its event comes. What happens is told to a [`Watcher`] in the order in which it happens.

use std::time::Duration;

use kobling_model::DatastoreId;
use kobling_model::applied::Applied;
use kobling_model::plan::{Listing, Plan};
use kobling_model::table::Table;
use uuid::Uuid;

use crate::client::{Client, ClientError, JobEvent, JobState, OpenSession, Warning};
use crate::render::progress::Progress;

/// How long nodes and broker get to take leave after an interruption.
const FAREWELL: Duration = Duration::from_secs(10);

/// Told of what happens on the way.
pub trait Watcher {
    /// Labels that the script lists come before a table, or are the last. They are public, and nobody is asked for them.
    fn listing(&mut self, listing: &Listing);
    /// Something has happened to the job.
    fn job(&mut self, event: &JobEvent);
    /// A table has come.
    fn table(&mut self, index: u32, released: &Released);
}

/// A table that was released.
#[derive(Clone, Debug)]
pub struct Released {
    /// The table.
    pub table: Table,
    /// What was done to it; none where the broker does not say.
    pub applied: Option<Box<Applied>>,
}

/// A session with the job that runs in it, so that both can be ended from outside.
pub struct Course<'a> {
    client: &'a Client,
    required: Vec<(DatastoreId, u32)>,
    /// Under which the session is opened, or found again where its opening was interrupted.
    key: String,
    session: Option<OpenSession>,
    job: Option<String>,
}

/// How a job ended.
pub struct Followed {
    /// As the broker says.
    pub state: JobState,
    /// Tables that were released, in order.
    pub tables: Vec<Released>,
    /// What rules did to the script.
    pub warnings: Vec<Warning>,
    /// Why it did not end well.
    pub problem: Option<ClientError>,
    /// What the broker alone finds wrong: line, column and message.
    pub diagnostics: Vec<(u32, u32, String)>,
    /// Line concerned; 0 where none.
    pub line: u32,
}

impl<'a> Course<'a> {
    /// Of a session that is not opened yet.
    pub fn new(client: &'a Client, required: &[(DatastoreId, u32)]) -> Self {
        let key = Uuid::new_v4().to_string();
        Self { client, required: required.to_vec(), key, session: None, job: None }
    }

    /// What the session is, or will be, opened over.
    pub fn required(&self) -> &[(DatastoreId, u32)] {
        &self.required
    }

    /// Runs a script in the session, which is opened where it is not, and tells what happens. The script's plan says at which line a question
    /// stands.
    ///
    /// # Errors
    /// [`ClientError`] where the broker fails, or a node before the job.
    pub async fn follow(
        &mut self,
        script: &str,
        plan: &Plan,
        progress: &Progress,
        watcher: &mut impl Watcher,
    ) -> Result<Followed, ClientError> {
        let client = self.client;
        let session = match &self.session {
            Some(session) => session,
            None => {
                progress.detail("opening a session");
                self.session.insert(client.open_session(&self.key, &self.required).await?)
            }
        };
        let job = client.submit(session, &Uuid::new_v4().to_string(), script).await?;
        let id = self.job.insert(job.id).clone();
        let (mut tables, mut warnings) = (Vec::new(), Vec::new());
        let mut listings = plan.listings.iter().peekable();
        let mut watch = client.watch(&id);
        while let Some(event) = watch.next().await? {
            progress.job(&event, plan);
            progress.aside(|| watcher.job(&event));
            match event {
                JobEvent::Ready { index, applied } => {
                    let table = client.table_as_told(&id, index, applied.as_deref()).await?;
                    let released = Released { table, applied };
                    while let Some(listing) = listings.next_if(|listing| listing.line < released.table.line) {
                        progress.aside(|| watcher.listing(listing));
                    }
                    progress.aside(|| watcher.table(index, &released));
                    tables.push(released);
                }
                JobEvent::Warning(warning) => warnings.push(warning),
                JobEvent::State { .. } | JobEvent::Stage { .. } => {}
            }
        }
        let job = client.job(&id).await?;
        self.job = None;
        if job.state == JobState::Done {
            listings.for_each(|listing| progress.aside(|| watcher.listing(listing)));
        }
        let (state, problem, diagnostics, line) = (job.state, job.problem, job.diagnostics, job.line);
        Ok(Followed { state, tables, warnings, problem, diagnostics, line })
    }

    /// Cancels what runs. The session is kept where it is certain that nothing runs in it.
    pub async fn cancel(mut self) -> Option<Self> {
        if let Some(job) = self.job.take() {
            let cancelled = tokio::time::timeout(FAREWELL, self.client.cancel(&job)).await;
            if matches!(cancelled, Ok(Ok(_))) {
                return Some(self);
            }
            self.job = Some(job);
        }
        // It was being opened, or the job was being submitted.
        self.abandon().await;
        None
    }

    /// Ends the session. One that cannot be closed ends by itself, when idle.
    pub async fn close(mut self) {
        if let Some(session) = self.session.take() {
            let _ = tokio::time::timeout(FAREWELL, self.client.close_session(&session)).await;
        }
    }

    /// Leaves nothing running. A session that was being opened is asked for once more under its key.
    pub async fn abandon(self) {
        let leave = async {
            if let Some(job) = &self.job {
                self.client.cancel(job).await?;
            }
            let session = match &self.session {
                Some(session) => session.clone(),
                None => self.client.open_session(&self.key, &self.required).await?,
            };
            self.client.close_session(&session).await
        };
        let _: Result<Result<(), ClientError>, _> = tokio::time::timeout(FAREWELL, leave).await;
    }
}
