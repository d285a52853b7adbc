//! Long lists of ring elements under one name: cut into messages of at most a mebibyte, numbered from 0.

use crate::channel::{Channel, StepName};
use crate::protocol::{ProtocolError, decode};
use crate::ring::Ring;

/// Longest body of one message.
pub(crate) const BODY_BYTES: usize = 1 << 20;

/// Lengths of the messages that `length` bytes of elements of `width` bytes are cut into.
fn pieces(length: usize, width: usize) -> impl Iterator<Item = usize> {
    let most = BODY_BYTES / width * width;
    (0..length).step_by(most).map(move |start| most.min(length - start))
}

fn shape<R: Ring>(bytes: usize) -> [u64; 2] {
    [(bytes / R::BYTES) as u64, R::BYTES as u64]
}

/// The sending end of a name.
pub(crate) struct Outbox {
    step: StepName,
    sent: u64,
}

impl Outbox {
    pub(crate) fn new(step: &StepName) -> Self {
        Self { step: step.clone(), sent: 0 }
    }

    /// Messages sent so far.
    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }

    /// Sends encoded elements. Nothing is sent for none.
    pub(crate) fn send<R: Ring>(&mut self, peer: &mut dyn Channel, body: &[u8]) -> Result<(), ProtocolError> {
        for piece in body.chunks(BODY_BYTES / R::BYTES * R::BYTES) {
            self.send_piece::<R>(peer, piece)?;
        }
        Ok(())
    }

    /// Sends encoded elements and receives as many, piece by piece: two ends that both send everything first could
    /// wait for each other for ever.
    pub(crate) fn exchange<R: Ring>(
        &mut self,
        inbox: &mut Inbox,
        peer: &mut dyn Channel,
        body: &[u8],
    ) -> Result<Vec<R>, ProtocolError> {
        let mut theirs = Vec::with_capacity(body.len());
        for piece in body.chunks(BODY_BYTES / R::BYTES * R::BYTES) {
            self.send_piece::<R>(peer, piece)?;
            inbox.receive_piece::<R>(peer, piece.len(), &mut theirs)?;
        }
        decode(&theirs, &inbox.step)
    }

    fn send_piece<R: Ring>(&mut self, peer: &mut dyn Channel, piece: &[u8]) -> Result<(), ProtocolError> {
        peer.send(&self.step, self.sent, &shape::<R>(piece.len()), piece.to_vec())?;
        self.sent += 1;
        Ok(())
    }
}

/// The receiving end of a name.
pub(crate) struct Inbox {
    step: StepName,
    received: u64,
}

impl Inbox {
    pub(crate) fn new(step: &StepName) -> Self {
        Self { step: step.clone(), received: 0 }
    }

    /// Messages received so far.
    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    /// Receives `count` elements.
    pub(crate) fn receive<R: Ring>(
        &mut self,
        peer: &mut dyn Channel,
        count: usize,
    ) -> Result<Vec<R>, ProtocolError> {
        let mut content = Vec::with_capacity(count * R::BYTES);
        for length in pieces(count * R::BYTES, R::BYTES) {
            self.receive_piece::<R>(peer, length, &mut content)?;
        }
        decode(&content, &self.step)
    }

    fn receive_piece<R: Ring>(
        &mut self,
        peer: &mut dyn Channel,
        length: usize,
        content: &mut Vec<u8>,
    ) -> Result<(), ProtocolError> {
        content.extend(peer.receive(&self.step, self.received, &shape::<R>(length))?);
        self.received += 1;
        Ok(())
    }
}
