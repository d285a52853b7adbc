//! Watching a node, apart from what it does: wrappers around its links and around what a question reports. Words come from
//! [`kobling_proto::observe`] only, which has none for a row, a share, a token or a count.

use std::sync::Arc;

use async_trait::async_trait;
use kobling_model::{OwnerId, SessionId};
use kobling_proto::observe::context::TraceContext;
use kobling_proto::observe::log::LevelFilter;
use kobling_proto::observe::{Fault, Outcome, Span, Step, Telemetry, log};

use crate::conduct::Progress;
use crate::error::NodeError;
use crate::peer::{Connector, Link, LinkName};

/// Writes log lines to standard error, up to `warn` unless the environment says otherwise ([`log::to_stderr`]).
pub fn log_to_stderr() {
    log::to_stderr(LevelFilter::WARN);
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
    whole: Option<Span>,
    stage: Option<Span>,
}

impl Stages {
    /// A question begins, asked in a span of the broker's.
    pub fn begin(telemetry: &Telemetry, session: SessionId, asked_in: Option<TraceContext>) -> Self {
        let whole = telemetry.step(Step::QuestionCompute).of(session).asked_by(asked_in);
        Self { whole: Some(whole), stage: None }
    }

    /// The span of the whole part.
    pub fn context(&self) -> Option<TraceContext> {
        self.whole.as_ref().and_then(Span::context)
    }

    /// Takes note of a report.
    pub fn see(&mut self, report: &Progress) {
        let outcome = match report {
            // What follows says how it ended.
            Progress::Recorded(_) => return,
            Progress::Stage(_)
            | Progress::Passed
            | Progress::NotCarriedOut
            | Progress::Shared
            | Progress::Ready(_) => Outcome::Ok,
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
                    "share" => Some(Step::QuestionShare),
                    "product" => Some(Step::QuestionProduct),
                    "protect" => Some(Step::QuestionProtect),
                    _ => None,
                };
                self.stage = self.whole.as_ref().zip(step).map(|(whole, step)| whole.child(step));
            }
            _ => {
                if let Some(whole) = self.whole.take() {
                    whole.end(outcome);
                }
            }
        }
    }
}
