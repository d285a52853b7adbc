//! Recorders between the parties: what each one sees of the others, and a hand on what passes.
//!
//! Both sit where the product lets something be put between: around a node's `Connector`, and around the broker's
//! `NodeClients`. They see what is sent, which is ciphertext to everybody else; the product has no tap for clear text.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use kobling_broker::problem::RunError;
use kobling_broker::roster::{
    AdmitOrder, ComputeEvent, ComputeOrder, DealOrder, Description, JobOffer, JobRevision, NodeClient,
    NodeClients, PeerLink, SessionOffer, SignedPartial,
};
use kobling_crypto::channel::{Header, StepName, Transcript};
use kobling_model::rules::Rules;
use kobling_model::{AttemptId, OwnerId, SessionId, UnitType};
use kobling_node::error::NodeError;
use kobling_node::peer::{Connector, Link, LinkName, Purpose};
use kobling_proto::peer::v1 as wire;
use tokio::sync::mpsc;

/// One frame between two nodes.
#[derive(Clone, Debug)]
pub struct Message {
    /// Who sent it.
    pub from: OwnerId,
    /// Who got it.
    pub to: OwnerId,
    /// On which link.
    pub link: LinkName,
    /// The frame as it arrived.
    pub frame: wire::Frame,
}

impl Message {
    /// The step that its header names.
    pub fn step(&self) -> &str {
        self.frame.header.as_ref().map_or("", |header| header.step.as_str())
    }

    /// Number within the step, and shape.
    pub fn shape(&self) -> (u64, Vec<u64>) {
        self.frame.header.as_ref().map_or((0, Vec::new()), |header| (header.index, header.shape.clone()))
    }

    /// What it carries.
    pub fn body(&self) -> &[u8] {
        &self.frame.body
    }
}

/// What the broker said to a node, or heard from it.
#[derive(Clone, Debug)]
pub struct Call {
    /// The node.
    pub node: OwnerId,
    /// The session, where there is one.
    pub session: Option<SessionId>,
    /// What.
    pub said: Said,
}

/// The content of a [`Call`].
#[derive(Clone, Debug)]
pub enum Said {
    /// The node told who it is.
    Description(String),
    /// The node gave tokens.
    Tokens(Vec<[u8; 16]>),
    /// The broker gave row numbers, and their number.
    Rows(Vec<u32>, u64),
    /// The node granted a script under these rules.
    Granted(Rules),
    /// A worker reported.
    Reported(AttemptId, ComputeEvent),
    /// A worker gave its partial aggregate: one share for each cell.
    Partial(AttemptId, Vec<u32>),
    /// A dealing broker sent a message to the node.
    DealSent(Header, Vec<u8>),
    /// A dealing broker got a message from the node.
    DealReceived(Header, Vec<u8>),
}

impl Said {
    /// The bytes that passed, as far as they are no control message.
    pub fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Description(text) => text.clone().into_bytes(),
            Self::Tokens(tokens) => tokens.concat(),
            Self::Rows(numbers, _) => numbers.iter().flat_map(|number| number.to_le_bytes()).collect(),
            Self::Granted(rules) => format!("{rules:?}").into_bytes(),
            Self::Reported(_, event) => format!("{event:?}").into_bytes(),
            Self::Partial(_, words) => words.iter().flat_map(|word| word.to_le_bytes()).collect(),
            Self::DealSent(_, body) | Self::DealReceived(_, body) => body.clone(),
        }
    }
}

type OnFrame = Arc<dyn Fn(&OwnerId, &OwnerId, &LinkName, &mut wire::Frame) + Send + Sync>;
type OnPartial = Arc<dyn Fn(&OwnerId, &mut SignedPartial) + Send + Sync>;
type OnTokens = Arc<dyn Fn(&OwnerId, &mut Vec<[u8; 16]>) + Send + Sync>;

/// Everything recorded in a world, and what is done to things that pass.
#[derive(Default)]
pub struct Tap {
    messages: Mutex<Vec<Message>>,
    calls: Mutex<Vec<Call>>,
    on_frame: Mutex<Option<OnFrame>>,
    on_partial: Mutex<Option<OnPartial>>,
    on_tokens: Mutex<Option<OnTokens>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tap {
    /// All frames so far, in the order in which they arrived.
    pub fn messages(&self) -> Vec<Message> {
        lock(&self.messages).clone()
    }

    /// All calls so far.
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.calls).clone()
    }

    /// Forgets what was recorded.
    pub fn forget(&self) {
        lock(&self.messages).clear();
        lock(&self.calls).clear();
    }

    /// From now on every frame between nodes passes through `meddle` first.
    pub fn on_frame(
        &self,
        meddle: impl Fn(&OwnerId, &OwnerId, &LinkName, &mut wire::Frame) + Send + Sync + 'static,
    ) {
        *lock(&self.on_frame) = Some(Arc::new(meddle));
    }

    /// From now on every partial aggregate passes through `meddle` before the broker has it.
    pub fn on_partial(&self, meddle: impl Fn(&OwnerId, &mut SignedPartial) + Send + Sync + 'static) {
        *lock(&self.on_partial) = Some(Arc::new(meddle));
    }

    /// From now on tokens pass through `meddle` before the broker has them.
    pub fn on_tokens(&self, meddle: impl Fn(&OwnerId, &mut Vec<[u8; 16]>) + Send + Sync + 'static) {
        *lock(&self.on_tokens) = Some(Arc::new(meddle));
    }

    /// Lets everything pass untouched again.
    pub fn hands_off(&self) {
        *lock(&self.on_frame) = None;
        *lock(&self.on_partial) = None;
        *lock(&self.on_tokens) = None;
    }

    fn note(&self, node: &OwnerId, session: Option<SessionId>, said: Said) {
        lock(&self.calls).push(Call { node: node.clone(), session, said });
    }
}

/// A node's connector with a recorder around it.
pub struct TappedConnector {
    /// Whose.
    pub me: OwnerId,
    /// What makes the links.
    pub inner: Arc<dyn Connector>,
    /// Where frames are recorded.
    pub tap: Arc<Tap>,
}

#[async_trait]
impl Connector for TappedConnector {
    async fn connect(&self, peer: &OwnerId, name: LinkName) -> Result<Link, NodeError> {
        let Link { outgoing, mut incoming } = self.inner.connect(peer, name.clone()).await?;
        let (link, mut to_carry, to_deliver) = Link::new();
        let (me, peer, tap) = (self.me.clone(), peer.clone(), self.tap.clone());
        tokio::spawn(async move {
            while let Some(mut frame) = to_carry.recv().await {
                let meddle = lock(&tap.on_frame).clone();
                if let Some(meddle) = meddle {
                    meddle(&me, &peer, &name, &mut frame);
                }
                let (from, to) = (me.clone(), peer.clone());
                lock(&tap.messages).push(Message { from, to, link: name.clone(), frame: frame.clone() });
                if outgoing.send(frame).await.is_err() {
                    break;
                }
            }
        });
        tokio::spawn(async move {
            loop {
                let frame = tokio::select! {
                    frame = incoming.recv() => frame,
                    () = to_deliver.closed() => None,
                };
                let Some(frame) = frame else { break };
                if to_deliver.send(frame).await.is_err() {
                    break;
                }
            }
        });
        Ok(link)
    }
}

/// Rewrites what one party says on one link so that the other end notices nothing: transcripts are made to fit.
///
/// This is what somebody could do who sits inside TLS, such as the sender itself.
#[derive(Default)]
pub struct Rewriter(Mutex<Option<Transcript>>);

impl Rewriter {
    /// Takes the next frame of the link; `change` may alter its body.
    pub fn pass(
        &self,
        from: &OwnerId,
        to: &OwnerId,
        frame: &mut wire::Frame,
        change: impl FnOnce(&str, &mut Vec<u8>),
    ) {
        let Some(mut header) = frame.header.clone().and_then(from_wire) else { return };
        let mut body = frame.body.to_vec();
        change(header.step.as_str(), &mut body);
        let mut transcript = lock(&self.0);
        let before = transcript.take().unwrap_or_else(|| {
            Transcript::start(&header.session, &header.attempt, from.as_str(), to.as_str())
        });
        let after = before.after(&header, &body);
        header.transcript = after.hash();
        *transcript = Some(after);
        frame.header.as_mut().expect("it had one").transcript = header.transcript.to_vec().into();
        frame.body = body.into();
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

/// Whether a link is the one on which two nodes open a session.
pub fn is_session_link(link: &LinkName) -> bool {
    link.purpose == Purpose::Session
}

/// The broker's clients with a recorder around each.
pub struct TappedNodes {
    /// What talks to nodes.
    pub inner: Arc<dyn NodeClients>,
    /// Where calls are recorded.
    pub tap: Arc<Tap>,
}

impl NodeClients for TappedNodes {
    fn node(&self, id: &OwnerId) -> Option<Arc<dyn NodeClient>> {
        let inner = self.inner.node(id)?;
        Some(Arc::new(TappedNode { inner, tap: self.tap.clone() }))
    }
}

struct TappedNode {
    inner: Arc<dyn NodeClient>,
    tap: Arc<Tap>,
}

impl TappedNode {
    fn note(&self, session: impl Into<Option<SessionId>>, said: Said) {
        self.tap.note(self.inner.owner(), session.into(), said);
    }
}

#[async_trait]
impl NodeClient for TappedNode {
    fn owner(&self) -> &OwnerId {
        self.inner.owner()
    }

    async fn describe(&self) -> Result<Description, RunError> {
        let description = self.inner.describe().await?;
        self.note(None, Said::Description(format!("{description:?}")));
        Ok(description)
    }

    async fn open_session(&self, offer: &SessionOffer) -> Result<(), RunError> {
        self.inner.open_session(offer).await
    }

    async fn tokens(&self, session: SessionId, unit_type: UnitType) -> Result<Vec<[u8; 16]>, RunError> {
        let mut tokens = self.inner.tokens(session, unit_type).await?;
        let meddle = lock(&self.tap.on_tokens).clone();
        if let Some(meddle) = meddle {
            meddle(self.owner(), &mut tokens);
        }
        self.note(session, Said::Tokens(tokens.clone()));
        Ok(tokens)
    }

    async fn put_rows(
        &self,
        session: SessionId,
        unit_type: UnitType,
        numbers: Vec<u32>,
        rows: u64,
    ) -> Result<(), RunError> {
        self.note(session, Said::Rows(numbers.clone(), rows));
        self.inner.put_rows(session, unit_type, numbers, rows).await
    }

    async fn confirm_alignment(&self, session: SessionId, unit_type: UnitType) -> Result<(), RunError> {
        self.inner.confirm_alignment(session, unit_type).await
    }

    async fn revise(&self, revision: &JobRevision) -> Result<(), RunError> {
        self.inner.revise(revision).await
    }

    async fn admit(&self, order: &AdmitOrder) -> Result<(), RunError> {
        self.inner.admit(order).await
    }

    async fn offer(&self, offer: &JobOffer) -> Result<Rules, RunError> {
        let rules = self.inner.offer(offer).await?;
        self.note(offer.session, Said::Granted(rules.clone()));
        Ok(rules)
    }

    async fn compute(
        &self,
        order: &ComputeOrder,
    ) -> Result<BoxStream<'static, Result<ComputeEvent, RunError>>, RunError> {
        let events = self.inner.compute(order).await?;
        let (tap, node) = (self.tap.clone(), self.owner().clone());
        let (session, attempt) = (order.session, order.attempt);
        let events = events.inspect(move |event| {
            if let Ok(event) = event {
                tap.note(&node, Some(session), Said::Reported(attempt, event.clone()));
            }
        });
        Ok(events.boxed())
    }

    async fn deal(&self, order: &DealOrder) -> Result<(), RunError> {
        self.inner.deal(order).await
    }

    async fn partial(&self, session: SessionId, attempt: AttemptId) -> Result<SignedPartial, RunError> {
        let mut partial = self.inner.partial(session, attempt).await?;
        let meddle = lock(&self.tap.on_partial).clone();
        if let Some(meddle) = meddle {
            meddle(self.owner(), &mut partial);
        }
        self.note(session, Said::Partial(attempt, partial.words.clone()));
        Ok(partial)
    }

    async fn abort(&self, session: SessionId, attempt: AttemptId) -> Result<(), RunError> {
        self.inner.abort(session, attempt).await
    }

    async fn close_session(&self, session: SessionId) -> Result<(), RunError> {
        self.inner.close_session(session).await
    }

    async fn link(&self, session: SessionId, attempt: AttemptId) -> Result<PeerLink, RunError> {
        let PeerLink { outgoing, incoming } = self.inner.link(session, attempt).await?;
        let (to_carry, mut carried) = mpsc::channel::<(Header, Vec<u8>)>(8);
        let (tap, node) = (self.tap.clone(), self.owner().clone());
        tokio::spawn(async move {
            while let Some((header, body)) = carried.recv().await {
                tap.note(&node, Some(session), Said::DealSent(header.clone(), body.clone()));
                if outgoing.send((header, body)).await.is_err() {
                    break;
                }
            }
        });
        let (tap, node) = (self.tap.clone(), self.owner().clone());
        let incoming = incoming.inspect(move |message| {
            if let Ok((header, body)) = message {
                tap.note(&node, Some(session), Said::DealReceived(header.clone(), body.to_vec()));
            }
        });
        Ok(PeerLink { outgoing: to_carry, incoming: incoming.boxed() })
    }
}
