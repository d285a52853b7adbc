//! One step at work.

use std::future::Future;
use std::time::{Instant, SystemTime};

use kobling_model::{OwnerId, SessionId};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator};

use super::context::{TraceContext, current, within};
use super::export::{Ended, Kind, Parent};
use super::vocabulary::SizeClass;
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
///
/// It is counted when it ends, and sent to the collector where there is one.
#[derive(Debug)]
#[must_use = "a span that is dropped at once measures nothing"]
pub struct Span {
    telemetry: Telemetry,
    step: Step,
    session: Option<SessionId>,
    party: Option<OwnerId>,
    size: Option<SizeClass>,
    begun: Instant,
    outcome: Outcome,
    /// None where no spans are sent.
    traced: Option<Traced>,
}

#[derive(Debug)]
struct Traced {
    context: TraceContext,
    parent: Option<Parent>,
    kind: Kind,
    begun: SystemTime,
}

impl Span {
    /// Begins a step, below the span in which this task works.
    pub(super) fn begin(telemetry: Telemetry, step: Step) -> Self {
        let traced = telemetry.traces().then(|| Traced::below(current(), false));
        Self {
            telemetry,
            step,
            session: None,
            party: None,
            size: None,
            begun: Instant::now(),
            outcome: Outcome::Abandoned,
            traced,
        }
    }

    /// Begins a step of the same session below this one.
    pub fn child(&self, step: Step) -> Self {
        let mut child = Self::begin(self.telemetry.clone(), step);
        child.session = self.session;
        child.traced = self.traced.as_ref().map(|traced| Traced::below(Some(traced.context), false));
        child
    }

    /// Names the session that the step belongs to.
    pub fn of(mut self, session: SessionId) -> Self {
        self.session = Some(session);
        self
    }

    /// Names the other party of the step: the one that is asked, or that a link leads to.
    pub fn with(mut self, party: &OwnerId) -> Self {
        self.party = Some(party.clone());
        if let Some(traced @ Traced { kind: Kind::Internal, .. }) = &mut self.traced {
            traced.kind = Kind::Asking;
        }
        self
    }

    /// Says how many rows there are, as a power of ten. Only for numbers that all parties of the step know anyway.
    pub fn public_rows(mut self, rows: u64) -> Self {
        self.size = Some(SizeClass::of_public(rows));
        self
    }

    /// Puts the step below the span of the caller that asks for it. The caller's certificate must have been checked.
    pub fn asked_by(mut self, caller: Option<TraceContext>) -> Self {
        if let Some(traced) = &mut self.traced {
            *traced = Traced { kind: Kind::Asked, ..Traced::below(caller, true) };
        }
        self
    }

    /// Where in a trace the step is; nowhere if it is not traced.
    pub fn context(&self) -> Option<TraceContext> {
        self.traced.as_ref().map(|traced| traced.context)
    }

    /// Does the step's work. The step ends with it, or is abandoned when the future is dropped.
    ///
    /// # Errors
    /// Those of the work.
    pub async fn watch<T, E: Fault>(self, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let result = within(self.context(), work).await;
        self.end(result.as_ref().map_or_else(Fault::outcome, |_| Outcome::Ok));
        result
    }

    /// The step has ended.
    pub fn end(mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Traced {
    /// A new place in the trace of `parent`, or in a new one.
    fn below(parent: Option<TraceContext>, remote: bool) -> Self {
        let ids = RandomIdGenerator::default();
        let trace = parent.map_or_else(|| ids.new_trace_id().to_bytes(), |parent| parent.trace);
        let context = TraceContext { trace, span: ids.new_span_id().to_bytes() };
        let parent = parent.map(|parent| Parent { span: parent.span, remote });
        Self { context, parent, kind: Kind::Internal, begun: SystemTime::now() }
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        let took = self.begun.elapsed();
        self.telemetry.0.steps.add(self.step, self.outcome, self.party.as_ref(), took);
        if let (Some(spans), Some(traced)) = (&self.telemetry.0.spans, self.traced.take()) {
            spans.add(Ended {
                context: traced.context,
                parent: traced.parent,
                kind: traced.kind,
                step: self.step,
                outcome: self.outcome,
                session: self.session,
                party: self.party.take(),
                size: self.size,
                begun: traced.begun,
                took,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_no_collector_is_named_a_step_has_no_place_in_a_trace_and_takes_none() {
        let telemetry = Telemetry::default();
        let caller = TraceContext { trace: [1; 16], span: [2; 8] };
        let span = telemetry.step(Step::Deal).asked_by(Some(caller));
        assert_eq!(span.context(), None);
        assert_eq!(span.child(Step::PeerLink).context(), None);
    }
}
