//! Links to other parties: one for each purpose, both ways, frames in order.
//!
//! Between two nodes the one whose name sorts first dials, whoever needs the link; a broker that deals
//! always dials. The other end finds the link in its [`Lobby`], where a link that has arrived and a
//! computation that waits for it meet by name.

pub mod grpc;
mod lobby;
mod transport;

use async_trait::async_trait;
use kobling_model::{AttemptId, OwnerId, SessionId};
use kobling_proto::peer::v1::Frame;
use tokio::sync::mpsc;

pub use lobby::Lobby;
pub use transport::LinkTransport;

use crate::error::NodeError;

/// Frames that may wait in one direction of a link. Product blocks are about 200 kB, so this is a few
/// megabytes at most.
const QUEUE: usize = 8;

/// What a link is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Checking secrets and agreeing on a salt, when a session opens.
    Session,
    /// Comparing canaries after an alignment.
    Canaries,
    /// Computing a question: between workers, and between worker and dealer.
    Attempt,
    /// Sharing columns or numbers: between a further owner and a worker, a link for each of what it shares.
    Share(u8),
}

impl Purpose {
    /// The name on the wire.
    pub fn to_wire(self) -> String {
        match self {
            Self::Share(item) => format!("share{item}"),
            other => other.as_str().to_owned(),
        }
    }

    /// What people are told.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Canaries => "canaries",
            Self::Attempt => "attempt",
            Self::Share(_) => "share",
        }
    }

    /// Reads the name on the wire.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(item) = text.strip_prefix("share") {
            return item.parse().ok().map(Self::Share).filter(|purpose| purpose.to_wire() == text);
        }
        let all = [Self::Session, Self::Canaries, Self::Attempt];
        all.into_iter().find(|purpose| purpose.as_str() == text)
    }
}

/// Names a link at both of its ends.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LinkName {
    /// The session.
    pub session: SessionId,
    /// The attempt; all zero for a session's own links. For canaries it tells alignments apart.
    pub attempt: AttemptId,
    /// What for.
    pub purpose: Purpose,
}

/// One end of a link.
#[derive(Debug)]
pub struct Link {
    /// Frames to the other end. Dropping it ends this direction.
    pub outgoing: mpsc::Sender<Frame>,
    /// Frames from the other end; ends when the other end is gone.
    pub incoming: mpsc::Receiver<Frame>,
}

impl Link {
    /// A link's end here, and the far ends of its two queues: frames to carry away, frames to deliver.
    pub fn new() -> (Self, mpsc::Receiver<Frame>, mpsc::Sender<Frame>) {
        let (outgoing, to_carry) = mpsc::channel(QUEUE);
        let (to_deliver, incoming) = mpsc::channel(QUEUE);
        (Self { outgoing, incoming }, to_carry, to_deliver)
    }
}

/// Makes links. The system's tests put a recorder between.
#[async_trait]
pub trait Connector: Send + Sync {
    /// A link to `peer`, which is asked for the same link at about the same time.
    ///
    /// # Errors
    /// [`NodeError`] naming the peer: not let in, unreachable, certificate refused, or not in time.
    async fn connect(&self, peer: &OwnerId, name: LinkName) -> Result<Link, NodeError>;
}
