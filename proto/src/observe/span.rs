//! One step at work.

use std::future::Future;
use std::time::Instant;

use kobling_model::{OwnerId, SessionId};

use super::{Outcome, Step, Telemetry};

/// What an error means to somebody who watches.
pub trait Fault {
    /// How a step ended that ended with it.
    fn outcome(&self) -> Outcome {
        Outcome::Failed
    }
}

impl Fault for tonic::Status {}

/// An error with its place.
impl<E: Fault, P> Fault for (E, P) {
    fn outcome(&self) -> Outcome {
        self.0.outcome()
    }
}

/// A step that has begun. When it is dropped without a word, it was abandoned.
#[derive(Debug)]
#[must_use = "a span that is dropped at once measures nothing"]
pub struct Span {
    telemetry: Telemetry,
    step: Step,
    session: Option<SessionId>,
    party: Option<OwnerId>,
    begun: Instant,
    outcome: Outcome,
}

impl Span {
    pub(super) fn begin(telemetry: Telemetry, step: Step) -> Self {
        Self {
            telemetry,
            step,
            session: None,
            party: None,
            begun: Instant::now(),
            outcome: Outcome::Abandoned,
        }
    }

    /// Names the session that the step belongs to.
    pub fn of(mut self, session: SessionId) -> Self {
        self.session = Some(session);
        self
    }

    /// Names the other party of the step: the one that is asked, or that a link leads to.
    pub fn with(mut self, party: &OwnerId) -> Self {
        self.party = Some(party.clone());
        self
    }

    /// Does the step's work. The step ends with it, or is abandoned when the future is dropped.
    ///
    /// # Errors
    /// Those of the work.
    pub async fn watch<T, E: Fault>(self, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let result = work.await;
        self.end(result.as_ref().map_or_else(Fault::outcome, |_| Outcome::Ok));
        result
    }

    /// The step has ended.
    pub fn end(mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        self.telemetry.0.steps.add(self.step, self.outcome, self.party.as_ref(), self.begun.elapsed());
    }
}
