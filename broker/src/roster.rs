//! The nodes of the roster, as the broker talks to them.
//!
//! [`nodes`] says what can be asked of a node, in the domain's words; [`grpc`] asks it over the wire. Tests of
//! the whole system put a recorder between the two.

pub mod grpc;
pub mod nodes;

pub use grpc::GrpcNodes;
pub use nodes::{
    AdmitOrder, ComputeEvent, ComputeOrder, DealOrder, Description, Incarnation, JobOffer, JobRevision,
    NodeClient, NodeClients, PeerLink, SessionOffer, SignedPartial,
};
