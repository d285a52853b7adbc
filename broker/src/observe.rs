//! Watching, apart from doing: a wrapper that says which step a node was asked for and how that went.
//!
//! A line names party, step and session. It has no field for a token, a row, a share or a count.

use std::future::Future;
use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::{BoxStream, StreamExt};
use kobling_model::rules::Rules;
use kobling_model::{AttemptId, OwnerId, SessionId, UnitType};
use kobling_proto::observe::{Fault, Outcome, Step, Telemetry};

use crate::problem::RunError;
use crate::request::RequestError;
use crate::roster::{
    ComputeEvent, ComputeOrder, DealOrder, Description, JobOffer, NodeClient, NodeClients, PeerLink,
    SessionOffer, SignedPartial,
};

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
        let span = self.telemetry.step(step).of(session).with(self.node.owner());
        let result = span.watch(call).await;
        self.note(step, Some(session), &result);
        result
    }

    fn note<T>(&self, step: Step, session: Option<SessionId>, result: &Result<T, RunError>) {
        let (party, step) = (self.node.owner().as_str(), step.as_str());
        let session = session.map(|session| session.to_string()).unwrap_or_default();
        match result {
            Ok(_) => tracing::debug!(party, step, session, "asked"),
            Err(error) => {
                let code = error.problem().code;
                tracing::warn!(party, step, session, code, "asked in vain");
            }
        }
    }
}

#[async_trait]
impl NodeClient for Observed {
    fn owner(&self) -> &OwnerId {
        self.node.owner()
    }

    async fn describe(&self) -> Result<Description, RunError> {
        let span = self.telemetry.step(Step::Describe).with(self.node.owner());
        let description = span.watch(self.node.describe()).await;
        self.note(Step::Describe, None, &description);
        description
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
        self.watch(Step::LinkAlign, session, self.node.put_rows(session, unit_type, numbers, rows)).await
    }

    async fn confirm_alignment(&self, session: SessionId, unit_type: UnitType) -> Result<(), RunError> {
        self.watch(Step::LinkCanaries, session, self.node.confirm_alignment(session, unit_type)).await
    }

    async fn offer(&self, offer: &JobOffer) -> Result<Rules, RunError> {
        self.watch(Step::Offer, offer.session, self.node.offer(offer)).await
    }

    /// Lasts until the worker's last report.
    async fn compute(
        &self,
        order: &ComputeOrder,
    ) -> Result<BoxStream<'static, Result<ComputeEvent, RunError>>, RunError> {
        let span = self.telemetry.step(Step::QuestionCompute).of(order.session).with(self.node.owner());
        let begun = self.node.compute(order).await;
        self.note(Step::QuestionCompute, Some(order.session), &begun);
        match begun {
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
        Ok(ComputeEvent::Stage(_)) => None,
        Ok(ComputeEvent::Passed | ComputeEvent::Ready { .. }) => Some(Outcome::Ok),
        Ok(ComputeEvent::Refused(_)) => Some(Outcome::Refused),
        Ok(ComputeEvent::Failed(_)) => Some(Outcome::Failed),
        Err(error) => Some(error.outcome()),
    }
}

/// Starts log output on standard error, at `info` unless `RUST_LOG` says otherwise. A second call does nothing.
pub fn start_logging() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
}
