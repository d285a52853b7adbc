//! Carries the blocking protocols of `kobling-crypto` over a link.

use std::time::Duration;

use bytes::Bytes;
use kobling_crypto::channel::{Header, StepName, Transport, TransportError};
use kobling_proto::peer::v1 as wire;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::Link;

/// A link as the protocols see it. Its methods block and must not be called on a runtime's own thread.
pub struct LinkTransport {
    link: Link,
    runtime: Handle,
    patience: Duration,
    ended: CancellationToken,
}

impl LinkTransport {
    /// Carries frames over `link`; each waits at most `patience`, and none once `ended` is cancelled.
    pub fn new(link: Link, runtime: Handle, patience: Duration, ended: CancellationToken) -> Self {
        Self { link, runtime, patience, ended }
    }
}

impl Transport for LinkTransport {
    fn send(&mut self, header: Header, body: Vec<u8>) -> Result<(), TransportError> {
        let frame = wire::Frame { header: Some(to_wire(header)), body: Bytes::from(body) };
        let Self { link, runtime, patience, ended } = self;
        runtime.block_on(async {
            tokio::select! {
                () = ended.cancelled() => Err(TransportError::Closed),
                sent = tokio::time::timeout(*patience, link.outgoing.send(frame)) => match sent {
                    Ok(Ok(())) => Ok(()),
                    Ok(Err(_)) => Err(TransportError::Closed),
                    Err(_) => Err(TransportError::TimedOut),
                },
            }
        })
    }

    fn receive(&mut self) -> Result<(Header, Bytes), TransportError> {
        let Self { link, runtime, patience, ended } = self;
        let frame = runtime.block_on(async {
            tokio::select! {
                () = ended.cancelled() => Err(TransportError::Closed),
                frame = tokio::time::timeout(*patience, link.incoming.recv()) => match frame {
                    Ok(Some(frame)) => Ok(frame),
                    Ok(None) => Err(TransportError::Closed),
                    Err(_) => Err(TransportError::TimedOut),
                },
            }
        })?;
        let header = frame.header.and_then(from_wire).ok_or(TransportError::Malformed)?;
        Ok((header, frame.body))
    }
}

fn to_wire(header: Header) -> wire::Header {
    wire::Header {
        session: Bytes::copy_from_slice(&header.session),
        attempt: Bytes::copy_from_slice(&header.attempt),
        step: header.step.as_str().to_owned(),
        index: header.index,
        sender: header.sender,
        shape: header.shape,
        transcript: Bytes::copy_from_slice(&header.transcript),
    }
}

fn from_wire(header: wire::Header) -> Option<Header> {
    Some(Header {
        session: header.session.as_ref().try_into().ok()?,
        attempt: header.attempt.as_ref().try_into().ok()?,
        step: StepName::new(header.step).ok()?,
        index: header.index,
        sender: header.sender,
        shape: header.shape,
        transcript: header.transcript.as_ref().try_into().ok()?,
    })
}
