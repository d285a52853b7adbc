//! The broker as dealer: in a federation of two nodes there is nobody else.
//!
//! A broker that deals knows every mask of the question, so it must see nothing that is masked: it opens a link
//! of its own to each worker, over which pass public keys, the public shape and masked corrections
//! ([`kobling_crypto::attempt`]), and it never relays, certifies or records what the workers send each other. The
//! partial aggregates that it adds up carry a fresh sharing of zero from a seed that it does not have.
//!
//! It deals only where the roster makes it the dealer: whether a node answers decides nothing.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::future::try_join;
use kobling_crypto::attempt::{self, Ends};
use kobling_crypto::channel::{
    Channel, ChannelError, FramedChannel, Header, StepName, Transport, TransportError,
};
use kobling_crypto::protocol::kept::MaskShelf;
use kobling_model::OwnerId;
use kobling_model::federation::Roles;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};

use crate::broker::lock;
use crate::job::Run;
use crate::problem::RunError;
use crate::roster::{ComputeOrder, PeerLink};

/// Deals for one attempt. Dropping the future closes both links, which ends the work.
///
/// # Errors
/// [`RunError`] naming the worker whose link failed first.
pub(crate) async fn deal(run: &Run<'_>, order: &ComputeOrder, roles: &Roles) -> Result<(), RunError> {
    let broker = run.broker;
    let (left, right) = (broker.node(&roles.left)?, broker.node(&roles.right)?);
    let links = try_join(left.link(order.session, order.attempt), right.link(order.session, order.attempt));
    let (to_left, to_right) = links.await?;
    // Closed when this future is dropped: the blocking work then finds both its links closed.
    let (_open, ended) = watch::channel(());
    let runtime = Handle::current();
    let patience = broker.times.peer_timeout;
    let transport = move |link, ended| LinkTransport { link, runtime: runtime.clone(), patience, ended };
    let dealer = Dealer {
        session: order.session.0,
        attempt: order.attempt.0,
        me: roles.dealer.clone(),
        left: (roles.left.clone(), transport(to_left, ended.clone())),
        right: (roles.right.clone(), transport(to_right, ended)),
        masks: run.session.masks.clone(),
    };
    tokio::task::spawn_blocking(move || dealer.deal())
        .await
        .map_err(|_| RunError::Internal { step: "deal" })?
}

struct Dealer {
    session: [u8; 16],
    attempt: [u8; 16],
    me: OwnerId,
    left: (OwnerId, LinkTransport),
    right: (OwnerId, LinkTransport),
    masks: Arc<Mutex<MaskShelf>>,
}

impl Dealer {
    fn deal(self) -> Result<(), RunError> {
        let Self { session, attempt, me, left, right, mut masks } = self;
        let first_failure = Failure::default();
        let ends = |peer| Ends { session: &session, attempt: &attempt, own: me.as_str(), peer };
        let (left_id, right_id) = (left.0.clone(), right.0.clone());
        let named = |(peer, transport): (OwnerId, LinkTransport)| Named {
            channel: FramedChannel::new(transport, session, attempt, me.as_str(), peer.as_str()),
            peer,
            first_failure: first_failure.clone(),
        };
        let (mut to_left, mut to_right) = (named(left), named(right));
        let dealt = attempt::deal(
            &mut to_left,
            ends(left_id.as_str()),
            &mut to_right,
            ends(right_id.as_str()),
            &mut masks,
            None,
        );
        dealt.map_err(|_| match lock(&first_failure.0).take() {
            Some((party, ChannelError::Closed { .. })) => RunError::Unreachable { party, step: "deal" },
            Some((party, ChannelError::TimedOut { .. })) => RunError::TimedOut { party, step: "deal" },
            Some((party, _)) => {
                RunError::Misbehaved { party, step: "deal", what: "a message that was not the one due" }
            }
            // The links are whole: the workers announced shapes that differ, or that nobody can compute.
            None => RunError::Disagreement { left: left_id, right: right_id },
        })
    }
}

/// The link that failed first, and how: a failure of the other link may only follow from it.
#[derive(Clone, Default)]
struct Failure(Arc<Mutex<Option<(OwnerId, ChannelError)>>>);

/// A channel to one worker that says so where it fails first.
struct Named {
    channel: FramedChannel<LinkTransport>,
    peer: OwnerId,
    first_failure: Failure,
}

impl Named {
    fn note<T>(&self, result: Result<T, ChannelError>) -> Result<T, ChannelError> {
        result.inspect_err(|error| {
            lock(&self.first_failure.0).get_or_insert_with(|| (self.peer.clone(), error.clone()));
        })
    }
}

impl Channel for Named {
    fn send(
        &mut self,
        step: &StepName,
        index: u64,
        shape: &[u64],
        body: Vec<u8>,
    ) -> Result<(), ChannelError> {
        let sent = self.channel.send(step, index, shape, body);
        self.note(sent)
    }

    fn receive(&mut self, step: &StepName, index: u64, shape: &[u64]) -> Result<Bytes, ChannelError> {
        let received = self.channel.receive(step, index, shape);
        self.note(received)
    }
}

/// A link as the protocols see it. Its methods block and must not be called on a runtime's own thread.
struct LinkTransport {
    link: PeerLink,
    runtime: Handle,
    patience: Duration,
    ended: watch::Receiver<()>,
}

impl Drop for LinkTransport {
    /// Leaves the link: this end has said everything, and what it said must arrive. Dropping the answers at once
    /// would reset the call, and with it the last frames on their way.
    fn drop(&mut self) {
        let (nowhere, _) = mpsc::channel(1);
        drop(std::mem::replace(&mut self.link.outgoing, nowhere));
        let mut rest = std::mem::replace(&mut self.link.incoming, Box::pin(futures::stream::empty()));
        self.runtime.spawn(async move {
            let rest = async { while rest.next().await.is_some() {} };
            let _ = tokio::time::timeout(Duration::from_secs(10), rest).await;
        });
    }
}

impl Transport for LinkTransport {
    fn send(&mut self, header: Header, body: Vec<u8>) -> Result<(), TransportError> {
        let Self { link, runtime, patience, ended } = self;
        runtime.block_on(async {
            tokio::select! {
                _ = ended.changed() => Err(TransportError::Closed),
                sent = tokio::time::timeout(*patience, link.outgoing.send((header, body))) => match sent {
                    Ok(Ok(())) => Ok(()),
                    Ok(Err(_)) => Err(TransportError::Closed),
                    Err(_) => Err(TransportError::TimedOut),
                },
            }
        })
    }

    fn receive(&mut self) -> Result<(Header, Bytes), TransportError> {
        let Self { link, runtime, patience, ended } = self;
        runtime.block_on(async {
            tokio::select! {
                _ = ended.changed() => Err(TransportError::Closed),
                message = tokio::time::timeout(*patience, link.incoming.next()) => match message {
                    Ok(Some(Ok(message))) => Ok(message),
                    Ok(Some(Err(RunError::Misbehaved { .. }))) => Err(TransportError::Malformed),
                    Ok(Some(Err(_)) | None) => Err(TransportError::Closed),
                    Err(_) => Err(TransportError::TimedOut),
                },
            }
        })
    }
}
