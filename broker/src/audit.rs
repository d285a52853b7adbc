//! Record before answer, at the broker.
//!
//! Two orders carry the argument that nothing leaves unrecorded:
//!
//! - the opening of a question is durable **before** any node is asked to compute it, so that no node's log
//!   tells of an attempt that the broker's does not;
//! - the outcome, with the hash of the protected table, is durable **before** the table lies where a
//!   researcher can fetch it, and nothing is recorded as answered while other parties have not cosigned this log as they must
//!   have. [`Recorded`] is the evidence: the store takes no table without it, and only
//!   [`Journal::release`] makes one.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use kobling_audit::cosigning::Unwitnessed;
use kobling_audit::{Cosigning, SharedLog};
use kobling_model::record::{Event, Execution, Outcome, Receipt};
use kobling_model::rules::{Refusal, Warning};
use kobling_model::table::Table;
use kobling_model::{Hash, JobId, SessionId};
use kobling_proto::observe::log::Line;
use kobling_proto::witness;

use crate::observe::cause_of_log;
use crate::problem::RunError;

/// Somewhere durable. The second implementation is the tests' failing disk.
pub trait Recorder: Send + Sync {
    /// Records an event and returns once it is durable. Blocks.
    ///
    /// # Errors
    /// On any error nothing may leave.
    fn record(&self, event: Event) -> Result<(), NotRecorded>;

    /// Nothing, unless other parties have not cosigned what is recorded as they must have. Waits for nobody.
    ///
    /// # Errors
    /// [`Unwitnessed`]: nothing may be answered.
    fn cosigned(&self) -> Result<(), Unwitnessed>;
}

/// The broker's log, as other parties cosign it.
pub struct CosignedLog {
    /// Where events are recorded.
    pub log: SharedLog,
    /// What is cosigned of it.
    pub cosigning: Arc<Cosigning>,
}

/// The event is not durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the event was not recorded")]
pub struct NotRecorded;

impl Recorder for CosignedLog {
    fn record(&self, event: Event) -> Result<(), NotRecorded> {
        match self.log.append(event, now_ms()) {
            Ok(_) => Ok(()),
            Err(error) => {
                Line::NotRecorded.entry().cause(cause_of_log(&error)).say();
                Err(NotRecorded)
            }
        }
    }

    fn cosigned(&self) -> Result<(), Unwitnessed> {
        self.cosigning.check(Instant::now())
    }
}

/// The broker's clock, in milliseconds since 1970-01-01 UTC.
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A protected table whose release is durably recorded.
#[derive(Debug)]
pub struct Recorded {
    table: Table,
    content: Hash,
}

impl Recorded {
    /// The table.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// The hash that was recorded.
    pub fn content(&self) -> Hash {
        self.content
    }
}

/// The record that a question's opening is durable; what every outcome is recorded against.
#[derive(Clone, Debug)]
pub struct Opened(Arc<Execution>);

impl Opened {
    /// What was recorded.
    pub fn execution(&self) -> &Execution {
        &self.0
    }
}

/// The broker's log, as questions use it.
#[derive(Clone)]
pub struct Journal(Arc<dyn Recorder>);

impl Journal {
    /// Writes to `recorder`.
    pub fn new(recorder: Arc<dyn Recorder>) -> Self {
        Self(recorder)
    }

    /// Waits a while for other parties to cosign the log: those that start at the same time are heard in a moment.
    ///
    /// # Errors
    /// [`RunError::NotCosigned`].
    pub async fn settled(&self, patience: Duration) -> Result<(), RunError> {
        let settled = witness::settled(patience, || self.0.cosigned(), |missing| !missing.is_final()).await;
        Ok(settled?)
    }

    /// Records that a question is about to be computed.
    ///
    /// # Errors
    /// [`RunError::NotCosigned`], [`RunError::Unrecorded`]: no node may be asked.
    pub async fn open(&self, execution: Execution) -> Result<Opened, RunError> {
        self.0.cosigned()?;
        self.record(Event::Opening(Box::new(execution.clone()))).await?;
        Ok(Opened(Arc::new(execution)))
    }

    /// Records that `table` leaves, with where the nodes recorded their parts, and makes the evidence that it may.
    ///
    /// # Errors
    /// [`RunError::NotCosigned`], [`RunError::Unrecorded`]: the table is gone.
    pub async fn release(
        &self,
        opened: &Opened,
        table: Table,
        receipts: Vec<Receipt>,
    ) -> Result<Recorded, RunError> {
        let content = Hash::of_json(&table);
        self.answer(opened, Outcome::Released { content }, receipts).await?;
        Ok(Recorded { table, content })
    }

    /// Records that a population passed, or that an edit is carried out.
    ///
    /// # Errors
    /// [`RunError::NotCosigned`], [`RunError::Unrecorded`].
    pub async fn pass(&self, opened: &Opened, receipts: Vec<Receipt>) -> Result<(), RunError> {
        self.answer(opened, Outcome::Passed, receipts).await
    }

    /// Records that an edit is not carried out.
    ///
    /// # Errors
    /// [`RunError::NotCosigned`], [`RunError::Unrecorded`].
    pub async fn not_carried_out(
        &self,
        opened: &Opened,
        rule: Warning,
        receipts: Vec<Receipt>,
    ) -> Result<(), RunError> {
        self.answer(opened, Outcome::NotCarriedOut { rule }, receipts).await
    }

    /// Records that a rule refused.
    ///
    /// # Errors
    /// [`RunError::NotCosigned`], [`RunError::Unrecorded`].
    pub async fn refuse(
        &self,
        opened: &Opened,
        rule: Refusal,
        receipts: Vec<Receipt>,
    ) -> Result<(), RunError> {
        self.answer(opened, Outcome::Refused { rule }, receipts).await
    }

    /// Records that a node did not take a request. Nothing was run, so nothing depends on whether this succeeds.
    pub async fn request_refused(&self, session: SessionId, job: JobId, request: Hash, fault: String) {
        let _ = self.record(Event::RequestRefused { session, job, request, fault }).await;
    }

    /// Records that a question failed. Nothing has left, so nothing depends on whether this succeeds.
    pub async fn fail(&self, opened: &Opened, error: &RunError, broker: &kobling_model::OwnerId) {
        let problem = error.problem();
        let party = problem.party.unwrap_or_else(|| broker.clone());
        let step = if problem.step.is_empty() { problem.code } else { problem.step };
        let _ = self.outcome(opened, Outcome::Failed { party, step }, Vec::new()).await;
    }

    /// Records that the broker ends in order. Nothing depends on whether this succeeds.
    pub async fn ended(&self) {
        let _ = self.record(Event::Ended).await;
    }

    async fn answer(
        &self,
        opened: &Opened,
        outcome: Outcome,
        receipts: Vec<Receipt>,
    ) -> Result<(), RunError> {
        self.0.cosigned()?;
        self.outcome(opened, outcome, receipts).await
    }

    async fn outcome(
        &self,
        opened: &Opened,
        outcome: Outcome,
        receipts: Vec<Receipt>,
    ) -> Result<(), RunError> {
        let Execution { session, attempt, plan, question, .. } = *opened.0;
        self.record(Event::Outcome { session, attempt, plan, question, outcome, receipts }).await
    }

    async fn record(&self, event: Event) -> Result<(), RunError> {
        let recorder = Arc::clone(&self.0);
        match tokio::task::spawn_blocking(move || recorder.record(event)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(NotRecorded)) | Err(_) => Err(RunError::Unrecorded),
        }
    }
}
