//! Watching, apart from doing: what may be said about a party at work, and where it is said.
//!
//! Everything that leaves by this module is put together from the closed lists in [`vocabulary`]: there is no way to hand
//! it a text, a value or a count. Node and broker have wrappers of their own in `observe.rs`, around what they watch.
//!
//! - [`Telemetry`]: a party's handle. There is nothing global in it, so several parties in one process are apart.
//! - [`Span`]: one step at work; its end is counted, with its time.
//! - [`metrics`]: the page that Prometheus reads. [`port`]: where it is served.
//! - [`settings`]: the table `[telemetry]` of a configuration file. Everything is off without it.

pub mod metrics;
pub mod port;
pub mod settings;
mod span;
pub mod vocabulary;

use std::sync::Arc;

pub use span::{Fault, Span};
pub use vocabulary::{Outcome, Step};

use self::metrics::Steps;
use crate::transport::Traffic;

/// A party's handle for all that is watched in it. Cloning makes another handle of the same.
#[derive(Clone, Debug, Default)]
pub struct Telemetry(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    traffic: Traffic,
    steps: Steps,
}

impl Telemetry {
    /// Counts a party's steps, and the bytes that `traffic` counts.
    pub fn new(traffic: Traffic) -> Self {
        Self(Arc::new(Inner { traffic, steps: Steps::default() }))
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
