//! Wire types to and from the domain's.
//!
//! Towards the wire cannot fail. From the wire everything is checked: names have their form, enumerations
//! are set, dates are days of the calendar and in order. An error names the field, never what was in it.

mod applied;
pub mod catalogue;
pub mod common;
pub mod problem;

use kobling_model::ids::InvalidName;
use kobling_model::{AttemptId, DatastoreId, Day, Hash, JobId, OwnerId, SessionId, UnitType, Version};

/// A message that no honest party sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the message's field {field} is missing or malformed")]
pub struct InvalidMessage {
    /// Where, such as `variable.dates`.
    pub field: &'static str,
}

/// Reads a party's name.
///
/// # Errors
/// [`InvalidMessage`] with the field given.
pub fn owner(text: &str, field: &'static str) -> Result<OwnerId, InvalidMessage> {
    OwnerId::new(text).map_err(|_| InvalidMessage { field })
}

/// Reads a session's 16 bytes.
///
/// # Errors
/// [`InvalidMessage`] with field `session`.
pub fn session(bytes: &[u8]) -> Result<SessionId, InvalidMessage> {
    SessionId::from_bytes(bytes).map_err(at("session"))
}

/// Reads a job's 16 bytes.
///
/// # Errors
/// [`InvalidMessage`] with field `job`.
pub fn job(bytes: &[u8]) -> Result<JobId, InvalidMessage> {
    JobId::from_bytes(bytes).map_err(at("job"))
}

/// Reads an attempt's 16 bytes.
///
/// # Errors
/// [`InvalidMessage`] with field `attempt`.
pub fn attempt(bytes: &[u8]) -> Result<AttemptId, InvalidMessage> {
    AttemptId::from_bytes(bytes).map_err(at("attempt"))
}

/// Reads a unit type's name.
///
/// # Errors
/// [`InvalidMessage`] with field `unit_type`.
pub fn unit_type(text: &str) -> Result<UnitType, InvalidMessage> {
    text.parse().map_err(|_| InvalidMessage { field: "unit_type" })
}

/// Reads a SHA-256 digest's 32 bytes.
///
/// # Errors
/// [`InvalidMessage`] with the field given.
pub fn hash(bytes: &[u8], field: &'static str) -> Result<Hash, InvalidMessage> {
    Hash::from_bytes(bytes).map_err(|_| InvalidMessage { field })
}

/// The bytes of a digest.
pub fn hash_bytes(hash: &Hash) -> bytes::Bytes {
    bytes::Bytes::copy_from_slice(&hash.0)
}

fn datastore(text: String, field: &'static str) -> Result<DatastoreId, InvalidMessage> {
    DatastoreId::new(text).map_err(at(field))
}

fn version(text: &str, field: &'static str) -> Result<Version, InvalidMessage> {
    text.parse().map_err(|_| InvalidMessage { field })
}

fn day(days: i32, field: &'static str) -> Result<Day, InvalidMessage> {
    Day::from_days(days).map_err(|_| InvalidMessage { field })
}

fn at(field: &'static str) -> impl Fn(InvalidName) -> InvalidMessage {
    move |_| InvalidMessage { field }
}
