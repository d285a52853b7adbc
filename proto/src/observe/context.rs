//! Where in a trace a party is, and how the next party hears of it: the header `traceparent` of W3C Trace Context.
//!
//! Two random numbers travel and nothing else: no `tracestate`, no baggage. They are taken from a caller only after its
//! certificate has been checked and only by a party that traces, and are never looked up or branched on; what a
//! caller can do with them is to choose under which trace its own request is filed. Whether to send spans is each party's
//! own decision, so the caller's flags are ignored.

use std::fmt;
use std::future::Future;

use tonic::metadata::MetadataValue;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status};

/// The header's name.
const TRACEPARENT: &str = "traceparent";

tokio::task_local! {
    /// The span in which this task works.
    static CURRENT: TraceContext;
}

/// A place in a trace. Neither number is zero.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    pub(super) trace: [u8; 16],
    pub(super) span: [u8; 8],
}

impl fmt::Debug for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.header())
    }
}

impl TraceContext {
    /// The place that a caller names; none where it names none, or several, or not in the exact form.
    pub fn of_request<T>(request: &Request<T>) -> Option<Self> {
        let mut values = request.metadata().get_all(TRACEPARENT).iter();
        let only = values.next().filter(|_| values.next().is_none());
        only.and_then(|value| Self::parse(value.to_str().ok()?))
    }

    /// Reads version 00, and nothing that only resembles it.
    fn parse(header: &str) -> Option<Self> {
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'a'..=b'f'));
        let mut parts = header.split('-');
        let [version, trace, span, flags] = std::array::from_fn(|_| parts.next().unwrap_or_default());
        let form = parts.next().is_none() && version == "00" && flags.len() == 2;
        if !form || ![trace, span, flags].into_iter().all(digits) {
            return None;
        }
        let mut context = Self { trace: [0; 16], span: [0; 8] };
        // Fails for another length.
        hex::decode_to_slice(trace, &mut context.trace).ok()?;
        hex::decode_to_slice(span, &mut context.span).ok()?;
        (context.trace != [0; 16] && context.span != [0; 8]).then_some(context)
    }

    fn header(self) -> String {
        format!("00-{}-{}-01", hex::encode(self.trace), hex::encode(self.span))
    }
}

/// The span in which this task works, if it is traced.
pub(super) fn current() -> Option<TraceContext> {
    CURRENT.try_with(|current| *current).ok()
}

/// Works in a span: what the work asks of others carries it along, and spans that begin in it are below it.
pub async fn within<T>(context: Option<TraceContext>, work: impl Future<Output = T>) -> T {
    match context {
        Some(context) => CURRENT.scope(context, work).await,
        None => work.await,
    }
}

/// A connection whose calls carry the span in which they are made.
pub type Carried = InterceptedService<Channel, Carry>;

/// Has calls over a connection carry the span in which they are made.
pub fn carried(channel: Channel) -> Carried {
    InterceptedService::new(channel, Carry(()))
}

/// Puts the current span into a call's metadata.
#[derive(Clone, Copy, Debug)]
pub struct Carry(());

impl Interceptor for Carry {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        // Hexadecimal digits and hyphens are always a header's value.
        let header = current().and_then(|current| MetadataValue::try_from(current.header()).ok());
        if let Some(header) = header {
            request.metadata_mut().insert(TRACEPARENT, header);
        }
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // From the examples of the recommendation.
    const EXAMPLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn of(headers: &[&str]) -> Option<TraceContext> {
        let mut request = Request::new(());
        for header in headers {
            request.metadata_mut().append(TRACEPARENT, header.parse().expect("a header's value"));
        }
        TraceContext::of_request(&request)
    }

    #[test]
    fn a_place_is_read_as_it_is_written_and_the_flags_decide_nothing() {
        let context = of(&[EXAMPLE]).expect("an example");
        assert_eq!(context.header(), EXAMPLE);
        assert_eq!(of(&[&EXAMPLE.replace("-01", "-00")]), Some(context));
    }

    #[test]
    fn whatever_is_not_exactly_a_place_is_none() {
        let zeros = |digits: usize| "0".repeat(digits);
        for header in [
            "",
            "00",
            "nonsense",
            &EXAMPLE.to_uppercase(),
            &format!("{EXAMPLE} "),
            &format!("{EXAMPLE}-more"),
            &EXAMPLE.replace("00-4", "01-4"),
            &EXAMPLE.replace("00-4", "ff-4"),
            &EXAMPLE.replace("4bf9", "4bg9"),
            &EXAMPLE.replace("4bf9", "bf9"),
            &EXAMPLE.replace("-01", "-1"),
            &format!("00-{}-00f067aa0ba902b7-01", zeros(32)),
            &format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{}-01", zeros(16)),
            &"0".repeat(10_000),
        ] {
            assert_eq!(of(&[header]), None, "{header}");
        }
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[EXAMPLE, EXAMPLE]), None);
    }

    #[tokio::test]
    async fn only_work_in_a_span_carries_it() {
        let carries = || {
            let request = Carry(()).call(Request::new(())).expect("never refuses");
            TraceContext::of_request(&request)
        };
        let context = of(&[EXAMPLE]);
        assert_eq!(within(context, async { carries() }).await, context);
        assert_eq!(within(None, async { carries() }).await, None);
        assert_eq!(carries(), None);
    }
}
