//! What parties say to each other: generated messages and services, and everything at the edge.
//!
//! - [`common`], [`catalogue`], [`node`], [`peer`], [`platform`], [`flight::v1`]: generated from
//!   `kobling/<part>/v1/*.proto`.
//! - [`convert`]: wire types to and from the domain's; nothing deeper mentions a generated type.
//! - [`flight`]: columns and tables as Arrow Flight messages, and the strict decoders for them.
//! - [`transport`]: mutual TLS, who is calling, and dialling a party of the roster.
//! - [`observe`]: what may be said about a party at work: metrics, spans, log lines, and the words they are made of.
//! - [`witness`]: the one request that is no gRPC, by which parties have their logs cosigned.
//! - [`limits`]: how large and how many, with reasons.
//!
//! What a message means, and when it may be sent, is the node's and the broker's.

pub mod convert;
pub mod flight;
pub mod limits;
pub mod observe;
pub mod transport;
pub mod witness;

/// Generated code, whose comments are those of the `.proto` files.
macro_rules! generated {
    ($(#[$doc:meta])* $name:ident, $package:literal) => {
        $(#[$doc])*
        pub mod $name {
            #[allow(missing_docs, clippy::all)]
            pub mod v1 {
                tonic::include_proto!($package);
            }
        }
    };
}

generated!(
    /// What all other messages share.
    common,
    "kobling.common.v1"
);
generated!(
    /// Datastores, variables, code lists and dates.
    catalogue,
    "kobling.catalogue.v1"
);
generated!(
    /// What the broker may ask of a node.
    node,
    "kobling.node.v1"
);
generated!(
    /// What nodes, and a broker that deals, say to each other directly.
    peer,
    "kobling.peer.v1"
);
generated!(
    /// What the broker offers to the platform.
    platform,
    "kobling.platform.v1"
);

/// All messages and services as a `FileDescriptorSet`, for the reflection service.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/kobling.bin"));
