//! Bytes on the sockets, counted below TLS: what really goes over the network, handshakes and frames included.
//!
//! There is nothing global. A party makes one [`Traffic`] and hands it to [`incoming`](super::incoming) and
//! [`dial_counted`](super::dial_counted), so that several parties in one process are counted apart. A count says no
//! more than what anybody sees who watches the network.

use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use kobling_model::OwnerId;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tonic::transport::server::Connected;

/// A party's counters. Cloning makes another handle of the same ones.
#[derive(Clone, Debug, Default)]
pub struct Traffic(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    accepted: Arc<Flow>,
    dialled: Mutex<BTreeMap<OwnerId, Arc<Flow>>>,
}

/// Both directions of some connections.
#[derive(Debug, Default)]
pub(super) struct Flow {
    sent: AtomicU64,
    received: AtomicU64,
}

/// Which end of its connections a party is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Others have dialled. Who they are is known above TLS only.
    Accepted,
    /// This party has dialled the one named.
    Dialled(OwnerId),
}

/// What has passed so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed {
    /// Over which connections.
    pub end: End,
    /// Bytes written to sockets.
    pub sent: u64,
    /// Bytes read from sockets.
    pub received: u64,
}

impl Traffic {
    /// What has passed so far: accepted connections first, then those dialled, by party.
    pub fn passed(&self) -> Vec<Passed> {
        let passed = |end, flow: &Flow| Passed {
            end,
            sent: flow.sent.load(Ordering::Relaxed),
            received: flow.received.load(Ordering::Relaxed),
        };
        let mut all = vec![passed(End::Accepted, &self.0.accepted)];
        let dialled = self.0.dialled.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend(dialled.iter().map(|(party, flow)| passed(End::Dialled(party.clone()), flow)));
        all
    }

    pub(super) fn accepted(&self) -> Arc<Flow> {
        self.0.accepted.clone()
    }

    pub(super) fn dialled(&self, party: &OwnerId) -> Arc<Flow> {
        let mut dialled = self.0.dialled.lock().unwrap_or_else(PoisonError::into_inner);
        dialled.entry(party.clone()).or_default().clone()
    }
}

/// A stream whose bytes are counted.
#[derive(Debug)]
pub struct Counted<S> {
    stream: S,
    flow: Arc<Flow>,
}

impl<S> Counted<S> {
    pub(super) fn new(stream: S, flow: Arc<Flow>) -> Self {
        Self { stream, flow }
    }

    fn sent(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(bytes)) = &written {
            self.flow.sent.fetch_add(*bytes as u64, Ordering::Relaxed);
        }
        written
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        let bytes = buffer.filled().len().saturating_sub(before);
        self.flow.received.fetch_add(bytes as u64, Ordering::Relaxed);
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.sent(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.sent(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

// Above it tonic finds what it finds above the stream itself, the caller's certificate among it.
impl<S: Connected> Connected for Counted<S> {
    type ConnectInfo = S::ConnectInfo;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.stream.connect_info()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn every_byte_is_counted_once_at_each_end_and_parties_apart() {
        let (here, there) = tokio::io::duplex(8);
        let (traffic, others) = (Traffic::default(), Traffic::default());
        let ssb = OwnerId::new("ssb").expect("valid");
        let mut here = Counted::new(here, traffic.dialled(&ssb));
        let mut there = Counted::new(there, others.accepted());
        let send = async {
            here.write_all(&[1; 1000]).await.expect("written");
            here.shutdown().await.expect("closed");
        };
        let mut taken = Vec::new();
        let (_, read) = tokio::join!(send, there.read_to_end(&mut taken));
        assert_eq!(read.expect("read"), 1000);
        let none = Passed { end: End::Accepted, sent: 0, received: 0 };
        assert_eq!(traffic.passed(), [none, Passed { end: End::Dialled(ssb), sent: 1000, received: 0 }]);
        assert_eq!(others.passed(), [Passed { end: End::Accepted, sent: 0, received: 1000 }]);
    }
}
