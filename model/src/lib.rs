//! The words of the domain: who owns what, what a researcher asked, what a table is.
//!
//! Everything here is plain data with checked constructors. Nothing here reads files, talks to the
//! network or knows a protocol; every other crate speaks in these types, so the same thing has the
//! same name in script, plan, wire message, audit record and log.

pub mod applied;
pub mod catalogue;
pub mod day;
pub mod expression;
pub mod federation;
pub mod hash;
pub mod identity;
pub mod ids;
pub mod interval;
pub mod joint;
pub mod partial;
pub mod plan;
pub mod preparation;
pub mod record;
pub mod rules;
pub mod scalar;
pub mod script_request;
pub mod table;
pub mod unit;
pub mod value;
pub mod version;

pub use day::Day;
pub use hash::Hash;
pub use ids::{AttemptId, DatastoreId, JobId, OwnerId, SessionId, VariableName};
pub use unit::UnitType;
pub use version::Version;
