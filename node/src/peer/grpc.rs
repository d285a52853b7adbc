//! Links over gRPC: dialling, and the service that is dialled.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{Stream, StreamExt};
use kobling_model::federation::Federation;
use kobling_model::{AttemptId, OwnerId, SessionId};
use kobling_proto::convert::problem::{code, problem_of};
use kobling_proto::limits;
use kobling_proto::observe::context::{Carried, TraceContext, carried};
use kobling_proto::observe::{Step, Telemetry};
use kobling_proto::peer::v1 as wire;
use kobling_proto::peer::v1::exchange_request::Content;
use kobling_proto::peer::v1::peer_service_client::PeerServiceClient;
use kobling_proto::peer::v1::peer_service_server::PeerService;
use kobling_proto::transport::{self, Caller, Callers, Credentials, DialErrorKind, Traffic};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::{Connector, Link, LinkName, Lobby, Purpose};
use crate::error::NodeError;
use crate::founding::Founding;
use crate::switch::Switch;

/// Dials peers whose name sorts after this node's, and waits for those before it.
pub struct GrpcConnector {
    /// This node.
    pub me: OwnerId,
    /// The pinned roster.
    pub federation: Arc<Federation>,
    /// This node's certificate.
    pub credentials: Credentials,
    /// Where links from outside arrive.
    pub lobby: Lobby,
    /// Whom the operator has let in.
    pub founding: Arc<Founding>,
    /// How long to wait for a link.
    pub patience: Duration,
    /// Counts the bytes of connections dialled.
    pub traffic: Traffic,
}

impl GrpcConnector {
    /// A client of a peer's service, over a connection of its own.
    ///
    /// # Errors
    /// [`NodeError`] naming the peer.
    pub async fn dial(
        &self,
        peer: &OwnerId,
        step: &'static str,
    ) -> Result<PeerServiceClient<Carried>, NodeError> {
        let party =
            self.federation.node(peer).ok_or_else(|| NodeError::NotOnTheRoster { party: self.me.clone() })?;
        let dialled = transport::dial_counted(party, &self.credentials, self.patience, &self.traffic).await;
        let channel = dialled.map_err(|error| {
            let party = peer.clone();
            match error.kind {
                DialErrorKind::CertificateRefused(_) => NodeError::Certificate { party },
                DialErrorKind::TimedOut => NodeError::TimedOut { party, step: step.into() },
                _ => NodeError::Unreachable { party, step: step.into() },
            }
        })?;
        Ok(PeerServiceClient::new(carried(channel))
            .max_decoding_message_size(limits::MAX_PEER_MESSAGE)
            .max_encoding_message_size(limits::MAX_PEER_MESSAGE))
    }

    async fn dial_link(&self, peer: &OwnerId, name: LinkName) -> Result<Link, NodeError> {
        let step = name.purpose.as_str();
        let stopped = |status: &Status| {
            !status.details().is_empty() && problem_of(status, peer, step).code == code::OWNER_STOPPED
        };
        let failed = |status: &Status| match status.code() {
            _ if stopped(status) => NodeError::OwnerStopped { party: peer.clone() },
            tonic::Code::Unauthenticated => NodeError::Certificate { party: peer.clone() },
            tonic::Code::PermissionDenied => NodeError::NotAPeer { party: peer.clone() },
            _ => NodeError::Unreachable { party: peer.clone(), step: step.into() },
        };
        let mut client = self.dial(peer, step).await?;
        let (link, to_carry, to_deliver) = Link::new();
        let open = wire::Open {
            session: Bytes::copy_from_slice(&name.session.0),
            attempt: Bytes::copy_from_slice(&name.attempt.0),
            purpose: name.purpose.to_wire(),
        };
        let request = |content| wire::ExchangeRequest { content: Some(content) };
        let first = futures::stream::once(async move { request(Content::Open(open)) });
        let others = ReceiverStream::new(to_carry).map(move |frame| request(Content::Frame(frame)));
        let answer = tokio::time::timeout(self.patience, client.exchange(first.chain(others)))
            .await
            .map_err(|_| NodeError::TimedOut { party: peer.clone(), step: step.into() })?
            .map_err(|status| failed(&status))?;
        let frames = answer.into_inner().map(|answer| answer.ok().and_then(|answer| answer.frame));
        tokio::spawn(deliver(frames, to_deliver));
        Ok(link)
    }
}

/// How long a stream is kept after this end has left it.
const LINGER: Duration = Duration::from_secs(10);

/// Hands frames on until either end is gone or something arrives that is no frame.
///
/// When this end has left, the stream is read to its end all the same: dropping it at once would reset the call, and with it this
/// end's last frames on their way.
async fn deliver(
    mut frames: impl Stream<Item = Option<wire::Frame>> + Send + Unpin + 'static,
    to: mpsc::Sender<wire::Frame>,
) {
    loop {
        let frame = tokio::select! {
            frame = frames.next() => frame.flatten(),
            () = to.closed() => break,
        };
        let Some(frame) = frame else { return };
        if to.send(frame).await.is_err() {
            break;
        }
    }
    let rest = async { while frames.next().await.flatten().is_some() {} };
    let _ = tokio::time::timeout(LINGER, rest).await;
}

#[async_trait]
impl Connector for GrpcConnector {
    async fn connect(&self, peer: &OwnerId, name: LinkName) -> Result<Link, NodeError> {
        if *peer == self.federation.broker.id {
            return self.lobby.take(peer, name, self.patience).await;
        }
        if !self.founding.is_accepted(peer) {
            return Err(NodeError::NotAPeer { party: peer.clone() });
        }
        if self.me < *peer {
            self.dial_link(peer, name).await
        } else {
            self.lobby.take(peer, name, self.patience).await
        }
    }
}

/// What other parties may ask of this node directly.
pub struct PeerEndpoint {
    /// Tells who calls.
    pub callers: Arc<Callers>,
    /// Where links are brought.
    pub lobby: Lobby,
    /// Whom the operator has let in, and the secrets they may fetch.
    pub founding: Arc<Founding>,
    /// How long a link waits for somebody here.
    pub patience: Duration,
    /// Whether the broker may deal here.
    pub broker_deals: bool,
    /// The broker's name.
    pub broker: OwnerId,
    /// This node.
    pub me: OwnerId,
    /// Counts links.
    pub telemetry: Telemetry,
    /// Whether the operator has stopped this node.
    pub switch: Arc<Switch>,
}

impl PeerEndpoint {
    /// Who dials: a node that the operator has let in, or the broker where it deals.
    fn admit<T>(&self, request: &Request<T>) -> Result<OwnerId, Status> {
        match self.callers.identify(request).map_err(|status| *status)? {
            Caller::Node(id) if self.founding.is_accepted(&id) => Ok(id),
            Caller::Broker if self.broker_deals => Ok(self.broker.clone()),
            _ => Err(NodeError::NotAPeer { party: self.me.clone() }.into()),
        }
    }
}

#[tonic::async_trait]
impl PeerService for PeerEndpoint {
    type ExchangeStream = Pin<Box<dyn Stream<Item = Result<wire::ExchangeResponse, Status>> + Send>>;

    async fn exchange(
        &self,
        request: Request<Streaming<wire::ExchangeRequest>>,
    ) -> Result<Response<Self::ExchangeStream>, Status> {
        let peer = self.admit(&request)?;
        self.switch.check()?;
        let asked_in = TraceContext::of_request(&request);
        let span = self.telemetry.step(Step::PeerAccept).with(&peer).asked_by(asked_in);
        let mut requests = request.into_inner();
        let first = tokio::time::timeout(self.patience, requests.message()).await;
        let first = first.map_err(|_| NodeError::TimedOut { party: peer.clone(), step: "open".into() })??;
        let Some(Content::Open(open)) = first.and_then(|first| first.content) else {
            return Err(NodeError::Invalid { field: "open" }.into());
        };
        let name = link_name(&open).ok_or(NodeError::Invalid { field: "open" })?;
        if peer == self.broker && name.purpose != Purpose::Attempt {
            return Err(NodeError::NotAPeer { party: self.me.clone() }.into());
        }
        let (link, to_carry, to_deliver) = Link::new();
        let frames = requests.map(|request| match request.ok().and_then(|request| request.content) {
            Some(Content::Frame(frame)) => Some(frame),
            _ => None,
        });
        tokio::spawn(deliver(frames, to_deliver));
        let session = name.session;
        let brought = async { self.lobby.bring(&peer, name, link, self.patience) };
        span.of(session).watch(brought).await?;
        let answers =
            ReceiverStream::new(to_carry).map(|frame| Ok(wire::ExchangeResponse { frame: Some(frame) }));
        Ok(Response::new(Box::pin(answers)))
    }

    async fn fetch_secret(
        &self,
        request: Request<wire::FetchSecretRequest>,
    ) -> Result<Response<wire::FetchSecretResponse>, Status> {
        let peer = self.admit(&request)?;
        let request = request.into_inner();
        let secret = self.founding.give(&peer, &request.name, &request.federation)?;
        Ok(Response::new(wire::FetchSecretResponse { secret: Bytes::from(secret) }))
    }
}

fn link_name(open: &wire::Open) -> Option<LinkName> {
    Some(LinkName {
        session: SessionId::from_bytes(&open.session).ok()?,
        attempt: AttemptId::from_bytes(&open.attempt).ok()?,
        purpose: Purpose::parse(&open.purpose)?,
    })
}
