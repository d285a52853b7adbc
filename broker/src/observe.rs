//! Watching, apart from doing: a wrapper that says which step a node was asked for and how that went.
//!
//! A line names party, step and session. It has no field for a token, a row, a share or a count.

use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use futures::stream::BoxStream;
use kobling_model::rules::Rules;
use kobling_model::{AttemptId, OwnerId, SessionId, UnitType};

use crate::problem::RunError;
use crate::roster::{
    ComputeEvent, ComputeOrder, DealOrder, Description, JobOffer, NodeClient, NodeClients, PeerLink,
    SessionOffer, SignedPartial,
};

/// All nodes, each watched.
pub struct ObservedNodes(pub Arc<dyn NodeClients>);

impl NodeClients for ObservedNodes {
    fn node(&self, id: &OwnerId) -> Option<Arc<dyn NodeClient>> {
        self.0.node(id).map(|node| Arc::new(Observed(node)) as Arc<dyn NodeClient>)
    }
}

struct Observed(Arc<dyn NodeClient>);

impl Observed {
    async fn watch<T>(
        &self,
        step: &'static str,
        session: Option<SessionId>,
        call: impl Future<Output = Result<T, RunError>> + Send,
    ) -> Result<T, RunError> {
        let begun = Instant::now();
        let result = call.await;
        let ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let party = self.0.owner().as_str();
        let session = session.map(|session| session.to_string()).unwrap_or_default();
        match &result {
            Ok(_) => tracing::debug!(party, step, session, ms, "asked"),
            Err(error) => {
                let code = error.problem().code;
                tracing::warn!(party, step, session, ms, code, "asked in vain");
            }
        }
        result
    }
}

#[async_trait]
impl NodeClient for Observed {
    fn owner(&self) -> &OwnerId {
        self.0.owner()
    }

    async fn describe(&self) -> Result<Description, RunError> {
        self.watch("describe", None, self.0.describe()).await
    }

    async fn open_session(&self, offer: &SessionOffer) -> Result<(), RunError> {
        self.watch("open-session", Some(offer.session), self.0.open_session(offer)).await
    }

    async fn tokens(&self, session: SessionId, unit_type: UnitType) -> Result<Vec<[u8; 16]>, RunError> {
        self.watch("link/tokens", Some(session), self.0.tokens(session, unit_type)).await
    }

    async fn put_rows(
        &self,
        session: SessionId,
        unit_type: UnitType,
        numbers: Vec<u32>,
        rows: u64,
    ) -> Result<(), RunError> {
        self.watch("link/rows", Some(session), self.0.put_rows(session, unit_type, numbers, rows)).await
    }

    async fn confirm_alignment(&self, session: SessionId, unit_type: UnitType) -> Result<(), RunError> {
        self.watch("link/canaries", Some(session), self.0.confirm_alignment(session, unit_type)).await
    }

    async fn offer(&self, offer: &JobOffer) -> Result<Rules, RunError> {
        self.watch("offer", Some(offer.session), self.0.offer(offer)).await
    }

    async fn compute(
        &self,
        order: &ComputeOrder,
    ) -> Result<BoxStream<'static, Result<ComputeEvent, RunError>>, RunError> {
        self.watch("compute", Some(order.session), self.0.compute(order)).await
    }

    async fn deal(&self, order: &DealOrder) -> Result<(), RunError> {
        self.watch("deal", Some(order.session), self.0.deal(order)).await
    }

    async fn partial(&self, session: SessionId, attempt: AttemptId) -> Result<SignedPartial, RunError> {
        self.watch("partial", Some(session), self.0.partial(session, attempt)).await
    }

    async fn abort(&self, session: SessionId, attempt: AttemptId) -> Result<(), RunError> {
        self.watch("abort", Some(session), self.0.abort(session, attempt)).await
    }

    async fn close_session(&self, session: SessionId) -> Result<(), RunError> {
        self.watch("close-session", Some(session), self.0.close_session(session)).await
    }

    async fn link(&self, session: SessionId, attempt: AttemptId) -> Result<PeerLink, RunError> {
        self.watch("deal/link", Some(session), self.0.link(session, attempt)).await
    }
}

/// Starts log output on standard error, at `info` unless `RUST_LOG` says otherwise. A second call does nothing.
pub fn start_logging() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
}
