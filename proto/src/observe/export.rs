//! Spans on their way to the operator's collector: OTLP over gRPC.
//!
//! A span that has ended waits in a queue of bounded length, whose content is typed: words of
//! [`vocabulary`](super::vocabulary), ids and times. A task of its own sends what has gathered. Nothing here can hold up or fail
//! the work that is watched: where the queue is full or the collector does not take spans, they are dropped and counted.
//!
//! The last thing before the wire is the [`Gate`], which builds every span anew from what is on the lists. In this program
//! nothing else reaches it; it is there so that this does not hang on what is written elsewhere. No library's spans are near it:
//! they go to `tracing`, which is not connected with OpenTelemetry here.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kobling_model::{OwnerId, SessionId};
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, Key, KeyValue, Value};
use opentelemetry_otlp::{RetryPolicy, WithExportConfig, WithTonicConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanExporter, SpanLinks};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::context::TraceContext;
use super::log::Line;
use super::settings::Collector;
use super::vocabulary::{Attribute, Role, SizeClass};
use super::{Outcome, Step};

/// Spans that wait. A question of two owners makes about fifty in all, at a node ten.
const QUEUE: usize = 2048;
/// Most spans of one message.
const BATCH: usize = 512;
/// How long spans are gathered before they are sent.
const GATHER: Duration = Duration::from_millis(500);
/// How long the collector may take for one message.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long spans are still sent when the party stops.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// The name under which all our spans stand.
pub const SCOPE: &str = "kobling";

/// A span that has ended. All that can be said of a step is what there is a field for.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) context: TraceContext,
    pub(super) parent: Option<Parent>,
    pub(super) kind: Kind,
    pub(super) step: Step,
    pub(super) outcome: Outcome,
    pub(super) session: Option<SessionId>,
    pub(super) party: Option<OwnerId>,
    pub(super) size: Option<SizeClass>,
    pub(super) begun: SystemTime,
    pub(super) took: Duration,
}

/// What a span is below.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parent {
    pub(super) span: [u8; 8],
    /// It is another party's.
    pub(super) remote: bool,
}

/// Which end of a call a span is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Internal,
    Asking,
    Asked,
}

/// Where ended spans go.
#[derive(Debug)]
pub(super) struct Spans {
    queue: mpsc::Sender<Ended>,
    dropped: Arc<AtomicU64>,
    sending: Mutex<Option<Sending>>,
}

#[derive(Debug)]
struct Sending {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// Spans cannot be sent as the settings say.
#[derive(Debug, thiserror::Error)]
#[error(
    "spans cannot be sent to the collector in telemetry.otlp; an environment variable OTEL_EXPORTER_OTLP_… \
     may ask for what this program does not do"
)]
pub struct ExportRefused;

impl Spans {
    /// Sends spans of `party` to a collector, from now on. Needs a runtime.
    pub(super) fn to(collector: &Collector, role: Role, party: &OwnerId) -> Result<Self, ExportRefused> {
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_tonic()
            .with_endpoint(collector.uri())
            .with_timeout(EXPORT_TIMEOUT)
            .with_retry_policy(RetryPolicy::disabled())
            .build()
            .map_err(|_| ExportRefused)?;
        let mut gate = Gate(exporter);
        gate.set_resource(&resource(role, party));
        let (queue, ended) = mpsc::channel(QUEUE);
        let (stop, stopped) = oneshot::channel();
        let dropped = Arc::<AtomicU64>::default();
        let task = tokio::spawn(send(ended, gate, dropped.clone(), stopped));
        Ok(Self { queue, dropped, sending: Mutex::new(Some(Sending { stop, task })) })
    }

    pub(super) fn add(&self, ended: Ended) {
        if self.queue.try_send(ended).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Spans that did not reach the collector.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Sends what is there, within a bounded time, and nothing more afterwards.
    pub(super) async fn stop(&self) {
        let sending = self.sending.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Sending { stop, task }) = sending else { return };
        let _ = stop.send(());
        let abort = task.abort_handle();
        if tokio::time::timeout(FLUSH_TIMEOUT, task).await.is_err() {
            abort.abort();
        }
    }
}

async fn send(
    mut ended: mpsc::Receiver<Ended>,
    exporter: impl SpanExporter,
    dropped: Arc<AtomicU64>,
    mut stopped: oneshot::Receiver<()>,
) {
    let mut taken = true;
    loop {
        let mut batch = Vec::new();
        // The first of a batch is waited for; a moment later the rest of it is there.
        let first = tokio::select! {
            first = ended.recv() => first,
            _ = &mut stopped, if !ended.is_closed() => {
                ended.close();
                continue;
            }
        };
        let Some(first) = first else { return };
        batch.push(first);
        if !ended.is_closed() {
            tokio::select! {
                () = tokio::time::sleep(GATHER) => {}
                _ = &mut stopped => ended.close(),
            }
        }
        while batch.len() < BATCH
            && let Ok(next) = ended.try_recv()
        {
            batch.push(next);
        }
        let spans = batch.len() as u64;
        let sent = exporter.export(batch.into_iter().map(span).collect());
        // The exporter's own bound leaves out the wait for a connection.
        let now_taken = matches!(tokio::time::timeout(EXPORT_TIMEOUT, sent).await, Ok(Ok(())));
        if !now_taken {
            dropped.fetch_add(spans, Ordering::Relaxed);
        }
        if taken != now_taken {
            let line = if now_taken { Line::SpansTaken } else { Line::SpansNotTaken };
            line.say();
        }
        taken = now_taken;
    }
}

fn resource(role: Role, party: &OwnerId) -> Resource {
    let attributes = [
        attribute(Attribute::Service, role.as_str()),
        attribute(Attribute::Party, party.as_str().to_owned()),
    ];
    // Empty to begin with: what the environment says of the machine and the process stays here.
    Resource::builder_empty().with_attributes(attributes).build()
}

fn attribute(attribute: Attribute, value: impl Into<Value>) -> KeyValue {
    KeyValue::new(attribute.as_str(), value)
}

/// The form that the exporter takes.
fn span(ended: Ended) -> SpanData {
    let Ended { context, parent, kind, step, outcome, session, party, size, begun, took } = ended;
    let session = session.map(|session| attribute(Attribute::Session, session.to_string()));
    let party = party.map(|party| attribute(Attribute::Party, party.as_str().to_owned()));
    let size = size.map(|size| attribute(Attribute::SizeClass, size.as_str()));
    let start = whole_ms(begun);
    let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    SpanData {
        span_context: SpanContext::new(
            TraceId::from_bytes(context.trace),
            SpanId::from_bytes(context.span),
            TraceFlags::SAMPLED,
            false,
            TraceState::NONE,
        ),
        parent_span_id: parent.map_or(SpanId::INVALID, |parent| SpanId::from_bytes(parent.span)),
        parent_span_is_remote: parent.is_some_and(|parent| parent.remote),
        span_kind: match kind {
            Kind::Internal => SpanKind::Internal,
            Kind::Asking => SpanKind::Client,
            Kind::Asked => SpanKind::Server,
        },
        name: step.as_str().into(),
        start_time: start,
        end_time: start.checked_add(Duration::from_millis(took_ms)).unwrap_or(start),
        attributes: [session, party, size].into_iter().flatten().collect(),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: match outcome {
            Outcome::Ok | Outcome::Refused => Status::Ok,
            Outcome::Failed | Outcome::Abandoned => Status::error(""),
        },
        instrumentation_scope: InstrumentationScope::builder(SCOPE).build(),
    }
}

/// The last thing before the wire: lets through what is on the lists, and builds it anew.
///
/// A span under another scope or name is left out. Of the others remain ids, kind, times in whole milliseconds, whether it
/// failed, and attributes whose name is on the list and whose value has its form. Events, links, descriptions and trace
/// states are not kept.
#[derive(Debug)]
pub struct Gate<E>(pub E);

impl<E: SpanExporter> SpanExporter for Gate<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let passed: Vec<_> = batch.into_iter().filter_map(pass).collect();
        if passed.is_empty() { Ok(()) } else { self.0.export(passed).await }
    }

    fn set_resource(&mut self, resource: &Resource) {
        let kept = resource.iter().filter(|(name, value)| may_pass(name, value, true));
        let kept = kept.map(|(name, value)| KeyValue::new(name.clone(), value.clone()));
        self.0.set_resource(&Resource::builder_empty().with_attributes(kept).build());
    }
}

fn pass(span: SpanData) -> Option<SpanData> {
    let step = Step::ALL.iter().find(|step| step.as_str() == span.name)?;
    if span.instrumentation_scope.name() != SCOPE {
        return None;
    }
    let context = &span.span_context;
    let start_time = whole_ms(span.start_time);
    let took = span.end_time.duration_since(span.start_time).unwrap_or_default();
    let attributes = span.attributes.into_iter().filter(|pair| may_pass(&pair.key, &pair.value, false));
    Some(SpanData {
        span_context: SpanContext::new(
            context.trace_id(),
            context.span_id(),
            TraceFlags::SAMPLED,
            false,
            TraceState::NONE,
        ),
        parent_span_id: span.parent_span_id,
        parent_span_is_remote: span.parent_span_is_remote,
        span_kind: span.span_kind,
        name: step.as_str().into(),
        start_time,
        end_time: start_time.checked_add(whole(took)).unwrap_or(start_time),
        attributes: attributes.collect(),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: match span.status {
            Status::Error { .. } => Status::error(""),
            other => other,
        },
        instrumentation_scope: InstrumentationScope::builder(SCOPE).build(),
    })
}

/// Whether an attribute is on the list for its place, and its value in its form.
fn may_pass(name: &Key, value: &Value, in_resource: bool) -> bool {
    let Some(attribute) = Attribute::ALL.iter().find(|attribute| attribute.as_str() == name.as_str()) else {
        return false;
    };
    let Value::String(value) = value else { return false };
    let value = value.as_str();
    match attribute {
        Attribute::Party => OwnerId::new(value).is_ok(),
        Attribute::Session => {
            !in_resource && SessionId::parse(value).is_ok_and(|session| session.to_string() == value)
        }
        Attribute::SizeClass => !in_resource && SizeClass::ALL.iter().any(|class| class.as_str() == value),
        Attribute::Service => in_resource && Role::ALL.iter().any(|role| role.as_str() == value),
    }
}

/// A moment to the millisecond: finer times say more about data than about machines.
fn whole_ms(moment: SystemTime) -> SystemTime {
    UNIX_EPOCH + whole(moment.duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn whole(time: Duration) -> Duration {
    Duration::new(time.as_secs(), time.subsec_millis() * 1_000_000)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use opentelemetry::trace::{Event, Span as _, SpanBuilder, Tracer as _, TracerProvider as _};
    use opentelemetry_sdk::trace::SdkTracerProvider;

    use super::*;

    const IDENTITY: &str = "01819012345";

    /// Keeps what would go over the wire.
    #[derive(Clone, Debug, Default)]
    struct Wire {
        spans: Arc<Mutex<Vec<SpanData>>>,
        resource: Arc<Mutex<Option<Resource>>>,
    }

    impl SpanExporter for Wire {
        async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
            self.spans.lock().expect("not poisoned").extend(batch);
            Ok(())
        }

        fn set_resource(&mut self, resource: &Resource) {
            *self.resource.lock().expect("not poisoned") = Some(resource.clone());
        }
    }

    /// Everything that is said through OpenTelemetry's own tracer with a span of this name under this scope.
    fn leak(provider: &SdkTracerProvider, scope: &'static str, name: &'static str) {
        let tracer = provider.tracer(scope);
        let builder = SpanBuilder::from_name(name).with_attributes([
            KeyValue::new("identity", IDENTITY),
            KeyValue::new("kobling.session", IDENTITY),
            KeyValue::new("kobling.size_class", 12345),
            KeyValue::new("kobling.party", "krg"),
        ]);
        let mut span = tracer.build(builder);
        span.add_event(IDENTITY, vec![KeyValue::new("value", IDENTITY)]);
        span.set_status(Status::error(IDENTITY));
        span.end();
    }

    fn provider(exporter: impl SpanExporter + 'static) -> SdkTracerProvider {
        let resource = [KeyValue::new("host.name", IDENTITY), KeyValue::new("service.name", "kobling-node")];
        SdkTracerProvider::builder()
            .with_resource(Resource::builder_empty().with_attributes(resource).build())
            .with_simple_exporter(exporter)
            .build()
    }

    #[test]
    fn the_gate_takes_away_all_that_is_not_on_the_lists() {
        let (open, gated) = (Wire::default(), Wire::default());
        for provider in [provider(open.clone()), provider(Gate(gated.clone()))] {
            leak(&provider, SCOPE, "link.tokens");
            leak(&provider, SCOPE, IDENTITY);
            leak(&provider, "h2", "link.tokens");
            provider.shutdown().expect("shut down");
        }
        // Without the gate all of it would have left, so it is the gate that holds it.
        let shown = |wire: &Wire| {
            let (spans, resource) = (wire.spans.lock(), wire.resource.lock());
            format!("{:?} {:?}", spans.expect("not poisoned"), resource.expect("not poisoned"))
        };
        assert!(shown(&open).matches(IDENTITY).count() > 10);
        assert_eq!(open.spans.lock().expect("not poisoned").len(), 3);
        let text = shown(&gated);
        assert!(!text.contains(IDENTITY) && !text.contains("12345") && !text.contains("host"), "{text}");
        let spans = gated.spans.lock().expect("not poisoned");
        let [span] = spans.as_slice() else { panic!("{spans:?}") };
        assert_eq!(span.attributes, [KeyValue::new("kobling.party", "krg")]);
        assert_eq!((span.name.as_ref(), &span.status), ("link.tokens", &Status::error("")));
        let no_events: &[Event] = &[];
        assert_eq!(&*span.events, no_events);
    }

    #[test]
    fn what_a_step_says_of_itself_passes_unchanged() {
        let ended = Ended {
            context: TraceContext { trace: [1; 16], span: [2; 8] },
            parent: Some(Parent { span: [3; 8], remote: true }),
            kind: Kind::Asked,
            step: Step::LinkAlign,
            outcome: Outcome::Failed,
            session: Some(SessionId([4; 16])),
            party: Some(OwnerId::new("krg").expect("valid")),
            size: Some(SizeClass::of_public(65_536)),
            begun: UNIX_EPOCH + Duration::from_micros(1_234_567),
            took: Duration::from_micros(7_890),
        };
        let made = span(ended);
        assert_eq!(pass(made.clone()).as_ref(), Some(&made));
        assert_eq!(made.attributes.len(), 3);
        let ms = |time: SystemTime| time.duration_since(UNIX_EPOCH).expect("after 1970").as_nanos();
        assert_eq!((ms(made.start_time), ms(made.end_time)), (1_234_000_000, 1_241_000_000));
    }
}
