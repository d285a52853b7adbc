//! A link between two threads of one process, for tests and measurements.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use bytes::Bytes;

use crate::channel::{Header, Transport, TransportError};

/// One end of a link in memory. Sending never waits; receiving waits up to the time given.
pub struct MemoryTransport {
    to_peer: Sender<(Header, Bytes)>,
    from_peer: Receiver<(Header, Bytes)>,
    patience: Duration,
}

/// Two ends of one link.
pub fn pair(patience: Duration) -> (MemoryTransport, MemoryTransport) {
    let (to_b, from_a) = channel();
    let (to_a, from_b) = channel();
    (
        MemoryTransport { to_peer: to_b, from_peer: from_b, patience },
        MemoryTransport { to_peer: to_a, from_peer: from_a, patience },
    )
}

impl Transport for MemoryTransport {
    fn send(&mut self, header: Header, body: Vec<u8>) -> Result<(), TransportError> {
        self.to_peer.send((header, Bytes::from(body))).map_err(|_| TransportError::Closed)
    }

    fn receive(&mut self) -> Result<(Header, Bytes), TransportError> {
        self.from_peer.recv_timeout(self.patience).map_err(|error| match error {
            RecvTimeoutError::Timeout => TransportError::TimedOut,
            RecvTimeoutError::Disconnected => TransportError::Closed,
        })
    }
}
