//! Watching, apart from doing: what may be said about a party at work, and where it is said.
//!
//! Everything that leaves by this module is put together from the closed lists in [`vocabulary`]: there is no way to hand
//! it a text, a value or a count. Node and broker have wrappers of their own in `observe.rs`, around what they watch.
//!
//! - [`Telemetry`]: a party's handle. There is nothing global in it, so several parties in one process are apart.
//! - [`Span`]: one step at work; its end is counted, with its time.
//! - [`metrics`]: the page that Prometheus reads. [`port`]: where it is served.
//! - [`context`]: how a trace goes on at the next party. [`export`]: spans on their way to a collector.
//! - [`log`]: lines on standard error.
//! - [`settings`]: the table `[telemetry]` of a configuration file. Everything is off without it.

pub mod context;
pub mod export;
pub mod log;
pub mod metrics;
pub mod port;
pub mod settings;
mod span;
pub mod vocabulary;

use std::sync::Arc;

use kobling_model::OwnerId;
pub use span::{Fault, Span};
pub use vocabulary::{Outcome, Step};

use self::export::{ExportRefused, Spans};
use self::metrics::Steps;
use self::settings::TelemetrySettings;
use self::vocabulary::Role;
use crate::transport::Traffic;

/// A party's handle for all that is watched in it. Cloning makes another handle of the same.
#[derive(Clone, Debug, Default)]
pub struct Telemetry(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    traffic: Traffic,
    steps: Steps,
    /// None where no collector is named.
    spans: Option<Spans>,
}

impl Telemetry {
    /// Watches a party as its settings say: counts its steps and the bytes that `traffic` counts, and sends spans where a
    /// collector is named. Needs a runtime.
    ///
    /// # Errors
    /// [`ExportRefused`]. A collector that is not there is no error.
    pub fn start(
        settings: &TelemetrySettings,
        role: Role,
        party: &OwnerId,
        traffic: Traffic,
    ) -> Result<Self, ExportRefused> {
        let collector = settings.otlp.as_ref();
        let spans = collector.map(|collector| Spans::to(collector, role, party)).transpose()?;
        Ok(Self(Arc::new(Inner { traffic, steps: Steps::default(), spans })))
    }

    /// Sends the spans that wait, within a bounded time, and none afterwards.
    pub async fn stop(&self) {
        if let Some(spans) = &self.0.spans {
            spans.stop().await;
        }
    }

    fn traces(&self) -> bool {
        self.0.spans.is_some()
    }

    /// Spans that did not reach the collector.
    fn spans_dropped(&self) -> u64 {
        self.0.spans.as_ref().map_or(0, Spans::dropped)
    }

    /// Bytes on this party's sockets.
    pub fn traffic(&self) -> &Traffic {
        &self.0.traffic
    }

    /// A step begins.
    pub fn step(&self, step: Step) -> Span {
        Span::begin(self.clone(), step)
    }
}
