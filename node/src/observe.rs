//! Watching a node, apart from what it does: wrappers around its links and around what a question reports. Words come from
//! [`kobling_proto::observe`] only, which has none for a row, a share, a token or a count.

use std::sync::Arc;

use async_trait::async_trait;
use kobling_model::{OwnerId, SessionId};
use kobling_proto::observe::{Fault, Outcome, Span, Step, Telemetry};
use tracing_subscriber::EnvFilter;

use crate::conduct::Progress;
use crate::error::NodeError;
use crate::peer::{Connector, Link, LinkName};

/// Writes structured log lines to standard error. The environment variable `KOBLING_LOG` sets the level; `warn`
/// where it says nothing.
pub fn log_to_stderr() {
    let filter = EnvFilter::try_from_env("KOBLING_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
}

impl Fault for NodeError {
    fn outcome(&self) -> Outcome {
        match self {
            Self::Refused { .. } => Outcome::Refused,
            Self::Aborted => Outcome::Abandoned,
            _ => Outcome::Failed,
        }
    }
}

/// Links, each watched while it is made.
pub struct ObservedConnector {
    /// Makes them.
    pub inner: Arc<dyn Connector>,
    /// Counts them.
    pub telemetry: Telemetry,
}

#[async_trait]
impl Connector for ObservedConnector {
    async fn connect(&self, peer: &OwnerId, name: LinkName) -> Result<Link, NodeError> {
        let span = self.telemetry.step(Step::PeerLink).of(name.session).with(peer);
        span.watch(self.inner.connect(peer, name)).await
    }
}

/// A worker's part of a question, watched by what it reports: each stage lasts until the next report, and the last report
/// says how all of it ended.
pub struct Stages {
    telemetry: Telemetry,
    session: SessionId,
    whole: Option<Span>,
    stage: Option<Span>,
}

impl Stages {
    /// A question begins.
    pub fn begin(telemetry: &Telemetry, session: SessionId) -> Self {
        let whole = telemetry.step(Step::QuestionCompute).of(session);
        Self { telemetry: telemetry.clone(), session, whole: Some(whole), stage: None }
    }

    /// Takes note of a report.
    pub fn see(&mut self, report: &Progress) {
        let outcome = match report {
            Progress::Stage(_) | Progress::Passed | Progress::Ready(_) => Outcome::Ok,
            Progress::Refused(_) => Outcome::Refused,
            Progress::Failed(error) => error.outcome(),
        };
        if let Some(stage) = self.stage.take() {
            stage.end(outcome);
        }
        match report {
            Progress::Stage(name) => {
                let step = match *name {
                    "extract" => Some(Step::QuestionExtract),
                    "product" => Some(Step::QuestionProduct),
                    "protect" => Some(Step::QuestionProtect),
                    _ => None,
                };
                self.stage = step.map(|step| self.telemetry.step(step).of(self.session));
            }
            _ => {
                if let Some(whole) = self.whole.take() {
                    whole.end(outcome);
                }
            }
        }
    }
}
