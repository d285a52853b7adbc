//! What the broker may ask of a node.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use kobling_crypto::channel::Header;
use kobling_model::catalogue::{Catalogue, Datastore};
use kobling_model::plan::Release;
use kobling_model::record::{Asker, Receipt};
use kobling_model::rules::{Refusal, Rules};
use kobling_model::script_request::SignedRequest;
use kobling_model::{AttemptId, Hash, JobId, OwnerId, SessionId, UnitType};
use kobling_proto::flight;

use crate::problem::{Problem, RunError};

/// All nodes that the broker can talk to.
pub trait NodeClients: Send + Sync {
    /// The node of this name, if the roster has it.
    fn node(&self, id: &OwnerId) -> Option<Arc<dyn NodeClient>>;
}

/// One node. Dropping a future or a stream ends the call at the node.
///
/// Every method fails with a [`RunError`] that names the node and the step.
#[async_trait]
pub trait NodeClient: Send + Sync {
    /// Its name in the roster.
    fn owner(&self) -> &OwnerId;

    /// Who it is and what it offers.
    async fn describe(&self) -> Result<Description, RunError>;

    /// Opens a session there. The linking nodes agree on a salt among themselves meanwhile, so all of them
    /// are asked at the same time.
    async fn open_session(&self, offer: &SessionOffer) -> Result<(), RunError>;

    /// Its tokens of a unit type, ascending.
    async fn tokens(&self, session: SessionId, unit_type: UnitType) -> Result<Vec<[u8; 16]>, RunError>;

    /// Gives it the rows of its tokens, in their order, and the number of rows.
    async fn put_rows(
        &self,
        session: SessionId,
        unit_type: UnitType,
        numbers: Vec<u32>,
        rows: u64,
    ) -> Result<(), RunError>;

    /// Has it compare canaries with the other linking nodes.
    async fn confirm_alignment(&self, session: SessionId, unit_type: UnitType) -> Result<(), RunError>;

    /// Hands it a request that the platform has signed, which it verifies before it does anything in the session.
    async fn admit(&self, order: &AdmitOrder) -> Result<(), RunError>;

    /// Offers the script of a request that it has taken. Returns the rules that the owner insists on.
    async fn offer(&self, offer: &JobOffer) -> Result<Rules, RunError>;

    /// Tells it that an edit of the job offered last is not carried out. Returns once it has derived the same plan.
    async fn revise(&self, revision: &JobRevision) -> Result<(), RunError>;

    /// Has it compute as a worker. The stream ends after one outcome.
    async fn compute(
        &self,
        order: &ComputeOrder,
    ) -> Result<BoxStream<'static, Result<ComputeEvent, RunError>>, RunError>;

    /// Has it deal. Returns once all randomness has been dealt.
    async fn deal(&self, order: &DealOrder) -> Result<(), RunError>;

    /// Fetches its partial aggregate, which can be fetched once.
    async fn partial(&self, session: SessionId, attempt: AttemptId) -> Result<SignedPartial, RunError>;

    /// Ends an attempt there.
    async fn abort(&self, session: SessionId, attempt: AttemptId) -> Result<(), RunError>;

    /// Ends a session there.
    async fn close_session(&self, session: SessionId) -> Result<(), RunError>;

    /// Opens a link for dealing, where the broker deals itself.
    async fn link(&self, session: SessionId, attempt: AttemptId) -> Result<PeerLink, RunError>;
}

/// A random number that a node draws at its start.
#[derive(Clone, PartialEq, Eq)]
pub struct Incarnation(pub Vec<u8>);

impl fmt::Debug for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

/// Who a node is and what it offers.
#[derive(Clone, Debug)]
pub struct Description {
    /// Its name, checked to be the one dialled.
    pub owner: OwnerId,
    /// Hash of the roster it has pinned.
    pub federation: Hash,
    /// Releases it can answer from, all of them its own.
    pub datastores: Vec<Datastore>,
    /// Whether it holds all federation secrets that it should.
    pub ready: bool,
    /// Changes when it restarts.
    pub incarnation: Incarnation,
}

/// A session as nodes are told of it.
#[derive(Clone, Debug)]
pub struct SessionOffer {
    /// The session.
    pub session: SessionId,
    /// Nodes that link, in roster order.
    pub linking: Vec<OwnerId>,
    /// Nodes that take part: those that link, and those that may be second worker or dealer. In roster order.
    pub members: Vec<OwnerId>,
    /// Pinned releases.
    pub releases: Vec<Release>,
    /// Who asks.
    pub asker: Asker,
}

/// A request as nodes are handed it.
#[derive(Clone, Debug)]
pub struct AdmitOrder {
    /// The session.
    pub session: SessionId,
    /// The job that it is for.
    pub job: JobId,
    /// The request, as it came from the platform.
    pub signed: Arc<SignedRequest>,
}

/// A script as nodes are told of it.
#[derive(Clone, Debug)]
pub struct JobOffer {
    /// The session.
    pub session: SessionId,
    /// The job.
    pub job: JobId,
    /// The releases pinned for the session.
    pub catalogue: Arc<Catalogue>,
    /// Hash of the broker's plan.
    pub plan: Hash,
}

/// How edits of a job have ended, as nodes are told of it.
#[derive(Clone, Debug)]
pub struct JobRevision {
    /// The session.
    pub session: SessionId,
    /// The job.
    pub job: JobId,
    /// Whether each edit was carried out, in script order; the last was not.
    pub edits: Vec<bool>,
    /// Hash of the broker's plan with these outcomes.
    pub plan: Hash,
}

/// One try at one question, for a worker.
#[derive(Clone, Debug)]
pub struct ComputeOrder {
    /// The session.
    pub session: SessionId,
    /// The job.
    pub job: JobId,
    /// The try.
    pub attempt: AttemptId,
    /// Index in the plan.
    pub question: u32,
    /// What each worker's owner insists on.
    pub rules: Vec<Rules>,
}

/// One try at one question, for its dealer.
#[derive(Clone, Debug)]
pub struct DealOrder {
    /// The session.
    pub session: SessionId,
    /// The try.
    pub attempt: AttemptId,
    /// Left worker.
    pub left: OwnerId,
    /// Right worker.
    pub right: OwnerId,
}

/// What a worker reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ComputeEvent {
    /// A stage has begun.
    Stage(String),
    /// How it ended is recorded at the node, there.
    Recorded(Receipt),
    /// The population passed its floor, or the edit is carried out.
    Passed,
    /// The edit is not carried out.
    NotCarriedOut,
    /// An owner that is no worker has shared its columns.
    Shared,
    /// A partial aggregate can be fetched.
    Ready {
        /// Its hash, as recorded at the node.
        content: Hash,
    },
    /// A rule refused.
    Refused(Refusal),
    /// It failed.
    Failed(Problem),
}

/// A partial aggregate as it came, not yet checked. Worth nothing without its sibling.
#[derive(Clone)]
pub struct SignedPartial {
    /// One share for each cell.
    pub words: Vec<u32>,
    /// One share of the sum for each cell, or none.
    pub sums: Vec<u128>,
    /// One share of the sum of squares for each cell, or none.
    pub squares: Vec<u128>,
    /// Ed25519 signature by the node.
    pub signature: Vec<u8>,
    /// Transcript of what the node sent to the other worker.
    pub sent: Hash,
    /// Transcript of what it received from the other worker.
    pub received: Hash,
}

impl SignedPartial {
    /// Takes what a node sent for a partial aggregate; what proves it stands in the metadata.
    ///
    /// # Errors
    /// What no honest node leaves out.
    pub fn read(partial: flight::Partial) -> Result<Self, &'static str> {
        let text = |key: &str| partial.metadata.get(key).map(String::as_str).unwrap_or_default();
        let hash = |key| Hash::parse(text(key)).map_err(|_| "a partial aggregate without transcripts");
        Ok(Self {
            signature: hex::decode(text("signature"))
                .map_err(|_| "a partial aggregate without a signature")?,
            sent: hash("transcript.sent")?,
            received: hash("transcript.received")?,
            words: partial.values,
            sums: partial.sums,
            squares: partial.squares,
        })
    }
}

impl fmt::Debug for SignedPartial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignedPartial({} shares)", self.words.len())
    }
}

/// A two-way link to a worker, for dealing.
pub struct PeerLink {
    /// Takes messages to the worker; the link closes when it is dropped.
    pub outgoing: tokio::sync::mpsc::Sender<(Header, Vec<u8>)>,
    /// Messages from the worker.
    pub incoming: BoxStream<'static, Result<(Header, Bytes), RunError>>,
}
