//! Watching, apart from doing: a wrapper that says which step a node was asked for and how that went, and what failures are
//! called in the log.
//!
//! Words come from [`kobling_proto::observe`] only, which has none for a token, a row, a share or a count.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures::stream::{BoxStream, StreamExt};
use kobling_audit::LogError;
use kobling_model::rules::Rules;
use kobling_model::{AttemptId, OwnerId, SessionId, UnitType};
use kobling_proto::observe::context::within;
use kobling_proto::observe::log::{LevelFilter, Line};
use kobling_proto::observe::vocabulary::Cause;
use kobling_proto::observe::{Fault, Outcome, Span, Step, Telemetry, log};
use rusqlite::ErrorCode;

use crate::problem::RunError;
use crate::request::RequestError;
use crate::roster::{
    AdmitOrder, ComputeEvent, ComputeOrder, DealOrder, Description, JobOffer, JobRevision, NodeClient,
    NodeClients, PeerLink, SessionOffer, SignedPartial,
};
use crate::store::StoreError;

impl Fault for RunError {
    fn outcome(&self) -> Outcome {
        match self {
            Self::Refused(_) | Self::Denied { .. } => Outcome::Refused,
            Self::Cancelled | Self::Interrupted => Outcome::Abandoned,
            _ => Outcome::Failed,
        }
    }
}

impl Fault for RequestError {
    fn outcome(&self) -> Outcome {
        match self {
            Self::Run(error) => error.outcome(),
            _ => Outcome::Failed,
        }
    }
}

/// All nodes, each watched.
pub struct ObservedNodes {
    /// Talks with them.
    pub inner: Arc<dyn NodeClients>,
    /// Counts what they are asked.
    pub telemetry: Telemetry,
}

impl NodeClients for ObservedNodes {
    fn node(&self, id: &OwnerId) -> Option<Arc<dyn NodeClient>> {
        let observed = |node| Observed { node, telemetry: self.telemetry.clone() };
        self.inner.node(id).map(|node| Arc::new(observed(node)) as Arc<dyn NodeClient>)
    }
}

struct Observed {
    node: Arc<dyn NodeClient>,
    telemetry: Telemetry,
}

impl Observed {
    async fn watch<T>(
        &self,
        step: Step,
        session: SessionId,
        call: impl Future<Output = Result<T, RunError>> + Send,
    ) -> Result<T, RunError> {
        self.run(step, Some(session), self.telemetry.step(step).of(session), call).await
    }

    async fn run<T>(
        &self,
        step: Step,
        session: Option<SessionId>,
        span: Span,
        call: impl Future<Output = Result<T, RunError>> + Send,
    ) -> Result<T, RunError> {
        let begun = Instant::now();
        let result = span.with(self.node.owner()).watch(call).await;
        self.note(step, session, begun.elapsed(), result.as_ref().err());
        result
    }

    fn note(&self, step: Step, session: Option<SessionId>, took: Duration, error: Option<&RunError>) {
        let line = if error.is_none() { Line::Asked } else { Line::AskedInVain };
        let mut entry = line.entry().party(self.node.owner()).step(step, took);
        if let Some(session) = session {
            entry = entry.session(session);
        }
        if let Some(error) = error {
            entry = entry.code(&error.problem().code);
        }
        entry.say();
    }
}

#[async_trait]
impl NodeClient for Observed {
    fn owner(&self) -> &OwnerId {
        self.node.owner()
    }

    async fn describe(&self) -> Result<Description, RunError> {
        let span = self.telemetry.step(Step::Describe);
        self.run(Step::Describe, None, span, self.node.describe()).await
    }

    async fn open_session(&self, offer: &SessionOffer) -> Result<(), RunError> {
        self.watch(Step::SessionOpen, offer.session, self.node.open_session(offer)).await
    }

    async fn tokens(&self, session: SessionId, unit_type: UnitType) -> Result<Vec<[u8; 16]>, RunError> {
        self.watch(Step::LinkTokens, session, self.node.tokens(session, unit_type)).await
    }

    async fn put_rows(
        &self,
        session: SessionId,
        unit_type: UnitType,
        numbers: Vec<u32>,
        rows: u64,
    ) -> Result<(), RunError> {
        let span = self.telemetry.step(Step::LinkAlign).of(session).public_rows(rows);
        let put = self.node.put_rows(session, unit_type, numbers, rows);
        self.run(Step::LinkAlign, Some(session), span, put).await
    }

    async fn confirm_alignment(&self, session: SessionId, unit_type: UnitType) -> Result<(), RunError> {
        self.watch(Step::LinkCanaries, session, self.node.confirm_alignment(session, unit_type)).await
    }

    async fn admit(&self, order: &AdmitOrder) -> Result<(), RunError> {
        self.watch(Step::Admit, order.session, self.node.admit(order)).await
    }

    async fn offer(&self, offer: &JobOffer) -> Result<Rules, RunError> {
        self.watch(Step::Offer, offer.session, self.node.offer(offer)).await
    }

    async fn revise(&self, revision: &JobRevision) -> Result<(), RunError> {
        self.watch(Step::Revise, revision.session, self.node.revise(revision)).await
    }

    /// Lasts until the worker's last report.
    async fn compute(
        &self,
        order: &ComputeOrder,
    ) -> Result<BoxStream<'static, Result<ComputeEvent, RunError>>, RunError> {
        let span = self.telemetry.step(Step::QuestionCompute).of(order.session).with(self.node.owner());
        let begun = Instant::now();
        let events = within(span.context(), self.node.compute(order)).await;
        self.note(Step::QuestionCompute, Some(order.session), begun.elapsed(), events.as_ref().err());
        match events {
            Ok(events) => {
                let mut span = Some(span);
                let watched = events.inspect(move |event| {
                    if let Some(outcome) = ending(event)
                        && let Some(span) = span.take()
                    {
                        span.end(outcome);
                    }
                });
                Ok(watched.boxed())
            }
            Err(error) => {
                span.end(error.outcome());
                Err(error)
            }
        }
    }

    async fn deal(&self, order: &DealOrder) -> Result<(), RunError> {
        self.watch(Step::Deal, order.session, self.node.deal(order)).await
    }

    async fn partial(&self, session: SessionId, attempt: AttemptId) -> Result<SignedPartial, RunError> {
        self.watch(Step::QuestionFetch, session, self.node.partial(session, attempt)).await
    }

    async fn abort(&self, session: SessionId, attempt: AttemptId) -> Result<(), RunError> {
        self.watch(Step::Abort, session, self.node.abort(session, attempt)).await
    }

    async fn close_session(&self, session: SessionId) -> Result<(), RunError> {
        self.watch(Step::SessionClose, session, self.node.close_session(session)).await
    }

    async fn link(&self, session: SessionId, attempt: AttemptId) -> Result<PeerLink, RunError> {
        self.watch(Step::PeerLink, session, self.node.link(session, attempt)).await
    }
}

/// How a worker's part ended, where this report is its last.
fn ending(event: &Result<ComputeEvent, RunError>) -> Option<Outcome> {
    match event {
        Ok(ComputeEvent::Stage(_) | ComputeEvent::Recorded(_)) => None,
        Ok(
            ComputeEvent::Passed
            | ComputeEvent::NotCarriedOut
            | ComputeEvent::Shared
            | ComputeEvent::Ready { .. },
        ) => Some(Outcome::Ok),
        Ok(ComputeEvent::Refused(_)) => Some(Outcome::Refused),
        Ok(ComputeEvent::Failed(_)) => Some(Outcome::Failed),
        Err(error) => Some(error.outcome()),
    }
}

/// Starts log output on standard error, up to `info` unless the environment says otherwise ([`log::to_stderr`]). A second
/// call does nothing.
pub fn start_logging() {
    log::to_stderr(LevelFilter::INFO);
}

/// Why the audit log did not take an entry.
pub(crate) fn cause_of_log(error: &LogError) -> Cause {
    match error {
        LogError::InUse { .. } | LogError::Disturbed { .. } => Cause::InUse,
        LogError::Damaged(_) => Cause::Damaged,
        LogError::Unusable { source, .. } | LogError::Write { source, .. } => Cause::of_io(source.kind()),
        _ => Cause::Other,
    }
}

/// Why the store failed.
pub(crate) fn cause_of_store(error: &StoreError) -> Cause {
    match error {
        StoreError::Sql(error) => match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Cause::DiskFull,
            Some(ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => Cause::Permission,
            Some(ErrorCode::CannotOpen | ErrorCode::NotFound) => Cause::Missing,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Cause::InUse,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Cause::Damaged,
            Some(ErrorCode::SystemIoFailure) => Cause::Device,
            _ => Cause::Other,
        },
        StoreError::Unreadable { .. } | StoreError::Newer { .. } => Cause::Damaged,
        StoreError::Closed => Cause::Other,
    }
}
