//! Channels that remember which party failed first, so that an error names it.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use kobling_crypto::channel::{Channel, ChannelError, FramedChannel, StepName, Transport};
use kobling_model::OwnerId;

/// The first failure on any link of an attempt.
#[derive(Clone, Default)]
pub struct Failures(Arc<Mutex<Option<(OwnerId, ChannelError)>>>);

impl Failures {
    /// Who failed first, and how.
    pub fn first(&self) -> Option<(OwnerId, ChannelError)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, party: &OwnerId, error: &ChannelError) {
        let mut first = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert_with(|| (party.clone(), error.clone()));
    }
}

/// A channel to one party that notes its failures.
pub struct Watched<T: Transport> {
    channel: FramedChannel<T>,
    party: OwnerId,
    failures: Failures,
}

impl<T: Transport> Watched<T> {
    /// Watches a channel to `party`.
    pub fn new(channel: FramedChannel<T>, party: OwnerId, failures: Failures) -> Self {
        Self { channel, party, failures }
    }

    /// Hashes of everything sent and received.
    pub fn transcripts(&self) -> ([u8; 32], [u8; 32]) {
        self.channel.transcripts()
    }
}

impl<T: Transport> Channel for Watched<T> {
    fn send(
        &mut self,
        step: &StepName,
        index: u64,
        shape: &[u64],
        body: Vec<u8>,
    ) -> Result<(), ChannelError> {
        let sent = self.channel.send(step, index, shape, body);
        sent.inspect_err(|error| self.failures.note(&self.party, error))
    }

    fn receive(&mut self, step: &StepName, index: u64, shape: &[u64]) -> Result<Bytes, ChannelError> {
        let received = self.channel.receive(step, index, shape);
        received.inspect_err(|error| self.failures.note(&self.party, error))
    }
}
